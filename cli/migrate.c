/* migrate: the SQL functions and tables of migrations and schemas, as
 * commands. */
#include "cli/cli.h"

#include <errno.h>
#include <unistd.h>

static bool migrate_has_target(const struct cli *cli)
{
  return cli->command->options & CLI_BIT(CLI_TARGET);
}

/* "SELECT migrate_up(?, ?, ?)", or the same behind "SELECT columns FROM". */
static char *migrate_sql(const struct cli *cli, const char *columns, int n,
                         const char *rest)
{
  struct fed_str sql;

  fed_str_init(&sql, FED_STR_SQL);
  fed_str_addf(&sql, "SELECT %s%s%s_%s(", columns ? columns : "",
               columns ? " FROM " : "", cli->command->group,
               cli->command->name);
  for (int i = 0; i < n; i++)
    fed_str_add(&sql, i ? ", ?" : "?");
  fed_str_addf(&sql, ")%s", rest);
  return fed_str_detach(&sql);
}

#define MIGRATE_LINES                                                          \
  "WITH RECURSIVE line(text, rest) AS (SELECT NULL, ?1 || char(10) UNION ALL"  \
  " SELECT substr(rest, 1, instr(rest, char(10)) - 1),"                        \
  " substr(rest, instr(rest, char(10)) + 1) FROM line WHERE rest <> '')"

/* Each line of a report is a row: the target, and what was done to it; or the
 * path of a new file. */
static int migrate_report(struct cli *cli, const char *report)
{
  static const char file[] =
    MIGRATE_LINES " SELECT text AS file FROM line WHERE text <> ''";
  static const char did[] =
    MIGRATE_LINES " SELECT substr(text, 1, instr(text, ': ') - 1) AS target,"
                  " substr(text, instr(text, ': ') + 2) AS result FROM line"
                  " WHERE text IS NOT NULL";

  if (cli->value[CLI_JSON] || cli->value[CLI_CSV])
    return cli_print(cli, migrate_has_target(cli) ? did : file, &report, 1);
  fputs(report, stdout);
  if (!*report || report[strlen(report) - 1] != '\n') putchar('\n');
  return CLI_DONE;
}

static int migrate_function(struct cli *cli, const char *const *args, int n)
{
  char *sql = migrate_sql(cli, NULL, n, ""), *report = NULL;
  int code = sql ? cli_progress_begin(cli) : cli_fail("out of memory");

  if (code == CLI_DONE) code = cli_run(cli, sql, args, n, &report);
  cli_progress_end();
  if (code == CLI_DONE) code = migrate_report(cli, report ? report : "");
  if (code == CLI_FAILED && cli->command->wrong &&
      sqlite3_errcode(cli->db) == SQLITE_MISMATCH)
    code = CLI_WRONG;
  sqlite3_free(report);
  fed_free(sql);
  return code;
}

/* Is a row among them that should not be? */
static int migrate_check(struct cli *cli, const char *const *args, int n)
{
  char where[100], *sql, *found = NULL;
  int code;

  snprintf(where, sizeof where, " WHERE %s LIMIT 1", cli->command->wrong);
  sql = migrate_sql(cli, "1", n, where);
  code = sql ? cli_run(cli, sql, args, n, &found) : cli_fail("out of memory");
  if (code == CLI_DONE && found) code = CLI_WRONG;
  sqlite3_free(found);
  fed_free(sql);
  return code;
}

static int migrate_table(struct cli *cli, const char *const *args, int n)
{
  const struct cli_command *c = cli->command;
  bool all = cli->value[CLI_JSON] || cli->value[CLI_CSV];
  bool asked = cli->value[CLI_CHECK] || !(c->options & CLI_BIT(CLI_CHECK));
  char *sql = migrate_sql(cli, all ? "*" : c->columns, n, "");
  int code = sql ? cli_print(cli, sql, args, n) : cli_fail("out of memory");

  fed_free(sql);
  if (code == CLI_DONE && c->wrong && asked) code = migrate_check(cli, args, n);
  return code;
}

/* Is one of them the file of --db? */
static bool migrate_is_main(const char *targets)
{
  while (targets && *targets) {
    size_t n = strcspn(targets, ", ");

    if (n == 4 && !sqlite3_strnicmp(targets, "main", 4)) return true;
    targets += n + strspn(targets + n, ", ");
  }
  return !targets;
}

/* Targets, what the argument stands for, options. */
static int migrate_call(struct cli *cli, const char *argument)
{
  const char *target = cli->value[CLI_TARGET];
  const char **args = fed_calloc((size_t)cli->noption + 2, sizeof *args);
  int n = 0, code;

  if (!args) return cli_fail("out of memory");
  if (migrate_has_target(cli)) args[n++] = target ? target : "main";
  if (argument) args[n++] = argument;
  for (int i = 0; i < cli->noption; i++)
    args[n++] = cli->option[i];
  code = cli->command->columns ? migrate_table(cli, args, n)
                               : migrate_function(cli, args, n);
  fed_free(args);
  return code;
}

/* Does it only say what would be done? */
static bool migrate_is_plan(const struct cli *cli)
{
  bool dry = !strcmp(cli->command->name, "plan");

  for (int i = 0; i < cli->noption; i++)
    if (!strcmp(cli->option[i], "dry_run")) dry = true;
  return dry;
}

/* To look at a file does not make it. What would be done to one that `migrate
 * up` would make is seen on an empty database. */
static int migrate_open(struct cli *cli, const char *file)
{
  const struct cli_command *c = cli->command;
  bool makes = !c->columns && !c->looks;

  if (migrate_is_plan(cli) && (makes || c->columns) && *file &&
      access(file, F_OK) != 0 && errno == ENOENT) {
    cli_warn("there is no '%s' yet: this is for an empty one", file);
    return CLI_DONE;
  }
  return cli_open(cli, file, makes);
}

int cli_migrate(struct cli *cli)
{
  const struct cli_command *c = cli->command;
  char *argument = NULL;
  int code = CLI_DONE;

  if (cli->value[CLI_TARGET] && !*cli->value[CLI_TARGET])
    return cli_misuse(cli, "'--target' is empty");
  if (migrate_has_target(cli) && !cli->value[CLI_DB] &&
      migrate_is_main(cli->value[CLI_TARGET]))
    return cli_misuse(cli, "which database? --db FILE, or --target SERVER");
  if (cli->value[CLI_DB]) code = migrate_open(cli, cli->value[CLI_DB]);
  if (code == CLI_DONE) code = cli_define(cli);
  if (code == CLI_DONE && cli->narg &&
      !(argument = sqlite3_mprintf("%s%s%s", c->argument ? c->argument : "",
                                   c->argument ? "=" : "", cli->arg[0])))
    code = cli_fail("out of memory");
  if (code == CLI_DONE) code = migrate_call(cli, argument);
  sqlite3_free(argument);
  return code;
}
