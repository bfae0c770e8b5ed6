/*
 * conform: the same checks for every driver, through drv.h only.
 *
 *   conform URL      that server (its database gets tables conform_*)
 *   conform          FED_TEST_PG_URL, FED_TEST_MYSQL_URL, and a SQLite file
 *
 * Prints "ok N name" or "not ok N name: why", and "# skip" lines for what a
 * server cannot do; last "N passed, N failed, N skipped". What differs between
 * servers stands in `struct side` and nowhere else.
 *
 * test/run.tcl starts what the next line names, and sets those variables:
 * need pg mysql
 */
#include <unistd.h>

#include "test/unit/conform.h"
#include "test/unit/conform_bulk.h"
#include "test/unit/conform_conn.h"
#include "test/unit/conform_load.h"
#include "test/unit/conform_run.h"
#include "test/unit/conform_stmt.h"
#include "test/unit/conform_write.h"

/* ---- transactions ------------------------------------------------------- */

static void expect_ids(struct run *r, const char *name, const char *want)
{
  expect(r, name, "SELECT id FROM conform_t ORDER BY id", NULL, 0, want);
}

static void t_transaction(struct run *r)
{
  must(r, "DELETE FROM conform_t");
  check_rc(r, "begin", begin(r, false), SQLITE_OK);
  check(r, "is settled", !r->conn->unsettled);
  insert(r, 1);
  check(r, "a transaction is busy",
        fed_conn_health(r->conn, true) == FED_HEALTH_BUSY);
  start(r);
  check_rc(r, "rollback", fed_conn_rollback(r->conn, &r->wait, &r->err),
           SQLITE_OK);
  expect_ids(r, "undoes", "");
  begin(r, false);
  insert(r, 2);
  check_rc(r, "commit", fed_conn_commit(r->conn, &r->wait, &r->err), SQLITE_OK);
  check(r, "leaves it clean",
        fed_conn_health(r->conn, true) == FED_HEALTH_CLEAN);
  reopen(r);
  expect_ids(r, "another session sees it", "i:2");
  for (int i = FED_ISOLATION_DEFAULT; i <= FED_ISOLATION_SERIALIZABLE; i++) {
    struct fed_begin opts = {.isolation = (enum fed_isolation)i};
    int rc;

    start(r);
    rc = fed_conn_begin(r->conn, &opts, &r->wait, &r->err);
    if (rc == SQLITE_OK) fed_conn_commit(r->conn, &r->wait, &r->err);
    check_rc(r, "begin at an isolation level", rc, SQLITE_OK);
  }
}

static void t_failed_commit(struct run *r)
{
  struct fed_str out;
  int rc;

  must(r, "DELETE FROM conform_t");
  begin(r, false);
  insert(r, 1);
  exec(r, "INSERT INTO conform_none VALUES (1)");
  start(r);
  rc = fed_conn_commit(r->conn, &r->wait, &r->err);
  check(r, "commit that fails leaves it unsettled",
        r->conn->unsettled == (rc != SQLITE_OK));
  reopen(r);
  fed_str_init(&out, 100);
  rows(r, "SELECT id FROM conform_t", NULL, 0, NULL, 0, &out);
  check(r, "commit says yes exactly when the work is there",
        (rc == SQLITE_OK) == (strcmp(out.s, "i:1") == 0));
  fed_str_release(&out);
}

static int level(struct run *r,
                 int (*verb)(struct fed_conn *, int, const struct fed_wait *,
                             struct fed_err *),
                 int n)
{
  start(r);
  return verb(r->conn, n, &r->wait, &r->err);
}

