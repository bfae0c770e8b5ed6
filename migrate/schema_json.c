/*
 * schema_json: the list as a file. JSON, one line for each column, index and
 * so on, in an order that depends on nothing but the schema, so that a diff of
 * two versions shows what has changed. Columns stand in the table's order.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "migrate/schema.h"

/* ---- writing ------------------------------------------------------------- */

static void json_text(struct fed_str *out, const char *text)
{
  static const char names[] = "\"\"\\\\\bb\ff\nn\rr\tt";

  fed_str_addc(out, '"');
  for (const char *p = text; *p; p++) {
    const char *found = strchr(names, *p);

    if (found && (found - names) % 2 == 0) {
      fed_str_addc(out, '\\');
      fed_str_addc(out, found[1]);
    } else if ((unsigned char)*p < ' ')
      fed_str_addf(out, "\\u%04x", *p);
    else
      fed_str_addc(out, *p);
  }
  fed_str_addc(out, '"');
}

struct json_writer {
  struct fed_str *out;
  int depth;
  bool empty; /* what was opened last has nothing in it yet */
};

static void json_next(struct json_writer *w)
{
  fed_str_add(w->out, w->empty ? "\n" : ",\n");
  for (int i = 0; i < w->depth; i++)
    fed_str_add(w->out, "  ");
  w->empty = false;
}

static void json_key(struct json_writer *w, const char *key)
{
  json_next(w);
  json_text(w->out, key);
  fed_str_add(w->out, ": ");
}

static void json_open(struct json_writer *w, const char *key)
{
  if (key) json_key(w, key);
  fed_str_addc(w->out, '{');
  w->depth++;
  w->empty = true;
}

static void json_close(struct json_writer *w)
{
  w->depth--;
  if (!w->empty) {
    w->empty = true; /* no comma before the end */
    json_next(w);
  }
  fed_str_addc(w->out, '}');
  w->empty = false;
}

static void json_pair(struct json_writer *w, const char *key, const char *value)
{
  json_key(w, key);
  json_text(w->out, value);
}

/* A part, on one line. */
static void json_part(struct json_writer *w, const struct schema_item *item)
{
  const char *const *property = schema_properties(item);
  const char *comma = "";

  json_key(w, item->name);
  fed_str_addc(w->out, '{');
  for (int i = 0; i < SCHEMA_VALUES && property[i]; i++) {
    if (!item->value[i]) continue;
    fed_str_add(w->out, comma);
    json_text(w->out, property[i]);
    fed_str_add(w->out, ": ");
    json_text(w->out, item->value[i]);
    comma = ", ";
  }
  fed_str_addc(w->out, '}');
}

/* For the file: columns by place, all else as it is sorted already. */
static int json_order(const void *a, const void *b)
{
  const struct schema_item *x = *(const struct schema_item *const *)a;
  const struct schema_item *y = *(const struct schema_item *const *)b;
  bool columns = x->part == SCHEMA_COLUMN && y->part == SCHEMA_COLUMN;

  if (columns && x->kind == y->kind && !strcmp(x->object, y->object) &&
      x->position != y->position)
    return x->position < y->position ? -1 : 1;
  return schema_compare(x, y);
}

/* Close what the last item was in and this one is not; open what it is in. */
static void json_between(struct json_writer *w, const struct schema_item *last,
                         const struct schema_item *item)
{
  bool same_kind = last && item && last->kind == item->kind;
  bool same_object = same_kind && !strcmp(last->object, item->object);
  bool same_part = same_object && last->part == item->part;

  if (last && last->part != SCHEMA_SELF && !same_part) json_close(w);
  if (last && !same_object) json_close(w);
  if (last && !same_kind) json_close(w);
  if (!item) return;
  if (!same_kind) json_open(w, schema_kinds[item->kind].section);
  if (!same_object) json_open(w, item->object);
  if (item->part != SCHEMA_SELF && !same_part)
    json_open(w, schema_parts[item->part].section);
}

static void json_items(struct json_writer *w, const struct schema_item **item,
                       int n)
{
  const struct schema_item *last = NULL;

  for (int i = 0; i < n; last = item[i++]) {
    const char *const *property = schema_properties(item[i]);

    json_between(w, last, item[i]);
    if (item[i]->part != SCHEMA_SELF) {
      json_part(w, item[i]);
      continue;
    }
    for (int k = 0; k < SCHEMA_VALUES && property[k]; k++)
      if (item[i]->value[k]) json_pair(w, property[k], item[i]->value[k]);
  }
  json_between(w, last, NULL);
}

