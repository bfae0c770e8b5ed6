/* query: SQL, and all its rows. */
#include "cli/cli.h"

#include <unistd.h>

#define QUERY_MAX (256u << 20)

static char *query_stdin(void)
{
  struct fed_str text;
  char buffer[8192];
  size_t n;

  fed_str_init(&text, QUERY_MAX);
  while ((n = fread(buffer, 1, sizeof buffer, stdin)) > 0)
    fed_str_addn(&text, buffer, n);
  return fed_str_detach(&text);
}

/* Where in the text SQLite saw the error. */
static void query_show(const char *sql, int offset)
{
  int line = 1, column = 1;

  for (int i = 0; i < offset && sql[i]; i++) {
    column = sql[i] == '\n' ? 1 : column + 1;
    line += sql[i] == '\n';
  }
  if (line > 1 || column > 1)
    fprintf(stderr, "at line %d, column %d\n", line, column);
}

static int query_all(struct cli *cli, const char *sql)
{
  const char *next = sql;
  int rc = SQLITE_OK;

  while (rc == SQLITE_OK && *next) {
    sqlite3_stmt *stmt = NULL;
    const char *from = next;

    rc = sqlite3_prepare_v2(cli->db, from, -1, &stmt, &next);
    if (rc != SQLITE_OK) {
      cli_fail("%s", sqlite3_errmsg(cli->db));
      if (sqlite3_error_offset(cli->db) >= 0)
        query_show(sql, (int)(from - sql) + sqlite3_error_offset(cli->db));
      return CLI_FAILED;
    }
    if (stmt) rc = cli_rows(cli, stmt);
    fflush(stdout);
    if (rc != SQLITE_OK) cli_fail("%s", sqlite3_errmsg(cli->db));
    sqlite3_finalize(stmt);
  }
  return rc == SQLITE_OK ? CLI_DONE : CLI_FAILED;
}

int cli_query(struct cli *cli)
{
  const char *file = cli->narg > 1 ? cli->arg[0] : NULL;
  const char *sql = cli->arg[cli->narg - 1];
  char *text = NULL;
  int code = CLI_DONE;

  if (!file && access(sql, F_OK) == 0)
    return cli_misuse(cli, "'%s' is a file: the SQL is missing", sql);
  if (!strcmp(sql, "-") && !(sql = text = query_stdin()))
    return cli_fail("the SQL on standard input is too long");
  if (file) code = cli_open(cli, file, false);
  if (code == CLI_DONE) code = cli_define(cli);
  if (code == CLI_DONE) code = cli_attach(cli, sql);
  if (code == CLI_DONE) code = query_all(cli, sql);
  fed_free(text);
  return code;
}
