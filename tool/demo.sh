#!/bin/sh
# demo.sh [all]: dbfed at work in the stock sqlite3 shell, on a sample shop.
#
#   (nothing)  a SQLite file as the server; needs nothing but the shell
#   all        also private PostgreSQL and MariaDB servers, started for it
#
# $EXT is the extension (./dbfed.so). Everything happens in a temporary folder
# that goes away with the servers, also on Ctrl-C. The scripts are
# tool/demo/*.sql: what is shown is what is run.
set -eu

cd "$(dirname "$0")/.."
root=$(pwd)
ext=${EXT:-dbfed.so}
case ${1:-} in
'' | all) what=${1:-default} ;;
*) echo "demo.sh: unknown demo '$1': nothing, or all" >&2; exit 2 ;;
esac

work=$(mktemp -d /tmp/fedXXXXXX)
cleanup() {
  if [ "$what" = all ]; then tclsh "$root/test/servers.tcl" stop "$work"; fi
  rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM HUP
ln -s "$(realpath "$ext")" "$work/dbfed.so"
cd "$work"
# Neither the user's servers nor his shell's settings belong in here.
export DBFED_CONFIG='' HOME="$work"

has_driver() {
  sqlite3 -cmd '.load ./dbfed' :memory: \
    "SELECT fed_server('probe', '$1://localhost/probe')" >/dev/null 2>&1
}

# The script as a transcript: each statement is shown behind the shell's
# prompt, then run. Lines of -- are what the demo says between them.
transcript() {
  awk -v bold="$bold" -v dim="$dim" -v plain="$plain" '
    function say(text) {
      gsub(/\\/, "\\\\", text); gsub(/"/, "\\\"", text)
      print ".print \"" text "\""
    }
    /^-- / { say(dim substr($0, 4) plain); next }
    /^$/ { say(""); next }
    {
      say((n ? "   ...> " : "sqlite> ") bold $0 plain)
      line[n++] = $0
    }
    /;$/ || (n == 1 && /^\./) {
      for (i = 0; i < n; i++) print line[i]
      n = 0
    }' "$1"
}
bold='' dim='' plain=''
if [ -t 1 ]; then
  esc=$(printf '\033')
  bold="${esc}[1m" dim="${esc}[36m" plain="${esc}[0m"
fi

# The rows of a table of shop.db as INSERT statements any server takes.
rows_of() { sqlite3 shop.db ".mode insert $1" "SELECT * FROM $1"; }

start_servers() {
  if ! has_driver postgres || ! has_driver mysql; then
    echo 'demo.sh: this dbfed.so was built without PostgreSQL or MySQL' >&2
    exit 1
  fi
  echo 'starting PostgreSQL and MariaDB ...'
  vars=$(tclsh "$root/test/servers.tcl" start "$work")
  eval "$vars"
  {
    echo 'CREATE TABLE orders(id int PRIMARY KEY, customer_id int NOT NULL,
            product_id int NOT NULL, qty int NOT NULL, ordered_on date NOT NULL,
            note varchar(40)); BEGIN;'
    rows_of orders
    echo 'COMMIT; ANALYZE orders;'
  } | psql -Xq "$FED_TEST_PG_URL"
  {
    echo 'CREATE TABLE customers(id int PRIMARY KEY, name varchar(40) NOT NULL,
            city varchar(20) NOT NULL, region varchar(5) NOT NULL,
            since date NOT NULL); BEGIN;'
    rows_of customers
    echo 'COMMIT;'
  } | mariadb --no-defaults -S "$work/mysql.sock" -u fed fedtest
  sqlite3 stock.db "ATTACH 'shop.db' AS shop; CREATE TABLE products(id INTEGER
    PRIMARY KEY, name TEXT NOT NULL, price REAL NOT NULL);
    INSERT INTO products SELECT * FROM shop.products"
}

sqlite3 shop.db <"$root/tool/demo/shop.sql"
if [ "$what" = all ]; then start_servers; fi
url() { printf %s "$1" | sed 's/&/\\&/g'; } # an & means something to sed
sed -e "s|@PG@|$(url "${FED_TEST_PG_URL:-}")|" \
  -e "s|@MYSQL@|$(url "${FED_TEST_MYSQL_URL:-}")|" \
  "$root/tool/demo/$what.sql" >demo.sql
{
  echo '.mode box --wordwrap on --wrap 72'
  transcript demo.sql
} | sqlite3 -batch -bail

cat <<'END'

Your own servers, from a sqlite3 shell in this folder (in any folder, with
".load dbfed", after "make install"):

  .load ./dbfed
  SELECT fed_server('shop', 'postgres://me@db.example/shop');
  SELECT fed_server('crm', 'mysql://me:env:CRM_PW@db.example/crm');
  SELECT fed_attach('shop'), fed_attach('crm');

PostgreSQL's password comes from ~/.pgpass; env:CRM_PW reads a variable.
END
if ! has_driver postgres || ! has_driver mysql; then
  echo 'This dbfed.so was built without them: run make with no DRIVERS.'
elif [ "$what" = default ]; then
  echo 'With private PostgreSQL and MariaDB servers: make demo DEMO=all.'
fi
echo 'Read on in README.md; docs/config.md has URLs and options.'
