#include "migrate/embedded.h"

#include "base/mem.h"
#include "migrate/host.h"
#include "migrate/migrate_int.h"
#include "migrate/source_item.h"

#define EMBEDDED_PATH_MAX 4096

void embedded_release(struct embedded *list)
{
  for (int i = 0; i < list->n; i++) {
    fed_free((void *)(uintptr_t)list->file[i].name);
    fed_free((void *)(uintptr_t)list->file[i].text);
  }
  fed_free(list->file);
  memset(list, 0, sizeof *list);
}

/* ---- one file ------------------------------------------------------------ */

/* "", ".", ".." between slashes: no file of a directory is listed so. */
static bool embedded_is_path(const char *path, size_t size)
{
  const char *end = path + size;

  for (const char *p = path, *slash; p <= end; p = slash + 1) {
    slash = memchr(p, '/', (size_t)(end - p));
    if (!slash) slash = end;
    if (slash == p || (slash - p == 1 && *p == '.') ||
        (slash - p == 2 && p[0] == '.' && p[1] == '.'))
      return false;
  }
  return size <= EMBEDDED_PATH_MAX && !memchr(path, 0, size);
}

static int embedded_check(const struct embedded *list, const char *path,
                          size_t path_size, const char *text, size_t text_size,
                          struct fed_err *err)
{
  const char *shown = SOURCE_SHOWN(path, path_size);

  if (!embedded_is_path(path, path_size))
    return fed_err_set(err, SQLITE_ERROR,
                       "'%s' is no path of a file below a directory: write "
                       "it as '20240131120000_create_users.up.sql'",
                       shown);
  if (memchr(text, 0, text_size))
    return fed_err_set(err, SQLITE_ERROR,
                       "the text of '%s' holds a NUL character: it is not SQL "
                       "text, or UTF-16",
                       shown);
  if (text_size > SOURCE_FILE_MAX || text_size > SOURCE_TOTAL_MAX - list->total)
    return fed_err_set(err, SQLITE_TOOBIG,
                       "'%s' is larger than %u MB, or all files together are "
                       "larger than %u MB: load data by other means",
                       shown, SOURCE_FILE_MAX >> 20, SOURCE_TOTAL_MAX >> 20);
  if (list->n >= SOURCE_ENTRIES_MAX)
    return fed_err_set(err, SQLITE_TOOBIG, "more than %d files",
                       SOURCE_ENTRIES_MAX);
  return SQLITE_OK;
}

int embedded_add(struct embedded *list, const char *path, size_t path_size,
                 const char *text, size_t text_size, struct fed_err *err)
{
  struct source_embedded *file;
  int rc = embedded_check(list, path, path_size, text, text_size, err);

  if (rc != SQLITE_OK) return rc;
  if (list->n == list->room) {
    int room = list->room ? list->room * 2 : 16;

    file = fed_realloc(list->file, (size_t)room * sizeof *file);
    if (!file) return fed_err_nomem(err);
    list->file = file;
    list->room = room;
  }
  file = &list->file[list->n++];
  file->name = fed_strndup(path, path_size);
  file->text = fed_strndup(text, text_size);
  list->total += text_size;
  return file->name && file->text ? SQLITE_OK : fed_err_nomem(err);
}

/* ---- a table ------------------------------------------------------------- */

/* The column of one of these names, the first that there is; or -1. */
static int embedded_column(sqlite3_stmt *stmt, const char *name,
                           const char *other)
{
  const char *names[] = {name, other};

  for (size_t k = 0; k < FED_LEN(names); k++)
    for (int i = 0; i < sqlite3_column_count(stmt); i++)
      if (!sqlite3_stricmp(sqlite3_column_name(stmt, i), names[k])) return i;
  return -1;
}

/* A text may have been put there by readfile(), which gives a blob. */
static int embedded_row(struct embedded *list, sqlite3_stmt *stmt, int at_path,
                        int at_text, struct fed_err *err)
{
  int path_type = sqlite3_column_type(stmt, at_path);
  int text_type = sqlite3_column_type(stmt, at_text);
  const char *path, *text;

  if (path_type != SQLITE_TEXT)
    return fed_err_set(err, SQLITE_ERROR, "the path is %s",
                       path_type == SQLITE_NULL ? "NULL" : "no text");
  path = (const char *)sqlite3_column_text(stmt, at_path);
  if (!path) return fed_err_nomem(err);
  if (text_type != SQLITE_TEXT && text_type != SQLITE_BLOB)
    return fed_err_set(
      err, SQLITE_ERROR, "the text of '%s' is %s",
      SOURCE_SHOWN(path, (size_t)sqlite3_column_bytes(stmt, at_path)),
      text_type == SQLITE_NULL ? "NULL" : "a number");
  text = text_type == SQLITE_BLOB
           ? sqlite3_column_blob(stmt, at_text)
           : (const char *)sqlite3_column_text(stmt, at_text);
  if (!text && sqlite3_column_bytes(stmt, at_text)) return fed_err_nomem(err);
  return embedded_add(list, path, (size_t)sqlite3_column_bytes(stmt, at_path),
                      text ? text : "",
                      (size_t)sqlite3_column_bytes(stmt, at_text), err);
}

