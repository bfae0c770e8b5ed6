/*
 * tpch: TPC-H's queries over a local file and over remote tables, in turns.
 *
 *     bench EXT tpch TITLE FILE QUERIES SCALE URL GLOB [URL GLOB ...]
 *
 * The tables of URL whose names match GLOB take part. Both sides must give the
 * same answer, in the same order; floats may differ by their last digits, as
 * they are summed in another order. TIMEOUT (seconds, 60) ends a query. In the
 * environment QUERY='3 5' chooses queries, EXPLAIN=1 prints both
 * plans and the statements that were sent.
 */
#include <math.h>
#include <signal.h>
#include <sys/time.h>

#include "bench/bench.h"

#define TPCH_QUERIES 22

/* A query as slow as this is run once only. */
#define TPCH_SLOW 5.0

/* Faster ones do not count. */
#define TPCH_COUNTS 0.05

struct tpch_answer {
  int ncol, nrow, size;
  sqlite3_value **value;
};

struct tpch_side {
  sqlite3 *db;
  int n;
  double wall[BENCH_ROUNDS_MAX], cpu[BENCH_ROUNDS_MAX];
  int rc;
  char *error;
  struct tpch_answer answer;
};

struct tpch {
  char *query[TPCH_QUERIES + 1];
  double scale;
  struct tpch_side local, fed;
  int ngood, nbad; /* within twice the time; wrong or failed */
  /* The worst ratio, and its query: of all that count, and of those that take
   * long locally, too. */
  double worst[2];
  int worst_query[2];
};

/* ---- a time limit -------------------------------------------------------- */

static sqlite3 *volatile tpch_running;

static void tpch_alarm(int sig)
{
  (void)sig;
  if (tpch_running) sqlite3_interrupt(tpch_running);
}

/* Again each second: an interrupt between two steps is lost. */
static void tpch_limit(sqlite3 *db, int seconds)
{
  struct itimerval timer = {
    {seconds ? 1 : 0, 0},
    {seconds,         0}
  };

  tpch_running = db;
  signal(SIGALRM, tpch_alarm);
  setitimer(ITIMER_REAL, &timer, NULL);
}

/* ---- answers ------------------------------------------------------------- */

static void tpch_forget(struct tpch_answer *a)
{
  for (int i = 0; i < a->nrow * a->ncol; i++)
    sqlite3_value_free(a->value[i]);
  free(a->value);
  memset(a, 0, sizeof *a);
}

static void tpch_keep(struct tpch_answer *a, sqlite3_stmt *stmt)
{
  a->ncol = sqlite3_column_count(stmt);
  if (a->nrow == a->size) {
    a->size = a->size ? 2 * a->size : 64;
    a->value =
      realloc(a->value, (size_t)a->size * (size_t)a->ncol * sizeof *a->value);
    if (!a->value) bench_die("memory", "no more");
  }
  for (int i = 0; i < a->ncol; i++)
    a->value[a->nrow * a->ncol + i] =
      sqlite3_value_dup(sqlite3_column_value(stmt, i));
  a->nrow++;
}

static bool tpch_same_value(sqlite3_value *a, sqlite3_value *b)
{
  int type = sqlite3_value_type(a);
  double x, y;

  if (type != sqlite3_value_type(b)) return false;
  if (type == SQLITE_NULL) return true;
  if (type != SQLITE_FLOAT)
    return strcmp((const char *)sqlite3_value_text(a),
                  (const char *)sqlite3_value_text(b)) == 0;
  x = sqlite3_value_double(a);
  y = sqlite3_value_double(b);
  return fabs(x - y) <= 1e-9 * fmax(fabs(x), fabs(y));
}

/* The first row that differs, or -1. */
static int tpch_difference(const struct tpch_answer *a,
                           const struct tpch_answer *b)
{
  for (int i = 0; i < a->nrow && i < b->nrow; i++)
    for (int k = 0; k < a->ncol; k++)
      if (!tpch_same_value(a->value[i * a->ncol + k],
                           b->value[i * a->ncol + k]))
        return i;
  return a->nrow == b->nrow ? -1 : a->nrow < b->nrow ? a->nrow : b->nrow;
}

