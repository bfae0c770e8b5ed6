/*
 * bind: the values of one xFilter. Each term is asked what its value makes
 * of it (term_value): something to bind, "never", "always", or nothing that
 * the server could be told.
 */
#include "base/mem.h"
#include "vtab/scan.h"

#define BIND_ARRAY_MAX (16u << 20) /* bytes of one list sent as an array */

void bind_init(struct bind *bind)
{
  memset(bind, 0, sizeof *bind);
  fed_str_init(&bind->sql, FED_STR_SQL);
}

void bind_forget(struct bind *bind)
{
  for (int i = 0; i < bind->nheld; i++)
    fed_free(bind->held[i]);
  fed_free(bind->held);
  bind->held = NULL;
  bind->nheld = 0;
  bind->narg = 0;
}

void bind_release(struct bind *bind)
{
  bind_forget(bind);
  fed_free(bind->now);
  fed_free(bind->text);
  fed_free(bind->args);
  fed_str_release(&bind->sql);
  memset(bind, 0, sizeof *bind);
}

int bind_plan(struct bind *bind, const struct plan *plan, struct fed_err *err)
{
  bind_release(bind);
  bind_init(bind);
  bind->plan = plan;
  bind->now = fed_calloc((size_t)plan->nterm, sizeof *bind->now);
  bind->text = fed_calloc((size_t)plan->nterm, sizeof *bind->text);
  return bind->now && bind->text ? SQLITE_OK : fed_err_nomem(err);
}

/* Own a block until bind_forget(). */
static int bind_hold(struct bind *bind, void *block, struct fed_err *err)
{
  int n = bind->nheld;

  if (!block) return fed_err_nomem(err);
  if ((n & (n - 1)) == 0) {
    void **held =
      fed_realloc(bind->held, (size_t)(n ? n * 2 : 1) * sizeof *held);

    if (!held) {
      fed_free(block);
      return fed_err_nomem(err);
    }
    bind->held = held;
  }
  bind->held[bind->nheld++] = block;
  return SQLITE_OK;
}

static int bind_arg(struct bind *bind, const struct fed_value *value,
                    struct fed_err *err)
{
  if (bind->narg == bind->room) {
    int room = bind->room ? bind->room * 2 : 4;
    struct fed_value *args =
      fed_realloc(bind->args, (size_t)room * sizeof *args);

    if (!args) return fed_err_nomem(err);
    bind->args = args;
    bind->room = room;
  }
  bind->args[bind->narg++] = *value;
  return SQLITE_OK;
}

/* ---- lists ------------------------------------------------------------- */

/* The same value, in memory that lasts: a list gives one value at a time. */
static int bind_copy_arg(struct bind *bind, const struct fed_value *value,
                         struct fed_err *err)
{
  struct fed_value copy = *value;
  int rc = SQLITE_OK;

  if (value->type == FED_TEXT || value->type == FED_BLOB) {
    /* An empty blob has no bytes to point at. */
    char *bytes = fed_strndup(value->p ? value->p : "", (size_t)value->size);

    rc = bind_hold(bind, bytes, err);
    copy.p = bytes;
  }
  return rc == SQLITE_OK ? bind_arg(bind, &copy, err) : rc;
}

/* One element of a PostgreSQL array literal: {1,2} or {"a","b\"c"}. */
static void bind_element(struct fed_str *array, const struct fed_value *value)
{
  char number[48];

  fed_str_addc(array, array->len ? ',' : '{');
  switch (value->type) {
  case FED_NULL:
    break;
  case FED_INT:
    fed_str_addf(array, "%lld", (long long)value->i);
    break;
  case FED_REAL:
    rhs_real_text(number, value->r, 17);
    fed_str_addf(array, "\"%s\"", number);
    break;
  case FED_TEXT:
    fed_str_addc(array, '"');
    for (int64_t i = 0; i < value->size; i++) {
      if (value->p[i] == '"' || value->p[i] == '\\') fed_str_addc(array, '\\');
      fed_str_addc(array, value->p[i]);
    }
    fed_str_addc(array, '"');
    break;
  case FED_BLOB:
    fed_str_add(array, "\"\\\\x");
    for (int64_t i = 0; i < value->size; i++)
      fed_str_addf(array, "%02x", (unsigned char)value->p[i]);
    fed_str_addc(array, '"');
    break;
  }
}

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

