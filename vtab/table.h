/*
 * table.h: shared by the files of vtab/ only.
 *
 *   xBestIndex -> plan.c asks term.c, deparse.c writes SQL  -> idxStr
 *   xFilter    -> scan.c binds, borrows a connection, executes
 *   xNext      -> fed_stmt_step() decodes the next row from the wire
 *   xColumn    -> hands the value to SQLite
 */
#ifndef FED_VTAB_TABLE_H
#define FED_VTAB_TABLE_H

#include "drv/dialect.h"
#include "tx/tx.h"
#include "vtab/status.h"
#include "vtab/vtab.h"

/* What fed_verify() says of the statement it runs now. */
enum pushdown_force { PUSHDOWN_AS_SET, PUSHDOWN_ON, PUSHDOWN_OFF };

struct fed_db {
  sqlite3 *db;
  int refs;
  struct fed_list tables;   /* every connected struct fed_table */
  struct fed_list fetches;  /* every struct fetch that holds a connection */
  struct fed_tx *tx;        /* what reads see together */
  struct scan *opened;      /* the cursor opened just now */
  struct fed_list attached; /* attach.c */
  struct fed_list trusted;  /* trust.c */
  struct fed_list unpushed; /* pushdown.c */
  bool pushdown_off;        /* for every table */
  enum pushdown_force pushdown_force;
  struct explain *explain; /* while fed_explain prepares a statement */
  /* The relation and driver that table_create is to take, not to ask for. */
  const struct fed_relation *creating;
  const char *creating_driver;
  struct fed_view *writes;   /* of the server that is written, or NULL */
  struct fed_table *waiting; /* whose rows wait to be sent, or NULL: write.c */
  bool unfinished; /* fed_refresh was interrupted inside its savepoint */
  const struct fed_help *help;     /* SQL functions, for fed_help */
  const struct status_table *more; /* tables of the layer above, too */
  void *kept;                      /* by the layer above; fed_db_keep() */
  void (*kept_release)(void *);
  int64_t next_look; /* when to test for an interrupt again */
  int64_t plan_id;   /* of the last plan that was made */
};

/* One virtual table on one SQLite connection. */
struct fed_table {
  sqlite3_vtab base; /* first */
  struct fed_db *fdb;
  struct fed_list link; /* fdb->tables */
  char *schema;         /* of SQLite: main, temp, shop */
  char *name;           /* of SQLite */
  char *server;
  struct fed_server *found; /* what that name stood for; see table_server() */
  char *module;             /* fed or fed_query */
  char *driver;             /* whose types the declaration speaks of */
  char *args;               /* module arguments, for trust.c */
  struct fed_relation rel;
  char **label;            /* the columns' names in SQLite, rel.ncol of them */
  int rowid;               /* column that is the rowid, or -1: hashed */
  double rows;             /* option rows=N; below 0 not given */
  bool read_only;          /* an option */
  bool deferred;           /* option bulk=deferred */
  int64_t used;            /* rows and look-ups: see stats.c */
  int64_t locks;           /* conn->locks under which it was not rewritten */
  bool trusted;            /* found so once; stays so on this connection */
  struct fed_list cursors; /* every open struct scan */
  struct write *write;     /* once it is written; write.c */
  struct scan *spare;      /* a closed one, for the next to open, or NULL */
};

static inline struct fed_table *table_of(sqlite3_vtab *vtab)
{
  return (struct fed_table *)vtab;
}

/* The code to give to SQLite. */
int fed_err_code(const struct fed_err *err);

/* Put an error where SQLite looks for a virtual table's; returns its code. */
int table_fail(sqlite3_vtab *vtab, struct fed_err *err);

/* Put the table's and the server's name in front of a remote error. */
void table_context(const struct fed_table *table, struct fed_err *err);

/* The server's definition now, borrowed until this is called again; checks
 * that the driver still is the same. */
int table_server(struct fed_table *table, struct fed_server **out,
                 struct fed_err *err);

/*
 * The table "name" or "schema.name", connected if it was not. Borrowed, good
 * until SQL is run.
 */
int table_lookup(struct fed_db *fdb, const char *name, struct fed_table **out,
                 struct fed_err *err);

