/*
 * mysql_wire: the rows of a result, straight from the socket.
 *
 * The library moves each row three times: from the socket into its read-ahead
 * cache, from there into its packet buffer, from there value by value to where
 * we bind; and switches into a coroutine and back for it. But from the end of
 * an execution to the end of its rows nothing comes but packets of rows, and
 * nothing is sent. For that time we take the wire over: first the bytes that
 * the library has read ahead, then the socket. A row stays where it was
 * received until the next one is asked for.
 *
 * What is no row (the end, an error) is given back unread: put where the
 * library reads ahead. It reads the rest as if it had read the whole, so its
 * state, and every error, is its own.
 *
 * Only for Connector/C, whose headers show that cache, and only where bytes
 * come as the server sent them: no TLS, no compression.
 */
#include "drv/mysql.h"

#if FED_MYSQL_ASYNC

#  include <errno.h>
#  include <ma_pvio.h>
#  include <sys/socket.h>

#  include "base/mem.h"

/* A packet's length (3 bytes) and number; then its bytes. */
#  define MY_HEADER 4
/* As much goes into one packet; a row of that or more goes on in the next. */
#  define MY_PACKET 0xffffff
/* The first byte: 0 of a row, this of the end of rows, one more of an error. */
#  define MY_EOF 0xfe
/* With several results to come, a read takes no more than can be given back;
 * before it there may lie a header and a byte. Else it takes twice of what the
 * server sends at a time: more no longer stays in the processor's cache. */
#  define MY_SHORT (PVIO_READ_AHEAD_CACHE_SIZE - MY_HEADER - 1)
#  define MY_LONG  (32 << 10)
/* Room is made in steps; more than this is not kept for the next result. */
#  define MY_STEP (2 * PVIO_READ_AHEAD_CACHE_SIZE)

bool fed_mysql_wire_usable(const struct fed_mysql *c)
{
  const MARIADB_PVIO *pvio = c->mysql->net.pvio;

  if (!pvio || c->tls || c->mysql->net.compress) return false;
  if (pvio->type != PVIO_TYPE_UNIXSOCKET && pvio->type != PVIO_TYPE_SOCKET)
    return false;
  /* A library whose cache is another than our header says? */
  return pvio->mysql == c->mysql && pvio->cache &&
         pvio->cache_size <= PVIO_READ_AHEAD_CACHE_SIZE &&
         pvio->cache_pos >= pvio->cache &&
         pvio->cache_pos <= pvio->cache + PVIO_READ_AHEAD_CACHE_SIZE;
}

/* Make room for `n` bytes behind those that are there, and one more for a
 * zero that ends a text. */
static int my_reserve(struct fed_mysql_wire *w, size_t n, struct fed_err *err)
{
  size_t held = w->end - w->pos;
  size_t room = held + n + 1;
  unsigned char *buf;

  if (w->end + n < w->room) return SQLITE_OK;
  if (held && w->pos) memmove(w->buf, w->buf + w->pos, held);
  w->pos = 0;
  w->end = held;
  if (room <= w->room) return SQLITE_OK;
  if (room > FED_MYSQL_ROW_MAX)
    return fed_err_set(err, SQLITE_TOOBIG,
                       "a row of more than %lu bytes: select fewer columns",
                       FED_MYSQL_ROW_MAX);
  room += MY_STEP;
  buf = fed_realloc(w->buf, room);
  if (!buf) return fed_err_nomem(err);
  w->buf = buf;
  w->room = room;
  return SQLITE_OK;
}

int fed_mysql_wire_take(struct fed_mysql *c, struct fed_err *err)
{
  struct fed_mysql_wire *w = &c->wire;
  MARIADB_PVIO *pvio = c->mysql->net.pvio;
  size_t ahead;
  int rc;

  w->pos = w->end = w->want = w->joined = 0;
  w->ended = false;
  w->chunk =
    c->mysql->server_status & SERVER_MORE_RESULTS_EXIST ? MY_SHORT : MY_LONG;
  rc = my_reserve(w, PVIO_READ_AHEAD_CACHE_SIZE, err);
  if (rc != SQLITE_OK) return rc;
  if (pvio && pvio->cache_pos < pvio->cache + pvio->cache_size) {
    ahead = (size_t)(pvio->cache + pvio->cache_size - pvio->cache_pos);
    memcpy(w->buf, pvio->cache_pos, ahead);
    pvio->cache_pos += ahead;
    w->end = ahead;
  }
  w->taken = true;
  return SQLITE_OK;
}

