/*
 * source_item: what the reader of sources is made of, for its own files only.
 * A directory or an array becomes a list of items (source_dir.c), each with
 * what its name says (source_name.c); those that are migrations get texts,
 * and of a text its parts are found (source_text.c).
 */
#ifndef FED_SOURCE_ITEM_H
#define FED_SOURCE_ITEM_H

#include "migrate/source.h"

/* What a name looks like. Several make a set. */
enum source_shape {
  SHAPE_OTHER = 0,
  SHAPE_PAIR = 1,    /* 1_name.up.sql, 1_name.down.sql */
  SHAPE_SINGLE = 2,  /* 1_name.sql */
  SHAPE_LOOSE = 4,   /* 1.sql, 1name.sql, 1-name.sql: dbmate takes them */
  SHAPE_LETTER = 8,  /* V1__name.sql, U1__name.sql, B1__name.sql */
  SHAPE_REPEAT = 16, /* R__name.sql */
  SHAPE_FOLDER = 32, /* 1_name/up.sql, 1_name/down.sql */
  /* Run by the tool they were written for, and by no other: */
  SHAPE_GO = 64,    /* goose's 1_name.go */
  SHAPE_JAVA = 128, /* Flyway's V1__Name.java, and its callbacks */
};
#define SHAPE_CODE (SHAPE_GO | SHAPE_JAVA)
#define SHAPE_TOP  (SHAPE_PAIR | SHAPE_SINGLE | SHAPE_LOOSE)

struct source_item {
  char *path;        /* relative; a folder's ends with '/' */
  const char *given; /* an embedded file's text */
  /* What the name says. */
  enum source_shape shape;
  enum source_kind kind;
  bool down;
  const char *dialect; /* "pg", "mysql", "sqlite", or NULL for all */
  bool autocommit;     /* not in a transaction */
  char version[SOURCE_VERSION_MAX];
  const char *name; /* in `path` */
  size_t name_size;
  /* Once it is read. */
  char *text; /* size bytes and a zero; without a BOM */
  size_t size;
};

struct source_items {
  int dirfd; /* -1: embedded */
  const char *dir;
  struct source_item *item; /* by path, once they are listed */
  int n, room;
  size_t total; /* bytes of the texts read */
};

/* ---- source_dir.c: files ------------------------------------------------ */

/* List the directory; then the folders below, or forget them. */
int source_items_open(struct source_items *items, const char *dir,
                      struct fed_err *err);
int source_items_deepen(struct source_items *items, struct fed_err *err);
void source_items_flatten(struct source_items *items);
int source_items_embed(struct source_items *items,
                       const struct source_embedded *list, int n,
                       struct fed_err *err);
void source_items_release(struct source_items *items);

/* Read a text, once, and check that it is one. */
int source_item_read(struct source_items *items, struct source_item *item,
                     struct fed_err *err);

/* SHA-256 of its text. Whether a line ends with LF, CRLF or CR is the editor's
 * business, and makes no difference. */
void source_item_hash(const struct source_item *item, char out[65]);

struct source_item *source_items_find(struct source_items *items,
                                      const char *path);

/* A path or a word of a file as it is shown: what is no plain character is
 * escaped, the middle left out where it is long. Gives `shown->s`. */
struct source_shown {
  char s[256];
};
const char *source_show(struct source_shown *shown, const char *s, size_t n);
#define SOURCE_SHOWN(s, n) source_show(&(struct source_shown){{0}}, s, n)
#define SOURCE_SHOW(path)  SOURCE_SHOWN(path, strlen(path))

/* ---- source_name.c: names ----------------------------------------------- */

bool source_is_folder(const struct source_item *item);

/* Fill in what the name says. */
void source_name_parse(struct source_item *item);

/* What is wrong with a name that is nearly a migration's, or NULL. */
const char *source_name_near(const char *path);

/* "postgresql" -> "pg"; NULL if it is none. */
const char *source_dialect(const char *word, size_t size);

/* ---- source_text.c: texts ----------------------------------------------- */

/* Which markers a text has; several make a set. */
enum source_mark { MARK_NONE = 1, MARK_OURS = 2, MARK_GOOSE = 4 };
enum source_mark source_text_marks(const char *text);

enum source_holds { HOLDS_UP, HOLDS_DOWN, HOLDS_BOTH };
enum source_grammar { GRAMMAR_PLAIN, GRAMMAR_OURS, GRAMMAR_GOOSE };

/* Find the parts of a text; what is for other dialects is blanked in it. */
struct source_text {
  const char *path; /* for errors */
  char *text;
  size_t size;
  const char *dialect;
  enum source_grammar grammar;
  enum source_holds holds;
  bool variables; /* wanted from the start */
};
int source_text_parse(const struct source_text *in, struct source_script *up,
                      struct source_script *down, struct fed_err *err);

/* A setting 'key = value' of a file beside a migration; false if the line is
 * none. The settings in `text` come one after the other. */
struct source_setting {
  char key[64], value[64];
  int line;
};
bool source_setting_next(const char **text, struct source_setting *setting);

/* ---- source_layout.c: layouts ------------------------------------------- */

struct source_row {
  unsigned needs;            /* one of these shapes must be there */
  unsigned allows;           /* and no others */
  unsigned marks, not_marks; /* of texts: one needed, none allowed */
  bool deep;                 /* folders below are read */
  bool single_up;            /* a SINGLE has no sections: it is an up */
  bool variables;            /* on unless a setting says otherwise */
  enum source_grammar grammar;
  const char *example;
};
extern const struct source_row source_rows[];

/* The layout of the items, listing folders and reading texts as needed. */
int source_layout_find(struct source_items *items, enum source_layout *layout,
                       struct fed_err *err);

#endif
