/* conform_load.h: loads, and one statement for many rows. */
#ifndef FED_TEST_CONFORM_LOAD_H
#define FED_TEST_CONFORM_LOAD_H

#include "test/unit/conform.h"
#include "test/unit/conform_conn.h"

#define LOADED 5000

static const int16_t load_all[] = {0, 1, 2, 3};

/* conform_l, and what catalog() would say of it. */
static inline void simple_table(struct run *r, struct fed_relation *rel)
{
  static const char *const names[] = {"id", "t", "b", "r"};
  char sql[300];

  exec(r, "DROP TABLE conform_l");
  snprintf(sql, sizeof sql,
           "CREATE TABLE conform_l(id %s PRIMARY KEY, t %s, b %s, r %s)",
           strcmp(r->side->driver, "mysql") == 0 ? "bigint unsigned default 7"
           : r->dsn.drv->is_file                 ? "integer"
                                                 : "bigint default 7",
           r->side->text, r->side->blob, r->side->real);
  must(r, sql);
  memset(rel, 0, sizeof *rel);
  rel->schema = fed_strdup(r->side->schema ? r->side->schema
                                           : fed_dsn_get(&r->dsn, "dbname"));
  rel->name = fed_strdup("conform_l");
  for (size_t i = 0; i < FED_LEN(names); i++)
    fed_relation_add(rel, names[i], "");
  if (rel->ncol != 4) exit(1);
}

static inline void load_values(struct fed_value *v, int id)
{
  static const char bytes[] = {0, '\'', '\\', (char)255};
  static char text[40];

  v[0] = fed_value_int(id);
  v[1] = fed_value_null();
  v[2] = fed_value_blob(bytes, id % 5);
  v[3] = fed_value_real(id * 0.5);
  if (id % 3 == 0) return;
  snprintf(text, sizeof text, "it's \\ row %d", id);
  v[1] = fed_value_text(text, id % 3 == 1 ? (int64_t)strlen(text) : 0);
  if (id % 7 == 0) v[2] = v[3] = fed_value_null();
}

/* `n` rows from `from` on, and the one that comes `twice` again at its end. */
static inline int simple_load(struct run *r, const struct fed_relation *rel,
                              int from, int n, int twice)
{
  struct fed_value v[4];
  int rc;

  start(r);
  rc = fed_conn_load_begin(r->conn, rel, load_all, 4, &r->wait, &r->err);
  for (int i = 0; i < n && rc == SQLITE_OK; i++) {
    load_values(v, from + i == twice ? from : from + i);
    rc = fed_conn_load_row(r->conn, v, &r->wait, &r->err);
  }
  return rc == SQLITE_OK ? fed_conn_load_end(r->conn, true, &r->wait, &r->err)
                         : rc;
}

static inline void expect_load(struct run *r, const char *name,
                               const char *want)
{
  expect(r, name, "SELECT count(*), count(t), count(b), min(id) FROM conform_l",
         NULL, 0, want);
}

static inline int rollback(struct run *r)
{
  start(r);
  return fed_conn_rollback(r->conn, &r->wait, &r->err);
}

static inline int commit(struct run *r)
{
  start(r);
  return fed_conn_commit(r->conn, &r->wait, &r->err);
}

static inline bool has_loads(struct run *r, const char *name)
{
  if (r->dsn.drv->load_begin) return true;
  skip(r, name, "not here");
  return false;
}

/* The loaded rows are those that single INSERTs would have made. */
static inline void load_same(struct run *r)
{
  struct fed_value v[4], got[2];
  struct fed_str want, out;
  int wrong = 0;

  fed_str_init(&want, 1000);
  fed_str_init(&out, 1000);
  for (int id = 1; id <= 30; id++) {
    load_values(v, id);
    fed_str_reset(&want);
    fed_str_reset(&out);
    for (int i = 0; i < 4; i++) {
      if (i) fed_str_addc(&want, '|');
      show(&want, &v[i]);
    }
    got[0] = v[0];
    rows(r, params(r, "SELECT id, t, b, r FROM conform_l WHERE id = $1"), got,
         1, NULL, 0, &out);
    if (strcmp(out.s, want.s) != 0) printf("# %s, not %s\n", out.s, want.s);
    wrong += strcmp(out.s, want.s) != 0;
  }
  check(r, "each loaded row is what was loaded", wrong == 0);
  got[0] = fed_value_int(4999);
  got[1] = fed_value_real(2499.5);
  expect(r, "the last one too",
         params(r, "SELECT count(*) FROM conform_l WHERE id = $1 AND r = $2"),
         got, 2, "i:1");
  fed_str_release(&want);
  fed_str_release(&out);
}

