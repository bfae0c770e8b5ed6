/*
 * rows: what a statement gives, as columns for people, as JSON or as CSV.
 * Columns are as wide as their values in the next ROWS_WINDOW rows, so that
 * memory is bounded and the first rows show soon.
 */
#include "cli/cli.h"

#include <wchar.h>

#define ROWS_WINDOW 1000
#define ROWS_GAP    2

/* ---- values -------------------------------------------------------------- */

static void rows_blob(sqlite3_stmt *stmt, int i, struct fed_str *out)
{
  const unsigned char *p = sqlite3_column_blob(stmt, i);
  int n = sqlite3_column_bytes(stmt, i);

  fed_str_add(out, "X'");
  for (int k = 0; k < n; k++)
    fed_str_addf(out, "%02X", p[k]);
  fed_str_addc(out, '\'');
}

/* The next character of UTF-8, or U+FFFD for a byte that is none. */
static unsigned rows_char(const unsigned char **p, const unsigned char *end)
{
  static const unsigned least[] = {0, 0x80, 0x800, 0x10000};
  const unsigned char *s = *p;
  int more = *s < 0x80 ? 0 : *s >= 0xF0 ? 3 : *s >= 0xE0 ? 2 : 1;
  unsigned c = more ? *s & (0x3Fu >> more) : *s;

  (*p)++;
  if ((*s >= 0x80 && *s < 0xC2) || *s > 0xF4 || end - s <= more) return 0xFFFD;
  for (int i = 1; i <= more; i++) {
    if ((s[i] & 0xC0) != 0x80) return 0xFFFD;
    c = c << 6 | (s[i] & 0x3Fu);
  }
  if (c < least[more] || (c >= 0xD800 && c < 0xE000) || c > 0x10FFFF)
    return 0xFFFD;
  *p = s + more + 1;
  return c;
}

/* Copies one character, whole or replaced. */
static void rows_keep(struct fed_str *out, const unsigned char *from,
                      const unsigned char *to, unsigned c)
{
  if (c == 0xFFFD)
    fed_str_add(out, "\xEF\xBF\xBD");
  else
    fed_str_addn(out, from, (size_t)(to - from));
}

static bool rows_is_control(unsigned c)
{
  return c < 0x20 || (c >= 0x7F && c < 0xA0);
}

/* ---- JSON ---------------------------------------------------------------- */

static void rows_json_text(const char *text, int n, struct fed_str *out)
{
  const unsigned char *p = (const unsigned char *)text, *end = p + n;

  fed_str_addc(out, '"');
  while (p < end) {
    const unsigned char *from = p;
    unsigned c = rows_char(&p, end);

    if (c == '"' || c == '\\')
      fed_str_addf(out, "\\%c", (char)c);
    else if (c == '\n')
      fed_str_add(out, "\\n");
    else if (rows_is_control(c))
      fed_str_addf(out, "\\u%04x", c);
    else
      rows_keep(out, from, p, c);
  }
  fed_str_addc(out, '"');
}

static void rows_json_value(sqlite3_stmt *stmt, int i, struct fed_str *out)
{
  const char *text;

  switch (sqlite3_column_type(stmt, i)) {
  case SQLITE_NULL:
    fed_str_add(out, "null");
    break;
  case SQLITE_BLOB:
    fed_str_addc(out, '"');
    rows_blob(stmt, i, out);
    fed_str_addc(out, '"');
    break;
  case SQLITE_TEXT:
    text = (const char *)sqlite3_column_text(stmt, i);
    rows_json_text(text ? text : "", sqlite3_column_bytes(stmt, i), out);
    break;
  default: /* JSON has no infinity; this is read as one */
    text = (const char *)sqlite3_column_text(stmt, i);
    if (text && strstr(text, "Inf")) text = *text == '-' ? "-9e999" : "9e999";
    fed_str_add(out, text ? text : "null");
  }
}

