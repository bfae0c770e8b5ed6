/*
 * explain: fed_explain, what of a statement is sent to servers, and why the
 * rest stays here. Nothing is executed.
 *
 * EXPLAIN QUERY PLAN is prepared and read. While SQLite plans, it calls
 * xBestIndex more than once for a table; note.c writes down each call under a
 * number, which comes back in the text of the plan that was chosen ("VIRTUAL
 * TABLE INDEX 3:SELECT ..."). The plan's other lines are SQLite's own part.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "vtab/explain.h"
#include "vtab/shape.h"

/* ---- reading SQLite's plan --------------------------------------------- */

/* A line of EXPLAIN QUERY PLAN. */
struct explain_node {
  int id, parent; /* ids */
  bool loop;      /* over rows, inside the loops before it */
  bool branch;    /* of an OR: it stands where its parent stands */
  bool repeated;  /* run anew for the rows of a query outside */
};

struct explain_tree {
  struct explain_node *node;
  int n, room;
  int nloop;
};

static bool explain_begins(const char *detail, const char *word)
{
  return strncmp(detail, word, strlen(word)) == 0;
}

static int explain_add_node(struct explain_tree *tree, int id, int parent,
                            const char *detail, struct fed_err *err)
{
  if (tree->n == tree->room) {
    int room = tree->room ? tree->room * 2 : 16;
    struct explain_node *node =
      fed_realloc(tree->node, (size_t)room * sizeof *node);

    if (!node) return fed_err_nomem(err);
    tree->node = node;
    tree->room = room;
  }
  tree->node[tree->n++] = (struct explain_node){
    .id = id,
    .parent = parent,
    .loop = explain_begins(detail, "SCAN ") ||
            explain_begins(detail, "SEARCH ") ||
            explain_begins(detail, "MULTI-INDEX OR"),
    .branch = explain_begins(detail, "INDEX ") ||
              explain_begins(detail, "MULTI-INDEX OR"),
    .repeated = explain_begins(detail, "CORRELATED "),
  };
  return SQLITE_OK;
}

static const struct explain_node *
explain_parent(const struct explain_tree *tree, const struct explain_node *node)
{
  for (int i = 0; i < tree->n; i++)
    if (tree->node[i].id == node->parent) return &tree->node[i];
  return NULL;
}

/* Is the newest line a loop inside another one of its query? */
static bool explain_is_inner(const struct explain_tree *tree)
{
  const struct explain_node *node = &tree->node[tree->n - 1];

  while (node) {
    const struct explain_node *up = explain_parent(tree, node);

    for (const struct explain_node *p = tree->node; p < node; p++)
      if (p->parent == node->parent && p->loop) return true;
    node = up && up->branch ? up : NULL;
  }
  return false;
}

/* Is its query run anew for the rows of another? */
static bool explain_is_repeated(const struct explain_tree *tree)
{
  const struct explain_node *node = &tree->node[tree->n - 1];

  while (node && !node->repeated)
    node = explain_parent(tree, node);
  return node != NULL;
}

/* The call that "SCAN o VIRTUAL TABLE INDEX 3:SELECT ..." is about, or NULL;
 * `alias` is the line behind its first word, *end where the name ends. */
static const struct explain_call *explain_chosen(const struct explain *explain,
                                                 const char *alias,
                                                 const char **end)
{
  static const char mark[] = " VIRTUAL TABLE INDEX ";

  for (*end = strstr(alias, mark); *end; *end = strstr(*end + 1, mark)) {
    char *sql = NULL;
    long number = strtol(*end + sizeof mark - 1, &sql, 10);

    FED_LIST_EACH(link, &explain->calls)
    {
      struct explain_call *call =
        FED_CONTAINER(link, struct explain_call, link);

      if (--number == 0 && *sql == ':' && explain_begins(sql + 1, call->sql))
        return call;
    }
  }
  return NULL;
}

/* ---- rows -------------------------------------------------------------- */

/* How the rows for those of the loops outside are fetched. */
static void explain_join(const struct explain_tree *tree,
                         const struct explain_call *call,
                         struct status_rows *lines)
{
  bool inner = explain_is_inner(tree);

  if (inner && call->keys.len)
    explain_line(lines, "join", call->keys.s, NULL,
                 "looked up one by one, in batches, or all fetched once: what "
                 "turns out cheaper");
  else if (inner)
    explain_line(lines, "join", NULL, NULL,
                 "read for each row of the loops outside, or kept: what is "
                 "cheaper");
  else if (explain_is_repeated(tree))
    explain_line(lines, "join", NULL, NULL,
                 "run for each row of the query outside, or kept: what is "
                 "cheaper");
}

struct explain_out {
  struct status_rows *rows;
  const char *table, *server;
  int scan; /* 0: of no loop */
};

