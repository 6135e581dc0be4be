#!/usr/bin/env bash
# Inside an image, as its user: whatever runs must not be writable for whoever runs it.
#
#   docker run --rm -i --network none --entrypoint bash IMAGE -s < test/container/unwritable.sh
#
# Looks at the application (or the folders that are named instead), at Python with all that is installed for it and at
# the system's programs; names what the user could write or replace, and ends with 1 where there is anything.
set -euo pipefail
if [ "$(id -u)" -eq 0 ]; then
  echo "unwritable: the user is root, who can write everything" >&2
  exit 1
fi
python=$(command -v python || command -v python3)
mapfile -t places < <("$python" -c 'import os, sys, sysconfig
named = [os.path.realpath(sys.executable), *sysconfig.get_paths().values(), *sys.path, "/usr", "/etc", *sys.argv[1:]]
print(*sorted({os.path.realpath(place) for place in named if place and os.path.exists(place)}), sep="\n")' "${@:-/opt/app}")

# A link is as writable as what it leads to, which is looked at where it lies. What cannot be entered cannot be written.
writable=$({ find "${places[@]}" -not -type l -writable -print 2>/dev/null || true; } | sort -u | sed -n 1,20p)
if [ -n "$writable" ]; then
  printf 'unwritable: user %s could change what it runs:\n%s\n' "$(id -un)" "$writable" >&2
  exit 1
fi
echo "unwritable: user $(id -un) can write nothing of ${places[*]}"
