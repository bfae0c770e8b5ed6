/*
 * mysql_wait: the calls of the client library that may block, made to end.
 *
 * MariaDB Connector/C runs each such call in a coroutine: foo_start() returns
 * 0 when it is done, else what it waits for, and foo_cont() goes on. A call
 * that is given up must not be left hanging, for what it allocated would leak
 * and the handle could not be used. So there are two steps:
 *
 *     calm --(interrupt, deadline)--> KILL QUERY --> killed: go on for 5 s
 *     calm or killed --(no kill possible, 5 s over)--> cut: shut the socket
 *     down and resume with MYSQL_WAIT_TIMEOUT, so that the call fails, frees
 *     what it holds and returns
 *
 * Never mix in a blocking call on a live connection: over TLS the library
 * would put the socket into blocking mode for good, and no later wait would
 * come back to us.
 */
#include "drv/mysql.h"

#include <pthread.h>
#include <signal.h>
#include <time.h>

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

/* How long the server may take to obey KILL QUERY. */
#define MY_GRACE 5000
/* How long a TLS handshake may be silent, if nothing ends it earlier. */
#define MY_HANDSHAKE 30000

enum my_state { MY_CALM, MY_KILLED, MY_CUT };

struct my_waiter {
  struct fed_mysql *c;
  struct fed_wait wait;
  const char *what;
  struct fed_err *err;
  enum my_state state;
  bool can_kill; /* what runs is a statement */
  int rc;        /* why it was given up */
};

static struct my_waiter my_waiter(struct fed_mysql *c, bool can_kill,
                                  const struct fed_wait *wait, const char *what,
                                  struct fed_err *err)
{
  return (struct my_waiter){.c = c,
                            .wait = *wait,
                            .what = what,
                            .err = err,
                            .state = MY_CALM,
                            .can_kill = can_kill && c->id != 0,
                            .rc = SQLITE_OK};
}

/* The library's call failed, or it succeeded after it was given up. */
static int my_result(struct my_waiter *w, bool failed, MYSQL_STMT *stmt)
{
  struct fed_err late = FED_ERR_INIT;

  /* The blocking library calls a wait that took too long a lost connection. */
  if (!FED_MYSQL_ASYNC && failed)
    w->rc = fed_wait_check(&w->wait, w->what, w->err);
  if (w->rc == SQLITE_OK)
    return failed ? fed_mysql_fail(w->c, stmt, w->err) : SQLITE_OK;
  if (failed) fed_mysql_fail(w->c, stmt, &late); /* for conn->broken */
  return w->rc;
}

/*
 * TLS libraries write with write(), and a peer that has gone then means
 * SIGPIPE, the end of a host that does not expect it. It is held back for the
 * time of the call, and one that came is taken away (as libpq does). Plain
 * sockets are written with MSG_NOSIGNAL and pay nothing.
 */
struct my_pipe {
  bool held, pending;
  sigset_t before;
};

static struct my_pipe my_pipe_hold(const struct fed_mysql *c)
{
  struct my_pipe pipe = {.held = c->tls};
  sigset_t sigpipe, pending;

  if (!pipe.held) return pipe;
  sigemptyset(&sigpipe);
  sigaddset(&sigpipe, SIGPIPE);
  sigpending(&pending);
  pipe.pending = sigismember(&pending, SIGPIPE) == 1;
  pipe.held = pthread_sigmask(SIG_BLOCK, &sigpipe, &pipe.before) == 0;
  return pipe;
}

static void my_pipe_free(const struct my_pipe *pipe)
{
  const struct timespec now = {0};
  sigset_t sigpipe;

  if (!pipe->held) return;
  sigemptyset(&sigpipe);
  sigaddset(&sigpipe, SIGPIPE);
  if (!pipe->pending) sigtimedwait(&sigpipe, NULL, &now);
  pthread_sigmask(SIG_SETMASK, &pipe->before, NULL);
}

#if FED_MYSQL_ASYNC

static void my_give_up(struct my_waiter *w, int rc, const char *why)
{
  struct fed_err ignored = FED_ERR_INIT;
  bool first = w->state == MY_CALM;

  if (w->rc == SQLITE_OK) w->rc = fed_err_set(w->err, rc, "%s", why);
  if (first && w->can_kill && fed_mysql_kill(w->c, &ignored) == SQLITE_OK) {
    w->state = MY_KILLED;
    atomic_store(&w->c->killed, true);
    w->wait = (struct fed_wait){.deadline = fed_clock_deadline(MY_GRACE)};
    return;
  }
  w->state = MY_CUT;
  w->c->head.broken = true;
  shutdown(fed_mysql_lib_socket(w->c->mysql), SHUT_RDWR);
}

