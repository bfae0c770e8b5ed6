/*
 * bench.h: what the benchmarks share. Each program, bench/NAME.c, compares
 * dbfed with a plain loop over that server's client library that does the same
 * work: the same rows, the same columns, each value looked at once.
 *
 *     bench/NAME EXT URL [memory]
 *
 * EXT is the extension as users load it. The two sides take turns (A B A B),
 * so that a slow moment of the machine hits both; the median of the rounds
 * counts. Both must have seen the same values, or it is an error. With
 * `memory`, what a whole scan adds to the process's peak instead.
 *
 * Table `bench`, made by bench/run.sh: id bigint primary key, n int, x double,
 * t text. ROWS, LOOKUPS and ROUNDS in the environment say how much.
 */
#ifndef FED_BENCH_H
#define FED_BENCH_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BENCH_ROUNDS_MAX 99

/* What was read: the same on both sides, whatever the order of the rows. */
struct bench_sum {
  int64_t rows, integers, bytes;
  double reals;
};

/* The plain loop: one file each. They may exit on errors. */
void plain_open(const char *url);
void plain_count(struct bench_sum *sum);
void plain_scan(struct bench_sum *sum);
void plain_lookup(const int64_t *key, int n, struct bench_sum *sum);
const char *plain_version(void);

static inline void bench_add(struct bench_sum *sum, int64_t id, int64_t n,
                             double x, const char *t, int size)
{
  /* Touch the text, as whoever uses it would. */
  sum->rows++;
  sum->integers += id + n;
  sum->reals += x;
  sum->bytes += size ? size + t[size - 1] : 0;
}

static inline _Noreturn void bench_die(const char *what, const char *why)
{
  fprintf(stderr, "bench: %s: %s\n", what, why);
  exit(1);
}

static int bench_setting(const char *name, int value)
{
  const char *text = getenv(name);

  return text && atoi(text) > 0 ? atoi(text) : value;
}

/* Seconds, by the wall or of this process's CPU time. */
struct bench_time {
  double wall, cpu;
};

