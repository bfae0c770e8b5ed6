# shrink.tcl: makes a difference small: the query first, then the rows and the
# columns of the tables, then the query again.

# A wrong answer may stay the same only as a wrong answer: an error that the
# smaller query has of its own is another matter.
proc still_differs {tree parameters what} {
  set differs [query_differs $tree $parameters]
  if {$differs eq ""} { return "" }
  foreach sort {"remote: *" "exact: *"} {
    if {[string match $sort $differs] != [string match $sort $what]} { return "" }
  }
  if {[string match "local: *" $differs]} { return "" }
  return $differs
}

proc shrink_query {tree parameters differs} {
  set again 1
  while {$again} {
    set again 0
    foreach candidate [smaller $tree] {
      set now [still_differs $candidate $parameters $differs]
      if {$now eq ""} continue
      set tree $candidate
      set differs $now
      set again 1
      break
    }
  }
  return [list $tree $parameters $differs]
}

# Parameters become literals where that changes nothing.
proc shrink_parameters {tree parameters differs} {
  set i -1
  set map {}
  foreach v $parameters {
    incr i
    set plain [string_map_tree $tree [list "\$::p($i)" $v]]
    set now [still_differs $plain $parameters $differs]
    if {$now ne ""} {
      set tree $plain
      set differs $now
    }
  }
  if {[string first {$::p(} [render $tree]] < 0} { set parameters {} }
  return [list $tree $parameters $differs]
}
proc string_map_tree {node map} {
  if {[lindex $node 0] eq "t"} { return [list t [string map $map [lindex $node 1]]] }
  set first [expr {[lindex $node 0] eq "l" ? 2 : 1}]
  return [concat [lrange $node 0 $first-1] \
    [lmap n [lrange $node $first end] { string_map_tree $n $map }]]
}

# Tries other tables; keeps them if the difference stays.
proc shrink_try {tables} {
  upvar tree tree parameters parameters differs differs
  set before [dict get $::session tables]
  set ok [expr {![catch {session_again $tables}]}]
  if {$ok} {
    set now [still_differs $tree $parameters $differs]
    if {$now ne ""} {
      set differs $now
      return 1
    }
  }
  session_again $before
  return 0
}
proc session_again {tables} {
  dict set ::session tables $tables
  set keep $::local_sql
  session_build $tables
  db eval "DROP TABLE main.l1; $keep"
  set ::local_sql $keep
}

proc shrink_rows {tree parameters differs} {
  set n [llength [dict get $::session tables]]
  for {set i 0} {$i < $n} {incr i} {
    set size [llength [dict get [lindex [dict get $::session tables] $i] rows]]
    set chunk $size
    while {$chunk >= 1} {
      for {set at 0} {1} {} {
        set tables [dict get $::session tables]
        set table [lindex $tables $i]
        set rows [dict get $table rows]
        if {$at >= [llength $rows]} break
        dict set table rows [lreplace $rows $at [expr {$at + $chunk - 1}]]
        if {![shrink_try [lreplace $tables $i $i $table]]} { incr at $chunk }
      }
      set chunk [expr {$chunk / 2}]
    }
  }
  return [list $tree $parameters $differs]
}

proc shrink_columns {tree parameters differs} {
  set n [llength [dict get $::session tables]]
  for {set i 0} {$i < $n} {incr i} {
    for {set c 0} {1} {} {
      set tables [dict get $::session tables]
      set table [lindex $tables $i]
      set columns [dict get $table columns]
      if {$c >= [llength $columns]} break
      set name [dict get [lindex $columns $c] name]
      if {[llength $columns] == 1 || $name in [dict get $table key] ||
          [string first .[quoted $name] [render $tree]] >= 0} {
        incr c
        continue
      }
      dict set table columns [lreplace $columns $c $c]
      if {$name in [dict get $table unique]} { dict set table unique {} ; dict set table constraint {} }
      dict set table rows [lmap row [dict get $table rows] { lreplace $row $c $c }]
      if {![shrink_try [lreplace $tables $i $i $table]]} { incr c }
    }
  }
  return [list $tree $parameters $differs]
}

proc shrink_tables {tree parameters differs} {
  if {[string first .v1 [render $tree]] < 0} { dict set ::session view 0 }
  foreach table [dict get $::session tables] {
    set name [dict get $table name]
    set tables [dict get $::session tables]
    if {[llength $tables] == 1 || [string first .$name [render $tree]] >= 0} continue
    if {$name eq "t1" && [dict get $::session view]} continue
    shrink_try [lsearch -all -inline -not -exact $tables $table]
  }
  return [list $tree $parameters $differs]
}

proc shrink {tree parameters differs} {
  set state [list $tree $parameters $differs]
  foreach step {query parameters tables columns rows query columns} {
    if {[catch {shrink_$step {*}$state} smaller]} {
      puts "shrink_$step: $smaller"
      continue
    }
    set state $smaller
  }
  return $state
}
