# session.tcl: the tables of one round: random ones on the server, their twins
# in main, and one that is local on both sides.

proc remote_drop {kind} {
  switch $kind {
    pg { pg_sql {DROP SCHEMA public CASCADE; CREATE SCHEMA public;
      CREATE COLLATION loose(provider = icu, locale = 'und-u-ks-level2',
        deterministic = false);
      CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy', 'Very Happy');
      CREATE DOMAIN posint AS int CHECK (value >= 0);
      CREATE DOMAIN domtext AS text COLLATE "C";} }
    mysql {
      mysql_sql [join [lmap line [split [mysql_sql "SHOW FULL TABLES"] \n] {
        lassign [split $line \t] name type
        if {$name eq ""} continue
        string cat "DROP [expr {$type eq "VIEW" ? "VIEW" : "TABLE"}] `$name`;"
      }]]
    }
    sqlite { file delete remote.db remote.db-wal remote.db-shm }
  }
}

# The server's own client, told to take values as they come.
proc remote_load {kind sql} {
  switch $kind {
    mysql { mysql_sql "SET NAMES utf8mb4, sql_mode='', time_zone='+00:00';\n$sql" }
    pg { pg_sql "SET client_encoding = 'UTF8'; SET TimeZone = 'UTC';\n$sql" }
    sqlite {
      set journal [expr {[dict get $::session utf16] ? "PRAGMA encoding = 'UTF-16';" : ""}]
      remote_sql sqlite "$journal PRAGMA journal_mode=wal; $sql"
    }
  }
}

# Random tables; large ones are few, so that joins stay quick.
proc random_tables {kind round} {
  set tables [list [random_table $kind t1 [expr {6 + [rnd 9]}] [expr {25 + [rnd 30]}]]]
  lappend tables [random_table $kind t2 [expr {3 + [rnd 5]}] [expr {8 + [rnd 12]}]]
  lappend tables [random_table $kind t3 [expr {2 + [rnd 3]}] [expr {3 + [rnd 6]}]]
  if {[chance 30]} {
    lappend tables [random_table $kind wide [expr {64 + [rnd 20]}] [expr {3 + [rnd 4]}]]
  }
  return $tables
}

proc session_new {kind round} {
  set likely [session_likely $kind]
  set ::session [dict create kind $kind \
    utf16 [expr {$kind eq "sqlite" && [chance [dict get $likely utf16]]}] \
    view [chance [dict get $likely view]] \
    transaction [chance 20] options [pick {{} {} {} pool_max=1}]]
  # A host may have a LIKE of its own.
  db eval "PRAGMA case_sensitive_like = [chance 20]"
  # Small tables are grouped only if that is asked for.
  unset -nocomplain ::env(FED_TEST_GROUP)
  if {[chance 50]} { set ::env(FED_TEST_GROUP) 1 }
  set tables [random_tables $kind $round]
  dict set ::session tables $tables
  session_build $tables
}

# Rows of the decision table that only files in UTF-16 have, or only views.
proc session_likely {kind} {
  set likely {utf16 8 view 50}
  if {$kind ne "sqlite"} { return $likely }
  foreach row $::term_rows {
    if {![dict exists $::wanted [dict get $row row]] || "any" ni [dict get $row classes]} continue
    if {"nocase" in [dict get $row compare]} {
      dict set likely utf16 $::wanted_share
      dict set likely view $::wanted_share
    } elseif {"bytes" ni [dict get $row compare]} {
      dict set likely view $::wanted_share
    }
  }
  return $likely
}

