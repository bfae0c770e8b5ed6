#include "vtab/store.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/mem.h"

/*
 * A row: its length in bytes, one byte of type for each value, then for a
 * number its eight bytes, for a text or blob its size, its bytes and a zero.
 * No row crosses the end of a block; one that is larger than a block has its
 * own.
 */
#define STORE_FIRST  ((size_t)4 << 10) /* blocks double in size up to */
#define STORE_BLOCK  ((size_t)256 << 10)
#define STORE_WINDOW ((size_t)64 << 10)
#define STORE_CSTR   0x80 /* flag in the byte of type */

struct store_block {
  char *mem; /* NULL: in the file */
  size_t used, size;
  int64_t pos; /* in the file */
};

static store_pos store_at(size_t block, size_t offset)
{
  return ((store_pos)block << 40) | offset;
}

void store_init(struct store *store, int ncol, size_t limit)
{
  memset(store, 0, sizeof *store);
  store->ncol = ncol;
  store->limit = limit;
}

void store_clear(struct store *store)
{
  for (size_t i = 0; i < store->nblock; i++)
    fed_free(store->block[i].mem);
  fed_free(store->block);
  fed_free(store->window);
  if (store->file) fclose(store->file);
  store_init(store, store->ncol, store->limit);
}

/* ---- the file ---------------------------------------------------------- */

static int store_open(struct store *store, struct fed_err *err)
{
  if (store->file) return SQLITE_OK;
  store->file = tmpfile();
  /* A program that the host starts must not inherit our rows. */
  if (store->file && fcntl(fileno(store->file), F_SETFD, FD_CLOEXEC) == 0)
    return SQLITE_OK;
  return fed_err_set(err, SQLITE_CANTOPEN,
                     "cannot make a temporary file (errno %d)", errno);
}

static int store_write(struct store *store, const char *p, size_t n,
                       struct fed_err *err)
{
  while (n > 0) {
    ssize_t written = pwrite(fileno(store->file), p, n, store->file_size);

    if (written < 0 && errno == EINTR) continue;
    if (written <= 0)
      return fed_err_set(err, SQLITE_FULL,
                         "cannot write rows to a temporary file (errno %d): "
                         "make room there",
                         errno);
    p += written;
    n -= (size_t)written;
    store->file_size += written;
  }
  return SQLITE_OK;
}

/* Move the block from memory to the end of the file. */
static int store_flush(struct store *store, struct store_block *block,
                       struct fed_err *err)
{
  int64_t pos = store->file_size;
  int rc = store_open(store, err);

  if (rc == SQLITE_OK) rc = store_write(store, block->mem, block->used, err);
  if (rc != SQLITE_OK) return rc;
  block->pos = pos;
  fed_free(block->mem);
  block->mem = NULL;
  store->memory -= block->size;
  return SQLITE_OK;
}

/* The `n` bytes at `pos` of the file, in the window; NULL on error. */
static const char *store_load(struct store *store, int64_t pos, size_t n,
                              struct fed_err *err)
{
  size_t want = n > STORE_WINDOW ? n : STORE_WINDOW;

  if (pos < store->window_pos ||
      pos + (int64_t)n > store->window_pos + (int64_t)store->window_len) {
    store->window_len = 0;
    store->window_pos = pos;
    if (store->window_room < want) {
      char *window = fed_realloc(store->window, want);

      if (!window) {
        fed_err_nomem(err);
        return NULL;
      }
      store->window = window;
      store->window_room = want;
    }
    while (store->window_len < n) {
      ssize_t got =
        pread(fileno(store->file), store->window + store->window_len,
              want - store->window_len, pos + (int64_t)store->window_len);

      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) {
        fed_err_set(err, SQLITE_IOERR,
                    "cannot read a temporary file again (errno %d)",
                    got < 0 ? errno : 0);
        return NULL;
      }
      store->window_len += (size_t)got;
    }
  }
  return store->window + (pos - store->window_pos);
}

/* ---- writing ----------------------------------------------------------- */

static bool store_has_bytes(enum fed_type type)
{
  return type == FED_TEXT || type == FED_BLOB;
}

static size_t store_row_size(const struct store *store,
                             const struct fed_value *row)
{
  size_t size = sizeof size + (size_t)store->ncol;

  for (int i = 0; i < store->ncol; i++)
    if (row[i].type != FED_NULL)
      size += sizeof row[i].i +
              (store_has_bytes(row[i].type) ? (size_t)row[i].size + 1 : 0);
  return size;
}