static void t_savepoints(struct run *r)
{
  if (!(r->conn->caps & FED_CAP_SAVEPOINT)) {
    skip(r, "savepoints", "not here");
    return;
  }
  must(r, "DELETE FROM conform_t");
  begin(r, false);
  insert(r, 1);
  check_rc(r, "savepoint 1", level(r, fed_conn_savepoint, 1), SQLITE_OK);
  insert(r, 2);
  check_rc(r, "savepoint 2", level(r, fed_conn_savepoint, 2), SQLITE_OK);
  insert(r, 3);
  check_rc(r, "rollback to 2", level(r, fed_conn_rollback_to, 2), SQLITE_OK);
  expect_ids(r, "undoes its level", "i:1;i:2");
  insert(r, 4);
  check_rc(r, "which is still open", level(r, fed_conn_release, 2), SQLITE_OK);
  expect_ids(r, "release keeps", "i:1;i:2;i:4");
  check(r, "a bad statement", insert(r, 4) != SQLITE_OK);
  check_rc(r, "rollback to 1", level(r, fed_conn_rollback_to, 1), SQLITE_OK);
  expect_ids(r, "repairs and undoes", "i:1");
  check_rc(r, "release 1", level(r, fed_conn_release, 1), SQLITE_OK);
  start(r);
  check_rc(r, "and commit", fed_conn_commit(r->conn, &r->wait, &r->err),
           SQLITE_OK);
  expect_ids(r, "what is left", "i:1");
  begin(r, false);
  check(r, "a level that is not open is an error",
        level(r, fed_conn_release, 5) != SQLITE_OK);
  check(r, "and leaves it unsettled and dead",
        r->conn->unsettled &&
          fed_conn_health(r->conn, true) == FED_HEALTH_DEAD);
  reopen(r);
}

static void t_read_only(struct run *r)
{
  if (!(r->conn->caps & FED_CAP_READONLY)) {
    skip(r, "read only", "not here");
    return;
  }
  must(r, "DELETE FROM conform_t");
  check_rc(r, "begin read only", begin(r, true), SQLITE_OK);
  expect_ids(r, "reads", "");
  check(r, "and refuses to write", insert(r, 1) != SQLITE_OK);
  start(r);
  check_rc(r, "it ends", fed_conn_rollback(r->conn, &r->wait, &r->err),
           SQLITE_OK);
  check_rc(r, "and the next one writes", insert(r, 1), SQLITE_OK);
}

/* Begin to read; what the caller asks for besides stands in `opts`. */
static int begin_reads(struct run *r, struct fed_begin opts)
{
  opts.isolation = FED_ISOLATION_REPEATABLE_READ;
  opts.guard = true;
  start(r);
  return fed_conn_begin(r->conn, &opts, &r->wait, &r->err);
}

/* Reads that fail or are stopped leave a guarded transaction as it was. */
static void t_guard(struct run *r)
{
  struct fed_conn *reader = r->conn;
  struct fed_str out;

  must(r, "DELETE FROM conform_t");
  insert(r, 1);
  check_rc(r, "begin with a guard", begin_reads(r, (struct fed_begin){0}),
           SQLITE_OK);
  expect_ids(r, "reads", "i:1");
  r->conn = NULL;
  if (reopen(r) == SQLITE_OK && !r->dsn.drv->is_file) insert(r, 2);
  fed_conn_close(r->conn);
  r->conn = reader;
  fed_str_init(&out, 1000);
  check(r, "a read that fails",
        rows(r, "SELECT * FROM conform_none", NULL, 0, NULL, 0, &out) !=
          SQLITE_OK);
  expect_ids(r, "leaves it", "i:1");
  read_one_row(r,
               "SELECT a.n FROM conform_d a, conform_d b, conform_d c,"
               " conform_d d, conform_d e, conform_d f",
               30000);
  expect_ids(r, "so does one that is stopped", "i:1");
  read_one_row(r, r->side->sleep, 100);
  expect_ids(r, "or takes too long", "i:1");
  if ((r->conn->caps & FED_CAP_GUARD) && !r->dsn.drv->is_file)
    check(r, "and nothing is written", insert(r, 3) != SQLITE_OK);
  start(r);
  check_rc(r, "it commits", fed_conn_commit(r->conn, &r->wait, &r->err),
           SQLITE_OK);
  check_rc(r, "and then there is no guard", insert(r, 4), SQLITE_OK);
  fed_str_release(&out);
}