static void rows_json(sqlite3_stmt *stmt, bool first, struct fed_str *out)
{
  fed_str_add(out, first ? "[{" : ",\n{");
  for (int i = 0; i < sqlite3_column_count(stmt); i++) {
    const char *name = sqlite3_column_name(stmt, i);

    fed_str_add(out, i ? "," : "");
    rows_json_text(name, (int)strlen(name), out);
    fed_str_addc(out, ':');
    rows_json_value(stmt, i, out);
  }
  fed_str_addc(out, '}');
}

/* ---- CSV ----------------------------------------------------------------- */

static void rows_csv_text(const char *text, int n, struct fed_str *out)
{
  bool plain = n > 0;

  for (int i = 0; i < n && plain; i++)
    plain = !strchr("\",\r\n", text[i]) && text[i] != ' ';
  if (!plain) fed_str_addc(out, '"');
  for (int i = 0; i < n; i++) {
    if (text[i] == '"') fed_str_addc(out, '"');
    fed_str_addc(out, text[i]);
  }
  if (!plain) fed_str_addc(out, '"');
}

static void rows_csv(sqlite3_stmt *stmt, bool head, struct fed_str *out)
{
  for (int i = 0; i < sqlite3_column_count(stmt); i++) {
    const char *name = sqlite3_column_name(stmt, i);
    int type = head ? SQLITE_TEXT : sqlite3_column_type(stmt, i);

    fed_str_add(out, i ? "," : "");
    if (head)
      rows_csv_text(name, (int)strlen(name), out);
    else if (type == SQLITE_BLOB)
      rows_blob(stmt, i, out);
    else if (type != SQLITE_NULL)
      rows_csv_text((const char *)sqlite3_column_text(stmt, i),
                    sqlite3_column_bytes(stmt, i), out);
  }
  fed_str_addc(out, '\n');
}

/* ---- columns ------------------------------------------------------------- */

struct rows_table {
  int ncol, nrow;
  char **cell;   /* of the window, row by row */
  int *width;    /* of each column */
  bool *numeric; /* only numbers so far: to the right */
  bool begun;    /* the heading is printed */
};

/* On how many columns of a terminal it shows. */
static int rows_width(const char *text)
{
  const unsigned char *p = (const unsigned char *)text, *end = p + strlen(text);
  int width = 0;

  while (p < end) {
    int w = wcwidth((wchar_t)rows_char(&p, end));

    width += w < 0 ? 1 : w;
  }
  return width;
}

/* Control characters would disturb the columns, or the terminal. */
static void rows_shown(const char *text, int n, struct fed_str *out)
{
  const unsigned char *p = (const unsigned char *)text, *end = p + n;

  while (p < end) {
    const unsigned char *from = p;
    unsigned c = rows_char(&p, end);

    if (c == '\n')
      fed_str_add(out, "\\n");
    else if (c == '\t')
      fed_str_add(out, "\\t");
    else if (rows_is_control(c))
      fed_str_addf(out, "\\x%02x", c);
    else
      rows_keep(out, from, p, c);
  }
}

static int rows_cell(struct rows_table *t, sqlite3_stmt *stmt, int i)
{
  int type = sqlite3_column_type(stmt, i);
  struct fed_str out;
  char **cell = &t->cell[t->nrow * t->ncol + i];

  fed_str_init(&out, SIZE_MAX / 2);
  if (type == SQLITE_NULL)
    fed_str_add(&out, "NULL");
  else if (type == SQLITE_BLOB)
    rows_blob(stmt, i, &out);
  else
    rows_shown((const char *)sqlite3_column_text(stmt, i),
               sqlite3_column_bytes(stmt, i), &out);
  if (type == SQLITE_TEXT || type == SQLITE_BLOB) t->numeric[i] = false;
  *cell = fed_str_detach(&out);
  if (!*cell && !(*cell = fed_strdup(""))) return SQLITE_NOMEM;
  if (rows_width(*cell) > t->width[i]) t->width[i] = rows_width(*cell);
  return SQLITE_OK;
}

/* Without blanks at the end of a line. */
static void rows_put(const struct rows_table *t, int i, const char *text)
{
  int pad = t->width[i] - rows_width(text);

  if (i) printf("%*s", ROWS_GAP, "");
  if (t->numeric[i]) printf("%*s", pad, "");
  fputs(text, stdout);
  if (!t->numeric[i] && i + 1 < t->ncol) printf("%*s", pad, "");
}