static inline void t_load_same(struct run *r)
{
  struct fed_relation rel;

  if (!has_loads(r, "loads")) return;
  simple_table(r, &rel);
  begin(r, false);
  check_rc(r, "a load", simple_load(r, &rel, 1, LOADED, -1), SQLITE_OK);
  check_rc(r, "is committed", commit(r), SQLITE_OK);
  expect_load(r, "and all there", "i:5000|i:3334|i:4524|i:1");
  load_same(r);
  begin(r, false);
  check_rc(r, "none at all", simple_load(r, &rel, 1, 0, -1), SQLITE_OK);
  check_rc(r, "a row that is there", simple_load(r, &rel, 5000, 9, -1) & 0xff,
           SQLITE_CONSTRAINT);
  check(r, "is the first", strncmp(r->err.msg, "row 1: ", 7) == 0);
  rollback(r);
  begin(r, false);
  check_rc(r, "a row that comes twice",
           simple_load(r, &rel, 10001, 4000, 13456) & 0xff, SQLITE_CONSTRAINT);
  check(r, "is named", strncmp(r->err.msg, "row 3456: ", 10) == 0);
  check_rc(r, "and then there is no load",
           fed_conn_load_end(r->conn, true, &r->wait, &r->err) != SQLITE_OK,
           true);
  check_rc(r, "but ROLLBACK", rollback(r), SQLITE_OK);
  expect_load(r, "which undoes it", "i:5000|i:3334|i:4524|i:1");
  fed_relation_release(&rel);
}

/* What ends before its end. */
static inline void t_load_given_up(struct run *r)
{
  struct fed_relation rel;
  struct fed_value v[4];

  if (!has_loads(r, "loads that are given up")) return;
  simple_table(r, &rel);
  for (int i = 0; i < 3; i++) {
    begin(r, false);
    start(r);
    check_rc(r, "a load begins",
             fed_conn_load_begin(r->conn, &rel, load_all, 4, &r->wait, &r->err),
             SQLITE_OK);
    for (int id = 0; id < 2500; id++) {
      load_values(v, id);
      fed_conn_load_row(r->conn, v, &r->wait, &r->err);
    }
    if (i == 0)
      check_rc(r, "is given up",
               fed_conn_load_end(r->conn, false, &r->wait, &r->err), SQLITE_OK);
    if (i == 2) {
      check_rc(r, "is left with its connection", reopen(r), SQLITE_OK);
      break;
    }
    check_rc(r, "is rolled back", rollback(r), SQLITE_OK);
  }
  expect_load(r, "and nothing is left of it", "i:0|i:0|i:0|n");
  check(r, "the connection works", healthy(r));
  fed_relation_release(&rel);
}

