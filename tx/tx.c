/* tx: a SQLite connection's transaction, and the views it has of servers. */
#include "base/mem.h"
#include "tx/tx_int.h"

int fed_tx_new(sqlite3 *db, struct fed_tx **out, struct fed_err *err)
{
  struct fed_tx *tx = fed_alloc(sizeof *tx);
  int rc;

  if (!tx) return fed_err_nomem(err);
  tx->db = db;
  tx->refs = 1;
  fed_list_init(&tx->views);
  rc = fed_observer_register(tx, err);
  if (rc == SQLITE_OK)
    *out = tx;
  else
    fed_tx_unref(tx);
  return rc;
}

void fed_tx_unref(struct fed_tx *tx)
{
  if (!tx || --tx->refs > 0) return;
  fed_tx_end(tx, false);
  fed_free(tx);
}

void fed_tx_observe(struct fed_tx *tx)
{
  if (sqlite3_get_autocommit(tx->db)) fed_observer_create(tx);
}

void fed_tx_unobserve(struct fed_tx *tx)
{
  /* Another table of that name is not ours to drop. */
  if (tx->observers > 0 && sqlite3_get_autocommit(tx->db))
    sqlite3_exec(tx->db, "DROP TABLE temp." FED_OBSERVER, NULL, NULL, NULL);
}

static struct fed_view *
tx_find(struct fed_tx *tx, const struct fed_server *server, const void *stmt)
{
  FED_LIST_EACH(node, &tx->views)
  {
    struct fed_view *view = FED_CONTAINER(node, struct fed_view, link);

    if (view->server == server && view->stmt == stmt && !view->over)
      return view;
  }
  return NULL;
}

/* *in: SQLite is in a transaction whose end we shall hear of. */
static int tx_enter(struct fed_tx *tx, bool *in, struct fed_err *err)
{
  /* Outside of a transaction, a statement that writes has enlisted it. */
  *in = tx->enlisted;
  if (*in || sqlite3_get_autocommit(tx->db)) return SQLITE_OK;
  return fed_observer_enlist(tx, in, err);
}

/* Does a statement run that began outside of a transaction? */
static bool tx_has_statement(const struct fed_tx *tx)
{
  FED_LIST_EACH(node, &tx->views)
  {
    const struct fed_view *view = FED_CONTAINER(node, struct fed_view, link);

    if (view->stmt && !view->over) return true;
  }
  return false;
}

bool fed_tx_asks(struct fed_tx *tx, struct fed_server *server)
{
  unsigned caps = fed_server_driver(server)->caps;
  struct fed_err later; /* told by fed_tx_view() */
  bool in;

  if (!(caps & (FED_CAP_SNAPSHOT | FED_CAP_MANY))) return false;
  if (tx_has_statement(tx)) return true;
  fed_err_init(&later);
  return tx_enter(tx, &in, &later) == SQLITE_OK && !in;
}

int fed_tx_view(struct fed_tx *tx, struct fed_server *server, const void *stmt,
                struct fed_view **out, struct fed_err *err)
{
  struct fed_view *view;
  bool in;
  int rc = tx_enter(tx, &in, err);

  *out = NULL;
  if (rc != SQLITE_OK) return rc;
  if (!in && !stmt) return SQLITE_OK;
  view = stmt ? tx_find(tx, server, stmt) : NULL;
  if (in) stmt = NULL;
  if (!view) view = tx_find(tx, server, stmt);
  if (!view) view = fed_view_new(tx, server, stmt, err);
  if (!view) return err->rc;
  view->refs++;
  *out = view;
  return SQLITE_OK;
}

/* What another one has written cannot be committed together with this, yet. */
static int tx_may_write(const struct fed_tx *tx,
                        const struct fed_server *server, struct fed_err *err)
{
  const struct fed_view *written = tx->written;

  if (!written || written->server == server) return SQLITE_OK;
  return fed_err_set(err, SQLITE_ERROR,
                     "cannot write on server '%s': this transaction has "
                     "written on server '%s', and the two could not be "
                     "committed as one: COMMIT in between",
                     fed_server_name(server), fed_server_name(written->server));
}

