#include "vtab/probe_int.h"

#include <stdlib.h>

#include "base/mem.h"

#define PROBE_MEM ((size_t)32 << 20) /* rows in memory; more go to a file */

/*
 * Costs, counted in rows over the wire: a third of a microsecond each. A
 * statement is a round trip of about a hundred, and each further key of a
 * list is an index lookup there.
 */
#define PROBE_SINGLE 300.0
#define PROBE_MORE   10.0
/* A row of a whole table is kept, too; one that an index finds stands apart
 * from the others. */
#define PROBE_WHOLE 2.0
#define PROBE_FOUND 3.0
/* Reading a kept row again, where there is no key to find it by. */
#define PROBE_AGAIN 0.1

#define PROBE_BELIEF       8.0
#define PROBE_KEY_ROWS     1000 /* a key with more is not kept */
#define PROBE_KNOWN_MAX    32768
#define PROBE_UNKNOWN_ROWS 100000.0

/* Tests have all runs go one way, (s)ingle, (a)head or (w)hole, little memory
 * and room for few rows. */
#ifdef FED_TEST
static char probe_way(void)
{
  const char *way = getenv("FED_TEST_PROBE");

  return way ? *way : 0;
}

static int64_t probe_rows_max(void)
{
  return getenv("FED_TEST_PROBE") ? 5000 : MAP_ROWS_MAX;
}

static size_t probe_mem(void)
{
  return getenv("FED_TEST_PROBE") ? 8 << 10 : PROBE_MEM;
}
#else
#  define probe_way()      0
#  define probe_rows_max() MAP_ROWS_MAX
#  define probe_mem()      PROBE_MEM
#endif

/* ---- life -------------------------------------------------------------- */

static void probe_forget_rows(struct probe *probe)
{
  map_clear(&probe->rows);
  map_clear(&probe->known);
  probe->list = 0;
  probe->looked = probe->asked = 0;
  probe->whole = probe->counted = false;
}

void probe_free(struct probe *probe)
{
  if (!probe) return;
  probe_forget_rows(probe);
  for (int i = 0; i < 2; i++) {
    fed_free(probe->image[i].bytes);
    fed_free(probe->image[i].end);
  }
  fed_free(probe->changes);
  fed_free(probe->row);
  fed_free(probe);
}

/* As new, but for its memory. */
static void probe_rest(struct probe *probe)
{
  size_t from = offsetof(struct probe, filters);

  probe_forget_rows(probe);
  for (int i = 0; i < 2; i++)
    if (probe->image[i].room > PROBE_IMAGE_REST) {
      fed_free(probe->image[i].bytes);
      probe->image[i].bytes = NULL;
      probe->image[i].room = 0;
    }
  memset(probe->changes, 0, (size_t)probe->nterm * sizeof *probe->changes);
  memset((char *)probe + from, 0, sizeof *probe - from);
}

int probe_ncol(const struct plan *plan)
{
  return plan->ncol ? plan->ncol : 1;
}

static struct probe *probe_new(const struct scan *scan)
{
  struct probe *probe = fed_alloc(sizeof *probe);
  size_t nterm = (size_t)scan->plan->nterm;

  if (!probe) return NULL;
  probe->plan = scan->plan->id;
  probe->nterm = scan->plan->nterm;
  probe->changes = fed_calloc(nterm, sizeof *probe->changes);
  probe->image[0].end = fed_calloc(nterm, sizeof(size_t));
  probe->image[1].end = fed_calloc(nterm, sizeof(size_t));
  probe->row = fed_calloc((size_t)probe_ncol(scan->plan), sizeof *probe->row);
  map_init(&probe->rows, probe_ncol(scan->plan), probe_mem());
  map_init(&probe->known, 1, SIZE_MAX);
  if (probe->changes && probe->image[0].end && probe->image[1].end &&
      probe->row)
    return probe;
  probe_free(probe);
  return NULL;
}

void probe_left(struct scan *scan)
{
  if (scan->probe && scan->idxstr) scan->probe->cut = !scan->eof;
}

void probe_close(struct scan *scan, struct scan *heir)
{
  struct probe *probe = scan->probe;

  if (heir) {
    scan->probe = heir->probe;
    heir->probe = probe;
  } else if (probe) {
    probe_rest(probe);
  }
}

void probe_forget(struct fed_db *fdb)
{
  FED_LIST_EACH(t, &fdb->tables)
  {
    struct fed_table *table = FED_CONTAINER(t, struct fed_table, link);

    FED_LIST_EACH(c, &table->cursors)
    {
      struct scan *scan = FED_CONTAINER(c, struct scan, link);

      if (scan->probe) scan->probe->stale = true;
    }
  }
}

/* ---- one run after the other ------------------------------------------- */

