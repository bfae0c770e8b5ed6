/*
 * levels: writes on one server inside SQLite's transaction.
 *
 * SQLite's savepoint n is the server's level n + 1. A level is made on the
 * server when something is to be written under it, so that a transaction that
 * only reads, or statements that write elsewhere, cost no round trip:
 *
 *   xSavepoint(n)    depth = max(depth, n + 1)
 *   a write          SAVEPOINT depth + 1 ... up to SQLite's
 *   xRelease(n)      RELEASE n + 1, if the server has it
 *   xRollbackTo(n)   ROLLBACK TO n + 1, if the server has it; all that was
 *                    written on the server otherwise lies before n
 *
 * SQLite announces only the deepest savepoint that is open when a table first
 * writes, and statements have savepoints of their own, numbered in the same
 * row (sqlite3VtabSavepoint() and sqlite3VtabBegin() in SQLite's vtab.c).
 */
#include "tx/tx_int.h"

static struct fed_wait levels_wait(const struct fed_view *view)
{
  return fed_server_wait(view->server, &view->tx->calls.wait);
}

/* What is kept back was written before what comes now. */
static int levels_flush(struct fed_tx *tx, struct fed_err *err)
{
  return tx->calls.flush ? tx->calls.flush(tx->calls.ctx, err) : SQLITE_OK;
}

/* No reader may lose rows by what the connection does next. */
static int levels_clear(struct fed_view *view, struct fed_conn *conn,
                        struct fed_err *err)
{
  const struct fed_tx_calls *calls = &view->tx->calls;

  return calls->set_aside ? calls->set_aside(calls->ctx, conn, err) : SQLITE_OK;
}

/* The connection that was written on, or NULL. */
static struct fed_conn *levels_conn(const struct fed_tx *tx)
{
  return tx->written ? fed_view_conn(tx->written) : NULL;
}

void fed_view_doom(struct fed_view *view, struct fed_err *err)
{
  view->doomed = true;
  if (view->lost.rc != SQLITE_OK) {
    *err = view->lost;
    return;
  }
  /* A statement outside of a transaction is rolled back as it ends. */
  if (!sqlite3_get_autocommit(view->tx->db))
    fed_err_suffix(err, "; nothing but ROLLBACK is left of this transaction");
  view->lost = *err;
  view->lost.rc = SQLITE_ERROR;
}

bool fed_view_is_doomed(const struct fed_view *view)
{
  return view && view->doomed;
}

int fed_view_write(struct fed_view *view, struct fed_conn *conn, bool guard,
                   const struct fed_wait *wait, struct fed_err *err)
{
  int rc = SQLITE_OK;

  while (view->depth < view->tx->depth && rc == SQLITE_OK) {
    rc = fed_conn_savepoint(conn, view->depth + 1, wait, err);
    if (rc == SQLITE_OK) view->depth++;
  }
  if (rc != SQLITE_OK) {
    fed_view_doom(view, err);
    return err->rc;
  }
  view->tx->written = view;
  conn->guard_writes = guard;
  return SQLITE_OK;
}

int fed_tx_savepoint(struct fed_tx *tx, int n, struct fed_err *err)
{
  int rc = levels_flush(tx, err);

  if (tx->depth <= n) tx->depth = n + 1;
  return rc;
}

int fed_tx_release(struct fed_tx *tx, int n, struct fed_err *err)
{
  struct fed_view *view;
  struct fed_conn *conn;
  struct fed_wait wait;
  int rc = levels_flush(tx, err);

  if (rc != SQLITE_OK) return rc;
  if (n >= 0 && tx->depth > n) tx->depth = n;
  view = tx->written;
  conn = levels_conn(tx);
  if (n < 0 || !conn || view->depth <= n || view->lost.rc) return SQLITE_OK;
  wait = levels_wait(view);
  rc = levels_clear(view, conn, err);
  if (rc == SQLITE_OK) rc = fed_conn_release(conn, n + 1, &wait, err);
  view->depth = n;
  if (rc == SQLITE_OK) return SQLITE_OK;
  fed_view_doom(view, err);
  return err->rc;
}

