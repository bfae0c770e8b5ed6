/* dbfed: the functions that C programs call; see dbfed.h. */
#include "ext/dbfed.h"

#include "base/mem.h"
#include "migrate/host.h"

#define PUBLIC __attribute__((visibility("default")))

/* Without SQLite's table of functions nothing of it can be called. */
static bool dbfed_is_ready(const sqlite3 *db)
{
#ifdef SQLITE_CORE
  return db != NULL;
#else
  return db != NULL && sqlite3_api != NULL;
#endif
}

static int dbfed_add(struct embedded *list, const struct fed_migrate_file *file)
{
  struct fed_err err = FED_ERR_INIT;
  const char *sql = file->sql ? file->sql : "";
  size_t size = file->sql && file->size ? file->size : strlen(sql);
  int rc = file->path ? embedded_add(list, file->path, strlen(file->path), sql,
                                     size, &err)
                      : SQLITE_MISUSE;

  return rc == SQLITE_ERROR ? SQLITE_MISUSE : rc;
}

PUBLIC int fed_migrate_files(sqlite3 *db, const char *name,
                             const struct fed_migrate_file *files, int n)
{
  struct embedded *list;
  int rc = SQLITE_OK;

  if (!dbfed_is_ready(db) || n < 0 || (n > 0 && !files)) return SQLITE_MISUSE;
  if (n == 0) return host_set_files(db, name, NULL);
  list = fed_alloc(sizeof *list);
  if (!list) return SQLITE_NOMEM;
  for (int i = 0; i < n && rc == SQLITE_OK; i++)
    rc = dbfed_add(list, &files[i]);
  if (rc == SQLITE_OK) return host_set_files(db, name, list);
  embedded_release(list);
  fed_free(list);
  return rc;
}

/* ---- functions ----------------------------------------------------------- */

struct dbfed_function {
  int (*fn)(void *arg, struct fed_migrate_call *call);
  void *arg;
  void (*destroy)(void *arg);
};

static int dbfed_call(void *arg, struct host_call *call)
{
  const struct dbfed_function *function = arg;
  struct fed_migrate_call shown = {
    .db = call->run->progress.local,
    .target = call->run->target->name,
    .driver = call->run->target->kind->driver,
    .version = call->row->version,
    .name = call->row->name,
    .direction = history_action_name(call->row->action),
    .internal = call,
  };

  return function->fn(function->arg, &shown);
}

static void dbfed_destroy(void *arg)
{
  struct dbfed_function *function = arg;

  if (function->destroy) function->destroy(function->arg);
  fed_free(function);
}

PUBLIC int fed_migrate_function(sqlite3 *db, const char *name,
                                int (*fn)(void *arg,
                                          struct fed_migrate_call *call),
                                void *arg, void (*destroy)(void *arg))
{
  bool ready = dbfed_is_ready(db);
  struct dbfed_function *function =
    ready && fn ? fed_alloc(sizeof *function) : NULL;

  if (!function) {
    if (destroy) destroy(arg);
    if (ready && !fn) return host_set_function(db, name, NULL, NULL, NULL);
    return ready ? SQLITE_NOMEM : SQLITE_MISUSE;
  }
  function->fn = fn;
  function->arg = arg;
  function->destroy = destroy;
  return host_set_function(db, name, dbfed_call, function, dbfed_destroy);
}

PUBLIC int fed_migrate_exec(struct fed_migrate_call *call, const char *sql)
{
  struct host_call *inner = call->internal;

  fed_err_clear(inner->err);
  return host_exec(inner, sql, inner->err);
}

PUBLIC void fed_migrate_error(struct fed_migrate_call *call,
                              const char *message)
{
  struct host_call *inner = call->internal;

  fed_err_clear(inner->err);
  fed_err_set(inner->err, SQLITE_ERROR, "%s", message);
}
