/*
 * table: the modules `fed` and `fed_query`: create, connect, destroy, rename.
 *
 *     CREATE VIRTUAL TABLE orders USING fed(shop, public.orders);
 *     CREATE VIRTUAL TABLE best   USING fed_query(shop, 'SELECT ...');
 *
 * xCreate asks the server for the columns and keeps them beside the table;
 * xConnect reads what was kept and never touches the network, because SQLite
 * connects tables whenever it looks at a schema.
 */
#include "base/mem.h"
#include "vtab/write.h"

/* ---- relations --------------------------------------------------------- */

static bool relation_copy_column(struct fed_relation *to,
                                 const struct fed_column *from)
{
  struct fed_column *col = fed_relation_add(to, from->name, from->type);

  if (!col) return false;
  col->class = from->class;
  col->textcmp = from->textcmp;
  col->unicode = from->unicode;
  col->notnull = from->notnull;
  col->key = from->key;
  col->fill = from->fill;
  col->uniques = from->uniques;
  col->indexed = from->indexed;
  col->distinct = from->distinct;
  col->nulls = from->nulls;
  if (!from->collation) return true;
  col->collation = fed_strdup(from->collation);
  return col->collation != NULL;
}

int relation_copy(struct fed_relation *to, const struct fed_relation *from,
                  struct fed_err *err)
{
  bool ok;

  memset(to, 0, sizeof *to);
  to->kind = from->kind;
  to->rows = from->rows;
  to->asked = from->asked;
  to->told = from->told;
  to->atomic = from->atomic;
  to->schema = fed_strdup(from->schema);
  to->name = fed_strdup(from->name);
  ok = to->schema && to->name;
  for (int i = 0; i < from->ncol && ok; i++)
    ok = relation_copy_column(to, &from->col[i]);
  if (ok) return SQLITE_OK;
  fed_relation_release(to);
  return fed_err_nomem(err);
}

static bool relation_same(const char *a, const char *b)
{
  return a == b || (a && b && strcmp(a, b) == 0);
}

bool relation_equal(const struct fed_relation *a, const struct fed_relation *b)
{
  if (a->kind != b->kind || a->ncol != b->ncol || a->told != b->told ||
      a->atomic != b->atomic || strcmp(a->schema, b->schema) ||
      strcmp(a->name, b->name))
    return false;
  for (int i = 0; i < a->ncol; i++) {
    const struct fed_column *x = &a->col[i], *y = &b->col[i];

    if (strcmp(x->name, y->name) || strcmp(x->type, y->type) ||
        !relation_same(x->collation, y->collation) || x->class != y->class ||
        x->textcmp != y->textcmp || x->unicode != y->unicode ||
        x->notnull != y->notnull || x->key != y->key || x->fill != y->fill ||
        x->uniques != y->uniques)
      return false;
  }
  return true;
}

/* ---- errors ------------------------------------------------------------ */

int table_fail(sqlite3_vtab *vtab, struct fed_err *err)
{
  sqlite3_free(vtab->zErrMsg);
  vtab->zErrMsg =
    err->rc == SQLITE_NOMEM ? NULL : sqlite3_mprintf("%s", err->msg);
  return fed_err_code(err);
}

/* What a server says of a table that is not as it was. */
static bool table_seems_changed(const struct fed_err *err)
{
  static const char *const state[] = {
    "42703", "42P01", "42883", /* PostgreSQL: column, table, operator */
    "42S02", "42S22",          /* MySQL: table, column */
  };

  for (size_t i = 0; i < FED_LEN(state); i++)
    if (strcmp(err->sqlstate, state[i]) == 0) return true;
  return err->rc == SQLITE_ERROR && (strstr(err->msg, "no such table: ") ||
                                     strstr(err->msg, "no such column: "));
}

/* The pool's errors name the server already. */
static bool table_server_named(const struct fed_table *table,
                               const struct fed_err *err)
{
  char named[FED_SERVER_NAME_MAX + 16];

  sqlite3_snprintf(sizeof named, named, "server '%s': ", table->server);
  return sqlite3_strnicmp(err->msg, named, (int)strlen(named)) == 0;
}

