/*
 * schema_mysql: what a database of MySQL or MariaDB is made of, by
 * information_schema, and where the two differ by the version.
 */
#include "migrate/schema.h"

#include <stdlib.h>

#include "base/mem.h"

#define MYSQL_OURS(table) " AND " table " <> 'dbfed_migration'"

static const char mysql_tables[] =
  "SELECT 0, t.table_name, 0, NULL, 0, CASE t.table_type WHEN 'SYSTEM"
  " VERSIONED' THEN 'system versioned' END, concat_ws(' ', concat('ENGINE=',"
  " t.engine), concat('COLLATE=', t.table_collation), nullif("
  "t.create_options, '')), (SELECT group_concat(concat_ws(' ',"
  " p.partition_name, p.partition_method, p.partition_expression,"
  " p.partition_description, p.subpartition_name, p.subpartition_method,"
  " p.subpartition_expression) ORDER BY p.partition_ordinal_position,"
  " p.subpartition_ordinal_position SEPARATOR ', ') FROM"
  " information_schema.partitions p WHERE p.table_schema = t.table_schema AND"
  " BINARY p.table_name = t.table_name AND p.partition_name IS NOT NULL),"
  " NULL, NULL, NULL FROM"
  " information_schema.tables t WHERE t.table_schema = ? AND t.table_type IN"
  " ('BASE TABLE', 'SYSTEM VERSIONED')" MYSQL_OURS("t.table_name");

/* The text has the database's name before every table. */
static const char mysql_views[] =
  "SELECT 1, v.table_name, 0, NULL, 0, NULL, replace(v.view_definition,"
  " concat('`', replace(v.table_schema, '`', '``'), '`.'), ''), nullif("
  "concat_ws(', ', nullif(v.security_type, 'DEFINER'), nullif(v.check_option,"
  " 'NONE')), ''),"
  " NULL, NULL, NULL FROM information_schema.views v WHERE v.table_schema = ?";

/* MariaDB prints defaults as expressions, so that NULL is a word there. */
#define MYSQL_DEFAULT                                                          \
  "CASE WHEN instr(version(), 'MariaDB') > 0 THEN nullif(c.column_default,"    \
  " 'NULL') ELSE c.column_default END"

/* Names of tables may differ by case or an accent only, which the server's
 * comparison of these texts does not see. */
static const char mysql_columns[] =
  "SELECT CASE t.table_type WHEN 'VIEW' THEN 1 WHEN 'SYSTEM VIEW' THEN 1 ELSE"
  " 0 END, c.table_name, 1, c.column_name, c.ordinal_position, c.column_type,"
  " CASE c.is_nullable WHEN 'NO' THEN 'yes' END, CASE WHEN instr(lower("
  "c.extra), 'on update') > 0 THEN concat_ws(' ', " MYSQL_DEFAULT ", substring("
  "c.extra, instr(lower(c.extra), 'on update'))) ELSE " MYSQL_DEFAULT " END,"
  " nullif(concat_ws(' ', nullif(c.generation_expression, ''),"
  " CASE WHEN instr(c.extra, 'STORED GENERATED') > 0 THEN 'stored' WHEN"
  " instr(c.extra, 'VIRTUAL GENERATED') > 0 THEN 'virtual' END), ''), CASE"
  " WHEN instr(c.extra, 'auto_increment') > 0 THEN 'auto_increment' END,"
  " c.collation_name FROM information_schema.columns c JOIN"
  " information_schema.tables t ON t.table_schema = c.table_schema AND BINARY"
  " t.table_name = c.table_name WHERE c.table_schema = ? AND t.table_type <>"
  " 'SEQUENCE'" MYSQL_OURS("c.table_name");

/* `%s` is the expression of an index's part, which MariaDB has not. */
static const char mysql_indexes[] =
  "SELECT 0, s.table_name, 2, s.index_name, 0, CASE WHEN s.index_name ="
  " 'PRIMARY' THEN 'primary key' WHEN max(s.non_unique) = 0 THEN 'unique' END,"
  " group_concat(concat(coalesce(concat('`', replace(s.column_name, '`',"
  " '``'), '`'), concat('(', %s, ')')), coalesce(concat('(', s.sub_part, ')'),"
  " ''), CASE s.collation WHEN 'D' THEN ' DESC' ELSE '' END) ORDER BY"
  " s.seq_in_index SEPARATOR ', '), NULL, nullif(max(s.index_type), 'BTREE'),"
  " NULL, NULL FROM information_schema.statistics s WHERE s.table_schema = "
  "?" MYSQL_OURS("s.table_name") " GROUP BY BINARY s.table_name, s.index_name";