/* Two connections, one snapshot. */
static void t_share(struct run *r)
{
  struct fed_conn *first = r->conn;
  struct fed_begin join = {.snapshot = first->snapshot};

  if (!(first->caps & FED_CAP_SNAPSHOT)) {
    skip(r, "a shared snapshot", "not here");
    return;
  }
  must(r, "DELETE FROM conform_t");
  insert(r, 1);
  check_rc(r, "a snapshot with a name",
           begin_reads(r, (struct fed_begin){.share = true}), SQLITE_OK);
  check(r, "which is told", first->snapshot[0] != 0);
  r->conn = NULL;
  reopen(r);
  insert(r, 2);
  check_rc(r, "another connection joins", begin_reads(r, join), SQLITE_OK);
  expect_ids(r, "and sees the same", "i:1");
  fed_conn_close(first);
  expect_ids(r, "also when the first is gone", "i:1");
  reopen(r);
  join.snapshot = "00000000-00000000-1";
  check(r, "a name that is none is an error",
        begin_reads(r, join) != SQLITE_OK);
  reopen(r);
}

/* A verb that was not sent, or not known to have succeeded. */
static void t_unsettled(struct run *r)
{
  struct fed_begin opts = {.read_only = false};
  int rc;

  start(r);
  r->wait.interrupted = yes;
  rc = fed_conn_begin(r->conn, &opts, &r->wait, &r->err);
  check(r, "begin interrupted is unsettled unless it succeeded",
        r->conn->unsettled == (rc != SQLITE_OK));
  reopen(r);
}

/* ---- catalog ------------------------------------------------------------ */

static const struct fed_relation *find(const struct fed_catalog *cat,
                                       const char *name)
{
  for (int i = 0; i < cat->nrel; i++)
    if (strcmp(cat->rel[i].name, name) == 0) return &cat->rel[i];
  return NULL;
}

static const struct fed_column *column(const struct fed_relation *rel,
                                       const char *name)
{
  for (int i = 0; rel && i < rel->ncol; i++)
    if (strcmp(rel->col[i].name, name) == 0) return &rel->col[i];
  return NULL;
}

static void check_scope(struct run *r, const char *name, const char *schema,
                        const char *table, bool found)
{
  struct fed_catalog cat = {0};
  struct fed_scope scope = {schema, table};
  int rc;

  start(r);
  rc = fed_conn_catalog(r->conn, &scope, &cat, &r->wait, &r->err);
  check(r, name,
        rc == SQLITE_OK && !find(&cat, "conform_t") == !found &&
          (found || cat.nrel == 0));
  fed_catalog_release(&cat);
}

static void check_scopes(struct run *r, const char *own)
{
  check_scope(r, "scope: a schema by name", own, NULL, true);
  check_scope(r, "scope: a table in it", own, "conform_t", true);
  check_scope(r, "scope: a missing table in it", own, "conform_none", false);
  check_scope(r, "scope: one table", NULL, "conform_t", true);
  check_scope(r, "scope: every schema", "*", NULL, true);
  check_scope(r, "scope: one table of every schema", "*", "conform_t", true);
  check_scope(r, "scope: a missing table", NULL, "conform_none", false);
  check_scope(r, "scope: a missing schema", "no_such_schema", NULL, false);
  check_scope(r, "scope: a name with quotes", NULL, "x\"'`; --", false);
}

