#!/usr/bin/env bash
# All checks and all tests, locally as in continuous integration: style, types, the bill of materials and what is known
# against its packages, the container, then the tests.
#
#   ./test.sh [ARGUMENTS FOR PYTEST]
#
# A check that fails does not keep the others from running; the exit status tells. pytest's summary comes last.
# SKIP_CONTAINER=1 leaves the container out; environment.sh and test/container/check.sh name their own settings.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
. ./environment.sh
environment dev

failed=()
check() {
  local name=$1
  shift
  echo "== $name"
  "$@" || failed+=("$name")
}

container() {
  if [ -n "${SKIP_CONTAINER:-}" ]; then
    echo "container: skipped: SKIP_CONTAINER is set"
  else
    test/container/check.sh
  fi
}

# The validator of DICOM objects and the browser for the review page come with the system, not with Python; without
# them their tests are skipped, aloud.
if ! command -v dciodvfy > /dev/null || ! command -v chromium > /dev/null; then
  { apt-get update -qq && apt-get install -qq -y dicom3tools chromium; } > /dev/null 2>&1 ||
    echo "dciodvfy, chromium: what is missing of them could not be installed"
fi

check "ruff check" "$python" -m ruff check --quiet
check "ruff format" "$python" -m ruff format --check --quiet
check "mypy" "$python" -m mypy --no-error-summary
check "supply chain" "$python" test/supply/audit.py
check "container" container

if [ ${#failed[@]} -gt 0 ]; then printf 'FAILED before the tests: %s\n' "${failed[@]}"; fi
echo "== pytest"
status=0
"$python" -m pytest "$@" || status=$?
if [ $status -eq 0 ] && [ ${#failed[@]} -gt 0 ]; then status=1; fi
exit $status
