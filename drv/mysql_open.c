/*
 * mysql_open: from a URL to a session in a known state, and back.
 *
 * As with the mysql program, the host "localhost" (or none) means the unix
 * socket, the library's default one unless socket= names it; 127.0.0.1 means
 * TCP. DNS look-ups are the library's and block; all else obeys the deadline.
 */
#include "drv/mysql.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"

/* A peer that acknowledges nothing for so long is dead (milliseconds). */
#define MY_DEAD_PEER 30000
/* How long a KILL QUERY may take, connecting included (milliseconds). */
#define MY_KILL_TIME 5000

/* ---- connecting -------------------------------------------------------- */

static const char *my_socket_path(const struct fed_dsn *dsn)
{
  const char *path = fed_dsn_get(dsn, "socket");

  return path ? path : fed_dsn_get(dsn, "unix_socket");
}

/* Will the library take the unix socket? */
static bool my_is_local(const struct fed_dsn *dsn)
{
  const char *host = fed_dsn_get(dsn, "host");

  return !host || strcmp(host, "localhost") == 0;
}

/*
 * TLS is asked for over TCP by default, without verifying the certificate, as
 * mysql and psql do; a unix socket needs none.
 */
static const char *my_tls_mode(const struct fed_dsn *dsn)
{
  const char *mode = fed_dsn_get(dsn, "ssl");

  if (mode) return mode;
  return my_is_local(dsn) ? "off" : "prefer";
}

static int my_option(MYSQL *mysql, const struct fed_mysql_param *param,
                     const char *value, struct fed_err *err)
{
  unsigned seconds;
  int failed = 0;

  switch (param->how) {
  case FED_MYSQL_STRING:
    failed = mysql_options(mysql, param->option, value);
    break;
  case FED_MYSQL_SECONDS:
    seconds = (unsigned)fed_mysql_number(value, FED_MYSQL_TIMEOUT_MAX);
    failed = mysql_options(mysql, param->option, &seconds);
    break;
  case FED_MYSQL_FLAG:
    if (fed_mysql_flag(value) == 1)
      failed = mysql_options(mysql, param->option, NULL);
    break;
  case FED_MYSQL_ARGUMENT:
  case FED_MYSQL_TLS:
  case FED_MYSQL_CHARSET:
    break;
  }
  if (failed)
    return fed_err_set(err, SQLITE_CANTOPEN,
                       "the client library refused parameter '%s'", param->key);
  return SQLITE_OK;
}

/* A server may ask any client for any file: LOAD DATA LOCAL is always off,
 * whatever an option file says. */
static int my_infile_init(void **ptr, const char *name, void *arg)
{
  (void)name;
  (void)arg;
  *ptr = NULL;
  return 1;
}

static int my_infile_read(void *ptr, char *buf, unsigned n)
{
  (void)ptr;
  (void)buf;
  (void)n;
  return -1;
}

static void my_infile_end(void *ptr)
{
  (void)ptr;
}

static int my_infile_error(void *ptr, char *buf, unsigned n)
{
  (void)ptr;
  snprintf(buf, n, "LOAD DATA LOCAL is off");
  return FED_MYSQL_NOT_ALLOWED;
}

static void my_refuse_infile(MYSQL *mysql)
{
  unsigned off = 0;

  mysql_options(mysql, MYSQL_OPT_LOCAL_INFILE, &off);
  mysql_set_local_infile_handler(mysql, my_infile_init, my_infile_read,
                                 my_infile_end, my_infile_error, NULL);
}

static int my_options(MYSQL *mysql, const struct fed_dsn *dsn,
                      struct fed_err *err)
{
  unsigned long packet = 1UL << 30; /* the protocol's own limit */
  int rc;

  if (fed_mysql_lib_init(mysql)) return fed_err_nomem(err);
#if !FED_MYSQL_ASYNC
  {
    /* The only end of a wait that this library knows. */
    unsigned silent = 60;

    mysql_options(mysql, MYSQL_OPT_READ_TIMEOUT, &silent);
    mysql_options(mysql, MYSQL_OPT_WRITE_TIMEOUT, &silent);
  }
#endif
  mysql_options(mysql, MYSQL_SET_CHARSET_NAME, "utf8mb4");
  mysql_options(mysql, MYSQL_OPT_MAX_ALLOWED_PACKET, &packet);
  mysql_options4(mysql, MYSQL_OPT_CONNECT_ATTR_ADD, "program_name", "dbfed");
  rc = fed_mysql_lib_tls(mysql, my_tls_mode(dsn), err);
  for (int i = 0; i < dsn->nparam && rc == SQLITE_OK; i++) {
    const struct fed_mysql_param *param = fed_mysql_find(dsn->param[i].key);

    if (param) rc = my_option(mysql, param, dsn->param[i].value, err);
  }
  my_refuse_infile(mysql);
  return rc;
}

