(() => {
  const frame = document.getElementById("frame");
  const slider = document.getElementById("angle");
  const play = document.getElementById("play");
  const still = window.matchMedia("(prefers-reduced-motion: reduce)");
  let timer = 0;

  const show = (k) => {
    frame.src = FRAMES[k % FRAMES.length];
    // seen from behind, a projection is that from the front mirrored
    frame.style.transform = k < FRAMES.length ? "" : "scaleX(-1)";
    slider.value = k;
    slider.setAttribute("aria-valuetext", `${Math.round((k * 180) / FRAMES.length)} degrees`);
  };
  const stop = () => {
    clearInterval(timer);
    timer = 0;
    play.textContent = "Play";
  };
  const start = () => {
    timer = setInterval(() => show((Number(slider.value) + 1) % (2 * FRAMES.length)), 120);
    play.textContent = "Pause";
  };

  play.addEventListener("click", () => (timer ? stop() : start()));
  slider.addEventListener("input", () => {
    stop();
    show(Number(slider.value));
  });
  still.addEventListener("change", stop);
  window.addEventListener("beforeprint", () => {
    stop();
    show(0);
  });
  play.parentElement.hidden = false;
  show(0);
  if (!still.matches) start();
})();
