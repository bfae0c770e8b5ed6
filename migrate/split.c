#include "migrate/body.h"

/* One statement being read. */
struct split_walk {
  struct split *s;
  struct token_reader r;
  struct body body;
  const char *first, *last; /* from its first token to behind its last */
  bool client;              /* ended by a client's command */
};

#define SPLIT_BOM "\xEF\xBB\xBF"

void split_init(struct split *s, enum split_dialect dialect, const char *text,
                size_t size, int line)
{
  memset(s, 0, sizeof *s);
  s->dialect = dialect;
  s->text = size ? text : "";
  s->end = s->text + size;
  if (token_prefix(s->text, s->end, SPLIT_BOM, 3)) s->text += 3;
  s->at = s->here = s->text;
  s->delimiter = ";";
  s->delimiter_size = 1;
  s->line = line;
  s->column = 1;
}

/* ---- places and errors ------------------------------------------------- */

/* Moves s->here forward to `to`; the bytes inside a character do not count. */
static void split_place(struct split *s, const char *to, struct split_stmt *out)
{
  for (; s->here < to; s->here++) {
    if (*s->here == '\n') {
      s->line++;
      s->column = 1;
    } else if ((*s->here & 0xC0) != 0x80) {
      s->column++;
    }
  }
  out->line = s->line;
  out->column = s->column;
}

/* An error about what begins at `where`; a message that ends with its place. */
static int split_error(struct split *s, const char *where,
                       struct split_stmt *out, struct fed_err *err,
                       const char *fmt, ...) FED_PRINTF(5, 6);
static int split_error(struct split *s, const char *where,
                       struct split_stmt *out, struct fed_err *err,
                       const char *fmt, ...)
{
  char what[200];
  va_list ap;

  va_start(ap, fmt);
  sqlite3_vsnprintf(sizeof what, what, fmt, ap);
  va_end(ap);
  split_place(s, where, out);
  s->at = s->end;
  fed_err_set(err, SQLITE_ERROR, "%d:%d: %s", out->line, out->column, what);
  return SQLITE_ERROR;
}

/* Bytes of the UTF-8 character at `s`, or 0 if there is none, or a NUL. */
static size_t split_char(const unsigned char *s, size_t left)
{
  size_t n = *s < 0xC2 ? 0 : *s < 0xE0 ? 2 : *s < 0xF0 ? 3 : *s < 0xF5 ? 4 : 0;

  if (*s < 0x80) return *s != 0;
  if (n == 0 || n > left) return 0;
  for (size_t i = 1; i < n; i++)
    if ((s[i] & 0xC0) != 0x80) return 0;
  /* Overlong forms, surrogates, and what is above U+10FFFF. */
  if ((*s == 0xE0 && s[1] < 0xA0) || (*s == 0xED && s[1] > 0x9F) ||
      (*s == 0xF0 && s[1] < 0x90) || (*s == 0xF4 && s[1] > 0x8F))
    return 0;
  return n;
}

static int split_check(struct split *s, struct split_stmt *out,
                       struct fed_err *err)
{
  const char *at = s->text;

  s->checked = true;
  while (at < s->end) {
    size_t n = split_char((const unsigned char *)at, (size_t)(s->end - at));

    if (n == 0)
      return split_error(s, at, out, err,
                         *at ? "byte 0x%02X is not UTF-8: save the file as "
                               "UTF-8"
                             : "a NUL byte (is the file UTF-16? save it as "
                               "UTF-8)",
                         (unsigned)(unsigned char)*at);
    at += n;
  }
  return SQLITE_OK;
}

/* ---- lines ------------------------------------------------------------- */

static const char *split_line_end(const struct split_walk *w, const char *at)
{
  const char *newline = memchr(at, '\n', (size_t)(w->r.end - at));

  return newline ? newline : w->r.end;
}

static bool split_blank(char c)
{
  return c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\v';
}

