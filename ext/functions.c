/*
 * functions: the SQL functions. An addition is the function and one row of
 * the table at the end; registration and fed_help follow from it.
 */
#include "ext/functions.h"

#include <stdlib.h>

#include "base/mem.h"

struct fed_db *function_db(sqlite3_context *ctx)
{
  return ((const struct fed_binding *)sqlite3_user_data(ctx))->fdb;
}

static void function_result(sqlite3_context *ctx, int rc,
                            const struct fed_err *err, int64_t value)
{
  if (rc == SQLITE_OK)
    sqlite3_result_int64(ctx, value);
  else
    fed_result_err(ctx, err);
}

const char *function_text(sqlite3_value **argv, int i, const char *what,
                          struct fed_err *err)
{
  const char *text;

  if (sqlite3_value_type(argv[i]) == SQLITE_NULL) {
    fed_err_set(err, SQLITE_MISUSE, "%s is NULL", what);
    return NULL;
  }
  text = (const char *)sqlite3_value_text(argv[i]);
  if (!text)
    fed_err_nomem(err);
  else if (strlen(text) != (size_t)sqlite3_value_bytes(argv[i])) {
    fed_err_set(err, SQLITE_MISUSE, "%s holds a NUL character", what);
    text = NULL;
  }
  return text;
}

int function_options(int argc, sqlite3_value **argv, int first,
                     const char ***out, struct fed_err *err)
{
  const char **options =
    fed_calloc((size_t)(argc - first) + 1, sizeof *options);

  if (!options) return fed_err_nomem(err);
  for (int i = first; i < argc; i++) {
    options[i - first] = function_text(argv, i, "an option", err);
    if (options[i - first]) continue;
    fed_free(options);
    return err->rc;
  }
  *out = options;
  return SQLITE_OK;
}

/* ---- servers ----------------------------------------------------------- */

static int function_show(sqlite3_context *ctx, const char *name,
                         struct fed_err *err)
{
  struct fed_server *server = NULL;
  struct fed_str text;
  int rc = fed_server_find(name, &server, err);

  if (rc != SQLITE_OK) return rc;
  fed_str_init(&text, FED_STR_SQL);
  fed_server_show(server, &text);
  rc = fed_str_err(&text, err);
  if (rc == SQLITE_OK)
    sqlite3_result_text(ctx, text.s, (int)text.len, SQLITE_TRANSIENT);
  fed_str_release(&text);
  fed_server_unref(server);
  return rc;
}

static void function_server(sqlite3_context *ctx, int argc,
                            sqlite3_value **argv)
{
  struct fed_err err = FED_ERR_INIT;
  const char **options = NULL;
  const char *name = NULL, *url = NULL;
  int rc = SQLITE_OK;

  if (argc == 0)
    rc = fed_err_set(&err, SQLITE_MISUSE,
                     "usage: fed_server(name, url [, 'option=value'...]), or "
                     "fed_server(name) to show one");
  if (rc == SQLITE_OK && !(name = function_text(argv, 0, "the name", &err)))
    rc = err.rc;
  if (rc == SQLITE_OK && argc > 1) {
    url = function_text(argv, 1, "the URL", &err);
    rc = url ? function_options(argc, argv, 2, &options, &err) : err.rc;
    if (rc == SQLITE_OK)
      rc = fed_server_define(name, url, options, argc - 2, &err);
    fed_free(options);
  }
  if (rc == SQLITE_OK) rc = function_show(ctx, name, &err);
  if (rc != SQLITE_OK) fed_result_err(ctx, &err);
}

static void function_server_drop(sqlite3_context *ctx, int argc,
                                 sqlite3_value **argv)
{
  struct fed_err err = FED_ERR_INIT;
  const char *name = function_text(argv, 0, "the name", &err);
  int rc = name ? fed_server_drop(name, &err) : err.rc;

  (void)argc;
  function_result(ctx, rc, &err, 1);
}

/* ---- tables ------------------------------------------------------------ */

static void function_attach(sqlite3_context *ctx, int argc,
                            sqlite3_value **argv)
{
  struct fed_err err = FED_ERR_INIT;
  const char **options = NULL;
  const char *server = NULL;
  int ntable = 0;
  int rc = SQLITE_OK;

  if (argc == 0)
    rc = fed_err_set(&err, SQLITE_MISUSE,
                     "usage: fed_attach(server [, 'schema=...', 'tables=...', "
                     "'as=...'])");
  if (rc == SQLITE_OK && !(server = function_text(argv, 0, "the server", &err)))
    rc = err.rc;
  if (rc == SQLITE_OK) rc = function_options(argc, argv, 1, &options, &err);
  if (rc == SQLITE_OK)
    rc = fed_attach(function_db(ctx), server, options, argc - 1, &ntable, &err);
  fed_free(options);
  function_result(ctx, rc, &err, ntable);
}

