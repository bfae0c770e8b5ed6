/*
 * status: tables about dbfed itself, one row here for each. They exist on
 * every connection without being created (eponymous), and only direct SQL
 * may read them, no view or trigger of a file (DIRECTONLY).
 */
#include "base/mem.h"
#include "vtab/table.h"

struct status_vtab {
  sqlite3_vtab base; /* first */
  const struct status_aux *aux;
};

struct status_cursor {
  sqlite3_vtab_cursor base; /* first */
  struct status_rows rows;
  int64_t at; /* row number, from 0 */
};

/* ---- rows -------------------------------------------------------------- */

static struct fed_value *status_add(struct status_rows *rows)
{
  struct fed_value *value;

  if (rows->nomem) return NULL;
  if (rows->nvalue == rows->room) {
    int64_t room = rows->room ? rows->room * 2 : 64;

    value = fed_realloc(rows->value, (size_t)room * sizeof *value);
    if (!value) {
      rows->nomem = true;
      return NULL;
    }
    rows->value = value;
    rows->room = room;
  }
  value = &rows->value[rows->nvalue++];
  *value = fed_value_null();
  return value;
}

void status_null(struct status_rows *rows)
{
  status_add(rows);
}

void status_int(struct status_rows *rows, int64_t i)
{
  struct fed_value *value = status_add(rows);

  if (value) *value = fed_value_int(i);
}

void status_real(struct status_rows *rows, double r)
{
  struct fed_value *value = status_add(rows);

  if (value) *value = fed_value_real(r);
}

void status_text(struct status_rows *rows, const char *text)
{
  struct fed_value *value = status_add(rows);
  char *copy;

  if (!value || !text) return;
  copy = fed_strdup(text);
  if (copy)
    *value = fed_value_cstr(copy);
  else
    rows->nomem = true;
}

/* An empty text says nothing: NULL. */
void status_text_or_null(struct status_rows *rows, const char *text)
{
  status_text(rows, text && *text ? text : NULL);
}

void status_value(struct status_rows *rows, const struct fed_value *from)
{
  struct fed_value *value = status_add(rows);
  char *copy;

  if (!value) return;
  *value = *from;
  if (from->type != FED_TEXT && from->type != FED_BLOB) return;
  copy = fed_strndup(from->size ? from->p : "", (size_t)from->size);
  value->p = copy;
  if (copy) return;
  *value = fed_value_null();
  rows->nomem = true;
}

void status_clear(struct status_rows *rows)
{
  for (int64_t i = 0; i < rows->nvalue; i++)
    if (rows->value[i].type == FED_TEXT || rows->value[i].type == FED_BLOB)
      fed_free((char *)(uintptr_t)rows->value[i].p);
  fed_free(rows->value);
  memset(rows, 0, sizeof *rows);
}

/* ---- the tables -------------------------------------------------------- */

static void status_caps(struct status_rows *rows, unsigned caps)
{
  static const struct {
    unsigned bit;
    const char *name;
  } cap[] = {
    {FED_CAP_SAVEPOINT, "savepoint" },
    {FED_CAP_READONLY,  "read_only" },
    {FED_CAP_ASYNC,     "async"     },
    {FED_CAP_MANY,      "concurrent"},
    {FED_CAP_SNAPSHOT,  "snapshot"  }
  };
  struct fed_str text;

  fed_str_init(&text, 256);
  for (size_t i = 0; i < FED_LEN(cap); i++)
    if (caps & cap[i].bit)
      fed_str_addf(&text, "%s%s", text.len ? " " : "", cap[i].name);
  status_text(rows, text.s);
  fed_str_release(&text);
}

static int status_servers(struct fed_db *fdb, struct status_rows *rows,
                          struct fed_err *err)
{
  struct fed_server_row *list = NULL;
  int n = 0;
  int rc = fed_server_list(&list, &n, err);

  (void)fdb;
  for (int i = 0; i < n && rc == SQLITE_OK; i++) {
    const struct fed_server_row *server = &list[i];

    status_text(rows, server->name);
    status_text(rows, server->driver);
    status_text(rows, server->url);
    status_text_or_null(rows, server->options);
    status_text(rows, server->origin);
    status_text(rows, server->state);
    status_text_or_null(rows, server->version);
    status_caps(rows, server->caps);
    status_text_or_null(rows, server->last_error);
    if (server->last_error_time > 0)
      status_real(rows, server->last_error_time);
    else
      status_null(rows);
  }
  fed_server_list_free(list, n);
  return rc;
}

/* Below 0 it is unknown. */
static void status_estimate(struct status_rows *rows, double n)
{
  if (n >= 0)
    status_int(rows, n < 9e18 ? (int64_t)n : INT64_MAX);
  else
    status_null(rows);
}

