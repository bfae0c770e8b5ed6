/*
 * mysql_decode: the columns of a result: which class each one has, in which
 * form its values come, and where the client library puts them.
 *
 * Where the library fetches, it converts each value from its wire form into
 * the type that we bind. We bind integers as 64 bits, and everything else as
 * what it is: the library's own conversions to and from text depend on the
 * locale. Where rows are read from the wire, nothing is bound.
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

static enum fed_mysql_form my_string_form(enum fed_class class)
{
  if (class == FED_CLASS_BLOB) return FED_MYSQL_BLOB;
  return class == FED_CLASS_CHAR ? FED_MYSQL_CHAR : FED_MYSQL_TEXT;
}

/* How the bytes of a value on the wire become one of the class. */
static enum fed_mysql_form my_form(enum enum_field_types type,
                                   enum fed_class class)
{
  switch ((int)type) {
  case MYSQL_TYPE_TINY:
    return FED_MYSQL_INT1;
  case MYSQL_TYPE_SHORT:
  case MYSQL_TYPE_YEAR:
    return FED_MYSQL_INT2;
  case MYSQL_TYPE_INT24:
  case MYSQL_TYPE_LONG:
    return FED_MYSQL_INT4;
  case MYSQL_TYPE_LONGLONG:
    return FED_MYSQL_INT8;
  case MYSQL_TYPE_FLOAT:
    return FED_MYSQL_FLOAT;
  case MYSQL_TYPE_DOUBLE:
    return FED_MYSQL_DOUBLE;
  case MYSQL_TYPE_DATE:
  case MYSQL_TYPE_NEWDATE:
    return FED_MYSQL_DATE;
  case MYSQL_TYPE_DATETIME:
  case MYSQL_TYPE_TIMESTAMP:
    return FED_MYSQL_DATETIME;
  case MYSQL_TYPE_TIME:
    return FED_MYSQL_TIME;
  case MYSQL_TYPE_NULL:
    return FED_MYSQL_NOTHING;
  case MYSQL_TYPE_BIT:
    return FED_MYSQL_BITS;
  case MYSQL_TYPE_DECIMAL:
  case MYSQL_TYPE_NEWDECIMAL:
    if (class == FED_CLASS_DECINT) return FED_MYSQL_DECINT;
    return class == FED_CLASS_DECREAL ? FED_MYSQL_DECREAL : FED_MYSQL_TEXT;
  default:
    return my_string_form(class);
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

static bool my_is_raw(const struct fed_mysql_stmt *st)
{
  return fed_mysql_of(st->head.conn)->raw;
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
  col->form = my_form(field->type, col->class);
  col->bound = my_bound_as(field);
  col->is_unsigned = (field->flags & UNSIGNED_FLAG) != 0;
  col->name = fed_strdup(field->name);
  if (!col->name) return fed_err_nomem(err);
  st->sign[i] = my_sign(field);
  if (col->bound != MYSQL_TYPE_BLOB || my_is_raw(st)) return SQLITE_OK;
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
  return my_is_raw(st) ? SQLITE_OK : fed_mysql_bind(st, err);
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

int fed_mysql_grow(struct fed_mysql_stmt *st, int i, struct fed_err *err)
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
