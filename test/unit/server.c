/*
 * server: definitions, the config file, and the pool where one thread can
 * tell what must happen. The driver is a stand-in without a network.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "pool/pool.h"

static int passed, failed;

static bool check(bool ok, const char *fmt, ...) FED_PRINTF(2, 3);
static bool check(bool ok, const char *fmt, ...)
{
  va_list ap;

  if (ok) {
    passed++;
    return true;
  }
  failed++;
  printf("FAIL: ");
  va_start(ap, fmt);
  vprintf(fmt, ap);
  va_end(ap);
  printf("\n");
  return false;
}

/* ---- a driver without a server ------------------------------------------- */

static atomic_int open_now, pings, resets;
static atomic_bool down, dead;
static char password[64]; /* that the last open() was given */

static enum fed_param_kind fake_param(const char *key)
{
  static const char *const plain[] = {"user",   "host",    "port",
                                      "dbname", "sslmode", "connect_timeout"};

  if (strcmp(key, "password") == 0) return FED_PARAM_SECRET;
  for (size_t i = 0; i < FED_LEN(plain); i++)
    if (strcmp(plain[i], key) == 0) return FED_PARAM_PLAIN;
  return FED_PARAM_UNKNOWN;
}

static int fake_open(struct fed_conn **out, const struct fed_dsn *dsn,
                     const struct fed_wait *wait, struct fed_err *err)
{
  const char *pw = fed_dsn_get(dsn, "password");
  struct fed_conn *conn;

  snprintf(password, sizeof password, "%s", pw ? pw : "");
  if (strcmp(password, "slow") == 0)
    while (fed_wait_fd(wait, -1, 0, "connecting", err) == SQLITE_OK)
      continue;
  if (err->rc) return err->rc;
  if (down)
    return fed_err_set(err, SQLITE_CANTOPEN, "refused; tried %s", password);
  if (!(conn = fed_alloc(sizeof *conn))) return fed_err_nomem(err);
  fed_conn_init(conn, dsn->drv);
  snprintf(conn->version, sizeof conn->version, "Fake 1.0");
  open_now++;
  *out = conn;
  return SQLITE_OK;
}

static void fake_close(struct fed_conn *conn)
{
  open_now--;
  fed_free(conn);
}

static enum fed_health fake_health(struct fed_conn *conn, bool look)
{
  (void)conn, (void)look;
  return dead ? FED_HEALTH_DEAD : FED_HEALTH_CLEAN;
}

static int fake_ping(struct fed_conn *conn, const struct fed_wait *wait,
                     struct fed_err *err)
{
  (void)conn, (void)wait, (void)err;
  pings++;
  return SQLITE_OK;
}

static int fake_reset(struct fed_conn *conn, const struct fed_wait *wait,
                      struct fed_err *err)
{
  (void)conn, (void)wait, (void)err;
  resets++;
  return SQLITE_OK;
}

static int fake_exec(struct fed_conn *conn, const char *sql,
                     const struct fed_wait *wait, struct fed_err *err)
{
  (void)conn, (void)wait;
  return *sql == '!' ? fed_err_set(err, SQLITE_ERROR, "bad SQL") : SQLITE_OK;
}

static const char *const fake_schemes[] = {"fake", NULL};
static const struct fed_driver fake_driver = {
  .name = "fake",
  .schemes = fake_schemes,
  .caps = 5,
  .param = fake_param,
  .open = fake_open,
  .close = fake_close,
  .abandon = fake_close,
  .health = fake_health,
  .ping = fake_ping,
  .reset = fake_reset,
  .exec = fake_exec,
  .run = fake_exec,
};
static enum fed_param_kind file_param(const char *key)
{
  return strcmp(key, "path") == 0 ? FED_PARAM_PLAIN : FED_PARAM_UNKNOWN;
}
static const char *const file_schemes[] = {"file", NULL};
static const struct fed_driver file_driver = {.name = "file",
                                              .schemes = file_schemes,
                                              .param = file_param,
                                              .is_file = true};
const struct fed_driver *const fed_drivers[] = {&fake_driver, &file_driver,
                                                NULL};

