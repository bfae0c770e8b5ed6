/* file: whole files, for schema.json and schema.sql. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "migrate/validate.h"

static int file_failed(const char *verb, const char *path, struct fed_err *err)
{
  int code = errno;

  return fed_err_set(err, code == ENOENT ? SQLITE_CANTOPEN : SQLITE_IOERR,
                     "cannot %s '%s': %s", verb, path, strerror(code));
}

static int file_is_none(const char *path, struct fed_err *err)
{
  return fed_err_set(err, SQLITE_CANTOPEN, "'%s' is no file", path);
}

static bool file_fill(int fd, const struct fed_str *text)
{
  for (size_t done = 0; done < text->len;) {
    ssize_t n = write(fd, text->s + done, text->len - done);

    if (n < 0 && errno != EINTR) return false;
    if (n > 0) done += (size_t)n;
  }
  return fsync(fd) == 0;
}

/* The name beside it is this process's: it may be left from a dead one. */
static int file_replace(const char *path, mode_t mode,
                        const struct fed_str *text, struct fed_err *err)
{
  struct fed_str beside;
  int fd = -1, rc;
  bool whole;

  fed_str_init(&beside, 8192);
  fed_str_addf(&beside, "%s.%ld.tmp", path, (long)getpid());
  rc = fed_str_err(&beside, err);
  if (rc == SQLITE_OK) {
    unlink(beside.s);
    fd = open(beside.s, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0) rc = file_failed("write", path, err);
  }
  if (rc == SQLITE_OK) {
    whole = !mode || fchmod(fd, mode) == 0;
    whole = whole && file_fill(fd, text);
    whole = close(fd) == 0 && whole;
    if (!whole || rename(beside.s, path) != 0) {
      rc = file_failed("write", path, err);
      unlink(beside.s);
    }
  }
  fed_str_release(&beside);
  return rc;
}

/* A link stays one. */
int validate_file_write(const char *path, const struct fed_str *text,
                        struct fed_err *err)
{
  struct stat old = {.st_mode = 0};
  char real[PATH_MAX];

  if (!realpath(path, real)) return file_replace(path, 0, text, err);
  /* rename() would put a file in the place of /dev/null. */
  if (stat(real, &old) == 0 && !S_ISREG(old.st_mode))
    return file_is_none(path, err);
  return file_replace(real, old.st_mode & 0777, text, err);
}

/* Not a pipe or a device: reading those might never end. */
int validate_file_read(const char *path, struct fed_str *out,
                       struct fed_err *err)
{
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  char block[16384];
  struct stat info;
  ssize_t n = 0;
  int rc = SQLITE_OK;

  if (fd < 0) return file_failed("read", path, err);
  if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode))
    rc = file_is_none(path, err);
  while (rc == SQLITE_OK && (n = read(fd, block, sizeof block)) != 0)
    if (n > 0)
      fed_str_addn(out, block, (size_t)n);
    else if (errno != EINTR)
      rc = file_failed("read", path, err);
  close(fd);
  if (rc == SQLITE_OK) rc = fed_str_err(out, err);
  if (rc == SQLITE_OK && strlen(out->s) != out->len)
    rc = fed_err_set(err, SQLITE_ERROR, "'%s' holds a NUL character", path);
  return rc;
}
