/*
 * body: whether a ';' inside a statement belongs to it. Fed with the tokens of
 * one statement (no blanks), in order.
 *
 *   PostgreSQL  parentheses, and BEGIN ATOMIC ... END in CREATE
 *   MySQL       the blocks of stored programs: BEGIN, IF, CASE, LOOP, WHILE,
 *               REPEAT and FOR open one where a statement may begin, END
 *               closes it; elsewhere IF and REPEAT are functions, and CASE is
 *               an expression with an END of its own
 *   SQLite      CREATE TRIGGER ... ; END ;
 */
#ifndef FED_BODY_H
#define FED_BODY_H

#include "migrate/token.h"

/* Deepest nesting of MySQL's blocks: the bits of body.cases. */
#define BODY_DEPTH_MAX 64

/* What MySQL's CREATE or ALTER is about. */
enum body_object {
  BODY_UNDECIDED,
  BODY_ROUTINE,
  BODY_TRIGGER,
  BODY_EVENT,
  BODY_OTHER
};

enum body_phase { /* of SQLite's CREATE TRIGGER */
                  BODY_START,
                  BODY_EXPLAIN,
                  BODY_CREATE,
                  BODY_INSIDE,
                  BODY_SEMICOLON,
                  BODY_END,
                  BODY_PLAIN
};

struct body {
  enum split_dialect dialect;
  int tokens;              /* fed so far */
  int first, prev, before; /* words: the first, the last and the one before */
  int parens;
  int depth;          /* of blocks that are open */
  const char *opened; /* what the outermost parenthesis or block began with */
  size_t opened_size;
  bool too_deep;
  /* MySQL */
  uint64_t cases; /* bit n: the block of depth n is an expression's CASE */
  enum body_object object;
  int inner;  /* the first word of the statement inside the body */
  bool start; /* a statement may begin here */
  bool head;  /* the body may begin here */
  bool begun; /* it has begun, or is a single statement */
  bool ended; /* the last END has closed a block */
  /* SQLite */
  enum body_phase phase;
};

void body_init(struct body *body, enum split_dialect dialect);

/* The next token, which is no blank. */
void body_feed(struct body *body, const struct token *t);

/* Would a ';' here belong to the statement? */
bool body_open(const struct body *body);

/* If the statement ended here: what it lacks (")", "END"), or NULL. */
const char *body_lacks(const struct body *body);

#endif
