/*
 * pool: lending connections and taking them back.
 *
 * A get has two halves. First a slot is *admitted*, under the lock: an idle
 * connection, or a free place, or a turn in the queue that ends with either.
 * Then the slot is made *ready* without the lock: the connection is checked,
 * and opened where there is none or where it proved dead. A place once
 * admitted is kept through all of that, so that nobody waits twice.
 */
#include <assert.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <time.h>

#include "base/mem.h"
#include "pool/pool_int.h"

#define POOL_CLEANUP_MS 5000 /* resetting, and proving an idle one alive */
#define POOL_UPKEEP_MS  1000

static _Atomic int64_t pool_upkeep_due; /* so that most calls skip the lock */

/* ---- closing ----------------------------------------------------------- */

static void pool_free_chain(struct pool_slot *chain)
{
  while (chain) {
    struct pool_slot *slot = chain;

    chain = slot->next;
    fed_server_unref(slot->server);
    fed_free(slot);
  }
}

/* Close the connection of a CLOSING slot, which keeps its place. */
static void pool_close_conn(struct pool_slot *slot)
{
  assert(slot->state == POOL_CLOSING);
  fed_conn_close(slot->conn);
  slot->conn = NULL;
}

int fed_pool_close(struct pool_slot *chain)
{
  int n = 0;

  if (!chain) return 0;
  for (struct pool_slot *slot = chain; slot; slot = slot->next)
    pool_close_conn(slot);
  fed_pool_lock();
  for (struct pool_slot *slot = chain; slot; slot = slot->next, n++) {
    slot->server->counters.closed++;
    fed_pool_move_locked(slot, POOL_NONE);
    fed_pool_serve_locked(slot->server);
  }
  fed_pool_unlock();
  pool_free_chain(chain);
  return n;
}

static struct pool_slot *pool_chain_locked(struct pool_slot *slot,
                                           struct pool_slot *chain)
{
  fed_pool_move_locked(slot, POOL_CLOSING);
  slot->next = chain;
  return slot;
}

struct pool_slot *fed_pool_drain_locked(struct fed_server *server,
                                        struct pool_slot *chain)
{
  FED_LIST_EACH_SAFE(node, after, &server->slots[POOL_IDLE])
  chain = pool_chain_locked(FED_CONTAINER(node, struct pool_slot, link), chain);
  return chain;
}

static bool pool_too_old(const struct pool_slot *slot, int64_t now)
{
  int64_t limit = slot->server->opts.max_lifetime;

  return limit && now - slot->opened_ms >= limit;
}

static bool pool_too_idle(const struct pool_slot *slot, int64_t now)
{
  int64_t limit = slot->server->opts.idle_timeout;

  return limit && now - slot->used_ms >= limit;
}

/* Chain up what has been idle or alive for too long. */
static struct pool_slot *pool_expired_locked(struct fed_server *server,
                                             int64_t now,
                                             struct pool_slot *chain)
{
  FED_LIST_EACH_SAFE(node, after, &server->slots[POOL_IDLE])
  {
    struct pool_slot *slot = FED_CONTAINER(node, struct pool_slot, link);

    if (pool_too_idle(slot, now) || pool_too_old(slot, now))
      chain = pool_chain_locked(slot, chain);
  }
  return chain;
}

/* There is no thread of ours to do this: every get and put offers a chance. */
static void pool_upkeep(int64_t now)
{
  struct pool_slot *chain = NULL;

  if (now < atomic_load(&pool_upkeep_due)) return;
  atomic_store(&pool_upkeep_due, now + POOL_UPKEEP_MS);
  fed_pool_lock();
  FED_LIST_EACH(node, fed_pool_servers_locked())
  chain = pool_expired_locked(FED_CONTAINER(node, struct fed_server, link), now,
                              chain);
  fed_pool_unlock();
  fed_pool_close(chain);
}

/* ---- get: opening ------------------------------------------------------ */

static void pool_trace(void *ctx, struct fed_trace *trace)
{
  if (trace->running)
    fed_log_begin(fed_server_name(ctx), trace);
  else
    fed_log_add(fed_server_name(ctx), trace);
}

/* What the caller gets is wrapped: faults inside (tests), the log outside. */
static int pool_wrap(struct fed_server *server, struct fed_conn *conn,
                     struct fed_conn **out, struct fed_err *err)
{
  int rc = SQLITE_OK;

#ifdef FED_TEST
  rc = fed_fault_wrap(&conn, conn, err);
#endif
  if (rc == SQLITE_OK) rc = fed_trace_wrap(out, conn, pool_trace, server, err);
  if (rc != SQLITE_OK) fed_conn_close(conn);
  return rc;
}

