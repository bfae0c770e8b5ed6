/*
 * value: one SQL value, in SQLite's five storage classes. The bytes of TEXT
 * and BLOB are borrowed; who lends them says for how long.
 */
#ifndef FED_VALUE_H
#define FED_VALUE_H

#include "base/base.h"

enum fed_type { FED_NULL, FED_INT, FED_REAL, FED_TEXT, FED_BLOB };

struct fed_value {
  enum fed_type type;
  bool cstr;    /* TEXT that is zero-terminated and holds no other NUL */
  int64_t size; /* bytes of TEXT (without a final zero) or BLOB */
  union {
    int64_t i;
    double r;
    const char *p;
  };
};

/*
 * Field by field: an initializer of the whole is made on the stack by GCC 12
 * and then copied in other pieces than it was written in, for which the
 * processor has to wait; and values are many.
 */
static inline struct fed_value fed_value_bytes(enum fed_type type,
                                               const void *p, int64_t size)
{
  struct fed_value value;

  value.type = type;
  value.cstr = false;
  value.size = size;
  value.p = p;
  return value;
}

static inline struct fed_value fed_value_int(int64_t i)
{
  struct fed_value value = fed_value_bytes(FED_INT, NULL, 0);

  value.i = i;
  return value;
}

static inline struct fed_value fed_value_null(void)
{
  return fed_value_bytes(FED_NULL, NULL, 0);
}

/* SQLite has no NaN: it is NULL there, and so here. Nor has it -0.0, which a
 * table keeps as 0: adding 0 makes that of it. */
static inline struct fed_value fed_value_real(double r)
{
  struct fed_value value = fed_value_bytes(FED_REAL, NULL, 0);

  if (r != r) return fed_value_null();
  value.r = r + 0.0;
  return value;
}

static inline struct fed_value fed_value_text(const char *p, int64_t size)
{
  return fed_value_bytes(FED_TEXT, p, size);
}

/* `size` bytes without a NUL, and a zero behind them. */
static inline struct fed_value fed_value_cstrn(const char *p, int64_t size)
{
  struct fed_value value = fed_value_text(p, size);

  value.cstr = true;
  return value;
}

static inline struct fed_value fed_value_cstr(const char *p)
{
  return fed_value_cstrn(p, (int64_t)strlen(p));
}

static inline struct fed_value fed_value_blob(const void *p, int64_t size)
{
  return fed_value_bytes(FED_BLOB, p, size);
}

#endif
