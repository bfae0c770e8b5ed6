/*
 * schema_sqlite: what a SQLite file is made of. SQLite's own table-valued
 * pragmas tell most of it; collations, checks, generated columns and a few
 * words stand in the text of CREATE TABLE only, which is read token by token.
 */
#include "migrate/schema.h"

#include "base/mem.h"
#include "migrate/dump.h"
#include "migrate/token.h"

/* ---- what the pragmas tell ----------------------------------------------- */

/* A name in a list of names. */
#define LITE_NAME(name)                                                        \
  "CASE WHEN " name " GLOB '*[^a-zA-Z0-9_]*' OR " name " = '' THEN '\"' || "   \
  "replace(" name ", '\"', '\"\"') || '\"' ELSE " name " END"

/* Ours and SQLite's own; `s` is sqlite_schema. */
#define LITE_MINE                                                              \
  " lower(s.name) NOT GLOB 'sqlite_*'"                                         \
  " AND lower(s.tbl_name) <> 'dbfed_migration' AND s.name NOT IN"              \
  " (SELECT name FROM pragma_table_list WHERE schema = 'main' AND"             \
  " type = 'shadow')"
#define LITE_CNAME LITE_NAME("c.name")
#define LITE_XNAME LITE_NAME("x.name")
#define LITE_FROM  LITE_NAME("k.\"from\"")
#define LITE_TO    LITE_NAME("k.\"to\"")
#define LITE_TABLES                                                            \
  " FROM main.sqlite_schema s WHERE s.type = 'table' AND" LITE_MINE            \
  " AND s.sql NOT LIKE 'CREATE VIRTUAL '||char(37)"

static const char lite_objects[] =
  "SELECT CASE s.type WHEN 'view' THEN 1 ELSE 0 END, s.name, 0, NULL, 0,"
  " CASE WHEN s.type = 'table' AND s.sql LIKE 'CREATE VIRTUAL '||char(37)"
  " THEN 'virtual' END,"
  " CASE s.type WHEN 'view' THEN s.sql END,"
  " CASE WHEN s.type = 'table' AND s.sql LIKE 'CREATE VIRTUAL '||char(37)"
  " THEN s.sql END, NULL, NULL, NULL"
  " FROM main.sqlite_schema s WHERE s.type IN ('table', 'view') AND" LITE_MINE;

static const char lite_columns[] =
  "SELECT 0, t.name, 1, c.name, c.cid, nullif(upper(c.type), ''), CASE WHEN "
  "c.\"notnull\" THEN"
  " 'yes' END, CASE WHEN c.hidden = 0 THEN c.dflt_value END, CASE c.hidden"
  " WHEN 2 THEN 'virtual' WHEN 3 THEN 'stored' END, NULL, NULL"
  " FROM (SELECT s.name" LITE_TABLES
  ") t, pragma_table_xinfo(t.name, 'main') c";

/* Only a rowid's alias has no index. */
#define LITE_PARTS                                                             \
  LITE_XNAME " || CASE WHEN x.coll <> 'BINARY' THEN ' COLLATE ' || x.coll "    \
             "ELSE '' END || CASE WHEN x.\"desc\" THEN ' DESC' ELSE '' END"
static const char lite_keys[] =
  "SELECT 0, t.name, 2, 'PRIMARY KEY', 0, 'primary key', coalesce((SELECT"
  " group_concat(n, ', ') FROM (SELECT " LITE_PARTS " AS n FROM"
  " pragma_index_list(t.name, 'main') i, pragma_index_xinfo(i.name, 'main') x"
  " WHERE i.origin = 'pk' AND x.key ORDER BY x.seqno)), (SELECT"
  " group_concat(n, ', ') FROM (SELECT " LITE_CNAME " AS n FROM"
  " pragma_table_xinfo(t.name, 'main') c WHERE c.pk > 0 ORDER BY c.pk)))"
  " AS columns, NULL, NULL, NULL, NULL FROM (SELECT s.name" LITE_TABLES
  ") t WHERE columns IS NOT NULL";

