/*
 * fit: the columns' types parsed, integers and blobs. See fit_number.c,
 * fit_text.c and fit_date.c for the rest.
 */
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "vtab/fit.h"
#include "vtab/vtab.h"

/* ---- types ------------------------------------------------------------- */

/* Is the first word of the type `name`? */
static bool fit_is(const char *type, const char *name)
{
  size_t n = strlen(name);

  return sqlite3_strnicmp(type, name, (int)n) == 0 &&
         !isalnum((unsigned char)type[n]) && type[n] != '_';
}

static int64_t fit_prepare_number(const char **p)
{
  bool minus = **p == '-';
  int64_t n = 0;

  for (*p += minus; isdigit((unsigned char)**p) && n < 1000000000000; (*p)++)
    n = n * 10 + (**p - '0');
  return minus ? -n : n;
}

/* (10,2) -> 10 and 2; -1 and 0 without it. */
static void fit_prepare_size(const char *type, int64_t *first, int64_t *second)
{
  const char *p = strchr(type, '(');

  *first = -1;
  *second = 0;
  if (!p || (!isdigit((unsigned char)p[1]))) return;
  p++;
  *first = fit_prepare_number(&p);
  if (*p != ',') return;
  p++;
  while (*p == ' ')
    p++;
  *second = fit_prepare_number(&p);
}

static void fit_prepare_int(struct fit *fit, const char *type, int64_t size)
{
  static const struct {
    const char *name;
    int bits;
  } width[] = {
    {"tinyint",   8 },
    {"smallint",  16},
    {"mediumint", 24},
    {"integer",   32},
    {"int",       32},
  };

  fit->min = fit->col->class == FED_CLASS_UINT ? 0 : INT64_MIN;
  fit->max = INT64_MAX;
  if (fit->dialect == &fed_dialect_sqlite) return;
  for (size_t i = 0; i < FED_LEN(width); i++) {
    if (!fit_is(type, width[i].name)) continue;
    fit->max = (INT64_C(1) << (width[i].bits - !fit->is_unsigned)) - 1;
    fit->min = fit->is_unsigned ? 0 : -fit->max - 1;
  }
  fit->is_year = fit->dialect == &fed_dialect_mysql && fit_is(type, "year");
  fit->is_bit = fit->dialect == &fed_dialect_mysql && fit_is(type, "bit");
  if (fit->is_bit) {
    fit->min = 0;
    if (size < 0) size = 1;
    if (size < 63) fit->max = (INT64_C(1) << size) - 1;
  }
  if (fit_is(type, "oid")) { /* PostgreSQL would take -1 for 4294967295 */
    fit->min = 0;
    fit->max = UINT32_MAX;
  }
}

static void fit_prepare_bytes(struct fit *fit, const char *type, int64_t size)
{
  static const struct {
    const char *name;
    int64_t bytes;
  } limit[] = {
    {"tinytext",   255     },
    {"text",       65535   },
    {"mediumtext", 16777215},
    {"tinyblob",   255     },
    {"blob",       65535   },
    {"mediumblob", 16777215},
  };
  bool mysql = fit->dialect == &fed_dialect_mysql;

  if (mysql && (fit_is(type, "binary") || fit_is(type, "varbinary"))) {
    fit->unit = fit_is(type, "binary") ? FIT_EXACT : FIT_BYTES;
    fit->limit = size < 0 ? 1 : size;
    return;
  }
  for (size_t i = 0; mysql && i < FED_LEN(limit); i++)
    if (fit_is(type, limit[i].name)) {
      /* Of texts, the bytes are those of the column's own encoding. */
      fit->unit = fit->col->class == FED_CLASS_BLOB ? FIT_BYTES : FIT_CHARS;
      fit->limit = limit[i].bytes;
      return;
    }
  if (mysql || !fit->dialect->arrays) return;
  if (strcmp(type, "name") == 0 || strcmp(type, "\"char\"") == 0) {
    fit->unit = FIT_BYTES; /* more would be cut without a word */
    fit->limit = *type == 'n' ? 63 : 1;
  }
}

