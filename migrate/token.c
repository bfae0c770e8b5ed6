#include "migrate/token.h"

void token_init(struct token_reader *r, enum split_dialect dialect,
                const char *text, size_t size)
{
  memset(r, 0, sizeof *r);
  r->dialect = dialect;
  r->at = text;
  r->end = text + size;
}

bool token_prefix(const char *at, const char *end, const char *s, size_t n)
{
  return (size_t)(end - at) >= n && memcmp(at, s, n) == 0;
}

static int token_lower(char c)
{
  return c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c;
}

bool token_is(const struct token *t, const char *word, size_t n)
{
  if (t->kind != TOKEN_WORD && t->kind != TOKEN_MARK) return false;
  if (t->n != n) return false;
  for (size_t i = 0; i < n; i++)
    if (token_lower(t->s[i]) != token_lower(word[i])) return false;
  return true;
}

/* The character `i` places on, or 0 behind the end. */
static char token_peek(const struct token_reader *r, size_t i)
{
  return i < (size_t)(r->end - r->at) ? r->at[i] : 0;
}

/* ---- blanks and comments ----------------------------------------------- */

/* SQLite takes no vertical tab for a blank. */
static bool token_blank(const struct token_reader *r, char c)
{
  return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' ||
         (c == '\v' && r->dialect != SPLIT_SQLITE);
}

/* Only PostgreSQL ends a line at a lone CR. */
static bool token_newline(const struct token_reader *r, char c)
{
  return c == '\n' || (c == '\r' && r->dialect == SPLIT_PG);
}

/* MySQL wants a blank or control character behind "--": 5--1 is 6. Where a
 * statement may begin, its client does not. */
static bool token_dashes(const struct token_reader *r)
{
  if (token_peek(r, 0) != '-' || token_peek(r, 1) != '-') return false;
  return r->dialect != SPLIT_MYSQL || r->fresh ||
         (token_peek(r, 2) >= 0 && token_peek(r, 2) <= ' ') ||
         token_peek(r, 2) == 0x7F;
}

static bool token_line_comment(struct token_reader *r)
{
  if (!token_dashes(r) &&
      !(r->dialect == SPLIT_MYSQL && token_peek(r, 0) == '#'))
    return false;
  while (r->at < r->end && !token_newline(r, *r->at))
    r->at++;
  return true;
}

/* From behind the first two characters to behind the last; PostgreSQL's may
 * be nested. */
static enum token_kind token_block_comment(struct token_reader *r,
                                           struct token *out)
{
  int depth = 1;

  for (r->at += 2; r->at < r->end && depth; r->at++) {
    if (token_prefix(r->at, r->end, "*/", 2)) {
      depth--;
      r->at++;
    } else if (r->dialect == SPLIT_PG && token_prefix(r->at, r->end, "/*", 2)) {
      depth++;
      r->at++;
    }
  }
  if (depth == 0) return TOKEN_BLANK;
  out->what = "comment";
  return TOKEN_OPEN;
}

/* The version of MySQL, of five or six digits, in which this is code. */
static void token_version(struct token_reader *r)
{
  size_t n = 0;

  while (n < 6 && token_peek(r, n) >= '0' && token_peek(r, n) <= '9')
    n++;
  if (n >= 5) r->at += n;
}

/* "/" "*!50003" or "/" "*M!100100" begins code, the next "*" "/" ends it. */
static bool token_code(struct token_reader *r)
{
  if (r->dialect != SPLIT_MYSQL) return false;
  if (r->code && token_prefix(r->at, r->end, "*/", 2)) {
    r->code = false;
    r->at += 2;
    return true;
  }
  if (token_prefix(r->at, r->end, "/*!", 3))
    r->at += 3;
  else if (token_prefix(r->at, r->end, "/*M!", 4))
    r->at += 4;
  else
    return false;
  token_version(r);
  r->code = true;
  return true;
}

static bool token_blanks(struct token_reader *r)
{
  const char *from = r->at;

  while (r->at < r->end && token_blank(r, *r->at))
    r->at++;
  return r->at > from;
}

/* ---- quotes ------------------------------------------------------------ */

/* To behind the next `close` that is neither doubled nor escaped. */
static bool token_quoted(struct token_reader *r, char close, bool backslash)
{
  for (r->at++; r->at < r->end; r->at++) {
    if (*r->at == '\\' && backslash) {
      if (++r->at == r->end) return false;
    } else if (*r->at == close) {
      r->at++;
      if (close == ']' || token_peek(r, 0) != close) return true;
    }
  }
  return false;
}

/* A PostgreSQL string goes on behind blanks and comments that hold a line's
 * end, with the same meaning of backslashes. Moves there, or not at all. */
