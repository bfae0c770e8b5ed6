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

#define CMP(name) (1u << FED_TEXTCMP_##name)
#define CMP_ANY   0xFu

/* Why a pattern stays here, where more than one row says so. */
#define OF_NUMBERS "a pattern sees the number as SQLite prints it"
#define OF_BLOBS   "a pattern against a blob is SQLite's own affair"
#define OF_TIMES   "a pattern sees the text, the server a date or time"
#define OF_TEXTS   "SQLite folds ASCII only, and has no escape character"
#define OF_SPACES  "the server adds or ignores trailing blanks"
#define OF_PRINTED "only the server prints this type as text"

/*
 * One letter for each operator, in the order of enum term_op. E exact, S
 * superset, L local. The first row that fits decides; a kind of column
 * without a row is local throughout. `why` holds of the S and L among the
 * comparisons, `pattern` of those of LIKE and GLOB.
 */
/* A table is read by its columns:
 *                                             =  IS NULL
 *                                             |<>| IS NOT NULL
 *                                             || < <= > >= LIKE GLOB */
/* clang-format off */
static const struct term_row {
  const struct fed_dialect *dialect;
  unsigned classes;
  unsigned compare;
  const char fit[TERM_OPS + 1];
  const char *why, *pattern;
} term_table[] = {
  {PG, CLASS(INT),                  CMP_ANY,    "EEEEEEEELL",
   NULL, OF_NUMBERS},
  {PG, CLASS(BOOL),                 CMP_ANY,    "EELLLLEELL",
   "a range over two values asks for little", OF_NUMBERS},
  {PG, FLOATS | DECIMALS,           CMP_ANY,    "ESEESSLSLL",
   "NaN is NULL here, but there it equals itself and is above all",
   OF_NUMBERS},
  /* More digits than a double: see rhs_decimal(). */
  {PG, CLASS(DECIMAL),              CMP_ANY,    "SSSSSSEELL",
   "a number of SQLite's own may be compared as a double", OF_NUMBERS},
  {PG, CLASS(TEXT),                 CMP(BYTES), "EEEEEEEESL",
   NULL, OF_TEXTS},
  {PG, CLASS(TEXT),                 CMP(EQUAL), "EELLLLEESL",
   "the server's collation has another order than bytes", OF_TEXTS},
  {PG, CLASS(TEXT),                 CMP_ANY,    "SLLLLLEESL",
   "texts of different bytes may be equal to the server", OF_TEXTS},
  {PG, CLASS(CHAR),                 CMP_ANY,    "SLLLLLEELL",
   "char(n) ignores trailing blanks on both sides", OF_SPACES},
  {PG, CLASS(BLOB),                 CMP_ANY,    "EEEEEEEELL",
   NULL, OF_BLOBS},
  {PG, CLASS(TIME) | CLASS(UUID),   CMP_ANY,    "EEEEEEEELL",
   NULL, OF_PRINTED},
  {PG, DATES,                       CMP_ANY,    "EESSSSEELL",
   "years before 1 and after 9999 print out of order", OF_TIMES},
  {PG, CLASS(OTHER),                CMP_ANY,    "LLLLLLEELL",
   OF_PRINTED, OF_PRINTED},

  {MYSQL, CLASS(INT) | CLASS(UINT), CMP_ANY,    "EEEEEEEELL",
   NULL, OF_NUMBERS},
  {MYSQL, CLASS(REAL) | DECIMALS,   CMP_ANY,    "EEEEEEEELL",
   NULL, OF_NUMBERS},
  {MYSQL, CLASS(DECIMAL),           CMP_ANY,    "SSSSSSEELL",
   "a number of SQLite's own may be compared as a double", OF_NUMBERS},
  {MYSQL, CLASS(BLOB),              CMP_ANY,    "EEEEEEEELL",
   NULL, OF_BLOBS},
  {MYSQL, TEXTS,                    CMP(CI),    "SLLLLLEESL",
   "the collation folds case or accents, or ignores trailing blanks",
   OF_TEXTS},
  {MYSQL, TEXTS,                    CMP_ANY,    "SLLLLLEELL",
   "the collation folds case or accents, or ignores trailing blanks",
   OF_TEXTS},
  {MYSQL, DATES,                    CMP_ANY,    "EEEEEESELL",
   "IS NULL also finds 0000-00-00 in a column that is NOT NULL", OF_TIMES},
  {MYSQL, CLASS(TIME),              CMP_ANY,    "EELLLLEELL",
   "-01:00:00 and 100:00:00 are out of order as text", OF_TIMES},
  {MYSQL, CLASS(FLOAT4),            CMP_ANY,    "LLLLLLEELL",
   "a 4-byte float is rounded to be compared", OF_NUMBERS},
  {MYSQL, CLASS(OTHER),             CMP_ANY,    "LLLLLLEELL",
   OF_PRINTED, OF_PRINTED},

  {SQLITE, CLASS(INT),              CMP_ANY,    "EEEEEEEELL",
   NULL, OF_NUMBERS},
  {SQLITE, CLASS(ANY),              CMP(BYTES), "EESSEEEESS",
   "a pattern's range ends below the blobs that it may mean",
   "the two may have different LIKE and GLOB"},
  /* A collation unknown here: compared as BINARY there. */
  {SQLITE, CLASS(ANY),              CMP(LOOSE), "EESSEEEESS",
   "a pattern's range ends below the blobs that it may mean",
   "the two may have different LIKE and GLOB"},
  {SQLITE, CLASS(ANY),              CMP_ANY,    "LLLLLLEELL",
   "a file in UTF-16: its bytes are not ours",
   "a file in UTF-16: its bytes are not ours"},
};

/* Columns by which the server sorts as SQLite would. */
static const struct {
  const struct fed_dialect *dialect;
  unsigned classes;
  unsigned compare;
} term_sort_table[] = {
  {PG, CLASS(INT) | CLASS(BOOL),           CMP_ANY},
  {PG, CLASS(UUID) | CLASS(BLOB),          CMP_ANY},
  {PG, CLASS(TEXT),                        CMP(BYTES)},
  {MYSQL, CLASS(INT) | DATES,              CMP_ANY},
  {MYSQL, FLOATS | DECIMALS,               CMP_ANY},
  {SQLITE, CLASS(INT),                     CMP_ANY},
  {SQLITE, CLASS(ANY),                     CMP(BYTES) | CMP(LOOSE)},
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
  return op == TERM_LIKE || op == TERM_GLOB ? row->pattern : row->why;
}

bool term_sorts(const struct fed_dialect *dialect, const struct fed_column *col)
{
  for (size_t i = 0; i < FED_LEN(term_sort_table); i++)
    if (term_sort_table[i].dialect == dialect &&
        term_fits(term_sort_table[i].classes, term_sort_table[i].compare, col))
      return true;
  return false;
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
