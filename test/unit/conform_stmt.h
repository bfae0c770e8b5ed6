/* conform_stmt.h: statements, values, results and column classes. */
#ifndef FED_TEST_CONFORM_STMT_H
#define FED_TEST_CONFORM_STMT_H

#include "test/unit/conform.h"

/* ---- statements --------------------------------------------------------- */

static inline void make_tables(struct run *r)
{
  static const char *const names[] = {"t", "d", "k", "u", "a", "n", "w"};
  char sql[400];

  exec(r, "DROP VIEW IF EXISTS conform_v");
  for (size_t i = 0; i < FED_LEN(names); i++) {
    snprintf(sql, sizeof sql, "DROP TABLE IF EXISTS conform_%s", names[i]);
    must(r, sql);
  }
  snprintf(sql, sizeof sql,
           "CREATE TABLE conform_t (id integer NOT NULL PRIMARY KEY, i bigint,"
           " r %s, t %s, b %s)",
           r->side->real, r->side->text, r->side->blob);
  must(r, sql);
  must(r, "CREATE TABLE conform_d (n integer)");
  must(r, "INSERT INTO conform_d VALUES (0),(1),(2),(3),(4),(5),(6),(7),(8),"
          "(9)");
}

static inline void t_exec(struct run *r)
{
  check_rc(r, "exec", exec(r, "INSERT INTO conform_t(id) VALUES (1)"),
           SQLITE_OK);
  check_rc(r, "a missing table is SQLITE_SCHEMA",
           exec(r, "DELETE FROM conform_none"), SQLITE_SCHEMA);
  check(r, "with the server's code",
        *r->side->state ? strcmp(r->err.sqlstate, r->side->state) == 0
                        : r->err.native != 0);
  check(r, "that stands in the message too",
        strstr(r->err.msg, *r->side->state ? r->side->state : "rror"));
  check(r, "and names the table", strstr(r->err.msg, "conform_none"));
  check(r, "a syntax error is an error", exec(r, "SELEKT 1") != SQLITE_OK);
  check(r, "after which the connection works", healthy(r));
  check(r, "a duplicate key is an error",
        exec(r, "INSERT INTO conform_t(id) VALUES (1)") != SQLITE_OK);
  check_rc(r, "exec may give rows", exec(r, "SELECT 1"), SQLITE_OK);
  check_rc(r, "exec again", exec(r, "DELETE FROM conform_t"), SQLITE_OK);
}

static inline void t_values(struct run *r)
{
  static const char bytes[] = {0, 1, (char)255, 'x', 0};
  const char *insert = params(r, "INSERT INTO conform_t VALUES"
                                 " ($1, $2, $3, $4, $5)");
  const char *select = params(r, "SELECT i, r, t, b FROM conform_t"
                                 " WHERE id = $1");
  struct fed_value v[5] = {fed_value_int(1), fed_value_int(INT64_MIN),
                           fed_value_real(0.1), fed_value_text("grüße!", 7),
                           fed_value_blob(bytes, 5)};

  must(r, "DELETE FROM conform_t");
  expect(r, "bind every type", insert, v, 5, "");
  expect(r, "and read it back", select, v, 1,
         "i:-9223372036854775808|r:0.10000000000000001|t:grüße|"
         "b:0001ff7800");
  v[0] = fed_value_int(2);
  v[1] = fed_value_int(INT64_MAX);
  v[2] = fed_value_real(-1.7976931348623157e308);
  v[3] = fed_value_cstr("");
  v[4] = fed_value_blob(NULL, 0);
  expect(r, "bind limits and empty values", insert, v, 5, "");
  expect(r, "and read them back", select, v, 1,
         "i:9223372036854775807|r:-1.7976931348623157e+308|t:|b:");
  v[0] = fed_value_int(3);
  v[1] = v[2] = v[3] = v[4] = fed_value_null();
  expect(r, "bind NULLs", insert, v, 5, "");
  expect(r, "and read them back", select, v, 1, "n|n|n|n");
  v[0] = fed_value_int(4);
  v[2] = fed_value_real(5e-324);
  v[3] = fed_value_cstr("it's \"q\" \\ % \n\t");
  expect(r, "bind a denormal and odd characters", insert, v, 5, "");
  expect(r, "and read them back", select, v, 1,
         "n|r:4.9406564584124654e-324|t:it's \"q\" \\ % \n\t|n");
  expect(r, "several rows in order",
         "SELECT id FROM conform_t ORDER BY id DESC", NULL, 0,
         "i:4;i:3;i:2;i:1");
  expect(r, "an empty result", "SELECT id, t FROM conform_t WHERE id < 0", NULL,
         0, "");
}

