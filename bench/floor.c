/*
 * floor: a virtual table of constants. What SQLite takes to read it is what
 * no bridge to a server can do without.
 */
#include "bench/bench.h"

struct floor {
  sqlite3_vtab base; /* first */
  const char *const *name;
  const char *cols;
  int64_t rows;
};

struct floor_cursor {
  sqlite3_vtab_cursor base; /* first */
  int64_t at;
};

static const struct floor *floor_of(const sqlite3_vtab_cursor *cursor)
{
  return (const struct floor *)cursor->pVtab;
}

static int64_t *floor_at(sqlite3_vtab_cursor *cursor)
{
  return &((struct floor_cursor *)cursor)->at;
}

static int floor_connect(sqlite3 *db, void *arg, int argc,
                         const char *const *argv, sqlite3_vtab **out,
                         char **message)
{
  struct floor *floor = arg;
  char *sql = bench_format("CREATE TABLE floor(%s", floor->name[0]);

  (void)argc;
  (void)argv;
  (void)message;
  for (int i = 1; floor->cols[i]; i++)
    sql = bench_format("%z, %s", sql, floor->name[i]);
  *out = &floor->base;
  return sqlite3_declare_vtab(db, bench_format("%z)", sql));
}

/* Nothing is freed: tables are as few as contests. */
static int floor_disconnect(sqlite3_vtab *table)
{
  (void)table;
  return SQLITE_OK;
}

static int floor_plan(sqlite3_vtab *table, sqlite3_index_info *info)
{
  (void)table;
  (void)info;
  return SQLITE_OK;
}

static int floor_open(sqlite3_vtab *table, sqlite3_vtab_cursor **out)
{
  struct floor_cursor *cursor = calloc(1, sizeof *cursor);

  (void)table;
  if (!cursor) return SQLITE_NOMEM;
  *out = &cursor->base;
  return SQLITE_OK;
}

static int floor_close(sqlite3_vtab_cursor *cursor)
{
  free(cursor);
  return SQLITE_OK;
}

static int floor_filter(sqlite3_vtab_cursor *cursor, int number,
                        const char *text, int argc, sqlite3_value **argv)
{
  (void)number;
  (void)text;
  (void)argc;
  (void)argv;
  *floor_at(cursor) = 0;
  return SQLITE_OK;
}

static int floor_next(sqlite3_vtab_cursor *cursor)
{
  ++*floor_at(cursor);
  return SQLITE_OK;
}

static int floor_eof(sqlite3_vtab_cursor *cursor)
{
  return *floor_at(cursor) >= floor_of(cursor)->rows;
}

static int floor_column(sqlite3_vtab_cursor *cursor, sqlite3_context *ctx,
                        int i)
{
  char type = floor_of(cursor)->cols[i];

  if (type == 'i' || type == 'n')
    sqlite3_result_int64(ctx, *floor_at(cursor));
  else if (type == 'x' || type == 'm')
    sqlite3_result_double(ctx, 1234.5);
  else
    sqlite3_result_text(ctx,
                        type == 'd'   ? "1992-01-02"
                        : type == 'c' ? "TRUCK"
                                      : "a comment of ordinary size",
                        -1, SQLITE_TRANSIENT);
  return SQLITE_OK;
}

static int floor_rowid(sqlite3_vtab_cursor *cursor, sqlite3_int64 *out)
{
  *out = *floor_at(cursor);
  return SQLITE_OK;
}

struct client *floor_client(const char *const *name, const char *cols,
                            int64_t rows)
{
  static const sqlite3_module module = {
    .xConnect = floor_connect,
    .xDisconnect = floor_disconnect,
    .xBestIndex = floor_plan,
    .xOpen = floor_open,
    .xClose = floor_close,
    .xFilter = floor_filter,
    .xNext = floor_next,
    .xEof = floor_eof,
    .xColumn = floor_column,
    .xRowid = floor_rowid,
  };
  struct floor *floor = calloc(1, sizeof *floor);
  sqlite3 *db = host_open(":memory:");

  if (!floor) bench_die("memory", "no more");
  *floor = (struct floor){.name = name, .cols = cols, .rows = rows};
  if (sqlite3_create_module(db, "floor", &module, floor))
    bench_die("floor", sqlite3_errmsg(db));
  return host_client(db);
}
