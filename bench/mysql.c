/* mysql: a bare loop over Connector/C: prepared, binary, unbuffered. */
#include <mysql.h>

#include "bench/bench.h"

/* Where a column is fetched to. */
struct field {
  long long i;
  int n;
  double x;
  char text[256];
  unsigned long size;
};

struct mysql_side {
  MYSQL *conn;
  const char *url;
  /* Each text is prepared once; its address tells texts apart. */
  struct {
    const char *sql;
    MYSQL_STMT *stmt;
  } known[32];
  struct field field[BENCH_COLS_MAX];
};

static void my_bind(MYSQL_BIND *bind, char type, struct field *field)
{
  memset(bind, 0, sizeof *bind);
  bind->length = &field->size;
  switch (type) {
  case 'i':
    bind->buffer_type = MYSQL_TYPE_LONGLONG;
    bind->buffer = &field->i;
    break;
  case 'n':
    bind->buffer_type = MYSQL_TYPE_LONG;
    bind->buffer = &field->n;
    break;
  case 'x':
  case 'm':
    bind->buffer_type = MYSQL_TYPE_DOUBLE;
    bind->buffer = &field->x;
    break;
  default:
    bind->buffer_type = MYSQL_TYPE_STRING;
    bind->buffer = field->text;
    bind->buffer_length = sizeof field->text;
  }
}

static void my_row(const struct field *field, const char *cols,
                   struct bench_sum *sum)
{
  for (int i = 0; cols[i]; i++) {
    switch (cols[i]) {
    case 'i':
      bench_integer(sum, i, field[i].i);
      break;
    case 'n':
      bench_integer(sum, i, field[i].n);
      break;
    case 'x':
    case 'm':
      sum->reals += field[i].x;
      break;
    default:
      bench_text(sum, field[i].text, (int)field[i].size);
    }
  }
}

/* mysql://user@localhost/dbname?socket=PATH is all that run.sh gives. */
static void my_connect(struct mysql_side *side)
{
  char user[64], dbname[64];
  const char *url = side->url, *socket = strstr(url, "socket=");

  if (!socket ||
      sscanf(url, "mysql://%63[^@]@localhost/%63[^?]", user, dbname) != 2)
    bench_die(url, "expected mysql://user@localhost/dbname?socket=...");
  side->conn = mysql_init(NULL);
  if (!mysql_real_connect(side->conn, "localhost", user, NULL, dbname, 0,
                          socket + strlen("socket="), 0))
    bench_die(url, mysql_error(side->conn));
}

static MYSQL_STMT *my_new(struct mysql_side *side, const char *sql)
{
  MYSQL_STMT *stmt = mysql_stmt_init(side->conn);

  if (!stmt || mysql_stmt_prepare(stmt, sql, strlen(sql)))
    bench_die(sql, mysql_error(side->conn));
  return stmt;
}

static MYSQL_STMT *my_prepared(struct mysql_side *side, const char *sql)
{
  int n = 0;

  for (; n < 32 && side->known[n].sql; n++)
    if (side->known[n].sql == sql) return side->known[n].stmt;
  if (n == 32) bench_die(sql, "too many statements");
  side->known[n].stmt = my_new(side, sql);
  side->known[n].sql = sql;
  return side->known[n].stmt;
}

static void my_rows(struct mysql_side *side, MYSQL_STMT *stmt, const char *cols,
                    struct bench_sum *sum)
{
  MYSQL_BIND bind[BENCH_COLS_MAX];
  int rc;

  for (int i = 0; cols[i]; i++)
    my_bind(&bind[i], cols[i], &side->field[i]);
  if (mysql_stmt_execute(stmt) || mysql_stmt_bind_result(stmt, bind))
    bench_die("execute", mysql_stmt_error(stmt));
  while ((rc = mysql_stmt_fetch(stmt)) == 0) {
    my_row(side->field, cols, sum);
    if (!bench_more(sum)) return;
  }
  if (rc != MYSQL_NO_DATA) bench_die("fetch", mysql_stmt_error(stmt));
  mysql_stmt_free_result(stmt);
}

/* After a scan that ended early: the next one has a connection of its own. */
static void my_stop(struct mysql_side *side)
{
  mysql_close(side->conn);
  memset(side->known, 0, sizeof side->known);
  my_connect(side);
}

static void my_scan(struct client *client, const char *sql, const char *cols,
                    struct bench_sum *sum)
{
  struct mysql_side *side = client->conn;

  my_rows(side, my_prepared(side, sql), cols, sum);
  if (sum->first_only) my_stop(side);
}

static void my_keys(MYSQL_STMT *stmt, const int64_t *key, int n)
{
  MYSQL_BIND *bind = calloc((size_t)n, sizeof *bind);
  union {
    const int64_t *from;
    void *to; /* the API takes no const; it only reads */
  } p;

  if (!bind) bench_die("memory", "no more");
  for (int i = 0; i < n; i++) {
    p.from = &key[i];
    bind[i].buffer_type = MYSQL_TYPE_LONGLONG;
    bind[i].buffer = p.to;
  }
  if (mysql_stmt_bind_param(stmt, bind))
    bench_die("bind", mysql_stmt_error(stmt));
  free(bind);
}

static void my_lookup(struct client *client, const char *sql, const char *cols,
                      const int64_t *key, int nkey, struct bench_sum *sum)
{
  struct mysql_side *side = client->conn;
  MYSQL_STMT *stmt = my_prepared(side, sql);
  int64_t now;

  my_keys(stmt, &now, 1);
  for (int i = 0; i < nkey; i++) {
    now = key[i];
    my_rows(side, stmt, cols, sum);
  }
}

/* sql + "(?,?,...)" */
static MYSQL_STMT *my_batch(struct mysql_side *side, const char *sql, int n)
{
  size_t len = strlen(sql);
  char *text = malloc(len + 2 * (size_t)n + 2);
  MYSQL_STMT *stmt;

  if (!text) bench_die("memory", "no more");
  memcpy(text, sql, len);
  for (int i = 0; i < n; i++)
    memcpy(text + len + 2 * i, i ? ",?" : "(?", 2);
  memcpy(text + len + 2 * n, ")", 2);
  stmt = my_new(side, text);
  free(text);
  return stmt;
}

static void my_batches(struct client *client, const char *sql, const char *cols,
                       const int64_t *key, int nkey, int batch,
                       struct bench_sum *sum)
{
  struct mysql_side *side = client->conn;
  MYSQL_STMT *stmt = NULL;

  for (int i = 0, have = 0; i < nkey; i += batch) {
    int n = nkey - i < batch ? nkey - i : batch;

    if (n != have) {
      if (stmt) mysql_stmt_close(stmt);
      stmt = my_batch(side, sql, n);
    }
    have = n;
    my_keys(stmt, key + i, n);
    my_rows(side, stmt, cols, sum);
  }
  if (stmt) mysql_stmt_close(stmt);
}

struct client *mysql_client(const char *url)
{
  static const struct client_ops ops = {my_scan, my_lookup, my_batches};
  struct mysql_side *side;
  struct client *client;

  if (!url || !*url) return NULL;
  side = calloc(1, sizeof *side);
  client = calloc(1, sizeof *client);
  if (!client || !side) bench_die("memory", "no more");
  client->ops = &ops;
  client->conn = side;
  side->url = url;
  my_connect(side);
  return client;
}
