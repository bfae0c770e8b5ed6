/*
 * bind_list: the values of an IN list. They travel as one array where the
 * server has arrays; else each is a parameter or, where there are many, stands
 * in the text.
 */
#include "base/mem.h"
#include "vtab/bind_int.h"

/* Bytes of one list. Of a longer one nothing is sent: the server gives the
 * rows that the other terms let through. A text has to be parsed: beyond half
 * a million integers MariaDB takes longer for it than for five million rows. */
#define BIND_ARRAY_MAX (16u << 20)
#define BIND_TEXT_MAX  (4u << 20)

/* Few different lengths of list mean few different statements to prepare. */
static int bind_pad_list(struct bind *bind, int *nvalue, int max,
                         struct fed_err *err)
{
  int rc = SQLITE_OK;

  while ((*nvalue & (*nvalue - 1)) && bind->narg < max && rc == SQLITE_OK) {
    struct fed_value last = bind->args[bind->narg - 1];

    rc = bind_arg(bind, &last, err);
    ++*nvalue;
  }
  return rc;
}

int bind_times(enum term_form form)
{
  return form == FORM_BOTH ? 2 : 1;
}

/* What the whole list makes of its term. */
struct bind_list {
  const struct fed_column *col;
  const struct fed_dialect *dialect;
  struct fed_str text; /* an array, or literals */
  struct term_now now;
};

/*
 * May its values stand in the text? There a text is compared as the column's
 * collation has it, but not as a date or in two ways: the rows are a superset,
 * and SQLite checks them as it does with every list.
 */
static bool bind_is_literal(struct bind_list *list,
                            const struct fed_value *value)
{
  enum fed_class class = list->col->class;

  if (value->type != FED_INT && value->type != FED_REAL &&
      class != FED_CLASS_TEXT && class != FED_CLASS_CHAR &&
      class != FED_CLASS_BLOB && class != FED_CLASS_ANY)
    return false;
  if (list->text.len) fed_str_addc(&list->text, ',');
  return list->dialect->literal(&list->text, value) && !list->text.full;
}

/* One more; beyond so many all of them become literals. */
static int bind_list_next(struct bind *bind, struct bind_list *list, int mark,
                          const struct fed_value *value, struct fed_err *err)
{
  int times = bind_times(list->now.form);
  bool fits = true;

  if (list->text.len == 0 && bind->narg - mark < list->dialect->max_list &&
      bind->narg < list->dialect->max_params / times)
    return bind_copy_arg(bind, value, err);
  for (int i = mark; i < bind->narg && fits; i++)
    fits = bind_is_literal(list, &bind->args[i]);
  bind->narg = mark;
  if (!fits || !bind_is_literal(list, value)) list->now.use = TERM_DROP;
  return list->text.nomem ? fed_err_nomem(err) : SQLITE_OK;
}

static int bind_list_value(struct bind *bind, struct bind_list *list, int mark,
                           sqlite3_value *rhs, struct fed_err *err)
{
  struct term_now one = list->now;
  struct fed_value value;
  char text[48];
  enum term_use use =
    term_value(list->dialect, list->col, &one, rhs, false, text, &value);

  if (use == TERM_NEVER) return SQLITE_OK;
  if (use != TERM_BIND || one.form != list->now.form) {
    list->now.use = TERM_DROP;
    return SQLITE_OK;
  }
  list->now.nvalue++;
  if (!list->dialect->arrays)
    return bind_list_next(bind, list, mark, &value, err);
  fed_dialect_element(&list->text, &value);
  if (list->text.full) list->now.use = TERM_DROP;
  return list->text.nomem ? fed_err_nomem(err) : SQLITE_OK;
}

/* What is compared in two ways is bound for each. */
static int bind_again(struct bind *bind, int mark, struct fed_err *err)
{
  int end = bind->narg;
  int rc = SQLITE_OK;

  for (int i = mark; i < end && rc == SQLITE_OK; i++) {
    struct fed_value value = bind->args[i];

    rc = bind_arg(bind, &value, err);
  }
  return rc;
}

static int bind_list_array(struct bind *bind, struct bind_list *list,
                           struct fed_err *err)
{
  struct fed_value value;
  char *text;
  int rc;

  fed_str_addc(&list->text, '}');
  text = fed_str_detach(&list->text);
  rc = bind_hold(bind, text, err);
  if (rc != SQLITE_OK) return rc;
  value = fed_value_cstr(text);
  return bind_arg(bind, &value, err);
}

static int bind_list_literals(struct bind *bind, struct bind_list *list,
                              struct fed_err *err)
{
  char *text = fed_str_detach(&list->text);

  list->now.literals = text;
  if (list->now.form == FORM_BOTH) list->now.form = FORM_BARE;
  return bind_hold(bind, text, err);
}