const struct fed_driver *fed_driver_find(const char *scheme)
{
  for (int i = 0; fed_drivers[i]; i++)
    if (strcmp(fed_drivers[i]->schemes[0], scheme) == 0) return fed_drivers[i];
  return NULL;
}

/* ---- definitions ----------------------------------------------------------
 */

static struct fed_err last;

/* Define with up to two options. */
static int define(const char *name, const char *url, const char *a,
                  const char *b)
{
  const char *options[] = {a, b};

  fed_err_clear(&last);
  return fed_server_define(name, url, options, !a ? 0 : !b ? 1 : 2, &last);
}

static bool says(const char *piece)
{
  return strstr(last.msg, piece) != NULL;
}

static struct fed_server *find(const char *name)
{
  struct fed_server *server;

  fed_err_clear(&last);
  fed_server_find(name, &server, &last);
  return server;
}

/* What fed_server_show says of `name`, kept until the next call. */
static const char *shown(const char *name)
{
  static char text[500];
  struct fed_server *server = find(name);
  struct fed_str out;

  if (!server) return last.msg;
  fed_str_init(&out, sizeof text - 1);
  fed_server_show(server, &out);
  memcpy(text, out.s, out.len + 1);
  fed_str_release(&out);
  fed_server_unref(server);
  return text;
}

static void test_names(void)
{
  static const char *const bad[] = {"",     "1a",    "a-b", "a.b",  "main",
                                    "Temp", "dbFED", "ä",   "shop "};
  char name[33] = "abcdefghijabcdefghijabcdefghija"; /* 31 */

  for (size_t i = 0; i < FED_LEN(bad); i++)
    check(define(bad[i], "fake://h/d", NULL, NULL) && says("bad server name"),
          "name '%s': %s", bad[i], last.msg);
  check(define(name, "fake://h/d", NULL, NULL) == SQLITE_OK, "31 characters");
  name[31] = 'x';
  check(define(name, "fake://h/d", NULL, NULL) == SQLITE_ERROR,
        "32 characters");
  check(define("_", "fake://h/d", NULL, NULL) == SQLITE_OK, "_");
  fed_pool_shutdown();
}

static void test_define(void)
{
  struct fed_server *server, *other;
  int64_t generation;

  check(define("Shop", "fake://u:hunter2@h/d", "pool_max=3", NULL) == 0, "%s",
        last.msg);
  check(define("shop", "fake://u:hunter2@h/d", "pool_max=3", NULL) == 0,
        "again: %s", last.msg);
  check(strcmp(shown("SHOP"), "fake://u@h/d pool_max=3") == 0, "%s",
        shown("SHOP"));
  server = find("shop");
  generation = fed_server_generation(server);
  check(strcmp(fed_server_name(server), "Shop") == 0, "spelling is kept");
  check(define("shop", "fake://u:hunter2@h/other", NULL, NULL) &&
          says("server 'Shop' is already defined as fake://u@h/d pool_max=3; "
               "add 'replace'") &&
          !says("hunter2"),
        "%s", last.msg);
  check(define("shop", "fake://u:hunter3@h/d", "pool_max=3", NULL) ==
          SQLITE_ERROR,
        "another password is another definition");
  check(define("shop", "fake://u@h/other", "replace", NULL) == SQLITE_OK,
        "replace: %s", last.msg);
  check(!fed_server_current(server), "the old one is not current");
  other = find("shop");
  check(other != server && fed_server_generation(other) > generation, "new");
  fed_server_unref(server);
  fed_server_unref(other);
  check(fed_server_drop("shop", &last) == SQLITE_OK, "drop");
  check(!find("shop") && says("server 'shop' is not defined; define it"), "%s",
        last.msg);
  check(fed_server_drop("shop", &last) == SQLITE_ERROR, "dropped twice");
}

