/* view: one state of one server, and the connections that show it. */
#include "base/mem.h"
#include "tx/tx_int.h"

#define VIEW_CLEANUP_MS 5000 /* to end a transaction */

struct fed_view *fed_view_new(struct fed_tx *tx, struct fed_server *server,
                              const void *stmt, struct fed_err *err)
{
  struct fed_view *view = fed_alloc(sizeof *view);

  if (!view) {
    fed_err_nomem(err);
    return NULL;
  }
  view->tx = tx;
  view->server = fed_server_ref(server);
  view->stmt = stmt;
  fed_list_init(&view->pins);
  fed_list_push_back(&tx->views, &view->link);
  return view;
}

bool fed_view_is_tx(const struct fed_view *view)
{
  return view && !view->stmt && !view->over;
}

static struct view_pin *view_pin(struct fed_list *node)
{
  return FED_CONTAINER(node, struct view_pin, link);
}

/* ---- ending ------------------------------------------------------------ */

static bool view_is_usable(const struct fed_conn *conn)
{
  return !conn->broken && !conn->unsettled && !fed_pool_inherited(conn);
}

void fed_view_unpin(struct fed_view *view, struct view_pin *pin)
{
  struct fed_wait wait = {.deadline = fed_clock_deadline(VIEW_CLEANUP_MS)};
  struct fed_conn *conn = pin->conn;
  /* What only read has nothing to lose by it; a failure drops the session. */
  struct fed_err ignored = FED_ERR_INIT;

  fed_list_remove(&pin->link);
  fed_free(pin);
  if (view_is_usable(conn) && !view->committed) {
    if (view->commit)
      fed_conn_commit(conn, &wait, &ignored);
    else
      fed_conn_rollback(conn, &wait, &ignored);
  }
  fed_pool_put(conn);
}

/* A view that is over goes as its readers do. */
static void view_settle(struct fed_view *view)
{
  if (!view->over) return;
  FED_LIST_EACH_SAFE(node, after, &view->pins)
  if (view_pin(node)->running == 0) fed_view_unpin(view, view_pin(node));
  if (view->refs > 0 || !fed_list_empty(&view->pins)) return;
  fed_list_remove(&view->link);
  fed_server_unref(view->server);
  fed_free(view);
}

/*
 * SQLite lets SELECTs run on after COMMIT and ROLLBACK. Their connections end
 * when they are returned.
 */
void fed_view_end(struct fed_view *view, bool commit)
{
  view->over = true;
  view->commit = commit;
  view_settle(view);
}

void fed_view_drop(struct fed_view *view)
{
  if (!view) return;
  if (--view->refs == 0 && view->stmt) view->over = true;
  view_settle(view);
}

/* ---- joining ----------------------------------------------------------- */

/*
 * A connection in a transaction that shows the view. One that broke while it
 * lay idle in the pool is no reason to fail, for nothing was read by it yet;
 * nor is a server that speaks the protocol but gives no snapshot a name.
 */
static int view_begin(struct fed_view *view, bool queue,
                      struct fed_begin *begin, const struct fed_wait *wait,
                      struct fed_conn **out, struct fed_err *err)
{
  bool retried = false;

  for (;;) {
    struct fed_conn *conn = NULL;
    bool stale, nameless;
    int rc = queue ? fed_pool_get(view->server, wait, &conn, err)
                   : fed_pool_try_get(view->server, wait, &conn, err);

    if (rc != SQLITE_OK) return rc;
    rc = fed_conn_begin(conn, begin, wait, err);
    *out = conn;
    if (rc == SQLITE_OK) return SQLITE_OK;
    stale = conn->broken && rc == SQLITE_IOERR && !retried;
    *out = NULL;
    fed_pool_put(conn);
    fed_err_prefix(err, "server '%s': ", fed_server_name(view->server));
    nameless = begin->share && (rc == SQLITE_ERROR || rc == SQLITE_PERM);
    if (!stale && !nameless) return rc;
    begin->share &= !nameless;
    retried |= stale;
    fed_err_clear(err);
  }
}

/* The view's first connection says what it shows, later ones look there. */
static struct fed_begin view_terms(const struct fed_view *view)
{
  bool first = fed_list_empty(&view->pins);
  unsigned caps = fed_server_driver(view->server)->caps;

