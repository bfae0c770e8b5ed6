/*
 * Our own markers, and those of dbmate and sqlx. What is for another dialect
 * is blanked in place.
 */
#include <ctype.h>
#include <strings.h>

#include "base/mem.h"
#include "base/opt.h"
#include "migrate/source_reader.h"

/* The words behind a marker, one after the other. */
struct text_words {
  const char *s;
  size_t n;
};

static bool text_between(char c)
{
  return c == ',' || source_text_blank(c);
}

static bool text_word(struct text_words *words, const char **word, size_t *n)
{
  size_t i = 0;

  while (i < words->n && text_between(words->s[i]))
    i++;
  words->s += i;
  words->n -= i;
  for (i = 0; i < words->n && !text_between(words->s[i]);)
    i++;
  *word = words->s;
  *n = i;
  words->s += i;
  words->n -= i;
  return i > 0;
}

/* 'transaction:false'. Other words are prose, but not 'key:value'. */
static int text_section_option(struct text_reader *r, const char *word,
                               size_t n)
{
  const char *colon = memchr(word, ':', n);

  if (!colon) return SQLITE_OK;
  if (source_text_is(word, n, "transaction:false")) {
    r->into->no_transaction = true;
    return SQLITE_OK;
  }
  if (source_text_is(word, n, "transaction:true")) return SQLITE_OK;
  return source_text_fail(r,
                          "unknown option '%s': it is 'transaction:false' or "
                          "'transaction:true'",
                          SOURCE_SHOWN(word, n));
}

static int text_section(struct text_reader *r, struct text_words rest, int down)
{
  const char *word;
  size_t n;

  if (r->in->holds != HOLDS_BOTH && down != (r->in->holds == HOLDS_DOWN))
    return source_text_fail(
      r,
      "'-- migrate:%s' in a file that is the %s migration: "
      "move what follows to the other file, or both into one "
      "VERSION_name.sql",
      down ? "down" : "up", down ? "up" : "down");
  if (source_text_close(r, false) != SQLITE_OK) return r->err->rc;
  if (down && r->in->holds == HOLDS_BOTH && !r->script[0]->present)
    return source_text_fail(r, "'-- migrate:down' comes after '-- migrate:up'");
  r->into = r->script[down];
  r->into->present = true;
  r->hidden = false;
  source_text_open(r);
  while (text_word(&rest, &word, &n))
    if (text_section_option(r, word, n) != SQLITE_OK) return r->err->rc;
  return SQLITE_OK;
}

static int text_up(struct text_reader *r, struct text_words rest)
{
  return text_section(r, rest, 0);
}

static int text_down(struct text_reader *r, struct text_words rest)
{
  return text_section(r, rest, 1);
}

static int text_no_transaction(struct text_reader *r, struct text_words rest)
{
  (void)rest;
  for (int i = 0; i < 2; i++)
    if (!r->into || r->into == r->script[i])
      r->script[i]->no_transaction = true;
  return SQLITE_OK;
}

static int text_variables(struct text_reader *r, struct text_words rest)
{
  (void)rest;
  for (int i = 0; i < 2; i++)
    if (!r->into || r->into == r->script[i]) r->variables[i] = true;
  return SQLITE_OK;
}

static int text_early(struct text_reader *r, const char *marker)
{
  return source_text_fail(r, "'-- migrate:%s' comes after '-- migrate:up'",
                          marker);
}

static int text_dialect(struct text_reader *r, struct text_words rest)
{
  const char *word, *dialect;
  bool hidden = true, any = false;
  size_t n;

  if (!r->into) return text_early(r, "dialect");
  while (text_word(&rest, &word, &n)) {
    any = true;
    dialect = source_dialect(word, n);
    if (!dialect && !source_text_is(word, n, "all"))
      return source_text_fail(r,
                              "unknown dialect '%s': pg, mysql, sqlite or all",
                              SOURCE_SHOWN(word, n));
    if (!dialect || strcmp(dialect, r->in->dialect) == 0) hidden = false;
  }
  if (!any)
    return source_text_fail(
      r, "'-- migrate:dialect' needs pg, mysql, sqlite or all");
  r->hidden = hidden;
  return SQLITE_OK;
}

static int text_call(struct text_reader *r, struct text_words rest)
{
  struct source_part *part;
  const char *word, *more;
  size_t n, m;
  bool name;

  if (!r->into) return text_early(r, "call");
  name = text_word(&rest, &word, &n) && n < 128 && !isdigit((uint8_t)*word);
  for (size_t i = 0; name && i < n; i++)
    name = isalnum((uint8_t)word[i]) || word[i] == '_';
  if (!name || text_word(&rest, &more, &m))
    return source_text_fail(
      r, "'-- migrate:call' needs the name of one SQL function "
         "of the program, without brackets");
  if (r->hidden) return SQLITE_OK;
  if (source_text_close(r, false) != SQLITE_OK) return r->err->rc;
  if (!(part = source_text_add(r->into, r->err))) return r->err->rc;
  part->line = r->number;
  part->text = r->line;
  part->call = fed_strndup(word, n);
  source_text_open(r);
  return part->call ? SQLITE_OK : fed_err_nomem(r->err);
}