/* A dead host must not be waited for longer than MY_DEAD_PEER. */
static void my_tune_socket(int fd)
{
  struct sockaddr_storage addr = {.ss_family = AF_UNSPEC};
  socklen_t size = sizeof addr;
  int on = 1, idle = 10, interval = 5, count = 4, dead = MY_DEAD_PEER;

  /* A session is not for the programs that the host starts. */
  fcntl(fd, F_SETFD, FD_CLOEXEC);
  if (getsockname(fd, (struct sockaddr *)&addr, &size) != 0) return;
  if (addr.ss_family != AF_INET && addr.ss_family != AF_INET6) return;
  setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof count);
  setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &dead, sizeof dead);
}

/* The library's own start ignores SIGPIPE for the whole process; whether that
 * is done is for the host to say. */
static void my_start_library(void)
{
  struct sigaction host;

  sigaction(SIGPIPE, NULL, &host); /* allowed: it only reads */
  mysql_library_init(0, NULL, NULL);
  sigaction(SIGPIPE, &host, NULL); /* allowed: as the host had it */
}

static void my_library(void)
{
  static pthread_once_t once = PTHREAD_ONCE_INIT;

  pthread_once(&once, my_start_library);
}

/* What the user asked for, against what the library made of it and of the
 * option file. */
static int my_check_outcome(MYSQL *mysql, const struct fed_dsn *dsn,
                            struct fed_err *err)
{
  const char *mode = my_tls_mode(dsn);

  if (strcmp(mode, "off") != 0 && strcmp(mode, "prefer") != 0 &&
      !mysql_get_ssl_cipher(mysql))
    return fed_err_set(err, SQLITE_CANTOPEN,
                       "ssl=%s, but the server does not offer TLS", mode);
  if (strcmp(mysql_character_set_name(mysql), "utf8mb4") != 0)
    return fed_err_set(err, SQLITE_CANTOPEN,
                       "the option file sets another character set than "
                       "utf8mb4: remove default-character-set from its group");
  return SQLITE_OK;
}

static void my_say_where(const struct fed_dsn *dsn, struct fed_err *err)
{
  const char *host = fed_dsn_get(dsn, "host");
  const char *port = fed_dsn_get(dsn, "port");
  const char *path = my_socket_path(dsn);

  if (my_is_local(dsn))
    fed_err_prefix(
      err, "cannot connect to '%s': ", path ? path : "the default socket");
  else
    fed_err_prefix(err, "cannot connect to '%s:%s': ", host,
                   port ? port : "3306");
}

int fed_mysql_connect(struct fed_mysql *c, const struct fed_dsn *dsn,
                      const struct fed_wait *wait, struct fed_err *err)
{
  bool has_file =
    fed_dsn_get(dsn, "default_file") || fed_dsn_get(dsn, "default_group");
  const char *password = fed_dsn_get(dsn, "password");
  const char *port = fed_dsn_get(dsn, "port");
  const char *limit = fed_dsn_get(dsn, "connect_timeout");
  struct fed_wait within = *wait;
  int rc;

  my_library();
  c->tls = !my_is_local(dsn); /* until it is known */
  c->mysql = mysql_init(NULL);
  if (!c->mysql) return fed_err_nomem(err);
  rc = my_options(c->mysql, dsn, err);
  if (rc != SQLITE_OK) return rc;
  if (limit)
    within = fed_wait_within(
      wait, fed_mysql_number(limit, FED_MYSQL_TIMEOUT_MAX) * 1000);
  /* NULL makes the library look into the option file, but then into the
   * environment too, which is nobody's to change for a library. */
  if (!password && !has_file) password = "";
  rc =
    fed_mysql_run_connect(c, fed_dsn_get(dsn, "host"), fed_dsn_get(dsn, "user"),
                          password, fed_dsn_get(dsn, "dbname"),
                          port ? (unsigned)fed_mysql_number(port, 65535) : 0,
                          my_socket_path(dsn), &within, err);
  if (rc == SQLITE_OK) {
    my_tune_socket(fed_mysql_lib_socket(c->mysql));
    c->tls = mysql_get_ssl_cipher(c->mysql) != NULL;
#if FED_MYSQL_ASYNC
    c->raw = fed_mysql_wire_usable(c);
#endif
    rc = my_check_outcome(c->mysql, dsn, err);
  }
  return rc;
}

