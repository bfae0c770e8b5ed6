/*
 * plan: xBestIndex. SQLite offers terms of the WHERE clause, an order and a
 * limit; what the server may answer becomes a plan and its SQL.
 */
#include "base/mem.h"
#include "vtab/explain.h"
#include "vtab/part.h"

/* A plan is narrowed, widened and locked once each. */
#define PLAN_IDS 4

/* Why something stays here, where more than one of them can say it. */
#define PLAN_OFF   "pushdown is off"
#define PLAN_UTF16 "this database is in UTF-16, and sorts text by its bytes"

/* ---- the layout behind idxStr ------------------------------------------ */

struct plan_term *plan_terms(const struct plan *plan)
{
  return (struct plan_term *)((uintptr_t)plan + sizeof *plan);
}

struct plan_order *plan_orders(const struct plan *plan)
{
  return (struct plan_order *)(plan_terms(plan) + plan->nterm);
}

int16_t *plan_columns(const struct plan *plan)
{
  return (int16_t *)(plan_orders(plan) + plan->norder);
}

/* plan_lock() may add columns. */
static size_t plan_size(const struct fed_table *table, const struct plan *plan)
{
  return sizeof *plan + (size_t)plan->nterm * sizeof(struct plan_term) +
         (size_t)plan->norder * sizeof(struct plan_order) +
         (size_t)table->rel.ncol * sizeof(int16_t);
}

/* Where the plan stands behind a text of `len` bytes: aligned for a struct. */
static size_t plan_offset(size_t len)
{
  size_t align = _Alignof(struct plan);

  return (len + 1 + align - 1) / align * align;
}

struct plan *plan_of(const char *idxstr)
{
  return (void *)((uintptr_t)idxstr + plan_offset(strlen(idxstr)));
}

/* ---- terms ------------------------------------------------------------- */

/*
 * A host may load another like() (ICU's folds all letters). What it matches
 * cannot be asked of a server whose LIKE folds ASCII only.
 */
static bool plan_like_is_ascii(sqlite3 *db)
{
  sqlite3_stmt *stmt = NULL;
  bool ascii = false;

  if (sqlite3_prepare_v2(db, "SELECT 'Ä' LIKE 'ä'", -1, &stmt, NULL) ==
        SQLITE_OK &&
      sqlite3_step(stmt) == SQLITE_ROW)
    ascii = sqlite3_column_int(stmt, 0) == 0;
  sqlite3_finalize(stmt);
  return ascii;
}

/* BINARY is the order of bytes in the host's own encoding. */
static bool plan_is_utf8(sqlite3 *db)
{
  sqlite3_stmt *stmt = NULL;
  bool utf8 = false;

  if (sqlite3_prepare_v2(db, "PRAGMA encoding", -1, &stmt, NULL) == SQLITE_OK &&
      sqlite3_step(stmt) == SQLITE_ROW)
    utf8 =
      sqlite3_stricmp((const char *)sqlite3_column_text(stmt, 0), "UTF-8") == 0;
  sqlite3_finalize(stmt);
  return utf8;
}

bool plan_has_text(const struct fed_column *col)
{
  enum fed_type storage = fed_class_storage(col->class);

  return storage == FED_TEXT || storage == FED_NULL;
}

bool plan_is_limit(unsigned char op)
{
  return op == SQLITE_INDEX_CONSTRAINT_LIMIT ||
         op == SQLITE_INDEX_CONSTRAINT_OFFSET;
}

bool plan_wants_limit(const sqlite3_index_info *info)
{
  for (int i = 0; i < info->nConstraint; i++)
    if (plan_is_limit(info->aConstraint[i].op)) return true;
  return false;
}

/* Of a statement that is only explained this is known now. */
static bool plan_is_outer(const struct fed_table *table)
{
  return table->fdb->explain && table->fdb->explain->outer;
}

