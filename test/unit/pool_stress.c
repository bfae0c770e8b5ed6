/*
 * pool_stress: 16 threads share 4 connections, while backends are killed, the
 * process forks and the server is redefined.
 *
 *     pool_stress [seed]
 *
 * The driver is a fake that stamps each connection with its borrower and
 * counts what is open; the same is run on the sqlite driver, and on
 * PostgreSQL where FED_TEST_PG_URL names a server: need pg.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "pool/pool.h"

#define THREADS 16
#define LIMIT   4
#define BORROWS 100000

static atomic_int passed, failed, skipped; /* kill_backends() checks, too */

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

/* xorshift64*: each thread has its own, all follow from the seed. */
static uint64_t rnd(uint64_t *state)
{
  *state ^= *state >> 12;
  *state ^= *state << 25;
  *state ^= *state >> 27;
  return *state * UINT64_C(2685821657736338717);
}

static bool chance(uint64_t *state, unsigned one_in)
{
  return rnd(state) % one_in == 0;
}

static void nap(long us)
{
  struct timespec ts = {.tv_nsec = us * 1000};

  nanosleep(&ts, NULL);
}

/* ---- the fake driver ---------------------------------------------------- */

struct fake_conn {
  struct fed_conn base; /* first */
  pid_t pid;            /* who opened it */
  atomic_long owner;    /* the borrower's stamp, 0 while in the pool */
  atomic_bool killed;   /* the server is gone; found out by talking to it */
  bool session;         /* something that only a reset takes away */
};

#define FAKE_SLOTS 64
static struct {
  pthread_mutex_t lock;
  struct fake_conn *conn[FAKE_SLOTS]; /* what is open, for the killer */
  uint64_t seed;
} fake = {.lock = PTHREAD_MUTEX_INITIALIZER};

static atomic_int fake_open_now, fake_open_most;
static atomic_long fake_opened, fake_closed, fake_refused, fake_resets;
static atomic_long fake_wrong; /* lent twice, not clean, not ours */
static atomic_bool fake_down;  /* refuse every connection */
static atomic_int fake_slow;   /* us that connecting takes */

static struct fake_conn *fake_of(struct fed_conn *conn)
{
  return (struct fake_conn *)conn;
}

static void fake_list(struct fake_conn *conn, bool add)
{
  pthread_mutex_lock(&fake.lock);
  for (int i = 0; i < FAKE_SLOTS; i++)
    if (fake.conn[i] == (add ? NULL : conn)) {
      fake.conn[i] = add ? conn : NULL;
      break;
    }
  pthread_mutex_unlock(&fake.lock);
}

/* One of twenty attempts to connect fails, or all while it is down. */
static bool fake_refuses(void)
{
  bool no;

  pthread_mutex_lock(&fake.lock);
  no = fake_down || chance(&fake.seed, 20);
  pthread_mutex_unlock(&fake.lock);
  return no;
}

static int fake_open(struct fed_conn **out, const struct fed_dsn *dsn,
                     const struct fed_wait *wait, struct fed_err *err)
{
  struct fake_conn *conn;
  int now;

  if (fake_slow) nap(fake_slow);
  if (fed_wait_check(wait, "connecting", err) != SQLITE_OK) return err->rc;
  if (fake_refuses()) {
    fake_refused++;
    return fed_err_set(err, SQLITE_CANTOPEN, "connection refused");
  }
  if (!(conn = fed_alloc(sizeof *conn))) return fed_err_nomem(err);
  fed_conn_init(&conn->base, dsn->drv);
  conn->pid = getpid();
  fake_opened++;
  now = ++fake_open_now;
  while (now > fake_open_most)
    fake_open_most = now;
  fake_list(conn, true);
  *out = &conn->base;
  return SQLITE_OK;
}

static void fake_close(struct fed_conn *conn)
{
  if (fake_of(conn)->pid != getpid()) fake_wrong++;
  fake_list(fake_of(conn), false);
  fake_open_now--;
  fake_closed++;
  fed_free(conn);
}

static void fake_abandon(struct fed_conn *conn)
{
  if (fake_of(conn)->pid == getpid()) fake_wrong++;
  fake_closed++;
  fed_free(conn);
}

