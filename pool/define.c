/*
 * define: from a name, a URL and options to a definition, without the lock
 * and without the network.
 */
#include <stdio.h>
#include <strings.h>
#include <unistd.h>

#include "base/mem.h"
#include "pool/pool_int.h"

#define DEFINE_PATH_MAX 8192

#define DEFINE_HOUR       (INT64_C(3600) * 1000)
#define DEFINE_YEAR       (DEFINE_HOUR * 24 * 365)
#define DEFINE_AT(member) offsetof(struct server_opts, member)

/* clang-format off */
const struct fed_opt fed_server_options[] = {
  {.name = "pool_max",
   .type = FED_OPT_INT,
   .offset = DEFINE_AT(pool_max),
   .min = 1,
   .max = 1000,
   .dflt = 8,
   .help = "most connections at a time in this process"},
  {.name = "acquire_timeout",
   .type = FED_OPT_MS,
   .offset = DEFINE_AT(acquire_timeout),
   .max = DEFINE_HOUR,
   .dflt = 30 * 1000,
   .help = "wait so long for a connection when all are in use"},
  {.name = "connect_timeout",
   .type = FED_OPT_MS,
   .offset = DEFINE_AT(connect_timeout),
   .min = 1,
   .max = DEFINE_HOUR,
   .dflt = 10 * 1000,
   .help = "give up connecting after this time"},
  {.name = "idle_timeout",
   .type = FED_OPT_MS,
   .offset = DEFINE_AT(idle_timeout),
   .max = DEFINE_YEAR,
   .dflt = 10 * 60 * 1000,
   .help = "close a connection unused for so long; 0: never"},
  {.name = "max_lifetime",
   .type = FED_OPT_MS,
   .offset = DEFINE_AT(max_lifetime),
   .max = DEFINE_YEAR,
   .dflt = 30 * 60 * 1000,
   .help = "close a connection older than this; 0: never"},
  {.name = "validate_after",
   .type = FED_OPT_MS,
   .offset = DEFINE_AT(validate_after),
   .max = DEFINE_YEAR,
   .dflt = 5 * 1000,
   .help = "ping a connection unused for so long before it is lent"},
  {.name = "stats_max_age",
   .type = FED_OPT_MS,
   .offset = DEFINE_AT(stats_max_age),
   .max = DEFINE_YEAR,
   .dflt = DEFINE_HOUR,
   .help = "read statistics again when older; 0: never"},
  {.name = "statement_timeout",
   .type = FED_OPT_MS,
   .offset = DEFINE_AT(statement_timeout),
   .max = DEFINE_YEAR,
   .dflt = 0,
   .help = "cancel a remote statement after this time; 0: never"},
  {.name = "replace",
   .type = FED_OPT_FLAG,
   .offset = DEFINE_AT(replace),
   .max = 1,
   .help = "let this definition take the place of another"},
  {.name = "read_only",
   .type = FED_OPT_FLAG,
   .offset = DEFINE_AT(read_only),
   .max = 1,
   .help = "send nothing that writes"},
};
/* clang-format on */
const int fed_server_noptions = FED_LEN(fed_server_options);

/* ---- names ------------------------------------------------------------- */

bool fed_server_name_ok(const char *name)
{
  static const char letters[] = "abcdefghijklmnopqrstuvwxyz"
                                "ABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789";
  size_t n = strspn(name, letters);

  return n > 0 && n <= FED_SERVER_NAME_MAX && name[n] == 0 &&
         (*name < '0' || *name > '9');
}

int fed_server_check_name(const char *name, struct fed_err *err)
{
  static const char *const taken[] = {"main", "temp", "dbfed"};

  if (strpbrk(name, ":/"))
    return fed_err_set(err, SQLITE_ERROR,
                       "bad server name: this looks like a URL or a path; name "
                       "the server first, SELECT fed_server('shop', 'URL'), "
                       "then use that name");
  if (!fed_server_name_ok(name))
    return fed_err_set(err, SQLITE_ERROR,
                       "bad server name: it must be a letter or '_', then "
                       "letters, digits and '_', at most %d in all",
                       FED_SERVER_NAME_MAX);
  for (size_t i = 0; i < FED_LEN(taken); i++)
    if (strcasecmp(name, taken[i]) == 0)
      return fed_err_set(err, SQLITE_ERROR,
                         "bad server name: '%s' has a meaning of its own",
                         taken[i]);
  return SQLITE_OK;
}

/* ---- building ---------------------------------------------------------- */

/* An option that is not the pool's: the driver's, or nobody's. */
static int define_param(struct fed_server *server, const char *arg,
                        struct fed_err *err)
{
  const struct fed_driver *drv = server->dsn.drv;
  char key[64], of[80];
  const char *value = fed_opt_split(arg, key, sizeof key);
  int rc;

