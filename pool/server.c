/*
 * server: named servers. A definition is built without the lock, then
 * installed under it; it never changes afterwards, so that whoever holds a
 * reference reads it freely.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "base/mem.h"
#include "pool/pool_int.h"

#define SERVER_SHOW_MAX 16384
#define SERVER_ENV      "env:"

static int64_t server_generation; /* guarded by the lock */

/* ---- references -------------------------------------------------------- */

struct fed_server *fed_server_ref(struct fed_server *server)
{
  fed_pool_lock();
  assert(server->refs > 0);
  server->refs++;
  fed_pool_unlock();
  return server;
}

void fed_server_unref(struct fed_server *server)
{
  bool last;

  if (!server) return;
  fed_pool_lock();
  assert(server->refs > 0);
  last = --server->refs == 0;
  if (last) fed_list_remove(&server->link);
  fed_pool_unlock();
  if (last) fed_server_free(server);
}

/* ---- properties -------------------------------------------------------- */

const char *fed_server_name(const struct fed_server *server)
{
  return server->name;
}

const struct fed_driver *fed_server_driver(const struct fed_server *server)
{
  return server->dsn.drv;
}

int64_t fed_server_generation(const struct fed_server *server)
{
  return server->generation;
}

int64_t fed_server_pool_max(const struct fed_server *server)
{
  return server->opts.pool_max;
}

int64_t fed_server_stats_max_age(const struct fed_server *server)
{
  return server->opts.stats_max_age;
}

bool fed_server_is_read_only(const struct fed_server *server)
{
  return server->opts.read_only;
}

int64_t fed_server_statement_timeout(const struct fed_server *server)
{
  return server->opts.statement_timeout;
}

struct fed_wait fed_server_wait(const struct fed_server *server,
                                const struct fed_wait *wait)
{
  int64_t ms = server->opts.statement_timeout;

  return ms ? fed_wait_within(wait, ms) : *wait;
}

bool fed_server_current(struct fed_server *server)
{
  return atomic_load(&server->current);
}

void fed_server_show(const struct fed_server *server, struct fed_str *out)
{
  fed_dsn_show(&server->dsn, out);
  fed_opt_show(fed_server_options, fed_server_noptions, &server->opts, out);
}

static bool server_is_env(const char *value)
{
  return strncmp(value, SERVER_ENV, strlen(SERVER_ENV)) == 0;
}

bool fed_server_has_secret(const struct fed_server *server)
{
  for (int i = 0; i < server->dsn.nparam; i++)
    if (server->dsn.param[i].secret &&
        !server_is_env(server->dsn.param[i].value))
      return true;
  return false;
}

int fed_server_resolve(const struct fed_server *server, struct fed_dsn *out,
                       struct fed_err *err)
{
  int rc = fed_dsn_copy(out, &server->dsn, err);

  for (int i = 0; rc == SQLITE_OK && i < server->dsn.nparam; i++) {
    const struct fed_param *param = &server->dsn.param[i];
    const char *value;

    if (!param->secret || !server_is_env(param->value)) continue;
    value = getenv(param->value + strlen(SERVER_ENV));
    if (value)
      rc = fed_dsn_set(out, param->key, value, err);
    else
      rc = fed_err_set(err, SQLITE_CANTOPEN,
                       "server '%s': environment variable '%s', which holds "
                       "the %s, is not set",
                       server->name, param->value + strlen(SERVER_ENV),
                       param->key);
  }
  if (rc != SQLITE_OK) fed_dsn_release(out);
  return rc;
}

/* ---- the list ---------------------------------------------------------- */

static struct fed_server *server_find_locked(const char *name)
{
  FED_LIST_EACH(node, fed_pool_servers_locked())
  {
    struct fed_server *server = FED_CONTAINER(node, struct fed_server, link);

    if (server->current && strcasecmp(server->name, name) == 0) return server;
  }
  return NULL;
}

/* Whether the definitions mean the same, 'replace' aside. */
static bool server_same(const struct fed_server *a, const struct fed_server *b)
{
  struct server_opts x = a->opts, y = b->opts;

  x.replace = y.replace = false;
  return fed_dsn_equal(&a->dsn, &b->dsn) &&
         fed_opt_equal(fed_server_options, fed_server_noptions, &x, &y);
}

/* Take it out of use; the list's reference is now the caller's. */
static struct pool_slot *server_retire_locked(struct fed_server *server,
                                              struct pool_slot *chain)
{
  struct fed_err gone = FED_ERR_INIT;

  server->current = false;
  fed_pool_gone(server, &gone);
  fed_pool_fail_locked(server, &gone);
  return fed_pool_drain_locked(server, chain);
}

static void server_enlist_locked(struct fed_server *server)
{
  server->opts.replace = false;
  server->current = true;
  server->generation = ++server_generation;
  fed_list_push_back(fed_pool_servers_locked(), &server->link);
}