bool fed_mysql_wire_give(struct fed_mysql *c, bool whole)
{
  struct fed_mysql_wire *w = &c->wire;
  MARIADB_PVIO *pvio = c->mysql->net.pvio;
  size_t held = w->end - w->pos;

  w->taken = false;
  whole = whole && pvio && held <= PVIO_READ_AHEAD_CACHE_SIZE;
  if (whole) {
    memcpy(pvio->cache, w->buf + w->pos, held);
    pvio->cache_pos = pvio->cache;
    pvio->cache_size = held;
  }
  if (w->room > 2 * MY_STEP) fed_mysql_wire_release(c);
  return whole;
}

void fed_mysql_wire_release(struct fed_mysql *c)
{
  fed_free(c->wire.buf);
  c->wire.buf = NULL;
  c->wire.room = 0;
}

static size_t my_length(const unsigned char *p)
{
  return (size_t)p[0] | (size_t)p[1] << 8 | (size_t)p[2] << 16;
}

/* Are `n` bytes there? If not, so many are wanted. */
static bool my_has(struct fed_mysql_wire *w, size_t n)
{
  if (w->end - w->pos >= n) return true;
  w->want = n;
  return false;
}

/* A row of several packets: take out the headers between them. */
static enum fed_mysql_came my_join(struct fed_mysql_wire *w, size_t n)
{
  size_t more = MY_PACKET;

  for (n = w->joined ? w->joined : n; more == MY_PACKET; n += more) {
    unsigned char *next = w->buf + w->pos + MY_HEADER + n;

    w->joined = n;
    if (!my_has(w, MY_HEADER + n + MY_HEADER)) return FED_MYSQL_CAME_PART;
    more = my_length(next);
    if (!my_has(w, MY_HEADER + n + MY_HEADER + more))
      return FED_MYSQL_CAME_PART;
    w->end -= MY_HEADER;
    memmove(next, next + MY_HEADER, w->end - (size_t)(next - w->buf));
  }
  w->joined = 0;
  w->row = w->buf + w->pos + MY_HEADER;
  w->size = n;
  return FED_MYSQL_CAME_ROW;
}

enum fed_mysql_came fed_mysql_wire_next(struct fed_mysql *c)
{
  struct fed_mysql_wire *w = &c->wire;
  enum fed_mysql_came came = FED_MYSQL_CAME_ROW;
  const unsigned char *p;
  size_t n;

  /* The byte behind the last row, where a text was ended. */
  if (w->ended) w->buf[w->pos] = w->behind;
  w->ended = false;
  if (!my_has(w, MY_HEADER + 1)) return FED_MYSQL_CAME_PART;
  p = w->buf + w->pos;
  n = my_length(p);
  if (n == 0 || p[MY_HEADER] >= MY_EOF) return FED_MYSQL_CAME_OTHER;
  if (p[MY_HEADER] != 0) return FED_MYSQL_CAME_JUNK;
  if (!my_has(w, MY_HEADER + n)) return FED_MYSQL_CAME_PART;
  w->row = w->buf + w->pos + MY_HEADER;
  w->size = n;
  if (n == MY_PACKET) came = my_join(w, n);
  if (came != FED_MYSQL_CAME_ROW) return came;
  w->pos += MY_HEADER + w->size;
  w->behind = w->buf[w->pos];
  w->ended = true;
  return FED_MYSQL_CAME_ROW;
}

int fed_mysql_wire_read(struct fed_mysql *c, struct fed_err *err)
{
  struct fed_mysql_wire *w = &c->wire;
  size_t missing = w->want - (w->end - w->pos);
  size_t n = missing > w->chunk ? missing : w->chunk;
  int rc = my_reserve(w, missing + w->chunk, err);
  ssize_t got;

  if (rc != SQLITE_OK) return rc;
  do
    got =
      recv(fed_mysql_lib_socket(c->mysql), w->buf + w->end, n, MSG_DONTWAIT);
  while (got < 0 && errno == EINTR);
  if (got > 0) w->end += (size_t)got;
  if (got > 0) return SQLITE_ROW;
  return got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK) ? SQLITE_OK
                                                              : SQLITE_DONE;
}

#endif
