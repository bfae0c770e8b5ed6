/*
 * dump_pg: the statements that make a schema of PostgreSQL, in an order in
 * which each finds what it needs.
 *
 * One query gives the statements, each with the object that it makes, another
 * what depends on what (pg_depend). Defaults and constraints are statements of
 * their own, behind their table, so that little depends on itself. An object
 * is known by a number made of its catalog and its oid.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "migrate/dump.h"
#include "migrate/schema.h"

#define PG_FREE(catalog, oid)                                                  \
  " AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_depend e WHERE e.classid = '"  \
  "pg_catalog." catalog "'::pg_catalog.regclass AND e.objid = " oid            \
  " AND e.deptype IN ('e', 'i') AND e.refobjid <> e.objid)"

/* Relations, types and routines of the schema, which is the first of the
 * search_path by now. */
static const char pg_with[] =
  "WITH n AS (SELECT oid, nspname FROM pg_catalog.pg_namespace WHERE nspname ="
  " pg_catalog.current_schema()), c AS (SELECT c.*,"
  " pg_catalog.quote_ident(c.relname) AS name FROM pg_catalog.pg_class c JOIN"
  " n ON n.oid = c.relnamespace WHERE c.relname <> 'dbfed_migration'" PG_FREE(
    "pg_class", "c.oid") ") ";

/* ---- the statements ------------------------------------------------------ */

static const char pg_extensions[] =
  "SELECT 0, ('pg_catalog.pg_extension'::pg_catalog.regclass::oid::int8 << 32"
  " | x.oid::int8), 'CREATE EXTENSION IF NOT EXISTS ' ||"
  " pg_catalog.quote_ident(x.extname) AS text FROM pg_catalog.pg_extension x"
  " JOIN n ON n.oid = x.extnamespace";

static const char pg_types[] =
  " UNION ALL SELECT 1, ('pg_catalog.pg_type'::pg_catalog.regclass::oid::int8"
  " << 32 | t.oid::int8), CASE t.typtype WHEN 'e' THEN 'CREATE TYPE ' ||"
  " pg_catalog.quote_ident(t.typname) || ' AS ENUM (' || coalesce((SELECT"
  " pg_catalog.string_agg(pg_catalog.quote_literal(l.enumlabel), ', ' ORDER BY"
  " l.enumsortorder) FROM pg_catalog.pg_enum l WHERE l.enumtypid = t.oid), '')"
  " || ')' WHEN 'd' THEN 'CREATE DOMAIN ' || pg_catalog.quote_ident(t.typname)"
  " || ' AS ' || pg_catalog.concat_ws(' ',"
  " pg_catalog.format_type(t.typbasetype, t.typtypmod), CASE WHEN"
  " t.typcollation <> b.typcollation THEN 'COLLATE ' ||"
  " t.typcollation::pg_catalog.regcollation::text END, 'DEFAULT ' ||"
  " t.typdefault, CASE WHEN t.typnotnull THEN 'NOT NULL' END, (SELECT"
  " pg_catalog.string_agg('CONSTRAINT ' || pg_catalog.quote_ident(k.conname)"
  " || ' ' || pg_catalog.pg_get_constraintdef(k.oid), ' ' ORDER BY k.conname)"
  " FROM pg_catalog.pg_constraint k WHERE k.contypid = t.oid AND k.contype ="
  " 'c')) WHEN 'r' THEN 'CREATE TYPE ' || pg_catalog.quote_ident(t.typname) ||"
  " ' AS RANGE (SUBTYPE = ' || (SELECT pg_catalog.format_type(r.rngsubtype,"
  " NULL) FROM pg_catalog.pg_range r WHERE r.rngtypid = t.oid) || ')' ELSE"
  " 'CREATE TYPE ' || pg_catalog.quote_ident(t.typname) || ' AS (' ||"
  " coalesce((SELECT pg_catalog.string_agg(pg_catalog.quote_ident(a.attname)"
  " || ' ' || pg_catalog.format_type(a.atttypid, a.atttypmod), ', ' ORDER BY"
  " a.attnum) FROM pg_catalog.pg_attribute a WHERE a.attrelid = t.typrelid AND"
  " a.attnum > 0 AND NOT a.attisdropped), '') || ')' END FROM"
  " pg_catalog.pg_type t JOIN n ON n.oid = t.typnamespace LEFT JOIN"
  " pg_catalog.pg_type b ON b.oid = t.typbasetype LEFT JOIN"
  " pg_catalog.pg_class r ON r.oid = t.typrelid WHERE (t.typtype IN ('e', 'd',"
  " 'r') OR t.typtype = 'c' AND r.relkind = 'c')" PG_FREE("pg_type", "t.oid");

