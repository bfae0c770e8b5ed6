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
  /* LIKE that folds the case of ASCII letters at least, as SQLite's does;
   * NULL: LIKE itself does, where the decision table lets it be sent. */
  const char *nocase_like;
  bool nulls_first; /* NULL sorts first when ascending, as in SQLite */
  /* What to select so that the driver can decode the class, or NULL for the
   * bare column: the text around the quoted name. */
  const char *(*select_before)(const struct fed_column *col);
  const char *(*select_after)(const struct fed_column *col);
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

/* Append placeholder number `n` (from 1), cast for `class`. */
void fed_dialect_param(const struct fed_dialect *dialect, struct fed_str *sql,
                       enum fed_class class, int n);

/* The same for an array of `class`; only where dialect->arrays. */
void fed_dialect_array(const struct fed_dialect *dialect, struct fed_str *sql,
                       enum fed_class class, int n);

#endif
