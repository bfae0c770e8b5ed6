/*
 * pg_bind: the arguments of a statement. They go as text, and the server
 * converts them to the type that the SQL gives them; only BLOB goes as bytes.
 */
#include <math.h>
#include <stdio.h>

#include "base/mem.h"
#include "drv/pg.h"

#define PG_ARG_KEEP 65536 /* argument memory kept between executions */

/* Bytes of argument memory that a value needs; 0: its own bytes do. */
static size_t pg_arg_size(const struct fed_value *v)
{
  switch (v->type) {
  case FED_INT:
  case FED_REAL:
    return 32;
  case FED_TEXT:
    return v->cstr ? 0 : (size_t)v->size + 1;
  case FED_NULL:
  case FED_BLOB:
    break;
  }
  return 0;
}

static int pg_arg_check(const struct fed_value *args, int n, size_t *size,
                        struct fed_err *err)
{
  *size = 0;
  if (n > 65535)
    return fed_err_set(err, SQLITE_RANGE, "%d parameters: 65535 are allowed",
                       n);
  for (int i = 0; i < n; i++) {
    const struct fed_value *v = &args[i];

    if ((v->type == FED_TEXT || v->type == FED_BLOB) && v->size > INT32_MAX)
      return fed_err_set(err, SQLITE_TOOBIG, "parameter %d is above 2 GB",
                         i + 1);
    if (v->type == FED_TEXT && !v->cstr && v->size > 0 &&
        memchr(v->p, 0, (size_t)v->size))
      return fed_err_set(err, SQLITE_ERROR,
                         "parameter %d is text with a NUL inside, which "
                         "PostgreSQL cannot store: pass it as a blob",
                         i + 1);
    *size += pg_arg_size(v);
  }
  return SQLITE_OK;
}

static int pg_arg_room(struct fed_pg_stmt *st, int n, size_t size,
                       struct fed_err *err)
{
  size_t count = n > 0 ? (size_t)n : 1;

  if (size > st->arg_room) {
    fed_free(st->arg);
    st->arg_room = 0;
    st->arg = fed_alloc(size);
    if (!st->arg) return fed_err_nomem(err);
    st->arg_room = size;
  }
  if (n <= st->nargs) return SQLITE_OK;
  fed_free(st->values);
  fed_free(st->lengths);
  fed_free(st->formats);
  st->nargs = 0;
  st->values = fed_calloc(count, sizeof *st->values);
  st->lengths = fed_calloc(count, sizeof *st->lengths);
  st->formats = fed_calloc(count, sizeof *st->formats);
  if (!st->values || !st->lengths || !st->formats) return fed_err_nomem(err);
  st->nargs = n;
  return SQLITE_OK;
}

/*
 * 17 significant digits give the same double back. The decimal point is that
 * of the host's locale, one byte or more: whatever cannot be part of a number
 * in C is the point.
 */
void fed_pg_put_real(char *to, double r)
{
  char tmp[64];
  bool in_point = false;

  if (isinf(r)) {
    snprintf(to, 32, "%s", r > 0 ? "Infinity" : "-Infinity");
    return;
  }
  snprintf(tmp, sizeof tmp, "%.17g", r);
  for (const char *p = tmp; *p; p++) {
    if (strchr("0123456789+-e", *p)) {
      *to++ = *p;
      in_point = false;
    } else if (!in_point) {
      *to++ = '.';
      in_point = true;
    }
  }
  *to = 0;
}

void fed_pg_put_int(char *to, int64_t i)
{
  char tmp[24], *end = tmp + sizeof tmp, *p = end;
  uint64_t u = i < 0 ? 0 - (uint64_t)i : (uint64_t)i;

  *--p = 0;
  do
    *--p = (char)('0' + u % 10);
  while ((u /= 10) != 0);
  if (i < 0) *--p = '-';
  memcpy(to, p, (size_t)(end - p));
}

static void pg_bind_one(struct fed_pg_stmt *st, int i,
                        const struct fed_value *v, char *to)
{
  st->formats[i] = 0;
  st->lengths[i] = 0;
  st->values[i] = to;
  switch (v->type) {
  case FED_NULL:
    st->values[i] = NULL;
    break;
  case FED_INT:
    fed_pg_put_int(to, v->i);
    break;
  case FED_REAL:
    fed_pg_put_real(to, v->r);
    break;
  case FED_TEXT:
    if (v->cstr) {
      st->values[i] = v->p;
      break;
    }
    if (v->size > 0) memcpy(to, v->p, (size_t)v->size);
    to[v->size] = 0;
    break;
  case FED_BLOB:
    /* A NULL pointer would mean NULL, even with length 0. */
    st->values[i] = v->size > 0 ? v->p : "";
    st->lengths[i] = (int)v->size;
    st->formats[i] = 1;
    break;
  }
}

int fed_pg_bind(struct fed_pg_stmt *st, const struct fed_value *args, int n,
                struct fed_err *err)
{
  size_t size, at = 0;
  int rc;

  /* To the server it would be a fault of the protocol, not of the user. */
  if (n != st->nparams)
    return fed_err_set(err, SQLITE_RANGE, "%d arguments for %d parameters", n,
                       st->nparams);
  rc = pg_arg_check(args, n, &size, err);

  if (rc == SQLITE_OK) rc = pg_arg_room(st, n, size, err);
  if (rc != SQLITE_OK) return rc;
  for (int i = 0; i < n; i++) {
    pg_bind_one(st, i, &args[i], st->arg + at);
    at += pg_arg_size(&args[i]);
  }
  return SQLITE_OK;
}

void fed_pg_unbind(struct fed_pg_stmt *st)
{
  if (st->arg_room <= PG_ARG_KEEP) return;
  fed_free(st->arg);
  st->arg = NULL;
  st->arg_room = 0;
}
