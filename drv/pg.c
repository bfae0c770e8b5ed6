/*
 * The PostgreSQL driver (libpq 15 or later; servers from 12 on): parameters,
 * the state of a connection, transaction verbs, and the table of slots. What
 * the other files do stands in pg.h.
 */
#include "drv/pg.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

#include "base/mem.h"
#include "drv/dialect.h"

/* ---- parameters -------------------------------------------------------- */

static enum fed_param_kind pg_param(const char *key)
{
  enum fed_param_kind kind = FED_PARAM_UNKNOWN;
  /* The table of keywords, without what the environment says. */
  PQconninfoOption *all = PQconninfoParse("", NULL);

  for (PQconninfoOption *o = all; o && o->keyword; o++) {
    if (strcmp(o->keyword, key) != 0) continue;
    kind = o->dispchar[0] == '*' ? FED_PARAM_SECRET : FED_PARAM_PLAIN;
  }
  PQconninfoFree(all);
  /* A replication session speaks another protocol. */
  if (strcmp(key, "replication") == 0) return FED_PARAM_UNKNOWN;
  if (strcmp(key, "sslpassword") == 0) return FED_PARAM_SECRET;
  return kind;
}

/* Legal values, where libpq would tell only when connecting. */
static const char *const pg_words[][2] = {
  {"sslmode",              "disable"       },
  {"sslmode",              "allow"         },
  {"sslmode",              "prefer"        },
  {"sslmode",              "require"       },
  {"sslmode",              "verify-ca"     },
  {"sslmode",              "verify-full"   },
  {"gssencmode",           "disable"       },
  {"gssencmode",           "prefer"        },
  {"gssencmode",           "require"       },
  {"channel_binding",      "disable"       },
  {"channel_binding",      "prefer"        },
  {"channel_binding",      "require"       },
  {"target_session_attrs", "any"           },
  {"target_session_attrs", "read-write"    },
  {"target_session_attrs", "read-only"     },
  {"target_session_attrs", "primary"       },
  {"target_session_attrs", "standby"       },
  {"target_session_attrs", "prefer-standby"},
  {"client_encoding",      "UTF8"          }, /* every text of ours is */
};

static const struct pg_number {
  const char *key;
  long min, max;
} pg_numbers[] = {
  {"port",                1, 65535   },
  {"connect_timeout",     0, 86400   },
  {"keepalives",          0, 1       },
  {"keepalives_idle",     0, 86400   },
  {"keepalives_interval", 0, 86400   },
  {"keepalives_count",    0, 1000    },
  {"tcp_user_timeout",    0, 86400000},
};

/* A list separated by commas (one port a host), each empty or a number. */
static bool pg_in_range(const char *s, long min, long max)
{
  for (;; s++) {
    char *end;
    long n = strtol(s, &end, 10);

    if (end != s && (n < min || n > max)) return false;
    if (*end != ',') return *end == 0;
    s = end;
  }
}

static int pg_check_word(const char *key, const char *value,
                         struct fed_err *err)
{
  bool known = false;

  for (size_t i = 0; i < FED_LEN(pg_words); i++) {
    if (strcmp(pg_words[i][0], key) != 0) continue;
    if (sqlite3_stricmp(pg_words[i][1], value) == 0) return SQLITE_OK;
    known = true;
  }
  if (!known) return SQLITE_OK;
  fed_err_set(err, SQLITE_MISUSE, "illegal value '%.40s' of '%s': legal are",
              value, key);
  for (size_t i = 0; i < FED_LEN(pg_words); i++)
    if (strcmp(pg_words[i][0], key) == 0)
      fed_err_suffix(err, " %s", pg_words[i][1]);
  return err->rc;
}

static int pg_check(const struct fed_dsn *dsn, struct fed_err *err)
{
  int rc = SQLITE_OK;

  for (int i = 0; i < dsn->nparam && rc == SQLITE_OK; i++)
    rc = pg_check_word(dsn->param[i].key, dsn->param[i].value, err);
  for (size_t i = 0; i < FED_LEN(pg_numbers) && rc == SQLITE_OK; i++) {
    const struct pg_number *n = &pg_numbers[i];
    const char *value = fed_dsn_get(dsn, n->key);

    if (value && !pg_in_range(value, n->min, n->max))
      rc = fed_err_set(err, SQLITE_MISUSE,
                       "illegal value '%.40s' of '%s': "
                       "a number from %ld to %ld is needed",
                       value, n->key, n->min, n->max);
  }
  return rc;
}

