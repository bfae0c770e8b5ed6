/*
 * history: what was done to a target, kept there in the table dbfed_migration.
 *
 * It is a log: a row for each thing done, in the order of `id`, never changed
 * once it is done. What stands there now follows from the last row of each
 * migration. Row 0 is the table's own: its version is the format.
 */
#ifndef FED_HISTORY_H
#define FED_HISTORY_H

#include "migrate/target.h"

#define HISTORY_FORMAT "1"

enum history_action {
  HISTORY_UP,       /* its up script ran */
  HISTORY_DOWN,     /* its down script ran: it is not applied any more */
  HISTORY_BASELINE, /* taken as applied, with all below */
  HISTORY_ADOPT,    /* found in another tool's history */
  HISTORY_FORCE,    /* somebody said that it is applied */
  HISTORY_REPAIR,   /* applied; its checksum or name is this one now */
  HISTORY_FORGET,   /* somebody said that it is not applied */
  HISTORY_ACTIONS
};

enum history_state {
  HISTORY_DONE,
  HISTORY_RUNNING, /* or the process that ran it is gone */
  HISTORY_FAILED,
  HISTORY_REFUSED, /* at its first statement: nothing is done, and the row is
                    * there to be read only */
  HISTORY_STATES
};

/* One row. Texts of one that was read are owned by the history, and "" where
 * there is nothing to say. */
struct history_row {
  int64_t id;
  enum history_action action;
  enum history_state state;
  const char
    *version; /* canonical; "" for a repeatable one, known by its name */
  const char *name;
  const char *checksum; /* of the script as it ran */
  int64_t statements;   /* in the script */
  int64_t done;         /* of them; less than all while running or failed */
  const char *prefix;   /* SHA-256 of those done */
  const char *effect; /* while one runs that commits by itself: see script.h */
  const char *started_at; /* UTC, YYYY-MM-DD HH:MM:SS */
  int64_t duration_ms;
  const char *applied_by; /* user@host */
  const char *error;
};

struct history {
  struct history_row *row; /* in the order of id */
  int nrow, room;
  /* The last row of each migration, if that says that it is applied or half
   * done: versioned ones by version, then repeatable ones by name. */
  const struct history_row **now;
  int nnow;
  int64_t last; /* the highest id */
};

/* Read it; a target without the table has an empty one. */
int history_load(struct target *target, struct history *out,
                 struct fed_err *err);
void history_release(struct history *history);

/* Its row in `now`, or NULL. */
const struct history_row *history_find(const struct history *history,
                                       const char *version, const char *name);

/* Create the table unless it is there. */
int history_create(struct target *target, struct fed_err *err);

/*
 * Write a row under row->id, which must be the next one; started_at and
 * applied_by are made here.
 */
int history_add(struct target *target, const struct history_row *row,
                struct fed_err *err);

/* The highest id now, and `done` of the row `id`, or -1. */
int history_last(struct target *target, int64_t id, int64_t *last,
                 int64_t *done, struct fed_err *err);

/* Write what may change of row->id: all but id, action, version and name. */
int history_update(struct target *target, const struct history_row *row,
                   struct fed_err *err);

/*
 * Append the text of history_add(), or of history_update(), to be sent among
 * others (batch.c): the server says how long it took.
 */
void history_spell(struct target *target, const struct history_row *row,
                   bool add, struct fed_str *out);

const char *history_action_name(enum history_action action);
const char *history_state_name(enum history_state state);

#endif
