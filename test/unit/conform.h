/*
 * conform.h: what the parts of conform.c share: what differs between servers,
 * and the harness. The code is in headers because each .c file here is a
 * program of its own.
 */
#ifndef FED_TEST_CONFORM_H
#define FED_TEST_CONFORM_H

#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "drv/dialect.h"
#include "drv/drv.h"

#define SECRET "s3cr3t+x"
#define BIG    (10 << 20)

/* ---- what differs between servers ---------------------------------------- */

/* A column type, a literal of it, and what must come out. */
struct kind {
  const char *type, *literal;
  enum fed_class class;
  const char *shown; /* see show() */
};

struct side {
  const char *driver;
  const char *text, *blob, *real;  /* types for anything */
  const char *state;               /* SQLSTATE of a missing table, or "" */
  const char *sleep;               /* a statement of 30 s */
  const char *fail;                /* rows, and an error, or NULL */
  const char *temp;                /* makes session state: conform_temp */
  const char *schema;              /* where conform_* tables are, or NULL */
  const char *bad_key, *bad_value; /* a parameter with an illegal value */
  const char *alter;               /* conform_a.v from integer to text */
  const char *zone;                /* "" or what puts a session elsewhere */
  const struct kind *kinds;
};

/* A macro, so that clang-format does not lay the rows out in columns. */
#define KIND(type, literal, class, shown)                                      \
  {                                                                            \
    type, literal, FED_CLASS_##class, shown                                    \
  }

