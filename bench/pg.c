/* pg: bare loops over libpq. */
#include <arpa/inet.h>
#include <endian.h>
#include <libpq-fe.h>
#include <stdio.h>

#include "bench/bench.h"

/* ---- values -------------------------------------------------------------- */

static int64_t pg_int8(const char *p)
{
  uint64_t bits;

  memcpy(&bits, p, sizeof bits);
  return (int64_t)be64toh(bits);
}

static int32_t pg_int4(const char *p)
{
  uint32_t bits;

  memcpy(&bits, p, sizeof bits);
  return (int32_t)ntohl(bits);
}

static int pg_int2(const char *p)
{
  uint16_t bits;

  memcpy(&bits, p, sizeof bits);
  return (int16_t)ntohs(bits);
}

static double pg_float8(const char *p)
{
  int64_t bits = pg_int8(p);
  double x;

  memcpy(&x, &bits, sizeof x);
  return x;
}

/* Digits of base 10000; two decimals at most. */
static double pg_numeric(const char *p)
{
  int ndigit = pg_int2(p), weight = pg_int2(p + 2), sign = pg_int2(p + 4);
  int64_t cents = 0;

  for (int i = 0; i <= weight + 1; i++)
    cents = cents * 10000 + (i < ndigit ? pg_int2(p + 8 + 2 * i) : 0);
  cents /= 100;
  return (double)(sign ? -cents : cents) / 100.0;
}

/* Days since 2000-01-01 to YYYY-MM-DD, by the usual civil calendar. */
static void pg_date(const char *p, char text[10])
{
  unsigned z = (unsigned)(pg_int4(p) + 730425), era = z / 146097;
  unsigned doe = z - era * 146097;
  unsigned yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
  unsigned doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
  unsigned mp = (5 * doy + 2) / 153, d = doy - (153 * mp + 2) / 5 + 1;
  unsigned m = mp < 10 ? mp + 3 : mp - 9, y = yoe + era * 400 + (m <= 2);

  text[0] = (char)('0' + y / 1000);
  text[1] = (char)('0' + y / 100 % 10);
  text[2] = (char)('0' + y / 10 % 10);
  text[3] = (char)('0' + y % 10);
  text[4] = text[7] = '-';
  text[5] = (char)('0' + m / 10);
  text[6] = (char)('0' + m % 10);
  text[8] = (char)('0' + d / 10);
  text[9] = (char)('0' + d % 10);
}

static int pg_trimmed(const char *p, int size)
{
  while (size && p[size - 1] == ' ')
    size--;
  return size;
}

static void pg_binary(char type, int col, const char *p, int size,
                      struct bench_sum *sum)
{
  char date[10];

  switch (type) {
  case 'i':
    bench_integer(sum, col, pg_int8(p));
    break;
  case 'n':
    bench_integer(sum, col, pg_int4(p));
    break;
  case 'x':
    sum->reals += pg_float8(p);
    break;
  case 'm':
    sum->reals += pg_numeric(p);
    break;
  case 'd':
    pg_date(p, date);
    bench_text(sum, date, sizeof date);
    break;
  case 'c':
    bench_text(sum, p, pg_trimmed(p, size));
    break;
  default:
    bench_text(sum, p, size);
  }
}

/* ---- single-row mode ----------------------------------------------------- */

static PGconn *pg_conn(const struct client *client)
{
  return client->conn;
}

static void pg_result_rows(const PGresult *res, const char *cols,
                           struct bench_sum *sum)
{
  for (int row = 0; row < PQntuples(res); row++) {
    for (int i = 0; cols[i]; i++)
      pg_binary(cols[i], i, PQgetvalue(res, row, i), PQgetlength(res, row, i),
                sum);
    if (!bench_more(sum)) break;
  }
}

/* Each text is prepared once; its address tells texts apart. */
static const char *pg_prepared(PGconn *conn, const char *sql)
{
  static struct {
    PGconn *conn;
    const char *sql;
    char name[12];
  } known[64];
  int n = 0;
  PGresult *res;

  for (; n < 64 && known[n].sql; n++)
    if (known[n].conn == conn && known[n].sql == sql) return known[n].name;
  if (n == 64) bench_die(sql, "too many statements");
  snprintf(known[n].name, sizeof known[n].name, "s%d", n);
  res = PQprepare(conn, known[n].name, sql, 0, NULL);
  if (PQresultStatus(res) != PGRES_COMMAND_OK)
    bench_die(sql, PQerrorMessage(conn));
  PQclear(res);
  known[n].conn = conn;
  known[n].sql = sql;
  return known[n].name;
}

