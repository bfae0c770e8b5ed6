/*
 * script: one direction of one migration on one target: its statements, and
 * running them so that at every moment the history tells what was done.
 */
#ifndef FED_SCRIPT_H
#define FED_SCRIPT_H

#include <nettle/sha2.h>

#include "migrate/progress.h"
#include "migrate/source.h"

struct script_step {
  struct split_stmt stmt; /* of a call: its line */
  const char *call;       /* the host's function, instead of a statement */
  bool may_commit;        /* what it runs is not seen here: CALL, EXECUTE */
  bool sets;              /* changes the session: SET, USE ... */
};

/*
 * How it runs. Where everything can be rolled back, the script, the history's
 * row and nothing else are one transaction. Else each statement is one, with
 * the row's progress; and of a statement that commits by itself the row first
 * says which it is and what its object looked like before (target->effect), so
 * that the next run can see if it took effect.
 */
struct script {
  const char *path;
  struct script_step *step;
  int n, room;
  struct fed_str *text; /* of the parts with variables */
  int ntext;
  bool atomic;
  bool rebuilds;          /* drops or alters tables */
  bool sets;              /* changes the session: SET, USE ... */
  int64_t began;          /* fed_clock_ms() */
  bool calls;             /* functions of the host */
  char effect[65];        /* of the statement that commits by itself */
  unsigned traits;        /* of all statements */
  struct sha256_ctx hash; /* of the first `nhashed` statements */
  int nhashed;
};

/* A value for ${name}. */
struct script_variable {
  char *name, *value;
};

/* Cut `source` into statements; `path` is for errors. */
int script_load(struct script *out, const struct source_script *source,
                const struct target_kind *kind,
                const struct script_variable *var, int nvar,
                struct fed_err *err);
void script_release(struct script *script);

/*
 * Before a script goes on with statement `from` in another session: does any
 * from there on need what one before has left in its own, and what cannot be
 * had again? (session.c)
 */
int session_check(const struct script *script, enum split_dialect dialect,
                  int from, struct fed_err *err);

/* What a run needs to know besides. */
struct script_run {
  struct target *target;
  struct progress progress;          /* whose functions are called */
  const struct history_row *partial; /* go on from here, or NULL */
  int64_t last;                      /* the history's highest id, now ours */
  bool single; /* the transaction is of one statement and its progress */
};

/*
 * Run it and write `row` (action, version, name, checksum are the caller's).
 * SQLITE_BUSY_SNAPSHOT: another process has changed the history meanwhile;
 * nothing was done.
 */
#define SCRIPT_STALE SQLITE_BUSY_SNAPSHOT
int script_execute(struct script *script, struct script_run *run,
                   struct history_row *row, struct fed_err *err);

#endif
