/*
 * mysql_decode: the columns of a result: which class each one has, where the
 * client library puts its values (binary protocol), and how those become
 * `struct fed_value`.
 *
 * The library converts each value from its wire form into the type that we
 * bind. We bind integers as 64 bits, and everything else as what it is: the
 * library's own conversions to and from text depend on the locale.
 *
 * Trap: the wire form follows the metadata of the *last execution*. After an
 * ALTER TABLE a prepared statement runs on, with other columns; its buffers
 * must be built anew before the first row is fetched (traps 2).
 */
#include "drv/mysql.h"

#include <stdio.h>

#include "base/mem.h"

#define MY_FIRST_ROOM 256  /* bytes for a value whose length may be any */
#define MY_WHOLE_ROOM 1024 /* columns no longer than this never grow */

/* ---- checking ---------------------------------------------------------- */

static bool my_is_textual(enum fed_class class)
{
  return class == FED_CLASS_TEXT || class == FED_CLASS_CHAR ||
         class == FED_CLASS_OTHER || class == FED_CLASS_UUID;
}

/* Can a column that is `is` by itself give exactly what `want` promises? */
static bool my_gives(const MYSQL_FIELD *field, enum fed_class is,
                     enum fed_class want)
{
  if (is == FED_CLASS_COUNT) return false;
  if (want == is || want == FED_CLASS_ANY) return true;
  /* NULL, and a NULL that a derived table made into BINARY(0) */
  if (field->type == MYSQL_TYPE_NULL) return true;
  if (is == FED_CLASS_BLOB && field->length == 0) return true;
  if (want == FED_CLASS_UINT) return is == FED_CLASS_INT;
  if (want == FED_CLASS_REAL) return is == FED_CLASS_FLOAT4;
  if (want == FED_CLASS_DECIMAL)
    return is == FED_CLASS_DECINT || is == FED_CLASS_DECREAL;
  /* The session is in UTC: both read the same. */
  if (want == FED_CLASS_TIMESTAMP || want == FED_CLASS_TIMESTAMPTZ)
    return is == FED_CLASS_TIMESTAMP || is == FED_CLASS_TIMESTAMPTZ;
  return my_is_textual(want) && my_is_textual(is);
}

/* ---- buffers ----------------------------------------------------------- */

/* What to ask the library for, so that the value can be decoded. */
static enum enum_field_types my_bound_as(const MYSQL_FIELD *field)
{
  switch ((int)field->type) {
  case MYSQL_TYPE_TINY:
  case MYSQL_TYPE_SHORT:
  case MYSQL_TYPE_INT24:
  case MYSQL_TYPE_LONG:
  case MYSQL_TYPE_LONGLONG:
  case MYSQL_TYPE_YEAR:
    return MYSQL_TYPE_LONGLONG;
  case MYSQL_TYPE_FLOAT:
  case MYSQL_TYPE_DOUBLE:
  case MYSQL_TYPE_TIME:
  case MYSQL_TYPE_DATETIME:
  case MYSQL_TYPE_TIMESTAMP:
  case MYSQL_TYPE_NULL:
    return field->type;
  case MYSQL_TYPE_DATE:
  case MYSQL_TYPE_NEWDATE:
    return MYSQL_TYPE_DATE;
  case MYSQL_TYPE_BIT:
    return MYSQL_TYPE_BIT;
  case MYSQL_TYPE_DECIMAL:
  case MYSQL_TYPE_NEWDECIMAL:
    return MYSQL_TYPE_NEWDECIMAL;
  default:
    return MYSQL_TYPE_BLOB;
  }
}

void fed_mysql_columns_free(struct fed_mysql_stmt *st)
{
  for (int i = 0; st->col && i < st->head.ncol; i++) {
    fed_free(st->col[i].name);
    fed_free(st->col[i].data);
  }
  fed_free(st->col);
  fed_free(st->sign);
  fed_free(st->bind);
  fed_free(st->head.row);
  st->col = NULL;
  st->sign = NULL;
  st->bind = NULL;
  st->head.row = NULL;
  st->head.ncol = 0;
}

