/*
 * verify: fed_verify, a statement run twice, with pushdown and without, and
 * the first difference.
 *
 * Rows are kept in a private temporary database, each as one blob that holds
 * types and values, so that rows of any number fit. They are compared as SQL
 * means them without ORDER BY: which rows, and how often. Where those agree
 * and their order does not, that is said.
 */
#include "base/mem.h"
#include "vtab/table.h"

#define VERIFY_ROW 1000000000u /* bytes of a row */

static const char *const verify_schema =
  "PRAGMA journal_mode = OFF;"
  "CREATE TABLE pushed(n INTEGER PRIMARY KEY, row BLOB);"
  "CREATE TABLE local(n INTEGER PRIMARY KEY, row BLOB);"
  "BEGIN";

struct verify {
  struct fed_db *fdb;
  const struct status_rows *call; /* its arguments */
  sqlite3 *kept;                  /* the rows of both runs */
  sqlite3_stmt *stmt;             /* the last run, for names of columns */
};

/* One run's part in the result. */
struct verify_row {
  int64_t n; /* number of the row, from 1; 0: there is none */
  char *row;
  int size;
};

/* ---- rows -------------------------------------------------------------- */

static struct fed_value verify_value(sqlite3_stmt *stmt, int i)
{
  return fed_value_from(sqlite3_column_value(stmt, i));
}

static void verify_pack(sqlite3_stmt *stmt, struct fed_str *row)
{
  for (int i = 0; i < sqlite3_column_count(stmt); i++) {
    struct fed_value value = verify_value(stmt, i);
    bool bytes = value.type == FED_TEXT || value.type == FED_BLOB;

    fed_str_addc(row, (char)('0' + value.type));
    if (bytes) {
      fed_str_addn(row, &value.size, sizeof value.size);
      fed_str_addn(row, value.p, (size_t)value.size);
    } else if (value.type != FED_NULL) {
      fed_str_addn(row, &value.i, sizeof value.i);
    }
  }
}

/* Take the next value of a packed row; returns what is behind it. */
static const char *verify_unpack(const char *row, struct fed_value *value)
{
  *value = (struct fed_value){.type = (enum fed_type)(*row++ - '0')};
  if (value->type == FED_NULL) return row;
  memcpy(&value->i, row, sizeof value->i);
  row += sizeof value->i;
  if (value->type == FED_INT || value->type == FED_REAL) return row;
  value->size = value->i;
  value->p = row;
  return row + value->size;
}

static bool verify_same(const struct fed_value *a, const struct fed_value *b)
{
  if (a->type != b->type) return false;
  switch (a->type) {
  case FED_NULL:
    return true;
  case FED_INT:
  case FED_REAL:
    return a->i == b->i;
  case FED_TEXT:
  case FED_BLOB:
    break;
  }
  return a->size == b->size && memcmp(a->p, b->p, (size_t)a->size) == 0;
}

/* ---- running ----------------------------------------------------------- */

static int verify_kept_error(struct verify *verify, int rc, struct fed_err *err)
{
  if ((rc & 0xff) == SQLITE_NOMEM || !verify->kept) return fed_err_nomem(err);
  return fed_err_set(err, rc, "fed_verify: cannot keep the rows: %s",
                     sqlite3_errmsg(verify->kept));
}

static int verify_open(struct verify *verify, struct fed_err *err)
{
  int rc = sqlite3_open_v2("", &verify->kept,
                           SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL);

  if (rc == SQLITE_OK)
    rc = sqlite3_exec(verify->kept, verify_schema, NULL, NULL, NULL);
  return rc == SQLITE_OK ? rc : verify_kept_error(verify, rc, err);
}

static int verify_bind(struct verify *verify, struct fed_err *err)
{
  int given = verify->call->argc - 1;
  int wanted = sqlite3_bind_parameter_count(verify->stmt);
  int rc = SQLITE_OK;

  if (!sqlite3_stmt_readonly(verify->stmt))
    return fed_err_set(err, SQLITE_ERROR,
                       "fed_verify: the statement would write; it is not run");
  if (given != wanted)
    return fed_err_set(err, SQLITE_ERROR,
                       "fed_verify: the statement has %d parameters, and %d "
                       "values are given",
                       wanted, given);
  for (int i = 1; i <= given && rc == SQLITE_OK; i++)
    rc = sqlite3_bind_value(verify->stmt, i, verify->call->argv[i]);
  return rc == SQLITE_OK ? rc : db_error(verify->fdb, rc, err);
}

