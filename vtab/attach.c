/*
 * attach: every table of a server at once. An attachment is an in-memory
 * database (or a prefix in TEMP) full of virtual tables, and the catalog they
 * were made from. The declarations stay in that catalog, in memory: nothing
 * is written beside the tables, and connecting one is a look-up.
 */
#include "base/mem.h"
#include "vtab/table.h"

struct attach_options {
  char *schema, *tables, *as;
  bool read_only;
  int bulk;
};

#define ATTACH_AT(member) offsetof(struct attach_options, member)

const struct fed_opt fed_attach_options[] = {
  {.name = "schema",
   .type = FED_OPT_TEXT,
   .offset = ATTACH_AT(schema),
   .max = 0,
   .help = "remote schema; * for all of them; default: the search path"},
  {.name = "tables",
   .type = FED_OPT_TEXT,
   .offset = ATTACH_AT(tables),
   .max = 0,
   .help = "only tables whose name matches this GLOB pattern"          },
  {.name = "as",
   .type = FED_OPT_TEXT,
   .offset = ATTACH_AT(as),
   .max = 0,
   .help = "name of the attached database, default the server's; temp puts "
           "the tables into TEMP as <server>_<table>"                  },
  {.name = "read_only",
   .type = FED_OPT_FLAG,
   .offset = ATTACH_AT(read_only),
   .max = 1,
   .help = "refuse what writes"                                        },
  {.name = "bulk",
   .type = FED_OPT_WORD,
   .offset = ATTACH_AT(bulk),
   .words = table_bulk,
   .help = "deferred: rows of INSERT in a transaction go together, and a bad "
           "one undoes the transaction"                                },
};
const int fed_attach_noptions = (int)FED_LEN(fed_attach_options);

struct attachment {
  struct fed_list link; /* fdb->attached */
  char *server;
  char *schema; /* of SQLite; "temp" for as=temp */
  char *driver;
  bool temp;
  bool doomed; /* half made, and could not be undone yet */
  struct attach_options options;
  struct fed_catalog cat;
  char **name; /* of each relation's table; NULL: it has none */
  bool *made;  /* and whether we made it: only those may be dropped */
};

/* ---- life -------------------------------------------------------------- */

static void attach_names_free(struct attachment *a)
{
  for (int i = 0; a->name && i < a->cat.nrel; i++)
    fed_free(a->name[i]);
  fed_free(a->name);
  fed_free(a->made);
  a->name = NULL;
  a->made = NULL;
}

static void attach_free(struct attachment *a)
{
  if (!a) return;
  fed_list_remove(&a->link);
  attach_names_free(a);
  fed_catalog_release(&a->cat);
  fed_opt_release(fed_attach_options, fed_attach_noptions, &a->options);
  fed_free(a->server);
  fed_free(a->schema);
  fed_free(a->driver);
  fed_free(a);
}

void attach_release(struct fed_db *fdb)
{
  FED_LIST_EACH_SAFE(node, after, &fdb->attached)
  attach_free(FED_CONTAINER(node, struct attachment, link));
}

/* Is the attached database still ours, or one that took its name? */
static bool attach_stands(struct fed_db *fdb, const struct attachment *a)
{
  const char *path = sqlite3_db_filename(fdb->db, a->schema);

  return a->temp || (path && !*path);
}

struct fed_relation *attach_find(struct fed_db *fdb, const char *server,
                                 const char *schema, const char *name,
                                 const char **driver)
{
  FED_LIST_EACH(node, &fdb->attached)
  {
    struct attachment *a = FED_CONTAINER(node, struct attachment, link);

    if (sqlite3_stricmp(a->schema, schema) || !attach_stands(fdb, a) ||
        sqlite3_stricmp(a->server, server))
      continue;
    for (int i = 0; i < a->cat.nrel; i++)
      if (a->name[i] && sqlite3_stricmp(a->name[i], name) == 0) {
        *driver = a->driver;
        return &a->cat.rel[i];
      }
  }
  return NULL;
}

/* ---- names ------------------------------------------------------------- */

