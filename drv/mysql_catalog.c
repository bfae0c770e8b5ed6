/*
 * mysql_catalog: tables and their columns, from information_schema, and the
 * columns of a query, from its prepared form.
 *
 * Joining TABLES, COLUMNS and STATISTICS compares every row with every other
 * (the server has no index on them), so the three are read side by side by
 * one UNION ALL and brought together here:
 *
 *     schema  table  part  ord  what     text        flag  more       count
 *             InnoDB 4     0    (an engine that has transactions)
 *     shop    t      0     0    BASE TABLE InnoDB
 *     ...                                                             rows
 *     shop    t      1     1    id       bigint(20)  NO               default
 *     shop    t      1     2    name     varchar(20) YES   latin1_..
 *     shop    t      2     1    PRIMARY  id          ''    (prefix)   distinct
 *     shop    t      3     1    by_name  name        YES   (prefix)   distinct
 *
 * Part 2 are unique indexes, part 3 others, of which the first column only. The
 * last column, extra, is COLUMNS.EXTRA.
 */
#include "drv/mysql.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"

/* Servers allow 16 columns in a key, MariaDB 32. */
#define MY_KEY_MAX 32

enum my_part { MY_TABLE, MY_COLUMN, MY_KEY, MY_INDEX, MY_ENGINE };

/* More engines than servers have; one beyond would count as without. */
#define MY_ENGINES_MAX 32

/* The columns of the answer. */
enum my_cell {
  MY_SCHEMA,
  MY_NAME,
  MY_PART,
  MY_ORD,
  MY_WHAT,
  MY_TEXT,
  MY_FLAG,
  MY_MORE,
  MY_COUNT,
  MY_EXTRA,
  MY_CELLS
};

/* ---- classes of declared types ----------------------------------------- */

struct my_class {
  const char *name;
  enum fed_class class;
};

static const struct my_class my_classes[] = {
  {"tinyint",            FED_CLASS_INT        },
  {"smallint",           FED_CLASS_INT        },
  {"mediumint",          FED_CLASS_INT        },
  {"int",                FED_CLASS_INT        },
  {"bigint",             FED_CLASS_INT        },
  {"year",               FED_CLASS_INT        },
  {"bit",                FED_CLASS_INT        },
  {"float",              FED_CLASS_FLOAT4     },
  {"double",             FED_CLASS_REAL       },
  {"decimal",            FED_CLASS_DECIMAL    },
  {"date",               FED_CLASS_DATE       },
  {"time",               FED_CLASS_TIME       },
  {"datetime",           FED_CLASS_TIMESTAMP  },
  {"timestamp",          FED_CLASS_TIMESTAMPTZ},
  {"char",               FED_CLASS_CHAR       },
  {"varchar",            FED_CLASS_TEXT       },
  {"tinytext",           FED_CLASS_TEXT       },
  {"text",               FED_CLASS_TEXT       },
  {"mediumtext",         FED_CLASS_TEXT       },
  {"longtext",           FED_CLASS_TEXT       },
  {"binary",             FED_CLASS_BLOB       },
  {"varbinary",          FED_CLASS_BLOB       },
  {"tinyblob",           FED_CLASS_BLOB       },
  {"blob",               FED_CLASS_BLOB       },
  {"mediumblob",         FED_CLASS_BLOB       },
  {"longblob",           FED_CLASS_BLOB       },
  {"geometry",           FED_CLASS_BLOB       },
  {"point",              FED_CLASS_BLOB       },
  {"linestring",         FED_CLASS_BLOB       },
  {"polygon",            FED_CLASS_BLOB       },
  {"multipoint",         FED_CLASS_BLOB       },
  {"multilinestring",    FED_CLASS_BLOB       },
  {"multipolygon",       FED_CLASS_BLOB       },
  {"geometrycollection", FED_CLASS_BLOB       },
  {"geomcollection",     FED_CLASS_BLOB       },
  {"vector",             FED_CLASS_BLOB       },
};

/* A number the server computed: it is one. */
static long long my_number(const char *text)
{
  return strtoll(text, NULL, 10);
}

