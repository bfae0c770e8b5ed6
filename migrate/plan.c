#include "migrate/plan.h"

#include "base/mem.h"

static const char *const plan_states[PLAN_STATES] = {
  [PLAN_APPLIED] = "applied", [PLAN_PENDING] = "pending",
  [PLAN_AGAIN] = "again",     [PLAN_OUT_OF_ORDER] = "out of order",
  [PLAN_PARTIAL] = "partial", [PLAN_BASELINED] = "baselined",
  [PLAN_CHANGED] = "changed", [PLAN_MISSING] = "missing",
  [PLAN_FUTURE] = "future"};

const char *plan_state_name(enum plan_state state)
{
  return plan_states[state];
}

const char *plan_version(const struct plan_item *item)
{
  return item->file ? item->file->version : item->row->version;
}

const char *plan_name(const struct plan_item *item)
{
  return item->file ? item->file->name : item->row->name;
}

/* ---- making -------------------------------------------------------------- */

/* What the states are judged by: "" where there is none. */
struct plan_marks {
  const char *newest_file;
  const char *newest_applied;
  const char *baseline; /* in the history, or a file that is to be applied */
};

/* An empty target starts from the newest baseline file. */
static const char *plan_baseline_file(const struct source *source,
                                      const struct history *history)
{
  const char *best = "";

  for (int i = 0; i < history->nnow; i++)
    if (*history->now[i]->version) return "";
  for (int i = 0; i < source->nfile; i++)
    if (source->file[i].kind == SOURCE_BASELINE) best = source->file[i].version;
  return best;
}

static void plan_mark(struct plan_marks *marks, const struct source *source,
                      const struct history *history)
{
  marks->newest_file = marks->newest_applied = "";
  marks->baseline = plan_baseline_file(source, history);
  for (int i = 0; i < source->nfile; i++)
    if (source->file[i].kind != SOURCE_REPEATABLE)
      marks->newest_file = source->file[i].version;
  for (int i = 0; i < history->nnow; i++) {
    const struct history_row *row = history->now[i];

    if (!*row->version) continue;
    marks->newest_applied = row->version; /* or half of it */
    if (row->action == HISTORY_BASELINE) marks->baseline = row->version;
  }
}

static bool plan_is_up_to(const char *version, const char *mark)
{
  return *mark && source_version_cmp(version, mark) <= 0;
}

static enum plan_state plan_new(const struct source_file *file,
                                const struct plan_marks *marks)
{
  if (file->kind == SOURCE_REPEATABLE) return PLAN_PENDING;
  if (file->kind == SOURCE_BASELINE)
    return !strcmp(file->version, marks->baseline) ? PLAN_PENDING
                                                   : PLAN_BASELINED;
  if (plan_is_up_to(file->version, marks->baseline)) return PLAN_BASELINED;
  return plan_is_up_to(file->version, marks->newest_applied) ? PLAN_OUT_OF_ORDER
                                                             : PLAN_PENDING;
}

/* A checksum that nobody knew (adopted, forced) is any. */
static bool plan_is_changed(const struct source_file *file,
                            const struct history_row *row)
{
  return *row->checksum && strcmp(row->checksum, file->checksum) != 0;
}

static enum plan_state plan_judge(const struct plan_item *item,
                                  const struct plan_marks *marks)
{
  const struct source_file *file = item->file;
  const struct history_row *row = item->row;

  if (!row) return plan_new(file, marks);
  if (row->state != HISTORY_DONE) return PLAN_PARTIAL;
  if (file) {
    if (!plan_is_changed(file, row)) return PLAN_APPLIED;
    return file->kind == SOURCE_REPEATABLE ? PLAN_AGAIN : PLAN_CHANGED;
  }
  if (row->action == HISTORY_BASELINE) return PLAN_APPLIED;
  if (!*row->version) return PLAN_MISSING;
  return plan_is_up_to(row->version, marks->newest_file) ? PLAN_MISSING
                                                         : PLAN_FUTURE;
}

/* The order of both lists: versions as numbers, then names. */
static int plan_order(const struct source_file *file,
                      const struct history_row *row)
{
  bool repeatable = file->kind == SOURCE_REPEATABLE;

  if (repeatable != !*row->version) return repeatable ? 1 : -1;
  return repeatable ? strcmp(file->name, row->name)
                    : source_version_cmp(file->version, row->version);
}