enum server_verdict { SERVER_ADD, SERVER_KEEP, SERVER_REPLACE, SERVER_REFUSE };

/* What becomes of `server`, given the one that has its name. */
static enum server_verdict server_judge(const struct fed_server *server,
                                        const struct fed_server *old)
{
  if (!old) return SERVER_ADD;
  if (server_same(server, old)) return SERVER_KEEP;
  if (server->origin == FED_ORIGIN_CONFIG)
    return old->origin == FED_ORIGIN_CONFIG ? SERVER_REPLACE : SERVER_KEEP;
  return server->opts.replace ? SERVER_REPLACE : SERVER_REFUSE;
}

static int server_refused(const struct fed_server *old, struct fed_err *err)
{
  struct fed_str shown;

  fed_str_init(&shown, SERVER_SHOW_MAX);
  fed_server_show(old, &shown);
  fed_err_set(err, SQLITE_ERROR,
              "server '%s' is already defined as %.400s; add 'replace' to "
              "redefine it",
              old->name, shown.s);
  fed_str_release(&shown);
  return SQLITE_ERROR;
}

int fed_server_install(struct fed_server *server, struct fed_err *err)
{
  struct pool_slot *chain = NULL;
  struct fed_server *old, *spent = server; /* whose reference we drop */
  enum server_verdict verdict;
  int rc = SQLITE_OK;

  fed_pool_lock();
  old = server_find_locked(server->name);
  verdict = server_judge(server, old);
  switch (verdict) {
  case SERVER_ADD:
    server_enlist_locked(server);
    spent = NULL;
    break;
  case SERVER_REPLACE:
    chain = server_retire_locked(old, chain);
    server_enlist_locked(server);
    spent = old;
    break;
  case SERVER_REFUSE:
    old->refs++;
    break;
  case SERVER_KEEP:
    break;
  }
  fed_pool_unlock();
  fed_pool_close(chain);
  if (verdict == SERVER_REFUSE) {
    rc = server_refused(old, err);
    fed_server_unref(old);
  }
  fed_server_unref(spent);
  return rc;
}

int fed_server_define(const char *name, const char *url,
                      const char *const *options, int n, struct fed_err *err)
{
  struct fed_server *server;
  int bad;
  int rc =
    fed_server_build(name, url, options, n, FED_ORIGIN_SQL, &server, &bad, err);

  if (rc != SQLITE_OK) return rc;
  fed_config_refresh();
  return fed_server_install(server, err);
}

static struct fed_server *server_find(const char *name)
{
  struct fed_server *server;

  fed_pool_lock();
  if ((server = server_find_locked(name)) != NULL) server->refs++;
  fed_pool_unlock();
  return server;
}

int fed_server_find(const char *name, struct fed_server **out,
                    struct fed_err *err)
{
  *out = server_find(name);
  if (*out) return SQLITE_OK;
  fed_config_refresh();
  *out = server_find(name);
  if (*out) return SQLITE_OK;
  /* A name that could not be one may be anything: it is not repeated. */
  if (!fed_server_name_ok(name)) return fed_server_check_name(name, err);
  fed_err_set(err, SQLITE_ERROR, "server '%s' is not defined", name);
  fed_config_advise(name, err);
  return SQLITE_ERROR;
}

int fed_server_drop(const char *name, struct fed_err *err)
{
  struct pool_slot *chain = NULL;
  struct fed_server *server;

  fed_pool_lock();
  server = server_find_locked(name);
  if (server) chain = server_retire_locked(server, chain);
  fed_pool_unlock();
  fed_pool_close(chain);
  if (!server && !fed_server_name_ok(name))
    return fed_server_check_name(name, err);
  if (!server)
    return fed_err_set(err, SQLITE_ERROR, "server '%s' is not defined", name);
  fed_server_unref(server);
  return SQLITE_OK;
}

/* The first current server that is to go, or NULL. */
static struct fed_server *server_stale_locked(const char *const *names, int n)
{
  FED_LIST_EACH(node, fed_pool_servers_locked())
  {
    struct fed_server *server = FED_CONTAINER(node, struct fed_server, link);
    bool kept = server->origin != FED_ORIGIN_CONFIG;

    for (int i = 0; i < n; i++)
      kept |= strcasecmp(server->name, names[i]) == 0;
    if (server->current && !kept) return server;
  }
  return NULL;
}

void fed_server_drop_config(const char *const *names, int n)
{
  for (;;) {
    struct pool_slot *chain = NULL;
    struct fed_server *server;

    fed_pool_lock();
    server = server_stale_locked(names, n);
    if (server) chain = server_retire_locked(server, chain);
    fed_pool_unlock();
    fed_pool_close(chain);
    if (!server) return;
    fed_server_unref(server);
  }
}

