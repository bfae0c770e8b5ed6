/*
 * scan: the cursor. xFilter turns the plan and its values into one remote
 * execution on a borrowed connection; xNext steps it; the connection goes
 * back to the pool with the last row.
 *
 * The values decide more than the plan could know: an IN list may turn out
 * empty, 'abc' can never equal an integer. What no row can match costs no
 * round trip (bind.c).
 */
#include "vtab/scan.h"

#include "base/mem.h"

#define SCAN_CLEANUP_MS 5000 /* to end a result nobody wants to its end */

static struct scan *scan_of(sqlite3_vtab_cursor *cursor)
{
  return (struct scan *)cursor;
}

static struct fed_table *scan_table(struct scan *scan)
{
  return table_of(scan->base.pVtab);
}

int scan_open(sqlite3_vtab *vtab, sqlite3_vtab_cursor **out)
{
  struct scan *scan = fed_alloc(sizeof *scan);

  (void)vtab;
  if (!scan) return SQLITE_NOMEM;
  fed_list_init(&scan->link);
  bind_init(&scan->bind);
  scan->eof = true;
  *out = &scan->base;
  return SQLITE_OK;
}

static void scan_release(struct scan *scan, bool keep);

/* ---- ending ------------------------------------------------------------ */

static struct fed_wait scan_cleanup_wait(void)
{
  return (struct fed_wait){.deadline = fed_clock_deadline(SCAN_CLEANUP_MS)};
}

/* Lent before fork(), to the parent. */
static bool scan_is_inherited(const struct scan *scan)
{
  return scan->conn && fed_pool_inherited(scan->conn);
}

/* In a forked child the rows that are still to come are the parent's. */
static int scan_disown(struct scan *scan, struct fed_err *err)
{
  fed_err_set(err, SQLITE_MISUSE,
              "the scan of table '%s' was begun before fork(): run the "
              "statement again",
              scan_table(scan)->name);
  scan_release(scan, false);
  scan->eof = false;
  scan->lost = *err;
  return err->rc;
}

/* Give the connection back. `keep`: the statement is good for another run. */
static void scan_release(struct scan *scan, bool keep)
{
  struct fed_wait wait = scan_cleanup_wait();
  struct fed_err ignored = FED_ERR_INIT;

  fed_list_remove(&scan->link);
  if (scan_is_inherited(scan)) {
    /* A forked child: a word on this socket, and the parent is lost. */
    scan->stmt = NULL;
    scan->in_tx = false;
  }
  fed_stmt_put(scan->stmt, keep, &wait);
  scan->stmt = NULL;
  /* What only read has nothing to lose by it; a failure drops the session. */
  if (scan->in_tx && !scan->conn->broken)
    fed_conn_rollback(scan->conn, &wait, &ignored);
  scan->in_tx = false;
  fed_pool_put(scan->conn);
  scan->conn = NULL;
  fed_server_unref(scan->server);
  scan->server = NULL;
  scan->eof = true;
}

/* Forget the last execution. */
static void scan_clear(struct scan *scan)
{
  scan_release(scan, true);
  rowid_release(&scan->seen);
  rowid_release(&scan->chunk);
  spool_close(&scan->spool);
  fed_err_clear(&scan->lost);
  scan->counting = scan->has_rowid = false;
  scan->passed = 0;
}

int scan_close(sqlite3_vtab_cursor *cursor)
{
  struct scan *scan = scan_of(cursor);

  scan_clear(scan);
  bind_release(&scan->bind);
  fed_free(scan->place);
  fed_free(scan->want);
  fed_free(scan);
  return SQLITE_OK;
}

/* ---- the plan ---------------------------------------------------------- */

/* Where each column stands in a row, and of what class it must be. */
static int scan_take_plan(struct scan *scan, const char *idxstr,
                          struct fed_err *err)
{
  const struct fed_table *table = scan_table(scan);
  const struct plan *plan = plan_of(idxstr);
  const int16_t *column = plan_columns(plan);

  if (scan->idxstr == idxstr) return SQLITE_OK;
  scan->idxstr = NULL;
  fed_free(scan->place);
  fed_free(scan->want);
  scan->place = fed_calloc((size_t)table->rel.ncol, sizeof *scan->place);
  scan->want = fed_calloc((size_t)plan->ncol, sizeof *scan->want);
  if (!scan->place || !scan->want) return fed_err_nomem(err);
  for (int i = 0; i < table->rel.ncol; i++)
    scan->place[i] = -1;
  for (int i = 0; i < plan->ncol; i++) {
    scan->place[column[i]] = (int16_t)i;
    scan->want[i] = table->rel.col[column[i]].class;
  }
  scan->plan = plan;
  scan->idxstr = idxstr;
  return bind_plan(&scan->bind, plan, err);
}

