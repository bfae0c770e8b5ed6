#!/bin/sh
# headers.sh HEADER ...: every header compiles alone, with gcc and with clang:
# it includes what it needs itself. FLAGS: the compiler's options.
set -eu

bad=0
for h in "$@"; do
  for cc in gcc clang; do
    if ! printf '#include "%s"\ntypedef int nonempty;\n' "$h" |
      eval "$cc $FLAGS -Wall -Werror -fsyntax-only -x c -"; then
      echo "$h: does not compile alone with $cc"
      bad=1
    fi
  done
done
exit $bad
