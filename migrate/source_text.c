/*
 * Texts: lines, and the parts between marker lines. A marker is a comment to
 * SQL, so it may stay in a part; what lies between two parts is left out.
 */
#include <strings.h>

#include "base/mem.h"
#include "migrate/source_reader.h"

int source_text_fail(struct text_reader *r, const char *fmt, ...)
{
  char message[512];
  va_list ap;

  va_start(ap, fmt);
  sqlite3_vsnprintf((int)sizeof message, message, fmt, ap);
  va_end(ap);
  return fed_err_set(r->err, SQLITE_ERROR, "%s:%d: %s",
                     SOURCE_SHOW(r->in->path), r->number, message);
}

size_t source_text_blanks(const char *s, size_t n)
{
  size_t i = 0;

  while (i < n && (s[i] == '\n' || source_text_blank(s[i])))
    i++;
  return i;
}

bool source_text_is(const char *s, size_t n, const char *word)
{
  return strlen(word) == n && memcmp(s, word, n) == 0;
}

/* ---- parts ------------------------------------------------------------- */

struct source_part *source_text_add(struct source_script *script,
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
    size_t n = strcspn(r->part, "\n"), i = source_text_blanks(r->part, n);

    if (i < n && strncmp(r->part + i, "--", 2) != 0) return;
    r->part = r->part + n < end ? r->part + n + 1 : r->part + n;
    r->part_line++;
  }
}

int source_text_close(struct text_reader *r, bool whole)
{
  char *begin, *end = r->line;
  struct source_part *part;

  if (r->part && whole) text_skip_comments(r, end);
  begin = r->part;
  r->part = NULL;
  if (!begin || !r->into) return SQLITE_OK;
  if (source_text_blanks(begin, (size_t)(end - begin)) == (size_t)(end - begin))
    return SQLITE_OK;
  if (!(part = source_text_add(r->into, r->err))) return r->err->rc;
  part->text = begin;
  part->size = (size_t)(end - begin);
  part->line = r->part_line;
  part->whole = whole;
  part->variables = r->variables[r->into == r->script[1]];
  part->shell = r->in->grammar == GRAMMAR_GOOSE;
  return SQLITE_OK;
}

void source_text_open(struct text_reader *r)
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

bool source_text_idle(const struct text_reader *r)
{
  size_t i = source_text_blanks(r->line, r->len);

  return i == r->len || (r->len - i >= 2 && memcmp(r->line + i, "--", 2) == 0);
}

int source_text_run(struct text_reader *r, int (*line)(struct text_reader *))
{
  while (text_line(r))
    if (line(r) != SQLITE_OK) return r->err->rc;
  return source_text_close(r, false);
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
  source_text_open(r);
  return source_text_run(r, text_plain_line);
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
    return source_text_ours(&r);
  case GRAMMAR_GOOSE:
    return source_text_goose(&r);
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
    blanks = source_text_blanks(s + 2, len - 2);
    if (strncmp(s + 2 + blanks, "migrate:up", 10) == 0)
      marks |= MARK_OURS;
    else if (source_text_annotation(s, len, &word, &n) && n == 2 &&
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
    while (source_text_blank(*s))
      s++;
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
  while (n > 0 && source_text_blank(s[n - 1]))
    n--;
  sqlite3_snprintf((int)sizeof setting->key, setting->key, "%.*s", (int)n, s);
  equals++;
  equals += source_text_blanks(equals, (size_t)(end - equals));
  n = strcspn(equals, "#\r\n");
  while (n > 0 && source_text_blank(equals[n - 1]))
    n--;
  sqlite3_snprintf((int)sizeof setting->value, setting->value, "%.*s", (int)n,
                   equals);
  return true;
}