void table_context(const struct fed_table *table, struct fed_err *err)
{
  char name[512];

  if (err->rc == SQLITE_NOMEM || err->rc == SQLITE_INTERRUPT) return;
  sqlite3_snprintf(sizeof name, name, "%q.%q", table->schema, table->name);
  if (err->rc == SQLITE_SCHEMA) {
    fed_err_prefix(err, "schema of '%s.%s' changed: ", table->schema,
                   table->name);
    fed_err_suffix(err, ": SELECT fed_refresh('%s')", name);
    return;
  }
  if (table_seems_changed(err))
    fed_err_suffix(err, "; if the table has changed: SELECT fed_refresh('%s')",
                   name);
  if (table_server_named(table, err))
    fed_err_prefix(err, "table '%s.%s' on ", table->schema, table->name);
  else
    fed_err_prefix(err, "table '%s.%s' on server '%s': ", table->schema,
                   table->name, table->server);
}

/* By its name, when it is asked for first or has become another. */
static int table_find_server(struct fed_table *table, struct fed_err *err)
{
  struct fed_server *server = NULL;
  int rc = fed_server_find(table->server, &server, err);

  if (rc != SQLITE_OK) {
    fed_err_prefix(err, "table '%s.%s': ", table->schema, table->name);
    return rc;
  }
  if (strcmp(fed_server_driver(server)->name, table->driver) != 0) {
    fed_server_unref(server);
    return fed_err_set(err, SQLITE_ERROR,
                       "table '%s.%s' was made for a %s server, but '%s' now "
                       "is one of %s: DROP TABLE and create it again",
                       table->schema, table->name, table->driver, table->server,
                       fed_server_driver(server)->name);
  }
  fed_server_unref(table->found);
  table->found = server;
  return SQLITE_OK;
}

int table_server(struct fed_table *table, struct fed_server **out,
                 struct fed_err *err)
{
  int rc = trust_check(table, err);

  if (rc == SQLITE_OK && (!table->found || !fed_server_current(table->found)))
    rc = table_find_server(table, err);
  *out = rc == SQLITE_OK ? table->found : NULL;
  return rc;
}

/* ---- module arguments -------------------------------------------------- */

/* Copy one name or string without its quotes; *end is behind it. */
static char *table_word(const char *z, const char **end, bool dots)
{
  char close = 0;
  struct fed_str word;

  fed_str_init(&word, FED_STR_SQL);
  while (*z == ' ' || *z == '\t' || *z == '\n' || *z == '\r')
    z++;
  if (*z == '\'' || *z == '"' || *z == '`') close = *z++;
  if (*z == '[' && !close) close = *z++ ? ']' : 0;
  for (; *z; z++) {
    if (close && *z == close && (close == ']' || z[1] != close)) break;
    if (close && *z == close) z++;
    if (!close && dots && *z == '.') break;
    fed_str_addc(&word, *z);
  }
  if (close && *z) z++;
  while (*z == ' ' || *z == '\t' || *z == '\n' || *z == '\r')
    z++;
  if (!close)
    while (word.len && strchr(" \t\r\n", word.s[word.len - 1]))
      word.s[--word.len] = 0;
  *end = z;
  return fed_str_detach(&word);
}

/* schema.table, either quoted as SQLite quotes; *schema NULL if not given. */
static int table_remote(const char *arg, char **schema, char **name,
                        struct fed_err *err)
{
  const char *end = arg;
  char *first = table_word(arg, &end, true);

  *schema = NULL;
  *name = first;
  if (!first) return fed_err_nomem(err);
  if (*end == '.') {
    *schema = first;
    *name = table_word(end + 1, &end, true);
  }
  if (!*name) return fed_err_nomem(err);
  if (*end || !**name)
    return fed_err_set(err, SQLITE_ERROR,
                       "'%s' is not a table: write [schema.]table, and quote "
                       "a name that holds a dot",
                       arg);
  return SQLITE_OK;
}

struct table_options {
  int64_t rows;
  bool read_only;
  int bulk;
};

const char *const table_bulk[] = {"statement", "deferred", NULL};

/* clang-format off */
static const struct fed_opt table_option[] = {
  {.name = "rows",
   .type = FED_OPT_INT,
   .offset = offsetof(struct table_options, rows),
   .min = -1,
   .max = INT64_MAX,
   .dflt = -1,
   .help = "estimated number of rows, where the server's own is wrong"},
  {.name = "read_only",
   .type = FED_OPT_FLAG,
   .offset = offsetof(struct table_options, read_only),
   .max = 1,
   .help = "refuse what writes"},
  {.name = "bulk",
   .type = FED_OPT_WORD,
   .offset = offsetof(struct table_options, bulk),
   .words = table_bulk,
   .help = "deferred: rows of INSERT in a transaction go together, and a bad "
           "one undoes the transaction"},
};
/* clang-format on */