/* The statement goes to the end of the line and ends there. */
static int split_line(struct split_walk *w, const char *from)
{
  if (!w->first) w->first = from;
  w->r.at = w->last = split_line_end(w, from);
  while (w->last > from && split_blank(w->last[-1]))
    w->last--;
  return SQLITE_ROW;
}

static int split_command(struct split_walk *w, const char *from)
{
  w->client = true;
  return split_line(w, from);
}

/* mysql's `USE db` needs no delimiter if there is none on its line. */
static bool split_is_use(const struct split_walk *w, const struct token *t)
{
  const struct split *s = w->s;

  if (!token_is(t, "use", 3)) return false;
  for (const char *p = w->r.at; p < w->r.end && *p != '\n'; p++)
    if (token_prefix(p, w->r.end, s->delimiter, s->delimiter_size))
      return false;
  return true;
}

/* `DELIMITER x`: may be quoted, ends at a blank. */
static int split_delimiter(struct split_walk *w, const struct token *t,
                           struct split_stmt *out, struct fed_err *err)
{
  const char *end = split_line_end(w, w->r.at), *from = w->r.at, *to;
  char quote = 0;

  while (from < end && split_blank(*from))
    from++;
  if (from < end && strchr("'\"`", *from)) quote = *from++;
  for (to = from; to < end && (quote ? *to != quote : !split_blank(*to)); to++)
    if (*to == '\\')
      return split_error(w->s, t->s, out, err,
                         "DELIMITER cannot hold a backslash");
  if (from == to || to - from > SPLIT_DELIMITER_MAX || (quote && to == end))
    return split_error(w->s, t->s, out, err,
                       "DELIMITER needs 1 to %d bytes behind it",
                       SPLIT_DELIMITER_MAX);
  w->s->delimiter = from;
  w->s->delimiter_size = (size_t)(to - from);
  w->r.at = end;
  return SQLITE_OK;
}

/* ---- statements -------------------------------------------------------- */

static bool split_semicolon(const struct split *s)
{
  return s->delimiter_size == 1 && *s->delimiter == ';';
}

/* The size of a delimiter at r.at that ends the statement, or 0. */
static size_t split_ends(const struct split_walk *w)
{
  const struct split *s = w->s;

  if (s->dialect == SPLIT_MYSQL && (token_prefix(w->r.at, w->r.end, "\\g", 2) ||
                                    token_prefix(w->r.at, w->r.end, "\\G", 2)))
    return 2;
  if (body_open(&w->body)) return 0;
  return token_prefix(w->r.at, w->r.end, s->delimiter, s->delimiter_size)
           ? s->delimiter_size
           : 0;
}

/* A backslash outside of quotes begins a command of psql or mysql (whose \N is
 * NULL); the shell's begin with a dot at the start of a line. */
static bool split_is_command(const struct split_walk *w)
{
  const char *at = w->r.at;

  if (at == w->r.end) return false;
  if (w->s->dialect == SPLIT_SQLITE)
    return *at == '.' && !w->first && (at == w->s->text || at[-1] == '\n');
  return *at == '\\' && !(w->s->dialect == SPLIT_MYSQL &&
                          token_prefix(at, w->r.end, "\\N", 2));
}

/* The end of the text. */
static int split_last(struct split_walk *w, struct split_stmt *out,
                      struct fed_err *err)
{
  const struct body *b = &w->body;
  const char *lacks = body_lacks(b);

  if (lacks)
    return split_error(w->s, b->opened, out, err, "'%.*s' has no '%s'%s",
                       (int)b->opened_size, b->opened, lacks,
                       w->s->dialect == SPLIT_MYSQL
                         ? " (a block ends only there unless DELIMITER is set)"
                         : "");
  return w->first ? SQLITE_ROW : SQLITE_DONE;
}

