#!/bin/sh
# newer.sh DIR: a newer SQLite than the distribution's, as DIR/libsqlite3.so.0,
# with Debian's options. The package of better-sqlite3 carries the amalgamation.
# Exits 77 where it cannot be had.
set -eu

package=better-sqlite3-12.11.1.tgz # SQLite 3.53.2
sha256=ebf0ed75a7a59dbcb3b24bbd014ef49d9f15bc328e4adcbf516f2a8fadfa2835
url=https://registry.npmjs.org/better-sqlite3/-/$package

dir=$1
lib=$dir/libsqlite3.so.0
if [ -e "$lib" ]; then exit 0; fi
mkdir -p "$dir"
if ! curl -fsSL -m 120 -o "$dir/$package" "$url"; then
  echo "newer.sh: cannot fetch $url" >&2
  exit 77
fi
echo "$sha256  $dir/$package" | sha256sum -c --quiet
tar -xzf "$dir/$package" -C "$dir" package/deps/sqlite3/sqlite3.c
options=
for o in COLUMN_METADATA DBSTAT_VTAB FTS3 FTS3_PARENTHESIS FTS3_TOKENIZER FTS4 \
  FTS5 LOAD_EXTENSION MATH_FUNCTIONS PREUPDATE_HOOK RTREE SESSION STMTVTAB \
  UNLOCK_NOTIFY; do
  options="$options -DSQLITE_ENABLE_$o"
done
# shellcheck disable=SC2086
"${CC:-gcc}" -O1 -fPIC -shared $options -DSQLITE_SOUNDEX -DSQLITE_USE_URI \
  -DSQLITE_SECURE_DELETE -DSQLITE_OMIT_LOOKASIDE -DSQLITE_THREADSAFE=1 \
  -DSQLITE_LIKE_DOESNT_MATCH_BLOBS -DSQLITE_MAX_VARIABLE_NUMBER=250000 \
  -Wl,-soname,libsqlite3.so.0 -o "$lib.new" \
  "$dir/package/deps/sqlite3/sqlite3.c" -lm -lpthread -ldl
mv "$lib.new" "$lib"
