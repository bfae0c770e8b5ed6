# write.tcl: the differential tester that writes. Random INSERT, UPDATE and
# DELETE on tables of a server, and the same in SQLite alone: each must succeed
# or fail in both, change as many rows, and leave the same rows.
#
#   WRITE_STATEMENTS=50000 WRITE_SEED=7 tclsh test/run.tcl diff_write.test
#
# WRITE_STATEMENTS  how many, for each kind of server (1500)
# WRITE_SEED        a number; else it is chosen, and printed
# WRITE_STOP        differences until it gives up (3)
#
# Where rows are changed one after the other and some fail, the order counts,
# and that of a server's rows is its own. So a statement over many rows fails
# in any order or in none, unless its order is said (VALUES, ORDER BY).

encoding system utf-8

# name, its columns, the place of each: k part of the key, u unique, n a number,
# t a text, d with a default, c checked to be positive.
set write_tables {
  a {id k  s u  n dn  c c  w t}
  b {x kt  y k  n dn  c c  w t}
  c {s kt  n dn  u un  w t}
}

proc write_ddl {kind table} {
  set text "varchar(30)"
  set long "varchar(60)"
  if {$kind eq "mysql"} {
    append text " COLLATE utf8mb4_bin"
    append long " COLLATE utf8mb4_bin"
  } elseif {$kind eq "local" || $kind eq "sqlite"} {
    lassign {TEXT TEXT} text long
  }
  set int [expr {$kind in {local sqlite} ? "INTEGER" : "int"}]
  switch $table {
    a { return "CREATE TABLE a(id $int PRIMARY KEY, s $text UNIQUE,
          n $int DEFAULT 5, c $int NOT NULL DEFAULT 7 CHECK (c >= 0),
          w $long)" }
    b { return "CREATE TABLE b(x $text NOT NULL, y $int NOT NULL,
          n $int DEFAULT 5, c $int NOT NULL DEFAULT 7 CHECK (c >= 0),
          w $long, PRIMARY KEY (x, y))" }
    c { return "CREATE TABLE c(s $text NOT NULL UNIQUE, n $int DEFAULT 5,
          u $int UNIQUE, w $long)" }
  }
}

# ------------------------------------------------------------------ chance
proc rnd {n} { expr {int(rand() * $n)} }
proc pick {list} { lindex $list [rnd [llength $list]] }
proc chance {percent} { expr {rand() * 100 < $percent} }

# ------------------------------------------------------------------ values
proc write_number {} { pick {0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19} }
proc write_word {} {
  pick [list '' 'a' 'b' 'c' 'd' 'e' 'f' 'A' 'it''s' 'ä' '€uro' "'x y'" '%' \
    "'\\'"]
}

proc write_value {role} {
  if {[string match *k* $role]} {
    return [expr {[string match *t* $role] ? [write_word] : [write_number]}]
  }
  if {$role eq "c"} {
    return [pick [list [write_number] [write_number] [write_number] -1 NULL]]
  }
  if {$role eq "u" || $role eq "t"} {
    return [expr {[chance 15] ? "NULL" : [write_word]}]
  }
  return [expr {[chance 15] ? "NULL" : [write_number]}]
}

proc write_condition {table} {
  switch $table {
    a { set terms [list "id = [write_number]" "id > [write_number]" \
          "s = [write_word]" "n < [write_number]" "w IS NULL" \
          "id IN (SELECT n FROM src WHERE n < [write_number])" \
          "id = [write_number] OR s = [write_word]" \
          "n = (SELECT max(n) FROM R.a)" \
          "EXISTS (SELECT 1 FROM R.b WHERE b.y = a.id)" "1"] }
    b { set terms [list "x = [write_word] AND y = [write_number]" \
          "x = [write_word]" "y > [write_number]" "n = [write_number]" \
          "(x = [write_word] OR y = [write_number])" \
          "y IN (SELECT id FROM R.a WHERE n > [write_number])" "w LIKE 'a%'"] }
    c { set terms [list "s = [write_word]" "n > [write_number]" \
          "u = [write_number]" "u IS NULL" \
          "s IN (SELECT w FROM src)" "s IN (SELECT x FROM R.b)"] }
  }
  return [pick $terms]
}

proc write_one_row {table} {
  switch $table {
    a { return "id = [write_number]" }
    b { return "x = [write_word] AND y = [write_number]" }
    c { return "s = [write_word]" }
  }
}

# ------------------------------------------------------------------ statements
proc write_or {} {
  return [pick {{} {} {} {} {OR ABORT} {OR FAIL} {OR IGNORE} {OR IGNORE}
    {OR REPLACE} {OR REPLACE} {OR ROLLBACK}}]
}

