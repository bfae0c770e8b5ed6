/*
 * split: a migration script as single statements, and what each of them is.
 *
 * The rules are those of the client that would otherwise be fed the script;
 * where that errs about what its server accepts, the server's: psql forgets
 * the backslashes of E'' on the next line, and takes a column "begin" in a
 * BEGIN ATOMIC body for a block.
 *
 *   PostgreSQL  psql: strings (E'' with backslashes, continued over lines),
 *               $tag$ quotes, nested comments; a ';' inside parentheses or
 *               inside BEGIN ATOMIC ... END does not end a statement.
 *               standard_conforming_strings is taken to be on.
 *               (manual, "Lexical Structure"; behaviour of psql -f)
 *   MySQL       mysql: backslashes in '' and "", '#' and '-- ' comments, code
 *               in version comments, lines with DELIMITER, \g and \G. As long
 *               as the delimiter is ';', the bodies of procedures, functions,
 *               triggers and events (and MariaDB's BEGIN NOT ATOMIC) hold
 *               together without any DELIMITER, for scripts made for programs
 *               that send the whole file. sql_mode=ORACLE, ANSI_QUOTES and
 *               NO_BACKSLASH_ESCAPES are not known here.
 *   SQLite      sqlite3_complete(): a trigger ends at ";END;".
 *
 * What only a client understands is a statement of its own with SPLIT_CLIENT:
 * psql's backslash commands, mysql's SOURCE and so on, the shell's dot
 * commands; each takes the rest of its line. Only DELIMITER is carried out,
 * and COPY ... FROM STDIN gets its lines of data.
 *
 * A NUL byte or what is not UTF-8 is an error; a byte order mark, CRLF, and a
 * last statement without a delimiter are fine. Nothing is allocated; the time
 * is linear in the size of the text.
 */
#ifndef FED_SPLIT_H
#define FED_SPLIT_H

#include "base/err.h"

enum split_dialect { SPLIT_PG, SPLIT_MYSQL, SPLIT_SQLITE };

/* What a statement is: flags. A statement may have several or none. */
enum split_trait {
  /* Cannot run inside a transaction, or does nothing there. (PostgreSQL's
   * ALTER TYPE ... ADD VALUE can since version 12, so it is not among them:
   * only the value cannot be used before the commit.) */
  SPLIT_NO_TRANSACTION = 1,
  /* MySQL commits the transaction before it. */
  SPLIT_IMPLICIT_COMMIT = 2,
  /* Begins or ends a transaction or takes table locks. SAVEPOINT, RELEASE and
   * ROLLBACK TO stay inside one and are not meant. */
  SPLIT_TRANSACTION = 4,
  /* May lose data: DROP of what holds some, TRUNCATE, DELETE or UPDATE of all
   * rows, a column's other type. A RENAME loses none. Bodies of routines are
   * not looked into. */
  SPLIT_DESTRUCTIVE = 8,
  /* Only a client could carry it out; a server would refuse it. */
  SPLIT_CLIENT = 16,
  /* With SPLIT_TRANSACTION: the plain ends of one. */
  SPLIT_BEGIN = 32,
  SPLIT_COMMIT = 64,
  /* Drops or alters a table of SQLite. */
  SPLIT_REBUILDS = 128
};

/* Longest delimiter, as in the mysql client. */
#define SPLIT_DELIMITER_MAX 15

struct split {
  enum split_dialect dialect;
  const char *text, *end; /* borrowed */
  const char *at;         /* behind the last statement and its delimiter */
  const char *delimiter;  /* in the text, or ";" */
  size_t delimiter_size;
  bool checked; /* the text is UTF-8 without NUL */
  /* Line and column, from 1 and in characters, of the character at `here`. */
  const char *here;
  int line, column;
};

struct split_stmt {
  const char *sql; /* in the text; begins and ends with a token */
  size_t size;
  int line, column; /* of its first character */
  unsigned traits;  /* enum split_trait */
  const char
    *data; /* of COPY ... FROM STDIN: the lines up to "\.", else NULL */
  size_t data_size;
};

/* `line` is the number of the text's first line. The text is borrowed. */
void split_init(struct split *s, enum split_dialect dialect, const char *text,
                size_t size, int line);

/*
 * The next statement: SQLITE_ROW, SQLITE_DONE, or SQLITE_ERROR: a quote,
 * comment, parenthesis or body without its end, a bad DELIMITER, a NUL byte,
 * bytes that are not UTF-8. Then the message says what is wrong, and
 * out->line, out->column where it began; the rest of the text is skipped.
 */
int split_next(struct split *s, struct split_stmt *out, struct fed_err *err);

/* The flags of one statement; split_next has set them in stmt->traits. */
unsigned split_traits(enum split_dialect dialect,
                      const struct split_stmt *stmt);

/*
 * Does a statement begin as `pattern` says? Its elements, one blank between:
 *
 *     a|b   one of these words or marks, any case; "()" is a parenthesis with
 *           all that is in it, "(word)" one in which that word stands
 *     ?a|b  the same, or nothing        !a|b  one token, none of these
 *     _     one token                   *     any number of tokens
 *     $     the end                     ~a|b  none of these in all the rest
 *
 * Comments are no tokens, a parenthesis is one, words in quotes match `_`.
 */
bool split_like(enum split_dialect dialect, const char *sql, size_t size,
                const char *pattern);

#endif
