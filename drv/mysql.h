/*
 * mysql: what the files of the MySQL/MariaDB driver share. No other file
 * includes this header.
 *
 *   mysql.c          the driver: statements, transactions, the slots
 *   mysql_param.c    connection parameters
 *   mysql_open.c     connecting, session set-up, goodbye, KILL QUERY
 *   mysql_wait.c     every call of the client library that may block
 *   mysql_lib.c      what only one of the client libraries has
 *   mysql_error.c    errors
 *   mysql_type.c     classes and names of types
 *   mysql_rows.c     rows on their way to the server
 *   mysql_load.c     loads: rows into a table
 *   mysql_many.c     one statement for many rows of arguments
 *   mysql_wire.c     rows straight from the socket
 *   mysql_decode.c   result columns: checks and buffers
 *   mysql_value.c    rows: from their bytes, or those buffers, to values
 *   mysql_catalog.c  tables and their columns
 *
 * Two client libraries give the same C API. MariaDB Connector/C has a
 * non-blocking form of each call (foo_start, foo_cont: a coroutine that hands
 * back what it waits for); Oracle's libmysqlclient blocks, and only its
 * read and write timeouts end a wait. The difference is in mysql_wait.c,
 * mysql_wire.c, mysql_lib.c and this header; everybody else calls
 * fed_mysql_run_*().
 */
#ifndef FED_MYSQL_H
#define FED_MYSQL_H

#include <mysql.h>
#include <stdatomic.h>

#include "drv/dialect.h"
#include "drv/drv.h"

#ifdef MARIADB_PACKAGE_VERSION
#  define FED_MYSQL_ASYNC   1
#  define FED_MYSQL_LIBRARY "libmariadb"
typedef my_bool fed_mysql_bool;
#else
#  define FED_MYSQL_ASYNC   0
#  define FED_MYSQL_LIBRARY "libmysqlclient"
typedef bool fed_mysql_bool;
#endif

/* Server errors that the driver itself acts upon (mysqld_error.h has all). */
enum fed_mysql_errno {
  FED_MYSQL_NO_SUCH_THREAD = 1094,
  FED_MYSQL_NOT_ALLOWED = 1148,
  FED_MYSQL_NO_VARIABLE = 1193,
  FED_MYSQL_UNSUPPORTED_PS = 1295,
};

/* The longest value that SQLite can be built to hold. */
#define FED_MYSQL_VALUE_MAX 1000000000UL
/* The longest row: what the library takes as a packet's limit, too. */
#define FED_MYSQL_ROW_MAX (1UL << 30)

/*
 * The wire while it is ours (mysql_wire.c): what came and is not yet given
 * away lies in buf[pos..end).
 */
struct fed_mysql_wire {
  unsigned char *buf;
  size_t room, pos, end;
  size_t want;   /* bytes from pos on without which there is no progress */
  size_t chunk;  /* bytes to read at a time */
  size_t joined; /* of a row of several packets, what is in one piece */
  unsigned char *row;
  size_t size;          /* of the row */
  unsigned char behind; /* the byte after the row, which a zero may replace */
  bool ended;           /* it may have been replaced */
  bool taken;           /* the wire is ours */
};

struct fed_mysql {
  struct fed_conn head;
  MYSQL *mysql;        /* NULL once a broken connection was dropped */
  struct fed_dsn dsn;  /* for the second connection that sends KILL QUERY */
  uint64_t id;         /* CONNECTION_ID(): 64 bits, unlike thread_id */
  char identity[160];  /* host:port:server_id, as the server calls itself */
  char database[200];  /* "" when the URL names none */
  char isolation[32];  /* the session's default, "REPEATABLE-READ" */
  uint64_t max_packet; /* @@max_allowed_packet */
  unsigned session;    /* counts resets: statements do not outlive one */
  int nopen;           /* statements with rows still to be read */
  struct fed_mysql_wire wire;
  struct fed_awake awake;      /* for what is executed */
  struct fed_mysql_load *load; /* one that has not ended */
  bool raw; /* rows are read from the wire, not fetched by the library */
  bool mariadb;
  bool
    undo_on_timeout;  /* of a lock: the whole transaction, not the statement */
  bool zero;          /* 0 may be written into an AUTO_INCREMENT column, as 0 */
  bool tls;           /* over TLS, or it may come to that: see my_pipe_hold() */
  atomic_bool killed; /* a KILL QUERY was sent, its end not yet awaited */
};

