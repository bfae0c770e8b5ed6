/*
 * shadow: the declaration of a table, kept beside it, so that opening the
 * file again needs no network:
 *
 *   <table>_relation   one row: driver, schema, name, kind, estimated rows
 *   <table>_columns    one row for each column
 *
 * SQLite knows both as shadow tables (xShadowName): with SQLITE_DBCONFIG_
 * DEFENSIVE nobody else writes them. What is read is checked all the same,
 * as the file may be anybody's.
 */
#include "base/mem.h"
#include "vtab/table.h"

static const char *const shadow_suffix[] = {"relation", "columns"};

static const char *const shadow_compare[] = {
  [FED_TEXTCMP_LOOSE] = "loose",
  [FED_TEXTCMP_EQUAL] = "equal",
  [FED_TEXTCMP_BYTES] = "bytes",
  [FED_TEXTCMP_CI] = "nocase",
};

int shadow_is(const char *suffix)
{
  for (size_t i = 0; i < FED_LEN(shadow_suffix); i++)
    if (sqlite3_stricmp(suffix, shadow_suffix[i]) == 0) return 1;
  return 0;
}

static int shadow_create(struct fed_table *table, struct fed_err *err)
{
  int rc = db_exec(table->fdb, err,
                   "CREATE TABLE \"%w\".\"%w_relation\"(driver TEXT,"
                   " schema TEXT, name TEXT, kind TEXT, rows REAL, asked INT,"
                   " atomic INT)",
                   table->schema, table->name);

  if (rc != SQLITE_OK) return rc;
  return db_exec(table->fdb, err,
                 "CREATE TABLE \"%w\".\"%w_columns\"(cid INTEGER PRIMARY KEY,"
                 " name TEXT, type TEXT, class TEXT, compare TEXT,"
                 " collation TEXT, unicode INT, \"notnull\" INT, \"key\" INT,"
                 " indexed INT, \"distinct\" REAL, nulls REAL,"
                 " fill TEXT, uniques INT)",
                 table->schema, table->name);
}

static int shadow_write_columns(struct fed_table *table, struct fed_err *err)
{
  int rc = SQLITE_OK;

  for (int i = 0; i < table->rel.ncol && rc == SQLITE_OK; i++) {
    const struct fed_column *col = &table->rel.col[i];

    rc = db_exec(table->fdb, err,
                 "INSERT INTO \"%w\".\"%w_columns\""
                 " VALUES(%d, %Q, %Q, %Q, %Q, %Q, %d, %d, %d, %d, %!.15g,"
                 " %!.15g, %Q, %u)",
                 table->schema, table->name, i, col->name, col->type,
                 fed_class_name(col->class), shadow_compare[col->textcmp],
                 col->collation, col->unicode, col->notnull, col->key,
                 col->indexed, col->distinct, col->nulls,
                 fed_fill_name(col->fill), (unsigned)col->uniques);
  }
  return rc;
}

int shadow_write(struct fed_table *table, struct fed_err *err)
{
  const struct fed_relation *rel = &table->rel;
  int rc = shadow_create(table, err);

  if (rc == SQLITE_OK)
    rc =
      db_exec(table->fdb, err,
              "INSERT INTO \"%w\".\"%w_relation\" VALUES(%Q, %Q, %Q, %Q,"
              " %!.15g, %lld, %s)",
              table->schema, table->name, table->driver, rel->schema, rel->name,
              fed_kind_name(rel->kind), rel->rows, (long long)rel->asked,
              !rel->told    ? "NULL"
              : rel->atomic ? "1"
                            : "0");
  if (rc == SQLITE_OK) rc = shadow_write_columns(table, err);
  if (rc != SQLITE_OK)
    fed_err_prefix(err, "cannot keep the columns of '%s': ", table->name);
  return rc;
}

int shadow_drop(struct fed_table *table, struct fed_err *err)
{
  int rc = SQLITE_OK;

  for (size_t i = 0; i < FED_LEN(shadow_suffix) && rc == SQLITE_OK; i++)
    rc = db_exec(table->fdb, err, "DROP TABLE IF EXISTS \"%w\".\"%w_%s\"",
                 table->schema, table->name, shadow_suffix[i]);
  return rc;
}

int shadow_rename(struct fed_table *table, const char *name,
                  struct fed_err *err)
{
  int rc = SQLITE_OK;