static void tpch_print_row(const char *who, const struct tpch_answer *a,
                           int row)
{
  printf("     %s:", who);
  for (int i = 0; i < a->ncol && row < a->nrow; i++)
    printf(" %s%s", i ? "| " : "",
           sqlite3_value_text(a->value[row * a->ncol + i]));
  printf("%s\n", row < a->nrow ? "" : " no more rows");
}

/* ---- running ------------------------------------------------------------- */

static void tpch_time(const struct tpch *t, struct tpch_side *side,
                      const char *sql)
{
  double wall = bench_now(), cpu = bench_cpu();
  sqlite3_stmt *stmt = NULL;

  tpch_forget(&side->answer);
  tpch_limit(side->db, bench_setting("TIMEOUT", 60));
  side->rc = sqlite3_prepare_v2(side->db, sql, -1, &stmt, NULL);
  if (side->rc == SQLITE_OK) {
    if (sqlite3_bind_parameter_count(stmt))
      sqlite3_bind_double(stmt, 1, t->scale);
    while ((side->rc = sqlite3_step(stmt)) == SQLITE_ROW)
      tpch_keep(&side->answer, stmt);
  }
  side->error = side->rc == SQLITE_DONE
                  ? NULL
                  : bench_format("%s", sqlite3_errmsg(side->db));
  sqlite3_finalize(stmt);
  tpch_limit(NULL, 0);
  side->wall[side->n] = bench_now() - wall;
  side->cpu[side->n++] = bench_cpu() - cpu;
}

static void tpch_explain(struct tpch_side *side, const char *who,
                         const char *query)
{
  char *sql = bench_format("EXPLAIN QUERY PLAN %s", query);
  sqlite3_stmt *stmt;

  printf("     %s\n", who);
  if (sqlite3_prepare_v2(side->db, sql, -1, &stmt, NULL) == SQLITE_OK)
    while (sqlite3_step(stmt) == SQLITE_ROW)
      printf("       %4d %4d  %s\n", sqlite3_column_int(stmt, 0),
             sqlite3_column_int(stmt, 1), sqlite3_column_text(stmt, 3));
  sqlite3_finalize(stmt);
  sqlite3_free(sql);
}

/* What the last thousand statements since `before` were. */
static void tpch_log(sqlite3 *db, int64_t before)
{
  char *sql = bench_format("SELECT count(*), sum(rows), sum(total_ms), sql "
                           "FROM fed_log WHERE id > %lld GROUP BY sql",
                           before);
  sqlite3_stmt *stmt;

  printf("     statements, rows, ms\n");
  if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK)
    while (sqlite3_step(stmt) == SQLITE_ROW)
      printf("     %5d %8d %8.1f  %s\n", sqlite3_column_int(stmt, 0),
             sqlite3_column_int(stmt, 1), sqlite3_column_double(stmt, 2),
             sqlite3_column_text(stmt, 3));
  sqlite3_finalize(stmt);
  sqlite3_free(sql);
}

/* How many statements since `before`, and rows of those still in the log. */
static void tpch_traffic(sqlite3 *db, int64_t before)
{
  int64_t n = host_integer(db, "SELECT max(id) FROM fed_log") - before;
  char *sql =
    bench_format("SELECT sum(rows) FROM fed_log WHERE id > %lld", before);
  int64_t rows = host_integer(db, sql);

  /* The log has the last thousand. */
  printf("%9lld %9lld%s", (long long)n,
         (long long)(n > 1000 ? rows * n / 1000 : rows), n > 1000 ? "~" : " ");
  sqlite3_free(sql);
}

static void tpch_verdict(struct tpch *t, int q)
{
  struct tpch_side *a = &t->local, *b = &t->fed;
  int row;

  if (a->error || b->error) {
    if (a->error) printf("  local: %s", a->error);
    if (b->error) printf("  %s", b->error);
    if (b->rc != SQLITE_INTERRUPT) t->nbad++;
  } else if ((row = tpch_difference(&a->answer, &b->answer)) >= 0) {
    printf("  WRONG: row %d of query %d\n", row + 1, q);
    tpch_print_row("local", &a->answer, row);
    tpch_print_row("dbfed", &b->answer, row);
    t->nbad++;
  } else if (a->answer.nrow == 0) {
    printf("  no rows");
  }
  printf("\n");
}