int fed_pool_shutdown(void)
{
  int lent = 0;

  for (;;) {
    struct pool_slot *chain = NULL;
    struct fed_server *server = NULL;

    fed_pool_lock();
    FED_LIST_EACH(node, fed_pool_servers_locked())
    {
      struct fed_server *one = FED_CONTAINER(node, struct fed_server, link);

      if (one->current) server = one;
    }
    if (server) chain = server_retire_locked(server, chain);
    fed_pool_unlock();
    fed_pool_close(chain);
    if (!server) break;
    fed_server_unref(server);
  }
  fed_pool_lock();
  FED_LIST_EACH(node, fed_pool_servers_locked())
  lent += FED_CONTAINER(node, struct fed_server, link)->count[POOL_BUSY];
  fed_pool_unlock();
  fed_config_forget();
  fed_log_clear();
  return lent;
}

/* ---- fed_servers ------------------------------------------------------- */

static const char *server_state_name(enum server_health health)
{
  switch (health) {
  case SERVER_UNUSED:
    return "unused";
  case SERVER_UP:
    return "up";
  case SERVER_DOWN:
    return "down";
  }
  return "";
}

static void server_row_locked(const struct fed_server *server,
                              struct fed_server_row *row)
{
  row->state = server_state_name(server->health);
  row->caps = server->caps;
  memcpy(row->version, server->version, sizeof row->version);
  memcpy(row->last_error, server->last_error, sizeof row->last_error);
  row->last_error_time = server->last_error_time;
}

static int server_row(const struct fed_server *server,
                      struct fed_server_row *row, struct fed_err *err)
{
  struct fed_str url, options;
  int rc;

  memcpy(row->name, server->name, sizeof row->name);
  row->driver = server->dsn.drv->name;
  row->origin = server->origin == FED_ORIGIN_SQL ? "sql" : "config";
  row->generation = server->generation;
  row->pool_max = server->opts.pool_max;
  fed_pool_lock();
  server_row_locked(server, row);
  fed_pool_unlock();
  fed_str_init(&url, SERVER_SHOW_MAX);
  fed_str_init(&options, SERVER_SHOW_MAX);
  fed_dsn_show(&server->dsn, &url);
  fed_opt_show(fed_server_options, fed_server_noptions, &server->opts,
               &options);
  rc = fed_str_err(&url, err);
  if (rc == SQLITE_OK) rc = fed_str_err(&options, err);
  row->url = fed_str_detach(&url);
  row->options = fed_strdup(options.s + strspn(options.s, " "));
  fed_str_release(&options);
  if (rc == SQLITE_OK && (!row->url || !row->options)) rc = fed_err_nomem(err);
  return rc;
}

/* References to up to `room` servers; returns how many there are. */
static int server_refs_locked(struct fed_server **all, int room)
{
  int n = 0;

  FED_LIST_EACH(node, fed_pool_servers_locked())
  n += FED_CONTAINER(node, struct fed_server, link)->current;
  if (n > room || !all) return n;
  n = 0;
  FED_LIST_EACH(node, fed_pool_servers_locked())
  {
    struct fed_server *server = FED_CONTAINER(node, struct fed_server, link);

    if (!server->current) continue;
    server->refs++;
    all[n++] = server;
  }
  return n;
}

static int server_compare(const void *a, const void *b)
{
  const struct fed_server *const *x = a, *const *y = b;

  return strcasecmp((*x)->name, (*y)->name);
}

/* References to all servers in the order of names. */
static int server_all(struct fed_server ***out, int *n, struct fed_err *err)
{
  struct fed_server **all = NULL;
  int room = 0, have;

  for (;;) {
    fed_pool_lock();
    have = server_refs_locked(all, room);
    fed_pool_unlock();
    if (have <= room) break;
    fed_free(all);
    room = have + 4;
    if (!(all = fed_calloc((size_t)room, sizeof *all)))
      return fed_err_nomem(err);
  }
  if (all)
    qsort(all, (size_t)have, sizeof(struct fed_server *), server_compare);
  *out = all;
  *n = have;
  return SQLITE_OK;
}

int fed_server_list(struct fed_server_row **out, int *n, struct fed_err *err)
{
  struct fed_server_row *rows;
  struct fed_server **all = NULL;
  int have = 0, rc;

  *out = NULL;
  *n = 0;
  fed_config_refresh();
  if ((rc = server_all(&all, &have, err)) != SQLITE_OK) return rc;
  rows = fed_calloc((size_t)have, sizeof *rows);
  if (!rows) rc = fed_err_nomem(err);
  for (int i = 0; i < have; i++) {
    if (rc == SQLITE_OK) rc = server_row(all[i], &rows[i], err);
    fed_server_unref(all[i]);
  }
  fed_free(all);
  if (rc != SQLITE_OK) {
    fed_server_list_free(rows, have);
    return rc;
  }
  *out = rows;
  *n = have;
  return SQLITE_OK;
}

void fed_server_list_free(struct fed_server_row *rows, int n)
{
  for (int i = 0; rows && i < n; i++) {
    fed_free(rows[i].url);
    fed_free(rows[i].options);
  }
  fed_free(rows);
}
