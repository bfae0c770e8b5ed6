/*
 * pg_decode: bytes of the wire -> struct fed_value.
 *
 * Binary format, because it needs no parsing: integers and floats are in
 * network order, text is itself. Dates, uuid and numeric (pg_numeric.c) become
 * text here and not by a cast on the server, which would cost it more than it
 * costs us. The text is the one that the server prints (DateStyle ISO, TimeZone
 * UTC).
 *
 * Text format is for statements whose types we do not know beforehand and
 * cannot all decode: there the server prints, and only what SQLite stores as
 * a number, a blob or trimmed is converted.
 *
 * Every length is checked: bytes that are not of the type they claim to be
 * give SQLITE_CORRUPT, never a read past their end.
 */
#include <errno.h>
#include <locale.h>
#include <stdlib.h>

#include "base/mem.h"
#include "drv/pg.h"

/* OIDs of built-in types, fixed for ever (pg_type.dat). */
enum {
  PG_BOOL = 16,
  PG_BYTEA = 17,
  PG_NAME = 19,
  PG_INT8 = 20,
  PG_INT2 = 21,
  PG_INT4 = 23,
  PG_TEXT = 25,
  PG_OID = 26,
  PG_FLOAT4 = 700,
  PG_FLOAT8 = 701,
  PG_UNKNOWN = 705,
  PG_BPCHAR = 1042,
  PG_VARCHAR = 1043,
  PG_DATE = 1082,
  PG_TIME = 1083,
  PG_TIMESTAMP = 1114,
  PG_TIMESTAMPTZ = 1184,
  PG_NUMERIC = 1700,
  PG_UUID = 2950,
};

#define PG_DAY      INT64_C(86400000000) /* microseconds */
#define PG_DATE_MIN (-2451545)           /* 4714-11-24 BC, days */

/* ---- bytes ------------------------------------------------------------- */

/* At least `n` bytes that live until the next row. */
char *fed_pg_room(struct fed_pg_col *col, size_t n)
{
  char *buf;

  if (n <= sizeof col->small) return col->small;
  if (n <= col->room) return col->buf;
  buf = fed_realloc(col->buf, n + n / 2);
  if (!buf) return NULL;
  col->buf = buf;
  col->room = n + n / 2;
  return buf;
}

/* ---- integers, floats, text -------------------------------------------- */

static int pg_bool(struct fed_pg_col *col, char *p, int len,
                   struct fed_value *out)
{
  (void)col;
  if (len != 1) return SQLITE_CORRUPT;
  *out = fed_value_int(*p != 0);
  return SQLITE_OK;
}

static int pg_int2(struct fed_pg_col *col, char *p, int len,
                   struct fed_value *out)
{
  (void)col;
  if (len != 2) return SQLITE_CORRUPT;
  *out = fed_value_int((int16_t)fed_pg_u16(p));
  return SQLITE_OK;
}

static int pg_int4(struct fed_pg_col *col, char *p, int len,
                   struct fed_value *out)
{
  (void)col;
  if (len != 4) return SQLITE_CORRUPT;
  *out = fed_value_int((int32_t)fed_pg_u32(p));
  return SQLITE_OK;
}

static int pg_int8(struct fed_pg_col *col, char *p, int len,
                   struct fed_value *out)
{
  (void)col;
  if (len != 8) return SQLITE_CORRUPT;
  *out = fed_value_int((int64_t)fed_pg_u64(p));
  return SQLITE_OK;
}

/* oid has no sign. */
static int pg_oid(struct fed_pg_col *col, char *p, int len,
                  struct fed_value *out)
{
  (void)col;
  if (len != 4) return SQLITE_CORRUPT;
  *out = fed_value_int(fed_pg_u32(p));
  return SQLITE_OK;
}

static int pg_float4(struct fed_pg_col *col, char *p, int len,
                     struct fed_value *out)
{
  uint32_t bits;
  float f;

  (void)col;
  if (len != 4) return SQLITE_CORRUPT;
  bits = fed_pg_u32(p);
  memcpy(&f, &bits, sizeof f);
  *out = fed_value_real((double)f);
  return SQLITE_OK;
}

static int pg_float8(struct fed_pg_col *col, char *p, int len,
                     struct fed_value *out)
{
  uint64_t bits;
  double d;

  (void)col;
  if (len != 8) return SQLITE_CORRUPT;
  bits = fed_pg_u64(p);
  memcpy(&d, &bits, sizeof d);
  *out = fed_value_real(d);
  return SQLITE_OK;
}

/* PostgreSQL refuses NUL in text; whoever calls has put one behind it. */
static int pg_text(struct fed_pg_col *col, char *p, int len,
                   struct fed_value *out)
{
  (void)col;
  *out = fed_value_cstrn(p, len);
  return SQLITE_OK;
}

