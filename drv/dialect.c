#include "drv/dialect.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const char *dialect_nothing(const struct fed_column *col)
{
  (void)col;
  return NULL;
}

static const char *dialect_bare(enum fed_class class)
{
  (void)class;
  return NULL;
}

/* ---- literals ---------------------------------------------------------- */

static void dialect_hex(struct fed_str *sql, const struct fed_value *value)
{
  static const char digits[] = "0123456789abcdef";

  fed_str_add(sql, "x'");
  for (int64_t i = 0; i < value->size; i++) {
    unsigned char byte = (unsigned char)value->p[i];

    fed_str_addc(sql, digits[byte >> 4]);
    fed_str_addc(sql, digits[byte & 15]);
  }
  fed_str_addc(sql, '\'');
}

/* All its digits, and an exponent, by which it is a double everywhere. */
static bool dialect_real(struct fed_str *sql, double r)
{
  char text[48], *comma;

  if (!isfinite(r)) return false;
  snprintf(text, sizeof text, "%.16e", r);
  if ((comma = strchr(text, ',')) != NULL) *comma = '.';
  fed_str_add(sql, text);
  return true;
}

/* Its bytes, whatever the session takes a backslash for. */
static bool dialect_my_literal(struct fed_str *sql,
                               const struct fed_value *value)
{
  if (value->type == FED_REAL) return dialect_real(sql, value->r);
  if (value->type == FED_INT) {
    fed_str_addf(sql, "%lld", (long long)value->i);
    return true;
  }
  if (value->type == FED_TEXT) fed_str_add(sql, "_utf8mb4 ");
  if (value->type != FED_NULL) dialect_hex(sql, value);
  return value->type != FED_NULL;
}

static bool dialect_sqlite_literal(struct fed_str *sql,
                                   const struct fed_value *value)
{
  if (value->type != FED_TEXT) return dialect_my_literal(sql, value);
  fed_str_addc(sql, '\'');
  for (int64_t i = 0; i < value->size; i++) {
    if (value->p[i] == 0) return false;
    if (value->p[i] == '\'') fed_str_addc(sql, '\'');
    fed_str_addc(sql, value->p[i]);
  }
  fed_str_addc(sql, '\'');
  return true;
}

/* ---- PostgreSQL -------------------------------------------------------- */

/*
 * Types whose binary form is the server's own business travel as text. For
 * inet that cast is a function of its own, which adds /32; by way of name,
 * which has none, it is what the server prints.
 */
static const char *dialect_pg_after(const struct fed_column *col)
{
  if (col->class != FED_CLASS_OTHER) return NULL;
  return strcmp(col->type, "inet") == 0 ? "::name::text" : "::text";
}

/* The session prints dates in ISO and times in UTC, see pg_open.c. */
static const char *dialect_pg_text_before(const struct fed_column *col)
{
  return col->class == FED_CLASS_TIMESTAMPTZ ? "(" : NULL;
}

/* bpchar loses its blanks by the cast. */
static const char *dialect_pg_text_after(const struct fed_column *col)
{
  if (col->class == FED_CLASS_TEXT) return NULL;
  if (col->class == FED_CLASS_TIMESTAMPTZ) return " AT TIME ZONE 'UTC')::text";
  return col->class == FED_CLASS_OTHER ? dialect_pg_after(col) : "::text";
}

/*
 * A bare $1 would take the type of the column, and a value outside its range
 * would be an error. The wide types compare across without losing the index.
 */
static const char *dialect_pg_param(enum fed_class class)
{
  switch (class) {
  case FED_CLASS_INT:
    return "int8";
  case FED_CLASS_BOOL:
    return "bool";
  case FED_CLASS_REAL:
  case FED_CLASS_FLOAT4:
    return "float8";
  case FED_CLASS_UINT:
  case FED_CLASS_DECINT:
  case FED_CLASS_DECREAL:
  case FED_CLASS_DECIMAL:
    return "numeric";
  case FED_CLASS_TEXT:
  case FED_CLASS_OTHER:
    return "text";
  case FED_CLASS_CHAR:
    return "bpchar";
  case FED_CLASS_BLOB:
    return "bytea";
  case FED_CLASS_DATE:
    return "date";
  case FED_CLASS_TIME:
    return "time";
  case FED_CLASS_TIMESTAMP:
    return "timestamp";
  case FED_CLASS_TIMESTAMPTZ:
    return "timestamptz";
  case FED_CLASS_UUID:
    return "uuid";
  case FED_CLASS_ANY:
  case FED_CLASS_COUNT:
    break;
  }
  return NULL;
}

