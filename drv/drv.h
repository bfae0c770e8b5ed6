/*
 * drv: one interface to every kind of server.
 *
 * A backend is one `const struct fed_driver` in its own file plus one row in
 * drivers.c. Drivers know nothing of virtual tables: they take SQL text and
 * `struct fed_value` arguments, and decode each row of the answer into an
 * array of `struct fed_value`.
 *
 *     open --> conn --> prepare --> stmt --> execute --> step ... --> reset
 *                                     ^__________________________________|
 *
 * Rules of the house:
 *  - One connection belongs to one thread at a time; only cancel() may be
 *    called from another. At most one statement of it is executing.
 *  - Every call that may wait takes a `struct fed_wait` and obeys it.
 *  - A call that leaves the protocol in an unknown state sets conn->broken;
 *    a broken connection is only good for close().
 *  - Callers use the inline wrappers at the end, never the slots.
 */
#ifndef FED_DRV_H
#define FED_DRV_H

#include "base/clock.h"
#include "base/list.h"
#include "base/str.h"
#include "base/value.h"

struct fed_dialect;

/* ---- types ------------------------------------------------------------- */

/*
 * What a remote column is, seen from SQLite: which values it can give, in
 * which storage class, and how they compare. The mapping from each server's
 * types stands in docs/types.md.
 */
enum fed_class {
  FED_CLASS_ANY,         /* SQLite column: every value has its own class */
  FED_CLASS_INT,         /* INTEGER */
  FED_CLASS_UINT,        /* INTEGER, above 2^63-1 TEXT of decimal digits */
  FED_CLASS_BOOL,        /* INTEGER 1 or 0 */
  FED_CLASS_REAL,        /* REAL; NaN is NULL */
  FED_CLASS_FLOAT4,      /* REAL that holds a 4-byte float */
  FED_CLASS_DECINT,      /* numeric(p<=18, 0): INTEGER */
  FED_CLASS_DECREAL,     /* numeric(p<=15, s>0): REAL */
  FED_CLASS_DECIMAL,     /* other numeric: TEXT, ordered by value */
  FED_CLASS_TEXT,        /* TEXT */
  FED_CLASS_CHAR,        /* char(n): TEXT, trailing blanks cut */
  FED_CLASS_BLOB,        /* BLOB */
  FED_CLASS_DATE,        /* TEXT YYYY-MM-DD */
  FED_CLASS_TIME,        /* TEXT HH:MM:SS[.f] */
  FED_CLASS_TIMESTAMP,   /* TEXT YYYY-MM-DD HH:MM:SS[.f] */
  FED_CLASS_TIMESTAMPTZ, /* the same, in UTC, without a suffix */
  FED_CLASS_UUID,        /* TEXT, 36 lower-case characters */
  FED_CLASS_OTHER,       /* TEXT as the server prints it */
  FED_CLASS_COUNT
};

/* How the server compares two texts of a column, against bytewise order. */
enum fed_textcmp {
  FED_TEXTCMP_LOOSE, /* equal bytes are equal; more may be; any order */
  FED_TEXTCMP_EQUAL, /* equal exactly when bytes are; another order */
  FED_TEXTCMP_BYTES, /* equality and order of the bytes */
  FED_TEXTCMP_CI,    /* LOOSE, and at least ASCII case is folded */
};

/* What a row gets in a column that its INSERT does not name. */
enum fed_fill {
  FED_FILL_NULL,     /* NULL, where the column takes it */
  FED_FILL_DEFAULT,  /* a default, constant or not */
  FED_FILL_NUMBER,   /* the server's next number: serial, AUTO_INCREMENT, a
                        SQLite rowid's alias */
  FED_FILL_ALWAYS,   /* that, or what the server makes of each write: nothing
                        else can be written (GENERATED ALWAYS AS IDENTITY) */
  FED_FILL_COMPUTED, /* a value made from other columns, never written */
  FED_FILL_COUNT
};

