/*
 * pg.h: what the files of the PostgreSQL driver share.
 *
 *   pg.c          the driver: parameters, connection, transaction verbs
 *   pg_open.c     connecting
 *   pg_wire.c     sending, waiting, collecting results, cancelling
 *   pg_error.c    what went wrong
 *   pg_stmt.c     statements: prepare, execute, step
 *   pg_bind.c     their arguments
 *   pg_write.c    those that write, and the guard before them
 *   pg_load.c     loading rows, by COPY
 *   pg_encode.c   struct fed_value -> a field of that,
 *   pg_encode_text.c  where a text has to be read for it
 *   pg_copy.c     those that fetch in bulk, by COPY
 *   pg_decode.c   bytes of the wire -> struct fed_value
 *   pg_numeric.c  the same for numeric
 *   pg_catalog.c  what tables and columns there are
 *
 * libpq is used only through its asynchronous calls, so that every wait obeys
 * a struct fed_wait. One thing inside libpq can still block: the look-up of a
 * host name (give hostaddr= to avoid it).
 */
#ifndef FED_PG_H
#define FED_PG_H

#include <endian.h>
#include <libpq-fe.h>
#include <stdatomic.h>

#include "drv/drv.h"

/* How long the clean-up after a failed or interrupted call may take. */
#define FED_PG_CLEANUP_MS 5000

struct fed_pg_stmt;

/* What cancelling needs; it lives on while a cancel is under way. */
struct fed_pg_key {
  atomic_int refs;
  PGcancel *cancel;
};

/*
 *            execute            step          step: no more rows
 *   idle ------------> running -------> running ----------------> idle
 *
 * `active` is the statement that runs. A statement reset before its last row
 * leaves `leftover`: rows still under way inside a transaction, where a cancel
 * would kill the transaction (traps 5). The next call reads them, unless it is
 * one that undoes the transaction anyway: then they are cancelled.
 *
 * Where that was asked for (`guard`), reads stand behind a savepoint set once
 * for all of them: as they change nothing, going back to it undoes nothing. So
 * they may be cancelled, and fail; the next call goes back. It is always the
 * innermost savepoint: what writes, and what sets or ends another savepoint,
 * releases it first, and the next read sets it anew.
 */
enum fed_pg_guarded {
  FED_PG_OPEN,  /* no such savepoint */
  FED_PG_READS, /* and nothing can be written under it */
  FED_PG_LOCKS, /* rows can be locked, which is a kind of writing */
};

struct fed_pg_conn {
  struct fed_conn base; /* first */
  PGconn *link;
  struct fed_pg_key *key; /* fixed after open, for any thread */
  atomic_bool cancelled;  /* cancel() was called from outside */
  struct fed_pg_stmt *active;
  bool leftover;
  bool copying;   /* what runs, or is left over, is a COPY of ours */
  bool in_tx;     /* `active` was started inside a transaction */
  bool read_only; /* the open transaction cannot write */
  bool guard;     /* its reads are to be guarded, see fed_begin.guard */
  enum fed_pg_guarded guarded,
    coming;  /* the savepoint; when `verbs` are done */
  int verbs; /* savepoint's verbs ahead of what was executed, not yet seen */
  struct fed_pg_load *load; /* the load that is open, else NULL */
  bool plain;               /* fed_dsn.plain */
  bool set_session;         /* settings do not come with the start-up packet */
  int syncs;                /* pipeline synchronisation points not yet seen */
  unsigned serial;          /* number of the newest prepared statement */
  unsigned generation;      /* counts DISCARD ALL, which drops statements */
  struct fed_awake awake;   /* for the first result of what is executed */
  unsigned *gone;           /* statements to deallocate with the next prepare */
  int ngone, gone_room;
};

static inline struct fed_pg_conn *fed_pg_of(struct fed_conn *conn)
{
  return (struct fed_pg_conn *)conn;
}

/* ---- pg_wire.c --------------------------------------------------------- */

#define FED_PG_GUARD "SAVEPOINT fed_guard"
#define FED_PG_QUIET "SET TRANSACTION READ ONLY"

/* How a command ended. */
struct fed_pg_done {
  bool ended;      /* the connection is ready for the next command */
  bool keep;       /* set before: keep the last COMMAND_OK result */
  int nth;         /* set before, above 0: keep that of the nth command */
  PGresult *last;  /* that result, the caller's */
  int64_t changes; /* rows that the last command inserted, changed, ... */
  int count;       /* commands that have succeeded */
  char tag[64];    /* "INSERT 0 1" */
};

/* Gets each row; an error stops the calls, the rest is still read. */
typedef int fed_pg_row_fn(void *ctx, PGresult *row, struct fed_err *err);

/*
 * Make sure that a command can be sent: not broken, nothing running, nothing
 * left over. `undo`: the next command undoes the transaction, so rows left
 * over may be cancelled.
 */
