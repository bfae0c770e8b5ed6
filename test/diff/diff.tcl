# diff.tcl: the differential tester. Random tables on a server and in SQLite
# itself, random queries over both; every answer must be the same.
#
#   make diff DIFF_QUERIES=200000 DIFF_SEED=7       each kind of server
#   DIFF_QUERIES=5000 tclsh test/run.tcl diff_pg.test
#
# DIFF_SEED      a number, or `random` (the number is printed)
# DIFF_QUERIES   how many queries; a new set of tables every DIFF_ROUND (400)
# DIFF_STOP      differences until it gives up (5)
# DIFF_RAW       1: show a difference as it was met
#
# A difference is made small (terms, columns, rows go as long as it stays) and
# printed ready to paste.

source $tester(dir)/diff/schema.tcl
source $tester(dir)/diff/session.tcl
source $tester(dir)/diff/query.tcl
source $tester(dir)/diff/shrink.tcl
source $tester(dir)/diff/mutate.tcl

encoding system utf-8

set diff_budget 2500

# Rows of the decision table, and of which of them more terms are wanted:
# {row {operator ...}}; their share of the plain queries.
set term_rows {}
set wanted {}
set wanted_share 65


# ----------------------------------------------------------------- one query
# The text for one side. Blanks are for reading: the nodes leave many.
proc query_sql {tree side} {
  string map [list R. $side.] [string trim [regsub -all { +} [render $tree] { }]]
}

# The values that the parameters stand for, by number.
proc query_bind {parameters} {
  array unset ::p
  set i -1
  foreach v $parameters {
    incr i
    db eval "SELECT $v AS v, ($v) IS NULL AS none" row {
      if {!$row(none)} { set ::p($i) $row(v) }
    }
  }
}

proc answer {sql how} {
  if {[catch {typed_rows $sql} rows]} { return [list error $rows] }
  if {$how ne "ordered"} { set rows [lsort $rows] }
  return [list rows $rows]
}

# Errors that both may have, at a row that only one of them came to.
proc is_same_error {a b} {
  expr {[lindex $a 0] eq "error" && [lindex $b 0] eq "error"}
}

# "" if both sides give the same, else what each gave. ::local_rows is how
# many the local side had; with `quick` an empty local answer is enough.
proc query_differs {tree parameters {quick 0}} {
  set kind [dict get $::session kind]
  set how [how_of $tree]
  set ::local_rows 0
  if {[takes_for_constant $tree] && [regexp {GROUP BY|DISTINCT} [render $tree]]} {
    return [expr {$quick ? "skipped" : ""}]
  }
  query_bind $parameters
  set local [answer [query_sql $tree main] $how]
  set ::local_rows [expr {[lindex $local 0] eq "rows" ? [llength [lindex $local 1]] : 0}]
  if {$quick && $::local_rows == 0} { return skipped }
  set exact [expr {[lindex $tree 0] eq "exact" && [nodes_within limit $tree] eq ""}]
  if {$exact} { set before [list [log_mark] [term_counts]] }
  set remote [answer [query_sql $tree $kind] $how]
  if {$remote eq $local || [is_same_error $remote $local]} {
    if {$exact} { return [too_many_rows $tree $before] }
    return ""
  }
  if {$how eq "some" && [lindex $remote 0] eq "rows" && [lindex $local 0] eq "rows"} {
    if {[llength [lindex $remote 1]] == $::local_rows
        && [is_part [lindex $remote 1] [answer [query_sql [unlimited $tree] main] any]]} {
      return ""
    }
  }
  return [tell_apart $remote $local]
}

# What was counted of terms so far: see fed_terms(); and of LIKE and GLOB, how
# many were sent, and how many of them as exact.
proc term_counts {} {
  set rows [lindex [db eval {SELECT fed_terms()}] 0]
  set sent 0
  set exact 0
  foreach row [lrange $rows 1 end] {
    foreach op {8 9} {
      incr sent [lindex $row 5 $op]
      if {[string index [lindex $row 3] $op] eq "E"} { incr exact [lindex $row 5 $op] }
    }
  }
  return [list {*}[lindex $rows 0] $sent $exact]
}

