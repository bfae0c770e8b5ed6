/*
 * pg_load: loading rows, by COPY ... FROM STDIN.
 *
 * COPY tells no types (traps 2). So one batch of text is sent:
 *
 *     SELECT columns FROM t LIMIT 0; COPY t (columns) FROM STDIN ...
 *
 * whose first part tells the types and locks the table, so that they hold for
 * the second. A table that was altered takes no bytes of another type.
 *
 * Binary where all columns have a form that we make exactly, else text.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "drv/dialect.h"
#include "drv/pg.h"

#define LOAD_PUT  65536             /* so many bytes go to libpq at once */
#define LOAD_KEEP (4u * LOAD_PUT)   /* a buffer above that is not kept */
#define LOAD_MAX  ((size_t)1 << 30) /* the server's limit of a message */

struct fed_pg_load {
  const struct fed_relation *rel;
  const int16_t *column;
  int ncol;
  bool binary;
  int64_t rows;
  fed_pg_encode_fn **encode;
  struct fed_str buf; /* rows not yet given to libpq */
};

static void load_free(struct fed_pg_conn *pg)
{
  struct fed_pg_load *load = pg->load;

  if (!load) return;
  pg->load = NULL;
  fed_free(load->encode);
  fed_str_release(&load->buf);
  fed_free(load);
}

/* ---- beginning --------------------------------------------------------- */

static int load_new(struct fed_pg_conn *pg, const struct fed_relation *rel,
                    const int16_t *column, int ncol, struct fed_err *err)
{
  struct fed_pg_load *load = fed_alloc(sizeof *load);

  if (!load) return fed_err_nomem(err);
  fed_str_init(&load->buf, LOAD_MAX);
  load->encode = fed_calloc((size_t)ncol + 1, sizeof *load->encode);
  load->rel = rel;
  load->column = column;
  load->ncol = ncol;
  load->binary = true;
  for (int i = 0; i < ncol; i++)
    load->binary &= fed_pg_is_encodable(rel->col[column[i]].class);
  pg->load = load;
  if (load->encode) return SQLITE_OK;
  load_free(pg);
  return fed_err_nomem(err);
}

static void load_add_names(const struct fed_pg_load *load, struct fed_str *sql)
{
  for (int i = 0; i < load->ncol; i++) {
    if (i > 0) fed_str_add(sql, ", ");
    fed_dialect_name(&fed_dialect_pg, sql,
                     load->rel->col[load->column[i]].name);
  }
}

static int load_send(struct fed_pg_conn *pg, struct fed_err *err)
{
  const struct fed_pg_load *load = pg->load;
  struct fed_str sql;

  fed_str_init(&sql, FED_STR_SQL);
  if (fed_pg_must_open(pg)) fed_str_add(&sql, "RELEASE " FED_PG_GUARD "; ");
  fed_str_add(&sql, "SELECT ");
  load_add_names(load, &sql);
  fed_str_add(&sql, " FROM ");
  fed_dialect_relation(&fed_dialect_pg, &sql, load->rel);
  fed_str_add(&sql, " LIMIT 0; COPY ");
  fed_dialect_relation(&fed_dialect_pg, &sql, load->rel);
  fed_str_add(&sql, " (");
  load_add_names(load, &sql);
  fed_str_addf(&sql, ") FROM STDIN%s", load->binary ? " (FORMAT binary)" : "");
  if (fed_str_err(&sql, err) == SQLITE_OK && !PQsendQuery(pg->link, sql.s))
    fed_pg_lost(pg, err);
  fed_str_release(&sql);
  return err->rc;
}

static int load_check(struct fed_pg_load *load, const PGresult *res,
                      struct fed_err *err)
{
  if (PQnfields(res) != load->ncol)
    return fed_err_set(err, SQLITE_SCHEMA, "the table has %d columns, not %d",
                       PQnfields(res), load->ncol);
  for (int i = 0; i < load->ncol; i++) {
    const struct fed_column *col = &load->rel->col[load->column[i]];
    enum fed_class class = fed_pg_class(PQftype(res, i), PQfmod(res, i));

    load->encode[i] = fed_pg_encoder(PQftype(res, i), load->binary);
    if (class != col->class || !load->encode[i])
      return fed_err_set(err, SQLITE_SCHEMA,
                         "column '%s' is now %s (type oid %u), not %s",
                         col->name, fed_class_name(class), PQftype(res, i),
                         fed_class_name(col->class));
  }
  return SQLITE_OK;
}

/* Read on to the COPY. The server waits for rows then, whatever the types. */
static int load_answer(struct fed_pg_conn *pg, const struct fed_wait *wait,
                       struct fed_err *err)
{
  int types = SQLITE_OK;