/* One column of a remote table, view or query. Owned by its relation. */
struct fed_column {
  char *name;      /* as the server spells it */
  char *type;      /* as the server prints it: "numeric(10,2)" */
  char *collation; /* SQLite servers: a built-in collation, else NULL */
  enum fed_class class;
  enum fed_textcmp textcmp;
  bool unicode; /* texts: the column can be compared with any character */
  bool notnull; /* true of every row the server can return */
  /* 1.. place in the key that names a row; 0 none. Two rows have the same only
   * if a column of it can be NULL, and is. */
  int key;
  enum fed_fill fill;
  /* Bit n: part of the table's nth key that is unique, the primary one and
   * that which names a row included; of those beyond 32 nothing is known, nor
   * of one over expressions or over some rows only. */
  uint32_t uniques;
  /* Statistics: guesses for the planner, never part of an answer. */
  bool indexed;    /* first in an index by which = finds its rows */
  double distinct; /* different values; below 0 unknown */
  double nulls;    /* part of the rows that is NULL, 0..1; below 0 unknown */
};

enum fed_kind {
  FED_KIND_TABLE,
  FED_KIND_PARTITIONED,
  FED_KIND_FOREIGN,
  FED_KIND_VIEW,
  FED_KIND_MATVIEW,
  FED_KIND_QUERY, /* the text of a SELECT */
  FED_KIND_COUNT
};

/* A remote table, view or query and its columns. */
struct fed_relation {
  char *schema; /* "" for a query */
  char *name;   /* table name, or the text of the query */
  enum fed_kind kind;
  bool on_path; /* found by its bare name, along the search path */
  /* Is what writing needs known: `atomic`, and of each column `fill` and
   * `uniques`? Not of a query, nor of a table that was kept in a file before
   * this was asked: those are not written. */
  bool told;
  /* What a transaction wrote is gone after its rollback, and what a statement
   * wrote when it fails. Not so where a MySQL engine has no transactions (such
   * as MyISAM, Aria, MEMORY, CSV, ARCHIVE), and not known of MySQL's views and
   * of virtual tables. */
  bool atomic;
  double rows;   /* the server's estimate; below 0 unknown */
  int64_t asked; /* when statistics were read, Unix ms; 0 never */
  int ncol;
  struct fed_column *col;
};

/* A growing array of relations. Zero it before use. */
struct fed_catalog {
  int nrel, room;
  struct fed_relation *rel;
};

/* Which relations catalog() shall list. NULL members do not restrict. */
struct fed_scope {
  const char *schema; /* NULL: those on the search path; "*": every one */
  const char *table;  /* exact name, as the server spells it */
};

void fed_relation_release(struct fed_relation *rel);
void fed_catalog_release(struct fed_catalog *cat);

/*
 * Append an empty relation or column and return it, or NULL when out of
 * memory. The pointer is good until the next append to the same parent.
 */
struct fed_relation *fed_catalog_add(struct fed_catalog *cat,
                                     const char *schema, const char *name);
struct fed_column *fed_relation_add(struct fed_relation *rel, const char *name,
                                    const char *type);

/*
 * Write the statistics of `from` over those of `to`. Nothing is done where
 * the two do not have the same columns.
 */
void fed_relation_take_stats(struct fed_relation *to,
                             const struct fed_relation *from);

/* "integer", "timestamptz", ...: the class's name in fed_tables and docs. */
const char *fed_class_name(enum fed_class class);
/* The storage class its values have: FED_NULL for FED_CLASS_ANY. */
enum fed_type fed_class_storage(enum fed_class class);
/* "null", "default", "number", "always", "computed". */
const char *fed_fill_name(enum fed_fill fill);
/* "table", "partitioned table", "view", ... */
const char *fed_kind_name(enum fed_kind kind);

/* ---- where to connect -------------------------------------------------- */

/* A driver's connection parameter, by keyword. Values may be secret. */
struct fed_param {
  char *key;
  char *value;
  bool secret; /* never shown; scrubbed from messages */
};

/*
 * A parsed URL and options: the driver, and its parameters in the order in
 * which they were set. The URL gives the keys user, password, host, port and
 * dbname (path for sqlite:), and the key=value pairs behind '?'.
 */
