/* doctor: everything that dbfed needs, looked at; and the versions. */
#include "cli/cli.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pool/pool.h"

#define DOCTOR_PATH 4096

enum doctor_state { DOCTOR_OK, DOCTOR_WARN, DOCTOR_FAIL };

static const struct {
  const char *word, *colour;
} doctor_states[] = {
  [DOCTOR_OK] = {"ok",   "\033[32m"},
  [DOCTOR_WARN] = {"warn", "\033[33m"},
  [DOCTOR_FAIL] = {"fail", "\033[31m"},
};

/* One thing: printed as soon as it is known, or kept for --json and --csv. */
static int doctor_say(struct cli *cli, const char *state, const char *what,
                      const char *finding, const char *remedy)
{
  bool colour = cli_colour(stdout);
  int i = DOCTOR_OK;

  if (cli->value[CLI_JSON] || cli->value[CLI_CSV])
    return cli_run(cli, "INSERT INTO temp.cli_doctor VALUES(?, ?, ?, ?)",
                   (const char *[]){state, what, finding, remedy}, 4, NULL);
  while (i < DOCTOR_FAIL && strcmp(doctor_states[i].word, state) != 0)
    i++;
  printf("%s%-4s%s  %-14s %s%s%s\n", colour ? doctor_states[i].colour : "",
         state, colour ? "\033[0m" : "", what, finding, remedy ? ": " : "",
         remedy ? remedy : "");
  fflush(stdout);
  return CLI_DONE;
}

