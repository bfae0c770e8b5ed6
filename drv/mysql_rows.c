/*
 * mysql_rows: rows on their way to the server, gathered column by column as
 * MariaDB's bulk execution takes them, or written into the text of an INSERT.
 */
#include "drv/mysql.h"

#include <math.h>
#include <stdio.h>

#include "base/mem.h"

/* More at a time is not faster, and has to be tried again row by row to find
 * the one that failed. */
#define MY_ROWS   2000
#define MY_CELLS  65536
#define MY_WEIGHT (256u << 10)
/* What a value needs beside its bytes: its length, or the number. */
#define MY_CELL 9
/* An integer as text. */
#define MY_DIGITS 21

int fed_mysql_rows_init(struct fed_mysql_rows *rows, const struct fed_mysql *c,
                        int ncol, int most, bool copies, struct fed_err *err)
{
  size_t n;

  memset(rows, 0, sizeof *rows);
  rows->ncol = ncol;
  rows->room = ncol > MY_CELLS / 2 ? 1 : MY_CELLS / (ncol + 1);
  if (rows->room > MY_ROWS) rows->room = MY_ROWS;
  if (rows->room > most) rows->room = most;
  rows->copies = copies;
  rows->limit = MY_WEIGHT;
  if (c->max_packet && c->max_packet / 2 < rows->limit)
    rows->limit = c->max_packet / 2;
  n = (size_t)ncol * (size_t)rows->room;
  rows->size = copies ? MY_WEIGHT : 0;
  rows->type = fed_calloc((size_t)ncol, sizeof *rows->type);
  rows->text = fed_calloc((size_t)ncol, sizeof *rows->text);
  rows->bind = fed_calloc((size_t)ncol, sizeof *rows->bind);
  rows->cell = fed_calloc(n, sizeof *rows->cell);
  rows->length = fed_calloc(n, sizeof *rows->length);
  rows->null = fed_calloc(n, 1);
  rows->bytes = fed_alloc(rows->size);
  if (rows->type && rows->text && rows->bind && rows->cell && rows->length &&
      rows->null && rows->bytes)
    return SQLITE_OK;
  fed_mysql_rows_release(rows);
  return fed_err_nomem(err);
}

void fed_mysql_rows_release(struct fed_mysql_rows *rows)
{
  fed_free(rows->type);
  fed_free(rows->text);
  fed_free(rows->bind);
  fed_free(rows->cell);
  fed_free(rows->length);
  fed_free(rows->null);
  fed_free(rows->bytes);
  memset(rows, 0, sizeof *rows);
}

void fed_mysql_rows_clear(struct fed_mysql_rows *rows)
{
  for (int i = 0; i < rows->ncol; i++)
    rows->type[i] = FED_NULL;
  rows->n = 0;
  rows->used = rows->weight = 0;
}

static enum fed_type rows_type(const struct fed_mysql_rows *rows, int i,
                               const struct fed_value *v)
{
  return v->type == FED_INT && rows->text[i] ? FED_TEXT : v->type;
}

/*
 * All values of a column have one type. Integers and texts that take turns, as
 * those above 2^63 do in a BIGINT UNSIGNED, would mean a statement for each:
 * there both go as text, once that was seen.
 */
static bool rows_mixes(struct fed_mysql_rows *rows, const struct fed_value *row)
{
  bool mixes = false;

  for (int i = 0; i < rows->ncol; i++) {
    enum fed_type was = rows->type[i], is = rows_type(rows, i, &row[i]);

    if (is == FED_NULL || was == FED_NULL || is == was) continue;
    mixes = true;
    if (rows->copies && (is == FED_TEXT || was == FED_TEXT) &&
        (is == FED_INT || was == FED_INT))
      rows->text[i] = true;
  }
  return mixes;
}

static int rows_weigh(const struct fed_mysql_rows *rows,
                      const struct fed_value *row, size_t *weight,
                      struct fed_err *err)
{
  *weight = 0;
  for (int i = 0; i < rows->ncol; i++) {
    *weight += MY_CELL + MY_DIGITS * (size_t)rows->text[i];
    if (row[i].type >= FED_TEXT) *weight += (size_t)row[i].size;
    if (row[i].type == FED_REAL && !isfinite(row[i].r))
      return fed_err_set(err, SQLITE_MISMATCH,
                         "value %d is infinite, which MySQL cannot hold",
                         i + 1);
  }
  return SQLITE_OK;
}

static int rows_reserve(struct fed_mysql_rows *rows, size_t weight,
                        struct fed_err *err)
{
  char *bytes;

  if (!rows->copies || rows->used + weight <= rows->size) return SQLITE_OK;
  bytes = fed_realloc(rows->bytes, rows->used + weight);
  if (!bytes) return fed_err_nomem(err);
  rows->bytes = bytes; /* it moves only while it is empty */
  rows->size = rows->used + weight;
  return SQLITE_OK;
}

