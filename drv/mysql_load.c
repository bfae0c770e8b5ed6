/*
 * mysql_load: rows into a table, the fastest way there is: arrays of values
 * bound to one INSERT, where server and library know that (MariaDB's do), else
 * INSERTs of many rows with the values in their text. LOAD DATA LOCAL is no
 * faster, and stays off.
 */
#include <stdio.h>

#include "base/mem.h"
#include "drv/mysql.h"

struct fed_mysql_load {
  const struct fed_relation *rel;
  struct fed_mysql_rows rows;
  struct fed_str sql; /* INSERT .. VALUES, then what rows follow */
  size_t head;
  MYSQL_STMT *stmt; /* NULL: as text */
  int64_t sent;
};

void fed_mysql_load_over(struct fed_mysql *c)
{
  struct fed_mysql_load *load = c->load;

  if (!load) return;
  c->load = NULL;
  if (load->stmt) fed_mysql_run_close(c, load->stmt);
  fed_mysql_rows_release(&load->rows);
  fed_str_release(&load->sql);
  fed_free(load);
}

/* "INSERT INTO t (a, b) VALUES " without the placeholders. */
static int load_head(struct fed_mysql_load *load, const int16_t *column,
                     int ncol, struct fed_err *err)
{
  fed_dialect_insert(&fed_dialect_mysql, &load->sql, load->rel, column, ncol, 1,
                     false);
  if (fed_str_err(&load->sql, err) != SQLITE_OK) return err->rc;
  /* "(?, ?)", or "()" of no columns */
  load->head = load->sql.len - (ncol ? 3 * (size_t)ncol : 2);
  return SQLITE_OK;
}

static int load_prepare(struct fed_mysql *c, struct fed_mysql_load *load,
                        const struct fed_wait *wait, struct fed_err *err)
{
  int rc;

  load->stmt = mysql_stmt_init(c->mysql);
  if (!load->stmt) return fed_err_nomem(err);
  rc = fed_mysql_run_prepare(c, load->stmt, load->sql.s, wait, err);
  if (rc != SQLITE_OK || fed_mysql_lib_bulk(load->stmt)) return rc;
  fed_mysql_run_close(c, load->stmt);
  load->stmt = NULL;
  return SQLITE_OK;
}

int fed_mysql_load_begin(struct fed_conn *conn, const struct fed_relation *rel,
                         const int16_t *column, int ncol,
                         const struct fed_wait *wait, struct fed_err *err)
{
  struct fed_mysql *c = fed_mysql_of(conn);
  struct fed_mysql_load *load;
  int rc = fed_mysql_usable(c, err);

  if (rc != SQLITE_OK) return rc;
  if (c->load)
    return fed_err_set(err, SQLITE_MISUSE, "another load has not ended");
  if (!(load = fed_alloc(sizeof *load))) return fed_err_nomem(err);
  c->load = load;
  load->rel = rel;
  fed_str_init(&load->sql, FED_STR_SQL);
  rc = load_head(load, column, ncol, err);
  if (rc == SQLITE_OK)
    rc = fed_mysql_rows_init(&load->rows, c, ncol, INT32_MAX, true, err);
  /* An array of nothing is none. */
  if (rc == SQLITE_OK && ncol > 0) rc = load_prepare(c, load, wait, err);
  if (rc != SQLITE_OK) fed_mysql_load_over(c);
  return rc;
}

/* ---- which row it was --------------------------------------------------- */

/* Send the rows from `from` to before `to` as text. */
static int load_text(struct fed_mysql *c, struct fed_mysql_load *load, int from,
                     int to, const struct fed_wait *wait, struct fed_err *err)
{
  int rc;

  load->sql.len = load->head;
  fed_mysql_rows_text(&load->rows, from, to, &load->sql);
  rc = fed_str_err(&load->sql, err);
  if (rc == SQLITE_OK) rc = fed_mysql_fits(c, load->sql.len, err);
  return rc == SQLITE_OK ? fed_mysql_run_exec(c, load->sql.s, wait, err) : rc;
}

/*
 * Has the failed statement undone itself? Not in an engine without
 * transactions; of a view this is not known.
 */
