/* parts: the contests about scans, lookups, counts and joins. */
#include "bench/bench.h"

#define NARROW    "SELECT id, n, x, t FROM "
#define WIDE_COLS "innnmmmmccdddcct"

/* Everything that can read the tables of one kind of server. */
struct cast {
  sqlite3 *fed;
  struct client *dbfed;
  const char *schema; /* p, m or s in `fed` */
  struct client *bare, *copy_binary, *copy_text;
  struct client *virtualpg, *fdw;
};

static struct cast parts_pg(void)
{
  struct cast cast = {0};
#ifdef FED_WITH_PG
  const char *url = getenv("BENCH_PG"), *fdw = getenv("BENCH_FDW");

  cast.bare = pg_client(url, PG_SINGLE);
  cast.copy_binary = pg_client(url, PG_COPY_BINARY);
  cast.copy_text = pg_client(url, PG_COPY_TEXT);
  cast.virtualpg = host_client(host_open_virtualpg(url));
  cast.fdw = pg_client(fdw, PG_SINGLE);
#endif
  return cast;
}

static struct cast parts_cast(const char *ext, const char *backend)
{
  struct cast cast = {0};

  if (*backend == 'p') cast = parts_pg();
#ifdef FED_WITH_MYSQL
  if (*backend == 'm') cast.bare = mysql_client(getenv("BENCH_MYSQL"));
#endif
  if (*backend == 's')
    cast.bare =
      host_client(host_open(getenv("BENCH_SQLITE") + strlen("sqlite:")));
  if (!cast.bare) bench_die(backend, "no such server here");
  cast.fed = host_open_fed(ext);
  cast.dbfed = host_client(cast.fed);
  cast.schema = *backend == 'p' ? "p" : *backend == 'm' ? "m" : "s";
  return cast;
}

static const char *parts_bare_name(const struct cast *cast)
{
  return *cast->schema == 'p'   ? "libpq, binary, single-row"
         : *cast->schema == 'm' ? "Connector/C, prepared"
                                : "SQLite itself";
}

static const char *parts_backend(const struct cast *cast)
{
  return *cast->schema == 'p'   ? "PostgreSQL"
         : *cast->schema == 'm' ? "MariaDB"
                                : "SQLite";
}

/* ---- scans --------------------------------------------------------------- */

/* `fed` and `sql`: the text for dbfed and for everyone else. */
static struct contest parts_contest(struct cast *cast, enum bench_work work,
                                    const char *fed, const char *sql)
{
  struct contest c = {0};

  contest_add(&c, "dbfed", cast->dbfed, work, fed);
  contest_add(&c, parts_bare_name(cast), cast->bare, work, sql);
  if (cast->copy_binary && work != BENCH_LOOKUP) {
    contest_add(&c, "libpq, COPY BINARY", cast->copy_binary, work, sql);
    contest_add(&c, "libpq, COPY text", cast->copy_text, work, sql);
  }
  return c;
}

static void parts_peers(struct contest *c, struct cast *cast,
                        enum bench_work work, const char *virtualpg,
                        const char *fdw)
{
  if (cast->virtualpg)
    contest_add(c, "VirtualPG", cast->virtualpg, work, virtualpg)->peer = true;
  if (cast->fdw)
    contest_add(c, "postgres_fdw", cast->fdw, work, fdw)->peer = true;
}

static void parts_first(struct cast *cast)
{
  const char *sql = NARROW "bench";
  char *fed = bench_format(NARROW "%s.bench", cast->schema);
  struct contest c = parts_contest(cast, BENCH_FIRST, fed, sql);

  parts_peers(&c, cast, BENCH_FIRST, sql, sql);
  c.cols = "inxt";
  c.title = bench_format("%s: first row of that scan", parts_backend(cast));
  c.goal = BENCH_EXTRA_MS;
  c.limit = *cast->schema == 's' ? 0 : 2;
  contest_run(&c);
}

/* A text of sums of the columns of `cols`, and the letters of its result. */
static char *parts_sums(const char *table, const char *const *name,
                        const char *cols, char letters[BENCH_COLS_MAX + 2])
{
  char *sql = bench_format("SELECT count(*)");

  letters[0] = 'i';
  for (int i = 0; cols[i]; i++) {
    bool real = cols[i] == 'x' || cols[i] == 'm';
    bool number = real || cols[i] == 'i' || cols[i] == 'n';

    sql = bench_format(number ? "%z, sum(%s)" : "%z, sum(length(%s))", sql,
                       name[i]);
    letters[i + 1] = real ? 'x' : 'i';
    letters[i + 2] = 0;
  }
  return bench_format("%z FROM %s", sql, table);
}

/*
 * dbfed's rows are summed by SQLite; then the same, all rows given out. What
 * SQLite takes for the same sums over constants is its part of dbfed's time.
 */
