/* shell: the sqlite3 shell with the extension loaded and servers attached. */
#include "cli/cli.h"

#include <errno.h>
#include <glob.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "pool/pool.h"

#define SHELL_PATH 4096

/* ---- the library --------------------------------------------------------- */

static bool shell_try(char *path, size_t size, const char *dir,
                      const char *tail)
{
  int n = snprintf(path, size, "%s%s", dir, tail);

  return n > 0 && (size_t)n < size && access(path, R_OK) == 0;
}

/* PREFIX/bin/dbfed -> PREFIX/lib/x86_64-linux-gnu/dbfed.so */
static bool shell_installed(char *path, size_t size, const char *dir)
{
  glob_t found;
  bool ok;

  if (shell_try(path, size, dir, "/../lib/dbfed.so")) return true;
  if (snprintf(path, size, "%s/../lib/*/dbfed.so", dir) < 0) return false;
  if (glob(path, 0, NULL, &found) != 0) return false;
  ok = shell_try(path, size, found.gl_pathv[0], "");
  globfree(&found);
  return ok;
}

void cli_library(char *path, size_t size)
{
  const char *named = getenv("DBFED_EXT");
  char self[SHELL_PATH], *slash;
  ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);

  if (named && *named && shell_try(path, size, named, "")) return;
  self[n > 0 ? n : 0] = 0;
  if ((slash = strrchr(self, '/')) != NULL) *slash = 0;
  if (slash && shell_try(path, size, self, "/dbfed.so")) return;
  if (slash && shell_installed(path, size, self)) return;
  *path = 0;
}

/* ---- what the shell does first ------------------------------------------- */

/* An error is shown, a success is silent. */
static void shell_call(struct fed_str *out, const char *function,
                       const char *first, const char *second)
{
  fed_str_addf(out, "SELECT 1 WHERE %s(", function);
  fed_str_quote(out, first, '\'');
  if (second) fed_str_add(out, ", ");
  if (second) fed_str_quote(out, second, '\'');
  fed_str_add(out, second ? ", 'replace') IS NULL;\n" : ") IS NULL;\n");
}

static int shell_script(struct cli *cli, struct fed_str *out)
{
  struct fed_server_row *row = NULL;
  struct fed_err err = FED_ERR_INIT;
  int n = 0;

  for (int i = 0; i < cli->nserver; i++) {
    const char *url = strchr(cli->server[i], '=') + 1;
    char *name =
      fed_strndup(cli->server[i], (size_t)(url - cli->server[i] - 1));

    if (!name) return cli_fail("out of memory");
    shell_call(out, "fed_server", name,
               strncmp(url, "env:", 4) ? url : getenv(url + 4));
    fed_free(name);
  }
  if (cli->value[CLI_NO_ATTACH]) return CLI_DONE;
  if (fed_server_list(&row, &n, &err) != SQLITE_OK)
    return cli_fail("%s", err.msg);
  for (int i = 0; i < n; i++)
    shell_call(out, "fed_attach", row[i].name, NULL);
  fed_server_list_free(row, n);
  return CLI_DONE;
}

/* The script travels in memory, as it may hold a URL with a password, which
 * the arguments of a process would show to everybody. */
static int shell_pass(const struct fed_str *script, char *command, size_t size)
{
  int fd = memfd_create("dbfed", 0);

  if (fd < 0 || write(fd, script->s, script->len) != (ssize_t)script->len)
    return cli_fail("cannot hand over the servers: %s", strerror(errno));
  snprintf(command, size, ".read /dev/fd/%d", fd);
  return CLI_DONE;
}

static int shell_exec(struct cli *cli, const char *load, const char *script)
{
  const char **args = fed_calloc((size_t)cli->narg + 6, sizeof *args);
  int n = 0;

  if (!args) return cli_fail("out of memory");
  args[n++] = "sqlite3";
  args[n++] = "-cmd";
  args[n++] = load;
  args[n++] = "-cmd";
  args[n++] = script;
  for (int i = 0; i < cli->narg; i++)
    args[n++] = cli->arg[i];
  fflush(stdout);
  execvp("sqlite3", (char *const *)(uintptr_t)args);
  n = errno;
  fed_free(args);
  if (n == ENOENT)
    return cli_fail("there is no sqlite3 in PATH: install the package sqlite3 "
                    "(apt install sqlite3)");
  return cli_fail("sqlite3: %s", strerror(n));
}

int cli_shell(struct cli *cli)
{
  char path[SHELL_PATH], load[SHELL_PATH + 64], script[64];
  struct fed_str text;
  int code = cli_define(cli);

  cli_library(path, sizeof path);
  if (code == CLI_DONE && (!*path || strchr(path, '\'')))
    code = cli_fail("dbfed.so is not beside this program nor installed: set "
                    "DBFED_EXT to its path");
  snprintf(load, sizeof load, ".load '%s' sqlite3_dbfed_init", path);
  fed_str_init(&text, FED_STR_SQL);
  if (code == CLI_DONE) code = shell_script(cli, &text);
  if (code == CLI_DONE) code = shell_pass(&text, script, sizeof script);
  fed_str_release(&text);
  return code == CLI_DONE ? shell_exec(cli, load, script) : code;
}
