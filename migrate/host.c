#include "migrate/host.h"

#include "base/mem.h"

#define HOST_POINTER "dbfed_host"
#define HOST_NAME    128 /* bytes of a name, with its final zero */

/* ---- what is registered -------------------------------------------------- */

/* Either a list or a function. */
struct host_entry {
  struct embedded *list;
  host_fn *fn;
  void *arg;
  void (*destroy)(void *arg);
};

static void host_free(void *arg)
{
  struct host_entry *entry = arg;

  if (!entry) return;
  if (entry->list) embedded_release(entry->list);
  fed_free(entry->list);
  if (entry->destroy) entry->destroy(entry->arg);
  fed_free(entry);
}

/* Hands out the entry to whoever has our kind of pointer, which no SQL has. */
static void host_give(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
  struct host_entry **out = sqlite3_value_pointer(argv[0], HOST_POINTER);

  (void)argc;
  if (out)
    *out = sqlite3_user_data(ctx);
  else
    sqlite3_result_error(ctx, "not for SQL: this belongs to a migration", -1);
}

/* Takes `entry`; NULL takes the name away. */
static int host_set(sqlite3 *db, const char *kind, const char *name,
                    struct host_entry *entry)
{
  char *full;
  int rc;

  if (!name || !*name || strlen(name) >= HOST_NAME) {
    host_free(entry);
    return SQLITE_MISUSE;
  }
  full = sqlite3_mprintf("dbfed_%s:%s", kind, name);
  if (!full) {
    host_free(entry);
    return SQLITE_NOMEM;
  }
  /* SQLite calls host_free if this fails, too. */
  rc = sqlite3_create_function_v2(db, full, 1, SQLITE_UTF8, entry,
                                  entry ? host_give : NULL, NULL, NULL,
                                  entry ? host_free : NULL);
  sqlite3_free(full);
  return rc;
}

int host_set_files(sqlite3 *db, const char *name, struct embedded *list)
{
  struct host_entry *entry = NULL;

  if (!list) return host_set(db, "files", name, NULL);
  entry = fed_alloc(sizeof *entry);
  if (!entry) {
    embedded_release(list);
    fed_free(list);
    return SQLITE_NOMEM;
  }
  entry->list = list;
  return host_set(db, "files", name, entry);
}

int host_set_function(sqlite3 *db, const char *name, host_fn *fn, void *arg,
                      void (*destroy)(void *arg))
{
  struct host_entry *entry = fn ? fed_alloc(sizeof *entry) : NULL;

  if (!entry) {
    if (destroy) destroy(arg);
    return fn ? SQLITE_NOMEM : host_set(db, "call", name, NULL);
  }
  entry->fn = fn;
  entry->arg = arg;
  entry->destroy = destroy;
  return host_set(db, "call", name, entry);
}

static int host_find(sqlite3 *db, const char *kind, const char *name,
                     struct host_entry **out, struct fed_err *err)
{
  char *sql = sqlite3_mprintf("SELECT \"dbfed_%s:%w\"(?1)", kind, name);
  sqlite3_stmt *stmt = NULL;
  int rc;

  *out = NULL;
  if (!sql) return fed_err_nomem(err);
  rc = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);
  sqlite3_free(sql);
  /* No such function; or an authorizer that has never heard of it. */
  if (rc == SQLITE_ERROR || rc == SQLITE_AUTH) return SQLITE_OK;
  if (rc == SQLITE_OK)
    rc = sqlite3_bind_pointer(stmt, 1, (void *)out, HOST_POINTER, NULL);
  if (rc == SQLITE_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW)
    rc = SQLITE_OK;
  if (rc != SQLITE_OK) fed_err_set(err, rc & 0xff, "%s", sqlite3_errmsg(db));
  sqlite3_finalize(stmt);
  return rc == SQLITE_OK ? SQLITE_OK : err->rc;
}

