/*
 * term: which parts of a WHERE clause a server may answer, and in what form.
 *
 * Every answer must be the one SQLite would give over a local table holding
 * the same values. The table below says, for each kind of column, which
 * operators a server answers *exactly*, which it answers with a *superset*
 * that SQLite checks again, and which stay *local*. What it cannot say is
 * what the right-hand value will be: that is seen when a scan starts, and
 * term_value() then applies SQLite's rules of affinity and storage class.
 */
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "vtab/table.h"

#define CLASS(name) (1u << FED_CLASS_##name)
#define CMP(name)   (1u << FED_TEXTCMP_##name)
#define CMP_ANY     0xFu

/*
 * One letter for each operator, in the order of enum term_op:
 *   =  <>  <  <=  >  >=  IS NULL  IS NOT NULL  LIKE  GLOB
 * E exact, S superset, L local. The first row that fits decides; a kind of
 * column without a row is local throughout.
 */
static const struct {
  const struct fed_dialect *dialect;
  unsigned classes;
  unsigned compare;
  const char fit[TERM_OPS + 1];
} term_table[] = {
  {&fed_dialect_pg,     CLASS(INT),                                          CMP_ANY,    "EEEEEEEELL"},
  {&fed_dialect_pg,     CLASS(BOOL),                                         CMP_ANY,    "EELLLLEELL"},
 /* NaN is NULL here, but there it equals itself and is above all. */
  {&fed_dialect_pg,
   CLASS(REAL) | CLASS(FLOAT4) | CLASS(DECINT) | CLASS(DECREAL),             CMP_ANY,
   "ESEESSLSLL"                                                                                      },
  {&fed_dialect_pg,     CLASS(DECIMAL),                                      CMP_ANY,    "EEEEEEEELL"},
  {&fed_dialect_pg,     CLASS(TEXT),                                         CMP(BYTES), "EEEEEEEESL"},
  {&fed_dialect_pg,     CLASS(TEXT),                                         CMP(EQUAL), "EELLLLEESL"},
  {&fed_dialect_pg,     CLASS(TEXT),                                         CMP_ANY,    "SLLLLLEESL"},
 /* bpchar ignores trailing blanks on both sides. */
  {&fed_dialect_pg,     CLASS(CHAR),                                         CMP_ANY,    "SLLLLLEELL"},
  {&fed_dialect_pg,     CLASS(BLOB) | CLASS(TIME) | CLASS(UUID),             CMP_ANY,
   "EEEEEEEELL"                                                                                      },
 /* Years before 1 and after 9999 print out of order: see deparse.c. */
  {&fed_dialect_pg,     CLASS(DATE) | CLASS(TIMESTAMP) | CLASS(TIMESTAMPTZ),
   CMP_ANY,                                                                              "EESSSSEELL"},
  {&fed_dialect_pg,     CLASS(OTHER),                                        CMP_ANY,    "LLLLLLEELL"},

  {&fed_dialect_mysql,
   CLASS(INT) | CLASS(UINT) | CLASS(REAL) | CLASS(DECINT) | CLASS(DECREAL) |
     CLASS(DECIMAL) | CLASS(BLOB),
   CMP_ANY,                                                                              "EEEEEEEELL"},
 /* Collations fold case or accents and ignore trailing blanks. */
  {&fed_dialect_mysql,  CLASS(TEXT) | CLASS(CHAR),                           CMP(CI),    "SLLLLLEESL"},
  {&fed_dialect_mysql,  CLASS(TEXT) | CLASS(CHAR),                           CMP_ANY,    "SLLLLLEELL"},
 /* IS NULL also finds '0000-00-00' in a column that is NOT NULL. */
  {&fed_dialect_mysql,  CLASS(DATE) | CLASS(TIMESTAMP) | CLASS(TIMESTAMPTZ),
   CMP_ANY,                                                                              "EEEEEESELL"},
 /* '-01:00:00' and '100:00:00' are out of order as text. */
  {&fed_dialect_mysql,  CLASS(TIME),                                         CMP_ANY,    "EELLLLEELL"},
  {&fed_dialect_mysql,  CLASS(FLOAT4) | CLASS(OTHER),                        CMP_ANY,    "LLLLLLEELL"},

  {&fed_dialect_sqlite, CLASS(INT),                                          CMP_ANY,    "EEEEEEEELL"},
  {&fed_dialect_sqlite, CLASS(ANY),                                          CMP(BYTES), "EEEEEEEESS"},
 /* A view's or a foreign collation is not known here. */
  {&fed_dialect_sqlite, CLASS(ANY),                                          CMP_ANY,    "SLLLLLEELL"},
};