/* NULL where a column that is left out gets it, and in a query. */
static void status_fill(struct status_rows *rows,
                        const struct fed_relation *rel,
                        const struct fed_column *col)
{
  if (!rel->told && rel->kind != FED_KIND_QUERY)
    status_text(rows, "unknown");
  else if (col->fill == FED_FILL_NULL)
    status_null(rows);
  else
    status_text(rows, fed_fill_name(col->fill));
}

static void status_column(struct status_rows *rows,
                          const struct fed_table *table, int i)
{
  static const char *const storage[] = {[FED_NULL] = "any",
                                        [FED_INT] = "INTEGER",
                                        [FED_REAL] = "REAL",
                                        [FED_TEXT] = "TEXT",
                                        [FED_BLOB] = "BLOB"};
  const struct fed_relation *rel = &table->rel;
  const struct fed_column *col = &rel->col[i];

  status_text(rows, table->schema);
  status_text(rows, table->name);
  status_text(rows, table->server);
  status_text_or_null(rows, rel->schema);
  status_text(rows, rel->name);
  status_text(rows, fed_kind_name(rel->kind));
  status_estimate(rows, rel->rows);
  status_int(rows, i);
  status_text(rows, table->label[i]);
  status_text(rows, col->name);
  status_text(rows, col->type);
  status_text(rows, fed_class_name(col->class));
  status_text(rows, storage[fed_class_storage(col->class)]);
  status_int(rows, col->notnull);
  status_int(rows, col->key);
  status_estimate(rows, col->distinct);
  status_int(rows, col->indexed);
  status_fill(rows, rel, col);
}

static void status_add_table(void *ctx, struct fed_table *table)
{
  for (int i = 0; i < table->rel.ncol; i++)
    status_column(ctx, table, i);
}

static int status_list_tables(struct fed_db *fdb, struct status_rows *rows,
                              struct fed_err *err)
{
  return table_each(fdb, status_add_table, rows, err);
}

static int status_pool(struct fed_db *fdb, struct status_rows *rows,
                       struct fed_err *err)
{
  struct fed_pool_row *list = NULL;
  int n = 0;
  int rc = fed_pool_list(&list, &n, err);

  (void)fdb;
  for (int i = 0; i < n && rc == SQLITE_OK; i++) {
    const struct fed_pool_row *pool = &list[i];

    status_text(rows, pool->server);
    status_int(rows, pool->draining);
    status_int(rows, pool->pool_max);
    status_int(rows, pool->opening);
    status_int(rows, pool->idle);
    status_int(rows, pool->busy);
    status_int(rows, pool->closing);
    status_int(rows, pool->waiting);
    status_int(rows, pool->lent_total);
    status_int(rows, pool->opened_total);
    status_int(rows, pool->closed_total);
    status_int(rows, pool->reset_total);
    status_int(rows, pool->error_total);
    status_int(rows, pool->broken_total);
    status_int(rows, pool->timeout_total);
    status_int(rows, pool->wait_total);
    status_int(rows, pool->wait_ms);
    status_int(rows, pool->wait_ms_max);
    status_int(rows, pool->oldest_ms);
  }
  fed_free(list);
  return rc;
}

static int status_log(struct fed_db *fdb, struct status_rows *rows,
                      struct fed_err *err)
{
  struct fed_log_row *log = fed_alloc(sizeof *log); /* 4 kB and more */

  (void)fdb;
  if (!log) return fed_err_nomem(err);
  while (fed_log_next(log->id, log)) {
    status_int(rows, log->id);
    status_real(rows, log->time);
    status_text(rows, log->server);
    status_text(rows, log->sql);
    status_int(rows, log->rows);
    status_real(rows, log->first_ms);
    status_real(rows, log->total_ms);
    status_text_or_null(rows, log->error);
    status_int(rows, log->bytes);
  }
  fed_free(log);
  return SQLITE_OK;
}

static int status_progress(struct fed_db *fdb, struct status_rows *rows,
                           struct fed_err *err)
{
  struct fed_progress_row *list = NULL;
  int n = 0;
  int rc = fed_progress_list(&list, &n, err);

  (void)fdb;
  for (int i = 0; i < n && rc == SQLITE_OK; i++) {
    const struct fed_progress_row *run = &list[i];

    status_text(rows, run->server);
    status_text(rows, run->sql);
    status_real(rows, run->time);
    status_real(rows, run->ms);
    status_int(rows, run->rows);
    status_int(rows, run->bytes);
    status_real(rows, run->ms > 0 ? (double)run->rows * 1e3 / run->ms : 0);
  }
  fed_free(list);
  return rc;
}

static void status_help_row(struct status_rows *rows, const char *name,
                            const char *kind, const char *usage,
                            const char *help)
{
  status_text(rows, name);
  status_text(rows, kind);
  status_text(rows, usage);
  status_text(rows, help);
}

