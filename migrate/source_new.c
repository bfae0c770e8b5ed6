/*
 * A new migration's files, in the layout that the directory has.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "migrate/source_item.h"

#define NEW_NAME_MAX 100

/* `%s` twice: the version and the name. */
struct new_file {
  const char *path, *text;
};

#define NEW_UP   "-- The change.\n\n"
#define NEW_DOWN "-- How to take it back.\n\n"

static const struct new_file new_pair[] = {
  {"%s_%s.up.sql",   NEW_UP  },
  {"%s_%s.down.sql", NEW_DOWN},
  {NULL,             NULL    }
};
static const struct new_file new_up[] = {
  {"%s_%s.sql", NEW_UP},
  {NULL,        NULL  }
};
static const struct new_file new_dbmate[] = {
  {"%s_%s.sql", "-- migrate:up\n\n\n-- migrate:down\n\n"},
  {NULL,        NULL                                    }
};
static const struct new_file new_goose[] = {
  {"%s_%s.sql", "-- +goose Up\n\n\n-- +goose Down\n\n"},
  {NULL,        NULL                                  }
};
static const struct new_file new_flyway[] = {
  {"V%s__%s.sql", NEW_UP},
  {NULL,          NULL  }
};
static const struct new_file new_diesel[] = {
  {"%s_%s/up.sql",   NEW_UP  },
  {"%s_%s/down.sql", NEW_DOWN},
  {NULL,             NULL    }
};

static const struct new_file *const new_files[] = {
  [SOURCE_AUTO] = new_pair,   [SOURCE_NATIVE] = new_pair,
  [SOURCE_GOLANG] = new_pair, [SOURCE_DBMATE] = new_dbmate,
  [SOURCE_GOOSE] = new_goose, [SOURCE_FLYWAY] = new_flyway,
  [SOURCE_SQLX] = new_up,     [SOURCE_DIESEL] = new_diesel,
};

struct new_migration {
  const char *dir;
  const struct new_file *files;
  char version[SOURCE_VERSION_MAX + 1];
  char name[NEW_NAME_MAX + 1];
  char newest[SOURCE_VERSION_MAX]; /* "" if there is none */
  size_t width; /* digits of the newest as they are written */
  struct fed_str paths;
  struct fed_err *err;
};

/* ---- name and version -------------------------------------------------- */

/* "Add users!" -> "add_users" */
static int new_name(struct new_migration *new, const char *name)
{
  size_t n = 0;

  for (const char *s = name; *s; s++) {
    char c = *s >= 'A' && *s <= 'Z' ? (char)(*s - 'A' + 'a') : *s;

    if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))) c = '_';
    if (c == '_' && (n == 0 || new->name[n - 1] == '_')) continue;
    if (n == NEW_NAME_MAX)
      return fed_err_set(new->err, SQLITE_ERROR,
                         "the name of a migration is at most %d characters",
                         NEW_NAME_MAX);
    new->name[n++] = c;
  }
  if (n > 0 && new->name[n - 1] == '_') n--;
  new->name[n] = 0;
  if (n > 0) return SQLITE_OK;
  return fed_err_set(new->err, SQLITE_ERROR,
                     "'%s' has no letter or digit to name a migration by: use "
                     "a-z, 0-9 and '_', as in 'create_users'",
                     SOURCE_SHOW(name));
}

/* The last number of a version, and one more. */
static void new_increment(char *version)
{
  size_t i = strlen(version);

  while (i > 0 && version[i - 1] == '9')
    version[--i] = '0';
  if (i > 0 && version[i - 1] != '.') {
    version[i - 1]++;
    return;
  }
  memmove(version + i + 1, version + i, strlen(version + i) + 1);
  version[i] = '1';
}

/* Small numbers go on with small numbers, as wide as they are. */
static void new_next(struct new_migration *new)
{
  char next[SOURCE_VERSION_MAX + 1];
  size_t n;

  memcpy(next, new->newest, SOURCE_VERSION_MAX);
  new_increment(next);
  n = strlen(next);
  n = n < new->width ? new->width - n : 0;
  memset(new->version, '0', n);
  memcpy(new->version + n, next, strlen(next) + 1);
}

