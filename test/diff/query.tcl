# query.tcl: random queries over the tables of a session, as trees that know
# how to become smaller.
#
#   {t text}            as it stands
#   {s node ...}        one after the other
#   {l joint node ...}  a list: all but one may go
#   {o node}            may go
#   {b node ...}        a truth value: may become any truth value within it
#   {v node ...}        a value: may become any value within it
#   {total node}        ORDER BY whose order is total; may go
#   {limit node}        LIMIT; may go
#   {exact node ...}    one table, plain terms: if all are sent as exact, the
#                       server must give no row too many
#
# Tables are written R.name: the remote one or its local twin; L.name is an
# ordinary local table in both.

proc render {node} {
  switch [lindex $node 0] {
    t { return [lindex $node 1] }
    l { return [join [lmap n [lrange $node 2 end] { render $n }] [lindex $node 1]] }
    default { return [join [lmap n [lrange $node 1 end] { render $n }] { }] }
  }
}
proc t {args} { list t [join $args] }

# ---------------------------------------------------------------- shrinking
# Every node of the tree's kind below a node.
proc nodes_within {kind node} {
  if {[lindex $node 0] eq "t"} { return {} }
  set found {}
  foreach child [lrange $node [expr {[lindex $node 0] eq "l" ? 2 : 1}] end] {
    if {[lindex $child 0] eq $kind} { lappend found $child }
    lappend found {*}[nodes_within $kind $child]
  }
  return $found
}

# Trees that are smaller in one place, the smallest first.
proc smaller {node} {
  set first 1
  set result {}
  switch [lindex $node 0] {
    t { return {} }
    o - total - limit { lappend result {s} }
    b { lappend result {*}[nodes_within b $node] }
    v { lappend result {*}[nodes_within v $node] }
    l {
      set first 2
      if {[llength $node] > 3} {
        if {[llength $node] > 5} {
          set half [expr {([llength $node] + 2) / 2}]
          lappend result [lreplace $node 2 $half-1] [lreplace $node $half end]
        }
        for {set i 2} {$i < [llength $node]} {incr i} {
          lappend result [lreplace $node $i $i]
        }
      }
    }
  }
  for {set i $first} {$i < [llength $node]} {incr i} {
    foreach child [smaller [lindex $node $i]] {
      lappend result [lreplace $node $i $i $child]
    }
  }
  return $result
}

# How two answers are to be compared: ordered, any, or some (of the rows that
# the query without LIMIT gives).
# SQLite takes a text column that equals a number for a constant, and leaves it
# out of ORDER BY and GROUP BY, though '0' and '0.0' both do.
proc takes_for_constant {tree} {
  regexp {(=|IS) CAST\([^)]* AS (INTEGER|REAL|NUMERIC)} [render $tree]
}
proc how_of {tree} {
  if {[nodes_within total $tree] ne "" && ![takes_for_constant $tree]} {
    return ordered
  }
  if {[nodes_within limit $tree] ne ""} { return some }
  return any
}
proc unlimited {node} {
  if {[lindex $node 0] eq "limit"} { return {s} }
  if {[lindex $node 0] eq "t"} { return $node }
  return [lmap n $node { expr {[llength $n] > 1 ? [unlimited $n] : $n} }]
}

# ------------------------------------------------------------------ values
# The session: ::tables is a dict name -> table, with `side` R or L; each has
# `sample`, rows of SQLite's literals, one for each column.
#
# A source is a table in FROM: {alias table pivot}. The terms are made around
# the pivot's values, so that most queries find something.

proc table_of {source} { dict get $::tables [lindex $source 1] }
proc columns_of {source} { dict get [table_of $source] columns }
proc sample_of {table} {
  set rows [dict get $table sample]
  if {$rows eq ""} { return [lrepeat [llength [dict get $table columns]] NULL] }
  return [pick $rows]
}
proc make_source {alias name} {
  list $alias $name [sample_of [dict get $::tables $name]]
}
proc from_of {source} {
  lassign $source alias name
  t [dict get [table_of $source] side].$name $alias
}

# A column of one of the sources: {text, pivot's value, column}.
proc any_column {sources} {
  set source [pick $sources]
  set columns [columns_of $source]
  set i [rnd [llength $columns]]
  return [column_at $source $i]
}
proc column_at {source i} {
  set c [lindex [columns_of $source] $i]
  list [lindex $source 0].[quoted [dict get $c name]] \
    [lindex [lindex $source 2] $i] $c
}
proc column_named {source name} {
  set names [lmap c [columns_of $source] { dict get $c name }]
  return [column_at $source [lsearch -exact $names $name]]
}

