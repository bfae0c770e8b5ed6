#include "base/opt.h"

#include "base/mem.h"

/* A unit and how many of the smallest one it holds; largest last. */
struct opt_unit {
  const char *name;
  int64_t factor;
};

static const struct opt_unit opt_durations[] = {
  {"ms", 1                   },
  {"s",  1000                },
  {"m",  INT64_C(60) * 1000  },
  {"h",  INT64_C(3600) * 1000}
};
static const struct opt_unit opt_sizes[] = {
  {"B",  1      },
  {"kB", 1 << 10},
  {"MB", 1 << 20},
  {"GB", 1 << 30}
};

#define OPT_UNITS 4 /* in both tables */

/* Longer names are not worth a guess, longer values not worth showing. */
#define OPT_WORD 40

static void *opt_member(const struct fed_opt *opt, void *target)
{
  return (char *)target + opt->offset;
}

static const void *opt_const(const struct fed_opt *opt, const void *target)
{
  return (const char *)target + opt->offset;
}

static const struct opt_unit *opt_units(enum fed_opt_type type)
{
  return type == FED_OPT_MS ? opt_durations : opt_sizes;
}

/* ---- defaults, comparison ---------------------------------------------- */

void fed_opt_defaults(const struct fed_opt *table, int n, void *target)
{
  for (int i = 0; i < n; i++) {
    void *at = opt_member(&table[i], target);

    switch (table[i].type) {
    case FED_OPT_FLAG:
      *(bool *)at = table[i].dflt != 0;
      break;
    case FED_OPT_INT:
    case FED_OPT_MS:
    case FED_OPT_SIZE:
      *(int64_t *)at = table[i].dflt;
      break;
    case FED_OPT_TEXT:
      *(char **)at = NULL;
      break;
    case FED_OPT_WORD:
      *(int *)at = (int)table[i].dflt;
      break;
    }
  }
}

void fed_opt_release(const struct fed_opt *table, int n, void *target)
{
  for (int i = 0; i < n; i++) {
    char **at = opt_member(&table[i], target);

    if (table[i].type != FED_OPT_TEXT) continue;
    fed_free(*at);
    *at = NULL;
  }
}

static bool opt_equal(const struct fed_opt *opt, const void *a, const void *b)
{
  const char *x, *y;

  a = opt_const(opt, a);
  b = opt_const(opt, b);
  switch (opt->type) {
  case FED_OPT_FLAG:
    return *(const bool *)a == *(const bool *)b;
  case FED_OPT_INT:
  case FED_OPT_MS:
  case FED_OPT_SIZE:
    return *(const int64_t *)a == *(const int64_t *)b;
  case FED_OPT_TEXT:
    x = *(char *const *)a;
    y = *(char *const *)b;
    return x && y ? strcmp(x, y) == 0 : x == y;
  case FED_OPT_WORD:
    return *(const int *)a == *(const int *)b;
  }
  return false;
}

bool fed_opt_equal(const struct fed_opt *table, int n, const void *a,
                   const void *b)
{
  for (int i = 0; i < n; i++)
    if (!opt_equal(&table[i], a, b)) return false;
  return true;
}

/* ---- showing ----------------------------------------------------------- */

/* A number with the largest unit that leaves no rest. */
static void opt_show_units(const struct opt_unit *units, int64_t v,
                           struct fed_str *out)
{
  int u = OPT_UNITS - 1;

  if (v == 0) {
    fed_str_addc(out, '0');
    return;
  }
  while (v % units[u].factor)
    u--;
  fed_str_addf(out, "%lld%s", (long long)(v / units[u].factor), units[u].name);
}

static void opt_show_number(const struct fed_opt *opt, int64_t v,
                            struct fed_str *out)
{
  if (opt->type == FED_OPT_INT)
    fed_str_addf(out, "%lld", (long long)v);
  else
    opt_show_units(opt_units(opt->type), v, out);
}

void fed_opt_value(const struct fed_opt *opt, const void *target,
                   struct fed_str *out)
{
  const void *at = opt_const(opt, target);
  const char *text;

