#!/usr/bin/env bash
# The container, for real: the unmodified Dockerfile is built, the image is run on a phantom under the platform's
# restrictions, and its mask and report are compared with those of the same run outside of it.
#
# An engine that is there is used, with the Dockerfile's own base; else, for root and where it is at hand, a private
# engine with a stand-in base (CPU torch) is started, and stopped again; else the check is skipped, aloud.
# Settings, all optional: BASE_IMAGE; TMPDIR; ENGINE_DIR, where the private engine keeps its images between runs.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
python=$PWD/.venv/bin/python
starter=$PWD/../shared/tools/engine.sh
engine_dir=${ENGINE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/petlesion/engine}
image=petlesion:check private=
short=(--depth 1 --folds "0,1" --time-limit 0)  # no limit: a busy machine is no reason for two runs to differ
work=$(mktemp -d)

say() { printf 'container: %s\n' "$*"; }

finish() {
  local status=$?
  trap - EXIT
  # What the container's user wrote, only that user (or root) can remove.
  if [ -d "$work" ] && ! rm -rf "$work" 2>/dev/null; then
    docker run --rm --network none -v "$work:/scratch" --entrypoint rm "$image" -rf /scratch/inside /scratch/rescued /scratch/refused || true
    rm -rf "$work" || true
  fi
  if [ -n "$private" ]; then "$starter" stop "$engine_dir"; fi
  exit "$status"
}
trap finish EXIT
trap 'exit 143' TERM INT

choose_engine() {
  if docker version >/dev/null 2>&1; then
    say "engine $(docker version --format '{{.Server.Version}}'), base ${BASE_IMAGE:-of the Dockerfile}"
  elif [ "$(id -u)" -eq 0 ] && [ -x "$starter" ]; then
    private=yes
    export PATH=/usr/bin:$PATH DOCKER_BUILDKIT=1 BASE_IMAGE=pytorch/pytorch:standin DOCKER_BUILD_ARGS=--network=host
    mkdir -p "$engine_dir"
    exec 9>"$engine_dir/lock"
    flock 9  # whoever stops the engine stops it for everybody: one check at a time
    DOCKER_HOST=$("$starter" start "$engine_dir" 9>&-)
    export DOCKER_HOST
    "$starter" base "$engine_dir" "$BASE_IMAGE"
    say "a private engine, stand-in base (Debian, CPU torch): the CUDA base stays untested"
  else
    say "skipped: no engine"
    exit 0
  fi
}

build() {
  ON_ERROR=${2:-fail} API_METHOD=${3:-exec} ./build.sh "$1" >"$work/build.log" 2>&1 ||
    { tail -n 40 "$work/build.log" && say "FAILED: the image does not build" && exit 1; }
}

# As the platform runs it, and a little stricter: /output is all that can be written, beside /tmp. A number of threads
# that is set outside holds inside as well.
restricted() {
  local input=$1 output=$2
  shift 2
  local gpu=()
  if [ -z "$private" ] && nvidia-smi -L >/dev/null 2>&1 && docker info --format '{{json .Runtimes}}' | grep -q nvidia; then
    gpu=(--gpus all)
  fi
  mkdir -p "$output" && chmod 777 "$output"
  docker run --rm --network none --cap-drop=ALL --security-opt=no-new-privileges --read-only --tmpfs /tmp \
    --memory=4g --memory-swap=4g --pids-limit=512 --shm-size=128m --env OMP_NUM_THREADS ${gpu[@]+"${gpu[@]}"} \
    -v "$input:/input:ro" -v "$output:/output" "$@"
}

expect() {
  [ "$2" = "$3" ] || { say "FAILED: $1 must be $3; it is $2" && exit 1; }
}

