#include "migrate/migrate.h"

#include "base/mem.h"
#include "migrate/migrate_int.h"

void migrate_release(struct migrate *m)
{
  fed_opt_release(migrate_options, migrate_noptions, &m->opts);
  for (int i = 0; i < m->nvar; i++) {
    fed_free(m->var[i].name);
    fed_free(m->var[i].value);
  }
  fed_free(m->var);
}

/* 'var.name=value' */
static int migrate_variable(struct migrate *m, const char *arg,
                            struct fed_err *err)
{
  const char *equals = strchr(arg, '=');
  struct script_variable *var;

  if (!equals)
    return fed_err_set(err, SQLITE_ERROR,
                       "variable '%.60s' has no value: give it as "
                       "'var.%.60s=...'",
                       arg + 4, arg + 4);
  var = fed_realloc(m->var, (size_t)(m->nvar + 1) * sizeof *var);
  if (!var) return fed_err_nomem(err);
  m->var = var;
  var[m->nvar].name = fed_strndup(arg + 4, (size_t)(equals - arg - 4));
  var[m->nvar].value = fed_strdup(equals + 1);
  m->nvar++;
  return var[m->nvar - 1].name && var[m->nvar - 1].value ? SQLITE_OK
                                                         : fed_err_nomem(err);
}

int migrate_parse(struct migrate *m, const char *const *args, int n,
                  struct fed_err *err)
{
  int rc = SQLITE_OK;

  fed_opt_defaults(migrate_options, migrate_noptions, &m->opts);
  for (int i = 0; i < n && rc == SQLITE_OK; i++)
    rc = !strncmp(args[i], "var.", 4)
           ? migrate_variable(m, args[i], err)
           : fed_opt_parse(migrate_options, migrate_noptions, &m->opts, args[i],
                           NULL, err);
  if (rc == SQLITE_OK &&
      !!m->opts.dir + !!m->opts.source + !!m->opts.embedded > 1)
    rc = fed_err_set(err, SQLITE_MISUSE,
                     "'dir', 'source' and 'embedded' are places of the files: "
                     "give one of them");
  if (rc == SQLITE_OK && m->opts.to && strcmp(m->opts.to, "0") != 0)
    rc = source_version_parse(m->opts.to, m->to, err);
  else if (rc == SQLITE_OK && m->opts.to)
    m->to[0] = '0';
  return rc;
}

const char *migrate_dir(const struct migrate *m)
{
  if (m->opts.source) return m->opts.source;
  if (m->opts.embedded) return m->opts.embedded;
  return m->opts.dir ? m->opts.dir : MIGRATE_DIR;
}

/* ---- one migration ------------------------------------------------------- */

void migrate_note(struct migrate *m, const char *version, const char *name)
{
  m->ndone++;
  if (m->ndone <= MIGRATE_NAMED)
    fed_str_addf(&m->done, "%s%s", m->ndone > 1 ? ", " : "",
                 *version ? version : name);
}

static void migrate_names(const struct migrate *m, struct fed_str *out)
{
  fed_str_add(out, m->done.s);
  if (m->ndone > MIGRATE_NAMED)
    fed_str_addf(out, ", and %d more", m->ndone - MIGRATE_NAMED);
}

void migrate_blame(const struct migrate *m, const char *path,
                   struct fed_err *err)
{
  if (strncmp(err->msg, path, strlen(path)) != 0)
    fed_err_prefix(err, "%s: ", path);
  fed_err_prefix(err, "target '%s': %s/", m->target->name, migrate_dir(m));
}

int migrate_guard(const struct migrate *m, const struct script *script,
                  struct fed_err *err)
{
  if (!m->opts.guard || !(script->traits & SPLIT_DESTRUCTIVE)) return SQLITE_OK;
  for (int i = 0; i < script->n; i++)
    if (script->step[i].stmt.traits & SPLIT_DESTRUCTIVE)
      return fed_err_set(
        err, SQLITE_ERROR,
        "%s:%d:%d: refused by guard=destructive: %.*s; if it is meant, run "
        "this one without the guard",
        script->path, script->step[i].stmt.line, script->step[i].stmt.column,
        script->step[i].stmt.size > 60 ? 60 : (int)script->step[i].stmt.size,
        script->step[i].stmt.sql);
  return SQLITE_OK;
}

static enum history_action migrate_action(const struct plan_item *item, bool up)
{
  if (!up) return HISTORY_DOWN;
  return item->file->kind == SOURCE_BASELINE ? HISTORY_BASELINE : HISTORY_UP;
}

