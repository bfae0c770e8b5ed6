/*
 * interrupt: sqlite3_interrupt() from another thread ends whatever dbfed
 * waits for, soon, and what was waited with can be used again; a deadline
 * does the same. Every wait here would last ten minutes.
 *
 * need pg mysql
 */
#include <arpa/inet.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "ext/dbfed.h"
#include "pool/pool.h"

#define TRIES 500 /* times TICK: ten seconds at most, then it failed */
#define TICK  20

static int passed, failed, skipped;

static void check(bool ok, const char *kind, const char *what, const char *got)
{
  if (ok) {
    passed++;
    return;
  }
  failed++;
  printf("FAIL %s: %s: %s\n", kind, what, got ? got : "");
}

static void tick(void)
{
  struct timespec t = {.tv_nsec = TICK * 1000000L};

  nanosleep(&t, NULL);
}

/* ---- a server and a handle ----------------------------------------------- */

struct side {
  const char *kind;
  const char *url;   /* NULL: not here */
  const char *sleep; /* a SELECT that takes ten minutes, of one column s */
  const char *rows;  /* one that gives rows for ever */
  const char *still; /* how many of the first kind run there, or NULL */
};

static char *value(sqlite3 *db, const char *sql)
{
  sqlite3_stmt *stmt = NULL;
  char *out = NULL;
  int rc = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);

  if (rc == SQLITE_OK) rc = sqlite3_step(stmt);
  if (rc == SQLITE_ROW)
    out = sqlite3_mprintf("%s", sqlite3_column_text(stmt, 0));
  else
    out = sqlite3_mprintf("error %d: %s", rc, sqlite3_errmsg(db));
  sqlite3_finalize(stmt);
  return out;
}

static void expect(sqlite3 *db, const char *kind, const char *what,
                   const char *sql, const char *want)
{
  char *got = value(db, sql);

  check(got && strcmp(got, want) == 0, kind, what, got);
  sqlite3_free(got);
}

static sqlite3 *open_db(void)
{
  sqlite3 *db = NULL;

  if (sqlite3_open(":memory:", &db) != SQLITE_OK ||
      sqlite3_dbfed_init(db, NULL, NULL) != SQLITE_OK) {
    printf("cannot open: %s\n", sqlite3_errmsg(db));
    exit(1);
  }
  return db;
}

static void must(sqlite3 *db, const char *fmt, ...)
{
  va_list ap;
  char *sql, *message = NULL;

  va_start(ap, fmt);
  sql = sqlite3_vmprintf(fmt, ap);
  va_end(ap);
  if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK) {
    printf("FAIL: %s: %s\n", sql, message);
    failed++;
  }
  sqlite3_free(message);
  sqlite3_free(sql);
}

/* ---- the other thread ---------------------------------------------------- */

struct watcher {
  sqlite3 *db;
  bool pool; /* begin only when a connection is being used or opened */
  atomic_bool done;
  int tries;
};

/* Does anything of ours happen at a server? */
static bool at_work(void)
{
  struct fed_pool_row *rows = NULL;
  struct fed_err err = FED_ERR_INIT;
  bool yes = false;
  int n = 0;

  if (fed_pool_list(&rows, &n, &err) != SQLITE_OK) return true;
  for (int i = 0; i < n; i++)
    yes |= rows[i].busy > 0 || rows[i].opening > 0 || rows[i].waiting > 0;
  fed_free(rows);
  return yes;
}

static void *watch(void *arg)
{
  struct watcher *w = arg;

  for (int i = 0; i < TRIES && w->pool && !at_work() && !w->done; i++)
    tick();
  while (!w->done && w->tries < TRIES) {
    w->tries++;
    sqlite3_interrupt(w->db);
    tick();
  }
  if (!w->done) {
    printf("FAIL: not interrupted after %d ms\n", TRIES * TICK);
    fflush(stdout);
    _exit(1);
  }
  return NULL;
}

