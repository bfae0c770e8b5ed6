/* The drivers compiled in: one row each, and nothing else. */
#include "drv/drv.h"

#ifdef FED_WITH_PG
extern const struct fed_driver fed_driver_pg;
#endif
#ifdef FED_WITH_MYSQL
extern const struct fed_driver fed_driver_mysql;
#endif
#ifdef FED_WITH_SQLITE
extern const struct fed_driver fed_driver_sqlite;
#endif

const struct fed_driver *const fed_drivers[] = {
#ifdef FED_WITH_PG
  &fed_driver_pg,
#endif
#ifdef FED_WITH_MYSQL
  &fed_driver_mysql,
#endif
#ifdef FED_WITH_SQLITE
  &fed_driver_sqlite,
#endif
  NULL,
};

#ifndef FED_WITH_SQLITE
int fed_sqlite_borrow(struct fed_conn **out, sqlite3 *db, struct fed_err *err)
{
  (void)db;
  *out = NULL;
  return fed_err_set(err, SQLITE_ERROR, "built without the sqlite driver");
}
#endif

const struct fed_driver *fed_driver_find(const char *scheme)
{
  for (int i = 0; fed_drivers[i]; i++)
    for (int j = 0; fed_drivers[i]->schemes[j]; j++)
      if (sqlite3_stricmp(fed_drivers[i]->schemes[j], scheme) == 0)
        return fed_drivers[i];
  return NULL;
}
