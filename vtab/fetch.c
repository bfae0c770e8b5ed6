#include "vtab/fetch.h"

#include "base/mem.h"
#include "vtab/write.h"

#define FETCH_CLEANUP_MS 5000 /* to end a result nobody wants to its end */
#define FETCH_KEEP       ((size_t)1 << 20) /* bytes of kept rows in memory */
#define FETCH_FENCE      0 /* a savepoint below those of the user, 1, 2 ... */

void fetch_init(struct fetch *fetch, struct fed_table *table)
{
  memset(fetch, 0, sizeof *fetch);
  fetch->table = table;
  fetch->eof = true;
  fed_list_init(&fetch->link);
}

/* ---- ending ------------------------------------------------------------ */

static struct fed_wait fetch_cleanup_wait(void)
{
  return (struct fed_wait){.deadline = fed_clock_deadline(FETCH_CLEANUP_MS)};
}

/* Lent before fork(), to the parent. */
static bool fetch_is_inherited(const struct fetch *fetch)
{
  return fetch->conn && fed_pool_inherited(fetch->conn);
}

/* Give the connection back. `keep`: the statement is good for another run. */
static void fetch_release(struct fetch *fetch, bool keep)
{
  struct fed_wait wait = fetch_cleanup_wait();
  struct fed_err ignored;

  fed_err_init(&ignored);
  fed_list_remove(&fetch->link);
  if (fetch_is_inherited(fetch)) {
    /* A forked child: a word on this socket, and the parent is lost. */
    fetch->stmt = NULL;
    fetch->in_tx = fetch->fenced = false;
  }
  fed_stmt_put(fetch->stmt, keep, &wait);
  fetch->stmt = NULL;
  /* What only read has nothing to lose by it; a failure drops the session. */
  if (fetch->conn && !fetch->conn->broken) {
    if (fetch->in_tx) fed_conn_rollback(fetch->conn, &wait, &ignored);
    if (fetch->fenced)
      fed_conn_rollback_to(fetch->conn, FETCH_FENCE, &wait, &ignored);
  }
  fetch->in_tx = fetch->fenced = false;
  if (fetch->view && fetch->conn)
    fed_view_return(fetch->view, fetch->conn);
  else
    fed_pool_put(fetch->conn);
  fetch->conn = NULL;
}

static void fetch_forget_kept(struct fetch *fetch)
{
  store_clear(&fetch->kept);
  fed_free(fetch->kept_row);
  fetch->kept_row = NULL;
  fetch->nkept = 0;
}

void fetch_end(struct fetch *fetch)
{
  if (fetch->conn) fetch_release(fetch, true);
  if (fetch->kept_row) fetch_forget_kept(fetch);
  fed_err_clear(&fetch->lost);
  fetch->eof = true;
  fetch->row = NULL;
}

void fetch_close(struct fetch *fetch, struct fetch *heir)
{
  fetch_end(fetch);
  if (heir)
    heir->view = fetch->view;
  else
    fed_view_drop(fetch->view);
  fetch->view = NULL;
}

/* What a failed read means to its readers. */
static int fetch_failed(struct fetch *fetch, struct fed_err *err)
{
  /* Other tables' reads will hear of a lost view, too. */
  if (fetch->view && fetch->conn)
    fed_view_failed(fetch->view, fetch->conn, err);
  table_context(fetch->table, err);
  return err->rc;
}

/* In a forked child the rows that are still to come are the parent's. */
static void fetch_disown(struct fetch *fetch)
{
  fed_err_set(&fetch->lost, SQLITE_MISUSE,
              "the scan of table '%s' was begun before fork(): run the "
              "statement again",
              fetch->table->name);
  if (fetch->row != fetch->kept_row) fetch->row = NULL;
  fetch_release(fetch, false);
}

/* ---- kept rows --------------------------------------------------------- */

/* Copy the present row, which the next step of the statement would take, or
 * which stands at the end of rows that nobody needs any more. */
