# servers.tcl: private, throw-away PostgreSQL and MariaDB servers for tests,
# demos and benchmarks. Everything of a server lives under one folder:
#
#   DIR/pg/      data    DIR/.s.PGSQL.PORT   socket    DIR/pg.log
#   DIR/mysql/   data    DIR/mysql.sock      socket    DIR/mysql.log
#
# On the socket, user `fed` may do everything and needs no password. On the
# loopback port, user `pwuser` needs the password `s3cret`. Database: fedtest.
# Data is not synced to disk, and a stop is a kill: nobody needs it afterwards.
#
# Their memory is small, so that many can run. For benchmarks: FED_SERVER_MEMORY
# (as 128M); FED_SERVER_DURABLE=1: a COMMIT is on disk, as in production.
#
# As a command (DIR: keep it short, a socket's path may have 107 bytes):
#   tclsh servers.tcl start DIR ?pg? ?mysql?    prints `export NAME='value'`
#   tclsh servers.tcl stop DIR
#   tclsh servers.tcl reap DIR ?keep?           see reap

namespace eval servers {
  variable script [file normalize [info script]]
}

# --------------------------------------------------------------- plumbing
# Debian keeps PostgreSQL's programs out of PATH, one folder per version: the
# newest is taken, so that initdb and postgres always come from the same one.
proc servers::program {name} {
  set homes [lsort -dictionary -decreasing \
    [glob -nocomplain /usr/lib/postgresql/*/bin/$name]]
  if {$homes ne ""} { return [lindex $homes 0] }
  set found [auto_execok $name]
  if {$found ne ""} { return [lindex $found 0] }
  return [lindex [glob -nocomplain /usr/sbin/$name /usr/local/*bin/$name] 0]
}

proc servers::installed {kind} {
  set programs [dict create pg {initdb postgres psql} \
                            mysql {mariadb-install-db mariadbd mariadb}]
  foreach name [dict get $programs $kind] {
    if {[program $name] eq ""} { return 0 }
  }
  return 1
}

proc servers::is_root {} {
  return [expr {[exec id -u] == 0}]
}

proc servers::free_port {} {
  set probe [socket -server {apply {args {}}} -myaddr 127.0.0.1 0]
  set port [lindex [fconfigure $probe -sockname] 2]
  close $probe
  return $port
}

# `kill` is a program of its own only where procps is installed.
proc servers::signal {name pid} {
  return [expr {![catch {exec sh -c "kill -s $name -- $pid" 2>@1}]}]
}

# A zombie is dead: in a container nobody may come to collect it.
proc servers::alive {pid} {
  if {[catch {open /proc/$pid/stat} in]} {
    return [expr {![file isdirectory /proc/self] && [signal 0 $pid]}]
  }
  set stat [read $in]
  close $in
  return [expr {![regexp {\) Z } $stat]}]
}

proc servers::log_tail {file} {
  if {[catch {open $file} in]} { return "" }
  set text [string trim [read $in]]
  close $in
  return [join [lrange [split $text \n] end-14 end] \n]
}

# Polls until `ask` succeeds. A server that died ends the wait at once.
proc servers::await {what pid log ask} {
  for {set i 0} {$i < 600} {incr i} {
    if {![catch {eval $ask} answer]} { return $answer }
    if {![alive $pid]} break
    after 50
  }
  error "$what did not start: $answer\n[log_tail $log]"
}

# What a server keeps of its tables.
proc servers::memory {} {
  if {[info exists ::env(FED_SERVER_MEMORY)]} { return $::env(FED_SERVER_MEMORY) }
  return 32M
}

proc servers::durable {} {
  return [expr {[info exists ::env(FED_SERVER_DURABLE)] &&
                $::env(FED_SERVER_DURABLE) eq "1"}]
}

# Runs a server in a session of its own, so that a Ctrl-C at the terminal
# reaches the test runner only. Returns its pid.
proc servers::spawn {log command} {
  return [exec setsid {*}$command < /dev/null >> $log 2>@1 &]
}

# ------------------------------------------------------------- PostgreSQL
# PostgreSQL refuses to run as root.
proc servers::as_postgres {command} {
  if {![is_root]} { return $command }
  return [concat [list setpriv --reuid=postgres --regid=postgres \
                    --init-groups] $command]
}

proc servers::psql {dir db sql} {
  return [exec [program psql] -AtXq -v ON_ERROR_STOP=1 -h $dir -U fed -d $db \
            << $sql 2>@1]
}

proc servers::start_pg {dir} {
  set data $dir/pg
  set log $dir/pg.log
  file mkdir $data
  close [open $log a]
  if {[is_root]} { exec chown postgres $data $log $dir }
  set init [list [program initdb] -D $data -U fed -E UTF8 --auth=trust \
              --no-sync --no-instructions]
  cd $dir
  if {[catch {exec {*}[as_postgres [concat $init --locale=C.UTF-8]] 2>@1}]} {
    file delete -force {*}[glob -nocomplain $data/*]
    exec {*}[as_postgres [concat $init --locale=C]] 2>@1
  }
  set hba [open $data/pg_hba.conf w]
  puts $hba "local all all trust\nhost all all 127.0.0.1/32 scram-sha-256"
  close $hba
  set port [free_port]
  set command [list [program postgres] -D $data -p $port -k $dir \
    -h 127.0.0.1]
  set fast {fsync=off synchronous_commit=off full_page_writes=off}
  if {[durable]} { set fast {} }
  foreach setting [list {*}$fast {*}{
    max_prepared_transactions=32 max_connections=64 timezone=UTC
    autovacuum_naptime=1h log_min_messages=warning
    client_min_messages=warning password_encryption=scram-sha-256
  }] {
    lappend command -c $setting
  }
  lappend command -c shared_buffers=[memory]B
  set pid [run_again $dir pg [as_postgres $command]]
  set ::env(PGPORT) $port
  await PostgreSQL $pid $log [list servers::psql $dir postgres {SELECT 1}]
  psql $dir postgres "CREATE ROLE pwuser LOGIN PASSWORD 's3cret';\
    CREATE DATABASE fedtest;"
  return [list FED_TEST_PG_URL "postgres://fed@/fedtest?host=$dir&port=$port" \
            FED_TEST_PG_TCP "postgres://pwuser:s3cret@127.0.0.1:$port/fedtest"]
}

# ---------------------------------------------------------------- MariaDB
proc servers::mariadb {dir db sql} {
  return [exec [program mariadb] --no-defaults -N -B -S $dir/mysql.sock \
            -u fed $db << $sql 2>@1]
}

proc servers::start_mysql {dir} {
  set data $dir/mysql
  set log $dir/mysql.log
  set user [exec id -un]
  # Another server that starts deletes what it finds in a shared one.
  set tmp $dir/mysql-tmp
  file mkdir $data $tmp
  set fast [list --innodb-log-file-size=8M --innodb-buffer-pool-size=[memory] \
    --aria-log-file-size=8M]
  if {![durable]} {
    lappend fast --innodb-flush-log-at-trx-commit=0 \
      --innodb-flush-method=nosync --innodb-doublewrite=0
  }
  # The accounts exist before the server first listens: the first user that
  # can connect finds everything in place.
  set accounts [open $dir/mysql-init.sql w]
  puts $accounts "
    CREATE DATABASE IF NOT EXISTS fedtest;
    CREATE USER IF NOT EXISTS fed@localhost IDENTIFIED BY '';
    GRANT ALL ON *.* TO fed@localhost WITH GRANT OPTION;
    CREATE USER IF NOT EXISTS pwuser@'127.0.0.1' IDENTIFIED BY 's3cret';
    GRANT ALL ON fedtest.* TO pwuser@'127.0.0.1';"
  close $accounts
  exec [program mariadb-install-db] --no-defaults --user=$user \
    --datadir=$data --auth-root-authentication-method=normal --skip-test-db \
    --tmpdir=$tmp --skip-name-resolve {*}$fast > $dir/mysql-install.log 2>@1
  set port [free_port]
  set pid [run_again $dir mysql [list [program mariadbd] --no-defaults \
    --user=$user --datadir=$data --socket=$dir/mysql.sock \
    --pid-file=$dir/mysqld.pid --tmpdir=$tmp \
    --bind-address=127.0.0.1 --port=$port --skip-name-resolve \
    --character-set-server=utf8mb4 --default-time-zone=+00:00 \
    --max-connections=100 --init-file=$dir/mysql-init.sql {*}$fast]]
  await MariaDB $pid $log [list servers::mariadb $dir fedtest {SELECT 1}]
  return [list \
    FED_TEST_MYSQL_URL "mysql://fed@localhost/fedtest?socket=$dir/mysql.sock" \
    FED_TEST_MYSQL_TCP "mysql://pwuser:s3cret@127.0.0.1:$port/fedtest"]
}

# ------------------------------------------------------------ start, stop
proc servers::write_pid {dir kind pid} {
  set out [open $dir/$kind.pid w]
  puts $out $pid
  close $out
}

proc servers::read_pid {dir kind} {
  set in [open $dir/$kind.pid]
  set pid [string trim [read $in]]
  close $in
  return $pid
}

# Runs a server; later, without `command`, as it was run before.
proc servers::run_again {dir kind {command ""}} {
  variable commands
  if {$command ne ""} { set commands($dir:$kind) $command }
  set pid [spawn $dir/$kind.log $commands($dir:$kind)]
  write_pid $dir $kind $pid
  return $pid
}

# Shuts a server of this process down, and starts it again.
proc servers::halt {dir kind} {
  set pid [read_pid $dir $kind]
  signal [dict get {pg INT mysql TERM} $kind] $pid
  for {set i 0} {$i < 400 && [alive $pid]} {incr i} { after 25 }
}
proc servers::resume {dir kind} {
  set pid [run_again $dir $kind]
  if {$kind eq "pg"} {
    await PostgreSQL $pid $dir/pg.log [list servers::psql $dir postgres {SELECT 1}]
  } else {
    await MariaDB $pid $dir/mysql.log [list servers::mariadb $dir fedtest {SELECT 1}]
  }
}

# Starts the named kinds at the same time, each in a helper process. Returns
# a list NAME value ... of the environment variables that clients need.
proc servers::start {dir kinds} {
  variable script
  file mkdir $dir
  file attributes $dir -permissions 0755
  set pipes {}
  foreach kind $kinds {
    if {![installed $kind]} { error "no $kind server is installed here" }
    lappend pipes [open [list | [info nameofexecutable] $script one \
                           $dir $kind 2>@1]]
  }
  set result {}
  set trouble {}
  foreach pipe $pipes {
    set text [read $pipe]
    if {[catch {close $pipe}]} {
      append trouble $text
    } else {
      lappend result {*}$text
    }
  }
  if {$trouble ne ""} { error $trouble }
  return $result
}

# Kills what was started in `dir`, by pid. QUIT makes PostgreSQL's postmaster
# take its children along.
proc servers::stop {dir} {
  foreach {kind how} {pg QUIT mysql KILL} {
    if {[catch {open $dir/$kind.pid} in]} continue
    set pid [string trim [read $in]]
    close $in
    file delete $dir/$kind.pid
    if {![string is integer -strict $pid]} continue
    signal $how $pid
    for {set i 0} {$i < 200 && [alive $pid]} {incr i} { after 25 }
    signal KILL $pid
  }
}

# The reaper outlives the test runner, whatever ends that (an error, Ctrl-C,
# kill -9): the pipe on our stdin closes. Lines `+ pid` and `- pid` tell which
# process groups are alive. It kills those, stops the servers and removes the
# folder. Started with setsid, so it gets no Ctrl-C itself.
proc servers::reap {dir keep} {
  set groups [dict create]
  while {[gets stdin line] >= 0} {
    lassign $line op pid
    if {$op eq "+"} { dict set groups $pid 1 } else { dict unset groups $pid }
  }
  foreach pid [dict keys $groups] { signal KILL -$pid }
  stop $dir
  if {!$keep} { catch {file delete -force $dir} }
}

if {[info exists argv0] && [file normalize $argv0] eq $servers::script} {
  lassign $argv verb dir
  if {$verb ni {start one stop reap} || $dir eq ""} {
    puts stderr "usage: tclsh servers.tcl start|stop DIR ?pg? ?mysql?"
    exit 2
  }
  set dir [file normalize $dir]
  set kinds [lrange $argv 2 end]
  switch $verb {
    one { puts [servers::start_$kinds $dir] }
    stop { servers::stop $dir }
    reap { servers::reap $dir [expr {$kinds eq "keep"}] }
    start {
      if {$kinds eq ""} { set kinds {pg mysql} }
      if {[catch {servers::start $dir $kinds} vars]} {
        servers::stop $dir
        puts stderr $vars
        exit 1
      }
      foreach {name value} $vars { puts "export $name='$value'" }
    }
  }
}
