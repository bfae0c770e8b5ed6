/*
 * base.h: the first include of every .c file.
 *
 * dbfed lives inside someone else's program. It reaches SQLite only through
 * the function table that the loader hands over (sqlite3ext.h), so that one
 * binary works in every host. Programs that link dbfed statically compile it
 * with -DSQLITE_CORE, which turns the same calls into plain ones.
 */
#ifndef FED_BASE_H
#define FED_BASE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <sqlite3ext.h>
#ifndef FED_ENTRY /* sqlite-fed.c defines the table, all others use it */
SQLITE_EXTENSION_INIT3
#endif

/* The oldest SQLite with the virtual-table calls that the planner needs. */
#define FED_SQLITE_MIN 3038000

#define FED_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define FED_MUSTCHECK         __attribute__((warn_unused_result))
#define FED_LEN(array)        (sizeof(array) / sizeof((array)[0]))

/* The struct that holds `member` at the address `ptr`. */
#define FED_CONTAINER(ptr, type, member)                                       \
  ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

#endif
