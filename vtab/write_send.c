/* write_send: rows on their way to a server. */
#include "base/mem.h"
#include "vtab/fetch.h"
#include "vtab/probe.h"
#include "vtab/write_int.h"

#define WRITE_CLEANUP_MS 5000
#define WRITE_BATCH      1000 /* rows of UPDATE and DELETE in one call, */
#define WRITE_LOAD       64   /* rows of INSERT before a load is begun, */
#define WRITE_BYTES      ((size_t)1 << 20) /* or what these take */

/* ---- SQL --------------------------------------------------------------- */

static bool write_same(const struct write_stmt *a, const struct write_stmt *b)
{
  return a->verb == b->verb && a->replace == b->replace && a->ncol == b->ncol &&
         memcmp(a->column, b->column, (size_t)a->ncol * sizeof *a->column) == 0;
}

static void write_copy(struct write_stmt *to, const struct write_stmt *from)
{
  int16_t *column = to->column;

  *to = *from;
  to->column = column;
  memcpy(column, from->column,
         ((size_t)from->ncol + (size_t)from->ndefault) * sizeof *column);
}

static void write_where(const struct write *w, struct fed_str *sql, int from)
{
  const struct fed_relation *rel = &w->table->rel;

  for (int i = 0; i < w->nkey; i++) {
    fed_str_add(sql, i ? " AND " : " WHERE ");
    fed_dialect_name(w->dialect, sql, rel->col[w->key[i]].name);
    fed_str_add(sql, w->dialect->same);
    fed_dialect_value(w->dialect, sql, &rel->col[w->key[i]], from + i);
  }
}

int write_number_column(const struct fed_relation *rel)
{
  for (int i = 0; i < rel->ncol; i++)
    if (rel->col[i].fill == FED_FILL_NUMBER ||
        rel->col[i].fill == FED_FILL_ALWAYS)
      return i;
  return -1;
}

static bool write_gives(const struct write_stmt *st, int column)
{
  for (int i = 0; i < st->ncol; i++)
    if (st->column[i] == column) return true;
  return false;
}

/* Is the server to tell the number that it makes, by RETURNING? */
static bool write_returns(const struct write *w, const struct write_stmt *st)
{
  int number = write_number_column(&w->table->rel);

  return st->verb == WRITE_INSERT && w->dialect->returning && number >= 0 &&
         !write_gives(st, number);
}

static void write_deparse(const struct write *w, const struct write_stmt *st,
                          struct fed_str *sql)
{
  const struct fed_relation *rel = &w->table->rel;

  switch (st->verb) {
  case WRITE_INSERT:
    fed_dialect_insert(w->dialect, sql, rel, st->column, st->ncol, 1,
                       st->replace);
    break;
  case WRITE_UPDATE:
    fed_str_add(sql, st->replace ? "UPDATE OR REPLACE " : "UPDATE ");
    fed_dialect_relation(w->dialect, sql, rel);
    for (int i = 0; i < st->ncol + st->ndefault; i++) {
      fed_str_add(sql, i ? ", " : " SET ");
      fed_dialect_name(w->dialect, sql, rel->col[st->column[i]].name);
      fed_str_add(sql, " = ");
      if (i < st->ncol)
        fed_dialect_value(w->dialect, sql, &rel->col[st->column[i]], i + 1);
      else
        fed_str_add(sql, "DEFAULT");
    }
    write_where(w, sql, st->ncol + 1);
    break;
  case WRITE_DELETE:
    fed_str_add(sql, "DELETE FROM ");
    fed_dialect_relation(w->dialect, sql, rel);
    write_where(w, sql, 1);
    break;
  }
}

/* The statement's text; NULL when out of memory. */
static const char *write_sql(struct write *w, const struct write_stmt *st,
                             struct fed_err *err)
{
  struct fed_str sql;
  int number = write_number_column(&w->table->rel);

