/*
 * dbfed: what dbfed.h declares, as a C program uses it: files in an array,
 * and functions that migrations call; on each kind of target.
 *
 * need pg mysql
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "ext/dbfed.h"

static int passed, failed;

static void check(bool ok, const char *what, const char *got)
{
  if (ok) {
    passed++;
    return;
  }
  failed++;
  printf("FAIL dbfed: %s: %s\n", what, got ? got : "");
}

static void check_rc(const char *what, int rc, int want)
{
  check(rc == want, what, sqlite3_errstr(rc));
}

/* ---- a connection -------------------------------------------------------- */

static char folder[64] = "/tmp/dbfed-unit-XXXXXX";

static sqlite3 *open_file(const char *name)
{
  char path[100];
  char *message = NULL;
  sqlite3 *db = NULL;

  snprintf(path, sizeof path, "%s/%s", folder, name);
  sqlite3_open(path, &db);
  check_rc("init", sqlite3_dbfed_init(db, &message, NULL), SQLITE_OK);
  sqlite3_free(message);
  return db;
}

/* The first value of a statement, or its error; good until the next call. */
static const char *value(sqlite3 *db, const char *sql, const char *arg)
{
  static char out[2000];
  sqlite3_stmt *stmt = NULL;
  int rc = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);

  snprintf(out, sizeof out, "(no row)");
  if (arg) sqlite3_bind_text(stmt, 1, arg, -1, SQLITE_STATIC);
  if (rc == SQLITE_OK) rc = sqlite3_step(stmt);
  if (rc == SQLITE_ROW)
    snprintf(out, sizeof out, "%s", (const char *)sqlite3_column_text(stmt, 0));
  else if (rc != SQLITE_DONE)
    snprintf(out, sizeof out, "%s", sqlite3_errmsg(db));
  sqlite3_finalize(stmt);
  return out;
}

static void expect(sqlite3 *db, const char *what, const char *sql,
                   const char *arg, const char *want)
{
  const char *got = value(db, sql, arg);

  check(strstr(got, want) != NULL, what, got);
}

/* ---- files --------------------------------------------------------------- */

static const char two_sql[] = {'C', 'R', 'E', 'A', 'T', 'E', ' ', 'T',
                               'A', 'B', 'L', 'E', ' ', 'b', '(', 'i',
                               'd', ' ', 'i', 'n', 't', ')', ';', '?'};
static const struct fed_migrate_file two[] = {
  {"1_a.up.sql",   "CREATE TABLE a(id int);", 0                 },
  {"1_a.down.sql", "DROP TABLE a;",           0                 },
  {"2_b.up.sql",   two_sql,                   sizeof two_sql - 1},
  {"3_c.up.sql",   NULL,                      0                 },
};

#define STATES                                                                 \
  "SELECT group_concat(version || state, ' ') FROM migrate_status('main', "    \
  "'embedded=App')"

static void test_files(void)
{
  sqlite3 *db = open_file("files.db"), *other;

  expect(db, "no such files", "SELECT migrate_up('embedded=app')", NULL,
         "no embedded files 'app': the program registers them");
  check_rc("files", fed_migrate_files(db, "app", two, 4), SQLITE_OK);
  expect(db, "status", STATES, NULL, "1pending 2pending 3pending");
  expect(db, "up", "SELECT migrate_up('embedded=app')", NULL,
         "main: applied 3 migrations (1, 2, 3)");
  expect(db, "again", "SELECT migrate_up('embedded=app')", NULL, "nothing to");
  expect(db, "checksum",
         "SELECT checksum FROM migrate_history WHERE version = '2'", NULL,
         "3fa8980966cb649bcce12356fb0fb2a67e79a504977629a00c9be6dc42473287");
  expect(db, "no SQL gets at them", "SELECT \"dbfed_files:app\"(1)", NULL,
         "not for SQL");
  check_rc("fewer files", fed_migrate_files(db, "APP", two, 2), SQLITE_OK);
  expect(db, "future", "SELECT migrate_up('embedded=app')", NULL,
         "later than every file");
  check_rc("none", fed_migrate_files(db, "app", NULL, 0), SQLITE_OK);
  expect(db, "gone", "SELECT migrate_up('embedded=app')", NULL, "no embedded");
  check_rc("never there", fed_migrate_files(db, "x", NULL, 0), SQLITE_OK);

  other = open_file("files.db");
  check_rc("files", fed_migrate_files(db, "app", two, 4), SQLITE_OK);
  expect(other, "of one connection", STATES, NULL, "no embedded files 'App'");
  check_rc("close", sqlite3_close(other), SQLITE_OK);
  check_rc("close", sqlite3_close(db), SQLITE_OK);
}

