/*
 * trace: a driver that delegates to another and tells of every statement.
 * Nothing else in the tree asks "is tracing on?".
 */
#include <stdatomic.h>

#include "base/mem.h"
#include "drv/drv.h"

struct trace_conn {
  struct fed_conn base; /* first */
  struct fed_conn *inner;
  struct fed_driver drv; /* the inner one's identity, our slots */
  fed_trace_fn *fn;
  void *ctx;
};

struct trace_stmt {
  struct fed_stmt base; /* first */
  struct fed_stmt *inner;
  char *sql;
  bool user; /* prepared without classes: for fed_exec */
  struct fed_trace trace;
  char error[160];
};

static struct trace_conn *trace_of(struct fed_conn *conn)
{
  return (struct trace_conn *)conn;
}

/* What the inner driver found out shows on the outside too. */
static int trace_after(struct trace_conn *t, int rc)
{
  t->base.broken |= t->inner->broken;
  t->base.caps = t->inner->caps;
  t->base.locks = t->inner->locks;
  return rc;
}

static void trace_close(struct fed_conn *conn)
{
  if (!conn) return;
  fed_conn_close(trace_of(conn)->inner);
  fed_free(conn);
}

static void trace_abandon(struct fed_conn *conn)
{
  fed_conn_abandon(trace_of(conn)->inner);
  fed_free(conn);
}

static enum fed_health trace_health(struct fed_conn *conn, bool look)
{
  return fed_conn_health(trace_of(conn)->inner, look);
}

/* Tell of a call that begins and ends here: exec, catalog, describe. */
static int trace_tell(struct trace_conn *t, const char *sql, bool user,
                      int64_t start, int64_t rows, int rc,
                      const struct fed_err *err)
{
  int64_t took = fed_clock_us() - start;
  struct fed_trace trace = {.sql = sql,
                            .user = user,
                            .start_us = start,
                            .first_us = took,
                            .total_us = took,
                            .rows = rows,
                            .error = rc == SQLITE_OK ? NULL : err->msg};

  t->fn(t->ctx, &trace);
  return trace_after(t, rc);
}

static int trace_call(struct trace_conn *t, const char *sql, int64_t start,
                      int64_t rows, int rc, const struct fed_err *err)
{
  return trace_tell(t, sql, false, start, rows, rc, err);
}

static int trace_ping(struct fed_conn *conn, const struct fed_wait *wait,
                      struct fed_err *err)
{
  struct trace_conn *t = trace_of(conn);
  int64_t start = fed_clock_us();

  return trace_call(t, "-- ping", start, 0, fed_conn_ping(t->inner, wait, err),
                    err);
}

static int trace_reset(struct fed_conn *conn, const struct fed_wait *wait,
                       struct fed_err *err)
{
  struct trace_conn *t = trace_of(conn);
  int64_t start = fed_clock_us();

  t->inner->dirty |= conn->dirty; /* who borrowed us marked the wrapper */
  return trace_call(t, "-- reset", start, 0,
                    fed_conn_reset(t->inner, wait, err), err);
}

static int trace_cancel(struct fed_conn *conn, struct fed_err *err)
{
  return fed_conn_cancel(trace_of(conn)->inner, err);
}

static int trace_exec(struct fed_conn *conn, const char *sql,
                      const struct fed_wait *wait, struct fed_err *err)
{
  struct trace_conn *t = trace_of(conn);
  int64_t start = fed_clock_us();

  return trace_call(t, sql, start, 0, fed_conn_exec(t->inner, sql, wait, err),
                    err);
}

/* It may take long, so it shows while it runs. */
static int trace_run(struct fed_conn *conn, const char *sql,
                     const struct fed_wait *wait, struct fed_err *err)
{
  struct trace_conn *t = trace_of(conn);
  struct fed_trace trace = {
    .sql = sql, .user = true, .running = true, .start_us = fed_clock_us()};
  int rc;

  t->fn(t->ctx, &trace);
  t->inner->notes[0] = 0;
  rc = t->inner->drv->run(t->inner, sql, wait, err);
  memcpy(conn->notes, t->inner->notes, sizeof conn->notes);
  trace.running = false;
  trace.first_us = trace.total_us = fed_clock_us() - trace.start_us;
  if (rc != SQLITE_OK) trace.error = err->msg;
  t->fn(t->ctx, &trace);
  return trace_after(t, rc);
}

/* How long each took is not known: all that were run show the whole time. */
static int trace_batch(struct fed_conn *conn, const char *const *sql, int n,
                       int *done, const struct fed_wait *wait,
                       struct fed_err *err)
{
  struct trace_conn *t = trace_of(conn);
  int64_t start = fed_clock_us();
  int rc = fed_conn_batch(t->inner, sql, n, done, wait, err);

