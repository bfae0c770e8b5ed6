/*
 * classify: what a statement is, by tables of patterns over its first words
 * (see split_like). Sources: PostgreSQL's manual, the notes of each command
 * ("cannot be executed inside a transaction block"); MySQL's manual,
 * "Statements That Cause an Implicit Commit", and MariaDB's "SQL Statements
 * That Cause an Implicit Commit"; SQLite's "PRAGMA Statements".
 */
#include "migrate/token.h"

const char token_mysql_commands[] =
  "charset|clear|connect|edit|ego|exit|go|help|nopager|notee|nowarning|pager|"
  "print|prompt|quit|rehash|resetconnection|source|status|sysprompt|system|"
  "tee|warnings";

/* ---- patterns ---------------------------------------------------------- */

/* One element of a pattern: what is between two blanks. */
struct like_element {
  char op; /* one of "?!~_*$", or 0 */
  const char *s, *end;
};

static const char *like_next(const char *p, struct like_element *out)
{
  out->op = *p && strchr("?!~_*$", *p) ? *p++ : 0;
  out->s = p;
  while (*p && *p != ' ')
    p++;
  out->end = p;
  return *p ? p + 1 : p;
}

/* The next token that is neither blank nor the frame of code; a parenthesis
 * with all that is in it is one value. False at the end. */
static bool like_read(struct token_reader *r, struct token *out)
{
  const char *from = NULL;
  int depth = 0;

  do {
    token_read(r, out);
    if (out->kind == TOKEN_END || out->kind == TOKEN_OPEN) return false;
    if (out->kind == TOKEN_BLANK || out->kind == TOKEN_CODE) continue;
    if (!from) from = out->s;
    if (token_is(out, "(", 1)) depth++;
    if (token_is(out, ")", 1)) depth--;
  } while (!from || depth > 0);
  if (from == out->s) return true;
  out->kind = TOKEN_VALUE;
  out->s = from;
  out->n = (size_t)(r->at - from);
  return true;
}

/* Does the word stand in the parenthesis? */
static bool like_holds(enum split_dialect dialect, const struct token *group,
                       const char *word, size_t n)
{
  struct token_reader r;
  struct token t;

  token_init(&r, dialect, group->s + 1, group->n - 1);
  while (like_read(&r, &t))
    if (token_is(&t, word, n)) return true;
  return false;
}

static bool like_word(enum split_dialect dialect, const struct token *t,
                      const char *word, size_t n)
{
  if (*word != '(') return token_is(t, word, n);
  if (t->kind != TOKEN_VALUE || *t->s != '(') return false;
  return n == 2 || like_holds(dialect, t, word + 1, n - 2);
}

/* Is the token one of the words? */
static bool like_one(enum split_dialect dialect, const struct token *t,
                     const struct like_element *e)
{
  for (const char *p = e->s, *to; p < e->end; p = to + 1) {
    to = memchr(p, '|', (size_t)(e->end - p));
    if (!to) to = e->end;
    if (like_word(dialect, t, p, (size_t)(to - p))) return true;
  }
  return false;
}

static bool like_none(struct token_reader *r, const struct like_element *e)
{
  struct token t;

  while (like_read(r, &t))
    if (like_one(r->dialect, &t, e)) return false;
  return true;
}

/* Match one element other than '*' and '~' at the reader, which moves. */
static bool like_match(struct token_reader *r, const struct like_element *e)
{
  struct token_reader before = *r;
  struct token t;
  bool found = like_read(r, &t);

  if (e->op == '$') return !found;
  if (found && e->op == '_') return true;
  if (found && like_one(r->dialect, &t, e)) return e->op != '!';
  if (found && e->op == '!') return true;
  *r = before;
  return e->op == '?';
}

