/*
 * returning: fed_insert, fed_upsert, fed_update and fed_delete: rows written as
 * JSON objects, and the rows that the server then has given back as such.
 *
 * SQLite has no UPSERT and no RETURNING of a server's own values for a virtual
 * table. So each row is a statement over the table, as a user would write it,
 * and a SELECT by its key; all of a call stand behind one savepoint. A call
 * inside a statement that writes is a part of that statement instead: there
 * SQLite opens no savepoint, and an error undoes the statement.
 */
#include <stdio.h>

#include "base/mem.h"
#include "vtab/table.h"

#define RETURNING_SAVEPOINT "dbfed_returning"

/* The table, copied: SQL that runs may connect it anew. */
struct returning {
  struct fed_db *fdb;
  enum fed_returning verb;
  const char *name; /* the arguments */
  const char *json;
  char *table; /* "schema"."name" */
  int ncol;
  char **label;
  bool *key;             /* columns of the key */
  bool rowid;            /* that is one integer, which the server can make */
  sqlite3_value **value; /* of the object at hand; NULL: not given */
};

static void returning_forget(struct returning *r)
{
  for (int i = 0; i < r->ncol; i++) {
    sqlite3_value_free(r->value[i]);
    r->value[i] = NULL;
  }
}

static void returning_release(struct returning *r)
{
  if (r->value) returning_forget(r);
  declare_labels_free(r->label, r->label ? r->ncol : 0);
  fed_free(r->value);
  fed_free(r->key);
  fed_free(r->table);
}

/* ---- the table --------------------------------------------------------- */

static int returning_labels(struct returning *r, const struct fed_table *table,
                            struct fed_err *err)
{
  size_t n = (size_t)table->rel.ncol;

  r->label = fed_calloc(n, sizeof *r->label);
  r->key = fed_calloc(n, sizeof *r->key);
  r->value = fed_calloc(n, sizeof *r->value);
  if (!r->label || !r->key || !r->value) return fed_err_nomem(err);
  r->ncol = table->rel.ncol;
  for (int i = 0; i < r->ncol; i++) {
    r->label[i] = fed_strdup(table->label[i]);
    if (!r->label[i]) return fed_err_nomem(err);
    r->key[i] = table->rel.col[i].key > 0;
  }
  r->rowid = table->rowid >= 0;
  return SQLITE_OK;
}

static int returning_column(const struct returning *r, const char *name,
                            size_t size)
{
  for (int i = 0; i < r->ncol; i++)
    if (strlen(r->label[i]) == size &&
        sqlite3_strnicmp(r->label[i], name, (int)size) == 0)
      return i;
  return -1;
}

static int returning_no_column(const struct returning *r, const char *name,
                               size_t size, struct fed_err *err)
{
  return fed_err_set(err, SQLITE_ERROR, "table '%s' has no column '%.*s'",
                     r->name, (int)(size < 80 ? size : 80), name);
}

/* 'key=a,b' in place of the table's own. */
static int returning_key(struct returning *r, const char *keys,
                         struct fed_err *err)
{
  for (int i = 0; i < r->ncol && keys; i++)
    r->key[i] = false;
  while (keys) {
    size_t size = strcspn(keys, ",");
    int at;

    while (*keys == ' ')
      keys++, size--;
    at = returning_column(r, keys, size);
    if (at < 0) return returning_no_column(r, keys, size, err);
    r->key[at] = true;
    keys = keys[size] ? keys + size + 1 : NULL;
  }
  return SQLITE_OK;
}

static int returning_open(struct returning *r, const char *name,
                          const char *keys, struct fed_err *err)
{
  struct fed_table *table = NULL;
  struct fed_str text;
  int rc = table_lookup(r->fdb, name, &table, err);

  if (rc != SQLITE_OK) return rc;
  rc = returning_labels(r, table, err);
  if (rc != SQLITE_OK) return rc;
  fed_str_init(&text, FED_STR_SQL);
  fed_str_quote(&text, table->schema, '"');
  fed_str_addc(&text, '.');
  fed_str_quote(&text, table->name, '"');
  r->table = fed_str_detach(&text);
  if (!r->table) return fed_err_nomem(err);
  return returning_key(r, keys, err);
}