static enum fed_health fake_health(struct fed_conn *conn, bool look)
{
  (void)look;
  return fake_of(conn)->session ? FED_HEALTH_BUSY : FED_HEALTH_CLEAN;
}

static int fake_talk(struct fed_conn *conn, struct fed_err *err)
{
  if (fake_of(conn)->pid != getpid()) fake_wrong++;
  if (!fake_of(conn)->killed) return SQLITE_OK;
  conn->broken = true;
  return fed_err_set(err, SQLITE_IOERR, "server closed the connection");
}

static int fake_ping(struct fed_conn *conn, const struct fed_wait *wait,
                     struct fed_err *err)
{
  (void)wait;
  return fake_talk(conn, err);
}

static int fake_reset(struct fed_conn *conn, const struct fed_wait *wait,
                      struct fed_err *err)
{
  int rc = fake_talk(conn, err);

  (void)wait;
  if (rc != SQLITE_OK) return rc;
  fake_of(conn)->session = false;
  fake_resets++;
  return SQLITE_OK;
}

/* "+7": borrower 7 has it now; "-7": no more; "set": soil the session. */
static int fake_exec(struct fed_conn *base, const char *sql,
                     const struct fed_wait *wait, struct fed_err *err)
{
  struct fake_conn *conn = fake_of(base);
  long me = labs(atol(sql)), none = 0, was = me;

  (void)wait;
  if (*sql == '+' && !atomic_compare_exchange_strong(&conn->owner, &none, me))
    fake_wrong++;
  if (*sql == '+' && conn->session) fake_wrong++;
  if (*sql == '-' && !atomic_compare_exchange_strong(&conn->owner, &was, 0))
    fake_wrong++;
  if (*sql == 's') conn->session = true;
  if (*sql == '-') return SQLITE_OK;
  return fake_talk(base, err);
}

static enum fed_param_kind fake_param(const char *key)
{
  (void)key;
  return FED_PARAM_PLAIN;
}

static const char *const fake_schemes[] = {"fake", NULL};
static const struct fed_driver fake_driver = {
  .name = "fake",
  .schemes = fake_schemes,
  .param = fake_param,
  .open = fake_open,
  .close = fake_close,
  .abandon = fake_abandon,
  .health = fake_health,
  .ping = fake_ping,
  .reset = fake_reset,
  .exec = fake_exec,
};

/* Instead of drivers.c: the linker takes the first definition it meets. */
#ifdef FED_WITH_PG
extern const struct fed_driver fed_driver_pg;
#endif
#ifdef FED_WITH_SQLITE
extern const struct fed_driver fed_driver_sqlite;
#endif
const struct fed_driver *const fed_drivers[] = {
  &fake_driver,
#ifdef FED_WITH_PG
  &fed_driver_pg,
#endif
#ifdef FED_WITH_SQLITE
  &fed_driver_sqlite,
#endif
  NULL,
};

const struct fed_driver *fed_driver_find(const char *scheme)
{
  for (int i = 0; fed_drivers[i]; i++)
    for (int j = 0; fed_drivers[i]->schemes[j]; j++)
      if (strcmp(fed_drivers[i]->schemes[j], scheme) == 0)
        return fed_drivers[i];
  return NULL;
}

/* ---- borrowers ---------------------------------------------------------- */

/* What one thread saw. */
struct tally {
  long lent, refused, busy, interrupted, other;
};

struct worker {
  pthread_t thread;
  long id; /* from 1 */
  uint64_t seed;
  struct tally tally;
  char message[200]; /* of the last error that was not foreseen */
};

static const char *server_name;
static atomic_long borrows_left;
static atomic_int lent_now, lent_most;
static void (*use)(struct worker *w, struct fed_conn *conn);
static atomic_bool stop;

static bool interrupted(void *arg)
{
  return chance(arg, 3);
}

static void count_error(struct worker *w, const struct fed_err *err)
{
  switch (err->rc) {
  case SQLITE_CANTOPEN:
    w->tally.refused++;
    break;
  case SQLITE_BUSY:
    w->tally.busy++;
    break;
  case SQLITE_INTERRUPT:
    w->tally.interrupted++;
    break;
  default:
    w->tally.other++;
    snprintf(w->message, sizeof w->message, "%.199s", err->msg);
  }
}