struct fed_dsn {
  const struct fed_driver *drv;
  bool plain; /* no settings of ours: the session that the server's own client
                 would have, but for UTF-8 */
  int nparam;
  struct fed_param *param;
};

/* Parse `url`; on error nothing is left to release and no secret is told. */
int fed_dsn_parse(struct fed_dsn *dsn, const char *url, struct fed_err *err);

/* Set or replace one parameter; the driver says if it is legal and secret.
 * An empty value is none: it takes the parameter away. */
int fed_dsn_set(struct fed_dsn *dsn, const char *key, const char *value,
                struct fed_err *err);

/* The value of `key`, borrowed; NULL when it was not given. */
const char *fed_dsn_get(const struct fed_dsn *dsn, const char *key);

/* The URL that gives the same parameters, without the secret ones. */
void fed_dsn_show(const struct fed_dsn *dsn, struct fed_str *out);

bool fed_dsn_equal(const struct fed_dsn *a, const struct fed_dsn *b);
int fed_dsn_copy(struct fed_dsn *to, const struct fed_dsn *from,
                 struct fed_err *err);
void fed_dsn_release(struct fed_dsn *dsn);

/* Take every secret value of `dsn` out of the message. */
void fed_dsn_scrub(const struct fed_dsn *dsn, struct fed_err *err);

/* ---- connections and statements ---------------------------------------- */

/* Capabilities: the driver's upper bound, narrowed on each connection. */
enum fed_cap {
  FED_CAP_SAVEPOINT = 1 << 0, /* savepoints inside a transaction */
  FED_CAP_READONLY = 1 << 1,  /* a transaction can be READ ONLY */
  FED_CAP_ASYNC = 1 << 2,     /* every wait can be interrupted within 50 ms */
  FED_CAP_MANY = 1 << 3,      /* several statements may execute at once */
  FED_CAP_SNAPSHOT = 1 << 4,  /* connections can share a snapshot */
  FED_CAP_GUARD = 1 << 5,     /* under begin()'s guard nothing can be written */
};

/* The head of every driver's connection struct. */
struct fed_conn {
  const struct fed_driver *drv;
  unsigned caps;         /* enum fed_cap */
  bool broken;           /* protocol state unknown: close it */
  bool unsettled;        /* a transaction verb was sent, its end not seen */
  bool dirty;            /* session state may differ: reset before reuse */
  char version[48];      /* "PostgreSQL 15.18", given by open() */
  char snapshot[40];     /* name for others, given by begin(); else "" */
  char notes[1024];      /* see fed_conn_run() */
  int64_t locks;         /* see fed_conn_unlock() */
  struct fed_list stmts; /* prepared statements kept for reuse (stmts.c) */
  int nstmts;
  void *lender; /* the pool's note on a lent connection (pool.c) */
  /* Set by who uses the connection: inside a transaction, a statement that
   * fails undoes what itself has done, and the transaction goes on. Without it
   * the failure may have ended the transaction. */
  bool guard_writes;
  /* Set by drivers: the server has ended the transaction by itself, as after a
   * deadlock. Only rollback() is left. begin() clears it. */
  bool ended;
};

/* The head of every driver's statement struct. */
struct fed_stmt {
  struct fed_conn *conn;
  int ncol;              /* columns of the result, 0 when it gives no rows */
  struct fed_value *row; /* ncol values, borrowed until the next call */
  int64_t changes;       /* rows affected, once step() gave SQLITE_DONE */
  int64_t number; /* FED_FILL_NUMBER of the row inserted, once step() gave
                     SQLITE_DONE; 0: there is none, or it is to be had by
                     RETURNING only (dialect->returning) */
  int64_t bytes;  /* of the rows so far; the driver adds */
  /* Owned by stmts.c */
  struct fed_list link;
  char *sql;
  enum fed_class *want;
  int nwant;
  bool bulk, lent;
};

enum fed_health {
  FED_HEALTH_CLEAN, /* idle, no transaction */
  FED_HEALTH_BUSY,  /* inside a transaction or a result */
  FED_HEALTH_DEAD,  /* closed by the peer, or broken */
};

