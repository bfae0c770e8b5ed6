/*
 * tx_int.h: what the files of tx/ share.
 *
 *   tx.c        a SQLite connection's transaction, and its views
 *   view.c      one view: connections, begin and end
 *   levels.c    writes: savepoints, COMMIT
 *   local.c     SQLite's own files at a COMMIT
 *   observer.c  the table through which SQLite tells of COMMIT and ROLLBACK
 */
#ifndef FED_TX_INT_H
#define FED_TX_INT_H

#include "base/list.h"
#include "tx/tx.h"

struct fed_tx {
  sqlite3 *db;
  int refs;
  int observers;            /* connected tables: SQLite may keep an old one */
  bool enlisted;            /* the observer will hear of the end */
  struct fed_list views;    /* also those that are over, while in use */
  int depth;                /* of SQLite's savepoints */
  struct fed_view *written; /* NULL: none */
  struct fed_tx_calls calls;
};

/* A connection in the view's transaction. */
struct view_pin {
  struct fed_list link; /* view->pins; the first gave the snapshot its name */
  struct fed_conn *conn;
  int running; /* reads that it is lent to */
};

struct fed_view {
  struct fed_list link; /* tx->views */
  struct fed_tx *tx;
  struct fed_server *server;
  const void *stmt; /* NULL: SQLite's transaction */
  int refs;         /* cursors */
  struct fed_list pins;
  char snapshot[40];   /* what other connections can join it by, or "" */
  bool over;           /* nobody may join; pins end as they come back */
  bool commit;         /* how they end */
  bool writes;         /* it was made for writing */
  bool alone;          /* see fed_tx_write() */
  bool committed;      /* on the server, in xSync */
  bool doomed;         /* see fed_view_doom() */
  int depth;           /* savepoints that the server has */
  struct fed_err lost; /* why nothing can be read any more */
};

/* ---- view.c ------------------------------------------------------------ */

struct fed_view *fed_view_new(struct fed_tx *tx, struct fed_server *server,
                              const void *stmt, struct fed_err *err);

/* No read may begin; what nobody uses ends and is freed. */
void fed_view_end(struct fed_view *view, bool commit);

/* End an idle connection of the view and give it to the pool. */
void fed_view_unpin(struct fed_view *view, struct view_pin *pin);

/* Its connection, where it has one only; or NULL. */
struct fed_conn *fed_view_conn(const struct fed_view *view);

/* Begin again on that connection, after its transaction was rolled back. */
int fed_view_restart(struct fed_view *view, struct fed_conn *conn,
                     const struct fed_wait *wait, struct fed_err *err);

/* ---- levels.c ---------------------------------------------------------- */

/* SQLite is about to commit: commit what was written. */
int fed_tx_sync(struct fed_tx *tx, struct fed_err *err);

/* ---- local.c ----------------------------------------------------------- */

/* Make sure that SQLite's own COMMIT cannot fail for a reader. SQLITE_BUSY: the
 * transaction stays as it is, and COMMIT may be tried again. */
int fed_local_lock(sqlite3 *db, struct fed_err *err);

/* ---- tx.c -------------------------------------------------------------- */

/* The transaction has ended. */
void fed_tx_end(struct fed_tx *tx, bool commit);

/* ---- observer.c -------------------------------------------------------- */

/* Name of the module, and of its only table, in TEMP. */
#define FED_OBSERVER "dbfed_tx"

/* `tx` gains a reference, dropped with the module. */
int fed_observer_register(struct fed_tx *tx, struct fed_err *err);

/* Create the table; inside a transaction, also that of a statement which
 * writes, this enlists it. */
int fed_observer_create(struct fed_tx *tx);

/*
 * Have the observer hear of the end of this transaction. *in false: it cannot
 * be written to (PRAGMA query_only, an authorizer), so nobody would hear.
 */
int fed_observer_enlist(struct fed_tx *tx, bool *in, struct fed_err *err);

#endif