/* ---- connections ------------------------------------------------------- */

static int scan_spool_rest(struct scan *scan, const struct fed_wait *wait,
                           struct fed_err *err)
{
  int rc = spool_open(&scan->spool, scan->stmt->ncol, err);

  if (rc == SQLITE_OK) rc = spool_add(&scan->spool, scan->row, err);
  while (rc == SQLITE_OK) {
    rc = fed_stmt_step(scan->stmt, wait, err);
    if (rc == SQLITE_ROW) rc = spool_add(&scan->spool, scan->stmt->row, err);
  }
  if (rc == SQLITE_DONE) rc = spool_rewind(&scan->spool, err);
  if (rc == SQLITE_OK) rc = spool_next(&scan->spool, err);
  return rc == SQLITE_ROW ? SQLITE_OK : rc;
}

/*
 * Read the scan to its end into a temporary file and free its connection. If
 * that fails its rows are lost, and it says so when it is asked for the next
 * one: never may it look as if it had ended.
 */
static int scan_set_aside(struct scan *scan, const struct fed_wait *wait,
                          struct fed_err *err)
{
  int rc;

  if (scan_is_inherited(scan)) return scan_disown(scan, err);
  rc = scan_spool_rest(scan, wait, err);
  scan_release(scan, rc == SQLITE_OK);
  scan->eof = false;
  if (rc == SQLITE_OK) {
    scan->row = scan->spool.row; /* the row it stands on */
    return SQLITE_OK;
  }
  spool_close(&scan->spool);
  scan->lost = *err;
  scan->row = NULL;
  return rc;
}

int scan_lease(struct fed_db *fdb, struct fed_server *server,
               const struct fed_wait *wait, struct fed_conn **out,
               struct fed_err *err)
{
  while (!fed_list_empty(&fdb->scans)) {
    struct scan *holder = FED_CONTAINER(fdb->scans.next, struct scan, link);
    int rc = fed_pool_try_get(server, wait, out, err);

    if (rc != SQLITE_BUSY) return rc;
    fed_err_clear(err);
    rc = scan_set_aside(holder, wait, err);
    if (rc != SQLITE_OK) return rc;
  }
  return fed_pool_get(server, wait, out, err);
}

/* ---- starting ---------------------------------------------------------- */

/* A query of the user's own text runs where it can change nothing. */
static int scan_begin(struct scan *scan, struct fed_err *err)
{
  struct fed_begin begin = {.read_only = true};
  int rc;

  if (scan_table(scan)->rel.kind != FED_KIND_QUERY) return SQLITE_OK;
  rc = fed_conn_begin(scan->conn, &begin, &scan->wait, err);
  scan->in_tx = rc == SQLITE_OK;
  /* A function it calls may still have touched the session. */
  scan->conn->dirty = true;
  return rc;
}

/* Prepare with the classes the table was declared with; count(*) and SELECT
 * 1 give one integer that is no column of it. */
static int scan_prepare(struct scan *scan, const char *sql, bool rows,
                        struct fed_err *err)
{
  static const enum fed_class one = FED_CLASS_INT;
  bool count = scan->plan->count && !rows;
  bool single = scan->plan->ncol == 0 || count;

  return fed_stmt_get(scan->conn, sql, single ? &one : scan->want,
                      single ? 1 : scan->plan->ncol, scan->plan->bulk && !count,
                      &scan->stmt, &scan->wait, err);
}

/* One attempt, up to the first row. */
static int scan_execute(struct scan *scan, bool rows, struct fed_err *err)
{
  struct fed_table *table = scan_table(scan);
  const char *sql = bind_sql(&scan->bind, table, scan->idxstr, rows);
  int rc;

  if (!sql) return fed_err_nomem(err);
  rc = scan_lease(table->fdb, scan->server, &scan->wait, &scan->conn, err);
  if (rc != SQLITE_OK) return rc;
  fed_list_push_back(&table->fdb->scans, &scan->link);
  rc = scan_begin(scan, err);
  if (rc == SQLITE_OK) rc = scan_prepare(scan, sql, rows, err);
  if (rc == SQLITE_OK)
    rc = fed_stmt_execute(scan->stmt, scan->bind.args, scan->bind.narg,
                          &scan->wait, err);
  if (rc == SQLITE_OK) rc = fed_stmt_step(scan->stmt, &scan->wait, err);
  return rc;
}

static int scan_resume(struct scan *scan, struct fed_err *err);

/*
 * Try once more where that can help and harms nobody, as no row was given
 * yet: a statement prepared before its table changed, and a connection that
 * broke while it lay idle.
 */