static const char mysql_foreign[] =
  "SELECT 0, r.table_name, 3, r.constraint_name, 0, group_concat(concat('`',"
  " replace(k.column_name, '`', '``'), '`') ORDER BY k.ordinal_position"
  " SEPARATOR ', '), concat(CASE WHEN r.unique_constraint_schema <>"
  " r.constraint_schema THEN concat('`', r.unique_constraint_schema, '`.')"
  " ELSE '' END, '`', replace(r.referenced_table_name, '`', '``'), '`(',"
  " group_concat(concat('`', replace(k.referenced_column_name, '`', '``'),"
  " '`') ORDER BY k.ordinal_position SEPARATOR ', '), ')'),"
  " CASE WHEN r.update_rule NOT IN ('RESTRICT', 'NO ACTION') THEN"
  " r.update_rule END, CASE WHEN r.delete_rule NOT IN ('RESTRICT',"
  " 'NO ACTION') THEN r.delete_rule END, NULL, NULL"
  " FROM information_schema.referential_constraints r JOIN"
  " information_schema.key_column_usage k ON k.constraint_schema ="
  " r.constraint_schema AND k.constraint_name = r.constraint_name AND"
  " BINARY k.table_name = r.table_name WHERE r.constraint_schema = ? GROUP BY"
  " BINARY r.table_name, r.constraint_name, r.unique_constraint_schema,"
  " r.constraint_schema, r.referenced_table_name, r.update_rule,"
  " r.delete_rule";

static const char mysql_checks_maria[] =
  "SELECT 0, c.table_name, 4, c.constraint_name, 0, c.check_clause, NULL,"
  " NULL, NULL, NULL, NULL FROM information_schema.check_constraints c WHERE"
  " c.constraint_schema = ?" MYSQL_OURS("c.table_name");

static const char mysql_checks[] =
  "SELECT 0, t.table_name, 4, c.constraint_name, 0, c.check_clause, NULL,"
  " NULL, NULL, NULL, NULL FROM information_schema.check_constraints c JOIN"
  " information_schema.table_constraints t ON t.constraint_schema ="
  " c.constraint_schema AND t.constraint_name = c.constraint_name WHERE"
  " t.constraint_type = 'CHECK' AND c.constraint_schema = ?" MYSQL_OURS(
    "t.table_name");

static const char mysql_triggers[] =
  "SELECT 0, g.event_object_table, 5, g.trigger_name, 0, concat("
  "g.action_timing, ' ', g.event_manipulation, CASE WHEN g.action_order > 1"
  " THEN concat(' ', g.action_order) ELSE '' END), g.action_statement, NULL,"
  " NULL, NULL, NULL FROM information_schema.triggers g WHERE"
  " g.event_object_schema = ?";

static const char mysql_routines[] =
  "SELECT 4, concat(r.routine_name, '(', coalesce(p.list, ''), ')'), 0, NULL,"
  " 0, lower(r.routine_type), nullif(r.dtd_identifier, ''), sha2(concat_ws("
  "'|', r.routine_definition, r.is_deterministic, r.sql_data_access,"
  " r.security_type), 256), NULL, NULL, NULL FROM information_schema.routines"
  " r LEFT JOIN (SELECT specific_name, routine_type, group_concat(concat("
  "coalesce(nullif(concat(parameter_mode, ' '), 'IN '), ''), parameter_name,"
  " ' ', dtd_identifier) ORDER BY ordinal_position SEPARATOR ', ') AS list"
  " FROM information_schema.parameters WHERE specific_schema = database() AND"
  " ordinal_position > 0 GROUP BY specific_name, routine_type) p ON"
  " p.specific_name = r.specific_name AND p.routine_type = r.routine_type"
  " WHERE r.routine_schema = ?";

static const char mysql_events[] =
  "SELECT 5, e.event_name, 0, NULL, 0, concat_ws(' ', e.event_type,"
  " e.interval_value, e.interval_field, e.status), sha2(e.event_definition,"
  " 256), NULL, NULL, NULL, NULL FROM information_schema.events e WHERE"
  " e.event_schema = ?";

