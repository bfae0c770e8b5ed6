/*
 * mysql: the driver for MySQL and MariaDB.
 *
 * Rows stream: statements are prepared, values travel in binary form, and a
 * row is decoded as it is fetched (drv/mysql.h tells which file does what).
 * A result that is not read to its end is drained when little is left, else
 * stopped with KILL QUERY over a second connection: the protocol has no other
 * way to end one.
 */
#include "drv/mysql.h"

#include <math.h>
#include <stdio.h>

#include "base/mem.h"

/* A result set aside is read on for so long before the server is asked to
 * stop (milliseconds). */
#define MY_DRAIN_MS   20
#define MY_DRAIN_ROWS 100

static struct fed_mysql_stmt *my_stmt(struct fed_stmt *stmt)
{
  return FED_CONTAINER(stmt, struct fed_mysql_stmt, head);
}

static void my_set_open(struct fed_mysql_stmt *st, bool open)
{
  if (st->open != open) fed_mysql_of(st->head.conn)->nopen += open ? 1 : -1;
  st->open = open;
}

/* ---- preparing --------------------------------------------------------- */

static void my_finalize(struct fed_stmt *stmt)
{
  struct fed_mysql_stmt *st;

  if (!stmt) return;
  st = my_stmt(stmt);
  my_set_open(st, false);
  if (st->stmt) fed_mysql_run_close(fed_mysql_of(stmt->conn), st->stmt);
  fed_mysql_columns_free(st);
  fed_free(st->arg);
  fed_free(st->arglen);
  fed_free(st->want);
  fed_free(st->sql);
  fed_free(st);
}

/* The columns of the result, as the last prepare or execute told them. */
static int my_columns(struct fed_mysql_stmt *st, bool strict,
                      struct fed_err *err)
{
  MYSQL_RES *hold;
  int n, rc;
  const MYSQL_FIELD *field = fed_mysql_lib_fields(st->stmt, &n, &hold);

  if (n == 0 && mysql_stmt_errno(st->stmt))
    return fed_mysql_fail(fed_mysql_of(st->head.conn), st->stmt, err);
  rc = fed_mysql_columns(st, field, n, strict, err);
  mysql_free_result(hold);
  return rc;
}

static int my_prepare_args(struct fed_mysql_stmt *st, struct fed_err *err)
{
  st->narg = (int)mysql_stmt_param_count(st->stmt);
  st->arg = fed_calloc((size_t)st->narg, sizeof *st->arg);
  st->arglen = fed_calloc((size_t)st->narg, sizeof *st->arglen);
  return st->arg && st->arglen ? SQLITE_OK : fed_err_nomem(err);
}

int fed_mysql_fits(const struct fed_mysql *c, uint64_t size,
                   struct fed_err *err)
{
  if (!c->max_packet || size + 64 <= c->max_packet) return SQLITE_OK;
  return fed_err_set(err, SQLITE_TOOBIG,
                     "a statement of %llu bytes, but the server takes %llu: "
                     "raise its max_allowed_packet",
                     (unsigned long long)size,
                     (unsigned long long)c->max_packet);
}

static int my_prepare_text(struct fed_mysql *c, struct fed_mysql_stmt *st,
                           const char *sql, const struct fed_wait *wait,
                           struct fed_err *err)
{
  int rc;

  rc = fed_mysql_fits(c, strlen(sql), err);
  if (rc != SQLITE_OK) return rc;
  st->stmt = mysql_stmt_init(c->mysql);
  if (!st->stmt) return fed_err_nomem(err);
  rc = fed_mysql_run_prepare(c, st->stmt, sql, wait, err);
  if (rc == SQLITE_OK) rc = my_prepare_args(st, err);
  /* What "SELECT ?" gives is known only with its argument. */
  if (rc == SQLITE_OK) return my_columns(st, st->narg == 0, err);
  if (err->native != FED_MYSQL_UNSUPPORTED_PS || st->nwant >= 0) return rc;
  /* Some statements (LOCK TABLES, ...) exist in the text protocol only. */
  fed_err_clear(err);
  fed_mysql_run_close(c, st->stmt);
  st->stmt = NULL;
  st->sql = fed_strdup(sql);
  return st->sql ? SQLITE_OK : fed_err_nomem(err);
}