/* ---- from JSON --------------------------------------------------------- */

static int returning_hex(char c)
{
  const char *digits = "0123456789abcdef";
  const char *at = c ? strchr(digits, c | ('a' ^ 'A')) : NULL;

  if (c >= '0' && c <= '9') return c - '0';
  return at ? (int)(at - digits) : -1;
}

/* {"$blob": "00ff"} is those bytes. */
static int returning_blob(struct returning *r, int at, sqlite3_value *hex,
                          struct fed_err *err)
{
  const char *text = (const char *)sqlite3_value_text(hex);
  size_t n = text ? strlen(text) : 0;
  sqlite3_stmt *stmt = NULL;
  char *bytes;
  int rc;

  if (!text || n % 2 != 0 || n != strspn(text, "0123456789abcdefABCDEF"))
    return fed_err_set(
      err, SQLITE_ERROR,
      "column '%s': a blob is written as {\"$blob\": \"00ff\"}", r->label[at]);
  bytes = fed_alloc(n / 2 + 1);
  if (!bytes) return fed_err_nomem(err);
  for (size_t i = 0; i < n / 2; i++)
    bytes[i] =
      (char)(returning_hex(text[2 * i]) * 16 + returning_hex(text[2 * i + 1]));
  /* A statement makes a value of it. */
  rc = db_prepare(r->fdb, &stmt, err, "SELECT ?1");
  if (rc == SQLITE_OK &&
      sqlite3_bind_blob64(stmt, 1, bytes, n / 2, fed_free) == SQLITE_OK &&
      sqlite3_step(stmt) == SQLITE_ROW)
    r->value[at] = sqlite3_value_dup(sqlite3_column_value(stmt, 0));
  if (!stmt) fed_free(bytes);
  sqlite3_finalize(stmt);
  return r->value[at] ? SQLITE_OK : fed_err_nomem(err);
}

/* The members of the object at `path`; a number that SQLite would round comes
 * as its text. */
#define RETURNING_MEMBERS                                                      \
  "SELECT key, type, CASE WHEN type = 'integer' AND typeof(value) <> "         \
  "'integer'"                                                                  \
  " THEN %Q -> fullkey ELSE value END,"                                        \
  " CASE type WHEN 'object' THEN json_extract(value, '$.\"$blob\"') END"       \
  " FROM json_each(%Q, %Q)"

static int returning_member(struct returning *r, sqlite3_stmt *stmt,
                            struct fed_err *err)
{
  const char *name = (const char *)sqlite3_column_text(stmt, 0);
  int at = name ? returning_column(r, name, strlen(name)) : -1;

  if (!name) return fed_err_nomem(err);
  if (at < 0) return returning_no_column(r, name, strlen(name), err);
  if (r->value[at])
    return fed_err_set(err, SQLITE_ERROR, "column '%s' is given twice",
                       r->label[at]);
  if (sqlite3_column_type(stmt, 3) != SQLITE_NULL)
    return returning_blob(r, at, sqlite3_column_value(stmt, 3), err);
  r->value[at] = sqlite3_value_dup(sqlite3_column_value(stmt, 2));
  return r->value[at] ? SQLITE_OK : fed_err_nomem(err);
}

static int returning_read(struct returning *r, const char *path,
                          struct fed_err *err)
{
  sqlite3_stmt *stmt = NULL;
  int rc =
    db_prepare(r->fdb, &stmt, err, RETURNING_MEMBERS, r->json, r->json, path);

  returning_forget(r);
  while (rc == SQLITE_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW)
    rc = returning_member(r, stmt, err);
  if (rc != SQLITE_DONE && err->rc == SQLITE_OK) db_error(r->fdb, rc, err);
  sqlite3_finalize(stmt);
  return rc == SQLITE_DONE ? SQLITE_OK : err->rc;
}

/* ---- statements -------------------------------------------------------- */

/* " WHERE "a" = ? AND ..." */
static void returning_where(const struct returning *r, struct fed_str *sql)
{
  const char *word = " WHERE ";

  for (int i = 0; i < r->ncol; i++) {
    if (!r->key[i]) continue;
    fed_str_add(sql, word);
    fed_str_quote(sql, r->label[i], '"');
    fed_str_addf(sql, " = ?%d", i + 1);
    word = " AND ";
  }
}

