/*
 * map: rows by the hash of a key, in the order in which they came. Whoever
 * looks one up compares: rows with other keys may have the same hash.
 */
#ifndef FED_VTAB_MAP_H
#define FED_VTAB_MAP_H

#include "vtab/store.h"

struct map {
  struct store rows;
  struct map_entry *entry; /* one for each row, from 1 */
  uint32_t n, room;
  struct map_slot *slot; /* a power of two of chains */
  uint32_t nslot;
};

/* The most rows that a map holds: their entries take 16 bytes each. */
#define MAP_ROWS_MAX ((int64_t)2 << 20)

/* As store_init(). A zeroed map may be cleared, too. */
void map_init(struct map *map, int ncol, size_t limit);

/* Append a copy of the row; SQLITE_FULL if there are too many. */
int map_add(struct map *map, uint64_t hash, const struct fed_value *row,
            struct fed_err *err);

/* The first entry with this hash, the one behind `at`; 0 is none. */
uint32_t map_first(const struct map *map, uint64_t hash);
uint32_t map_next(const struct map *map, uint32_t at, uint64_t hash);

/* The row of an entry, as store_read() gives it. */
int map_read(struct map *map, uint32_t at, struct fed_value *row,
             struct fed_err *err);

void map_clear(struct map *map);

#endif