int fed_pg_ready(struct fed_pg_conn *pg, bool undo, const struct fed_wait *wait,
                 struct fed_err *err);

/* Push all of the command out. A half-sent one breaks the connection. */
int fed_pg_flush(struct fed_pg_conn *pg, const struct fed_wait *wait,
                 struct fed_err *err);

/* The next result, the caller's to clear; NULL at the end of a command. */
int fed_pg_next(struct fed_pg_conn *pg, const struct fed_wait *wait,
                PGresult **out, struct fed_err *err);

/*
 * Push the command out and read its results to their end, giving rows to
 * `row` (may be NULL). When the wait ends first the command is cancelled; a
 * command that had succeeded before the cancel arrived counts as a success.
 */
int fed_pg_finish(struct fed_pg_conn *pg, const struct fed_wait *wait,
                  fed_pg_row_fn *row, void *ctx, struct fed_pg_done *done,
                  struct fed_err *err);

/* Cancel and read to the end within the clean-up time, else break. */
void fed_pg_abort(struct fed_pg_conn *pg, struct fed_pg_done *done);

/* The link has failed, or does what it never should: the connection breaks. */
int fed_pg_lost(struct fed_pg_conn *pg, struct fed_err *err);

/* Run our own text by the simple protocol; rows are thrown away. */
int fed_pg_exec(struct fed_pg_conn *pg, const char *sql,
                const struct fed_wait *wait, struct fed_pg_done *done,
                struct fed_err *err);

/* Run `n` texts in order, without waiting for each. done->count of them have
 * succeeded, the one behind those has failed, and no other was run. */
int fed_pg_batch(struct fed_pg_conn *pg, const char *const *sql, int n,
                 const struct fed_wait *wait, struct fed_pg_done *done,
                 struct fed_err *err);

/* The same, but each row (text format) goes to `row`; NULL: they are thrown
 * away one by one. */
int fed_pg_rows(struct fed_pg_conn *pg, const char *sql, fed_pg_row_fn *row,
                void *ctx, const struct fed_wait *wait, struct fed_err *err);

/* Run `sql` with text parameters; each row (text format) goes to `row`. */
int fed_pg_query(struct fed_pg_conn *pg, const char *sql, int nparam,
                 const char *const *params, fed_pg_row_fn *row, void *ctx,
                 const struct fed_wait *wait, struct fed_err *err);

/*
 * Prepare `sql` as statement `name`; with `described` also ask what it takes
 * and gives, in the same round trip. Statements in pg->gone go with it.
 */
int fed_pg_parse(struct fed_pg_conn *pg, const char *name, const char *sql,
                 PGresult **described, const struct fed_wait *wait,
                 struct fed_err *err);

/* Deallocate prepared statement `id` some time; does not wait. */
void fed_pg_forget(struct fed_pg_conn *pg, unsigned id);

/* Take the command's tag, and how many rows that says were changed. */
void fed_pg_note(struct fed_pg_done *done, PGresult *res);

/* Turn an error result, or with `res` NULL the link's error, into ours. */
int fed_pg_fail(struct fed_pg_conn *pg, const PGresult *res,
                struct fed_err *err);

/* Read what COPY TO STDOUT still gives, and throw it away. */
int fed_pg_skip_copy(struct fed_pg_conn *pg, const struct fed_wait *wait,
                     struct fed_err *err);

/* COPY was started by the text of a statement: end it, that is an error. */
int fed_pg_end_copy(struct fed_pg_conn *pg, const PGresult *res,
                    const struct fed_wait *wait, struct fed_err *err);

/* Make one line of UTF-8 of a message, in place. */
void fed_pg_clean(char *msg);

/* Give back one reference; NULL is fine. */
void fed_pg_key_put(struct fed_pg_key *key);

/* Ask the server to stop what it runs for `pg`. Any thread. */
int fed_pg_cancel(struct fed_pg_conn *pg, const struct fed_wait *wait,
                  struct fed_err *err);

/* ---- pg_decode.c ------------------------------------------------------- */

struct fed_pg_col;

/* SQLITE_OK, SQLITE_NOMEM, or SQLITE_CORRUPT: bytes not of that type. */
typedef int fed_pg_decode_fn(struct fed_pg_col *col, char *bytes, int len,
                             struct fed_value *out);

/* A result column: its type on the wire and room for its decoded text. */
struct fed_pg_col {
  Oid oid;
  int fmod;
  fed_pg_decode_fn *decode; /* NULL until the type has been checked */
  char *buf;                /* text too long for `small`; kept and grown */
  size_t room;
  char small[48];
};

/* The class of a base type (no domain). */
enum fed_class fed_pg_class(Oid oid, int fmod);

