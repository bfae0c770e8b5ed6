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

#include <stdlib.h>

#include "base/mem.h"
#include "vtab/probe.h"
#include "vtab/shape.h"
#include "vtab/write.h"

/* From here on a result is worth the fastest way to fetch it. */
#define SCAN_BULK_ROWS 10000.0
/* And fewer than these are not worth a look at the statement. */
#define SCAN_COUNT_ROWS 100.0
/* All columns, and as many: are they read? */
#define SCAN_WIDE 5

static struct scan *scan_of(sqlite3_vtab_cursor *cursor)
{
  return (struct scan *)cursor;
}

static struct fed_table *scan_table(struct scan *scan)
{
  return table_of(scan->base.pVtab);
}

const struct fed_value *scan_row(const struct scan *scan)
{
  return scan->served ? probe_row(scan) : scan->fetch.row;
}

int scan_ahead(struct scan *scan, int64_t n, struct fed_err *err)
{
  return scan->served ? SQLITE_OK : fetch_ahead(&scan->fetch, n, err);
}

int scan_peek(struct scan *scan, store_pos *at, struct fed_value *row,
              struct fed_err *err)
{
  return scan->served ? probe_peek(scan, at, row, err)
                      : fetch_peek(&scan->fetch, at, row, err);
}

int scan_peeked(struct scan *scan, struct fed_err *err)
{
  return scan->served ? probe_peeked(scan, err)
                      : fetch_peeked(&scan->fetch, err);
}

static struct scan *scan_new(struct fed_table *table)
{
  struct scan *scan = fed_alloc(sizeof *scan);

  if (!scan) return NULL;
  fed_list_init(&scan->link);
  fetch_init(&scan->fetch, table);
  bind_init(&scan->bind);
  scan->eof = true;
  return scan;
}

static void scan_free(struct scan *scan)
{
  probe_free(scan->probe);
  bind_release(&scan->bind);
  fed_free(scan->place);
  fed_free(scan->want);
  fed_free(scan->key);
  fed_free(scan);
}

void scan_release(struct fed_table *table)
{
  if (table->spare) scan_free(table->spare);
  table->spare = NULL;
}

/* A look-up opens and closes a cursor each time; most often for the plan of
 * the last one, whose memory then fits. */
int scan_open(sqlite3_vtab *vtab, sqlite3_vtab_cursor **out)
{
  struct fed_table *table = table_of(vtab);
  struct scan *scan = table->spare ? table->spare : scan_new(table);

  if (!scan) return SQLITE_NOMEM;
  table->spare = NULL;
  fed_list_push_back(&table->cursors, &scan->link);
  *out = &scan->base;
  table->fdb->opened = scan;
  return SQLITE_OK;
}

/* Forget the last execution. */
static void scan_clear(struct scan *scan)
{
  probe_left(scan);
  fetch_end(&scan->fetch);
  rowid_release(&scan->seen);
  rowid_release(&scan->chunk);
  scan->eof = true;
  scan->counting = scan->served = scan->has_rowid = scan->times = false;
  scan->passed = scan->again = 0;
}

int scan_close(sqlite3_vtab_cursor *cursor)
{
  struct scan *scan = scan_of(cursor);
  struct fed_table *table = scan_table(scan);
  struct scan *heir = table->fdb->opened;

  /* SQLite opens the cursor of a subquery's next run before it closes that of
   * the last one. */
  if (heir == scan || (heir && heir->fetch.table != table)) heir = NULL;
  table->fdb->opened = NULL;
  scan_clear(scan);
  fed_list_remove(&scan->link);
  probe_close(scan, heir);
  fetch_close(&scan->fetch, heir ? &heir->fetch : NULL);
  bind_rest(&scan->bind);
  scan->idxstr = NULL;
  if (table->spare)
    scan_free(scan);
  else
    table->spare = scan;
  return SQLITE_OK;
}

/* ---- the plan ---------------------------------------------------------- */

/* Where each column stands in a row, and of what class it must be: once for
 * each plan. */
static int scan_take_plan(struct scan *scan, const char *idxstr,
                          struct fed_err *err)
{
  const struct fed_table *table = scan_table(scan);
  const struct plan *plan = plan_of(idxstr);
  const int16_t *column = plan_columns(plan);
  int rc;