int fed_tx_write(struct fed_tx *tx, struct fed_server *server, bool alone,
                 struct fed_view **out, struct fed_err *err)
{
  bool in = true;
  int rc = tx_may_write(tx, server, err);
  struct fed_view *view;

  *out = NULL;
  if (rc == SQLITE_OK && !tx->enlisted) rc = fed_observer_enlist(tx, &in, err);
  if (rc != SQLITE_OK) return rc;
  if (!in)
    return fed_err_set(err, SQLITE_READONLY,
                       "cannot write on server '%s': temp." FED_OBSERVER
                       ", which tells how the transaction ends, cannot be "
                       "written to (PRAGMA query_only, or an authorizer)",
                       fed_server_name(server));
  view = tx_find(tx, server, NULL);
  if (view && view->lost.rc != SQLITE_OK) {
    *err = view->lost;
    return err->rc;
  }
  if (!view) {
    view = fed_view_new(tx, server, NULL, err);
    if (!view) return err->rc;
    view->writes = true;
    view->alone = alone && sqlite3_get_autocommit(tx->db);
  }
  view->refs++;
  *out = view;
  return SQLITE_OK;
}

void fed_tx_set_calls(struct fed_tx *tx, const struct fed_tx_calls *calls)
{
  tx->calls = *calls;
}

void fed_tx_end(struct fed_tx *tx, bool commit)
{
  tx->enlisted = false;
  tx->depth = 0;
  tx->written = NULL;
  if (tx->calls.ended) tx->calls.ended(tx->calls.ctx);
  FED_LIST_EACH_SAFE(node, after, &tx->views)
  {
    struct fed_view *view = FED_CONTAINER(node, struct fed_view, link);

    if (!view->stmt && !view->over) fed_view_end(view, commit);
  }
}

/* ---- when the pool is empty -------------------------------------------- */

bool fed_tx_keeps(const struct fed_tx *tx)
{
  FED_LIST_EACH(node, &tx->views)
  {
    const struct fed_view *view = FED_CONTAINER(node, struct fed_view, link);

    if (!view->stmt) continue;
    FED_LIST_EACH(pin, &view->pins)
    if (FED_CONTAINER(pin, struct view_pin, link)->running == 0) return true;
  }
  return false;
}

/* One that the view can do without: any but the first, which others join. */
static bool tx_yield_spare(struct fed_view *view)
{
  FED_LIST_EACH(node, &view->pins)
  {
    struct view_pin *pin = FED_CONTAINER(node, struct view_pin, link);

    if (node == view->pins.next || pin->running) continue;
    fed_view_unpin(view, pin);
    return true;
  }
  return false;
}

/* Connections of `server` that only this SQLite connection can give back. */
static int tx_held(const struct fed_tx *tx, const struct fed_server *server)
{
  int n = 0;

  FED_LIST_EACH(node, &tx->views)
  {
    const struct fed_view *view = FED_CONTAINER(node, struct fed_view, link);

    if (view->server != server) continue;
    FED_LIST_EACH(pin, &view->pins) n++;
  }
  return n;
}

static bool tx_yield_last(struct fed_view *view)
{
  struct view_pin *pin = FED_CONTAINER(view->pins.next, struct view_pin, link);

  if (fed_list_empty(&view->pins) || pin->running) return false;
  fed_view_unpin(view, pin);
  fed_err_set(&view->lost, SQLITE_ERROR,
              "server '%s': this statement had to give up its snapshot, for "
              "another one needed the connection: raise pool_max",
              fed_server_name(view->server));
  return true;
}

bool fed_tx_yield(struct fed_tx *tx, struct fed_server *server)
{
  FED_LIST_EACH(node, &tx->views)
  {
    struct fed_view *view = FED_CONTAINER(node, struct fed_view, link);

    if (view->stmt && tx_yield_spare(view)) return true;
  }
  if (tx_held(tx, server) < fed_server_pool_max(server)) return false;
  FED_LIST_EACH(node, &tx->views)
  {
    struct fed_view *view = FED_CONTAINER(node, struct fed_view, link);

    if (view->stmt && view->server == server && tx_yield_last(view))
      return true;
  }
  return false;
}