/* fed_detach and fed_refresh: a name in, a number of tables out. */
static void function_named(sqlite3_context *ctx, sqlite3_value **argv,
                           int (*call)(struct fed_db *, const char *, int *,
                                       struct fed_err *))
{
  struct fed_err err = FED_ERR_INIT;
  const char *name = function_text(argv, 0, "the name", &err);
  int ntable = 0;
  int rc = name ? call(function_db(ctx), name, &ntable, &err) : err.rc;

  function_result(ctx, rc, &err, ntable);
}

static void function_detach(sqlite3_context *ctx, int argc,
                            sqlite3_value **argv)
{
  (void)argc;
  function_named(ctx, argv, fed_detach);
}

static void function_refresh(sqlite3_context *ctx, int argc,
                             sqlite3_value **argv)
{
  (void)argc;
  function_named(ctx, argv, fed_refresh);
}

static void function_trust(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
  struct fed_err err = FED_ERR_INIT;
  const char *schema = function_text(argv, 0, "the database's name", &err);
  int rc = schema ? fed_trust(function_db(ctx), schema, &err) : err.rc;

  (void)argc;
  function_result(ctx, rc, &err, 1);
}

/* fed_pushdown([table,] ['on'|'off']) */
static void function_pushdown(sqlite3_context *ctx, int argc,
                              sqlite3_value **argv)
{
  struct fed_err err = FED_ERR_INIT;
  const char *table = NULL, *state = NULL;
  int rc = SQLITE_OK;

  if (argc > 2)
    rc = fed_err_set(&err, SQLITE_MISUSE,
                     "usage: fed_pushdown([table] [, 'on'|'off'])");
  if (rc == SQLITE_OK && argc > 0 &&
      !(table = function_text(argv, 0, "the table", &err)))
    rc = err.rc;
  if (rc == SQLITE_OK && argc > 1 &&
      !(state = function_text(argv, 1, "the state", &err)))
    rc = err.rc;
  if (rc == SQLITE_OK && argc == 1 && fed_pushdown_is_state(table)) {
    state = table;
    table = NULL;
  }
  if (rc == SQLITE_OK)
    rc = fed_pushdown(function_db(ctx), table, state, &state, &err);
  if (rc == SQLITE_OK)
    sqlite3_result_text(ctx, state, -1, SQLITE_STATIC);
  else
    fed_result_err(ctx, &err);
}

static void function_exec(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
  struct fed_err err = FED_ERR_INIT;
  const char *server = NULL, *sql = NULL;
  struct fed_value *args = NULL;
  int64_t changes = 0;
  int rc = SQLITE_OK;

  if (argc < 2)
    rc = fed_err_set(&err, SQLITE_MISUSE,
                     "usage: fed_exec(server, sql [, argument...])");
  if (rc == SQLITE_OK &&
      (!(server = function_text(argv, 0, "the server", &err)) ||
       !(sql = function_text(argv, 1, "the SQL", &err))))
    rc = err.rc;
  if (rc == SQLITE_OK && !(args = fed_calloc((size_t)argc, sizeof *args)))
    rc = fed_err_nomem(&err);
  if (rc == SQLITE_OK) {
    for (int i = 2; i < argc; i++)
      args[i - 2] = fed_value_from(argv[i]);
    rc =
      fed_exec(function_db(ctx), server, sql, args, argc - 2, &changes, &err);
  }
  fed_free(args);
  function_result(ctx, rc, &err, changes);
}

/* ---- rows as JSON -------------------------------------------------------- */

struct returning_options {
  char *key;
};

static const struct fed_opt returning_option[] = {
  {.name = "key",
   .type = FED_OPT_TEXT,
   .offset = offsetof(struct returning_options, key),
   .help = "columns that name a row, in place of the table's key"},
};

static int function_returning_options(sqlite3_value **argv, int argc,
                                      struct returning_options *options,
                                      struct fed_err *err)
{
  int rc = SQLITE_OK;

  for (int i = 2; i < argc && rc == SQLITE_OK; i++) {
    const char *arg = function_text(argv, i, "an option", err);

    rc = arg ? fed_opt_parse(returning_option, 1, options, arg, NULL, err)
             : err->rc;
  }
  return rc;
}

