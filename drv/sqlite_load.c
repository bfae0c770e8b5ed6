/*
 * sqlite_load: many rows at once: one prepared statement in a loop, for there
 * are no round trips to save.
 */
#include "base/mem.h"
#include "drv/dialect.h"
#include "drv/sqlite.h"

struct sq_load {
  struct fed_stmt *stmt;
  int ncol;
  int64_t sent;
};

void fed_sq_load_over(struct sq_conn *sq)
{
  struct sq_load *load = sq->load;

  if (!load) return;
  sq->load = NULL;
  sq->base.drv->finalize(load->stmt);
  fed_free(load);
}

int fed_sq_load_begin(struct fed_conn *conn, const struct fed_relation *rel,
                      const int16_t *column, int ncol,
                      const struct fed_wait *wait, struct fed_err *err)
{
  struct sq_conn *sq = sq_of(conn);
  struct sq_load *load;
  struct fed_str sql;
  int rc = fed_sq_usable(sq, err);

  if (rc != SQLITE_OK) return rc;
  if (sq->load)
    return fed_err_set(err, SQLITE_MISUSE, "another load has not ended");
  if (!(load = fed_alloc(sizeof *load))) return fed_err_nomem(err);
  sq->load = load;
  load->ncol = ncol;
  fed_str_init(&sql, FED_STR_SQL);
  fed_dialect_insert(&fed_dialect_sqlite, &sql, rel, column, ncol, 1, false);
  rc = fed_str_err(&sql, err);
  if (rc == SQLITE_OK)
    rc = fed_driver_sqlite.prepare(conn, sql.s, NULL, 0, false, &load->stmt,
                                   wait, err);
  fed_str_release(&sql);
  if (rc != SQLITE_OK) fed_sq_load_over(sq);
  return rc;
}

int fed_sq_load_row(struct fed_conn *conn, const struct fed_value *row,
                    const struct fed_wait *wait, struct fed_err *err)
{
  struct sq_conn *sq = sq_of(conn);
  struct sq_load *load = sq->load;
  bool guard = conn->guard_writes;
  int rc, done;

  if (!load) return fed_err_set(err, SQLITE_MISUSE, "there is no load");
  conn->guard_writes = false; /* a load that fails is the caller's to undo */
  rc = fed_many_loop(load->stmt, row, load->ncol, 1, 1, &done, wait, err);
  conn->guard_writes = guard;
  load->sent++;
  if (rc == SQLITE_OK) return rc;
  if (rc != SQLITE_INTERRUPT && rc != SQLITE_BUSY && rc != SQLITE_NOMEM)
    fed_err_prefix(err, "row %lld: ", (long long)load->sent);
  fed_sq_load_over(sq);
  return rc;
}

int fed_sq_load_end(struct fed_conn *conn, bool keep,
                    const struct fed_wait *wait, struct fed_err *err)
{
  struct sq_conn *sq = sq_of(conn);

  (void)keep;
  (void)wait;
  if (!sq->load) return fed_err_set(err, SQLITE_MISUSE, "there is no load");
  fed_sq_load_over(sq);
  return SQLITE_OK;
}

/* One guard for all. */
int fed_sq_execute_many(struct fed_stmt *stmt, const struct fed_value *args,
                        int narg, int n, int *done, const struct fed_wait *wait,
                        struct fed_err *err)
{
  struct sq_conn *sq = sq_of(stmt->conn);
  struct fed_err why = FED_ERR_INIT;
  bool guard = sq->base.guard_writes;
  int rc = fed_sq_usable(sq, err);

  *done = 0;
  fed_sq_enter(sq, wait);
  if (rc == SQLITE_OK && guard) rc = fed_sq_guard(sq, SQ_GUARD_SET, err);
  if (rc != SQLITE_OK) return rc;
  sq->base.guard_writes = false;
  rc = fed_many_loop(stmt, args, narg, n, 1, done, wait, err);
  sq->base.guard_writes = guard;
  if (!guard || sq->base.ended) return rc;
  if ((rc != SQLITE_OK && fed_sq_guard(sq, SQ_GUARD_BACK, &why) != SQLITE_OK) ||
      fed_sq_guard(sq, SQ_GUARD_RELEASE, &why) != SQLITE_OK) {
    sq->base.broken = true;
    return fed_err_set(err, SQLITE_IOERR, "cannot end a guard: %s", why.msg);
  }
  return rc;
}
