# shellcheck shell=bash
# Sourced by check.sh, whose functions and settings it uses: 20 bad and odd inputs of the table in test/faults, in the
# real container under the platform's restrictions. Each must end as the table says, with an output as found or complete.

bad_inputs() {
  "$python" -m test.container.faults make "$work/bad"
  local case status options begun=$SECONDS
  for case in "$work"/bad/*/; do
    status=0
    mapfile -t options <"$case/options"
    restricted "$case/input" "$case/output" "$image" "${short[@]}" --tracer FDG ${options[@]+"${options[@]}"} \
      >"$case/log" 2>&1 || status=$?
    "$python" -m test.container.faults check "$case" "$status" || { cat "$case/log" && exit 1; }
  done
  say "20 bad and odd inputs ended as they must, in $((SECONDS - begun)) s"
}