/* Why a term that the server could answer is not sent after all, or NULL. */
static const char *plan_term_bar(const struct fed_table *table,
                                 sqlite3_index_info *info, int i,
                                 const struct fed_column *col, enum term_op op)
{
  struct part_range range;

  if (op <= TERM_GE && plan_has_text(col)) {
    if (sqlite3_stricmp(sqlite3_vtab_collation(info, i), term_collation(col)))
      return "the comparison has another collation than the column";
    if (op >= TERM_LT && !plan_is_utf8(table->fdb->db)) return PLAN_UTF16;
  }
  if (part_of(info, i, op, &range) == PLAN_NOTHING && plan_is_outer(table))
    return "this SQLite does not tell WHERE from the ON of a LEFT JOIN";
  if (op == TERM_LIKE && !plan_like_is_ascii(table->fdb->db))
    return "this connection has a LIKE of its own";
  return NULL;
}

static struct plan_verdict plan_local(const char *why)
{
  return (struct plan_verdict){.fit = TERM_LOCAL, .why = why};
}

struct plan_verdict plan_term(const struct fed_table *table,
                              const struct fed_dialect *dialect,
                              sqlite3_index_info *info, int i,
                              struct plan_term *term)
{
  const struct sqlite3_index_constraint *c = &info->aConstraint[i];
  int at = c->iColumn < 0 ? table->rowid : c->iColumn;
  const struct fed_column *col;
  sqlite3_value *literal = NULL;
  struct part_range range;
  const char *bar;
  enum term_fit fit;
  enum term_op op;

  if (!pushdown_is_on(table)) return plan_local(PLAN_OFF);
  if (!c->usable) return plan_local("its value is not known yet at this place");
  if (at < 0 || !term_op_of(c->op, &op, &term->is))
    return plan_local("this operator is never sent");
  col = &table->rel.col[at];
  fit = term_fit(dialect, col, op);
  if (fit == TERM_LOCAL) return plan_local(term_why(dialect, col, op));
  bar = plan_term_bar(table, info, i, col, op);
  if (bar) return plan_local(bar);
  term->col = (int16_t)at;
  term->op = (uint8_t)op;
  term->form = (uint8_t)term_planned(dialect, col, op).form;
  term->surely = (uint8_t)part_of(info, i, op, &range);
  term->in = op == TERM_EQ && sqlite3_vtab_in(info, i, -1);
  term->literal = sqlite3_vtab_rhs_value(info, i, &literal) == SQLITE_OK;
  if (term->surely == PLAN_BEGINNING && plan_is_outer(table))
    return (struct plan_verdict){
      TERM_SUPERSET, "only the pattern's beginning is surely of the WHERE"};
  return (struct plan_verdict){fit, term_why(dialect, col, op)};
}

static void plan_add_term(struct plan *plan, sqlite3_index_info *info, int i,
                          struct plan_term *terms, const struct plan_term *term)
{
  terms[plan->nterm++] = *term;
  info->aConstraintUsage[i].argvIndex = plan->nterm;
}

/* Take an end of a pattern's range: not to send it, but see part.c. */
static void plan_take_end(struct plan *plan, sqlite3_index_info *info, int i,
                          struct plan_term *terms, int16_t column)
{
  struct plan_term end = {
    .col = column, .op = TERM_GE, .implied = true, .surely = PLAN_WHOLE};

  if (info->aConstraintUsage[i].argvIndex == 0)
    plan_add_term(plan, info, i, terms, &end);
}

/* Take the terms that can be sent; number the arguments of xFilter. */
static void plan_take_terms(struct fed_table *table, struct plan *plan,
                            sqlite3_index_info *info, struct plan_term *terms)
{
  for (int i = 0; i < info->nConstraint; i++) {
    struct plan_term term = {0};

    if (plan_term(table, plan->dialect, info, i, &term).fit == TERM_LOCAL)
      continue;
    if (term.in) sqlite3_vtab_in(info, i, 1);
    plan_add_term(plan, info, i, terms, &term);
  }
  for (int i = 0; i < info->nConstraint; i++) {
    int at = info->aConstraintUsage[i].argvIndex - 1;
    struct part_range range;

    if (at < 0 || terms[at].surely != PLAN_BEGINNING ||
        part_of(info, i, (enum term_op)terms[at].op, &range) != PLAN_BEGINNING)
      continue;
    plan_take_end(plan, info, range.low, terms, terms[at].col);
    plan_take_end(plan, info, range.high, terms, terms[at].col);
  }
}

