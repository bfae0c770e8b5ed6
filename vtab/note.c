/*
 * note: each call of xBestIndex, written down for fed_explain: what was
 * offered, what is sent of it, and why the rest is not.
 */
#include <math.h>

#include "base/mem.h"
#include "vtab/explain.h"

/* ---- the text of terms ------------------------------------------------- */

static const char *note_op(unsigned char op)
{
  switch (op) {
  case SQLITE_INDEX_CONSTRAINT_EQ:
    return "=";
  case SQLITE_INDEX_CONSTRAINT_GT:
    return ">";
  case SQLITE_INDEX_CONSTRAINT_LE:
    return "<=";
  case SQLITE_INDEX_CONSTRAINT_LT:
    return "<";
  case SQLITE_INDEX_CONSTRAINT_GE:
    return ">=";
  case SQLITE_INDEX_CONSTRAINT_MATCH:
    return "MATCH";
  case SQLITE_INDEX_CONSTRAINT_LIKE:
    return "LIKE";
  case SQLITE_INDEX_CONSTRAINT_GLOB:
    return "GLOB";
  case SQLITE_INDEX_CONSTRAINT_REGEXP:
    return "REGEXP";
  case SQLITE_INDEX_CONSTRAINT_NE:
    return "<>";
  case SQLITE_INDEX_CONSTRAINT_ISNOT:
    return "IS NOT";
  case SQLITE_INDEX_CONSTRAINT_ISNOTNULL:
    return "IS NOT NULL";
  case SQLITE_INDEX_CONSTRAINT_ISNULL:
    return "IS NULL";
  case SQLITE_INDEX_CONSTRAINT_IS:
    return "IS";
  default:
    return "(function)";
  }
}

static const char *note_column(const struct fed_table *table, int col)
{
  return col < 0 ? "rowid" : table->label[col];
}

/* A long one is of no use here. */
static void note_text(sqlite3_value *value, struct fed_str *text)
{
  const char *s = (const char *)sqlite3_value_text(value);

  if (!s)
    text->nomem = true;
  else if (strlen(s) > 100)
    fed_str_add(text, "'...'");
  else
    fed_str_quote(text, s, '\'');
}

/* As SQL would write it. */
static void note_literal(sqlite3_value *value, struct fed_str *text)
{
  char number[48];

  switch (sqlite3_value_type(value)) {
  case SQLITE_INTEGER:
    fed_str_addf(text, "%lld", (long long)sqlite3_value_int64(value));
    break;
  case SQLITE_FLOAT:
    rhs_real_text(number, sqlite3_value_double(value), 15);
    fed_str_add(text, number);
    break;
  case SQLITE_TEXT:
    note_text(value, text);
    break;
  case SQLITE_BLOB:
    fed_str_add(text, "x'...'");
    break;
  default:
    fed_str_add(text, "NULL");
    break;
  }
}

static void note_rhs(sqlite3_index_info *info, int i, struct fed_str *text)
{
  sqlite3_value *value = NULL;

  if (sqlite3_vtab_rhs_value(info, i, &value) == SQLITE_OK)
    note_literal(value, text);
  else
    fed_str_addc(text, '?');
}

static void note_term_text(const struct fed_table *table,
                           sqlite3_index_info *info, int i,
                           struct fed_str *text)
{
  const struct sqlite3_index_constraint *c = &info->aConstraint[i];
  const char *collation = sqlite3_vtab_collation(info, i);
  const struct fed_column *col =
    c->iColumn < 0 ? NULL : &table->rel.col[c->iColumn];

  fed_str_addf(text, "%s ", note_column(table, c->iColumn));
  if (sqlite3_vtab_in(info, i, -1)) {
    fed_str_add(text, "IN (...)");
  } else {
    fed_str_add(text, note_op(c->op));
    if (c->op == SQLITE_INDEX_CONSTRAINT_ISNULL ||
        c->op == SQLITE_INDEX_CONSTRAINT_ISNOTNULL)
      return;
    fed_str_addc(text, ' ');
    note_rhs(info, i, text);
  }
  if (col && plan_has_text(col) && c->op != SQLITE_INDEX_CONSTRAINT_LIKE &&
      c->op != SQLITE_INDEX_CONSTRAINT_GLOB &&
      sqlite3_stricmp(collation, term_collation(col)) != 0)
    fed_str_addf(text, " COLLATE %s", collation);
}

/* ---- noting down a call ------------------------------------------------ */

void explain_line(struct status_rows *lines, const char *part, const char *item,
                  const char *verdict, const char *why)
{
  status_text(lines, part);
  status_text(lines, item);
  status_text(lines, verdict);
  status_text(lines, why);
}

/* The same; frees the item. */
static void note_line(struct explain_call *call, const char *part,
                      struct fed_str *item, const char *verdict,
                      const char *why)
{
  call->lines.nomem |= item->nomem;
  explain_line(&call->lines, part, item->s, verdict, why);
  fed_str_release(item);
}

static const char *note_verdict(enum term_fit fit)
{
  switch (fit) {
  case TERM_EXACT:
    return "exact";
  case TERM_SUPERSET:
    return "superset";
  case TERM_LOCAL:
    return "local";
  }
  return NULL;
}

