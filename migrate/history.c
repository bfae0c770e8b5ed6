#include "migrate/history.h"

#include <assert.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "migrate/source.h"

static const char *const history_actions[HISTORY_ACTIONS] = {
  [HISTORY_UP] = "up",
  [HISTORY_DOWN] = "down",
  [HISTORY_BASELINE] = "baseline",
  [HISTORY_ADOPT] = "adopt",
  [HISTORY_FORCE] = "force",
  [HISTORY_REPAIR] = "repair",
  [HISTORY_FORGET] = "forget"};
static const char *const history_states[HISTORY_STATES] = {
  [HISTORY_DONE] = "done",
  [HISTORY_RUNNING] = "running",
  [HISTORY_FAILED] = "failed",
  [HISTORY_REFUSED] = "refused"};

const char *history_action_name(enum history_action action)
{
  return history_actions[action];
}

const char *history_state_name(enum history_state state)
{
  return history_states[state];
}

/* ---- reading ------------------------------------------------------------- */

static void history_row_release(struct history_row *row)
{
  const char *text[] = {row->version,    row->name,   row->checksum,
                        row->prefix,     row->effect, row->started_at,
                        row->applied_by, row->error};

  for (size_t i = 0; i < FED_LEN(text); i++)
    fed_free((char *)(uintptr_t)text[i]);
}

void history_release(struct history *history)
{
  for (int i = 0; i < history->nrow; i++)
    history_row_release(&history->row[i]);
  fed_free(history->row);
  fed_free(history->now);
  memset(history, 0, sizeof *history);
}

static int history_word(const struct fed_value *value, const char *const *words,
                        int n, struct fed_err *err)
{
  for (int i = 0; i < n; i++)
    if (value->type == FED_TEXT && (size_t)value->size == strlen(words[i]) &&
        !memcmp(value->p, words[i], (size_t)value->size))
      return i;
  fed_err_set(err, SQLITE_CORRUPT,
              "table dbfed_migration holds a word that this version of dbfed "
              "does not know: '%.*s'",
              value->type == FED_TEXT ? (int)value->size : 4,
              value->type == FED_TEXT ? value->p : "NULL");
  return -1;
}

static char *history_text(const struct fed_value *value)
{
  return value->type == FED_TEXT ? fed_strndup(value->p, (size_t)value->size)
                                 : fed_strdup("");
}

static int64_t history_int(const struct fed_value *value)
{
  return value->type == FED_INT ? value->i : 0;
}

static struct history_row *history_room(struct history *history)
{
  if (history->nrow == history->room) {
    int room = history->room ? history->room * 2 : 64;
    struct history_row *row =
      fed_realloc(history->row, (size_t)room * sizeof *row);

    if (!row) return NULL;
    history->row = row;
    history->room = room;
  }
  memset(&history->row[history->nrow], 0, sizeof *history->row);
  return &history->row[history->nrow];
}

#define HISTORY_COLUMNS                                                        \
  "id, action, version, name, checksum, state, statements, done, prefix, "     \
  "effect, started_at, duration_ms, applied_by, error"

static int history_read(void *arg, const struct fed_value *value,
                        struct fed_err *err)
{
  struct history *history = arg;
  struct history_row *row = history_room(history);
  int action, state;

  if (!row) return fed_err_nomem(err);
  action = history_word(&value[1], history_actions, HISTORY_ACTIONS, err);
  if (action < 0) return err->rc;
  state = history_word(&value[5], history_states, HISTORY_STATES, err);
  if (state < 0) return err->rc;
  history->nrow++;
  row->id = history_int(&value[0]);
  row->action = (enum history_action)action;
  row->state = (enum history_state)state;
  row->version = history_text(&value[2]);
  row->name = history_text(&value[3]);
  row->checksum = history_text(&value[4]);
  row->statements = history_int(&value[6]);
  row->done = history_int(&value[7]);
  row->prefix = history_text(&value[8]);
  row->effect = history_text(&value[9]);
  row->started_at = history_text(&value[10]);
  row->duration_ms = history_int(&value[11]);
  row->applied_by = history_text(&value[12]);
  row->error = history_text(&value[13]);
  return row->version && row->name && row->checksum && row->prefix &&
             row->effect && row->started_at && row->applied_by && row->error
           ? SQLITE_OK
           : fed_err_nomem(err);
}

/* Versioned ones first, by version; then the repeatable ones by name. */
static int history_order(const char *version_a, const char *name_a,
                         const char *version_b, const char *name_b)
{
  if (!*version_a != !*version_b) return *version_a ? -1 : 1;
  return *version_a ? source_version_cmp(version_a, version_b)
                    : strcmp(name_a, name_b);
}

static int history_cmp(const void *pa, const void *pb)
{
  const struct history_row *a = *(const struct history_row *const *)pa;
  const struct history_row *b = *(const struct history_row *const *)pb;
  int order = history_order(a->version, a->name, b->version, b->name);

  if (order) return order;
  return a->id < b->id ? -1 : a->id > b->id;
}