/* Rows of defaults only; long ones; types that take turns. */
static inline void t_load_odd(struct run *r)
{
  struct fed_relation rel;
  struct fed_value v[4];
  char *big;

  if (!has_loads(r, "odd loads")) return;
  simple_table(r, &rel);
  begin(r, false);
  start(r);
  check_rc(r, "no columns",
           fed_conn_load_begin(r->conn, &rel, NULL, 0, &r->wait, &r->err),
           SQLITE_OK);
  check_rc(r, "a row", fed_conn_load_row(r->conn, v, &r->wait, &r->err),
           SQLITE_OK);
  check_rc(r, "the end", fed_conn_load_end(r->conn, true, &r->wait, &r->err),
           SQLITE_OK);
  expect_load(r, "is of defaults",
              r->dsn.drv->is_file ? "i:1|i:0|i:0|i:1" : "i:1|i:0|i:0|i:7");
  big = fed_alloc(3 << 20);
  if (!big) exit(1);
  memset(big, 'x', 3 << 20);
  start(r);
  fed_conn_load_begin(r->conn, &rel, load_all, 4, &r->wait, &r->err);
  for (int i = 0; i < 9; i++) {
    load_values(v, 100 + i);
    v[2] = fed_value_blob(big, i % 3 == 1 ? 3 << 20 : 200000);
    check_rc(r, "a long row", fed_conn_load_row(r->conn, v, &r->wait, &r->err),
             SQLITE_OK);
  }
  check_rc(r, "the end of long ones",
           fed_conn_load_end(r->conn, true, &r->wait, &r->err), SQLITE_OK);
  fed_free(big);
  rollback(r);
  if (strcmp(r->side->driver, "mysql") == 0) {
    begin(r, false);
    start(r);
    fed_conn_load_begin(r->conn, &rel, load_all, 4, &r->wait, &r->err);
    for (int i = 0; i < 3000; i++) {
      char digits[24];

      load_values(v, i);
      snprintf(digits, sizeof digits, "%llu",
               18446744073709550000ull + i % 500);
      if (i % 2 == 1 && i < 1600) v[0] = fed_value_cstr(digits);
      if (fed_conn_load_row(r->conn, v, &r->wait, &r->err) != SQLITE_OK) break;
    }
    check_rc(r, "integers and texts, of which one comes twice",
             r->err.rc ? r->err.rc
                       : fed_conn_load_end(r->conn, true, &r->wait, &r->err),
             SQLITE_CONSTRAINT_UNIQUE);
    check(r, "is named", strncmp(r->err.msg, "row 502: ", 9) == 0);
    rollback(r);
  }
  fed_relation_release(&rel);
}

/* ---- many ---------------------------------------------------------------- */

static inline int many_rows(struct run *r, const char *sql, int from, int n,
                            int other, int instead, int *done)
{
  struct fed_value *v = fed_calloc((size_t)n * 2, sizeof *v);
  struct fed_stmt *stmt = NULL;
  int rc;

  if (!v) exit(1);
  for (int i = 0; i < n; i++) {
    v[2 * i] = i % 10 == 3 ? fed_value_null() : fed_value_real(i * 0.25);
    v[2 * i + 1] = fed_value_int(from + i == other ? instead : from + i);
  }
  start(r);
  rc = fed_stmt_get(r->conn, sql, NULL, 0, false, &stmt, &r->wait, &r->err);
  if (rc == SQLITE_OK)
    rc = fed_stmt_execute_many(stmt, v, 2, n, done, &r->wait, &r->err);
  fed_stmt_put(stmt, true, &r->wait);
  fed_free(v);
  return rc;
}

static inline void expect_many(struct run *r, const char *name,
                               const char *want)
{
  expect(r, name, "SELECT count(*), count(r), min(id), max(id) FROM conform_l",
         NULL, 0, want);
}

static inline void many_guarded(struct run *r, const char *insert,
                                const char *update, bool guard)
{
  int done = 99;

  begin(r, false);
  r->conn->guard_writes = guard;
  check_rc(r, "an UPDATE of one that is not there",
           many_rows(r, update, 1, 3000, 2500, 9999999, &done),
           SQLITE_NOTFOUND);
  check(r, "is where it failed", done == 2499);
  rollback(r);
  begin(r, false);
  r->conn->guard_writes = guard;
  check_rc(r, "an INSERT of one that is there",
           many_rows(r, insert, 5001, 3000, 7000, 5, &done) & 0xff,
           SQLITE_CONSTRAINT);
  check(r, "is where it failed", done == 1999 || done == -1);
  if (guard) {
    expect_many(r, "and undone", "i:3000|i:2700|i:1|i:3000");
    check_rc(r, "another", many_rows(r, insert, 5001, 2, -1, 0, &done),
             SQLITE_OK);
    expect_many(r, "goes well", "i:3002|i:2702|i:1|i:5002");
  }
  check_rc(r, "back", rollback(r), SQLITE_OK);
  expect_many(r, "to what was", "i:3000|i:2700|i:1|i:3000");
}

