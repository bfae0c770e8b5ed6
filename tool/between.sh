#!/bin/sh
# between.sh FILE NAME COMMAND...: put the command's output into FILE, between
# the lines <!-- NAME: ... --> and <!-- end -->.
set -eu

file=$1 name=$2
shift 2
new=$(mktemp)
trap 'rm -f "$new"' EXIT
sed "/^<!-- $name: /q" "$file" >"$new"
"$@" >>"$new"
sed "1,/^<!-- $name: /d" "$file" | sed -n '/^<!-- end -->/,$p' >>"$new"
cmp -s "$new" "$file" || cat "$new" >"$file"
