#include "vtab/write.h"

#include "base/mem.h"
#include "vtab/fetch.h"
#include "vtab/given.h"
#include "vtab/probe.h"
#include "vtab/write_int.h"

#define WRITE_KEYS ((size_t)4 << 20) /* bytes of marked keys in memory */

/* ---- a table that is written ------------------------------------------- */

static void write_free(struct write *w)
{
  if (!w) return;
  map_clear(&w->keys);
  store_clear(&w->waiting);
  fed_free(w->key);
  fed_free(w->fit);
  fed_free(w->room);
  fed_free(w->args);
  fed_free(w->now.column);
  fed_free(w->waits.column);
  fed_free(w->said.column);
  fed_server_unref(w->server);
  fed_free(w->sql);
  fed_free(w);
}

static int write_room(struct write *w, struct fed_err *err)
{
  const struct fed_relation *rel = &w->table->rel;
  size_t n = (size_t)rel->ncol;

  w->key = fed_calloc(n, sizeof *w->key);
  w->now.column = fed_calloc(n, sizeof *w->now.column);
  w->waits.column = fed_calloc(n, sizeof *w->waits.column);
  w->said.column = fed_calloc(n, sizeof *w->said.column);
  w->args = fed_calloc(2 * n, sizeof *w->args);
  w->fit = fed_calloc(n, sizeof *w->fit);
  w->room = fed_calloc(n, sizeof *w->room);
  if (!w->fit || !w->room || !w->key || !w->now.column || !w->waits.column ||
      !w->said.column || !w->args)
    return fed_err_nomem(err);
  for (int i = 0; i < rel->ncol; i++)
    if (rel->col[i].key) w->key[w->nkey++] = (int16_t)i;
  map_init(&w->keys, w->nkey, WRITE_KEYS);
  return SQLITE_OK;
}

/* The table's state; NULL with an error. */
static struct write *write_of(struct fed_table *table, struct fed_err *err)
{
  struct write *w = table->write;

  if (w) return w;
  w = fed_alloc(sizeof *w);
  if (!w) {
    fed_err_nomem(err);
    return NULL;
  }
  w->table = table;
  if (write_room(w, err) != SQLITE_OK) {
    write_free(w);
    return NULL;
  }
  table->write = w;
  return w;
}

/* Dropped in a transaction, or connected anew: what waits is still to go. If it
 * cannot, the transaction is doomed. */
void write_release(struct fed_table *table)
{
  struct fed_err told = FED_ERR_INIT;

  if (!table->write) return;
  if (table->fdb->waiting == table) write_send_waiting(table->write, &told);
  write_free(table->write);
  table->write = NULL;
}

/* What cannot be written at all, and what can be done. */
static int write_check(const struct fed_table *table, struct fed_err *err)
{
  const struct fed_relation *rel = &table->rel;

  if (table->read_only)
    return fed_err_set(err, SQLITE_READONLY,
                       "table '%s.%s' is read-only: it has that option",
                       table->schema, table->name);
  if (!rel->told && rel->kind != FED_KIND_QUERY)
    return fed_err_set(err, SQLITE_READONLY,
                       "table '%s.%s' is read-only: an older version of dbfed "
                       "has kept its columns, without their defaults: SELECT "
                       "fed_refresh('%s.%s')",
                       table->schema, table->name, table->schema, table->name);
  if (rel->kind == FED_KIND_TABLE && !rel->atomic)
    return fed_err_set(err, SQLITE_READONLY,
                       "table '%s.%s' is read-only: its engine on server '%s' "
                       "has no transactions, so a statement that fails could "
                       "not be undone; write it with SELECT fed_exec('%s', "
                       "'...')",
                       table->schema, table->name, table->server,
                       table->server);
  for (int i = 0; i < rel->ncol; i++)
    if (rel->col[i].key) return SQLITE_OK;
  if (rel->kind == FED_KIND_QUERY)
    return fed_err_set(err, SQLITE_READONLY,
                       "table '%s.%s' is read-only: it is a query of server "
                       "'%s'",
                       table->schema, table->name, table->server);
  if (rel->kind == FED_KIND_TABLE || rel->kind == FED_KIND_PARTITIONED)
    return fed_err_set(err, SQLITE_READONLY,
                       "table '%s.%s' is read-only: it has no primary key and "
                       "no unique key of NOT NULL columns by which a row could "
                       "be found again; add one and SELECT fed_refresh('%s'), "
                       "or write with SELECT fed_exec('%s', '...')",
                       table->schema, table->name, table->schema,
                       table->server);
  return fed_err_set(err, SQLITE_READONLY,
                     "table '%s.%s' is read-only: on server '%s' it is a %s; "
                     "write the table behind it, or with SELECT "
                     "fed_exec('%s', '...')",
                     table->schema, table->name, table->server,
                     fed_kind_name(rel->kind), table->server);
}