void fit_prepare(struct fit *fit, const struct fed_dialect *dialect,
                 const struct fed_column *col)
{
  const char *type = col->type;
  int64_t size, scale;

  *fit = (struct fit){.dialect = dialect, .col = col, .precision = -1};
  fit_prepare_size(type, &size, &scale);
  fit->is_unsigned = dialect == &fed_dialect_mysql &&
                     (strstr(type, " unsigned") || strstr(type, " zerofill"));
  fit->fraction = dialect == &fed_dialect_mysql ? 0 : 6;
  switch (col->class) {
  case FED_CLASS_INT:
  case FED_CLASS_UINT:
    fit_prepare_int(fit, type, size);
    break;
  case FED_CLASS_BOOL:
    fit->max = 1;
    break;
  case FED_CLASS_REAL:
  case FED_CLASS_FLOAT4: /* MySQL's float(7,2) rounds */
    if (!strchr(type, ',')) break;
    fit->precision = (int)size;
    fit->scale = (int)scale;
    break;
  case FED_CLASS_DECINT:
  case FED_CLASS_DECREAL:
  case FED_CLASS_DECIMAL:
    fit->precision = (int)size;
    fit->scale = (int)scale;
    break;
  case FED_CLASS_TEXT:
  case FED_CLASS_CHAR:
  case FED_CLASS_BLOB:
    if (size >= 0 && col->class != FED_CLASS_BLOB) {
      fit->unit = FIT_CHARS;
      fit->limit = size;
    }
    fit_prepare_bytes(fit, type, size);
    break;
  case FED_CLASS_TIME:
  case FED_CLASS_TIMESTAMP:
  case FED_CLASS_TIMESTAMPTZ:
    if (size >= 0 && size <= 6) fit->fraction = (int)size;
    break;
  case FED_CLASS_ANY:
  case FED_CLASS_DATE:
  case FED_CLASS_UUID:
  case FED_CLASS_OTHER:
  case FED_CLASS_COUNT:
    break;
  }
}

/* ---- errors ------------------------------------------------------------ */

/* A text of which a message shows the beginning, in quotes. */
static void fit_show(const struct fed_value *value, char out[64])
{
  int64_t n = value->size < 40 ? value->size : 40;
  char *to = out;

  *to++ = '\'';
  for (int64_t i = 0; i < n; i++) {
    unsigned char c = (unsigned char)value->p[i];

    *to++ = (char)(c < 0x20 || c > 0x7E ? '?' : c);
  }
  *to = 0;
  snprintf(to, 8, "%s'", n < value->size ? "..." : "");
}

int fit_fail(const struct fit *fit, const struct fed_value *value,
             const char *why, struct fed_err *err)
{
  char shown[64];

  switch (value->type) {
  case FED_INT:
    snprintf(shown, sizeof shown, "%lld", (long long)value->i);
    break;
  case FED_REAL:
    sqlite3_snprintf(sizeof shown, shown, "%!.15g", value->r);
    if (strtod(shown, NULL) != value->r)
      sqlite3_snprintf(sizeof shown, shown, "%!.17g", value->r);
    break;
  case FED_TEXT:
    fit_show(value, shown);
    break;
  case FED_BLOB:
  case FED_NULL:
    snprintf(shown, sizeof shown, "a blob of %lld bytes",
             (long long)value->size);
    break;
  }
  return fed_err_set(err, SQLITE_MISMATCH, "column '%.200s' (%.80s): %s %s",
                     fit->col->name, fit->col->type, shown, why);
}

/* ---- integers ---------------------------------------------------------- */

/* Above 2^63-1 it is read as a text of its digits, and so it is written. To
 * BIT a text is bytes, not digits. */
static bool fit_big(const struct fit *fit, struct fit_room *room,
                    struct fed_value *value)
{
  uint64_t u = 0;

  if (fit->col->class != FED_CLASS_UINT || value->type != FED_TEXT ||
      value->size < 19 || value->size > 20 || *value->p == '0')
    return false;
  for (int64_t i = 0; i < value->size; i++) {
    unsigned digit = (unsigned char)value->p[i] - (unsigned)'0';

    if (digit > 9 || u > (UINT64_MAX - digit) / 10) return false;
    u = u * 10 + digit;
  }
  if (u <= INT64_MAX) return false;
  if (!fit->is_bit) return true;
  for (int i = 0; i < 8; i++)
    room->text[i] = (char)(unsigned char)(u >> (56 - 8 * i));
  *value = fed_value_blob(room->text, 8);
  return true;
}

