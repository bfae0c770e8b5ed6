/*
 * pg_row: any bytes as values and rows of PostgreSQL's wire: one value at a
 * time, a row of a PGresult, messages of COPY, an error message. Nothing is
 * read or written outside. What is decoded means the same as the bytes, by
 * another way of reading them, and what is refused was wrong.
 *
 * The input: flags, the number of columns; for each of these a type, a modifier
 * and a value; what remains are messages of COPY, each behind its length.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/mem.h"
#include "drv/pg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define COLUMNS_MAX 12
#define TEXT_MAX    (4 * 32768 + 16384 + 16) /* of a numeric */

enum { FLAG_TEXT = 1, FLAG_HEADED = 2, FLAG_WANT = 4 };

/* Of every class, and some that have no decoder: timetz, json, jsonb, int4[],
 * interval, inet, one of a user's. */
static const Oid oids[] = {
  16,   17,   19,   20,   21,   23,   25,   26,   700,   701,  705,
  1042, 1043, 1082, 1083, 1114, 1184, 1700, 114,  3802,  1007, 1186,
  1266, 869,  2950, 1700, 1700, 1700, 1042, 1082, 99999,
};

struct input {
  const uint8_t *p;
  size_t size;
};

struct field {
  PGresAttDesc head;
  char *bytes; /* NULL: no value; else a zero stands behind them */
  int len;
};

struct run {
  struct fed_pg_conn pg;
  struct fed_pg_stmt st;
  struct fed_pg_col col[COLUMNS_MAX];
  struct fed_value row[COLUMNS_MAX];
  enum fed_class want[COLUMNS_MAX];
  struct field field[COLUMNS_MAX];
  uint64_t sum[COLUMNS_MAX]; /* of the row */
};

static void expect(bool ok)
{
  if (!ok) abort();
}

/* ---- the wire is ours -------------------------------------------------- */

static struct input *wire;
static struct input sent; /* the last message, as it was */

static unsigned take(struct input *in)
{
  if (in->size == 0) return 0;
  in->size--;
  return *in->p++;
}

/* A copy in memory of just that length, and one for a zero. */
static char *take_bytes(struct input *in, size_t n)
{
  char *bytes;

  if (n > in->size) n = in->size;
  bytes = malloc(n + 1);
  if (!bytes) abort();
  memcpy(bytes, in->p, n);
  bytes[n] = 0;
  in->p += n;
  in->size -= n;
  return bytes;
}

/* libpq's, in its place: the next message; no empty ones. */
int PQgetCopyData(PGconn *conn, char **out, int async)
{
  size_t n = (size_t)take(wire) << 8;

  (void)conn;
  (void)async;
  *out = NULL;
  n |= take(wire);
  if (n > wire->size) n = wire->size;
  if (n == 0) return -1;
  sent = (struct input){wire->p, n};
  *out = take_bytes(wire, n);
  return (int)n;
}

/* ---- what a value means ------------------------------------------------ */

/* The number in the digits at *p, at least `n` of them. */
static long digits(const char **p, int n)
{
  long v = 0;
  int seen = 0;

  for (; **p >= '0' && **p <= '9'; ++*p, seen++)
    v = v * 10 + (**p - '0');
  expect(seen >= n);
  return v;
}

static void expect_char(const char **p, char c)
{
  expect(*(*p)++ == c);
}

/* YYYY-MM-DD: days since 2000-01-01. `bc`: the text ends so. */
static int64_t read_date(const char **p, bool bc)
{
  struct tm tm = {0}, same;
  time_t t;

  tm.tm_year = (int)digits(p, 4);
  expect(tm.tm_year > 0);
  tm.tm_year = (bc ? 1 - tm.tm_year : tm.tm_year) - 1900;
  expect_char(p, '-');
  tm.tm_mon = (int)digits(p, 2) - 1;
  expect_char(p, '-');
  tm.tm_mday = (int)digits(p, 2);
  same = tm;
  t = timegm(&same);
  expect(same.tm_mon == tm.tm_mon && same.tm_mday == tm.tm_mday);
  return t / 86400 - 10957;
}