  if (w->sql && write_same(st, &w->said)) return w->sql;
  fed_free(w->sql);
  fed_str_init(&sql, FED_STR_SQL);
  write_deparse(w, st, &sql);
  if (write_returns(w, st)) {
    fed_str_add(&sql, " RETURNING ");
    fed_dialect_name(w->dialect, &sql, w->table->rel.col[number].name);
  }
  w->sql = fed_str_detach(&sql);
  if (w->sql)
    write_copy(&w->said, st);
  else
    fed_err_nomem(err);
  return w->sql;
}

/* ---- a connection ------------------------------------------------------ */

/* Reads that use the connection, and all of a file of SQLite, where a reader
 * would keep COMMIT from its lock, are read to their end. */
int write_lease(struct fed_db *fdb, struct fed_server *server,
                struct fed_view *view, bool guard, const struct fed_wait *wait,
                struct fed_conn **out, struct fed_err *err)
{
  bool is_file = fed_server_driver(server)->is_file;
  int rc = fetch_set_aside_for(fdb, server, view, is_file, wait, err);

  *out = NULL;
  if (rc == SQLITE_OK) rc = fetch_lease(fdb, server, view, wait, out, err);
  if (rc != SQLITE_OK) return rc;
  rc = fed_view_write(view, *out, guard, wait, err);
  if (rc == SQLITE_OK) return SQLITE_OK;
  fed_view_return(view, *out);
  *out = NULL;
  return rc;
}

static int write_take(struct write *w, bool guard, struct fed_conn **out,
                      struct fed_err *err)
{
  return write_lease(w->table->fdb, w->server, w->table->fdb->writes, guard,
                     &w->wait, out, err);
}

/* What a failure means to the transaction; `conn` NULL: none was to be had. */
static int write_failed(struct write *w, const struct fed_conn *conn,
                        struct fed_err *err)
{
  /* Rows that waited were said to be written; and of a load that fails nothing
   * but its transaction is left. */
  bool late = w->nwaiting + w->sent > 0 && w->waits.verb == WRITE_INSERT;
  bool lost = conn && (conn->broken || conn->unsettled || conn->ended);

  if (late || lost) fed_view_doom(w->table->fdb->writes, err);
  return err->rc;
}

/* ---- one statement ----------------------------------------------------- */

static int write_rows_expected(const struct write *w, int64_t changes,
                               struct fed_err *err)
{
  if (changes == 1) return SQLITE_OK;
  if (changes == 0)
    return fed_err_set(err, SQLITE_ERROR,
                       "a row that was to be changed is not there any more, "
                       "or the server has left it as it was");
  fed_err_set(err, SQLITE_ERROR,
              "%lld rows have the key of the one that was to be changed",
              (long long)changes);
  /* They were changed, and a single row has no savepoint to go back to. */
  fed_view_doom(w->table->fdb->writes, err);
  return err->rc;
}

static int write_step(struct fed_stmt *stmt, const struct fed_wait *wait,
                      int64_t *number, struct fed_err *err)
{
  int64_t made = 0;
  int rc;

  while ((rc = fed_stmt_step(stmt, wait, err)) == SQLITE_ROW)
    if (stmt->ncol > 0 && stmt->row[0].type == FED_INT) made = stmt->row[0].i;
  if (rc != SQLITE_DONE) return rc;
  if (number) *number = made ? made : stmt->number;
  return SQLITE_OK;
}

/* Execute `sql` once; *changes NULL: any number of rows will do. */
static int write_execute(struct write *w, struct fed_conn *conn,
                         const char *sql, const struct fed_value *args, int n,
                         int64_t *changes, int64_t *number, struct fed_err *err)
{
  struct fed_wait cleanup = {.deadline = fed_clock_deadline(WRITE_CLEANUP_MS)};
  struct fed_stmt *stmt = NULL;
  int rc = fed_stmt_get(conn, sql, NULL, 0, false, &stmt, &w->wait, err);

  if (rc == SQLITE_OK) rc = fed_stmt_execute(stmt, args, n, &w->wait, err);
  if (rc == SQLITE_OK) rc = write_step(stmt, &w->wait, number, err);
  if (rc == SQLITE_OK && changes) *changes = stmt->changes;
  fed_stmt_put(stmt, rc == SQLITE_OK, &cleanup);
  return rc;
}

