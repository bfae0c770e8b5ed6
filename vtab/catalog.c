/* catalog: asking a server what it has, over a pooled connection. */
#include "base/mem.h"
#include "vtab/fetch.h"

/* The pool's errors name the server; a driver does not know its name. */
static void catalog_context(struct fed_server *server, int rc,
                            struct fed_err *err)
{
  if (rc != SQLITE_OK && rc != SQLITE_NOMEM && rc != SQLITE_INTERRUPT)
    fed_err_prefix(err, "server '%s': ", fed_server_name(server));
}

/* Ask for what `scope` names, or with NULL for the columns of `sql`. *lost: the
 * connection was. */
static int catalog_ask(struct fed_db *fdb, struct fed_server *server,
                       const struct fed_scope *scope, struct fed_catalog *cat,
                       const char *sql, struct fed_relation *rel,
                       const struct fed_wait *wait, bool *lost,
                       struct fed_err *err)
{
  struct fed_conn *conn = NULL;
  int rc = fetch_lease(fdb, server, NULL, wait, &conn, err);

  *lost = false;
  if (rc == SQLITE_OK) {
    rc = scope ? fed_conn_catalog(conn, scope, cat, wait, err)
               : fed_conn_describe(conn, sql, rel, wait, err);
    *lost = rc == SQLITE_IOERR && conn->broken;
    catalog_context(server, rc, err);
  }
  fed_pool_put(conn);
  return rc;
}

/* Nothing is changed by it: where a connection broke while it lay idle it is
 * tried once more. */
static int catalog_get(struct fed_db *fdb, struct fed_server *server,
                       const struct fed_scope *scope, struct fed_catalog *cat,
                       const char *sql, struct fed_relation *rel,
                       struct fed_err *err)
{
  struct fed_wait forever = fed_db_wait(fdb);
  struct fed_wait wait = fed_server_wait(server, &forever);
  bool lost;
  int rc = catalog_ask(fdb, server, scope, cat, sql, rel, &wait, &lost, err);

  if (!lost) return rc;
  fed_err_clear(err);
  if (scope)
    fed_catalog_release(cat);
  else
    fed_relation_release(rel);
  return catalog_ask(fdb, server, scope, cat, sql, rel, &wait, &lost, err);
}

int catalog_list(struct fed_db *fdb, struct fed_server *server,
                 const struct fed_scope *scope, struct fed_catalog *out,
                 struct fed_err *err)
{
  return catalog_get(fdb, server, scope, out, NULL, NULL, err);
}

/* No such table: say which there are that are spelt nearly so. */
static int catalog_missing(struct fed_db *fdb, struct fed_server *server,
                           const char *schema, const char *name,
                           struct fed_err *err)
{
  struct fed_scope scope = {.schema = schema};
  struct fed_catalog cat = {0};
  struct fed_err ignored = FED_ERR_INIT;
  const char **names;
  const char *near = NULL;

  fed_err_set(err, SQLITE_ERROR, "server '%s' has no table '%s%s%s'",
              fed_server_name(server), schema ? schema : "", schema ? "." : "",
              name);
  if (catalog_list(fdb, server, &scope, &cat, &ignored) == SQLITE_OK &&
      (names = fed_calloc((size_t)cat.nrel + 1, sizeof *names)) != NULL) {
    for (int i = 0; i < cat.nrel; i++)
      names[i] = cat.rel[i].name;
    near = fed_opt_nearest(name, names);
    fed_free(names);
  }
  if (near)
    fed_err_suffix(err, "; did you mean '%s'?", near);
  else
    fed_err_suffix(err, " that this user may read%s",
                   schema ? "" : "; another schema is named schema.table");
  fed_catalog_release(&cat);
  return err->rc;
}

int catalog_table(struct fed_db *fdb, struct fed_server *server,
                  const char *schema, const char *name,
                  struct fed_relation *out, struct fed_err *err)
{
  struct fed_scope scope = {.schema = schema, .table = name};
  struct fed_catalog cat = {0};
  int rc = catalog_list(fdb, server, &scope, &cat, err);

  if (rc == SQLITE_OK && cat.nrel == 0)
    rc = catalog_missing(fdb, server, schema, name, err);
  if (rc == SQLITE_OK) {
    *out = cat.rel[0]; /* the first along the search path */
    memset(&cat.rel[0], 0, sizeof cat.rel[0]);
  }
  fed_catalog_release(&cat);
  return rc;
}

/* Two columns of one name could not be told apart in a derived table. */
static int catalog_unique(const struct fed_dialect *dialect,
                          const struct fed_relation *rel, struct fed_err *err)
{
  for (int i = 0; i < rel->ncol; i++)
    for (int j = 0; j < i; j++) {
      const char *a = rel->col[i].name, *b = rel->col[j].name;

      if (dialect->folds_case ? sqlite3_stricmp(a, b) == 0 : strcmp(a, b) == 0)
        return fed_err_set(err, SQLITE_ERROR,
                           "the query gives two columns named '%s': give "
                           "them names with AS",
                           a);
    }
  return SQLITE_OK;
}

int catalog_query(struct fed_db *fdb, struct fed_server *server,
                  const char *sql, struct fed_relation *out,
                  struct fed_err *err)
{
  int rc = catalog_get(fdb, server, NULL, NULL, sql, out, err);

  if (rc == SQLITE_OK) {
    rc = catalog_unique(fed_server_driver(server)->dialect, out, err);
    catalog_context(server, rc, err);
  }
  if (rc != SQLITE_OK) {
    fed_relation_release(out);
    return rc;
  }
  out->kind = FED_KIND_QUERY;
  out->rows = -1;
  fed_free(out->name);
  fed_free(out->schema);
  out->name = fed_strdup(sql);
  out->schema = fed_strdup("");
  return out->name && out->schema ? SQLITE_OK : fed_err_nomem(err);
}
