/*
 * tx: what several reads of a server see together, and what becomes of writes.
 *
 * A *view* is one state of one server, and the connections that show it:
 *
 *   - that of SQLite's transaction, from its first read of the server until
 *     COMMIT or ROLLBACK: one connection, in one transaction there;
 *   - that of one statement that reads a server more than once, outside of a
 *     transaction, until its last cursor closes: as many connections as it
 *     has scans at a time, if the server lets them share a snapshot.
 *
 *     fed_tx_view() --> fed_view_lease() <--> fed_view_return()
 *                  \--> fed_view_drop()
 *
 * SQLite tells nobody when a transaction that only reads ends. So a virtual
 * table in TEMP, the *observer*, is written to (nothing) before the first
 * read: from then on it hears of COMMIT and ROLLBACK (observer.c), and of
 * savepoints.
 *
 * Writes of a server go through the view that SQLite's transaction has of it,
 * those of a statement outside of one as well: to SQLite that is a transaction,
 * too. One server at most is written in each:
 *
 *     fed_tx_write() --> fed_view_lease() --> fed_view_write() --> ...
 *
 * SQLite's savepoints are numbered from 0. tx->depth is how many are open,
 * view->depth how many of them the server has: those that miss are made before
 * the next write (levels.c). The server's COMMIT comes in SQLite's xSync.
 *
 * One struct fed_tx belongs to one SQLite connection, and to its thread.
 */
#ifndef FED_TX_H
#define FED_TX_H

#include "pool/pool.h"

struct fed_tx;
struct fed_view;

/* Register the observer's module with `db`. *out: one reference. */
int fed_tx_new(sqlite3 *db, struct fed_tx **out, struct fed_err *err);
void fed_tx_unref(struct fed_tx *tx); /* NULL is fine */

/* What the layer above does when SQLite's transaction moves. */
struct fed_tx_calls {
  void *ctx;
  struct fed_wait wait; /* for what is sent then */
  /* Send what was written and kept back. */
  int (*flush)(void *ctx, struct fed_err *err);
  /* Forget it: it is undone. */
  void (*drop)(void *ctx);
  /* Reads still under way on `conn` are to need it no more. */
  int (*set_aside)(void *ctx, struct fed_conn *conn, struct fed_err *err);
  /* The transaction has ended. */
  void (*ended)(void *ctx);
};
void fed_tx_set_calls(struct fed_tx *tx, const struct fed_tx_calls *calls);

/*
 * Make the observer's table now, outside of a transaction: made inside of
 * one, ROLLBACK takes it away and ends SELECTs that still run. A failure is
 * not told; it is tried again when the table is needed.
 */
void fed_tx_observe(struct fed_tx *tx);

/* Drop it, outside of a transaction; it comes back when it is needed. */
void fed_tx_unobserve(struct fed_tx *tx);

/*
 * Is fed_tx_view() going to ask for the statement? Not in a transaction, but
 * for one that ran before it began, and not of a server where two connections
 * cannot show the same.
 */
bool fed_tx_asks(struct fed_tx *tx, struct fed_server *server);

/*
 * What a read of `server` that begins now has to see: in a transaction, its
 * view. Otherwise that of statement `stmt`, which reads the server more than
 * once (NULL: it does not); it keeps that behind a BEGIN, as SQLite would.
 * *out NULL: any connection will do. Else one reference, to be dropped when the
 * reading cursor closes: a statement's view ends with the last one.
 */
int fed_tx_view(struct fed_tx *tx, struct fed_server *server, const void *stmt,
                struct fed_view **out, struct fed_err *err);
void fed_view_drop(struct fed_view *view); /* NULL is fine */

/*
 * Lend a connection that shows the view. SQLITE_BUSY: none is free. Then
 * *out is one whose reader is in the way, or NULL: the pool has none, and
 * only with `queue` it was waited for.
 */
int fed_view_lease(struct fed_view *view, bool queue,
                   const struct fed_wait *wait, struct fed_conn **out,
                   struct fed_err *err);

/* Give it back; statements that were run are put, or still to be read. */
void fed_view_return(struct fed_view *view, struct fed_conn *conn);

/*
 * A read of the view has failed. If the connection is lost, so is the view:
 * the message says that the transaction must be rolled back, with a code that
 * leaves this to the user (SQLITE_IOERR would make SQLite do it).
 */
void fed_view_failed(struct fed_view *view, const struct fed_conn *conn,
                     struct fed_err *err);

/*
 * The view through which `server` is to be written, as fed_tx_view() gives it.
 * `alone`: it is new, and what runs outside of a transaction reads no state of
 * the server twice, so that the server's default isolation will do. Refused if
 * another server was written.
 */
int fed_tx_write(struct fed_tx *tx, struct fed_server *server, bool alone,
                 struct fed_view **out, struct fed_err *err);

/*
 * Before each write on `conn`, which was leased: the server gets the savepoints
 * that it misses. `guard`: see fed_conn.guard_writes.
 */
int fed_view_write(struct fed_view *view, struct fed_conn *conn, bool guard,
                   const struct fed_wait *wait, struct fed_err *err);

/* A write has failed, and what SQLite undoes now cannot be undone here alone:
 * nothing but ROLLBACK is left. `err` says so, with its own code; whatever
 * comes behind it gets SQLITE_ERROR. */
void fed_view_doom(struct fed_view *view, struct fed_err *err);
bool fed_view_is_doomed(const struct fed_view *view); /* NULL: no */

/* What SQLite tells each of its tables; calls may come more than once. */
int fed_tx_savepoint(struct fed_tx *tx, int n, struct fed_err *err);
int fed_tx_release(struct fed_tx *tx, int n, struct fed_err *err);
void fed_tx_rollback_to(struct fed_tx *tx, int n);

/* Does it show the transaction that SQLite is in, not a statement's or one
 * that is over? NULL: no. */
bool fed_view_is_tx(const struct fed_view *view);

/* Does a statement's view keep a connection that nobody uses now? */
bool fed_tx_keeps(const struct fed_tx *tx);

/*
 * The pool of `server` has nothing left: give back a connection that a
 * statement's view keeps but does not use. The last one of a view goes only
 * if it must, and the view with it. False: there is none.
 */
bool fed_tx_yield(struct fed_tx *tx, struct fed_server *server);

#endif
