/*
 * schema: what a database is made of, as a list that can be written to a file,
 * read again, and compared.
 *
 *     schema_pg.c ...   a target's catalog -> the list
 *     schema_json.c     the list <-> text, readable in a diff
 *     schema_diff.c     two lists -> what differs
 *
 * Objects (tables, views ...) have parts (columns, indexes ...); both have
 * properties, which are texts as the server prints them. The names of all of
 * these are in one table in schema.c.
 */
#ifndef FED_SCHEMA_H
#define FED_SCHEMA_H

#include "migrate/target.h"

#define SCHEMA_FORMAT "1"
#define SCHEMA_VALUES 6

enum schema_kind {
  SCHEMA_TABLE,
  SCHEMA_VIEW,
  SCHEMA_SEQUENCE,
  SCHEMA_TYPE,
  SCHEMA_ROUTINE,
  SCHEMA_EVENT,
  SCHEMA_KINDS
};

enum schema_part {
  SCHEMA_SELF, /* the object itself */
  SCHEMA_COLUMN,
  SCHEMA_INDEX,
  SCHEMA_FOREIGN_KEY,
  SCHEMA_CHECK,
  SCHEMA_TRIGGER,
  SCHEMA_PARTS
};

/* How the file and the differences name it, and its properties. */
struct schema_words {
  const char *section, *word;
  const char *property[SCHEMA_VALUES]; /* ends with NULL if there are fewer */
};
extern const struct schema_words schema_kinds[SCHEMA_KINDS];
extern const struct schema_words schema_parts[SCHEMA_PARTS];

struct schema_item {
  enum schema_kind kind;
  enum schema_part part;
  char *object;
  char *name;                 /* of the part; "" of the object itself */
  int64_t position;           /* of a column or foreign key; else 0 */
  char *value[SCHEMA_VALUES]; /* NULL: the property is not there */
};

struct schema {
  char engine[16]; /* target_kind's driver */
  struct schema_item *item;
  int n, room, nobject;
};

void schema_release(struct schema *schema);

/* Add one of this object and name (NULL: ""), otherwise like that; texts are
 * copied. */
int schema_add(struct schema *schema, const struct schema_item *like,
               const char *object, const char *name, struct fed_err *err);

/* The properties of an item, up to SCHEMA_VALUES. */
const char *const *schema_properties(const struct schema_item *item);

/* Sort, and tell apart by "#2" what has the same name. */
int schema_finish(struct schema *schema, struct fed_err *err);

/* By kind, object, part and name. */
int schema_compare(const struct schema_item *a, const struct schema_item *b);

/*
 * The live schema of a target: without our own table and what the server keeps
 * for itself. `where`: which schema on PostgreSQL; NULL: the current one.
 */
int schema_load(struct schema *out, struct target *target, const char *where,
                struct fed_err *err);

/*
 * For target_kind's slot: run a query whose rows are kind, object, part, name,
 * position and then the values, and add them. Missing values are NULL.
 */
int schema_query(struct schema *schema, struct target *target, const char *sql,
                 const char *arg, struct fed_err *err);

/* The slots of target_kind. */
int schema_of_pg(struct target *target, const char *where, struct schema *out,
                 struct fed_err *err);
int schema_of_mysql(struct target *target, const char *where,
                    struct schema *out, struct fed_err *err);
int schema_of_sqlite(struct target *target, const char *where,
                     struct schema *out, struct fed_err *err);

/* On PostgreSQL: make this schema the session's search_path. */
int schema_pg_enter(struct target *target, const char *where,
                    struct fed_err *err);

int schema_write(const struct schema *schema, struct fed_str *out,
                 struct fed_err *err);
/* `path` is for errors. */
int schema_read(struct schema *out, const char *path, const char *text,
                struct fed_err *err);

/* One difference; NULL where there is nothing to say. */
struct schema_difference {
  const char *kind;   /* table, view ..., column, index ... */
  const char *object; /* the table's, view's ... name */
  const char *part;   /* the column's, index's ... name */
  const char *property;
  const char *expected;
  const char *found; /* "missing", "unexpected" where there is no property */
};
typedef int schema_difference_fn(void *arg, const struct schema_difference *d,
                                 struct fed_err *err);
int schema_diff(const struct schema *expected, const struct schema *found,
                schema_difference_fn *fn, void *arg, struct fed_err *err);

#endif
