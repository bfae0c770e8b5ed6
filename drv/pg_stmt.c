/*
 * pg_stmt: prepared statements: bind, run, decode row after row.
 *
 * Parameters go as text and the server converts them to the type that the
 * SQL gives them; only BLOB goes as bytes. Results come in binary, one
 * PGresult a row (single-row mode), so that memory is bounded by the row.
 *
 * The types of the result are compared with what was asked for at every
 * execution, when its first result is here: that is where a table altered
 * under us shows (traps 2).
 */
#include <math.h>
#include <stdio.h>
#include <strings.h>

#include "base/mem.h"
#include "drv/pg.h"

#define PG_ARG_KEEP 65536 /* argument memory kept between executions */
#define PG_DRAIN_MS 2     /* reading on may be cheaper than cancelling */

enum pg_state {
  PG_STMT_IDLE,
  PG_STMT_FIRST, /* executed; `res` is the first result, not yet stepped */
  PG_STMT_ROWS,  /* `res` is the row last given */
  PG_STMT_DONE,  /* all read; only reset remains */
};

struct fed_pg_stmt {
  struct fed_stmt base; /* first */
  enum pg_state state;
  unsigned id; /* fed<id> on the server */
  unsigned generation;
  bool text;            /* results in text format */
  bool reading;         /* a SELECT: to cancel it undoes nothing */
  int nparams;          /* placeholders in the text */
  enum fed_class *want; /* NULL: by the type on the wire */
  int nwant;
  struct fed_pg_col *col;
  PGresult *res;

  char *arg; /* the arguments' text */
  size_t arg_room;
  int nargs; /* room in the arrays */
  const char **values;
  int *lengths;
  int *formats;
};

static struct fed_pg_stmt *pg_stmt_of(struct fed_stmt *stmt)
{
  return (struct fed_pg_stmt *)stmt;
}

/* ---- prepare ----------------------------------------------------------- */

/* Some type with a binary form of its own: have the server print all. */
static bool pg_needs_text(const PGresult *described)
{
  for (int i = 0; i < PQnfields(described); i++)
    if (!fed_pg_decoder(FED_CLASS_COUNT, PQftype(described, i),
                        PQfmod(described, i), false))
      return true;
  return false;
}

static int pg_check_column(struct fed_pg_stmt *st, const PGresult *res, int i,
                           struct fed_err *err)
{
  struct fed_pg_col *col = &st->col[i];
  enum fed_class want = st->want ? st->want[i] : FED_CLASS_COUNT;

  col->oid = PQftype(res, i);
  col->fmod = PQfmod(res, i);
  col->decode = fed_pg_decoder(want, col->oid, col->fmod, st->text);
  if (col->decode) return SQLITE_OK;
  return fed_err_set(
    err, SQLITE_SCHEMA, "column '%s' is now %s (type oid %u), not %s",
    PQfname(res, i), fed_class_name(fed_pg_class(col->oid, col->fmod)),
    col->oid, st->want ? fed_class_name(want) : "as when prepared");
}

/* Is every column of `res` decodable to what was asked for? */
static int pg_check_columns(struct fed_pg_stmt *st, const PGresult *res,
                            struct fed_err *err)
{
  int n = PQnfields(res);

  if (n != st->base.ncol)
    return fed_err_set(err, SQLITE_SCHEMA, "the result has %d columns, not %d",
                       n, st->base.ncol);
  for (int i = 0; i < n; i++) {
    struct fed_pg_col *col = &st->col[i];
    int rc;

    if (col->decode && col->oid == PQftype(res, i) &&
        col->fmod == PQfmod(res, i))
      continue;
    col->decode = NULL;
    rc = pg_check_column(st, res, i, err);
    if (rc != SQLITE_OK) return rc;
  }
  return SQLITE_OK;
}

/* WITH may hold an INSERT, so it does not count. */
static bool pg_is_reading(const char *sql)
{
  sql += strspn(sql, " \t\r\n(");
  return strncasecmp(sql, "SELECT", 6) == 0 ||
         strncasecmp(sql, "VALUES", 6) == 0 ||
         strncasecmp(sql, "TABLE", 5) == 0;
}

static struct fed_pg_stmt *pg_stmt_new(struct fed_pg_conn *pg, const char *sql,
                                       const enum fed_class *want, int nwant)
{
  struct fed_pg_stmt *st = fed_alloc(sizeof *st);

  if (!st) return NULL;
  st->base.conn = &pg->base;
  fed_list_init(&st->base.link);
  st->id = ++pg->serial;
  st->generation = pg->generation - 1; /* not on the server yet */
  st->reading = pg_is_reading(sql);
  if (!want) return st;
  st->want = fed_calloc((size_t)nwant + 1, sizeof *want);
  if (st->want) {
    memcpy(st->want, want, sizeof *want * (size_t)nwant);
    st->nwant = nwant;
    return st;
  }
  fed_pg_finalize(&st->base);
  return NULL;
}