/* "decimal(10,2) unsigned" -> its name's length, and 10 and 2 if given */
static size_t my_parse_type(const char *type, unsigned *first, unsigned *second)
{
  size_t n = strcspn(type, "( ");
  const char *p = type + n;
  char *end;

  *first = *second = 0;
  if (*p != '(') return n;
  *first = (unsigned)strtoul(p + 1, &end, 10);
  if (*end == ',') *second = (unsigned)strtoul(end + 1, NULL, 10);
  return n;
}

/* Of COLUMN_TYPE; what is not in the table (enum, set, json, uuid, inet6, and
 * types yet to come) is text as the server prints it. */
static enum fed_class my_type_class(const char *type)
{
  enum fed_class class = FED_CLASS_OTHER;
  unsigned first, second;
  size_t n = my_parse_type(type, &first, &second);

  for (size_t i = 0; i < FED_LEN(my_classes); i++)
    if (strlen(my_classes[i].name) == n &&
        sqlite3_strnicmp(my_classes[i].name, type, (int)n) == 0)
      class = my_classes[i].class;
  if (class == FED_CLASS_DECIMAL && second == 0 && first <= 18)
    return FED_CLASS_DECINT;
  if (class == FED_CLASS_DECIMAL && second > 0 && first <= 15)
    return FED_CLASS_DECREAL;
  if (class != FED_CLASS_INT) return class;
  if (sqlite3_strnicmp(type, "bit(64)", 7) == 0) return FED_CLASS_UINT;
  if (sqlite3_strnicmp(type, "bigint", 6) == 0 && strstr(type, " unsigned"))
    return FED_CLASS_UINT;
  return class;
}

/*
 * Which collations surely fold all of ASCII? Those named "..._ci" for no
 * language: Turkish keeps I from i, Danish takes "aA" for two letters but
 * "aa" for one.
 */
static enum fed_textcmp my_textcmp(const char *collation)
{
  static const char *const plain[] = {"general_", "unicode_", "0900_a",
                                      "uca1400_a", "swedish_"};
  const char *rest = collation ? strchr(collation, '_') : NULL;
  size_t n = collation ? strlen(collation) : 0;

  if (!rest || n < 3 || strcmp(collation + n - 3, "_ci") != 0)
    return FED_TEXTCMP_LOOSE;
  for (size_t i = 0; i < FED_LEN(plain); i++)
    if (strncmp(rest + 1, plain[i], strlen(plain[i])) == 0)
      return FED_TEXTCMP_CI;
  return FED_TEXTCMP_LOOSE;
}

/* ---- keys -------------------------------------------------------------- */

/* A unique index while its columns come by: places in rel->col. */
struct my_key {
  char name[200];
  int col[MY_KEY_MAX];
  int n;
  bool bad;   /* a prefix or an expression */
  bool nulls; /* a column may be NULL */
};

struct my_builder {
  struct fed_catalog *out;
  const struct fed_scope *scope;
  const char *database; /* the URL's: our search path */
  bool open;            /* the last relation of `out` is being filled */
  struct my_key now, best;
  int nunique; /* unique keys seen of this relation */
  /* Those with transactions; the names are the answer's. */
  const char *engine[MY_ENGINES_MAX];
  int nengine;
};

static struct fed_relation *my_relation(const struct my_builder *b)
{
  return b->open ? &b->out->rel[b->out->nrel - 1] : NULL;
}

static void my_add_unique(struct my_builder *b)
{
  struct fed_relation *rel = my_relation(b);

  for (int i = 0; rel && i < b->now.n; i++)
    rel->col[b->now.col[i]].uniques |= UINT32_C(1) << b->nunique;
  b->nunique++;
}

/* PRIMARY KEY, else the unique index of the fewest columns. */
static void my_key_end(struct my_builder *b)
{
  bool primary = strcmp(b->now.name, "PRIMARY") == 0;

  if (b->now.n > 0 && !b->now.bad && b->nunique < 32) my_add_unique(b);
  if (b->now.n > 0 && !b->now.bad && !b->now.nulls &&
      (b->best.n == 0 || primary ||
       (strcmp(b->best.name, "PRIMARY") != 0 && b->now.n < b->best.n)))
    b->best = b->now;
  b->now.n = 0;
  b->now.bad = b->now.nulls = false;
  b->now.name[0] = 0;
}