static void parts_scan(struct cast *cast, const char *table, int rows,
                       const char *const *name, const char *cols, double limit)
{
  char *list = bench_format("SELECT %s", name[0]), letters[BENCH_COLS_MAX + 2];
  char *from = bench_format("%s.%s", cast->schema, table), *sql;
  struct contest c;

  for (int i = 1; cols[i]; i++)
    list = bench_format("%z, %s", list, name[i]);
  sql = bench_format("%s FROM %s", list, table);
  c =
    parts_contest(cast, BENCH_SCAN, parts_sums(from, name, cols, letters), sql);
  c.entry[0].work = BENCH_SUMS;
  contest_add(&c, "dbfed, rows given out", cast->dbfed, BENCH_SCAN,
              bench_format("%s FROM %s", list, from))
    ->peer = true;
  contest_add(&c, "SQLite alone, sums of constants",
              floor_client(name, cols, rows), BENCH_SUMS,
              parts_sums("floor", name, cols, letters))
    ->peer = true;
  parts_peers(&c, cast, BENCH_SCAN, sql, sql);
  c.cols = cols;
  c.sums = letters;
  c.title = bench_format("%s: scan, %d columns", parts_backend(cast),
                         (int)strlen(cols));
  c.goal = BENCH_RATE;
  c.limit = limit;
  contest_run(&c);
}

void part_scan(const char *ext, const char *backend)
{
  static const char *const narrow[] = {"id", "n", "x", "t"};
  static const char *const wide[] = {
    "l_orderkey",    "l_partkey",       "l_suppkey",  "l_linenumber",
    "l_quantity",    "l_extendedprice", "l_discount", "l_tax",
    "l_returnflag",  "l_linestatus",    "l_shipdate", "l_commitdate",
    "l_receiptdate", "l_shipinstruct",  "l_shipmode", "l_comment",
  };
  struct cast cast = parts_cast(ext, backend);
  int rows = bench_setting("ROWS", 1000000);

  parts_scan(&cast, "bench", rows, narrow, "inxt",
             *backend == 'p'   ? 0.80
             : *backend == 'm' ? 0.75
                               : 0);
  if (*backend != 's')
    parts_scan(&cast, "wide", rows / 5, wide, WIDE_COLS, 0.85);
  parts_first(&cast);
}

/* ---- memory -------------------------------------------------------------- */

struct peak {
  const char *ext, *sql;
};

/* Idle: loaded, attached, nothing read. */
static void parts_measure(void *arg)
{
  const struct peak *peak = arg;
  struct client *client = host_client(host_open_fed(peak->ext));
  struct bench_sum sum = {0};
  long idle = bench_peak();

  client->ops->scan(client, peak->sql, "inxt", &sum);
  printf("  %10lld rows: %6.1f MB above %.1f MB idle\n", (long long)sum.rows,
         (double)(bench_peak() - idle) / 1024, (double)idle / 1024);
}

void part_memory(const char *ext, const char *backend)
{
  static const int millions[] = {1, 10};

  printf("\nmemory of a scan (%s); the goal is at most 16 MB\n", backend);
  for (int i = 0; i < 2; i++) {
    struct peak peak = {
      ext, bench_format(NARROW "%.1s.bench%d", backend, millions[i])};

    bench_apart(parts_measure, &peak);
  }
}

/* ---- lookups, counts ----------------------------------------------------- */

static void parts_keyed(struct cast *cast)
{
  const char *sql = bench_format(NARROW "bench WHERE id = %s",
                                 *cast->schema == 'p' ? "$1" : "?");
  char *fed = bench_format(NARROW "%s.bench WHERE id = ?", cast->schema);
  struct contest c = parts_contest(cast, BENCH_LOOKUP, fed, sql);

  parts_peers(&c, cast, BENCH_LOOKUP, NARROW "bench WHERE id = ?", sql);
  c.cols = "inxt";
  c.title = bench_format("%s: lookups by key", parts_backend(cast));
  c.goal = BENCH_TIME;
  c.limit = *cast->schema == 's' ? 0 : 1.15;
  c.nkey = bench_setting("LOOKUPS", 20000);
  c.key = bench_keys(c.nkey, bench_setting("ROWS", 1000000));
  for (int i = 0; i < c.n; i++) {
    struct entry *e = &c.entry[i];

    /* VirtualPG reads the whole table for each. */
    if (e->peer) e->nkey = e->client == cast->virtualpg ? 1 : c.nkey / 10 + 1;
  }
  contest_run(&c);
}

static void parts_count(struct cast *cast, const char *where)
{
  const char *sql = bench_format("SELECT count(*) FROM bench%s", where);
  char *fed =
    bench_format("SELECT count(*) FROM %s.bench%s", cast->schema, where);
  struct contest c = {.cols = "i", .goal = BENCH_TIME};

  contest_add(&c, "dbfed", cast->dbfed, BENCH_SCAN, fed);
  contest_add(&c, parts_bare_name(cast), cast->bare, BENCH_SCAN, sql);
  parts_peers(&c, cast, BENCH_SCAN, sql, sql);
  c.title = bench_format("%s: count(*)%s", parts_backend(cast), where);
  c.limit = *cast->schema == 's' ? 0 : 1.2;
  contest_run(&c);
}

