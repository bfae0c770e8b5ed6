/* schema_diff: two sorted lists, side by side. */
#include "migrate/schema.h"

struct diff {
  const struct schema *expected, *found;
  schema_difference_fn *fn;
  void *arg;
};

static int diff_tell(struct diff *d, const struct schema_item *item,
                     const char *property, const char *expected,
                     const char *found, struct fed_err *err)
{
  bool self = item->part == SCHEMA_SELF;
  struct schema_difference difference = {.kind =
                                           self ? schema_kinds[item->kind].word
                                                : schema_parts[item->part].word,
                                         .object = item->object,
                                         .part = self ? NULL : item->name,
                                         .property = property,
                                         .expected = expected,
                                         .found = found};

  return d->fn(d->arg, &difference, err);
}

static int diff_values(struct diff *d, const struct schema_item *a,
                       const struct schema_item *b, struct fed_err *err)
{
  const char *const *property = schema_properties(a);
  int rc = SQLITE_OK;

  for (int i = 0; i < SCHEMA_VALUES && property[i] && rc == SQLITE_OK; i++) {
    const char *x = a->value[i], *y = b->value[i];

    if (x && y ? strcmp(x, y) != 0 : x != y)
      rc = diff_tell(d, a, property[i], x, y, err);
  }
  return rc;
}

/* Behind an object that only one has: its parts say nothing more. */
static int diff_skip(const struct schema *schema, int i)
{
  const struct schema_item *self = &schema->item[i];

  if (self->part != SCHEMA_SELF) return i + 1;
  do
    i++;
  while (i < schema->n && schema->item[i].kind == self->kind &&
         !strcmp(schema->item[i].object, self->object));
  return i;
}

/* ---- the order of columns ------------------------------------------------ */

/* Columns of one object: those of `a` from i on, of `b` from j on, by name. */
struct diff_columns {
  int i, j, ni, nj;
};

static int diff_count(const struct schema *schema, int i)
{
  const struct schema_item *first = &schema->item[i];
  int n = 0;

  while (i + n < schema->n && schema->item[i + n].part == SCHEMA_COLUMN &&
         schema->item[i + n].kind == first->kind &&
         !strcmp(schema->item[i + n].object, first->object))
    n++;
  return n;
}

static const struct schema_item *diff_column(const struct schema *schema, int i,
                                             int n, const char *name)
{
  const struct schema_item *first = &schema->item[i];

  while (n > 0) { /* they are sorted */
    int half = n / 2, c = strcmp(name, first[half].name);

    if (c == 0) return first + half;
    if (c > 0) {
      first += half + 1;
      n -= half + 1;
    } else
      n = half;
  }
  return NULL;
}

/* The next in the order of `in`, behind `position`, that both have. */
static const struct schema_item *diff_next(const struct diff *d,
                                           const struct diff_columns *c,
                                           bool expected, int64_t position)
{
  const struct schema *in = expected ? d->expected : d->found;
  const struct schema *other = expected ? d->found : d->expected;
  int first = expected ? c->i : c->j, n = expected ? c->ni : c->nj;
  const struct schema_item *next = NULL;

  for (int k = first; k < first + n; k++) {
    const struct schema_item *item = &in->item[k];

    if (item->position <= position ||
        (next && item->position >= next->position))
      continue;
    if (diff_column(other, expected ? c->j : c->i, expected ? c->nj : c->ni,
                    item->name))
      next = item;
  }
  return next;
}

/* The first column that stands at another place among those of both. */
static int diff_order(struct diff *d, int i, int j, struct fed_err *err)
{
  struct diff_columns c = {i, j, diff_count(d->expected, i),
                           diff_count(d->found, j)};
  const struct schema_item *a = NULL, *b = NULL;
  struct schema_item self;

  do {
    a = diff_next(d, &c, true, a ? a->position : INT64_MIN);
    b = diff_next(d, &c, false, b ? b->position : INT64_MIN);
  } while (a && b && !strcmp(a->name, b->name));
  if (!a || !b) return SQLITE_OK;
  self = *a;
  self.part = SCHEMA_SELF;
  return diff_tell(d, &self, "order of columns", a->name, b->name, err);
}

/* In the usual case positions follow each other on both sides alike. */
static bool diff_ordered(const struct diff *d, int i, int j)
{
  int n = diff_count(d->expected, i);

  if (n != diff_count(d->found, j)) return false;
  for (int k = 0; k < n; k++)
    if (d->expected->item[i + k].position != d->found->item[j + k].position ||
        strcmp(d->expected->item[i + k].name, d->found->item[j + k].name) != 0)
      return false;
  return true;
}

/* ---- all ----------------------------------------------------------------- */

static bool diff_first_column(const struct schema *schema, int i)
{
  return schema->item[i].part == SCHEMA_COLUMN && i > 0 &&
         schema->item[i - 1].part == SCHEMA_SELF;
}

/* Once for each object that both have. */
static int diff_both(struct diff *d, int i, int j, struct fed_err *err)
{
  int rc = diff_values(d, &d->expected->item[i], &d->found->item[j], err);

  if (rc != SQLITE_OK || d->expected->item[i].part != SCHEMA_SELF) return rc;
  i++, j++;
  if (i >= d->expected->n || j >= d->found->n ||
      !diff_first_column(d->expected, i) || !diff_first_column(d->found, j) ||
      diff_ordered(d, i, j))
    return SQLITE_OK;
  return diff_order(d, i, j, err);
}

int schema_diff(const struct schema *expected, const struct schema *found,
                schema_difference_fn *fn, void *arg, struct fed_err *err)
{
  struct diff d = {expected, found, fn, arg};
  int i = 0, j = 0, rc = SQLITE_OK;

  if (strcmp(expected->engine, found->engine) != 0) {
    struct schema_difference other = {.kind = "database",
                                      .property = "engine",
                                      .expected = expected->engine,
                                      .found = found->engine};
    return fn(arg, &other, err);
  }
  while (rc == SQLITE_OK && (i < expected->n || j < found->n)) {
    int c = i >= expected->n ? 1
            : j >= found->n
              ? -1
              : schema_compare(&expected->item[i], &found->item[j]);

    if (c == 0)
      rc = diff_both(&d, i++, j++, err);
    else if (c < 0) {
      rc = diff_tell(&d, &expected->item[i], NULL, NULL, "missing", err);
      i = diff_skip(expected, i);
    } else {
      rc = diff_tell(&d, &found->item[j], NULL, NULL, "unexpected", err);
      j = diff_skip(found, j);
    }
  }
  return rc;
}
