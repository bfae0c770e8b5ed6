/* conform_run.h: the user's own text, run as it is; borrowed handles. */
#ifndef FED_TEST_CONFORM_RUN_H
#define FED_TEST_CONFORM_RUN_H

#include <sys/resource.h>

#include "test/unit/conform.h"
#include "test/unit/conform_conn.h"

static inline int run(struct run *r, const char *sql)
{
  start(r);
  return fed_conn_run(r->conn, sql, strlen(sql), &r->wait, &r->err);
}

/* 10^digits rows of 200 bytes. */
static inline const char *many(int digits)
{
  static char sql[600];
  size_t n = (size_t)snprintf(sql, sizeof sql,
                              "SELECT '%0200d' AS x FROM conform_d d1", 0);

  for (int i = 2; i <= digits; i++)
    n += (size_t)snprintf(sql + n, sizeof sql - n, ", conform_d d%d", i);
  return sql;
}

static inline void t_run(struct run *r)
{
  must(r, "DELETE FROM conform_t");
  check_rc(r, "run: DDL", run(r, "CREATE TABLE conform_r (a integer)"),
           SQLITE_OK);
  check(r, "the session is dirty", r->conn->dirty);
  check_rc(r, "run: a write", run(r, "INSERT INTO conform_t(id) VALUES (1)"),
           SQLITE_OK);
  check_rc(r, "run: rows", run(r, "SELECT id FROM conform_t"), SQLITE_OK);
  check_rc(r, "run: DDL again", run(r, "DROP TABLE conform_r"), SQLITE_OK);
  check(r, "run: a missing table is an error",
        run(r, "INSERT INTO conform_none VALUES (1)") != SQLITE_OK);
  check(r, "with the server's code", r->err.sqlstate[0] || r->err.native);
  start(r);
  check_rc(r, "run: only so much of the text",
           fed_conn_run(r->conn, "SELECT 1 nonsense (", 8, &r->wait, &r->err),
           SQLITE_OK);
  start(r);
  check(r, "run: a zero byte is an error",
        fed_conn_run(r->conn, "SELECT 1\0 AS x", 14, &r->wait, &r->err) !=
          SQLITE_OK);
  check(r, "and the connection works", healthy(r));
  begin(r, false);
  run(r, "INSERT INTO conform_t(id) VALUES (2)");
  check_rc(r, "it takes part in a transaction",
           fed_conn_rollback(r->conn, &r->wait, &r->err), SQLITE_OK);
  expect(r, "and is undone with it", "SELECT id FROM conform_t", NULL, 0,
         "i:1");
}

/* Kilobytes that this process ever had. */
static inline long most_memory(void)
{
  struct rusage usage;

  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss;
}

static inline void t_run_rows(struct run *r)
{
  long before;

  check_rc(r, "run: 1000 rows", run(r, many(3)), SQLITE_OK);
  before = most_memory();
  check_rc(r, "run: a million rows", run(r, many(6)), SQLITE_OK);
#ifdef __SANITIZE_ADDRESS__
  (void)before;
  skip(r, "their memory", "freed memory is kept back here");
#else
  check(r, "are not all in memory", most_memory() < before + 100000);
#endif
  start(r);
  r->wait.deadline = fed_clock_deadline(300);
  check_rc(r, "run: rows without end meet the deadline",
           fed_conn_run(r->conn, many(9), strlen(many(9)), &r->wait, &r->err),
           SQLITE_BUSY);
  check(r, "soon", fed_clock_ms() < r->wait.deadline + 8000);
  check_usable(r, "and the connection works or is broken");
  if (!r->side->fail) return;
  check(r, "run: an error behind rows is told",
        run(r, r->side->fail) != SQLITE_OK);
  check(r, "and the connection works", healthy(r));
}

