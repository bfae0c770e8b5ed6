#include "vtab/probe.h"

#include <math.h>

#include "base/mem.h"
#include "vtab/map.h"

#define PROBE_KEYS 4 /* terms of which a hash is made; the rest are checked */
#define PROBE_MEM  ((size_t)32 << 20) /* rows in memory; more go to a file */

/*
 * Costs, counted in rows over the wire: a third of a microsecond each. A
 * statement is a round trip of about a hundred, and each further key of a
 * list is an index lookup there.
 */
#define PROBE_SINGLE 300.0
#define PROBE_MORE   10.0
/* Reading a kept row again, where there is no key to find it by. */
#define PROBE_AGAIN 0.1

#define PROBE_BATCH_FIRST  16 /* rows to look at; grows by four, up to */
#define PROBE_BATCH_ARRAY  4096
#define PROBE_BATCH_LIST   1024
#define PROBE_LIST_BYTES   ((size_t)1 << 20)
#define PROBE_KEY_ROWS     1000 /* a key with more is not read ahead */
#define PROBE_UNKNOWN_ROWS 100000.0

/* What was bound in one run, term by term, as bytes to compare. */
struct probe_image {
  char *bytes;
  size_t len, room;
  size_t *end; /* of each term */
};

struct probe {
  struct fed_list link; /* table->probes, between two cursors */
  const char *idxstr;
  uint64_t run; /* which run of which statements left it there */
  int64_t filters;
  bool stale; /* see probe_forget() */

  struct probe_image image[2]; /* of this run and the last, in turns */
  bool *changes;               /* terms that have changed so far */
  int nkey;                    /* those of them that find rows by a hash */
  int16_t key[PROBE_KEYS];
  bool more; /* others change, too */

  double spent; /* on single and ahead */
  double least; /* rows there are at least: an estimate was too low */
  bool whole;
  struct map rows;
  struct map known; /* keys that were asked for, if not `whole` */
  struct fed_value *row;
  bool counted;
  int64_t count;

  const struct scan *source; /* whose rows bring the keys; may be gone */
  int16_t column[PROBE_KEYS];
  int hits;
  int64_t batch;
};

/* ---- images ------------------------------------------------------------ */

static int image_add(struct probe_image *image, const void *p, size_t n,
                     struct fed_err *err)
{
  if (image->len + n > image->room) {
    size_t room = (image->len + n) * 2;
    char *bytes = fed_realloc(image->bytes, room);

    if (!bytes) return fed_err_nomem(err);
    image->bytes = bytes;
    image->room = room;
  }
  if (n) memcpy(image->bytes + image->len, p, n);
  image->len += n;
  return SQLITE_OK;
}

static int image_add_value(struct probe_image *image,
                           const struct fed_value *value, struct fed_err *err)
{
  bool has_bytes = value->type == FED_TEXT || value->type == FED_BLOB;
  char type = (char)value->type;
  int rc = image_add(image, &type, 1, err);

  if (rc != SQLITE_OK || value->type == FED_NULL) return rc;
  if (!has_bytes) return image_add(image, &value->i, sizeof value->i, err);
  rc = image_add(image, &value->size, sizeof value->size, err);
  return rc == SQLITE_OK ? image_add(image, value->p, (size_t)value->size, err)
                         : rc;
}

static int image_make(struct probe_image *image, const struct bind *bind,
                      struct fed_err *err)
{
  int rc = SQLITE_OK;

  image->len = 0;
  for (int i = 0; i < bind->plan->nterm && rc == SQLITE_OK; i++) {
    const struct term_now *now = &bind->now[i];
    const char what[] = {(char)now->use, (char)now->op, (char)now->form};

    rc = image_add(image, what, sizeof what, err);
    for (int k = 0; k < now->narg && rc == SQLITE_OK; k++)
      rc = image_add_value(image, &bind->args[now->first + k], err);
    image->end[i] = image->len;
  }
  return rc;
}

static bool image_differs(const struct probe_image *a,
                          const struct probe_image *b, int i)
{
  size_t at = i ? a->end[i - 1] : 0, bt = i ? b->end[i - 1] : 0;
  size_t n = a->end[i] - at;

  return b->end[i] - bt != n || memcmp(a->bytes + at, b->bytes + bt, n) != 0;
}