static const char mysql_sequences[] =
  "SELECT 2, t.table_name, 0, NULL, 0, NULL, NULL, NULL, NULL, NULL, NULL FROM"
  " information_schema.tables t WHERE t.table_schema = ? AND t.table_type ="
  " 'SEQUENCE'";

/* ---- sequences of MariaDB: each tells of itself ---------------------------
 */

static int mysql_sequence_row(void *arg, const struct fed_value *row,
                              struct fed_err *err)
{
  char **out = arg;

  if (row[0].type != FED_TEXT) return SQLITE_OK;
  fed_free(*out);
  *out = fed_strndup(row[0].p, (size_t)row[0].size);
  return *out ? SQLITE_OK : fed_err_nomem(err);
}

static int mysql_sequence(struct target *target, struct schema_item *item,
                          struct fed_err *err)
{
  static const char ask[] =
    "SELECT concat('start ', start_value, ' increment ', increment, ' from ',"
    " minimum_value, ' to ', maximum_value, ' cache ', cache_size, CASE WHEN"
    " cycle_option THEN ' cycle' ELSE '' END) FROM ";
  struct fed_str sql;
  int rc;

  fed_str_init(&sql, 8192);
  fed_str_add(&sql, ask);
  fed_str_quote(&sql, item->object, '`');
  rc = fed_str_err(&sql, err);
  if (rc == SQLITE_OK)
    rc = target_rows(target, sql.s, mysql_sequence_row, &item->value[0], err);
  fed_str_release(&sql);
  return rc;
}

/* ---- all ----------------------------------------------------------------- */

/* The version's number, as 80016; MariaDB's is negative. */
static int mysql_version(void *arg, const struct fed_value *row,
                         struct fed_err *err)
{
  char text[64], *end = text;
  long version = 0;

  (void)err;
  if (row[0].type != FED_TEXT) return SQLITE_OK;
  sqlite3_snprintf((int)sizeof text, text, "%.*s", (int)row[0].size, row[0].p);
  for (int part = 0; part < 3; part++) {
    version = version * 100 + strtol(end, &end, 10);
    if (*end == '.') end++;
  }
  *(int *)arg = (int)version * (strstr(text, "MariaDB") ? -1 : 1);
  return SQLITE_OK;
}

static int mysql_index_query(struct schema *out, struct target *target,
                             bool expressions, struct fed_err *err)
{
  struct fed_str sql;
  const char *mark = strstr(mysql_indexes, "%s");
  int rc;

  fed_str_init(&sql, FED_STR_SQL);
  fed_str_addn(&sql, mysql_indexes, (size_t)(mark - mysql_indexes));
  fed_str_add(&sql, expressions ? "s.expression" : "''");
  fed_str_add(&sql, mark + 2);
  rc = fed_str_err(&sql, err);
  if (rc == SQLITE_OK)
    rc = schema_query(out, target, sql.s, target->where, err);
  fed_str_release(&sql);
  return rc;
}

/* Lists longer than a kilobyte would be cut. */
#define MYSQL_LISTS "SET SESSION group_concat_max_len = 1000000"

int schema_of_mysql(struct target *target, const char *where,
                    struct schema *out, struct fed_err *err)
{
  static const char *const queries[] = {
    mysql_tables,   mysql_views,    mysql_columns, mysql_foreign,
    mysql_triggers, mysql_routines, mysql_events,  mysql_sequences};
  int version = 0;
  int rc;

  if (where)
    return fed_err_set(err, SQLITE_MISUSE,
                       "'schema=' is PostgreSQL's: the URL names the database");
  rc = fed_conn_exec(target->conn, MYSQL_LISTS, &target->wait, err);
  if (rc == SQLITE_OK)
    rc = target_query(target, "SELECT version()", NULL, 0, mysql_version,
                      &version, err);
  for (size_t i = 0; i < FED_LEN(queries) && rc == SQLITE_OK; i++)
    rc = schema_query(out, target, queries[i], target->where, err);
  if (rc == SQLITE_OK)
    rc = mysql_index_query(out, target, version >= 80013, err);
  if (rc == SQLITE_OK && (version >= 80016 || version <= -100222))
    rc =
      schema_query(out, target, version < 0 ? mysql_checks_maria : mysql_checks,
                   target->where, err);
  for (int i = 0; i < out->n && rc == SQLITE_OK; i++)
    if (out->item[i].kind == SCHEMA_SEQUENCE)
      rc = mysql_sequence(target, &out->item[i], err);
  return rc;
}
