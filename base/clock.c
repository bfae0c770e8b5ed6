#include "base/clock.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <time.h>

/* The moment, in us: as long as Linux' haltpoll waits before it halts. */
#define AWAKE_US   200
#define AWAKE_LOST 300  /* whoever yields for longer has met somebody */
#define AWAKE_REST 128  /* answers to wait for asleep, if one came too late */
#define AWAKE_LONG 4096 /* or if somebody was met */

int64_t fed_clock_us(void)
{
  struct timespec ts;

  clock_gettime(CLOCK_MONOTONIC, &ts);
  return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

int64_t fed_clock_ms(void)
{
  return fed_clock_us() / 1000;
}

int64_t fed_clock_wall_ms(void)
{
  struct timespec ts;

  clock_gettime(CLOCK_REALTIME, &ts);
  return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int64_t fed_clock_deadline(int64_t ms)
{
  int64_t now = fed_clock_ms();

  if (ms < 0 || ms > INT64_MAX - now) return FED_WAIT_FOREVER;
  return now + ms;
}

struct fed_wait fed_wait_within(const struct fed_wait *wait, int64_t ms)
{
  struct fed_wait within = *wait;
  int64_t deadline = fed_clock_deadline(ms);

  if (deadline < within.deadline) within.deadline = deadline;
  return within;
}

int fed_wait_check(const struct fed_wait *wait, const char *what,
                   struct fed_err *err)
{
  if (wait->interrupted && wait->interrupted(wait->arg))
    return fed_err_set(err, SQLITE_INTERRUPT, "interrupted");
  if (wait->deadline != FED_WAIT_FOREVER && fed_clock_ms() >= wait->deadline)
    return fed_err_set(err, SQLITE_BUSY, "timed out %s", what);
  return SQLITE_OK;
}

int fed_wait_fd(const struct fed_wait *wait, int fd, short events,
                const char *what, struct fed_err *err)
{
  for (;;) {
    struct pollfd pfd = {.fd = fd, .events = events};
    int64_t left = wait->deadline == FED_WAIT_FOREVER
                     ? wait->deadline
                     : wait->deadline - fed_clock_ms();
    int slice =
      left < FED_WAIT_SLICE ? (int)(left > 0 ? left : 0) : FED_WAIT_SLICE;
    int n = poll(&pfd, 1, slice);
    int rc;

    if (n > 0) return SQLITE_OK;
    if (n < 0 && errno != EINTR)
      return fed_err_set(err, SQLITE_IOERR, "poll failed with errno %d", errno);
    if ((rc = fed_wait_check(wait, what, err)) != SQLITE_OK) return rc;
    if (fd < 0) return SQLITE_OK;
  }
}

/* ---- waiting awake ------------------------------------------------------ */

bool fed_awake_begin(struct fed_awake *awake, int fd)
{
  struct pollfd pfd = {.fd = fd, .events = POLLIN};
  int64_t now = fed_clock_us(), last = now;

  awake->since = now;
  if (awake->asleep > 0) awake->asleep--;
  if (!awake->quick || awake->asleep > 0) return false;
  while (now - awake->since < AWAKE_US) {
    if (poll(&pfd, 1, 0) != 0) return true;
    sched_yield();
    last = now;
    now = fed_clock_us();
  }
  awake->asleep = now - last > AWAKE_LOST ? AWAKE_LONG : AWAKE_REST;
  return false;
}

void fed_awake_end(struct fed_awake *awake)
{
  awake->quick = fed_clock_us() - awake->since < AWAKE_US;
}