/* Mostly patient; now and then in a hurry, or with a nervous user. */
static struct fed_wait any_wait(struct worker *w)
{
  struct fed_wait wait = {.deadline = FED_WAIT_FOREVER};

  if (chance(&w->seed, 50)) wait = fed_wait_within(&wait, 2);
  if (chance(&w->seed, 500)) {
    wait.interrupted = interrupted;
    wait.arg = &w->seed;
  }
  return wait;
}

static void borrow(struct worker *w)
{
  struct fed_wait wait = any_wait(w);
  struct fed_err err = FED_ERR_INIT;
  struct fed_server *server;
  struct fed_conn *conn;
  int now, rc;

  if (fed_server_find(server_name, &server, &err) != SQLITE_OK) {
    count_error(w, &err);
    return;
  }
  rc = chance(&w->seed, 20) ? fed_pool_try_get(server, &wait, &conn, &err)
                            : fed_pool_get(server, &wait, &conn, &err);
  fed_server_unref(server);
  if (rc != SQLITE_OK) {
    count_error(w, &err);
    return;
  }
  w->tally.lent++;
  now = ++lent_now;
  while (now > lent_most)
    lent_most = now;
  use(w, conn);
  lent_now--;
  fed_pool_put(conn);
}

static void *work(void *arg)
{
  struct worker *w = arg;

  while (borrows_left-- > 0)
    borrow(w);
  return NULL;
}

static void exec_own(struct worker *w, struct fed_conn *conn, const char *verb)
{
  struct fed_wait wait = {.deadline = FED_WAIT_FOREVER};
  struct fed_err err = FED_ERR_INIT;
  char sql[40];

  snprintf(sql, sizeof sql, "%s%ld", verb, w->id);
  fed_conn_exec(conn, sql, &wait, &err);
}

static void use_fake(struct worker *w, struct fed_conn *conn)
{
  exec_own(w, conn, "+");
  if (chance(&w->seed, 7)) sched_yield();
  if (chance(&w->seed, 50)) nap(50);
  if (chance(&w->seed, 10)) exec_own(w, conn, "set");
  if (chance(&w->seed, 10)) conn->dirty = true;
  if (chance(&w->seed, 100)) conn->unsettled = true;
  if (chance(&w->seed, 200)) conn->broken = true;
  exec_own(w, conn, "-");
}

#if defined FED_WITH_SQLITE || defined FED_WITH_PG
/* A statement that is kept for the next borrower; random neglect. */
static void use_sql(struct worker *w, struct fed_conn *conn)
{
  struct fed_wait wait = {.deadline = FED_WAIT_FOREVER};
  struct fed_err err = FED_ERR_INIT;
  struct fed_begin opts = {.read_only = false};
  struct fed_stmt *stmt;

  if (chance(&w->seed, 10)) fed_conn_begin(conn, &opts, &wait, &err);
  if (fed_stmt_get(conn, "SELECT 1", NULL, 0, false, &stmt, &wait, &err) ==
      SQLITE_OK) {
    if (fed_stmt_execute(stmt, NULL, 0, &wait, &err) == SQLITE_OK)
      while (fed_stmt_step(stmt, &wait, &err) == SQLITE_ROW)
        continue;
    fed_stmt_put(stmt, true, &wait);
  }
  if (chance(&w->seed, 100)) conn->broken = true;
}
#endif

static void start(struct worker *w, uint64_t seed, long borrows)
{
  memset(w, 0, THREADS * sizeof *w);
  borrows_left = borrows;
  lent_most = 0;
  for (int i = 0; i < THREADS; i++) {
    w[i].id = i + 1;
    w[i].seed = seed * 1000 + (uint64_t)i + 1;
    pthread_create(&w[i].thread, NULL, work, &w[i]);
  }
}

static struct tally finish(struct worker *w, const char *what)
{
  struct tally sum = {.lent = 0};

  for (int i = 0; i < THREADS; i++) {
    pthread_join(w[i].thread, NULL);
    sum.lent += w[i].tally.lent;
    sum.refused += w[i].tally.refused;
    sum.busy += w[i].tally.busy;
    sum.interrupted += w[i].tally.interrupted;
    sum.other += w[i].tally.other;
    if (w[i].tally.other) printf("%s: %s\n", what, w[i].message);
  }
  printf("%s: %ld lent, %ld refused, %ld busy, %ld interrupted\n", what,
         sum.lent, sum.refused, sum.busy, sum.interrupted);
  return sum;
}

