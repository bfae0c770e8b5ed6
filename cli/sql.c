/* sql: SQL for commands: run it, define and attach servers. */
#include "cli/cli.h"

#include <ctype.h>
#include <stdlib.h>

#include "pool/pool.h"

static int sql_prepare(struct cli *cli, const char *sql,
                       const char *const *args, int n, sqlite3_stmt **out)
{
  int rc = sqlite3_prepare_v2(cli->db, sql, -1, out, NULL);

  for (int i = 0; i < n && rc == SQLITE_OK; i++)
    rc = sqlite3_bind_text(*out, i + 1, args[i], -1, SQLITE_TRANSIENT);
  return rc;
}

/* After sqlite3_finalize(), which keeps the message. */
static int sql_end(struct cli *cli, sqlite3_stmt *stmt, int rc)
{
  int last = sqlite3_finalize(stmt);

  if (rc == SQLITE_OK) rc = last;
  if (rc == SQLITE_OK) return CLI_DONE;
  return cli_fail("%s", last != SQLITE_OK || rc == sqlite3_errcode(cli->db)
                          ? sqlite3_errmsg(cli->db)
                          : sqlite3_errstr(rc));
}

int cli_print(struct cli *cli, const char *sql, const char *const *args, int n)
{
  sqlite3_stmt *stmt = NULL;
  int rc = sql_prepare(cli, sql, args, n, &stmt);

  if (rc == SQLITE_OK) rc = cli_rows(cli, stmt);
  return sql_end(cli, stmt, rc);
}

int cli_run(struct cli *cli, const char *sql, const char *const *args, int n,
            char **out)
{
  sqlite3_stmt *stmt = NULL;
  int rc = sql_prepare(cli, sql, args, n, &stmt);
  const char *text;

  if (out) *out = NULL;
  if (rc == SQLITE_OK) rc = sqlite3_step(stmt);
  if (rc == SQLITE_ROW && out) {
    text = (const char *)sqlite3_column_text(stmt, 0);
    if (text && !(*out = sqlite3_mprintf("%s", text))) rc = SQLITE_NOMEM;
  }
  while (rc == SQLITE_ROW)
    rc = sqlite3_step(stmt);
  return sql_end(cli, stmt, rc == SQLITE_DONE ? SQLITE_OK : rc);
}

/* ---- servers ------------------------------------------------------------- */

static void sql_warn_secret(const char *name)
{
  struct fed_err err = FED_ERR_INIT;
  struct fed_server *server = NULL;

  if (fed_server_find(name, &server, &err) == SQLITE_OK &&
      fed_server_has_secret(server))
    cli_warn("the password of '%s' is on the command line, where other users "
             "can see it; write env:VARIABLE in its place",
             name);
  fed_server_unref(server);
}

/* NAME=URL, or NAME=env:VARIABLE with the URL in it. */
static int sql_define(struct cli *cli, const char *definition)
{
  const char *url = strchr(definition, '=');
  char *name;
  bool env;
  int code;

  if (!url || url == definition)
    return cli_misuse(cli, "'--server' wants NAME=URL");
  env = strncmp(++url, "env:", 4) == 0;
  if (env && !getenv(url + 4))
    return cli_fail("the environment variable '%s' is not set", url + 4);
  if (!(name = fed_strndup(definition, (size_t)(url - 1 - definition))))
    return cli_fail("out of memory");
  code = cli_run(cli, "SELECT fed_server(?, ?, 'replace')",
                 (const char *[]){name, env ? getenv(url + 4) : url}, 2, NULL);
  if (code == CLI_DONE && !env) sql_warn_secret(name);
  fed_free(name);
  return code;
}

int cli_define(struct cli *cli)
{
  struct fed_err err = FED_ERR_INIT;
  int code = CLI_DONE;

  if (fed_config_check(&err) != SQLITE_OK && cli->command->run != cli_doctor)
    cli_warn("%s", err.msg);
  for (int i = 0; i < cli->nserver && code == CLI_DONE; i++)
    code = sql_define(cli, cli->server[i]);
  return code;
}

static bool sql_is_word(char c)
{
  return c == '_' || c == '$' || isalnum((unsigned char)c) || (c & 0x80);
}

/* Does `name.` stand in it, quoted or not? What stands in a text or comment
 * costs a connection, no more. */
static bool sql_mentions(const char *sql, const char *name)
{
  size_t n = strlen(name);

  for (const char *p = sql; *p; p++) {
    const char *end = p + n;

    if ((p > sql && sql_is_word(p[-1])) || sqlite3_strnicmp(p, name, (int)n))
      continue;
    end += *end && strchr("\"`]", *end);
    end += strspn(end, " \t\r\n");
    if (*end == '.') return true;
  }
  return false;
}

/* A script that attaches by itself knows what it wants. */
int cli_attach(struct cli *cli, const char *sql)
{
  struct fed_server_row *row = NULL;
  struct fed_err err = FED_ERR_INIT;
  int n = 0, code = CLI_DONE;

  if (cli->value[CLI_NO_ATTACH] || strstr(sql, "fed_attach")) return CLI_DONE;
  if (fed_server_list(&row, &n, &err) != SQLITE_OK)
    return cli_fail("%s", err.msg);
  for (int i = 0; i < n && code == CLI_DONE; i++)
    if (sql_mentions(sql, row[i].name))
      code = cli_run(cli, "SELECT fed_attach(?)", (const char *[]){row[i].name},
                     1, NULL);
  fed_server_list_free(row, n);
  return code;
}
