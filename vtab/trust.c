/*
 * trust: a database file may be hostile, and a virtual table in it names a
 * server. Before it reaches one, the file must be trusted:
 *
 *  - the table's CREATE VIRTUAL TABLE ran in this process, or
 *  - fed_trust(schema) was called on this connection, or
 *  - the file's path matches `trust=` in the config file.
 *
 * What was created is remembered with all its arguments: a file exchanged
 * for another gains nothing from what an earlier one was allowed.
 */
#include <stdlib.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "vtab/table.h"

/* What this connection alone trusts: schemas without a file, fed_trust(). */
struct trust_entry {
  struct fed_list link;
  char text[]; /* zero-terminated */
};

/* The file behind a schema: device, inode and path; "" when there is none. */
static void trust_file(struct fed_db *fdb, const char *schema,
                       struct fed_str *out)
{
  const char *path = sqlite3_db_filename(fdb->db, schema);
  struct stat st;

  if (!path || !*path) return;
  if (stat(path, &st) == 0)
    fed_str_addf(out, "%llu:%llu:", (unsigned long long)st.st_dev,
                 (unsigned long long)st.st_ino);
  fed_str_add(out, path);
}

static bool trust_local_has(struct fed_db *fdb, const char *key)
{
  FED_LIST_EACH(node, &fdb->trusted)
  {
    if (!strcmp(FED_CONTAINER(node, struct trust_entry, link)->text, key))
      return true;
  }
  return false;
}

static int trust_local_add(struct fed_db *fdb, const char *key,
                           struct fed_err *err)
{
  struct trust_entry *entry;

  if (trust_local_has(fdb, key)) return SQLITE_OK;
  entry = fed_alloc(sizeof *entry + strlen(key) + 1);
  if (!entry) return fed_err_nomem(err);
  memcpy(entry->text, key, strlen(key));
  fed_list_push_back(&fdb->trusted, &entry->link);
  return SQLITE_OK;
}

/* "file \n module \n arguments": one table that was created. */
static void trust_table_key(struct fed_table *table, struct fed_str *key,
                            bool *has_file)
{
  trust_file(table->fdb, table->schema, key);
  *has_file = key->len > 0;
  if (!*has_file) fed_str_add(key, table->schema);
  fed_str_addf(key, "\n%s\n%s", table->module, table->args);
}

/* "schema \n file": what fed_trust() was told. */
static void trust_schema_key(struct fed_db *fdb, const char *schema,
                             struct fed_str *key)
{
  for (const char *p = schema; *p; p++)
    fed_str_addc(key, *p >= 'A' && *p <= 'Z' ? (char)(*p + 32) : *p);
  fed_str_addc(key, '\n');
  trust_file(fdb, schema, key);
}

int trust_created(struct fed_table *table, struct fed_err *err)
{
  struct fed_str key;
  bool has_file;
  int rc;

  fed_str_init(&key, FED_STR_SQL);
  trust_table_key(table, &key, &has_file);
  rc = fed_str_err(&key, err);
  if (rc == SQLITE_OK)
    rc = has_file ? fed_trust_add(key.s, err)
                  : trust_local_add(table->fdb, key.s, err);
  fed_str_release(&key);
  if (rc == SQLITE_OK) table->trusted = true;
  return rc;
}

/* The config file speaks of resolved paths. */
static bool trust_configured(struct fed_table *table)
{
  const char *path = sqlite3_db_filename(table->fdb->db, table->schema);
  char *real;
  bool yes;

  if (!path || !*path || !(real = realpath(path, NULL))) return false;
  yes = fed_config_trusts(real);
  free(real);
  return yes;
}

int trust_check(struct fed_table *table, struct fed_err *err)
{
  char quoted[256];
  struct fed_str key;
  bool has_file;
  int rc;

  if (table->trusted) return SQLITE_OK;
  fed_str_init(&key, FED_STR_SQL);
  trust_table_key(table, &key, &has_file);
  table->trusted =
    has_file ? fed_trust_has(key.s) : trust_local_has(table->fdb, key.s);
  fed_str_reset(&key);
  trust_schema_key(table->fdb, table->schema, &key);
  table->trusted = table->trusted || trust_local_has(table->fdb, key.s);
  rc = fed_str_err(&key, err);
  fed_str_release(&key);
  if (rc != SQLITE_OK) {
    table->trusted = false;
    return rc;
  }
  table->trusted = table->trusted || trust_configured(table);
  if (table->trusted) return SQLITE_OK;
  sqlite3_snprintf(sizeof quoted, quoted, "%q", table->schema);
  return fed_err_set(err, SQLITE_AUTH,
                     "table '%s' names server '%s', but this file is not "
                     "trusted: SELECT fed_trust('%s')",
                     table->name, table->server, quoted);
}

int fed_trust(struct fed_db *fdb, const char *schema, struct fed_err *err)
{
  struct fed_str key;
  int rc;

  if (!sqlite3_db_filename(fdb->db, schema))
    return fed_err_set(err, SQLITE_ERROR, "no database is named '%s'", schema);
  fed_str_init(&key, FED_STR_SQL);
  trust_schema_key(fdb, schema, &key);
  rc = fed_str_err(&key, err);
  if (rc == SQLITE_OK) rc = trust_local_add(fdb, key.s, err);
  fed_str_release(&key);
  return rc;
}

void trust_release(struct fed_db *fdb)
{
  FED_LIST_EACH_SAFE(node, after, &fdb->trusted)
  {
    fed_list_remove(node);
    fed_free(FED_CONTAINER(node, struct trust_entry, link));
  }
}
