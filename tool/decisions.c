/*
 * decisions: print the decision table of vtab/term.c as Markdown, for
 * docs/pushdown.md. test/docs.test compares; `make docs` writes it anew. The
 * SQL is what deparse() writes for a table with the one column `c`.
 */
#include <stdio.h>
#include <string.h>

#include "drv/dialect.h"
#include "vtab/table.h"

#define COMPARES   4
#define ROWS       (TERM_OPS + 2) /* one for each operator, IN and ORDER BY */
#define ROW_IN     TERM_OPS
#define ROW_ORDER  (TERM_OPS + 1)
#define KINDS      (FED_CLASS_COUNT * COMPARES)
#define LABEL_ROOM 1000

struct row {
  enum term_fit fit;
  const char *why;
  char sql[400];
};

/* Kinds of column of which the same is true. */
struct kind {
  char label[LABEL_ROOM];
  struct row row[ROWS];
};

static const char *const row_name[ROWS] = {
  "=",       "<>",          "<",    "<=",   ">",  ">=",
  "IS NULL", "IS NOT NULL", "LIKE", "GLOB", "IN", "ORDER BY",
};

/* The order in which rows are printed. */
static const int row_order[ROWS] = {
  TERM_EQ, ROW_IN,      TERM_NE,      TERM_LT,   TERM_LE,   TERM_GT,
  TERM_GE, TERM_ISNULL, TERM_NOTNULL, TERM_LIKE, TERM_GLOB, ROW_ORDER,
};

/* A kind of server, and the ways in which its drivers say that texts are
 * compared; "" where there is no such column. */
struct server {
  const struct fed_dialect *dialect;
  const char *title;
  const char *compare[COMPARES];
};

static const struct server servers[] = {
  {&fed_dialect_pg,
   "PostgreSQL",        {[FED_TEXTCMP_BYTES] = "collation \"C\"",
    [FED_TEXTCMP_EQUAL] = "other collations",
    [FED_TEXTCMP_LOOSE] = "nondeterministic collations",
    [FED_TEXTCMP_CI] = ""}                                              },
  {&fed_dialect_mysql,
   "MySQL and MariaDB", {[FED_TEXTCMP_BYTES] = "",
    [FED_TEXTCMP_EQUAL] = "",
    [FED_TEXTCMP_LOOSE] = "other collations",
    [FED_TEXTCMP_CI] = "`_ci` collations of no special language"}},
  {&fed_dialect_sqlite,
   "SQLite",            {[FED_TEXTCMP_BYTES] = "of a table",
    [FED_TEXTCMP_EQUAL] = "",
    [FED_TEXTCMP_LOOSE] = "of a view, or with a collation unknown here",
    [FED_TEXTCMP_CI] = "of a file in UTF-16"}                               },
};

/* ---- what the program does --------------------------------------------- */

/* What deparse() writes from `from` on, for one term or one key. */
static void write_sql(const struct fed_dialect *dialect, struct fed_column *col,
                      const struct term_now *now, const char *from,
                      char out[400])
{
  struct {
    struct plan plan;
    union {
      struct plan_term term;
      struct plan_order order;
    } of;
  } one = {.plan = {.dialect = dialect}};
  struct fed_table table = {
    .rel = {.schema = (char[]){""}, .name = (char[]){"t"}, .ncol = 1}
  };
  struct fed_str sql;
  const char *at;

  table.rel.col = col;
  if (now)
    one.plan.nterm = 1;
  else
    one.plan.norder = 1;
  fed_str_init(&sql, FED_STR_SQL);
  deparse(&table, &one.plan, now, -1, false, false, &sql);
  at = strstr(sql.s, from);
  snprintf(out, 400, "%s", at ? at + strlen(from) : "");
  fed_str_release(&sql);
}

static void fill_term(const struct fed_dialect *dialect, struct fed_column *col,
                      int i, struct row *row)
{
  enum term_op op = i == ROW_IN ? TERM_EQ : (enum term_op)i;
  struct term_now now = term_planned(dialect, col, op);

  row->fit = term_fit(dialect, col, op);
  row->why = term_why(dialect, col, op);
  /* As a double: no range but that of FORM_NEAR, see rhs_near(). */
  if (col->class == FED_CLASS_DECIMAL && (i == ROW_IN || op == TERM_NE))
    row->fit = TERM_LOCAL;
  if (row->fit == TERM_LOCAL) return;
  now.list = i == ROW_IN;
  now.nvalue = now.list || now.form == FORM_PREFIX ? 2 : 1;
  if (col->class == FED_CLASS_DECIMAL && op <= TERM_GE) now.form = FORM_NEAR;
  write_sql(dialect, col, &now, " WHERE ", row->sql);
}

static void fill(const struct fed_dialect *dialect, enum fed_class class,
                 enum fed_textcmp textcmp, struct row row[ROWS])
{
  struct fed_column col = {.name = (char[]){"c"},
                           .type = (char[]){""},
                           .class = class,
                           .textcmp = textcmp,
                           .unicode = true};

