/*
 * trust: which tables kept in which files were made by this process. A set
 * of strings that every SQLite connection of the process shares; what a
 * string says is the caller's business (vtab/trust.c).
 */
#include <pthread.h>

#include "base/mem.h"
#include "pool/pool_int.h"

struct trust_key {
  struct fed_list link;
  char text[]; /* zero-terminated */
};

/* Guarded by trust_mutex; entries live as long as the process. */
static pthread_mutex_t trust_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct fed_list trust_keys = {&trust_keys, &trust_keys};

void fed_trust_lock(void)
{
  pthread_mutex_lock(&trust_mutex);
}

void fed_trust_unlock(void)
{
  pthread_mutex_unlock(&trust_mutex);
}

void fed_trust_after_fork(void)
{
  pthread_mutex_init(&trust_mutex, NULL);
}

static bool trust_has_locked(const char *key)
{
  FED_LIST_EACH(node, &trust_keys)
  {
    if (strcmp(FED_CONTAINER(node, struct trust_key, link)->text, key) == 0)
      return true;
  }
  return false;
}

bool fed_trust_has(const char *key)
{
  bool has;

  fed_trust_lock();
  has = trust_has_locked(key);
  fed_trust_unlock();
  return has;
}

int fed_trust_add(const char *key, struct fed_err *err)
{
  struct trust_key *made = fed_alloc(sizeof *made + strlen(key) + 1);

  if (!made) return fed_err_nomem(err);
  memcpy(made->text, key, strlen(key));
  fed_trust_lock();
  if (!trust_has_locked(key)) {
    fed_list_push_back(&trust_keys, &made->link);
    made = NULL;
  }
  fed_trust_unlock();
  fed_free(made);
  return SQLITE_OK;
}