static int write_one(struct write *w, struct fed_conn *conn,
                     const struct write_stmt *st, const struct fed_value *args,
                     int n, int64_t *number, struct fed_err *err)
{
  const char *sql = write_sql(w, st, err);
  int64_t changes = 0;
  int rc;

  if (!sql) return err->rc;
  rc = write_execute(w, conn, sql, args, n, &changes, number, err);
  /* A trigger or a rule of the server may make of an INSERT what it likes;
   * REPLACE counts what it has removed. */
  if (rc != SQLITE_OK || st->verb == WRITE_INSERT) return rc;
  return write_rows_expected(w, changes, err);
}

int write_send(struct write *w, bool guard, int64_t *number,
               struct fed_err *err)
{
  struct fed_conn *conn;
  int rc = write_take(w, guard, &conn, err);

  if (rc != SQLITE_OK) return rc;
  rc = write_one(w, conn, &w->now, w->args, w->narg, number, err);
  if (rc != SQLITE_OK) rc = write_failed(w, conn, err);
  fed_view_return(w->table->fdb->writes, conn);
  return rc;
}

/* ---- in the place of others -------------------------------------------- */

/* Where column `i` stands in the row, or -1. */
static int write_place(const struct write *w, int column)
{
  for (int i = 0; i < w->now.ncol; i++)
    if (w->now.column[i] == column) return i;
  return -1;
}

/* The row that has the same values in the `n`th unique key; but not the one
 * that is to be changed. False: none can have them. */
static bool write_rival(struct write *w, int n, struct fed_str *sql,
                        struct fed_value *args, int *narg)
{
  const struct fed_relation *rel = &w->table->rel;

  *narg = 0;
  fed_str_add(sql, "DELETE FROM ");
  fed_dialect_relation(w->dialect, sql, rel);
  for (int i = 0; i < rel->ncol; i++) {
    int at = write_place(w, i);

    if (!((rel->col[i].uniques >> n) & 1)) continue;
    if (at < 0 || w->args[at].type == FED_NULL) return false;
    fed_str_add(sql, *narg ? " AND " : " WHERE ");
    fed_dialect_name(w->dialect, sql, rel->col[i].name);
    fed_str_add(sql, " = ");
    args[(*narg)++] = w->args[at];
    fed_dialect_value(w->dialect, sql, &rel->col[i], *narg);
  }
  if (*narg == 0 || w->now.verb != WRITE_UPDATE) return *narg > 0;
  for (int i = 0; i < w->nkey; i++) {
    fed_str_add(sql, i ? " AND " : " AND NOT (");
    fed_dialect_name(w->dialect, sql, rel->col[w->key[i]].name);
    fed_str_add(sql, " = ");
    args[(*narg)++] = w->args[w->now.ncol + i];
    fed_dialect_value(w->dialect, sql, &rel->col[w->key[i]], *narg);
  }
  fed_str_addc(sql, ')');
  return true;
}

static int write_remove(struct write *w, struct fed_conn *conn, int n,
                        struct fed_value *args, struct fed_err *err)
{
  struct fed_str sql;
  int narg, rc = SQLITE_OK;

  fed_str_init(&sql, FED_STR_SQL);
  if (write_rival(w, n, &sql, args, &narg)) {
    rc = fed_str_err(&sql, err);
    if (rc == SQLITE_OK)
      rc = write_execute(w, conn, sql.s, args, narg, NULL, NULL, err);
  }
  fed_str_release(&sql);
  return rc;
}

static uint32_t write_uniques(const struct fed_relation *rel)
{
  uint32_t all = 0;

  for (int i = 0; i < rel->ncol; i++)
    all |= rel->col[i].uniques;
  return all;
}

/*
 * Between a savepoint and its release, so that rows are not removed for one
 * that then cannot be written.
 */
