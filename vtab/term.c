/*
 * term: which parts of a WHERE clause a server may answer, and in what form.
 *
 * Every answer must be the one SQLite would give over a local table holding
 * the same values. The table below says, for each kind of column, which
 * operators a server answers *exactly*, which it answers with a *superset*
 * that SQLite checks again, and which stay *local*. What it cannot say is
 * what the right-hand value will be: that is seen when a scan starts (rhs.c).
 */
#include "vtab/table.h"

#define PG     &fed_dialect_pg
#define MYSQL  &fed_dialect_mysql
#define SQLITE &fed_dialect_sqlite

#define CLASS(name) (1u << FED_CLASS_##name)
#define FLOATS      (CLASS(REAL) | CLASS(FLOAT4))
#define DECIMALS    (CLASS(DECINT) | CLASS(DECREAL))
#define DATES       (CLASS(DATE) | CLASS(TIMESTAMP) | CLASS(TIMESTAMPTZ))
#define TEXTS       (CLASS(TEXT) | CLASS(CHAR))

/* Tests turn letters round, to see that this is noticed. */
#ifdef FED_TEST
#  define TERM_TABLE
#else
#  define TERM_TABLE const
#endif

#define CMP(name) (1u << FED_TEXTCMP_##name)
#define CMP_ANY   0xFu

/* Why not exact, where more than one row says so. */
#define OF_NUMBERS  "a pattern sees the number as SQLite prints it"
#define OF_BLOBS    "a pattern against a blob is SQLite's own affair"
#define OF_CASE     "the host may change what LIKE folds, and GLOB has sets"
#define OF_DOUBLES  "a number of SQLite's own may be compared as a double"
#define OF_PATTERNS "a pattern's range ends below the blobs that it may mean"
#define OF_HOSTS    "the two may have different LIKE and GLOB"
#define OF_UTF16    "a file in UTF-16: its bytes are not ours"
#define OF_NE       "SQLite does not tell the collation of a <>"
#define OF_HOURS    "'-01:00:00' and '100:00:00' are out of order as text"

/*
 * One letter for each operator, in the order of enum term_op. E exact, S
 * superset, L local. The first row that fits decides; a kind of column
 * without a row is local throughout. The second text is how each is written,
 * see enum term_form. `why` holds of the S and L among the comparisons,
 * `pattern` of those of LIKE and GLOB.
 */
/* A table is read by its columns:
 *                                             =  IS NULL
 *                                             |<>| IS NOT NULL
 *                                             || < <= > >= LIKE GLOB */
