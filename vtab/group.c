/*
 * group: rows that are alike come once.
 *
 * DISTINCT and GROUP BY show as an order, and sqlite3_vtab_distinct() tells
 * them apart. Of a DISTINCT, one of several rows is enough that are equal in
 * all that SQLite reads of them. For all else it gets as many as there are;
 * but those that are alike need not travel each by itself: the server groups
 * them and tells their number, and the cursor gives each so often. That holds
 * whatever the statement does with them, and SQLite may check terms as ever.
 * It pays where there are few groups, which a GROUP BY or an aggregate of few
 * columns promises.
 *
 * What SQLite reads is not what it calls used: see shape.c. So what is planned
 * here is looked at again when the scan starts.
 */
#include <stdlib.h>

#include "vtab/shape.h"
#include "vtab/table.h"

/* Fewer rows are not worth it, nor are more groups, nor groups so small. */
#define GROUP_ROWS  1000.0
#define GROUP_MAX   100000.0
#define GROUP_SHARE 10.0
/* Where the server does not count a column's values, as MySQL does only of
 * indexes: what DISTINCT or GROUP BY is asked of has few. */
#define GROUP_GUESS 100.0

/* Tests group whatever the numbers are. */
static bool group_always(void)
{
#ifdef FED_TEST
  return getenv("FED_TEST_GROUP") != NULL;
#else
  return false;
#endif
}

static bool group_is_fixed(const struct plan *plan, int col)
{
  const struct plan_term *term = plan_terms(plan);

  for (int i = 0; i < plan->nterm; i++)
    if (term[i].col == col && term[i].op == TERM_EQ && !term[i].in) return true;
  return false;
}

static double group_values(const struct fed_column *col, bool guess)
{
  if (group_always()) return 1;
  if (col->class == FED_CLASS_BOOL) return 3;
  if (col->distinct >= 0) return col->distinct + 1;
  return guess && !col->key && !col->indexed ? GROUP_GUESS : -1;
}

/* How many different rows of these columns there may be; -1: not known, or
 * the server may take for equal what is not. */
static double group_number(const struct fed_table *table,
                           const struct plan *plan, uint64_t columns,
                           bool guess)
{
  double n = 1;

  if (columns == 0 || columns >> 63) return -1;
  for (int i = 0; i < table->rel.ncol && i < 63; i++) {
    const struct fed_column *col = &table->rel.col[i];
    double values = group_is_fixed(plan, i) ? 1 : group_values(col, guess);

    if (!((columns >> i) & 1)) continue;
    if (values < 0 || !term_groups(plan->dialect, col)) return -1;
    n *= values;
  }
  return n;
}

static bool group_pays(const struct fed_table *table, const struct plan *plan,
                       uint64_t columns, bool guess)
{
  double n = group_number(table, plan, columns, guess);

  if (n < 0 || group_always()) return n >= 0;
  return plan->rows >= GROUP_ROWS && n <= GROUP_MAX &&
         n * GROUP_SHARE <= plan->rows;
}

/* The columns that are read, as far as is known by now. */
static uint64_t group_columns(const struct plan *plan,
                              const sqlite3_index_info *info)
{
  uint64_t columns = 0;

  if (!plan->sure) return info->colUsed;
  for (int i = 0; i < info->nOrderBy; i++) {
    int col = info->aOrderBy[i].iColumn;

    columns |= (uint64_t)1 << (col < 0 || col > 63 ? 63 : col);
  }
  return columns;
}

void group_plan(const struct fed_table *table, struct plan *plan,
                sqlite3_index_info *info)
{
  int distinct = sqlite3_vtab_distinct(info);
  uint64_t columns = group_columns(plan, info);

  if (!pushdown_is_on(table) || plan->count || plan->limit || plan->peek)
    return;
  for (int i = 0; i < 63 && !plan->groups; i++)
    plan->groups = ((info->colUsed >> i) & 1) &&
                   group_pays(table, plan, (uint64_t)1 << i, distinct != 0);
  if (distinct == 0 || !group_pays(table, plan, columns, true)) return;
  plan->alike = distinct == 1 ? PLAN_GROUP_TIMES : PLAN_GROUP_ONCE;
  plan_narrow(table, plan, columns);
}

void group_look(const struct fed_table *table, struct plan *plan,
                const struct shape *shape, const struct shape_use *use)
{
  enum plan_group group = plan->alike;
  bool planned = group != PLAN_GROUP_NONE;

  if (!planned && shape->aggregates && plan->groups) group = PLAN_GROUP_TIMES;
  plan->moved |= group != PLAN_GROUP_NONE;
  if (planned && plan->nwide) plan_widen(plan);
  plan->alike = PLAN_GROUP_NONE;
  if (group == PLAN_GROUP_NONE || !use || !shape->stmt || shape->n != 1 ||
      use->cursors != 1 || use->scans != 1 || use->rowid || plan->counts ||
      !group_pays(table, plan, use->columns, planned))
    return;
  plan->alike = group;
  plan_narrow(table, plan, use->columns);
}