/* Constraints have no names: they are called as they are written. */
static const char lite_unique[] =
  "SELECT 0, t.name, 2, 'UNIQUE (' || (SELECT group_concat(n, ', ') FROM"
  " (SELECT " LITE_XNAME " AS n FROM pragma_index_xinfo(i.name, 'main') x"
  " WHERE x.key ORDER BY x.seqno)) || ')', 0, 'unique constraint', (SELECT"
  " group_concat(n, ', ') FROM (SELECT " LITE_PARTS " AS n FROM"
  " pragma_index_xinfo(i.name, 'main') x WHERE x.key ORDER BY x.seqno)),"
  " NULL, NULL, NULL, NULL FROM (SELECT s.name" LITE_TABLES ") t,"
  " pragma_index_list(t.name, 'main') i WHERE i.origin = 'u'";

/* Numbered from the last one backwards there, so from the first one on here. */
static const char lite_foreign[] =
  "SELECT 0, f.name, 3, '(' || f.cols || ')', (SELECT max(m.id) FROM"
  " pragma_foreign_key_list(f.name, 'main') m) - f.id, f.cols,"
  " f.\"table\" || coalesce('(' || f.parents || ')', ''),"
  " nullif(f.on_update, 'NO ACTION'), nullif(f.on_delete, 'NO ACTION'),"
  " NULL, NULL"
  " FROM (SELECT t.name, k.id, k.\"table\", k.on_update, k.on_delete,"
  " group_concat(" LITE_FROM ", ', ') AS cols,"
  " group_concat(" LITE_TO ", ', ') AS parents"
  " FROM (SELECT s.name" LITE_TABLES ") t,"
  " pragma_foreign_key_list(t.name, 'main') k GROUP BY t.name, k.id) f";

static const char lite_triggers[] =
  "SELECT CASE o.type WHEN 'view' THEN 1 ELSE 0 END, o.name, 5, s.name, 0,"
  " NULL, s.sql, NULL, NULL, NULL, NULL FROM main.sqlite_schema s JOIN"
  " main.sqlite_schema o ON o.name = s.tbl_name COLLATE NOCASE AND o.type IN"
  " ('table', 'view') WHERE s.type = 'trigger' AND" LITE_MINE;

static const char lite_texts[] = "SELECT s.name, s.sql" LITE_TABLES;

static const char lite_indexes[] =
  "SELECT s.tbl_name, s.sql, s.name, l.\"unique\" FROM main.sqlite_schema s,"
  " pragma_index_list(s.tbl_name, 'main') l WHERE s.type = 'index' AND"
  " l.name = s.name AND s.sql IS NOT NULL AND" LITE_MINE;

/* ---- texts --------------------------------------------------------------- */

struct lite_reader {
  struct token_reader r;
  struct token t; /* the present one, no blank */
  bool negated;   /* behind NOT */
  struct schema *schema;
  int first, end; /* the table's items */
  char *table, *column, *constraint;
  int foreign; /* foreign keys so far */
  struct fed_str options;
  struct fed_err *err;
};

static bool lite_is(const struct lite_reader *l, const char *word)
{
  return token_is(&l->t, word, strlen(word));
}

static bool lite_end(const struct lite_reader *l)
{
  return l->t.kind == TOKEN_END || l->t.kind == TOKEN_OPEN;
}

static void lite_read(struct lite_reader *l)
{
  l->negated = lite_is(l, "NOT");
  do
    token_read(&l->r, &l->t);
  while (l->t.kind == TOKEN_BLANK || l->t.kind == TOKEN_CODE);
}

/* A token without its quotes. */
static int lite_name(struct lite_reader *l, char **out)
{
  const char *s = l->t.s;
  size_t n = l->t.n;
  struct fed_str name;
  char quote = 0;

  fed_str_init(&name, FED_STR_SQL);
  if (n >= 2 && strchr("\"`'[", *s)) {
    quote = *s == '[' ? ']' : *s;
    s++;
    n -= 2;
  }
  for (size_t i = 0; i < n; i++) {
    fed_str_addc(&name, s[i]);
    if (quote && quote != ']' && s[i] == quote) i++;
  }
  fed_free(*out);
  *out = fed_str_detach(&name);
  return *out ? SQLITE_OK : fed_err_nomem(l->err);
}

/*
 * The text from the next token on: one parenthesis, or with `all` what is
 * left. Blanks and comments are one blank.
 */