  for (int i = 0; i < *done; i++)
    trace_tell(t, sql[i], true, start, 0, SQLITE_OK, err);
  return *done < n ? trace_tell(t, sql[*done], true, start, 0, rc, err)
                   : trace_after(t, rc);
}

static int trace_catalog(struct fed_conn *conn, const struct fed_scope *scope,
                         struct fed_catalog *out, const struct fed_wait *wait,
                         struct fed_err *err)
{
  struct trace_conn *t = trace_of(conn);
  int64_t start = fed_clock_us();
  int had = out->nrel;
  int rc = fed_conn_catalog(t->inner, scope, out, wait, err);

  return trace_call(t, "-- catalog", start, out->nrel - had, rc, err);
}

static int trace_describe(struct fed_conn *conn, const char *sql,
                          struct fed_relation *out, const struct fed_wait *wait,
                          struct fed_err *err)
{
  struct trace_conn *t = trace_of(conn);
  int64_t start = fed_clock_us();
  int rc = fed_conn_describe(t->inner, sql, out, wait, err);

  return trace_call(t, "-- describe", start, out->ncol, rc, err);
}

static int trace_prepare(struct fed_conn *conn, const char *sql,
                         const enum fed_class *want, int nwant, bool bulk,
                         struct fed_stmt **out, const struct fed_wait *wait,
                         struct fed_err *err)
{
  struct trace_conn *t = trace_of(conn);
  struct trace_stmt *stmt = fed_alloc(sizeof *stmt);
  int64_t start = fed_clock_us();
  int rc;

  *out = NULL;
  if (stmt) stmt->sql = fed_strdup(sql);
  if (!stmt || !stmt->sql) {
    fed_free(stmt);
    return fed_err_nomem(err);
  }
  stmt->base.conn = conn;
  stmt->user = want == NULL;
  rc = t->inner->drv->prepare(t->inner, sql, want, nwant, bulk, &stmt->inner,
                              wait, err);
  if (rc != SQLITE_OK) {
    trace_tell(t, sql, want == NULL, start, 0, rc, err);
    fed_free(stmt->sql);
    fed_free(stmt);
    return rc;
  }
  stmt->base.ncol = stmt->inner->ncol;
  *out = &stmt->base;
  return trace_after(t, rc);
}

/* Copy what the inner statement shows; remember its first error. */
static int trace_show(struct trace_stmt *stmt, int rc,
                      const struct fed_err *err)
{
  stmt->base.ncol = stmt->inner->ncol;
  stmt->base.row = stmt->inner->row;
  stmt->base.changes = stmt->inner->changes;
  if (rc != SQLITE_OK && rc != SQLITE_ROW && rc != SQLITE_DONE)
    sqlite3_snprintf((int)sizeof stmt->error, stmt->error, "%s", err->msg);
  return trace_after(trace_of(stmt->base.conn), rc);
}

/* It has ended, and is told of. */
static void trace_end(struct trace_stmt *stmt)
{
  struct trace_conn *t = trace_of(stmt->base.conn);

  if (!stmt->trace.running) return;
  stmt->trace.running = false;
  stmt->trace.total_us = fed_clock_us() - stmt->trace.start_us;
  if (stmt->trace.first_us < 0) stmt->trace.first_us = stmt->trace.total_us;
  if (stmt->error[0]) stmt->trace.error = stmt->error;
  t->fn(t->ctx, &stmt->trace);
}

static int trace_execute(struct fed_stmt *base, const struct fed_value *args,
                         int n, const struct fed_wait *wait,
                         struct fed_err *err)
{
  struct trace_stmt *stmt = (struct trace_stmt *)base;

  trace_end(stmt); /* nobody may see it being made anew */
  memset(&stmt->trace, 0, sizeof stmt->trace);
  stmt->error[0] = 0;
  stmt->trace.sql = stmt->sql;
  stmt->trace.user = stmt->user;
  stmt->trace.start_us = fed_clock_us();
  stmt->trace.first_us = -1;
  stmt->trace.running = true;
  trace_of(base->conn)->fn(trace_of(base->conn)->ctx, &stmt->trace);
  return trace_show(stmt, fed_stmt_execute(stmt->inner, args, n, wait, err),
                    err);
}

/* One writer, any readers: no locked instruction is needed. */
static void trace_row(struct trace_stmt *stmt)
{
  int64_t rows =
    atomic_load_explicit(&stmt->trace.rows, memory_order_relaxed) + 1;

  atomic_store_explicit(&stmt->trace.rows, rows, memory_order_relaxed);
  atomic_store_explicit(&stmt->trace.bytes, stmt->inner->bytes,
                        memory_order_relaxed);
}

static int trace_step(struct fed_stmt *base, const struct fed_wait *wait,
                      struct fed_err *err)
{
  struct trace_stmt *stmt = (struct trace_stmt *)base;
  int rc = fed_stmt_step(stmt->inner, wait, err);