static void check_keys(struct run *r, const struct fed_catalog *cat)
{
  const struct fed_column *id = column(find(cat, "conform_t"), "id");
  const struct fed_column *i = column(find(cat, "conform_t"), "i");
  const struct fed_column *seen = column(find(cat, "conform_v"), "id");
  const struct fed_column *a = column(find(cat, "conform_u"), "a");
  const struct fed_column *b = column(find(cat, "conform_u"), "b");
  const struct fed_column *c = column(find(cat, "conform_u"), "c");

  check(r, "the primary key", id && id->key == 1 && id->notnull);
  check(r, "no other column is in it", i && i->key == 0);
  check(r, "nor is it NOT NULL", i && !i->notnull);
  check(r, "a view has no key and no NOT NULL",
        seen && seen->key == 0 && !seen->notnull);
  if (r->dsn.drv->is_file)
    skip(r, "a unique key", "SQLite tables have a rowid");
  else
    check(r, "a unique NOT NULL key stands in",
          a && b && c && b->key == 1 && a->key == 2 && c->key == 0);
}

static void t_catalog(struct run *r)
{
  struct fed_catalog cat = {0};
  struct fed_scope scope = {NULL, NULL};
  const struct fed_relation *t, *v;
  bool ordered = true;

  must(r, "CREATE VIEW conform_v AS SELECT id, t FROM conform_t");
  must(r, "CREATE TABLE conform_u (a integer NOT NULL, b varchar(20) NOT NULL,"
          " c integer, UNIQUE (c), UNIQUE (b, a))");
  start(r);
  check_rc(r, "catalog of the search path",
           fed_conn_catalog(r->conn, &scope, &cat, &r->wait, &r->err),
           SQLITE_OK);
  for (int i = 1; i < cat.nrel; i++)
    ordered = ordered && (strcmp(cat.rel[i - 1].schema, cat.rel[i].schema) ||
                          strcmp(cat.rel[i - 1].name, cat.rel[i].name) < 0);
  check(r, "in the order of names", ordered);
  t = find(&cat, "conform_t");
  v = find(&cat, "conform_v");
  check(r, "a table", t && t->kind == FED_KIND_TABLE && t->ncol == 5);
  check(r, "a view", v && v->kind == FED_KIND_VIEW && v->ncol == 2);
  check(r, "in its schema",
        t && (r->side->schema ? strcmp(t->schema, r->side->schema) == 0
                              : *t->schema != 0));
  check_keys(r, &cat);
  check_scopes(r, t ? t->schema : "");
  fed_catalog_release(&cat);
}

static int describe(struct run *r, const char *sql, struct fed_relation *rel)
{
  start(r);
  memset(rel, 0, sizeof *rel);
  return fed_conn_describe(r->conn, sql, rel, &r->wait, &r->err);
}

static void t_describe(struct run *r)
{
  struct fed_relation rel;
  bool any = r->dsn.drv->is_file;

  check_rc(r, "describe",
           describe(r, "SELECT i, t AS x, r FROM conform_t -- all", &rel),
           SQLITE_OK);
  check(r, "names the columns",
        rel.ncol == 3 && strcmp(rel.col[0].name, "i") == 0 &&
          strcmp(rel.col[1].name, "x") == 0);
  check(r, "and their classes",
        any || (rel.ncol == 3 && rel.col[0].class == FED_CLASS_INT &&
                rel.col[1].class == FED_CLASS_TEXT &&
                rel.col[2].class == FED_CLASS_REAL));
  check(r, "promises nothing of NULL or keys",
        rel.ncol == 3 && !rel.col[0].notnull && rel.col[0].key == 0);
  fed_relation_release(&rel);
  check(r, "describe of a missing table is an error",
        describe(r, "SELECT * FROM conform_none", &rel) != SQLITE_OK);
  fed_relation_release(&rel);
  must(r, "DELETE FROM conform_t");
  insert(r, 9);
  check(r, "describe of no SELECT is an error",
        describe(r, "DELETE FROM conform_t", &rel) != SQLITE_OK);
  fed_relation_release(&rel);
  expect_ids(r, "and runs nothing", "i:9");
  check(r, "describe of two statements is an error",
        any || describe(r, "SELECT 1) q; DELETE FROM conform_t; --", &rel) !=
                 SQLITE_OK);
  fed_relation_release(&rel);
  expect_ids(r, "and runs nothing", "i:9");
  check(r, "and the connection works", healthy(r));
}