const struct fed_dialect fed_dialect_pg = {
  .name = "postgres",
  .quote = '"',
  .numbered = true,
  .arrays = true,
  .bytes_before = "",
  .bytes_after = " COLLATE \"C\"",
  /* Under "C" exactly the ASCII letters fold. */
  .like = " COLLATE \"C\" ILIKE ",
  .like_exact = " COLLATE \"C\" LIKE ",
  .bytes_param_before = "",
  .bytes_param_after = "::text",
  .max_params = 65535,
  .nulls_first = false,
  .same = " = ",
  .lock = " FOR UPDATE",
  .returning = true,
  .no_values = " DEFAULT VALUES",
  .select_before = dialect_nothing,
  .select_after = dialect_pg_after,
  .text_before = dialect_pg_text_before,
  .text_after = dialect_pg_text_after,
  .param_type = dialect_pg_param,
};

/* ---- MySQL and MariaDB ------------------------------------------------- */

/* datetime(3) prints its zeros. */
static bool dialect_my_trims(const struct fed_column *col)
{
  return (col->class == FED_CLASS_TIME || col->class == FED_CLASS_TIMESTAMP ||
          col->class == FED_CLASS_TIMESTAMPTZ) &&
         strchr(col->type, '(') != NULL;
}

static const char *dialect_my_text_before(const struct fed_column *col)
{
  return dialect_my_trims(col) ? "TRIM(TRAILING '.' FROM TRIM(TRAILING '0' "
                                 "FROM CONVERT("
                               : "CONVERT(";
}

static const char *dialect_my_text_after(const struct fed_column *col)
{
  return dialect_my_trims(col) ? " USING utf8mb4)))" : " USING utf8mb4)";
}

const struct fed_dialect fed_dialect_mysql = {
  .name = "mysql",
  .quote = '`',
  .folds_case = true,
  .max_params = 65535,
  .max_list = 4096,
  .literal = dialect_my_literal,
  /* A collation would fold case or accents, or ignore trailing blanks. */
  .bytes_before = "CAST(",
  .bytes_after = " AS BINARY)",
  .like = " COLLATE utf8mb4_general_ci LIKE ",
  .like_exact = " COLLATE utf8mb4_bin LIKE ",
  .bytes_param_before = "CAST(",
  .bytes_param_after = " AS BINARY)",
  .nulls_first = true,
  .same = " = ",
  .lock = " FOR UPDATE",
  .no_values = " () VALUES ()",
  .replace = "REPLACE",
  .select_before = dialect_nothing,
  .select_after = dialect_nothing,
  .text_before = dialect_my_text_before,
  .text_after = dialect_my_text_after,
  .param_type = dialect_bare,
};

/* ---- SQLite ------------------------------------------------------------ */

const struct fed_dialect fed_dialect_sqlite = {
  .name = "sqlite",
  .quote = '"',
  .folds_case = true,
  .max_params = 32766, /* SQLITE_MAX_VARIABLE_NUMBER since 3.32 */
  .max_list = 4096,
  .literal = dialect_sqlite_literal,
  .bytes_before = "",
  .bytes_after = "",
  .bytes_param_before = "",
  .bytes_param_after = "",
  .nulls_first = true,
  .same = " IS ", /* a primary key may hold NULLs */
  .lock = "",     /* one writes at a time */
  .returning = true,
  .no_values = " DEFAULT VALUES",
  .replace = "INSERT OR REPLACE",
  .select_before = dialect_nothing,
  .select_after = dialect_nothing,
  .text_before = dialect_nothing,
  .text_after = dialect_nothing,
  .param_type = dialect_bare,
};

/* ---- writing ----------------------------------------------------------- */

void fed_dialect_name(const struct fed_dialect *dialect, struct fed_str *sql,
                      const char *name)
{
  fed_str_quote(sql, name, dialect->quote);
}

void fed_dialect_relation(const struct fed_dialect *dialect,
                          struct fed_str *sql, const struct fed_relation *rel)
{
  if (rel->kind == FED_KIND_QUERY) {
    /* The line break ends a "-- comment" at the end of the user's text. */
    fed_str_add(sql, "(");
    fed_str_add(sql, rel->name);
    fed_str_add(sql, "\n) AS q");
    return;
  }
  if (rel->schema[0]) {
    fed_dialect_name(dialect, sql, rel->schema);
    fed_str_addc(sql, '.');
  }
  fed_dialect_name(dialect, sql, rel->name);
}

static void dialect_around(const struct fed_dialect *dialect,
                           struct fed_str *sql, const char *before,
                           const struct fed_column *col, const char *after)
{
  if (before) fed_str_add(sql, before);
  fed_dialect_name(dialect, sql, col->name);
  if (after) fed_str_add(sql, after);
}

void fed_dialect_column(const struct fed_dialect *dialect, struct fed_str *sql,
                        const struct fed_column *col)
{
  dialect_around(dialect, sql, dialect->select_before(col), col,
                 dialect->select_after(col));
}