static void function_returning(sqlite3_context *ctx, int argc,
                               sqlite3_value **argv, enum fed_returning verb,
                               const char *name)
{
  struct returning_options options = {NULL};
  struct fed_err err = FED_ERR_INIT;
  const char *table = NULL, *json = NULL;
  char *out = NULL;
  int rc = SQLITE_OK;

  if (argc < 2 || (argc > 2 && verb == FED_RETURNING_INSERT))
    rc = fed_err_set(&err, SQLITE_MISUSE, "usage: %s(table, json%s)", name,
                     verb == FED_RETURNING_INSERT ? "" : " [, 'key=a,b']");
  if (rc == SQLITE_OK &&
      (!(table = function_text(argv, 0, "the table", &err)) ||
       !(json = function_text(argv, 1, "the row, as JSON", &err))))
    rc = err.rc;
  if (rc == SQLITE_OK)
    rc = function_returning_options(argv, argc, &options, &err);
  if (rc == SQLITE_OK)
    rc = fed_returning(function_db(ctx), verb, table, json, options.key, &out,
                       &err);
  fed_opt_release(returning_option, 1, &options);
  if (rc != SQLITE_OK) {
    fed_result_err(ctx, &err);
    return;
  }
  sqlite3_result_text(ctx, out, -1, SQLITE_TRANSIENT);
  sqlite3_result_subtype(ctx,
                         'J'); /* as SQLite's own: json_object() nests it */
  fed_free(out);
}

static void function_insert(sqlite3_context *ctx, int argc,
                            sqlite3_value **argv)
{
  function_returning(ctx, argc, argv, FED_RETURNING_INSERT, "fed_insert");
}

static void function_upsert(sqlite3_context *ctx, int argc,
                            sqlite3_value **argv)
{
  function_returning(ctx, argc, argv, FED_RETURNING_UPSERT, "fed_upsert");
}

static void function_update(sqlite3_context *ctx, int argc,
                            sqlite3_value **argv)
{
  function_returning(ctx, argc, argv, FED_RETURNING_UPDATE, "fed_update");
}

static void function_delete(sqlite3_context *ctx, int argc,
                            sqlite3_value **argv)
{
  function_returning(ctx, argc, argv, FED_RETURNING_DELETE, "fed_delete");
}

static void function_version(sqlite3_context *ctx, int argc,
                             sqlite3_value **argv)
{
  (void)argc;
  (void)argv;
  sqlite3_result_text(ctx, FED_VERSION, -1, SQLITE_STATIC);
}

#ifdef FED_TEST
/* fed_fault('alloc' | 'call', n): see base/mem.h. Test builds only. */
static void function_fault(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
  const char *kind = (const char *)sqlite3_value_text(argv[0]);
  enum fed_fault fault =
    kind && !strcmp(kind, "call") ? FED_FAULT_CALL : FED_FAULT_ALLOC;

  (void)argc;
  sqlite3_result_int(ctx, fed_fault_arm(fault, sqlite3_value_int(argv[1])));
}

/* fed_terms(): see term_report. Test builds only. */
static void function_terms(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
  struct fed_str out;

  (void)argc;
  (void)argv;
  fed_str_init(&out, FED_STR_SQL);
  term_report(&out);
  sqlite3_result_text(ctx, out.s, -1, SQLITE_TRANSIENT);
  fed_str_release(&out);
}

/* fed_mutate(row, operator, letter and form): see term_mutate. Test builds
 * only. */
static void function_mutate(sqlite3_context *ctx, int argc,
                            sqlite3_value **argv)
{
  const char *now = (const char *)sqlite3_value_text(argv[2]);

  (void)ctx;
  (void)argc;
  if (now && now[0])
    term_mutate(sqlite3_value_int(argv[0]), sqlite3_value_int(argv[1]), now[0],
                now[1]);
}
#endif

/* ---- the table --------------------------------------------------------- */

const struct fed_function fed_functions[] = {
  {"fed_server",          -1, function_server             },
  {"fed_server_drop",     1,  function_server_drop        },
  {"fed_attach",          -1, function_attach             },
  {"fed_detach",          1,  function_detach             },
  {"fed_refresh",         1,  function_refresh            },
  {"fed_trust",           1,  function_trust              },
  {"fed_pushdown",        -1, function_pushdown           },
  {"fed_exec",            -1, function_exec               },
  {"fed_insert",          -1, function_insert             },
  {"fed_upsert",          -1, function_upsert             },
  {"fed_update",          -1, function_update             },
  {"fed_delete",          -1, function_delete             },
  {"fed_version",         0,  function_version            },
  {"migrate_up",          -1, function_migrate_up         },
  {"migrate_down",        -1, function_migrate_down       },
  {"migrate_to",          -1, function_migrate_to         },
  {"migrate_redo",        -1, function_migrate_redo       },
  {"migrate_baseline",    -1, function_migrate_baseline   },
  {"migrate_repair",      -1, function_migrate_repair     },
  {"migrate_force",       -1, function_migrate_force      },
  {"migrate_adopt",       -1, function_migrate_adopt      },
  {"migrate_on_progress", 1,  function_migrate_on_progress},
  {"migrate_new",         -1, function_migrate_new        },
  {"migrate_require",     -1, function_migrate_require    },
  {"migrate_dump",        -1, function_migrate_dump       },
  {"schema_snapshot",     -1, function_schema_snapshot    },
  {"schema_verify",       -1, function_schema_verify      },
#ifdef FED_TEST
  {"fed_fault",           2,  function_fault              },
  {"fed_terms",           0,  function_terms              },
  {"fed_mutate",          3,  function_mutate             },
#endif
  {NULL,                  0,  NULL                        },
};

