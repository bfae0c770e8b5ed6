/*
 * generate: data in the shape that TPC-H's specification publishes, into the
 * tables of an SQLite file. The same scale gives the same rows everywhere.
 * Words and texts are our own, but for those that the queries ask for.
 */
#include <stdarg.h>

#include "bench/bench.h"

#define CENTS(n) ((double)(n) / 100.0)
#define COUNT(a) ((int)(sizeof(a) / sizeof *(a)))

/* Days count from 1992-01-01; what counts as today is 1995-06-17. */
#define DAYS     2557
#define LAST_DAY (DAYS - 151)
#define TODAY    1263

static uint64_t gen_state = 20;

/* splitmix64 */
static uint64_t gen_random(void)
{
  uint64_t z = gen_state += 0x9e3779b97f4a7c15u;

  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

static int gen_between(int low, int high)
{
  return low + (int)(gen_random() % (uint64_t)(high - low + 1));
}

/* ---- words --------------------------------------------------------------- */

#define PICK(list) ((list)[gen_between(0, COUNT(list) - 1)])

static const char *const gen_color[] = {
  "amber",     "apricot",   "aqua",     "ash",      "azure",    "beige",
  "black",     "blue",      "bone",     "bronze",   "brown",    "burgundy",
  "cadmium",   "canary",    "caramel",  "carmine",  "cedar",    "cerulean",
  "charcoal",  "cherry",    "chestnut", "cinnabar", "citron",   "claret",
  "cobalt",    "coffee",    "copper",   "coral",    "corn",     "cream",
  "crimson",   "cyan",      "denim",    "ebony",    "ecru",     "emerald",
  "fawn",      "fern",      "flax",     "forest",   "fuchsia",  "garnet",
  "ginger",    "gold",      "granite",  "grape",    "green",    "grey",
  "hazel",     "heather",   "honey",    "indigo",   "iris",     "ivory",
  "jade",      "jasmine",   "jet",      "khaki",    "lavender", "lemon",
  "lilac",     "lime",      "linen",    "magenta",  "mahogany", "maroon",
  "mauve",     "mint",      "moss",     "mustard",  "navy",     "ochre",
  "olive",     "onyx",      "orange",   "orchid",   "peach",    "pearl",
  "pink",      "plum",      "purple",   "red",      "rose",     "ruby",
  "russet",    "saffron",   "sage",     "sand",     "scarlet",  "sepia",
  "turquoise", "vermilion",
};

static const char *const gen_word[] = {
  "about",    "above",   "accounts", "after",    "again",    "along",
  "among",    "answer",  "arrive",   "before",   "behind",   "between",
  "bold",     "brave",   "bright",   "calm",     "careful",  "carry",
  "choose",   "clear",   "close",    "daily",    "deposits", "even",
  "every",    "excuses", "express",  "final",    "find",     "first",
  "follow",   "gentle",  "goods",    "grow",     "haul",     "idle",
  "invoices", "keep",    "late",     "letters",  "market",   "never",
  "notes",    "often",   "orders",   "packages", "pending",  "plain",
  "prices",   "promise", "quick",    "quiet",    "regular",  "requests",
  "return",   "ship",    "silent",   "sleep",    "slow",     "special",
  "stand",    "steady",  "theories", "under",    "unusual",  "wait",
  "warm",     "work",
};

/* Between `low` and `high` characters of words. */
static const char *gen_text(int low, int high)
{
  static char text[256];
  int want = gen_between(low, high), len = 0;

  while (len < want)
    len +=
      snprintf(text + len, sizeof text - (size_t)len, "%s ", PICK(gen_word));
  text[want] = 0;
  if (text[want - 1] == ' ') text[want - 1] = '.';
  return text;
}

static const char *gen_address(void)
{
  static const char letter[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMN 12345";
  static char text[41];
  int n = gen_between(10, 40);

  for (int i = 0; i < n; i++)
    text[i] = letter[gen_between(0, COUNT(letter) - 2)];
  if (text[n - 1] == ' ') text[n - 1] = 'x';
  text[n] = 0;
  return text;
}

static const char *gen_phone(int nation)
{
  static char text[20];

  snprintf(text, sizeof text, "%d-%d-%d-%d", nation + 10, gen_between(100, 999),
           gen_between(100, 999), gen_between(1000, 9999));
  return text;
}

static const char *gen_date(int day)
{
  static char date[DAYS][36];

  if (!date[0][0])
    for (int i = 0, y = 1992, m = 1, d = 1; i < DAYS; i++) {
      static const int days[] = {31, 28, 31, 30, 31, 30,
                                 31, 31, 30, 31, 30, 31};

      snprintf(date[i], sizeof date[i], "%04d-%02d-%02d", y, m, d);
      if (d++ < days[m - 1] + (m == 2 && y % 4 == 0)) continue;
      d = 1;
      if (m++ < 12) continue;
      m = 1;
      y++;
    }
  return date[day];
}

/* ---- rows ---------------------------------------------------------------- */

static sqlite3 *gen_db;

/* Arguments as `types` says: i int, m double, s text. */
static void gen_row(sqlite3_stmt *stmt, const char *types, ...)
{
  va_list args;

  va_start(args, types);
  for (int i = 0; types[i]; i++) {
    if (types[i] == 'i')
      sqlite3_bind_int(stmt, i + 1, va_arg(args, int));
    else if (types[i] == 'm')
      sqlite3_bind_double(stmt, i + 1, va_arg(args, double));
    else
      sqlite3_bind_text(stmt, i + 1, va_arg(args, const char *), -1,
                        SQLITE_TRANSIENT);
  }
  va_end(args);
  if (sqlite3_step(stmt) != SQLITE_DONE || sqlite3_reset(stmt))
    bench_die("insert", sqlite3_errmsg(gen_db));
}

static sqlite3_stmt *gen_insert(const char *table, int n)
{
  char *sql = sqlite3_mprintf("INSERT INTO %s VALUES(?", table);
  sqlite3_stmt *stmt;

  for (int i = 1; i < n; i++)
    sql = sqlite3_mprintf("%z,?", sql);
  sql = sqlite3_mprintf("%z)", sql);
  if (sqlite3_prepare_v2(gen_db, sql, -1, &stmt, NULL))
    bench_die(table, sqlite3_errmsg(gen_db));
  sqlite3_free(sql);
  return stmt;
}

static void gen_regions(void)
{
  static const char *const region[] = {"AFRICA", "AMERICA", "ASIA", "EUROPE",
                                       "MIDDLE EAST"};
  static const struct {
    const char *name;
    int region;
  } nation[] = {
    {"ALGERIA",        0},
    {"ARGENTINA",      1},
    {"BRAZIL",         1},
    {"CANADA",         1},
    {"EGYPT",          4},
    {"ETHIOPIA",       0},
    {"FRANCE",         3},
    {"GERMANY",        3},
    {"INDIA",          2},
    {"INDONESIA",      2},
    {"IRAN",           4},
    {"IRAQ",           4},
    {"JAPAN",          2},
    {"JORDAN",         4},
    {"KENYA",          0},
    {"MOROCCO",        0},
    {"MOZAMBIQUE",     0},
    {"PERU",           1},
    {"CHINA",          2},
    {"ROMANIA",        3},
    {"SAUDI ARABIA",   4},
    {"VIETNAM",        2},
    {"RUSSIA",         3},
    {"UNITED KINGDOM", 3},
    {"UNITED STATES",  1},
  };
  sqlite3_stmt *r = gen_insert("region", 3), *n = gen_insert("nation", 4);

  for (int i = 0; i < COUNT(region); i++)
    gen_row(r, "iss", i, region[i], gen_text(31, 115));
  for (int i = 0; i < COUNT(nation); i++)
    gen_row(n, "isis", i, nation[i].name, nation[i].region, gen_text(31, 114));
  sqlite3_finalize(r);
  sqlite3_finalize(n);
}

/* Of 2000 suppliers one has complaints and one is recommended. */
static void gen_suppliers(int n)
{
  sqlite3_stmt *stmt = gen_insert("supplier", 7);

  for (int i = 1; i <= n; i++) {
    int nation = gen_between(0, 24);
    char name[32], comment[128];
    const char *kind = i % 2000 == 713    ? "Customer sad Complaints "
                       : i % 2000 == 1413 ? "Customer good Recommends "
                                          : "";

    snprintf(name, sizeof name, "Supplier#%09d", i);
    snprintf(comment, sizeof comment, "%s%s", kind, gen_text(25, 70));
    gen_row(stmt, "issisms", i, name, gen_address(), nation, gen_phone(nation),
            CENTS(gen_between(-99999, 999999)), comment);
  }
  sqlite3_finalize(stmt);
}

static int gen_price(int part)
{
  return 90000 + part / 10 % 20001 + 100 * (part % 1000);
}

/* The i-th of a part's four suppliers. */
static int gen_supplier(int part, int i, int nsupplier)
{
  return (part + i * (nsupplier / 4 + (part - 1) / nsupplier)) % nsupplier + 1;
}

static void gen_part(sqlite3_stmt *stmt, int i)
{
  static const char *const how[] = {"STANDARD", "SMALL",   "MEDIUM",
                                    "LARGE",    "ECONOMY", "PROMO"};
  static const char *const finish[] = {"ANODIZED", "BURNISHED", "PLATED",
                                       "POLISHED", "BRUSHED"};
  static const char *const metal[] = {"TIN", "NICKEL", "BRASS", "STEEL",
                                      "COPPER"};
  static const char *const size[] = {"SM", "LG", "MED", "JUMBO", "WRAP"};
  static const char *const box[] = {"CASE", "BOX",  "BAG", "JAR",
                                    "PKG",  "PACK", "CAN", "DRUM"};
  char name[64], mfgr[32], brand[16], type[32], container[16];
  int m = gen_between(1, 5), first = gen_between(0, COUNT(gen_color) - 1);

  /* Five different colors: the steps never add up to the whole circle. */
  snprintf(name, sizeof name, "%s", gen_color[first]);
  for (int w = 1, at = first; w < 5; w++) {
    at = (at + gen_between(1, 22)) % COUNT(gen_color);
    snprintf(name + strlen(name), sizeof name - strlen(name), " %s",
             gen_color[at]);
  }
  snprintf(mfgr, sizeof mfgr, "Manufacturer#%d", m);
  snprintf(brand, sizeof brand, "Brand#%d%d", m, gen_between(1, 5));
  snprintf(type, sizeof type, "%s %s %s", PICK(how), PICK(finish), PICK(metal));
  snprintf(container, sizeof container, "%s %s", PICK(size), PICK(box));
  gen_row(stmt, "issssisms", i, name, mfgr, brand, type, gen_between(1, 50),
          container, CENTS(gen_price(i)), gen_text(5, 22));
}

static void gen_parts(int n, int nsupplier)
{
  sqlite3_stmt *part = gen_insert("part", 9), *ps = gen_insert("partsupp", 5);

  for (int i = 1; i <= n; i++)
    gen_part(part, i);
  for (int i = 1; i <= n; i++)
    for (int s = 0; s < 4; s++)
      gen_row(ps, "iiims", i, gen_supplier(i, s, nsupplier),
              gen_between(1, 9999), CENTS(gen_between(100, 100000)),
              gen_text(49, 198));
  sqlite3_finalize(part);
  sqlite3_finalize(ps);
}

static void gen_customers(int n)
{
  static const char *const segment[] = {"AUTOMOBILE", "BUILDING", "FURNITURE",
                                        "MACHINERY", "HOUSEHOLD"};
  sqlite3_stmt *stmt = gen_insert("customer", 8);

  for (int i = 1; i <= n; i++) {
    int nation = gen_between(0, 24);
    char name[32];

    snprintf(name, sizeof name, "Customer#%09d", i);
    gen_row(stmt, "issismss", i, name, gen_address(), nation, gen_phone(nation),
            CENTS(gen_between(-99999, 999999)), PICK(segment),
            gen_text(29, 116));
  }
  sqlite3_finalize(stmt);
}

struct gen_orders {
  sqlite3_stmt *order, *line;
  int nclerk, npart, nsupplier, ncustomer;
};

/* Returns the price with tax and discount in cents; counts shipped lines. */
static double gen_line(const struct gen_orders *g, int order, int line, int day,
                       int *shipped)
{
  static const char *const instruct[] = {"DELIVER IN PERSON", "COLLECT COD",
                                         "NONE", "TAKE BACK RETURN"};
  static const char *const mode[] = {"REG AIR", "AIR",  "RAIL", "SHIP",
                                     "TRUCK",   "MAIL", "FOB"};
  int part = gen_between(1, g->npart), quantity = gen_between(1, 50);
  int price = quantity * gen_price(part), discount = gen_between(0, 10);
  int tax = gen_between(0, 8), ship = day + gen_between(1, 121);
  int commit = day + gen_between(30, 90), receipt = ship + gen_between(1, 30);
  const char *flag = receipt > TODAY ? "N" : gen_between(0, 1) ? "R" : "A";

  *shipped += ship <= TODAY;
  gen_row(g->line, "iiiimmmmssssssss", order, part,
          gen_supplier(part, gen_between(0, 3), g->nsupplier), line,
          (double)quantity, CENTS(price), CENTS(discount), CENTS(tax), flag,
          ship <= TODAY ? "F" : "O", gen_date(ship), gen_date(commit),
          gen_date(receipt), PICK(instruct), PICK(mode), gen_text(10, 43));
  return price * (100 - discount) / 100.0 * (100 + tax) / 100.0;
}

/* One of 90 comments has special requests. */
static const char *gen_order_comment(void)
{
  static char text[128];

  if (gen_between(1, 90) > 1) return gen_text(19, 78);
  snprintf(text, sizeof text, "special %s requests", gen_text(5, 40));
  return text;
}

/* A third of the customers never orders. Of 32 keys 8 are used. */
static void gen_order(const struct gen_orders *g, int i)
{
  static const char *const priority[] = {"1-URGENT", "2-HIGH", "3-MEDIUM",
                                         "4-NOT SPECIFIED", "5-LOW"};
  int key = i / 8 * 32 + i % 8 + 1, day = gen_between(0, LAST_DAY - 1);
  int customer = gen_between(1, g->ncustomer), n = gen_between(1, 7);
  int shipped = 0;
  double total = 0;
  char clerk[32];

  while (customer % 3 == 0)
    customer = gen_between(1, g->ncustomer);
  for (int line = 1; line <= n; line++)
    total += gen_line(g, key, line, day, &shipped);
  snprintf(clerk, sizeof clerk, "Clerk#%09d", gen_between(1, g->nclerk));
  gen_row(g->order, "iismsssis", key, customer,
          shipped == n ? "F"
          : shipped    ? "P"
                       : "O",
          CENTS((int64_t)(total + 0.5)), gen_date(day), PICK(priority), clerk,
          0, gen_order_comment());
}

static int gen_scaled(double scale, int n)
{
  int scaled = (int)(scale * n + 0.5);

  return scaled < 4 ? 4 : scaled;
}

void part_generate(const char *file, double scale)
{
  struct gen_orders g = {
    .nclerk = gen_scaled(scale, 1000),
    .npart = gen_scaled(scale, 200000),
    .nsupplier = gen_scaled(scale, 10000),
    .ncustomer = gen_scaled(scale, 150000),
  };
  int norder = gen_scaled(scale, 1500000);

  gen_db = host_open(file);
  host_exec(gen_db, "PRAGMA synchronous=OFF; BEGIN");
  gen_regions();
  gen_suppliers(g.nsupplier);
  gen_parts(g.npart, g.nsupplier);
  gen_customers(g.ncustomer);
  g.order = gen_insert("orders", 9);
  g.line = gen_insert("lineitem", 16);
  for (int i = 0; i < norder; i++)
    gen_order(&g, i);
  sqlite3_finalize(g.order);
  sqlite3_finalize(g.line);
  host_exec(gen_db, "COMMIT");
  sqlite3_close(gen_db);
}