/* HH:MM:SS[.f]: microseconds. */
static int64_t read_time(const char **p)
{
  int64_t us = digits(p, 2) * INT64_C(3600000000);
  long part;

  expect_char(p, ':');
  part = digits(p, 2);
  expect(part < 60);
  us += part * INT64_C(60000000);
  expect_char(p, ':');
  part = digits(p, 2);
  expect(part < 60);
  us += part * INT64_C(1000000);
  if (**p != '.') return us;
  for (long unit = 100000; *++*p >= '0' && **p <= '9'; unit /= 10)
    us += (**p - '0') * unit;
  expect((*p)[-1] != '0' && (*p)[-1] != '.');
  return us;
}

static bool is_infinity(const struct fed_value *v, bool above)
{
  return strcmp(v->p, above ? "infinity" : "-infinity") == 0;
}

/* The text of a date or timestamp is that of `wanted`. */
static void check_date(const struct fed_value *v, bool timestamp,
                       int64_t wanted)
{
  const char *p = v->p;
  size_t n = strlen(p);
  bool bc = n > 3 && strcmp(p + n - 3, " BC") == 0;
  int64_t at = read_date(&p, bc);

  if (timestamp) {
    expect_char(&p, ' ');
    at = at * INT64_C(86400000000) + read_time(&p);
  }
  expect(at == wanted && strcmp(p, bc ? " BC" : "") == 0);
}

/* A number: its digits without zeros around them, and the place of the first
 * as a power of ten. */
struct number {
  char digits[TEXT_MAX];
  int n, power;
};

static void number_add(struct number *num, char digit)
{
  if (num->n == 0 && digit == '0')
    num->power--;
  else
    num->digits[num->n++] = digit;
}

static void number_end(struct number *num)
{
  while (num->n > 0 && num->digits[num->n - 1] == '0')
    num->n--;
  if (num->n == 0) num->power = 0;
}

static struct number of_text, of_wire;

/* Returns how many decimals are shown. */
static int read_number(const char *p)
{
  const char *point = strchr(p, '.');
  size_t whole = point ? (size_t)(point - p) : strlen(p);

  expect(whole > 0);
  of_text.n = 0;
  of_text.power = (int)whole - 1;
  for (; *p; p++) {
    if (p == point) continue;
    expect(*p >= '0' && *p <= '9');
    number_add(&of_text, *p);
  }
  number_end(&of_text);
  return point ? (int)strlen(point + 1) : 0;
}

static void read_wire(const char *bytes, int len)
{
  of_wire.n = 0;
  of_wire.power = (int16_t)fed_pg_u16(bytes + 2) * 4 + 3;
  for (int i = 8; i < len; i += 2) {
    char group[8];

    snprintf(group, sizeof group, "%04u", (unsigned)fed_pg_u16(bytes + i));
    for (int k = 0; k < 4; k++)
      number_add(&of_wire, group[k]);
  }
  number_end(&of_wire);
}

/* A numeric that a server may send: none of its digits is hidden by dscale. */
static bool is_numeric(const char *bytes, int len)
{
  if (len < 8 || len != 8 + 2 * fed_pg_u16(bytes)) return false;
  if ((fed_pg_u16(bytes + 4) & ~0x4000) || fed_pg_u16(bytes + 6) > 0x3FFF)
    return false;
  for (int i = 8; i < len; i += 2)
    if (fed_pg_u16(bytes + i) > 9999) return false;
  read_wire(bytes, len);
  return of_wire.n == 0 ||
         of_wire.n - 1 - of_wire.power <= fed_pg_u16(bytes + 6);
}

/* As a server stores it, no group of zeros at an end: nothing that the
 * declared precision allows may be refused. */
static bool is_stripped(const char *bytes, int len)
{
  return len == 8 || (fed_pg_u16(bytes + 8) && fed_pg_u16(bytes + len - 2));
}