static inline void t_nul(struct run *r)
{
  struct fed_value v[2] = {fed_value_int(5), fed_value_text("a\0b", 3)};
  const char *sql = params(r, "INSERT INTO conform_t(id, t) VALUES ($1, $2)");
  struct fed_str out;
  int rc;

  fed_str_init(&out, 1000);
  rc = rows(r, sql, v, 2, NULL, 0, &out);
  if (strcmp(r->side->driver, "pg") == 0) {
    check(r, "NUL in text is refused", rc != SQLITE_OK);
    check(r, "and named", strstr(r->err.msg, "NUL") != NULL);
    check(r, "before sending", healthy(r));
  } else {
    check_rc(r, "NUL in text is kept", rc, SQLITE_OK);
    fed_str_reset(&out);
    rows(r, "SELECT length(t) FROM conform_t WHERE id = 5", NULL, 0, NULL, 0,
         &out);
    check(r, "or cut at most where the server counts", out.len > 0);
  }
  fed_str_release(&out);
}

/* Does `sql` give one row with `want` as its only value? */
static inline bool gives(struct run *r, const char *sql, const char *want,
                         int64_t size)
{
  struct fed_stmt *stmt = NULL;
  bool same = false;
  int rc;

  start(r);
  rc = get(r, sql, NULL, 0, &stmt);
  if (rc == SQLITE_OK) rc = fed_stmt_execute(stmt, NULL, 0, &r->wait, &r->err);
  if (rc == SQLITE_OK) rc = fed_stmt_step(stmt, &r->wait, &r->err);
  if (rc == SQLITE_ROW)
    same = stmt->row[0].size == size &&
           memcmp(stmt->row[0].p, want, (size_t)size) == 0;
  fed_stmt_put(stmt, false, &r->wait);
  return same;
}

/* One value at a time: MySQL's max_allowed_packet bounds a row. */
static inline void t_big(struct run *r)
{
  const char *insert =
    params(r, "INSERT INTO conform_t(id, t) VALUES ($1, $2)");
  const char *update = params(r, "UPDATE conform_t SET b = $1 WHERE id = 100");
  char *big = malloc(BIG + 1);
  struct fed_value text[2] = {fed_value_int(100), fed_value_text(big, BIG)};
  struct fed_value blob = fed_value_blob(big, BIG);

  for (int i = 0; i < BIG; i++)
    big[i] = (char)('a' + i % 23);
  big[BIG] = 0;
  expect(r, "10 MB of text go out", insert, text, 2, "");
  check(r, "and come back whole",
        gives(r, "SELECT t FROM conform_t WHERE id = 100", big, BIG));
  expect(r, "10 MB of blob go out", update, &blob, 1, "");
  check(r, "and come back whole",
        gives(r, "SELECT b FROM conform_t WHERE id = 100", big, BIG));
  must(r, "DELETE FROM conform_t WHERE id = 100");
  free(big);
}

static inline void t_wide(struct run *r)
{
  struct fed_str sql, want;

  fed_str_init(&sql, FED_STR_SQL);
  fed_str_init(&want, FED_STR_SQL);
  fed_str_add(&sql, "SELECT 0");
  fed_str_add(&want, "i:0");
  for (int i = 1; i < 1000; i++) {
    fed_str_addf(&sql, ", %d", i);
    fed_str_addf(&want, "|i:%d", i);
  }
  expect(r, "1000 columns", sql.s, NULL, 0, want.s);
  fed_str_release(&sql);
  fed_str_release(&want);
}

