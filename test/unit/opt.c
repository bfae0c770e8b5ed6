/* opt: option tables. */
#include <stdio.h>

#include "base/mem.h"
#include "base/opt.h"

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

struct target {
  bool flag;
  int64_t number, wait, bytes;
  char *text;
  int word;
};

static const char *const words[] = {"error", "null", "text", NULL};
/* clang-format off */
static const struct fed_opt table[] = {
  {.name = "replace",
   .type = FED_OPT_FLAG,
   .offset = offsetof(struct target, flag)},
  {.name = "pool_max",
   .type = FED_OPT_INT,
   .offset = offsetof(struct target, number),
   .min = -1,
   .max = 1000,
   .dflt = 8},
  {.name = "ttl",
   .type = FED_OPT_MS,
   .offset = offsetof(struct target, wait),
   .max = 7200000,
   .dflt = 60000},
  {.name = "spill_max",
   .type = FED_OPT_SIZE,
   .offset = offsetof(struct target, bytes),
   .min = 1024,
   .max = INT64_MAX,
   .dflt = 1 << 20},
  {.name = "name",
   .type = FED_OPT_TEXT,
   .offset = offsetof(struct target, text),
   .max = 10},
  {.name = "bad_value",
   .type = FED_OPT_WORD,
   .offset = offsetof(struct target, word),
   .dflt = 2,
   .words = words},
};
/* clang-format on */
#define N ((int)FED_LEN(table))

/* An option, and what the table shows afterwards, or a piece of the error. */
/* clang-format off */
static const char *const cases[][2] = {
  {"replace", " replace=true"},
  {"replace=no", ""},
  {"replace=ON", " replace=true"},
  {"replace=maybe", "true or false"},
  {"pool_max=12", " pool_max=12"},
  {"pool_max=-1", " pool_max=-1"},
  {"pool_max=-2", "option 'pool_max' is '-2': it must be -1 to 1000"},
  {"pool_max=", "it must be -1 to 1000"},
  {"pool_max=8x", "it must be"},
  {"pool_max=99999999999999999999", "it must be"},
  {"pool_max", "needs a value"},
  {"pool_mx=8", "unknown option 'pool_mx'; did you mean 'pool_max'? options: "
                "replace, pool_max, ttl"},
  {"zzz=8", "unknown option 'zzz'; options: replace"},
  {"zzz", "unknown option 'zzz'"},
  {"postgres://u:pw@h/?a=b", "malformed option: write 'name=value'"},
  {"=x", "malformed option"},
  {"ttl=90s", " ttl=90s"},
  {"ttl=120s", " ttl=2m"},
  {"ttl=1h", " ttl=1h"},
  {"ttl=1500ms", " ttl=1500ms"},
  {"ttl=0", " ttl=0"},
  {"ttl=60s", ""},
  {"ttl=30", "a duration needs a unit (ms, s, m or h), as in 'ttl=30s'"},
  {"ttl=3h", "0 to 2h, in ms, s, m or h"},
  {"ttl=-1s", "it must be"},
  {"ttl=1d", "it must be"},
  {"ttl=9223372036854775807h", "it must be"},
  {"spill_max=64kB", " spill_max=64kB"},
  {"spill_max=2gb", " spill_max=2GB"},
  {"spill_max=1023B", "it must be 1kB to"},
  {"spill_max=5", "a size needs a unit (B, kB, MB or GB)"},
  {"name=a b=c", " name=a b=c"},
  {"name=12345678901", "text of at most 10 bytes"},
  {"bad_value=NULL", " bad_value=null"},
  {"bad_value=zero", "one of error, null, text"},
};
/* clang-format on */

static void test_case(const char *arg, const char *expect)
{
  struct target target, copy;
  struct fed_err err = FED_ERR_INIT;
  struct fed_str shown;
  int rc;

  fed_opt_defaults(table, N, &target);
  fed_opt_defaults(table, N, &copy);
  fed_str_init(&shown, 4096);
  rc = fed_opt_parse(table, N, &target, arg, NULL, &err);
  fed_opt_show(table, N, &target, &shown);
  if (rc == SQLITE_OK) {
    check(strcmp(shown.s, expect) == 0, "%s: shown as '%s'", arg, shown.s);
    check(fed_opt_equal(table, N, &target, &copy) == (shown.len == 0),
          "%s: equality", arg);
  } else {
    check(shown.len == 0, "%s: changed by an error", arg);
    check(*expect && strstr(err.msg, expect), "%s: %s", arg, err.msg);
  }
  fed_opt_release(table, N, &target);
  fed_str_release(&shown);
}

static void test_rest(void)
{
  static const char *const names[] = {"shop", "crm", NULL};
  struct target target;
  struct fed_err err = FED_ERR_INIT;
  const char *near;
  char key[8];
  bool known;

  fed_opt_defaults(table, N, &target);
  check(fed_opt_parse(table, N, &target, "x=1", &known, &err) == SQLITE_OK &&
          !known,
        "unknown is no error where it is asked for");
  check(fed_opt_set(table, N, &target, "name", "ab", &known, &err) ==
            SQLITE_OK &&
          known && strcmp(target.text, "ab") == 0,
        "set");
  check(fed_opt_parse(table, N, &target, "name=cd", &known, &err) ==
            SQLITE_OK &&
          strcmp(target.text, "cd") == 0,
        "set again");
  fed_opt_release(table, N, &target);
  check(fed_opt_is(table, N, "a=b") && fed_opt_is(table, N, "replace") &&
          !fed_opt_is(table, N, "ttl") && !fed_opt_is(table, N, "orders"),
        "what an option is");
  near = fed_opt_nearest("SHPO", names);
  check(near == NULL, "two edits of four are too many");
  near = fed_opt_nearest("shopp", names);
  check(near && strcmp(near, "shop") == 0, "nearest");
  check(strcmp(fed_opt_split("longer_than=8", key, sizeof key), "8") == 0 &&
          strcmp(key, "longer_") == 0,
        "split");
}

int main(void)
{
  for (size_t i = 0; i < FED_LEN(cases); i++)
    test_case(cases[i][0], cases[i][1]);
  test_rest();
  printf("%d passed, %d failed, 0 skipped\n", passed, failed);
  return failed > 0;
}
