#include "migrate/body.h"

enum body_word {
  WORD_NONE,  /* not a word */
  WORD_OTHER, /* any word that is not below */
  WORD_DOT,   /* the mark: what follows is a name */
  WORD_ALTER,
  WORD_AS,
  WORD_ATOMIC,
  WORD_BEGIN,
  WORD_CASE,
  WORD_CREATE,
  WORD_DECLARE,
  WORD_DO,
  WORD_ELSE,
  WORD_END,
  WORD_EVENT,
  WORD_EXPLAIN,
  WORD_FOR,
  WORD_HANDLER,
  WORD_IF,
  WORD_LOOP,
  WORD_NOT,
  WORD_OBJECT, /* what else MySQL creates */
  WORD_REPEAT,
  WORD_RETURNS,
  WORD_ROUTINE,
  WORD_ROW,
  WORD_SET,
  WORD_TEMP,
  WORD_THEN,
  WORD_TRIGGER,
  WORD_VERB, /* what else begins a statement of MySQL's */
  WORD_WHILE
};

/* In the order of the alphabet. */
#define BODY_WORD_MAX 10
static const struct {
  const char *name;
  enum body_word word;
} body_words[] = {
  {"algorithm",  WORD_OBJECT },
  {"alter",      WORD_ALTER  },
  {"analyze",    WORD_VERB   },
  {"as",         WORD_AS     },
  {"atomic",     WORD_ATOMIC },
  {"begin",      WORD_BEGIN  },
  {"call",       WORD_VERB   },
  {"case",       WORD_CASE   },
  {"create",     WORD_CREATE },
  {"database",   WORD_OBJECT },
  {"deallocate", WORD_VERB   },
  {"declare",    WORD_DECLARE},
  {"delete",     WORD_VERB   },
  {"do",         WORD_DO     },
  {"drop",       WORD_VERB   },
  {"else",       WORD_ELSE   },
  {"end",        WORD_END    },
  {"event",      WORD_EVENT  },
  {"execute",    WORD_VERB   },
  {"explain",    WORD_EXPLAIN},
  {"for",        WORD_FOR    },
  {"fulltext",   WORD_OBJECT },
  {"function",   WORD_ROUTINE},
  {"get",        WORD_VERB   },
  {"grant",      WORD_VERB   },
  {"handler",    WORD_HANDLER},
  {"if",         WORD_IF     },
  {"index",      WORD_OBJECT },
  {"insert",     WORD_VERB   },
  {"kill",       WORD_VERB   },
  {"loop",       WORD_LOOP   },
  {"not",        WORD_NOT    },
  {"prepare",    WORD_VERB   },
  {"procedure",  WORD_ROUTINE},
  {"repeat",     WORD_REPEAT },
  {"replace",    WORD_VERB   },
  {"resignal",   WORD_VERB   },
  {"return",     WORD_VERB   },
  {"returns",    WORD_RETURNS},
  {"role",       WORD_OBJECT },
  {"row",        WORD_ROW    },
  {"schema",     WORD_OBJECT },
  {"select",     WORD_VERB   },
  {"sequence",   WORD_OBJECT },
  {"server",     WORD_OBJECT },
  {"set",        WORD_SET    },
  {"show",       WORD_VERB   },
  {"signal",     WORD_VERB   },
  {"spatial",    WORD_OBJECT },
  {"table",      WORD_OBJECT },
  {"tablespace", WORD_OBJECT },
  {"temp",       WORD_TEMP   },
  {"temporary",  WORD_TEMP   },
  {"then",       WORD_THEN   },
  {"trigger",    WORD_TRIGGER},
  {"truncate",   WORD_VERB   },
  {"unique",     WORD_OBJECT },
  {"update",     WORD_VERB   },
  {"user",       WORD_OBJECT },
  {"view",       WORD_OBJECT },
  {"while",      WORD_WHILE  },
  {"with",       WORD_VERB   },
};

/* Below 0, 0 or above 0, as the word stands to a name of the table. */
static int body_compare(const struct token *t, const char *name)
{
  int order = sqlite3_strnicmp(t->s, name, (int)t->n);

  return order ? order : -(name[t->n] != 0);
}

static int body_find(const struct token *t)
{
  size_t from = 0, to = FED_LEN(body_words);

  if (t->n > BODY_WORD_MAX) return WORD_OTHER;
  while (from < to) {
    size_t mid = (from + to) / 2;
    int order = body_compare(t, body_words[mid].name);

    if (order == 0) return body_words[mid].word;
    if (order < 0)
      to = mid;
    else
      from = mid + 1;
  }
  return WORD_OTHER;
}

static int body_word(const struct body *b, const struct token *t)
{
  if (t->kind == TOKEN_MARK && *t->s == '.') return WORD_DOT;
  if (t->kind != TOKEN_WORD) return WORD_NONE;
  if (b->prev == WORD_DOT && b->dialect != SPLIT_SQLITE) return WORD_OTHER;
  return body_find(t);
}