static int split_token(struct split_walk *w, const struct token *t,
                       struct split_stmt *out, struct fed_err *err)
{
  if (!w->first && w->s->dialect == SPLIT_MYSQL) {
    if (token_is(t, "delimiter", 9)) return split_delimiter(w, t, out, err);
    if (split_like(SPLIT_MYSQL, t->s, t->n, token_mysql_commands))
      return split_command(w, t->s);
    if (split_is_use(w, t)) return split_line(w, t->s);
  }
  if (!w->first) w->first = t->s;
  w->last = t->s + t->n;
  /* With another delimiter nothing is left to guess. */
  if (split_semicolon(w->s)) body_feed(&w->body, t);
  if (w->body.too_deep)
    return split_error(w->s, t->s, out, err, "blocks deeper than %d levels",
                       BODY_DEPTH_MAX);
  return SQLITE_OK;
}

/* Reads on by one token: SQLITE_OK, SQLITE_ROW at the end of a statement,
 * SQLITE_DONE, SQLITE_ERROR. */
static int split_step(struct split_walk *w, struct split_stmt *out,
                      struct fed_err *err)
{
  size_t n = split_ends(w);
  struct token t;

  if (n) {
    w->r.at += n;
    return w->first ? SQLITE_ROW : SQLITE_OK;
  }
  if (split_is_command(w)) return split_command(w, w->r.at);
  w->r.fresh = !w->first;
  token_read(&w->r, &t);
  if (t.kind == TOKEN_END) return split_last(w, out, err);
  if (t.kind == TOKEN_BLANK) return SQLITE_OK;
  if (t.kind == TOKEN_OPEN)
    return split_error(w->s, t.s, out, err, "%s without its end", t.what);
  return split_token(w, &t, out, err);
}

/* ---- COPY ... FROM STDIN ----------------------------------------------- */

/* The data begin on the line behind the statement's, where only a comment may
 * still stand, and end at a line "\.". */
static int split_data(struct split *s, struct split_stmt *out,
                      struct fed_err *err)
{
  struct split_walk w = {.s = s, .r = {.end = s->end}};
  const char *at = s->at, *end = split_line_end(&w, at);

  while (at < end && split_blank(*at))
    at++;
  if (at < end && !token_prefix(at, end, "--", 2))
    return split_error(s, at, out, err,
                       "the data of COPY must begin on the next line");
  out->data = at = end < s->end ? end + 1 : end;
  for (; at < s->end; at = end + (end < s->end)) {
    end = split_line_end(&w, at);
    if (!token_prefix(at, end, "\\.", 2) || end - at > 3 ||
        (end - at == 3 && at[2] != '\r'))
      continue;
    out->data_size = (size_t)(at - out->data);
    s->at = end;
    return SQLITE_OK;
  }
  return split_error(s, out->sql, out, err,
                     "the data of COPY have no end: a line with only '\\.'");
}

/* ---- all --------------------------------------------------------------- */

static int split_found(struct split_walk *w, struct split_stmt *out,
                       struct fed_err *err)
{
  struct split *s = w->s;

  split_place(s, w->first, out);
  s->at = w->r.at;
  out->sql = w->first;
  out->size = (size_t)(w->last - w->first);
  out->traits = split_traits(s->dialect, out);
  if (w->client) out->traits |= SPLIT_CLIENT;
  if (s->dialect == SPLIT_PG && !w->client &&
      split_like(SPLIT_PG, out->sql, out->size, "copy * from stdin") &&
      split_data(s, out, err) != SQLITE_OK)
    return SQLITE_ERROR;
  return SQLITE_ROW;
}

int split_next(struct split *s, struct split_stmt *out, struct fed_err *err)
{
  struct split_walk w = {.s = s};
  int rc = SQLITE_OK;

  memset(out, 0, sizeof *out);
  if (!s->checked) rc = split_check(s, out, err);
  if (rc != SQLITE_OK) return rc;
  token_init(&w.r, s->dialect, s->at, (size_t)(s->end - s->at));
  body_init(&w.body, s->dialect);
  do {
    if (!split_semicolon(s)) {
      w.r.stop = s->delimiter;
      w.r.stop_size = s->delimiter_size;
    }
    rc = split_step(&w, out, err);
  } while (rc == SQLITE_OK);
  if (rc == SQLITE_DONE) s->at = s->end;
  return rc == SQLITE_ROW ? split_found(&w, out, err) : rc;
}