  scan->plan = scan->bind.plan = plan;
  scan->idxstr = idxstr;
  if (scan->made_for == plan->id) return SQLITE_OK;
  scan->made_for = 0;
  fed_free(scan->place);
  fed_free(scan->want);
  fed_free(scan->key);
  scan->key = fed_calloc((size_t)table->rel.ncol, sizeof *scan->key);
  scan->place = fed_calloc((size_t)table->rel.ncol, sizeof *scan->place);
  scan->want = fed_calloc((size_t)plan->ncol + 1 + (size_t)plan->nterm,
                          sizeof *scan->want);
  if (!scan->place || !scan->want || !scan->key) return fed_err_nomem(err);
  for (int i = 0; i < table->rel.ncol; i++)
    scan->place[i] = -1;
  for (int i = 0; i < plan->ncol; i++) {
    scan->place[column[i]] = (int16_t)i;
    scan->want[i] = table->rel.col[column[i]].class;
  }
  scan->want[plan->ncol] = FED_CLASS_INT;
  rc = bind_plan(&scan->bind, plan, err);
  if (rc == SQLITE_OK) scan->made_for = plan->id;
  return rc;
}

/* ---- starting ---------------------------------------------------------- */

static int scan_resume(struct scan *scan, struct fed_err *err);

/*
 * May there be more rows than it gave? A first attempt gives all of them or,
 * if it cannot give them in order, none; and it may leave the NULLs.
 */
static bool scan_is_part(const struct scan *scan)
{
  const struct bind *bind = &scan->bind;

  if (bind->limit >= 0 && scan->passed >= bind->limit) return true;
  return bind->first &&
         (scan->passed == 0 || scan->plan->nulls == PLAN_NULLS_LEFT);
}

/* The fetch has moved: what that means to the cursor. */
static int scan_moved(struct scan *scan, int rc, struct fed_err *err)
{
  scan->has_rowid = false;
  scan->eof = rc != SQLITE_OK || scan->fetch.eof;
  scan->again = 0;
  if (scan->times && !scan->eof)
    scan->again = scan->fetch.row[scan->plan->ncol].i - 1;
  if (rc != SQLITE_OK || (scan->bind.limit < 0 && !scan->bind.first)) return rc;
  if (scan->eof && scan_is_part(scan)) return scan_resume(scan, err);
  if (scan->eof) return SQLITE_OK;
  scan->passed++;
  if (scan->bind.limit < 0) return SQLITE_OK;
  return rowid_count(&scan->chunk, scan->fetch.row, scan->plan->ncol, err);
}

void scan_serve_count(struct scan *scan, int64_t count)
{
  scan->left = count;
  scan->counting = true;
  scan->eof = count == 0;
}

static int scan_start(struct scan *scan, bool rows, struct fed_err *err);

/* The number of rows instead of rows. */
static int scan_count(struct scan *scan, struct fed_err *err)
{
  const struct fed_value *count = scan->fetch.row;

  if (scan->fetch.eof || count->type != FED_INT)
    return fed_err_set(err, SQLITE_ERROR, "count(*) gave no integer");
  if (count->i == 0 && fetch_may_hide(&scan->fetch))
    return scan_start(scan, true, err);
  scan_serve_count(scan, count->i);
  probe_count(scan, count->i);
  fetch_end(&scan->fetch);
  return SQLITE_OK;
}

/* Is a large result expected? A text of the user's never goes the bulk way,
 * see prepare() in drv.h. */
static bool scan_is_bulk(const struct scan *scan, double expected)
{
  const struct fed_table *table = table_of(scan->base.pVtab);

  if (table->rel.kind == FED_KIND_QUERY || scan->bind.limit >= 0) return false;
#ifdef FED_TEST
  if (getenv("FED_TEST_BULK")) return true;
#endif
  return expected >= SCAN_BULK_ROWS;
}

/* A number, as count(*) and SELECT 1 give one, stands behind the columns; then
 * what is asked for its type only. */
