# tester.tcl: what every *.test file sources first. The idiom is SQLite's:
#
#   source [file join [file dirname [info script]] tester.tcl]
#   do_execsql_test 1.0 { SELECT 1, NULL } {1 NULL}
#   do_catchsql_test -glob 1.1 { SELECT x } {1 {no such column*}}
#   finish_test
#
# A file runs in its own tclsh, in a temporary folder that is its current
# directory, with `db` open on a fresh file and dbfed loaded into it. SQL NULL
# reads as NULL, so that it cannot be taken for an empty string. An expected
# value /.../ is a regular expression, ~/.../ one that must not match.
#
# From test/run.tcl, through the environment: FED_TEST_EXT the extension to
# load, FED_TEST_{PG,MYSQL}_URL servers, FED_TEST_DRIVERS what was compiled in,
# FED_TEST_DATA a folder of sample data.

package require sqlite3

set tester(dir) [file dirname [file normalize [info script]]]
set tester(file) [file rootname [file tail $argv0]]
array set tester {pass 0 fail 0 skip 0}
source $tester(dir)/servers.tcl

# What the tests start (psql, mariadb) must not be instrumented.
set tester(preload) [expr {
  [info exists env(LD_PRELOAD)] ? $env(LD_PRELOAD) : ""}]
unset -nocomplain env(LD_PRELOAD)

proc setting {name {default ""}} {
  if {[info exists ::env($name)] && $::env($name) ne ""} {
    return $::env($name)
  }
  return $default
}

# ------------------------------------------------------------- databases
proc extension {} {
  set root [file dirname $::tester(dir)]
  foreach so [list [setting FED_TEST_EXT] $root/build/test/dbfed.so \
                $root/dbfed.so] {
    if {$so ne "" && [file exists $so]} { return $so }
  }
  error "no dbfed.so: run make first"
}

# A database handle named `db` on `file` with dbfed loaded.
proc open_db {db file} {
  sqlite3 $db $file
  $db nullvalue NULL
  $db enable_load_extension 1
  set so [extension]
  $db eval { SELECT load_extension($so) }
}

proc reset_db {{file test.db}} {
  catch {db close}
  file delete $file $file-journal $file-wal $file-shm
  uplevel #0 [list open_db db $file]
}

# A command that starts another tclsh able to load dbfed: for crash tests.
proc subtclsh {} {
  if {$::tester(preload) eq ""} { return [info nameofexecutable] }
  return [list env LD_PRELOAD=$::tester(preload) [info nameofexecutable]]
}

proc execsql {sql {db db}} { uplevel [list $db eval $sql] }

proc catchsql {sql {db db}} {
  set rc [catch {uplevel [list $db eval $sql]} result]
  return [list $rc $result]
}

# ---------------------------------------------------------------- checks
proc pass {name} {
  incr ::tester(pass)
}

proc fail {name args} {
  incr ::tester(fail)
  puts "FAIL $::tester(file) $name"
  foreach {label text} $args { puts [format "  %-9s %s" $label: $text] }
  flush stdout
}

proc matches {got expected} {
  if {[regexp {^(~?)/(.*)/$} $expected -> not pattern]} {
    return [expr {[regexp -- $pattern $got] == ($not eq "")}]
  }
  return [expr {$got eq $expected}]
}

proc check {name got expected} {
  if {[matches $got $expected]} {
    pass $name
  } else {
    fail $name expected $expected got $got
  }
}

# The script's result, as a string, must be `expected`.
proc do_test {name script expected} {
  if {[catch {uplevel $script} got]} {
    fail $name expected $expected error $got
    return
  }
  check $name $got $expected
}

# do_execsql_test ?-db handle? name sql expected-list
proc do_execsql_test {args} {
  set db db
  if {[lindex $args 0] eq "-db"} { set args [lassign $args - db] }
  lassign $args name sql expected
  if {![regexp {^~?/.*/$} $expected]} { set expected [list {*}$expected] }
  uplevel [list do_test $name [list execsql $sql $db] $expected]
}

# do_catchsql_test ?-glob? ?-db handle? name sql {rc message}
proc do_catchsql_test {args} {
  set db db
  set glob 0
  while {[string match -* [lindex $args 0]]} {
    set args [lassign $args option]
    switch -- $option {
      -glob { set glob 1 }
      -db { set args [lassign $args db] }
      default { error "do_catchsql_test: unknown option $option" }
    }
  }
  lassign $args name sql expected
  set got [uplevel [list catchsql $sql $db]]
  if {!$glob} {
    check $name $got [list {*}$expected]
  } elseif {[lindex $got 0] == [lindex $expected 0]
            && [string match [lindex $expected 1] [lindex $got 1]]} {
    pass $name
  } else {
    fail $name expected $expected got $got
  }
}

# Waits until the expression `cond` is true, asking `tries` times, every `ms`.
proc wait_for {tries ms cond} {
  for {set i 0} {$i < $tries} {incr i} {
    if {[uplevel [list expr $cond]]} { return }
    after $ms
  }
  error "still not true after [expr {$tries * $ms}] ms: $cond"
}