/* ---- decorators --------------------------------------------------------- */

struct told {
  int nbegin, n;
  int64_t rows, bytes;
  bool times, error;
};

static void tell(void *ctx, struct fed_trace *trace)
{
  struct told *told = ctx;

  if (trace->running) {
    told->nbegin++;
    return;
  }
  told->n++;
  told->rows = trace->rows;
  told->bytes = trace->bytes;
  told->times = trace->start_us > 0 && trace->first_us >= 0 &&
                trace->total_us >= trace->first_us;
  told->error = trace->error != NULL;
}

static void t_trace(struct run *r)
{
  struct fed_conn *traced = NULL, *inner = r->conn;
  struct told told = {0};
  struct fed_str out;

  start(r);
  check_rc(r, "trace wraps",
           fed_trace_wrap(&traced, inner, tell, &told, &r->err), SQLITE_OK);
  if (!traced) return;
  r->conn = traced;
  fed_str_init(&out, 1000);
  rows(r, "SELECT n FROM conform_d WHERE n < 3 ORDER BY n", NULL, 0, NULL, 0,
       &out);
  check_text(r, "a traced statement gives its rows", out.s, "i:0;i:1;i:2");
  check(r, "its begin is told once", told.nbegin == 1);
  check(r, "and its end", told.n == 1);
  check(r, "with its rows", told.rows == 3);
  check(r, "and their bytes", told.bytes >= 12);
  check(r, "and its times", told.times);
  check(r, "and no error", !told.error);
  rows(r, "SELECT * FROM conform_none", NULL, 0, NULL, 0, &out);
  start(r);
  told = (struct told){0};
  fed_conn_run(traced, "SELECT 1", 8, &r->wait, &r->err);
  check(r, "what is run is told of", told.nbegin == 1 && told.n == 1);
  check(r, "without an error", !told.error);
  check(r, "and makes the session dirty", traced->dirty);
  fed_conn_run(traced, "nonsense", 8, &r->wait, &r->err);
  check(r, "or with one", told.n == 2 && told.error);
  start(r);
  check(r, "health shows through",
        fed_conn_health(traced, true) == FED_HEALTH_CLEAN);
  fed_str_release(&out);
  reopen(r);
}

#ifdef FED_TEST
/* The n-th allocation of a connect and a read fails, for every n. */
static void t_faults(struct run *r)
{
  int wrong = 0;

  must(r, "DELETE FROM conform_t");
  insert(r, 9);
  for (int n = 1; n < 60; n++) {
    struct fed_str out;
    int rc;

    fed_fault_arm(FED_FAULT_ALLOC, n);
    rc = reopen(r);
    fed_str_init(&out, 1000);
    if (rc == SQLITE_OK)
      rc = rows(r, "SELECT id, t, b FROM conform_t", NULL, 0, NULL, 0, &out);
    fed_fault_arm(FED_FAULT_ALLOC, 0);
    wrong += rc == SQLITE_OK && !out.nomem && strcmp(out.s, "i:9|n|n") != 0;
    fed_str_release(&out);
  }
  check(r, "an allocation that fails is an error, never a wrong row",
        wrong == 0);
  check_rc(r, "and the next connection works", reopen(r), SQLITE_OK);
}
#endif

/* ---- running ------------------------------------------------------------ */