static int write_replace(struct write *w, struct fed_conn *conn,
                         int64_t *number, struct fed_err *err)
{
  uint32_t all = write_uniques(&w->table->rel);
  size_t room = (size_t)w->table->rel.ncol + (size_t)w->nkey;
  struct fed_value *args = fed_calloc(room, sizeof *args);
  int rc = args ? SQLITE_OK : fed_err_nomem(err);

  for (int n = 0; n < 32 && rc == SQLITE_OK; n++)
    if ((all >> n) & 1) rc = write_remove(w, conn, n, args, err);
  fed_free(args);
  if (rc != SQLITE_OK) return rc;
  return write_one(w, conn, &w->now, w->args, w->narg, number, err);
}

#define WRITE_FENCE                                                            \
  0 /* a savepoint's level below those of SQLite, 1, 2 ...                     \
     */

int write_send_replacing(struct write *w, int64_t *number, struct fed_err *err)
{
  struct fed_wait cleanup = {.deadline = fed_clock_deadline(WRITE_CLEANUP_MS)};
  struct fed_err later = FED_ERR_INIT;
  struct fed_conn *conn;
  int rc = write_take(w, false, &conn, err);

  if (rc != SQLITE_OK) return rc;
  rc = fed_conn_savepoint(conn, WRITE_FENCE, &w->wait, err);
  if (rc == SQLITE_OK) {
    rc = write_replace(w, conn, number, err);
    if (rc != SQLITE_OK && !conn->broken && !conn->ended)
      fed_conn_rollback_to(conn, WRITE_FENCE, &cleanup, &later);
    if (!conn->broken && !conn->ended)
      fed_conn_release(conn, WRITE_FENCE, &cleanup,
                       rc == SQLITE_OK ? err : &later);
    if (rc == SQLITE_OK) rc = err->rc;
  }
  if (rc != SQLITE_OK) rc = write_failed(w, conn, err);
  fed_view_return(w->table->fdb->writes, conn);
  return rc;
}

/* ---- rows that wait ---------------------------------------------------- */

static void write_unwait(struct write *w)
{
  store_clear(&w->waiting);
  w->nwaiting = 0;
  if (w->loading) return;
  w->sent = 0;
  if (w->table->fdb->waiting == w->table) w->table->fdb->waiting = NULL;
}

/* All rows that wait, one behind the other; the caller frees them. */
static int write_gather(struct write *w, struct fed_value **out,
                        struct fed_err *err)
{
  int ncol = w->waiting.ncol;
  store_pos at = 0;
  int rc = SQLITE_ROW;

  *out = fed_calloc((size_t)w->nwaiting * (size_t)ncol + 1, sizeof **out);
  if (!*out) return fed_err_nomem(err);
  for (int64_t i = 0; i < w->nwaiting && rc == SQLITE_ROW; i++)
    rc = store_read(&w->waiting, &at, *out + (size_t)i * (size_t)ncol, err);
  return rc == SQLITE_ROW || w->nwaiting == 0 ? SQLITE_OK : rc;
}

/* One by one, and the last row's number. */
static int write_each(struct write *w, struct fed_conn *conn,
                      const struct fed_value *row, int64_t n, int64_t *number,
                      struct fed_err *err)
{
  int ncol = w->waiting.ncol;
  int rc = SQLITE_OK;

  for (int64_t i = 0; i < n && rc == SQLITE_OK; i++)
    rc = write_one(w, conn, &w->waits, row + i * ncol, ncol, number, err);
  return rc;
}

/* Those of UPDATE and DELETE, as arrays. */
static int write_arrays(struct write *w, struct fed_conn *conn,
                        const struct fed_value *row, int64_t n,
                        struct fed_err *err)
{
  int ncol = w->waiting.ncol;
  struct fed_str *text = fed_calloc((size_t)ncol, sizeof *text);
  struct fed_value *args = fed_calloc((size_t)ncol, sizeof *args);
  struct fed_str sql;
  int64_t changes = 0;
  int rc;

