/*
 * observer: an empty virtual table, temp.dbfed_tx, through which SQLite tells
 * us how its transaction ends. A DELETE of no row enlists it; then SQLite
 * calls xCommit or xRollback, whatever else the transaction holds, and also
 * when a connection is closed in the middle of it.
 *
 * That DELETE sets changes() to 0; nothing else of it shows. It runs when a
 * statement of ours begins to read, never from another table's xBegin: there
 * SQLite's list of enlisted tables is being grown (traps 16). The table is in
 * TEMP, where writing locks no file. CREATE alone enlists it as well, without
 * xBegin.
 *
 * Statements that write are told of, too, in a transaction or outside of one:
 * there, the nested DELETE leaves the table enlisted, for SQLite commits when
 * the last statement that writes ends.
 *
 * All calls are idempotent: a schema that is read anew can leave the old
 * table enlisted beside a new one.
 */
#include "base/mem.h"
#include "tx/tx_int.h"

struct observer {
  sqlite3_vtab base; /* first */
  struct fed_tx *tx;
};

static struct fed_tx *observer_tx(sqlite3_vtab *vtab)
{
  return ((struct observer *)vtab)->tx;
}

static int observer_connect(sqlite3 *db, void *aux, int argc,
                            const char *const *argv, sqlite3_vtab **out,
                            char **message)
{
  struct observer *observer;
  int rc;

  if (argc != 3 || sqlite3_stricmp(argv[1], "temp") != 0 ||
      sqlite3_stricmp(argv[2], FED_OBSERVER) != 0) {
    *message = sqlite3_mprintf("dbfed makes its table temp." FED_OBSERVER
                               " itself, there is no use for another");
    return SQLITE_ERROR;
  }
  rc = sqlite3_declare_vtab(db, "CREATE TABLE x(a)");
  if (rc != SQLITE_OK) return rc;
  sqlite3_vtab_config(db, SQLITE_VTAB_DIRECTONLY);
  observer = fed_alloc(sizeof *observer);
  if (!observer) return SQLITE_NOMEM;
  observer->tx = aux;
  observer->tx->observers++;
  *out = &observer->base;
  return SQLITE_OK;
}

static int observer_disconnect(sqlite3_vtab *vtab)
{
  observer_tx(vtab)->observers--;
  fed_free(vtab);
  return SQLITE_OK;
}

/* Dropped in a transaction, it would not hear of its end. */
static int observer_destroy(sqlite3_vtab *vtab)
{
  if (observer_tx(vtab)->enlisted) return SQLITE_LOCKED;
  return observer_disconnect(vtab);
}

/* ---- a table without rows ---------------------------------------------- */

static int observer_best_index(sqlite3_vtab *vtab, sqlite3_index_info *info)
{
  (void)vtab;
  info->estimatedCost = 1;
  info->estimatedRows = 0;
  return SQLITE_OK;
}

static int observer_open(sqlite3_vtab *vtab, sqlite3_vtab_cursor **out)
{
  (void)vtab;
  *out = fed_alloc(sizeof **out);
  return *out ? SQLITE_OK : SQLITE_NOMEM;
}

static int observer_close(sqlite3_vtab_cursor *cursor)
{
  fed_free(cursor);
  return SQLITE_OK;
}

static int observer_filter(sqlite3_vtab_cursor *cursor, int idxnum,
                           const char *idxstr, int argc, sqlite3_value **argv)
{
  (void)cursor;
  (void)idxnum;
  (void)idxstr;
  (void)argc;
  (void)argv;
  return SQLITE_OK;
}

static int observer_next(sqlite3_vtab_cursor *cursor)
{
  (void)cursor;
  return SQLITE_OK;
}

static int observer_eof(sqlite3_vtab_cursor *cursor)
{
  (void)cursor;
  return 1;
}

static int observer_column(sqlite3_vtab_cursor *cursor, sqlite3_context *ctx,
                           int i)
{
  (void)cursor;
  (void)ctx;
  (void)i;
  return SQLITE_OK;
}

static int observer_rowid(sqlite3_vtab_cursor *cursor, sqlite3_int64 *out)
{
  (void)cursor;
  *out = 0;
  return SQLITE_OK;
}

static int observer_update(sqlite3_vtab *vtab, int argc, sqlite3_value **argv,
                           sqlite3_int64 *rowid)
{
  (void)argc;
  (void)argv;
  (void)rowid;
  vtab->zErrMsg = sqlite3_mprintf("temp." FED_OBSERVER " holds no rows");
  return SQLITE_READONLY;
}

/* ---- what it is for ---------------------------------------------------- */

