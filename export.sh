#!/usr/bin/env bash
# Write the two files that the platform takes: the image, and the weights on their own.
#
#   ./export.sh [TAG] [FOLDER]      (default: petlesion, and the folder dist)
#
# FOLDER/petlesion.tar.gz  the image, built first where it is missing; linux/amd64
# FOLDER/model.tar.gz      the contents of MODEL_WEIGHTS (default: model_weights), which the platform unpacks at
#                          /opt/ml/model; weights that lie there come before those inside the image
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
tag=${1:-petlesion} folder=${2:-$root/dist} weights=${MODEL_WEIGHTS:-$root/model_weights}

[ -f "$weights/manifest.json" ] || { echo "$weights holds no manifest.json: petlesion weights import makes one" >&2; exit 1; }
mkdir -p "$folder"
# macOS would add its own attributes as files that start with "._".
COPYFILE_DISABLE=1 tar -C "$weights" -cf - . | gzip -9 >"$folder/model.tar.gz.part"
mv "$folder/model.tar.gz.part" "$folder/model.tar.gz"

docker image inspect "$tag" >/dev/null 2>&1 || "$root/build.sh" "$tag"
platform=$(docker image inspect --format '{{.Os}}/{{.Architecture}}' "$tag")
[ "$platform" = linux/amd64 ] || { echo "the platform takes linux/amd64; $tag is $platform: ./build.sh $tag" >&2; exit 1; }
# Level 1: weights do not compress, and the rest of an image hardly more at level 9.
docker save "$tag" | gzip -1 >"$folder/petlesion.tar.gz.part"
mv "$folder/petlesion.tar.gz.part" "$folder/petlesion.tar.gz"
ls -l "$folder/petlesion.tar.gz" "$folder/model.tar.gz"
