# migrate.tcl: how long migrate_up() takes, beside the server's own client fed
# with the same files in one session, and beside dbmate where it is in PATH
# (`npm install dbmate`). Called by bench/run.sh; also by hand:
#
#   tclsh bench/migrate.tcl EXT COMMAND DIR pg|mysql|sqlite ...
#
# EXT: the extension. COMMAND: the program dbfed. DIR: a folder for files and
# databases. From the environment: FILES pending (1000), APPLIED with nothing
# to do (5000), ROUNDS, FED_TEST_PG_URL, FED_TEST_MYSQL_URL (test/servers.tcl).
#
# Each contestant works from an empty database in a process of its own, and
# they take turns. Medians of the rounds; times are printed, never judged.
lassign $argv ext command work
set kinds [lrange $argv 3 end]

proc setting {name value} {
  global env
  return [expr {[info exists env($name)] && $env($name) ne "" ?
                $env($name) : $value}]
}
set pending [setting FILES 1000]
set applied [setting APPLIED 5000]
set rounds [setting ROUNDS 5]

# ------------------------------------------------------------------ files
# In dbmate's layout, which the clients read as comments.
proc make_files {dir n what} {
  file delete -force $dir
  file mkdir $dir
  for {set i 1} {$i <= $n} {incr i} {
    set channel [open [file join $dir [format %06d_step.sql $i]] w]
    puts $channel "-- migrate:up"
    if {$i == 1} { puts $channel "CREATE TABLE step(id int, note varchar(40));" }
    if {$what eq "table"} {
      puts $channel "CREATE TABLE step$i\(id int PRIMARY KEY, note varchar(40));"
    }
    if {$what eq "row" || $i == $n} {
      puts $channel "INSERT INTO step VALUES($i, 'one of many');"
    }
    # A client runs both parts: the way down is empty.
    puts $channel "-- migrate:down"
    close $channel
  }
}
proc files_of {dir} { return [lsort [glob [file join $dir *.sql]]] }

# ---------------------------------------------------------------- servers
proc url {kind} {
  global env work
  switch $kind {
    sqlite { return sqlite:[file join $work migrate.db] }
    default {
      set url $env(FED_TEST_[string toupper $kind]_URL)
      return [regsub /fedtest $url /bench_migrate]
    }
  }
}
# The same for dbmate. Both servers listen on a socket without a password.
proc dbmate_url {kind} {
  global work
  set socket [file join $work mysql.sock]
  switch $kind {
    sqlite { return sqlite:[file join $work migrate.db] }
    mysql { return "mysql://fed@/bench_migrate?socket=$socket" }
    pg {
      regexp {port=(\d+)} [url pg] - port
      return "postgres://fed@/bench_migrate?host=$work&port=$port&sslmode=disable"
    }
  }
}
proc psql {db args} {
  exec psql -XqAt -v ON_ERROR_STOP=1 [regsub /bench_migrate [url pg] /$db] \
    {*}$args 2>@1
}
proc mariadb {args} {
  global work
  exec mariadb --no-defaults -NB -S [file join $work mysql.sock] -u fed \
    {*}$args 2>@1
}
proc fresh {kind} {
  switch $kind {
    pg {
      psql fedtest -c "DROP DATABASE IF EXISTS bench_migrate" \
        -c "CREATE DATABASE bench_migrate"
    }
    mysql {
      mariadb -e "DROP DATABASE IF EXISTS bench_migrate;
        CREATE DATABASE bench_migrate"
    }
    sqlite {
      foreach file [glob -nocomplain [file join $::work migrate.db*]] {
        file delete $file
      }
    }
  }
}
# The last migration has written its number.
proc last {kind} {
  set sql "SELECT max(id) FROM step"
  switch $kind {
    pg { return [psql bench_migrate -c $sql] }
    mysql { return [mariadb bench_migrate -e $sql] }
    sqlite { return [exec sqlite3 [file join $::work migrate.db] $sql] }
  }
}

