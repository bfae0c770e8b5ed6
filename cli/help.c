/* help: what --help says, from the tables of command.c. */
#include "cli/cli.h"

#include "migrate/migrate.h"

#define HELP_WIDTH  79
#define HELP_COLUMN 29 /* where the right side begins */

static void help_line(FILE *out, const char *left, const char *right)
{
  fprintf(out, "  %-*s %s\n", HELP_COLUMN - 3, left, right);
}

/* A paragraph, in lines of at most HELP_WIDTH. */
static void help_text(FILE *out, const char *text)
{
  while (*text) {
    size_t n = strlen(text);

    if (n > HELP_WIDTH)
      for (n = HELP_WIDTH; n && text[n] != ' ';)
        n--;
    fprintf(out, "%.*s\n", (int)n, text);
    text += n + (text[n] == ' ');
  }
}

static const char *help_bold(FILE *out)
{
  return cli_colour(out) ? "\033[1m" : "";
}

static const char *help_plain(FILE *out)
{
  return cli_colour(out) ? "\033[0m" : "";
}

static void help_heading(FILE *out, const char *text)
{
  fprintf(out, "\n%s%s%s\n", help_bold(out), text, help_plain(out));
}

static void help_full_name(const struct cli_command *c, char *name, size_t size)
{
  snprintf(name, size, "%s%s%s", c->group ? c->group : "", c->group ? " " : "",
           c->name);
}

static void help_usage(const struct cli_command *c, char *usage, size_t size)
{
  char name[64];

  help_full_name(c, name, sizeof name);
  snprintf(usage, size, "%s%s%s", name, *c->usage ? " " : "", c->usage);
}

/* ---- lists --------------------------------------------------------------- */

static void help_commands(const char *group, FILE *out)
{
  char name[64];

  for (const struct cli_command *c = cli_commands; c->name; c++) {
    if (group && !(c->group && !strcmp(c->group, group))) continue;
    help_full_name(c, name, sizeof name);
    help_line(out, name, c->help);
  }
}

void cli_help_all(FILE *out)
{
  fprintf(out,
          "dbfed %s: PostgreSQL, MySQL/MariaDB and SQLite files as tables "
          "of one SQLite\n\nusage: dbfed COMMAND [argument...]\n",
          FED_VERSION);
  help_heading(out, "commands");
  help_commands(NULL, out);
  help_heading(out, "begin with");
  fprintf(out, "  dbfed server add shop postgres://app@db.example/shop\n"
               "  dbfed doctor\n"
               "  dbfed query 'SELECT count(*) FROM shop.orders'\n"
               "  dbfed help query\n");
  help_heading(out, "exit codes");
  fprintf(out, "  0 done, or nothing to do    1 failed    2 wrong words\n"
               "  3 looked, and found something pending or wrong\n");
}

void cli_help_group(const char *group, FILE *out)
{
  fprintf(out, "usage: dbfed %s COMMAND [argument...]\n", group);
  help_heading(out, "commands");
  help_commands(group, out);
  fprintf(out, "\ndbfed help %s COMMAND tells more.\n", group);
}

/* ---- one command --------------------------------------------------------- */

static const char *help_value(const struct fed_opt *opt)
{
  switch (opt->type) {
  case FED_OPT_INT:
    return " N";
  case FED_OPT_MS:
    return " TIME";
  case FED_OPT_SIZE:
    return " SIZE";
  case FED_OPT_TEXT:
    return !strcmp(opt->name, "dir") ? " DIR" : " VALUE";
  case FED_OPT_WORD:
    return " WORD";
  case FED_OPT_FLAG:
    break;
  }
  return "";
}

static void help_sql_option(const struct fed_opt *opt, FILE *out)
{
  char left[64], *p;
  struct fed_str words;

  snprintf(left, sizeof left, "--%s%s", opt->name, help_value(opt));
  while ((p = strchr(left, '_')) != NULL)
    *p = '-';
  help_line(out, left, opt->help);
  fed_str_init(&words, 1000);
  for (int i = 0; opt->type == FED_OPT_WORD && opt->words[i]; i++)
    fed_str_addf(&words, "%s%s", i ? ", " : "", opt->words[i]);
  if (words.len) help_line(out, "", words.s);
  fed_str_release(&words);
}

static void help_options(const struct cli_command *c, FILE *out)
{
  help_heading(out, "options");
  for (int i = 0; i < CLI_OPTS; i++) {
    const struct cli_option *opt = &cli_options[i];
    char left[64];

    if (!(c->options & CLI_BIT(i))) continue;
    snprintf(left, sizeof left, "%s--%s%s%s", i == CLI_HELP ? "-h, " : "",
             opt->name, opt->value ? " " : "", opt->value ? opt->value : "");
    help_line(out, left, opt->help);
  }
  for (int i = 0; i < migrate_noptions; i++)
    if (cli_takes(c, migrate_options[i].name))
      help_sql_option(&migrate_options[i], out);
}

void cli_help_command(const struct cli_command *c, FILE *out)
{
  char usage[200];

  help_usage(c, usage, sizeof usage);
  fprintf(out, "usage: dbfed %s%s\n\n", usage,
          c->max < 0 ? "" : " [option...]");
  help_text(out, c->text);
  help_heading(out, "example");
  fprintf(out, "  %s\n", c->example);
  help_options(c, out);
}

/* ---- dbfed help ---------------------------------------------------------- */

/* The table as rows: for programs, and for the test that reads the docs. */
static int help_rows(struct cli *cli)
{
  char name[64], usage[200];

  if (cli_run(cli, "CREATE TEMP TABLE cli_help(command, usage, help, example)",
              NULL, 0, NULL) != CLI_DONE)
    return CLI_FAILED;
  for (const struct cli_command *c = cli_commands; c->name; c++) {
    const char *args[] = {name, usage, c->help, c->example};

    help_full_name(c, name, sizeof name);
    help_usage(c, usage, sizeof usage);
    if (cli_run(cli, "INSERT INTO temp.cli_help VALUES(?, ?, ?, ?)", args, 4,
                NULL) != CLI_DONE)
      return CLI_FAILED;
  }
  return cli_print(cli, "SELECT * FROM temp.cli_help", NULL, 0);
}

int cli_help(struct cli *cli)
{
  const char *first = cli->arg[0], *second = cli->arg[1];
  const struct cli_command *c;

  if (!first && (cli->value[CLI_JSON] || cli->value[CLI_CSV]))
    return help_rows(cli);
  if (!first) {
    cli_help_all(stdout);
    return CLI_DONE;
  }
  if (!second && cli_is_group(first)) {
    cli_help_group(first, stdout);
    return CLI_DONE;
  }
  c = second ? cli_find(first, second) : cli_find(NULL, first);
  if (!c)
    return cli_misuse(cli, "no command '%s%s%s'", first, second ? " " : "",
                      second ? second : "");
  cli_help_command(c, stdout);
  return CLI_DONE;
}