static void pg_scan_single(struct client *client, const char *sql,
                           const char *cols, struct bench_sum *sum)
{
  PGconn *conn = pg_conn(client);
  PGresult *res;

  if (!PQsendQueryPrepared(conn, pg_prepared(conn, sql), 0, NULL, NULL, NULL,
                           1) ||
      !PQsetSingleRowMode(conn))
    bench_die(sql, PQerrorMessage(conn));
  while ((res = PQgetResult(conn)) != NULL) {
    ExecStatusType status = PQresultStatus(res);

    if (status != PGRES_SINGLE_TUPLE && status != PGRES_TUPLES_OK)
      bench_die(sql, PQerrorMessage(conn));
    pg_result_rows(res, cols, sum);
    PQclear(res);
    if (sum->first_only) break;
  }
}

/* ---- COPY ---------------------------------------------------------------- */

static void pg_copy_row(const char *p, const char *cols, struct bench_sum *sum)
{
  p += 2;
  for (int i = 0; cols[i]; i++) {
    int size = pg_int4(p);

    p += 4;
    pg_binary(cols[i], i, p, size, sum);
    p += size;
  }
}

/* The end of a field of COPY's text form; undoes its backslashes in place. */
static char *pg_field(char *p, char **end)
{
  char *to = p;

  for (; *p != '\t' && *p != '\n'; *to++ = *p++)
    if (*p == '\\') p++;
  *end = to;
  return p + 1;
}

static void pg_copy_line(char *p, const char *cols, struct bench_sum *sum)
{
  for (int i = 0; cols[i]; i++) {
    char *end, *next = pg_field(p, &end);

    *end = 0;
    if (cols[i] == 'i' || cols[i] == 'n')
      bench_integer(sum, i, strtoll(p, NULL, 10));
    else if (cols[i] == 'x' || cols[i] == 'm')
      sum->reals += strtod(p, NULL);
    else if (cols[i] == 'c')
      bench_text(sum, p, pg_trimmed(p, (int)(end - p)));
    else
      bench_text(sum, p, (int)(end - p));
    p = next;
  }
}

static void pg_scan_copy(struct client *client, const char *sql,
                         const char *cols, struct bench_sum *sum)
{
  PGconn *conn = pg_conn(client);
  bool binary = client->how == PG_COPY_BINARY, head = binary;
  char *text = bench_format("COPY (%s) TO STDOUT%s", sql,
                            binary ? " (FORMAT binary)" : "");
  PGresult *res = PQexec(conn, text);
  char *row;
  int size;

  if (PQresultStatus(res) != PGRES_COPY_OUT)
    bench_die(text, PQerrorMessage(conn));
  PQclear(res);
  sqlite3_free(text);
  while ((size = PQgetCopyData(conn, &row, 0)) > 0) {
    /* The file's head comes together with the first row. */
    char *p = head ? row + 19 : row;

    head = false;
    if (!binary)
      pg_copy_line(p, cols, sum);
    else if (pg_int2(p) >= 0)
      pg_copy_row(p, cols, sum);
    else
      sum->rows--;
    PQfreemem(row);
    if (!bench_more(sum)) return;
  }
  if (size < -1) bench_die(sql, PQerrorMessage(conn));
  while ((res = PQgetResult(conn)) != NULL)
    PQclear(res);
}

/* ---- writing ------------------------------------------------------------- */

#define PG_SEND 65536 /* bytes of COPY at a time */

struct pg_out {
  char *p;
  size_t n, room;
};

static void pg_put(struct pg_out *out, const void *from, size_t n)
{
  if (out->n + n > out->room) {
    out->room = 2 * (out->n + n) + PG_SEND;
    out->p = realloc(out->p, out->room);
    if (!out->p) bench_die("memory", "no more");
  }
  memcpy(out->p + out->n, from, n);
  out->n += n;
}

static void pg_put_int4(struct pg_out *out, uint32_t value)
{
  value = htonl(value);
  pg_put(out, &value, sizeof value);
}

static void pg_put_int8(struct pg_out *out, uint64_t value)
{
  value = htobe64(value);
  pg_put(out, &value, sizeof value);
}