static int my_find_column(const struct fed_relation *rel, const char *name)
{
  for (int i = 0; i < rel->ncol; i++)
    if (strcmp(rel->col[i].name, name) == 0) return i;
  return -1;
}

/* ---- building ---------------------------------------------------------- */

/* The relation is complete. One without columns (a view whose tables are
 * gone) is no use to anybody. */
static void my_relation_end(struct my_builder *b)
{
  struct fed_relation *rel = my_relation(b);

  if (!rel) return;
  my_key_end(b);
  if (rel->kind == FED_KIND_TABLE)
    for (int i = 0; i < b->best.n; i++)
      rel->col[b->best.col[i]].key = i + 1;
  if (rel->ncol == 0) {
    fed_relation_release(rel);
    b->out->nrel--;
  }
  b->best.n = 0;
  b->best.name[0] = 0;
  b->nunique = 0;
  b->open = false;
}

static void my_add_engine(struct my_builder *b, char **cell)
{
  if (b->nengine < MY_ENGINES_MAX) b->engine[b->nengine++] = cell[MY_NAME];
}

/* A view has no engine to ask. */
static bool my_has_transactions(const struct my_builder *b, const char *engine)
{
  for (int i = 0; i < b->nengine && engine; i++)
    if (sqlite3_stricmp(b->engine[i], engine) == 0) return true;
  return false;
}

static int my_add_table(struct my_builder *b, char **cell, struct fed_err *err)
{
  const char *type = cell[MY_WHAT] ? cell[MY_WHAT] : "";
  bool view = strcmp(type, "VIEW") == 0 || strcmp(type, "SYSTEM VIEW") == 0;
  bool table =
    strcmp(type, "BASE TABLE") == 0 || strcmp(type, "SYSTEM VERSIONED") == 0;
  struct fed_relation *rel;

  my_relation_end(b);
  if (!view && !table) return SQLITE_OK; /* SEQUENCE, TEMPORARY */
  /* The server compares names without case; we do not. */
  if (b->scope->table && strcmp(b->scope->table, cell[MY_NAME]) != 0)
    return SQLITE_OK;
  rel = fed_catalog_add(b->out, cell[MY_SCHEMA], cell[MY_NAME]);
  if (!rel) return fed_err_nomem(err);
  rel->on_path = !b->scope->schema || strcmp(cell[MY_SCHEMA], b->database) == 0;
  rel->kind = view ? FED_KIND_VIEW : FED_KIND_TABLE;
  rel->rows = table && cell[MY_COUNT] ? (double)my_number(cell[MY_COUNT]) : -1;
  rel->atomic = my_has_transactions(b, cell[MY_TEXT]);
  b->open = true;
  return SQLITE_OK;
}

/* Elsewhere a character the column cannot hold is an error ("illegal mix of
 * collations"), and utf8mb3 has no emoji. */
static bool my_is_unicode(const char *collation)
{
  return collation && (strncmp(collation, "utf8mb4_", 8) == 0 ||
                       strncmp(collation, "utf16", 5) == 0 ||
                       strncmp(collation, "utf32_", 6) == 0);
}

static enum fed_fill my_fill(const char *extra, const char *defaults)
{
  if (!extra) extra = "";
  /* Those of system versioning are called STORED GENERATED as well. */
  if (sqlite3_strlike("%VIRTUAL GENERATED%", extra, 0) == 0 ||
      sqlite3_strlike("%STORED GENERATED%", extra, 0) == 0 ||
      sqlite3_strlike("%PERSISTENT%", extra, 0) == 0)
    return FED_FILL_COMPUTED;
  if (sqlite3_strlike("%auto_increment%", extra, 0) == 0)
    return FED_FILL_NUMBER;
  return defaults && my_number(defaults) ? FED_FILL_DEFAULT : FED_FILL_NULL;
}