/* Wait for what the coroutine asked for; returns what has happened. */
static int my_sleep(struct my_waiter *w, int asked)
{
  short events = (short)(((asked & MYSQL_WAIT_READ) ? POLLIN : 0) |
                         ((asked & MYSQL_WAIT_WRITE) ? POLLOUT : 0) |
                         ((asked & MYSQL_WAIT_EXCEPT) ? POLLPRI : 0));
  int64_t limit = FED_WAIT_FOREVER; /* read_timeout, write_timeout */

  if (asked & MYSQL_WAIT_TIMEOUT)
    limit = fed_clock_deadline(mysql_get_timeout_value_ms(w->c->mysql));
  while (w->state != MY_CUT) {
    struct fed_wait wait = w->wait;
    struct fed_err err = FED_ERR_INIT;
    bool ours = limit < wait.deadline;
    int rc;

    if (ours) wait.deadline = limit;
    /* Data that never ends must not outrun the deadline. */
    rc = fed_wait_check(&wait, w->what, &err);
    if (rc == SQLITE_OK)
      rc = fed_wait_fd(&wait, fed_mysql_lib_socket(w->c->mysql), events,
                       w->what, &err);
    if (rc == SQLITE_OK) return asked & ~MYSQL_WAIT_TIMEOUT;
    if (rc == SQLITE_BUSY && ours) return MYSQL_WAIT_TIMEOUT;
    my_give_up(w, rc, err.msg);
  }
  return MYSQL_WAIT_TIMEOUT;
}

/* Run `name` to its end. `start` and `call` are its argument lists with and
 * without the place for the result. */
#  define MY_RUN(w, name, ret, self, start, call)                              \
    do {                                                                       \
      struct my_pipe pipe_ = my_pipe_hold((w)->c);                             \
      int asked_ = name##_start start;                                         \
      while (asked_)                                                           \
        asked_ = name##_cont(ret, self, my_sleep(w, asked_));                  \
      my_pipe_free(&pipe_);                                                    \
    } while (0)

#else

#  define MY_RUN(w, name, ret, self, start, call)                              \
    do {                                                                       \
      struct my_pipe pipe_ = my_pipe_hold((w)->c);                             \
      *(ret) = name call;                                                      \
      my_pipe_free(&pipe_);                                                    \
    } while (0)

#endif

/*
 * A KILL QUERY that was answered after its target had ended may hit the next
 * statement of the session instead. Let it hit this one.
 */
static void my_absorb_kill(struct fed_mysql *c)
{
  struct fed_wait wait = {.deadline = fed_clock_deadline(MY_GRACE)};
  struct fed_err ignored = FED_ERR_INIT;
  struct my_waiter w = my_waiter(c, false, &wait, "after a kill", &ignored);
  int failed = 0;

  atomic_store(&c->killed, false);
  MY_RUN(&w, mysql_real_query, &failed, c->mysql,
         (&failed, c->mysql, "DO 0", 4), (c->mysql, "DO 0", 4));
  my_result(&w, failed, NULL);
}

/* Before each use of the connection for something new. A call may end without
 * ever waiting, so a wait that is over already is seen here. */
static int my_ready(struct fed_mysql *c, const struct fed_wait *wait,
                    const char *what, struct fed_err *err)
{
  if (atomic_load(&c->killed) && !c->head.broken) my_absorb_kill(c);
  if (c->head.broken || !c->mysql)
    return fed_err_set(err, SQLITE_IOERR, "the connection is lost");
  return fed_wait_check(wait, what, err);
}

/* ---- connection -------------------------------------------------------- */

#if FED_MYSQL_ASYNC

/*
 * The TLS handshake is the one thing that the library does with blocking
 * calls. The socket's own timeouts end it at the deadline (provided that
 * MYSQL_OPT_CONNECT_TIMEOUT is set, else the library polls for ever
 * afterwards); they do nothing to the non-blocking calls before and after.
 */
static void my_limit_handshake(struct my_waiter *w)
{
  int64_t left = w->wait.deadline - fed_clock_ms();
  int fd = fed_mysql_lib_socket(w->c->mysql);
  struct timeval tv;

  if (fd < 0) return;
  if (left < 1) left = 1;
  if (left > MY_HANDSHAKE) left = MY_HANDSHAKE;
  tv.tv_sec = (time_t)(left / 1000);
  tv.tv_usec = (suseconds_t)(left % 1000 * 1000);
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof tv);
}