/* SQLITE_BUSY means "the pool is exhausted" to our callers; a server that did
 * not answer is another matter, and another option. */
static int pool_explain(const struct fed_server *server, int rc,
                        const struct fed_wait *within,
                        const struct fed_wait *wait, struct fed_err *err)
{
  int64_t now = fed_clock_ms();

  if (rc == SQLITE_BUSY && now >= within->deadline && now < wait->deadline) {
    struct fed_str limit;

    fed_str_init(&limit, 32);
    for (int i = 0; i < fed_server_noptions; i++)
      if (strcmp(fed_server_options[i].name, "connect_timeout") == 0)
        fed_opt_value(&fed_server_options[i], &server->opts, &limit);
    fed_err_suffix(err, " (connect_timeout=%s)", limit.s);
    fed_str_release(&limit);
    err->rc = rc = SQLITE_CANTOPEN;
  }
  fed_err_prefix(err, "server '%s': ", server->name);
  return rc;
}

int fed_server_connect(struct fed_server *server, bool plain,
                       struct fed_conn **out, const struct fed_wait *wait,
                       struct fed_err *err)
{
  struct fed_wait within = fed_wait_within(wait, server->opts.connect_timeout);
  struct fed_conn *conn = NULL;
  struct fed_dsn dsn;
  int rc;

  *out = NULL;
  if ((rc = fed_server_resolve(server, &dsn, err)) != SQLITE_OK) return rc;
  dsn.plain = plain;
  rc = fed_conn_open(&conn, &dsn, &within, err);
  fed_dsn_release(&dsn);
  if (rc == SQLITE_OK) return pool_wrap(server, conn, out, err);
  return pool_explain(server, rc, &within, wait, err);
}

static void pool_opened_locked(struct pool_slot *slot, struct fed_conn *conn)
{
  struct fed_server *server = slot->server;

  slot->conn = conn;
  conn->lender = slot;
  slot->opened_ms = slot->used_ms = slot->lent_ms = fed_clock_ms();
  fed_pool_move_locked(slot, POOL_BUSY);
  server->counters.opened++;
  server->health = SERVER_UP;
  server->caps = conn->caps;
  memcpy(server->version, conn->version, sizeof server->version);
}

/* Remember a failure for fed_servers, and tell those it concerns (pool.h). */
static void pool_failed_locked(struct fed_server *server,
                               const struct fed_err *err)
{
  struct timespec now;
  size_t n = strnlen(err->msg, sizeof server->last_error - 1);

  while (n > 0 && (err->msg[n] & 0xC0) == 0x80)
    n--;
  memcpy(server->last_error, err->msg, n);
  server->last_error[n] = 0;
  clock_gettime(CLOCK_REALTIME, &now);
  server->last_error_time = (double)now.tv_sec + (double)now.tv_nsec / 1e9;
  server->health = SERVER_DOWN;
  server->counters.errors++;
  if (server->count[POOL_BUSY] == 0) fed_pool_fail_locked(server, err);
}

/* Fill an OPENING slot; on failure its place is free again. */
static int pool_open(struct pool_slot *slot, const struct fed_wait *wait,
                     struct fed_err *err)
{
  struct fed_conn *conn = NULL;
  int rc = fed_server_connect(slot->server, false, &conn, wait, err);

  fed_pool_lock();
  if (rc == SQLITE_OK && conn) {
    pool_opened_locked(slot, conn);
  } else {
    fed_pool_move_locked(slot, POOL_NONE);
    slot->server->counters.lent--;
    /* A caller who had no time or memory says nothing about the server. */
    if (rc != SQLITE_INTERRUPT && rc != SQLITE_NOMEM &&
        fed_clock_ms() < wait->deadline)
      pool_failed_locked(slot->server, err);
    fed_pool_serve_locked(slot->server);
  }
  fed_pool_unlock();
  return rc;
}

/* ---- get: checking an idle connection ---------------------------------- */

/* Take the connection out of a BUSY slot; the place is kept for a new one. */
static void pool_discard(struct pool_slot *slot, bool broken)
{
  fed_pool_lock();
  fed_pool_move_locked(slot, POOL_CLOSING);
  slot->server->counters.broken += broken;
  fed_pool_unlock();
  pool_close_conn(slot);
  fed_pool_lock();
  slot->server->counters.closed++;
  fed_pool_move_locked(slot, POOL_OPENING);
  fed_pool_unlock();
}

