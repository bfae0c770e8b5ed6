/* conform_bulk.h: what bulk statements could get wrong. */
#ifndef FED_TEST_CONFORM_BULK_H
#define FED_TEST_CONFORM_BULK_H

#include "test/unit/conform.h"
#include "test/unit/conform_conn.h"
#include "test/unit/conform_stmt.h"

/* The rows of `sql` the ordinary way and in bulk: the same, or the same
 * error. */
static inline void check_same(struct run *r, const char *name, const char *sql,
                              const struct fed_value *args, int n,
                              const enum fed_class *want, int nwant)
{
  struct fed_str out[2];
  int rc[2];

  for (int i = 0; i < 2; i++) {
    fed_str_init(&out[i], 4 * BIG);
    r->bulk = i;
    rc[i] = rows(r, sql, args, n, want, nwant, &out[i]);
  }
  check_rc(r, name, rc[1], rc[0]);
  if (rc[0] == SQLITE_OK) check_text(r, name, out[1].s, out[0].s);
  r->bulk = false;
  fed_str_release(&out[0]);
  fed_str_release(&out[1]);
}

/* Arguments: some drivers write them into the text. */
static inline void literals(struct run *r, const char *const *texts, int n)
{
  static const char bytes[] = {0, '\'', '\\', (char)255, '"'};
  const char *sql =
    params(r, "SELECT id, t FROM conform_t WHERE t = $1 OR id = $2");
  struct fed_value v[2] = {fed_value_null(), fed_value_int(-1)};

  for (int i = 0; i < n; i++) {
    v[0] = fed_value_cstr(texts[i]);
    check_same(r, "an argument", sql, v, 2, NULL, 0);
  }
  v[0] = fed_value_null();
  check_same(r, "NULL", sql, v, 2, NULL, 0);
  v[0] = fed_value_text("a\0b", 3);
  check_same(r, "NUL inside", sql, v, 2, NULL, 0);
  v[0] = fed_value_text("a\xC3'b", 4);
  check_same(r, "bytes that are no UTF-8", sql, v, 2, NULL, 0);
  v[0] = fed_value_text("it's", 4);
  check_same(r, "too few values", sql, v, 1, NULL, 0);
  check_same(r, "too many values", "SELECT id FROM conform_t", v, 1, NULL, 0);
  v[0] = fed_value_blob(bytes, sizeof bytes);
  check_same(r, "a blob", params(r, "SELECT id FROM conform_t WHERE b = $1"), v,
             1, NULL, 0);
  v[0] = fed_value_blob(NULL, 0);
  check_same(r, "no bytes", params(r, "SELECT id FROM conform_t WHERE b = $1"),
             v, 1, NULL, 0);
  v[0] = fed_value_real(-0.1);
  check_same(r, "a float", params(r, "SELECT id FROM conform_t WHERE r = $1"),
             v, 1, NULL, 0);
}

static inline void t_literals(struct run *r)
{
  static const char *const texts[] = {
    "",         "it's",        "'",
    "''",       "\\",          "\\'",
    "a\\\\'b",  "$1",          "'; DROP x; ",
    "grüße",    "🐘",           "\"q\" $2",
    "E'\\x41'", "line\nbreak", "%_",
    "-- /* */", "NULL",        "\xEF\xBC\x87'",
    " ' \\' ",
  };
  static const char bytes[] = {0, '\'', '\\', (char)255, '"'};
  bool pg = strcmp(r->side->driver, "pg") == 0;
  struct fed_value v[4];

  must(r, "DELETE FROM conform_t");
  for (int i = 0; i < (int)FED_LEN(texts); i++) {
    v[0] = fed_value_int(i);
    v[1] = fed_value_cstr(texts[i]);
    v[2] = fed_value_blob(bytes, i % 2 ? sizeof bytes : 0);
    v[3] = fed_value_real(-0.1);
    expect(r, "a row",
           params(r, "INSERT INTO conform_t(id, t, b, r) VALUES"
                     " ($1, $2, $3, $4)"),
           v, 4, "");
  }
  literals(r, texts, FED_LEN(texts));
  if (!pg) return;
  must(r, "SET standard_conforming_strings = off");
  literals(r, texts, FED_LEN(texts));
  must(r, "SET standard_conforming_strings = on");
}

