#!/bin/sh
# run.sh: start private servers, load them, run the benchmarks, print what they
# measured. It asserts nothing.
#
# $EXT: the extension; $BIN: the folder of the compiled program; $DRIVERS: which
# servers. $BENCH: which parts of "scan memory lookup join write tpch migrate".
# Sizes: SIZE is quick or full; ROWS, KEYS, LOOKUPS, CHANGED, SINGLES, ROUNDS,
# SF, FILES, APPLIED change single ones. KEEP=DIR: servers and data stay there
# for the next run (a short path; to end them: `tclsh test/servers.tcl stop DIR;
# rm -rf DIR`).
set -eu

cd "$(dirname "$0")/.."
if [ "${SIZE:-quick}" = full ]; then
  set -- 5000000 100000 20000 5 0.1 1000 5000
else
  set -- 1000000 20000 5000 3 0.01 200 1000
fi
export ROWS="${ROWS:-$1}" KEYS="${KEYS:-$2}" LOOKUPS="${LOOKUPS:-$3}" \
  ROUNDS="${ROUNDS:-$4}" SF="${SF:-$5}" FILES="${FILES:-$6}" \
  APPLIED="${APPLIED:-$7}" DBFED_CONFIG=
ext=$(realpath "${EXT:-dbfed.so}")
bench=$(realpath "${BIN:-build/bench}")/bench
command=$(realpath "${COMMAND:-dbfed}")
drivers=" ${DRIVERS:-pg mysql sqlite} "
parts=" ${BENCH:-scan memory lookup join write tpch migrate} "
has() { case $drivers in *" $1 "*) true ;; *) false ;; esac; }
part() { case $parts in *" $1 "*) true ;; *) false ;; esac; }
for p in $parts; do
  case $p in scan | memory | lookup | join | write | tpch | migrate) ;; *)
    echo "run.sh: BENCH: unknown part '$p': scan memory lookup join write tpch migrate" >&2
    exit 2
    ;;
  esac
done