/* ---- the transaction --------------------------------------------------- */

int write_flush(struct fed_db *fdb, struct fed_err *err)
{
  struct fed_table *table = fdb->waiting;

  if (!table) return SQLITE_OK;
  if (write_send_waiting(table->write, err) == SQLITE_OK) return SQLITE_OK;
  table_context(table, err);
  return err->rc;
}

/*
 * Send it for another statement's sake. That one may ignore errors, or be
 * swallowed by a function; but of what waits an error is never ignored.
 */
int write_settle(struct fed_db *fdb, struct fed_err *err)
{
  int rc = write_flush(fdb, err);

  if (rc != SQLITE_OK && fdb->writes) fed_view_doom(fdb->writes, err);
  return rc == SQLITE_OK ? SQLITE_OK : err->rc;
}

/* The view is kept until the transaction ends. */
int write_enter(struct fed_table *table, bool rows, bool alone,
                struct fed_err *err)
{
  struct fed_db *fdb = table->fdb;
  struct fed_server *server = NULL;
  struct fed_view *view = NULL;
  int rc = rows ? write_check(table, err) : SQLITE_OK;

  if (rc == SQLITE_OK) rc = table_server(table, &server, err);
  if (rc == SQLITE_OK && server && fed_server_is_read_only(server))
    rc = fed_err_set(err, SQLITE_READONLY,
                     "table '%s.%s' is read-only: server '%s' has that option",
                     table->schema, table->name, table->server);
  /* What waits goes by the view that it was written for. */
  if (rc == SQLITE_OK && fdb->waiting && fdb->waiting->write->server != server)
    rc = write_settle(fdb, err);
  if (rc == SQLITE_OK) rc = fed_tx_write(fdb->tx, server, alone, &view, err);
  if (rc != SQLITE_OK) return rc;
  fed_view_drop(fdb->writes);
  fdb->writes = view;
  return SQLITE_OK;
}

/* A table's driver stays the same: table_server(). */
static void write_fit(struct write *w, const struct fed_dialect *dialect)
{
  w->dialect = dialect;
  for (int i = 0; i < w->table->rel.ncol; i++)
    fit_prepare(&w->fit[i], dialect, &w->table->rel.col[i]);
}

/* What a call of xUpdate needs of its table's server. */
static int write_prepare(struct write *w, struct fed_err *err)
{
  struct fed_db *fdb = w->table->fdb;
  struct fed_wait wait = fed_db_wait(fdb);
  struct fed_server *server = NULL;
  int rc = write_enter(w->table, true, true, err);

  if (rc == SQLITE_OK) rc = table_server(w->table, &server, err);
  if (rc != SQLITE_OK || !server) return rc;
  if (w->server != server) {
    fed_server_unref(w->server);
    w->server = fed_server_ref(server);
  }
  if (!w->dialect) write_fit(w, fed_server_driver(server)->dialect);
  w->wait = fed_server_wait(server, &wait);
  w->on_conflict = sqlite3_vtab_on_conflict(fdb->db);
  return SQLITE_OK;
}

void write_drop(struct fed_db *fdb)
{
  if (fdb->waiting) write_forget(fdb->waiting->write);
}

static int write_call_flush(void *fdb, struct fed_err *err)
{
  return write_flush(fdb, err);
}

static void write_call_drop(void *fdb)
{
  write_drop(fdb);
}

static int write_call_set_aside(void *fdb, struct fed_conn *conn,
                                struct fed_err *err)
{
  struct fed_wait wait = fed_db_wait(fdb);

  return fetch_set_aside_on(fdb, conn, &wait, err);
}

static void write_call_ended(void *arg)
{
  struct fed_db *fdb = arg;

  write_drop(fdb);
  fed_view_drop(fdb->writes);
  fdb->writes = NULL;
  FED_LIST_EACH(node, &fdb->tables)
  {
    struct write *w = FED_CONTAINER(node, struct fed_table, link)->write;

    if (!w) continue;
    map_clear(&w->keys);
    w->marked = 0;
  }
}

void write_register(struct fed_db *fdb)
{
  struct fed_tx_calls calls = {
    .ctx = fdb,
    .wait = fed_db_wait(fdb),
    .flush = write_call_flush,
    .drop = write_call_drop,
    .set_aside = write_call_set_aside,
    .ended = write_call_ended,
  };

  fed_tx_set_calls(fdb->tx, &calls);
}