static const char pg_sequences[] =
  " UNION ALL SELECT 2, ('pg_catalog.pg_class'::pg_catalog.regclass::oid::int8"
  " << 32 | c.oid::int8), pg_catalog.concat('CREATE SEQUENCE ', c.name, ' AS"
  " ', pg_catalog.format_type(s.seqtypid, NULL), ' START ', s.seqstart, '"
  " INCREMENT ', s.seqincrement, ' MINVALUE ', s.seqmin, ' MAXVALUE ',"
  " s.seqmax, ' CACHE ', s.seqcache, CASE WHEN s.seqcycle THEN ' CYCLE' END)"
  " FROM c JOIN pg_catalog.pg_sequence s ON s.seqrelid = c.oid UNION ALL"
  " SELECT 9, ('pg_catalog.pg_sequence'::pg_catalog.regclass::oid::int8 << 32"
  " | c.oid::int8), 'ALTER SEQUENCE ' || c.name || ' OWNED BY ' ||"
  " d.refobjid::pg_catalog.regclass::text || '.' ||"
  " pg_catalog.quote_ident(a.attname) FROM c JOIN pg_catalog.pg_depend d ON"
  " d.objid = c.oid AND d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass"
  " AND d.deptype = 'a' AND d.refobjsubid > 0 JOIN pg_catalog.pg_attribute a"
  " ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid WHERE c.relkind ="
  " 'S'";

/* The header names the schema; the first place where it stands is there. */
static const char pg_routines[] =
  " UNION ALL SELECT 3, ('pg_catalog.pg_proc'::pg_catalog.regclass::oid::int8"
  " << 32 | p.oid::int8), CASE p.prokind WHEN 'a' THEN (SELECT"
  " pg_catalog.concat('CREATE AGGREGATE ', pg_catalog.quote_ident(p.proname),"
  " '(', pg_catalog.pg_get_function_identity_arguments(p.oid), ') (SFUNC = ',"
  " g.aggtransfn::pg_catalog.regproc, ', STYPE = ',"
  " pg_catalog.format_type(g.aggtranstype, NULL), ', FINALFUNC = ' ||"
  " nullif(g.aggfinalfn, 0)::pg_catalog.regproc, ', COMBINEFUNC = ' ||"
  " nullif(g.aggcombinefn, 0)::pg_catalog.regproc, ', INITCOND = ' ||"
  " pg_catalog.quote_literal(g.agginitval), ')') FROM pg_catalog.pg_aggregate"
  " g WHERE g.aggfnoid = p.oid) ELSE pg_catalog.overlay(f.text, '',"
  " pg_catalog.strpos(f.text, ' ' || f.schema || '.') + 1,"
  " pg_catalog.length(f.schema) + 1) END FROM pg_catalog.pg_proc p JOIN n ON"
  " n.oid = p.pronamespace, LATERAL (SELECT CASE WHEN p.prokind <> 'a' THEN"
  " pg_catalog.pg_get_functiondef(p.oid) END AS text,"
  " pg_catalog.quote_ident(n.nspname) AS schema) f WHERE true" PG_FREE(
    "pg_proc", "p.oid");