/* Where the error is, in characters. */
static inline void t_run_position(struct run *r)
{
  static const char sql[] = "SELECT 1, 'grüße' FROM FROM conform_t";
  bool tells = strcmp(r->side->driver, "mysql") != 0;

  check(r, "run: a syntax error", run(r, sql) != SQLITE_OK);
  check(r, "and where it is", r->err.position == (tells ? 24 : 0));
  check(r, "run: an error when it runs",
        run(r, "INSERT INTO conform_t(id) SELECT 5 FROM conform_d") !=
          SQLITE_OK);
  check(r, "is nowhere", r->err.position == 0);
}

static inline void t_run_stop(struct run *r)
{
  int64_t when, began = fed_clock_ms();
  pthread_t thread;
  int rc;

  start(r);
  r->wait.deadline = fed_clock_deadline(300);
  rc = fed_conn_run(r->conn, r->side->sleep, strlen(r->side->sleep), &r->wait,
                    &r->err);
  check_rc(r, "run: a deadline that passes", rc, SQLITE_BUSY);
  check_usable(r, "and the connection works or is broken");
  start(r);
  when = fed_clock_ms() + 300;
  r->wait.interrupted = after;
  r->wait.arg = &when;
  rc = fed_conn_run(r->conn, r->side->sleep, strlen(r->side->sleep), &r->wait,
                    &r->err);
  check_rc(r, "run: a user who gives up", rc, SQLITE_INTERRUPT);
  check_usable(r, "and the connection works or is broken");
  start(r);
  pthread_create(&thread, NULL, cancel_soon, r->conn);
  rc = run(r, r->side->sleep);
  pthread_join(thread, NULL);
  check_rc(r, "run: cancel from another thread", rc, SQLITE_INTERRUPT);
  check(r, "all of it soon", fed_clock_ms() - began < 20000);
  check_usable(r, "and the connection works or is broken");
}

/* Gives up from the n-th time on that it is asked. */
static inline bool at_last(void *arg)
{
  return --*(int *)arg < 0;
}

/* Who gives up about when it is done is told which of the two it was. */
static inline void t_run_late(struct run *r)
{
  static const char sql[] = "INSERT INTO conform_t(id) VALUES (77)";
  int wrong = 0;

  for (int n = 0; n < 8 && r->conn; n++) {
    struct fed_str out;
    int left = n, rc;

    must(r, "DELETE FROM conform_t");
    start(r);
    r->wait.interrupted = at_last;
    r->wait.arg = &left;
    rc = fed_conn_run(r->conn, sql, sizeof sql - 1, &r->wait, &r->err);
    /* Not known then, and that is told. */
    if (r->conn->broken) {
      reopen(r);
      continue;
    }
    fed_str_init(&out, 100);
    rows(r, "SELECT id FROM conform_t", NULL, 0, NULL, 0, &out);
    wrong += (rc == SQLITE_OK) != (strcmp(out.s, "i:77") == 0);
    fed_str_release(&out);
  }
  check(r, "run: says yes exactly when the work is there", wrong == 0);
}

/* ---- what only one kind of server has ------------------------------------ */

static inline void refused(struct run *r, const char *name, const char *sql,
                           const char *says)
{
  check(r, name, run(r, sql) != SQLITE_OK && strstr(r->err.msg, says));
  check(r, "and the connection works", healthy(r));
}

static inline void run_pg(struct run *r)
{
  check_rc(r, "run: a function",
           run(r, "CREATE FUNCTION conform_f() RETURNS int LANGUAGE plpgsql"
                  " AS $$ BEGIN RAISE WARNING 'x;y'; RETURN 1; END $$"),
           SQLITE_OK);
  check_rc(r, "run: a warning is no error", run(r, "SELECT conform_f()"),
           SQLITE_OK);
  check_text(r, "but is told", r->conn->notes, "WARNING: x;y");
  run(r, "DROP FUNCTION conform_f()");
  check_text(r, "of the last that was run", r->conn->notes, "");
  run(r, "DO $$ BEGIN FOR i IN 1..100 LOOP RAISE WARNING 'no %', i; END LOOP;"
         " RAISE EXCEPTION 'x'; END $$");
  check(r, "as far as there is room",
        strstr(r->conn->notes, "WARNING: no 1\nWARNING: no 2\n") ==
            r->conn->notes &&
          strlen(r->conn->notes) > sizeof r->conn->notes - 20);
  refused(r, "run: COPY FROM STDIN is an error", "COPY conform_t FROM STDIN",
          "COPY FROM STDIN");
  refused(r, "run: so is COPY TO STDOUT",
          "COPY (SELECT * FROM generate_series(1, 200000)) TO STDOUT",
          "COPY TO STDOUT");
  check_rc(r, "run: what no transaction may hold",
           run(r, "CREATE INDEX CONCURRENTLY conform_i ON conform_t (i)"),
           SQLITE_OK);
  run(r, "DROP INDEX conform_i");
}

