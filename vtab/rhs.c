/*
 * rhs: what a right-hand value makes of a term, by SQLite's own rules of
 * storage class and affinity. Values arrive here as they are written; SQLite
 * would convert them before it compares, and sometimes the column instead.
 */
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "vtab/table.h"

static bool rhs_range(enum term_op op)
{
  return op == TERM_LT || op == TERM_LE || op == TERM_GT || op == TERM_GE;
}

/* The column's values all sort below (`below`) or above the value. */
static enum term_use rhs_ordered(enum term_op op, bool below)
{
  switch (op) {
  case TERM_NE:
    return TERM_ALWAYS;
  case TERM_LT:
  case TERM_LE:
    return below ? TERM_ALWAYS : TERM_NEVER;
  case TERM_GT:
  case TERM_GE:
    return below ? TERM_NEVER : TERM_ALWAYS;
  case TERM_EQ:
    return TERM_NEVER;
  case TERM_ISNULL:
  case TERM_NOTNULL:
  case TERM_LIKE:
  case TERM_GLOB:
  case TERM_OPS:
    break;
  }
  return TERM_DROP;
}

/* A number that no integer equals: compare with the integer below it. */
static enum term_use rhs_fraction(enum term_op *op, double r,
                                  struct fed_value *out)
{
  if (*op == TERM_EQ) return TERM_NEVER;
  if (*op == TERM_NE) return TERM_ALWAYS;
  if (*op == TERM_LT) *op = TERM_LE;
  if (*op == TERM_GE) *op = TERM_GT;
  *out = fed_value_int((int64_t)floor(r));
  return TERM_BIND;
}

/*
 * Integers that the server takes for something else: MySQL reads YEAR 24 as
 * 2024, and to PostgreSQL an oid out of its range is an error, by whatever
 * domain it is one.
 */
static bool rhs_misread(const struct fed_dialect *dialect,
                        const struct fed_column *col, int64_t i)
{
  if (dialect == &fed_dialect_mysql && !sqlite3_strnicmp(col->type, "year", 4))
    return i < 1901 || i > 2155;
  return dialect == &fed_dialect_pg && (i < 0 || i > UINT32_MAX) &&
         strcmp(col->type, "smallint") && strcmp(col->type, "integer") &&
         strcmp(col->type, "bigint");
}

static enum term_use rhs_integer(const struct fed_dialect *dialect,
                                 const struct fed_column *col, enum term_op *op,
                                 struct fed_value *value)
{
  const double limit = 9223372036854775808.0; /* 2^63 */

  if (value->type == FED_REAL) {
    double r = value->r;

    if (r >= limit || r < -limit)
      return col->class == FED_CLASS_UINT && r > 0 ? TERM_DROP
                                                   : rhs_ordered(*op, r > 0);
    if (r != floor(r)) {
      enum term_use use = rhs_fraction(op, r, value);

      if (use != TERM_BIND) return use;
    } else {
      *value = fed_value_int((int64_t)r);
    }
  }
  if (col->class == FED_CLASS_UINT && value->i < 0)
    return rhs_ordered(*op, false);
  if (col->class == FED_CLASS_BOOL && value->i != 0 && value->i != 1)
    return rhs_ordered(*op, value->i > 0);
  return rhs_misread(dialect, col, value->i) ? TERM_DROP : TERM_BIND;
}

void rhs_real_text(char buf[48], double r, int digits)
{
  char *comma;

  snprintf(buf, 48, "%.*g", digits, r);
  if ((comma = strchr(buf, ',')) != NULL) *comma = '.';
}

/*
 * numeric(p <= 15) read as the nearest double: fifteen digits name at most
 * one such number, so where they give the double back they are the number,
 * and where not, none equals it and seventeen digits lie on the right side.
 */
static void rhs_decimal_text(char buf[48], struct fed_value *value)
{
  double r = value->r;

  rhs_real_text(buf, r, 15);
  if (strtod(buf, NULL) != r) rhs_real_text(buf, r, 17);
  *value = fed_value_cstr(buf);
}

