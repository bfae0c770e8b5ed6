/*
 * The files of a source: listed from a directory or taken from an array, and
 * read as text. Nothing is opened that is no regular file, for a FIFO would
 * hold us for ever; links are followed, but no folder is read twice.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "migrate/source_item.h"

#define DIR_PATH_MAX 4096

/* ---- what is shown ----------------------------------------------------- */

/* The length of the UTF-8 character at `s`, 0 if it is none. */
static size_t dir_utf8(const unsigned char *s, size_t n)
{
  static const struct {
    unsigned char mask, lead;
    uint32_t min;
  } forms[] = {
    {0xE0, 0xC0, 0x80   },
    {0xF0, 0xE0, 0x800  },
    {0xF8, 0xF0, 0x10000}
  };

  if (*s < 0x80) return 1;
  for (size_t i = 0; i < FED_LEN(forms); i++) {
    uint32_t c = *s & (unsigned char)~forms[i].mask;

    if ((*s & forms[i].mask) != forms[i].lead) continue;
    if (n < i + 2) return 0;
    for (size_t k = 1; k < i + 2; k++) {
      if ((s[k] & 0xC0) != 0x80) return 0;
      c = c << 6 | (s[k] & 0x3F);
    }
    if (c < forms[i].min || c > 0x10FFFF) return 0;
    return c >= 0xD800 && c <= 0xDFFF ? 0 : i + 2;
  }
  return 0;
}

/* Letters and the like; not what moves the cursor, is not seen, or turns the
 * direction of writing (U+200B.., U+2028.., U+2060..). */
static bool dir_plain(const unsigned char *s, size_t n)
{
  if (n == 1) return *s >= 0x20 && *s != 0x7F && *s != '\\';
  if (n == 2) return !(s[0] == 0xC2 && s[1] < 0xA0);
  if (n != 3 || s[0] != 0xE2) return true;
  return !(s[1] == 0x80 && ((s[2] >= 0x8B && s[2] <= 0x8F) ||
                            (s[2] >= 0xA8 && s[2] <= 0xAE))) &&
         !(s[1] == 0x81 && s[2] >= 0xA0 && s[2] <= 0xAF);
}

static void dir_escape(struct fed_str *out, const unsigned char *s, size_t left)
{
  while (left > 0) {
    size_t n = dir_utf8(s, left);

    if (n > 0 && dir_plain(s, n)) {
      fed_str_addn(out, s, n);
    } else {
      n = n > 0 ? n : 1;
      for (size_t i = 0; i < n; i++)
        fed_str_addf(out, "\\x%02X", s[i]);
    }
    s += n;
    left -= n;
  }
}

/* Long ones keep their beginning and their end. */
const char *source_show(struct source_shown *shown, const char *s, size_t n)
{
  struct fed_str out;
  const size_t half = sizeof shown->s / 2 - 8;
  const char *tail;
  int head = (int)half;

  fed_str_init(&out, DIR_PATH_MAX * 4);
  dir_escape(&out, (const unsigned char *)s, n);
  if (out.len < sizeof shown->s) {
    snprintf(shown->s, sizeof shown->s, "%s", out.s);
  } else {
    while (head > 0 && (out.s[head] & 0xC0) == 0x80)
      head--;
    tail = out.s + out.len - half;
    while ((*tail & 0xC0) == 0x80)
      tail++;
    snprintf(shown->s, sizeof shown->s, "%.*s...%s", head, out.s, tail);
  }
  fed_str_release(&out);
  return shown->s;
}

/* ---- lists ------------------------------------------------------------- */