struct history_row migrate_row(const struct plan_item *item, bool up)
{
  return (struct history_row){.action = migrate_action(item, up),
                              .version = item->file->version,
                              .name = item->file->name,
                              .checksum = item->file->checksum};
}

static struct progress migrate_progress(const struct migrate *m)
{
  return (struct progress){.state = m->host->state,
                           .local = m->host->db,
                           .target = m->target->name,
                           .done = m->ndone,
                           .total = m->total};
}

static int migrate_tell(struct migrate *m, enum progress_moment moment,
                        const struct script *script,
                        const struct history_row *row, struct fed_err *err)
{
  struct progress progress = migrate_progress(m);
  int at = moment == PROGRESS_DONE ? script->n : 0;

  return progress_tell(&progress, moment, row, at, script->n, err);
}

static int migrate_execute(struct migrate *m, struct script *script,
                           struct plan_item *item, struct history_row *row,
                           struct fed_err *err)
{
  struct script_run run = {.target = m->target,
                           .progress = migrate_progress(m),
                           .partial =
                             item->state == PLAN_PARTIAL ? item->row : NULL,
                           .last = m->history.last};
  int rc = migrate_tell(m, PROGRESS_BEGIN, script, row, err);

  if (rc != SQLITE_OK) return rc;
  rc = script_execute(script, &run, row, err);
  rc = target_restore(m->target, rc, err);
  if (rc == SQLITE_OK) m->history.last = run.last;
  return rc;
}

static int migrate_script(struct migrate *m, struct plan_item *item, bool up,
                          struct fed_err *err)
{
  const struct source_file *file = item->file;
  struct history_row row = migrate_row(item, up);
  struct script script;
  int rc = script_load(&script, up ? &file->up : &file->down, m->target->kind,
                       m->var, m->nvar, err);

  if (rc == SQLITE_OK) {
    rc = migrate_guard(m, &script, err);
    if (rc == SQLITE_OK && !m->opts.dry_run)
      rc = migrate_execute(m, &script, item, &row, err);
    if (rc == SQLITE_OK) migrate_note(m, plan_version(item), plan_name(item));
    if (rc == SQLITE_OK && !m->opts.dry_run)
      rc = migrate_tell(m, PROGRESS_DONE, &script, &row, err);
    script_release(&script);
  }
  if (rc != SQLITE_OK && rc != SCRIPT_STALE)
    migrate_blame(m, up ? file->up.path : file->down.path, err);
  return rc;
}

/* ---- what is to be done -------------------------------------------------- */

bool migrate_is_due(const struct migrate *m, const struct plan_item *item)
{
  switch (item->state) {
  case PLAN_PENDING:
  case PLAN_AGAIN:
    return true;
  case PLAN_OUT_OF_ORDER:
    return m->opts.allow.out_of_order;
  case PLAN_PARTIAL:
    return item->row->action != HISTORY_DOWN;
  case PLAN_APPLIED:
  case PLAN_BASELINED:
  case PLAN_CHANGED:
  case PLAN_MISSING:
  case PLAN_FUTURE:
  case PLAN_STATES:
    break;
  }
  return false;
}

static bool migrate_is_beyond(const struct migrate *m,
                              const struct plan_item *item)
{
  const char *version = plan_version(item);

  if (!*m->to || !*version) return false;
  return !strcmp(m->to, "0") || source_version_cmp(version, m->to) > 0;
}

/* Something that is half undone is to be undone first. */
static int migrate_check_partial(const struct migrate *m, bool up,
                                 struct fed_err *err)
{
  for (int i = 0; i < m->plan.n; i++) {
    const struct plan_item *item = &m->plan.item[i];

    if (item->state != PLAN_PARTIAL) continue;
    if (!item->file)
      return fed_err_set(err, SQLITE_ERROR,
                         "migration '%s_%s' was begun and its file is gone: "
                         "bring it back, or forget it: SELECT migrate_repair()",
                         plan_version(item), plan_name(item));
    if ((item->row->action != HISTORY_DOWN) != up)
      return fed_err_set(err, SQLITE_ERROR,
                         "migration '%s_%s' is half %s: finish that first: %s",
                         plan_version(item), plan_name(item),
                         up ? "undone" : "applied",
                         up ? "SELECT migrate_down()" : "SELECT migrate_up()");
  }
  return SQLITE_OK;
}

/*
 * Those to apply: what was begun, then versioned ones in order; repeatable ones
 * if none of those is left.
 */