/* Is it, after this row, still to be reckoned with? */
static bool history_stands(const struct history_row *row)
{
  if (row->action == HISTORY_FORGET) return false;
  return row->action != HISTORY_DOWN || row->state != HISTORY_DONE;
}

static int history_sum_up(struct history *history, struct fed_err *err)
{
  int n = 0;

  history->now = fed_calloc((size_t)history->nrow + 1, sizeof *history->now);
  if (!history->now) return fed_err_nomem(err);
  for (int i = 0; i < history->nrow; i++)
    if (history->row[i].id > 0 && history->row[i].state != HISTORY_REFUSED)
      history->now[n++] = &history->row[i];
  qsort(history->now, (size_t)n, sizeof *history->now, history_cmp);
  for (int i = 0; i < n; i++) {
    const struct history_row *row = history->now[i];
    const struct history_row *next = i + 1 < n ? history->now[i + 1] : NULL;

    assert(row);
    if (next &&
        !history_order(row->version, row->name, next->version, next->name))
      continue;
    if (history_stands(row)) history->now[history->nnow++] = row;
  }
  return SQLITE_OK;
}

static int history_seen(void *arg, const struct fed_value *row,
                        struct fed_err *err)
{
  (void)row;
  (void)err;
  *(bool *)arg = true;
  return SQLITE_OK;
}

static int history_look(struct target *target, struct fed_err *err)
{
  struct fed_value where = fed_value_cstr(target->where);

  if (target->has_history) return SQLITE_OK;
  return target_query(target, target->kind->exists, &where, 1, history_seen,
                      &target->has_history, err);
}

/* A later dbfed may have given the table another meaning. */
static int history_check(const struct history *history, struct fed_err *err)
{
  const struct history_row *own = history->nrow ? &history->row[0] : NULL;

  if (!own || own->id != 0 || !strcmp(own->version, HISTORY_FORMAT))
    return SQLITE_OK;
  return fed_err_set(err, SQLITE_ERROR,
                     "table dbfed_migration has format %s, of a later dbfed; "
                     "this one knows format " HISTORY_FORMAT,
                     own->version);
}

int history_load(struct target *target, struct history *out,
                 struct fed_err *err)
{
  int rc;

  memset(out, 0, sizeof *out);
  rc = history_look(target, err);
  if (rc == SQLITE_OK && target->has_history)
    rc = target_query(target, "SELECT " HISTORY_COLUMNS " FROM % ORDER BY id",
                      NULL, 0, history_read, out, err);
  if (rc == SQLITE_OK) rc = history_check(out, err);
  if (rc == SQLITE_OK) rc = history_sum_up(out, err);
  if (out->nrow) out->last = out->row[out->nrow - 1].id;
  if (rc == SQLITE_OK && out->last == INT64_MAX)
    rc = fed_err_set(err, SQLITE_CORRUPT,
                     "table dbfed_migration is damaged: no id is left");
  if (rc != SQLITE_OK) history_release(out);
  return rc;
}

const struct history_row *history_find(const struct history *history,
                                       const char *version, const char *name)
{
  int low = 0, high = history->nnow;

  while (low < high) {
    int at = low + (high - low) / 2;
    const struct history_row *row = history->now[at];
    int order = history_order(version, name, row->version, row->name);

    if (!order) return row;
    if (order < 0)
      high = at;
    else
      low = at + 1;
  }
  return NULL;
}

/* ---- writing ------------------------------------------------------------- */

/* Asked once: users may be those of a directory in the network. */
static const char *history_who(struct target *target)
{
  char host[128] = "", buffer[1024];
  struct passwd entry, *found = NULL;

  if (target->who[0]) return target->who;
  gethostname(host, sizeof host - 1);
  getpwuid_r(getuid(), &entry, buffer, sizeof buffer, &found);
  snprintf(target->who, sizeof target->who, "%s@%s",
           found ? found->pw_name : "?", host);
  return target->who;
}

static void history_when(char *out, size_t size)
{
  time_t now = time(NULL);
  struct tm tm;

  gmtime_r(&now, &tm);
  strftime(out, size, "%Y-%m-%d %H:%M:%S", &tm);
}

static struct fed_value history_value(const char *text)
{
  return fed_value_cstr(text ? text : "");
}

#define HISTORY_INSERT                                                         \
  "INSERT INTO %(" HISTORY_COLUMNS ") VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, "   \
  "?, #, ?, ?)"
#define HISTORY_INSERTED 14
#define HISTORY_WHEN     32 /* bytes of a time */

static void history_inserted(struct target *target,
                             const struct history_row *row, char *when,
                             struct fed_value *args)
{
  int n = 0;

