/*
 * target: a database that migrations run on, as the engine sees it: one
 * session of its own, a lock against other runs, a history table, and what
 * its kind of server can and cannot do. Another kind is one row in target.c.
 *
 * The lock and the statements share one session on purpose. A process that is
 * killed leaves a server that may still be busy with its last statement; the
 * lock ends when that session does, not before.
 */
#ifndef FED_TARGET_H
#define FED_TARGET_H

#include "drv/dialect.h"
#include "migrate/split.h"

#define TARGET_LOCK_MS 60000 /* lock_timeout, unless another is given */

struct target;
struct schema;

/* A statement that a script may not have: it would take the lock, the history
 * or a transaction out of our hands. */
struct target_refusal {
  const char *pattern; /* of split_like() */
  const char *why;     /* and what to do */
};
#define TARGET_UNLOCKS                                                         \
  "this would give up the lock that keeps other runs of migrations away: "     \
  "leave it out"

/*
 * How several migrations go to a server in one round trip (batch.c). Patterns
 * are split_like()'s, up to NULL.
 */
struct target_batch {
  const char *begin, *commit;
  bool chains; /* `commit` begins the next transaction, too */
  /* What a transaction may be made of: it gives no rows, and changes nothing
   * of the session. And what may be alone, because it commits by itself:
   * effect() is "absent" before, and something else once it is done. */
  const char *const *plain, *const *alone;
  /* The server finds the ends of statements itself, and might find others than
   * we have where one of these is. NULL: we tell it. */
  const char *const *doubtful;
  /* Statement `i`, from 0, that undoes what a plain one may do to the session
   * (by a trigger, say). False: there are no more. */
  bool (*setting)(const struct target *target, int i, struct fed_str *sql);
  bool sets_first;      /* they stand before a migration, not behind it */
  const char *duration; /* of the migration, an expression in ms */
  /* Append a value, NULL excepted. */
  void (*literal)(struct fed_str *sql, const struct fed_value *value);
};

/* One kind of server. */
struct target_kind {
  const char *driver; /* fed_driver's name; also in names of files, sections */
  enum split_dialect split;
  const char *columns; /* of the history table, for CREATE TABLE */
  /* Rows if the history table exists; the argument is `where`. */
  const char *exists;
  bool quick_begin; /* BEGIN takes the lock against other runs itself */
  /* Make the session that of the server's own client; set target->table. */
  int (*prepare)(struct target *target, struct fed_err *err);
  /* One attempt to take the lock; NULL: BEGIN does. */
  int (*try_lock)(struct target *target, bool *got, struct fed_err *err);
  void (*unlock)(struct target *target);
  /* Undo what a script did to the session (SET ...). */
  int (*restore)(struct target *target, struct fed_err *err);
  const struct target_batch *batch; /* NULL: each is by itself */
  /* Patterns of split_like(), up to NULL: statements that change the session
   * for those after them; that run what is not seen here, and may commit. */
  const char *const *sets, *const *may_commit;
  const struct target_refusal *refused; /* up to one without a pattern */
  /*
   * Before a script whose statements rebuild tables, and after it, before its
   * COMMIT: violations that it made are an error. NULL: the server checks.
   */
  int (*begin_check)(struct target *target, struct fed_err *err);
  int (*end_check)(struct target *target, struct fed_err *err);
  /*
   * A text that changes when `stmt`, which commits by itself, takes effect:
   * the present form of the object that it names. "" where none is known.
   */
  int (*effect)(struct target *target, const struct split_stmt *stmt,
                struct fed_str *out, struct fed_err *err);
  /* Before `stmt`, which commits by itself, runs again: put away what it left
   * when it failed. May be NULL. */
  int (*clear)(struct target *target, const struct split_stmt *stmt,
               struct fed_err *err);
  /* What it is made of; see schema.h. */
  int (*schema)(struct target *target, const char *where, struct schema *out,
                struct fed_err *err);
  /* Statements that make it; see dump.h. */
  int (*dump)(struct target *target, const char *where, struct fed_str *out,
              struct fed_err *err);
};

struct target {
  const struct target_kind *kind;
  char *name; /* "main", "shop" */
  struct fed_conn *conn;
  sqlite3 *local;            /* of main: the caller's; else NULL */
  struct fed_wait wait;      /* of the caller */
  int64_t statement_timeout; /* in ms; 0 none */
  int64_t lock_timeout;      /* of the lock against other runs; < 0 none */
  bool table_locks;          /* it was asked for, and is for the server's too */
  char *table;               /* the history's, quoted and qualified */
  char *where;               /* which schema it is in, as the server names it */
  char who[256];             /* who runs this, once history_who() has asked */
  int ncol;                  /* of the row that a target_row_fn gets */
  bool has_history;
  bool locked;
  bool read_only;     /* option of the server */
  bool in_tx;         /* in a transaction of ours */
  int64_t violations; /* begin_check's count */
  /* Of SQLite, as they were: settings, and how many files are attached. */
  bool foreign_keys;
  int64_t flags, attached;
};

/*
 * Connect. `name` is a server's, "main", or a database attached to `local`;
 * NULL is main. For main the session is `local` itself, which must be in no
 * transaction.
 */
int target_open(struct target **out, const char *name, sqlite3 *local,
                const struct fed_wait *wait, struct fed_err *err);
/*
 * Each name of a list (as "shop, crm"; NULL or "": main), up to the first that
 * fails. One that stands there twice is an error before any.
 */
typedef int target_name_fn(void *arg, const char *name, struct fed_err *err);
int target_each(const char *list, target_name_fn *fn, void *arg,
                struct fed_err *err);

/* Unlock and close; NULL is fine. */
void target_close(struct target *target);

/* Wait for the lock, at most lock_timeout ms. SQLITE_BUSY names what to do. */
int target_lock(struct target *target, struct fed_err *err);

/* One statement of a script. */
int target_run(struct target *target, const char *sql, size_t size,
               struct fed_err *err);

/*
 * Our own statement: `%` in `sql` is the history table, each `?` the next of
 * the `n` values, and so does `#`, see target_spell(). Calls `row` for each row
 * that comes, if not NULL.
 */
typedef int target_row_fn(void *arg, const struct fed_value *row,
                          struct fed_err *err);
int target_query(struct target *target, const char *sql,
                 const struct fed_value *args, int n, target_row_fn *row,
                 void *arg, struct fed_err *err);

/* The same for a text that is sent as it is: it may hold names. */
int target_rows(struct target *target, const char *sql, target_row_fn *row,
                void *arg, struct fed_err *err);

/* Append to `out` what target_query() would run, with the values in it, but
 * batch->duration for `#`. Only where kind->batch is. */
void target_spell(const struct target *target, const char *sql,
                  const struct fed_value *args, struct fed_str *out);

int target_begin(struct target *target, struct fed_err *err);
int target_commit(struct target *target, struct fed_err *err);
/* Whatever the state; for the way out. */
void target_rollback(struct target *target);

/* After a script: the session as it was before. `rc` is how the script went,
 * and what is returned unless this fails. */
int target_restore(struct target *target, int rc, struct fed_err *err);

extern const struct target_kind target_pg, target_mysql, target_sqlite;

#endif