void body_init(struct body *b, enum split_dialect dialect)
{
  memset(b, 0, sizeof *b);
  b->dialect = dialect;
  b->start = true;
}

static bool body_mark(const struct token *t, char c)
{
  return t->kind == TOKEN_MARK && t->n == 1 && *t->s == c;
}

/* What to name when its end is missing. */
static void body_opens(struct body *b, const struct token *t)
{
  if (b->depth || b->parens) return;
  b->opened = t->s;
  b->opened_size = t->n;
}

static void body_parens(struct body *b, const struct token *t)
{
  if (body_mark(t, '(')) {
    body_opens(b, t);
    b->parens++;
  } else if (body_mark(t, ')') && b->parens) {
    b->parens--;
  }
}

/* ---- PostgreSQL -------------------------------------------------------- */

/* Inside BEGIN ATOMIC only CASE has an END too. Behind AS both are names, as
 * body_word() makes them behind a dot. */
static void body_pg(struct body *b, const struct token *t, int word)
{
  body_parens(b, t);
  if (b->depth == 0) {
    if (b->first != WORD_CREATE || b->prev != WORD_BEGIN ||
        word != WORD_ATOMIC || b->parens)
      return;
    body_opens(b, t);
    b->depth = 1;
  } else if (b->prev != WORD_AS) {
    b->depth += (word == WORD_CASE) - (word == WORD_END);
  }
}

/* ---- SQLite ------------------------------------------------------------ */

static enum body_phase body_sqlite_next(enum body_phase phase, int word,
                                        bool semicolon)
{
  switch (phase) {
  case BODY_START:
    if (word == WORD_EXPLAIN) return BODY_EXPLAIN;
    return word == WORD_CREATE ? BODY_CREATE : BODY_PLAIN;
  case BODY_EXPLAIN: /* perhaps QUERY PLAN */
    if (word == WORD_CREATE) return BODY_CREATE;
    return word == WORD_EXPLAIN || word == WORD_TEMP || word == WORD_TRIGGER ||
               word == WORD_END
             ? BODY_PLAIN
             : BODY_EXPLAIN;
  case BODY_CREATE:
    if (word == WORD_TEMP) return BODY_CREATE;
    return word == WORD_TRIGGER ? BODY_INSIDE : BODY_PLAIN;
  case BODY_INSIDE:
    return semicolon ? BODY_SEMICOLON : BODY_INSIDE;
  case BODY_SEMICOLON:
    if (semicolon) return BODY_SEMICOLON;
    return word == WORD_END ? BODY_END : BODY_INSIDE;
  case BODY_END:
    return BODY_INSIDE;
  case BODY_PLAIN:
    break;
  }
  return BODY_PLAIN;
}

static void body_sqlite(struct body *b, const struct token *t, int word)
{
  enum body_phase phase = body_sqlite_next(b->phase, word, body_mark(t, ';'));

  if (b->phase == BODY_CREATE && phase == BODY_INSIDE) body_opens(b, t);
  b->phase = phase;
}

/* ---- MySQL ------------------------------------------------------------- */

static bool body_in_case(const struct body *b)
{
  return b->depth && (b->cases >> (b->depth - 1) & 1);
}

static void body_push(struct body *b, const struct token *t, bool expression)
{
  uint64_t bit;

  body_opens(b, t);
  if (b->depth == BODY_DEPTH_MAX) {
    b->too_deep = true;
    return;
  }
  bit = UINT64_C(1) << b->depth++;
  b->cases = expression ? b->cases | bit : b->cases & ~bit;
}

/* A block at `t`, behind which a statement may begin or an expression. */
static void body_block(struct body *b, const struct token *t, bool start)
{
  body_push(b, t, false);
  b->start = start;
  b->head = false;
  b->begun = true;
}

/* Decides what is created by the first word that tells. */
static void body_decide(struct body *b, int word)
{
  if (b->first != WORD_CREATE && b->first != WORD_ALTER)
    b->object = BODY_OTHER;
  else if (word == WORD_ROUTINE)
    b->object = BODY_ROUTINE;
  else if (word == WORD_TRIGGER)
    b->object = BODY_TRIGGER;
  else if (word == WORD_EVENT)
    b->object = BODY_EVENT;
  else if (word == WORD_OBJECT || word == WORD_TEMP)
    b->object = BODY_OTHER;
}

/* Does a body come next? In a routine it may follow any parenthesis from the
 * parameters' on. */
static bool body_heads(const struct body *b, const struct token *t, int word)
{
  if (word == WORD_HANDLER) return b->depth && b->inner == WORD_DECLARE;
  if (b->depth || b->begun) return false;
  return (b->object == BODY_TRIGGER && word == WORD_ROW) ||
         (b->object == BODY_EVENT && word == WORD_DO) ||
         (b->object == BODY_ROUTINE && b->parens == 0 && body_mark(t, ')'));
}

