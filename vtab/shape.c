/*
 * shape: reading the program of the running statement.
 *
 * xFilter is told about one scan. Whether others will follow, and whether
 * anybody will look at the rows, stands in the statement's program, which
 * EXPLAIN shows:
 *
 *     1 VOpen    0 .. vtab:55FFE4C68CD8    cursor 0 is on that sqlite3_vtab
 *     5 VFilter  0 .. SELECT "id", ...     a scan begins; P4 is our idxStr
 *     7 VColumn  0 2                       a column is read
 *    10 VNext    0 6                       back to 6: not around the VFilter
 *    20 Next     1 3                       back to 3: around it, so a loop
 *
 * The EXPLAIN is prepared anew from the statement's text, so its plan may in
 * theory be another one; what is concluded must do no harm then.
 */
#include "vtab/shape.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define SHAPE_SCANS 128
#define SHAPE_DEPTH 16

/* One VFilter of a program. */
struct shape_scan {
  int addr, cursor;
  int until; /* a jump back from here on does not repeat it (Once) */
  bool looped;
};

/* A register, and the last that was read into it. */
struct shape_load {
  int reg, cursor, col;
};

/* An ordinary table's cursor. */
struct shape_table {
  int cursor, root, db;
  bool whole; /* from its beginning on */
};

#define SHAPE_LOADS 32 /* the last ones */

/* One program: the statement's own, or that of a trigger. */
struct shape_reader {
  struct shape *shape;
  const char *idxstr; /* looked for */
  bool found;
  bool full; /* more than fits */

  int addr; /* of the row read last */
  int cursor[SHAPE_TABLES];
  int use[SHAPE_TABLES]; /* of that cursor */
  int ncursor;
  struct shape_scan scan[SHAPE_SCANS];
  int nscan;
  int once[SHAPE_DEPTH]; /* ends of the Once blocks we are in */
  int nonce;
  int call[SHAPE_DEPTH]; /* where subroutines begin that do not end above */
  int ncall;
  struct {
    int addr, reg;
  } ret[SHAPE_SCANS]; /* where others end */
  int nret;
  struct shape_table table[SHAPE_TABLES];
  int ntable;
  struct shape_load load[SHAPE_LOADS];
  unsigned nload;
  int number[SHAPE_SCANS]; /* registers that are made numbers */
  int nnumber;
};

struct shape_row {
  int addr, p1, p2, p3, p5;
  const char *opcode, *p4;
};

static bool shape_is(const struct shape_row *row, const char *opcode)
{
  return strcmp(row->opcode, opcode) == 0;
}

const struct shape_use *shape_use(const struct shape *shape,
                                  const sqlite3_vtab *vtab)
{
  for (int i = 0; i < shape->n; i++)
    if (shape->use[i].vtab == vtab) return &shape->use[i];
  return NULL;
}

/* Where a cursor's table stands in shape->use; -1: not a virtual one. */
static int shape_cursor(const struct shape_reader *r, int cursor)
{
  for (int i = 0; i < r->ncursor; i++)
    if (r->cursor[i] == cursor) return r->use[i];
  return -1;
}

static int shape_add(struct shape *shape, const sqlite3_vtab *vtab)
{
  int i = 0;

  while (i < shape->n && shape->use[i].vtab != vtab)
    i++;
  if (i == SHAPE_TABLES) return -1;
  if (i == shape->n) shape->use[shape->n++] = (struct shape_use){.vtab = vtab};
  return i;
}

/* The table that P4 names, "vtab:" and a pointer as printf's %p writes it; -1:
 * there are too many. */
static int shape_vtab(struct shape *shape, const struct shape_row *row)
{
  uintptr_t address = (uintptr_t)strtoull(row->p4 + 5, NULL, 16);

  return shape_add(shape, (const sqlite3_vtab *)address);
}

static void shape_open(struct shape_reader *r, const struct shape_row *row)
{
  int use;

  if (!row->p4 || strncmp(row->p4, "vtab:", 5) != 0) return;
  use = shape_vtab(r->shape, row);
  r->full |= use < 0 || r->ncursor == SHAPE_TABLES;
  if (r->full) return;
  r->shape->use[use].cursors++;
  r->cursor[r->ncursor] = row->p1;
  r->use[r->ncursor++] = use;
}