# ---------------------------------------------------------------- faults
# do_faultsim name ?-kind {alloc call}? ?-prep s? -body s ?-test s? ?-max n?
#
# Runs the body once undisturbed; that is the right answer. Then fails the
# 1st, 2nd, 3rd ... allocation or driver call of it, until a run meets no
# fault. Every run must end in an error or in that same answer. -test, run
# after each, may look at more ($testrc, $testresult); its error is a failure.
proc do_faultsim {name args} {
  array set o {-kind {alloc call} -prep {} -test {} -max 5000}
  array set o $args
  uplevel #0 $o(-prep)
  set answer [uplevel #0 $o(-body)]
  foreach kind $o(-kind) {
    set fault [list faultsim_run $kind $answer $o(-prep) $o(-body) $o(-test)]
    for {set n 1} {$n <= $o(-max)} {incr n} {
      if {[catch {{*}$fault $n} trouble]} {
        fail $name fault "$kind $n" trouble $trouble
        break
      }
      if {!$trouble} break
    }
    if {$n > $o(-max)} {
      fail $name fault $kind trouble "faults never end (-max $o(-max))"
    } else {
      pass $name
    }
  }
}

# One run with the n-th operation failing. Returns whether the fault was met.
proc faultsim_run {kind answer prep body test n} {
  uplevel #0 $prep
  db eval { SELECT fed_fault($kind, $n) }
  set ::testrc [catch {uplevel #0 $body} ::testresult]
  set fired [db onecolumn { SELECT fed_fault($kind, 0) }]
  if {!$::testrc && $::testresult ne $answer} {
    error "wrong answer: '$::testresult', not '$answer'"
  }
  if {$::testrc && !$fired} { error "failed with no fault: $::testresult" }
  uplevel #0 $test
  return [expr {$fired > 0}]
}

# --------------------------------------------------------------- servers
proc has_driver {name} {
  return [expr {$name in [setting FED_TEST_DRIVERS {pg mysql sqlite}]}]
}

# Whether tests of this kind can run: pg, mysql, sqlite, data, fault.
proc available {what} {
  switch $what {
    pg - mysql {
      set url [setting FED_TEST_[string toupper $what]_URL]
      return [expr {[has_driver $what] && $url ne ""}]
    }
    sqlite { return [has_driver sqlite] }
    data { return [file isdirectory [setting FED_TEST_DATA]] }
    fault { return [expr {![catch {db eval {SELECT fed_fault('alloc', 0)}}]}] }
  }
  error "need: unknown thing '$what'"
}

# need what ?script?: runs the script (without one: the rest of the file) only
# if `what` is there, else counts a skip. In CI a missing server is a failure,
# for then nobody would notice that the tests have stopped running.
proc need {what {script ""}} {
  if {[available $what]} {
    if {$script ne ""} { uplevel $script }
    return
  }
  if {[setting CI] eq "true" && $what in {pg mysql} && [has_driver $what]} {
    fail "need $what" trouble [setting FED_TEST_TROUBLE "no server"]
  } else {
    incr ::tester(skip)
    puts "SKIP $::tester(file): needs $what"
  }
  if {$script eq ""} { finish_test }
}

# The URL of a server for fed_server(); of sqlite: a file beside test.db. The
# database in it is this test file's own, so files can run side by side.
proc server_url {kind} {
  switch $kind {
    pg { return [setting FED_TEST_PG_URL] }
    mysql { return [setting FED_TEST_MYSQL_URL] }
    sqlite { return sqlite:[file normalize remote.db] }
  }
  error "server_url: unknown server '$kind'"
}

# Runs SQL with the server's own client, in this file's database; returns its
# text: rows on lines, columns separated by | (pg) or tabs (mysql).
proc pg_sql {sql} {
  return [exec [servers::program psql] -AtXq -v ON_ERROR_STOP=1 \
            [server_url pg] << $sql 2>@1]
}

proc mysql_sql {sql} {
  regexp {/([^/?]*)\?socket=(.*)$} [server_url mysql] -> base socket
  return [exec [servers::program mariadb] --no-defaults -N -B -S $socket \
            -u fed $base << $sql 2>@1]
}

# The server's sessions that use this file's database, ours excepted.
proc backend_pids {kind} {
  switch $kind {
    pg { return [split [pg_sql {
      SELECT pid FROM pg_stat_activity
      WHERE datname = current_database() AND pid <> pg_backend_pid()}] \n] }
    mysql { return [split [mysql_sql {
      SELECT id FROM information_schema.processlist
      WHERE db = database() AND id <> connection_id()}] \n] }
  }
}

proc kill_backend {kind pid} {
  switch $kind {
    pg { pg_sql "SELECT pg_terminate_backend($pid)" }
    mysql { mysql_sql "KILL $pid" }
  }
}

# ------------------------------------------------------------ begin, end
# Prints the counts, in the form that test/run.tcl adds up, and ends.
proc finish_test {} {
  catch {db close}
  set counts [list $::tester(pass) $::tester(fail) $::tester(skip)]
  puts [format "%d passed, %d failed, %d skipped" {*}$counts]
  if {[info exists ::tester(own)]} {
    cd /
    file delete -force $::tester(own)
  }
  exit [expr {$::tester(fail) > 0}]
}

if {[setting FED_TEST_DIR] ne ""} {
  cd [setting FED_TEST_DIR]
} else {
  set tester(own) [exec mktemp -d /tmp/fedXXXXXX]
  cd $tester(own)
}
reset_db