# Does equal mean identical? Else which of the equal values a group shows is
# anybody's choice.
proc is_exact {column} { dict get $column exact }

set nasty {
  0 1 -1 5 6 42 -42 5.0 5.5 -1.5 0.1 0.3 1e300 9e999 -9e999 2.5 100 255 256
  9007199254740992 9007199254740993 9007199254740992.0 9223372036854775807
  9223372036854775807.0 -9223372036854775808 9223372036854775808 1e19 NULL ''
  {' '} 'a' 'A' 'ab' 'AB' {'a '} 'ä' 'ß' '5' '05' '5.0' {' 5'} {'5 '} '1e1' '0x5'
  '-5' '5a' 'x%y' 'zz' 'it''s' '日本語' 'NaN' 'Infinity' 'inf' x'' x'00' x'61' x'35'
  x'ff' '1.0' '1.00' '2024-02-29' {'2024-02-29 00:00:00'} '2024' '10000-01-01'
  {'2024-02-29 12:30:00'} '12:30:00' '-01:00:00' '24:00:00' '0000-00-00' 'infinity'
  '2024-2-29' '0001-01-01' {'0044-03-15 BC'} 2024 '2024-02-30' '{1,2}'
  'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11' TRUE FALSE -0.0 1e-300
  18446744073709551615 '18446744073709551615' 5e-324 99999999999999999999
  X'c3' CAST(x'6100' AS TEXT) CAST(x'ff61' AS TEXT)
}
set casts {INTEGER TEXT REAL NUMERIC BLOB}

# A value near another one.
proc finite {v} { string map {Inf 9e999 inf 9e999} $v }
proc near {v} {
  if {[string match *9e999 $v]} { return '$v' }
  switch -regexp -- $v {
    {^-?\d+$} {
      switch [rnd 13] {
        0 { return [expr {$v + 1}] }       1 { return [expr {$v - 1}] }
        2 { return $v.0 }                  3 { return $v.5 }
        4 { return '$v' }                  5 { return "' $v'" }
        6 { return '0$v' }                 7 { return '$v.0' }
        8 { return '${v}e0' }              9 { return [expr {-$v}] }
        10 { return '${v}a' }              11 { return '+$v' }
        12 { return "x'[binary encode hex $v]'" }
      }
    }
    {^-?[\d.]+(e[-+]?\d+)?$} {
      switch [rnd 7] {
        0 { return '$v' }
        1 { return [finite [expr {$v * (1 + 3e-16)}]] }
        2 { return [finite [format %.15g $v]] }
        3 { return [finite [format %.17g $v]] }
        4 { if {abs($v) < 1e18} { return [expr {wide($v)}] } }
        5 { return '${v}0' }               6 { return [finite [expr {-$v}]] }
      }
    }
    {^'} {
      set s [string range $v 1 end-1]
      switch [rnd 12] {
        0 { return '[string toupper $s]' } 1 { return '[string tolower $s]' }
        2 { return "'$s '" }               3 { return '[string trimright $s]' }
        4 { return '[string totitle $s]' } 5 { return '${s}0' }
        6 { return "CAST($v AS [pick $::casts])" }
        7 { return "' $s'" }               8 { return "$v || 'a'" }
        9 { if {[regexp {^[-+]?\d+(\.\d+)?$} $s]} { return $s } }
        10 { return "substr($v, 1, [expr {1 + [rnd 10]}])" }
        11 { return "CAST($v AS BLOB)" }
      }
    }
    {^[xX]'} {
      set h [string range $v 2 end-1]
      switch [rnd 4] {
        0 { return x'${h}00' }             1 { return "CAST($v AS TEXT)" }
        2 { if {[string length $h] > 2} { return x'[string range $h 0 end-2]' } }
        3 { return "CAST($v AS [pick $::casts])" }
      }
    }
  }
  return $v
}

# A parameter, whose value the query carries along.
proc parameter {v} {
  set name "\$::p([llength $::parameters])"
  lappend ::parameters $v
  return $name
}