static void tpch_rounds(struct tpch *t, int q, int64_t *before)
{
  int rounds = bench_setting("ROUNDS", 3);

  t->local.n = t->fed.n = 0;
  /* Round -1 does not count, unless one is enough. */
  for (int r = -1; r < rounds; r++) {
    *before = host_integer(t->fed.db, "SELECT max(id) FROM fed_log");
    tpch_time(t, &t->fed, t->query[q]);
    tpch_time(t, &t->local, t->query[q]);
    if (t->fed.error || t->local.error ||
        t->fed.wall[t->fed.n - 1] + t->local.wall[t->local.n - 1] > TPCH_SLOW)
      break;
    if (r < 0) t->local.n = t->fed.n = 0;
  }
}

static void tpch_query(struct tpch *t, int q)
{
  struct tpch_side *a = &t->local, *b = &t->fed;
  int64_t before = 0;
  double x, y;

  tpch_rounds(t, q, &before);
  x = bench_median(a->wall, a->n);
  y = bench_median(b->wall, b->n);
  printf("%5d%11.1f%11.1f%8.2f%8.2f", q, x * 1e3, y * 1e3, y / x,
         bench_median(b->cpu, b->n) / bench_median(a->cpu, a->n));
  tpch_traffic(b->db, before);
  tpch_verdict(t, q);
  if (getenv("EXPLAIN")) {
    tpch_explain(a, "local", t->query[q]);
    tpch_explain(b, "dbfed", t->query[q]);
    tpch_log(b->db, before);
  }
  fflush(stdout);
  if ((y / x <= 2 || y < TPCH_COUNTS) && !b->error) t->ngood++;
  for (int i = 0; i < 2; i++)
    if ((i ? x : y) >= TPCH_COUNTS && y / x > t->worst[i]) {
      t->worst[i] = y / x;
      t->worst_query[i] = q;
    }
}

/* ---- the part ------------------------------------------------------------ */

static void tpch_read(struct tpch *t, const char *file)
{
  FILE *in = fopen(file, "r");
  char line[256];
  int q = 0, number;

  if (!in) bench_die(file, "cannot be read");
  while (fgets(line, sizeof line, in)) {
    if (sscanf(line, "-- %d", &number) == 1 && number <= TPCH_QUERIES)
      q = number;
    else if (q)
      t->query[q] = bench_format("%s%s", t->query[q] ? t->query[q] : "", line);
  }
  fclose(in);
}

static bool tpch_chosen(int q)
{
  const char *list = getenv("QUERY");
  char *end;

  if (!list || !*list) return true;
  for (; *list; list = end) {
    if (strtol(list, &end, 10) == q) return true;
    if (end == list) break;
  }
  return false;
}

static void tpch_attach(sqlite3 *db, int argc, char **argv)
{
  for (int i = 0; i + 1 < argc; i += 2)
    host_exec(db, bench_format("SELECT fed_server('t%d', %Q), "
                               "fed_attach('t%d', 'tables=%q')",
                               i / 2, argv[i], i / 2, argv[i + 1]));
}

void part_tpch(const char *ext, int argc, char **argv)
{
  struct tpch t = {0};
  int n = 0;

  if (argc < 6) bench_die("tpch", "see the head of bench/tpch.c");
  tpch_read(&t, argv[2]);
  t.scale = atof(argv[3]);
  t.local.db = host_open(argv[1]);
  t.fed.db = host_open_fed(ext);
  tpch_attach(t.fed.db, argc - 4, argv + 4);
  printf("\nTPC-H, scale %g, %s\n", t.scale, argv[0]);
  printf("%5s%11s%11s%8s%8s%9s%9s\n", "query", "local ms", "dbfed ms", "ratio",
         "in CPU", "stmts", "rows");
  for (int q = 1; q <= TPCH_QUERIES; q++) {
    if (!t.query[q] || !tpch_chosen(q)) continue;
    tpch_query(&t, q);
    n++;
  }
  printf("  = %d of %d within 2 times the local time or under %g ms\n", t.ngood,
         n, TPCH_COUNTS * 1e3);
  printf(
    "  = the worst %.2f times (query %d); of those over %g ms locally %.2f "
    "times (query %d)\n",
    t.worst[0], t.worst_query[0], TPCH_COUNTS * 1e3, t.worst[1],
    t.worst_query[1]);
  if (t.nbad) bench_die("tpch", "answers differ, or queries failed");
}