static const char pg_tables[] =
  " UNION ALL SELECT 4, ('pg_catalog.pg_class'::pg_catalog.regclass::oid::int8"
  " << 32 | c.oid::int8), pg_catalog.concat_ws(' ', CASE c.relpersistence WHEN"
  " 'u' THEN 'CREATE UNLOGGED TABLE' ELSE 'CREATE TABLE' END, c.name, CASE"
  " WHEN c.relispartition THEN 'PARTITION OF ' || h.parents ELSE E'(\\n ' ||"
  " coalesce((SELECT pg_catalog.string_agg(pg_catalog.concat_ws(' ',"
  " pg_catalog.quote_ident(a.attname), pg_catalog.format_type(a.atttypid,"
  " a.atttypmod), CASE WHEN a.attcollation <> t.typcollation THEN 'COLLATE '"
  " || a.attcollation::pg_catalog.regcollation::text END, CASE WHEN"
  " a.attgenerated <> '' THEN 'GENERATED ALWAYS AS (' ||"
  " pg_catalog.pg_get_expr(d.adbin, d.adrelid) || CASE a.attgenerated WHEN 's'"
  " THEN ') STORED' ELSE ') VIRTUAL' END END, CASE a.attidentity WHEN 'a' THEN"
  " 'GENERATED ALWAYS AS IDENTITY' WHEN 'd' THEN 'GENERATED BY DEFAULT AS"
  " IDENTITY' END, CASE WHEN a.attnotnull THEN 'NOT NULL' END), E',\\n ' ORDER"
  " BY a.attnum) FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON"
  " t.oid = a.atttypid LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid ="
  " a.attrelid AND d.adnum = a.attnum WHERE a.attrelid = c.oid AND a.attnum >"
  " 0 AND NOT a.attisdropped AND a.attislocal), '') || E'\\n)' END, CASE WHEN"
  " c.relispartition THEN pg_catalog.pg_get_expr(c.relpartbound, c.oid) ELSE"
  " 'INHERITS (' || h.parents || ')' END, CASE WHEN c.relkind = 'p' THEN"
  " 'PARTITION BY ' || pg_catalog.pg_get_partkeydef(c.oid) END, 'WITH (' ||"
  " pg_catalog.array_to_string(c.reloptions, ', ') || ')', CASE WHEN"
  " c.relrowsecurity THEN E';\\nALTER TABLE ' || c.name || ' ENABLE ROW LEVEL"
  " SECURITY' END, CASE WHEN c.relforcerowsecurity THEN E';\\nALTER TABLE ' ||"
  " c.name || ' FORCE ROW LEVEL SECURITY' END) FROM c, LATERAL (SELECT"
  " pg_catalog.string_agg(i.inhparent::pg_catalog.regclass::text, ', ' ORDER"
  " BY i.inhseqno) AS parents FROM pg_catalog.pg_inherits i WHERE i.inhrelid ="
  " c.oid) h WHERE c.relkind IN ('r', 'p')";

static const char pg_defaults[] =
  " UNION ALL SELECT 5,"
  " ('pg_catalog.pg_attrdef'::pg_catalog.regclass::oid::int8 << 32 |"
  " d.oid::int8), 'ALTER TABLE ONLY ' || c.name || ' ALTER COLUMN ' ||"
  " pg_catalog.quote_ident(a.attname) || ' SET DEFAULT ' ||"
  " pg_catalog.pg_get_expr(d.adbin, d.adrelid) FROM c JOIN"
  " pg_catalog.pg_attribute a ON a.attrelid = c.oid JOIN pg_catalog.pg_attrdef"
  " d ON d.adrelid = c.oid AND d.adnum = a.attnum WHERE a.attgenerated = ''"
  " AND NOT a.attisdropped AND c.relkind IN ('r', 'p') UNION ALL SELECT CASE"
  " k.contype WHEN 'f' THEN 10 ELSE 6 END,"
  " ('pg_catalog.pg_constraint'::pg_catalog.regclass::oid::int8 << 32 |"
  " k.oid::int8), 'ALTER TABLE ' || c.name || ' ADD CONSTRAINT ' ||"
  " pg_catalog.quote_ident(k.conname) || ' ' ||"
  " pg_catalog.pg_get_constraintdef(k.oid) FROM c JOIN"
  " pg_catalog.pg_constraint k ON k.conrelid = c.oid WHERE k.contype IN ('p',"
  " 'u', 'x', 'c', 'f') AND k.conparentid = 0 AND (k.conislocal OR"
  " k.coninhcount = 0) AND c.relkind IN ('r', 'p')";

