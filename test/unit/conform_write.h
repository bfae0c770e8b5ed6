/* conform_write.h: guarded writes, many at once, loads. */
#ifndef FED_TEST_CONFORM_WRITE_H
#define FED_TEST_CONFORM_WRITE_H

#include "test/unit/conform.h"
#include "test/unit/conform_conn.h"

#define MANY 1000
#define LOAD 10000

/* A transaction as a writer begins it. */
static inline int begin_writes(struct run *r)
{
  struct fed_begin opts = {.isolation = FED_ISOLATION_REPEATABLE_READ,
                           .guard = true};
  int rc;

  start(r);
  rc = fed_conn_begin(r->conn, &opts, &r->wait, &r->err);
  r->conn->guard_writes = true;
  return rc;
}

/* A prepared statement, to its end; *changes may be NULL. */
static inline int put(struct run *r, const char *sql,
                      const struct fed_value *args, int n, int64_t *changes)
{
  struct fed_str out;
  struct fed_stmt *stmt;
  int rc;

  start(r);
  rc = get(r, sql, NULL, 0, &stmt);
  if (rc != SQLITE_OK) return rc;
  fed_str_init(&out, 1000);
  rc = run_stmt(r, stmt, args, n, &out);
  if (changes) *changes = stmt->changes;
  fed_stmt_put(stmt, true, &r->wait);
  fed_str_release(&out);
  return rc;
}

static inline int put_id(struct run *r, int id)
{
  struct fed_value v = fed_value_int(id);

  return put(r, params(r, "INSERT INTO conform_t(id) VALUES ($1)"), &v, 1,
             NULL);
}

static inline void expect_all(struct run *r, const char *name, const char *want)
{
  expect(r, name, "SELECT id FROM conform_t ORDER BY id", NULL, 0, want);
}

static inline int end_writes(struct run *r)
{
  start(r);
  return fed_conn_commit(r->conn, &r->wait, &r->err);
}

static inline bool can_write(struct run *r)
{
  if (r->conn->drv->load_begin) return true;
  skip(r, "guarded writes and loads", "not by this driver");
  return false;
}

static inline void t_guarded_write(struct run *r)
{
  struct fed_value v[2] = {fed_value_int(7), fed_value_cstr("x")};
  int64_t changes = 0;

  if (!can_write(r)) return;
  must(r, "DELETE FROM conform_t");
  check_rc(r, "begin to write", begin_writes(r), SQLITE_OK);
  expect_all(r, "reads", "");
  check_rc(r, "writes", put_id(r, 1), SQLITE_OK);
  check_rc(r, "again", put_id(r, 2), SQLITE_OK);
  check(r, "a duplicate fails",
        (put_id(r, 1) & 0xFF) == SQLITE_CONSTRAINT && !r->conn->ended);
  expect_all(r, "which leaves what was there", "i:1;i:2");
  check_rc(r, "a missing table", put(r, "DELETE FROM conform_none", NULL, 0, 0),
           SQLITE_SCHEMA);
  expect_all(r, "leaves it too", "i:1;i:2");
  check_rc(r, "a read fails",
           put(r, "SELECT conform_none FROM conform_t", NULL, 0, NULL),
           SQLITE_SCHEMA);
  check_rc(r, "and a write goes on", put_id(r, 3), SQLITE_OK);
  read_one_row(r, r->side->sleep, 100);
  expect_all(r, "and one that is stopped loses nothing", "i:1;i:2;i:3");
  check_rc(r, "another write", put_id(r, 4), SQLITE_OK);
  read_one_row(r,
               "SELECT a.n FROM conform_d a, conform_d b, conform_d c,"
               " conform_d d, conform_d e, conform_d f",
               30000);
  check_rc(r, "and one behind rows that nobody read", put_id(r, 5), SQLITE_OK);
  if (r->side->fail)
    check(r, "a read that fails behind rows",
          put(r, r->side->fail, NULL, 0, NULL) != SQLITE_OK);
  check_rc(r, "takes back nothing",
           put(r, "DELETE FROM conform_t WHERE id > 3", NULL, 0, &changes),
           SQLITE_OK);
  check(r, "of what was written", changes == 2);
  check_rc(r, "an update",
           put(r, params(r, "UPDATE conform_t SET i = $1 WHERE id > 1"), v, 1,
               &changes),
           SQLITE_OK);
  check(r, "tells how many", changes == 2);
  if (!r->dsn.drv->is_file) /* there it is no error */
    check(r, "a value of no number is an error",
          put(r, params(r, "UPDATE conform_t SET i = $1"), &v[1], 1, NULL) !=
            SQLITE_OK);
  check_rc(r, "it commits", end_writes(r), SQLITE_OK);
  reopen(r);
  expect(r, "another session sees it",
         "SELECT id, i FROM conform_t ORDER BY id", NULL, 0,
         "i:1|n;i:2|i:7;i:3|i:7");
}