static void test_options(void)
{
  char cwd[500], expect[600];

  check(define("o", "fake://h/d", "pool_mx=3", NULL) &&
          says("unknown option 'pool_mx' for server 'o'; did you mean "
               "'pool_max'?") &&
          says("connection parameters of driver 'fake'"),
        "%s", last.msg);
  check(define("o", "fake://h/d", "hunter2 x=3", NULL) && !says("hunter2"),
        "%s", last.msg);
  check(define("o", "fake://h/d", "pool_max=0", NULL) &&
          says("server 'o': option 'pool_max' is '0': it must be 1 to 1000"),
        "%s", last.msg);
  check(define("o", "fake://h/d", "bare", NULL) && says("unknown option 'ba"),
        "%s", last.msg);
  check(define("o", "nope:hunter2", NULL, NULL) && says("server 'o': not a") &&
          !says("hunter2"),
        "%s", last.msg);
  define("o", "fake://h/d", "sslmode=require", "password=hunter2");
  check(strcmp(shown("o"), "fake://h/d?sslmode=require") == 0, "%s",
        shown("o"));
  define("o", "fake://h/d?connect_timeout=3", "replace", NULL);
  check(strcmp(shown("o"), "fake://h/d connect_timeout=3s") == 0, "%s",
        shown("o"));
  define("o", "fake://h/d?connect_timeout=3", "replace",
         "connect_timeout=40ms");
  check(strcmp(shown("o"), "fake://h/d connect_timeout=40ms") == 0, "%s",
        shown("o"));
  define("f", "file:some.db", NULL, NULL);
  snprintf(expect, sizeof expect, "file:%s/some.db",
           getcwd(cwd, sizeof cwd) ? cwd : "");
  check(strcmp(shown("f"), expect) == 0, "%s", shown("f"));
  fed_pool_shutdown();
}

/* ---- the config file --------------------------------------------------------
 */

static char dir[] = "/tmp/fed_server_XXXXXX";
static char ini[60];

static void config(mode_t mode, const char *text)
{
  static long tick;
  struct timespec times[2];
  FILE *f = fopen(ini, "w");

  if (!f) return;
  fputs(text, f);
  fclose(f);
  chmod(ini, mode);
  /* The clock of files is coarse: make sure that a change is seen. */
  times[0].tv_sec = times[1].tv_sec = 1700000000 + tick++;
  times[0].tv_nsec = times[1].tv_nsec = 0;
  utimensat(AT_FDCWD, ini, times, 0);
}

static void test_config(void)
{
  struct fed_server *server;

  config(0644, "; a comment\n[dbfed]\ntrust = /srv/*.db, /data/**\n"
               "trust = /x/a?b.db\n\n[cShop]\n  url = fake://u@h/d?sslmode=a;b"
               " ; note\n  pool_max = 3\n[crm]\nurl = fake://h/crm\n");
  check(strcmp(shown("cshop"), "fake://u@h/d?sslmode=a%3Bb pool_max=3") == 0,
        "%s", shown("cshop"));
  check(fed_config_check(&last) == SQLITE_OK, "%s", last.msg);
  check(fed_config_trusts("/srv/a.db"), "trust");
  check(!fed_config_trusts("/srv/x/a.db"), "'*' stops at '/'");
  check(fed_config_trusts("/data/x/a.db"), "'**' does not");
  check(!fed_config_trusts("/database/a.db"), "below /data only");
  check(fed_config_trusts("/x/a b.db"), "repeated");
  check(define("cshop", "fake://h/evil", NULL, NULL) && says("already defined"),
        "SQL cannot redirect it by chance: %s", last.msg);
  check(define("cshop", "fake://h/good", "replace", NULL) == SQLITE_OK, "%s",
        last.msg);
  check(define("crm", "fake://h/crm", NULL, NULL) == SQLITE_OK, "the same");

  server = find("crm");
  config(0644, "[cshop]\nurl = fake://u@h/d\n[new]\nurl=fake://h/new\n"
               "[crm]\nurl = fake://h/crm2\n");
  check(strcmp(shown("new"), "fake://h/new") == 0, "%s", shown("new"));
  check(strcmp(shown("cshop"), "fake://h/good") == 0, "SQL's stays");
  check(strcmp(shown("crm"), "fake://h/crm2") == 0, "%s", shown("crm"));
  check(!fed_server_current(server), "the old crm is gone");
  fed_server_unref(server);
  check(!fed_config_trusts("/srv/a.db"), "no more");

  config(0644, "[new]\nurl=fake://h/new\n");
  find("nothing");
  check(!find("crm"), "a section taken out is gone");
  check(says("is not defined; define it: SELECT fed_server('crm', ") &&
          says("or as section [crm] of /tmp/"),
        "%s", last.msg);
  fed_pool_shutdown();
}

