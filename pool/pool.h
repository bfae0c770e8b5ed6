/*
 * pool: named servers and the live connections to them, shared by every
 * SQLite connection in the process.
 *
 * A *server* is a definition: a name, a URL, options. It never changes; a
 * changed definition is a new struct fed_server under the same name, with a
 * new generation number. Each server has its own connections, at most
 * pool_max of them, each in exactly one state:
 *
 *          get                  opened
 *     ( ) -----> OPENING --------------------> BUSY  <---- the borrower's
 *                  |  ^                       ^ |  |
 *           failed |  | dead: again       get | |  | put: broken, too old,
 *                  v  |                       | |  | or drained
 *                 ( ) |                  put  | v  |
 *                     |                       IDLE |
 *                     |          too long idle |   |
 *                     |                        v   v
 *     ( ) <-----------+----------------------- CLOSING
 *                      closed
 *
 *  - Each state is one list of the server; one function moves (state.c).
 *  - All four count against pool_max: never more sockets than that, but for
 *    fed_server_connect().
 *  - Who finds no connection waits in a queue, first come first served. A
 *    connection given back goes to the head of the queue, else to IDLE; the
 *    one used last is lent first, so that the surplus grows old and closes.
 *  - A connection that cannot be opened is the error of the caller who tried.
 *    If no other connection of that server is lent out, it is the error of
 *    all that wait too: nothing could come back to them, and each trying in
 *    turn would add up connect_timeout. The next caller tries afresh.
 *  - Replacing or dropping a server *drains* it: idle connections are closed
 *    at once, lent ones when they come back, and nothing is lent any more.
 *
 * Lifetimes: fed_server_find() gives a reference. Who holds it for longer than
 * a statement asks fed_server_current() before each, or a redefinition goes
 * unseen. A lent connection keeps its server alive by itself.
 *
 * Threads: everything here may be called from any thread. One lock, taken
 * inside; never held while the network or SQLite is called.
 *
 * fork(): the child inherits the definitions, not the connections. Those
 * are freed without a word to the server on the child's next call here; one
 * that was lent to the forking thread must not be used, only put
 * (fed_pool_inherited() tells).
 */
#ifndef FED_POOL_H
#define FED_POOL_H

#include "base/opt.h"
#include "drv/drv.h"

#define FED_SERVER_NAME_MAX 31

/* ---- servers ----------------------------------------------------------- */

struct fed_server;

enum fed_origin { FED_ORIGIN_SQL, FED_ORIGIN_CONFIG };

/* The options of a server that are the pool's own; docs/config.md. */
extern const struct fed_opt fed_server_options[];
extern const int fed_server_noptions;

/*
 * Define `name`. Options are 'key=value' or flags: those of the table above,
 * 'replace', and any connection parameter of the driver. The same definition
 * again changes nothing; another one under a name in use needs 'replace'.
 * No network. Reads the config file first, so that a name it defines is in
 * use. No secret in any message.
 */
int fed_server_define(const char *name, const char *url,
                      const char *const *options, int n, struct fed_err *err);

/*
 * The server `name` (any case); gives a reference. An unknown name reads the
 * config file if it was not read yet or has changed; SQLITE_ERROR "server
 * 'x' is not defined ..." names what is wrong with that file, if anything.
 */
int fed_server_find(const char *name, struct fed_server **out,
                    struct fed_err *err);

struct fed_server *fed_server_ref(struct fed_server *server);
void fed_server_unref(struct fed_server *server); /* NULL is fine */

/* Forget `name` and drain it. SQLITE_ERROR if it is not defined. One from
 * the config file comes back when that file changes. */
int fed_server_drop(const char *name, struct fed_err *err);