static int table_parse_options(struct fed_table *table, int argc,
                               const char *const *argv, struct fed_err *err)
{
  int n = (int)FED_LEN(table_option);
  struct table_options options;
  int rc = SQLITE_OK;

  fed_opt_defaults(table_option, n, &options);
  for (int i = 0; i < argc && rc == SQLITE_OK; i++) {
    const char *end;
    char *arg = table_word(argv[i], &end, false);

    rc = arg ? fed_opt_parse(table_option, n, &options, arg, NULL, err)
             : fed_err_nomem(err);
    fed_free(arg);
  }
  table->rows = (double)options.rows;
  table->read_only = options.read_only;
  table->deferred = options.bulk != 0;
  return rc;
}

/* ---- making one -------------------------------------------------------- */

static void table_free(struct fed_table *table)
{
  if (!table) return;
  write_release(table);
  scan_release(table);
  fed_list_remove(&table->link);
  declare_labels_free(table->label, table->rel.ncol);
  fed_relation_release(&table->rel);
  fed_server_unref(table->found);
  fed_free(table->schema);
  fed_free(table->name);
  fed_free(table->server);
  fed_free(table->module);
  fed_free(table->driver);
  fed_free(table->args);
  sqlite3_free(table->base.zErrMsg);
  fed_db_unref(table->fdb);
  fed_free(table);
}

/* What the arguments alone tell. */
static int table_new(struct fed_db *fdb, int argc, const char *const *argv,
                     struct fed_table **out, struct fed_err *err)
{
  struct fed_table *table = fed_alloc(sizeof *table);
  const char *end;
  struct fed_str args;

  if (!table) return fed_err_nomem(err);
  table->fdb = fed_db_ref(fdb);
  fed_list_init(&table->link);
  fed_list_init(&table->cursors);
  *out = table;
  if (argc < 5)
    return fed_err_set(err, SQLITE_ERROR,
                       sqlite3_stricmp(argv[0], "fed") == 0
                         ? "usage: USING fed(server, [schema.]table)"
                         : "usage: USING fed_query(server, 'SELECT ...')");
  table->module = fed_strdup(argv[0]);
  table->schema = fed_strdup(argv[1]);
  table->name = fed_strdup(argv[2]);
  table->server = table_word(argv[3], &end, false);
  fed_str_init(&args, FED_STR_SQL);
  for (int i = 3; i < argc; i++) {
    if (i > 3) fed_str_add(&args, ", ");
    fed_str_add(&args, argv[i]);
  }
  table->args = fed_str_detach(&args);
  if (!table->module || !table->schema || !table->name || !table->server ||
      !table->args)
    return fed_err_nomem(err);
  return SQLITE_OK;
}

/* People end a query with a semicolon; inside FROM (...) it is an error. */
static char *table_query(const char *arg)
{
  const char *end;
  char *sql = table_word(arg, &end, false);
  size_t n = sql ? strlen(sql) : 0;

  while (n && strchr("; \t\r\n", sql[n - 1]))
    sql[--n] = 0;
  return sql;
}

/* Ask the server what stands behind argv[4]. */
static int table_describe(struct fed_table *table, const char *arg,
                          struct fed_err *err)
{
  struct fed_server *server = NULL;
  char *schema = NULL, *name = NULL;
  int rc = fed_server_find(table->server, &server, err);

  if (rc != SQLITE_OK) return rc;
  table->driver = fed_strdup(fed_server_driver(server)->name);
  if (!table->driver) {
    rc = fed_err_nomem(err);
  } else if (sqlite3_stricmp(table->module, "fed") == 0) {
    rc = table_remote(arg, &schema, &name, err);
    if (rc == SQLITE_OK)
      rc = catalog_table(table->fdb, server, schema, name, &table->rel, err);
  } else {
    name = table_query(arg);
    rc = name ? catalog_query(table->fdb, server, name, &table->rel, err)
              : fed_err_nomem(err);
  }
  if (rc == SQLITE_OK && table->rel.ncol == 0)
    rc = fed_err_set(err, SQLITE_ERROR, "'%s' has no columns", arg);
  fed_free(schema);
  fed_free(name);
  fed_server_unref(server);
  return rc;
}

