/*
 * scan.h: the cursor, and bind.c: the values of one execution. Private to
 * vtab/.
 */
#ifndef FED_VTAB_SCAN_H
#define FED_VTAB_SCAN_H

#include "vtab/fetch.h"
#include "vtab/rowid.h"

/* ---- bind.c: what the values of one xFilter make of the plan ----------- */

struct bind {
  const struct plan *plan;
  struct term_now *now;   /* one for each term of the plan */
  char (*text)[48];       /* numbers made text, one for each term */
  struct fed_value *args; /* what to bind, in the order of placeholders */
  int narg, room;
  void **held; /* memory that args borrow from */
  int nheld;
  int64_t limit;      /* rows to ask for; -1 all */
  bool first;         /* the first attempt: there may be more rows, or others */
  bool as_planned;    /* the SQL of idxStr is what to run */
  struct fed_str sql; /* else this */
};

void bind_init(struct bind *bind);
void bind_release(struct bind *bind);
/* Keep no more memory than the next run is sure to need. */
void bind_rest(struct bind *bind);

/* Make room for the plan's terms. */
int bind_plan(struct bind *bind, const struct plan *plan, struct fed_err *err);

/*
 * Take the arguments of xFilter. *never: no row can match. Values are
 * borrowed from `argv` until bind_forget().
 */
int bind_values(struct bind *bind, const struct fed_table *table,
                sqlite3_value **argv, bool *never, struct fed_err *err);
void bind_forget(struct bind *bind);

/*
 * Ask for other rows than bind_values() said: n < 0 leaves a term as it is,
 * 0 drops it, else it is `= one of` the values, which are borrowed until the
 * query was started. One entry for each term; there is no limit any more.
 */
struct bind_change {
  int n;
  const struct fed_value *value;
};
int bind_change(struct bind *bind, const struct fed_table *table,
                const struct bind_change *change, struct fed_err *err);

/* The server refused to take so much: ask for the rows without the lists.
 * False if there are none. */
bool bind_drop_lists(struct bind *bind, const struct fed_table *table);

/* The SQL to run. NULL when out of memory. Borrowed until the next call. */
const char *bind_sql(struct bind *bind, const struct fed_table *table,
                     const char *idxstr, enum plan_ask ask);

/* ---- the cursor -------------------------------------------------------- */

struct scan {
  sqlite3_vtab_cursor base; /* first */
  struct fed_list link;     /* table->cursors */
  struct fetch fetch;
  bool eof;

  const char *idxstr; /* NULL before the first run */
  const struct plan *plan;
  int64_t made_for; /* the id of the plan that these were made for, or 0: */
  int16_t *place;   /* column -> position in the row, -1 not read */
  enum fed_class *want;
  struct bind bind;

  bool count;            /* the number of rows is asked for */
  bool counting;         /* no rows, only their number */
  int64_t left;          /* of it */
  int64_t passed;        /* rows given so far, of a count or a chunk */
  bool changes;          /* its rows are to be changed, */
  bool batch;            /* and no others of the table meanwhile */
  struct fed_value *key; /* room for the key of one */
  bool times;            /* each row comes with how often it is to be given */
  int64_t again;         /* so often once more */

  struct probe *probe; /* what the runs so far have taught, or NULL */
  bool served;         /* rows come from it, not from `fetch` */
  bool by_key;         /* those of one hash; else all that it has */
  uint64_t hash;
  store_pos here, at; /* this row and the next; by key an entry, 0 none */

  struct rowid_seen chunk; /* rows given under a LIMIT, see scan_resume() */
  struct rowid_seen seen;
  bool has_rowid; /* `rowid` is that of the present row */
  int64_t rowid;
};

/* Start the query that is bound, for about `expected` rows; scan->fetch
 * stands on the first. */
int scan_fetch(struct scan *scan, double expected, struct fed_err *err);

/* The present row; NULL if it was lost. */
const struct fed_value *scan_row(const struct scan *scan);

/* Rows to come, as fetch_ahead(), fetch_peek() and fetch_peeked(). */
int scan_ahead(struct scan *scan, int64_t n, struct fed_err *err);
int scan_peek(struct scan *scan, store_pos *at, struct fed_value *row,
              struct fed_err *err);
int scan_peeked(struct scan *scan, struct fed_err *err);

/* Give this many empty rows. */
void scan_serve_count(struct scan *scan, int64_t count);

#endif