# A right-hand side for a column with this pivot.
proc rhs {sources v} {
  set node [some {
    45 {t $v}
    8 {t [lindex [any_column $sources] 1]}
    11 {t [near $v]}
    6 {t [pick $::nasty]}
    6 {t [lindex [any_column $sources] 0]}
    4 {t "CAST($v AS [pick $::casts])"}
    1 {t "(SELECT $v)"}
    1 {t "+$v"}
    1 {t "($v || '')"}
    1 {t "CAST([lindex [any_column $sources] 0] AS [pick $::casts])"}
    7 {t [parameter $v]}
    3 {t [parameter [near $v]]}
    1 {scalar_subquery $sources $v}
    3 {other_pivot $sources}
  }]
  return [list v $node]
}
# A value that some other row of the same tables has.
proc other_pivot {sources} {
  set source [pick $sources]
  set row [sample_of [table_of $source]]
  t [pick $row]
}

# ------------------------------------------------------------------- terms
set collations {{} {} {} {} {} {} {} {} {} {} { COLLATE NOCASE} { COLLATE BINARY}
  { COLLATE RTRIM}}

proc text_of {v} {
  if {[regexp {^[xX]'(.*)'$} $v -> hex]} {
    return [regsub -all {[^ -~]} [binary decode hex $hex] _]
  }
  return [string range [string map {'' '} [string trim $v ']] 0 40]
}
proc pattern {v} {
  set s [text_of $v]
  set cut [rnd [expr {[string length $s] + 1}]]
  set s [some {
    4 {string cat [string range $s 0 [expr {$cut - 1}]] %}
    1 {string cat % [string range $s $cut end]}
    1 {string cat % [string range $s 1 $cut] %}
    1 {string cat $s}
    1 {string cat [string toupper [string range $s 0 [expr {$cut - 1}]]] %}
    2 {string cat [string replace $s $cut $cut _]}
    2 {string cat [string replace $s $cut end _%]}
    1 {string cat [string range $s 0 [expr {$cut - 1}]] % [string index $s end]}
    1 {pick {a% % {} _ 5% %b 1% 2024% \\% x\\% A% %\\ a%% __%}}
  }]
  return '[string map {' ''} $s]'
}
proc glob_pattern {v} {
  set s [string map {% * _ ?} [pattern $v]]
  if {[chance 35]} {
    set at [expr {1 + [rnd [string length $s]]}]
    if {$at < [string length $s] - 1} {
      set c [string index $s $at]
      if {$c ne "'"} {
        set s [string replace $s $at $at [pick [list \[$c\] \[^$c\] {[a-z]} {[0-9]} {[^a-z]} \[]]]
      }
    }
  }
  return $s
}

proc like {c v} {
  set s [pattern $v]
  some {
    6 {t $c LIKE $s}
    1 {t $c NOT LIKE $s}
    1 {t $c LIKE $s ESCAPE [pick {'!' '\\' 'a'}]}
    1 {t $c LIKE [parameter $s]}
    3 {t $c GLOB [glob_pattern $v]}
    1 {t $c LIKE [pick {NULL 5 x'61' ''}]}
    1 {t $c LIKE $s COLLATE NOCASE}
  }
}

proc in_list {sources c v} {
  set items [list [t $v]]
  if {[chance 15]} { set items {} }
  for {set i [rnd 5]} {$i > 0} {incr i -1} { lappend items [rhs $sources $v] }
  if {[chance 2]} {
    for {set i 0} {$i < 40} {incr i} { lappend items [t [near $v]] }
  }
  if {$items eq ""} { set items [list [t $v]] }
  list s [t $c[pick {{} {} {} { NOT}}] IN (] [list l {, } {*}$items] [t )]
}

# A subquery of its own, perhaps correlated with the sources.
proc subquery_from {sources} {
  set ::alias_serial [expr {$::alias_serial + 1}]
  set inner [make_source s$::alias_serial [pick $::small_tables]]
  if {[chance 40]} { set where [term [concat [list $inner] $sources] 2] } \
  else { set where [term [list $inner] 2] }
  list $inner [list o [list s [t WHERE] $where]]
}
proc in_subquery {sources c v} {
  lassign [subquery_from $sources] inner where
  set list [lindex [any_column [list $inner]] 0]
  list s [t $c[pick {{} {} {} { NOT}}] IN (SELECT $list FROM] [from_of $inner] \
    $where [t )]
}
proc exists {sources} {
  lassign [subquery_from $sources] inner where
  set a [lindex [any_column $sources] 0]
  set b [lindex [any_column [list $inner]] 0]
  list s [t [pick {{} {} {NOT }}]EXISTS (SELECT 1 FROM] [from_of $inner] \
    [t WHERE] [list l { AND } [list b [t $a [pick {= = = < IS}] $b]] \
      [term [list $inner] 2]] [t )]
}
proc scalar_subquery {sources v} {
  lassign [subquery_from $sources] inner where
  lassign [any_column [list $inner]] c v column
  # Of equal values that are not identical, each may be the least.
  set what [expr {[is_exact $column] ? [pick {max min count}] : "count"}]
  list s [t (SELECT $what\([pick [list $c $c [expr {$what eq "count" ? "*" : $c}]]]\) \
    FROM] [from_of $inner] $where [t )]
}
# A column of the source with the affinity of another, or "".
proc like_column {source column} {
  set found {}
  foreach c [columns_of $source] {
    if {[dict get $c affinity] eq [dict get $column affinity]} {
      lappend found [lindex $source 0].[quoted [dict get $c name]]
    }
  }
  return [pick $found]
}
proc row_value {sources} {
  lassign [any_column $sources] c1 v1 a1
  lassign [any_column $sources] c2 v2 a2
  some {
    4 {t ($c1, $c2) [pick {= < <= > >= <> IS}] ($v1, $v2)}
    1 {
      # Over columns of another affinity SQLite itself is wrong: what a virtual
      # table takes of a row value's IN it checks again without the affinity.
      lassign [subquery_from {}] inner where
      set d1 [like_column $inner $a1]
      set d2 [like_column $inner $a2]
      # And over a key WITHOUT ROWID that has them in the other order.
      if {$d1 eq "" || $d2 eq "" || [regexp {\mid\M} "$c1 $c2 $d1 $d2"]} {
        return [compare $sources]
      }
      list s [t ($c1, $c2) IN (SELECT $d1, $d2 FROM] [from_of $inner] [t )]
    }
    1 {t ($c1, $c2) IN (VALUES ($v1, $v2), ([near $v1], $v2))}
  }
}
proc rowid_term {sources} {
  foreach source [shuffled $sources] {
    if {[dict get [table_of $source] rowid]} {
      lassign [column_named $source id] c v
      set alias [lindex $source 0]
      return [t $alias.[pick {rowid oid _rowid_}] [pick {= = <> < > >= IN}] ($v)]
    }
  }
  return [compare $sources]
}

proc compare {sources} {
  lassign [any_column $sources] c v column
  set op [pick {= = = = <> < <= > >= < > IS}]
  set right [rhs $sources $v]
  # The alias of a rowid has no collation, as any other column has, be it
  # behind a plus or a CAST.
  if {[dict get $column name] eq "id"} {
    set c [t $c]
  } else {
    set c [some {14 {t $c} 1 {t +$c} 1 {t "CAST($c AS [pick $::casts])"}}]
  }
  if {[chance 15]} {
    return [list s $right [t $op] [list v $c]]
  }
  list s [list v $c] [t $op] $right [list o [t [pick $::collations]]]
}
proc two_columns {sources} {
  lassign [any_column $sources] c
  lassign [any_column $sources] d
  t $c [pick {= = < <= > >= <> IS}] $d
}
proc odd_term {sources} {
  lassign [any_column $sources] c v
  some {
    1 {t $c}
    1 {t typeof($c) = typeof($v)}
    1 {t length($c) [pick {= > <}] length($v)}
    1 {t abs($c / 2) >= 5}
    1 {t coalesce($c, $v) = $v}
    1 {t CASE WHEN $c = $v THEN 1 WHEN $c IS NULL THEN NULL ELSE 0 END}
    1 {t CASE $c WHEN $v THEN 1 ELSE $c > $v END}
    1 {t ($c = $v) = [rnd 2]}
    1 {t ($c = $v) IS [pick {TRUE {NOT TRUE} FALSE NULL}]}
    1 {t lower($c) = lower($v)}
    1 {t nullif($c, $v) IS NULL}
    1 {t likely($c = $v)}
    1 {t iif($c > $v, 0, 1)}
  }
}

# One term over the sources.
proc term {sources {depth 0}} {
  lassign [any_column $sources] c v
  set node [some {
    40 {compare $sources}
    4 {t $c IS [rnd_not]NULL}
    2 {t $c [pick {ISNULL NOTNULL {NOT NULL}}]}
    5 {list s [t $c [pick {{} {} {} NOT}] BETWEEN] [rhs $sources $v] [t AND] \
         [rhs $sources $v]}
    8 {in_list $sources $c $v}
    6 {like $c $v}
    3 {list s [t $c IS [rnd_not]] [rhs $sources $v]}
    3 {two_columns $sources}
    3 {odd_term $sources}
    3 {row_value $sources}
    2 {rowid_term $sources}
    3 {expr {$depth < 2 ? [in_subquery $sources $c $v] : [compare $sources]}}
    2 {expr {$depth < 2 ? [exists $sources] : [compare $sources]}}
    10 {expr {$depth < 2 ? [joint $sources $depth] : [compare $sources]}}
  }]
  return [list b $node]
}
proc rnd_not {} { pick {{} {} {NOT }} }

# (a OR b), NOT (a AND b)
proc joint {sources depth} {
  set parts {}
  for {set i [expr {2 + [rnd 2]}]} {$i} {incr i -1} {
    lappend parts [term $sources [expr {$depth + 1}]]
  }
  list s [t [pick {{} {} {} NOT}] (] [list l [pick {{ OR } { OR } { AND }}] \
    {*}$parts] [t )]
}

proc where {sources} {
  if {[chance 6]} { return {s} }
  set terms [list [term $sources]]
  while {[chance 35]} { lappend terms [term $sources] }
  if {[chance 1]} {
    for {set i 0} {$i < 18} {incr i} { lappend terms [term $sources 1] }
  }
  return [list o [list s [t WHERE] [list l { AND } {*}$terms]]]
}

# ----------------------------------------------------------------- queries
proc direction {} { pick {{} {} { DESC} { NULLS LAST} { DESC NULLS FIRST} { ASC}} }

# The columns by which no two rows of the sources are alike, or "".
proc unique_of {sources} {
  set columns {}
  foreach source $sources {
    set unique [dict get [table_of $source] unique]
    if {$unique eq ""} { return "" }
    lappend columns [lindex $source 0].$unique
  }
  return $columns
}

# [ORDER BY ...] [LIMIT ...] over the sources' own rows.
proc order_limit {sources} {
  set limit {s}
  if {[chance 30]} {
    set limit [list limit [t LIMIT [pick {1 2 3 5 7 20 100 0 -1}][pick {{} {} {
      OFFSET 1} { OFFSET 2} { OFFSET 10}}]]]
  }
  if {[chance 50]} { return $limit }
  set items {}
  for {set i [rnd 3]} {$i > 0} {incr i -1} {
    lappend items [list o [t [lindex [any_column $sources] 0][pick \
      {{} {} {} {} { COLLATE NOCASE} { COLLATE BINARY}}][direction],]]
  }
  set unique [unique_of $sources]
  if {$unique eq ""} {
    if {$items eq ""} { return $limit }
    set items [lmap item $items { lindex $item 1 }]
    set text [string trimright [join [lmap i $items { render $i }]] ,]
    return [list s [list o [t ORDER BY $text]] $limit]
  }
  set last [lmap c $unique { string cat $c [pick {{} {} { DESC}}] }]
  return [list s [list total [list s [t ORDER BY] {*}$items [t [join $last {, }]]]] \
            $limit]
}

# Output columns, each with a name of its own.
proc outputs {sources n} {
  set list {}
  for {set i 1} {$i <= $n} {incr i} {
    lassign [any_column $sources] c v
    set text [some {
      20 {string cat $c}
      1 {string cat ($c = $v)}
      1 {string cat hex($c)}
      1 {string cat typeof($c)}
      1 {string cat "$c || 'x'"}
      1 {string cat "CAST($c AS [pick {INTEGER TEXT REAL NUMERIC}])"}
      1 {string cat "CASE WHEN $c > $v THEN 'over' ELSE $c END"}
      1 {string cat "quote($c)"}
    }]
    lappend list [t "$text AS o$i"]
  }
  foreach c [unique_of $sources] {
    lappend list [t "$c AS u[llength $list]"]
  }
  return [list l {, } {*}$list]
}

proc any_table {} { pick $::query_tables }

proc simple_query {} {
  set a [list [make_source a [any_table]]]
  list s [t SELECT] [outputs $a [expr {1 + [rnd 3]}]] [t FROM] [from_of [lindex $a 0]] \
    [where $a] [order_limit $a]
}

# One or two plain terms on one remote table; half of them of a kind that is
# wanted: what was not sent yet, or what a mutant is about.
proc plain_query {} {
  if {$::wanted_columns ne "" && [chance $::wanted_share]} {
    lassign [pick $::wanted_columns] name i ops
    set op [pick $ops]
    set a [list [make_source a $name]]
    set column [column_at [lindex $a 0] $i]
    if {$op eq "order"} { return [sorted_query $a $column] }
    set terms [list [list b [wanted_term $a $column $op]]]
  } else {
    set op [pick {= <}]
    set a [list [make_source a [pick $::remote_tables]]]
    set terms [list [list b [compare $a]]]
  }
  if {[chance 25]} { lappend terms [list b [compare $a]] }
  set end [order_limit $a]
  # Beside a LIMIT SQLite offers terms that it does not offer else.
  if {$op in {<> notnull like glob} || [chance 20]} { set end [t LIMIT 1000] }
  list [pick $::plain_kinds] [t SELECT] [outputs $a 1] [t FROM] [from_of [lindex $a 0]] \
    [list o [list s [t WHERE] [list l { AND } {*}$terms]]] $end
}
set plain_kinds {s exact}
proc wanted_term {a column op} {
  lassign $column c v
  switch $op {
    isnull {
      # Of a column that is NOT NULL SQLite does not ask it, but so.
      if {[chance 40]} { return [t $c IS [parameter NULL]] }
      return [t $c IS NULL]
    }
    notnull { return [t $c [pick {{IS NOT NULL} {< 'abc'} {< x''}}]] }
    like - glob {
      # With a prefix that may be a number no range comes along.
      if {[chance 20]} { set v [pick {'abc' 'inf' 'NaN' '1.0e+300' 'a-' '12:'}] }
    }
    default {
      # The one collation that differs for every text.
      if {$op eq "<>" && [chance 30]} {
        return [t $c <> '[string map {' ''} [text_of $v]] ' COLLATE RTRIM]
      }
      if {[chance 15]} {
        return [list s [list v [t $c]] [t $op CAST($v AS [pick {REAL INTEGER NUMERIC}])]]
      }
    }
  }
  switch $op {
    like { return [t $c LIKE [pattern $v]] }
    glob { return [t $c GLOB [glob_pattern $v]] }
  }
  list s [list v [t $c]] [t $op] [some {
    6 {rhs $a $v} 4 {list v [t [near $v]]} 2 {list v [t [pick $::nasty]]}}]
}
proc sorted_query {a column} {
  lassign $column c v info
  set unique [unique_of $a]
  if {$unique eq "" && ![is_exact $info]} { return [simple_query] }
  if {![is_exact $info]} {
    set u "$c[pick {{} { DESC}}], [join $unique {, }]"
  } else {
    set u "$c[pick {{} { DESC}}]"
  }
  list s [t SELECT $c AS o1 FROM] [from_of [lindex $a 0]] [list total [t ORDER BY $u]] \
    [list limit [t LIMIT [pick {3 10 1000}]]]
}

