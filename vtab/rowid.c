#include "vtab/rowid.h"

#include <stdatomic.h>

#include "base/mem.h"

struct rowid_slot {
  uint64_t hash; /* 0: free */
  uint64_t count;
};

/* Multiply to 128 bits and fold: every input bit reaches every output bit. */
static uint64_t rowid_mix(uint64_t a, uint64_t b)
{
  __extension__ unsigned __int128 product = (unsigned __int128)a * b;

  return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/*
 * Not to be known beforehand, so that nobody makes rows that collide; the
 * same throughout the process, as one statement may have several cursors.
 */
static uint64_t rowid_seed(void)
{
  static atomic_uint_fast64_t seed;
  uint64_t now = atomic_load(&seed);
  uint64_t none = 0;

  if (now) return now;
  sqlite3_randomness(sizeof now, &now);
  now |= 1;
  return atomic_compare_exchange_strong(&seed, &none, now) ? now : none;
}

static uint64_t rowid_bytes(uint64_t h, const char *p, size_t n)
{
  while (n > 0) {
    uint64_t word = 0;
    size_t take = n < sizeof word ? n : sizeof word;

    memcpy(&word, p, take);
    h = rowid_mix(h ^ word, 0x9E3779B97F4A7C15u);
    p += take;
    n -= take;
  }
  return h;
}

static uint64_t rowid_value(uint64_t h, const struct fed_value *value)
{
  uint64_t bits = 0;

  h = rowid_mix(h ^ (uint64_t)(value->type + 1), 0xD6E8FEB86659FD93u);
  switch (value->type) {
  case FED_NULL:
    return h;
  case FED_INT:
  case FED_REAL:
    memcpy(&bits, &value->i, sizeof bits);
    return rowid_mix(h ^ bits, 0x9E3779B97F4A7C15u);
  case FED_TEXT:
  case FED_BLOB:
    h = rowid_mix(h ^ (uint64_t)value->size, 0xD6E8FEB86659FD93u);
    return rowid_bytes(h, value->p, (size_t)value->size);
  }
  return h;
}

static struct rowid_slot *rowid_find(struct rowid_seen *seen, uint64_t hash)
{
  size_t i = hash & (seen->nslot - 1);

  while (seen->slot[i].hash && seen->slot[i].hash != hash)
    i = (i + 1) & (seen->nslot - 1);
  return &seen->slot[i];
}

/* Keep the table at most half full. */
static int rowid_grow(struct rowid_seen *seen, struct fed_err *err)
{
  struct rowid_seen bigger = {.nslot = seen->nslot ? seen->nslot * 2 : 64,
                              .nused = seen->nused};

  if (seen->nused * 2 < seen->nslot) return SQLITE_OK;
  bigger.slot = fed_calloc(bigger.nslot, sizeof *bigger.slot);
  if (!bigger.slot) return fed_err_nomem(err);
  for (size_t i = 0; i < seen->nslot; i++)
    if (seen->slot[i].hash)
      *rowid_find(&bigger, seen->slot[i].hash) = seen->slot[i];
  fed_free(seen->slot);
  *seen = bigger;
  return SQLITE_OK;
}

uint64_t rowid_hash(const struct fed_value *row, int n)
{
  uint64_t hash = rowid_seed();

  for (int i = 0; i < n; i++)
    hash = rowid_value(hash, &row[i]);
  return hash ? hash : 1;
}

static int rowid_enter(struct rowid_seen *seen, const struct fed_value *row,
                       int n, struct rowid_slot **out, struct fed_err *err)
{
  uint64_t hash = rowid_hash(row, n);
  int rc = rowid_grow(seen, err);

  if (rc != SQLITE_OK) return rc;
  *out = rowid_find(seen, hash);
  if (!(*out)->hash) seen->nused++;
  (*out)->hash = hash;
  (*out)->count++;
  return SQLITE_OK;
}

int rowid_count(struct rowid_seen *seen, const struct fed_value *row, int n,
                struct fed_err *err)
{
  struct rowid_slot *slot;

  return rowid_enter(seen, row, n, &slot, err);
}

bool rowid_uncount(struct rowid_seen *seen, const struct fed_value *row, int n)
{
  struct rowid_slot *slot;

  if (!seen->nslot) return false;
  slot = rowid_find(seen, rowid_hash(row, n));
  if (!slot->hash || !slot->count) return false;
  slot->count--;
  return true;
}

int rowid_of(struct rowid_seen *seen, const struct fed_value *row, int n,
             int64_t *out, struct fed_err *err)
{
  struct rowid_slot *slot;
  int rc = rowid_enter(seen, row, n, &slot, err);

  if (rc != SQLITE_OK) return rc;
  *out = (int64_t)(rowid_mix(slot->hash ^ slot->count, 0x9E3779B97F4A7C15u) >>
                   1); /* rowids below 0 surprise people */
  return SQLITE_OK;
}

void rowid_release(struct rowid_seen *seen)
{
  fed_free(seen->slot);
  memset(seen, 0, sizeof *seen);
}