/* Run it with each column's value as the parameter of its number, as far as the
 * text has it. SQLITE_ROW or SQLITE_DONE, and the statement. */
static int returning_step(struct returning *r, struct fed_str *sql,
                          sqlite3_stmt **out, struct fed_err *err)
{
  int rc = fed_str_err(sql, err);

  *out = NULL;
  if (rc == SQLITE_OK) rc = db_prepare(r->fdb, out, err, "%s", sql->s);
  fed_str_release(sql);
  for (int i = 0; i < r->ncol && rc == SQLITE_OK; i++) {
    if (!r->value[i] || i >= sqlite3_bind_parameter_count(*out)) continue;
    rc = sqlite3_bind_value(*out, i + 1, r->value[i]);
    if (rc != SQLITE_OK) db_error(r->fdb, rc, err);
  }
  if (rc == SQLITE_OK) rc = sqlite3_step(*out);
  if (rc == SQLITE_ROW || rc == SQLITE_DONE) return rc;
  if (err->rc == SQLITE_OK)
    db_error(r->fdb, sqlite3_extended_errcode(r->fdb->db), err);
  return err->rc;
}

static int returning_run(struct returning *r, struct fed_str *sql,
                         struct fed_err *err)
{
  sqlite3_stmt *stmt;
  int rc = returning_step(r, sql, &stmt, err);

  sqlite3_finalize(stmt);
  return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : err->rc;
}

static int returning_insert(struct returning *r, struct fed_err *err)
{
  struct fed_str sql;
  int n = 0;

  fed_str_init(&sql, FED_STR_SQL);
  fed_str_addf(&sql, "INSERT INTO %s", r->table);
  for (int i = 0; i < r->ncol; i++) {
    if (!r->value[i]) continue;
    fed_str_add(&sql, n++ ? ", " : " (");
    fed_str_quote(&sql, r->label[i], '"');
  }
  fed_str_add(&sql, n ? ") VALUES" : " DEFAULT VALUES");
  for (int i = 0, k = 0; i < r->ncol; i++)
    if (r->value[i]) fed_str_addf(&sql, "%s?%d", k++ ? ", " : " (", i + 1);
  if (n) fed_str_addc(&sql, ')');
  return returning_run(r, &sql, err);
}

/* *changed: there was such a row. */
static int returning_update(struct returning *r, bool *changed,
                            struct fed_err *err)
{
  struct fed_str sql;
  int n = 0, rc;

  fed_str_init(&sql, FED_STR_SQL);
  fed_str_addf(&sql, "UPDATE %s", r->table);
  for (int i = 0; i < r->ncol; i++) {
    if (!r->value[i] || r->key[i]) continue;
    fed_str_add(&sql, n++ ? ", " : " SET ");
    fed_str_quote(&sql, r->label[i], '"');
    fed_str_addf(&sql, " = ?%d", i + 1);
  }
  /* A key alone: whether there is such a row. */
  for (int i = 0; i < r->ncol && n == 0; i++) {
    if (!r->key[i]) continue;
    fed_str_add(&sql, " SET ");
    fed_str_quote(&sql, r->label[i], '"');
    fed_str_addf(&sql, " = ?%d", i + 1);
    n++;
  }
  returning_where(r, &sql);
  rc = returning_run(r, &sql, err);
  *changed = rc == SQLITE_OK && sqlite3_changes(r->fdb->db) > 0;
  return rc;
}

static int returning_delete(struct returning *r, struct fed_err *err)
{
  struct fed_str sql;

  fed_str_init(&sql, FED_STR_SQL);
  fed_str_addf(&sql, "DELETE FROM %s", r->table);
  returning_where(r, &sql);
  return returning_run(r, &sql, err);
}

/* Append the row that has the key, as JSON, or null. */
static int returning_row(struct returning *r, struct fed_str *out,
                         struct fed_err *err)
{
  sqlite3_stmt *stmt;
  struct fed_str sql;
  int rc;

