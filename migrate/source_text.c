/*
 * Texts: marker lines, and the parts between them. A marker is a comment to
 * SQL, so it may stay in a part; only what is for another dialect is blanked,
 * in place, and what lies between two parts is left out.
 */
#include <ctype.h>
#include <strings.h>

#include "base/mem.h"
#include "base/opt.h"
#include "migrate/source_item.h"

#define TEXT_BLANKS " \t\r\v\f"

struct text_reader {
  const struct source_text *in;
  struct source_script *script[2]; /* up, down */
  struct source_script *into;      /* NULL before the first marker */
  char *line;                      /* the current one */
  size_t len;                      /* without its LF */
  char *next;
  int number;
  char *part; /* where the open part begins, or NULL */
  int part_line;
  bool hidden;       /* in a section of other dialects */
  bool block;        /* between StatementBegin and End */
  bool variables[2]; /* wanted, by script */
  struct fed_err *err;
};

static int text_fail(struct text_reader *r, const char *fmt, ...)
  FED_PRINTF(2, 3);
static int text_fail(struct text_reader *r, const char *fmt, ...)
{
  char message[512];
  va_list ap;

  va_start(ap, fmt);
  sqlite3_vsnprintf((int)sizeof message, message, fmt, ap);
  va_end(ap);
  return fed_err_set(r->err, SQLITE_ERROR, "%s:%d: %s",
                     SOURCE_SHOW(r->in->path), r->number, message);
}

static size_t text_blanks(const char *s, size_t n)
{
  size_t i = 0;

  while (i < n && (s[i] == '\n' || memchr(TEXT_BLANKS, s[i], 5)))
    i++;
  return i;
}

static bool text_is(const char *s, size_t n, const char *word)
{
  return strlen(word) == n && memcmp(s, word, n) == 0;
}

/* ---- parts ------------------------------------------------------------- */

/* The new last part of a script, or NULL. */
static struct source_part *text_add(struct source_script *script,
                                    struct fed_err *err)
{
  struct source_part *grown = script->part;
  int n = script->npart;

  if ((n & (n - 1)) == 0) /* room for 1, 2, 4, 8 ... */
    grown = fed_realloc(script->part, (size_t)(n ? n * 2 : 1) * sizeof *grown);
  if (!grown) {
    fed_err_oom(err);
    return NULL;
  }
  script->part = grown;
  memset(&grown[n], 0, sizeof *grown);
  script->npart++;
  return &grown[n];
}

/* Leave out what stands before the first statement of a block: goose does. */
static void text_skip_comments(struct text_reader *r, const char *end)
{
  while (r->part < end) {
    size_t n = strcspn(r->part, "\n"), i = text_blanks(r->part, n);

    if (i < n && strncmp(r->part + i, "--", 2) != 0) return;
    r->part = r->part + n < end ? r->part + n + 1 : r->part + n;
    r->part_line++;
  }
}

/* The open part ends before the current line; nothing is kept of blanks. */
static int text_close(struct text_reader *r, bool whole)
{
  char *begin, *end = r->line;
  struct source_part *part;

  if (r->part && whole) text_skip_comments(r, end);
  begin = r->part;
  r->part = NULL;
  if (!begin || !r->into) return SQLITE_OK;
  if (text_blanks(begin, (size_t)(end - begin)) == (size_t)(end - begin))
    return SQLITE_OK;
  if (!(part = text_add(r->into, r->err))) return r->err->rc;
  part->text = begin;
  part->size = (size_t)(end - begin);
  part->line = r->part_line;
  part->whole = whole;
  part->variables = r->variables[r->into == r->script[1]];
  return SQLITE_OK;
}

/* A part begins behind the current line. */
static void text_open(struct text_reader *r)
{
  r->part = r->next;
  r->part_line = r->number + 1;
}

/* ---- lines ------------------------------------------------------------- */

static bool text_line(struct text_reader *r)
{
  char *end = r->in->text + r->in->size;

  r->line = r->next;
  if (r->next >= end) return false;
  r->len = strcspn(r->line, "\n");
  r->next = r->line + r->len + (r->line + r->len < end);
  r->number++;
  return true;
}

/* Blank or a comment: what may stand before the first marker. */
static bool text_idle(const struct text_reader *r)
{
  size_t i = text_blanks(r->line, r->len);

  return i == r->len || (r->len - i >= 2 && memcmp(r->line + i, "--", 2) == 0);
}

