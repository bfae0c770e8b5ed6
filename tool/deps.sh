#!/bin/sh
# deps.sh [-n] JOB ...: install the Debian packages that are missing for these
# jobs, and only those: build test demo bench lint all. -n: name them, install
# nothing.
# DRIVERS (default: all) decides which client libraries and servers count.
set -eu

dry=no
if [ "${1:-}" = -n ]; then dry=yes; shift; fi
drivers=" ${DRIVERS:-pg mysql sqlite} "
has() { case $drivers in *" $1 "*) true ;; *) false ;; esac; }

want=
add() { want="$want $*"; }
build() {
  add gcc libc6-dev make pkg-config libsqlite3-dev libinih-dev \
    nettle-dev
  if has pg; then add libpq-dev; fi
  if has mysql; then add libmariadb-dev; fi
}
tests() {
  add tcl libsqlite3-tcl sqlite3
  if has pg; then add postgresql postgresql-contrib; fi
  if has mysql; then add mariadb-server; fi
}
# What dbfed is compared with, if it can be had: part of no other job.
bench() {
  if has pg && apt-cache show libsqlite3-mod-virtualpg >/dev/null 2>&1; then
    add libsqlite3-mod-virtualpg
  fi
}
lint() {
  add clang clang-format clang-tidy cppcheck universal-ctags valgrind gcovr \
    libclang-rt-14-dev curl ca-certificates
}
for job in "$@"; do
  case $job in
  build) build ;;
  test) build; tests ;;
  demo) build; add sqlite3 ;;
  bench) build; tests; bench ;;
  lint) build; lint ;;
  all) build; tests; lint ;;
  *)
    echo "deps.sh: unknown job '$job': build, test, demo, bench, lint or all" >&2
    exit 2
    ;;
  esac
done

if ! command -v dpkg-query >/dev/null; then
  echo "deps.sh: not a Debian system; you need what Debian calls:$want"
  exit 0
fi

installed() {
  [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}
missing=
for p in $want; do
  case "$missing " in *" $p "*) continue ;; esac
  installed "$p" || missing="$missing $p"
done
[ -n "$missing" ] || exit 0

if [ $dry = yes ] || [ "$(id -u)" -ne 0 ]; then
  echo "missing packages:$missing"
  echo "install them:  apt-get install --no-install-recommends$missing"
  [ $dry = yes ] && exit 0
  exit 1
fi

# Packages of servers start them. policy-rc.d is Debian's way to say no; an
# existing one is somebody's decision and is left alone. The cluster that the
# postgresql package makes is not wanted either.
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
  trap 'rm -f $policy' EXIT
  trap 'exit 130' INT TERM
  printf '#!/bin/sh\nexit 101\n' >$policy
  chmod 755 $policy
fi
export DEBIAN_FRONTEND=noninteractive
echo "installing:$missing"
log=$(mktemp)
# shellcheck disable=SC2086
if ! { apt-get update && apt-get install -y --no-install-recommends $missing
     } >"$log" 2>&1; then
  cat "$log" >&2
  echo "deps.sh: apt-get failed (its output is above)" >&2
  exit 1
fi
rm -f "$log"
