#include "base/str.h"

#include <stdio.h>

#include "base/mem.h"

static char str_empty[1]; /* never written: room is 0 */

void fed_str_init(struct fed_str *str, size_t limit)
{
  memset(str, 0, sizeof *str);
  str->s = str_empty;
  str->limit = limit;
}

void fed_str_release(struct fed_str *str)
{
  if (str->room) fed_free(str->s);
  fed_str_init(str, str->limit);
}

void fed_str_reset(struct fed_str *str)
{
  str->len = 0;
  str->nomem = str->full = false;
  if (str->room) str->s[0] = 0;
}

/* Make room for `n` more bytes and the final zero. */
static bool str_grow(struct fed_str *str, size_t n)
{
  size_t room = str->room ? str->room : 64;
  char *s;

  if (str->nomem || str->full) return false;
  if (n > str->limit - str->len) {
    str->full = true;
    return false;
  }
  if (str->len + n < str->room) return true;
  while (room <= str->len + n)
    room *= 2;
  s = fed_realloc(str->room ? str->s : NULL, room);
  if (!s) {
    str->nomem = true;
    return false;
  }
  if (!str->room) s[0] = 0;
  str->s = s;
  str->room = room;
  return true;
}

void fed_str_addn(struct fed_str *str, const void *p, size_t n)
{
  if (!str_grow(str, n)) return;
  if (n) memcpy(str->s + str->len, p, n);
  str->len += n;
  str->s[str->len] = 0;
}

void fed_str_add(struct fed_str *str, const char *s)
{
  fed_str_addn(str, s, strlen(s));
}

void fed_str_addc(struct fed_str *str, char c)
{
  fed_str_addn(str, &c, 1);
}

void fed_str_addf(struct fed_str *str, const char *fmt, ...)
{
  va_list ap;
  int n;

  va_start(ap, fmt);
  n = vsnprintf(NULL, 0, fmt, ap);
  va_end(ap);
  if (n < 0 || !str_grow(str, (size_t)n)) return;
  va_start(ap, fmt);
  vsnprintf(str->s + str->len, (size_t)n + 1, fmt, ap);
  va_end(ap);
  str->len += (size_t)n;
}

void fed_str_quote(struct fed_str *str, const char *s, char quote)
{
  fed_str_addc(str, quote);
  for (; *s; s++) {
    if (*s == quote) fed_str_addc(str, quote);
    fed_str_addc(str, *s);
  }
  fed_str_addc(str, quote);
}

int fed_str_err(const struct fed_str *str, struct fed_err *err)
{
  if (str->nomem) return fed_err_nomem(err);
  if (str->full)
    return fed_err_set(err, SQLITE_TOOBIG, "text longer than %zu bytes",
                       str->limit);
  return SQLITE_OK;
}

char *fed_str_detach(struct fed_str *str)
{
  char *s = NULL;

  if (!str->nomem && !str->full)
    s = str->room ? str->s : fed_strdup("");
  else if (str->room)
    fed_free(str->s);
  fed_str_init(str, str->limit);
  return s;
}
