# schema.tcl: random tables, with every type of a kind of server and the
# values that have given trouble, or may.
#
# A column is a dict: name, type (the server's), class (dbfed's, known once it
# is attached), values (as SQLite's literals, once there is a local copy).

# A generator of its own, so that a seed gives the same queries everywhere.
proc seed {n} { set ::rnd_state $n }
proc rnd {n} {
  set ::rnd_state [expr {($::rnd_state * 6364136223846793005
    + 1442695040888963407) & 0xFFFFFFFFFFFFFFFF}]
  return [expr {($::rnd_state >> 33) % $n}]
}
proc chance {percent} { expr {[rnd 100] < $percent} }
proc pick {list} {
  if {$list eq ""} { return "" }
  lindex $list [rnd [llength $list]]
}
# some {weight script ...}: runs one of the scripts, the heavier the likelier.
proc some {choices} {
  set total 0
  foreach {weight script} $choices { incr total $weight }
  set roll [rnd $total]
  foreach {weight script} $choices {
    if {[incr roll -$weight] < 0} { return [uplevel $script] }
  }
}
proc shuffled {list} {
  for {set i [llength $list]} {$i > 1} {} {
    set j [rnd $i]
    incr i -1
    set x [lindex $list $i]
    lset list $i [lindex $list $j]
    lset list $j $x
  }
  return $list
}

# ---------------------------------------------------------------- values
set value(int) {0 1 -1 2 5 5 6 42 -42 100 127 -128}
set value(int2) [concat $value(int) 255 32767 -32768]
set value(int4) [concat $value(int2) 65536 16777217 2147483647 -2147483648]
set value(int8) [concat $value(int4) 4294967296 999999999999999999 \
  9007199254740991 9007199254740992 9007199254740993 -9007199254740993 \
  9223372036854775807 -9223372036854775808 9223372036854775806]
set value(uint) {0 1 2 5 42 127 128 255}
set value(real) {0 1 -1 5 5.5 2.5 -1.5 0.1 0.3 0.30000000000000004 1e300 -1e300
  1e-300 -0.0 42 100 9007199254740992 9007199254740994 9.3e18 -9.3e18
  9223372036854775807 1.7976931348623157e308 2.2250738585072014e-308 5e-324
  123456789012345678 0.1234567890123456 1e15 1e16 3.4e38}
set value(float4) {0 1 -1 5 5.5 1.5 0.1 0.3 3.4e38 -2.5 16777217 16777216 -0.0
  1e-40 42 123456.789}
set value(dec2) {0 1 -1 5 5.5 5.50 -1.5 0.1 0.10 0.3 42 99999.99 -99999.99 0.01
  100}
set value(dec6) {0 1 -1 5 5.5 0.1 0.3 0.000001 123456789.123456 -123456789.654321
  42 999999999.999999 2.5}
set value(dec0) {0 1 -1 5 42 100 999999999999 -999999999999}
set value(dec18) {0 1 -1 5 42 9007199254740993 999999999999999999
  -999999999999999999}
set value(decimal) {0 1 1.0 1.00 -1 -1.5 5 5.0 0.1 0.10 0.3 42 100
  12345678901234567890.123456789 12345678901234567890 9007199254740993
  9007199254740993.5 9223372036854775807 9223372036854775808 1e20 0.00001 2.5
  10 9 5.00000000000000001 42.00000000000000000001 0.3000000000000000001}
