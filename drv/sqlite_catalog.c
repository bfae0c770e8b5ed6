/*
 * sqlite_catalog: the tables and views of a SQLite file. A file is asked
 * without a round trip, so here each table is a question of its own.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "drv/sqlite.h"

/* table_list knows shadow tables; sqlite_schema would show them as tables. */
static const char sq_tables_sql[] =
  "SELECT name, type, wr, strict FROM pragma_table_list"
  " WHERE schema = 'main' AND type IN ('table', 'view', 'virtual')"
  " AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
  " AND (?1 IS NULL OR name = ?1 COLLATE NOCASE) ORDER BY name";

static const char sq_columns_sql[] =
  "SELECT name, type, \"notnull\", pk,"
  " CASE WHEN hidden > 1 THEN 'c' WHEN dflt_value IS NOT NULL THEN 'd' END"
  " FROM pragma_table_xinfo(?1)"
  " WHERE hidden <> 1 ORDER BY cid";

static const char *sq_text(sqlite3_stmt *stmt, int i)
{
  const unsigned char *text = sqlite3_column_text(stmt, i);

  return text ? (const char *)text : "";
}

/* Only collations that every SQLite has may be declared on our side. */
static int sq_collation(struct sq_conn *sq, const char *table,
                        struct fed_column *col, struct fed_err *err)
{
  static const char *const known[] = {"BINARY", "NOCASE", "RTRIM"};
  const char *collation = NULL;

  /* In UTF-16 even BINARY is another order than here. A view has no collations
   * to tell. */
  col->textcmp = sq->utf8 ? FED_TEXTCMP_LOOSE : FED_TEXTCMP_CI;
  if (sqlite3_table_column_metadata(sq->db, "main", table, col->name, NULL,
                                    &collation, NULL, NULL, NULL) != SQLITE_OK)
    return SQLITE_OK;
  for (size_t i = 0; i < FED_LEN(known); i++) {
    if (sqlite3_stricmp(known[i], collation) != 0) continue;
    if (sq->utf8) col->textcmp = FED_TEXTCMP_BYTES;
    if (i == 0) return SQLITE_OK;
    col->collation = fed_strdup(known[i]);
    return col->collation ? SQLITE_OK : fed_err_nomem(err);
  }
  return SQLITE_OK;
}

/* What SQLite says of a table beside its columns. */
struct sq_table {
  bool is_table;  /* neither a view nor virtual */
  bool has_rowid; /* not WITHOUT ROWID */
  bool has_alias; /* a column is the rowid */
  bool strict;
  bool readable; /* false: its module is not known here */
};

/*
 * Is the table's single INTEGER PRIMARY KEY another name of its rowid? Not
 * if it was declared DESC, an old quirk: then it has an index of its own.
 */
static bool sq_has_alias(struct sq_conn *sq, const char *table)
{
  sqlite3_stmt *stmt = NULL;
  bool alias = false;

  if (sqlite3_prepare_v2(sq->db,
                         "SELECT 1 FROM pragma_index_list(?1)"
                         " WHERE origin = 'pk'",
                         -1, &stmt, NULL) == SQLITE_OK &&
      sqlite3_bind_text(stmt, 1, table, -1, SQLITE_STATIC) == SQLITE_OK)
    alias = sqlite3_step(stmt) == SQLITE_DONE;
  sqlite3_finalize(stmt);
  return alias;
}

/*
 * Only the rowid's alias (a single INTEGER PRIMARY KEY) is never NULL by
 * itself. Is there one? Any other PRIMARY KEY lets NULLs in, and as many as
 * come: it still names all rows but those, which a write then finds to be
 * several.
 */
static bool sq_key(struct fed_relation *rel, bool may_alias)
{
  bool alias = false;

  for (int i = 0; i < rel->ncol; i++) {
    struct fed_column *col = &rel->col[i];

    if (!col->key || !may_alias || sqlite3_stricmp(col->type, "INTEGER") != 0)
      continue;
    col->class = FED_CLASS_INT;
    col->notnull = true;
    col->fill = FED_FILL_NUMBER;
    col->uniques = 1;
    alias = true;
  }
  return alias;
}