/* Run `sql` while the other thread interrupts; returns what step said. */
static int interrupted(sqlite3 *db, const char *sql, char **message)
{
  struct watcher w = {.db = db, .pool = true};
  sqlite3_stmt *stmt = NULL;
  pthread_t thread;
  int rc = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);

  *message = NULL;
  if (rc == SQLITE_OK) {
    pthread_create(&thread, NULL, watch, &w);
    while ((rc = sqlite3_step(stmt)) == SQLITE_ROW)
      continue;
    w.done = true;
    pthread_join(thread, NULL);
  }
  *message = sqlite3_mprintf("%d, %s", rc, sqlite3_errmsg(db));
  sqlite3_finalize(stmt);
  return rc;
}

static void interrupt(sqlite3 *db, const struct side *side, const char *what,
                      const char *sql)
{
  char *message = NULL;
  int rc = interrupted(db, sql, &message);

  check(rc == SQLITE_INTERRUPT, side->kind, what, message);
  sqlite3_free(message);
  expect(db, side->kind, what, "SELECT fed_exec('s', 'SELECT 1')", "0");
  expect(db, side->kind, what,
         "SELECT sum(busy + waiting + opening) FROM fed_pool", "0");
}

/* ---- the cases ----------------------------------------------------------- */

/* The server has stopped working on it, too. */
static void server_stopped(sqlite3 *db, const struct side *side)
{
  char *got = NULL;

  if (!side->still) return;
  must(db, "CREATE VIRTUAL TABLE temp.still USING fed_query(s, %Q)",
       side->still);
  for (int i = 0; i < TRIES; i++) {
    sqlite3_free(got);
    got = value(db, "SELECT n FROM still");
    if (strcmp(got, "0") == 0) break;
    tick();
  }
  check(strcmp(got, "0") == 0, side->kind, "still running there", got);
  sqlite3_free(got);
  must(db, "DROP TABLE still");
}

static void t_interrupt(const struct side *side)
{
  sqlite3 *db = open_db();
  char *sql = sqlite3_mprintf("SELECT fed_exec('s', %Q)", side->sleep);

  must(db, "SELECT fed_server('s', %Q)", side->url);
  must(db, "CREATE VIRTUAL TABLE q USING fed_query(s, %Q)", side->sleep);
  must(db, "CREATE VIRTUAL TABLE r USING fed_query(s, %Q)", side->rows);
  interrupt(db, side, "a scan", "SELECT s FROM q");
  interrupt(db, side, "a count", "SELECT count(*) FROM q");
  interrupt(db, side, "a term", "SELECT s FROM q WHERE s > 5");
  interrupt(db, side, "a join",
            "SELECT 1 FROM (VALUES(1),(2)) v, q WHERE q.s = v.column1");
  interrupt(db, side, "rows", "SELECT s FROM r WHERE s < 0");
  interrupt(db, side, "fed_exec", sql);
  server_stopped(db, side);
  /* Another handle of the same process was never meant. */
  {
    sqlite3 *other = open_db();

    sqlite3_interrupt(db);
    expect(other, side->kind, "another handle",
           "SELECT fed_exec('s', 'SELECT 1')", "0");
    sqlite3_close(other);
  }
  sqlite3_free(sql);
  must(db, "SELECT fed_server_drop('s')");
  check(sqlite3_close(db) == SQLITE_OK, side->kind, "close", "busy");
}

/* statement_timeout: an error that is not an interrupt. */
static void t_timeout(const struct side *side)
{
  sqlite3 *db = open_db();
  char *sql = sqlite3_mprintf("SELECT fed_exec('s', %Q)", side->sleep);
  const char *const statements[] = {"SELECT s FROM q", sql};

  must(db, "SELECT fed_server('s', %Q, 'statement_timeout=300ms')", side->url);
  must(db, "CREATE VIRTUAL TABLE q USING fed_query(s, %Q)", side->sleep);
  for (int i = 0; i < 2; i++) {
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(db, statements[i], -1, &stmt, NULL);
    const char *message;

    if (rc == SQLITE_OK) rc = sqlite3_step(stmt);
    message = sqlite3_errmsg(db);
    check(rc != SQLITE_ROW && rc != SQLITE_DONE && rc != SQLITE_INTERRUPT,
          side->kind, "timeout", message);
    check(strstr(message, "300 ms") || strstr(message, "300ms") ||
            strstr(message, "time"),
          side->kind, "timeout's message", message);
    sqlite3_finalize(stmt);
    expect(db, side->kind, "after a timeout",
           "SELECT fed_exec('s', 'SELECT 1')", "0");
    expect(db, side->kind, "after a timeout",
           "SELECT sum(busy + waiting + opening) FROM fed_pool", "0");
  }
  sqlite3_free(sql);
  must(db, "SELECT fed_server_drop('s')");
  sqlite3_close(db);
}