/* Without a savepoint for each write a failure may end the transaction. */
static inline void t_bare_write(struct run *r)
{
  if (!can_write(r)) return;
  must(r, "DELETE FROM conform_t");
  begin_writes(r);
  r->conn->guard_writes = false;
  expect_all(r, "reads", "");
  for (int i = 1; i < 4; i++)
    check_rc(r, "writes in a row", put_id(r, i), SQLITE_OK);
  expect(r, "what may be a read", "WITH c AS (SELECT 1 AS n) SELECT n FROM c",
         NULL, 0, "i:1");
  check(r, "a read that fails",
        put(r, "WITH c AS (SELECT 1 AS n) SELECT conform_none FROM c", NULL, 0,
            NULL) != SQLITE_OK);
  check_rc(r, "and a write", put_id(r, 4), SQLITE_OK);
  check_rc(r, "it commits", end_writes(r), SQLITE_OK);
  expect_all(r, "all is there", "i:1;i:2;i:3;i:4");
  begin_writes(r);
  r->conn->guard_writes = false;
  put_id(r, 5);
  check(r, "a write that fails", put_id(r, 1) != SQLITE_OK);
  start(r);
  check_rc(r, "rolls back", fed_conn_rollback(r->conn, &r->wait, &r->err),
           SQLITE_OK);
  expect_all(r, "with nothing of it", "i:1;i:2;i:3;i:4");
}

static inline void t_returning(struct run *r)
{
  struct fed_value v = fed_value_int(5);
  const char *sql =
    params(r, "INSERT INTO conform_t(id) VALUES ($1) RETURNING id, i");

  if (!can_write(r)) return;
  if (!r->dialect->returning) {
    skip(r, "RETURNING", "not here");
    return;
  }
  must(r, "DELETE FROM conform_t");
  begin_writes(r);
  expect(r, "an insert that returns", sql, &v, 1, "i:5|n");
  check(r, "fails as others do", put(r, sql, &v, 1, NULL) != SQLITE_OK);
  v.i = 6;
  expect(r, "and goes on", sql, &v, 1, "i:6|n");
  check_rc(r, "commits", end_writes(r), SQLITE_OK);
  expect_all(r, "what is left", "i:5;i:6");
}

/* Rows locked, then changed; reads before, between and behind. */
static inline void t_locks(struct run *r)
{
  static const enum fed_class want[] = {FED_CLASS_INT};
  struct fed_str out;
  char sql[100];
  int rc;

  if (!can_write(r)) return;
  must(r, "DELETE FROM conform_t");
  insert(r, 1);
  insert(r, 2);
  begin_writes(r);
  expect_all(r, "reads", "i:1;i:2");
  snprintf(sql, sizeof sql, "SELECT id FROM conform_t WHERE id < 2%s",
           r->dialect->lock);
  fed_str_init(&out, 100);
  for (int i = 0; i < 2; i++) {
    fed_str_reset(&out);
    rc = rows(r, sql, NULL, 0, r->dialect->arrays ? want : NULL,
              r->dialect->arrays, &out);
    check_rc(r, "locks", rc, SQLITE_OK);
    check_text(r, "and reads", out.s, "i:1");
  }
  expect_all(r, "reads on", "i:1;i:2");
  check_rc(r, "and writes", put_id(r, 3), SQLITE_OK);
  check_rc(r, "a level", fed_conn_savepoint(r->conn, 1, &r->wait, &r->err),
           SQLITE_OK);
  rows(r, sql, NULL, 0, r->dialect->arrays ? want : NULL, r->dialect->arrays,
       &out);
  put_id(r, 4);
  expect_all(r, "in it", "i:1;i:2;i:3;i:4");
  check_rc(r, "back", fed_conn_rollback_to(r->conn, 1, &r->wait, &r->err),
           SQLITE_OK);
  expect_all(r, "undoes only that", "i:1;i:2;i:3");
  check_rc(r, "release", fed_conn_release(r->conn, 1, &r->wait, &r->err),
           SQLITE_OK);
  check_rc(r, "it commits", end_writes(r), SQLITE_OK);
  expect_all(r, "what is left", "i:1;i:2;i:3");
  fed_str_release(&out);
}

