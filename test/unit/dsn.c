/*
 * dsn: URLs in, canonical URLs out, and what errors say. The drivers are
 * stand-ins, so that no client library decides what is tested here.
 */
#include <stdio.h>
#include <stdlib.h>

#include "drv/drv.h"

static int passed, failed;

static bool check(bool ok, const char *fmt, ...) FED_PRINTF(2, 3);
static bool check(bool ok, const char *fmt, ...)
{
  va_list ap;

  if (ok) {
    passed++;
    return true;
  }
  failed++;
  printf("FAIL: ");
  va_start(ap, fmt);
  vprintf(fmt, ap);
  va_end(ap);
  printf("\n");
  return false;
}

static enum fed_param_kind net_param(const char *key)
{
  static const char *const plain[] = {"user",   "host",    "port",   "dbname",
                                      "socket", "sslmode", "options"};

  if (strcmp(key, "password") == 0 || strcmp(key, "sslpassword") == 0)
    return FED_PARAM_SECRET;
  for (size_t i = 0; i < FED_LEN(plain); i++)
    if (strcmp(plain[i], key) == 0) return FED_PARAM_PLAIN;
  return FED_PARAM_UNKNOWN;
}

static enum fed_param_kind file_param(const char *key)
{
  return strcmp(key, "path") == 0 || strcmp(key, "mode") == 0
           ? FED_PARAM_PLAIN
           : FED_PARAM_UNKNOWN;
}

static const char *const pg_schemes[] = {"postgres", "postgresql", NULL};
static const char *const my_schemes[] = {"mysql", "mariadb", NULL};
static const char *const lite_schemes[] = {"sqlite", NULL};
static const struct fed_driver pg = {
  .name = "pg", .schemes = pg_schemes, .param = net_param};
static const struct fed_driver my = {
  .name = "mysql", .schemes = my_schemes, .param = net_param};
static const struct fed_driver lite = {.name = "sqlite",
                                       .schemes = lite_schemes,
                                       .param = file_param,
                                       .is_file = true};
const struct fed_driver *const fed_drivers[] = {&pg, &my, &lite, NULL};

const struct fed_driver *fed_driver_find(const char *scheme)
{
  for (int i = 0; fed_drivers[i]; i++)
    for (int j = 0; fed_drivers[i]->schemes[j]; j++)
      if (sqlite3_stricmp(fed_drivers[i]->schemes[j], scheme) == 0)
        return fed_drivers[i];
  return NULL;
}

/* "key=value key=value" in the order in which they were set. */
static void list_params(const struct fed_dsn *dsn, struct fed_str *out)
{
  for (int i = 0; i < dsn->nparam; i++)
    fed_str_addf(out, "%s%s=%s", i ? " " : "", dsn->param[i].key,
                 dsn->param[i].value);
}

/* A URL, the parameters it gives, and how it is shown. */
struct good {
  const char *url, *params, *shown;
};

