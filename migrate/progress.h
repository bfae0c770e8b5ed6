/* progress: a function of the program that is told what a run does. */
#ifndef FED_MIGRATE_PROGRESS_H
#define FED_MIGRATE_PROGRESS_H

#include "migrate/call.h"
#include "migrate/history.h"

/* What a connection keeps between its runs. */
struct progress_state {
  char *progress; /* the function of migrate_on_progress(); NULL: none */
  bool running;   /* a run goes on: no other one inside it */
};

/* For fed_db_keep(). */
void progress_free(void *state);

/* A run begins: not in a transaction, nor in another run. Its end sets
 * `running` back. */
int progress_enter(struct progress_state *state, sqlite3 *local,
                   struct fed_err *err);

/* Take `name` (NULL: none) for the function that is told. */
int progress_set(struct progress_state *state, sqlite3 *local, const char *name,
                 struct fed_err *err);

enum progress_moment {
  PROGRESS_BEGIN,     /* of a migration */
  PROGRESS_STATEMENT, /* before each */
  PROGRESS_DONE,      /* committed, with its row of the history */
};

struct progress {
  const struct progress_state *state;
  sqlite3 *local;
  const char *target;
  int64_t done, total; /* migrations of this run on this target */
};

/*
 * Tell the function, if there is one, of statement `at` (0: none yet) of `n`.
 * SQLITE_ABORT: it wants no more; not at PROGRESS_DONE.
 */
int progress_tell(const struct progress *progress, enum progress_moment moment,
                  const struct history_row *row, int at, int n,
                  struct fed_err *err);

#endif
