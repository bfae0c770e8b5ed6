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

/* The column as text, or a text to compare with it. */
static void deparse_text(struct deparse_to *to, const struct fed_column *col)
{
  fed_dialect_bytes(to->dialect, to->sql, col);
}

static void deparse_text_param(struct deparse_to *to)
{
  fed_dialect_bytes_param(to->dialect, to->sql, ++to->nparam, false);
}

static void deparse_compare(struct deparse_to *to, const struct fed_column *col,
                            enum term_op op)
{
  deparse_name(to, col);
  fed_str_addf(to->sql, " %s ", deparse_op[op]);
  deparse_param(to, col->class);
}

/* The text of the value that was bound last, of the column's own type. */
static void deparse_same_text(struct deparse_to *to,
                              const struct fed_column *col, enum term_op op)
{
  const char *before = to->dialect->text_before(col);

  deparse_text(to, col);
  fed_str_addf(to->sql, " %s %s", deparse_op[op], before ? before : "");
  fed_dialect_param(to->dialect, to->sql, col->class, to->nparam);
  fed_str_add(to->sql, to->dialect->text_after(col));
}

static void deparse_compare_text(struct deparse_to *to,
                                 const struct fed_column *col, enum term_op op)
{
  deparse_text(to, col);
  fed_str_addf(to->sql, " %s ", deparse_op[op]);
  deparse_text_param(to);
}

/* ---- lists ------------------------------------------------------------- */

/* ... = ANY($1), or ... IN (?, ?, ?), or with literals. */
static void deparse_in(struct deparse_to *to, const struct fed_column *col,
                       bool text, const struct term_now *now)
{
  if (to->dialect->arrays) {
    fed_str_add(to->sql, " = ANY(");
    if (text)
      fed_dialect_bytes_param(to->dialect, to->sql, ++to->nparam, true);
    else
      fed_dialect_array(to->dialect, to->sql, col->class, ++to->nparam);
  } else {
    fed_str_add(to->sql, " IN (");
    if (now->literals) fed_str_add(to->sql, now->literals);
    for (int i = 0; i < now->nvalue && !now->literals; i++) {
      if (i) fed_str_add(to->sql, ", ");
      if (text)
        deparse_text_param(to);
      else
        deparse_param(to, col->class);
    }
  }
  fed_str_addc(to->sql, ')');
}

static void deparse_list(struct deparse_to *to, const struct fed_column *col,
                         const struct term_now *now)
{
  if (now->form != FORM_TEXT) {
    deparse_name(to, col);
    deparse_in(to, col, false, now);
  }
  if (now->form == FORM_BOTH) fed_str_add(to->sql, " AND ");
  if (now->form == FORM_TEXT || now->form == FORM_BOTH) {
    deparse_text(to, col);
    deparse_in(to, col, true, now);
  }
}

/* ---- forms ------------------------------------------------------------- */

/*
 * PostgreSQL's dates beyond four-digit years print out of order: '10000-01-
 * 01' is below '2024-01-01' as text, and '0044-03-15 BC' above '0010-01-01'.
 * So those are compared as texts, and only those. Whatever is less than a
 * date of four digits has four digits or lies before them:
 *
 *    (col < $1 AND (col >= '0001-01-01' OR text < $1::text)
 *     OR col >= '10000-01-01' AND text < $1::text)
 */
static void deparse_date(struct deparse_to *to, const struct fed_column *col,
                         enum term_op op)
{
  static const char *const early[] = {" >= '0001-01-01'", " < '0001-01-01'"};
  static const char *const late[] = {" < '10000-01-01'", " >= '10000-01-01'"};
  bool less = op == TERM_LT || op == TERM_LE;

  fed_str_addc(to->sql, '(');
  deparse_compare(to, col, op);
  fed_str_add(to->sql, " AND (");
  deparse_name(to, col);
  fed_str_add(to->sql, less ? early[0] : late[0]);
  fed_str_add(to->sql, " OR ");
  deparse_same_text(to, col, op);
  fed_str_add(to->sql, ") OR ");
  deparse_name(to, col);
  fed_str_add(to->sql, less ? late[1] : early[1]);
  fed_str_add(to->sql, " AND ");
  deparse_same_text(to, col, op);
  fed_str_addc(to->sql, ')');
}

/* MySQL's times below zero and above 99 hours are asked for as well. */
static void deparse_time(struct deparse_to *to, const struct fed_column *col,
                         enum term_op op)
{
  fed_str_addc(to->sql, '(');
  deparse_compare(to, col, op);
  fed_str_add(to->sql, " OR ");
  deparse_name(to, col);
  fed_str_add(to->sql, " < '00:00:00' OR ");
  deparse_name(to, col);
  fed_str_add(to->sql, " >= '100:00:00')");
}