/* All three forms of one numeric. */
static void check_numeric(const char *bytes, int len)
{
  struct fed_pg_col col = {0};
  struct fed_value text, i, r;
  char *copy = malloc((size_t)len + 1);
  bool good = is_numeric(bytes, len);
  bool minus, integer, real;

  if (!copy) abort();
  memcpy(copy, bytes, (size_t)len + 1);
  integer = fed_pg_decint(&col, copy, len, &i) == SQLITE_OK;
  real = fed_pg_decreal(&col, copy, len, &r) == SQLITE_OK;
  if (fed_pg_decimal(&col, copy, len, &text) != SQLITE_OK) {
    expect(!good && !integer && !real);
  } else if (good) {
    minus = *text.p == '-';
    expect(minus == (fed_pg_u16(bytes + 4) == 0x4000));
    expect(read_number(text.p + minus) == fed_pg_u16(bytes + 6));
    expect(of_text.n == of_wire.n && of_text.power == of_wire.power);
    expect(memcmp(of_text.digits, of_wire.digits, (size_t)of_text.n) == 0);
    if (integer) expect(i.i == strtoll(text.p, NULL, 10));
    if (real) expect(r.r == strtod(text.p, NULL));
    if (is_stripped(bytes, len)) {
      expect(integer || strchr(text.p, '.') || of_text.power > 17);
      expect(real || strlen(text.p) > 15);
    }
  }
  fed_free(col.buf);
  free(copy);
}

/* ---- binary values ----------------------------------------------------- */

static int64_t big_endian(const char *bytes, int len)
{
  int64_t v = len > 0 ? (signed char)bytes[0] : 0;

  for (int i = 1; i < len; i++)
    v = (int64_t)((uint64_t)v << 8 | (unsigned char)bytes[i]);
  return v;
}

static void check_float(const struct fed_value *v, const char *bytes, int len)
{
  int64_t bits = big_endian(bytes, len);
  int32_t low = (int32_t)bits;
  double r;
  float f;

  memcpy(&r, &bits, sizeof r);
  memcpy(&f, &low, sizeof f);
  if (len == 4) r = (double)f;
  expect(r != r ? v->type == FED_NULL : v->type == FED_REAL && v->r == r);
}

static void check_uuid(const struct fed_value *v, const char *bytes)
{
  char text[40], *to = text;

  for (int i = 0; i < 16; i++)
    to += sprintf(to, i == 4 || i == 6 || i == 8 || i == 10 ? "-%02x" : "%02x",
                  (unsigned char)bytes[i]);
  expect(strcmp(v->p, text) == 0);
}

static void check_char(const struct fed_value *v, const char *bytes, int len)
{
  expect(v->size <= len && memcmp(v->p, bytes, (size_t)v->size) == 0);
  expect(v->size == 0 || v->p[v->size - 1] != ' ');
  for (int64_t i = v->size; i < len; i++)
    expect(bytes[i] == ' ');
}

/* Is there no value of the type with these bytes? */
static bool is_wrong(enum fed_class class, Oid oid, const char *bytes, int len)
{
  const int64_t day = INT64_C(86400000000), first = -2451545;
  int64_t v = len <= 8 ? big_endian(bytes, len) : 0;

  switch (class) {
  case FED_CLASS_INT:
    return len != (oid == 20 ? 8 : oid == 21 ? 2 : 4);
  case FED_CLASS_BOOL:
    return len != 1;
  case FED_CLASS_REAL:
    return len != 8;
  case FED_CLASS_FLOAT4:
    return len != 4;
  case FED_CLASS_UUID:
    return len != 16;
  case FED_CLASS_DATE:
    return len != 4 || (v < first && v != INT32_MIN);
  case FED_CLASS_TIME:
    return len != 8 || v < 0 || v > day;
  case FED_CLASS_TIMESTAMP:
  case FED_CLASS_TIMESTAMPTZ:
    return len != 8 || (v < first * day && v != INT64_MIN);
  case FED_CLASS_TEXT:
  case FED_CLASS_CHAR:
  case FED_CLASS_BLOB:
    return false;
  case FED_CLASS_DECINT: /* see check_numeric() */
  case FED_CLASS_DECREAL:
  case FED_CLASS_DECIMAL:
  case FED_CLASS_ANY:
  case FED_CLASS_UINT:
  case FED_CLASS_OTHER:
  case FED_CLASS_COUNT:
    break;
  }
  return true;
}

