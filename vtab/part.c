/*
 * part: how much of a term is of the WHERE clause.
 *
 * Before 3.51 SQLite offers <>, IS NOT NULL, LIKE and GLOB to a table even
 * where they stand in the ON of a LEFT JOIN to another, whose rows they must
 * not lose. It offers a LIMIT only where there is no other. And where there is
 * the range of a pattern's beginning, every row that is wanted has that
 * beginning: so much can be asked for, if the range is taken as well. It then
 * tells SQLite that the plan waits for the other table, should it be of an ON
 * (plan_take_end), and is not usable when SQLite asks again. Whether there
 * is an outer join at all is known when the statement runs (plan->joins).
 */
#include "vtab/part.h"

static bool part_is_text(enum term_op op, const char *a, const char *b, int n)
{
  return op == TERM_LIKE ? sqlite3_strnicmp(a, b, n) == 0
                         : strncmp(a, b, (size_t)n) == 0;
}

static bool part_is_low(enum term_op op, const char *text, const char *pattern,
                        int n)
{
  return part_is_text(op, text, pattern, n) && !text[n];
}

static bool part_is_high(enum term_op op, const char *text, const char *pattern,
                         int n)
{
  int last = (unsigned char)pattern[n - 1];

  if (op == TERM_LIKE && last >= 'A' && last <= 'Z') last += 'a' - 'A';
  return part_is_text(op, text, pattern, n - 1) &&
         (unsigned char)text[n - 1] == last + 1 && !text[n];
}

/*
 * Find `>= 'ABC' AND < 'abd'`, under NOCASE, for LIKE 'abc%x': SQLite derives
 * it, and under BINARY from a GLOB.
 */
static struct part_range part_range(sqlite3_index_info *info, int i,
                                    enum term_op op, const char *pattern)
{
  const char *collation = op == TERM_LIKE ? "NOCASE" : "BINARY";
  int n = (int)strcspn(pattern, op == TERM_LIKE ? "%_" : "*?[");
  struct part_range range = {-1, -1};

  /* After '@' comes 'A', which under NOCASE is 'a': no tight range. */
  if (n == 0 || (op == TERM_LIKE && pattern[n - 1] == '@')) return range;
  for (int k = 0; k < info->nConstraint; k++) {
    const struct sqlite3_index_constraint *c = &info->aConstraint[k];
    sqlite3_value *value = NULL;
    const char *text;

    if (!c->usable || c->iColumn != info->aConstraint[i].iColumn ||
        (c->op != SQLITE_INDEX_CONSTRAINT_GE &&
         c->op != SQLITE_INDEX_CONSTRAINT_LT) ||
        sqlite3_stricmp(sqlite3_vtab_collation(info, k), collation) ||
        sqlite3_vtab_rhs_value(info, k, &value) != SQLITE_OK)
      continue;
    text = (const char *)sqlite3_value_text(value);
    if (!text) continue;
    if (c->op == SQLITE_INDEX_CONSTRAINT_GE) {
      if (part_is_low(op, text, pattern, n)) range.low = k;
    } else if (part_is_high(op, text, pattern, n)) {
      range.high = k;
    }
  }
  return range;
}

enum plan_part part_of(sqlite3_index_info *info, int i, enum term_op op,
                       struct part_range *range)
{
  sqlite3_value *value = NULL;
  const char *pattern;

  if (op != TERM_NE && op != TERM_NOTNULL && op != TERM_LIKE && op != TERM_GLOB)
    return PLAN_WHOLE;
  if (sqlite3_libversion_number() >= 3051000 || plan_wants_limit(info))
    return PLAN_WHOLE;
  if ((op != TERM_LIKE && op != TERM_GLOB) ||
      sqlite3_vtab_rhs_value(info, i, &value) != SQLITE_OK)
    return PLAN_NOTHING;
  pattern = (const char *)sqlite3_value_text(value);
  if (!pattern) return PLAN_NOTHING;
  *range = part_range(info, i, op, pattern);
  return range->low >= 0 && range->high >= 0 ? PLAN_BEGINNING : PLAN_NOTHING;
}