/*
 * A host may be built so that LIKE and GLOB match blobs. The range it derives
 * from a pattern ends below them, but it means them too.
 */
static void deparse_or_blob(struct deparse_to *to, const struct fed_column *col,
                            enum term_op op)
{
  fed_str_addc(to->sql, '(');
  deparse_compare(to, col, op);
  fed_str_add(to->sql, " OR typeof(");
  deparse_name(to, col);
  fed_str_add(to->sql, ") = 'blob')");
}

/* NaN, which is NULL here, is above all numbers there. */
static void deparse_number(struct deparse_to *to, const struct fed_column *col,
                           enum term_op op)
{
  if (op == TERM_ISNULL) {
    fed_str_addc(to->sql, '(');
    deparse_name(to, col);
    fed_str_add(to->sql, " IS NULL OR ");
    deparse_name(to, col);
    fed_str_add(to->sql, " = 'NaN')");
    return;
  }
  if (op != TERM_NOTNULL) {
    deparse_compare(to, col, op);
    fed_str_add(to->sql, " AND ");
  }
  deparse_name(to, col);
  fed_str_add(to->sql, " < 'NaN'");
}

/* A number that may be compared as a double: what surely holds the answer. */
static void deparse_near(struct deparse_to *to, const struct fed_column *col,
                         enum term_op op)
{
  bool greater = op == TERM_GT || op == TERM_GE;
  bool infinite = greater && to->dialect == &fed_dialect_pg;

  if (infinite) fed_str_addc(to->sql, '(');
  if (op == TERM_EQ || greater) deparse_compare(to, col, TERM_GE);
  if (op == TERM_EQ) fed_str_add(to->sql, " AND ");
  if (!greater) deparse_compare(to, col, TERM_LE);
  if (!infinite) return;
  /* '-Infinity' is no number to SQLite, but a text: above them all. */
  fed_str_add(to->sql, " OR ");
  deparse_name(to, col);
  fed_str_add(to->sql, " < -1e130000)");
}

static void deparse_pattern(struct deparse_to *to, const struct fed_column *col,
                            const struct term_now *now, int n)
{
  bool bare = now->form != FORM_LIKE;
  const char *like =
    now->op == TERM_LIKE ? to->dialect->like : to->dialect->like_exact;

  if (n > 1) fed_str_addc(to->sql, '(');
  for (int i = 0; i < n; i++) {
    if (i) fed_str_add(to->sql, " OR ");
    if (bare)
      deparse_name(to, col);
    else
      fed_dialect_text(to->dialect, to->sql, col);
    fed_str_add(to->sql, bare ? " LIKE " : like);
    deparse_param(to, FED_CLASS_TEXT);
  }
  if (n > 1) fed_str_addc(to->sql, ')');
}

/* By the one pattern that folds case, and by those that an index can use. */
static void deparse_prefix(struct deparse_to *to, const struct fed_column *col,
                           const struct term_now *now)
{
  struct term_now first = {.op = now->op, .form = FORM_LIKE};

  deparse_pattern(to, col, &first, 1);
  if (now->nvalue == 1) return;
  fed_str_add(to->sql, " AND ");
  deparse_pattern(to, col, now, now->nvalue - 1);
}

static void deparse_bare(struct deparse_to *to, const struct fed_column *col,
                         enum term_op op)
{
  if (op == TERM_ISNULL || op == TERM_NOTNULL) {
    deparse_name(to, col);
    fed_str_add(to->sql, op == TERM_ISNULL ? " IS NULL" : " IS NOT NULL");
  } else {
    deparse_compare(to, col, op);
  }
}

static void deparse_term(struct deparse_to *to, const struct fed_column *col,
                         const struct term_now *now)
{
  switch (now->form) {
  case FORM_NONE:
    break;
  case FORM_BARE:
    deparse_bare(to, col, now->op);
    break;
  case FORM_BOTH:
    deparse_compare(to, col, now->op);
    fed_str_add(to->sql, " AND ");
    deparse_compare_text(to, col, now->op);
    break;
  case FORM_TEXT:
    deparse_compare_text(to, col, now->op);
    break;
  case FORM_NUMBER:
    deparse_number(to, col, now->op);
    break;
  case FORM_NEAR:
    deparse_near(to, col, now->op);
    break;
  case FORM_DATE:
    deparse_date(to, col, now->op);
    break;
  case FORM_TIME:
    deparse_time(to, col, now->op);
    break;
  case FORM_SAFE:
    deparse_name(to, col);
    fed_str_add(to->sql, " <=> NULL");
    break;
  case FORM_MATCH:
  case FORM_LIKE:
    deparse_pattern(to, col, now, now->nvalue);
    break;
  case FORM_PREFIX:
    deparse_prefix(to, col, now);
    break;
  case FORM_BLOB:
    deparse_or_blob(to, col, now->op);
    break;
  }
}

