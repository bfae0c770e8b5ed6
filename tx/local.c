/*
 * local: SQLite's own files, when something is committed elsewhere first.
 *
 * With a rollback journal SQLite can still fail after xSync: it takes its
 * exclusive lock only then, and another process may read. What a server has
 * committed by then cannot be taken back (traps 17). So the lock is taken
 * before: the pager finds it held (xLock() of a file that has it succeeds), and
 * gives it back at the end of its transaction, whichever that is.
 *
 * A file with a write-ahead log needs no such lock, nor one that this
 * transaction does not write.
 */
#include <stdlib.h>

#include "tx/tx_int.h"

#define LOCAL_RETRY 5 /* ms between two attempts */

/* sqlite3_lock() levels, see sqlite3_io_methods. */
#define LOCAL_EXCLUSIVE SQLITE_LOCK_EXCLUSIVE

/* The header's "file format read version" is 2 with a write-ahead log
 * (SQLite's file format, 1.3.3). */
static bool local_is_wal(sqlite3_file *file)
{
  unsigned char version = 0;

  return file->pMethods->xRead(file, &version, 1, 19) == SQLITE_OK &&
         version == 2;
}

/* The file of a schema that is written under a rollback journal, or NULL. */
static sqlite3_file *local_file(sqlite3 *db, const char *schema)
{
  sqlite3_file *file = NULL;

  if (sqlite3_txn_state(db, schema) != SQLITE_TXN_WRITE) return NULL;
  if (sqlite3_file_control(db, schema, SQLITE_FCNTL_FILE_POINTER, &file) !=
        SQLITE_OK ||
      !file || !file->pMethods || local_is_wal(file))
    return NULL;
  return file;
}

/* As long as SQLite itself would wait; a handler of the host's own does not
 * show, and is not asked. */
static int64_t local_busy_ms(sqlite3 *db)
{
  sqlite3_stmt *stmt = NULL;
  int64_t ms = 0;

  if (sqlite3_prepare_v2(db, "PRAGMA busy_timeout", -1, &stmt, NULL) ==
        SQLITE_OK &&
      sqlite3_step(stmt) == SQLITE_ROW)
    ms = sqlite3_column_int64(stmt, 0);
  sqlite3_finalize(stmt);
  return ms;
}

static int local_lock(sqlite3 *db, const char *schema, int64_t *until,
                      struct fed_err *err)
{
  sqlite3_file *file = local_file(db, schema);
  int rc;

  if (!file) return SQLITE_OK;
  while ((rc = file->pMethods->xLock(file, LOCAL_EXCLUSIVE) & 0xff) ==
         SQLITE_BUSY) {
    if (!*until) *until = fed_clock_deadline(local_busy_ms(db));
    if (fed_clock_ms() >= *until) break;
    sqlite3_sleep(LOCAL_RETRY);
  }
  if (rc == SQLITE_OK) return rc;
  return fed_err_set(
    err, rc, "not committed: database '%s' is %s: COMMIT again", schema,
    rc == SQLITE_BUSY ? "in use by another connection" : "not to be locked");
}

int fed_local_lock(sqlite3 *db, struct fed_err *err)
{
  sqlite3_stmt *stmt = NULL;
  int64_t until = 0;
  int rc;

  if (sqlite3_txn_state(db, NULL) != SQLITE_TXN_WRITE) return SQLITE_OK;
  rc = sqlite3_prepare_v2(db, "SELECT name FROM pragma_database_list", -1,
                          &stmt, NULL);
  while (rc == SQLITE_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW)
    rc =
      local_lock(db, (const char *)sqlite3_column_text(stmt, 0), &until, err);
  sqlite3_finalize(stmt);
  if (rc == SQLITE_DONE) return SQLITE_OK;
  return err->rc ? err->rc
                 : fed_err_set(err, rc & 0xff, "cannot lock SQLite's files");
}