/* ---- life -------------------------------------------------------------- */

static void probe_forget_rows(struct probe *probe)
{
  map_clear(&probe->rows);
  map_clear(&probe->known);
  probe->whole = probe->counted = false;
}

static void probe_free(struct probe *probe)
{
  if (!probe) return;
  fed_list_remove(&probe->link);
  probe_forget_rows(probe);
  for (int i = 0; i < 2; i++) {
    fed_free(probe->image[i].bytes);
    fed_free(probe->image[i].end);
  }
  fed_free(probe->changes);
  fed_free(probe->row);
  fed_free(probe);
}

static int probe_ncol(const struct plan *plan)
{
  return plan->ncol ? plan->ncol : 1;
}

static struct probe *probe_new(const struct scan *scan)
{
  struct probe *probe = fed_alloc(sizeof *probe);
  size_t nterm = (size_t)scan->plan->nterm;

  if (!probe) return NULL;
  fed_list_init(&probe->link);
  probe->idxstr = scan->idxstr;
  probe->changes = fed_calloc(nterm, sizeof *probe->changes);
  probe->image[0].end = fed_calloc(nterm, sizeof(size_t));
  probe->image[1].end = fed_calloc(nterm, sizeof(size_t));
  probe->row = fed_calloc((size_t)probe_ncol(scan->plan), sizeof *probe->row);
  map_init(&probe->rows, probe_ncol(scan->plan), PROBE_MEM);
  map_init(&probe->known, PROBE_KEYS, SIZE_MAX);
  if (probe->changes && probe->image[0].end && probe->image[1].end &&
      probe->row)
    return probe;
  probe_free(probe);
  return NULL;
}

/* Which runs of which statements are under way on this connection. */
static uint64_t probe_run(sqlite3 *db)
{
  uint64_t run = 0;

  for (sqlite3_stmt *stmt = sqlite3_next_stmt(db, NULL); stmt;
       stmt = sqlite3_next_stmt(db, stmt)) {
    uint64_t runs =
      (uint64_t)sqlite3_stmt_status(stmt, SQLITE_STMTSTATUS_RUN, 0);

    if (sqlite3_stmt_busy(stmt))
      run +=
        ((uint64_t)(uintptr_t)stmt ^ (runs << 48) ^ runs) * 0x9E3779B97F4A7C15u;
  }
  return run;
}

static struct probe *probe_adopt(struct scan *scan)
{
  struct fed_table *table = table_of(scan->base.pVtab);

  FED_LIST_EACH_SAFE(node, after, &table->probes)
  {
    struct probe *probe = FED_CONTAINER(node, struct probe, link);

    if (probe->idxstr != scan->idxstr) continue;
    if (probe->run == probe_run(table->fdb->db)) {
      fed_list_remove(&probe->link);
      return probe;
    }
    probe_free(probe);
  }
  return NULL;
}

void probe_close(struct scan *scan)
{
  struct fed_table *table = table_of(scan->base.pVtab);
  struct probe *probe = scan->probe;
  bool awaited = false;

  scan->probe = NULL;
  FED_LIST_EACH(node, &table->cursors)
  awaited |= !FED_CONTAINER(node, struct scan, link)->idxstr;
  if (probe && awaited) {
    probe->run = probe_run(table->fdb->db);
    probe->source = NULL;
    fed_list_push_back(&table->probes, &probe->link);
  } else {
    probe_free(probe);
  }
  if (fed_list_empty(&table->cursors)) probe_release_all(table);
}

void probe_release_all(struct fed_table *table)
{
  FED_LIST_EACH_SAFE(node, after, &table->probes)
  probe_free(FED_CONTAINER(node, struct probe, link));
}

void probe_forget(struct fed_db *fdb)
{
  FED_LIST_EACH(t, &fdb->tables)
  {
    struct fed_table *table = FED_CONTAINER(t, struct fed_table, link);

    probe_release_all(table);
    FED_LIST_EACH(c, &table->cursors)
    {
      struct scan *scan = FED_CONTAINER(c, struct scan, link);

      if (scan->probe) scan->probe->stale = true;
    }
  }
}