  return (struct fed_begin){
    .isolation =
      view->alone ? FED_ISOLATION_DEFAULT : FED_ISOLATION_REPEATABLE_READ,
    .writes = view->writes,
    /* The transaction may come to write later; a statement's view cannot. */
    .read_only = view->stmt != NULL,
    .guard = true,
    .share = view->stmt && first && (caps & FED_CAP_SNAPSHOT),
    .snapshot = first ? NULL : view->snapshot,
  };
}

struct fed_conn *fed_view_conn(const struct fed_view *view)
{
  if (fed_list_empty(&view->pins)) return NULL;
  return FED_CONTAINER(view->pins.next, struct view_pin, link)->conn;
}

int fed_view_restart(struct fed_view *view, struct fed_conn *conn,
                     const struct fed_wait *wait, struct fed_err *err)
{
  struct fed_begin begin = view_terms(view);
  int rc = fed_conn_rollback(conn, wait, err);

  begin.snapshot = NULL;
  return rc == SQLITE_OK ? fed_conn_begin(conn, &begin, wait, err) : rc;
}

static int view_join(struct fed_view *view, bool queue,
                     const struct fed_wait *wait, struct fed_conn **out,
                     struct fed_err *err)
{
  struct fed_begin begin = view_terms(view);
  struct view_pin *pin = fed_alloc(sizeof *pin);
  int rc;

  if (!pin) return fed_err_nomem(err);
  rc = view_begin(view, queue, &begin, wait, &pin->conn, err);
  if (rc != SQLITE_OK) {
    fed_free(pin);
    return rc;
  }
  if (begin.share)
    memcpy(view->snapshot, pin->conn->snapshot, sizeof view->snapshot);
  pin->running = 1;
  fed_list_push_back(&view->pins, &pin->link);
  *out = pin->conn;
  return SQLITE_OK;
}

/* A connection of the view can no longer be used: nor can the view. */
static int view_lose(struct fed_view *view, const struct fed_conn *conn,
                     struct fed_err *err)
{
  bool inherited = fed_pool_inherited(conn);

  fed_err_set(&view->lost, inherited ? SQLITE_MISUSE : SQLITE_ERROR,
              "server '%s': this transaction %s: ROLLBACK, and run it again",
              fed_server_name(view->server),
              inherited ? "was begun before fork()" : "lost its connection");
  *err = view->lost;
  return err->rc;
}

/* Another connection for what a running one is busy with. */
static int view_join_busy(struct fed_view *view, struct fed_conn *busy,
                          const struct fed_wait *wait, struct fed_conn **out,
                          struct fed_err *err)
{
  int rc = SQLITE_BUSY;

  if (view->snapshot[0]) rc = view_join(view, false, wait, out, err);
  if (rc == SQLITE_OK || rc == SQLITE_NOMEM || rc == SQLITE_INTERRUPT)
    return rc;
  /* Whatever was in its way: there is another one. */
  fed_err_clear(err);
  *out = busy;
  return fed_err_set(err, SQLITE_BUSY, "another scan uses the connection");
}

int fed_view_lease(struct fed_view *view, bool queue,
                   const struct fed_wait *wait, struct fed_conn **out,
                   struct fed_err *err)
{
  struct fed_conn *busy = NULL;

  *out = NULL;
  if (view->lost.rc != SQLITE_OK) {
    *err = view->lost;
    return err->rc;
  }
  FED_LIST_EACH(node, &view->pins)
  {
    struct view_pin *pin = view_pin(node);

    if (!view_is_usable(pin->conn)) return view_lose(view, pin->conn, err);
    busy = pin->conn;
    if (pin->running && !(busy->caps & FED_CAP_MANY)) continue;
    pin->running++;
    *out = busy;
    return SQLITE_OK;
  }
  if (busy) return view_join_busy(view, busy, wait, out, err);
  return view_join(view, queue, wait, out, err);
}

void fed_view_return(struct fed_view *view, struct fed_conn *conn)
{
  FED_LIST_EACH(node, &view->pins)
  if (view_pin(node)->conn == conn) view_pin(node)->running--;
  view_settle(view);
}

void fed_view_failed(struct fed_view *view, const struct fed_conn *conn,
                     struct fed_err *err)
{
  if (!conn->broken && !conn->unsettled) return;
  if (!view->stmt) err->rc = SQLITE_ERROR;
  fed_err_suffix(err, "; what this %s saw of server '%s' is lost: %s",
                 view->stmt ? "statement" : "transaction",
                 fed_server_name(view->server),
                 view->stmt ? "run it again" : "ROLLBACK, and run it again");
  if (view->lost.rc == SQLITE_OK) view->lost = *err;
}