  if (stmt->trace.first_us < 0)
    stmt->trace.first_us = fed_clock_us() - stmt->trace.start_us;
  if (rc == SQLITE_ROW) {
    trace_row(stmt);
    base->row = stmt->inner->row;
    return rc;
  }
  return trace_show(stmt, rc, err);
}

static int trace_stmt_reset(struct fed_stmt *base, const struct fed_wait *wait,
                            struct fed_err *err)
{
  struct trace_stmt *stmt = (struct trace_stmt *)base;
  struct trace_conn *t = trace_of(base->conn);
  int rc = t->inner->drv->stmt_reset(stmt->inner, wait, err);

  trace_end(stmt);
  return trace_after(t, rc);
}

static void trace_finalize(struct fed_stmt *base)
{
  struct trace_stmt *stmt = (struct trace_stmt *)base;

  if (!base) return;
  trace_end(stmt);
  trace_of(base->conn)->inner->drv->finalize(stmt->inner);
  fed_free(stmt->sql);
  fed_free(stmt);
}

static int trace_begin(struct fed_conn *conn, const struct fed_begin *opts,
                       const struct fed_wait *wait, struct fed_err *err)
{
  struct trace_conn *t = trace_of(conn);
  int64_t start = fed_clock_us();
  int rc = fed_conn_begin(t->inner, opts, wait, err);

  memcpy(conn->snapshot, t->inner->snapshot, sizeof conn->snapshot);
  return trace_call(t, opts->read_only ? "BEGIN READ ONLY" : "BEGIN", start, 0,
                    rc, err);
}

static int trace_commit(struct fed_conn *conn, const struct fed_wait *wait,
                        struct fed_err *err)
{
  struct trace_conn *t = trace_of(conn);
  int64_t start = fed_clock_us();

  return trace_call(t, "COMMIT", start, 0, fed_conn_commit(t->inner, wait, err),
                    err);
}

static int trace_rollback(struct fed_conn *conn, const struct fed_wait *wait,
                          struct fed_err *err)
{
  struct trace_conn *t = trace_of(conn);
  int64_t start = fed_clock_us();

  return trace_call(t, "ROLLBACK", start, 0,
                    fed_conn_rollback(t->inner, wait, err), err);
}

static int trace_savepoint(struct fed_conn *conn, int level,
                           const struct fed_wait *wait, struct fed_err *err)
{
  struct trace_conn *t = trace_of(conn);
  int64_t start = fed_clock_us();

  return trace_call(t, "SAVEPOINT", start, 0,
                    fed_conn_savepoint(t->inner, level, wait, err), err);
}

static int trace_release(struct fed_conn *conn, int level,
                         const struct fed_wait *wait, struct fed_err *err)
{
  struct trace_conn *t = trace_of(conn);
  int64_t start = fed_clock_us();

  return trace_call(t, "RELEASE SAVEPOINT", start, 0,
                    fed_conn_release(t->inner, level, wait, err), err);
}

static int trace_rollback_to(struct fed_conn *conn, int level,
                             const struct fed_wait *wait, struct fed_err *err)
{
  struct trace_conn *t = trace_of(conn);
  int64_t start = fed_clock_us();

  return trace_call(t, "ROLLBACK TO SAVEPOINT", start, 0,
                    fed_conn_rollback_to(t->inner, level, wait, err), err);
}

/* Our slots over the inner driver's identity. */
static void trace_driver(struct fed_driver *drv, const struct fed_driver *inner)
{
  *drv = *inner;
  drv->close = trace_close;
  drv->abandon = trace_abandon;
  drv->health = trace_health;
  drv->ping = trace_ping;
  drv->reset = trace_reset;
  drv->cancel = trace_cancel;
  drv->exec = trace_exec;
  drv->run = trace_run;
  if (inner->batch) drv->batch = trace_batch;
  drv->prepare = trace_prepare;
  drv->execute = trace_execute;
  drv->step = trace_step;
  drv->stmt_reset = trace_stmt_reset;
  drv->finalize = trace_finalize;
  drv->begin = trace_begin;
  drv->commit = trace_commit;
  drv->rollback = trace_rollback;
  drv->savepoint = trace_savepoint;
  drv->release = trace_release;
  drv->rollback_to = trace_rollback_to;
  drv->catalog = trace_catalog;
  drv->describe = trace_describe;
}

int fed_trace_wrap(struct fed_conn **out, struct fed_conn *inner,
                   fed_trace_fn *fn, void *ctx, struct fed_err *err)
{
  struct trace_conn *t = fed_alloc(sizeof *t);

  if (!t) return fed_err_nomem(err);
  trace_driver(&t->drv, inner->drv);
  fed_conn_init(&t->base, &t->drv);
  t->base.caps = inner->caps;
  memcpy(t->base.version, inner->version, sizeof t->base.version);
  t->inner = inner;
  t->fn = fn;
  t->ctx = ctx;
  *out = &t->base;
  return SQLITE_OK;
}
