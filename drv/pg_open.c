/*
 * pg_open: connecting, and the state a session is put into.
 *
 * Everything libpq knows works: ~/.pgpass, service files, PG* environment
 * variables, several hosts, TLS. The settings that decoding depends on travel
 * in the start-up packet: they cost no round trip, and DISCARD ALL goes back
 * to them. search_path is never touched: it says which tables there are.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "base/mem.h"
#include "drv/pg.h"

/* Times in UTC, ISO dates, bytea that we can read, bare names of types. */
#define PG_OPTIONS                                                             \
  "-c TimeZone=UTC -c DateStyle=ISO -c IntervalStyle=postgres"                 \
  " -c extra_float_digits=3 -c bytea_output=hex"                               \
  " -c quote_all_identifiers=off"

/* The same where start-up options do not arrive. */
const char fed_pg_settings[] =
  "SET TimeZone='UTC'; SET DateStyle='ISO'; SET IntervalStyle='postgres';"
  " SET extra_float_digits=3; SET bytea_output='hex';"
  " SET quote_all_identifiers=off";

/* ---- connecting -------------------------------------------------------- */

/* Keywords and values for PQconnectStartParams, which ends them with NULL. */
struct pg_args {
  const char **keys, **values;
  int n;
  struct fed_str options;
};

static void pg_add(struct pg_args *a, const char *key, const char *value)
{
  a->keys[a->n] = key;
  a->values[a->n++] = value;
}

/* For keywords that the user, or the service the user names, may set. */
static void pg_add_default(struct pg_args *a, const struct fed_dsn *dsn,
                           const char *key, const char *value)
{
  if (fed_dsn_get(dsn, key) || fed_dsn_get(dsn, "service") ||
      getenv("PGSERVICE"))
    return;
  pg_add(a, key, value);
}

/* Ours come last, so they win; PGOPTIONS would be lost without the copy. */
static void pg_add_options(struct pg_args *a, const struct fed_dsn *dsn)
{
  const char *user = fed_dsn_get(dsn, "options");
  PQconninfoOption *all = user ? NULL : PQconndefaults();

  for (PQconninfoOption *o = all; o && o->keyword; o++)
    if (strcmp(o->keyword, "options") == 0) user = o->val;
  if (user) fed_str_addf(&a->options, "%s ", user);
  PQconninfoFree(all);
  fed_str_add(&a->options, PG_OPTIONS);
  pg_add(a, "options", a->options.s);
}

static bool pg_ours(const char *key)
{
  return strcmp(key, "options") == 0 || strcmp(key, "client_encoding") == 0;
}

static int pg_args(struct pg_args *a, const struct fed_dsn *dsn, bool options,
                   struct fed_err *err)
{
  size_t room = (size_t)dsn->nparam + 12;

  memset(a, 0, sizeof *a);
  fed_str_init(&a->options, 16384);
  a->keys = fed_calloc(room, sizeof *a->keys);
  a->values = fed_calloc(room, sizeof *a->values);
  if (!a->keys || !a->values) return fed_err_nomem(err);
  for (int i = 0; i < dsn->nparam; i++)
    if (!pg_ours(dsn->param[i].key))
      pg_add(a, dsn->param[i].key, dsn->param[i].value);
  pg_add(a, "client_encoding", "UTF8");
  pg_add(a, "fallback_application_name", "dbfed");
  /* A peer that vanished is noticed within 30 s (traps 31). */
  pg_add_default(a, dsn, "keepalives_idle", "30");
  pg_add_default(a, dsn, "keepalives_interval", "10");
  pg_add_default(a, dsn, "keepalives_count", "3");
  pg_add_default(a, dsn, "tcp_user_timeout", "30000");
  if (options)
    pg_add_options(a, dsn);
  else if (fed_dsn_get(dsn, "options"))
    pg_add(a, "options", fed_dsn_get(dsn, "options"));
  return fed_str_err(&a->options, err);
}

static void pg_args_release(struct pg_args *a)
{
  fed_free(a->keys);
  fed_free(a->values);
  fed_str_release(&a->options);
}

/*
 * libpq gives no SQLSTATE of a refused connection, but with verbose errors it
 * writes one into the text: "FATAL:  28P01: password authentication failed".
 * Cut it out of `msg`, and the line that names the server's source file.
 */
