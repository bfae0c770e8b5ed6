/*
 * clock: monotonic time in milliseconds, and waiting that ends.
 *
 * A `struct fed_wait` goes with every call that may block: until when, and
 * how to learn that the user gave up (sqlite3_interrupt cannot wake a
 * sleeping thread, so it is asked every FED_WAIT_SLICE ms).
 */
#ifndef FED_CLOCK_H
#define FED_CLOCK_H

#include "base/err.h"

#define FED_WAIT_SLICE   50
#define FED_WAIT_FOREVER INT64_MAX

struct fed_wait {
  int64_t deadline;            /* fed_clock_ms() value, FED_WAIT_FOREVER */
  bool (*interrupted)(void *); /* NULL: nobody can interrupt */
  void *arg;
};

/* Milliseconds of a clock that never steps back. */
int64_t fed_clock_ms(void);

/* The same in microseconds, for measuring. */
int64_t fed_clock_us(void);

/* Milliseconds since 1970, of a clock that may be set: for what is kept. */
int64_t fed_clock_wall_ms(void);

/* now + ms, without overflow; ms < 0 means for ever. */
int64_t fed_clock_deadline(int64_t ms);

/* `wait` with its deadline brought forward to at most `ms` from now. */
struct fed_wait fed_wait_within(const struct fed_wait *wait, int64_t ms);

/*
 * SQLITE_OK while there is time; SQLITE_INTERRUPT if the user gave up;
 * SQLITE_BUSY once the deadline has passed. `what` ends the message "timed
 * out ...": "connecting", "waiting for rows".
 */
int fed_wait_check(const struct fed_wait *wait, const char *what,
                   struct fed_err *err);

/*
 * Sleep until `fd` is ready for `events` (POLLIN, POLLOUT), an error state
 * counting as ready. Codes as fed_wait_check. fd -1 sleeps one slice.
 */
int fed_wait_fd(const struct fed_wait *wait, int fd, short events,
                const char *what, struct fed_err *err);

/*
 * Waiting awake. To fall asleep and to be woken takes longer than a server on
 * this machine needs to look up a row. So who waits for an answer looks for it
 * a moment first, if the last one came that soon. That harms where others want
 * the processor: as soon as that shows, it is left alone for a long time.
 */
struct fed_awake {
  bool quick;    /* the last answer came within the moment */
  int asleep;    /* so many answers are to be waited for asleep */
  int64_t since; /* fed_clock_us() */
};

/* The question was sent: is there input at `fd` within the moment? If not, go
 * to sleep; in both cases tell of the answer by fed_awake_end(). */
bool fed_awake_begin(struct fed_awake *awake, int fd);
void fed_awake_end(struct fed_awake *awake);

#endif
