/* server: what is known of servers, and what they say themselves. */
#include "cli/cli.h"

#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "pool/pool.h"

#define SERVER_PINGS 5

/* ---- asking -------------------------------------------------------------- */

/* For each kind of server, by the beginning of its version: tls, prepared,
 * clock, used, most. */
static const struct server_question {
  const char *driver, *version, *sql;
} server_questions[] = {
  {"pg",     "*",
   "SELECT CASE WHEN inet_client_addr() IS NULL OR"
   " inet_client_addr() = inet_server_addr() THEN 'local' ELSE"
   " coalesce((SELECT version FROM pg_stat_ssl WHERE ssl AND"
   " pid = pg_backend_pid()), 'no') END AS tls,"
   " CASE current_setting('max_prepared_transactions') WHEN '0' THEN 'no'"
   " ELSE 'yes' END AS prepared,"
   " extract(epoch FROM clock_timestamp())::float8 AS clock,"
   " (SELECT count(*) FROM pg_stat_activity"
   " WHERE backend_type = 'client backend') AS used,"
   " current_setting('max_connections')::int AS most"        },
  {"mysql",  "*MariaDB*",
   "SELECT CASE WHEN user() LIKE '%@localhost' THEN 'local' ELSE"
   " coalesce((SELECT nullif(variable_value, '') FROM"
   " information_schema.session_status WHERE variable_name = 'SSL_VERSION'),"
   " 'no') END AS tls, 'yes' AS prepared,"
   " unix_timestamp(now(6)) + 0e0 AS clock, (SELECT CAST(variable_value AS "
   "SIGNED) FROM"
   " information_schema.global_status WHERE variable_name ="
   " 'THREADS_CONNECTED') AS used, @@max_connections AS most"},
  {"mysql",  "*",
   "SELECT CASE WHEN user() LIKE '%@localhost' THEN 'local' ELSE"
   " coalesce((SELECT nullif(variable_value, '') FROM"
   " performance_schema.session_status WHERE variable_name = 'Ssl_version'),"
   " 'no') END AS tls, 'yes' AS prepared,"
   " unix_timestamp(now(6)) + 0e0 AS clock, (SELECT CAST(variable_value AS "
   "SIGNED) FROM"
   " performance_schema.global_status WHERE variable_name ="
   " 'Threads_connected') AS used, @@max_connections AS most"},
  {"sqlite", "*",
   "SELECT 'local' AS tls, 'no' AS prepared,"
   " (julianday('now') - 2440587.5) * 86400.0 AS clock, NULL AS used,"
   " NULL AS most"                                           },
};

/* One statement; an error is the row's, not the command's. */
static int server_step(struct cli *cli, const char *sql, const char *name,
                       const char *text)
{
  sqlite3_stmt *stmt = NULL;
  int rc = sqlite3_prepare_v2(cli->db, sql, -1, &stmt, NULL);

  if (rc == SQLITE_OK) rc = sqlite3_bind_text(stmt, 1, name, -1, NULL);
  if (rc == SQLITE_OK && text) rc = sqlite3_bind_text(stmt, 2, text, -1, NULL);
  if (rc == SQLITE_OK)
    while ((rc = sqlite3_step(stmt)) == SQLITE_ROW)
      continue;
  if (rc == SQLITE_DONE) rc = SQLITE_OK;
  return sqlite3_finalize(stmt) == SQLITE_OK ? rc : SQLITE_ERROR;
}

/* A table over this SELECT of the server's. */
static int server_table(struct cli *cli, const char *table, const char *name,
                        const char *select)
{
  char *sql = sqlite3_mprintf(
    "DROP TABLE IF EXISTS temp.%s; CREATE VIRTUAL TABLE temp.%s USING "
    "fed_query(%s, %Q)",
    table, table, name, select);
  int rc = sql ? sqlite3_exec(cli->db, sql, NULL, NULL, NULL) : SQLITE_NOMEM;

  sqlite3_free(sql);
  return rc;
}

static int server_ping(struct cli *cli, const char *name)
{
  int rc = server_table(cli, "cli_ping", name, "SELECT 1 AS one");

  for (int i = 0; i < SERVER_PINGS && rc == SQLITE_OK; i++)
    rc = sqlite3_exec(cli->db, "SELECT * FROM temp.cli_ping", NULL, NULL, NULL);
  return rc;
}

