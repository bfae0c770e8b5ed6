/*
 * err: one error, carried in a fixed buffer on the caller's stack.
 *
 * Every function that can fail returns an SQLITE_ code and takes a
 * `struct fed_err *` last. Reporting never allocates, so running out of
 * memory can be reported too. The first error wins: a later one, met while
 * cleaning up, does not hide the cause. Context is put in front on the way up.
 *
 * Messages: lower case, the failure first, the subject in single quotes, what
 * to do next where it is known. Never a secret.
 */
#ifndef FED_ERR_H
#define FED_ERR_H

#include "base/base.h"

struct fed_err {
  int rc;           /* SQLITE_OK, or what the function returned */
  int native;       /* the server's own number (MySQL errno), or 0 */
  int position;     /* where in the SQL: its character from 1 on; 0 unknown */
  char sqlstate[6]; /* five characters, or "" */
  char msg[1024];   /* UTF-8, cut at a character where too long */
};

#define FED_ERR_INIT                                                           \
  {                                                                            \
    0                                                                          \
  }

/* Make an error empty without writing all of it: for what is done per row or
 * per look-up. */
static inline void fed_err_init(struct fed_err *err)
{
  err->rc = err->native = err->position = 0;
  err->sqlstate[0] = err->msg[0] = 0;
}

/*
 * Record an error unless one is recorded already. Returns the code that
 * `err` now holds, so that `return fed_err_set(err, ...)` reads well.
 * `rc` must not be SQLITE_OK.
 */
int fed_err_set(struct fed_err *err, int rc, const char *fmt, ...)
  FED_PRINTF(3, 4);

/* Record SQLITE_NOMEM unless another error is recorded already. */
void fed_err_oom(struct fed_err *err);

/* The same; returns the code that `err` now holds. Inline, so that analyzers
 * see that it is never SQLITE_OK. */
static inline int fed_err_nomem(struct fed_err *err)
{
  fed_err_oom(err);
  return err->rc ? err->rc : SQLITE_NOMEM;
}

/* Keep the server's own codes beside the message; either may be 0 / NULL. */
void fed_err_native(struct fed_err *err, int native, const char *sqlstate);

/* Put context in front of the message: "server 'shop': " + message. */
void fed_err_prefix(struct fed_err *err, const char *fmt, ...) FED_PRINTF(2, 3);

/* Put a remedy behind the message. */
void fed_err_suffix(struct fed_err *err, const char *fmt, ...) FED_PRINTF(2, 3);

/* Replace every copy of `secret` in the message by "***". */
void fed_err_scrub(struct fed_err *err, const char *secret);

/* Forget the error. */
void fed_err_clear(struct fed_err *err);

#endif
