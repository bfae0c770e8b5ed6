/* db: what dbfed keeps for one SQLite connection, and calls back into it. */
#include "base/mem.h"
#include "vtab/write.h"

static struct fed_db *db_new(sqlite3 *db, const struct fed_help *help)
{
  struct fed_db *fdb = fed_alloc(sizeof *fdb);

  if (!fdb) return NULL;
  fdb->db = db;
  fdb->refs = 1;
  fdb->help = help;
  fed_list_init(&fdb->tables);
  fed_list_init(&fdb->fetches);
  fed_list_init(&fdb->attached);
  fed_list_init(&fdb->trusted);
  fed_list_init(&fdb->unpushed);
  return fdb;
}

struct fed_db *fed_db_ref(struct fed_db *fdb)
{
  fdb->refs++;
  return fdb;
}

void fed_db_unref(void *arg)
{
  struct fed_db *fdb = arg;

  if (!fdb || --fdb->refs > 0) return;
  attach_release(fdb);
  trust_release(fdb);
  pushdown_release(fdb);
  /* The observer's module may go after ours, and take the last of it along. */
  if (fdb->tx) fed_tx_set_calls(fdb->tx, &(struct fed_tx_calls){.ctx = NULL});
  fed_tx_unref(fdb->tx);
  if (fdb->kept_release) fdb->kept_release(fdb->kept);
  fed_free(fdb);
}

/*
 * SQLite has no call that asks "interrupted?" before 3.41. A statement
 * stepped on the same handle fails at once if so; it is prepared each time,
 * as one kept would make sqlite3_close() say SQLITE_BUSY. Asked every 50 ms.
 */
static bool db_interrupted(void *arg)
{
  struct fed_db *fdb = arg;
  sqlite3_stmt *stmt = NULL;
  int64_t now = fed_clock_ms();
  int rc;

  /* Drivers ask at the start of each call: a thousand look-ups a second need
   * not all pay for it. */
  if (now < fdb->next_look) return false;
  rc = sqlite3_prepare_v2(fdb->db, "SELECT 1", -1, &stmt, NULL);
  if (rc == SQLITE_OK) rc = sqlite3_step(stmt);
  sqlite3_finalize(stmt);
  if (rc != SQLITE_INTERRUPT) fdb->next_look = now + FED_WAIT_SLICE / 2;
  return rc == SQLITE_INTERRUPT;
}

struct fed_wait fed_db_wait(struct fed_db *fdb)
{
  return (struct fed_wait){
    .deadline = FED_WAIT_FOREVER, .interrupted = db_interrupted, .arg = fdb};
}

/*
 * A change of any setting does it. This one is changed back at once; neither
 * value is in force while a statement is planned.
 */
void db_expire(struct fed_db *fdb)
{
  int was = 0;

  sqlite3_db_config(fdb->db, SQLITE_DBCONFIG_ENABLE_QPSG, -1, &was);
  sqlite3_db_config(fdb->db, SQLITE_DBCONFIG_ENABLE_QPSG, !was, NULL);
  sqlite3_db_config(fdb->db, SQLITE_DBCONFIG_ENABLE_QPSG, was, NULL);
}

int db_error(struct fed_db *fdb, int rc, struct fed_err *err)
{
  if ((rc & 0xff) == SQLITE_NOMEM) return fed_err_nomem(err);
  return fed_err_set(err, rc, "%s", sqlite3_errmsg(fdb->db));
}

static int db_vprepare(struct fed_db *fdb, sqlite3_stmt **out,
                       struct fed_err *err, const char *fmt, va_list ap)
{
  char *sql = sqlite3_vmprintf(fmt, ap);
  int rc;

  *out = NULL;
  if (!sql) return fed_err_nomem(err);
  rc = sqlite3_prepare_v2(fdb->db, sql, -1, out, NULL);
  sqlite3_free(sql);
  return rc == SQLITE_OK ? SQLITE_OK : db_error(fdb, rc, err);
}

int db_prepare(struct fed_db *fdb, sqlite3_stmt **out, struct fed_err *err,
               const char *fmt, ...)
{
  va_list ap;
  int rc;

  va_start(ap, fmt);
  rc = db_vprepare(fdb, out, err, fmt, ap);
  va_end(ap);
  return rc;
}