/* clang-format off */
static const struct good goods[] = {
  {"postgres://db.example/shop", "host=db.example dbname=shop",
   "postgres://db.example/shop"},
  {"PostgreSQL://app@db/shop", "user=app host=db dbname=shop",
   "postgres://app@db/shop"},
  {"postgres://app:s3cret@db:5433/shop?sslmode=require",
   "user=app password=s3cret host=db port=5433 dbname=shop sslmode=require",
   "postgres://app@db:5433/shop?sslmode=require"},
  {"postgres://", "", "postgres:///"},
  {"postgres://:pw@h", "password=pw host=h", "postgres://h/"},
  {"postgres://u@/db?host=/run/postgresql&port=5433",
   "user=u dbname=db host=/run/postgresql port=5433",
   "postgres://u@/db?host=/run/postgresql&port=5433"},
  {"postgres://u@%2Frun%2Fpostgresql/db",
   "user=u host=/run/postgresql "
   "dbname=db", "postgres://u@/db?host=/run/postgresql"},
  {"postgres://[::1]:5433/x", "host=::1 port=5433 dbname=x",
   "postgres://[::1]:5433/x"},
  {"postgres://a,b:2,[::1]:3/x", "host=a,b,::1 port=,2,3 dbname=x",
   "postgres://a,b:2,[::1]:3/x"},
  {"postgres://a,b/x?port=7", "host=a,b dbname=x port=7",
   "postgres:///x?host=a,b&port=7"},
  {"postgres://u%40corp:p%2Fw%3A@h/d%20b%2Fc",
   "user=u@corp password=p/w: host=h dbname=d b/c",
   "postgres://u%40corp@h/d%20b%2Fc"},
  {"postgres://u:p@w@h/db", "user=u password=p@w host=h dbname=db",
   "postgres://u@h/db"},
  {"postgres://u:env:PGPW@h", "user=u password=env:PGPW host=h",
   "postgres://u@h/"},
  {"postgres://h/db?password=x&options=-c%20a%3Db",
   "host=h dbname=db password=x options=-c a=b",
   "postgres://h/db?options=-c%20a%3Db"},
  {"postgres://h1/db?host=h2", "host=h2 dbname=db", "postgres://h2/db"},
  {"postgres://h/db?sslmode=", "host=h dbname=db", "postgres://h/db"},
  {"postgres://fe80::1", NULL, NULL},
  {"mariadb://app@localhost/crm?socket=/run/mysqld/m.sock",
   "user=app host=localhost dbname=crm socket=/run/mysqld/m.sock",
   "mysql://app@localhost/crm?socket=/run/mysqld/m.sock"},
  {"sqlite:/data/old.db", "path=/data/old.db", "sqlite:/data/old.db"},
  {"sqlite:old.db?mode=ro", "path=old.db mode=ro", "sqlite:old.db?mode=ro"},
  {"sqlite:///data/old.db", "path=/data/old.db", "sqlite:/data/old.db"},
  {"sqlite:a%3Fb%25#c", "path=a?b%#c", "sqlite:a%3Fb%25%23c"},
  {"sqlite:%2F/x", "path=//x", "sqlite:%2F/x"},
};
/* clang-format on */

static void test_good(const struct good *good)
{
  struct fed_dsn dsn, again;
  struct fed_err err = FED_ERR_INIT;
  struct fed_str params, shown;
  int rc = fed_dsn_parse(&dsn, good->url, &err);

  if (!good->params) {
    check(rc != SQLITE_OK, "accepted %s", good->url);
    if (rc == SQLITE_OK) fed_dsn_release(&dsn);
    return;
  }
  if (!check(rc == SQLITE_OK, "%s: %s", good->url, err.msg)) return;
  fed_str_init(&params, 4096);
  fed_str_init(&shown, 4096);
  list_params(&dsn, &params);
  fed_dsn_show(&dsn, &shown);
  check(strcmp(params.s, good->params) == 0, "%s: %s", good->url, params.s);
  check(strcmp(shown.s, good->shown) == 0, "%s: %s", good->url, shown.s);
  /* What is shown gives the same back, but for the secrets. */
  rc = fed_dsn_parse(&again, shown.s, &err);
  if (check(rc == SQLITE_OK, "%s: %s", shown.s, err.msg)) {
    const char *password = fed_dsn_get(&dsn, "password");

    if (password) fed_dsn_set(&again, "password", password, &err);
    check(fed_dsn_equal(&dsn, &again), "%s is not %s", shown.s, good->url);
    fed_dsn_release(&again);
  }
  fed_str_release(&params);
  fed_str_release(&shown);
  fed_dsn_release(&dsn);
}

/* A URL and a piece of its error. None may repeat "hunter2". */
/* clang-format off */
static const char *const bads[][2] = {
  {"", "not a URL"},
  {"hunter2", "not a URL"},
  {"u:hunter2@h", "not a URL"},
  {"host=h password=hunter2", "not a URL"},
  {"oracle://u:hunter2@h", "no driver for URLs that begin with 'oracle:'"},
  {"postgres:h", "must be followed by '//'"},
  {"postgres://u:hunter2/x@h/db", "percent-encode it"},
  {"postgres://u:hunter2?x@h/db", "percent-encode it"},
  {"postgres://u:hunter2#x@h/db", "'#'"},
  {"postgres://u:12/hunter2", NULL},
  {"postgres://u:hunter2", "a port from 1 to 65535"},
  {"postgres://u:hunter2%zz@h", "hexadecimal"},
  {"postgres://u:hunter2%0", "hexadecimal"},
  {"postgres://u:hunter2%0@h", "hexadecimal"},
  {"postgres://u:hunter2%00@h", "%00"},
  {"postgres://h:0/", "1 to 65535"},
  {"postgres://h:65536/", "1 to 65535"},
  {"postgres://h:/", "1 to 65535"},
  {"postgres://h/?port=x", "1 to 65535"},
  {"postgres://[::1/x", "']'"},
  {"postgres://[::1]5/x", "':port'"},
  {"postgres://a%2Cb/", "','"},
  {"postgres://h/d?hunter2", "key=value"},
  {"postgres://h/d?x=1", "'x' is not a connection parameter of driver 'pg'"},
  {"postgres://h/d?a%20hunter2=1", "not a word"},
  {"mysql://h/a/b", "percent-encode"},
  {"sqlite:", "path"},
  {"sqlite://host/x", "sqlite:path"},
  {"sqlite:a%00b", "%00"},
  {"sqlite:a?path", "key=value"},
  {"sqlite:a?password=hunter2", "'password' is not a connection parameter"},
};
/* clang-format on */