static int fetch_keep_present(struct fetch *fetch, struct fed_err *err)
{
  int ncol = fetch->stmt->ncol;
  struct store kept;
  int rc;

  if (fetch->nkept > 0) return SQLITE_OK;
  if (!fetch->kept_row) {
    fetch->kept_row = fed_calloc((size_t)ncol, sizeof *fetch->kept_row);
    if (!fetch->kept_row) return fed_err_nomem(err);
  }
  store_init(&kept, ncol, FETCH_KEEP);
  rc = store_add(&kept, fetch->row, &fetch->row_at, err);
  store_clear(&fetch->kept);
  fetch->kept = kept;
  fetch->next_at = fetch->row_at;
  fetch->row = NULL;
  if (rc == SQLITE_OK)
    rc = store_read(&fetch->kept, &fetch->next_at, fetch->kept_row, err);
  if (rc != SQLITE_ROW) return rc;
  fetch->row = fetch->kept_row;
  return SQLITE_OK;
}

/* What the end of the statement or its failure means. */
static void fetch_stepped(struct fetch *fetch, int rc, struct fed_err *err)
{
  if (rc != SQLITE_DONE) {
    fetch_failed(fetch, err);
    fetch->lost = *err;
  }
  fetch_release(fetch, rc == SQLITE_DONE);
}

int fetch_ahead(struct fetch *fetch, int64_t n, struct fed_err *err)
{
  struct fed_err lost = FED_ERR_INIT;
  int rc;

  if (!fetch->stmt || fetch->eof || fetch->nkept >= n) return SQLITE_OK;
  if (fetch_is_inherited(fetch)) {
    fetch_disown(fetch);
    return SQLITE_OK;
  }
  rc = fetch_keep_present(fetch, err);
  while (rc == SQLITE_OK && fetch->nkept < n) {
    int step = fed_stmt_step(fetch->stmt, &fetch->wait, &lost);

    if (step != SQLITE_ROW) {
      fetch_stepped(fetch, step, &lost);
      break;
    }
    rc = store_add(&fetch->kept, fetch->stmt->row, NULL, err);
    if (rc == SQLITE_OK) fetch->nkept++;
  }
  if (rc == SQLITE_OK) return fetch_peeked(fetch, err);
  fetch->lost = *err; /* a row was read and could not be kept, */
  fetch->row = NULL;  /* and the present one may be gone with its block */
  fetch_release(fetch, false);
  return rc;
}

int fetch_peek(struct fetch *fetch, store_pos *at, struct fed_value *row,
               struct fed_err *err)
{
  if (fetch->nkept == 0) return SQLITE_DONE;
  if (*at == 0) *at = fetch->next_at;
  return store_read(&fetch->kept, at, row, err);
}

/* The present row may have stood in what reading of the others overwrote. */
int fetch_peeked(struct fetch *fetch, struct fed_err *err)
{
  store_pos at = fetch->row_at;
  int rc;

  if (fetch->row != fetch->kept_row || !fetch->row) return SQLITE_OK;
  rc = store_read(&fetch->kept, &at, fetch->kept_row, err);
  return rc == SQLITE_ROW ? SQLITE_OK : rc;
}

/* ---- connections ------------------------------------------------------- */

/* Read it to its end and free its connection. */
static int fetch_set_aside(struct fetch *fetch, const struct fed_wait *wait,
                           struct fed_err *err)
{
  struct fed_wait own = fetch->wait;
  int rc;

  if (fetch_is_inherited(fetch)) {
    fetch_disown(fetch);
    return SQLITE_OK;
  }
  fetch->wait = *wait;
  rc = fetch_ahead(fetch, INT64_MAX, err);
  fetch->wait = own;
  if (rc == SQLITE_OK && fetch->lost.rc != SQLITE_OK) {
    *err = fetch->lost;
    rc = err->rc;
  }
  return rc;
}

typedef bool fetch_test(const struct fetch *fetch, const void *of);

