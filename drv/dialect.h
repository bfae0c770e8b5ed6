/*
 * dialect: how a server wants its SQL written. Only what differs between
 * servers stands here; which terms may be sent at all is decided in
 * vtab/term.c.
 */
#ifndef FED_DIALECT_H
#define FED_DIALECT_H

#include "drv/drv.h"

struct fed_dialect {
  const char *name; /* as the decision table and the docs call it */
  char quote;       /* around identifiers, doubled inside */
  bool numbered;    /* placeholders are $1, $2, ...; else each is ? */
  bool arrays;      /* a list travels as one array: = ANY($1) */
  bool folds_case;  /* two columns' names never differ by case alone */
  int max_params;   /* placeholders in one statement */
  /* Without arrays: placeholders of one list. More values than that are
   * written into the text; false for one that cannot be. */
  int max_list;
  bool (*literal)(struct fed_str *sql, const struct fed_value *value);
  /* Around the text form of a column (fed_dialect_text): for comparing it by
   * its bytes; and what stands between it and a pattern of LIKE that folds
   * ASCII case at least, or of one that folds nothing. `like` NULL: patterns
   * are the server's own, in SQLite's syntax. */
  const char *bytes_before, *bytes_after;
  const char *like, *like_exact;
  /* Around a text parameter compared with that. */
  const char *bytes_param_before, *bytes_param_after;
  bool nulls_first;      /* NULL sorts first when ascending, as in SQLite */
  const char *same;      /* between a column of a key and its value */
  const char *lock;      /* behind a SELECT of rows that are to be changed */
  bool returning;        /* INSERT .. RETURNING, in every version we talk to */
  const char *no_values; /* INSERT of a row of defaults only, behind its name */
  const char *replace;   /* what stands for INSERT so that it replaces; NULL:
                            the server has no such statement */
  /* What to select so that the driver can decode the class, or NULL for the
   * bare column: the text around the quoted name. */
  const char *(*select_before)(const struct fed_column *col);
  const char *(*select_after)(const struct fed_column *col);
  /* The same for the text that we show of a value of it (without the
   * zeros at the end of a fraction). */
  const char *(*text_before)(const struct fed_column *col);
  const char *(*text_after)(const struct fed_column *col);
  /* Type to cast a parameter to so that the comparison means what is meant
   * ("int8" in $1::int8), or NULL for a bare placeholder. */
  const char *(*param_type)(enum fed_class class);
};

extern const struct fed_dialect fed_dialect_pg;
extern const struct fed_dialect fed_dialect_mysql;
extern const struct fed_dialect fed_dialect_sqlite;

/* Append a quoted identifier. */
void fed_dialect_name(const struct fed_dialect *dialect, struct fed_str *sql,
                      const char *name);

/* Append "schema"."table", or the parenthesised text of a query. */
void fed_dialect_relation(const struct fed_dialect *dialect,
                          struct fed_str *sql, const struct fed_relation *rel);

/* Append the select-list form of a column. */
void fed_dialect_column(const struct fed_dialect *dialect, struct fed_str *sql,
                        const struct fed_column *col);

/* Append the column as a text that equals the one we show. */
void fed_dialect_text(const struct fed_dialect *dialect, struct fed_str *sql,
                      const struct fed_column *col);

/* The same in a form that is compared and sorted by its bytes. */
void fed_dialect_bytes(const struct fed_dialect *dialect, struct fed_str *sql,
                       const struct fed_column *col);

/* Append placeholder number `n`, a text to compare with it; or a list. */
void fed_dialect_bytes_param(const struct fed_dialect *dialect,
                             struct fed_str *sql, int n, bool array);

/* Append placeholder number `n` (from 1), cast for `class`. */
void fed_dialect_param(const struct fed_dialect *dialect, struct fed_str *sql,
                       enum fed_class class, int n);

/* The same for an array of `class`; only where dialect->arrays. */
void fed_dialect_array(const struct fed_dialect *dialect, struct fed_str *sql,
                       enum fed_class class, int n);

/* Append one element to the text of an array, "{1,NULL,"a \\"b\\"", which `}`
 * ends; only where dialect->arrays. */
void fed_dialect_element(struct fed_str *array, const struct fed_value *value);

/*
 * Append placeholder number `n` for a value that is written to the column, or
 * is its key. Its type stands there: a statement that is kept prepared would
 * otherwise go on with that which the column had then.
 */
void fed_dialect_value(const struct fed_dialect *dialect, struct fed_str *sql,
                       const struct fed_column *col, int n);

/*
 * Append INSERT INTO relation (columns) VALUES, `rows` times placeholders for
 * `ncol` of its columns, by their places in rel->col. `replace`: see above.
 */
void fed_dialect_insert(const struct fed_dialect *dialect, struct fed_str *sql,
                        const struct fed_relation *rel, const int16_t *column,
                        int ncol, int rows, bool replace);

#endif