# Terms that are sent as exact, and nothing else in the WHERE clause: as many
# rows must come as the answer has. A pattern brings a range along, which says
# nothing new.
proc too_many_rows {tree before} {
  lassign $before mark was
  lassign [lmap a [term_counts] b $was { expr {$a - $b} }] exact superset \
    never left sent exactly
  set terms [lmap n [nodes_within b $tree] { render $n }]
  set n [llength $terms]
  set patterns [llength [lsearch -all -regexp $terms { (LIKE|GLOB) }]]
  if {$never || $sent != $patterns || $exactly != $patterns} { return "" }
  if {$patterns < $n && ($superset || $left)} { return "" }
  if {$exact < $n || ($patterns == 0 && $exact > $n)} { return "" }
  set rows [db eval {SELECT rows FROM fed_log WHERE id > $mark}]
  if {[llength $rows] != 1 || $rows == $::local_rows} { return "" }
  return "exact: the server sent $rows rows, the answer has $::local_rows"
}

# Are the rows among those of the answer, each as often at most?
proc is_part {rows all} {
  if {[lindex $all 0] ne "rows"} { return 0 }
  array set left {}
  foreach row [lindex $all 1] { incr left($row) }
  foreach row $rows {
    if {![info exists left($row)] || [incr left($row) -1] < 0} { return 0 }
  }
  return 1
}
proc tell_apart {remote local} {
  lassign $remote kind rows
  lassign $local local_kind local_rows
  if {$kind eq "error"} { return "remote: $rows" }
  if {$local_kind eq "error"} { return "local: $local_rows" }
  set more [lmap r $rows { if {$r in $local_rows} { continue }; set r }]
  set less [lmap r $local_rows { if {$r in $rows} { continue }; set r }]
  if {$more eq "" && $less eq ""} {
    return "remote: [lrange $rows 0 9]\n     local: [lrange $local_rows 0 9]"
  }
  return "remote has [llength $rows] rows, alone [lrange $more 0 3]\n     local has\
    [llength $local_rows] rows, alone [lrange $less 0 3]"
}

# ---------------------------------------------------------------- the session
# Makes up queries until one differs: {tree parameters difference}, or {}.
proc next_query {} {
  for {set try 0} {$try < 4} {incr try} {
    lassign [random_query] tree parameters
    set differs [query_differs $tree $parameters [expr {$try < 3}]]
    if {$differs ne "skipped"} break
  }
  incr ::count(queries)
  if {$::local_rows} { incr ::count(found) }
  return [list $tree $parameters $differs]
}

proc report_difference {kind name tree parameters differs} {
  set sql [query_sql $tree $kind]
  set mark [log_mark]
  query_bind $parameters
  if {[catch {db eval $sql} message]} { append differs " (error: $message)" }
  set sent [db eval {SELECT sql FROM fed_log WHERE id > $mark ORDER BY id}]
  set tables [lmap t [dict get $::session tables] { table_sql $kind $t }]
  set i -1
  set values [lmap v $parameters { string cat "\$::p([incr i])=$v" }]
  fail $name query $sql parameters $values differs $differs \
    "remote SQL" [join [lrange $sent 0 5] "\n            "] \
    tables "\n[join $tables][expr {[dict get $::session view] ? "(and view v1 over t1)" : ""}]" \
    local $::local_sql plan [planned $sql] \
    session "[dict get $::session options][expr {[dict get $::session \
      transaction] ? " BEGIN" : ""}] case_sensitive_like=[db onecolumn \
      {SELECT 'a' NOT LIKE 'A'}]"
}