static int lite_text(struct lite_reader *l, bool all, char **out)
{
  struct fed_str text;
  int depth = 0;
  bool blank = false;

  fed_str_init(&text, FED_STR_SQL);
  while (token_read(&l->r, &l->t), !lite_end(l)) {
    if (l->t.kind == TOKEN_BLANK) {
      blank = text.len > 0;
      continue;
    }
    if (blank) fed_str_addc(&text, ' ');
    blank = false;
    fed_str_addn(&text, l->t.s, l->t.n);
    if (lite_is(l, "(")) depth++;
    if (lite_is(l, ")")) depth--;
    if (!all && depth <= 0) break;
  }
  fed_free(*out);
  *out = fed_str_detach(&text);
  return *out ? SQLITE_OK : fed_err_nomem(l->err);
}

static void lite_skip(struct lite_reader *l)
{
  for (int depth = 1; depth > 0 && !lite_end(l);) {
    lite_read(l);
    if (lite_is(l, "(")) depth++;
    if (lite_is(l, ")")) depth--;
  }
}

/* ---- CREATE TABLE -------------------------------------------------------- */

static struct schema_item *lite_item(struct lite_reader *l,
                                     enum schema_part part, const char *name,
                                     int64_t position)
{
  for (int i = l->first; i < l->end; i++) {
    struct schema_item *item = &l->schema->item[i];

    if (item->part == part && (name ? !sqlite3_stricmp(item->name, name)
                                    : item->position == position))
      return item;
  }
  return NULL;
}

/* A property of the present column; takes `text`. */
static void lite_set(struct lite_reader *l, int value, char *text)
{
  struct schema_item *item =
    l->column ? lite_item(l, SCHEMA_COLUMN, l->column, 0) : NULL;

  if (!item) {
    fed_free(text);
    return;
  }
  fed_free(item->value[value]);
  item->value[value] = text;
}

static int lite_check(struct lite_reader *l)
{
  struct schema_item check = {.kind = SCHEMA_TABLE, .part = SCHEMA_CHECK};
  char *text = NULL;
  int rc = lite_text(l, false, &text);

  if (rc == SQLITE_OK) {
    check.value[0] = text;
    rc = schema_add(l->schema, &check, l->table,
                    l->constraint ? l->constraint : text, l->err);
  }
  fed_free(text);
  return rc;
}

static int lite_generated(struct lite_reader *l)
{
  struct schema_item *item =
    l->column ? lite_item(l, SCHEMA_COLUMN, l->column, 0) : NULL;
  struct fed_str both;
  char *text = NULL;
  int rc = lite_text(l, false, &text);

  if (rc == SQLITE_OK && item && item->value[3]) {
    fed_str_init(&both, FED_STR_SQL);
    fed_str_addf(&both, "%s %s", text, item->value[3]);
    fed_free(text);
    text = fed_str_detach(&both);
    lite_set(l, 3, text);
    return text ? SQLITE_OK : fed_err_nomem(l->err);
  }
  fed_free(text);
  return rc;
}

static int lite_collate(struct lite_reader *l)
{
  char *name = NULL;
  int rc;

  lite_read(l);
  rc = lite_name(l, &name);
  lite_set(l, 5, name);
  return rc;
}

static int lite_autoincrement(struct lite_reader *l)
{
  char *word = fed_strdup("autoincrement");

  lite_set(l, 4, word);
  return word ? SQLITE_OK : fed_err_nomem(l->err);
}

static int lite_references(struct lite_reader *l)
{
  l->foreign++;
  return SQLITE_OK;
}

/* DEFERRABLE alone defers nothing, nor does NOT DEFERRABLE with more. */
static int lite_deferrable(struct lite_reader *l)
{
  bool negated = l->negated;
  struct schema_item *item;
  struct token_reader ahead = l->r;
  struct token at = l->t;

  lite_read(l);
  if (!negated && lite_is(l, "INITIALLY")) {
    lite_read(l);
    item = lite_item(l, SCHEMA_FOREIGN_KEY, NULL, l->foreign - 1);
    if (lite_is(l, "DEFERRED") && item && !item->value[4])
      return (item->value[4] = fed_strdup("initially deferred"))
               ? SQLITE_OK
               : fed_err_nomem(l->err);
    return SQLITE_OK;
  }
  l->r = ahead;
  l->t = at;
  return SQLITE_OK;
}

/* Of NOT NULL, UNIQUE or a key: told with the table. */
static int lite_conflict(struct lite_reader *l)
{
  lite_read(l);
  fed_str_addf(&l->options, "%s%s%son conflict %.*s",
               l->options.len ? ", " : "", l->column ? l->column : "",
               l->column ? " " : "", (int)l->t.n, l->t.s);
  return SQLITE_OK;
}

