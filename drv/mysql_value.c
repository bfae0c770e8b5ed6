/*
 * mysql_value: what a row holds, as `struct fed_value`: from its bytes in the
 * binary protocol, or from where the client library has put its values.
 *
 *     0 | a bit per column: is it NULL? (from bit 2 on) | values that are not
 *
 * Integers and floats have their width, lowest byte first. All else has a
 * length in front of it. The bytes come from outside: nothing is read beyond
 * the row's end, whatever the lengths say.
 */
#include "drv/mysql.h"

/* ---- from parts to values ---------------------------------------------- */

static char *my_two(char *p, unsigned value)
{
  p[0] = (char)('0' + value / 10 % 10);
  p[1] = (char)('0' + value % 10);
  return p + 2;
}

static char *my_write_date(char *p, const MYSQL_TIME *t)
{
  p = my_two(p, t->year / 100);
  p = my_two(p, t->year);
  *p++ = '-';
  p = my_two(p, t->month);
  *p++ = '-';
  return my_two(p, t->day);
}

/* HH:MM:SS[.f]: a TIME has up to 838 hours, the days have been added. */
static char *my_write_time(char *p, const MYSQL_TIME *t)
{
  unsigned fraction = (unsigned)t->second_part;

  if (t->hour > 99) *p++ = (char)('0' + t->hour / 100 % 10);
  p = my_two(p, t->hour);
  *p++ = ':';
  p = my_two(p, t->minute);
  *p++ = ':';
  p = my_two(p, t->second);
  if (fraction == 0) return p;
  *p++ = '.';
  p = my_two(p, fraction / 10000);
  p = my_two(p, fraction / 100);
  p = my_two(p, fraction);
  while (p[-1] == '0')
    p--;
  return p;
}

static void my_when(struct fed_mysql_col *col, const MYSQL_TIME *t,
                    struct fed_value *out)
{
  char *p = col->text;

  if (col->form == FED_MYSQL_TIME) {
    if (t->neg) *p++ = '-';
    p = my_write_time(p, t);
  } else {
    p = my_write_date(p, t);
    if (col->form == FED_MYSQL_DATETIME) {
      *p++ = ' ';
      p = my_write_time(p, t);
    }
  }
  *p = 0;
  *out = fed_value_cstrn(col->text, p - col->text);
}

static void my_unsigned(struct fed_mysql_col *col, uint64_t u,
                        struct fed_value *out)
{
  char *end = col->text + sizeof col->text - 1;
  char *p = end;

  if (u <= INT64_MAX) {
    *out = fed_value_int((int64_t)u);
    return;
  }
  for (*p = 0; u; u /= 10)
    *--p = (char)('0' + u % 10);
  *out = fed_value_cstrn(p, end - p);
}

static void my_integer(struct fed_mysql_col *col, int64_t i,
                       struct fed_value *out)
{
  if (col->is_unsigned)
    my_unsigned(col, (uint64_t)i, out);
  else
    *out = fed_value_int(i);
}

/* BIT(n) comes as its bytes, the highest first. */
static void my_bits(struct fed_mysql_col *col, const unsigned char *p, size_t n,
                    struct fed_value *out)
{
  uint64_t u = 0;

  for (size_t i = 0; i < n && i < 8; i++)
    u = u << 8 | p[i];
  my_unsigned(col, u, out);
}

/*
 * At most 18 digits as an integer, and how many of them follow the point:
 * exact, and blind to the locale. False for anything else: a class promises
 * no more digits than fit.
 */
static bool my_digits(const char *p, size_t n, int64_t *out, int *scale)
{
  const char *end = p + n, *point = NULL;
  bool minus = n > 0 && *p == '-';
  int64_t value = 0;

  for (p += minus; p < end; p++) {
    unsigned digit = (unsigned char)*p - (unsigned)'0';

    if (digit <= 9 && value < 100000000000000000) {
      value = value * 10 + (int)digit;
    } else if (*p == '.' && !point) {
      point = p + 1;
    } else {
      return false;
    }
  }
  *scale = point ? (int)(end - point) : 0;
  *out = minus ? -value : value;
  return true;
}

/* Up to 15 digits over a power of ten are both exact doubles, so that their
 * quotient is the nearest double to the decimal. */
static bool my_decimal(const struct fed_mysql_col *col, const char *p, size_t n,
                       struct fed_value *out)
{
  static const double power[] = {1,    1e1,  1e2,  1e3,  1e4,  1e5,  1e6,
                                 1e7,  1e8,  1e9,  1e10, 1e11, 1e12, 1e13,
                                 1e14, 1e15, 1e16, 1e17, 1e18};
  int64_t value;
  int scale;

  if (!my_digits(p, n, &value, &scale)) return false;
  if (col->form == FED_MYSQL_DECINT)
    *out = fed_value_int(value);
  else if (scale < (int)FED_LEN(power))
    *out = fed_value_real((double)value / power[scale]);
  return col->form == FED_MYSQL_DECINT || scale < (int)FED_LEN(power);
}