/* A file, and what is said of it when `x` is asked for. */
struct broken {
  mode_t mode;
  const char *text, *piece;
};

/* clang-format off */
static const struct broken brokens[] = {
  {0644, "[x]\nurl=fake://h/d\nfoo=hunter2\n", ":3: unknown option 'foo'"},
  {0644, "[x]\n\nurl=nope://u:hunter2@h/d\n", ":3: server 'x': no driver"},
  {0644, "[x]\npool_max=9\n", ":2: the section has no 'url'"},
  {0644, "[x]\nurl=fake://h/d\nurl=fake://h/e\n", ":3: 'url' is given twice"},
  {0644, "url=fake://h/d\n", ":1: stands in front of the first [section]"},
  {0644, "[x]\nhunter2\n", ":2: neither [section] nor key = value"},
  {0644, "[x\nurl=fake://h/d\n", ":1: neither"},
  {0644, "[1x]\nurl=fake://h/d\n", ":2: bad server name"},
  {0644, "[dbfed]\ntrusts=/a\n", ":2: unknown option in section [dbfed]"},
  {0644, "[dbfed]\ntrust=a/*.db\n", ":2: a pattern of 'trust' begins with"},
  {0644, "[x]\nurl=file:a.db\n", ":2: server 'x': in the config file the path"},
  {0666, "[x]\nurl=fake://h/d\n", "chmod go-w '/tmp/"},
  {0620, "[x]\nurl=fake://h/d\n", "refused: others can write to it"},
  {0640, "[x]\nurl=fake://u:hunter2@h/d\n", ":2: refused: it holds a passw"},
  {0604, "[x]\nurl=fake://u@h/d\npassword=hunter2\n", "run chmod 600 '/tmp/"},
};
/* clang-format on */

static void test_broken(const struct broken *broken)
{
  struct fed_server *server = NULL;

  config(broken->mode, broken->text);
  check(!find("x") && says("server 'x' is not defined; /tmp/") &&
          says(broken->piece) && !says("hunter2"),
        "%s: %s", broken->text, last.msg);
  check(define("sql", "fake://h/d", NULL, NULL) == SQLITE_OK &&
          (server = find("sql")) != NULL,
        "a server of SQL's: %s", last.msg);
  fed_server_unref(server);
  check(!fed_config_trusts("/a/x.db"), "trust");
  check(fed_config_check(&last) != SQLITE_OK, "check");
  fed_pool_shutdown();
}

static void test_brokens(void)
{
  char text[1200];

  for (size_t i = 0; i < FED_LEN(brokens); i++)
    test_broken(&brokens[i]);
  snprintf(text, sizeof text, "[x]\nurl=fake://h/d\n; %01000d\nsslmode=a", 0);
  config(0600, text);
  check(!find("y") && says(":3: the line is too long"), "%s", last.msg);
  config(0600, "[good]\nurl=fake://u:hunter2@h/d\n[x]\nurl=fake://h\npool=1");
  check(strcmp(shown("good"), "fake://u@h/d") == 0, "%s", shown("good"));
  config(0644, "[x]\nurl=fake://u@h/d\npassword = env:FED_PW\n");
  check(strcmp(shown("x"), "fake://u@h/d") == 0, "%s", shown("x"));
  unlink(ini);
  check(!find("y") && says("cannot be read"), "%s", last.msg);
  setenv("DBFED_CONFIG", "", 1);
  check(!find("y") && !says("/tmp"), "%s", last.msg);
  setenv("DBFED_CONFIG", ini, 1);
  fed_pool_shutdown();
}