/*
 * How to decode a column of that type, in text or binary format, to class
 * `want`; FED_CLASS_COUNT takes the type's own class. NULL: not possible, the
 * type is not one which that class may have.
 */
fed_pg_decode_fn *fed_pg_decoder(enum fed_class want, Oid oid, int fmod,
                                 bool text);

/* Big-endian, as everything on the wire; no address is aligned. */
static inline uint16_t fed_pg_u16(const char *p)
{
  uint16_t v;

  memcpy(&v, p, sizeof v);
  return be16toh(v);
}

static inline uint32_t fed_pg_u32(const char *p)
{
  uint32_t v;

  memcpy(&v, p, sizeof v);
  return be32toh(v);
}

static inline uint64_t fed_pg_u64(const char *p)
{
  uint64_t v;

  memcpy(&v, p, sizeof v);
  return be64toh(v);
}

/* At least `n` bytes of `col` that live until the next row, or NULL. */
char *fed_pg_room(struct fed_pg_col *col, size_t n);

/* Write `v` in decimal, zero-padded to `width`; returns the end. */
char *fed_pg_digits(char *to, uint64_t v, int width);

/* ---- pg_numeric.c ---------------------------------------------------- */

fed_pg_decode_fn fed_pg_decimal; /* -> TEXT */
fed_pg_decode_fn fed_pg_decint;  /* numeric(p <= 18, 0) -> INTEGER */
fed_pg_decode_fn fed_pg_decreal; /* numeric(p <= 15, s) -> REAL */

/* ---- pg_write.c -------------------------------------------------------- */

#define FED_PG_VERBS 3

/* What must come before a read, and what then stands. Returns how many. */
int fed_pg_verbs(const struct fed_pg_conn *pg, bool locking,
                 const char *verb[FED_PG_VERBS], enum fed_pg_guarded *then);

/* Send a verb as a part of a pipeline. */
bool fed_pg_send_verb(struct fed_pg_conn *pg, const char *verb);

/* Enter a pipeline, and send the verbs into it that a read needs: pg->verbs.
 * False: the link has failed. */
bool fed_pg_send_guard(struct fed_pg_conn *pg, bool locking);

/* So many of the commands sent behind the guard have succeeded. */
void fed_pg_guard_done(struct fed_pg_conn *pg, int count);

/* Can what the transaction is about to do write? Then the guard must go. */
static inline bool fed_pg_must_open(const struct fed_pg_conn *pg)
{
  return pg->guarded != FED_PG_OPEN && !pg->read_only;
}

struct fed_pg_stmt;

/* Execute what is bound, a statement that writes, with what guards it, in one
 * round trip. Its result is read whole. */
int fed_pg_write(struct fed_pg_stmt *st, int n, const struct fed_wait *wait,
                 struct fed_err *err);

int fed_pg_execute_many(struct fed_stmt *stmt, const struct fed_value *args,
                        int narg, int n, int *done, const struct fed_wait *wait,
                        struct fed_err *err);

/* ---- pg_load.c, pg_encode.c -------------------------------------------- */

int fed_pg_load_begin(struct fed_conn *conn, const struct fed_relation *rel,
                      const int16_t *column, int ncol,
                      const struct fed_wait *wait, struct fed_err *err);
int fed_pg_load_row(struct fed_conn *conn, const struct fed_value *row,
                    const struct fed_wait *wait, struct fed_err *err);
int fed_pg_load_end(struct fed_conn *conn, bool keep,
                    const struct fed_wait *wait, struct fed_err *err);
/* Give up the load that is open; without a word to the server if the link is
 * to be closed anyway (`wait` NULL). */
int fed_pg_load_stop(struct fed_pg_conn *pg, const struct fed_wait *wait,
                     struct fed_err *err);

/* Put in front of the message which row the server blames, if it does. */
void fed_pg_load_blame(struct fed_pg_conn *pg, const PGresult *res,
                       struct fed_err *err);

/* Append `v` as a field; false: it is no value of that type, `err` says why. */
typedef bool fed_pg_encode_fn(struct fed_str *to, const struct fed_value *v,
                              const char **why);

/* pg_encode_text.c */
fed_pg_encode_fn fed_pg_encode_uuid, fed_pg_encode_date, fed_pg_encode_time;
fed_pg_encode_fn fed_pg_encode_timestamp, fed_pg_encode_numeric;

/* Has every type of that class a binary form that we can make? */
bool fed_pg_is_encodable(enum fed_class class);
/* How to; NULL: not in that form. */
fed_pg_encode_fn *fed_pg_encoder(Oid oid, bool binary);

/* ---- statements -------------------------------------------------------- */

enum fed_pg_state {
  FED_PG_IDLE,
  FED_PG_FIRST, /* executed; `res` is the first result, not yet stepped */
  FED_PG_ROWS,  /* `res` is the row last given */
  FED_PG_COPY,  /* `copy` is the row last given, `res` tells the columns */
  FED_PG_HELD,  /* `res` holds all rows, nothing runs any more */
  FED_PG_DONE,  /* all read; only reset remains */
};

