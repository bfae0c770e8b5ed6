/*
 * rowid: rowids for rows that have no integer key.
 *
 * SQLite uses rowids to tell rows apart: `a = 1 OR b = 2` is two scans whose
 * rows are merged by rowid, a FULL JOIN marks the rows it has matched. Two
 * rows that are alike in every column the statement uses are interchangeable,
 * so a row is named by a hash of those columns and by which of its likes it
 * is: the first, second, third one met in this scan.
 */
#ifndef FED_VTAB_ROWID_H
#define FED_VTAB_ROWID_H

#include "base/err.h"
#include "base/value.h"

/* How often each row was met in one scan. Zero it before use. */
struct rowid_seen {
  struct rowid_slot *slot;
  size_t nslot, nused;
};

/* The hash of `n` values, good within this process. Never 0. */
uint64_t rowid_hash(const struct fed_value *row, int n);

/* The rowid of the row; counts it. Call once for each row. */
int rowid_of(struct rowid_seen *seen, const struct fed_value *row, int n,
             int64_t *out, struct fed_err *err);

/* Count the row, and take one of its counts back: true if there was one. */
int rowid_count(struct rowid_seen *seen, const struct fed_value *row, int n,
                struct fed_err *err);
bool rowid_uncount(struct rowid_seen *seen, const struct fed_value *row, int n);

void rowid_release(struct rowid_seen *seen);

#endif
