/*
 * write: the contests about INSERT, UPDATE and DELETE, over a table `written`
 * with the columns of `bench`. Both sides read the rows from local tables of
 * the same handle: l.bench in a file, and main.keys(k, n).
 */
#include "bench/bench.h"

#define WRITE_ROWS "SELECT id, n, x, t FROM l.bench"

/* One kind of server, and how its own client writes. */
struct server {
  const char *name, *schema;
  sqlite3 *fed;
  struct client *dbfed, *bare;
  bool is_pg, is_file;
};

/* How the bare side does one thing: in so many ways, each tuned. */
struct bare {
  const char *name, *sql, *cols, *rows;
  int batch[3]; /* the fastest of them, up to a 0 */
};

static struct client *write_bare(const char *backend)
{
#ifdef FED_WITH_PG
  if (*backend == 'p') return pg_client(getenv("BENCH_PG"), PG_SINGLE);
#endif
#ifdef FED_WITH_MYSQL
  if (*backend == 'm') return mysql_client(getenv("BENCH_MYSQL"));
#endif
  if (*backend == 's')
    return host_client(host_open(getenv("BENCH_SQLITE") + strlen("sqlite:")));
  return NULL;
}

static void write_table(const struct server *s)
{
  s->bare->ops->exec(s->bare, "DROP TABLE IF EXISTS written");
  s->bare->ops->exec(s->bare,
                     s->is_pg ? "CREATE TABLE written(id bigint PRIMARY KEY, "
                                "n int NOT NULL, x double precision NOT NULL, "
                                "t text NOT NULL)"
                     : s->is_file
                       ? "CREATE TABLE written(id INTEGER PRIMARY KEY, "
                         "n INT NOT NULL, x DOUBLE NOT NULL, t TEXT NOT NULL)"
                       : "CREATE TABLE written(id bigint PRIMARY KEY, n int "
                         "NOT NULL, x double NOT NULL, t varchar(100) NOT "
                         "NULL)");
}

/* dbfed's handle: the table, the same as d.written with bulk=deferred, and
 * what the rows come from. Every second row is to be changed. */
static sqlite3 *write_host(const char *ext, const char *schema)
{
  sqlite3 *db = host_open_fed(ext);

  host_exec(
    db, bench_format("SELECT fed_attach(%Q, 'as=d', 'bulk=deferred')", schema));
  host_exec(db, bench_format("ATTACH %Q AS l", getenv("BENCH_LOCAL")));
  host_exec(
    db, bench_format("CREATE TABLE keys(k INTEGER PRIMARY KEY, n INT);"
                     "INSERT INTO keys SELECT id, n + 1 FROM l.bench WHERE id "
                     "<= %d AND id %% 2 = 0",
                     2 * bench_setting("CHANGED", 100000)));
  return db;
}

static struct server write_server(const char *ext, const char *backend)
{
  struct server s = {.bare = write_bare(backend)};

  if (!s.bare) bench_die(backend, "no such server here");
  s.is_pg = *backend == 'p';
  s.is_file = *backend == 's';
  s.name = s.is_pg ? "PostgreSQL" : s.is_file ? "SQLite" : "MariaDB";
  s.schema = s.is_pg ? "p" : s.is_file ? "s" : "m";
  write_table(&s);
  if (s.is_file)
    s.bare->ops->exec(s.bare,
                      bench_format("ATTACH %Q AS l", getenv("BENCH_LOCAL")));
  s.fed = write_host(ext, s.schema);
  s.dbfed = host_client(s.fed);
  return s;
}

/* ---- contests ------------------------------------------------------------ */

static struct contest write_contest(const struct server *s, const char *title,
                                    int things)
{
  return (struct contest){
    .title = bench_format("%s: %s", s->name, title),
    .cols = "inxt",
    .owner = s->bare,
    .check = "SELECT id, n, x, t FROM written",
    .things = things,
  };
}

static void write_add(struct contest *c, const struct server *s,
                      const struct bare *bare, int n)
{
  for (int i = 0; i < n && bare[i].sql; i++) {
    struct entry *e =
      contest_add(c, bare[i].name, s->bare, BENCH_WRITE, bare[i].sql);
    int nbatch = 0;

    while (nbatch < 3 && bare[i].batch[nbatch])
      nbatch++;
    e->from = s->dbfed;
    e->from_sql = bare[i].rows;
    e->from_cols = bare[i].cols;
    e->batch = bare[i].batch[0];
    if (nbatch > 1) contest_tune(c, c->n - 1, bare[i].batch, nbatch);
  }
}

