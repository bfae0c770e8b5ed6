/*
 * scan.h: the cursor and its two helpers: bind.c (values of one execution)
 * and spool.c (rows set aside). Private to vtab/.
 */
#ifndef FED_VTAB_SCAN_H
#define FED_VTAB_SCAN_H

#include <stdio.h>

#include "vtab/rowid.h"
#include "vtab/table.h"

/* ---- bind.c: what the values of one xFilter make of the plan ----------- */

struct bind {
  const struct plan *plan;
  struct term_now *now;   /* one for each term of the plan */
  char (*text)[48];       /* numbers made text, one for each term */
  struct fed_value *args; /* what to bind, in the order of placeholders */
  int narg, room;
  void **held; /* memory that args borrow from */
  int nheld;
  int64_t limit;      /* rows to ask for; -1 all */
  bool as_planned;    /* the SQL of idxStr is what to run */
  struct fed_str sql; /* else this */
};

void bind_init(struct bind *bind);
void bind_release(struct bind *bind);

/* Make room for the plan's terms. */
int bind_plan(struct bind *bind, const struct plan *plan, struct fed_err *err);

/*
 * Take the arguments of xFilter. *never: no row can match. Values are
 * borrowed from `argv` until bind_forget().
 */
int bind_values(struct bind *bind, const struct fed_table *table,
                sqlite3_value **argv, bool *never, struct fed_err *err);
void bind_forget(struct bind *bind);

/* The SQL to run; with `rows`, rows even where the plan only counts. NULL
 * when out of memory. Borrowed until the next call. */
const char *bind_sql(struct bind *bind, const struct fed_table *table,
                     const char *idxstr, bool rows);

/* ---- spool.c: rows in an unlinked temporary file ----------------------- */

struct spool {
  FILE *file; /* NULL: closed */
  int ncol;
  struct fed_value *row; /* the row read last; borrows from `bytes` */
  char *bytes;
  size_t room;
};

int spool_open(struct spool *spool, int ncol, struct fed_err *err);
int spool_add(struct spool *spool, const struct fed_value *row,
              struct fed_err *err);
int spool_rewind(struct spool *spool, struct fed_err *err);
/* SQLITE_ROW, SQLITE_DONE or an error. */
int spool_next(struct spool *spool, struct fed_err *err);
void spool_close(struct spool *spool);

/* ---- the cursor -------------------------------------------------------- */

struct scan {
  sqlite3_vtab_cursor base; /* first */
  struct fed_list link;     /* fdb->scans, while it holds a connection */
  struct fed_server *server;
  struct fed_conn *conn;
  struct fed_stmt *stmt;
  struct fed_wait wait;
  bool in_tx; /* inside a read-only transaction of its own */
  bool eof;

  const char *idxstr; /* the plan that `place` and `want` were made for */
  const struct plan *plan;
  int16_t *place; /* column -> position in the row, -1 not read */
  enum fed_class *want;
  struct bind bind;

  const struct fed_value *row; /* borrowed from stmt or spool */
  struct spool spool;          /* set aside */
  bool counting;               /* no rows, only their number */
  int64_t left;                /* of it */
  int64_t passed;              /* rows given so far, of a count or a chunk */

  struct rowid_seen chunk; /* rows given under a LIMIT, see scan_resume() */
  struct fed_err lost;     /* why a scan that was set aside cannot go on */

  struct rowid_seen seen;
  bool has_rowid; /* `rowid` is that of the present row */
  int64_t rowid;
};

/*
 * Lend a connection of `server` to a statement of `fdb`. Whoever holds a
 * connection must not wait for another (two threads doing so wait for ever,
 * on one server or on two): its scans are set aside until one comes free.
 */
int scan_lease(struct fed_db *fdb, struct fed_server *server,
               const struct fed_wait *wait, struct fed_conn **out,
               struct fed_err *err);

#endif
