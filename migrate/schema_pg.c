/*
 * schema_pg: what a schema of PostgreSQL is made of.
 *
 * Our session's search_path is that schema while we ask, so that the texts
 * that the server prints name what is in it without its name: a schema can be
 * compared with one of another name. What belongs to an extension is left out,
 * and what a partition has only because its parent has it.
 */
#include "migrate/schema.h"

/* Not a member of an extension, nor made by another object, as the sequence of
 * an identity column or the functions of a range type. */
#define PG_FREE(class, oid)                                                    \
  " AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_depend e WHERE e.classid = '"  \
  "pg_catalog." class "'::pg_catalog.regclass AND e.objid = " oid              \
                      " AND e.deptype IN ('e', 'i') AND e.refobjid <> "        \
                      "e.objid)"

/* Relations in scope: `c`; the parameter is the schema. */
#define PG_RELATIONS                                                           \
  "(SELECT c.* FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n"      \
  " ON n.oid = c.relnamespace WHERE n.nspname = ?::text"                       \
  " AND c.relname <> 'dbfed_migration'" PG_FREE("pg_class", "c.oid") ") c"
#define PG_KIND "CASE WHEN c.relkind IN ('v', 'm') THEN 1 ELSE 0 END"

static const char pg_path[] =
  "SELECT pg_catalog.set_config('search_path', pg_catalog.quote_ident("
  "n.nspname), false) FROM pg_catalog.pg_namespace n WHERE n.nspname = ?::text";

static const char pg_tables[] =
  "SELECT 0, c.relname::text, 0, NULL::text, 0, CASE c.relkind WHEN 'p' THEN"
  " 'partitioned' WHEN 'f' THEN 'foreign' ELSE CASE c.relpersistence WHEN 'u'"
  " THEN 'unlogged' END END, nullif(pg_catalog.concat_ws(', ',"
  " pg_catalog.array_to_string(c.reloptions, ', '), CASE WHEN"
  " c.relrowsecurity THEN 'row level security' END, CASE WHEN"
  " c.relforcerowsecurity THEN 'forced' END), ''),"
  " nullif(pg_catalog.concat_ws(' ', CASE WHEN c.relkind = 'p' THEN"
  " 'PARTITION BY ' || pg_catalog.pg_get_partkeydef(c.oid) END, (SELECT CASE"
  " WHEN c.relispartition THEN 'PARTITION OF ' ELSE 'INHERITS ' END ||"
  " pg_catalog.string_agg(h.inhparent::pg_catalog.regclass::text, ', '"
  " ORDER BY h.inhseqno) FROM pg_catalog.pg_inherits h WHERE h.inhrelid ="
  " c.oid), pg_catalog.pg_get_expr(c.relpartbound, c.oid)), ''),"
  " NULL::text, NULL::text, NULL::text FROM " PG_RELATIONS
  " WHERE c.relkind IN ('r', 'p', 'f')";

static const char pg_views[] =
  "SELECT 1, c.relname::text, 0, NULL::text, 0, CASE c.relkind WHEN 'm' THEN"
  " 'materialized' END, pg_catalog.pg_get_viewdef(c.oid),"
  " pg_catalog.array_to_string(c.reloptions, ', '), NULL::text, NULL::text,"
  " NULL::text FROM " PG_RELATIONS " WHERE c.relkind IN ('v', 'm')";

static const char pg_columns[] =
  "SELECT " PG_KIND ", c.relname::text, 1, a.attname::text, a.attnum::int,"
  " pg_catalog.format_type(a.atttypid, a.atttypmod), CASE WHEN a.attnotnull"
  " THEN 'yes' END, CASE WHEN a.attgenerated = '' THEN"
  " pg_catalog.pg_get_expr(d.adbin, d.adrelid) END, CASE WHEN a.attgenerated"
  " <> '' THEN pg_catalog.pg_get_expr(d.adbin, d.adrelid) || CASE"
  " a.attgenerated WHEN 's' THEN ' stored' ELSE ' virtual' END END, CASE"
  " a.attidentity WHEN 'a' THEN 'always' WHEN 'd' THEN 'by default' END, CASE"
  " WHEN a.attcollation <> t.typcollation THEN"
  " a.attcollation::pg_catalog.regcollation::text END FROM " PG_RELATIONS
  " JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND"
  " NOT a.attisdropped JOIN pg_catalog.pg_type t ON t.oid = a.atttypid LEFT"
  " JOIN pg_catalog.pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum"
  " WHERE c.relkind IN ('r', 'p', 'f', 'v', 'm')";

