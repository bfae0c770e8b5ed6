/* fit: values that are written, by column: what is sent, or the error. */
#include <stdio.h>

#include "vtab/fit.h"

static int passed, failed;

/* dialect, class, type, the value as SQL writes it, and what is sent as SQL
 * writes it; or "!" and a piece of the error. */
struct row {
  const struct fed_dialect *dialect;
  enum fed_class class;
  const char *type, *value, *want;
};

#define PG   &fed_dialect_pg
#define MY   &fed_dialect_mysql
#define LITE &fed_dialect_sqlite

/* clang-format off */
static const struct row rows[] = {
  {PG, FED_CLASS_INT, "smallint", "NULL", "NULL"},
  {PG, FED_CLASS_INT, "smallint", "32767", "32767"},
  {PG, FED_CLASS_INT, "smallint", "-32768", "-32768"},
  {PG, FED_CLASS_INT, "smallint", "70000",
   "!column 'c' (smallint): 70000 is out of range"},
  {PG, FED_CLASS_INT, "integer", "2147483648", "!out of range"},
  {PG, FED_CLASS_INT, "integer", "' 12 '", "12"},
  {PG, FED_CLASS_INT, "integer", "'1e3'", "1000"},
  {PG, FED_CLASS_INT, "integer", "2.0", "2"},
  {PG, FED_CLASS_INT, "integer", "1.5", "!1.5 is no integer"},
  {PG, FED_CLASS_INT, "integer", "'x'", "!'x' is no integer"},
  {PG, FED_CLASS_INT, "integer", "''", "!no integer"},
  {PG, FED_CLASS_INT, "integer", "'0x10'", "!no integer"},
  {PG, FED_CLASS_INT, "integer", "x'31'", "!blob of 1 bytes is no integer"},
  {PG, FED_CLASS_INT, "bigint", "9223372036854775807",
   "9223372036854775807"},
  {PG, FED_CLASS_INT, "bigint", "'-9223372036854775808'",
   "-9223372036854775808"},
  {PG, FED_CLASS_INT, "bigint", "'9223372036854775808'", "!out of range"},
  {PG, FED_CLASS_INT, "bigint", "1e19", "!out of range"},
  {PG, FED_CLASS_INT, "bigint", "9e999", "!out of range"},
  {PG, FED_CLASS_INT, "oid", "-1", "!out of range"},
  {PG, FED_CLASS_INT, "oid", "4294967295", "4294967295"},
  {PG, FED_CLASS_INT, "my_domain", "70000", "70000"},
  {MY, FED_CLASS_INT, "tinyint(4)", "128", "!out of range"},
  {MY, FED_CLASS_INT, "tinyint(3) unsigned", "255", "255"},
  {MY, FED_CLASS_INT, "tinyint(3) unsigned", "-1", "!out of range"},
  {MY, FED_CLASS_INT, "mediumint(9)", "8388607", "8388607"},
  {MY, FED_CLASS_INT, "mediumint(9)", "8388608", "!out of range"},
  {MY, FED_CLASS_INT, "int(10) unsigned zerofill", "4294967295",
   "4294967295"},
  {MY, FED_CLASS_INT, "int(11)", "4294967295", "!out of range"},
  {MY, FED_CLASS_INT, "year(4)", "24", "!out of range"},
  {MY, FED_CLASS_INT, "year(4)", "0", "0"},
  {MY, FED_CLASS_INT, "year(4)", "2155", "2155"},
  {MY, FED_CLASS_INT, "bit(3)", "8", "!out of range"},
  {MY, FED_CLASS_INT, "bit(3)", "7", "7"},
  {MY, FED_CLASS_UINT, "bigint(20) unsigned", "'18446744073709551615'",
   "'18446744073709551615'"},
  {MY, FED_CLASS_UINT, "bigint unsigned", "'18446744073709551616'",
   "!out of range"},
  {MY, FED_CLASS_UINT, "bigint unsigned", "-1", "!out of range"},
  {MY, FED_CLASS_UINT, "bit(64)", "'18446744073709551615'",
   "X'FFFFFFFFFFFFFFFF'"},
  {LITE, FED_CLASS_INT, "integer", "9000000000", "9000000000"},
  {LITE, FED_CLASS_ANY, "text", "x'00'", "X'00'"},
  {PG, FED_CLASS_BOOL, "boolean", "1", "1"},
  {PG, FED_CLASS_BOOL, "boolean", "'0'", "0"},
  {PG, FED_CLASS_BOOL, "boolean", "2", "!write 1 or 0"},
  {PG, FED_CLASS_BOOL, "boolean", "'true'", "!'true' is no integer"},
  {PG, FED_CLASS_REAL, "double precision", "1", "1.0"},
  {PG, FED_CLASS_REAL, "double precision", "'0.1'", "0.1"},
  {PG, FED_CLASS_REAL, "double precision", "-0.0", "0.0"},
  {PG, FED_CLASS_REAL, "double precision", "'NaN'", "!no number"},
  {PG, FED_CLASS_REAL, "double precision", "9e999", "Inf"},
  {MY, FED_CLASS_REAL, "double", "9e999", "!out of range"},
  {MY, FED_CLASS_REAL, "double unsigned", "-1", "!out of range"},
  {MY, FED_CLASS_REAL, "double(10,2)", "1.25", "1.25"},
  {MY, FED_CLASS_REAL, "double(10,2)", "1.255", "!behind the point"},
  {PG, FED_CLASS_FLOAT4, "real", "0.5", "0.5"},
  {PG, FED_CLASS_FLOAT4, "real", "0.1", "0.100000001490116"},
  {PG, FED_CLASS_FLOAT4, "real", "3.14159265358979", "!4-byte float"},
  {PG, FED_CLASS_FLOAT4, "real", "1e39", "!4-byte float"},
  {PG, FED_CLASS_FLOAT4, "real", "16777217", "!4-byte float"},
  {PG, FED_CLASS_FLOAT4, "real", "1e-60", "!4-byte float"},
  {PG, FED_CLASS_DECINT, "numeric(3,0)", "999", "999"},
  {PG, FED_CLASS_DECINT, "numeric(3,0)", "1000", "!out of range"},
  {PG, FED_CLASS_DECINT, "numeric(3,0)", "1.5", "!behind the point"},
  {MY, FED_CLASS_DECINT, "decimal(3,0) unsigned", "-1", "!out of range"},
  {PG, FED_CLASS_DECREAL, "numeric(10,2)", "1.5", "'1.50'"},
  {PG, FED_CLASS_DECREAL, "numeric(10,2)", "-0.07", "'-0.07'"},
  {PG, FED_CLASS_DECREAL, "numeric(10,2)", "0", "'0.00'"},
  {PG, FED_CLASS_DECREAL, "numeric(10,2)", "'2.500'", "'2.50'"},
  {PG, FED_CLASS_DECREAL, "numeric(10,2)", "1.005", "!behind the point"},
  {PG, FED_CLASS_DECREAL, "numeric(10,2)", "99999999.99", "'99999999.99'"},
  {PG, FED_CLASS_DECREAL, "numeric(10,2)", "100000000", "!out of range"},
  {PG, FED_CLASS_DECREAL, "numeric(10,2)", "9e999", "!out of range"},
  {PG, FED_CLASS_DECREAL, "numeric(2,2)", "0.99", "'0.99'"},
  {PG, FED_CLASS_DECREAL, "numeric(2,2)", "1", "!out of range"},
  {PG, FED_CLASS_DECREAL, "a_domain", "1.25", "'1.25'"},
  {PG, FED_CLASS_DECREAL, "a_domain", "'2.5'", "'2.5'"},
  {PG, FED_CLASS_DECIMAL, "numeric", "'1.50'", "'1.50'"},
  {PG, FED_CLASS_DECIMAL, "numeric", "0.1", "'0.1'"},
  {PG, FED_CLASS_DECIMAL, "numeric", "'NaN'", "'NaN'"},
  {PG, FED_CLASS_DECIMAL, "numeric", "'1e5'", "!write its digits"},
  {PG, FED_CLASS_DECIMAL, "numeric", "'abc'", "!no decimal"},
  {PG, FED_CLASS_DECIMAL, "numeric(20,2)", "'1.500'", "'1.500'"},
  {PG, FED_CLASS_DECIMAL, "numeric(20,2)", "'1.505'", "!behind the point"},
  {PG, FED_CLASS_DECIMAL, "numeric(20,2)", "'1234567890123456789.0'",
   "!out of range"},
  {PG, FED_CLASS_DECIMAL, "numeric(20,2)", "'00000000000000000000001'",
   "'00000000000000000000001'"},
  {MY, FED_CLASS_DECIMAL, "decimal(20,2)", "'NaN'", "!no decimal"},
  {MY, FED_CLASS_DECIMAL, "decimal(20,2)", "1e30", "!out of range"},
  {PG, FED_CLASS_TEXT, "text", "5", "'5'"},
  {PG, FED_CLASS_TEXT, "text", "5.0", "'5.0'"},
  {PG, FED_CLASS_TEXT, "text", "x'41'", "!blob of 1 bytes is no text"},
  {PG, FED_CLASS_TEXT, "text", "CAST(x'610062' AS TEXT)", "!NUL inside"},
  {PG, FED_CLASS_TEXT, "text", "CAST(x'ff' AS TEXT)", "!UTF-8"},
  {PG, FED_CLASS_TEXT, "character varying(3)", "'äöü'", "'äöü'"},
  {PG, FED_CLASS_TEXT, "character varying(3)", "'abc '",
   "!a text of 4 characters is too long"},
  {PG, FED_CLASS_CHAR, "character(3)", "'ab'", "'ab'"},
  {PG, FED_CLASS_CHAR, "character(3)", "'ab '", "!rtrim"},
  {PG, FED_CLASS_TEXT, "name", "printf('%064d', 1)", "!64 bytes is too long"},
  {MY, FED_CLASS_TEXT, "varchar(3)", "1234", "!4 characters is too long"},
  {MY, FED_CLASS_TEXT, "tinytext", "printf('%0256d', 1)", "!too long"},
  {PG, FED_CLASS_BLOB, "bytea", "'a'", "!CAST(... AS BLOB)"},
  {PG, FED_CLASS_BLOB, "bytea", "x'00ff'", "X'00FF'"},
  {MY, FED_CLASS_BLOB, "binary(2)", "x'00'", "!too short"},
  {MY, FED_CLASS_BLOB, "binary(2)", "x'000102'", "!too long"},
  {MY, FED_CLASS_BLOB, "binary(2)", "x'0001'", "X'0001'"},
  {MY, FED_CLASS_BLOB, "varbinary(2)", "x'00'", "X'00'"},
  {MY, FED_CLASS_BLOB, "tinyblob", "zeroblob(256)", "!too long"},
  {PG, FED_CLASS_DATE, "date", "'2024-02-29'", "'2024-02-29'"},
  {PG, FED_CLASS_DATE, "date", "'2024-02-30'",
   "!column 'c' (date): '2024-02-30' is no date: write YYYY-MM-DD"},
  {PG, FED_CLASS_DATE, "date", "'2023-02-29'", "!no date"},
  {PG, FED_CLASS_DATE, "date", "'1900-02-29'", "!no date"},
  {PG, FED_CLASS_DATE, "date", "'2000-02-29'", "'2000-02-29'"},
  {PG, FED_CLASS_DATE, "date", "'0000-00-00'", "!no date"},
  {PG, FED_CLASS_DATE, "date", "'0044-03-15 BC'", "'0044-03-15 BC'"},
  {PG, FED_CLASS_DATE, "date", "'10000-01-01'", "'10000-01-01'"},
  {PG, FED_CLASS_DATE, "date", "'02024-01-01'", "!no date"},
  {PG, FED_CLASS_DATE, "date", "'infinity'", "'infinity'"},
  {PG, FED_CLASS_DATE, "date", "2460000.5", "!no date"},
  {PG, FED_CLASS_DATE, "date", "'2024-1-1'", "!no date"},
  {PG, FED_CLASS_DATE, "date", "'2024-01-01 '", "!no date"},
  {MY, FED_CLASS_DATE, "date", "'0000-00-00'", "'0000-00-00'"},
  {MY, FED_CLASS_DATE, "date", "'2024-02-00'", "'2024-02-00'"},
  {MY, FED_CLASS_DATE, "date", "'10000-01-01'", "!no date"},
  {MY, FED_CLASS_DATE, "date", "'infinity'", "!no date"},
  {PG, FED_CLASS_TIME, "time without time zone", "'24:00:00'", "'24:00:00'"},
  {PG, FED_CLASS_TIME, "time without time zone", "'23:59:60'", "!no time"},
  {PG, FED_CLASS_TIME, "time without time zone", "'12:00'", "!no time"},
  {PG, FED_CLASS_TIME, "time(3) without time zone", "'12:00:00.123'",
   "'12:00:00.123'"},
  {PG, FED_CLASS_TIME, "time(3) without time zone", "'12:00:00.1234'",
   "!no time"},
  {PG, FED_CLASS_TIME, "time(3) without time zone", "'12:00:00.1230'",
   "'12:00:00.1230'"},
  {MY, FED_CLASS_TIME, "time", "'-838:59:59'", "'-838:59:59'"},
  {MY, FED_CLASS_TIME, "time", "'839:00:00'", "!no time"},
  {MY, FED_CLASS_TIME, "time", "'-00:00:00'", "!no time"},
  {MY, FED_CLASS_TIME, "time", "'012:00:00'", "!no time"},
  {MY, FED_CLASS_TIME, "time", "'12:00:00.5'", "!no time"},
  {MY, FED_CLASS_TIME, "time(6)", "'838:59:59.5'", "!no time"},
  {PG, FED_CLASS_TIMESTAMP, "timestamp without time zone",
   "'2024-01-01 10:00:00.5'", "'2024-01-01 10:00:00.5'"},
  {PG, FED_CLASS_TIMESTAMP, "timestamp without time zone",
   "'2024-01-01T10:00:00'", "!no time"},
  {PG, FED_CLASS_TIMESTAMP, "timestamp without time zone", "'2024-01-01'",
   "!no time"},
  {PG, FED_CLASS_TIMESTAMPTZ, "timestamp with time zone",
   "'2024-01-01 10:00:00+02'", "!in UTC"},
  {PG, FED_CLASS_TIMESTAMPTZ, "timestamp with time zone",
   "'0044-03-15 10:00:00 BC'", "'0044-03-15 10:00:00 BC'"},
  {MY, FED_CLASS_TIMESTAMPTZ, "timestamp(3)", "'2024-01-01 10:00:00.123'",
   "'2024-01-01 10:00:00.123'"},
  {MY, FED_CLASS_TIMESTAMP, "datetime", "1700000000", "!no time"},
  {PG, FED_CLASS_UUID, "uuid", "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'",
   "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'"},
  {PG, FED_CLASS_UUID, "uuid", "'A0EEBC99-9c0b-4ef8-bb6d-6bb9bd380a11'",
   "!lower case"},
  {PG, FED_CLASS_OTHER, "inet", "'10.0.0.1'", "'10.0.0.1'"},
  {PG, FED_CLASS_OTHER, "json", "5", "'5'"},
  {MY, FED_CLASS_OTHER, "enum('s','m')", "'m'", "'m'"},
  {MY, FED_CLASS_OTHER, "enum('s','m')", "'1'", "!no label"},
  {MY, FED_CLASS_OTHER, "enum('s','m')", "1", "!no label"},
  {MY, FED_CLASS_OTHER, "enum('s','m')", "'M'", "!no label"},
  {MY, FED_CLASS_OTHER, "enum('it''s','a,b')", "'it''s'", "'it''s'"},
  {MY, FED_CLASS_OTHER, "enum('it''s','a,b')", "'a,b'", "'a,b'"},
  {MY, FED_CLASS_OTHER, "set('a','b','c')", "'a,c'", "'a,c'"},
  {MY, FED_CLASS_OTHER, "set('a','b','c')", "'c,a'", "!in their order"},
  {MY, FED_CLASS_OTHER, "set('a','b','c')", "'a,a'", "!in their order"},
  {MY, FED_CLASS_OTHER, "set('a','b','c')", "''", "''"},
  {MY, FED_CLASS_OTHER, "set('a','b','c')", "'1'", "!in their order"},
};
/* clang-format on */