  fed_str_init(&sql, FED_STR_SQL);
  fed_str_add(&sql, "SELECT json_object(");
  for (int i = 0; i < r->ncol; i++) {
    if (i) fed_str_add(&sql, ", ");
    fed_str_quote(&sql, r->label[i], '\'');
    fed_str_add(&sql, ", iif(typeof(");
    fed_str_quote(&sql, r->label[i], '"');
    fed_str_add(&sql, ") = 'blob', json_object('$blob', lower(hex(");
    fed_str_quote(&sql, r->label[i], '"');
    fed_str_add(&sql, "))), ");
    fed_str_quote(&sql, r->label[i], '"');
    fed_str_addc(&sql, ')');
  }
  fed_str_addf(&sql, ") FROM %s", r->table);
  returning_where(r, &sql);
  rc = returning_step(r, &sql, &stmt, err);
  if (rc == SQLITE_ROW)
    fed_str_add(out, (const char *)sqlite3_column_text(stmt, 0));
  else if (rc == SQLITE_DONE)
    fed_str_add(out, "null");
  sqlite3_finalize(stmt);
  return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : err->rc;
}

/* ---- one object -------------------------------------------------------- */

static int returning_has_key(struct returning *r, struct fed_err *err)
{
  for (int i = 0; i < r->ncol; i++)
    if (r->key[i] && !r->value[i])
      return fed_err_set(err, SQLITE_ERROR, "the key '%s' is missing",
                         r->label[i]);
  return SQLITE_OK;
}

/* The key of the row that was inserted: given, or the server's number. */
static int returning_made_key(struct returning *r, struct fed_err *err)
{
  for (int i = 0; i < r->ncol; i++) {
    sqlite3_stmt *stmt = NULL;

    if (!r->key[i] ||
        (r->value[i] && sqlite3_value_type(r->value[i]) != SQLITE_NULL))
      continue;
    if (!r->rowid)
      return fed_err_set(err, SQLITE_ERROR,
                         "the key '%s' is made by the server, and only a "
                         "number can be read back: give it",
                         r->label[i]);
    if (db_prepare(r->fdb, &stmt, err, "SELECT last_insert_rowid()") !=
          SQLITE_OK ||
        sqlite3_step(stmt) != SQLITE_ROW) {
      sqlite3_finalize(stmt);
      return err->rc ? err->rc : fed_err_nomem(err);
    }
    sqlite3_value_free(r->value[i]);
    r->value[i] = sqlite3_value_dup(sqlite3_column_value(stmt, 0));
    sqlite3_finalize(stmt);
    if (!r->value[i]) return fed_err_nomem(err);
  }
  return SQLITE_OK;
}

/* The row is looked for first, with its lock; only where there is none it is
 * inserted. Another one that comes at the same moment is an error. */
static int returning_upsert(struct returning *r, struct fed_err *err)
{
  bool changed = false;
  int rc = returning_has_key(r, err);

  if (rc == SQLITE_OK) rc = returning_update(r, &changed, err);
  return rc == SQLITE_OK && !changed ? returning_insert(r, err) : rc;
}

static int returning_one(struct returning *r, const char *path,
                         struct fed_str *out, struct fed_err *err)
{
  bool changed;
  int rc = returning_read(r, path, err);

  if (rc != SQLITE_OK) return rc;
  switch (r->verb) {
  case FED_RETURNING_INSERT:
    rc = returning_insert(r, err);
    if (rc == SQLITE_OK) rc = returning_made_key(r, err);
    return rc == SQLITE_OK ? returning_row(r, out, err) : rc;
  case FED_RETURNING_UPSERT:
    rc = returning_upsert(r, err);
    return rc == SQLITE_OK ? returning_row(r, out, err) : rc;
  case FED_RETURNING_UPDATE:
    rc = returning_has_key(r, err);
    if (rc == SQLITE_OK) rc = returning_update(r, &changed, err);
    return rc == SQLITE_OK ? returning_row(r, out, err) : rc;
  case FED_RETURNING_DELETE:
    break;
  }
  rc = returning_has_key(r, err);
  if (rc == SQLITE_OK) rc = returning_row(r, out, err);
  return rc == SQLITE_OK ? returning_delete(r, err) : rc;
}

/* ---- all of them ------------------------------------------------------- */