void part_lookup(const char *ext, const char *backend)
{
  struct cast cast = parts_cast(ext, backend);
  int rows = bench_setting("ROWS", 1000000);

  parts_keyed(&cast);
  parts_count(&cast, "");
  parts_count(&cast, " WHERE n < 100");
  parts_count(&cast, " GROUP BY n");
  parts_count(&cast, bench_format(" WHERE id > %d AND x > 5", rows / 10 * 9));
}

/* ---- joins --------------------------------------------------------------- */

/* Keys at a time that the bare side tries. */
static const int parts_batch[] = {100, 500, 1000, 5000, 20000, 50000};

static void parts_join(struct cast *cast, const char *title, const char *sql,
                       double limit, struct client *from)
{
  /* PostgreSQL plans a statement five times for its values before it keeps a
   * plan. The tuning brings the bare side past that; so is ours. */
  struct contest c = {
    .cols = "inxt", .goal = BENCH_TIME, .fed = cast->fed, .warm = 6};
  struct entry *hand;

  c.title = bench_format("%s: %s", parts_backend(cast), title);
  c.limit = limit;
  c.nkey = bench_setting("KEYS", 100000);
  c.key = bench_keys(c.nkey, bench_setting("ROWS", 1000000));
  contest_add(&c, "dbfed", cast->dbfed, BENCH_SCAN, sql);
  hand = contest_add(&c,
                     *cast->schema == 'p' ? "bare, = ANY, keys at a time"
                                          : "bare, IN, keys at a time",
                     cast->bare, BENCH_BATCHES,
                     *cast->schema == 'p' ? NARROW
                       "bench WHERE id = ANY($1::bigint[])"
                                          : NARROW "bench WHERE id IN ");
  hand->from = from;
  hand->from_sql = "SELECT k FROM keyset";
  contest_tune(&c, 1, parts_batch, sizeof parts_batch / sizeof *parts_batch);
  contest_run(&c);
  free(c.key);
}

/* The keys as a local table, with and without an index. */
static void parts_local_keys(sqlite3 *db)
{
  char *sql = bench_format(
    "WITH RECURSIVE s(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM s "
    "WHERE i + 1 < %d) INSERT INTO keys SELECT 1 + i * 2654435761 %% %d, "
    "'key ' || i FROM s;"
    "INSERT INTO keys_pk SELECT k, v FROM keys",
    bench_setting("KEYS", 100000), bench_setting("ROWS", 1000000));

  host_exec(db, "CREATE TABLE keys(k INTEGER, v TEXT);"
                "CREATE TABLE keys_pk(k INTEGER PRIMARY KEY, v TEXT)");
  host_exec(db, sql);
  sqlite3_free(sql);
}

static void parts_local_joins(struct cast *cast, const char *how)
{
  static const struct {
    const char *title, *table;
    bool in;
    double limit;
  } work[] = {
    {"IN (SELECT local key)",   "keys",    true,  1.5},
    {"JOIN local",              "keys",    false, 4  },
    {"JOIN local, primary key", "keys_pk", false, 4  },
  };

  for (size_t i = 0; i < sizeof work / sizeof *work; i++)
    parts_join(
      cast, bench_format("%s, %s", work[i].title, how),
      work[i].in
        ? bench_format(NARROW "%s.bench WHERE id IN (SELECT k FROM %s)",
                       cast->schema, work[i].table)
        : bench_format("SELECT b.id, b.n, b.x, b.t FROM %s l JOIN %s.bench b "
                       "ON b.id = l.k",
                       work[i].table, cast->schema),
      work[i].limit, NULL);
}

/* The keys stand on the other server. */
static void parts_remote_join(struct cast *cast, struct cast *other)
{
  parts_join(
    cast, bench_format("JOIN keys of %s", parts_backend(other)),
    bench_format("SELECT b.id, b.n, b.x, b.t FROM %s.keyset k JOIN %s.bench b "
                 "ON b.id = k.k",
                 other->schema, cast->schema),
    2, other->bare);
}

void part_join(const char *ext, const char *backend)
{
  struct cast cast = parts_cast(ext, backend), other;
  const char *url = getenv(*backend == 'p' ? "BENCH_MYSQL" : "BENCH_PG");

  parts_local_keys(cast.fed);
  parts_local_joins(&cast, "no ANALYZE");
  host_exec(cast.fed, "ANALYZE main");
  parts_local_joins(&cast, "ANALYZE");
  if (!url || !*url) return;
  other = parts_cast(ext, *backend == 'p' ? "mysql" : "pg");
  parts_remote_join(&cast, &other);
}