static int my_sleep_connecting(struct my_waiter *w, int asked)
{
  int ready = my_sleep(w, asked);

  my_limit_handshake(w);
  return ready;
}

/* After TLS the library leaves the socket blocking, and its TLS reads have no
 * other way to learn that nothing is there. */
static void my_unblock(MYSQL *mysql)
{
  int fd = fed_mysql_lib_socket(mysql);

  if (fd >= 0) fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

#  define MY_RUN_CONNECT(w, ret, self, start, call)                            \
    do {                                                                       \
      int asked_ = mysql_real_connect_start start;                             \
      while (asked_)                                                           \
        asked_ =                                                               \
          mysql_real_connect_cont(ret, self, my_sleep_connecting(w, asked_));  \
      my_unblock(self);                                                        \
    } while (0)

#else

#  define MY_RUN_CONNECT(w, ret, self, start, call)                            \
    MY_RUN(w, mysql_real_connect, ret, self, start, call)

#endif

int fed_mysql_run_connect(struct fed_mysql *c, const char *host,
                          const char *user, const char *password,
                          const char *dbname, unsigned port, const char *socket,
                          const struct fed_wait *wait, struct fed_err *err)
{
  struct my_waiter w = my_waiter(c, false, wait, "connecting", err);
  int64_t left = (wait->deadline - fed_clock_ms()) / 1000 + 1;
  unsigned seconds = left > 3600 ? 3600 : left < 1 ? 1 : (unsigned)left;
  /* UPDATE counts the rows it finds, not those it changes (traps 12). */
  unsigned long flags = CLIENT_FOUND_ROWS;
  MYSQL *done = NULL;
  int rc = fed_wait_check(wait, w.what, err);

  if (rc != SQLITE_OK) return rc;
  mysql_options(c->mysql, MYSQL_OPT_CONNECT_TIMEOUT, &seconds);
  MY_RUN_CONNECT(
    &w, &done, c->mysql,
    (&done, c->mysql, host, user, password, dbname, port, socket, flags),
    (c->mysql, host, user, password, dbname, port, socket, flags));
  return my_result(&w, !done, NULL);
}

int fed_mysql_run_ping(struct fed_mysql *c, const struct fed_wait *wait,
                       struct fed_err *err)
{
  struct my_waiter w =
    my_waiter(c, false, wait, "asking for a sign of life", err);
  int rc = my_ready(c, wait, w.what, err);
  int failed = 0;

  if (rc != SQLITE_OK) return rc;
  MY_RUN(&w, mysql_ping, &failed, c->mysql, (&failed, c->mysql), (c->mysql));
  rc = my_result(&w, failed, NULL);
  if (rc != SQLITE_OK) c->head.broken = true;
  return rc;
}

int fed_mysql_run_reset(struct fed_mysql *c, const struct fed_wait *wait,
                        struct fed_err *err)
{
  struct my_waiter w = my_waiter(c, false, wait, "resetting the session", err);
  int rc = my_ready(c, wait, w.what, err);
  int failed = 0;

  if (rc != SQLITE_OK) return rc;
  MY_RUN(&w, mysql_reset_connection, &failed, c->mysql, (&failed, c->mysql),
         (c->mysql));
  rc = my_result(&w, failed, NULL);
  if (rc != SQLITE_OK) c->head.broken = true;
  return rc;
}

/* ---- text protocol ----------------------------------------------------- */

static int my_query(struct fed_mysql *c, const char *sql,
                    const struct fed_wait *wait, struct fed_err *err)
{
  struct my_waiter w = my_waiter(c, true, wait, "waiting for the server", err);
  unsigned long n = (unsigned long)strlen(sql);
  int failed = 0;

  MY_RUN(&w, mysql_real_query, &failed, c->mysql, (&failed, c->mysql, sql, n),
         (c->mysql, sql, n));
  return my_result(&w, failed, NULL);
}

/* The rows of the result that is next to be read; NULL if it has none. */
static int my_store(struct fed_mysql *c, MYSQL_RES **rows,
                    const struct fed_wait *wait, struct fed_err *err)
{
  struct my_waiter w = my_waiter(c, true, wait, "waiting for rows", err);

  *rows = NULL;
  if (mysql_field_count(c->mysql) == 0) return SQLITE_OK;
  MY_RUN(&w, mysql_store_result, rows, c->mysql, (rows, c->mysql), (c->mysql));
  return my_result(&w, !*rows, NULL);
}

/* CALL gives a result per SELECT of the procedure, and one more at the end. */
static int my_skip_results(struct fed_mysql *c, const struct fed_wait *wait,
                           struct fed_err *err)
{
  MYSQL_RES *rows;
  int rc = SQLITE_OK;

  while (rc == SQLITE_OK && mysql_more_results(c->mysql)) {
    struct my_waiter w = my_waiter(c, true, wait, "waiting for rows", err);
    int end = 0;

    MY_RUN(&w, mysql_next_result, &end, c->mysql, (&end, c->mysql), (c->mysql));
    rc = my_result(&w, end > 0, NULL);
    if (rc != SQLITE_OK || end < 0) break;
    rc = my_store(c, &rows, wait, err);
    mysql_free_result(rows);
  }
  return rc;
}

int fed_mysql_run_rows(struct fed_mysql *c, const char *sql, MYSQL_RES **rows,
                       const struct fed_wait *wait, struct fed_err *err)
{
  int rc = my_ready(c, wait, "waiting for the server", err);

  *rows = NULL;
  if (rc == SQLITE_OK) rc = my_query(c, sql, wait, err);
  if (c->head.broken) return rc;
  if (rc == SQLITE_OK) {
    rc = my_store(c, rows, wait, err);
  } else if (mysql_errno(c->mysql) == 0) {
    /* Given up, but the statement had ended well: its rows are waiting. */
    struct fed_wait grace = {.deadline = fed_clock_deadline(MY_GRACE)};
    struct fed_err ignored = FED_ERR_INIT;

    my_store(c, rows, &grace, &ignored);
    my_skip_results(c, &grace, &ignored);
  }
  if (rc == SQLITE_OK) rc = my_skip_results(c, wait, err);
  if (rc != SQLITE_OK) {
    mysql_free_result(*rows);
    *rows = NULL;
  }
  return rc;
}

int fed_mysql_run_exec(struct fed_mysql *c, const char *sql,
                       const struct fed_wait *wait, struct fed_err *err)
{
  MYSQL_RES *rows;
  int rc = fed_mysql_run_rows(c, sql, &rows, wait, err);

  mysql_free_result(rows);
  return rc;
}

/* ---- prepared statements ----------------------------------------------- */

int fed_mysql_run_prepare(struct fed_mysql *c, MYSQL_STMT *stmt,
                          const char *sql, const struct fed_wait *wait,
                          struct fed_err *err)
{
  struct my_waiter w = my_waiter(c, true, wait, "preparing", err);
  unsigned long n = (unsigned long)strlen(sql);
  int rc = my_ready(c, wait, w.what, err);
  int failed = 0;

  if (rc != SQLITE_OK) return rc;
  MY_RUN(&w, mysql_stmt_prepare, &failed, stmt, (&failed, stmt, sql, n),
         (stmt, sql, n));
  return my_result(&w, failed, stmt);
}

int fed_mysql_run_execute(struct fed_mysql *c, MYSQL_STMT *stmt,
                          const struct fed_wait *wait, struct fed_err *err)
{
  struct my_waiter w = my_waiter(c, true, wait, "waiting for the server", err);
  int rc = my_ready(c, wait, w.what, err);
  int failed = 0;

  if (rc != SQLITE_OK) return rc;
  MY_RUN(&w, mysql_stmt_execute, &failed, stmt, (&failed, stmt), (stmt));
  return my_result(&w, failed, stmt);
}

int fed_mysql_run_fetch(struct fed_mysql *c, MYSQL_STMT *stmt,
                        const struct fed_wait *wait, struct fed_err *err)
{
  struct my_waiter w = my_waiter(c, true, wait, "waiting for rows", err);
  int got = 0;
  int rc;

#if !FED_MYSQL_ASYNC
  /* This library does not ask while it waits, so ask before. */
  rc = fed_wait_check(wait, w.what, err);
  if (rc != SQLITE_OK) return rc;
#endif
  MY_RUN(&w, mysql_stmt_fetch, &got, stmt, (&got, stmt), (stmt));
  if (w.rc == SQLITE_OK && (got == 0 || got == MYSQL_DATA_TRUNCATED))
    return SQLITE_ROW;
  rc = my_result(&w, got == 1, stmt);
  return rc == SQLITE_OK ? SQLITE_DONE : rc;
}

/* The library skips rows without a word about how that ended. */
static void my_look_lost(struct fed_mysql *c)
{
  struct fed_err ignored = FED_ERR_INIT;

  if (mysql_errno(c->mysql) != 0) fed_mysql_fail(c, NULL, &ignored);
}

int fed_mysql_run_free(struct fed_mysql *c, MYSQL_STMT *stmt,
                       const struct fed_wait *wait, struct fed_err *err)
{
  struct my_waiter w = my_waiter(c, true, wait, "ending a result", err);
  fed_mysql_bool failed = 0;
  bool more;

#if !FED_MYSQL_ASYNC
  /* The library would read to the end, however far that is. */
  struct fed_err ignored = FED_ERR_INIT;

  if (c->mysql->status != MYSQL_STATUS_READY &&
      fed_mysql_kill(c, &ignored) == SQLITE_OK)
    atomic_store(&c->killed, true);
#endif
  MY_RUN(&w, mysql_stmt_free_result, &failed, stmt, (&failed, stmt), (stmt));
  more = !failed && !c->head.broken && mysql_more_results(c->mysql);
  while (more) {
    int end = 0;

    MY_RUN(&w, mysql_stmt_next_result, &end, stmt, (&end, stmt), (stmt));
    if (end != 0) break;
    MY_RUN(&w, mysql_stmt_free_result, &failed, stmt, (&failed, stmt), (stmt));
    more = !failed && !c->head.broken && mysql_more_results(c->mysql);
  }
  my_look_lost(c);
  return my_result(&w, c->head.broken, stmt);
}

void fed_mysql_run_close(struct fed_mysql *c, MYSQL_STMT *stmt)
{
  struct fed_wait wait = {.deadline = fed_clock_deadline(1000)};
  struct fed_err ignored = FED_ERR_INIT;
  struct my_waiter w = my_waiter(c, false, &wait, "closing", &ignored);
  fed_mysql_bool failed = 0;

  /* Without the connection the library only frees. */
  if (c->head.broken) fed_mysql_drop(c);
  if (!c->mysql) {
    mysql_stmt_close(stmt);
    return;
  }
  MY_RUN(&w, mysql_stmt_close, &failed, stmt, (&failed, stmt), (stmt));
  if (w.rc != SQLITE_OK) c->head.broken = true;
}

/* ---- what only one of the libraries has -------------------------------- */

#if FED_MYSQL_ASYNC

int fed_mysql_lib_init(MYSQL *mysql)
{
  return mysql_options(mysql, MYSQL_OPT_NONBLOCK, 0);
}

/*
 * Connector/C 3.3 takes "enforce" as a wish: against a server without TLS it
 * goes on in clear text unless the certificate is to be verified. open()
 * looks at the outcome; until then the password must not leave in clear, so
 * only methods that send a hash are allowed.
 */
int fed_mysql_lib_tls(MYSQL *mysql, const char *mode, struct fed_err *err)
{
  bool on = strcmp(mode, "off") != 0;
  fed_mysql_bool yes = 1;
  int failed = 0;

  if (on) failed = mysql_options(mysql, MYSQL_OPT_SSL_ENFORCE, &yes);
  if (on && strcmp(mode, "prefer") != 0)
    failed |= mysql_options(mysql, MARIADB_OPT_RESTRICTED_AUTH,
                            "mysql_native_password,client_ed25519,"
                            "caching_sha2_password,sha256_password,"
                            "auth_gssapi_client,parsec");
  if (strcmp(mode, "verify_identity") == 0)
    failed |= mysql_options(mysql, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &yes);
  if (failed)
    return fed_err_set(err, SQLITE_CANTOPEN,
                       "the client library refused ssl=%s", mode);
  return SQLITE_OK;
}

int fed_mysql_lib_socket(MYSQL *mysql)
{
  return mysql_get_socket(mysql);
}

#else

int fed_mysql_lib_init(MYSQL *mysql)
{
  (void)mysql;
  return 0;
}

int fed_mysql_lib_tls(MYSQL *mysql, const char *mode, struct fed_err *err)
{
  static const struct {
    const char *name;
    unsigned mode;
  } modes[] = {
    {"off",             SSL_MODE_DISABLED       },
    {"prefer",          SSL_MODE_PREFERRED      },
    {"required",        SSL_MODE_REQUIRED       },
    {"verify_ca",       SSL_MODE_VERIFY_CA      },
    {"verify_identity", SSL_MODE_VERIFY_IDENTITY}
  };

  for (size_t i = 0; i < FED_LEN(modes); i++)
    if (strcmp(mode, modes[i].name) == 0 &&
        mysql_options(mysql, MYSQL_OPT_SSL_MODE, &modes[i].mode) == 0)
      return SQLITE_OK;
  return fed_err_set(err, SQLITE_CANTOPEN, "the client library refused ssl=%s",
                     mode);
}

int fed_mysql_lib_socket(MYSQL *mysql)
{
  return mysql->net.vio ? (int)mysql->net.fd : -1;
}

#endif
