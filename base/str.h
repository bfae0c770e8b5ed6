/*
 * str: a growing string. The builder is sticky: after running out of memory
 * or past its limit every call does nothing, so a run of appends needs one
 * check at the end (fed_str_err). `s` is always zero-terminated.
 */
#ifndef FED_STR_H
#define FED_STR_H

#include "base/err.h"

/* Every string states its limit; SQL text never needs more than this. */
#define FED_STR_SQL (64u << 20)

struct fed_str {
  char *s;      /* "" while empty; the builder's own */
  size_t len;   /* bytes without the final zero */
  size_t room;  /* bytes allocated */
  size_t limit; /* largest len allowed */
  bool nomem;
  bool full; /* an append went past the limit */
};

void fed_str_init(struct fed_str *str, size_t limit);
void fed_str_release(struct fed_str *str);

/* Empty the string, keep its memory; errors are forgotten. */
void fed_str_reset(struct fed_str *str);

void fed_str_add(struct fed_str *str, const char *s);
void fed_str_addn(struct fed_str *str, const void *p, size_t n);
void fed_str_addc(struct fed_str *str, char c);
void fed_str_addf(struct fed_str *str, const char *fmt, ...) FED_PRINTF(2, 3);

/* Append `s` between two `quote` characters, doubling each one inside. */
void fed_str_quote(struct fed_str *str, const char *s, char quote);

/* SQLITE_OK, or SQLITE_NOMEM / SQLITE_TOOBIG with a message. */
int fed_str_err(const struct fed_str *str, struct fed_err *err);

/* Give the memory to the caller (fed_free) and start anew; NULL if broken. */
char *fed_str_detach(struct fed_str *str);

#endif