# Columns of two sources that have a value in common, where there are such.
proc join_term {left right} {
  for {set try 0} {$try < 12} {incr try} {
    lassign [any_column $left] c v
    lassign [any_column [list $right]] d w
    if {$v eq $w && $v ne "NULL"} break
  }
  return [t $c [pick {= = = = = = = IS < > <=}] $d]
}

# Sources joined one after the other. Outer joins keep to the part that SQLite
# 3.40 gets right itself: it loses rows to LIKE and GLOB in ON, in a left join
# where they search an INTEGER PRIMARY KEY.
proc joined_from {sources} {
  set node [list [from_of [lindex $sources 0]]]
  for {set i 1} {$i < [llength $sources]} {incr i} {
    set right [lindex $sources $i]
    set left [lrange $sources 0 $i-1]
    set how [pick {JOIN JOIN JOIN {LEFT JOIN} {LEFT JOIN} {CROSS JOIN} , {RIGHT JOIN}
      {FULL JOIN}}]
    if {$i > 1 && $how in {{RIGHT JOIN} {FULL JOIN}}} { set how JOIN }
    if {$how eq ","} {
      lappend node [t $how] [from_of $right]
      continue
    }
    set on [list [list b [join_term $left $right]]]
    if {[chance 30]} {
      lappend on [term [pick [list [list $right] [concat $left [list $right]] $left]] 2]
    }
    set on [list l { AND } {*}$on]
    if {$how eq "LEFT JOIN" && [regexp {\mid\M.*(LIKE|GLOB)} [render $on]]} { set how JOIN }
    lappend node [t $how] [from_of $right] [t ON] $on
  }
  return [list s {*}$node]
}