  if (!text || !args) {
    fed_free(text);
    fed_free(args);
    return fed_err_nomem(err);
  }
  fed_str_init(&sql, FED_STR_SQL);
  write_array_sql(w, &sql);
  rc = fed_str_err(&sql, err);
  for (int i = 0; i < ncol && rc == SQLITE_OK; i++) {
    rc = write_array_text(w, row, n, i, &text[i], err);
    if (rc == SQLITE_OK)
      args[i] = fed_value_cstrn(text[i].s, (int64_t)text[i].len);
  }
  if (rc == SQLITE_OK)
    rc = write_execute(w, conn, sql.s, args, ncol, &changes, NULL, err);
  for (int i = 0; i < ncol; i++)
    fed_str_release(&text[i]);
  fed_str_release(&sql);
  fed_free(text);
  fed_free(args);
  return rc == SQLITE_OK && changes != n ? write_rows_expected(w, 0, err) : rc;
}

/* Those of UPDATE and DELETE. */
static int write_many(struct write *w, struct fed_conn *conn,
                      const struct fed_value *row, int64_t n,
                      struct fed_err *err)
{
  struct fed_wait cleanup = {.deadline = fed_clock_deadline(WRITE_CLEANUP_MS)};
  struct fed_stmt *stmt = NULL;
  const char *sql;
  int done = 0, rc;

  if (n == 1 || !conn->drv->execute_many)
    return write_each(w, conn, row, n, NULL, err);
  if (write_array_can(w, n)) return write_arrays(w, conn, row, n, err);
  sql = write_sql(w, &w->waits, err);
  if (!sql) return err->rc;
  rc = fed_stmt_get(conn, sql, NULL, 0, false, &stmt, &w->wait, err);
  if (rc == SQLITE_OK)
    rc = fed_stmt_execute_many(stmt, row, w->waiting.ncol, (int)n, &done,
                               &w->wait, err);
  fed_stmt_put(stmt, rc == SQLITE_OK, &cleanup);
  if (rc != SQLITE_NOTFOUND) return rc;
  fed_err_clear(err);
  return write_rows_expected(w, 0, err);
}

static int write_load(struct write *w, struct fed_conn *conn,
                      const struct fed_value *row, int64_t n,
                      struct fed_err *err)
{
  int rc = SQLITE_OK;

  if (!w->loading) {
    rc = fed_conn_load_begin(conn, &w->table->rel, w->waits.column,
                             w->waits.ncol, &w->wait, err);
    if (rc != SQLITE_OK) return rc;
    w->loading = conn;
    w->sent = 0;
  }
  for (int64_t i = 0; i < n && rc == SQLITE_OK; i++)
    rc = fed_conn_load_row(conn, row + i * w->waiting.ncol, &w->wait, err);
  w->sent += n;
  if (rc != SQLITE_OK) w->loading = NULL;
  return rc;
}

static int write_end_load(struct write *w, bool keep, struct fed_err *err)
{
  struct fed_conn *conn = w->loading;

  w->loading = NULL;
  return conn ? fed_conn_load_end(conn, keep, &w->wait, err) : SQLITE_OK;
}

/* The number of the last row is not to be had from a load. */
static bool write_wants_number(const struct write *w)
{
  int number = w->table->rowid;

  return number >= 0 && w->table->rel.col[number].fill != FED_FILL_NULL &&
         !write_gives(&w->waits, number);
}

/* Rows of INSERT; `last`: there will be no more. */
static int write_inserts(struct write *w, struct fed_conn *conn,
                         const struct fed_value *row, bool last,
                         struct fed_err *err)
{
  bool few = !w->loading && w->nwaiting < WRITE_LOAD;
  bool apart = last && write_wants_number(w);
  int64_t number = 0, n = w->nwaiting - (apart && !few);
  int rc = SQLITE_OK;

  if ((few && last) || !conn->drv->load_begin || w->waits.ncol == 0) {
    rc = write_each(w, conn, row, w->nwaiting, &number, err);
  } else {
    rc = write_load(w, conn, row, n, err);
    if (rc == SQLITE_OK && last) rc = write_end_load(w, true, err);
    if (rc == SQLITE_OK && apart)
      rc = write_each(w, conn, row + n * w->waiting.ncol, 1, &number, err);
  }
  if (rc == SQLITE_OK && apart && number)
    sqlite3_set_last_insert_rowid(w->table->fdb->db, number);
  return rc;
}

