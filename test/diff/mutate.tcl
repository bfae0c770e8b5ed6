# mutate.tcl: is the differential tester sharp enough? Each letter of the
# decision table that is not E, and each form that is not the plain one, is
# turned into a plain E, one at a time; random queries about that row and
# operator must notice.
#
#   make mutate DIFF_SHOW=1          a few minutes; shows what noticed
#
# Noticed is another answer, an error, or a row too many from a server whose
# terms were all sent as exact. A mutant that survives is a failure, unless it
# stands below with the reason why it is none.

set mutate_sessions 12
set mutate_queries 80

# Mutants (as patterns of their names, see mutant_name) that cannot be noticed,
# and why not.
set equivalent {
  {* decimal <> *} {plan.c leaves it here: SQLite says that it compares by BINARY}
  {sqlite any* glob *} {both sides are the same library}
  {mysql time like *} {no time has a letter, which LIKE could fold}
  {pg decimal like *} {rhs.c leaves every pattern over such numbers here}
  {pg decimal glob *} {rhs.c leaves every pattern over such numbers here}
  {mysql decimal like *} {rhs.c leaves every pattern over such numbers here}
  {mysql decimal glob *} {rhs.c leaves every pattern over such numbers here}
  {mysql integer like *} {a whole number prints the same everywhere}
  {sqlite integer like *} {a whole number prints the same everywhere}
  {sqlite integer glob *} {a whole number prints the same everywhere}
  {pg other order *} {ORDER BY "x" names the output column, which is the text;
    and the database of the tests sorts texts by their bytes}
}

proc why_equivalent {name} {
  foreach {pattern why} $::equivalent {
    if {[string match $pattern $name]} { return $why }
  }
}

# The mutants of a row: {operator-number letter form}.
proc mutants_of {row} {
  set list {}
  for {set op 0} {$op < [llength $::op_names]} {incr op} {
    set letter [string index [dict get $row fit] $op]
    set form [string index [dict get $row form] $op]
    if {$letter ne "E" || $form ne "b"} { lappend list [list $op E b] }
    if {$letter eq "S" && $form ne "b"} { lappend list [list $op E $form] }
  }
  return $list
}
proc mutant_name {kind row mutant} {
  lassign $mutant op letter form
  set compare [dict get $row compare]
  return "$kind [lindex [dict get $row classes] 0][expr {[llength $compare] < 4 ?
    "-[join $compare -]" : ""}]\
    [lindex $::op_names $op] [string index [dict get $row fit] $op][string \
    index [dict get $row form] $op]->$letter$form"
}

proc mutate_on {row mutant} {
  lassign $mutant op letter form
  db eval "SELECT fed_mutate([dict get $row row], $op, '$letter$form')"
  db cache flush
}
proc mutate_off {row mutant} {
  set op [lindex $mutant 0]
  set letter [string index [dict get $row fit] $op]
  if {[lindex $::op_names $op] eq "order"} { set letter L }
  db eval "SELECT fed_mutate([dict get $row row], $op,
    '$letter[string index [dict get $row form] $op]')"
  db cache flush
}

# Does one of some queries notice? Gives it, or {}.
proc mutant_hunt {row mutant} {
  set ::wanted [dict create [dict get $row row] [lindex $::op_names [lindex $mutant 0]]]
  session_wanted
  if {$::wanted_columns eq ""} { return {} }
  set found {}
  for {set i 0} {$i < $::mutate_queries} {incr i} {
    incr ::count(queries)
    set ::parameters {}
    set ::alias_serial 0
    set tree [plain_query]
    mutate_on $row $mutant
    set differs [query_differs $tree $::parameters]
    mutate_off $row $mutant
    if {$differs eq ""} continue
    set honest [query_differs $tree $::parameters]
    if {$honest ne ""} {
      fail "unmutated" query [render $tree] differs $honest
      continue
    }
    return [list [query_sql $tree R] $differs]
  }
  return {}
}

# Those of a row that are no proven equivalents.
proc mutants_to_hunt {kind row} {
  return [lmap mutant [mutants_of $row] {
    set name [mutant_name $kind $row $mutant]
    set why [why_equivalent $name]
    if {$why ne ""} {
      puts "  equivalent  $name: [regsub -all {\s+} $why { }]"
      continue
    }
    set mutant
  }]
}

proc mutate_run {kind} {
  set seed [setting DIFF_SEED 4711]
  array set ::count {queries 0 found 0}
  db eval {PRAGMA automatic_index = off}
  set ::term_rows [term_rows $kind]
  set ::wanted_share 100
  set ::plain_kinds exact
  foreach row $::term_rows {
    set alive [mutants_to_hunt $kind $row]
    for {set s 0} {$s < $::mutate_sessions && $alive ne ""} {incr s} {
      seed [expr {$seed * 1000003 + [dict get $row row] * 100 + $s}]
      set ::wanted [dict create [dict get $row row] {=}]
      session_new $kind $s
      db eval "PRAGMA case_sensitive_like = [expr {$s % 2}]"
      set alive [lmap mutant $alive {
        set found [mutant_hunt $row $mutant]
        if {$found eq ""} { set mutant } else {
          pass mutant
          puts "  killed      [mutant_name $kind $row $mutant]"
          if {[setting DIFF_SHOW 0]} { puts "    [join $found "\n    "]" }
          continue
        }
      }]
    }
    foreach mutant $alive { fail "survived: [mutant_name $kind $row $mutant]" }
  }
  puts "mutate_$kind: $::count(queries) queries"
}
