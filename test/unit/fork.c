/*
 * fork: a child of a process that is in the middle of a scan. What it does
 * with what it inherited must not reach the server: the parent reads on.
 *
 * need pg mysql
 */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ext/dbfed.h"

#define FORK_ROWS 200000

static int npass, nfail, nskip;

static void fork_check(const char *kind, const char *what, int ok)
{
  if (ok)
    npass++;
  else
    nfail++;
  printf("%s %s: %s\n", ok ? "ok" : "not ok", kind, what);
}

static sqlite3_stmt *fork_prepare(sqlite3 *db, const char *sql)
{
  sqlite3_stmt *stmt = NULL;

  if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) != SQLITE_OK)
    printf("%s: %s\n", sql, sqlite3_errmsg(db));
  return stmt;
}

static int fork_run(sqlite3 *db, char *sql)
{
  char *message = NULL;
  int rc = sql ? sqlite3_exec(db, sql, NULL, NULL, &message) : SQLITE_NOMEM;

  if (rc != SQLITE_OK) printf("%s: %s\n", sql, message);
  sqlite3_free(message);
  sqlite3_free(sql);
  return rc;
}

static int fork_rows(sqlite3_stmt *stmt, int most)
{
  int n = 0;

  while (n < most && sqlite3_step(stmt) == SQLITE_ROW)
    n++;
  return n;
}

/* What a child does: nothing, step on, end the statement, close it all. */
enum fork_act { FORK_NOTHING, FORK_STEP, FORK_FINALIZE, FORK_ACTS };

static int fork_child(sqlite3_stmt *stmt, enum fork_act act)
{
  switch (act) {
  case FORK_STEP: /* an error, and not SQLITE_DONE, which would be a lie */
    return sqlite3_step(stmt) == SQLITE_MISUSE ? 0 : 1;
  case FORK_FINALIZE:
    sqlite3_finalize(stmt);
    return 0;
  case FORK_NOTHING:
  case FORK_ACTS:
    break;
  }
  return 0;
}

static void fork_scan(sqlite3 *db, const char *kind, enum fork_act act)
{
  static const char *const name[] = {"idle", "step", "finalize"};
  char what[64];
  sqlite3_stmt *stmt = fork_prepare(db, "SELECT i FROM r");
  int status = -1;
  int n = fork_rows(stmt, 10);
  pid_t child = fork();

  if (child == 0) _exit(fork_child(stmt, act));
  waitpid(child, &status, 0);
  snprintf(what, sizeof what, "the child's %s", name[act]);
  fork_check(kind, what, WIFEXITED(status) && WEXITSTATUS(status) == 0);
  n += fork_rows(stmt, FORK_ROWS * 2);
  snprintf(what, sizeof what, "the parent reads on after %s", name[act]);
  fork_check(kind, what, n == FORK_ROWS);
  sqlite3_finalize(stmt);
}

/* Read some in the transaction that is open. */
static int fork_read(sqlite3 *db)
{
  return sqlite3_exec(db, "SELECT i FROM r LIMIT 3", NULL, NULL, NULL);
}

/* A child may leave its parent's transaction, but not read in it. */
static void fork_tx(sqlite3 *db, const char *kind)
{
  int status = -1;
  pid_t child;

  fork_check(kind, "a transaction",
             fork_run(db, sqlite3_mprintf("BEGIN")) == SQLITE_OK &&
               fork_read(db) == SQLITE_OK);
  child = fork();
  if (child == 0)
    _exit(fork_read(db) == SQLITE_MISUSE &&
              sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL) == SQLITE_OK
            ? 0
            : 1);
  waitpid(child, &status, 0);
  fork_check(kind, "the child is refused, and leaves it",
             WIFEXITED(status) && WEXITSTATUS(status) == 0);
  fork_check(kind, "the parent reads on and commits",
             fork_read(db) == SQLITE_OK &&
               fork_run(db, sqlite3_mprintf("COMMIT")) == SQLITE_OK);
}

static void fork_server(const char *kind, const char *url, const char *rows)
{
  sqlite3 *db = NULL;
  char *message = NULL;

  if (!url) {
    printf("# skip %s: no server\n", kind);
    nskip++;
    return;
  }
  sqlite3_open(":memory:", &db);
  sqlite3_dbfed_init(db, &message, NULL);
  fork_check(
    kind, "the table is made",
    fork_run(db, sqlite3_mprintf("SELECT fed_server('s', %Q, 'replace')",
                                 url)) == SQLITE_OK &&
      fork_run(db,
               sqlite3_mprintf("CREATE VIRTUAL TABLE r USING fed_query(s, %Q)",
                               rows)) == SQLITE_OK);
  for (int act = 0; act < FORK_ACTS; act++)
    fork_scan(db, kind, (enum fork_act)act);
  fork_tx(db, kind);
  fork_check(kind, "closing works", sqlite3_close(db) == SQLITE_OK);
}

int main(void)
{
  /* SQLite's own statistics have a lock that no fork handler guards. */
  sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
  setbuf(stdout, NULL);
  fork_server("pg", getenv("FED_TEST_PG_URL"),
              "SELECT i FROM generate_series(1, 200000) AS s(i)");
  fork_server("mysql", getenv("FED_TEST_MYSQL_URL"),
              "SELECT a.i + 1000 * b.i AS i FROM (WITH RECURSIVE d(i) AS"
              " (SELECT 1 UNION ALL SELECT i + 1 FROM d WHERE i < 1000)"
              " SELECT i FROM d) AS a, (WITH RECURSIVE d(i) AS (SELECT 1"
              " UNION ALL SELECT i + 1 FROM d WHERE i < 200)"
              " SELECT i FROM d) AS b");
  printf("%d passed, %d failed, %d skipped\n", npass, nfail, nskip);
  return nfail != 0;
}