/* ---- connection -------------------------------------------------------- */

/* The socket is nonblocking: the farewell goes if it can go at once. */
static void pg_close(struct fed_conn *conn)
{
  if (conn) fed_pg_free(fed_pg_of(conn));
}

/*
 * In a forked child PQfinish() would end the parent's session: it writes to
 * the socket that both share. So the socket is first replaced by /dev/null.
 */
static void pg_abandon(struct fed_conn *conn)
{
  struct fed_pg_conn *pg = fed_pg_of(conn);
  int fd = PQsocket(pg->link);
  int null = open("/dev/null", O_RDWR | O_CLOEXEC);

  if (fd >= 0 && (null < 0 || dup2(null, fd) < 0))
    pg->link = NULL; /* better a leak in the child than a farewell */
  if (null >= 0) close(null);
  fed_pg_free(pg);
}

/* A session that the server ended leaves a readable socket behind. */
static enum fed_health pg_health(struct fed_conn *conn, bool look)
{
  struct fed_pg_conn *pg = fed_pg_of(conn);
  struct pollfd pfd = {.fd = PQsocket(pg->link), .events = POLLIN};
  PGnotify *note;

  if (PQstatus(pg->link) != CONNECTION_OK) return FED_HEALTH_DEAD;
  if (pg->active || pg->leftover) return FED_HEALTH_BUSY;
  /* Its last words come first, the end of file only after them. */
  for (int i = 0; look && i < 8 && poll(&pfd, 1, 0) > 0; i++) {
    if (!PQconsumeInput(pg->link)) return FED_HEALTH_DEAD;
    PQisBusy(pg->link); /* takes notices and the like out of the buffer */
    while ((note = PQnotifies(pg->link)) != NULL)
      PQfreemem(note);
  }
  switch (PQtransactionStatus(pg->link)) {
  case PQTRANS_IDLE:
    return FED_HEALTH_CLEAN;
  case PQTRANS_ACTIVE:
  case PQTRANS_INTRANS:
  case PQTRANS_INERROR:
    return FED_HEALTH_BUSY;
  case PQTRANS_UNKNOWN:
    break;
  }
  return FED_HEALTH_DEAD;
}

static int pg_exec(struct fed_conn *conn, const char *sql,
                   const struct fed_wait *wait, struct fed_err *err)
{
  struct fed_pg_done done = {.ended = false};

  return fed_pg_exec(fed_pg_of(conn), sql, wait, &done, err);
}

static int pg_run(struct fed_conn *conn, const char *sql,
                  const struct fed_wait *wait, struct fed_err *err)
{
  return fed_pg_rows(fed_pg_of(conn), sql, NULL, NULL, wait, err);
}

static int pg_batch(struct fed_conn *conn, const char *const *sql, int n,
                    int *done, const struct fed_wait *wait, struct fed_err *err)
{
  struct fed_pg_done result = {.ended = false};
  int rc = fed_pg_batch(fed_pg_of(conn), sql, n, wait, &result, err);

  *done = result.count;
  return rc;
}

/* An empty query: parsed and answered, nothing run; a transaction that has
 * failed answers it too. */
static int pg_ping(struct fed_conn *conn, const struct fed_wait *wait,
                   struct fed_err *err)
{
  return pg_exec(conn, "", wait, err);
}

/* The transaction has come to its end. */
static void pg_over(struct fed_pg_conn *pg)
{
  pg->read_only = pg->guard = false;
  pg->guarded = FED_PG_OPEN;
}

static int pg_reset(struct fed_conn *conn, const struct fed_wait *wait,
                    struct fed_err *err)
{
  struct fed_pg_conn *pg = fed_pg_of(conn);
  int rc = fed_pg_ready(pg, true, wait, err);