/* The table is empty before each turn, */
static const char *const *write_empty(const struct server *s)
{
  static const char *const fresh[2][2] = {
    {"TRUNCATE TABLE written"},
    {"DELETE FROM written"},
  };

  return fresh[s->is_file];
}

/* or has twice as many rows as will be changed. */
static const char *const *write_filled(const struct server *s)
{
  static const char *fresh[4];

  fresh[0] = write_empty(s)[0];
  fresh[1] = bench_format("INSERT INTO written SELECT id, n, x, t FROM bench "
                          "WHERE id <= %d",
                          2 * bench_setting("CHANGED", 100000));
  fresh[2] = s->is_pg     ? "VACUUM ANALYZE written"
             : s->is_file ? NULL
                          : "ANALYZE TABLE written";
  return fresh;
}

/* ---- INSERT -------------------------------------------------------------- */

static void write_bulk(const struct server *s)
{
  const struct bare pg[] = {
    {"libpq, COPY BINARY",
     "COPY written FROM STDIN (FORMAT binary)", "inxt",
     WRITE_ROWS, {0}},
  };
  const struct bare mysql[] = {
    {"Connector/C, rows as text",
     "INSERT INTO written VALUES @rows",        "inxt",
     WRITE_ROWS, {500, 5000}},
    {"Connector/C, arrays bound",
     "INSERT INTO written VALUES (?, ?, ?, ?)", "inxt",
     WRITE_ROWS, {500, 5000}},
  };
  const struct bare file[] = {
    {"SQLite itself, prepared",
     "INSERT INTO written VALUES (?, ?, ?, ?)", "inxt",
     WRITE_ROWS, {1}},
  };
  struct contest c = write_contest(s, "INSERT ... SELECT, autocommit",
                                   bench_setting("ROWS", 1000000));

  c.goal = BENCH_RATE;
  c.limit = s->is_file ? 0 : 0.7;
  c.fresh = write_empty(s);
  contest_add(&c, "dbfed", s->dbfed, BENCH_EXEC,
              bench_format("INSERT INTO %s.written " WRITE_ROWS, s->schema));
  if (s->is_pg)
    write_add(&c, s, pg, 1);
  else
    write_add(&c, s, s->is_file ? file : mysql, s->is_file ? 1 : 2);
  contest_run(&c);
}

/* One by one, in a transaction, into `schema`. */
static void write_singles(const struct server *s, const char *title,
                          const char *schema, enum bench_goal goal,
                          double limit)
{
  int n = bench_setting("SINGLES", 10000);
  const char *rows = bench_format(WRITE_ROWS " WHERE id <= %d", n);
  const struct bare bare = {
    s->is_file ? "SQLite itself, prepared" : "bare, a round trip each",
    s->is_pg ? "INSERT INTO written VALUES ($1, $2, $3, $4)"
             : "INSERT INTO written VALUES (?, ?, ?, ?)",
    "inxt",
    rows,
    {1}};
  struct contest c = write_contest(s, title, n);
  struct entry *e = contest_add(
    &c, "dbfed", s->dbfed, BENCH_WRITE,
    bench_format("INSERT INTO %s.written VALUES (?, ?, ?, ?)", schema));

  e->from = s->dbfed;
  e->from_sql = rows;
  e->from_cols = "inxt";
  c.goal = goal;
  c.limit = s->is_file ? 0 : limit;
  c.fresh = write_empty(s);
  write_add(&c, s, &bare, 1);
  contest_run(&c);
}

/* ---- UPDATE, DELETE ------------------------------------------------------ */

static void write_changes(const struct server *s, const char *title,
                          const char *sql, double limit,
                          const struct bare *bare, int n)
{
  struct contest c = write_contest(s, title, bench_setting("CHANGED", 100000));

  contest_add(&c, "dbfed", s->dbfed, BENCH_EXEC, sql);
  c.goal = BENCH_TIME;
  c.limit = s->is_file ? 0 : limit;
  c.fresh = write_filled(s);
  write_add(&c, s, bare, n);
  contest_run(&c);
}

