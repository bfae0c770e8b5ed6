/*
 * The entry point. SQLite derives its name from the file's: dbfed.so.
 */
#define FED_ENTRY
#include "base/base.h"

SQLITE_EXTENSION_INIT1

#include "ext/dbfed.h"
#include "ext/ext.h"

#ifndef SQLITE_CORE
/*
 * May the host's SQLite be ours? Asked through its own table of functions,
 * before that becomes the one all our calls go through. A process may hold
 * two SQLites (its own, and one that a library brings): the first one stays.
 */
static int entry_check(const sqlite3_api_routines *api, char **message)
{
  if (!api) return SQLITE_MISUSE; /* and nothing to write a message with */
  if (api->libversion_number() < FED_SQLITE_MIN) {
    *message = api->mprintf("dbfed needs SQLite 3.38 or later; this is %s",
                            api->libversion());
    return SQLITE_ERROR;
  }
  if (sqlite3_api && sqlite3_api->libversion != api->libversion) {
    *message = api->mprintf("dbfed is already loaded into another copy of "
                            "SQLite in this process");
    return SQLITE_ERROR;
  }
  return SQLITE_OK;
}
#endif

__attribute__((visibility("default"))) int
sqlite3_dbfed_init(sqlite3 *db, char **message,
                   const struct sqlite3_api_routines *api)
{
  int rc;

#ifndef SQLITE_CORE
  rc = entry_check(api, message);
  if (rc != SQLITE_OK) return rc;
#endif
  SQLITE_EXTENSION_INIT2(api);
  rc = fed_ext_register(db, message);
#ifndef SQLITE_CORE
  /* The pool outlives the connection that loaded us: never unload. */
  if (rc == SQLITE_OK) rc = SQLITE_OK_LOAD_PERMANENTLY;
#endif
  return rc;
}
