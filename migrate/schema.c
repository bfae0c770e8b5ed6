#include "migrate/schema.h"

#include <stdlib.h>

#include "base/mem.h"

#define SCHEMA_MAX 4000000 /* items: far more than a database has */

const struct schema_words schema_kinds[SCHEMA_KINDS] = {
  [SCHEMA_TABLE] = {.section = "tables",
                    .word = "table",
                    .property = {"kind", "options", "definition"}},
  [SCHEMA_VIEW] = {.section = "views",
                    .word = "view",
                    .property = {"kind", "definition", "options"}},
  [SCHEMA_SEQUENCE] = {.section = "sequences",
                    .word = "sequence",
                    .property = {"definition"}                   },
  [SCHEMA_TYPE] = {.section = "types",
                    .word = "type",
                    .property = {"kind", "definition"}           },
  [SCHEMA_ROUTINE] = {.section = "routines",
                    .word = "routine",
                    .property = {"kind", "returns", "hash"}      },
  [SCHEMA_EVENT] = {.section = "events",
                    .word = "event",
                    .property = {"schedule", "hash"}             },
};

const struct schema_words schema_parts[SCHEMA_PARTS] = {
  [SCHEMA_SELF] = {.section = NULL                               },
  [SCHEMA_COLUMN] = { .section = "columns",
                   .word = "column",
                   .property = {"type", "not_null", "default", "generated",
                                  "identity", "collation"}},
  [SCHEMA_INDEX] = {        .section = "indexes",
                   .word = "index",
                   .property = {"kind", "columns", "where", "method",
                                 "options"}},
  [SCHEMA_FOREIGN_KEY] = {                       .section = "foreign_keys",
                   .word = "foreign key",
                   .property = {"columns", "references", "on_update",
                                       "on_delete", "deferrable"}},
  [SCHEMA_CHECK] = { .section = "checks",
                   .word = "check",
                   .property = {"expression"}},
  [SCHEMA_TRIGGER] = {                     .section = "triggers",
                   .word = "trigger",
                   .property = {"event", "definition", "state"}},
};

const char *const *schema_properties(const struct schema_item *item)
{
  return item->part == SCHEMA_SELF ? schema_kinds[item->kind].property
                                   : schema_parts[item->part].property;
}

static void schema_item_release(struct schema_item *item)
{
  fed_free(item->object);
  fed_free(item->name);
  for (int i = 0; i < SCHEMA_VALUES; i++)
    fed_free(item->value[i]);
}

void schema_release(struct schema *schema)
{
  for (int i = 0; i < schema->n; i++)
    schema_item_release(&schema->item[i]);
  fed_free(schema->item);
  memset(schema, 0, sizeof *schema);
}

static int schema_grow(struct schema *schema, struct fed_err *err)
{
  int room = schema->room ? schema->room * 2 : 256;
  struct schema_item *grown;

  if (schema->n < schema->room) return SQLITE_OK;
  if (room > SCHEMA_MAX)
    return fed_err_set(err, SQLITE_TOOBIG, "too many objects in the schema");
  grown = fed_realloc(schema->item, (size_t)room * sizeof *grown);
  if (!grown) return fed_err_nomem(err);
  schema->item = grown;
  schema->room = room;
  return SQLITE_OK;
}

int schema_add(struct schema *schema, const struct schema_item *like,
               const char *object, const char *name, struct fed_err *err)
{
  struct schema_item item = *like;
  bool whole;
  int rc = schema_grow(schema, err);

  if (rc != SQLITE_OK) return rc;
  item.object = fed_strdup(object);
  item.name = fed_strdup(name ? name : "");
  whole = item.object && item.name;
  for (int i = 0; i < SCHEMA_VALUES; i++) {
    item.value[i] = fed_strdup(like->value[i]);
    if (like->value[i] && !item.value[i]) whole = false;
  }
  if (!whole) {
    schema_item_release(&item);
    return fed_err_nomem(err);
  }
  schema->item[schema->n++] = item;
  if (item.part == SCHEMA_SELF) schema->nobject++;
  return SQLITE_OK;
}

/* ---- order --------------------------------------------------------------- */

int schema_compare(const struct schema_item *a, const struct schema_item *b)
{
  int c;

  if (a->kind != b->kind) return a->kind < b->kind ? -1 : 1;
  if ((c = strcmp(a->object, b->object)) != 0) return c;
  if (a->part != b->part) return a->part < b->part ? -1 : 1;
  return strcmp(a->name, b->name);
}

static int schema_order(const void *a, const void *b)
{
  const struct schema_item *x = a, *y = b;
  int c = schema_compare(x, y);

  for (int i = 0; i < SCHEMA_VALUES && c == 0; i++)
    c = strcmp(x->value[i] ? x->value[i] : "", y->value[i] ? y->value[i] : "");
  return c;
}