static int migrate_choose(struct migrate *m, struct plan_item **due)
{
  bool left = false;
  int n = 0;

  for (int i = 0; i < 2 * m->plan.n; i++) {
    struct plan_item *item = &m->plan.item[i % m->plan.n];
    bool begun = item->state == PLAN_PARTIAL && *plan_version(item);

    if (begun != (i < m->plan.n) || !migrate_is_due(m, item)) continue;
    /* Some may be done: this is not the first look, perhaps. */
    if (migrate_is_beyond(m, item) ||
        (m->opts.steps && m->ndone + n >= m->opts.steps) ||
        (left && !*plan_version(item)))
      left = true;
    else
      due[n++] = item;
  }
  return n;
}

static int migrate_apply(struct migrate *m, struct plan_item *const *due, int n,
                         struct fed_err *err)
{
  int rc = SQLITE_OK;

  m->total = m->ndone + n;
  for (int i = 0, sent; i < n && rc == SQLITE_OK; i += sent) {
    rc = batch_run(m, due + i, n - i, &sent, err);
    if (rc != SQLITE_OK || sent) continue;
    rc = migrate_script(m, due[i], true, err);
    sent = 1;
  }
  return rc;
}

static int migrate_up(struct migrate *m, struct fed_err *err)
{
  int rc = migrate_check_partial(m, true, err);
  struct plan_item **due;

  if (rc != SQLITE_OK) return rc;
  due = fed_calloc((size_t)m->plan.n + 1, sizeof *due);
  if (!due) return fed_err_nomem(err);
  rc = migrate_apply(m, due, migrate_choose(m, due), err);
  fed_free(due);
  return rc;
}

static bool migrate_is_undoable(const struct plan_item *item)
{
  const struct history_row *row = item->row;

  return row && *row->version && row->action != HISTORY_BASELINE;
}

/*
 * Those to undo, the last first: one, or as many as asked, or all above `to`.
 * Without `run` only whether they can be, and how many they are.
 */
static int migrate_undo(struct migrate *m, bool run, struct fed_err *err)
{
  int64_t most = m->opts.steps ? m->opts.steps : *m->to ? INT64_MAX : 1;
  int n = m->ndone, rc = SQLITE_OK;

  most -= m->ndone; /* not the first look, perhaps */
  for (int i = m->plan.n - 1; i >= 0 && most > 0 && rc == SQLITE_OK; i--) {
    struct plan_item *item = &m->plan.item[i];

    if (!migrate_is_undoable(item)) continue;
    if (*m->to && !migrate_is_beyond(m, item)) break;
    most--;
    n++;
    if (run)
      rc = migrate_script(m, item, false, err);
    else if (!item->file || !item->file->down.present)
      rc = fed_err_set(err, SQLITE_ERROR,
                       "target '%s': migration '%s_%s' has no down script: it "
                       "cannot be undone, and nothing was",
                       m->target->name, plan_version(item), plan_name(item));
  }
  if (!run) m->total = n;
  return rc;
}

static int migrate_down(struct migrate *m, struct fed_err *err)
{
  int rc = migrate_check_partial(m, false, err);

  if (rc == SQLITE_OK) rc = migrate_undo(m, false, err);
  return rc == SQLITE_OK ? migrate_undo(m, true, err) : rc;
}

/* Up or down, whichever way `to` is. */
static int migrate_to(struct migrate *m, struct fed_err *err)
{
  for (int i = 0; i < m->plan.n; i++)
    if (migrate_is_undoable(&m->plan.item[i]) &&
        migrate_is_beyond(m, &m->plan.item[i]))
      return migrate_down(m, err);
  return migrate_up(m, err);
}

static int migrate_redo(struct migrate *m, struct fed_err *err)
{
  struct plan_item *last = NULL;
  int rc;

  if (m->opts.steps > 1 || *m->to)
    return fed_err_set(err, SQLITE_MISUSE,
                       "migrate_redo() is of one migration: for more, "
                       "migrate_down() them and migrate_up() again");
  for (int i = 0; i < m->plan.n; i++)
    if (migrate_is_undoable(&m->plan.item[i])) last = &m->plan.item[i];
  rc = migrate_down(m, err);
  if (rc != SQLITE_OK || !last) return rc;
  m->ndone = 0;
  fed_str_reset(&m->done);
  last->state = PLAN_PENDING;
  last->row = NULL;
  rc = migrate_script(m, last, true, err);
  if (rc == SCRIPT_STALE) {
    fed_err_clear(err);
    rc = fed_err_set(err, SQLITE_BUSY,
                     "migration '%s_%s' is undone; another process came "
                     "between: migrate_up() applies it again",
                     plan_version(last), plan_name(last));
  } else if (rc != SQLITE_OK && !m->ndone)
    fed_err_suffix(err, " (it is undone; migrate_up() applies it again)");
  return rc;
}