static struct shape_table *shape_table(struct shape_reader *r, int cursor)
{
  for (int i = 0; i < r->ntable; i++)
    if (r->table[i].cursor == cursor) return &r->table[i];
  return NULL;
}

/* What ordinary tables are read, and into which registers. */
static void shape_local(struct shape_reader *r, const struct shape_row *row)
{
  struct shape_table *table = shape_table(r, row->p1);

  if (shape_is(row, "OpenRead") && !table && r->ntable < SHAPE_TABLES) {
    r->table[r->ntable++] =
      (struct shape_table){.cursor = row->p1, .root = row->p2, .db = row->p3};
    return;
  }
  if (!table) return;
  if (shape_is(row, "Rewind")) table->whole = true;
  if (shape_is(row, "Column"))
    r->load[r->nload++ % SHAPE_LOADS] =
      (struct shape_load){row->p3, row->p1, row->p2};
  if (shape_is(row, "Rowid"))
    r->load[r->nload++ % SHAPE_LOADS] =
      (struct shape_load){row->p2, row->p1, -1};
}

/* Registers to which a numeric affinity is applied. */
static void shape_affinity(struct shape_reader *r, const struct shape_row *row)
{
  for (int i = 0; row->p4 && i < row->p2 && row->p4[i]; i++) {
    if (row->p4[i] < 'C') continue;
    r->full |= r->nnumber == SHAPE_SCANS;
    if (r->full) return;
    r->number[r->nnumber++] = row->p1 + i;
  }
}

static bool shape_is_number(const struct shape_reader *r, int reg)
{
  for (int i = 0; i < r->nnumber; i++)
    if (r->number[i] == reg) return true;
  return false;
}

static struct shape_source shape_source(struct shape_reader *r, int reg)
{
  unsigned n = r->nload < SHAPE_LOADS ? r->nload : SHAPE_LOADS;
  struct shape_source none = {0};

  for (unsigned i = 1; i <= n; i++) {
    const struct shape_load *load = &r->load[(r->nload - i) % SHAPE_LOADS];
    const struct shape_table *table = shape_table(r, load->cursor);

    if (load->reg != reg) continue;
    if (!table || !table->whole) return none;
    return (struct shape_source){
      .root = table->root, .db = table->db, .col = load->col};
  }
  return none;
}

static void shape_filter(struct shape_reader *r, const struct shape_row *row)
{
  struct shape_scan *scan = &r->scan[r->nscan];

  r->full |= r->nscan == SHAPE_SCANS;
  if (r->full) return;
  *scan = (struct shape_scan){.addr = row->addr, .cursor = row->p1};
  scan->until = r->nonce ? r->once[r->nonce - 1] : INT32_MAX;
  for (int i = 0; i < r->ncall; i++)
    scan->looped |= r->call[i] <= row->addr;
  r->nscan++;
  if (!row->p4 || strcmp(row->p4, r->idxstr) != 0) return;
  r->found = true;
  /* P3 and the next are idxNum and the number of arguments. */
  for (int i = 0; i < SHAPE_ARGS; i++) {
    struct shape_source *to = &r->shape->source[i];
    bool converted = to->converted; /* in another scan with the same text */

    *to = shape_source(r, row->p3 + 2 + i);
    to->converted = converted || shape_is_number(r, row->p3 + 2 + i);
  }
}

/* A jump back to `row->p2` repeats what lies between, but for what stands in
 * a Once block that began later. */
static void shape_jump(struct shape_reader *r, const struct shape_row *row)
{
  for (int i = 0; i < r->nscan; i++) {
    struct shape_scan *scan = &r->scan[i];

    if (row->p2 <= scan->addr && row->addr < scan->until) scan->looped = true;
  }
}

/* The end of the subroutine that begins at `addr`, if it stands above. */
static int shape_end(const struct shape_reader *r, int addr, int reg)
{
  for (int i = 0; i < r->nret; i++)
    if (r->ret[i].addr > addr && r->ret[i].reg == reg) return r->ret[i].addr;
  return INT32_MAX;
}

