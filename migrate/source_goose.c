/*
 * Goose's annotations.
 */
#include <strings.h>

#include "migrate/source_reader.h"

static int text_goose_up(struct text_reader *r)
{
  if (r->into) return source_text_fail(r, "a second '-- +goose Up'");
  r->into = r->script[0];
  r->into->present = true;
  source_text_open(r);
  return SQLITE_OK;
}

static int text_goose_down(struct text_reader *r)
{
  if (r->into != r->script[0] || r->block)
    return source_text_fail(r, r->block
                                 ? "'-- +goose StatementEnd' is missing before "
                                   "'-- +goose Down'"
                               : r->into ? "a second '-- +goose Down'"
                                         : "'-- +goose Down' comes after "
                                           "'-- +goose Up'");
  if (source_text_close(r, false) != SQLITE_OK) return r->err->rc;
  r->into = r->script[1];
  r->into->present = true;
  source_text_open(r);
  return SQLITE_OK;
}

static int text_goose_begin(struct text_reader *r)
{
  if (!r->into || r->block)
    return source_text_fail(r, r->block
                                 ? "'-- +goose StatementEnd' is missing before "
                                   "another '-- +goose StatementBegin'"
                                 : "'-- +goose StatementBegin' comes after "
                                   "'-- +goose Up' or '-- +goose Down'");
  if (source_text_close(r, false) != SQLITE_OK) return r->err->rc;
  r->block = true;
  source_text_open(r);
  return SQLITE_OK;
}

static int text_goose_end(struct text_reader *r)
{
  if (!r->block)
    return source_text_fail(r, "'-- +goose StatementEnd' without a "
                               "'-- +goose StatementBegin' before it");
  if (source_text_close(r, true) != SQLITE_OK) return r->err->rc;
  r->block = false;
  source_text_open(r);
  return SQLITE_OK;
}

static int text_goose_no_transaction(struct text_reader *r)
{
  r->script[0]->no_transaction = r->script[1]->no_transaction = true;
  return SQLITE_OK;
}

/* From here on, not before: a new part. */
static int text_goose_variables(struct text_reader *r, bool on)
{
  bool block = r->block;
  int n = r->into ? r->into->npart : 0;

  if (source_text_close(r, block) != SQLITE_OK) return r->err->rc;
  if (block && n < r->into->npart)
    return source_text_fail(
      r, "'-- +goose ENVSUB' within a statement: write it above "
         "'-- +goose StatementBegin'");
  if (r->into) source_text_open(r);
  r->variables[0] = r->variables[1] = on;
  return SQLITE_OK;
}

static int text_goose_envsub_on(struct text_reader *r)
{
  return text_goose_variables(r, true);
}

static int text_goose_envsub_off(struct text_reader *r)
{
  return text_goose_variables(r, false);
}

static const struct {
  const char *name;
  int (*run)(struct text_reader *r);
} text_annotations[] = {
  {"Up",             text_goose_up            },
  {"Down",           text_goose_down          },
  {"StatementBegin", text_goose_begin         },
  {"StatementEnd",   text_goose_end           },
  {"NO TRANSACTION", text_goose_no_transaction},
  {"ENVSUB ON",      text_goose_envsub_on     },
  {"ENVSUB OFF",     text_goose_envsub_off    },
};

bool source_text_annotation(const char *line, size_t len, const char **word,
                            size_t *n)
{
  static const char tag[] = "+goose";
  size_t indent = source_text_blanks(line, len);
  const char *end = line + len, *s = line + indent;

  if (end - s < 2 || memcmp(s, "--", 2) != 0) return false;
  s = memmem(s, (size_t)(end - s), tag, sizeof tag - 1);
  if (!s) return false;
  s += sizeof tag - 1;
  s += source_text_blanks(s, (size_t)(end - s));
  while (end > s && (source_text_blank(end[-1]) || end[-1] == '-'))
    end--;
  *word = s;
  *n = (size_t)(end - s);
  return true;
}

static int text_goose_line(struct text_reader *r)
{
  const char *word;
  size_t n;

  if (source_text_annotation(r->line, r->len, &word, &n)) {
    if (source_text_blanks(r->line, r->len) > 0)
      return source_text_fail(
        r, "blanks before '-- +goose': the annotation begins at "
           "the start of the line");
    for (size_t i = 0; i < FED_LEN(text_annotations); i++)
      if (strlen(text_annotations[i].name) == n &&
          strncasecmp(text_annotations[i].name, word, n) == 0)
        return text_annotations[i].run(r);
    return source_text_fail(
      r,
      "unknown annotation '-- +goose %s'; there are: Up, "
      "Down, StatementBegin, StatementEnd, NO TRANSACTION, "
      "ENVSUB ON, ENVSUB OFF",
      SOURCE_SHOWN(word, n));
  }
  if (!r->into && !source_text_idle(r))
    return source_text_fail(
      r, "SQL before '-- +goose Up': write that line above it");
  return SQLITE_OK;
}

int source_text_goose(struct text_reader *r)
{
  if (source_text_run(r, text_goose_line) != SQLITE_OK) return r->err->rc;
  if (r->block)
    return source_text_fail(r, "the file ends before '-- +goose StatementEnd'");
  if (!r->into)
    return fed_err_set(r->err, SQLITE_ERROR,
                       "%s: no '-- +goose Up' line: write it above the SQL",
                       SOURCE_SHOW(r->in->path));
  return SQLITE_OK;
}