/* Its size, then its bytes. */
static void pg_put_value(struct pg_out *out, char type, sqlite3_stmt *from,
                         int col)
{
  double real = sqlite3_column_double(from, col);
  const unsigned char *text;
  uint64_t bits;

  switch (type) {
  case 'i':
    pg_put_int4(out, 8);
    pg_put_int8(out, (uint64_t)sqlite3_column_int64(from, col));
    break;
  case 'n':
    pg_put_int4(out, 4);
    pg_put_int4(out, (uint32_t)sqlite3_column_int(from, col));
    break;
  case 'x':
    memcpy(&bits, &real, sizeof bits);
    pg_put_int4(out, 8);
    pg_put_int8(out, bits);
    break;
  default:
    text = sqlite3_column_text(from, col);
    pg_put_int4(out, (uint32_t)sqlite3_column_bytes(from, col));
    pg_put(out, text, (size_t)sqlite3_column_bytes(from, col));
  }
}

static void pg_done(PGconn *conn, const char *sql, PGresult *res,
                    ExecStatusType want)
{
  if (PQresultStatus(res) != want) bench_die(sql, PQerrorMessage(conn));
  PQclear(res);
}

static void pg_exec(struct client *client, const char *sql)
{
  pg_done(pg_conn(client), sql, PQexec(pg_conn(client), sql), PGRES_COMMAND_OK);
}

static void pg_send(PGconn *conn, const char *sql, struct pg_out *out)
{
  if (PQputCopyData(conn, out->p, (int)out->n) != 1)
    bench_die(sql, PQerrorMessage(conn));
  out->n = 0;
}

static void pg_write_copy(PGconn *conn, const char *sql, const char *cols,
                          sqlite3_stmt *from)
{
  struct pg_out out = {0};
  uint16_t ncol = htons((uint16_t)strlen(cols)), end = 0xffff;

  pg_done(conn, sql, PQexec(conn, sql), PGRES_COPY_IN);
  pg_put(&out, "PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0", 19);
  while (host_step(from)) {
    pg_put(&out, &ncol, sizeof ncol);
    for (int i = 0; cols[i]; i++)
      pg_put_value(&out, cols[i], from, i);
    if (out.n >= PG_SEND) pg_send(conn, sql, &out);
  }
  pg_put(&out, &end, sizeof end);
  pg_send(conn, sql, &out);
  if (PQputCopyEnd(conn, NULL) != 1) bench_die(sql, PQerrorMessage(conn));
  pg_done(conn, sql, PQgetResult(conn), PGRES_COMMAND_OK);
  PQclear(PQgetResult(conn));
  free(out.p);
}

/* Each parameter stands in `out`, behind its size of `skip` bytes. */
static void pg_run(PGconn *conn, const char *sql, const struct pg_out *out,
                   int n, size_t skip)
{
  const char *value[BENCH_COLS_MAX];
  int length[BENCH_COLS_MAX], format[BENCH_COLS_MAX];

  for (int i = 0; i < n; i++) {
    value[i] = out[i].p + skip;
    length[i] = (int)(out[i].n - skip);
    format[i] = 1;
  }
  pg_done(
    conn, sql,
    PQexecPrepared(conn, pg_prepared(conn, sql), n, value, length, format, 1),
    PGRES_COMMAND_OK);
}

/* An array's head; how many it has is put in when that is known. */
static void pg_put_head(struct pg_out *out, char type)
{
  static const struct {
    char type;
    uint32_t oid;
  } known[] = {
    {'i', 20 },
    {'n', 23 },
    {'x', 701},
    {'t', 25 },
  };
  uint32_t oid = 0;

  for (size_t i = 0; i < sizeof known / sizeof *known; i++)
    if (known[i].type == type) oid = known[i].oid;
  out->n = 0;
  pg_put_int4(out, 1);
  pg_put_int4(out, 0);
  pg_put_int4(out, oid);
  pg_put_int4(out, 0);
  pg_put_int4(out, 1);
}

static void pg_run_arrays(PGconn *conn, const char *sql, struct pg_out *out,
                          int n, int rows)
{
  uint32_t count = htonl((uint32_t)rows);

  for (int i = 0; i < n; i++)
    memcpy(out[i].p + 12, &count, sizeof count);
  pg_run(conn, sql, out, n, 0);
}

