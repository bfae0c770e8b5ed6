/*
 * pg_encode_text: fields of COPY for which a text has to be read: uuid, dates,
 * times and numeric. Only forms that have one meaning are read: those that we
 * show, and those of SQLite's own date functions. Anything else is refused,
 * never guessed.
 */
#include <math.h>

#include "drv/pg.h"

static const char encode_not_uuid[] = "the text is no uuid";
static const char encode_not_date[] =
  "the text is not of the form YYYY-MM-DD [BC]";
static const char encode_not_time[] =
  "the text is not of the form HH:MM[:SS[.ffffff]]";
static const char encode_not_timestamp[] =
  "the text is not of the form YYYY-MM-DD[ HH:MM[:SS[.ffffff]]] [BC]";
static const char encode_not_number[] = "the text is no decimal number";
static const char encode_no_text[] = "the value is no text";
static const char encode_far[] = "the value is out of the column's range";

/* What is still to be read. */
struct encode_in {
  const char *p, *end;
};

static void encode_be64(struct fed_str *to, int64_t v)
{
  uint64_t bytes = htobe64((uint64_t)v);

  fed_str_addn(to, &bytes, sizeof bytes);
}

static void encode_be16(struct fed_str *to, int v)
{
  uint16_t bytes = htobe16((uint16_t)v);

  fed_str_addn(to, &bytes, sizeof bytes);
}

static bool encode_open(struct encode_in *in, const struct fed_value *v,
                        const char **why)
{
  *why = encode_no_text;
  if (v->type != FED_TEXT) return false;
  in->p = v->p;
  in->end = v->p + v->size;
  return true;
}

static bool encode_is(const struct encode_in *in, const char *word)
{
  size_t n = strlen(word);

  return (size_t)(in->end - in->p) == n && memcmp(in->p, word, n) == 0;
}

static bool encode_skip(struct encode_in *in, char c)
{
  if (in->p == in->end || *in->p != c) return false;
  in->p++;
  return true;
}

static bool encode_digit(const struct encode_in *in)
{
  return in->p < in->end && *in->p >= '0' && *in->p <= '9';
}

/* A number of `min` to `max` digits. */
static bool encode_digits(struct encode_in *in, int min, int max, int64_t *out)
{
  int n = 0;

  *out = 0;
  for (; n < max && encode_digit(in); n++)
    *out = *out * 10 + (*in->p++ - '0');
  return n >= min && !encode_digit(in);
}

/* ---- uuid -------------------------------------------------------------- */

