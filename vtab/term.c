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

/*
 * One letter for each operator, in the order of enum term_op. E exact, S
 * superset, L local. The first row that fits decides; a kind of column
 * without a row is local throughout.
 */
/* A table is read by its columns:
 *                                             =  IS NULL
 *                                             |<>| IS NOT NULL
 *                                             || < <= > >= LIKE GLOB */
/* clang-format off */
static const struct {
  const struct fed_dialect *dialect;
  unsigned classes;
  unsigned compare;
  const char fit[TERM_OPS + 1];
} term_table[] = {
  {PG, CLASS(INT),                  CMP_ANY,    "EEEEEEEELL"},
  {PG, CLASS(BOOL),                 CMP_ANY,    "EELLLLEELL"},
  /* NaN is NULL here, but there it equals itself and is above all. */
  {PG, FLOATS | DECIMALS,           CMP_ANY,    "ESEESSLSLL"},
  /* More digits than a double: see rhs_decimal(). */
  {PG, CLASS(DECIMAL),              CMP_ANY,    "SSSSSSEELL"},
  {PG, CLASS(TEXT),                 CMP(BYTES), "EEEEEEEESL"},
  {PG, CLASS(TEXT),                 CMP(EQUAL), "EELLLLEESL"},
  {PG, CLASS(TEXT),                 CMP_ANY,    "SLLLLLEESL"},
  /* bpchar ignores trailing blanks on both sides. */
  {PG, CLASS(CHAR),                 CMP_ANY,    "SLLLLLEELL"},
  {PG, CLASS(BLOB),                 CMP_ANY,    "EEEEEEEELL"},
  {PG, CLASS(TIME) | CLASS(UUID),   CMP_ANY,    "EEEEEEEELL"},
  /* Years before 1 and after 9999 print out of order: see deparse.c. */
  {PG, DATES,                       CMP_ANY,    "EESSSSEELL"},
  {PG, CLASS(OTHER),                CMP_ANY,    "LLLLLLEELL"},

  {MYSQL, CLASS(INT) | CLASS(UINT), CMP_ANY,    "EEEEEEEELL"},
  {MYSQL, CLASS(REAL) | DECIMALS,   CMP_ANY,    "EEEEEEEELL"},
  {MYSQL, CLASS(DECIMAL),           CMP_ANY,    "SSSSSSEELL"},
  {MYSQL, CLASS(BLOB),              CMP_ANY,    "EEEEEEEELL"},
  /* Collations fold case or accents and ignore trailing blanks. */
  {MYSQL, TEXTS,                    CMP(CI),    "SLLLLLEESL"},
  {MYSQL, TEXTS,                    CMP_ANY,    "SLLLLLEELL"},
  /* IS NULL also finds '0000-00-00' in a column that is NOT NULL. */
  {MYSQL, DATES,                    CMP_ANY,    "EEEEEESELL"},
  /* '-01:00:00' and '100:00:00' are out of order as text. */
  {MYSQL, CLASS(TIME),              CMP_ANY,    "EELLLLEELL"},
  {MYSQL, CLASS(FLOAT4),            CMP_ANY,    "LLLLLLEELL"},
  {MYSQL, CLASS(OTHER),             CMP_ANY,    "LLLLLLEELL"},

  {SQLITE, CLASS(INT),              CMP_ANY,    "EEEEEEEELL"},
  {SQLITE, CLASS(ANY),              CMP(BYTES), "EESSEEEESS"},
  /* A collation unknown here: compared as BINARY there. */
  {SQLITE, CLASS(ANY),              CMP(LOOSE), "EESSEEEESS"},
  /* A file in UTF-16: its bytes are not ours. */
  {SQLITE, CLASS(ANY),              CMP_ANY,    "LLLLLLEELL"},
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

static bool term_row(unsigned classes, unsigned compare,
                     const struct fed_column *col)
{
  return (classes & (1u << col->class)) && (compare & (1u << col->textcmp));
}

enum term_fit term_fit(const struct fed_dialect *dialect,
                       const struct fed_column *col, enum term_op op)
{
  for (size_t i = 0; i < FED_LEN(term_table); i++) {
    if (term_table[i].dialect != dialect ||
        !term_row(term_table[i].classes, term_table[i].compare, col))
      continue;
    switch (term_table[i].fit[op]) {
    case 'E':
      return TERM_EXACT;
    case 'S':
      return TERM_SUPERSET;
    default:
      return TERM_LOCAL;
    }
  }
  return TERM_LOCAL;
}

bool term_sorts(const struct fed_dialect *dialect, const struct fed_column *col)
{
  for (size_t i = 0; i < FED_LEN(term_sort_table); i++)
    if (term_sort_table[i].dialect == dialect &&
        term_row(term_sort_table[i].classes, term_sort_table[i].compare, col))
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
