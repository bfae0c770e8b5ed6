/*
 * write_array: rows of UPDATE and DELETE in one statement, where a server takes
 * arrays: each column's values are one, and the server joins them by the key.
 *
 *     UPDATE t SET "n" = v.c1
 *     FROM (SELECT unnest($1::int8[]) AS c1, unnest($2::int8[]) AS c2) AS v
 *     WHERE t."id" = v.c2
 */
#include "vtab/write_int.h"

#define WRITE_ARRAY 16          /* from so many rows on */
#define WRITE_TEXT  (16u << 20) /* bytes of one array */

/* The column of argument `i`: those that are set, then the key. */
static const struct fed_column *array_column(const struct write *w, int i)
{
  const struct write_stmt *st = &w->waits;

  return &w->table->rel
            .col[i < st->ncol ? st->column[i] : w->key[i - st->ncol]];
}

/* A type that stands for the column's own: what is compared by it finds the
 * row, and what is assigned is refused where it does not fit. */
static bool array_takes(const struct write *w, int i)
{
  const struct fed_column *col = array_column(w, i);
  bool key = i >= w->waits.ncol;

  if (col->class == FED_CLASS_OTHER || !w->dialect->param_type(col->class))
    return false;
  /* 0.1 as a float4 is none of a float8's; and where keys are changed, some
   * order may fail. */
  return key ? col->class != FED_CLASS_FLOAT4 : col->uniques == 0;
}

bool write_array_can(const struct write *w, int64_t n)
{
  if (!w->dialect->arrays || n < WRITE_ARRAY || w->waits.ndefault > 0)
    return false;
  for (int i = 0; i < w->waiting.ncol; i++)
    if (!array_takes(w, i)) return false;
  return true;
}

void write_array_sql(const struct write *w, struct fed_str *sql)
{
  const struct write_stmt *st = &w->waits;
  bool update = st->verb == WRITE_UPDATE;

  fed_str_add(sql, update ? "UPDATE " : "DELETE FROM ");
  fed_dialect_relation(w->dialect, sql, &w->table->rel);
  fed_str_add(sql, " AS t");
  for (int i = 0; i < st->ncol; i++) {
    fed_str_add(sql, i ? ", " : " SET ");
    fed_dialect_name(w->dialect, sql, array_column(w, i)->name);
    fed_str_addf(sql, " = v.c%d", i + 1);
  }
  fed_str_add(sql, update ? " FROM (SELECT" : " USING (SELECT");
  for (int i = 0; i < w->waiting.ncol; i++) {
    fed_str_add(sql, i ? ", unnest(" : " unnest(");
    fed_dialect_array(w->dialect, sql, array_column(w, i)->class, i + 1);
    fed_str_addf(sql, ") AS c%d", i + 1);
  }
  fed_str_add(sql, ") AS v");
  for (int i = 0; i < w->nkey; i++) {
    fed_str_add(sql, i ? " AND t." : " WHERE t.");
    fed_dialect_name(w->dialect, sql, array_column(w, st->ncol + i)->name);
    fed_str_addf(sql, " = v.c%d", st->ncol + i + 1);
  }
}

/* Column `i` of all rows. SQLITE_TOOBIG: too much for one. */
int write_array_text(const struct write *w, const struct fed_value *row,
                     int64_t n, int i, struct fed_str *text,
                     struct fed_err *err)
{
  fed_str_init(text, WRITE_TEXT);
  for (int64_t k = 0; k < n; k++)
    fed_dialect_element(text, &row[k * w->waiting.ncol + i]);
  fed_str_addc(text, '}');
  return fed_str_err(text, err);
}
