/* target_pg: migrations on PostgreSQL. */
#include <stdio.h>

#include "base/mem.h"
#include "migrate/target.h"

/*
 * What a script may have done to the session goes; what the server's own
 * client would start with comes back. Not DISCARD ALL: it gives up the lock.
 */
static int pg_restore(struct target *target, struct fed_err *err)
{
  static const char *const sql[] = {"SET SESSION AUTHORIZATION DEFAULT",
                                    "RESET ALL"};
  int rc = SQLITE_OK;

  for (size_t i = 0; i < FED_LEN(sql) && rc == SQLITE_OK; i++)
    rc = fed_conn_exec(target->conn, sql[i], &target->wait, err);
  if (rc == SQLITE_OK && target->table_locks) {
    char text[64];

    snprintf(text, sizeof text, "SET lock_timeout = %lld",
             (long long)target->lock_timeout);
    rc = fed_conn_exec(target->conn, text, &target->wait, err);
  }
  return rc;
}

static int pg_place(void *arg, const struct fed_value *row, struct fed_err *err)
{
  struct target *target = arg;
  struct fed_str table;

  if (row[0].type == FED_NULL)
    return fed_err_set(err, SQLITE_ERROR,
                       "no schema of its search_path exists: CREATE SCHEMA, "
                       "or ALTER ROLE ... SET search_path");
  target->where = fed_strndup(row[0].p, (size_t)row[0].size);
  fed_str_init(&table, 1024);
  if (target->where) {
    fed_str_quote(&table, target->where, '"');
    fed_str_add(&table, ".dbfed_migration");
  }
  target->table = fed_str_detach(&table);
  return target->where && target->table ? SQLITE_OK : fed_err_nomem(err);
}

static int pg_prepare(struct target *target, struct fed_err *err)
{
  int rc = pg_restore(target, err);

  if (rc != SQLITE_OK) return rc;
  return target_query(target, "SELECT current_schema()::text", NULL, 0,
                      pg_place, target, err);
}

static int pg_got(void *arg, const struct fed_value *row, struct fed_err *err)
{
  (void)err;
  *(bool *)arg = row[0].type == FED_INT && row[0].i;
  return SQLITE_OK;
}

/* Advisory locks are those of one database; the schema tells histories apart.
 */
#define PG_KEY "hashtextextended('dbfed_migration.' || ?::text, 0)"

static int pg_try_lock(struct target *target, bool *got, struct fed_err *err)
{
  struct fed_value where = fed_value_cstr(target->where);

  return target_query(target, "SELECT pg_try_advisory_lock(" PG_KEY ")", &where,
                      1, pg_got, got, err);
}

static void pg_unlock(struct target *target)
{
  struct fed_value where = fed_value_cstr(target->where);
  struct fed_err ignored = FED_ERR_INIT;

  target_query(target, "SELECT pg_advisory_unlock(" PG_KEY ")", &where, 1, NULL,
               NULL, &ignored);
}

/* An index that is built concurrently is there before it is valid. */
static int pg_effect(struct target *target, const struct split_stmt *stmt,
                     struct fed_str *out, struct fed_err *err)
{
  (void)target;
  (void)stmt;
  (void)out;
  (void)err;
  return SQLITE_OK;
}

const struct target_kind target_pg = {
  .driver = "pg",
  .split = SPLIT_PG,
  .columns = "id bigint PRIMARY KEY, action text NOT NULL, version text NOT "
             "NULL, name text NOT NULL, checksum text NOT NULL, state text NOT "
             "NULL, statements bigint NOT NULL, done bigint NOT NULL, prefix "
             "text NOT NULL, effect text NOT NULL, started_at text NOT NULL, "
             "duration_ms bigint NOT NULL, applied_by text NOT NULL, error "
             "text NOT NULL)",
  .exists = "SELECT 1 FROM pg_catalog.pg_tables WHERE schemaname = ? AND "
            "tablename = 'dbfed_migration'",
  .prepare = pg_prepare,
  .try_lock = pg_try_lock,
  .unlock = pg_unlock,
  .restore = pg_restore,
  .effect = pg_effect,
};