static int fit_int(const struct fit *fit, struct fit_room *room,
                   struct fed_value *value, struct fed_err *err)
{
  const double limit = 9223372036854775808.0; /* 2^63 */
  struct fed_value given = *value;
  int64_t i;

  if (value->type != FED_INT) {
    if (fit_big(fit, room, value)) return SQLITE_OK;
    if (!fit_number(value)) return fit_fail(fit, &given, "is no integer", err);
  }
  if (value->type == FED_REAL) {
    double r = value->r;

    if (!(r < limit && r >= -limit))
      return fit_fail(fit, &given, "is out of range", err);
    if (r != floor(r)) return fit_fail(fit, &given, "is no integer", err);
    *value = fed_value_int((int64_t)r);
  }
  i = value->i;
  if (fit->col->class == FED_CLASS_BOOL && (i < 0 || i > 1))
    return fit_fail(fit, &given, "is no boolean: write 1 or 0", err);
  if (i < fit->min || i > fit->max ||
      (fit->is_year && i != 0 && (i < 1901 || i > 2155)))
    return fit_fail(fit, &given, "is out of range", err);
  return SQLITE_OK;
}

/* ---- blobs ------------------------------------------------------------- */

static int fit_blob(const struct fit *fit, const struct fed_value *value,
                    struct fed_err *err)
{
  if (value->type != FED_BLOB)
    return fit_fail(fit, value, "is no blob: write CAST(... AS BLOB) or x'...'",
                    err);
  if (fit->unit != FIT_NO_LIMIT && value->size > fit->limit)
    return fit_fail(fit, value, "is too long", err);
  if (fit->unit == FIT_EXACT && value->size < fit->limit)
    return fit_fail(fit, value,
                    "is too short: the server would add zeros behind it", err);
  return SQLITE_OK;
}

/* ---- all --------------------------------------------------------------- */

static int fit_one(const struct fit *fit, struct fit_room *room,
                   struct fed_value *out, struct fed_err *err)
{
  switch (fit->col->class) {
  case FED_CLASS_ANY:
    return SQLITE_OK;
  case FED_CLASS_INT:
  case FED_CLASS_UINT:
  case FED_CLASS_BOOL:
    return fit_int(fit, room, out, err);
  case FED_CLASS_REAL:
  case FED_CLASS_FLOAT4:
    return fit_real(fit, out, err);
  case FED_CLASS_DECINT:
  case FED_CLASS_DECREAL:
  case FED_CLASS_DECIMAL:
    return fit_decimal(fit, room, out, err);
  case FED_CLASS_BLOB:
    return fit_blob(fit, out, err);
  case FED_CLASS_DATE:
  case FED_CLASS_TIME:
  case FED_CLASS_TIMESTAMP:
  case FED_CLASS_TIMESTAMPTZ:
    return fit_date(fit, out, err);
  case FED_CLASS_TEXT:
  case FED_CLASS_CHAR:
  case FED_CLASS_UUID:
  case FED_CLASS_OTHER:
    return fit_text(fit, room, out, err);
  case FED_CLASS_COUNT:
    break;
  }
  return fit_fail(fit, out, "cannot be written", err);
}

int fit_from(const struct fit *fit, const struct fed_value *value,
             struct fit_room *room, struct fed_value *out, struct fed_err *err)
{
  *out = *value;
  if (out->type == FED_NULL) return SQLITE_OK;
  return fit_one(fit, room, out, err);
}

int fit_value(const struct fit *fit, sqlite3_value *value,
              struct fit_room *room, struct fed_value *out, struct fed_err *err)
{
  *out = fed_value_from(value);
  if (out->type == FED_NULL) return SQLITE_OK;
  if (out->type == FED_TEXT && !out->p) return fed_err_nomem(err);
  return fit_one(fit, room, out, err);
}
