/* conn: what every connection shares, whatever its driver. */
#include <stdatomic.h>
#include <stdio.h>

#include "base/mem.h"
#include "drv/drv.h"

void fed_conn_init(struct fed_conn *conn, const struct fed_driver *drv)
{
  conn->drv = drv;
  conn->caps = drv->caps;
  fed_list_init(&conn->stmts);
}

void fed_conn_unlock(struct fed_conn *conn)
{
  static _Atomic int64_t last;

  conn->locks = atomic_fetch_add(&last, 1) + 1;
}

int fed_conn_open(struct fed_conn **out, const struct fed_dsn *dsn,
                  const struct fed_wait *wait, struct fed_err *err)
{
  struct fed_conn *conn = NULL;
  int rc;

  *out = NULL;
  if (fed_fault_hit(FED_FAULT_CALL))
    return fed_err_set(err, SQLITE_CANTOPEN, "injected fault in open");
  rc = dsn->drv->open(&conn, dsn, wait, err);
  if (rc != SQLITE_OK) {
    fed_dsn_scrub(dsn, err);
    return rc;
  }
  *out = conn;
  return SQLITE_OK;
}

void fed_conn_close(struct fed_conn *conn)
{
  if (!conn) return;
  fed_stmts_clear(conn);
  conn->drv->close(conn);
}

void fed_conn_abandon(struct fed_conn *conn)
{
  if (conn) conn->drv->abandon(conn);
}

void fed_conn_note(struct fed_conn *conn, const char *level, const char *text)
{
  size_t have = strlen(conn->notes), room = sizeof conn->notes - have;
  int n = snprintf(conn->notes + have, room, "%s%s: %s", have ? "\n" : "",
                   level, text);

  if (n < 0 || (size_t)n >= room) conn->notes[have] = 0;
}

int fed_conn_run(struct fed_conn *conn, const char *sql, size_t size,
                 const struct fed_wait *wait, struct fed_err *err)
{
  char *text;
  int rc;

  /* Else what stands behind it would silently not be run. */
  if (memchr(sql, 0, size))
    return fed_err_set(err, SQLITE_ERROR, "the statement has a zero byte");
  text = fed_alloc(size + 1); /* comes zeroed */
  if (!text) return fed_err_nomem(err);
  memcpy(text, sql, size);
  conn->dirty = true;
  conn->notes[0] = 0;
  rc = conn->drv->run(conn, text, wait, err);
  fed_free(text);
  return rc;
}

int fed_conn_batch(struct fed_conn *conn, const char *const *sql, int n,
                   int *done, const struct fed_wait *wait, struct fed_err *err)
{
  int rc;

  *done = 0;
  conn->dirty = conn->unsettled = true;
  conn->notes[0] = 0;
  rc = conn->drv->batch(conn, sql, n, done, wait, err);
  conn->unsettled = conn->broken;
  return rc;
}

int fed_conn_reset(struct fed_conn *conn, const struct fed_wait *wait,
                   struct fed_err *err)
{
  int rc;

  fed_stmts_clear(conn);
  conn->unsettled = true;
  rc = fed_conn_settle(conn, conn->drv->reset(conn, wait, err));
  if (rc == SQLITE_OK) conn->dirty = false;
  return rc;
}
