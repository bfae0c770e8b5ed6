/*
 * pg_catalog: the tables, views and queries of a server and their columns.
 *
 * One query whatever the number of relations, so that attaching a schema over
 * a slow line costs one round trip. It gives a row a column, and one row for
 * a table without columns, which PostgreSQL allows.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "drv/pg.h"

/* ---- the query --------------------------------------------------------- */

/*
 * A domain's base type and typmod, through domains over domains: the typmod
 * stands on the innermost one.
 */
static const char pg_sql_domains[] =
  "WITH RECURSIVE dom(oid, base, fmod) AS ("
  " SELECT oid, typbasetype, typtypmod FROM pg_catalog.pg_type"
  " WHERE typtype = 'd'"
  " UNION ALL"
  " SELECT d.oid, t.typbasetype, t.typtypmod"
  " FROM dom d JOIN pg_catalog.pg_type t ON t.oid = d.base"
  " WHERE t.typtype = 'd'),"
  " base AS (SELECT d.* FROM dom d JOIN pg_catalog.pg_type t"
  " ON t.oid = d.base WHERE t.typtype <> 'd'),";

/* Relations in scope on which anything may be read. `inherits`: a parent of
 * plain inheritance, whose children's rows show in it unbound by its keys. */
static const char pg_sql_relations[] =
  " rel AS (SELECT c.oid, n.nspname, c.relname, c.relkind, c.reltuples,"
  " c.relpages, c.relkind IN ('r','f') AND EXISTS"
  " (SELECT 1 FROM pg_catalog.pg_inherits h WHERE h.inhparent = c.oid)"
  " AS inherits"
  " FROM pg_catalog.pg_class c"
  " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
  " WHERE c.relkind IN ('r','p','v','m','f')"
  " AND pg_catalog.has_schema_privilege(n.oid, 'USAGE')"
  " AND pg_catalog.has_any_column_privilege(c.oid, 'SELECT')";

/*
 * The key: the primary key, else the smallest unique index, of columns that
 * can neither be NULL nor be hidden from us. A partial, invalid or deferrable
 * index, or one on an expression, does not name each row.
 */
static const char pg_sql_key[] =
  " LEFT JOIN LATERAL (SELECT k.cols FROM pg_catalog.pg_index i"
  " JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid,"
  " LATERAL (SELECT (pg_catalog.string_to_array(i.indkey::text, ' ')"
  "::int2[])[1:i.indnkeyatts] AS cols) k"
  " WHERE i.indrelid = r.oid AND r.relkind IN ('r','p')"
  " AND NOT r.inherits AND i.indisunique AND i.indisvalid"
  " AND i.indimmediate AND i.indpred IS NULL AND i.indexprs IS NULL"
  " AND NOT EXISTS (SELECT 1 FROM pg_catalog.unnest(k.cols) u(n)"
  " LEFT JOIN pg_catalog.pg_attribute ka"
  " ON ka.attrelid = r.oid AND ka.attnum = u.n"
  " WHERE ka.attnotnull IS NOT TRUE OR NOT"
  " pg_catalog.has_column_privilege(r.oid, u.n, 'SELECT'))"
  " ORDER BY i.indisprimary DESC, i.indnkeyatts, x.relname COLLATE \"C\""
  " LIMIT 1) key ON true";

/*
 * First columns of indexes that can find `column = value`: B-trees and hashes
 * (403 and 405, for ever). One of only some rows, or not yet built, cannot.
 */
static const char pg_sql_first[] =
  ", first AS (SELECT i.indrelid, i.indkey[0] AS attnum,"
  " i.indcollation[0] AS coll,"
  " bool_or(i.indisunique AND i.indnkeyatts = 1) AS alone"
  " FROM pg_catalog.pg_index i"
  " JOIN rel ON rel.oid = i.indrelid AND NOT rel.inherits"
  " JOIN pg_catalog.pg_opclass o ON o.oid = i.indclass[0]"
  " WHERE i.indisvalid AND i.indpred IS NULL AND o.opcmethod IN (403, 405)"
  " GROUP BY 1, 2, 3)";

/*
 * Every unique index over columns we may see, and over every row, is a bit of
 * its columns. One with a column that is hidden from us would look like one
 * over the others.
 */