static bool my_columns_alloc(struct fed_mysql_stmt *st, int n)
{
  fed_mysql_columns_free(st);
  st->col = fed_calloc((size_t)n, sizeof *st->col);
  st->sign = fed_calloc((size_t)n, sizeof *st->sign);
  st->bind = fed_calloc((size_t)n, sizeof *st->bind);
  st->head.row = fed_calloc((size_t)n, sizeof *st->head.row);
  if (!st->col || !st->sign || !st->bind || !st->head.row) return false;
  st->head.ncol = n;
  return true;
}

static struct fed_mysql_sign my_sign(const MYSQL_FIELD *field)
{
  return (struct fed_mysql_sign){
    .type = field->type,
    .flags = field->flags & (UNSIGNED_FLAG | ENUM_FLAG | SET_FLAG),
    .charset = field->charsetnr,
    .decimals = field->decimals,
    .length = field->length};
}

static bool my_same_sign(const struct fed_mysql_sign *a,
                         const struct fed_mysql_sign *b)
{
  return a->type == b->type && a->flags == b->flags &&
         a->charset == b->charset && a->decimals == b->decimals &&
         a->length == b->length;
}

static bool my_unchanged(const struct fed_mysql_stmt *st,
                         const MYSQL_FIELD *field, int n)
{
  if (!st->sign || st->head.ncol != n) return false;
  for (int i = 0; i < n; i++) {
    struct fed_mysql_sign now = my_sign(&field[i]);

    if (!my_same_sign(&st->sign[i], &now)) return false;
  }
  return true;
}

static int my_mismatch(const MYSQL_FIELD *field, enum fed_class want,
                       struct fed_err *err)
{
  char type[80];

  fed_mysql_type(field, type, sizeof type);
  if (fed_mysql_class(field) == FED_CLASS_COUNT)
    return fed_err_set(err, SQLITE_SCHEMA,
                       "column '%s' has type number %d, which the client "
                       "library cannot fetch: cast it to another type",
                       field->name, (int)field->type);
  return fed_err_set(err, SQLITE_SCHEMA,
                     "column '%s' is now %s, which does not give class '%s'",
                     field->name, type, fed_class_name(want));
}

static int my_column(struct fed_mysql_stmt *st, int i, const MYSQL_FIELD *field,
                     bool strict, struct fed_err *err)
{
  enum fed_class is = fed_mysql_class(field);
  enum fed_class want = st->nwant >= 0 ? st->want[i] : FED_CLASS_ANY;
  struct fed_mysql_col *col = &st->col[i];

  if (!my_gives(field, is, want) && (strict || is == FED_CLASS_COUNT))
    return my_mismatch(field, want, err);
  col->class = want == FED_CLASS_ANY ? is : want;
  col->bound = my_bound_as(field);
  col->is_unsigned = (field->flags & UNSIGNED_FLAG) != 0;
  col->name = fed_strdup(field->name);
  if (!col->name) return fed_err_nomem(err);
  st->sign[i] = my_sign(field);
  if (col->bound != MYSQL_TYPE_BLOB) return SQLITE_OK;
  col->room = field->length < MY_WHOLE_ROOM ? field->length + 1 : MY_FIRST_ROOM;
  col->data = fed_alloc(col->room);
  return col->data ? SQLITE_OK : fed_err_nomem(err);
}

int fed_mysql_columns(struct fed_mysql_stmt *st, const MYSQL_FIELD *field,
                      int n, bool strict, struct fed_err *err)
{
  if (st->nwant >= 0 && n != st->nwant)
    return fed_err_set(err, SQLITE_SCHEMA,
                       "the result has %d columns, %d were expected", n,
                       st->nwant);
  if (n == 0) {
    fed_mysql_columns_free(st);
    return SQLITE_OK;
  }
  /* After a lenient look even the same signs must be checked. */
  if (!strict || !my_unchanged(st, field, n) || !st->checked) {
    st->checked = false;
    if (!my_columns_alloc(st, n)) return fed_err_nomem(err);
    for (int i = 0; i < n; i++) {
      int rc = my_column(st, i, &field[i], strict, err);

      if (rc != SQLITE_OK) return rc;
    }
    st->checked = strict;
  }
  return fed_mysql_bind(st, err);
}