void fed_dialect_text(const struct fed_dialect *dialect, struct fed_str *sql,
                      const struct fed_column *col)
{
  dialect_around(dialect, sql, dialect->text_before(col), col,
                 dialect->text_after(col));
}

void fed_dialect_bytes(const struct fed_dialect *dialect, struct fed_str *sql,
                       const struct fed_column *col)
{
  fed_str_add(sql, dialect->bytes_before);
  fed_dialect_text(dialect, sql, col);
  fed_str_add(sql, dialect->bytes_after);
}

static void dialect_placeholder(const struct fed_dialect *dialect,
                                struct fed_str *sql, int n)
{
  if (dialect->numbered)
    fed_str_addf(sql, "$%d", n);
  else
    fed_str_addc(sql, '?');
}

void fed_dialect_bytes_param(const struct fed_dialect *dialect,
                             struct fed_str *sql, int n, bool array)
{
  fed_str_add(sql, dialect->bytes_param_before);
  dialect_placeholder(dialect, sql, n);
  fed_str_add(sql, dialect->bytes_param_after);
  if (array) fed_str_add(sql, "[]");
}

static void dialect_param(const struct fed_dialect *dialect,
                          struct fed_str *sql, enum fed_class class, int n,
                          const char *suffix)
{
  const char *type = dialect->param_type(class);

  dialect_placeholder(dialect, sql, n);
  if (type) fed_str_addf(sql, "::%s%s", type, suffix);
}

void fed_dialect_param(const struct fed_dialect *dialect, struct fed_str *sql,
                       enum fed_class class, int n)
{
  dialect_param(dialect, sql, class, n, "");
}

void fed_dialect_array(const struct fed_dialect *dialect, struct fed_str *sql,
                       enum fed_class class, int n)
{
  dialect_param(dialect, sql, class, n, "[]");
}

/*
 * The wide types are assigned to narrower ones, which is an error out of their
 * range. What is rounded to a float4 equals no float8. To a type that the
 * server alone understands only itself is assigned; one with a length would be
 * cut.
 */
void fed_dialect_value(const struct fed_dialect *dialect, struct fed_str *sql,
                       const struct fed_column *col, int n)
{
  const char *type = dialect->param_type(col->class);

  if (type && col->class == FED_CLASS_FLOAT4) type = "float4";
  if (type && col->class == FED_CLASS_OTHER)
    type = strchr(col->type, '(') ? NULL : col->type;
  dialect_placeholder(dialect, sql, n);
  if (type) fed_str_addf(sql, "::%s", type);
}

void fed_dialect_insert(const struct fed_dialect *dialect, struct fed_str *sql,
                        const struct fed_relation *rel, const int16_t *column,
                        int ncol, int rows, bool replace)
{
  fed_str_addf(sql, "%s INTO ", replace ? dialect->replace : "INSERT");
  fed_dialect_relation(dialect, sql, rel);
  if (ncol == 0) {
    fed_str_add(sql, dialect->no_values);
    return;
  }
  for (int i = 0; i < ncol; i++) {
    fed_str_add(sql, i ? ", " : " (");
    fed_dialect_name(dialect, sql, rel->col[column[i]].name);
  }
  fed_str_add(sql, ") VALUES ");
  for (int n = 1; n <= rows * ncol; n++) {
    fed_str_add(sql, n % ncol == 1 || ncol == 1 ? n > 1 ? ", (" : "(" : ", ");
    fed_dialect_value(dialect, sql, &rel->col[column[(n - 1) % ncol]], n);
    if (n % ncol == 0) fed_str_addc(sql, ')');
  }
}

/* 17 digits give the same double back. */
static void dialect_element_real(struct fed_str *array, double r)
{
  char text[48], *comma;

  snprintf(text, sizeof text, "%.17g", r);
  if ((comma = strchr(text, ',')) != NULL) *comma = '.';
  fed_str_addf(array, "\"%s\"", text);
}

void fed_dialect_element(struct fed_str *array, const struct fed_value *value)
{
  fed_str_addc(array, array->len ? ',' : '{');
  switch (value->type) {
  case FED_NULL:
    fed_str_add(array, "NULL");
    break;
  case FED_INT:
    fed_str_addf(array, "%lld", (long long)value->i);
    break;
  case FED_REAL:
    dialect_element_real(array, value->r);
    break;
  case FED_TEXT:
    fed_str_addc(array, '"');
    for (int64_t i = 0; i < value->size; i++) {
      if (value->p[i] == '"' || value->p[i] == '\\') fed_str_addc(array, '\\');
      fed_str_addc(array, value->p[i]);
    }
    fed_str_addc(array, '"');
    break;
  case FED_BLOB:
    fed_str_add(array, "\"\\\\x");
    for (int64_t i = 0; i < value->size; i++)
      fed_str_addf(array, "%02x", (unsigned char)value->p[i]);
    fed_str_addc(array, '"');
    break;
  }
}
