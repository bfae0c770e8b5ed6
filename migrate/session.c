/*
 * session: what the statements of a script leave in their session for others.
 * A script that goes on in another session has lost it: SET is carried out
 * again, but the value of a variable may come from what is done only once.
 */
#include "migrate/script.h"
#include "migrate/token.h"

/* The tokens of a statement, with the one before. */
struct session_walk {
  struct token_reader r;
  struct token at, before;
  bool into;  /* behind INTO */
  bool twice; /* "@@" before it: a setting of the server */
};

static void session_init(struct session_walk *w, enum split_dialect dialect,
                         const struct script_step *step)
{
  memset(w, 0, sizeof *w);
  token_init(&w->r, dialect, step->stmt.sql, step->stmt.size);
}

static bool session_word(const struct token *t, const char *word)
{
  return token_is(t, word, strlen(word));
}

static bool session_next(struct session_walk *w)
{
  struct token t;

  do
    token_read(&w->r, &t);
  while (t.kind == TOKEN_BLANK || t.kind == TOKEN_CODE);
  w->twice = session_word(&w->before, "@") && session_word(&w->at, "@");
  w->before = w->at;
  w->at = t;
  if (t.kind == TOKEN_WORD && !session_word(&w->before, "@"))
    w->into = session_word(&t, "into");
  return t.kind != TOKEN_END && t.kind != TOKEN_OPEN;
}

/* The id that an INSERT made is as good as a variable. */
static bool session_is_id(const struct token *t)
{
  return session_word(t, "last_insert_id") ||
         session_word(t, "last_insert_rowid");
}

static bool session_is_variable(const struct session_walk *w)
{
  return session_word(&w->before, "@") && !w->twice &&
         (w->at.kind == TOKEN_WORD || w->at.kind == TOKEN_VALUE);
}

/* Is the variable at hand given a value? SET @a = 1, @b := 2; INTO @c. */
static bool session_is_set(const struct session_walk *w, bool sets)
{
  struct session_walk ahead = *w;

  session_next(&ahead);
  return w->into || session_word(&ahead.at, ":=") ||
         (sets && session_word(&ahead.at, "="));
}

static bool session_same(const struct token *a, const struct token *b)
{
  return a->n == b->n && !sqlite3_strnicmp(a->s, b->s, (int)a->n);
}

static bool session_gives(const struct script_step *step,
                          enum split_dialect dialect, const struct token *name)
{
  bool sets = split_like(dialect, step->stmt.sql, step->stmt.size, "set");
  struct session_walk w;

  if (session_is_id(name))
    return split_like(dialect, step->stmt.sql, step->stmt.size,
                      "insert|replace");
  session_init(&w, dialect, step);
  while (session_next(&w))
    if (session_is_variable(&w) && session_same(&w.at, name) &&
        session_is_set(&w, sets))
      return true;
  return false;
}

/* Does it give the same again? */
static bool session_again(const struct script_step *step,
                          enum split_dialect dialect)
{
  static const char *const once[] = {
    "select", "last_insert_id", "row_count", "found_rows",
    "uuid",   "rand",           "now"};
  struct session_walk w;

  session_init(&w, dialect, step);
  while (session_next(&w))
    for (size_t i = 0; i < FED_LEN(once); i++)
      if (session_word(&w.at, once[i])) return false;
  return step->sets;
}

/* Who has given the value that is used in statement `at`, or -1. */
static int session_giver(const struct script *script,
                         enum split_dialect dialect, int at,
                         const struct token *name)
{
  while (--at >= 0)
    if (!script->step[at].call &&
        session_gives(&script->step[at], dialect, name))
      break;
  return at;
}

static int session_lost(const struct script *script, int at, int giver,
                        const struct token *name, struct fed_err *err)
{
  const struct split_stmt *stmt = &script->step[at].stmt;

  return fed_err_set(
    err, SQLITE_ERROR,
    "%s:%d:%d: '%.*s' comes from line %d, in a session that is gone: write its "
    "value here, or do the rest by hand, and say so by migrate_force()",
    script->path, stmt->line, stmt->column, (int)name->n, name->s,
    script->step[giver].stmt.line);
}

int session_check(const struct script *script, enum split_dialect dialect,
                  int from, struct fed_err *err)
{
  for (int i = from; i < script->n; i++) {
    const struct script_step *step = &script->step[i];
    bool sets = split_like(dialect, step->stmt.sql, step->stmt.size, "set");
    struct session_walk w;

    /* Bodies of routines have their own. */
    if (step->call ||
        split_like(dialect, step->stmt.sql, step->stmt.size, "create|alter"))
      continue;
    session_init(&w, dialect, step);
    while (session_next(&w)) {
      int giver;

      if (!session_is_id(&w.at) &&
          (!session_is_variable(&w) || session_is_set(&w, sets)))
        continue;
      giver = session_giver(script, dialect, i, &w.at);
      if (giver >= 0 && giver < from &&
          !session_again(&script->step[giver], dialect))
        return session_lost(script, i, giver, &w.at, err);
    }
  }
  return SQLITE_OK;
}
