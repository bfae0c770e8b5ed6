/* register: everything dbfed adds to one SQLite connection. */
#include "base/mem.h"
#include "ext/ext.h"
#include "ext/functions.h"
#include "migrate/progress.h"

/*
 * Only direct SQL may call these, no view, trigger or schema of a file; they
 * are never folded into an index either, as none of them is deterministic.
 */
#define REGISTER_FLAGS (SQLITE_UTF8 | SQLITE_DIRECTONLY)

/*
 * Does a running statement name the function itself? SQLITE_DIRECTONLY is not
 * enough: SQLite 3.40 does not heed it in a CHECK, so that a hostile file's
 * `CHECK(fed_exec(...))` would run by an INSERT, or by an integrity check.
 */
static bool register_is_direct(sqlite3 *db, const char *name)
{
  for (sqlite3_stmt *stmt = sqlite3_next_stmt(db, NULL); stmt;
       stmt = sqlite3_next_stmt(db, stmt)) {
    const char *sql = sqlite3_sql(stmt);

    if (sqlite3_stmt_busy(stmt) && sql && strcasestr(sql, name)) return true;
  }
  return false;
}

static void register_call(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
  const struct fed_binding *binding = sqlite3_user_data(ctx);
  const struct fed_function *function = binding->function;
  struct fed_err err = FED_ERR_INIT;

  if (register_is_direct(sqlite3_context_db_handle(ctx), function->name)) {
    fed_db_settle(binding->fdb);
    function->call(ctx, argc, argv);
    return;
  }
  fed_err_set(&err, SQLITE_AUTH,
              "unsafe use of %s(): call it in a statement of your own, not "
              "from a table, view or trigger",
              function->name);
  fed_result_err(ctx, &err);
}

static void register_free(void *arg)
{
  struct fed_binding *binding = arg;

  fed_db_unref(binding->fdb);
  fed_free(binding);
}

static int register_function(sqlite3 *db, struct fed_db *fdb,
                             const struct fed_function *function,
                             struct fed_err *err)
{
  struct fed_binding *binding = fed_alloc(sizeof *binding);
  int rc;

  if (!binding) return fed_err_nomem(err);
  binding->fdb = fed_db_ref(fdb);
  binding->function = function;
  /* SQLite calls register_free if this fails, too. */
  rc = sqlite3_create_function_v2(db, function->name, function->narg,
                                  REGISTER_FLAGS, binding, register_call, NULL,
                                  NULL, register_free);
  if (rc != SQLITE_OK)
    fed_err_set(err, rc, "cannot register function %s: %s", function->name,
                sqlite3_errmsg(db));
  return rc;
}

static int register_functions(sqlite3 *db, struct fed_db *fdb,
                              struct fed_err *err)
{
  int rc = SQLITE_OK;

  for (const struct fed_function *f = fed_functions; f->name && rc == SQLITE_OK;
       f++)
    rc = register_function(db, fdb, f, err);
  return rc;
}

static int register_state(struct fed_db *fdb, struct fed_err *err)
{
  struct progress_state *state = fed_alloc(sizeof *state);

  if (!state) return fed_err_nomem(err);
  fed_db_keep(fdb, state, progress_free);
  return SQLITE_OK;
}

/* Loaded already? Registering twice would fail while a statement runs. */
static bool register_done(sqlite3 *db)
{
  sqlite3_stmt *stmt = NULL;
  int rc = sqlite3_prepare_v2(db, "SELECT fed_version()", -1, &stmt, NULL);

  sqlite3_finalize(stmt);
  return rc == SQLITE_OK;
}

int fed_ext_register(sqlite3 *db, char **message)
{
  struct fed_err err = FED_ERR_INIT;
  struct fed_db *fdb = NULL;
  int rc;

  if (register_done(db)) return SQLITE_OK;
  rc = fed_vtab_register(db, fed_function_help, fed_migrate_tables, &fdb, &err);
  if (rc == SQLITE_OK) rc = register_state(fdb, &err);
  if (rc == SQLITE_OK) rc = register_functions(db, fdb, &err);
  if (rc == SQLITE_OK &&
      (rc = sqlite3_create_collation_v2(db, "decimal", SQLITE_UTF8, NULL,
                                        fed_decimal_compare, NULL)) != 0)
    fed_err_set(&err, rc, "cannot register collation decimal: %s",
                sqlite3_errmsg(db));
  fed_db_unref(fdb);
  if (rc != SQLITE_OK) *message = sqlite3_mprintf("%s", err.msg);
  return rc;
}