static void pg_cut_state(char *msg, char state[6])
{
  char *at = msg;
  char *line;

  while ((at = strstr(at, ":  ")) != NULL) {
    at += 3;
    if (strspn(at, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") != 5 ||
        strncmp(at + 5, ": ", 2) != 0)
      continue;
    memcpy(state, at, 5);
    state[5] = 0;
    memmove(at - 1, at + 7, strlen(at + 7) + 1);
  }
  while ((line = strstr(msg, "\nLOCATION:")) != NULL) {
    char *end = line + 1 + strcspn(line + 1, "\n");

    memmove(line, end, strlen(end) + 1);
  }
  fed_pg_clean(msg);
}

/* What to do about a refusal, by SQLSTATE; the message says what it was. */
static const struct pg_remedy {
  const char *state;
  int rc;
  const char *text;
} pg_remedies[] = {
  {"28P01", SQLITE_AUTH,     "check user and password"              },
  {"28000", SQLITE_AUTH,
   "check the user, and the server's pg_hba.conf for this client"   },
  {"3D000", SQLITE_CANTOPEN, "check the database name in the URL"   },
  {"53300", SQLITE_CANTOPEN,
   "raise max_connections on the server or lower pool_max"          },
  {"57P03", SQLITE_CANTOPEN, "try again when the server has started"},
};

static int pg_refused(PGconn *link, struct fed_err *err)
{
  const char *text = link ? PQerrorMessage(link) : "out of memory";
  const char *remedy = NULL;
  char msg[700], state[6] = "";
  int rc = SQLITE_CANTOPEN;

  snprintf(msg, sizeof msg, "%s", text);
  pg_cut_state(msg, state);
  for (size_t i = 0; i < FED_LEN(pg_remedies); i++) {
    if (strcmp(state, pg_remedies[i].state) != 0) continue;
    rc = pg_remedies[i].rc;
    remedy = pg_remedies[i].text;
  }
  if (!*state && link && PQconnectionNeedsPassword(link)) {
    rc = SQLITE_AUTH;
    remedy = "give a password, or put it into ~/.pgpass";
  } else if (!*state && strstr(msg, "does not support SSL")) {
    remedy = "sslmode=prefer connects without TLS too";
  }
  fed_err_native(err, 0, state);
  return fed_err_set(err, rc, "cannot connect: %s%s%s%s%s%s", msg,
                     *state ? " (SQLSTATE " : "", state, *state ? ")" : "",
                     remedy ? ": " : "", remedy ? remedy : "");
}

/* The default one writes to stderr, which is not ours. */
static void pg_no_notice(void *arg, const PGresult *res)
{
  (void)arg;
  (void)res;
}

static void pg_notice(void *arg, const PGresult *res)
{
  struct fed_pg_conn *pg = arg;
  const char *level = PQresultErrorField(res, PG_DIAG_SEVERITY_NONLOCALIZED);
  const char *text = PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);
  char line[300];

  if (!level || !text) return;
  snprintf(line, sizeof line, "%s", text);
  fed_pg_clean(line);
  fed_conn_note(&pg->base, level, line);
}

/* connect_timeout counts for each host; PQconnectPoll() leaves it to us. */
static struct fed_wait pg_connect_wait(PGconn *link,
                                       const struct fed_wait *wait)
{
  PQconninfoOption *all = PQconninfo(link);
  int64_t seconds = 0, hosts = 1;

  for (PQconninfoOption *o = all; o && o->keyword; o++) {
    if (!o->val) continue;
    if (strcmp(o->keyword, "connect_timeout") == 0)
      seconds = strtoll(o->val, NULL, 10);
    if (strcmp(o->keyword, "host") == 0)
      for (const char *p = o->val; *p; p++)
        hosts += *p == ',';
  }
  PQconninfoFree(all);
  return seconds > 0 ? fed_wait_within(wait, seconds * hosts * 1000) : *wait;
}

/*
 * Start-up never blocks but for the look-up of the host's name, which libpq
 * does by getaddrinfo() inside PQconnectStart and PQconnectPoll: with a slow
 * resolver give hostaddr=.
 */
static int pg_connect(PGconn **out, struct pg_args *a,
                      const struct fed_wait *wait, struct fed_err *err)
{
  PGconn *link = PQconnectStartParams(a->keys, a->values, 0);
  PostgresPollingStatusType next = PGRES_POLLING_WRITING;
  struct fed_wait within;
  int rc;

  *out = link;
  if (!link || PQstatus(link) == CONNECTION_BAD) return pg_refused(link, err);
  PQsetNoticeReceiver(link, pg_no_notice, NULL);
  PQsetErrorVerbosity(link, PQERRORS_VERBOSE);
  within = pg_connect_wait(link, wait);
  while (next != PGRES_POLLING_OK) {
    if (next == PGRES_POLLING_FAILED) return pg_refused(link, err);
    rc = fed_wait_check(&within, "connecting", err);
    if (rc == SQLITE_OK)
      rc = fed_wait_fd(&within, PQsocket(link),
                       next == PGRES_POLLING_READING ? POLLIN : POLLOUT,
                       "connecting", err);
    if (rc == SQLITE_BUSY && PQhost(link))
      fed_err_suffix(err,
                     " to '%s', port %s: is the server up, and no "
                     "firewall between?",
                     PQhost(link), PQport(link));
    if (rc != SQLITE_OK) return rc;
    next = PQconnectPoll(link);
  }
  PQsetErrorVerbosity(link, PQERRORS_DEFAULT);
  return SQLITE_OK;
}