/* Read its columns again; drop and create it if they differ. */
int table_refresh(struct fed_table *table, int *nchanged, struct fed_err *err);

/* Every table of ours that the connection's databases hold now, connected. */
typedef void table_each_fn(void *ctx, struct fed_table *table);
int table_each(struct fed_db *fdb, table_each_fn *fn, void *ctx,
               struct fed_err *err);

/* Copy a relation; on error *to is empty. */
int relation_copy(struct fed_relation *to, const struct fed_relation *from,
                  struct fed_err *err);
bool relation_equal(const struct fed_relation *a, const struct fed_relation *b);

extern const char *const table_bulk[];        /* the words of bulk= */
extern const sqlite3_module fed_table_module; /* fed and fed_query */

/* ---- status.c: tables about dbfed itself ------------------------------- */

extern const struct status_table status_tables[]; /* ends with a NULL name */
extern const sqlite3_module status_module;

/* What one registration of status_module needs; freed with the module. */
struct status_aux {
  struct fed_db *fdb;
  const struct status_table *def;
};

/* ---- verify.c: fed_verify ---------------------------------------------- */

int verify_fill(struct fed_db *fdb, struct status_rows *rows,
                struct fed_err *err);

/* ---- text.c: a statement that is given as a value ---------------------- */

/*
 * Prepare the one statement in `text`, with `prefix` in front: a SELECT or
 * VALUES, with `writes` also an INSERT, UPDATE or DELETE. `who` is for errors;
 * those of the syntax say where.
 */
int text_prepare(struct fed_db *fdb, const char *who, const char *prefix,
                 sqlite3_value *text, bool writes, sqlite3_stmt **out,
                 struct fed_err *err);

/* ---- db.c -------------------------------------------------------------- */

/* Run SQL on the user's connection; the arguments are for sqlite3_mprintf. */
int db_exec(struct fed_db *fdb, struct fed_err *err, const char *fmt, ...);

/* Prepare it; the statement is the caller's. */
int db_prepare(struct fed_db *fdb, sqlite3_stmt **out, struct fed_err *err,
               const char *fmt, ...);

/* Let every prepared statement of the connection be planned anew when it next
 * starts. */
void db_expire(struct fed_db *fdb);

/* Record the connection's own error. */
int db_error(struct fed_db *fdb, int rc, struct fed_err *err);

/* ---- declare.c --------------------------------------------------------- */

/*
 * The columns' names in SQLite: the remote ones, made unique without regard
 * to case by a suffix _2, _3, ... Gives an array of rel->ncol strings.
 */
int declare_labels(const struct fed_relation *rel, char ***out,
                   struct fed_err *err);
void declare_labels_free(char **label, int n);

/*
 * The affinity SQLite derives from a declared type, by the letter its
 * opcodes use: A none (BLOB), B TEXT, C NUMERIC, D INTEGER, E REAL.
 */
char declare_affinity(const char *type);

/* That of the column of a SQLite server as we declare it. */
char declare_column_affinity(const struct fed_column *col);

/* CREATE TABLE text for sqlite3_declare_vtab. */
int declare_table(const struct fed_relation *rel, char *const *label,
                  struct fed_str *sql, struct fed_err *err);

/* Append " \"type\"" as the column is declared; nothing for no type. */
void declare_type(const struct fed_column *col, struct fed_str *sql);

/* ---- shadow.c: the declaration kept beside a table --------------------- */

int shadow_write(struct fed_table *table, struct fed_err *err);
int shadow_read(struct fed_table *table, struct fed_err *err);
int shadow_drop(struct fed_table *table, struct fed_err *err);
int shadow_rename(struct fed_table *table, const char *name,
                  struct fed_err *err);
int shadow_is(const char *suffix);

/* ---- catalog.c: asking a server what it has ---------------------------- */

int catalog_list(struct fed_db *fdb, struct fed_server *server,
                 const struct fed_scope *scope, struct fed_catalog *out,
                 struct fed_err *err);
/* One table; `schema` NULL looks along the search path. */
int catalog_table(struct fed_db *fdb, struct fed_server *server,
                  const char *schema, const char *name,
                  struct fed_relation *out, struct fed_err *err);