  history_when(when, HISTORY_WHEN);
  args[n++] = fed_value_int(row->id);
  args[n++] = fed_value_cstr(history_actions[row->action]);
  args[n++] = history_value(row->version);
  args[n++] = history_value(row->name);
  args[n++] = history_value(row->checksum);
  args[n++] = fed_value_cstr(history_states[row->state]);
  args[n++] = fed_value_int(row->statements);
  args[n++] = fed_value_int(row->done);
  args[n++] = history_value(row->prefix);
  args[n++] = history_value(row->effect);
  args[n++] = fed_value_cstr(when);
  args[n++] = fed_value_int(row->duration_ms);
  args[n++] = fed_value_cstr(history_who(target));
  args[n++] = history_value(row->error);
}

int history_add(struct target *target, const struct history_row *row,
                struct fed_err *err)
{
  struct fed_value args[HISTORY_INSERTED];
  sqlite3_int64 rowid =
    target->local ? sqlite3_last_insert_rowid(target->local) : 0;
  char when[HISTORY_WHEN];
  int rc;

  history_inserted(target, row, when, args);
  rc = target_query(target, HISTORY_INSERT, args, HISTORY_INSERTED, NULL, NULL,
                    err);
  /* Of the program's own connection, it is not ours. */
  if (target->local) sqlite3_set_last_insert_rowid(target->local, rowid);
  return rc;
}

/* In a transaction of its own, or two that start at once would both try. */
static int history_make(struct target *target, const char *sql,
                        struct fed_err *err)
{
  struct history_row own = {.action = HISTORY_FORCE,
                            .version = HISTORY_FORMAT,
                            .name = "dbfed_migration"};
  int rc = target_begin(target, err);

  if (rc == SQLITE_OK) rc = history_look(target, err);
  if (rc == SQLITE_OK && !target->has_history) {
    rc = fed_conn_exec(target->conn, sql, &target->wait, err);
    if (rc == SQLITE_OK) rc = history_add(target, &own, err);
  }
  if (rc == SQLITE_OK) rc = target_commit(target, err);
  target_rollback(target);
  if (rc == SQLITE_OK) target->has_history = true;
  return rc;
}

int history_create(struct target *target, struct fed_err *err)
{
  struct fed_str sql;
  int rc = history_look(target, err);

  if (rc != SQLITE_OK || target->has_history) return rc;
  fed_str_init(&sql, 4096);
  fed_str_addf(&sql, "CREATE TABLE %s(%s", target->table,
               target->kind->columns);
  rc = fed_str_err(&sql, err);
  if (rc == SQLITE_OK) rc = history_make(target, sql.s, err);
  fed_str_release(&sql);
  return rc;
}

static int history_got(void *arg, const struct fed_value *row,
                       struct fed_err *err)
{
  int64_t *out = arg;

  (void)err;
  out[0] = history_int(&row[0]);
  if (row[1].type == FED_INT) out[1] = row[1].i;
  return SQLITE_OK;
}

int history_last(struct target *target, int64_t id, int64_t *last,
                 int64_t *done, struct fed_err *err)
{
  struct fed_value args[] = {fed_value_int(id)};
  int64_t got[2] = {0, -1};
  int rc = target_query(target,
                        "SELECT (SELECT max(id) FROM %), (SELECT done FROM % "
                        "WHERE id = ?)",
                        args, 1, history_got, got, err);

  *last = got[0];
  *done = got[1];
  return rc;
}

#define HISTORY_UPDATE                                                         \
  "UPDATE % SET done = ?, prefix = ?, effect = ?, state = ?, duration_ms = "   \
  "#, error = ?, checksum = ?, statements = ? WHERE id = ?"
#define HISTORY_UPDATED 9

static void history_updated(const struct history_row *row,
                            struct fed_value *args)
{
  int n = 0;

  args[n++] = fed_value_int(row->done);
  args[n++] = history_value(row->prefix);
  args[n++] = history_value(row->effect);
  args[n++] = fed_value_cstr(history_states[row->state]);
  args[n++] = fed_value_int(row->duration_ms);
  args[n++] = history_value(row->error);
  args[n++] = history_value(row->checksum);
  args[n++] = fed_value_int(row->statements);
  args[n++] = fed_value_int(row->id);
}

int history_update(struct target *target, const struct history_row *row,
                   struct fed_err *err)
{
  struct fed_value args[HISTORY_UPDATED];

  history_updated(row, args);
  return target_query(target, HISTORY_UPDATE, args, HISTORY_UPDATED, NULL, NULL,
                      err);
}

void history_spell(struct target *target, const struct history_row *row,
                   bool add, struct fed_str *out)
{
  struct fed_value args[HISTORY_INSERTED];
  char when[HISTORY_WHEN];

  if (add)
    history_inserted(target, row, when, args);
  else
    history_updated(row, args);
  target_spell(target, add ? HISTORY_INSERT : HISTORY_UPDATE, args, out);
}
