/* call: functions of the program that loaded us, and what they must not do. */
#ifndef FED_MIGRATE_CALL_H
#define FED_MIGRATE_CALL_H

#include "base/err.h"

/* Around a call, which must leave the transaction of `local` as it is; `rc` is
 * how it went. */
int call_begin(sqlite3 *local, bool *inside, struct fed_err *err);
int call_end(sqlite3 *local, const char *name, bool inside, int rc,
             struct fed_err *err);

/*
 * SELECT name(args): `args` is a list as SQL has it. *yes, if asked for: is the
 * result true, as in a WHERE?
 */
int call_select(sqlite3 *local, const char *name, const char *args, bool *yes,
                struct fed_err *err);

#endif