/* What stands behind USING: the method, columns with their order, INCLUDE,
 * the predicate. */
static const char pg_indexes[] =
  "SELECT " PG_KIND ", c.relname::text, 2, x.relname::text, 0, CASE WHEN"
  " i.indisprimary THEN 'primary key' WHEN k.contype = 'u' THEN"
  " 'unique constraint' WHEN k.contype = 'x' THEN 'exclusion' WHEN"
  " i.indisunique THEN 'unique' END, CASE k.contype WHEN 'x' THEN"
  " pg_catalog.pg_get_constraintdef(k.oid) ELSE s.columns END, s.predicate,"
  " CASE WHEN m.amname <> 'btree' THEN m.amname::text END,"
  " nullif(pg_catalog.concat_ws(', ', CASE WHEN k.condeferrable THEN"
  " 'deferrable' END, CASE WHEN k.condeferred THEN 'initially deferred' END,"
  " CASE WHEN NOT i.indisvalid THEN 'invalid' END,"
  " pg_catalog.array_to_string(x.reloptions, ', ')), ''), NULL::text"
  " FROM " PG_RELATIONS " JOIN pg_catalog.pg_index i ON i.indrelid = c.oid"
  " JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid"
  " JOIN pg_catalog.pg_am m ON m.oid = x.relam"
  " LEFT JOIN pg_catalog.pg_constraint k ON k.conindid = i.indexrelid AND"
  " k.conrelid = c.oid AND k.contype IN ('p', 'u', 'x'),"
  " LATERAL (SELECT pg_catalog.pg_get_expr(i.indpred, i.indrelid, true) AS p,"
  " pg_catalog.pg_get_indexdef(x.oid, 0, true) AS d) f,"
  " LATERAL (SELECT pg_catalog.substr(f.d, pg_catalog.strpos(f.d, ' USING ' ||"
  " m.amname || ' ') + 8 + pg_catalog.length(m.amname::text)) AS d) g,"
  " LATERAL (SELECT CASE WHEN pg_catalog.right(g.d, pg_catalog.length(f.p) +"
  " 7) = ' WHERE ' || f.p THEN pg_catalog.left(g.d, -pg_catalog.length(f.p) -"
  " 7) ELSE g.d END AS columns, f.p AS predicate) s"
  " WHERE NOT x.relispartition";

#define PG_ACTION(column)                                                      \
  "CASE k." column " WHEN 'c' THEN 'CASCADE' WHEN 'r' THEN 'RESTRICT' WHEN"    \
  " 'n' THEN 'SET NULL' WHEN 'd' THEN 'SET DEFAULT' END"
#define PG_LIST(relation, keys)                                                \
  "(SELECT pg_catalog.string_agg(pg_catalog.quote_ident(a.attname), ', '"      \
  " ORDER BY u.n) FROM pg_catalog.unnest(" keys                                \
  ") WITH ORDINALITY u(num, n) JOIN pg_catalog.pg_attribute a ON a.attrelid"   \
  " = " relation " AND a.attnum = u.num)"

#define PG_COLUMNS PG_LIST("k.conrelid", "k.conkey")
#define PG_PARENTS PG_LIST("k.confrelid", "k.confkey")
#define PG_UPDATE  PG_ACTION("confupdtype")
/* SET NULL of some columns only, since 15. */
#define PG_DELETE                                                              \
  PG_ACTION("confdeltype")                                                     \
  " || coalesce(' (' || (SELECT pg_catalog.string_agg(pg_catalog.quote_ident(" \
  "a.attname), ', ' ORDER BY a.attnum) FROM pg_catalog.pg_attribute a WHERE "  \
  "a.attrelid = k.conrelid AND pg_catalog.to_jsonb(k) -> 'confdelsetcols' @> " \
  "pg_catalog.to_jsonb(a.attnum)) || ')', '')"