static const char pg_sql_uniques[] =
  ", uniq AS (SELECT k.indrelid, u.attnum,"
  " pg_catalog.bit_or(1::int8 << (k.n - 1)::int4) AS bits"
  " FROM (SELECT i.indrelid, c.cols, pg_catalog.row_number() OVER"
  " (PARTITION BY i.indrelid"
  " ORDER BY i.indisprimary DESC, x.relname COLLATE \"C\") AS n"
  " FROM pg_catalog.pg_index i"
  " JOIN rel ON rel.oid = i.indrelid AND NOT rel.inherits"
  " JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid,"
  " LATERAL (SELECT (pg_catalog.string_to_array(i.indkey::text, ' ')"
  "::int2[])[1:i.indnkeyatts] AS cols) c"
  " WHERE i.indisunique AND i.indisvalid AND i.indpred IS NULL"
  " AND i.indexprs IS NULL AND NOT EXISTS"
  " (SELECT 1 FROM pg_catalog.unnest(c.cols) h(n) WHERE NOT"
  " pg_catalog.has_column_privilege(i.indrelid, h.n, 'SELECT'))) k,"
  " LATERAL pg_catalog.unnest(k.cols) u(attnum)"
  " WHERE k.n <= 32 GROUP BY 1, 2)";

/* 's' a number from a sequence, owned by the column or not; see pg_fill(). A
 * column without a default has its domain's. */
static const char pg_sql_fill[] =
  ", CASE WHEN a.attgenerated <> '' THEN 'c'"
  " WHEN a.attidentity = 'a' THEN 'a' WHEN a.attidentity = 'd' THEN 's'"
  " WHEN def.text ~ '^(pg_catalog[.])?nextval[(][(]?''([^'']|'''')*''"
  "(::text[)])?::regclass[)]$' THEN 's'"
  " WHEN def.text IS NOT NULL THEN 'd' END, uniq.bits";

static const char pg_sql_default[] =
  " LEFT JOIN LATERAL (SELECT coalesce("
  "(SELECT pg_catalog.pg_get_expr(ad.adbin, ad.adrelid)"
  " FROM pg_catalog.pg_attrdef ad"
  " WHERE ad.adrelid = a.attrelid AND ad.adnum = a.attnum),"
  " (SELECT ty.typdefault FROM pg_catalog.pg_type ty"
  " WHERE ty.oid = a.atttypid)) AS text) def ON true"
  " LEFT JOIN uniq ON uniq.indrelid = r.oid AND uniq.attnum = a.attnum";

/*
 * What ANALYZE found, of the columns that we may read: the view sees to it,
 * column by column. That takes its time: where there are many tables it is
 * left out, and asked of one table once that has been used.
 */
#define PG_STATS_MAX 300
static const char pg_sql_stats[] =
  " LEFT JOIN (SELECT * FROM pg_catalog.pg_stats"
  " WHERE (SELECT count(*) FROM rel) <= %d) s"
  " ON s.schemaname = r.nspname AND s.tablename = r.relname"
  " AND s.attname = a.attname"
  " AND s.inherited = (r.inherits OR r.relkind = 'p')";

/* Columns of each result row, in the order of the query. */
enum {
  PG_C_SCHEMA,
  PG_C_NAME,
  PG_C_KIND,
  PG_C_ROWS,
  PG_C_OID, /* of the relation: tells where a new one begins */
  PG_C_COLUMN,
  PG_C_TYPE,
  PG_C_TYPE_OID,
  PG_C_TYPE_MOD,
  PG_C_NOTNULL,
  PG_C_KEY,
  PG_C_DETERMINISTIC,
  PG_C_BYTEWISE,
  PG_C_ON_PATH,
  PG_C_INDEXED,
  /* In millionths, as strtod() obeys the locale: */
  PG_C_DISTINCT, /* below 0: minus the part of the rows; 0 unknown */
  PG_C_NULLS,
  PG_C_FILL,
  PG_C_UNIQUES,
};

/*
 * A collation compares bytes if it is C in name: libc's, or since 17 the
 * built-in one. The database's own ('default', oid 100) is looked up in
 * pg_database. ICU's never does. (C.UTF-8 of libc need not.)
 */