static int verify_keep(struct verify *verify, sqlite3_stmt *insert,
                       struct fed_err *err)
{
  struct fed_str row;
  int rc;

  fed_str_init(&row, VERIFY_ROW);
  verify_pack(verify->stmt, &row);
  rc = fed_str_err(&row, err);
  if (rc == SQLITE_OK) {
    sqlite3_bind_blob64(insert, 1, row.s, row.len, SQLITE_STATIC);
    sqlite3_step(insert);
    rc = sqlite3_reset(insert);
    if (rc != SQLITE_OK) rc = verify_kept_error(verify, rc, err);
  }
  fed_str_release(&row);
  return rc;
}

static int verify_rows(struct verify *verify, const char *table,
                       struct fed_err *err)
{
  sqlite3_stmt *insert = NULL;
  char sql[64];
  int rc;

  sqlite3_snprintf(sizeof sql, sql, "INSERT INTO %s(row) VALUES(?)", table);
  rc = sqlite3_prepare_v2(verify->kept, sql, -1, &insert, NULL);
  if (rc != SQLITE_OK) return verify_kept_error(verify, rc, err);
  while (rc == SQLITE_OK && (rc = sqlite3_step(verify->stmt)) == SQLITE_ROW)
    rc = verify_keep(verify, insert, err);
  if (rc == SQLITE_DONE)
    rc = SQLITE_OK;
  else if (err->rc == SQLITE_OK)
    db_error(verify->fdb, rc, err);
  sqlite3_finalize(insert);
  return rc;
}

/* Plan it anew, run it to its end. */
static int verify_run(struct verify *verify, const char *table,
                      enum pushdown_force force, struct fed_err *err)
{
  enum pushdown_force outer = verify->fdb->pushdown_force;
  int rc;

  sqlite3_finalize(verify->stmt);
  verify->stmt = NULL;
  verify->fdb->pushdown_force = force;
  rc = text_prepare(verify->fdb, "fed_verify", "", verify->call->argv[0], false,
                    &verify->stmt, err);
  if (rc == SQLITE_OK) rc = verify_bind(verify, err);
  if (rc == SQLITE_OK) {
    rc = verify_rows(verify, table, err);
    if (rc != SQLITE_OK && rc != SQLITE_NOMEM && rc != SQLITE_INTERRUPT)
      fed_err_prefix(
        err, "fed_verify, pushdown %s: ", force == PUSHDOWN_ON ? "on" : "off");
  }
  verify->fdb->pushdown_force = outer;
  return rc;
}

/* ---- comparing --------------------------------------------------------- */

/* A number, and a packed row if there is one, of the rows kept. */
static int verify_ask(struct verify *verify, const char *sql,
                      struct verify_row *out, struct fed_err *err)
{
  sqlite3_stmt *stmt = NULL;
  int rc = sqlite3_prepare_v2(verify->kept, sql, -1, &stmt, NULL);

  if (rc == SQLITE_OK) rc = sqlite3_step(stmt);
  if (rc == SQLITE_ROW) {
    out->n = sqlite3_column_int64(stmt, 0);
    if (sqlite3_column_count(stmt) > 1) {
      const char *blob = sqlite3_column_blob(stmt, 1);

      out->size = sqlite3_column_bytes(stmt, 1);
      out->row = fed_strndup(blob ? blob : "", (size_t)out->size);
      if (!out->row) rc = SQLITE_NOMEM;
    }
  }
  sqlite3_finalize(stmt);
  if (rc == SQLITE_ROW || rc == SQLITE_DONE) return SQLITE_OK;
  return verify_kept_error(verify, rc, err);
}

/* Rows that one run has more often than the other, the first one. */
#define VERIFY_MORE(sign)                                                      \
  "SELECT min(iif(d = " sign "1, n, NULL)), row FROM"                          \
  " (SELECT n, row, 1 AS d FROM pushed"                                        \
  "  UNION ALL SELECT n, row, -1 FROM local)"                                  \
  " GROUP BY row HAVING sum(d) * " sign "1 > 0 ORDER BY 1 LIMIT 1"
#define VERIFY_FIRST(table)                                                    \
  "SELECT n, " table ".row FROM pushed JOIN local USING(n)"                    \
  " WHERE pushed.row <> local.row ORDER BY n LIMIT 1"

static int verify_compare(struct verify *verify, const char **result,
                          struct verify_row *pushed, struct verify_row *local,
                          struct fed_err *err)
{
  int rc = verify_ask(verify, VERIFY_MORE(""), pushed, err);