static int encode_nibble(char c)
{
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool fed_pg_encode_uuid(struct fed_str *to, const struct fed_value *v,
                        const char **why)
{
  struct encode_in in;
  unsigned char out[16];

  if (!encode_open(&in, v, why)) return false;
  *why = encode_not_uuid;
  if (v->size != 36) return false;
  for (int i = 0; i < 16; i++) {
    int high, low;

    if ((i == 4 || i == 6 || i == 8 || i == 10) && !encode_skip(&in, '-'))
      return false;
    high = encode_nibble(in.p[0]);
    low = encode_nibble(in.p[1]);
    if (high < 0 || low < 0) return false;
    out[i] = (unsigned char)(high << 4 | low);
    in.p += 2;
  }
  fed_str_addn(to, out, sizeof out);
  return true;
}

/* ---- dates ------------------------------------------------------------- */

#define ENCODE_DAY      INT64_C(86400000000)         /* microseconds */
#define ENCODE_DATE_MIN (-2451545)                   /* 4714-11-24 BC, days */
#define ENCODE_DATE_END 2145031949                   /* 5874898-01-01 */
#define ENCODE_TIME_END INT64_C(9223371331200000000) /* 294277-01-01 */

/* Days from 2000-01-01 to a day of the proleptic Gregorian calendar. */
static int64_t encode_days(int64_t year, int64_t month, int64_t day)
{
  int64_t y = year - (month <= 2); /* its leap day is its last */
  int64_t era = (y >= 0 ? y : y - 399) / 400;
  int64_t of_era = y - era * 400;
  int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

  return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year -
         730425;
}

static int64_t encode_month_days(int64_t year, int64_t month)
{
  static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

  return days[month - 1] + (month == 2 && leap);
}

/* Takes a BC off the end: it stands behind the time. */
static bool encode_date(struct encode_in *in, int64_t *days)
{
  bool bc = in->end - in->p > 3 && memcmp(in->end - 3, " BC", 3) == 0;
  int64_t year, month, day;

  if (bc) in->end -= 3;
  if (!encode_digits(in, 4, 7, &year) || !encode_skip(in, '-') ||
      !encode_digits(in, 2, 2, &month) || !encode_skip(in, '-') ||
      !encode_digits(in, 2, 2, &day))
    return false;
  if (year < 1 || month < 1 || month > 12 || day < 1) return false;
  if (bc) year = 1 - year; /* there is no year 0 */
  if (day > encode_month_days(year, month)) return false;
  *days = encode_days(year, month, day);
  return true;
}

/* To the end; 24:00:00 is legal, a leap second is not. */
static bool encode_clock(struct encode_in *in, int64_t *us)
{
  int64_t hour, minute, second = 0, part = 0;

  if (!encode_digits(in, 2, 2, &hour) || !encode_skip(in, ':') ||
      !encode_digits(in, 2, 2, &minute))
    return false;
  if (encode_skip(in, ':') && !encode_digits(in, 2, 2, &second)) return false;
  if (encode_skip(in, '.')) {
    const char *from = in->p;

    if (!encode_digits(in, 1, 6, &part)) return false;
    for (int64_t n = in->p - from; n < 6; n++)
      part *= 10;
  }
  *us = ((hour * 60 + minute) * 60 + second) * 1000000 + part;
  return in->p == in->end && hour <= 24 && minute < 60 && second < 60 &&
         *us <= ENCODE_DAY;
}

bool fed_pg_encode_date(struct fed_str *to, const struct fed_value *v,
                        const char **why)
{
  struct encode_in in;
  int64_t days;
  uint32_t bytes;

  if (!encode_open(&in, v, why)) return false;
  if (encode_is(&in, "infinity")) {
    days = INT32_MAX;
  } else if (encode_is(&in, "-infinity")) {
    days = INT32_MIN;
  } else {
    *why = encode_not_date;
    if (!encode_date(&in, &days) || in.p != in.end) return false;
    *why = encode_far;
    if (days < ENCODE_DATE_MIN || days >= ENCODE_DATE_END) return false;
  }
  bytes = htobe32((uint32_t)days);
  fed_str_addn(to, &bytes, sizeof bytes);
  return true;
}

bool fed_pg_encode_time(struct fed_str *to, const struct fed_value *v,
                        const char **why)
{
  struct encode_in in;
  int64_t us;

  if (!encode_open(&in, v, why)) return false;
  *why = encode_not_time;
  if (!encode_clock(&in, &us)) return false;
  encode_be64(to, us);
  return true;
}

/* Both timestamp types: what has no zone is UTC. */
bool fed_pg_encode_timestamp(struct fed_str *to, const struct fed_value *v,
                             const char **why)
{
  struct encode_in in;
  int64_t days, us = 0;

  if (!encode_open(&in, v, why)) return false;
  if (encode_is(&in, "infinity") || encode_is(&in, "-infinity")) {
    encode_be64(to, *in.p == '-' ? INT64_MIN : INT64_MAX);
    return true;
  }
  *why = encode_not_timestamp;
  if (!encode_date(&in, &days)) return false;
  if (in.p < in.end && !encode_skip(&in, ' ') && !encode_skip(&in, 'T'))
    return false;
  if (in.p < in.end && !encode_clock(&in, &us)) return false;
  *why = encode_far;
  if (days < ENCODE_DATE_MIN || days > ENCODE_TIME_END / ENCODE_DAY)
    return false;
  us += days * ENCODE_DAY;
  if (us >= ENCODE_TIME_END) return false;
  encode_be64(to, us);
  return true;
}

/* ---- numeric ----------------------------------------------------------- */

/* Digits of a number, around a point that may be among them. */
struct encode_decimal {
  const char *digits; /* may hold the point, behind `before` digits */
  int64_t before, n;  /* before the point, and in all */
  int64_t point;      /* so many stand before the point of the value */
};

static int encode_at(const struct encode_decimal *d, int64_t i)
{
  if (i < 0 || i >= d->n) return 0;
  return d->digits[i < d->before ? i : i + 1] - '0';
}

static bool encode_read(struct encode_in *in, struct encode_decimal *d)
{
  int64_t exponent = 0;

  d->digits = in->p;
  while (encode_digit(in))
    in->p++;
  d->n = d->before = in->p - d->digits;
  if (encode_skip(in, '.')) {
    while (encode_digit(in))
      in->p++;
    d->n = in->p - d->digits - 1;
  }
  if (d->n == 0) return false;
  if (encode_skip(in, 'e') || encode_skip(in, 'E')) {
    bool minus = encode_skip(in, '-');

    if (!minus) encode_skip(in, '+');
    if (!encode_digits(in, 1, 6, &exponent)) return false;
    if (minus) exponent = -exponent;
  }
  d->point = d->before + exponent;
  return in->p == in->end;
}

/* Which power of 10000 the digit `i` is part of. */
static int64_t encode_group(const struct encode_decimal *d, int64_t i)
{
  int64_t power = d->point - 1 - i;

  return power >= 0 ? power / 4 : -((3 - power) / 4);
}

static void encode_numeric_head(struct fed_str *to, int64_t n, int64_t weight,
                                int sign, int64_t scale)
{
  encode_be16(to, (int)n);
  encode_be16(to, (int)weight);
  encode_be16(to, sign);
  encode_be16(to, (int)scale);
}

static bool encode_decimal(struct fed_str *to, const struct encode_decimal *d,
                           bool minus, const char **why)
{
  int64_t first = 0, last = d->n - 1;
  int64_t scale = d->n > d->point ? d->n - d->point : 0;
  int64_t high, low;

  *why = encode_far;
  while (first < d->n && encode_at(d, first) == 0)
    first++;
  if (scale > 0x3FFF || d->point - first > 131072) return false;
  if (first == d->n) {
    encode_numeric_head(to, 0, 0, 0, scale);
    return true;
  }
  while (encode_at(d, last) == 0)
    last--;
  high = encode_group(d, first);
  low = encode_group(d, last);
  encode_numeric_head(to, high - low + 1, high, minus ? 0x4000 : 0, scale);
  for (int64_t g = high; g >= low; g--) {
    int digit = 0;

    for (int64_t power = 4 * g + 3; power >= 4 * g; power--)
      digit = digit * 10 + encode_at(d, d->point - 1 - power);
    encode_be16(to, digit);
  }
  return true;
}

/* A double goes as the digits that give it back, as it does as a parameter. */
bool fed_pg_encode_numeric(struct fed_str *to, const struct fed_value *v,
                           const char **why)
{
  char number[32];
  struct fed_value text = *v;
  struct encode_decimal d;
  struct encode_in in;
  bool minus;

  if (v->type == FED_INT) fed_pg_put_int(number, v->i);
  if (v->type == FED_REAL) fed_pg_put_real(number, v->r);
  if (v->type == FED_INT || v->type == FED_REAL) text = fed_value_cstr(number);
  if (!encode_open(&in, &text, why)) return false;
  if (encode_is(&in, "NaN")) {
    encode_numeric_head(to, 0, 0, 0xC000, 0);
    return true;
  }
  minus = encode_skip(&in, '-');
  if (encode_is(&in, "Infinity")) {
    encode_numeric_head(to, 0, 0, minus ? 0xF000 : 0xD000, 0);
    return true;
  }
  *why = encode_not_number;
  return encode_read(&in, &d) && encode_decimal(to, &d, minus, why);
}