/* ANY keeps values as they are in a STRICT table, but says NUMERIC in
 * another, as the one we declare: no type at all says the same. */
static const char *sq_type(const struct sq_table *table, const char *type)
{
  return table->strict && sqlite3_stricmp(type, "ANY") == 0 ? "" : type;
}

static int sq_column(struct sq_conn *sq, struct fed_relation *rel,
                     const struct sq_table *table, sqlite3_stmt *stmt,
                     struct fed_err *err)
{
  struct fed_column *col =
    fed_relation_add(rel, sq_text(stmt, 0), sq_type(table, sq_text(stmt, 1)));

  if (!col) return fed_err_nomem(err);
  col->unicode = true;
  col->notnull = sqlite3_column_int(stmt, 2) != 0;
  col->key = sqlite3_column_int(stmt, 3);
  if (*sq_text(stmt, 4))
    col->fill = *sq_text(stmt, 4) == 'c' ? FED_FILL_COMPUTED : FED_FILL_DEFAULT;
  return sq_collation(sq, rel->name, col, err);
}

/*
 * Add the columns of one table. A virtual table whose module this handle
 * lacks has none that could be read.
 */
static int sq_columns(struct sq_conn *sq, struct fed_relation *rel,
                      struct sq_table *table, struct fed_err *err)
{
  sqlite3_stmt *stmt = NULL;
  int npk = 0;
  int rc;

  rc = sqlite3_prepare_v2(sq->db, sq_columns_sql, -1, &stmt, NULL);
  if (rc == SQLITE_OK)
    rc = sqlite3_bind_text(stmt, 1, rel->name, -1, SQLITE_STATIC);
  if (rc != SQLITE_OK) rc = fed_sq_error(sq, rc, err);
  while (rc == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW) {
    rc = sq_column(sq, rel, table, stmt, err);
    npk += rc == SQLITE_OK && rel->col[rel->ncol - 1].key > 0;
  }
  if (rc == SQLITE_OK && sqlite3_reset(stmt) == SQLITE_NOMEM)
    rc = fed_err_nomem(err);
  sqlite3_finalize(stmt);
  table->readable = rel->ncol > 0;
  if (npk)
    table->has_alias =
      sq_key(rel, npk == 1 && table->has_rowid && sq_has_alias(sq, rel->name));
  return rc;
}

/* The columns of unique indexes over every row: the primary key's first. */
static const char sq_uniques_sql[] =
  "SELECT x.name, x.coll, x.seqno"
  " FROM pragma_index_list(?1, 'main') l, pragma_index_xinfo(l.name, 'main') x"
  " WHERE l.\"unique\" AND NOT l.partial AND x.key"
  " ORDER BY l.origin <> 'pk', l.name, x.seqno";

/* The column, if the index compares it as it is compared elsewhere; an
 * expression has no name. */
static struct fed_column *sq_plain(struct sq_conn *sq, struct fed_relation *rel,
                                   sqlite3_stmt *stmt)
{
  const char *name = sq_text(stmt, 0), *collation = NULL;

  if (sqlite3_column_type(stmt, 0) == SQLITE_NULL ||
      sqlite3_table_column_metadata(sq->db, "main", rel->name, name, NULL,
                                    &collation, NULL, NULL, NULL) != SQLITE_OK)
    return NULL;
  for (int i = 0; i < rel->ncol; i++)
    if (sqlite3_stricmp(rel->col[i].name, name) == 0)
      return sqlite3_stricmp(collation, sq_text(stmt, 1)) ? NULL : &rel->col[i];
  return NULL;
}

/* The index that had this bit is complete: one that is not known leaves its
 * bit to the next. */
static void sq_unique_end(struct fed_relation *rel, int *bit, bool *bad)
{
  if (!*bad)
    ++*bit;
  else
    for (int i = 0; i < rel->ncol; i++)
      rel->col[i].uniques &= ~(UINT32_C(1) << *bit);
  *bad = false;
}