# Make the session's tables everywhere.
proc session_build {tables} {
  set kind [dict get $::session kind]
  # What the last session held must be let go before its tables are dropped.
  # A query over plain local tables may have ended so in SQLite 3.40, though
  # integrity_check finds nothing; COMMIT then says it once more.
  if {[catch {db eval COMMIT} message] &&
      $message ni {"cannot commit - no transaction is active"
        "database disk image is malformed"}} {
    error $message
  }
  if {[db exists {SELECT 1 FROM pragma_database_list WHERE name = $kind}]} {
    db eval {SELECT fed_detach($kind)}
  }
  if {[db exists {SELECT 1 FROM fed_servers WHERE name = $kind}]} {
    db eval {SELECT fed_server_drop($kind)}
  }
  # Views first: SQLite checks what still names the table that goes.
  foreach {type name} [db eval {SELECT type, name FROM main.sqlite_schema
      WHERE type IN ('view', 'table') ORDER BY type DESC}] {
    db eval "DROP $type main.$name"
  }
  remote_drop $kind
  set sql [join [lmap t $tables { table_sql $kind $t }]]
  set names [lmap t $tables { dict get $t name }]
  if {[dict get $::session view] && "t1" in $names} {
    append sql [view_sql $kind v1 [lindex $tables 0]]
    lappend names v1
  }
  remote_load $kind $sql
  define_server $kind {*}[dict get $::session options]
  db eval "SELECT fed_attach('$kind')"
  foreach name $names { twin $kind $name $tables }
  set ::tables {}
  foreach name $names {
    set table {}
    foreach t $tables { if {[dict get $t name] eq $name} { set table $t } }
    if {$table eq ""} { set table [dict replace [lindex $tables 0] name v1] }
    dict set ::tables $name [table_learn $kind $table]
  }
  set ::remote_tables $names
  session_wanted
  local_table l1
  # t1 is asked more often.
  set ::query_tables [concat t1 t1 t1 $names l1]
  set ::small_tables [lmap n [concat t2 t2 t3 t3 l1] {
    if {![dict exists $::tables $n]} continue
    set n}]
  if {$::small_tables eq ""} { set ::small_tables t1 }
  if {[dict get $::session transaction]} { db eval BEGIN }
}

# An ordinary table that holds the same values, declared alike.
proc twin {kind name tables} {
  if {$kind ne "sqlite"} {
    make_local $kind.$name $name
    twin_unsigned $kind $name
    return
  }
  if {$name eq "v1"} {
    # A view does not tell its collations: it is declared without.
    make_local sqlite.v1 v1
    return
  }
  foreach t $tables {
    if {[dict get $t name] eq $name} { db eval [table_sql sqlite $t main] }
  }
}

# Integers above 2^63-1 are TEXT here, which a column of numbers turns into
# doubles as they are stored. So they are stored in a column without a type,
# which then gets its own.
proc twin_unsigned {kind name} {
  set types [db eval {SELECT DISTINCT i.type FROM pragma_table_info($name, $kind) i
    JOIN fed_tables f ON f.schema = $kind AND f.name = $name AND f.cid = i.cid
    WHERE f.class = 'unsigned'}]
  if {$types eq ""} return
  set plain {}
  foreach type $types {
    lappend plain "\"$type\"" "\"blob\""
  }
  set own [db onecolumn {SELECT sql FROM main.sqlite_schema WHERE name = $name}]
  db eval "DELETE FROM main.$name"
  twin_declare $name [string map $plain $own]
  db eval "INSERT INTO main.$name SELECT * FROM $kind.$name"
  twin_declare $name $own
}
proc twin_declare {name sql} {
  db eval {PRAGMA writable_schema = on;
    UPDATE main.sqlite_schema SET sql = $sql WHERE name = $name;
    PRAGMA writable_schema = reset}
}

# What dbfed says of the columns, and what values the twin holds.
proc table_learn {kind table} {
  set name [dict get $table name]
  set columns {}
  set types [lmap c [dict get $table columns] { dict get $c type }]
  db eval {SELECT "column" AS label, class FROM fed_tables
    WHERE schema = $kind AND name = $name ORDER BY cid} info {
    set types [lassign $types type]
    set row [term_row $kind $info(class) [textcmp_of $kind $name $type]]
    if {$name ne "v1"} { set ::row_of($kind:$type) $row }
    lappend columns [dict create name $info(label) class $info(class) row $row]
  }
  dict set table side R
  dict set table rowid [expr {[dict get $table key] eq "id" &&
    [dict get $table tail] eq "" && $name ne "v1"}]
  return [table_sample $table main.$name $columns]
}