static int lite_constraint(struct lite_reader *l)
{
  lite_read(l);
  return lite_name(l, &l->constraint);
}

static const struct {
  const char *word;
  int (*read)(struct lite_reader *l);
  bool ends; /* the constraint's name is used up */
} lite_clauses[] = {
  {"CONSTRAINT",    lite_constraint,    false},
  {"CHECK",         lite_check,         true },
  {"AS",            lite_generated,     true },
  {"COLLATE",       lite_collate,       true },
  {"AUTOINCREMENT", lite_autoincrement, true },
  {"REFERENCES",    lite_references,    true },
  {"DEFERRABLE",    lite_deferrable,    true },
  {"CONFLICT",      lite_conflict,      true },
};

/* A column's name, or the first word of a constraint. */
static int lite_start(struct lite_reader *l)
{
  static const char *const words[] = {"CONSTRAINT", "PRIMARY", "UNIQUE",
                                      "CHECK", "FOREIGN"};

  fed_free(l->column);
  fed_free(l->constraint);
  l->column = l->constraint = NULL;
  for (size_t i = 0; i < FED_LEN(words); i++)
    if (lite_is(l, words[i])) return SQLITE_OK;
  return lite_name(l, &l->column);
}

static int lite_clause(struct lite_reader *l)
{
  int rc = SQLITE_OK;

  for (size_t i = 0; i < FED_LEN(lite_clauses); i++) {
    if (!lite_is(l, lite_clauses[i].word)) continue;
    rc = lite_clauses[i].read(l);
    if (lite_clauses[i].ends) {
      fed_free(l->constraint);
      l->constraint = NULL;
    }
    return rc;
  }
  if (lite_is(l, "(")) lite_skip(l);
  return rc;
}

static int lite_body(struct lite_reader *l)
{
  bool start = true;
  int rc = SQLITE_OK;

  while (rc == SQLITE_OK && (lite_read(l), !lite_end(l))) {
    if (lite_is(l, ")")) break;
    if (lite_is(l, ",")) {
      start = true;
      continue;
    }
    if (start) {
      rc = lite_start(l);
      start = false;
      if (l->column) continue; /* its name is no clause */
    }
    if (rc == SQLITE_OK) rc = lite_clause(l);
  }
  return rc;
}

/* STRICT, WITHOUT ROWID: in one order, whatever that of the text. */
static void lite_options(struct lite_reader *l)
{
  bool strict = false, without = false;

  while (lite_read(l), !lite_end(l)) {
    if (lite_is(l, "STRICT")) strict = true;
    if (lite_is(l, "WITHOUT")) without = true;
  }
  if (strict) fed_str_add(&l->options, l->options.len ? ", strict" : "strict");
  if (without)
    fed_str_add(&l->options,
                l->options.len ? ", without rowid" : "without rowid");
}

/* The items of the present table are those from its own on: they are sorted. */
static void lite_range(struct lite_reader *l, int sorted)
{
  int low = 0, high = sorted;

  while (low < high) {
    int half = (low + high) / 2;
    const struct schema_item *item = &l->schema->item[half];
    int c = item->kind != SCHEMA_TABLE ? 1 : strcmp(item->object, l->table);

    if (c < 0)
      low = half + 1;
    else
      high = half;
  }
  l->first = low;
  while (low < sorted && l->schema->item[low].kind == SCHEMA_TABLE &&
         !strcmp(l->schema->item[low].object, l->table))
    low++;
  l->end = low;
}

struct lite_tables {
  struct schema *schema;
  int sorted;
};

static int lite_table(struct lite_reader *l)
{
  struct schema_item *self;
  int rc;

  lite_read(l);
  while (!lite_end(l) && !lite_is(l, "("))
    lite_read(l);
  rc = lite_body(l);
  if (rc == SQLITE_OK) lite_options(l);
  if (rc == SQLITE_OK) rc = fed_str_err(&l->options, l->err);
  self = lite_item(l, SCHEMA_SELF, "", 0);
  if (rc == SQLITE_OK && self && l->options.len &&
      !(self->value[1] = fed_strdup(l->options.s)))
    rc = fed_err_nomem(l->err);
  return rc;
}

static int lite_table_row(void *arg, const struct fed_value *row,
                          struct fed_err *err)
{
  const struct lite_tables *tables = arg;
  struct lite_reader l = {.schema = tables->schema, .err = err};
  int rc;