int fed_mysql_usable(struct fed_mysql *c, struct fed_err *err)
{
  if (c->head.broken || !c->mysql)
    return fed_err_set(err, SQLITE_IOERR, "the connection is lost");
  /* It would commit by itself. */
  if (c->head.ended)
    return fed_err_set(err, SQLITE_ABORT,
                       "the server has ended the transaction: ROLLBACK, and "
                       "run it again");
  return SQLITE_OK;
}

static int my_prepare(struct fed_conn *conn, const char *sql,
                      const enum fed_class *want, int nwant, bool bulk,
                      struct fed_stmt **out, const struct fed_wait *wait,
                      struct fed_err *err)
{
  struct fed_mysql *c = fed_mysql_of(conn);
  struct fed_mysql_stmt *st;
  int rc = fed_mysql_usable(c, err);

  (void)bulk;
  if (rc != SQLITE_OK) return rc;
  if (!(st = fed_alloc(sizeof *st))) return fed_err_nomem(err);
  st->head.conn = conn;
  st->session = c->session;
  st->replaces = sqlite3_strnicmp(sql, "REPLACE ", 8) == 0;
  st->nwant = want ? nwant : -1;
  if (want) {
    st->want = fed_calloc((size_t)nwant, sizeof *want);
    if (!st->want) {
      fed_free(st);
      return fed_err_nomem(err);
    }
    memcpy(st->want, want, sizeof *want * (size_t)nwant);
  }
  rc = my_prepare_text(c, st, sql, wait, err);
  if (rc != SQLITE_OK) {
    my_finalize(&st->head);
    return rc;
  }
  *out = &st->head;
  return SQLITE_OK;
}

/* ---- executing --------------------------------------------------------- */

static int my_bind_arg(struct fed_mysql_stmt *st, int i,
                       const struct fed_value *value, struct fed_err *err)
{
  MYSQL_BIND *bind = &st->arg[i];
  /* The API takes no const; it only reads what an argument points to. */
  union {
    const void *from;
    void *to;
  } p = {.from = &value->i};

  memset(bind, 0, sizeof *bind);
  switch (value->type) {
  case FED_NULL:
    bind->buffer_type = MYSQL_TYPE_NULL;
    return SQLITE_OK;
  case FED_INT:
    bind->buffer_type = MYSQL_TYPE_LONGLONG;
    break;
  case FED_REAL:
    if (!isfinite(value->r))
      return fed_err_set(err, SQLITE_MISMATCH,
                         "argument %d is infinite, which MySQL cannot hold",
                         i + 1);
    bind->buffer_type = MYSQL_TYPE_DOUBLE;
    break;
  case FED_TEXT:
  case FED_BLOB:
    bind->buffer_type =
      value->type == FED_TEXT ? MYSQL_TYPE_STRING : MYSQL_TYPE_BLOB;
    st->arglen[i] = (unsigned long)value->size;
    bind->length = &st->arglen[i];
    bind->buffer_length = st->arglen[i];
    p.from = value->size ? value->p : "";
    break;
  }
  bind->buffer = p.to;
  return SQLITE_OK;
}

static int my_bind_args(struct fed_mysql_stmt *st, const struct fed_value *args,
                        int n, struct fed_err *err)
{
  struct fed_mysql *c = fed_mysql_of(st->head.conn);
  uint64_t total = 0;
  int rc;

  if (n != st->narg)
    return fed_err_set(err, SQLITE_RANGE,
                       "the statement has %d placeholders, %d arguments came",
                       st->narg, n);
  for (int i = 0; i < n; i++) {
    rc = my_bind_arg(st, i, &args[i], err);
    if (rc != SQLITE_OK) return rc;
    total += 12 + st->arglen[i];
  }
  rc = fed_mysql_fits(c, total, err);
  if (rc != SQLITE_OK) return rc;
  if (n == 0 || mysql_stmt_bind_param(st->stmt, st->arg) == 0) return SQLITE_OK;
  return fed_mysql_fail(c, st->stmt, err);
}

static int my_execute_text(struct fed_mysql_stmt *st, int n,
                           const struct fed_wait *wait, struct fed_err *err)
{
  struct fed_mysql *c = fed_mysql_of(st->head.conn);
  my_ulonglong changes;
  int rc;

  if (n != 0)
    return fed_err_set(err, SQLITE_RANGE,
                       "this kind of statement takes no arguments");
  rc = fed_mysql_run_exec(c, st->sql, wait, err);
  if (rc != SQLITE_OK) return rc;
  changes = mysql_affected_rows(c->mysql);
  st->head.changes = changes == (my_ulonglong)-1 ? 0 : (int64_t)changes;
  return SQLITE_OK;
}

