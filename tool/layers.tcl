# layers.tcl: arrows point down only. A file may include headers of its own
# directory and of lower ranks; vtab, migrate and entity never each other.
# test/ and bench/ may include anything.

set rank [dict create base 0 drv 1 pool 2 cache 2 tx 3 \
            vtab 4 migrate 4 entity 4 ext 5 gen 5 cli 6]
set bad 0

# The directory a path belongs to; the entry point stands above all.
proc layer {path} {
  set dir [lindex [file split $path] 0]
  return [expr {$dir eq $path ? "" : $dir}]
}

proc allowed {from to} {
  global rank
  if {$from eq "" || $from eq $to} { return 1 }
  return [expr {[dict exists $rank $to]
                && [dict get $rank $from] > [dict get $rank $to]}]
}

proc check {file} {
  global bad
  set in [open $file]
  set number 0
  while {[gets $in line] >= 0} {
    incr number
    if {![regexp {^\s*#\s*include\s*"([^"]+)"} $line -> header]} continue
    if {![string match */* $header]} {
      puts "$file:$number: include \"$header\" by its path from the root"
      incr bad
    } elseif {![allowed [layer $file] [layer $header]]} {
      puts "$file:$number: [layer $file] may not include $header"
      incr bad
    }
  }
  close $in
}

foreach dir [dict keys $rank] {
  foreach file [lsort [glob -nocomplain $dir/*.c $dir/*.h]] { check $file }
}
check sqlite-fed.c
exit [expr {$bad > 0}]
