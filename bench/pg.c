/* bench/pg: PostgreSQL, against libpq: prepared, binary, single-row mode. */
#include "bench/bench.h"

#include <arpa/inet.h>
#include <endian.h>
#include <libpq-fe.h>

static PGconn *plain_conn;

void plain_open(const char *url)
{
  static const char *const sql[][2] = {
    {"count",  "SELECT count(*) FROM bench"                       },
    {"scan",   "SELECT id, n, x, t FROM bench"                    },
    {"lookup", "SELECT id, n, x, t FROM bench WHERE id = $1::int8"},
  };

  plain_conn = PQconnectdb(url);
  if (PQstatus(plain_conn) != CONNECTION_OK)
    bench_die(url, PQerrorMessage(plain_conn));
  for (int i = 0; i < 3; i++) {
    PGresult *res = PQprepare(plain_conn, sql[i][0], sql[i][1], 0, NULL);

    if (PQresultStatus(res) != PGRES_COMMAND_OK)
      bench_die(sql[i][1], PQerrorMessage(plain_conn));
    PQclear(res);
  }
}

const char *plain_version(void)
{
  static char text[40];
  int version = PQserverVersion(plain_conn);

  snprintf(text, sizeof text, "PostgreSQL %d.%d", version / 10000,
           version % 10000);
  return text;
}

static int64_t plain_int8(const PGresult *res, int row, int col)
{
  uint64_t bits;

  memcpy(&bits, PQgetvalue(res, row, col), sizeof bits);
  return (int64_t)be64toh(bits);
}

static void plain_row(const PGresult *res, int row, struct bench_sum *sum)
{
  int64_t bits = plain_int8(res, row, 2);
  uint32_t n;
  double x;

  memcpy(&n, PQgetvalue(res, row, 1), sizeof n);
  memcpy(&x, &bits, sizeof x);
  bench_add(sum, plain_int8(res, row, 0), (int32_t)ntohl(n), x,
            PQgetvalue(res, row, 3), PQgetlength(res, row, 3));
}

void plain_count(struct bench_sum *sum)
{
  PGresult *res = PQexecPrepared(plain_conn, "count", 0, NULL, NULL, NULL, 1);

  if (PQresultStatus(res) != PGRES_TUPLES_OK)
    bench_die("count", PQerrorMessage(plain_conn));
  sum->rows = plain_int8(res, 0, 0);
  PQclear(res);
}

void plain_scan(struct bench_sum *sum)
{
  PGresult *res;

  if (!PQsendQueryPrepared(plain_conn, "scan", 0, NULL, NULL, NULL, 1) ||
      !PQsetSingleRowMode(plain_conn))
    bench_die("scan", PQerrorMessage(plain_conn));
  while ((res = PQgetResult(plain_conn)) != NULL) {
    if (PQresultStatus(res) == PGRES_SINGLE_TUPLE)
      plain_row(res, 0, sum);
    else if (PQresultStatus(res) != PGRES_TUPLES_OK)
      bench_die("scan", PQerrorMessage(plain_conn));
    PQclear(res);
  }
}

void plain_lookup(const int64_t *key, int n, struct bench_sum *sum)
{
  for (int i = 0; i < n; i++) {
    uint64_t bits = htobe64((uint64_t)key[i]);
    const char *value = (const char *)&bits;
    int length = sizeof bits, format = 1;
    PGresult *res =
      PQexecPrepared(plain_conn, "lookup", 1, &value, &length, &format, 1);

    if (PQresultStatus(res) != PGRES_TUPLES_OK)
      bench_die("lookup", PQerrorMessage(plain_conn));
    for (int row = 0; row < PQntuples(res); row++)
      plain_row(res, row, sum);
    PQclear(res);
  }
}
