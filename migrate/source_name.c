/*
 * Names: what a file's name says of it, versions, dialects, and what is nearly
 * a migration's name. The rules of all layouts are disjoint but for VERSION
 * _name.sql, whose text decides (source_layout.c).
 */
#include <fnmatch.h>
#include <stdlib.h>
#include <strings.h>

#include "migrate/source_item.h"

#define NAME_DIGITS "0123456789"

static bool name_digit(char c)
{
  return c >= '0' && c <= '9';
}

/* ---- versions ---------------------------------------------------------- */

/* Numbers joined by '.' or '_', or with `dashes` diesel's 2024-01-31-120000,
 * which is one number. False if it is something else, or too long. */
static bool name_version(const char *s, size_t n, bool dashes,
                         char out[SOURCE_VERSION_MAX])
{
  size_t len = 0, number = 0; /* where the last number begins */

  if (n == 0 || !name_digit(s[0]) || !name_digit(s[n - 1])) return false;
  for (size_t i = 0; i < n; i++) {
    if (dashes && s[i] == '-') continue;
    if (len == SOURCE_VERSION_MAX - 1) return false;
    if (name_digit(s[i])) {
      if (len == number + 1 && out[number] == '0') len = number;
      out[len++] = s[i];
    } else if (!dashes && (s[i] == '.' || s[i] == '_') &&
               name_digit(s[i - 1])) {
      out[len++] = '.';
      number = len;
    } else {
      return false;
    }
  }
  while (len > 2 && out[len - 1] == '0' && out[len - 2] == '.')
    len -= 2;
  out[len] = 0;
  return true;
}

void source_version_diesel(char version[SOURCE_VERSION_MAX])
{
  enum { DATE = 8, TIME = 14, COUNTER = 18 };
  size_t n = strlen(version);
  bool date = memcmp(version, "19", 2) == 0 || memcmp(version, "20", 2) == 0;

  if (!date || strspn(version, NAME_DIGITS) != n) return;
  if (n >= DATE && n < TIME)
    sqlite3_snprintf(SOURCE_VERSION_MAX - (int)n, version + n, "%0*d",
                     TIME - (int)n, 0);
  if (n == COUNTER)
    sqlite3_snprintf(SOURCE_VERSION_MAX - TIME, version + TIME, ".%d",
                     1 + (int)strtol(version + TIME, NULL, 10));
}

int source_version_parse(const char *text, char out[SOURCE_VERSION_MAX],
                         struct fed_err *err)
{
  const char *s = text + (*text == 'V' || *text == 'v');

  if (name_version(s, strlen(s), false, out)) return SQLITE_OK;
  out[0] = 0;
  return fed_err_set(err, SQLITE_ERROR,
                     "'%s' is no version: it is the number or the timestamp in "
                     "front of a migration's name, as 7, 1.2 or 20240131120000",
                     SOURCE_SHOW(text));
}

int source_version_cmp(const char *a, const char *b)
{
  for (;;) {
    size_t na = strcspn(a, "."), nb = strcspn(b, ".");
    int diff = na != nb ? (na < nb ? -1 : 1) : memcmp(a, b, na);

    if (diff != 0) return diff;
    a += na;
    b += nb;
    if (!*a || !*b) return (*a != 0) - (*b != 0);
    a++;
    b++;
  }
}

/* ---- dialects ---------------------------------------------------------- */

const char *source_dialect(const char *word, size_t size)
{
  static const char *const spelling[][2] = {
    {"pg",         "pg"    },
    {"postgres",   "pg"    },
    {"postgresql", "pg"    },
    {"mysql",      "mysql" },
    {"mariadb",    "mysql" },
    {"sqlite",     "sqlite"},
    {"sqlite3",    "sqlite"},
  };

  for (size_t i = 0; i < FED_LEN(spelling); i++)
    if (strlen(spelling[i][0]) == size &&
        strncasecmp(spelling[i][0], word, size) == 0)
      return spelling[i][1];
  return NULL;
}

/* The same; one that is not ours has its name too, and is nobody's here. */
static const char *name_dialect(const char *word, size_t size)
{
  static const char *const others[] = {
    "h2",        "hsqldb",      "derby",     "oracle",
    "sqlserver", "mssql",       "db2",       "firebird",
    "redshift",  "cockroachdb", "snowflake", "cockroach",
    "spanner",   "clickhouse",  "informix",  "sybase",
  };
  const char *dialect = source_dialect(word, size);

  for (size_t i = 0; i < FED_LEN(others) && !dialect; i++)
    if (strlen(others[i]) == size && strncasecmp(others[i], word, size) == 0)
      dialect = others[i];
  return dialect;
}

