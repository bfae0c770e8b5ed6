/*
 * explain.h: what note.c writes down while SQLite plans a statement, for
 * explain.c; what plan.c is to know of the statement then.
 */
#ifndef FED_VTAB_EXPLAIN_H
#define FED_VTAB_EXPLAIN_H

#include "vtab/table.h"

/* One call of xBestIndex. */
struct explain_call {
  struct fed_list link; /* explain.calls */
  char *name, *server, *sql;
  struct fed_str keys; /* terms whose values are known only when it runs */
  struct status_rows lines;
};

struct explain {
  struct fed_list calls; /* in their order; numbers from 1 */
  int ncall;
  bool outer; /* the statement may hold an outer join */
};

/* Of a line of `lines`: part, item, verdict, why. */
#define EXPLAIN_LINE 4

void explain_line(struct status_rows *lines, const char *part, const char *item,
                  const char *verdict, const char *why);

/* Free every call. */
void explain_release(struct explain *explain);

#endif