static const char pg_foreign[] =
  "SELECT 0, c.relname::text, 3, k.conname::text, 0, " PG_COLUMNS
  ", k.confrelid::pg_catalog.regclass::text || '(' || " PG_PARENTS
  " || ')' || CASE k.confmatchtype WHEN 'f' THEN ' MATCH FULL' ELSE '' "
  "END, " PG_UPDATE ", " PG_DELETE
  ", nullif(pg_catalog.concat_ws(', ', CASE WHEN"
  " k.condeferrable THEN 'deferrable' END, CASE WHEN k.condeferred THEN"
  " 'initially deferred' END, CASE WHEN NOT k.convalidated THEN 'not valid'"
  " END), ''), NULL::text FROM " PG_RELATIONS " JOIN pg_catalog.pg_constraint"
  " k ON k.conrelid = c.oid WHERE k.contype = 'f' AND k.conparentid = 0";

static const char pg_checks[] =
  "SELECT 0, c.relname::text, 4, k.conname::text, 0, pg_catalog.regexp_replace("
  "pg_catalog.pg_get_constraintdef(k.oid, true), '^CHECK ', ''), NULL::text,"
  " NULL::text, NULL::text, NULL::text, NULL::text FROM " PG_RELATIONS
  " JOIN pg_catalog.pg_constraint k ON k.conrelid = c.oid WHERE k.contype ="
  " 'c' AND (k.conislocal OR k.coninhcount = 0)";

/* Triggers of partitions that come from the parent are marked since 13. */
static const char pg_triggers[] =
  "SELECT " PG_KIND ", c.relname::text, 5, t.tgname::text, 0, NULL::text,"
  " pg_catalog.pg_get_triggerdef(t.oid, true), CASE t.tgenabled WHEN 'D' THEN"
  " 'disabled' WHEN 'A' THEN 'always' WHEN 'R' THEN 'replica' END, NULL::text,"
  " NULL::text, NULL::text FROM " PG_RELATIONS " JOIN pg_catalog.pg_trigger t"
  " ON t.tgrelid = c.oid WHERE NOT t.tgisinternal AND"
  " coalesce(pg_catalog.to_jsonb(t) ->> 'tgparentid', '0') = '0'";

static const char pg_sequences[] =
  "SELECT 2, c.relname::text, 0, NULL::text, 0, pg_catalog.concat("
  "pg_catalog.format_type(s.seqtypid, NULL), ' start ', s.seqstart,"
  " ' increment ', s.seqincrement, ' from ', s.seqmin, ' to ', s.seqmax,"
  " ' cache ', s.seqcache, CASE WHEN s.seqcycle THEN ' cycle' END),"
  " NULL::text, NULL::text, NULL::text, NULL::text, NULL::text "
  "FROM " PG_RELATIONS " JOIN pg_catalog.pg_sequence s ON s.seqrelid = c.oid";