  switch (opt->type) {
  case FED_OPT_FLAG:
    fed_str_add(out, *(const bool *)at ? "true" : "false");
    break;
  case FED_OPT_INT:
  case FED_OPT_MS:
  case FED_OPT_SIZE:
    opt_show_number(opt, *(const int64_t *)at, out);
    break;
  case FED_OPT_TEXT:
    text = *(char *const *)at;
    fed_str_add(out, text ? text : "");
    break;
  case FED_OPT_WORD:
    fed_str_add(out, opt->words[*(const int *)at]);
    break;
  }
}

static bool opt_is_default(const struct fed_opt *opt, const void *target)
{
  const void *at = opt_const(opt, target);

  switch (opt->type) {
  case FED_OPT_FLAG:
    return *(const bool *)at == (opt->dflt != 0);
  case FED_OPT_INT:
  case FED_OPT_MS:
  case FED_OPT_SIZE:
    return *(const int64_t *)at == opt->dflt;
  case FED_OPT_TEXT:
    return *(char *const *)at == NULL;
  case FED_OPT_WORD:
    return *(const int *)at == (int)opt->dflt;
  }
  return true;
}

void fed_opt_show(const struct fed_opt *table, int n, const void *target,
                  struct fed_str *out)
{
  for (int i = 0; i < n; i++) {
    if (opt_is_default(&table[i], target)) continue;
    fed_str_addf(out, " %s=", table[i].name);
    fed_opt_value(&table[i], target, out);
  }
}

static void opt_add_words(const char *const *words, struct fed_str *out)
{
  for (int i = 0; words[i]; i++)
    fed_str_addf(out, "%s%s", i ? ", " : "", words[i]);
}

void fed_opt_domain(const struct fed_opt *opt, struct fed_str *out)
{
  switch (opt->type) {
  case FED_OPT_FLAG:
    fed_str_add(out, "true or false");
    break;
  case FED_OPT_INT:
  case FED_OPT_MS:
  case FED_OPT_SIZE:
    opt_show_number(opt, opt->min, out);
    fed_str_add(out, " to ");
    opt_show_number(opt, opt->max, out);
    if (opt->type == FED_OPT_MS) fed_str_add(out, ", in ms, s, m or h");
    if (opt->type == FED_OPT_SIZE) fed_str_add(out, ", in B, kB, MB or GB");
    break;
  case FED_OPT_TEXT:
    fed_str_add(out, "text");
    if (opt->max)
      fed_str_addf(out, " of at most %lld bytes", (long long)opt->max);
    break;
  case FED_OPT_WORD:
    fed_str_add(out, "one of ");
    opt_add_words(opt->words, out);
    break;
  }
}

/* ---- near misses ------------------------------------------------------- */

static int opt_min3(int a, int b, int c)
{
  int m = a < b ? a : b;

  return m < c ? m : c;
}

static int opt_lower(char c)
{
  return c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c;
}

/* Insertions, deletions and replacements from `a` to `b`; case is free. */
static int opt_distance(const char *a, const char *b)
{
  int row[OPT_WORD + 1];
  size_t la = strlen(a), lb = strlen(b);

  if (la > OPT_WORD || lb > OPT_WORD) return OPT_WORD;
  for (size_t j = 0; j <= lb; j++)
    row[j] = (int)j;
  for (size_t i = 1; i <= la; i++) {
    int diagonal = row[0];

    row[0] = (int)i;
    for (size_t j = 1; j <= lb; j++) {
      int cost = opt_lower(a[i - 1]) != opt_lower(b[j - 1]);
      int next = opt_min3(row[j] + 1, row[j - 1] + 1, diagonal + cost);

      diagonal = row[j];
      row[j] = next;
    }
  }
  return row[lb];
}

/* Is `name` nearer to `word` than `best` edits, and near enough to say so? */
static bool opt_nearer(const char *word, const char *name, int *best)
{
  int d = opt_distance(word, name);

  if (d >= *best || (size_t)d * 2 >= strlen(name)) return false;
  *best = d;
  return true;
}

const char *fed_opt_nearest(const char *word, const char *const *names)
{
  const char *found = NULL;
  int best = 3;

  for (int i = 0; names[i]; i++)
    if (opt_nearer(word, names[i], &best)) found = names[i];
  return found;
}

/* ---- errors ------------------------------------------------------------ */