/* A subroutine may be called often: what it scans, above or yet to come. */
static void shape_call(struct shape_reader *r, const struct shape_row *row)
{
  int end = shape_end(r, row->p2, row->p1);

  for (int i = 0; i < r->nscan; i++)
    if (row->p2 <= r->scan[i].addr && r->scan[i].addr < end)
      r->scan[i].looped = true;
  r->full |= r->ncall == SHAPE_DEPTH;
  if (!r->full && row->p2 > row->addr) r->call[r->ncall++] = row->p2;
}

static void shape_return(struct shape_reader *r, const struct shape_row *row)
{
  int n = 0;

  r->full |= r->nret == SHAPE_SCANS;
  if (r->full) return;
  r->ret[r->nret].addr = row->addr;
  r->ret[r->nret++].reg = row->p1;
  for (int i = 0; i < r->ncall; i++)
    if (r->call[i] > row->addr) r->call[n++] = r->call[i];
  r->ncall = n;
}

static void shape_once(struct shape_reader *r, const struct shape_row *row)
{
  while (r->nonce && r->once[r->nonce - 1] <= row->addr)
    r->nonce--;
  if (!shape_is(row, "Once")) return;
  r->full |= r->nonce == SHAPE_DEPTH;
  if (!r->full) r->once[r->nonce++] = row->p2;
}

/* A program ends; that of a trigger may follow. */
static void shape_flush(struct shape_reader *r)
{
  for (int i = 0; i < r->nscan; i++) {
    int use = shape_cursor(r, r->scan[i].cursor);

    if (use < 0) continue;
    r->shape->use[use].scans += r->scan[i].looped ? 2 : 1;
    if (r->shape->use[use].scans > 2) r->shape->use[use].scans = 2;
  }
  r->ncursor = r->nscan = r->nonce = r->ncall = r->nret = 0;
  r->ntable = 0;
  r->nload = 0;
  r->nnumber = 0;
}

#define SHAPE_UNCHANGED 1 /* OPFLAG_NOCHNG, in P5 of a VColumn */
#define SHAPE_REPLACE   5 /* OE_Replace, in P5 of a VUpdate */

static void shape_reads(struct shape_use *use, const struct shape_row *row)
{
  if (row->p5 & SHAPE_UNCHANGED && shape_is(row, "VColumn")) return;
  use->read = true;
  if (shape_is(row, "VColumn"))
    use->columns |= (uint64_t)1 << (row->p2 < 63 ? row->p2 : 63);
  else
    use->rowid = true;
  use->rowids += !shape_is(row, "VColumn");
}

static void shape_update(struct shape_reader *r, const struct shape_row *row)
{
  int use;

  if (!row->p4 || strncmp(row->p4, "vtab:", 5) != 0) return;
  use = shape_vtab(r->shape, row);
  r->full |= use < 0;
  if (use < 0) return;
  r->shape->use[use].written = true;
  r->shape->use[use].deletes |= row->p2 == 1; /* arguments: the rowid alone */
  r->shape->use[use].replaces |= row->p5 == SHAPE_REPLACE;
}

static void shape_row(struct shape_reader *r, const struct shape_row *row)
{
  static const char *const back[] = {"VNext", "Next", "Prev", "SorterNext",
                                     "Goto"};
  static const char *const reads[] = {"VColumn", "Rowid", "VRowid"};
  int use = shape_cursor(r, row->p1);

  if (row->addr < r->addr) shape_flush(r);
  r->addr = row->addr;
  shape_once(r, row);
  shape_local(r, row);
  if (shape_is(row, "Affinity")) shape_affinity(r, row);
  if (shape_is(row, "VOpen")) shape_open(r, row);
  if (shape_is(row, "VFilter")) shape_filter(r, row);
  if (shape_is(row, "VUpdate")) shape_update(r, row);
  if (shape_is(row, "Gosub")) shape_call(r, row);
  if (shape_is(row, "Return")) shape_return(r, row);
  r->shape->aggregates |= shape_is(row, "AggStep");
  if (shape_is(row, "AggStep") && row->p4 && strcmp(row->p4, "count(0)") == 0)
    r->shape->counts = true;
  /* The last Goto of a program leads to its beginning, 1. */
  for (size_t i = 0; i < FED_LEN(back); i++)
    if (row->p2 > 1 && row->p2 <= row->addr && shape_is(row, back[i]))
      shape_jump(r, row);
  for (size_t i = 0; i < FED_LEN(reads); i++)
    if (use >= 0 && shape_is(row, reads[i]))
      shape_reads(&r->shape->use[use], row);
}