/* Is it of consequence what affinity a value has that is bound? */
static bool plan_minds(const struct fed_column *col,
                       const struct plan_term *term)
{
  bool range = term->op >= TERM_LT && term->op <= TERM_GE;

  if (term->literal || term->in || term->implied) return false;
  if (col->class == FED_CLASS_DECIMAL) return true;
  return range &&
         (col->class == FED_CLASS_TEXT || col->class == FED_CLASS_CHAR ||
          col->class == FED_CLASS_OTHER || col->class == FED_CLASS_ANY);
}

static void plan_take_values(const struct fed_table *table, struct plan *plan)
{
  for (int i = 0; i < plan->nterm; i++) {
    struct plan_term *term = &plan_terms(plan)[i];

    term->stands = plan_minds(&table->rel.col[term->col], term);
    plan->stands |= term->stands;
  }
}

static void plan_take_joins(struct plan *plan)
{
  plan->joins = PLAN_JOINS_INNER;
  for (int i = 0; i < plan->nterm; i++)
    if (plan_terms(plan)[i].surely != PLAN_WHOLE)
      plan->joins = PLAN_JOINS_UNKNOWN;
}

/* Bit 63 of colUsed stands for every column from the 64th on. */
static bool plan_uses(sqlite3_index_info *info, int col)
{
  return (info->colUsed >> (col < 63 ? col : 63)) & 1;
}

/* Will the server's answer be SQLite's, whatever the value turns out to be? Of
 * a literal it is known by now. */
static bool plan_is_sure(const struct fed_table *table, const struct plan *plan,
                         sqlite3_index_info *info, int i)
{
  int at = info->aConstraintUsage[i].argvIndex - 1;
  const struct plan_term *term = &plan_terms(plan)[at];
  const struct fed_column *col;
  struct fed_value value;
  sqlite3_value *literal;
  struct term_now now;
  enum term_use use;
  char buf[48];

  if (at < 0 || term->in || term->is || term->implied ||
      term->surely != PLAN_WHOLE)
    return false;
  col = &table->rel.col[term->col];
  if (term_fit(plan->dialect, col, (enum term_op)term->op) != TERM_EXACT ||
      term_fit(plan->dialect, col, TERM_NOTNULL) != TERM_EXACT)
    return false;
  if (term->op == TERM_ISNULL || term->op == TERM_NOTNULL) return true;
  if (sqlite3_vtab_rhs_value(info, i, &literal) != SQLITE_OK) return false;
  now = term_planned(plan->dialect, col, (enum term_op)term->op);
  use = term_value(plan->dialect, col, &now, literal, true, buf, &value);
  if (use == TERM_BIND && now.op == TERM_EQ)
    return !rhs_rounds(plan->dialect, col, &value);
  return use != TERM_DROP;
}

/*
 * A count(*) with a WHERE uses the columns of its terms. Where the server's
 * answer to all of them is exact, SQLite need not check it (omit), and may
 * read no column at all: scan.c finds that out, and asks for the number only.
 * Beside a GROUP BY or DISTINCT it may read only the columns of that.
 */
static bool plan_take_sure(const struct fed_table *table,
                           const struct plan *plan, sqlite3_index_info *info)
{
  const struct plan_term *term = plan_terms(plan);

  if (plan->nterm == 0 || plan_wants_limit(info) ||
      (info->nOrderBy > 0 && sqlite3_vtab_distinct(info) == 0))
    return false;
  for (int i = 0; i < info->nConstraint; i++)
    if (!plan_is_sure(table, plan, info, i)) return false;
  for (int i = 0; i < table->rel.ncol; i++) {
    bool termed = !plan_uses(info, i);

    for (int t = 0; t < plan->nterm && !termed; t++)
      termed = term[t].col == i;
    for (int o = 0; o < info->nOrderBy && !termed; o++)
      termed = info->aOrderBy[o].iColumn == i;
    if (!termed) return false;
  }
  for (int i = 0; i < info->nConstraint; i++)
    info->aConstraintUsage[i].omit = 1;
  return true;
}

