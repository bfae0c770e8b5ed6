/* args: words -> a command, its options and its arguments. */
#include "cli/cli.h"

#include "migrate/migrate.h"

#define ARGS_WORDS 100 /* names that are offered for a near miss */
#define ARGS_NAME  64

const struct cli_command *cli_find(const char *group, const char *name)
{
  for (const struct cli_command *c = cli_commands; c->name; c++)
    if (!strcmp(c->name, name) &&
        (group ? c->group && !strcmp(c->group, group) : !c->group))
      return c;
  return NULL;
}

bool cli_is_group(const char *name)
{
  for (const struct cli_command *c = cli_commands; c->name; c++)
    if (c->group && !strcmp(c->group, name)) return true;
  return false;
}

bool cli_takes(const struct cli_command *command, const char *option)
{
  size_t n = strlen(option);
  const char *p = command && command->takes ? command->takes : "!";
  bool but = *p == '!';

  if (!command || !command->sql) return false;
  if (!strcmp(option, "embedded")) return false; /* of a program's own */
  for (p += but; *p; p += strcspn(p, " "), p += *p != 0)
    if (!strncmp(p, option, n) && (!p[n] || p[n] == ' ')) return !but;
  return but;
}

/* ---- commands ------------------------------------------------------------ */

static int args_no_command(const struct cli *cli, const char *word)
{
  const char *names[ARGS_WORDS + 1] = {NULL};
  const char *near;
  int n = 0;

  for (const struct cli_command *c = cli_commands; c->name; c++)
    if (n < ARGS_WORDS &&
        (!cli->group || (c->group && !strcmp(cli->group, c->group))))
      names[n++] = !cli->group && c->group ? c->group : c->name;
  near = fed_opt_nearest(word, names);
  return cli_misuse(cli, "no command '%s%s%s'%s%s%s",
                    cli->group ? cli->group : "", cli->group ? " " : "", word,
                    near ? "; did you mean '" : "", near ? near : "",
                    near ? "'?" : "");
}

/* The first word is a command or a group, the next one of a group. */
static int args_command(struct cli *cli, const char *word)
{
  cli->command = cli_find(cli->group, word);
  if (cli->command) return CLI_DONE;
  for (const struct cli_command *c = cli_commands; c->name && !cli->group; c++)
    if (c->group && !strcmp(c->group, word)) {
      cli->group = c->group;
      return CLI_DONE;
    }
  return args_no_command(cli, word);
}

static int args_argument(struct cli *cli, const char *word)
{
  if (!cli->command) return args_command(cli, word);
  if (cli->command->max >= 0 && cli->narg >= cli->command->max)
    return cli_misuse(cli, "one argument too many: '%s'", word);
  cli->arg[cli->narg++] = word;
  return CLI_DONE;
}

/* ---- options ------------------------------------------------------------- */

/* --dry-run, --dry-run=no -> dry_run; the value, or NULL. */
static const char *args_name(const char *word, char name[ARGS_NAME])
{
  const char *equals = strchr(word, '=');
  size_t n = 0;

  for (word += 2; *word && *word != '=' && n < ARGS_NAME - 1; word++)
    name[n++] = *word == '-' ? '_' : *word;
  name[n] = 0;
  return equals ? equals + 1 : NULL;
}

static int args_own(const char *name)
{
  for (int i = 0; i < CLI_OPTS; i++) {
    char own[ARGS_NAME], with[ARGS_NAME + 2];

    snprintf(with, sizeof with, "--%s", cli_options[i].name);
    args_name(with, own);
    if (!strcmp(name, own)) return i;
  }
  return -1;
}

static const struct fed_opt *args_sql(const struct cli *cli, const char *name)
{
  for (int i = 0; i < migrate_noptions; i++)
    if (!strcmp(migrate_options[i].name, name) && cli_takes(cli->command, name))
      return &migrate_options[i];
  return NULL;
}

static bool args_takes(const struct cli *cli, int opt)
{
  unsigned all = CLI_ROWS | CLI_BIT(CLI_SERVER);

  return opt >= 0 &&
         ((cli->command ? cli->command->options : all) & CLI_BIT(opt));
}

static int args_unknown(const struct cli *cli, const char *word)
{
  const char *names[ARGS_WORDS + 1] = {NULL};
  char name[ARGS_NAME], *p;
  const char *near;
  int n = 0;

  args_name(word[1] == '-' ? word : word - 1, name);
  for (int i = 0; i < CLI_OPTS; i++)
    if (args_takes(cli, i)) names[n++] = cli_options[i].name;
  for (int i = 0; i < migrate_noptions; i++)
    if (cli_takes(cli->command, migrate_options[i].name))
      names[n++] = migrate_options[i].name;
  near = fed_opt_nearest(name, names);
  snprintf(name, sizeof name, "%s", near ? near : "");
  while ((p = strchr(name, '_')) != NULL)
    *p = '-';
  return cli_misuse(cli, "unknown option '%.*s'%s%s%s", (int)strcspn(word, "="),
                    word, near ? "; did you mean '--" : "", name,
                    near ? "'?" : "");
}

