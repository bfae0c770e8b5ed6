# try-migrations.tcl: do directories of migrations, written for another tool,
# leave the same database here as with the server's own client?
#
#   tclsh tool/try-migrations.tcl ?ext=./dbfed.so? ?before=SQL? \
#     ?option=value...? pg|mysql|sqlite DIR...
#
# psql, mariadb or sqlite3 gets each up script as a file, in the order of the
# versions, then the down scripts backwards, then the up scripts again; after
# each of the three, schema and numbers of rows are kept. migrate_up,
# migrate_down and migrate_up must give the same in a new database. A script
# that the client refuses must be refused here, too, and end both runs there.
# `before` is what the project's own program would have done to a database
# first. Other options are migrate_up's; var.NAME=VALUE is the client's as well.
#
# The files are read by rules of their own below, not by those of migrate/.
# It starts a private server, and prints a line for each directory, and what
# differs. Exit code 1: something does.

source [file join [file dirname [info script]] .. test servers.tcl]

# ------------------------------------------------------------- the files
proc slurp {file} {
  set channel [open $file]
  fconfigure $channel -translation lf -encoding utf-8
  try {
    return [read $channel]
  } finally {
    close $channel
  }
}
proc spit {file text} {
  set channel [open $file w]
  fconfigure $channel -translation lf -encoding utf-8
  puts -nonewline $channel $text
  close $channel
}

# The up or the down part of a file, or "" with `found` 0. Blank lines stand
# for what is left out. `atomic`: may be run in one transaction.
proc section {text which foundName atomicName} {
  upvar 1 $foundName found $atomicName atomic
  set marker {^--\s*(?:migrate:|\+goose\s+)(up|down)\y(.*)$}
  if {[regexp -nocase {^--\s*(no-transaction|\+goose no transaction)} $text] ||
      [regexp -nocase -line {^--\s*\+goose no transaction} $text]} {
    set atomic 0
  }
  if {![regexp -nocase -line $marker $text]} {
    set found [expr {$which eq "up"}]
    return [expr {$found ? $text : ""}]
  }
  set found 0
  set now ""
  set out ""
  foreach line [split $text \n] {
    if {[regexp -nocase $marker $line - word rest]} {
      set now [string tolower $word]
      if {$now eq $which} {
        set found 1
        if {[string match *transaction:false* $rest]} { set atomic 0 }
      }
    } elseif {[regexp {^--\s*\+goose\s+StatementBegin} $line]} {
      set line "-- begin whole"
    } elseif {[regexp {^--\s*\+goose\s+StatementEnd} $line]} {
      set line "-- end whole"
    }
    append out [expr {$now eq $which ? $line : ""}] \n
  }
  return $out
}

# A file's name as {version direction dialect}, or "" if it is no migration.
# Directions: up, down, both.
set dialects {postgres pg postgresql pg mysql mysql sqlite sqlite sqlite3 sqlite
  cockroach other cockroachdb other h2 other}
proc parse_name {path} {
  global dialects
  set name [file tail $path]
  if {$name in {up.sql down.sql}} {
    set folder [file tail [file dirname $path]]
    if {![regexp {^([0-9-]+)(_|$)} $folder - version]} { return "" }
    return [list [string map {- ""} $version] [file rootname $name] ""]
  }
  if {[regexp {^([VU])([0-9][0-9._]*?)(?:__(.*))?\.sql$} $name - kind version]} {
    set direction [dict get {V up U down} $kind]
    return [list [string map {_ .} $version] $direction ""]
  }
  if {![regexp {^([0-9]+)(.*)\.sql$} $name - version rest]} { return "" }
  set direction both
  if {[regexp {^(.*)\.(up|down)$} $rest - rest direction]} {}
  regsub {\.autocommit$} $rest {} rest ;# Ory's
  set word [string range [file extension $rest] 1 end]
  set dialect ""
  if {[dict exists $dialects $word]} { set dialect [dict get $dialects $word] }
  return [list $version $direction $dialect]
}

proc walk {dir} {
  set out [glob -nocomplain -types f -directory $dir *.sql]
  foreach sub [glob -nocomplain -types d -directory $dir *] {
    lappend out {*}[walk $sub]
  }
  return $out
}