static void my_bind_one(struct fed_mysql_col *col, MYSQL_BIND *bind)
{
  memset(bind, 0, sizeof *bind);
  bind->buffer_type = col->bound;
  bind->buffer = &col->fixed;
  bind->buffer_length = sizeof col->fixed;
  bind->is_unsigned = col->is_unsigned;
  bind->is_null = &col->null;
  bind->length = &col->length;
  bind->error = &col->error;
  if (col->bound == MYSQL_TYPE_BLOB) {
    bind->buffer = col->data;
    bind->buffer_length = col->room;
  }
}

int fed_mysql_bind(struct fed_mysql_stmt *st, struct fed_err *err)
{
  st->rebind = false;
  for (int i = 0; i < st->head.ncol; i++)
    my_bind_one(&st->col[i], &st->bind[i]);
  if (mysql_stmt_bind_result(st->stmt, st->bind) == 0) return SQLITE_OK;
  return fed_mysql_fail(fed_mysql_of(st->head.conn), st->stmt, err);
}

/* A longer value than ever before in this column: fetch it again, whole. */
static int my_grow(struct fed_mysql_stmt *st, int i, struct fed_err *err)
{
  struct fed_mysql_col *col = &st->col[i];
  size_t room = col->room * 2;
  MYSQL_BIND bind;
  char *data;

  if (col->length > FED_MYSQL_VALUE_MAX)
    return fed_err_set(err, SQLITE_TOOBIG,
                       "a value of column '%s' has %lu bytes; SQLite holds at "
                       "most %lu",
                       col->name, col->length, FED_MYSQL_VALUE_MAX);
  if (room < col->length + 1) room = col->length + 1;
  data = fed_alloc(room);
  if (!data) return fed_err_nomem(err);
  fed_free(col->data);
  col->data = data;
  col->room = room;
  st->rebind = true;
  my_bind_one(col, &bind);
  if (mysql_stmt_fetch_column(st->stmt, &bind, (unsigned)i, 0) == 0)
    return SQLITE_OK;
  return fed_mysql_fail(fed_mysql_of(st->head.conn), st->stmt, err);
}

/* ---- values ------------------------------------------------------------ */

static char *my_digits(char *p, unsigned value, int width)
{
  for (int i = width - 1; i >= 0; i--) {
    p[i] = (char)('0' + value % 10);
    value /= 10;
  }
  return p + width;
}

static char *my_write_date(char *p, const MYSQL_TIME *t)
{
  p = my_digits(p, t->year, 4);
  *p++ = '-';
  p = my_digits(p, t->month, 2);
  *p++ = '-';
  return my_digits(p, t->day, 2);
}

/* HH:MM:SS[.f]: a TIME has up to 838 hours, the library has added the days. */
static char *my_write_time(char *p, const MYSQL_TIME *t)
{
  p = my_digits(p, t->hour, t->hour > 99 ? 3 : 2);
  *p++ = ':';
  p = my_digits(p, t->minute, 2);
  *p++ = ':';
  p = my_digits(p, t->second, 2);
  if (t->second_part == 0) return p;
  *p++ = '.';
  p = my_digits(p, (unsigned)t->second_part, 6);
  while (p[-1] == '0')
    p--;
  return p;
}

static struct fed_value my_when(struct fed_mysql_col *col)
{
  const MYSQL_TIME *t = &col->fixed.t;
  char *p = col->text;

  if (col->bound == MYSQL_TYPE_TIME) {
    if (t->neg) *p++ = '-';
    p = my_write_time(p, t);
  } else {
    p = my_write_date(p, t);
    if (col->bound != MYSQL_TYPE_DATE) {
      *p++ = ' ';
      p = my_write_time(p, t);
    }
  }
  *p = 0;
  return (struct fed_value){
    .type = FED_TEXT, .cstr = true, .size = p - col->text, .p = col->text};
}

static struct fed_value my_unsigned(struct fed_mysql_col *col, uint64_t u)
{
  char *end = col->text + sizeof col->text - 1;
  char *p = end;

