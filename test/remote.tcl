# remote.tcl: for tests that hold for every kind of server. A file that runs
# on all of them says `need pg mysql` in a comment (see run.tcl) and loops:
#
#   foreach kind [kinds] { ... }
#
# Each kind's server has the name of its kind: sqlite, pg, mysql.

# What can be tested here; what cannot is a counted skip (a failure in CI).
proc kinds {} {
  if {![info exists ::remote(kinds)]} {
    set ::remote(kinds) sqlite
    foreach kind {pg mysql} {
      if {![has_driver $kind]} continue
      need $kind [list lappend ::remote(kinds) $kind]
    }
  }
  return $::remote(kinds)
}

# Runs statements on the server, past dbfed.
proc remote_sql {kind sql} {
  switch $kind {
    pg { return [pg_sql $sql] }
    mysql { return [mysql_sql $sql] }
    sqlite {
      sqlite3 remote_db [file normalize remote.db]
      remote_db timeout 10000
      try {
        return [join [remote_db eval $sql] |]
      } finally {
        remote_db close
      }
    }
  }
}

# The SQLite file must be there before it can be a server.
proc define_server {kind args} {
  if {$kind eq "sqlite"} { remote_sql sqlite "PRAGMA user_version" }
  set url [server_url $kind]
  set list [join [lmap option $args {
    string cat ", '" [string map {' ''} $option] '}] ""]
  return [db onecolumn "SELECT fed_server('$kind', \$url$list)"]
}

# A remote name as the server's SQL quotes it.
proc remote_name {kind name} {
  if {$kind eq "mysql"} { return `[string map {` ``} $name]` }
  return \"[string map {\" \"\"} $name]\"
}

# ------------------------------------------------------------- the log
proc log_mark {} {
  return [db eval {SELECT coalesce(max(id), 0) FROM fed_log}]
}

# Remote statements that a script causes, oldest first; without those that only
# a slow machine causes, where a connection has been idle for a second.
proc sent {script} {
  set mark [log_mark]
  uplevel $script
  return [db eval {
    SELECT sql FROM fed_log WHERE id > $mark AND sql <> '-- ping' ORDER BY id
  }]
}

# What a script costs: {remote statements, connections lent or opened}. Asked
# through a handle of its own: the script may close `db`, or make it useless.
proc contacts {script} {
  if {[info commands monitor] eq ""} { open_db monitor :memory: }
  set count {
    SELECT (SELECT coalesce(max(id), 0) FROM fed_log),
           (SELECT coalesce(sum(opened_total + lent_total), 0) FROM fed_pool)}
  lassign [monitor eval $count] statements connections
  uplevel $script
  lassign [monitor eval $count] statements2 connections2
  return [list [expr {$statements2 - $statements}] \
               [expr {$connections2 - $connections}]]
}

# The remote SQL in a plan: what stands behind "VIRTUAL TABLE INDEX n:".
proc planned {sql} {
  set found {}
  db eval "EXPLAIN QUERY PLAN $sql" row {
    if {[regexp {VIRTUAL TABLE INDEX \d+:(.*)$} $row(detail) -> text]} {
      lappend found $text
    }
  }
  return $found
}

# --------------------------------------------------------- differential
# Copies the virtual table `from` into an ordinary table `to`, declared alike:
# types, NOT NULL and collations. `collate` overrides: {column collation ...}.
proc make_local {from to {collate {}}} {
  lassign [split $from .] schema table
  set columns {}
  set key {}
  db eval {
    SELECT c.name AS name, c.type AS type, c."notnull" AS nn, f."key" AS pk,
           f.class AS class
    FROM pragma_table_info($table, $schema) c JOIN fed_tables f
      ON f.schema = $schema AND f.name = $table AND f.cid = c.cid
    ORDER BY c.cid
  } c {
    set quoted "\"[string map {\" \"\"} $c(name)]\""
    set text "$quoted \"$c(type)\""
    if {$c(type) eq ""} { set text $quoted }
    if {$c(nn)} { append text " NOT NULL" }
    if {[dict exists $collate $c(name)]} {
      append text " COLLATE [dict get $collate $c(name)]"
    } elseif {$c(class) eq "decimal"} {
      append text " COLLATE decimal"
    }
    lappend columns $text
    if {$c(pk)} { lappend key $c(pk) $quoted $c(class) }
  }
  # One integer key is the rowid there, so it must be so here.
  if {[llength $key] == 3 && [lindex $key 2] eq "integer"} {
    set name [lindex $key 1]
    set columns [lmap text $columns {
      if {[string first "$name " $text] == 0} {
        set text "$name INTEGER PRIMARY KEY"
      }
      set text}]
  } elseif {$key ne ""} {
    set names [lmap {n name class} [lsort -stride 3 -integer $key] {set name}]
    lappend columns "PRIMARY KEY([join $names ,])"
  }
  db eval "DROP TABLE IF EXISTS main.$to;
         CREATE TABLE main.${to}([join $columns ,])"
  db eval "INSERT INTO main.$to SELECT * FROM $from"
}

# A value with its storage class, which Tcl objects made by SQLite remember.
# Minus zero is zero to SQL.
proc typed {value} {
  if {$value eq "\x02null"} { return NULL }
  switch -glob [tcl::unsupported::representation $value] {
    "*is a int *" - "*is a wideInt *" { return i:$value }
    "*is a double *" { return r:[expr {$value == 0 ? 0.0 : $value}] }
    "*is a bytearray *" { return b:[binary encode hex $value] }
  }
  return t:$value
}

proc typed_rows {sql} {
  db nullvalue "\x02null"
  set rows {}
  try {
    uplevel #0 [list db eval $sql __row {
      lappend ::__rows [lmap ::__c $::__row(*) { typed $::__row($::__c) }]
    }]
    if {[info exists ::__rows]} { set rows $::__rows }
  } finally {
    unset -nocomplain ::__rows ::__row ::__c
    db nullvalue NULL
  }
  return $rows
}

# The answer over remote tables (R.t is KIND.t) and that over local ones
# (R.t is main.t) must be the same, storage classes included. Rows are
# compared in order if `how` is ordered, by their number if it is counted.
# Returns "" or what differs.
proc differ {kind sql {how ordered}} {
  foreach side {remote local} schema [list $kind main] {
    if {[catch {typed_rows [string map [list R. $schema.] $sql]} got]} {
      set got "error: $got"
    } elseif {$how eq "any"} {
      set got [lsort $got]
    } elseif {$how eq "counted"} {
      set got [llength $got]
    }
    set $side $got
  }
  if {$remote eq $local} { return "" }
  return [show_difference $remote $local $how]
}

# Rows that only one side has; in order, the first place where they part.
proc show_difference {remote local how} {
  if {[string match "error: *" $remote] || [string match "error: *" $local]} {
    set how error
  }
  if {$how eq "any"} {
    set more [lmap r $remote {
      if {$r in $local} continue
      set r}]
    set less [lmap r $local {
      if {$r in $remote} continue
      set r}]
    if {$more ne "" || $less ne ""} {
      set remote "[llength $remote] rows, only here: [lrange $more 0 3]"
      set local "[llength $local] rows, only here: [lrange $less 0 3]"
    }
  } elseif {$how eq "ordered"} {
    foreach r $remote l $local {
      if {$r ne $l} break
      set remote [lrange $remote 1 end]
      set local [lrange $local 1 end]
    }
  }
  return "remote: [string range $remote 0 300]\n            local:\
    [string range $local 0 300]"
}

# Duplicate column names would hide each other in an array: give them names.
proc same {name kind sql {how any}} {
  check "$name $sql" [differ $kind $sql $how] ""
}