/* ---- clauses ----------------------------------------------------------- */

/* Is the order by this column, a date, that of the first attempt? */
static bool deparse_is_guarded(const struct deparse_to *to,
                               const struct plan *plan, int16_t col)
{
  for (int i = 0; i < plan->norder; i++)
    if (plan_orders(plan)[i].col == col)
      return term_sorts(to->dialect, &to->table->rel.col[col]) == FORM_DATE;
  return false;
}

/*
 * How a WHERE is written: with every term as it is; or in the first attempt,
 * where a date that is sorted by has no odd years, or to look for those.
 */
enum deparse_which { DEPARSE_ALL, DEPARSE_FIRST, DEPARSE_ODD };

/* Says whether it wrote anything. */
static bool deparse_where(struct deparse_to *to, const struct plan *plan,
                          const struct term_now *now, enum deparse_which which)
{
  const struct plan_term *term = plan_terms(plan);
  const char *joint = " WHERE ";

  for (int i = 0; i < plan->nterm; i++) {
    const struct fed_column *col = &to->table->rel.col[term[i].col];
    struct term_now one =
      now ? now[i] : term_planned(to->dialect, col, (enum term_op)term[i].op);

    if (term[i].implied || one.use == TERM_DROP) continue;
    if (which != DEPARSE_ALL && one.form == FORM_DATE && one.use == TERM_BIND &&
        deparse_is_guarded(to, plan, term[i].col)) {
      one.form = FORM_BARE;
      if (which == DEPARSE_ODD) {
        to->nparam++;
        continue;
      }
    }
    if (one.use == TERM_ALWAYS)
      one = term_planned(to->dialect, col, TERM_NOTNULL);
    fed_str_add(to->sql, joint);
    joint = " AND ";
    if (now ? one.list : term[i].in)
      deparse_list(to, col, &one);
    else
      deparse_term(to, col, &one);
  }
  return strcmp(joint, " AND ") == 0;
}

/* ---- order ------------------------------------------------------------- */

/* `col OP 'text'`, where the text is one that every type's input knows. */
static void deparse_literal(struct deparse_to *to, const struct fed_column *col,
                            const char *rest)
{
  deparse_name(to, col);
  fed_str_add(to->sql, rest);
}

/* Rows that the server sorts elsewhere than SQLite. */
static void deparse_odd(struct deparse_to *to, const struct fed_column *col,
                        enum term_form form)
{
  if (form == FORM_NUMBER) {
    deparse_literal(to, col, " = 'NaN'");
    return;
  }
  deparse_literal(to, col, " < '0001-01-01' AND ");
  deparse_literal(to, col, " > '-infinity' OR ");
  deparse_literal(to, col, " >= '10000-01-01' AND ");
  deparse_literal(to, col, " < 'infinity'");
}

/* ... AND NOT EXISTS (SELECT 1 FROM t WHERE ... AND (col is odd, or NULL)) */
static void deparse_none(struct deparse_to *to, const struct plan *plan,
                         const struct term_now *now,
                         const struct fed_column *col, enum term_form form)
{
  struct deparse_to inner = *to;

  inner.nparam = 0; /* the same placeholders once more */
  fed_str_add(to->sql, "NOT EXISTS (SELECT 1 FROM ");
  fed_dialect_relation(to->dialect, to->sql, &to->table->rel);
  fed_str_add(to->sql, deparse_where(&inner, plan, now, DEPARSE_ODD)
                         ? " AND ("
                         : " WHERE (");
  if (form == FORM_BARE)
    deparse_literal(to, col, " IS NULL");
  else
    deparse_odd(to, col, form);
  fed_str_add(to->sql, "))");
}

/*
 * In the first attempt the server sorts by the bare columns, so that it can
 * use an index. It gives nothing if there is a row that it sorts elsewhere
 * than SQLite would; then the cursor asks again, for the exact order. NULLs
 * come last when descending: they are left to the second attempt.
 */
