/*
 * dbfed.h: for C and C++ programs that link dbfed (pkg-config dbfed).
 *
 *     sqlite3_auto_extension((void (*)(void))sqlite3_dbfed_init);
 *     sqlite3_open("app.db", &db);
 *     fed_migrate_files(db, "app", app_files, 2);
 *     sqlite3_exec(db, "SELECT migrate_up('embedded=app')", 0, 0, &message);
 *
 * Everything else is SQL: SELECT * FROM fed_help.
 *
 * All functions return SQLITE_OK or another code of SQLite. They may be called
 * in whatever thread uses the connection, as SQLite's own: by one at a time,
 * unless SQLite was compiled to see to that.
 */
#ifndef DBFED_H
#define DBFED_H

#include <sqlite3.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

struct sqlite3_api_routines;

/*
 * Add dbfed to a connection: the entry point that .load and
 * sqlite3_load_extension() call with `api`. A program that links dbfed.so
 * leaves the call to sqlite3_auto_extension(), as above: SQLite then makes it
 * for each connection that is opened. Only one that has compiled dbfed's
 * sources into itself with -DSQLITE_CORE may call it with NULL for `api`; for
 * others that is SQLITE_MISUSE.
 *
 * Returns SQLITE_OK (or SQLITE_OK_LOAD_PERMANENTLY); on error *message is set,
 * and is for sqlite3_free(). Repeating it for the same connection is harmless.
 */
int sqlite3_dbfed_init(sqlite3 *db, char **message,
                       const struct sqlite3_api_routines *api);

/* ---- migrations in the program ----------------------------------------- */

/* A file of migrations. */
struct fed_migrate_file {
  const char *path; /* as it would be below a directory: "1_users.up.sql" */
  const char *sql;  /* its text, in UTF-8; NULL is an empty one */
  size_t size;      /* bytes of it; 0: it ends with a zero */
};

/*
 * Give `n` files a name, for the option 'embedded=NAME' of migrate_up() and
 * all the others on this connection. They are copied. Files that had the name
 * before are forgotten; `n` 0 does only that. They are gone when the
 * connection closes.
 *
 * SQLITE_MISUSE: no name, or one of 128 bytes or more; a path that no file
 * below a directory can have ("/x", "../x"); a text with a NUL byte in it;
 * dbfed was not added to any connection yet. SQLITE_BUSY: a statement runs on
 * this connection, and the name is in use. SQLITE_TOOBIG: more than 64 MB of a
 * file, 512 MB or 100,000 files. Whether the files make sense, migrate_up()
 * says.
 */
int fed_migrate_files(sqlite3 *db, const char *name,
                      const struct fed_migrate_file *files, int n);

/*
 * What a function is told. All of it is good until the function returns.
 * Later versions may have more members at the end.
 */
struct fed_migrate_call {
  sqlite3 *db;           /* the connection that migrate_up() was called on */
  const char *target;    /* "main", or the name of a database or server */
  const char *driver;    /* of the target: "sqlite", "pg", "mysql" */
  const char *version;   /* of the migration; "" if it is repeatable */
  const char *name;      /* of the migration */
  const char *direction; /* "up", "down", or "baseline" */
  void *internal;
};

/*
 * Let `-- migrate:call name` in a migration call `fn`, with `arg`. `name` is
 * of letters, digits and '_', and begins with no digit; case makes no
 * difference. A function of this name that was there before is forgotten, as
 * with `fn` NULL, which registers none. A function of SQL that has the name is
 * called only where there is no such one.
 *
 * `destroy`, if not NULL, is called once with `arg`: when the function is
 * forgotten, when the connection closes, or before this returns an error.
 *
 * SQLITE_MISUSE and SQLITE_BUSY: as of fed_migrate_files().
 *
 * The function is called in the thread of migrate_up(), in the order of the
 * file. SQLITE_OK means that it is done. Any other code stops the migration,
 * as a statement that fails does: its transaction is rolled back, and with it
 * what the function did by fed_migrate_exec(), and on target main also on
 * call->db. What it did elsewhere is its own affair. After
 * `-- migrate:no-transaction` the statements before it stay, and the next run
 * begins with this function again. The same holds if the process dies while
 * it runs; so what it does outside the target should bear being repeated.
 *
 * It must not close the connection, nor begin or end a transaction on
 * call->db where the target is main.
 */
int fed_migrate_function(sqlite3 *db, const char *name,
                         int (*fn)(void *arg, struct fed_migrate_call *call),
                         void *arg, void (*destroy)(void *arg));

/*
 * For a function: run statements on the migration's own session of the target,
 * in its transaction and in the target's dialect. Rows that they give are
 * thrown away.
 *
 * On error the message is kept, and shown if the function then returns an
 * error. If it returns SQLITE_OK, the error is forgotten; but a transaction of
 * PostgreSQL is lost by any error. SQLITE_ERROR also for what is refused here:
 * COMMIT, ROLLBACK and what else ends a transaction or cannot be in one; SET,
 * USE and PRAGMA; what commits by itself, as DDL on MySQL, unless the file says
 * `-- migrate:no-transaction`. Tables of SQLite are better rebuilt in the file,
 * where foreign keys are off meanwhile.
 */
int fed_migrate_exec(struct fed_migrate_call *call, const char *sql);

/*
 * For a function that is about to return an error: say why. The text is
 * copied, and is shown behind the file, the line and the function's name. It
 * takes the place of an error of fed_migrate_exec(). Without it the code's own
 * text is shown.
 */
void fed_migrate_error(struct fed_migrate_call *call, const char *message);

#ifdef __cplusplus
}
#endif

#endif