# Columns that are named; the others are left out.
proc write_columns {table} {
  set all [dict get $::write_tables $table]
  set named {}
  dict for {column role} $all {
    if {[string match *k* $role] || ($table eq "c" && $column eq "s") ||
        [chance 75]} { lappend named $column }
  }
  return $named
}

proc write_row {table columns} {
  set all [dict get $::write_tables $table]
  return "([join [lmap c $columns {write_value [dict get $all $c]}] ", "])"
}

proc write_insert {} {
  set table [pick {a a b c}]
  set columns [write_columns $table]
  set list "INSERT [write_or] INTO R.$table"
  set named "$list ([join $columns {, }])"
  switch [pick {one one many many all select self}] {
    one { return "$named VALUES [write_row $table $columns]" }
    many {
      set rows {}
      for {set i -1} {$i < [rnd 6]} {incr i} {
        lappend rows [write_row $table $columns]
      }
      return "$named VALUES [join $rows {, }]"
    }
    all {
      return "$list VALUES\
        [write_row $table [dict keys [dict get $::write_tables $table]]]"
    }
    select {
      switch $table {
        a { return "$list (id, s) SELECT n, w FROM src\
              WHERE n > [write_number] ORDER BY i" }
        b { return "$list (x, y, n) SELECT w, n, i FROM src\
              WHERE w IS NOT NULL AND i > [rnd 30] ORDER BY i" }
        c { return "$list (s, u) SELECT w, i FROM src\
              WHERE w IS NOT NULL AND n < [write_number] ORDER BY i" }
      }
    }
    self {
      switch $table {
        a { return "$list (id, n) SELECT id + [pick {1 7 40}], n FROM R.a\
              WHERE id < [write_number] ORDER BY id" }
        b { return "$list (x, y) SELECT x, y + [pick {1 7 40}] FROM R.b\
              ORDER BY x, y" }
        c { return "$list (s, n) SELECT s || 'z', n FROM R.c
              WHERE length(s) < 10 ORDER BY s" }
      }
    }
  }
}

# Of one row anything may be set; of many, what fails in every order or none.
proc write_update {} {
  set table [pick {a a b c}]
  if {[chance 50]} {
    set all [dict get $::write_tables $table]
    set sets {}
    foreach column [dict keys $all] {
      if {[chance 35]} {
        set role [dict get $all $column]
        if {$table eq "c" && $column eq "s"} { set role kt }
        lappend sets "$column = [write_value $role]"
      }
    }
    if {![llength $sets]} { set sets {{n = n + 1}} }
    return "UPDATE [write_or] R.$table SET [join $sets {, }]\
      WHERE [write_one_row $table]"
  }
  set sets [pick [dict get {
    a {{n = n + 1} {w = s || '!'} {c = c + 1, n = NULL} {id = id + 1 + (SELECT max(id) FROM R.a)}
       {c = -1} {c = NULL} {n = (SELECT count(*) FROM R.b)} {s = NULL}
       {n = id, w = NULL} {n = (SELECT max(n) FROM src)}}
    b {{n = n + 1} {y = y + 1 + (SELECT max(y) FROM R.b)} {w = x} {c = c + 1} {c = -5}
       {n = (SELECT sum(id) FROM R.a)}}
    c {{n = n + 1} {u = NULL} {w = NULL} {u = u + 1 + (SELECT max(u) FROM R.c)}
       {n = (SELECT count(*) FROM R.c)} {s = NULL}}
  } $table]]
  # What grows does so once.
  set small [dict get {a "id < 1000" b "y < 1000" c "(u < 1000 OR u IS NULL)"} \
    $table]
  return "UPDATE R.$table SET $sets WHERE $small AND [write_condition $table]"
}

proc write_delete {} {
  set table [pick {a b c}]
  return "DELETE FROM R.$table WHERE [write_condition $table]"
}

proc write_statement {} {
  switch [pick {i i i i u u u d}] {
    i { return [write_insert] }
    u { return [write_update] }
    d { return [write_delete] }
  }
}

# ---------------------------------------------------------------- transactions
# What comes next between the statements; ::write_level is how many savepoints
# are open, -1 outside of a transaction.
proc write_control {} {
  if {$::write_level < 0} {
    set ::write_level 0
    return BEGIN
  }
  switch [pick {save save to to release commit rollback}] {
    save {
      if {$::write_level >= 4} { return "" }
      return "SAVEPOINT s[incr ::write_level]"
    }
    to {
      if {$::write_level == 0} { return "" }
      set ::write_level [expr {1 + [rnd $::write_level]}]
      return "ROLLBACK TO s$::write_level"
    }
    release {
      if {$::write_level == 0} { return "" }
      set to [expr {1 + [rnd $::write_level]}]
      set ::write_level [expr {$to - 1}]
      return "RELEASE s$to"
    }
    commit { set ::write_level -1; return COMMIT }
    rollback { set ::write_level -1; return ROLLBACK }
  }
}

# ------------------------------------------------------------------ both sides
proc write_both {kind sql} {
  set got {}
  foreach {handle side} [list db $kind ref main] {
    set text [string map [list R. $side.] $sql]
    set rc [catch {$handle eval $text} message]
    lappend got [list $rc $message [expr {$rc ? 0 : [$handle changes]}]]
  }
  return $got
}

proc write_rows {handle side table} {
  set order [dict get {a id b {x, y} c s} $table]
  return [$handle eval "SELECT * FROM $side.$table ORDER BY $order"]
}

proc write_differs {kind} {
  foreach table {a b c} {
    set l [write_rows db $kind $table]
    set r [write_rows ref main $table]
    if {$l ne $r} { return "table $table: $l\n    instead of $r" }
  }
  return ""
}

# By the server's own client: what dbfed reads is not what it believes.
proc write_differs_there {kind} {
  foreach table {a b c} {
    set columns [dict keys [dict get $::write_tables $table]]
    set sum [join [lmap c $columns {string cat "count($c)"}] ", "]
    set l [string map {| { }} [remote_sql $kind \
      "SELECT count(*), $sum FROM $table"]]
    set r [ref eval "SELECT count(*), $sum FROM $table"]
    if {[string map {"\t" " "} $l] ne $r} {
      return "client, table $table: $l instead of $r"
    }
  }
  return ""
}

proc write_tell {kind n trouble} {
  puts "difference at statement $n (WRITE_SEED=$::write_seed):"
  puts "    $trouble"
  foreach line [lrange $::write_history end-12 end] { puts "    $line" }
}

proc write_setup {kind} {
  foreach table {a b c} {
    remote_sql $kind "DROP TABLE IF EXISTS $table"
    remote_sql $kind [write_ddl $kind $table]
  }
  catch {ref close}
  sqlite3 ref :memory:
  ref nullvalue NULL
  foreach table {a b c} { ref eval [write_ddl local $table] }
  foreach handle {db ref} {
    $handle eval {
      DROP TABLE IF EXISTS src;
      CREATE TABLE src(i INTEGER PRIMARY KEY, n INT, w TEXT);
      WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c
        WHERE i < 30)
      INSERT INTO src SELECT i, i * 7 % 20,
        CASE WHEN i % 9 = 0 THEN NULL ELSE char(96 + i % 11) END FROM c;
    }
  }
  define_server $kind
  db eval "SELECT fed_attach('$kind')"
}