same_as_outside() {
  say "a phantom, outside and inside"
  "$python" -m petlesion phantom --tracer FDG --seed 3 --shape 80,80,64 --spacing 5,5,6 --out "$work/case" >/dev/null
  "$python" process.py --input "$work/case/input" --output "$work/outside" "${short[@]}" 2>"$work/outside.log" ||
    { cat "$work/outside.log" && say "FAILED: process.py outside of the container" && exit 1; }
  local begun=$SECONDS
  restricted "$work/case/input" "$work/inside" "$image" "${short[@]}" >"$work/inside.log" 2>&1 ||
    { cat "$work/inside.log" && say "FAILED: exit status not 0 inside the container" && exit 1; }
  say "the case took $((SECONDS - begun)) s inside"
  "$python" test/container/compare.py "$work/outside" "$work/inside"
}

# Another program of an image than its own.
inside() {
  docker run --rm --network none --entrypoint "$2" "$1" "${@:3}" 2>/dev/null
}

who_it_is() {
  expect "the user inside" "$(inside "$image" id -un)" petlesion
  if [ "$(inside "$image" id -u)" -eq 0 ]; then say "FAILED: uid 0" && exit 1; fi
  local torch='import torch; print(torch.__version__, torch.__file__)'
  local base=${BASE_IMAGE:-$(sed -n 's/^ARG BASE_IMAGE=//p' Dockerfile)}
  expect "torch in the image" "$(inside "$image" python -c "$torch")" \
    "$(inside "$base" python -c "$torch")"
  expect "the platform's method" "$(label "$image")" exec
  docker run --rm -i --network none --entrypoint bash "$image" -s <test/container/unwritable.sh >"$work/unwritable.log" 2>&1 ||
    { cat "$work/unwritable.log" && say "FAILED: the image's user can change its own code" && exit 1; }
  say "$(tail -n 1 "$work/unwritable.log" | cut -c 1-60)..."
  say "user petlesion, torch that of the base, $(($(docker image inspect --format '{{.Size}}' "$image") / 1000000)) MB"
}

label() {
  docker image inspect --format '{{index .Config.Labels "org.grand-challenge.api-method"}}' "$1"
}

# Weights beside the image come before those within: an empty store, named as the platform's folder, must be met with
# a refusal by the usual image, and with a mask by one that is built to answer with whatever it has.
build_arguments() {
  mkdir -p "$work/weights"
  echo '{"format": 1, "models": []}' >"$work/weights/manifest.json"
  local status=0
  restricted "$work/case/input" "$work/refused" -v "$work/weights:/opt/ml/model:ro" "$image" 2>"$work/refused.log" ||
    status=$?
  expect "the exit status without weights" "$status" 4
  say "without weights: $(tail -n 1 "$work/refused.log")"
  build "$image-rescue" mask invoke
  expect "the platform's method" "$(label "$image-rescue")" invoke
  restricted "$work/case/input" "$work/rescued" -v "$work/weights:/opt/ml/model:ro" "$image-rescue" 2>"$work/rescued.log" ||
    { cat "$work/rescued.log" && say "FAILED: ON_ERROR=mask gave no mask" && exit 1; }
  say "the same with ON_ERROR=mask: $(tail -n 1 "$work/rescued.log")"
}

# The platform caps memory by RLIMIT_DATA: too little of it must end in a mask or in one sentence with status 5, not in
# a trace. Only with the small base, which leaves some of these 600 MB for the case.
short_of_memory() {
  local status=0
  restricted "$work/case/input" "$work/short" --ulimit data=600000000:600000000 "$image" --depth 1 --folds 0 \
    2>"$work/short.log" || status=$?
  case $status in
    0 | 5) say "with 600 MB: status $status, $(tail -n 1 "$work/short.log")" ;;
    *) cat "$work/short.log" && say "FAILED: status $status with 600 MB" && exit 1 ;;
  esac
}

choose_engine
say "building"
build "$image"
same_as_outside
who_it_is
build_arguments
if [ -n "$private" ]; then
  short_of_memory
  docker image prune --force >/dev/null
fi
say "passed"
