/*
 * split: scripts cut into statements, and what these are.
 *
 * The cases stand in test/split/: in {pg,mysql,sqlite}.cases one script a
 * line, with its statements between « and », the data of COPY between ⟦ and ⟧,
 * ⏎ for LF, ␍ for CR, ⇥ for TAB; behind ✗ stands what the error must say. In
 * traits.cases: dialects, traits, and behind | a statement. Lines that begin
 * with % are comments.
 *
 * Each script is also split with CRLF for LF, and SQLite's are compared with
 * sqlite3_complete(), as are random texts (FED_TEST_SEED repeats one run).
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/mem.h"
#include "migrate/split.h"

#define MAX 40 /* statements in a case */

static int passed, failed;

static bool check(bool ok, const char *fmt, ...) FED_PRINTF(2, 3);
static bool check(bool ok, const char *fmt, ...)
{
  va_list ap;

  if (ok) {
    passed++;
    return true;
  }
  failed++;
  printf("FAIL: ");
  va_start(ap, fmt);
  vprintf(fmt, ap);
  va_end(ap);
  printf("\n");
  return false;
}

/* ---- cases ------------------------------------------------------------- */

struct range {
  size_t from, to;
};

struct test_case {
  const char *name; /* the line as it is written */
  char text[4096];
  size_t size;
  struct range stmt[MAX], data[MAX];
  int nstmt, ndata;
  const char *error; /* in `name`, or NULL */
};

static const struct {
  const char *mark;
  char c; /* 0: no character of the script */
} marks[] = {
  {"«",  0   },
  {"»",  0   },
  {"⟦", 0   },
  {"⟧", 0   },
  {"⏎", '\n'},
  {"␍", '\r'},
  {"⇥", '\t'}
};

/* Take the mark that begins at `s`; its size, or 0 if there is none. */
static size_t take_mark(struct test_case *c, const char *s)
{
  for (size_t i = 0; i < FED_LEN(marks); i++) {
    size_t n = strlen(marks[i].mark);

    if (strncmp(s, marks[i].mark, n) != 0) continue;
    if (i == 0) c->stmt[c->nstmt].from = c->size;
    if (i == 1) c->stmt[c->nstmt++].to = c->size;
    if (i == 2) c->data[c->ndata].from = c->size;
    if (i == 3) c->data[c->ndata++].to = c->size;
    if (marks[i].c) c->text[c->size++] = marks[i].c;
    return n;
  }
  return 0;
}

static void parse_case(struct test_case *c, const char *line)
{
  memset(c, 0, sizeof *c);
  c->name = line;
  while (*line && c->size + 1 < sizeof c->text && c->nstmt < MAX) {
    size_t n = take_mark(c, line);

    if (n == 0 && strncmp(line, " ✗ ", 5) == 0) {
      c->error = line + 5;
      return;
    }
    if (n == 0) c->text[c->size++] = *line;
    line += n ? n : 1;
  }
}

/* Put CR in front of each LF; false if there are CRs already. */
static bool with_cr(const struct test_case *c, struct test_case *out)
{
  size_t moved[sizeof c->text + 1];

  *out = *c;
  out->size = 0;
  if (memchr(c->text, '\r', c->size)) return false;
  for (size_t i = 0; i <= c->size; i++) {
    moved[i] = out->size;
    if (i == c->size || out->size + 3 > sizeof out->text) break;
    if (c->text[i] == '\n') out->text[out->size++] = '\r';
    out->text[out->size++] = c->text[i];
  }
  for (int i = 0; i < c->nstmt; i++) {
    out->stmt[i].from = moved[c->stmt[i].from];
    out->stmt[i].to = moved[c->stmt[i].to];
  }
  for (int i = 0; i < c->ndata; i++) {
    out->data[i].from = moved[c->data[i].from];
    out->data[i].to = moved[c->data[i].to];
  }
  return true;
}

/* ---- splitting --------------------------------------------------------- */

/* Where sqlite3_complete() says that a statement from `sql` on ends: behind
 * its ';', or `end`. */