static int shape_read(sqlite3 *db, const char *sql, struct shape_reader *r)
{
  char *text = sqlite3_mprintf("EXPLAIN %s", sql);
  sqlite3_stmt *stmt = NULL;
  int rc;

  if (!text) return SQLITE_NOMEM;
  rc = sqlite3_prepare_v2(db, text, -1, &stmt, NULL);
  sqlite3_free(text);
  while (rc == SQLITE_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
    struct shape_row row = {
      .addr = sqlite3_column_int(stmt, 0),
      .opcode = (const char *)sqlite3_column_text(stmt, 1),
      .p1 = sqlite3_column_int(stmt, 2),
      .p2 = sqlite3_column_int(stmt, 3),
      .p3 = sqlite3_column_int(stmt, 4),
      .p4 = (const char *)sqlite3_column_text(stmt, 5),
      .p5 = sqlite3_column_int(stmt, 6),
    };

    if (row.opcode) shape_row(r, &row);
    rc = SQLITE_OK;
  }
  sqlite3_finalize(stmt);
  shape_flush(r);
  return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

int shape_of(sqlite3 *db, const sqlite3_vtab *vtab, const char *idxstr,
             struct shape *out)
{
  struct shape shape;
  sqlite3_stmt *running = NULL;
  int found = 0, busy = 0;

  memset(out, 0, sizeof *out);
  for (sqlite3_stmt *stmt = sqlite3_next_stmt(db, NULL); stmt;
       stmt = sqlite3_next_stmt(db, stmt)) {
    struct shape_reader r = {.shape = &shape, .idxstr = idxstr};
    const char *sql = sqlite3_sql(stmt);

    if (!sqlite3_stmt_busy(stmt)) continue;
    running = busy++ ? NULL : stmt;
    if (!sql) continue;
    memset(&shape, 0, sizeof shape);
    if (shape_read(db, sql, &r) != SQLITE_OK || !r.found || r.full) continue;
    if (!shape_use(&shape, vtab)) continue;
    for (int i = 0; i < SHAPE_ARGS; i++)
      shape.source[i].converted |= out->source[i].converted;
    *out = shape;
    out->stmt = found++ ? NULL : stmt;
  }
  if (!found) out->stmt = running;
  return found ? SQLITE_OK : SQLITE_NOTFOUND;
}

/* ---- outer joins ------------------------------------------------------- */

/* Part of a name. A digit may end a ?1, so that a word begins behind it. */
static bool shape_is_letter(char c)
{
  return isalpha((unsigned char)c) || c == '_' || c == '$' ||
         (unsigned char)c >= 0x80;
}

/* Does one of the words stand there that make one, be it in a comment? */
static bool shape_text_is_outer(const char *sql)
{
  static const char *const words[] = {"left", "right", "full"};

  for (const char *p = sql; p && *p; p++) {
    if (p > sql && shape_is_letter(p[-1])) continue;
    for (size_t i = 0; i < FED_LEN(words); i++) {
      size_t n = strlen(words[i]);

      if (sqlite3_strnicmp(p, words[i], (int)n) == 0 &&
          !shape_is_letter(p[n]) && !isdigit((unsigned char)p[n]))
        return true;
    }
  }
  return !sql;
}

/* What a statement may use without naming the words. */
#define SHAPE_OUTER                                                            \
  "SELECT sql FROM \"%w\".sqlite_schema WHERE type IN ('view', 'trigger')"

static bool shape_schema_is_outer(sqlite3 *db, const char *schema)
{
  char *sql = sqlite3_mprintf(SHAPE_OUTER, schema);
  sqlite3_stmt *stmt = NULL;
  bool outer = false;
  int rc = SQLITE_NOMEM;

  if (sql) rc = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);
  sqlite3_free(sql);
  if (rc == SQLITE_OK)
    while ((rc = sqlite3_step(stmt)) == SQLITE_ROW && !outer)
      outer = shape_text_is_outer((const char *)sqlite3_column_text(stmt, 0));
  sqlite3_finalize(stmt);
  return outer || rc != SQLITE_DONE;
}