/* char(n) comes padded to n; the blanks mean nothing in it. */
static int pg_char(struct fed_pg_col *col, char *p, int len,
                   struct fed_value *out)
{
  int n = len;

  (void)col;
  while (n > 0 && p[n - 1] == ' ')
    n--;
  p[n] = 0;
  *out = fed_value_cstrn(p, n);
  return SQLITE_OK;
}

static int pg_bytea(struct fed_pg_col *col, char *p, int len,
                    struct fed_value *out)
{
  (void)col;
  *out = fed_value_blob(p, len);
  return SQLITE_OK;
}

static int pg_uuid(struct fed_pg_col *col, char *p, int len,
                   struct fed_value *out)
{
  static const char hex[] = "0123456789abcdef";
  char *to = col->small;

  if (len != 16) return SQLITE_CORRUPT;
  for (int i = 0; i < 16; i++) {
    if (i == 4 || i == 6 || i == 8 || i == 10) *to++ = '-';
    *to++ = hex[(unsigned char)p[i] >> 4];
    *to++ = hex[p[i] & 15];
  }
  *to = 0;
  *out = fed_value_cstrn(col->small, 36);
  return SQLITE_OK;
}

/* ---- dates ------------------------------------------------------------- */

/* `v` in decimal, with leading zeros to at least `width` digits. */
char *fed_pg_digits(char *to, uint64_t v, int width)
{
  char tmp[20];
  int n = 0;

  do {
    tmp[n++] = (char)('0' + v % 10);
    v /= 10;
  } while (v > 0);
  while (n < width)
    tmp[n++] = '0';
  while (n > 0)
    *to++ = tmp[--n];
  return to;
}

/* Two digits: a table costs less than a division, and dates are many. */
static inline char *pg_two(char *to, uint32_t v)
{
  static const char pair[] = "00010203040506070809"
                             "10111213141516171819"
                             "20212223242526272829"
                             "30313233343536373839"
                             "40414243444546474849"
                             "50515253545556575859"
                             "60616263646566676869"
                             "70717273747576777879"
                             "80818283848586878889"
                             "90919293949596979899";

  memcpy(to, pair + (size_t)v * 2, 2);
  return to + 2;
}

/*
 * Days since 2000-01-01 -> YYYY-MM-DD in the proleptic Gregorian calendar.
 * The year is counted from 1 March, so that the leap day is its last day; the
 * divisions are those of Neri and Schneider, "Euclidean affine functions and
 * their application to calendar algorithms". *bc: " BC" must follow.
 */
static inline char *pg_put_date(char *to, int64_t days, bool *bc)
{
  /* Since 1 March of the year -6000. */
  uint64_t n = (uint64_t)(days + 730425 + 15 * 146097) * 4 + 3;
  uint64_t century = n / 146097;
  uint32_t of_century = (uint32_t)(n - century * 146097) / 4;
  uint64_t p = UINT64_C(2939745) * (of_century * 4 + 3);
  uint32_t of_year = (uint32_t)p / 2939745 / 4;
  uint32_t month = 2141 * of_year + 197913; /* in its upper half */
  bool next = of_year >= 306;               /* January and February */
  int64_t year = (int64_t)(century * 100 + (p >> 32)) - 6000 + next;

  /* There is no year 0: the one before 1 is 1 BC. */
  *bc = year <= 0;
  if (*bc) year = 1 - year;
  if (year <= 9999)
    to = pg_two(pg_two(to, (uint32_t)year / 100), (uint32_t)year % 100);
  else
    to = fed_pg_digits(to, (uint64_t)year, 4);
  *to++ = '-';
  to = pg_two(to, (month >> 16) - (next ? 12 : 0));
  *to++ = '-';
  return pg_two(to, (month & 0xFFFF) / 2141 + 1);
}

static char *pg_put_time(char *to, int64_t us)
{
  uint32_t sec = (uint32_t)(us / 1000000); /* of a day */
  uint32_t frac = (uint32_t)(us % 1000000);
  int width = 6;

  to = pg_two(to, sec / 3600);
  *to++ = ':';
  to = pg_two(to, sec / 60 % 60);
  *to++ = ':';
  to = pg_two(to, sec % 60);
  if (frac == 0) return to;
  for (; frac % 10 == 0; width--)
    frac /= 10;
  *to++ = '.';
  return fed_pg_digits(to, frac, width);
}

/* The text in col->small ends at `end`. */
static inline int pg_small(struct fed_pg_col *col, char *end, bool bc,
                           struct fed_value *out)
{
  if (bc) {
    memcpy(end, " BC", 3);
    end += 3;
  }
  *end = 0;
  *out = fed_value_cstrn(col->small, end - col->small);
  return SQLITE_OK;
}