static inline void run_mysql(struct run *r)
{
  check_rc(r, "run: a procedure",
           run(r, "CREATE PROCEDURE conform_p(last int) BEGIN SELECT 1;"
                  " SELECT n FROM conform_d; IF last > 2 THEN SIGNAL SQLSTATE"
                  " '45000' SET MESSAGE_TEXT = 'too late'; END IF; SELECT 3;"
                  " END"),
           SQLITE_OK);
  check_rc(r, "run: CALL with several results", run(r, "CALL conform_p(1)"),
           SQLITE_OK);
  check(r, "and the connection works", healthy(r));
  refused(r, "run: an error behind the second is told", "CALL conform_p(3)",
          "too late");
  run(r, "DROP PROCEDURE conform_p");
  run(r, "DROP TABLE IF EXISTS conform_none");
  check_text(r, "run: warnings are counted", r->conn->notes, "WARNINGS: 1");
  refused(r, "run: LOAD DATA LOCAL is an error",
          "LOAD DATA LOCAL INFILE '/etc/passwd' INTO TABLE conform_t", "");
  refused(r, "run: so are two statements", "SELECT 1; SELECT 2", "line 1");
}

static inline void run_sqlite(struct run *r)
{
  check_rc(r, "run: a trigger",
           run(r, "CREATE TRIGGER conform_g AFTER INSERT ON conform_t BEGIN"
                  " DELETE FROM conform_d WHERE n < 0; SELECT 1; END"),
           SQLITE_OK);
  run(r, "DROP TRIGGER conform_g");
  must(r, "DELETE FROM conform_t");
  check_rc(r, "run: \"x\" may be a string, as in the shell",
           run(r, "INSERT INTO conform_t(id, t) VALUES (1, \"x\")"), SQLITE_OK);
  check(r, "but not in our own texts",
        exec(r, "INSERT INTO conform_t(id, t) VALUES (2, \"x\")") != SQLITE_OK);
  refused(r, "run: two statements are an error", "SELECT 1; SELECT 2",
          "more than one");
  check_rc(r, "run: VACUUM", run(r, "VACUUM"), SQLITE_OK);
}

static inline void t_run_own(struct run *r)
{
  if (strcmp(r->side->driver, "pg") == 0)
    run_pg(r);
  else if (strcmp(r->side->driver, "mysql") == 0)
    run_mysql(r);
  else
    run_sqlite(r);
}

/* ---- several at once ----------------------------------------------------- */

static inline int batch(struct run *r, int n, const char *const *sql, int *done)
{
  start(r);
  return fed_conn_batch(r->conn, sql, n, done, &r->wait, &r->err);
}

/* Stopped at each look at the wait in turn: what is said to be done is. */
static inline void batch_stopped(struct run *r)
{
  static const char *const sql[] = {
    "BEGIN",
    "INSERT INTO conform_t(id) VALUES (1)",
    "COMMIT",
    "BEGIN",
    "INSERT INTO conform_t(id) SELECT count(*) FROM conform_d",
    "COMMIT"};
  const int all = (int)FED_LEN(sql);
  int wrong = 0;

  for (int n = 1; n < 12; n++) {
    int left = n, done = 0, rc;
    char count[20];
    struct fed_str out;

    must(r, "DELETE FROM conform_t");
    start(r);
    r->wait.interrupted = at_last;
    r->wait.arg = &left;
    rc = fed_conn_batch(r->conn, sql, all, &done, &r->wait, &r->err);
    if (r->conn->broken) {
      reopen(r);
      continue;
    }
    start(r);
    fed_conn_rollback(r->conn, &r->wait, &r->err);
    fed_str_init(&out, 100);
    rows(r, "SELECT count(*) FROM conform_t", NULL, 0, NULL, 0, &out);
    snprintf(count, sizeof count, "i:%d", done / 3);
    wrong += strcmp(out.s, count) != 0 || (rc == SQLITE_OK) != (done == all);
    fed_str_release(&out);
  }
  check(r, "batch: stopped, says what is done", wrong == 0);
}