  for (;;) {
    ExecStatusType status;
    PGresult *res;
    int rc = fed_pg_next(pg, wait, &res, err);

    if (rc != SQLITE_OK) return rc;
    if (!res) return fed_pg_lost(pg, err);
    status = PQresultStatus(res);
    if (status == PGRES_COMMAND_OK) {
      pg->guarded = FED_PG_OPEN;
    } else if (status == PGRES_TUPLES_OK) {
      types = load_check(pg->load, res, err);
    } else {
      rc = status == PGRES_COPY_IN ? types : fed_pg_fail(pg, res, err);
      PQclear(res);
      return rc;
    }
    PQclear(res);
  }
}

int fed_pg_load_begin(struct fed_conn *conn, const struct fed_relation *rel,
                      const int16_t *column, int ncol,
                      const struct fed_wait *wait, struct fed_err *err)
{
  static const char head[] = "PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0";
  struct fed_pg_conn *pg = fed_pg_of(conn);
  struct fed_err later = FED_ERR_INIT;
  int rc = fed_pg_ready(pg, false, wait, err);

  if (rc != SQLITE_OK) return rc;
  if (PQtransactionStatus(pg->link) == PQTRANS_IDLE || ncol < 1)
    return fed_err_set(err, SQLITE_MISUSE,
                       "a load needs a transaction, and columns");
  rc = load_new(pg, rel, column, ncol, err);
  if (rc != SQLITE_OK) return rc;
  rc = load_send(pg, err);
  if (rc != SQLITE_OK) {
    load_free(pg);
    return rc;
  }
  rc = fed_pg_flush(pg, wait, err);
  if (rc == SQLITE_OK) rc = load_answer(pg, wait, err);
  if (rc != SQLITE_OK)
    fed_pg_load_stop(pg, wait, &later);
  else if (pg->load->binary)
    fed_str_addn(&pg->load->buf, head, sizeof head);
  return rc;
}

/* ---- ending ------------------------------------------------------------ */

/* Tell the server that no more comes, with `why` that nothing is to stay. */
static int load_close(struct fed_pg_conn *pg, const char *why,
                      const struct fed_wait *wait, struct fed_err *err)
{
  int n;

  while ((n = PQputCopyEnd(pg->link, why)) == 0) {
    int rc = fed_pg_flush(pg, wait, err);

    if (rc != SQLITE_OK) return rc;
  }
  return n < 0 ? fed_pg_lost(pg, err) : SQLITE_OK;
}

/*
 * The caller may have no time left: the clean-up has some of its own. Outside
 * of COPY what still runs is cancelled.
 */
int fed_pg_load_stop(struct fed_pg_conn *pg, const struct fed_wait *wait,
                     struct fed_err *err)
{
  struct fed_wait all = {fed_clock_deadline(FED_PG_CLEANUP_MS), NULL, NULL};
  struct fed_err ignored = FED_ERR_INIT;
  struct fed_pg_done done = {.ended = false};

  load_free(pg);
  if (!wait || pg->base.broken) return SQLITE_OK;
  /* -1: no COPY has begun yet. */
  PQputCopyEnd(pg->link, "the load was given up");
  fed_pg_finish(pg, &all, NULL, NULL, &done, &ignored);
  if (!pg->base.broken) return SQLITE_OK;
  return fed_err_set(err, SQLITE_IOERR, "cannot stop the load");
}

/* A failure that is ours: the load is over with it. */
static int load_fail(struct fed_pg_conn *pg, const struct fed_wait *wait,
                     struct fed_err *err)
{
  struct fed_err later = FED_ERR_INIT;

  fed_pg_load_stop(pg, wait, &later);
  return err->rc;
}

/*
 * The context of a server's error ends in "COPY t, line 12, column a: ...",
 * in the language of its messages. Where it does not begin with just that, it
 * is not known which row it was.
 */
void fed_pg_load_blame(struct fed_pg_conn *pg, const PGresult *res,
                       struct fed_err *err)
{
  const char *context = PQresultErrorField(res, PG_DIAG_CONTEXT);
  const char *name = pg->load->rel->name, *at;
  struct fed_str head;
  long long row = 0;

  if (!context) return;
  fed_str_init(&head, 1024);
  fed_str_addf(&head, "COPY %s, line ", name);
  at = strstr(context, head.s);
  if (at && !head.nomem && !head.full && (at == context || at[-1] == '\n'))
    row = strtoll(at + head.len, NULL, 10);
  if (row > 0 && row <= pg->load->rows) fed_err_prefix(err, "row %lld: ", row);
  fed_str_release(&head);
}

/* ---- rows -------------------------------------------------------------- */

static int load_put(struct fed_pg_conn *pg, const struct fed_wait *wait,
                    struct fed_err *err)
{
  struct fed_str *buf = &pg->load->buf;
  size_t at = 0;