static const struct {
  const char *name;
  int (*run)(struct text_reader *r, struct text_words rest);
} text_markers[] = {
  {"up",             text_up            },
  {"down",           text_down          },
  {"no-transaction", text_no_transaction},
  {"variables",      text_variables     },
  {"dialect",        text_dialect       },
  {"call",           text_call          },
};

static int text_unknown(struct text_reader *r, const char *word, size_t n)
{
  const char *names[FED_LEN(text_markers) + 1] = {NULL}, *near;
  char copy[32];

  for (size_t i = 0; i < FED_LEN(text_markers); i++)
    names[i] = text_markers[i].name;
  sqlite3_snprintf((int)sizeof copy, copy, "%.*s", (int)(n < 31 ? n : 31),
                   word);
  near = fed_opt_nearest(copy, names);
  return source_text_fail(
    r,
    "unknown marker '-- migrate:%s'%s%s%s; there are: up, down, "
    "no-transaction, variables, dialect, call",
    SOURCE_SHOWN(word, n), near ? "; did you mean '-- migrate:" : "",
    near ? near : "", near ? "'?" : "");
}

/*
 * Does the line say `-- migrate:word`? Gives the word and the rest. What only
 * looks like it is told from prose: `-- migrate: users to accounts` has a
 * blank before a word that is no marker, or more words behind it.
 */
static int text_marker(struct text_reader *r, int *which,
                       struct text_words *rest)
{
  const char *s = r->line, *end = s + r->len, *word;
  size_t indent = source_text_blanks(s, r->len), n, blanks;

  *which = -1;
  s += indent;
  if (end - s < 2 || memcmp(s, "--", 2) != 0) return SQLITE_OK;
  s += 2;
  s += source_text_blanks(s, (size_t)(end - s));
  if (end - s < 9 || strncasecmp(s, "migrate:", 8) != 0) return SQLITE_OK;
  blanks = source_text_blanks(s + 8, (size_t)(end - s) - 8);
  word = s + 8 + blanks;
  for (n = 0; word + n < end && (isalnum((uint8_t)word[n]) || word[n] == '-');)
    n++;
  rest->s = word + n;
  rest->n = (size_t)(end - rest->s);
  for (size_t i = 0; i < FED_LEN(text_markers); i++)
    if (source_text_is(word, n, text_markers[i].name)) *which = (int)i;
  if (blanks > 0 &&
      (*which < 0 || source_text_blanks(rest->s, rest->n) < rest->n)) {
    *which = -1;
    return SQLITE_OK;
  }
  if (n == 0) return SQLITE_OK;
  if (*which < 0) return text_unknown(r, word, n);
  if (indent > 0 || blanks > 0 || memcmp(s, "migrate:", 8) != 0)
    return source_text_fail(
      r,
      "write '-- migrate:%s' in small letters, at the start of "
      "the line, without a blank behind the colon",
      text_markers[*which].name);
  return SQLITE_OK;
}

static int text_ours_line(struct text_reader *r)
{
  struct text_words rest;
  int which;

  if (text_marker(r, &which, &rest) != SQLITE_OK) return r->err->rc;
  if (which >= 0) return text_markers[which].run(r, rest);
  if (r->hidden) memset(r->line, ' ', r->len);
  if (!r->into && !source_text_idle(r))
    return source_text_fail(
      r, "SQL before the first '-- migrate:up': write that line "
         "above it, or name the file VERSION_name.up.sql");
  return SQLITE_OK;
}

int source_text_ours(struct text_reader *r)
{
  static const char sqlx[] = "-- no-transaction";

  if (strncmp(r->in->text, sqlx, sizeof sqlx - 1) == 0)
    r->script[0]->no_transaction = r->script[1]->no_transaction = true;
  if (r->in->holds != HOLDS_BOTH) {
    r->into = r->script[r->in->holds == HOLDS_DOWN];
    r->into->present = true;
    /* A down file is read by itself: its up is elsewhere. */
    source_text_open(r);
  }
  if (source_text_run(r, text_ours_line) != SQLITE_OK) return r->err->rc;
  for (int i = 0; i < 2; i++)
    for (int k = 0; k < r->script[i]->npart; k++)
      r->script[i]->part[k].variables = r->variables[i];
  if (r->into) return SQLITE_OK;
  return fed_err_set(r->err, SQLITE_ERROR,
                     "%s: no '-- migrate:up' line: write it above the SQL, or "
                     "name the file VERSION_name.up.sql; 'layout=sqlx' takes "
                     "the whole of it for the up, 'layout=golang-migrate' "
                     "leaves it out",
                     SOURCE_SHOW(r->in->path));
}
