/* contest: several ways of doing the same work take turns. */
#include <math.h>
#include <stdarg.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bench/bench.h"

/* A peer that needs so many seconds does it once only. */
#define CONTEST_SLOW 2.0

/* Short work is repeated for so long. */
#define CONTEST_SECONDS 3.0

_Noreturn void bench_die(const char *what, const char *why)
{
  fflush(stdout);
  fprintf(stderr, "bench: %s: %s\n", what, why);
  exit(1);
}

int bench_setting(const char *name, int value)
{
  const char *text = getenv(name);

  return text && atoi(text) > 0 ? atoi(text) : value;
}

static double contest_clock(clockid_t clock)
{
  struct timespec t;

  clock_gettime(clock, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

double bench_now(void)
{
  return contest_clock(CLOCK_MONOTONIC);
}

double bench_cpu(void)
{
  return contest_clock(CLOCK_PROCESS_CPUTIME_ID);
}

static int contest_compare(const void *a, const void *b)
{
  const double *x = a, *y = b;

  return (*x > *y) - (*x < *y);
}

double bench_median(const double *value, int n)
{
  double sorted[BENCH_ROUNDS_MAX];

  memcpy(sorted, value, (size_t)n * sizeof *sorted);
  qsort(sorted, (size_t)n, sizeof *sorted, contest_compare);
  return n % 2 ? sorted[n / 2] : (sorted[n / 2 - 1] + sorted[n / 2]) / 2;
}

char *bench_format(const char *format, ...)
{
  va_list args;
  char *text;

  va_start(args, format);
  text = sqlite3_vmprintf(format, args);
  va_end(args);
  if (!text) bench_die("memory", "no more");
  return text;
}

long bench_peak(void)
{
  char line[256];
  long kb = 0;
  FILE *in = fopen("/proc/self/status", "r");

  while (in && fgets(line, sizeof line, in))
    if (sscanf(line, "VmHWM: %ld", &kb) == 1) break;
  if (in) fclose(in);
  return kb;
}

void bench_apart(void (*run)(void *), void *arg)
{
  pid_t pid;
  int status = 0;

  fflush(stdout);
  pid = fork();
  if (pid < 0) bench_die("fork", "failed");
  if (pid == 0) {
    run(arg);
    exit(0);
  }
  if (waitpid(pid, &status, 0) != pid || status)
    bench_die("memory", "the process failed");
}

int64_t *bench_keys(int n, int rows)
{
  int64_t *key = calloc((size_t)n, sizeof *key);

  if (!key) bench_die("memory", "no more");
  for (int i = 0; i < n; i++)
    key[i] = 1 + (int64_t)((uint64_t)i * 2654435761u % (uint64_t)rows);
  return key;
}

/* ---- running ------------------------------------------------------------- */

struct entry *contest_add(struct contest *c, const char *name,
                          struct client *client, enum bench_work work,
                          const char *sql)
{
  struct entry *e;

  if (c->n == (int)(sizeof c->entry / sizeof *c->entry))
    bench_die(c->title, "too many entries");
  e = &c->entry[c->n++];
  e->name = name;
  e->client = client;
  e->work = work;
  e->sql = sql;
  return e;
}

static void contest_write(struct entry *e)
{
  const struct client_ops *ops = e->client->ops;
  sqlite3_stmt *from = host_prepare(e->from->conn, e->from_sql);

  ops->exec(e->client, "BEGIN");
  ops->write(e->client, e->sql, e->from_cols, from, e->batch);
  sqlite3_finalize(from);
  ops->exec(e->client, "COMMIT");
}

static void contest_work(const struct contest *c, struct entry *e)
{
  const struct client_ops *ops = e->client->ops;
  const int64_t *key = c->key;
  int nkey = e->nkey ? e->nkey : c->nkey;
  struct bench_sum keys = {.key = c->key};

  if (e->from && e->work == BENCH_BATCHES) {
    e->from->ops->scan(e->from, e->from_sql, "i", &keys);
    nkey = (int)keys.rows;
  }
  switch (e->work) {
  case BENCH_FIRST:
    e->sum.first_only = true;
    ops->scan(e->client, e->sql, c->cols, &e->sum);
    break;
  case BENCH_SCAN:
    ops->scan(e->client, e->sql, c->cols, &e->sum);
    break;
  case BENCH_SUMS:
    ops->scan(e->client, e->sql, c->sums, &e->sum);
    break;
  case BENCH_LOOKUP:
    ops->lookup(e->client, e->sql, c->cols, key, nkey, &e->sum);
    break;
  case BENCH_BATCHES:
    ops->batches(e->client, e->sql, c->cols, key, nkey, e->batch, &e->sum);
    break;
  case BENCH_EXEC:
    ops->exec(e->client, e->sql);
    break;
  case BENCH_WRITE:
    contest_write(e);
    break;
  }
}

static void contest_time(const struct contest *c, struct entry *e)
{
  double wall, cpu;

  for (int i = 0; c->fresh && c->fresh[i]; i++)
    c->owner->ops->exec(c->owner, c->fresh[i]);
  memset(&e->sum, 0, sizeof e->sum);
  wall = bench_now();
  cpu = bench_cpu();
  contest_work(c, e);
  if (e->work == BENCH_FIRST)
    e->wall[e->n] = e->sum.first - wall;
  else
    e->wall[e->n] = bench_now() - wall;
  e->cpu[e->n++] = bench_cpu() - cpu;
  if (c->check) c->owner->ops->scan(c->owner, c->check, c->cols, &e->sum);
}

/* Rows, integers and lengths together. */
static int64_t contest_total(const struct entry *e)
{
  const struct bench_sum *sum = &e->sum;

  return e->work == BENCH_SUMS ? sum->integers
                               : sum->rows + sum->integers + sum->bytes;
}

/* Peers have types of their own: only their rows are counted. */
static void contest_check(const struct contest *c, const struct entry *e)
{
  const struct entry *first = &c->entry[0];
  bool rows = e->work == BENCH_SUMS || first->work == BENCH_SUMS ||
              first->sum.rows == e->sum.rows;
  bool same =
    contest_total(first) == contest_total(e) &&
    fabs(first->sum.reals - e->sum.reals) <= 1e-9 * fabs(e->sum.reals);

  if (e->nkey || e->work == BENCH_FIRST ||
      (rows && ((e->peer && e->client != first->client) || same)))
    return;
  bench_die(c->title, bench_format(
                        "%s has other values than dbfed: rows %lld %lld, "
                        "total %lld %lld, reals %.17g %.17g",
                        e->name, e->sum.rows, first->sum.rows, contest_total(e),
                        contest_total(first), e->sum.reals, first->sum.reals));
}

void contest_tune(struct contest *c, int i, const int *batch, int nbatch)
{
  struct entry *e = &c->entry[i];
  double best = INFINITY;
  int chosen = batch[0];

  for (int b = 0; b < nbatch; b++) {
    e->batch = batch[b];
    for (int again = 0; again < 2; again++) {
      contest_time(c, e);
      if (e->wall[--e->n] >= best) continue;
      best = e->wall[e->n];
      chosen = batch[b];
    }
  }
  e->batch = chosen;
}

/* ---- printing ------------------------------------------------------------ */

/* Things per second in a width of 10: "1.23 M", "45.6 k". */
static void contest_rate(double rate)
{
  if (rate >= 1e6)
    printf("%8.2f M", rate / 1e6);
  else if (rate >= 1e3)
    printf("%8.1f k", rate / 1e3);
  else
    printf("%8.1f  ", rate);
}

/* dbfed's time or rate against that of another. */
static double contest_ratio(const struct contest *c, double dbfed, double other)
{
  switch (c->goal) {
  case BENCH_RATE:
    return other / dbfed;
  case BENCH_TIME:
    return dbfed / other;
  case BENCH_EXTRA_MS:
    return (dbfed - other) * 1e3;
  }
  return 0;
}

/* What one thing costs, so that entries with fewer keys compare. */
static double contest_each(const struct contest *c, const struct entry *e,
                           const double *seconds)
{
  int n = e->nkey ? e->nkey : e->work == BENCH_LOOKUP ? c->nkey : 1;

  return bench_median(seconds, e->n) / n;
}

static void contest_entry(const struct contest *c, const struct entry *e)
{
  double wall = contest_each(c, e, e->wall), cpu = contest_each(c, e, e->cpu);
  double things = c->things                 ? c->things
                  : e->work == BENCH_LOOKUP ? 1
                  : e->work == BENCH_SUMS   ? (double)c->entry[1].sum.rows
                                            : (double)e->sum.rows;
  const struct entry *dbfed = &c->entry[0];
  char name[64];

  if (e->batch > 1)
    snprintf(name, sizeof name, "%s, %d", e->name, e->batch);
  else
    snprintf(name, sizeof name, "%s", e->name);
  printf("  %-46s%10.2f", name, bench_median(e->wall, e->n) * 1e3);
  contest_rate(things / wall);
  if (e == dbfed) {
    printf("\n");
    return;
  }
  printf("%9.2f", contest_ratio(c, contest_each(c, dbfed, dbfed->wall), wall));
  if (c->goal == BENCH_EXTRA_MS || cpu * things < 1e-9)
    printf("%9s\n", "-");
  else
    printf("%9.2f\n",
           contest_ratio(c, contest_each(c, dbfed, dbfed->cpu), cpu));
}

static void contest_summary(const struct contest *c)
{
  const struct entry *dbfed = &c->entry[0];
  double best = INFINITY, ratio;

  for (int i = 1; i < c->n; i++) {
    double each = contest_each(c, &c->entry[i], c->entry[i].wall);

    if (!c->entry[i].peer && each < best) best = each;
  }
  if (best == INFINITY || c->limit == 0) return;
  ratio = contest_ratio(c, contest_each(c, dbfed, dbfed->wall), best);
  switch (c->goal) {
  case BENCH_RATE:
    printf("  = %.2f of the best bare rate (goal: %.2f or more)\n", ratio,
           c->limit);
    break;
  case BENCH_TIME:
    printf("  = %.2f times the best bare time (goal: %.2f or less)\n", ratio,
           c->limit);
    break;
  case BENCH_EXTRA_MS:
    printf("  = %.2f ms above the best (goal: %.2f or less)\n", ratio,
           c->limit);
    break;
  }
}

static void contest_print(const struct contest *c)
{
  static const char *const ratio[] = {
    [BENCH_RATE] = "rate of",
    [BENCH_TIME] = "time of",
    [BENCH_EXTRA_MS] = "ms more",
  };

  printf("\n%-48s%10s%10s%9s%9s\n", c->title, "ms", "per s", ratio[c->goal],
         "in CPU");
  for (int i = 0; i < c->n; i++)
    contest_entry(c, &c->entry[i]);
  contest_summary(c);
  fflush(stdout);
}

void contest_run(struct contest *c)
{
  int rounds = bench_setting("ROUNDS", 5);
  int64_t before = 0;
  double start = bench_now();

  /* Rounds below 0 do not count: caches, connections, statements. */
  for (int r = -(c->warm ? c->warm : 1); r < BENCH_ROUNDS_MAX; r++) {
    if (r >= rounds && bench_now() > start + CONTEST_SECONDS) break;
    for (int i = 0; i < c->n; i++) {
      struct entry *e = &c->entry[i];

      if (i == 0 && c->fed)
        before = host_integer(c->fed, "SELECT max(id) FROM fed_log");
      if (e->peer && e->n && e->wall[0] > CONTEST_SLOW) continue;
      contest_time(c, e);
      if (i == 0 && c->fed)
        before = host_integer(c->fed, "SELECT max(id) FROM fed_log") - before;
      contest_check(c, e);
      if (r < 0 && !(e->peer && e->wall[0] > CONTEST_SLOW)) e->n = 0;
    }
  }
  contest_print(c);
  if (c->fed) printf("  = %lld remote statements\n", (long long)before);
}