/* Is the session still there? Asks the server only after a long pause. */
static bool pool_alive(struct pool_slot *slot, int64_t now,
                       const struct fed_wait *wait)
{
  int64_t idle = now - slot->used_ms;
  struct fed_wait within;
  struct fed_err ignored;

  /* It was looked at when it came back; what happens within a blink shows
   * when it is used, and who used it tries again: with one that is looked at.
   * But that a file was replaced by another never shows. */
  if (!slot->conn->drv->is_file && idle < FED_WAIT_SLICE &&
      idle < slot->server->opts.validate_after &&
      slot->used_ms > atomic_load(&slot->server->broken_ms))
    return true;
  if (fed_conn_health(slot->conn, true) != FED_HEALTH_CLEAN) return false;
  if (idle < slot->server->opts.validate_after) return true;
  within = fed_wait_within(wait, POOL_CLEANUP_MS);
  fed_err_init(&ignored);
  return fed_conn_ping(slot->conn, &within, &ignored) == SQLITE_OK;
}

/* Make an admitted slot fit to be lent; on failure it is in no list. */
static int pool_ready(struct pool_slot *slot, int64_t now,
                      const struct fed_wait *wait, struct fed_err *err)
{
  if (slot->conn) {
    bool old = pool_too_old(slot, now) || pool_too_idle(slot, now);

    if (!old && pool_alive(slot, now, wait)) {
      slot->lent_ms = now;
      return SQLITE_OK;
    }
    pool_discard(slot, !old);
  }
  return pool_open(slot, wait, err);
}

/* ---- get: admission ---------------------------------------------------- */

static void pool_count_wait_locked(struct fed_server *server, int64_t start)
{
  struct pool_counters *counters = &server->counters;
  int64_t ms = fed_clock_ms() - start;

  counters->waits++;
  counters->wait_ms += ms;
  if (ms > counters->wait_ms_max) counters->wait_ms_max = ms;
}

int fed_pool_gone(const struct fed_server *server, struct fed_err *err)
{
  return fed_err_set(err, SQLITE_ERROR,
                     "server '%s' was redefined or dropped meanwhile",
                     server->name);
}

static int pool_exhausted(const struct fed_server *server, int64_t waited,
                          struct fed_err *err)
{
  char took[40] = "";

  if (waited >= 0)
    snprintf(took, sizeof took, "; waited %lld.%lld s",
             (long long)(waited / 1000), (long long)(waited % 1000 / 100));
  return fed_err_set(err, SQLITE_BUSY,
                     "all %lld connections of server '%s' are in use%s; "
                     "raise pool_max, or end the statements and transactions "
                     "that hold them",
                     (long long)server->opts.pool_max, server->name, took);
}

/*
 * Queue until something was granted. The user's callback may call SQLite, so
 * it is asked without the lock; what was granted meanwhile is not refused.
 */
static int pool_queue_locked(struct fed_server *server,
                             struct pool_waiter *waiter,
                             const struct fed_wait *wait, struct fed_err *err)
{
  struct fed_wait within = fed_wait_within(wait, server->opts.acquire_timeout);
  struct fed_err failed = FED_ERR_INIT, stopped = FED_ERR_INIT;
  int64_t start = fed_clock_ms();

  waiter->err = &failed;
  fed_pool_enqueue_locked(server, waiter);
  while (!waiter->slot && !failed.rc && !stopped.rc) {
    fed_pool_sleep_locked(waiter, within.deadline);
    if (waiter->slot || failed.rc) break;
    fed_pool_unlock();
    fed_wait_check(&within, "waiting", &stopped);
    fed_pool_lock();
  }
  fed_pool_leave_locked(server, waiter);
  pool_count_wait_locked(server, start);
  if (waiter->slot) return SQLITE_OK;
  if (failed.rc) return fed_err_set(err, failed.rc, "%s", failed.msg);
  if (stopped.rc != SQLITE_BUSY)
    return fed_err_set(err, stopped.rc, "%s", stopped.msg);
  server->counters.timeouts++;
  return pool_exhausted(server, fed_clock_ms() - start, err);
}

/* The idle connection that was used last, BUSY now; NULL if there is none. */
static struct pool_slot *pool_take_locked(struct fed_server *server)
{
  struct fed_list *idle = &server->slots[POOL_IDLE];
  struct pool_slot *slot;

  if (!server->current || fed_list_empty(idle)) return NULL;
  slot = FED_CONTAINER(idle->next, struct pool_slot, link);
  fed_pool_move_locked(slot, POOL_BUSY);
  server->counters.lent++;
  return slot;
}

