/*
 * pool_int: what the .c files of pool/ share, and nobody else sees.
 *
 * define.c  from a URL and options to a definition
 * server.c  the list of them: define, find, drop, show
 * config.c  the file that defines servers and trusts databases
 * state.c   the lock, fork(), the states of a connection, the queue
 * pool.c    get, put, upkeep, counters
 * log.c     the ring of remote statements
 *
 * `_locked` functions need the lock; all others must be called without it.
 * Under the lock nothing is allocated or freed either: that calls SQLite.
 */
#ifndef FED_POOL_INT_H
#define FED_POOL_INT_H

#include <pthread.h>
#include <stdatomic.h>

#include "pool/pool.h"

enum pool_state {
  POOL_NONE, /* in no list: not yet, or no more */
  POOL_OPENING,
  POOL_IDLE,
  POOL_BUSY,
  POOL_CLOSING,
  POOL_NSTATES
};

/* One place under pool_max, and the connection in it. */
struct pool_slot {
  struct fed_list link;      /* in server->slots[state] */
  struct pool_slot *next;    /* in a chain of slots to close */
  struct fed_server *server; /* holds a reference unless NONE */
  struct fed_conn *conn;     /* NULL while OPENING */
  enum pool_state state;
  unsigned fork;     /* fed_pool_forks() when it was filled */
  int64_t opened_ms; /* fed_clock_ms() */
  int64_t lent_ms;
  int64_t used_ms; /* when it was given back */
};

/* Someone in the queue; lives on that thread's stack. */
struct pool_waiter {
  struct fed_list link; /* in server->waiters, the longest waiting first */
  pthread_cond_t cond;
  struct pool_slot *spare; /* to open with, should there be room */
  struct pool_slot *slot;  /* what was granted: BUSY, or OPENING (spare) */
  struct fed_err *err;     /* set by whoever ends the wait in failure */
};

struct server_opts {
  int64_t pool_max;
  int64_t acquire_timeout;
  int64_t connect_timeout;
  int64_t idle_timeout;
  int64_t max_lifetime;
  int64_t validate_after;
  int64_t statement_timeout;
  bool read_only;
  int64_t stats_max_age;
  bool replace; /* only while defining */
};

/* The columns of fed_pool that count. */
struct pool_counters {
  int64_t lent, opened, closed, resets, errors, broken, timeouts;
  int64_t waits, wait_ms, wait_ms_max;
};

enum server_health { SERVER_UNUSED, SERVER_UP, SERVER_DOWN };

struct fed_server {
  /* fixed once defined */
  char name[FED_SERVER_NAME_MAX + 1];
  struct fed_dsn dsn;
  struct server_opts opts;
  enum fed_origin origin;
  int64_t generation;

  /* guarded by the lock */
  struct fed_list link; /* in the list of all servers */
  int refs;             /* the list's one while current, slots, callers */
  /* false: replaced or dropped, being drained; also read without the lock */
  atomic_bool current;
  struct fed_list slots[POOL_NSTATES];
  int count[POOL_NSTATES];
  struct fed_list waiters;
  int waiting;
  _Atomic int64_t broken_ms; /* when one was broken; others may be, too */
  struct pool_counters counters;
  enum server_health health;
  unsigned caps;
  char version[48];
  char last_error[512];
  double last_error_time;
};

/* ---- state.c ----------------------------------------------------------- */

void fed_pool_lock(void);
void fed_pool_unlock(void);
void fed_pool_assert_locked(void);

/* How often this process is a fork since the first use of the pool. */
unsigned fed_pool_forks(void);

/* All servers, also those being drained. */
struct fed_list *fed_pool_servers_locked(void);

/* Connections that count against pool_max. */
int fed_pool_total_locked(const struct fed_server *server);

/* The one mover; takes a reference on leaving NONE. On entering NONE the
 * caller drops it, with fed_server_unref() after the lock. */
void fed_pool_move_locked(struct pool_slot *slot, enum pool_state to);

/* Grant idle connections and free places to those who wait. */
void fed_pool_serve_locked(struct fed_server *server);

/* End every wait with the error `err`. */
void fed_pool_fail_locked(struct fed_server *server, const struct fed_err *err);

/* Enter and leave the queue. */
void fed_pool_enqueue_locked(struct fed_server *server,
                             struct pool_waiter *waiter);
void fed_pool_leave_locked(struct fed_server *server,
                           struct pool_waiter *waiter);

/* Sleep at most one slice, or until granted, failed or `deadline`. */
void fed_pool_sleep_locked(struct pool_waiter *waiter, int64_t deadline);

/* ---- pool.c ------------------------------------------------------------ */

/* Move what is IDLE to CLOSING and put it in front of `chain`. */
struct pool_slot *fed_pool_drain_locked(struct fed_server *server,
                                        struct pool_slot *chain);

/* The error of those who wait for a server that is being drained. */
int fed_pool_gone(const struct fed_server *server, struct fed_err *err);

/* Close a chain of CLOSING slots and let those who wait have the places. */
int fed_pool_close(struct pool_slot *chain);

/* ---- define.c ---------------------------------------------------------- */

bool fed_server_name_ok(const char *name);

/*
 * A definition that is not listed yet: gives *out with one reference. On an
 * error *bad is the option that is wrong, or -1 for the URL.
 */
int fed_server_build(const char *name, const char *url,
                     const char *const *options, int n, enum fed_origin origin,
                     struct fed_server **out, int *bad, struct fed_err *err);

/* Without references, in no list. */
void fed_server_free(struct fed_server *server);

/* ---- server.c ---------------------------------------------------------- */

/* List it, or find it listed already, or replace; takes the reference. */
int fed_server_install(struct fed_server *server, struct fed_err *err);

/* Forget the servers of the config file that are not in `names`. */
void fed_server_drop_config(const char *const *names, int n);

/* The server's parameters with env:VAR replaced; gives *out. */
int fed_server_resolve(const struct fed_server *server, struct fed_dsn *out,
                       struct fed_err *err);

/* ---- config.c ---------------------------------------------------------- */

/* Read the file if that was not done or it has changed since. */
void fed_config_refresh(void);

/* Append what is wrong with the file, or where it is looked for. */
void fed_config_advise(const char *name, struct fed_err *err);

/* For tests: forget what was read. */
void fed_config_forget(void);

/* ---- log.c ------------------------------------------------------------- */

/* For fork handlers: the locks of the log and of the set of trusted keys. */
void fed_log_lock(void);
void fed_log_unlock(void);
void fed_log_after_fork(void);
void fed_trust_lock(void);
void fed_trust_unlock(void);
void fed_trust_after_fork(void);

#endif