/* ---- keys -------------------------------------------------------------- */

/*
 * Are the rows that SQLite finds equal to the value those with the same bytes
 * or number? Not where another collation than BINARY compares, nor where an
 * affinity would still work on the one or the other.
 */
static bool probe_hashes(const struct fed_column *col,
                         const struct fed_value *value)
{
  bool number = value->type == FED_INT || value->type == FED_REAL;

  switch (col->class) {
  case FED_CLASS_ANY:
    if (col->collation && sqlite3_stricmp(col->collation, "BINARY"))
      return false;
    switch (declare_column_affinity(col)) {
    case 'A':
      return value->type == FED_BLOB;
    case 'B':
      return value->type == FED_TEXT || value->type == FED_BLOB;
    default:
      return number;
    }
  case FED_CLASS_INT:
  case FED_CLASS_UINT:
  case FED_CLASS_BOOL:
  case FED_CLASS_REAL:
  case FED_CLASS_FLOAT4:
  case FED_CLASS_DECINT:
  case FED_CLASS_DECREAL:
    return number;
  case FED_CLASS_TEXT:
  case FED_CLASS_CHAR:
  case FED_CLASS_DATE:
  case FED_CLASS_TIME:
  case FED_CLASS_TIMESTAMP:
  case FED_CLASS_TIMESTAMPTZ:
  case FED_CLASS_UUID:
    return value->type == FED_TEXT;
  case FED_CLASS_BLOB:
    return value->type == FED_BLOB;
  case FED_CLASS_DECIMAL:
  case FED_CLASS_OTHER:
  case FED_CLASS_COUNT:
    break;
  }
  return false;
}

/* 5.0 and 5 are equal: make them the same. */
static struct fed_value probe_canonical(const struct fed_value *value)
{
  const double limit = 9223372036854775808.0; /* 2^63 */

  if (value->type == FED_REAL && value->r >= -limit && value->r < limit &&
      value->r == floor(value->r))
    return fed_value_int((int64_t)value->r);
  return *value;
}

static bool probe_same(const struct fed_value *a, const struct fed_value *b)
{
  if (a->type != b->type) return false;
  switch (a->type) {
  case FED_NULL:
    return true;
  case FED_INT:
    return a->i == b->i;
  case FED_REAL:
    return a->r == b->r;
  case FED_TEXT:
  case FED_BLOB:
    return a->size == b->size &&
           (a->size == 0 || memcmp(a->p, b->p, (size_t)a->size) == 0);
  }
  return false;
}

static const struct fed_column *probe_column(const struct scan *scan, int i)
{
  const struct fed_table *table = table_of(scan->base.pVtab);

  return &table->rel.col[plan_terms(scan->plan)[i].col];
}

/* Where the column of term `i` stands in a row. */
static int probe_place(const struct scan *scan, int i)
{
  return scan->place[plan_terms(scan->plan)[i].col];
}

/* Forms whose values are the one value of the term, as often as it is. */
static bool probe_is_plain(enum term_form form)
{
  return form == FORM_BARE || form == FORM_TEXT || form == FORM_BOTH;
}

/* The key that this run asks for; false if it has none. */
static bool probe_key(const struct scan *scan, const struct probe *probe,
                      struct fed_value key[PROBE_KEYS])
{
  for (int k = 0; k < probe->nkey; k++) {
    const struct term_now *now = &scan->bind.now[probe->key[k]];
    const struct fed_value *arg = &scan->bind.args[now->first];

    if (now->use != TERM_BIND) return false;
    if (now->op == TERM_ISNULL) {
      key[k] = fed_value_null();
      continue;
    }
    if (now->op != TERM_EQ || now->nvalue != 1 || !probe_is_plain(now->form) ||
        !probe_hashes(probe_column(scan, probe->key[k]), arg))
      return false;
    key[k] = probe_canonical(arg);
  }
  return probe->nkey > 0;
}