int fed_mysql_may_execute(struct fed_mysql_stmt *st, struct fed_err *err)
{
  struct fed_mysql *c = fed_mysql_of(st->head.conn);

  if (fed_mysql_usable(c, err) != SQLITE_OK) return err->rc;
  if (st->busy)
    return fed_err_set(err, SQLITE_MISUSE,
                       "the statement was not reset since it was executed");
  if (st->session != c->session)
    return fed_err_set(err, SQLITE_MISUSE,
                       "the statement was prepared before a session reset");
  return SQLITE_OK;
}

static int my_execute(struct fed_stmt *stmt, const struct fed_value *args,
                      int n, const struct fed_wait *wait, struct fed_err *err)
{
  struct fed_mysql_stmt *st = my_stmt(stmt);
  struct fed_mysql *c = fed_mysql_of(stmt->conn);
  int rc = fed_mysql_may_execute(st, err);

  stmt->changes = stmt->number = 0;
  /* What is no part of a transaction is no write of ours. */
  if (rc == SQLITE_OK && stmt->ncol == 0 &&
      !(c->mysql->server_status & SERVER_STATUS_IN_TRANS))
    rc = fed_mysql_zero(c, false, wait, err);
  if (rc != SQLITE_OK) return rc;
  st->busy = true;
  if (!st->stmt) return my_execute_text(st, n, wait, err);
  rc = my_bind_args(st, args, n, err);
  if (rc != SQLITE_OK) return rc;
  rc = fed_mysql_run_execute(c, st->stmt, wait, err);
  if (c->head.broken) return rc;
  /* Given up or surprised by other columns, there may still be rows. */
  my_set_open(st, rc == SQLITE_OK || c->mysql->status != MYSQL_STATUS_READY);
  st->blind = rc != SQLITE_OK;
  if (rc != SQLITE_OK) return rc;
  rc = my_columns(st, true, err);
  st->blind = rc != SQLITE_OK;
  return rc;
}

/* ---- rows -------------------------------------------------------------- */

/* All rows were read: results of a CALL may follow, then the count. */
static int my_end(struct fed_mysql_stmt *st, const struct fed_wait *wait,
                  struct fed_err *err)
{
  struct fed_mysql *c = fed_mysql_of(st->head.conn);
  my_ulonglong changes = mysql_stmt_affected_rows(st->stmt);
  my_ulonglong number = mysql_stmt_insert_id(st->stmt);
  int rc = fed_mysql_run_free(c, st->stmt, wait, err);

  st->head.changes = changes == (my_ulonglong)-1 ? 0 : (int64_t)changes;
  st->head.number = number > INT64_MAX ? 0 : (int64_t)number;
  my_set_open(st, false);
  return rc;
}

static int my_step(struct fed_stmt *stmt, const struct fed_wait *wait,
                   struct fed_err *err)
{
  struct fed_mysql_stmt *st = my_stmt(stmt);
  struct fed_mysql *c = fed_mysql_of(stmt->conn);
  int rc;

  if (!st->open) return SQLITE_DONE;
  rc = fed_mysql_usable(c, err);
  if (rc != SQLITE_OK) return rc;
  if (stmt->ncol == 0) {
    rc = my_end(st, wait, err);
    return rc == SQLITE_OK ? SQLITE_DONE : rc;
  }
  if (st->rebind && (rc = fed_mysql_bind(st, err)) != SQLITE_OK) return rc;
  rc = fed_mysql_run_fetch(c, st->stmt, wait, err);
  if (rc == SQLITE_ROW) {
    if (c->raw) {
      stmt->bytes += (int64_t)c->wire.size;
      rc = fed_mysql_decode(st, c->wire.row, c->wire.size, err);
    } else if ((rc = fed_mysql_fetched(st, err)) == SQLITE_OK) {
      fed_stmt_count(stmt);
    }
    return rc == SQLITE_OK ? SQLITE_ROW : rc;
  }
  if (rc != SQLITE_DONE) return rc;
  rc = my_end(st, wait, err);
  return rc == SQLITE_OK ? SQLITE_DONE : rc;
}

/*
 * With the library that only blocks, an end that is near must be reached row
 * by row, or every set-aside lookup would cost a KILL QUERY. The other one
 * does the same by itself, without decoding.
 */