/* ---- order and limit --------------------------------------------------- */

const char *plan_order_bar(const struct fed_table *table,
                           const struct fed_dialect *dialect,
                           const sqlite3_index_info *info)
{
  if (!pushdown_is_on(table)) return PLAN_OFF;
  for (int i = 0; i < info->nOrderBy; i++) {
    int at = info->aOrderBy[i].iColumn;
    const struct fed_column *col;

    if (at < 0) at = table->rowid;
    if (at < 0) return "the rowid is made here";
    col = &table->rel.col[at];
    if (term_sorts(dialect, col) == FORM_NONE)
      return "the server sorts this type in another order";
    if (plan_has_text(col) && !plan_is_utf8(table->fdb->db)) return PLAN_UTF16;
  }
  return NULL;
}

static void plan_take_order(const struct fed_table *table, struct plan *plan,
                            sqlite3_index_info *info, struct plan_order *order)
{
  if (plan_order_bar(table, plan->dialect, info)) return;
  for (int i = 0; i < info->nOrderBy; i++) {
    int col = info->aOrderBy[i].iColumn;

    order[i].col = (int16_t)(col < 0 ? table->rowid : col);
    order[i].desc = info->aOrderBy[i].desc != 0;
  }
  plan->norder = (int16_t)info->nOrderBy;
  info->orderByConsumed = info->nOrderBy > 0;
}

/*
 * A LIMIT is sent as the size of the first chunk: scan.c goes on where SQLite
 * asks for more. It must, for two reasons. SQLite before 3.46 offers LIMIT
 * beside terms that it does not show (`a > b`, both of this table), and any
 * version beside a `>=` that is only a part of a row value's `>`. It pays
 * where the order is the server's and all terms that show are sent.
 */
const char *plan_limit_bar(const struct fed_table *table,
                           const struct plan *plan, sqlite3_index_info *info)
{
  int nsent = 0;

  if (!pushdown_is_on(table)) return PLAN_OFF;
  if (plan->norder < info->nOrderBy) return "SQLite sorts first";
  if (sqlite3_vtab_distinct(info) != 0) return "SQLite groups the rows first";
  for (int i = 0; i < info->nConstraint; i++) {
    const struct sqlite3_index_constraint *c = &info->aConstraint[i];

    if (!c->usable) return "a term waits for a table that is read later";
    if (!plan_is_limit(c->op)) nsent++;
  }
  return nsent == plan->nterm ? NULL : "SQLite checks a term first";
}

/* SQLite skips OFFSET rows itself; both numbers are needed for our LIMIT. */
static void plan_take_limit(struct plan *plan, sqlite3_index_info *info)
{
  int next = plan->nterm;

  for (int i = 0; i < info->nConstraint; i++) {
    unsigned char op = info->aConstraint[i].op;

    if (!plan_is_limit(op)) continue;
    info->aConstraintUsage[i].argvIndex = ++next;
    if (op == SQLITE_INDEX_CONSTRAINT_LIMIT)
      plan->limit = (int16_t)next;
    else
      plan->offset = (int16_t)next;
  }
}

/* ---- columns ----------------------------------------------------------- */

/* The key that is the rowid is always read: xRowid may ask for it. */
static void plan_take_columns(const struct fed_table *table, struct plan *plan,
                              sqlite3_index_info *info, int16_t *columns)
{
  for (int i = 0; i < table->rel.ncol; i++)
    if (plan_uses(info, i) || i == table->rowid)
      columns[plan->ncol++] = (int16_t)i;
}

/* ---- the first attempt ------------------------------------------------- */

#define PLAN_PEEK_ROWS 10000

/*
 * min() and max() come as an order, of which SQLite takes one row. A query for
 * a whole column in order looks the same; its second attempt gives the rest,
 * which costs little beside many rows.
 */