/* What the whole list makes of its term. */
struct bind_list {
  const struct fed_column *col;
  const struct fed_dialect *dialect;
  struct fed_str array;
  int nvalue;
  enum term_use use;
};

static int bind_list_value(struct bind *bind, struct bind_list *list,
                           sqlite3_value *rhs, struct fed_err *err)
{
  enum term_op op = TERM_EQ;
  struct fed_value value;
  char text[48];
  enum term_use use =
    term_value(list->dialect, list->col, &op, rhs, false, text, &value);

  if (use == TERM_NEVER) return SQLITE_OK;
  if (use != TERM_BIND || bind->narg >= list->dialect->max_params) {
    list->use = TERM_DROP;
    return SQLITE_OK;
  }
  list->nvalue++;
  if (!list->dialect->arrays) return bind_copy_arg(bind, &value, err);
  bind_element(&list->array, &value);
  if (list->array.full) list->use = TERM_DROP;
  return list->array.nomem ? fed_err_nomem(err) : SQLITE_OK;
}

static int bind_list_end(struct bind *bind, struct bind_list *list, int mark,
                         struct fed_err *err)
{
  struct fed_value value;
  char *text;
  int rc;

  if (list->use == TERM_DROP) {
    bind->narg = mark;
    return SQLITE_OK;
  }
  if (list->nvalue == 0) {
    list->use = TERM_NEVER;
    return SQLITE_OK;
  }
  if (!list->dialect->arrays)
    return bind_pad_list(bind, &list->nvalue, list->dialect->max_params, err);
  fed_str_addc(&list->array, '}');
  text = fed_str_detach(&list->array);
  rc = bind_hold(bind, text, err);
  if (rc != SQLITE_OK) return rc;
  value = fed_value_cstr(text);
  return bind_arg(bind, &value, err);
}

static int bind_list(struct bind *bind, const struct fed_column *col,
                     sqlite3_value *rhs, struct deparse_term *now,
                     struct fed_err *err)
{
  struct bind_list list = {
    .col = col, .dialect = bind->plan->dialect, .use = TERM_BIND};
  sqlite3_value *value = NULL;
  int mark = bind->narg;
  int rc = SQLITE_OK;
  int more;

  fed_str_init(&list.array, BIND_ARRAY_MAX);
  more = sqlite3_vtab_in_first(rhs, &value);
  while (more == SQLITE_OK && rc == SQLITE_OK && list.use == TERM_BIND) {
    rc = bind_list_value(bind, &list, value, err);
    more = sqlite3_vtab_in_next(rhs, &value);
  }
  if (rc == SQLITE_OK && more == SQLITE_NOMEM) rc = fed_err_nomem(err);
  if (rc == SQLITE_OK) rc = bind_list_end(bind, &list, mark, err);
  fed_str_release(&list.array);
  now->use = list.use;
  now->nvalue = list.nvalue;
  return rc;
}

/* ---- terms ------------------------------------------------------------- */

static int bind_term(struct bind *bind, const struct fed_table *table, int i,
                     sqlite3_value *rhs, struct fed_err *err)
{
  const struct plan_term *term = &plan_terms(bind->plan)[i];
  const struct fed_column *col = &table->rel.col[term->col];
  struct deparse_term *now = &bind->now[i];
  bool plain = term->literal || sqlite3_value_frombind(rhs);
  struct fed_value value;

  *now = (struct deparse_term){
    .use = TERM_BIND, .op = (enum term_op)term->op, .nvalue = 1};
  now->first = bind->narg;
  if (now->op == TERM_ISNULL || now->op == TERM_NOTNULL) return SQLITE_OK;
  if (term->in) {
    now->list = true;
    return bind_list(bind, col, rhs, now, err);
  }
  if (term->is && sqlite3_value_type(rhs) == SQLITE_NULL) {
    now->op = TERM_ISNULL;
    if (term_fit(bind->plan->dialect, col, TERM_ISNULL) == TERM_LOCAL)
      now->use = TERM_DROP;
    return SQLITE_OK;
  }
  now->use = term_value(bind->plan->dialect, col, &now->op, rhs, plain,
                        bind->text[i], &value);
  if (now->use != TERM_BIND) return SQLITE_OK;
  now->or_blob = col->class == FED_CLASS_ANY && value.type == FED_TEXT &&
                 (now->op == TERM_LT || now->op == TERM_LE);
  /* Where the scan may go on after its LIMIT, values are needed again. */
  return bind->plan->limit ? bind_copy_arg(bind, &value, err)
                           : bind_arg(bind, &value, err);
}