static int bind_list_end(struct bind *bind, struct bind_list *list, int mark,
                         struct fed_err *err)
{
  int times = bind_times(list->now.form);
  int rc;

  if (list->now.use == TERM_DROP) {
    bind->narg = mark;
    return SQLITE_OK;
  }
  if (list->now.nvalue == 0) {
    list->now.use = TERM_NEVER;
    return SQLITE_OK;
  }
  if (list->dialect->arrays)
    rc = bind_list_array(bind, list, err);
  else if (list->text.len)
    return bind_list_literals(bind, list, err);
  else
    rc = bind_pad_list(bind, &list->now.nvalue,
                       list->dialect->max_params / times, err);
  return rc == SQLITE_OK && times > 1 ? bind_again(bind, mark, err) : rc;
}

int bind_list(struct bind *bind, const struct fed_column *col,
              sqlite3_value *rhs, struct term_now *now, struct fed_err *err)
{
  struct bind_list list = {
    .col = col, .dialect = bind->plan->dialect, .now = *now};
  sqlite3_value *value = NULL;
  int mark = bind->narg;
  int rc = SQLITE_OK;
  int more;

  fed_str_init(&list.text,
               list.dialect->arrays ? BIND_ARRAY_MAX : BIND_TEXT_MAX);
  list.now.nvalue = 0;
  more = sqlite3_vtab_in_first(rhs, &value);
  while (more == SQLITE_OK && rc == SQLITE_OK && list.now.use == TERM_BIND) {
    rc = bind_list_value(bind, &list, mark, value, err);
    more = sqlite3_vtab_in_next(rhs, &value);
  }
  if (rc == SQLITE_OK && more == SQLITE_NOMEM) rc = fed_err_nomem(err);
  if (rc == SQLITE_OK) rc = bind_list_end(bind, &list, mark, err);
  fed_str_release(&list.text);
  *now = list.now;
  return rc;
}

/* ---- another list instead ---------------------------------------------- */

static int bind_change_list(struct bind *bind, const struct fed_column *col,
                            const struct bind_change *change,
                            struct term_now *now, struct fed_err *err)
{
  struct bind_list list = {.col = col,
                           .dialect = bind->plan->dialect,
                           .now =
                             term_planned(bind->plan->dialect, col, TERM_EQ)};
  int mark = bind->narg;
  int rc = SQLITE_OK;

  fed_str_init(&list.text,
               list.dialect->arrays ? BIND_ARRAY_MAX : BIND_TEXT_MAX);
  for (int k = 0; k < change->n && rc == SQLITE_OK; k++) {
    if (list.dialect->arrays)
      fed_dialect_element(&list.text, &change->value[k]);
    else
      rc = bind_arg(bind, &change->value[k], err);
  }
  list.now.list = true;
  list.now.nvalue = change->n;
  if (rc == SQLITE_OK) rc = fed_str_err(&list.text, err);
  if (rc == SQLITE_OK) rc = bind_list_end(bind, &list, mark, err);
  fed_str_release(&list.text);
  *now = list.now;
  return rc;
}

int bind_change(struct bind *bind, const struct fed_table *table,
                const struct bind_change *change, struct fed_err *err)
{
  const struct plan_term *term = plan_terms(bind->plan);
  struct fed_value *old = bind->args;
  int rc = SQLITE_OK;

  bind->args = NULL;
  bind->narg = bind->room = 0;
  bind->limit = -1;
  /* All rows are wanted, not a first attempt: see scan_resume(). */
  bind->first = bind->as_planned = false;
  for (int i = 0; i < bind->plan->nterm && rc == SQLITE_OK; i++) {
    struct term_now *now = &bind->now[i];
    int first = bind->narg;

    if (change[i].n < 0)
      for (int k = 0; k < now->narg && rc == SQLITE_OK; k++)
        rc = bind_arg(bind, &old[now->first + k], err);
    else if (change[i].n == 0)
      now->use = TERM_DROP;
    else
      rc = bind_change_list(bind, &table->rel.col[term[i].col], &change[i], now,
                            err);
    now->first = first;
    now->narg = bind->narg - first;
  }
  fed_free(old);
  return rc;
}

bool bind_drop_lists(struct bind *bind, const struct fed_table *table)
{
  struct fed_err err = FED_ERR_INIT;
  int nterm = bind->plan->nterm;
  struct bind_change *change = fed_calloc((size_t)nterm, sizeof *change);
  bool any = false;
  int rc;

  for (int i = 0; change && i < nterm; i++) {
    bool sent = bind->now[i].list && bind->now[i].use == TERM_BIND;

    change[i].n = sent ? 0 : -1;
    any |= sent;
  }
  rc = any ? bind_change(bind, table, change, &err) : SQLITE_ERROR;
  fed_free(change);
  return rc == SQLITE_OK;
}