static int my_add_column(struct my_builder *b, char **cell, struct fed_err *err)
{
  struct fed_relation *rel = my_relation(b);
  struct fed_column *col;

  if (!rel || !cell[MY_WHAT] || !cell[MY_TEXT]) return SQLITE_OK;
  col = fed_relation_add(rel, cell[MY_WHAT], cell[MY_TEXT]);
  if (!col) return fed_err_nomem(err);
  col->class = my_type_class(cell[MY_TEXT]);
  col->textcmp = my_textcmp(cell[MY_MORE]);
  col->unicode = my_is_unicode(cell[MY_MORE]);
  col->fill = my_fill(cell[MY_EXTRA], cell[MY_COUNT]);
  /* A zero date is not NULL here: we give it as text. */
  col->notnull = rel->kind == FED_KIND_TABLE && cell[MY_FLAG] &&
                 strcmp(cell[MY_FLAG], "NO") == 0;
  return SQLITE_OK;
}

/* Of several indexes the one counted best: how many values it has. */
static void my_add_first(struct fed_relation *rel, int at, const char *count)
{
  struct fed_column *col = &rel->col[at];
  double distinct = count ? (double)my_number(count) : -1;

  col->indexed = true;
  if (distinct > col->distinct) col->distinct = distinct;
}

static void my_add_index(struct my_builder *b, char **cell)
{
  struct fed_relation *rel = my_relation(b);
  int at = rel && cell[MY_TEXT] ? my_find_column(rel, cell[MY_TEXT]) : -1;

  if (at >= 0 && my_number(cell[MY_ORD]) == 1)
    my_add_first(rel, at, cell[MY_COUNT]);
}

static void my_add_key(struct my_builder *b, char **cell)
{
  struct fed_relation *rel = my_relation(b);
  const char *name = cell[MY_WHAT] ? cell[MY_WHAT] : "";
  int at;

  if (!rel) return;
  if (strcmp(name, b->now.name) != 0) my_key_end(b);
  snprintf(b->now.name, sizeof b->now.name, "%s", name);
  at = cell[MY_TEXT] ? my_find_column(rel, cell[MY_TEXT]) : -1;
  if (at < 0 || b->now.n == MY_KEY_MAX || cell[MY_MORE])
    b->now.bad = true;
  else
    b->now.col[b->now.n++] = at;
  b->now.nulls |= cell[MY_FLAG] && strcmp(cell[MY_FLAG], "YES") == 0;
}

static int my_add(struct my_builder *b, char **cell, struct fed_err *err)
{
  if (!cell[MY_SCHEMA] || !cell[MY_NAME] || !cell[MY_PART]) return SQLITE_OK;
  switch ((enum my_part)(int)my_number(cell[MY_PART])) {
  case MY_TABLE:
    return my_add_table(b, cell, err);
  case MY_COLUMN:
    return my_add_column(b, cell, err);
  case MY_KEY:
    my_add_key(b, cell);
    my_add_index(b, cell);
    break;
  case MY_INDEX:
    my_add_index(b, cell);
    break;
  case MY_ENGINE:
    my_add_engine(b, cell);
    break;
  }
  return SQLITE_OK;
}

/* ---- asking ------------------------------------------------------------ */

/*
 * Constants in WHERE, not placeholders and no function calls: only those let
 * the server open the tables of one schema instead of all.
 */
static void my_scope_where(struct fed_mysql *c, const struct fed_scope *scope,
                           struct fed_str *sql)
{
  const char *schema = scope->schema ? scope->schema : c->database;

  if (strcmp(schema, "*") == 0) {
    fed_str_add(sql, "TABLE_SCHEMA NOT IN ('information_schema', 'mysql', "
                     "'performance_schema', 'sys')");
  } else {
    fed_str_add(sql, "TABLE_SCHEMA = ");
    fed_mysql_quote(c, sql, schema);
  }
  if (!scope->table) return;
  fed_str_add(sql, " AND TABLE_NAME = ");
  fed_mysql_quote(c, sql, scope->table);
}