/* ---- many --------------------------------------------------------------- */

static bool late; /* the user gives up as soon as it can be */

static inline int put_many(struct run *r, const char *sql, int n, int odd,
                           int64_t value, int *done)
{
  struct fed_value *v = calloc((size_t)n, sizeof *v);
  struct fed_stmt *stmt;
  int rc;

  for (int i = 0; i < n; i++)
    v[i] = fed_value_int(i == odd ? value : i);
  start(r);
  rc = get(r, sql, NULL, 0, &stmt);
  if (late) r->wait.interrupted = yes;
  if (rc == SQLITE_OK) {
    rc = fed_stmt_execute_many(stmt, v, 1, n, done, &r->wait, &r->err);
    fed_stmt_put(stmt, true, &r->wait);
  }
  free(v);
  return rc;
}

static inline void t_many(struct run *r)
{
  const char *add = params(r, "INSERT INTO conform_t(id) VALUES ($1)");
  const char *set = params(r, "UPDATE conform_t SET i = 1 WHERE id = $1");
  const char *count = "SELECT count(*) FROM conform_t";
  int done = -2;

  if (!can_write(r)) return;
  must(r, "DELETE FROM conform_t");
  begin_writes(r);
  check_rc(r, "many rows", put_many(r, add, MANY, -1, 0, &done), SQLITE_OK);
  check(r, "are all done", done == MANY);
  expect(r, "and there", count, NULL, 0, "i:1000");
  check_rc(r, "many updates", put_many(r, set, MANY, -1, 0, &done), SQLITE_OK);
  check_rc(r, "of which one changes nothing",
           put_many(r, set, MANY, 500, -1, &done), SQLITE_NOTFOUND);
  check(r, "is told", done == 500 || done == -1);
  must(r, "DELETE FROM conform_t");
  check(r, "many of which one fails",
        (put_many(r, add, MANY, 600, 3, &done) & 0xFF) == SQLITE_CONSTRAINT);
  check(r, "is told", done == 600);
  expect(r, "and all is undone", count, NULL, 0, "i:0");
  late = true;
  check_rc(r, "a user who gives up", put_many(r, add, MANY, -1, 0, &done),
           SQLITE_INTERRUPT);
  late = false;
  if (r->conn->broken) return;
  if (r->conn->ended) { /* SQLite's own: an interrupted write ends it */
    start(r);
    check_rc(r, "rolls back", fed_conn_rollback(r->conn, &r->wait, &r->err),
             SQLITE_OK);
    return;
  }
  expect(r, "has written nothing", count, NULL, 0, "i:0");
  check_rc(r, "and the transaction goes on", put_id(r, 1), SQLITE_OK);
  check_rc(r, "and commits", end_writes(r), SQLITE_OK);
  expect(r, "what is left", count, NULL, 0, "i:1");
}

/* ---- loads -------------------------------------------------------------- */

/* The relation `table`; its columns are all to be loaded. */
static inline bool load_table(struct run *r, const char *table,
                              struct fed_catalog *cat, int16_t *column)
{
  struct fed_scope scope = {.table = table};

  memset(cat, 0, sizeof *cat);
  start(r);
  if (fed_conn_catalog(r->conn, &scope, cat, &r->wait, &r->err) != SQLITE_OK ||
      cat->nrel != 1)
    return false;
  for (int i = 0; i < cat->rel[0].ncol; i++)
    column[i] = (int16_t)i;
  return true;
}

/* `n` rows (number, *v), of which row `odd` is *w; then the end. */
static inline int load_rows(struct run *r, const struct fed_relation *rel,
                            const int16_t *column, int n,
                            const struct fed_value *v, int odd,
                            const struct fed_value *w)
{
  int rc = fed_conn_load_begin(r->conn, rel, column, 2, &r->wait, &r->err);

  for (int i = 1; rc == SQLITE_OK && i <= n; i++) {
    struct fed_value row[2] = {fed_value_int(i), i == odd ? *w : *v};

    rc = fed_conn_load_row(r->conn, row, &r->wait, &r->err);
  }
  return rc == SQLITE_OK ? fed_conn_load_end(r->conn, true, &r->wait, &r->err)
                         : rc;
}