static int server_ask(struct cli *cli, const char *name, const char *driver,
                      const char *version)
{
  for (size_t i = 0; i < FED_LEN(server_questions); i++) {
    const struct server_question *q = &server_questions[i];

    if (strcmp(q->driver, driver) != 0 ||
        sqlite3_strglob(q->version, version) != 0)
      continue;
    return server_table(cli, "cli_ask", name, q->sql);
  }
  return SQLITE_ERROR;
}

static const char server_row_sql[] =
  "INSERT INTO temp.cli_server SELECT ?1, driver, url, version,"
  " (SELECT round(min(total_ms), 2) FROM fed_log WHERE server = ?1 COLLATE"
  " NOCASE AND sql LIKE '%1 AS one%' AND sql NOT LIKE '--%'),"
  " tls, prepared, clock - (julianday('now') - 2440587.5) * 86400.0,"
  " used, most, (SELECT pool_max FROM fed_pool AS p WHERE p.server = s.name),"
  " NULL FROM fed_servers AS s, temp.cli_ask WHERE s.name = ?1 COLLATE NOCASE";

static const char server_failed_sql[] =
  "INSERT INTO temp.cli_server SELECT name, driver, url, version, NULL, NULL,"
  " NULL, NULL, NULL, NULL, NULL, ?2 FROM fed_servers"
  " WHERE name = ?1 COLLATE NOCASE";

static int server_look(struct cli *cli, const struct fed_server_row *row)
{
  struct fed_server_row *now = NULL;
  struct fed_err err = FED_ERR_INIT;
  int n = 0, rc = server_ping(cli, row->name);
  char *message;

  if (rc == SQLITE_OK) rc = fed_server_list(&now, &n, &err);
  for (int i = 0; i < n && rc == SQLITE_OK; i++)
    if (!strcmp(now[i].name, row->name))
      rc = server_ask(cli, row->name, row->driver, now[i].version);
  fed_server_list_free(now, n);
  if (rc == SQLITE_OK) rc = server_step(cli, server_row_sql, row->name, NULL);
  if (rc == SQLITE_OK) return CLI_DONE;
  message = sqlite3_mprintf("%s", err.rc ? err.msg : sqlite3_errmsg(cli->db));
  rc = server_step(cli, server_failed_sql, row->name, message ? message : "");
  sqlite3_free(message);
  return rc == SQLITE_OK ? CLI_DONE : cli_fail("%s", sqlite3_errmsg(cli->db));
}

int cli_probe(struct cli *cli, const char *name)
{
  struct fed_server_row *row = NULL;
  struct fed_server *server = NULL;
  struct fed_err err = FED_ERR_INIT;
  int n = 0, code;

  code = cli_run(cli,
                 "CREATE TEMP TABLE cli_server(server, driver, url, version,"
                 " ms, tls, prepared, skew, used, most, pool_max, error)",
                 NULL, 0, NULL);
  if (code != CLI_DONE) return code;
  if ((name && fed_server_find(name, &server, &err) != SQLITE_OK) ||
      fed_server_list(&row, &n, &err) != SQLITE_OK)
    code = cli_fail("%s", err.msg);
  fed_server_unref(server);
  for (int i = 0; i < n && code == CLI_DONE; i++)
    if (!name || !sqlite3_stricmp(name, row[i].name))
      code = server_look(cli, &row[i]);
  fed_server_list_free(row, n);
  return code;
}

/* ---- commands ------------------------------------------------------------ */

int cli_server_list(struct cli *cli)
{
  int code = cli_define(cli);

  if (code != CLI_DONE) return code;
  return cli_print(
    cli, "SELECT name, driver, url, options, origin FROM fed_servers", NULL, 0);
}

/* CLI_FAILED if a row has an error. */
static int server_verdict(struct cli *cli, int code)
{
  char *failed = NULL;

  if (code == CLI_DONE)
    code = cli_run(cli, "SELECT 1 FROM temp.cli_server WHERE error IS NOT NULL",
                   NULL, 0, &failed);
  if (failed) code = CLI_FAILED;
  sqlite3_free(failed);
  return code;
}

int cli_server_test(struct cli *cli)
{
  int code = cli_define(cli);

  if (code == CLI_DONE) code = cli_probe(cli, cli->arg[0]);
  if (code == CLI_DONE)
    code = cli_print(cli,
                     "SELECT server, iif(error IS NULL, 'ok', 'failed') AS"
                     " state, version, ms, tls, prepared, error"
                     " FROM temp.cli_server",
                     NULL, 0);
  return server_verdict(cli, code);
}