static void my_question(struct fed_mysql *c, const struct fed_scope *scope,
                        struct fed_str *sql)
{
  static const char *const part[] = {
    "SELECT CAST(TABLE_SCHEMA AS BINARY), CAST(TABLE_NAME AS BINARY), 0, 0,"
    " TABLE_TYPE, ENGINE, NULL, NULL, TABLE_ROWS, NULL"
    " FROM information_schema.TABLES"
    " WHERE ",
    " UNION ALL SELECT CAST(TABLE_SCHEMA AS BINARY),"
    " CAST(TABLE_NAME AS BINARY), 1, ORDINAL_POSITION, COLUMN_NAME,"
    " COLUMN_TYPE, IS_NULLABLE, COLLATION_NAME,"
    " COLUMN_DEFAULT IS NOT NULL",
    /* MariaDB writes a default as SQL: none at all is the word NULL. */
    " AND COLUMN_DEFAULT <> 'NULL'",
    ", EXTRA FROM information_schema.COLUMNS WHERE ",
    " UNION ALL SELECT CAST(TABLE_SCHEMA AS BINARY),"
    " CAST(TABLE_NAME AS BINARY), 2 + NON_UNIQUE, SEQ_IN_INDEX, INDEX_NAME,"
    " COLUMN_NAME, NULLABLE, SUB_PART, CARDINALITY, NULL"
    " FROM information_schema.STATISTICS"
    " WHERE (NON_UNIQUE = 0 OR SEQ_IN_INDEX = 1)"
    " AND INDEX_TYPE IN ('BTREE', 'HASH') AND "};

  for (size_t i = 0; i < FED_LEN(part); i++) {
    if (i == 2 && !c->mariadb) continue;
    fed_str_add(sql, part[i]);
    if (i != 1 && i != 2) my_scope_where(c, scope, sql);
  }
  fed_str_add(sql, " UNION ALL SELECT '', ENGINE, 4, 0, '', NULL, NULL, NULL,"
                   " NULL, NULL FROM information_schema.ENGINES"
                   " WHERE TRANSACTIONS = 'YES'");
}

/* The primary key comes first. */
static int my_compare_keys(const char *a, const char *b)
{
  int diff = (strcmp(a, "PRIMARY") != 0) - (strcmp(b, "PRIMARY") != 0);

  return diff ? diff : strcmp(a, b);
}

/* Schema, table, part; then columns by number, keys by name and number. */
static int my_compare(const void *a, const void *b)
{
  char *const *x = *(char *const *const *)a;
  char *const *y = *(char *const *const *)b;
  int diff = strcmp(x[MY_SCHEMA], y[MY_SCHEMA]);

  if (diff == 0) diff = strcmp(x[MY_NAME], y[MY_NAME]);
  if (diff == 0) diff = (int)my_number(x[MY_PART]) - (int)my_number(y[MY_PART]);
  if (diff == 0 && (int)my_number(x[MY_PART]) == MY_KEY)
    diff = my_compare_keys(x[MY_WHAT], y[MY_WHAT]);
  return diff ? diff : (int)my_number(x[MY_ORD]) - (int)my_number(y[MY_ORD]);
}

/* Sorted here: the server would sort by a collation, or on disk. */
static int my_build(MYSQL_RES *rows, struct my_builder *b, struct fed_err *err)
{
  size_t n = (size_t)mysql_num_rows(rows), have = 0;
  char ***row = fed_calloc(n, sizeof *row);
  int rc = SQLITE_OK;
  MYSQL_ROW next;

  if (!row) return fed_err_nomem(err);
  while (have < n && (next = mysql_fetch_row(rows)) != NULL)
    if (next[MY_SCHEMA] && next[MY_NAME] && next[MY_WHAT]) row[have++] = next;
  qsort(row, have, sizeof *row, my_compare);
  for (size_t i = 0; i < have && rc == SQLITE_OK; i++)
    rc = my_add(b, row[i], err);
  my_relation_end(b);
  fed_free(row);
  return rc;
}

int fed_mysql_catalog(struct fed_conn *conn, const struct fed_scope *scope,
                      struct fed_catalog *out, const struct fed_wait *wait,
                      struct fed_err *err)
{
  struct fed_mysql *c = fed_mysql_of(conn);
  struct my_builder b = {.out = out, .scope = scope, .database = c->database};
  MYSQL_RES *rows = NULL;
  struct fed_str sql;
  int rc;

