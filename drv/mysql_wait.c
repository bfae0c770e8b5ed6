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
  bool awake;    /* it may wait awake */
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
  struct fed_err late;

  /* The blocking library calls a wait that took too long a lost connection. */
  if (!FED_MYSQL_ASYNC && failed)
    w->rc = fed_wait_check(&w->wait, w->what, w->err);
  if (w->rc == SQLITE_OK)
    return failed ? fed_mysql_fail(w->c, stmt, w->err) : SQLITE_OK;
  fed_err_init(&late);
  if (failed) fed_mysql_fail(w->c, stmt, &late); /* for conn->broken */
  return w->rc;
}

/*
 * The same, but what succeeded after it was given up has succeeded:
 * "interrupted" of a COMMIT that was done would be a lie. What is still to
 * come of the statement meets the same wait again.
 */
static int my_outcome(struct my_waiter *w, bool failed)
{
  int rc = my_result(w, failed, NULL);

  if (failed || rc == SQLITE_OK) return rc;
  fed_err_clear(w->err);
  return SQLITE_OK;
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

/* Data that never ends must not outrun the deadline. */
static void my_look(struct my_waiter *w)
{
  struct fed_err err;
  int rc;

  fed_err_init(&err);
  rc = fed_wait_check(&w->wait, w->what, &err);
  if (rc != SQLITE_OK) my_give_up(w, rc, err.msg);
}

/* Wait for what was asked for; returns what has happened. */
static int my_sleep_until(struct my_waiter *w, int asked, int64_t limit)
{
  short events = (short)(((asked & MYSQL_WAIT_READ) ? POLLIN : 0) |
                         ((asked & MYSQL_WAIT_WRITE) ? POLLOUT : 0) |
                         ((asked & MYSQL_WAIT_EXCEPT) ? POLLPRI : 0));

  while (w->state != MY_CUT) {
    struct fed_wait wait = w->wait;
    bool ours = limit < wait.deadline;
    struct fed_err err;
    int rc;

    fed_err_init(&err);
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

/* What the coroutine asked for may end by read_timeout or write_timeout. */
static int my_sleep(struct my_waiter *w, int asked)
{
  struct fed_mysql *c = w->c;
  bool awake = w->awake && asked & MYSQL_WAIT_READ;
  int64_t limit = FED_WAIT_FOREVER;
  int came = MYSQL_WAIT_READ;

  if (!awake || !fed_awake_begin(&c->awake, fed_mysql_lib_socket(c->mysql))) {
    if (asked & MYSQL_WAIT_TIMEOUT)
      limit = fed_clock_deadline(mysql_get_timeout_value_ms(c->mysql));
    came = my_sleep_until(w, asked, limit);
  }
  if (awake) fed_awake_end(&c->awake);
  /* Of what follows the first bytes, data without end might come. */
  w->awake = false;
  return came;
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

/* This library does not ask while it waits, so that is done between rows. */
static void my_look(struct my_waiter *w)
{
  struct fed_err ignored = FED_ERR_INIT;

  if (w->rc != SQLITE_OK) return;
  w->rc = fed_wait_check(&w->wait, w->what, w->err);
  if (w->rc == SQLITE_OK) return;
  if (fed_mysql_kill(w->c, &ignored) == SQLITE_OK) {
    atomic_store(&w->c->killed, true);
    return;
  }
  w->c->head.broken = true;
  shutdown(fed_mysql_lib_socket(w->c->mysql), SHUT_RDWR);
}

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
  return my_outcome(&w, failed);
}

/* The rows of the result that is next to be read; NULL if it has none. */
static int my_store(struct fed_mysql *c, MYSQL_RES **rows,
                    const struct fed_wait *wait, struct fed_err *err)
{
  struct my_waiter w = my_waiter(c, true, wait, "waiting for rows", err);

  *rows = NULL;
  if (mysql_field_count(c->mysql) == 0) return SQLITE_OK;
  MY_RUN(&w, mysql_store_result, rows, c->mysql, (rows, c->mysql), (c->mysql));
  return my_outcome(&w, !*rows);
}

/* Throw its rows away, one by one: the library would skip them without ever
 * asking whether there is time. */
static int my_discard(struct fed_mysql *c, const struct fed_wait *wait,
                      struct fed_err *err)
{
  struct my_waiter w = my_waiter(c, true, wait, "waiting for rows", err);
  MYSQL_RES *rows;
  MYSQL_ROW row = NULL;
  int rc;

  if (mysql_field_count(c->mysql) == 0) return SQLITE_OK;
  rows = mysql_use_result(c->mysql);
  if (!rows) return fed_mysql_fail(c, NULL, err);
  do {
    my_look(&w);
    MY_RUN(&w, mysql_fetch_row, &row, rows, (&row, rows), (rows));
  } while (row);
  rc = my_outcome(&w, mysql_errno(c->mysql) != 0);
  mysql_free_result(rows);
  return rc;
}

/* CALL gives a result per SELECT of the procedure, and one more at the end.
 * `done` counts those that came. */
static int my_skip_results(struct fed_mysql *c, int *done,
                           const struct fed_wait *wait, struct fed_err *err)
{
  int rc = SQLITE_OK;

  while (rc == SQLITE_OK && mysql_more_results(c->mysql)) {
    struct my_waiter w = my_waiter(c, true, wait, "waiting for rows", err);
    int end = 0;

    MY_RUN(&w, mysql_next_result, &end, c->mysql, (&end, c->mysql), (c->mysql));
    rc = my_outcome(&w, end > 0);
    if (rc != SQLITE_OK || end < 0) break;
    rc = my_discard(c, wait, err);
    if (rc == SQLITE_OK) ++*done;
  }
  return rc;
}

static int my_results(struct fed_mysql *c, const char *sql, int *done,
                      const struct fed_wait *wait, struct fed_err *err)
{
  int rc = my_query(c, sql, wait, err);

  if (rc == SQLITE_OK) rc = my_discard(c, wait, err);
  *done = rc == SQLITE_OK;
  return rc == SQLITE_OK ? my_skip_results(c, done, wait, err) : rc;
}

int fed_mysql_run_rows(struct fed_mysql *c, const char *sql, MYSQL_RES **rows,
                       const struct fed_wait *wait, struct fed_err *err)
{
  int rc = my_ready(c, wait, "waiting for the server", err), done = 0;

  *rows = NULL;
  if (rc == SQLITE_OK) rc = my_query(c, sql, wait, err);
  if (rc == SQLITE_OK) rc = my_store(c, rows, wait, err);
  if (rc == SQLITE_OK) rc = my_skip_results(c, &done, wait, err);
  if (rc != SQLITE_OK) {
    mysql_free_result(*rows);
    *rows = NULL;
  }
  return rc;
}

int fed_mysql_run_exec(struct fed_mysql *c, const char *sql,
                       const struct fed_wait *wait, struct fed_err *err)
{
  int rc = my_ready(c, wait, "waiting for the server", err), done;

  return rc == SQLITE_OK ? my_results(c, sql, &done, wait, err) : rc;
}

static int my_option(struct fed_mysql *c, enum enum_mysql_set_option option,
                     const struct fed_wait *wait, struct fed_err *err)
{
  struct my_waiter w =
    my_waiter(c, false, wait, "setting an option of the session", err);
  int failed = 0;

  MY_RUN(&w, mysql_set_server_option, &failed, c->mysql,
         (&failed, c->mysql, option), (c->mysql, option));
  return my_result(&w, failed, NULL);
}

/* Only for this text: to any other, a second statement in it must be an error,
 * or whoever smuggled it in has it run. */
int fed_mysql_run_batch(struct fed_mysql *c, const char *sql, int *done,
                        const struct fed_wait *wait, struct fed_err *err)
{
  struct fed_err ignored = FED_ERR_INIT;
  struct fed_wait moment;
  int rc = my_ready(c, wait, "waiting for the server", err);

  if (rc != SQLITE_OK) return rc;
  rc = my_option(c, MYSQL_OPTION_MULTI_STATEMENTS_ON, wait, err);
  /* Something between us and the server may not know that. */
  if (rc != SQLITE_OK)
    return c->head.broken || rc == SQLITE_INTERRUPT ? rc : SQLITE_NOTFOUND;
  rc = my_results(c, sql, done, wait, err);
  if (c->head.broken) return rc;
  if (atomic_load(&c->killed)) my_absorb_kill(c);
  moment = (struct fed_wait){.deadline = fed_clock_deadline(MY_GRACE)};
  if (my_option(c, MYSQL_OPTION_MULTI_STATEMENTS_OFF, &moment, &ignored) !=
      SQLITE_OK)
    c->head.broken = true;
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
  w.awake = true;
  MY_RUN(&w, mysql_stmt_execute, &failed, stmt, (&failed, stmt), (stmt));
  return my_result(&w, failed, stmt);
}

#if FED_MYSQL_ASYNC

static int64_t my_read_limit(MYSQL *mysql)
{
  unsigned seconds = 0;

  if (mysql_get_option(mysql, MYSQL_OPT_READ_TIMEOUT, &seconds) || !seconds)
    return FED_WAIT_FOREVER;
  return fed_clock_deadline((int64_t)seconds * 1000);
}

/* Receive more of a packet. False: it will not come. */
static bool my_wire_read(struct my_waiter *w)
{
  int rc = SQLITE_DONE;

  my_look(w);
  if (w->state != MY_CUT) rc = fed_mysql_wire_read(w->c, w->err);
  if (rc != SQLITE_OK) return rc == SQLITE_ROW;
  return my_sleep_until(w, MYSQL_WAIT_READ, my_read_limit(w->c->mysql)) !=
         MYSQL_WAIT_TIMEOUT;
}

/*
 * Is there another row on the wire? If not, the wire is the library's again:
 * it meets the end, an error, or a socket that is shut down.
 */
static bool my_wire_row(struct my_waiter *w)
{
  enum fed_mysql_came came;
  bool cut = false;

  while ((came = fed_mysql_wire_next(w->c)) == FED_MYSQL_CAME_PART && !cut)
    cut = !my_wire_read(w);
  if (came == FED_MYSQL_CAME_ROW) return true;
  if (came == FED_MYSQL_CAME_JUNK)
    fed_err_set(w->err, SQLITE_IOERR,
                "the server sent a packet that is no row of a result");
  if (!fed_mysql_wire_give(w->c, came == FED_MYSQL_CAME_OTHER))
    shutdown(fed_mysql_lib_socket(w->c->mysql), SHUT_RDWR);
  return false;
}

#endif

int fed_mysql_run_fetch(struct fed_mysql *c, MYSQL_STMT *stmt,
                        const struct fed_wait *wait, struct fed_err *err)
{
  struct my_waiter w = my_waiter(c, true, wait, "waiting for rows", err);
  int got = 0;
  int rc;

#if FED_MYSQL_ASYNC
  if (c->raw) {
    rc = c->wire.taken ? SQLITE_OK : fed_mysql_wire_take(c, err);
    if (rc != SQLITE_OK) return rc;
    if (my_wire_row(&w)) return w.rc == SQLITE_OK ? SQLITE_ROW : w.rc;
  }
#else
  /* This library does not ask while it waits, so ask before. */
  rc = fed_wait_check(wait, w.what, err);
  if (rc != SQLITE_OK) return rc;
#endif
  MY_RUN(&w, mysql_stmt_fetch, &got, stmt, (&got, stmt), (stmt));
  /* A row after what was none: the library was told of progress, say. */
  if (c->raw && got != 1 && got != MYSQL_NO_DATA) {
    c->head.broken = true;
    return fed_err_set(err, SQLITE_IOERR, "the server's rows are out of order");
  }
  if (w.rc == SQLITE_OK && (got == 0 || got == MYSQL_DATA_TRUNCATED))
    return SQLITE_ROW;
  rc = my_result(&w, got == 1, stmt);
  return rc == SQLITE_OK ? SQLITE_DONE : rc;
}

/* The library skips rows without a word about how that ended. */
static void my_look_lost(struct fed_mysql *c)
{
  struct fed_err ignored;

  fed_err_init(&ignored);
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
#if FED_MYSQL_ASYNC
  while (c->wire.taken && my_wire_row(&w))
    continue;
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