/* ---- connections
 * ------------------------------------------------------------- */

static const struct fed_wait forever = {.deadline = FED_WAIT_FOREVER};

static int get(const char *name, struct fed_conn **conn)
{
  struct fed_server *server = find(name);
  int rc = fed_pool_get(server, &forever, conn, &last);

  fed_server_unref(server);
  return rc;
}

static struct fed_pool_row row(const char *name)
{
  struct fed_pool_row *rows, found = {.generation = 0};
  int n;

  if (fed_pool_list(&rows, &n, &last) != SQLITE_OK) return found;
  for (int i = 0; i < n; i++)
    if (strcmp(rows[i].server, name) == 0) found = rows[i];
  fed_free(rows);
  return found;
}

static void nap(long ms)
{
  struct timespec ts = {.tv_nsec = ms * 1000000};

  nanosleep(&ts, NULL);
}

static void test_limit(void)
{
  struct fed_conn *a = NULL, *b = NULL, *c = NULL;
  struct fed_server *server;
  int64_t start = fed_clock_ms();

  define("p", "fake://h/d", "pool_max=2", "acquire_timeout=120ms");
  check(get("p", &a) == SQLITE_OK && get("p", &b) == SQLITE_OK, "two");
  check(get("p", &c) == SQLITE_BUSY && !c &&
          says("all 2 connections of server 'p' are in use; waited 0.1 s; "
               "raise pool_max"),
        "%s", last.msg);
  check(fed_clock_ms() - start < 400, "took too long");
  server = find("p");
  check(fed_pool_try_get(server, &forever, &c, &last) == SQLITE_BUSY &&
          says("are in use; raise"),
        "%s", last.msg);
  check(fed_pool_server(a) == server && !fed_pool_inherited(a), "whose");
  fed_pool_put(a);
  fed_pool_put(b);
  check(get("p", &c) == SQLITE_OK && c == b, "the last one first");
  c->dirty = true;
  fed_pool_put(c);
  check(resets == 1 && open_now == 2, "reset");
  check(fed_pool_trim(server) == 2 && open_now == 0, "trim");
  fed_server_unref(server);
  check(row("p").lent_total == 3 && row("p").timeout_total == 2 &&
          row("p").wait_total == 1 && row("p").closed_total == 2,
        "counters");
  fed_pool_shutdown();
}

/* A session of its own: beside the pool, and in the log. */
static void test_connect(void)
{
  struct fed_server *server;
  struct fed_conn *a, *own;
  struct fed_log_row *log = fed_calloc(1, sizeof *log);

  define("p", "fake://h/d", "pool_max=1", "connect_timeout=50ms");
  check(get("p", &a) == SQLITE_OK, "%s", last.msg);
  server = find("p");
  fed_log_clear();
  check(fed_server_connect(server, false, &own, &forever, &last) == SQLITE_OK,
        "%s", last.msg);
  check(open_now == 2 && row("p").busy == 1 && row("p").opened_total == 1,
        "counted as pooled");
  fed_conn_run(own, "LOCK", 4, &forever, &last);
  check(log && fed_log_next(0, log) && strcmp(log->sql, "LOCK") == 0 &&
          strcmp(log->server, "p") == 0,
        "not in the log");
  fed_pool_put(a);
  check(fed_pool_shutdown() == 0 && open_now == 1, "lent, or closed by others");
  fed_conn_close(own);
  check(open_now == 0, "not closed");
  down = true;
  check(fed_server_connect(server, false, &own, &forever, &last) ==
            SQLITE_CANTOPEN &&
          !own && says("server 'p': refused"),
        "%s", last.msg);
  down = false;
  fed_server_unref(server);
  fed_free(log);
}