static const char *complete_end(const char *sql, const char *end)
{
  for (const char *p = sql; p < end; p++) {
    char *prefix;
    int complete;

    if (*p != ';') continue;
    prefix = fed_strndup(sql, (size_t)(p + 1 - sql));
    if (!prefix) abort();
    complete = sqlite3_complete(prefix);
    fed_free(prefix);
    if (complete) return p + 1;
  }
  return end;
}

static void check_complete(const char *name, const struct split *s,
                           const struct split_stmt *stmt)
{
  const char *end = complete_end(stmt->sql, s->end);

  if (stmt->traits & SPLIT_CLIENT) return;
  check(s->at == end, "%s: sqlite3_complete() ends at '%.*s', we at '%.*s'",
        name, (int)(end - stmt->sql), stmt->sql, (int)(s->at - stmt->sql),
        stmt->sql);
}

/* Line and column, counted anew. */
static void check_place(const struct test_case *c, const struct split_stmt *st)
{
  int line = 7, column = 1;

  for (const char *p = c->text; p < st->sql; p++) {
    if (strncmp(p, "\xEF\xBB\xBF", 3) == 0 && p == c->text) p += 3;
    if (p == st->sql) break;
    column = *p == '\n' ? 1 : column + ((*p & 0xC0) != 0x80);
    line += *p == '\n';
  }
  check(st->line == line && st->column == column,
        "%s: statement at %d:%d, said to be at %d:%d", c->name, line, column,
        st->line, st->column);
}

static void check_data(const struct test_case *c, const struct split_stmt *st,
                       int *n)
{
  const struct range *r = &c->data[*n];

  if (!st->data) return;
  if (!check(*n < c->ndata, "%s: data that are none", c->name)) return;
  (*n)++;
  check(st->data == c->text + r->from && st->data_size == r->to - r->from,
        "%s: the data are '%.*s'", c->name, (int)st->data_size, st->data);
}

static void check_end(const struct test_case *c, int rc, int n, int ndata,
                      const struct fed_err *err)
{
  check(n == c->nstmt && ndata == c->ndata, "%s: %d statements, not %d",
        c->name, n, c->nstmt);
  if (c->error)
    check(rc == SQLITE_ERROR && strstr(err->msg, c->error), "%s: %d %s",
          c->name, rc, err->msg);
  else
    check(rc == SQLITE_DONE, "%s: %s", c->name, err->msg);
}

static void test_case(const struct test_case *c, enum split_dialect dialect)
{
  struct fed_err err = FED_ERR_INIT;
  struct split_stmt stmt;
  struct split s;
  int rc, n = 0, ndata = 0;

  split_init(&s, dialect, c->text, c->size, 7);
  while ((rc = split_next(&s, &stmt, &err)) == SQLITE_ROW && n < c->nstmt) {
    const struct range *r = &c->stmt[n];

    check(stmt.sql == c->text + r->from && stmt.size == r->to - r->from,
          "%s: statement %d is '%.*s'", c->name, n + 1, (int)stmt.size,
          stmt.sql);
    check_place(c, &stmt);
    check_data(c, &stmt, &ndata);
    if (dialect == SPLIT_SQLITE) check_complete(c->name, &s, &stmt);
    n++;
  }
  check_end(c, rc, rc == SQLITE_ROW ? n + 1 : n, ndata, &err);
  if (!c->error)
    check(split_next(&s, &stmt, &err) == SQLITE_DONE, "%s: done stays done",
          c->name);
}

static void split_line(char *line, int dialect)
{
  struct test_case c, crlf;

  parse_case(&c, line);
  test_case(&c, (enum split_dialect)dialect);
  if (!c.error && with_cr(&c, &crlf))
    test_case(&crlf, (enum split_dialect)dialect);
}

/* Calls `each` for every line of test/split/NAME.cases. */
static void each_case(const char *name, void (*each)(char *, int), int arg)
{
  const char *root = getenv("FED_TEST_ROOT");
  char path[4096], line[8192];
  int n = 0;
  FILE *in;

  sqlite3_snprintf(sizeof path, path, "%s/test/split/%s.cases",
                   root ? root : ".", name);
  in = fopen(path, "r");
  if (!check(in != NULL, "cannot read %s", path)) return;
  while (fgets(line, sizeof line, in)) {
    line[strcspn(line, "\n")] = 0;
    if (!*line || *line == '%') continue;
    each(line, arg);
    n++;
  }
  fclose(in);
  check(n >= 150, "%s: only %d cases", name, n);
}