/* A baseline file may stand beside a versioned one of the same version: the
 * history's row belongs to whichever it was made by. */
static bool plan_belongs(const struct source_file *file,
                         const struct history_row *row)
{
  return file->kind != SOURCE_BASELINE || row->action == HISTORY_BASELINE;
}

int plan_make(struct plan *out, const struct source *source,
              const struct history *history, struct fed_err *err)
{
  struct plan_marks marks;
  int f = 0, h = 0;

  out->n = 0;
  out->item = fed_calloc((size_t)source->nfile + (size_t)history->nnow + 1,
                         sizeof *out->item);
  if (!out->item) return fed_err_nomem(err);
  plan_mark(&marks, source, history);
  while (f < source->nfile || h < history->nnow) {
    const struct source_file *file =
      f < source->nfile ? &source->file[f] : NULL;
    const struct history_row *row = h < history->nnow ? history->now[h] : NULL;
    int order = !file ? 1 : !row ? -1 : plan_order(file, row);
    struct plan_item *item = &out->item[out->n++];

    if (!order && !plan_belongs(file, row)) order = -1;
    if (order <= 0) item->file = file, f++;
    if (order >= 0) item->row = row, h++;
    item->state = plan_judge(item, &marks);
  }
  return SQLITE_OK;
}

void plan_release(struct plan *plan)
{
  fed_free(plan->item);
  plan->item = NULL;
  plan->n = 0;
}

/* ---- checking ------------------------------------------------------------ */

#define PLAN_NAMED 5 /* migrations that an error names */

struct plan_fault {
  enum plan_state state;
  size_t allow;
  const char *option, *what, *remedy;
};

/* clang-format off */
static const struct plan_fault plan_faults[] = {
  {PLAN_CHANGED, offsetof(struct plan_allow, changed), "changed",
   "changed since it was applied",
   "restore the file and write a new migration, or accept the files as they "
   "are: SELECT migrate_repair()"},
  {PLAN_MISSING, offsetof(struct plan_allow, missing), "missing",
   "applied, but its file is gone",
   "bring the file back, or forget it: SELECT migrate_repair()"},
  {PLAN_FUTURE, offsetof(struct plan_allow, future), "future",
   "applied, but later than every file here",
   "the files are older than the database: take those of the newer release"},
  {PLAN_OUT_OF_ORDER, offsetof(struct plan_allow, out_of_order),
   "out_of_order", "not applied, though a later one is",
   "give it a version above the newest one"},
};
/* clang-format on */

static int plan_report(const struct plan *plan, const struct plan_fault *fault,
                       struct fed_err *err)
{
  struct fed_str names;
  int n = 0, rc;

  fed_str_init(&names, 4096);
  for (int i = 0; i < plan->n; i++) {
    const struct plan_item *item = &plan->item[i];

    if (item->state != fault->state || n++ >= PLAN_NAMED) continue;
    fed_str_addf(&names, "%s'%s%s%s'", n > 1 ? ", " : "", plan_version(item),
                 *plan_version(item) ? "_" : "", plan_name(item));
  }
  if (n > PLAN_NAMED) fed_str_addf(&names, " and %d more", n - PLAN_NAMED);
  rc = n ? fed_err_set(err, SQLITE_ERROR,
                       "migration %s: %s; %s, or allow it: '%s'", names.s,
                       fault->what, fault->remedy, fault->option)
         : SQLITE_OK;
  fed_str_release(&names);
  return rc;
}

int plan_check(const struct plan *plan, const struct plan_allow *allow,
               struct fed_err *err)
{
  int rc = SQLITE_OK;

  for (size_t i = 0; i < FED_LEN(plan_faults) && rc == SQLITE_OK; i++)
    if (!*(const bool *)((const char *)allow + plan_faults[i].allow))
      rc = plan_report(plan, &plan_faults[i], err);
  return rc;
}

const char *plan_remedy(enum plan_state state)
{
  for (size_t i = 0; i < FED_LEN(plan_faults); i++)
    if (plan_faults[i].state == state) return plan_faults[i].remedy;
  return state == PLAN_PARTIAL ? "run what was begun again: it goes on behind "
                                 "the last statement that was done"
                               : NULL;
}