/* ---- a name, cut from behind ------------------------------------------- */

struct name_cut {
  const char *s; /* the last part of the path */
  size_t n;      /* less and less of it */
  const char *dialect;
};

/* Take ".word" off the end, whatever its case. */
static bool name_take(struct name_cut *cut, const char *word)
{
  size_t n = strlen(word);

  if (cut->n < n || strncasecmp(cut->s + cut->n - n, word, n) != 0)
    return false;
  cut->n -= n;
  return true;
}

static void name_take_dialect(struct name_cut *cut)
{
  const char *dot = memrchr(cut->s, '.', cut->n);
  const char *dialect;

  if (!dot) return;
  dialect = name_dialect(dot + 1, cut->n - (size_t)(dot - cut->s) - 1);
  if (!dialect) return;
  cut->dialect = dialect;
  cut->n = (size_t)(dot - cut->s);
}

/* The dialect of a path by the folders it is in, as Flyway's {vendor} has
 * them. */
static const char *name_folder_dialect(const char *path)
{
  const char *found = NULL, *slash;

  for (; (slash = strchr(path, '/')) != NULL; path = slash + 1) {
    const char *dialect = name_dialect(path, (size_t)(slash - path));

    if (dialect) found = dialect;
  }
  return found;
}

static void name_is(struct source_item *item, enum source_shape shape,
                    const char *name, const char *end)
{
  item->shape = shape;
  item->name = name;
  item->name_size = (size_t)(end - name);
}

/* ---- the shapes -------------------------------------------------------- */

/* V1.2__name, U1__name, B1__name, V1 */
static bool name_letter(struct source_item *item, const struct name_cut *cut)
{
  const char *end = cut->s + cut->n, *sep;

  if (cut->n < 2 || !strchr("VUB", cut->s[0])) return false;
  sep = memmem(cut->s, cut->n, "__", 2);
  if (!name_version(cut->s + 1, (size_t)((sep ? sep : end) - cut->s) - 1, false,
                    item->version))
    return false;
  item->dialect = cut->dialect;
  item->kind = cut->s[0] == 'B' ? SOURCE_BASELINE : SOURCE_VERSIONED;
  item->down = cut->s[0] == 'U';
  name_is(item, SHAPE_LETTER, sep ? sep + 2 : end, end);
  return true;
}

static bool name_repeat(struct source_item *item, const struct name_cut *cut)
{
  if (cut->n < 4 || memcmp(cut->s, "R__", 3) != 0) return false;
  item->dialect = cut->dialect;
  item->kind = SOURCE_REPEATABLE;
  name_is(item, SHAPE_REPEAT, cut->s + 3, cut->s + cut->n);
  return true;
}

/* 1_name.up, 1_name, 1name. A dialect stands before or behind the direction. */
static bool name_number(struct source_item *item, const struct name_cut *whole)
{
  struct name_cut cut = *whole;
  size_t digits = strspn(cut.s, NAME_DIGITS);
  bool up, down, sep;

  while (name_take(&cut, "."))
    ; /* golang-migrate runs 1_name.up..sql */
  up = name_take(&cut, ".up");
  down = !up && name_take(&cut, ".down");
  sep = digits < cut.n && cut.s[digits] == '_';
  if (up || down) name_take_dialect(&cut);
  /* Ory's 1_name.autocommit.up, 1_name.postgres.autocommit.up */
  item->autocommit = (up || down) && name_take(&cut, ".autocommit");
  if (item->autocommit && !cut.dialect) name_take_dialect(&cut);
  if (!sep && (up || down)) return false;
  if (!name_version(cut.s, digits, false, item->version)) return false;
  item->down = down;
  item->dialect = cut.dialect;
  name_is(item,
          up || down ? SHAPE_PAIR
          : sep      ? SHAPE_SINGLE
                     : SHAPE_LOOSE,
          cut.s + digits + sep, cut.s + cut.n);
  return true;
}

/* 2024-01-31-120000_name/up */
static bool name_in_folder(struct source_item *item, const struct name_cut *cut)
{
  const char *slash = cut->s - 1;
  size_t n = strcspn(item->path, "_/");
  bool down = cut->n == 4 && memcmp(cut->s, "down", 4) == 0;

  if (strchr(item->path, '/') != slash) return false;
  if (!down && !(cut->n == 2 && memcmp(cut->s, "up", 2) == 0)) return false;
  if (!name_version(item->path, n, true, item->version)) return false;
  source_version_diesel(item->version);
  item->down = down;
  item->dialect = cut->dialect;
  name_is(item, SHAPE_FOLDER, item->path + n + (item->path[n] == '_'), slash);
  return true;
}

