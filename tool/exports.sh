#!/bin/sh
# exports.sh FILE.so: it exports the names in tool/exports.txt and no others,
# for in the host's process every other name is somebody else's.
set -eu

names=$(mktemp)
trap 'rm -f "$names"' EXIT
nm -D --defined-only "$1" | awk '{ sub(/@.*/, "", $3); print $3 }' |
  sort >"$names"
sort tool/exports.txt | diff -u - "$names"
