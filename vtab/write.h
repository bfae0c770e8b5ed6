/*
 * write.h: INSERT, UPDATE and DELETE of a table's rows. Private to vtab/.
 *
 *     xFilter, of rows to be changed   write_enter(), write_mark()
 *     xUpdate                          write_update() --> a row waits, or
 *                                      is sent: write_send.c
 *     the statement's last row; a      write_flush()
 *     read of that server; a
 *     savepoint; COMMIT
 *
 * What is sent goes through the view of SQLite's transaction (tx/tx.h). Rows
 * wait where an error may be told later:
 *
 *   - those of an INSERT outside of a transaction: the statement ends with
 *     xSync, and what fails there undoes it;
 *   - those that UPDATE and DELETE change, until the last one: SQLite first
 *     reads them all, asking each for its rowid, so it is known which is the
 *     last;
 *   - with bulk=deferred those of an INSERT inside a transaction; there an
 *     error ends the transaction (traps 10).
 *
 * Every other row is sent by itself, and undone by itself if it fails: that
 * is what OR IGNORE and OR FAIL mean, and a statement that writes one row has
 * no savepoint in SQLite.
 */
#ifndef FED_VTAB_WRITE_H
#define FED_VTAB_WRITE_H

#include "vtab/table.h"

/* xUpdate. */
int write_update(sqlite3_vtab *vtab, int argc, sqlite3_value **argv,
                 sqlite3_int64 *rowid);

/* xBegin and its like: what SQLite tells the table's transaction. */
int write_begin(sqlite3_vtab *vtab);
int write_end(sqlite3_vtab *vtab);
int write_savepoint(sqlite3_vtab *vtab, int n);
int write_release_to(sqlite3_vtab *vtab, int n);
int write_rollback_to(sqlite3_vtab *vtab, int n);

/*
 * A scan of a statement that writes on the table's server begins: it is to see
 * what SQLite's transaction sees. `rows`: its rows are to be changed, which is
 * refused if it cannot be. `alone`: see fed_tx_write().
 */
int write_enter(struct fed_table *table, bool rows, bool alone,
                struct fed_err *err);

/* The statement that changes rows of the table opens its cursor. */
void write_open(struct fed_table *table);

/*
 * The present row of a scan is going to be changed; `key` are the values of its
 * key, in the order of rel->col. *out is the rowid by which xUpdate will name
 * it. `batch`: those of this scan are all that will be changed.
 */
int write_mark(struct fed_table *table, const struct fed_value *key, bool batch,
               int64_t *out, struct fed_err *err);

/* Send what waits, at its statement's end or for the sake of another one; or
 * forget it. */
int write_flush(struct fed_db *fdb, struct fed_err *err);
int write_settle(struct fed_db *fdb, struct fed_err *err);
void write_drop(struct fed_db *fdb);

/*
 * Lend the connection on which `view`, of fed_tx_write(), is written; give it
 * back by fed_view_return(). `guard`: see fed_conn.guard_writes.
 */
int write_lease(struct fed_db *fdb, struct fed_server *server,
                struct fed_view *view, bool guard, const struct fed_wait *wait,
                struct fed_conn **out, struct fed_err *err);

/* The calls for fed_tx_set_calls(). */
void write_register(struct fed_db *fdb);

/* The table goes. */
void write_release(struct fed_table *table);

#endif