static const char pg_rest[] =
  " UNION ALL SELECT 7, ('pg_catalog.pg_class'::pg_catalog.regclass::oid::int8"
  " << 32 | x.oid::int8),"
  " pg_catalog.replace(pg_catalog.pg_get_indexdef(x.oid, 0, true),"
  " pg_catalog.quote_ident(x.relname) || ' ON ONLY ',"
  " pg_catalog.quote_ident(x.relname) || ' ON ') FROM c JOIN"
  " pg_catalog.pg_index i ON i.indrelid = c.oid"
  " JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid WHERE NOT"
  " x.relispartition AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_constraint k"
  " WHERE k.conindid = x.oid AND k.contype IN ('p', 'u', 'x')) UNION ALL"
  " SELECT 8, ('pg_catalog.pg_class'::pg_catalog.regclass::oid::int8 << 32 |"
  " c.oid::int8), pg_catalog.concat(CASE c.relkind WHEN 'm' THEN 'CREATE"
  " MATERIALIZED VIEW ' ELSE 'CREATE VIEW ' END, c.name, ' WITH (' ||"
  " pg_catalog.array_to_string(c.reloptions, ', ') || ')', E' AS\\n',"
  " pg_catalog.rtrim(pg_catalog.pg_get_viewdef(c.oid), ';')) FROM c WHERE"
  " c.relkind IN ('v', 'm') UNION ALL SELECT 11,"
  " ('pg_catalog.pg_trigger'::pg_catalog.regclass::oid::int8 << 32 |"
  " t.oid::int8), pg_catalog.pg_get_triggerdef(t.oid, true) || CASE"
  " t.tgenabled WHEN 'O' THEN '' ELSE E';\\nALTER TABLE ' || c.name || CASE"
  " t.tgenabled WHEN 'D' THEN ' DISABLE' WHEN 'A' THEN ' ENABLE ALWAYS' ELSE '"
  " ENABLE REPLICA' END || ' TRIGGER ' || pg_catalog.quote_ident(t.tgname) END"
  " FROM c JOIN pg_catalog.pg_trigger t ON t.tgrelid = c.oid WHERE NOT"
  " t.tgisinternal AND coalesce(pg_catalog.to_jsonb(t) ->> 'tgparentid', '0')"
  " = '0' ORDER BY 1, 2";

/* What is not made again, for the head of the file. */
static const char pg_left_out[] =
  "SELECT pg_catalog.count(*)::int, l.kind FROM (SELECT 'policy' AS kind FROM"
  " c JOIN pg_catalog.pg_policy p ON p.polrelid = c.oid UNION ALL SELECT"
  " 'rule' FROM c JOIN pg_catalog.pg_rewrite r ON r.ev_class = c.oid WHERE"
  " r.rulename <> '_RETURN' UNION ALL SELECT 'foreign table' FROM c WHERE"
  " c.relkind = 'f') l GROUP BY l.kind ORDER BY l.kind";

/* ---- what depends on what ------------------------------------------------ */

/* The object that a statement of ours makes: a rule is its view, an array its
 * element, a row type its table, an index that of its constraint. */
static const char pg_made[] =
  "coalesce(CASE @ WHEN 'pg_catalog.pg_rewrite'::pg_catalog.regclass THEN"
  " (SELECT ('pg_catalog.pg_class'::pg_catalog.regclass::oid::int8 << 32 |"
  " w.ev_class::int8) FROM pg_catalog.pg_rewrite w WHERE w.oid = #) WHEN"
  " 'pg_catalog.pg_type'::pg_catalog.regclass THEN (SELECT CASE WHEN r.relkind"
  " <> 'c' THEN ('pg_catalog.pg_class'::pg_catalog.regclass::oid::int8 << 32 |"
  " r.oid::int8) ELSE ('pg_catalog.pg_type'::pg_catalog.regclass::oid::int8 <<"
  " 32 | e.oid::int8) END FROM pg_catalog.pg_type t JOIN pg_catalog.pg_type e"
  " ON e.oid = CASE WHEN t.typcategory = 'A' AND t.typelem <> 0 THEN t.typelem"
  " ELSE t.oid END LEFT JOIN pg_catalog.pg_class r ON r.oid = e.typrelid WHERE"
  " t.oid = #) WHEN 'pg_catalog.pg_class'::pg_catalog.regclass THEN"
  " coalesce((SELECT"
  " ('pg_catalog.pg_constraint'::pg_catalog.regclass::oid::int8 << 32 |"
  " k.oid::int8) FROM pg_catalog.pg_constraint k WHERE k.conindid = # AND"
  " k.contype IN ('p', 'u', 'x') LIMIT 1), (SELECT"
  " ('pg_catalog.pg_type'::pg_catalog.regclass::oid::int8 << 32 |"
  " r.reltype::int8) FROM pg_catalog.pg_class r WHERE r.oid = # AND r.relkind"
  " = 'c')) WHEN 'pg_catalog.pg_attrdef'::pg_catalog.regclass THEN (SELECT"
  " ('pg_catalog.pg_class'::pg_catalog.regclass::oid::int8 << 32 |"
  " d.adrelid::int8) FROM pg_catalog.pg_attrdef d JOIN pg_catalog.pg_attribute"
  " a ON a.attrelid = d.adrelid AND a.attnum = d.adnum WHERE d.oid = # AND"
  " a.attgenerated <> '') WHEN 'pg_catalog.pg_constraint'::pg_catalog.regclass"
  " THEN (SELECT ('pg_catalog.pg_type'::pg_catalog.regclass::oid::int8 << 32 |"
  " k.contypid::int8) FROM pg_catalog.pg_constraint k WHERE k.oid = # AND"
  " k.contypid <> 0) END, @::int8 << 32 | #::int8)";