/* A statement left before its end gives its connection back. */
static void t_early(const struct side *side)
{
  sqlite3 *db = open_db();
  sqlite3_stmt *stmt = NULL;

  must(db, "SELECT fed_server('s', %Q, 'pool_max=2')", side->url);
  must(db, "CREATE VIRTUAL TABLE r USING fed_query(s, %Q)", side->rows);
  expect(db, side->kind, "LIMIT", "SELECT s IS NULL FROM r LIMIT 1", "0");
  expect(db, side->kind, "EXISTS", "SELECT EXISTS(SELECT 1 FROM r WHERE s > 5)",
         "1");
  expect(db, side->kind, "early: pool", "SELECT sum(busy) FROM fed_pool", "0");
  sqlite3_prepare_v2(db, "SELECT a.s, b.s FROM r a, r b", -1, &stmt, NULL);
  check(sqlite3_step(stmt) == SQLITE_ROW, side->kind, "two scans",
        sqlite3_errmsg(db));
  /* A file's connection serves both: they see one state of it. */
  expect(db, side->kind, "early: lent", "SELECT sum(busy) FROM fed_pool",
         strcmp(side->kind, "sqlite") == 0 ? "1" : "2");
  sqlite3_reset(stmt);
  expect(db, side->kind, "early: reset", "SELECT sum(busy) FROM fed_pool", "0");
  check(sqlite3_step(stmt) == SQLITE_ROW, side->kind, "again",
        sqlite3_errmsg(db));
  sqlite3_finalize(stmt);
  expect(db, side->kind, "early: finalize", "SELECT sum(busy) FROM fed_pool",
         "0");
  must(db, "SELECT fed_server_drop('s')");
  check(sqlite3_close(db) == SQLITE_OK, side->kind, "early: close", "busy");
}

/* Waiting for a connection that another handle has. */
static void t_pool(const struct side *side)
{
  sqlite3 *db = open_db(), *holder = open_db();
  sqlite3_stmt *stmt = NULL;
  char *message = NULL;
  int rc;

  must(db, "SELECT fed_server('s', %Q, 'pool_max=1', 'acquire_timeout=10m')",
       side->url);
  must(holder, "CREATE VIRTUAL TABLE r USING fed_query(s, %Q)", side->rows);
  sqlite3_prepare_v2(holder, "SELECT s FROM r", -1, &stmt, NULL);
  check(sqlite3_step(stmt) == SQLITE_ROW, side->kind, "holder",
        sqlite3_errmsg(holder));
  rc = interrupted(db, "SELECT fed_exec('s', 'SELECT 1')", &message);
  check(rc == SQLITE_INTERRUPT, side->kind, "waiting for the pool", message);
  sqlite3_free(message);
  sqlite3_finalize(stmt);
  expect(db, side->kind, "the pool after", "SELECT fed_exec('s', 'SELECT 1')",
         "0");
  must(db, "SELECT fed_server_drop('s')");
  sqlite3_close(holder);
  sqlite3_close(db);
}

