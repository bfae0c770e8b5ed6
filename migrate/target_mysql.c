/* target_mysql: migrations on MySQL and MariaDB. */
#include "base/mem.h"
#include "migrate/dump.h"
#include "migrate/schema.h"
#include "migrate/target.h"
#include "migrate/token.h"

/*
 * The session of the server's own client, whatever the driver wants for
 * reading, and whatever a script (a dump, say) has set. Not the protocol's
 * reset: that gives up the lock.
 */
static bool mysql_setting(const struct target *target, int i,
                          struct fed_str *sql)
{
  long long seconds = (target->lock_timeout + 999) / 1000;

  if (i == 1) {
    fed_str_add(sql, "USE ");
    fed_str_quote(sql, target->where, '`');
  }
  if (i != 0) return i == 1;
  fed_str_add(sql,
              "SET NAMES utf8mb4, sql_mode = DEFAULT, time_zone = DEFAULT, "
              "foreign_key_checks = DEFAULT, unique_checks = DEFAULT, "
              "default_storage_engine = DEFAULT, autocommit = 1, "
              "sql_safe_updates = 0");
  if (target->table_locks)
    fed_str_addf(sql,
                 ", lock_wait_timeout = %lld, innodb_lock_wait_timeout = %lld",
                 seconds, seconds);
  return true;
}

static int mysql_restore(struct target *target, struct fed_err *err)
{
  struct fed_str sql;
  int rc = SQLITE_OK;

  fed_str_init(&sql, 4096);
  for (int i = 0; rc == SQLITE_OK && mysql_setting(target, i, &sql); i++) {
    rc = fed_str_err(&sql, err);
    if (rc == SQLITE_OK)
      rc = fed_conn_exec(target->conn, sql.s, &target->wait, err);
    fed_str_reset(&sql);
  }
  fed_str_release(&sql);
  return rc;
}

static int mysql_place(void *arg, const struct fed_value *row,
                       struct fed_err *err)
{
  struct target *target = arg;
  struct fed_str table;

  if (row[0].type == FED_NULL)
    return fed_err_set(err, SQLITE_ERROR,
                       "the URL names no database: mysql://host/DATABASE");
  target->where = fed_strndup(row[0].p, (size_t)row[0].size);
  fed_str_init(&table, 1024);
  if (target->where) {
    fed_str_quote(&table, target->where, '`');
    fed_str_add(&table, ".dbfed_migration");
  }
  target->table = fed_str_detach(&table);
  return target->where && target->table ? SQLITE_OK : fed_err_nomem(err);
}

static int mysql_prepare(struct target *target, struct fed_err *err)
{
  int rc = target_query(target, "SELECT database()", NULL, 0, mysql_place,
                        target, err);

  return rc == SQLITE_OK ? mysql_restore(target, err) : rc;
}

static int mysql_got(void *arg, const struct fed_value *row,
                     struct fed_err *err)
{
  (void)err;
  *(bool *)arg = row[0].type == FED_INT && row[0].i == 1;
  return SQLITE_OK;
}

/* Names are the whole server's, and of 64 characters at most. */
#define MYSQL_KEY "concat('dbfed_migration.', sha1(?))"

static int mysql_try_lock(struct target *target, bool *got, struct fed_err *err)
{
  struct fed_value where = fed_value_cstr(target->where);

  return target_query(target, "SELECT get_lock(" MYSQL_KEY ", 0)", &where, 1,
                      mysql_got, got, err);
}

static void mysql_unlock(struct target *target)
{
  struct fed_value where = fed_value_cstr(target->where);
  struct fed_err ignored = FED_ERR_INIT;

  target_query(target, "SELECT release_lock(" MYSQL_KEY ")", &where, 1, NULL,
               NULL, &ignored);
}

/* ---- what a statement changes -------------------------------------------- */

/* The object of a DDL statement: how SHOW CREATE calls its kind, its name. */
struct mysql_object {
  const char *kind;
  const char *name; /* in the statement, with quotes and dots */
  size_t size;
};

static bool mysql_word(const struct token *token, const char *word)
{
  return token_is(token, word, strlen(word));
}

static const char *mysql_kind(const struct token *token)
{
  static const struct {
    const char *word, *kind;
  } kinds[] = {
    {"TABLE",     "TABLE"    },
    {"TABLES",    "TABLE"    },
    {"INDEX",     "INDEX"    },
    {"KEY",       "INDEX"    },
    {"VIEW",      "VIEW"     },
    {"PROCEDURE", "PROCEDURE"},
    {"FUNCTION",  "FUNCTION" },
    {"TRIGGER",   "TRIGGER"  },
    {"EVENT",     "EVENT"    },
    {"DATABASE",  "DATABASE" },
    {"SCHEMA",    "DATABASE" },
    {"SEQUENCE",  "SEQUENCE" },
    {"USER",      "USER"     },
  };

  for (size_t i = 0; i < FED_LEN(kinds); i++)
    if (mysql_word(token, kinds[i].word)) return kinds[i].kind;
  return NULL;
}