/* Columns by which the server sorts as SQLite would. */
static const struct {
  const struct fed_dialect *dialect;
  unsigned classes;
  unsigned compare;
} term_sort_table[] = {
  {&fed_dialect_pg,     CLASS(INT) | CLASS(BOOL) | CLASS(UUID) | CLASS(BLOB),
   CMP_ANY                                                                              },
  {&fed_dialect_pg,     CLASS(TEXT),                                          CMP(BYTES)},
  {&fed_dialect_mysql,
   CLASS(INT) | CLASS(REAL) | CLASS(FLOAT4) | CLASS(DECINT) | CLASS(DECREAL) |
     CLASS(DATE) | CLASS(TIMESTAMP) | CLASS(TIMESTAMPTZ),
   CMP_ANY                                                                              },
  {&fed_dialect_sqlite, CLASS(INT),                                           CMP_ANY   },
  {&fed_dialect_sqlite, CLASS(ANY),                                           CMP(BYTES)},
};

static bool term_row(unsigned classes, unsigned compare,
                     const struct fed_column *col)
{
  return (classes & (1u << col->class)) && (compare & (1u << col->textcmp));
}

enum term_fit term_fit(const struct fed_dialect *dialect,
                       const struct fed_column *col, enum term_op op)
{
  for (size_t i = 0; i < FED_LEN(term_table); i++) {
    if (term_table[i].dialect != dialect ||
        !term_row(term_table[i].classes, term_table[i].compare, col))
      continue;
    switch (term_table[i].fit[op]) {
    case 'E':
      return TERM_EXACT;
    case 'S':
      return TERM_SUPERSET;
    default:
      return TERM_LOCAL;
    }
  }
  return TERM_LOCAL;
}

bool term_sorts(const struct fed_dialect *dialect, const struct fed_column *col)
{
  for (size_t i = 0; i < FED_LEN(term_sort_table); i++)
    if (term_sort_table[i].dialect == dialect &&
        term_row(term_sort_table[i].classes, term_sort_table[i].compare, col))
      return true;
  return false;
}

const char *term_collation(const struct fed_column *col)
{
  if (col->class == FED_CLASS_DECIMAL) return "decimal";
  return col->collation ? col->collation : "BINARY";
}

bool term_op_of(unsigned char op, enum term_op *out, bool *is)
{
  *is = op == SQLITE_INDEX_CONSTRAINT_IS;
  switch (op) {
  case SQLITE_INDEX_CONSTRAINT_EQ:
  case SQLITE_INDEX_CONSTRAINT_IS:
    *out = TERM_EQ;
    return true;
  case SQLITE_INDEX_CONSTRAINT_NE:
    *out = TERM_NE;
    return true;
  case SQLITE_INDEX_CONSTRAINT_LT:
    *out = TERM_LT;
    return true;
  case SQLITE_INDEX_CONSTRAINT_LE:
    *out = TERM_LE;
    return true;
  case SQLITE_INDEX_CONSTRAINT_GT:
    *out = TERM_GT;
    return true;
  case SQLITE_INDEX_CONSTRAINT_GE:
    *out = TERM_GE;
    return true;
  case SQLITE_INDEX_CONSTRAINT_ISNULL:
    *out = TERM_ISNULL;
    return true;
  case SQLITE_INDEX_CONSTRAINT_ISNOTNULL:
    *out = TERM_NOTNULL;
    return true;
  case SQLITE_INDEX_CONSTRAINT_LIKE:
    *out = TERM_LIKE;
    return true;
  case SQLITE_INDEX_CONSTRAINT_GLOB:
    *out = TERM_GLOB;
    return true;
  default:
    return false;
  }
}

