#include "vtab/given.h"

#include <ctype.h>
#include <string.h>

/* One token of SQL, by SQLite's rules: a word, a quoted name or text, or one
 * character. */
struct given_token {
  const char *at;
  size_t size; /* 0: the end */
  bool name;   /* a word or a quoted name */
};

/* Behind blanks and comments. */
static const char *given_skip(const char *z)
{
  for (;;) {
    while (isspace((unsigned char)*z))
      z++;
    if (z[0] == '-' && z[1] == '-') {
      while (*z && *z != '\n')
        z++;
    } else if (z[0] == '/' && z[1] == '*') {
      const char *end = strstr(z + 2, "*/");

      z = end ? end + 2 : z + strlen(z);
    } else {
      return z;
    }
  }
}

static bool given_is_letter(char c)
{
  return isalnum((unsigned char)c) || c == '_' || c == '$' ||
         (unsigned char)c >= 0x80;
}

/* The size of what stands in quotes, which are doubled inside. */
static size_t given_quoted(const char *z)
{
  char close = *z == '[' ? ']' : *z;
  size_t n = 1;

  while (z[n] && (z[n] != close || (close != ']' && z[n + 1] == close)))
    n += z[n] == close ? 2 : 1;
  return z[n] ? n + 1 : n;
}

static struct given_token given_next(const char **z)
{
  struct given_token t = {.at = given_skip(*z), .size = 1};

  if (*t.at == 0) {
    t.size = 0;
  } else if (strchr("\"`['", *t.at)) {
    t.size = given_quoted(t.at);
    t.name = true; /* SQLite takes 'name' where only a name can stand */
  } else if (given_is_letter(*t.at)) {
    while (given_is_letter(t.at[t.size]))
      t.size++;
    t.name = true;
  }
  *z = t.at + t.size;
  return t;
}

static bool given_is(const struct given_token *t, const char *word)
{
  return t->size == strlen(word) &&
         sqlite3_strnicmp(t->at, word, (int)t->size) == 0;
}

/* Is the token that name, quoted or not? */
static bool given_is_name(const struct given_token *t, const char *name)
{
  char quote = strchr("\"`['", *t->at) ? *t->at : 0;
  char close = quote == '[' ? ']' : quote;
  const char *p = t->at + (quote != 0), *end = t->at + t->size - (quote != 0);

  if (!t->name) return false;
  for (; p < end; p++, name++) {
    if (close && close != ']' && *p == close) p++;
    if (tolower((unsigned char)*p) != tolower((unsigned char)*name))
      return false;
  }
  return *name == 0;
}

/* Behind INSERT or REPLACE, which WITH and its queries may precede; NULL: it
 * is another statement. */
static const char *given_verb(const char *z)
{
  struct given_token t = given_next(&z);
  int depth = 0;

  if (given_is(&t, "EXPLAIN")) return NULL;
  if (given_is(&t, "INSERT") || given_is(&t, "REPLACE")) return z;
  if (!given_is(&t, "WITH")) return NULL;
  while ((t = given_next(&z)).size) {
    if (*t.at == '(') depth++;
    if (*t.at == ')') depth--;
    if (depth > 0) continue;
    if (given_is(&t, "INSERT")) return z;
    if (given_is(&t, "REPLACE")) return z;
  }
  return NULL;
}

/* Behind [OR word] INTO [schema.]table [AS alias]; NULL: of another table. */
static const char *given_target(const char *z, const char *schema,
                                const char *table)
{
  struct given_token t = given_next(&z), name;
  const char *at;

  if (given_is(&t, "OR")) {
    given_next(&z);
    t = given_next(&z);
  }
  if (!given_is(&t, "INTO")) return NULL;
  name = given_next(&z);
  at = z;
  t = given_next(&at);
  if (t.size == 1 && *t.at == '.') {
    if (!given_is_name(&name, schema)) return NULL;
    name = given_next(&at);
    z = at;
    t = given_next(&at);
  }
  if (!given_is_name(&name, table)) return NULL;
  if (!given_is(&t, "AS")) return z;
  given_next(&at);
  return at;
}

enum given given_by(const char *sql, const char *schema, const char *table,
                    const char **column)
{
  const char *z = sql ? given_verb(sql) : NULL;
  struct given_token t;

  if (z) z = given_target(z, schema, table);
  if (!z) return GIVEN_UNKNOWN;
  t = given_next(&z);
  *column = z;
  if (t.size == 1 && *t.at == '(') return GIVEN_LISTED;
  return given_is(&t, "DEFAULT") ? GIVEN_NONE : GIVEN_ALL;
}

bool given_names(const char *column, const char *name)
{
  struct given_token t;

  while ((t = given_next(&column)).size && *t.at != ')')
    if (given_is_name(&t, name)) return true;
  return false;
}