static void rows_heading(const struct rows_table *t, sqlite3_stmt *stmt)
{
  bool colour = cli_colour(stdout);

  if (colour) fputs("\033[1m", stdout);
  for (int i = 0; i < t->ncol; i++)
    rows_put(t, i, sqlite3_column_name(stmt, i));
  fputs(colour ? "\033[0m\n" : "\n", stdout);
  for (int i = 0; i < t->ncol; i++) {
    printf("%*s", i ? ROWS_GAP : 0, "");
    for (int k = 0; k < t->width[i]; k++)
      putchar('-');
  }
  putchar('\n');
}

static void rows_flush(struct rows_table *t, sqlite3_stmt *stmt)
{
  if (!t->begun) rows_heading(t, stmt);
  t->begun = true;
  for (int k = 0; k < t->nrow; k++) {
    for (int i = 0; i < t->ncol; i++) {
      rows_put(t, i, t->cell[k * t->ncol + i]);
      fed_free(t->cell[k * t->ncol + i]);
      t->cell[k * t->ncol + i] = NULL;
    }
    putchar('\n');
  }
  t->nrow = 0;
}

static int rows_init(struct rows_table *t, sqlite3_stmt *stmt)
{
  t->ncol = sqlite3_column_count(stmt);
  t->cell = fed_calloc((size_t)t->ncol * ROWS_WINDOW, sizeof *t->cell);
  t->width = fed_calloc((size_t)t->ncol, sizeof *t->width);
  t->numeric = fed_calloc((size_t)t->ncol, sizeof *t->numeric);
  if (!t->cell || !t->width || !t->numeric) return SQLITE_NOMEM;
  for (int i = 0; i < t->ncol; i++) {
    t->width[i] = rows_width(sqlite3_column_name(stmt, i));
    t->numeric[i] = true;
  }
  return SQLITE_OK;
}

static void rows_release(struct rows_table *t)
{
  for (int i = 0; t->cell && i < t->ncol * ROWS_WINDOW; i++)
    fed_free(t->cell[i]);
  fed_free(t->cell);
  fed_free(t->width);
  fed_free(t->numeric);
}

static int rows_columns(sqlite3_stmt *stmt)
{
  struct rows_table t = {0};
  int rc = rows_init(&t, stmt);

  while (rc == SQLITE_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
    rc = SQLITE_OK;
    for (int i = 0; i < t.ncol && rc == SQLITE_OK; i++)
      rc = rows_cell(&t, stmt, i);
    if (rc == SQLITE_OK && ++t.nrow == ROWS_WINDOW) rows_flush(&t, stmt);
  }
  if (t.nrow || (rc == SQLITE_DONE && !t.begun)) rows_flush(&t, stmt);
  rows_release(&t);
  return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* ---- any of them --------------------------------------------------------- */

static int rows_lines(sqlite3_stmt *stmt, bool json)
{
  struct fed_str out;
  bool first = true;
  int rc = SQLITE_OK;

  fed_str_init(&out, SIZE_MAX / 2);
  if (!json) rows_csv(stmt, true, &out);
  while (rc == SQLITE_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
    if (json)
      rows_json(stmt, first, &out);
    else
      rows_csv(stmt, false, &out);
    first = false;
    rc = out.nomem ? SQLITE_NOMEM : SQLITE_OK;
    fwrite(out.s, 1, out.len, stdout);
    fed_str_reset(&out);
  }
  /* Without the closing bracket nobody takes half of an answer for all. */
  if (json && rc == SQLITE_DONE) fed_str_add(&out, first ? "[]\n" : "]\n");
  fwrite(out.s, 1, out.len, stdout);
  fed_str_release(&out);
  return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

int cli_rows(const struct cli *cli, sqlite3_stmt *stmt)
{
  int rc;

  if (sqlite3_column_count(stmt) == 0) {
    rc = sqlite3_step(stmt);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
  }
  if (cli->value[CLI_JSON] || cli->value[CLI_CSV])
    return rows_lines(stmt, cli->value[CLI_JSON] != NULL);
  return rows_columns(stmt);
}
