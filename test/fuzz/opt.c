/* opt: any bytes as an option. What parses is shown so that it parses again
 * to the same. */
#include <stdlib.h>

#include "base/mem.h"
#include "base/opt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct target {
  bool flag;
  int64_t number, wait, bytes;
  char *text;
  int word;
};

static const char *const words[] = {"error", "null", "text", NULL};
/* clang-format off */
static const struct fed_opt table[] = {
  {.name = "f", .type = FED_OPT_FLAG, .offset = offsetof(struct target, flag)},
  {.name = "n",
   .type = FED_OPT_INT,
   .offset = offsetof(struct target, number),
   .min = INT64_MIN,
   .max = INT64_MAX},
  {.name = "w",
   .type = FED_OPT_MS,
   .offset = offsetof(struct target, wait),
   .max = INT64_MAX},
  {.name = "b",
   .type = FED_OPT_SIZE,
   .offset = offsetof(struct target, bytes),
   .max = INT64_MAX,
   .dflt = 7},
  {.name = "t",
   .type = FED_OPT_TEXT,
   .offset = offsetof(struct target, text),
   .max = 100},
  {.name = "word",
   .type = FED_OPT_WORD,
   .offset = offsetof(struct target, word),
   .words = words},
};
/* clang-format on */
#define N ((int)FED_LEN(table))

static void expect(bool ok)
{
  if (!ok) abort();
}

static void round_trip(const struct target *target)
{
  struct target again;

  fed_opt_defaults(table, N, &again);
  for (int i = 0; i < N; i++) {
    struct fed_err err = FED_ERR_INIT;
    struct fed_str value;

    if (table[i].type == FED_OPT_TEXT && !target->text) continue;
    fed_str_init(&value, 1 << 16);
    fed_opt_value(&table[i], target, &value);
    expect(fed_opt_set(table, N, &again, table[i].name, value.s, NULL, &err) ==
           SQLITE_OK);
    fed_str_release(&value);
  }
  expect(fed_opt_equal(table, N, target, &again));
  fed_opt_release(table, N, &again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  char *input = fed_strndup((const char *)data, size);
  struct fed_err err = FED_ERR_INIT;
  struct target target;

  if (!input) return 0;
  fed_opt_defaults(table, N, &target);
  if (fed_opt_parse(table, N, &target, input, NULL, &err) == SQLITE_OK)
    round_trip(&target);
  else
    expect(err.msg[0] != 0);
  fed_opt_release(table, N, &target);
  fed_free(input);
  return 0;
}