# Migrations, a dict each: version, up, up_atomic, down, down_atomic; without
# `down` if it has none.
proc read_set {kind dir variables} {
  set sets [dict create]
  foreach path [walk $dir] {
    set parsed [parse_name $path]
    if {$parsed eq ""} continue
    lassign $parsed version direction dialect
    if {$dialect ni [list "" $kind]} continue
    set way $direction[expr {$dialect eq ""}]
    dict set sets $version $way $path
  }
  # diesel compares versions as texts.
  set order [expr {[string match */up.sql $path] ?
    {-ascii} : {-command compare_versions}}]
  set out {}
  foreach version [lsort {*}$order [dict keys $sets]] {
    set files [dict get $sets $version]
    set one [dict create version $version]
    foreach which {up down} {
      foreach way [list ${which}0 both0 ${which}1 both1] {
        if {![dict exists $files $way]} continue
        set atomic 1
        set path [dict get $files $way]
        set settings [file dirname $path]/metadata.toml ;# diesel's
        if {[file exists $settings] && [regexp -line \
              {^\s*run_in_transaction\s*=\s*false} [slurp $settings]]} {
          set atomic 0
        }
        if {[string match *.autocommit.*.sql $path]} { set atomic 0 }
        set text [string map $variables [slurp $path]]
        if {[string match both* $way]} {
          set text [section $text $which found atomic]
        } else {
          set text [section $text up found atomic]
          set found 1
        }
        if {$found} {
          dict set one $which $text
          dict set one ${which}_atomic $atomic
          break
        }
      }
    }
    if {[dict exists $one up]} { lappend out $one }
  }
  return $out
}

proc compare_versions {a b} {
  foreach x [split $a .] y [split $b .] {
    foreach name {x y} {
      set number [string trimleft [set $name] 0]
      set $name [expr {$number eq "" ? 0 : $number}]
    }
    if {$x != $y} { return [expr {$x < $y ? -1 : 1}] }
  }
  return 0
}

# ------------------------------------------------------------ the client
# Each kind: fresh, an empty database; feed, one script; look, what is in it.
proc run {command {input ""}} {
  set status [catch {exec -keepnewline {*}$command << $input 2>@1} out]
  return [list $status $out]
}
proc must {command {input ""}} {
  lassign [run $command $input] status out
  if {$status} { error "[lindex $command 0]: $out" }
  return $out
}

proc fresh {kind} {
  global before
  fresh_$kind
  if {$before eq ""} return
  lassign [feed_$kind $before 0] status text
  if {$status} { error "before: $text" }
}
proc fresh_pg {} {
  global pg_url
  set admin [list [servers::program psql] -AtXq -v ON_ERROR_STOP=1 $pg_url]
  must $admin {
    DROP DATABASE IF EXISTS try WITH (FORCE);
  }
  foreach role [must $admin "SELECT rolname FROM pg_roles
      WHERE rolname NOT LIKE 'pg\\_%' AND rolname NOT IN ('fed', 'pwuser')"] {
    must $admin "DROP ROLE \"$role\""
  }
  must $admin {CREATE DATABASE try}
}
# As the tool that it was written for does it: nearly all in a transaction.
# If one like that fails, the database is where it was.
proc pg_atomic {one which} {
  set alone {\y(concurrently|vacuum|(create|drop)\s+database|alter\s+system)\y}
  return [expr {[dict get $one ${which}_atomic] &&
    ![regexp -nocase $alone [dict get $one $which]]}]
}
proc feed_pg {text atomic} {
  global try_url scratch
  spit $scratch/script.sql $text
  return [run [list [servers::program psql] -AtXq -v ON_ERROR_STOP=1 \
    {*}[expr {$atomic ? "-1" : ""}] -f $scratch/script.sql $try_url]]
}
proc look_pg {} {
  global try_url
  set dump [must [list [servers::program pg_dump] -s \
    --exclude-table=public.dbfed_migration $try_url]]
  set counts [must [list [servers::program psql] -AtXq $try_url] {
    SELECT format('SELECT %L, count(*) FROM %s;', oid::regclass, oid::regclass)
      FROM pg_class WHERE relkind IN ('r', 'p') AND oid >= 16384
       AND relname <> 'dbfed_migration'
       AND relnamespace NOT IN (SELECT oid FROM pg_namespace
                                 WHERE nspname LIKE 'pg\_%')
      ORDER BY oid::regclass::text \gexec
  }]
  return [regsub -all -line {^\\(un)?restrict .*$} $dump {}]\n$counts
}