# ------------------------------------------------------------ the decisions
set op_names {= <> < <= > >= isnull notnull like glob order}
set dialect_of {pg postgres mysql mysql sqlite sqlite}

# The rows of the decision table, as dicts, for one kind; `row` is its number.
proc term_rows {kind} {
  set rows {}
  set n -1
  foreach line [lrange [lindex [db eval {SELECT fed_terms()}] 0] 1 end] {
    incr n
    lassign $line dialect classes compare fit form sent
    if {$dialect ne [dict get $::dialect_of $kind]} continue
    lappend rows [dict create row $n classes $classes compare $compare \
      fit $fit form $form sent $sent]
  }
  return $rows
}

# What can be sent and was not yet, or less often than that.
proc want_missing {kind least} {
  set ::term_rows [term_rows $kind]
  set ::wanted {}
  foreach row $::term_rows {
    foreach op [lrange $::op_names 0 end-1] n [dict get $row sent] \
        letter [split [string range [dict get $row fit] 0 end-1] {}] {
      if {$letter ne "L" && $n < $least} {
        dict lappend ::wanted [dict get $row row] $op
      }
    }
  }
}

# How often each operator of each row was sent; what should have been and was
# not is returned.
proc coverage {kind} {
  set missing {}
  puts "sent, of the decision table ([lrange $::op_names 0 end-1]):"
  foreach row [term_rows $kind] {
    set cells {}
    set label "[dict get $row classes] ([dict get $row compare])"
    foreach op [lrange $::op_names 0 end-1] letter [split [string range [dict \
        get $row fit] 0 end-1] {}] n [dict get $row sent] {
      lappend cells [format %6s [expr {$letter eq "L" ? "-" : $n}]]
      if {$letter ne "L" && $n == 0} {
        lappend missing "$label $op"
      }
    }
    puts "  [join $cells { }]  $label"
  }
  return $missing
}

# The queries of one set of tables, up to the first that differs.
proc diff_round {kind seed round n} {
  if {$::wanted_share < 100} { want_missing $kind 5 }
  seed [expr {$seed * 1000003 + $round}]
  session_new $kind $round
  for {set i 0} {$i < $n} {incr i} {
    lassign [next_query] tree parameters differs
    if {$differs eq ""} {
      pass diff
      continue
    }
    incr ::wrong
    if {![setting DIFF_RAW 0]} {
      lassign [shrink $tree $parameters $differs] tree parameters differs
    }
    report_difference $kind "round $round query $i" $tree $parameters $differs
    break
  }
}

proc diff_run {kind} {
  need $kind
  if {[setting DIFF_MUTATE] ne ""} { return [mutate_run $kind] }
  set seed [setting DIFF_SEED 4711]
  if {$seed eq "random"} { set seed [expr {[clock microseconds] % 1000000}] }
  set budget [setting DIFF_QUERIES $::diff_budget]
  set per_round [setting DIFF_ROUND 400]
  set stop [setting DIFF_STOP 5]
  array set ::count {queries 0 found 0}
  puts "diff_$kind: DIFF_SEED=$seed, $budget queries"
  db eval {PRAGMA automatic_index = off}
  set ::wrong 0
  set round 0
  while {$::count(queries) < $budget && $::wrong < $stop} {
    diff_round $kind $seed $round [expr {min($per_round, $budget - $::count(queries))}]
    incr round
  }
  # What chance has left out of the decision table is asked for.
  for {set i 0} {$i < 12 && $budget >= $::diff_budget} {incr i} {
    want_missing $kind 1
    if {$::wanted eq ""} break
    set ::wanted_share 100
    diff_round $kind $seed [incr round] 60
  }
  set share [expr {100 * $::count(found) / max(1, $::count(queries))}]
  puts "diff_$kind: $::count(queries) queries, $share % with rows"
  set missing [coverage $kind]
  if {$budget >= $::diff_budget} {
    check rows [expr {$share >= 60}] 1
    check coverage $missing {}
  }
}
