/* deparse: a plan, written as the server's SQL. */
#include "vtab/table.h"

struct deparse_to {
  const struct fed_table *table;
  const struct fed_dialect *dialect;
  struct fed_str *sql;
  int nparam; /* placeholders written so far */
};

static const char *const deparse_op[TERM_OPS] = {
  [TERM_EQ] = "=",      [TERM_NE] = "<>",    [TERM_LT] = "<",
  [TERM_LE] = "<=",     [TERM_GT] = ">",     [TERM_GE] = ">=",
  [TERM_ISNULL] = "",   [TERM_NOTNULL] = "", [TERM_LIKE] = "LIKE",
  [TERM_GLOB] = "GLOB",
};

/* A view's or a foreign collation is not known here: bytes are compared. */
static void deparse_name(struct deparse_to *to, const struct fed_column *col)
{
  fed_dialect_name(to->dialect, to->sql, col->name);
  if (col->class == FED_CLASS_ANY && col->textcmp == FED_TEXTCMP_LOOSE)
    fed_str_add(to->sql, " COLLATE BINARY");
}

static void deparse_param(struct deparse_to *to, enum fed_class class)
{
  fed_dialect_param(to->dialect, to->sql, class, ++to->nparam);
}

/* col = ANY($1), or col IN (?, ?, ?). */
static void deparse_list(struct deparse_to *to, const struct fed_column *col,
                         int nvalue)
{
  deparse_name(to, col);
  if (to->dialect->arrays) {
    fed_str_add(to->sql, " = ANY(");
    fed_dialect_array(to->dialect, to->sql, col->class, ++to->nparam);
  } else {
    fed_str_add(to->sql, " IN (");
    for (int i = 0; i < nvalue; i++) {
      if (i) fed_str_add(to->sql, ", ");
      deparse_param(to, col->class);
    }
  }
  fed_str_addc(to->sql, ')');
}

/*
 * PostgreSQL's dates beyond four-digit years print out of order: '10000-01-
 * 01' is below '2024-01-01' as text, and '0044-03-15 BC' above '0010-01-01'.
 * Such rows are asked for too, and SQLite decides.
 */
static void deparse_date(struct deparse_to *to, const struct fed_column *col,
                         enum term_op op)
{
  bool less = op == TERM_LT || op == TERM_LE;

  fed_str_addc(to->sql, '(');
  deparse_name(to, col);
  fed_str_addf(to->sql, " %s ", deparse_op[op]);
  deparse_param(to, col->class);
  fed_str_add(to->sql, " OR ");
  deparse_name(to, col);
  fed_str_add(to->sql, less ? " >= '10000-01-01')" : " < '0001-01-01')");
}

/*
 * A host may be built so that LIKE and GLOB match blobs. The range it derives
 * from a pattern ends below them, but it means them too.
 */
static void deparse_or_blob(struct deparse_to *to, const struct fed_column *col,
                            enum term_op op)
{
  fed_str_addc(to->sql, '(');
  deparse_name(to, col);
  fed_str_addf(to->sql, " %s ", deparse_op[op]);
  deparse_param(to, col->class);
  fed_str_add(to->sql, " OR typeof(");
  deparse_name(to, col);
  fed_str_add(to->sql, ") = 'blob')");
}

static bool deparse_is_wide_date(struct deparse_to *to,
                                 const struct fed_column *col, enum term_op op)
{
  return (col->class == FED_CLASS_DATE || col->class == FED_CLASS_TIMESTAMP ||
          col->class == FED_CLASS_TIMESTAMPTZ) &&
         op >= TERM_LT && op <= TERM_GE &&
         term_fit(to->dialect, col, op) == TERM_SUPERSET;
}

static void deparse_term(struct deparse_to *to, const struct fed_column *col,
                         enum term_op op)
{
  if (deparse_is_wide_date(to, col, op)) {
    deparse_date(to, col, op);
    return;
  }
  deparse_name(to, col);
  if (op == TERM_ISNULL || op == TERM_NOTNULL) {
    fed_str_add(to->sql, op == TERM_ISNULL ? " IS NULL" : " IS NOT NULL");
    return;
  }
  if (op == TERM_LIKE && to->dialect->nocase_like)
    fed_str_addf(to->sql, " %s ", to->dialect->nocase_like);
  else
    fed_str_addf(to->sql, " %s ", deparse_op[op]);
  deparse_param(to, col->class);
}

static void deparse_where(struct deparse_to *to, const struct plan *plan,
                          const struct deparse_term *now)
{
  const struct plan_term *term = plan_terms(plan);
  const char *joint = " WHERE ";

  for (int i = 0; i < plan->nterm; i++) {
    const struct fed_column *col = &to->table->rel.col[term[i].col];
    enum term_use use = now ? now[i].use : TERM_BIND;

    if (use == TERM_DROP) continue;
    fed_str_add(to->sql, joint);
    joint = " AND ";
    if (use == TERM_ALWAYS)
      deparse_term(to, col, TERM_NOTNULL);
    else if (now ? now[i].list : term[i].in)
      deparse_list(to, col, now ? now[i].nvalue : 1);
    else if (now && now[i].or_blob)
      deparse_or_blob(to, col, now[i].op);
    else
      deparse_term(to, col, now ? now[i].op : (enum term_op)term[i].op);
  }
}

/* NULL first ascending and last descending, as SQLite has it. */
static void deparse_order(struct deparse_to *to, const struct plan *plan)
{
  const struct plan_order *order = plan_orders(plan);

  for (int i = 0; i < plan->norder; i++) {
    const struct fed_column *col = &to->table->rel.col[order[i].col];

    fed_str_add(to->sql, i ? ", " : " ORDER BY ");
    deparse_name(to, col);
    if (order[i].desc) fed_str_add(to->sql, " DESC");
    /* Said without need it would keep the server from using its index. */
    if (!to->dialect->nulls_first && !col->notnull)
      fed_str_add(to->sql, order[i].desc ? " NULLS LAST" : " NULLS FIRST");
  }
}

static void deparse_columns(struct deparse_to *to, const struct plan *plan)
{
  const int16_t *column = plan_columns(plan);

  for (int i = 0; i < plan->ncol; i++) {
    if (i) fed_str_add(to->sql, ", ");
    fed_dialect_column(to->dialect, to->sql, &to->table->rel.col[column[i]]);
  }
  if (plan->ncol == 0) fed_str_addc(to->sql, '1');
}

void deparse(const struct fed_table *table, const struct plan *plan,
             const struct deparse_term *now, int64_t limit, bool count,
             struct fed_str *sql)
{
  struct deparse_to to = {.table = table, .dialect = plan->dialect, .sql = sql};

  fed_str_add(sql, "SELECT ");
  if (count)
    fed_str_add(sql, "count(*)");
  else
    deparse_columns(&to, plan);
  fed_str_add(sql, " FROM ");
  fed_dialect_relation(to.dialect, sql, &table->rel);
  deparse_where(&to, plan, now);
  if (!count) deparse_order(&to, plan);
  if (limit >= 0) fed_str_addf(sql, " LIMIT %lld", (long long)limit);
}
