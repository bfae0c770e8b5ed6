/*
 * trace: a driver that delegates to another and tells of every statement.
 * Nothing else in the tree asks "is tracing on?".
 */
#include <stdatomic.h>

#include "base/mem.h"
#include "drv/dialect.h"
#include "drv/drv.h"

struct trace_conn {
  struct fed_conn base; /* first */
  struct fed_conn *inner;
  struct fed_driver drv; /* the inner one's identity, our slots */
  fed_trace_fn *fn;
  void *ctx;
  struct fed_trace load; /* the load that is open, if running */
  struct fed_str load_sql;
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
  t->base.ended = t->inner->ended;
  return rc;
}

/* What who uses the wrapper has set on it is meant for the inner one. */
static struct fed_conn *trace_before(struct trace_conn *t)
{
  t->inner->guard_writes = t->base.guard_writes;
  return t->inner;
}

/* The load has ended, and is told of; `error` is NULL when it went well. */
static void trace_load_end(struct trace_conn *t, const char *error)
{
  if (!t->load.running) return;
  t->load.running = false;
  t->load.total_us = fed_clock_us() - t->load.start_us;
  if (t->load.first_us < 0) t->load.first_us = t->load.total_us;
  t->load.error = error;
  t->fn(t->ctx, &t->load);
  fed_str_release(&t->load_sql);
}

static void trace_close(struct fed_conn *conn)
{
  if (!conn) return;
  trace_load_end(trace_of(conn), "connection closed");
  fed_conn_close(trace_of(conn)->inner);
  fed_free(conn);
}

static void trace_abandon(struct fed_conn *conn)
{
  if (trace_of(conn)->load.running) fed_str_release(&trace_of(conn)->load_sql);
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

  return trace_call(t, sql, start, 0,
                    fed_conn_exec(trace_before(t), sql, wait, err), err);
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
  trace_before(t)->notes[0] = 0;
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
  int rc = fed_conn_batch(trace_before(t), sql, n, done, wait, err);

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
  stmt->base.number = stmt->inner->number;
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

static void trace_start(struct trace_stmt *stmt)
{
  struct trace_conn *t = trace_of(stmt->base.conn);

  trace_before(t);
  trace_end(stmt); /* nobody may see it being made anew */
  memset(&stmt->trace, 0, sizeof stmt->trace);
  stmt->error[0] = 0;
  stmt->trace.sql = stmt->sql;
  stmt->trace.user = stmt->user;
  stmt->trace.start_us = fed_clock_us();
  stmt->trace.first_us = -1;
  stmt->trace.running = true;
  t->fn(t->ctx, &stmt->trace);
}

static int trace_execute(struct fed_stmt *base, const struct fed_value *args,
                         int n, const struct fed_wait *wait,
                         struct fed_err *err)
{
  struct trace_stmt *stmt = (struct trace_stmt *)base;

  trace_start(stmt);
  return trace_show(stmt, fed_stmt_execute(stmt->inner, args, n, wait, err),
                    err);
}

static int trace_execute_many(struct fed_stmt *base,
                              const struct fed_value *args, int narg, int n,
                              int *done, const struct fed_wait *wait,
                              struct fed_err *err)
{
  struct trace_stmt *stmt = (struct trace_stmt *)base;
  int rc;

  trace_start(stmt);
  rc = trace_show(
    stmt, fed_stmt_execute_many(stmt->inner, args, narg, n, done, wait, err),
    err);
  trace_end(stmt);
  return rc;
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

/* One entry for all of it: it shows while it runs, with the rows so far. */
static int trace_load_begin(struct fed_conn *conn,
                            const struct fed_relation *rel,
                            const int16_t *column, int ncol,
                            const struct fed_wait *wait, struct fed_err *err)
{
  struct trace_conn *t = trace_of(conn);
  int rc;

  trace_load_end(t, "given up");
  fed_str_init(&t->load_sql, FED_STR_SQL);
  fed_str_add(&t->load_sql, "COPY ");
  fed_dialect_relation(t->inner->drv->dialect, &t->load_sql, rel);
  fed_str_add(&t->load_sql, " FROM STDIN");
  if (fed_str_err(&t->load_sql, err) != SQLITE_OK) {
    fed_str_release(&t->load_sql);
    return err->rc;
  }
  memset(&t->load, 0, sizeof t->load);
  t->load.sql = t->load_sql.s;
  t->load.start_us = fed_clock_us();
  t->load.first_us = -1;
  t->load.running = true;
  t->fn(t->ctx, &t->load);
  rc = fed_conn_load_begin(trace_before(t), rel, column, ncol, wait, err);
  if (rc != SQLITE_OK) trace_load_end(t, err->msg);
  return trace_after(t, rc);
}

static int trace_load_row(struct fed_conn *conn, const struct fed_value *row,
                          const struct fed_wait *wait, struct fed_err *err)
{
  struct trace_conn *t = trace_of(conn);
  int rc = fed_conn_load_row(t->inner, row, wait, err);

  if (t->load.first_us < 0)
    t->load.first_us = fed_clock_us() - t->load.start_us;
  if (rc == SQLITE_OK) {
    atomic_fetch_add_explicit(&t->load.rows, 1, memory_order_relaxed);
    return rc;
  }
  trace_load_end(t, err->msg);
  return trace_after(t, rc);
}

static int trace_load_finish(struct fed_conn *conn, bool keep,
                             const struct fed_wait *wait, struct fed_err *err)
{
  struct trace_conn *t = trace_of(conn);
  int rc = fed_conn_load_end(t->inner, keep, wait, err);

  trace_load_end(t, rc != SQLITE_OK ? err->msg : keep ? NULL : "given up");
  return trace_after(t, rc);
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

  trace_load_end(t, "given up");
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

  trace_load_end(t, "given up");
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
  if (inner->execute_many) drv->execute_many = trace_execute_many;
  if (inner->load_begin) {
    drv->load_begin = trace_load_begin;
    drv->load_row = trace_load_row;
    drv->load_end = trace_load_finish;
  }
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
  t->base.ended = inner->ended;
  t->base.guard_writes = inner->guard_writes;
  memcpy(t->base.version, inner->version, sizeof t->base.version);
  t->inner = inner;
  t->fn = fn;
  t->ctx = ctx;
  *out = &t->base;
  return SQLITE_OK;
}