static bool plan_may_peek(const struct fed_table *table,
                          const struct plan *plan, sqlite3_index_info *info)
{
  return table->rel.rows >= PLAN_PEEK_ROWS && plan->rows >= PLAN_PEEK_ROWS &&
         plan->norder == 1 && plan_orders(plan)->col < 63 &&
         info->colUsed == (sqlite3_uint64)1 << plan_orders(plan)->col &&
         !plan_wants_limit(info) && sqlite3_vtab_distinct(info) == 0 &&
         !plan_limit_bar(table, plan, info);
}

/* Would the server use an index if it need not be exact about the order? */
static void plan_take_guard(const struct fed_table *table, struct plan *plan)
{
  const struct plan_order *order = plan_orders(plan);
  enum fed_kind kind = table->rel.kind;

  if (!plan->dialect->numbered || plan->norder == 0 ||
      (kind != FED_KIND_TABLE && kind != FED_KIND_PARTITIONED &&
       kind != FED_KIND_MATVIEW))
    return;
  for (int i = 0; i < plan->norder; i++) {
    const struct fed_column *col = &table->rel.col[order[i].col];
    enum term_form form = term_sorts(plan->dialect, col);

    plan->guard |= form == FORM_DATE || form == FORM_NUMBER;
    if (i == 0 && (plan->limit || plan->peek) && !col->notnull &&
        form != FORM_TEXT)
      plan->nulls = order[i].desc ? PLAN_NULLS_LEFT : PLAN_NULLS_NONE;
  }
  plan->guard |= plan->nulls != PLAN_NULLS_SAID;
}

static bool plan_needs(const struct fed_table *table, const struct plan *plan,
                       int col)
{
  for (int i = 0; i < plan->norder; i++)
    if (plan_orders(plan)[i].col == col) return true;
  if (plan->alike != PLAN_GROUP_NONE) return false;
  for (int i = 0; i < plan->nterm; i++)
    if (plan_terms(plan)[i].col == col) return true;
  if (plan->write == PLAN_WRITE_ROWS && table->rel.col[col].key) return true;
  return col == table->rowid;
}

bool plan_is_probed(const struct plan *plan)
{
  for (int i = 0; i < plan->nterm; i++)
    if (plan_terms(plan)[i].op == TERM_EQ && !plan_terms(plan)[i].in &&
        !plan_terms(plan)[i].literal)
      return true;
  return false;
}

/* The columns that are dropped stand behind the others. */
void plan_narrow(const struct fed_table *table, struct plan *plan,
                 uint64_t columns)
{
  int16_t *column = plan_columns(plan);
  int16_t n = 0;

  for (int16_t i = 0; i < plan->ncol; i++) {
    int16_t col = column[i];

    if (!((columns >> (col < 63 ? col : 63)) & 1) &&
        !plan_needs(table, plan, col))
      continue;
    memmove(column + n + 1, column + n, (size_t)(i - n) * sizeof *column);
    column[n++] = col;
  }
  if (n == plan->ncol) return;
  plan->nwide = plan->ncol;
  plan->ncol = n;
  plan->id++;
}

void plan_widen(struct plan *plan)
{
  plan->ncol = plan->nwide;
  plan->nwide = 0;
  plan->id++;
}

void plan_lock(const struct fed_table *table, struct plan *plan)
{
  int16_t *column = plan_columns(plan);

  for (int16_t i = 0; i < table->rel.ncol; i++) {
    int16_t k = 0;

    while (k < plan->ncol && column[k] != i)
      k++;
    if (k == plan->ncol && table->rel.col[i].key) column[plan->ncol++] = i;
  }
  plan->count = plan->counts = plan->peek = false;
  plan->alike = PLAN_GROUP_NONE;
  plan->moved = true;
  plan->id++;
}

enum plan_ask plan_asks(const struct plan *plan)
{
  if (plan->count) return PLAN_ASK_NUMBER;
  return plan->alike == PLAN_GROUP_NONE ? PLAN_ASK_ROWS : PLAN_ASK_GROUPS;
}

bool plan_asks_type(const struct plan *plan, enum plan_ask ask, int i)
{
  const int16_t *column = plan_columns(plan);

  if (ask != PLAN_ASK_GROUPS) return ask == PLAN_ASK_NUMBER;
  for (int k = 0; k < plan->ncol; k++)
    if (column[k] == plan_terms(plan)[i].col) return false;
  return true;
}