static bool scan_may_retry(const struct scan *scan, int rc)
{
  if (rc == SQLITE_SCHEMA) return scan->stmt != NULL;
  if (!scan->conn && !fed_server_current(scan->server)) return true;
  return scan->conn && scan->conn->broken &&
         (rc == SQLITE_IOERR || rc == SQLITE_CANTOPEN);
}

/* A row, from the server or set aside. */
static int scan_row(struct scan *scan, const struct fed_value *row,
                    struct fed_err *err)
{
  scan->row = row;
  scan->has_rowid = false;
  if (scan->bind.limit < 0) return SQLITE_OK;
  scan->passed++;
  return rowid_count(&scan->chunk, row, scan->plan->ncol, err);
}

/* What a step said, as the cursor's state. */
static int scan_stepped(struct scan *scan, int rc, struct fed_err *err)
{
  if (rc == SQLITE_ROW) return scan_row(scan, scan->stmt->row, err);
  if (rc != SQLITE_DONE) table_context(scan_table(scan), err);
  scan_release(scan, rc == SQLITE_DONE);
  if (rc != SQLITE_DONE) return err->rc;
  if (scan->bind.limit < 0 || scan->passed < scan->bind.limit) return SQLITE_OK;
  return scan_resume(scan, err);
}

static int scan_count(struct scan *scan, struct fed_err *err)
{
  const struct fed_value *count = scan->stmt->row;

  if (count->type != FED_INT)
    return fed_err_set(err, SQLITE_ERROR, "count(*) gave no integer");
  scan->left = count->i;
  scan->counting = true;
  scan_release(scan, true);
  scan->eof = scan->left == 0;
  return SQLITE_OK;
}

/* Execute; `rows`: not only the number of them. Stands on the first row. */
static int scan_start(struct scan *scan, bool rows, struct fed_err *err)
{
  int rc = SQLITE_OK;

  for (int attempt = 0; rc == SQLITE_OK; attempt++) {
    rc = table_server(scan_table(scan), &scan->server, err);
    if (rc != SQLITE_OK) return rc;
    rc = scan_execute(scan, rows, err);
    if (attempt > 0 || !scan_may_retry(scan, rc)) break;
    scan_release(scan, false);
    fed_err_clear(err);
    rc = SQLITE_OK;
  }
  scan->eof = rc != SQLITE_ROW;
  if (rc == SQLITE_ROW && scan->plan->count && !rows)
    return scan_count(scan, err);
  return scan_stepped(scan, rc, err);
}

/*
 * SQLite asks for more than its LIMIT was: a term that it did not show us has
 * rejected rows. Run again without the limit, and skip as many of each row
 * as the first chunk had; rows that are alike are interchangeable.
 */
static int scan_resume(struct scan *scan, struct fed_err *err)
{
  int rc;

  scan->bind.limit = -1;
  rc = scan_start(scan, true, err);
  while (rc == SQLITE_OK && !scan->eof &&
         rowid_uncount(&scan->chunk, scan->row, scan->plan->ncol))
    rc = scan_stepped(scan, fed_stmt_step(scan->stmt, &scan->wait, err), err);
  return rc;
}

/* From here on every wait of this scan ends with the statement's timeout. */
static int scan_begin_wait(struct scan *scan, struct fed_err *err)
{
  struct fed_table *table = scan_table(scan);
  struct fed_wait wait = fed_db_wait(table->fdb);
  struct fed_server *server = NULL;
  int rc = table_server(table, &server, err);

  if (rc == SQLITE_OK) scan->wait = fed_server_wait(server, &wait);
  fed_server_unref(server);
  return rc;
}

int scan_filter(sqlite3_vtab_cursor *cursor, int idxnum, const char *idxstr,
                int argc, sqlite3_value **argv)
{
  struct scan *scan = scan_of(cursor);
  struct fed_err err = FED_ERR_INIT;
  bool never = false;
  int rc;

  (void)idxnum;
  (void)argc;
  scan_clear(scan);
  rc = scan_begin_wait(scan, &err);
  if (rc == SQLITE_OK) rc = scan_take_plan(scan, idxstr, &err);
  if (rc == SQLITE_OK)
    rc = bind_values(&scan->bind, scan_table(scan), argv, &never, &err);
  if (rc == SQLITE_OK && !never) rc = scan_start(scan, false, &err);
  return rc == SQLITE_OK ? SQLITE_OK : table_fail(cursor->pVtab, &err);
}

/* ---- rows -------------------------------------------------------------- */