static enum term_use rhs_real(const struct fed_dialect *dialect,
                              const struct fed_column *col, enum term_op *op,
                              char buf[48], struct fed_value *value)
{
  bool has_inf = dialect == &fed_dialect_pg && col->class != FED_CLASS_DECREAL;

  if (value->type == FED_INT) {
    const int64_t limit = INT64_C(1) << 53;

    /* SQLite compares such an integer exactly, not as a double. */
    if (value->i > limit || value->i < -limit) return TERM_DROP;
    *value = fed_value_real((double)value->i);
  }
  if (isinf(value->r) && !has_inf) return rhs_ordered(*op, value->r > 0);
  if (col->class == FED_CLASS_DECREAL && dialect == &fed_dialect_pg)
    rhs_decimal_text(buf, value);
  return TERM_BIND;
}

/*
 * SQLite gives a text the chance to be a number; one that is none is above
 * all numbers. Only plain integers are read here: what else may be a number
 * (' 5', '5e0') is SQLite's to say.
 */
static enum term_use rhs_number_text(enum term_op op, struct fed_value *value)
{
  const char *p = value->p, *end = p + value->size;
  const char *digit;
  int64_t i = 0;

  while (p < end && isspace((unsigned char)*p))
    p++;
  /* LIKE 'inf%' has a range, and a real may print as Inf. */
  if (p < end && (*p == 'i' || *p == 'I') && rhs_range(op)) return TERM_DROP;
  if (p == end || !strchr("+-.0123456789", *p)) return rhs_ordered(op, true);
  if (p != value->p) return TERM_DROP;
  digit = p + (*p == '-');
  if (digit == end || end - digit > 18) return TERM_DROP;
  for (const char *q = digit; q < end; q++) {
    if (!isdigit((unsigned char)*q)) return TERM_DROP;
    i = i * 10 + (*q - '0');
  }
  *value = fed_value_int(*p == '-' ? -i : i);
  return TERM_BIND;
}

static enum term_use rhs_number(const struct fed_dialect *dialect,
                                const struct fed_column *col, enum term_op *op,
                                char buf[48], struct fed_value *value)
{
  if (value->type == FED_BLOB) return rhs_ordered(*op, true);
  if (value->type == FED_TEXT) {
    enum term_use use = rhs_number_text(*op, value);

    if (use != TERM_BIND) return use;
  }
  if (fed_class_storage(col->class) == FED_INT)
    return rhs_integer(dialect, col, op, value);
  return rhs_real(dialect, col, op, buf, value);
}

/* Well-formed UTF-8 without NUL: what both servers take as text. */
static bool rhs_is_utf8(const struct fed_value *value)
{
  const unsigned char *p = (const unsigned char *)value->p;
  const unsigned char *end = p + value->size;

  while (p < end) {
    int more = *p < 0x80   ? 0
               : *p < 0xC2 ? -1
               : *p < 0xE0 ? 1
               : *p < 0xF0 ? 2
               : *p < 0xF5 ? 3
                           : -1;

    if (*p == 0 || more < 0 || end - p <= more) return false;
    if ((*p == 0xE0 && p[1] < 0xA0) || (*p == 0xED && p[1] > 0x9F) ||
        (*p == 0xF0 && p[1] < 0x90) || (*p == 0xF4 && p[1] > 0x8F))
      return false;
    for (p++; more > 0; more--, p++)
      if ((*p & 0xC0) != 0x80) return false;
  }
  return true;
}

/* A character that the column's encoding lacks is an error there, no "no". */
static bool rhs_sendable(const struct fed_column *col,
                         const struct fed_value *value)
{
  if (!rhs_is_utf8(value)) return false;
  for (int64_t i = 0; i < value->size && !col->unicode; i++)
    if ((unsigned char)value->p[i] >= 0x80) return false;
  return true;
}

/*
 * A number against a TEXT column: a literal 5 becomes '5', but against a
 * numeric column's 5, or CAST(5 AS INTEGER), it is our text that becomes a
 * number, and here all of them look the same.
 */
static enum term_use rhs_text(const struct fed_column *col,
                              struct term_now *now, bool plain,
                              const struct fed_value *value)
{
  bool blank = value->size > 0 && value->p[value->size - 1] == ' ';

  if (value->type == FED_BLOB) return rhs_ordered(now->op, true);
  if (value->type != FED_TEXT) return TERM_DROP;
  if (rhs_range(now->op) && !plain) return TERM_DROP;
  if (!rhs_sendable(col, value)) return TERM_DROP;
  /* What has its blanks cut equals nothing that ends in one. */
  if (col->class == FED_CLASS_CHAR && blank && now->op == TERM_EQ)
    return TERM_NEVER;
  return TERM_BIND;
}

