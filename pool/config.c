/*
 * config: the file that names servers and trusts databases.
 *
 *     [dbfed]
 *     trust = /srv/app/main.db
 *
 *     [shop]
 *     url = postgres://app@db.example/shop
 *     pool_max = 4
 *
 * It is read when it is first needed, never at load, and again once it has
 * changed. A section with a wrong URL or option defines nothing; what is wrong
 * is kept and told to whoever asks for a server that is not defined.
 *
 * libinih cuts lines that are longer than its buffer in two, silently; the
 * reader here refuses them instead. Its settings are global to the process
 * and are left as they are.
 */
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <ini.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "pool/pool_int.h"

#define CONFIG_SIZE_MAX     (256 * 1024)
#define CONFIG_SECTIONS_MAX 500
#define CONFIG_OPTIONS_MAX  64
#define CONFIG_TRUST_MAX    200
#define CONFIG_BLANKS       " \t,"

/* Which version of which file; all zero when there is none. */
struct config_stamp {
  dev_t dev;
  ino_t ino;
  off_t size;
  struct timespec mtime;
  struct timespec ctime; /* chmod changes what we make of it */
};

/* A section as it was read, before it is made a server. */
struct config_section {
  char *name, *url;
  int line, url_line;
  int noption;
  char *option[CONFIG_OPTIONS_MAX]; /* key=value */
  int option_line[CONFIG_OPTIONS_MAX];
};

/* One reading of the file. */
struct config_file {
  const char *path;
  char *text;       /* the whole of it */
  const char *next; /* the line that the parser gets next */
  int line;         /* of the line that it has */
  bool secret;      /* a password stands in it */
  int secret_line;
  int nsection;
  struct config_section **section;
  int ntrust;
  char *trust[CONFIG_TRUST_MAX];
  struct fed_err err; /* the first thing that is wrong */
  int err_line;       /* and where, or 0 */
};

/* What the last reading left; guarded by the pool's lock. */
static struct {
  bool read;
  char path[1024];
  struct config_stamp stamp;
  int ntrust;
  char **trust;
  struct fed_err err;
} config_now;

/* ---- where it is ------------------------------------------------------- */

/* secure_getenv: a set-uid host must not take orders from its caller. */
static const char *config_env(const char *name)
{
  const char *value = secure_getenv(name);

  return value && *value ? value : NULL;
}

/* The path of the file, "" for none; true if the user named it. */
static bool config_path(char *path, size_t size)
{
  const char *named = secure_getenv("DBFED_CONFIG");
  const char *xdg = config_env("XDG_CONFIG_HOME");
  const char *home = config_env("HOME");
  int n;

  *path = 0;
  if (named)
    n = snprintf(path, size, "%s", named);
  else if (xdg)
    n = snprintf(path, size, "%s/dbfed.ini", xdg);
  else if (home)
    n = snprintf(path, size, "%s/.config/dbfed.ini", home);
  else
    return false;
  if (n < 0 || (size_t)n >= size) *path = 0;
  return named && *path;
}

void fed_config_path(char *path, size_t size)
{
  (void)config_path(path, size);
}

static void config_stamp_of(const struct stat *st, struct config_stamp *stamp)
{
  memset(stamp, 0, sizeof *stamp);
  stamp->dev = st->st_dev;
  stamp->ino = st->st_ino;
  stamp->size = st->st_size;
  stamp->mtime = st->st_mtim;
  stamp->ctime = st->st_ctim;
}

static void config_look(const char *path, struct config_stamp *stamp)
{
  struct stat st;

  memset(stamp, 0, sizeof *stamp);
  if (*path && stat(path, &st) == 0) config_stamp_of(&st, stamp);
}