static void mysql_read(struct token_reader *r, struct token *token)
{
  do
    token_read(r, token);
  while (token->kind == TOKEN_BLANK || token->kind == TOKEN_CODE);
}

/* A name with its dots, from the token at hand to before the next one. */
static void mysql_name(struct token_reader *r, struct token *token,
                       struct mysql_object *out)
{
  const char *end;

  out->name = token->s;
  do {
    end = token->s + token->n;
    mysql_read(r, token);
    if (token->kind != TOKEN_MARK || token->s[0] != '.') break;
    mysql_read(r, token);
  } while (token->kind == TOKEN_WORD || token->kind == TOKEN_VALUE);
  out->size = (size_t)(end - out->name);
}

/* An index is its table's: that comes behind ON. */
static void mysql_index(struct token_reader *r, struct token *token,
                        struct mysql_object *out)
{
  out->kind = NULL;
  while (token->kind != TOKEN_END && !mysql_word(token, "ON"))
    mysql_read(r, token);
  if (token->kind == TOKEN_END) return;
  mysql_read(r, token);
  out->kind = "TABLE";
  mysql_name(r, token, out);
}

/* CREATE [OR REPLACE] [..] kind [IF [NOT] EXISTS] name. Kind NULL: no such. */
static void mysql_find(const struct split_stmt *stmt, struct mysql_object *out)
{
  struct token_reader r;
  struct token token;
  bool drops;

  token_init(&r, SPLIT_MYSQL, stmt->sql, stmt->size);
  mysql_read(&r, &token);
  drops = mysql_word(&token, "DROP");
  out->kind = NULL;
  if (mysql_word(&token, "TRUNCATE") && !out->kind) out->kind = "TABLE";
  while (token.kind != TOKEN_END && !(out->kind = mysql_kind(&token)))
    mysql_read(&r, &token);
  if (!out->kind) return;
  do
    mysql_read(&r, &token);
  while (mysql_word(&token, "IF") || mysql_word(&token, "NOT") ||
         mysql_word(&token, "EXISTS"));
  if (!strcmp(out->kind, "INDEX"))
    mysql_index(&r, &token, out);
  else
    mysql_name(&r, &token, out);
  /* Of several that are dropped, one after the other, the last. */
  while (drops && token_is(&token, ",", 1)) {
    mysql_read(&r, &token);
    mysql_name(&r, &token, out);
  }
}

/* The counter of a table moves by itself. */
static void mysql_add(struct fed_str *out, const char *text, size_t size)
{
  static const char word[] = " AUTO_INCREMENT=";
  const char *found = memmem(text, size, word, sizeof word - 1);
  const char *rest = found ? found + sizeof word - 1 : NULL;

  if (!found) {
    fed_str_addn(out, text, size);
    return;
  }
  while (rest < text + size && *rest >= '0' && *rest <= '9')
    rest++;
  fed_str_addn(out, text, (size_t)(found - text));
  fed_str_addn(out, rest, size - (size_t)(rest - text));
}

struct mysql_show {
  const struct target *target;
  struct fed_str *out;
};

/* How many columns it has depends on the kind; the text is one of them. */
static int mysql_shown(void *arg, const struct fed_value *row,
                       struct fed_err *err)
{
  struct mysql_show *show = arg;

  for (int i = 0; i < show->target->ncol; i++)
    if (row[i].type == FED_TEXT)
      mysql_add(show->out, row[i].p, (size_t)row[i].size);
  return fed_str_err(show->out, err);
}

static int mysql_effect(struct target *target, const struct split_stmt *stmt,
                        struct fed_str *out, struct fed_err *err)
{
  struct mysql_show show = {.target = target, .out = out};
  struct mysql_object object;
  struct fed_err absent = FED_ERR_INIT;
  struct fed_str sql;
  int rc;

  mysql_find(stmt, &object);
  if (!object.kind || !object.size) return SQLITE_OK;
  fed_str_init(&sql, 4096);
  fed_str_addf(&sql, "SHOW CREATE %s %.*s", object.kind, (int)object.size,
               object.name);
  rc = fed_str_err(&sql, err);
  if (rc == SQLITE_OK) {
    rc = target_rows(target, sql.s, mysql_shown, &show, &absent);
    /* What is not there has no form; only a lost server is an error. */
    if (rc != SQLITE_OK && !target->conn->broken && absent.native) {
      fed_str_add(out, "absent");
      rc = SQLITE_OK;
    } else if (rc != SQLITE_OK)
      *err = absent;
  }
  fed_str_release(&sql);
  return rc;
}