# Runs the statements; *ends with one check for each 100 of them.
proc write_run {kind} {
  set many [setting WRITE_STATEMENTS 1500]
  set ::write_seed [setting WRITE_SEED [expr {int(rand() * 1e9)}]]
  puts "seed $::write_seed"
  expr {srand($::write_seed)}
  set ::write_level -1
  set ::write_history {}
  set troubles 0
  set failed 0
  write_setup $kind
  for {set n 1} {$n <= $many} {incr n} {
    set sql [expr {[chance 25] ? [write_control] : [write_statement]}]
    if {$sql eq ""} continue
    lassign [write_both $kind $sql] l r
    lappend ::write_history "$sql;  -- $l | $r"
    set trouble ""
    # What a statement for the transaction says of changes() is nobody's matter.
    set writes [regexp {^(INSERT|UPDATE|DELETE)} $sql]
    if {[lindex $l 0] != [lindex $r 0] ||
        ($writes && [lindex $l 2] != [lindex $r 2])} {
      set trouble "$sql: $l | $r"
    }
    incr failed [lindex $l 0]
    if {[lindex $r 0] && [string match "*OR ROLLBACK*" $sql]} {
      set ::write_level -1
    }
    if {$trouble eq "" && [catch {write_differs $kind} trouble]} {
      set trouble "cannot read: $trouble"
    }
    if {$trouble eq "" && $::write_level < 0 && $n % 10 == 0} {
      set trouble [write_differs_there $kind]
    }
    if {$trouble ne ""} {
      write_tell $kind $n $trouble
      fail write-$kind-$n trouble $trouble
      if {[incr troubles] >= [setting WRITE_STOP 3]} break
      catch {db eval ROLLBACK}
      catch {ref eval ROLLBACK}
      set ::write_level -1
      db eval "SELECT fed_detach('$kind')"
      write_setup $kind
    } elseif {$n % 100 == 0} {
      pass write-$kind-$n
    }
  }
  catch {db eval ROLLBACK}
  catch {ref eval ROLLBACK}
  puts "$kind: $many statements, $failed failed in both"
  db eval "SELECT fed_detach('$kind')"
}