static void pg_add_bytewise(struct fed_str *sql, int version)
{
  const char *column = "co.collprovider = 'c' AND co.collcollate IN"
                       " ('C','POSIX')";

  fed_str_add(sql, "CASE WHEN co.oid = 100 THEN (SELECT ");
  if (version >= 170000)
    fed_str_add(sql, "d.datlocprovider = 'c' AND d.datcollate IN ('C','POSIX')"
                     " OR d.datlocprovider = 'b' AND d.datlocale IN"
                     " ('C','C.UTF-8')");
  else if (version >= 150000)
    fed_str_add(sql, "d.datlocprovider = 'c' AND d.datcollate IN"
                     " ('C','POSIX')");
  else
    fed_str_add(sql, "d.datcollate IN ('C','POSIX')");
  fed_str_add(sql, " FROM pg_catalog.pg_database d WHERE d.datname ="
                   " pg_catalog.current_database()) ELSE ");
  if (version >= 170000)
    fed_str_addf(sql,
                 "(%s OR co.collprovider = 'b' AND co.colllocale IN"
                 " ('C','C.UTF-8'))",
                 column);
  else
    fed_str_addf(sql, "(%s)", column);
  fed_str_add(sql, " END");
}

/* NOT NULL that holds for every row read: not in views and foreign tables,
 * where nothing enforces it; since 18 a constraint may be not yet valid. */
static void pg_add_notnull(struct fed_str *sql, int version)
{
  fed_str_add(sql, ", a.attnotnull AND r.relkind IN ('r','p')"
                   " AND NOT r.inherits");
  if (version >= 180000)
    fed_str_add(sql, " AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_constraint"
                     " nn WHERE nn.conrelid = r.oid AND nn.contype = 'n'"
                     " AND nn.conkey = ARRAY[a.attnum]"
                     " AND NOT nn.convalidated)");
}

/* Rows estimated: -1 where nobody has counted. A partitioned table has the
 * rows of its leaves. */
static void pg_add_rows(struct fed_str *sql, int version)
{
  const char *unknown =
    version >= 140000 ? "%s.reltuples < 0" : "%s.relpages = 0";
  char own[32], leaf[32];

  sqlite3_snprintf(sizeof own, own, unknown, "r");
  sqlite3_snprintf(sizeof leaf, leaf, unknown, "l");
  fed_str_addf(sql,
               ", CASE WHEN r.relkind = 'v' THEN -1 WHEN r.relkind = 'p' THEN"
               " (SELECT pg_catalog.sum(CASE WHEN %s THEN NULL"
               " ELSE l.reltuples END)"
               " FROM pg_catalog.pg_partition_tree(r.oid) t"
               " JOIN pg_catalog.pg_class l ON l.oid = t.relid"
               " WHERE t.isleaf) WHEN %s THEN -1 ELSE r.reltuples END",
               leaf, own);
}

/* $1 is the schema, $2 the table; each only where the scope names one. */
static void pg_add_scope(struct fed_str *sql, const struct fed_scope *scope)
{
  int n = 0;

  if (!scope->schema)
    fed_str_add(sql,
                " AND n.nspname = ANY (pg_catalog.current_schemas(false))");
  else if (strcmp(scope->schema, "*") == 0)
    fed_str_add(sql, " AND n.nspname !~ '^pg_'"
                     " AND n.nspname <> 'information_schema'");
  else
    fed_str_addf(sql, " AND n.nspname = $%d", ++n);
  /* A partition is part of its parent; it is there for who asks by name. */
  if (scope->table)
    fed_str_addf(sql, " AND c.relname = $%d", ++n);
  else
    fed_str_add(sql, " AND NOT c.relispartition");
  fed_str_add(sql, ")");
}