static int embedded_rows(struct embedded *list, sqlite3_stmt *stmt,
                         struct fed_err *err)
{
  int at_path = embedded_column(stmt, "path", "name");
  int at_text = embedded_column(stmt, "sql", "text");
  int rc;

  if (at_path < 0 || at_text < 0)
    return fed_err_set(err, SQLITE_ERROR,
                       "it has no column '%s': it needs a row for each file, "
                       "with columns 'path' and 'sql'",
                       at_path < 0 ? "path" : "sql");
  while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
    rc = embedded_row(list, stmt, at_path, at_text, err);
    if (rc == SQLITE_OK) continue;
    fed_err_prefix(err, "row %d: ", list->n + 1);
    return rc;
  }
  return rc == SQLITE_DONE
           ? SQLITE_OK
           : fed_err_set(err, rc, "%s",
                         sqlite3_errmsg(sqlite3_db_handle(stmt)));
}

static int embedded_attempt(struct embedded *list, sqlite3 *db, const char *sql,
                            struct fed_err *err)
{
  sqlite3_stmt *stmt = NULL;
  int rc = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);

  if (rc != SQLITE_OK)
    fed_err_set(err, rc, "%s", sqlite3_errmsg(db));
  else
    rc = embedded_rows(list, stmt, err);
  sqlite3_finalize(stmt);
  return rc;
}

int embedded_read(struct embedded *list, sqlite3 *db, const char *table,
                  const struct fed_wait *wait, struct fed_err *err)
{
  const char *dot = strchr(table, '.');
  char *sql = dot ? sqlite3_mprintf("SELECT * FROM \"%.*w\".\"%w\"",
                                    (int)(dot - table), table, dot + 1)
                  : sqlite3_mprintf("SELECT * FROM \"%w\"", table);
  struct fed_err late = FED_ERR_INIT;
  int rc;

  if (!sql) return fed_err_nomem(err);
  /* Another run may commit at this moment, which locks a SQLite file. */
  while ((rc = embedded_attempt(list, db, sql, err) & 0xff) == SQLITE_BUSY &&
         fed_wait_fd(wait, -1, 0, "waiting", &late) == SQLITE_OK) {
    fed_err_clear(err);
    embedded_release(list);
  }
  sqlite3_free(sql);
  return rc;
}

/* ---- whichever the options name ------------------------------------------ */

static int embedded_table(struct migrate *m, const struct source_options *opt,
                          struct fed_err *err)
{
  struct fed_wait wait =
    fed_wait_within(&m->target->wait, m->target->lock_timeout);
  struct embedded list = {0};
  int rc = embedded_read(&list, m->host->db, m->opts.source, &wait, err);

  if (rc == SQLITE_OK)
    rc = source_load_embedded(&m->source, list.file, list.n,
                              m->target->kind->driver, opt, err);
  if (rc != SQLITE_OK)
    fed_err_prefix(err, "table '%s': ", SOURCE_SHOW(m->opts.source));
  embedded_release(&list);
  return rc;
}

static int embedded_array(struct migrate *m, const struct source_options *opt,
                          struct fed_err *err)
{
  const char *name = m->opts.embedded;
  const struct embedded *list = NULL;
  int rc = host_files(m->host->db, name, &list, err);

  if (rc == SQLITE_OK && !list)
    return fed_err_set(err, SQLITE_ERROR,
                       "no embedded files '%s': the program registers them by "
                       "fed_migrate_files(), on each connection",
                       SOURCE_SHOW(name));
  if (rc == SQLITE_OK)
    rc = source_load_embedded(&m->source, list->file, list->n,
                              m->target->kind->driver, opt, err);
  if (rc != SQLITE_OK)
    fed_err_prefix(err, "embedded files '%s': ", SOURCE_SHOW(name));
  return rc;
}

int migrate_source(struct migrate *m, struct fed_err *err)
{
  struct source_options opt = {
    .layout = (enum source_layout)m->opts.layout,
    .skip_code = m->opts.skip_code,
  };

  if (m->opts.source) return embedded_table(m, &opt, err);
  if (m->opts.embedded) return embedded_array(m, &opt, err);
  return source_load(&m->source, migrate_dir(m), m->target->kind->driver, &opt,
                     err);
}
