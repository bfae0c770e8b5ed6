/*
 * store: rows kept, to be read again or later. They stay in memory up to a
 * limit, the rest goes to an unlinked temporary file.
 */
#ifndef FED_VTAB_STORE_H
#define FED_VTAB_STORE_H

#include <stdio.h>

#include "base/err.h"
#include "base/value.h"

/* Where a row stands. The first one of a store stands at 0. */
typedef uint64_t store_pos;

struct store_block; /* some rows, one behind the other */

struct store {
  int ncol;
  size_t limit;  /* bytes to keep in memory */
  size_t memory; /* bytes in memory now */
  int64_t nrow;
  struct store_block *block;
  size_t nblock, room;
  FILE *file; /* NULL while everything is in memory */
  int64_t file_size;
  char *window; /* bytes read from the file last */
  size_t window_room, window_len;
  int64_t window_pos;
};

/* For rows of `ncol` values; nothing is allocated yet. A zeroed store may be
 * released, too. */
void store_init(struct store *store, int ncol, size_t limit);

/* Append a copy of the row; *at (may be NULL) is where it stands. */
int store_add(struct store *store, const struct fed_value *row, store_pos *at,
              struct fed_err *err);

/*
 * Read the row at *at into `row` (ncol values) and move *at behind it:
 * SQLITE_ROW, SQLITE_DONE behind the last row, or an error. Values in memory
 * are good while the store lives; those from the file until the next read.
 */
int store_read(struct store *store, store_pos *at, struct fed_value *row,
               struct fed_err *err);

/* Forget all rows; the store may be used again. */
void store_clear(struct store *store);

#endif