static int args_keep(struct cli *cli, const char *name, const char *value,
                     const char *sep)
{
  struct fed_str text;

  fed_str_init(&text, FED_STR_SQL);
  fed_str_addf(&text, "%s%s%s", name, value ? sep : "", value ? value : "");
  cli->option[cli->noption] = fed_str_detach(&text);
  if (!cli->option[cli->noption]) return cli_fail("out of memory");
  cli->noption++;
  return CLI_DONE;
}

static int args_set(struct cli *cli, int opt, const char *value)
{
  if (opt == CLI_VAR) return args_keep(cli, "var", value, ".");
  if (opt == CLI_SCHEMA) return args_keep(cli, "schema", value, "=");
  if (opt == CLI_SERVER) cli->server[cli->nserver++] = value;
  cli->value[opt] = value;
  return CLI_DONE;
}

/* One that starts with a dash. *i moves on if its value is the next word. */
static int args_option(struct cli *cli, char **argv, int *i)
{
  const char *word = argv[*i];
  char name[ARGS_NAME];
  const char *value;
  const struct fed_opt *sql;
  bool flag;
  int own;

  if (!strcmp(word, "-h")) return args_set(cli, CLI_HELP, "");
  if (word[1] != '-') return args_unknown(cli, word);
  value = args_name(word, name);
  own = args_own(name);
  sql = args_sql(cli, name);
  if (!args_takes(cli, own)) own = -1;
  if (own < 0 && !sql) return args_unknown(cli, word);
  flag = own >= 0 ? !cli_options[own].value : sql->type == FED_OPT_FLAG;
  if (own >= 0 && flag && value)
    return cli_misuse(cli, "'--%s' takes no value", cli_options[own].name);
  if (!flag && !value && !(value = argv[++*i]))
    return cli_misuse(cli, "'%s' needs a value", word);
  if (own < 0) return args_keep(cli, name, value, "=");
  return args_set(cli, own, flag ? "" : value);
}

/* What the shell does not know belongs to sqlite3, and so all behind it. */
static bool args_passes(const struct cli *cli, const char *word)
{
  char name[ARGS_NAME];

  if (!cli->command || cli->command->max >= 0) return false;
  if (cli->narg || word[0] != '-') return true;
  if (!strcmp(word, "-h")) return false;
  if (word[1] != '-') return true;
  args_name(word, name);
  return !args_takes(cli, args_own(name));
}

static int args_finish(struct cli *cli)
{
  const struct cli_command *c = cli->command;

  if (cli->value[CLI_HELP]) return CLI_DONE;
  if (!c && cli->group) {
    cli_help_group(cli->group, stderr);
    return CLI_USAGE;
  }
  if (!c) {
    cli_help_all(stderr);
    return CLI_USAGE;
  }
  for (int i = 0; i < CLI_OPTS; i++)
    if (cli->value[i] && !args_takes(cli, i))
      return cli_misuse(cli, "'--%s' is not for this command",
                        cli_options[i].name);
  if (cli->value[CLI_JSON] && cli->value[CLI_CSV])
    return cli_misuse(cli, "choose one of --json and --csv");
  if (cli->narg < c->min)
    return cli_misuse(cli, "something is missing: dbfed %s%s%s %s",
                      c->group ? c->group : "", c->group ? " " : "", c->name,
                      c->usage);
  return CLI_DONE;
}

int cli_parse(struct cli *cli, int argc, char **argv)
{
  bool words = false; /* behind "--" */
  int code = CLI_DONE;

  cli->arg = fed_calloc((size_t)argc + 1, sizeof *cli->arg);
  cli->server = fed_calloc((size_t)argc + 1, sizeof *cli->server);
  cli->option = fed_calloc((size_t)argc + 1, sizeof *cli->option);
  if (!cli->arg || !cli->server || !cli->option)
    return cli_fail("out of memory");
  for (int i = 1; i < argc && code == CLI_DONE; i++) {
    if (words || args_passes(cli, argv[i]) || argv[i][0] != '-' || !argv[i][1])
      code = args_argument(cli, argv[i]);
    else if (!strcmp(argv[i], "--"))
      words = true;
    else if (!strcmp(argv[i], "--version") && !cli->command)
      code = args_command(cli, "version");
    else
      code = args_option(cli, argv, &i);
  }
  return code == CLI_DONE ? args_finish(cli) : code;
}