static int new_version(struct new_migration *new, enum source_layout layout)
{
  time_t now = (time_t)(fed_clock_wall_ms() / 1000);
  struct tm tm;

  if (!gmtime_r(&now, &tm) ||
      strftime(new->version, sizeof new->version, "%Y%m%d%H%M%S", &tm) == 0)
    return fed_err_set(new->err, SQLITE_ERROR, "the clock has no date");
  if (!new->newest[0] ||
      (strlen(new->newest) >= 8 && !strchr(new->newest, '.') &&
       source_version_cmp(new->newest, new->version) < 0)) {
    if (layout == SOURCE_DIESEL)
      strftime(new->version, sizeof new->version, "%Y-%m-%d-%H%M%S", &tm);
    return SQLITE_OK;
  }
  if (strlen(new->newest) + 1 >= SOURCE_VERSION_MAX)
    return fed_err_set(new->err, SQLITE_ERROR,
                       "no version is above the newest, %s", new->newest);
  new_next(new);
  return SQLITE_OK;
}

/* What is there already, for any dialect. */
static int new_look(struct new_migration *new, enum source_layout *layout)
{
  struct source_items items = {.dirfd = -1};
  int rc = source_items_open(&items, new->dir, new->err);
  bool down = false;

  if (rc == SQLITE_OK) rc = source_layout_find(&items, layout, new->err);
  for (int i = 0; i < items.n && rc == SQLITE_OK; i++) {
    const struct source_item *item = &items.item[i];

    if (!(item->shape & source_rows[*layout].allows)) continue;
    down |= item->down;
    if (item->kind == SOURCE_REPEATABLE ||
        (new->newest[0] && source_version_cmp(item->version, new->newest) <= 0))
      continue;
    memcpy(new->newest, item->version, sizeof new->newest);
    new->width = strspn(item->path, "0123456789");
  }
  source_items_release(&items);
  /* sqlx's directories have pairs or single files. */
  new->files = *layout == SOURCE_SQLX &&down ? new_pair : new_files[*layout];
  return rc;
}

/* ---- files ------------------------------------------------------------- */

static int new_failed(struct new_migration *new, const char *path)
{
  return fed_err_set(new->err, SQLITE_CANTOPEN, "cannot write '%s': %s%s",
                     SOURCE_SHOW(path), strerror(errno),
                     errno == EEXIST ? " (nothing is overwritten)" : "");
}

static int new_write(struct new_migration *new, const char *path,
                     const char *text)
{
  size_t n = strlen(text);
  int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  ssize_t wrote;

  if (fd < 0) return new_failed(new, path);
  wrote = write(fd, text, n);
  if (close(fd) == 0 && wrote == (ssize_t)n) return SQLITE_OK;
  new_failed(new, path);
  unlink(path);
  return new->err->rc;
}

/* Its folder (diesel's) is made with its first file. */
static int new_file(struct new_migration *new, const struct new_file *file,
                    bool first)
{
  struct fed_str path;
  size_t folder;
  char *slash;
  int rc;

  fed_str_init(&path, 8192);
  fed_str_addf(&path, "%s/", new->dir);
  folder = path.len;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
  fed_str_addf(&path, file->path, new->version, new->name);
#pragma GCC diagnostic pop
  rc = fed_str_err(&path, new->err);
  if (rc == SQLITE_OK && first && (slash = strchr(path.s + folder, '/'))) {
    *slash = 0;
    if (mkdir(path.s, 0777) != 0) rc = new_failed(new, path.s);
    *slash = '/';
  }
  if (rc == SQLITE_OK) rc = new_write(new, path.s, file->text);
  if (rc == SQLITE_OK)
    fed_str_addf(&new->paths, "%s%s", first ? "" : "\n", path.s);
  fed_str_release(&path);
  return rc;
}

static int new_make(struct new_migration *new, char **paths)
{
  int rc = SQLITE_OK;

  for (int i = 0; new->files[i].path &&rc == SQLITE_OK; i++)
    rc = new_file(new, &new->files[i], i == 0);
  /* Half of a pair is worse than nothing. */
  if (rc != SQLITE_OK && new->paths.len) unlink(new->paths.s);
  if (rc == SQLITE_OK) rc = fed_str_err(&new->paths, new->err);
  if (rc == SQLITE_OK && !(*paths = fed_str_detach(&new->paths)))
    rc = fed_err_nomem(new->err);
  return rc;
}

int source_new(const char *dir, const char *name, enum source_layout layout,
               char **paths, struct fed_err *err)
{
  struct new_migration new = {.dir = dir, .err = err};
  int rc;

  *paths = NULL;
  fed_str_init(&new.paths, 64 * 1024);
  rc = new_name(&new, name);
  if (rc == SQLITE_OK && mkdir(dir, 0777) != 0 && errno != EEXIST)
    rc = new_failed(&new, dir);
  if (rc == SQLITE_OK) rc = new_look(&new, &layout);
  if (rc == SQLITE_OK) rc = new_version(&new, layout);
  if (rc == SQLITE_OK) rc = new_make(&new, paths);
  fed_str_release(&new.paths);
  return rc;
}
