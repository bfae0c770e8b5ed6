/* exec: fed_exec, one statement in the server's own dialect. */
#include <ctype.h>

#include "vtab/probe.h"
#include "vtab/write.h"

/* Skip blanks and comments; a MySQL comment that runs is none. */
static const char *exec_skip(const char *sql)
{
  for (;;) {
    while (isspace((unsigned char)*sql) || *sql == '(' || *sql == ';')
      sql++;
    if (sql[0] == '-' && sql[1] == '-') {
      while (*sql && *sql != '\n')
        sql++;
    } else if (sql[0] == '#') {
      while (*sql && *sql != '\n')
        sql++;
    } else if (sql[0] == '/' && sql[1] == '*' && sql[2] != '!' &&
               !(sql[2] == 'M' && sql[3] == '!')) {
      const char *end = strstr(sql + 2, "*/");

      if (!end) return sql;
      sql = end + 2;
    } else {
      return sql;
    }
  }
}

/*
 * A statement that would change the session or its transaction: the next
 * borrower of the connection must not find it changed.
 */
static int exec_check(const char *sql, struct fed_err *err)
{
  static const char *const refused[] = {
    "begin",     "start",   "commit",  "rollback", "end",     "abort",
    "savepoint", "release", "prepare", "xa",       "lock",    "unlock",
    "use",       "set",     "reset",   "discard",  "listen",  "unlisten",
    "attach",    "detach",  "copy",    "handler",  "declare", "deallocate",
  };
  const char *word = exec_skip(sql);
  size_t n = 0;

  if (!*word)
    return fed_err_set(err, SQLITE_ERROR, "fed_exec: the statement is empty");
  if (word[0] == '/' && word[1] == '*')
    return fed_err_set(err, SQLITE_ERROR,
                       "fed_exec: a statement may not begin with a comment "
                       "that is executed");
  while (isalpha((unsigned char)word[n]))
    n++;
  for (size_t i = 0; i < FED_LEN(refused); i++)
    if (strlen(refused[i]) == n &&
        sqlite3_strnicmp(refused[i], word, (int)n) == 0)
      return fed_err_set(err, SQLITE_ERROR,
                         "fed_exec: %.*s is refused: connections are shared, "
                         "and their sessions and transactions are not yours "
                         "to change; session settings go into the server's "
                         "URL",
                         (int)n, word);
  return SQLITE_OK;
}

/*
 * In a transaction of MySQL each of these is a COMMIT first ("Statements That
 * Cause an Implicit Commit" in its manual).
 */
static int exec_check_in_tx(const struct fed_server *server, const char *sql,
                            struct fed_err *err)
{
  static const char *const refused[] = {
    "alter",   "analyze",  "cache",    "call",     "change",
    "check",   "create",   "drop",     "flush",    "grant",
    "install", "load",     "optimize", "rename",   "repair",
    "revoke",  "shutdown", "stop",     "truncate", "uninstall",
  };
  const char *word = exec_skip(sql);
  size_t n = 0;

  if (fed_server_driver(server)->dialect != &fed_dialect_mysql)
    return SQLITE_OK;
  while (isalpha((unsigned char)word[n]))
    n++;
  for (size_t i = 0; i < FED_LEN(refused); i++)
    if (strlen(refused[i]) == n &&
        sqlite3_strnicmp(refused[i], word, (int)n) == 0)
      return fed_err_set(err, SQLITE_ERROR,
                         "fed_exec: %.*s inside a transaction is refused: "
                         "server '%s' would commit what came before it; "
                         "COMMIT first",
                         (int)n, word, fed_server_name(server));
  return SQLITE_OK;
}

/* *unsent: the connection was lost before the statement was executed. */
static int exec_run(struct fed_conn *conn, const char *sql,
                    const struct fed_value *args, int n,
                    const struct fed_wait *wait, int64_t *changes, bool *unsent,
                    struct fed_err *err)
{
  struct fed_wait cleanup = {.deadline = fed_clock_deadline(5000)};
  struct fed_stmt *stmt = NULL;
  int rc;