static inline void t_batch(struct run *r)
{
  static const char *const good[] = {"BEGIN",
                                     "INSERT INTO conform_t(id) VALUES (1)",
                                     "UPDATE conform_t SET id = 2", "COMMIT"};
  static const char *const bad[] = {"BEGIN",
                                    "INSERT INTO conform_t(id) VALUES (3)",
                                    "COMMIT",
                                    "BEGIN",
                                    "INSERT INTO conform_t(id) VALUES (4)",
                                    "INSERT INTO conform_nosuch VALUES (1)",
                                    "COMMIT"};
  static const char *const worse[] = {"nonsense", "DELETE FROM conform_t"};
  int done = 0;

  if (!r->conn->drv->batch) {
    skip(r, "batch", "not here");
    return;
  }
  must(r, "DELETE FROM conform_t");
  check_rc(r, "batch: runs", batch(r, 4, good, &done), SQLITE_OK);
  check(r, "all of it", done == 4);
  expect(r, "in order", "SELECT id FROM conform_t", NULL, 0, "i:2");
  check(r, "batch: the one that fails is told",
        batch(r, (int)FED_LEN(bad), bad, &done) != SQLITE_OK && done == 5 &&
          strstr(r->err.msg, "conform_nosuch"));
  check(r, "and leaves what it has begun",
        fed_conn_health(r->conn, true) == FED_HEALTH_BUSY);
  check_rc(r, "to be undone", fed_conn_rollback(r->conn, &r->wait, &r->err),
           SQLITE_OK);
  expect(r, "behind it nothing was run", "SELECT id FROM conform_t ORDER BY id",
         NULL, 0, "i:2;i:3");
  check(r, "batch: the first may fail",
        batch(r, 2, worse, &done) != SQLITE_OK && done == 0);
  expect(r, "then nothing is run", "SELECT count(*) FROM conform_t", NULL, 0,
         "i:2");
  check(r, "batch: a text of two stays an error",
        run(r, "DELETE FROM conform_none; SELEC 2") != SQLITE_OK && healthy(r));
  batch_stopped(r);
}

/* ---- transactions that write --------------------------------------------- */

static inline void t_begin_twice(struct run *r)
{
  must(r, "DELETE FROM conform_t");
  begin(r, false);
  insert(r, 1);
  check_rc(r, "begin inside a transaction is an error", begin(r, false),
           SQLITE_MISUSE);
  check(r, "that says so", strstr(r->err.msg, "open already") != NULL);
  reopen(r);
  expect(r, "and commits nothing", "SELECT id FROM conform_t", NULL, 0, "");
}

/* ---- borrowed handles ---------------------------------------------------- */

static inline int lend(struct run *r, sqlite3 *db)
{
  fed_conn_close(r->conn);
  start(r);
  return fed_sqlite_borrow(&r->conn, db, &r->err);
}