int catalog_query(struct fed_db *fdb, struct fed_server *server,
                  const char *sql, struct fed_relation *out,
                  struct fed_err *err);

/* ---- attach.c ---------------------------------------------------------- */

/* The relation behind a table that fed_attach made of `server`, or NULL. */
struct fed_relation *attach_find(struct fed_db *fdb, const char *server,
                                 const char *schema, const char *name,
                                 const char **driver);
void attach_release(struct fed_db *fdb);

/* ---- stats.c ----------------------------------------------------------- */

/* A scan starts: read the table's statistics again if they are older than the
 * server's stats_max_age, and it was used enough for that to matter. */
void stats_refresh(struct fed_table *table);

/* The table gets the statistics of `now`; option rows=N stands above them. */
void stats_take(struct fed_table *table, const struct fed_relation *now);

/*
 * The user knows better how many rows there are. Columns whose values were
 * counted to grow with the rows do so; what an empty table had tells nothing.
 */
void stats_set_rows(struct fed_relation *rel, double rows);

/* ---- trust.c ----------------------------------------------------------- */

/* xCreate ran: remember that this table may reach its server. */
int trust_created(struct fed_table *table, struct fed_err *err);
/* May it? Else SQLITE_AUTH and the remedy. */
int trust_check(struct fed_table *table, struct fed_err *err);
void trust_release(struct fed_db *fdb);

/* ---- term.c ------------------------------------------------------------ */

enum term_op {
  TERM_EQ,
  TERM_NE,
  TERM_LT,
  TERM_LE,
  TERM_GT,
  TERM_GE,
  TERM_ISNULL,
  TERM_NOTNULL,
  TERM_LIKE,
  TERM_GLOB,
  TERM_OPS
};

/* Who answers a term: the server alone, the server roughly and SQLite
 * again, or SQLite alone. */
enum term_fit { TERM_LOCAL, TERM_SUPERSET, TERM_EXACT };

/* What the right-hand value makes of a term when the scan starts. */
enum term_use {
  TERM_BIND,   /* send it with this value */
  TERM_NEVER,  /* no row can match */
  TERM_ALWAYS, /* every row matches whose column is not NULL */
  TERM_DROP,   /* leave it to SQLite */
};

/*
 * How a term is written for the server: the letters of the table's second
 * text. `text` is the column as the text that we show, by its bytes.
 */
enum term_form {
  FORM_NONE = '-',   /* never sent */
  FORM_BARE = 'b',   /* col < $1 */
  FORM_TEXT = 't',   /* text < $1 */
  FORM_BOTH = 'a',   /* col = $1 AND text = $1: the index, and the bytes */
  FORM_NUMBER = 'n', /* col > $1 AND col < 'NaN' */
  FORM_NEAR = 'r',   /* col >= $1 AND col <= $2: a number, roughly */
  FORM_DATE = 'd',   /* by text where a year has not four digits */
  FORM_TIME = 'h',   /* and those that have not two digits of hours */
  FORM_SAFE = 's',   /* col <=> NULL */
  FORM_MATCH = 'm',  /* col LIKE $1 */
  FORM_LIKE = 'l',   /* text LIKE $1, in one case or in both */
  FORM_PREFIX = 'p', /* and col LIKE any spelling of the prefix */
  FORM_BLOB = 'o',   /* or a blob: a text of a SQLite server */
};

/* Operators of sqlite3_index_constraint; false for those never sent. */
bool term_op_of(unsigned char op, enum term_op *out, bool *is);

/* The decision table. */
enum term_fit term_fit(const struct fed_dialect *dialect,
                       const struct fed_column *col, enum term_op op);

/*
 * Why the table does not say exact: one clause, as in "local: ...". NULL
 * where it does. Static.
 */
const char *term_why(const struct fed_dialect *dialect,
                     const struct fed_column *col, enum term_op op);

/* By what ORDER BY on the column is left to the server; FORM_NONE: not. */
enum term_form term_sorts(const struct fed_dialect *dialect,
                          const struct fed_column *col);