static void check_moment(const struct fed_value *v, bool timestamp,
                         const char *bytes, int len)
{
  int64_t at = big_endian(bytes, len);
  int64_t end = timestamp ? INT64_MAX : INT32_MAX;

  if (at == end || at == -end - 1)
    expect(is_infinity(v, at > 0));
  else
    check_date(v, timestamp, at);
}

static void check_binary(enum fed_class class, Oid oid,
                         const struct fed_value *v, const char *bytes, int len)
{
  const char *p = v->p;

  switch (class) {
  case FED_CLASS_INT:
    expect(v->i ==
           (oid == 26 ? (int64_t)fed_pg_u32(bytes) : big_endian(bytes, len)));
    break;
  case FED_CLASS_BOOL:
    expect(v->i == (*bytes != 0));
    break;
  case FED_CLASS_REAL:
  case FED_CLASS_FLOAT4:
    check_float(v, bytes, len);
    break;
  case FED_CLASS_TEXT:
  case FED_CLASS_BLOB:
    expect(v->size == len && memcmp(v->p, bytes, (size_t)len) == 0);
    break;
  case FED_CLASS_CHAR:
    check_char(v, bytes, len);
    break;
  case FED_CLASS_UUID:
    check_uuid(v, bytes);
    break;
  case FED_CLASS_TIME:
    expect(read_time(&p) == big_endian(bytes, len) && *p == 0);
    break;
  case FED_CLASS_DATE:
  case FED_CLASS_TIMESTAMP:
  case FED_CLASS_TIMESTAMPTZ:
    check_moment(v, class != FED_CLASS_DATE, bytes, len);
    break;
  case FED_CLASS_DECINT: /* see check_numeric() */
  case FED_CLASS_DECREAL:
  case FED_CLASS_DECIMAL:
  case FED_CLASS_ANY:
  case FED_CLASS_UINT:
  case FED_CLASS_OTHER:
  case FED_CLASS_COUNT:
    break;
  }
}

/* ---- text values ------------------------------------------------------- */

static void check_text(enum fed_class class, const struct fed_value *v,
                       const char *bytes, int len)
{
  char *end;

  errno = 0;
  if (class == FED_CLASS_TEXT) {
    expect(v->size == len && memcmp(v->p, bytes, (size_t)len) == 0);
  } else if (v->type == FED_INT && class != FED_CLASS_BOOL) {
    expect(v->i == strtoll(bytes, &end, 10) && end == bytes + len && !errno);
  } else if (class == FED_CLASS_BOOL) {
    expect(strcmp(bytes, v->i ? "t" : "f") == 0);
  } else if (v->type == FED_REAL) {
    expect(v->r == strtod(bytes, &end) && end == bytes + len);
  } else if (class == FED_CLASS_BLOB) {
    expect(v->size * 2 + 2 == len);
    for (int64_t i = 0; i < v->size; i++) {
      char hex[4];

      snprintf(hex, sizeof hex, "%02x", (unsigned char)v->p[i]);
      expect(memcmp(hex, bytes + 2 + i * 2, 2) == 0);
    }
  }
}

/* ---- the three ways ---------------------------------------------------- */