/* Fixed properties; borrowed from the reference. */
const char *fed_server_name(const struct fed_server *server);
const struct fed_driver *fed_server_driver(const struct fed_server *server);
/* Another number for every define and replace in this process; from 1. */
int64_t fed_server_generation(const struct fed_server *server);
int64_t fed_server_pool_max(const struct fed_server *server);
/* In ms; 0: none. */
int64_t fed_server_statement_timeout(const struct fed_server *server);
bool fed_server_is_read_only(const struct fed_server *server);
/* In ms; 0: they never grow old. */
int64_t fed_server_stats_max_age(const struct fed_server *server);
/* `wait` brought forward by the statement timeout: one per statement. */
struct fed_wait fed_server_wait(const struct fed_server *server,
                                const struct fed_wait *wait);

/* False once it was replaced or dropped: find it again by name. Cheap. */
bool fed_server_current(struct fed_server *server);

/* Append the URL without secrets, then the pool options that differ from
 * their defaults: "postgres://app@db/shop pool_max=4". */
void fed_server_show(const struct fed_server *server, struct fed_str *out);

/* Does it hold a password in plain text, rather than env:VARIABLE? */
bool fed_server_has_secret(const struct fed_server *server);

/* Is this a legal server name? Else an error that says the rule. */
int fed_server_check_name(const char *name, struct fed_err *err);

/* One row of fed_servers. */
struct fed_server_row {
  char name[FED_SERVER_NAME_MAX + 1];
  const char *driver; /* static */
  char *url;          /* shown form, no secrets */
  char *options;      /* pool options that are not the default, or "" */
  const char *origin; /* "sql" or "config"; static */
  int64_t generation;
  int64_t pool_max;
  /* "unused": never connected; "up": the last attempt succeeded; "down":
   * it failed. Static. */
  const char *state;
  unsigned caps;          /* of the last connection, else the driver's */
  char version[48];       /* of the last connection, or "" */
  char last_error[512];   /* of the last failed connect, or "" */
  double last_error_time; /* Unix seconds, 0 when there is none */
};

/* A snapshot in the order of names; reads the config file on first need.
 * Gives *rows (fed_server_list_free). */
int fed_server_list(struct fed_server_row **rows, int *n, struct fed_err *err);
void fed_server_list_free(struct fed_server_row *rows, int n);

/* ---- the config file --------------------------------------------------- */

/*
 * Does the config file trust the database file `path` (absolute, symbolic
 * links resolved)? Reads the file on first need and when it has changed.
 */
bool fed_config_trusts(const char *path);

/* Where the config file is or would be; "" when there is none to be read. */
void fed_config_path(char *path, size_t size);

/* SQLITE_OK, also when there is no file; else what is wrong with it. */
int fed_config_check(struct fed_err *err);

/* ---- connections ------------------------------------------------------- */

/*
 * Lend a connection: an idle one if it is healthy, a new one while there are
 * fewer than pool_max, else the first that comes back within
 * acquire_timeout. On success *out is the caller's until fed_pool_put(); it
 * is in no transaction, and its statements are told to the log.
 * SQLITE_BUSY: none came back in time; SQLITE_INTERRUPT; SQLITE_CANTOPEN or
 * what the driver says: the server cannot be reached; SQLITE_ERROR: the
 * server was replaced or dropped.
 *
 * A thread that already holds a connection of this server must not wait for
 * a second one (two such threads wait for ever): fed_pool_try_get().
 */
int fed_pool_get(struct fed_server *server, const struct fed_wait *wait,
                 struct fed_conn **out, struct fed_err *err);

/* The same, but SQLITE_BUSY at once where fed_pool_get() would queue. It may
 * still take the time to open a connection. */
int fed_pool_try_get(struct fed_server *server, const struct fed_wait *wait,
                     struct fed_conn **out, struct fed_err *err);

/*
 * Give it back; NULL is fine. Broken, unsettled, dead or too old: closed.
 * Dirty or inside a transaction: reset first, within 5 s. The caller has put
 * every statement of it (fed_stmt_put).
 */
void fed_pool_put(struct fed_conn *conn);

/*
 * A session of the caller's own, outside the pool and beside pool_max: for
 * what must not share one, such as a lock. With `plain` it is set up as the
 * server's own client would be. Its statements are told to the log. The caller
 * keeps the reference to `server` until fed_conn_close(); after a fork() the
 * child calls fed_conn_abandon(). The fed_pool_* functions are not for it.
 */