int schema_write(const struct schema *schema, struct fed_str *out,
                 struct fed_err *err)
{
  struct json_writer w = {.out = out};
  const struct schema_item **item =
    fed_calloc((size_t)schema->n + 1, sizeof *item);

  if (!item) return fed_err_nomem(err);
  for (int i = 0; i < schema->n; i++)
    item[i] = &schema->item[i];
  if (schema->n) qsort(item, (size_t)schema->n, sizeof *item, json_order);
  json_open(&w, NULL);
  json_pair(&w, "dbfed_schema", SCHEMA_FORMAT);
  json_pair(&w, "engine", schema->engine);
  json_items(&w, item, schema->n);
  json_close(&w);
  fed_str_addc(out, '\n');
  fed_free(item);
  return fed_str_err(out, err);
}

/* ---- reading ------------------------------------------------------------- */

/* SQLite's own JSON does it, on a private connection: on that of the user
 * there may be an authorizer, or other functions of these names. */

enum json_level {
  LEVEL_KINDS,    /* and what the file is */
  LEVEL_OBJECTS,  /* by name */
  LEVEL_SECTIONS, /* and properties of the object */
  LEVEL_PARTS,    /* by name */
  LEVEL_PROPERTIES,
  LEVELS
};

struct json_reader {
  struct schema *schema;
  const char *path;
  struct fed_err *err;
  sqlite3 *db;
  sqlite3_stmt *members[LEVELS]; /* each of a member of the one before */
  int level;
  int self;                /* the present object's own item */
  struct schema_item part; /* what is next, but for its name */
  bool formatted;
};

static const char *json_column(const struct json_reader *r, int level, int i)
{
  const char *s = (const char *)sqlite3_column_text(r->members[level], i);

  return s ? s : "";
}

static int json_failed(struct json_reader *r, int rc)
{
  if (rc == SQLITE_NOMEM) return fed_err_nomem(r->err);
  return fed_err_set(r->err, rc, "cannot read '%s': %s", r->path,
                     r->db ? sqlite3_errmsg(r->db) : sqlite3_errstr(rc));
}

/* With the keys that lead to it. */
static int json_bad(struct json_reader *r, const char *what)
{
  struct fed_str place;

  fed_str_init(&place, FED_STR_SQL);
  for (int i = 0; i <= r->level; i++)
    fed_str_addf(&place, "%s%s", i ? "." : "", json_column(r, i, 0));
  fed_err_set(r->err, SQLITE_ERROR, "'%s': '%.300s' %s", r->path, place.s,
              what);
  fed_str_release(&place);
  return r->err->rc;
}

static int json_unknown(struct json_reader *r)
{
  return json_bad(r,
                  "is not known here: the file is of a newer dbfed, or was not "
                  "made by schema_snapshot()");
}

static int json_find(const struct schema_words *words, int n, const char *key)
{
  for (int i = 0; i < n; i++)
    if (words[i].section && !strcmp(words[i].section, key)) return i;
  return -1;
}

static int json_property(struct json_reader *r, struct schema_item *item,
                         const char *key, const char *text)
{
  const char *const *property = schema_properties(item);
  int i = 0;

  while (i < SCHEMA_VALUES && property[i] && strcmp(property[i], key) != 0)
    i++;
  if (i == SCHEMA_VALUES || !property[i]) return json_unknown(r);
  fed_free(item->value[i]);
  item->value[i] = fed_strdup(text);
  return item->value[i] ? SQLITE_OK : fed_err_nomem(r->err);
}

/* A member that is a text. */
static int json_text_of(struct json_reader *r, const char *key,
                        const char *text)
{
  struct schema *schema = r->schema;

  if (r->level == LEVEL_SECTIONS)
    return json_property(r, &schema->item[r->self], key, text);
  if (r->level == LEVEL_PROPERTIES)
    return json_property(r, &schema->item[schema->n - 1], key, text);
  if (r->level != LEVEL_KINDS) return json_unknown(r);
  if (!strcmp(key, "engine"))
    sqlite3_snprintf((int)sizeof schema->engine, schema->engine, "%s", text);
  else if (strcmp(key, "dbfed_schema") != 0)
    return json_unknown(r);
  else if (strcmp(text, SCHEMA_FORMAT) != 0)
    return json_bad(r, "is another than " SCHEMA_FORMAT
                       ": write the file anew with schema_snapshot()");
  else
    r->formatted = true;
  return SQLITE_OK;
}

