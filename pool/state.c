/*
 * state: the lock, what fork() does to it, the states of a connection and
 * the queue of those who wait for one.
 *
 * There is one lock for everything in this directory but the log. Nothing
 * slow happens under it, so that more would only be an order to remember.
 */
#include <assert.h>
#include <stdatomic.h>
#include <time.h>

#include "base/mem.h"
#include "pool/pool_int.h"

static pthread_mutex_t pool_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t pool_once = PTHREAD_ONCE_INIT;
static atomic_uint pool_forks; /* fork()s between the first process and us */

/* Guarded by the lock. */
static bool pool_held;
static unsigned pool_seen; /* value of pool_forks the lists are true for */
static struct fed_list pool_servers = {&pool_servers, &pool_servers};
static struct pool_slot *pool_orphans; /* idle ones of the parent */

/* ---- the lock, and fork() ---------------------------------------------- */

/* Nobody may be halfway through a list when the process is copied. */
static void pool_fork_prepare(void)
{
  pthread_mutex_lock(&pool_mutex);
  fed_log_lock();
  fed_trust_lock();
}

static void pool_fork_parent(void)
{
  fed_trust_unlock();
  fed_log_unlock();
  pthread_mutex_unlock(&pool_mutex);
}

/* Only this: after fork() in a program with threads little is safe to call.
 * The rest is done when the child next takes the lock. */
static void pool_fork_child(void)
{
  fed_trust_after_fork();
  fed_log_after_fork();
  pthread_mutex_init(&pool_mutex, NULL);
  atomic_fetch_add(&pool_forks, 1);
}

static void pool_init(void)
{
  pthread_atfork(pool_fork_prepare, pool_fork_parent, pool_fork_child);
}

unsigned fed_pool_forks(void)
{
  return atomic_load(&pool_forks);
}

static void pool_empty(struct fed_server *server)
{
  for (int i = 0; i < POOL_NSTATES; i++) {
    fed_list_init(&server->slots[i]);
    server->count[i] = 0;
  }
  fed_list_init(&server->waiters);
  server->waiting = 0;
}

/*
 * In a child: forget the parent's connections. Idle ones are kept aside to be
 * freed. Those in other states belong to threads that do not exist here, or
 * to the one that forked, which will put them.
 */
static void pool_renew(void)
{
  pool_seen = fed_pool_forks();
  FED_LIST_EACH(node, &pool_servers)
  {
    struct fed_server *server = FED_CONTAINER(node, struct fed_server, link);

    FED_LIST_EACH_SAFE(link, after, &server->slots[POOL_IDLE])
    {
      struct pool_slot *slot = FED_CONTAINER(link, struct pool_slot, link);

      slot->next = pool_orphans;
      pool_orphans = slot;
    }
    pool_empty(server);
    memset(&server->counters, 0, sizeof server->counters);
  }
}

void fed_pool_lock(void)
{
  pthread_once(&pool_once, pool_init);
  pthread_mutex_lock(&pool_mutex);
  assert(!pool_held);
  pool_held = true;
  if (pool_seen != fed_pool_forks()) pool_renew();
}

static void pool_abandon(struct pool_slot *chain)
{
  while (chain) {
    struct pool_slot *slot = chain;

    chain = slot->next;
    fed_conn_abandon(slot->conn);
    fed_server_unref(slot->server);
    fed_free(slot);
  }
}

void fed_pool_unlock(void)
{
  struct pool_slot *orphans = pool_orphans;

  assert(pool_held);
  pool_orphans = NULL;
  pool_held = false;
  pthread_mutex_unlock(&pool_mutex);
  if (orphans) pool_abandon(orphans);
}

void fed_pool_assert_locked(void)
{
  assert(pool_held);
}

struct fed_list *fed_pool_servers_locked(void)
{
  fed_pool_assert_locked();
  return &pool_servers;
}

/* ---- states ------------------------------------------------------------ */

#define POOL_BIT(state) (1u << (state))

#ifndef NDEBUG
/* To which states each one may change; pool.h has the picture. */
static const unsigned pool_next[POOL_NSTATES] = {
  [POOL_NONE] = POOL_BIT(POOL_OPENING),
  [POOL_OPENING] = POOL_BIT(POOL_BUSY) | POOL_BIT(POOL_NONE),
  [POOL_IDLE] = POOL_BIT(POOL_BUSY) | POOL_BIT(POOL_CLOSING),
  [POOL_BUSY] = POOL_BIT(POOL_IDLE) | POOL_BIT(POOL_CLOSING),
  [POOL_CLOSING] = POOL_BIT(POOL_NONE) | POOL_BIT(POOL_OPENING),
};
#endif