/* ---- the session ------------------------------------------------------- */

/* MariaDB versions in which innodb_snapshot_isolation appeared (traps 13). */
static bool my_has_snapshot_isolation(unsigned long version)
{
  static const unsigned long since[] = {100618, 101108, 110006,
                                        110105, 110204, 110402};

  for (size_t i = 0; i < FED_LEN(since); i++)
    if (version / 100 == since[i] / 100) return version >= since[i];
  return version > 110402;
}

static const char *my_isolation_variable(const struct fed_mysql *c)
{
  return c->mariadb ? "tx_isolation" : "transaction_isolation";
}

/* Nothing is cut, rounded into a range or made of what is no value; but what
 * was read can be written, a zero date as well. */
#define MY_MODE                                                                \
  "STRICT_TRANS_TABLES,STRICT_ALL_TABLES,"                                     \
  "ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION"

int fed_mysql_zero(struct fed_mysql *c, bool zero, const struct fed_wait *wait,
                   struct fed_err *err)
{
  int rc;

  if (c->zero == zero || c->dsn.plain) return SQLITE_OK;
  rc =
    fed_mysql_run_exec(c,
                       zero ? "SET sql_mode='" MY_MODE ",NO_AUTO_VALUE_ON_ZERO'"
                            : "SET sql_mode='" MY_MODE "'",
                       wait, err);
  if (rc == SQLITE_OK) c->zero = zero;
  return rc;
}

/*
 * One statement. TIMESTAMP comes in UTC; sql_mode has neither ANSI_QUOTES
 * nor NO_BACKSLASH_ESCAPES nor PAD_CHAR_TO_FULL_LENGTH.
 */
static int my_set_up(struct fed_mysql *c, const struct fed_wait *wait,
                     struct fed_err *err)
{
  unsigned long version = mysql_get_server_version(c->mysql);
  char sql[480];
  int n;

  if (c->dsn.plain)
    return fed_mysql_run_exec(c, "SET NAMES utf8mb4", wait, err);
  n = snprintf(sql, sizeof sql,
               "SET NAMES utf8mb4, time_zone='+00:00', sql_mode='" MY_MODE "', "
               "autocommit=1, sql_auto_is_null=0, sql_safe_updates=0, "
               "sql_select_limit=18446744073709551615");
  if (c->mariadb && my_has_snapshot_isolation(version))
    n += snprintf(sql + n, sizeof sql - (size_t)n,
                  ", innodb_snapshot_isolation=1");
  /* Known only at a reset, when the global value may be another by now. */
  if (c->isolation[0])
    snprintf(sql + n, sizeof sql - (size_t)n, ", %s='%s'",
             my_isolation_variable(c), c->isolation);
  return fed_mysql_run_exec(c, sql, wait, err);
}

static void my_copy(char *out, size_t size, const char *s)
{
  snprintf(out, size, "%s", s ? s : "");
}

/* `timeout` false: for a server without InnoDB, which does not know that. */
static int my_ask(struct fed_mysql *c, bool timeout, MYSQL_RES **rows,
                  const struct fed_wait *wait, struct fed_err *err)
{
  char sql[300];

  snprintf(sql, sizeof sql,
           "SELECT CONNECTION_ID(), "
           "CONCAT(@@hostname, ':', @@port, ':', @@server_id), DATABASE(), "
           "@@%s, @@max_allowed_packet, %s",
           my_isolation_variable(c),
           timeout ? "@@innodb_rollback_on_timeout" : "0");
  return fed_mysql_run_rows(c, sql, rows, wait, err);
}

static int my_learn(struct fed_mysql *c, const struct fed_wait *wait,
                    struct fed_err *err)
{
  MYSQL_RES *rows;
  MYSQL_ROW row;
  int rc = my_ask(c, true, &rows, wait, err);

