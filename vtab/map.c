#include "vtab/map.h"

#include "base/mem.h"

struct map_entry {
  store_pos pos;
  uint32_t hash;
  uint32_t next; /* entry of the same chain, 0 none */
};

/* A chain keeps its order: rows are appended. */
struct map_slot {
  uint32_t first, last;
};

void map_init(struct map *map, int ncol, size_t limit)
{
  memset(map, 0, sizeof *map);
  store_init(&map->rows, ncol, limit);
}

void map_clear(struct map *map)
{
  store_clear(&map->rows);
  fed_free(map->entry);
  fed_free(map->slot);
  map->entry = NULL;
  map->slot = NULL;
  map->n = map->room = map->nslot = 0;
}

static void map_link(struct map *map, uint32_t at)
{
  struct map_entry *entry = &map->entry[at - 1];
  struct map_slot *slot = &map->slot[entry->hash & (map->nslot - 1)];

  entry->next = 0;
  if (slot->last)
    map->entry[slot->last - 1].next = at;
  else
    slot->first = at;
  slot->last = at;
}

static int map_grow(struct map *map, struct fed_err *err)
{
  uint32_t room = map->room ? map->room * 2 : 64;
  struct map_entry *entry;
  struct map_slot *slot;

  if (map->n < map->room) return SQLITE_OK;
  entry = fed_realloc(map->entry, room * sizeof *entry);
  if (!entry) return fed_err_nomem(err);
  map->entry = entry;
  slot = fed_calloc(room, sizeof *slot);
  if (!slot) return fed_err_nomem(err);
  fed_free(map->slot);
  map->slot = slot;
  map->nslot = map->room = room;
  for (uint32_t at = 1; at <= map->n; at++)
    map_link(map, at);
  return SQLITE_OK;
}

int map_add(struct map *map, uint64_t hash, const struct fed_value *row,
            struct fed_err *err)
{
  store_pos pos;
  int rc;

  if (map->n >= MAP_ROWS_MAX)
    return fed_err_set(err, SQLITE_FULL, "too many rows to keep for a join");
  rc = map_grow(map, err);
  if (rc == SQLITE_OK) rc = store_add(&map->rows, row, &pos, err);
  if (rc != SQLITE_OK) return rc;
  map->entry[map->n++] = (struct map_entry){.pos = pos, .hash = (uint32_t)hash};
  map_link(map, map->n);
  return SQLITE_OK;
}

static uint32_t map_same(const struct map *map, uint32_t at, uint64_t hash)
{
  while (at && map->entry[at - 1].hash != (uint32_t)hash)
    at = map->entry[at - 1].next;
  return at;
}

uint32_t map_first(const struct map *map, uint64_t hash)
{
  if (map->n == 0) return 0;
  return map_same(map, map->slot[(uint32_t)hash & (map->nslot - 1)].first,
                  hash);
}

uint32_t map_next(const struct map *map, uint32_t at, uint64_t hash)
{
  return map_same(map, map->entry[at - 1].next, hash);
}

int map_read(struct map *map, uint32_t at, struct fed_value *row,
             struct fed_err *err)
{
  store_pos pos = map->entry[at - 1].pos;
  int rc = store_read(&map->rows, &pos, row, err);

  if (rc == SQLITE_DONE)
    return fed_err_set(err, SQLITE_CORRUPT, "a kept row is missing");
  return rc == SQLITE_ROW ? SQLITE_OK : rc;
}