/* Find rows by this term, too: that which leaves fewest goes first. */
static bool probe_take_key(const struct scan *scan, struct probe *probe,
                           int16_t i)
{
  const struct plan_term *term = plan_terms(scan->plan);
  int k = probe->nkey;

  if (term[i].op != TERM_EQ || term[i].in || k == PROBE_KEYS ||
      !probe_is_key(probe_column(scan, i)) || probe_place(scan, i) < 0)
    return false;
  for (; k > 0 && term[probe->key[k - 1]].part > term[i].part; k--)
    probe->key[k] = probe->key[k - 1];
  probe->key[k] = i;
  probe->nkey++;
  return true;
}

/* Which terms have changed by now, and which of them are keys. */
static void probe_compare(const struct scan *scan, struct probe *probe)
{
  bool more = false;

  for (int i = 0; i < scan->plan->nterm; i++)
    if (!probe->changes[i] &&
        probe_image_differs(&probe->image[0], &probe->image[1], i))
      more = probe->changes[i] = true;
  if (!more) return;
  probe_forget_rows(probe);
  probe->nkey = 0;
  probe->more = false;
  probe->source = NULL;
  for (int16_t i = 0; i < scan->plan->nterm; i++)
    if (probe->changes[i] && !probe_take_key(scan, probe, i))
      probe->more = true;
}

/* ---- rows from memory -------------------------------------------------- */

int probe_next(struct scan *scan, struct fed_err *err)
{
  struct probe *probe = scan->probe;
  int rc;

  scan->has_rowid = false;
  scan->here = scan->at;
  if (!scan->by_key) {
    rc = store_read(&probe->rows.rows, &scan->at, probe->row, err);
    scan->eof = rc != SQLITE_ROW;
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
  }
  scan->eof = scan->at == 0;
  if (scan->eof) return SQLITE_OK;
  rc = map_read(&probe->rows, (uint32_t)scan->at, probe->row, err);
  scan->at = map_next(&probe->rows, (uint32_t)scan->at, scan->hash);
  return rc;
}

const struct fed_value *probe_row(const struct scan *scan)
{
  return scan->probe->row;
}

/* Of rows by key: all that the last list brought, for they are to come. */
int probe_peek(struct scan *scan, store_pos *at, struct fed_value *row,
               struct fed_err *err)
{
  struct probe *probe = scan->probe;
  uint32_t entry = (uint32_t)*at;
  int rc;

  if (!scan->by_key) {
    if (*at == 0) *at = scan->at;
    return store_read(&probe->rows.rows, at, row, err);
  }
  if (probe->whole) {
    if (entry == 0) entry = (uint32_t)scan->at;
    if (entry == 0 || entry == UINT32_MAX) return SQLITE_DONE;
  } else {
    if (entry == 0) entry = probe->fresh;
    if (entry > probe->rows.n) return SQLITE_DONE;
  }
  rc = map_read(&probe->rows, entry, row, err);
  if (!probe->whole)
    *at = entry + 1;
  else if ((*at = map_next(&probe->rows, entry, scan->hash)) == 0)
    *at = UINT32_MAX;
  return rc == SQLITE_OK ? SQLITE_ROW : rc;
}

/* The present row may have stood in what reading of the others overwrote. */
int probe_peeked(struct scan *scan, struct fed_err *err)
{
  struct probe *probe = scan->probe;
  store_pos at = scan->here;
  int rc;

  if (scan->by_key)
    return map_read(&probe->rows, (uint32_t)scan->here, probe->row, err);
  rc = store_read(&probe->rows.rows, &at, probe->row, err);
  return rc == SQLITE_ROW ? SQLITE_OK : rc;
}

/* Begin to give rows: those of the keys, or all that there are. */
static int probe_serve(struct scan *scan, struct probe *probe,
                       const struct fed_value *key, struct fed_err *err)
{
  scan->served = true;
  scan->bind.limit = -1;
  scan->by_key = key != NULL;
  scan->hash = key ? rowid_hash(key, probe_nhash(probe)) : 0;
  scan->at = key ? map_first(&probe->rows, scan->hash) : 0;
  return probe_next(scan, err);
}

/* ---- fetching ---------------------------------------------------------- */

/*
 * Take every row of the query that is bound; *n is how many, at most `max`.
 * `from`: only those of keys behind this number. A list may find what an
 * earlier one has brought: 'A' for 'a'.
 */
static int probe_fetch(struct scan *scan, struct probe *probe, int64_t from,
                       double expected, int64_t max, int64_t *n,
                       struct fed_err *err)
{
  struct fetch *fetch = &scan->fetch;
  int rc;