/* ---- right-hand values ------------------------------------------------- */

/* The column's values all sort below (`below`) or above the value. */
static enum term_use term_ordered(enum term_op op, bool below)
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
static enum term_use term_fraction(enum term_op *op, double r,
                                   struct fed_value *out)
{
  if (*op == TERM_EQ) return TERM_NEVER;
  if (*op == TERM_NE) return TERM_ALWAYS;
  if (*op == TERM_LT) *op = TERM_LE;
  if (*op == TERM_GE) *op = TERM_GT;
  *out = fed_value_int((int64_t)floor(r));
  return TERM_BIND;
}

static enum term_use term_integer(const struct fed_column *col,
                                  enum term_op *op, struct fed_value *value)
{
  const double limit = 9223372036854775808.0; /* 2^63 */

  if (value->type == FED_REAL) {
    double r = value->r;

    if (r >= limit || r < -limit)
      return col->class == FED_CLASS_UINT && r > 0 ? TERM_DROP
                                                   : term_ordered(*op, r > 0);
    if (r != floor(r)) return term_fraction(op, r, value);
    *value = fed_value_int((int64_t)r);
  }
  if (col->class == FED_CLASS_UINT && value->i < 0)
    return term_ordered(*op, false);
  if (col->class == FED_CLASS_BOOL && value->i != 0 && value->i != 1)
    return *op == TERM_EQ ? TERM_NEVER : TERM_ALWAYS;
  return TERM_BIND;
}

/* The text of a double with `digits` digits, whatever the locale. */
static void term_real_text(char buf[48], double r, int digits)
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
static void term_decimal_text(char buf[48], struct fed_value *value)
{
  double r = value->r;

  term_real_text(buf, r, 15);
  if (strtod(buf, NULL) != r) term_real_text(buf, r, 17);
  *value = fed_value_cstr(buf);
}

static enum term_use term_real(const struct fed_dialect *dialect,
                               const struct fed_column *col, enum term_op *op,
                               char buf[48], struct fed_value *value)
{
  bool has_inf = dialect == &fed_dialect_pg && col->class != FED_CLASS_DECREAL;

  if (value->type == FED_INT) {
    double r = (double)value->i;

    /* SQLite compares such an integer exactly, not as a double. */
    if (fabs(r) > 9007199254740992.0) return TERM_DROP;
    *value = fed_value_real(r);
  }
  if (isinf(value->r) && !has_inf) return term_ordered(*op, value->r > 0);
  if (col->class == FED_CLASS_DECREAL && dialect == &fed_dialect_pg)
    term_decimal_text(buf, value);
  return TERM_BIND;
}

/* SQLite gives a text the chance to be a number; elsewhere it is above all. */
static enum term_use term_number(const struct fed_dialect *dialect,
                                 const struct fed_column *col, enum term_op *op,
                                 sqlite3_value *rhs, char buf[48],
                                 struct fed_value *value)
{
  if (value->type == FED_TEXT) {
    sqlite3_value *copy = sqlite3_value_dup(rhs);

    if (!copy) return TERM_DROP;
    sqlite3_value_numeric_type(copy);
    *value = fed_value_from(copy);
    sqlite3_value_free(copy);
  }
  if (value->type == FED_TEXT || value->type == FED_BLOB)
    return term_ordered(*op, true);
  if (fed_class_storage(col->class) == FED_INT)
    return term_integer(col, op, value);
  return term_real(dialect, col, op, buf, value);
}