  while (at < buf->len) {
    size_t some = buf->len - at < LOAD_PUT ? buf->len - at : LOAD_PUT;
    int n = PQputCopyData(pg->link, buf->s + at, (int)some);
    int rc;

    if (n < 0) return fed_pg_lost(pg, err);
    if (n > 0) at += some;
    rc = fed_pg_flush(pg, wait, err);
    if (rc != SQLITE_OK) return rc;
  }
  if (buf->room <= LOAD_KEEP) {
    fed_str_reset(buf);
    return SQLITE_OK;
  }
  fed_str_release(buf);
  fed_str_init(buf, LOAD_MAX);
  return SQLITE_OK;
}

static void load_u32(struct fed_str *buf, size_t at, uint32_t v)
{
  v = htobe32(v);
  memcpy(buf->s + at, &v, sizeof v);
}

/* A field with its length before it, or in text with what parts it from the
 * one before. NULL has a mark of its own in both. */
static bool load_field(struct fed_pg_load *load, int i,
                       const struct fed_value *v, const char **why)
{
  struct fed_str *buf = &load->buf;
  size_t at = buf->len;

  if (!load->binary) {
    if (i > 0) fed_str_addc(buf, '\t');
    if (v->type != FED_NULL) return load->encode[i](buf, v, why);
    fed_str_add(buf, "\\N");
    return true;
  }
  fed_str_addn(buf, "\377\377\377\377", 4);
  if (v->type == FED_NULL) return true;
  if (!load->encode[i](buf, v, why)) return false;
  if (!buf->nomem && !buf->full)
    load_u32(buf, at, (uint32_t)(buf->len - at - 4));
  return true;
}

int fed_pg_load_row(struct fed_conn *conn, const struct fed_value *row,
                    const struct fed_wait *wait, struct fed_err *err)
{
  struct fed_pg_conn *pg = fed_pg_of(conn);
  struct fed_pg_load *load = pg->load;
  uint16_t count;

  if (!load) return fed_err_set(err, SQLITE_MISUSE, "no load is open");
  load->rows++;
  count = htobe16((uint16_t)load->ncol);
  if (load->binary) fed_str_addn(&load->buf, &count, sizeof count);
  for (int i = 0; i < load->ncol; i++) {
    const char *why = NULL;

    if (load_field(load, i, &row[i], &why)) continue;
    fed_err_set(err, SQLITE_ERROR, "row %lld: column '%s': %s",
                (long long)load->rows, load->rel->col[load->column[i]].name,
                why);
    return load_fail(pg, wait, err);
  }
  if (!load->binary) fed_str_addc(&load->buf, '\n');
  if (fed_str_err(&load->buf, err) != SQLITE_OK) {
    fed_err_prefix(err, "row %lld: ", (long long)load->rows);
    return load_fail(pg, wait, err);
  }
  if (load->buf.len < LOAD_PUT) return SQLITE_OK;
  if (load_put(pg, wait, err) == SQLITE_OK) return SQLITE_OK;
  return load_fail(pg, wait, err);
}

/* All is sent: what has the server made of it? */
static int load_finish(struct fed_pg_conn *pg, const struct fed_wait *wait,
                       struct fed_err *err)
{
  struct fed_pg_done done = {.keep = true};
  long long loaded = -1;
  int rc = fed_pg_finish(pg, wait, NULL, NULL, &done, err);

  if (done.last) loaded = strtoll(PQcmdTuples(done.last), NULL, 10);
  PQclear(done.last);
  /* A trigger can leave out rows without a word; a caller that was told of no
   * error takes them for stored. */
  if (rc == SQLITE_OK && loaded != pg->load->rows)
    rc = fed_err_set(err, SQLITE_ERROR,
                     "the server stored %lld rows of %lld: a trigger may have "
                     "left out the others",
                     loaded, (long long)pg->load->rows);
  load_free(pg);
  return rc;
}

int fed_pg_load_end(struct fed_conn *conn, bool keep,
                    const struct fed_wait *wait, struct fed_err *err)
{
  struct fed_pg_conn *pg = fed_pg_of(conn);
  int rc;

  if (!pg->load) return fed_err_set(err, SQLITE_MISUSE, "no load is open");
  if (!keep) return fed_pg_load_stop(pg, wait, err);
  if (pg->load->binary) fed_str_addn(&pg->load->buf, "\377\377", 2);
  if (fed_str_err(&pg->load->buf, err) != SQLITE_OK)
    return load_fail(pg, wait, err);
  rc = load_put(pg, wait, err);
  if (rc == SQLITE_OK) rc = load_close(pg, NULL, wait, err);
  return rc == SQLITE_OK ? load_finish(pg, wait, err)
                         : load_fail(pg, wait, err);
}
