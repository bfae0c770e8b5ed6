/* bind_int.h: what bind.c and bind_list.c share. Private to the two. */
#ifndef FED_VTAB_BIND_INT_H
#define FED_VTAB_BIND_INT_H

#include "vtab/scan.h"

/* Own a block until bind_forget(). */
int bind_hold(struct bind *bind, void *block, struct fed_err *err);

/* Append a value to bind; or the same in memory that lasts until then. */
int bind_arg(struct bind *bind, const struct fed_value *value,
             struct fed_err *err);
int bind_copy_arg(struct bind *bind, const struct fed_value *value,
                  struct fed_err *err);

/* How often a term of this form names its value. */
int bind_times(enum term_form form);

/* Bind the values of an IN; *now says what they make of its term. */
int bind_list(struct bind *bind, const struct fed_column *col,
              sqlite3_value *rhs, struct term_now *now, struct fed_err *err);

#endif