/* What `sql` gives: state, what, finding, remedy. CLI_WRONG if one fails. */
static int doctor_sql(struct cli *cli, const char *sql)
{
  sqlite3_stmt *stmt = NULL;
  int rc = sqlite3_prepare_v2(cli->db, sql, -1, &stmt, NULL);
  int code = CLI_DONE, said = CLI_DONE;

  while (rc == SQLITE_OK && said == CLI_DONE &&
         (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
    const char *text[4];

    for (int i = 0; i < 4; i++)
      text[i] = (const char *)sqlite3_column_text(stmt, i);
    if (text[0] && !strcmp(text[0], "fail")) code = CLI_WRONG;
    said = doctor_say(cli, text[0], text[1], text[2], text[3]);
    rc = SQLITE_OK;
  }
  sqlite3_finalize(stmt);
  if (rc != SQLITE_DONE) return cli_fail("%s", sqlite3_errmsg(cli->db));
  return said == CLI_DONE ? code : said;
}

static int doctor_sqlite(struct cli *cli)
{
  return doctor_sql(
    cli, "SELECT iif(sqlite_compileoption_used('THREADSAFE=0'), 'warn', 'ok'),"
         " 'sqlite', sqlite_version() || iif(sqlite_compileoption_used("
         "'THREADSAFE=0'), ', not thread-safe', ''),"
         " iif(sqlite_compileoption_used('THREADSAFE=0'),"
         " 'use it from one thread only', NULL)");
}

static int doctor_drivers(struct cli *cli)
{
  int code = CLI_DONE;

  for (int i = 0; fed_drivers[i] && code == CLI_DONE; i++) {
    char what[64], library[128];

    snprintf(what, sizeof what, "driver %s", fed_drivers[i]->name);
    fed_drivers[i]->client(library, sizeof library);
    code = doctor_say(cli, "ok", what, library, NULL);
  }
  return code;
}

static bool doctor_in_path(const char *program, char *path, size_t size)
{
  const char *dir = getenv("PATH");

  while (dir && *dir) {
    size_t n = strcspn(dir, ":");

    snprintf(path, size, "%.*s/%s", (int)n, dir, program);
    if (access(path, X_OK) == 0) return true;
    dir += n + (dir[n] == ':');
  }
  return false;
}

static int doctor_shell(struct cli *cli)
{
  char path[DOCTOR_PATH];
  int code;

  cli_library(path, sizeof path);
  if (*path)
    code = doctor_say(cli, "ok", "library", path, NULL);
  else
    code = doctor_say(cli, "warn", "library", "dbfed.so is not found",
                      "set DBFED_EXT to its path, for dbfed shell");
  if (code != CLI_DONE) return code;
  if (doctor_in_path("sqlite3", path, sizeof path))
    return doctor_say(cli, "ok", "shell", path, NULL);
  return doctor_say(cli, "warn", "shell", "there is no sqlite3 in PATH",
                    "apt install sqlite3, for dbfed shell");
}

static int doctor_config(struct cli *cli)
{
  char path[DOCTOR_PATH], finding[DOCTOR_PATH + 64];
  struct fed_err err = FED_ERR_INIT;
  struct stat st;
  int code;

  fed_config_path(path, sizeof path);
  if (fed_config_check(&err) != SQLITE_OK) {
    code = doctor_say(cli, "fail", "config", err.msg, NULL);
    return code == CLI_DONE ? CLI_WRONG : code;
  }
  if (!*path)
    return doctor_say(cli, "ok", "config", "none is to be read", NULL);
  if (stat(path, &st) != 0) {
    snprintf(finding, sizeof finding, "there is no %s", path);
    return doctor_say(cli, "ok", "config", finding,
                      "dbfed server add NAME URL makes it");
  }
  snprintf(finding, sizeof finding, "%s (mode %03o)", path,
           (unsigned)st.st_mode & 0777);
  return doctor_say(cli, "ok", "config", finding, NULL);
}

/* Each server in a line; where something is to be done, in one for each. */
static int doctor_servers(struct cli *cli)
{
  int code = cli_define(cli);

  if (code == CLI_DONE) code = cli_probe(cli, NULL);
  if (code != CLI_DONE) return code;
  return doctor_sql(
    cli,
    "SELECT 'ok', 'server ' || server, version || ', ' || ms || ' ms, ' ||"
    " CASE tls WHEN 'no' THEN 'no TLS' WHEN 'local' THEN 'on this machine' ELSE"
    " tls END || iif(prepared = 'yes', ', prepared transactions', ''), NULL"
    " FROM temp.cli_server WHERE error IS NULL UNION ALL"
    " SELECT 'fail', 'server ' || server, error, NULL FROM temp.cli_server"
    " WHERE error IS NOT NULL UNION ALL"
    " SELECT 'warn', 'server ' || server, 'the connection is not encrypted',"
    " iif(driver = 'pg', 'add sslmode=verify-full', 'add ssl=verify_identity')"
    " FROM temp.cli_server WHERE tls = 'no' UNION ALL"
    " SELECT 'warn', 'server ' || server, 'pool_max is ' || pool_max ||"
    " ', and the server takes ' || most || ' connections of all',"
    " 'lower pool_max' FROM temp.cli_server WHERE pool_max > most UNION ALL"
    " SELECT 'warn', 'clock', 'differs from that of ' || server || ' by ' ||"
    " round(abs(skew), 1) || ' s', 'run an NTP service on both'"
    " FROM temp.cli_server WHERE abs(skew) > 2 UNION ALL"
    " SELECT 'ok', 'clock', datetime('now') || ' UTC', NULL"
    " WHERE NOT EXISTS (SELECT 1 FROM temp.cli_server WHERE abs(skew) > 2)");
}

int cli_doctor(struct cli *cli)
{
  static int (*const looks[])(struct cli *) = {
    doctor_sqlite, doctor_drivers, doctor_shell, doctor_config, doctor_servers};
  bool wrong = false;
  int code = cli_run(cli,
                     "CREATE TEMP TABLE cli_doctor(state, what, finding,"
                     " remedy)",
                     NULL, 0, NULL);

  for (size_t i = 0; i < FED_LEN(looks) && code == CLI_DONE; i++) {
    code = looks[i](cli);
    if (code == CLI_WRONG) {
      wrong = true;
      code = CLI_DONE;
    }
  }
  if (code == CLI_DONE && (cli->value[CLI_JSON] || cli->value[CLI_CSV]))
    code = cli_print(cli, "SELECT * FROM temp.cli_doctor", NULL, 0);
  return code == CLI_DONE && wrong ? CLI_FAILED : code;
}

/* ---- versions ------------------------------------------------------------ */

static int version_say(struct cli *cli, const char *part, const char *version)
{
  if (!cli->value[CLI_JSON] && !cli->value[CLI_CSV]) {
    printf("%s %s\n", part, version);
    return CLI_DONE;
  }
  return cli_run(cli, "INSERT INTO temp.cli_version VALUES(?, ?)",
                 (const char *[]){part, version}, 2, NULL);
}

/* "libpq 15.8", in two parts. */
static int version_library(struct cli *cli, const struct fed_driver *driver)
{
  char library[128], *blank;

  driver->client(library, sizeof library);
  if (driver->is_file || !(blank = strchr(library, ' '))) return CLI_DONE;
  *blank = 0;
  return version_say(cli, library, blank + 1);
}

int cli_version(struct cli *cli)
{
  int code =
    cli_run(cli, "CREATE TEMP TABLE cli_version(part, version)", NULL, 0, NULL);

  if (code == CLI_DONE) code = version_say(cli, "dbfed", FED_VERSION);
  if (code == CLI_DONE) code = version_say(cli, "sqlite", sqlite3_libversion());
  for (int i = 0; fed_drivers[i] && code == CLI_DONE; i++)
    code = version_library(cli, fed_drivers[i]);
  if (code != CLI_DONE || (!cli->value[CLI_JSON] && !cli->value[CLI_CSV]))
    return code;
  return cli_print(cli, "SELECT * FROM temp.cli_version", NULL, 0);
}