static double bench_clock(clockid_t clock)
{
  struct timespec t;

  clock_gettime(clock, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static struct bench_time bench_since(struct bench_time start)
{
  return (struct bench_time){
    bench_clock(CLOCK_MONOTONIC) - start.wall,
    bench_clock(CLOCK_PROCESS_CPUTIME_ID) - start.cpu,
  };
}

/* ---- dbfed --------------------------------------------------------------- */

static sqlite3 *bench_db;

static sqlite3_stmt *bench_prepare(const char *sql)
{
  sqlite3_stmt *stmt;

  if (sqlite3_prepare_v2(bench_db, sql, -1, &stmt, NULL))
    bench_die("dbfed", sqlite3_errmsg(bench_db));
  return stmt;
}

static bool bench_step(sqlite3_stmt *stmt)
{
  int rc = sqlite3_step(stmt);

  if (rc != SQLITE_ROW && rc != SQLITE_DONE)
    bench_die("dbfed", sqlite3_errmsg(bench_db));
  return rc == SQLITE_ROW;
}

static void bench_open(const char *ext, const char *url)
{
  sqlite3_stmt *stmt;
  char *message = NULL;

  sqlite3_open(":memory:", &bench_db);
  sqlite3_enable_load_extension(bench_db, 1);
  if (sqlite3_load_extension(bench_db, ext, NULL, &message))
    bench_die(ext, message);
  stmt = bench_prepare("SELECT fed_server('s', ?), fed_attach('s')");
  sqlite3_bind_text(stmt, 1, url, -1, SQLITE_STATIC);
  bench_step(stmt);
  sqlite3_finalize(stmt);
}

static void bench_row(sqlite3_stmt *stmt, struct bench_sum *sum)
{
  const char *t = (const char *)sqlite3_column_text(stmt, 3);

  bench_add(sum, sqlite3_column_int64(stmt, 0), sqlite3_column_int64(stmt, 1),
            sqlite3_column_double(stmt, 2), t, sqlite3_column_bytes(stmt, 3));
}

static void bench_count(struct bench_sum *sum)
{
  sqlite3_stmt *stmt = bench_prepare("SELECT count(*) FROM s.bench");

  bench_step(stmt);
  sum->rows = sqlite3_column_int64(stmt, 0);
  sqlite3_finalize(stmt);
}

static void bench_scan(struct bench_sum *sum)
{
  sqlite3_stmt *stmt = bench_prepare("SELECT id, n, x, t FROM s.bench");

  while (bench_step(stmt))
    bench_row(stmt, sum);
  sqlite3_finalize(stmt);
}

static void bench_lookup(const int64_t *key, int n, struct bench_sum *sum)
{
  sqlite3_stmt *stmt =
    bench_prepare("SELECT id, n, x, t FROM s.bench WHERE id = ?");

  for (int i = 0; i < n; i++) {
    sqlite3_bind_int64(stmt, 1, key[i]);
    while (bench_step(stmt))
      bench_row(stmt, sum);
    sqlite3_reset(stmt);
  }
  sqlite3_finalize(stmt);
}

/* ---- rounds -------------------------------------------------------------- */

enum bench_work { BENCH_COUNT, BENCH_SCAN, BENCH_LOOKUP };

/* Run one side once. */
static struct bench_time bench_run(enum bench_work work, bool plain,
                                   const int64_t *key, int nkey,
                                   struct bench_sum *sum)
{
  struct bench_time start = bench_since((struct bench_time){0, 0});

  memset(sum, 0, sizeof *sum);
  switch (work) {
  case BENCH_COUNT:
    plain ? plain_count(sum) : bench_count(sum);
    break;
  case BENCH_SCAN:
    plain ? plain_scan(sum) : bench_scan(sum);
    break;
  case BENCH_LOOKUP:
    plain ? plain_lookup(key, nkey, sum) : bench_lookup(key, nkey, sum);
    break;
  }
  return bench_since(start);
}

static int bench_compare(const void *a, const void *b)
{
  const double *x = a, *y = b;

  return (*x > *y) - (*x < *y);
}

static double bench_median(const double *seconds, int n)
{
  double sorted[BENCH_ROUNDS_MAX];

  memcpy(sorted, seconds, (size_t)n * sizeof *sorted);
  qsort(sorted, (size_t)n, sizeof *sorted, bench_compare);
  return n % 2 ? sorted[n / 2] : (sorted[n / 2 - 1] + sorted[n / 2]) / 2;
}

/* Things per second in a width of 10: "1.23 M", "45.6 k". */
static void bench_rate(double rate)
{
  if (rate >= 1e6)
    printf("%8.2f M", rate / 1e6);
  else if (rate >= 1e3)
    printf("%8.1f k", rate / 1e3);
  else
    printf("%8.1f  ", rate);
}

/* One side's rounds. */
struct bench_side {
  int n;
  double wall[BENCH_ROUNDS_MAX], cpu[BENCH_ROUNDS_MAX];
};

static void bench_note(struct bench_side *side, struct bench_time time)
{
  side->wall[side->n] = time.wall;
  side->cpu[side->n++] = time.cpu;
}

static void bench_report(enum bench_work work, const struct bench_side *dbfed,
                         const struct bench_side *plain, double things)
{
  static const char *const name[] = {"count(*)", "scan, rows",
                                     "lookups by key"};
  int n = dbfed->n;
  double a = bench_median(dbfed->wall, n), b = bench_median(plain->wall, n);

  printf("%-18s %-15s", work == BENCH_COUNT ? plain_version() : "", name[work]);
  bench_rate(things / a);
  bench_rate(things / b);
  printf("%12.2f", b / a);
  /* Where the plain side hardly computes there is nothing to compare. */
  a = bench_median(dbfed->cpu, n);
  b = bench_median(plain->cpu, n);
  if (b < 1e-3)
    printf("%12s\n", "-");
  else
    printf("%12.2f\n", b / a);
  fflush(stdout);
}

static void bench_work(enum bench_work work, const int64_t *key, int nkey)
{
  int rounds = bench_setting("ROUNDS", 5);
  struct bench_side dbfed = {0}, plain = {0};
  struct bench_sum a, b;

  if (rounds > BENCH_ROUNDS_MAX) rounds = BENCH_ROUNDS_MAX;
  /* One round that does not count: caches, connections, statements. */
  bench_run(work, false, key, nkey, &a);
  bench_run(work, true, key, nkey, &b);
  for (int i = 0; i < rounds; i++) {
    bench_note(&dbfed, bench_run(work, false, key, nkey, &a));
    bench_note(&plain, bench_run(work, true, key, nkey, &b));
    if (a.rows != b.rows || a.integers != b.integers || a.bytes != b.bytes ||
        a.reals < b.reals - 1e-3 || a.reals > b.reals + 1e-3)
      bench_die("the two sides", "did not read the same values");
  }
  bench_report(work, &dbfed, &plain, work == BENCH_COUNT ? 1 : (double)a.rows);
}

/* ---- memory -------------------------------------------------------------- */

/* The process's peak in kB, or 0 where /proc does not tell. */
static long bench_peak(void)
{
  char line[256];
  long kb = 0;
  FILE *in = fopen("/proc/self/status", "r");

  while (in && fgets(line, sizeof line, in))
    if (sscanf(line, "VmHWM: %ld", &kb) == 1) break;
  if (in) fclose(in);
  return kb;
}

/* Idle: loaded, attached, one row read. */
static void bench_memory(void)
{
  struct bench_sum sum = {0};
  int64_t key = 1;
  long idle;

  bench_lookup(&key, 1, &sum);
  idle = bench_peak();
  bench_scan(&sum);
  printf("%-18s %-15s%7.1f MB above %.1f MB idle\n", "", "scan, memory",
         (double)(bench_peak() - idle) / 1024, (double)idle / 1024);
}

int main(int argc, char **argv)
{
  int nkey = bench_setting("LOOKUPS", 20000);
  int rows = bench_setting("ROWS", 1000000);
  int64_t *key = malloc((size_t)nkey * sizeof *key);

  if (argc < 3 || !key) bench_die("usage", "bench/NAME EXT URL [memory]");
  for (int i = 0; i < nkey; i++)
    key[i] = 1 + (int64_t)((uint64_t)i * 2654435761u % (uint64_t)rows);
  bench_open(argv[1], argv[2]);
  if (argc > 3) {
    bench_memory();
  } else {
    plain_open(argv[2]);
    bench_work(BENCH_COUNT, key, nkey);
    bench_work(BENCH_SCAN, key, nkey);
    bench_work(BENCH_LOOKUP, key, nkey);
  }
  free(key);
  sqlite3_close(bench_db);
  return 0;
}

#endif