/* The bare side knows all the new values. */
static void write_update(const struct server *s)
{
  static const char values[] = "SELECT n, k FROM keys ORDER BY k";
  const struct bare pg[] = {
    {"libpq, unnest, rows at a time",
     "UPDATE written SET n = v.n FROM unnest($1::int4[], $2::int8[]) v(n, k) "
     "WHERE id = v.k", "ni",
     values, {1000, 10000}},
  };
  const struct bare mysql[] = {
    {"Connector/C, JOIN, rows as text",
     "UPDATE written w JOIN (SELECT 0 AS n, 0 AS k UNION ALL VALUES @rows) v "
     "ON w.id = v.k SET w.n = v.n",           "ni",
     values, {1000, 10000}},
    {"Connector/C, arrays bound",
     "UPDATE written SET n = ? WHERE id = ?", "ni",
     values, {1000, 10000}},
  };
  const struct bare file[] = {
    {"SQLite itself, prepared",
     "UPDATE written SET n = ? WHERE id = ?", "ni",
     values, {1}},
  };
  const struct bare *bare = s->is_pg ? pg : s->is_file ? file : mysql;
  int n = s->is_pg || s->is_file ? 1 : 2;

  write_changes(s, "UPDATE, IN (SELECT local key)",
                bench_format("UPDATE %s.written SET n = n + 1 "
                             "WHERE id IN (SELECT k FROM keys)",
                             s->schema),
                2, bare, n);
  write_changes(s, "UPDATE ... FROM local",
                bench_format("UPDATE %s.written SET n = keys.n "
                             "FROM keys WHERE id = keys.k",
                             s->schema),
                2, bare, n);
}

static void write_delete(const struct server *s)
{
  static const char keys[] = "SELECT k FROM keys ORDER BY k";
  const struct bare pg[] = {
    {"libpq, = ANY, keys at a time",
     "DELETE FROM written WHERE id = ANY($1::bigint[])", "i",
     keys, {1000, 10000}},
  };
  const struct bare mysql[] = {
    {"Connector/C, IN, keys as text",
     "DELETE FROM written WHERE id IN (@rows)", "i",
     keys, {1000, 10000}},
    {"Connector/C, arrays bound",
     "DELETE FROM written WHERE id = ?",        "i",
     keys, {1000, 10000}},
  };
  const struct bare file[] = {
    {"SQLite itself, prepared",
     "DELETE FROM written WHERE id = ?", "i",
     keys, {1}},
  };

  write_changes(s, "DELETE, IN (SELECT local key)",
                bench_format("DELETE FROM %s.written "
                             "WHERE id IN (SELECT k FROM keys)",
                             s->schema),
                0,
                s->is_pg     ? pg
                : s->is_file ? file
                             : mysql,
                s->is_pg || s->is_file ? 1 : 2);
}

/* ---- memory -------------------------------------------------------------- */

struct peak {
  const char *ext, *backend, *what, *sql;
  bool filled;
};

/* Idle: loaded, attached, the local tables are there. */
static void write_measure(void *arg)
{
  const struct peak *peak = arg;
  struct server s = write_server(peak->ext, peak->backend);
  const char *const *fresh = write_filled(&s);
  long idle;

  for (int i = 0; peak->filled && fresh[i]; i++)
    s.bare->ops->exec(s.bare, fresh[i]);
  idle = bench_peak();
  host_exec(s.fed, bench_format(peak->sql, s.schema));
  printf("  %-22s%8.1f MB above %.1f MB idle\n", peak->what,
         (double)(bench_peak() - idle) / 1024, (double)idle / 1024);
}

static void write_memory(const char *ext, const char *backend)
{
  /* clang-format off */
  const struct peak peak[] = {
    {ext, backend, "INSERT, autocommit",
     "INSERT INTO %s.written " WRITE_ROWS, false},
    {ext, backend, "INSERT, deferred",
     "BEGIN; INSERT INTO d.written " WRITE_ROWS "; COMMIT -- %s", false},
    {ext, backend, "UPDATE",
     "UPDATE %s.written SET n = n + 1 WHERE id IN (SELECT k FROM keys)", true},
    {ext, backend, "DELETE",
     "DELETE FROM %s.written WHERE id IN (SELECT k FROM keys)", true},
  };
  /* clang-format on */

  printf("\nmemory of writing (%s); the goal is at most 32 MB\n", backend);
  for (size_t i = 0; i < sizeof peak / sizeof *peak; i++) {
    struct peak one = peak[i];

    bench_apart(write_measure, &one);
  }
}

void part_write(const char *ext, const char *backend)
{
  struct server s;

  /* First, while this process has no connection that a child could inherit. */
  write_memory(ext, backend);
  s = write_server(ext, backend);
  write_bulk(&s);
  write_singles(&s, "INSERT in a transaction, bulk=deferred", "d", BENCH_RATE,
                5);
  write_singles(&s, "INSERT in a transaction", s.schema, BENCH_TIME, 1.3);
  write_update(&s);
  write_delete(&s);
}