/* Takes `path`, which may be NULL for want of memory. */
static int dir_add(struct source_items *items, char *path, struct fed_err *err)
{
  struct source_item *grown;
  int room = items->room ? items->room * 2 : 64;

  if (!path) return fed_err_nomem(err);
  if (items->n >= SOURCE_ENTRIES_MAX) {
    fed_free(path);
    return fed_err_set(err, SQLITE_TOOBIG,
                       "more than %d files in '%s': name the folder that holds "
                       "the migrations",
                       SOURCE_ENTRIES_MAX, SOURCE_SHOW(items->dir));
  }
  if (items->n == items->room) {
    grown = fed_realloc(items->item, (size_t)room * sizeof *grown);
    if (!grown) {
      fed_free(path);
      return fed_err_nomem(err);
    }
    items->item = grown;
    items->room = room;
  }
  memset(&items->item[items->n], 0, sizeof *items->item);
  items->item[items->n++].path = path;
  return SQLITE_OK;
}

static int dir_compare(const void *a, const void *b)
{
  const struct source_item *left = a, *right = b;

  return strcmp(left->path, right->path);
}

/* The order that readdir gives is the file system's; ours is by path. */
static void dir_sort(struct source_items *items)
{
  if (items->n > 0)
    qsort(items->item, (size_t)items->n, sizeof *items->item, dir_compare);
}

struct source_item *source_items_find(struct source_items *items,
                                      const char *path)
{
  struct source_item key;

  memset(&key, 0, sizeof key);
  key.path = (char *)(uintptr_t)path; /* only compared */
  return items->n ? bsearch(&key, items->item, (size_t)items->n,
                            sizeof *items->item, dir_compare)
                  : NULL;
}

void source_items_release(struct source_items *items)
{
  for (int i = 0; i < items->n; i++) {
    fed_free(items->item[i].path);
    fed_free(items->item[i].text);
  }
  fed_free(items->item);
  if (items->dirfd >= 0) close(items->dirfd);
  items->item = NULL;
  items->n = items->room = 0;
  items->dirfd = -1;
}

void source_items_flatten(struct source_items *items)
{
  int n = 0;

  for (int i = 0; i < items->n; i++)
    if (strchr(items->item[i].path, '/')) {
      fed_free(items->item[i].path);
      fed_free(items->item[i].text);
    } else {
      items->item[n++] = items->item[i];
    }
  items->n = n;
}

int source_items_embed(struct source_items *items,
                       const struct source_embedded *list, int n,
                       struct fed_err *err)
{
  int rc = SQLITE_OK;

  items->dirfd = -1;
  items->dir = "the embedded source";
  for (int i = 0; i < n && rc == SQLITE_OK; i++) {
    if (list[i].name[0] == '.' || strstr(list[i].name, "/.")) continue;
    rc = dir_add(items, fed_strdup(list[i].name), err);
    if (rc == SQLITE_OK)
      items->item[items->n - 1].given = list[i].text ? list[i].text : "";
  }
  if (rc != SQLITE_OK) return rc;
  dir_sort(items);
  for (int i = 0; i < items->n; i++) {
    source_name_parse(&items->item[i]);
    if (i > 0 && dir_compare(&items->item[i - 1], &items->item[i]) == 0)
      return fed_err_set(err, SQLITE_ERROR, "the file '%s' is given twice",
                         SOURCE_SHOW(items->item[i].path));
  }
  return SQLITE_OK;
}

/* ---- directories ------------------------------------------------------- */

/* What stands behind an entry; links are followed. 'd' folder, 'f' file, 'o'
 * something else, 0 with an error. */
static char dir_kind(int fd, const struct dirent *entry, const char *path,
                     struct fed_err *err)
{
  struct stat st;

  if (entry->d_type == DT_REG) return 'f';
  if (entry->d_type == DT_DIR) return 'd';
  if (entry->d_type != DT_UNKNOWN && entry->d_type != DT_LNK) return 'o';
  if (fstatat(fd, entry->d_name, &st, 0) == 0)
    return S_ISDIR(st.st_mode) ? 'd' : S_ISREG(st.st_mode) ? 'f' : 'o';
  if (errno == ELOOP)
    fed_err_set(err, SQLITE_CANTOPEN,
                "'%s' is a symbolic link that leads back to itself: remove it",
                SOURCE_SHOW(path));
  else if (errno == ENOENT)
    fed_err_set(err, SQLITE_CANTOPEN,
                "'%s' is a symbolic link to nothing: remove it, or bring back "
                "the file it points to",
                SOURCE_SHOW(path));
  else
    fed_err_set(err, SQLITE_CANTOPEN, "cannot look at '%s': %s",
                SOURCE_SHOW(path), strerror(errno));
  return 0;
}

