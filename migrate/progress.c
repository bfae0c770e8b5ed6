#include "migrate/progress.h"

#include "base/mem.h"

#define PROGRESS_ARGS                                                          \
  "target, version, name, action, moment, done, total, "                       \
  "statement, statements"

void progress_free(void *arg)
{
  struct progress_state *state = arg;

  if (!state) return;
  fed_free(state->progress);
  fed_free(state);
}

/* Refused inside a run: it would take its place, or its transaction. */
static int progress_idle(const struct progress_state *state,
                         struct fed_err *err)
{
  if (!state->running) return SQLITE_OK;
  return fed_err_set(err, SQLITE_MISUSE,
                     "a run of migrations goes on on this connection, and "
                     "nothing that it calls may begin or change one");
}

int progress_enter(struct progress_state *state, sqlite3 *local,
                   struct fed_err *err)
{
  int rc = progress_idle(state, err);

  if (rc != SQLITE_OK) return rc;
  if (!sqlite3_get_autocommit(local))
    return fed_err_set(err, SQLITE_MISUSE,
                       "migrations begin and commit transactions of their own: "
                       "COMMIT or ROLLBACK yours before");
  state->running = true;
  return SQLITE_OK;
}

/* ---- progress ------------------------------------------------------------ */

/* Is there one that takes as many? To prepare it is to ask. */
static int progress_check(sqlite3 *local, const char *name, struct fed_err *err)
{
  char *sql = sqlite3_mprintf(
    "SELECT \"%w\"(NULL, NULL, NULL, NULL, NULL, 0, 0, 0, 0)", name);
  sqlite3_stmt *stmt = NULL;
  int rc;

  if (!sql) return fed_err_nomem(err);
  rc = sqlite3_prepare_v2(local, sql, -1, &stmt, NULL);
  sqlite3_free(sql);
  sqlite3_finalize(stmt);
  if (rc == SQLITE_OK) return rc;
  fed_err_set(err, rc & 0xff, "function '%s': %s", name, sqlite3_errmsg(local));
  fed_err_suffix(err, "; it is called as %s(" PROGRESS_ARGS ")", name);
  return err->rc;
}

int progress_set(struct progress_state *state, sqlite3 *local, const char *name,
                 struct fed_err *err)
{
  char *copy = NULL;
  int rc = progress_idle(state, err);

  if (rc == SQLITE_OK && name) rc = progress_check(local, name, err);
  if (rc == SQLITE_OK && name && !(copy = fed_strdup(name)))
    rc = fed_err_nomem(err);
  if (rc != SQLITE_OK) return rc;
  fed_free(state->progress);
  state->progress = copy;
  return SQLITE_OK;
}

int progress_tell(const struct progress *progress, enum progress_moment moment,
                  const struct history_row *row, int at, int n,
                  struct fed_err *err)
{
  static const char *const moments[] = {"begin", "statement", "done"};
  const char *name = progress->state->progress;
  bool stop = false, inside;
  char *args;
  int rc;

  if (!name) return SQLITE_OK;
  args = sqlite3_mprintf("%Q, %Q, %Q, %Q, %Q, %lld, %lld, %d, %d",
                         progress->target, *row->version ? row->version : NULL,
                         row->name, history_action_name(row->action),
                         moments[moment], (long long)progress->done,
                         (long long)progress->total, at, n);
  if (!args) return fed_err_nomem(err);
  rc = call_begin(progress->local, &inside, err);
  if (rc == SQLITE_OK) {
    rc = call_select(progress->local, name, args, &stop, err);
    rc = call_end(progress->local, name, inside, rc, err);
  }
  sqlite3_free(args);
  if (rc == SQLITE_OK && stop && moment != PROGRESS_DONE)
    rc = fed_err_set(err, SQLITE_ABORT, "stopped by function '%s'", name);
  return rc;
}