/* The observer drives the transaction (traps 16). But if it was made after a
 * savepoint was set, it is not told of that one, and we are. */
int write_begin(sqlite3_vtab *vtab)
{
  (void)vtab;
  return SQLITE_OK;
}

int write_end(sqlite3_vtab *vtab)
{
  (void)vtab;
  return SQLITE_OK;
}

int write_savepoint(sqlite3_vtab *vtab, int n)
{
  struct fed_err err = FED_ERR_INIT;
  int rc = fed_tx_savepoint(table_of(vtab)->fdb->tx, n, &err);

  return rc == SQLITE_OK ? SQLITE_OK : table_fail(vtab, &err);
}

int write_release_to(sqlite3_vtab *vtab, int n)
{
  struct fed_err err = FED_ERR_INIT;
  int rc = fed_tx_release(table_of(vtab)->fdb->tx, n, &err);

  return rc == SQLITE_OK ? SQLITE_OK : table_fail(vtab, &err);
}

int write_rollback_to(sqlite3_vtab *vtab, int n)
{
  fed_tx_rollback_to(table_of(vtab)->fdb->tx, n);
  return SQLITE_OK;
}

/* ---- which row --------------------------------------------------------- */

void write_open(struct fed_table *table)
{
  struct write *w = table->write;

  if (!w) return;
  map_clear(&w->keys);
  w->marked = 0;
}

static bool write_value_same(const struct fed_value *a,
                             const struct fed_value *b)
{
  if (a->type != b->type) return false;
  switch (a->type) {
  case FED_NULL:
    return true;
  case FED_INT:
    return a->i == b->i;
  case FED_REAL:
    return a->r == b->r;
  case FED_TEXT:
  case FED_BLOB:
    break;
  }
  return a->size == b->size &&
         (a->size == 0 || memcmp(a->p, b->p, (size_t)a->size) == 0);
}

/* The rowid is the key's number in the map: the same for the same key. */
static int write_number(struct write *w, const struct fed_value *key,
                        int64_t *out, struct fed_err *err)
{
  uint64_t hash = rowid_hash(key, w->nkey);
  uint32_t at = map_first(&w->keys, hash);
  int rc;

  for (; at; at = map_next(&w->keys, at, hash)) {
    int same = 0;

    rc = map_read(&w->keys, at, w->args, err);
    if (rc != SQLITE_OK) return rc;
    while (same < w->nkey && write_value_same(&w->args[same], &key[same]))
      same++;
    if (same < w->nkey) continue;
    *out = at;
    return SQLITE_OK;
  }
  rc = map_add(&w->keys, hash, key, err);
  *out = w->keys.n;
  return rc;
}

int write_mark(struct fed_table *table, const struct fed_value *key, bool batch,
               int64_t *out, struct fed_err *err)
{
  struct write *w = write_of(table, err);

  if (!w) return err->rc;
  w->marked++;
  w->batch = batch;
  if (table->rowid < 0) return write_number(w, key, out, err);
  *out = key->i;
  return SQLITE_OK;
}

/* Append the key of the row that xUpdate calls `rowid`. */
static int write_take_key(struct write *w, sqlite3_value *rowid,
                          struct fed_err *err)
{
  int64_t id = sqlite3_value_int64(rowid);
  int rc = SQLITE_OK;

  if (w->table->rowid >= 0)
    w->args[w->narg] = fed_value_int(id);
  else if (id > 0 && id <= w->keys.n)
    rc = map_read(&w->keys, (uint32_t)id, w->args + w->narg, err);
  else
    return fed_err_set(err, SQLITE_ERROR,
                       "a row that was not read is to be changed");
  w->narg += w->nkey;
  return rc;
}

/* ---- which values ------------------------------------------------------ */

static int write_give(struct write *w, int column, sqlite3_value *value,
                      struct fed_err *err)
{
  const struct fed_column *col = &w->table->rel.col[column];

  if (col->fill == FED_FILL_COMPUTED || col->fill == FED_FILL_ALWAYS)
    return fed_err_set(err, SQLITE_ERROR,
                       "column '%s' cannot be written: the server %s",
                       col->name,
                       col->fill == FED_FILL_COMPUTED
                         ? "computes it from other columns"
                         : "gives it its values (GENERATED ALWAYS)");
  w->now.column[w->now.ncol++] = (int16_t)column;
  return fit_value(&w->fit[column], value, &w->room[column],
                   &w->args[w->narg++], err);
}

/*
 * NULL where a column has a default: was it left out? A bound one was not, nor
 * one that a list of columns names (traps 11). In a trigger neither shows, and
 * there a NULL counts as left out.
 */