static int schema_rename(struct schema_item *item, int nth, struct fed_err *err)
{
  struct fed_str name;
  char *made;

  fed_str_init(&name, FED_STR_SQL);
  fed_str_addf(&name, "%s #%d", item->name, nth);
  made = fed_str_detach(&name);
  if (!made) return fed_err_nomem(err);
  fed_free(item->name);
  item->name = made;
  return SQLITE_OK;
}

/* Constraints of SQLite have no names but those that we make; two of one table
 * may be the same. */
int schema_finish(struct schema *schema, struct fed_err *err)
{
  int rc = SQLITE_OK, nth;

  if (schema->n)
    qsort(schema->item, (size_t)schema->n, sizeof *schema->item, schema_order);
  for (int i = 0; i < schema->n; i += nth) {
    for (nth = 1; i + nth < schema->n && rc == SQLITE_OK; nth++) {
      if (schema_compare(&schema->item[i], &schema->item[i + nth]) != 0) break;
      rc = schema_rename(&schema->item[i + nth], nth + 1, err);
    }
    if (rc != SQLITE_OK) return rc;
  }
  if (schema->n)
    qsort(schema->item, (size_t)schema->n, sizeof *schema->item, schema_order);
  return SQLITE_OK;
}

/* ---- a target's ---------------------------------------------------------- */

struct schema_loading {
  struct schema *schema;
  char *text[2 + SCHEMA_VALUES]; /* of the present row */
};

static const struct fed_value *schema_number(const struct fed_value *row, int i,
                                             int64_t most)
{
  return row[i].type == FED_INT && row[i].i >= 0 && row[i].i < most ? &row[i]
                                                                    : NULL;
}

/* What is there, copied with an end; a NULL stays one. */
static int schema_texts(struct schema_loading *l, const struct fed_value *row,
                        struct fed_err *err)
{
  static const int column[2 + SCHEMA_VALUES] = {1, 3, 5, 6, 7, 8, 9, 10};

  for (int i = 0; i < 2 + SCHEMA_VALUES; i++) {
    const struct fed_value *v = &row[column[i]];
    bool bytes = v->type == FED_TEXT || v->type == FED_BLOB;

    if (bytes)
      l->text[i] = fed_strndup(v->p, (size_t)v->size);
    else if (v->type == FED_INT) {
      struct fed_str number;

      fed_str_init(&number, 64);
      fed_str_addf(&number, "%lld", (long long)v->i);
      l->text[i] = fed_str_detach(&number);
    } else
      continue;
    if (!l->text[i]) return fed_err_nomem(err);
  }
  return SQLITE_OK;
}

static int schema_row(void *arg, const struct fed_value *row,
                      struct fed_err *err)
{
  struct schema_loading *l = arg;
  struct schema_item item = {0};
  int rc;

  if (!schema_number(row, 0, SCHEMA_KINDS) ||
      !schema_number(row, 2, SCHEMA_PARTS))
    return fed_err_set(err, SQLITE_CORRUPT, "the catalog makes no sense");
  item.kind = (enum schema_kind)row[0].i;
  item.part = (enum schema_part)row[2].i;
  item.position = row[4].type == FED_INT ? row[4].i : 0;
  rc = schema_texts(l, row, err);
  if (rc == SQLITE_OK && !l->text[0])
    rc = fed_err_set(err, SQLITE_CORRUPT, "an object without a name");
  memcpy(item.value, l->text + 2, sizeof item.value);
  if (rc == SQLITE_OK)
    rc = schema_add(l->schema, &item, l->text[0], l->text[1], err);
  for (int i = 0; i < 2 + SCHEMA_VALUES; i++) {
    fed_free(l->text[i]);
    l->text[i] = NULL;
  }
  return rc;
}

int schema_query(struct schema *schema, struct target *target, const char *sql,
                 const char *arg, struct fed_err *err)
{
  struct schema_loading loading = {.schema = schema};
  struct fed_value value = fed_value_cstr(arg ? arg : "");

  return target_query(target, sql, &value, arg != NULL, schema_row, &loading,
                      err);
}

int schema_load(struct schema *out, struct target *target, const char *where,
                struct fed_err *err)
{
  size_t size = sizeof out->engine;
  int rc;

  memset(out, 0, sizeof *out);
  sqlite3_snprintf((int)size, out->engine, "%s", target->kind->driver);
  rc = target->kind->schema(target, where, out, err);
  if (rc == SQLITE_OK) rc = schema_finish(out, err);
  if (rc != SQLITE_OK) {
    fed_err_prefix(err, "target '%s': ", target->name);
    schema_release(out);
  }
  return rc;
}
