#include "base/err.h"

#include <stdio.h>

/* Cut an over-long message between two UTF-8 characters, not inside one. */
static void err_trim(char *msg, size_t size)
{
  size_t n = strlen(msg);
  size_t start = n;

  if (n + 1 < size) return;
  while (start > 0 && (msg[start - 1] & 0xC0) == 0x80)
    start--;
  if (start > 0 && (msg[start - 1] & 0x80)) msg[start - 1] = 0;
}

int fed_err_set(struct fed_err *err, int rc, const char *fmt, ...)
{
  va_list ap;

  if (err->rc != SQLITE_OK) return err->rc;
  err->rc = rc;
  va_start(ap, fmt);
  vsnprintf(err->msg, sizeof err->msg, fmt, ap);
  va_end(ap);
  err_trim(err->msg, sizeof err->msg);
  return rc;
}

void fed_err_oom(struct fed_err *err)
{
  fed_err_set(err, SQLITE_NOMEM, "out of memory");
}

void fed_err_native(struct fed_err *err, int native, const char *sqlstate)
{
  err->native = native;
  snprintf(err->sqlstate, sizeof err->sqlstate, "%s", sqlstate ? sqlstate : "");
}

void fed_err_prefix(struct fed_err *err, const char *fmt, ...)
{
  char old[sizeof err->msg];
  va_list ap;
  int n;

  memcpy(old, err->msg, sizeof old);
  va_start(ap, fmt);
  n = vsnprintf(err->msg, sizeof err->msg, fmt, ap);
  va_end(ap);
  if (n >= 0 && (size_t)n < sizeof err->msg)
    snprintf(err->msg + n, sizeof err->msg - (size_t)n, "%s", old);
  err_trim(err->msg, sizeof err->msg);
}

void fed_err_suffix(struct fed_err *err, const char *fmt, ...)
{
  size_t n = strlen(err->msg);
  va_list ap;

  va_start(ap, fmt);
  vsnprintf(err->msg + n, sizeof err->msg - n, fmt, ap);
  va_end(ap);
  err_trim(err->msg, sizeof err->msg);
}

void fed_err_scrub(struct fed_err *err, const char *secret)
{
  size_t len = secret ? strlen(secret) : 0;
  char *at;

  if (len == 0) return;
  while ((at = strstr(err->msg, secret)) != NULL && strcmp(secret, "***")) {
    char rest[sizeof err->msg];

    snprintf(rest, sizeof rest, "%s", at + len);
    /* A secret made of stars only would be found again for ever. */
    snprintf(at, sizeof err->msg - (size_t)(at - err->msg), "%s%s",
             strspn(secret, "*") == len ? "" : "***", rest);
  }
}

void fed_err_clear(struct fed_err *err)
{
  fed_err_init(err);
}
