/*
 * pg_stmt: statements: prepare, execute, decode row after row.
 *
 * Results come in binary, one PGresult a row (single-row mode), or for a few
 * rows where libpq can do that (17 and later), so that memory is bounded by
 * the row; those of bulk statements come by COPY (pg_copy.c).
 *
 * The types of the result are compared with what was asked for at every
 * execution, when its first result is here: that is where a table altered
 * under us shows (traps 2).
 */
#include <stdio.h>
#include <strings.h>

#include "base/mem.h"
#include "drv/pg.h"

#define PG_DRAIN_MS 2 /* reading on may be cheaper than cancelling */

#ifdef LIBPQ_HAS_CHUNK_MODE
#  define PG_ROWS             PGRES_TUPLES_CHUNK
#  define pg_set_row_mode(pg) PQsetChunkedRowsMode((pg)->link, 16)
#else
#  define PG_ROWS             PGRES_SINGLE_TUPLE
#  define pg_set_row_mode(pg) PQsetSingleRowMode((pg)->link)
#endif

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

int fed_pg_check(struct fed_pg_stmt *st, const PGresult *res,
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

/* What may be a read stands behind the guard as one: should it write after
 * all, the server refuses that. */
static bool pg_is_writing(const char *sql)
{
  sql += strspn(sql, " \t\r\n(");
  return !pg_is_reading(sql) && strncasecmp(sql, "WITH", 4) != 0 &&
         strncasecmp(sql, "EXPLAIN", 7) != 0 &&
         strncasecmp(sql, "SHOW", 4) != 0;
}

/* The user's text has no classes, and does not say what is to be locked. */
static bool pg_is_locking(const char *sql, const enum fed_class *want)
{
  static const char lock[] = " FOR UPDATE";
  size_t n = strlen(sql);

  return want && n >= sizeof lock &&
         strcmp(sql + n - sizeof lock + 1, lock) == 0;
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
  st->writing = pg_is_writing(sql);
  st->locking = st->reading && pg_is_locking(sql, want);
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

/* Room for a result of `n` columns. */
static int pg_stmt_room(struct fed_pg_stmt *st, int n, struct fed_err *err)
{
  if (st->col) return SQLITE_OK;
  st->col = fed_calloc((size_t)n + 1, sizeof *st->col);
  st->base.row = fed_calloc((size_t)n + 1, sizeof *st->base.row);
  if (!st->col || !st->base.row) return fed_err_nomem(err);
  st->base.ncol = n;
  return SQLITE_OK;
}

static int pg_stmt_columns(struct fed_pg_stmt *st, const PGresult *described,
                           struct fed_err *err)
{
  int n = PQnfields(described);
  int rc;

  if (st->want && st->nwant != n)
    return fed_err_set(err, SQLITE_SCHEMA, "the result has %d columns, not %d",
                       n, st->nwant);
  rc = pg_stmt_room(st, n, err);
  if (rc != SQLITE_OK) return rc;
  st->nparams = PQnparams(described);
  st->text = !st->want && pg_needs_text(described);
  return fed_pg_check(st, described, err);
}

/*
 * Prepare on the server. The description comes in the same round trip. So a
 * result of other types than wanted is refused before an INSERT ... RETURNING
 * has run.
 */
static int pg_parse(struct fed_pg_stmt *st, const char *sql,
                    const struct fed_wait *wait, struct fed_err *err)
{
  struct fed_pg_conn *pg = fed_pg_of(st->base.conn);
  PGresult *described = NULL;
  int rc;

  snprintf(st->name, sizeof st->name, "fed%u", st->id);
  rc = fed_pg_parse(pg, st->name, sql, &described, wait, err);
  /* A wait that ended early leaves open whether the statement is there. */
  if (rc == SQLITE_OK || rc == SQLITE_BUSY || rc == SQLITE_INTERRUPT)
    st->generation = pg->generation;
  if (rc == SQLITE_OK) rc = pg_stmt_columns(st, described, err);
  PQclear(described);
  return rc;
}

/* What goes by COPY needs no preparation: the types come with the rows. */
static int pg_prepare_copy(struct fed_pg_stmt *st, const char *sql,
                           struct fed_err *err)
{
  st->sql = fed_strdup(sql);
  if (!st->sql) return fed_err_nomem(err);
  return pg_stmt_room(st, st->nwant, err);
}

int fed_pg_prepare(struct fed_conn *conn, const char *sql,
                   const enum fed_class *want, int nwant, bool bulk,
                   struct fed_stmt **out, const struct fed_wait *wait,
                   struct fed_err *err)
{
  struct fed_pg_conn *pg = fed_pg_of(conn);
  struct fed_pg_stmt *st = pg_stmt_new(pg, sql, want, nwant);
  int rc;

  *out = NULL;
  if (!st) return fed_err_nomem(err);
  st->nparams =
    bulk && want && st->reading && !st->locking ? fed_pg_copy_params(sql) : -1;
  if (st->nparams >= 0)
    rc = pg_prepare_copy(st, sql, err);
  else
    rc = pg_parse(st, sql, wait, err);
  if (rc == SQLITE_OK)
    *out = &st->base;
  else
    fed_pg_finalize(&st->base);
  return rc;
}

/* ---- end of an execution ----------------------------------------------- */

void fed_pg_idle(struct fed_pg_stmt *st, enum fed_pg_state state)
{
  struct fed_pg_conn *pg = fed_pg_of(st->base.conn);

  PQclear(st->res);
  st->res = NULL;
  PQfreemem(st->copy);
  st->copy = NULL;
  st->state = state;
  if (pg->active == st) pg->active = NULL;
  fed_pg_unbind(st);
}

/* Rows that are here already, or come at once. True at the end. */
static bool pg_drain_some(struct fed_pg_conn *pg)
{
  int nulls = 0;
  struct fed_err ignored = FED_ERR_INIT;
  struct fed_wait some = {fed_clock_deadline(PG_DRAIN_MS), NULL, NULL};

  for (;;) {
    PGresult *res;
    ExecStatusType status;

    if (fed_pg_next(pg, &some, &res, &ignored) != SQLITE_OK) return false;
    if (!res && (pg->syncs > 0 ? ++nulls > 1 : true))
      return pg->syncs == 0 && (PQpipelineStatus(pg->link) == PQ_PIPELINE_OFF ||
                                PQexitPipelineMode(pg->link));
    if (!res) continue;
    nulls = 0;
    status = PQresultStatus(res);
    if (status == PGRES_PIPELINE_SYNC) pg->syncs--;
    if (status == PGRES_FATAL_ERROR) fed_pg_fail(pg, res, &ignored);
    PQclear(res);
    if (pg->base.broken || status == PGRES_COPY_IN) return false;
    if (status == PGRES_COPY_OUT &&
        (!pg->copying || fed_pg_skip_copy(pg, &some, &ignored) != SQLITE_OK))
      return false;
  }
}

/*
 * End what runs. Outside a transaction a SELECT is cancelled when more than a
 * few rows are left; anything else might be undone by that and is read to its
 * end. Inside a transaction without a guard reading is put off: see struct
 * fed_pg_conn; also where locks of rows would be lost by going back.
 */
static int pg_stop(struct fed_pg_stmt *st, bool in_tx,
                   const struct fed_wait *wait, struct fed_err *err)
{
  struct fed_pg_conn *pg = fed_pg_of(st->base.conn);
  struct fed_pg_done done = {.ended = false};

  fed_pg_idle(st, FED_PG_IDLE);
  if (pg->base.broken || pg_drain_some(pg)) return SQLITE_OK;
  if (pg->base.broken) return SQLITE_OK;
  pg->leftover = true;
  if (in_tx && pg->guarded != FED_PG_READS) return SQLITE_OK;
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
  fed_pg_idle(st, FED_PG_IDLE);
  return err->rc;
}

int fed_pg_stmt_reset(struct fed_stmt *stmt, const struct fed_wait *wait,
                      struct fed_err *err)
{
  struct fed_pg_stmt *st = pg_stmt_of(stmt);
  struct fed_pg_conn *pg = fed_pg_of(stmt->conn);

  if (pg->active != st || pg->base.broken) {
    fed_pg_idle(st, FED_PG_IDLE);
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
  fed_pg_idle(st, FED_PG_IDLE);
  if (st->generation == pg->generation) fed_pg_forget(pg, st->id);
  for (int i = 0; st->col && i < st->base.ncol; i++)
    fed_free(st->col[i].buf);
  fed_free(st->col);
  fed_free(st->base.row);
  fed_free(st->want);
  fed_free(st->sql);
  fed_free(st->arg);
  fed_free(st->values);
  fed_free(st->lengths);
  fed_free(st->formats);
  fed_free(st);
}

/* ---- execute ----------------------------------------------------------- */

static int pg_await(struct fed_pg_conn *pg, const struct fed_wait *wait,
                    PGresult **out, struct fed_err *err)
{
  int rc;

  /* Whatever fails here shows in the result. */
  if (fed_awake_begin(&pg->awake, PQsocket(pg->link))) PQconsumeInput(pg->link);
  rc = fed_pg_next(pg, wait, out, err);
  fed_awake_end(&pg->awake);
  return rc;
}

/* Behind the verbs that were sent ahead of it. Any result that is not of one
 * that went well is taken for the statement's: it tells why. */
static int pg_first_result(struct fed_pg_stmt *st, const struct fed_wait *wait,
                           struct fed_err *err)
{
  struct fed_pg_conn *pg = fed_pg_of(st->base.conn);
  bool pipeline = pg->syncs > 0;
  int rc = pg_await(pg, wait, &st->res, err);

  while (rc == SQLITE_OK && pg->verbs > 0 &&
         PQresultStatus(st->res) == PGRES_COMMAND_OK) {
    PQclear(st->res);
    st->res = NULL;
    /* A pipeline gives a NULL behind each. */
    if (pipeline) rc = fed_pg_next(pg, wait, &st->res, err);
    if (rc == SQLITE_OK && --pg->verbs == 0) {
      pg->guarded = pg->coming;
      if (pipeline) pg_set_row_mode(pg);
    }
    if (rc == SQLITE_OK) rc = fed_pg_next(pg, wait, &st->res, err);
  }
  return rc;
}

/* The command is sent: wait for its first result and look at it. */
static int pg_first(struct fed_pg_stmt *st, const struct fed_wait *wait,
                    struct fed_err *err)
{
  struct fed_pg_conn *pg = fed_pg_of(st->base.conn);
  int rc = pg_first_result(st, wait, err);

  if (rc != SQLITE_OK) return rc;
  switch (PQresultStatus(st->res)) {
#ifdef LIBPQ_HAS_CHUNK_MODE
  case PGRES_TUPLES_CHUNK:
#endif
  case PGRES_SINGLE_TUPLE:
  case PGRES_TUPLES_OK:
  case PGRES_COMMAND_OK:
  case PGRES_EMPTY_QUERY:
    st->state = FED_PG_FIRST;
    rc = fed_pg_check(st, st->res, err);
    if (rc != SQLITE_OK) {
      struct fed_err later = FED_ERR_INIT;

      pg_stop(st, pg->in_tx, wait, &later);
      return rc;
    }
    if (!pg->copying) return SQLITE_OK;
    rc = fed_pg_copy_begin(st, wait, err);
    if (rc != SQLITE_OK || st->state == FED_PG_COPY) return rc;
    fed_pg_fail(pg, st->res, err);
    break;
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
  fed_pg_guard_done(pg, done.count);
  fed_pg_idle(st, FED_PG_IDLE);
  if (!done.ended || !done.tag[0] || st->base.ncol > 0) return err->rc;
  fed_err_clear(err);
  st->base.changes = done.changes;
  st->state = FED_PG_DONE;
  return SQLITE_OK;
}

/* What WITH begins may write: a transaction that does takes it for that. */
static bool pg_writes(const struct fed_pg_stmt *st)
{
  return st->writing || (!st->reading && st->base.conn->guard_writes);
}

static int pg_send(struct fed_pg_stmt *st, int n, const struct fed_wait *wait,
                   struct fed_err *err)
{
  struct fed_pg_conn *pg = fed_pg_of(st->base.conn);
  const char *verb[FED_PG_VERBS];
  enum fed_pg_guarded then;
  int rc;

  pg->verbs = 0;
  rc = st->sql ? fed_pg_copy_send(st, err) : SQLITE_NOTFOUND;
  if (rc != SQLITE_NOTFOUND) return rc;
  if (st->sql && st->generation != pg->generation) {
    rc = pg_parse(st, st->sql, wait, err);
    if (rc != SQLITE_OK) return rc;
  }
  /* Rows in a row: the guard stands, and one message does it. */
  if (!pg_writes(st) && fed_pg_verbs(pg, st->locking, verb, &then) > 0 &&
      !fed_pg_send_guard(pg, st->locking))
    return fed_pg_lost(pg, err);
  if (!PQsendQueryPrepared(pg->link, st->name, n, st->values, st->lengths,
                           st->formats, !st->text))
    return fed_pg_fail(pg, NULL, err);
  if (pg->verbs == 0) {
    pg_set_row_mode(pg);
    return SQLITE_OK;
  }
  if (!PQpipelineSync(pg->link)) return fed_pg_lost(pg, err);
  pg->syncs++;
  return SQLITE_OK;
}

/* Does it stand alone, so that it need not be guarded, or end a guard? */
static bool pg_is_alone(const struct fed_pg_stmt *st)
{
  const struct fed_pg_conn *pg = fed_pg_of(st->base.conn);

  return !pg_writes(st) || !pg->in_tx || pg->read_only ||
         (!fed_pg_must_open(pg) && !pg->base.guard_writes);
}

int fed_pg_execute(struct fed_stmt *stmt, const struct fed_value *args, int n,
                   const struct fed_wait *wait, struct fed_err *err)
{
  struct fed_pg_stmt *st = pg_stmt_of(stmt);
  struct fed_pg_conn *pg = fed_pg_of(stmt->conn);
  int rc;

  if (st->state != FED_PG_IDLE)
    return fed_err_set(err, SQLITE_MISUSE, "the statement was not reset");
  stmt->changes = stmt->number = 0;
  rc = fed_pg_ready(pg, false, wait, err);
  if (rc == SQLITE_OK) rc = fed_pg_bind(st, args, n, err);
  if (rc != SQLITE_OK) return rc;
  pg->in_tx = PQtransactionStatus(pg->link) != PQTRANS_IDLE;
  if (!pg_is_alone(st)) return fed_pg_write(st, n, wait, err);
  rc = pg_send(st, n, wait, err);
  if (rc != SQLITE_OK) return rc;
  pg->active = st;
  rc = fed_pg_flush(pg, wait, err);
  if (rc == SQLITE_OK) rc = pg_first(st, wait, err);
  if (rc != SQLITE_OK && pg->active == st) rc = pg_give_up(st, err);
  return rc;
}

/* ---- step -------------------------------------------------------------- */

int fed_pg_bad_value(struct fed_pg_stmt *st, int i, int len, int rc,
                     struct fed_err *err)
{
  if (rc == SQLITE_NOMEM) return fed_err_nomem(err);
  st->base.conn->broken = true;
  return fed_err_set(
    err, SQLITE_IOERR, "column '%s': the server sent %d bytes that are no %s",
    PQfname(st->res, i), len,
    fed_class_name(fed_pg_class(st->col[i].oid, st->col[i].fmod)));
}

static int pg_decode_row(struct fed_pg_stmt *st, struct fed_err *err)
{
  for (int i = 0; i < st->base.ncol; i++) {
    struct fed_value *v = &st->base.row[i];
    int len = PQgetlength(st->res, st->at, i);
    int rc;

    if (PQgetisnull(st->res, st->at, i)) {
      *v = fed_value_null();
      continue;
    }
    st->base.bytes += len;
    rc = st->col[i].decode(&st->col[i], PQgetvalue(st->res, st->at, i), len, v);
    if (rc != SQLITE_OK) return fed_pg_bad_value(st, i, len, rc, err);
  }
  return SQLITE_ROW;
}

/* The last result: the tag says what was done; then nothing may follow. */
static int pg_last(struct fed_pg_stmt *st, const struct fed_wait *wait,
                   struct fed_err *err)
{
  struct fed_pg_done done = {.ended = false};
  int rc;

  /* Outside a transaction the commit comes after this: it can still fail, or
   * succeed after we gave up waiting. */
  fed_pg_note(&done, st->res);
  st->base.changes = done.changes;
  rc = fed_pg_finish(fed_pg_of(st->base.conn), wait, NULL, NULL, &done, err);
  fed_pg_idle(st, rc == SQLITE_OK ? FED_PG_DONE : FED_PG_IDLE);
  return rc == SQLITE_OK ? SQLITE_DONE : rc;
}

/* The wait has ended, or the link: end what runs, too. */
static int pg_step_failed(struct fed_pg_stmt *st, int rc)
{
  struct fed_pg_done done = {.ended = false};

  fed_pg_abort(fed_pg_of(st->base.conn), &done);
  fed_pg_idle(st, FED_PG_IDLE);
  return rc;
}

/* The result behind the last row: the end, or an error. */
static int pg_end(struct fed_pg_stmt *st, const struct fed_wait *wait,
                  struct fed_err *err)
{
  struct fed_pg_conn *pg = fed_pg_of(st->base.conn);
  ExecStatusType status = PQresultStatus(st->res);

  if (status == PGRES_TUPLES_OK || status == PGRES_EMPTY_QUERY ||
      (status == PGRES_COMMAND_OK && (!pg->copying || st->trailed)))
    return pg_last(st, wait, err);
  fed_pg_fail(pg, st->res, err);
  return pg_end_error(st, wait, err);
}

int fed_pg_step(struct fed_stmt *stmt, const struct fed_wait *wait,
                struct fed_err *err)
{
  struct fed_pg_stmt *st = pg_stmt_of(stmt);
  struct fed_pg_conn *pg = fed_pg_of(stmt->conn);
  int rc;

  if (st->state == FED_PG_DONE) return SQLITE_DONE;
  if (st->state == FED_PG_HELD) {
    if (++st->at < PQntuples(st->res)) return pg_decode_row(st, err);
    fed_pg_idle(st, FED_PG_DONE);
    return SQLITE_DONE;
  }
  if (st->state == FED_PG_IDLE || pg->active != st)
    return fed_err_set(err, SQLITE_MISUSE, "the statement is not executing");
  if (pg->base.broken)
    return fed_err_set(err, SQLITE_IOERR, "the connection is broken");
  if (st->state == FED_PG_COPY) {
    rc = fed_pg_copy_step(st, wait, err);
    if (rc == SQLITE_ROW) return rc;
    if (rc != SQLITE_DONE) return pg_step_failed(st, rc);
  }
  if (st->state == FED_PG_ROWS && ++st->at < PQntuples(st->res))
    return pg_decode_row(st, err);
  st->at = 0;
  if (st->state != FED_PG_FIRST) {
    PQclear(st->res);
    st->res = NULL;
    rc = fed_pg_next(pg, wait, &st->res, err);
    if (rc != SQLITE_OK) return pg_step_failed(st, rc);
  }
  st->state = FED_PG_ROWS;
  if (PQresultStatus(st->res) == PG_ROWS) return pg_decode_row(st, err);
  return pg_end(st, wait, err);
}