int fed_pool_total_locked(const struct fed_server *server)
{
  fed_pool_assert_locked();
  return server->count[POOL_OPENING] + server->count[POOL_IDLE] +
         server->count[POOL_BUSY] + server->count[POOL_CLOSING];
}

/* What must be true of a slot in its state. */
static void pool_check(const struct pool_slot *slot)
{
  switch (slot->state) {
  case POOL_NONE:
  case POOL_OPENING:
    assert(!slot->conn);
    break;
  case POOL_IDLE:
    assert(slot->conn && !slot->conn->broken && !slot->conn->unsettled);
    break;
  case POOL_BUSY:
    assert(slot->conn);
    break;
  case POOL_CLOSING:
  case POOL_NSTATES:
    break;
  }
  assert(slot->fork == fed_pool_forks());
  (void)slot;
}

void fed_pool_move_locked(struct pool_slot *slot, enum pool_state to)
{
  struct fed_server *server = slot->server;

  fed_pool_assert_locked();
  assert(pool_next[slot->state] & POOL_BIT(to));
  if (slot->state == POOL_NONE) {
    fed_list_init(&slot->link);
    slot->fork = fed_pool_forks();
    server->refs++;
  } else {
    fed_list_remove(&slot->link);
    server->count[slot->state]--;
  }
  slot->state = to;
  if (to != POOL_NONE) {
    /* The head is the one used last: idle connections are a stack. */
    fed_list_push_front(&server->slots[to], &slot->link);
    server->count[to]++;
  }
  pool_check(slot);
  assert(fed_pool_total_locked(server) <= server->opts.pool_max);
}

/* ---- the queue --------------------------------------------------------- */

void fed_pool_enqueue_locked(struct fed_server *server,
                             struct pool_waiter *waiter)
{
  pthread_condattr_t attr;

  fed_pool_assert_locked();
  pthread_condattr_init(&attr);
  pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
  pthread_cond_init(&waiter->cond, &attr);
  pthread_condattr_destroy(&attr);
  fed_list_push_back(&server->waiters, &waiter->link);
  server->waiting++;
}

/* Take it out of the queue, if it is still there. */
static void pool_dequeue(struct fed_server *server, struct pool_waiter *waiter)
{
  if (fed_list_empty(&waiter->link)) return;
  fed_list_remove(&waiter->link);
  server->waiting--;
}

void fed_pool_leave_locked(struct fed_server *server,
                           struct pool_waiter *waiter)
{
  fed_pool_assert_locked();
  pool_dequeue(server, waiter);
  pthread_cond_destroy(&waiter->cond);
}

void fed_pool_sleep_locked(struct pool_waiter *waiter, int64_t deadline)
{
  int64_t until = fed_clock_deadline(FED_WAIT_SLICE);
  struct timespec ts;

  if (deadline < until) until = deadline;
  ts.tv_sec = (time_t)(until / 1000);
  ts.tv_nsec = (long)(until % 1000) * 1000000;
  fed_pool_assert_locked();
  pool_held = false;
  pthread_cond_timedwait(&waiter->cond, &pool_mutex, &ts);
  pool_held = true;
}

static struct pool_waiter *pool_first_waiter(struct fed_server *server)
{
  if (fed_list_empty(&server->waiters)) return NULL;
  return FED_CONTAINER(server->waiters.next, struct pool_waiter, link);
}

static void pool_wake(struct fed_server *server, struct pool_waiter *waiter)
{
  pool_dequeue(server, waiter);
  pthread_cond_signal(&waiter->cond);
}

void fed_pool_serve_locked(struct fed_server *server)
{
  struct fed_list *idle = &server->slots[POOL_IDLE];
  struct pool_waiter *waiter;

  fed_pool_assert_locked();
  while ((waiter = pool_first_waiter(server)) != NULL) {
    assert(server->current);
    if (!fed_list_empty(idle)) {
      waiter->slot = FED_CONTAINER(idle->next, struct pool_slot, link);
      fed_pool_move_locked(waiter->slot, POOL_BUSY);
    } else if (fed_pool_total_locked(server) < server->opts.pool_max) {
      waiter->slot = waiter->spare;
      waiter->spare = NULL;
      fed_pool_move_locked(waiter->slot, POOL_OPENING);
    } else {
      return;
    }
    pool_wake(server, waiter);
  }
}

void fed_pool_fail_locked(struct fed_server *server, const struct fed_err *err)
{
  struct pool_waiter *waiter;

  fed_pool_assert_locked();
  while ((waiter = pool_first_waiter(server)) != NULL) {
    *waiter->err = *err;
    pool_wake(server, waiter);
  }
}