  if (key[0] && value && drv->param(key) != FED_PARAM_UNKNOWN)
    return fed_dsn_set(&server->dsn, key, value, err);
  snprintf(of, sizeof of, "for server '%s'", server->name);
  rc = fed_opt_unknown(fed_server_options, fed_server_noptions, arg, of, err);
  fed_err_suffix(err, ", and the connection parameters of driver '%s'",
                 drv->name);
  return rc;
}

static int define_option(struct fed_server *server, const char *arg,
                         struct fed_err *err)
{
  bool known;
  int rc = fed_opt_parse(fed_server_options, fed_server_noptions, &server->opts,
                         arg, &known, err);

  if (rc == SQLITE_OK && !known) return define_param(server, arg, err);
  if (rc != SQLITE_OK) fed_err_prefix(err, "server '%s': ", server->name);
  return rc;
}

/*
 * A connect_timeout in the URL is libpq's: whole seconds, and libpq ignores
 * it when it connects without blocking, as we do. It becomes ours.
 */
static int define_url_timeout(struct fed_server *server, struct fed_err *err)
{
  const char *text = fed_dsn_get(&server->dsn, "connect_timeout");
  char ours[40];
  int rc;

  if (!text) return SQLITE_OK;
  snprintf(ours, sizeof ours, "connect_timeout=%.16s%s", text,
           strspn(text, "0123456789") == strlen(text) ? "s" : "");
  rc = fed_opt_parse(fed_server_options, fed_server_noptions, &server->opts,
                     ours, NULL, err);
  if (rc != SQLITE_OK) return rc;
  return fed_dsn_set(&server->dsn, "connect_timeout", "", err);
}

/* The host may change its working directory; the server stays where it was. */
static int define_absolute(struct fed_server *server, struct fed_err *err)
{
  const char *path = fed_dsn_get(&server->dsn, "path");
  char cwd[4096];
  struct fed_str full;
  int rc;

  if (!server->dsn.drv->is_file || !path) return SQLITE_OK;
  if (*path == '/' || *path == ':') return SQLITE_OK;
  if (server->origin == FED_ORIGIN_CONFIG)
    return fed_err_set(err, SQLITE_ERROR,
                       "in the config file the path must be absolute");
  if (!getcwd(cwd, sizeof cwd))
    return fed_err_set(err, SQLITE_ERROR,
                       "no working directory; write the path in full");
  fed_str_init(&full, DEFINE_PATH_MAX);
  fed_str_addf(&full, "%s/%s", cwd, path);
  rc = fed_str_err(&full, err);
  if (rc == SQLITE_OK) rc = fed_dsn_set(&server->dsn, "path", full.s, err);
  fed_str_release(&full);
  return rc;
}

static int define_url(struct fed_server *server, const char *url,
                      struct fed_err *err)
{
  int rc = fed_dsn_parse(&server->dsn, url, err);

  if (rc == SQLITE_OK) rc = define_url_timeout(server, err);
  if (rc == SQLITE_OK) rc = define_absolute(server, err);
  if (rc != SQLITE_OK) fed_err_prefix(err, "server '%s': ", server->name);
  return rc;
}

static int define_check(struct fed_server *server, struct fed_err *err)
{
  const struct fed_driver *drv = server->dsn.drv;
  int rc = drv->check ? drv->check(&server->dsn, err) : SQLITE_OK;

  if (rc == SQLITE_OK) return SQLITE_OK;
  fed_dsn_scrub(&server->dsn, err);
  fed_err_prefix(err, "server '%s': ", server->name);
  return rc;
}

void fed_server_free(struct fed_server *server)
{
  fed_dsn_release(&server->dsn);
  fed_opt_release(fed_server_options, fed_server_noptions, &server->opts);
  fed_free(server);
}

static struct fed_server *define_new(const char *name, enum fed_origin origin)
{
  struct fed_server *server = fed_alloc(sizeof *server);

  if (!server) return NULL;
  memcpy(server->name, name, strlen(name));
  server->origin = origin;
  server->refs = 1;
  fed_list_init(&server->link);
  fed_list_init(&server->waiters);
  for (int i = 0; i < POOL_NSTATES; i++)
    fed_list_init(&server->slots[i]);
  fed_opt_defaults(fed_server_options, fed_server_noptions, &server->opts);
  return server;
}

int fed_server_build(const char *name, const char *url,
                     const char *const *options, int n, enum fed_origin origin,
                     struct fed_server **out, int *bad, struct fed_err *err)
{
  struct fed_server *server;
  int rc = fed_server_check_name(name, err);

  *out = NULL;
  *bad = -1;
  if (rc != SQLITE_OK) return rc;
  if (!(server = define_new(name, origin))) return fed_err_nomem(err);
  rc = define_url(server, url, err);
  for (int i = 0; rc == SQLITE_OK && i < n; i++) {
    rc = define_option(server, options[i], err);
    if (rc != SQLITE_OK) *bad = i;
  }
  if (rc == SQLITE_OK) rc = define_check(server, err);
  if (rc != SQLITE_OK) {
    fed_server_free(server);
    return rc;
  }
  server->caps = server->dsn.drv->caps;
  *out = server;
  return SQLITE_OK;
}
