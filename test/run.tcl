# run.tcl: runs test files and C unit programs, each in a process and a folder
# of its own, and adds up their counts.
#
#   tclsh test/run.tcl ?options? ?glob ...?        default: everything
#
#   -j N         this many at a time (2)
#   --ext FILE   the dbfed.so to load (build/test/dbfed.so, else ./dbfed.so)
#   --unit DIR   where unit programs were built (build/core)
#   --wrap CMD   a prefix to each test's command, such as valgrind
#   --limit S    seconds until a file is killed and counts as failed (300)
#   --keep       leave the temporary folder
#   --show       what passed shows its output, too
#
# A glob names test/NAME.test or test/unit/NAME.c, with or without the ending.
# Files that say `need pg` or `need mysql` (a comment will do) get a database
# of their own on a private server; the servers start once, when first needed.
#
# A test says how it went by its last line `N passed, N failed, N skipped`, or
# by lines `ok ...` and `not ok ...`. An exit status other than 0 with nothing
# failed (a crash, a leak that a sanitizer reports at exit) is one failure.

set here [file dirname [file normalize [info script]]]
set root [file dirname $here]
source $here/servers.tcl

array set option {-j 2 --ext "" --unit "" --wrap "" --limit 300 --keep 0
  --show 0}
array set total {pass 0 fail 0 skip 0}
set running 0
set server_env {}

proc usage {message} {
  puts stderr "run.tcl: $message"
  exit 2
}

proc parse_options {args} {
  global option root
  set globs {}
  while {[llength $args]} {
    set args [lassign $args word]
    if {$word in {--keep --show}} {
      set option($word) 1
    } elseif {[info exists option($word)]} {
      if {![llength $args]} { usage "$word needs a value" }
      set args [lassign $args option($word)]
    } elseif {[string match -* $word]} {
      usage "unknown option $word"
    } else {
      lappend globs $word
    }
  }
  foreach name {--ext --unit} {
    if {$option($name) ne ""} {
      set option($name) [file normalize $option($name)]
    }
  }
  if {$option(--unit) eq ""} { set option(--unit) $root/build/core }
  return $globs
}

