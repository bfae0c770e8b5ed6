#!/bin/sh
# lint.sh: every static check, each named; all of them run even if one fails.
# The Makefile calls it with BUILD PRODUCT SRCS HEADERS FLAGS JOBS MAKE set.
# The last line counts the checks as test/run.tcl counts tests.
set -u

passed=0
failed=0
out=$(mktemp)
trap 'rm -f "$out"' EXIT

# check NAME COMMAND...: quiet when all is well, but for its notes.
check() {
  name=$1
  shift
  if "$@" >"$out" 2>&1 </dev/null; then
    echo "lint: $name: ok"
    grep '^note:' "$out"
    passed=$((passed + 1))
  else
    echo "lint: $name: FAILED"
    grep -vE '^[0-9]+ warnings? generated' "$out"
    failed=$((failed + 1))
  fi
}

# Everything, with all warnings as errors, in folders of its own.
werror() {
  $MAKE --no-print-directory DEV=1 CC="$1" BUILD="$BUILD/lint-$1" -j"$JOBS" \
    objs
}

exports() {
  $MAKE --no-print-directory -j"$JOBS" all && sh tool/exports.sh "$PRODUCT"
}

run_cppcheck() {
  # shellcheck disable=SC2086
  eval "cppcheck --quiet --error-exitcode=1 --inline-suppr -j $JOBS \
    --enable=warning,performance,portability --std=c11 \
    --suppressions-list=tool/cppcheck.supp $DEFINES \
    --template='{file}:{line}: {severity}: {message} [{id}]' $SRCS"
}

run_clang_tidy() {
  # shellcheck disable=SC2086
  printf '%s\n' $SRCS |
    xargs -P "$JOBS" -I '{}' sh -c "clang-tidy --quiet {} -- $FLAGS"
}

# Of the compiler's flags, these matter to cppcheck.
DEFINES=$(printf '%s' "$FLAGS" | tr ' ' '\n' | grep -E '^-(I|DFED_[WT])' |
  tr '\n' ' ')

check layers tclsh tool/layers.tcl
check sizes tclsh tool/sizes.tcl
check banned sh tool/banned.sh
# shellcheck disable=SC2086
check headers sh tool/headers.sh $HEADERS
check exports exports
check gcc-werror werror gcc
check clang-werror werror clang
check cppcheck run_cppcheck
check clang-tidy run_clang_tidy

echo "$passed passed, $failed failed, 0 skipped"
[ $failed -eq 0 ]