/* What a relation's table is called, before names are made unique. */
static void attach_base_name(const struct attachment *a,
                             const struct fed_relation *rel,
                             struct fed_str *out)
{
  bool all = a->options.schema && !strcmp(a->options.schema, "*");
  const char *first = a->temp ? a->server : rel->name;

  /* SQLite keeps names that begin with sqlite_ for itself. */
  if (sqlite3_strnicmp(first, "sqlite_", 7) == 0 ||
      (a->temp && sqlite3_stricmp(first, "sqlite") == 0))
    fed_str_addc(out, '_');
  if (a->temp) fed_str_addf(out, "%s_", a->server);
  if (!rel->on_path && all) fed_str_addf(out, "%s.", rel->schema);
  fed_str_add(out, rel->name);
}

static bool attach_name_taken(const struct attachment *a, int n,
                              const char *name)
{
  for (int i = 0; i < n; i++)
    if (a->name[i] && sqlite3_stricmp(a->name[i], name) == 0) return true;
  return false;
}

/* Does the user want it, and can SQLite hold it? */
static bool attach_wanted(struct fed_db *fdb, const struct attachment *a,
                          const struct fed_relation *rel)
{
  if (rel->ncol == 0) return false;
  if (rel->ncol > sqlite3_limit(fdb->db, SQLITE_LIMIT_COLUMN, -1)) return false;
  return !a->options.tables ||
         sqlite3_strglob(a->options.tables, rel->name) == 0;
}

static int attach_name_tables(struct fed_db *fdb, struct attachment *a,
                              struct fed_err *err)
{
  a->name = fed_calloc((size_t)a->cat.nrel, sizeof *a->name);
  a->made = fed_calloc((size_t)a->cat.nrel, sizeof *a->made);
  if (!a->name || !a->made) return fed_err_nomem(err);
  for (int i = 0; i < a->cat.nrel; i++) {
    const struct fed_relation *rel = &a->cat.rel[i];
    struct fed_str name;

    if (!attach_wanted(fdb, a, rel)) continue;
    fed_str_init(&name, FED_STR_SQL);
    attach_base_name(a, rel, &name);
    for (int k = 2; attach_name_taken(a, i, name.s) && !name.nomem; k++) {
      fed_str_reset(&name);
      attach_base_name(a, rel, &name);
      fed_str_addf(&name, "_%d", k);
    }
    a->name[i] = fed_str_detach(&name);
    if (!a->name[i]) return fed_err_nomem(err);
  }
  return SQLITE_OK;
}

/* ---- making the tables ------------------------------------------------- */

static int attach_create_table(struct fed_db *fdb, struct attachment *a, int i,
                               struct fed_err *err)
{
  const struct fed_relation *rel = &a->cat.rel[i];
  int rc;

  fdb->creating = rel;
  fdb->creating_driver = a->driver;
  rc = db_exec(fdb, err,
               "CREATE VIRTUAL TABLE \"%w\".\"%w\" USING fed(\"%w\","
               " \"%w\".\"%w\"%s%s)",
               a->schema, a->name[i], a->server, rel->schema, rel->name,
               a->options.read_only ? ", read_only" : "",
               a->options.bulk ? ", 'bulk=deferred'" : "");
  fdb->creating = NULL;
  fdb->creating_driver = NULL;
  a->made[i] = rc == SQLITE_OK;
  if (rc != SQLITE_OK)
    fed_err_prefix(err, "cannot attach table '%s.%s': ", rel->schema,
                   rel->name);
  return rc;
}

static int attach_drop_table(struct fed_db *fdb, struct attachment *a, int i,
                             struct fed_err *err)
{
  if (!a->made[i]) return SQLITE_OK;
  return db_exec(fdb, err, "DROP TABLE IF EXISTS \"%w\".\"%w\"", a->schema,
                 a->name[i]);
}