/* The key that may serve as rowid: one integer that is never NULL. */
static int table_rowid(const struct fed_relation *rel)
{
  int found = -1;

  for (int i = 0; i < rel->ncol; i++) {
    if (!rel->col[i].key) continue;
    if (found >= 0 || rel->col[i].class != FED_CLASS_INT ||
        !rel->col[i].notnull)
      return -1;
    found = i;
  }
  return found;
}

/* Too many columns, or a name SQLite cannot take: say it of the table. */
static int table_declare(struct fed_table *table, struct fed_err *err)
{
  struct fed_db *fdb = table->fdb;
  struct fed_str sql;
  int rc = declare_labels(&table->rel, &table->label, err);

  if (rc != SQLITE_OK) return rc;
  table->rowid = table_rowid(&table->rel);
  fed_str_init(&sql, FED_STR_SQL);
  rc = declare_table(&table->rel, table->label, &sql, err);
  if (rc == SQLITE_OK && (rc = sqlite3_declare_vtab(fdb->db, sql.s)) != 0)
    db_error(fdb, rc, err);
  /* Views and triggers may use it, whatever trusted_schema says: whether the
   * file is trusted is asked before each plan (trust_check). */
  if (rc == SQLITE_OK) sqlite3_vtab_config(fdb->db, SQLITE_VTAB_INNOCUOUS);
  /* OR IGNORE and its like get what they ask for: see write_fail(). */
  if (rc == SQLITE_OK)
    sqlite3_vtab_config(fdb->db, SQLITE_VTAB_CONSTRAINT_SUPPORT, 1);
  fed_str_release(&sql);
  return rc;
}

/*
 * Told of SQLITE_NOMEM, SQLite runs nothing more until the outer statement
 * ends; fed_attach needs it to undo what was made.
 */
static int table_finish(struct fed_db *fdb, struct fed_table *table, int rc,
                        struct fed_err *err, sqlite3_vtab **out, char **message)
{
  bool attaching = fdb->creating != NULL;

  if (rc == SQLITE_OK) {
    fed_list_push_back(&table->fdb->tables, &table->link);
    *out = &table->base;
    return SQLITE_OK;
  }
  table_free(table);
  if (rc != SQLITE_NOMEM || attaching)
    *message = sqlite3_mprintf("%s", err->msg);
  if (rc == SQLITE_NOMEM) return attaching ? SQLITE_ERROR : rc;
  return err->rc == SQLITE_OK ? rc : fed_err_code(err);
}

/* The declaration from fed_attach's catalog. */
static int table_adopt(struct fed_table *table, const struct fed_relation *rel,
                       const char *driver, struct fed_err *err)
{
  int rc = relation_copy(&table->rel, rel, err);

  if (rc != SQLITE_OK) return rc;
  table->driver = fed_strdup(driver);
  return table->driver ? SQLITE_OK : fed_err_nomem(err);
}

/* The columns: those at hand, else the server is asked. */
static int table_columns(struct fed_table *table, const char *arg,
                         struct fed_err *err)
{
  struct fed_db *fdb = table->fdb;

  if (fdb->creating)
    return table_adopt(table, fdb->creating, fdb->creating_driver, err);
  return table_describe(table, arg, err);
}

static bool table_is_attached(struct fed_table *table)
{
  const char *driver;

  return attach_find(table->fdb, table->server, table->schema, table->name,
                     &driver) != NULL;
}

static int table_create(sqlite3 *db, void *aux, int argc,
                        const char *const *argv, sqlite3_vtab **out,
                        char **message)
{
  struct fed_err err = FED_ERR_INIT;
  struct fed_table *table = NULL;
  int rc = table_new(aux, argc, argv, &table, &err);

  (void)db;
  if (rc == SQLITE_OK)
    rc = table_parse_options(table, argc - 5, argv + 5, &err);
  if (rc == SQLITE_OK) rc = table_columns(table, argv[4], &err);
  if (rc == SQLITE_OK && !table_is_attached(table)) {
    if (table->rows >= 0) stats_set_rows(&table->rel, table->rows);
    rc = shadow_write(table, &err);
  }
  if (rc == SQLITE_OK) rc = table_declare(table, &err);
  if (rc == SQLITE_OK) rc = trust_created(table, &err);
  return table_finish(aux, table, rc, &err, out, message);
}

/*
 * What is kept beside the table must speak of the relation its arguments
 * name: they are what was trusted, not what a file says besides.
 */