static void store_encode(const struct store *store, const struct fed_value *row,
                         size_t size, char *p)
{
  char *type = p + sizeof size;

  memcpy(p, &size, sizeof size);
  p = type + store->ncol;
  for (int i = 0; i < store->ncol; i++) {
    bool has_bytes = store_has_bytes(row[i].type);

    type[i] = (char)(row[i].type | (row[i].cstr ? STORE_CSTR : 0));
    if (row[i].type == FED_NULL) continue;
    memcpy(p, has_bytes ? &row[i].size : &row[i].i, sizeof row[i].i);
    p += sizeof row[i].i;
    if (!has_bytes) continue;
    if (row[i].size) memcpy(p, row[i].p, (size_t)row[i].size);
    p[row[i].size] = 0;
    p += row[i].size + 1;
  }
}

/* A block with room for `need` bytes, at the end. */
static int store_grow(struct store *store, size_t need, struct fed_err *err)
{
  struct store_block *last =
    store->nblock ? &store->block[store->nblock - 1] : NULL;
  size_t usual = store->nblock < 6 ? STORE_FIRST << store->nblock : STORE_BLOCK;
  size_t size = need > usual ? need : usual;
  int rc = SQLITE_OK;

  if (last && last->size - last->used >= need) return SQLITE_OK;
  if (last && store->memory + size > store->limit)
    rc = store_flush(store, last, err);
  if (rc != SQLITE_OK) return rc;
  if (!store->block || store->nblock == store->room) {
    size_t room = store->room ? store->room * 2 : 4;
    struct store_block *block = fed_realloc(store->block, room * sizeof *block);

    if (!block) return fed_err_nomem(err);
    store->block = block;
    store->room = room;
  }
  last = &store->block[store->nblock];
  *last = (struct store_block){.mem = fed_realloc(NULL, size), .size = size};
  if (!last->mem) return fed_err_nomem(err);
  store->nblock++;
  store->memory += size;
  return SQLITE_OK;
}

int store_add(struct store *store, const struct fed_value *row, store_pos *at,
              struct fed_err *err)
{
  size_t size = store_row_size(store, row);
  struct store_block *block;
  int rc = store_grow(store, size, err);

  if (rc != SQLITE_OK) return rc;
  block = &store->block[store->nblock - 1];
  if (at) *at = store_at(store->nblock - 1, block->used);
  store_encode(store, row, size, block->mem + block->used);
  block->used += size;
  store->nrow++;
  return SQLITE_OK;
}

/* ---- reading ----------------------------------------------------------- */

static void store_decode(const struct store *store, const char *p,
                         struct fed_value *row)
{
  const char *type = p + sizeof(size_t);

  p = type + store->ncol;
  for (int i = 0; i < store->ncol; i++) {
    row[i] = fed_value_null();
    row[i].type = (enum fed_type)(type[i] & ~STORE_CSTR & 0xff);
    if (row[i].type == FED_NULL) continue;
    memcpy(&row[i].i, p, sizeof row[i].i);
    p += sizeof row[i].i;
    if (!store_has_bytes(row[i].type)) continue;
    row[i].cstr = (type[i] & STORE_CSTR) != 0;
    row[i].size = row[i].i;
    row[i].p = p;
    p += row[i].size + 1;
  }
}

int store_read(struct store *store, store_pos *at, struct fed_value *row,
               struct fed_err *err)
{
  size_t n = (size_t)(*at >> 40);
  size_t offset = (size_t)(*at & (((store_pos)1 << 40) - 1));
  const struct store_block *block;
  const char *p;
  size_t size;

  if (n < store->nblock && offset == store->block[n].used) {
    n++;
    offset = 0;
  }
  if (n >= store->nblock) return SQLITE_DONE;
  block = &store->block[n];
  if (block->mem) {
    p = block->mem + offset;
    memcpy(&size, p, sizeof size);
  } else {
    int64_t pos = block->pos + (int64_t)offset;

    p = store_load(store, pos, sizeof size, err);
    if (!p) return err->rc;
    memcpy(&size, p, sizeof size);
    p = store_load(store, pos, size, err);
    if (!p) return err->rc;
  }
  store_decode(store, p, row);
  *at = store_at(n, offset + size);
  return SQLITE_ROW;
}