/* What runs only in the tool it was written for. */
static enum source_shape name_code(const char *base)
{
  static const struct {
    const char *pattern;
    enum source_shape shape;
  } codes[] = {
    {"*_test.go",         SHAPE_OTHER},
    {"[0-9]*_*.go",       SHAPE_GO   },
    {"[VUBR]*__*.java",   SHAPE_JAVA },
    {"[VUBR]*__*.class",  SHAPE_JAVA },
    {"[VUBR]*__*.kt",     SHAPE_JAVA },
    {"[VUBR]*__*.groovy", SHAPE_JAVA },
    {"before[A-Z]*.sql",  SHAPE_JAVA },
    {"after[A-Z]*.sql",   SHAPE_JAVA },
    {"createSchema*.sql", SHAPE_JAVA },
  };

  for (size_t i = 0; i < FED_LEN(codes); i++)
    if (fnmatch(codes[i].pattern, base, 0) == 0) return codes[i].shape;
  return SHAPE_OTHER;
}

static const char *name_base(const char *path)
{
  const char *slash = strrchr(path, '/');

  return slash ? slash + 1 : path;
}

bool source_is_folder(const struct source_item *item)
{
  return *name_base(item->path) == 0;
}

void source_name_parse(struct source_item *item)
{
  struct name_cut cut = {name_base(item->path), 0, NULL};
  bool top = cut.s == item->path;

  cut.n = strlen(cut.s);
  item->shape = name_code(cut.s);
  if (item->shape != SHAPE_OTHER) return;
  if (!name_take(&cut, ".sql")) return;
  name_take_dialect(&cut);
  if (!(top ? name_number(item, &cut) : name_in_folder(item, &cut)) &&
      !name_letter(item, &cut) && !name_repeat(item, &cut))
    return;
  if (!item->dialect && item->shape != SHAPE_FOLDER)
    item->dialect = name_folder_dialect(item->path);
}

/* ---- what is nearly a name --------------------------------------------- */

/* The first that matches; NULL as the advice: it is no slip. */
#define NAME_UP    "VERSION_name.up.sql"
#define NAME_DOWN  "VERSION_name.down.sql"
#define NAME_DIGIT "a version is digits only, then '_': "
#define NAME_LONG  "'_' follows the version, and that is at most 63 digits: "
/* clang-format off */
static const char *const name_slips[][2] = {
  {"*~", NULL},
  {"*.bak", NULL},
  {"*.orig", NULL},
  {"*.rej", NULL},
  {"*.sw[a-p]", NULL},
  {"#*", NULL},
  {"*.sql.conf", NULL},
  {"[0-9]*.sql.up", "'.sql' comes last: " NAME_UP},
  {"[0-9]*.sql.down", "'.sql' comes last: " NAME_DOWN},
  {"[0-9]*.up", "'.sql' is missing behind '.up'"},
  {"[0-9]*.down", "'.sql' is missing behind '.down'"},
  {"[0-9]*[-. ]*.up.sql", NAME_DIGIT NAME_UP},
  {"[0-9]*[-. ]*.down.sql", NAME_DIGIT NAME_DOWN},
  {"[0-9]*.up.sql", NAME_LONG NAME_UP},
  {"[0-9]*.down.sql", NAME_LONG NAME_DOWN},
  {"*.up.sql", "the version is missing: " NAME_UP},
  {"*.down.sql", "the version is missing: " NAME_DOWN},
  {"[0-9]*.up.*", "it does not end in '.up.sql'"},
  {"[0-9]*.down.*", "it does not end in '.down.sql'"},
  {"[0-9]*.sql.*", "it does not end in '.sql'"},
  {"[0-9]*.sq", "it does not end in '.sql'"},
  {"[0-9]*.sqll", "it does not end in '.sql'"},
  {"[0-9]*.sql", NAME_LONG "VERSION_name.sql"},
  {"[VUBvub][0-9]*.sql", "Flyway's names have a capital V, a version and two "
                         "'_': V1_2__name.sql"},
  {"[VUBvub]__*.sql", "the version is missing: V1__name.sql"},
  {"[Rr][0-9]*__*.sql", "a repeatable migration has no version: R__name.sql"},
  {"[Rr]_*.sql", "a repeatable migration has a capital R and two '_': "
                 "R__name.sql"},
};
/* clang-format on */

const char *source_name_near(const char *path)
{
  const char *base = name_base(path);

  for (size_t i = 0; i < FED_LEN(name_slips); i++)
    if (fnmatch(name_slips[i][0], base, 0) == 0) return name_slips[i][1];
  return NULL;
}
