/*
 * migrate: bring a database to the state that a directory of migrations says,
 * on SQLite, PostgreSQL and MySQL/MariaDB.
 *
 *     source.c   files             -> migrations, each with its scripts
 *     split.c    a script          -> statements; classify.c: what they are
 *     target.c   a database        -> a session, a lock, a history
 *     plan.c     files and history -> what is to be done
 *     script.c   runs one script, so that the history is always right
 *     host.c     what the program gives: files, and functions as steps
 *     progress.c tells a function of the program, which may stop the run
 *     migrate.c  puts it together
 */
#ifndef FED_MIGRATE_H
#define FED_MIGRATE_H

#include "base/clock.h"
#include "base/opt.h"
#include "migrate/plan.h"
#include "migrate/script.h"

/* The options of the functions; see migrate_options. */
struct migrate_opts {
  char *dir;
  char *source;   /* a table, instead of dir */
  char *embedded; /* files of the program, instead of dir */
  char *to;
  int64_t steps; /* 0: all that are to be done; down: 1 */
  bool dry_run;
  bool pending;
  bool skip_code;
  struct plan_allow allow;
  int64_t lock_timeout, statement_timeout; /* in ms; 0 none given */
  int layout;                              /* enum source_layout */
  int guard;                               /* 1: refuse destructive ones */
};

extern const struct fed_opt migrate_options[];
extern const int migrate_noptions;

/* Whose connection, how long, and what it keeps. */
struct migrate_host {
  sqlite3 *db;
  struct fed_wait wait;
  struct progress_state *state;
};

enum migrate_verb {
  MIGRATE_UP,       /* apply what is pending */
  MIGRATE_DOWN,     /* undo the last one, or steps= of them, or down to to= */
  MIGRATE_TO,       /* up or down, until to= is the last one */
  MIGRATE_REDO,     /* undo the last one and apply it again */
  MIGRATE_BASELINE, /* take all up to to= as applied */
  MIGRATE_REPAIR,   /* take the files as they are: changed, missing, future */
  MIGRATE_FORCE,    /* take to= alone as applied, or with `pending` as not */
  MIGRATE_ADOPT,    /* take over what another tool's history says */
  MIGRATE_VERBS
};

/*
 * Do it on each of `targets` (names separated by commas; NULL: main), one
 * after the other, up to the first that fails. `args` are options. Appends to
 * `report` a line for each target, also when it fails. Must be called outside
 * any transaction of host->db, and not inside another run.
 */
int migrate_run(const struct migrate_host *host, enum migrate_verb verb,
                const char *targets, const char *const *args, int n,
                struct fed_str *report, struct fed_err *err);

/* What migrate_status shows of one migration on one target. */
typedef int migrate_item_fn(void *arg, const char *target,
                            const struct plan_item *item, struct fed_err *err);
int migrate_status(const struct migrate_host *host, const char *targets,
                   const char *const *args, int n, migrate_item_fn *item,
                   void *arg, struct fed_err *err);

/* Statement `at` of a script that migrate_up() would run. */
typedef int migrate_step_fn(void *arg, const char *target,
                            const struct plan_item *item,
                            const struct script *script, int at,
                            struct fed_err *err);
int migrate_plan(const struct migrate_host *host, const char *targets,
                 const char *const *args, int n, migrate_step_fn *step,
                 void *arg, struct fed_err *err);

/* Whatever is not as it should be, and what to do. `version` NULL: a file that
 * is none. */
typedef int migrate_note_fn(void *arg, const char *target, const char *version,
                            const char *name, const char *problem,
                            const char *remedy, struct fed_err *err);
int migrate_verify(const struct migrate_host *host, const char *targets,
                   const char *const *args, int n, migrate_note_fn *note,
                   void *arg, struct fed_err *err);

/*
 * Write the template of a new migration into the directory of the options;
 * appends its paths, one a line.
 */
int migrate_new(const char *name, const char *const *args, int n,
                struct fed_str *paths, struct fed_err *err);

/* Each row of the targets' histories. */
typedef int migrate_row_fn(void *arg, const char *target,
                           const struct history_row *row, struct fed_err *err);
int migrate_history(const struct migrate_host *host, const char *targets,
                    migrate_row_fn *row, void *arg, struct fed_err *err);

#endif