  if (!scope->schema && !c->database[0])
    return fed_err_set(err, SQLITE_ERROR,
                       "the URL names no database: mysql://host/db");
  fed_str_init(&sql, FED_STR_SQL);
  my_question(c, scope, &sql);
  rc = fed_str_err(&sql, err);
  if (rc == SQLITE_OK) rc = fed_mysql_run_rows(c, sql.s, &rows, wait, err);
  fed_str_release(&sql);
  if (rc == SQLITE_OK && (!rows || mysql_num_fields(rows) != MY_CELLS))
    rc = fed_err_set(err, SQLITE_IOERR, "the server's catalog is not readable");
  if (rc == SQLITE_OK) rc = my_build(rows, &b, err);
  mysql_free_result(rows);
  return rc;
}

/* ---- describing a query ------------------------------------------------ */

static int my_describe_column(struct fed_relation *rel,
                              const MYSQL_FIELD *field, struct fed_err *err)
{
  enum fed_class class = fed_mysql_class(field);
  struct fed_column *col;
  char type[100];

  fed_mysql_type(field, type, sizeof type);
  if (class == FED_CLASS_COUNT)
    return fed_err_set(err, SQLITE_SCHEMA,
                       "column '%s' has type number %d, which the client "
                       "library cannot fetch: cast it to another type",
                       field->name, (int)field->type);
  col = fed_relation_add(rel, field->name, type);
  if (!col) return fed_err_nomem(err);
  col->class = class;
  return SQLITE_OK;
}

static int my_describe_stmt(struct fed_mysql *c, MYSQL_STMT *stmt,
                            const char *sql, struct fed_relation *out,
                            const struct fed_wait *wait, struct fed_err *err)
{
  MYSQL_RES *meta = NULL;
  int rc = fed_mysql_run_prepare(c, stmt, sql, wait, err);

  if (rc != SQLITE_OK) return rc;
  meta = mysql_stmt_result_metadata(stmt);
  if (!meta)
    return fed_err_set(err, SQLITE_ERROR, "the query gives no columns");
  for (unsigned i = 0; out && i < mysql_num_fields(meta); i++) {
    rc = my_describe_column(out, mysql_fetch_field_direct(meta, i), err);
    if (rc != SQLITE_OK) break;
  }
  mysql_free_result(meta);
  return rc;
}

static int my_describe(struct fed_mysql *c, const char *sql,
                       struct fed_relation *out, const struct fed_wait *wait,
                       struct fed_err *err)
{
  MYSQL_STMT *stmt;
  int rc;

  if (c->head.broken || !c->mysql)
    return fed_err_set(err, SQLITE_IOERR, "the connection is lost");
  if (!(stmt = mysql_stmt_init(c->mysql))) return fed_err_nomem(err);
  rc = my_describe_stmt(c, stmt, sql, out, wait, err);
  fed_mysql_run_close(c, stmt);
  return rc;
}

/*
 * Prepared twice: the text by itself, so that errors speak of it and it is
 * one whole statement; then as the derived table that scans will read, whose
 * column types may differ (a NULL becomes BINARY(0)).
 */
int fed_mysql_describe(struct fed_conn *conn, const char *sql,
                       struct fed_relation *out, const struct fed_wait *wait,
                       struct fed_err *err)
{
  struct fed_mysql *c = fed_mysql_of(conn);
  struct fed_relation rel = {.kind = FED_KIND_QUERY, .rows = -1};
  struct fed_str text;
  int rc = my_describe(c, sql, NULL, wait, err);

  if (rc != SQLITE_OK) return rc;
  rel.schema = fed_strdup("");
  rel.name = fed_strdup(sql);
  fed_str_init(&text, FED_STR_SQL);
  fed_str_add(&text, "SELECT * FROM ");
  if (rel.schema && rel.name)
    fed_dialect_relation(&fed_dialect_mysql, &text, &rel);
  else
    rc = fed_err_nomem(err);
  if (rc == SQLITE_OK) rc = fed_str_err(&text, err);
  if (rc == SQLITE_OK) rc = my_describe(c, text.s, &rel, wait, err);
  fed_str_release(&text);
  if (rc == SQLITE_OK)
    *out = rel;
  else
    fed_relation_release(&rel);
  return rc;
}
