/* migrate_int: what the files that put it together share. */
#ifndef FED_MIGRATE_INT_H
#define FED_MIGRATE_INT_H

#include "migrate/migrate.h"
#include "migrate/script.h"

#define MIGRATE_DIR   "migrations"
#define MIGRATE_NAMED 10 /* migrations that a report names */

/* One request. */
struct migrate {
  const struct migrate_host *host;
  enum migrate_verb verb;
  struct migrate_opts opts;
  struct script_variable *var;
  int nvar;
  char to[SOURCE_VERSION_MAX]; /* canonical, or "" */
  struct fed_str *report;
  /* Of the present target. */
  struct target *target;
  struct source *source;
  struct history history;
  struct plan plan;
  struct fed_str done; /* versions, for the report */
  int ndone, total;    /* of those that have scripts */
  int batch;           /* how many are sent at once, at most; 1: no batch */
  int64_t start_ms;
};

/* The options of `args`; then migrate_release(), also after an error. */
int migrate_parse(struct migrate *m, const char *const *args, int n,
                  struct fed_err *err);
void migrate_release(struct migrate *m);

/* Where the files are, for errors: the directory or the table. */
const char *migrate_dir(const struct migrate *m);

/* Load them (embedded.c). */
int migrate_source(struct migrate *m, struct fed_err *err);

/* A target with its files, history and plan; then migrate_close(). */
int migrate_open(struct migrate *m, const char *name, struct fed_err *err);
void migrate_close(struct migrate *m);

/* Is it for migrate_up()? */
bool migrate_is_due(const struct migrate *m, const struct plan_item *item);

/* One more is done: for the report. */
void migrate_note(struct migrate *m, const char *version, const char *name);

/* Why this script must not run, if it must not: guard=. */
int migrate_guard(const struct migrate *m, const struct script *script,
                  struct fed_err *err);

/* The row of `item` in the history, before it runs; texts are borrowed. */
struct history_row migrate_row(const struct plan_item *item, bool up);

/* The file as errors show it: most begin with its path in the directory. */
void migrate_blame(const struct migrate *m, const char *path,
                   struct fed_err *err);

/* ---- batch.c: several in one round trip ---------------------------------- */

/*
 * Apply the first of the `n` migrations `due`, all of whose turn it is, in one
 * round trip, as migrate_script() would one by one. *sent: how many these are;
 * 0 where the first is not fit for that. After an error these are done, and the
 * one behind them has failed.
 */
#define BATCH_FIRST 4
int batch_run(struct migrate *m, struct plan_item *const *due, int n, int *sent,
              struct fed_err *err);

/* ---- write.c: what is only written down ---------------------------------- */

/* A row of the history, and of the report. */
int migrate_write(struct migrate *m, enum history_action action,
                  const char *version, const char *name, const char *checksum,
                  struct fed_err *err);

int migrate_baseline(struct migrate *m, struct fed_err *err);
int migrate_repair(struct migrate *m, struct fed_err *err);
int migrate_force(struct migrate *m, struct fed_err *err);

/* Take over what another tool's history says (adopt.c). */
int migrate_adopt(struct migrate *m, struct fed_err *err);

#endif