static void deparse_guard(struct deparse_to *to, const struct plan *plan,
                          const struct term_now *now)
{
  const struct plan_order *order = plan_orders(plan);
  const char *joint =
    deparse_where(to, plan, now, DEPARSE_FIRST) ? " AND " : " WHERE ";

  for (int i = -1; i < plan->norder; i++) {
    const struct fed_column *col =
      &to->table->rel.col[order[i < 0 ? 0 : i].col];
    enum term_form form = i < 0 ? FORM_BARE : term_sorts(to->dialect, col);

    if (i < 0 ? plan->nulls == PLAN_NULLS_SAID
              : form != FORM_DATE && form != FORM_NUMBER)
      continue;
    fed_str_add(to->sql, joint);
    joint = " AND ";
    if (i < 0 && plan->nulls == PLAN_NULLS_LEFT)
      deparse_literal(to, col, " IS NOT NULL");
    else
      deparse_none(to, plan, now, col, form);
  }
}

static void deparse_key(struct deparse_to *to, const struct fed_column *col,
                        bool first)
{
  enum term_form form = term_sorts(to->dialect, col);

  if (form == FORM_TEXT || (form == FORM_DATE && !first)) {
    deparse_text(to, col);
  } else if (form == FORM_NUMBER && !first) {
    fed_str_add(to->sql, "NULLIF(");
    deparse_name(to, col);
    fed_str_add(to->sql, ", 'NaN')");
  } else {
    deparse_name(to, col);
  }
}

/* NULL first ascending and last descending, as SQLite has it. */
static void deparse_order(struct deparse_to *to, const struct plan *plan,
                          bool first)
{
  const struct plan_order *order = plan_orders(plan);

  for (int i = 0; i < plan->norder; i++) {
    const struct fed_column *col = &to->table->rel.col[order[i].col];
    bool none = i == 0 && first && plan->nulls != PLAN_NULLS_SAID;

    fed_str_add(to->sql, i ? ", " : " ORDER BY ");
    deparse_key(to, col, first);
    if (order[i].desc) fed_str_add(to->sql, " DESC");
    /* Said without need it would keep the server from using its index. */
    if (!to->dialect->nulls_first && !col->notnull && !none)
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

/*
 * A column that is compared by the rules of another type now shows in no row
 * of those that are counted: so a NULL comes along that has its type.
 */
static void deparse_types(struct deparse_to *to, const struct plan *plan,
                          enum plan_ask ask)
{
  for (int i = 0; i < plan->nterm; i++) {
    const struct fed_column *col = &to->table->rel.col[plan_terms(plan)[i].col];

    if (!plan_asks_type(plan, ask, i)) continue;
    fed_str_add(to->sql, ", (SELECT ");
    fed_dialect_column(to->dialect, to->sql, col);
    fed_str_add(to->sql, " FROM ");
    fed_dialect_relation(to->dialect, to->sql, &to->table->rel);
    fed_str_add(to->sql, " WHERE 1 = 0) AS ");
    fed_dialect_name(to->dialect, to->sql, col->name);
  }
}

/* Not DISTINCT: beside that an order must be by a selected expression. */
static void deparse_group(struct deparse_to *to, const struct plan *plan)
{
  const int16_t *column = plan_columns(plan);

  for (int i = 0; i < plan->ncol; i++) {
    fed_str_add(to->sql, i ? ", " : " GROUP BY ");
    deparse_name(to, &to->table->rel.col[column[i]]);
  }
}

void deparse(const struct fed_table *table, const struct plan *plan,
             const struct term_now *now, int64_t limit, enum plan_ask ask,
             bool first, struct fed_str *sql)
{
  struct deparse_to to = {.table = table, .dialect = plan->dialect, .sql = sql};

  fed_str_add(sql, "SELECT ");
  if (ask != PLAN_ASK_NUMBER) deparse_columns(&to, plan);
  if (ask == PLAN_ASK_GROUPS) fed_str_add(sql, ", ");
  if (ask != PLAN_ASK_ROWS) fed_str_add(sql, "count(*)");
  deparse_types(&to, plan, ask);
  fed_str_add(sql, " FROM ");
  fed_dialect_relation(to.dialect, sql, &table->rel);
  first = first && plan->guard;
  if (first)
    deparse_guard(&to, plan, now);
  else
    deparse_where(&to, plan, now, DEPARSE_ALL);
  if (ask == PLAN_ASK_GROUPS) deparse_group(&to, plan);
  if (ask != PLAN_ASK_NUMBER) deparse_order(&to, plan, first);
  if (limit >= 0) fed_str_addf(sql, " LIMIT %lld", (long long)limit);
  if (plan->write == PLAN_WRITE_ROWS && ask == PLAN_ASK_ROWS)
    fed_str_add(sql, to.dialect->lock);
}