static sqlite3 *db;

/* What is sent, as SQL writes it. */
static char *shown(const struct fed_value *v)
{
  sqlite3_stmt *stmt;
  char *text = NULL;

  /* quote() of a real is another one from version to version. */
  if (v->type == FED_REAL) return sqlite3_mprintf("%!.15g", v->r);
  if (sqlite3_prepare_v2(db, "SELECT quote(?1)", -1, &stmt, NULL)) return NULL;
  if (v->type == FED_INT) sqlite3_bind_int64(stmt, 1, v->i);
  if (v->type == FED_TEXT)
    sqlite3_bind_text(stmt, 1, v->p, (int)v->size, SQLITE_STATIC);
  if (v->type == FED_BLOB)
    sqlite3_bind_blob(stmt, 1, v->p, (int)v->size, SQLITE_STATIC);
  if (sqlite3_step(stmt) == SQLITE_ROW)
    text = sqlite3_mprintf("%s", sqlite3_column_text(stmt, 0));
  sqlite3_finalize(stmt);
  return text;
}

static void check(const struct row *row, sqlite3_value *value)
{
  char name[] = "c";
  char *type = sqlite3_mprintf("%s", row->type);
  struct fed_column col = {.name = name, .type = type, .class = row->class};
  struct fed_err err = FED_ERR_INIT;
  struct fit fit;
  struct fit_room room;
  struct fed_value out;
  char *got = NULL;
  bool ok;

  fit_prepare(&fit, row->dialect, &col);
  if (fit_value(&fit, value, &room, &out, &err) == SQLITE_OK) {
    got = shown(&out);
    ok = got && *row->want != '!' && strcmp(got, row->want) == 0;
  } else {
    ok = *row->want == '!' && strstr(err.msg, row->want + 1) != NULL;
  }
  passed += ok;
  failed += !ok;
  if (!ok)
    printf("FAIL: %s %s <- %s: %s, not %s\n", row->dialect->name, row->type,
           row->value, got ? got : err.msg, row->want);
  sqlite3_free(got);
  sqlite3_free(type);
}

static void check_row(const struct row *row)
{
  char *sql = sqlite3_mprintf("SELECT %s", row->value);
  sqlite3_stmt *stmt = NULL;

  if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK &&
      sqlite3_step(stmt) == SQLITE_ROW) {
    check(row, sqlite3_column_value(stmt, 0));
  } else {
    failed++;
    printf("FAIL: %s: %s\n", sql, sqlite3_errmsg(db));
  }
  sqlite3_finalize(stmt);
  sqlite3_free(sql);
}

int main(void)
{
  if (sqlite3_open(":memory:", &db) != SQLITE_OK) return 1;
  for (size_t i = 0; i < FED_LEN(rows); i++)
    check_row(&rows[i]);
  sqlite3_close(db);
  printf("%d passed, %d failed, 0 skipped\n", passed, failed);
  return failed != 0;
}