static bool config_same_time(struct timespec a, struct timespec b)
{
  return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

static bool config_same_stamp(const struct config_stamp *a,
                              const struct config_stamp *b)
{
  return a->dev == b->dev && a->ino == b->ino && a->size == b->size &&
         config_same_time(a->mtime, b->mtime) &&
         config_same_time(a->ctime, b->ctime);
}

/* ---- reading it -------------------------------------------------------- */

static void config_wrong(struct config_file *file, int line, const char *what)
{
  if (file->err.rc == SQLITE_OK) file->err_line = line;
  if (line)
    fed_err_set(&file->err, SQLITE_ERROR, "%s:%d: %s", file->path, line, what);
  else
    fed_err_set(&file->err, SQLITE_ERROR, "%s: %s", file->path, what);
}

/* Who else can write the file could send our data anywhere. */
static bool config_safe(struct config_file *file, const struct stat *st)
{
  if (!S_ISREG(st->st_mode)) {
    config_wrong(file, 0, "not a regular file");
  } else if (st->st_uid != geteuid() && st->st_uid != 0) {
    config_wrong(file, 0, "refused: it belongs to another user");
  } else if (st->st_mode & (S_IWGRP | S_IWOTH)) {
    fed_err_set(&file->err, SQLITE_ERROR,
                "%s: refused: others can write to it; run chmod go-w '%s'",
                file->path, file->path);
  } else if (st->st_size > CONFIG_SIZE_MAX) {
    config_wrong(file, 0, "refused: longer than 256 kB");
  }
  return file->err.rc == SQLITE_OK;
}

static bool config_read_all(struct config_file *file, int fd, size_t size)
{
  size_t have = 0;

  if (!(file->text = fed_alloc(size + 1))) {
    fed_err_nomem(&file->err);
    return false;
  }
  while (have < size) {
    ssize_t n = read(fd, file->text + have, size - have);

    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    have += (size_t)n;
  }
  if (strlen(file->text) != have) config_wrong(file, 0, "it holds a NUL byte");
  return file->err.rc == SQLITE_OK;
}

/* Open, look at the owner and mode of that very file, read. */
static bool config_open(struct config_file *file, struct stat *st)
{
  int fd = open(file->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  bool ok;

  if (fd < 0 || fstat(fd, st) != 0) {
    config_wrong(file, 0, "cannot be read");
    if (fd >= 0) close(fd);
    return false;
  }
  ok = config_safe(file, st) && config_read_all(file, fd, (size_t)st->st_size);
  close(fd);
  return ok;
}

/* What libinih calls for each line, with the room in its buffer. */
static char *config_line(char *buffer, int room, void *arg)
{
  struct config_file *file = arg;
  /* Without its indentation, which libinih takes for a continued value. */
  const char *line = file->next + strspn(file->next, " \t");
  size_t n = strcspn(line, "\n");

  if (*line == 0 || room < 3) return NULL;
  file->line++;
  file->next = line + n + (line[n] == '\n');
  if (n + 2 > (size_t)room) {
    config_wrong(file, file->line,
                 "the line is too long; options and parameters (user, host, "
                 "sslrootcert ...) can have lines of their own");
    n = 0;
  }
  memcpy(buffer, line, n);
  buffer[n] = '\n';
  buffer[n + 1] = 0;
  return buffer;
}

/* ---- what it says ------------------------------------------------------ */

static struct config_section *config_section(struct config_file *file,
                                             const char *name)
{
  struct config_section **grown, *section;

  for (int i = 0; i < file->nsection; i++)
    if (strcasecmp(file->section[i]->name, name) == 0) return file->section[i];
  if (file->nsection >= CONFIG_SECTIONS_MAX) {
    config_wrong(file, file->line, "too many sections");
    return NULL;
  }
  grown =
    fed_realloc(file->section, (size_t)(file->nsection + 1) * sizeof(section));
  if (grown) file->section = grown;
  section = grown ? fed_alloc(sizeof *section) : NULL;
  if (section) section->name = fed_strdup(name);
  if (!section || !section->name) {
    fed_free(section);
    fed_err_nomem(&file->err);
    return NULL;
  }
  section->line = file->line;
  file->section[file->nsection++] = section;
  return section;
}

static void config_url(struct config_file *file, struct config_section *section,
                       const char *url)
{
  if (section->url) {
    config_wrong(file, file->line, "'url' is given twice");
  } else if (!(section->url = fed_strdup(url))) {
    fed_err_nomem(&file->err);
  }
  section->url_line = file->line;
}

static void config_option(struct config_file *file,
                          struct config_section *section, const char *key,
                          const char *value)
{
  struct fed_str option;

  if (section->noption >= CONFIG_OPTIONS_MAX) {
    config_wrong(file, file->line, "too many options");
    return;
  }
  fed_str_init(&option, CONFIG_SIZE_MAX);
  fed_str_addf(&option, "%s=%s", key, value);
  section->option[section->noption] = fed_str_detach(&option);
  if (!section->option[section->noption]) {
    fed_err_nomem(&file->err);
    return;
  }
  section->option_line[section->noption++] = file->line;
}

/* One pattern: absolute, or below the home directory. */
static void config_trust_one(struct config_file *file, const char *s, size_t n)
{
  const char *home = config_env("HOME");
  bool tilde = n >= 2 && memcmp(s, "~/", 2) == 0;
  struct fed_str pattern;

  if (*s != '/' && !(tilde && home)) {
    config_wrong(file, file->line,
                 "a pattern of 'trust' begins with '/' or '~/'");
    return;
  }
  if (file->ntrust >= CONFIG_TRUST_MAX) {
    config_wrong(file, file->line, "too many patterns of 'trust'");
    return;
  }
  fed_str_init(&pattern, 4096);
  fed_str_add(&pattern, tilde ? home : "");
  fed_str_addn(&pattern, s + tilde, n - tilde);
  file->trust[file->ntrust] = fed_str_detach(&pattern);
  if (file->trust[file->ntrust])
    file->ntrust++;
  else
    fed_err_nomem(&file->err);
}

static void config_trust(struct config_file *file, const char *list)
{
  while (*(list += strspn(list, CONFIG_BLANKS))) {
    size_t n = strcspn(list, CONFIG_BLANKS);

    config_trust_one(file, list, n);
    list += n;
  }
}

/* What libinih calls for each key and value. */
static int config_entry(void *arg, const char *name, const char *key,
                        const char *value)
{
  struct config_file *file = arg;
  struct config_section *section;

  if (!key || !value) {
    config_wrong(file, file->line, "neither [section] nor key = value");
  } else if (*name == 0) {
    config_wrong(file, file->line, "stands in front of the first [section]");
  } else if (strcasecmp(name, "dbfed") == 0) {
    if (strcmp(key, "trust") == 0)
      config_trust(file, value);
    else
      config_wrong(file, file->line,
                   "unknown option in section [dbfed]; options: trust");
  } else if ((section = config_section(file, name)) != NULL) {
    if (strcmp(key, "url") == 0)
      config_url(file, section, value);
    else
      config_option(file, section, key, value);
  }
  return 1;
}

/*
 * After an error here the file is not used at all: a line that was not
 * understood may have been the one that asked for encryption.
 */
static bool config_parse(struct config_file *file)
{
  int line;

  file->next = file->text;
  line = ini_parse_stream(config_line, file, config_entry, file);
  /* libinih tells at the end, and what follows a bad line errs as well. */
  if (line > 0 && line < file->err_line) fed_err_clear(&file->err);
  if (line > 0) config_wrong(file, line, "neither [section] nor key = value");
  if (line < 0) fed_err_nomem(&file->err);
  return file->err.rc == SQLITE_OK;
}

/* ---- what becomes of it ------------------------------------------------ */

static struct fed_server *config_build(struct config_file *file,
                                       const struct config_section *section)
{
  struct fed_server *server = NULL;
  struct fed_err err = FED_ERR_INIT;
  int bad;

  if (!section->url) {
    config_wrong(file, section->line, "the section has no 'url'");
    return NULL;
  }
  if (fed_server_build(section->name, section->url,
                       (const char *const *)section->option, section->noption,
                       FED_ORIGIN_CONFIG, &server, &bad, &err) != SQLITE_OK) {
    config_wrong(file, bad < 0 ? section->url_line : section->option_line[bad],
                 err.msg);
    return NULL;
  }
  if (fed_server_has_secret(server) && !file->secret) {
    file->secret = true;
    file->secret_line = section->url_line;
  }
  return server;
}

/* Make servers of all sections, then list them: all, or none if a password
 * stands in a file that others can read. */
static void config_apply(struct config_file *file, mode_t mode)
{
  struct fed_server **made =
    fed_calloc((size_t)file->nsection, sizeof(struct fed_server *));

  if (!made) {
    fed_err_nomem(&file->err);
    return;
  }
  for (int i = 0; i < file->nsection; i++)
    made[i] = config_build(file, file->section[i]);
  if (file->secret && (mode & (S_IRWXG | S_IRWXO))) {
    fed_err_clear(&file->err); /* this is what has to be mended first */
    fed_err_set(&file->err, SQLITE_ERROR,
                "%s:%d: refused: it holds a password and others can read it; "
                "run chmod 600 '%s', or write password = env:VARIABLE",
                file->path, file->secret_line, file->path);
  }
  for (int i = 0; i < file->nsection; i++) {
    if (!made[i]) continue;
    if (file->secret && (mode & (S_IRWXG | S_IRWXO)))
      fed_server_unref(made[i]);
    else
      fed_server_install(made[i], &file->err);
  }
  fed_free(made);
}

/* A file without a fault says what there is; what it lacks is gone. */
static void config_forget_others(const struct config_file *file)
{
  const char **names = fed_calloc((size_t)file->nsection, sizeof(const char *));

  if (!names) return;
  for (int i = 0; i < file->nsection; i++)
    names[i] = file->section[i]->name;
  fed_server_drop_config(names, file->nsection);
  fed_free(names);
}

static void config_free_section(struct config_section *section)
{
  fed_free(section->name);
  fed_free_secret(section->url);
  for (int i = 0; i < section->noption; i++)
    fed_free_secret(section->option[i]);
  fed_free(section);
}

static void config_free_trust(char **trust, int n)
{
  for (int i = 0; i < n; i++)
    fed_free(trust[i]);
}

static void config_release(struct config_file *file)
{
  for (int i = 0; i < file->nsection; i++)
    config_free_section(file->section[i]);
  fed_free(file->section);
  config_free_trust(file->trust, file->ntrust);
  fed_free_secret(file->text);
}

/* Remember the outcome. Patterns of a file that is wrong trust nothing. */
static void config_remember(struct config_file *file,
                            const struct config_stamp *stamp)
{
  int n = file->err.rc == SQLITE_OK ? file->ntrust : 0;
  char **trust = n ? fed_calloc((size_t)n, sizeof *trust) : NULL;
  char **old;
  int nold;

  if (n && !trust) {
    fed_err_nomem(&file->err);
    n = 0;
  }
  if (n) memcpy(trust, file->trust, (size_t)n * sizeof *trust);
  if (n) file->ntrust = 0;
  fed_pool_lock();
  old = config_now.trust;
  nold = config_now.ntrust;
  config_now.trust = trust;
  config_now.ntrust = n;
  config_now.stamp = *stamp;
  config_now.err = file->err;
  config_now.read = file->err.rc != SQLITE_NOMEM;
  snprintf(config_now.path, sizeof config_now.path, "%s", file->path);
  fed_pool_unlock();
  config_free_trust(old, nold);
  fed_free(old);
}

static void config_read(const char *path, bool named,
                        struct config_stamp *stamp)
{
  struct config_file *file = fed_alloc(sizeof *file);
  struct stat st;

  if (!file) return; /* the next call tries again */
  file->path = path;
  if (stamp->ino == 0) {
    if (named) config_wrong(file, 0, "cannot be read");
  } else if (config_open(file, &st)) {
    config_stamp_of(&st, stamp);
    if (config_parse(file)) config_apply(file, st.st_mode);
  }
  if (file->err.rc == SQLITE_OK) config_forget_others(file);
  config_remember(file, stamp);
  config_release(file);
  fed_free(file);
}

void fed_config_refresh(void)
{
  char path[sizeof config_now.path];
  bool named = config_path(path, sizeof path);
  struct config_stamp stamp;
  bool fresh;

  config_look(path, &stamp);
  fed_pool_lock();
  fresh = config_now.read && strcmp(path, config_now.path) == 0 &&
          config_same_stamp(&stamp, &config_now.stamp);
  fed_pool_unlock();
  if (!fresh) config_read(path, named, &stamp);
}

/* ---- questions --------------------------------------------------------- */

int fed_config_check(struct fed_err *err)
{
  struct fed_err now;

  fed_config_refresh();
  fed_pool_lock();
  now = config_now.err;
  fed_pool_unlock();
  if (now.rc == SQLITE_OK) return SQLITE_OK;
  return fed_err_set(err, now.rc, "%s", now.msg);
}

void fed_config_advise(const char *name, struct fed_err *err)
{
  struct fed_err now;
  char path[sizeof config_now.path];

  fed_pool_lock();
  now = config_now.err;
  memcpy(path, config_now.path, sizeof path);
  fed_pool_unlock();
  if (now.rc != SQLITE_OK)
    fed_err_suffix(err, "; %s", now.msg);
  else
    fed_err_suffix(
      err, "; define it: SELECT fed_server('%s', 'postgres://...')", name);
  if (now.rc == SQLITE_OK && *path)
    fed_err_suffix(err, ", or as section [%s] of %s", name, path);
}

/* '*' stops at '/'; a pattern that ends in two of them takes in all below. */
static bool config_matches(const char *pattern, const char *path)
{
  size_t n = strlen(pattern);
  char *above;
  bool match;

  if (strcmp(pattern, "/**") == 0) return true;
  if (n < 4 || strcmp(pattern + n - 3, "/**") != 0)
    return fnmatch(pattern, path, FNM_PATHNAME) == 0;
  if (!(above = fed_strndup(pattern, n - 3))) return false;
  match = fnmatch(above, path, FNM_PATHNAME | FNM_LEADING_DIR) == 0;
  fed_free(above);
  return match;
}

/* A copy of pattern `i`, for matching it without the lock. */
static char *config_pattern(int i)
{
  char copy[4096 + 1] = "";
  bool found;

  fed_pool_lock();
  found = i < config_now.ntrust;
  if (found) snprintf(copy, sizeof copy, "%s", config_now.trust[i]);
  fed_pool_unlock();
  return found ? fed_strdup(copy) : NULL;
}

bool fed_config_trusts(const char *path)
{
  bool trusted = false;

  fed_config_refresh();
  for (int i = 0; !trusted; i++) {
    char *pattern = config_pattern(i);

    if (!pattern) return false;
    trusted = config_matches(pattern, path);
    fed_free(pattern);
  }
  return true;
}

void fed_config_forget(void)
{
  char **old;
  int n;

  fed_pool_lock();
  old = config_now.trust;
  n = config_now.ntrust;
  memset(&config_now, 0, sizeof config_now);
  fed_pool_unlock();
  config_free_trust(old, n);
  fed_free(old);
}