static int pg_stmt_columns(struct fed_pg_stmt *st, const PGresult *described,
                           struct fed_err *err)
{
  size_t n = (size_t)PQnfields(described);

  if (st->want && st->nwant != (int)n)
    return fed_err_set(err, SQLITE_SCHEMA, "the result has %d columns, not %d",
                       (int)n, st->nwant);
  st->col = fed_calloc(n + 1, sizeof *st->col);
  st->base.row = fed_calloc(n + 1, sizeof *st->base.row);
  if (!st->col || !st->base.row) return fed_err_nomem(err);
  st->base.ncol = (int)n;
  st->nparams = PQnparams(described);
  st->text = !st->want && pg_needs_text(described);
  return pg_check_columns(st, described, err);
}

/*
 * The description comes in the same round trip. So a result of other types
 * than wanted is refused before an INSERT ... RETURNING has run.
 */
int fed_pg_prepare(struct fed_conn *conn, const char *sql,
                   const enum fed_class *want, int nwant, struct fed_stmt **out,
                   const struct fed_wait *wait, struct fed_err *err)
{
  struct fed_pg_conn *pg = fed_pg_of(conn);
  struct fed_pg_stmt *st = pg_stmt_new(pg, sql, want, nwant);
  PGresult *described = NULL;
  char name[24];
  int rc;

  *out = NULL;
  if (!st) return fed_err_nomem(err);
  snprintf(name, sizeof name, "fed%u", st->id);
  rc = fed_pg_parse(pg, name, sql, &described, wait, err);
  /* A wait that ended early leaves open whether the statement is there. */
  if (rc == SQLITE_OK || rc == SQLITE_BUSY || rc == SQLITE_INTERRUPT)
    st->generation = pg->generation;
  if (rc == SQLITE_OK) rc = pg_stmt_columns(st, described, err);
  PQclear(described);
  if (rc == SQLITE_OK)
    *out = &st->base;
  else
    fed_pg_finalize(&st->base);
  return rc;
}

/* ---- arguments --------------------------------------------------------- */

/* Bytes of argument memory that a value needs; 0: its own bytes do. */
static size_t pg_arg_size(const struct fed_value *v)
{
  switch (v->type) {
  case FED_INT:
  case FED_REAL:
    return 32;
  case FED_TEXT:
    return v->cstr ? 0 : (size_t)v->size + 1;
  case FED_NULL:
  case FED_BLOB:
    break;
  }
  return 0;
}

static int pg_arg_check(const struct fed_value *args, int n, size_t *size,
                        struct fed_err *err)
{
  *size = 0;
  if (n > 65535)
    return fed_err_set(err, SQLITE_RANGE, "%d parameters: 65535 are allowed",
                       n);
  for (int i = 0; i < n; i++) {
    const struct fed_value *v = &args[i];

    if ((v->type == FED_TEXT || v->type == FED_BLOB) && v->size > INT32_MAX)
      return fed_err_set(err, SQLITE_TOOBIG, "parameter %d is above 2 GB",
                         i + 1);
    if (v->type == FED_TEXT && !v->cstr && v->size > 0 &&
        memchr(v->p, 0, (size_t)v->size))
      return fed_err_set(err, SQLITE_MISMATCH,
                         "parameter %d is text with a NUL inside, which "
                         "PostgreSQL cannot store: pass it as a blob",
                         i + 1);
    *size += pg_arg_size(v);
  }
  return SQLITE_OK;
}

static int pg_arg_room(struct fed_pg_stmt *st, int n, size_t size,
                       struct fed_err *err)
{
  size_t count = n > 0 ? (size_t)n : 1;

  if (size > st->arg_room) {
    fed_free(st->arg);
    st->arg_room = 0;
    st->arg = fed_alloc(size);
    if (!st->arg) return fed_err_nomem(err);
    st->arg_room = size;
  }
  if (n <= st->nargs) return SQLITE_OK;
  fed_free(st->values);
  fed_free(st->lengths);
  fed_free(st->formats);
  st->nargs = 0;
  st->values = fed_calloc(count, sizeof *st->values);
  st->lengths = fed_calloc(count, sizeof *st->lengths);
  st->formats = fed_calloc(count, sizeof *st->formats);
  if (!st->values || !st->lengths || !st->formats) return fed_err_nomem(err);
  st->nargs = n;
  return SQLITE_OK;
}

