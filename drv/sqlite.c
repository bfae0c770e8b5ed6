/*
 * The sqlite driver: other SQLite files, through handles of its own, and the
 * user's file through the user's handle (fed_sqlite_borrow).
 *
 * It needs no server, so the whole test suite runs on it. Every column has
 * FED_CLASS_ANY (a SQLite column holds what it likes) but the rowid's alias,
 * which is always an integer. Its own handles never have our module, do not
 * trust the file's schema, and take "x" for a name only, never for a string.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "drv/dialect.h"
#include "drv/sqlite.h"

#define SQ_PROGRESS_OPS 1000 /* a few microseconds between two looks */

enum sq_state { SQ_IDLE, SQ_RUNNING, SQ_DONE };

struct sq_stmt {
  struct fed_stmt base; /* first */
  enum sq_state state;
  sqlite3_stmt *stmt;
  enum fed_class *want; /* a copy; NULL takes whatever comes */
  bool inserts;
  bool guarded; /* there is a savepoint around it */
};

/* ---- waiting ----------------------------------------------------------- */

/* Called by SQLite while it computes; true stops it with SQLITE_INTERRUPT. */
static int sq_progress(void *arg)
{
  struct sq_conn *sq = arg;
  struct fed_err ignored = FED_ERR_INIT;
  int64_t now;

  if (!sq->wait || (now = fed_clock_ms()) < sq->next_look) return 0;
  sq->next_look = now + FED_WAIT_SLICE;
  return fed_wait_check(sq->wait, "", &ignored) != SQLITE_OK;
}

/* Called by SQLite while another process holds a lock. */
static int sq_busy(void *arg, int count)
{
  struct sq_conn *sq = arg;
  struct fed_err ignored = FED_ERR_INIT;

  if (count == 0) sq->busy_until = fed_clock_deadline(sq->busy_ms);
  if (fed_clock_ms() >= sq->busy_until) return 0;
  if (!sq->wait || fed_wait_check(sq->wait, "", &ignored) != SQLITE_OK)
    return 0;
  sqlite3_sleep(count < 10 ? 1 + count : FED_WAIT_SLICE / 2);
  return 1;
}

void fed_sq_enter(struct sq_conn *sq, const struct fed_wait *wait)
{
  sq->wait = wait;
  sq->next_look = 0;
}

/* ---- errors ------------------------------------------------------------ */

/* Turn the handle's error into ours. */
int fed_sq_error(struct sq_conn *sq, int rc, struct fed_err *err)
{
  const char *msg = sqlite3_errmsg(sq->db);

  /* The owner of a borrowed handle may want extended codes; we only want to
   * know which constraint it was. */
  rc &= 0xff;
  if (rc == SQLITE_CONSTRAINT) rc = sqlite3_extended_errcode(sq->db);
  /* A full disk, a trigger with RAISE(ROLLBACK): out of the transaction. */
  if (sq->in_tx && sqlite3_get_autocommit(sq->db)) sq->base.ended = true;
  if (sq->in_tx && sqlite3_extended_errcode(sq->db) == SQLITE_BUSY_SNAPSHOT) {
    sq->base.ended = true;
    fed_err_native(err, SQLITE_BUSY_SNAPSHOT, NULL);
    return fed_err_set(err, SQLITE_BUSY,
                       "another wrote to the file since this transaction first "
                       "read it (SQLite error %d): ROLLBACK, and run it again",
                       SQLITE_BUSY_SNAPSHOT);
  }
  /* SQLite says "interrupted" for a passed deadline, and "locked" for both:
   * ask which it was. */
  if ((rc == SQLITE_INTERRUPT || rc == SQLITE_BUSY) && sq->wait) {
    int why = fed_wait_check(
      sq->wait, rc == SQLITE_BUSY ? "waiting for a lock" : "waiting for rows",
      err);

    if (why != SQLITE_OK) return why;
  }
  if (rc == SQLITE_ERROR &&
      (strstr(msg, "no such table") || strstr(msg, "no such column")))
    rc = SQLITE_SCHEMA;
  fed_err_native(err, sqlite3_extended_errcode(sq->db), NULL);
  return fed_err_set(err, rc, "%s (SQLite error %d)", msg,
                     sqlite3_extended_errcode(sq->db));
}