/* Between the pieces stand the object and the one that it needs, both as made.
 * Below 16384 are the server's own. A sequence is owned only at the end. */
static const char *const pg_edges[] = {
  "SELECT * FROM (SELECT ", " AS a, ",
  " AS b FROM pg_catalog.pg_depend p WHERE p.objid >= 16384 AND p.refobjid >="
  " 16384 AND NOT (p.deptype = 'a' AND p.classid ="
  " 'pg_catalog.pg_class'::pg_catalog.regclass AND EXISTS (SELECT 1 FROM"
  " pg_catalog.pg_sequence s WHERE s.seqrelid = p.objid))) e WHERE a <> b"
  " ORDER BY a, b"};

/* ---- sorting ------------------------------------------------------------- */

#define PG_DEPTH 5000 /* of one thing upon another; then it is cut */

struct pg_node {
  int64_t key;
  char *text;
  int rank; /* its place in the order of the statements */
  bool written;
};

struct pg_edge {
  int64_t from, to;
};

struct pg_dump {
  struct pg_node *node; /* in the order of the statements, then by key */
  int n, room;
  int *order; /* the place of each, in the first order */
  struct pg_edge *edge;
  int nedge, edge_room;
  struct fed_str *out;
};

static int pg_room(void *array, int n, int *room, size_t size,
                   struct fed_err *err)
{
  int more = *room ? *room * 2 : 256;
  void **list = array, *grown;

  if (n < *room) return SQLITE_OK;
  if (more > 1 << 24)
    return fed_err_set(err, SQLITE_TOOBIG, "too many objects");
  grown = fed_realloc(*list, (size_t)more * size);
  if (!grown) return fed_err_nomem(err);
  *list = grown;
  *room = more;
  return SQLITE_OK;
}

static int pg_node_row(void *arg, const struct fed_value *row,
                       struct fed_err *err)
{
  struct pg_dump *d = arg;
  int rc = pg_room(&d->node, d->n, &d->room, sizeof *d->node, err);

  if (rc != SQLITE_OK || row[2].type != FED_TEXT) return rc;
  d->node[d->n] = (struct pg_node){.key = row[1].i, .rank = d->n};
  d->node[d->n].text = fed_strndup(row[2].p, (size_t)row[2].size);
  return d->node[d->n++].text ? SQLITE_OK : fed_err_nomem(err);
}

static int pg_edge_row(void *arg, const struct fed_value *row,
                       struct fed_err *err)
{
  struct pg_dump *d = arg;
  int rc = pg_room(&d->edge, d->nedge, &d->edge_room, sizeof *d->edge, err);

  if (rc == SQLITE_OK)
    d->edge[d->nedge++] = (struct pg_edge){row[0].i, row[1].i};
  return rc;
}

static int pg_left_row(void *arg, const struct fed_value *row,
                       struct fed_err *err)
{
  struct fed_str *out = arg;

  fed_str_addf(out, "-- Not in this file: %lld x %.*s.\n", (long long)row[0].i,
               (int)row[1].size, row[1].p);
  return fed_str_err(out, err);
}

static int pg_by_key(const void *a, const void *b)
{
  const struct pg_node *x = a, *y = b;

  return x->key < y->key ? -1 : x->key > y->key;
}

static struct pg_node *pg_find(const struct pg_dump *d, int64_t key)
{
  struct pg_node like = {.key = key};