/* ---- traits ------------------------------------------------------------ */

static const struct {
  const char *name;
  unsigned trait;
} traits[] = {
  {"no_tx",       SPLIT_NO_TRANSACTION },
  {"commits",     SPLIT_IMPLICIT_COMMIT},
  {"tx",          SPLIT_TRANSACTION    },
  {"destructive", SPLIT_DESTRUCTIVE    },
  {"client",      SPLIT_CLIENT         },
  {"opens",       SPLIT_BEGIN          },
  {"ends",        SPLIT_COMMIT         },
  {"rebuilds",    SPLIT_REBUILDS       },
};

static unsigned find_traits(const char *words, size_t n)
{
  unsigned found = 0;

  for (size_t i = 0; i < FED_LEN(traits); i++)
    for (size_t at = 0, k = strlen(traits[i].name); at + k <= n; at++)
      if (strncmp(words + at, traits[i].name, k) == 0 && words[at - 1] == ' ' &&
          words[at + k] == ' ')
        found |= traits[i].trait;
  return found;
}

static void traits_line(char *line, int arg)
{
  static const char *const dialects[] = {"pg", "mysql", "sqlite"};
  char *bar = strstr(line, "| ");
  const char *end = strchr(line, ' ');
  unsigned want;

  (void)arg;
  if (!check(bar && end, "%s: no |", line)) return;
  want = find_traits(end, (size_t)(bar - end));
  for (int d = 0; d < 3; d++) {
    struct fed_err err = FED_ERR_INIT;
    const char *named = strstr(line, dialects[d]);
    struct split_stmt stmt;
    struct split s;

    if (!named || named > end) continue;
    split_init(&s, (enum split_dialect)d, bar + 2, strlen(bar + 2), 1);
    check(split_next(&s, &stmt, &err) == SQLITE_ROW, "%s: %s", line, err.msg);
    check(stmt.traits == want, "%s (%s): traits are %u, not %u", line,
          dialects[d], stmt.traits, want);
  }
}

/* ---- texts that no file can hold --------------------------------------- */

static void test_bytes(void)
{
  static const struct {
    const char *text;
    size_t size;
    const char *error; /* NULL: one statement */
  } cases[] = {
    {"SELECT '\0'",           10, "1:9: a NUL byte"       },
    {"a;\nä\xFF",            6,  "2:2: byte 0xFF is not" },
    {"\xC0\x80",              2,  "byte 0xC0 is not UTF-8"},
    {"\xE0\x9F\x80",          3,  "byte 0xE0"             },
    {"\xED\xA0\x80",          3,  "byte 0xED"             },
    {"\xF0\x8F\x80\x80",      4,  "byte 0xF0"             },
    {"\xF4\x90\x80\x80",      4,  "byte 0xF4"             },
    {"\xF5\x80\x80\x80",      4,  "byte 0xF5"             },
    {"x \xE2\x82",            4,  ":3: byte 0xE2"         },
    {"\x80",                  1,  "byte 0x80"             },
    {"\xF0\x9F\x98\x80",      4,  NULL                    },
    {"\xED\x9F\xBF",          3,  NULL                    },
    {"\xEF\xBB\xBFSELECT 1;", 12, NULL                    }
  };

  for (int d = 0; d < 3; d++)
    for (size_t i = 0; i < FED_LEN(cases); i++) {
      struct fed_err err = FED_ERR_INIT;
      struct split_stmt stmt;
      struct split s;
      int rc;

      split_init(&s, (enum split_dialect)d, cases[i].text, cases[i].size, 1);
      rc = split_next(&s, &stmt, &err);
      if (cases[i].error)
        check(rc == SQLITE_ERROR && strstr(err.msg, cases[i].error),
              "bytes %zu: %s", i, err.msg);
      else
        check(rc == SQLITE_ROW && stmt.line == 1 && stmt.column == 1,
              "bytes %zu: %s", i, err.msg);
    }
}