static int attach_create_tables(struct fed_db *fdb, struct attachment *a,
                                int *ntable, struct fed_err *err)
{
  int rc = SQLITE_OK;

  *ntable = 0;
  for (int i = 0; i < a->cat.nrel && rc == SQLITE_OK; i++) {
    if (!a->name[i]) continue;
    rc = attach_create_table(fdb, a, i, err);
    *ntable += rc == SQLITE_OK;
  }
  return rc;
}

static int attach_drop_tables(struct fed_db *fdb, struct attachment *a,
                              struct fed_err *err)
{
  int rc = SQLITE_OK;

  for (int i = 0; i < a->cat.nrel && rc == SQLITE_OK; i++)
    if (a->name[i]) rc = attach_drop_table(fdb, a, i, err);
  return rc;
}

/*
 * Undo what was made so far; the first error stands. Out of memory SQLite
 * runs nothing more until the statement that called us has ended: then it is
 * left to the next call.
 */
static void attach_undo(struct fed_db *fdb, struct attachment *a)
{
  struct fed_err ignored = FED_ERR_INIT;
  int rc = a->temp ? attach_drop_tables(fdb, a, &ignored)
                   : db_exec(fdb, &ignored, "DETACH \"%w\"", a->schema);

  a->doomed = rc != SQLITE_OK && (a->temp || attach_stands(fdb, a));
  if (!a->doomed) attach_free(a);
}

/* Forget attachments that a plain DETACH took away. */
static void attach_prune(struct fed_db *fdb)
{
  FED_LIST_EACH_SAFE(node, after, &fdb->attached)
  {
    struct attachment *a = FED_CONTAINER(node, struct attachment, link);

    if (a->doomed)
      attach_undo(fdb, a);
    else if (!attach_stands(fdb, a))
      attach_free(a);
  }
}

/*
 * ROLLBACK would undo the tables but not the attachment, nor bring back what
 * a refresh replaced.
 */
static int attach_check_idle(struct fed_db *fdb, const char *what,
                             struct fed_err *err)
{
  attach_prune(fdb);
  if (sqlite3_get_autocommit(fdb->db)) return SQLITE_OK;
  return fed_err_set(err, SQLITE_ERROR, "%s inside a transaction is refused",
                     what);
}

/* ---- fed_attach -------------------------------------------------------- */

static int attach_catalog(struct fed_db *fdb, struct attachment *a,
                          struct fed_err *err)
{
  struct fed_scope scope = {.schema = a->options.schema};
  struct fed_server *server = NULL;
  int rc = fed_server_find(a->server, &server, err);

  if (rc != SQLITE_OK) return rc;
  fed_free(a->driver);
  a->driver = fed_strdup(fed_server_driver(server)->name);
  rc = a->driver ? catalog_list(fdb, server, &scope, &a->cat, err)
                 : fed_err_nomem(err);
  if (rc == SQLITE_OK) rc = attach_name_tables(fdb, a, err);
  fed_server_unref(server);
  return rc;
}

static int attach_new(const char *server, const char *const *options,
                      int noption, struct attachment **out, struct fed_err *err)
{
  struct attachment *a = fed_alloc(sizeof *a);
  const char *as;
  int rc = SQLITE_OK;

  *out = a;
  if (!a) return fed_err_nomem(err);
  fed_list_init(&a->link);
  fed_opt_defaults(fed_attach_options, fed_attach_noptions, &a->options);
  for (int i = 0; i < noption && rc == SQLITE_OK; i++)
    rc = fed_opt_parse(fed_attach_options, fed_attach_noptions, &a->options,
                       options[i], NULL, err);
  if (rc != SQLITE_OK) return rc;
  as = a->options.as ? a->options.as : server;
  a->temp = sqlite3_stricmp(as, "temp") == 0;
  a->server = fed_strdup(server);
  a->schema = fed_strdup(as);
  if (!a->server || !a->schema) return fed_err_nomem(err);
  if (a->temp || fed_server_check_name(as, err) == SQLITE_OK) return SQLITE_OK;
  if (a->options.as) fed_err_prefix(err, "option 'as': ");
  return err->rc;
}

/* Open the database that will hold the tables. */
static int attach_database(struct fed_db *fdb, struct attachment *a,
                           struct fed_err *err)
{
  int rc;

