/*
 * given.h: which columns an INSERT names. SQLite gives NULL to a virtual table
 * for a column that was left out and for one that was given NULL; only the
 * statement's text tells them apart. Private to vtab/.
 */
#ifndef FED_VTAB_GIVEN_H
#define FED_VTAB_GIVEN_H

#include "base/base.h"

enum given {
  GIVEN_UNKNOWN, /* this is no INSERT into that table */
  GIVEN_ALL,     /* there is no list */
  GIVEN_NONE,    /* DEFAULT VALUES */
  GIVEN_LISTED,  /* there is one */
};

/*
 * Read `sql`, the text of a statement that SQLite has compiled. `column` is
 * the place in the text where the list of columns begins, for given_names().
 */
enum given given_by(const char *sql, const char *schema, const char *table,
                    const char **column);

/* Is `name` in the list that begins at `column`? */
bool given_names(const char *column, const char *name);

#endif