static void status_help_tables(struct status_rows *rows,
                               const struct status_table *def)
{
  for (; def->name; def++)
    status_help_row(rows, def->name, "table",
                    def->usage ? def->usage : def->name, def->help);
}

static int status_help(struct fed_db *fdb, struct status_rows *rows,
                       struct fed_err *err)
{
  (void)err;
  for (const struct fed_help *help = fdb->help; help->name; help++)
    status_help_row(rows, help->name, "function", help->usage, help->help);
  status_help_row(rows, "fed", "module",
                  "CREATE VIRTUAL TABLE t USING fed(server, [schema.]table"
                  " [, 'rows=N'])",
                  "a remote table or view, kept in the database file");
  status_help_row(rows, "fed_query", "module",
                  "CREATE VIRTUAL TABLE t USING fed_query(server,"
                  " 'SELECT ...')",
                  "the result of a remote SELECT, run anew by each scan");
  status_help_tables(rows, status_tables);
  status_help_tables(rows, fdb->more);
  return SQLITE_OK;
}

const struct status_table status_tables[] = {
  {.name = "fed_servers",
   .columns = "name TEXT, driver TEXT, url TEXT, options TEXT, origin TEXT,"
              " state TEXT, version TEXT, capabilities TEXT,"
              " last_error TEXT, last_error_time REAL", .ncol = 10,
   .fill = status_servers,
   .help = "the servers that are defined"},
  {.name = "fed_tables",
   .columns = "schema TEXT, name TEXT, server TEXT, remote_schema TEXT,"
              " remote_name TEXT, kind TEXT, rows INT, cid INT,"
              " \"column\" TEXT, remote_column TEXT, type TEXT, class TEXT,"
              " storage TEXT, \"notnull\" INT, \"key\" INT,"
              " \"distinct\" INT, indexed INT, fill TEXT", .ncol = 18,
   .fill = status_list_tables,
   .help = "the columns of every table of this connection"},
  {.name = "fed_pool",
   .columns = "server TEXT, draining INT, pool_max INT, opening INT,"
              " idle INT, busy INT, closing INT, waiting INT,"
              " lent_total INT, opened_total INT, closed_total INT,"
              " reset_total INT, error_total INT, broken_total INT,"
              " timeout_total INT, wait_total INT, wait_ms INT,"
              " wait_ms_max INT, oldest_ms INT", .ncol = 19,
   .fill = status_pool,
   .help = "the connections to each server, and counters"},
  {.name = "fed_log",
   .columns = "id INT, time REAL, server TEXT, sql TEXT, rows INT,"
              " first_ms REAL, total_ms REAL, error TEXT, bytes INT", .ncol = 9,
   .fill = status_log,
   .help = "the last 1000 remote statements of this process"},
  {.name = "fed_progress",
   .columns = "server TEXT, sql TEXT, time REAL, ms REAL, rows INT,"
              " bytes INT, rate REAL", .ncol = 7,
   .fill = status_progress,
   .help = "the remote statements that run now in this process"},
  {.name = "fed_explain",
   .columns = "scan INT, \"table\" TEXT, server TEXT, part TEXT, item,"
              " verdict TEXT, why TEXT, sql HIDDEN", .ncol = 7,
   .nhidden = 1,
   .fill = explain_fill,
   .usage = "fed_explain('SELECT ...')",
   .help = "what of a statement is sent, what stays here, and why"},
  {.name = "fed_verify",
   .columns = "result TEXT, row INT, \"column\" TEXT, pushed, local,"
              " rows_pushed INT, rows_local INT, sql HIDDEN", .ncol = 7,
   .nhidden = 1,
   .nmore = 9,
   .fill = verify_fill,
   .usage = "fed_verify('SELECT ...' [, value...])",
   .help = "run a statement with pushdown and without; the difference"},
  {.name = "fed_help",
   .columns = "name TEXT, kind TEXT, usage TEXT, help TEXT",
   .ncol = 4,
   .fill = status_help,
   .help = "every function, module and table, one line each"},
  {.name = NULL },
};

/* ---- the module -------------------------------------------------------- */

static int status_declare(sqlite3 *db, const struct status_table *def)
{
  struct fed_str sql;
  int rc;

  fed_str_init(&sql, FED_STR_SQL);
  fed_str_addf(&sql, "CREATE TABLE x(%s", def->columns);
  for (int i = 1; i <= def->nmore; i++)
    fed_str_addf(&sql, ", a%d HIDDEN", i);
  fed_str_add(&sql, ")");
  rc = sql.nomem ? SQLITE_NOMEM : sqlite3_declare_vtab(db, sql.s);
  fed_str_release(&sql);
  return rc;
}

