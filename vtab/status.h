/*
 * status: tables whose rows are gathered when a scan of them begins; with
 * arguments they are table-valued functions. They exist on every connection
 * without being created, and only direct SQL may read them.
 */
#ifndef FED_STATUS_H
#define FED_STATUS_H

#include "base/value.h"

struct fed_db;
struct fed_err;

/* The rows of a status table, gathered when a scan of it begins. */
struct status_rows {
  struct fed_value *value; /* ncol for each row; texts are owned */
  int ncol;
  int64_t nvalue, room;
  bool nomem;
  int argc; /* of a table-valued function: its arguments, borrowed */
  sqlite3_value **argv;
};

/* Append the next value of the present row. Text is copied, NULL is NULL. */
void status_int(struct status_rows *rows, int64_t i);
void status_real(struct status_rows *rows, double r);
void status_text(struct status_rows *rows, const char *text);
void status_text_or_null(struct status_rows *rows, const char *text); /* "" */
void status_null(struct status_rows *rows);
void status_value(struct status_rows *rows, const struct fed_value *value);
void status_clear(struct status_rows *rows);

struct status_table {
  const char *name;
  const char *columns; /* for CREATE TABLE x(...) */
  int ncol;            /* those that show */
  int nhidden;         /* behind them: arguments */
  int nmore;           /* behind those: arguments that need no name */
  int (*fill)(struct fed_db *fdb, struct status_rows *rows,
              struct fed_err *err);
  const char *usage; /* NULL: its name */
  const char *help;
};

#endif
