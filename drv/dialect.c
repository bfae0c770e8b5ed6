#include "drv/dialect.h"

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
  /* Under "C" exactly the ASCII letters fold. */
  .nocase_like = "COLLATE \"C\" ILIKE",
  .max_params = 65535,
  .nulls_first = false,
  .select_before = dialect_nothing,
  .select_after = dialect_pg_after,
  .param_type = dialect_pg_param,
};

/* ---- MySQL and MariaDB ------------------------------------------------- */

const struct fed_dialect fed_dialect_mysql = {
  .name = "mysql",
  .quote = '`',
  .folds_case = true,
  .max_params = 65535,
  .nulls_first = true,
  .select_before = dialect_nothing,
  .select_after = dialect_nothing,
  .param_type = dialect_bare,
};

/* ---- SQLite ------------------------------------------------------------ */

const struct fed_dialect fed_dialect_sqlite = {
  .name = "sqlite",
  .quote = '"',
  .folds_case = true,
  .max_params = 32766, /* SQLITE_MAX_VARIABLE_NUMBER since 3.32 */
  .nulls_first = true,
  .select_before = dialect_nothing,
  .select_after = dialect_nothing,
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

void fed_dialect_column(const struct fed_dialect *dialect, struct fed_str *sql,
                        const struct fed_column *col)
{
  const char *before = dialect->select_before(col);
  const char *after = dialect->select_after(col);

  if (before) fed_str_add(sql, before);
  fed_dialect_name(dialect, sql, col->name);
  if (after) fed_str_add(sql, after);
}

static void dialect_param(const struct fed_dialect *dialect,
                          struct fed_str *sql, enum fed_class class, int n,
                          const char *suffix)
{
  const char *type = dialect->param_type(class);

  if (dialect->numbered)
    fed_str_addf(sql, "$%d", n);
  else
    fed_str_addc(sql, '?');
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