static void test_ages(void)
{
  struct fed_conn *a;

  define("p", "fake://h/d", "idle_timeout=30ms", NULL);
  get("p", &a);
  fed_pool_put(a);
  nap(40);
  get("p", &a);
  check(row("p").opened_total == 2 && open_now == 1, "idle for too long");
  fed_pool_put(a);
  define("p", "fake://h/d", "max_lifetime=30ms", "replace");
  check(open_now == 0, "replacing closes what is idle");
  get("p", &a);
  nap(40);
  fed_pool_put(a);
  check(open_now == 0, "too old");
  define("p", "fake://h/d", "validate_after=20ms", "replace");
  get("p", &a);
  fed_pool_put(a);
  get("p", &a);
  check(pings == 0, "pinged too early");
  fed_pool_put(a);
  nap(30);
  get("p", &a);
  check(pings == 1, "not pinged");
  define("p", "fake://h/d", "replace", NULL);
  check(open_now == 1, "a lent connection is closed");
  fed_pool_put(a);
  check(open_now == 0, "not closed by draining");
  get("p", &a);
  dead = true;
  fed_pool_put(a);
  dead = false;
  check(open_now == 0 && row("p").broken_total == 1, "dead");
  check(fed_pool_shutdown() == 0, "shutdown");
}

/* Where one was broken, those that were idle then are looked at. */
static void test_doubt(void)
{
  struct fed_conn *a, *b, *c;

  define("p", "fake://h/d", NULL, NULL);
  get("p", &a);
  get("p", &b);
  fed_pool_put(a);
  b->broken = true;
  fed_pool_put(b);
  dead = true;
  get("p", &c);
  dead = false;
  check(row("p").opened_total == 3 && open_now == 1, "lent unseen");
  fed_pool_put(c);
  check(fed_pool_shutdown() == 0, "shutdown");
}

static void test_errors(void)
{
  struct fed_server_row *rows;
  struct fed_conn *a;
  int n;

  define("p", "fake://u@h/d", "password=env:FED_PW", NULL);
  unsetenv("FED_PW");
  check(get("p", &a) == SQLITE_CANTOPEN && !a &&
          says("environment variable 'FED_PW', which holds the password, is "
               "not set"),
        "%s", last.msg);
  setenv("FED_PW", "hunter2", 1);
  check(get("p", &a) == SQLITE_OK && strcmp(password, "hunter2") == 0, "env");
  a->broken = true;
  fed_pool_put(a);
  down = true;
  check(get("p", &a) == SQLITE_CANTOPEN &&
          says("server 'p': refused; tried ***"),
        "%s", last.msg);
  down = false;
  fed_server_list(&rows, &n, &last);
  check(n == 1 && strcmp(rows[0].state, "down") == 0 &&
          strcmp(rows[0].last_error, "server 'p': refused; tried ***") == 0 &&
          rows[0].last_error_time > 1e9 && rows[0].caps == 5 &&
          strcmp(rows[0].version, "Fake 1.0") == 0 &&
          strcmp(rows[0].url, "fake://u@h/d") == 0,
        "fed_servers");
  fed_server_list_free(rows, n);
  define("p", "fake://u:slow@h/d", "connect_timeout=80ms", "replace");
  check(get("p", &a) == SQLITE_CANTOPEN &&
          says("timed out connecting (connect_timeout=80ms)"),
        "%s", last.msg);
  fed_pool_shutdown();
}

/* Threads queue one after the other and must be served in that order. */
static struct fed_server *queue_server;
static atomic_int queue_next, queue_wrong;

static void *queue_wait(void *arg)
{
  struct fed_err err = FED_ERR_INIT;
  struct fed_conn *conn;

  if (fed_pool_get(queue_server, &forever, &conn, &err) != SQLITE_OK ||
      queue_next++ != (int)(intptr_t)arg)
    queue_wrong++;
  nap(1);
  fed_pool_put(conn);
  return NULL;
}

static void test_fair(void)
{
  pthread_t thread[8];
  struct fed_conn *a;

  define("p", "fake://h/d", "pool_max=1", NULL);
  get("p", &a);
  queue_server = find("p");
  for (intptr_t i = 0; i < 8; i++) {
    pthread_create(&thread[i], NULL, queue_wait, (void *)i);
    while (row("p").waiting != i + 1)
      nap(1);
  }
  a->broken = true; /* the first in the queue has to open one */
  fed_pool_put(a);
  for (int i = 0; i < 8; i++)
    pthread_join(thread[i], NULL);
  check(queue_wrong == 0, "%d served out of turn", queue_wrong);
  check(row("p").opened_total == 2 && row("p").lent_total == 9, "counters");
  fed_server_unref(queue_server);
  fed_pool_shutdown();
}