static int observer_begin(sqlite3_vtab *vtab)
{
  struct fed_tx *tx = observer_tx(vtab);

  if (!tx->enlisted) tx->depth = 0; /* those that are open are told next */
  tx->enlisted = true;
  return SQLITE_OK;
}

static int observer_fail(sqlite3_vtab *vtab, const struct fed_err *err)
{
  sqlite3_free(vtab->zErrMsg);
  vtab->zErrMsg = sqlite3_mprintf("%s", err->msg);
  return err->rc;
}

static int observer_sync(sqlite3_vtab *vtab)
{
  struct fed_err err = FED_ERR_INIT;
  int rc = fed_tx_sync(observer_tx(vtab), &err);

  return rc == SQLITE_OK ? SQLITE_OK : observer_fail(vtab, &err);
}

static int observer_savepoint(sqlite3_vtab *vtab, int n)
{
  struct fed_err err = FED_ERR_INIT;
  int rc = fed_tx_savepoint(observer_tx(vtab), n, &err);

  return rc == SQLITE_OK ? SQLITE_OK : observer_fail(vtab, &err);
}

static int observer_release(sqlite3_vtab *vtab, int n)
{
  struct fed_err err = FED_ERR_INIT;
  int rc = fed_tx_release(observer_tx(vtab), n, &err);

  return rc == SQLITE_OK ? SQLITE_OK : observer_fail(vtab, &err);
}

static int observer_rollback_to(sqlite3_vtab *vtab, int n)
{
  fed_tx_rollback_to(observer_tx(vtab), n);
  return SQLITE_OK;
}

static int observer_commit(sqlite3_vtab *vtab)
{
  fed_tx_end(observer_tx(vtab), true);
  return SQLITE_OK;
}

static int observer_rollback(sqlite3_vtab *vtab)
{
  fed_tx_end(observer_tx(vtab), false);
  return SQLITE_OK;
}

static const sqlite3_module observer_module = {
  .iVersion = 2, /* has savepoints */
  .xCreate = observer_connect,
  .xConnect = observer_connect,
  .xBestIndex = observer_best_index,
  .xDisconnect = observer_disconnect,
  .xDestroy = observer_destroy,
  .xOpen = observer_open,
  .xClose = observer_close,
  .xFilter = observer_filter,
  .xNext = observer_next,
  .xEof = observer_eof,
  .xColumn = observer_column,
  .xRowid = observer_rowid,
  .xUpdate = observer_update,
  .xBegin = observer_begin,
  .xSync = observer_sync,
  .xCommit = observer_commit,
  .xRollback = observer_rollback,
  .xSavepoint = observer_savepoint,
  .xRelease = observer_release,
  .xRollbackTo = observer_rollback_to,
};

static void observer_unref(void *tx)
{
  fed_tx_unref(tx);
}

int fed_observer_register(struct fed_tx *tx, struct fed_err *err)
{
  int rc;

  tx->refs++;
  /* SQLite calls observer_unref if this fails, too. */
  rc = sqlite3_create_module_v2(tx->db, FED_OBSERVER, &observer_module, tx,
                                observer_unref);
  if (rc != SQLITE_OK)
    fed_err_set(err, rc, "cannot register module " FED_OBSERVER);
  return rc;
}

int fed_observer_create(struct fed_tx *tx)
{
  int rc;

  /* Where CREATE is a transaction of its own, xCommit takes this back. */
  tx->enlisted = true;
  rc = sqlite3_exec(
    tx->db, "CREATE VIRTUAL TABLE temp." FED_OBSERVER " USING " FED_OBSERVER,
    NULL, NULL, NULL);
  if (rc != SQLITE_OK) tx->enlisted = false;
  return rc & 0xff;
}

int fed_observer_enlist(struct fed_tx *tx, bool *in, struct fed_err *err)
{
  int rc;

  *in = true;
  if (tx->enlisted) return SQLITE_OK;
  rc = sqlite3_exec(tx->db, "DELETE FROM temp." FED_OBSERVER " WHERE 0", NULL,
                    NULL, NULL) &
       0xff;
  if (rc == SQLITE_ERROR) rc = fed_observer_create(tx);
  if (rc == SQLITE_READONLY || rc == SQLITE_AUTH) {
    *in = false;
    return SQLITE_OK;
  }
  if (rc == SQLITE_NOMEM) return fed_err_nomem(err);
  if (rc != SQLITE_OK)
    return fed_err_set(err, rc, "cannot watch this transaction: %s",
                       sqlite3_errmsg(tx->db));
  if (tx->enlisted) return SQLITE_OK;
  return fed_err_set(err, SQLITE_ERROR,
                     "cannot watch this transaction: temp." FED_OBSERVER
                     " is another table: DROP it");
}