/* A value read from the server, loaded many times, equals itself there. */
static inline void load_kind(struct run *r, const struct kind *kind)
{
  struct fed_value null = fed_value_null();
  struct fed_catalog cat;
  struct fed_stmt *stmt;
  int16_t column[2];
  char sql[200];
  int rc;

  /* There a column holds any value, and a reader keeps COMMIT waiting. */
  if (r->dsn.drv->is_file) return;
  snprintf(sql, sizeof sql, "CREATE TABLE conform_l (n integer, v %s)",
           kind->type);
  must(r, sql);
  snprintf(sql, sizeof sql, "INSERT INTO conform_l VALUES (0, %s)",
           kind->literal);
  must(r, sql);
  check(r, kind->type, load_table(r, "conform_l", &cat, column));
  start(r);
  snprintf(sql, sizeof sql, "SELECT v FROM conform_l");
  rc = get(r, sql, NULL, 0, &stmt);
  if (rc == SQLITE_OK) rc = fed_stmt_execute(stmt, NULL, 0, &r->wait, &r->err);
  if (rc == SQLITE_OK) rc = fed_stmt_step(stmt, &r->wait, &r->err);
  check_rc(r, kind->type, rc, SQLITE_ROW);
  if (rc == SQLITE_ROW) {
    struct fed_conn *reader = r->conn;

    /* The value is the statement's, which must not be reset before the end. */
    r->conn = NULL;
    reopen(r);
    begin_writes(r);
    check_rc(r, kind->type,
             load_rows(r, cat.rel, column, LOAD, &stmt->row[0], 5000, &null),
             SQLITE_OK);
    check_rc(r, "is kept", end_writes(r), SQLITE_OK);
    fed_stmt_put(stmt, false, &r->wait);
    fed_conn_close(reader);
    expect(r, "and complete", "SELECT count(*) FROM conform_l", NULL, 0,
           "i:10001");
    expect(r, "and equal",
           "SELECT count(*) FROM conform_l a, conform_l b"
           " WHERE a.n = 0 AND a.v = b.v",
           NULL, 0, strcmp(kind->shown, "n") == 0 ? "i:1" : "i:10000");
    expect(r, "but for NULL",
           "SELECT n FROM conform_l WHERE v IS NULL"
           " AND n = 5000",
           NULL, 0, "i:5000");
  }
  fed_catalog_release(&cat);
  must(r, "DROP TABLE conform_l");
}

static inline void t_load(struct run *r)
{
  if (!can_write(r)) return;
  exec(r, "DROP TABLE conform_l");
  for (const struct kind *kind = r->side->kinds; kind->type; kind++)
    load_kind(r, kind);
}