/* Admit a slot: BUSY with a connection, or OPENING, then made of *spare. */
static int pool_admit_locked(struct fed_server *server, bool queue,
                             const struct fed_wait *wait,
                             struct pool_slot **spare, struct pool_slot **out,
                             struct fed_err *err)
{
  struct pool_waiter waiter = {.spare = *spare};
  int rc;

  if (!server->current) return fed_pool_gone(server, err);
  *out = pool_take_locked(server);
  if (*out) return SQLITE_OK;
  if (fed_pool_total_locked(server) < server->opts.pool_max) {
    *out = *spare;
    *spare = NULL;
    fed_pool_move_locked(*out, POOL_OPENING);
    server->counters.lent++;
    return SQLITE_OK;
  }
  if (!queue) {
    server->counters.timeouts++;
    return pool_exhausted(server, -1, err);
  }
  rc = pool_queue_locked(server, &waiter, wait, err);
  *spare = waiter.spare;
  *out = waiter.slot;
  server->counters.lent += rc == SQLITE_OK;
  return rc;
}

/* None is idle: open one, or queue. */
static int pool_admit(struct fed_server *server, bool queue,
                      const struct fed_wait *wait, struct pool_slot **out,
                      struct fed_err *err)
{
  struct pool_slot *spare = fed_alloc(sizeof *spare);
  int rc;

  if (!spare) return fed_err_nomem(err);
  spare->server = server;
  fed_pool_lock();
  rc = pool_admit_locked(server, queue, wait, &spare, out, err);
  fed_pool_unlock();
  fed_free(spare);
  return rc;
}

static int pool_get(struct fed_server *server, bool queue,
                    const struct fed_wait *wait, struct fed_conn **out,
                    struct fed_err *err)
{
  int64_t now = fed_clock_ms();
  struct pool_slot *slot;
  int rc = SQLITE_OK;

  *out = NULL;
  pool_upkeep(now);
  fed_pool_lock();
  slot = pool_take_locked(server);
  fed_pool_unlock();
  if (!slot) {
    rc = pool_admit(server, queue, wait, &slot, err);
    now = fed_clock_ms();
  }
  if (rc != SQLITE_OK || !slot) return rc;
  slot->next = NULL;
  rc = pool_ready(slot, now, wait, err);
  if (rc == SQLITE_OK)
    *out = slot->conn;
  else
    pool_free_chain(slot);
  return rc;
}

int fed_pool_get(struct fed_server *server, const struct fed_wait *wait,
                 struct fed_conn **out, struct fed_err *err)
{
  return pool_get(server, true, wait, out, err);
}

int fed_pool_try_get(struct fed_server *server, const struct fed_wait *wait,
                     struct fed_conn **out, struct fed_err *err)
{
  return pool_get(server, false, wait, out, err);
}

/* ---- put --------------------------------------------------------------- */

static void pool_count_reset(struct fed_server *server)
{
  fed_pool_lock();
  server->counters.resets++;
  fed_pool_unlock();
}

static bool pool_reset(struct pool_slot *slot)
{
  struct fed_wait wait = {.deadline = fed_clock_deadline(POOL_CLEANUP_MS)};
  struct fed_err ignored = FED_ERR_INIT;

  if (fed_conn_reset(slot->conn, &wait, &ignored) != SQLITE_OK) return false;
  pool_count_reset(slot->server);
  return fed_conn_health(slot->conn, true) == FED_HEALTH_CLEAN;
}

/* Bring a session back to the state of a new one; false: close it. Who had it
 * for a blink only has heard of the server himself. */
static bool pool_clean(struct pool_slot *slot, int64_t now)
{
  bool look = now - slot->lent_ms >= FED_WAIT_SLICE;

  switch (fed_conn_health(slot->conn, look)) {
  case FED_HEALTH_DEAD:
    return false;
  case FED_HEALTH_BUSY:
    break;
  case FED_HEALTH_CLEAN:
    if (!slot->conn->dirty) return true;
  }
  return pool_reset(slot);
}

/* A connection lent before fork(): its session is the parent's. */
static void pool_put_inherited(struct pool_slot *slot)
{
  fed_conn_abandon(slot->conn);
  slot->next = NULL;
  pool_free_chain(slot);
}

