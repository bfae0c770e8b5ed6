/* probe_key: what is bound, run by run, and the keys among it. */
#include <math.h>

#include "base/mem.h"
#include "vtab/probe_int.h"

/* ---- images ------------------------------------------------------------ */

static int image_add(struct probe_image *image, const void *p, size_t n,
                     struct fed_err *err)
{
  if (image->len + n > image->room) {
    size_t room = (image->len + n) * 2;
    char *bytes = fed_realloc(image->bytes, room);

    if (!bytes) return fed_err_nomem(err);
    image->bytes = bytes;
    image->room = room;
  }
  if (n) memcpy(image->bytes + image->len, p, n);
  image->len += n;
  return SQLITE_OK;
}

static int image_add_value(struct probe_image *image,
                           const struct fed_value *value, struct fed_err *err)
{
  bool has_bytes = value->type == FED_TEXT || value->type == FED_BLOB;
  char type = (char)value->type;
  int rc = image_add(image, &type, 1, err);

  if (rc != SQLITE_OK || value->type == FED_NULL) return rc;
  if (!has_bytes) return image_add(image, &value->i, sizeof value->i, err);
  rc = image_add(image, &value->size, sizeof value->size, err);
  return rc == SQLITE_OK ? image_add(image, value->p, (size_t)value->size, err)
                         : rc;
}

static int image_add_term(struct probe_image *image, const struct bind *bind,
                          const struct term_now *now, struct fed_err *err)
{
  const char what[] = {(char)now->use, (char)now->op, (char)now->form};
  int rc = image_add(image, what, sizeof what, err);

  if (rc == SQLITE_OK && now->literals)
    rc = image_add(image, now->literals, strlen(now->literals), err);
  for (int k = 0; k < now->narg && rc == SQLITE_OK; k++)
    rc = image_add_value(image, &bind->args[now->first + k], err);
  return rc;
}

int probe_image_make(struct probe_image *image, const struct bind *bind,
                     const bool *changes, struct fed_err *err)
{
  int rc = SQLITE_OK;

  image->len = 0;
  for (int i = 0; i < bind->plan->nterm && rc == SQLITE_OK; i++) {
    if (!changes[i]) rc = image_add_term(image, bind, &bind->now[i], err);
    image->end[i] = image->len;
  }
  return rc;
}

bool probe_image_differs(const struct probe_image *a,
                         const struct probe_image *b, int i)
{
  size_t at = i ? a->end[i - 1] : 0, bt = i ? b->end[i - 1] : 0;
  size_t n = a->end[i] - at;

  return b->end[i] - bt != n || memcmp(a->bytes + at, b->bytes + bt, n) != 0;
}

/* ---- keys -------------------------------------------------------------- */

/*
 * Are the rows that SQLite finds equal to the value those with the same bytes
 * or number? Not where another collation than BINARY compares, nor where an
 * affinity would still work on the one or the other.
 */
static bool probe_hashes(const struct fed_column *col,
                         const struct fed_value *value)
{
  bool number = value->type == FED_INT || value->type == FED_REAL;

  switch (col->class) {
  case FED_CLASS_ANY:
    /* A view's columns may hold what their affinity would have converted. */
    if (col->textcmp != FED_TEXTCMP_BYTES ||
        (col->collation && sqlite3_stricmp(col->collation, "BINARY")))
      return false;
    switch (declare_column_affinity(col)) {
    case 'A':
      return value->type == FED_BLOB;
    case 'B':
      return value->type == FED_TEXT || value->type == FED_BLOB;
    default:
      return number;
    }
  case FED_CLASS_INT:
  case FED_CLASS_UINT:
  case FED_CLASS_BOOL:
  case FED_CLASS_REAL:
  case FED_CLASS_FLOAT4:
  case FED_CLASS_DECINT:
  case FED_CLASS_DECREAL:
    return number;
  case FED_CLASS_TEXT:
  case FED_CLASS_CHAR:
  case FED_CLASS_DATE:
  case FED_CLASS_TIME:
  case FED_CLASS_TIMESTAMP:
  case FED_CLASS_TIMESTAMPTZ:
  case FED_CLASS_UUID:
    return value->type == FED_TEXT;
  case FED_CLASS_BLOB:
    return value->type == FED_BLOB;
  case FED_CLASS_DECIMAL:
  case FED_CLASS_OTHER:
  case FED_CLASS_COUNT:
    break;
  }
  return false;
}