static int opt_bad(const struct fed_opt *opt, const char *value,
                   struct fed_err *err)
{
  struct fed_str must;
  int rc;

  fed_str_init(&must, 512);
  fed_opt_domain(opt, &must);
  if (strlen(value) <= OPT_WORD)
    rc = fed_err_set(err, SQLITE_ERROR, "option '%s' is '%s': it must be %s",
                     opt->name, value, must.s);
  else
    rc =
      fed_err_set(err, SQLITE_ERROR, "bad value of option '%s': it must be %s",
                  opt->name, must.s);
  fed_str_release(&must);
  return rc;
}

int fed_opt_unknown(const struct fed_opt *table, int n, const char *arg,
                    const char *of, struct fed_err *err)
{
  char key[OPT_WORD + 1];
  const char *near = NULL;
  struct fed_str names;
  int best = 3;

  fed_opt_split(arg, key, sizeof key);
  if (!key[0])
    return fed_err_set(err, SQLITE_ERROR,
                       "malformed option%s%s: write 'name=value'%s",
                       *of ? " " : "", of,
                       strstr(arg, "://") || !strncmp(arg, "sqlite:", 7)
                         ? "; a URL is for fed_server(name, url), and the name "
                           "is used from then on"
                         : "");
  fed_str_init(&names, 800);
  for (int i = 0; i < n; i++) {
    if (opt_nearer(key, table[i].name, &best)) near = table[i].name;
    fed_str_addf(&names, "%s%s", i ? ", " : "", table[i].name);
  }
  fed_err_set(err, SQLITE_ERROR, "unknown option '%s'%s%s;%s%s%s options: %s",
              key, *of ? " " : "", of, near ? " did you mean '" : "",
              near ? near : "", near ? "'?" : "", names.s);
  fed_str_release(&names);
  return SQLITE_ERROR;
}

/* ---- parsing ----------------------------------------------------------- */

static bool opt_name_char(char c, bool first)
{
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
         (!first && ((c >= '0' && c <= '9') || c == '.' || c == '-'));
}

const char *fed_opt_split(const char *arg, char *key, size_t size)
{
  const char *eq = strchr(arg, '=');
  size_t n = eq ? (size_t)(eq - arg) : strlen(arg);

  /* What is no name may be a URL with a password in the wrong place. */
  key[0] = 0;
  for (size_t i = 0; i < n; i++)
    if (!opt_name_char(arg[i], i == 0)) return eq ? eq + 1 : NULL;
  if (n >= size) n = size - 1;
  memcpy(key, arg, n);
  key[n] = 0;
  return eq ? eq + 1 : NULL;
}

/* Decimal digits from *s on, which then points behind them. */
static bool opt_digits(const char **s, int64_t *out)
{
  bool minus = **s == '-';
  const char *p = *s + minus;
  uint64_t v = 0;

  if (*p < '0' || *p > '9') return false;
  for (; *p >= '0' && *p <= '9'; p++) {
    if (v > (uint64_t)(INT64_MAX - (*p - '0')) / 10) return false;
    v = v * 10 + (uint64_t)(*p - '0');
  }
  *out = minus ? -(int64_t)v : (int64_t)v;
  *s = p;
  return true;
}

static const struct opt_unit *opt_find_unit(enum fed_opt_type type,
                                            const char *name)
{
  const struct opt_unit *units = opt_units(type);

  for (int i = 0; i < OPT_UNITS; i++)
    if (sqlite3_stricmp(units[i].name, name) == 0) return &units[i];
  return NULL;
}

static int opt_need_unit(const struct fed_opt *opt, const char *value,
                         struct fed_err *err)
{
  bool ms = opt->type == FED_OPT_MS;

  return fed_err_set(err, SQLITE_ERROR,
                     "option '%s' is '%s': a %s needs a unit (%s), as in "
                     "'%s=%s%s'",
                     opt->name, value, ms ? "duration" : "size",
                     ms ? "ms, s, m or h" : "B, kB, MB or GB", opt->name, value,
                     ms ? "s" : "MB");
}