  for (size_t i = 0; i < FED_LEN(shadow_suffix) && rc == SQLITE_OK; i++)
    rc = db_exec(
      table->fdb, err, "ALTER TABLE \"%w\".\"%w_%s\" RENAME TO \"%w_%s\"",
      table->schema, table->name, shadow_suffix[i], name, shadow_suffix[i]);
  return rc;
}

static const char *shadow_text(sqlite3_stmt *stmt, int i)
{
  const unsigned char *text = sqlite3_column_text(stmt, i);

  return text ? (const char *)text : "";
}

static int shadow_kind(const char *name)
{
  for (int i = 0; i < FED_KIND_COUNT; i++)
    if (strcmp(fed_kind_name((enum fed_kind)i), name) == 0) return i;
  return -1;
}

static int shadow_class(const char *name)
{
  for (int i = 0; i < FED_CLASS_COUNT; i++)
    if (strcmp(fed_class_name((enum fed_class)i), name) == 0) return i;
  return -1;
}

static int shadow_textcmp(const char *name)
{
  for (size_t i = 0; i < FED_LEN(shadow_compare); i++)
    if (strcmp(shadow_compare[i], name) == 0) return (int)i;
  return -1;
}

static int shadow_fill(const char *name)
{
  for (int i = 0; i < FED_FILL_COUNT; i++)
    if (strcmp(fed_fill_name((enum fed_fill)i), name) == 0) return i;
  return -1;
}

static int shadow_damaged(struct fed_table *table, struct fed_err *err)
{
  return fed_err_set(err, SQLITE_CORRUPT,
                     "the declaration kept beside table '%s' is damaged: "
                     "DROP TABLE and create it again",
                     table->name);
}

/* Below 0 unknown: a table made before statistics were kept has none. */
static double shadow_estimate(sqlite3_stmt *stmt, int i)
{
  if (i >= sqlite3_column_count(stmt)) return -1;
  return sqlite3_column_type(stmt, i) == SQLITE_NULL
           ? -1
           : sqlite3_column_double(stmt, i);
}

static int shadow_read_relation(struct fed_table *table, sqlite3_stmt *stmt,
                                struct fed_err *err)
{
  struct fed_relation *rel = &table->rel;
  int kind = shadow_kind(shadow_text(stmt, 3));

  if (kind < 0) return shadow_damaged(table, err);
  table->driver = fed_strdup(shadow_text(stmt, 0));
  rel->schema = fed_strdup(shadow_text(stmt, 1));
  rel->name = fed_strdup(shadow_text(stmt, 2));
  rel->kind = (enum fed_kind)kind;
  rel->rows = shadow_estimate(stmt, 4);
  if (sqlite3_column_count(stmt) > 5)
    rel->asked = sqlite3_column_int64(stmt, 5);
  rel->told = sqlite3_column_count(stmt) > 6 &&
              sqlite3_column_type(stmt, 6) != SQLITE_NULL;
  rel->atomic = rel->told && sqlite3_column_int(stmt, 6) != 0;
  if (!table->driver || !rel->schema || !rel->name) return fed_err_nomem(err);
  return SQLITE_OK;
}

/* A table kept before this was asked does not tell it: it is not written. */
static int shadow_read_fill(struct fed_table *table, struct fed_column *col,
                            sqlite3_stmt *stmt, struct fed_err *err)
{
  int fill;

  if (sqlite3_column_count(stmt) <= 12) {
    table->rel.told = table->rel.atomic = false;
    return SQLITE_OK;
  }
  fill = shadow_fill(shadow_text(stmt, 11));
  if (fill < 0) return shadow_damaged(table, err);
  col->fill = (enum fed_fill)fill;
  col->uniques = (uint32_t)sqlite3_column_int64(stmt, 12);
  return SQLITE_OK;
}

static int shadow_read_column(struct fed_table *table, sqlite3_stmt *stmt,
                              struct fed_err *err)
{
  int class = shadow_class(shadow_text(stmt, 2));
  int textcmp = shadow_textcmp(shadow_text(stmt, 3));
  const char *collation = shadow_text(stmt, 4);
  struct fed_column *col;

