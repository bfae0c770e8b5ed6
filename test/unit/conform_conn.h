/* conform_conn.h: connecting, waiting and stopping, sessions, fake servers. */
#ifndef FED_TEST_CONFORM_CONN_H
#define FED_TEST_CONFORM_CONN_H

#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test/unit/conform.h"

/* ---- definitions and connecting ----------------------------------------- */

static inline void t_params(struct run *r)
{
  struct fed_dsn dsn = {0};
  struct fed_str shown;

  start(r);
  fed_dsn_copy(&dsn, &r->dsn, &r->err);
  check(r, "an unknown parameter is refused",
        fed_dsn_set(&dsn, "no_such_key", "1", &r->err) != SQLITE_OK);
  check(r, "and named", strstr(r->err.msg, "no_such_key") != NULL);
  start(r);
  if (fed_dsn_set(&dsn, r->side->bad_key, r->side->bad_value, &r->err) ==
      SQLITE_OK)
    dsn.drv->check(&dsn, &r->err);
  check(r, "an illegal value is refused without connecting",
        r->err.rc != SQLITE_OK);
  check(r, "and its key is named",
        strstr(r->err.msg, r->side->bad_key) != NULL);
  fed_dsn_release(&dsn);
  if (r->dsn.drv->is_file) return;
  start(r);
  fed_dsn_copy(&dsn, &r->dsn, &r->err);
  check_rc(r, "a password is legal",
           fed_dsn_set(&dsn, "password", SECRET, &r->err), SQLITE_OK);
  fed_str_init(&shown, 4096);
  fed_dsn_show(&dsn, &shown);
  check(r, "and is not shown", !strstr(shown.s, SECRET));
  fed_str_release(&shown);
  fed_dsn_release(&dsn);
}

/* Connect with some parameters changed; it must fail. */
static inline int refuse(struct run *r, const char *const *pairs)
{
  struct fed_dsn dsn = {0};
  struct fed_conn *conn = NULL;
  int rc;

  start(r);
  rc = fed_dsn_copy(&dsn, &r->dsn, &r->err);
  for (; rc == SQLITE_OK && pairs[0]; pairs += 2)
    rc = fed_dsn_set(&dsn, pairs[0], pairs[1], &r->err);
  if (rc == SQLITE_OK) rc = fed_conn_open(&conn, &dsn, &r->wait, &r->err);
  fed_conn_close(conn);
  fed_dsn_release(&dsn);
  return rc;
}

static inline void t_refused(struct run *r)
{
  static const char *const db[] = {"dbname", "no_such_db", NULL};
  static const char *const user[] = {"user", "no_such_user", "password", SECRET,
                                     NULL};
  static const char *const file[] = {"path", "/no/such/dir/x.db", NULL};

  if (r->dsn.drv->is_file) {
    check_rc(r, "a missing folder is an error", refuse(r, file),
             SQLITE_CANTOPEN);
    skip(r, "host, database, user", "a file has none");
    return;
  }
  check_rc(r, "a missing database is an error", refuse(r, db), SQLITE_CANTOPEN);
  check(r, "that names it", strstr(r->err.msg, "no_such_db") != NULL);
  check(r, "and gives the server's code", r->err.sqlstate[0] || r->err.native);
  check(r, "a wrong user is an error", refuse(r, user) != SQLITE_OK);
  check(r, "that tells no password", !strstr(r->err.msg, SECRET));
}

/* With password authentication, where the test's servers offer it. */
static inline void t_password(struct run *r)
{
  const char *url =
    getenv(strcmp(r->side->driver, "pg") == 0 ? "FED_TEST_PG_TCP"
                                              : "FED_TEST_MYSQL_TCP");
  struct fed_dsn dsn = {0};
  struct fed_conn *conn = NULL;

  if (r->dsn.drv->is_file || !url || !*url) {
    skip(r, "passwords", "no server that asks for one");
    return;
  }
  start(r);
  check_rc(r, "the URL with a password parses",
           fed_dsn_parse(&dsn, url, &r->err), SQLITE_OK);
  check_rc(r, "the right password connects",
           fed_conn_open(&conn, &dsn, &r->wait, &r->err), SQLITE_OK);
  fed_conn_close(conn);
  conn = NULL;
  fed_dsn_set(&dsn, "password", SECRET, &r->err);
  check_rc(r, "a wrong one is SQLITE_AUTH",
           fed_conn_open(&conn, &dsn, &r->wait, &r->err), SQLITE_AUTH);
  check(r, "and is not told", !strstr(r->err.msg, SECRET));
  fed_dsn_release(&dsn);
}

static inline bool yes(void *arg)
{
  (void)arg;
  return true;
}

