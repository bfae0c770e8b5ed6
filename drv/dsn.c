/*
 * dsn: URLs of servers.
 *
 *     postgres://user:password@host:port,host2:port2/dbname?key=value&...
 *     sqlite:path?key=value&...
 *
 * A malformed URL is often one whose password holds an unescaped '/' or '@',
 * so that any piece of it may be the password: messages about the shape of a
 * URL repeat nothing of it but its scheme.
 */
#include "base/mem.h"
#include "drv/drv.h"

#define DSN_URL_MAX   8192
#define DSN_PARAM_MAX 100

#define DSN_ESCAPE "percent-encode it, '/' as %2F, '@' as %40, ':' as %3A"

/* A stretch of the URL, not terminated. */
struct dsn_span {
  const char *s;
  size_t n;
};

static struct dsn_span dsn_span(const char *from, const char *to)
{
  return (struct dsn_span){.s = from, .n = (size_t)(to - from)};
}

static const char *dsn_end(struct dsn_span span)
{
  return span.s + span.n;
}

static const char *dsn_chr(struct dsn_span span, char c)
{
  return span.n ? memchr(span.s, c, span.n) : NULL;
}

static int dsn_bad(struct fed_err *err, const char *what)
{
  return fed_err_set(err, SQLITE_ERROR, "malformed URL: %s", what);
}

/* ---- parameters -------------------------------------------------------- */

static struct fed_param *dsn_find(const struct fed_dsn *dsn, const char *key)
{
  for (int i = 0; i < dsn->nparam; i++)
    if (strcmp(dsn->param[i].key, key) == 0) return &dsn->param[i];
  return NULL;
}

const char *fed_dsn_get(const struct fed_dsn *dsn, const char *key)
{
  const struct fed_param *param = dsn_find(dsn, key);

  return param ? param->value : NULL;
}

/* Comma-separated port numbers; a place may be empty (the default port). */
static bool dsn_ports_ok(const char *s)
{
  for (int digits = 0, port = 0;; s++) {
    if (*s == ',' || *s == 0) {
      if (digits && (port < 1 || port > 65535)) return false;
      if (*s == 0) return true;
      digits = port = 0;
    } else if (*s < '0' || *s > '9' || ++digits > 5) {
      return false;
    } else {
      port = port * 10 + (*s - '0');
    }
  }
}

/* Append a parameter; on SQLITE_NOMEM nothing has changed. */
static int dsn_append(struct fed_dsn *dsn, const char *key, char *value,
                      bool secret, struct fed_err *err)
{
  struct fed_param *grown;
  char *name = fed_strdup(key);

  if (!name) return fed_err_nomem(err);
  grown = fed_realloc(dsn->param, (size_t)(dsn->nparam + 1) * sizeof *grown);
  if (!grown) {
    fed_free(name);
    return fed_err_nomem(err);
  }
  dsn->param = grown;
  grown[dsn->nparam++] =
    (struct fed_param){.key = name, .value = value, .secret = secret};
  return SQLITE_OK;
}

/* A keyword that may be repeated in a message. */
static bool dsn_is_word(const char *key)
{
  size_t n = strspn(key, "abcdefghijklmnopqrstuvwxyz"
                         "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");

  return n > 0 && n <= 40 && key[n] == 0;
}

static int dsn_unknown(const struct fed_dsn *dsn, const char *key,
                       struct fed_err *err)
{
  if (!dsn_is_word(key)) return dsn_bad(err, "a name behind '?' is not a word");
  return fed_err_set(err, SQLITE_ERROR,
                     "'%s' is not a connection parameter of driver '%s'", key,
                     dsn->drv->name);
}

static void dsn_remove(struct fed_dsn *dsn, struct fed_param *param)
{
  struct fed_param *last = &dsn->param[--dsn->nparam];

  fed_free(param->key);
  fed_free_secret(param->value);
  memmove(param, param + 1, (size_t)(last - param) * sizeof *param);
}

