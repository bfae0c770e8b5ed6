/* write_int.h: shared by the files of vtab/ that write. */
#ifndef FED_VTAB_WRITE_INT_H
#define FED_VTAB_WRITE_INT_H

#include "vtab/fit.h"
#include "vtab/map.h"
#include "vtab/rowid.h"
#include "vtab/write.h"

enum write_verb { WRITE_INSERT, WRITE_UPDATE, WRITE_DELETE };

/*
 * A statement for one row. Its arguments are the values of its columns, then
 * (not for INSERT) those of the key. Behind the columns stand those that UPDATE
 * sets to their default.
 */
struct write_stmt {
  enum write_verb verb;
  bool replace; /* it takes the place of rows that are in its way */
  int ncol, ndefault;
  int16_t *column; /* rel->ncol places */
};

struct write {
  struct fed_table *table;
  struct fed_server *server; /* borrowed for a call: table_server() */
  const struct fed_dialect *dialect;
  struct fed_wait wait;

  int nkey;
  int16_t *key;    /* columns that name a row, in the order of rel->col */
  struct map keys; /* keys of rows to be changed, where no integer is one */
  int64_t marked;  /* rows that were marked and not yet changed */
  bool batch;      /* that tells which one is the last */

  struct fit *fit;        /* one for each column, */
  struct fit_room *room;  /* and a room */
  struct fed_value *args; /* room for a row and two keys */
  struct write_stmt now;  /* of the row in `args`, */
  int narg;
  int on_conflict; /* SQLITE_ABORT, ... */

  struct write_stmt waits; /* of the rows in `waiting` */
  struct store waiting;
  int64_t nwaiting;
  bool deferred;            /* an error ends the transaction */
  struct fed_conn *loading; /* a load of such rows is open on it */
  int64_t sent;             /* rows by that load */

  struct write_stmt said; /* what `sql` does */
  char *sql;
};

/* ---- write.c ----------------------------------------------------------- */

/* Does a failure undo the statement, and nothing else? */
bool write_is_alone(sqlite3 *db);

/* ---- write_array.c ----------------------------------------------------- */

/* Can `n` rows of UPDATE or DELETE that wait go as arrays, by this statement?
 */
bool write_array_can(const struct write *w, int64_t n);
void write_array_sql(const struct write *w, struct fed_str *sql);

/* Argument `i` of it; `text` is released by the caller. */
int write_array_text(const struct write *w, const struct fed_value *row,
                     int64_t n, int i, struct fed_str *text,
                     struct fed_err *err);

/* ---- write_send.c ------------------------------------------------------ */

/* Send the row in w->args; undone by itself with `guard`. *number, where it is
 * not NULL, gets what the server made for the column of FED_FILL_NUMBER. */
int write_send(struct write *w, bool guard, int64_t *number,
               struct fed_err *err);

/* The row in w->args waits, until there are so many that they are sent. */
int write_wait(struct write *w, struct fed_err *err);

/* Send what waits. */
int write_send_waiting(struct write *w, struct fed_err *err);

/* Forget it; end a load. */
void write_forget(struct write *w);

/* As write_send(), for OR REPLACE: the rows that have the same values in a
 * unique key go first. What fails leaves them as they were. */
int write_send_replacing(struct write *w, int64_t *number, struct fed_err *err);

/* The column whose number the server makes when it is left out, or -1. */
int write_number_column(const struct fed_relation *rel);

#endif