/* clang-format off */
static TERM_TABLE struct term_row {
  const struct fed_dialect *dialect;
  unsigned classes;
  unsigned compare;
  char fit[TERM_OPS + 1];
  char form[TERM_OPS + 1];
  const char *why, *pattern;
} term_table[] = {
  {PG, CLASS(INT) | CLASS(BOOL),    CMP_ANY,    "EEEEEEEELL", "bbbbbbbb--",
   NULL, OF_NUMBERS},
  /* NaN is NULL here, but there it equals itself and is above all. */
  {PG, FLOATS | DECIMALS,           CMP_ANY,    "EEEEEEEELL", "bnbbnnnn--",
   NULL, OF_NUMBERS},
  /* More digits than a double: see rhs_decimal(). */
  {PG, CLASS(DECIMAL),              CMP_ANY,    "SLSSSSEELL", "b-bbbbbb--",
   OF_DOUBLES, OF_NUMBERS},
  {PG, CLASS(TEXT),                 CMP(BYTES), "ESEEEEEESS", "bbbbbbbbpm",
   NULL, OF_CASE},
  /* Another order than that of bytes. */
  {PG, CLASS(TEXT),                 CMP(EQUAL), "ESEEEEEESS", "bbttttbbpm",
   NULL, OF_CASE},
  /* Different bytes may be equal there. */
  {PG, CLASS(TEXT),                 CMP_ANY,    "ESEEEEEESS", "atttttbbll",
   NULL, OF_CASE},
  /* bpchar ignores trailing blanks on both sides; its cast to text cuts
   * them, as we do. */
  {PG, CLASS(CHAR),                 CMP_ANY,    "ESEEEEEESS", "atttttbbll",
   NULL, OF_CASE},
  {PG, CLASS(BLOB),                 CMP_ANY,    "EEEEEEEELL", "bbbbbbbb--",
   NULL, OF_BLOBS},
  {PG, CLASS(TIME) | CLASS(UUID),   CMP_ANY,    "ESEEEEEESS", "bbbbbbbbll",
   NULL, OF_CASE},
  /* Years before 1 and after 9999 print out of order: see deparse.c. */
  {PG, DATES,                       CMP_ANY,    "ESEEEEEESS", "bbddddbbll",
   NULL, OF_CASE},
  {PG, CLASS(OTHER),                CMP_ANY,    "ESEEEEEESS", "ttttttbbll",
   NULL, OF_CASE},

  {MYSQL, CLASS(INT) | CLASS(UINT), CMP_ANY,    "EEEEEEEELL", "bbbbbbbb--",
   NULL, OF_NUMBERS},
  {MYSQL, FLOATS | DECIMALS,        CMP_ANY,    "EEEEEEEELL", "bbbbbbbb--",
   NULL, OF_NUMBERS},
  {MYSQL, CLASS(DECIMAL),           CMP_ANY,    "SLSSSSEELL", "b-bbbbbb--",
   OF_DOUBLES, OF_NUMBERS},
  {MYSQL, CLASS(BLOB),              CMP_ANY,    "EEEEEEEELL", "bbbbbbbb--",
   NULL, OF_BLOBS},
  /* Collations fold case or accents and ignore trailing blanks. */
  {MYSQL, TEXTS,                    CMP(CI),    "ESEEEEEESS", "atttttbbmm",
   NULL, OF_CASE},
  {MYSQL, TEXTS,                    CMP_ANY,    "ESEEEEEESS", "atttttbblm",
   NULL, OF_CASE},
  /* IS NULL also finds '0000-00-00' in a column that is NOT NULL. */
  {MYSQL, DATES,                    CMP_ANY,    "ESEEEEEESS", "bbbbbbsbll",
   NULL, OF_CASE},
  {MYSQL, CLASS(TIME),              CMP_ANY,    "ESSSSSEESS", "bbhhhhbbll",
   OF_HOURS, OF_CASE},
  {MYSQL, CLASS(OTHER),             CMP_ANY,    "ESEEEEEESS", "ttttttbbll",
   NULL, OF_CASE},

  {SQLITE, CLASS(INT),              CMP_ANY,    "EEEEEEEELL", "bbbbbbbb--",
   NULL, OF_NUMBERS},
  {SQLITE, CLASS(ANY),              CMP(BYTES), "ESSSEEEESS", "bbbbbbbbbb",
   OF_PATTERNS, OF_HOSTS},
  /* A collation unknown here: compared as BINARY there. */
  {SQLITE, CLASS(ANY),              CMP(LOOSE), "ESSSEEEESS", "bbbbbbbbbb",
   OF_PATTERNS, OF_HOSTS},
  {SQLITE, CLASS(ANY),              CMP_ANY,    "LLLLLLEELL", "------bb--",
   OF_UTF16, OF_UTF16},
};

/*
 * Columns by which the server sorts as SQLite would: `b` by the column, `t`
 * by its text; `d` and `n` by the column if there is no odd year and no NaN.
 */
static TERM_TABLE struct term_sort {
  const struct fed_dialect *dialect;
  unsigned classes;
  unsigned compare;
  char form;
} term_sort_table[] = {
#ifdef FED_TEST
  {NULL, 0, 0, '-'}, /* for fed_mutate() */
#endif
  {PG, CLASS(INT) | CLASS(BOOL),           CMP_ANY,                 'b'},
  {PG, CLASS(UUID) | CLASS(BLOB),          CMP_ANY,                 'b'},
  {PG, CLASS(TIME) | CLASS(DECIMAL),       CMP_ANY,                 'b'},
  {PG, DATES,                              CMP_ANY,                 'd'},
  {PG, FLOATS | DECIMALS,                  CMP_ANY,                 'n'},
  {PG, CLASS(TEXT),                        CMP(BYTES),              'b'},
  {PG, TEXTS | CLASS(OTHER),               CMP_ANY,                 't'},
  {MYSQL, CLASS(INT) | DATES,              CMP_ANY,                 'b'},
  {MYSQL, FLOATS | DECIMALS,               CMP_ANY,                 'b'},
  {MYSQL, CLASS(DECIMAL),                  CMP_ANY,                 'b'},
  {SQLITE, CLASS(INT),                     CMP_ANY,                 'b'},
  {SQLITE, CLASS(ANY),                     CMP(BYTES) | CMP(LOOSE), 'b'},
};
/* clang-format on */