int fed_dsn_set(struct fed_dsn *dsn, const char *key, const char *value,
                struct fed_err *err)
{
  enum fed_param_kind kind = dsn->drv->param(key);
  struct fed_param *old = dsn_find(dsn, key);
  char *copy;

  if (kind == FED_PARAM_UNKNOWN) return dsn_unknown(dsn, key, err);
  if (strcmp(key, "port") == 0 && !dsn_ports_ok(value))
    return fed_err_set(err, SQLITE_ERROR, "bad port: it must be 1 to 65535");
  if (*value == 0) {
    if (old) dsn_remove(dsn, old);
    return SQLITE_OK;
  }
  if (!old && dsn->nparam >= DSN_PARAM_MAX)
    return fed_err_set(err, SQLITE_ERROR, "more than %d connection parameters",
                       DSN_PARAM_MAX);
  if (!(copy = fed_strdup(value))) return fed_err_nomem(err);
  if (!old) {
    int rc = dsn_append(dsn, key, copy, kind == FED_PARAM_SECRET, err);

    if (rc != SQLITE_OK) fed_free_secret(copy);
    return rc;
  }
  fed_free_secret(old->value);
  old->value = copy;
  return SQLITE_OK;
}

void fed_dsn_release(struct fed_dsn *dsn)
{
  for (int i = 0; i < dsn->nparam; i++) {
    fed_free(dsn->param[i].key);
    fed_free_secret(dsn->param[i].value);
  }
  fed_free(dsn->param);
  memset(dsn, 0, sizeof *dsn);
}

int fed_dsn_copy(struct fed_dsn *to, const struct fed_dsn *from,
                 struct fed_err *err)
{
  memset(to, 0, sizeof *to);
  to->drv = from->drv;
  to->plain = from->plain;
  for (int i = 0; i < from->nparam; i++) {
    int rc = fed_dsn_set(to, from->param[i].key, from->param[i].value, err);

    if (rc == SQLITE_OK) continue;
    fed_dsn_release(to);
    return rc;
  }
  return SQLITE_OK;
}

/* The order of parameters means nothing. */
bool fed_dsn_equal(const struct fed_dsn *a, const struct fed_dsn *b)
{
  if (a->drv != b->drv || a->nparam != b->nparam) return false;
  for (int i = 0; i < a->nparam; i++) {
    const char *value = fed_dsn_get(b, a->param[i].key);

    if (!value || strcmp(value, a->param[i].value) != 0) return false;
  }
  return true;
}

void fed_dsn_scrub(const struct fed_dsn *dsn, struct fed_err *err)
{
  for (int i = 0; i < dsn->nparam; i++)
    if (dsn->param[i].secret) fed_err_scrub(err, dsn->param[i].value);
}

/* ---- parsing ----------------------------------------------------------- */