/* The type's own text is ASCII and no number: any text may be compared. */
static enum term_use rhs_as_text(struct term_now *now,
                                 const struct fed_value *value)
{
  for (int64_t i = 0; i < value->size; i++)
    if ((signed char)value->p[i] <= 0) return TERM_DROP;
  now->form = FORM_TEXT;
  return TERM_BIND;
}

/* A pattern is made another one, or not sent: see bind.c and pattern.c. */
static enum term_use rhs_pattern(const struct fed_dialect *dialect,
                                 const struct fed_column *col,
                                 const struct fed_value *value)
{
  if (value->type != FED_TEXT || !rhs_sendable(col, value)) return TERM_DROP;
  if (!dialect->like && memchr(value->p, '\\', (size_t)value->size))
    return TERM_DROP;
  return TERM_BIND;
}

/* [+-]digits[.digits], at most 1000 characters of it. */
static bool rhs_is_decimal(const struct fed_value *value)
{
  int64_t i = 0, digits = 0;

  if (value->size > 1000) return false;
  if (i < value->size && (value->p[i] == '-' || value->p[i] == '+')) i++;
  for (; i < value->size && isdigit((unsigned char)value->p[i]); i++)
    digits++;
  if (i < value->size && value->p[i] == '.')
    for (i++; i < value->size && isdigit((unsigned char)value->p[i]); i++)
      digits++;
  return digits > 0 && i == value->size;
}

/*
 * Against a literal 5 the column is compared by the collation `decimal`, all
 * its digits; against an INTEGER column's 5 as a double, and a real literal
 * with 15 digits. All of that is near the number; SQLite decides.
 */
static enum term_use rhs_near(struct term_now *now, double r,
                              struct fed_value *value)
{
  if (now->op == TERM_NE || !(fabs(r) < 1e300)) return TERM_DROP;
  now->form = FORM_NEAR;
  *value = fed_value_real(r);
  return TERM_BIND;
}

void rhs_bounds(double r, struct fed_value *low, struct fed_value *high)
{
  double margin = fabs(r) * 1e-13 + 1e-300;

  *low = fed_value_real(r - margin);
  *high = fed_value_real(r + margin);
}

/* Digits behind the point of numeric(p,s); -1: any number of them. */
static int rhs_scale(const struct fed_column *col)
{
  const char *p = strchr(col->type, '(');
  int scale = 0;

  if (!p) return -1;
  p += 1 + strspn(p + 1, "0123456789");
  if (*p == ')') return 0;
  if (*p != ',' || !isdigit((unsigned char)p[1])) return -1;
  for (p++; isdigit((unsigned char)*p); p++)
    scale = scale * 10 + (*p - '0');
  return scale;
}

bool rhs_rounds(const struct fed_dialect *dialect, const struct fed_column *col,
                const struct fed_value *value)
{
  int scale;
  double power;

  if (dialect != &fed_dialect_mysql) return false;
  if (col->class == FED_CLASS_TIME || col->class == FED_CLASS_TIMESTAMP ||
      col->class == FED_CLASS_TIMESTAMPTZ)
    return value->type == FED_TEXT &&
           memchr(value->p, '.', (size_t)value->size) != NULL;
  if (col->class != FED_CLASS_DECREAL || value->type != FED_REAL) return false;
  scale = rhs_scale(col);
  power = pow(10, scale);
  return scale < 0 || round(value->r * power) / power != value->r;
}

/*
 * A value of a list. A range cannot be one of many; but of the numbers that
 * the column can hold, at most one is near it.
 */
static enum term_use rhs_decimal_key(const struct fed_dialect *dialect,
                                     const struct fed_column *col, char buf[48],
                                     sqlite3_value *rhs,
                                     struct fed_value *value)
{
  bool pg = dialect == &fed_dialect_pg;
  int scale = rhs_scale(col);
  double r = sqlite3_value_double(rhs), power;