int fed_sq_error_at(struct sq_conn *sq, int rc, const char *sql,
                    struct fed_err *err)
{
  int bytes = -1;

  fed_sq_error(sq, rc, err);
  if (sqlite3_libversion_number() >= 3038000)
    bytes = sqlite3_error_offset(sq->db);
  err->position = bytes >= 0;
  for (int i = 0; i < bytes && sql[i]; i++)
    err->position += (sql[i] & 0xC0) != 0x80;
  return err->rc;
}

/* ---- definition -------------------------------------------------------- */

static enum fed_param_kind sq_param(const char *key)
{
  static const char *const keys[] = {"path", "mode", "busy_timeout",
                                     "immutable", "vfs"};

  for (size_t i = 0; i < FED_LEN(keys); i++)
    if (strcmp(keys[i], key) == 0) return FED_PARAM_PLAIN;
  return FED_PARAM_UNKNOWN;
}

/* The busy timeout in ms: digits only, as in SQLite's pragma. -1: wrong. */
static int64_t sq_busy_ms(const struct fed_dsn *dsn)
{
  const char *text = fed_dsn_get(dsn, "busy_timeout");
  char *end;
  long long ms;

  if (!text) return 5000;
  ms = strtoll(text, &end, 10);
  return *text && !*end && ms >= 0 ? ms : -1;
}

static int sq_check(const struct fed_dsn *dsn, struct fed_err *err)
{
  const char *path = fed_dsn_get(dsn, "path");
  const char *mode = fed_dsn_get(dsn, "mode");

  if (!path || !*path || strcmp(path, ":memory:") == 0)
    return fed_err_set(err, SQLITE_MISUSE,
                       "a sqlite server needs a file: sqlite:/path/to/file.db");
  if (mode && strcmp(mode, "ro") && strcmp(mode, "rw") && strcmp(mode, "rwc"))
    return fed_err_set(err, SQLITE_MISUSE,
                       "mode '%s' is not one of ro, rw, rwc", mode);
  if (sq_busy_ms(dsn) < 0)
    return fed_err_set(err, SQLITE_MISUSE,
                       "busy_timeout '%s' is not a number of milliseconds",
                       fed_dsn_get(dsn, "busy_timeout"));
  return SQLITE_OK;
}

/* ---- connection -------------------------------------------------------- */

/* file:PATH?mode=..&immutable=..: the only form that carries every option. */
static char *sq_uri(const struct fed_dsn *dsn)
{
  const char *mode = fed_dsn_get(dsn, "mode");
  const char *immutable = fed_dsn_get(dsn, "immutable");
  struct fed_str uri;

  fed_str_init(&uri, FED_STR_SQL);
  fed_str_add(&uri, "file:");
  for (const char *p = fed_dsn_get(dsn, "path"); *p; p++)
    if (strchr("%?#", *p))
      fed_str_addf(&uri, "%%%02X", (unsigned)*p);
    else
      fed_str_addc(&uri, *p);
  fed_str_addf(&uri, "?mode=%s", mode ? mode : "rw");
  if (immutable) fed_str_addf(&uri, "&immutable=%s", immutable);
  return fed_str_detach(&uri);
}

/* A host's SQLite may be built without it (SQLITE_OMIT_PROGRESS_CALLBACK):
 * then a computation cannot be interrupted. */
static bool sq_has_progress(void)
{
#ifdef SQLITE_CORE
  return true;
#else
  return sqlite3_api->progress_handler != NULL;
#endif
}

