/*
 * decisions: print the decision table of vtab/term.c as Markdown, for
 * docs/types.md. test/docs.test compares; `make docs` writes it anew.
 */
#include <stdio.h>
#include <string.h>

#include "drv/dialect.h"
#include "vtab/table.h"

#define SIGNATURE                                                              \
  (TERM_OPS + 2) /* a letter for each operator, and ORDER BY                   \
                  */
#define LINES (FED_CLASS_COUNT * 4)

struct line {
  char label[1000];
  char signature[SIGNATURE];
};

static const char *const compare_name[] = {
  [FED_TEXTCMP_LOOSE] = "loose",
  [FED_TEXTCMP_EQUAL] = "equal",
  [FED_TEXTCMP_BYTES] = "bytes",
  [FED_TEXTCMP_CI] = "nocase",
};

static void signature_of(const struct fed_dialect *dialect,
                         enum fed_class class, enum fed_textcmp textcmp,
                         char out[SIGNATURE])
{
  struct fed_column col = {.class = class, .textcmp = textcmp};

  for (int op = 0; op < TERM_OPS; op++)
    out[op] = "-SE"[term_fit(dialect, &col, (enum term_op)op)];
  out[TERM_OPS] = term_sorts(dialect, &col) != FORM_NONE ? 'E' : '-';
  out[TERM_OPS + 1] = 0;
}

/* Put the label into the line of its signature, or into a new one. */
static int line_add(struct line *line, int n, const char *signature,
                    const char *label)
{
  int i = 0;
  size_t used;

  if (strspn(signature, "-") == strlen(signature)) return n; /* none such */
  while (i < n && strcmp(line[i].signature, signature) != 0)
    i++;
  if (i == n) {
    line[n].label[0] = 0;
    memcpy(line[n++].signature, signature, SIGNATURE);
  }
  used = strlen(line[i].label);
  snprintf(line[i].label + used, sizeof line[i].label - used, "%s%s",
           used ? ", " : "", label);
  return n;
}

/* "text (loose, nocase)": the ways of comparing that have signature `i`. */
static void class_label(const char *name, char signature[4][SIGNATURE], int i,
                        char out[200])
{
  const char *joint = " (";

  snprintf(out, 200, "%s", name);
  for (int j = i; j < 4; j++) {
    if (strcmp(signature[j], signature[i]) != 0) continue;
    snprintf(out + strlen(out), 200 - strlen(out), "%s%s", joint,
             compare_name[j]);
    joint = ", ";
  }
  snprintf(out + strlen(out), 200 - strlen(out), ")");
}

/* One line for the class, or one for each way of comparing if they differ. */
static int class_add(struct line *line, int n,
                     const struct fed_dialect *dialect, enum fed_class class)
{
  const char *name = fed_class_name(class);
  char signature[4][SIGNATURE];
  char label[200];
  bool same = true;

  for (int i = 0; i < 4; i++) {
    signature_of(dialect, class, (enum fed_textcmp)i, signature[i]);
    same = same && strcmp(signature[i], signature[0]) == 0;
  }
  if (same) return line_add(line, n, signature[0], name);
  for (int i = 0; i < 4; i++) {
    bool first = true;

    for (int j = 0; j < i; j++)
      first = first && strcmp(signature[j], signature[i]) != 0;
    if (!first) continue;
    class_label(name, signature, i, label);
    n = line_add(line, n, signature[i], label);
  }
  return n;
}

static void dialect_print(const struct fed_dialect *dialect, const char *title)
{
  static struct line line[LINES];
  int n = 0;

  for (int i = 0; i < FED_CLASS_COUNT; i++)
    n = class_add(line, n, dialect, (enum fed_class)i);
  printf("\n%s:\n\n| class | = | <> | < | <= | > | >= | IS NULL | IS NOT NULL "
         "| LIKE | GLOB | ORDER BY |\n|---|",
         title);
  for (int i = 0; i < SIGNATURE - 1; i++)
    printf("---|");
  for (int i = 0; i < n; i++) {
    printf("\n| %s |", line[i].label);
    for (const char *p = line[i].signature; *p; p++)
      printf(" %s |", *p == 'E' ? "exact" : *p == 'S' ? "superset" : "");
  }
  printf("\n");
}

int main(void)
{
  dialect_print(&fed_dialect_pg, "PostgreSQL");
  dialect_print(&fed_dialect_mysql, "MySQL and MariaDB");
  dialect_print(&fed_dialect_sqlite, "SQLite");
  return 0;
}
