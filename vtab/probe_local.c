/*
 * probe_local: which keys a local table will bring. SQLite shows no row but
 * the present one; but its program tells that the key is a column of a table
 * that it reads in the order of rowids (vtab/shape.c). So that table is read
 * a second time here, ahead of it, some rows at once. These are hints: rows
 * that a WHERE leaves out, or a place that was lost, cost keys that nobody
 * asks for, and after a few of those it is given up.
 */
#include "base/mem.h"
#include "vtab/probe_int.h"

#define LOCAL_AFTER  4 /* runs, so that a short join need not pay for it */
#define LOCAL_MISSES 3
#define LOCAL_BYTES  ((int64_t)1 << 20) /* of keys, at most */
#define LOCAL_SEARCH 65536              /* rows to find the present one among */

bool probe_has_local(const struct scan *scan, const struct probe *probe)
{
  return plan_terms(scan->plan)[probe->key[0]].root > 0 &&
         probe->filters >= LOCAL_AFTER && probe->misses < LOCAL_MISSES;
}

/*
 * The table or index by its root page: its rows behind a place, in the order in
 * which SQLite reads them. A table's place is a rowid, an index's a key.
 */
#define LOCAL_FIND                                                             \
  "SELECT d.name, s.tbl_name, s.name, coalesce(CASE s.type"                    \
  " WHEN 'index' THEN (SELECT name FROM pragma_index_info(s.name, d.name)"     \
  " WHERE seqno = %d AND seqno = 0) ELSE (SELECT name FROM"                    \
  " pragma_table_info(s.name, d.name) WHERE cid = %d) END,"                    \
  " CASE WHEN s.type = 'table' AND %d < 0 THEN 'rowid' END), s.type = 'index'" \
  " FROM pragma_database_list d, \"%w\".sqlite_schema s"                       \
  " WHERE d.seq = %d AND s.rootpage = %d"

static char *local_schema(struct fed_db *fdb, int db)
{
  struct fed_err ignored = FED_ERR_INIT;
  sqlite3_stmt *stmt = NULL;
  char *name = NULL;

  if (db_prepare(fdb, &stmt, &ignored,
                 "SELECT name FROM pragma_database_list WHERE seq = %d", db))
    return NULL;
  if (sqlite3_step(stmt) == SQLITE_ROW)
    name = fed_strdup((const char *)sqlite3_column_text(stmt, 0));
  sqlite3_finalize(stmt);
  return name;
}

/* Rows: rowid and key. NULL where that cannot be asked. */
static sqlite3_stmt *local_prepare(const struct scan *scan,
                                   const struct plan_term *term, bool *index)
{
  struct fed_db *fdb = table_of(scan->base.pVtab)->fdb;
  struct fed_err ignored = FED_ERR_INIT;
  char *schema = local_schema(fdb, term->db);
  sqlite3_stmt *find = NULL, *stmt = NULL;
  int from = term->from;

  if (schema)
    db_prepare(fdb, &find, &ignored, LOCAL_FIND, from, from, from, schema,
               term->db, term->root);
  if (find && sqlite3_step(find) == SQLITE_ROW &&
      sqlite3_column_type(find, 3) == SQLITE_TEXT) {
    const char *table = (const char *)sqlite3_column_text(find, 1);
    const char *name = (const char *)sqlite3_column_text(find, 2);
    const char *column = (const char *)sqlite3_column_text(find, 3);

    *index = sqlite3_column_int(find, 4) != 0;
    if (*index)
      db_prepare(fdb, &stmt, &ignored,
                 "SELECT 0, \"%w\" FROM \"%w\".\"%w\" INDEXED BY \"%w\""
                 " WHERE \"%w\" >= ?1 ORDER BY \"%w\" LIMIT ?2",
                 column, schema, table, name, column, column);
    else
      db_prepare(fdb, &stmt, &ignored,
                 "SELECT rowid, \"%w\" FROM \"%w\".\"%w\" NOT INDEXED"
                 " WHERE rowid > ?1 ORDER BY rowid LIMIT ?2",
                 column, schema, table);
  }
  sqlite3_finalize(find);
  fed_free(schema);
  return stmt;
}

/* From the present key on, or from the last row that was looked at. */
static void local_bind(struct probe *probe, sqlite3_stmt *stmt, bool index,
                       const struct fed_value *present, int64_t n)
{
  if (!index) {
    sqlite3_bind_int64(stmt, 1, probe->found ? probe->rowid : INT64_MIN);
    n += probe->found ? 1 : LOCAL_SEARCH;
  } else if (present->type == FED_INT) {
    sqlite3_bind_int64(stmt, 1, present->i);
  } else if (present->type == FED_REAL) {
    sqlite3_bind_double(stmt, 1, present->r);
  } else if (present->type == FED_TEXT) {
    sqlite3_bind_text64(stmt, 1, present->p, (uint64_t)present->size,
                        SQLITE_TRANSIENT, SQLITE_UTF8);
  } else {
    sqlite3_bind_blob64(stmt, 1, present->p, (uint64_t)present->size,
                        SQLITE_TRANSIENT);
  }
  sqlite3_bind_int64(stmt, 2, n);
}

static struct fed_value local_value(sqlite3_stmt *stmt)
{
  switch (sqlite3_column_type(stmt, 1)) {
  case SQLITE_INTEGER:
    return fed_value_int(sqlite3_column_int64(stmt, 1));
  case SQLITE_FLOAT:
    return fed_value_real(sqlite3_column_double(stmt, 1));
  case SQLITE_TEXT: {
    const void *text = sqlite3_column_text(stmt, 1);

    return text ? fed_value_text(text, sqlite3_column_bytes(stmt, 1))
                : fed_value_null();
  }
  case SQLITE_BLOB: {
    const void *blob = sqlite3_column_blob(stmt, 1);

    return fed_value_blob(blob, sqlite3_column_bytes(stmt, 1));
  }
  default:
    return fed_value_null();
  }
}

int probe_look_local(struct scan *scan, struct probe *probe,
                     const struct fed_value *present, int64_t n,
                     struct fed_err *err)
{
  const struct plan_term *term = &plan_terms(scan->plan)[probe->key[0]];
  struct fed_value key, value;
  int rc = SQLITE_OK;
  bool met = false, index = false;
  int64_t bytes = 0;
  sqlite3_stmt *stmt = local_prepare(scan, term, &index);

  if (!stmt) {
    probe->misses = LOCAL_MISSES;
    return SQLITE_OK;
  }
  local_bind(probe, stmt, index, present, n);
  while (rc == SQLITE_OK && n > 0 && sqlite3_step(stmt) == SQLITE_ROW) {
    probe->rowid = sqlite3_column_int64(stmt, 0);
    value = local_value(stmt);
    if (!probe_key_of(scan, probe, &value, &key)) continue;
    met |= probe_same(&key, present);
    probe->found |= met;
    if (!probe->found) continue;
    n--;
    if (key.type == FED_TEXT || key.type == FED_BLOB) bytes += key.size;
    if (bytes > LOCAL_BYTES) break;
    if (!probe_knows(probe, &key)) rc = probe_learn(probe, &key, err);
  }
  if (!met) probe->misses++;
  sqlite3_finalize(stmt);
  return rc;
}