/* ---- the state of a target ----------------------------------------------- */

static void migrate_forget(struct migrate *m)
{
  plan_release(&m->plan);
  history_release(&m->history);
}

static int migrate_look(struct migrate *m, struct fed_err *err)
{
  int rc;

  migrate_forget(m);
  rc = history_load(m->target, &m->history, err);
  if (rc != SQLITE_OK)
    fed_err_prefix(err,
                   "target '%s': cannot read its history: ", m->target->name);
  if (rc == SQLITE_OK) rc = plan_make(&m->plan, m->source, &m->history, err);
  return rc;
}

int migrate_open(struct migrate *m, const char *name, struct fed_err *err)
{
  int rc = target_open(&m->target, name, m->host->db, &m->host->wait, err);

  if (rc != SQLITE_OK) return rc;
  m->target->statement_timeout = m->opts.statement_timeout;
  m->target->table_locks = m->opts.lock_timeout > 0;
  if (m->opts.lock_timeout) m->target->lock_timeout = m->opts.lock_timeout;
  rc = migrate_source(m, err);
  if (rc == SQLITE_OK) rc = migrate_look(m, err);
  return rc;
}

void migrate_close(struct migrate *m)
{
  migrate_forget(m);
  source_free(m->source);
  m->source = NULL;
  target_close(m->target);
  m->target = NULL;
}

/* ---- one target ---------------------------------------------------------- */

static bool migrate_is_idle(const struct migrate *m)
{
  if (m->verb != MIGRATE_UP) return false;
  for (int i = 0; i < m->plan.n; i++)
    if (migrate_is_due(m, &m->plan.item[i]) ||
        m->plan.item[i].state == PLAN_PARTIAL)
      return false;
  return true;
}

struct migrate_deed {
  int (*act)(struct migrate *m, struct fed_err *err);
  const char *did, *would;
  bool checks; /* files and history must agree */
  bool writes; /* only rows of the history, in one transaction */
};

/* In the order of the verbs. */
/* clang-format off */
static const struct migrate_deed migrate_deeds[MIGRATE_VERBS] = {
  /* MIGRATE_UP */
  {migrate_up, "applied", "would apply", true, false},
  /* MIGRATE_DOWN */
  {migrate_down, "undid", "would undo", true, false},
  /* MIGRATE_TO */
  {migrate_to, "ran", "would run", true, false},
  /* MIGRATE_REDO */
  {migrate_redo, "redid", "would redo", true, false},
  /* MIGRATE_BASELINE */
  {migrate_baseline, "took as applied", "would take as applied", false, true},
  /* MIGRATE_REPAIR */
  {migrate_repair, "repaired", "would repair", false, true},
  /* MIGRATE_FORCE */
  {migrate_force, "forced", "would force", false, true},
  /* MIGRATE_ADOPT: its queries may fail, so its transaction is its own */
  {migrate_adopt, "adopted", "would adopt", false, false},
};
/* clang-format on */

static int migrate_check(struct migrate *m, struct fed_err *err)
{
  int rc = migrate_deeds[m->verb].checks
             ? plan_check(&m->plan, &m->opts.allow, err)
             : SQLITE_OK;

  if (rc != SQLITE_OK)
    fed_err_prefix(err, "target '%s', files in '%s': ", m->target->name,
                   migrate_dir(m));
  return rc;
}

/* What is only written is looked at and written in one transaction. */
static int migrate_act(struct migrate *m, struct fed_err *err)
{
  const struct migrate_deed *deed = &migrate_deeds[m->verb];
  int rc;

  if (!deed->writes || m->opts.dry_run) return deed->act(m, err);
  rc = target_begin(m->target, err);
  if (rc == SQLITE_OK) rc = migrate_look(m, err);
  if (rc == SQLITE_OK) rc = deed->act(m, err);
  if (rc == SQLITE_OK) rc = target_commit(m->target, err);
  target_rollback(m->target);
  return rc;
}

static int migrate_history_table(struct migrate *m, struct fed_err *err)
{
  int rc = history_create(m->target, err);

  if (rc != SQLITE_OK)
    fed_err_prefix(err, "target '%s': cannot make the table dbfed_migration: ",
                   m->target->name);
  return rc;
}