  if (row[0].type != FED_TEXT || row[1].type != FED_TEXT) return SQLITE_OK;
  l.table = fed_strndup(row[0].p, (size_t)row[0].size);
  if (!l.table) return fed_err_nomem(err);
  fed_str_init(&l.options, FED_STR_SQL);
  lite_range(&l, tables->sorted);
  token_init(&l.r, SPLIT_SQLITE, row[1].p, (size_t)row[1].size);
  rc = lite_table(&l);
  fed_free(l.table);
  fed_free(l.column);
  fed_free(l.constraint);
  fed_str_release(&l.options);
  return rc;
}

/* ---- CREATE INDEX -------------------------------------------------------- */

static int lite_index_row(void *arg, const struct fed_value *row,
                          struct fed_err *err)
{
  const struct lite_tables *tables = arg;
  struct schema_item item = {.kind = SCHEMA_TABLE, .part = SCHEMA_INDEX};
  struct lite_reader l = {.err = err};
  char *columns = NULL, *where = NULL, unique[] = "unique";
  char *table = fed_strndup(row[0].p, (size_t)row[0].size);
  char *name = fed_strndup(row[2].p, (size_t)row[2].size);
  int rc = table && name ? SQLITE_OK : fed_err_nomem(err);
  token_init(&l.r, SPLIT_SQLITE, row[1].p, (size_t)row[1].size);
  do
    lite_read(&l);
  while (!lite_end(&l) && !lite_is(&l, "ON"));
  lite_read(&l); /* the table */
  if (rc == SQLITE_OK) rc = lite_text(&l, false, &columns);
  lite_read(&l);
  if (rc == SQLITE_OK && lite_is(&l, "WHERE")) rc = lite_text(&l, true, &where);
  item.value[0] = row[3].type == FED_INT && row[3].i ? unique : NULL;
  item.value[1] = columns;
  item.value[2] = where;
  if (rc == SQLITE_OK) rc = schema_add(tables->schema, &item, table, name, err);
  fed_free(table);
  fed_free(name);
  fed_free(columns);
  fed_free(where);
  return rc;
}

/* ---- all ----------------------------------------------------------------- */

int schema_of_sqlite(struct target *target, const char *where,
                     struct schema *out, struct fed_err *err)
{
  static const char *const queries[] = {lite_objects, lite_columns,
                                        lite_keys,    lite_unique,
                                        lite_foreign, lite_triggers};
  struct lite_tables tables = {.schema = out};
  int rc = SQLITE_OK;

  if (where)
    return fed_err_set(err, SQLITE_MISUSE,
                       "a SQLite file has no schemas: leave 'schema=' out");
  for (size_t i = 0; i < FED_LEN(queries) && rc == SQLITE_OK; i++)
    rc = schema_query(out, target, queries[i], NULL, err);
  if (rc == SQLITE_OK) rc = schema_finish(out, err);
  tables.sorted = out->n;
  if (rc == SQLITE_OK)
    rc =
      target_query(target, lite_texts, NULL, 0, lite_table_row, &tables, err);
  if (rc == SQLITE_OK)
    rc =
      target_query(target, lite_indexes, NULL, 0, lite_index_row, &tables, err);
  return rc;
}

/* ---- statements ---------------------------------------------------------- */

static int lite_statement(void *arg, const struct fed_value *row,
                          struct fed_err *err)
{
  struct fed_str *out = arg;

  fed_str_addn(out, row[0].p,
               row[0].type == FED_TEXT ? (size_t)row[0].size : 0);
  fed_str_add(out, ";\n");
  return fed_str_err(out, err);
}

int dump_of_sqlite(struct target *target, const char *where,
                   struct fed_str *out, struct fed_err *err)
{
  static const char sql[] =
    "SELECT s.sql FROM main.sqlite_schema s WHERE s.sql IS NOT NULL "
    "AND" LITE_MINE
    " ORDER BY CASE s.type WHEN 'table' THEN 0 WHEN 'index' THEN 1 WHEN 'view'"
    " THEN 2 ELSE 3 END, s.rowid";

  if (where)
    return fed_err_set(err, SQLITE_MISUSE,
                       "a SQLite file has no schemas: leave 'schema=' out");
  return target_query(target, sql, NULL, 0, lite_statement, out, err);
}