const struct fed_help fed_function_help[] = {
  {.name = "fed_server",
   .usage = "fed_server(name [, url [, 'option=value'...]])",
   .help = "name a server, or show what a name stands for"},
  {.name = "fed_server_drop",
   .usage = "fed_server_drop(name)",
   .help = "forget a server"},
  {.name = "fed_attach",
   .usage = "fed_attach(server [, 'schema=S'] [, 'tables=G'] [, 'as=NAME'])",
   .help = "every table of the server, as <server>.<table>"},
  {.name = "fed_detach",
   .usage = "fed_detach(name)",
   .help = "undo fed_attach"},
  {.name = "fed_refresh",
   .usage = "fed_refresh(name)",
   .help = "read the remote columns of an attached server or a table again"},
  {.name = "fed_trust",
   .usage = "fed_trust(schema)",
   .help = "let the tables kept in a database file reach their servers"},
  {.name = "fed_pushdown",
   .usage = "fed_pushdown([table] [, 'on'|'off'])",
   .help = "keep the work of queries here, or leave it to the servers"},
  {.name = "fed_exec",
   .usage = "fed_exec(server, sql [, argument...])",
   .help = "run one statement in the server's own dialect; rows affected"},
  {.name = "fed_insert",
   .usage = "fed_insert(table, json)",
   .help = "insert a row, or an array of rows, and give them back as they are"},
  {.name = "fed_upsert",
   .usage = "fed_upsert(table, json [, 'key=a,b'])",
   .help = "update the row that has the key, or insert it; the row as it is"},
  {.name = "fed_update",
   .usage = "fed_update(table, json [, 'key=a,b'])",
   .help = "update the row that has the key; the row as it is, or null"},
  {.name = "fed_delete",
   .usage = "fed_delete(table, json [, 'key=a,b'])",
   .help = "delete the row that has the key; the row as it was, or null"},
  {.name = "fed_version",
   .usage = "fed_version()",
   .help = "the version of dbfed"},
  {.name = "migrate_up",
   .usage = "migrate_up([targets] [, 'dir=D'] [, 'to=V'] [, 'steps=N']...)",
   .help = "apply the migrations that are pending"},
  {.name = "migrate_down",
   .usage = "migrate_down([targets] [, 'steps=N'] [, 'to=V']...)",
   .help = "undo the last migration, or several"},
  {.name = "migrate_to",
   .usage = "migrate_to([targets,] 'to=V')",
   .help = "apply or undo until V is the last one applied"},
  {.name = "migrate_redo",
   .usage = "migrate_redo([targets])",
   .help = "undo the last migration and apply it again"},
  {.name = "migrate_baseline",
   .usage = "migrate_baseline([targets,] 'to=V')",
   .help =
     "take all migrations up to V as applied, on a database that has none"},
  {.name = "migrate_repair",
   .usage = "migrate_repair([targets])",
   .help = "accept files that were changed or removed after they were applied"},
  {.name = "migrate_force",
   .usage = "migrate_force([targets,] 'to=V' [, 'pending'])",
   .help = "take one migration as applied, or as not"},
  {.name = "migrate_adopt",
   .usage = "migrate_adopt([targets] [, 'dir=D'])",
   .help = "take over the history of golang-migrate, dbmate, goose, Flyway, "
           "sqlx or diesel"},
  {.name = "migrate_on_progress",
   .usage = "migrate_on_progress(function)",
   .help = "a function of your program to call while migrations run, or NULL"},
  {.name = "migrate_new",
   .usage = "migrate_new(name [, 'dir=D'] [, 'layout=L'])",
   .help = "write the template of a new migration"},
  {.name = "migrate_require",
   .usage = "migrate_require([targets] [, 'mode=M'] [, 'file=FILE']...)",
   .help = "for a program's start: is all applied?"},
  {.name = "migrate_dump",
   .usage = "migrate_dump([target] [, 'file=FILE'] [, 'schema=S'])",
   .help = "the statements that make the schema, and the history"},
  {.name = "schema_snapshot",
   .usage = "schema_snapshot([target] [, 'file=FILE'] [, 'schema=S'])",
   .help = "the live schema as text, or into a file"},
  {.name = "schema_verify",
   .usage = "schema_verify([target,] 'file=FILE' [, 'schema=S'])",
   .help = "fail unless the live schema is that of the file"},
  {.name = NULL                            },
};
