/*
 * source: migrations, read from a directory or from an array in the program.
 *
 * A directory is read as it is, in one of these layouts, recognised by the
 * names of its files and by the marker lines in them:
 *
 *     native          VERSION_name.up.sql, VERSION_name.down.sql; or one file,
 *                     as dbmate's; R__name.sql is run when it has changed
 *     golang-migrate  VERSION_name.up.sql, VERSION_name.down.sql only
 *     dbmate          VERSION_name.sql: `-- migrate:up`, `-- migrate:down`
 *     goose           VERSION_name.sql: `-- +goose Up`, `-- +goose Down`
 *     flyway          V1_2__name.sql, U1__name.sql (down), B1__name.sql
 *                     (baseline), R__name.sql, NAME.sql.conf; folders below
 *     sqlx            VERSION_name.sql (up), or .up.sql and .down.sql
 *     diesel          VERSION_name/up.sql, down.sql, metadata.toml
 *
 * In all of them NAME.pg.sql, NAME.pg.up.sql (or pg/NAME.sql in flyway's
 * folders) is for that dialect only, and wins there over the one for all. A
 * version that has files for other dialects only is not in the list. Before
 * .up.sql and .down.sql, `.autocommit` says as Ory's tool does that the file
 * is not run in a transaction: NAME.autocommit.up.sql,
 * NAME.pg.autocommit.up.sql.
 *
 * Marker lines begin at the start of a line; in native, golang-migrate, dbmate
 * and sqlx they are:
 *
 *     -- migrate:up [transaction:false]   -- migrate:down [transaction:false]
 *     -- migrate:no-transaction           of this direction; before the first
 *     -- migrate:variables                up or down: of both
 *     -- migrate:dialect pg,mysql         what follows is for these, until
 *                                         the next such line, up or down
 *     -- migrate:dialect all
 *     -- migrate:call name                this function is called here
 *
 * and `-- no-transaction` as the first line of the file (sqlx's).
 *
 * Left alone, silently: hidden files, editors' backups (name~, .bak, .orig,
 * .rej, .swp), files that are not .sql. A .sql file that no layout takes for
 * a migration becomes a note. A name that is nearly a migration's is an error.
 */
#ifndef FED_SOURCE_H
#define FED_SOURCE_H

#include "base/err.h"

#define SOURCE_FILE_MAX    (64u << 20)  /* bytes of one file */
#define SOURCE_TOTAL_MAX   (512u << 20) /* bytes of all files */
#define SOURCE_ENTRIES_MAX 100000       /* files and folders */
#define SOURCE_FOLDERS_MAX 1000         /* folders that are read */
#define SOURCE_VERSION_MAX 64           /* a version with its final zero */

/* The order of source_layouts. */
enum source_layout {
  SOURCE_AUTO,
  SOURCE_NATIVE,
  SOURCE_GOLANG,
  SOURCE_DBMATE,
  SOURCE_GOOSE,
  SOURCE_FLYWAY,
  SOURCE_SQLX,
  SOURCE_DIESEL,
};

/* "auto", "native", ...: the words of an option 'layout='; ends with NULL. */
extern const char *const source_layouts[];

enum source_kind { SOURCE_VERSIONED, SOURCE_REPEATABLE, SOURCE_BASELINE };

/*
 * A stretch of a file: SQL for the splitter, or one call. What is for other
 * dialects is overwritten by spaces in it, so lines and columns are the
 * file's.
 */
struct source_part {
  const char *text; /* the script's; no zero behind it */
  size_t size;
  int line;       /* of its first character, from 1 */
  bool whole;     /* goose's StatementBegin..End: sent as it stands */
  bool variables; /* ${name} is replaced */
  bool shell;     /* and $name, ${name-default}, ${name:-default}: goose's */
  char *call;     /* call this function of the host; then there is no text */
};

struct source_script {
  bool present; /* there is a file or section; it may hold no statement */
  char *path;   /* relative to the directory, fit to be shown */
  struct source_part *part;
  int npart;
  bool no_transaction;
  char *text; /* what the parts point into, if it is not the up script's */
};

struct source_file {
  char version[SOURCE_VERSION_MAX]; /* canonical; "" if repeatable */
  char *name;                       /* "create_users"; may be "" */
  enum source_kind kind;
  struct source_script up, down;
  char checksum[65]; /* SHA-256 in hex of the file with the up script, without
                        a BOM, with LF for CRLF and CR */
};

/* A file that is left out, and why. */
struct source_note {
  char *path;
  const char *why;
};

struct source {
  struct source_file *file; /* by version, a baseline before the versioned of
                               the same; then the repeatable ones by name */
  int nfile;
  struct source_note *note;
  int nnote;
  enum source_layout layout;
};

struct source_options {
  enum source_layout layout; /* SOURCE_AUTO: find out */
  bool skip_code; /* leave out, with a note, what only the tool itself can run:
                     goose's .go files, Flyway's .java files and callbacks */
};

/* A file of an embedded source: its path as it would be in a directory. */
struct source_embedded {
  const char *name;
  const char *text;
};

/*
 * Read the directory for one dialect ("pg", "mysql" or "sqlite"). `opt` may be
 * NULL. Gives a source, or NULL and an error that names the file, the line and
 * what to do. The same files give the same list in the same order.
 */
int source_load(struct source **out, const char *dir, const char *dialect,
                const struct source_options *opt, struct fed_err *err);

/* The same for `n` files of an array, which is not used afterwards. */
int source_load_embedded(struct source **out,
                         const struct source_embedded *list, int n,
                         const char *dialect, const struct source_options *opt,
                         struct fed_err *err);

void source_free(struct source *source);

/* Canonical versions as numbers: below 0, 0 or above 0. */
int source_version_cmp(const char *a, const char *b);

/*
 * What a user or a history table calls a version ("007", "1_2", "V3.0"), made
 * canonical: "7", "1.2", "3". Numbers without leading zeros, joined by '.',
 * without '.0' at the end, so that equal versions are equal texts. Otherwise
 * SQLITE_ERROR and what a version is.
 */
int source_version_parse(const char *text, char out[SOURCE_VERSION_MAX],
                         struct fed_err *err);

/*
 * diesel compares versions as texts. Make a canonical one of a date such that
 * numbers give that order: the date gets its time (20240131 becomes
 * 20240131000000), and a counter behind the time, from 0000, becomes .1, .2.
 */
void source_version_diesel(char version[SOURCE_VERSION_MAX]);

/*
 * Write the template of a new migration in the layout that the directory has
 * (SOURCE_AUTO, with no migrations there: native); make the directory if only
 * that is missing. Its version is the time in UTC (YYYYMMDDHHMMSS), or, in a
 * directory of small numbers, the next number; always above the newest. Gives
 * the paths, one a line; never writes over a file.
 */
int source_new(const char *dir, const char *name, enum source_layout layout,
               char **paths, struct fed_err *err);

#endif