/* ---- session ----------------------------------------------------------- */

static bool pg_setting(PGconn *link, const char *name, const char *value)
{
  const char *now = PQparameterStatus(link, name);

  return now && strncasecmp(now, value, strlen(value)) == 0;
}

/*
 * PGTZ and PGDATESTYLE beat our options, and a pooler may drop them: what the
 * server reports decides whether the settings must be sent after all.
 */
static int pg_session(struct fed_pg_conn *pg, const struct fed_wait *wait,
                      struct fed_err *err)
{
  struct fed_pg_done done = {.ended = false};

  pg->set_session |= !pg_setting(pg->link, "TimeZone", "UTC") ||
                     !pg_setting(pg->link, "DateStyle", "ISO") ||
                     !pg_setting(pg->link, "IntervalStyle", "postgres");
  if (!pg_setting(pg->link, "client_encoding", "UTF8"))
    return fed_err_set(err, SQLITE_CANTOPEN,
                       "cannot connect: the server does not speak UTF8");
  if (pg->plain || !pg->set_session) return SQLITE_OK;
  return fed_pg_exec(pg, fed_pg_settings, wait, &done, err);
}

static int pg_set_up(struct fed_pg_conn *pg, const struct fed_wait *wait,
                     struct fed_err *err)
{
  const char *version = PQparameterStatus(pg->link, "server_version");

  if (!version) version = "?";
  snprintf(pg->base.version, sizeof pg->base.version, "PostgreSQL %.*s",
           (int)strcspn(version, " "), version);
  if (PQserverVersion(pg->link) < 120000)
    return fed_err_set(err, SQLITE_CANTOPEN,
                       "cannot use %s: PostgreSQL 12 or later is needed",
                       pg->base.version);
  PQsetNoticeReceiver(pg->link, pg_notice, pg);
  if (PQsetnonblocking(pg->link, 1) != 0) return fed_err_nomem(err);
  pg->key = fed_alloc(sizeof *pg->key);
  if (!pg->key) return fed_err_nomem(err);
  atomic_store(&pg->key->refs, 1);
  pg->key->cancel = PQgetCancel(pg->link);
  if (!pg->key->cancel) return fed_err_nomem(err);
  return pg_session(pg, wait, err);
}

void fed_pg_free(struct fed_pg_conn *pg)
{
  struct fed_err ignored = FED_ERR_INIT;

  fed_pg_load_stop(pg, NULL, &ignored);
  fed_pg_key_put(pg->key);
  PQfinish(pg->link);
  fed_free(pg->gone);
  fed_free(pg);
}

/* PgBouncer before 1.20 refuses `options`: then they are sent as SET. */
static bool pg_no_options(const struct fed_err *err)
{
  return strstr(err->msg, "unsupported startup parameter") != NULL &&
         strstr(err->msg, "options") != NULL;
}

int fed_pg_open(struct fed_conn **out, const struct fed_dsn *dsn,
                const struct fed_wait *wait, struct fed_err *err)
{
  struct fed_pg_conn *pg = fed_alloc(sizeof *pg);
  struct pg_args args;
  int rc;

  if (!pg) return fed_err_nomem(err);
  fed_conn_init(&pg->base, dsn->drv);
  for (;;) {
    rc = pg_args(&args, dsn, !pg->set_session && !dsn->plain, err);
    if (rc == SQLITE_OK) rc = pg_connect(&pg->link, &args, wait, err);
    pg_args_release(&args);
    if (rc == SQLITE_OK || pg->set_session || !pg_no_options(err)) break;
    pg->set_session = true;
    PQfinish(pg->link);
    pg->link = NULL;
    fed_err_clear(err);
  }
  pg->plain = dsn->plain;
  if (rc == SQLITE_OK) rc = pg_set_up(pg, wait, err);
  if (rc != SQLITE_OK)
    fed_pg_free(pg);
  else
    *out = &pg->base;
  return rc;
}