/* `stats`: we may read pg_stats. A unique column needs no ANALYZE. */
static void pg_catalog_sql(struct fed_str *sql, const struct fed_scope *scope,
                           int version, bool stats)
{
  fed_str_add(sql, pg_sql_domains);
  fed_str_add(sql, pg_sql_relations);
  pg_add_scope(sql, scope);
  fed_str_add(sql, pg_sql_first);
  fed_str_add(sql, pg_sql_uniques);
  fed_str_add(sql, " SELECT r.nspname, r.relname, r.relkind");
  pg_add_rows(sql, version);
  fed_str_add(sql, ", r.oid, a.attname,"
                   " pg_catalog.format_type(a.atttypid, a.atttypmod),"
                   " coalesce(b.base, a.atttypid), coalesce(b.fmod,"
                   " a.atttypmod)");
  pg_add_notnull(sql, version);
  fed_str_add(sql, ", pg_catalog.array_position(key.cols, a.attnum),"
                   " co.collisdeterministic, ");
  pg_add_bytewise(sql, version);
  fed_str_add(sql, ", r.nspname = ANY (pg_catalog.current_schemas(false))"
                   ", first.attnum IS NOT NULL,"
                   " CASE WHEN first.alone THEN -1000000");
  fed_str_add(sql, stats ? " ELSE (s.n_distinct * 1000000)::bigint END,"
                           " (s.null_frac * 1000000)::bigint"
                         : " END, NULL");
  fed_str_add(sql, pg_sql_fill);
  fed_str_add(sql, " FROM rel r");
  fed_str_add(sql, pg_sql_key);
  fed_str_add(sql, " LEFT JOIN pg_catalog.pg_attribute a"
                   " ON a.attrelid = r.oid AND a.attnum > 0"
                   " AND NOT a.attisdropped AND"
                   " pg_catalog.has_column_privilege(r.oid, a.attnum,"
                   " 'SELECT')"
                   " LEFT JOIN base b ON b.oid = a.atttypid"
                   " LEFT JOIN pg_catalog.pg_collation co"
                   " ON co.oid = a.attcollation"
                   " LEFT JOIN first ON first.indrelid = r.oid"
                   " AND first.attnum = a.attnum"
                   " AND first.coll IN (0, a.attcollation)");
  fed_str_add(sql, pg_sql_default);
  if (stats) fed_str_addf(sql, pg_sql_stats, PG_STATS_MAX);
  fed_str_add(sql, " ORDER BY pg_catalog.array_position("
                   "pg_catalog.current_schemas(false), r.nspname),"
                   " r.nspname COLLATE \"C\", r.relname COLLATE \"C\","
                   " a.attnum");
}

/* ---- its rows ---------------------------------------------------------- */

struct pg_listing {
  struct fed_catalog *out;
  unsigned long oid; /* of the relation being read */
  bool bytes_kept;   /* the server's encoding sorts as UTF-8 does */
  bool unicode;      /* and has every character */
};

static enum fed_kind pg_kind(char relkind)
{
  switch (relkind) {
  case 'p':
    return FED_KIND_PARTITIONED;
  case 'f':
    return FED_KIND_FOREIGN;
  case 'v':
    return FED_KIND_VIEW;
  case 'm':
    return FED_KIND_MATVIEW;
  default:
    return FED_KIND_TABLE;
  }
}

/* char(n) ignores trailing blanks, so its equality is looser than bytes. */
static enum fed_textcmp pg_textcmp(enum fed_class class, bool deterministic,
                                   bool bytewise)
{
  if (class != FED_CLASS_TEXT || !deterministic) return FED_TEXTCMP_LOOSE;
  return bytewise ? FED_TEXTCMP_BYTES : FED_TEXTCMP_EQUAL;
}

static enum fed_fill pg_fill(char fill)
{
  switch (fill) {
  case 'c':
    return FED_FILL_COMPUTED;
  case 'a':
    return FED_FILL_ALWAYS;
  case 's':
    return FED_FILL_NUMBER;
  case 'd':
    return FED_FILL_DEFAULT;
  default:
    return FED_FILL_NULL;
  }
}

static bool pg_true(PGresult *row, int col)
{
  return PQgetvalue(row, 0, col)[0] == 't';
}

/* NaN, which is not NULL there, is NULL here. */
static bool pg_may_be_nan(enum fed_class class)
{
  return class == FED_CLASS_REAL || class == FED_CLASS_FLOAT4 ||
         class == FED_CLASS_DECINT || class == FED_CLASS_DECREAL;
}

/* libc's strtod() obeys the locale, but estimates have no decimals to lose. */
static double pg_number(PGresult *row, int col)
{
  return PQgetisnull(row, 0, col) ? -1 : strtod(PQgetvalue(row, 0, col), NULL);
}

static struct fed_relation *pg_relation(struct pg_listing *list, PGresult *row)
{
  unsigned long oid = strtoul(PQgetvalue(row, 0, PG_C_OID), NULL, 10);
  struct fed_relation *rel;

  if (list->oid == oid && list->out->nrel > 0)
    return &list->out->rel[list->out->nrel - 1];
  rel = fed_catalog_add(list->out, PQgetvalue(row, 0, PG_C_SCHEMA),
                        PQgetvalue(row, 0, PG_C_NAME));
  if (!rel) return NULL;
  list->oid = oid;
  rel->kind = pg_kind(PQgetvalue(row, 0, PG_C_KIND)[0]);
  rel->on_path = pg_true(row, PG_C_ON_PATH);
  rel->rows = pg_number(row, PG_C_ROWS);
  return rel;
}