/* Does the server's GROUP BY take for equal only what is the same here? */
bool term_groups(const struct fed_dialect *dialect,
                 const struct fed_column *col);

/* Must the comparison use this collation to be the server's? */
const char *term_collation(const struct fed_column *col);

/* ---- pushdown.c -------------------------------------------------------- */

/* May anything of a statement be left to the table's server? */
bool pushdown_is_on(const struct fed_table *table);
void pushdown_release(struct fed_db *fdb);

/* What the values made of a term, for one execution. */
struct term_now {
  enum term_use use;
  enum term_op op;
  enum term_form form;
  bool list;            /* one of several values */
  int nvalue;           /* of a list, or patterns; else 1 */
  const char *literals; /* the list's values as they stand in the text */
  int first;            /* its values among all that are bound */
  int narg;
};

/* As the table has it, before a value is known. */
struct term_now term_planned(const struct fed_dialect *dialect,
                             const struct fed_column *col, enum term_op op);

/* For test/diff/, in test builds only. */
#ifdef FED_TEST
/* A term is executed: count it for its row of the table, and by its use. */
void term_count(const struct fed_dialect *dialect, const struct fed_column *col,
                enum term_op op, enum term_use use);
#else
#  define term_count(dialect, col, op, use) ((void)0)
#endif

/* ---- rhs.c ------------------------------------------------------------- */

/*
 * Turn the right-hand value into one to bind, as SQLite's comparison would
 * see it. `plain`: it has no affinity of its own (a literal or a bound
 * parameter). *now holds the term's operator and form, which may become
 * others that mean the same; the answer is now->use. `buf` holds text made
 * here; *out borrows from it and from `rhs`.
 */
enum term_use term_value(const struct fed_dialect *dialect,
                         const struct fed_column *col, struct term_now *now,
                         sqlite3_value *rhs, bool plain, char buf[48],
                         struct fed_value *out);
/* The same for the value that stands in *value. */
enum term_use term_value_of(const struct fed_dialect *dialect,
                            const struct fed_column *col, struct term_now *now,
                            bool plain, char buf[48], struct fed_value *value);

/*
 * May the server look the column up by another value than this one? MariaDB
 * makes it the indexed column's own first, and asks no more: 12:00:00.5 finds
 * 12:00:00. What it then finds is a superset.
 */
bool rhs_rounds(const struct fed_dialect *dialect, const struct fed_column *col,
                const struct fed_value *value);

/* Around a value of the form FORM_NEAR. */
void rhs_bounds(double r, struct fed_value *low, struct fed_value *high);

/* The text of a double with `digits` digits, whatever the locale. */
void rhs_real_text(char buf[48], double r, int digits);

/* ---- pattern.c --------------------------------------------------------- */

#define PATTERN_MAX 8 /* spellings of a prefix */

/*
 * The pattern of a LIKE or GLOB in the syntax of the servers' LIKE, where a
 * backslash escapes. It matches at least the same texts. False: none does.
 */
bool pattern_like(enum term_op op, const struct fed_value *pattern,
                  struct fed_str *out);

/* The pattern, cut behind its first wildcard, which matches anything. */
void pattern_cut(enum term_op op, const struct fed_value *pattern,
                 struct fed_str *out);

/*
 * Write the `i`th of the patterns that together match every text which
 * begins as LIKE `pattern` does, in whatever case. Returns how many there
 * are; 0 where it begins with a wildcard.
 */
int pattern_prefix(const struct fed_value *pattern, int i, struct fed_str *out);

/* ---- plan.c ------------------------------------------------------------ */

/* How much of a term is of the WHERE clause, even if there are outer joins. */
enum plan_part { PLAN_NOTHING, PLAN_BEGINNING, PLAN_WHOLE };

struct plan_term {
  int16_t col;    /* column of the table */
  uint8_t op;     /* enum term_op, */
  uint8_t form;   /* enum term_form: those of term_planned() */
  bool is;        /* IS: NULL matches NULL */
  bool in;        /* the value is a list (sqlite3_vtab_in) */
  bool literal;   /* the value was known to be a literal */
  bool implied;   /* by another: never sent */
  bool stands;    /* a bound value may stand for a column: see bind.c */
  uint8_t surely; /* enum plan_part; a BEGINNING is a pattern's */
  float part;     /* share of the rows that is expected to match */
  /* Whence its value comes, see struct shape_source; root 0: not known. */
  int root;
  int16_t db, from;
};

