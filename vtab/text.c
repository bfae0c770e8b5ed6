/* text: a statement that is given to a function as a value. */
#include "vtab/table.h"

/* What is behind blanks and comments. */
static const char *text_skip(const char *sql)
{
  for (;;) {
    sql += strspn(sql, " \t\n\r\f");
    if (sql[0] == '-' && sql[1] == '-') {
      sql += strcspn(sql, "\n");
    } else if (sql[0] == '/' && sql[1] == '*') {
      const char *end = strstr(sql + 2, "*/");

      sql = end ? end + 2 : sql + strlen(sql);
    } else {
      return sql;
    }
  }
}

/* By its first word; a PRAGMA acts when it is prepared, so this comes first. */
static int text_check(const char *who, const char *sql, bool writes,
                      struct fed_err *err)
{
  static const char *const words[] = {"select", "values",  "with",  "insert",
                                      "update", "replace", "delete"};
  const char *word = text_skip(sql);
  size_t n = strcspn(word, " \t\n\r\f(;'\"*-/");

  for (size_t i = 0; i < (writes ? FED_LEN(words) : 3); i++)
    if (strlen(words[i]) == n && sqlite3_strnicmp(words[i], word, (int)n) == 0)
      return SQLITE_OK;
  if (!*word)
    return fed_err_set(err, SQLITE_ERROR, "%s: the statement is empty", who);
  return fed_err_set(
    err, SQLITE_ERROR, "%s: the statement must be a SELECT%s, not '%.*s'", who,
    writes ? ", INSERT, UPDATE or DELETE" : "", n < 30 ? (int)n : 30, word);
}

/* SQLite's error, and the place in the user's own text. */
static int text_error(struct fed_db *fdb, const char *who, int skip,
                      const char *sql, int rc, struct fed_err *err)
{
  int at = sqlite3_error_offset(fdb->db) - skip;

  rc = db_error(fdb, rc, err);
  if (rc == SQLITE_NOMEM || rc == SQLITE_INTERRUPT) return rc;
  fed_err_prefix(err, "%s: ", who);
  if (at >= 0 && at < (int)strlen(sql))
    fed_err_suffix(err, " (byte %d of the statement: '%.20s')", at + 1,
                   sql + at);
  return rc;
}

int text_prepare(struct fed_db *fdb, const char *who, const char *prefix,
                 sqlite3_value *text, bool writes, sqlite3_stmt **out,
                 struct fed_err *err)
{
  const char *sql = (const char *)sqlite3_value_text(text);
  const char *tail = "";
  char *whole;
  int rc;

  if (!sql)
    return fed_err_set(err, SQLITE_MISUSE, "%s: the statement is NULL", who);
  if (strlen(sql) != (size_t)sqlite3_value_bytes(text))
    return fed_err_set(err, SQLITE_MISUSE,
                       "%s: the statement holds a NUL character", who);
  rc = text_check(who, sql, writes, err);
  if (rc != SQLITE_OK) return rc;
  whole = sqlite3_mprintf("%s%s", prefix, sql);
  if (!whole) return fed_err_nomem(err);
  rc = sqlite3_prepare_v2(fdb->db, whole, -1, out, &tail);
  if (rc != SQLITE_OK) {
    text_error(fdb, who, (int)strlen(prefix), sql, rc, err);
  } else if (*(tail = text_skip(tail))) {
    rc = fed_err_set(err, SQLITE_ERROR,
                     "%s: one statement, please; behind it stands '%.20s'", who,
                     tail);
    sqlite3_finalize(*out);
    *out = NULL;
  }
  sqlite3_free(whole);
  return rc;
}
