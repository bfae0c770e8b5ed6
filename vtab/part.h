/*
 * part.h: how much of a term SQLite surely has from the WHERE clause, not from
 * the ON of an outer join. Private to vtab/.
 */
#ifndef FED_VTAB_PART_H
#define FED_VTAB_PART_H

#include "vtab/table.h"

/* The ends of the range of texts that begin as a pattern does. */
struct part_range {
  int low, high; /* constraints, or -1 */
};

/* What of constraint `i` must be true of every row that is wanted; of a
 * PLAN_BEGINNING, by which range. */
enum plan_part part_of(sqlite3_index_info *info, int i, enum term_op op,
                       struct part_range *range);

#endif
