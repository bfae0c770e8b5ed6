/*
 * fit_date: dates and times are written in the form in which they are shown.
 * In any other, what is read would not be what was written.
 */
#include <ctype.h>

#include "vtab/fit.h"

/* What is left of a text. */
struct fit_text {
  const char *p, *end;
};

/* A number of `min` to `max` digits, or -1; no zero ahead of `min` digits. */
static int fit_take(struct fit_text *text, int min, int max)
{
  const char *p = text->p;
  int n = 0, v = 0;

  for (; n < max && p < text->end && isdigit((unsigned char)*p); n++)
    v = v * 10 + (*p++ - '0');
  if (n < min || (n > min && *text->p == '0')) return -1;
  text->p = p;
  return v;
}

static bool fit_skip(struct fit_text *text, char c)
{
  if (text->p == text->end || *text->p != c) return false;
  text->p++;
  return true;
}

static bool fit_word(const struct fit_text *text, const char *word)
{
  size_t n = strlen(word);

  return (size_t)(text->end - text->p) == n && memcmp(text->p, word, n) == 0;
}

/* BC years count from 1: 1 BC is a leap year. */
static bool fit_day(int y, int m, int d, bool bc, bool zeros)
{
  static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  bool leap;

  if (zeros && m >= 0 && m <= 12 && d >= 0 && (m == 0 || d == 0))
    return d <= 31;
  if (m < 1 || m > 12 || d < 1) return false;
  if (bc) y = y - 1;
  leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
  return d <= days[m - 1] + (m == 2 && leap);
}

static bool fit_ymd(const struct fit *fit, struct fit_text *text, bool bc)
{
  bool mysql = fit->dialect == &fed_dialect_mysql;
  int y = fit_take(text, 4, mysql ? 4 : 7), m, d;

  if (y < 0 || (y == 0 && !mysql)) return false;
  if (!fit_skip(text, '-')) return false;
  m = fit_take(text, 2, 2);
  if (m < 0 || !fit_skip(text, '-')) return false;
  d = fit_take(text, 2, 2);
  return fit_day(y, m, d, bc, mysql);
}

/* Behind the seconds; zeros at its end are not shown, and count for nothing. */
static bool fit_fraction(const struct fit *fit, struct fit_text *text)
{
  int n = 0, digits = 0;

  if (!fit_skip(text, '.')) return true;
  for (; text->p < text->end && isdigit((unsigned char)*text->p); text->p++) {
    n++;
    if (*text->p != '0') digits = n;
  }
  return n > 0 && digits <= fit->fraction;
}

static bool fit_hms(const struct fit *fit, struct fit_text *text, int hours)
{
  int h = fit_take(text, 2, hours > 99 ? 3 : 2), m, s;

  if (h < 0 || h > hours || !fit_skip(text, ':')) return false;
  m = fit_take(text, 2, 2);
  if (m < 0 || m > 59 || !fit_skip(text, ':')) return false;
  s = fit_take(text, 2, 2);
  return s >= 0 && s <= 59 && fit_fraction(fit, text);
}

/* 00:00:00 has no sign. */
static bool fit_is_zero(const struct fit_text *text)
{
  for (const char *p = text->p; p < text->end; p++)
    if (*p >= '1' && *p <= '9') return false;
  return true;
}

static bool fit_time(const struct fit *fit, struct fit_text *text)
{
  const char *start = text->p;

  if (fit->dialect != &fed_dialect_mysql)
    return fit_word(text, "24:00:00") ? (text->p = text->end, true)
                                      : fit_hms(fit, text, 23);
  if (fit_skip(text, '-') && fit_is_zero(text)) return false;
  if (!fit_hms(fit, text, 838)) return false;
  /* 838:59:59 is the last one. */
  start += *start == '-';
  return text->end - start <= 10 || memcmp(start, "838:59:59.", 10) != 0 ||
         fit_is_zero(&(struct fit_text){start + 10, text->end});
}

static bool fit_is_date(const struct fit *fit, struct fit_text text)
{
  enum fed_class class = fit->col->class;
  bool bc = false;

  if (class == FED_CLASS_TIME)
    return fit_time(fit, &text) && text.p == text.end;
  if (fit->dialect == &fed_dialect_pg) {
    if (fit_word(&text, "infinity") || fit_word(&text, "-infinity"))
      return true;
    bc = text.end - text.p > 3 && memcmp(text.end - 3, " BC", 3) == 0;
    if (bc) text.end -= 3;
  }
  if (!fit_ymd(fit, &text, bc)) return false;
  if (class == FED_CLASS_DATE) return text.p == text.end;
  return fit_skip(&text, ' ') && fit_hms(fit, &text, 23) && text.p == text.end;
}

int fit_date(const struct fit *fit, const struct fed_value *value,
             struct fed_err *err)
{
  enum fed_class class = fit->col->class;

  if (value->type == FED_TEXT &&
      fit_is_date(fit, (struct fit_text){value->p, value->p + value->size}))
    return SQLITE_OK;
  if (class == FED_CLASS_DATE)
    return fit_fail(fit, value, "is no date: write YYYY-MM-DD", err);
  if (class == FED_CLASS_TIME)
    return fit_fail(fit, value,
                    fit->fraction ? "is no time of the column: write "
                                    "HH:MM:SS[.f]"
                                  : "is no time of the column: write HH:MM:SS",
                    err);
  return fit_fail(fit, value,
                  fit->fraction
                    ? "is no time of the column: write YYYY-MM-DD HH:MM:SS[.f]"
                      ", in UTC if it has a time zone"
                    : "is no time of the column: write YYYY-MM-DD HH:MM:SS",
                  err);
}
