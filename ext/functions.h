/* functions: the table of SQL functions. */
#ifndef FED_FUNCTIONS_H
#define FED_FUNCTIONS_H

#include "vtab/status.h"
#include "vtab/vtab.h"

struct fed_function {
  const char *name;
  int narg; /* -1: any number */
  void (*call)(sqlite3_context *ctx, int argc, sqlite3_value **argv);
};

/* The client data of a registered function. */
struct fed_binding {
  struct fed_db *fdb;
  const struct fed_function *function;
};

/* Each ends with a NULL name. */
extern const struct fed_function fed_functions[];
extern const struct fed_help fed_function_help[];
extern const struct status_table fed_migrate_tables[];

/* ---- for the files with functions ---------------------------------------- */

struct fed_db *function_db(sqlite3_context *ctx);

/* Argument `i` as text that holds no NUL; NULL with an error set. */
const char *function_text(sqlite3_value **argv, int i, const char *what,
                          struct fed_err *err);

/* The arguments from `first` on as texts; *out is fed_free()d. */
int function_options(int argc, sqlite3_value **argv, int first,
                     const char ***out, struct fed_err *err);

/* ---- migrate.c ----------------------------------------------------------- */

void function_migrate_up(sqlite3_context *ctx, int argc, sqlite3_value **argv);
void function_migrate_down(sqlite3_context *ctx, int argc,
                           sqlite3_value **argv);
void function_migrate_to(sqlite3_context *ctx, int argc, sqlite3_value **argv);
void function_migrate_redo(sqlite3_context *ctx, int argc,
                           sqlite3_value **argv);
void function_migrate_baseline(sqlite3_context *ctx, int argc,
                               sqlite3_value **argv);
void function_migrate_repair(sqlite3_context *ctx, int argc,
                             sqlite3_value **argv);
void function_migrate_adopt(sqlite3_context *ctx, int argc,
                            sqlite3_value **argv);
void function_migrate_on_progress(sqlite3_context *ctx, int argc,
                                  sqlite3_value **argv);
void function_migrate_new(sqlite3_context *ctx, int argc, sqlite3_value **argv);
void function_migrate_force(sqlite3_context *ctx, int argc,
                            sqlite3_value **argv);
void function_migrate_require(sqlite3_context *ctx, int argc,
                              sqlite3_value **argv);
void function_migrate_dump(sqlite3_context *ctx, int argc,
                           sqlite3_value **argv);
void function_schema_snapshot(sqlite3_context *ctx, int argc,
                              sqlite3_value **argv);
void function_schema_verify(sqlite3_context *ctx, int argc,
                            sqlite3_value **argv);

#endif