proc join_sources {n} {
  set sources {}
  set names [expr {$n > 2 ? $::small_tables : $::query_tables}]
  foreach alias [lrange {a b c d} 0 $n-1] {
    set name [pick $names]
    # Only one of the tables may be large.
    set names $::small_tables
    lappend sources [make_source $alias $name]
  }
  return [shuffled $sources]
}

proc join_query {n} {
  set sources [join_sources $n]
  set from [joined_from $sources]
  set where [where $sources]
  if {[string match *,* [render $from]] || [string match {*CROSS JOIN*} [render $from]]} {
    set where [list s [t WHERE] [list l { AND } \
      {*}[lmap i [lrange {1 2 3} 0 $n-2] {
        list b [join_term [lrange $sources 0 $i-1] [lindex $sources $i]]}]]]
  }
  # NULL for a row that is not there: no order is total.
  set order {s}
  if {![regexp {LEFT|RIGHT|FULL} [render $from]]} { set order [order_limit $sources] }
  list s [t SELECT] [outputs $sources 2] [t FROM] $from $where $order
}

# min and max show any of the equal values: only where they are identical.
proc aggregate {sources} {
  for {set try 0} {$try < 20} {incr try} {
    lassign [any_column $sources] c v column
    if {[is_exact $column]} break
  }
  if {![is_exact $column]} { return count($c) }
  some {
    3 {string cat count(*)}
    2 {string cat count($c)}
    1 {string cat "count(DISTINCT $c)"}
    2 {string cat min($c)}
    2 {string cat max($c)}
    1 {string cat "count(*) FILTER (WHERE $c = $v)"}
    1 {string cat "sum($c IS NOT NULL)"}
    1 {string cat "total(length($c))"}
  }
}
proc aggregate_query {} {
  set sources [join_sources [pick {1 1 1 2}]]
  set list {}
  for {set i [rnd 3]} {$i >= 0} {incr i -1} {
    lappend list [t "[aggregate $sources] AS o$i"]
  }
  list s [t SELECT] [list l {, } {*}$list] [t FROM] [joined_from $sources] \
    [where $sources]
}
proc count_query {} {
  set a [list [make_source a [pick $::remote_tables]]]
  list s [t SELECT [pick {count(*) count(*) count(*)+1 {count(*), count(*)}} ] AS o1 FROM] \
    [from_of [lindex $a 0]] [where $a]
}

