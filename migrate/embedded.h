/*
 * embedded: migrations that are no files: rows of a table of the user's
 * connection, or an array that the program has registered (host.h).
 */
#ifndef FED_EMBEDDED_H
#define FED_EMBEDDED_H

#include "base/clock.h"
#include "migrate/source.h"

/* A list of files with their texts, all owned. All zero: an empty one. */
struct embedded {
  struct source_embedded *file;
  int n, room;
  size_t total; /* bytes of the texts */
};

/*
 * Add a copy of one file. A path must be one that a file below a directory
 * can have, a text must have no NUL; sizes are bounded as those of files.
 */
int embedded_add(struct embedded *list, const char *path, size_t path_size,
                 const char *text, size_t text_size, struct fed_err *err);
void embedded_release(struct embedded *list);

/*
 * Add a file for each row of a table or view ("m", "main.m", "temp.m"), read
 * by a statement of our own on `db`. Its columns: "path" or "name", and "sql"
 * or "text". While another connection locks the file, waits as `wait` says.
 */
int embedded_read(struct embedded *list, sqlite3 *db, const char *table,
                  const struct fed_wait *wait, struct fed_err *err);

#endif
