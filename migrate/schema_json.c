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

struct json_reader {
  struct schema *schema;
  const char *path, *at;
  int line;
  struct fed_err *err;
};

static int json_bad(struct json_reader *r, const char *what)
{
  return fed_err_set(r->err, SQLITE_ERROR, "%s:%d: %s", r->path, r->line, what);
}

static void json_blank(struct json_reader *r)
{
  while (*r->at && strchr(" \t\r\n", *r->at))
    if (*r->at++ == '\n') r->line++;
}

/* Behind this character, and blanks before it? */
static bool json_take(struct json_reader *r, char c)
{
  json_blank(r);
  if (*r->at != c) return false;
  r->at++;
  return true;
}

static int json_hex(const char *at)
{
  int code = 0;

  for (int i = 0; i < 4; i++) {
    static const char digits[] = "0123456789abcdef0123456789ABCDEF";
    const char *found = at[i] ? strchr(digits, at[i]) : NULL;

    if (!found) return -1;
    code = code * 16 + (int)((found - digits) % 16);
  }
  return code;
}

static void json_utf8(struct fed_str *out, unsigned code)
{
  if (code < 0x80)
    fed_str_addc(out, (char)code);
  else if (code < 0x800)
    fed_str_addc(out, (char)(0xC0 | code >> 6));
  else if (code < 0x10000)
    fed_str_addc(out, (char)(0xE0 | code >> 12));
  else {
    fed_str_addc(out, (char)(0xF0 | code >> 18));
    fed_str_addc(out, (char)(0x80 | (code >> 12 & 0x3F)));
  }
  if (code >= 0x800) fed_str_addc(out, (char)(0x80 | (code >> 6 & 0x3F)));
  if (code >= 0x80) fed_str_addc(out, (char)(0x80 | (code & 0x3F)));
}

/* Behind "\u". */
static int json_code(struct json_reader *r, struct fed_str *out)
{
  int code = json_hex(r->at), low = -1;

  if (code >= 0) r->at += 4;
  if (code >= 0xD800 && code < 0xDC00 && r->at[0] == '\\' && r->at[1] == 'u' &&
      (low = json_hex(r->at + 2)) >= 0xDC00 && low < 0xE000) {
    r->at += 6;
    code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
  }
  if (code <= 0 || (code >= 0xD800 && code < 0xE000))
    return json_bad(r, "a bad \\u in a string");
  json_utf8(out, (unsigned)code);
  return SQLITE_OK;
}

static int json_string(struct json_reader *r, char **out)
{
  static const char names[] = "\"\"\\\\//b\bf\fn\nr\rt\t";
  struct fed_str text;
  int rc = SQLITE_OK;

  if (!json_take(r, '"')) return json_bad(r, "a string is expected");
  fed_str_init(&text, FED_STR_SQL);
  while (rc == SQLITE_OK && *r->at != '"') {
    char c = *r->at;

    if ((unsigned char)c < ' ') {
      rc = json_bad(r, "a string without its end");
      break;
    }
    r->at++;
    if (c != '\\')
      fed_str_addc(&text, c);
    else if (*r->at == 'u') {
      r->at++;
      rc = json_code(r, &text);
    } else {
      const char *found = *r->at ? strchr(names, *r->at) : NULL;

      if (found && (found - names) % 2 == 0) {
        fed_str_addc(&text, found[1]);
        r->at++;
      } else
        rc = json_bad(r, "a bad '\\' in a string");
    }
  }
  if (rc == SQLITE_OK) {
    r->at++;
    rc = fed_str_err(&text, r->err);
  }
  if (rc == SQLITE_OK && !(*out = fed_str_detach(&text)))
    rc = fed_err_nomem(r->err);
  fed_str_release(&text);
  return rc;
}

/*
 * An object: calls `member` for each key, with the reader before its value.
 * Its depth is that of the calls, so nothing nests without end.
 */
typedef int json_member_fn(struct json_reader *r, void *arg, const char *key);

static int json_object(struct json_reader *r, json_member_fn *member, void *arg)
{
  int rc = SQLITE_OK;

  if (!json_take(r, '{')) return json_bad(r, "'{' is expected");
  if (json_take(r, '}')) return SQLITE_OK;
  do {
    char *key = NULL;

    rc = json_string(r, &key);
    if (rc == SQLITE_OK && !json_take(r, ':'))
      rc = json_bad(r, "':' is expected");
    if (rc == SQLITE_OK) json_blank(r);
    if (rc == SQLITE_OK) rc = member(r, arg, key);
    fed_free(key);
  } while (rc == SQLITE_OK && json_take(r, ','));
  if (rc == SQLITE_OK && !json_take(r, '}'))
    rc = json_bad(r, "',' or '}' is expected");
  return rc;
}