static bool term_fits(unsigned classes, unsigned compare,
                      const struct fed_column *col)
{
  return (classes & (1u << col->class)) && (compare & (1u << col->textcmp));
}

/* The row of a kind of column, or NULL. */
static const struct term_row *term_find(const struct fed_dialect *dialect,
                                        const struct fed_column *col)
{
  for (size_t i = 0; i < FED_LEN(term_table); i++)
    if (term_table[i].dialect == dialect &&
        term_fits(term_table[i].classes, term_table[i].compare, col))
      return &term_table[i];
  return NULL;
}

enum term_fit term_fit(const struct fed_dialect *dialect,
                       const struct fed_column *col, enum term_op op)
{
  const struct term_row *row = term_find(dialect, col);

  switch (row ? row->fit[op] : 'L') {
  case 'E':
    return TERM_EXACT;
  case 'S':
    return TERM_SUPERSET;
  default:
    return TERM_LOCAL;
  }
}

const char *term_why(const struct fed_dialect *dialect,
                     const struct fed_column *col, enum term_op op)
{
  const struct term_row *row = term_find(dialect, col);

  if (!row) return "nothing is known of such columns";
  if (row->fit[op] == 'E') return NULL;
  if (op == TERM_NE && row->fit[TERM_EQ] != 'L') return OF_NE;
  return op == TERM_LIKE || op == TERM_GLOB ? row->pattern : row->why;
}

struct term_now term_planned(const struct fed_dialect *dialect,
                             const struct fed_column *col, enum term_op op)
{
  const struct term_row *row = term_find(dialect, col);

  return (struct term_now){.use = TERM_BIND,
                           .op = op,
                           .form =
                             row ? (enum term_form)row->form[op] : FORM_NONE,
                           .nvalue = 1};
}

enum term_form term_sorts(const struct fed_dialect *dialect,
                          const struct fed_column *col)
{
  enum term_form form = FORM_NONE;

  for (size_t i = 0; i < FED_LEN(term_sort_table) && form == FORM_NONE; i++)
    if (term_sort_table[i].dialect == dialect &&
        term_fits(term_sort_table[i].classes, term_sort_table[i].compare, col))
      form = (enum term_form)term_sort_table[i].form;
  /* The bytes of another encoding may be in another order than ours. */
  return form == FORM_TEXT && !col->unicode ? FORM_NONE : form;
}

/*
 * What is equal there must be the same value here, of which one stands for
 * all. Not so floats (0 and -0), numbers that keep their scale (1.0 and 1.00),
 * and texts under most collations.
 */
bool term_groups(const struct fed_dialect *dialect,
                 const struct fed_column *col)
{
  /* clang-format off */
  static const struct {
    const struct fed_dialect *dialect;
    unsigned classes, compare;
  } table[] = {
    {PG,     CLASS(INT) | CLASS(BOOL) | DECIMALS, CMP_ANY},
    {PG,     DATES | CLASS(TIME) | CLASS(UUID),   CMP_ANY},
    {PG,     CLASS(BLOB),                         CMP_ANY},
    {PG,     CLASS(TEXT),                         CMP(BYTES) | CMP(EQUAL)},
    {MYSQL,  CLASS(INT) | CLASS(UINT) | DECIMALS, CMP_ANY},
    {MYSQL,  DATES | CLASS(TIME),                 CMP_ANY},
    {SQLITE, CLASS(INT),                          CMP_ANY},
  };
  /* clang-format on */

  for (size_t i = 0; i < FED_LEN(table); i++)
    if (table[i].dialect == dialect &&
        term_fits(table[i].classes, table[i].compare, col))
      return true;
  /* Without an affinity 1 and 1.0 are equal, and two values. */
  return dialect == SQLITE && col->class == FED_CLASS_ANY &&
         col->textcmp == FED_TEXTCMP_BYTES && !col->collation &&
         strchr("BD", declare_column_affinity(col)) != NULL;
}

const char *term_collation(const struct fed_column *col)
{
  if (col->class == FED_CLASS_DECIMAL) return "decimal";
  return col->collation ? col->collation : "BINARY";
}