static const char pg_types[] =
  "SELECT 3, t.typname::text, 0, NULL::text, 0, CASE t.typtype WHEN 'e' THEN"
  " 'enum' WHEN 'd' THEN 'domain' WHEN 'r' THEN 'range' ELSE 'composite' END,"
  " CASE t.typtype"
  " WHEN 'e' THEN (SELECT pg_catalog.string_agg(pg_catalog.quote_literal("
  "l.enumlabel), ', ' ORDER BY l.enumsortorder) FROM pg_catalog.pg_enum l"
  " WHERE l.enumtypid = t.oid)"
  " WHEN 'd' THEN pg_catalog.concat_ws(' ', pg_catalog.format_type("
  "t.typbasetype, t.typtypmod), CASE WHEN t.typcollation <> b.typcollation"
  " THEN 'COLLATE ' || t.typcollation::pg_catalog.regcollation::text END,"
  " 'DEFAULT ' || t.typdefault, CASE WHEN t.typnotnull THEN 'NOT NULL' END,"
  " (SELECT pg_catalog.string_agg('CONSTRAINT ' || pg_catalog.quote_ident("
  "k.conname) || ' ' || pg_catalog.pg_get_constraintdef(k.oid, true), ' '"
  " ORDER BY k.conname) FROM pg_catalog.pg_constraint k WHERE k.contypid ="
  " t.oid AND k.contype = 'c'))"
  " WHEN 'r' THEN (SELECT pg_catalog.format_type(r.rngsubtype, NULL) FROM"
  " pg_catalog.pg_range r WHERE r.rngtypid = t.oid)"
  " ELSE (SELECT pg_catalog.string_agg(pg_catalog.quote_ident(a.attname) ||"
  " ' ' || pg_catalog.format_type(a.atttypid, a.atttypmod), ', ' ORDER BY"
  " a.attnum) FROM pg_catalog.pg_attribute a WHERE a.attrelid = t.typrelid AND"
  " a.attnum > 0 AND NOT a.attisdropped) END,"
  " NULL::text, NULL::text, NULL::text, NULL::text FROM pg_catalog.pg_type t"
  " JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace LEFT JOIN"
  " pg_catalog.pg_type b ON b.oid = t.typbasetype LEFT JOIN"
  " pg_catalog.pg_class r ON r.oid = t.typrelid WHERE n.nspname = ?::text AND"
  " (t.typtype IN ('e', 'd', 'r') OR t.typtype = 'c' AND r.relkind = "
  "'c')" PG_FREE("pg_type", "t.oid");

/* The text of an aggregate is what it is made of. */
static const char pg_routines[] =
  "SELECT 4, p.proname || '(' || pg_catalog.pg_get_function_identity_arguments("
  "p.oid) || ')', 0, NULL::text, 0, CASE p.prokind WHEN 'p' THEN 'procedure'"
  " WHEN 'a' THEN 'aggregate' WHEN 'w' THEN 'window' ELSE 'function' END,"
  " pg_catalog.pg_get_function_result(p.oid), pg_catalog.encode("
  "pg_catalog.sha256(pg_catalog.convert_to(CASE WHEN p.prokind = 'a' THEN"
  " (SELECT pg_catalog.concat_ws(' ', g.aggkind, g.aggtransfn, g.aggfinalfn,"
  " g.aggtranstype::pg_catalog.regtype, g.agginitval, g.aggcombinefn) FROM"
  " pg_catalog.pg_aggregate g WHERE g.aggfnoid = p.oid)"
  " ELSE pg_catalog.replace(pg_catalog.pg_get_functiondef(p.oid), ' ' ||"
  " pg_catalog.quote_ident(n.nspname) || '.', ' ') END, 'UTF8')), 'hex'),"
  " NULL::text, NULL::text, NULL::text FROM pg_catalog.pg_proc p JOIN"
  " pg_catalog.pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname ="
  " ?::text" PG_FREE("pg_proc", "p.oid");

static int pg_found(void *arg, const struct fed_value *row, struct fed_err *err)
{
  (void)row;
  (void)err;
  *(bool *)arg = true;
  return SQLITE_OK;
}

int schema_pg_enter(struct target *target, const char *where,
                    struct fed_err *err)
{
  struct fed_value name = fed_value_cstr(where);
  bool found = false;
  int rc = target_query(target, pg_path, &name, 1, pg_found, &found, err);

  if (rc == SQLITE_OK && !found)
    rc = fed_err_set(err, SQLITE_ERROR, "there is no schema '%s'", where);
  return rc;
}

int schema_of_pg(struct target *target, const char *where, struct schema *out,
                 struct fed_err *err)
{
  static const char *const queries[] = {
    pg_tables, pg_views,    pg_columns,   pg_indexes, pg_foreign,
    pg_checks, pg_triggers, pg_sequences, pg_types,   pg_routines};
  int rc = schema_pg_enter(target, where ? where : target->where, err);

  for (size_t i = 0; i < FED_LEN(queries) && rc == SQLITE_OK; i++)
    rc =
      schema_query(out, target, queries[i], where ? where : target->where, err);
  return target_restore(target, rc, err);
}
