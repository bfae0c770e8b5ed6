/*
 * cost: what a plan costs, and how many rows it gives, for SQLite to choose
 * the order of a join by. All of it is a guess and changes no answer.
 *
 * SQLite's unit is about 15 ns of local work. It counts 3 for each row of a
 * local table that is scanned, and log2(rows) and a few more for a look-up in
 * an index. The numbers here are measured against that.
 *
 * SQLite multiplies the cost of an inner table by the rows of the outer ones,
 * a number that it does not tell. But N look-ups cost less than N times one:
 * what is probed again and again is fetched whole, if it is not too large, or
 * by batches of keys. So a look-up by a value that is not known yet counts
 * like one in a local index, and joins get the order they would have over
 * local tables with the same indexes. Only where a table is too large to be
 * fetched does each look-up count as the round trip it is: then the large
 * table goes outside, if that is cheaper.
 */
#include <math.h>

#include "vtab/table.h"

#define COST_ROUND_TRIP  5000.0 /* 80 us on a socket of the same host */
#define COST_FILE        300.0  /* a statement on a file, in this process */
#define COST_SERVER_ROW  3.0    /* a row that the server looks at */
#define COST_WIRE_ROW    7.0    /* one that it sends: 0.1 us, */
#define COST_WIRE_COLUMN 2.0    /* and 30 ns for each column of it */
#define COST_SORT        0.5    /* for each comparison there */
#define COST_FETCHED_ROW 4.0    /* one found among those fetched before */

/* A table of more rows is not fetched whole. */
#define COST_FETCH_ROWS 2e6
/* One key of a list: 4 us would be 270. But SQLite takes a local table without
 * statistics for a million rows, and would scan the remote one instead. */
#define COST_KEY 100.0
/* A key of more rows goes alone. */
#define COST_KEY_ROWS 1000.0
/* Without an index the first look-up is as dear as all rows; so many others
 * are taken to share it. */
#define COST_PROBES 1000.0

/* Where the server tells nothing. */
#define COST_UNKNOWN_ROWS     1e5
#define COST_UNKNOWN_DISTINCT 100.0
#define COST_UNKNOWN_NULLS    0.05
#define COST_ROWS_OF_KEY      10.0 /* as SQLite takes it of an index */

#define COST_RANGE   (1.0 / 3)
#define COST_PATTERN 0.05

/* What one plan is weighed by. */
struct cost {
  const struct fed_table *table;
  const struct plan *plan;
  double rows; /* of the whole table */
};

/* ---- which part of the rows -------------------------------------------- */

/* Is the column a key by itself? */
static bool cost_is_key(const struct fed_table *table, int col)
{
  for (int i = 0; i < table->rel.ncol; i++)
    if (i != col && table->rel.col[i].key) return false;
  return table->rel.col[col].key != 0;
}

static double cost_distinct(const struct cost *cost, int i)
{
  const struct fed_column *col = &cost->table->rel.col[i];
  double distinct = col->distinct;

  if (cost_is_key(cost->table, i)) return cost->rows;
  if (distinct < 0 && col->indexed) distinct = cost->rows / COST_ROWS_OF_KEY;
  if (distinct < 0)
    distinct = col->class == FED_CLASS_BOOL ? 2 : COST_UNKNOWN_DISTINCT;
  if (distinct > cost->rows) distinct = cost->rows;
  return distinct < 1 ? 1 : distinct;
}

