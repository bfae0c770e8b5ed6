/* command: the commands and their options. Parsing, help and the check of the
 * docs follow from these tables. */
#include "cli/cli.h"

#define ON_SERVERS (CLI_ROWS | CLI_BIT(CLI_SERVER))
#define MIGRATES   (ON_SERVERS | CLI_BIT(CLI_DB) | CLI_BIT(CLI_TARGET))
#define SCRIPTS    (MIGRATES | CLI_BIT(CLI_VAR))
#define SCHEMAS    (MIGRATES | CLI_BIT(CLI_SCHEMA))
/* Theirs is a text. */
#define TEXTS (SCHEMAS & ~(CLI_BIT(CLI_JSON) | CLI_BIT(CLI_CSV)))

/* In the order of enum cli_opt. */
const struct cli_option cli_options[] = {
  {"help",         NULL,        "this text"                                },
  {"json",         NULL,        "rows as one JSON array of objects"        },
  {"csv",          NULL,        "rows as CSV; NULL is empty, '' is \"\""   },
  {"config",       "FILE",      "in place of ~/.config/dbfed.ini"          },
  {"server",       "NAME=URL",  "a server for this run; NAME=env:VARIABLE" },
  {"no-attach",    NULL,        "leave fed_attach() to the SQL"            },
  {"db",           "FILE",      "the SQLite file: target 'main'"           },
  {"target",       "NAMES",     "servers, in this order: shop,crm; or main"},
  {"schema",       "NAME",      "which schema, on PostgreSQL"              },
  {"check",        NULL,        "exit with 3 if anything is not applied"   },
  {"var",          "NAME=TEXT", "the value of ${NAME} in the files"        },
  {"password-env", "VARIABLE",  "the password is in this variable"         },
  {"replace",      NULL,        "in place of the section that is there"    },
  {NULL,           NULL,        NULL                                       },
};