static int text_run(struct text_reader *r, int (*line)(struct text_reader *))
{
  while (text_line(r))
    if (line(r) != SQLITE_OK) return r->err->rc;
  return text_close(r, false);
}

/* ---- our markers ------------------------------------------------------- */

/* The words behind a marker, one after the other. */
struct text_words {
  const char *s;
  size_t n;
};

static bool text_word(struct text_words *words, const char **word, size_t *n)
{
  size_t i = 0;

  while (i < words->n && memchr(TEXT_BLANKS ",", words->s[i], 6))
    i++;
  words->s += i;
  words->n -= i;
  for (i = 0; i < words->n && !memchr(TEXT_BLANKS ",", words->s[i], 6);)
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
  if (text_is(word, n, "transaction:false")) {
    r->into->no_transaction = true;
    return SQLITE_OK;
  }
  if (text_is(word, n, "transaction:true")) return SQLITE_OK;
  return text_fail(r,
                   "unknown option '%s': it is 'transaction:false' or "
                   "'transaction:true'",
                   SOURCE_SHOWN(word, n));
}

static int text_section(struct text_reader *r, struct text_words rest, int down)
{
  const char *word;
  size_t n;

  if (r->in->holds != HOLDS_BOTH && down != (r->in->holds == HOLDS_DOWN))
    return text_fail(r,
                     "'-- migrate:%s' in a file that is the %s migration: "
                     "move what follows to the other file, or both into one "
                     "VERSION_name.sql",
                     down ? "down" : "up", down ? "up" : "down");
  if (text_close(r, false) != SQLITE_OK) return r->err->rc;
  if (down && r->in->holds == HOLDS_BOTH && !r->script[0]->present)
    return text_fail(r, "'-- migrate:down' comes after '-- migrate:up'");
  r->into = r->script[down];
  r->into->present = true;
  r->hidden = false;
  text_open(r);
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
  return text_fail(r, "'-- migrate:%s' comes after '-- migrate:up'", marker);
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
    if (!dialect && !text_is(word, n, "all"))
      return text_fail(r, "unknown dialect '%s': pg, mysql, sqlite or all",
                       SOURCE_SHOWN(word, n));
    if (!dialect || strcmp(dialect, r->in->dialect) == 0) hidden = false;
  }
  if (!any)
    return text_fail(r, "'-- migrate:dialect' needs pg, mysql, sqlite or all");
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
    return text_fail(r, "'-- migrate:call' needs the name of one SQL function "
                        "of the program, without brackets");
  if (r->hidden) return SQLITE_OK;
  if (text_close(r, false) != SQLITE_OK) return r->err->rc;
  if (!(part = text_add(r->into, r->err))) return r->err->rc;
  part->line = r->number;
  part->text = r->line;
  part->call = fed_strndup(word, n);
  text_open(r);
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
  return text_fail(r,
                   "unknown marker '-- migrate:%s'%s%s%s; there are: up, down, "
                   "no-transaction, variables, dialect, call",
                   SOURCE_SHOWN(word, n),
                   near ? "; did you mean '-- migrate:" : "", near ? near : "",
                   near ? "'?" : "");
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
  size_t indent = text_blanks(s, r->len), n, blanks;

  *which = -1;
  s += indent;
  if (end - s < 2 || memcmp(s, "--", 2) != 0) return SQLITE_OK;
  s += 2;
  s += text_blanks(s, (size_t)(end - s));
  if (end - s < 9 || strncasecmp(s, "migrate:", 8) != 0) return SQLITE_OK;
  blanks = text_blanks(s + 8, (size_t)(end - s) - 8);
  word = s + 8 + blanks;
  for (n = 0; word + n < end && (isalnum((uint8_t)word[n]) || word[n] == '-');)
    n++;
  rest->s = word + n;
  rest->n = (size_t)(end - rest->s);
  for (size_t i = 0; i < FED_LEN(text_markers); i++)
    if (text_is(word, n, text_markers[i].name)) *which = (int)i;
  if (blanks > 0 && (*which < 0 || text_blanks(rest->s, rest->n) < rest->n)) {
    *which = -1;
    return SQLITE_OK;
  }
  if (n == 0) return SQLITE_OK;
  if (*which < 0) return text_unknown(r, word, n);
  if (indent > 0 || blanks > 0 || memcmp(s, "migrate:", 8) != 0)
    return text_fail(r,
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
  if (!r->into && !text_idle(r))
    return text_fail(r, "SQL before the first '-- migrate:up': write that line "
                        "above it, or name the file VERSION_name.up.sql");
  return SQLITE_OK;
}