static void test_bad_files(void)
{
  static const struct fed_migrate_file bad[] = {
    {NULL,          "x",         0 },
    {"",            "x",         0 },
    {"/1_a.up.sql", "x",         0 },
    {"../1_a.sql",  "x",         0 },
    {"1_a.up.sql",  "SELECT 1;", 10}, /* with its final zero */
  };
  static const struct fed_migrate_file twice[] = {
    {"1_a.up.sql", "x", 0},
    {"1_a.up.sql", "x", 0}
  };
  char name[200];
  sqlite3 *db = open_file("bad.db");
  sqlite3_stmt *stmt = NULL;

  for (size_t i = 0; i < FED_LEN(bad); i++)
    check_rc("bad file", fed_migrate_files(db, "app", &bad[i], 1),
             SQLITE_MISUSE);
  check_rc("no list", fed_migrate_files(db, "app", NULL, 1), SQLITE_MISUSE);
  check_rc("below 0", fed_migrate_files(db, "app", two, -1), SQLITE_MISUSE);
  check_rc("no handle", fed_migrate_files(NULL, "app", two, 2), SQLITE_MISUSE);
  check_rc("no name", fed_migrate_files(db, NULL, two, 2), SQLITE_MISUSE);
  check_rc("empty name", fed_migrate_files(db, "", two, 2), SQLITE_MISUSE);
  memset(name, 'n', sizeof name);
  name[128] = 0;
  check_rc("long name", fed_migrate_files(db, name, two, 2), SQLITE_MISUSE);
  name[127] = 0;
  check_rc("less long", fed_migrate_files(db, name, two, 2), SQLITE_OK);
  check_rc("twice", fed_migrate_files(db, "app", twice, 2), SQLITE_OK);
  expect(db, "twice", "SELECT migrate_up('embedded=app')", NULL,
         "embedded files 'app': the file '1_a.up.sql' is given twice");

  sqlite3_prepare_v2(db, "VALUES(1),(2)", -1, &stmt, NULL);
  sqlite3_step(stmt);
  check_rc("busy", fed_migrate_files(db, "app", two, 2), SQLITE_BUSY);
  sqlite3_finalize(stmt);
  check_rc("not busy", fed_migrate_files(db, "app", two, 2), SQLITE_OK);
  check_rc("close", sqlite3_close(db), SQLITE_OK);
}

/* ---- functions ----------------------------------------------------------- */

struct job {
  const char *sql;     /* for fed_migrate_exec(), or NULL */
  const char *message; /* for fed_migrate_error(), or NULL */
  int rc;              /* what to return; -1: what fed_migrate_exec() gave */
  int calls, destroyed;
  char seen[200];
};

static int job_run(void *arg, struct fed_migrate_call *call)
{
  struct job *job = arg;
  int rc = SQLITE_OK;

  job->calls++;
  snprintf(job->seen, sizeof job->seen, "%s %s %s %s %s %d", call->target,
           call->driver, call->version, call->name, call->direction,
           call->db != NULL);
  if (job->sql) rc = fed_migrate_exec(call, job->sql);
  if (job->message) fed_migrate_error(call, job->message);
  return job->rc < 0 ? rc : job->rc;
}

static void job_destroy(void *arg)
{
  struct job *job = arg;

  job->destroyed++;
}