  if (value->type == FED_TEXT && !rhs_is_decimal(value)) return TERM_DROP;
  if (value->type == FED_TEXT && pg) return TERM_BIND;
  if (scale < 0 || scale > 12) return TERM_DROP;
  if (value->type == FED_TEXT && value->size <= 18 &&
      !memchr(value->p, '.', (size_t)value->size))
    *value = fed_value_int(sqlite3_value_int64(rhs));
  if (value->type == FED_INT && scale == 0) return TERM_BIND;
  power = pow(10, scale);
  if (!(fabs(r) * power < 2.5e12)) return TERM_DROP;
  /* As a text it would have an exponent, see below. */
  if (value->type == FED_REAL && r != 0 && fabs(r) < 1e-4) return TERM_DROP;
  *value = fed_value_real(round(r * power) / power);
  if (!pg) return TERM_BIND;
  rhs_real_text(buf, value->r, 15);
  *value = fed_value_cstr(buf);
  return TERM_BIND;
}

static enum term_use rhs_decimal(const struct fed_dialect *dialect,
                                 const struct fed_column *col,
                                 struct term_now *now, bool plain, char buf[48],
                                 sqlite3_value *rhs, struct fed_value *value)
{
  bool number = value->type == FED_INT || value->type == FED_REAL;

  if (now->list && value->type != FED_BLOB)
    return rhs_decimal_key(dialect, col, buf, rhs, value);
  /* That of a column without a type is below every text. */
  if (number && !plain && (now->op == TERM_GT || now->op == TERM_GE))
    return TERM_DROP;
  switch (value->type) {
  case FED_INT:
    return rhs_near(now, (double)value->i, value);
  case FED_REAL:
    /* As a text it would have an exponent, and be no number to `decimal`. */
    if (value->r != 0 && !(fabs(value->r) >= 1e-4 && fabs(value->r) < 1e15))
      return TERM_DROP;
    return rhs_near(now, value->r, value);
  case FED_TEXT:
    if (!plain || !rhs_is_decimal(value)) return TERM_DROP;
    if (dialect == &fed_dialect_pg) return TERM_BIND;
    /* MySQL would compare a decimal with a text as doubles. */
    return rhs_near(now, sqlite3_value_double(rhs), value);
  case FED_BLOB:
    return rhs_ordered(now->op, true);
  case FED_NULL:
    break;
  }
  return TERM_DROP;
}

/* ---- dates ------------------------------------------------------------- */

/* The number in `n` digits at `p`, or -1. */
static int rhs_digits(const char *p, int n)
{
  int v = 0;

  for (int i = 0; i < n; i++) {
    if (!isdigit((unsigned char)p[i])) return -1;
    v = v * 10 + (p[i] - '0');
  }
  return v;
}

static bool rhs_is_date(const char *p, int64_t size)
{
  static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  int y, m, d;
  bool leap;

  if (size < 10 || p[4] != '-' || p[7] != '-') return false;
  y = rhs_digits(p, 4);
  m = rhs_digits(p + 5, 2);
  d = rhs_digits(p + 8, 2);
  if (y < 1 || m < 1 || m > 12 || d < 1) return false;
  leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
  return d <= days[m - 1] + (m == 2 && leap);
}

/* HH:MM:SS[.f], the fraction at most six digits and not ending in 0. */
static bool rhs_is_time(const char *p, int64_t size)
{
  int h, m, s;

  if (size < 8 || p[2] != ':' || p[5] != ':') return false;
  h = rhs_digits(p, 2);
  m = rhs_digits(p + 3, 2);
  s = rhs_digits(p + 6, 2);
  if (h < 0 || h > 23 || m < 0 || m > 59 || s < 0 || s > 59) return false;
  if (size == 8) return true;
  return p[8] == '.' && size >= 10 && size <= 15 && p[size - 1] != '0' &&
         rhs_digits(p + 9, (int)size - 9) >= 0;
}

static enum term_use rhs_unequal(enum term_op op)
{
  return op == TERM_EQ ? TERM_NEVER : TERM_ALWAYS;
}

/* Can the server print this, although it is no date or time as most are? */
static bool rhs_is_odd_date(const struct fed_dialect *dialect,
                            const struct fed_value *value)
{
  const char *p = value->p;
  int64_t n = value->size;

  if (dialect != &fed_dialect_pg)
    return n > 0 && (*p == '-' || isdigit((unsigned char)*p));
  return (n > 4 && isdigit((unsigned char)p[4])) ||
         (n > 2 && memcmp(p + n - 2, "BC", 2) == 0) ||
         (n >= 8 && memcmp(p + n - 8, "infinity", 8) == 0);
}

