/* sqlite.h: shared by the files of the sqlite driver only. */
#ifndef FED_DRV_SQLITE_H
#define FED_DRV_SQLITE_H

#include <sys/stat.h>

#include "drv/drv.h"

struct sq_conn {
  struct fed_conn base; /* first */
  sqlite3 *db;
  struct fed_dsn dsn; /* kept: reset() opens anew */
  struct stat file;   /* which file it was when opened */
  int64_t busy_ms;
  const struct fed_wait *wait; /* of the call that runs now */
  int64_t next_look;           /* when to ask `wait` again */
  int64_t busy_until;          /* how long to wait for another's lock */
  bool utf8;                   /* the file's encoding, not UTF-16 */
  bool in_tx;
  bool read_only; /* inside a read-only transaction */
};

static inline struct sq_conn *sq_of(struct fed_conn *conn)
{
  return (struct sq_conn *)conn;
}

/* Every call that may wait begins here. */
void fed_sq_enter(struct sq_conn *sq, const struct fed_wait *wait);

/* Record the handle's error as ours; returns its code. */
int fed_sq_error(struct sq_conn *sq, int rc, struct fed_err *err);

int fed_sq_catalog(struct fed_conn *conn, const struct fed_scope *scope,
                   struct fed_catalog *out, const struct fed_wait *wait,
                   struct fed_err *err);

extern const struct fed_driver fed_driver_sqlite;

#endif