static void test_destroy(void)
{
  struct job a = {.rc = 0}, b = {.rc = 0}, c = {.rc = 0};
  sqlite3 *db = open_file("destroy.db");
  sqlite3_stmt *stmt = NULL;

  check_rc("a", fed_migrate_function(db, "fn", job_run, &a, job_destroy), 0);
  check(a.destroyed == 0, "a is there", NULL);
  check_rc("b", fed_migrate_function(db, "FN", job_run, &b, job_destroy), 0);
  check(a.destroyed == 1 && b.destroyed == 0, "b instead of a", NULL);
  check_rc("bad name", fed_migrate_function(db, "", job_run, &c, job_destroy),
           SQLITE_MISUSE);
  check(c.destroyed == 1, "destroyed although it failed", NULL);
  check_rc("no handle",
           fed_migrate_function(NULL, "c", job_run, &c, job_destroy),
           SQLITE_MISUSE);
  check(c.destroyed == 2, "destroyed with no handle", NULL);
  sqlite3_prepare_v2(db, "VALUES(1),(2)", -1, &stmt, NULL);
  sqlite3_step(stmt);
  check_rc("busy", fed_migrate_function(db, "fn", job_run, &c, job_destroy),
           SQLITE_BUSY);
  sqlite3_finalize(stmt);
  check(c.destroyed == 3 && b.destroyed == 0, "busy: b is still there", NULL);
  check_rc("away", fed_migrate_function(db, "fn", NULL, NULL, NULL), 0);
  check(b.destroyed == 1, "away", NULL);
  check_rc("c", fed_migrate_function(db, "fn", job_run, &c, job_destroy), 0);
  check_rc("close", sqlite3_close(db), SQLITE_OK);
  check(a.destroyed == 1 && b.destroyed == 1 && c.destroyed == 4,
        "destroyed when it closes", NULL);
}

/* Each allocation of a registration fails once: never half done. */
static void test_memory(void)
{
  sqlite3 *db = open_file("memory.db");
  int n, hits = 1;

  for (n = 1; hits && n < 100; n++) {
    struct job job = {.rc = 0};
    int rc, files;

    fed_fault_arm(FED_FAULT_ALLOC, n);
    rc = fed_migrate_function(db, "fn", job_run, &job, job_destroy);
    files = fed_migrate_files(db, "app", two, 4);
    hits = fed_fault_arm(FED_FAULT_ALLOC, 0);
    check(rc == SQLITE_OK || rc == SQLITE_NOMEM, "memory", sqlite3_errstr(rc));
    check(files == SQLITE_OK || files == SQLITE_NOMEM, "memory of files",
          sqlite3_errstr(files));
    check(job.destroyed == (rc != SQLITE_OK), "destroyed if it failed", NULL);
    fed_migrate_function(db, "fn", NULL, NULL, NULL);
    check(job.destroyed == 1, "destroyed once", NULL);
  }
  check(n > 5, "allocations", NULL);
  check_rc("close", sqlite3_close(db), SQLITE_OK);
}

/* ---- extended codes ------------------------------------------------------ */

/* A SELECT of the host sees the file as it was, so nobody can write here while
 * it lasts: no wait without end, whatever codes the host wants. */
static void test_extended(void)
{
  sqlite3 *db = open_file("codes.db"), *other = open_file("codes.db");
  sqlite3_stmt *stmt = NULL;

  sqlite3_extended_result_codes(db, 1);
  check_rc("files", fed_migrate_files(db, "app", two, 4), SQLITE_OK);
  expect(db, "wal", "PRAGMA journal_mode = WAL", NULL, "wal");
  expect(db, "one", "SELECT migrate_up('embedded=app', 'steps=1')", NULL,
         "applied 1 migration");
  check_rc(
    "reads",
    sqlite3_prepare_v2(db, "SELECT id FROM dbfed_migration", -1, &stmt, NULL),
    SQLITE_OK);
  check_rc("a row", sqlite3_step(stmt), SQLITE_ROW);
  expect(other, "writes", "CREATE TABLE behind(x)", NULL, "(no row)");
  expect(db, "busy", "SELECT migrate_up('embedded=app', 'lock_timeout=200ms')",
         NULL, "timed out waiting for a lock");
  sqlite3_finalize(stmt);
  expect(db, "the rest", "SELECT migrate_up('embedded=app')", NULL, "applied");
  check_rc("close", sqlite3_close(db), SQLITE_OK);
  check_rc("close", sqlite3_close(other), SQLITE_OK);
}