/* Another text than ours: equal to none of them, but in order among them. */
static enum term_use rhs_odd_date(const struct fed_dialect *dialect,
                                  struct term_now *now,
                                  const struct fed_value *value)
{
  if (!rhs_range(now->op) && !rhs_is_odd_date(dialect, value))
    return rhs_unequal(now->op);
  return rhs_as_text(now, value);
}

/*
 * A year, a month, or a day against a timestamp: every text that begins so is
 * longer, and comes after it. Compare with the first moment of it.
 */
static bool rhs_is_beginning(const struct fed_column *col, struct term_now *now,
                             char buf[48], struct fed_value *value)
{
  bool day = value->size == 10 && col->class != FED_CLASS_DATE;

  if (!rhs_range(now->op) || (value->size != 4 && value->size != 7 && !day))
    return false;
  memcpy(buf, value->p, (size_t)value->size);
  memcpy(buf + value->size, &"-01-01"[value->size == 7 ? 3 : 0],
         (size_t)(value->size == 4   ? 7
                  : value->size == 7 ? 4
                                     : 0));
  if (!rhs_is_date(buf, 10)) return false;
  buf[10] = 0;
  if (now->op == TERM_GT) now->op = TERM_GE;
  if (now->op == TERM_LE) now->op = TERM_LT;
  *value = fed_value_cstr(buf);
  return true;
}

static bool rhs_is_moment(const char *p, int64_t n)
{
  return n > 11 && p[10] == ' ' && rhs_is_date(p, n) &&
         rhs_is_time(p + 11, n - 11);
}

/*
 * Dates are text in SQLite. A literal in the form in which we show them is
 * sent as a date, and the index helps; any other is compared with the text.
 * No such text is a number, so it does not matter what affinity the value
 * brings along.
 */
static enum term_use rhs_date(const struct fed_dialect *dialect,
                              const struct fed_column *col,
                              struct term_now *now, char buf[48],
                              struct fed_value *value)
{
  const char *p = value->p;
  int64_t n = value->size;
  bool pg = dialect == &fed_dialect_pg;
  bool ours;

  if (value->type == FED_BLOB) return rhs_ordered(now->op, true);
  if (value->type != FED_TEXT)
    return rhs_range(now->op) ? TERM_DROP : rhs_unequal(now->op);
  if (col->class == FED_CLASS_TIME)
    ours = rhs_is_time(p, n) || (pg && n == 8 && !memcmp(p, "24:00:00", 8));
  else if (col->class == FED_CLASS_DATE)
    ours = n == 10 && rhs_is_date(p, n);
  else
    ours = rhs_is_moment(p, n);
  if (ours) return TERM_BIND;
  /* MySQL's '2024-00-00' comes before the first day of the year. */
  if (col->class != FED_CLASS_TIME && (pg || n == 10) &&
      rhs_is_beginning(col, now, buf, value))
    return TERM_BIND;
  return rhs_odd_date(dialect, now, value);
}

/* Our uuids are lower-case and have their dashes: no other text equals one. */
static enum term_use rhs_uuid(struct term_now *now,
                              const struct fed_value *value)
{
  bool canonical = value->type == FED_TEXT && value->size == 36;

  if (value->type == FED_BLOB) return rhs_ordered(now->op, true);
  for (int i = 0; i < 36 && canonical; i++) {
    bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    char c = value->p[i];

    canonical =
      dash ? c == '-' : isdigit((unsigned char)c) || (c >= 'a' && c <= 'f');
  }
  if (canonical) return TERM_BIND;
  if (!rhs_range(now->op)) return rhs_unequal(now->op);
  return value->type == FED_TEXT ? rhs_as_text(now, value) : TERM_DROP;
}

/*
 * A SQLite server compares by the column's own affinity with a value that has
 * none. So does SQLite here with a literal; but another column, or a CAST,
 * brings an affinity that may work on our column instead. Sent is what means
 * the same in every case.
 */
