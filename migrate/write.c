/* write: what is only written into the history; no script runs. */
#include "migrate/migrate_int.h"

int migrate_write(struct migrate *m, enum history_action action,
                  const char *version, const char *name, const char *checksum,
                  struct fed_err *err)
{
  struct history_row row = {.id = m->history.last + 1,
                            .action = action,
                            .version = version,
                            .name = name,
                            .checksum = checksum};
  int rc = SQLITE_OK;

  if (!m->opts.dry_run) rc = history_add(m->target, &row, err);
  if (rc == SQLITE_OK) {
    m->history.last = row.id;
    migrate_note(m, version, name);
  }
  return rc;
}

static int migrate_need_to(const struct migrate *m, struct fed_err *err)
{
  if (*m->to) return SQLITE_OK;
  return fed_err_set(err, SQLITE_MISUSE,
                     "which version? say it as 'to=20240131120000'");
}

int migrate_baseline(struct migrate *m, struct fed_err *err)
{
  int rc = migrate_need_to(m, err);

  if (rc != SQLITE_OK) return rc;
  if (m->history.nnow)
    return fed_err_set(err, SQLITE_ERROR,
                       "target '%s': migrations are applied already: a "
                       "baseline is for a database that had none",
                       m->target->name);
  return migrate_write(m, HISTORY_BASELINE, m->to, "baseline", "", err);
}

/* What is below a baseline depends on its being one. */
static enum history_action write_action(const struct plan_item *item,
                                        enum history_action action)
{
  bool baseline = item->row ? item->row->action == HISTORY_BASELINE
                            : item->file->kind == SOURCE_BASELINE;

  return baseline ? HISTORY_BASELINE : action;
}

int migrate_repair(struct migrate *m, struct fed_err *err)
{
  int rc = SQLITE_OK;

  for (int i = 0; i < m->plan.n && rc == SQLITE_OK; i++) {
    const struct plan_item *item = &m->plan.item[i];
    bool gone = !item->file && item->state != PLAN_APPLIED;

    if (!gone && item->state != PLAN_CHANGED) continue;
    rc = migrate_write(
      m, gone ? HISTORY_FORGET : write_action(item, HISTORY_REPAIR),
      plan_version(item), plan_name(item),
      item->file ? item->file->checksum : "", err);
  }
  return rc;
}

int migrate_force(struct migrate *m, struct fed_err *err)
{
  int rc = migrate_need_to(m, err);

  for (int i = 0; i < m->plan.n && rc == SQLITE_OK; i++) {
    const struct plan_item *item = &m->plan.item[i];

    if (strcmp(plan_version(item), m->to) != 0) continue;
    return migrate_write(
      m, m->opts.pending ? HISTORY_FORGET : write_action(item, HISTORY_FORCE),
      m->to, plan_name(item), item->file ? item->file->checksum : "", err);
  }
  if (rc != SQLITE_OK) return rc;
  return fed_err_set(err, SQLITE_ERROR,
                     "target '%s': there is no migration %s, in the files or "
                     "applied",
                     m->target->name, m->to);
}