/* Another process may be quicker, where BEGIN is the lock: look again. */
static int migrate_target(struct migrate *m, const char *name,
                          struct fed_err *err)
{
  int rc = migrate_open(m, name, err);

  if (rc == SQLITE_OK) rc = migrate_check(m, err);
  if (rc != SQLITE_OK || migrate_is_idle(m)) return rc;
  if (!m->opts.dry_run) {
    rc = target_lock(m->target, err);
    if (rc == SQLITE_OK) rc = migrate_history_table(m, err);
    if (rc == SQLITE_OK) rc = migrate_look(m, err);
  }
  while (rc == SQLITE_OK) {
    rc = migrate_check(m, err);
    if (rc == SQLITE_OK) rc = migrate_act(m, err);
    if (rc != SCRIPT_STALE) break;
    fed_err_clear(err);
    rc = migrate_look(m, err);
  }
  return rc;
}

/* ---- the report ---------------------------------------------------------- */

static const char *migrate_newest(const struct migrate *m)
{
  const char *newest = "";

  for (int i = 0; i < m->history.nnow; i++)
    if (*m->history.now[i]->version) newest = m->history.now[i]->version;
  return newest;
}

static void migrate_line(struct migrate *m, const char *name)
{
  const struct migrate_deed *deed = &migrate_deeds[m->verb];

  fed_str_addf(m->report, "%s%s: ", m->report->len ? "\n" : "", name);
  if (!m->ndone && !m->source->nfile)
    fed_str_addf(m->report, "nothing to do: no migrations in '%s'",
                 migrate_dir(m));
  else if (!m->ndone)
    fed_str_addf(m->report, "nothing to do%s%s",
                 *migrate_newest(m) ? ", at " : "", migrate_newest(m));
  else {
    fed_str_addf(m->report, "%s %d migration%s (",
                 m->opts.dry_run ? deed->would : deed->did, m->ndone,
                 m->ndone > 1 ? "s" : "");
    migrate_names(m, m->report);
    fed_str_addf(m->report, ") in %lld ms",
                 (long long)(fed_clock_ms() - m->start_ms));
  }
}

static int migrate_one(void *arg, const char *name, struct fed_err *err)
{
  struct migrate *m = arg;
  int rc;

  fed_str_init(&m->done, FED_STR_SQL);
  m->ndone = 0;
  m->batch = BATCH_FIRST;
  m->start_ms = fed_clock_ms();
  rc = migrate_target(m, name, err);
  if (rc == SQLITE_OK) rc = fed_str_err(&m->done, err);
  if (rc == SQLITE_OK) migrate_line(m, name);
  if (rc != SQLITE_OK && m->ndone)
    fed_err_suffix(err, " (before that: %d migration%s done: %s)", m->ndone,
                   m->ndone > 1 ? "s" : "", m->done.s);
  migrate_close(m);
  fed_str_release(&m->done);
  return rc;
}

int migrate_run(const struct migrate_host *host, enum migrate_verb verb,
                const char *targets, const char *const *args, int n,
                struct fed_str *report, struct fed_err *err)
{
  struct migrate m = {.host = host, .verb = verb, .report = report};
  int rc = progress_enter(host->state, host->db, err);

  if (rc != SQLITE_OK) return rc;
  rc = migrate_parse(&m, args, n, err);
  if (rc == SQLITE_OK) rc = target_each(targets, migrate_one, &m, err);
  if (rc == SQLITE_OK) rc = fed_str_err(report, err);
  if (rc != SQLITE_OK && report->len)
    fed_err_suffix(err, " [done before: %s]", report->s);
  host->state->running = false;
  migrate_release(&m);
  return rc;
}

int migrate_new(const char *name, const char *const *args, int n,
                struct fed_str *paths, struct fed_err *err)
{
  struct migrate m = {.host = NULL};
  char *text = NULL;
  int rc = migrate_parse(&m, args, n, err);

  if (rc == SQLITE_OK && (m.opts.source || m.opts.embedded))
    rc = fed_err_set(err, SQLITE_MISUSE,
                     "migrate_new() writes files: name their folder, as "
                     "'dir=migrations'");
  if (rc == SQLITE_OK)
    rc = source_new(migrate_dir(&m), name, (enum source_layout)m.opts.layout,
                    &text, err);
  if (rc == SQLITE_OK) fed_str_add(paths, text);
  fed_free(text);
  migrate_release(&m);
  return rc == SQLITE_OK ? fed_str_err(paths, err) : rc;
}