static enum term_use rhs_any(const struct fed_column *col, struct term_now *now,
                             bool plain, const struct fed_value *value)
{
  /* Of a view it is not sure that its columns have what they declare. */
  bool sure = col->textcmp == FED_TEXTCMP_BYTES;

  if (value->type == FED_TEXT && (now->op == TERM_LT || now->op == TERM_LE))
    now->form = FORM_BLOB;
  switch (declare_column_affinity(col)) {
  case 'A': /* none: any affinity would work on it, but not on a blob */
    return value->type == FED_BLOB && !rhs_range(now->op) ? TERM_BIND
                                                          : TERM_DROP;
  case 'B': /* text: a numeric affinity would work on it */
    if (value->type == FED_TEXT)
      return plain || !rhs_range(now->op) ? TERM_BIND : TERM_DROP;
    return value->type == FED_BLOB ? TERM_BIND : TERM_DROP;
  default: /* numeric: the value is converted, never the column */
    /* A text that is no number may be the end of the range of a LIKE or GLOB,
     * which is about the number's text. */
    if (value->type == FED_TEXT && rhs_range(now->op) && !rhs_is_decimal(value))
      return TERM_DROP;
    return sure || value->type == FED_INT || value->type == FED_REAL
             ? TERM_BIND
             : TERM_DROP;
  }
}

/*
 * Texts and numbers are below every blob. But where SQLite's LIKE and GLOB
 * match blobs, as they do unless it was built otherwise, `<` a text may be
 * the end of the range that it derives from a pattern.
 */
static enum term_use rhs_blob(enum term_op op, const struct fed_value *value)
{
  if (value->type == FED_BLOB) return TERM_BIND;
  if (value->type == FED_TEXT && (op == TERM_LT || op == TERM_LE))
    return TERM_DROP;
  return rhs_ordered(op, false);
}

/*
 * Is it a text of a column of integers? A `bigint unsigned` above 2^63-1 is
 * (drv.h): the only text on which an affinity would still work.
 */
static bool rhs_is_unsigned(const struct fed_column *col,
                            const struct fed_value *value)
{
  enum fed_type storage = fed_class_storage(col->class);

  if (value->type != FED_TEXT || (value->size != 19 && value->size != 20) ||
      storage == FED_INT || storage == FED_REAL)
    return false;
  for (int64_t i = 0; i < value->size; i++)
    if (!isdigit((unsigned char)value->p[i])) return false;
  return true;
}

static bool rhs_is_pattern(const struct fed_dialect *dialect,
                           const struct fed_column *col, enum term_op op)
{
  if (op == TERM_LIKE) return true;
  return op == TERM_GLOB && (dialect->like || col->class != FED_CLASS_ANY);
}

enum term_use term_value(const struct fed_dialect *dialect,
                         const struct fed_column *col, struct term_now *now,
                         sqlite3_value *rhs, bool plain, char buf[48],
                         struct fed_value *out)
{
  *out = fed_value_from(rhs);
  if (col->class == FED_CLASS_DECIMAL && out->type != FED_NULL)
    return rhs_decimal(dialect, col, now, plain, buf, rhs, out);
  return term_value_of(dialect, col, now, plain, buf, out);
}

enum term_use term_value_of(const struct fed_dialect *dialect,
                            const struct fed_column *col, struct term_now *now,
                            bool plain, char buf[48], struct fed_value *out)
{
  if (out->type == FED_NULL) return TERM_NEVER;
  if (out->type == FED_TEXT && !out->p) return TERM_DROP; /* out of memory */
  if (!plain && rhs_is_unsigned(col, out)) return TERM_DROP;
  if (rhs_is_pattern(dialect, col, now->op))
    return rhs_pattern(dialect, col, out);
  switch (col->class) {
  case FED_CLASS_ANY:
    return rhs_any(col, now, plain, out);
  case FED_CLASS_INT:
  case FED_CLASS_UINT:
  case FED_CLASS_BOOL:
  case FED_CLASS_DECINT:
  case FED_CLASS_REAL:
  case FED_CLASS_FLOAT4:
  case FED_CLASS_DECREAL:
    return rhs_number(dialect, col, &now->op, buf, out);
  case FED_CLASS_TEXT:
  case FED_CLASS_CHAR:
  case FED_CLASS_OTHER:
    return rhs_text(col, now, plain, out);
  case FED_CLASS_BLOB:
    return rhs_blob(now->op, out);
  case FED_CLASS_DATE:
  case FED_CLASS_TIME:
  case FED_CLASS_TIMESTAMP:
  case FED_CLASS_TIMESTAMPTZ:
    return rhs_date(dialect, col, now, buf, out);
  case FED_CLASS_UUID:
    return rhs_uuid(now, out);
  case FED_CLASS_DECIMAL: /* compared by value: no key of a list */
  case FED_CLASS_COUNT:
    break;
  }
  return TERM_DROP;
}