static int scan_want(struct scan *scan, enum plan_ask ask)
{
  const struct plan *plan = scan->plan;
  int n = 0;

  for (int i = 0; i < plan->nterm; i++)
    if (plan_asks_type(plan, ask, i))
      scan->want[plan->ncol + 1 + n++] =
        scan_table(scan)->rel.col[plan_terms(plan)[i].col].class;
  return n + (ask == PLAN_ASK_NUMBER   ? 1
              : ask == PLAN_ASK_GROUPS ? plan->ncol + 1
              : plan->ncol             ? plan->ncol
                                       : 1);
}

static int scan_try(struct scan *scan, bool rows, double expected,
                    struct fed_err *err)
{
  const struct plan *plan = scan->plan;
  enum plan_ask ask = rows          ? PLAN_ASK_ROWS
                      : scan->count ? PLAN_ASK_NUMBER
                                    : plan_asks(plan);
  struct fetch_query query = {
    .sql = bind_sql(&scan->bind, scan_table(scan), scan->idxstr, ask),
    .args = scan->bind.args,
    .narg = scan->bind.narg,
    .want = scan->want + (ask == PLAN_ASK_NUMBER ? plan->ncol : 0),
    .nwant = scan_want(scan, ask),
    .bulk = ask == PLAN_ASK_ROWS && scan_is_bulk(scan, expected),
  };

  scan->times = ask == PLAN_ASK_GROUPS && plan->alike == PLAN_GROUP_TIMES;
  if (!query.sql) return fed_err_nomem(err);
  return fetch_start(&scan->fetch, &query, err);
}

static int scan_execute(struct scan *scan, bool rows, double expected,
                        struct fed_err *err)
{
  int rc = scan_try(scan, rows, expected, err);

  if (rc != SQLITE_TOOBIG || !bind_drop_lists(&scan->bind, scan_table(scan)))
    return rc;
  fed_err_clear(err);
  return scan_try(scan, rows, expected, err);
}

int scan_fetch(struct scan *scan, double expected, struct fed_err *err)
{
  return scan_execute(scan, true, expected, err);
}

/* Execute; `rows`: not only the number of them. Stands on the first row. */
static int scan_start(struct scan *scan, bool rows, struct fed_err *err)
{
  int rc = scan_execute(scan, rows, scan->plan->rows, err);

  if (rc == SQLITE_OK && scan->count && !rows) return scan_count(scan, err);
  /* The end of one row is here with it. The next scan of the statement then
   * finds the connection free, and needs no other one that sees the same. */
  if (rc == SQLITE_OK && scan->fetch.group && scan->plan->rows <= 1)
    rc = fetch_ahead(&scan->fetch, 1, err);
  return scan_moved(scan, rc, err);
}

/* Is the present row, of a scan without a limit, of the chunk before? Among
 * rows that sort alike it may come anywhere. */
static bool scan_was_given(struct scan *scan)
{
  return !scan->eof && scan->bind.limit < 0 &&
         rowid_uncount(&scan->chunk, scan->fetch.row, scan->plan->ncol);
}

static int scan_step(struct scan *scan, struct fed_err *err)
{
  int rc;

  if (scan->again > 0) {
    scan->again--;
    scan->has_rowid = false;
    return SQLITE_OK;
  }
  do
    rc = scan_moved(scan, fetch_next(&scan->fetch, err), err);
  while (rc == SQLITE_OK && scan_was_given(scan));
  return rc;
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
  scan->bind.first = scan->bind.as_planned = false;
  rc = scan_start(scan, true, err);
  return rc == SQLITE_OK && scan_was_given(scan) ? scan_step(scan, err) : rc;
}

/* How often the statement reads the table's server; 2: more than once. */
static int scan_readers(const struct fed_table *table,
                        const struct shape *shape)
{
  int n = 0;

  FED_LIST_EACH(node, &table->fdb->tables)
  {
    const struct fed_table *other = FED_CONTAINER(node, struct fed_table, link);
    const struct shape_use *use = shape_use(shape, &other->base);

    if (use && sqlite3_stricmp(other->server, table->server) == 0)
      n += use->scans;
  }
  return n;
}