/* Whichever the test wants, one after the other. */
static int fetch_set_aside_all(struct fed_db *fdb, fetch_test *test,
                               const void *of, const struct fed_wait *wait,
                               struct fed_err *err)
{
  int rc = SQLITE_OK;

  FED_LIST_EACH_SAFE(node, after, &fdb->fetches)
  {
    struct fetch *fetch = FED_CONTAINER(node, struct fetch, link);

    if (rc == SQLITE_OK && test(fetch, of))
      rc = fetch_set_aside(fetch, wait, err);
  }
  return rc;
}

static bool fetch_is_on(const struct fetch *fetch, const void *conn)
{
  return fetch->conn == conn;
}

int fetch_set_aside_on(struct fed_db *fdb, const struct fed_conn *conn,
                       const struct fed_wait *wait, struct fed_err *err)
{
  return fetch_set_aside_all(fdb, fetch_is_on, conn, wait, err);
}

static bool fetch_is_of(const struct fetch *fetch, const void *server)
{
  return fetch->server == server;
}

static bool fetch_shows(const struct fetch *fetch, const void *view)
{
  return fetch->view == view;
}

int fetch_set_aside_for(struct fed_db *fdb, const struct fed_server *server,
                        const struct fed_view *view, bool all,
                        const struct fed_wait *wait, struct fed_err *err)
{
  return all ? fetch_set_aside_all(fdb, fetch_is_of, server, wait, err)
             : fetch_set_aside_all(fdb, fetch_shows, view, wait, err);
}

/* The fetch that uses `conn`; with NULL one that can free another. */
static struct fetch *fetch_in_way(struct fed_db *fdb,
                                  const struct fed_conn *conn)
{
  FED_LIST_EACH(node, &fdb->fetches)
  {
    struct fetch *fetch = FED_CONTAINER(node, struct fetch, link);

    if (conn ? fetch->conn == conn : !fed_view_is_tx(fetch->view)) return fetch;
  }
  return NULL;
}

int fetch_lease(struct fed_db *fdb, struct fed_server *server,
                struct fed_view *view, const struct fed_wait *wait,
                struct fed_conn **out, struct fed_err *err)
{
  bool queue = fed_list_empty(&fdb->fetches) && !fed_tx_keeps(fdb->tx);

  for (;;) {
    struct fetch *holder;
    int rc = view    ? fed_view_lease(view, queue, wait, out, err)
             : queue ? fed_pool_get(server, wait, out, err)
                     : fed_pool_try_get(server, wait, out, err);

    if (rc != SQLITE_BUSY || queue) return rc;
    fed_err_clear(err);
    holder = fetch_in_way(fdb, *out);
    *out = NULL;
    if (holder)
      rc = fetch_set_aside(holder, wait, err);
    else
      queue = !fed_tx_yield(fdb->tx, server);
    if (holder && rc != SQLITE_OK) return rc;
  }
}

/* ---- starting ---------------------------------------------------------- */

/* A query of the user's own text runs where it can change nothing. */
static int fetch_begin(struct fetch *fetch, struct fed_err *err)
{
  struct fed_begin begin = {.read_only = true};
  int rc;

  if (fetch->table->rel.kind != FED_KIND_QUERY) return SQLITE_OK;
  /* A function it calls may still have touched the session. */
  fetch->conn->dirty = true;
  if (fetch->view && (fetch->conn->caps & FED_CAP_GUARD)) return SQLITE_OK;
  if (fetch->view) {
    rc = fed_conn_savepoint(fetch->conn, FETCH_FENCE, &fetch->wait, err);
    fetch->fenced = rc == SQLITE_OK;
    return rc;
  }
  rc = fed_conn_begin(fetch->conn, &begin, &fetch->wait, err);
  fetch->in_tx = rc == SQLITE_OK;
  return rc;
}

/* Which state of the server it is to see now. */
static int fetch_look(struct fetch *fetch, struct fed_err *err)
{
  struct fed_view *before = fetch->view;
  int rc = fed_tx_view(fetch->table->fdb->tx, fetch->server, fetch->group,
                       &fetch->view, err);

  fed_view_drop(before);
  return rc;
}