static bool write_left_out(const struct write *w, int column,
                           sqlite3_value *value)
{
  struct fed_table *table = w->table;
  bool found = false, named = false;

  if (sqlite3_value_frombind(value)) return false;
  for (sqlite3_stmt *stmt = sqlite3_next_stmt(table->fdb->db, NULL);
       stmt && !found; stmt = sqlite3_next_stmt(table->fdb->db, stmt)) {
    const char *list = NULL;
    enum given given = GIVEN_UNKNOWN;

    if (sqlite3_stmt_busy(stmt) && !sqlite3_stmt_readonly(stmt))
      given = given_by(sqlite3_sql(stmt), table->schema, table->name, &list);
    found = given != GIVEN_UNKNOWN;
    named = given == GIVEN_ALL ||
            (given == GIVEN_LISTED && given_names(list, table->label[column]));
  }
  return !named;
}

/* OR REPLACE puts the default in place of a NULL that cannot be; SQLite as the
 * server does so by itself. */
static bool write_defaults(const struct write *w, int column,
                           sqlite3_value *value)
{
  const struct fed_column *col = &w->table->rel.col[column];

  return w->on_conflict == SQLITE_REPLACE && col->notnull &&
         w->dialect != &fed_dialect_sqlite && col->fill == FED_FILL_DEFAULT &&
         sqlite3_value_type(value) == SQLITE_NULL;
}

/* Is column `column` of a row to be inserted left to the server? */
static bool write_omits(const struct write *w, int column, sqlite3_value *value)
{
  const struct fed_column *col = &w->table->rel.col[column];

  if (sqlite3_value_type(value) != SQLITE_NULL) return false;
  switch (col->fill) {
  case FED_FILL_NULL:
  case FED_FILL_NUMBER:
  case FED_FILL_ALWAYS:
  case FED_FILL_COMPUTED:
    return true;
  case FED_FILL_DEFAULT:
  case FED_FILL_COUNT:
    break;
  }
  return write_defaults(w, column, value) || write_left_out(w, column, value);
}

/* ---- xUpdate ----------------------------------------------------------- */

/* Outside of a transaction a failure undoes the statement, and what it wrote;
 * but not if it was called by a function of another one. */
bool write_is_alone(sqlite3 *db)
{
  int n = 0;

  if (!sqlite3_get_autocommit(db)) return false;
  for (sqlite3_stmt *stmt = sqlite3_next_stmt(db, NULL); stmt;
       stmt = sqlite3_next_stmt(db, stmt))
    n += sqlite3_stmt_busy(stmt) && !sqlite3_stmt_readonly(stmt);
  return n <= 1;
}

static bool write_guards(const struct write *w)
{
  return w->on_conflict == SQLITE_IGNORE || w->on_conflict == SQLITE_FAIL ||
         !write_is_alone(w->table->fdb->db);
}

static bool write_aborts(const struct write *w)
{
  return w->on_conflict == SQLITE_ABORT || w->on_conflict == SQLITE_ROLLBACK;
}

/* May rows of INSERT wait? */
static bool write_may_wait(const struct write *w)
{
  if (!write_aborts(w)) return false;
  return w->table->deferred || sqlite3_get_autocommit(w->table->fdb->db);
}

static int write_insert(struct write *w, sqlite3_value **argv,
                        sqlite3_int64 *rowid, struct fed_err *err)
{
  struct fed_table *table = w->table;
  int64_t number = 0;
  int rc = SQLITE_OK;

  w->now.verb = WRITE_INSERT;
  w->now.replace =
    w->on_conflict == SQLITE_REPLACE && w->dialect->replace != NULL;
  for (int i = 0; i < table->rel.ncol && rc == SQLITE_OK; i++) {
    sqlite3_value *value = argv[2 + i];

    if (i == table->rowid && sqlite3_value_type(value) == SQLITE_NULL)
      value = argv[1]; /* INSERT INTO t(rowid) */
    if (!write_omits(w, i, value)) rc = write_give(w, i, value, err);
    if (rc == SQLITE_OK && i == table->rowid &&
        sqlite3_value_type(value) != SQLITE_NULL)
      number = sqlite3_value_int64(value);
  }
  *rowid = number ? number : sqlite3_last_insert_rowid(table->fdb->db);
  if (rc != SQLITE_OK) return rc;
  if (write_may_wait(w)) return write_wait(w, err);
  rc = write_settle(table->fdb, err);
  if (rc != SQLITE_OK) return rc;
  if (w->on_conflict == SQLITE_REPLACE && !w->now.replace)
    rc = write_send_replacing(w, &number, err);
  else
    rc = write_send(w, write_guards(w), number ? NULL : &number, err);
  if (rc == SQLITE_OK && number && table->rowid >= 0) *rowid = number;
  return rc;
}

