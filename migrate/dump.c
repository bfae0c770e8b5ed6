#include "migrate/dump.h"

#include "migrate/history.h"

/* Bytes as a text of the target's dialect. */
static void dump_text(struct fed_str *out, const struct target *target,
                      const struct fed_value *v)
{
  static const char digits[] = "0123456789abcdef";
  bool mysql = target->kind->split == SPLIT_MYSQL;

  /* What a backslash means depends on settings there. */
  if (mysql && memchr(v->p, '\\', (size_t)v->size)) {
    fed_str_add(out, "CONVERT(x'");
    for (int64_t i = 0; i < v->size; i++) {
      fed_str_addc(out, digits[(unsigned char)v->p[i] >> 4]);
      fed_str_addc(out, digits[v->p[i] & 15]);
    }
    fed_str_add(out, "' USING utf8mb4)");
    return;
  }
  fed_str_addc(out, '\'');
  for (int64_t i = 0; i < v->size; i++) {
    if (v->p[i] == '\'') fed_str_addc(out, '\'');
    fed_str_addc(out, v->p[i]);
  }
  fed_str_addc(out, '\'');
}

#define DUMP_COLUMNS                                                           \
  "id, action, version, name, checksum, state, statements, done, prefix, "     \
  "effect, started_at, duration_ms, applied_by, error"
#define DUMP_NCOLUMN 14

struct dump_rows {
  struct target *target;
  struct fed_str *out;
};

static int dump_row(void *arg, const struct fed_value *row, struct fed_err *err)
{
  const struct dump_rows *rows = arg;

  fed_str_add(rows->out,
              "INSERT INTO dbfed_migration (" DUMP_COLUMNS ") VALUES (");
  for (int i = 0; i < DUMP_NCOLUMN; i++) {
    if (i) fed_str_add(rows->out, ", ");
    if (row[i].type == FED_INT)
      fed_str_addf(rows->out, "%lld", (long long)row[i].i);
    else if (row[i].type == FED_TEXT)
      dump_text(rows->out, rows->target, &row[i]);
    else
      fed_str_add(rows->out, "NULL");
  }
  fed_str_add(rows->out, ");\n");
  return fed_str_err(rows->out, err);
}

/* So that a database made from it knows what is applied to it. */
static int dump_history(struct target *target, struct fed_str *out,
                        struct fed_err *err)
{
  struct dump_rows rows = {target, out};
  struct history history = {.last = 0};
  int rc = history_load(target, &history, err);

  history_release(&history);
  if (rc != SQLITE_OK || !target->has_history) return rc;
  fed_str_addf(out, "CREATE TABLE dbfed_migration (%s;\n",
               target->kind->columns);
  return target_query(target, "SELECT " DUMP_COLUMNS " FROM % ORDER BY id",
                      NULL, 0, dump_row, &rows, err);
}

int dump_write(struct target *target, const char *where, struct fed_str *out,
               struct fed_err *err)
{
  int rc;

  fed_str_addf(out, "-- The schema of a %s database, by migrate_dump().\n",
               target->kind->driver);
  rc = target->kind->dump(target, where, out, err);
  if (rc == SQLITE_OK) rc = dump_history(target, out, err);
  if (rc == SQLITE_OK) rc = fed_str_err(out, err);
  if (rc != SQLITE_OK) fed_err_prefix(err, "target '%s': ", target->name);
  return rc;
}