  /* What the user's text does to the session is unknown. */
  conn->dirty = true;
  rc = fed_stmt_get(conn, sql, NULL, 0, false, &stmt, wait, err);
  if (rc == SQLITE_OK) rc = fed_stmt_execute(stmt, args, n, wait, err);
  while (rc == SQLITE_OK || rc == SQLITE_ROW)
    rc = fed_stmt_step(stmt, wait, err);
  if (rc == SQLITE_DONE) *changes = stmt->changes;
  fed_stmt_put(stmt, false, &cleanup);
  if (rc == SQLITE_DONE) return SQLITE_OK;
  *unsent = !stmt && conn->broken && rc == SQLITE_IOERR;
  if (conn->broken && stmt)
    fed_err_suffix(err, "; the statement may have been carried out");
  return rc;
}

static int exec_lent(struct fed_db *fdb, struct fed_server *server,
                     const char *sql, const struct fed_value *args, int n,
                     const struct fed_wait *wait, int64_t *changes,
                     bool *unsent, struct fed_err *err)
{
  struct fed_conn *conn = NULL;
  int rc = fetch_lease(fdb, server, NULL, wait, &conn, err);

  *unsent = false;
  if (rc == SQLITE_OK) {
    rc = exec_run(conn, sql, args, n, wait, changes, unsent, err);
    if (rc != SQLITE_OK && rc != SQLITE_INTERRUPT && rc != SQLITE_NOMEM)
      fed_err_prefix(err, "server '%s': ", fed_server_name(server));
  }
  fed_pool_put(conn);
  return rc;
}

/* On the connection of SQLite's transaction: ROLLBACK undoes it. */
static int exec_in_tx(struct fed_db *fdb, struct fed_server *server,
                      const char *sql, const struct fed_value *args, int n,
                      const struct fed_wait *wait, int64_t *changes,
                      struct fed_err *err)
{
  struct fed_view *view = NULL;
  struct fed_conn *conn = NULL;
  bool unsent;
  int rc = exec_check_in_tx(server, sql, err);

  if (rc == SQLITE_OK) rc = write_settle(fdb, err);
  if (rc == SQLITE_OK) rc = fed_tx_write(fdb->tx, server, false, &view, err);
  if (rc == SQLITE_OK)
    rc = write_lease(fdb, server, view, true, wait, &conn, err);
  if (rc == SQLITE_OK) {
    rc = exec_run(conn, sql, args, n, wait, changes, &unsent, err);
    if (rc != SQLITE_OK && rc != SQLITE_INTERRUPT && rc != SQLITE_NOMEM)
      fed_err_prefix(err, "server '%s': ", fed_server_name(server));
    if (rc != SQLITE_OK && (conn->broken || conn->ended))
      fed_view_doom(view, err);
    fed_view_return(view, conn);
  }
  fed_view_drop(view);
  return rc == SQLITE_OK ? SQLITE_OK : err->rc;
}

int fed_exec(struct fed_db *fdb, const char *name, const char *sql,
             const struct fed_value *args, int n, int64_t *changes,
             struct fed_err *err)
{
  struct fed_wait forever = fed_db_wait(fdb);
  struct fed_server *server = NULL;
  struct fed_wait wait;
  bool unsent;
  int rc = exec_check(sql, err);

  if (rc != SQLITE_OK) return rc;
  rc = fed_server_find(name, &server, err);
  if (rc != SQLITE_OK) return rc;
  wait = fed_server_wait(server, &forever);
  if (fed_server_is_read_only(server)) {
    rc = fed_err_set(err, SQLITE_READONLY,
                     "fed_exec: server '%s' is read-only, it has that option",
                     name);
    unsent = false;
  } else if (!sqlite3_get_autocommit(fdb->db)) {
    rc = exec_in_tx(fdb, server, sql, args, n, &wait, changes, err);
    unsent = false;
  } else {
    rc = exec_lent(fdb, server, sql, args, n, &wait, changes, &unsent, err);
  }
  /* The connection broke while it lay idle. */
  if (unsent) {
    fed_err_clear(err);
    rc = exec_lent(fdb, server, sql, args, n, &wait, changes, &unsent, err);
  }
  probe_forget(fdb);
  fed_server_unref(server);
  return rc;
}