/* The last row that was marked is here: send them all. */
static int write_change(struct write *w, struct fed_err *err)
{
  bool last = !w->batch || --w->marked <= 0;
  int rc;

  if (w->now.verb == WRITE_UPDATE && w->on_conflict == SQLITE_REPLACE &&
      !w->now.replace) {
    rc = write_settle(w->table->fdb, err);
    return rc == SQLITE_OK ? write_send_replacing(w, NULL, err) : rc;
  }
  if (write_aborts(w) && w->batch) {
    rc = write_wait(w, err);
    return rc == SQLITE_OK && last ? write_send_waiting(w, err) : rc;
  }
  rc = write_settle(w->table->fdb, err);
  return rc == SQLITE_OK ? write_send(w, write_guards(w), NULL, err) : rc;
}

static int write_delete(struct write *w, sqlite3_value *rowid,
                        struct fed_err *err)
{
  int rc;

  w->now.verb = WRITE_DELETE;
  rc = write_take_key(w, rowid, err);
  return rc == SQLITE_OK ? write_change(w, err) : rc;
}

static int write_modify(struct write *w, sqlite3_value **argv,
                        struct fed_err *err)
{
  struct fed_table *table = w->table;
  bool moved =
    sqlite3_value_int64(argv[0]) != sqlite3_value_int64(argv[1]); /* rowid = */
  int rc = SQLITE_OK;

  if (moved && table->rowid < 0)
    return fed_err_set(err, SQLITE_ERROR,
                       "the table has no integer key, so a rowid cannot be "
                       "set");
  w->now.verb = WRITE_UPDATE;
  w->now.replace =
    w->on_conflict == SQLITE_REPLACE && w->dialect == &fed_dialect_sqlite;
  for (int i = 0; i < table->rel.ncol && rc == SQLITE_OK; i++) {
    bool same = sqlite3_value_nochange(argv[2 + i]) != 0;

    if (same && i == table->rowid && moved)
      rc = write_give(w, i, argv[1], err);
    else if (!same && !write_defaults(w, i, argv[2 + i]))
      rc = write_give(w, i, argv[2 + i], err);
  }
  for (int i = 0; i < table->rel.ncol; i++)
    if (!sqlite3_value_nochange(argv[2 + i]) &&
        write_defaults(w, i, argv[2 + i]))
      w->now.column[w->now.ncol + w->now.ndefault++] = (int16_t)i;
  if (rc == SQLITE_OK) rc = write_take_key(w, argv[0], err);
  if (rc != SQLITE_OK) return rc;
  if (w->now.ncol + w->now.ndefault > 0) return write_change(w, err);
  if (!w->batch || --w->marked > 0 || table->fdb->waiting != table)
    return SQLITE_OK;
  return write_send_waiting(w, err);
}

/*
 * SQLite does what OR IGNORE and its like say only for the bare code. Of a
 * foreign key they say nothing.
 */
static int write_fail(struct write *w, sqlite3_vtab *vtab, struct fed_err *err)
{
  if ((err->rc & 0xff) == SQLITE_CONSTRAINT && w->on_conflict != SQLITE_ABORT &&
      err->rc != SQLITE_CONSTRAINT_FOREIGNKEY)
    err->rc = SQLITE_CONSTRAINT;
  if (strncmp(err->msg, "table '", 7) != 0) table_context(w->table, err);
  return table_fail(vtab, err);
}

int write_update(sqlite3_vtab *vtab, int argc, sqlite3_value **argv,
                 sqlite3_int64 *rowid)
{
  struct fed_table *table = table_of(vtab);
  struct fed_err err = FED_ERR_INIT;
  struct write *w = write_of(table, &err);
  int rc;

  if (!w) return table_fail(vtab, &err);
  rc = write_prepare(w, &err);
  w->now.ncol = w->now.ndefault = w->narg = 0;
  w->now.replace = false;
  if (rc == SQLITE_OK) {
    probe_forget(table->fdb);
    if (argc == 1)
      rc = write_delete(w, argv[0], &err);
    else if (sqlite3_value_type(argv[0]) == SQLITE_NULL)
      rc = write_insert(w, argv, rowid, &err);
    else
      rc = write_modify(w, argv, &err);
  }
  return rc == SQLITE_OK ? SQLITE_OK : write_fail(w, vtab, &err);
}
