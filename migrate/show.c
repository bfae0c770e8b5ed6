/* show: what the tables of the SQL surface show of targets. */
#include "migrate/migrate_int.h"

struct show {
  struct migrate base; /* first */
  migrate_item_fn *item;
  migrate_row_fn *row;
  migrate_step_fn *step;
  migrate_note_fn *note;
  void *arg;
};

static int show_targets(struct show *show, const char *targets,
                        const char *const *args, int n, target_name_fn *fn,
                        struct fed_err *err)
{
  int rc = migrate_parse(&show->base, args, n, err);

  if (rc == SQLITE_OK) rc = target_each(targets, fn, show, err);
  migrate_release(&show->base);
  return rc;
}

/* ---- the state of each migration ------------------------------------------
 */

static int show_items(void *arg, const char *name, struct fed_err *err)
{
  struct show *show = arg;
  struct migrate *m = &show->base;
  int rc = migrate_open(m, name, err);

  for (int i = 0; i < m->plan.n && rc == SQLITE_OK; i++)
    rc = show->item(show->arg, name, &m->plan.item[i], err);
  migrate_close(m);
  return rc;
}

int migrate_status(const struct migrate_host *host, const char *targets,
                   const char *const *args, int n, migrate_item_fn *item,
                   void *arg, struct fed_err *err)
{
  struct show show = {.base = {.host = host}, .item = item, .arg = arg};

  return show_targets(&show, targets, args, n, show_items, err);
}

/* ---- what was done --------------------------------------------------------
 */

static int show_rows(void *arg, const char *name, struct fed_err *err)
{
  struct show *show = arg;
  struct migrate *m = &show->base;
  int rc = target_open(&m->target, name, m->host->db, &m->host->wait, err);

  if (rc == SQLITE_OK) rc = history_load(m->target, &m->history, err);
  for (int i = 0; i < m->history.nrow && rc == SQLITE_OK; i++)
    if (m->history.row[i].id > 0)
      rc = show->row(show->arg, name, &m->history.row[i], err);
  migrate_close(m);
  return rc;
}

int migrate_history(const struct migrate_host *host, const char *targets,
                    migrate_row_fn *row, void *arg, struct fed_err *err)
{
  struct show show = {.base = {.host = host}, .row = row, .arg = arg};

  return target_each(targets, show_rows, &show, err);
}

/* ---- what is to be done ------------------------------------------------
 */

static int show_script(struct show *show, const struct plan_item *item,
                       struct fed_err *err)
{
  struct migrate *m = &show->base;
  struct script script;
  int rc = script_load(&script, &item->file->up, m->target->kind, m->var,
                       m->nvar, err);

  if (rc != SQLITE_OK) return rc;
  for (int i = 0; i < script.n && rc == SQLITE_OK; i++)
    rc = show->step(show->arg, m->target->name, item, &script, i, err);
  script_release(&script);
  return rc;
}

static int show_steps(void *arg, const char *name, struct fed_err *err)
{
  struct show *show = arg;
  struct migrate *m = &show->base;
  int rc = migrate_open(m, name, err);

  for (int i = 0; i < m->plan.n && rc == SQLITE_OK; i++)
    if (migrate_is_due(m, &m->plan.item[i]))
      rc = show_script(show, &m->plan.item[i], err);
  migrate_close(m);
  return rc;
}

int migrate_plan(const struct migrate_host *host, const char *targets,
                 const char *const *args, int n, migrate_step_fn *step,
                 void *arg, struct fed_err *err)
{
  struct show show = {.base = {.host = host}, .step = step, .arg = arg};

  return show_targets(&show, targets, args, n, show_steps, err);
}

/* ---- what is wrong ---------------------------------------------------------
 */

static int show_faults(void *arg, const char *name, struct fed_err *err)
{
  struct show *show = arg;
  struct migrate *m = &show->base;
  int rc = migrate_open(m, name, err);

  for (int i = 0; i < m->plan.n && rc == SQLITE_OK; i++) {
    const struct plan_item *item = &m->plan.item[i];
    const char *remedy = plan_remedy(item->state);

    if (remedy)
      rc = show->note(show->arg, name, plan_version(item), plan_name(item),
                      plan_state_name(item->state), remedy, err);
  }
  for (int i = 0; m->source && i < m->source->nnote && rc == SQLITE_OK; i++)
    rc = show->note(show->arg, name, NULL, m->source->note[i].path, "left out",
                    m->source->note[i].why, err);
  migrate_close(m);
  return rc;
}

int migrate_verify(const struct migrate_host *host, const char *targets,
                   const char *const *args, int n, migrate_note_fn *note,
                   void *arg, struct fed_err *err)
{
  struct show show = {.base = {.host = host}, .note = note, .arg = arg};

  return show_targets(&show, targets, args, n, show_faults, err);
}