  if (rc == SQLITE_OK) rc = verify_ask(verify, VERIFY_MORE("-"), local, err);
  *result = "different";
  if (rc != SQLITE_OK || pushed->n || local->n) return rc;
  rc = verify_ask(verify, VERIFY_FIRST("pushed"), pushed, err);
  if (rc == SQLITE_OK)
    rc = verify_ask(verify, VERIFY_FIRST("local"), local, err);
  *result = pushed->n ? "order" : "equal";
  return rc;
}

/* ---- the result -------------------------------------------------------- */

/* A whole row as text, like 1|'a'|NULL. */
static void verify_text(const struct verify_row *row, struct status_rows *rows)
{
  const char *end = row->row + row->size;
  struct fed_value value;
  struct fed_str text;
  char number[48];

  fed_str_init(&text, VERIFY_ROW);
  for (const char *p = row->row; p < end;) {
    p = verify_unpack(p, &value);
    if (text.len) fed_str_addc(&text, '|');
    if (value.type == FED_INT) {
      fed_str_addf(&text, "%lld", (long long)value.i);
    } else if (value.type == FED_REAL) {
      rhs_real_text(number, value.r, 17);
      fed_str_add(&text, number);
    } else if (value.type == FED_NULL) {
      fed_str_add(&text, "NULL");
    } else {
      fed_str_add(&text, value.type == FED_TEXT ? "'" : "x'");
      for (int64_t i = 0; i < value.size; i++)
        if (value.type == FED_TEXT)
          fed_str_addc(&text, value.p[i]);
        else
          fed_str_addf(&text, "%02x", (unsigned char)value.p[i]);
      fed_str_addc(&text, '\'');
    }
  }
  rows->nomem |= text.nomem;
  status_text(rows, text.s);
  fed_str_release(&text);
}

/* Two rows: the first column in which they differ. */
static void verify_column(struct verify *verify, const struct verify_row *a,
                          const struct verify_row *b, struct status_rows *rows)
{
  const char *p = a->row, *q = b->row;
  struct fed_value x, y;
  int i = 0;

  do {
    p = verify_unpack(p, &x);
    q = verify_unpack(q, &y);
  } while (verify_same(&x, &y) && ++i);
  status_text(rows, sqlite3_column_name(verify->stmt, i));
  status_value(rows, &x);
  status_value(rows, &y);
}

static void verify_report(struct verify *verify, const char *result,
                          const struct verify_row *pushed,
                          const struct verify_row *local,
                          struct status_rows *rows)
{
  status_text(rows, result);
  if (pushed->n || local->n)
    status_int(rows, pushed->n ? pushed->n : local->n);
  else
    status_null(rows);
  if (pushed->n && pushed->row && local->n && local->row) {
    verify_column(verify, pushed, local, rows);
    return;
  }
  status_null(rows);
  if (pushed->n)
    verify_text(pushed, rows);
  else
    status_null(rows);
  if (local->n)
    verify_text(local, rows);
  else
    status_null(rows);
}

static int verify_both(struct verify *verify, struct status_rows *rows,
                       struct fed_err *err)
{
  struct verify_row pushed = {0}, local = {0}, npushed = {0}, nlocal = {0};
  const char *result = NULL;
  int rc = verify_run(verify, "pushed", PUSHDOWN_ON, err);

  if (rc == SQLITE_OK) rc = verify_run(verify, "local", PUSHDOWN_OFF, err);
  if (rc == SQLITE_OK)
    rc = verify_compare(verify, &result, &pushed, &local, err);
  if (rc == SQLITE_OK)
    rc = verify_ask(verify, "SELECT count(*) FROM pushed", &npushed, err);
  if (rc == SQLITE_OK)
    rc = verify_ask(verify, "SELECT count(*) FROM local", &nlocal, err);
  if (rc == SQLITE_OK) {
    verify_report(verify, result, &pushed, &local, rows);
    status_int(rows, npushed.n);
    status_int(rows, nlocal.n);
  }
  fed_free(pushed.row);
  fed_free(local.row);
  return rc;
}

int verify_fill(struct fed_db *fdb, struct status_rows *rows,
                struct fed_err *err)
{
  struct verify verify = {.fdb = fdb, .call = rows};
  int rc;

  if (rows->argc < 1)
    return fed_err_set(err, SQLITE_MISUSE,
                       "usage: SELECT * FROM fed_verify('SELECT ...' [, "
                       "value...])");
  rc = verify_open(&verify, err);
  if (rc == SQLITE_OK) rc = verify_both(&verify, rows, err);
  sqlite3_finalize(verify.stmt);
  sqlite3_close(verify.kept);
  return rc;
}