bool term_op_of(unsigned char op, enum term_op *out, bool *is)
{
  *is = op == SQLITE_INDEX_CONSTRAINT_IS;
  switch (op) {
  case SQLITE_INDEX_CONSTRAINT_EQ:
  case SQLITE_INDEX_CONSTRAINT_IS:
    *out = TERM_EQ;
    return true;
  case SQLITE_INDEX_CONSTRAINT_NE:
    *out = TERM_NE;
    return true;
  case SQLITE_INDEX_CONSTRAINT_LT:
    *out = TERM_LT;
    return true;
  case SQLITE_INDEX_CONSTRAINT_LE:
    *out = TERM_LE;
    return true;
  case SQLITE_INDEX_CONSTRAINT_GT:
    *out = TERM_GT;
    return true;
  case SQLITE_INDEX_CONSTRAINT_GE:
    *out = TERM_GE;
    return true;
  case SQLITE_INDEX_CONSTRAINT_ISNULL:
    *out = TERM_ISNULL;
    return true;
  case SQLITE_INDEX_CONSTRAINT_ISNOTNULL:
    *out = TERM_NOTNULL;
    return true;
  case SQLITE_INDEX_CONSTRAINT_LIKE:
    *out = TERM_LIKE;
    return true;
  case SQLITE_INDEX_CONSTRAINT_GLOB:
    *out = TERM_GLOB;
    return true;
  default:
    return false;
  }
}

#ifdef FED_TEST
/* ---- what test/diff/ asks and changes ---------------------------------- */

static int64_t term_sent[FED_LEN(term_table)][TERM_OPS];
static int64_t
  term_total[4]; /* sent exact, sent superset, never true, left here */

void term_count(const struct fed_dialect *dialect, const struct fed_column *col,
                enum term_op op, enum term_use use)
{
  const struct term_row *row = term_find(dialect, col);

  if (!row) return;
  if (use == TERM_BIND) term_sent[row - term_table][op]++;
  if (use == TERM_ALWAYS) term_sent[row - term_table][TERM_NOTNULL]++;
  if (use == TERM_BIND || use == TERM_ALWAYS)
    term_total[row->fit[op] != 'E']++;
  else
    term_total[use == TERM_NEVER ? 2 : 3]++;
}

/* How the server sorts every kind of column of the row; or FORM_NONE. */
static enum term_form term_row_sorts(const struct term_row *row)
{
  enum term_form form = FORM_NONE;

  for (int class = 0; class < FED_CLASS_COUNT; class ++)
    for (int compare = 0; compare < 4; compare++) {
      struct fed_column col = {.class = (enum fed_class) class,
                               .textcmp = (enum fed_textcmp)compare,
                               .unicode = true};
      enum term_form now = term_sorts(row->dialect, &col);

      if (term_find(row->dialect, &col) != row) continue;
      if (now == FORM_NONE || (form != FORM_NONE && now != form))
        return FORM_NONE;
      form = now;
    }
  return form;
}

static void term_report_row(const struct term_row *row, struct fed_str *out)
{
  static const char *const compare[] = {"loose", "equal", "bytes", "nocase"};
  const int64_t *sent = term_sent[row - term_table];

  fed_str_addf(out, "{%s {", row->dialect->name);
  for (int i = 0; i < FED_CLASS_COUNT; i++)
    if (row->classes & (1u << i))
      fed_str_addf(out, "{%s} ", fed_class_name((enum fed_class)i));
  fed_str_add(out, "} {");
  for (int i = 0; i < 4; i++)
    if (row->compare & (1u << i)) fed_str_addf(out, "%s ", compare[i]);
  fed_str_addf(out, "} %s%c %s%c {", row->fit,
               term_row_sorts(row) == FORM_NONE ? 'L' : 'E', row->form,
               term_row_sorts(row));
  for (int op = 0; op < TERM_OPS; op++)
    fed_str_addf(out, "%lld ", (long long)sent[op]);
  fed_str_add(out, "}}\n");
}

void term_report(struct fed_str *out)
{
  fed_str_addc(out, '{');
  for (int i = 0; i < 4; i++)
    fed_str_addf(out, "%lld ", (long long)term_total[i]);
  fed_str_add(out, "}\n");
  for (size_t i = 0; i < FED_LEN(term_table); i++)
    term_report_row(&term_table[i], out);
}

void term_mutate(int row, int op, char letter, char form)
{
  struct term_row *mutant = &term_table[row];

  if (op < TERM_OPS) {
    mutant->fit[op] = letter;
    mutant->form[op] = form;
    return;
  }
  term_sort_table[0].dialect = letter == 'E' ? mutant->dialect : NULL;
  term_sort_table[0].classes = mutant->classes;
  term_sort_table[0].compare = mutant->compare;
  term_sort_table[0].form = form;
}
#endif