/* How many rows SQLite will take, its OFFSET included; -1 is all. */
static int64_t bind_limit(const struct plan *plan, sqlite3_value **argv)
{
  sqlite3_value *limit = argv[plan->limit - 1];
  int64_t offset = 0;

  if (sqlite3_value_type(limit) != SQLITE_INTEGER) return -1;
  if (plan->offset) {
    if (sqlite3_value_type(argv[plan->offset - 1]) != SQLITE_INTEGER) return -1;
    offset = sqlite3_value_int64(argv[plan->offset - 1]);
  }
  if (offset < 0) offset = 0;
  if (sqlite3_value_int64(limit) < 0 ||
      sqlite3_value_int64(limit) > INT64_MAX - offset)
    return -1;
  return sqlite3_value_int64(limit) + offset;
}

int bind_values(struct bind *bind, const struct fed_table *table,
                sqlite3_value **argv, bool *never, struct fed_err *err)
{
  const struct plan *plan = bind->plan;
  const struct plan_term *term = plan_terms(plan);
  bool all = true;

  bind_forget(bind);
  bind->limit = -1;
  bind->as_planned = plan->limit == 0;
  for (int i = 0; i < plan->nterm; i++) {
    struct deparse_term *now = &bind->now[i];
    int rc = bind_term(bind, table, i, argv[i], err);

    if (rc != SQLITE_OK) return rc;
    now->narg = bind->narg - now->first;
    if (now->use == TERM_NEVER) {
      *never = true;
      return SQLITE_OK;
    }
    all &= now->use != TERM_DROP;
    bind->as_planned &= now->use == TERM_BIND && !now->or_blob &&
                        now->op == (enum term_op)term[i].op &&
                        (!term[i].in || plan->dialect->arrays);
  }
  if (plan->limit && all) bind->limit = bind_limit(plan, argv);
  return SQLITE_OK;
}

/* ---- another list instead ---------------------------------------------- */

static int bind_change_list(struct bind *bind, const struct fed_column *col,
                            const struct bind_change *change,
                            struct deparse_term *now, struct fed_err *err)
{
  struct bind_list list = {
    .col = col, .dialect = bind->plan->dialect, .use = TERM_BIND};
  int rc = SQLITE_OK;

  fed_str_init(&list.array, BIND_ARRAY_MAX);
  for (int k = 0; k < change->n && rc == SQLITE_OK; k++) {
    if (list.dialect->arrays)
      bind_element(&list.array, &change->value[k]);
    else
      rc = bind_arg(bind, &change->value[k], err);
  }
  list.nvalue = change->n;
  if (rc == SQLITE_OK) rc = fed_str_err(&list.array, err);
  if (rc == SQLITE_OK) rc = bind_list_end(bind, &list, 0, err);
  fed_str_release(&list.array);
  *now = (struct deparse_term){
    .use = list.use, .op = TERM_EQ, .list = true, .nvalue = list.nvalue};
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
  bind->as_planned = false;
  for (int i = 0; i < bind->plan->nterm && rc == SQLITE_OK; i++) {
    struct deparse_term *now = &bind->now[i];
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

const char *bind_sql(struct bind *bind, const struct fed_table *table,
                     const char *idxstr, bool rows)
{
  bool count = bind->plan->count && !rows;

  if (bind->as_planned && count == bind->plan->count) return idxstr;
  fed_str_reset(&bind->sql);
  deparse(table, bind->plan, bind->now, bind->limit, count, &bind->sql);
  return bind->sql.nomem || bind->sql.full ? NULL : bind->sql.s;
}