static void my_drain(struct fed_mysql_stmt *st, const struct fed_wait *moment)
{
#if !FED_MYSQL_ASYNC
  struct fed_mysql *c = fed_mysql_of(st->head.conn);
  struct fed_err ignored = FED_ERR_INIT;
  int rc = SQLITE_ROW;

  if (st->blind || st->head.ncol == 0) return;
  for (int i = 0; i < MY_DRAIN_ROWS && rc == SQLITE_ROW; i++)
    rc = fed_mysql_run_fetch(c, st->stmt, moment, &ignored);
#else
  (void)st;
  (void)moment;
#endif
}

/*
 * Read the rest, for a moment; when that is over, run_free() asks the server
 * to stop. Who resets after an interrupt wants this all the same.
 */
static int my_stop(struct fed_mysql_stmt *st, const struct fed_wait *wait,
                   struct fed_err *err)
{
  struct fed_mysql *c = fed_mysql_of(st->head.conn);
  struct fed_wait moment = fed_wait_within(wait, MY_DRAIN_MS);
  struct fed_err why = FED_ERR_INIT;

  my_set_open(st, false);
  if (fed_mysql_usable(c, &why) != SQLITE_OK) return SQLITE_OK;
  moment.interrupted = NULL;
  my_drain(st, &moment);
  fed_mysql_run_free(c, st->stmt, &moment, &why);
  if (!c->head.broken) return SQLITE_OK;
  return fed_err_set(err, SQLITE_IOERR, "cannot end a result: %s", why.msg);
}

static int my_stmt_reset(struct fed_stmt *stmt, const struct fed_wait *wait,
                         struct fed_err *err)
{
  struct fed_mysql_stmt *st = my_stmt(stmt);

  st->busy = false;
  return st->open ? my_stop(st, wait, err) : SQLITE_OK;
}

/* ---- transactions ------------------------------------------------------ */

static int my_exec(struct fed_conn *conn, const char *sql,
                   const struct fed_wait *wait, struct fed_err *err)
{
  struct fed_mysql *c = fed_mysql_of(conn);
  int rc = fed_mysql_usable(c, err);

  return rc == SQLITE_OK ? fed_mysql_run_exec(c, sql, wait, err) : rc;
}

static int my_rollback(struct fed_conn *conn, const struct fed_wait *wait,
                       struct fed_err *err)
{
  struct fed_mysql *c = fed_mysql_of(conn);
  int rc;

  fed_mysql_load_over(c);
  rc = fed_mysql_run_exec(c, "ROLLBACK", wait, err);
  if (rc == SQLITE_OK) conn->ended = false;
  return rc;
}

static int my_run(struct fed_conn *conn, const char *sql,
                  const struct fed_wait *wait, struct fed_err *err)
{
  struct fed_mysql *c = fed_mysql_of(conn);
  int rc = fed_mysql_usable(c, err);
  char count[20];

  if (rc == SQLITE_OK) rc = fed_mysql_fits(c, strlen(sql), err);
  if (rc == SQLITE_OK) rc = fed_mysql_zero(c, false, wait, err);
  if (rc == SQLITE_OK) rc = fed_mysql_run_exec(c, sql, wait, err);
  if (rc != SQLITE_OK || mysql_warning_count(c->mysql) == 0) return rc;
  /* Only their number: SHOW WARNINGS here would change ROW_COUNT() for the
   * statement that comes next. */
  snprintf(count, sizeof count, "%u", mysql_warning_count(c->mysql));
  fed_conn_note(conn, "WARNINGS", count);
  return SQLITE_OK;
}

/* A parse error quotes what comes behind, up to 80 characters: what is behind
 * the statement, its sender does not know. */
static void my_cut_quote(struct fed_err *err)
{
  char *from = strstr(err->msg, ";\n"), *to = strrchr(err->msg, '\'');

  if (from && to && from < to) memmove(from, to, strlen(to) + 1);
}