/* INT, MS and SIZE: digits, then a unit where the type has units. */
static int opt_set_number(const struct fed_opt *opt, int64_t *at,
                          const char *value, struct fed_err *err)
{
  const char *s = value;
  const struct opt_unit *unit = NULL;
  int64_t v;

  if (!opt_digits(&s, &v)) return opt_bad(opt, value, err);
  if (opt->type == FED_OPT_INT) {
    if (*s) return opt_bad(opt, value, err);
  } else if (*s) {
    if (!(unit = opt_find_unit(opt->type, s))) return opt_bad(opt, value, err);
    if (v > INT64_MAX / unit->factor || v < 0) return opt_bad(opt, value, err);
    v *= unit->factor;
  } else if (v != 0) {
    return opt_need_unit(opt, value, err);
  }
  if (v < opt->min || v > opt->max) return opt_bad(opt, value, err);
  *at = v;
  return SQLITE_OK;
}

static int opt_find_word(const char *const *words, const char *value)
{
  for (int i = 0; words[i]; i++)
    if (sqlite3_stricmp(words[i], value) == 0) return i;
  return -1;
}

static int opt_set_flag(const struct fed_opt *opt, bool *at, const char *value,
                        struct fed_err *err)
{
  static const char *const words[] = {"false", "true", "no", "yes", "off",
                                      "on",    "0",    "1",  NULL};
  int i = opt_find_word(words, value);

  if (i < 0) return opt_bad(opt, value, err);
  *at = i % 2 != 0;
  return SQLITE_OK;
}

static int opt_set_text(const struct fed_opt *opt, char **at, const char *value,
                        struct fed_err *err)
{
  char *copy;

  if (opt->max && strlen(value) > (size_t)opt->max)
    return opt_bad(opt, value, err);
  if (!(copy = fed_strdup(value))) return fed_err_nomem(err);
  fed_free(*at);
  *at = copy;
  return SQLITE_OK;
}

static int opt_set_word(const struct fed_opt *opt, int *at, const char *value,
                        struct fed_err *err)
{
  int i = opt_find_word(opt->words, value);

  if (i < 0) return opt_bad(opt, value, err);
  *at = i;
  return SQLITE_OK;
}

static int opt_assign(const struct fed_opt *opt, void *target,
                      const char *value, struct fed_err *err)
{
  void *at = opt_member(opt, target);

  if (!value && opt->type != FED_OPT_FLAG)
    return fed_err_set(err, SQLITE_ERROR,
                       "option '%s' needs a value: write '%s=...'", opt->name,
                       opt->name);
  switch (opt->type) {
  case FED_OPT_FLAG:
    return opt_set_flag(opt, at, value ? value : "true", err);
  case FED_OPT_INT:
  case FED_OPT_MS:
  case FED_OPT_SIZE:
    return opt_set_number(opt, at, value, err);
  case FED_OPT_TEXT:
    return opt_set_text(opt, at, value, err);
  case FED_OPT_WORD:
    return opt_set_word(opt, at, value, err);
  }
  return SQLITE_MISUSE;
}

static const struct fed_opt *opt_find(const struct fed_opt *table, int n,
                                      const char *name)
{
  for (int i = 0; i < n; i++)
    if (strcmp(table[i].name, name) == 0) return &table[i];
  return NULL;
}

int fed_opt_set(const struct fed_opt *table, int n, void *target,
                const char *name, const char *value, bool *known,
                struct fed_err *err)
{
  const struct fed_opt *opt = opt_find(table, n, name);

  if (known) *known = opt != NULL;
  if (opt) return opt_assign(opt, target, value, err);
  return known ? SQLITE_OK : fed_opt_unknown(table, n, name, "", err);
}

int fed_opt_parse(const struct fed_opt *table, int n, void *target,
                  const char *arg, bool *known, struct fed_err *err)
{
  char key[OPT_WORD * 2];
  const char *value = fed_opt_split(arg, key, sizeof key);

  if (key[0]) return fed_opt_set(table, n, target, key, value, known, err);
  if (known) *known = false;
  return known ? SQLITE_OK : fed_opt_unknown(table, n, arg, "", err);
}

bool fed_opt_is(const struct fed_opt *table, int n, const char *arg)
{
  const struct fed_opt *opt = opt_find(table, n, arg);

  return strchr(arg, '=') || (opt && opt->type == FED_OPT_FLAG);
}