int fed_server_connect(struct fed_server *server, bool plain,
                       struct fed_conn **out, const struct fed_wait *wait,
                       struct fed_err *err);

/* The server a lent connection belongs to; borrowed until put. */
struct fed_server *fed_pool_server(const struct fed_conn *conn);

/* True in a forked child, for a connection lent before the fork: do not use
 * it, put it. Cheap enough to ask before every statement. */
bool fed_pool_inherited(const struct fed_conn *conn);

/* One row of fed_pool. Counters are those since the definition, in this
 * process. */
struct fed_pool_row {
  char server[FED_SERVER_NAME_MAX + 1];
  int64_t generation;
  bool draining; /* replaced or dropped, connections still lent */
  int64_t pool_max;
  int64_t opening, idle, busy, closing; /* connections now */
  int64_t waiting;                      /* callers in the queue now */
  int64_t lent_total;                   /* successful gets */
  int64_t opened_total;                 /* connections opened */
  int64_t closed_total;                 /* connections closed */
  int64_t reset_total;                  /* sessions reset on the way back */
  int64_t error_total;                  /* failed attempts to connect */
  int64_t broken_total; /* closed because broken, dead or not resettable */
  int64_t timeout_total;
  int64_t wait_total;  /* gets that had to queue */
  int64_t wait_ms;     /* spent in the queue, all together */
  int64_t wait_ms_max; /* the longest one */
  int64_t oldest_ms;   /* age of the oldest connection; 0: there is none */
};

/* A snapshot in the order of names and generations. Gives *rows (fed_free). */
int fed_pool_list(struct fed_pool_row **rows, int *n, struct fed_err *err);

/* Close what is idle now: of `server`, or of all (NULL). Returns how many. */
int fed_pool_trim(struct fed_server *server);

/* For tests: drop every server, forget the config file, empty the log.
 * Returns the number of connections still lent. */
int fed_pool_shutdown(void);

/* ---- what this process made itself (trust.c) --------------------------- */

/* A set of strings, shared by every SQLite connection; vtab/trust.c says
 * what they mean. */
bool fed_trust_has(const char *key);
int fed_trust_add(const char *key, struct fed_err *err);

/* ---- the log of remote statements -------------------------------------- */

#define FED_LOG_ROWS 1000
#define FED_LOG_SQL  4096

/* One row of fed_log. */
/* What an execution writes in any case stands together: rows are read seldom,
 * and each is out of the processor's cache when it is written. */
struct fed_log_row {
  int64_t id;  /* 1.. in the order in which statements ended */
  double time; /* start, Unix seconds */
  int64_t rows, bytes;
  double first_ms, total_ms;
  char server[FED_SERVER_NAME_MAX + 1];
  char error[256];       /* "" when it went well */
  char sql[FED_LOG_SQL]; /* placeholders, no values; cut where too long */
};

/* Remember one execution; the oldest of FED_LOG_ROWS goes. It no longer shows
 * among the running ones. */
void fed_log_add(const char *server, struct fed_trace *trace);

/* Show an execution among the running ones. `server` and `trace` are borrowed
 * until fed_log_add(). */
void fed_log_begin(const char *server, struct fed_trace *trace);

/* One row of fed_progress. */
struct fed_progress_row {
  double time; /* start, Unix seconds */
  char server[FED_SERVER_NAME_MAX + 1];
  char sql[FED_LOG_SQL];
  int64_t rows, bytes;
  double ms; /* since the start */
};

/* Those that run now, the oldest first. Gives *rows (fed_free). */
int fed_progress_list(struct fed_progress_row **rows, int *n,
                      struct fed_err *err);

/* Copy out the oldest row with an id above `after`; false if there is none.
 * A scan starts with 0 and goes on with row->id. */
bool fed_log_next(int64_t after, struct fed_log_row *row);

/* Forget all rows; ids go on. */
void fed_log_clear(void);

#endif