static void explain_row(const struct explain_out *out,
                        const struct fed_value *line)
{
  if (out->scan)
    status_int(out->rows, out->scan);
  else
    status_null(out->rows);
  status_text(out->rows, out->table);
  status_text(out->rows, out->server);
  for (int i = 0; i < EXPLAIN_LINE; i++)
    status_value(out->rows, &line[i]);
}

static void explain_rows(const struct explain_out *out,
                         const struct status_rows *lines)
{
  for (int64_t i = 0; i + EXPLAIN_LINE <= lines->nvalue; i += EXPLAIN_LINE)
    explain_row(out, &lines->value[i]);
}

/* "shop.orders", or "shop.orders AS o" where it has another name. */
static void explain_alias(const struct explain_call *call, const char *alias,
                          const char *end, struct fed_str *name)
{
  size_t n = (size_t)(end - alias), whole = strlen(call->name);

  fed_str_add(name, call->name);
  if (n == whole || (n < whole && call->name[whole - n - 1] == '.'))
    if (sqlite3_strnicmp(alias, call->name + whole - n, (int)n) == 0) return;
  fed_str_add(name, " AS ");
  fed_str_addn(name, alias, n);
}

static void explain_scan(const struct explain_tree *tree,
                         const struct explain_call *call, const char *alias,
                         const char *end, struct status_rows *rows)
{
  struct explain_out out = {
    .rows = rows, .server = call->server, .scan = tree->nloop};
  struct status_rows first = {0};
  struct fed_str name;

  fed_str_init(&name, FED_STR_SQL);
  explain_alias(call, alias, end, &name);
  out.table = name.s;
  explain_line(&first, "sql", call->sql, NULL, NULL);
  explain_join(tree, call, &first);
  explain_rows(&out, &first);
  explain_rows(&out, &call->lines);
  rows->nomem |= first.nomem || name.nomem;
  status_clear(&first);
  fed_str_release(&name);
}

/* What SQLite does itself. */
static void explain_own(const struct explain_out *out, const char *detail)
{
  bool sorts = explain_begins(detail, "USE TEMP B-TREE");
  struct status_rows line = {0};

  explain_line(&line, "sqlite", detail, sorts ? "local" : NULL, NULL);
  explain_rows(out, &line);
  out->rows->nomem |= line.nomem;
  status_clear(&line);
}

/* One line of SQLite's plan. */
static int explain_step(const struct explain *explain,
                        struct explain_tree *tree, sqlite3_stmt *stmt,
                        struct status_rows *rows, struct fed_err *err)
{
  const char *detail = (const char *)sqlite3_column_text(stmt, 3);
  const struct explain_call *call = NULL;
  struct explain_out out = {.rows = rows};
  const char *alias, *end = NULL;
  int rc;

  if (!detail) return fed_err_nomem(err);
  rc = explain_add_node(tree, sqlite3_column_int(stmt, 0),
                        sqlite3_column_int(stmt, 1), detail, err);
  if (rc != SQLITE_OK) return rc;
  alias = detail + strcspn(detail, " ");
  if (explain_begins(detail, "SCAN ") || explain_begins(detail, "SEARCH ")) {
    out.scan = ++tree->nloop;
    call = explain_chosen(explain, ++alias, &end);
  }
  if (call)
    explain_scan(tree, call, alias, end, rows);
  else
    explain_own(&out, detail);
  return SQLITE_OK;
}

static int explain_run(struct fed_db *fdb, struct explain *explain,
                       struct status_rows *rows, struct fed_err *err)
{
  struct explain_tree tree = {0};
  sqlite3_stmt *stmt = NULL;
  int rc = text_prepare(fdb, "fed_explain", "EXPLAIN QUERY PLAN ",
                        rows->argv[0], true, &stmt, err);

  if (rc != SQLITE_OK) return rc;
  while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
    rc = explain_step(explain, &tree, stmt, rows, err);
    if (rc != SQLITE_OK) break;
  }
  if (rc == SQLITE_DONE)
    rc = SQLITE_OK;
  else if (err->rc == SQLITE_OK)
    rc = db_error(fdb, rc, err);
  sqlite3_finalize(stmt);
  fed_free(tree.node);
  return rc;
}

int explain_fill(struct fed_db *fdb, struct status_rows *rows,
                 struct fed_err *err)
{
  struct explain explain = {.ncall = 0};
  struct explain *before = fdb->explain;
  const char *sql;
  int rc;

  if (rows->argc < 1)
    return fed_err_set(err, SQLITE_MISUSE,
                       "usage: SELECT * FROM fed_explain('SELECT ...')");
  fed_list_init(&explain.calls);
  sql = (const char *)sqlite3_value_text(rows->argv[0]);
  explain.outer = sql && shape_is_outer(fdb->db, sql);
  fdb->explain = &explain;
  rc = explain_run(fdb, &explain, rows, err);
  fdb->explain = before;
  explain_release(&explain);
  return rc;
}