enum fed_isolation {
  FED_ISOLATION_DEFAULT,
  FED_ISOLATION_READ_COMMITTED,
  FED_ISOLATION_REPEATABLE_READ,
  FED_ISOLATION_SERIALIZABLE,
};

struct fed_begin {
  enum fed_isolation isolation;
  bool read_only;
  /* For reads: one that fails or is stopped must not end the transaction, and
   * with FED_CAP_GUARD one that tries to write fails. */
  bool guard;
  /* It will write: what a later write would need is taken now, if by waiting
   * for others it could fail (SQLite: BEGIN IMMEDIATE). */
  bool writes;
  bool share;           /* give the snapshot a name (FED_CAP_SNAPSHOT) */
  const char *snapshot; /* see the snapshot of that name; NULL: a new one */
};

/* Is `key` a connection parameter of this driver? */
enum fed_param_kind { FED_PARAM_UNKNOWN, FED_PARAM_PLAIN, FED_PARAM_SECRET };

struct fed_driver {
  /* identity */
  const char *name;           /* "pg", "mysql", "sqlite" */
  const char *const *schemes; /* URL schemes, ends with NULL; first is shown */
  unsigned caps;
  const struct fed_dialect *dialect;
  bool is_file; /* the URL names a file: scheme:path, no host */
  /* Name and version of the client library: "libpq 15.8". No network. */
  void (*client)(char *out, size_t size);

  /* definition: no network */
  enum fed_param_kind (*param)(const char *key);
  /* Check values that can be checked without connecting. */
  int (*check)(const struct fed_dsn *dsn, struct fed_err *err);

  /* connection */
  /* Connect, set up the session, fill *out. Messages hold no secret. */
  int (*open)(struct fed_conn **out, const struct fed_dsn *dsn,
              const struct fed_wait *wait, struct fed_err *err);
  /* Say goodbye without waiting, free. NULL is fine. */
  void (*close)(struct fed_conn *conn);
  /* Free in a forked child: the parent's session must not notice. */
  void (*abandon)(struct fed_conn *conn);
  /* What the client side knows, without a round trip; with `look` also what
   * the socket or the file tells. */
  enum fed_health (*health)(struct fed_conn *conn, bool look);
  /* One round trip that proves the session alive. */
  int (*ping)(struct fed_conn *conn, const struct fed_wait *wait,
              struct fed_err *err);
  /* Back to the state that open() left: no transaction, no session state. */
  int (*reset)(struct fed_conn *conn, const struct fed_wait *wait,
               struct fed_err *err);
  /* Ask the server to stop what `conn` runs. Any thread, never waits long. */
  int (*cancel)(struct fed_conn *conn, struct fed_err *err);

