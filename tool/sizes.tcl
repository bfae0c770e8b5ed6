# sizes.tcl: functions up to 60 lines, files up to 600, lines up to 80.
#
# A longer function says why in a comment just above it:
#     /* long: one flat switch over the wire types */
# and even so ends at 100 lines. Files over 600 lines are named, over 900 they
# fail. Needs universal-ctags.

array set limit {function 60 hard 100 file 600 stop 900 line 80}
set bad 0

proc complain {text} {
  puts $text
  incr ::bad
}

proc lines_of {file} {
  set in [open $file]
  fconfigure $in -encoding utf-8
  set lines [split [string trimright [read $in] \n] \n]
  close $in
  return $lines
}

# Is there a `long:` comment right above line `start` (counted from 1)? The
# return type may stand on a line of its own in between.
proc excused {lines start} {
  set above [lrange $lines [expr {max(0, $start - 9)}] [expr {$start - 2}]]
  for {set i [expr {[llength $above] - 1}]} {$i >= 0} {incr i -1} {
    set line [lindex $above $i]
    if {[string match "*long: *" $line]} { return 1 }
    if {$line eq "" || $line eq "\}"} { return 0 }
  }
  return 0
}

proc check_lines {file lines} {
  global limit
  set count [llength $lines]
  if {$count > $limit(stop)} {
    complain "$file: $count lines (at most $limit(stop))"
  } elseif {$count > $limit(file)} {
    puts "note: $file: $count lines (aim for $limit(file))"
  }
  set number 0
  foreach line $lines {
    incr number
    if {[string length $line] > $limit(line)} {
      complain "$file:$number: [string length $line] columns"
    }
  }
}

proc check_functions {file lines} {
  global limit
  set tags [exec ctags -x --language-force=C --c-kinds=f \
              {--_xformat=%N %n %{end}} $file]
  foreach tag [split $tags \n] {
    if {[scan $tag {%s %d %d} name start end] != 3} continue
    set length [expr {$end - $start + 1}]
    if {$length > $limit(hard)} {
      complain "$file:$start: $name has $length lines (at most $limit(hard))"
    } elseif {$length > $limit(function) && ![excused $lines $start]} {
      complain "$file:$start: $name has $length lines: split it, or say why\
        in a comment /* long: ... */"
    }
  }
}

foreach dir {. base drv pool tx vtab migrate cache entity ext cli gen
             bench test/unit test/fuzz test/crash} {
  foreach file [lsort [glob -nocomplain $dir/*.c $dir/*.h]] {
    set lines [lines_of $file]
    check_lines $file $lines
    check_functions $file $lines
  }
}
exit [expr {$bad > 0}]