  rc = scan_fetch(scan, expected, err);
  *n = 0;
  while (rc == SQLITE_OK && !fetch->eof && ++*n <= max) {
    struct fed_value key[PROBE_KEYS];
    uint64_t hash = probe_hash_row(scan, probe, fetch->row, key);

    if (probe->nkey == 0)
      rc = store_add(&probe->rows.rows, fetch->row, NULL, err);
    else if (from < 0 || probe_knows(probe, key) > from)
      rc = map_add(&probe->rows, hash, fetch->row, err);
    if (rc == SQLITE_OK) rc = fetch_next(fetch, err);
  }
  fetch_end(fetch);
  return rc;
}

/* Bind again: what changes is dropped, or the first key is one of `n`. */
static int probe_bind(struct scan *scan, const struct probe *probe,
                      const struct fed_value *list, int n, struct fed_err *err)
{
  int nterm = scan->plan->nterm;
  struct bind_change *change = fed_calloc((size_t)nterm, sizeof *change);
  int rc;

  if (!change) return fed_err_nomem(err);
  for (int i = 0; i < nterm; i++)
    change[i].n = probe->changes[i] ? 0 : -1;
  if (n == 1) change[probe->key[0]].n = -1;
  if (n > 1) change[probe->key[0]] = (struct bind_change){n, list};
  rc = bind_change(&scan->bind, table_of(scan->base.pVtab), change, err);
  fed_free(change);
  return rc;
}

/* As if nothing had been asked for yet. Values bound before are gone. */
static int probe_bind_again(struct scan *scan, sqlite3_value **argv,
                            struct fed_err *err)
{
  bool never;

  return bind_values(&scan->bind, table_of(scan->base.pVtab), argv, &never,
                     err);
}

static double probe_whole_rows(const struct scan *scan,
                               const struct probe *probe)
{
  const struct plan_term *term = plan_terms(scan->plan);
  double rows = table_of(scan->base.pVtab)->rel.rows;

  if (rows < 0) rows = PROBE_UNKNOWN_ROWS;
  for (int i = 0; i < scan->plan->nterm; i++)
    if (!probe->changes[i]) rows *= (double)term[i].part;
  return rows > probe->least ? rows : probe->least;
}

/* Rows that one key is expected to have. */
static double probe_key_rows(const struct scan *scan, const struct probe *probe)
{
  return probe_whole_rows(scan, probe) *
         (double)plan_terms(scan->plan)[probe->key[0]].part;
}

/* About how many keys are still to be asked for: one for each row that comes;
 * less where rows share one, or where SQLite leaves rows out. */
static double probe_coming(const struct probe *probe)
{
  double known = probe->known.n, looked = (double)probe->looked;
  double keys = known < looked ? known / looked : 1;
  double asked = (double)probe->asked;

  return probe->coming * keys * (asked < known ? asked / known : 1);
}

static bool probe_wants_whole(const struct scan *scan,
                              const struct probe *probe)
{
  double rows = probe_whole_rows(scan, probe);
  double whole = rows * PROBE_WHOLE;
  double spent = probe->spent + PROBE_SINGLE;
  double each;

  if (probe_way()) return probe_way() == 'w';
  /* The same rows again: but if few of them were read, as by EXISTS? */
  if (probe->nkey == 0 && !probe->more) return !probe->cut || spent >= whole;
  if (rows > (double)MAP_ROWS_MAX) return false;
  if (probe->nkey == 0)
    return rows * PROBE_AGAIN <= PROBE_SINGLE + scan->plan->rows;
  /* Where the keys to come are many, it is believed earlier. */
  each = PROBE_MORE + PROBE_FOUND * probe_key_rows(scan, probe);
  if (probe_coming(probe) * each > whole) spent *= PROBE_BELIEF;
  return spent >= whole;
}

/* Fetch them all, unless there are far more than was believed. */
static int probe_fetch_whole(struct scan *scan, struct probe *probe,
                             sqlite3_value **argv, struct fed_err *err)
{
  double rows = probe_whole_rows(scan, probe);
  double limit = rows * 4 + 10000;
  int64_t max = probe->nkey == 0 && !probe->more ? INT64_MAX
                : limit < (double)MAP_ROWS_MAX   ? (int64_t)limit
                                                 : MAP_ROWS_MAX;
  int64_t n = 0;
  int rc = probe_bind(scan, probe, NULL, 0, err);

  probe_forget_rows(probe);
  probe->whole = true;
  if (rc == SQLITE_OK) rc = probe_fetch(scan, probe, -1, rows, max, &n, err);
  if (rc == SQLITE_OK && n <= max) return SQLITE_OK;
  probe_forget_rows(probe);
  probe->least = (double)n * 2;
  return rc == SQLITE_OK ? probe_bind_again(scan, argv, err) : rc;
}

/* Ask at once for all keys from number `from` on. *all: there was room for
 * every row. */