set value(text) [list {} { } a A b ab AB aB Ab abc {a } {ab  } { a} ä Ä äb ß ss \
  é e\u0301 E\u0301 5 05 5.0 { 5} {5 } 1e1 0x5 -5 5a 42 042 0 1 -1 1.0 x%y x_y \
  x\\y % _ it's {"q"} 日本語 \U1F600 zz ZZ {a b} a\tb a\nb 4.2e1 inf Inf NaN null \
  9007199254740993 9223372036854775808 ÿ ﬁ i I ı İ σ ς Σ 2024-02-29 \
  {a*b} {[a]} {?} {a,b} {{a}} TRUE]
set value(ascii) [lmap s $value(text) {
  if {![string is ascii $s]} continue
  set s}]
set value(latin1) [concat $value(ascii) [list ä Ä äb ß é ÿ]]
set value(short) [lmap s $value(text) {
  if {[string length $s] > 5} continue
  set s}]
set value(blob) {{} 00 0001 ff ff00 61 41 6162 35 3035 61620000 20 0061
  fffefdfcfbfaf9f8 636465}
# Servers sort by so many bytes and no more (MySQL: 1024).
set long [string repeat long 300]
set value(longtext) [concat $value(text) [list ${long}a ${long}B ${long}]]
set long [string repeat 6c6f6e67 300]
set value(longblob) [concat $value(blob) [list ${long}00 ${long}61 ${long}]]
set value(date) {2024-02-29 1999-12-31 2024-03-01 2000-01-01 1970-01-01
  9999-12-31 0999-01-01 2024-10-01}
set value(timestamp) {{2024-02-29 00:00:00} {2024-02-29 12:30:00}
  {2024-02-29 12:30:00.5} {1999-12-31 23:59:59.999999} {2024-03-01 00:00:00.000001}
  {1970-01-01 00:00:00} {9999-12-31 23:59:59} {2024-02-29 12:30:00.050}}
set value(timestamptz) {{2024-02-29 00:00:00} {2024-02-29 12:30:00}
  {1999-12-31 23:59:59} {2024-03-01 00:00:01} {2001-09-09 01:46:40}}
set value(time) {00:00:00 12:30:00 23:59:59 09:05:01}
set value(uuid) {00000000-0000-0000-0000-000000000001
  a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11 A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A12
  ffffffff-ffff-ffff-ffff-ffffffffffff}
set value(json) {1 {"a"} {{"a": 1}} {[]} {[1,2]} null true {{"b":[],"a":"x"}}}
set value(any) [concat $value(int8) $value(real) \
  [lmap s $value(text) { string cat ' [string map {' ''} $s] ' }] \
  [lmap h $value(blob) { string cat x' $h ' }] 9e999 -9e999]

# --------------------------------------------------------------- columns
# kind: {weight type quoting pool more}. Quoting: n none, t text, b bytes, and
# l literal; `more` are further values that only this type of this server has.
set types(pg) {
  3 integer n int4 {}                3 bigint n int8 {}
  2 smallint n int2 {}               1 oid n uint {4294967295 65536}
  2 boolean n {} {true false}
  3 {double precision} t real {NaN Infinity -Infinity}
  2 real t float4 {NaN Infinity -Infinity}
  2 numeric(10,2) t dec2 {NaN}       2 numeric(15,6) t dec6 {NaN}
  1 numeric(12,0) t dec0 {NaN}       1 numeric(18,0) t dec18 {NaN}
  3 numeric t decimal {NaN Infinity -Infinity 1e30 1e-30 1e400}
  2 numeric(40,10) t decimal {NaN}   1 numeric(30,0) t dec18 {NaN 1e25}
  4 {text COLLATE "C"} t text {}     2 text t text {}
  3 {text COLLATE "und-x-icu"} t text {}
  2 {text COLLATE loose} t longtext {}   1 {varchar(40) COLLATE "C"} t text {}
  2 char(5) t short {}               1 {char(5) COLLATE loose} t short {}
  1 {char(5) COLLATE "und-x-icu"} t short {}
  1 name t ascii {}                  2 bytea b blob {}
  3 date t date {{0044-03-15 BC} 10000-01-01 0001-01-01 infinity -infinity
    {0001-12-31 BC} 20000-01-01}
  3 timestamp t timestamp {{0044-03-15 12:00:00 BC} {10000-01-01 00:00:00}
    infinity -infinity {0001-01-01 00:00:00}}
  2 timestamptz t timestamp {{2024-02-29 12:30:00+02} infinity
    {0044-03-15 12:00:00 BC} {10000-01-01 00:00:00}}
  1 timestamp(0) t timestamp {}
  2 time t time {24:00:00 23:59:59.5 12:30:00.000001}
  1 timetz t time {{12:30:00+02} {12:30:00+01} 24:00:00}
  2 uuid t uuid {}                   1 json t json {}
  1 jsonb t json {}                  1 mood t {} {sad ok happy {Very Happy}}
  1 integer[] t {} {{{}} {{1,2}} {{NULL,5}} {{{1},{2}}}}
  1 text[] t {} {{{}} {{a,B}} {{"a b",""}}}
  1 int4range t {} {{[1,5)} empty {(,3)} {[5,6)}}
  1 interval t {} {{1 day} {90 min} {-1 mon 2 days} 00:00:00 {1 year}}
  1 inet t {} {10.0.0.1 10.0.0.0/8 ::1 fe80::/64}
  1 bit(4) t {} {0000 0101 1111}     1 money t {} {0 5 1.5 -42}
  2 posint n {} {0 1 5 42 2147483647}
  1 domtext t text {}
}
set types(mysql) {
  2 int n int4 {}                    3 bigint n int8 {}
  1 tinyint n int {}                 1 {tinyint unsigned} n uint {}
  1 smallint n int2 {}               1 mediumint n int2 {8388607 -8388608}
  1 {int unsigned} n uint {4294967295 65536}
  3 {bigint unsigned} n uint {9223372036854775807 9223372036854775808
    18446744073709551615 9007199254740993}
  1 bit(1) n {} {0 1}                1 bit(8) n uint {}
  1 bit(64) n uint {9223372036854775808 18446744073709551615}
  2 year n {} {0 1901 1999 2000 2024 2155}
  1 boolean n {} {0 1 2}
  3 double n real {}                 2 float n float4 {}
  2 decimal(10,2) n dec2 {}          2 decimal(15,6) n dec6 {}
  1 decimal(12,0) n dec0 {}          1 decimal(18,0) n dec18 {}
  3 decimal(40,10) n decimal {}      1 decimal(30,0) n dec18 {}
  1 {decimal(10,2) unsigned} n {} {0 1 5.5 0.1 42}
  3 {varchar(40) COLLATE utf8mb4_general_ci} t text {}
  2 {varchar(40) COLLATE utf8mb4_unicode_ci} t text {}
  2 {varchar(40) COLLATE utf8mb4_bin} t text {}
  1 {varchar(40) COLLATE utf8mb4_nopad_bin} t text {}
  1 {varchar(40) COLLATE utf8mb4_general_nopad_ci} t text {}
  1 {varchar(40) COLLATE utf8mb4_swedish_ci} t text {}
  1 {varchar(40) COLLATE utf8mb4_turkish_ci} t text {}
  2 {varchar(40) CHARACTER SET latin1} t latin1 {}
  1 {varchar(40) CHARACTER SET latin1 COLLATE latin1_bin} t latin1 {}
  1 {varchar(40) CHARACTER SET ascii} t ascii {}
  1 {char(5) COLLATE utf8mb4_general_ci} t short {}
  1 {char(5) COLLATE utf8mb4_bin} t short {}
  2 text t longtext {}               1 tinytext t text {}
  1 binary(4) b {} {{} 00 61 61620000 ffffffff 35}
  2 varbinary(20) b blob {}          2 blob b longblob {}
  3 date t date {0000-00-00 1000-01-01 0001-01-01 2024-02-00}
  2 datetime t timestamp {{0000-00-00 00:00:00} {0001-01-01 00:00:00}}
  2 datetime(6) t timestamp {{0000-00-00 00:00:00}}
  2 {timestamp NULL} t timestamptz {{0000-00-00 00:00:00}}
  1 {timestamp(3) NULL} t timestamptz {{2024-02-29 12:30:00.5}}
  2 time t time {-01:00:00 100:00:00 838:59:59 -838:59:59}
  1 time(3) t time {-01:00:00 12:30:00.5 -00:00:00.5 100:00:00.25}
  1 enum('a','B','z','','5') t {} {a B z 5}
  1 set('a','b','c') t {} {a a,b {} c a,c}
  1 json t json {}                   1 uuid t uuid {}
  1 inet6 t {} {::1 fe80::1 ::ffff:10.0.0.1}
}
set types(sqlite) {
  3 INT l int8 {}                    2 INT l any {}
  1 {BIGINT UNSIGNED} l any {}       4 TEXT l any {}
  3 TEXT t text {}                   2 {TEXT COLLATE NOCASE} t text {}
  2 {TEXT COLLATE NOCASE} l any {}   2 {TEXT COLLATE RTRIM} t text {}
  2 REAL l any {}                    2 DOUBLE l real {}
  3 NUMERIC l any {}                 1 DECIMAL(10,2) l dec2 {}
  2 BLOB l any {}                    2 BLOB b blob {}
  4 {} l any {}                      1 {COLLATE NOCASE} l any {}
  1 {COLLATE RTRIM} t text {}        2 VARCHAR(9) l any {}
  1 BOOLEAN l int8 {}                1 DATE t date {}
  1 DATETIME t timestamp {}          1 {FLOATING POINT} l any {}
  1 STRING l any {}                  1 {CHAR(5) COLLATE RTRIM} t short {}
}

proc literal {kind quoting value} {
  switch $quoting {
    n - l { return $value }
    b {
      if {$kind eq "pg"} { return "'\\x$value'" }
      return x'$value'
    }
    t {
      set value [string map {' ''} $value]
      if {$kind eq "mysql"} { set value [string map {\\ \\\\} $value] }
      return '$value'
    }
  }
}

# {type quoting pool more}: any, or one whose row of the decision table is
# wanted (see session.tcl), or not known yet.
proc random_type {kind} {
  global types row_of wanted
  set choices {}
  foreach {weight type quoting pool more} $types($kind) {
    set row -1
    if {[info exists row_of($kind:$type)]} { set row $row_of($kind:$type) }
    lappend choices $weight [list $type $quoting $pool $more]
    if {$row < 0 || [dict exists $wanted $row]} {
      lappend few 1 [list $type $quoting $pool $more]
    }
  }
  if {[info exists few] && [chance 65]} { set choices $few }
  set total 0
  foreach {weight choice} $choices { incr total $weight }
  set roll [rnd $total]
  foreach {weight choice} $choices {
    if {[incr roll -$weight] < 0} { return $choice }
  }
}

# A random type with a small set of its values, so that rows of all tables
# meet. Few values: a join of random columns has to find something.
proc random_column {kind name} {
  global types value
  lassign [random_type $kind] type quoting pool more
  set values $more
  if {$pool ne ""} { set values [concat $more $value($pool)] }
  set few [lrange [shuffled $values] 0 [expr {5 + [rnd 25]}]]
  set notnull [chance [expr {$::wanted_share == 100 ? 40 : 12}]]
  return [dict create name $name type $type \
            domain [lmap v $few { literal $kind $quoting $v }] \
            nulls [pick {0 5 10 10 10 30 80}] notnull $notnull]
}

set column_names {
  a b c d e f g h i k l m n o p q r s t u v w x y z aa bb cc dd ee ff gg hh
}
set odd_names [list select {a b} "q\"q" Ünï "it's" group {x`y} {p%} 1st]

proc quoted {name} {
  if {[regexp {^[a-z]+[0-9]*$} $name] && $name ni {select group}} { return $name }
  return "\"[string map {\" \"\"} $name]\""
}

# ---------------------------------------------------------------- tables
# A table: name, columns, rows (lists of the server's literals), key (names of
# the primary key's columns), unique (columns that no two rows share, so that
# an order by them is total), tail (text behind the columns).
proc random_table {kind name ncol nrow} {
  set columns {}
  for {set i 0} {$i < $ncol} {incr i} {
    set c [lindex $::column_names $i]
    if {$c eq ""} { set c x$i }
    if {[chance 4]} { set c [pick $::odd_names] }
    lappend columns [random_column $kind $c]
  }
  set taken {}
  set columns [lmap c $columns {
    set lower [string tolower [dict get $c name]]
    if {$lower in $taken} continue
    lappend taken $lower
    set c}]
  set table [dict create name $name columns $columns key {} unique {} tail {} \
               constraint {}]
  set table [random_key $kind $table]
  return [random_rows $table $nrow]
}

# Keys of every sort. `id` is an integer that no two rows share.
proc random_key {kind table} {
  set style [some {
    8 {string cat integer} 3 {string cat none} 2 {string cat plain}
    2 {string cat composite} 2 {string cat text} 1 {string cat unique}}]
  set int [dict get {pg integer mysql int sqlite INTEGER} $kind]
  if {$kind eq "pg" && $style eq "integer"} {
    set int [pick {smallint integer bigint oid}]
  }
  if {$style eq "none"} { return $table }
  set id [dict create name id type $int domain {} nulls 0 notnull 1]
  dict set table columns [linsert [dict get $table columns] 0 $id]
  dict set table unique id
  switch $style {
    integer { dict set table key id }
    plain { dict set table columns [lreplace [dict get $table columns] 0 0 \
              [dict replace $id notnull 0 nulls 0]] }
    unique {
      dict set table constraint ", UNIQUE(id)"
    }
    composite - text {
      set type TEXT
      if {$kind eq "pg"} { set type [pick {text {text COLLATE "C"} {text COLLATE loose}}] }
      if {$kind eq "mysql"} { set type "varchar(20) COLLATE utf8mb4_general_ci" }
      set tk [dict create name tk type $type domain {} nulls 0 notnull 1 of id]
      dict set table columns [linsert [dict get $table columns] 1 $tk]
      dict set table key [expr {$style eq "text" ? "tk" : [pick {{id tk} {tk id}}]}]
    }
  }
  if {$kind eq "sqlite" && [dict get $table key] ne ""} {
    if {[chance 35]} { dict set table tail " WITHOUT ROWID" }
  }
  return $table
}

proc random_rows {table nrow} {
  set rows {}
  set id -3
  for {set i 0} {$i < $nrow} {incr i} {
    set row {}
    incr id [pick {1 1 1 2 7}]
    if {$id < 0 && [string match oid [dict get [lindex [dict get $table columns] 0] type]]} {
      set id 0
    }
    foreach c [dict get $table columns] {
      if {[dict get $c name] eq "id"} {
        lappend row $id
      } elseif {[dict exists $c of]} {
        lappend row '[pick {a B {} ä}]$id'
      } elseif {![dict get $c notnull] && [chance [dict get $c nulls]]} {
        lappend row NULL
      } else {
        lappend row [pick [dict get $c domain]]
      }
    }
    lappend rows $row
    if {[dict get $table unique] eq "" && [chance 30]} {
      lappend rows $row
    }
  }
  return [dict replace $table rows $rows]
}

# The statements that make the table: DDL, then rows.
proc table_sql {kind table {schema ""}} {
  if {$schema ne ""} { append schema . }
  set name [dict get $table name]
  set columns [lmap c [dict get $table columns] {
    set text "[remote_name $kind [dict get $c name]] [dict get $c type]"
    if {[dict get $c notnull]} { append text " NOT NULL" }
    set text}]
  set key [dict get $table key]
  if {$key ne ""} { lappend columns "PRIMARY KEY([join $key ,])" }
  if {$kind eq "sqlite" && $key eq "id" && [dict get $table tail] eq ""} {
    set columns [lreplace $columns 0 0 "id INTEGER PRIMARY KEY"]
    set columns [lsearch -all -inline -not -regexp $columns {^PRIMARY KEY}]
  }
  set sql "CREATE TABLE $schema${name}(\n  [join $columns ",\n  "][dict get \
    $table constraint])[dict get $table tail];\n"
  set rows [lmap row [dict get $table rows] { string cat ( [join $row ,] ) }]
  if {$rows ne ""} {
    append sql "INSERT INTO $schema$name VALUES\n  [join $rows ",\n  "];\n"
  }
  return $sql
}

# A view over the first table: names its columns, and nothing is known of it.
proc view_sql {kind name table {schema ""}} {
  if {$schema ne ""} { append schema . }
  set columns [lmap c [dict get $table columns] {
    remote_name $kind [dict get $c name] }]
  return "CREATE VIEW $schema$name AS SELECT [join $columns {, }]\
    FROM [dict get $table name];"
}