static int text_ours(struct text_reader *r)
{
  static const char sqlx[] = "-- no-transaction";

  if (strncmp(r->in->text, sqlx, sizeof sqlx - 1) == 0)
    r->script[0]->no_transaction = r->script[1]->no_transaction = true;
  if (r->in->holds != HOLDS_BOTH) {
    r->into = r->script[r->in->holds == HOLDS_DOWN];
    r->into->present = true;
    /* A down file is read by itself: its up is elsewhere. */
    text_open(r);
  }
  if (text_run(r, text_ours_line) != SQLITE_OK) return r->err->rc;
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

/* ---- goose's annotations ----------------------------------------------- */

static int text_goose_up(struct text_reader *r)
{
  if (r->into) return text_fail(r, "a second '-- +goose Up'");
  r->into = r->script[0];
  r->into->present = true;
  text_open(r);
  return SQLITE_OK;
}

static int text_goose_down(struct text_reader *r)
{
  if (r->into != r->script[0] || r->block)
    return text_fail(r, r->block ? "'-- +goose StatementEnd' is missing before "
                                   "'-- +goose Down'"
                        : r->into ? "a second '-- +goose Down'"
                                  : "'-- +goose Down' comes after "
                                    "'-- +goose Up'");
  if (text_close(r, false) != SQLITE_OK) return r->err->rc;
  r->into = r->script[1];
  r->into->present = true;
  text_open(r);
  return SQLITE_OK;
}

static int text_goose_begin(struct text_reader *r)
{
  if (!r->into || r->block)
    return text_fail(r, r->block ? "'-- +goose StatementEnd' is missing before "
                                   "another '-- +goose StatementBegin'"
                                 : "'-- +goose StatementBegin' comes after "
                                   "'-- +goose Up' or '-- +goose Down'");
  if (text_close(r, false) != SQLITE_OK) return r->err->rc;
  r->block = true;
  text_open(r);
  return SQLITE_OK;
}

static int text_goose_end(struct text_reader *r)
{
  if (!r->block)
    return text_fail(r, "'-- +goose StatementEnd' without a "
                        "'-- +goose StatementBegin' before it");
  if (text_close(r, true) != SQLITE_OK) return r->err->rc;
  r->block = false;
  text_open(r);
  return SQLITE_OK;
}

static int text_goose_no_transaction(struct text_reader *r)
{
  r->script[0]->no_transaction = r->script[1]->no_transaction = true;
  return SQLITE_OK;
}

/* From here on, not before: a new part. */
static int text_goose_variables(struct text_reader *r, bool on)
{
  bool block = r->block;
  int n = r->into ? r->into->npart : 0;

  if (text_close(r, block) != SQLITE_OK) return r->err->rc;
  if (block && n < r->into->npart)
    return text_fail(r, "'-- +goose ENVSUB' within a statement: write it above "
                        "'-- +goose StatementBegin'");
  if (r->into) text_open(r);
  r->variables[0] = r->variables[1] = on;
  return SQLITE_OK;
}

static int text_goose_envsub_on(struct text_reader *r)
{
  return text_goose_variables(r, true);
}

static int text_goose_envsub_off(struct text_reader *r)
{
  return text_goose_variables(r, false);
}

static const struct {
  const char *name;
  int (*run)(struct text_reader *r);
} text_annotations[] = {
  {"Up",             text_goose_up            },
  {"Down",           text_goose_down          },
  {"StatementBegin", text_goose_begin         },
  {"StatementEnd",   text_goose_end           },
  {"NO TRANSACTION", text_goose_no_transaction},
  {"ENVSUB ON",      text_goose_envsub_on     },
  {"ENVSUB OFF",     text_goose_envsub_off    },
};

/* Is the line a comment with +goose in it? Gives what follows, trimmed. */
static bool text_annotation(const char *line, size_t len, const char **word,
                            size_t *n)
{
  static const char tag[] = "+goose";
  size_t indent = text_blanks(line, len);
  const char *end = line + len, *s = line + indent;

  if (end - s < 2 || memcmp(s, "--", 2) != 0) return false;
  s = memmem(s, (size_t)(end - s), tag, sizeof tag - 1);
  if (!s) return false;
  s += sizeof tag - 1;
  s += text_blanks(s, (size_t)(end - s));
  while (end > s && memchr(TEXT_BLANKS "-", end[-1], 6))
    end--;
  *word = s;
  *n = (size_t)(end - s);
  return true;
}

static int text_goose_line(struct text_reader *r)
{
  const char *word;
  size_t n;

  if (text_annotation(r->line, r->len, &word, &n)) {
    if (text_blanks(r->line, r->len) > 0)
      return text_fail(r, "blanks before '-- +goose': the annotation begins at "
                          "the start of the line");
    for (size_t i = 0; i < FED_LEN(text_annotations); i++)
      if (strlen(text_annotations[i].name) == n &&
          strncasecmp(text_annotations[i].name, word, n) == 0)
        return text_annotations[i].run(r);
    return text_fail(r,
                     "unknown annotation '-- +goose %s'; there are: Up, "
                     "Down, StatementBegin, StatementEnd, NO TRANSACTION, "
                     "ENVSUB ON, ENVSUB OFF",
                     SOURCE_SHOWN(word, n));
  }
  if (!r->into && !text_idle(r))
    return text_fail(r, "SQL before '-- +goose Up': write that line above it");
  return SQLITE_OK;
}

static int text_goose(struct text_reader *r)
{
  if (text_run(r, text_goose_line) != SQLITE_OK) return r->err->rc;
  if (r->block)
    return text_fail(r, "the file ends before '-- +goose StatementEnd'");
  if (!r->into)
    return fed_err_set(r->err, SQLITE_ERROR,
                       "%s: no '-- +goose Up' line: write it above the SQL",
                       SOURCE_SHOW(r->in->path));
  return SQLITE_OK;
}

/* ---- a text ------------------------------------------------------------ */

static int text_plain_line(struct text_reader *r)
{
  (void)r;
  return SQLITE_OK;
}

static int text_plain(struct text_reader *r)
{
  r->into = r->script[r->in->holds == HOLDS_DOWN];
  r->into->present = true;
  text_open(r);
  return text_run(r, text_plain_line);
}

int source_text_parse(const struct source_text *in, struct source_script *up,
                      struct source_script *down, struct fed_err *err)
{
  struct text_reader r;

  memset(&r, 0, sizeof r);
  r.in = in;
  r.script[0] = up;
  r.script[1] = down;
  r.next = in->text;
  r.variables[0] = r.variables[1] = in->variables;
  r.err = err;
  switch (in->grammar) {
  case GRAMMAR_PLAIN:
    return text_plain(&r);
  case GRAMMAR_OURS:
    return text_ours(&r);
  case GRAMMAR_GOOSE:
    return text_goose(&r);
  }
  return SQLITE_MISUSE;
}

/* Enough to tell layouts apart: the markers that begin a section. */
enum source_mark source_text_marks(const char *text)
{
  const char *s = text, *word;
  unsigned marks = 0;
  size_t n;

  for (; (s = strstr(s, "--")) != NULL; s += 2) {
    size_t len = strcspn(s, "\n"), blanks;

    if (s != text && s[-1] != '\n') continue;
    blanks = text_blanks(s + 2, len - 2);
    if (strncmp(s + 2 + blanks, "migrate:up", 10) == 0)
      marks |= MARK_OURS;
    else if (text_annotation(s, len, &word, &n) && n == 2 &&
             strncasecmp(word, "Up", 2) == 0)
      marks |= MARK_GOOSE;
  }
  return marks ? (enum source_mark)marks : MARK_NONE;
}

bool source_setting_next(const char **text, struct source_setting *setting)
{
  const char *s = *text, *equals, *end;
  size_t n;

  for (;; s += n + (s[n] == '\n')) {
    s += text_blanks(s, strspn(s, TEXT_BLANKS));
    if (*s == 0) return false;
    n = strcspn(s, "\n");
    setting->line++;
    if (n > 0 && *s != '#' && *s != '[') break;
  }
  end = s + n;
  *text = end + (*end == '\n');
  equals = memchr(s, '=', n);
  setting->key[0] = setting->value[0] = 0;
  if (!equals) return true;
  n = (size_t)(equals - s);
  while (n > 0 && memchr(TEXT_BLANKS, s[n - 1], 5))
    n--;
  sqlite3_snprintf((int)sizeof setting->key, setting->key, "%.*s", (int)n, s);
  equals++;
  equals += text_blanks(equals, (size_t)(end - equals));
  n = strcspn(equals, "#\r\n");
  while (n > 0 && memchr(TEXT_BLANKS, equals[n - 1], 5))
    n--;
  sqlite3_snprintf((int)sizeof setting->value, setting->value, "%.*s", (int)n,
                   equals);
  return true;
}