/* Column i is NULL in row i % 10, else it holds the row's number. */
static inline void t_nulls(struct run *r)
{
  struct fed_str sql, want;

  fed_str_init(&sql, FED_STR_SQL);
  fed_str_init(&want, FED_STR_SQL);
  fed_str_add(&sql, "SELECT n");
  for (int i = 0; i < 500; i++)
    fed_str_addf(&sql, ", nullif(n, %d)", i % 10);
  fed_str_add(&sql, " FROM conform_d ORDER BY n");
  for (int n = 0; n < 10; n++) {
    fed_str_addf(&want, "%si:%d", n ? ";" : "", n);
    for (int i = 0; i < 500; i++)
      if (i % 10 == n)
        fed_str_add(&want, "|n");
      else
        fed_str_addf(&want, "|i:%d", n);
  }
  expect(r, "NULL in any column", sql.s, NULL, 0, want.s);
  fed_str_release(&sql);
  fed_str_release(&want);
}

/* A text of `n` times the same character? */
static inline bool is_filled(const struct fed_value *v, char c, int64_t n)
{
  int64_t i = 0;

  if (v->type != FED_TEXT || v->size != n) return false;
  while (i < n && v->p[i] == c)
    i++;
  return i == n;
}

/* Three texts of `n` characters together, and a small row behind them. */
static inline bool comes_whole(struct run *r, int n)
{
  struct fed_stmt *stmt = NULL;
  int third = n / 3, rest = n - 2 * third;
  bool whole;
  char sql[200];

  snprintf(sql, sizeof sql,
           "SELECT 1 AS n, repeat('a', %d) AS a, repeat('b', %d) AS b,"
           " repeat('c', %d) AS c UNION ALL SELECT 2, 'x', NULL, 'z'",
           third, third, rest);
  start(r);
  if (fed_stmt_get(r->conn, sql, NULL, 0, false, &stmt, &r->wait, &r->err) !=
      SQLITE_OK)
    return false;
  whole = fed_stmt_execute(stmt, NULL, 0, &r->wait, &r->err) == SQLITE_OK &&
          fed_stmt_step(stmt, &r->wait, &r->err) == SQLITE_ROW &&
          stmt->row[0].i == 1 && is_filled(&stmt->row[1], 'a', third) &&
          is_filled(&stmt->row[2], 'b', third) &&
          is_filled(&stmt->row[3], 'c', rest) &&
          fed_stmt_step(stmt, &r->wait, &r->err) == SQLITE_ROW &&
          stmt->row[0].i == 2 && is_filled(&stmt->row[1], 'x', 1) &&
          stmt->row[2].type == FED_NULL && is_filled(&stmt->row[3], 'z', 1) &&
          fed_stmt_step(stmt, &r->wait, &r->err) == SQLITE_DONE;
  fed_stmt_put(stmt, true, &r->wait);
  return whole;
}

/*
 * MySQL's packets hold 2^24-1 bytes; a row that ends with one is followed by
 * an empty one. Here a row has 18 bytes beside its texts, or 22 where the
 * number has 8.
 */
static inline void t_packets(struct run *r)
{
  static const int beside[] = {22, 19, 18, 17};
  const int packet = 0xffffff;

  if (strcmp(r->side->driver, "sqlite") == 0) return;
  for (size_t i = 0; i < FED_LEN(beside); i++)
    check(r, "a row as long as a packet", comes_whole(r, packet - beside[i]));
  check(r, "a row as long as two", comes_whole(r, 2 * packet - 18));
  check(r, "and the connection works", healthy(r));
}

static inline void check_changes(struct run *r, const char *name,
                                 const char *sql, int64_t want)
{
  struct fed_stmt *stmt = NULL;
  int64_t changes = -1;

  start(r);
  if (get(r, sql, NULL, 0, &stmt) == SQLITE_OK) {
    fed_stmt_execute(stmt, NULL, 0, &r->wait, &r->err);
    while (fed_stmt_step(stmt, &r->wait, &r->err) == SQLITE_ROW)
      continue;
    changes = stmt->changes;
    check(r, "step after the end says the end again",
          fed_stmt_step(stmt, &r->wait, &r->err) == SQLITE_DONE);
  }
  fed_stmt_put(stmt, true, &r->wait);
  check(r, name, changes == want);
}