static int status_connect(sqlite3 *db, void *arg, int argc,
                          const char *const *argv, sqlite3_vtab **out,
                          char **message)
{
  const struct status_aux *aux = arg;
  struct status_vtab *vtab;
  int rc = status_declare(db, aux->def);

  (void)argc;
  (void)argv;
  (void)message;
  if (rc != SQLITE_OK) return rc;
  sqlite3_vtab_config(db, SQLITE_VTAB_DIRECTONLY);
  vtab = fed_alloc(sizeof *vtab);
  if (!vtab) return SQLITE_NOMEM;
  vtab->aux = aux;
  *out = &vtab->base;
  return SQLITE_OK;
}

static int status_disconnect(sqlite3_vtab *vtab)
{
  fed_free(vtab);
  return SQLITE_OK;
}

/* Is the hidden column `col` given by constraint `i`? */
static bool status_gives(const sqlite3_index_info *info, int i, int col)
{
  return info->aConstraint[i].iColumn == col &&
         info->aConstraint[i].op == SQLITE_INDEX_CONSTRAINT_EQ;
}

/* Arguments, f('a', 1), come as terms of the hidden columns behind the
 * others. One that is a column of a table read later must wait for it. */
static int status_best_index(sqlite3_vtab *base, sqlite3_index_info *info)
{
  const struct status_table *def = ((struct status_vtab *)base)->aux->def;
  int ncol = def->ncol + def->nhidden + def->nmore, narg = 0;

  info->estimatedCost = 1000;
  info->estimatedRows = 100;
  for (int col = def->ncol; col < ncol; col++)
    for (int i = 0; i < info->nConstraint; i++) {
      if (!status_gives(info, i, col)) continue;
      if (!info->aConstraint[i].usable) return SQLITE_CONSTRAINT;
      info->aConstraintUsage[i].argvIndex = ++narg;
      info->aConstraintUsage[i].omit = 1;
      break;
    }
  return SQLITE_OK;
}

static int status_open(sqlite3_vtab *vtab, sqlite3_vtab_cursor **out)
{
  struct status_cursor *cursor = fed_alloc(sizeof *cursor);

  (void)vtab;
  if (!cursor) return SQLITE_NOMEM;
  *out = &cursor->base;
  return SQLITE_OK;
}

static int status_close(sqlite3_vtab_cursor *base)
{
  status_clear(&((struct status_cursor *)base)->rows);
  fed_free(base);
  return SQLITE_OK;
}

static int status_filter(sqlite3_vtab_cursor *base, int idxnum,
                         const char *idxstr, int argc, sqlite3_value **argv)
{
  struct status_cursor *cursor = (struct status_cursor *)base;
  const struct status_aux *aux = ((struct status_vtab *)base->pVtab)->aux;
  struct fed_err err = FED_ERR_INIT;
  int rc;

  (void)idxnum;
  (void)idxstr;
  status_clear(&cursor->rows);
  cursor->at = 0;
  cursor->rows.ncol = aux->def->ncol;
  cursor->rows.argc = argc;
  cursor->rows.argv = argv;
  rc = aux->def->fill(aux->fdb, &cursor->rows, &err);
  if (rc == SQLITE_OK && cursor->rows.nomem) rc = fed_err_nomem(&err);
  return rc == SQLITE_OK ? SQLITE_OK : table_fail(base->pVtab, &err);
}

static int status_next(sqlite3_vtab_cursor *base)
{
  ((struct status_cursor *)base)->at++;
  return SQLITE_OK;
}

static int status_eof(sqlite3_vtab_cursor *base)
{
  struct status_cursor *cursor = (struct status_cursor *)base;

  return cursor->at * cursor->rows.ncol >= cursor->rows.nvalue;
}

static int status_column_value(sqlite3_vtab_cursor *base, sqlite3_context *ctx,
                               int i)
{
  struct status_cursor *cursor = (struct status_cursor *)base;

  if (i >= cursor->rows.ncol) return SQLITE_OK; /* an argument */
  scan_result(ctx, &cursor->rows.value[cursor->at * cursor->rows.ncol + i]);
  return SQLITE_OK;
}

static int status_rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *out)
{
  *out = ((struct status_cursor *)base)->at + 1;
  return SQLITE_OK;
}

/* No xCreate: the table cannot be made, it is there. */
const sqlite3_module status_module = {
  .iVersion = 0,
  .xConnect = status_connect,
  .xBestIndex = status_best_index,
  .xDisconnect = status_disconnect,
  .xOpen = status_open,
  .xClose = status_close,
  .xFilter = status_filter,
  .xNext = status_next,
  .xEof = status_eof,
  .xColumn = status_column_value,
  .xRowid = status_rowid,
};
