/*
 * The entry point. SQLite derives its name from the file's: dbfed.so.
 */
#define FED_ENTRY
#include "base/base.h"

SQLITE_EXTENSION_INIT1

#include "ext/dbfed.h"
#include "ext/ext.h"

/*
 * One process may hold two SQLites (a host with its own and a library that
 * brings another). Our calls go through one table: the first one's.
 */
static int entry_same_sqlite(const sqlite3_api_routines *api)
{
#ifdef SQLITE_CORE
  (void)api;
  return 1;
#else
  return !sqlite3_api || sqlite3_api->libversion == api->libversion;
#endif
}

__attribute__((visibility("default"))) int
sqlite3_dbfed_init(sqlite3 *db, char **message,
                   const struct sqlite3_api_routines *api)
{
  int rc;

  if (!entry_same_sqlite(api)) {
    *message = api->mprintf("dbfed is already loaded into another copy of "
                            "SQLite in this process");
    return SQLITE_ERROR;
  }
  SQLITE_EXTENSION_INIT2(api);
  rc = fed_ext_register(db, message);
#ifndef SQLITE_CORE
  /* The pool outlives the connection that loaded us: never unload. */
  if (rc == SQLITE_OK) rc = SQLITE_OK_LOAD_PERMANENTLY;
#endif
  return rc;
}