/*
 * 17 significant digits give the same double back. The decimal point is that
 * of the host's locale, one byte or more: whatever cannot be part of a number
 * in C is the point.
 */
static void pg_put_real(char *to, double r)
{
  char tmp[64];
  bool in_point = false;

  if (isinf(r)) {
    snprintf(to, 32, "%s", r > 0 ? "Infinity" : "-Infinity");
    return;
  }
  snprintf(tmp, sizeof tmp, "%.17g", r);
  for (const char *p = tmp; *p; p++) {
    if (strchr("0123456789+-e", *p)) {
      *to++ = *p;
      in_point = false;
    } else if (!in_point) {
      *to++ = '.';
      in_point = true;
    }
  }
  *to = 0;
}

static void pg_bind_one(struct fed_pg_stmt *st, int i,
                        const struct fed_value *v, char *to)
{
  st->formats[i] = 0;
  st->lengths[i] = 0;
  st->values[i] = to;
  switch (v->type) {
  case FED_NULL:
    st->values[i] = NULL;
    break;
  case FED_INT:
    sqlite3_snprintf(32, to, "%lld", (long long)v->i);
    break;
  case FED_REAL:
    pg_put_real(to, v->r);
    break;
  case FED_TEXT:
    if (v->cstr) {
      st->values[i] = v->p;
      break;
    }
    if (v->size > 0) memcpy(to, v->p, (size_t)v->size);
    to[v->size] = 0;
    break;
  case FED_BLOB:
    /* A NULL pointer would mean NULL, even with length 0. */
    st->values[i] = v->size > 0 ? v->p : "";
    st->lengths[i] = (int)v->size;
    st->formats[i] = 1;
    break;
  }
}

static int pg_bind(struct fed_pg_stmt *st, const struct fed_value *args, int n,
                   struct fed_err *err)
{
  size_t size, at = 0;
  int rc;

  /* To the server it would be a fault of the protocol, not of the user. */
  if (n != st->nparams)
    return fed_err_set(err, SQLITE_RANGE, "%d arguments for %d parameters", n,
                       st->nparams);
  rc = pg_arg_check(args, n, &size, err);

  if (rc == SQLITE_OK) rc = pg_arg_room(st, n, size, err);
  if (rc != SQLITE_OK) return rc;
  for (int i = 0; i < n; i++) {
    pg_bind_one(st, i, &args[i], st->arg + at);
    at += pg_arg_size(&args[i]);
  }
  return SQLITE_OK;
}

/* ---- end of an execution ----------------------------------------------- */

static void pg_idle(struct fed_pg_stmt *st, enum pg_state state)
{
  struct fed_pg_conn *pg = fed_pg_of(st->base.conn);

  PQclear(st->res);
  st->res = NULL;
  st->state = state;
  if (pg->active == st) pg->active = NULL;
  if (st->arg_room <= PG_ARG_KEEP) return;
  fed_free(st->arg);
  st->arg = NULL;
  st->arg_room = 0;
}

/* Rows that are here already, without waiting. True at the end. */
static bool pg_drain_some(struct fed_pg_conn *pg)
{
  struct fed_err ignored = FED_ERR_INIT;
  struct fed_wait now = {0, NULL, NULL};
  int64_t until = fed_clock_ms() + PG_DRAIN_MS;

  for (;;) {
    PGresult *res;
    ExecStatusType status;

    if (PQisBusy(pg->link) && fed_clock_ms() > until) return false;
    /* The last message of a small result is often still in the socket. */
    if (PQisBusy(pg->link)) PQconsumeInput(pg->link);
    if (fed_pg_next(pg, &now, &res, &ignored) != SQLITE_OK) return false;
    if (!res) return true;
    status = PQresultStatus(res);
    if (status == PGRES_FATAL_ERROR) fed_pg_fail(pg, res, &ignored);
    PQclear(res);
    if (pg->base.broken) return false;
    if (status == PGRES_COPY_IN || status == PGRES_COPY_OUT) return false;
  }
}

/*
 * End what runs. Outside a transaction a SELECT is cancelled when more than a
 * few rows are left; anything else might be undone by that and is read to its
 * end. Inside a transaction without a guard reading is put off: see struct
 * fed_pg_conn.
 */
