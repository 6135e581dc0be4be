#!/usr/bin/env bash
# From a fresh machine with Python 3.11 to lesions.
#
#   ./demo.sh                       a synthetic whole body (FDG, 400x400x326 voxels) with ten clicks of each kind
#   ./demo.sh CT PET [CLICKS]       a study: CT in HU and PET in SUV (.mha, .nii.gz), and a lesion-clicks.json
#   ./demo.sh [...] -- OPTIONS      options for process.py, such as --depth 8 (see python process.py --help)
#
# Everything is written to demo_output. Without a GPU one pass without test-time flips is the default (--depth 1).
# Settings: TRACER=PSMA and SEED=2 choose another body; environment.sh names those of the installation.
set -euo pipefail
here=$(pwd)
cd "$(dirname "${BASH_SOURCE[0]}")"
. ./environment.sh

study=()
while [ $# -gt 0 ] && [ "$1" != -- ]; do
  case $1 in
    -h | --help) sed -n '2,9s/^# \{0,1\}//p' demo.sh && exit ;;
    /*) study+=("$1") ;;
    *) study+=("$here/$1") ;;
  esac
  shift
done
if [ $# -gt 0 ]; then shift; fi
case ${#study[@]} in 0 | 2 | 3) ;; *) fail "usage: ./demo.sh [CT PET [CLICKS]] [-- OPTIONS]" ;; esac
for file in ${study[@]+"${study[@]}"}; do
  [ -f "$file" ] || fail "there is no file $file"
  case $(realpath "$file") in "$(realpath .)"/demo_output/*) fail "$file lies in demo_output, which is made anew: move it" ;; esac
done

environment runtime
if ! has_gpu; then set -- --depth 1 "$@"; fi
rm -rf demo_output
mkdir -p demo_output

if [ ${#study[@]} -eq 0 ]; then
  echo "== a synthetic ${TRACER:-FDG} body"
  "$python" -m petlesion phantom --tracer "${TRACER:-FDG}" --seed "${SEED:-1}" --out demo_output
  pet=$(ls demo_output/input/images/pet/*.mha)
  echo "== its lesions (research use only)"
  mkdir demo_output/output
  "$python" process.py --input demo_output/input --output demo_output/output "$@"
  cp demo_output/output/images/*/*.mha demo_output/mask.mha
  cp demo_output/output/report.json demo_output/report.json
else
  pet=${study[1]}
  clicks=()
  if [ ${#study[@]} -eq 3 ]; then clicks=(--clicks "${study[2]}"); fi
  echo "== its lesions (research use only)"
  "$python" -m petlesion segment --ct "${study[0]}" --pet "$pet" ${clicks[@]+"${clicks[@]}"} \
    --out demo_output/mask.mha --report demo_output/report.json "$@"
fi

"$python" -m petlesion picture --pet "$pet" --mask demo_output/mask.mha --out demo_output/picture.png
echo
"$python" -m petlesion table demo_output/report.json
echo
echo "mask:    $root/demo_output/mask.mha"
echo "report:  $root/demo_output/report.json"
echo "picture: $root/demo_output/picture.png"
