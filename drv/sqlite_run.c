/* sqlite_run: the user's own text, and transactions. */
#include <pthread.h>
#include <signal.h>
#include <time.h>

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

/*
 * A deadline on a borrowed handle, whose progress handler is the owner's: a
 * thread waits for it, or for the end of the statement, and interrupts.
 */
struct sq_alarm {
  sqlite3 *db;
  struct timespec until;
  pthread_t thread;
  pthread_mutex_t lock;
  pthread_cond_t wake;
  bool started, over, rang;
};

static void *sq_alarm_run(void *arg)
{
  struct sq_alarm *alarm = arg;
  int rc = 0;

  pthread_mutex_lock(&alarm->lock);
  while (!alarm->over && rc == 0)
    rc = pthread_cond_timedwait(&alarm->wake, &alarm->lock, &alarm->until);
  alarm->rang = !alarm->over;
  if (alarm->rang) sqlite3_interrupt(alarm->db);
  pthread_mutex_unlock(&alarm->lock);
  return NULL;
}

/* Deaf to signals: those are for the host's own threads. */
static void sq_alarm_set(struct sq_alarm *alarm, sqlite3 *db, int64_t ms)
{
  pthread_condattr_t monotonic;
  sigset_t all, old;

  memset(alarm, 0, sizeof *alarm);
  alarm->db = db;
  alarm->until.tv_sec = (time_t)(ms / 1000);
  alarm->until.tv_nsec = (long)(ms % 1000) * 1000000;
  pthread_condattr_init(&monotonic);
  pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
  pthread_cond_init(&alarm->wake, &monotonic);
  pthread_condattr_destroy(&monotonic);
  pthread_mutex_init(&alarm->lock, NULL);
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &old);
  alarm->started =
    pthread_create(&alarm->thread, NULL, sq_alarm_run, alarm) == 0;
  pthread_sigmask(SIG_SETMASK, &old, NULL);
}

/* Whether it rang. */
static bool sq_alarm_end(struct sq_alarm *alarm)
{
  pthread_mutex_lock(&alarm->lock);
  alarm->over = true;
  pthread_cond_signal(&alarm->wake);
  pthread_mutex_unlock(&alarm->lock);
  if (alarm->started) pthread_join(alarm->thread, NULL);
  pthread_mutex_destroy(&alarm->lock);
  pthread_cond_destroy(&alarm->wake);
  return alarm->rang;
}

static int sq_run(struct fed_conn *conn, const char *sql,
                  const struct fed_wait *wait, struct fed_err *err)
{
  struct sq_conn *sq = sq_of(conn);
  sqlite3_stmt *stmt = NULL;
  const char *tail = "";
  int rc = fed_sq_usable(sq, err);

  if (rc != SQLITE_OK) return rc;
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

int fed_sq_run(struct fed_conn *conn, const char *sql,
               const struct fed_wait *wait, struct fed_err *err)
{
  struct sq_conn *sq = sq_of(conn);
  struct sq_alarm alarm;
  int rc;

  if (!sq->borrowed || wait->deadline == FED_WAIT_FOREVER)
    return sq_run(conn, sql, wait, err);
  sq_alarm_set(&alarm, sq->db, wait->deadline);
  rc = sq_run(conn, sql, wait, err);
  if (!sq_alarm_end(&alarm) || rc != SQLITE_INTERRUPT) return rc;
  fed_err_clear(err);
  return fed_err_set(err, SQLITE_BUSY, "timed out waiting for rows");
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
  while (((rc = sqlite3_exec(sq->db, verb, NULL, NULL, NULL)) & 0xff) ==
           SQLITE_BUSY &&
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
  bool writes = opts->writes || (!opts->read_only && !opts->guard);
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
  bool gone = conn->ended && sqlite3_get_autocommit(sq->db);
  int rc = gone ? SQLITE_OK : sq_verb(sq, verb, wait, err);

  if (rc == SQLITE_OK) sq->in_tx = conn->ended = false;
  if (rc != SQLITE_OK || !sq->read_only) return rc;
  sq->read_only = false;
  return fed_sq_exec(conn, "PRAGMA query_only=0", wait, err);
}

int fed_sq_commit(struct fed_conn *conn, const struct fed_wait *wait,
                  struct fed_err *err)
{
  int rc = fed_sq_usable(sq_of(conn), err);

  return rc == SQLITE_OK ? sq_end(conn, "COMMIT", wait, err) : rc;
}

/*
 * Until the statement that called us has ended, every other one is interrupted,
 * ROLLBACK as well. But one that writes takes its transaction along, and VACUUM
 * counts as one; it can still be prepared, as the parser looks at blanks and at
 * the end of the text only. Not interrupted, it would be refused here.
 */
void fed_sq_abort(struct sq_conn *sq)
{
  sqlite3_stmt *stmt = NULL;

  if (sqlite3_prepare_v2(sq->db, "VACUUM;", -1, &stmt, NULL) == SQLITE_OK)
    sqlite3_step(stmt);
  sqlite3_finalize(stmt);
}

int fed_sq_rollback(struct fed_conn *conn, const struct fed_wait *wait,
                    struct fed_err *err)
{
  int rc;

  fed_sq_load_over(sq_of(conn));
  rc = sq_end(conn, "ROLLBACK", wait, err);

  if (rc != SQLITE_INTERRUPT) return rc;
  fed_sq_abort(sq_of(conn));
  if (!sqlite3_get_autocommit(sq_of(conn)->db)) return rc;
  fed_err_clear(err);
  sq_of(conn)->in_tx = conn->ended = false;
  return SQLITE_OK;
}

/* ---- guards -------------------------------------------------------------- */

int fed_sq_guard(struct sq_conn *sq, enum sq_guard what, struct fed_err *err)
{
  static const char *const sql[] = {
    [SQ_GUARD_SET] = "SAVEPOINT fed_guard",
    [SQ_GUARD_BACK] = "ROLLBACK TO fed_guard",
    [SQ_GUARD_RELEASE] = "RELEASE fed_guard",
  };
  sqlite3_stmt **stmt = &sq->guard[what];
  int rc = SQLITE_OK;

  if (!*stmt)
    rc = sqlite3_prepare_v3(sq->db, sql[what], -1, SQLITE_PREPARE_PERSISTENT,
                            stmt, NULL);
  if (rc == SQLITE_OK) rc = sqlite3_step(*stmt);
  if (rc != SQLITE_DONE) fed_sq_error(sq, rc, err);
  sqlite3_reset(*stmt); /* NULL is fine */
  return rc == SQLITE_DONE ? SQLITE_OK : err->rc;
}

void fed_sq_guard_release(struct sq_conn *sq)
{
  for (size_t i = 0; i < FED_LEN(sq->guard); i++) {
    sqlite3_finalize(sq->guard[i]);
    sq->guard[i] = NULL;
  }
}