/* ---- on each target ------------------------------------------------------ */

static sqlite3 *db;
static const char *target;

/* Registers the files, and runs migrate_up or migrate_down. */
static const char *run(const char *verb, const char *up)
{
  struct fed_migrate_file files[] = {
    {"1_a.up.sql",   "CREATE TABLE a(id int);",                             0},
    {"1_a.down.sql", "DROP TABLE a;",                                       0},
    {"2_b.up.sql",   up,                                                    0},
    {"2_b.down.sql", "-- migrate:down\n-- migrate:call fn\nDELETE FROM a;", 0},
  };
  char sql[100];

  check_rc("files", fed_migrate_files(db, "app", files, 4), SQLITE_OK);
  snprintf(sql, sizeof sql, "SELECT %s(?1, 'embedded=app')", verb);
  return value(db, sql, target);
}

static void runs(const char *verb, const char *up, const char *want)
{
  const char *got = run(verb, up);

  check(strstr(got, want) != NULL, target, got);
  if (!strstr(got, want)) printf("  wanted %s\n", want);
}

static void state(const char *want)
{
  expect(db, target,
         "SELECT state || coalesce(': ' || error, '') FROM migrate_status(?1, "
         "'embedded=app') WHERE version = '2'",
         target, want);
}

/* How many rows of `a` the target has, as another session sees it. */
static void rows(const char *want)
{
  if (!strcmp(target, "main")) {
    expect(db, "rows", "SELECT count(*) FROM main.a", NULL, want);
    return;
  }
  expect(db, "attach", "SELECT fed_attach(?1, 'as=there', 'tables=a')", target,
         "1");
  expect(db, "rows", "SELECT count(*) FROM there.a", NULL, want);
  expect(db, "detach", "SELECT fed_detach('there')", NULL, "1");
}

static bool is_mysql(void)
{
  return !strcmp(target, "mysql");
}

#define CALL "-- migrate:up\n-- migrate:call fn\n"
#define UP   "INSERT INTO a VALUES(1);\n" CALL
#define STEP "-- migrate:no-transaction\nINSERT INTO a VALUES(1);\n" CALL

/* Its statements are part of the migration. */
static void test_success(const char *name, struct job *job)
{
  char seen[200];

  job->sql = "INSERT INTO a VALUES(2); INSERT INTO a VALUES(3)";
  runs("migrate_up", UP "INSERT INTO a VALUES(4);",
       "applied 2 migrations (1, 2)");
  snprintf(seen, sizeof seen, "%s %s 2 b up 1", name,
           strcmp(name, "main") != 0 ? name : "sqlite");
  check(!strcmp(job->seen, seen), "what it is told", job->seen);
  rows("4");
  state("applied");
  job->sql = NULL;
  runs("migrate_down", UP "INSERT INTO a VALUES(4);", "undid 1 migration (2)");
  check(strstr(job->seen, "2 b down 1") && job->calls == 2, "down", job->seen);
  rows("0");
}

/* All is undone with it, or what stays is said, and is not done again. */
static void test_failure(struct job *job)
{
  job->sql = "INSERT INTO a VALUES(2)";
  job->message = "the moon is full";
  job->rc = SQLITE_CONSTRAINT;
  runs("migrate_up", UP, "app/2_b.up.sql:3:1: function 'fn': the moon is full");
  state("pending");
  rows("0");
  runs("migrate_up", STEP,
       "2_b.up.sql:4:1: function 'fn': the moon is full; the first of 2 "
       "statements is applied");
  state("partial: 2_b.up.sql:4:1: function 'fn': the moon is full");
  rows("1");
  job->message = NULL;
  runs("migrate_up", STEP, "function 'fn': constraint failed");
  job->rc = SQLITE_OK;
  runs("migrate_up", STEP, "applied 1 migration (2)");
  rows("2");
  job->sql = NULL;
  runs("migrate_down", STEP, "undid 1");
}