/* clang-format off */
const struct cli_command cli_commands[] = {
  {.name = "query",
   .usage = "[FILE] SQL",
   .min = 1, .max = 2,
   .options = ON_SERVERS | CLI_BIT(CLI_NO_ATTACH),
   .run = cli_query,
   .help = "run SQL over your servers and files, print all rows",
   .text =
     "Runs the statements on the SQLite database FILE, without it on one in "
     "memory. Servers that the SQL mentions as `name.` are attached before. "
     "SQL `-` reads the statements from standard input. Blobs show as "
     "X'0AFF'.",
   .example =
     "dbfed query app.db 'SELECT * FROM parcels JOIN shop.orders USING(id)'"},
  {.name = "shell",
   .usage = "[option...] [FILE] [argument of sqlite3...]",
   .min = 0, .max = -1,
   .options = CLI_COMMON | CLI_BIT(CLI_SERVER) | CLI_BIT(CLI_NO_ATTACH),
   .run = cli_shell,
   .help = "the sqlite3 shell with dbfed loaded and all servers attached",
   .text =
     "Starts the sqlite3 shell found in PATH. From FILE on, arguments are "
     "handed to it as they are. The library is $DBFED_EXT, or dbfed.so "
     "beside this program, or where it was installed.",
   .example = "dbfed shell app.db -box"},
  {.group = "migrate", .name = "up",
   .usage = "",
   .options = SCRIPTS,
   .sql = "migrate_up", .takes = "!pending", .run = cli_migrate,
   .help = "apply the migrations that are pending",
   .text =
     "Applies each file that is not applied yet, in the order of versions; "
     "says what it did in a line for each target, and stops at the first "
     "failure. Nothing to do is a success.",
   .example = "dbfed migrate up --db app.db --dir db/migrations"},
  {.group = "migrate", .name = "down",
   .usage = "",
   .options = SCRIPTS,
   .sql = "migrate_down", .takes = "!pending", .looks = true,
   .run = cli_migrate,
   .help = "undo the last migration, or several",
   .text =
     "Runs the down script of the last one that was applied, of the last "
     "--steps, or of all above --to. If one of them has none, nothing is "
     "undone.",
   .example = "dbfed migrate down --target shop --steps 2"},
  {.group = "migrate", .name = "to",
   .usage = "VERSION",
   .min = 1, .max = 1,
   .options = SCRIPTS,
   .sql = "migrate_to", .takes = "!pending to steps", .argument = "to",
   .run = cli_migrate,
   .help = "apply or undo until VERSION is the last one applied",
   .text = "Goes up or down. VERSION 0 is before the first.",
   .example = "dbfed migrate to 20260314120000 --target shop"},
  {.group = "migrate", .name = "redo",
   .usage = "",
   .options = SCRIPTS,
   .sql = "migrate_redo", .takes = "!pending to", .looks = true,
   .run = cli_migrate,
   .help = "undo the last migration and apply it again",
   .text = "For the one that you are writing.",
   .example = "dbfed migrate redo --db app.db"},
  {.group = "migrate", .name = "status",
   .usage = "",
   .options = MIGRATES | CLI_BIT(CLI_CHECK),
   .sql = "migrate_status", .takes = "dir source layout",
   .wrong = "state NOT IN ('applied', 'baselined')",
   .columns = "target, version, name, state, applied_at, error",
   .run = cli_migrate,
   .help = "each migration, in the files and on the targets",
   .text =
     "A row for each: applied, pending, changed, missing ... With --check "
     "the exit code is 3 unless all are applied. --json and --csv have more "
     "columns.",
   .example = "dbfed migrate status --target shop --check"},
  {.group = "migrate", .name = "history",
   .usage = "",
   .options = MIGRATES,
   .columns =
     "target, id, action, version, name, state, started_at, duration_ms, "
     "applied_by, error",
   .run = cli_migrate,
   .help = "what was done to the targets, in order",
   .text =
     "A row for each up, down, baseline, force and repair, with who and "
     "when. --json and --csv have more columns.",
   .example = "dbfed migrate history --target shop,crm"},
  {.group = "migrate", .name = "new",
   .usage = "NAME",
   .min = 1, .max = 1,
   .options = CLI_ROWS,
   .sql = "migrate_new", .takes = "dir layout", .run = cli_migrate,
   .help = "write the template of a new migration",
   .text =
     "Makes the files in the layout that the directory has, and prints their "
     "paths.",
   .example = "dbfed migrate new add_orders_note --dir db/migrations"},
  {.group = "migrate", .name = "plan",
   .usage = "",
   .options = SCRIPTS,
   .sql = "migrate_plan", .takes = "!pending dry_run",
   .columns = "target, version, file, line, destructive, statement",
   .run = cli_migrate,
   .help = "the statements that `migrate up` would run",
   .text =
     "A row for each. destructive: it may lose data. Reads the targets, and "
     "changes nothing; a file that is not there yet counts as empty.",
   .example = "dbfed migrate plan --target shop"},
  {.group = "migrate", .name = "verify",
   .usage = "",
   .options = MIGRATES,
   .sql = "migrate_verify", .takes = "dir source layout", .columns = "*",
   .wrong = "1",
   .run = cli_migrate,
   .help = "what is not as it should be; exit code 3 if anything",
   .text =
     "A row for each file that was changed, removed, left out or applied "
     "half, with the remedy. Pending ones are no fault: see `dbfed migrate "
     "status --check`.",
   .example = "dbfed migrate verify --target shop"},
  {.group = "migrate", .name = "baseline",
   .usage = "VERSION",
   .min = 1, .max = 1,
   .options = MIGRATES,
   .sql = "migrate_baseline", .takes = "!pending to steps", .argument = "to",
   .run = cli_migrate,
   .help = "take all up to VERSION as applied, on a database that has none",
   .text = "For a database that was made without migrations. Runs no script.",
   .example = "dbfed migrate baseline 12 --target shop"},
  {.group = "migrate", .name = "repair",
   .usage = "",
   .options = MIGRATES,
   .sql = "migrate_repair", .takes = "!pending to steps", .looks = true,
   .run = cli_migrate,
   .help = "accept files that were changed or removed after they were applied",
   .text =
     "Those that have changed get their new checksum, those that are gone "
     "are forgotten. Runs no script.",
   .example = "dbfed migrate repair --target shop"},
  {.group = "migrate", .name = "adopt",
   .usage = "",
   .options = MIGRATES,
   .sql = "migrate_adopt", .takes = "!pending to steps", .looks = true,
   .run = cli_migrate,
   .help = "take over the history of another tool",
   .text =
     "Of golang-migrate, dbmate, goose, Flyway, sqlx or diesel, from their "
     "own table on the target. Runs no script.",
   .example = "dbfed migrate adopt --target shop --dir db/migrations"},
  {.group = "migrate", .name = "force",
   .usage = "VERSION",
   .min = 1, .max = 1,
   .options = MIGRATES,
   .sql = "migrate_force",
   .takes = "dir source layout pending dry_run lock_timeout",
   .argument = "to", .looks = true,
   .run = cli_migrate,
   .help = "take one migration as applied, or with --pending as not",
   .text =
     "The way out when you have finished or undone one by hand. Runs no "
     "script.",
   .example = "dbfed migrate force 7 --pending --target shop"},
  {.group = "migrate", .name = "require",
   .usage = "[FILE]",
   .max = 1,
   .options = SCHEMAS,
   .sql = "migrate_require", .takes = "!pending dry_run steps",
   .argument = "file", .wrong = "1", .looks = true, .run = cli_migrate,
   .help = "is all applied? and is the schema that of FILE?",
   .text =
     "What a program asks when it starts: says that the targets are up to "
     "date, or what they lack, and then the exit code is 3. FILE is of `dbfed "
     "schema snapshot`. Changes nothing.",
   .example = "dbfed migrate require schema.json --target shop"},
  {.group = "migrate", .name = "dump",
   .usage = "[FILE]",
   .max = 1,
   .options = TEXTS,
   .argument = "file", .looks = true, .run = cli_migrate,
   .help = "the statements that make the schema and its history",
   .text =
     "For the target's own client, or a first migration; without owners, "
     "rights and comments. Printed, or written to FILE.",
   .example = "dbfed migrate dump schema.sql --target shop"},
  {.group = "schema", .name = "snapshot",
   .usage = "[FILE]",
   .max = 1,
   .options = TEXTS,
   .argument = "file", .looks = true, .run = cli_migrate,
   .help = "the live schema as JSON, to be kept beside the program",
   .text =
     "Tables, columns, keys, indexes, views, triggers, routines, a line for "
     "each, as the target prints them. Printed, or written to FILE.",
   .example = "dbfed schema snapshot schema.json --target shop"},
  {.group = "schema", .name = "verify",
   .usage = "FILE",
   .min = 1, .max = 1,
   .options = SCHEMAS,
   .columns = "*", .argument = "file", .wrong = "1",
   .run = cli_migrate,
   .help = "how the live schema differs from FILE; exit code 3 if it does",
   .text =
     "FILE is of `dbfed schema snapshot`. A row for each difference.",
   .example = "dbfed schema verify schema.json --target shop"},
  {.group = "server", .name = "list",
   .usage = "",
   .options = ON_SERVERS,
   .run = cli_server_list,
   .help = "the servers of the config file",
   .text =
     "Their URLs without passwords, and the options that are not the "
     "default. Does not connect.",
   .example = "dbfed server list --json"},
  {.group = "server", .name = "test",
   .usage = "[NAME]",
   .min = 0, .max = 1,
   .options = ON_SERVERS,
   .run = cli_server_test,
   .help = "connect to one server, or to all",
   .text =
     "Says the version, the time of a round trip, whether the connection is "
     "encrypted (local: it does not leave the machine), and whether the "
     "server takes prepared transactions. Exit code 1 if one of them fails.",
   .example = "dbfed server test shop"},
  {.group = "server", .name = "add",
   .usage = "NAME URL [OPTION=VALUE...]",
   .min = 2, .max = 60,
   .options = CLI_COMMON | CLI_BIT(CLI_PASSWORD_ENV) | CLI_BIT(CLI_REPLACE),
   .run = cli_server_add,
   .help = "write a server into the config file",
   .text =
     "Options are those of fed_server(): pool_max=4, sslmode=verify-full. A "
     "password in the URL can be seen by other users of this machine, and "
     "stays in your shell's history: use --password-env, ~/.pgpass or "
     "~/.my.cnf. Does not connect.",
   .example =
     "dbfed server add shop postgres://app@db.example/shop --password-env "
     "SHOP_PW"},
  {.name = "doctor",
   .usage = "",
   .options = ON_SERVERS,
   .run = cli_doctor,
   .help = "look at everything that dbfed needs; say what to do",
   .text =
     "A line for each thing: ok, warn or fail, with the remedy. Exit code 1 "
     "if anything fails.",
   .example = "dbfed doctor"},
  {.name = "pool",
   .usage = "",
   .options = ON_SERVERS,
   .run = cli_pool,
   .help = "the connections that servers have, and how many they allow",
   .text =
     "pool_max is for one process; `processes` is how many of them can have "
     "all their connections at once. `connections` are those that the server "
     "shows to this user, this command's included. The pool of a running "
     "program is in its own table fed_pool.",
   .example = "dbfed pool"},
  {.name = "version",
   .usage = "",
   .options = CLI_ROWS,
   .run = cli_version,
   .help = "the versions of dbfed, SQLite and the drivers' libraries",
   .text = "The same as dbfed --version.",
   .example = "dbfed version --json"},
  {.name = "help",
   .usage = "[COMMAND]",
   .min = 0, .max = 2,
   .options = CLI_ROWS,
   .run = cli_help,
   .help = "this list, or all about one command",
   .text = "The same as dbfed COMMAND --help.",
   .example = "dbfed help migrate up"},
  {.name = NULL},
};
/* clang-format on */
