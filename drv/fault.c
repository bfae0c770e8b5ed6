/*
 * fault: a driver that delegates to another, and fails when told to. Built
 * for tests only. Each slot that may fail in life asks fed_fault_hit first;
 * a failed call leaves the connection broken, as a lost one would be.
 */
#include "base/mem.h"
#include "drv/drv.h"

#ifndef FED_TEST
#  error "fault.c belongs to test builds"
#endif

/* The driver of one connection: the inner slots, reached through a copy. */
struct fault_conn {
  struct fed_driver drv; /* first */
  const struct fed_driver *inner;
};

static const struct fed_driver *fault_inner(const struct fed_conn *conn)
{
  return ((const struct fault_conn *)conn->drv)->inner;
}

/* Give the connection its own driver back; free ours. */
static const struct fed_driver *fault_unwrap(struct fed_conn *conn)
{
  const struct fed_driver *inner = fault_inner(conn);

  fed_free((void *)(uintptr_t)conn->drv);
  conn->drv = inner;
  return inner;
}

static int fault_fail(struct fed_conn *conn, const char *what,
                      struct fed_err *err)
{
  conn->broken = true;
  return fed_err_set(err, SQLITE_IOERR, "injected fault in %s", what);
}

static void fault_close(struct fed_conn *conn)
{
  fault_unwrap(conn)->close(conn);
}

static void fault_abandon(struct fed_conn *conn)
{
  fault_unwrap(conn)->abandon(conn);
}

static int fault_ping(struct fed_conn *conn, const struct fed_wait *wait,
                      struct fed_err *err)
{
  if (fed_fault_hit(FED_FAULT_CALL)) return fault_fail(conn, "ping", err);
  return fault_inner(conn)->ping(conn, wait, err);
}

static int fault_reset(struct fed_conn *conn, const struct fed_wait *wait,
                       struct fed_err *err)
{
  if (fed_fault_hit(FED_FAULT_CALL)) return fault_fail(conn, "reset", err);
  return fault_inner(conn)->reset(conn, wait, err);
}

static int fault_exec(struct fed_conn *conn, const char *sql,
                      const struct fed_wait *wait, struct fed_err *err)
{
  if (fed_fault_hit(FED_FAULT_CALL)) return fault_fail(conn, "exec", err);
  return fault_inner(conn)->exec(conn, sql, wait, err);
}

static int fault_run(struct fed_conn *conn, const char *sql,
                     const struct fed_wait *wait, struct fed_err *err)
{
  if (fed_fault_hit(FED_FAULT_CALL)) return fault_fail(conn, "run", err);
  return fault_inner(conn)->run(conn, sql, wait, err);
}

static int fault_batch(struct fed_conn *conn, const char *const *sql, int n,
                       int *done, const struct fed_wait *wait,
                       struct fed_err *err)
{
  if (fed_fault_hit(FED_FAULT_CALL)) return fault_fail(conn, "batch", err);
  return fault_inner(conn)->batch(conn, sql, n, done, wait, err);
}

static int fault_prepare(struct fed_conn *conn, const char *sql,
                         const enum fed_class *want, int nwant, bool bulk,
                         struct fed_stmt **out, const struct fed_wait *wait,
                         struct fed_err *err)
{
  *out = NULL;
  if (fed_fault_hit(FED_FAULT_CALL)) return fault_fail(conn, "prepare", err);
  return fault_inner(conn)->prepare(conn, sql, want, nwant, bulk, out, wait,
                                    err);
}

static int fault_execute(struct fed_stmt *stmt, const struct fed_value *args,
                         int n, const struct fed_wait *wait,
                         struct fed_err *err)
{
  if (fed_fault_hit(FED_FAULT_CALL))
    return fault_fail(stmt->conn, "execute", err);
  return fault_inner(stmt->conn)->execute(stmt, args, n, wait, err);
}

static int fault_execute_many(struct fed_stmt *stmt,
                              const struct fed_value *args, int narg, int n,
                              int *done, const struct fed_wait *wait,
                              struct fed_err *err)
{
  *done = 0;
  if (fed_fault_hit(FED_FAULT_CALL))
    return fault_fail(stmt->conn, "execute of many", err);
  return fault_inner(stmt->conn)
    ->execute_many(stmt, args, narg, n, done, wait, err);
}

