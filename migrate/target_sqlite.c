/*
 * target_sqlite: migrations on a SQLite file: the user's own connection, a
 * database attached to it, or a `sqlite:` server.
 *
 * BEGIN IMMEDIATE is the lock: whoever has it looks at the history first. It
 * ends with the process, and needs no table or file of its own.
 */
#include <stdio.h>

#include "base/mem.h"
#include "migrate/dump.h"
#include "migrate/schema.h"
#include "migrate/target.h"

static int lite_got(void *arg, const struct fed_value *row, struct fed_err *err)
{
  (void)err;
  *(int64_t *)arg = row[0].type == FED_INT ? row[0].i : 0;
  return SQLITE_OK;
}

static int lite_violations(struct target *target, int64_t *out,
                           struct fed_err *err)
{
  return target_query(target, "SELECT count(*) FROM pragma_foreign_key_check",
                      NULL, 0, lite_got, out, err);
}

/* On the user's handle without a statement: that would be interrupted, too. */
static int lite_foreign_keys(struct target *target, bool on,
                             struct fed_err *err)
{
  if (!target->local)
    return fed_conn_exec(target->conn,
                         on ? "PRAGMA foreign_keys = ON"
                            : "PRAGMA foreign_keys = OFF",
                         &target->wait, err);
  sqlite3_db_config(target->local, SQLITE_DBCONFIG_ENABLE_FKEY, on, NULL);
  return SQLITE_OK;
}

/* What a script may have set and not put back, as one number. */
static const char *const lite_flags[] = {
  "writable_schema", "legacy_alter_table", "ignore_check_constraints",
  "recursive_triggers", "query_only"};
#define LITE_FLAGS                                                             \
  "SELECT writable_schema + 2 * legacy_alter_table + 4 * "                     \
  "ignore_check_constraints + 8 * recursive_triggers + 16 * query_only FROM "  \
  "pragma_writable_schema, pragma_legacy_alter_table, "                        \
  "pragma_ignore_check_constraints, pragma_recursive_triggers, "               \
  "pragma_query_only"

static int lite_restore_flags(struct target *target, struct fed_err *err)
{
  int64_t now = 0;
  int rc = target_query(target, LITE_FLAGS, NULL, 0, lite_got, &now, err);

  for (size_t i = 0; i < FED_LEN(lite_flags) && rc == SQLITE_OK; i++) {
    char sql[64];

    if (!((now ^ target->flags) >> i & 1)) continue;
    snprintf(sql, sizeof sql, "PRAGMA %s = %d", lite_flags[i],
             (int)(target->flags >> i & 1));
    rc = fed_conn_exec(target->conn, sql, &target->wait, err);
  }
  return rc;
}

static int lite_text(void *arg, const struct fed_value *row,
                     struct fed_err *err)
{
  struct fed_str *out = arg;

  if (row[0].type == FED_TEXT) fed_str_addn(out, row[0].p, (size_t)row[0].size);
  return fed_str_err(out, err);
}

/* What a script has attached comes behind what there was. One that somebody
 * reads stays. */
static int lite_detach(struct target *target, struct fed_err *err)
{
  struct fed_err ignored = FED_ERR_INIT;
  struct fed_str sql;
  char query[256];
  int rc;

  snprintf(query, sizeof query,
           "SELECT group_concat('DETACH ' || quote(name), ';') FROM (SELECT "
           "name FROM pragma_database_list WHERE name <> 'temp' ORDER BY seq "
           "LIMIT -1 OFFSET %lld)",
           (long long)target->attached);
  fed_str_init(&sql, 4096);
  rc = target_query(target, query, NULL, 0, lite_text, &sql, err);
  if (rc == SQLITE_OK && sql.len)
    fed_conn_exec(target->conn, sql.s, &target->wait, &ignored);
  fed_str_release(&sql);
  return rc;
}

static int lite_prepare(struct target *target, struct fed_err *err)
{
  int64_t on = 0;
  int rc = target_query(target, "SELECT foreign_keys FROM pragma_foreign_keys",
                        NULL, 0, lite_got, &on, err);

  if (rc == SQLITE_OK)
    rc =
      target_query(target, LITE_FLAGS, NULL, 0, lite_got, &target->flags, err);
  if (rc == SQLITE_OK)
    rc = target_query(
      target, "SELECT count(*) FROM pragma_database_list WHERE name <> 'temp'",
      NULL, 0, lite_got, &target->attached, err);
  if (rc != SQLITE_OK) return rc;
  target->foreign_keys = on;
  target->table = fed_strdup("\"main\".dbfed_migration");
  target->where = fed_strdup("main");
  return target->table && target->where ? SQLITE_OK : fed_err_nomem(err);
}