# ------------------------------------------------------------ contestants
# Each runs all files of `dir` that are not yet in the database.
proc run_extension {kind dir} {
  global ext work
  set target [expr {$kind eq "sqlite" ? "main" : "t"}]
  set file [expr {$kind eq "sqlite" ? [file join $work migrate.db] : ":memory:"}]
  set server [expr {$kind eq "sqlite" ? "" : "SELECT fed_server('t', '[url $kind]')"}]
  exec sqlite3 -batch $file ".load $ext" $server \
    "SELECT migrate_up('$target', 'dir=$dir')" 2>@1
}
proc run_command {kind dir} {
  global command work
  if {$kind eq "sqlite"} {
    exec $command migrate up --db [file join $work migrate.db] --dir $dir 2>@1
  } else {
    exec $command migrate up --server t=[url $kind] --target t --dir $dir 2>@1
  }
}
proc run_client {kind dir} {
  set files [files_of $dir]
  switch $kind {
    pg {
      set options {}
      foreach file $files { lappend options -f $file }
      psql bench_migrate {*}$options
    }
    mysql { mariadb bench_migrate << "source [join $files "\nsource "]\n" }
    sqlite {
      exec sqlite3 -batch -bail [file join $::work migrate.db] \
        << ".read [join $files "\n.read "]\n" 2>@1
    }
  }
}
proc run_dbmate {kind dir} {
  exec dbmate --url [dbmate_url $kind] --migrations-dir $dir --no-dump-schema \
    up 2>@1
}

proc median {list} {
  set list [lsort -real $list]
  set n [llength $list]
  return [expr {([lindex $list [expr {($n - 1) / 2}]] +
                 [lindex $list [expr {$n / 2}]]) / 2.0}]
}

# ways: the contestants. `before`: what each does first, off the clock.
proc contest {title kind dir n ways before goal} {
  global rounds
  set order $ways
  foreach way $ways { set wall($way) {} }
  for {set round 0} {$round <= $rounds} {incr round} {
    # Whoever comes first finds the server busy with what was dropped.
    set ways [list {*}[lrange $ways 1 end] [lindex $ways 0]]
    foreach way $ways {
      fresh $kind
      if {$before} { run_$way $kind $dir }
      set start [clock microseconds]
      run_$way $kind $dir
      set took [expr {([clock microseconds] - $start) / 1000.0}]
      if {[last $kind] != $n} { error "$title, $way: ends at [last $kind]" }
      # The first round warms up.
      if {$round > 0} { lappend wall($way) $took }
    }
  }
  puts "\n$title"
  set ways $order
  set client [expr {"client" in $ways ? [median $wall(client)] : 0}]
  foreach way $ways {
    set ms [median $wall($way)]
    set line [format "  %-12s %9.1f ms" $way $ms]
    if {$client && $way ne "client"} {
      append line [format "   %5.2f x client" [expr {$ms / $client}]]
      if {$way in {extension command}} { append line "  (goal: $goal)" }
    } elseif {!$client && $way in {extension command}} {
      append line "  (goal: $goal)"
    }
    puts $line
  }
  flush stdout
}

# ------------------------------------------------------------------- main
set peers [expr {[auto_execok dbmate] ne "" ? "dbmate" : ""}]
if {$peers eq ""} { puts "skip dbmate: not in PATH" }
foreach what {table row} { make_files [file join $work $what] $pending $what }
make_files [file join $work applied] $applied row
foreach kind $kinds {
  foreach {what title} {table "CREATE TABLE" row "INSERT of one row"} {
    contest "$kind: $pending pending files, each a $title" $kind \
      [file join $work $what] $pending \
      [list extension command client {*}$peers] 0 "1.2"
  }
  contest "$kind: $applied applied files, nothing to do" $kind \
    [file join $work applied] $applied [list extension command {*}$peers] \
    1 "1000 ms"
}