/* Hidden entries are nobody's migrations: .git, ..data of Kubernetes. */
static int dir_entry(struct source_items *items, int fd, const char *prefix,
                     const struct dirent *entry, struct fed_err *err)
{
  struct fed_str path;
  char *s, kind;

  if (entry->d_name[0] == '.') return SQLITE_OK;
  fed_str_init(&path, DIR_PATH_MAX);
  fed_str_addf(&path, "%s%s", prefix, entry->d_name);
  kind = dir_kind(fd, entry, path.s, err);
  if (kind == 'd') fed_str_addc(&path, '/');
  if (fed_str_err(&path, err) != SQLITE_OK || !kind) {
    fed_str_release(&path);
    return err->rc;
  }
  s = fed_str_detach(&path);
  if (dir_add(items, s, err) != SQLITE_OK) return err->rc;
  source_name_parse(&items->item[items->n - 1]);
  return SQLITE_OK;
}

/* List one folder. Takes `fd`; `prefix` is "" or ends with '/'. */
static int dir_list(struct source_items *items, int fd, const char *prefix,
                    struct fed_err *err)
{
  DIR *dir = fdopendir(fd);
  struct dirent *entry;
  int rc = SQLITE_OK;

  if (!dir) {
    close(fd);
    return fed_err_set(err, SQLITE_CANTOPEN, "cannot read the folder '%s': %s",
                       SOURCE_SHOW(*prefix ? prefix : items->dir),
                       strerror(errno));
  }
  while (rc == SQLITE_OK && (errno = 0, entry = readdir(dir)) != NULL)
    rc = dir_entry(items, fd, prefix, entry, err);
  if (rc == SQLITE_OK && errno != 0)
    rc =
      fed_err_set(err, SQLITE_IOERR, "cannot read the folder '%s': %s",
                  SOURCE_SHOW(*prefix ? prefix : items->dir), strerror(errno));
  closedir(dir);
  return rc;
}

static int dir_failed(const char *dir, struct fed_err *err)
{
  const char *shown = SOURCE_SHOW(dir);
  char cwd[256];

  if (errno == ENOTDIR)
    return fed_err_set(err, SQLITE_CANTOPEN,
                       "'%s' is no directory: name the folder that holds the "
                       "migrations, not one of its files",
                       shown);
  if (errno != ENOENT)
    return fed_err_set(err, SQLITE_CANTOPEN,
                       "cannot open the directory '%s': %s", shown,
                       strerror(errno));
  fed_err_set(err, SQLITE_CANTOPEN,
              "no directory '%s': it would hold the migrations, as "
              "20240131120000_create_users.up.sql; dir=... names another, and "
              "migrate_new('name') makes the first file",
              shown);
  if (*dir != '/' && getcwd(cwd, sizeof cwd))
    fed_err_suffix(err, " (the working directory is '%s')", SOURCE_SHOW(cwd));
  return err->rc;
}

#define DIR_FLAGS (O_RDONLY | O_DIRECTORY | O_CLOEXEC)

int source_items_open(struct source_items *items, const char *dir,
                      struct fed_err *err)
{
  int fd, rc;

  items->dir = dir;
  items->dirfd = open(dir, DIR_FLAGS);
  if (items->dirfd < 0) return dir_failed(dir, err);
  fd = openat(items->dirfd, ".", DIR_FLAGS);
  if (fd < 0) return dir_failed(dir, err);
  rc = dir_list(items, fd, "", err);
  dir_sort(items);
  return rc;
}

/* A folder is met again only through links: those that lead back never end,
 * the others give every migration twice. */