  /* statement */
  /* Run one statement of our own text that gives no rows. */
  int (*exec)(struct fed_conn *conn, const char *sql,
              const struct fed_wait *wait, struct fed_err *err);
  /*
   * Run one statement of the user's text, of any kind, in the server's plain
   * text protocol. Rows are thrown away as they come. What moves data to or
   * from the client (COPY .. STDIN, LOAD DATA LOCAL) is an error. One that had
   * succeeded before it could be stopped is a success.
   */
  int (*run)(struct fed_conn *conn, const char *sql,
             const struct fed_wait *wait, struct fed_err *err);
  /*
   * Run the `n` statements `sql` in order, in one round trip, each as run()
   * would. The first that fails is the last that is run; `*done` is how many
   * have succeeded, also on an error. What is to be kept whatever comes behind
   * it stands between a BEGIN and a COMMIT of the batch, or commits by itself:
   * to PostgreSQL the rest is one transaction. A row that one gives is kept
   * until the end, so none should. To the server each is a statement of its
   * own: what is no single one (a ';' inside, a comment without its end) must
   * not be here. SQLITE_NOTFOUND: nothing was run; they cannot go at once (too
   * long, say). NULL: the driver has no such way.
   */
  int (*batch)(struct fed_conn *conn, const char *const *sql, int n, int *done,
               const struct fed_wait *wait, struct fed_err *err);
  /*
   * Prepare `sql`. With `want`, the result must have `nwant` columns and each
   * must be decodable to that class: anything else is SQLITE_SCHEMA, found
   * here or at execute(). With want NULL the driver chooses by wire type.
   * `bulk`: many rows are expected and probably all of them wanted, so fetch
   * them the fastest way there is. `sql` must then be one SELECT of our own
   * making, never a text of the user's: it may travel with its values written
   * into it. The rows are the same.
   */
  int (*prepare)(struct fed_conn *conn, const char *sql,
                 const enum fed_class *want, int nwant, bool bulk,
                 struct fed_stmt **out, const struct fed_wait *wait,
                 struct fed_err *err);
  /* Bind `n` values (borrowed for the call) and start. */
  int (*execute)(struct fed_stmt *stmt, const struct fed_value *args, int n,
                 const struct fed_wait *wait, struct fed_err *err);
  /* SQLITE_ROW with stmt->row filled, SQLITE_DONE, or an error. */
  int (*step)(struct fed_stmt *stmt, const struct fed_wait *wait,
              struct fed_err *err);
  /*
   * End the execution: rows not read are drained when few, else cancelled;
   * the connection is broken if that cannot be done within `wait`.
   */
  int (*stmt_reset)(struct fed_stmt *stmt, const struct fed_wait *wait,
                    struct fed_err *err);
  /* Free; must have been reset. May queue a deallocation. NULL is fine. */
  void (*finalize)(struct fed_stmt *stmt);

  /*
   * Execute a statement that gives no rows for each of `n` rows of arguments
   * (`narg` each, one behind the other, borrowed for the call), in as few round
   * trips as the protocol allows, inside a transaction. Each is to change one
   * row. The first that does not, or that fails, is the last that counts:
   * `*done` is how many went well before it, and with conn->guard_writes all of
   * the call is undone. SQLITE_NOTFOUND: it changed another number of rows.
   * `*done` is -1 where only the sum is known to be wrong.
   */
  int (*execute_many)(struct fed_stmt *stmt, const struct fed_value *args,
                      int narg, int n, int *done, const struct fed_wait *wait,
                      struct fed_err *err);

  /*
   * Load rows into a table the fastest way there is, inside a transaction:
   * begin, a call for each row, end. Until the end nothing else may be asked of
   * the connection but rollback(). The columns, at least one, are places in
   * rel->col; both are borrowed until the end, a row for its call. What was
   * sent is counted from 1 on: where a row is to blame the message begins with
   * "row 12: ". After a failure the load is over, and all that is left of the
   * transaction is rollback() or, if it was guarded by a savepoint,
   * rollback_to(). `keep` false gives up the load: that undoes what a savepoint
   * or the transaction must undo anyway.
   */
  int (*load_begin)(struct fed_conn *conn, const struct fed_relation *rel,
                    const int16_t *column, int ncol,
                    const struct fed_wait *wait, struct fed_err *err);
  int (*load_row)(struct fed_conn *conn, const struct fed_value *row,
                  const struct fed_wait *wait, struct fed_err *err);
  int (*load_end)(struct fed_conn *conn, bool keep, const struct fed_wait *wait,
                  struct fed_err *err);

  /* transaction; sqltx.c has defaults in plain SQL */
  int (*begin)(struct fed_conn *conn, const struct fed_begin *opts,
               const struct fed_wait *wait, struct fed_err *err);
  int (*commit)(struct fed_conn *conn, const struct fed_wait *wait,
                struct fed_err *err);
  int (*rollback)(struct fed_conn *conn, const struct fed_wait *wait,
                  struct fed_err *err);
  /* Levels count from 1; rollback_to keeps the level open. */
  int (*savepoint)(struct fed_conn *conn, int level,
                   const struct fed_wait *wait, struct fed_err *err);
  int (*release)(struct fed_conn *conn, int level, const struct fed_wait *wait,
                 struct fed_err *err);
  int (*rollback_to)(struct fed_conn *conn, int level,
                     const struct fed_wait *wait, struct fed_err *err);