struct fed_value probe_canonical(const struct fed_value *value)
{
  const double limit = 9223372036854775808.0; /* 2^63 */

  if (value->type == FED_REAL && value->r >= -limit && value->r < limit &&
      value->r == floor(value->r))
    return fed_value_int((int64_t)value->r);
  return *value;
}

bool probe_same(const struct fed_value *a, const struct fed_value *b)
{
  if (a->type != b->type) return false;
  switch (a->type) {
  case FED_NULL:
    return true;
  case FED_INT:
    return a->i == b->i;
  case FED_REAL:
    return a->r == b->r;
  case FED_TEXT:
  case FED_BLOB:
    return a->size == b->size &&
           (a->size == 0 || memcmp(a->p, b->p, (size_t)a->size) == 0);
  }
  return false;
}

bool probe_is_key(const struct fed_column *col)
{
  return col->class != FED_CLASS_DECIMAL && col->class != FED_CLASS_OTHER;
}

const struct fed_column *probe_column(const struct scan *scan, int i)
{
  const struct fed_table *table = table_of(scan->base.pVtab);

  return &table->rel.col[plan_terms(scan->plan)[i].col];
}

int probe_place(const struct scan *scan, int i)
{
  return scan->place[plan_terms(scan->plan)[i].col];
}

int probe_nhash(const struct probe *probe)
{
  return probe->whole || probe->nkey == 0 ? probe->nkey : 1;
}

int probe_key(const struct scan *scan, const struct probe *probe,
              struct fed_value key[PROBE_KEYS])
{
  const struct plan_term *term = plan_terms(scan->plan);
  int k = 0;

  for (; k < probe->nkey; k++) {
    const struct term_now *now = &scan->bind.now[probe->key[k]];
    const struct fed_value *arg = &scan->bind.args[now->first];
    const struct fed_column *col = probe_column(scan, probe->key[k]);

    if (now->use != TERM_BIND) break;
    if (now->op == TERM_ISNULL) {
      key[k] = fed_value_null();
      continue;
    }
    /* In another form it could not stand in one list with those to come. */
    if (now->op != TERM_EQ || now->nvalue != 1 ||
        now->form != (enum term_form)term[probe->key[k]].form ||
        !probe_hashes(col, arg))
      break;
    key[k] = probe_canonical(arg);
  }
  return k;
}

uint64_t probe_hash_row(const struct scan *scan, const struct probe *probe,
                        const struct fed_value *row,
                        struct fed_value key[PROBE_KEYS])
{
  int n = probe_nhash(probe);

  for (int k = 0; k < n; k++)
    key[k] = probe_canonical(&row[probe_place(scan, probe->key[k])]);
  return rowid_hash(key, n);
}

uint32_t probe_knows(struct probe *probe, const struct fed_value *key)
{
  uint64_t hash = rowid_hash(key, 1);
  struct fed_err ignored;
  struct fed_value known;

  fed_err_init(&ignored);
  for (uint32_t at = map_first(&probe->known, hash); at;
       at = map_next(&probe->known, at, hash))
    if (map_read(&probe->known, at, &known, &ignored) == SQLITE_OK &&
        probe_same(&known, key))
      return at;
  return 0;
}

int probe_learn(struct probe *probe, const struct fed_value *key,
                struct fed_err *err)
{
  return map_add(&probe->known, rowid_hash(key, 1), key, err);
}

/* The key of a row to come, as it will be bound; false if it has none. */
bool probe_key_of(const struct scan *scan, const struct probe *probe,
                  const struct fed_value *from, struct fed_value *key)
{
  const struct fed_column *col = probe_column(scan, probe->key[0]);
  struct term_now now = plan_now(&plan_terms(scan->plan)[probe->key[0]]);
  enum term_form form = now.form;
  char buf[48];

  *key = *from;
  if (term_value_of(scan->plan->dialect, col, &now, false, buf, key) !=
        TERM_BIND ||
      now.form != form || now.op != TERM_EQ || !probe_hashes(col, key))
    return false;
  *key = probe_canonical(key);
  return true;
}
