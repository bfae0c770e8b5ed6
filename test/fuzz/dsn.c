/*
 * dsn: any bytes as a URL. What parses must be shown as a URL that gives the
 * same parameters; what does not must not tell the password.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "drv/drv.h"

#define SECRET "S3cr3t"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool ok)
{
  if (!ok) abort();
}

static void forget_secrets(struct fed_dsn *dsn)
{
  struct fed_err err = FED_ERR_INIT;

  for (int i = dsn->nparam - 1; i >= 0; i--)
    if (dsn->param[i].secret) fed_dsn_set(dsn, dsn->param[i].key, "", &err);
}

/* show(parse(show(x))) == show(x), and the parameters with it. */
static void round_trip(const char *url)
{
  struct fed_err err = FED_ERR_INIT;
  struct fed_dsn dsn, again;
  struct fed_str shown;

  if (fed_dsn_parse(&dsn, url, &err) != SQLITE_OK) {
    expect(err.msg[0] && !dsn.param);
    return;
  }
  forget_secrets(&dsn);
  fed_str_init(&shown, 1 << 20);
  fed_dsn_show(&dsn, &shown);
  /* Encoding may make it longer than a URL may be. */
  if (fed_dsn_parse(&again, shown.s, &err) == SQLITE_OK) {
    expect(fed_dsn_equal(&dsn, &again));
    fed_dsn_release(&again);
  } else {
    expect(err.rc == SQLITE_TOOBIG);
  }
  fed_str_release(&shown);
  fed_dsn_release(&dsn);
}

/* A password in front of the input: neither shown nor told. */
static void keep_secret(const char *scheme, const char *rest)
{
  struct fed_err err = FED_ERR_INIT;
  struct fed_dsn dsn;
  struct fed_str text;

  fed_str_init(&text, 1 << 20);
  fed_str_addf(&text, "%s://u:" SECRET "%s@host/db", scheme, rest);
  if (fed_dsn_parse(&dsn, text.s, &err) == SQLITE_OK) {
    fed_str_reset(&text);
    fed_dsn_show(&dsn, &text);
    expect(!strstr(text.s, SECRET));
    fed_dsn_release(&dsn);
  }
  expect(!strstr(err.msg, SECRET));
  fed_str_release(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  char *input = fed_strndup((const char *)data, size);

  if (!input) return 0;
  round_trip(input);
  if (!strstr(input, SECRET)) {
    keep_secret("postgres", input);
    keep_secret("mysql", input);
  }
  fed_free(input);
  return 0;
}
