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

/* Say where in the file statement `at` is, or the place in it that the server
 * has told. */
void script_blame(const struct script *script, int at, struct fed_err *err);

#define SCRIPT_HASH 65 /* bytes of a hash in hex, with its final zero */

/* What row->effect says before `stmt` runs: half a hash of it, and half a hash
 * of the form that its object has then (target_kind->effect). */
void script_effect_of(const struct split_stmt *stmt, const struct fed_str *form,
                      char out[SCRIPT_HASH]);

/* What the row says when `n` statements are done; `prefix` is then its. */
void script_done(struct script *script, struct history_row *row, int n,
                 char prefix[SCRIPT_HASH]);

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

/*
 * Statement row->done of one that runs statement by statement has failed with
 * `err`: keep that beside what was done, if the server still answers. Where it
 * was not the server that refused, the statement may have taken effect.
 */
void script_failed(struct script *script, struct script_run *run,
                   struct history_row *row, struct fed_err *err);

#endif