static int json_find(const struct schema_words *words, int n, const char *key)
{
  for (int i = 0; i < n; i++)
    if (words[i].section && !strcmp(words[i].section, key)) return i;
  return -1;
}

static int json_unknown(struct json_reader *r, const char *key)
{
  return fed_err_set(r->err, SQLITE_ERROR,
                     "%s:%d: '%s' is not known here: the file is of a newer "
                     "dbfed, or was not made by schema_snapshot()",
                     r->path, r->line, key);
}

/* `arg` is the item, the last one added. */
static int json_property(struct json_reader *r, void *arg, const char *key)
{
  struct schema_item *item = arg;
  const char *const *property = schema_properties(item);

  for (int i = 0; i < SCHEMA_VALUES && property[i]; i++)
    if (!strcmp(property[i], key)) {
      fed_free(item->value[i]);
      item->value[i] = NULL;
      return json_string(r, &item->value[i]);
    }
  return json_unknown(r, key);
}

/* `arg` is the object, with the part that its members are. */
static int json_member(struct json_reader *r, void *arg, const char *key)
{
  struct schema_item *like = arg, *item = NULL;
  char name[1] = "";
  struct schema_item part = *like;
  int rc;

  memset(part.value, 0, sizeof part.value);
  part.name = name;
  like->position++;
  part.position = like->position;
  rc = schema_add(r->schema, &part, &item, r->err);
  if (rc != SQLITE_OK) return rc;
  fed_free(item->name);
  item->name = fed_strdup(key);
  if (!item->name) return fed_err_nomem(r->err);
  return json_object(r, json_property, item);
}

/* `arg` is the index of the object's own item: the list may move. */
static int json_section(struct json_reader *r, void *arg, const char *key)
{
  struct schema_item *self = &r->schema->item[*(const int *)arg];
  int part = json_find(schema_parts, SCHEMA_PARTS, key);
  struct schema_item like = *self;
  int rc;

  if (*r->at == '"') return json_property(r, self, key);
  if (part < 0) return json_unknown(r, key);
  like.part = (enum schema_part)part;
  like.position = 0;
  like.object = fed_strdup(self->object);
  if (!like.object) return fed_err_nomem(r->err);
  rc = json_object(r, json_member, &like);
  fed_free(like.object);
  return rc;
}

static int json_named(struct json_reader *r, void *arg, const char *key)
{
  struct schema_item item = {.kind = *(const enum schema_kind *)arg};
  int self = r->schema->n;
  int rc;

  item.object = fed_strdup(key);
  if (!item.object) return fed_err_nomem(r->err);
  rc = schema_add(r->schema, &item, NULL, r->err);
  fed_free(item.object);
  return rc == SQLITE_OK ? json_object(r, json_section, &self) : rc;
}

static int json_top(struct json_reader *r, void *arg, const char *key)
{
  char *text = NULL;
  int kind = json_find(schema_kinds, SCHEMA_KINDS, key);
  int rc;

  if (kind >= 0) {
    enum schema_kind k = (enum schema_kind)kind;

    return json_object(r, json_named, &k);
  }
  if (strcmp(key, "engine") != 0 && strcmp(key, "dbfed_schema") != 0)
    return json_unknown(r, key);
  rc = json_string(r, &text);
  if (rc == SQLITE_OK && *key == 'e')
    sqlite3_snprintf((int)sizeof r->schema->engine, r->schema->engine, "%s",
                     text);
  else if (rc == SQLITE_OK && strcmp(text, SCHEMA_FORMAT) != 0)
    rc = json_bad(r, "this format is not known: the file is of another dbfed");
  else if (rc == SQLITE_OK)
    *(bool *)arg = true;
  fed_free(text);
  return rc;
}

int schema_read(struct schema *out, const char *path, const char *text,
                struct fed_err *err)
{
  struct json_reader r = {out, path, text, 1, err};
  bool formatted = false;
  int rc;

  memset(out, 0, sizeof *out);
  rc = json_object(&r, json_top, &formatted);
  json_blank(&r);
  if (rc == SQLITE_OK && *r.at) rc = json_bad(&r, "more behind the end");
  if (rc == SQLITE_OK && !(formatted && *out->engine))
    rc = json_bad(&r, "this is no file of schema_snapshot()");
  if (rc == SQLITE_OK) rc = schema_finish(out, err);
  if (rc != SQLITE_OK) schema_release(out);
  return rc;
}