static uint64_t probe_hash_row(const struct scan *scan,
                               const struct probe *probe,
                               const struct fed_value *row,
                               struct fed_value key[PROBE_KEYS])
{
  for (int k = 0; k < probe->nkey; k++)
    key[k] = probe_canonical(&row[probe_place(scan, probe->key[k])]);
  return rowid_hash(key, probe->nkey);
}

/* The number of the key, from 1, if it was asked for; else 0. */
static uint32_t probe_knows(struct probe *probe, uint64_t hash,
                            const struct fed_value key[PROBE_KEYS])
{
  struct fed_err ignored = FED_ERR_INIT;
  struct fed_value row[PROBE_KEYS];

  for (uint32_t at = map_first(&probe->known, hash); at;
       at = map_next(&probe->known, at, hash)) {
    bool same = map_read(&probe->known, at, row, &ignored) == SQLITE_OK;

    for (int k = 0; k < probe->nkey && same; k++)
      same = probe_same(&row[k], &key[k]);
    if (same) return at;
  }
  return 0;
}

static int probe_learn_key(struct probe *probe, uint64_t hash,
                           const struct fed_value key[PROBE_KEYS],
                           struct fed_err *err)
{
  struct fed_value row[PROBE_KEYS];

  for (int k = 0; k < PROBE_KEYS; k++)
    row[k] = k < probe->nkey ? key[k] : fed_value_null();
  return map_add(&probe->known, hash, row, err);
}

/* Which terms have changed by now, and which of them are keys. */
static void probe_compare(const struct scan *scan, struct probe *probe)
{
  const struct plan_term *term = plan_terms(scan->plan);
  bool more = false;

  for (int i = 0; i < scan->plan->nterm; i++)
    if (!probe->changes[i] &&
        image_differs(&probe->image[0], &probe->image[1], i))
      more = probe->changes[i] = true;
  if (!more) return;
  probe_forget_rows(probe);
  probe->nkey = 0;
  probe->more = false;
  probe->hits = 0;
  for (int i = 0; i < scan->plan->nterm; i++) {
    enum fed_class class = probe_column(scan, i)->class;

    if (!probe->changes[i]) continue;
    if (term[i].op == TERM_EQ && !term[i].in && class != FED_CLASS_DECIMAL &&
        class != FED_CLASS_OTHER && probe_place(scan, i) >= 0 &&
        probe->nkey < PROBE_KEYS)
      probe->key[probe->nkey++] = (int16_t)i;
    else
      probe->more = true;
  }
}

/* ---- rows from memory -------------------------------------------------- */