/* What cannot be told may be of an UPDATE: a lock does no harm. */
static void scan_look_write(const struct fed_table *table, struct plan *plan,
                            const struct shape *shape,
                            const struct shape_use *use)
{
  bool writes = false;

  FED_LIST_EACH(node, &table->fdb->tables)
  {
    const struct fed_table *other = FED_CONTAINER(node, struct fed_table, link);
    const struct shape_use *of = shape_use(shape, &other->base);

    if (of && of->written && sqlite3_stricmp(other->server, table->server) == 0)
      writes = true;
  }
  if (!use || (use->written && use->rowid))
    plan->write = PLAN_WRITE_ROWS;
  else
    plan->write = writes ? PLAN_WRITE_READ : PLAN_WRITE_NOT;
  /* UPDATE asks for each row's rowid twice, DELETE once, and both only for rows
   * that they change; one that is asked for elsewhere tells nothing. */
  plan->batch =
    use && use->cursors == 1 && use->rowids == (use->deletes ? 1 : 2);
  plan->whole = !use || use->replaces;
  plan->apart = use && scan_readers(table, shape) == 1;
  if (plan->write == PLAN_WRITE_ROWS) plan_lock(table, plan);
}

/* How many statements run that write; 2: more than one. */
static int scan_writing(sqlite3 *db)
{
  int n = 0;

  for (sqlite3_stmt *stmt = sqlite3_next_stmt(db, NULL); stmt && n < 2;
       stmt = sqlite3_next_stmt(db, stmt))
    n += sqlite3_stmt_busy(stmt) && !sqlite3_stmt_readonly(stmt);
  return n;
}

/*
 * Look at the running statement, once for each plan. `group` stands for all
 * its scans of this server, if there are more than this one; where two
 * statements look alike, each cursor stands for itself.
 */
static void scan_look(struct scan *scan, const char *idxstr, struct plan *plan)
{
  struct fed_table *table = scan_table(scan);
  const struct shape_use *use;
  struct shape shape;
  bool found;

  if (plan->looked) return;
  plan->looked = true;
  if (plan->write == PLAN_WRITE_NOT && !plan->sure && !plan->groups &&
      !plan->stands &&
      shape_is_plain(table->fdb->db, table->schema, table->name))
    return;
  found = shape_of(table->fdb->db, &table->base, idxstr, &shape) == SQLITE_OK;
  if (!found || scan_readers(table, &shape) > 1)
    plan->group = shape.stmt ? (const void *)shape.stmt : plan;
  use = found ? shape_use(&shape, &table->base) : NULL;
  if (plan->write == PLAN_WRITE_UNKNOWN)
    scan_look_write(table, plan, &shape, use);
  for (int i = 0; found && i < plan->nterm && i < SHAPE_ARGS; i++) {
    plan_terms(plan)[i].root = shape.source[i].root;
    plan_terms(plan)[i].db = (int16_t)shape.source[i].db;
    plan_terms(plan)[i].from = (int16_t)shape.source[i].col;
    plan_terms(plan)[i].stands &= shape.source[i].converted;
  }
  plan->counts = plan->sure && use && !use->read && shape.counts &&
                 plan->write != PLAN_WRITE_ROWS;
  if (plan->write != PLAN_WRITE_ROWS) group_look(table, plan, &shape, use);
  /* EXISTS (SELECT * ...) seems to use every column, and reads none. A rowid
   * made of all columns needs them all. */
  if (use && shape.stmt && !plan->whole &&
      !(use->rowid && table->rowid < 0 && plan->write != PLAN_WRITE_ROWS) &&
      plan->alike == PLAN_GROUP_NONE)
    plan_narrow(table, plan, use->columns);
}

/* Of a statement that writes on the scan's server: which state is it to see? */
static int scan_enter(struct scan *scan, struct fed_server *server,
                      const struct plan *plan, struct fed_err *err)
{
  struct fed_table *table = scan_table(scan);
  bool rows = plan->write == PLAN_WRITE_ROWS;

  if (plan->write < PLAN_WRITE_READ) return SQLITE_OK;
  /* INSERT .. SELECT, both of one server: what is read and what is written
   * need not know of each other. */
  if (!rows && plan->apart && sqlite3_get_autocommit(table->fdb->db) &&
      !fed_server_driver(server)->is_file)
    return SQLITE_OK;
  /* A function that a statement calls may change rows of the same table: those
   * that the statement has marked stay so, and nothing is known of the last. */
  scan->batch = rows && plan->batch && scan_writing(table->fdb->db) == 1;
  if (scan->batch && !scan->idxstr) write_open(table);
  return write_enter(table, rows, plan->apart, err);
}