static void note_terms(struct explain_call *call, const struct fed_table *table,
                       const struct plan *plan, sqlite3_index_info *info)
{
  for (int i = 0; i < info->nConstraint; i++) {
    struct plan_term term = {0};
    struct plan_verdict verdict;
    struct fed_str text;

    if (plan_is_limit(info->aConstraint[i].op)) continue;
    verdict = plan_term(table, plan->dialect, info, i, &term);
    fed_str_init(&text, FED_STR_SQL);
    note_term_text(table, info, i, &text);
    if (verdict.fit != TERM_LOCAL && !term.literal && !term.in &&
        term.op != TERM_ISNULL && term.op != TERM_NOTNULL)
      fed_str_addf(&call->keys, "%s%s", call->keys.len ? " AND " : "", text.s);
    note_line(call, "term", &text, note_verdict(verdict.fit), verdict.why);
  }
  call->lines.nomem |= call->keys.nomem;
}

static void note_order(struct explain_call *call, const struct fed_table *table,
                       const struct plan *plan, sqlite3_index_info *info)
{
  const char *bar = plan_order_bar(table, plan->dialect, info);
  struct fed_str text;

  if (info->nOrderBy == 0) return;
  fed_str_init(&text, FED_STR_SQL);
  for (int i = 0; i < info->nOrderBy; i++)
    fed_str_addf(&text, "%s%s%s", i ? ", " : "",
                 note_column(table, info->aOrderBy[i].iColumn),
                 info->aOrderBy[i].desc ? " DESC" : "");
  note_line(call, "order", &text, bar ? "local" : "exact", bar);
}

static void note_clause(sqlite3_index_info *info, unsigned char op,
                        const char *word, struct fed_str *text)
{
  for (int i = 0; i < info->nConstraint; i++) {
    if (info->aConstraint[i].op != op) continue;
    fed_str_add(text, word);
    note_rhs(info, i, text);
  }
}

static void note_limit(struct explain_call *call, const struct fed_table *table,
                       const struct plan *plan, sqlite3_index_info *info)
{
  const char *bar = plan_limit_bar(table, plan, info);
  struct fed_str text;

  if (!plan_wants_limit(info)) return;
  fed_str_init(&text, FED_STR_SQL);
  note_clause(info, SQLITE_INDEX_CONSTRAINT_LIMIT, "LIMIT ", &text);
  note_clause(info, SQLITE_INDEX_CONSTRAINT_OFFSET, " OFFSET ", &text);
  note_line(call, "limit", &text, bar ? "local" : "superset",
            bar ? bar : "the rest is fetched if SQLite asks for more");
}

static void note_columns(struct explain_call *call,
                         const struct fed_table *table, const struct plan *plan)
{
  const int16_t *column = plan_columns(plan);
  struct fed_str names;
  char why[48];

  if (plan->count) {
    explain_line(&call->lines, "count", "count(*)", "exact", NULL);
    return;
  }
  if (plan->alike != PLAN_GROUP_NONE)
    explain_line(&call->lines, "group",
                 plan->alike == PLAN_GROUP_ONCE ? "once" : "count(*)", "exact",
                 NULL);
  fed_str_init(&names, FED_STR_SQL);
  for (int i = 0; i < plan->ncol; i++)
    fed_str_addf(&names, "%s%s", i ? ", " : "", note_column(table, column[i]));
  sqlite3_snprintf(sizeof why, why, "%d of %d", plan->ncol, table->rel.ncol);
  note_line(call, "columns", &names, NULL, why);
}

static void note_costs(struct explain_call *call, const struct fed_table *table,
                       const sqlite3_index_info *info)
{
  char why[48] = "estimated";

  if (table->rel.rows >= 0)
    sqlite3_snprintf(sizeof why, why, "estimated, of %.0f", table->rel.rows);
  status_text(&call->lines, "rows");
  status_int(&call->lines, info->estimatedRows);
  status_null(&call->lines);
  status_text(&call->lines, why);
  status_text(&call->lines, "cost");
  status_real(&call->lines, round(info->estimatedCost * 10) / 10);
  status_null(&call->lines);
  status_null(&call->lines);
}

static void note_free(struct explain_call *call)
{
  fed_list_remove(&call->link);
  fed_str_release(&call->keys);
  fed_free(call->name);
  fed_free(call->server);
  fed_free(call->sql);
  status_clear(&call->lines);
  fed_free(call);
}

static char *note_name(const struct fed_table *table)
{
  struct fed_str name;

  fed_str_init(&name, FED_STR_SQL);
  fed_str_addf(&name, "%s.%s", table->schema, table->name);
  return fed_str_detach(&name);
}

int explain_plan(const struct fed_table *table, const struct plan *plan,
                 sqlite3_index_info *info, struct fed_err *err)
{
  struct explain *explain = table->fdb->explain;
  struct explain_call *call = fed_alloc(sizeof *call);

  if (!call) return fed_err_nomem(err);
  fed_list_push_back(&explain->calls, &call->link);
  info->idxNum = ++explain->ncall;
  fed_str_init(&call->keys, FED_STR_SQL);
  call->name = note_name(table);
  call->server = fed_strdup(table->server);
  call->sql = fed_strdup(info->idxStr);
  if (!call->name || !call->server || !call->sql) return fed_err_nomem(err);
  note_terms(call, table, plan, info);
  note_order(call, table, plan, info);
  note_limit(call, table, plan, info);
  note_columns(call, table, plan);
  note_costs(call, table, info);
  return call->lines.nomem ? fed_err_nomem(err) : SQLITE_OK;
}

void explain_release(struct explain *explain)
{
  FED_LIST_EACH_SAFE(link, after, &explain->calls)
  note_free(FED_CONTAINER(link, struct explain_call, link));
}
