/* migrate: the SQL functions and tables of migrations, as commands. */
#include "cli/cli.h"

#include "migrate/migrate.h"

/* "SELECT migrate_up(?, ?, ?)", or the same behind "SELECT columns FROM". */
static char *migrate_sql(const struct cli *cli, const char *columns, int n,
                         const char *rest)
{
  struct fed_str sql;

  fed_str_init(&sql, FED_STR_SQL);
  fed_str_addf(&sql, "SELECT %s%smigrate_%s(", columns ? columns : "",
               columns ? " FROM " : "", cli->command->name);
  for (int i = 0; i < n; i++)
    fed_str_add(&sql, i ? ", ?" : "?");
  fed_str_addf(&sql, ")%s", rest);
  return fed_str_detach(&sql);
}

/* Each line of a report is a row: the target, and what was done to it. */
static int migrate_report(struct cli *cli, const char *report)
{
  static const char sql[] =
    "WITH RECURSIVE line(text, rest) AS (SELECT NULL, ?1 || char(10) UNION ALL"
    " SELECT substr(rest, 1, instr(rest, char(10)) - 1),"
    " substr(rest, instr(rest, char(10)) + 1) FROM line WHERE rest <> '')"
    " SELECT substr(text, 1, instr(text, ': ') - 1) AS target,"
    " substr(text, instr(text, ': ') + 2) AS result FROM line"
    " WHERE text IS NOT NULL";

  if (cli->value[CLI_JSON] || cli->value[CLI_CSV])
    return cli_print(cli, sql, &report, 1);
  puts(report);
  return CLI_DONE;
}

static int migrate_function(struct cli *cli, const char *const *args, int n)
{
  char *sql = migrate_sql(cli, NULL, n, ""), *report = NULL;
  int code =
    sql ? cli_run(cli, sql, args, n, &report) : cli_fail("out of memory");

  if (code == CLI_DONE) code = migrate_report(cli, report ? report : "");
  sqlite3_free(report);
  fed_free(sql);
  return code;
}

/* Is there anything that is not as the files say? */
static int migrate_check(struct cli *cli, const char *const *args, int n)
{
  char *sql = migrate_sql(cli, "count(*)", n,
                          " WHERE state NOT IN ('applied', 'baselined')");
  char *count = NULL;
  int code =
    sql ? cli_run(cli, sql, args, n, &count) : cli_fail("out of memory");

  if (code == CLI_DONE && count && strcmp(count, "0") != 0) code = CLI_WRONG;
  sqlite3_free(count);
  fed_free(sql);
  return code;
}

static int migrate_table(struct cli *cli, const char *const *args, int n)
{
  bool all = cli->value[CLI_JSON] || cli->value[CLI_CSV];
  char *sql = migrate_sql(cli, all ? "*" : cli->command->columns, n, "");
  int code = sql ? cli_print(cli, sql, args, n) : cli_fail("out of memory");

  fed_free(sql);
  if (code == CLI_DONE && cli->value[CLI_CHECK])
    code = migrate_check(cli, args, n);
  return code;
}

/* Targets, the option that the argument stands for, options. */
static int migrate_call(struct cli *cli, const char *argument)
{
  const char *target = cli->value[CLI_TARGET];
  const char **args = fed_calloc((size_t)cli->noption + 2, sizeof *args);
  int n = 0, code;

  if (!args) return cli_fail("out of memory");
  args[n++] = target ? target : "main";
  if (argument) args[n++] = argument;
  for (int i = 0; i < cli->noption; i++)
    args[n++] = cli->option[i];
  code = cli->command->columns ? migrate_table(cli, args, n)
                               : migrate_function(cli, args, n);
  fed_free(args);
  return code;
}

int cli_migrate(struct cli *cli)
{
  const struct cli_command *c = cli->command;
  char *argument = NULL;
  int code = CLI_DONE;

  if (!cli->value[CLI_DB] && !cli->value[CLI_TARGET])
    return cli_misuse(cli, "which database? --db FILE, or --target SERVER");
  if (cli->value[CLI_DB]) code = cli_open(cli, cli->value[CLI_DB], true);
  if (code == CLI_DONE) code = cli_define(cli);
  if (code == CLI_DONE && c->argument &&
      !(argument = sqlite3_mprintf("%s=%s", c->argument, cli->arg[0])))
    code = cli_fail("out of memory");
  if (code == CLI_DONE) code = migrate_call(cli, argument);
  sqlite3_free(argument);
  return code;
}

int cli_migrate_new(struct cli *cli)
{
  struct migrate_opts opts;
  struct fed_err err = FED_ERR_INIT;
  char *paths = NULL;
  int rc = SQLITE_OK;

  fed_opt_defaults(migrate_options, migrate_noptions, &opts);
  for (int i = 0; i < cli->noption && rc == SQLITE_OK; i++)
    rc = fed_opt_parse(migrate_options, migrate_noptions, &opts, cli->option[i],
                       NULL, &err);
  if (rc == SQLITE_OK)
    rc = source_new(opts.dir ? opts.dir : "migrations", cli->arg[0],
                    (enum source_layout)opts.layout, &paths, &err);
  if (rc == SQLITE_OK)
    printf("%s%s", paths,
           paths[0] && paths[strlen(paths) - 1] == '\n' ? "" : "\n");
  else
    cli_fail("%s", err.msg);
  fed_free(paths);
  fed_opt_release(migrate_options, migrate_noptions, &opts);
  return rc == SQLITE_OK ? CLI_DONE : CLI_FAILED;
}