/* From here on every wait of this scan ends with the statement's timeout. */
static int scan_begin(struct scan *scan, const char *idxstr,
                      struct fed_err *err)
{
  struct fed_table *table = scan_table(scan);
  struct fed_wait wait = fed_db_wait(table->fdb);
  struct fed_server *server = NULL;
  int rc = table_server(table, &server, err);

  if (rc == SQLITE_OK) {
    bool asks = fed_tx_asks(table->fdb->tx, server);
    struct plan *plan = plan_of(idxstr);

    scan->fetch.wait = fed_server_wait(server, &wait);
    if (plan->write == PLAN_WRITE_UNKNOWN && scan_writing(table->fdb->db) == 0)
      plan->write = PLAN_WRITE_NOT;
    if (plan->write == PLAN_WRITE_UNKNOWN || asks || plan->groups ||
        plan->stands || (plan->sure && plan->rows >= SCAN_COUNT_ROWS) ||
        (plan->ncol == table->rel.ncol && plan->ncol >= SCAN_WIDE) ||
        plan_is_probed(plan))
      scan_look(scan, idxstr, plan);
    if (plan->wrong && plan->nwide) plan_widen(plan);
    if (plan->wrong && plan->alike != PLAN_GROUP_NONE) {
      plan->alike = PLAN_GROUP_NONE;
      plan->moved = true;
    }
    if (plan->joins == PLAN_JOINS_UNKNOWN)
      plan->joins = shape_is_outer(table->fdb->db, NULL) ? PLAN_JOINS_OUTER
                                                         : PLAN_JOINS_INNER;
    scan->fetch.group = asks ? plan->group : NULL;
    scan->count = plan->count || plan->counts;
    rc = scan_enter(scan, server, plan, err);
    if (rc == SQLITE_OK) rc = scan_take_plan(scan, idxstr, err);
    scan->changes = plan->write == PLAN_WRITE_ROWS;
  }
  return rc;
}

int scan_filter(sqlite3_vtab_cursor *cursor, int idxnum, const char *idxstr,
                int argc, sqlite3_value **argv)
{
  struct scan *scan = scan_of(cursor);
  struct fed_err err;
  bool never = false, served = false;
  int rc;

  (void)idxnum;
  (void)argc;
  fed_err_init(&err);
  scan_table(scan)->fdb->opened = NULL;
  scan_clear(scan);
  scan_table(scan)->used++;
  stats_refresh(scan_table(scan));
  rc = scan_begin(scan, idxstr, &err);
  if (rc == SQLITE_OK)
    rc = bind_values(&scan->bind, scan_table(scan), argv, &never, &err);
  if (rc == SQLITE_OK && !never) rc = probe_filter(scan, argv, &served, &err);
  if (rc == SQLITE_OK && !never && !served) rc = scan_start(scan, false, &err);
  return rc == SQLITE_OK ? SQLITE_OK : table_fail(cursor->pVtab, &err);
}

/* ---- rows -------------------------------------------------------------- */

