/* host: a handle of SQLite as a client: dbfed's, VirtualPG's, a plain file. */
#include "bench/bench.h"

sqlite3_stmt *host_prepare(sqlite3 *db, const char *sql)
{
  sqlite3_stmt *stmt;

  if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL))
    bench_die(sql, sqlite3_errmsg(db));
  return stmt;
}

bool host_step(sqlite3_stmt *stmt)
{
  int rc = sqlite3_step(stmt);

  if (rc != SQLITE_ROW && rc != SQLITE_DONE)
    bench_die(sqlite3_sql(stmt), sqlite3_errmsg(sqlite3_db_handle(stmt)));
  return rc == SQLITE_ROW;
}

static void host_row(sqlite3_stmt *stmt, const char *cols,
                     struct bench_sum *sum)
{
  for (int i = 0; cols[i]; i++) {
    switch (cols[i]) {
    case 'i':
    case 'n':
      bench_integer(sum, i, sqlite3_column_int64(stmt, i));
      break;
    case 'x':
    case 'm':
      sum->reals += sqlite3_column_double(stmt, i);
      break;
    default:
      bench_text(sum, (const char *)sqlite3_column_text(stmt, i),
                 sqlite3_column_bytes(stmt, i));
    }
  }
}

static void host_rows(sqlite3_stmt *stmt, const char *cols,
                      struct bench_sum *sum)
{
  while (host_step(stmt)) {
    host_row(stmt, cols, sum);
    if (!bench_more(sum)) break;
  }
  sqlite3_reset(stmt);
}

static void host_scan(struct client *client, const char *sql, const char *cols,
                      struct bench_sum *sum)
{
  sqlite3_stmt *stmt = host_prepare(client->conn, sql);

  host_rows(stmt, cols, sum);
  sqlite3_finalize(stmt);
}

static void host_lookup(struct client *client, const char *sql,
                        const char *cols, const int64_t *key, int nkey,
                        struct bench_sum *sum)
{
  sqlite3_stmt *stmt = host_prepare(client->conn, sql);

  for (int i = 0; i < nkey; i++) {
    sqlite3_bind_int64(stmt, 1, key[i]);
    host_rows(stmt, cols, sum);
  }
  sqlite3_finalize(stmt);
}

static void host_run(struct client *client, const char *sql)
{
  host_exec(client->conn, sql);
}

static void host_write(struct client *client, const char *sql, const char *cols,
                       sqlite3_stmt *from, int batch)
{
  sqlite3_stmt *stmt = host_prepare(client->conn, sql);

  (void)batch;
  while (host_step(from)) {
    for (int i = 0; cols[i]; i++)
      sqlite3_bind_value(stmt, i + 1, sqlite3_column_value(from, i));
    host_step(stmt);
    sqlite3_reset(stmt);
  }
  sqlite3_finalize(stmt);
}

struct client *host_client(sqlite3 *db)
{
  static const struct client_ops ops = {
    host_scan, host_lookup, NULL, host_run, host_write,
  };
  struct client *client;

  if (!db) return NULL;
  client = calloc(1, sizeof *client);
  if (!client) bench_die("memory", "no more");
  client->ops = &ops;
  client->conn = db;
  return client;
}

sqlite3 *host_open(const char *file)
{
  sqlite3 *db;

  if (sqlite3_open(file, &db)) bench_die(file, sqlite3_errmsg(db));
  return db;
}

void host_exec(sqlite3 *db, const char *sql)
{
  char *message = NULL;

  if (sqlite3_exec(db, sql, NULL, NULL, &message)) bench_die(sql, message);
}

int64_t host_integer(sqlite3 *db, const char *sql)
{
  sqlite3_stmt *stmt = host_prepare(db, sql);
  int64_t value = host_step(stmt) ? sqlite3_column_int64(stmt, 0) : 0;

  sqlite3_finalize(stmt);
  return value;
}

sqlite3 *host_open_fed(const char *ext)
{
  static const char *const server[][2] = {
    {"p", "BENCH_PG"    },
    {"m", "BENCH_MYSQL" },
    {"s", "BENCH_SQLITE"},
  };
  sqlite3 *db = host_open(":memory:");
  char *message = NULL;

  sqlite3_enable_load_extension(db, 1);
  if (sqlite3_load_extension(db, ext, NULL, &message)) bench_die(ext, message);
  for (int i = 0; i < 3; i++) {
    const char *url = getenv(server[i][1]);

    if (url && *url)
      host_exec(db, bench_format("SELECT fed_server(%Q, %Q), fed_attach(%Q)",
                                 server[i][0], url, server[i][0]));
  }
  return db;
}

sqlite3 *host_open_virtualpg(const char *url)
{
  sqlite3 *db = host_open(":memory:");
  static const char *const table[] = {"bench", "wide"};

  sqlite3_enable_load_extension(db, 1);
  if (sqlite3_load_extension(db, "mod_virtualpg", NULL, NULL)) {
    printf("skip VirtualPG: no Debian package libsqlite3-mod-virtualpg\n");
    sqlite3_close(db);
    return NULL;
  }
  for (int i = 0; i < 2; i++)
    host_exec(db, bench_format("CREATE VIRTUAL TABLE %s USING "
                               "virtualpostgres('%s', public, %s)",
                               table[i], url, table[i]));
  return db;
}
