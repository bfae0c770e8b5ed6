/* functions: the table of SQL functions. */
#ifndef FED_FUNCTIONS_H
#define FED_FUNCTIONS_H

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

#endif