/* The server's own message; an error that the function can do without; codes
 * that mean something else to us. */
static void test_codes(struct job *job)
{
  job->sql = "INSERT INTO nowhere VALUES(1)";
  job->rc = -1;
  runs("migrate_up", CALL, "nowhere");
  job->rc = SQLITE_OK;
  if (!strcmp(target, "pg"))
    runs("migrate_up", CALL, "transaction");
  else {
    runs("migrate_up", CALL, "applied 1");
    job->sql = NULL;
    runs("migrate_down", CALL, "undid 1");
  }
  job->sql = NULL;
  job->calls = 0;
  job->rc = SQLITE_BUSY_SNAPSHOT;
  runs("migrate_up", CALL, "function 'fn': database is locked");
  job->rc = SQLITE_ROW;
  runs("migrate_up", CALL, "function 'fn': ");
  check(job->calls == 2, "called once each", NULL);
  state("pending");
}

static void test_target(const char *name)
{
  struct job job = {.rc = 0};

  target = name;
  check_rc("function",
           fed_migrate_function(db, "fn", job_run, &job, job_destroy), 0);
  test_success(name, &job);
  test_failure(&job);
  test_codes(&job);
  check_rc("away", fed_migrate_function(db, "fn", NULL, NULL, NULL), 0);
  check(job.destroyed == 1, "destroyed once", NULL);
  runs("migrate_up", CALL, "no such function: fn");
}

/* What a function's SQL must not be. */
static void test_refused(void)
{
  static const char *const always[] = {"COMMIT",
                                       "INSERT INTO a VALUES(5); ROLLBACK"};
  struct job job = {.rc = -1};

  check_rc("function",
           fed_migrate_function(db, "fn", job_run, &job, job_destroy), 0);
  for (size_t i = 0; i < FED_LEN(always); i++) {
    job.sql = always[i];
    runs("migrate_up", CALL, "refused in a function");
  }
  job.sql = "PRAGMA cache_size = 100";
  if (!strcmp(target, "pg")) job.sql = "SET timezone = 'UTC'";
  if (is_mysql()) job.sql = "SET time_zone = '+01:00'";
  runs("migrate_up", CALL, "it changes the session");
  job.sql = "CREATE TABLE b(id int)";
  runs("migrate_up", CALL,
       is_mysql() ? "-- migrate:no-transaction" : "applied 1");
  if (is_mysql())
    runs("migrate_up", "-- migrate:no-transaction\n" CALL, "applied 1");
  check_rc("away", fed_migrate_function(db, "fn", NULL, NULL, NULL), 0);
  check(job.destroyed == 1, "destroyed once", NULL);
}

static void test_server(const char *name, const char *url)
{
  char sql[100];

  db = open_file("target.db");
  if (url) {
    snprintf(sql, sizeof sql, "SELECT fed_server('%s', ?1)", name);
    value(db, sql, url);
  }
  test_target(name);
  test_refused();
  check_rc("close", sqlite3_close(db), SQLITE_OK);
}

int main(void)
{
  char url[100], command[100];

  setenv("DBFED_CONFIG", "", 1);
  if (!mkdtemp(folder)) return 1;
  test_files();
  test_bad_files();
  test_destroy();
  test_memory();
  test_extended();
  test_server("main", NULL);
  sqlite3_close(open_file("server.db"));
  snprintf(url, sizeof url, "sqlite:%s/server.db", folder);
  test_server("sqlite", url);
  if (getenv("FED_TEST_PG_URL")) test_server("pg", getenv("FED_TEST_PG_URL"));
  if (getenv("FED_TEST_MYSQL_URL"))
    test_server("mysql", getenv("FED_TEST_MYSQL_URL"));
  snprintf(command, sizeof command, "rm -r %s", folder);
  if (system(command) != 0) printf("cannot remove %s\n", folder);
  printf("%d passed, %d failed, 0 skipped\n", passed, failed);
  return failed != 0;
}
