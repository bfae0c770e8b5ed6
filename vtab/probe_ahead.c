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
 * The cursor that leads, once it has brought two keys at the same place. The
 * innermost is tried first: it was opened last.
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

int probe_look_ahead(struct scan *scan, struct probe *probe,
                     const struct fed_value *key, struct fed_err *err)
{
  struct scan *lead = ahead_lead(scan, probe, key);
  int64_t max = scan->plan->dialect->arrays ? AHEAD_ARRAY : AHEAD_LIST;
  struct fed_value *row;
  bool has_bytes = key->type == FED_TEXT || key->type == FED_BLOB;
  size_t bytes = has_bytes ? (size_t)key->size : 0;
  store_pos at;
  int rc;

  if (bytes > AHEAD_BYTES || (!lead && !probe_has_local(scan, probe)))
    return SQLITE_OK;
  probe->batch = probe->batch ? probe->batch * 4 : AHEAD_FIRST;
  if (probe->batch > max) probe->batch = max;
  if (!lead) return probe_look_local(scan, probe, key, probe->batch - 1, err);
  row = fed_calloc((size_t)probe_ncol(lead->plan), sizeof *row);
  if (!row) return fed_err_nomem(err);
  probe->coming = lead->plan->rows;
  at = ahead_from(probe, lead);
  rc = scan_ahead(lead, probe->batch - 1, err);
  for (int64_t n = 1; rc == SQLITE_OK && n < probe->batch; n++) {
    rc = scan_peek(lead, &at, row, err);
    if (rc != SQLITE_ROW) break;
    rc = ahead_learn(scan, probe, row, &bytes, err);
    if (bytes > AHEAD_BYTES) break;
  }
  probe->next = at;
  if (rc == SQLITE_OK || rc == SQLITE_DONE) rc = scan_peeked(lead, err);
  fed_free(row);
  return rc;
}