  if (a->temp) return SQLITE_OK;
  if (sqlite3_db_filename(fdb->db, a->schema))
    return fed_err_set(err, SQLITE_ERROR,
                       "a database named '%s' is attached already: SELECT "
                       "fed_refresh('%s') to read its tables again, or choose "
                       "another name with 'as=...'",
                       a->schema, a->schema);
  rc = db_exec(fdb, err, "ATTACH ':memory:' AS \"%w\"", a->schema);
  if (rc != SQLITE_OK && strstr(err->msg, "too many attached"))
    fed_err_suffix(err, ": add 'as=temp' to put the tables into TEMP");
  return rc;
}

/* Nothing matched: say why rather than attach an empty database. */
static int attach_check_any(const struct attachment *a, struct fed_err *err)
{
  for (int i = 0; i < a->cat.nrel; i++)
    if (a->name[i]) return SQLITE_OK;
  return fed_err_set(err, SQLITE_ERROR,
                     "server '%s' has no table%s%s%s%s that this user may read",
                     a->server, a->options.tables ? " like " : "",
                     a->options.tables ? a->options.tables : "",
                     a->options.schema ? " in schema " : "",
                     a->options.schema ? a->options.schema : "");
}

int fed_attach(struct fed_db *fdb, const char *server,
               const char *const *options, int noption, int *ntable,
               struct fed_err *err)
{
  struct attachment *a = NULL;
  int rc = attach_new(server, options, noption, &a, err);

  if (!a) return rc;
  if (rc == SQLITE_OK) rc = attach_check_idle(fdb, "fed_attach", err);
  if (rc == SQLITE_OK) rc = attach_catalog(fdb, a, err);
  if (rc == SQLITE_OK) rc = attach_check_any(a, err);
  if (rc == SQLITE_OK) rc = attach_database(fdb, a, err);
  if (rc != SQLITE_OK) {
    attach_free(a);
    return rc;
  }
  fed_list_push_back(&fdb->attached, &a->link);
  rc = attach_create_tables(fdb, a, ntable, err);
  if (rc == SQLITE_OK) {
    fed_tx_observe(fdb->tx);
    return SQLITE_OK;
  }
  attach_undo(fdb, a);
  return rc;
}

/* ---- fed_detach -------------------------------------------------------- */

/* By the database's name, else by the server's. */
static struct attachment *attach_named(struct fed_db *fdb, const char *name)
{
  FED_LIST_EACH(node, &fdb->attached)
  {
    struct attachment *a = FED_CONTAINER(node, struct attachment, link);

    if (!a->temp && sqlite3_stricmp(a->schema, name) == 0) return a;
  }
  FED_LIST_EACH(node, &fdb->attached)
  {
    struct attachment *a = FED_CONTAINER(node, struct attachment, link);

    if (sqlite3_stricmp(a->server, name) == 0) return a;
  }
  return NULL;
}

static int attach_count(const struct attachment *a)
{
  int n = 0;

  for (int i = 0; i < a->cat.nrel; i++)
    n += a->name[i] != NULL;
  return n;
}

int fed_detach(struct fed_db *fdb, const char *name, int *ntable,
               struct fed_err *err)
{
  int rc = attach_check_idle(fdb, "fed_detach", err);
  struct attachment *a = attach_named(fdb, name);

  if (rc != SQLITE_OK) return rc;
  if (!a)
    return fed_err_set(err, SQLITE_ERROR,
                       "'%s' was not attached with fed_attach", name);
  *ntable = attach_count(a);
  rc = a->temp ? attach_drop_tables(fdb, a, err)
               : db_exec(fdb, err, "DETACH \"%w\"", a->schema);
  if (rc == SQLITE_OK) attach_free(a);
  if (fed_list_empty(&fdb->attached)) fed_tx_unobserve(fdb->tx);
  return rc;
}

/* ---- fed_refresh ------------------------------------------------------- */

