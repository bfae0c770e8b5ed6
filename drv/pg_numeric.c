/*
 * pg_numeric: numeric's base-10000 digits -> the text that the server prints,
 * or an INTEGER or REAL where the declared precision makes that exact.
 */
#include "drv/pg.h"

/*
 * On the wire: int16 count, weight, sign, dscale, then `count` base-10000
 * digits. The first digit stands for digit * 10000^weight; dscale is how many
 * decimals are shown, whatever is stored.
 */
struct pg_numeric {
  int ndigits;
  int weight;
  int sign; /* 0, PG_NEGATIVE, PG_NAN, PG_PINF, PG_NINF */
  int dscale;
  const char *digits;
};

enum {
  PG_NEGATIVE = 0x4000,
  PG_NAN = 0xC000,
  PG_PINF = 0xD000,
  PG_NINF = 0xF000,
};

static inline const char *pg_special(int sign)
{
  switch (sign) {
  case PG_NAN:
    return "NaN";
  case PG_PINF:
    return "Infinity";
  case PG_NINF:
    return "-Infinity";
  default:
    return NULL;
  }
}

static inline int pg_numeric_read(struct pg_numeric *num, const char *p,
                                  int len)
{
  if (len < 8) return SQLITE_CORRUPT;
  num->ndigits = fed_pg_u16(p);
  num->weight = (int16_t)fed_pg_u16(p + 2);
  num->sign = fed_pg_u16(p + 4);
  num->dscale = fed_pg_u16(p + 6);
  num->digits = p + 8;
  if (len != 8 + 2 * num->ndigits || num->dscale > 0x3FFF)
    return SQLITE_CORRUPT;
  if ((num->sign & ~PG_NEGATIVE) && !pg_special(num->sign))
    return SQLITE_CORRUPT;
  return SQLITE_OK;
}

static bool pg_is_digits(const struct pg_numeric *num)
{
  for (int i = 0; i < num->ndigits; i++)
    if (fed_pg_u16(num->digits + (size_t)i * 2) > 9999) return false;
  return true;
}

/* The digit that stands for 10000^power; not stored is 0. */
static unsigned pg_digit(const struct pg_numeric *num, int power)
{
  int i = num->weight - power;

  return i < 0 || i >= num->ndigits ? 0
                                    : fed_pg_u16(num->digits + (size_t)i * 2);
}

/* All decimals are written in groups of four, then cut to dscale. */
static char *pg_put_numeric(char *to, const struct pg_numeric *num)
{
  int power = num->weight;
  char *point;

  if (num->sign == PG_NEGATIVE) *to++ = '-';
  if (power < 0) *to++ = '0';
  for (bool first = true; power >= 0; power--, first = false)
    to = fed_pg_digits(to, pg_digit(num, power), first ? 1 : 4);
  if (num->dscale == 0) return to;
  *to++ = '.';
  point = to;
  for (power = -1; to - point < num->dscale; power--)
    to = fed_pg_digits(to, pg_digit(num, power), 4);
  return point + num->dscale;
}

/* numeric -> the text that the server prints. */
int fed_pg_decimal(struct fed_pg_col *col, char *p, int len,
                   struct fed_value *out)
{
  struct pg_numeric num;
  const char *special;
  size_t whole;
  char *to, *end;

  if (pg_numeric_read(&num, p, len) != SQLITE_OK) return SQLITE_CORRUPT;
  special = pg_special(num.sign);
  if (special) {
    *out = fed_value_cstr(special);
    return SQLITE_OK;
  }
  if (!pg_is_digits(&num)) return SQLITE_CORRUPT;
  whole = num.weight < 0 ? 1 : ((size_t)num.weight + 1) * 4;
  to = fed_pg_room(col, whole + (size_t)num.dscale + 8);
  if (!to) return SQLITE_NOMEM;
  end = pg_put_numeric(to, &num);
  *end = 0;
  *out = fed_value_cstrn(to, end - to);
  return SQLITE_OK;
}

/* 10^n is exact as a double up to n = 22; needed is the 20 of five groups. */
static const double pg_ten[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,
                                1e7,  1e8,  1e9,  1e10, 1e11, 1e12, 1e13,
                                1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20};

/*
 * |num| * 10000^*places as an integer, with as many places as dscale needs;
 * false when it has more than 18 digits. One pass over the digits, for this
 * is done for each number of a scan.
 */
static inline bool pg_whole(const struct pg_numeric *num, int *places,
                            uint64_t *out)
{
  int power = num->weight;
  uint64_t v = 0;

  *places = (num->dscale + 3) / 4;
  if (num->dscale > 18) return false;
  for (int i = 0; i < num->ndigits; i++, power--) {
    uint64_t digit = fed_pg_u16(num->digits + (size_t)i * 2);

    if (digit > 9999 || v >= UINT64_C(100000000000000)) return false;
    v = v * 10000 + digit;
  }
  /* Zeros at the end are not stored, nor is any digit of 0. */
  for (; v > 0 && power >= -*places; power--) {
    if (v >= UINT64_C(100000000000000)) return false;
    v *= 10000;
  }
  *out = v;
  return v == 0 || power == -*places - 1;
}

/* numeric(p <= 18, 0) -> INTEGER */
int fed_pg_decint(struct fed_pg_col *col, char *p, int len,
                  struct fed_value *out)
{
  struct pg_numeric num;
  int places;
  uint64_t v;

  (void)col;
  if (pg_numeric_read(&num, p, len) != SQLITE_OK) return SQLITE_CORRUPT;
  *out = fed_value_null();
  if (pg_special(num.sign)) return SQLITE_OK;
  if (num.dscale != 0 || !pg_whole(&num, &places, &v)) return SQLITE_CORRUPT;
  *out = fed_value_int(num.sign == PG_NEGATIVE ? -(int64_t)v : (int64_t)v);
  return SQLITE_OK;
}

/*
 * numeric(p <= 15, s) -> REAL. An integer of at most 15 digits and a power of
 * ten up to 10^22 are exact as doubles, so that one division rounds correctly.
 * Where the zeros behind dscale make it longer they are cut first.
 */
int fed_pg_decreal(struct fed_pg_col *col, char *p, int len,
                   struct fed_value *out)
{
  static const uint64_t most = UINT64_C(1000000000000000);
  struct pg_numeric num;
  int places, tens;
  uint64_t v;
  double r;

  (void)col;
  if (pg_numeric_read(&num, p, len) != SQLITE_OK) return SQLITE_CORRUPT;
  *out = fed_value_null();
  if (pg_special(num.sign)) return SQLITE_OK;
  if (!pg_whole(&num, &places, &v)) return SQLITE_CORRUPT;
  for (tens = places * 4; v >= most && tens > num.dscale; tens--)
    v /= 10;
  if (v >= most) return SQLITE_CORRUPT;
  r = (double)v / pg_ten[tens];
  *out = fed_value_real(num.sign == PG_NEGATIVE ? -r : r);
  return SQLITE_OK;
}
