/* split: any bytes as a script of each dialect. What must hold: statements
 * stand in the text in order, begin and end with what is no blank, are never
 * empty, and say where they are; text with CRLF for LF gives the same ones;
 * SQLite's end where sqlite3_complete() says; it always comes to an end. */
#include <stdlib.h>

#include "base/mem.h"
#include "migrate/split.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAX 200 /* statements that are compared */

struct found {
  const char *text;
  size_t size;
  int n, rc;
  struct split_stmt stmt[MAX];
};

static void expect(bool ok)
{
  if (!ok) abort();
}

static bool blank(char c)
{
  return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f';
}

/* Line and column of `to`, counted from the start of the text. */
static void check_place(const char *text, const struct split_stmt *stmt)
{
  int line = 1, column = 1;

  for (const char *p = text; p < stmt->sql; p++) {
    column = *p == '\n' ? 1 : column + ((*p & 0xC0) != 0x80);
    line += *p == '\n';
  }
  expect(stmt->line == line && stmt->column == column);
}

/* Is the first ';' that completes the statement the one it ended at? */
static void check_complete(const struct split *s, const struct split_stmt *stmt)
{
  const char *p = stmt->sql;
  bool complete = false;

  for (; p < s->end && !complete; p++) {
    char *prefix;

    if (*p != ';') continue;
    prefix = fed_strndup(stmt->sql, (size_t)(p + 1 - stmt->sql));
    expect(prefix != NULL);
    complete = sqlite3_complete(prefix);
    fed_free(prefix);
  }
  expect(s->at == p);
}

static void check_stmt(const struct split *s, const struct split_stmt *stmt,
                       const char *after)
{
  const char *end = stmt->sql + stmt->size;

  expect(stmt->size > 0 && stmt->sql >= after && end <= s->at &&
         s->at <= s->end);
  expect(!blank(stmt->sql[0]) && !blank(end[-1]));
  expect(stmt->traits < 2 * SPLIT_REBUILDS);
  check_place(s->text, stmt);
  if (stmt->data) expect(stmt->data >= end && stmt->data < s->at);
  if (s->dialect == SPLIT_SQLITE && !(stmt->traits & SPLIT_CLIENT) &&
      s->end - stmt->sql < 2000)
    check_complete(s, stmt);
}

static void cut(struct found *f, enum split_dialect dialect)
{
  struct fed_err err = FED_ERR_INIT;
  struct split s;
  const char *after;

  f->n = 0;
  split_init(&s, dialect, f->text, f->size, 1);
  after = s.text;
  while (f->n < MAX) {
    struct split_stmt *stmt = &f->stmt[f->n];

    f->rc = split_next(&s, stmt, &err);
    if (f->rc != SQLITE_ROW) break;
    check_stmt(&s, stmt, after);
    after = s.at;
    f->n++;
  }
  expect((f->rc == SQLITE_ERROR) == (err.msg[0] != 0));
}

/* Are the texts equal but for the CRs of the second? */
static bool same(const char *a, size_t na, const char *b, size_t nb)
{
  size_t i = 0;

  for (size_t k = 0; k < nb; k++) {
    if (b[k] == '\r') continue;
    if (i >= na || a[i++] != b[k]) return false;
  }
  return i == na;
}

static void check_crlf(const struct found *f, enum split_dialect dialect)
{
  struct found *crlf = fed_alloc(sizeof *crlf);
  char *text = fed_alloc(2 * f->size + 1);

  expect(crlf && text);
  crlf->text = text;
  for (size_t i = 0; i < f->size; i++) {
    if (f->text[i] == '\n') text[crlf->size++] = '\r';
    text[crlf->size++] = f->text[i];
  }
  cut(crlf, dialect);
  expect(crlf->n == f->n && crlf->rc == f->rc);
  for (int i = 0; i < f->n; i++)
    expect(same(f->stmt[i].sql, f->stmt[i].size, crlf->stmt[i].sql,
                crlf->stmt[i].size) &&
           f->stmt[i].line == crlf->stmt[i].line &&
           f->stmt[i].traits == crlf->stmt[i].traits);
  fed_free(text);
  fed_free(crlf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  enum split_dialect dialect;
  struct found *f;

  if (size < 1) return 0;
  if (!(f = fed_alloc(sizeof *f))) return 0;
  dialect = (enum split_dialect)(data[0] % 3);
  f->text = (const char *)data + 1;
  f->size = size - 1;
  cut(f, dialect);
  if (!memchr(f->text, '\r', f->size)) check_crlf(f, dialect);
  fed_free(f);
  return 0;
}
