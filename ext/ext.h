/* ext: the SQL surface: functions, collations, and their registration. */
#ifndef FED_EXT_H
#define FED_EXT_H

#include "base/err.h"

/*
 * Register everything with `db`, once: a second call for the same connection
 * changes nothing. On error *message is for sqlite3_free().
 */
int fed_ext_register(sqlite3 *db, char **message);

/*
 * The collation `decimal`: texts that are decimal numbers in the order of
 * their values, -Infinity first, Infinity and then NaN last; other texts
 * after those, bytewise. Numbers compare equal whatever their zeros.
 */
int fed_decimal_compare(void *unused, int na, const void *a, int nb,
                        const void *b);

#endif