  memset(row, 0, ROWS * sizeof *row);
  for (int i = 0; i < ROW_ORDER; i++)
    fill_term(dialect, &col, i, &row[i]);
  if (term_sorts(dialect, &col) == FORM_NONE) {
    row[ROW_ORDER].why = "the server sorts this type in another order";
    return;
  }
  row[ROW_ORDER].fit = TERM_EXACT;
  write_sql(dialect, &col, NULL, " ORDER BY ", row[ROW_ORDER].sql);
}

/* ---- what is alike ----------------------------------------------------- */

/*
 * `sql` with `name` for an operator and no types of parameters: where that is
 * the same, one line will do.
 */
static void blur(const char *sql, const char *name, char out[400])
{
  size_t n = strlen(name);
  char *to = out;

  while (*sql) {
    if (sql[0] == ' ' && strncmp(sql + 1, name, n) == 0 && sql[n + 1] == ' ' &&
        sql[n + 2] != '\'') {
      *to++ = '@';
      sql += n + 2;
    } else {
      *to++ = *sql;
      if (*sql++ == '$')
        while (strchr("0123456789:abcdefghijklmnopqrstuvwxyz", *sql) && *sql)
          sql++;
    }
  }
  *to = 0;
}

static bool same_text(const char *a, const char *b)
{
  return a == b || (a && b && strcmp(a, b) == 0);
}

static bool same_row(const struct row *a, const char *name_a,
                     const struct row *b, const char *name_b)
{
  char sql_a[400], sql_b[400];

  blur(a->sql, name_a, sql_a);
  blur(b->sql, name_b, sql_b);
  return a->fit == b->fit && same_text(a->why, b->why) &&
         strcmp(sql_a, sql_b) == 0;
}

static bool same_rows(const struct row *a, const struct row *b)
{
  for (int i = 0; i < ROWS; i++)
    if (!same_row(&a[i], row_name[i], &b[i], row_name[i])) return false;
  return true;
}

static void add_label(char label[LABEL_ROOM], const char *joint,
                      const char *text)
{
  size_t used = strlen(label);

  snprintf(label + used, LABEL_ROOM - used, "%s%s", used ? joint : "", text);
}

/* Put the label to its kind, or into a new one. */
static int kind_add(struct kind *kind, int n, const struct row row[ROWS],
                    const char *label)
{
  int i = 0;

  while (i < n && !same_rows(kind[i].row, row))
    i++;
  if (i == n) {
    kind[n].label[0] = 0;
    memcpy(kind[n++].row, row, ROWS * sizeof *row);
  }
  add_label(kind[i].label, ", ", label);
  return n;
}

/* One kind for the class, or one for each way of comparing if they differ. */
static int class_add(struct kind *kind, int n, const struct server *server,
                     enum fed_class class)
{
  static struct row row[COMPARES][ROWS];
  bool same = true, none = true;

  for (int i = 0; i < COMPARES; i++) {
    fill(server->dialect, class, (enum fed_textcmp)i, row[i]);
    same = same && same_rows(row[i], row[0]);
    for (int op = 0; op < TERM_OPS; op++)
      none = none && row[i][op].fit == TERM_LOCAL;
  }
  if (none) return n; /* the server has no such columns */
  if (same) return kind_add(kind, n, row[0], fed_class_name(class));
  for (int i = 0; i < COMPARES; i++) {
    char label[LABEL_ROOM] = "";

    if (!server->compare[i][0]) continue;
    snprintf(label, sizeof label, "%s (%s)", fed_class_name(class),
             server->compare[i]);
    n = kind_add(kind, n, row[i], label);
  }
  return n;
}

/* ---- printing ---------------------------------------------------------- */

static void row_print(const char *names, const struct row *row)
{
  static const char *const fit[] = {"local", "superset", "exact"};
  const char *tick = strchr(row->sql, '`') ? "`` " : "`";

  printf("| %s | %s | ", names, fit[row->fit]);
  if (row->sql[0])
    printf("%s%s%s", tick, row->sql, tick[1] == '`' ? " ``" : tick);
  printf(" | %s |\n", row->why ? row->why : "");
}

/* Rows that are alike are printed as one. */
static void kind_print(const struct kind *kind)
{
  bool printed[ROWS] = {false};

  printf(
    "\n#### %s\n\n| | answer | sent | why not exact |\n|---|---|---|---|\n",
    kind->label);
  for (int i = 0; i < ROWS; i++) {
    int first = row_order[i];
    char names[LABEL_ROOM] = "";

    for (int j = i; j < ROWS; j++) {
      int next = row_order[j];

      if (printed[next] || !same_row(&kind->row[first], row_name[first],
                                     &kind->row[next], row_name[next]))
        continue;
      if (printed[first] && next != first && !names[0]) break;
      printed[next] = true;
      add_label(names, ", ", row_name[next]);
    }
    if (names[0]) row_print(names, &kind->row[first]);
  }
}

static void server_print(const struct server *server)
{
  static struct kind kind[KINDS];
  int n = 0;

  for (int i = 0; i < FED_CLASS_COUNT; i++)
    n = class_add(kind, n, server, (enum fed_class)i);
  printf("\n### %s\n", server->title);
  for (int i = 0; i < n; i++)
    kind_print(&kind[i]);
}

int main(void)
{
  for (size_t i = 0; i < FED_LEN(servers); i++)
    server_print(&servers[i]);
  return 0;
}