/* Sound in itself, and still there. Returns what tells it from others. */
static uint64_t look(const struct fed_value *v)
{
  uint64_t sum = (uint64_t)v->type;
  uint64_t bits;

  if (v->type == FED_INT || v->type == FED_REAL) {
    memcpy(&bits, v->type == FED_INT ? (const void *)&v->i : &v->r, 8);
    return sum ^ bits;
  }
  if (v->type != FED_TEXT && v->type != FED_BLOB) return sum;
  expect(v->size >= 0);
  for (int64_t i = 0; i < v->size; i++)
    sum = sum * 31 + (unsigned char)v->p[i] + 1;
  if (v->cstr) expect(v->p[v->size] == 0);
  return sum;
}

/* One value. Returns whether it was taken. */
static bool one_value(const struct run *run, int i)
{
  const struct field *f = &run->field[i];
  struct fed_pg_col col = run->st.col[i];
  enum fed_class class = fed_pg_class(col.oid, col.fmod);
  char *copy = malloc((size_t)f->len + 1);
  struct fed_value v;
  int rc;

  if (!copy) abort();
  memcpy(copy, f->bytes, (size_t)f->len + 1);
  rc = col.decode(&col, copy, f->len, &v);
  expect(rc == SQLITE_OK || rc == SQLITE_CORRUPT);
  if (rc == SQLITE_OK) {
    look(&v);
    if (run->st.text)
      check_text(class, &v, f->bytes, f->len);
    else
      check_binary(class, col.oid, &v, f->bytes, f->len);
  } else if (!run->st.text) {
    expect(is_wrong(class, col.oid, f->bytes, f->len));
  }
  if (col.oid == 1700 && !run->st.text) check_numeric(f->bytes, f->len);
  fed_free(col.buf);
  free(copy);
  return rc == SQLITE_OK;
}

static void failed(struct run *run, int rc, const struct fed_err *err)
{
  expect(rc == SQLITE_IOERR && err->msg[0] && run->pg.base.broken);
  run->pg.base.broken = false;
}

/* As a row of a result, which st->res is. */
static bool one_result(struct run *run)
{
  struct fed_err err = FED_ERR_INIT;
  int rc;

  for (int i = 0; i < run->st.base.ncol; i++)
    expect(PQsetvalue(run->st.res, 0, i, run->field[i].bytes,
                      run->field[i].bytes ? run->field[i].len : -1));
  run->st.state = FED_PG_FIRST;
  run->pg.active = &run->st;
  rc = fed_pg_step(&run->st.base, NULL, &err);
  if (rc != SQLITE_ROW) failed(run, rc, &err);
  for (int i = 0; rc == SQLITE_ROW && i < run->st.base.ncol; i++)
    run->sum[i] = look(&run->row[i]);
  return rc == SQLITE_ROW;
}

/* The next row of `from`, if there is one that is none too wrong. */
static bool copy_row(struct run *run, struct input *from)
{
  struct fed_err err = FED_ERR_INIT;
  int rc;

  wire = from;
  rc = fed_pg_copy_step(&run->st, NULL, &err);
  if (rc != SQLITE_ROW && rc != SQLITE_DONE) failed(run, rc, &err);
  return rc == SQLITE_ROW;
}

static size_t put(uint8_t *to, size_t n, uint32_t v)
{
  for (size_t i = 0; i < n; i++)
    to[i] = (uint8_t)(v >> 8 * (n - 1 - i));
  return n;
}

/* The same values in a message: the row must be the one of before. */
static void same_by_copy(struct run *run)
{
  static uint8_t message[2 + 2 + COLUMNS_MAX * (4 + 255)];
  struct input in = {message, 0};
  size_t n = 2;

  n += put(message + n, 2, (uint32_t)run->st.base.ncol);
  for (int i = 0; i < run->st.base.ncol; i++) {
    const struct field *f = &run->field[i];

    n += put(message + n, 4, f->bytes ? (uint32_t)f->len : UINT32_MAX);
    if (f->bytes) memcpy(message + n, f->bytes, (size_t)f->len);
    n += f->bytes ? (size_t)f->len : 0;
  }
  put(message, 2, (uint32_t)n - 2);
  in.size = n;
  run->st.headed = true;
  expect(copy_row(run, &in));
  for (int i = 0; i < run->st.base.ncol; i++)
    expect(run->sum[i] == look(&run->row[i]));
}

