/* target_pg: migrations on PostgreSQL. */
#include <stdio.h>

#include "base/mem.h"
#include "migrate/dump.h"
#include "migrate/schema.h"
#include "migrate/target.h"
#include "migrate/token.h"

/*
 * What a script may have done to the session goes; what the server's own
 * client would start with comes back. Not DISCARD ALL: it gives up the lock.
 */
static bool pg_setting(const struct target *target, int i, struct fed_str *sql)
{
  if (i == 0) fed_str_add(sql, "SET SESSION AUTHORIZATION DEFAULT");
  if (i == 1) fed_str_add(sql, "RESET ALL");
  if (i == 2 && target->table_locks)
    fed_str_addf(sql, "SET lock_timeout = %lld",
                 (long long)target->lock_timeout);
  return i < 2 + target->table_locks;
}

static int pg_restore(struct target *target, struct fed_err *err)
{
  struct fed_str sql;
  int rc;

  fed_str_init(&sql, 4096);
  for (int i = 0; pg_setting(target, i, &sql); i++)
    fed_str_addc(&sql, ';');
  rc = fed_str_err(&sql, err);
  if (rc == SQLITE_OK)
    rc = fed_conn_exec(target->conn, sql.s, &target->wait, err);
  fed_str_release(&sql);
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

/*
 * Where a new table is made. But "$user" is first in the search_path of most
 * servers: a script that makes a schema of the user's name must not take the
 * history out of sight, so there the one that exists counts.
 */
#define PG_PLACE                                                               \
  "SELECT coalesce((SELECT n.nspname FROM pg_catalog.pg_class c JOIN "         \
  "pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = "         \
  "pg_catalog.to_regclass('dbfed_migration') AND current_schema() = "          \
  "current_user AND current_setting('search_path') LIKE '%\"$user\"%'), "      \
  "current_schema())::text"

static int pg_prepare(struct target *target, struct fed_err *err)
{
  int rc = pg_restore(target, err);

  return rc == SQLITE_OK ? target_rows(target, PG_PLACE, pg_place, target, err)
                         : rc;
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

/* ---- what a statement left ------------------------------------------------
 */

/* CREATE or DROP INDEX CONCURRENTLY: names as they are written. */
struct pg_index {
  const char *name, *table; /* NULL: none */
  size_t name_size, table_size;
};

static void pg_read(struct token_reader *r, struct token *token)
{
  do
    token_read(r, token);
  while (token->kind == TOKEN_BLANK);
}

static bool pg_word(const struct token *token, const char *word)
{
  return token_is(token, word, strlen(word));
}

/* A name with its dots; reads the token behind it. */
static size_t pg_name(struct token_reader *r, struct token *token,
                      const char **out)
{
  const char *end = token->s;

  *out = token->s;
  while (token->kind == TOKEN_WORD || token->kind == TOKEN_VALUE) {
    end = token->s + token->n;
    pg_read(r, token);
    if (!token_is(token, ".", 1)) break;
    pg_read(r, token);
  }
  return (size_t)(end - *out);
}

static bool pg_find(const struct split_stmt *stmt, struct pg_index *out)
{
  struct token_reader r;
  struct token token;
  bool drops =
    split_like(SPLIT_PG, stmt->sql, stmt->size, "drop index concurrently");

  memset(out, 0, sizeof *out);
  if (!drops && !split_like(SPLIT_PG, stmt->sql, stmt->size,
                            "create ?unique index concurrently"))
    return false;
  token_init(&r, SPLIT_PG, stmt->sql, stmt->size);
  do
    pg_read(&r, &token);
  while (!pg_word(&token, "concurrently"));
  do
    pg_read(&r, &token);
  while (pg_word(&token, "if") || pg_word(&token, "not") ||
         pg_word(&token, "exists"));
  if (!pg_word(&token, "on")) out->name_size = pg_name(&r, &token, &out->name);
  if (drops) return out->name_size > 0;
  if (pg_word(&token, "on")) pg_read(&r, &token);
  if (pg_word(&token, "only")) pg_read(&r, &token);
  out->table_size = pg_name(&r, &token, &out->table);
  return out->table_size > 0;
}

static int pg_text(void *arg, const struct fed_value *row, struct fed_err *err)
{
  struct fed_str *out = arg;

  if (row[0].type == FED_TEXT) fed_str_addn(out, row[0].p, (size_t)row[0].size);
  return fed_str_err(out, err);
}

#define PG_INDEX                                                               \
  "SELECT i.indexrelid::pg_catalog.regclass::text FROM pg_catalog.pg_index i " \
  "JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid WHERE i.indrelid = "     \
  "pg_catalog.to_regclass(?::text) AND "
#define PG_NAMED "c.relname = (pg_catalog.parse_ident(?::text))[1]::name"

/* An index that is built concurrently is there before it is valid. Without a
 * name it is one that was not there. */
static int pg_effect(struct target *target, const struct split_stmt *stmt,
                     struct fed_str *out, struct fed_err *err)
{
  struct fed_value args[2];
  struct pg_index index;

  if (!pg_find(stmt, &index)) return SQLITE_OK;
  args[0] = fed_value_text(index.table, (int64_t)index.table_size);
  args[1] = fed_value_text(index.name, (int64_t)index.name_size);
  if (!index.table)
    return target_query(target, "SELECT pg_catalog.to_regclass(?::text)::text",
                        &args[1], 1, pg_text, out, err);
  if (!index.name)
    return target_query(target, PG_INDEX "i.indisvalid ORDER BY 1", args, 1,
                        pg_text, out, err);
  return target_query(target, PG_INDEX "i.indisvalid AND " PG_NAMED, args, 2,
                      pg_text, out, err);
}

/* One that is not valid would be in the way; IF NOT EXISTS would take it. */
static int pg_clear(struct target *target, const struct split_stmt *stmt,
                    struct fed_err *err)
{
  struct pg_index index;
  struct fed_value args[2];
  struct fed_str sql;
  size_t empty;
  int rc;

  if (!pg_find(stmt, &index) || !index.table || !index.name) return SQLITE_OK;
  args[0] = fed_value_text(index.table, (int64_t)index.table_size);
  args[1] = fed_value_text(index.name, (int64_t)index.name_size);
  fed_str_init(&sql, 4096);
  fed_str_add(&sql, "DROP INDEX CONCURRENTLY ");
  empty = sql.len;
  rc = target_query(target, PG_INDEX "NOT i.indisvalid AND " PG_NAMED, args, 2,
                    pg_text, &sql, err);
  if (rc == SQLITE_OK) rc = fed_str_err(&sql, err);
  if (rc == SQLITE_OK && sql.len > empty)
    rc = fed_conn_exec(target->conn, sql.s, &target->wait, err);
  fed_str_release(&sql);
  return rc;
}

static const char *const pg_sets[] = {"set|reset|load",
                                      "select ?pg_catalog ?. set_config", NULL};
static const char *const pg_none[] = {NULL};
#define PG_FORGETS                                                             \
  "the statements that write the history would go, too: name those that are "  \
  "yours"
#define PG_PREPARES                                                            \
  "nobody would know whether it is done: end the transaction with COMMIT"
static const struct target_refusal pg_refused[] = {
  {"discard all",                     TARGET_UNLOCKS},
  {"select * pg_advisory_unlock_all", TARGET_UNLOCKS},
  {"deallocate ?prepare all",         PG_FORGETS    },
  {"prepare transaction",             PG_PREPARES   },
  {NULL,                              NULL          },
};

/* ---- several at once ------------------------------------------------------
 */

/* Whatever the session takes a backslash for. */
static void pg_literal(struct fed_str *sql, const struct fed_value *value)
{
  if (value->type == FED_INT) {
    fed_str_addf(sql, "%lld", (long long)value->i);
    return;
  }
  fed_str_add(sql, "E'");
  for (int64_t i = 0; i < value->size; i++) {
    if (value->p[i] == '\'' || value->p[i] == '\\')
      fed_str_addc(sql, value->p[i]);
    fed_str_addc(sql, value->p[i]);
  }
  fed_str_addc(sql, '\'');
}

static const char *const pg_plain[] = {
  "insert|update|delete|merge ~returning",
  "create|alter|drop|comment|grant|revoke|truncate", NULL};
static const struct target_batch pg_batch = {
  .begin = "BEGIN",
  .commit = "COMMIT",
  .plain = pg_plain,
  .alone = pg_none,
  .setting = pg_setting,
  .duration = "(1000 * extract(epoch FROM pg_catalog.clock_timestamp() - "
              "pg_catalog.now()))::bigint",
  .literal = pg_literal,
};

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
  .batch = &pg_batch,
  .effect = pg_effect,
  .clear = pg_clear,
  .sets = pg_sets,
  .may_commit = pg_none,
  .refused = pg_refused,
  .schema = schema_of_pg,
  .dump = dump_of_pg,
};
