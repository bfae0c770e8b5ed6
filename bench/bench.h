/*
 * bench.h: what the benchmarks share.
 *
 *     bench EXT PART [argument ...]       (bench/run.sh calls it)
 *
 * EXT is the extension as users load it. A part is a list of contests. In a
 * contest several ways of doing the same work take turns (A B C A B C), so
 * that a slow moment of the machine hits all; the median of the rounds counts.
 * All must have seen the same values, or it is an error. Times are printed,
 * never judged.
 *
 * bench/run.sh makes the tables. `bench`: id bigint primary key, n int,
 * x double, t text. `wide`: the 16 columns of TPC-H's lineitem. `keyset`:
 * k bigint primary key. From the environment: ROWS, KEYS, LOOKUPS, ROUNDS; of
 * the part `write` CHANGED (rows), SINGLES, and BENCH_LOCAL: a file of SQLite
 * that has `bench` as well.
 */
#ifndef FED_BENCH_H
#define FED_BENCH_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BENCH_ROUNDS_MAX 99
#define BENCH_COLS_MAX   16

/* ---- what was read ------------------------------------------------------- */

/* The same for all sides, whatever the order of the rows. */
struct bench_sum {
  int64_t rows, integers, bytes;
  double reals;
  int touched;
  bool first_only; /* stop after one row */
  double first;    /* the clock when the first row had been decoded */
  int64_t *key;    /* if not NULL: collects the integers of the first column */
};

static inline void bench_integer(struct bench_sum *sum, int col, int64_t value)
{
  sum->integers += value;
  if (sum->key && col == 0) sum->key[sum->rows] = value;
}

/* Touches the text, as whoever uses it would. */
static inline void bench_text(struct bench_sum *sum, const char *text, int size)
{
  sum->bytes += size;
  sum->touched += size ? text[size - 1] : 0;
}

double bench_now(void);

/* One row is done. Shall there be more? */
static inline bool bench_more(struct bench_sum *sum)
{
  if (sum->rows++ == 0) sum->first = bench_now();
  return !sum->first_only;
}

/* ---- ways to read -------------------------------------------------------- */

/*
 * A client runs SQL and looks at every value. `cols` has a letter per column:
 * i bigint, n int, x double, t text, m numeric(15,2) as a number, d date as
 * text, c char(n) without its padding. Clients exit on errors.
 */
struct client {
  const struct client_ops *ops;
  void *conn;
  int how;
};

struct client_ops {
  void (*scan)(struct client *, const char *sql, const char *cols,
               struct bench_sum *);
  /* sql takes one key, prepared once, run for each. */
  void (*lookup)(struct client *, const char *sql, const char *cols,
                 const int64_t *key, int nkey, struct bench_sum *);
  /* sql ends where a condition on the key belongs; `batch` keys at a time. */
  void (*batches)(struct client *, const char *sql, const char *cols,
                  const int64_t *key, int nkey, int batch, struct bench_sum *);
  void (*exec)(struct client *, const char *sql);
  /*
   * The rows of `from`, whose columns `cols` tells, are the parameters of sql.
   * `batch` 1: it runs for each, prepared, a round trip each. More: for so many
   * at a time; libpq gives an array for each column, Connector/C binds arrays
   * or, where sql says @rows, puts in "(1,'a'),(2,'b')". SQLite always runs
   * it for each. If sql is a COPY of libpq, they are its data, in binary.
   */
  void (*write)(struct client *, const char *sql, const char *cols,
                sqlite3_stmt *from, int batch);
};

/* host.c: a handle of SQLite. */
struct client *host_client(sqlite3 *db);
sqlite3 *host_open(const char *file);
/* A handle with `ext` and servers p, m, s: what the environment names of
 * BENCH_PG, BENCH_MYSQL and BENCH_SQLITE. */
