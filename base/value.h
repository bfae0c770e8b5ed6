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

static inline struct fed_value fed_value_null(void)
{
  return (struct fed_value){.type = FED_NULL};
}

static inline struct fed_value fed_value_int(int64_t i)
{
  return (struct fed_value){.type = FED_INT, .i = i};
}

/* SQLite has no NaN: it is NULL there, and so here. Nor has it -0.0, which a
 * table keeps as 0: adding 0 makes that of it. */
static inline struct fed_value fed_value_real(double r)
{
  if (r != r) return fed_value_null();
  return (struct fed_value){.type = FED_REAL, .r = r + 0.0};
}

static inline struct fed_value fed_value_text(const char *p, int64_t size)
{
  return (struct fed_value){.type = FED_TEXT, .size = size, .p = p};
}

static inline struct fed_value fed_value_cstr(const char *p)
{
  return (struct fed_value){
    .type = FED_TEXT, .cstr = true, .size = (int64_t)strlen(p), .p = p};
}

static inline struct fed_value fed_value_blob(const void *p, int64_t size)
{
  return (struct fed_value){.type = FED_BLOB, .size = size, .p = p};
}

#endif
