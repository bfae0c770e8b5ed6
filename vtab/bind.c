/*
 * bind: the values of one xFilter. Each term is asked what its value makes
 * of it (term_value): something to bind, "never", "always", or nothing that
 * the server could be told.
 */
#include "base/mem.h"
#include "vtab/bind_int.h"

#define BIND_REST 64 /* values to keep room for, between runs */

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

void bind_rest(struct bind *bind)
{
  bind_forget(bind);
  if (bind->room > BIND_REST) {
    fed_free(bind->args);
    bind->args = NULL;
    bind->room = 0;
  }
  if (bind->sql.room > BIND_REST * sizeof *bind->args)
    fed_str_release(&bind->sql);
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

int bind_hold(struct bind *bind, void *block, struct fed_err *err)
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

int bind_arg(struct bind *bind, const struct fed_value *value,
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

int bind_copy_arg(struct bind *bind, const struct fed_value *value,
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

/* ---- patterns ---------------------------------------------------------- */

/* Bind the text gathered in `pattern`, which is empty then. */
static int bind_text(struct bind *bind, struct fed_str *pattern,
                     struct fed_err *err)
{
  struct fed_value value;
  int64_t size = (int64_t)pattern->len;
  int rc = fed_str_err(pattern, err);
  char *text = rc == SQLITE_OK ? fed_str_detach(pattern) : NULL;

  if (rc == SQLITE_OK) rc = bind_hold(bind, text, err);
  if (rc != SQLITE_OK) return rc;
  value = fed_value_text(text, size);
  return bind_arg(bind, &value, err);
}

/*
 * SQLite's LIKE and GLOB end at a NUL, which a text of MySQL may hold: what
 * stands behind the first does not matter.
 */
static int bind_nul_pattern(struct bind *bind, struct term_now *now,
                            const struct fed_value *value, struct fed_str *to,
                            struct fed_err *err)
{
  pattern_like(now->op, value, to);
  fed_str_addn(to, "\0%", 2);
  now->nvalue++;
  return bind_text(bind, to, err);
}

static int bind_prefixes(struct bind *bind, struct term_now *now,
                         const struct fed_value *value, struct fed_str *to,
                         struct fed_err *err)
{
  int rc = SQLITE_OK;
  int n = pattern_prefix(value, 0, to);

  for (int i = 0; i < n && rc == SQLITE_OK; i++) {
    fed_str_reset(to);
    pattern_prefix(value, i, to);
    rc = bind_text(bind, to, err);
  }
  now->nvalue += n;
  return rc;
}

static int bind_pattern(struct bind *bind, const struct fed_column *col,
                        struct term_now *now, const struct fed_value *value,
                        struct fed_err *err)
{
  bool nul = bind->plan->dialect == &fed_dialect_mysql &&
             (col->class == FED_CLASS_TEXT || col->class == FED_CLASS_CHAR) &&
             !(value->size > 0 &&
               value->p[value->size - 1] == (now->op == TERM_LIKE ? '%' : '*'));
  struct fed_str pattern;
  int rc = SQLITE_OK;

  fed_str_init(&pattern, FED_STR_SQL);
  if (!pattern_like(now->op, value, &pattern))
    now->use = TERM_DROP;
  else
    rc = bind_text(bind, &pattern, err);
  if (rc == SQLITE_OK && now->use == TERM_BIND && nul)
    rc = bind_nul_pattern(bind, now, value, &pattern, err);
  if (rc == SQLITE_OK && now->form == FORM_PREFIX && now->op == TERM_LIKE)
    rc = bind_prefixes(bind, now, value, &pattern, err);
  fed_str_release(&pattern);
  return rc;
}

/* The pattern's beginning, in its own syntax. */
static int bind_cut(struct bind *bind, enum term_op op, struct fed_value *value,
                    struct fed_err *err)
{
  struct fed_str cut;
  char *text;
  int rc;

  fed_str_init(&cut, FED_STR_SQL);
  pattern_cut(op, value, &cut);
  rc = fed_str_err(&cut, err);
  value->size = (int64_t)cut.len;
  text = fed_str_detach(&cut);
  value->p = text;
  if (rc == SQLITE_OK) return bind_hold(bind, text, err);
  fed_free(text);
  return rc;
}

/* ---- terms ------------------------------------------------------------- */

static int bind_near(struct bind *bind, enum term_op op, double r,
                     struct fed_err *err)
{
  struct fed_value low, high;
  int rc = SQLITE_OK;

  rhs_bounds(r, &low, &high);
  if (op == TERM_EQ || op == TERM_GT || op == TERM_GE)
    rc = bind_arg(bind, &low, err);
  if (rc == SQLITE_OK && (op == TERM_EQ || op == TERM_LT || op == TERM_LE))
    rc = bind_arg(bind, &high, err);
  return rc;
}

static int bind_value(struct bind *bind, const struct fed_column *col,
                      struct term_now *now, const struct fed_value *value,
                      struct fed_err *err)
{
  int times = bind_times(now->form);
  int rc = SQLITE_OK;

  if (now->form == FORM_NEAR) return bind_near(bind, now->op, value->r, err);
  if (now->form == FORM_LIKE || now->form == FORM_MATCH ||
      now->form == FORM_PREFIX)
    return bind_pattern(bind, col, now, value, err);
  /* Where the scan may go on after its LIMIT, or after a count, values are
   * needed again. */
  for (int i = 0; i < times && rc == SQLITE_OK; i++)
    rc = bind->plan->limit || bind->plan->peek || bind->plan->guard
           ? bind_copy_arg(bind, value, err)
           : bind_arg(bind, value, err);
  return rc;
}

/*
 * Has the value no affinity of its own? A literal has none, nor has a
 * parameter. But of `a <= b AND b = ?` SQLite makes `a <= ?`, with b's
 * affinity, which may work on our column: then ? says that it is bound, and is
 * none.
 */
static bool bind_is_plain(const struct plan_term *term, sqlite3_value *rhs)
{
  return term->literal || (!term->stands && sqlite3_value_frombind(rhs));
}

static int bind_term(struct bind *bind, const struct fed_table *table, int i,
                     sqlite3_value *rhs, struct fed_err *err)
{
  const struct fed_dialect *dialect = bind->plan->dialect;
  const struct plan_term *term = &plan_terms(bind->plan)[i];
  const struct fed_column *col = &table->rel.col[term->col];
  struct term_now *now = &bind->now[i];
  bool plain = bind_is_plain(term, rhs);
  struct fed_value value;

  *now = plan_now(term);
  if (term->implied ||
      (term->surely == PLAN_NOTHING && bind->plan->joins != PLAN_JOINS_INNER)) {
    now->use = TERM_DROP;
    return SQLITE_OK;
  }
  if (now->op == TERM_ISNULL || now->op == TERM_NOTNULL) return SQLITE_OK;
  if (term->in) {
    now->list = true;
    return bind_list(bind, col, rhs, now, err);
  }
  if (term->is && sqlite3_value_type(rhs) == SQLITE_NULL) {
    *now = term_planned(dialect, col, TERM_ISNULL);
    if (term_fit(dialect, col, TERM_ISNULL) == TERM_LOCAL) now->use = TERM_DROP;
    return SQLITE_OK;
  }
  now->use = term_value(dialect, col, now, rhs, plain, bind->text[i], &value);
  if (now->use != TERM_BIND) return SQLITE_OK;
  if (term->surely == PLAN_BEGINNING && bind->plan->joins != PLAN_JOINS_INNER) {
    int rc = bind_cut(bind, now->op, &value, err);

    if (rc != SQLITE_OK) return rc;
  }
  return bind_value(bind, col, now, &value, err);
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
  bind->as_planned =
    plan->limit == 0 && plan->nwide == 0 && !plan->peek && !plan->moved;
  for (int i = 0; i < plan->nterm; i++) {
    struct term_now *now = &bind->now[i];
    struct term_now planned = plan_now(&term[i]);
    int first = bind->narg;
    int rc = bind_term(bind, table, i, argv[i], err);

    if (rc != SQLITE_OK) return rc;
    now->first = first;
    now->narg = bind->narg - first;
    term_count(plan->dialect, &table->rel.col[term[i].col], now->op, now->use);
    if (now->use == TERM_NEVER) {
      *never = true;
      return SQLITE_OK;
    }
    if (term[i].implied) continue;
    all &= now->use != TERM_DROP;
    bind->as_planned &=
      now->use == TERM_BIND && now->op == planned.op &&
      now->form == planned.form &&
      (now->nvalue == 1 || (term[i].in && plan->dialect->arrays));
  }
  if (plan->limit && all) bind->limit = bind_limit(plan, argv);
  if (plan->peek && all) bind->limit = 1;
  /* Rows given are remembered only under a limit. */
  bind->first =
    plan->guard && (bind->limit >= 0 || plan->nulls != PLAN_NULLS_LEFT);
  return SQLITE_OK;
}

const char *bind_sql(struct bind *bind, const struct fed_table *table,
                     const char *idxstr, enum plan_ask ask)
{
  if (bind->as_planned && ask == plan_asks(bind->plan)) return idxstr;
  fed_str_reset(&bind->sql);
  deparse(table, bind->plan, bind->now, bind->limit, ask, bind->first,
          &bind->sql);
  return bind->sql.nomem || bind->sql.full ? NULL : bind->sql.s;
}