/* ---- long texts: each of these takes for ever if it takes n*n ---------- */

static void test_long(void)
{
  static const char *const pieces[] = {
    "$a$a",
    "/*",
    "/* */",
    "E'a' -- x\n",
    "E'a'\n'b'",
    "(",
    ");(",
    "a;",
    "use a;",
    "\\g",
    "ba",
    "$$",
    "'a''b",
    "delete a ",
    "with update set ",
    "alter table drop not ",
    "case ",
    "if(1) then ",
    "begin ",
    "/*!50000 a",
    "copy a from stdin;\n\\.\n",
    "`a[",
    "--",
    "create trigger a;end a;",
    "create procedure a() begin loop end loop;"};
  static const char *const heads[] = {"", "DELIMITER a\n", "with a ",
                                      "create function a() begin atomic "};
  size_t size = 60000;
  char *text = fed_alloc(size + 100);

  if (!text) abort();
  for (size_t i = 0; i < FED_LEN(pieces) * FED_LEN(heads) * 3; i++) {
    const char *piece = pieces[i / 3 / FED_LEN(heads)];
    struct fed_err err = FED_ERR_INIT;
    struct split_stmt stmt;
    struct split s;
    size_t n = 0;

    sqlite3_snprintf(100, text, "%s", heads[i / 3 % FED_LEN(heads)]);
    for (n = strlen(text); n + strlen(piece) < size; n += strlen(piece))
      memcpy(text + n, piece, strlen(piece));
    split_init(&s, (enum split_dialect)(i % 3), text, n, 1);
    while (split_next(&s, &stmt, &err) == SQLITE_ROW)
      continue;
    check(s.at == s.end, "%s is not read to its end", piece);
  }
  fed_free(text);
}

/* ---- random texts ------------------------------------------------------ */

static unsigned test_random(unsigned *seed)
{
  *seed ^= *seed << 13;
  *seed ^= *seed >> 17;
  return *seed ^= *seed << 5;
}

static void test_complete(unsigned seed)
{
  static const char *const tokens[] = {
    ";",          ";",         "END",
    "END",        "CREATE",    "TRIGGER",
    "TEMP",       "temporary", "EXPLAIN",
    "QUERY PLAN", "BEGIN",     "CASE",
    "a",          "'",         "''",
    "\"",         "`",         "[",
    "]",          "--",        "/*",
    "*/",         "\n",        " ",
    " ",          " ",         "x",
    "$",          "1",         ".",
    "é",          "\t",        "\v",
    "\f",         "-",         "/",
    "*",          "(",         ")",
    "'x'",        "/* ; */",   "CREATE TRIGGER t ",
    ";END;",      "; END",     "-- ;\n",
    "_",          "\\"};

  for (int i = 0; i < 20000; i++) {
    struct fed_err err = FED_ERR_INIT;
    struct split_stmt stmt;
    struct split s;
    char text[512] = "";
    size_t n = 0;

    for (unsigned k = test_random(&seed) % 30; k > 0; k--) {
      const char *token = tokens[test_random(&seed) % FED_LEN(tokens)];

      memcpy(text + n, token, strlen(token) + 1);
      n += strlen(token);
    }
    split_init(&s, SPLIT_SQLITE, text, n, 1);
    while (split_next(&s, &stmt, &err) == SQLITE_ROW)
      check_complete(text, &s, &stmt);
  }
}

int main(void)
{
  const char *given = getenv("FED_TEST_SEED");
  unsigned seed =
    given ? (unsigned)strtoul(given, NULL, 10) : (unsigned)time(NULL) | 1;

  printf("seed %u\n", seed);
  each_case("pg", split_line, SPLIT_PG);
  each_case("mysql", split_line, SPLIT_MYSQL);
  each_case("sqlite", split_line, SPLIT_SQLITE);
  each_case("traits", traits_line, 0);
  test_bytes();
  test_long();
  test_complete(seed);
  printf("%d passed, %d failed, 0 skipped\n", passed, failed);
  return failed > 0;
}