static void pg_write_rows(PGconn *conn, const char *sql, const char *cols,
                          sqlite3_stmt *from, int batch)
{
  struct pg_out out[BENCH_COLS_MAX] = {0};
  int rows = 0, n = (int)strlen(cols);

  while (host_step(from)) {
    for (int i = 0; i < n; i++) {
      if (batch == 1)
        out[i].n = 0;
      else if (rows == 0)
        pg_put_head(&out[i], cols[i]);
      pg_put_value(&out[i], cols[i], from, i);
    }
    if (batch == 1) {
      pg_run(conn, sql, out, n, 4);
    } else if (++rows == batch) {
      pg_run_arrays(conn, sql, out, n, rows);
      rows = 0;
    }
  }
  if (rows) pg_run_arrays(conn, sql, out, n, rows);
  for (int i = 0; i < n; i++)
    free(out[i].p);
}

static void pg_write(struct client *client, const char *sql, const char *cols,
                     sqlite3_stmt *from, int batch)
{
  if (strncmp(sql, "COPY ", 5) == 0)
    pg_write_copy(pg_conn(client), sql, cols, from);
  else
    pg_write_rows(pg_conn(client), sql, cols, from, batch);
}

/* ---- the client ---------------------------------------------------------- */

/* After a scan that ended early: stop the server, take what is under way. */
static void pg_stop(PGconn *conn)
{
  PGcancel *cancel = PQgetCancel(conn);
  char error[256], *row;
  PGresult *res;

  PQcancel(cancel, error, sizeof error);
  PQfreeCancel(cancel);
  while ((res = PQgetResult(conn)) != NULL) {
    if (PQresultStatus(res) == PGRES_COPY_OUT)
      while (PQgetCopyData(conn, &row, 0) > 0)
        PQfreemem(row);
    PQclear(res);
  }
}

static void pg_scan(struct client *client, const char *sql, const char *cols,
                    struct bench_sum *sum)
{
  if (client->how == PG_SINGLE)
    pg_scan_single(client, sql, cols, sum);
  else
    pg_scan_copy(client, sql, cols, sum);
  if (sum->first_only) pg_stop(pg_conn(client));
}

static void pg_execute(PGconn *conn, const char *sql, const char *cols,
                       const char *value, int length, struct bench_sum *sum)
{
  int format = 1;
  PGresult *res = PQexecPrepared(conn, pg_prepared(conn, sql), 1, &value,
                                 &length, &format, 1);

  if (PQresultStatus(res) != PGRES_TUPLES_OK)
    bench_die(sql, PQerrorMessage(conn));
  pg_result_rows(res, cols, sum);
  PQclear(res);
}

static void pg_lookup(struct client *client, const char *sql, const char *cols,
                      const int64_t *key, int nkey, struct bench_sum *sum)
{
  for (int i = 0; i < nkey; i++) {
    uint64_t bits = htobe64((uint64_t)key[i]);

    pg_execute(pg_conn(client), sql, cols, (const char *)&bits, sizeof bits,
               sum);
  }
}

/* A bigint[] in binary form. */
static void pg_array(const int64_t *key, uint32_t n, char *to)
{
  uint32_t head[] = {htonl(1), 0, htonl(20), htonl(n), htonl(1)};
  uint32_t size = htonl(8);

  memcpy(to, head, sizeof head);
  to += sizeof head;
  for (uint32_t i = 0; i < n; i++, to += 12) {
    uint64_t bits = htobe64((uint64_t)key[i]);

    memcpy(to, &size, 4);
    memcpy(to + 4, &bits, 8);
  }
}

static void pg_batches(struct client *client, const char *sql, const char *cols,
                       const int64_t *key, int nkey, int batch,
                       struct bench_sum *sum)
{
  char *array = malloc(20 + 12 * (size_t)batch);

  if (!array) bench_die("memory", "no more");
  for (int i = 0; i < nkey; i += batch) {
    int n = nkey - i < batch ? nkey - i : batch;

    pg_array(key + i, (uint32_t)n, array);
    pg_execute(pg_conn(client), sql, cols, array, 20 + 12 * n, sum);
  }
  free(array);
}

struct client *pg_client(const char *url, int how)
{
  static const struct client_ops ops = {
    pg_scan, pg_lookup, pg_batches, pg_exec, pg_write,
  };
  struct client *client;
  PGconn *conn;

  if (!url || !*url) return NULL;
  conn = PQconnectdb(url);
  if (PQstatus(conn) != CONNECTION_OK) bench_die(url, PQerrorMessage(conn));
  client = calloc(1, sizeof *client);
  if (!client) bench_die("memory", "no more");
  client->ops = &ops;
  client->conn = conn;
  client->how = how;
  return client;
}
