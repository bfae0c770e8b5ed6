/*
 * fit_number: reals and decimals, and SQLite's numeric affinity.
 */
#include <ctype.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "vtab/fit.h"

/* A text of a number longer than that is none: it is an error, not cut. */
#define FIT_NUMBER_MAX 1000

/* ---- numbers in texts -------------------------------------------------- */

/* The nearest double, whatever the host's locale takes for a point. */
static double fit_strtod(const char *p, int64_t n)
{
  const char *point = localeconv()->decimal_point;
  char buf[FIT_NUMBER_MAX + 8];
  char *to = buf;

  for (int64_t i = 0; i < n; i++) {
    if (p[i] != '.') {
      *to++ = p[i];
      continue;
    }
    for (int k = 0; k < 4 && point[k]; k++)
      *to++ = point[k];
  }
  *to = 0;
  return strtod(buf, NULL);
}

static const char *fit_digits(const char *p, const char *end)
{
  while (p < end && isdigit((unsigned char)*p))
    p++;
  return p;
}

/* [+-]digits[.digits][e[+-]digits]: its parts. */
struct fit_parts {
  const char *whole, *point, *end; /* the end of the mantissa */
  bool minus, has_exponent;
  int exponent;
};

static bool fit_parse(const char *p, const char *end, struct fit_parts *out)
{
  const char *q;

  *out = (struct fit_parts){.minus = p < end && *p == '-'};
  if (p < end && (*p == '-' || *p == '+')) p++;
  out->whole = p;
  out->point = p = fit_digits(p, end);
  if (p < end && *p == '.') p = fit_digits(p + 1, end);
  out->end = p;
  if (p - out->whole - (p > out->point) == 0) return false;
  if (p == end) return true;
  if (*p != 'e' && *p != 'E') return false;
  out->has_exponent = true;
  p++;
  bool minus = p < end && *p == '-';
  if (p < end && (*p == '-' || *p == '+')) p++;
  q = fit_digits(p, end);
  if (q == p || q != end) return false;
  for (; p < q; p++)
    if (out->exponent < 100000) out->exponent = out->exponent * 10 + (*p - '0');
  if (minus) out->exponent = -out->exponent;
  return true;
}

static bool fit_is_space(char c)
{
  return c == ' ' || (c >= '\t' && c <= '\r');
}

bool fit_number(struct fed_value *value)
{
  struct fit_parts parts;
  const char *p = value->p, *end;
  uint64_t u = 0;
  bool whole;

  if (value->type == FED_INT || value->type == FED_REAL) return true;
  if (value->type != FED_TEXT) return false;
  end = p + value->size;
  while (p < end && fit_is_space(*p))
    p++;
  while (p < end && fit_is_space(end[-1]))
    end--;
  if (p == end || end - p > FIT_NUMBER_MAX || !fit_parse(p, end, &parts))
    return false;
  whole = !parts.has_exponent && parts.point == parts.end;
  for (const char *q = parts.whole; whole && q < parts.point; q++) {
    whole = u <= (uint64_t)INT64_MAX / 10;
    u = u * 10 + (unsigned)(*q - '0');
    whole = whole && u <= (uint64_t)INT64_MAX + parts.minus;
  }
  if (whole)
    *value = fed_value_int(parts.minus ? (int64_t)(0 - u) : (int64_t)u);
  else
    *value = fed_value_real(fit_strtod(p, end - p));
  return true;
}

/* ---- decimals ---------------------------------------------------------- */

static const double fit_ten[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,
                                 1e7,  1e8,  1e9,  1e10, 1e11, 1e12, 1e13,
                                 1e14, 1e15, 1e16, 1e17, 1e18};

/* Fifteen digits where they give the double back, else seventeen. */
static int64_t fit_print(char buf[48], double r)
{
  char *comma;

  snprintf(buf, 48, "%.15g", r);
  if (strtod(buf, NULL) != r) snprintf(buf, 48, "%.17g", r);
  if ((comma = strchr(buf, ',')) != NULL) *comma = '.';
  return (int64_t)strlen(buf);
}

/* Do its digits fit into precision and scale? NULL, or what is wrong. */
static const char *fit_places(const struct fit *fit,
                              const struct fit_parts *parts)
{
  int64_t first = 0, last = 0, at; /* powers of ten, the unit's is 0 */
  bool zero = true;

  if (fit->precision < 0) return NULL;
  at = parts->point - parts->whole - 1 + parts->exponent;
  for (const char *p = parts->whole; p < parts->end; p++) {
    if (*p == '.') continue;
    if (*p != '0') {
      if (zero) first = at;
      last = at;
      zero = false;
    }
    at--;
  }
  if (zero) return NULL;
  if (first >= fit->precision - fit->scale) return "is out of range";
  if (last < -fit->scale) return "has too many digits behind the point";
  return fit->is_unsigned && parts->minus ? "is out of range" : NULL;
}

static bool fit_is_special(const struct fit *fit, const struct fed_value *value)
{
  static const char *const word[] = {"NaN", "Infinity", "-Infinity"};

  if (fit->dialect != &fed_dialect_pg) return false;
  for (size_t i = 0; i < FED_LEN(word); i++)
    if (value->size == (int64_t)strlen(word[i]) &&
        memcmp(value->p, word[i], strlen(word[i])) == 0)
      return true;
  return false;
}

/* Of any precision: TEXT affinity, and the server's own digits. */
static int fit_any_decimal(const struct fit *fit, struct fit_room *room,
                           struct fed_value *value, struct fed_err *err)
{
  struct fed_value given = *value;
  struct fit_parts parts;
  const char *why;