/* ---- xBestIndex -------------------------------------------------------- */

/* SQL and plan as one block that SQLite frees with the statement. */
static int plan_publish(const struct fed_table *table, const struct plan *plan,
                        sqlite3_index_info *info, struct fed_err *err)
{
  struct fed_str sql;
  size_t offset;
  int rc;

  fed_str_init(&sql, FED_STR_SQL);
  deparse(table, plan, NULL, -1, plan_asks(plan), true, &sql);
  if (plan->limit) fed_str_add(&sql, " LIMIT ?");
  if (plan->peek) fed_str_add(&sql, " LIMIT 1");
  rc = fed_str_err(&sql, err);
  if (rc == SQLITE_OK) {
    offset = plan_offset(sql.len);
    info->idxStr = fed_alloc(offset + plan_size(table, plan));
    if (!info->idxStr) rc = fed_err_nomem(err);
  }
  if (rc == SQLITE_OK) {
    memcpy(info->idxStr, sql.s, sql.len + 1);
    memcpy(info->idxStr + offset, plan, plan_size(table, plan));
    info->needToFreeIdxStr = 1;
  }
  fed_str_release(&sql);
  return rc;
}

/* Each array is filled behind the last: the order of the calls matters. */
static void plan_fill(struct fed_table *table, struct plan *plan,
                      sqlite3_index_info *info)
{
  plan_take_terms(table, plan, info, plan_terms(plan));
  plan_take_joins(plan);
  plan_take_values(table, plan);
  plan_take_order(table, plan, info, plan_orders(plan));
  plan->count = info->colUsed == 0 && plan->nterm == 0 && plan->norder == 0 &&
                !plan_wants_limit(info) && pushdown_is_on(table);
  plan->sure = plan_take_sure(table, plan, info);
  plan_take_columns(table, plan, info, plan_columns(plan));
  if (plan_wants_limit(info) && !plan_limit_bar(table, plan, info))
    plan_take_limit(plan, info);
  cost_plan(table, plan, info);
  plan->peek = plan_may_peek(table, plan, info);
  plan_take_guard(table, plan);
  group_plan(table, plan, info);
}

/*
 * A rowid made by a hash tells rows apart within one scan; another scan, by
 * other columns, gives another. To look one up would find a wrong row.
 */
static int plan_check_rowid(const struct fed_table *table,
                            const sqlite3_index_info *info, struct fed_err *err)
{
  for (int i = 0; i < info->nConstraint && table->rowid < 0; i++)
    if (info->aConstraint[i].iColumn < 0 &&
        !plan_is_limit(info->aConstraint[i].op))
      return fed_err_set(err, SQLITE_ERROR,
                         "table '%s.%s' has no integer key: its rows cannot "
                         "be found by rowid",
                         table->schema, table->name);
  return SQLITE_OK;
}

int plan_best_index(sqlite3_vtab *vtab, sqlite3_index_info *info)
{
  struct fed_table *table = table_of(vtab);
  struct fed_err err = FED_ERR_INIT;
  struct fed_server *server = NULL;
  struct plan *plan;
  int rc = table_server(table, &server, &err);

  if (rc == SQLITE_OK) rc = plan_check_rowid(table, info, &err);
  if (rc != SQLITE_OK) return table_fail(vtab, &err);
  plan = fed_alloc(sizeof *plan +
                   (size_t)info->nConstraint * sizeof(struct plan_term) +
                   (size_t)info->nOrderBy * sizeof(struct plan_order) +
                   (size_t)table->rel.ncol * sizeof(int16_t));
  if (plan) {
    plan->id = table->fdb->plan_id += PLAN_IDS;
    plan->dialect = fed_server_driver(server)->dialect;
    plan_fill(table, plan, info);
    rc = plan_publish(table, plan, info, &err);
    if (rc == SQLITE_OK && table->fdb->explain)
      rc = explain_plan(table, plan, info, &err);
  } else {
    rc = fed_err_nomem(&err);
  }
  fed_free(plan);
  return rc == SQLITE_OK ? SQLITE_OK : table_fail(vtab, &err);
}
