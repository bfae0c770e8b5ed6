/*
 * log: the last remote statements, in memory that never grows (untouched
 * pages of the array cost nothing), and those that run now.
 */
#include <ctype.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

#include "base/mem.h"
#include "pool/pool_int.h"

/* Statements come from every thread; its own lock keeps the pool's short. */
static pthread_mutex_t log_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct fed_log_row log_ring[FED_LOG_ROWS]; /* at id % FED_LOG_ROWS */
static int64_t log_last;    /* id of the newest row, 0 when there is none */
static int64_t log_cleared; /* ids up to here are forgotten */
static struct fed_list log_running = {&log_running, &log_running};

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
  /* They run in the parent. */
  FED_LIST_EACH_SAFE(link, after, &log_running) fed_list_remove(link);
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

/* The end of a dollar quote that begins at `p`, or NULL: $$..$$, $tag$..$tag$.
 */
static const char *log_dollar_end(const char *p)
{
  size_t n = 1;
  const char *end;

  while (isalnum((unsigned char)p[n]) || p[n] == '_')
    n++;
  if (p[n] != '$' || isdigit((unsigned char)p[1])) return NULL; /* $1 */
  for (end = p + n + 1; (end = strchr(end, '$')) != NULL; end++)
    if (strncmp(end, p, n + 1) == 0) return end + n + 1;
  return p + strlen(p);
}

/* The end of what is quoted from `p` on; doubled quotes and backslashes may
 * stand inside. */
static const char *log_quote_end(const char *p)
{
  char quote = *p++;

  for (; *p; p++) {
    if (*p == '\\' && p[1])
      p++;
    else if (*p == quote && p[1] == quote)
      p++;
    else if (*p == quote)
      return p + 1;
  }
  return p;
}

/* Room for '0001-01-01' and for '...'; both with a final zero. */
#define LOG_LITERAL 13

/* Our own texts have a date for bound: no secret, and worth seeing. */
static bool log_is_date(const char *p, const char *end)
{
  return end - p == sizeof "'0001-01-01'" - 1 &&
         strspn(p + 1, "0123456789-") == sizeof "0001-01-01" - 1;
}

/* The end of a list of literals that begins here, or NULL. */
static const char *log_list_end(const char *p)
{
  if (strncmp(p, "IN (", 4) != 0 || !p[4] || !strchr("-0123456789'_x", p[4]))
    return NULL;
  for (p += 4; *p && *p != ')';)
    p = *p == '\'' ? log_quote_end(p) : p + 1;
  return p;
}

/*
 * The statement without the insides of its literals: `ALTER USER u PASSWORD
 * '...'`. Our own texts have placeholders; what stands in the user's may be a
 * secret. "names" are kept in our own, and in MySQL the user's may be text.
 */
static void log_copy_sql(char *to, size_t size, const char *sql, bool user)
{
  char *at = to, *limit = to + size - 1;

  for (;;) {
    const char *end = NULL, *list;
    size_t n = strcspn(sql, user ? "'\"$" : "'I");
    char quote;

    if (n > (size_t)(limit - at)) n = (size_t)(limit - at);
    at = mempcpy(at, sql, n);
    sql += n;
    quote = *sql;
    if (!quote) break;
    list = user ? NULL : log_list_end(sql);
    if (list)
      end = list;
    else if (quote == '\'' || (user && quote == '"'))
      end = log_quote_end(sql);
    else if (user && quote == '$')
      end = log_dollar_end(sql);
    if (limit - at < (end ? LOG_LITERAL : 1)) break;
    if (list)
      at += snprintf(at, LOG_LITERAL, "IN (...");
    else if (end && !user && log_is_date(sql, end))
      at = mempcpy(at, sql, (size_t)(end - sql));
    else if (end)
      at += snprintf(at, LOG_LITERAL, "%c...%c", quote, quote);
    else
      *at++ = *sql;
    sql = end ? end : sql + 1;
  }
  if ((*sql & 0xC0) == 0x80) { /* cut inside a character: take it away */
    while (at > to && (at[-1] & 0xC0) == 0x80)
      at--;
    if (at > to) at--;
  }
  *at = 0;
}

/* A server's error may quote the statement: of the user's only its number. */
static void log_copy_error(char *to, size_t size, const char *error, bool user)
{
  const char *number = user && error ? strrchr(error, '(') : NULL;

  to[0] = 0;
  if (error) log_copy(to, size, !user ? error : number ? number : "failed");
}

/* Unix seconds of the moment so many microseconds ago. */
static double log_time(int64_t us)
{
  struct timespec now;

  clock_gettime(CLOCK_REALTIME, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9 - (double)us / 1e6;
}

void fed_log_begin(const char *server, struct fed_trace *trace)
{
  trace->server = server;
  fed_log_lock();
  fed_list_push_back(&log_running, &trace->link);
  fed_log_unlock();
}

void fed_log_add(const char *server, struct fed_trace *trace)
{
  double time = log_time(trace->total_us);
  struct fed_log_row *row;

  fed_log_lock();
  if (trace->link.next) fed_list_remove(&trace->link);
  row = &log_ring[++log_last % FED_LOG_ROWS];
  row->id = log_last;
  row->time = time;
  row->rows = atomic_load_explicit(&trace->rows, memory_order_relaxed);
  row->bytes = atomic_load_explicit(&trace->bytes, memory_order_relaxed);
  row->first_ms = (double)trace->first_us / 1e3;
  row->total_ms = (double)trace->total_us / 1e3;
  log_copy(row->server, sizeof row->server, server);
  row->sql[0] = 0;
  if (trace->sql)
    log_copy_sql(row->sql, sizeof row->sql, trace->sql, trace->user);
  log_copy_error(row->error, sizeof row->error, trace->error, trace->user);
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

/* Fill as many rows as there is room for; returns how many there are. */
static int log_running_locked(struct fed_progress_row *rows, int room)
{
  int n = 0;

  FED_LIST_EACH(link, &log_running)
  {
    struct fed_trace *trace = FED_CONTAINER(link, struct fed_trace, link);
    struct fed_progress_row *row = &rows[n];
    int64_t us;

    if (n++ >= room) continue;
    us = fed_clock_us() - trace->start_us;
    row->time = log_time(us);
    row->ms = (double)us / 1e3;
    row->rows = atomic_load_explicit(&trace->rows, memory_order_relaxed);
    row->bytes = atomic_load_explicit(&trace->bytes, memory_order_relaxed);
    log_copy(row->server, sizeof row->server, trace->server);
    log_copy_sql(row->sql, sizeof row->sql, trace->sql, trace->user);
  }
  return n;
}

int fed_progress_list(struct fed_progress_row **out, int *n,
                      struct fed_err *err)
{
  struct fed_progress_row *rows = NULL;
  int room = 0, have;

  for (;;) {
    fed_log_lock();
    have = log_running_locked(rows, room);
    fed_log_unlock();
    if (have <= room) break;
    fed_free(rows);
    room = have + 4;
    if (!(rows = fed_calloc((size_t)room, sizeof *rows)))
      return fed_err_nomem(err);
  }
  *out = rows;
  *n = have;
  return SQLITE_OK;
}