  if (value->type == FED_INT) {
    snprintf(room->text, sizeof room->text, "%lld", (long long)value->i);
    *value = fed_value_cstr(room->text);
  } else if (value->type == FED_REAL) {
    if (isinf(value->r))
      return fit_fail(fit, &given, "is no decimal: write 'Infinity'", err);
    *value = fed_value_cstrn(room->text, fit_print(room->text, value->r));
  } else if (value->type != FED_TEXT) {
    return fit_fail(fit, &given, "is no decimal", err);
  } else if (fit_is_special(fit, value)) {
    return SQLITE_OK;
  }
  if (!fit_parse(value->p, value->p + value->size, &parts) ||
      (given.type == FED_TEXT && parts.has_exponent))
    return fit_fail(fit, &given, "is no decimal: write its digits", err);
  why = fit_places(fit, &parts);
  return why ? fit_fail(fit, &given, why, err) : SQLITE_OK;
}

/* numeric(p <= 15, s): n / 10^s, both exact, is the nearest double. */
static int fit_scaled(const struct fit *fit, struct fit_room *room,
                      const struct fed_value *given, double r,
                      struct fed_value *value, struct fed_err *err)
{
  double power = fit_ten[fit->scale], n;
  uint64_t u;
  char *p = room->text + sizeof room->text - 1, *end = p;

  if (!(fabs(r) < fit_ten[fit->precision - fit->scale]) ||
      (fit->is_unsigned && r < 0))
    return fit_fail(fit, given, "is out of range", err);
  n = round(fabs(r) * power);
  if (n / power != fabs(r) || n >= fit_ten[fit->precision])
    return fit_fail(fit, given, "has too many digits behind the point", err);
  u = (uint64_t)n;
  *p = 0;
  for (int i = 0; i <= fit->scale || u; i++, u /= 10) {
    if (i == fit->scale && i) *--p = '.';
    *--p = (char)('0' + u % 10);
  }
  if (r < 0) *--p = '-';
  *value = fed_value_cstrn(p, end - p);
  return SQLITE_OK;
}

int fit_decimal(const struct fit *fit, struct fit_room *room,
                struct fed_value *value, struct fed_err *err)
{
  struct fed_value given = *value;
  const double limit = 9223372036854775808.0; /* 2^63 */
  double r;

  if (fit->col->class == FED_CLASS_DECIMAL)
    return fit_any_decimal(fit, room, value, err);
  if (!fit_number(value)) return fit_fail(fit, &given, "is no number", err);
  if (fit->col->class == FED_CLASS_DECREAL && fit->precision >= fit->scale &&
      fit->precision <= 15) {
    r = value->type == FED_INT ? (double)value->i : value->r;
    return fit_scaled(fit, room, &given, r, value, err);
  }
  /* A domain's type does not tell them: its digits, and the server judges. */
  if (fit->col->class == FED_CLASS_DECREAL)
    return fit_any_decimal(fit, room, value, err);
  if (value->type == FED_REAL) {
    if (!(fabs(value->r) < limit))
      return fit_fail(fit, &given, "is out of range", err);
    if (value->r != floor(value->r))
      return fit_fail(fit, &given, "has too many digits behind the point", err);
    *value = fed_value_int((int64_t)value->r);
  }
  if (fit->precision < 0 || fit->precision > 18 || fit->scale != 0) {
    struct fed_value number = *value;
    int rc = fit_any_decimal(fit, room, &number, err);

    return rc;
  }
  /* 999999999999999999 is no double: powers up to 1e18 are, and integers. */
  if (value->i >= (int64_t)fit_ten[fit->precision] ||
      value->i <= -(int64_t)fit_ten[fit->precision] ||
      (fit->is_unsigned && value->i < 0))
    return fit_fail(fit, &given, "is out of range", err);
  return SQLITE_OK;
}

/* ---- reals ------------------------------------------------------------- */

/*
 * A 4-byte float stands for the decimals that it prints as: 0.1 is one, and
 * what is read is the float's own value. A double whose digits it does not
 * keep is an error, not rounded in silence.
 */
static bool fit_is_float(double r)
{
  char a[48], b[48];
  float f = (float)r;

  if ((double)f == r) return true;
  if (isinf(f)) return false;
  snprintf(a, sizeof a, "%.7g", r);
  if (strtod(a, NULL) != r) return false;
  snprintf(b, sizeof b, "%.7g", (double)f);
  return strcmp(a, b) == 0;
}

int fit_real(const struct fit *fit, struct fed_value *value,
             struct fed_err *err)
{
  struct fed_value given = *value;
  const char *why = NULL;
  double r;

  if (!fit_number(value)) return fit_fail(fit, &given, "is no number", err);
  r = value->type == FED_INT ? (double)value->i : value->r;
  if (isinf(r) && fit->dialect == &fed_dialect_mysql)
    return fit_fail(fit, &given, "is out of range", err);
  if (fit->is_unsigned && r < 0)
    return fit_fail(fit, &given, "is out of range", err);
  if (fit->precision >= 0) { /* double(10,2) */
    struct fit_parts parts;
    char text[48];
    int64_t n = fit_print(text, r);

    if (fit_parse(text, text + n, &parts)) why = fit_places(fit, &parts);
    if (why) return fit_fail(fit, &given, why, err);
  }
  if (fit->col->class == FED_CLASS_FLOAT4) {
    if (!fit_is_float(r))
      return fit_fail(fit, &given,
                      "has more digits than a 4-byte float keeps: round it "
                      "to 6",
                      err);
    r = (double)(float)r;
  }
  *value = fed_value_real(r);
  return SQLITE_OK;
}