/* Back to where the transaction began: it goes on, with nothing written. */
static int levels_restart(struct fed_view *view, struct fed_conn *conn,
                          const struct fed_wait *wait, struct fed_err *err)
{
  int rc = fed_view_restart(view, conn, wait, err);

  if (rc == SQLITE_OK) view->tx->written = NULL;
  view->depth = 0;
  return rc;
}

/*
 * SQLite has no use for an error here: if it undoes a statement it would roll
 * back all, and a script would go on without a transaction. So the next use of
 * the server fails, and COMMIT.
 */
void fed_tx_rollback_to(struct fed_tx *tx, int n)
{
  struct fed_view *view = tx->written;
  struct fed_conn *conn = levels_conn(tx);
  struct fed_err err = FED_ERR_INIT;
  struct fed_wait wait;
  int rc;

  if (tx->calls.drop) tx->calls.drop(tx->calls.ctx);
  tx->depth = n + 1;
  if (!conn || view->lost.rc || (n >= 0 && view->depth <= n)) return;
  wait = levels_wait(view);
  rc = levels_clear(view, conn, &err);
  if (rc == SQLITE_OK)
    rc = n < 0 ? levels_restart(view, conn, &wait, &err)
               : fed_conn_rollback_to(conn, n + 1, &wait, &err);
  if (n >= 0) view->depth = n + 1;
  if (rc != SQLITE_OK) {
    fed_err_prefix(&err, "server '%s': a savepoint could not be undone: ",
                   fed_server_name(view->server));
    fed_view_doom(view, &err);
  }
}

/* Only a server that answers, and says no, is known not to have committed. */
static bool levels_is_open(const struct fed_conn *conn,
                           const struct fed_err *err)
{
  bool refused = err->native || err->sqlstate[0] || err->rc == SQLITE_ABORT;

  return conn->broken || !refused;
}

static int levels_commit(struct fed_view *view, struct fed_conn *conn,
                         struct fed_err *err)
{
  struct fed_wait wait = levels_wait(view);
  int rc = fed_conn_commit(conn, &wait, err);

  if (rc == SQLITE_OK) {
    view->committed = true;
    return SQLITE_OK;
  }
  fed_err_prefix(err,
                 "server '%s': COMMIT failed: ", fed_server_name(view->server));
  if (levels_is_open(conn, err))
    fed_err_suffix(err, "; whether the server has committed is not known: "
                        "look there before you run it again");
  /* Another code than SQLITE_BUSY, after which SQLite would try once more. */
  if ((err->rc & 0xff) == SQLITE_BUSY) err->rc = SQLITE_ERROR;
  return err->rc;
}

/* Rows may be lost of a server on which nothing has been written yet. */
static const struct fed_view *levels_doomed(const struct fed_tx *tx)
{
  FED_LIST_EACH(node, &tx->views)
  {
    const struct fed_view *view = FED_CONTAINER(node, struct fed_view, link);

    if (view->doomed && !view->over) return view;
  }
  return NULL;
}

int fed_tx_sync(struct fed_tx *tx, struct fed_err *err)
{
  int rc = levels_flush(tx, err);
  const struct fed_view *doomed = levels_doomed(tx);
  struct fed_view *view = tx->written;
  struct fed_conn *conn = levels_conn(tx);

  /* After SQLITE_BUSY SQLite would let COMMIT be tried once more. */
  if (rc != SQLITE_OK && (rc & 0xff) == SQLITE_BUSY) err->rc = SQLITE_ERROR;
  if (rc != SQLITE_OK) return err->rc;
  if (doomed || (view && view->lost.rc != SQLITE_OK)) {
    *err = doomed ? doomed->lost : view->lost;
    fed_err_prefix(err, "not committed: ");
    return err->rc;
  }
  if (!conn || view->committed) return SQLITE_OK;
  rc = levels_clear(view, conn, err);
  if (rc == SQLITE_OK) rc = fed_local_lock(tx->db, err);
  return rc == SQLITE_OK ? levels_commit(view, conn, err) : rc;
}