static inline void t_many_sum(struct run *r)
{
  const char *insert =
    params(r, "INSERT INTO conform_l(r, id) VALUES ($1, $2)");
  const char *update = params(r, "UPDATE conform_l SET r = $1 WHERE id = $2");
  struct fed_relation rel;
  int done = 99;

  if (!r->dsn.drv->execute_many) {
    skip(r, "many rows", "not here");
    return;
  }
  simple_table(r, &rel);
  begin(r, false);
  check_rc(r, "many rows", many_rows(r, insert, 1, 3000, -1, 0, &done),
           SQLITE_OK);
  check(r, "are done", done == 3000);
  check_rc(r, "none", many_rows(r, insert, 1, 0, -1, 0, &done), SQLITE_OK);
  check(r, "is done", done == 0);
  check_rc(r, "many UPDATEs", many_rows(r, update, 1, 3000, -1, 0, &done),
           SQLITE_OK);
  check_rc(r, "to the same", many_rows(r, update, 1, 3000, -1, 0, &done),
           SQLITE_OK);
  commit(r);
  expect_many(r, "are there", "i:3000|i:2700|i:1|i:3000");
  many_guarded(r, insert, update, true);
  many_guarded(r, insert, update, false);
  fed_relation_release(&rel);
}

/* ---- what a failed write leaves ------------------------------------------ */

static inline void ended_refuses(struct run *r)
{
  check(r, "ends the transaction", r->conn->ended && !r->conn->broken);
  check_rc(r, "in which nothing is done", exec(r, "DELETE FROM conform_l"),
           SQLITE_ABORT);
  check_rc(r, "nor prepared ones",
           rows(r, "DELETE FROM conform_l", NULL, 0, NULL, 0, NULL),
           SQLITE_ABORT);
  check_rc(r, "but ROLLBACK", rollback(r), SQLITE_OK);
  check(r, "after which all is well", !r->conn->ended && healthy(r));
  expect(r, "and undone", "SELECT count(*) FROM conform_l", NULL, 0, "i:1");
}

static inline void t_ended(struct run *r)
{
  struct fed_relation rel;
  bool file = r->dsn.drv->is_file;

  simple_table(r, &rel);
  fed_relation_release(&rel);
  must(r, "INSERT INTO conform_l(id) VALUES (1)");
  if (file)
    must(r, "CREATE TRIGGER conform_lt BEFORE INSERT ON conform_l WHEN "
            "new.id = 13 BEGIN SELECT RAISE(ROLLBACK, 'thirteen'); END");
  else if (strcmp(r->side->driver, "mysql") != 0)
    return;
  begin(r, false);
  must(r, "INSERT INTO conform_l(id) VALUES (2)");
  if (file) {
    check_rc(r, "RAISE(ROLLBACK)",
             exec(r, "INSERT INTO conform_l(id) VALUES (13)"),
             SQLITE_CONSTRAINT_TRIGGER);
  } else {
    expect(r, "a snapshot", "SELECT count(*) FROM conform_l", NULL, 0, "i:2");
    exec_elsewhere(r, "UPDATE conform_l SET r = 5 WHERE id = 1");
    check_rc(r, "a row that another changed",
             exec(r, "UPDATE conform_l SET r = 6 WHERE id = 1"), SQLITE_BUSY);
  }
  ended_refuses(r);
}

static inline int write_one(struct run *r, const char *sql, int64_t *number)
{
  struct fed_stmt *stmt = NULL;
  int rc;

  start(r);
  rc = fed_stmt_get(r->conn, sql, NULL, 0, false, &stmt, &r->wait, &r->err);
  if (rc == SQLITE_OK) rc = fed_stmt_execute(stmt, NULL, 0, &r->wait, &r->err);
  if (rc == SQLITE_OK) rc = fed_stmt_step(stmt, &r->wait, &r->err);
  if (stmt && number) *number = stmt->number;
  fed_stmt_put(stmt, true, &r->wait);
  return rc;
}

