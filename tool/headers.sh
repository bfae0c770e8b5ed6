#!/bin/sh
# headers.sh HEADER ...: every header compiles alone, with gcc and with clang:
# it includes what it needs itself; that for other programs also with neither
# our options nor as C. FLAGS: the compiler's options.
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
for language in c c++; do
  if ! clang -Wall -Wpedantic -Werror -fsyntax-only -x $language ext/dbfed.h; then
    echo "ext/dbfed.h: does not compile alone as $language"
    bad=1
  fi
done
exit $bad
