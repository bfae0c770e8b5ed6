#include "migrate/call.h"

/* Its codes are not ours: SCRIPT_STALE would run everything again. */
static int call_failed(sqlite3 *local, int rc, struct fed_err *err)
{
  return fed_err_set(err, rc & 0xff, "%s", sqlite3_errmsg(local));
}

int call_select(sqlite3 *local, const char *name, const char *args, bool *yes,
                struct fed_err *err)
{
  char *sql = sqlite3_mprintf("SELECT \"%w\"(%s)", name, args);
  sqlite3_stmt *stmt = NULL;
  int rc;

  if (!sql) return fed_err_nomem(err);
  rc = sqlite3_prepare_v2(local, sql, -1, &stmt, NULL);
  sqlite3_free(sql);
  if (rc != SQLITE_OK) return call_failed(local, rc, err);
  /* To its end: there an interrupt that came meanwhile is seen. */
  while (sqlite3_step(stmt) == SQLITE_ROW)
    if (yes) *yes = sqlite3_column_double(stmt, 0) != 0;
  rc = sqlite3_finalize(stmt);
  return rc == SQLITE_OK ? rc : call_failed(local, rc, err);
}

/* A savepoint is gone with the transaction that it was in, also if that was
 * followed by another one. */
int call_begin(sqlite3 *local, bool *inside, struct fed_err *err)
{
  int rc = SQLITE_OK;

  *inside = !sqlite3_get_autocommit(local);
  if (*inside)
    rc = sqlite3_exec(local, "SAVEPOINT dbfed_call", NULL, NULL, NULL);
  return rc == SQLITE_OK ? rc : call_failed(local, rc, err);
}

int call_end(sqlite3 *local, const char *name, bool inside, int rc,
             struct fed_err *err)
{
  int last = SQLITE_OK;

  if (rc != SQLITE_OK) {
    fed_err_prefix(err, "function '%s': ", name);
    err->position = 0; /* of the function's own SQL */
  }
  if (inside)
    last = sqlite3_exec(local, "RELEASE dbfed_call", NULL, NULL, NULL);
  if (last == SQLITE_ERROR)
    rc =
      fed_err_set(err, SQLITE_ERROR,
                  "function '%s' ended the transaction of the migration", name);
  else if (last != SQLITE_OK)
    rc = call_failed(local, last, err);
  if (!inside && !sqlite3_get_autocommit(local))
    rc =
      fed_err_set(err, SQLITE_ERROR,
                  "function '%s' began a transaction and did not end it", name);
  return rc;
}