/* A member that has members, before they are read. */
static int json_enter(struct json_reader *r, const char *key)
{
  struct schema_item *part = &r->part;
  int i;

  switch ((enum json_level)r->level) {
  case LEVEL_KINDS:
    if ((i = json_find(schema_kinds, SCHEMA_KINDS, key)) < 0) break;
    part->kind = (enum schema_kind)i;
    return SQLITE_OK;
  case LEVEL_OBJECTS:
    r->self = r->schema->n;
    part->part = SCHEMA_SELF;
    return schema_add(r->schema, part, key, "", r->err);
  case LEVEL_SECTIONS:
    if ((i = json_find(schema_parts, SCHEMA_PARTS, key)) < 0) break;
    part->part = (enum schema_part)i;
    part->position = 0;
    return SQLITE_OK;
  case LEVEL_PARTS:
    part->position++;
    return schema_add(r->schema, part, r->schema->item[r->self].object, key,
                      r->err);
  case LEVEL_PROPERTIES:
  case LEVELS:
    break;
  }
  return json_unknown(r);
}

static int json_member(struct json_reader *r)
{
  const char *key = json_column(r, r->level, 0);
  const char *type = json_column(r, r->level, 1);
  const char *value = json_column(r, r->level, 2);
  int rc = sqlite3_errcode(r->db); /* of these */

  if (rc == SQLITE_NOMEM) return rc;
  if (!strcmp(type, "text")) return json_text_of(r, key, value);
  if (strcmp(type, "object") != 0) return json_unknown(r);
  rc = json_enter(r, key);
  if (rc != SQLITE_OK) return rc;
  r->level++;
  return sqlite3_bind_text(r->members[r->level], 1, value, -1, SQLITE_STATIC);
}

/* Those of an inner object before the next of the outer one. */
static int json_members(struct json_reader *r, const char *text)
{
  int rc = sqlite3_bind_text(r->members[0], 1, text, -1, SQLITE_STATIC);

  while (rc == SQLITE_OK && r->level >= 0) {
    rc = sqlite3_step(r->members[r->level]);
    if (rc == SQLITE_ROW)
      rc = json_member(r);
    else if (rc == SQLITE_DONE)
      rc = sqlite3_reset(r->members[r->level--]);
  }
  return rc;
}

/* Strictly: json_each() takes more than JSON in newer versions. */
static int json_check(struct json_reader *r, const char *text)
{
  sqlite3_stmt *stmt = NULL;
  int rc = sqlite3_prepare_v2(r->db, "SELECT json_valid(?1)", -1, &stmt, NULL);

  if (rc == SQLITE_ERROR)
    return fed_err_set(r->err, rc,
                       "cannot read '%s': this SQLite was built without JSON",
                       r->path);
  if (rc == SQLITE_OK) rc = sqlite3_bind_text(stmt, 1, text, -1, SQLITE_STATIC);
  if (rc == SQLITE_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW)
    rc = sqlite3_column_int(stmt, 0)
           ? SQLITE_OK
           : fed_err_set(r->err, SQLITE_ERROR,
                         "'%s' is no JSON: write it anew with "
                         "schema_snapshot()",
                         r->path);
  sqlite3_finalize(stmt);
  return rc;
}

static int json_read(struct json_reader *r, const char *text)
{
  int rc = sqlite3_open_v2(":memory:", &r->db,
                           SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL);

  if (rc == SQLITE_OK) rc = json_check(r, text);
  for (int i = 0; i < LEVELS && rc == SQLITE_OK; i++)
    rc = sqlite3_prepare_v2(r->db, "SELECT key, type, value FROM json_each(?1)",
                            -1, &r->members[i], NULL);
  if (rc == SQLITE_OK) rc = json_members(r, text);
  if (rc != SQLITE_OK && !r->err->rc) rc = json_failed(r, rc);
  if (rc == SQLITE_OK && !(r->formatted && *r->schema->engine))
    rc = fed_err_set(r->err, SQLITE_ERROR,
                     "'%s' is no file of schema_snapshot()", r->path);
  return rc;
}

int schema_read(struct schema *out, const char *path, const char *text,
                struct fed_err *err)
{
  struct json_reader r = {.schema = out, .path = path, .err = err};
  int rc;

  memset(out, 0, sizeof *out);
  rc = json_read(&r, text);
  for (int i = 0; i < LEVELS; i++)
    sqlite3_finalize(r.members[i]);
  sqlite3_close(r.db);
  if (rc == SQLITE_OK) rc = schema_finish(out, err);
  if (rc != SQLITE_OK) schema_release(out);
  return rc;
}