  if (rc != SQLITE_OK && err->native == FED_MYSQL_NO_VARIABLE) {
    fed_err_clear(err);
    rc = my_ask(c, false, &rows, wait, err);
  }
  if (rc != SQLITE_OK) return rc;
  row = rows && mysql_num_fields(rows) == 6 ? mysql_fetch_row(rows) : NULL;
  if (!row || !row[0]) {
    mysql_free_result(rows);
    return fed_err_set(err, SQLITE_CANTOPEN,
                       "the server does not say which session this is");
  }
  c->id = strtoull(row[0], NULL, 10);
  my_copy(c->identity, sizeof c->identity, row[1]);
  my_copy(c->database, sizeof c->database, row[2]);
  my_copy(c->isolation, sizeof c->isolation, row[3]);
  c->max_packet = row[4] ? strtoull(row[4], NULL, 10) : 0;
  c->undo_on_timeout = row[5] && row[5][0] == '1';
  mysql_free_result(rows);
  return SQLITE_OK;
}

/* "5.5.5-10.11.6-MariaDB-1" is MariaDB 10.11.6, "8.0.36-log" MySQL 8.0.36. */
static void my_version(struct fed_mysql *c)
{
  const char *s = mysql_get_server_info(c->mysql);

  c->mariadb = strstr(s, "MariaDB") != NULL;
  if (c->mariadb && strncmp(s, "5.5.5-", 6) == 0) s += 6;
  snprintf(c->head.version, sizeof c->head.version, "%s %.*s",
           c->mariadb ? "MariaDB" : "MySQL", (int)strspn(s, "0123456789."), s);
}

static int my_open_session(struct fed_mysql *c, const struct fed_dsn *dsn,
                           const struct fed_wait *wait, struct fed_err *err)
{
  int rc = fed_mysql_connect(c, dsn, wait, err);

  if (rc != SQLITE_OK) return rc;
  my_version(c);
  rc = my_set_up(c, wait, err);
  return rc == SQLITE_OK ? my_learn(c, wait, err) : rc;
}

int fed_mysql_open(struct fed_conn **out, const struct fed_dsn *dsn,
                   const struct fed_wait *wait, struct fed_err *err)
{
  struct fed_mysql *c = fed_alloc(sizeof *c);
  int rc;

  if (!c) return fed_err_nomem(err);
  fed_conn_init(&c->head, dsn->drv);
  rc = fed_dsn_copy(&c->dsn, dsn, err);
  if (rc == SQLITE_OK) rc = fed_mysql_check(dsn, err);
  if (rc == SQLITE_OK) {
    rc = my_open_session(c, dsn, wait, err);
    if (rc != SQLITE_OK) my_say_where(dsn, err);
  }
  if (rc != SQLITE_OK) {
    fed_mysql_close(&c->head);
    return rc;
  }
  *out = &c->head;
  return SQLITE_OK;
}

/* COM_RESET_CONNECTION rolls back, and forgets variables, temporary tables,
 * locks and prepared statements. */
int fed_mysql_reset(struct fed_conn *conn, const struct fed_wait *wait,
                    struct fed_err *err)
{
  struct fed_mysql *c = fed_mysql_of(conn);
  int rc;

  fed_mysql_load_over(c);
  rc = fed_mysql_run_reset(c, wait, err);

  c->session++;
  c->zero = c->head.ended = false;
  return rc == SQLITE_OK ? my_set_up(c, wait, err) : rc;
}

int fed_mysql_ping(struct fed_conn *conn, const struct fed_wait *wait,
                   struct fed_err *err)
{
  return fed_mysql_run_ping(fed_mysql_of(conn), wait, err);
}

/*
 * An idle server has nothing to say: readable means that it closed, or that
 * it said so before closing (error 4031 of MySQL 8, an alert of TLS).
 */
enum fed_health fed_mysql_health(struct fed_conn *conn, bool look)
{
  struct fed_mysql *c = fed_mysql_of(conn);
  int fd = c->mysql ? fed_mysql_lib_socket(c->mysql) : -1;
  char byte;

  if (fd < 0) return FED_HEALTH_DEAD;
  if (c->nopen > 0) return FED_HEALTH_BUSY;
  if (look && (recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0 ||
               (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)))
    return FED_HEALTH_DEAD;
  return c->mysql->server_status & SERVER_STATUS_IN_TRANS ? FED_HEALTH_BUSY
                                                          : FED_HEALTH_CLEAN;
}