static inline void t_changes(struct run *r)
{
  must(r, "DELETE FROM conform_t");
  check_changes(r, "changes of INSERT",
                "INSERT INTO conform_t(id) VALUES (1), (2), (3)", 3);
  check_changes(r, "changes of UPDATE to the same value",
                "UPDATE conform_t SET i = NULL WHERE id > 1", 2);
  check_changes(r, "changes of DELETE", "DELETE FROM conform_t WHERE id = 9",
                0);
  check_changes(r, "SELECT changes nothing", "SELECT * FROM conform_t", 0);
}

#define FAR                                                                    \
  "SELECT a.n + 10*b.n + 100*c.n + 1000*d.n + 10000*e.n FROM conform_d a,"     \
  " conform_d b, conform_d c, conform_d d, conform_d e, conform_d f"           \
  " WHERE f.n < 2"

static inline void t_reset(struct run *r)
{
  struct fed_stmt *stmt = NULL;
  int64_t began = fed_clock_ms();
  int n = 0, rc;

  start(r);
  rc = get(r, FAR, NULL, 0, &stmt);
  if (rc == SQLITE_OK) rc = fed_stmt_execute(stmt, NULL, 0, &r->wait, &r->err);
  while (rc == SQLITE_OK &&
         fed_stmt_step(stmt, &r->wait, &r->err) == SQLITE_ROW)
    n++;
  check(r, "200000 rows are read", n == 200000);
  check_rc(r, "execute without reset is a mistake",
           stmt ? fed_stmt_execute(stmt, NULL, 0, &r->wait, &r->err)
                : SQLITE_OK,
           SQLITE_MISUSE);
  fed_stmt_put(stmt, true, &r->wait);
  start(r);
  get(r, FAR, NULL, 0, &stmt);
  for (int i = 0; i < 3; i++) {
    rc = fed_stmt_execute(stmt, NULL, 0, &r->wait, &r->err);
    if (rc == SQLITE_OK) rc = fed_stmt_step(stmt, &r->wait, &r->err);
    check_rc(r, "the first of many rows", rc, SQLITE_ROW);
    check_rc(r, "is reset", r->conn->drv->stmt_reset(stmt, &r->wait, &r->err),
             SQLITE_OK);
  }
  fed_stmt_put(stmt, true, &r->wait);
  check(r, "and the connection works", healthy(r));
  check(r, "in reasonable time", fed_clock_ms() - began < 15000);
}

/* The same inside a transaction, which must survive it. */
static inline void t_reset_tx(struct run *r)
{
  struct fed_begin opts = {.read_only = false};
  struct fed_stmt *stmt = NULL;

  must(r, "DELETE FROM conform_t");
  start(r);
  fed_conn_begin(r->conn, &opts, &r->wait, &r->err);
  must(r, "INSERT INTO conform_t(id) VALUES (77)");
  for (int i = 0; i < 3; i++) {
    start(r);
    get(r, FAR, NULL, 0, &stmt);
    fed_stmt_execute(stmt, NULL, 0, &r->wait, &r->err);
    fed_stmt_step(stmt, &r->wait, &r->err);
    fed_stmt_put(stmt, true, &r->wait);
  }
  check_rc(r, "commit after results given up",
           fed_conn_commit(r->conn, &r->wait, &r->err), SQLITE_OK);
  expect(r, "keeps what was written", "SELECT id FROM conform_t", NULL, 0,
         "i:77");
  opts.read_only = (r->conn->caps & FED_CAP_READONLY) != 0;
  start(r);
  fed_conn_begin(r->conn, &opts, &r->wait, &r->err);
  get(r, FAR, NULL, 0, &stmt);
  fed_stmt_execute(stmt, NULL, 0, &r->wait, &r->err);
  fed_stmt_step(stmt, &r->wait, &r->err);
  fed_stmt_put(stmt, true, &r->wait);
  check_rc(r, "rollback over a result given up",
           fed_conn_rollback(r->conn, &r->wait, &r->err), SQLITE_OK);
  check(r, "leaves the connection clean",
        fed_conn_health(r->conn, true) == FED_HEALTH_CLEAN);
}

