/* migrate: the SQL functions and tables of migrate/. */
#include "migrate/migrate.h"

#include "base/mem.h"
#include "ext/functions.h"
#include "migrate/validate.h"

static struct migrate_host function_host(struct fed_db *fdb)
{
  return (struct migrate_host){.db = fed_db_handle(fdb),
                               .wait = fed_db_wait(fdb),
                               .state = fed_db_kept(fdb)};
}

/* [targets,] options...; the options say which of the two it is. */
static int function_split(int argc, sqlite3_value **argv,
                          const struct fed_opt *table, int n,
                          const char **targets, const char ***options,
                          int *noption, struct fed_err *err)
{
  const char *word = argc ? (const char *)sqlite3_value_text(argv[0]) : NULL;
  int first = argc > 0 && !(word && fed_opt_is(table, n, word));

  *targets = NULL;
  *noption = argc - first;
  if (first && !(*targets = function_text(argv, 0, "the target", err)))
    return err->rc;
  return function_options(argc, argv, first, options, err);
}

static void function_migrate(sqlite3_context *ctx, int argc,
                             sqlite3_value **argv, enum migrate_verb verb)
{
  struct fed_db *fdb = function_db(ctx);
  struct migrate_host host = function_host(fdb);
  const char *targets = NULL, **options = NULL;
  struct fed_err err = FED_ERR_INIT;
  struct fed_str report;
  int n = 0, rc;

  fed_str_init(&report, FED_STR_SQL);
  rc = function_split(argc, argv, migrate_options, migrate_noptions, &targets,
                      &options, &n, &err);
  if (rc == SQLITE_OK)
    rc = migrate_run(&host, verb, targets, options, n, &report, &err);
  if (rc == SQLITE_OK)
    sqlite3_result_text(ctx, report.s, (int)report.len, SQLITE_TRANSIENT);
  else
    fed_result_err(ctx, &err);
  fed_free(options);
  fed_str_release(&report);
}

void function_migrate_up(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
  function_migrate(ctx, argc, argv, MIGRATE_UP);
}

void function_migrate_down(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
  function_migrate(ctx, argc, argv, MIGRATE_DOWN);
}

void function_migrate_to(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
  function_migrate(ctx, argc, argv, MIGRATE_TO);
}

void function_migrate_redo(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
  function_migrate(ctx, argc, argv, MIGRATE_REDO);
}

void function_migrate_baseline(sqlite3_context *ctx, int argc,
                               sqlite3_value **argv)
{
  function_migrate(ctx, argc, argv, MIGRATE_BASELINE);
}

void function_migrate_repair(sqlite3_context *ctx, int argc,
                             sqlite3_value **argv)
{
  function_migrate(ctx, argc, argv, MIGRATE_REPAIR);
}

void function_migrate_force(sqlite3_context *ctx, int argc,
                            sqlite3_value **argv)
{
  function_migrate(ctx, argc, argv, MIGRATE_FORCE);
}

void function_migrate_adopt(sqlite3_context *ctx, int argc,
                            sqlite3_value **argv)
{
  function_migrate(ctx, argc, argv, MIGRATE_ADOPT);
}

/* migrate_on_progress(function): gives it back. */
void function_migrate_on_progress(sqlite3_context *ctx, int argc,
                                  sqlite3_value **argv)
{
  struct migrate_host host = function_host(function_db(ctx));
  struct fed_err err = FED_ERR_INIT;
  bool none = sqlite3_value_type(argv[0]) == SQLITE_NULL;
  const char *name = none ? NULL : function_text(argv, 0, "the function", &err);

  (void)argc;
  if ((none || name) &&
      progress_set(host.state, host.db, name, &err) == SQLITE_OK)
    sqlite3_result_value(ctx, argv[0]);
  else
    fed_result_err(ctx, &err);
}

void function_migrate_new(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
  struct fed_err err = FED_ERR_INIT;
  const char *name = NULL, **options = NULL;
  struct fed_str paths;
  int rc = SQLITE_OK;

  fed_str_init(&paths, FED_STR_SQL);
  if (argc == 0)
    rc = fed_err_set(&err, SQLITE_MISUSE,
                     "usage: migrate_new(name [, 'dir=D'] [, 'layout=L'])");
  if (rc == SQLITE_OK && !(name = function_text(argv, 0, "the name", &err)))
    rc = err.rc;
  if (rc == SQLITE_OK) rc = function_options(argc, argv, 1, &options, &err);
  if (rc == SQLITE_OK) rc = migrate_new(name, options, argc - 1, &paths, &err);
  if (rc == SQLITE_OK)
    sqlite3_result_text(ctx, paths.s, (int)paths.len, SQLITE_TRANSIENT);
  else
    fed_result_err(ctx, &err);
  fed_free(options);
  fed_str_release(&paths);
}

/* ---- validation ---------------------------------------------------------- */

typedef int validate_fn(const struct migrate_host *host, const char *target,
                        const char *const *args, int n, struct fed_str *out,
                        struct fed_err *err);