  return bsearch(&like, d->node, (size_t)d->n, sizeof like, pg_by_key);
}

/* The first edge of `key`. */
static int pg_first(const struct pg_dump *d, int64_t key)
{
  int low = 0, high = d->nedge;

  while (low < high) {
    int half = (low + high) / 2;

    if (d->edge[half].from < key)
      low = half + 1;
    else
      high = half;
  }
  return low;
}

/* What it depends on first. */
static void pg_write(struct pg_dump *d, struct pg_node *node, int depth)
{
  if (node->written) return;
  node->written = true;
  for (int i = pg_first(d, node->key);
       i < d->nedge && d->edge[i].from == node->key && depth < PG_DEPTH; i++) {
    struct pg_node *other = pg_find(d, d->edge[i].to);

    if (other) pg_write(d, other, depth + 1);
  }
  fed_str_addf(d->out, "%s;\n", node->text);
}

static int pg_sort(struct pg_dump *d, struct fed_err *err)
{
  d->order = fed_calloc((size_t)d->n + 1, sizeof *d->order);
  if (!d->order) return fed_err_nomem(err);
  if (d->n) qsort(d->node, (size_t)d->n, sizeof *d->node, pg_by_key);
  for (int i = 0; i < d->n; i++)
    d->order[d->node[i].rank] = i;
  for (int i = 0; i < d->n; i++)
    pg_write(d, &d->node[d->order[i]], 0);
  return fed_str_err(d->out, err);
}

/* `sql` ends with NULL. */
static int pg_ask(struct target *target, const char *const *sql,
                  target_row_fn *row, void *arg, struct fed_err *err)
{
  struct fed_str text;
  int rc;

  fed_str_init(&text, FED_STR_SQL);
  fed_str_add(&text, pg_with);
  for (int i = 0; sql[i]; i++)
    fed_str_add(&text, sql[i]);
  rc = fed_str_err(&text, err);
  if (rc == SQLITE_OK) rc = target_rows(target, text.s, row, arg, err);
  fed_str_release(&text);
  return rc;
}

/* The object of a row of pg_depend: `@` is its catalog, `#` its oid. */
static void pg_add_made(struct fed_str *out, const char *catalog,
                        const char *oid)
{
  for (const char *p = pg_made; *p; p++)
    if (*p == '@')
      fed_str_add(out, catalog);
    else if (*p == '#')
      fed_str_add(out, oid);
    else
      fed_str_addc(out, *p);
}

static int pg_ask_edges(struct target *target, struct pg_dump *d,
                        struct fed_err *err)
{
  struct fed_str text;
  int rc;

  fed_str_init(&text, FED_STR_SQL);
  fed_str_add(&text, pg_edges[0]);
  pg_add_made(&text, "p.classid", "p.objid");
  fed_str_add(&text, pg_edges[1]);
  pg_add_made(&text, "p.refclassid", "p.refobjid");
  fed_str_add(&text, pg_edges[2]);
  rc = fed_str_err(&text, err);
  if (rc == SQLITE_OK) rc = target_rows(target, text.s, pg_edge_row, d, err);
  fed_str_release(&text);
  return rc;
}

int dump_of_pg(struct target *target, const char *where, struct fed_str *out,
               struct fed_err *err)
{
  static const char *const left_out[] = {pg_left_out, NULL};
  static const char *const nodes[] = {pg_extensions, pg_types,  pg_sequences,
                                      pg_routines,   pg_tables, pg_defaults,
                                      pg_rest,       NULL};
  struct pg_dump dump = {.out = out};
  int rc = schema_pg_enter(target, where ? where : target->where, err);

  if (rc == SQLITE_OK) rc = pg_ask(target, left_out, pg_left_row, out, err);
  if (rc == SQLITE_OK) rc = pg_ask(target, nodes, pg_node_row, &dump, err);
  if (rc == SQLITE_OK) rc = pg_ask_edges(target, &dump, err);
  fed_str_add(out, "SET check_function_bodies = off;\n");
  if (rc == SQLITE_OK) rc = pg_sort(&dump, err);
  fed_str_add(out, "RESET check_function_bodies;\n");
  for (int i = 0; i < dump.n; i++)
    fed_free(dump.node[i].text);
  fed_free(dump.node);
  fed_free(dump.order);
  fed_free(dump.edge);
  return target_restore(target, rc, err);
}
