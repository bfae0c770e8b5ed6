/*
 * probe_ahead: which keys will come next. The outer side of a join stands on
 * the row whose value is the key; if it is a cursor of ours, the rows behind
 * tell the keys to come. Which cursor and column it is, nobody says: they are
 * found by their value. A wrong guess costs rows that nobody asks for.
 */
#include "base/mem.h"
#include "vtab/probe_int.h"

#define AHEAD_FIRST 16 /* rows to look at; grows by four, up to */
#define AHEAD_ARRAY 4096
#define AHEAD_LIST  1024
#define AHEAD_BYTES ((size_t)1 << 20) /* of keys, at most */
/* Where nothing is found as often as this, nobody looks again. */
#define AHEAD_MISSES 16

/* Does it stand on a row that may bring the key? */
static bool ahead_may_lead(const struct scan *lead, const struct scan *scan)
{
  return lead != scan && lead->idxstr && !lead->eof && !lead->counting &&
         scan_row(lead) != NULL;
}

static bool ahead_has(const struct scan *lead, int column,
                      const struct fed_value *key)
{
  struct fed_value value;

  if (column >= lead->plan->ncol || lead->times) return false;
  value = probe_canonical(&scan_row(lead)[column]);
  return probe_same(&value, key);
}

/*
 * The cursor that leads, once it has brought two keys at the same place. Of
 * several that have the key any will do: one that does not go on having it is
 * left for another.
 */
static struct scan *ahead_lead(struct scan *scan, struct probe *probe,
                               const struct fed_value *key)
{
  struct fed_db *fdb = table_of(scan->base.pVtab)->fdb;
  const struct scan *before = probe->source;

  probe->source = NULL;
  FED_LIST_EACH(t, &fdb->tables)
  FED_LIST_EACH(c, &FED_CONTAINER(t, struct fed_table, link)->cursors)
  {
    struct scan *lead = FED_CONTAINER(c, struct scan, link);

    if (!ahead_may_lead(lead, scan)) continue;
    if (lead == before && ahead_has(lead, probe->column, key)) {
      probe->source = lead;
      return lead;
    }
    for (int16_t i = 0; i < lead->plan->ncol && !probe->source; i++) {
      if (!ahead_has(lead, i, key)) continue;
      probe->source = lead;
      probe->column = i;
    }
  }
  return NULL;
}

static int ahead_learn(struct scan *scan, struct probe *probe,
                       const struct fed_value *row, size_t *bytes,
                       struct fed_err *err)
{
  struct fed_value key;

  if (!probe_key_of(scan, probe, &row[probe->column], &key) ||
      probe_knows(probe, &key))
    return SQLITE_OK;
  if (key.type == FED_TEXT || key.type == FED_BLOB) *bytes += (size_t)key.size;
  if (*bytes > AHEAD_BYTES) return SQLITE_OK;
  return probe_learn(probe, &key, err);
}

/* Where to go on: a list is looked through once, from its beginning. */
static store_pos ahead_from(struct probe *probe, const struct scan *lead)
{
  bool listed = lead->served && lead->by_key && !lead->probe->whole;
  uint32_t list = listed ? lead->probe->fresh : 0;

  if (list == 0 || list != probe->list) probe->next = 0;
  probe->list = list;
  return probe->next;
}

/* End looking at its rows, be it with an error: the cursor may be another
 * statement's, which goes on. */
static int ahead_back(struct scan *lead, int rc, struct fed_err *err)
{
  struct fed_err later = FED_ERR_INIT;
  bool failed = rc != SQLITE_OK && rc != SQLITE_DONE && rc != SQLITE_ROW;
  int back = scan_peeked(lead, failed ? &later : err);

  return failed ? rc : back;
}

/* The cursor whose rows bring the keys of one that is served. */
static struct scan *ahead_behind(const struct scan *lead)
{
  const struct probe *probe = lead->probe;
  struct fed_db *fdb = table_of(lead->base.pVtab)->fdb;
  struct fed_value key;

  if (!lead->served || !lead->by_key || probe_nhash(probe) != 1) return NULL;
  key = probe_canonical(&scan_row(lead)[probe_place(lead, probe->key[0])]);
  FED_LIST_EACH(t, &fdb->tables)
  FED_LIST_EACH(c, &FED_CONTAINER(t, struct fed_table, link)->cursors)
  {
    struct scan *scan = FED_CONTAINER(c, struct scan, link);

    if (scan == probe->source && ahead_may_lead(scan, lead) &&
        ahead_has(scan, probe->column, &key))
      return scan;
  }
  return NULL;
}

