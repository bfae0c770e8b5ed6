/* probe_int.h: shared by the files of probe only; probe.h tells what it is. */
#ifndef FED_VTAB_PROBE_INT_H
#define FED_VTAB_PROBE_INT_H

#include "vtab/map.h"
#include "vtab/probe.h"

#define PROBE_KEYS 4 /* terms of which a hash is made; the rest are checked */

/* What was bound in one run, term by term, as bytes to compare. */
struct probe_image {
  char *bytes;
  size_t len, room;
  size_t *end; /* of each term */
};

struct probe {
  int64_t plan;                /* its id */
  int nterm;                   /* of it */
  struct probe_image image[2]; /* of this run and the last, in turns */
  bool *changes;               /* terms that have changed so far */
  struct fed_value *row;
  struct map rows;  /* see `whole` */
  struct map known; /* for those keys that were asked for */

  /* What is from here on begins as 0. */
  int64_t filters;
  bool stale;              /* see probe_forget() */
  int16_t key[PROBE_KEYS]; /* terms of `changes` that find rows by a hash, */
  int nkey;                /* the one with most values first */
  bool more;               /* others change, too */
  bool cut;                /* the last run was not read to its end */

  double spent;   /* on single and ahead */
  double least;   /* rows there are at least: an estimate was too low */
  bool whole;     /* `rows` has them all, by all keys; else by the first key */
  uint32_t fresh; /* entry of `rows` that the last list began with */
  bool counted;
  int64_t count;

  const struct scan *source; /* whose rows bring the keys; may be gone */
  int16_t column;            /* in which place of them */
  double coming;             /* about how many rows it has */
  int64_t looked;            /* rows that the keys learned were found in, */
  int64_t asked;             /* and runs that asked for one */
  int64_t batch;
  uint32_t list;  /* its `fresh`, if its rows came by a list, */
  store_pos next; /* and which of them was not looked at yet */
  int64_t rowid;  /* of a local table: the last row that was looked at */
  bool found;     /* the place there is known */
  int misses;     /* how often it was not where the keys come from */
};

/* ---- probe_key.c: values bound, and keys -------------------------------- */

#define PROBE_IMAGE_REST 4096 /* bytes to keep for the next scan */

/* Fill an image with what is bound now; without the terms of `changes`, about
 * which nothing is left to learn. */
int probe_image_make(struct probe_image *image, const struct bind *bind,
                     const bool *changes, struct fed_err *err);
/* Does term `i` differ? */
bool probe_image_differs(const struct probe_image *a,
                         const struct probe_image *b, int i);

const struct fed_column *probe_column(const struct scan *scan, int i);
/* Where the column of term `i` stands in a row. */
int probe_place(const struct scan *scan, int i);

/* Could a hash find the rows that equal a value of this column? */
bool probe_is_key(const struct fed_column *col);

/* How many of the keys the kept rows are found by. */
int probe_nhash(const struct probe *probe);

/* Numbers that are equal are made the same: 5.0 is 5. */
struct fed_value probe_canonical(const struct fed_value *value);
bool probe_same(const struct fed_value *a, const struct fed_value *b);

/* The keys that this run asks for: how many from the first on have one. */
int probe_key(const struct scan *scan, const struct probe *probe,
              struct fed_value key[PROBE_KEYS]);

/* The first key that a value of another scan's row will be, as it will be
 * bound; false if it will be none. */
bool probe_key_of(const struct scan *scan, const struct probe *probe,
                  const struct fed_value *from, struct fed_value *key);

/* The hash of a fetched row's keys, which are given. */
uint64_t probe_hash_row(const struct scan *scan, const struct probe *probe,
                        const struct fed_value *row,
                        struct fed_value key[PROBE_KEYS]);

/* The number, from 1, of a key that was asked for; else 0. */
uint32_t probe_knows(struct probe *probe, const struct fed_value *key);
int probe_learn(struct probe *probe, const struct fed_value *key,
                struct fed_err *err);

/* ---- probe_ahead.c ------------------------------------------------------ */

/*
 * Learn the keys that are surely to come, if it is known whence: the rows
 * behind the present one of another cursor.
 */
int probe_look_ahead(struct scan *scan, struct probe *probe,
                     const struct fed_value *key, struct fed_err *err);

/* ---- probe_local.c ------------------------------------------------------ */

/* Is there hope of it? */
bool probe_has_local(const struct scan *scan, const struct probe *probe);

/*
 * The same where the outer side is an ordinary table that SQLite reads from
 * its beginning to its end, as the statement's program shows.
 */
int probe_look_local(struct scan *scan, struct probe *probe,
                     const struct fed_value *key, int64_t n,
                     struct fed_err *err);

/* ---- probe.c ------------------------------------------------------------ */

/* Values in a row: one at least. */
int probe_ncol(const struct plan *plan);

#endif