static int pg_date(struct fed_pg_col *col, char *p, int len,
                   struct fed_value *out)
{
  int32_t days;
  bool bc;
  char *end;

  if (len != 4) return SQLITE_CORRUPT;
  days = (int32_t)fed_pg_u32(p);
  if (days == INT32_MAX || days == INT32_MIN) {
    *out = fed_value_cstr(days > 0 ? "infinity" : "-infinity");
    return SQLITE_OK;
  }
  if (days < PG_DATE_MIN) return SQLITE_CORRUPT;
  end = pg_put_date(col->small, days, &bc);
  return pg_small(col, end, bc, out);
}

static int pg_time(struct fed_pg_col *col, char *p, int len,
                   struct fed_value *out)
{
  int64_t us;

  if (len != 8) return SQLITE_CORRUPT;
  us = (int64_t)fed_pg_u64(p);
  if (us < 0 || us > PG_DAY) return SQLITE_CORRUPT; /* 24:00:00 is legal */
  return pg_small(col, pg_put_time(col->small, us), false, out);
}

/* Both timestamp types: timestamptz travels in UTC. */
static int pg_timestamp(struct fed_pg_col *col, char *p, int len,
                        struct fed_value *out)
{
  int64_t us, day;
  bool bc;
  char *end;

  if (len != 8) return SQLITE_CORRUPT;
  us = (int64_t)fed_pg_u64(p);
  if (us == INT64_MAX || us == INT64_MIN) {
    *out = fed_value_cstr(us > 0 ? "infinity" : "-infinity");
    return SQLITE_OK;
  }
  day = us / PG_DAY - (us % PG_DAY < 0);
  if (day < PG_DATE_MIN) return SQLITE_CORRUPT;
  end = pg_put_date(col->small, day, &bc);
  *end++ = ' ';
  end = pg_put_time(end, us - day * PG_DAY);
  return pg_small(col, end, bc, out);
}

/* ---- text format ------------------------------------------------------- */

static int pg_t_bool(struct fed_pg_col *col, char *p, int len,
                     struct fed_value *out)
{
  (void)col;
  if (len != 1 || (*p != 't' && *p != 'f')) return SQLITE_CORRUPT;
  *out = fed_value_int(*p == 't');
  return SQLITE_OK;
}

static int pg_t_int(struct fed_pg_col *col, char *p, int len,
                    struct fed_value *out)
{
  char *end;

  (void)col;
  errno = 0;
  *out = fed_value_int(strtoll(p, &end, 10));
  return len > 0 && end == p + len && !errno ? SQLITE_OK : SQLITE_CORRUPT;
}

/* numeric(p, 0) may be 'NaN'. */
static int pg_t_decint(struct fed_pg_col *col, char *p, int len,
                       struct fed_value *out)
{
  if (strcmp(p, "NaN") != 0) return pg_t_int(col, p, len, out);
  *out = fed_value_null();
  return SQLITE_OK;
}

/* The host may have set a locale whose decimal point is a comma. */
static int pg_t_real(struct fed_pg_col *col, char *p, int len,
                     struct fed_value *out)
{
  locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
  char *end;
  double r;

  (void)col;
  if (!c) return SQLITE_NOMEM;
  r = strtod_l(p, &end, c);
  freelocale(c);
  if (len == 0 || end != p + len) return SQLITE_CORRUPT;
  *out = fed_value_real(r);
  return SQLITE_OK;
}