/* Learn the keys in those rows of `lead` that `from` will ask it for. */
static int ahead_learn_of(struct scan *scan, struct probe *probe,
                          struct scan *lead, const struct fed_value *from,
                          size_t *bytes, struct fed_err *err)
{
  struct probe *kept = lead->probe;
  struct fed_value key, *row;
  uint64_t hash;
  int rc = SQLITE_OK;

  if (!probe_key_of(lead, kept, from, &key)) return SQLITE_OK;
  row = fed_calloc((size_t)probe_ncol(lead->plan), sizeof *row);
  if (!row) return fed_err_nomem(err);
  hash = rowid_hash(&key, 1);
  for (uint32_t at = map_first(&kept->rows, hash); at && rc == SQLITE_OK;
       at = map_next(&kept->rows, at, hash)) {
    rc = map_read(&kept->rows, at, row, err);
    if (rc == SQLITE_OK) rc = ahead_learn(scan, probe, row, bytes, err);
  }
  fed_free(row);
  return rc;
}

/* Go on where the present key's rows of the lead end: with those of the keys
 * that are to come to it. `most` keys are enough. */
static int ahead_beyond(struct scan *scan, struct probe *probe,
                        struct scan *lead, int64_t most, size_t *bytes,
                        struct fed_err *err)
{
  struct scan *from = ahead_behind(lead);
  uint32_t before = probe->known.n;
  struct fed_value *row;
  store_pos at = 0;
  int rc;

  if (!from || probe->misses >= AHEAD_MISSES) return SQLITE_OK;
  row = fed_calloc((size_t)probe_ncol(from->plan), sizeof *row);
  if (!row) return fed_err_nomem(err);
  rc = scan_ahead(from, most, err);
  while (rc == SQLITE_OK && probe->known.n - before < most &&
         *bytes <= AHEAD_BYTES) {
    rc = scan_peek(from, &at, row, err);
    if (rc != SQLITE_ROW) break;
    rc =
      ahead_learn_of(scan, probe, lead, &row[lead->probe->column], bytes, err);
  }
  probe->looked += probe->known.n - before;
  probe->misses = probe->known.n > before ? 0 : probe->misses + 1;
  rc = ahead_back(from, rc, err);
  fed_free(row);
  return rc;
}

/* About how many rows the lead has: as many for each of the keys that are to
 * come to it. Of a list it is known by now how long it is. */
static double ahead_rows(const struct scan *lead)
{
  const struct plan_term *term = plan_terms(lead->plan);
  double rows = lead->plan->rows;

  for (int i = 0; i < lead->plan->nterm; i++)
    if (term[i].in && lead->bind.now[i].nvalue > 0)
      rows *= lead->bind.now[i].nvalue / COST_LIST;
  if (lead->served && lead->by_key && lead->probe->coming > 1)
    rows *= lead->probe->coming;
  return rows;
}

int probe_look_ahead(struct scan *scan, struct probe *probe,
                     const struct fed_value *key, struct fed_err *err)
{
  struct scan *lead = ahead_lead(scan, probe, key);
  int64_t max = scan->plan->dialect->arrays ? AHEAD_ARRAY : AHEAD_LIST;
  struct fed_value *row;
  bool has_bytes = key->type == FED_TEXT || key->type == FED_BLOB;
  size_t bytes = has_bytes ? (size_t)key->size : 0;
  uint32_t before = probe->known.n;
  store_pos at;
  int64_t n = 1;
  int rc;

  if (bytes > AHEAD_BYTES || (!lead && !probe_has_local(scan, probe)))
    return SQLITE_OK;
  probe->batch = probe->batch ? probe->batch * 4 : AHEAD_FIRST;
  if (probe->batch > max) probe->batch = max;
  if (!lead) return probe_look_local(scan, probe, key, probe->batch - 1, err);
  row = fed_calloc((size_t)probe_ncol(lead->plan), sizeof *row);
  if (!row) return fed_err_nomem(err);
  probe->coming = ahead_rows(lead);
  at = ahead_from(probe, lead);
  rc = scan_ahead(lead, probe->batch - 1, err);
  for (; rc == SQLITE_OK && n < probe->batch; n++) {
    rc = scan_peek(lead, &at, row, err);
    if (rc != SQLITE_ROW) break;
    rc = ahead_learn(scan, probe, row, &bytes, err);
    if (bytes > AHEAD_BYTES) break;
  }
  probe->next = at;
  probe->looked += n;
  /* The rows of a list are those of keys to come: it goes on behind them. */
  if (rc == SQLITE_DONE && (probe->list == 0 || probe->known.n == before))
    rc = ahead_beyond(scan, probe, lead, probe->batch - n, &bytes, err);
  rc = ahead_back(lead, rc, err);
  fed_free(row);
  return rc;
}