/* A file that no statement reads now is left alone, unless `all` count. */
static bool shape_is_outer_by_name(sqlite3 *db, bool all)
{
  sqlite3_stmt *stmt = NULL;
  bool outer = false;
  int rc = sqlite3_prepare_v2(db, "SELECT name FROM pragma_database_list", -1,
                              &stmt, NULL);

  if (rc == SQLITE_OK)
    while ((rc = sqlite3_step(stmt)) == SQLITE_ROW && !outer) {
      const char *name = (const char *)sqlite3_column_text(stmt, 0);

      outer = !name || ((all || sqlite3_stricmp(name, "temp") == 0 ||
                         sqlite3_txn_state(db, name) != SQLITE_TXN_NONE) &&
                        shape_schema_is_outer(db, name));
    }
  sqlite3_finalize(stmt);
  return outer || rc != SQLITE_DONE;
}

bool shape_is_outer(sqlite3 *db, const char *sql)
{
  if (sql) return shape_text_is_outer(sql) || shape_is_outer_by_name(db, true);
  for (sqlite3_stmt *stmt = sqlite3_next_stmt(db, NULL); stmt;
       stmt = sqlite3_next_stmt(db, stmt))
    if (sqlite3_stmt_busy(stmt) && shape_text_is_outer(sqlite3_sql(stmt)))
      return true;
  return shape_is_outer_by_name(db, false);
}

/* ---- without a look ---------------------------------------------------- */

static const char *shape_blanks(const char *z)
{
  return z + strspn(z, " \t\r\n");
}

/* Is `word` in the text, by itself? */
static bool shape_has(const char *sql, const char *word)
{
  size_t n = strlen(word);

  for (const char *z = sql; (z = strcasestr(z, word)) != NULL; z++) {
    bool begins = z == sql || !(isalnum((unsigned char)z[-1]) || z[-1] == '_');

    if (begins && !isalnum((unsigned char)z[n]) && z[n] != '_') return true;
  }
  return false;
}

/* Behind the identifier `name` that stands at `z`; NULL if another one does. */
static const char *shape_name(const char *z, const char *name)
{
  size_t n = strlen(name);

  return sqlite3_strnicmp(z, name, (int)n) == 0 ? z + n : NULL;
}

/* What follows a table's name where nothing is joined to it. */
static bool shape_ends(const char *z)
{
  static const char *const words[] = {"WHERE", "ORDER", "LIMIT", "GROUP"};

  if (*z == ' ' || *z == '\n' || *z == '\t' || *z == '\r') {
    z = shape_blanks(z);
    for (size_t i = 0; i < FED_LEN(words); i++)
      if (sqlite3_strnicmp(z, words[i], 5) == 0) return true;
  }
  return *z == 0 || *z == ';';
}

/* OR and IN may scan a table once for each of their parts. */
static bool shape_text_is_plain(const char *sql, const char *schema,
                                const char *name)
{
  const char *from = strcasestr(sql, "FROM");
  const char *z = shape_blanks(sql);

  if (!from || sqlite3_strnicmp(z, "SELECT", 6) != 0) return false;
  if (strcasestr(z + 6, "SELECT") || shape_has(z, "OR") || shape_has(z, "IN"))
    return false;
  z = shape_blanks(from + 4);
  z = shape_name(z, schema);
  if (!z || *z != '.') return false;
  z = shape_name(z + 1, name);
  return z && shape_ends(z);
}

bool shape_is_plain(sqlite3 *db, const char *schema, const char *name)
{
  int busy = 0;
  bool plain = false;

  for (sqlite3_stmt *stmt = sqlite3_next_stmt(db, NULL); stmt;
       stmt = sqlite3_next_stmt(db, stmt)) {
    const char *sql = sqlite3_sql(stmt);

    if (!sqlite3_stmt_busy(stmt)) continue;
    busy++;
    plain = sql && shape_text_is_plain(sql, schema, name);
  }
  return plain && busy == 1;
}