static int probe_fetch_keys(struct scan *scan, struct probe *probe,
                            uint32_t from, bool *all, struct fed_err *err)
{
  int64_t max = probe_rows_max() - probe->rows.n;
  int nkey = (int)(probe->known.n - from);
  struct fed_value *list = fed_calloc((size_t)nkey, sizeof *list);
  int64_t n = 0;
  int rc = list ? SQLITE_OK : fed_err_nomem(err);

  for (int i = 0; i < nkey && rc == SQLITE_OK; i++)
    rc = map_read(&probe->known, from + (uint32_t)i + 1, &list[i], err);
  if (rc == SQLITE_OK) rc = probe_bind(scan, probe, list, nkey, err);
  probe->fresh = probe->rows.n + 1;
  if (rc == SQLITE_OK) rc = probe_fetch(scan, probe, from, 0, max, &n, err);
  *all = n <= max;
  probe->spent +=
    PROBE_SINGLE + PROBE_MORE * (nkey - 1) + PROBE_FOUND * (double)n;
  fed_free(list);
  return rc;
}

/* The rows of one key, from memory or with those of the keys to come. Not
 * served if they are too many to keep. */
static int probe_by_key(struct scan *scan, struct probe *probe,
                        const struct fed_value *key, bool *served,
                        struct fed_err *err)
{
  uint32_t from;
  int rc;

  *served = true;
  probe->asked++;
  if (probe_knows(probe, key)) return probe_serve(scan, probe, key, err);
  if (probe->rows.rows.memory + probe->known.rows.memory > PROBE_MEM / 2 ||
      probe->known.n > PROBE_KNOWN_MAX)
    probe_forget_rows(probe);
  from = probe->known.n;
  rc = probe_learn(probe, key, err);
  /* No list finds NULL, which IS does. */
  if (rc == SQLITE_OK && key->type != FED_NULL)
    rc = probe_look_ahead(scan, probe, key, err);
  if (rc == SQLITE_OK) rc = probe_fetch_keys(scan, probe, from, served, err);
  if (rc == SQLITE_OK && *served) return probe_serve(scan, probe, key, err);
  probe_forget_rows(probe);
  probe->batch = 0;
  return rc;
}

/* ---- one run ----------------------------------------------------------- */

void probe_count(struct scan *scan, int64_t count)
{
  if (!scan->probe) return;
  scan->probe->counted = true;
  scan->probe->count = count;
}

/* Note what is bound now. *again: it is not the first run. */
static int probe_watch(struct scan *scan, bool *again, struct fed_err *err)
{
  struct probe *probe = scan->probe;
  int rc;

  if (probe && probe->plan != scan->plan->id) {
    probe_free(probe);
    probe = NULL;
  }
  if (!probe) probe = probe_new(scan);
  scan->probe = probe;
  if (!probe) return fed_err_nomem(err);
  if (probe->stale) {
    probe_forget_rows(probe);
    probe->stale = false;
  }
  rc = probe_image_make(&probe->image[probe->filters & 1], &scan->bind,
                        probe->changes, err);
  *again = probe->filters++ > 0;
  if (rc == SQLITE_OK && *again) probe_compare(scan, probe);
  return rc;
}

/* Serve from all rows, unless it takes longer than to ask for a few. */
static bool probe_serves_whole(const struct probe *probe, int nkey)
{
  return probe->whole &&
         (nkey == probe->nkey ||
          (double)probe->rows.rows.nrow * PROBE_AGAIN <= PROBE_SINGLE);
}

int probe_filter(struct scan *scan, sqlite3_value **argv, bool *served,
                 struct fed_err *err)
{
  struct fed_value key[PROBE_KEYS];
  struct probe *probe;
  bool again;
  int nkey;
  int rc = probe_watch(scan, &again, err);

  *served = false;
  if (rc != SQLITE_OK || !again) return rc;
  probe = scan->probe;
  if (scan->count) {
    *served = probe->counted;
    if (*served) scan_serve_count(scan, probe->count);
    return SQLITE_OK;
  }
  nkey = probe_key(scan, probe, key);
  if (!probe->whole && probe_wants_whole(scan, probe)) {
    rc = probe_fetch_whole(scan, probe, argv, err);
    if (rc == SQLITE_OK && !probe->whole) nkey = probe_key(scan, probe, key);
  }
  if (rc != SQLITE_OK) return rc;
  *served = probe_serves_whole(probe, nkey);
  if (*served)
    return probe_serve(scan, probe,
                       nkey > 0 && nkey == probe->nkey ? key : NULL, err);
  if (!probe->whole && nkey > 0 && probe_way() != 's' &&
      probe_key_rows(scan, probe) <= PROBE_KEY_ROWS) {
    rc = probe_by_key(scan, probe, key, served, err);
    if (rc == SQLITE_OK && !*served) rc = probe_bind_again(scan, argv, err);
    if (rc != SQLITE_OK || *served) return rc;
  }
  probe->spent += PROBE_SINGLE + (probe->cut ? 0 : scan->plan->rows);
  return SQLITE_OK;
}