/* One attempt, up to the first row. */
static int fetch_execute(struct fetch *fetch, const struct fetch_query *query,
                         struct fed_err *err)
{
  struct fed_db *fdb = fetch->table->fdb;
  int rc = fetch_look(fetch, err);

  /* What is written and waits is to be seen. */
  if (rc == SQLITE_OK && fdb->waiting && fed_view_is_tx(fetch->view))
    rc = write_settle(fdb, err);
  if (rc == SQLITE_OK)
    rc = fetch_lease(fdb, fetch->server, fetch->view, &fetch->wait,
                     &fetch->conn, err);
  if (rc != SQLITE_OK) return rc;
  fed_list_push_back(&fdb->fetches, &fetch->link);
  rc = fetch_begin(fetch, err);
  if (rc == SQLITE_OK)
    rc = fed_stmt_get(fetch->conn, query->sql, query->want, query->nwant,
                      query->bulk, &fetch->stmt, &fetch->wait, err);
  if (rc == SQLITE_OK)
    rc = fed_stmt_execute(fetch->stmt, query->args, query->narg, &fetch->wait,
                          err);
  if (rc == SQLITE_OK) rc = fed_stmt_step(fetch->stmt, &fetch->wait, err);
  return rc;
}

/* ---- tables rewritten under a snapshot --------------------------------- */

bool fetch_may_hide(const struct fetch *fetch)
{
  const struct fed_relation *rel = &fetch->table->rel;

  return fetch->conn && fetch->view && fetch->server &&
         fed_server_driver(fetch->server)->dialect == &fed_dialect_pg &&
         (rel->kind == FED_KIND_TABLE || rel->kind == FED_KIND_PARTITIONED ||
          rel->kind == FED_KIND_MATVIEW);
}

/*
 * PostgreSQL's ALTER TABLE, where it rewrites the rows, TRUNCATE and CREATE in
 * place of DROP leave an older snapshot with a table that is empty. So where
 * a view shows no row, the file that holds the table must be that of the
 * snapshot: what reads pg_class by SQL sees the one, functions the other.
 */
#define FETCH_REWRITTEN                                                        \
  "WITH RECURSIVE t(o) AS (SELECT pg_catalog.to_regclass($1::text)::oid"       \
  " UNION SELECT i.inhrelid FROM pg_catalog.pg_inherits i, t"                  \
  " WHERE i.inhparent = t.o)"                                                  \
  " SELECT 1 FROM t LEFT JOIN pg_catalog.pg_class c ON c.oid = t.o"            \
  " WHERE t.o IS NOT NULL AND (c.oid IS NULL OR c.relfilenode <> 0"            \
  " AND c.relfilenode <> pg_catalog.pg_relation_filenode(t.o)) LIMIT 1"

static int fetch_check_rewritten(struct fetch *fetch, struct fed_err *err)
{
  struct fed_table *table = fetch->table;
  bool in_tx = fed_view_is_tx(fetch->view);
  struct fed_stmt *stmt = NULL;
  struct fed_value name;
  struct fed_str text;
  int rc;

  if (!fetch_may_hide(fetch)) return SQLITE_OK;
  /* Many keys may be looked up that are not there: the lock of one such read
   * keeps the table as it is. But a read of a partitioned one locks only those
   * of its partitions that it needs. */
  if (table->locks && table->locks == fetch->conn->locks) return SQLITE_OK;
  fed_str_init(&text, FED_STR_SQL);
  fed_dialect_relation(&fed_dialect_pg, &text, &table->rel);
  rc = fed_str_err(&text, err);
  name = fed_value_text(text.s, (int64_t)text.len);
  if (rc == SQLITE_OK)
    rc = fed_stmt_get(fetch->conn, FETCH_REWRITTEN, NULL, 0, false, &stmt,
                      &fetch->wait, err);
  if (rc == SQLITE_OK) rc = fed_stmt_execute(stmt, &name, 1, &fetch->wait, err);
  if (rc == SQLITE_OK) rc = fed_stmt_step(stmt, &fetch->wait, err);
  fed_str_release(&text);
  fed_stmt_put(stmt, rc == SQLITE_ROW || rc == SQLITE_DONE, &fetch->wait);
  if (rc == SQLITE_DONE && table->rel.kind != FED_KIND_PARTITIONED)
    table->locks = fetch->conn->locks;
  if (rc != SQLITE_ROW) return rc == SQLITE_DONE ? SQLITE_OK : rc;
  return fed_err_set(err, SQLITE_ERROR,
                     "it has changed since the %s, which sees no row of it "
                     "now: %srun it again",
                     in_tx ? "transaction began" : "statement began",
                     in_tx ? "ROLLBACK, and " : "");
}