# ---- servers
work=${KEEP:-}
[ -n "$work" ] || work=$(mktemp -d /tmp/fedXXXXXX)
cleanup() {
  [ -z "${KEEP:-}" ] || return 0
  tclsh test/servers.tcl stop "$work"
  rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM HUP
kinds=
if has pg; then kinds="$kinds pg"; fi
if has mysql; then kinds="$kinds mysql"; fi

# ---- migrations: on servers that write to disk as those in production do
if part migrate; then
  durable=$(mktemp -d /tmp/fedXXXXXX)
  end_durable() {
    tclsh test/servers.tcl stop "$durable"
    rm -rf "$durable"
  }
  trap 'end_durable; cleanup' EXIT
  # shellcheck disable=SC2086
  [ -z "$kinds" ] || FED_SERVER_DURABLE=1 \
    tclsh test/servers.tcl start "$durable" $kinds >"$durable/env"
  # shellcheck disable=SC2086
  (
    [ -z "$kinds" ] || . "$durable/env"
    tclsh bench/migrate.tcl "$ext" "$command" "$durable" $drivers
  )
  end_durable
  trap cleanup EXIT
  if [ "$parts" = " migrate " ]; then exit 0; fi
fi

if [ ! -e "$work/env" ] && [ -n "$kinds" ]; then
  mkdir -p "$work"
  # As much memory as both servers have where nobody sets it.
  # shellcheck disable=SC2086
  FED_SERVER_MEMORY=128M tclsh test/servers.tcl start "$work" $kinds >"$work/env.new"
  mv "$work/env.new" "$work/env"
fi
if [ -e "$work/env" ]; then . "$work/env"; fi

# ---- loading: each set once per folder and size
pg() { psql -XqAt -v ON_ERROR_STOP=1 "$(pg_url "$1")"; }
pg_url() { echo "$FED_TEST_PG_URL" | sed "s|/fedtest|/$1|"; }
my() { mariadb --no-defaults -NB --local-infile=1 -S "$work/mysql.sock" -u fed "$1"; }
my_url() { echo "$FED_TEST_MYSQL_URL" | sed "s|/fedtest|/$1|"; }
fresh() { # fresh NAME SIZE: is this set still to be made?
  [ "$(cat "$work/$1.loaded" 2>/dev/null)" != "$2" ] || return 1
  echo "loading $1 ($2) ..." >&2
  rm -f "$work/$1.loaded"
}
loaded() { echo "$2" >"$work/$1.loaded"; }

wide_columns='l_orderkey bigint, l_partkey int, l_suppkey int, l_linenumber int,
  l_quantity decimal(15,2), l_extendedprice decimal(15,2),
  l_discount decimal(15,2), l_tax decimal(15,2), l_returnflag char(1),
  l_linestatus char(1), l_shipdate date, l_commitdate date, l_receiptdate date,
  l_shipinstruct char(25), l_shipmode char(10), l_comment varchar(44),
  PRIMARY KEY(l_orderkey, l_linenumber)'

load_pg() {
  pg fedtest <<END
    DROP DATABASE IF EXISTS bench;
    DROP DATABASE IF EXISTS bench_fdw;
    CREATE DATABASE bench;
    CREATE DATABASE bench_fdw;
END
  pg bench <<END
    CREATE TABLE bench(id bigint, n int NOT NULL, x double precision NOT NULL,
      t text NOT NULL);
    INSERT INTO bench SELECT i, i % 1000, i / 8.0,
      'row number ' || i || ' of the benchmark'
    FROM generate_series(1, $ROWS) AS s(i);
    ALTER TABLE bench ADD PRIMARY KEY(id);
    CREATE TABLE wide($wide_columns);
    INSERT INTO wide SELECT i / 4, i % 200000, i % 10000, i % 4, i % 50 + 1,
      (i * 7919::bigint % 10000000) / 100.0, i % 11 / 100.0, i % 9 / 100.0,
      substr('ANR', i % 3 + 1, 1), substr('OF', i % 2 + 1, 1),
      date '1992-01-02' + i % 2500, date '1992-01-20' + i % 2500,
      date '1992-02-02' + i % 2500, 'DELIVER IN PERSON', 'TRUCK',
      'comment of ordinary size ' || i
    FROM generate_series(1, $ROWS / 5) AS s(i);
    CREATE TABLE keyset(k bigint PRIMARY KEY);
    INSERT INTO keyset SELECT 1 + i * 2654435761 % $ROWS
    FROM generate_series(0, $KEYS - 1) AS s(i);
    VACUUM ANALYZE;
END
  for m in 1 10; do
    pg bench <<END
      CREATE VIEW bench$m AS SELECT i::bigint AS id, i % 1000 AS n,
        i / 8.0::double precision AS x,
        'row number ' || i || ' of the benchmark' AS t
      FROM generate_series(1, ${m}000000) AS s(i);
END
  done
  pg bench_fdw <<END
    CREATE EXTENSION postgres_fdw;
    CREATE SERVER loop FOREIGN DATA WRAPPER postgres_fdw OPTIONS(
      host '$work', port '${FED_TEST_PG_URL##*port=}', dbname 'bench', fetch_size '10000');
    CREATE USER MAPPING FOR CURRENT_USER SERVER loop OPTIONS(user 'fed');
    IMPORT FOREIGN SCHEMA public LIMIT TO (bench, wide) FROM SERVER loop
      INTO public;
    ANALYZE;
END
}
load_mysql() {
  echo 'DROP DATABASE IF EXISTS bench; CREATE DATABASE bench' | my fedtest
  my bench <<END
    CREATE TABLE bench(id bigint PRIMARY KEY, n int NOT NULL,
      x double NOT NULL, t varchar(100) NOT NULL);
    INSERT INTO bench SELECT seq, seq % 1000, seq / 8,
      concat('row number ', seq, ' of the benchmark') FROM seq_1_to_$ROWS;
    CREATE TABLE wide($wide_columns);
    INSERT INTO wide SELECT seq DIV 4, seq % 200000, seq % 10000, seq % 4,
      seq % 50 + 1, (seq * 7919 % 10000000) / 100, seq % 11 / 100,
      seq % 9 / 100, substr('ANR', seq % 3 + 1, 1),
      substr('OF', seq % 2 + 1, 1),
      date '1992-01-02' + INTERVAL seq % 2500 DAY,
      date '1992-01-20' + INTERVAL seq % 2500 DAY,
      date '1992-02-02' + INTERVAL seq % 2500 DAY, 'DELIVER IN PERSON',
      'TRUCK', concat('comment of ordinary size ', seq)
    FROM seq_1_to_$((ROWS / 5));
    CREATE TABLE keyset(k bigint PRIMARY KEY);
    INSERT INTO keyset SELECT 1 + seq * 2654435761 % $ROWS
    FROM seq_0_to_$((KEYS - 1));
    ANALYZE TABLE bench, wide, keyset;
END
  for m in 1 10; do
    my bench <<END
      CREATE VIEW bench$m AS SELECT seq AS id, seq % 1000 AS n, seq / 8e0 AS x,
        concat('row number ', seq, ' of the benchmark') AS t
      FROM seq_1_to_${m}000000;
END
  done
}
load_sqlite() {
  rm -f "$work/bench.db"
  sqlite3 "$work/bench.db" <<END
    CREATE TABLE bench(id INTEGER PRIMARY KEY, n INT NOT NULL,
      x DOUBLE NOT NULL, t TEXT NOT NULL);
    INSERT INTO bench SELECT value, value % 1000, value / 8.0,
      'row number ' || value || ' of the benchmark'
    FROM generate_series(1, $ROWS);
    ANALYZE;
END
}

if part scan || part memory || part lookup || part join || part write; then
  for kind in pg mysql sqlite; do
    # The part `write` reads its rows from the file of SQLite.
    if (has $kind || [ $kind = sqlite ]) && fresh $kind "$ROWS rows, $KEYS keys"; then
      load_$kind >"$work/load.log"
      loaded $kind "$ROWS rows, $KEYS keys"
    fi
  done
fi

tables='region nation supplier part partsupp customer orders lineitem'
load_tpch() {
  rm -f "$work/tpch.db"
  sed 's/ integer/ INTEGER/g; s/ decimal(15,2)/ REAL/g; s/ date / TEXT /g
    s/ \(var\)*char([0-9]*)/ TEXT/g' bench/tpch/schema.sql >"$work/tpch.sql"
  sqlite3 "$work/tpch.db" <"$work/tpch.sql"
  "$bench" - tpch-generate "$work/tpch.db" "$SF"
  (cat bench/tpch/index.sql; echo 'ANALYZE;') | sqlite3 "$work/tpch.db"
  printf 'DROP DATABASE IF EXISTS tpch;\nCREATE DATABASE tpch;' | pg fedtest
  pg tpch <bench/tpch/schema.sql
  for t in $tables; do
    tpch_rows $t | psql -Xq "$(pg_url tpch)" -c "COPY $t FROM STDIN"
  done
  (cat bench/tpch/index.sql; echo 'VACUUM ANALYZE;') | pg tpch
  if has mysql; then
    echo 'DROP DATABASE IF EXISTS tpch; CREATE DATABASE tpch' | my fedtest
    my tpch <bench/tpch/schema.sql
    for t in $tables; do
      tpch_rows $t >"$work/tpch.tsv"
      echo "LOAD DATA LOCAL INFILE '$work/tpch.tsv' INTO TABLE $t" | my tpch
    done
    rm -f "$work/tpch.tsv"
    (cat bench/tpch/index.sql
      echo "ANALYZE TABLE $(echo "$tables" | tr ' ' ,);") | my tpch
  fi
}
tpch_rows() {
  sqlite3 -separator "$(printf '\t')" "$work/tpch.db" "SELECT * FROM $1"
}
if part tpch && has pg && fresh tpch "scale $SF"; then
  load_tpch >"$work/load.log"
  loaded tpch "scale $SF"
fi

# ---- running
echo "dbfed $(cat VERSION); $ROWS rows, $KEYS keys, $LOOKUPS lookups;" \
  "median of $ROUNDS rounds"
echo "on $(nproc) cores, load average $(cut -d' ' -f1 /proc/loadavg)"
if has pg; then
  BENCH_PG=$(pg_url bench) BENCH_FDW=$(pg_url bench_fdw)
  export BENCH_PG BENCH_FDW
  echo "PostgreSQL $(echo 'SHOW server_version' | pg bench)"
fi
if has mysql; then
  BENCH_MYSQL=$(my_url bench)
  export BENCH_MYSQL
  echo "MariaDB $(echo 'SELECT version()' | my fedtest)"
fi
if has sqlite; then export BENCH_SQLITE="sqlite:$work/bench.db"; fi
for p in scan memory lookup join; do
  if ! part $p; then continue; fi
  for kind in pg mysql sqlite; do
    if ! has $kind; then continue; fi
    if [ $kind = sqlite ] && [ $p = memory -o $p = join ]; then continue; fi
    "$bench" "$ext" $p $kind
  done
done
if part write; then
  sqlite3 "$work/write.db" 'CREATE TABLE IF NOT EXISTS written(id)'
  for kind in pg mysql sqlite; do
    if ! has $kind; then continue; fi
    BENCH_LOCAL="$work/bench.db" BENCH_SQLITE="sqlite:$work/write.db" \
      "$bench" "$ext" write $kind
  done
fi

wrong=0
tpch() { # tpch TITLE URL GLOB ...
  title=$1
  shift
  "$bench" "$ext" tpch "$title" "$work/tpch.db" bench/tpch/queries.sql "$SF" \
    "$@" || wrong=1
}
if part tpch && has pg; then
  unset BENCH_PG BENCH_MYSQL BENCH_SQLITE
  tpch 'all on PostgreSQL' "$(pg_url tpch)" '*'
  if has mysql; then
    tpch 'lineitem, part, partsupp, region on PostgreSQL, the rest on MariaDB' \
      "$(pg_url tpch)" '[lpr]*' "$(my_url tpch)" '[cnos]*'
  fi
fi
exit $wrong