static int pg_stop(struct fed_pg_stmt *st, bool in_tx,
                   const struct fed_wait *wait, struct fed_err *err)
{
  struct fed_pg_conn *pg = fed_pg_of(st->base.conn);
  struct fed_pg_done done = {.ended = false};

  pg_idle(st, PG_STMT_IDLE);
  if (pg->base.broken || pg_drain_some(pg)) return SQLITE_OK;
  if (pg->base.broken) return SQLITE_OK;
  pg->leftover = true;
  if (in_tx && !pg->guarded) return SQLITE_OK;
  if (!st->reading) return fed_pg_finish(pg, wait, NULL, NULL, &done, err);
  fed_pg_abort(pg, &done);
  if (done.ended) return SQLITE_OK;
  return fed_err_set(err, SQLITE_IOERR, "cannot stop the statement that runs");
}

/* An error result has been taken: read to the end of the command. */
static int pg_end_error(struct fed_pg_stmt *st, const struct fed_wait *wait,
                        struct fed_err *err)
{
  struct fed_pg_conn *pg = fed_pg_of(st->base.conn);
  struct fed_pg_done done = {.ended = false};
  struct fed_err later = FED_ERR_INIT;

  if (!pg->base.broken) fed_pg_finish(pg, wait, NULL, NULL, &done, &later);
  pg_idle(st, PG_STMT_IDLE);
  return err->rc;
}

int fed_pg_stmt_reset(struct fed_stmt *stmt, const struct fed_wait *wait,
                      struct fed_err *err)
{
  struct fed_pg_stmt *st = pg_stmt_of(stmt);
  struct fed_pg_conn *pg = fed_pg_of(stmt->conn);

  if (pg->active != st || pg->base.broken) {
    pg_idle(st, PG_STMT_IDLE);
    return SQLITE_OK;
  }
  return pg_stop(st, pg->in_tx, wait, err);
}

void fed_pg_finalize(struct fed_stmt *stmt)
{
  struct fed_pg_stmt *st;
  struct fed_pg_conn *pg;

  if (!stmt) return;
  st = pg_stmt_of(stmt);
  pg = fed_pg_of(stmt->conn);
  if (pg->active == st) pg->leftover = true;
  pg_idle(st, PG_STMT_IDLE);
  if (st->generation == pg->generation) fed_pg_forget(pg, st->id);
  for (int i = 0; st->col && i < st->base.ncol; i++)
    fed_free(st->col[i].buf);
  fed_free(st->col);
  fed_free(st->base.row);
  fed_free(st->want);
  fed_free(st->arg);
  fed_free(st->values);
  fed_free(st->lengths);
  fed_free(st->formats);
  fed_free(st);
}

/* ---- execute ----------------------------------------------------------- */

/* The command is sent: wait for its first result and look at it. */
static int pg_first(struct fed_pg_stmt *st, const struct fed_wait *wait,
                    struct fed_err *err)
{
  struct fed_pg_conn *pg = fed_pg_of(st->base.conn);
  int rc = fed_pg_next(pg, wait, &st->res, err);

  if (rc != SQLITE_OK) return rc;
  switch (PQresultStatus(st->res)) {
  case PGRES_SINGLE_TUPLE:
  case PGRES_TUPLES_OK:
  case PGRES_COMMAND_OK:
  case PGRES_EMPTY_QUERY:
    st->state = PG_STMT_FIRST;
    rc = pg_check_columns(st, st->res, err);
    if (rc != SQLITE_OK) {
      struct fed_err later = FED_ERR_INIT;

      pg_stop(st, pg->in_tx, wait, &later);
    }
    return rc;
  case PGRES_COPY_IN:
  case PGRES_COPY_OUT:
  case PGRES_COPY_BOTH:
    rc = fed_pg_end_copy(pg, st->res, wait, err);
    if (rc != SQLITE_OK) return rc;
    break;
  case PGRES_PIPELINE_SYNC:
  case PGRES_PIPELINE_ABORTED:
  case PGRES_BAD_RESPONSE:
  case PGRES_NONFATAL_ERROR:
  case PGRES_FATAL_ERROR:
    fed_pg_fail(pg, st->res, err);
    break;
  }
  return pg_end_error(st, wait, err);
}

/* The wait ended before the first result. A command that had succeeded by
 * then, an UPDATE say, has succeeded: it is no error that we gave up. */
static int pg_give_up(struct fed_pg_stmt *st, struct fed_err *err)
{
  struct fed_pg_conn *pg = fed_pg_of(st->base.conn);
  struct fed_pg_done done = {.ended = false};

  fed_pg_abort(pg, &done);
  pg_idle(st, PG_STMT_IDLE);
  if (!done.ended || !done.tag[0] || st->base.ncol > 0) return err->rc;
  fed_err_clear(err);
  st->base.changes = done.changes;
  st->state = PG_STMT_DONE;
  return SQLITE_OK;
}

