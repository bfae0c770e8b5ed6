/* refresh: finding a table of ours by name, and reading its columns again. */
#include "base/mem.h"
#include "vtab/table.h"

/*
 * SQLite connects a virtual table when it is first used. Asking for its
 * columns is such a use, and the only one that needs no plan.
 */
static int table_touch(struct fed_db *fdb, const char *schema, const char *name,
                       struct fed_err *err)
{
  return db_exec(fdb, err, "SELECT 1 FROM pragma_table_info(%Q, %Q)", name,
                 schema);
}

static struct fed_table *table_find(struct fed_db *fdb, const char *schema,
                                    const char *name)
{
  /* The newest first: a table that was dropped or renamed in a transaction
   * leaves its object behind for a while. */
  for (struct fed_list *node = fdb->tables.prev; node != &fdb->tables;
       node = node->prev) {
    struct fed_table *table = FED_CONTAINER(node, struct fed_table, link);

    if (sqlite3_stricmp(table->name, name) == 0 &&
        sqlite3_stricmp(table->schema, schema) == 0)
      return table;
  }
  return NULL;
}

/* An unqualified name, in the order in which SQLite looks for it. */
static struct fed_table *table_search(struct fed_db *fdb, const char *name)
{
  sqlite3_stmt *stmt = NULL;
  struct fed_err ignored = FED_ERR_INIT;
  struct fed_table *table = NULL;
  int rc = db_prepare(fdb, &stmt, &ignored,
                      "SELECT name FROM pragma_database_list"
                      " ORDER BY name <> 'temp', seq");

  while (rc == SQLITE_OK && !table && sqlite3_step(stmt) == SQLITE_ROW) {
    const char *schema = (const char *)sqlite3_column_text(stmt, 0);
    struct fed_err missing = FED_ERR_INIT;

    if (!schema) continue;
    table_touch(fdb, schema, name, &missing);
    table = table_find(fdb, schema, name);
  }
  sqlite3_finalize(stmt);
  return table;
}

int table_lookup(struct fed_db *fdb, const char *name, struct fed_table **out,
                 struct fed_err *err)
{
  const char *dot = strchr(name, '.');
  char *schema = dot ? fed_strndup(name, (size_t)(dot - name)) : NULL;
  struct fed_err ignored = FED_ERR_INIT;

  if (dot && !schema) return fed_err_nomem(err);
  *out = NULL;
  if (schema) {
    table_touch(fdb, schema, dot + 1, &ignored);
    *out = table_find(fdb, schema, dot + 1);
  }
  if (!*out) *out = table_search(fdb, name); /* a name may hold a dot */
  fed_free(schema);
  if (*out) return SQLITE_OK;
  return fed_err_set(err, SQLITE_ERROR,
                     "'%s' is neither attached nor a table of dbfed; SELECT "
                     "DISTINCT schema, name FROM fed_tables lists them",
                     name);
}

/* What the server says now of the table's relation. */
static int table_describe_again(struct fed_table *table,
                                struct fed_relation *out, struct fed_err *err)
{
  struct fed_server *server = NULL;
  int rc = table_server(table, &server, err);

  if (rc != SQLITE_OK) return rc;
  if (table->rel.kind == FED_KIND_QUERY)
    rc = catalog_query(table->fdb, server, table->rel.name, out, err);
  else
    rc = catalog_table(table->fdb, server, table->rel.schema, table->rel.name,
                       out, err);
  return rc;
}

/* DROP and CREATE with nothing between them that waits. */
static int table_replace(struct fed_db *fdb, const char *drop,
                         const char *create, struct fed_err *err)
{
  struct fed_err ignored = FED_ERR_INIT;
  int rc = db_exec(fdb, err, "SAVEPOINT dbfed_refresh");
  int released;

  if (rc != SQLITE_OK) return rc;
  rc = db_exec(fdb, err, "%s", drop);
  if (rc == SQLITE_OK) rc = db_exec(fdb, err, "%s", create);
  if (rc != SQLITE_OK) db_exec(fdb, &ignored, "ROLLBACK TO dbfed_refresh");
  released =
    db_exec(fdb, rc == SQLITE_OK ? err : &ignored, "RELEASE dbfed_refresh");
  /* An interrupt stops the clean-up as well: see fed_db_settle(). */
  fdb->unfinished = !sqlite3_get_autocommit(fdb->db);
  return rc == SQLITE_OK ? released : rc;
}

void fed_db_settle(struct fed_db *fdb)
{
  struct fed_err ignored = FED_ERR_INIT;

  if (!fdb->unfinished) return;
  if (!sqlite3_get_autocommit(fdb->db)) db_exec(fdb, &ignored, "ROLLBACK");
  fdb->unfinished = !sqlite3_get_autocommit(fdb->db);
}

/* All or nothing: the table must not be gone if it cannot be made again. */
static int table_recreate(struct fed_table *table,
                          const struct fed_relation *now, struct fed_err *err)
{
  struct fed_db *fdb = table->fdb; /* the table is gone after DROP */
  char *driver = fed_strdup(table->driver);
  char *create =
    sqlite3_mprintf("CREATE VIRTUAL TABLE \"%w\".\"%w\" USING %s(%s)",
                    table->schema, table->name, table->module, table->args);
  char *drop =
    sqlite3_mprintf("DROP TABLE \"%w\".\"%w\"", table->schema, table->name);
  int rc = create && drop && driver ? SQLITE_OK : fed_err_nomem(err);

  fdb->creating = now;
  fdb->creating_driver = driver;
  if (rc == SQLITE_OK) rc = table_replace(fdb, drop, create, err);
  fdb->creating = NULL;
  fdb->creating_driver = NULL;
  sqlite3_free(create);
  sqlite3_free(drop);
  fed_free(driver);
  return rc;
}

int table_refresh(struct fed_table *table, int *nchanged, struct fed_err *err)
{
  struct fed_relation now = {0};
  int rc = table_describe_again(table, &now, err);

  if (rc == SQLITE_OK) {
    *nchanged = !relation_equal(&now, &table->rel);
    if (*nchanged)
      rc = table_recreate(table, &now, err);
    else
      stats_take(table, &now);
  }
  fed_relation_release(&now);
  return rc;
}

static int table_each_of(struct fed_db *fdb, const char *schema,
                         table_each_fn *fn, void *ctx, struct fed_err *err)
{
  sqlite3_stmt *stmt = NULL;
  int rc = db_prepare(fdb, &stmt, err,
                      "SELECT name FROM \"%w\".sqlite_schema WHERE type ="
                      " 'table' AND sql LIKE 'CREATE VIRTUAL TABLE%%fed%%'",
                      schema);

  while (rc == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW) {
    const char *name = (const char *)sqlite3_column_text(stmt, 0);
    struct fed_err ignored = FED_ERR_INIT;
    struct fed_table *table;

    if (!name) continue;
    if (!table_find(fdb, schema, name))
      table_touch(fdb, schema, name, &ignored);
    /* A damaged one is not there; using it tells why. */
    table = table_find(fdb, schema, name);
    if (table) fn(ctx, table);
  }
  sqlite3_finalize(stmt);
  return rc;
}

int table_each(struct fed_db *fdb, table_each_fn *fn, void *ctx,
               struct fed_err *err)
{
  sqlite3_stmt *stmt = NULL;
  int rc = db_prepare(fdb, &stmt, err, "SELECT name FROM pragma_database_list");

  while (rc == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW) {
    const char *schema = (const char *)sqlite3_column_text(stmt, 0);

    if (schema) rc = table_each_of(fdb, schema, fn, ctx, err);
  }
  sqlite3_finalize(stmt);
  return rc;
}
