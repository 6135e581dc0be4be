#!/usr/bin/env bash
# Build the algorithm's image.
#
#   ./build.sh [TAG]         (default: petlesion)
#
# Settings, all optional: BASE_IMAGE, ON_ERROR and API_METHOD as the head of the Dockerfile says;
# DOCKER_BUILD_ARGS, more arguments for `docker build`, such as --network=host.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
tag=${1:-petlesion}

case ${ON_ERROR:-fail} in fail | mask) ;; *) echo "ON_ERROR is fail or mask; got $ON_ERROR" >&2; exit 2 ;; esac
case ${API_METHOD:-exec} in exec | invoke) ;; *) echo "API_METHOD is exec or invoke; got $API_METHOD" >&2; exit 2 ;; esac
command -v docker >/dev/null || { echo "build.sh needs Docker: install it, then start its engine" >&2; exit 1; }
arguments=()
for name in BASE_IMAGE ON_ERROR API_METHOD; do
  if [ -n "${!name:-}" ]; then arguments+=(--build-arg "$name=${!name}"); fi
done

# shellcheck disable=SC2086  # DOCKER_BUILD_ARGS is a list of words
docker build --platform=linux/amd64 ${DOCKER_BUILD_ARGS:-} ${arguments[@]+"${arguments[@]}"} --tag "$tag" "$root"
