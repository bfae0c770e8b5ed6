/*
 * mysql_many: one statement for many rows of arguments. MariaDB takes them as
 * arrays and runs an INSERT once, an UPDATE or DELETE row after row, but tells
 * only the sum of what they changed. So there is a savepoint in front: if the
 * sum is wrong or something failed, it is all done again row by row, which
 * tells where, and makes the outcome that of the plain way.
 */
#include "drv/mysql.h"

/* What undoing may take (milliseconds). */
#define MY_UNDO 5000

/* Statements of one row each: REPLACE counts what it removed as well. */
static int many_most(const struct fed_mysql_stmt *st)
{
  return st->replaces ? 2 : 1;
}

static int many_execute(struct fed_mysql_stmt *st, struct fed_mysql_rows *rows,
                        const struct fed_wait *wait, struct fed_err *err)
{
  int rc = fed_mysql_rows_execute(fed_mysql_of(st->head.conn), st->stmt, rows,
                                  wait, err);
  my_ulonglong sum;

  if (rc != SQLITE_OK) return rc;
  sum = mysql_stmt_affected_rows(st->stmt);
  if (sum >= (my_ulonglong)rows->n &&
      sum <= (my_ulonglong)rows->n * (unsigned)many_most(st))
    return SQLITE_OK;
  return fed_err_set(err, SQLITE_NOTFOUND, "%lld rows changed instead of %d",
                     (long long)sum, rows->n);
}

static int many_arrays(struct fed_mysql_stmt *st, const struct fed_value *args,
                       int narg, int n, const struct fed_wait *wait,
                       struct fed_err *err)
{
  struct fed_mysql *c = fed_mysql_of(st->head.conn);
  struct fed_mysql_rows rows;
  int rc = fed_mysql_rows_init(&rows, c, narg, n, false, err);

  for (int i = 0; i < n && rc == SQLITE_OK; i++) {
    const struct fed_value *row = args + (size_t)i * (size_t)narg;

    rc = fed_mysql_rows_add(&rows, row, err);
    if (rc != SQLITE_FULL) continue;
    rc = many_execute(st, &rows, wait, err);
    fed_mysql_rows_clear(&rows);
    if (rc == SQLITE_OK) rc = fed_mysql_rows_add(&rows, row, err);
  }
  if (rc == SQLITE_OK) rc = many_execute(st, &rows, wait, err);
  fed_mysql_rows_release(&rows);
  return rc;
}

/* Who gave up waiting wants this all the same. */
static int many_undo(struct fed_mysql *c, struct fed_err *err)
{
  struct fed_wait wait = {.deadline = fed_clock_deadline(MY_UNDO)};
  struct fed_err why = FED_ERR_INIT;

  if (c->head.broken || c->head.ended) return err->rc;
  if (fed_mysql_run_exec(c, "ROLLBACK TO SAVEPOINT fed_many", &wait, &why) ==
      SQLITE_OK)
    return SQLITE_OK;
  c->head.broken = true;
  fed_err_suffix(err, "; it cannot be undone: %s", why.msg);
  return err->rc;
}

/* Would doing it again, row by row, tell more? */
static bool many_again(const struct fed_mysql *c, int rc)
{
  return !c->head.broken && !c->head.ended && rc != SQLITE_BUSY &&
         rc != SQLITE_INTERRUPT && rc != SQLITE_NOMEM;
}

/* By arrays; SQLITE_FULL, after it was undone: do it row by row. */
static int many_fast(struct fed_mysql_stmt *st, const struct fed_value *args,
                     int narg, int n, const struct fed_wait *wait,
                     struct fed_err *err)
{
  struct fed_mysql *c = fed_mysql_of(st->head.conn);
  int rc = many_arrays(st, args, narg, n, wait, err);
  bool again = rc != SQLITE_OK && many_again(c, rc);

  if (rc == SQLITE_OK || (!again && !c->head.guard_writes)) return rc;
  if (many_undo(c, err) != SQLITE_OK || !again) return rc;
  fed_err_clear(err);
  return SQLITE_FULL;
}

int fed_mysql_execute_many(struct fed_stmt *stmt, const struct fed_value *args,
                           int narg, int n, int *done,
                           const struct fed_wait *wait, struct fed_err *err)
{
  struct fed_mysql_stmt *st = FED_CONTAINER(stmt, struct fed_mysql_stmt, head);
  struct fed_mysql *c = fed_mysql_of(stmt->conn);
  bool fast = n > 1 && narg > 0 && stmt->ncol == 0 && st->stmt &&
              narg == st->narg && fed_mysql_lib_bulk(st->stmt);
  int rc = fed_mysql_may_execute(st, err);

  *done = 0;
  if (rc == SQLITE_OK && (fast || c->head.guard_writes))
    rc = fed_mysql_run_exec(c, "SAVEPOINT fed_many", wait, err);
  if (rc != SQLITE_OK) return rc;
  if (fast) {
    rc = many_fast(st, args, narg, n, wait, err);
    *done = rc == SQLITE_OK ? n : -1;
    if (rc != SQLITE_FULL) return rc;
  }
  rc = fed_many_loop(stmt, args, narg, n, many_most(st), done, wait, err);
  if (rc != SQLITE_OK && c->head.guard_writes) many_undo(c, err);
  return rc;
}