static inline void t_cache(struct run *r)
{
  struct fed_stmt *one = NULL, *two = NULL;
  char sql[40];
  int bad = 0;

  start(r);
  get(r, "SELECT 7", NULL, 0, &one);
  fed_stmt_put(one, true, &r->wait);
  get(r, "SELECT 7", NULL, 0, &two);
  check(r, "a statement put back is got again", one && one == two);
  get(r, "SELECT 7", NULL, 0, &one);
  check(r, "a lent one is not lent twice", one && one != two);
  fed_stmt_put(one, false, &r->wait);
  fed_stmt_put(two, true, &r->wait);
  for (int i = 0; i < 3 * FED_STMTS_MAX; i++) {
    struct fed_str out;

    snprintf(sql, sizeof sql, "SELECT %d", i);
    fed_str_init(&out, 100);
    bad +=
      rows(r, sql, NULL, 0, NULL, 0, &out) != SQLITE_OK || atoi(out.s + 2) != i;
    fed_str_release(&out);
  }
  check(r, "more statements than are kept", bad == 0);
  check(r, "the cache stays in its limit", r->conn->nstmts <= FED_STMTS_MAX);
}

/* ---- column classes ----------------------------------------------------- */

/* SELECT every column of `rel` as the dialect wants, ordered by the first. */
static inline int read_relation(struct run *r, const struct fed_relation *rel,
                                struct fed_str *out)
{
  enum fed_class want[64];
  struct fed_str sql;
  int rc;

  fed_str_init(&sql, FED_STR_SQL);
  fed_str_add(&sql, "SELECT ");
  for (int i = 0; i < rel->ncol && i < 64; i++) {
    if (i > 0) fed_str_add(&sql, ", ");
    fed_dialect_column(r->dialect, &sql, &rel->col[i]);
    want[i] = rel->col[i].class;
  }
  fed_str_add(&sql, " FROM ");
  fed_dialect_relation(r->dialect, &sql, rel);
  fed_str_add(&sql, " ORDER BY 1");
  rc = rows(r, sql.s, NULL, 0, want, rel->ncol, out);
  fed_str_release(&sql);
  return rc;
}

static inline void make_kinds(struct run *r)
{
  struct fed_str sql;

  fed_str_init(&sql, FED_STR_SQL);
  fed_str_add(&sql, "CREATE TABLE conform_k (id integer NOT NULL PRIMARY KEY");
  for (int i = 0; r->side->kinds[i].type; i++)
    fed_str_addf(&sql, ", c%d %s", i, r->side->kinds[i].type);
  fed_str_addc(&sql, ')');
  must(r, sql.s);
  fed_str_reset(&sql);
  fed_str_add(&sql, "INSERT INTO conform_k VALUES (1");
  for (int i = 0; r->side->kinds[i].type; i++)
    fed_str_addf(&sql, ", %s", r->side->kinds[i].literal);
  fed_str_addc(&sql, ')');
  must(r, sql.s);
  must(r, "INSERT INTO conform_k(id) VALUES (2)");
  fed_str_release(&sql);
}

/* The piece of `s` between the n-th '|' and the next. */
static const char *piece(char *buf, size_t size, const char *s, int n)
{
  for (; n > 0 && s; n--) {
    s = strchr(s, '|');
    if (s) s++;
  }
  snprintf(buf, size, "%.*s", s ? (int)strcspn(s, "|;") : 0, s ? s : "");
  return buf;
}

static inline void check_kinds(struct run *r, const char *how, const char *got,
                               bool decide)
{
  char name[160], buf[200];

  for (int i = 0; r->side->kinds[i].type; i++) {
    const struct kind *k = &r->side->kinds[i];

    if (!decide && k->class == FED_CLASS_OTHER) continue;
    snprintf(name, sizeof name, "%s %s of %s", how, k->type, k->literal);
    check_text(r, name, piece(buf, sizeof buf, got, i + 1), k->shown);
  }
}

