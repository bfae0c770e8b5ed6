/*
 * vtab: remote tables as SQLite virtual tables.
 *
 * What the layer above registers with a SQLite connection: the modules
 * `fed` (a remote table or view) and `fed_query` (a remote SELECT), the
 * status tables, and the calls behind fed_attach() and its like.
 */
#ifndef FED_VTAB_H
#define FED_VTAB_H

#include "base/opt.h"
#include "drv/drv.h"
#include "pool/pool.h"

/* What dbfed keeps for one SQLite connection. Owned by its modules: it goes
 * when the last of them is unregistered, at sqlite3_close. */
struct fed_db;

/* One line of fed_help. */
struct fed_help {
  const char *name;
  const char *usage;
  const char *help;
};

struct status_table;

/*
 * Register every module with `db`. `help` lists the SQL functions of the
 * layer above for fed_help, `more` its tables (both static, the last has no
 * name). *out is one reference to the connection's state, for the functions.
 */
int fed_vtab_register(sqlite3 *db, const struct fed_help *help,
                      const struct status_table *more, struct fed_db **out,
                      struct fed_err *err);

/* The connection that it belongs to. */
sqlite3 *fed_db_handle(const struct fed_db *fdb);

/* What the layer above keeps for the connection; `release` gets it at the end.
 * Set once, right after fed_vtab_register(). */
void fed_db_keep(struct fed_db *fdb, void *data, void (*release)(void *));
void *fed_db_kept(const struct fed_db *fdb);

/* One reference for each module or function that holds it as client data. */
struct fed_db *fed_db_ref(struct fed_db *fdb);
void fed_db_unref(void *fdb);

/* The interrupt test of this connection, with no deadline of its own. */
struct fed_wait fed_db_wait(struct fed_db *fdb);

/* Before each call of ours: end what an interrupt left unfinished. */
void fed_db_settle(struct fed_db *fdb);

/* Put an error where SQLite looks for a function's. */
void fed_result_err(sqlite3_context *ctx, const struct fed_err *err);

/* ---- attach ------------------------------------------------------------ */

extern const struct fed_opt fed_attach_options[];
extern const int fed_attach_noptions;

/*
 * Make a virtual table of every relation of `server` that the options let
 * through, in a new in-memory database (or TEMP). *ntable: how many.
 * On error nothing is left behind.
 */
int fed_attach(struct fed_db *fdb, const char *server,
               const char *const *options, int noption, int *ntable,
               struct fed_err *err);

/* Undo fed_attach. `name` is the database's, or the server's. */
int fed_detach(struct fed_db *fdb, const char *name, int *ntable,
               struct fed_err *err);

/*
 * Read the remote columns again: of an attached server, or of one table
 * ("orders", "main.orders"). *ntable: how many tables changed.
 */
int fed_refresh(struct fed_db *fdb, const char *name, int *ntable,
                struct fed_err *err);

/* ---- trust ------------------------------------------------------------- */

/* Let the tables kept in the file behind `schema` reach their servers, on
 * this connection. */
int fed_trust(struct fed_db *fdb, const char *schema, struct fed_err *err);

/* ---- pushdown ---------------------------------------------------------- */

/*
 * The switch that keeps all work here: terms, order, limits, counts. `table`
 * names one ("orders", "shop.orders"), NULL means all of this connection; a
 * table is pushed down if both are on. `state` is on, off, or NULL to ask
 * only. *out: the state now. Statements that are prepared already are planned
 * anew when they next start.
 */
int fed_pushdown(struct fed_db *fdb, const char *table, const char *state,
                 const char **out, struct fed_err *err);

/* Is it a state, rather than the name of a table? */
bool fed_pushdown_is_state(const char *word);

/* ---- pass-through ------------------------------------------------------ */

/*
 * Run one statement in the server's own dialect; *changes: rows affected.
 * Inside a transaction it is a part of it. Refused for statements that would
 * change the session or its transaction.
 */
int fed_exec(struct fed_db *fdb, const char *server, const char *sql,
             const struct fed_value *args, int n, int64_t *changes,
             struct fed_err *err);

/* ---- rows as JSON ------------------------------------------------------ */

enum fed_returning {
  FED_RETURNING_INSERT,
  FED_RETURNING_UPSERT,
  FED_RETURNING_UPDATE,
  FED_RETURNING_DELETE,
};

/*
 * Write the row `json`, an object, or the rows of an array of such, all or
 * none; *out is what the table then has (DELETE: had) under their keys, in the
 * same form, null where it has nothing; fed_free() it. `keys`, "a,b", is
 * another key than the table's own, or NULL; not for INSERT. Blobs are
 * {"$blob": "00ff"}.
 */
int fed_returning(struct fed_db *fdb, enum fed_returning verb,
                  const char *table, const char *json, const char *keys,
                  char **out, struct fed_err *err);

/* The value as a `struct fed_value` that borrows its bytes. */
struct fed_value fed_value_from(sqlite3_value *value);

#ifdef FED_TEST
/*
 * What test/diff/ knows of the decision table, as a list for Tcl: how many
 * terms were sent as exact and as a superset, how many were never true or
 * left here; then for each row its dialect, classes, text
 * comparisons, letters and forms (the last for ORDER BY), and how often each
 * operator was sent.
 */
void term_report(struct fed_str *out);

/*
 * Turn a letter and a form of the table into others. The operator after the
 * last stands for ORDER BY, where the letter L takes the change back.
 */
void term_mutate(int row, int op, char letter, char form);
#endif

#endif