static int fault_load_begin(struct fed_conn *conn,
                            const struct fed_relation *rel,
                            const int16_t *column, int ncol,
                            const struct fed_wait *wait, struct fed_err *err)
{
  if (fed_fault_hit(FED_FAULT_CALL)) return fault_fail(conn, "load", err);
  return fault_inner(conn)->load_begin(conn, rel, column, ncol, wait, err);
}

static int fault_load_row(struct fed_conn *conn, const struct fed_value *row,
                          const struct fed_wait *wait, struct fed_err *err)
{
  if (fed_fault_hit(FED_FAULT_CALL)) return fault_fail(conn, "load row", err);
  return fault_inner(conn)->load_row(conn, row, wait, err);
}

static int fault_load_end(struct fed_conn *conn, bool keep,
                          const struct fed_wait *wait, struct fed_err *err)
{
  if (fed_fault_hit(FED_FAULT_CALL)) return fault_fail(conn, "load end", err);
  return fault_inner(conn)->load_end(conn, keep, wait, err);
}

static int fault_step(struct fed_stmt *stmt, const struct fed_wait *wait,
                      struct fed_err *err)
{
  if (fed_fault_hit(FED_FAULT_CALL)) return fault_fail(stmt->conn, "step", err);
  return fault_inner(stmt->conn)->step(stmt, wait, err);
}

static int fault_stmt_reset(struct fed_stmt *stmt, const struct fed_wait *wait,
                            struct fed_err *err)
{
  int rc = fault_inner(stmt->conn)->stmt_reset(stmt, wait, err);

  if (fed_fault_hit(FED_FAULT_CALL))
    return fault_fail(stmt->conn, "statement reset", err);
  return rc;
}

static int fault_begin(struct fed_conn *conn, const struct fed_begin *opts,
                       const struct fed_wait *wait, struct fed_err *err)
{
  if (fed_fault_hit(FED_FAULT_CALL)) return fault_fail(conn, "begin", err);
  return fault_inner(conn)->begin(conn, opts, wait, err);
}

static int fault_commit(struct fed_conn *conn, const struct fed_wait *wait,
                        struct fed_err *err)
{
  if (fed_fault_hit(FED_FAULT_CALL)) return fault_fail(conn, "commit", err);
  return fault_inner(conn)->commit(conn, wait, err);
}

static int fault_rollback(struct fed_conn *conn, const struct fed_wait *wait,
                          struct fed_err *err)
{
  if (fed_fault_hit(FED_FAULT_CALL)) return fault_fail(conn, "rollback", err);
  return fault_inner(conn)->rollback(conn, wait, err);
}

static int fault_catalog(struct fed_conn *conn, const struct fed_scope *scope,
                         struct fed_catalog *out, const struct fed_wait *wait,
                         struct fed_err *err)
{
  if (fed_fault_hit(FED_FAULT_CALL)) return fault_fail(conn, "catalog", err);
  return fault_inner(conn)->catalog(conn, scope, out, wait, err);
}

static int fault_describe(struct fed_conn *conn, const char *sql,
                          struct fed_relation *out, const struct fed_wait *wait,
                          struct fed_err *err)
{
  if (fed_fault_hit(FED_FAULT_CALL)) return fault_fail(conn, "describe", err);
  return fault_inner(conn)->describe(conn, sql, out, wait, err);
}

int fed_fault_wrap(struct fed_conn **out, struct fed_conn *inner,
                   struct fed_err *err)
{
  struct fault_conn *f = fed_alloc(sizeof *f);

  if (!f) return fed_err_nomem(err);
  f->inner = inner->drv;
  f->drv = *inner->drv;
  f->drv.close = fault_close;
  f->drv.abandon = fault_abandon;
  f->drv.ping = fault_ping;
  f->drv.reset = fault_reset;
  f->drv.exec = fault_exec;
  f->drv.run = fault_run;
  if (f->drv.batch) f->drv.batch = fault_batch;
  f->drv.prepare = fault_prepare;
  f->drv.execute = fault_execute;
  if (f->drv.execute_many) f->drv.execute_many = fault_execute_many;
  if (f->drv.load_begin) {
    f->drv.load_begin = fault_load_begin;
    f->drv.load_row = fault_load_row;
    f->drv.load_end = fault_load_end;
  }
  f->drv.step = fault_step;
  f->drv.stmt_reset = fault_stmt_reset;
  f->drv.begin = fault_begin;
  f->drv.commit = fault_commit;
  f->drv.rollback = fault_rollback;
  f->drv.catalog = fault_catalog;
  f->drv.describe = fault_describe;
  inner->drv = &f->drv;
  *out = inner;
  return SQLITE_OK;
}
