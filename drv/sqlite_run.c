/* sqlite_run: the user's own text, and transactions. */
#include "base/mem.h"
#include "drv/sqlite.h"

/* Rows between two looks at the clock. */
#define SQ_RUN_ROWS 256
/* Between two attempts to get a lock (ms). */
#define SQ_RETRY 10

/*
 * A handle of our own withstands the file, and takes "x" for a name only. But
 * the user's text is to mean what it means elsewhere.
 */
static void sq_as_user(struct sq_conn *sq, int on)
{
  if (sq->borrowed) return;
  sqlite3_db_config(sq->db, SQLITE_DBCONFIG_DQS_DML, on, NULL);
  sqlite3_db_config(sq->db, SQLITE_DBCONFIG_DEFENSIVE, !on, NULL);
}

static int sq_run_rows(struct sq_conn *sq, sqlite3_stmt *stmt,
                       struct fed_err *err)
{
  int rc = SQLITE_ROW;

  for (int i = 1; rc == SQLITE_ROW; i++) {
    rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW && i % SQ_RUN_ROWS == 0 &&
        fed_wait_check(sq->wait, "waiting for rows", err) != SQLITE_OK)
      return err->rc;
  }
  return rc == SQLITE_DONE ? SQLITE_OK : fed_sq_error(sq, rc, err);
}

int fed_sq_run(struct fed_conn *conn, const char *sql,
               const struct fed_wait *wait, struct fed_err *err)
{
  struct sq_conn *sq = sq_of(conn);
  sqlite3_stmt *stmt = NULL;
  const char *tail = "";
  int rc;

  fed_sq_enter(sq, wait);
  sq_as_user(sq, 1);
  rc = sqlite3_prepare_v2(sq->db, sql, -1, &stmt, &tail);
  rc = rc == SQLITE_OK ? fed_sq_single(sq, stmt, tail, err)
                       : fed_sq_error_at(sq, rc, sql, err);
  if (rc == SQLITE_OK) rc = sq_run_rows(sq, stmt, err);
  sqlite3_finalize(stmt);
  sq_as_user(sq, 0);
  return rc;
}

/* ---- transactions ------------------------------------------------------ */

/*
 * BEGIN and COMMIT may wait for a lock. On a borrowed handle the busy handler
 * is the owner's, most often none: so we try again while there is time; not
 * for the owner's own statements, that cannot end while we wait.
 */
static int sq_verb(struct sq_conn *sq, const char *verb,
                   const struct fed_wait *wait, struct fed_err *err)
{
  struct fed_err ignored = FED_ERR_INIT;
  int rc;

  fed_sq_enter(sq, wait);
  while ((rc = sqlite3_exec(sq->db, verb, NULL, NULL, NULL)) == SQLITE_BUSY &&
         sq->borrowed &&
         !strstr(sqlite3_errmsg(sq->db), "statements in progress") &&
         fed_wait_check(wait, "", &ignored) == SQLITE_OK)
    sqlite3_sleep(SQ_RETRY);
  return rc == SQLITE_OK ? SQLITE_OK : fed_sq_error(sq, rc, err);
}

/*
 * Who is going to write takes the lock at once: one who has read first could
 * be refused it for good, whatever the time. A read-only transaction is no
 * BEGIN option in SQLite but a pragma.
 */
int fed_sq_begin(struct fed_conn *conn, const struct fed_begin *opts,
                 const struct fed_wait *wait, struct fed_err *err)
{
  struct sq_conn *sq = sq_of(conn);
  bool writes = !opts->read_only && !opts->guard;
  int rc;

  if (!sqlite3_get_autocommit(sq->db))
    return fed_err_set(err, SQLITE_MISUSE,
                       "a transaction is open already: COMMIT it first");
  rc = sq_verb(sq, writes ? "BEGIN IMMEDIATE" : "BEGIN", wait, err);
  sq->in_tx = rc == SQLITE_OK;
  if (rc != SQLITE_OK || !opts->read_only || sq->borrowed) return rc;
  sq->read_only = true;
  return fed_sq_exec(conn, "PRAGMA query_only=1", wait, err);
}

static int sq_end(struct fed_conn *conn, const char *verb,
                  const struct fed_wait *wait, struct fed_err *err)
{
  struct sq_conn *sq = sq_of(conn);
  int rc = sq_verb(sq, verb, wait, err);

  if (rc == SQLITE_OK) sq->in_tx = false;
  if (rc != SQLITE_OK || !sq->read_only) return rc;
  sq->read_only = false;
  return fed_sq_exec(conn, "PRAGMA query_only=0", wait, err);
}

int fed_sq_commit(struct fed_conn *conn, const struct fed_wait *wait,
                  struct fed_err *err)
{
  return sq_end(conn, "COMMIT", wait, err);
}

int fed_sq_rollback(struct fed_conn *conn, const struct fed_wait *wait,
                    struct fed_err *err)
{
  return sq_end(conn, "ROLLBACK", wait, err);
}