/* term_planned() of it. */
static inline struct term_now plan_now(const struct plan_term *term)
{
  return (struct term_now){.use = TERM_BIND,
                           .op = (enum term_op)term->op,
                           .form = (enum term_form)term->form,
                           .nvalue = 1};
}

/* What becomes of a term of the WHERE clause, and why so. */
struct plan_verdict {
  enum term_fit fit;
  const char *why; /* static; NULL for exact */
};

struct plan_order {
  int16_t col;
  bool desc;
};

/* What the first attempt at an order does about the first key's NULLs. */
enum plan_nulls {
  PLAN_NULLS_SAID, /* nothing: the server is told where they belong */
  PLAN_NULLS_NONE, /* makes sure that there are none: ascending */
  PLAN_NULLS_LEFT, /* leaves them to the second attempt: descending */
};

/* May the statement hold an outer join? */
enum plan_joins { PLAN_JOINS_UNKNOWN, PLAN_JOINS_INNER, PLAN_JOINS_OUTER };

/* Does the statement write, and what are the scan's rows to it? */
enum plan_write {
  PLAN_WRITE_UNKNOWN,
  PLAN_WRITE_NOT,  /* it writes nothing on the scan's server */
  PLAN_WRITE_READ, /* it does, but the rows are only read */
  PLAN_WRITE_ROWS, /* they are what UPDATE or DELETE change */
};

/* Rows that are alike in all that is read: as they come, one of each, or one
 * with their number. */
enum plan_group { PLAN_GROUP_NONE, PLAN_GROUP_ONCE, PLAN_GROUP_TIMES };

/* What an execution asks for. */
enum plan_ask { PLAN_ASK_ROWS, PLAN_ASK_NUMBER, PLAN_ASK_GROUPS };

/*
 * What one scan does. Made by xBestIndex, it travels to xFilter behind the
 * SQL text in idxStr (after its final zero), because a plan belongs to one
 * prepared statement and must live and die with it.
 */
struct plan {
  /* No two plans of a connection have the same. It is another after
   * plan_narrow(), and again after plan_widen(). */
  int64_t id;
  int16_t nterm, norder, ncol;
  bool count; /* only the number of rows is asked for */
  bool sure;  /* terms use all columns, exactly: SQLite checks none */
  bool guard; /* the order has a first attempt, see deparse.c */
  enum plan_nulls nulls; /* of it */
  bool peek;             /* min() or max(), it seems: one row will do */
  double rows;           /* expected; SQLite's estimatedRows */
  int16_t limit, offset; /* argument numbers, from 1; 0 none */
  const struct fed_dialect *dialect;
  /* Found when it first runs (scan.c): is the server read more than once by
   * this statement, and which is it? Does it only count rows, if `sure`? Are
   * all terms of its WHERE? */
  bool looked;
  enum plan_joins joins;
  bool stands; /* a term has it */
  const void *group;
  bool counts;
  int16_t nwide; /* not 0: ncol was more, for not all columns are read */
  bool wrong;    /* one was after all */
  bool groups;   /* it may pay to group by some column */
  enum plan_group alike;
  enum plan_write write;
  bool batch; /* and no other cursor of the statement is on the table */
  bool whole; /* and xUpdate is to get all their columns, changed or not */
  bool apart; /* it is the only scan of its server */
  bool moved; /* it is not, or no more, as idxStr has it */
  /* Arrays behind the struct: terms in argument order, order, columns. */
};

struct plan_term *plan_terms(const struct plan *plan);
struct plan_order *plan_orders(const struct plan *plan);
int16_t *plan_columns(const struct plan *plan);

/* Does it look up by a value that may be another each time? */
bool plan_is_probed(const struct plan *plan);

/*
 * Fetch only those columns of the plan that are read (a bit each, the last for
 * all from the 64th on), besides those of its order and, where rows are not
 * grouped, of its terms; and undo it.
 */