static void my_string(const struct fed_mysql_col *col, const char *p, size_t n,
                      struct fed_value *out)
{
  /* Columns come trimmed, expressions of type CHAR may not. */
  if (col->form == FED_MYSQL_CHAR)
    while (n > 0 && p[n - 1] == ' ')
      n--;
  *out = fed_value_bytes(col->form == FED_MYSQL_BLOB ? FED_BLOB : FED_TEXT, p,
                         (int64_t)n);
}

/* ---- from the bytes of a row ------------------------------------------- */

/* What is left of the row, and where the last text shall end with a zero once
 * the byte there is read. */
struct my_rest {
  unsigned char *p, *end;
  char *zero;
};

static bool my_has(const struct my_rest *rest, uint64_t n)
{
  return (uint64_t)(rest->end - rest->p) >= n;
}

static uint32_t my_low2(const unsigned char *p)
{
  return (uint32_t)p[0] | (uint32_t)p[1] << 8;
}

static uint32_t my_low4(const unsigned char *p)
{
  return my_low2(p) | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static uint64_t my_low8(const unsigned char *p)
{
  return my_low4(p) | (uint64_t)my_low4(p + 4) << 32;
}

/* The bytes of a value with its length in front: that is in the first byte,
 * or in so many as that says. */
static bool my_sized(struct my_rest *rest, unsigned char **out, size_t *size)
{
  unsigned char *p = rest->p;
  uint64_t n;
  int more;

  if (!my_has(rest, 1) || *p == 251 || *p == 255) return false;
  n = *p++;
  more = n < 251 ? 0 : n == 252 ? 2 : n == 253 ? 3 : 8;
  if (more) {
    if (!my_has(rest, 1 + (uint64_t)more)) return false;
    n = more == 2   ? my_low2(p)
        : more == 3 ? my_low2(p) | (uint64_t)p[2] << 16
                    : my_low8(p);
    p += more;
  }
  rest->p = p;
  if (!my_has(rest, n)) return false;
  rest->p += n;
  *out = p;
  *size = (size_t)n;
  return true;
}

static bool my_integer_bytes(struct fed_mysql_col *col, struct my_rest *rest,
                             struct fed_value *out)
{
  static const unsigned char width[] = {[FED_MYSQL_INT1] = 1,
                                        [FED_MYSQL_INT2] = 2,
                                        [FED_MYSQL_INT4] = 4,
                                        [FED_MYSQL_INT8] = 8};
  const unsigned char *p = rest->p;
  unsigned n = width[col->form];
  int64_t i;

  if (!my_has(rest, n)) return false;
  rest->p += n;
  if (n == 8)
    i = (int64_t)my_low8(p);
  else if (n == 4)
    i = col->is_unsigned ? (int64_t)my_low4(p) : (int32_t)my_low4(p);
  else if (n == 2)
    i = col->is_unsigned ? (int64_t)my_low2(p) : (int16_t)my_low2(p);
  else
    i = col->is_unsigned ? (int64_t)*p : (int8_t)*p;
  my_integer(col, i, out);
  return true;
}

static bool my_real_bytes(const struct fed_mysql_col *col, struct my_rest *rest,
                          struct fed_value *out)
{
  size_t n = col->form == FED_MYSQL_DOUBLE ? 8 : 4;
  uint64_t wide;
  uint32_t narrow;
  double r;
  float f;

  if (!my_has(rest, n)) return false;
  if (n == 8) {
    wide = my_low8(rest->p);
    memcpy(&r, &wide, sizeof r);
  } else {
    narrow = my_low4(rest->p);
    memcpy(&f, &narrow, sizeof f);
    r = (double)f;
  }
  rest->p += n;
  *out = fed_value_real(r);
  return true;
}

/* What is zero at the end is left out: the fraction, the time, all. */
static bool my_when_bytes(struct fed_mysql_col *col, const unsigned char *p,
                          size_t n, struct fed_value *out)
{
  MYSQL_TIME t = {0};

  if (col->form == FED_MYSQL_TIME) {
    if (n != 0 && n != 8 && n != 12) return false;
    if (n >= 8) {
      t.neg = p[0] != 0;
      t.hour = my_low4(p + 1) * 24 + p[5];
      t.minute = p[6];
      t.second = p[7];
    }
    if (n == 12) t.second_part = my_low4(p + 8);
  } else {
    if (n != 0 && n != 4 && n != 7 && n != 11) return false;
    if (n >= 4) {
      t.year = my_low2(p);
      t.month = p[2];
      t.day = p[3];
    }
    if (n >= 7) {
      t.hour = p[4];
      t.minute = p[5];
      t.second = p[6];
    }
    if (n == 11) t.second_part = my_low4(p + 7);
  }
  my_when(col, &t, out);
  return true;
}

/* SQLite copies a text once less if it ends with a zero and holds no other. */
static bool my_string_bytes(const struct fed_mysql_col *col,
                            struct my_rest *rest, struct fed_value *out)
{
  unsigned char *p;
  size_t n;

  if (!my_sized(rest, &p, &n)) return false;
  my_string(col, (const char *)p, n, out);
  if (out->type != FED_TEXT || memchr(p, 0, (size_t)out->size)) return true;
  out->cstr = true;
  rest->zero = (char *)p + out->size;
  return true;
}

static bool my_value_bytes(struct fed_mysql_col *col, struct my_rest *rest,
                           struct fed_value *out)
{
  unsigned char *p;
  size_t n;

  switch (col->form) {
  case FED_MYSQL_NOTHING:
    return false;
  case FED_MYSQL_INT1:
  case FED_MYSQL_INT2:
  case FED_MYSQL_INT4:
  case FED_MYSQL_INT8:
    return my_integer_bytes(col, rest, out);
  case FED_MYSQL_FLOAT:
  case FED_MYSQL_DOUBLE:
    return my_real_bytes(col, rest, out);
  case FED_MYSQL_DATE:
  case FED_MYSQL_DATETIME:
  case FED_MYSQL_TIME:
    return my_sized(rest, &p, &n) && my_when_bytes(col, p, n, out);
  case FED_MYSQL_BITS:
    if (!my_sized(rest, &p, &n)) return false;
    my_bits(col, p, n, out);
    return true;
  case FED_MYSQL_DECINT:
  case FED_MYSQL_DECREAL:
    return my_sized(rest, &p, &n) && my_decimal(col, (char *)p, n, out);
  case FED_MYSQL_TEXT:
  case FED_MYSQL_CHAR:
  case FED_MYSQL_BLOB:
    return my_string_bytes(col, rest, out);
  }
  return false;
}

static int my_malformed(struct fed_mysql_stmt *st, const char *name,
                        struct fed_err *err)
{
  st->head.conn->broken = true;
  return fed_err_set(err, SQLITE_IOERR,
                     "the server sent a row that is malformed at column '%s'",
                     name);
}

int fed_mysql_decode(struct fed_mysql_stmt *st, unsigned char *row, size_t size,
                     struct fed_err *err)
{
  size_t bits = ((size_t)st->head.ncol + 2 + 7) / 8;
  struct my_rest rest = {.p = row + 1 + bits, .end = row + size};

  if (size < 1 + bits || row[0] != 0)
    return my_malformed(st, st->col[0].name, err);
  for (int i = 0; i < st->head.ncol; i++) {
    bool null = row[1 + (i + 2) / 8] >> (i + 2) % 8 & 1;
    char *zero = rest.zero;

    if (null || st->col[i].form == FED_MYSQL_NOTHING) {
      st->head.row[i] = fed_value_null();
      continue;
    }
    rest.zero = NULL;
    if (!my_value_bytes(&st->col[i], &rest, &st->head.row[i]))
      return my_malformed(st, st->col[i].name, err);
    if (zero) *zero = 0;
  }
  if (rest.zero) *rest.zero = 0;
  return SQLITE_OK;
}

/* ---- from the library's buffers ---------------------------------------- */

static bool my_value(struct fed_mysql_col *col, struct fed_value *out)
{
  switch (col->form) {
  case FED_MYSQL_NOTHING:
    *out = fed_value_null();
    break;
  case FED_MYSQL_INT1:
  case FED_MYSQL_INT2:
  case FED_MYSQL_INT4:
  case FED_MYSQL_INT8:
    my_integer(col, col->fixed.i, out);
    break;
  case FED_MYSQL_FLOAT:
    *out = fed_value_real((double)col->fixed.f);
    break;
  case FED_MYSQL_DOUBLE:
    *out = fed_value_real(col->fixed.r);
    break;
  case FED_MYSQL_DATE:
  case FED_MYSQL_DATETIME:
  case FED_MYSQL_TIME:
    my_when(col, &col->fixed.t, out);
    break;
  case FED_MYSQL_BITS:
    my_bits(col, col->fixed.bits, col->length, out);
    break;
  case FED_MYSQL_DECINT:
  case FED_MYSQL_DECREAL:
    return my_decimal(col, col->fixed.digits, col->length, out);
  case FED_MYSQL_TEXT:
  case FED_MYSQL_CHAR:
  case FED_MYSQL_BLOB:
    my_string(col,
              col->bound == MYSQL_TYPE_BLOB ? col->data : col->fixed.digits,
              col->length, out);
    break;
  }
  return true;
}

int fed_mysql_fetched(struct fed_mysql_stmt *st, struct fed_err *err)
{
  for (int i = 0; i < st->head.ncol; i++) {
    struct fed_mysql_col *col = &st->col[i];

    if (col->null) {
      st->head.row[i] = fed_value_null();
      continue;
    }
    if (col->bound == MYSQL_TYPE_BLOB && col->length > col->room) {
      int rc = fed_mysql_grow(st, i, err);

      if (rc != SQLITE_OK) return rc;
    }
    if (!my_value(col, &st->head.row[i]))
      return my_malformed(st, col->name, err);
  }
  return SQLITE_OK;
}