# SQLite's rules, in their order.
proc affinity_of {type} {
  if {$type eq ""} { return none }
  foreach {pattern affinity} {INT int CHAR|CLOB|TEXT text BLOB none REAL|FLOA|DOUB real} {
    if {[regexp $pattern $type]} { return $affinity }
  }
  return numeric
}

# How the server compares texts of such a column: see docs/pushdown.md.
proc textcmp_of {kind table type} {
  if {$kind eq "sqlite" && [dict get $::session utf16]} { return nocase }
  if {$kind eq "sqlite"} { return [expr {$table eq "v1" ? "loose" : "bytes"}] }
  if {$kind eq "mysql"} {
    return [expr {[regexp {general_ci|unicode_ci|^(tiny)?text|latin1$|ascii$} $type]
                  ? "nocase" : "loose"}]
  }
  if {[string match *char(* $type] && ![string match var* $type]} { return loose }
  return [expr {[string match *loose $type] ? "loose"
                : [string match *icu* $type] ? "equal" : "bytes"}]
}

# The number of the decision table's row for a kind of column, or -1.
proc term_row {kind class compare} {
  foreach row $::term_rows {
    if {$class in [dict get $row classes] && $compare in [dict get $row compare]} {
      return [dict get $row row]
    }
  }
  return -1
}

# What is wanted, of what there is: {table column-number operators} ...
proc session_wanted {} {
  set ::wanted_columns {}
  foreach name $::remote_tables {
    set i -1
    foreach c [dict get $::tables $name columns] {
      incr i
      if {[dict exists $::wanted [dict get $c row]]} {
        lappend ::wanted_columns [list $name $i [dict get $::wanted [dict get $c row]]]
      }
    }
  }
}

# The rows, as literals of SQLite; and which columns never hold two values
# that are equal and yet not the same.
proc table_sample {table from columns} {
  set names [lmap c $columns { quoted [dict get $c name] }]
  set table_name [lindex [split $from .] 1]
  set quotes [join [lmap n $names { string cat "CASE\
    WHEN typeof($n) = 'text' AND instr(hex($n), '00') THEN 'CAST(x''' ||\
      hex($n) || ''' AS TEXT)' WHEN $n = 9e999 THEN '9e999'\
    WHEN $n = -9e999 THEN '-9e999' ELSE quote($n) END" }] ,]
  set rows {}
  set n [llength $columns]
  set flat [db eval "SELECT $quotes FROM $from"]
  for {set i 0} {$i < [llength $flat]} {incr i $n} {
    lappend rows [lrange $flat $i [expr {$i + $n - 1}]]
  }
  set types [db eval {SELECT upper(type) FROM pragma_table_info($table_name)}]
  set columns [lmap c $columns name $names type $types {
    dict set c affinity [affinity_of $type]
    dict set c exact [db onecolumn "SELECT count(DISTINCT $name) =
      count(DISTINCT typeof($name) || quote($name)) FROM $from"]
    set c}]
  return [dict replace $table columns $columns sample $rows]
}

# A table that is local on both sides, with values of the remote ones.
proc local_table {name} {
  set columns {}
  for {set i [expr {2 + [rnd 3]}]} {$i > 0} {incr i -1} {
    lappend columns [dict create name c$i class local row -1 \
      type [pick [list TEXT INT {} "TEXT COLLATE NOCASE" REAL NUMERIC]]]
  }
  set rows {}
  for {set i [expr {2 + [rnd 10]}]} {$i > 0} {incr i -1} {
    lappend rows ([join [lmap c $columns {
      pick [sample_of [dict get $::tables [pick $::remote_tables]]] }] ,])
  }
  set ::local_sql "CREATE TABLE main.${name}([join [lmap c $columns {
    string cat "[dict get $c name] [dict get $c type]" }] ,]);
    INSERT INTO main.$name VALUES [join $rows ,];"
  db eval $::local_sql
  set table [dict create name $name side main unique {} rowid 0 key {} tail {}]
  dict set ::tables $name [table_sample $table main.$name $columns]
}