/* Of the rows, the part that one term leaves. */
static double cost_of_term(const struct cost *cost,
                           const struct plan_term *term)
{
  const struct fed_column *col = &cost->table->rel.col[term->col];
  double nulls = col->nulls < 0 || col->notnull ? 0 : col->nulls;
  double equal = 1 / cost_distinct(cost, term->col);

  if (term->implied) return 1;
  switch ((enum term_op)term->op) {
  case TERM_EQ:
    return (1 - nulls) * (term->in ? fmin(equal * COST_LIST, 1) : equal);
  case TERM_NE:
    return (1 - nulls) * (1 - equal);
  case TERM_LT:
  case TERM_LE:
  case TERM_GT:
  case TERM_GE:
    return (1 - nulls) * COST_RANGE;
  case TERM_ISNULL:
    return col->nulls < 0 && !col->notnull ? COST_UNKNOWN_NULLS : nulls;
  case TERM_NOTNULL:
    return 1 - nulls;
  case TERM_LIKE:
  case TERM_GLOB:
    return (1 - nulls) * COST_PATTERN;
  case TERM_OPS:
    break;
  }
  return 1;
}

/* The part that all terms on the column of term `i` leave: both ends of a
 * range are one thing. 1 if an earlier term has told it. */
static double cost_of_column(const struct cost *cost, int i, bool literal)
{
  const struct plan_term *term = plan_terms(cost->plan);
  double part = 1;

  for (int k = 0; k < cost->plan->nterm; k++) {
    if (term[k].col != term[i].col || (literal && !term[k].literal)) continue;
    if (k < i) return 1;
    part *= (double)term[k].part;
  }
  return part;
}

/*
 * The part of all rows that the terms leave; with `literal`, those alone
 * whose value is known now. Columns are seldom as independent as a product of
 * their parts takes them: each part counts half as much as the one before.
 */
static double cost_selectivity(const struct cost *cost, bool literal)
{
  double best[4] = {1, 1, 1, 1};

  for (int i = 0; i < cost->plan->nterm; i++) {
    double part = cost_of_column(cost, i, literal);

    for (int k = 0; k < 4; k++)
      if (part < best[k]) {
        double next = best[k];

        best[k] = part;
        part = next;
      }
  }
  return best[0] * sqrt(best[1]) * pow(best[2], 0.25) * pow(best[3], 0.125);
}

/* The part of the rows that the server looks at: what its best index finds. */
static double cost_examined(const struct cost *cost)
{
  const struct plan_term *term = plan_terms(cost->plan);
  double part = 1;

  for (int i = 0; i < cost->plan->nterm; i++)
    if (cost->table->rel.col[term[i].col].indexed &&
        (term[i].op == TERM_EQ ||
         (term[i].op >= TERM_LT && term[i].op <= TERM_GE)))
      part = fmin(part, cost_of_column(cost, i, false));
  return part;
}

static bool cost_has_term(const struct plan *plan, int col)
{
  const struct plan_term *term = plan_terms(plan);

  for (int i = 0; i < plan->nterm; i++)
    if (term[i].col == col) return true;
  return false;
}

/* The part of the rows found that SQLite's own tests of them will leave:
 * those of terms that are not sent, on columns of which nothing is. */
static double cost_left(const struct cost *cost, const sqlite3_index_info *info)
{
  double part = 1;

  for (int i = 0; i < info->nConstraint; i++) {
    const struct sqlite3_index_constraint *c = &info->aConstraint[i];
    struct plan_term term = {.col = (int16_t)c->iColumn};
    enum term_op op;

    if (!c->usable || info->aConstraintUsage[i].argvIndex || c->iColumn < 0 ||
        !term_op_of(c->op, &op, &term.is) ||
        cost_has_term(cost->plan, c->iColumn))
      continue;
    term.op = (uint8_t)op;
    part *= cost_of_term(cost, &term);
  }
  return part;
}

/* ---- look-ups ---------------------------------------------------------- */

/*
 * Is the key's uniqueness the same to SQLite? A text may be compared as a
 * number: '5' and '05' are two keys and one number.
 */
static bool cost_is_unique(const struct fed_table *table)
{
  for (int i = 0; i < table->rel.ncol; i++) {
    enum fed_type storage = fed_class_storage(table->rel.col[i].class);

    if (table->rel.col[i].key && (storage == FED_TEXT || storage == FED_NULL))
      return false;
  }
  return true;
}