/* ---- the log
 * ------------------------------------------------------------------- */

static void test_log(void)
{
  struct fed_log_row *log = malloc(sizeof *log);
  struct fed_trace trace = {.total_us = 1500, .rows = 3};
  struct fed_conn *a;
  char sql[5000];
  int n = 0;

  if (!log) return;
  define("p", "fake://h/d", NULL, NULL);
  get("p", &a);
  fed_conn_exec(a, "! $1", &forever, &last);
  fed_pool_put(a);
  check(fed_log_next(0, log) && strcmp(log->sql, "! $1") == 0 &&
          strcmp(log->server, "p") == 0 && strcmp(log->error, "bad SQL") == 0 &&
          log->time > 1e9 && !fed_log_next(log->id, log),
        "one row");
  memset(sql, 'a', sizeof sql);
  memcpy(sql + FED_LOG_SQL - 3, "\xc3\xa4\xc3\xa4", 4); /* cut in a letter */
  sql[sizeof sql - 1] = 0;
  trace.sql = sql;
  trace.start_us = fed_clock_us();
  for (int i = 0; i < FED_LOG_ROWS + 10; i++)
    fed_log_add("q", &trace);
  for (int64_t id = 0; fed_log_next(id, log); id = log->id)
    n++;
  check(n == FED_LOG_ROWS, "%d rows", n);
  check(strlen(log->sql) == FED_LOG_SQL - 1 &&
          memcmp(log->sql + FED_LOG_SQL - 3, "\xc3\xa4", 3) == 0,
        "cut at %zu", strlen(log->sql));
  check(log->total_ms > 1.49 && log->total_ms < 1.51 && log->rows == 3, "ms");
  fed_log_clear();
  check(!fed_log_next(0, log), "cleared");
  free(log);
  fed_pool_shutdown();
}

#ifdef FED_TEST
/* The n-th allocation fails, for every n: no crash, no leak, nothing lost. */
static void test_nomem(void)
{
  config(0600, "[dbfed]\ntrust=/a/*\n[c]\nurl=fake://u@h/d\nsslmode=x\n");
  for (int n = 1;; n++) {
    struct fed_server_row *rows;
    struct fed_conn *a = NULL;
    struct fed_server *server = NULL;
    int have, hit;

    fed_err_clear(&last);
    fed_fault_arm(FED_FAULT_ALLOC, n);
    if (define("p", "fake://u:pw@h/d", "pool_max=1", "sslmode=x") == 0 &&
        fed_server_find("p", &server, &last) == SQLITE_OK &&
        fed_pool_get(server, &forever, &a, &last) == SQLITE_OK &&
        fed_server_list(&rows, &have, &last) == SQLITE_OK)
      fed_server_list_free(rows, have);
    fed_pool_put(a);
    fed_server_unref(server);
    hit = fed_fault_arm(FED_FAULT_ALLOC, 0);
    check(fed_pool_shutdown() == 0 && open_now == 0, "allocation %d", n);
    if (!hit) break;
  }
}
#endif

int main(void)
{
  if (!mkdtemp(dir)) return 1;
  snprintf(ini, sizeof ini, "%s/dbfed.ini", dir);
  setenv("DBFED_CONFIG", "", 1);
  alarm(60);
  test_names();
  test_define();
  test_options();
  setenv("DBFED_CONFIG", ini, 1);
  test_config();
  test_brokens();
  setenv("DBFED_CONFIG", "", 1);
  test_limit();
  test_connect();
  test_ages();
  test_doubt();
  test_errors();
  test_fair();
  test_log();
#ifdef FED_TEST
  setenv("DBFED_CONFIG", ini, 1);
  test_nomem();
#endif
  unlink(ini);
  rmdir(dir);
  printf("%d passed, %d failed, 0 skipped\n", passed, failed);
  return failed > 0;
}
