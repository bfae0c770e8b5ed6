/*
 * token: SQL text as tokens by the lexical rules of each dialect: as much of
 * them as it takes to tell code from quotes and comments.
 */
#ifndef FED_TOKEN_H
#define FED_TOKEN_H

#include "migrate/split.h"

enum token_kind {
  TOKEN_END,   /* of the text */
  TOKEN_BLANK, /* blanks or one comment */
  TOKEN_WORD,  /* a keyword or a name without quotes */
  TOKEN_VALUE, /* a quoted name, a string, a number */
  TOKEN_MARK,  /* any other character, or ":=" */
  TOKEN_CODE,  /* the begin or the end of a comment whose inside is code */
  TOKEN_OPEN   /* a quote or comment without its end: all that is left */
};

struct token {
  enum token_kind kind;
  const char *s; /* in the text */
  size_t n;
  const char *what; /* TOKEN_OPEN: what has no end, else NULL */
};

struct token_reader {
  enum split_dialect dialect;
  const char *at, *end;
  bool code;        /* inside a version comment */
  bool fresh;       /* MySQL: "--" is a comment without a blank, too */
  const char *stop; /* words end before this text too; may be NULL */
  size_t stop_size;
};

void token_init(struct token_reader *r, enum split_dialect dialect,
                const char *text, size_t size);

/* The token at r->at, which moves behind it. */
void token_read(struct token_reader *r, struct token *out);

/* Does the text at `at` begin with these `n` bytes? */
bool token_prefix(const char *at, const char *end, const char *s, size_t n);

/* The words that the mysql client takes for itself, with the rest of their
 * line, where a statement may begin: a pattern of split_like(). */
extern const char token_mysql_commands[];

/* Is the token this word or mark, of `n` bytes, in any case? */
bool token_is(const struct token *t, const char *word, size_t n);

#endif
