/*
 * fit: what becomes of a value that is written into a column of a server,
 * before it is sent. What was written shall read back as what a table of this
 * SQLite with the same declared type would hold; what the server would refuse,
 * cut, round or change is an error here. docs/types.md, "Writing", tells which.
 */
#ifndef FED_VTAB_FIT_H
#define FED_VTAB_FIT_H

#include "drv/dialect.h"

enum fit_unit {
  FIT_NO_LIMIT,
  FIT_CHARS, /* at most `limit` characters */
  FIT_BYTES, /* at most `limit` bytes */
  FIT_EXACT, /* `limit` bytes, neither more nor less */
};

/* One column, its type parsed. Borrows both; nothing to release. */
struct fit {
  const struct fed_dialect *dialect;
  const struct fed_column *col;
  int64_t min, max;   /* integers, where the type tells their width */
  enum fit_unit unit; /* texts and blobs */
  int64_t limit;
  int precision, scale; /* decimals, scaled reals; precision -1: any */
  int fraction;         /* digits behind the seconds */
  bool is_unsigned, is_bit, is_year;
};

/* Where a value is made that has to be another than the one given. */
struct fit_room {
  char text[48];
};

void fit_prepare(struct fit *fit, const struct fed_dialect *dialect,
                 const struct fed_column *col);

/*
 * Turn `value` into what is sent. *out borrows from `value` and from `room`,
 * until the next call with the same room. SQLITE_MISMATCH, SQLITE_TOOBIG with
 * a message that names the column, its type and the value, cut where long.
 */
int fit_value(const struct fit *fit, sqlite3_value *value,
              struct fit_room *room, struct fed_value *out,
              struct fed_err *err);
int fit_from(const struct fit *fit, const struct fed_value *value,
             struct fit_room *room, struct fed_value *out, struct fed_err *err);

/* ---- between the files of fit ------------------------------------------ */

/* "column 'qty' (smallint): 70000 is out of range" */
int fit_fail(const struct fit *fit, const struct fed_value *value,
             const char *why, struct fed_err *err);

/* SQLite's numeric affinity: a text that is a number becomes it. False: it is
 * none, and `value` is as it was. */
bool fit_number(struct fed_value *value);

int fit_decimal(const struct fit *fit, struct fit_room *room,
                struct fed_value *value, struct fed_err *err);
int fit_real(const struct fit *fit, struct fed_value *value,
             struct fed_err *err);
int fit_date(const struct fit *fit, const struct fed_value *value,
             struct fed_err *err);
int fit_text(const struct fit *fit, struct fit_room *room,
             struct fed_value *value, struct fed_err *err);

#endif