static const struct kind pg_kinds[] = {
  KIND("smallint", "-32768", INT, "i:-32768"),
  KIND("integer", "2147483647", INT, "i:2147483647"),
  KIND("bigint", "-9223372036854775808", INT, "i:-9223372036854775808"),
  KIND("oid", "4294967295", INT, "i:4294967295"),
  KIND("boolean", "true", BOOL, "i:1"),
  KIND("float8", "0.1", REAL, "r:0.10000000000000001"),
  KIND("float8", "'NaN'", REAL, "n"),
  KIND("float8", "'-Infinity'", REAL, "r:-inf"),
  KIND("real", "0.5", FLOAT4, "r:0.5"),
  KIND("numeric(18,0)", "-999999999999999999", DECINT, "i:-999999999999999999"),
  KIND("numeric(18)", "'NaN'", DECINT, "n"),
  KIND("numeric(15,2)", "9999999999999.99", DECREAL, "r:9999999999999.9902"),
  KIND("numeric(15,15)", "-0.100000000000003", DECREAL, "r:-0.100000000000003"),
  KIND("numeric(5,3)", "0", DECREAL, "r:0"),
  KIND("numeric", "123456789012345678901234567890.0100", DECIMAL,
       "t:123456789012345678901234567890.0100"),
  KIND("numeric", "-0.00001000", DECIMAL, "t:-0.00001000"),
  KIND("numeric", "100000000", DECIMAL, "t:100000000"),
  KIND("numeric", "'NaN'", DECIMAL, "t:NaN"),
  KIND("numeric(19,0)", "1", DECIMAL, "t:1"),
  KIND("numeric(5,-2)", "12345", DECIMAL, "t:12300"),
  KIND("text", "'grüße'", TEXT, "t:grüße"),
  KIND("varchar(9)", "'a b '", TEXT, "t:a b "),
  KIND("name", "'n'", TEXT, "t:n"),
  KIND("char(5)", "'ab'", CHAR, "t:ab"),
  KIND("char(2)", "'cd'", CHAR, "t:cd"),
  KIND("bytea", "'\\x00ff10'", BLOB, "b:00ff10"),
  KIND("date", "'2024-02-29'", DATE, "t:2024-02-29"),
  KIND("date", "'0044-03-15 BC'", DATE, "t:0044-03-15 BC"),
  KIND("date", "'10000-01-01'", DATE, "t:10000-01-01"),
  KIND("date", "'infinity'", DATE, "t:infinity"),
  KIND("time", "'24:00:00'", TIME, "t:24:00:00"),
  KIND("time", "'01:02:03.040'", TIME, "t:01:02:03.04"),
  KIND("timestamp", "'1969-12-31 23:59:59.999999'", TIMESTAMP,
       "t:1969-12-31 23:59:59.999999"),
  KIND("timestamp", "'-infinity'", TIMESTAMP, "t:-infinity"),
  KIND("timestamptz", "'2024-07-01 12:00:00+02'", TIMESTAMPTZ,
       "t:2024-07-01 10:00:00"),
  KIND("uuid", "'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'", UUID,
       "t:a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
  {"jsonb",     "'{\"a\": 1}'", FED_CLASS_OTHER, "t:{\"a\": 1}"},
  {"integer[]", "'{1,2}'",      FED_CLASS_OTHER, "t:{1,2}"     },
  KIND("inet", "'10.0.0.1/8'", OTHER, "t:10.0.0.1/8"),
  KIND("interval", "'1 day 2 hours'", OTHER, "t:1 day 02:00:00"),
  KIND(NULL, NULL, COUNT, NULL),
};

static const struct kind my_kinds[] = {
  KIND("tinyint", "-128", INT, "i:-128"),
  KIND("integer", "2147483647", INT, "i:2147483647"),
  KIND("bigint", "-9223372036854775808", INT, "i:-9223372036854775808"),
  KIND("bigint unsigned", "18446744073709551615", UINT,
       "t:18446744073709551615"),
  KIND("bigint unsigned", "7", UINT, "i:7"),
  KIND("double", "0.1", REAL, "r:0.10000000000000001"),
  KIND("float", "0.5", FLOAT4, "r:0.5"),
  KIND("decimal(18,0)", "-999999999999999999", DECINT, "i:-999999999999999999"),
  KIND("decimal(15,2)", "9999999999999.99", DECREAL, "r:9999999999999.9902"),
  KIND("decimal(30,4)", "12345678901234567890.0100", DECIMAL,
       "t:12345678901234567890.0100"),
  KIND("text", "'grüße'", TEXT, "t:grüße"),
  KIND("varchar(9)", "'a b '", TEXT, "t:a b "),
  KIND("char(5)", "'ab'", CHAR, "t:ab"),
  KIND("varbinary(9)", "x'00ff10'", BLOB, "b:00ff10"),
  KIND("date", "'2024-02-29'", DATE, "t:2024-02-29"),
  KIND("time(3)", "'01:02:03.040'", TIME, "t:01:02:03.04"),
  KIND("datetime(6)", "'2024-12-31 23:59:59.999999'", TIMESTAMP,
       "t:2024-12-31 23:59:59.999999"),
  KIND("datetime", "'2024-12-31 23:59:59'", TIMESTAMP, "t:2024-12-31 23:59:59"),
  KIND("timestamp NULL", "'2024-07-01 10:00:00'", TIMESTAMPTZ,
       "t:2024-07-01 10:00:00"),
  KIND(NULL, NULL, COUNT, NULL),
};

static const struct kind sq_kinds[] = {
  KIND("integer", "-5", ANY, "i:-5"),
  KIND("real", "0.5", ANY, "r:0.5"),
  KIND("text", "'grüße'", ANY, "t:grüße"),
  KIND("blob", "x'00ff10'", ANY, "b:00ff10"),
  KIND("numeric", "'x'", ANY, "t:x"),
  KIND(NULL, NULL, COUNT, NULL),
};

static const struct side pg_side = {
  .driver = "pg",
  .text = "text",
  .blob = "bytea",
  .real = "float8",
  .state = "42P01",
  .sleep = "SELECT count(*) FROM pg_sleep(30)",
  .fail = "SELECT 1 / (150000 - n) FROM generate_series(0, 200000) AS n",
  .temp = "CREATE TEMP TABLE conform_temp (a int)",
  .schema = "public",
  .bad_key = "sslmode",
  .bad_value = "sometimes",
  .alter = "ALTER TABLE conform_a ALTER v TYPE text",
  .zone = "SET TimeZone = 'America/New_York'",
  .kinds = pg_kinds,
};

static const struct side my_side = {
  .driver = "mysql",
  .text = "longtext",
  .blob = "longblob",
  .real = "double",
  .state = "42S02",
  .sleep = "SELECT SLEEP(30)",
  .temp = "CREATE TEMPORARY TABLE conform_temp (a int)",
  .bad_key = "port",
  .bad_value = "many",
  .alter = "ALTER TABLE conform_a MODIFY v text",
  .zone = "SET time_zone = '-05:00'",
  .kinds = my_kinds,
};

static const struct side sq_side = {
  .driver = "sqlite",
  .text = "text",
  .blob = "blob",
  .real = "real",
  .state = "",
  .sleep = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c"
           " WHERE n < 1000000000000) SELECT count(*) FROM c",
  .temp = "CREATE TEMP TABLE conform_temp (a int)",
  .schema = "main",
  .bad_key = "busy_timeout",
  .bad_value = "long",
  .kinds = sq_kinds,
};

static const struct side *const sides[] = {&pg_side, &my_side, &sq_side};

/* ---- the harness -------------------------------------------------------- */

static int passed, failed, skipped;

struct run {
  const struct side *side;
  const struct fed_dialect *dialect;
  struct fed_dsn dsn;
  struct fed_conn *conn;
  bool bulk;            /* every SELECT is a bulk statement */
  struct fed_wait wait; /* 30 s from the start of the check */
  struct fed_err err;
};

static inline void say(bool ok, const struct run *r, const char *name,
                       const char *why)
{
  int n = ++(*(ok ? &passed : &failed));

  n = passed + failed;
  if (ok)
    printf("ok %d %s%s: %s\n", n, r->side->driver, r->bulk ? " bulk" : "",
           name);
  else
    printf("not ok %d %s%s: %s: %s\n", n, r->side->driver,
           r->bulk ? " bulk" : "", name, why);
  fflush(stdout);
}

static inline void skip(const struct run *r, const char *name, const char *why)
{
  skipped++;
  printf("# skip %s: %s: %s\n", r->side->driver, name, why);
}

static inline void check(struct run *r, const char *name, bool ok)
{
  say(ok, r, name, r->err.msg[0] ? r->err.msg : "is not so");
}

static inline void check_rc(struct run *r, const char *name, int rc, int want)
{
  char why[1200];

  snprintf(why, sizeof why, "gave %d, not %d: %s", rc, want, r->err.msg);
  say(rc == want, r, name, why);
}

static inline void check_text(struct run *r, const char *name, const char *got,
                              const char *want)
{
  char why[2400];

  snprintf(why, sizeof why, "got '%.500s', not '%.500s' %s", got, want,
           r->err.msg);
  say(strcmp(got, want) == 0, r, name, why);
}

/* A fresh error and 30 s more. */
static inline void start(struct run *r)
{
  fed_err_clear(&r->err);
  r->wait = (struct fed_wait){fed_clock_deadline(30000), NULL, NULL};
}

/* A value as "n", "i:5", "r:0.5", "t:text" or "b:00ff". */
static inline void show(struct fed_str *out, const struct fed_value *v)
{
  switch (v->type) {
  case FED_NULL:
    fed_str_addc(out, 'n');
    break;
  case FED_INT:
    fed_str_addf(out, "i:%lld", (long long)v->i);
    break;
  case FED_REAL:
    fed_str_addf(out, "r:%.17g", v->r);
    break;
  case FED_TEXT:
    fed_str_add(out, "t:");
    fed_str_addn(out, v->p, (size_t)v->size);
    if (v->cstr && v->p[v->size] != 0) fed_str_add(out, "(not terminated)");
    break;
  case FED_BLOB:
    fed_str_add(out, "b:");
    for (int64_t i = 0; i < v->size; i++)
      fed_str_addf(out, "%02x", (unsigned char)v->p[i]);
    break;
  }
}

/* A statement; under r->bulk a bulk one, of the classes that it gives. */
static inline int get(struct run *r, const char *sql,
                      const enum fed_class *want, int nwant,
                      struct fed_stmt **out)
{
  enum fed_class own[1000];
  struct fed_relation rel = {0};
  struct fed_err ignored = FED_ERR_INIT;
  bool bulk = r->bulk && strncmp(sql, "SELECT", 6) == 0;

  if (!bulk || want) goto out;
  bulk =
    fed_conn_describe(r->conn, sql, &rel, &r->wait, &ignored) == SQLITE_OK &&
    rel.ncol <= 1000;
  for (int i = 0; i < rel.ncol && bulk; i++) {
    own[i] = rel.col[i].class;
    bulk = own[i] != FED_CLASS_OTHER;
  }
  if (bulk) want = own;
  if (bulk) nwant = rel.ncol;
  fed_relation_release(&rel);
out:
  return fed_stmt_get(r->conn, sql, want, nwant, bulk, out, &r->wait, &r->err);
}

static inline int run_stmt(struct run *r, struct fed_stmt *stmt,
                           const struct fed_value *args, int n,
                           struct fed_str *out)
{
  int rc = fed_stmt_execute(stmt, args, n, &r->wait, &r->err);

  for (int row = 0; rc == SQLITE_OK || rc == SQLITE_ROW; row++) {
    rc = fed_stmt_step(stmt, &r->wait, &r->err);
    if (rc != SQLITE_ROW) break;
    if (row > 0) fed_str_addc(out, ';');
    for (int i = 0; i < stmt->ncol; i++) {
      if (i > 0) fed_str_addc(out, '|');
      show(out, &stmt->row[i]);
    }
  }
  return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* All rows of `sql`: columns by '|', rows by ';'. */
static inline int rows(struct run *r, const char *sql,
                       const struct fed_value *args, int n,
                       const enum fed_class *want, int nwant,
                       struct fed_str *out)
{
  struct fed_stmt *stmt;
  int rc;

  start(r);
  rc = get(r, sql, want, nwant, &stmt);
  if (rc != SQLITE_OK) return rc;
  rc = run_stmt(r, stmt, args, n, out);
  fed_stmt_put(stmt, true, &r->wait);
  return rc;
}

/* `sql` gives `want`, and no error. */
static inline void expect(struct run *r, const char *name, const char *sql,
                          const struct fed_value *args, int n, const char *want)
{
  struct fed_str out;
  int rc;

  fed_str_init(&out, 4 * BIG);
  rc = rows(r, sql, args, n, NULL, 0, &out);
  if (rc == SQLITE_OK)
    check_text(r, name, out.s, want);
  else
    check_rc(r, name, rc, SQLITE_OK);
  fed_str_release(&out);
}

static inline int exec(struct run *r, const char *sql)
{
  start(r);
  return fed_conn_exec(r->conn, sql, &r->wait, &r->err);
}

static inline void must(struct run *r, const char *sql)
{
  if (exec(r, sql) == SQLITE_OK) return;
  printf("Bail out! %s: %s: %s\n", r->side->driver, sql, r->err.msg);
  exit(1);
}

/* "... $1 ..." in the server's own placeholders; ints are cast if need be. */
static inline const char *params(struct run *r, const char *sql)
{
  static char out[4][512];
  static int turn;
  char *to = out[turn = (turn + 1) % 4];
  char *start_of = to;

  for (; *sql; sql++) {
    if (*sql != '$' || r->dialect->numbered) {
      *to++ = *sql;
      continue;
    }
    *to++ = '?';
    sql++;
  }
  *to = 0;
  return start_of;
}

static inline int reopen(struct run *r)
{
  fed_conn_close(r->conn);
  r->conn = NULL;
  start(r);
  return fed_conn_open(&r->conn, &r->dsn, &r->wait, &r->err);
}

static inline bool healthy(struct run *r)
{
  struct fed_str out;
  bool ok;

  if (r->conn->broken) return false;
  fed_str_init(&out, 100);
  ok = rows(r, "SELECT 1", NULL, 0, NULL, 0, &out) == SQLITE_OK &&
       strcmp(out.s, "i:1") == 0;
  fed_str_release(&out);
  return ok;
}

/* After trouble: usable or broken, both are legal; then a good one again. */
static inline void check_usable(struct run *r, const char *name)
{
  bool broken = r->conn->broken;

  check(r, name, broken || healthy(r));
  if (broken || r->conn->broken) reopen(r);
}

static inline int begin(struct run *r, bool read_only)
{
  struct fed_begin opts = {.read_only = read_only};

  start(r);
  return fed_conn_begin(r->conn, &opts, &r->wait, &r->err);
}

static inline int insert(struct run *r, int id)
{
  char sql[80];

  snprintf(sql, sizeof sql, "INSERT INTO conform_t(id) VALUES (%d)", id);
  return exec(r, sql);
}

/* One statement whose rows nobody reads to the end. */
static inline void read_one_row(struct run *r, const char *sql, int64_t ms)
{
  struct fed_stmt *stmt;

  start(r);
  r->wait.deadline = fed_clock_deadline(ms);
  if (fed_stmt_get(r->conn, sql, NULL, 0, false, &stmt, &r->wait, &r->err))
    return;
  if (fed_stmt_execute(stmt, NULL, 0, &r->wait, &r->err) == SQLITE_OK)
    fed_stmt_step(stmt, &r->wait, &r->err);
  fed_stmt_put(stmt, true, &r->wait);
}

#endif
