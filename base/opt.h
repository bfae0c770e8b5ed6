/*
 * opt: tables of options. What stands behind the positional arguments of an
 * SQL function, or in a section of the config file, is an option: 'key=value'
 * or a bare flag. One row of a table describes one option; parsing, the
 * error that lists the legal names, fed_help and the docs check follow from
 * it.
 *
 *     static const struct fed_opt table[] = {
 *         {.name = "pool_max", .type = FED_OPT_INT,
 *          .offset = offsetof(struct pool_opts, max),
 *          .min = 1, .max = 1000, .dflt = 8, .help = "..."},
 *     };
 *
 * What the member at `offset` must be:
 *
 *     FED_OPT_FLAG  bool      'replace', 'replace=yes|no|on|off|true|false|1|0'
 *     FED_OPT_INT   int64_t   min..max
 *     FED_OPT_MS    int64_t   milliseconds: 250ms 30s 5m 1h; 0 needs no unit
 *     FED_OPT_SIZE  int64_t   bytes: 64kB 16MB 1GB (1024); 0 needs no unit
 *     FED_OPT_TEXT  char *    owned by the target, NULL while not given
 *     FED_OPT_WORD  int       index into `words`
 */
#ifndef FED_OPT_H
#define FED_OPT_H

#include "base/str.h"

enum fed_opt_type {
  FED_OPT_FLAG,
  FED_OPT_INT,
  FED_OPT_MS,
  FED_OPT_SIZE,
  FED_OPT_TEXT,
  FED_OPT_WORD,
};

struct fed_opt {
  const char *name;
  enum fed_opt_type type;
  size_t offset;            /* of the member in the target struct */
  int64_t min, max;         /* INT, MS, SIZE: inclusive; TEXT: max bytes or 0 */
  int64_t dflt;             /* WORD: an index; TEXT is always NULL */
  const char *const *words; /* WORD: the legal ones, ends with NULL */
  const char *help;         /* one line */
};

/* Set every option of the table in `target` to its default. */
void fed_opt_defaults(const struct fed_opt *table, int n, void *target);

/* Free the TEXT members. Harmless when repeated. */
void fed_opt_release(const struct fed_opt *table, int n, void *target);

/*
 * True if a function argument is an option rather than a positional one: it
 * holds '=', or is the name of a FLAG of the table.
 */
bool fed_opt_is(const struct fed_opt *table, int n, const char *arg);

/*
 * Parse 'key=value' or a bare flag into `target`. An option that the table
 * does not have is an error if `known` is NULL (see fed_opt_unknown), else
 * SQLITE_OK with *known = false. Errors show the name and, as the table
 * holds no secrets, the value; never the text of something unknown that does
 * not look like a name.
 */
int fed_opt_parse(const struct fed_opt *table, int n, void *target,
                  const char *arg, bool *known, struct fed_err *err);

/* The same when name and value are apart. A NULL value is a bare flag. */
int fed_opt_set(const struct fed_opt *table, int n, void *target,
                const char *name, const char *value, bool *known,
                struct fed_err *err);

/*
 * Record "unknown option 'pool_mx' <of>; did you mean 'pool_max'? options:
 * pool_max, ...". `of` is "for server 'shop'", or "". Returns SQLITE_ERROR.
 */
int fed_opt_unknown(const struct fed_opt *table, int n, const char *arg,
                    const char *of, struct fed_err *err);

/*
 * Split 'key=value' in place of the caller: copies the key (cut to `size`)
 * and returns the value within `arg`, or NULL for a bare word. A key that is
 * not a name ([A-Za-z_][A-Za-z0-9_.-]*) comes back as "".
 */
const char *fed_opt_split(const char *arg, char *key, size_t size);

/* Append " name=value" for each option that differs from its default. */
void fed_opt_show(const struct fed_opt *table, int n, const void *target,
                  struct fed_str *out);

/* Append one value as it is written: "30s", "16MB", "true". */
void fed_opt_value(const struct fed_opt *opt, const void *target,
                   struct fed_str *out);

/* Append what a value must look like: "1 to 1000", "a duration ...". */
void fed_opt_domain(const struct fed_opt *opt, struct fed_str *out);

bool fed_opt_equal(const struct fed_opt *table, int n, const void *a,
                   const void *b);

/*
 * The name among `names` (ends with NULL) that `word` probably meant: the
 * nearest one within two edits, regardless of case; NULL when none is near.
 */
const char *fed_opt_nearest(const char *word, const char *const *names);

#endif