static int table_check_shadow(struct fed_table *table, const char *arg,
                              struct fed_err *err)
{
  bool is_query = sqlite3_stricmp(table->module, "fed") != 0;
  const struct fed_relation *rel = &table->rel;
  char *schema = NULL, *name = NULL;
  int rc = SQLITE_OK;
  bool same;

  if (is_query && !(name = table_query(arg))) rc = fed_err_nomem(err);
  if (!is_query) rc = table_remote(arg, &schema, &name, err);
  if (rc == SQLITE_OK) {
    same = is_query == (rel->kind == FED_KIND_QUERY) &&
           (is_query ? strcmp(name, rel->name) == 0
                     : sqlite3_stricmp(name, rel->name) == 0) &&
           (!schema || sqlite3_stricmp(schema, rel->schema) == 0);
    if (!same)
      rc = fed_err_set(err, SQLITE_CORRUPT,
                       "what is kept beside table '%s' is about another one: "
                       "DROP TABLE and create it again",
                       table->name);
  }
  fed_free(schema);
  fed_free(name);
  return rc;
}

static int table_connect(sqlite3 *db, void *aux, int argc,
                         const char *const *argv, sqlite3_vtab **out,
                         char **message)
{
  struct fed_err err = FED_ERR_INIT;
  struct fed_table *table = NULL;
  const struct fed_relation *rel;
  const char *driver = NULL;
  int rc = table_new(aux, argc, argv, &table, &err);

  (void)db;
  if (rc != SQLITE_OK) return table_finish(aux, table, rc, &err, out, message);
  rel =
    attach_find(table->fdb, table->server, table->schema, table->name, &driver);
  rc = rel ? table_adopt(table, rel, driver, &err) : shadow_read(table, &err);
  if (rc == SQLITE_OK) rc = table_check_shadow(table, argv[4], &err);
  if (rc == SQLITE_OK)
    rc = table_parse_options(table, argc - 5, argv + 5, &err);
  if (rc == SQLITE_OK) rc = table_declare(table, &err);
  return table_finish(aux, table, rc, &err, out, message);
}

static int table_disconnect(sqlite3_vtab *vtab)
{
  table_free(table_of(vtab));
  return SQLITE_OK;
}

static int table_destroy(sqlite3_vtab *vtab)
{
  struct fed_table *table = table_of(vtab);
  struct fed_err err = FED_ERR_INIT;
  int rc = SQLITE_OK;

  if (!table_is_attached(table)) rc = shadow_drop(table, &err);
  if (rc != SQLITE_OK) return table_fail(vtab, &err);
  table_free(table);
  return SQLITE_OK;
}

static int table_rename(sqlite3_vtab *vtab, const char *name)
{
  struct fed_table *table = table_of(vtab);
  struct fed_err err = FED_ERR_INIT;
  char *copy;
  int rc;

  if (table_is_attached(table)) {
    fed_err_set(&err, SQLITE_ERROR,
                "an attached table keeps its name: use CREATE VIRTUAL TABLE "
                "%s USING fed(%s, ...)",
                name, table->server);
    return table_fail(vtab, &err);
  }
  copy = fed_strdup(name);
  rc = copy ? shadow_rename(table, name, &err) : fed_err_nomem(&err);
  if (rc != SQLITE_OK) {
    fed_free(copy);
    return table_fail(vtab, &err);
  }
  fed_free(table->name);
  table->name = copy;
  return SQLITE_OK;
}

/* ---- the modules ------------------------------------------------------- */

/* Both are the same to SQLite; the arguments tell them apart. */
const sqlite3_module fed_table_module = {
  .iVersion = 3,
  .xCreate = table_create,
  .xConnect = table_connect,
  .xBestIndex = plan_best_index,
  .xDisconnect = table_disconnect,
  .xDestroy = table_destroy,
  .xOpen = scan_open,
  .xClose = scan_close,
  .xFilter = scan_filter,
  .xNext = scan_next,
  .xEof = scan_eof,
  .xColumn = scan_column,
  .xRowid = scan_rowid,
  .xUpdate = write_update,
  .xBegin = write_begin,
  .xSync = write_end,
  .xCommit = write_end,
  .xRollback = write_end,
  .xSavepoint = write_savepoint,
  .xRelease = write_release_to,
  .xRollbackTo = write_rollback_to,
  .xRename = table_rename,
  .xShadowName = shadow_is,
};