sqlite3 *host_open_fed(const char *ext);
/* NULL where VirtualPG is not installed. Tables bench and wide. */
sqlite3 *host_open_virtualpg(const char *url);
void host_exec(sqlite3 *db, const char *sql);
int64_t host_integer(sqlite3 *db, const char *sql);
sqlite3_stmt *host_prepare(sqlite3 *db, const char *sql);
bool host_step(sqlite3_stmt *stmt);

/* floor.c: table floor, `rows` times the same values of such columns. */
struct client *floor_client(const char *const *name, const char *cols,
                            int64_t rows);

/* pg.c: libpq. */
enum { PG_SINGLE, PG_COPY_BINARY, PG_COPY_TEXT };
struct client *pg_client(const char *url, int how);

/* mysql.c: Connector/C, prepared, binary, unbuffered. */
struct client *mysql_client(const char *url);

/* ---- contests ------------------------------------------------------------ */

enum bench_work {
  BENCH_SCAN,
  BENCH_SUMS, /* a scan that SQLite sums up: count(*), then a sum each */
  BENCH_FIRST,
  BENCH_LOOKUP,
  BENCH_BATCHES,
  BENCH_EXEC,  /* sql itself writes */
  BENCH_WRITE, /* the rows of from_sql, in a transaction */
};

/* How two times are compared; all are printed as dbfed against the best. */
enum bench_goal { BENCH_RATE, BENCH_TIME, BENCH_EXTRA_MS };

struct entry {
  const char *name;
  struct client *client;
  const char *sql;
  enum bench_work work;
  bool peer; /* another bridge: may be slow, is not among the best */
  int batch; /* keys at a time */
  int nkey;  /* fewer keys than the others, or 0 */
  /* The keys are first read here, instead of those of the contest; of
   * BENCH_WRITE the rows, with such columns. */
  struct client *from;
  const char *from_sql, *from_cols;

  int n;
  double wall[BENCH_ROUNDS_MAX], cpu[BENCH_ROUNDS_MAX];
  struct bench_sum sum;
};

struct contest {
  const char *title;
  const char *cols;
  const char *sums; /* cols of BENCH_SUMS */
  enum bench_goal goal;
  int warm;     /* rounds that do not count; 0: one */
  double limit; /* what the project wants of the ratio; 0: nothing */
  int64_t *key;
  int nkey;
  sqlite3 *fed; /* counts remote statements if not NULL */
  /* Writing: before each turn `owner` runs `fresh`, up to a NULL; behind it, it
   * reads `check`, and all must have left the same. Neither is timed. */
  struct client *owner;
  const char *const *fresh;
  const char *check;
  int things; /* rows that were written */
  int n;
  struct entry entry[12];
};

/* Entry 0 is dbfed's. */
struct entry *contest_add(struct contest *c, const char *name,
                          struct client *client, enum bench_work work,
                          const char *sql);
void contest_run(struct contest *c);
/* The fastest of a few numbers of keys at a time for entry `i`. */
void contest_tune(struct contest *c, int i, const int *batch, int nbatch);

/* ---- small things -------------------------------------------------------- */

_Noreturn void bench_die(const char *what, const char *why);
int bench_setting(const char *name, int value);
double bench_cpu(void);
double bench_median(const double *value, int n);
/* The process's peak in kB, or 0 where /proc does not tell. */
long bench_peak(void);
/* Run in a process of its own, for a peak never falls. */
void bench_apart(void (*run)(void *), void *arg);
/* sqlite3_mprintf that exits instead of failing; never freed. */
char *bench_format(const char *format, ...);
/* `n` different keys in 1..rows in no order. */
int64_t *bench_keys(int n, int rows);

/* ---- parts --------------------------------------------------------------- */

void part_scan(const char *ext, const char *backend);
void part_memory(const char *ext, const char *backend);
void part_lookup(const char *ext, const char *backend);
void part_join(const char *ext, const char *backend);
void part_write(const char *ext, const char *backend);
void part_generate(const char *file, double scale);
void part_tpch(const char *ext, int argc, char **argv);

#endif
