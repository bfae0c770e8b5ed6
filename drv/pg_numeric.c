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

static int pg_numeric_read(struct pg_numeric *num, const char *p, int len)
{
  if (len < 8) return SQLITE_CORRUPT;
  num->ndigits = fed_pg_u16(p);
  num->weight = (int16_t)fed_pg_u16(p + 2);
  num->sign = fed_pg_u16(p + 4);
  num->dscale = fed_pg_u16(p + 6);
  num->digits = p + 8;
  if (len != 8 + 2 * num->ndigits || num->dscale > 0x3FFF)
    return SQLITE_CORRUPT;
  for (int i = 0; i < num->ndigits; i++)
    if (fed_pg_u16(num->digits + (size_t)i * 2) > 9999) return SQLITE_CORRUPT;
  return SQLITE_OK;
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

static const char *pg_special(int sign)
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
  whole = num.weight < 0 ? 1 : ((size_t)num.weight + 1) * 4;
  to = fed_pg_room(col, whole + (size_t)num.dscale + 8);
  if (!to) return SQLITE_NOMEM;
  end = pg_put_numeric(to, &num);
  *end = 0;
  *out = fed_value_text(to, end - to);
  out->cstr = true;
  return SQLITE_OK;
}

/*
 * |num| * 10^dscale as an integer; false when it has more than 18 digits.
 * Decimals that are not stored are zeros.
 */
static bool pg_unscaled(const struct pg_numeric *num, uint64_t *out)
{
  int places = (num->dscale + 3) / 4;
  uint64_t v = 0;

  if (num->weight > 4 || num->dscale > 18) return false;
  for (int power = num->weight; power >= -places; power--) {
    unsigned digit = pg_digit(num, power);
    unsigned unit = 10000;

    /* The last group may go beyond dscale. */
    for (int i = num->dscale; power == -places && i < places * 4; i++) {
      digit /= 10;
      unit /= 10;
    }
    if (v > (UINT64_C(1000000000000000000) - 1 - digit) / unit) return false;
    v = v * unit + digit;
  }
  *out = v;
  return true;
}

/* numeric(p <= 18, 0) -> INTEGER */
int fed_pg_decint(struct fed_pg_col *col, char *p, int len,
                  struct fed_value *out)
{
  struct pg_numeric num;
  uint64_t v;

  (void)col;
  if (pg_numeric_read(&num, p, len) != SQLITE_OK) return SQLITE_CORRUPT;
  *out = fed_value_null();
  if (pg_special(num.sign)) return SQLITE_OK;
  if (!pg_unscaled(&num, &v) || num.dscale != 0) return SQLITE_CORRUPT;
  *out = fed_value_int(num.sign == PG_NEGATIVE ? -(int64_t)v : (int64_t)v);
  return SQLITE_OK;
}

/*
 * numeric(p <= 15, s) -> REAL. At most 15 digits and a power of ten below
 * 10^23 are exact as doubles, so that one division rounds correctly.
 */
int fed_pg_decreal(struct fed_pg_col *col, char *p, int len,
                   struct fed_value *out)
{
  struct pg_numeric num;
  uint64_t v;
  double r, scale = 1;

  (void)col;
  if (pg_numeric_read(&num, p, len) != SQLITE_OK) return SQLITE_CORRUPT;
  *out = fed_value_null();
  if (pg_special(num.sign)) return SQLITE_OK;
  if (!pg_unscaled(&num, &v) || v >= UINT64_C(1000000000000000))
    return SQLITE_CORRUPT;
  for (int i = 0; i < num.dscale; i++)
    scale *= 10;
  r = (double)v / scale;
  *out = fed_value_real(num.sign == PG_NEGATIVE ? -r : r);
  return SQLITE_OK;
}
