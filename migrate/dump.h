/*
 * dump: a database's schema as statements that make it again.
 *
 * Asked from the catalog, not made by pg_dump or mysqldump: see docs/design.md.
 */
#ifndef FED_DUMP_H
#define FED_DUMP_H

#include "migrate/target.h"

/* The slots of target_kind: append all but our own table. `where` as for
 * schema_load. */
int dump_of_pg(struct target *target, const char *where, struct fed_str *out,
               struct fed_err *err);
int dump_of_mysql(struct target *target, const char *where, struct fed_str *out,
                  struct fed_err *err);
int dump_of_sqlite(struct target *target, const char *where,
                   struct fed_str *out, struct fed_err *err);

/* All of it, with our table and its rows. */
int dump_write(struct target *target, const char *where, struct fed_str *out,
               struct fed_err *err);

#endif