int db_exec(struct fed_db *fdb, struct fed_err *err, const char *fmt, ...)
{
  sqlite3_stmt *stmt = NULL;
  va_list ap;
  int rc;

  va_start(ap, fmt);
  rc = db_vprepare(fdb, &stmt, err, fmt, ap);
  va_end(ap);
  if (rc != SQLITE_OK) return rc;
  while ((rc = sqlite3_step(stmt)) == SQLITE_ROW)
    continue;
  if (rc != SQLITE_DONE) db_error(fdb, rc, err);
  sqlite3_finalize(stmt);
  return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/*
 * SQLITE_SCHEMA would make SQLite prepare and run the whole statement again,
 * many times, with all that it does.
 */
int fed_err_code(const struct fed_err *err)
{
  return err->rc == SQLITE_SCHEMA ? SQLITE_ERROR : err->rc;
}

void fed_result_err(sqlite3_context *ctx, const struct fed_err *err)
{
  if (err->rc == SQLITE_NOMEM) {
    sqlite3_result_error_nomem(ctx);
    return;
  }
  sqlite3_result_error(ctx, err->msg, -1);
  sqlite3_result_error_code(ctx, fed_err_code(err));
}

struct fed_value fed_value_from(sqlite3_value *value)
{
  switch (sqlite3_value_type(value)) {
  case SQLITE_INTEGER:
    return fed_value_int(sqlite3_value_int64(value));
  case SQLITE_FLOAT:
    return fed_value_real(sqlite3_value_double(value));
  case SQLITE_TEXT: {
    const void *text = sqlite3_value_text(value);

    return fed_value_text(text, sqlite3_value_bytes(value));
  }
  case SQLITE_BLOB: {
    const void *blob = sqlite3_value_blob(value);

    return fed_value_blob(blob, sqlite3_value_bytes(value));
  }
  default:
    return fed_value_null();
  }
}

/* ---- registration ------------------------------------------------------ */

static void db_free_aux(void *arg)
{
  struct status_aux *aux = arg;

  fed_db_unref(aux->fdb);
  fed_free(aux);
}

static int db_register_status(struct fed_db *fdb,
                              const struct status_table *def,
                              struct fed_err *err)
{
  struct status_aux *aux = fed_alloc(sizeof *aux);
  int rc;

  if (!aux) return fed_err_nomem(err);
  aux->fdb = fed_db_ref(fdb);
  aux->def = def;
  /* SQLite calls db_free_aux if this fails, too. */
  rc = sqlite3_create_module_v2(fdb->db, def->name, &status_module, aux,
                                db_free_aux);
  if (rc != SQLITE_OK)
    fed_err_set(err, rc, "cannot register table %s", def->name);
  return rc;
}

static int db_register_table(struct fed_db *fdb, const char *name,
                             struct fed_err *err)
{
  int rc = sqlite3_create_module_v2(fdb->db, name, &fed_table_module,
                                    fed_db_ref(fdb), fed_db_unref);

  if (rc != SQLITE_OK) fed_err_set(err, rc, "cannot register module %s", name);
  return rc;
}

static int db_register_statuses(struct fed_db *fdb,
                                const struct status_table *def,
                                struct fed_err *err)
{
  int rc = SQLITE_OK;

  for (; def->name && rc == SQLITE_OK; def++)
    rc = db_register_status(fdb, def, err);
  return rc;
}

sqlite3 *fed_db_handle(const struct fed_db *fdb)
{
  return fdb->db;
}

void fed_db_keep(struct fed_db *fdb, void *data, void (*release)(void *))
{
  fdb->kept = data;
  fdb->kept_release = release;
}

void *fed_db_kept(const struct fed_db *fdb)
{
  return fdb->kept;
}

int fed_vtab_register(sqlite3 *db, const struct fed_help *help,
                      const struct status_table *more, struct fed_db **out,
                      struct fed_err *err)
{
  struct fed_db *fdb = db_new(db, help);
  int rc;

  if (!fdb) return fed_err_nomem(err);
  fdb->more = more;
  rc = fed_tx_new(db, &fdb->tx, err);
  if (rc == SQLITE_OK) write_register(fdb);
  if (rc == SQLITE_OK) rc = db_register_table(fdb, "fed", err);
  if (rc == SQLITE_OK) rc = db_register_table(fdb, "fed_query", err);
  if (rc == SQLITE_OK) rc = db_register_statuses(fdb, status_tables, err);
  if (rc == SQLITE_OK) rc = db_register_statuses(fdb, more, err);
  if (rc == SQLITE_OK)
    *out = fdb;
  else
    fed_db_unref(fdb);
  return rc;
}