static int dsn_hex(char c)
{
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

/* Append `span` with its %XX replaced. */
static int dsn_decode(struct dsn_span span, struct fed_str *out,
                      struct fed_err *err)
{
  const char *end = dsn_end(span);

  for (const char *p = span.s; p < end; p++) {
    int high, low;

    if (*p != '%') {
      fed_str_addc(out, *p);
      continue;
    }
    high = end - p > 2 ? dsn_hex(p[1]) : -1;
    low = end - p > 2 ? dsn_hex(p[2]) : -1;
    if (high < 0 || low < 0)
      return dsn_bad(err, "'%' is not followed by two hexadecimal digits; "
                          "write a plain '%' as %25");
    if (high == 0 && low == 0) return dsn_bad(err, "%00 is not allowed");
    fed_str_addc(out, (char)(high * 16 + low));
    p += 2;
  }
  return SQLITE_OK;
}

/* Set parameter `key` to the decoded text. */
static int dsn_set_span(struct fed_dsn *dsn, const char *key,
                        struct dsn_span span, struct fed_err *err)
{
  struct fed_str value;
  int rc;

  fed_str_init(&value, DSN_URL_MAX);
  rc = dsn_decode(span, &value, err);
  if (rc == SQLITE_OK) rc = fed_str_err(&value, err);
  if (rc == SQLITE_OK) rc = fed_dsn_set(dsn, key, value.s, err);
  if (value.room) explicit_bzero(value.s, value.len);
  fed_str_release(&value);
  return rc;
}

/* user[:password] */
static int dsn_userinfo(struct fed_dsn *dsn, struct dsn_span info,
                        struct fed_err *err)
{
  const char *colon = dsn_chr(info, ':');
  int rc;

  if (!colon) return dsn_set_span(dsn, "user", info, err);
  rc = dsn_set_span(dsn, "user", dsn_span(info.s, colon), err);
  if (rc == SQLITE_OK)
    rc = dsn_set_span(dsn, "password", dsn_span(colon + 1, dsn_end(info)), err);
  return rc;
}

/* Two lists that grow together: one place for each host. */
struct dsn_hosts {
  struct fed_str host, port;
  bool any_port;
};

/* host[:port] or [address][:port]; appends both to the lists. */
static int dsn_host(struct dsn_hosts *hosts, struct dsn_span one,
                    struct fed_err *err)
{
  const char *end = dsn_end(one), *colon;
  struct dsn_span name;
  size_t start;
  int rc;

  if (one.n && one.s[0] == '[') {
    const char *close = dsn_chr(one, ']');

    if (!close || close == one.s + 1)
      return dsn_bad(err, "'[' starts an IPv6 address, which needs a ']'");
    name = dsn_span(one.s + 1, close);
    colon = close + 1 < end ? close + 1 : NULL;
    if (colon && *colon != ':')
      return dsn_bad(err,
                     "an IPv6 address '[...]' is followed by ':port' only");
  } else {
    colon = dsn_chr(one, ':');
    name = dsn_span(one.s, colon ? colon : end);
  }
  start = hosts->host.len;
  if ((rc = dsn_decode(name, &hosts->host, err)) != SQLITE_OK) return rc;
  if (strchr(hosts->host.s + start, ','))
    return dsn_bad(err, "a host name holds a ','");
  if (!colon) return SQLITE_OK;
  hosts->any_port = true;
  name = dsn_span(colon + 1, end);
  start = hosts->port.len;
  if ((rc = dsn_decode(name, &hosts->port, err)) != SQLITE_OK) return rc;
  if (name.n == 0 || strchr(hosts->port.s + start, ',') ||
      !dsn_ports_ok(hosts->port.s + start))
    return dsn_bad(err, "behind host and ':' a port from 1 to 65535 is "
                        "expected; if this is part of the user or "
                        "password, " DSN_ESCAPE);
  return SQLITE_OK;
}

/* host[:port][,host[:port]]... as libpq's lists host=a,b port=1,2 */
static int dsn_hosts(struct fed_dsn *dsn, struct dsn_span list,
                     struct fed_err *err)
{
  struct dsn_hosts hosts = {.any_port = false};
  const char *p = list.s, *end = dsn_end(list);
  int rc = SQLITE_OK;

  fed_str_init(&hosts.host, DSN_URL_MAX);
  fed_str_init(&hosts.port, DSN_URL_MAX);
  while (list.n && rc == SQLITE_OK) {
    const char *comma = dsn_chr(dsn_span(p, end), ',');

    rc = dsn_host(&hosts, dsn_span(p, comma ? comma : end), err);
    if (!comma) break;
    fed_str_addc(&hosts.host, ',');
    fed_str_addc(&hosts.port, ',');
    p = comma + 1;
  }
  if (rc == SQLITE_OK) rc = fed_str_err(&hosts.host, err);
  if (rc == SQLITE_OK) rc = fed_str_err(&hosts.port, err);
  if (rc == SQLITE_OK && hosts.host.len)
    rc = fed_dsn_set(dsn, "host", hosts.host.s, err);
  if (rc == SQLITE_OK && hosts.any_port)
    rc = fed_dsn_set(dsn, "port", hosts.port.s, err);
  fed_str_release(&hosts.host);
  fed_str_release(&hosts.port);
  return rc;
}

/* [user[:password]@][hosts], all of it in front of the first '/' or '?'. */
static int dsn_authority(struct fed_dsn *dsn, struct dsn_span auth,
                         struct fed_err *err)
{
  const char *at = auth.n ? memrchr(auth.s, '@', auth.n) : NULL;
  int rc = SQLITE_OK;

  if (at) rc = dsn_userinfo(dsn, dsn_span(auth.s, at), err);
  if (rc != SQLITE_OK) return rc;
  return dsn_hosts(dsn, dsn_span(at ? at + 1 : auth.s, dsn_end(auth)), err);
}

/* key=value[&key=value]... */
static int dsn_query(struct fed_dsn *dsn, struct dsn_span query,
                     struct fed_err *err)
{
  const char *p = query.s, *end = dsn_end(query);

  while (p < end) {
    const char *amp = dsn_chr(dsn_span(p, end), '&');
    struct dsn_span pair = dsn_span(p, amp ? amp : end);
    const char *eq = dsn_chr(pair, '=');
    struct fed_str key;
    int rc;

    if (!eq) return dsn_bad(err, "behind '?' comes key=value&key=value");
    fed_str_init(&key, 64);
    rc = dsn_decode(dsn_span(p, eq), &key, err);
    if (rc == SQLITE_OK) rc = fed_str_err(&key, err);
    if (rc == SQLITE_OK && dsn->drv->param(key.s) == FED_PARAM_UNKNOWN)
      rc = dsn_unknown(dsn, key.s, err);
    if (rc == SQLITE_OK)
      rc = dsn_set_span(dsn, key.s, dsn_span(eq + 1, dsn_end(pair)), err);
    fed_str_release(&key);
    if (rc != SQLITE_OK) return rc;
    p = dsn_end(pair) + 1;
  }
  return SQLITE_OK;
}

/* What stands behind "scheme://" of a server. */
static int dsn_server(struct fed_dsn *dsn, struct dsn_span rest,
                      struct fed_err *err)
{
  const char *query = dsn_chr(rest, '?');
  struct dsn_span front = dsn_span(rest.s, query ? query : dsn_end(rest));
  const char *slash = dsn_chr(front, '/');
  struct dsn_span auth = dsn_span(front.s, slash ? slash : dsn_end(front));
  struct dsn_span name = dsn_span(dsn_end(auth), dsn_end(front));
  int rc;

  if (dsn_chr(rest, '#'))
    return dsn_bad(err, "'#' has no meaning here; write it as %23");
  if (name.n) name = dsn_span(name.s + 1, dsn_end(name));
  if (dsn_chr(name, '/') || dsn_chr(name, '@') ||
      (query && dsn_chr(dsn_span(query, dsn_end(rest)), '@')))
    return dsn_bad(err, "'/' or '@' in the name of the database or behind it; "
                        "if it is part of the user or password, " DSN_ESCAPE);
  rc = dsn_authority(dsn, auth, err);
  if (rc == SQLITE_OK && name.n) rc = dsn_set_span(dsn, "dbname", name, err);
  if (rc == SQLITE_OK && query)
    rc = dsn_query(dsn, dsn_span(query + 1, dsn_end(rest)), err);
  return rc;
}

/* What stands behind "scheme:" of a file. */
static int dsn_file(struct fed_dsn *dsn, struct dsn_span rest,
                    struct fed_err *err)
{
  const char *query = dsn_chr(rest, '?');
  struct dsn_span path = dsn_span(rest.s, query ? query : dsn_end(rest));
  int rc;

  if (path.n >= 2 && memcmp(path.s, "//", 2) == 0) {
    /* scheme:///path is a common spelling of an absolute path */
    if (path.n < 3 || path.s[2] != '/')
      return fed_err_set(err, SQLITE_ERROR,
                         "malformed URL: a file has no host; write %s:path or "
                         "%s:/path",
                         dsn->drv->schemes[0], dsn->drv->schemes[0]);
    while (path.n >= 2 && path.s[1] == '/')
      path = dsn_span(path.s + 1, dsn_end(path));
  }
  rc = dsn_set_span(dsn, "path", path, err);
  if (rc == SQLITE_OK && query)
    rc = dsn_query(dsn, dsn_span(query + 1, dsn_end(rest)), err);
  if (rc == SQLITE_OK && !fed_dsn_get(dsn, "path"))
    rc = dsn_bad(err, "the path of the file is missing");
  return rc;
}

/* "postgres://..., mysql://... or sqlite:path": how URLs begin here. */
static void dsn_forms(struct fed_str *out)
{
  for (int i = 0; fed_drivers[i]; i++)
    fed_str_addf(out, "%s%s%s", i ? (fed_drivers[i + 1] ? ", " : " or ") : "",
                 fed_drivers[i]->schemes[0],
                 fed_drivers[i]->is_file ? ":path" : "://...");
}

static int dsn_no_driver(const char *scheme, bool show, struct fed_err *err)
{
  struct fed_str forms;

  fed_str_init(&forms, 400);
  dsn_forms(&forms);
  if (show)
    fed_err_set(err, SQLITE_ERROR,
                "no driver for URLs that begin with '%s:'; write %s", scheme,
                forms.s);
  else
    fed_err_set(err, SQLITE_ERROR, "not a URL: write %s", forms.s);
  fed_str_release(&forms);
  return SQLITE_ERROR;
}

/* Copy the scheme in front of the first ':'; "" if there is none. */
static void dsn_scheme(const char *url, char *scheme, size_t size)
{
  size_t n = strspn(url, "abcdefghijklmnopqrstuvwxyz"
                         "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+.-");

  if (url[n] != ':' || n >= size) n = 0;
  memcpy(scheme, url, n);
  scheme[n] = 0;
}

static int dsn_parse(struct fed_dsn *dsn, const char *url, struct fed_err *err)
{
  char scheme[24];
  const char *rest;
  size_t len = strlen(url);

  if (len > DSN_URL_MAX)
    return fed_err_set(err, SQLITE_TOOBIG, "URL longer than %d bytes",
                       DSN_URL_MAX);
  dsn_scheme(url, scheme, sizeof scheme);
  rest = url + strlen(scheme) + (scheme[0] != 0);
  dsn->drv = scheme[0] ? fed_driver_find(scheme) : NULL;
  /* "secret:x@host" has no scheme: only what "://" follows is shown. */
  if (!dsn->drv)
    return dsn_no_driver(scheme, scheme[0] && strncmp(rest, "//", 2) == 0, err);
  if (dsn->drv->is_file) return dsn_file(dsn, dsn_span(rest, url + len), err);
  if (strncmp(rest, "//", 2) != 0)
    return fed_err_set(err, SQLITE_ERROR,
                       "malformed URL: '%s:' must be followed by '//'", scheme);
  return dsn_server(dsn, dsn_span(rest + 2, url + len), err);
}

int fed_dsn_parse(struct fed_dsn *dsn, const char *url, struct fed_err *err)
{
  int rc;

  memset(dsn, 0, sizeof *dsn);
  rc = dsn_parse(dsn, url, err);
  if (rc != SQLITE_OK) fed_dsn_release(dsn);
  return rc;
}

/* ---- showing ----------------------------------------------------------- */

/* Characters that stand for themselves everywhere in a URL of ours. */
#define DSN_PLAIN                                                              \
  "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~"

/* Append `n` bytes of `s`, encoding all but DSN_PLAIN and `also`. */
static void dsn_encode(const char *s, size_t n, const char *also,
                       struct fed_str *out)
{
  for (size_t i = 0; i < n; i++) {
    if (s[i] && (strchr(DSN_PLAIN, s[i]) || strchr(also, s[i])))
      fed_str_addc(out, s[i]);
    else
      fed_str_addf(out, "%%%02X", (unsigned char)s[i]);
  }
}

static int dsn_count(const char *list)
{
  int n = 1;

  for (; *list; list++)
    n += *list == ',';
  return n;
}

/*
 * Can hosts and ports stand in front of the path, and be read back from there
 * as the same lists? If not, they are shown behind '?'.
 */
static bool dsn_in_front(const char *host, const char *port)
{
  if (!host || *host == 0 || strspn(host, DSN_PLAIN ":,") != strlen(host))
    return false;
  if (!port) return true;
  /* Only ports that all hosts have can be told from a list of blanks. */
  return dsn_count(host) == dsn_count(port) && port[strspn(port, ",")] != 0;
}

static void dsn_show_hosts(const char *host, const char *port,
                           struct fed_str *out)
{
  for (;;) {
    size_t n = strcspn(host, ",");
    size_t digits = port ? strcspn(port, ",") : 0;
    bool brackets = memchr(host, ':', n) != NULL;

    fed_str_add(out, brackets ? "[" : "");
    fed_str_addn(out, host, n);
    fed_str_add(out, brackets ? "]" : "");
    if (digits) {
      fed_str_addc(out, ':');
      fed_str_addn(out, port, digits);
    }
    if (host[n] == 0) return;
    fed_str_addc(out, ',');
    host += n + 1;
    if (port) port += digits + (port[digits] != 0);
  }
}

/* Parameters that the part in front of '?' shows. */
static bool dsn_is_front(const struct fed_dsn *dsn, const char *key, bool hosts)
{
  if (dsn->drv->is_file) return strcmp(key, "path") == 0;
  if (strcmp(key, "host") == 0 || strcmp(key, "port") == 0) return hosts;
  return strcmp(key, "user") == 0 || strcmp(key, "dbname") == 0;
}

static void dsn_show_query(const struct fed_dsn *dsn, bool hosts,
                           struct fed_str *out)
{
  char before = '?';

  for (int i = 0; i < dsn->nparam; i++) {
    const struct fed_param *param = &dsn->param[i];

    if (!param->value || param->secret || dsn_is_front(dsn, param->key, hosts))
      continue;
    fed_str_addc(out, before);
    dsn_encode(param->key, strlen(param->key), "", out);
    fed_str_addc(out, '=');
    dsn_encode(param->value, strlen(param->value), "/:,", out);
    before = '&';
  }
}

static void dsn_show_front(const struct fed_dsn *dsn, bool hosts,
                           struct fed_str *out)
{
  const char *user = fed_dsn_get(dsn, "user");
  const char *dbname = fed_dsn_get(dsn, "dbname");

  fed_str_add(out, "//");
  if (user) {
    dsn_encode(user, strlen(user), "", out);
    fed_str_addc(out, '@');
  }
  if (hosts)
    dsn_show_hosts(fed_dsn_get(dsn, "host"), fed_dsn_get(dsn, "port"), out);
  fed_str_addc(out, '/');
  if (dbname) dsn_encode(dbname, strlen(dbname), "", out);
}

/* A path that begins with two slashes would read as a host. */
static void dsn_show_path(const char *path, struct fed_str *out)
{
  if (strncmp(path, "//", 2) == 0) {
    fed_str_add(out, "%2F");
    path++;
  }
  dsn_encode(path, strlen(path), "/:", out);
}

void fed_dsn_show(const struct fed_dsn *dsn, struct fed_str *out)
{
  bool hosts = !dsn->drv->is_file &&
               dsn_in_front(fed_dsn_get(dsn, "host"), fed_dsn_get(dsn, "port"));
  const char *path = fed_dsn_get(dsn, "path");

  fed_str_addf(out, "%s:", dsn->drv->schemes[0]);
  if (!dsn->drv->is_file)
    dsn_show_front(dsn, hosts, out);
  else if (path)
    dsn_show_path(path, out);
  dsn_show_query(dsn, hosts, out);
}