static void function_validate(sqlite3_context *ctx, int argc,
                              sqlite3_value **argv, const struct fed_opt *table,
                              int n, validate_fn *fn)
{
  struct migrate_host host = function_host(function_db(ctx));
  const char *target = NULL, **options = NULL;
  struct fed_err err = FED_ERR_INIT;
  struct fed_str out;
  int noption = 0, rc;

  fed_str_init(&out, FED_STR_SQL);
  rc = function_split(argc, argv, table, n, &target, &options, &noption, &err);
  if (rc == SQLITE_OK) rc = fn(&host, target, options, noption, &out, &err);
  if (rc == SQLITE_OK)
    sqlite3_result_text(ctx, out.s, (int)out.len, SQLITE_TRANSIENT);
  else
    fed_result_err(ctx, &err);
  fed_free(options);
  fed_str_release(&out);
}

void function_migrate_require(sqlite3_context *ctx, int argc,
                              sqlite3_value **argv)
{
  function_validate(ctx, argc, argv, migrate_options, migrate_noptions,
                    validate_require);
}

void function_migrate_dump(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
  function_validate(ctx, argc, argv, validate_options, validate_noptions,
                    validate_dump);
}

void function_schema_snapshot(sqlite3_context *ctx, int argc,
                              sqlite3_value **argv)
{
  function_validate(ctx, argc, argv, validate_options, validate_noptions,
                    validate_snapshot);
}

void function_schema_verify(sqlite3_context *ctx, int argc,
                            sqlite3_value **argv)
{
  function_validate(ctx, argc, argv, validate_options, validate_noptions,
                    validate_verify);
}

/* ---- tables -------------------------------------------------------------- */

static const char *const migrate_kinds[] = {[SOURCE_VERSIONED] = "versioned",
                                            [SOURCE_REPEATABLE] = "repeatable",
                                            [SOURCE_BASELINE] = "baseline"};

static int migrate_item_row(void *arg, const char *target,
                            const struct plan_item *item, struct fed_err *err)
{
  struct status_rows *rows = arg;

  (void)err;
  status_text(rows, target);
  status_text_or_null(rows, plan_version(item));
  status_text(rows, plan_name(item));
  status_text(rows, item->file ? migrate_kinds[item->file->kind] : NULL);
  status_text(rows, plan_state_name(item->state));
  status_text_or_null(rows, item->file ? item->file->up.path : NULL);
  status_int(rows, item->file && item->file->down.present);
  status_text_or_null(rows, item->row ? item->row->started_at : NULL);
  if (item->row)
    status_int(rows, item->row->duration_ms);
  else
    status_null(rows);
  status_text_or_null(rows, item->row ? item->row->applied_by : NULL);
  status_text_or_null(rows, item->row ? item->row->error : NULL);
  return SQLITE_OK;
}

static int migrate_history_row(void *arg, const char *target,
                               const struct history_row *row,
                               struct fed_err *err)
{
  struct status_rows *rows = arg;

  (void)err;
  status_text(rows, target);
  status_int(rows, row->id);
  status_text(rows, history_action_name(row->action));
  status_text_or_null(rows, row->version);
  status_text(rows, row->name);
  status_text(rows, history_state_name(row->state));
  status_int(rows, row->statements);
  status_int(rows, row->done);
  status_text_or_null(rows, row->checksum);
  status_text(rows, row->started_at);
  status_int(rows, row->duration_ms);
  status_text(rows, row->applied_by);
  status_text_or_null(rows, row->error);
  return SQLITE_OK;
}

static int migrate_step_row(void *arg, const char *target,
                            const struct plan_item *item,
                            const struct script *script, int at,
                            struct fed_err *err)
{
  struct status_rows *rows = arg;
  const struct script_step *step = &script->step[at];
  struct fed_value sql =
    step->call ? fed_value_cstr(step->call)
               : fed_value_text(step->stmt.sql, (int64_t)step->stmt.size);

  (void)err;
  status_text(rows, target);
  status_text_or_null(rows, plan_version(item));
  status_text(rows, plan_name(item));
  status_text(rows, script->path);
  status_int(rows, step->stmt.line);
  status_value(rows, &sql);
  status_int(rows, script->atomic);
  status_int(rows, (step->stmt.traits & SPLIT_DESTRUCTIVE) != 0);
  return SQLITE_OK;
}

static int migrate_note_row(void *arg, const char *target, const char *version,
                            const char *name, const char *problem,
                            const char *remedy, struct fed_err *err)
{
  struct status_rows *rows = arg;

  (void)err;
  status_text(rows, target);
  status_text_or_null(rows, version);
  status_text(rows, name);
  status_text(rows, problem);
  status_text(rows, remedy);
  return SQLITE_OK;
}

/* Targets and options, as the arguments of a table. */
struct migrate_args {
  struct migrate_host host;
  const char *targets, **options;
  int n;
};

static int migrate_args(struct migrate_args *args, struct fed_db *fdb,
                        struct status_rows *rows, struct fed_err *err)
{
  memset(args, 0, sizeof *args);
  args->host = function_host(fdb);
  return function_split(rows->argc, rows->argv, migrate_options,
                        migrate_noptions, &args->targets, &args->options,
                        &args->n, err);
}