static inline void t_classes(struct run *r)
{
  struct fed_catalog cat = {0};
  struct fed_scope scope = {NULL, "conform_k"};
  struct fed_str out;
  const char *second;
  int wrong = 0, nulls = 0;

  must(r, "DROP TABLE IF EXISTS conform_k");
  make_kinds(r);
  start(r);
  check_rc(r, "catalog of one table",
           fed_conn_catalog(r->conn, &scope, &cat, &r->wait, &r->err),
           SQLITE_OK);
  if (cat.nrel != 1) {
    check(r, "gives that table", false);
    fed_catalog_release(&cat);
    return;
  }
  for (int i = 0; r->side->kinds[i].type; i++) {
    bool ok = i + 1 < cat.rel[0].ncol &&
              cat.rel[0].col[i + 1].class == r->side->kinds[i].class;

    if (!ok) printf("# %s: another class\n", r->side->kinds[i].type);
    wrong += !ok;
  }
  check(r, "with the class of every type", wrong == 0);
  fed_str_init(&out, FED_STR_SQL);
  check_rc(r, "its rows by class", read_relation(r, &cat.rel[0], &out),
           SQLITE_OK);
  check_kinds(r, "by class", out.s, true);
  second = strchr(out.s, ';');
  for (const char *p = second; p && *p; p++)
    nulls += *p == 'n';
  check(r, "NULL of every class", second && nulls == cat.rel[0].ncol - 1);
  fed_str_reset(&out);
  rows(r, "SELECT * FROM conform_k ORDER BY 1", NULL, 0, NULL, 0, &out);
  check_kinds(r, "as it comes", out.s, false);
  fed_str_release(&out);
  fed_catalog_release(&cat);
}

static inline void t_mismatch(struct run *r)
{
  static const enum fed_class real[] = {FED_CLASS_REAL, FED_CLASS_REAL};
  static const enum fed_class integer[] = {FED_CLASS_INT};
  struct fed_stmt *stmt = NULL;
  struct fed_str out;
  int rc;

  fed_str_init(&out, 1000);
  if (r->dsn.drv->is_file) {
    skip(r, "class mismatch", "its columns hold any class");
    goto count;
  }
  must(r, "DROP TABLE IF EXISTS conform_a");
  must(r, "CREATE TABLE conform_a (id integer, v integer)");
  must(r, "INSERT INTO conform_a VALUES (1, 2)");
  check_rc(r, "an integer wanted as REAL is SQLITE_SCHEMA",
           rows(r, "SELECT v FROM conform_a", NULL, 0, real, 1, &out),
           SQLITE_SCHEMA);
  check(r, "that names the column", strstr(r->err.msg, "'v'") != NULL);
  check(r, "after which the connection works", healthy(r));
  start(r);
  get(r, "SELECT v FROM conform_a", integer, 1, &stmt);
  fed_str_reset(&out);
  run_stmt(r, stmt, NULL, 0, &out);
  r->conn->drv->stmt_reset(stmt, &r->wait, &r->err);
  check_text(r, "prepared before an ALTER", out.s, "i:2");
  must(r, r->side->alter);
  start(r);
  rc = run_stmt(r, stmt, NULL, 0, &out);
  check_rc(r, "executed after it is SQLITE_SCHEMA", rc, SQLITE_SCHEMA);
  start(r);
  fed_stmt_put(stmt, false, &r->wait);
  check(r, "after which the connection works", healthy(r));
count:
  must(r, "DELETE FROM conform_t");
  check_rc(r, "fewer columns than wanted is SQLITE_SCHEMA",
           rows(r, "SELECT r FROM conform_t", NULL, 0, real, 2, &out),
           SQLITE_SCHEMA);
  check_rc(r, "more columns than wanted is SQLITE_SCHEMA",
           rows(r, "SELECT r, r, r FROM conform_t", NULL, 0, real, 2, &out),
           SQLITE_SCHEMA);
  check(r, "after which the connection works", healthy(r));
  fed_str_release(&out);
}

#endif
