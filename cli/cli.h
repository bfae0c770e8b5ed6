/*
 * cli: the command `dbfed`: the extension, linked in, for people and scripts.
 * What it does it does by SQL wherever there is SQL for it.
 *
 *     main.c      the connection, interrupts, exit codes
 *     command.c   the tables of commands and options; the rest follows from it
 *     args.c      words -> a command, its options and its arguments
 *     help.c      what --help says
 *     rows.c      rows as columns, JSON or CSV
 *     sql.c       SQL for commands: run it, attach servers
 *     progress.c  a line on a terminal while migrations run
 *     query.c migrate.c shell.c server.c config.c doctor.c   the commands
 */
#ifndef FED_CLI_H
#define FED_CLI_H

/* The extension's files reach SQLite by the table that SQLite hands over, also
 * when they are linked into this program; the command's own call it. */
#ifndef SQLITE_CORE
#  define SQLITE_CORE 1
#endif

#include <stdio.h>

#include "base/mem.h"
#include "base/opt.h"
#include "base/str.h"

/* What the process returns. */
enum cli_exit {
  CLI_DONE = 0,   /* done, or nothing to do */
  CLI_FAILED = 1, /* the error is on stderr */
  CLI_USAGE = 2,  /* the words make no command */
  CLI_WRONG = 3,  /* looked at, and found not as it should be */
};

/* The order of cli_options. */
enum cli_opt {
  CLI_HELP,
  CLI_JSON,
  CLI_CSV,
  CLI_CONFIG,
  CLI_SERVER,
  CLI_NO_ATTACH,
  CLI_DB,
  CLI_TARGET,
  CLI_SCHEMA,
  CLI_CHECK,
  CLI_VAR,
  CLI_PASSWORD_ENV,
  CLI_REPLACE,
  CLI_OPTS,
};

/* What every command takes; what those that give rows take. */
#define CLI_BIT(opt) (1u << (opt))
#define CLI_COMMON   (CLI_BIT(CLI_HELP) | CLI_BIT(CLI_CONFIG))
#define CLI_ROWS     (CLI_COMMON | CLI_BIT(CLI_JSON) | CLI_BIT(CLI_CSV))

struct cli_option {
  const char *name;
  const char *value; /* what stands behind it in the help; NULL: a flag */
  const char *help;
};

struct cli;

struct cli_command {
  const char *group; /* "migrate", "schema", "server", or NULL */
  const char *name;
  const char *usage; /* the arguments, as the help shows them */
  int min, max;      /* how many arguments; max -1: any */
  unsigned options;  /* CLI_BITs */
  /* For what calls one SQL function or reads one table. */
  const char *sql;     /* its name; it takes migrate_options */
  const char *columns; /* of the table, for people; NULL: a function */
  const char *takes; /* only these options; "!x y": all but these; NULL: all */
  const char *wrong; /* of the table's rows: those that mean CLI_WRONG */
  const char *argument; /* the option that the argument stands for */
  bool looks;           /* a function that wants its database made */
  int (*run)(struct cli *cli);
  const char *help; /* one line */
  const char *text; /* more */
  const char *example;
};

/* Each ends with a NULL name. */
extern const struct cli_option cli_options[];
extern const struct cli_command cli_commands[];

/* One run. Texts are borrowed from the arguments of main(). */
struct cli {
  sqlite3 *db; /* in memory, until a command opens a file */
  const struct cli_command *command;
  const char *group;           /* given without a command */
  const char *value[CLI_OPTS]; /* NULL: not given; flags: "" */
  const char **arg;
  int narg;
  const char **server; /* name=URL */
  int nserver;
  char **option; /* "dry_run", "dir=db": for SQL functions */
  int noption;
};

/* ---- main.c -------------------------------------------------------------- */

/* Tell on stderr, behind "dbfed: "; returns CLI_FAILED. */
int cli_fail(const char *fmt, ...) FED_PRINTF(1, 2);
void cli_warn(const char *fmt, ...) FED_PRINTF(1, 2);
/* The same for wrong words: with where to read more; returns CLI_USAGE. */
int cli_misuse(const struct cli *cli, const char *fmt, ...) FED_PRINTF(2, 3);

/* May colours be written to `out`? */
bool cli_colour(FILE *out);

/* ---- args.c, help.c ------------------------------------------------------ */

int cli_parse(struct cli *cli, int argc, char **argv);
const struct cli_command *cli_find(const char *group, const char *name);
bool cli_is_group(const char *name);

/* Does the command take this option of migrate_options? */
bool cli_takes(const struct cli_command *command, const char *option);

/* All commands, those of one group, or one of them. */
void cli_help_all(FILE *out);
void cli_help_group(const char *group, FILE *out);
void cli_help_command(const struct cli_command *command, FILE *out);
int cli_help(struct cli *cli);

/* ---- rows.c, sql.c ------------------------------------------------------- */

/* Print what `stmt` gives, to its end, in the form asked for. Returns
 * SQLite's code. */
int cli_rows(const struct cli *cli, sqlite3_stmt *stmt);

/* Run one statement with `n` texts bound to it (NULL: none), and print its
 * rows. CLI_DONE, or CLI_FAILED and the error told. */
int cli_print(struct cli *cli, const char *sql, const char *const *args, int n);

/* The same without printing; *out, if asked for, is the first column of the
 * first row, or NULL (sqlite3_free). */
int cli_run(struct cli *cli, const char *sql, const char *const *args, int n,
            char **out);

/* Open this file instead of the database in memory. */
int cli_open(struct cli *cli, const char *file, bool create);

/* Define the servers of --server; warn if the config file is wrong. */
int cli_define(struct cli *cli);

/* Attach the servers that `sql` mentions as `name.`. */
int cli_attach(struct cli *cli, const char *sql);

/* ---- progress.c ---------------------------------------------------------- */

/* On a terminal, and not for --json or --csv, a line on stderr tells what the
 * migrations of cli->db do; to be called before them, with the end after. */
int cli_progress_begin(struct cli *cli);
void cli_progress_end(void);

/* Now and then while something runs: the line's time goes on. */
void cli_progress_tick(void);

/* ---- server.c, config.c -------------------------------------------------- */

/* Look at this server (NULL: all): a row each in temp.cli_server. */
int cli_probe(struct cli *cli, const char *name);

/* Put a section into the config file, in place of the one of this name. */
int cli_config_write(const char *name, const char *section, bool secret);

/* ---- commands ------------------------------------------------------------ */

int cli_query(struct cli *cli);
int cli_shell(struct cli *cli);
int cli_migrate(struct cli *cli);
int cli_server_list(struct cli *cli);
int cli_server_test(struct cli *cli);
int cli_server_add(struct cli *cli);
int cli_doctor(struct cli *cli);
int cli_pool(struct cli *cli);
int cli_version(struct cli *cli);

/* Where the library for the sqlite3 shell is; "" if it is not found. */
void cli_library(char *path, size_t size);

#endif
