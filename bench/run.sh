#!/bin/sh
# run.sh: start private servers, load a table of $ROWS rows into each, run the
# benchmarks of this folder, print what they measured. It asserts nothing.
#
# $EXT: the extension; $BIN: the folder of the compiled programs; $DRIVERS:
# which of them. ROWS, LOOKUPS, ROUNDS: how much (bench.h).
set -eu

cd "$(dirname "$0")/.."
export ROWS="${ROWS:-1000000}" LOOKUPS="${LOOKUPS:-20000}" ROUNDS="${ROUNDS:-5}"
ext=$(realpath "${EXT:-dbfed.so}")
bin=${BIN:-build/bench}
drivers=" ${DRIVERS:-pg mysql sqlite} "
has() { case $drivers in *" $1 "*) true ;; *) false ;; esac; }

work=$(mktemp -d /tmp/fedXXXXXX)
cleanup() {
  tclsh test/servers.tcl stop "$work"
  rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM HUP
export DBFED_CONFIG=

kinds=
if has pg; then kinds="$kinds pg"; fi
if has mysql; then kinds="$kinds mysql"; fi
if [ -n "$kinds" ]; then
  # shellcheck disable=SC2086
  vars=$(tclsh test/servers.tcl start "$work" $kinds)
  eval "$vars"
fi

if has pg; then
  psql -Xq "$FED_TEST_PG_URL" <<END
    CREATE TABLE bench(id bigint PRIMARY KEY, n int NOT NULL,
      x double precision NOT NULL, t text NOT NULL);
    INSERT INTO bench SELECT i, i % 1000, i / 8.0,
      'row number ' || i || ' of the benchmark'
    FROM generate_series(1, $ROWS) AS s(i);
    VACUUM ANALYZE bench;
END
fi
if has mysql; then
  mariadb --no-defaults -S "$work/mysql.sock" -u fed fedtest <<END
    CREATE TABLE bench(id bigint PRIMARY KEY, n int NOT NULL,
      x double NOT NULL, t varchar(100) NOT NULL);
    INSERT INTO bench SELECT seq, seq % 1000, seq / 8,
      concat('row number ', seq, ' of the benchmark') FROM seq_1_to_$ROWS;
    ANALYZE TABLE bench;
END
fi >"$work/load.log"
if has sqlite; then
  sqlite3 "$work/bench.db" <<END
    CREATE TABLE bench(id INTEGER PRIMARY KEY, n INT NOT NULL,
      x DOUBLE NOT NULL, t TEXT NOT NULL);
    WITH RECURSIVE s(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s
                            WHERE i < $ROWS)
    INSERT INTO bench SELECT i, i % 1000, i / 8.0,
      'row number ' || i || ' of the benchmark' FROM s;
    ANALYZE;
END
fi

echo "dbfed $(cat VERSION); $ROWS rows of four columns, $LOOKUPS lookups," \
  "median of $ROUNDS rounds"
echo "on $(nproc) cores, load average $(cut -d' ' -f1 /proc/loadavg)"
echo
printf '%-19s%-15s%10s%10s%12s%12s\n' \
  server work dbfed/s plain/s dbfed/plain 'in CPU time'
run() {
  "$bin/$1" "$ext" "$2"
  "$bin/$1" "$ext" "$2" memory
}
if has pg; then run pg "$FED_TEST_PG_URL"; fi
if has mysql; then run mysql "$FED_TEST_MYSQL_URL"; fi
if has sqlite; then run sqlite "sqlite:$work/bench.db"; fi
cat <<'END'

plain: the same work in a loop over libpq (prepared, binary, single-row mode),
Connector/C (prepared, binary, unbuffered), or sqlite3_step() on the file
itself. 1.00 is as fast as that loop; dbfed's rows pass through SQLite, too. The
last column compares the client's CPU time, which other work on the machine
disturbs less.
END
