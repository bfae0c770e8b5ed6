/* mysql_lib: options, and other things, that only one of the two client
 * libraries has. */
#include "drv/mysql.h"

#if FED_MYSQL_ASYNC

int fed_mysql_lib_init(MYSQL *mysql)
{
  return mysql_options(mysql, MYSQL_OPT_NONBLOCK, 0);
}

/*
 * Connector/C 3.3 takes "enforce" as a wish: against a server without TLS it
 * goes on in clear text unless the certificate is to be verified. open()
 * looks at the outcome; until then the password must not leave in clear, so
 * only methods that send a hash are allowed.
 */
int fed_mysql_lib_tls(MYSQL *mysql, const char *mode, struct fed_err *err)
{
  bool on = strcmp(mode, "off") != 0;
  fed_mysql_bool yes = 1;
  int failed = 0;

  if (on) failed = mysql_options(mysql, MYSQL_OPT_SSL_ENFORCE, &yes);
  if (on && strcmp(mode, "prefer") != 0)
    failed |= mysql_options(mysql, MARIADB_OPT_RESTRICTED_AUTH,
                            "mysql_native_password,client_ed25519,"
                            "caching_sha2_password,sha256_password,"
                            "auth_gssapi_client,parsec");
  if (strcmp(mode, "verify_identity") == 0)
    failed |= mysql_options(mysql, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &yes);
  if (failed)
    return fed_err_set(err, SQLITE_CANTOPEN,
                       "the client library refused ssl=%s", mode);
  return SQLITE_OK;
}

int fed_mysql_lib_socket(MYSQL *mysql)
{
  return mysql_get_socket(mysql);
}

/* The library would copy this and no more. */
const MYSQL_FIELD *fed_mysql_lib_fields(MYSQL_STMT *stmt, int *n,
                                        MYSQL_RES **hold)
{
  *hold = NULL;
  *n = (int)stmt->field_count;
  return stmt->fields;
}

bool fed_mysql_lib_bulk(const MYSQL_STMT *stmt)
{
  const unsigned long bulk =
    (unsigned long)(MARIADB_CLIENT_STMT_BULK_OPERATIONS >> 32);
  unsigned long caps = 0;

  /* The header's own macro for this needs a header that is not installed. */
  return stmt->mysql &&
         mariadb_get_infov(stmt->mysql,
                           MARIADB_CONNECTION_EXTENDED_SERVER_CAPABILITIES,
                           &caps) == 0 &&
         (caps & bulk);
}

void fed_mysql_lib_array(MYSQL_STMT *stmt, unsigned n)
{
  mysql_stmt_attr_set(stmt, STMT_ATTR_ARRAY_SIZE, &n);
}

void fed_mysql_lib_indicate(MYSQL_BIND *bind, char *null)
{
  bind->u.indicator = null;
}

#else

int fed_mysql_lib_init(MYSQL *mysql)
{
  (void)mysql;
  return 0;
}

int fed_mysql_lib_tls(MYSQL *mysql, const char *mode, struct fed_err *err)
{
  static const struct {
    const char *name;
    unsigned mode;
  } modes[] = {
    {"off",             SSL_MODE_DISABLED       },
    {"prefer",          SSL_MODE_PREFERRED      },
    {"required",        SSL_MODE_REQUIRED       },
    {"verify_ca",       SSL_MODE_VERIFY_CA      },
    {"verify_identity", SSL_MODE_VERIFY_IDENTITY}
  };

  for (size_t i = 0; i < FED_LEN(modes); i++)
    if (strcmp(mode, modes[i].name) == 0 &&
        mysql_options(mysql, MYSQL_OPT_SSL_MODE, &modes[i].mode) == 0)
      return SQLITE_OK;
  return fed_err_set(err, SQLITE_CANTOPEN, "the client library refused ssl=%s",
                     mode);
}

int fed_mysql_lib_socket(MYSQL *mysql)
{
  return mysql->net.vio ? (int)mysql->net.fd : -1;
}

const MYSQL_FIELD *fed_mysql_lib_fields(MYSQL_STMT *stmt, int *n,
                                        MYSQL_RES **hold)
{
  *hold = mysql_stmt_result_metadata(stmt);
  *n = *hold ? (int)mysql_num_fields(*hold) : 0;
  return *hold ? mysql_fetch_fields(*hold) : NULL;
}

bool fed_mysql_lib_bulk(const MYSQL_STMT *stmt)
{
  (void)stmt;
  return false;
}

void fed_mysql_lib_array(MYSQL_STMT *stmt, unsigned n)
{
  (void)stmt;
  (void)n;
}

void fed_mysql_lib_indicate(MYSQL_BIND *bind, char *null)
{
  (void)bind;
  (void)null;
}

#endif