/* Is the last message a row, maybe behind the header, and nothing else? */
static bool is_row(int ncol)
{
  const char *p = (const char *)sent.p, *end = p + sent.size;

  if (*p == 'P') p += 19 + fed_pg_u32(p + 15);
  if (fed_pg_u16(p) != ncol) return false;
  p += 2;
  for (; ncol > 0; ncol--) {
    uint32_t len = fed_pg_u32(p);

    p += 4;
    if (len == UINT32_MAX) continue;
    if (len > (size_t)(end - p)) return false;
    p += len;
  }
  return p == end;
}

/* What is left of the input. */
static void messages(struct run *run, struct input *in, bool headed)
{
  run->st.headed = headed;
  run->st.trailed = false;
  while (copy_row(run, in)) {
    expect(is_row(run->st.base.ncol));
    for (int i = 0; i < run->st.base.ncol; i++)
      look(&run->row[i]);
  }
}

static void error_message(struct input in)
{
  char *message = take_bytes(&in, in.size);

  fed_pg_clean(message);
  for (const char *p = message; *p; p++)
    expect((unsigned char)*p >= ' ' && *p != 0x7F);
  free(message);
}

/* ---- one input --------------------------------------------------------- */

/* A modifier of numeric is made of a precision and a scale. */
static void set_up(struct run *run, struct input *in)
{
  unsigned flags = take(in);
  int n = 1 + (int)(take(in) % COLUMNS_MAX);

  run->st.text = flags & FLAG_TEXT;
  run->st.headed = flags & FLAG_HEADED;
  run->st.want = flags & FLAG_WANT ? run->want : NULL;
  for (int i = 0; i < n; i++) {
    struct field *f = &run->field[i];
    static char name[] = "c";
    unsigned type = take(in), precision = take(in), scale = take(in);
    unsigned len = take(in);

    f->head = (PGresAttDesc){.name = name,
                             .typid = oids[type % FED_LEN(oids)],
                             .typlen = -1,
                             .format = !run->st.text,
                             .atttypmod = (int)(precision << 16 | scale) + 4};
    if (precision == 0) f->head.atttypmod = -1;
    run->want[i] = type < 128 ? fed_pg_class(f->head.typid, f->head.atttypmod)
                              : (enum fed_class)(type % (FED_CLASS_COUNT + 1));
    if (len == 255) continue;
    f->len = (int)(len < in->size ? len : in->size);
    f->bytes = take_bytes(in, (size_t)f->len);
  }
  run->st.base.conn = &run->pg.base;
  run->st.base.ncol = n;
  run->st.base.row = run->row;
  run->st.col = run->col;
}

static void rows(struct run *run, struct input *in)
{
  bool headed = run->st.headed;
  bool good = true;

  for (int i = 0; i < run->st.base.ncol; i++)
    if (run->field[i].bytes) good = one_value(run, i) && good;
  expect(one_result(run) == good);
  if (good) same_by_copy(run);
  messages(run, in, headed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  struct run run = {0};
  struct input in = {data, size};
  struct fed_err err = FED_ERR_INIT;
  PGresAttDesc head[COLUMNS_MAX];

  set_up(&run, &in);
  error_message(in);
  run.st.res = PQmakeEmptyPGresult(NULL, PGRES_SINGLE_TUPLE);
  for (int i = 0; i < run.st.base.ncol; i++)
    head[i] = run.field[i].head;
  if (!run.st.res || !PQsetResultAttrs(run.st.res, run.st.base.ncol, head))
    abort();
  if (fed_pg_check(&run.st, run.st.res, &err) == SQLITE_OK)
    rows(&run, &in);
  else
    expect(err.msg[0] != 0);
  for (int i = 0; i < run.st.base.ncol; i++) {
    fed_free(run.col[i].buf);
    free(run.field[i].bytes);
  }
  free(run.st.copy);
  PQclear(run.st.res);
  return 0;
}