proc mariadb {args} {
  global dir_of_server
  return [list [servers::program mariadb] --no-defaults -N -B \
    --default-character-set=utf8mb4 \
    -S $dir_of_server/mysql.sock -u fed {*}$args]
}
proc fresh_mysql {} {
  must [mariadb] "DROP DATABASE IF EXISTS try; CREATE DATABASE try"
}
# Without any DELIMITER a routine's body is for tools that send the whole file.
proc feed_mysql {text atomic} {
  set text [string map {"-- begin whole" "DELIMITER //whole//"
    "-- end whole" "//whole//\nDELIMITER ;"} $text]
  set options {}
  set body {\ycreate\y[^;]*\y(trigger|procedure|function|event)\y}
  if {[regexp -nocase $body $text] &&
      ![regexp -nocase -line {^\s*delimiter\s} $text]} {
    set options --delimiter=//whole//
  }
  return [run [mariadb {*}$options try] $text]
}
proc look_mysql {} {
  global dir_of_server
  set dump [must [list [servers::program mariadb-dump] --no-defaults --no-data \
    --routines --events --skip-dump-date --ignore-table=try.dbfed_migration \
    -S $dir_of_server/mysql.sock -u fed try]]
  set dump [regsub -all { AUTO_INCREMENT=\d+} $dump {}]
  foreach table [lsort [must [mariadb] "SELECT table_name
      FROM information_schema.tables WHERE table_schema = 'try'
       AND table_type = 'BASE TABLE' AND table_name <> 'dbfed_migration'"]] {
    append dump "$table [must [mariadb try] "SELECT count(*) FROM `$table`"]"
  }
  return $dump
}

proc fresh_sqlite {} {
  global scratch
  file delete $scratch/try.db $scratch/try.db-wal $scratch/try.db-shm
}
proc feed_sqlite {text atomic} {
  global scratch
  return [run [list sqlite3 -batch -bail -init /dev/null $scratch/try.db] \
    $text\n]
}
proc look_sqlite {} {
  global scratch
  set shell [list sqlite3 -batch -init /dev/null $scratch/try.db]
  set dump [must $shell {
    SELECT type, name, tbl_name, sql FROM sqlite_schema
      WHERE tbl_name <> 'dbfed_migration' ORDER BY type, name;
  }]
  foreach table [split [string trim [must $shell {SELECT name
      FROM sqlite_schema WHERE type = 'table' AND name <> 'dbfed_migration'
      ORDER BY name}]] \n] {
    set name [string map {\" \"\"} $table]
    append dump "$table [lindex [run $shell "SELECT count(*) FROM \"$name\""] 1]"
  }
  return $dump
}

# --------------------------------------------------------------- the runs
# A run: a list of steps {name, "" or the error with its version, look}.
proc client_run {kind set keep} {
  set out {}
  fresh $kind
  foreach {name which} {up up down down again up} {
    if {$name eq "down" && $keep == [llength $set]} continue
    set trouble ""
    set all [expr {$name eq "up" ? $set : [lrange $set $keep end]}]
    if {$name eq "down"} { set all [lreverse $all] }
    foreach one $all {
      set version [dict get $one version]
      lassign [feed_$kind [dict get $one $which] \
        [expr {$kind eq "pg" && [pg_atomic $one $which]}]] status text
      if {$status} {
        set trouble [list $version $text]
        if {$which eq "down"} { set keep [expr {[lsearch -exact $set $one] + 1}] }
        break
      }
    }
    lappend out [list $name $trouble [look_$kind]]
    if {$trouble ne "" && ($kind ne "pg" || $which eq "up" ||
        ![pg_atomic $one down])} break
  }
  return $out
}

proc dbfed {kind sql} {
  global scratch ext try_server
  set main [expr {$kind eq "sqlite" ? "$scratch/try.db" : ":memory:"}]
  set script ".load $ext\n"
  if {$kind ne "sqlite"} {
    append script "SELECT fed_server('try', '$try_server') IS NULL;\n"
  }
  return [run [list sqlite3 -batch -bail -init /dev/null $main] $script$sql\n]
}
proc call {function kind dir options} {
  set target [expr {$kind eq "sqlite" ? "main" : "try"}]
  set list [lmap o [list $target dir=$dir {*}$options] {
    string cat ' [string map {' ''} $o] '}]
  return "${function}([join $list {, }])"
}

proc dbfed_run {kind dir keep options set} {
  set out {}
  fresh $kind
  foreach {name verb more} [list up migrate_up {} \
      down migrate_down [list steps=[expr {[llength $set] - $keep}]] \
      again migrate_up {}] {
    if {"steps=0" in $more} continue
    lassign [dbfed $kind "SELECT [call $verb $kind $dir \
      [list {*}$options {*}$more]];"] status text
    set trouble ""
    if {$status} { set trouble [list "" $text] }
    lappend out [list $name $trouble [look_$kind]]
    if {$status && ($kind ne "pg" || $name ne "down")} break
    if {$name eq "up"} {
      set plain [lsearch -all -inline -not $options var.*]
      set states [lindex [dbfed $kind "
        SELECT state, count(*) FROM [call migrate_status $kind $dir $plain]
          GROUP BY 1;
        SELECT version, problem, remedy
          FROM [call migrate_verify $kind $dir $plain]
          WHERE problem <> 'left out';"] 1]
      if {![string match "*applied|[llength $set]\n" $states]} {
        lset out end 1 [list "" "status, verify: $states"]
        break
      }
    }
  }
  return $out
}

proc statements {kind} {
  set sql "SELECT sum(statements) FROM dbfed_migration WHERE id > 0"
  lassign [feed_$kind "$sql;" 0] status text
  return [expr {$status ? "no" : [string trim $text]}]
}

proc difference {a b} {
  global scratch
  spit $scratch/client $a
  spit $scratch/dbfed $b
  lassign [run [list diff -U2 $scratch/client $scratch/dbfed]] - text
  return [join [lrange [split $text \n] 0 40] \n]
}

# Returns 1 if both runs went the same way.
proc try_set {kind dir options} {
  set variables {}
  foreach option $options {
    if {[regexp {^var\.([^=]+)=(.*)$} $option - name value]} {
      lappend variables "\${$name}" $value
    }
  }
  set dir [file normalize $dir]
  set set [read_set $kind $dir $variables]
  # What is below the last one without a down script stays.
  set keep 0
  for {set i 0} {$i < [llength $set]} {incr i} {
    if {![dict exists [lindex $set $i] down]} { set keep [expr {$i + 1}] }
  }
  set client [client_run $kind $set $keep]
  set ours [dbfed_run $kind $dir $keep $options $set]
  set same 1
  set trouble ""
  foreach theirs $client mine $ours {
    if {$mine eq "" || $theirs eq ""} {
      if {$trouble eq ""} { set same 0 }
      break
    }
    lassign $theirs name trouble look
    lassign $mine - my_trouble my_look
    # sqlite3 keeps what went before a statement that it refuses.
    if {$trouble ne "" && $kind eq "sqlite"} { set my_look $look }
    if {($trouble eq "") != ($my_trouble eq "") || $look ne $my_look} {
      set same 0
      puts "  $name: client: [expr {$trouble eq "" ? "fine" : $trouble}]"
      puts "  $name: dbfed: [expr {$my_trouble eq "" ? "fine" : $my_trouble}]"
      puts [difference $look $my_look]
      break
    }
    if {$trouble ne ""} {
      puts "  $name: both refuse: client: $trouble"
      puts "  $name: both refuse: dbfed: $my_trouble"
    }
  }
  puts "[expr {$same ? {same} : {DIFFERENT}}] $kind $dir:\
    [llength $set] migrations, [expr {[llength $set] - $keep}] with down,\
    [statements $kind] statements run, [join [lmap step $ours {lindex $step 0}]]"
  return $same
}

# ------------------------------------------------------------------- main
encoding system utf-8 ;# of what is sent to programs, and of what they answer
set ext [file normalize dbfed.so]
set before ""
set options {}
set dirs {}
foreach arg $argv {
  if {[regexp {^ext=(.*)$} $arg - ext]} {
    set ext [file normalize $ext]
  } elseif {[regexp {^before=(.*)$} $arg - before]} {
  } elseif {[regexp {^[a-z_]+(\.[^=/]+)?=} $arg]} {
    lappend options $arg
  } else {
    lappend dirs $arg
  }
}
set dirs [lassign $dirs kind]
if {$kind ni {pg mysql sqlite} || $dirs eq ""} {
  puts stderr "usage: try-migrations.tcl ?ext=FILE? ?option=value...?\
    pg|mysql|sqlite DIR..."
  exit 2
}
set ::env(DBFED_CONFIG) ""
set scratch [exec mktemp -d /tmp/fedXXXXXX]
set dir_of_server $scratch
set good 1
try {
  set dirs [lmap dir $dirs { file normalize $dir }]
  if {$kind ne "sqlite"} {
    set urls [servers::start $scratch $kind]
    set url [dict get $urls FED_TEST_[string toupper $kind]_URL]
    set try_server [string map {/fedtest /try} $url]
    if {$kind eq "pg"} { set pg_url $url; set try_url $try_server }
  }
  foreach dir $dirs {
    if {![try_set $kind $dir $options]} { set good 0 }
  }
} finally {
  servers::stop $scratch
  file delete -force $scratch
}
exit [expr {!$good}]