static const char *const mysql_sets[] = {
  "set !global|persist|password|default|statement", "use|prepare", NULL};
static const char *const mysql_may_commit[] = {
  "call|execute", "begin not", "if|case|loop|while|repeat|for", NULL};
#define MYSQL_LOCKS                                                            \
  "this would lock the history of migrations away as well: leave it out"
/* clang-format off */
static const struct target_refusal mysql_refused[] = {
  {"select|do|set * release_all_locks", TARGET_UNLOCKS},
  {"lock table|tables", "only the tables named would be left to this session, "
   "not the history of migrations: lock rows with SELECT ... FOR UPDATE"},
  {"lock instance", MYSQL_LOCKS},
  {"backup stage|lock", MYSQL_LOCKS},
  {"flush * with read lock", MYSQL_LOCKS},
  {"flush * for export", MYSQL_LOCKS},
  {"xa start|begin|end|prepare", "the history of migrations cannot be written "
   "inside it: write BEGIN and COMMIT"},
  {"set * autocommit =|:=", "what is to be one transaction must show: write "
   "BEGIN and COMMIT"},
  {NULL, NULL},
};
/* clang-format on */

/* ---- several at once ----------------------------------------------------- */

/* USE cannot be in a routine, so nothing that is plain changes that. */
static bool mysql_plain_setting(const struct target *target, int i,
                                struct fed_str *sql)
{
  if (i > 0) return false;
  mysql_setting(target, 0, sql);
  fed_str_add(sql, ", @dbfed_at = @@timestamp");
  return true;
}

/* Mostly a word or a number, which need not be hidden in hexadecimal digits. */
static void mysql_literal(struct fed_str *sql, const struct fed_value *value)
{
  static const char plain[] = "0123456789abcdefghijklmnopqrstuvwxyz"
                              "ABCDEFGHIJKLMNOPQRSTUVWXYZ_ -:.@";
  bool word = value->type == FED_TEXT;

  for (int64_t i = 0; word && i < value->size; i++)
    word = memchr(plain, value->p[i], sizeof plain - 1) != NULL;
  if (word)
    fed_str_addf(sql, "'%.*s'", (int)value->size, value->p);
  else
    fed_dialect_mysql.literal(sql, value);
}

static const char *const mysql_plain[] = {
  "insert|replace|update|delete ~returning", NULL};
static const char *const mysql_alone[] = {
  "create table _ ()", "create table if not exists _ ()", NULL};
/* Backslashes and quotes depend on sql_mode. */
static const char *const mysql_doubtful[] = {"\\", "/*", ";", NULL};
static const struct target_batch mysql_batch = {
  .begin = "START TRANSACTION",
  .commit = "COMMIT AND CHAIN",
  .chains = true,
  .plain = mysql_plain,
  .alone = mysql_alone,
  .doubtful = mysql_doubtful,
  .setting = mysql_plain_setting,
  .sets_first = true,
  .duration = "round(1000 * greatest(@@timestamp - @dbfed_at, 0))",
  .literal = mysql_literal,
};

const struct target_kind target_mysql = {
  .driver = "mysql",
  .split = SPLIT_MYSQL,
  .columns =
    "id bigint PRIMARY KEY, action varchar(16) NOT NULL, version varchar(190) "
    "NOT NULL, name varchar(255) NOT NULL, checksum varchar(64) NOT NULL, "
    "state varchar(16) NOT NULL, statements bigint NOT NULL, done bigint NOT "
    "NULL, prefix varchar(64) NOT NULL, effect varchar(64) NOT NULL, "
    "started_at varchar(32) NOT NULL, duration_ms bigint NOT NULL, applied_by "
    "varchar(255) NOT NULL, error text NOT NULL) ENGINE=InnoDB DEFAULT "
    "CHARSET=utf8mb4 COLLATE=utf8mb4_bin",
  .exists = "SELECT 1 FROM information_schema.tables WHERE table_schema = ? "
            "AND table_name = 'dbfed_migration'",
  .sets = mysql_sets,
  .may_commit = mysql_may_commit,
  .refused = mysql_refused,
  .prepare = mysql_prepare,
  .try_lock = mysql_try_lock,
  .unlock = mysql_unlock,
  .restore = mysql_restore,
  .batch = &mysql_batch,
  .effect = mysql_effect,
  .schema = schema_of_mysql,
  .dump = dump_of_mysql,
};