static void pg_column_stats(const struct fed_relation *rel, PGresult *row,
                            struct fed_column *col)
{
  double distinct = pg_number(row, PG_C_DISTINCT) / 1e6;
  double nulls = pg_number(row, PG_C_NULLS) / 1e6;

  col->indexed = pg_true(row, PG_C_INDEXED);
  if (!PQgetisnull(row, 0, PG_C_NULLS)) col->nulls = nulls;
  if (PQgetisnull(row, 0, PG_C_DISTINCT) || distinct == 0) return;
  if (distinct > 0)
    col->distinct = distinct;
  else if (rel->rows >= 0)
    col->distinct = -distinct * rel->rows;
}

static int pg_catalog_row(void *ctx, PGresult *row, struct fed_err *err)
{
  struct pg_listing *list = ctx;
  struct fed_relation *rel = pg_relation(list, row);
  struct fed_column *col;

  if (!rel) return fed_err_nomem(err);
  if (PQgetisnull(row, 0, PG_C_COLUMN)) return SQLITE_OK;
  col = fed_relation_add(rel, PQgetvalue(row, 0, PG_C_COLUMN),
                         PQgetvalue(row, 0, PG_C_TYPE));
  if (!col) return fed_err_nomem(err);
  col->class =
    fed_pg_class((Oid)strtoul(PQgetvalue(row, 0, PG_C_TYPE_OID), NULL, 10),
                 (int)strtol(PQgetvalue(row, 0, PG_C_TYPE_MOD), NULL, 10));
  col->textcmp = pg_textcmp(col->class, pg_true(row, PG_C_DETERMINISTIC),
                            pg_true(row, PG_C_BYTEWISE) && list->bytes_kept);
  col->unicode = list->unicode;
  col->notnull = pg_true(row, PG_C_NOTNULL) && !pg_may_be_nan(col->class);
  col->key = (int)strtol(PQgetvalue(row, 0, PG_C_KEY), NULL, 10);
  col->fill = pg_fill(PQgetvalue(row, 0, PG_C_FILL)[0]);
  col->uniques = (uint32_t)strtoul(PQgetvalue(row, 0, PG_C_UNIQUES), NULL, 10);
  pg_column_stats(rel, row, col);
  return SQLITE_OK;
}

/* The order of bytes is that of UTF-8 in these; in EUC or SJIS it is not. */
static bool pg_bytes_kept(PGconn *link)
{
  static const char *const names[] = {"UTF8", "LATIN1", "SQL_ASCII"};
  const char *encoding = PQparameterStatus(link, "server_encoding");

  for (size_t i = 0; i < FED_LEN(names); i++)
    if (encoding && strcmp(encoding, names[i]) == 0) return true;
  return false;
}

/* Elsewhere a character the encoding lacks is an error, not "no match". */
static bool pg_is_unicode(PGconn *link)
{
  const char *encoding = PQparameterStatus(link, "server_encoding");

  return encoding && strcmp(encoding, "UTF8") == 0;
}

static int pg_catalog_ask(struct fed_pg_conn *pg, const struct fed_scope *scope,
                          struct pg_listing *list, const char *const *params,
                          int nparam, bool stats, const struct fed_wait *wait,
                          struct fed_err *err)
{
  struct fed_str sql;
  int rc;

  fed_str_init(&sql, 65536);
  pg_catalog_sql(&sql, scope, PQserverVersion(pg->link), stats);
  rc = fed_str_err(&sql, err);
  if (rc == SQLITE_OK)
    rc =
      fed_pg_query(pg, sql.s, nparam, params, pg_catalog_row, list, wait, err);
  fed_str_release(&sql);
  return rc;
}

int fed_pg_catalog(struct fed_conn *conn, const struct fed_scope *scope,
                   struct fed_catalog *out, const struct fed_wait *wait,
                   struct fed_err *err)
{
  struct fed_pg_conn *pg = fed_pg_of(conn);
  struct pg_listing list = {.out = out,
                            .bytes_kept = pg_bytes_kept(pg->link),
                            .unicode = pg_is_unicode(pg->link)};
  const char *params[2];
  int n = 0;
  int rc;

  if (scope->schema && strcmp(scope->schema, "*") != 0)
    params[n++] = scope->schema;
  if (scope->table) params[n++] = scope->table;
  rc = pg_catalog_ask(pg, scope, &list, params, n, true, wait, err);
  if (rc == SQLITE_PERM) {
    /* Somebody took away even pg_stats. */
    fed_err_clear(err);
    rc = pg_catalog_ask(pg, scope, &list, params, n, false, wait, err);
  }
  for (int i = 0; i < out->nrel && out->nrel > PG_STATS_MAX; i++)
    out->rel[i].asked = 0;
  return rc;
}