static int sq_uniques(struct sq_conn *sq, struct fed_relation *rel,
                      bool has_alias, struct fed_err *err)
{
  sqlite3_stmt *stmt = NULL;
  int bit = has_alias - 1; /* of the index whose columns come by */
  bool bad = false;
  int rc = sqlite3_prepare_v2(sq->db, sq_uniques_sql, -1, &stmt, NULL);

  if (rc == SQLITE_OK)
    rc = sqlite3_bind_text(stmt, 1, rel->name, -1, SQLITE_STATIC);
  while (rc == SQLITE_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
    struct fed_column *col = sq_plain(sq, rel, stmt);

    rc = SQLITE_OK;
    if (sqlite3_column_int(stmt, 2) == 0) sq_unique_end(rel, &bit, &bad);
    if (bit == 32) break;
    if (col)
      col->uniques |= UINT32_C(1) << bit;
    else
      bad = true;
  }
  if (rc == SQLITE_DONE) rc = SQLITE_OK;
  if (rc == SQLITE_OK && bad) sq_unique_end(rel, &bit, &bad);
  if (rc != SQLITE_OK) rc = fed_sq_error(sq, rc, err);
  sqlite3_finalize(stmt);
  return rc;
}

/* How many columns the unique key `bit` has; 0: it may hold a NULL, or there is
 * none. */
static int sq_unique_size(const struct fed_relation *rel, int bit)
{
  int n = 0;

  for (int i = 0; i < rel->ncol; i++) {
    if (!((rel->col[i].uniques >> bit) & 1)) continue;
    if (!rel->col[i].notnull) return 0;
    n++;
  }
  return n;
}

/* Without a primary key that names a row, the smallest unique one does. */
static void sq_key_of_uniques(struct fed_relation *rel)
{
  int best = -1, size = 0;

  for (int i = 0; i < rel->ncol; i++)
    if (rel->col[i].key) return;
  for (int bit = 0; bit < 32; bit++) {
    int n = sq_unique_size(rel, bit);

    if (n == 0 || (best >= 0 && n >= size)) continue;
    best = bit;
    size = n;
  }
  for (int i = 0, n = 0; i < rel->ncol && best >= 0; i++)
    if ((rel->col[i].uniques >> best) & 1) rel->col[i].key = ++n;
}

/* The row count ANALYZE left, else the highest rowid as an upper bound. */
static double sq_estimate(struct sq_conn *sq, const char *table, bool has_rowid)
{
  char *sql[2];
  double rows = -1;

  sql[0] = sqlite3_mprintf("SELECT max(CAST(stat AS INT)) FROM"
                           " sqlite_stat1 WHERE tbl = %Q HAVING count(*)",
                           table);
  sql[1] = sqlite3_mprintf("SELECT max(_rowid_) FROM main.\"%w\"", table);
  for (int i = 0; i < (has_rowid ? 2 : 1) && rows < 0; i++) {
    sqlite3_stmt *stmt = NULL;

    if (sql[i] &&
        sqlite3_prepare_v2(sq->db, sql[i], -1, &stmt, NULL) == SQLITE_OK &&
        sqlite3_step(stmt) == SQLITE_ROW)
      rows = sqlite3_column_double(stmt, 0);
    sqlite3_finalize(stmt);
  }
  sqlite3_free(sql[0]);
  sqlite3_free(sql[1]);
  return rows < 0 && has_rowid ? 0 : rows;
}

/* First columns of indexes over all rows, and what ANALYZE, if it ever ran,
 * says of them: "rows, rows of one value of the first column, ...". */
static sqlite3_stmt *sq_first(struct sq_conn *sq, const char *table)
{
  static const char *const stat[] = {
    "(SELECT stat FROM main.sqlite_stat1 WHERE tbl = ?1"
    " AND idx IN (l.name, CASE l.origin WHEN 'pk' THEN ?1 END))",
    "NULL"};
  sqlite3_stmt *stmt = NULL;

  for (size_t i = 0; i < FED_LEN(stat) && !stmt; i++) {
    char *sql = sqlite3_mprintf(
      "SELECT x.name, x.coll, l.\"unique\" AND 1 ="
      " (SELECT sum(key) FROM pragma_index_xinfo(l.name)), %s"
      " FROM pragma_index_list(?1) l, pragma_index_xinfo(l.name) x"
      " WHERE NOT l.partial AND x.seqno = 0 AND x.cid >= 0",
      stat[i]);

    if (!sql) return NULL;
    sqlite3_prepare_v2(sq->db, sql, -1, &stmt, NULL);
    sqlite3_free(sql);
  }
  if (stmt) sqlite3_bind_text(stmt, 1, table, -1, SQLITE_STATIC);
  return stmt;
}