/* *n: how many objects; -1: it is one, not in an array. */
static int returning_count(struct returning *r, int *n, struct fed_err *err)
{
  sqlite3_stmt *stmt = NULL;
  int rc =
    db_prepare(r->fdb, &stmt, err,
               "SELECT json_valid(%Q), CASE WHEN json_valid(%Q) THEN"
               " json_type(%Q) END, CASE WHEN json_valid(%Q) THEN"
               " (SELECT count(*) FILTER (WHERE type <> 'object')"
               " FROM json_each(%Q)) END, CASE WHEN json_valid(%Q) THEN"
               " json_array_length(%Q) END",
               r->json, r->json, r->json, r->json, r->json, r->json, r->json);
  const char *type = NULL;

  if (rc != SQLITE_OK) return rc;
  if (sqlite3_step(stmt) == SQLITE_ROW)
    type = (const char *)sqlite3_column_text(stmt, 1);
  if (type && strcmp(type, "object") == 0)
    *n = -1;
  else if (type && strcmp(type, "array") == 0 &&
           sqlite3_column_int(stmt, 2) == 0)
    *n = sqlite3_column_int(stmt, 3);
  else
    fed_err_set(err, SQLITE_ERROR,
                type ? "a row is a JSON object, {\"column\": value, ...}, and "
                       "several are an array of them"
                     : "this is no JSON: %.60s",
                r->json);
  sqlite3_finalize(stmt);
  return err->rc;
}

static int returning_all(struct returning *r, struct fed_str *out,
                         struct fed_err *err)
{
  int n = 0;
  int rc = returning_count(r, &n, err);

  if (rc == SQLITE_OK && n < 0) return returning_one(r, "$", out, err);
  fed_str_addc(out, '[');
  for (int i = 0; i < n && rc == SQLITE_OK; i++) {
    char path[24];

    snprintf(path, sizeof path, "$[%d]", i);
    if (i) fed_str_addc(out, ',');
    rc = returning_one(r, path, out, err);
    if (rc != SQLITE_OK) fed_err_prefix(err, "row %d: ", i + 1);
  }
  fed_str_addc(out, ']');
  return rc;
}

/* Does a statement run that writes? There SQLite refuses a savepoint. */
static bool returning_is_nested(sqlite3 *db)
{
  for (sqlite3_stmt *stmt = sqlite3_next_stmt(db, NULL); stmt;
       stmt = sqlite3_next_stmt(db, stmt))
    if (sqlite3_stmt_busy(stmt) && !sqlite3_stmt_readonly(stmt)) return true;
  return false;
}

static int returning_together(struct returning *r, struct fed_str *out,
                              struct fed_err *err)
{
  bool nested = returning_is_nested(r->fdb->db);
  struct fed_err later = FED_ERR_INIT;
  int rc = SQLITE_OK;

  if (!nested) rc = db_exec(r->fdb, err, "SAVEPOINT " RETURNING_SAVEPOINT);
  if (rc != SQLITE_OK) return rc;
  rc = returning_all(r, out, err);
  if (rc == SQLITE_OK) rc = fed_str_err(out, err);
  if (nested) return rc;
  if (rc != SQLITE_OK)
    db_exec(r->fdb, &later, "ROLLBACK TO " RETURNING_SAVEPOINT);
  /* Outside of a transaction this is its COMMIT. */
  if (db_exec(r->fdb, rc == SQLITE_OK ? err : &later,
              "RELEASE " RETURNING_SAVEPOINT) != SQLITE_OK &&
      rc == SQLITE_OK)
    rc = err->rc;
  return rc;
}

int fed_returning(struct fed_db *fdb, enum fed_returning verb,
                  const char *table, const char *json, const char *keys,
                  char **out, struct fed_err *err)
{
  struct returning r = {.fdb = fdb, .verb = verb, .name = table, .json = json};
  struct fed_str text;
  int rc = returning_open(&r, table, keys, err);

  *out = NULL;
  fed_str_init(&text, FED_STR_SQL);
  if (rc == SQLITE_OK) rc = returning_together(&r, &text, err);
  if (rc == SQLITE_OK && !(*out = fed_str_detach(&text)))
    rc = fed_err_nomem(err);
  fed_str_release(&text);
  returning_release(&r);
  return rc;
}