/* Well-formed UTF-8 without NUL: what both servers take as text. */
static bool term_sendable(const struct fed_value *value)
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

static bool term_range(enum term_op op)
{
  return op == TERM_LT || op == TERM_LE || op == TERM_GT || op == TERM_GE;
}

/*
 * A number against a TEXT column: a literal 5 becomes '5', but against a
 * numeric column's 5 it is our text that becomes a number.
 */
static enum term_use term_text(enum term_op *op, bool plain, char buf[48],
                               struct fed_value *value)
{
  if (value->type == FED_BLOB) return term_ordered(*op, true);
  if (value->type == FED_REAL || (value->type == FED_INT && !plain))
    return TERM_DROP;
  if (value->type == FED_INT) {
    snprintf(buf, 48, "%lld", (long long)value->i);
    *value = fed_value_cstr(buf);
  }
  if (term_range(*op) && !plain) return TERM_DROP;
  return term_sendable(value) ? TERM_BIND : TERM_DROP;
}

/* A pattern that means the same to the server: a backslash would escape. */
static enum term_use term_like(const struct fed_value *value)
{
  if (value->type != FED_TEXT || !term_sendable(value) ||
      memchr(value->p, '\\', (size_t)value->size))
    return TERM_DROP;
  return TERM_BIND;
}

/* [+-]digits[.digits], at most 1000 characters of it. */
static bool term_is_decimal(const struct fed_value *value)
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

static enum term_use term_decimal(const struct fed_dialect *dialect,
                                  enum term_op *op, bool plain,
                                  const struct fed_value *value)
{
  if (value->type == FED_BLOB) return term_ordered(*op, true);
  if (value->type == FED_INT) return plain ? TERM_BIND : TERM_DROP;
  /* MySQL would compare a decimal with a text as doubles. */
  if (value->type == FED_TEXT && plain && term_is_decimal(value) &&
      dialect == &fed_dialect_pg)
    return TERM_BIND;
  return TERM_DROP;
}

/* ---- dates ------------------------------------------------------------- */

/* The number in `n` digits at `p`, or -1. */
static int term_digits(const char *p, int n)
{
  int v = 0;

  for (int i = 0; i < n; i++) {
    if (!isdigit((unsigned char)p[i])) return -1;
    v = v * 10 + (p[i] - '0');
  }
  return v;
}

static bool term_is_date(const char *p, int64_t size)
{
  static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  int y, m, d;
  bool leap;

  if (size < 10 || p[4] != '-' || p[7] != '-') return false;
  y = term_digits(p, 4);
  m = term_digits(p + 5, 2);
  d = term_digits(p + 8, 2);
  if (y < 1 || m < 1 || m > 12 || d < 1) return false;
  leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
  return d <= days[m - 1] + (m == 2 && leap);
}

/* HH:MM:SS[.f], the fraction at most six digits and not ending in 0. */
static bool term_is_time(const char *p, int64_t size)
{
  int h, m, s;

  if (size < 8 || p[2] != ':' || p[5] != ':') return false;
  h = term_digits(p, 2);
  m = term_digits(p + 3, 2);
  s = term_digits(p + 6, 2);
  if (h < 0 || h > 23 || m < 0 || m > 59 || s < 0 || s > 59) return false;
  if (size == 8) return true;
  return p[8] == '.' && size >= 10 && size <= 15 && p[size - 1] != '0' &&
         term_digits(p + 9, (int)size - 9) >= 0;
}

/*
 * Dates are text in SQLite. Only a literal in exactly the form in which we
 * show them can be sent: with any other the order of texts is not that of
 * times. One exception is worth having: a day against a timestamp. Every
 * text of that day is longer, so it comes after the bare date.
 */