static bool load_undone(struct fed_mysql *c, const struct fed_relation *rel,
                        const struct fed_wait *wait)
{
  struct fed_err ignored = FED_ERR_INIT;
  struct fed_str sql;
  MYSQL_RES *rows = NULL;
  MYSQL_ROW row;
  bool undone;

  fed_str_init(&sql, FED_STR_SQL);
  fed_str_add(&sql, "SELECT e.TRANSACTIONS FROM information_schema.TABLES t "
                    "JOIN information_schema.ENGINES e ON e.ENGINE = t.ENGINE "
                    "WHERE t.TABLE_NAME = ");
  fed_mysql_quote(c, &sql, rel->name);
  fed_str_add(&sql, " AND t.TABLE_SCHEMA = ");
  if (rel->schema[0])
    fed_mysql_quote(c, &sql, rel->schema);
  else
    fed_str_add(&sql, "DATABASE()");
  if (fed_str_err(&sql, &ignored) == SQLITE_OK)
    fed_mysql_run_rows(c, sql.s, &rows, wait, &ignored);
  row = rows ? mysql_fetch_row(rows) : NULL;
  undone = row && row[0] && strcmp(row[0], "YES") == 0;
  mysql_free_result(rows);
  fed_str_release(&sql);
  return undone;
}

/* Of a statement of one row every error is "at row 1". */
static void load_cut(struct fed_err *err)
{
  static const char of_one[] = " at row 1";
  char *at = strstr(err->msg, " at row 1 (MySQL error ");

  if (at) memmove(at, at + strlen(of_one), strlen(at + strlen(of_one)) + 1);
}

/*
 * The server tells the row of some errors only, and not each server of the
 * same ones. But as the statement is undone and all of the load will be, it can
 * be tried again row by row: the same error is that row's.
 */
static void load_blame(struct fed_mysql *c, struct fed_mysql_load *load,
                       const struct fed_wait *wait, struct fed_err *err)
{
  struct fed_err one = FED_ERR_INIT;
  int n = 0;

  if (c->head.broken || c->head.ended || !err->native ||
      err->rc == SQLITE_BUSY || err->rc == SQLITE_INTERRUPT ||
      !load_undone(c, load->rel, wait))
    return;
  while (n < load->rows.n &&
         load_text(c, load, n, n + 1, wait, &one) == SQLITE_OK)
    n++;
  if (n == load->rows.n || one.native != err->native) return;
  load_cut(&one);
  *err = one;
  fed_err_prefix(err, "row %lld: ", (long long)load->sent + n + 1);
}

/* ---- rows ---------------------------------------------------------------- */

static int load_send(struct fed_mysql *c, struct fed_mysql_load *load,
                     const struct fed_wait *wait, struct fed_err *err)
{
  my_ulonglong changes;
  int rc = load->stmt
             ? fed_mysql_rows_execute(c, load->stmt, &load->rows, wait, err)
             : load_text(c, load, 0, load->rows.n, wait, err);

  if (rc != SQLITE_OK) return rc;
  changes = load->stmt ? mysql_stmt_affected_rows(load->stmt)
                       : mysql_affected_rows(c->mysql);
  if (changes == (my_ulonglong)load->rows.n) return SQLITE_OK;
  return fed_err_set(err, SQLITE_ERROR, "the server took %lld rows of %d",
                     (long long)changes, load->rows.n);
}

static int load_flush(struct fed_mysql *c, struct fed_mysql_load *load,
                      const struct fed_wait *wait, struct fed_err *err)
{
  int rc;

  if (load->rows.n == 0) return SQLITE_OK;
  rc = load_send(c, load, wait, err);
  if (rc != SQLITE_OK) {
    load_blame(c, load, wait, err);
    return err->rc;
  }
  load->sent += load->rows.n;
  fed_mysql_rows_clear(&load->rows);
  return SQLITE_OK;
}

int fed_mysql_load_row(struct fed_conn *conn, const struct fed_value *row,
                       const struct fed_wait *wait, struct fed_err *err)
{
  struct fed_mysql *c = fed_mysql_of(conn);
  struct fed_mysql_load *load = c->load;
  int rc;

  if (!load) return fed_err_set(err, SQLITE_MISUSE, "there is no load");
  rc = fed_mysql_rows_add(&load->rows, row, err);
  if (rc == SQLITE_OK) return rc;
  if (rc == SQLITE_FULL) {
    rc = load_flush(c, load, wait, err);
    if (rc == SQLITE_OK) rc = fed_mysql_rows_add(&load->rows, row, err);
    if (rc == SQLITE_OK) return rc;
  } else if (rc != SQLITE_NOMEM) {
    fed_err_prefix(err, "row %lld: ", (long long)load->sent + load->rows.n + 1);
  }
  fed_mysql_load_over(c);
  return rc;
}

int fed_mysql_load_end(struct fed_conn *conn, bool keep,
                       const struct fed_wait *wait, struct fed_err *err)
{
  struct fed_mysql *c = fed_mysql_of(conn);
  int rc = SQLITE_OK;

  if (!c->load) return fed_err_set(err, SQLITE_MISUSE, "there is no load");
  if (keep) rc = load_flush(c, c->load, wait, err);
  fed_mysql_load_over(c);
  return rc;
}
