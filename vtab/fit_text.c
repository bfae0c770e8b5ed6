/*
 * fit_text: texts, and what is written as a text that the server reads.
 */
#include <ctype.h>
#include <stdio.h>

#include "vtab/fit.h"

/* Characters of well-formed UTF-8, or -1. */
static int64_t fit_chars(const struct fed_value *value)
{
  const unsigned char *p = (const unsigned char *)value->p;
  const unsigned char *end = p + value->size;
  int64_t n = 0;

  for (; p < end; n++) {
    int more = *p < 0x80   ? 0
               : *p < 0xC2 ? -1
               : *p < 0xE0 ? 1
               : *p < 0xF0 ? 2
               : *p < 0xF5 ? 3
                           : -1;

    if (more == 0) {
      p++;
      continue;
    }
    if (more < 0 || end - p <= more) return -1;
    if ((*p == 0xE0 && p[1] < 0xA0) || (*p == 0xED && p[1] > 0x9F) ||
        (*p == 0xF0 && p[1] < 0x90) || (*p == 0xF4 && p[1] > 0x8F))
      return -1;
    for (p++; more > 0; more--, p++)
      if ((*p & 0xC0) != 0x80) return -1;
  }
  return n;
}

/* ---- enum and set ------------------------------------------------------ */

/* The next character of a label of a type's text; -1 at its end. */
static int fit_label_char(const char **p)
{
  const char *s = *p;
  int c = (unsigned char)*s;

  if (!c || (c == '\'' && s[1] != '\'')) return -1;
  *p = s + 1;
  if (c == '\'') *p = s + 2;
  if (c != '\\' || !s[1]) return c;
  *p = s + 2;
  return s[1] == 'n' ? '\n' : s[1] == 'r' ? '\r' : s[1] == '0' ? 0 : s[1];
}

/* The place of a text among the labels, from `*p` on, or -1. */
static int fit_label(const char *p, const char *text, int64_t size)
{
  for (int at = 0; *p == '\''; at++) {
    int64_t n = 0;
    bool same = true;
    int c;

    p++;
    while ((c = fit_label_char(&p)) >= 0) {
      same = same && n < size && (unsigned char)text[n] == c;
      n++;
    }
    if (same && n == size) return at;
    if (*p) p++;
    if (*p == ',') p++;
  }
  return -1;
}

/*
 * To MySQL, a text that is no label may be a label's number, or one by its
 * collation; those of a set are put in order. Each would read back another.
 */
static const char *fit_labels(const struct fit *fit,
                              const struct fed_value *value)
{
  const char *type = fit->col->type, *list = strchr(type, '(');
  const char *p = value->p, *end = p + value->size;
  int last = -1;

  if (!list) {
    while (p < end && isdigit((unsigned char)*p))
      p++;
    return p == end && value->size ? "may be the number of a label" : NULL;
  }
  if (sqlite3_strnicmp(type, "enum", 4) == 0)
    return fit_label(list + 1, p, value->size) < 0 ? "is no label of it" : NULL;
  while (p < end) {
    const char *comma = memchr(p, ',', (size_t)(end - p));
    int at = fit_label(list + 1, p, (comma ? comma : end) - p);

    if (at <= last || (comma && comma + 1 == end))
      return "is no list of its labels, in their order";
    last = at;
    p = comma ? comma + 1 : end;
  }
  return NULL;
}

/* ---- all --------------------------------------------------------------- */

static bool fit_is_uuid(const struct fed_value *value)
{
  if (value->size != 36) return false;
  for (int i = 0; i < 36; i++) {
    bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    char c = value->p[i];

    if (dash ? c != '-' : !isdigit((unsigned char)c) && (c < 'a' || c > 'f'))
      return false;
  }
  return true;
}

static int fit_length(const struct fit *fit, const struct fed_value *value,
                      int64_t chars, struct fed_err *err)
{
  int64_t n = fit->unit == FIT_CHARS ? chars : value->size;

  if (fit->unit == FIT_NO_LIMIT || n <= fit->limit) return SQLITE_OK;
  return fed_err_set(err, SQLITE_TOOBIG,
                     "column '%.200s' (%.80s): a text of %lld %s is too long",
                     fit->col->name, fit->col->type, (long long)n,
                     fit->unit == FIT_CHARS ? "characters" : "bytes");
}

static const char *fit_own(const struct fit *fit, const struct fed_value *value)
{
  const char *type = fit->col->type;
  bool mysql = fit->dialect == &fed_dialect_mysql;

  if (fit->col->class == FED_CLASS_CHAR && value->size &&
      value->p[value->size - 1] == ' ')
    return "ends with a blank, which char(n) does not keep: write rtrim(...)";
  if (fit->col->class == FED_CLASS_UUID ||
      (fit->col->class == FED_CLASS_OTHER && strcmp(type, "uuid") == 0))
    return fit_is_uuid(value) ? NULL
                              : "is no uuid: write its 36 characters, "
                                "in lower case";
  if (fit->col->class == FED_CLASS_OTHER && mysql &&
      (sqlite3_strnicmp(type, "enum", 4) == 0 ||
       sqlite3_strnicmp(type, "set", 3) == 0))
    return fit_labels(fit, value);
  return NULL;
}

/* TEXT affinity: numbers become what SQLite prints. */
static void fit_to_text(struct fit_room *room, struct fed_value *value)
{
  if (value->type == FED_INT)
    snprintf(room->text, sizeof room->text, "%lld", (long long)value->i);
  else
    sqlite3_snprintf(sizeof room->text, room->text, "%!.15g", value->r);
  *value = fed_value_cstr(room->text);
}

int fit_text(const struct fit *fit, struct fit_room *room,
             struct fed_value *value, struct fed_err *err)
{
  struct fed_value given = *value;
  const char *why;
  int64_t chars;

  if (value->type == FED_BLOB)
    return fit_fail(fit, &given, "is no text: write CAST(... AS TEXT)", err);
  if (value->type != FED_TEXT) fit_to_text(room, value);
  if (fit->dialect != &fed_dialect_sqlite) {
    chars = fit_chars(value);
    if (chars < 0)
      return fit_fail(fit, &given, "is not well-formed UTF-8", err);
    if (fit->dialect == &fed_dialect_pg && value->size &&
        memchr(value->p, 0, (size_t)value->size))
      return fit_fail(fit, &given,
                      "is a text with a NUL inside, which PostgreSQL cannot "
                      "store",
                      err);
    if (fit_length(fit, value, chars, err) != SQLITE_OK) return SQLITE_TOOBIG;
  }
  why = fit_own(fit, value);
  return why ? fit_fail(fit, &given, why, err) : SQLITE_OK;
}