/* How the bytes of a value in a row become the value. */
enum fed_mysql_form {
  FED_MYSQL_NOTHING, /* the type of NULL has no bytes */
  FED_MYSQL_INT1,
  FED_MYSQL_INT2,
  FED_MYSQL_INT4,
  FED_MYSQL_INT8,
  FED_MYSQL_FLOAT,
  FED_MYSQL_DOUBLE,
  FED_MYSQL_DATE,
  FED_MYSQL_DATETIME,
  FED_MYSQL_TIME,
  FED_MYSQL_BITS,
  FED_MYSQL_DECINT,  /* DECIMAL: digits, made an integer, */
  FED_MYSQL_DECREAL, /* or a double; else they are text */
  FED_MYSQL_TEXT,
  FED_MYSQL_CHAR, /* trailing blanks are cut */
  FED_MYSQL_BLOB,
};

/* One result column: its class, where the library puts it, its text form. */
struct fed_mysql_col {
  char *name;
  enum fed_class class;
  enum fed_mysql_form form;
  enum enum_field_types bound; /* what the buffer below holds */
  bool is_unsigned;
  union {
    int64_t i;
    double r;
    float f;
    MYSQL_TIME t;
    unsigned char bits[8];
    char digits[72]; /* DECIMAL has at most 65 digits, a sign and a point */
  } fixed;
  char text[40]; /* dates, and integers above 2^63-1 */
  char *data;    /* TEXT and BLOB; grows as values come */
  size_t room;
  unsigned long length;
  fed_mysql_bool null, error;
};

/* What the last execution said of a column; a change means a new binding. */
struct fed_mysql_sign {
  enum enum_field_types type;
  unsigned flags, charset, decimals;
  unsigned long length;
};

struct fed_mysql_stmt {
  struct fed_stmt head;
  MYSQL_STMT *stmt; /* NULL: not preparable, runs as text without arguments */
  char *sql;        /* only then */
  enum fed_class *want;
  int nwant; /* -1 when the driver chooses */
  struct fed_mysql_col *col;
  struct fed_mysql_sign *sign;
  MYSQL_BIND *bind;
  MYSQL_BIND *arg;
  unsigned long *arglen;
  int narg;
  unsigned session; /* that of the connection it was prepared in */
  bool busy;        /* executed, not yet reset */
  bool open;        /* rows of the execution are still to be read */
  bool blind;       /* its rows do not fit the buffers: do not fetch */
  bool rebind;      /* a buffer moved since the last bind */
  bool checked;     /* the columns were checked strictly */
  bool replaces;    /* it is a REPLACE */
};

static inline struct fed_mysql *fed_mysql_of(struct fed_conn *conn)
{
  return FED_CONTAINER(conn, struct fed_mysql, head);
}

/* ---- mysql.c ----------------------------------------------------------- */

extern const struct fed_driver fed_driver_mysql;

/* An error when nothing can be executed any more, or nothing but ROLLBACK. */
int fed_mysql_usable(struct fed_mysql *c, struct fed_err *err);
/* Past its limit the server closes the connection without a word. */
int fed_mysql_fits(const struct fed_mysql *c, uint64_t size,
                   struct fed_err *err);
/* That of its connection too. */
int fed_mysql_may_execute(struct fed_mysql_stmt *st, struct fed_err *err);

/* ---- mysql_param.c ----------------------------------------------------- */

/* How the value of a parameter reaches the client library. */
enum fed_mysql_how {
  FED_MYSQL_ARGUMENT, /* an argument of mysql_real_connect() */
  FED_MYSQL_STRING,   /* mysql_options() with the text */
  FED_MYSQL_SECONDS,  /* mysql_options() with a number */
  FED_MYSQL_FLAG,     /* mysql_options() when true */
  FED_MYSQL_TLS,      /* see fed_mysql_lib_tls() */
  FED_MYSQL_CHARSET,  /* may only be what it is anyway */
};