/* What one index says of its first column. */
static void sq_add_first(struct fed_relation *rel, sqlite3_stmt *stmt)
{
  const char *stat = sq_text(stmt, 3);
  char *end = NULL;
  double rows = (double)strtoll(stat, &end, 10);
  double per_value = (double)strtoll(end, NULL, 10);

  for (int i = 0; i < rel->ncol; i++) {
    struct fed_column *col = &rel->col[i];

    if (sqlite3_stricmp(col->name, sq_text(stmt, 0)) ||
        sqlite3_stricmp(col->collation ? col->collation : "BINARY",
                        sq_text(stmt, 1)))
      continue;
    col->indexed = true;
    if (per_value > 0) col->distinct = rows / per_value;
    if (sqlite3_column_int(stmt, 2)) col->distinct = rel->rows;
  }
}

/* Guesses: what cannot be read stays unknown. */
static void sq_stats(struct sq_conn *sq, struct fed_relation *rel)
{
  sqlite3_stmt *stmt = sq_first(sq, rel->name);

  while (stmt && sqlite3_step(stmt) == SQLITE_ROW)
    sq_add_first(rel, stmt);
  sqlite3_finalize(stmt);
  for (int i = 0; i < rel->ncol; i++)
    if (rel->col[i].class == FED_CLASS_INT) { /* the rowid */
      rel->col[i].indexed = true;
      rel->col[i].distinct = rel->rows;
    }
}

static int sq_add_table(struct sq_conn *sq, sqlite3_stmt *stmt,
                        struct fed_catalog *out, struct fed_err *err)
{
  struct fed_relation *rel = fed_catalog_add(out, "main", sq_text(stmt, 0));
  struct sq_table table = {0};
  int rc;

  if (!rel) return fed_err_nomem(err);
  table.is_table = strcmp(sq_text(stmt, 1), "table") == 0;
  table.has_rowid = table.is_table && sqlite3_column_int(stmt, 2) == 0;
  table.strict = sqlite3_column_int(stmt, 3) != 0;
  rel->on_path = true;
  rel->atomic = strcmp(sq_text(stmt, 1), "virtual") != 0;
  if (strcmp(sq_text(stmt, 1), "view") == 0) rel->kind = FED_KIND_VIEW;
  rc = sq_columns(sq, rel, &table, err);
  if (rc != SQLITE_OK) return rc;
  if (!table.readable) {
    fed_relation_release(rel);
    out->nrel--;
  } else if (table.is_table) {
    rc = sq_uniques(sq, rel, table.has_alias, err);
    sq_key_of_uniques(rel);
    rel->rows = sq_estimate(sq, rel->name, table.has_rowid);
    sq_stats(sq, rel);
  }
  return rc;
}

int fed_sq_catalog(struct fed_conn *conn, const struct fed_scope *scope,
                   struct fed_catalog *out, const struct fed_wait *wait,
                   struct fed_err *err)
{
  struct sq_conn *sq = sq_of(conn);
  sqlite3_stmt *stmt = NULL;
  int rc;

  if (scope->schema && strcmp(scope->schema, "*") != 0 &&
      sqlite3_stricmp(scope->schema, "main") != 0)
    return SQLITE_OK;
  fed_sq_enter(sq, wait);
  rc = sqlite3_prepare_v2(sq->db, sq_tables_sql, -1, &stmt, NULL);
  if (rc == SQLITE_OK && scope->table)
    rc = sqlite3_bind_text(stmt, 1, scope->table, -1, SQLITE_STATIC);
  if (rc != SQLITE_OK) rc = fed_sq_error(sq, rc, err);
  while (rc == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW)
    rc = sq_add_table(sq, stmt, out, err);
  if (rc == SQLITE_OK && (rc = sqlite3_reset(stmt)) != SQLITE_OK)
    rc = fed_sq_error(sq, rc, err);
  sqlite3_finalize(stmt);
  return rc;
}