int cli_pool(struct cli *cli)
{
  int code = cli_define(cli);

  if (code == CLI_DONE) code = cli_probe(cli, NULL);
  if (code == CLI_DONE)
    code = cli_print(cli,
                     "SELECT server, pool_max, used AS connections,"
                     " most AS max_connections, most / pool_max AS processes,"
                     " error FROM temp.cli_server",
                     NULL, 0);
  return server_verdict(cli, code);
}

/* ---- server add ---------------------------------------------------------- */

/* sqlite:old.db -> sqlite:/here/old.db, for a file that is read anywhere. */
static void server_url(const char *url, struct fed_str *out)
{
  char here[PATH_MAX];

  if (!sqlite3_strnicmp(url, "sqlite:", 7) && url[7] != '/' &&
      realpath(".", here)) {
    url += 7;
    fed_str_add(out, "sqlite:");
    for (const char *p = here; *p; p++)
      fed_str_addf(out, *p == '%' || *p == '?' ? "%%%02X" : "%c", *p);
    fed_str_addc(out, '/');
  }
  fed_str_add(out, url);
}

static void server_section(struct cli *cli, const char *url,
                           struct fed_str *out)
{
  fed_str_addf(out, "[%s]\nurl = %s\n", cli->arg[0], url);
  if (cli->value[CLI_PASSWORD_ENV])
    fed_str_addf(out, "password = env:%s\n", cli->value[CLI_PASSWORD_ENV]);
  for (int i = 2; i < cli->narg; i++) {
    const char *equals = strchr(cli->arg[i], '=');

    if (equals)
      fed_str_addf(out, "%.*s = %s\n", (int)(equals - cli->arg[i]), cli->arg[i],
                   equals + 1);
    else
      fed_str_addf(out, "%s = true\n", cli->arg[i]);
  }
}

/* Is it legal, and does it hold a password? Asked of a definition under its
 * name, which goes again, so that the file can be tried. */
static int server_check(struct cli *cli, const char *url, bool *secret)
{
  struct fed_err err = FED_ERR_INIT;
  struct fed_server *server = NULL;
  const char **options = fed_calloc((size_t)cli->narg + 1, sizeof *options);
  int n = 0, rc;

  if (!options) return cli_fail("out of memory");
  for (int i = 2; i < cli->narg; i++)
    options[n++] = cli->arg[i];
  options[n++] = "replace";
  rc = fed_server_define(cli->arg[0], url, options, n, &err);
  fed_free(options);
  if (rc == SQLITE_OK) rc = fed_server_find(cli->arg[0], &server, &err);
  *secret = server && fed_server_has_secret(server);
  fed_server_unref(server);
  if (rc == SQLITE_OK) rc = fed_server_drop(cli->arg[0], &err);
  return rc == SQLITE_OK ? CLI_DONE : cli_fail("%s", err.msg);
}

/* The file has no quotes: a line ends at its end, or where a comment begins. */
static bool server_is_plain(const struct cli *cli)
{
  for (int i = 0; i < cli->narg; i++)
    if (strpbrk(cli->arg[i], "\r\n") || strstr(cli->arg[i], " ;") ||
        strstr(cli->arg[i], "\t;"))
      return false;
  return true;
}

int cli_server_add(struct cli *cli)
{
  struct fed_err err = FED_ERR_INIT;
  struct fed_server *server = NULL;
  struct fed_str section, url;
  char path[PATH_MAX];
  bool secret = false;
  int code;

  if (!server_is_plain(cli))
    return cli_misuse(cli, "a line break, or a blank and ';', cannot stand in "
                           "the config file: write them as %%0A, %%20;");
  fed_config_path(path, sizeof path);
  if (access(path, F_OK) == 0 && fed_config_check(&err) != SQLITE_OK)
    return cli_fail("mend the file first: %s", err.msg);
  if (!cli->value[CLI_REPLACE] &&
      fed_server_find(cli->arg[0], &server, &err) == SQLITE_OK) {
    fed_server_unref(server);
    return cli_fail("server '%s' stands in the config file already: add "
                    "--replace to write it anew",
                    cli->arg[0]);
  }
  fed_str_init(&url, FED_STR_SQL);
  fed_str_init(&section, FED_STR_SQL);
  server_url(cli->arg[1], &url);
  code = server_check(cli, url.s, &secret);
  if (code == CLI_DONE && secret)
    cli_warn("the password was on the command line, where other users can see "
             "it, and is now in your shell's history: change it, and use "
             "--password-env");
  server_section(cli, url.s, &section);
  if (code == CLI_DONE) code = cli_config_write(cli->arg[0], section.s, secret);
  fed_str_release(&section);
  fed_str_release(&url);
  return code;
}