static int dir_seen(struct stat *seen, int n, const char *path,
                    struct fed_err *err)
{
  for (int i = 0; i < n; i++)
    if (seen[i].st_dev == seen[n].st_dev && seen[i].st_ino == seen[n].st_ino)
      return fed_err_set(err, SQLITE_CANTOPEN,
                         "'%s' is a symbolic link to a folder that is read "
                         "already: remove it",
                         SOURCE_SHOW(path));
  return SQLITE_OK;
}

static int dir_descend(struct source_items *items, const char *path,
                       struct stat *seen, int n, struct fed_err *err)
{
  int fd;

  if (n >= SOURCE_FOLDERS_MAX)
    return fed_err_set(err, SQLITE_TOOBIG,
                       "more than %d folders in '%s': name the one that holds "
                       "the migrations",
                       SOURCE_FOLDERS_MAX, SOURCE_SHOW(items->dir));
  fd = openat(items->dirfd, path, DIR_FLAGS);
  if (fd < 0 || fstat(fd, &seen[n]) != 0) {
    fed_err_set(err, SQLITE_CANTOPEN, "cannot open the folder '%s': %s",
                SOURCE_SHOW(path), strerror(errno));
    if (fd >= 0) close(fd);
    return err->rc;
  }
  if (dir_seen(seen, n, path, err) != SQLITE_OK) {
    close(fd);
    return err->rc;
  }
  return dir_list(items, fd, path, err);
}

int source_items_deepen(struct source_items *items, struct fed_err *err)
{
  struct stat *seen;
  int n = 1, rc = SQLITE_OK;

  if (items->dirfd < 0) return SQLITE_OK; /* an array has them all */
  seen = fed_calloc(SOURCE_FOLDERS_MAX + 1, sizeof *seen);
  if (!seen) return fed_err_nomem(err);
  if (fstat(items->dirfd, &seen[0]) != 0)
    rc = fed_err_set(err, SQLITE_IOERR, "cannot look at '%s': %s",
                     SOURCE_SHOW(items->dir), strerror(errno));
  /* The list grows while it is walked: a folder's own come later. */
  for (int i = 0; i < items->n && rc == SQLITE_OK; i++)
    if (source_is_folder(&items->item[i]))
      rc = dir_descend(items, items->item[i].path, seen, n++, err);
  fed_free(seen);
  dir_sort(items);
  return rc;
}

/* ---- texts ------------------------------------------------------------- */

static int dir_line(const char *text, const char *at)
{
  int line = 1;

  for (const char *s = text; (s = memchr(s, '\n', (size_t)(at - s))); s++)
    line++;
  return line;
}

/* A text has no NUL and is UTF-8. */
static int dir_check(const struct source_item *item, struct fed_err *err)
{
  const unsigned char *s = (const unsigned char *)item->text;
  const unsigned char *end = s + item->size;
  const char *shown, *wrong;

  for (size_t n; s < end; s += n) {
    n = *s - 1u < 0x7Fu ? 1 : *s ? dir_utf8(s, (size_t)(end - s)) : 0;
    if (n == 0) break;
  }
  if (s == end) return SQLITE_OK;
  shown = SOURCE_SHOW(item->path);
  wrong = (const char *)s;
  if (item->size >= 2 && (memcmp(item->text, "\xFF\xFE", 2) == 0 ||
                          memcmp(item->text, "\xFE\xFF", 2) == 0))
    return fed_err_set(err, SQLITE_ERROR,
                       "%s: the file is UTF-16: save it as UTF-8", shown);
  if (*s == 0)
    return fed_err_set(err, SQLITE_ERROR,
                       "%s:%d: a NUL byte: the file is not SQL text, or is "
                       "UTF-16; save it as UTF-8",
                       shown, dir_line(item->text, wrong));
  return fed_err_set(err, SQLITE_ERROR,
                     "%s:%d: the byte 0x%02X is not UTF-8: save the file as "
                     "UTF-8",
                     shown, dir_line(item->text, wrong), *s);
}