static int my_batch(struct fed_conn *conn, const char *const *sql, int n,
                    int *done, const struct fed_wait *wait, struct fed_err *err)
{
  struct fed_mysql *c = fed_mysql_of(conn);
  struct fed_str text;
  int rc;

  fed_str_init(&text, FED_STR_SQL);
  for (int i = 0; i < n; i++)
    fed_str_addf(&text, "%s%s", i ? ";\n" : "", sql[i]);
  rc = fed_str_err(&text, err);
  if (rc == SQLITE_OK && fed_mysql_fits(c, text.len, err) != SQLITE_OK)
    rc = SQLITE_NOTFOUND;
  if (rc == SQLITE_OK) rc = fed_mysql_run_batch(c, text.s, done, wait, err);
  fed_str_release(&text);
  if (rc != SQLITE_OK) my_cut_quote(err);
  if (rc != SQLITE_OK || *done == n) return rc;
  c->head.broken = true;
  return fed_err_set(err, SQLITE_INTERNAL,
                     "the server took %d statements for %d", n, *done);
}

static int my_begin(struct fed_conn *conn, const struct fed_begin *opts,
                    const struct fed_wait *wait, struct fed_err *err)
{
  static const struct {
    const char *sql, *variable;
  } level[] = {
    [FED_ISOLATION_DEFAULT] = {NULL,              NULL             },
    [FED_ISOLATION_READ_COMMITTED] = {"READ COMMITTED",  "READ-COMMITTED" },
    [FED_ISOLATION_REPEATABLE_READ] = {"REPEATABLE READ", "REPEATABLE-READ"},
    [FED_ISOLATION_SERIALIZABLE] = {"SERIALIZABLE",    "SERIALIZABLE"   },
  };
  struct fed_mysql *c = fed_mysql_of(conn);
  const char *want = level[opts->isolation].sql;
  char sql[80];
  int rc;

  if ((rc = fed_mysql_usable(c, err)) != SQLITE_OK) return rc;
  /* To the server this would be a COMMIT of it. */
  if (c->mysql->server_status & SERVER_STATUS_IN_TRANS)
    return fed_err_set(err, SQLITE_MISUSE, "a transaction is open already");
  if (!opts->read_only && !opts->guard) rc = fed_mysql_zero(c, true, wait, err);
  if (rc == SQLITE_OK && want &&
      strcmp(level[opts->isolation].variable, c->isolation) != 0) {
    snprintf(sql, sizeof sql, "SET TRANSACTION ISOLATION LEVEL %s", want);
    rc = my_exec(conn, sql, wait, err);
  }
  if (rc != SQLITE_OK) return rc;
  return my_exec(
    conn, opts->read_only ? "START TRANSACTION READ ONLY" : "START TRANSACTION",
    wait, err);
}

static int my_cancel(struct fed_conn *conn, struct fed_err *err)
{
  struct fed_mysql *c = fed_mysql_of(conn);

  /* Told first: the next statement of the owner must not be the one hit. */
  atomic_store(&c->killed, true);
  return fed_mysql_kill(c, err);
}

/* ---- the driver -------------------------------------------------------- */

static const char *const my_schemes[] = {"mysql", "mariadb", NULL};

static void my_client(char *out, size_t size)
{
  snprintf(out, size, "%s %s", FED_MYSQL_LIBRARY, mysql_get_client_info());
}

const struct fed_driver fed_driver_mysql = {
  .name = "mysql",
  .schemes = my_schemes,
  .caps = FED_CAP_SAVEPOINT | FED_CAP_READONLY |
          (FED_MYSQL_ASYNC ? FED_CAP_ASYNC : 0),
  .dialect = &fed_dialect_mysql,
  .client = my_client,
  .param = fed_mysql_param_kind,
  .check = fed_mysql_check,
  .open = fed_mysql_open,
  .close = fed_mysql_close,
  .abandon = fed_mysql_abandon,
  .health = fed_mysql_health,
  .ping = fed_mysql_ping,
  .reset = fed_mysql_reset,
  .cancel = my_cancel,
  .exec = my_exec,
  .run = my_run,
  .batch = my_batch,
  .prepare = my_prepare,
  .execute = my_execute,
  .step = my_step,
  .stmt_reset = my_stmt_reset,
  .finalize = my_finalize,
  .execute_many = fed_mysql_execute_many,
  .load_begin = fed_mysql_load_begin,
  .load_row = fed_mysql_load_row,
  .load_end = fed_mysql_load_end,
  .begin = my_begin,
  .commit = fed_sqltx_commit,
  .rollback = my_rollback,
  .savepoint = fed_sqltx_savepoint,
  .release = fed_sqltx_release,
  .rollback_to = fed_sqltx_rollback_to,
  .catalog = fed_mysql_catalog,
  .describe = fed_mysql_describe,
};