static inline void t_connect(struct run *r)
{
  struct fed_conn *conn = NULL;

  start(r);
  check(r, "the version is told", r->conn->version[0] != 0);
  check(r, "a new connection is clean",
        fed_conn_health(r->conn, true) == FED_HEALTH_CLEAN);
  check_rc(r, "ping", fed_conn_ping(r->conn, &r->wait, &r->err), SQLITE_OK);
  fed_conn_close(NULL);
  fed_conn_abandon(NULL);
  check(r, "close and abandon take NULL", true);
  if (r->dsn.drv->is_file) return;
  r->wait.interrupted = yes;
  check_rc(r, "connecting can be interrupted",
           fed_conn_open(&conn, &r->dsn, &r->wait, &r->err), SQLITE_INTERRUPT);
  start(r);
  r->wait.deadline = 0;
  check_rc(r, "connecting has a deadline",
           fed_conn_open(&conn, &r->dsn, &r->wait, &r->err), SQLITE_BUSY);
  fed_conn_close(conn);
}

/* ---- waiting and stopping ----------------------------------------------- */

static inline void *cancel_soon(void *arg)
{
  struct fed_err err = FED_ERR_INIT;

  usleep(300000);
  fed_conn_cancel(arg, &err);
  return NULL;
}

static inline int run_sleep(struct run *r)
{
  struct fed_stmt *stmt = NULL;
  struct fed_wait cleanup = {fed_clock_deadline(30000), NULL, NULL};
  struct fed_str out;
  int rc;

  fed_str_init(&out, 1000);
  rc = get(r, r->side->sleep, NULL, 0, &stmt);
  if (rc == SQLITE_OK) rc = run_stmt(r, stmt, NULL, 0, &out);
  fed_stmt_put(stmt, true, &cleanup);
  fed_str_release(&out);
  return rc;
}

static inline void t_cancel(struct run *r)
{
  pthread_t thread;
  int64_t began = fed_clock_ms();
  int rc;

  start(r);
  pthread_create(&thread, NULL, cancel_soon, r->conn);
  rc = run_sleep(r);
  pthread_join(thread, NULL);
  check_rc(r, "cancel from another thread", rc, SQLITE_INTERRUPT);
  check(r, "stops at once", fed_clock_ms() - began < 5000);
  check_usable(r, "and the connection works or is broken");
}

static inline void t_deadline(struct run *r)
{
  int64_t began = fed_clock_ms();

  start(r);
  r->wait.deadline = fed_clock_deadline(300);
  check_rc(r, "a deadline that passes", run_sleep(r), SQLITE_BUSY);
  check(r, "stops at once", fed_clock_ms() - began < 5000);
  check_usable(r, "and the connection works or is broken");
}

static inline bool after(void *arg)
{
  return fed_clock_ms() > *(int64_t *)arg;
}

static inline void t_interrupt(struct run *r)
{
  int64_t began = fed_clock_ms();
  int64_t when = began + 300;
  int rc;

  start(r);
  r->wait.interrupted = after;
  r->wait.arg = &when;
  rc = run_sleep(r);
  check_rc(r, "a user who gives up", rc, SQLITE_INTERRUPT);
  check(r, "is heard at once", fed_clock_ms() - began < 5000);
  check_usable(r, "and the connection works or is broken");
  start(r);
  r->wait.interrupted = yes;
  began = fed_clock_ms();
  fed_conn_exec(r->conn, r->side->sleep, &r->wait, &r->err);
  check(r, "exec is stopped too",
        r->err.rc != SQLITE_OK && fed_clock_ms() - began < 5000);
  check_usable(r, "and the connection works or is broken");
}

/* ---- session ------------------------------------------------------------ */

static inline void t_session(struct run *r)
{
  must(r, r->side->temp);
  r->conn->dirty = true; /* as fed_exec() says of the text of a user */
  must(r, "INSERT INTO conform_temp VALUES (1)");
  begin(r, false);
  insert(r, 66);
  start(r);
  check_rc(r, "reset", fed_conn_reset(r->conn, &r->wait, &r->err), SQLITE_OK);
  check(r, "leaves it clean",
        fed_conn_health(r->conn, true) == FED_HEALTH_CLEAN);
  expect(r, "rolled back", "SELECT id FROM conform_t WHERE id = 66", NULL, 0,
         "");
  check(r, "without the temporary table",
        exec(r, "DELETE FROM conform_temp") != SQLITE_OK);
  if (r->side->zone) {
    must(r, r->side->zone);
    start(r);
    fed_conn_reset(r->conn, &r->wait, &r->err);
    expect(r, "the time zone is UTC again",
           strcmp(r->side->driver, "pg") == 0
             ? "SELECT '2024-01-01 00:00:00+00'::timestamptz::text"
             : "SELECT @@time_zone",
           NULL, 0,
           strcmp(r->side->driver, "pg") == 0 ? "t:2024-01-01 00:00:00+00"
                                              : "t:+00:00");
  }
  check(r, "and statements work", healthy(r));
}

static inline void t_fork(struct run *r)
{
  pid_t pid = fork();
  int status = -1;

  if (pid == 0) {
    fed_conn_abandon(r->conn);
    _exit(0);
  }
  waitpid(pid, &status, 0);
  check(r, "abandon in a forked child", status == 0);
  check(r, "the parent's session goes on", healthy(r));
  check(r, "and is clean", fed_conn_health(r->conn, true) == FED_HEALTH_CLEAN);
}