/* `last`: the load, if one is open, ends as well. */
static int write_out(struct write *w, bool last, struct fed_err *err)
{
  struct fed_value *row = NULL;
  struct fed_wait forever;
  struct fed_conn *conn = NULL;
  int rc;

  if (w->nwaiting == 0 && !w->loading) return SQLITE_OK;
  /* They may have waited for longer than a statement may take. */
  forever = fed_db_wait(w->table->fdb);
  w->wait = fed_server_wait(w->server, &forever);
  rc = write_gather(w, &row, err);
  /* A single row that is changed has no savepoint in SQLite. */
  if (rc == SQLITE_OK && !w->loading)
    rc = write_take(
      w, w->waits.verb != WRITE_INSERT && !write_is_alone(w->table->fdb->db),
      &conn, err);
  if (rc == SQLITE_OK) {
    struct fed_conn *to = w->loading ? w->loading : conn;

    rc = w->waits.verb == WRITE_INSERT
           ? write_inserts(w, to, row, last, err)
           : write_many(w, to, row, w->nwaiting, err);
    if (rc != SQLITE_OK) rc = write_failed(w, to, err);
  } else {
    rc = write_failed(w, NULL, err);
  }
  if (conn) fed_view_return(w->table->fdb->writes, conn);
  fed_free(row);
  if (rc != SQLITE_OK) write_forget(w);
  write_unwait(w);
  return rc;
}

int write_send_waiting(struct write *w, struct fed_err *err)
{
  return write_out(w, true, err);
}

void write_forget(struct write *w)
{
  struct fed_err ignored = FED_ERR_INIT;

  write_end_load(w, false, &ignored);
  write_unwait(w);
}

static bool write_is_full(const struct write *w)
{
  int most = w->waits.verb == WRITE_INSERT ? WRITE_LOAD + 1 : WRITE_BATCH;

  return w->nwaiting >= most || w->waiting.memory >= WRITE_BYTES;
}

/* The last row stays back: it may be the one whose number is asked for. */
static int write_out_but_one(struct write *w, struct fed_err *err)
{
  struct fed_value *row = NULL;
  struct store left;
  int ncol = w->waiting.ncol;
  int rc;

  if (w->waits.verb != WRITE_INSERT) return write_out(w, false, err);
  rc = write_gather(w, &row, err);
  store_init(&left, ncol, SIZE_MAX);
  if (rc == SQLITE_OK)
    rc = store_add(&left, row + (w->nwaiting - 1) * ncol, NULL, err);
  fed_free(row);
  if (rc == SQLITE_OK) {
    w->nwaiting--;
    rc = write_out(w, false, err);
  }
  if (rc == SQLITE_OK) {
    store_clear(&w->waiting);
    w->waiting = left;
    w->nwaiting = 1;
    w->table->fdb->waiting = w->table;
  } else {
    store_clear(&left);
  }
  return rc;
}

int write_wait(struct write *w, struct fed_err *err)
{
  struct fed_db *fdb = w->table->fdb;
  int rc = SQLITE_OK;

  if (fdb->waiting && fdb->waiting != w->table) rc = write_settle(fdb, err);
  if (rc == SQLITE_OK && (w->nwaiting || w->loading) &&
      !write_same(&w->now, &w->waits))
    rc = write_out(w, true, err);
  if (rc != SQLITE_OK) return rc;
  if (w->nwaiting == 0) {
    store_init(&w->waiting, w->narg, SIZE_MAX);
    write_copy(&w->waits, &w->now);
  }
  fdb->waiting = w->table;
  rc = store_add(&w->waiting, w->args, NULL, err);
  if (rc != SQLITE_OK) return rc;
  w->nwaiting++;
  return write_is_full(w) ? write_out_but_one(w, err) : SQLITE_OK;
}