static inline void lend_transactions(struct run *r, sqlite3 *db)
{
  must(r, "DELETE FROM conform_t");
  check_rc(r, "borrowed: begin", begin(r, false), SQLITE_OK);
  check_rc(r, "borrowed: run", run(r, "INSERT INTO conform_t(id) VALUES (1)"),
           SQLITE_OK);
  check_rc(r, "borrowed: savepoint",
           fed_conn_savepoint(r->conn, 1, &r->wait, &r->err), SQLITE_OK);
  insert(r, 2);
  check_rc(r, "borrowed: rollback to it",
           fed_conn_rollback_to(r->conn, 1, &r->wait, &r->err), SQLITE_OK);
  expect(r, "borrowed: reads", "SELECT id FROM conform_t", NULL, 0, "i:1");
  check_rc(r, "borrowed: commit", fed_conn_commit(r->conn, &r->wait, &r->err),
           SQLITE_OK);
  check(r, "borrowed: clean",
        fed_conn_health(r->conn, true) == FED_HEALTH_CLEAN);
  begin(r, false);
  insert(r, 3);
  check_rc(r, "borrowed again", lend(r, db), SQLITE_OK);
  check(r, "close has left the transaction it began",
        sqlite3_get_autocommit(db));
  expect(r, "and undone it", "SELECT id FROM conform_t", NULL, 0, "i:1");
}

static inline void lend_inside(struct run *r, sqlite3 *db)
{
  fed_conn_close(r->conn);
  r->conn = NULL;
  sqlite3_exec(db, "BEGIN", NULL, NULL, NULL);
  lend(r, db);
  check_rc(r, "borrowed inside a transaction: begin is an error",
           begin(r, false), SQLITE_MISUSE);
  check(r, "that says so", strstr(r->err.msg, "open already") != NULL);
  check_rc(r, "run is none", run(r, "DELETE FROM conform_t"), SQLITE_OK);
  lend(r, db);
  check(r, "the transaction stays the owner's", !sqlite3_get_autocommit(db));
  sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
  expect(r, "who may undo it", "SELECT id FROM conform_t", NULL, 0, "i:1");
}

static inline void lend_locked(struct run *r, sqlite3 *db)
{
  sqlite3 *other = NULL;

  sqlite3_open(fed_dsn_get(&r->dsn, "path"), &other);
  sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL);
  start(r);
  r->wait.deadline = fed_clock_deadline(200);
  check_rc(r, "borrowed: a lock is awaited until the deadline",
           fed_conn_begin(r->conn, &(struct fed_begin){0}, &r->wait, &r->err),
           SQLITE_BUSY);
  check(r, "as is told", strstr(r->err.msg, "lock") != NULL);
  sqlite3_close(other);
  lend(r, db);
  check_rc(r, "and then there", begin(r, false), SQLITE_OK);
  lend(r, db);
}

/* SELECT conform_fn(): the handle's own statement runs meanwhile. */
static inline void lend_function(sqlite3_context *ctx, int n,
                                 sqlite3_value **arg)
{
  struct run *r = sqlite3_user_data(ctx);

  (void)n;
  (void)arg;
  begin(r, false);
  run(r, "CREATE TABLE conform_w (a)");
  run(r, "DROP TABLE conform_w");
  if (!r->err.rc) fed_conn_commit(r->conn, &r->wait, &r->err);
  sqlite3_result_text(ctx, r->err.rc ? r->err.msg : "done", -1,
                      SQLITE_TRANSIENT);
}

static inline void t_borrow(struct run *r)
{
  sqlite3 *db = NULL;
  struct run outer = *r;

  if (!r->dsn.drv->is_file) return;
  if (sqlite3_open(fed_dsn_get(&r->dsn, "path"), &db) != SQLITE_OK) return;
  check_rc(r, "borrow", lend(r, db), SQLITE_OK);
  lend_transactions(r, db);
  lend_inside(r, db);
  lend_locked(r, db);
  fed_sqlite_borrow(&outer.conn, db, &outer.err);
  sqlite3_create_function(db, "conform_fn", 0, SQLITE_UTF8, r, lend_function,
                          NULL, NULL);
  fed_conn_close(r->conn);
  fed_sqlite_borrow(&r->conn, db, &r->err);
  expect(&outer, "borrowed: inside the owner's SELECT", "SELECT conform_fn()",
         NULL, 0, "t:done");
  fed_conn_close(outer.conn);
  reopen(r);
  check_rc(r, "the handle is open to the last", sqlite3_close(db), SQLITE_OK);
}

#endif
