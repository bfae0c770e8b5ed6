/* Transaction verbs in the SQL that all our servers share. */
#include <stdio.h>

#include "drv/drv.h"

int fed_sqltx_commit(struct fed_conn *conn, const struct fed_wait *wait,
                     struct fed_err *err)
{
  return fed_conn_exec(conn, "COMMIT", wait, err);
}

int fed_sqltx_rollback(struct fed_conn *conn, const struct fed_wait *wait,
                       struct fed_err *err)
{
  return fed_conn_exec(conn, "ROLLBACK", wait, err);
}

static int sqltx_level(struct fed_conn *conn, const char *verb, int level,
                       const struct fed_wait *wait, struct fed_err *err)
{
  char sql[64];

  snprintf(sql, sizeof sql, "%s fed_%d", verb, level);
  return fed_conn_exec(conn, sql, wait, err);
}

int fed_sqltx_savepoint(struct fed_conn *conn, int level,
                        const struct fed_wait *wait, struct fed_err *err)
{
  return sqltx_level(conn, "SAVEPOINT", level, wait, err);
}

int fed_sqltx_release(struct fed_conn *conn, int level,
                      const struct fed_wait *wait, struct fed_err *err)
{
  return sqltx_level(conn, "RELEASE SAVEPOINT", level, wait, err);
}

int fed_sqltx_rollback_to(struct fed_conn *conn, int level,
                          const struct fed_wait *wait, struct fed_err *err)
{
  return sqltx_level(conn, "ROLLBACK TO SAVEPOINT", level, wait, err);
}