static int pg_nibble(char c)
{
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

/* bytea_output is hex: set when connecting. */
static int pg_t_bytea(struct fed_pg_col *col, char *p, int len,
                      struct fed_value *out)
{
  int n = (len - 2) / 2;
  char *to;

  if (len < 2 || len % 2 || p[0] != '\\' || p[1] != 'x') return SQLITE_CORRUPT;
  to = fed_pg_room(col, (size_t)n + 1);
  if (!to) return SQLITE_NOMEM;
  for (int i = 0; i < n; i++) {
    int high = pg_nibble(p[2 + 2 * i]);
    int low = pg_nibble(p[3 + 2 * i]);

    if (high < 0 || low < 0) return SQLITE_CORRUPT;
    to[i] = (char)(high << 4 | low);
  }
  *out = fed_value_blob(to, n);
  return SQLITE_OK;
}

/* "... 12:00:00+00" or "...+00 BC": the zone is always UTC. */
static int pg_t_timestamptz(struct fed_pg_col *col, char *p, int len,
                            struct fed_value *out)
{
  char *zone = memchr(p, '+', (size_t)len);

  if (zone) {
    if (strncmp(zone, "+00", 3) != 0) return SQLITE_CORRUPT;
    len -= 3;
    memmove(zone, zone + 3, (size_t)(p + len - zone) + 1);
  }
  return pg_text(col, p, len, out);
}

/* ---- types ------------------------------------------------------------- */

/* typmod of numeric(p, s): (p << 16 | s) + 4, the scale in 11 signed bits. */
static enum fed_class pg_numeric_class(int fmod)
{
  int precision = (fmod - 4) >> 16 & 0xFFFF;
  int scale = (((fmod - 4) & 0x7FF) ^ 0x400) - 0x400;

  /* PostgreSQL 15 knows scales below 0 and above the precision. */
  if (fmod < 4 || scale < 0 || scale > precision) return FED_CLASS_DECIMAL;
  if (scale == 0 && precision <= 18) return FED_CLASS_DECINT;
  if (scale > 0 && precision <= 15) return FED_CLASS_DECREAL;
  return FED_CLASS_DECIMAL;
}

static const struct pg_type {
  Oid oid;
  enum fed_class class; /* FED_CLASS_COUNT: by its typmod */
  fed_pg_decode_fn *binary, *text;
} pg_types[] = {
  {PG_INT4,        FED_CLASS_INT,         pg_int4,      pg_t_int        },
  {PG_TEXT,        FED_CLASS_TEXT,        pg_text,      pg_text         },
  {PG_INT8,        FED_CLASS_INT,         pg_int8,      pg_t_int        },
  {PG_VARCHAR,     FED_CLASS_TEXT,        pg_text,      pg_text         },
  {PG_NUMERIC,     FED_CLASS_COUNT,       NULL,         NULL            },
  {PG_TIMESTAMPTZ, FED_CLASS_TIMESTAMPTZ, pg_timestamp, pg_t_timestamptz},
  {PG_TIMESTAMP,   FED_CLASS_TIMESTAMP,   pg_timestamp, pg_text         },
  {PG_DATE,        FED_CLASS_DATE,        pg_date,      pg_text         },
  {PG_BOOL,        FED_CLASS_BOOL,        pg_bool,      pg_t_bool       },
  {PG_FLOAT8,      FED_CLASS_REAL,        pg_float8,    pg_t_real       },
  {PG_FLOAT4,      FED_CLASS_FLOAT4,      pg_float4,    pg_t_real       },
  {PG_UUID,        FED_CLASS_UUID,        pg_uuid,      pg_text         },
  {PG_BYTEA,       FED_CLASS_BLOB,        pg_bytea,     pg_t_bytea      },
  {PG_BPCHAR,      FED_CLASS_CHAR,        pg_char,      pg_char         },
  {PG_INT2,        FED_CLASS_INT,         pg_int2,      pg_t_int        },
  {PG_TIME,        FED_CLASS_TIME,        pg_time,      pg_text         },
  {PG_OID,         FED_CLASS_INT,         pg_oid,       pg_t_int        },
  {PG_NAME,        FED_CLASS_TEXT,        pg_text,      pg_text         },
  {PG_UNKNOWN,     FED_CLASS_TEXT,        pg_text,      pg_text         },
};

static const struct pg_type *pg_type_of(Oid oid)
{
  for (size_t i = 0; i < FED_LEN(pg_types); i++)
    if (pg_types[i].oid == oid) return &pg_types[i];
  return NULL;
}

enum fed_class fed_pg_class(Oid oid, int fmod)
{
  const struct pg_type *type = pg_type_of(oid);

  if (!type) return FED_CLASS_OTHER;
  return type->class == FED_CLASS_COUNT ? pg_numeric_class(fmod) : type->class;
}

static fed_pg_decode_fn *pg_numeric_decoder(enum fed_class class, bool text)
{
  if (class == FED_CLASS_DECINT) return text ? pg_t_decint : fed_pg_decint;
  if (class == FED_CLASS_DECREAL) return text ? pg_t_real : fed_pg_decreal;
  return text ? pg_text : fed_pg_decimal;
}

fed_pg_decode_fn *fed_pg_decoder(enum fed_class want, Oid oid, int fmod,
                                 bool text)
{
  const struct pg_type *type = pg_type_of(oid);
  enum fed_class class = fed_pg_class(oid, fmod);
  bool any = want == FED_CLASS_COUNT || want == FED_CLASS_ANY;

  /* In text format every type is at least its own text. */
  if (!type) return text && any ? pg_text : NULL;
  /* Columns of class OTHER are selected with ::text. */
  if (want == FED_CLASS_OTHER) return class == FED_CLASS_TEXT ? pg_text : NULL;
  if (!any && want != class) return NULL;
  if (oid == PG_NUMERIC) return pg_numeric_decoder(class, text);
  return text ? type->text : type->binary;
}