  pg_over(pg);
  if (rc == SQLITE_OK && PQtransactionStatus(pg->link) != PQTRANS_IDLE)
    rc = pg_exec(conn, "ROLLBACK", wait, err);
  if (rc == SQLITE_OK) rc = pg_exec(conn, "DISCARD ALL", wait, err);
  if (rc != SQLITE_OK) return rc;
  pg->generation++;
  pg->ngone = 0;
  return pg->set_session ? pg_exec(conn, fed_pg_settings, wait, err)
                         : SQLITE_OK;
}

/* From another thread, so only what is fixed after open() may be used. */
static int pg_cancel(struct fed_conn *conn, struct fed_err *err)
{
  struct fed_pg_conn *pg = fed_pg_of(conn);
  struct fed_wait wait = {fed_clock_deadline(FED_PG_CLEANUP_MS), NULL, NULL};

  atomic_store(&pg->cancelled, true);
  return fed_pg_cancel(pg, &wait, err);
}

/* ---- transactions ------------------------------------------------------ */

/*
 * All in one round trip, in the order that the server wants: the snapshot
 * before any query, its name outside of any savepoint.
 */
static void pg_begin_text(const struct fed_begin *opts, struct fed_str *sql)
{
  static const char *const isolation[] = {
    [FED_ISOLATION_DEFAULT] = "",
    [FED_ISOLATION_READ_COMMITTED] = " ISOLATION LEVEL READ COMMITTED",
    [FED_ISOLATION_REPEATABLE_READ] = " ISOLATION LEVEL REPEATABLE READ",
    [FED_ISOLATION_SERIALIZABLE] = " ISOLATION LEVEL SERIALIZABLE",
  };

  fed_str_init(sql, FED_STR_SQL);
  fed_str_addf(sql, "BEGIN%s%s", isolation[opts->isolation],
               opts->read_only ? " READ ONLY" : "");
  if (opts->snapshot)
    fed_str_addf(sql, "; SET TRANSACTION SNAPSHOT '%s'", opts->snapshot);
  if (opts->share) fed_str_add(sql, "; SELECT pg_export_snapshot()");
  if (opts->guard) fed_str_add(sql, "; " FED_PG_GUARD "; " FED_PG_QUIET);
}

/* The name of the snapshot; too long a one is as good as none. */
static int pg_begin_row(void *ctx, PGresult *row, struct fed_err *err)
{
  struct fed_pg_conn *pg = ctx;
  const char *name = PQgetvalue(row, 0, 0);

  (void)err;
  if (strlen(name) < sizeof pg->base.snapshot)
    memcpy(pg->base.snapshot, name, strlen(name) + 1);
  return SQLITE_OK;
}

static int pg_begin(struct fed_conn *conn, const struct fed_begin *opts,
                    const struct fed_wait *wait, struct fed_err *err)
{
  struct fed_pg_conn *pg = fed_pg_of(conn);
  struct fed_str sql;
  int rc = fed_pg_ready(pg, false, wait, err);

  if (rc != SQLITE_OK) return rc;
  /* To the server a BEGIN inside a transaction is worth a warning only. */
  if (PQtransactionStatus(pg->link) != PQTRANS_IDLE)
    return fed_err_set(err, SQLITE_MISUSE, "a transaction is open already");
  pg->read_only = opts->read_only;
  pg->guard = opts->guard;
  pg->guarded = opts->guard ? FED_PG_READS : FED_PG_OPEN;
  fed_conn_unlock(conn);
  pg_begin_text(opts, &sql);
  if (fed_str_err(&sql, err) == SQLITE_OK)
    fed_pg_rows(pg, sql.s, pg_begin_row, pg, wait, err);
  fed_str_release(&sql);
  return err->rc;
}

/*
 * COMMIT of a transaction in which a statement failed is answered by the tag
 * ROLLBACK, which is no error to libpq; nor is COMMIT without a transaction.
 */
static int pg_commit(struct fed_conn *conn, const struct fed_wait *wait,
                     struct fed_err *err)
{
  struct fed_pg_conn *pg = fed_pg_of(conn);
  struct fed_pg_done done = {.ended = false};
  int rc = fed_pg_ready(pg, pg->read_only, wait, err);
  bool read_only;