proc group_columns {sources n} {
  set list {}
  for {set try 0} {$try < 30 && [llength $list] < $n} {incr try} {
    lassign [any_column $sources] c v column
    if {[is_exact $column] && $c ni $list} { lappend list $c }
  }
  return $list
}
proc group_query {} {
  set sources [join_sources [pick {1 1 1 2}]]
  set by [group_columns $sources [pick {1 1 2}]]
  if {$by eq ""} { return [aggregate_query] }
  set i 0
  set list [lmap c $by { t "$c AS g[incr i]" }]
  lappend list [t "[aggregate $sources] AS o1"]
  set having {s}
  if {[chance 30]} {
    set having [list o [t HAVING [aggregate $sources] [pick {> >= = <}] [rnd 3]]]
  }
  set order {s}
  if {[chance 50]} {
    set order [list s [list total [t ORDER BY [join [lmap c $by {
      string cat $c [direction] }] {, }]]] \
      [list limit [t LIMIT [pick {1 3 10}]]]]
  }
  list s [t SELECT] [list l {, } {*}$list] [t FROM] [joined_from $sources] \
    [where $sources] [t GROUP BY [join $by {, }]] $having $order
}
proc distinct_query {} {
  set sources [join_sources [pick {1 1 1 2}]]
  set by [group_columns $sources [pick {1 1 2}]]
  if {$by eq ""} { return [simple_query] }
  set i 0
  set list [lmap c $by { t "$c AS g[incr i]" }]
  set order {s}
  if {[chance 50]} {
    set order [list s [list total [t ORDER BY [join $by {, }]]] \
      [list limit [t LIMIT [pick {1 3 10}]]]]
  }
  list s [t SELECT DISTINCT] [list s [t [join [lmap n $list { render $n }] {, }]]] \
    [t FROM] [joined_from $sources] [where $sources] $order
}

