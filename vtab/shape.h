/*
 * shape.h: what the statement that runs does with virtual tables, read from
 * its compiled form (EXPLAIN). Private to vtab/.
 */
#ifndef FED_VTAB_SHAPE_H
#define FED_VTAB_SHAPE_H

#include "base/base.h"

#define SHAPE_TABLES 64

/* What one virtual table is used for, all its cursors together. A column of a
 * row that UPDATE takes as it was does not count as read. */
struct shape_use {
  const sqlite3_vtab *vtab; /* not only ours: compare, do not follow */
  int cursors;
  int scans; /* 2 stands for any number above 1: it may stand in a loop */
  bool read; /* a column or the rowid of a row is read */
  uint64_t columns; /* which; bit 63 stands for all from the 64th on */
  bool rowid;
  int rowids; /* at so many places of the program */
  bool written;
  bool deletes;  /* by DELETE, not UPDATE or INSERT */
  bool replaces; /* by UPDATE OR REPLACE, which wants all columns */
};

/* Whence an argument of the scan comes: a column of the present row of an
 * ordinary table that is read from its beginning to its end. */
struct shape_source {
  int root;       /* page of the table; 0: from elsewhere */
  int db;         /* number of the schema, as in PRAGMA database_list */
  int col;        /* in the table, or -1: its rowid */
  bool converted; /* a numeric affinity is applied to it, in any such scan */
};

#define SHAPE_ARGS 32

struct shape {
  sqlite3_stmt *stmt; /* NULL: several running ones look alike */
  bool counts;        /* there is a count(*) */
  bool aggregates;    /* or any aggregate */
  struct shape_source source[SHAPE_ARGS]; /* of the scan by `idxstr` */
  int n;
  struct shape_use use[SHAPE_TABLES];
};

/*
 * Find the running statement that scans `vtab` by the plan `idxstr`, and look
 * at it. SQLITE_NOTFOUND if there is none, or too much of it to tell, or if
 * values that are bound have made its plan another one; out->stmt is set then,
 * too, if no other statement runs. Costs as much as preparing it: keep the
 * answer, with the plan.
 */
int shape_of(sqlite3 *db, const sqlite3_vtab *vtab, const char *idxstr,
             struct shape *out);

/*
 * Is it plain to see that the running statement scans this table once, and no
 * other? True only for SELECT ... FROM schema.name [WHERE ...], and nothing
 * else running: a look-up that is prepared each time need not pay for EXPLAIN.
 */
bool shape_is_plain(sqlite3 *db, const char *schema, const char *name);

/*
 * May statement `sql` (NULL: one that runs) hold an outer join? By its text
 * and those of all views and triggers: false only if none names one.
 */
bool shape_is_outer(sqlite3 *db, const char *sql);

/* The entry of `vtab`, or NULL. */
const struct shape_use *shape_use(const struct shape *shape,
                                  const sqlite3_vtab *vtab);

#endif