/* The place in `b` of table `i` of `a`: same name, same declaration. */
static bool attach_has_same(const struct attachment *b,
                            const struct attachment *a, int i)
{
  for (int j = 0; j < b->cat.nrel; j++)
    if (b->name[j] && sqlite3_stricmp(b->name[j], a->name[i]) == 0)
      return relation_equal(&b->cat.rel[j], &a->cat.rel[i]);
  return false;
}

/* Did the user drop it meanwhile? */
static bool attach_exists(struct fed_db *fdb, const struct attachment *a, int i)
{
  struct fed_err ignored = FED_ERR_INIT;
  sqlite3_stmt *stmt = NULL;
  bool exists = false;

  if (db_prepare(fdb, &stmt, &ignored,
                 "SELECT 1 FROM \"%w\".sqlite_schema WHERE name = %Q",
                 a->schema, a->name[i]) == SQLITE_OK)
    exists = sqlite3_step(stmt) == SQLITE_ROW;
  sqlite3_finalize(stmt);
  return exists;
}

/* Let `a` have the catalog of `fresh`, and the other way round. */
static void attach_swap(struct attachment *a, struct attachment *fresh)
{
  struct fed_catalog cat = a->cat;
  char **name = a->name;

  bool *made = a->made;

  a->cat = fresh->cat;
  a->name = fresh->name;
  a->made = fresh->made;
  fresh->cat = cat;
  fresh->name = name;
  fresh->made = made;
}

/* Tables that stay get the statistics that came with the catalog. */
static void attach_take_stats(struct fed_db *fdb)
{
  FED_LIST_EACH(node, &fdb->tables)
  {
    struct fed_table *table = FED_CONTAINER(node, struct fed_table, link);
    const char *driver;
    const struct fed_relation *rel =
      attach_find(fdb, table->server, table->schema, table->name, &driver);

    if (rel) stats_take(table, rel);
  }
}

/* Drop what changed or is gone, make what changed or is new. */
static int attach_refresh(struct fed_db *fdb, struct attachment *a, int *ntable,
                          struct fed_err *err)
{
  struct attachment fresh = {.server = a->server,
                             .schema = a->schema,
                             .temp = a->temp,
                             .options = a->options};
  int rc = attach_catalog(fdb, &fresh, err);

  *ntable = 0;
  for (int i = 0; i < a->cat.nrel && rc == SQLITE_OK; i++) {
    if (!a->name[i] || attach_has_same(&fresh, a, i)) continue;
    rc = attach_drop_table(fdb, a, i, err);
    ++*ntable;
  }
  if (rc == SQLITE_OK) attach_swap(a, &fresh);
  for (int i = 0; i < a->cat.nrel && rc == SQLITE_OK; i++) {
    if (!a->name[i]) continue;
    a->made[i] = attach_has_same(&fresh, a, i) && attach_exists(fdb, a, i);
    if (a->made[i]) continue;
    rc = attach_create_table(fdb, a, i, err);
    *ntable += attach_has_same(&fresh, a, i) ||
               !attach_name_taken(&fresh, fresh.cat.nrel, a->name[i]);
  }
  attach_take_stats(fdb);
  attach_names_free(&fresh);
  fed_catalog_release(&fresh.cat);
  fed_free(fresh.driver);
  return rc;
}

int fed_refresh(struct fed_db *fdb, const char *name, int *ntable,
                struct fed_err *err)
{
  int rc = attach_check_idle(fdb, "fed_refresh", err);
  struct attachment *a = attach_named(fdb, name);
  struct fed_table *table = NULL;
  const char *driver;

  if (rc != SQLITE_OK) return rc;
  if (a) return attach_refresh(fdb, a, ntable, err);
  rc = table_lookup(fdb, name, &table, err);
  if (rc != SQLITE_OK) return rc;
  if (attach_find(fdb, table->server, table->schema, table->name, &driver)) {
    a = attach_named(fdb, strcmp(table->schema, "temp") ? table->schema
                                                        : table->server);
    return a ? attach_refresh(fdb, a, ntable, err) : SQLITE_OK;
  }
  return table_refresh(table, ntable, err);
}