  /* catalog: one query, however many relations */
  /* Append what `scope` names, ordered by (search path rank, name bytes). */
  int (*catalog)(struct fed_conn *conn, const struct fed_scope *scope,
                 struct fed_catalog *out, const struct fed_wait *wait,
                 struct fed_err *err);
  /* The columns that the SELECT `sql` gives; nothing is executed. */
  int (*describe)(struct fed_conn *conn, const char *sql,
                  struct fed_relation *out, const struct fed_wait *wait,
                  struct fed_err *err);
};

/* The drivers compiled in, ends with NULL. */
extern const struct fed_driver *const fed_drivers[];

/* The driver of a URL scheme, compared without case; NULL when none. */
const struct fed_driver *fed_driver_find(const char *scheme);

/* Shared head set-up for open(): members that every driver starts with. */
void fed_conn_init(struct fed_conn *conn, const struct fed_driver *drv);

/* Default transaction verbs, as SQL through exec() (sqltx.c). */
int fed_sqltx_commit(struct fed_conn *conn, const struct fed_wait *wait,
                     struct fed_err *err);
int fed_sqltx_rollback(struct fed_conn *conn, const struct fed_wait *wait,
                       struct fed_err *err);
int fed_sqltx_savepoint(struct fed_conn *conn, int level,
                        const struct fed_wait *wait, struct fed_err *err);
int fed_sqltx_release(struct fed_conn *conn, int level,
                      const struct fed_wait *wait, struct fed_err *err);
int fed_sqltx_rollback_to(struct fed_conn *conn, int level,
                          const struct fed_wait *wait, struct fed_err *err);

/*
 * execute_many() as a loop (many.c), without a guard. Each row is to change 1
 * to `most` rows as the driver counts.
 */
int fed_many_loop(struct fed_stmt *stmt, const struct fed_value *args, int narg,
                  int n, int most, int *done, const struct fed_wait *wait,
                  struct fed_err *err);

/* ---- prepared statements kept for reuse (stmts.c) ---------------------- */

/* A connection keeps at most this many; the one unused longest goes first. A
 * longer text than that is not worth its memory. */
#define FED_STMTS_MAX  64
#define FED_STMTS_TEXT 262144

/* As prepare(), but a statement kept under the same text, classes and `bulk`
 * is reused. The caller gives it back with fed_stmt_put(). */
int fed_stmt_get(struct fed_conn *conn, const char *sql,
                 const enum fed_class *want, int nwant, bool bulk,
                 struct fed_stmt **out, const struct fed_wait *wait,
                 struct fed_err *err);

/* Reset and keep it; NULL is fine. `keep` false finalizes it instead. */
void fed_stmt_put(struct fed_stmt *stmt, bool keep,
                  const struct fed_wait *wait);

/* Finalize all that is kept: before close() and after a session reset. */
void fed_stmts_clear(struct fed_conn *conn);

/* ---- decorators -------------------------------------------------------- */

/*
 * What trace.c tells of one execution. Between begin and end the two counters
 * move, and any thread may read them.
 */
struct fed_trace {
  struct fed_list link; /* these two are for who is told */
  const char *server;
  const char *sql;
  bool user;        /* a text of the user's, that may hold values: fed_exec */
  bool running;     /* told of its begin, not yet of its end */
  int64_t start_us; /* fed_clock_us() at execute */
  int64_t first_us; /* until the first row or the end, in microseconds */
  int64_t total_us; /* until reset */
  _Atomic int64_t rows;  /* rows stepped */
  _Atomic int64_t bytes; /* of them */
  const char *error;     /* NULL when it went well */
};

/*
 * Called when a prepared statement starts (trace->running), and again when it
 * has ended; for what begins and ends in one call, such as BEGIN, only then.
 * The trace is borrowed, from begin to end.
 */
typedef void fed_trace_fn(void *ctx, struct fed_trace *trace);

/*
 * Wrap `inner` (taken, closed with the wrapper) so that every statement is
 * told to `fn`. On SQLITE_NOMEM `inner` is still the caller's.
 */