/*
 * A table is rebuilt by making a new one and dropping the old, which deletes
 * or refuses what refers to it where foreign keys are on; and inside a
 * transaction they cannot be switched off. So they are off for the whole
 * script, and what it broke is found at its end.
 */
static int lite_begin_check(struct target *target, struct fed_err *err)
{
  int rc = lite_violations(target, &target->violations, err);

  /* "foreign key mismatch": what was wrong before is not the script's. */
  if (rc == SQLITE_ERROR) {
    fed_err_clear(err);
    target->violations = INT64_MAX;
    rc = SQLITE_OK;
  }
  return rc == SQLITE_OK ? lite_foreign_keys(target, false, err) : rc;
}

struct lite_broken {
  int64_t rows;
  char tables[160];
};

static int lite_broken(void *arg, const struct fed_value *row,
                       struct fed_err *err)
{
  struct lite_broken *broken = arg;

  (void)err;
  broken->rows = row[0].i;
  sqlite3_snprintf((int)sizeof broken->tables, broken->tables, "%.*s",
                   row[1].type == FED_TEXT ? (int)row[1].size : 0,
                   row[1].type == FED_TEXT ? row[1].p : "");
  return SQLITE_OK;
}

static int lite_end_check(struct target *target, struct fed_err *err)
{
  struct lite_broken now = {0};
  int64_t more;
  int rc;

  if (target->violations == INT64_MAX) return SQLITE_OK;
  rc = target_query(target,
                    "SELECT count(*), group_concat(DISTINCT \"table\")"
                    " FROM pragma_foreign_key_check",
                    NULL, 0, lite_broken, &now, err);
  more = now.rows - target->violations;
  if (rc == SQLITE_OK && more > 0)
    rc = fed_err_set(err, SQLITE_CONSTRAINT_FOREIGNKEY,
                     "it leaves %lld row%s in '%s' without the row of another "
                     "table that REFERENCES names; all of it is undone",
                     (long long)more, more > 1 ? "s" : "", now.tables);
  return rc;
}

/* Also where the script itself set it, as scripts for other tools do. What does
 * most harm is set back without a statement: it may have been interrupted. */
static int lite_restore(struct target *target, struct fed_err *err)
{
  int rc = lite_foreign_keys(target, target->foreign_keys, err);

  if (target->local)
    sqlite3_db_config(target->local, SQLITE_DBCONFIG_WRITABLE_SCHEMA,
                      (int)(target->flags & 1), NULL);
  if (rc == SQLITE_OK) rc = lite_restore_flags(target, err);
  return rc == SQLITE_OK ? lite_detach(target, err) : rc;
}

static const char *const lite_sets[] = {"attach|detach|pragma", NULL};
static const char *const lite_none[] = {NULL};
static const struct target_refusal lite_refused[] = {
  {NULL, NULL}
};

const struct target_kind target_sqlite = {
  .driver = "sqlite",
  .split = SPLIT_SQLITE,
  .columns =
    "id INTEGER PRIMARY KEY, action TEXT NOT NULL, version TEXT NOT NULL, "
    "name TEXT NOT NULL, checksum TEXT NOT NULL, state TEXT NOT NULL, "
    "statements INTEGER NOT NULL, done INTEGER NOT NULL, prefix TEXT NOT NULL, "
    "effect TEXT NOT NULL, started_at TEXT NOT NULL, duration_ms INTEGER NOT "
    "NULL, applied_by TEXT NOT NULL, error TEXT NOT NULL)",
  .exists = "SELECT 1 FROM main.sqlite_schema WHERE ? = 'main' AND name = "
            "'dbfed_migration'",
  .quick_begin = true,
  .sets = lite_sets,
  .may_commit = lite_none,
  .refused = lite_refused,
  .prepare = lite_prepare,
  .restore = lite_restore,
  .begin_check = lite_begin_check,
  .end_check = lite_end_check,
  .schema = schema_of_sqlite,
  .dump = dump_of_sqlite,
};
