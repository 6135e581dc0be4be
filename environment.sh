# shellcheck shell=bash
# Sourced by demo.sh and test.sh, which share one virtual environment.
#
#   environment runtime    .venv with what a user needs
#   environment dev        the same, with what the checks and tests need on top
#
# It makes .venv where it is missing, adds what a changed requirements file asks for, and does nothing otherwise.
# Settings, all optional:
#   PYTHON                 interpreter that makes the environment (default: python3.11, or a newer one)
#   PETLESION_TORCH        requirement for torch (default: torch==2.13.0)
#   PETLESION_TORCH_INDEX  address of a further package index that holds other builds of torch (CPU, another CUDA)

root=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
python=$root/.venv/bin/python
OLDEST_PYTHON="3, 11"
PLATFORM_RUNNER=sagemaker-shim==0.8.3

fail() {
  printf '%s\n' "$*" >&2
  exit 1
}

environment() {
  if ! usable_python "$python" || ! "$python" -m pip --version >/dev/null 2>&1; then make_venv; fi
  install_runtime
  if [ "$1" = dev ]; then install_dev; fi
}

usable_python() {
  "$1" -c "import sys; sys.exit(sys.version_info < ($OLDEST_PYTHON))" >/dev/null 2>&1
}

make_venv() {
  local candidate found=
  for candidate in ${PYTHON:-python3.11 python3.12 python3.13 python3}; do
    if usable_python "$candidate"; then found=$candidate && break; fi
  done
  [ -n "$found" ] || fail "petlesion needs Python ${OLDEST_PYTHON/, /.} or newer, and ${PYTHON:-python3} is not:" \
    "install one, or name one, as in PYTHON=/path/to/python3.11 $0"
  echo "environment: a new one in .venv, with $("$found" --version)"
  rm -rf "$root/.venv"
  "$found" -m venv "$root/.venv" ||
    fail "environment: $found cannot make a virtual environment; on Debian or Ubuntu, install python3-venv"
}

install_runtime() {
  is_installed runtime requirements.txt pyproject.toml && return
  install_torch
  echo "environment: petlesion, and what it needs beside torch"
  # --no-deps, because requirements.txt is closed: its head says why. Editable, so that .venv/bin/petlesion is this tree.
  pip_install --no-deps -r "$root/requirements.txt" -e "$root"
  mark_installed runtime requirements.txt pyproject.toml
}

install_dev() {
  local dev_files=(requirements.txt requirements-dev.txt requirements-importer.txt constraints.txt environment.sh)
  is_installed dev "${dev_files[@]}" && return
  echo "environment: what the checks and tests need"
  local torch=$root/.venv/torch.txt
  "$python" -c 'from importlib.metadata import version; print("torch==" + version("torch").split("+")[0])' >"$torch"
  pip_install -c "$torch" -c "$root/constraints.txt" -r "$root/requirements-dev.txt"
  pip_install --no-deps -r "$root/requirements-importer.txt"
  # The platform's own runner of containers. It is built for Python 3.12 alone, and names clients of S3 that the tests
  # have no use for; what they use of it does without both.
  pip_install --no-deps --ignore-requires-python "$PLATFORM_RUNNER"
  mark_installed dev "${dev_files[@]}"
}

# With an NVIDIA GPU the usual build; without one the CPU build, where one of the package indexes that pip is set up
# with has it (the address of one that does can be given as PETLESION_TORCH_INDEX), else the usual build, which is
# larger and runs on a CPU as well.
install_torch() {
  local wanted=${PETLESION_TORCH:-torch==2.13.0}
  set -- -c "$root/constraints.txt"
  if [ -n "${PETLESION_TORCH_INDEX:-}" ]; then set -- "$@" --extra-index-url "$PETLESION_TORCH_INDEX"; fi
  if ! has_gpu && [ "$(uname -s)" = Linux ]; then
    echo "environment: no NVIDIA GPU here, so the CPU build of torch"
    pip_install "$@" "$wanted+cpu" 2>/dev/null && return
    echo "environment: no CPU build is on offer (PETLESION_TORCH_INDEX can name an index that has one); taking the usual build"
  fi
  pip_install "$@" "$wanted"
}

has_gpu() {
  nvidia-smi -L >/dev/null 2>&1
}

# On a terminal pip shows what it does; elsewhere it speaks of errors only.
pip_install() {
  if [ -t 1 ]; then set -- --progress-bar=on "$@"; else set -- -qq "$@"; fi
  "$python" -m pip install --disable-pip-version-check "$@"
}

# What was installed is remembered as a hash of the files that asked for it.
is_installed() {
  [ "$(cat "$root/.venv/$1.sha256" 2>/dev/null)" = "$(fingerprint "${@:2}")" ]
}

mark_installed() {
  fingerprint "${@:2}" >"$root/.venv/$1.sha256"
}

fingerprint() {
  (cd "$root" && "$python" -c 'import hashlib, pathlib, sys
print(hashlib.sha256(b"".join(pathlib.Path(name).read_bytes() for name in sys.argv[1:])).hexdigest())' "$@")
}