  if (class < 0 || textcmp < 0) return shadow_damaged(table, err);
  /* It becomes part of a CREATE TABLE: nothing but the two known ones. */
  if (*collation && strcmp(collation, "NOCASE") && strcmp(collation, "RTRIM"))
    return shadow_damaged(table, err);
  col =
    fed_relation_add(&table->rel, shadow_text(stmt, 0), shadow_text(stmt, 1));
  if (!col) return fed_err_nomem(err);
  col->class = (enum fed_class) class;
  col->textcmp = (enum fed_textcmp)textcmp;
  col->unicode = sqlite3_column_int(stmt, 5) != 0;
  col->notnull = sqlite3_column_int(stmt, 6) != 0;
  col->key = sqlite3_column_int(stmt, 7);
  col->indexed = shadow_estimate(stmt, 8) > 0;
  col->distinct = shadow_estimate(stmt, 9);
  col->nulls = shadow_estimate(stmt, 10);
  if (*collation && !(col->collation = fed_strdup(collation)))
    return fed_err_nomem(err);
  return shadow_read_fill(table, col, stmt, err);
}

/* A hostile file could put a view there that never ends. */
static int shadow_check_tables(struct fed_table *table, struct fed_err *err)
{
  sqlite3_stmt *stmt = NULL;
  int rc = db_prepare(table->fdb, &stmt, err,
                      "SELECT count(*) FROM \"%w\".sqlite_schema"
                      " WHERE type = 'table' AND rootpage > 0"
                      " AND sql LIKE 'CREATE TABLE %%'"
                      " AND name IN ('%q_relation', '%q_columns')",
                      table->schema, table->name, table->name);

  if (rc == SQLITE_OK &&
      (sqlite3_step(stmt) != SQLITE_ROW || sqlite3_column_int(stmt, 0) != 2))
    rc = shadow_damaged(table, err);
  sqlite3_finalize(stmt);
  return rc;
}

/* Read `columns`, and those that later versions added, as many as there are:
 * `more` begins with all of these and ends with none. */
static int shadow_select(struct fed_table *table, const char *columns,
                         const char *const more[3], const char *suffix,
                         sqlite3_stmt **out, struct fed_err *err)
{
  int rc = SQLITE_ERROR;

  for (int i = 0; i < 3 && rc == SQLITE_ERROR; i++) {
    fed_err_clear(err);
    rc = db_prepare(table->fdb, out, err,
                    "SELECT %s%s FROM \"%w\".\"%w_%s\" AS k"
                    " ORDER BY k.rowid",
                    columns, more[i], table->schema, table->name, suffix);
  }
  return rc;
}

static int shadow_select_relation(struct fed_table *table, sqlite3_stmt **out,
                                  struct fed_err *err)
{
  static const char *const more[] = {", k.asked, k.atomic", ", k.asked", ""};

  return shadow_select(table, "driver, schema, name, kind, rows", more,
                       "relation", out, err);
}

static int shadow_select_columns(struct fed_table *table, sqlite3_stmt **out,
                                 struct fed_err *err)
{
  static const char *const more[] = {
    ", k.indexed, k.\"distinct\", k.nulls, k.fill, k.uniques",
    ", k.indexed, k.\"distinct\", k.nulls", ""};

  return shadow_select(table,
                       "name, type, class, compare, collation, unicode,"
                       " \"notnull\", \"key\"",
                       more, "columns", out, err);
}

int shadow_read(struct fed_table *table, struct fed_err *err)
{
  int limit = sqlite3_limit(table->fdb->db, SQLITE_LIMIT_COLUMN, -1);
  sqlite3_stmt *stmt = NULL;
  int rc = shadow_check_tables(table, err);

  if (rc != SQLITE_OK) return rc;
  rc = shadow_select_relation(table, &stmt, err);
  if (rc == SQLITE_OK)
    rc = sqlite3_step(stmt) == SQLITE_ROW
           ? shadow_read_relation(table, stmt, err)
           : shadow_damaged(table, err);
  sqlite3_finalize(stmt);
  stmt = NULL;
  if (rc != SQLITE_OK) return rc;
  rc = shadow_select_columns(table, &stmt, err);
  while (rc == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW)
    rc = table->rel.ncol < limit ? shadow_read_column(table, stmt, err)
                                 : shadow_damaged(table, err);
  sqlite3_finalize(stmt);
  if (rc == SQLITE_OK && table->rel.ncol == 0) rc = shadow_damaged(table, err);
  return rc;
}