  if (u <= INT64_MAX) return fed_value_int((int64_t)u);
  for (*p = 0; u; u /= 10)
    *--p = (char)('0' + u % 10);
  return (struct fed_value){
    .type = FED_TEXT, .cstr = true, .size = end - p, .p = p};
}

/* BIT(n) comes as its bytes, the highest first. */
static struct fed_value my_bits(struct fed_mysql_col *col)
{
  uint64_t u = 0;

  for (unsigned long i = 0; i < col->length && i < 8; i++)
    u = u << 8 | col->fixed.bits[i];
  return my_unsigned(col, u);
}

/*
 * At most 18 digits as an integer and how many of them follow the point:
 * exact, and blind to the locale. A class promises no more digits than fit.
 */
static int64_t my_decimal(const struct fed_mysql_col *col, int *scale)
{
  const char *p = col->fixed.digits;
  unsigned long n = col->length;
  bool minus = n > 0 && *p == '-';
  bool point = false;
  int64_t value = 0;

  *scale = 0;
  for (unsigned long i = minus; i < n && i < sizeof col->fixed.digits; i++) {
    if (p[i] == '.') {
      point = true;
    } else if (value <= INT64_MAX / 10 - 1) {
      value = value * 10 + (p[i] - '0');
      *scale += point;
    }
  }
  return minus ? -value : value;
}

/* Up to 15 digits over a power of ten are both exact doubles, so that their
 * quotient is the nearest double to the decimal. */
static struct fed_value my_decreal(const struct fed_mysql_col *col)
{
  static const double power[] = {1,   1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
  int scale;
  int64_t value = my_decimal(col, &scale);

  return fed_value_real((double)value / power[scale < 15 ? scale : 15]);
}

static struct fed_value my_numeric(struct fed_mysql_col *col)
{
  int scale;

  if (col->class == FED_CLASS_DECINT)
    return fed_value_int(my_decimal(col, &scale));
  if (col->class == FED_CLASS_DECREAL) return my_decreal(col);
  return fed_value_text(col->fixed.digits, (int64_t)col->length);
}

static struct fed_value my_string(const struct fed_mysql_col *col)
{
  int64_t n = (int64_t)col->length;

  if (col->class == FED_CLASS_BLOB) return fed_value_blob(col->data, n);
  /* Columns come trimmed, expressions of type CHAR may not. */
  if (col->class == FED_CLASS_CHAR)
    while (n > 0 && col->data[n - 1] == ' ')
      n--;
  return fed_value_text(col->data, n);
}

static struct fed_value my_value(struct fed_mysql_col *col)
{
  switch ((int)col->bound) {
  case MYSQL_TYPE_LONGLONG:
    return col->is_unsigned ? my_unsigned(col, (uint64_t)col->fixed.i)
                            : fed_value_int(col->fixed.i);
  case MYSQL_TYPE_DOUBLE:
    return fed_value_real(col->fixed.r);
  case MYSQL_TYPE_FLOAT:
    return fed_value_real((double)col->fixed.f);
  case MYSQL_TYPE_BLOB:
    return my_string(col);
  case MYSQL_TYPE_NEWDECIMAL:
    return my_numeric(col);
  case MYSQL_TYPE_BIT:
    return my_bits(col);
  case MYSQL_TYPE_DATE:
  case MYSQL_TYPE_TIME:
  case MYSQL_TYPE_DATETIME:
  case MYSQL_TYPE_TIMESTAMP:
    return my_when(col);
  default:
    return fed_value_null();
  }
}

int fed_mysql_row(struct fed_mysql_stmt *st, struct fed_err *err)
{
  for (int i = 0; i < st->head.ncol; i++) {
    struct fed_mysql_col *col = &st->col[i];

    if (col->null) {
      st->head.row[i] = fed_value_null();
      continue;
    }
    if (col->bound == MYSQL_TYPE_BLOB && col->length > col->room) {
      int rc = my_grow(st, i, err);

      if (rc != SQLITE_OK) return rc;
    }
    st->head.row[i] = my_value(col);
  }
  return SQLITE_OK;
}