static bool row_of(const char *name, struct fed_pool_row *out)
{
  struct fed_err err = FED_ERR_INIT;
  struct fed_pool_row *rows;
  bool found = false;
  int n;

  if (fed_pool_list(&rows, &n, &err) != SQLITE_OK) return false;
  for (int i = 0; i < n && !found; i++)
    if (strcmp(rows[i].server, name) == 0 && !rows[i].draining) {
      *out = rows[i];
      found = true;
    }
  fed_free(rows);
  return found;
}

static bool define(const char *name, const char *url, const char *option)
{
  const char *options[] = {"pool_max=4", "validate_after=0",
                           "acquire_timeout=60s", option};
  struct fed_err err = FED_ERR_INIT;
  int rc = fed_server_define(name, url, options, option ? 4 : 3, &err);

  return check(rc == SQLITE_OK, "define %s: %s", name, err.msg);
}

/* ---- the fake server: everything at once -------------------------------- */

static void *kill_fakes(void *arg)
{
  uint64_t *seed = arg;

  while (!stop) {
    pthread_mutex_lock(&fake.lock);
    for (int i = 0; i < FAKE_SLOTS; i++)
      if (fake.conn[i] && chance(seed, 4)) fake.conn[i]->killed = true;
    pthread_mutex_unlock(&fake.lock);
    nap(2000);
  }
  return NULL;
}

/* The child: the parent's connection is taboo, everything else starts anew. */
static int child(const char *name, struct fed_conn *held, long borrows)
{
  struct worker me = {.id = 99, .seed = 99};
  struct fed_pool_row row;

  if (!fed_pool_inherited(held)) return 2;
  fed_pool_put(held);
  if (!row_of(name, &row) || row.opening + row.idle + row.busy) return 3;
  for (long i = 0; i < borrows; i++)
    borrow(&me);
  if (me.tally.lent < borrows / 2 || me.tally.other) return 4;
  if (fake_wrong) return 5;
  if (!row_of(name, &row) || row.busy || row.idle > LIMIT) return 6;
  fed_pool_trim(NULL);
  return 0;
}

static struct fed_conn *hold(const char *name)
{
  struct fed_wait wait = {.deadline = FED_WAIT_FOREVER};
  struct fed_server *server = NULL;
  struct fed_conn *conn = NULL;

  for (int i = 0; i < 1000 && !conn; i++) {
    struct fed_err err = FED_ERR_INIT;

    if (fed_server_find(name, &server, &err) == SQLITE_OK)
      fed_pool_get(server, &wait, &conn, &err);
    fed_server_unref(server);
  }
  return conn;
}

/* fork() while everything runs, one connection lent to this thread. */
static void fork_now(const char *name, long borrows)
{
  struct fed_conn *conn = hold(name);
  int status = -1;
  pid_t pid;

  if (!check(conn != NULL, "no connection to hold over fork()")) return;
  lent_now++;
  fflush(stdout);
  pid = fork();
  if (pid == 0) {
    alarm(60);
    _exit(child(name, conn, borrows));
  }
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
    continue;
  check(WIFEXITED(status) && WEXITSTATUS(status) == 0,
        "the child failed: status %x", (unsigned)status);
  check(!fed_pool_inherited(conn), "the parent lost its connection");
  lent_now--;
  fed_pool_put(conn);
}

static void check_rest(const char *what, const struct tally *sum,
                       long more_lent)
{
  struct fed_pool_row row;

  check(sum->other == 0, "%s: %ld errors not foreseen", what, sum->other);
  check(lent_most <= LIMIT, "%s: %d lent at a time", what, lent_most);
  if (!check(row_of(server_name, &row), "%s: no row in fed_pool", what)) return;
  check(row.busy + row.opening + row.closing + row.waiting == 0,
        "%s: not all came back", what);
  check(row.idle <= LIMIT, "%s: %lld idle", what, (long long)row.idle);
  check(row.opened_total - row.closed_total == row.idle,
        "%s: %lld opened, %lld closed, %lld idle", what,
        (long long)row.opened_total, (long long)row.closed_total,
        (long long)row.idle);
  check(row.lent_total == sum->lent + more_lent, "%s: lent %lld, not %ld", what,
        (long long)row.lent_total, sum->lent + more_lent);
  printf("%s: opened %lld, reset %lld, broken %lld, waits %lld (%lld ms, "
         "longest %lld ms)\n",
         what, (long long)row.opened_total, (long long)row.reset_total,
         (long long)row.broken_total, (long long)row.wait_total,
         (long long)row.wait_ms, (long long)row.wait_ms_max);
}