static void test_bad(const char *url, const char *piece)
{
  struct fed_dsn dsn;
  struct fed_err err = FED_ERR_INIT;
  int rc = fed_dsn_parse(&dsn, url, &err);

  if (rc == SQLITE_OK) {
    check(piece == NULL, "accepted %s", url);
    fed_dsn_release(&dsn);
    return;
  }
  check(dsn.nparam == 0 && dsn.param == NULL, "%s: something is left", url);
  check(piece && strstr(err.msg, piece), "%s: %s", url, err.msg);
  check(!strstr(err.msg, "hunter2"), "%s: it tells: %s", url, err.msg);
}

static void test_set(void)
{
  struct fed_dsn dsn, copy;
  struct fed_err err = FED_ERR_INIT;

  fed_dsn_parse(&dsn, "postgres://u:one@h/db?sslmode=on", &err);
  check(fed_dsn_set(&dsn, "password", "two", &err) == SQLITE_OK, "replace");
  check(strcmp(fed_dsn_get(&dsn, "password"), "two") == 0, "replaced");
  check(fed_dsn_set(&dsn, "sslmode", "", &err) == SQLITE_OK, "remove");
  check(!fed_dsn_get(&dsn, "sslmode"), "removed");
  check(fed_dsn_copy(&copy, &dsn, &err) == SQLITE_OK, "copy");
  check(fed_dsn_equal(&copy, &dsn), "equal");
  fed_dsn_set(&copy, "password", "three", &err);
  check(!fed_dsn_equal(&copy, &dsn), "not equal");
  check(fed_dsn_set(&copy, "nope", "x", &err) == SQLITE_ERROR, "unknown");
  fed_err_clear(&err);
  fed_err_set(&err, SQLITE_ERROR, "cannot log in with three or three");
  fed_dsn_scrub(&copy, &err);
  check(strcmp(err.msg, "cannot log in with *** or ***") == 0, "%s", err.msg);
  fed_dsn_release(&copy);
  fed_dsn_release(&dsn);
}

#ifdef FED_TEST
#  include "base/mem.h"

/* Every allocation of a parse fails once; nothing leaks (ASan looks). */
static void test_nomem(void)
{
  static const char url[] = "postgres://u:pw@a:1,b:2/db?sslmode=x&options=y";

  for (int n = 1;; n++) {
    struct fed_dsn dsn, copy;
    struct fed_err err = FED_ERR_INIT;
    int rc;

    fed_fault_arm(FED_FAULT_ALLOC, n);
    rc = fed_dsn_parse(&dsn, url, &err);
    if (rc == SQLITE_OK) {
      rc = fed_dsn_copy(&copy, &dsn, &err);
      if (rc == SQLITE_OK) fed_dsn_release(&copy);
      fed_dsn_release(&dsn);
    }
    if (fed_fault_arm(FED_FAULT_ALLOC, 0) == 0) break;
    check(rc == SQLITE_NOMEM, "allocation %d: %d %s", n, rc, err.msg);
  }
}
#endif

int main(void)
{
  char *large = malloc(10001);

  for (size_t i = 0; i < FED_LEN(goods); i++)
    test_good(&goods[i]);
  for (size_t i = 0; i < FED_LEN(bads); i++)
    test_bad(bads[i][0], bads[i][1]);
  if (large) {
    memset(large, 'x', 10000);
    large[10000] = 0;
    memcpy(large, "sqlite:", 7);
    test_bad(large, "longer than");
    free(large);
  }
  test_set();
#ifdef FED_TEST
  test_nomem();
#endif
  printf("%d passed, %d failed, 0 skipped\n", passed, failed);
  return failed > 0;
}
