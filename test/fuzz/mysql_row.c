/* mysql_row: any bytes as columns and a row of MySQL's binary protocol, and as
 * the packets of several. Nothing is read or written outside; what is decoded
 * lies inside; a text that says so ends with its only zero. */
#include <stdlib.h>

#include "base/mem.h"
#include "drv/mysql.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define COLUMNS_MAX 40

static const enum enum_field_types types[] = {
  MYSQL_TYPE_TINY,       MYSQL_TYPE_SHORT,    MYSQL_TYPE_LONG,
  MYSQL_TYPE_LONGLONG,   MYSQL_TYPE_INT24,    MYSQL_TYPE_YEAR,
  MYSQL_TYPE_FLOAT,      MYSQL_TYPE_DOUBLE,   MYSQL_TYPE_NULL,
  MYSQL_TYPE_DATE,       MYSQL_TYPE_DATETIME, MYSQL_TYPE_TIMESTAMP,
  MYSQL_TYPE_TIME,       MYSQL_TYPE_BIT,      MYSQL_TYPE_NEWDECIMAL,
  MYSQL_TYPE_VAR_STRING, MYSQL_TYPE_STRING,   MYSQL_TYPE_BLOB,
};

static void expect(bool ok)
{
  if (!ok) abort();
}

/* A column by two bytes: its type; its sign, charset and length. */
static MYSQL_FIELD column(const uint8_t *p)
{
  static char name[] = "c";

  return (MYSQL_FIELD){
    .name = name,
    .type = types[p[0] % FED_LEN(types)],
    .flags = p[1] & 1 ? UNSIGNED_FLAG : 0,
    .charsetnr = p[1] & 2 ? 63 : 45,
    .length = p[1] >> 3,
    .decimals = p[1] & 4 ? 2 : 0,
  };
}

static void look(const struct fed_mysql_stmt *st, const unsigned char *row,
                 size_t size)
{
  for (int i = 0; i < st->head.ncol; i++) {
    const struct fed_value *v = &st->head.row[i];
    const unsigned char *p = (const unsigned char *)v->p;
    const char *text = st->col[i].text;

    if (v->type != FED_TEXT && v->type != FED_BLOB) continue;
    expect(v->size >= 0 && (size_t)v->size <= size + sizeof st->col->text);
    expect((p >= row && p + v->size <= row + size) ||
           (v->p >= text && v->p + v->size < text + sizeof st->col->text));
    if (v->cstr) expect(strlen(v->p) == (size_t)v->size);
  }
}

static void decode(struct fed_mysql_stmt *st, unsigned char *row, size_t size)
{
  struct fed_err err = FED_ERR_INIT;

  if (fed_mysql_decode(st, row, size, &err) == SQLITE_OK)
    look(st, row, size);
  else
    expect(err.msg[0] != 0);
}

/* The bytes in memory of just that length, and one for a zero. */
static void one_row(struct fed_mysql_stmt *st, const uint8_t *data, size_t size)
{
  unsigned char *row = malloc(size + 1);

  if (!row) return;
  memcpy(row, data, size);
  decode(st, row, size);
  free(row);
}

static void packets(struct fed_mysql *c, struct fed_mysql_stmt *st,
                    const uint8_t *data, size_t size)
{
#if FED_MYSQL_ASYNC
  c->wire = (struct fed_mysql_wire){.room = size + 1, .end = size};
  c->wire.buf = fed_alloc(size + 1);
  if (!c->wire.buf) return;
  memcpy(c->wire.buf, data, size);
  while (fed_mysql_wire_next(c) == FED_MYSQL_CAME_ROW)
    decode(st, c->wire.row, c->wire.size);
  fed_mysql_wire_release(c);
#else
  (void)c;
  (void)st;
  (void)data;
  (void)size;
#endif
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  struct fed_mysql c = {.raw = true};
  struct fed_mysql_stmt st = {.nwant = -1};
  struct fed_err err = FED_ERR_INIT;
  MYSQL_FIELD field[COLUMNS_MAX];
  size_t n = size ? 1 + data[0] % COLUMNS_MAX : 0;

  if (size < 1 + n * 2) return 0;
  for (size_t i = 0; i < n; i++)
    field[i] = column(data + 1 + i * 2);
  data += 1 + n * 2;
  size -= 1 + n * 2;
  st.head.conn = &c.head;
  if (fed_mysql_columns(&st, field, (int)n, false, &err) == SQLITE_OK) {
    one_row(&st, data, size);
    packets(&c, &st, data, size);
  }
  fed_mysql_columns_free(&st);
  return 0;
}