/* The next row of a scan that was set aside. */
static int scan_next_spooled(struct scan *scan, struct fed_err *err)
{
  int rc = spool_next(&scan->spool, err);

  if (rc == SQLITE_ROW) return scan_row(scan, scan->spool.row, err);
  scan->eof = true;
  if (rc != SQLITE_DONE) return rc;
  spool_close(&scan->spool);
  return scan_stepped(scan, SQLITE_DONE, err);
}

int scan_next(sqlite3_vtab_cursor *cursor)
{
  struct scan *scan = scan_of(cursor);
  struct fed_err err;
  int rc;

  fed_err_init(&err);
  if (scan->counting) {
    scan->passed++;
    scan->eof = scan->passed >= scan->left;
    scan->has_rowid = false;
    return SQLITE_OK;
  }
  if (scan->lost.rc != SQLITE_OK) {
    err = scan->lost;
    rc = err.rc;
  } else if (scan_is_inherited(scan)) {
    rc = scan_disown(scan, &err);
  } else if (scan->spool.file)
    rc = scan_next_spooled(scan, &err);
  else
    rc = scan_stepped(scan, fed_stmt_step(scan->stmt, &scan->wait, &err), &err);
  return rc == SQLITE_OK ? SQLITE_OK : table_fail(cursor->pVtab, &err);
}

int scan_eof(sqlite3_vtab_cursor *cursor)
{
  return scan_of(cursor)->eof;
}

/*
 * Text is copied (SQLITE_TRANSIENT): SQLite keeps static pointers past xNext.
 * Without a length it knows that the text ends with a zero, and saves one
 * copy more; only text that may hold a NUL needs its length.
 */
void scan_result(sqlite3_context *ctx, const struct fed_value *value)
{
  switch (value->type) {
  case FED_NULL:
    sqlite3_result_null(ctx);
    break;
  case FED_INT:
    sqlite3_result_int64(ctx, value->i);
    break;
  case FED_REAL:
    sqlite3_result_double(ctx, value->r);
    break;
  case FED_TEXT:
    if (value->cstr)
      sqlite3_result_text(ctx, value->p, -1, SQLITE_TRANSIENT);
    else
      sqlite3_result_text64(ctx, value->p, (uint64_t)value->size,
                            SQLITE_TRANSIENT, SQLITE_UTF8);
    break;
  case FED_BLOB:
    sqlite3_result_blob64(ctx, value->size ? value->p : "",
                          (uint64_t)value->size, SQLITE_TRANSIENT);
    break;
  }
}

int scan_column(sqlite3_vtab_cursor *cursor, sqlite3_context *ctx, int i)
{
  struct scan *scan = scan_of(cursor);
  int place = scan->place[i];

  if (scan->lost.rc != SQLITE_OK) return table_fail(cursor->pVtab, &scan->lost);
  if (place >= 0 && !scan->counting) scan_result(ctx, &scan->row[place]);
  return SQLITE_OK;
}

/*
 * The rowid of a row that was only counted. No column of it was used, so the
 * scan may start anew with rows, and skip as many as were given.
 */
static int scan_uncount(struct scan *scan, struct fed_err *err)
{
  int64_t skip = scan->passed;
  int rc;

  scan->counting = false;
  rc = scan_start(scan, true, err);
  while (rc == SQLITE_OK && skip-- > 0 && !scan->eof)
    rc = scan_stepped(scan, fed_stmt_step(scan->stmt, &scan->wait, err), err);
  if (rc == SQLITE_OK && scan->eof)
    rc = fed_err_set(err, SQLITE_BUSY,
                     "rows of table '%s' were deleted while they were counted",
                     scan_table(scan)->name);
  return rc;
}

static int scan_hash(struct scan *scan, struct fed_err *err)
{
  int rc;

  if (scan->has_rowid) return SQLITE_OK;
  /* Rows that are only counted are all alike. */
  rc = rowid_of(&scan->seen, scan->row, scan->counting ? 0 : scan->plan->ncol,
                &scan->rowid, err);
  scan->has_rowid = rc == SQLITE_OK;
  return rc;
}

int scan_rowid(sqlite3_vtab_cursor *cursor, sqlite3_int64 *out)
{
  struct scan *scan = scan_of(cursor);
  int key = scan_table(scan)->rowid;
  struct fed_err err = FED_ERR_INIT;
  int rc = SQLITE_OK;

  if (scan->lost.rc != SQLITE_OK) return table_fail(cursor->pVtab, &scan->lost);
  if (key < 0)
    rc = scan_hash(scan, &err);
  else if (scan->counting)
    rc = scan_uncount(scan, &err);
  if (rc != SQLITE_OK) return table_fail(cursor->pVtab, &err);
  *out = key < 0 ? scan->rowid : scan->row[scan->place[key]].i;
  return SQLITE_OK;
}