struct fed_pg_stmt {
  struct fed_stmt base; /* first */
  enum fed_pg_state state;
  unsigned id;   /* fed<id> on the server, */
  char name[16]; /* which is this */
  unsigned generation;
  bool text;            /* results in text format */
  bool reading;         /* a SELECT: to cancel it undoes nothing */
  bool writing;         /* not to be guarded as a read */
  bool locking;         /* one of our own that ends in FOR UPDATE */
  int nparams;          /* placeholders in the text */
  enum fed_class *want; /* NULL: by the type on the wire */
  int nwant;
  struct fed_pg_col *col;
  PGresult *res;
  int at; /* the row of `res` that is the present one */

  char *sql;    /* the text, if it is to be fetched by COPY; else NULL */
  char *copy;   /* PQgetCopyData()'s */
  bool headed;  /* the header of the COPY was read */
  bool trailed; /* its trailer was */

  /* The arguments, as fed_pg_bind() made them: NULL, or text, or for format 1
   * bytes. */
  char *arg; /* memory for their text */
  size_t arg_room;
  int nargs; /* room in the arrays */
  const char **values;
  int *lengths;
  int *formats;
};

/* Give the statement the values, borrowed. */
int fed_pg_bind(struct fed_pg_stmt *st, const struct fed_value *args, int n,
                struct fed_err *err);
/* Forget them; large memory is not kept. */
void fed_pg_unbind(struct fed_pg_stmt *st);

/* A number as the server reads it: `to` has room for 32 bytes. */
void fed_pg_put_int(char *to, int64_t i);
void fed_pg_put_real(char *to, double r);

/* Is every column of `res` decodable to what was asked for? Else
 * SQLITE_SCHEMA. */
int fed_pg_check(struct fed_pg_stmt *st, const PGresult *res,
                 struct fed_err *err);

/* A decoder has refused the `len` bytes of column `i` of st->res. */
int fed_pg_bad_value(struct fed_pg_stmt *st, int i, int len, int rc,
                     struct fed_err *err);

/*
 * How many parameters `sql` has, or -1: it holds something that is not sure
 * to be understood here, so that values cannot be written into it.
 */
int fed_pg_copy_params(const char *sql);

/*
 * Send st->sql with the values bound as one batch that ends in a COPY.
 * SQLITE_NOTFOUND (no message): it cannot be written so, nothing was sent.
 */
int fed_pg_copy_send(struct fed_pg_stmt *st, struct fed_err *err);

/* `res` is the batch's first result: check it, and begin the COPY. Takes
 * st->res, and leaves there what is not as it should be. */
int fed_pg_copy_begin(struct fed_pg_stmt *st, const struct fed_wait *wait,
                      struct fed_err *err);

/* SQLITE_ROW with a row decoded; SQLITE_DONE: a result with the end, or the
 * server's error, comes next. */
int fed_pg_copy_step(struct fed_pg_stmt *st, const struct fed_wait *wait,
                     struct fed_err *err);

/* ---- pg_open.c, pg_stmt.c, pg_catalog.c: slots of the driver --------- */

/* What a session is set to, for after a reset where pg->set_session. */
extern const char fed_pg_settings[];

int fed_pg_open(struct fed_conn **out, const struct fed_dsn *dsn,
                const struct fed_wait *wait, struct fed_err *err);
/* Close the link and free; half-built ones too. */
void fed_pg_free(struct fed_pg_conn *pg);

int fed_pg_prepare(struct fed_conn *conn, const char *sql,
                   const enum fed_class *want, int nwant, bool bulk,
                   struct fed_stmt **out, const struct fed_wait *wait,
                   struct fed_err *err);
int fed_pg_execute(struct fed_stmt *stmt, const struct fed_value *args, int n,
                   const struct fed_wait *wait, struct fed_err *err);
int fed_pg_step(struct fed_stmt *stmt, const struct fed_wait *wait,
                struct fed_err *err);
int fed_pg_stmt_reset(struct fed_stmt *stmt, const struct fed_wait *wait,
                      struct fed_err *err);
void fed_pg_finalize(struct fed_stmt *stmt);
/* Nothing of `st` runs any more: forget its result and arguments. */
void fed_pg_idle(struct fed_pg_stmt *st, enum fed_pg_state state);

int fed_pg_catalog(struct fed_conn *conn, const struct fed_scope *scope,
                   struct fed_catalog *out, const struct fed_wait *wait,
                   struct fed_err *err);
int fed_pg_describe(struct fed_conn *conn, const char *sql,
                    struct fed_relation *out, const struct fed_wait *wait,
                    struct fed_err *err);

#endif
