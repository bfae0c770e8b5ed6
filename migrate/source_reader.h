/*
 * source_reader: a text is read line by line, and what lies between two
 * markers becomes a part of a script. The markers are those of source_ours.c
 * or of source_goose.c.
 */
#ifndef FED_SOURCE_READER_H
#define FED_SOURCE_READER_H

#include "migrate/source_item.h"

/* A blank that is no line end. */
static inline bool source_text_blank(char c)
{
  return c == ' ' || (c >= '\t' && c <= '\r' && c != '\n');
}

struct text_reader {
  const struct source_text *in;
  struct source_script *script[2]; /* up, down */
  struct source_script *into;      /* NULL before the first marker */
  char *line;                      /* the current one */
  size_t len;                      /* without its LF */
  char *next;
  int number;
  char *part; /* where the open part begins, or NULL */
  int part_line;
  bool hidden;       /* in a section of other dialects */
  bool block;        /* between StatementBegin and End */
  bool variables[2]; /* wanted, by script */
  struct fed_err *err;
};

/* "path:line: message" about the current line. Returns SQLITE_ERROR. */
int source_text_fail(struct text_reader *r, const char *fmt, ...)
  FED_PRINTF(2, 3);

/* How many blanks (and line ends) are in front. */
size_t source_text_blanks(const char *s, size_t n);

bool source_text_is(const char *s, size_t n, const char *word);

/* The new last part of a script, or NULL. */
struct source_part *source_text_add(struct source_script *script,
                                    struct fed_err *err);

/* A part begins behind the current line. */
void source_text_open(struct text_reader *r);

/* The open part, if there is one, ends before the current line; nothing is
 * kept of blanks. */
int source_text_close(struct text_reader *r, bool whole);

/* Blank or a comment: what may stand before the first marker. */
bool source_text_idle(const struct text_reader *r);

/* Give each line to `line`, then close the open part. */
int source_text_run(struct text_reader *r, int (*line)(struct text_reader *));

/* The grammars. */
int source_text_ours(struct text_reader *r);
int source_text_goose(struct text_reader *r);

/* Is the line a comment with +goose in it? Gives what follows, trimmed. */
bool source_text_annotation(const char *line, size_t len, const char **word,
                            size_t *n);

#endif
