/* bench/mysql: MariaDB, against Connector/C: prepared, binary, unbuffered. */
#include "bench/bench.h"

#include <mysql.h>

static MYSQL *plain_conn;
static MYSQL_STMT *plain_stmt[3];

/* Where a row is fetched to, and the key that is asked for. */
static long long plain_id, plain_key;
static int plain_n;
static double plain_x;
static char plain_t[256];
static unsigned long plain_size;

static MYSQL_BIND plain_result[4], plain_param;

static void plain_bind(MYSQL_BIND *bind, enum enum_field_types type, void *to)
{
  bind->buffer_type = type;
  bind->buffer = to;
}

static void plain_bind_all(void)
{
  plain_bind(&plain_result[0], MYSQL_TYPE_LONGLONG, &plain_id);
  plain_bind(&plain_result[1], MYSQL_TYPE_LONG, &plain_n);
  plain_bind(&plain_result[2], MYSQL_TYPE_DOUBLE, &plain_x);
  plain_bind(&plain_result[3], MYSQL_TYPE_STRING, plain_t);
  plain_result[3].buffer_length = sizeof plain_t;
  plain_result[3].length = &plain_size;
  plain_bind(&plain_param, MYSQL_TYPE_LONGLONG, &plain_key);
}

static MYSQL_STMT *plain_prepare(const char *sql)
{
  MYSQL_STMT *stmt = mysql_stmt_init(plain_conn);

  if (!stmt || mysql_stmt_prepare(stmt, sql, strlen(sql)))
    bench_die(sql, mysql_error(plain_conn));
  return stmt;
}

/* mysql://user@localhost/dbname?socket=PATH is all that run.sh gives. */
void plain_open(const char *url)
{
  char user[64], dbname[64];
  const char *socket = strstr(url, "socket=");

  if (!socket ||
      sscanf(url, "mysql://%63[^@]@localhost/%63[^?]", user, dbname) != 2)
    bench_die(url, "expected mysql://user@localhost/dbname?socket=...");
  plain_conn = mysql_init(NULL);
  if (!mysql_real_connect(plain_conn, "localhost", user, NULL, dbname, 0,
                          socket + strlen("socket="), 0))
    bench_die(url, mysql_error(plain_conn));
  plain_stmt[BENCH_COUNT] = plain_prepare("SELECT count(*) FROM bench");
  plain_stmt[BENCH_SCAN] = plain_prepare("SELECT id, n, x, t FROM bench");
  plain_stmt[BENCH_LOOKUP] =
    plain_prepare("SELECT id, n, x, t FROM bench WHERE id = ?");
  plain_bind_all();
  mysql_stmt_bind_param(plain_stmt[BENCH_LOOKUP], &plain_param);
}

const char *plain_version(void)
{
  static char text[40];
  const char *info = mysql_get_server_info(plain_conn);

  snprintf(text, sizeof text, "%s %.*s",
           strstr(info, "MariaDB") ? "MariaDB" : "MySQL",
           (int)strcspn(info, "-"), info);
  return text;
}

static void plain_execute(MYSQL_STMT *stmt)
{
  if (mysql_stmt_execute(stmt) || mysql_stmt_bind_result(stmt, plain_result))
    bench_die("execute", mysql_stmt_error(stmt));
}

static void plain_rows(MYSQL_STMT *stmt, struct bench_sum *sum)
{
  int rc;

  plain_execute(stmt);
  while ((rc = mysql_stmt_fetch(stmt)) == 0)
    bench_add(sum, plain_id, plain_n, plain_x, plain_t, (int)plain_size);
  if (rc != MYSQL_NO_DATA) bench_die("fetch", mysql_stmt_error(stmt));
  mysql_stmt_free_result(stmt);
}

void plain_count(struct bench_sum *sum)
{
  MYSQL_STMT *stmt = plain_stmt[BENCH_COUNT];

  plain_execute(stmt);
  while (mysql_stmt_fetch(stmt) == 0)
    sum->rows = plain_id;
  mysql_stmt_free_result(stmt);
}

void plain_scan(struct bench_sum *sum)
{
  plain_rows(plain_stmt[BENCH_SCAN], sum);
}

void plain_lookup(const int64_t *key, int n, struct bench_sum *sum)
{
  for (int i = 0; i < n; i++) {
    plain_key = key[i];
    plain_rows(plain_stmt[BENCH_LOOKUP], sum);
  }
}
