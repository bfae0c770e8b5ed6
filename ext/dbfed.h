/*
 * dbfed.h: for C programs that link dbfed instead of loading it.
 *
 *     sqlite3_open("app.db", &db);
 *     sqlite3_dbfed_init(db, &message, NULL);
 *
 * Everything else is SQL: SELECT * FROM fed_help.
 */
#ifndef DBFED_H
#define DBFED_H

#include <sqlite3.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Add dbfed to a connection: the entry point that .load and
 * sqlite3_load_extension() call with `api`; a program linked against SQLite
 * gives NULL. Returns SQLITE_OK (or SQLITE_OK_LOAD_PERMANENTLY when loaded);
 * on error *message is set and is for sqlite3_free(). Repeating it for the
 * same connection is harmless.
 */
int sqlite3_dbfed_init(sqlite3 *db, char **message,
                       const struct sqlite3_api_routines *api);

#ifdef __cplusplus
}
#endif

#endif
