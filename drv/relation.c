/* relation: what a server's catalog says of its tables, views and queries. */
#include "base/mem.h"
#include "drv/drv.h"

void fed_relation_release(struct fed_relation *rel)
{
  for (int i = 0; i < rel->ncol; i++) {
    fed_free(rel->col[i].name);
    fed_free(rel->col[i].type);
    fed_free(rel->col[i].collation);
  }
  fed_free(rel->col);
  fed_free(rel->schema);
  fed_free(rel->name);
  memset(rel, 0, sizeof *rel);
}

void fed_catalog_release(struct fed_catalog *cat)
{
  for (int i = 0; i < cat->nrel; i++)
    fed_relation_release(&cat->rel[i]);
  fed_free(cat->rel);
  memset(cat, 0, sizeof *cat);
}

struct fed_relation *fed_catalog_add(struct fed_catalog *cat,
                                     const char *schema, const char *name)
{
  struct fed_relation *rel;

  if (cat->nrel == cat->room) {
    int room = cat->room ? cat->room * 2 : 16;

    rel = fed_realloc(cat->rel, (size_t)room * sizeof *rel);
    if (!rel) return NULL;
    cat->rel = rel;
    cat->room = room;
  }
  rel = &cat->rel[cat->nrel];
  memset(rel, 0, sizeof *rel);
  rel->rows = -1;
  rel->asked = fed_clock_wall_ms();
  rel->told = rel->atomic = true;
  rel->schema = fed_strdup(schema);
  rel->name = fed_strdup(name);
  if (!rel->schema || !rel->name) {
    fed_relation_release(rel);
    return NULL;
  }
  cat->nrel++;
  return rel;
}

/* The array doubles at each power of two, so it needs no `room` of its own. */
static bool relation_grow(struct fed_relation *rel)
{
  int n = rel->ncol;
  struct fed_column *col;

  if (n & (n - 1)) return true;
  col = fed_realloc(rel->col, (size_t)(n ? n * 2 : 1) * sizeof *col);
  if (!col) return false;
  rel->col = col;
  return true;
}

struct fed_column *fed_relation_add(struct fed_relation *rel, const char *name,
                                    const char *type)
{
  struct fed_column *col;

  if (!relation_grow(rel)) return NULL;
  col = &rel->col[rel->ncol];
  memset(col, 0, sizeof *col);
  col->name = fed_strdup(name);
  col->type = fed_strdup(type);
  if (!col->name || !col->type) {
    fed_free(col->name);
    fed_free(col->type);
    return NULL;
  }
  col->distinct = col->nulls = -1;
  rel->ncol++;
  return col;
}

void fed_relation_take_stats(struct fed_relation *to,
                             const struct fed_relation *from)
{
  if (to->ncol != from->ncol) return;
  for (int i = 0; i < to->ncol; i++)
    if (strcmp(to->col[i].name, from->col[i].name) != 0) return;
  for (int i = 0; i < to->ncol; i++) {
    to->col[i].indexed = from->col[i].indexed;
    to->col[i].distinct = from->col[i].distinct;
    to->col[i].nulls = from->col[i].nulls;
  }
  to->rows = from->rows;
  to->asked = from->asked;
}

static const struct {
  const char *name;
  enum fed_type storage;
} relation_class[FED_CLASS_COUNT] = {
  [FED_CLASS_ANY] = {"any",             FED_NULL},
  [FED_CLASS_INT] = {"integer",         FED_INT },
  [FED_CLASS_UINT] = {"unsigned",        FED_INT },
  [FED_CLASS_BOOL] = {"boolean",         FED_INT },
  [FED_CLASS_REAL] = {"real",            FED_REAL},
  [FED_CLASS_FLOAT4] = {"float4",          FED_REAL},
  [FED_CLASS_DECINT] = {"decimal integer", FED_INT },
  [FED_CLASS_DECREAL] = {"decimal real",    FED_REAL},
  [FED_CLASS_DECIMAL] = {"decimal",         FED_TEXT},
  [FED_CLASS_TEXT] = {"text",            FED_TEXT},
  [FED_CLASS_CHAR] = {"char",            FED_TEXT},
  [FED_CLASS_BLOB] = {"blob",            FED_BLOB},
  [FED_CLASS_DATE] = {"date",            FED_TEXT},
  [FED_CLASS_TIME] = {"time",            FED_TEXT},
  [FED_CLASS_TIMESTAMP] = {"timestamp",       FED_TEXT},
  [FED_CLASS_TIMESTAMPTZ] = {"timestamptz",     FED_TEXT},
  [FED_CLASS_UUID] = {"uuid",            FED_TEXT},
  [FED_CLASS_OTHER] = {"other",           FED_TEXT},
};

const char *fed_class_name(enum fed_class class)
{
  return class >= 0 && class < FED_CLASS_COUNT ? relation_class[class].name
                                               : "?";
}

enum fed_type fed_class_storage(enum fed_class class)
{
  return class >= 0 && class < FED_CLASS_COUNT ? relation_class[class].storage
                                               : FED_NULL;
}

const char *fed_fill_name(enum fed_fill fill)
{
  static const char *const name[FED_FILL_COUNT] = {
    [FED_FILL_NULL] = "null",         [FED_FILL_DEFAULT] = "default",
    [FED_FILL_NUMBER] = "number",     [FED_FILL_ALWAYS] = "always",
    [FED_FILL_COMPUTED] = "computed",
  };

  return fill >= 0 && fill < FED_FILL_COUNT ? name[fill] : "?";
}

const char *fed_kind_name(enum fed_kind kind)
{
  static const char *const name[FED_KIND_COUNT] = {
    [FED_KIND_TABLE] = "table",
    [FED_KIND_PARTITIONED] = "partitioned table",
    [FED_KIND_FOREIGN] = "foreign table",
    [FED_KIND_VIEW] = "view",
    [FED_KIND_MATVIEW] = "materialized view",
    [FED_KIND_QUERY] = "query",
  };

  return kind >= 0 && kind < FED_KIND_COUNT ? name[kind] : "?";
}
