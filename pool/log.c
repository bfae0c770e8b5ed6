/*
 * log: the last remote statements, in memory that never grows. Untouched
 * pages of the array cost nothing.
 */
#include <pthread.h>
#include <time.h>

#include "pool/pool_int.h"

/* Statements come from every thread; its own lock keeps the pool's short. */
static pthread_mutex_t log_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct fed_log_row log_ring[FED_LOG_ROWS]; /* at id % FED_LOG_ROWS */
static int64_t log_last;    /* id of the newest row, 0 when there is none */
static int64_t log_cleared; /* ids up to here are forgotten */

void fed_log_lock(void)
{
  pthread_mutex_lock(&log_mutex);
}

void fed_log_unlock(void)
{
  pthread_mutex_unlock(&log_mutex);
}

void fed_log_after_fork(void)
{
  pthread_mutex_init(&log_mutex, NULL);
}

/* Copy a string, cut between two UTF-8 characters where it is too long. */
static void log_copy(char *to, size_t size, const char *from)
{
  size_t n = strnlen(from, size);

  if (n == size) {
    n = size - 1;
    while (n > 0 && (from[n] & 0xC0) == 0x80)
      n--;
  }
  memcpy(to, from, n);
  to[n] = 0;
}

/*
 * The text of fed_exec is the user's, and `ALTER USER u PASSWORD '...'` has a
 * secret in it: where a quote follows such a word, the text ends there.
 */
static void log_copy_sql(char *to, size_t size, const char *sql)
{
  static const char *const words[] = {"password", "identified", "secret"};
  const char *end = NULL;

  for (size_t i = 0; i < FED_LEN(words); i++) {
    const char *at = strcasestr(sql, words[i]);

    if (at && strpbrk(at, "'$") && (!end || at < end))
      end = at + strlen(words[i]);
  }
  log_copy(to, size, sql);
  if (end && (size_t)(end - sql) + sizeof " ..." < size)
    memcpy(to + (end - sql), " ...", sizeof " ...");
}

/* Unix seconds of a moment given on the monotonic clock. */
static double log_time(int64_t us)
{
  struct timespec now;

  clock_gettime(CLOCK_REALTIME, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9 -
         (double)(fed_clock_us() - us) / 1e6;
}

void fed_log_add(const char *server, const struct fed_trace *trace)
{
  double time = log_time(trace->start_us);
  struct fed_log_row *row;

  fed_log_lock();
  row = &log_ring[++log_last % FED_LOG_ROWS];
  row->id = log_last;
  row->time = time;
  row->rows = trace->rows;
  row->first_ms = (double)trace->first_us / 1e3;
  row->total_ms = (double)trace->total_us / 1e3;
  log_copy(row->server, sizeof row->server, server);
  log_copy_sql(row->sql, sizeof row->sql, trace->sql ? trace->sql : "");
  log_copy(row->error, sizeof row->error, trace->error ? trace->error : "");
  fed_log_unlock();
}

bool fed_log_next(int64_t after, struct fed_log_row *row)
{
  bool found;

  fed_log_lock();
  if (after < log_cleared) after = log_cleared;
  if (after < log_last - FED_LOG_ROWS) after = log_last - FED_LOG_ROWS;
  if ((found = after < log_last)) *row = log_ring[(after + 1) % FED_LOG_ROWS];
  fed_log_unlock();
  return found;
}

void fed_log_clear(void)
{
  fed_log_lock();
  log_cleared = log_last;
  fed_log_unlock();
}
