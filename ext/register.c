/* register: everything dbfed adds to one SQLite connection. */
#include "ext/ext.h"
#include "ext/functions.h"

/*
 * Only direct SQL may call these, no view, trigger or schema of a file; they
 * are never folded into an index either, as none of them is deterministic.
 */
#define REGISTER_FLAGS (SQLITE_UTF8 | SQLITE_DIRECTONLY)

static int register_functions(sqlite3 *db, struct fed_db *fdb,
                              struct fed_err *err)
{
  for (const struct fed_function *f = fed_functions; f->name; f++) {
    int rc = sqlite3_create_function_v2(db, f->name, f->narg, REGISTER_FLAGS,
                                        fed_db_ref(fdb), f->call, NULL, NULL,
                                        fed_db_unref);

    if (rc != SQLITE_OK)
      return fed_err_set(err, rc, "cannot register function %s: %s", f->name,
                         sqlite3_errmsg(db));
  }
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
  rc = fed_vtab_register(db, fed_function_help, &fdb, &err);
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