  if (rc != SQLITE_OK) return rc;
  if (PQtransactionStatus(pg->link) == PQTRANS_IDLE)
    return fed_err_set(err, SQLITE_ERROR,
                       "cannot commit: no transaction is open");
  /* This also releases the guard, before deferred constraints are checked. */
  rc = fed_pg_exec(pg, "COMMIT", wait, &done, err);
  read_only = pg->read_only;
  pg_over(pg);
  if (rc != SQLITE_OK || read_only || strcmp(done.tag, "COMMIT") == 0)
    return rc;
  return fed_err_set(err, SQLITE_ABORT,
                     "not committed: the server rolled the transaction back, "
                     "for a statement in it had failed");
}

static int pg_rollback(struct fed_conn *conn, const struct fed_wait *wait,
                       struct fed_err *err)
{
  struct fed_pg_conn *pg = fed_pg_of(conn);
  int rc = fed_pg_ready(pg, true, wait, err);

  pg_over(pg);
  return rc == SQLITE_OK ? fed_sqltx_rollback(conn, wait, err) : rc;
}

/* A verb of savepoints; the guard goes first, in the same round trip. */
static int pg_level(struct fed_conn *conn, const char *verb, int level,
                    const struct fed_wait *wait, struct fed_err *err)
{
  struct fed_pg_conn *pg = fed_pg_of(conn);
  struct fed_pg_done done = {.ended = false};
  char sql[80];
  int rc = fed_pg_ready(pg, false, wait, err);

  if (rc != SQLITE_OK) return rc;
  snprintf(sql, sizeof sql, "%s%s fed_%d",
           pg->guarded != FED_PG_OPEN ? "RELEASE " FED_PG_GUARD "; " : "", verb,
           level);
  rc = fed_pg_exec(pg, sql, wait, &done, err);
  if (done.count > 0) pg->guarded = FED_PG_OPEN;
  return rc;
}

static int pg_savepoint(struct fed_conn *conn, int level,
                        const struct fed_wait *wait, struct fed_err *err)
{
  return pg_level(conn, "SAVEPOINT", level, wait, err);
}

static int pg_release(struct fed_conn *conn, int level,
                      const struct fed_wait *wait, struct fed_err *err)
{
  return pg_level(conn, "RELEASE SAVEPOINT", level, wait, err);
}

static int pg_rollback_to(struct fed_conn *conn, int level,
                          const struct fed_wait *wait, struct fed_err *err)
{
  int rc = fed_pg_ready(fed_pg_of(conn), true, wait, err);

  /* The guard is inside of every level: it goes with what is undone. */
  fed_pg_of(conn)->guarded = FED_PG_OPEN;
  fed_conn_unlock(conn);
  return rc == SQLITE_OK ? fed_sqltx_rollback_to(conn, level, wait, err) : rc;
}

/* ---- the driver -------------------------------------------------------- */

static const char *const pg_schemes[] = {"postgres", "postgresql", "pg", NULL};

static void pg_client(char *out, size_t size)
{
  snprintf(out, size, "libpq %d.%d", PQlibVersion() / 10000,
           PQlibVersion() % 10000);
}

const struct fed_driver fed_driver_pg = {
  .name = "pg",
  .schemes = pg_schemes,
  .caps = FED_CAP_SAVEPOINT | FED_CAP_READONLY | FED_CAP_ASYNC |
          FED_CAP_SNAPSHOT | FED_CAP_GUARD,
  .dialect = &fed_dialect_pg,
  .client = pg_client,
  .param = pg_param,
  .check = pg_check,
  .open = fed_pg_open,
  .close = pg_close,
  .abandon = pg_abandon,
  .health = pg_health,
  .ping = pg_ping,
  .reset = pg_reset,
  .cancel = pg_cancel,
  .exec = pg_exec,
  .run = pg_run,
  .batch = pg_batch,
  .prepare = fed_pg_prepare,
  .execute = fed_pg_execute,
  .step = fed_pg_step,
  .stmt_reset = fed_pg_stmt_reset,
  .finalize = fed_pg_finalize,
  .execute_many = fed_pg_execute_many,
  .load_begin = fed_pg_load_begin,
  .load_row = fed_pg_load_row,
  .load_end = fed_pg_load_end,
  .begin = pg_begin,
  .commit = pg_commit,
  .rollback = pg_rollback,
  .savepoint = pg_savepoint,
  .release = pg_release,
  .rollback_to = pg_rollback_to,
  .catalog = fed_pg_catalog,
  .describe = fed_pg_describe,
};