int scan_next(sqlite3_vtab_cursor *cursor)
{
  struct scan *scan = scan_of(cursor);
  struct fed_err err;
  int rc;

  fed_err_init(&err);
  scan_table(scan)->used++;
  if (scan->counting) {
    scan->passed++;
    scan->eof = scan->passed >= scan->left;
    scan->has_rowid = false;
    return SQLITE_OK;
  }
  rc = scan->served ? probe_next(scan, &err) : scan_step(scan, &err);
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

/*
 * A row that was only counted is asked for after all. No column of any was
 * read, so the scan may start anew with rows, and skip as many as were given.
 */
static int scan_uncount(struct scan *scan, struct fed_err *err)
{
  int64_t skip = scan->passed;
  int rc;

  scan->counting = false;
  rc = scan_start(scan, true, err);
  while (rc == SQLITE_OK && skip-- > 0 && !scan->eof)
    rc = scan_step(scan, err);
  if (rc == SQLITE_OK && scan->eof)
    rc = fed_err_set(err, SQLITE_BUSY,
                     "rows of table '%s' were deleted while they were counted",
                     scan_table(scan)->name);
  return rc;
}

/* The statement's program is not the one that scan_look() saw. */
static int scan_misread(struct scan *scan)
{
  struct fed_err err;

  fed_err_init(&err);
  plan_of(scan->idxstr)->wrong = true;
  fed_err_set(&err, SQLITE_ERROR,
              "the plan of a statement over table '%s' has changed: run it "
              "again",
              scan_table(scan)->name);
  return table_fail(scan->base.pVtab, &err);
}

/* A column of a row that is not the fetch's own, or that was not read. */
static int scan_column_else(struct scan *scan, sqlite3_context *ctx, int i)
{
  struct fed_err err;

  /* UPDATE leaves it as it is, and need not send it. */
  if (scan->changes && !scan->plan->whole && sqlite3_vtab_nochange(ctx))
    return SQLITE_OK;
  if (scan->place[i] < 0)
    return scan->plan->nwide ? scan_misread(scan) : SQLITE_OK;
  fed_err_init(&err);
  if (scan->counting && scan_uncount(scan, &err) != SQLITE_OK)
    return table_fail(scan->base.pVtab, &err);
  if (!scan_row(scan)) return table_fail(scan->base.pVtab, &scan->fetch.lost);
  scan_result(ctx, &scan_row(scan)[scan->place[i]]);
  return SQLITE_OK;
}

/* Runs for each value of a scan, so all that is rare is done elsewhere. */
int scan_column(sqlite3_vtab_cursor *cursor, sqlite3_context *ctx, int i)
{
  struct scan *scan = scan_of(cursor);
  const struct fed_value *row = scan->fetch.row;
  int place = scan->place[i];

  if (place < 0 || scan->counting || scan->served || scan->changes || !row)
    return scan_column_else(scan, ctx, i);
  scan_result(ctx, &row[place]);
  return SQLITE_OK;
}

static int scan_hash(struct scan *scan, struct fed_err *err)
{
  int rc;

  if (scan->has_rowid) return SQLITE_OK;
  /* Rows that are only counted are all alike. */
  rc = rowid_of(&scan->seen, scan_row(scan),
                scan->counting ? 0 : scan->plan->ncol, &scan->rowid, err);
  scan->has_rowid = rc == SQLITE_OK;
  return rc;
}

/* The row is about to be changed: xUpdate will get this number. */
static int scan_mark(struct scan *scan, struct fed_err *err)
{
  struct fed_table *table = scan_table(scan);
  struct fed_value *key = scan->key;
  int n = 0;

  if (scan->has_rowid) return SQLITE_OK;
  for (int i = 0; i < table->rel.ncol; i++)
    if (table->rel.col[i].key) key[n++] = scan_row(scan)[scan->place[i]];
  scan->has_rowid = true;
  return write_mark(table, key, scan->batch, &scan->rowid, err);
}

int scan_rowid(sqlite3_vtab_cursor *cursor, sqlite3_int64 *out)
{
  struct scan *scan = scan_of(cursor);
  int key = scan_table(scan)->rowid;
  struct fed_err err;
  int rc = SQLITE_OK;

  fed_err_init(&err);
  if (scan->plan->alike != PLAN_GROUP_NONE) return scan_misread(scan);
  if (!scan->counting && !scan_row(scan))
    return table_fail(cursor->pVtab, &scan->fetch.lost);
  if (scan->changes) {
    rc = scan_mark(scan, &err);
    *out = scan->rowid;
    return rc == SQLITE_OK ? SQLITE_OK : table_fail(cursor->pVtab, &err);
  }
  if (scan->counting && (key >= 0 || scan->plan->sure))
    rc = scan_uncount(scan, &err);
  if (rc == SQLITE_OK && key < 0) rc = scan_hash(scan, &err);
  if (rc != SQLITE_OK) return table_fail(cursor->pVtab, &err);
  *out = key < 0 ? scan->rowid : scan_row(scan)[scan->place[key]].i;
  return SQLITE_OK;
}