/* MariaDB's compound statement outside of any routine. */
static bool body_not_atomic(const struct body *b, int word)
{
  return b->tokens == 2 && b->before == WORD_BEGIN && b->prev == WORD_NOT &&
         word == WORD_ATOMIC;
}

/* Words that open a block where a statement may begin. */
static bool body_block_word(struct body *b, const struct token *t, int word)
{
  if (!b->start && !(b->head && b->parens == 0)) return false;
  if (word == WORD_BEGIN) {
    if (b->depth == 0 && !b->head) return false; /* a transaction */
    body_block(b, t, true);
  } else if (word == WORD_LOOP || word == WORD_REPEAT) {
    body_block(b, t, true);
  } else if (word == WORD_IF || word == WORD_CASE || word == WORD_WHILE ||
             (word == WORD_FOR && b->prev != WORD_HANDLER)) {
    body_block(b, t, false);
  } else {
    return false;
  }
  return true;
}

static void body_mysql_end(struct body *b)
{
  b->ended = b->depth && (b->start || body_in_case(b));
  if (b->ended) b->depth--;
  b->start = false;
}

/* END IF, END LOOP...: no block. UNTIL x END REPEAT is the one END that stands
 * behind an expression. */
static bool body_end_word(struct body *b, int word)
{
  if (b->prev != WORD_END) return false;
  if (word == WORD_REPEAT && !b->ended && b->depth) b->depth--;
  return word == WORD_IF || word == WORD_CASE || word == WORD_LOOP ||
         word == WORD_REPEAT || word == WORD_WHILE || word == WORD_FOR;
}

/* Words inside a body that are not the first of a block. */
static void body_inner_word(struct body *b, const struct token *t, int word)
{
  bool was = b->start;

  b->start = false;
  if (word == WORD_CASE && b->depth)
    body_push(b, t, true);
  else if (word == WORD_THEN || word == WORD_ELSE)
    b->start = b->depth && !body_in_case(b);
  else if (word == WORD_DO && !was)
    b->start = b->depth > 0; /* of WHILE and FOR */
  else if (was)
    b->inner = word;
}

/* The verb of a body that is one statement, or the handler's: IF is a function
 * from here on. RETURNS SET('a') is a type. */
static void body_verb(struct body *b, int word)
{
  if (!b->head || (word == WORD_SET && b->prev == WORD_RETURNS)) return;
  if (word != WORD_VERB && word != WORD_SET && word != WORD_DO &&
      word != WORD_CREATE && word != WORD_ALTER)
    return;
  b->head = false;
  b->begun = true;
}

static void body_mysql_word(struct body *b, const struct token *t, int word)
{
  if (b->object == BODY_UNDECIDED) body_decide(b, word);
  body_verb(b, word);
  if (body_not_atomic(b, word))
    body_block(b, t, true);
  else if (word == WORD_END)
    body_mysql_end(b);
  else if (!body_end_word(b, word) && !body_block_word(b, t, word))
    body_inner_word(b, t, word);
}

static void body_mysql(struct body *b, const struct token *t, int word)
{
  body_parens(b, t);
  if (word > WORD_DOT)
    body_mysql_word(b, t, word);
  else if (body_mark(t, ';') || body_mark(t, ':'))
    b->start = b->depth > 0; /* behind a label too */
  else
    b->start = false;
  if (body_mark(t, ';')) b->parens = b->head = 0;
  if (body_heads(b, t, word)) b->head = true;
}

/* ---- all --------------------------------------------------------------- */

void body_feed(struct body *b, const struct token *t)
{
  int word = body_word(b, t);

  if (b->tokens == 0) b->first = word;
  if (b->dialect == SPLIT_PG)
    body_pg(b, t, word);
  else if (b->dialect == SPLIT_MYSQL && t->kind != TOKEN_CODE)
    body_mysql(b, t, word);
  else if (b->dialect == SPLIT_SQLITE)
    body_sqlite(b, t, word);
  if (t->kind == TOKEN_CODE) return;
  b->before = b->prev;
  b->prev = word;
  b->tokens++;
}

bool body_open(const struct body *b)
{
  switch (b->dialect) {
  case SPLIT_PG:
    return b->depth || b->parens;
  case SPLIT_MYSQL:
    return b->depth > 0;
  case SPLIT_SQLITE:
    return b->phase == BODY_INSIDE || b->phase == BODY_SEMICOLON;
  }
  return false;
}

const char *body_lacks(const struct body *b)
{
  if (!body_open(b)) return NULL;
  return b->dialect == SPLIT_PG && b->depth == 0 ? ")" : "END";
}