void fed_pool_put(struct fed_conn *conn)
{
  struct pool_slot *slot;
  bool close, broken = false;
  int64_t now = fed_clock_ms();

  if (!conn) return;
  slot = conn->lender;
  if (fed_pool_inherited(conn)) {
    pool_put_inherited(slot);
    return;
  }
  close = pool_too_old(slot, now) || !fed_server_current(slot->server);
  if (!close) close = broken = !pool_clean(slot, now);
  slot->used_ms = now;
  slot->next = NULL;
  if (broken) atomic_store(&slot->server->broken_ms, now);
  fed_pool_lock();
  if (!slot->server->current) close = true;
  slot->server->counters.broken += broken;
  fed_pool_move_locked(slot, close ? POOL_CLOSING : POOL_IDLE);
  if (!close) fed_pool_serve_locked(slot->server);
  fed_pool_unlock();
  /* From here on an IDLE slot may be another thread's. */
  if (close) fed_pool_close(slot);
  pool_upkeep(now);
}

struct fed_server *fed_pool_server(const struct fed_conn *conn)
{
  return ((const struct pool_slot *)conn->lender)->server;
}

bool fed_pool_inherited(const struct fed_conn *conn)
{
  return ((const struct pool_slot *)conn->lender)->fork != fed_pool_forks();
}

/* ---- status ------------------------------------------------------------ */

static int64_t pool_oldest_locked(const struct fed_server *server, int64_t now)
{
  static const enum pool_state states[] = {POOL_IDLE, POOL_BUSY};
  int64_t oldest = now;

  for (size_t i = 0; i < FED_LEN(states); i++)
    FED_LIST_EACH(node, &server->slots[states[i]])
    {
      struct pool_slot *slot = FED_CONTAINER(node, struct pool_slot, link);

      if (slot->opened_ms < oldest) oldest = slot->opened_ms;
    }
  return now - oldest;
}

static void pool_row_locked(const struct fed_server *server,
                            struct fed_pool_row *row)
{
  const struct pool_counters *counters = &server->counters;

  memcpy(row->server, server->name, sizeof row->server);
  row->generation = server->generation;
  row->draining = !server->current;
  row->pool_max = server->opts.pool_max;
  row->opening = server->count[POOL_OPENING];
  row->idle = server->count[POOL_IDLE];
  row->busy = server->count[POOL_BUSY];
  row->closing = server->count[POOL_CLOSING];
  row->waiting = server->waiting;
  row->lent_total = counters->lent;
  row->opened_total = counters->opened;
  row->closed_total = counters->closed;
  row->reset_total = counters->resets;
  row->error_total = counters->errors;
  row->broken_total = counters->broken;
  row->timeout_total = counters->timeouts;
  row->wait_total = counters->waits;
  row->wait_ms = counters->wait_ms;
  row->wait_ms_max = counters->wait_ms_max;
  row->oldest_ms = pool_oldest_locked(server, fed_clock_ms());
}

static int pool_compare_rows(const void *a, const void *b)
{
  const struct fed_pool_row *x = a, *y = b;
  int order = strcasecmp(x->server, y->server);

  if (order) return order;
  return (x->generation > y->generation) - (x->generation < y->generation);
}

/* Fill up to `room` rows; returns how many there are. */
static int pool_rows_locked(struct fed_pool_row *rows, int room)
{
  int n = 0;

  FED_LIST_EACH(node, fed_pool_servers_locked())
  {
    struct fed_server *server = FED_CONTAINER(node, struct fed_server, link);

    if (!server->current && fed_pool_total_locked(server) == 0) continue;
    if (n < room) pool_row_locked(server, &rows[n]);
    n++;
  }
  return n;
}

int fed_pool_list(struct fed_pool_row **out, int *n, struct fed_err *err)
{
  struct fed_pool_row *rows = NULL;
  int room = 0, have;

  *out = NULL;
  *n = 0;
  fed_config_refresh();
  for (;;) {
    fed_pool_lock();
    have = pool_rows_locked(rows, room);
    fed_pool_unlock();
    if (have <= room) break;
    fed_free(rows);
    room = have + 4;
    if (!(rows = fed_calloc((size_t)room, sizeof *rows)))
      return fed_err_nomem(err);
  }
  if (rows) qsort(rows, (size_t)have, sizeof *rows, pool_compare_rows);
  *out = rows;
  *n = have;
  return SQLITE_OK;
}

int fed_pool_trim(struct fed_server *server)
{
  struct pool_slot *chain = NULL;

  fed_pool_lock();
  FED_LIST_EACH(node, fed_pool_servers_locked())
  {
    struct fed_server *one = FED_CONTAINER(node, struct fed_server, link);

    if (!server || one == server) chain = fed_pool_drain_locked(one, chain);
  }
  fed_pool_unlock();
  return fed_pool_close(chain);
}
