/*
 * fetch: one execution of a remote statement, and its rows. It borrows a
 * connection, retries where that harms nobody, reads rows ahead or to the end
 * when the connection is needed elsewhere, and gives everything back.
 */
#ifndef FED_VTAB_FETCH_H
#define FED_VTAB_FETCH_H

#include "vtab/store.h"
#include "vtab/table.h"

/* What to execute. Borrowed for the call of fetch_start(). */
struct fetch_query {
  const char *sql;
  const struct fed_value *args;
  int narg;
  const enum fed_class *want; /* of each column of the result */
  int nwant;
  bool bulk; /* many rows, probably all of them wanted */
};

/* Zero it, set `table` and `wait`; then it may be started again and again. */
struct fetch {
  struct fed_table *table;
  struct fed_wait wait;
  const void *group; /* a statement that reads the server more than once */

  bool eof;                    /* no row is left */
  const struct fed_value *row; /* the present row, until the next call */

  /* fetch.c's own */
  struct fed_list link;      /* fdb->fetches, while it holds a connection */
  struct fed_server *server; /* borrowed, while it starts */
  struct fed_conn *conn;
  struct fed_stmt *stmt;
  struct fed_view *view; /* what it sees together with others, or NULL */
  bool in_tx;            /* inside a read-only transaction of its own */
  bool fenced;           /* behind a savepoint of its own */
  struct store kept;
  struct fed_value *kept_row; /* room for one row of it */
  store_pos row_at, next_at;  /* in it: the present row and the next */
  int64_t nkept;              /* rows of it still to come */
  struct fed_err lost;        /* why it cannot go on behind them */
};

void fetch_init(struct fetch *fetch, struct fed_table *table);

/* Execute; it stands on the first row then, or is at its end. */
int fetch_start(struct fetch *fetch, const struct fetch_query *query,
                struct fed_err *err);

/* May it see no rows where there are some? Then fetch_start() finds that out,
 * but not from a number of rows. */
bool fetch_may_hide(const struct fetch *fetch);

/* Go to the next row. */
int fetch_next(struct fetch *fetch, struct fed_err *err);

/*
 * Read on until `n` rows behind the present one are kept or there are no
 * more. An error of the server is not lost: fetch_next() will tell it at its
 * place. fetch->row is another pointer then.
 */
int fetch_ahead(struct fetch *fetch, int64_t n, struct fed_err *err);

/*
 * Look at the kept rows behind the present one, the next first: *at is 0 at
 * the beginning. SQLITE_ROW, with `row` good until the next call; else
 * SQLITE_DONE or an error. End with fetch_peeked().
 */
int fetch_peek(struct fetch *fetch, store_pos *at, struct fed_value *row,
               struct fed_err *err);
int fetch_peeked(struct fetch *fetch, struct fed_err *err);

/* Give everything back; it is at its end. */
void fetch_end(struct fetch *fetch);

/* The same, and it will not be started again. `heir`, or NULL, will be in its
 * place, and sees what it saw. */
void fetch_close(struct fetch *fetch, struct fetch *heir);

/*
 * Lend a connection of `server` to a statement of `fdb`: one of `view`, or
 * with NULL any. Whoever holds a connection must not wait for another (two
 * threads doing so wait for ever, on one server or on two): its fetches are
 * set aside until one comes free. Only what a transaction holds it keeps.
 */
int fetch_lease(struct fed_db *fdb, struct fed_server *server,
                struct fed_view *view, const struct fed_wait *wait,
                struct fed_conn **out, struct fed_err *err);

/* Read the fetches that use `conn` to their end, so that it is free. */
int fetch_set_aside_on(struct fed_db *fdb, const struct fed_conn *conn,
                       const struct fed_wait *wait, struct fed_err *err);

/* The same for those of `server` that show `view`, or with `all` any. */
int fetch_set_aside_for(struct fed_db *fdb, const struct fed_server *server,
                        const struct fed_view *view, bool all,
                        const struct fed_wait *wait, struct fed_err *err);

#endif