struct fed_mysql_param {
  const char *key;
  enum fed_mysql_how how;
  enum mysql_option option;
  bool secret;
};

/* The longest read_timeout and the like (seconds). */
#define FED_MYSQL_TIMEOUT_MAX 31536000

const struct fed_mysql_param *fed_mysql_find(const char *key);
/* A whole number from 0 to `max`, or -1. */
int64_t fed_mysql_number(const char *s, int64_t max);
/* 1, 0, or -1 for what is neither. */
int fed_mysql_flag(const char *s);
enum fed_param_kind fed_mysql_param_kind(const char *key);
int fed_mysql_check(const struct fed_dsn *dsn, struct fed_err *err);

/* ---- mysql_open.c ------------------------------------------------------ */

int fed_mysql_open(struct fed_conn **out, const struct fed_dsn *dsn,
                   const struct fed_wait *wait, struct fed_err *err);
void fed_mysql_close(struct fed_conn *conn);
void fed_mysql_abandon(struct fed_conn *conn);
int fed_mysql_reset(struct fed_conn *conn, const struct fed_wait *wait,
                    struct fed_err *err);
enum fed_health fed_mysql_health(struct fed_conn *conn, bool look);
int fed_mysql_ping(struct fed_conn *conn, const struct fed_wait *wait,
                   struct fed_err *err);

/*
 * Connect c->mysql to `dsn` and set nothing up. On error c->mysql may be left
 * for fed_mysql_drop().
 */
int fed_mysql_connect(struct fed_mysql *c, const struct fed_dsn *dsn,
                      const struct fed_wait *wait, struct fed_err *err);

/*
 * Ask the server, over a second connection, to stop what `c` runs; within 5
 * seconds. From any thread: it reads only what open() has fixed.
 */
int fed_mysql_kill(const struct fed_mysql *c, struct fed_err *err);

/* Append `s` as a string literal. */
void fed_mysql_quote(struct fed_mysql *c, struct fed_str *sql, const char *s);

/* Cut the socket and free the library's handle; c->mysql becomes NULL. */
void fed_mysql_drop(struct fed_mysql *c);

/*
 * From now on a 0 in an AUTO_INCREMENT column is a 0, as in SQLite; or it is
 * what the server makes of it by itself, a new number.
 */
int fed_mysql_zero(struct fed_mysql *c, bool zero, const struct fed_wait *wait,
                   struct fed_err *err);

/* ---- mysql_wait.c ------------------------------------------------------ */

/*
 * The calls that may block. Each obeys `wait`: when it is given up, a running
 * statement is killed and its end awaited for 5 seconds, so that the
 * connection stays good; failing that, the socket is cut, the library's
 * coroutine is unwound and the connection is broken. In both cases the
 * result is that of the wait: SQLITE_INTERRUPT or SQLITE_BUSY.
 */
int fed_mysql_run_connect(struct fed_mysql *c, const char *host,
                          const char *user, const char *password,
                          const char *dbname, unsigned port, const char *socket,
                          const struct fed_wait *wait, struct fed_err *err);
/* Text protocol: one statement; its rows, if any, are thrown away as they
 * come. For these two, what had succeeded before it was given up is a success.
 */
int fed_mysql_run_exec(struct fed_mysql *c, const char *sql,
                       const struct fed_wait *wait, struct fed_err *err);
/* The same for several, separated by ';': how many have succeeded. */
int fed_mysql_run_batch(struct fed_mysql *c, const char *sql, int *done,
                        const struct fed_wait *wait, struct fed_err *err);
/* Text protocol: one statement and its (few) rows; mysql_free_result(). */
int fed_mysql_run_rows(struct fed_mysql *c, const char *sql, MYSQL_RES **rows,
                       const struct fed_wait *wait, struct fed_err *err);
int fed_mysql_run_ping(struct fed_mysql *c, const struct fed_wait *wait,
                       struct fed_err *err);
int fed_mysql_run_reset(struct fed_mysql *c, const struct fed_wait *wait,
                        struct fed_err *err);
int fed_mysql_run_prepare(struct fed_mysql *c, MYSQL_STMT *stmt,
                          const char *sql, const struct fed_wait *wait,
                          struct fed_err *err);
