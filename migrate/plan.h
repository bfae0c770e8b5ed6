/*
 * plan: what the files say and what the history says, side by side; and which
 * of it is to be done.
 */
#ifndef FED_MIGRATE_PLAN_H
#define FED_MIGRATE_PLAN_H

#include "migrate/history.h"
#include "migrate/source.h"

enum plan_state {
  PLAN_APPLIED,
  PLAN_PENDING,
  PLAN_AGAIN,        /* a repeatable one that has changed */
  PLAN_OUT_OF_ORDER, /* not applied, but a later one is */
  PLAN_PARTIAL,      /* begun, and not finished: up or down */
  PLAN_BASELINED,    /* below the baseline: never to be applied */
  PLAN_CHANGED,      /* applied; its file is another one now */
  PLAN_MISSING,      /* applied; its file is gone */
  PLAN_FUTURE,       /* applied, and later than every file */
  PLAN_STATES
};

struct plan_item {
  const struct source_file *file; /* NULL: missing, future */
  const struct history_row *row;  /* NULL: never applied */
  enum plan_state state;
};

/* Borrows from both of what it was made of. */
struct plan {
  struct plan_item *item; /* versioned ones by version, then repeatable ones */
  int n;
};

/* Those that are refused unless they were allowed. */
struct plan_allow {
  bool changed, missing, future, out_of_order;
};

int plan_make(struct plan *out, const struct source *source,
              const struct history *history, struct fed_err *err);
void plan_release(struct plan *plan);

/* SQLITE_OK, or an error that tells what is not as it should be, and which
 * option allows it. */
int plan_check(const struct plan *plan, const struct plan_allow *allow,
               struct fed_err *err);

/* What to do about a state that should not be; NULL for one that may. */
const char *plan_remedy(enum plan_state state);

/* Version and name of an item, whatever it has. */
const char *plan_version(const struct plan_item *item);
const char *plan_name(const struct plan_item *item);
const char *plan_state_name(enum plan_state state);

#endif