int host_files(sqlite3 *db, const char *name, const struct embedded **out,
               struct fed_err *err)
{
  struct host_entry *entry = NULL;
  int rc = host_find(db, "files", name, &entry, err);

  *out = entry ? entry->list : NULL;
  return rc;
}

/* ---- calls --------------------------------------------------------------- */

static int host_call_c(const struct host_entry *entry, struct host_call *call)
{
  struct fed_err *err = call->err;
  int rc = entry->fn(entry->arg, call);

  if (rc == SQLITE_OK) {
    fed_err_clear(err); /* it has dealt with that itself */
    return SQLITE_OK;
  }
  /* No code that means something else to us: SCRIPT_STALE, SQLITE_DONE. */
  rc &= 0xff;
  if (rc == SQLITE_OK || rc >= SQLITE_NOTICE) rc = SQLITE_ERROR;
  fed_err_set(err, rc, "%s", sqlite3_errstr(rc));
  err->rc = rc;
  return rc;
}

/* fn(target, version, direction): of the program that loaded us. */
static int host_call_sql(const struct host_call *call)
{
  const struct script_run *run = call->run;
  char *args =
    sqlite3_mprintf("%Q, %Q, %Q", run->target->name, call->row->version,
                    history_action_name(call->row->action));
  int rc;

  if (!args) return fed_err_nomem(call->err);
  rc = call_select(run->progress.local, call->function, args, NULL, call->err);
  sqlite3_free(args);
  return rc;
}

int host_run(struct script_run *run, const char *name, bool atomic,
             const struct history_row *row, struct fed_err *err)
{
  struct host_call call = {
    .function = name, .run = run, .row = row, .atomic = atomic, .err = err};
  sqlite3 *local = run->progress.local;
  struct host_entry *entry;
  bool inside;
  int rc = host_find(local, "call", name, &entry, err);

  if (rc == SQLITE_OK) rc = call_begin(local, &inside, err);
  if (rc != SQLITE_OK) return rc;
  rc = entry ? host_call_c(entry, &call) : host_call_sql(&call);
  return call_end(local, name, inside, rc, err);
}

/* ---- SQL of a function --------------------------------------------------- */

/* What would do harm outside a file's text, where it shows beforehand. */
static int host_check(const struct host_call *call, const struct script *script,
                      struct fed_err *err)
{
  for (int i = 0; i < script->n; i++) {
    const struct script_step *step = &script->step[i];
    unsigned traits = step->stmt.traits;
    const char *why = NULL;

    if (traits & (SPLIT_TRANSACTION | SPLIT_NO_TRANSACTION))
      why = "it cannot be in the migration's transaction";
    else if (step->sets)
      why = "it changes the session";
    else if (call->atomic &&
             (step->may_commit || (traits & SPLIT_IMPLICIT_COMMIT)))
      why = "it commits by itself, which needs '-- migrate:no-transaction' in "
            "the file";
    if (why)
      return fed_err_set(err, SQLITE_ERROR, "refused in a function: %s: %.*s",
                         why, step->stmt.size > 60 ? 60 : (int)step->stmt.size,
                         step->stmt.sql);
  }
  return SQLITE_OK;
}

int host_exec(struct host_call *call, const char *sql, struct fed_err *err)
{
  static char path[] = "SQL";
  struct source_part part = {.text = sql, .size = strlen(sql), .line = 1};
  struct source_script source = {
    .present = true, .path = path, .part = &part, .npart = 1};
  struct target *target = call->run->target;
  struct script script;
  int rc = script_load(&script, &source, target->kind, NULL, 0, err);

  if (rc != SQLITE_OK) return rc;
  rc = host_check(call, &script, err);
  for (int i = 0; i < script.n && rc == SQLITE_OK; i++)
    rc = target_run(target, script.step[i].stmt.sql, script.step[i].stmt.size,
                    err);
  script_release(&script);
  return rc;
}