/* Is the column fixed to one value? */
static bool cost_is_fixed(const struct plan *plan, int col)
{
  const struct plan_term *term = plan_terms(plan);

  for (int i = 0; i < plan->nterm; i++)
    if (term[i].col == col && term[i].op == TERM_EQ && !term[i].in) return true;
  return false;
}

/* Do the terms fix every column of the key to one value? */
static bool cost_is_lookup(const struct fed_table *table,
                           const struct plan *plan)
{
  int nkey = 0, nfixed = 0;

  for (int i = 0; i < table->rel.ncol; i++) {
    if (!table->rel.col[i].key) continue;
    nkey++;
    nfixed += cost_is_fixed(plan, i);
  }
  return nkey > 0 && nkey == nfixed;
}

/* Is a row looked up by a value that comes later: from another table, or
 * bound? *indexed: and the server has an index for it. */
static bool cost_is_probe(const struct cost *cost, bool *indexed)
{
  const struct plan_term *term = plan_terms(cost->plan);
  bool probe = false;

  *indexed = false;
  for (int i = 0; i < cost->plan->nterm; i++)
    if (term[i].op == TERM_EQ && !term[i].in && !term[i].literal) {
      probe = true;
      *indexed |= cost->table->rel.col[term[i].col].indexed;
    }
  return probe;
}

/* ---- costs ------------------------------------------------------------- */

/* One execution that looks at `examined` rows and sends `sent`. */
static double cost_execution(const struct cost *cost, double examined,
                             double sent)
{
  const struct plan *plan = cost->plan;
  const struct plan_order *order = plan_orders(plan);
  bool is_file = plan->dialect == &fed_dialect_sqlite;
  double total =
    (is_file ? COST_FILE : COST_ROUND_TRIP) + examined * COST_SERVER_ROW;

  if (plan->count) return total;
  if (plan->norder > 0 && !cost->table->rel.col[order[0].col].indexed)
    total += sent * log2(sent + 2) * COST_SORT;
  return total + sent * (COST_WIRE_ROW + plan->ncol * COST_WIRE_COLUMN);
}

/* A look-up among `fetched` rows, which are here from the second one on. */
static double cost_probe(const struct cost *cost, double fetched, double found,
                         bool indexed)
{
  double total = log2(fetched + 2) + found * COST_FETCHED_ROW;

  if (!indexed)
    total += cost_execution(cost, cost->rows, fetched) / COST_PROBES;
  return total;
}

void cost_plan(const struct fed_table *table, struct plan *plan,
               sqlite3_index_info *info)
{
  struct cost cost = {.table = table, .plan = plan, .rows = table->rel.rows};
  bool lookup = cost_is_lookup(table, plan), indexed;
  struct plan_term *term = plan_terms(plan);
  double found, fetched;

  if (cost.rows < 0) cost.rows = COST_UNKNOWN_ROWS;
  if (cost.rows < 1) cost.rows = 1;
  for (int i = 0; i < plan->nterm; i++)
    term[i].part = (float)cost_of_term(&cost, &term[i]);
  fetched = cost.rows * cost_selectivity(&cost, true);
  found = lookup ? 1 : fmax(1, cost.rows * cost_selectivity(&cost, false));
  plan->rows = found;
  if (lookup && cost_is_unique(table))
    info->idxFlags |= SQLITE_INDEX_SCAN_UNIQUE;
  info->estimatedRows =
    (sqlite3_int64)fmin(fmax(found * cost_left(&cost, info), 1), 1e15);
  if (cost_is_probe(&cost, &indexed) && fetched <= COST_FETCH_ROWS)
    info->estimatedCost = cost_probe(&cost, fetched, found, indexed);
  else if (cost_is_probe(&cost, &indexed) && indexed && found <= COST_KEY_ROWS)
    info->estimatedCost =
      COST_KEY + found * (COST_WIRE_ROW + plan->ncol * COST_WIRE_COLUMN);
  else
    info->estimatedCost = cost_execution(
      &cost, fmax(found, cost.rows * cost_examined(&cost)), found);
}