int fed_trace_wrap(struct fed_conn **out, struct fed_conn *inner,
                   fed_trace_fn *fn, void *ctx, struct fed_err *err);

#ifdef FED_TEST
/* Wrap `inner` so that calls fail when fed_fault_hit(FED_FAULT_CALL). */
int fed_fault_wrap(struct fed_conn **out, struct fed_conn *inner,
                   struct fed_err *err);
#endif

/* ---- wrappers: what callers use ---------------------------------------- */

/* Connect; on error the message is scrubbed of every secret of `dsn`. */
int fed_conn_open(struct fed_conn **out, const struct fed_dsn *dsn,
                  const struct fed_wait *wait, struct fed_err *err);
/*
 * A connection over a handle that stays its owner's: close() leaves it open,
 * and in no transaction if it was in none. No setting or handler of it is
 * changed, so a wait ends early only while a lock is awaited, or between rows;
 * sqlite3_interrupt() works as ever. Without the driver: SQLITE_ERROR.
 */
int fed_sqlite_borrow(struct fed_conn **out, sqlite3 *db, struct fed_err *err);
/* Finalize what is kept and close; NULL is fine. */
void fed_conn_close(struct fed_conn *conn);
/* Forked child: free without the server noticing; NULL is fine. */
void fed_conn_abandon(struct fed_conn *conn);

/* For drivers: one line more in conn->notes. */
void fed_conn_note(struct fed_conn *conn, const char *level, const char *text);

/*
 * The driver tells that the locks of what was read before may be gone: when a
 * transaction begins, and when it goes back to a savepoint. conn->locks then is
 * a number that it was on no connection before. While it stays the same, so do
 * the locks of a transaction; 0: the driver does not tell.
 */
void fed_conn_unlock(struct fed_conn *conn);

static inline enum fed_health fed_conn_health(struct fed_conn *conn, bool look)
{
  if (conn->broken || conn->unsettled) return FED_HEALTH_DEAD;
  return conn->drv->health(conn, look);
}

static inline int fed_conn_ping(struct fed_conn *conn,
                                const struct fed_wait *wait,
                                struct fed_err *err)
{
  return conn->drv->ping(conn, wait, err);
}

/* Session state back to that of a new connection; kept statements go. */
int fed_conn_reset(struct fed_conn *conn, const struct fed_wait *wait,
                   struct fed_err *err);

static inline int fed_conn_cancel(struct fed_conn *conn, struct fed_err *err)
{
  return conn->drv->cancel(conn, err);
}

static inline int fed_conn_exec(struct fed_conn *conn, const char *sql,
                                const struct fed_wait *wait,
                                struct fed_err *err)
{
  return conn->drv->exec(conn, sql, wait, err);
}

/*
 * Run one statement of the user's text: the `size` bytes at `sql`, without a
 * zero byte. The connection is dirty afterwards. On an error err->position
 * says where in `sql`, if the server told. conn->notes holds what the server
 * remarked, a line each ("WARNING: .."), as far as there is room.
 */
int fed_conn_run(struct fed_conn *conn, const char *sql, size_t size,
                 const struct fed_wait *wait, struct fed_err *err);

/*
 * Run several at once, where conn->drv->batch is not NULL; see there. On an
 * error err->position is in sql[*done]. If the connection broke, more may have
 * been done than was seen.
 */
int fed_conn_batch(struct fed_conn *conn, const char *const *sql, int n,
                   int *done, const struct fed_wait *wait, struct fed_err *err);

static inline int fed_conn_catalog(struct fed_conn *conn,
                                   const struct fed_scope *scope,
                                   struct fed_catalog *out,
                                   const struct fed_wait *wait,
                                   struct fed_err *err)
{
  return conn->drv->catalog(conn, scope, out, wait, err);
}

static inline int fed_conn_describe(struct fed_conn *conn, const char *sql,
                                    struct fed_relation *out,
                                    const struct fed_wait *wait,
                                    struct fed_err *err)
{
  return conn->drv->describe(conn, sql, out, wait, err);
}