void fed_mysql_quote(struct fed_mysql *c, struct fed_str *sql, const char *s)
{
  size_t n = strlen(s);
  char *quoted = fed_alloc(n * 2 + 1);

  if (!quoted || !c->mysql) {
    sql->nomem = true;
  } else {
    n = mysql_real_escape_string(c->mysql, quoted, s, (unsigned long)n);
    fed_str_addc(sql, '\'');
    fed_str_addn(sql, quoted, n);
    fed_str_addc(sql, '\'');
  }
  fed_free(quoted);
}

/* ---- goodbye ----------------------------------------------------------- */

/*
 * Put /dev/null in the place of the socket, so that nothing that the library
 * says from now on reaches the server, and nothing it does can block.
 */
static bool my_detach(MYSQL *mysql)
{
  int fd = fed_mysql_lib_socket(mysql);
  int null;
  bool done;

  if (fd < 0) return true;
  null = open("/dev/null", O_RDWR | O_CLOEXEC);
  if (null < 0) return false;
  done = dup2(null, fd) == fd;
  close(null);
  return done;
}

void fed_mysql_drop(struct fed_mysql *c)
{
  MYSQL *mysql = c->mysql;

  if (!mysql) return;
  /* Without a file descriptor to spare, the goodbye goes to a socket that is
   * shut down: as good, except after a fork. */
  if (!my_detach(mysql)) shutdown(fed_mysql_lib_socket(mysql), SHUT_RDWR);
  c->mysql = NULL;
  c->head.broken = true;
  mysql_close(mysql);
}

static void my_free(struct fed_mysql *c)
{
#if FED_MYSQL_ASYNC
  fed_mysql_wire_release(c);
#endif
  fed_dsn_release(&c->dsn);
  fed_free(c);
}

void fed_mysql_close(struct fed_conn *conn)
{
  struct fed_mysql *c;

  if (!conn) return;
  c = fed_mysql_of(conn);
  fed_mysql_load_over(c);
  if (conn->broken) fed_mysql_drop(c);
  if (c->mysql) mysql_close(c->mysql);
  my_free(c);
}

void fed_mysql_abandon(struct fed_conn *conn)
{
  struct fed_mysql *c = fed_mysql_of(conn);

  conn->broken = true;
  if (c->mysql && !my_detach(c->mysql)) return; /* a leak is the lesser evil */
  fed_stmts_clear(conn);
  fed_mysql_load_over(c);
  fed_mysql_drop(c);
  my_free(c);
}

/* ---- KILL QUERY -------------------------------------------------------- */

/* A name that leads to several servers, or a proxy, may have sent us to
 * another one, where the same number is somebody else's session. */
static int my_kill_here(struct fed_mysql *k, const struct fed_mysql *c,
                        const struct fed_wait *wait, struct fed_err *err)
{
  char sql[64];
  int rc;

  k->mariadb = c->mariadb;
  rc = my_learn(k, wait, err);
  if (rc != SQLITE_OK) return rc;
  if (strcmp(k->identity, c->identity) != 0)
    return fed_err_set(err, SQLITE_ERROR,
                       "cannot cancel: the name now leads to another server");
  snprintf(sql, sizeof sql, "KILL QUERY %llu", (unsigned long long)c->id);
  rc = fed_mysql_run_exec(k, sql, wait, err);
  if (rc != SQLITE_OK && err->native == FED_MYSQL_NO_SUCH_THREAD) {
    fed_err_clear(err);
    rc = SQLITE_OK;
  }
  return rc;
}

int fed_mysql_kill(const struct fed_mysql *c, struct fed_err *err)
{
  struct fed_wait wait = {.deadline = fed_clock_deadline(MY_KILL_TIME)};
  struct fed_mysql k = {.id = 0};
  int rc;

  fed_conn_init(&k.head, c->head.drv);
  rc = fed_mysql_connect(&k, &c->dsn, &wait, err);
  if (rc == SQLITE_OK) rc = my_kill_here(&k, c, &wait, err);
  k.id = 0;
  if (k.head.broken) fed_mysql_drop(&k);
  if (k.mysql) mysql_close(k.mysql);
  fed_dsn_scrub(&c->dsn, err);
  return rc;
}