static void (*const tests[])(struct run *) = {
  t_params,        t_refused,       t_password,   t_connect,     t_exec,
  t_values,        t_nul,           t_big,        t_wide,        t_nulls,
  t_packets,       t_changes,       t_reset,      t_reset_tx,    t_cache,
  t_classes,       t_mismatch,      t_cancel,     t_deadline,    t_interrupt,
  t_transaction,   t_failed_commit, t_savepoints, t_read_only,   t_guard,
  t_share,         t_unsettled,     t_session,    t_fork,        t_killed,
  t_fake,          t_catalog,       t_describe,   t_trace,       t_literals,
  t_texts,         t_midway,        t_run,        t_run_rows,    t_run_position,
  t_run_stop,      t_run_late,      t_run_own,    t_begin_twice, t_borrow,
  t_batch,         t_guarded_write, t_bare_write, t_returning,   t_locks,
  t_many,          t_load,          t_load_fails, t_load_big,    t_load_same,
  t_load_given_up, t_load_odd,      t_many_sum,   t_ended,       t_write_guard,
  t_numbers,
#ifdef FED_TEST
  t_faults,
#endif
};

/* These again, with every SELECT a bulk statement. */
static void (*const bulk_tests[])(struct run *) = {
  t_values,   t_nul,       t_big,        t_wide,      t_reset,
  t_reset_tx, t_cache,     t_classes,    t_mismatch,  t_cancel,
  t_deadline, t_interrupt, t_savepoints, t_read_only,
#ifdef FED_TEST
  t_faults,
#endif
};

/* Run them; after each there is a good connection. */
static void run_tests(struct run *r, void (*const *test)(struct run *),
                      size_t n)
{
  for (size_t i = 0; r->conn && i < n; i++) {
    test[i](r);
    if (r->conn && !r->conn->broken && !r->conn->unsettled) continue;
    if (reopen(r) != SQLITE_OK) say(false, r, "reopen", r->err.msg);
  }
}

static void run_url(const char *url)
{
  struct run r = {0};
  int before = failed;
  int64_t memory = sqlite3_memory_used();

  r.side = sides[FED_LEN(sides) - 1];
  start(&r);
  if (fed_dsn_parse(&r.dsn, url, &r.err) != SQLITE_OK) {
    say(false, &r, "the URL", r.err.msg);
    return;
  }
  for (size_t i = 0; i < FED_LEN(sides); i++)
    if (strcmp(sides[i]->driver, r.dsn.drv->name) == 0) r.side = sides[i];
  r.dialect = r.dsn.drv->dialect;
  check_rc(&r, "open", reopen(&r), SQLITE_OK);
  if (r.conn) {
    printf("# %s: %s\n", r.side->driver, r.conn->version);
    make_tables(&r);
  }
  run_tests(&r, tests, FED_LEN(tests));
  r.bulk = true;
  run_tests(&r, bulk_tests, FED_LEN(bulk_tests));
  r.bulk = false;
  if (failed == before && r.conn) {
    exec(&r, "DROP VIEW conform_v");
    exec(&r, "DROP TABLE conform_t");
  }
  fed_conn_close(r.conn);
  fed_dsn_release(&r.dsn);
  r.conn = NULL;
  check(&r, "no memory is left", sqlite3_memory_used() == memory);
}

int main(int argc, char **argv)
{
  static const char *const names[] = {"FED_TEST_PG_URL", "FED_TEST_MYSQL_URL"};
  char dir[] = "/tmp/conform-XXXXXX";
  char url[80], path[64];

  if (argc > 1) {
    for (int i = 1; i < argc; i++)
      run_url(argv[i]);
    goto out;
  }
  for (size_t i = 0; i < FED_LEN(names); i++) {
    const char *server = getenv(names[i]);

    if (server && *server) {
      run_url(server);
      continue;
    }
    skipped += (int)FED_LEN(tests);
    printf("# skip: %s is not set\n", names[i]);
  }
  if (fed_driver_find("sqlite") && mkdtemp(dir)) {
    snprintf(path, sizeof path, "%s/t.db", dir);
    fclose(fopen(path, "w")); /* the driver opens, it does not create */
    snprintf(url, sizeof url, "sqlite:%s", path);
    run_url(url);
    unlink(path);
    rmdir(dir);
  }
out:
  printf("%d passed, %d failed, %d skipped\n", passed, failed, skipped);
  return failed ? 1 : 0;
}