int fed_mysql_run_execute(struct fed_mysql *c, MYSQL_STMT *stmt,
                          const struct fed_wait *wait, struct fed_err *err);
/* SQLITE_ROW, SQLITE_DONE or an error. A truncated column is no error. The row
 * is in c->wire if that is c->raw, else in the bound buffers. */
int fed_mysql_run_fetch(struct fed_mysql *c, MYSQL_STMT *stmt,
                        const struct fed_wait *wait, struct fed_err *err);
/* Read to the end of every result of the statement; given up, it is killed
 * and read to its end. */
int fed_mysql_run_free(struct fed_mysql *c, MYSQL_STMT *stmt,
                       const struct fed_wait *wait, struct fed_err *err);
/* Frees `stmt` whatever happens. */
void fed_mysql_run_close(struct fed_mysql *c, MYSQL_STMT *stmt);

/* ---- mysql_lib.c ------------------------------------------------------- */

int fed_mysql_lib_init(MYSQL *mysql);
int fed_mysql_lib_tls(MYSQL *mysql, const char *mode, struct fed_err *err);
int fed_mysql_lib_socket(MYSQL *mysql);
/* The *n columns of the result, as the last prepare or execute told them; good
 * until the next and until mysql_free_result(*hold). */
const MYSQL_FIELD *fed_mysql_lib_fields(MYSQL_STMT *stmt, int *n,
                                        MYSQL_RES **hold);

/* Can it be executed with arrays of arguments, now that it is prepared? */
bool fed_mysql_lib_bulk(const MYSQL_STMT *stmt);
/* What is bound to it are arrays of `n`; 0: single values. */
void fed_mysql_lib_array(MYSQL_STMT *stmt, unsigned n);
/* Which values of the array are NULL: where there is a 1. */
void fed_mysql_lib_indicate(MYSQL_BIND *bind, char *null);

/* ---- mysql_rows.c ------------------------------------------------------ */

union fed_mysql_cell {
  int64_t i;
  double r;
  const char *p;
};

/* Some rows; cell, length and null hold column after column, `room` each. */
struct fed_mysql_rows {
  int ncol, room, n;
  bool copies;         /* what is added is borrowed for that call only */
  enum fed_type *type; /* of each column; FED_NULL: only NULLs so far */
  bool *text;          /* of each column: integers go as text */
  MYSQL_BIND *bind;
  union fed_mysql_cell *cell;
  unsigned long *length;
  char *null;
  char *bytes; /* the copies */
  size_t used, size;
  size_t weight, limit; /* bytes of a statement */
};

/* Of `ncol` columns; there will not be more than `most`. */
int fed_mysql_rows_init(struct fed_mysql_rows *rows, const struct fed_mysql *c,
                        int ncol, int most, bool copies, struct fed_err *err);
void fed_mysql_rows_release(struct fed_mysql_rows *rows);
void fed_mysql_rows_clear(struct fed_mysql_rows *rows);
/* SQLITE_FULL, without a message: send and clear those that are there, and add
 * it again. */
int fed_mysql_rows_add(struct fed_mysql_rows *rows, const struct fed_value *row,
                       struct fed_err *err);
/* Append those from `from` to before `to`: "(1, NULL), (2, x'00')". */
void fed_mysql_rows_text(const struct fed_mysql_rows *rows, int from, int to,
                         struct fed_str *sql);
/* Where fed_mysql_lib_bulk(): execute `stmt` with them. */
int fed_mysql_rows_execute(struct fed_mysql *c, MYSQL_STMT *stmt,
                           struct fed_mysql_rows *rows,
                           const struct fed_wait *wait, struct fed_err *err);

/* ---- mysql_load.c, mysql_many.c: slots --------------------------------- */

int fed_mysql_load_begin(struct fed_conn *conn, const struct fed_relation *rel,
                         const int16_t *column, int ncol,
                         const struct fed_wait *wait, struct fed_err *err);
int fed_mysql_load_row(struct fed_conn *conn, const struct fed_value *row,
                       const struct fed_wait *wait, struct fed_err *err);