bool split_like(enum split_dialect dialect, const char *sql, size_t size,
                const char *pattern)
{
  struct token_reader r, star;
  const char *again = NULL; /* behind the last '*', which took up to `star` */
  struct like_element e;
  struct token t;

  token_init(&r, dialect, sql, size);
  while (*pattern) {
    pattern = like_next(pattern, &e);
    if (e.op == '~') return like_none(&r, &e);
    if (e.op == '*') {
      again = pattern;
      star = r;
    } else if (!like_match(&r, &e)) {
      if (!again || !like_read(&star, &t)) return false;
      pattern = again;
      r = star;
    }
  }
  return true;
}

/* ---- the table --------------------------------------------------------- */

#define PG     (1 << SPLIT_PG)
#define MYSQL  (1 << SPLIT_MYSQL)
#define SQLITE (1 << SPLIT_SQLITE)
#define ALL    (PG | MYSQL | SQLITE)

#define NO_TX   SPLIT_NO_TRANSACTION
#define COMMITS SPLIT_IMPLICIT_COMMIT
#define TX      SPLIT_TRANSACTION
#define LOSES   SPLIT_DESTRUCTIVE
#define CLIENT  SPLIT_CLIENT

/* clang-format off */
static const struct {
  int dialects;
  unsigned traits;
  const char *pattern;
} like_table[] = {
  /* PostgreSQL: not in a transaction. What depends on the catalogue (CLUSTER
   * and REINDEX of a partitioned table) or on a routine's body is not seen. */
  {PG, NO_TX, "create ?unique index concurrently"},
  {PG, NO_TX, "drop index concurrently"},
  {PG, NO_TX, "reindex * concurrently|(concurrently)"},
  {PG, NO_TX, "reindex ?() schema|database|system"},
  {PG, NO_TX, "vacuum"},
  {PG, NO_TX, "cluster ?() ?verbose $"},
  {PG, NO_TX, "create|drop database|tablespace|subscription"},
  {PG, NO_TX, "alter subscription * refresh|publication"},
  {PG, NO_TX, "alter system"},
  {PG, NO_TX, "alter database * set tablespace"},
  {PG, NO_TX, "alter table * detach partition * concurrently"},
  {PG, NO_TX, "discard all"},
  /* SQLite: refused or without effect in a transaction. A pragma that only
   * asks does no harm, but wal_checkpoint acts without a value. */
  {SQLITE, NO_TX, "vacuum|attach|detach"},
  {SQLITE, NO_TX, "pragma * wal_checkpoint"},
  {SQLITE, NO_TX, "pragma * foreign_keys|journal_mode|synchronous|page_size|"
                  "auto_vacuum|encoding|temp_store|temp_store_directory =|()"},

  {PG | SQLITE, SPLIT_BEGIN, "begin"},
  {PG | MYSQL, SPLIT_BEGIN, "start transaction"},
  {MYSQL, SPLIT_BEGIN, "begin !not"},
  {MYSQL, SPLIT_BEGIN, "begin $"},
  {ALL, SPLIT_COMMIT, "commit ?work|transaction $"},
  {PG | SQLITE, SPLIT_COMMIT, "end ?work|transaction $"},
  {SQLITE, SPLIT_REBUILDS, "drop|alter table"},

  {PG | SQLITE, TX, "begin|commit|end"},
  {PG, TX, "start|prepare transaction"},
  {PG, TX, "abort"},
  {ALL, TX, "rollback ~to"},
  {MYSQL, TX, "commit|xa"},
  {MYSQL, TX | COMMITS, "begin !not"},
  {MYSQL, TX | COMMITS, "begin $"},
  {MYSQL, TX | COMMITS, "start transaction"},
  {MYSQL, TX | COMMITS, "set * autocommit =|:="},
  {MYSQL, TX | COMMITS, "lock|unlock table|tables"},

  {MYSQL, COMMITS, "alter|flush|grant|install|optimize|repair|revoke|truncate"},
  {MYSQL, COMMITS, "backup|uninstall"},
  {MYSQL, COMMITS, "analyze ?local|no_write_to_binlog table|tables"},
  {MYSQL, COMMITS, "cache index"},
  {MYSQL, COMMITS, "change master|replication"},
  {MYSQL, COMMITS, "check table|tables|view|views"},
  {MYSQL, COMMITS, "create !or|temporary"},
  {MYSQL, COMMITS, "create or replace !temporary"},
  {MYSQL, COMMITS, "create ?or ?replace temporary sequence"},
  {MYSQL, COMMITS, "drop !prepare|temporary"},
  {MYSQL, COMMITS, "import table"},
  {MYSQL, COMMITS, "load index"},
  {MYSQL, COMMITS, "rename table|tables|user"},
  {MYSQL, COMMITS, "reset !persist"},
  {MYSQL, COMMITS, "set password"},
  {MYSQL, COMMITS, "set default role"},
  {MYSQL, COMMITS, "set statement * for alter|analyze|create|drop|optimize|"
                   "rename|repair|truncate"},
  {MYSQL, COMMITS, "start|stop all|group_replication|replica|slave"},

  {ALL, LOSES, "drop database|schema|table|tables"},
  {PG, LOSES, "drop domain|owned|sequence|type"},
  {PG, LOSES, "drop * cascade"},
  {MYSQL, LOSES, "drop sequence|tablespace"},
  {PG | MYSQL, LOSES, "truncate"},
  {ALL, LOSES, "delete ~where"},
  {ALL, LOSES, "update ~where"},
  {ALL, LOSES, "with * delete ~where"},
  {PG, LOSES, "with * (delete)"},
  {PG, LOSES, "merge * delete"},
  {ALL, LOSES, "with * !do|for|key update * set ~where"},
  {PG, LOSES, "alter ?foreign table * drop !constraint|default|expression|"
              "identity|not"},
  {PG, LOSES, "alter ?foreign table * alter ?column _ ?set ?data type"},
  {PG, LOSES, "alter type * alter|drop attribute"},
  {SQLITE, LOSES, "alter table * drop !constraint|default|not"},
  {MYSQL, LOSES, "alter * table * drop !check|constraint|default|foreign|"
                 "index|key|primary"},
  {MYSQL, LOSES, "alter * table * change|modify"},
  {MYSQL, LOSES, "alter ?online ignore table"},
  {MYSQL, LOSES, "set statement * for drop|truncate"},
  {MYSQL, LOSES, "alter * table * convert to"},
  {MYSQL, LOSES, "alter * table * discard|truncate"},
  {MYSQL, LOSES, "create or replace database|schema|sequence|table"},

  {PG, CLIENT, "copy * from stdin"},
  {PG, CLIENT, "copy * to stdout"},
  {PG | MYSQL | SQLITE, CLIENT, "\\"},
  {MYSQL, CLIENT, token_mysql_commands},
  {MYSQL, CLIENT, "load data|xml ?concurrent|low_priority local"},
  {SQLITE, CLIENT, "."},
};
/* clang-format on */

/* Could the statement match? All patterns begin with words. */
static bool like_begins(enum split_dialect dialect, const struct token *first,
                        const char *pattern)
{
  struct like_element e;

  like_next(pattern, &e);
  return like_one(dialect, first, &e);
}

unsigned split_traits(enum split_dialect dialect, const struct split_stmt *stmt)
{
  struct token_reader r;
  struct token first;
  unsigned traits = 0;

  token_init(&r, dialect, stmt->sql, stmt->size);
  if (!like_read(&r, &first) || first.kind == TOKEN_VALUE) return 0;
  for (size_t i = 0; i < FED_LEN(like_table); i++)
    if ((like_table[i].dialects >> dialect & 1) &&
        like_begins(dialect, &first, like_table[i].pattern) &&
        split_like(dialect, stmt->sql, stmt->size, like_table[i].pattern))
      traits |= like_table[i].traits;
  return traits;
}