/* The statement by which another session ends ours. */
static inline void kill_text(struct run *r, char *sql, size_t size)
{
  bool pg = strcmp(r->side->driver, "pg") == 0;
  struct fed_str id;

  fed_str_init(&id, 100);
  rows(r, pg ? "SELECT pg_backend_pid()" : "SELECT connection_id()", NULL, 0,
       NULL, 0, &id);
  snprintf(sql, size, pg ? "SELECT pg_terminate_backend(%s)" : "KILL %s",
           id.s + 2);
  fed_str_release(&id);
}

static inline int exec_elsewhere(struct run *r, const char *sql)
{
  struct fed_conn *other = NULL;
  int rc;

  start(r);
  rc = fed_conn_open(&other, &r->dsn, &r->wait, &r->err);
  if (rc == SQLITE_OK) rc = fed_conn_exec(other, sql, &r->wait, &r->err);
  fed_conn_close(other);
  return rc;
}

static inline void t_killed(struct run *r)
{
  char sql[80];

  if (r->dsn.drv->is_file) {
    skip(r, "a killed session", "no server");
    return;
  }
  kill_text(r, sql, sizeof sql);
  check_rc(r, "a second session kills the first", exec_elsewhere(r, sql),
           SQLITE_OK);
  usleep(300000);
  check(r, "which is seen dead without a round trip",
        fed_conn_health(r->conn, true) == FED_HEALTH_DEAD);
  check_rc(r, "and gives SQLITE_IOERR", exec(r, "DELETE FROM conform_t"),
           SQLITE_IOERR);
  check(r, "and is broken", r->conn->broken);
  check_rc(r, "a new one opens", reopen(r), SQLITE_OK);
}

/* ---- servers that are none ---------------------------------------------- */

struct fake {
  int fd, port;
  const char *bytes; /* sent to whoever connects; NULL: silence */
  pthread_t thread;
};

static inline void *fake_run(void *arg)
{
  struct fake *fake = arg;
  int fd = accept(fake->fd, NULL, NULL);
  char buf[256];

  if (fd < 0) return NULL;
  if (fake->bytes) {
    if (recv(fd, buf, sizeof buf, MSG_DONTWAIT) < 0) usleep(1000);
    send(fd, fake->bytes, strlen(fake->bytes), MSG_NOSIGNAL);
  } else {
    while (recv(fd, buf, sizeof buf, 0) > 0)
      continue;
  }
  close(fd);
  return NULL;
}

static inline bool fake_start(struct fake *fake)
{
  struct sockaddr_in at = {.sin_family = AF_INET,
                           .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t len = sizeof at;

  fake->fd = socket(AF_INET, SOCK_STREAM, 0);
  if (bind(fake->fd, (struct sockaddr *)&at, sizeof at) != 0 ||
      listen(fake->fd, 8) != 0 ||
      getsockname(fake->fd, (struct sockaddr *)&at, &len) != 0)
    return false;
  fake->port = ntohs(at.sin_port);
  return pthread_create(&fake->thread, NULL, fake_run, fake) == 0;
}

static inline int meet(struct run *r, int port, int64_t ms)
{
  struct fed_dsn dsn = {0};
  struct fed_conn *conn = NULL;
  char url[120];
  int rc;

  start(r);
  r->wait.deadline = fed_clock_deadline(ms);
  snprintf(url, sizeof url, "%s://u:%s@127.0.0.1:%d/db", r->dsn.drv->schemes[0],
           "s3cr3t%2Bx", port);
  rc = fed_dsn_parse(&dsn, url, &r->err);
  if (rc == SQLITE_OK) rc = fed_conn_open(&conn, &dsn, &r->wait, &r->err);
  fed_conn_close(conn);
  fed_dsn_release(&dsn);
  return rc;
}

static inline int meet_fake(struct run *r, const char *bytes, int64_t ms)
{
  struct fake fake = {.bytes = bytes};
  int rc = SQLITE_ERROR;

  if (!fake_start(&fake)) return SQLITE_OK;
  rc = meet(r, fake.port, ms);
  shutdown(fake.fd, SHUT_RDWR);
  pthread_join(fake.thread, NULL);
  close(fake.fd);
  return rc;
}

static inline void t_fake(struct run *r)
{
  int64_t began = fed_clock_ms();

  if (r->dsn.drv->is_file) {
    skip(r, "servers that are none", "no server");
    return;
  }
  check_rc(r, "a closed port is SQLITE_CANTOPEN", meet(r, 1, 5000),
           SQLITE_CANTOPEN);
  check(r, "without the password", !strstr(r->err.msg, SECRET));
  check(r, "bytes that are no protocol are an error",
        meet_fake(r, "HTTP/1.0 400 Bad Request\r\n\r\n", 5000) != SQLITE_OK);
  check(r, "that says something", r->err.msg[0] != 0);
  check(r, "without the password", !strstr(r->err.msg, SECRET));
  check(r, "a server that hangs up is an error",
        meet_fake(r, "", 5000) != SQLITE_OK);
  check_rc(r, "a silent one is left at the deadline", meet_fake(r, NULL, 500),
           SQLITE_BUSY);
  check(r, "all of it soon", fed_clock_ms() - began < 20000);
}

#endif