static void rows_store_bytes(struct fed_mysql_rows *rows, size_t at,
                             const void *p, size_t size)
{
  rows->length[at] = (unsigned long)size;
  rows->cell[at].p = size ? p : "";
  if (!rows->copies) return;
  rows->cell[at].p = rows->bytes + rows->used;
  if (size) memcpy(rows->bytes + rows->used, p, size);
  rows->used += size;
}

static void rows_store(struct fed_mysql_rows *rows, int i,
                       const struct fed_value *v)
{
  size_t at = (size_t)i * (size_t)rows->room + (size_t)rows->n;
  char digits[MY_DIGITS + 1];

  rows->null[at] = v->type == FED_NULL;
  rows->length[at] = 0;
  rows->cell[at].p = "";
  if (v->type == FED_NULL) return;
  rows->type[i] = rows_type(rows, i, v);
  if (rows->type[i] == FED_INT) {
    rows->cell[at].i = v->i;
  } else if (v->type == FED_REAL) {
    rows->cell[at].r = v->r;
  } else if (v->type == FED_INT) {
    snprintf(digits, sizeof digits, "%lld", (long long)v->i);
    rows_store_bytes(rows, at, digits, strlen(digits));
  } else {
    rows_store_bytes(rows, at, v->p, (size_t)v->size);
  }
}

int fed_mysql_rows_add(struct fed_mysql_rows *rows, const struct fed_value *row,
                       struct fed_err *err)
{
  size_t weight;
  int rc = rows_weigh(rows, row, &weight, err);

  if (rc != SQLITE_OK) return rc;
  if (rows->n && (rows->n == rows->room || rows_mixes(rows, row) ||
                  rows->weight + weight > rows->limit))
    return SQLITE_FULL;
  rc = rows_reserve(rows, weight, err);
  if (rc != SQLITE_OK) return rc;
  for (int i = 0; i < rows->ncol; i++)
    rows_store(rows, i, &row[i]);
  rows->weight += weight;
  rows->n++;
  return SQLITE_OK;
}

/* ---- to the server ------------------------------------------------------ */

static struct fed_value rows_value(const struct fed_mysql_rows *rows, int i,
                                   int n)
{
  size_t at = (size_t)i * (size_t)rows->room + (size_t)n;

  if (rows->null[at] || rows->type[i] == FED_NULL) return fed_value_null();
  if (rows->type[i] == FED_INT) return fed_value_int(rows->cell[at].i);
  if (rows->type[i] == FED_REAL) return fed_value_real(rows->cell[at].r);
  return fed_value_bytes(rows->type[i], rows->cell[at].p,
                         (int64_t)rows->length[at]);
}

void fed_mysql_rows_text(const struct fed_mysql_rows *rows, int from, int to,
                         struct fed_str *sql)
{
  for (int n = from; n < to; n++) {
    fed_str_add(sql, n > from ? ", (" : "(");
    for (int i = 0; i < rows->ncol; i++) {
      struct fed_value v = rows_value(rows, i, n);

      if (i) fed_str_addc(sql, ',');
      if (!fed_dialect_mysql.literal(sql, &v)) fed_str_add(sql, "NULL");
    }
    fed_str_addc(sql, ')');
  }
}

static void rows_bind(struct fed_mysql_rows *rows, int i)
{
  static const enum enum_field_types types[] = {
    [FED_NULL] = MYSQL_TYPE_STRING, [FED_INT] = MYSQL_TYPE_LONGLONG,
    [FED_REAL] = MYSQL_TYPE_DOUBLE, [FED_TEXT] = MYSQL_TYPE_STRING,
    [FED_BLOB] = MYSQL_TYPE_BLOB,
  };
  size_t at = (size_t)i * (size_t)rows->room;

  rows->bind[i].buffer_type = types[rows->type[i]];
  rows->bind[i].buffer = &rows->cell[at];
  rows->bind[i].length = &rows->length[at];
  fed_mysql_lib_indicate(&rows->bind[i], &rows->null[at]);
}

int fed_mysql_rows_execute(struct fed_mysql *c, MYSQL_STMT *stmt,
                           struct fed_mysql_rows *rows,
                           const struct fed_wait *wait, struct fed_err *err)
{
  int rc = fed_mysql_fits(c, rows->weight, err);

  if (rc != SQLITE_OK) return rc;
  memset(rows->bind, 0, sizeof *rows->bind * (size_t)rows->ncol);
  for (int i = 0; i < rows->ncol; i++)
    rows_bind(rows, i);
  fed_mysql_lib_array(stmt, (unsigned)rows->n);
  if (mysql_stmt_bind_param(stmt, rows->bind) != 0)
    rc = fed_mysql_fail(c, stmt, err);
  else
    rc = fed_mysql_run_execute(c, stmt, wait, err);
  fed_mysql_lib_array(stmt, 0);
  return rc;
}