/* A host that takes the connection and then says nothing. */
static void t_silent(const struct side *side)
{
  struct sockaddr_in at = {.sin_family = AF_INET,
                           .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof at;
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  const char *scheme = strcmp(side->kind, "pg") ? "mysql" : "postgres";
  sqlite3 *db = open_db();
  char *message = NULL;
  int rc;

  if (fd < 0 || bind(fd, (struct sockaddr *)&at, size) || listen(fd, 8) ||
      getsockname(fd, (struct sockaddr *)&at, &size)) {
    check(false, side->kind, "socket", "cannot listen");
    return;
  }
  must(db,
       "SELECT fed_server('s', '%s://u@127.0.0.1:%d/d', 'connect_timeout=10m')",
       scheme, ntohs(at.sin_port));
  rc = interrupted(db, "SELECT fed_attach('s')", &message);
  check(rc == SQLITE_INTERRUPT, side->kind, "connecting", message);
  sqlite3_free(message);
  must(db,
       "SELECT fed_server('s', '%s://u@127.0.0.1:%d/d', "
       "'connect_timeout=300ms', 'replace')",
       scheme, ntohs(at.sin_port));
  message = value(db, "SELECT fed_attach('s')");
  check(strstr(message, "error") == message && !strstr(message, "interrupt"),
        side->kind, "connect_timeout", message);
  sqlite3_free(message);
  must(db, "SELECT fed_server_drop('s')");
  sqlite3_close(db);
  close(fd);
}

/* Another process's lock on a SQLite file. */
static void t_locked(const struct side *side)
{
  sqlite3 *db = open_db(), *locker = NULL;
  char *message = NULL;
  int rc;

  sqlite3_open("interrupt.db", &locker);
  must(db,
       "SELECT fed_server('s', 'sqlite:interrupt.db', 'busy_timeout=600000')");
  must(db, "SELECT fed_exec('s', 'SELECT 1')");
  must(locker, "BEGIN EXCLUSIVE");
  rc = interrupted(db, "SELECT fed_exec('s', 'INSERT INTO t VALUES(1)')",
                   &message);
  check(rc == SQLITE_INTERRUPT, side->kind, "locked", message);
  sqlite3_free(message);
  must(locker, "COMMIT");
  expect(db, side->kind, "unlocked",
         "SELECT fed_exec('s', 'INSERT INTO t VALUES(1)')", "1");
  must(db, "SELECT fed_server_drop('s')");
  sqlite3_close(locker);
  sqlite3_close(db);
}

static const char lite_sleep[] =
  "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c)"
  " SELECT max(i) AS s FROM c";
static const char lite_rows[] =
  "WITH RECURSIVE c(s) AS (SELECT 1 UNION ALL SELECT s + 1 FROM c)"
  " SELECT s FROM c";
static const char pg_sleep[] = "SELECT length(pg_sleep(600)::text) AS s";
/* Rows that a term on `s` cannot rule out before all tables are joined. */
static const char pg_rows[] =
  "SELECT a.s + b.s AS s FROM generate_series(1, 100000) AS a(s),"
  " generate_series(1, 100000) AS b(s)";
static const char pg_still[] =
  "SELECT count(*) AS n FROM pg_stat_activity WHERE state = 'active' AND"
  " pid <> pg_backend_pid() AND query LIKE '%pg_sleep(600)%'";
static const char my_sleep[] = "SELECT sleep(600) AS s";
static const char my_rows[] =
  "WITH RECURSIVE d(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM d"
  " WHERE i < 1000) SELECT a.i + 1000 * b.i + c.i AS s FROM d a, d b, d c";
static const char my_still[] =
  "SELECT count(*) AS n FROM information_schema.processlist"
  " WHERE id <> connection_id() AND info LIKE '%sleep(600)%'";

int main(void)
{
  const struct side sides[] = {
    {"sqlite", "sqlite:interrupt.db",        lite_sleep, lite_rows, NULL    },
    {"pg",     getenv("FED_TEST_PG_URL"),    pg_sleep,   pg_rows,   pg_still},
    {"mysql",  getenv("FED_TEST_MYSQL_URL"), my_sleep,   my_rows,   my_still},
  };
  sqlite3 *file = NULL;

  unlink("interrupt.db");
  sqlite3_open("interrupt.db", &file);
  must(file, "CREATE TABLE t(a)");
  sqlite3_close(file);
  setenv("DBFED_CONFIG", "", 1);
  for (size_t i = 0; i < FED_LEN(sides); i++) {
    const struct side *side = &sides[i];

    if (!side->url) {
      printf("SKIP interrupt: needs %s\n", side->kind);
      skipped++;
      continue;
    }
    t_interrupt(side);
    t_timeout(side);
    t_early(side);
    t_pool(side);
    if (i > 0) t_silent(side);
    if (i == 0) t_locked(side);
    fflush(stdout);
  }
  printf("%d passed, %d failed, %d skipped\n", passed, failed, skipped);
  return failed > 0;
}
