/* many: a statement for many rows, where the protocol has no way for it. */
#include "drv/drv.h"

/* One row of arguments, to the end of what it gives. */
static int many_one(struct fed_stmt *stmt, const struct fed_value *args,
                    int narg, const struct fed_wait *wait, struct fed_err *err)
{
  const struct fed_driver *drv = stmt->conn->drv;
  struct fed_err ignored = FED_ERR_INIT;
  int rc = drv->execute(stmt, args, narg, wait, err);

  while (rc == SQLITE_OK || rc == SQLITE_ROW)
    rc = drv->step(stmt, wait, err);
  if (drv->stmt_reset(stmt, wait, &ignored) != SQLITE_OK)
    stmt->conn->broken = true;
  return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

int fed_many_loop(struct fed_stmt *stmt, const struct fed_value *args, int narg,
                  int n, int most, int *done, const struct fed_wait *wait,
                  struct fed_err *err)
{
  for (*done = 0; *done < n; ++*done) {
    int rc =
      many_one(stmt, args + (size_t)*done * (size_t)narg, narg, wait, err);

    if (rc != SQLITE_OK) return rc;
    if (stmt->changes >= 1 && stmt->changes <= most) continue;
    return fed_err_set(err, SQLITE_NOTFOUND, "%lld rows changed instead of one",
                       (long long)stmt->changes);
  }
  return SQLITE_OK;
}