static int migrate_fill_status(struct fed_db *fdb, struct status_rows *rows,
                               struct fed_err *err)
{
  struct migrate_args args;
  int rc = migrate_args(&args, fdb, rows, err);

  if (rc == SQLITE_OK)
    rc = migrate_status(&args.host, args.targets, args.options, args.n,
                        migrate_item_row, rows, err);
  fed_free(args.options);
  return rc;
}

static int migrate_fill_plan(struct fed_db *fdb, struct status_rows *rows,
                             struct fed_err *err)
{
  struct migrate_args args;
  int rc = migrate_args(&args, fdb, rows, err);

  if (rc == SQLITE_OK)
    rc = migrate_plan(&args.host, args.targets, args.options, args.n,
                      migrate_step_row, rows, err);
  fed_free(args.options);
  return rc;
}

static int migrate_fill_verify(struct fed_db *fdb, struct status_rows *rows,
                               struct fed_err *err)
{
  struct migrate_args args;
  int rc = migrate_args(&args, fdb, rows, err);

  if (rc == SQLITE_OK)
    rc = migrate_verify(&args.host, args.targets, args.options, args.n,
                        migrate_note_row, rows, err);
  fed_free(args.options);
  return rc;
}

static int migrate_fill_history(struct fed_db *fdb, struct status_rows *rows,
                                struct fed_err *err)
{
  struct migrate_host host = function_host(fdb);
  const char *targets =
    rows->argc ? function_text(rows->argv, 0, "the list of targets", err)
               : "main";

  if (!targets) return err->rc;
  return migrate_history(&host, targets, migrate_history_row, rows, err);
}

static int schema_difference_row(void *arg, const struct schema_difference *d,
                                 struct fed_err *err)
{
  struct status_rows *rows = arg;

  (void)err;
  status_text(rows, d->kind);
  status_text(rows, d->object);
  status_text(rows, d->part);
  status_text(rows, d->property);
  status_text(rows, d->expected);
  status_text(rows, d->found);
  return SQLITE_OK;
}

static int schema_fill_verify(struct fed_db *fdb, struct status_rows *rows,
                              struct fed_err *err)
{
  struct migrate_host host = function_host(fdb);
  const char *target = NULL, **options = NULL;
  int n = 0, rc = function_split(rows->argc, rows->argv, validate_options,
                                 validate_noptions, &target, &options, &n, err);

  if (rc == SQLITE_OK)
    rc = validate_differences(&host, target, options, n, schema_difference_row,
                              rows, err);
  fed_free(options);
  return rc;
}

/* Each option once, and variables. */
#define MIGRATE_ARGS 40

const struct status_table fed_migrate_tables[] = {
  {.name = "migrate_status",
   .columns = "target TEXT, version TEXT, name TEXT, kind TEXT, state TEXT,"
              " file TEXT, reversible INT, applied_at TEXT, duration_ms INT,"
              " applied_by TEXT, error TEXT, targets HIDDEN", .ncol = 11,
   .nhidden = 1,
   .nmore = MIGRATE_ARGS,
   .fill = migrate_fill_status,
   .usage = "migrate_status([targets] [, 'dir=D']...)",
   .help = "each migration, in the files and on the targets"},
  {.name = "migrate_history",
   .columns = "target TEXT, id INT, action TEXT, version TEXT, name TEXT,"
              " state TEXT, statements INT, done INT, checksum TEXT,"
              " started_at TEXT, duration_ms INT, applied_by TEXT, error TEXT,"
              " targets HIDDEN", .ncol = 13,
   .nhidden = 1,
   .fill = migrate_fill_history,
   .usage = "migrate_history([targets])",
   .help = "what was done to the targets, in order"},
  {.name = "migrate_plan",
   .columns = "target TEXT, version TEXT, name TEXT, file TEXT, line INT,"
              " statement TEXT, atomic INT, destructive INT,"
              " targets HIDDEN", .ncol = 8,
   .nhidden = 1,
   .nmore = MIGRATE_ARGS,
   .fill = migrate_fill_plan,
   .usage = "migrate_plan([targets] [, 'dir=D']...)",
   .help = "the statements that migrate_up() would run"},
  {.name = "migrate_verify",
   .columns = "target TEXT, version TEXT, name TEXT, problem TEXT,"
              " remedy TEXT, targets HIDDEN", .ncol = 5,
   .nhidden = 1,
   .nmore = MIGRATE_ARGS,
   .fill = migrate_fill_verify,
   .usage = "migrate_verify([targets] [, 'dir=D']...)",
   .help = "what is not as it should be; no rows: all is well"},
  {.name = "schema_verify",
   .columns = "kind TEXT, \"table\" TEXT, \"column\" TEXT, property TEXT,"
              " expected TEXT, found TEXT, target HIDDEN", .ncol = 6,
   .nhidden = 1,
   .nmore = MIGRATE_ARGS,
   .fill = schema_fill_verify,
   .usage = "schema_verify([target,] 'file=FILE' [, 'schema=S'])",
   .help = "how the live schema differs from that of the file"},
  {.name = NULL                       },
};