int fed_pg_execute(struct fed_stmt *stmt, const struct fed_value *args, int n,
                   const struct fed_wait *wait, struct fed_err *err)
{
  struct fed_pg_stmt *st = pg_stmt_of(stmt);
  struct fed_pg_conn *pg = fed_pg_of(stmt->conn);
  char name[24];
  int rc;

  if (st->state != PG_STMT_IDLE)
    return fed_err_set(err, SQLITE_MISUSE, "the statement was not reset");
  stmt->changes = 0;
  rc = fed_pg_ready(pg, false, wait, err);
  if (rc == SQLITE_OK) rc = pg_bind(st, args, n, err);
  if (rc != SQLITE_OK) return rc;
  pg->in_tx = PQtransactionStatus(pg->link) != PQTRANS_IDLE;
  snprintf(name, sizeof name, "fed%u", st->id);
  if (!PQsendQueryPrepared(pg->link, name, n, st->values, st->lengths,
                           st->formats, !st->text))
    return fed_pg_fail(pg, NULL, err);
  PQsetSingleRowMode(pg->link);
  pg->active = st;
  rc = fed_pg_flush(pg, wait, err);
  if (rc == SQLITE_OK) rc = pg_first(st, wait, err);
  if (rc != SQLITE_OK && pg->active == st) rc = pg_give_up(st, err);
  return rc;
}

/* ---- step -------------------------------------------------------------- */

static int pg_decode_row(struct fed_pg_stmt *st, struct fed_err *err)
{
  for (int i = 0; i < st->base.ncol; i++) {
    struct fed_value *v = &st->base.row[i];
    int rc;

    if (PQgetisnull(st->res, 0, i)) {
      *v = fed_value_null();
      continue;
    }
    rc = st->col[i].decode(&st->col[i], PQgetvalue(st->res, 0, i),
                           PQgetlength(st->res, 0, i), v);
    if (rc == SQLITE_NOMEM) return fed_err_nomem(err);
    if (rc == SQLITE_OK) continue;
    fed_pg_of(st->base.conn)->base.broken = true;
    return fed_err_set(
      err, SQLITE_IOERR, "column '%s': the server sent %d bytes that are no %s",
      PQfname(st->res, i), PQgetlength(st->res, 0, i),
      fed_class_name(fed_pg_class(st->col[i].oid, st->col[i].fmod)));
  }
  return SQLITE_ROW;
}

/* The last result: the tag says what was done; then nothing may follow. */
static int pg_last(struct fed_pg_stmt *st, const struct fed_wait *wait,
                   struct fed_err *err)
{
  struct fed_pg_done done = {.ended = false};
  int rc;

  st->base.changes = fed_pg_changes(st->res);
  /* Outside a transaction the commit comes after this: it can still fail, or
   * succeed after we gave up waiting. */
  snprintf(done.tag, sizeof done.tag, "%s", PQcmdStatus(st->res));
  rc = fed_pg_finish(fed_pg_of(st->base.conn), wait, NULL, NULL, &done, err);
  pg_idle(st, rc == SQLITE_OK ? PG_STMT_DONE : PG_STMT_IDLE);
  return rc == SQLITE_OK ? SQLITE_DONE : rc;
}

int fed_pg_step(struct fed_stmt *stmt, const struct fed_wait *wait,
                struct fed_err *err)
{
  struct fed_pg_stmt *st = pg_stmt_of(stmt);
  struct fed_pg_conn *pg = fed_pg_of(stmt->conn);
  ExecStatusType status;

  if (st->state == PG_STMT_DONE) return SQLITE_DONE;
  if (st->state == PG_STMT_IDLE || pg->active != st)
    return fed_err_set(err, SQLITE_MISUSE, "the statement is not executing");
  if (pg->base.broken)
    return fed_err_set(err, SQLITE_IOERR, "the connection is broken");
  if (st->state == PG_STMT_ROWS) {
    int rc;

    PQclear(st->res);
    st->res = NULL;
    rc = fed_pg_next(pg, wait, &st->res, err);
    if (rc != SQLITE_OK) {
      struct fed_pg_done done = {.ended = false};

      fed_pg_abort(pg, &done);
      pg_idle(st, PG_STMT_IDLE);
      return rc;
    }
  }
  st->state = PG_STMT_ROWS;
  status = PQresultStatus(st->res);
  if (status == PGRES_SINGLE_TUPLE) return pg_decode_row(st, err);
  if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK ||
      status == PGRES_EMPTY_QUERY)
    return pg_last(st, wait, err);
  fed_pg_fail(pg, st->res, err);
  return pg_end_error(st, wait, err);
}
