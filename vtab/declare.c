/*
 * declare: how a remote relation looks to SQLite.
 *
 * The declared type is the remote type's text, so that nothing is lost on the
 * way to tools that read it. But SQLite derives a column's affinity from that
 * text ("interval" holds INT!), and affinity decides comparisons. Where the
 * remote text alone would give another affinity than the column's storage
 * class, the class's own word follows: "uuid TEXT"; where even that cannot
 * help, because INT anywhere wins, the word stands alone.
 */
#include <ctype.h>
#include <stdio.h>

#include "base/mem.h"
#include "vtab/table.h"

/* SQLite's rules for the affinity of a type name, in their order
 * (datatype3.html 3.1). The letters are those of its opcodes. */
char declare_affinity(const char *type)
{
  static const struct {
    const char *word;
    char affinity;
  } rule[] = {
    {"int",  'D'},
    {"char", 'B'},
    {"clob", 'B'},
    {"text", 'B'},
    {"blob", 'A'},
    {"real", 'E'},
    {"floa", 'E'},
    {"doub", 'E'}
  };

  if (!*type) return 'A';
  for (size_t i = 0; i < FED_LEN(rule); i++)
    if (strcasestr(type, rule[i].word)) return rule[i].affinity;
  return 'C';
}

/* Does the affinity leave values of this class as they are? */
static bool declare_keeps(char affinity, enum fed_type storage)
{
  switch (storage) {
  case FED_INT: /* TEXT affinity would turn 1 into '1' */
    return affinity != 'B';
  case FED_REAL: /* INTEGER and NUMERIC would turn 5.0 into 5 */
    return affinity == 'E' || affinity == 'A';
  case FED_TEXT:
    return affinity == 'B';
  case FED_BLOB:
    return affinity == 'A';
  case FED_NULL: /* a SQLite server's own type */
    return true;
  }
  return false;
}

/* "hidden" as a word in a type makes SQLite hide the column. */
static bool declare_hides(const char *type)
{
  return strcasestr(type, "hidden") != NULL;
}

char declare_column_affinity(const struct fed_column *col)
{
  return declare_affinity(declare_hides(col->type) ? "" : col->type);
}

void declare_type(const struct fed_column *col, struct fed_str *sql)
{
  static const char *const word[] = {[FED_NULL] = "",
                                     [FED_INT] = "INTEGER",
                                     [FED_REAL] = "REAL",
                                     [FED_TEXT] = "TEXT",
                                     [FED_BLOB] = "BLOB"};
  enum fed_type storage = fed_class_storage(col->class);
  struct fed_str type;

  fed_str_init(&type, FED_STR_SQL);
  if (!declare_hides(col->type)) fed_str_add(&type, col->type);
  if (!declare_keeps(declare_affinity(type.s), storage)) {
    if (type.len) fed_str_addc(&type, ' ');
    fed_str_add(&type, word[storage]);
  }
  if (!declare_keeps(declare_affinity(type.s), storage)) {
    fed_str_reset(&type);
    fed_str_add(&type, word[storage]);
  }
  if (type.nomem) sql->nomem = true;
  if (type.len) {
    fed_str_addc(sql, ' ');
    fed_str_quote(sql, type.s, '"');
  }
  fed_str_release(&type);
}

static bool declare_taken(char *const *label, int n, const char *name)
{
  for (int i = 0; i < n; i++)
    if (label[i] && sqlite3_stricmp(label[i], name) == 0) return true;
  return false;
}

void declare_labels_free(char **label, int n)
{
  for (int i = 0; label && i < n; i++)
    fed_free(label[i]);
  fed_free(label);
}

int declare_labels(const struct fed_relation *rel, char ***out,
                   struct fed_err *err)
{
  char **label = fed_calloc((size_t)rel->ncol, sizeof *label);

  *out = NULL;
  if (!label) return fed_err_nomem(err);
  for (int i = 0; i < rel->ncol; i++) {
    const char *name = rel->col[i].name;
    struct fed_str s;

    fed_str_init(&s, FED_STR_SQL);
    fed_str_add(&s, *name ? name : "column");
    for (int k = 2; declare_taken(label, i, s.s) && !s.nomem; k++) {
      fed_str_reset(&s);
      fed_str_addf(&s, "%s_%d", *name ? name : "column", k);
    }
    label[i] = fed_str_detach(&s);
    if (label[i]) continue;
    declare_labels_free(label, i);
    return fed_err_nomem(err);
  }
  *out = label;
  return SQLITE_OK;
}

/*
 * The key that is the rowid. Of any other SQLite would make an index, in whose
 * place for a root page it leaves a number that means nothing: PRAGMA
 * integrity_check then reads that page of the file, and says it is damaged.
 */
static void declare_key(const struct fed_relation *rel, char *const *label,
                        struct fed_str *sql)
{
  int at = -1, n = 0;

  for (int i = 0; i < rel->ncol; i++)
    if (rel->col[i].key > 0) {
      at = i;
      n++;
    }
  if (n != 1 || sqlite3_stricmp(rel->col[at].type, "integer") != 0) return;
  fed_str_add(sql, ", PRIMARY KEY(");
  fed_str_quote(sql, label[at], '"');
  fed_str_addc(sql, ')');
}

int declare_table(const struct fed_relation *rel, char *const *label,
                  struct fed_str *sql, struct fed_err *err)
{
  fed_str_add(sql, "CREATE TABLE x(");
  for (int i = 0; i < rel->ncol; i++) {
    const struct fed_column *col = &rel->col[i];

    if (i) fed_str_add(sql, ", ");
    fed_str_quote(sql, label[i], '"');
    declare_type(col, sql);
    if (col->notnull) fed_str_add(sql, " NOT NULL");
    if (col->class == FED_CLASS_DECIMAL)
      fed_str_add(sql, " COLLATE decimal");
    else if (col->collation)
      fed_str_addf(sql, " COLLATE %s", col->collation);
  }
  declare_key(rel, label, sql);
  fed_str_addc(sql, ')');
  return fed_str_err(sql, err);
}