/* ---- describe ---------------------------------------------------------- */

/*
 * A result column does not tell its collation. If the database has no
 * nondeterministic one, equality is that of bytes in every column.
 */
static const char pg_sql_types[] =
  "SELECT pg_catalog.format_type(t, m), NOT EXISTS"
  " (SELECT 1 FROM pg_catalog.pg_collation WHERE NOT collisdeterministic)"
  " FROM ROWS FROM (pg_catalog.unnest($1::oid[]),"
  " pg_catalog.unnest($2::int4[])) WITH ORDINALITY AS q(t, m, n)"
  " ORDER BY n";

struct pg_describing {
  struct fed_relation *out;
  const PGresult *res;
  int n; /* columns told so far */
  bool unicode;
};

static int pg_describe_row(void *ctx, PGresult *row, struct fed_err *err)
{
  struct pg_describing *d = ctx;
  int i = d->n++;
  struct fed_column *col;

  if (i >= PQnfields(d->res)) return SQLITE_OK;
  col = fed_relation_add(d->out, PQfname(d->res, i), PQgetvalue(row, 0, 0));
  if (!col) return fed_err_nomem(err);
  col->class = fed_pg_class(PQftype(d->res, i), PQfmod(d->res, i));
  col->textcmp = pg_textcmp(col->class, pg_true(row, 1), false);
  col->unicode = d->unicode;
  return SQLITE_OK;
}

static int pg_describe_columns(struct fed_pg_conn *pg, const PGresult *res,
                               struct fed_relation *out,
                               const struct fed_wait *wait, struct fed_err *err)
{
  struct pg_describing d = {
    .out = out, .res = res, .unicode = pg_is_unicode(pg->link)};
  struct fed_str oids, mods;
  const char *params[2];
  int rc;

  fed_str_init(&oids, 65536);
  fed_str_init(&mods, 65536);
  for (int i = 0; i < PQnfields(res); i++) {
    fed_str_addf(&oids, "%c%u", i ? ',' : '{', PQftype(res, i));
    fed_str_addf(&mods, "%c%d", i ? ',' : '{', PQfmod(res, i));
  }
  fed_str_addc(&oids, '}');
  fed_str_addc(&mods, '}');
  params[0] = oids.s;
  params[1] = mods.s;
  rc = fed_str_err(&oids, err);
  if (rc == SQLITE_OK) rc = fed_str_err(&mods, err);
  if (rc == SQLITE_OK)
    rc =
      fed_pg_query(pg, pg_sql_types, 2, params, pg_describe_row, &d, wait, err);
  fed_str_release(&oids);
  fed_str_release(&mods);
  return rc;
}

/*
 * The text is described inside the parentheses in which it will be run, so
 * that what cannot stand there (INSERT, SHOW, two statements) is an error now.
 * The extended protocol takes one statement only (traps 3), and the line
 * break ends a comment at the end of the text.
 */
int fed_pg_describe(struct fed_conn *conn, const char *sql,
                    struct fed_relation *out, const struct fed_wait *wait,
                    struct fed_err *err)
{
  struct fed_pg_conn *pg = fed_pg_of(conn);
  PGresult *res = NULL;
  struct fed_str text;
  int rc;

  fed_str_init(&text, FED_STR_SQL);
  fed_str_add(&text, "SELECT * FROM (");
  fed_str_add(&text, sql);
  fed_str_add(&text, "\n) AS q");
  rc = fed_str_err(&text, err);
  if (rc == SQLITE_OK) rc = fed_pg_parse(pg, "", text.s, &res, wait, err);
  if (rc == SQLITE_ERROR && strcmp(err->sqlstate, "42601") == 0)
    fed_err_suffix(err, ": a query is one SELECT, without a semicolon");
  if (rc != SQLITE_OK) goto out;
  if (PQnfields(res) == 0)
    rc = fed_err_set(err, SQLITE_ERROR, "the query gives no columns");
  else if (PQnparams(res) > 0)
    rc = fed_err_set(err, SQLITE_ERROR, "the query has parameters");
  else
    rc = pg_describe_columns(pg, res, out, wait, err);
out:
  PQclear(res);
  fed_str_release(&text);
  return rc;
}