static enum term_use term_date(const struct fed_column *col, enum term_op *op,
                               bool plain, const struct fed_value *value)
{
  const char *p = value->p;
  int64_t n = value->size;

  if (value->type == FED_BLOB) return term_ordered(*op, true);
  if (value->type != FED_TEXT || (term_range(*op) && !plain)) return TERM_DROP;
  if (col->class == FED_CLASS_TIME)
    return term_is_time(p, n) ? TERM_BIND : TERM_DROP;
  if (!term_is_date(p, n)) return TERM_DROP;
  if (col->class == FED_CLASS_DATE) return n == 10 ? TERM_BIND : TERM_DROP;
  if (n == 10 && term_range(*op)) {
    if (*op == TERM_GT) *op = TERM_GE;
    if (*op == TERM_LE) *op = TERM_LT;
    return TERM_BIND;
  }
  return n > 11 && p[10] == ' ' && term_is_time(p + 11, n - 11) ? TERM_BIND
                                                                : TERM_DROP;
}

/* Our uuids are lower-case and have their dashes: no other text equals one. */
static enum term_use term_uuid(enum term_op *op, bool plain,
                               const struct fed_value *value)
{
  bool canonical = value->type == FED_TEXT && value->size == 36;

  if (value->type == FED_BLOB) return term_ordered(*op, true);
  if (value->type != FED_TEXT || (term_range(*op) && !plain)) return TERM_DROP;
  for (int i = 0; i < 36 && canonical; i++) {
    bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    char c = value->p[i];

    canonical =
      dash ? c == '-' : isdigit((unsigned char)c) || (c >= 'a' && c <= 'f');
  }
  if (canonical) return TERM_BIND;
  if (*op == TERM_EQ) return TERM_NEVER;
  return *op == TERM_NE ? TERM_ALWAYS : TERM_DROP;
}

/*
 * A SQLite server compares by the column's own affinity, and the bound value
 * has none. That is what happens here too if the value is plain; an affinity
 * of its own could work on our column instead.
 */
static enum term_use term_any(const struct fed_column *col, enum term_op op,
                              bool plain, const struct fed_value *value)
{
  char affinity = declare_affinity(col->type);

  if (plain || affinity == 'C' || affinity == 'D' || affinity == 'E')
    return TERM_BIND;
  if (affinity == 'B' && !term_range(op) && value->type == FED_TEXT)
    return TERM_BIND;
  return TERM_DROP;
}

enum term_use term_value(const struct fed_dialect *dialect,
                         const struct fed_column *col, enum term_op *op,
                         sqlite3_value *rhs, bool plain, char buf[48],
                         struct fed_value *out)
{
  *out = fed_value_from(rhs);
  if (out->type == FED_NULL) return TERM_NEVER;
  if (out->type == FED_TEXT && !out->p) return TERM_DROP; /* out of memory */
  if (*op == TERM_LIKE) return term_like(out);
  switch (col->class) {
  case FED_CLASS_ANY:
    return term_any(col, *op, plain, out);
  case FED_CLASS_INT:
  case FED_CLASS_UINT:
  case FED_CLASS_BOOL:
  case FED_CLASS_DECINT:
  case FED_CLASS_REAL:
  case FED_CLASS_FLOAT4:
  case FED_CLASS_DECREAL:
    return term_number(dialect, col, op, rhs, buf, out);
  case FED_CLASS_DECIMAL:
    return term_decimal(dialect, op, plain, out);
  case FED_CLASS_TEXT:
  case FED_CLASS_CHAR:
    return term_text(op, plain, buf, out);
  case FED_CLASS_BLOB:
    return out->type == FED_BLOB ? TERM_BIND : term_ordered(*op, false);
  case FED_CLASS_DATE:
  case FED_CLASS_TIME:
  case FED_CLASS_TIMESTAMP:
  case FED_CLASS_TIMESTAMPTZ:
    return term_date(col, op, plain, out);
  case FED_CLASS_UUID:
    return term_uuid(op, plain, out);
  case FED_CLASS_OTHER:
  case FED_CLASS_COUNT:
    break;
  }
  return TERM_DROP;
}
