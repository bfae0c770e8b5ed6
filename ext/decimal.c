/*
 * decimal: the collation of exact numbers kept as text. PostgreSQL's order,
 * so that a comparison may be left to it.
 */
#include <ctype.h>

#include "ext/ext.h"

enum decimal_kind {
  DECIMAL_MINUS_INFINITY,
  DECIMAL_NUMBER,
  DECIMAL_INFINITY,
  DECIMAL_NAN,
  DECIMAL_OTHER, /* no number at all */
};

struct decimal {
  enum decimal_kind kind;
  bool negative;
  const char *whole, *fraction; /* without outer zeros */
  int nwhole, nfraction;
};

static bool decimal_is(const char *z, int n, const char *word)
{
  return n == (int)strlen(word) && sqlite3_strnicmp(z, word, n) == 0;
}

static enum decimal_kind decimal_special(const char *z, int n)
{
  if (decimal_is(z, n, "NaN")) return DECIMAL_NAN;
  if (decimal_is(z, n, "Infinity")) return DECIMAL_INFINITY;
  if (decimal_is(z, n, "-Infinity")) return DECIMAL_MINUS_INFINITY;
  return DECIMAL_OTHER;
}

static int decimal_digits(const char *z, int n)
{
  int i = 0;

  while (i < n && isdigit((unsigned char)z[i]))
    i++;
  return i;
}

static void decimal_parse(const char *z, int n, struct decimal *d)
{
  int sign = n > 0 && (z[0] == '-' || z[0] == '+');
  int all = 0;

  memset(d, 0, sizeof *d);
  d->kind = decimal_special(z, n);
  if (d->kind != DECIMAL_OTHER) return;
  d->negative = sign && z[0] == '-';
  d->whole = z + sign;
  d->nwhole = all = decimal_digits(d->whole, n - sign);
  d->fraction = d->whole + d->nwhole;
  if (sign + d->nwhole < n && *d->fraction == '.') {
    d->fraction++;
    d->nfraction = decimal_digits(d->fraction, n - sign - d->nwhole - 1);
    all += d->nfraction + 1;
  }
  if (all != n - sign || d->nwhole + d->nfraction == 0) return;
  d->kind = DECIMAL_NUMBER;
  for (; d->nwhole > 0 && *d->whole == '0'; d->nwhole--)
    d->whole++;
  while (d->nfraction > 0 && d->fraction[d->nfraction - 1] == '0')
    d->nfraction--;
  if (d->nwhole + d->nfraction == 0) d->negative = false; /* -0 is 0 */
}

static int decimal_bytes(const char *a, int na, const char *b, int nb)
{
  int c = memcmp(a, b, (size_t)(na < nb ? na : nb));

  return c ? c : na - nb;
}

static int decimal_magnitude(const struct decimal *a, const struct decimal *b)
{
  int c;

  if (a->nwhole != b->nwhole) return a->nwhole - b->nwhole;
  c = memcmp(a->whole, b->whole, (size_t)a->nwhole);
  if (c) return c;
  return decimal_bytes(a->fraction, a->nfraction, b->fraction, b->nfraction);
}

int fed_decimal_compare(void *unused, int na, const void *a, int nb,
                        const void *b)
{
  struct decimal x, y;

  (void)unused;
  decimal_parse(a, na, &x);
  decimal_parse(b, nb, &y);
  if (x.kind != y.kind) return (int)x.kind - (int)y.kind;
  if (x.kind == DECIMAL_OTHER) return decimal_bytes(a, na, b, nb);
  if (x.kind != DECIMAL_NUMBER) return 0;
  if (x.negative != y.negative) return x.negative ? -1 : 1;
  return x.negative ? decimal_magnitude(&y, &x) : decimal_magnitude(&x, &y);
}
