/*
 * plan: xBestIndex. SQLite offers terms of the WHERE clause, an order and a
 * limit; what the server may answer becomes a plan and its SQL.
 */
#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "vtab/table.h"

/*
 * Costs, in SQLite's own unit (about one row read from a local table). A
 * round trip is worth a few hundred local rows, a row over the wire three.
 */
#define PLAN_ROUND_TRIP   300.0
#define PLAN_ROW          3.0
#define PLAN_UNKNOWN_ROWS 100000.0

/* From here on a result is worth the fastest way to fetch it. */
#define PLAN_BULK_ROWS 10000.0

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

static size_t plan_size(const struct plan *plan)
{
  return sizeof *plan + (size_t)plan->nterm * sizeof(struct plan_term) +
         (size_t)plan->norder * sizeof(struct plan_order) +
         (size_t)plan->ncol * sizeof(int16_t);
}

/* Where the plan stands behind a text of `len` bytes: aligned for a struct. */
static size_t plan_offset(size_t len)
{
  size_t align = _Alignof(struct plan);

  return (len + 1 + align - 1) / align * align;
}

const struct plan *plan_of(const char *idxstr)
{
  return (const void *)(idxstr + plan_offset(strlen(idxstr)));
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

static bool plan_has_text(const struct fed_column *col)
{
  enum fed_type storage = fed_class_storage(col->class);

  return storage == FED_TEXT || storage == FED_NULL;
}

/* Comparisons of text mean what the server means only under one collation. */
static bool plan_collates(sqlite3 *db, sqlite3_index_info *info, int i,
                          const struct fed_column *col, enum term_op op)
{
  if (op > TERM_GE || !plan_has_text(col)) return true;
  if (sqlite3_stricmp(sqlite3_vtab_collation(info, i), term_collation(col)))
    return false;
  return op < TERM_LT || plan_is_utf8(db);
}

/*
 * Before 3.51 SQLite offers <>, IS NOT NULL, LIKE and GLOB to a table even
 * where they stand in the ON of a LEFT JOIN to another, whose rows they must
 * not lose. A LIKE of the WHERE clause with a prefix shows by the range that
 * SQLite derives from it, which it does not offer for an ON.
 */
static bool plan_is_of_where(sqlite3_index_info *info, int i, enum term_op op)
{
  sqlite3_value *pattern = NULL, *low = NULL;

  if (op != TERM_NE && op != TERM_NOTNULL && op != TERM_LIKE && op != TERM_GLOB)
    return true;
  if (sqlite3_libversion_number() >= 3051000) return true;
  if (op != TERM_LIKE || sqlite3_vtab_rhs_value(info, i, &pattern) != SQLITE_OK)
    return false;
  for (int k = 0; k < info->nConstraint; k++) {
    const char *text;

    if (info->aConstraint[k].iColumn != info->aConstraint[i].iColumn ||
        info->aConstraint[k].op != SQLITE_INDEX_CONSTRAINT_GE ||
        sqlite3_stricmp(sqlite3_vtab_collation(info, k), "NOCASE") ||
        sqlite3_vtab_rhs_value(info, k, &low) != SQLITE_OK)
      continue;
    text = (const char *)sqlite3_value_text(low);
    if (text && *text &&
        sqlite3_strnicmp((const char *)sqlite3_value_text(pattern), text,
                         (int)strlen(text)) == 0)
      return true;
  }
  return false;
}

/* Can constraint `i` be sent? Fills *term. */
static bool plan_term(const struct fed_table *table,
                      const struct fed_dialect *dialect,
                      sqlite3_index_info *info, int i, struct plan_term *term)
{
  const struct sqlite3_index_constraint *c = &info->aConstraint[i];
  int col = c->iColumn < 0 ? table->rowid : c->iColumn;
  sqlite3_value *literal = NULL;
  enum term_op op;

  if (!c->usable || col < 0 || !term_op_of(c->op, &op, &term->is)) return false;
  if (term_fit(dialect, &table->rel.col[col], op) == TERM_LOCAL ||
      !plan_collates(table->fdb->db, info, i, &table->rel.col[col], op) ||
      !plan_is_of_where(info, i, op))
    return false;
  if (op == TERM_LIKE && !plan_like_is_ascii(table->fdb->db)) return false;
  term->col = (int16_t)col;
  term->op = (uint8_t)op;
  term->in = op == TERM_EQ && sqlite3_vtab_in(info, i, -1);
  term->literal = sqlite3_vtab_rhs_value(info, i, &literal) == SQLITE_OK;
  return true;
}

static bool plan_is_limit(unsigned char op)
{
  return op == SQLITE_INDEX_CONSTRAINT_LIMIT ||
         op == SQLITE_INDEX_CONSTRAINT_OFFSET;
}

/* Take the terms that can be sent; number the arguments of xFilter. */
static void plan_take_terms(struct fed_table *table, struct plan *plan,
                            sqlite3_index_info *info, struct plan_term *terms)
{
  for (int i = 0; i < info->nConstraint; i++) {
    struct plan_term term = {0};

    if (!plan_term(table, plan->dialect, info, i, &term)) continue;
    if (term.in) sqlite3_vtab_in(info, i, 1);
    terms[plan->nterm++] = term;
    info->aConstraintUsage[i].argvIndex = plan->nterm;
  }
}

/* ---- order and limit --------------------------------------------------- */

static bool plan_take_order(struct fed_table *table, struct plan *plan,
                            sqlite3_index_info *info, struct plan_order *order)
{
  for (int i = 0; i < info->nOrderBy; i++) {
    int col = info->aOrderBy[i].iColumn;

    if (col < 0) col = table->rowid;
    if (col < 0 || !term_sorts(plan->dialect, &table->rel.col[col]) ||
        (plan_has_text(&table->rel.col[col]) && !plan_is_utf8(table->fdb->db)))
      return false;
    order[i].col = (int16_t)col;
    order[i].desc = info->aOrderBy[i].desc != 0;
  }
  plan->norder = (int16_t)info->nOrderBy;
  info->orderByConsumed = info->nOrderBy > 0;
  return true;
}

/*
 * A LIMIT is sent as the size of the first chunk: scan.c goes on where SQLite
 * asks for more. It must, for two reasons. SQLite before 3.46 offers LIMIT
 * beside terms that it does not show (`a > b`, both of this table), and any
 * version beside a `>=` that is only a part of a row value's `>`. It pays
 * where the order is the server's and all terms that show are sent.
 */
static bool plan_may_limit(const struct plan *plan, sqlite3_index_info *info,
                           bool ordered)
{
  int nsent = 0;

  if (!ordered || sqlite3_vtab_distinct(info) != 0) return false;
  for (int i = 0; i < info->nConstraint; i++) {
    const struct sqlite3_index_constraint *c = &info->aConstraint[i];

    if (!c->usable) return false;
    if (!plan_is_limit(c->op)) nsent++;
  }
  return nsent == plan->nterm;
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

static bool plan_wants_limit(sqlite3_index_info *info)
{
  for (int i = 0; i < info->nConstraint; i++)
    if (plan_is_limit(info->aConstraint[i].op)) return true;
  return false;
}

/* ---- columns ----------------------------------------------------------- */

/* Bit 63 of colUsed stands for every column from the 64th on. */
static bool plan_uses(sqlite3_index_info *info, int col)
{
  return (info->colUsed >> (col < 63 ? col : 63)) & 1;
}

/* The key that is the rowid is always read: xRowid may ask for it. */
static void plan_take_columns(const struct fed_table *table, struct plan *plan,
                              sqlite3_index_info *info, int16_t *columns)
{
  for (int i = 0; i < table->rel.ncol; i++)
    if (plan_uses(info, i) || i == table->rowid)
      columns[plan->ncol++] = (int16_t)i;
}

/* ---- cost -------------------------------------------------------------- */

static double plan_selectivity(const struct plan_term *term)
{
  static const double part[TERM_OPS] = {
    [TERM_EQ] = 0.02,    [TERM_NE] = 0.9,      [TERM_LT] = 0.3,
    [TERM_LE] = 0.3,     [TERM_GT] = 0.3,      [TERM_GE] = 0.3,
    [TERM_ISNULL] = 0.1, [TERM_NOTNULL] = 0.9, [TERM_LIKE] = 0.1,
    [TERM_GLOB] = 0.1,
  };

  return part[term->op] * (term->in ? 10 : 1);
}

/*
 * Is the key's uniqueness the same to SQLite? A text may be compared as a
 * number: '5' and '05' are two keys and one number.
 */
static bool plan_is_unique(const struct fed_table *table)
{
  for (int i = 0; i < table->rel.ncol; i++)
    if (table->rel.col[i].key && plan_has_text(&table->rel.col[i]))
      return false;
  return true;
}

/* Do the terms fix every column of the key to one value? */
static bool plan_is_lookup(const struct fed_table *table,
                           const struct plan *plan)
{
  const struct plan_term *term = plan_terms(plan);
  int nkey = 0, nfixed = 0;

  for (int i = 0; i < table->rel.ncol; i++) {
    if (!table->rel.col[i].key) continue;
    nkey++;
    for (int t = 0; t < plan->nterm; t++)
      if (term[t].col == i && term[t].op == TERM_EQ && !term[t].in) {
        nfixed++;
        break;
      }
  }
  return nkey > 0 && nkey == nfixed;
}

/* The text of the user's own query never goes the bulk way (drv.h). */
static bool plan_is_bulk(const struct fed_table *table, const struct plan *plan,
                         double rows)
{
  if (plan->limit || table->rel.kind == FED_KIND_QUERY) return false;
#ifdef FED_TEST
  if (getenv("FED_TEST_BULK")) return true;
#endif
  return rows >= PLAN_BULK_ROWS;
}

static void plan_cost(const struct fed_table *table, struct plan *plan,
                      sqlite3_index_info *info)
{
  const struct plan_term *term = plan_terms(plan);
  double rows = table->rel.rows < 0 ? PLAN_UNKNOWN_ROWS : table->rel.rows;

  for (int i = 0; i < plan->nterm; i++)
    rows *= plan_selectivity(&term[i]);
  if (rows < 1) rows = 1;
  if (plan_is_lookup(table, plan)) {
    rows = 1;
    if (plan_is_unique(table)) info->idxFlags |= SQLITE_INDEX_SCAN_UNIQUE;
  }
  info->estimatedRows = rows > 1e15 ? (sqlite3_int64)1e15 : (sqlite3_int64)rows;
  info->estimatedCost = PLAN_ROUND_TRIP + rows * PLAN_ROW;
  plan->bulk = plan_is_bulk(table, plan, rows);
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
  deparse(table, plan, NULL, -1, plan->count, &sql);
  if (plan->limit) fed_str_add(&sql, " LIMIT ?");
  rc = fed_str_err(&sql, err);
  if (rc == SQLITE_OK) {
    offset = plan_offset(sql.len);
    info->idxStr = fed_alloc(offset + plan_size(plan));
    if (!info->idxStr) rc = fed_err_nomem(err);
  }
  if (rc == SQLITE_OK) {
    memcpy(info->idxStr, sql.s, sql.len + 1);
    memcpy(info->idxStr + offset, plan, plan_size(plan));
    info->needToFreeIdxStr = 1;
  }
  fed_str_release(&sql);
  return rc;
}

/* Each array is filled behind the last: the order of the calls matters. */
static void plan_fill(struct fed_table *table, struct plan *plan,
                      sqlite3_index_info *info)
{
  bool ordered;

  plan_take_terms(table, plan, info, plan_terms(plan));
  ordered = plan_take_order(table, plan, info, plan_orders(plan));
  plan->count = info->colUsed == 0 && plan->nterm == 0 && plan->norder == 0 &&
                !plan_wants_limit(info);
  plan_take_columns(table, plan, info, plan_columns(plan));
  if (plan_wants_limit(info) && plan_may_limit(plan, info, ordered))
    plan_take_limit(plan, info);
  plan_cost(table, plan, info);
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
  if (rc != SQLITE_OK) {
    fed_server_unref(server);
    return table_fail(vtab, &err);
  }
  plan = fed_alloc(sizeof *plan +
                   (size_t)info->nConstraint * sizeof(struct plan_term) +
                   (size_t)info->nOrderBy * sizeof(struct plan_order) +
                   (size_t)table->rel.ncol * sizeof(int16_t));
  if (plan) {
    plan->dialect = fed_server_driver(server)->dialect;
    plan_fill(table, plan, info);
    rc = plan_publish(table, plan, info, &err);
  } else {
    rc = fed_err_nomem(&err);
  }
  fed_free(plan);
  fed_server_unref(server);
  return rc == SQLITE_OK ? SQLITE_OK : table_fail(vtab, &err);
}
