/* main: the connection, interrupts, exit codes. */
#include "cli/cli.h"

#include <locale.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "ext/dbfed.h"
#include "pool/pool.h"

#define MAIN_BUSY_MS 5000
#define MAIN_STEPS   10000 /* SQLite's instructions between two looks */

/* ---- telling ------------------------------------------------------------- */

bool cli_colour(FILE *out)
{
  const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

  return isatty(fileno(out)) && !(no && *no) &&
         !(term && strcmp(term, "dumb") == 0);
}

FED_PRINTF(2, 0)
static void cli_tell(const char *kind, const char *fmt, va_list args)
{
  cli_progress_end();
  fflush(stdout);
  fprintf(stderr, "dbfed: %s", kind);
  vfprintf(stderr, fmt, args);
  fputc('\n', stderr);
}

int cli_fail(const char *fmt, ...)
{
  va_list args;

  va_start(args, fmt);
  cli_tell("", fmt, args);
  va_end(args);
  return CLI_FAILED;
}

void cli_warn(const char *fmt, ...)
{
  va_list args;

  va_start(args, fmt);
  cli_tell("warning: ", fmt, args);
  va_end(args);
}

int cli_misuse(const struct cli *cli, const char *fmt, ...)
{
  const struct cli_command *c = cli->command;
  const char *group = c ? c->group : cli->group;
  va_list args;

  va_start(args, fmt);
  cli_tell("", fmt, args);
  va_end(args);
  fprintf(stderr, "see: dbfed help%s%s%s%s\n", group ? " " : "",
          group ? group : "", c ? " " : "", c ? c->name : "");
  return CLI_USAGE;
}

/* ---- interrupts ---------------------------------------------------------- */

static sqlite3 *volatile main_db;
static volatile sig_atomic_t main_stopped;

/* The first one stops the statement, here and on the server; the second one
 * the process. */
static void main_interrupted(int number)
{
  (void)number;
  main_stopped = 1;
  if (main_db) sqlite3_interrupt(main_db);
}

/* sqlite3_interrupt() is not heard between two statements. */
static int main_progress(void *unused)
{
  (void)unused;
  cli_progress_tick();
  return main_stopped;
}

static void main_catch(void)
{
  struct sigaction action;

  memset(&action, 0, sizeof action);
  action.sa_handler = main_interrupted;
  action.sa_flags = (int)SA_RESETHAND;
  sigaction(SIGINT, &action, NULL);
}

/* ---- one run ------------------------------------------------------------- */

int cli_open(struct cli *cli, const char *file, bool create)
{
  int flags = SQLITE_OPEN_READWRITE | (create ? SQLITE_OPEN_CREATE : 0);
  sqlite3 *db = NULL;
  int rc;

  /* To SQLite that is a file of its own, which goes when it is closed. */
  if (!*file) return cli_misuse(cli, "the name of the file is empty");
  rc = sqlite3_open_v2(file, &db, flags | SQLITE_OPEN_URI, NULL);

  if (rc == SQLITE_OK) {
    main_db = db;
    sqlite3_close(cli->db);
    cli->db = db;
    sqlite3_busy_timeout(db, MAIN_BUSY_MS);
    sqlite3_progress_handler(db, MAIN_STEPS, main_progress, NULL);
    return CLI_DONE;
  }
  cli_fail("'%s': %s%s", file,
           db ? sqlite3_errmsg(db) : sqlite3_errstr(SQLITE_NOMEM),
           !create && access(file, F_OK) != 0
             ? ": there is none; 'migrate up' makes it"
             : "");
  sqlite3_close(db);
  return CLI_FAILED;
}

static int main_run(struct cli *cli)
{
  if (cli->value[CLI_CONFIG] &&
      setenv("DBFED_CONFIG", cli->value[CLI_CONFIG], 1) != 0)
    return cli_fail("out of memory");
  if (cli->value[CLI_HELP] && cli->command)
    cli_help_command(cli->command, stdout);
  else if (cli->value[CLI_HELP] && cli->group)
    cli_help_group(cli->group, stdout);
  else if (cli->value[CLI_HELP])
    cli_help_all(stdout);
  else
    return cli->command->run(cli);
  return CLI_DONE;
}

static void main_release(struct cli *cli)
{
  main_db = NULL;
  sqlite3_close(cli->db);
  fed_pool_trim(NULL);
  for (int i = 0; i < cli->noption; i++)
    fed_free(cli->option[i]);
  fed_free(cli->option);
  fed_free(cli->server);
  fed_free(cli->arg);
}

int main(int argc, char **argv)
{
  struct cli cli = {.db = NULL};
  int code;

  setlocale(LC_CTYPE, "C.UTF-8");
  main_catch();
  /* Before anything else: this hands SQLite's calls to the extension. */
  sqlite3_auto_extension((void (*)(void))sqlite3_dbfed_init);
  if (cli_open(&cli, ":memory:", true) != CLI_DONE) return CLI_FAILED;
  code = cli_parse(&cli, argc, argv);
  if (code == CLI_DONE) code = main_run(&cli);
  main_release(&cli);
  if ((fflush(stdout) != 0 || ferror(stdout)) && code == CLI_DONE)
    code = cli_fail("the output could not be written");
  return code;
}
