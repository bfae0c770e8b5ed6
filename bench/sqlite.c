/* bench/sqlite: another SQLite file, against sqlite3_step() on it. */
#include "bench/bench.h"

static sqlite3 *plain_db;
static sqlite3_stmt *plain_stmt[3];

void plain_open(const char *url)
{
  static const char *const sql[] = {
    "SELECT count(*) FROM bench",
    "SELECT id, n, x, t FROM bench",
    "SELECT id, n, x, t FROM bench WHERE id = ?",
  };

  if (sqlite3_open(url + strlen("sqlite:"), &plain_db))
    bench_die(url, sqlite3_errmsg(plain_db));
  for (int i = 0; i < 3; i++)
    if (sqlite3_prepare_v2(plain_db, sql[i], -1, &plain_stmt[i], NULL))
      bench_die(sql[i], sqlite3_errmsg(plain_db));
}

const char *plain_version(void)
{
  static char text[40];

  snprintf(text, sizeof text, "SQLite %s", sqlite3_libversion());
  return text;
}

void plain_count(struct bench_sum *sum)
{
  sqlite3_stmt *stmt = plain_stmt[BENCH_COUNT];

  if (sqlite3_step(stmt) == SQLITE_ROW)
    sum->rows = sqlite3_column_int64(stmt, 0);
  sqlite3_reset(stmt);
}

static void plain_rows(sqlite3_stmt *stmt, struct bench_sum *sum)
{
  while (sqlite3_step(stmt) == SQLITE_ROW)
    bench_row(stmt, sum);
  if (sqlite3_reset(stmt)) bench_die("plain", sqlite3_errmsg(plain_db));
}

void plain_scan(struct bench_sum *sum)
{
  plain_rows(plain_stmt[BENCH_SCAN], sum);
}

void plain_lookup(const int64_t *key, int n, struct bench_sum *sum)
{
  for (int i = 0; i < n; i++) {
    sqlite3_bind_int64(plain_stmt[BENCH_LOOKUP], 1, key[i]);
    plain_rows(plain_stmt[BENCH_LOOKUP], sum);
  }
}
