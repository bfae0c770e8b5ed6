/*
 * spool: the rows of a scan that was set aside. Values follow each other in
 * an unlinked temporary file: a header, then the bytes of text and blob.
 */
#include <errno.h>
#include <fcntl.h>

#include "base/mem.h"
#include "vtab/scan.h"

struct spool_header {
  uint8_t type; /* enum fed_type */
  uint8_t cstr;
  int64_t i; /* the integer, the bits of the real, or the size */
};

int spool_open(struct spool *spool, int ncol, struct fed_err *err)
{
  spool->row = fed_calloc((size_t)ncol, sizeof *spool->row);
  if (!spool->row) return fed_err_nomem(err);
  spool->ncol = ncol;
  spool->file = tmpfile();
  /* A program that the host starts must not inherit our rows. */
  if (spool->file && fcntl(fileno(spool->file), F_SETFD, FD_CLOEXEC) == 0)
    return SQLITE_OK;
  spool_close(spool);
  return fed_err_set(err, SQLITE_CANTOPEN,
                     "cannot make a temporary file (errno %d)", errno);
}

void spool_close(struct spool *spool)
{
  if (spool->file) fclose(spool->file);
  fed_free(spool->row);
  fed_free(spool->bytes);
  memset(spool, 0, sizeof *spool);
}

static bool spool_has_bytes(enum fed_type type)
{
  return type == FED_TEXT || type == FED_BLOB;
}

static int spool_write(struct spool *spool, const void *p, size_t n,
                       struct fed_err *err)
{
  if (n == 0 || fwrite(p, n, 1, spool->file) == 1) return SQLITE_OK;
  return fed_err_set(err, SQLITE_FULL,
                     "cannot write rows to a temporary file (errno %d): make "
                     "room there, or raise pool_max",
                     errno);
}

int spool_add(struct spool *spool, const struct fed_value *row,
              struct fed_err *err)
{
  int rc = SQLITE_OK;

  for (int i = 0; i < spool->ncol && rc == SQLITE_OK; i++) {
    bool has_bytes = spool_has_bytes(row[i].type);
    struct spool_header header;

    memset(&header, 0, sizeof header);
    header.type = (uint8_t)row[i].type;
    header.cstr = row[i].cstr;
    header.i = has_bytes ? row[i].size : row[i].i;
    rc = spool_write(spool, &header, sizeof header, err);
    if (rc == SQLITE_OK && has_bytes)
      rc = spool_write(spool, row[i].p, (size_t)row[i].size, err);
  }
  return rc;
}

int spool_rewind(struct spool *spool, struct fed_err *err)
{
  if (fflush(spool->file) == 0 && fseek(spool->file, 0, SEEK_SET) == 0)
    return SQLITE_OK;
  return fed_err_set(err, SQLITE_IOERR,
                     "cannot read a temporary file again (errno %d)", errno);
}

static int spool_broken(struct fed_err *err)
{
  return fed_err_set(err, SQLITE_IOERR, "cannot read a temporary file");
}

/* Append `n` bytes and a zero to the row's bytes; *at is where. */
static int spool_bytes(struct spool *spool, size_t used, size_t n,
                       struct fed_err *err)
{
  if (used + n + 1 > spool->room) {
    size_t room = (used + n + 1) * 2;
    char *bytes = fed_realloc(spool->bytes, room);

    if (!bytes) return fed_err_nomem(err);
    spool->bytes = bytes;
    spool->room = room;
  }
  if (n && fread(spool->bytes + used, n, 1, spool->file) != 1)
    return spool_broken(err);
  spool->bytes[used + n] = 0;
  return SQLITE_OK;
}

int spool_next(struct spool *spool, struct fed_err *err)
{
  size_t used = 0;

  for (int i = 0; i < spool->ncol; i++) {
    struct fed_value *value = &spool->row[i];
    struct spool_header header;
    int rc;

    if (fread(&header, sizeof header, 1, spool->file) != 1)
      return i == 0 && feof(spool->file) ? SQLITE_DONE : spool_broken(err);
    *value = (struct fed_value){.type = (enum fed_type)header.type,
                                .cstr = header.cstr != 0};
    if (!spool_has_bytes(value->type)) {
      value->i = header.i;
      continue;
    }
    rc = spool_bytes(spool, used, (size_t)header.i, err);
    if (rc != SQLITE_OK) return rc;
    value->size = header.i;
    used += (size_t)header.i + 1;
  }
  /* The buffer may have moved: point into it only now. */
  used = 0;
  for (int i = 0; i < spool->ncol; i++) {
    struct fed_value *value = &spool->row[i];

    if (!spool_has_bytes(value->type)) continue;
    value->p = spool->bytes + used;
    used += (size_t)value->size + 1;
  }
  return SQLITE_ROW;
}