static void test_fake(uint64_t seed)
{
  struct worker workers[THREADS];
  pthread_t killer;
  struct fed_pool_row row;
  struct tally sum;
  uint64_t own = seed + 2;

  server_name = "fake";
  use = use_fake;
  fake.seed = seed + 1;
  fake_slow = 100;
  if (!define("fake", "fake://host/db", NULL)) return;
  start(workers, seed, BORROWS);
  pthread_create(&killer, NULL, kill_fakes, &own);
  while (borrows_left > BORROWS / 2)
    nap(1000);
  fork_now("fake", 200);
  sum = finish(workers, "fake");
  stop = true;
  pthread_join(killer, NULL);
  stop = false;
  check_rest("fake", &sum, 1);
  check(fake_open_most <= LIMIT, "%d open at a time", fake_open_most);
  check(fake_wrong == 0, "%ld times lent twice, unclean or not ours",
        fake_wrong);
  if (row_of("fake", &row)) {
    check(row.opened_total == fake_opened && row.closed_total == fake_closed,
          "the pool and the driver count differently");
    check(row.reset_total <= fake_resets, "resets");
    check(row.idle == fake_open_now, "%d open, %lld idle", fake_open_now,
          (long long)row.idle);
  }
  check(fed_pool_shutdown() == 0, "shutdown found lent connections");
  check(fake_open_now == 0, "%d connections leaked", fake_open_now);
}

/* ---- redefinition while it is in use ------------------------------------ */

static void *redefine(void *arg)
{
  uint64_t *seed = arg;
  char option[40];

  while (!stop) {
    const char *options[] = {option, "replace", "pool_max=4"};
    struct fed_err err = FED_ERR_INIT;

    snprintf(option, sizeof option, "idle_timeout=%dms",
             (int)(rnd(seed) % 900 + 1));
    if (chance(seed, 40)) fed_server_drop("churn", &err);
    fed_err_clear(&err);
    if (fed_server_define("churn", "fake://host/churn", options, 3, &err))
      printf("churn: %s\n", err.msg);
    nap(300);
  }
  return NULL;
}

static void test_churn(uint64_t seed)
{
  struct worker workers[THREADS];
  pthread_t other;
  uint64_t own = seed + 3;

  server_name = "churn";
  fake_slow = 50;
  if (!define("churn", "fake://host/churn", NULL)) return;
  pthread_create(&other, NULL, redefine, &own);
  start(workers, seed, BORROWS / 5);
  finish(workers, "churn");
  stop = true;
  pthread_join(other, NULL);
  stop = false;
  check(fake_wrong == 0, "churn: %ld wrong uses", fake_wrong);
  check(fed_pool_shutdown() == 0, "churn: lent connections are left");
  check(fake_open_now == 0, "churn: %d connections leaked", fake_open_now);
}

/* ---- a server that is down ---------------------------------------------- */

/* 16 threads, 4 places, 200 ms for a refusal: those in the queue share it. */
static void test_down(uint64_t seed)
{
  struct worker workers[THREADS];
  int64_t began = fed_clock_ms();
  struct tally sum;
  long refused = fake_refused;

  server_name = "down";
  fake_slow = 200 * 1000;
  fake_down = true;
  if (!define("down", "fake://host/down", NULL)) return;
  start(workers, seed, THREADS);
  sum = finish(workers, "down");
  fake_down = false;
  fake_slow = 0;
  check(sum.lent == 0, "lent a connection to a server that is down");
  /* Told one by one, each would have tried for itself. */
  check(fake_refused - refused < THREADS, "the outage was told one by one");
  printf("down: %ld attempts in %lld ms\n", fake_refused - refused,
         (long long)(fed_clock_ms() - began));
  check(fed_pool_shutdown() == 0, "down: shutdown");
}