static bool token_continued(struct token_reader *r)
{
  const char *from = r->at;
  bool newline = false;

  for (;;) {
    if (r->at < r->end && token_newline(r, *r->at)) newline = true;
    if (r->at < r->end && token_blank(r, *r->at))
      r->at++;
    else if (!token_line_comment(r))
      break;
  }
  if (newline && token_peek(r, 0) == '\'') return true;
  r->at = from;
  return false;
}

/* E'...', from its first quote on. */
static bool token_escaped(struct token_reader *r)
{
  do {
    if (!token_quoted(r, '\'', true)) return false;
  } while (token_continued(r));
  return true;
}

static bool token_letter(char c)
{
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
         (c & 0x80);
}

static bool token_digit(char c)
{
  return c >= '0' && c <= '9';
}

/* The size of the "$tag$" here, or 0. */
static size_t token_dollar(const struct token_reader *r)
{
  size_t n = 1;

  if (token_peek(r, 0) != '$' || token_digit(token_peek(r, 1))) return 0;
  while (token_letter(token_peek(r, n)) || token_digit(token_peek(r, n)))
    n++;
  return token_peek(r, n) == '$' ? n + 1 : 0;
}

/* A string between two tags of `n` bytes. */
static bool token_dollared(struct token_reader *r, size_t n)
{
  const char *tag = r->at;
  const char *close = memmem(tag + n, (size_t)(r->end - tag) - n, tag, n);

  r->at = close ? close + n : r->end;
  return close != NULL;
}

static enum token_kind token_value(struct token_reader *r, bool closed,
                                   const char *what, struct token *out)
{
  if (closed) return TOKEN_VALUE;
  r->at = r->end;
  out->what = what;
  return TOKEN_OPEN;
}

/* A quote of any kind that begins here; else TOKEN_MARK, and nothing is read.
 */
static enum token_kind token_quote(struct token_reader *r, struct token *out)
{
  bool mysql = r->dialect == SPLIT_MYSQL;
  char c = token_peek(r, 0);
  size_t tag;

  if (c == '\'' || (c == '"' && mysql))
    return token_value(r, token_quoted(r, c, mysql), "string", out);
  if (c == '"' || (c == '`' && r->dialect != SPLIT_PG))
    return token_value(r, token_quoted(r, c, false), "quoted name", out);
  if (c == '[' && r->dialect == SPLIT_SQLITE)
    return token_value(r, token_quoted(r, ']', false), "quoted name", out);
  if (r->dialect == SPLIT_PG && (tag = token_dollar(r)) > 0)
    return token_value(r, token_dollared(r, tag), "dollar-quoted string", out);
  return TOKEN_MARK;
}

/* ---- words ------------------------------------------------------------- */

static bool token_stops(const struct token_reader *r)
{
  return r->stop && token_prefix(r->at, r->end, r->stop, r->stop_size);
}

/* Letters and digits; '$' too in words, but not in PostgreSQL's numbers. */
static void token_run(struct token_reader *r, bool dollar)
{
  do {
    r->at++;
  } while (
    r->at < r->end && !token_stops(r) &&
    (token_letter(*r->at) || token_digit(*r->at) || (*r->at == '$' && dollar)));
}

/* A word or number, or a mark. In PostgreSQL "$1" is a parameter and '$' never
 * begins a name; SQLite and MySQL take '$' for a letter. */
static enum token_kind token_rest(struct token_reader *r, struct token *out)
{
  bool pg = r->dialect == SPLIT_PG;
  char c = token_peek(r, 0);

  if (pg && (c == 'e' || c == 'E') && token_peek(r, 1) == '\'') {
    r->at++;
    return token_value(r, token_escaped(r), "string", out);
  }
  if (token_letter(c) || (c == '$' && !pg)) {
    token_run(r, true);
    return TOKEN_WORD;
  }
  if (token_digit(c)) {
    token_run(r, !pg);
    return TOKEN_VALUE;
  }
  r->at += c == ':' && token_peek(r, 1) == '=' ? 2 : 1;
  return TOKEN_MARK;
}

static enum token_kind token_next(struct token_reader *r, struct token *out)
{
  enum token_kind kind;

  if (r->at == r->end) return TOKEN_END;
  if (token_blanks(r) || token_line_comment(r)) return TOKEN_BLANK;
  if (token_code(r)) return TOKEN_CODE;
  if (token_prefix(r->at, r->end, "/*", 2)) return token_block_comment(r, out);
  kind = token_quote(r, out);
  return kind == TOKEN_MARK ? token_rest(r, out) : kind;
}

void token_read(struct token_reader *r, struct token *out)
{
  out->s = r->at;
  out->what = NULL;
  out->kind = token_next(r, out);
  out->n = (size_t)(r->at - out->s);
}
