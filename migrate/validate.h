/*
 * validate: is a database what a program expects? Its schema against a file,
 * its migrations against theirs.
 */
#ifndef FED_VALIDATE_H
#define FED_VALIDATE_H

#include "migrate/migrate.h"
#include "migrate/schema.h"

struct validate_opts {
  char *file;
  char *schema;
};
extern const struct fed_opt validate_options[];
extern const int validate_noptions;

/*
 * The functions below take one target, NULL for main, and `n` options, and
 * append to `out` what they return.
 */

/* The live schema as text; into the file, if one is given. */
int validate_snapshot(const struct migrate_host *host, const char *target,
                      const char *const *args, int n, struct fed_str *out,
                      struct fed_err *err);

/* Calls `fn` for each difference from the file. */
int validate_differences(const struct migrate_host *host, const char *target,
                         const char *const *args, int n,
                         schema_difference_fn *fn, void *arg,
                         struct fed_err *err);

/* The statements that make the schema and the history; or into the file. */
int validate_dump(const struct migrate_host *host, const char *target,
                  const char *const *args, int n, struct fed_str *out,
                  struct fed_err *err);

/* SQLITE_MISMATCH, and the first of them, if there is one. */
int validate_verify(const struct migrate_host *host, const char *target,
                    const char *const *args, int n, struct fed_str *out,
                    struct fed_err *err);

/* For a program's start: are the migrations of the targets all applied? */
int validate_require(const struct migrate_host *host, const char *targets,
                     const char *const *args, int n, struct fed_str *out,
                     struct fed_err *err);

/* ---- file.c -------------------------------------------------------------- */

/* Write a file so that there is either the old one or the whole new one. */
int validate_file_write(const char *path, const struct fed_str *text,
                        struct fed_err *err);
int validate_file_read(const char *path, struct fed_str *out,
                       struct fed_err *err);

#endif