/* For drivers that see no rows on the wire: its values, 8 for a number. */
static inline void fed_stmt_count(struct fed_stmt *stmt)
{
  for (int i = 0; i < stmt->ncol; i++)
    stmt->bytes += stmt->row[i].type >= FED_TEXT ? stmt->row[i].size : 8;
}

static inline int fed_stmt_execute(struct fed_stmt *stmt,
                                   const struct fed_value *args, int n,
                                   const struct fed_wait *wait,
                                   struct fed_err *err)
{
  stmt->bytes = 0;
  return stmt->conn->drv->execute(stmt, args, n, wait, err);
}

static inline int fed_stmt_execute_many(struct fed_stmt *stmt,
                                        const struct fed_value *args, int narg,
                                        int n, int *done,
                                        const struct fed_wait *wait,
                                        struct fed_err *err)
{
  return stmt->conn->drv->execute_many(stmt, args, narg, n, done, wait, err);
}

static inline int fed_conn_load_begin(struct fed_conn *conn,
                                      const struct fed_relation *rel,
                                      const int16_t *column, int ncol,
                                      const struct fed_wait *wait,
                                      struct fed_err *err)
{
  return conn->drv->load_begin(conn, rel, column, ncol, wait, err);
}

static inline int fed_conn_load_row(struct fed_conn *conn,
                                    const struct fed_value *row,
                                    const struct fed_wait *wait,
                                    struct fed_err *err)
{
  return conn->drv->load_row(conn, row, wait, err);
}

static inline int fed_conn_load_end(struct fed_conn *conn, bool keep,
                                    const struct fed_wait *wait,
                                    struct fed_err *err)
{
  return conn->drv->load_end(conn, keep, wait, err);
}

static inline int fed_stmt_step(struct fed_stmt *stmt,
                                const struct fed_wait *wait,
                                struct fed_err *err)
{
  return stmt->conn->drv->step(stmt, wait, err);
}

/*
 * Transaction verbs. The connection is unsettled from before the verb is
 * sent until it is known to have succeeded; an unsettled connection is
 * closed, never lent again (postgres_fdw calls this changing_xact_state).
 */
static inline int fed_conn_settle(struct fed_conn *conn, int rc)
{
  if (rc == SQLITE_OK) conn->unsettled = false;
  return rc;
}

static inline int fed_conn_begin(struct fed_conn *conn,
                                 const struct fed_begin *opts,
                                 const struct fed_wait *wait,
                                 struct fed_err *err)
{
  conn->unsettled = true;
  conn->snapshot[0] = 0;
  conn->ended = conn->guard_writes = false;
  return fed_conn_settle(conn, conn->drv->begin(conn, opts, wait, err));
}

static inline int fed_conn_commit(struct fed_conn *conn,
                                  const struct fed_wait *wait,
                                  struct fed_err *err)
{
  conn->unsettled = true;
  return fed_conn_settle(conn, conn->drv->commit(conn, wait, err));
}

static inline int fed_conn_rollback(struct fed_conn *conn,
                                    const struct fed_wait *wait,
                                    struct fed_err *err)
{
  conn->unsettled = true;
  return fed_conn_settle(conn, conn->drv->rollback(conn, wait, err));
}

static inline int fed_conn_savepoint(struct fed_conn *conn, int level,
                                     const struct fed_wait *wait,
                                     struct fed_err *err)
{
  conn->unsettled = true;
  return fed_conn_settle(conn, conn->drv->savepoint(conn, level, wait, err));
}

static inline int fed_conn_release(struct fed_conn *conn, int level,
                                   const struct fed_wait *wait,
                                   struct fed_err *err)
{
  conn->unsettled = true;
  return fed_conn_settle(conn, conn->drv->release(conn, level, wait, err));
}

static inline int fed_conn_rollback_to(struct fed_conn *conn, int level,
                                       const struct fed_wait *wait,
                                       struct fed_err *err)
{
  conn->unsettled = true;
  return fed_conn_settle(conn, conn->drv->rollback_to(conn, level, wait, err));
}

#endif