void source_item_hash(const struct source_item *item, char out[65])
{
  static const char hex[] = "0123456789abcdef";
  struct sha256_ctx sha;
  uint8_t digest[SHA256_DIGEST_SIZE];
  const char *s = item->text, *end = s + item->size, *cr;

  sha256_init(&sha);
  while ((cr = memchr(s, '\r', (size_t)(end - s))) != NULL) {
    sha256_update(&sha, (size_t)(cr - s), (const uint8_t *)s);
    sha256_update(&sha, 1, (const uint8_t *)"\n");
    s = cr + 1;
    if (s < end && *s == '\n') s++;
  }
  sha256_update(&sha, (size_t)(end - s), (const uint8_t *)s);
  sha256_digest(&sha, sizeof digest, digest);
  for (size_t i = 0; i < sizeof digest; i++) {
    out[2 * i] = hex[digest[i] >> 4];
    out[2 * i + 1] = hex[digest[i] & 15];
  }
  out[64] = 0;
}

static int dir_too_big(const struct source_item *item, struct fed_err *err)
{
  return fed_err_set(err, SQLITE_TOOBIG,
                     "'%s' is larger than %u MB, or all files together are "
                     "larger than %u MB: load data by other means",
                     SOURCE_SHOW(item->path), SOURCE_FILE_MAX >> 20,
                     SOURCE_TOTAL_MAX >> 20);
}

/* Account for `size` bytes, and make room for them. */
static int dir_room(struct source_items *items, struct source_item *item,
                    uint64_t size, struct fed_err *err)
{
  if (size > SOURCE_FILE_MAX || size > SOURCE_TOTAL_MAX - items->total)
    return dir_too_big(item, err);
  item->text = fed_alloc((size_t)size + 1);
  if (!item->text) return fed_err_nomem(err);
  items->total += (size_t)size;
  item->size = (size_t)size;
  return SQLITE_OK;
}

static int dir_unreadable(const struct source_item *item, struct fed_err *err)
{
  return fed_err_set(err, SQLITE_CANTOPEN, "cannot read '%s': %s",
                     SOURCE_SHOW(item->path), strerror(errno));
}

/* Read the whole of an open file; what is appended meanwhile is not seen. */
static int dir_read_fd(struct source_items *items, struct source_item *item,
                       int fd, struct fed_err *err)
{
  struct stat st;
  size_t got = 0;

  if (fstat(fd, &st) != 0) return dir_unreadable(item, err);
  if (!S_ISREG(st.st_mode))
    return fed_err_set(err, SQLITE_CANTOPEN, "'%s' is no regular file",
                       SOURCE_SHOW(item->path));
  if (dir_room(items, item, (uint64_t)st.st_size, err) != SQLITE_OK)
    return err->rc;
  while (got < item->size) {
    ssize_t n = read(fd, item->text + got, item->size - got);

    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return dir_unreadable(item, err);
    if (n == 0) break;
    got += (size_t)n;
  }
  item->size = got;
  return SQLITE_OK;
}

static int dir_read(struct source_items *items, struct source_item *item,
                    struct fed_err *err)
{
  int fd, rc;

  if (item->given) {
    rc = dir_room(items, item, strlen(item->given), err);
    if (rc == SQLITE_OK && item->text)
      memcpy(item->text, item->given, item->size);
    return rc;
  }
  fd = openat(items->dirfd, item->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return dir_unreadable(item, err);
  rc = dir_read_fd(items, item, fd, err);
  close(fd);
  return rc;
}

int source_item_read(struct source_items *items, struct source_item *item,
                     struct fed_err *err)
{
  if (item->text) return SQLITE_OK;
  if (dir_read(items, item, err) != SQLITE_OK || !item->text)
    return fed_err_nomem(err); /* unless it is another error */
  if (item->size >= 3 && memcmp(item->text, "\xEF\xBB\xBF", 3) == 0) {
    item->size -= 3;
    memmove(item->text, item->text + 3, item->size);
  }
  item->text[item->size] = 0;
  return dir_check(item, err);
}