void plan_narrow(const struct fed_table *table, struct plan *plan,
                 uint64_t columns);
void plan_widen(struct plan *plan);

/* Its rows are to be changed: as rows, locked, and with the columns by which
 * they are found again. */
void plan_lock(const struct fed_table *table, struct plan *plan);

/* What it asks for, as planned. */
enum plan_ask plan_asks(const struct plan *plan);

/* Does nothing else that is asked for tell the type of term `i`'s column? */
bool plan_asks_type(const struct plan *plan, enum plan_ask ask, int i);

int plan_best_index(sqlite3_vtab *vtab, sqlite3_index_info *info);

/* Can a value of the column be a text? */
bool plan_has_text(const struct fed_column *col);

/* Is the operator of a constraint a LIMIT or OFFSET? */
bool plan_is_limit(unsigned char op);

/* Is a LIMIT offered? */
bool plan_wants_limit(const sqlite3_index_info *info);

/* Why the order, or the limit, cannot be sent; NULL if it can. */
const char *plan_order_bar(const struct fed_table *table,
                           const struct fed_dialect *dialect,
                           const sqlite3_index_info *info);
const char *plan_limit_bar(const struct fed_table *table,
                           const struct plan *plan, sqlite3_index_info *info);

/* What becomes of constraint `i`; fills *term unless it is local. */
struct plan_verdict plan_term(const struct fed_table *table,
                              const struct fed_dialect *dialect,
                              sqlite3_index_info *info, int i,
                              struct plan_term *term);

/* The plan behind idxStr. */
struct plan *plan_of(const char *idxstr);

/* ---- group.c ----------------------------------------------------------- */

struct shape;
struct shape_use;

/* Shall rows that are alike come once? To be called when all else is known. */
void group_plan(const struct fed_table *table, struct plan *plan,
                sqlite3_index_info *info);

/* The same once more, by what the statement's program reads of its rows. */
void group_look(const struct fed_table *table, struct plan *plan,
                const struct shape *shape, const struct shape_use *use);

/* ---- cost.c ------------------------------------------------------------ */

#define COST_LIST 25.0 /* values of an IN list, as SQLite takes it */

/* Set the plan's cost and SQLITE_INDEX_SCAN_UNIQUE, how many rows it gives and
 * which part of them each term leaves. */
void cost_plan(const struct fed_table *table, struct plan *plan,
               sqlite3_index_info *info);

/* ---- explain.c, note.c: fed_explain ------------------------------------ */

struct explain;

int explain_fill(struct fed_db *fdb, struct status_rows *rows,
                 struct fed_err *err);

/*
 * Note down what plan.c made of `info`, and mark it by a number in idxNum.
 * Called while fed_explain() prepares a statement (fdb->explain).
 */
int explain_plan(const struct fed_table *table, const struct plan *plan,
                 sqlite3_index_info *info, struct fed_err *err);

/* ---- deparse.c --------------------------------------------------------- */

/*
 * Write the plan as remote SQL. `now` has one entry per term, NULL shows the
 * statement as planned. `limit` < 0 writes none. `first`: the attempt whose
 * rows are in order, but need not be all.
 */
void deparse(const struct fed_table *table, const struct plan *plan,
             const struct term_now *now, int64_t limit, enum plan_ask ask,
             bool first, struct fed_str *sql);

/* Give a value to SQLite. */
void scan_result(sqlite3_context *ctx, const struct fed_value *value);

/* ---- scan.c ------------------------------------------------------------ */

int scan_open(sqlite3_vtab *vtab, sqlite3_vtab_cursor **out);
int scan_close(sqlite3_vtab_cursor *cursor);
/* Free the table's spare cursor. */
void scan_release(struct fed_table *table);
int scan_filter(sqlite3_vtab_cursor *cursor, int idxnum, const char *idxstr,
                int argc, sqlite3_value **argv);
int scan_next(sqlite3_vtab_cursor *cursor);
int scan_eof(sqlite3_vtab_cursor *cursor);
int scan_column(sqlite3_vtab_cursor *cursor, sqlite3_context *ctx, int i);
int scan_rowid(sqlite3_vtab_cursor *cursor, sqlite3_int64 *out);

#endif