# The files to run: by their own name, or by it without the ending.
proc select_files {globs} {
  global here
  set files [concat [lsort [glob -nocomplain $here/*.test]] \
                    [lsort [glob -nocomplain $here/unit/*.c]]]
  if {$globs eq ""} { return $files }
  set chosen {}
  foreach file $files {
    set tail [file tail $file]
    foreach glob $globs {
      set glob [file tail $glob]
      if {[string match $glob $tail]
          || [string match $glob [file rootname $tail]]} {
        lappend chosen $file
        break
      }
    }
  }
  if {$chosen eq ""} { usage "no test file matches: $globs" }
  return $chosen
}

# --------------------------------------------------------------- servers
# Which servers a file asks for, by its text.
proc needs {file} {
  set in [open $file]
  set text [read $in]
  close $in
  set kinds {}
  foreach line [regexp -all -inline -line {\mneed\M.*$} $text] {
    foreach kind {pg mysql} {
      if {[regexp "\\m$kind\\M" $line]} { dict set kinds $kind 1 }
    }
  }
  return [dict keys $kinds]
}

# Starts what the files need, in this process's folder; a server that is not
# installed is left to `need`, which knows whether that is a skip.
proc start_servers {files} {
  global server_env env dir
  set wanted {}
  set drivers {pg mysql sqlite}
  if {[info exists env(FED_TEST_DRIVERS)]} {
    set drivers $env(FED_TEST_DRIVERS)
  }
  foreach file $files {
    foreach kind [needs $file] {
      if {$kind in $drivers && $kind ni $wanted} { lappend wanted $kind }
    }
  }
  foreach kind $wanted {
    if {![servers::installed $kind]} {
      append env(FED_TEST_TROUBLE) "no $kind server is installed; "
      set wanted [lsearch -all -inline -not $wanted $kind]
    }
  }
  if {$wanted eq ""} return
  if {[catch {servers::start $dir $wanted} result]} {
    puts "servers: $result"
    set env(FED_TEST_TROUBLE) "a server did not start"
    return
  }
  set server_env $result
}

# A database for one file: URLs with its name in place of fedtest.
proc file_env {file name} {
  global server_env dir
  set result {}
  foreach kind [needs $file] {
    set prefix FED_TEST_[string toupper $kind]
    if {![dict exists $server_env ${prefix}_URL]} continue
    set base t_[string map {- _ . _} $name]
    foreach variable [list ${prefix}_URL ${prefix}_TCP] {
      set url [dict get $server_env $variable]
      dict set result $variable [string map [list /fedtest /$base] $url]
    }
    if {$kind eq "pg"} {
      regexp {port=(\d+)} [dict get $server_env FED_TEST_PG_URL] -> port
      set ::env(PGPORT) $port
      servers::psql $dir postgres "CREATE DATABASE $base"
    } else {
      servers::mariadb $dir fedtest "CREATE DATABASE $base;
        GRANT ALL ON $base.* TO pwuser@'127.0.0.1'"
    }
  }
  return $result
}

# ----------------------------------------------------------------- tests
proc command_of {file} {
  global option
  if {[file extension $file] eq ".c"} {
    return [file join $option(--unit) [file rootname [file tail $file]]]
  }
  return [list [info nameofexecutable] $file]
}

# Starts one file; setsid makes it the leader of a group we can kill whole.
proc start_test {file} {
  global option dir root running reaper job
  # server.test and unit/server.c are two.
  set name [file rootname [file tail $file]]
  if {[file extension $file] eq ".c"} { set name unit_$name }
  file mkdir $dir/$name
  # No test may see the servers that its user has defined.
  set vars [list FED_TEST_DIR=$dir/$name FED_TEST_ROOT=$root DBFED_CONFIG=]
  if {[catch {file_env $file $name} urls]} {
    puts "$name: cannot make its database: $urls"
    set urls {}
  }
  foreach {variable value} $urls { lappend vars $variable=$value }
  if {$option(--ext) ne ""} { lappend vars FED_TEST_EXT=$option(--ext) }
  set command [concat [list setsid env -C $dir/$name {*}$vars] $option(--wrap) \
                 [command_of $file]]
  set began [clock milliseconds]
  set pipe [open [list | {*}$command < /dev/null 2>@1] r]
  set pid [lindex [pid $pipe] 0]
  puts $reaper "+ $pid"
  fconfigure $pipe -blocking 0 -buffering line
  set timer [after [expr {$option(--limit) * 1000}] [list expire $pipe $pid]]
  set job($pipe) [dict create name $name pid $pid began $began text "" \
                    timer $timer]
  fileevent $pipe readable [list collect $pipe]
  incr running
}

proc expire {pipe pid} {
  dict append ::job($pipe) text "\nkilled after $::option(--limit) s\n"
  servers::signal KILL -$pid
}

proc collect {pipe} {
  global job running reaper
  dict append job($pipe) text [read $pipe]
  if {![eof $pipe]} return
  fconfigure $pipe -blocking 1
  set broken [catch {close $pipe} status]
  after cancel [dict get $job($pipe) timer]
  # What a test has left behind (a child of a crash test) ends with it.
  servers::signal KILL -[dict get $job($pipe) pid]
  puts $reaper "- [dict get $job($pipe) pid]"
  report $job($pipe) $broken $status
  unset job($pipe)
  incr running -1
  set ::wake 1
}

proc report {job broken status} {
  global total
  set text [dict get $job text]
  set counts [regexp -all -inline -line \
    {^(\d+) passed, (\d+) failed, (\d+) skipped$} $text]
  if {$counts ne ""} {
    lassign [lrange $counts end-2 end] pass fail skip
  } else {
    set skip [regexp -all -line {^ok .*# skip} $text]
    set pass [expr {[regexp -all -line {^ok } $text] - $skip}]
    set fail [regexp -all -line {^not ok } $text]
    if {$pass + $fail + $skip == 0} { incr broken }
  }
  if {$broken && !$fail} {
    incr fail
    append text "\nended badly: $status\n"
  }
  incr total(pass) $pass
  incr total(fail) $fail
  incr total(skip) $skip
  set seconds [expr {([clock milliseconds] - [dict get $job began]) / 1000.0}]
  puts [format "%-4s %-28s %5d passed %3d failed %3d skipped %7.2f s" \
    [expr {$fail ? "FAIL" : "ok"}] [dict get $job name] \
    $pass $fail $skip $seconds]
  if {$fail || $::option(--show)} { puts [string trim $text \n] }
  flush stdout
}

proc run_all {files} {
  global option running
  start_servers $files
  while {[llength $files] || $running} {
    if {[llength $files] && $running < $option(-j)} {
      set files [lassign $files file]
      if {[catch {start_test $file} trouble]} {
        incr ::total(fail)
        puts "FAIL [file tail $file]: $trouble"
      }
    } else {
      vwait ::wake
    }
  }
}

set files [select_files [parse_options {*}$argv]]
set dir [exec mktemp -d /tmp/fedXXXXXX]
file attributes $dir -permissions 0755
set reaper [open [list | setsid [info nameofexecutable] $here/servers.tcl \
                    reap $dir [expr {$option(--keep) ? "keep" : ""}]] w]
fconfigure $reaper -buffering line
set broken [catch {run_all $files} trouble]
if {$option(--keep)} { puts "kept: $dir" }
catch {close $reaper}
if {$broken} {
  incr total(fail)
  puts "run.tcl: $trouble"
}
puts [format "%d passed, %d failed, %d skipped" \
        $total(pass) $total(fail) $total(skip)]
exit [expr {$total(fail) > 0}]
