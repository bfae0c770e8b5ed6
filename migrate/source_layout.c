/*
 * Layouts: one row for each, and which one a directory has. The names decide;
 * where VERSION_name.sql leaves it open, the markers in those files do.
 */
#include <fnmatch.h>

#include "migrate/source_item.h"

const char *const source_layouts[] = {"auto",   "native", "golang-migrate",
                                      "dbmate", "goose",  "flyway",
                                      "sqlx",   "diesel", NULL};

const struct source_row source_rows[] = {
  [SOURCE_AUTO] = {.example = ""                      },
  [SOURCE_NATIVE] = {               .needs = SHAPE_PAIR | SHAPE_REPEAT,
                   .allows = SHAPE_TOP | SHAPE_REPEAT,
                   .not_marks = MARK_GOOSE,
                   .grammar = GRAMMAR_OURS,
                   .example = "1_name.up.sql"},
  [SOURCE_GOLANG] = {                        .allows = SHAPE_PAIR,
                   .grammar = GRAMMAR_OURS,
                   .example = "1_name.up.sql"         },
  [SOURCE_DBMATE] = { .needs = SHAPE_SINGLE | SHAPE_LOOSE,
                   .allows = SHAPE_SINGLE | SHAPE_LOOSE | SHAPE_REPEAT,
                   .marks = MARK_OURS,
                   .not_marks = MARK_GOOSE,
                   .grammar = GRAMMAR_OURS,
                   .example = "1_name.sql"},
  [SOURCE_GOOSE] = {                             .needs = SHAPE_SINGLE,
                   .allows = SHAPE_SINGLE,
                   .marks = MARK_GOOSE,
                   .not_marks = MARK_OURS,
                   .grammar = GRAMMAR_GOOSE,
                   .example = "1_name.sql"},
  [SOURCE_FLYWAY] = {                           .needs = SHAPE_LETTER,
                   .allows = SHAPE_LETTER | SHAPE_REPEAT,
                   .deep = true,
                   .variables = true,
                   .grammar = GRAMMAR_PLAIN,
                   .example = "V1__name.sql"},
  [SOURCE_SQLX] = {                           .needs = SHAPE_SINGLE,
                   .allows = SHAPE_SINGLE | SHAPE_PAIR,
                   .marks = MARK_NONE,
                   .not_marks = MARK_OURS | MARK_GOOSE,
                   .single_up = true,
                   .grammar = GRAMMAR_OURS,
                   .example = "1_name.sql"},
  [SOURCE_DIESEL] = {                                   .needs = SHAPE_FOLDER,
                   .allows = SHAPE_FOLDER,
                   .deep = true,
                   .grammar = GRAMMAR_PLAIN,
                   .example = "1_name/up.sql"},
};

/* Tried in this order: pairs beside single files without markers are no
 * layout of sqlx's, which writes either, but a slip. */
static const enum source_layout layout_order[] = {
  SOURCE_GOOSE,  SOURCE_DBMATE, SOURCE_NATIVE,
  SOURCE_FLYWAY, SOURCE_DIESEL, SOURCE_SQLX,
};

static unsigned layout_shapes(const struct source_items *items)
{
  unsigned shapes = 0;

  for (int i = 0; i < items->n; i++)
    shapes |= (unsigned)items->item[i].shape;
  return shapes & ~(unsigned)SHAPE_CODE;
}

/* Read the files whose names leave it open. */
static int layout_marks(struct source_items *items, unsigned *marks,
                        struct fed_err *err)
{
  *marks = 0;
  for (int i = 0; i < items->n; i++) {
    struct source_item *item = &items->item[i];

    if (!(item->shape & (SHAPE_SINGLE | SHAPE_LOOSE))) continue;
    if (source_item_read(items, item, err) != SQLITE_OK) return err->rc;
    *marks |= (unsigned)source_text_marks(item->text);
  }
  return SQLITE_OK;
}

static bool layout_fits(const struct source_row *row, unsigned shapes,
                        unsigned marks)
{
  return (shapes & row->needs) && !(shapes & ~row->allows) &&
         (!row->marks || (marks & row->marks)) && !(marks & row->not_marks);
}

/* No layout fits: name two files that go by different rules. */
static int layout_mixed(const struct source_items *items, struct fed_err *err)
{
  const struct source_item *first = NULL, *other = NULL;
  unsigned mark = 0;

  for (int i = 0; i < items->n && !other; i++) {
    const struct source_item *item = &items->item[i];
    unsigned m = item->text ? (unsigned)source_text_marks(item->text) : 0;

    if (item->shape == SHAPE_OTHER || (item->shape & SHAPE_CODE)) continue;
    if (!first) {
      first = item;
      mark = m;
    } else if (item->shape != first->shape || m != mark) {
      other = item;
    }
  }
  if (!first || !other)
    return fed_err_set(err, SQLITE_ERROR,
                       "'%s': neither '-- migrate:up' nor '-- +goose Up' is in "
                       "it: write one above the SQL, or name the file "
                       "VERSION_name.up.sql",
                       SOURCE_SHOW(first ? first->path : items->dir));
  return fed_err_set(err, SQLITE_ERROR,
                     "files of different layouts in '%s': '%s' and '%s': "
                     "rename those of one kind, or say 'layout=...' (native, "
                     "golang-migrate, dbmate, goose, flyway, sqlx, diesel), "
                     "which leaves out the others",
                     SOURCE_SHOW(items->dir), SOURCE_SHOW(first->path),
                     SOURCE_SHOW(other->path));
}

/* SQL files, but none with a migration's name: that is a slip. */
static int layout_none(const struct source_items *items, struct fed_err *err)
{
  for (int i = 0; i < items->n; i++)
    if (fnmatch("*.sql", items->item[i].path, 0) == 0 &&
        (strchr(items->item[i].path, '/') ||
         !source_name_near(items->item[i].path)))
      return fed_err_set(err, SQLITE_ERROR,
                         "no migration in '%s', but '%s': a migration is named "
                         "as 1_name.up.sql, 1_name.sql, V1__name.sql or "
                         "1_name/up.sql; is there a folder below to be named "
                         "by dir=...?",
                         SOURCE_SHOW(items->dir),
                         SOURCE_SHOW(items->item[i].path));
  return SQLITE_OK;
}

int source_layout_find(struct source_items *items, enum source_layout *layout,
                       struct fed_err *err)
{
  unsigned shapes = layout_shapes(items), marks;
  bool deep =
    *layout == SOURCE_AUTO ? !(shapes & SHAPE_TOP) : source_rows[*layout].deep;

  if (!deep)
    source_items_flatten(items);
  else if (source_items_deepen(items, err) != SQLITE_OK)
    return err->rc;
  shapes = layout_shapes(items);
  if (*layout != SOURCE_AUTO) return SQLITE_OK;
  if (layout_marks(items, &marks, err) != SQLITE_OK) return err->rc;
  for (size_t i = 0; i < FED_LEN(layout_order); i++) {
    *layout = layout_order[i];
    if (layout_fits(&source_rows[*layout], shapes, marks)) return SQLITE_OK;
  }
  *layout = SOURCE_NATIVE;
  if (shapes) return layout_mixed(items, err);
  return layout_none(items, err);
}