/* ---- one attempt, or two ------------------------------------------------ */

/*
 * Try once more where that can help and harms nobody, as no row was given
 * yet: a statement prepared before its table changed, and a connection that
 * broke while it lay idle.
 */
static bool fetch_may_retry(const struct fetch *fetch, int rc)
{
  if (rc == SQLITE_SCHEMA) return fetch->stmt != NULL;
  if (!fetch->conn && !fed_server_current(fetch->server)) return true;
  return !fetch->view && fetch->conn && fetch->conn->broken &&
         (rc == SQLITE_IOERR || rc == SQLITE_CANTOPEN);
}

int fetch_start(struct fetch *fetch, const struct fetch_query *query,
                struct fed_err *err)
{
  int rc = SQLITE_OK;

  fetch_end(fetch);
  for (int attempt = 0; rc == SQLITE_OK; attempt++) {
    rc = table_server(fetch->table, &fetch->server, err);
    if (rc != SQLITE_OK) return rc;
    rc = fetch_execute(fetch, query, err);
    if (attempt > 0 || !fetch_may_retry(fetch, rc)) break;
    fetch_release(fetch, false);
    fed_err_clear(err);
    rc = SQLITE_OK;
  }
  if (rc == SQLITE_DONE && fetch_check_rewritten(fetch, err) != SQLITE_OK)
    rc = err->rc;
  if (rc == SQLITE_ROW) {
    fetch->eof = false;
    fetch->row = fetch->stmt->row;
    return SQLITE_OK;
  }
  if (rc != SQLITE_DONE) fetch_failed(fetch, err);
  fetch_release(fetch, rc == SQLITE_DONE);
  return rc == SQLITE_DONE ? SQLITE_OK : err->rc;
}

/* ---- rows -------------------------------------------------------------- */

static int fetch_next_kept(struct fetch *fetch, struct fed_err *err)
{
  int rc;

  fetch->row_at = fetch->next_at;
  rc = store_read(&fetch->kept, &fetch->next_at, fetch->kept_row, err);
  if (rc != SQLITE_ROW) return rc;
  fetch->nkept--;
  fetch->row = fetch->kept_row;
  return SQLITE_OK;
}

int fetch_next(struct fetch *fetch, struct fed_err *err)
{
  int rc;

  if (fetch->nkept > 0) return fetch_next_kept(fetch, err);
  if (fetch->lost.rc == SQLITE_OK && fetch_is_inherited(fetch))
    fetch_disown(fetch);
  if (fetch->lost.rc != SQLITE_OK) {
    *err = fetch->lost;
    return err->rc;
  }
  if (!fetch->stmt) {
    fetch->eof = true;
    fetch_end(fetch);
    return SQLITE_OK;
  }
  rc = fed_stmt_step(fetch->stmt, &fetch->wait, err);
  if (rc == SQLITE_ROW) {
    fetch->row = fetch->stmt->row;
    return SQLITE_OK;
  }
  if (rc != SQLITE_DONE) fetch_failed(fetch, err);
  fetch_release(fetch, rc == SQLITE_DONE);
  fetch->eof = true;
  return rc == SQLITE_DONE ? SQLITE_OK : err->rc;
}
