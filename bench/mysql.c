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

/* ---- writing ------------------------------------------------------------- */

static void my_exec(struct client *client, const char *sql)
{
  struct mysql_side *side = client->conn;

  if (mysql_query(side->conn, sql)) bench_die(sql, mysql_error(side->conn));
  mysql_free_result(mysql_store_result(side->conn));
}

/* A column of so many rows, as Connector/C takes it. */
struct my_column {
  long long *i;
  int *n;
  double *x;
  char (*text)[256];
  char **at;
  unsigned long *size;
};

static void *my_room(int n, size_t size)
{
  void *p = calloc((size_t)n, size);

  if (!p) bench_die("memory", "no more");
  return p;
}

static struct my_column my_column(int rows)
{
  struct my_column c = {
    .i = my_room(rows, sizeof *c.i),
    .n = my_room(rows, sizeof *c.n),
    .x = my_room(rows, sizeof *c.x),
    .text = my_room(rows, sizeof *c.text),
    .at = my_room(rows, sizeof *c.at),
    .size = my_room(rows, sizeof *c.size),
  };

  for (int i = 0; i < rows; i++)
    c.at[i] = c.text[i];
  return c;
}

static void my_column_free(struct my_column *c)
{
  free(c->i);
  free(c->n);
  free(c->x);
  free(c->text);
  free(c->at);
  free(c->size);
}

static void my_take(struct my_column *c, int row, char type, sqlite3_stmt *from,
                    int col)
{
  const unsigned char *text;

  if (type == 'i') {
    c->i[row] = sqlite3_column_int64(from, col);
  } else if (type == 'n') {
    c->n[row] = sqlite3_column_int(from, col);
  } else if (type == 'x') {
    c->x[row] = sqlite3_column_double(from, col);
  } else {
    text = sqlite3_column_text(from, col);
    c->size[row] = (unsigned long)sqlite3_column_bytes(from, col);
    if (c->size[row] > sizeof c->text[row]) bench_die("text", "too long");
    memcpy(c->text[row], text, c->size[row]);
  }
}

static MYSQL_BIND my_param(struct my_column *c, char type, bool array)
{
  MYSQL_BIND bind = {.length = c->size};

  if (type == 'i') {
    bind.buffer_type = MYSQL_TYPE_LONGLONG;
    bind.buffer = c->i;
  } else if (type == 'n') {
    bind.buffer_type = MYSQL_TYPE_LONG;
    bind.buffer = c->n;
  } else if (type == 'x') {
    bind.buffer_type = MYSQL_TYPE_DOUBLE;
    bind.buffer = c->x;
  } else {
    bind.buffer_type = MYSQL_TYPE_STRING;
    bind.buffer = array ? (void *)c->at : (void *)c->text;
  }
  return bind;
}

/* `array`: how many rows, or 0 for one that is no array. */
static void my_write_bound(MYSQL_STMT *stmt, struct my_column *column,
                           const char *cols, unsigned array)
{
  MYSQL_BIND bind[BENCH_COLS_MAX];

  for (int i = 0; cols[i]; i++)
    bind[i] = my_param(&column[i], cols[i], array > 0);
  if (mysql_stmt_attr_set(stmt, STMT_ATTR_ARRAY_SIZE, &array) ||
      mysql_stmt_bind_param(stmt, bind) || mysql_stmt_execute(stmt))
    bench_die("execute", mysql_stmt_error(stmt));
}

/* ---- as text ------------------------------------------------------------- */

static char *my_literal(MYSQL *conn, char *to, const struct my_column *c,
                        int row, char type)
{
  if (type == 'i') return to + sprintf(to, "%lld", c->i[row]);
  if (type == 'n') return to + sprintf(to, "%d", c->n[row]);
  if (type == 'x') return to + sprintf(to, "%.17g", c->x[row]);
  *to++ = '\'';
  to += mysql_real_escape_string(conn, to, c->text[row], c->size[row]);
  *to++ = '\'';
  return to;
}

static char *my_literals(MYSQL *conn, char *to, struct my_column *column,
                         const char *cols, int rows)
{
  for (int row = 0; row < rows; row++) {
    if (row) *to++ = ',';
    for (int i = 0; cols[i]; i++) {
      *to++ = i ? ',' : '(';
      to = my_literal(conn, to, &column[i], row, cols[i]);
    }
    *to++ = ')';
  }
  return to;
}

static void my_write_text(MYSQL *conn, const char *sql,
                          struct my_column *column, const char *cols, int rows)
{
  const char *mark = strstr(sql, "@rows"), *rest = mark + strlen("@rows");
  size_t room = strlen(sql) + (size_t)rows * strlen(cols) * 520;
  char *text = malloc(room), *to = text;

  if (!text) bench_die("memory", "no more");
  memcpy(to, sql, (size_t)(mark - sql));
  to = my_literals(conn, to + (mark - sql), column, cols, rows);
  memcpy(to, rest, strlen(rest));
  to += strlen(rest);
  if (mysql_real_query(conn, text, (unsigned long)(to - text)))
    bench_die(sql, mysql_error(conn));
  free(text);
}

static void my_write(struct client *client, const char *sql, const char *cols,
                     sqlite3_stmt *from, int batch)
{
  struct mysql_side *side = client->conn;
  struct my_column column[BENCH_COLS_MAX];
  bool text = strstr(sql, "@rows") != NULL;
  MYSQL_STMT *stmt = text ? NULL : my_prepared(side, sql);
  int rows = 0;

  for (int i = 0; cols[i]; i++)
    column[i] = my_column(batch);
  for (bool more = true; more;) {
    more = host_step(from);
    for (int i = 0; more && cols[i]; i++)
      my_take(&column[i], rows, cols[i], from, i);
    rows += more;
    if (rows == 0 || (more && rows < batch)) continue;
    if (text)
      my_write_text(side->conn, sql, column, cols, rows);
    else
      my_write_bound(stmt, column, cols, batch > 1 ? (unsigned)rows : 0);
    rows = 0;
  }
  for (int i = 0; cols[i]; i++)
    my_column_free(&column[i]);
}

/* ---- the client ---------------------------------------------------------- */

struct client *mysql_client(const char *url)
{
  static const struct client_ops ops = {
    my_scan, my_lookup, my_batches, my_exec, my_write,
  };
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