int probe_next(struct scan *scan, struct fed_err *err)
{
  struct probe *probe = scan->probe;
  int rc;

  scan->has_rowid = false;
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

/* Begin to give rows: those of the key, or all that there are. */
static int probe_serve(struct scan *scan, struct probe *probe,
                       const struct fed_value *key, struct fed_err *err)
{
  scan->served = true;
  scan->bind.limit = -1;
  scan->by_key = key != NULL;
  scan->hash = key ? rowid_hash(key, probe->nkey) : 0;
  scan->at = key ? map_first(&probe->rows, scan->hash) : 0;
  return probe_next(scan, err);
}

/* ---- fetching ---------------------------------------------------------- */

/*
 * Take every row of the query that is bound; *n is how many, at most `max`.
 * `from`: only those of keys behind this number. A list may find what an
 * earlier one has brought: other pairs of two columns, or 'A' for 'a'.
 */
static int probe_fetch(struct scan *scan, struct probe *probe, int64_t from,
                       double expected, int64_t max, int64_t *n,
                       struct fed_err *err)
{
  struct fetch *fetch = &scan->fetch;
  int rc = scan_fetch(scan, expected, err);

  *n = 0;
  while (rc == SQLITE_OK && !fetch->eof && ++*n <= max) {
    struct fed_value key[PROBE_KEYS];
    uint64_t hash = probe_hash_row(scan, probe, fetch->row, key);

    if (probe->nkey == 0)
      rc = store_add(&probe->rows.rows, fetch->row, NULL, err);
    else if (from < 0 || probe_knows(probe, hash, key) > from)
      rc = map_add(&probe->rows, hash, fetch->row, err);
    if (rc == SQLITE_OK) rc = fetch_next(fetch, err);
  }
  fetch_end(fetch);
  return rc;
}

static double probe_whole_rows(const struct scan *scan,
                               const struct probe *probe)
{
  const struct plan_term *term = plan_terms(scan->plan);
  double rows = table_of(scan->base.pVtab)->rel.rows;

  if (rows < 0) rows = PROBE_UNKNOWN_ROWS;
  for (int i = 0; i < scan->plan->nterm; i++)
    if (!probe->changes[i]) rows *= term[i].part;
  return rows > probe->least ? rows : probe->least;
}

static bool probe_wants_whole(const struct scan *scan,
                              const struct probe *probe)
{
  double rows = probe_whole_rows(scan, probe);

  if (probe->nkey == 0 && !probe->more) return true; /* the same rows again */
  if (probe->nkey == 0 && rows * PROBE_AGAIN > PROBE_SINGLE) return false;
  return rows <= (double)MAP_ROWS_MAX && probe->spent + PROBE_SINGLE >= rows;
}

/* Fetch them all, unless there are far more than was believed. */
static int probe_fetch_whole(struct scan *scan, struct probe *probe,
                             sqlite3_value **argv, struct fed_err *err)
{
  struct fed_table *table = table_of(scan->base.pVtab);
  int nterm = scan->plan->nterm;
  struct bind_change *change = fed_calloc((size_t)nterm, sizeof *change);
  double rows = probe_whole_rows(scan, probe);
  double limit = rows * 4 + 10000;
  int64_t max = probe->nkey == 0 && !probe->more ? INT64_MAX
                : limit < (double)MAP_ROWS_MAX   ? (int64_t)limit
                                                 : MAP_ROWS_MAX;
  int64_t n = 0;
  bool never;
  int rc;

  if (!change) return fed_err_nomem(err);
  for (int i = 0; i < nterm; i++)
    change[i].n = probe->changes[i] ? 0 : -1;
  probe_forget_rows(probe);
  rc = bind_change(&scan->bind, table, change, err);
  fed_free(change);
  if (rc == SQLITE_OK) rc = probe_fetch(scan, probe, -1, rows, max, &n, err);
  probe->whole = rc == SQLITE_OK && n <= max;
  if (probe->whole) return SQLITE_OK;
  probe_forget_rows(probe);
  probe->least = (double)n * 2;
  if (rc != SQLITE_OK) return rc;
  return bind_values(&scan->bind, table, argv, &never, err);
}

/* ---- looking ahead ----------------------------------------------------- */

/* A cursor that stands on a row that came straight from its server. */
static bool probe_may_lead(const struct scan *lead, const struct scan *scan)
{
  return lead != scan && lead->idxstr && !lead->eof && !lead->served &&
         !lead->counting && lead->fetch.row;
}

/* Is the key in the present row, at the places found before? */
static bool probe_leads(const struct scan *lead, const struct probe *probe,
                        const struct fed_value *key)
{
  for (int k = 0; k < probe->nkey; k++) {
    struct fed_value value =
      probe_canonical(&lead->fetch.row[probe->column[k]]);

    if (!probe_same(&value, &key[k])) return false;
  }
  return true;
}

static bool probe_find_columns(const struct scan *lead, struct probe *probe,
                               const struct fed_value *key)
{
  for (int k = 0; k < probe->nkey; k++) {
    int16_t i = 0;

    for (; i < lead->plan->ncol; i++) {
      struct fed_value value = probe_canonical(&lead->fetch.row[i]);

      if (probe_same(&value, &key[k])) break;
    }
    if (i == lead->plan->ncol) return false;
    probe->column[k] = i;
  }
  return true;
}

/*
 * The cursor whose rows bring the keys, once it has done so twice at the same
 * places. A wrong guess costs a few rows that nobody asks for.
 */
static struct scan *probe_lead(struct scan *scan, struct probe *probe,
                               const struct fed_value *key)
{
  struct fed_db *fdb = table_of(scan->base.pVtab)->fdb;
  struct scan *found = NULL;

  FED_LIST_EACH(t, &fdb->tables)
  FED_LIST_EACH(c, &FED_CONTAINER(t, struct fed_table, link)->cursors)
  {
    struct scan *lead = FED_CONTAINER(c, struct scan, link);

    if (!probe_may_lead(lead, scan)) continue;
    if (lead == probe->source && probe_leads(lead, probe, key)) {
      probe->hits++;
      return lead;
    }
    found = lead;
    if (lead != probe->source && probe_find_columns(lead, probe, key)) {
      probe->source = lead;
      probe->hits = 0;
      return NULL;
    }
  }
  if (found && probe->source) probe->source = NULL;
  return NULL;
}

/* Learn the key of a row to come, as it will be bound. */
static int probe_learn_row(struct scan *scan, struct probe *probe,
                           const struct fed_value *row, size_t *bytes,
                           struct fed_err *err)
{
  struct fed_value key[PROBE_KEYS];
  uint64_t hash;

  for (int k = 0; k < probe->nkey; k++) {
    const struct fed_column *col = probe_column(scan, probe->key[k]);
    struct term_now now = term_planned(scan->plan->dialect, col, TERM_EQ);
    enum term_form form = now.form;
    char buf[48];

    key[k] = row[probe->column[k]];
    if (term_value_of(scan->plan->dialect, col, &now, false, buf, &key[k]) !=
          TERM_BIND ||
        now.form != form || now.op != TERM_EQ || !probe_hashes(col, &key[k]))
      return SQLITE_OK;
    key[k] = probe_canonical(&key[k]);
    if (key[k].type == FED_TEXT || key[k].type == FED_BLOB)
      *bytes += (size_t)key[k].size;
  }
  hash = rowid_hash(key, probe->nkey);
  if (probe_knows(probe, hash, key)) return SQLITE_OK;
  return probe_learn_key(probe, hash, key, err);
}

static int probe_look_ahead(struct scan *scan, struct probe *probe,
                            struct scan *lead, struct fed_err *err)
{
  bool arrays = scan->plan->dialect->arrays;
  int64_t max = arrays ? PROBE_BATCH_ARRAY : PROBE_BATCH_LIST;
  struct fed_value *row =
    fed_calloc((size_t)probe_ncol(lead->plan), sizeof *row);
  size_t bytes = 0;
  store_pos at = 0;
  int rc;

  if (!row) return fed_err_nomem(err);
  probe->batch = probe->batch ? probe->batch * 4 : PROBE_BATCH_FIRST;
  if (probe->batch > max) probe->batch = max;
  rc = fetch_ahead(&lead->fetch, probe->batch - 1, err);
  for (int64_t n = 1; rc == SQLITE_OK && n < probe->batch; n++) {
    rc = fetch_peek(&lead->fetch, &at, row, err);
    if (rc != SQLITE_ROW) break;
    rc = probe_learn_row(scan, probe, row, &bytes, err);
    if (bytes > PROBE_LIST_BYTES) break;
  }
  if (rc == SQLITE_OK || rc == SQLITE_DONE)
    rc = fetch_peeked(&lead->fetch, err);
  fed_free(row);
  return rc;
}

/* The keys from number `from` on, as lists; *values is the caller's. */
static int probe_lists(struct scan *scan, struct probe *probe, uint32_t from,
                       struct bind_change *change, struct fed_value **values,
                       struct fed_err *err)
{
  int n = (int)(probe->known.n - from);
  struct fed_value *list =
    fed_calloc((size_t)n * (size_t)probe->nkey, sizeof *list);
  int rc = list ? SQLITE_OK : fed_err_nomem(err);

  for (int i = 0; i < n && rc == SQLITE_OK; i++) {
    struct fed_value key[PROBE_KEYS];

    rc = map_read(&probe->known, from + (uint32_t)i + 1, key, err);
    for (int k = 0; k < probe->nkey && rc == SQLITE_OK; k++)
      list[k * n + i] = key[k];
  }
  for (int i = 0; i < scan->plan->nterm; i++)
    change[i].n = -1;
  for (int k = 0; k < probe->nkey && list; k++) {
    change[probe->key[k]].n = n;
    change[probe->key[k]].value = list + k * n;
  }
  *values = list;
  return rc;
}

/* Ask for all keys from number `from` on at once. */
static int probe_fetch_keys(struct scan *scan, struct probe *probe,
                            uint32_t from, struct fed_err *err)
{
  uint32_t nkey = probe->known.n - from;
  struct bind_change *change = NULL;
  struct fed_value *values = NULL;
  int64_t n;
  int rc = SQLITE_OK;

  if (nkey > 1) {
    change = fed_calloc((size_t)scan->plan->nterm, sizeof *change);
    rc = change ? probe_lists(scan, probe, from, change, &values, err)
                : fed_err_nomem(err);
    if (rc == SQLITE_OK)
      rc = bind_change(&scan->bind, table_of(scan->base.pVtab), change, err);
  } else {
    scan->bind.limit = -1; /* every row of the key is wanted */
    scan->bind.as_planned &= scan->plan->limit == 0;
  }
  if (rc == SQLITE_OK)
    rc = probe_fetch(scan, probe, (int64_t)from, 0, INT64_MAX, &n, err);
  probe->spent += PROBE_SINGLE + PROBE_MORE * (nkey - 1);
  fed_free(change);
  fed_free(values);
  return rc;
}

/* No list finds NULL, which IS does. */
static bool probe_has_null(const struct probe *probe,
                           const struct fed_value *key)
{
  for (int k = 0; k < probe->nkey; k++)
    if (key[k].type == FED_NULL) return true;
  return false;
}

/* The rows of one key, from memory or with those of the keys to come. */
static int probe_by_key(struct scan *scan, struct probe *probe,
                        const struct fed_value *key, struct fed_err *err)
{
  uint64_t hash = rowid_hash(key, probe->nkey);
  struct scan *lead;
  uint32_t from;
  int rc;

  if (probe_knows(probe, hash, key)) return probe_serve(scan, probe, key, err);
  if (probe->rows.rows.memory > PROBE_MEM / 2 ||
      probe->known.n > PROBE_BATCH_ARRAY * 8)
    probe_forget_rows(probe);
  from = probe->known.n;
  lead = probe_has_null(probe, key) ? NULL : probe_lead(scan, probe, key);
  rc = probe_learn_key(probe, hash, key, err);
  if (rc == SQLITE_OK && lead) rc = probe_look_ahead(scan, probe, lead, err);
  if (rc == SQLITE_OK) rc = probe_fetch_keys(scan, probe, from, err);
  if (rc == SQLITE_OK) return probe_serve(scan, probe, key, err);
  probe_forget_rows(probe);
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

  if (probe && probe->idxstr != scan->idxstr) {
    probe_free(probe);
    probe = NULL;
  }
  if (!probe) probe = probe_adopt(scan);
  if (!probe) probe = probe_new(scan);
  scan->probe = probe;
  if (!probe) return fed_err_nomem(err);
  if (probe->stale) {
    probe_forget_rows(probe);
    probe->stale = false;
  }
  rc = image_make(&probe->image[probe->filters & 1], &scan->bind, err);
  *again = probe->filters++ > 0;
  if (rc == SQLITE_OK && *again) probe_compare(scan, probe);
  return rc;
}

int probe_filter(struct scan *scan, sqlite3_value **argv, bool *served,
                 struct fed_err *err)
{
  struct fed_value key[PROBE_KEYS];
  struct probe *probe;
  bool again, keyed;
  int rc = probe_watch(scan, &again, err);

  *served = false;
  if (rc != SQLITE_OK || !again) return rc;
  probe = scan->probe;
  if (scan->plan->count) {
    *served = probe->counted;
    if (*served) scan_serve_count(scan, probe->count);
    return SQLITE_OK;
  }
  keyed = probe_key(scan, probe, key);
  if (!probe->whole && probe_wants_whole(scan, probe))
    rc = probe_fetch_whole(scan, probe, argv, err);
  if (rc != SQLITE_OK) return rc;
  *served = true;
  if (probe->whole) return probe_serve(scan, probe, keyed ? key : NULL, err);
  if (keyed && !probe->more && scan->plan->rows <= PROBE_KEY_ROWS)
    return probe_by_key(scan, probe, key, err);
  *served = false;
  probe->spent += PROBE_SINGLE + scan->plan->rows;
  return SQLITE_OK;
}
