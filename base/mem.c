#include "base/mem.h"

#ifdef FED_TEST
#  include <stdatomic.h>

/* Countdown to the failing call; 0 is disarmed. Pool tests share it. */
static atomic_int mem_countdown[FED_FAULT_COUNT];
static atomic_int mem_hits[FED_FAULT_COUNT];

int fed_fault_arm(enum fed_fault kind, int n)
{
  int hits = atomic_exchange(&mem_hits[kind], 0);

  atomic_store(&mem_countdown[kind], n);
  return hits;
}

bool fed_fault_hit(enum fed_fault kind)
{
  if (atomic_load(&mem_countdown[kind]) <= 0) return false;
  if (atomic_fetch_sub(&mem_countdown[kind], 1) != 1) return false;
  atomic_fetch_add(&mem_hits[kind], 1);
  return true;
}
#endif

void *fed_alloc(size_t size)
{
  void *ptr;

  if (fed_fault_hit(FED_FAULT_ALLOC)) return NULL;
  ptr = sqlite3_malloc64(size ? size : 1);
  if (ptr) memset(ptr, 0, size ? size : 1);
  return ptr;
}

void *fed_calloc(size_t n, size_t size)
{
  if (size && n > SIZE_MAX / size) return NULL;
  return fed_alloc(n * size);
}

void *fed_realloc(void *ptr, size_t size)
{
  if (fed_fault_hit(FED_FAULT_ALLOC)) return NULL;
  return sqlite3_realloc64(ptr, size ? size : 1);
}

char *fed_strndup(const char *s, size_t n)
{
  char *copy;

  if (!s) return NULL;
  copy = fed_alloc(n + 1);
  if (copy) memcpy(copy, s, n);
  return copy;
}

char *fed_strdup(const char *s)
{
  return s ? fed_strndup(s, strlen(s)) : NULL;
}

void fed_free(void *ptr)
{
  sqlite3_free(ptr);
}

void fed_free_secret(char *s)
{
  if (s) explicit_bzero(s, strlen(s));
  sqlite3_free(s);
}