/* What a file must not be able to do to us, and we not to it. */
static void sq_harden(struct sq_conn *sq)
{
  if (!sq->dsn.plain) {
    sqlite3_db_config(sq->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(sq->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    /* A column dropped under us must be an error, not the string of its
     * name. */
    sqlite3_db_config(sq->db, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
  }
  sqlite3_busy_handler(sq->db, sq_busy, sq);
  if (sq_has_progress())
    sqlite3_progress_handler(sq->db, SQ_PROGRESS_OPS, sq_progress, sq);
  else
    sq->base.caps &= ~(unsigned)FED_CAP_ASYNC;
}

/* Reads the file's header, as any statement would. */
static int sq_read_encoding(struct sq_conn *sq)
{
  sqlite3_stmt *stmt = NULL;
  int rc = sqlite3_exec(sq->db, "SELECT 1 FROM sqlite_schema LIMIT 1", NULL,
                        NULL, NULL);

  if (rc == SQLITE_OK)
    rc = sqlite3_prepare_v2(sq->db, "PRAGMA encoding", -1, &stmt, NULL);
  if (rc == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW)
    sq->utf8 =
      sqlite3_stricmp((const char *)sqlite3_column_text(stmt, 0), "UTF-8") == 0;
  sqlite3_finalize(stmt);
  return rc;
}

/* Open the file and read its header, so that "not a database" shows here. */
static int sq_connect(struct sq_conn *sq, const struct fed_wait *wait,
                      struct fed_err *err)
{
  const char *path = fed_dsn_get(&sq->dsn, "path");
  char *uri = sq_uri(&sq->dsn);
  int rc;

  if (!uri) return fed_err_nomem(err);
  fed_sq_enter(sq, wait);
  rc = sqlite3_open_v2(uri, &sq->db,
                       SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE |
                         SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX |
                         SQLITE_OPEN_PRIVATECACHE,
                       fed_dsn_get(&sq->dsn, "vfs"));
  fed_free(uri);
  if (rc == SQLITE_OK) {
    sq_harden(sq);
    rc = sq_read_encoding(sq);
  }
  if (rc != SQLITE_OK) {
    fed_sq_error(sq, rc, err);
    fed_err_prefix(err, "cannot open '%s': ", path);
    return err->rc;
  }
  stat(path, &sq->file);
  return SQLITE_OK;
}

/* Out of a transaction that began here. */
static void sq_undo(struct sq_conn *sq)
{
  if (sq->in_none && !sqlite3_get_autocommit(sq->db) &&
      sqlite3_exec(sq->db, "ROLLBACK", NULL, NULL, NULL) == SQLITE_INTERRUPT)
    fed_sq_abort(sq);
  if (sq->read_only)
    sqlite3_exec(sq->db, "PRAGMA query_only=0", NULL, NULL, NULL);
  sq->in_tx = sq->read_only = false;
}

static void sq_close(struct fed_conn *conn)
{
  struct sq_conn *sq = sq_of(conn);

  if (!sq) return;
  fed_sq_load_over(sq);
  fed_sq_guard_release(sq);
  sq->wait = NULL;
  if (sq->borrowed)
    sq_undo(sq);
  else
    sqlite3_close_v2(sq->db);
  fed_dsn_release(&sq->dsn);
  fed_free(sq);
}

/* A forked child may not even close a SQLite handle: it is left alone. */
static void sq_abandon(struct fed_conn *conn)
{
  fed_dsn_release(&sq_of(conn)->dsn);
  fed_free(conn);
}

static int sq_open(struct fed_conn **out, const struct fed_dsn *dsn,
                   const struct fed_wait *wait, struct fed_err *err)
{
  struct sq_conn *sq = fed_alloc(sizeof *sq);
  int rc;

  if (!sq) return fed_err_nomem(err);
  fed_conn_init(&sq->base, &fed_driver_sqlite);
  snprintf(sq->base.version, sizeof sq->base.version, "SQLite %s",
           sqlite3_libversion());
  sq->busy_ms = sq_busy_ms(dsn);
  sq->in_none = true;
  rc = fed_dsn_copy(&sq->dsn, dsn, err);
  if (rc == SQLITE_OK) rc = sq_connect(sq, wait, err);
  if (rc != SQLITE_OK) {
    sq_close(&sq->base);
    return rc;
  }
  *out = &sq->base;
  return SQLITE_OK;
}

int fed_sqlite_borrow(struct fed_conn **out, sqlite3 *db, struct fed_err *err)
{
  struct sq_conn *sq = fed_alloc(sizeof *sq);

  *out = NULL;
  if (!sq) return fed_err_nomem(err);
  fed_conn_init(&sq->base, &fed_driver_sqlite);
  /* These need a handler or a setting that may be the owner's. */
  sq->base.caps &=
    ~(unsigned)(FED_CAP_ASYNC | FED_CAP_READONLY | FED_CAP_GUARD);
  snprintf(sq->base.version, sizeof sq->base.version, "SQLite %s",
           sqlite3_libversion());
  sq->db = db;
  sq->borrowed = true;
  sq->in_none = sqlite3_get_autocommit(db);
  sq_read_encoding(sq); /* else it is not known, and taken for UTF-16 */
  *out = &sq->base;
  return SQLITE_OK;
}

/* A file replaced by another of the same name would be read for ever. */
static bool sq_same_file(const struct sq_conn *sq)
{
  struct stat now;

  return stat(fed_dsn_get(&sq->dsn, "path"), &now) == 0 &&
         now.st_dev == sq->file.st_dev && now.st_ino == sq->file.st_ino;
}

static enum fed_health sq_health(struct fed_conn *conn, bool look)
{
  struct sq_conn *sq = sq_of(conn);

  if (look && !sq->borrowed && !sq_same_file(sq)) return FED_HEALTH_DEAD;
  if (!sqlite3_get_autocommit(sq->db)) return FED_HEALTH_BUSY;
  if (sq->borrowed) return FED_HEALTH_CLEAN; /* the owner's may be running */
  for (sqlite3_stmt *s = sqlite3_next_stmt(sq->db, NULL); s;
       s = sqlite3_next_stmt(sq->db, s))
    if (sqlite3_stmt_busy(s)) return FED_HEALTH_BUSY;
  return FED_HEALTH_CLEAN;
}

/* It would commit by itself. */
int fed_sq_usable(const struct sq_conn *sq, struct fed_err *err)
{
  if (!sq->base.ended) return SQLITE_OK;
  return fed_err_set(err, SQLITE_ABORT,
                     "the transaction has ended by itself: ROLLBACK, and run "
                     "it again");
}

int fed_sq_exec(struct fed_conn *conn, const char *sql,
                const struct fed_wait *wait, struct fed_err *err)
{
  struct sq_conn *sq = sq_of(conn);
  int rc = fed_sq_usable(sq, err);

  if (rc != SQLITE_OK) return rc;
  fed_sq_enter(sq, wait);
  rc = sqlite3_exec(sq->db, sql, NULL, NULL, NULL);
  return rc == SQLITE_OK ? SQLITE_OK : fed_sq_error(sq, rc, err);
}

static int sq_ping(struct fed_conn *conn, const struct fed_wait *wait,
                   struct fed_err *err)
{
  return fed_sq_exec(conn, "SELECT 1 FROM sqlite_schema LIMIT 1", wait, err);
}

/* TEMP tables, attached files and pragmas go only with the handle. */
static int sq_reset(struct fed_conn *conn, const struct fed_wait *wait,
                    struct fed_err *err)
{
  struct sq_conn *sq = sq_of(conn);

  fed_sq_enter(sq, wait);
  fed_sq_load_over(sq);
  sq_undo(sq);
  conn->ended = false;
  if (!conn->dirty || sq->borrowed) return SQLITE_OK;
  fed_sq_guard_release(sq);
  sqlite3_close_v2(sq->db);
  sq->db = NULL;
  return sq_connect(sq, wait, err);
}

static int sq_cancel(struct fed_conn *conn, struct fed_err *err)
{
  (void)err;
  sqlite3_interrupt(sq_of(conn)->db);
  return SQLITE_OK;
}

/* ---- statement --------------------------------------------------------- */

static void sq_finalize(struct fed_stmt *base)
{
  struct sq_stmt *stmt = (struct sq_stmt *)base;

  if (!stmt) return;
  sqlite3_finalize(stmt->stmt);
  fed_free(stmt->base.row);
  fed_free(stmt->want);
  fed_free(stmt);
}

int fed_sq_single(struct sq_conn *sq, sqlite3_stmt *stmt, const char *tail,
                  struct fed_err *err)
{
  sqlite3_stmt *more = NULL;

  if (!stmt) return fed_err_set(err, SQLITE_ERROR, "the statement is empty");
  sqlite3_prepare_v2(sq->db, tail, -1, &more, NULL);
  sqlite3_finalize(more);
  if (more || sqlite3_errcode(sq->db) != SQLITE_OK)
    return fed_err_set(err, SQLITE_ERROR, "more than one statement");
  return SQLITE_OK;
}

/* Room for a row, and what it must look like. */
static int sq_shape(struct sq_stmt *stmt, const enum fed_class *want, int nwant,
                    struct fed_err *err)
{
  size_t n = (size_t)stmt->base.ncol;

  if (want && nwant != stmt->base.ncol)
    return fed_err_set(err, SQLITE_SCHEMA, "%d columns where %d were expected",
                       stmt->base.ncol, nwant);
  stmt->base.row = fed_calloc(n, sizeof *stmt->base.row);
  if (!stmt->base.row) return fed_err_nomem(err);
  if (!want) return SQLITE_OK;
  stmt->want = fed_calloc(n, sizeof *want);
  if (!stmt->want) return fed_err_nomem(err);
  memcpy(stmt->want, want, n * sizeof *want);
  return SQLITE_OK;
}

static int sq_prepare(struct fed_conn *conn, const char *sql,
                      const enum fed_class *want, int nwant, bool bulk,
                      struct fed_stmt **out, const struct fed_wait *wait,
                      struct fed_err *err)
{
  struct sq_conn *sq = sq_of(conn);
  struct sq_stmt *stmt = fed_alloc(sizeof *stmt);
  const char *tail = "";
  int rc;

  (void)bulk;
  if (!stmt) return fed_err_nomem(err);
  stmt->base.conn = conn;
  fed_list_init(&stmt->base.link);
  fed_sq_enter(sq, wait);
  rc = sqlite3_prepare_v3(sq->db, sql, -1, SQLITE_PREPARE_PERSISTENT,
                          &stmt->stmt, &tail);
  rc = rc == SQLITE_OK ? fed_sq_single(sq, stmt->stmt, tail, err)
                       : fed_sq_error_at(sq, rc, sql, err);
  if (rc != SQLITE_OK) goto out;
  stmt->base.ncol = sqlite3_column_count(stmt->stmt);
  stmt->inserts = sqlite3_strnicmp(sql, "INSERT ", 7) == 0 ||
                  sqlite3_strnicmp(sql, "REPLACE ", 8) == 0;
  rc = sq_shape(stmt, want, nwant, err);
out:
  if (rc == SQLITE_OK)
    *out = &stmt->base;
  else
    sq_finalize(&stmt->base);
  return rc;
}

static int sq_bind(struct sq_stmt *stmt, int i, const struct fed_value *arg)
{
  switch (arg->type) {
  case FED_NULL:
    return sqlite3_bind_null(stmt->stmt, i);
  case FED_INT:
    return sqlite3_bind_int64(stmt->stmt, i, arg->i);
  case FED_REAL:
    return sqlite3_bind_double(stmt->stmt, i, arg->r);
  case FED_TEXT:
    return sqlite3_bind_text64(stmt->stmt, i, arg->p, (uint64_t)arg->size,
                               SQLITE_TRANSIENT, SQLITE_UTF8);
  case FED_BLOB:
    if (arg->size == 0) return sqlite3_bind_zeroblob(stmt->stmt, i, 0);
    return sqlite3_bind_blob64(stmt->stmt, i, arg->p, (uint64_t)arg->size,
                               SQLITE_TRANSIENT);
  }
  return SQLITE_MISUSE;
}

static int sq_execute(struct fed_stmt *base, const struct fed_value *args,
                      int n, const struct fed_wait *wait, struct fed_err *err)
{
  struct sq_stmt *stmt = (struct sq_stmt *)base;
  struct sq_conn *sq = sq_of(base->conn);
  int wanted = sqlite3_bind_parameter_count(stmt->stmt);

  if (fed_sq_usable(sq, err) != SQLITE_OK) return err->rc;
  fed_sq_enter(sq, wait);
  base->changes = base->number = 0;
  if (stmt->state != SQ_IDLE)
    return fed_err_set(err, SQLITE_MISUSE, "executed again without a reset");
  if (n != wanted)
    return fed_err_set(err, SQLITE_RANGE, "%d arguments for %d parameters", n,
                       wanted);
  if (sq->read_only && !sqlite3_stmt_readonly(stmt->stmt))
    return fed_err_set(err, SQLITE_READONLY,
                       "the statement writes, but this place only reads");
  for (int i = 0; i < n; i++) {
    int rc = sq_bind(stmt, i + 1, &args[i]);

    if (rc != SQLITE_OK) return fed_sq_error(sq, rc, err);
  }
  stmt->state = SQ_RUNNING;
  return SQLITE_OK;
}

/* Does a value fit the class the table was declared with? */
static bool sq_fits(enum fed_class want, const struct fed_value *value)
{
  enum fed_type storage = fed_class_storage(want);

  return want == FED_CLASS_ANY || value->type == FED_NULL ||
         value->type == storage;
}

static void sq_column(sqlite3_stmt *stmt, int i, struct fed_value *value)
{
  switch (sqlite3_column_type(stmt, i)) {
  case SQLITE_INTEGER:
    *value = fed_value_int(sqlite3_column_int64(stmt, i));
    break;
  case SQLITE_FLOAT:
    *value = fed_value_real(sqlite3_column_double(stmt, i));
    break;
  case SQLITE_TEXT: {
    const void *text = sqlite3_column_text(stmt, i);

    *value = fed_value_text(text, sqlite3_column_bytes(stmt, i));
    break;
  }
  case SQLITE_BLOB: {
    const void *blob = sqlite3_column_blob(stmt, i);

    *value = fed_value_blob(blob, sqlite3_column_bytes(stmt, i));
    break;
  }
  default:
    *value = fed_value_null();
  }
}

static int sq_row(struct sq_stmt *stmt, struct fed_err *err)
{
  struct fed_stmt *base = &stmt->base;

  for (int i = 0; i < base->ncol; i++) {
    struct fed_value *value = &base->row[i];

    sq_column(stmt->stmt, i, value);
    if ((value->type == FED_TEXT || value->type == FED_BLOB) && !value->p &&
        value->size)
      return fed_err_nomem(err);
    if (stmt->want && !sq_fits(stmt->want[i], value))
      return fed_err_set(err, SQLITE_SCHEMA, "column '%s' is no longer %s",
                         sqlite3_column_name(stmt->stmt, i),
                         fed_class_name(stmt->want[i]));
  }
  fed_stmt_count(base);
  return SQLITE_ROW;
}

/* Rows this statement changed; a SELECT leaves the old count standing. */
static int64_t sq_changes(struct sq_stmt *stmt, sqlite3 *db)
{
  return sqlite3_stmt_readonly(stmt->stmt) ? 0 : sqlite3_changes64(db);
}

/* The guard's end: back to it first if the statement failed. */
static void sq_unguard(struct sq_stmt *stmt, bool failed)
{
  struct sq_conn *sq = sq_of(stmt->base.conn);
  struct fed_err ignored = FED_ERR_INIT;
  int rc = SQLITE_OK;

  if (!stmt->guarded) return;
  stmt->guarded = false;
  if (sq->base.ended) return;
  sqlite3_reset(stmt->stmt);
  if (failed) rc = fed_sq_guard(sq, SQ_GUARD_BACK, &ignored);
  if (rc == SQLITE_OK) rc = fed_sq_guard(sq, SQ_GUARD_RELEASE, &ignored);
  if (rc != SQLITE_OK) sq->base.broken = true;
}

static int sq_guard(struct sq_stmt *stmt, struct fed_err *err)
{
  struct sq_conn *sq = sq_of(stmt->base.conn);
  int rc;

  if (stmt->guarded || !sq->base.guard_writes || !sq->in_tx ||
      sqlite3_stmt_readonly(stmt->stmt))
    return SQLITE_OK;
  rc = fed_sq_guard(sq, SQ_GUARD_SET, err);
  stmt->guarded = rc == SQLITE_OK;
  return rc;
}

static int sq_step(struct fed_stmt *base, const struct fed_wait *wait,
                   struct fed_err *err)
{
  struct sq_stmt *stmt = (struct sq_stmt *)base;
  struct sq_conn *sq = sq_of(base->conn);
  int rc;

  /* sqlite3_step() after its end would run the statement anew. */
  if (stmt->state == SQ_DONE) return SQLITE_DONE;
  if (stmt->state != SQ_RUNNING)
    return fed_err_set(err, SQLITE_MISUSE, "stepped without being executed");
  sq->wait = wait; /* next_look stays: one look per slice, not per row */
  if ((rc = sq_guard(stmt, err)) != SQLITE_OK) return rc;
  rc = sqlite3_step(stmt->stmt);
  if (rc == SQLITE_ROW) return sq_row(stmt, err);
  stmt->state = SQ_DONE;
  if (rc != SQLITE_DONE) {
    rc = fed_sq_error(sq, rc, err);
    sq_unguard(stmt, true);
    return rc;
  }
  base->changes = sq_changes(stmt, sq->db);
  if (stmt->inserts && base->changes > 0)
    base->number = sqlite3_last_insert_rowid(sq->db);
  sq_unguard(stmt, false);
  return SQLITE_DONE;
}

static int sq_stmt_reset(struct fed_stmt *base, const struct fed_wait *wait,
                         struct fed_err *err)
{
  struct sq_stmt *stmt = (struct sq_stmt *)base;

  (void)wait;
  (void)err;
  sqlite3_reset(stmt->stmt); /* its code repeats step()'s error */
  sq_unguard(stmt, false);
  sqlite3_clear_bindings(stmt->stmt);
  stmt->state = SQ_IDLE;
  return SQLITE_OK;
}

/* ---- describe ---------------------------------------------------------- */

static int sq_describe(struct fed_conn *conn, const char *sql,
                       struct fed_relation *out, const struct fed_wait *wait,
                       struct fed_err *err)
{
  struct fed_stmt *base = NULL;
  int rc = sq_prepare(conn, sql, NULL, 0, false, &base, wait, err);
  sqlite3_stmt *stmt;

  if (rc != SQLITE_OK) return rc;
  stmt = ((struct sq_stmt *)base)->stmt;
  if (base->ncol == 0)
    rc = fed_err_set(err, SQLITE_ERROR, "the query gives no columns");
  else if (!sqlite3_stmt_readonly(stmt))
    rc = fed_err_set(err, SQLITE_READONLY, "the query writes");
  for (int i = 0; i < base->ncol && rc == SQLITE_OK; i++) {
    const char *name = sqlite3_column_name(stmt, i);
    const char *type = sqlite3_column_decltype(stmt, i);

    if (!name || !fed_relation_add(out, name, type ? type : ""))
      rc = fed_err_nomem(err);
  }
  sq_finalize(base);
  return rc;
}

static const char *const sq_schemes[] = {"sqlite", NULL};

static void sq_client(char *out, size_t size)
{
  snprintf(out, size, "SQLite %s", sqlite3_libversion());
}

const struct fed_driver fed_driver_sqlite = {
  .name = "sqlite",
  .schemes = sq_schemes,
  .caps = FED_CAP_SAVEPOINT | FED_CAP_READONLY | FED_CAP_ASYNC | FED_CAP_MANY |
          FED_CAP_GUARD, /* what it is asked for is a SELECT */
  .dialect = &fed_dialect_sqlite,
  .is_file = true,
  .client = sq_client,
  .param = sq_param,
  .check = sq_check,
  .open = sq_open,
  .close = sq_close,
  .abandon = sq_abandon,
  .health = sq_health,
  .ping = sq_ping,
  .reset = sq_reset,
  .cancel = sq_cancel,
  .exec = fed_sq_exec,
  .run = fed_sq_run,
  .prepare = sq_prepare,
  .execute = sq_execute,
  .step = sq_step,
  .stmt_reset = sq_stmt_reset,
  .finalize = sq_finalize,
  .execute_many = fed_sq_execute_many,
  .load_begin = fed_sq_load_begin,
  .load_row = fed_sq_load_row,
  .load_end = fed_sq_load_end,
  .begin = fed_sq_begin,
  .commit = fed_sq_commit,
  .rollback = fed_sq_rollback,
  .savepoint = fed_sqltx_savepoint,
  .release = fed_sqltx_release,
  .rollback_to = fed_sqltx_rollback_to,
  .catalog = fed_sq_catalog,
  .describe = sq_describe,
};