/* Texts in which a $ or a quote may be something else. */
static inline void t_texts(struct run *r)
{
  static const enum fed_class want[] = {FED_CLASS_TEXT, FED_CLASS_TEXT,
                                        FED_CLASS_TEXT};
  static const struct {
    int ncol;
    const char *sql;
  } texts[] = {
    {1, "SELECT t AS \"a$1'\"\"$2\" FROM conform_t WHERE t = $1"             },
    {3, "SELECT '$1', '''$2', t FROM conform_t WHERE t = $1 AND 'i''s' <> $1"},
    {1, "SELECT t FROM conform_t WHERE t LIKE $1 ESCAPE '\\'"                },
    {2, "SELECT E'\\'', t FROM conform_t WHERE t = $1"                       },
    {2, "SELECT $$a'$1$$, t FROM conform_t WHERE t = $1"                     },
    {1, "SELECT t FROM conform_t -- '$1\n WHERE t = $1"                      },
    {1, "SELECT t FROM conform_t /* ' */ WHERE t = $1"                       },
    {1, "SELECT t FROM conform_t AS q$1 WHERE q$1.t = $1"                    },
    {2, "SELECT U&'d\\0061t\\+000061', t FROM conform_t WHERE t = $1"        },
    {1, "SELECT t FROM conform_t WHERE t = $1 ORDER BY id"                   },
    {1, "SELECT t FROM conform_t WHERE t = $1 LIMIT 1"                       },
    {1, "SELECT t FROM conform_t WHERE t = $1 UNION ALL SELECT 'x'"          },
    {1, "SELECT t FROM conform_t WHERE t = $01"                              },
    {1, "SELECT t FROM conform_t WHERE t = $1; SELECT 1"                     },
    {1, "SELECT t FROM conform_t WHERE t = $1) q; DROP TABLE conform_t; --"  },
    {1, "SELECT t FROM conform_t WHERE t = 'unended"                         },
    {1, "SELECT conform_none FROM conform_t WHERE t = $1"                    },
    {1, "SELECT t FROM conform_none WHERE t = $1"                            },
    {2, "SELECT t FROM conform_t WHERE t = $1"                               },
  };
  struct fed_value v = fed_value_cstr("it's");
  struct fed_str out;

  if (!r->dialect->numbered) {
    skip(r, "texts with another $", "placeholders are ?");
    return;
  }
  for (size_t i = 0; i < FED_LEN(texts); i++)
    check_same(r, "a text with a $ or a quote", texts[i].sql, &v, 1, want,
               texts[i].ncol);
  fed_str_init(&out, 1000);
  r->bulk = true;
  rows(r, "SELECT query FROM pg_stat_activity WHERE pid = pg_backend_pid()",
       NULL, 0, want, 1, &out);
  r->bulk = false;
  check(r, "a bulk statement is a COPY", strstr(out.s, "COPY (") != NULL);
  fed_str_release(&out);
  check(r, "nothing was dropped", healthy(r) && insert(r, 999) == SQLITE_OK);
}

/* ---- while rows come ------------------------------------------------------
 */

#define MIDWAY 2000000
#define MIDWAY_ROWS                                                            \
  "SELECT a.n + 10*b.n + 100*c.n + 1000*d.n + 10000*e.n + 100000*f.n AS n"     \
  " FROM conform_d a, conform_d b, conform_d c, conform_d d, conform_d e,"     \
  " conform_d f, conform_d g WHERE g.n < 2"

/* Begin `sql` and take ten of its rows. */
static inline bool midway_begin(struct run *r, const char *sql,
                                struct fed_stmt **stmt)
{
  int rc;

  start(r);
  rc = get(r, sql, NULL, 0, stmt);
  if (rc == SQLITE_OK) rc = fed_stmt_execute(*stmt, NULL, 0, &r->wait, &r->err);
  for (int i = 0; i < 10 && (rc == SQLITE_OK || rc == SQLITE_ROW); i++)
    rc = fed_stmt_step(*stmt, &r->wait, &r->err);
  return rc == SQLITE_ROW;
}

/* Go on to what is no row. */
static inline int midway_go_on(struct run *r, struct fed_stmt *stmt, int *n)
{
  int rc;

  for (*n = 10; (rc = fed_stmt_step(stmt, &r->wait, &r->err)) == SQLITE_ROW;)
    ++*n;
  return rc;
}

static inline void midway_fail(struct run *r, bool in_tx)
{
  struct fed_stmt *stmt = NULL;
  int n = 0;

  if (!r->side->fail) return;
  if (in_tx) begin(r, false);
  check(r, "rows before an error", midway_begin(r, r->side->fail, &stmt));
  check_rc(r, "an error midway", midway_go_on(r, stmt, &n), SQLITE_ERROR);
  check(r, "is the server's", strcmp(r->err.sqlstate, "22012") == 0);
  check(r, "and comes at its place", n == 150000);
  start(r);
  fed_stmt_put(stmt, true, &r->wait);
  check(r, "and breaks nothing", !r->conn->broken);
  if (in_tx) fed_conn_rollback(r->conn, &r->wait, &r->err);
  check(r, "so that the connection works", healthy(r));
}

static inline void midway_stop(struct run *r)
{
  struct fed_stmt *stmt = NULL;
  int n = 0;

  check(r, "rows before the user gives up",
        midway_begin(r, MIDWAY_ROWS, &stmt));
  r->wait.interrupted = yes;
  check_rc(r, "a user who gives up midway", midway_go_on(r, stmt, &n),
           SQLITE_INTERRUPT);
  check(r, "is heard soon", n < MIDWAY / 2);
  start(r);
  fed_stmt_put(stmt, true, &r->wait);
  check_usable(r, "and the connection works or is broken");
}

/* Never may that look like the end of the rows. */
static inline void midway_kill(struct run *r)
{
  struct fed_stmt *stmt = NULL;
  char sql[80];
  int n = 0;

  if (r->dsn.drv->is_file) return;
  kill_text(r, sql, sizeof sql);
  check(r, "rows before the kill", midway_begin(r, MIDWAY_ROWS, &stmt));
  exec_elsewhere(r, sql);
  check_rc(r, "a session killed midway", midway_go_on(r, stmt, &n),
           SQLITE_IOERR);
  check(r, "is broken", r->conn->broken && n < MIDWAY);
  fed_stmt_put(stmt, true, &r->wait);
  check_rc(r, "and a new one opens", reopen(r), SQLITE_OK);
}

/* Left before their end, then another statement, in a transaction too. */
static inline void t_midway(struct run *r)
{
  for (int i = 0; i < 2; i++) {
    r->bulk = i;
    midway_fail(r, false);
    midway_fail(r, true);
    midway_stop(r);
    midway_kill(r);
  }
  r->bulk = false;
}

#endif
