# peer.tcl: a process between us and a server's port, that can be told to
# misbehave:
#
#   set port [peer NAME PORT]      what connects to `port` reaches PORT
#   tell NAME mode proxy|silent|garbage|close    what new connections meet
#   tell NAME limit N cut|stall    after N more bytes for us the line is cut or
#                                  silent; -1: no more
#   tell NAME drop                 every connection is closed
#   tell NAME stop, start          the port is closed, is opened again

proc peer {name target} {
  set ::peer($name) [open [list | [info nameofexecutable] \
    $::tester(dir)/peer.tcl $target] r+]
  fconfigure $::peer($name) -buffering line
  return [tell $name mode proxy]
}

proc tell {name args} {
  puts $::peer($name) $args
  return [gets $::peer($name)]
}

if {[file normalize $argv0] ne [file normalize [info script]]} return

# ------------------------------------------------------------- the process
lassign $argv target
set mode proxy
set left -1
set how cut
set port 0
array set other {}

proc forget {c} {
  global other
  set peer [expr {[info exists other($c)] ? $other($c) : ""}]
  foreach channel [list $c $peer] {
    unset -nocomplain other($channel)
    catch {close $channel}
  }
}
proc forward {from to is_answer} {
  global left how
  set data [read $from 8192]
  if {$data eq "" && [eof $from]} { return [forget $from] }
  if {$is_answer && $left >= 0} {
    set data [string range $data 0 $left-1]
    incr left -[string length $data]
  }
  if {[catch {puts -nonewline $to $data}]} { return [forget $from] }
  if {$is_answer && $left == 0} {
    if {$how eq "cut"} { forget $from } else { fileevent $from readable {} }
  }
}
proc drain {c} {
  read $c
  if {[eof $c]} { forget $c }
}
proc accept {c host port} {
  global mode target other
  fconfigure $c -translation binary -blocking 0 -buffering none
  set other($c) ""
  fileevent $c readable [list drain $c]
  if {$mode eq "close"} { return [forget $c] }
  if {$mode eq "garbage"} {
    puts -nonewline $c [string repeat "HTTP/1.1 400 \xff\x00\x80 no\r\n" 99]
  }
  if {$mode ne "proxy"} return
  if {[catch { socket 127.0.0.1 $target } s]} { return [forget $c] }
  fconfigure $s -translation binary -blocking 0 -buffering none
  set other($c) $s
  set other($s) $c
  fileevent $c readable [list forward $c $s 0]
  fileevent $s readable [list forward $s $c 1]
}
proc start {} {
  global listener port
  set listener [socket -server accept -myaddr 127.0.0.1 $port]
  set port [lindex [fconfigure $listener -sockname] 2]
}
proc drop {} { foreach c [array names ::other] { forget $c } }
proc stop {} {
  close $::listener
  drop
}
proc mode {word} { set ::mode $word }
proc limit {n word} {
  set ::left $n
  set ::how $word
}
proc command {} {
  if {[gets stdin line] < 0} exit
  catch {{*}$line}
  puts $::port
  flush stdout
}
fconfigure stdin -blocking 1 -buffering line
fileevent stdin readable command
start
vwait forever