/* A statement that fails has done nothing, and the next one goes on. */
static inline void t_write_guard(struct run *r)
{
  struct fed_relation rel;

  if (strcmp(r->side->driver, "pg") == 0) return;
  simple_table(r, &rel);
  fed_relation_release(&rel);
  if (r->dsn.drv->is_file)
    must(r, "CREATE TRIGGER conform_lt AFTER INSERT ON conform_l WHEN "
            "new.id = 13 BEGIN SELECT RAISE(FAIL, 'thirteen'); END");
  begin(r, false);
  r->conn->guard_writes = true;
  check_rc(r, "a row", write_one(r, "INSERT INTO conform_l(id) VALUES (1)", 0),
           SQLITE_DONE);
  check_rc(r, "its UPDATE",
           write_one(r, "UPDATE conform_l SET r = 1 WHERE id = 1", 0),
           SQLITE_DONE);
  check_rc(r, "two of which one fails",
           write_one(r, "INSERT INTO conform_l(id) VALUES (2), (1), (3)", 0) &
             0xff,
           SQLITE_CONSTRAINT);
  if (r->dsn.drv->is_file)
    check_rc(r, "RAISE(FAIL)",
             write_one(r, "INSERT INTO conform_l(id) VALUES (13)", 0),
             SQLITE_CONSTRAINT_TRIGGER);
  check_rc(r, "and one more",
           write_one(r, "INSERT INTO conform_l(id) VALUES (4)", 0),
           SQLITE_DONE);
  check_rc(r, "is committed", commit(r), SQLITE_OK);
  expect(r, "what is there", "SELECT id, r FROM conform_l ORDER BY id", NULL, 0,
         "i:1|r:1;i:4|n");
}

/* Numbers that the server gives, and constraints. */
static inline void t_numbers(struct run *r)
{
  bool file = r->dsn.drv->is_file;
  int64_t number = 99;

  if (strcmp(r->side->driver, "pg") == 0) return;
  exec(r, "DROP TABLE conform_c");
  exec(r, "DROP TABLE conform_n");
  must(r, file
            ? "CREATE TABLE conform_n(id INTEGER PRIMARY KEY, v int NOT NULL,"
              " u int UNIQUE, CHECK (v < 100))"
            : "CREATE TABLE conform_n(id int AUTO_INCREMENT PRIMARY KEY, v "
              "int NOT NULL, u int UNIQUE, CHECK (v < 100))");
  must(r,
       "CREATE TABLE conform_c(id integer primary key, n int, FOREIGN KEY (n)"
       " REFERENCES conform_n(id))");
  begin(r, false);
  if (!file) {
    check_rc(r, "0", write_one(r, "INSERT INTO conform_n VALUES (0, 1, 1)", 0),
             SQLITE_DONE);
    expect(r, "is 0", "SELECT id FROM conform_n", NULL, 0, "i:0");
  }
  write_one(r, "INSERT INTO conform_n VALUES (41, 1, 2)", &number);
  write_one(r, "INSERT INTO conform_n(v) VALUES (1)", &number);
  check(r, "a number that was given", number == 42);
  write_one(r, "UPDATE conform_n SET v = 2 WHERE id = 42", &number);
  check(r, "none of an UPDATE", number == 0);
  check_rc(r, "UNIQUE",
           write_one(r, "INSERT INTO conform_n(v, u) VALUES (1, 2)", 0),
           SQLITE_CONSTRAINT_UNIQUE);
  check_rc(r, "NOT NULL",
           write_one(r, "INSERT INTO conform_n(v) VALUES (NULL)", 0),
           SQLITE_CONSTRAINT_NOTNULL);
  check_rc(r, "no default",
           write_one(r, "INSERT INTO conform_n(u) VALUES (9)", 0),
           SQLITE_CONSTRAINT_NOTNULL);
  check_rc(r, "CHECK", write_one(r, "INSERT INTO conform_n(v) VALUES (200)", 0),
           SQLITE_CONSTRAINT_CHECK);
  if (!file)
    check_rc(r, "FOREIGN KEY",
             write_one(r, "INSERT INTO conform_c VALUES (1, 77)", 0),
             SQLITE_CONSTRAINT_FOREIGNKEY);
  rollback(r);
  if (file) return;
  write_one(r, "INSERT INTO conform_n(id, v) VALUES (0, 1)", &number);
  check(r, "outside of transactions 0 is a new number", number > 0);
}

#endif
