/*
 * host: what a C program registers for its migrations, on one connection:
 * files in memory, and functions that `-- migrate:call` names.
 *
 * SQLite keeps them for us, as SQL functions whose only argument is a pointer
 * of ours. So they end with the connection, and no SQL can call them.
 */
#ifndef FED_HOST_H
#define FED_HOST_H

#include "migrate/call.h"
#include "migrate/embedded.h"
#include "migrate/script.h"

/* One call of a function, good until it returns. */
struct host_call {
  const char *function; /* its name */
  struct script_run *run;
  const struct history_row *row;
  bool atomic; /* its file is one transaction */
  struct fed_err *err;
};

/* Returns an SQLITE_ code, and may leave an error in call->err. */
typedef int host_fn(void *arg, struct host_call *call);

/* Both take what they are given, also when they fail; `list` NULL, `fn` NULL:
 * the name is free again. SQLITE_BUSY while a statement runs on `db`. */
int host_set_files(sqlite3 *db, const char *name, struct embedded *list);
int host_set_function(sqlite3 *db, const char *name, host_fn *fn, void *arg,
                      void (*destroy)(void *arg));

/* NULL, if nothing of this name is registered. */
int host_files(sqlite3 *db, const char *name, const struct embedded **out,
               struct fed_err *err);

/*
 * `-- migrate:call name`: the program's C function of this name, else its SQL
 * function with the target, the version and the direction.
 */
int host_run(struct script_run *run, const char *name, bool atomic,
             const struct history_row *row, struct fed_err *err);

/*
 * Statements on the session of the target, in the migration's transaction.
 * What would end that, or changes the session, is refused.
 */
int host_exec(struct host_call *call, const char *sql, struct fed_err *err);

#endif