int fed_mysql_load_end(struct fed_conn *conn, bool keep,
                       const struct fed_wait *wait, struct fed_err *err);
/* Forget it, if there is one. */
void fed_mysql_load_over(struct fed_mysql *c);

int fed_mysql_execute_many(struct fed_stmt *stmt, const struct fed_value *args,
                           int narg, int n, int *done,
                           const struct fed_wait *wait, struct fed_err *err);

/* ---- mysql_error.c ----------------------------------------------------- */

/* Turn the library's last error (of `stmt`, else of the connection) into
 * `err`; marks the connection broken where it is. */
int fed_mysql_fail(struct fed_mysql *c, MYSQL_STMT *stmt, struct fed_err *err);

/* ---- mysql_type.c ------------------------------------------------------ */

/* The class that a result column has by itself. */
enum fed_class fed_mysql_class(const MYSQL_FIELD *field);

/* The type of a result column as a CREATE TABLE would write it. */
void fed_mysql_type(const MYSQL_FIELD *field, char *out, size_t size);

/* ---- mysql_decode.c ---------------------------------------------------- */

/*
 * Make the statement's buffers fit these columns and check them against
 * st->want; the first call, and any later one that finds a difference,
 * builds anew. `strict` false lets columns of unknown type pass (before the
 * arguments are known the server cannot tell the type of "SELECT ?").
 */
int fed_mysql_columns(struct fed_mysql_stmt *st, const MYSQL_FIELD *field,
                      int n, bool strict, struct fed_err *err);
void fed_mysql_columns_free(struct fed_mysql_stmt *st);

/* Tell the library where the values go. */
int fed_mysql_bind(struct fed_mysql_stmt *st, struct fed_err *err);

/* A longer value than ever before in column `i`: fetch it again, whole. */
int fed_mysql_grow(struct fed_mysql_stmt *st, int i, struct fed_err *err);

/* ---- mysql_value.c ----------------------------------------------------- */

/* Fill st->head.row from the buffers. */
int fed_mysql_fetched(struct fed_mysql_stmt *st, struct fed_err *err);

/*
 * Fill st->head.row from the `size` bytes of a row in the binary protocol.
 * The values borrow them; the byte behind each text becomes zero, so that
 * row[size] must be ours to write. What is no such row is SQLITE_IOERR.
 */
int fed_mysql_decode(struct fed_mysql_stmt *st, unsigned char *row, size_t size,
                     struct fed_err *err);

/* ---- mysql_wire.c ------------------------------------------------------ */

#if FED_MYSQL_ASYNC

/* Can this connection's rows be read past the library? */
bool fed_mysql_wire_usable(const struct fed_mysql *c);

/* Take the wire after an execution that gives rows. */
int fed_mysql_wire_take(struct fed_mysql *c, struct fed_err *err);

enum fed_mysql_came {
  FED_MYSQL_CAME_ROW,   /* c->wire.row, good until the next call */
  FED_MYSQL_CAME_PART,  /* of a packet: read more */
  FED_MYSQL_CAME_OTHER, /* the end or an error: the library's to read */
  FED_MYSQL_CAME_JUNK,  /* neither */
};
/* What lies next in the buffer. */
enum fed_mysql_came fed_mysql_wire_next(struct fed_mysql *c);

/* Receive what is there: SQLITE_ROW, SQLITE_OK when nothing is (wait for it),
 * SQLITE_DONE when nothing will ever come, or an error. */
int fed_mysql_wire_read(struct fed_mysql *c, struct fed_err *err);

/* Give the wire back to the library, with what was not read if `whole`. False:
 * something is missing then, the connection is of no more use. */
bool fed_mysql_wire_give(struct fed_mysql *c, bool whole);

/* Free the buffer. */
void fed_mysql_wire_release(struct fed_mysql *c);

#endif

/* ---- mysql_catalog.c --------------------------------------------------- */

int fed_mysql_catalog(struct fed_conn *conn, const struct fed_scope *scope,
                      struct fed_catalog *out, const struct fed_wait *wait,
                      struct fed_err *err);
int fed_mysql_describe(struct fed_conn *conn, const char *sql,
                       struct fed_relation *out, const struct fed_wait *wait,
                       struct fed_err *err);

#endif
