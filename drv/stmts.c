/*
 * stmts: prepared statements that a connection keeps for reuse, the most
 * recently used first. A point lookup repeated a thousand times is prepared
 * once on each connection that serves it.
 */
#include "base/mem.h"
#include "drv/drv.h"

static struct fed_stmt *stmts_of(struct fed_list *link)
{
  return FED_CONTAINER(link, struct fed_stmt, link);
}

static void stmts_free(struct fed_stmt *stmt)
{
  fed_list_remove(&stmt->link);
  stmt->conn->nstmts--;
  fed_free(stmt->sql);
  fed_free(stmt->want);
  stmt->conn->drv->finalize(stmt);
}

static bool stmts_match(const struct fed_stmt *stmt, const char *sql,
                        const enum fed_class *want, int nwant, bool bulk)
{
  if (stmt->lent || stmt->bulk != bulk || strcmp(stmt->sql, sql) != 0)
    return false;
  if (!want != !stmt->want) return false;
  if (!want) return true;
  return stmt->nwant == nwant &&
         memcmp(stmt->want, want, sizeof *want * (size_t)nwant) == 0;
}

/* Make room for one more by dropping the ones unused longest. */
static void stmts_evict(struct fed_conn *conn)
{
  struct fed_list *node = conn->stmts.prev;

  while (conn->nstmts >= FED_STMTS_MAX && node != &conn->stmts) {
    struct fed_stmt *stmt = stmts_of(node);

    node = node->prev;
    if (!stmt->lent) stmts_free(stmt);
  }
}

static int stmts_keep(struct fed_stmt *stmt, const char *sql,
                      const enum fed_class *want, int nwant,
                      struct fed_err *err)
{
  fed_list_push_front(&stmt->conn->stmts, &stmt->link);
  stmt->conn->nstmts++;
  stmt->sql = fed_strdup(sql);
  if (want) {
    stmt->want = fed_calloc((size_t)nwant, sizeof *want);
    stmt->nwant = nwant;
  }
  if (!stmt->sql || (want && !stmt->want)) {
    stmts_free(stmt);
    return fed_err_nomem(err);
  }
  if (want) memcpy(stmt->want, want, sizeof *want * (size_t)nwant);
  return SQLITE_OK;
}

int fed_stmt_get(struct fed_conn *conn, const char *sql,
                 const enum fed_class *want, int nwant, bool bulk,
                 struct fed_stmt **out, const struct fed_wait *wait,
                 struct fed_err *err)
{
  struct fed_stmt *stmt = NULL;
  int rc;

  *out = NULL;
  FED_LIST_EACH(node, &conn->stmts)
  {
    if (!stmts_match(stmts_of(node), sql, want, nwant, bulk)) continue;
    stmt = stmts_of(node);
    fed_list_remove(&stmt->link);
    fed_list_push_front(&conn->stmts, &stmt->link);
    stmt->lent = true;
    *out = stmt;
    return SQLITE_OK;
  }
  stmts_evict(conn);
  rc = conn->drv->prepare(conn, sql, want, nwant, bulk, &stmt, wait, err);
  if (rc == SQLITE_OK) rc = stmts_keep(stmt, sql, want, nwant, err);
  if (rc != SQLITE_OK) return rc;
  stmt->bulk = bulk;
  stmt->lent = true;
  *out = stmt;
  return SQLITE_OK;
}

void fed_stmt_put(struct fed_stmt *stmt, bool keep, const struct fed_wait *wait)
{
  struct fed_err err;

  if (!stmt) return;
  fed_err_init(&err);
  stmt->lent = false;
  /* A result that cannot be ended leaves the connection in its middle. */
  if (stmt->conn->drv->stmt_reset(stmt, wait, &err) != SQLITE_OK)
    stmt->conn->broken = true;
  if (!keep || stmt->conn->broken || strlen(stmt->sql) > FED_STMTS_TEXT)
    stmts_free(stmt);
}

void fed_stmts_clear(struct fed_conn *conn)
{
  FED_LIST_EACH_SAFE(node, after, &conn->stmts) stmts_free(stmts_of(node));
}
