/*
 * mysql_param: the connection parameters, one row each: what may stand in a
 * URL, how it reaches the client library, and which values are legal.
 */
#include "drv/mysql.h"

/* Not handed over as an option. */
#define MY_NONE MYSQL_OPT_CONNECT_TIMEOUT

static const struct fed_mysql_param my_params[] = {
  {"user",            FED_MYSQL_ARGUMENT, MY_NONE,                   false},
  {"password",        FED_MYSQL_ARGUMENT, MY_NONE,                   true },
  {"host",            FED_MYSQL_ARGUMENT, MY_NONE,                   false},
  {"port",            FED_MYSQL_ARGUMENT, MY_NONE,                   false},
  {"dbname",          FED_MYSQL_ARGUMENT, MY_NONE,                   false},
  {"socket",          FED_MYSQL_ARGUMENT, MY_NONE,                   false},
  {"unix_socket",     FED_MYSQL_ARGUMENT, MY_NONE,                   false},
  {"ssl",             FED_MYSQL_TLS,      MY_NONE,                   false},
  {"ssl_ca",          FED_MYSQL_STRING,   MYSQL_OPT_SSL_CA,          false},
  {"ssl_cert",        FED_MYSQL_STRING,   MYSQL_OPT_SSL_CERT,        false},
  {"ssl_key",         FED_MYSQL_STRING,   MYSQL_OPT_SSL_KEY,         false},
  {"ssl_cipher",      FED_MYSQL_STRING,   MYSQL_OPT_SSL_CIPHER,      false},
  {"ssl_crl",         FED_MYSQL_STRING,   MYSQL_OPT_SSL_CRL,         false},
  {"tls_version",     FED_MYSQL_STRING,   MYSQL_OPT_TLS_VERSION,     false},
  {"charset",         FED_MYSQL_CHARSET,  MY_NONE,                   false},
  {"connect_timeout", FED_MYSQL_SECONDS,  MYSQL_OPT_CONNECT_TIMEOUT, false},
  {"read_timeout",    FED_MYSQL_SECONDS,  MYSQL_OPT_READ_TIMEOUT,    false},
  {"write_timeout",   FED_MYSQL_SECONDS,  MYSQL_OPT_WRITE_TIMEOUT,   false},
  {"compress",        FED_MYSQL_FLAG,     MYSQL_OPT_COMPRESS,        false},
  {"default_file",    FED_MYSQL_STRING,   MYSQL_READ_DEFAULT_FILE,   false},
  {"default_group",   FED_MYSQL_STRING,   MYSQL_READ_DEFAULT_GROUP,  false},
};

const struct fed_mysql_param *fed_mysql_find(const char *key)
{
  for (size_t i = 0; i < FED_LEN(my_params); i++)
    if (strcmp(my_params[i].key, key) == 0) return &my_params[i];
  return NULL;
}

enum fed_param_kind fed_mysql_param_kind(const char *key)
{
  const struct fed_mysql_param *param = fed_mysql_find(key);

  if (!param) return FED_PARAM_UNKNOWN;
  return param->secret ? FED_PARAM_SECRET : FED_PARAM_PLAIN;
}

int64_t fed_mysql_number(const char *s, int64_t max)
{
  int64_t n = 0;

  if (!*s) return -1;
  for (; *s; s++) {
    if (*s < '0' || *s > '9') return -1;
    n = n * 10 + (*s - '0');
    if (n > max) return -1;
  }
  return n;
}

int fed_mysql_flag(const char *s)
{
  static const char *const yes[] = {"1", "on", "true", "yes"};
  static const char *const no[] = {"0", "off", "false", "no"};

  for (size_t i = 0; i < FED_LEN(yes); i++) {
    if (sqlite3_stricmp(s, yes[i]) == 0) return 1;
    if (sqlite3_stricmp(s, no[i]) == 0) return 0;
  }
  return -1;
}

static bool my_is_tls_mode(const char *s)
{
  static const char *const modes[] = {"off", "prefer", "required", "verify_ca",
                                      "verify_identity"};

  for (size_t i = 0; i < FED_LEN(modes); i++)
    if (strcmp(s, modes[i]) == 0) return true;
  return false;
}

/*
 * One host. The library would take "a,b" for a list to try in turn, and a
 * KILL QUERY must meet the very server that its session is on; "x://y" and
 * "k=v;..." in the place of a host mean still other things to it.
 */
static int my_check_host(const char *host, struct fed_err *err)
{
  if (strchr(host, ','))
    return fed_err_set(err, SQLITE_ERROR,
                       "the mysql driver takes one host, not a list");
  if (strpbrk(host, ";=/\\ \t@"))
    return fed_err_set(err, SQLITE_ERROR,
                       "bad host: a socket's path is given as ?socket=PATH");
  return SQLITE_OK;
}

static int my_check_one(const struct fed_mysql_param *param, const char *value,
                        struct fed_err *err)
{
  switch (param->how) {
  case FED_MYSQL_TLS:
    if (my_is_tls_mode(value)) break;
    return fed_err_set(err, SQLITE_ERROR,
                       "bad value of 'ssl': it must be off, prefer, required, "
                       "verify_ca or verify_identity");
  case FED_MYSQL_CHARSET:
    if (sqlite3_stricmp(value, "utf8mb4") == 0) break;
    return fed_err_set(err, SQLITE_ERROR,
                       "bad value of 'charset': SQLite's text is UTF-8, so "
                       "the connection is always utf8mb4");
  case FED_MYSQL_SECONDS:
    if (fed_mysql_number(value, FED_MYSQL_TIMEOUT_MAX) > 0) break;
    return fed_err_set(err, SQLITE_ERROR,
                       "bad value of '%s': it must be a number of seconds",
                       param->key);
  case FED_MYSQL_FLAG:
    if (fed_mysql_flag(value) >= 0) break;
    return fed_err_set(err, SQLITE_ERROR,
                       "bad value of '%s': it must be on or off", param->key);
  case FED_MYSQL_ARGUMENT:
    if (strcmp(param->key, "host") == 0) return my_check_host(value, err);
    if (strcmp(param->key, "port") != 0 || fed_mysql_number(value, 65535) > 0)
      break;
    return fed_err_set(err, SQLITE_ERROR, "bad port: it must be 1 to 65535");
  case FED_MYSQL_STRING:
    break;
  }
  return SQLITE_OK;
}

int fed_mysql_check(const struct fed_dsn *dsn, struct fed_err *err)
{
  const char *tls = fed_dsn_get(dsn, "ssl");

  for (int i = 0; i < dsn->nparam; i++) {
    const struct fed_mysql_param *param = fed_mysql_find(dsn->param[i].key);
    int rc = param ? my_check_one(param, dsn->param[i].value, err) : SQLITE_OK;

    if (rc != SQLITE_OK) return rc;
  }
  if (tls && strncmp(tls, "verify", 6) == 0 && !fed_dsn_get(dsn, "ssl_ca"))
    return fed_err_set(err, SQLITE_ERROR,
                       "ssl=%s needs ssl_ca=FILE, the certificates to trust",
                       tls);
  return SQLITE_OK;
}
