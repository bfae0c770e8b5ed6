/*
 * sqlite.h: shared by the files of the sqlite driver only.
 *
 *   sqlite.c          the driver: parameters, connections, statements
 *   sqlite_run.c      the user's own text, and transactions
 *   sqlite_load.c     many rows at once
 *   sqlite_catalog.c  tables and their columns
 */
#ifndef FED_DRV_SQLITE_H
#define FED_DRV_SQLITE_H

#include <sys/stat.h>

#include "drv/drv.h"

struct sq_conn {
  struct fed_conn base; /* first */
  sqlite3 *db;
  struct fed_dsn dsn; /* kept: reset() opens anew */
  struct stat file;   /* which file it was when opened */
  int64_t busy_ms;
  const struct fed_wait *wait; /* of the call that runs now */
  int64_t next_look;           /* when to ask `wait` again */
  int64_t busy_until;          /* how long to wait for another's lock */
  struct sq_load *load;        /* one that has not ended */
  sqlite3_stmt *guard[3];      /* prepared when first needed: enum sq_guard */
  bool utf8;                   /* the file's encoding, not UTF-16 */
  bool borrowed;               /* `db` is somebody else's: change no setting */
  bool in_none; /* no transaction was open when we got the handle */
  bool in_tx;
  bool read_only; /* inside a read-only transaction */
};

static inline struct sq_conn *sq_of(struct fed_conn *conn)
{
  return (struct sq_conn *)conn;
}

/* Every call that may wait begins here. */
void fed_sq_enter(struct sq_conn *sq, const struct fed_wait *wait);

/* An error once the transaction has ended by itself. */
int fed_sq_usable(const struct sq_conn *sq, struct fed_err *err);

/* Record the handle's error as ours; returns its code. */
int fed_sq_error(struct sq_conn *sq, int rc, struct fed_err *err);

/* The same of an error found in the text `sql`: also where in it. */
int fed_sq_error_at(struct sq_conn *sq, int rc, const char *sql,
                    struct fed_err *err);

/* Exactly one statement? What follows it must be blank. */
int fed_sq_single(struct sq_conn *sq, sqlite3_stmt *stmt, const char *tail,
                  struct fed_err *err);

int fed_sq_exec(struct fed_conn *conn, const char *sql,
                const struct fed_wait *wait, struct fed_err *err);

/* ---- sqlite_run.c, sqlite_catalog.c: slots of the driver ---------------- */

int fed_sq_run(struct fed_conn *conn, const char *sql,
               const struct fed_wait *wait, struct fed_err *err);
int fed_sq_begin(struct fed_conn *conn, const struct fed_begin *opts,
                 const struct fed_wait *wait, struct fed_err *err);
int fed_sq_commit(struct fed_conn *conn, const struct fed_wait *wait,
                  struct fed_err *err);
int fed_sq_rollback(struct fed_conn *conn, const struct fed_wait *wait,
                    struct fed_err *err);

/* Out of a transaction on a handle that was interrupted, where ROLLBACK is, as
 * well. */
void fed_sq_abort(struct sq_conn *sq);

int fed_sq_catalog(struct fed_conn *conn, const struct fed_scope *scope,
                   struct fed_catalog *out, const struct fed_wait *wait,
                   struct fed_err *err);

/*
 * Around a statement under guard_writes. Most that fail undo themselves, but
 * not one that meets a trigger with RAISE(FAIL).
 */
enum sq_guard { SQ_GUARD_SET, SQ_GUARD_BACK, SQ_GUARD_RELEASE };
int fed_sq_guard(struct sq_conn *sq, enum sq_guard what, struct fed_err *err);
/* Before the handle is closed. */
void fed_sq_guard_release(struct sq_conn *sq);

/* ---- sqlite_load.c ------------------------------------------------------ */

int fed_sq_execute_many(struct fed_stmt *stmt, const struct fed_value *args,
                        int narg, int n, int *done, const struct fed_wait *wait,
                        struct fed_err *err);
int fed_sq_load_begin(struct fed_conn *conn, const struct fed_relation *rel,
                      const int16_t *column, int ncol,
                      const struct fed_wait *wait, struct fed_err *err);
int fed_sq_load_row(struct fed_conn *conn, const struct fed_value *row,
                    const struct fed_wait *wait, struct fed_err *err);
int fed_sq_load_end(struct fed_conn *conn, bool keep,
                    const struct fed_wait *wait, struct fed_err *err);
/* Forget it, if there is one. */
void fed_sq_load_over(struct sq_conn *sq);

extern const struct fed_driver fed_driver_sqlite;

#endif