proc window_query {} {
  foreach name [shuffled $::query_tables] {
    if {[dict get $::tables $name unique] ne ""} break
  }
  if {[dict get $::tables $name unique] eq ""} { return [simple_query] }
  set a [list [make_source a $name]]
  set u [unique_of $a]
  lassign [any_column $a] c
  lassign [any_column $a] d
  set call [some {
    2 {string cat "row_number() OVER (ORDER BY $c[direction], $u)"}
    1 {string cat "lag($d) OVER (ORDER BY $c, $u)"}
    1 {string cat "count($d) OVER (PARTITION BY $c)"}
    1 {string cat "rank() OVER (ORDER BY $c)"}
    1 {string cat "first_value($d) OVER (PARTITION BY $c ORDER BY $u)"}
    1 {string cat "count(*) OVER (ORDER BY $u ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)"}
    1 {string cat "group_concat($d, ',') OVER (ORDER BY $u)"}
  }]
  list s [t SELECT] [list l {, } [t "$call AS o1"] [t "$u AS o2"] [t "$d AS o3"]] [t FROM] \
    [from_of [lindex $a 0]] [where $a] [order_limit $a]
}

proc cte_query {} {
  set a [list [make_source a [any_table]]]
  set c [lindex [any_column $a] 0]
  set d [lindex [any_column $a] 0]
  set v [lindex [any_column $a] 1]
  set body [list s [t SELECT $c AS x, $d AS y FROM] [from_of [lindex $a 0]] [where $a]]
  set material [pick {AS {AS MATERIALIZED} {AS NOT MATERIALIZED}}]
  some {
    2 {list s [t WITH w $material (] $body [t ") SELECT x AS o1, y AS o2 FROM w"] \
         [list o [t WHERE x [pick {= >= < IS}] $v]]}
    1 {list s [t WITH w $material (] $body \
         [t ") SELECT p.x AS o1, q.y AS o2 FROM w p JOIN w q ON p.x = q.x"]}
    1 {list s [t "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n\
         WHERE i < 6) SELECT n.i AS o1, $c AS o2 FROM n JOIN"] [from_of [lindex $a 0]] \
         [t "ON $d = n.i"] [where $a]}
    1 {list s [t SELECT o1, o2 FROM ( SELECT $c AS o1, $d AS o2 FROM] \
         [from_of [lindex $a 0]] [where $a] [t ")"] [list o [t WHERE o1 = $v OR o2 IS NOT NULL]]}
    1 {
      set u [unique_of $a]
      if {$u eq ""} { set u "" } else { set u " ORDER BY $u LIMIT 9" }
      list s [t SELECT o1, o2 FROM ( SELECT $c AS o1, $d AS o2 FROM] \
         [from_of [lindex $a 0]] [where $a] [t "$u)"] [list o [t WHERE o1 >= $v]]
    }
  }
}

proc compound_query {} {
  set op [pick {{ UNION ALL } { UNION ALL } { UNION } { INTERSECT } { EXCEPT }}]
  set parts {}
  set sorts {}
  for {set i [pick {2 2 3}]} {$i} {incr i -1} {
    set a [list [make_source a [any_table]]]
    lassign [any_column $a] c v column
    lappend sorts [expr {[dict get $column name] eq "id" ? "id"
                         : [dict get $column class]}]
    lappend parts [list s [t SELECT $c AS o1 FROM] [from_of [lindex $a 0]] [where $a]]
  }
  # The alias of a rowid has no collation, so that of the next part is taken.
  if {"id" in $sorts && [llength [lsort -unique $sorts]] > 1} {
    set op { UNION ALL }
  }
  set compound [list l $op {*}$parts]
  if {$op eq " UNION ALL "} { return $compound }
  # Which of the equal values is shown is anybody's choice.
  list s [t SELECT count(*) AS o1 FROM (] $compound [t )]
}

proc list_query {} {
  set sources [list [make_source a [pick $::small_tables]]]
  set sub [scalar_subquery $sources NULL]
  list s [t SELECT] [list l {, } [list s $sub [t AS o1]] \
    [t [lindex [any_column $sources] 0] AS o2]] [t FROM] \
    [from_of [lindex $sources 0]] [where $sources]
}

# A query: {tree parameters}.
proc random_query {} {
  set ::parameters {}
  set ::alias_serial 0
  set tree [some {
    26 {simple_query} 22 {plain_query} 16 {join_query 2} 3 {join_query 3}
    5 {aggregate_query} 5 {count_query} 6 {group_query} 5 {distinct_query}
    3 {window_query} 4 {cte_query} 4 {compound_query} 2 {list_query}
  }]
  return [list $tree $::parameters]
}