/* ---- real drivers ------------------------------------------------------- */

static void test_sqlite(uint64_t seed)
{
#ifdef FED_WITH_SQLITE
  struct worker workers[THREADS];
  char url[] = "sqlite:/tmp/pool_stress_XXXXXX";
  struct tally sum;
  int fd = mkstemp(strchr(url, '/'));

  if (fd >= 0) close(fd);
  server_name = "lite";
  use = use_sql;
  if (!define("lite", url, NULL)) return;
  start(workers, seed, BORROWS / 10);
  sum = finish(workers, "sqlite");
  check_rest("sqlite", &sum, 0);
  check(fed_pool_shutdown() == 0, "sqlite: shutdown");
  unlink(strchr(url, '/'));
#else
  (void)seed;
  skipped++;
#endif
}

#ifdef FED_WITH_PG
/* pg_terminate_backend, through a server of its own. */
/* What runs can be watched from any thread. */
static void watch(void)
{
  struct fed_progress_row *rows = NULL;
  struct fed_err err = FED_ERR_INIT;
  int n = 0;

  check(fed_progress_list(&rows, &n, &err) == SQLITE_OK, "no progress");
  for (int i = 0; i < n; i++)
    check(rows[i].rows >= 0 && strncmp(rows[i].sql, "SELECT", 6) == 0,
          "progress shows '%s'", rows[i].sql);
  fed_free(rows);
}

static void *kill_backends(void *arg)
{
  static const char sql[] =
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
    "WHERE application_name = 'pool_stress' ORDER BY random() LIMIT 1";
  atomic_long *kills = arg;
  struct fed_wait wait = {.deadline = FED_WAIT_FOREVER};

  while (!stop) {
    struct fed_conn *conn = hold("killer");
    struct fed_err err = FED_ERR_INIT;
    struct fed_stmt *stmt = NULL;

    if (!conn) break;
    if (fed_stmt_get(conn, sql, NULL, 0, false, &stmt, &wait, &err) ==
          SQLITE_OK &&
        fed_stmt_execute(stmt, NULL, 0, &wait, &err) == SQLITE_OK)
      while (fed_stmt_step(stmt, &wait, &err) == SQLITE_ROW)
        ++*kills;
    watch();
    fed_stmt_put(stmt, true, &wait);
    fed_pool_put(conn);
    nap(20000);
  }
  return NULL;
}
#endif

static void test_pg(uint64_t seed)
{
  const char *url = getenv("FED_TEST_PG_URL");
#ifdef FED_WITH_PG
  struct worker workers[THREADS];
  atomic_long kills = 0;
  pthread_t killer;
  struct tally sum;

  if (!url) {
    skipped++;
    return;
  }
  server_name = "pg";
  use = use_sql;
  if (!define("pg", url, "application_name=pool_stress") ||
      !define("killer", url, NULL))
    return;
  start(workers, seed, BORROWS / 10);
  pthread_create(&killer, NULL, kill_backends, &kills);
  while (borrows_left > BORROWS / 20)
    nap(1000);
  fork_now("pg", 50);
  sum = finish(workers, "pg");
  stop = true;
  pthread_join(killer, NULL);
  stop = false;
  printf("pg: %ld backends killed\n", (long)kills);
  check_rest("pg", &sum, 1);
  check(fed_pool_shutdown() == 0, "pg: shutdown");
#else
  (void)url, (void)seed;
  skipped++;
#endif
}

int main(int argc, char **argv)
{
  uint64_t seed = (uint64_t)time(NULL);

  /* fork() may happen while another thread is in malloc; the C library sees
   * to its own lock then, SQLite not to the one of its statistics. */
  sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
  setenv("DBFED_CONFIG", "", 1);
  if (argc > 1) seed = strtoull(argv[1], NULL, 10);
  printf("seed %llu\n", (unsigned long long)seed);
  fflush(stdout);
  alarm(600);
  test_fake(seed | 1);
  test_churn(seed | 1);
  test_down(seed | 1);
  test_sqlite(seed | 1);
  test_pg(seed | 1);
  printf("%d passed, %d failed, %d skipped\n", passed, failed, skipped);
  return failed > 0;
}