/* What a load must not survive; the transaction behind a savepoint does. */
/* long: one transaction after the other, each for one failure */
static inline void t_load_fails(struct run *r)
{
  struct fed_value v = fed_value_cstr("v"), null = fed_value_null();
  struct fed_catalog cat;
  struct fed_value row[2] = {fed_value_int(1), v};
  int16_t column[2];
  char sql[200];

  if (!can_write(r)) return;
  exec(r, "DROP TABLE conform_l");
  snprintf(sql, sizeof sql,
           "CREATE TABLE conform_l (n integer, v varchar(9) NOT NULL)");
  must(r, sql);
  must(r, "DELETE FROM conform_t");
  check(r, "a table", load_table(r, "conform_l", &cat, column));
  begin_writes(r);
  put_id(r, 1);
  fed_conn_savepoint(r->conn, 1, &r->wait, &r->err);
  start(r);
  check(r, "a row that may not be",
        (load_rows(r, cat.rel, column, LOAD, &v, 7000, &null) & 0xFF) ==
          SQLITE_CONSTRAINT);
  check(r, "is told", strncmp(r->err.msg, "row 7000: ", 10) == 0);
  start(r);
  check_rc(r, "back", fed_conn_rollback_to(r->conn, 1, &r->wait, &r->err),
           SQLITE_OK);
  check_rc(r, "begin a load",
           fed_conn_load_begin(r->conn, cat.rel, column, 2, &r->wait, &r->err),
           SQLITE_OK);
  row[0] = fed_value_int(INT64_MAX);
  if (r->dsn.drv->is_file) { /* there it is none */
    fed_conn_load_end(r->conn, false, &r->wait, &r->err);
  } else {
    check(r, "a value out of range",
          fed_conn_load_row(r->conn, row, &r->wait, &r->err) != SQLITE_OK ||
            fed_conn_load_end(r->conn, true, &r->wait, &r->err) != SQLITE_OK);
    check(r, "is told", strncmp(r->err.msg, "row 1: ", 7) == 0);
  }
  start(r);
  fed_conn_rollback_to(r->conn, 1, &r->wait, &r->err);
  row[0] = fed_value_int(1);
  fed_conn_load_begin(r->conn, cat.rel, column, 2, &r->wait, &r->err);
  fed_conn_load_row(r->conn, row, &r->wait, &r->err);
  check_rc(r, "a load given up",
           fed_conn_load_end(r->conn, false, &r->wait, &r->err), SQLITE_OK);
  fed_conn_rollback_to(r->conn, 1, &r->wait, &r->err);
  expect_all(r, "what was before stays", "i:1");
  start(r);
  check_rc(r, "no load is open",
           fed_conn_load_row(r->conn, row, &r->wait, &r->err), SQLITE_MISUSE);
  start(r);
  check_rc(r, "and commits", end_writes(r), SQLITE_OK);
  begin_writes(r);
  fed_conn_load_begin(r->conn, cat.rel, column, 2, &r->wait, &r->err);
  fed_conn_load_row(r->conn, row, &r->wait, &r->err);
  check_rc(r, "rollback of an open load",
           fed_conn_rollback(r->conn, &r->wait, &r->err), SQLITE_OK);
  check(r, "leaves it clean",
        fed_conn_health(r->conn, true) == FED_HEALTH_CLEAN);
  expect(r, "and nothing is there", "SELECT count(*) FROM conform_l", NULL, 0,
         "i:0");
  must(r, "DROP TABLE conform_l");
  fed_catalog_release(&cat);
}

/* Values of many megabytes, and texts with all that could end a field. */
static inline void t_load_big(struct run *r)
{
  static const char odd[] = "a\tb\nc\\d\re\\.\n\\N,\"'x";
  struct fed_value row[2] = {fed_value_int(1), fed_value_null()};
  char *big = malloc(BIG);
  struct fed_catalog cat;
  int16_t column[2];
  struct fed_str out, want;
  char sql[100];

  if (!can_write(r)) {
    free(big);
    return;
  }
  for (int i = 0; i < BIG; i++)
    big[i] = (char)('a' + i % 23);
  exec(r, "DROP TABLE conform_l");
  snprintf(sql, sizeof sql, "CREATE TABLE conform_l (n integer, v %s)",
           r->side->text);
  must(r, sql);
  check(r, "a table", load_table(r, "conform_l", &cat, column));
  begin_writes(r);
  check_rc(r, "begin",
           fed_conn_load_begin(r->conn, cat.rel, column, 2, &r->wait, &r->err),
           SQLITE_OK);
  row[1] = fed_value_text(big, BIG);
  check_rc(r, "a big value", fed_conn_load_row(r->conn, row, &r->wait, &r->err),
           SQLITE_OK);
  row[0] = fed_value_int(2);
  row[1] = fed_value_cstr(odd);
  check_rc(r, "an odd one", fed_conn_load_row(r->conn, row, &r->wait, &r->err),
           SQLITE_OK);
  check_rc(r, "end", fed_conn_load_end(r->conn, true, &r->wait, &r->err),
           SQLITE_OK);
  check_rc(r, "commit", end_writes(r), SQLITE_OK);
  fed_str_init(&out, 4 * BIG);
  fed_str_init(&want, 4 * BIG);
  fed_str_add(&want, "t:");
  fed_str_addn(&want, big, BIG);
  fed_str_addf(&want, ";t:%s", odd);
  rows(r, "SELECT v FROM conform_l ORDER BY n", NULL, 0, NULL, 0, &out);
  check(r, "come back as they were", strcmp(out.s, want.s) == 0);
  fed_str_release(&out);
  fed_str_release(&want);
  must(r, "DROP TABLE conform_l");
  fed_catalog_release(&cat);
  free(big);
}

#endif
