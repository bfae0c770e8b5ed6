/*
 * pushdown: the switch that keeps all of a statement's work here, for this
 * connection or for one table. Whole rows of the used columns are fetched,
 * and SQLite does the rest: what fed_verify compares with, and the way out
 * should a server's answer ever differ.
 */
#include "base/mem.h"
#include "vtab/table.h"

/* A table that was switched off. By name, as SQLite connects it anew. */
struct pushdown_table {
  struct fed_list link; /* fdb->unpushed */
  char *schema, *name;
};

static void pushdown_free(struct pushdown_table *off)
{
  fed_list_remove(&off->link);
  fed_free(off->schema);
  fed_free(off->name);
  fed_free(off);
}

void pushdown_release(struct fed_db *fdb)
{
  FED_LIST_EACH_SAFE(node, after, &fdb->unpushed)
  pushdown_free(FED_CONTAINER(node, struct pushdown_table, link));
}

static struct pushdown_table *pushdown_find(const struct fed_table *table)
{
  FED_LIST_EACH(node, &table->fdb->unpushed)
  {
    struct pushdown_table *off =
      FED_CONTAINER(node, struct pushdown_table, link);

    if (sqlite3_stricmp(off->schema, table->schema) == 0 &&
        sqlite3_stricmp(off->name, table->name) == 0)
      return off;
  }
  return NULL;
}

bool pushdown_is_on(const struct fed_table *table)
{
  switch (table->fdb->pushdown_force) {
  case PUSHDOWN_ON:
    return true;
  case PUSHDOWN_OFF:
    return false;
  case PUSHDOWN_AS_SET:
    break;
  }
  return !table->fdb->pushdown_off && !pushdown_find(table);
}

static int pushdown_set(const struct fed_table *table, bool on,
                        struct fed_err *err)
{
  struct pushdown_table *off = pushdown_find(table);

  if (on && off) pushdown_free(off);
  if (on || off) return SQLITE_OK;
  off = fed_alloc(sizeof *off);
  if (!off) return fed_err_nomem(err);
  fed_list_push_back(&table->fdb->unpushed, &off->link);
  off->schema = fed_strdup(table->schema);
  off->name = fed_strdup(table->name);
  if (off->schema && off->name) return SQLITE_OK;
  pushdown_free(off);
  return fed_err_nomem(err);
}

/* To let statements be planned anew (db_expire) would break off one that
 * runs, where it opens its next cursor. */
static int pushdown_check_idle(struct fed_db *fdb, struct fed_err *err)
{
  int nbusy = 0;

  for (sqlite3_stmt *stmt = sqlite3_next_stmt(fdb->db, NULL); stmt;
       stmt = sqlite3_next_stmt(fdb->db, stmt))
    nbusy += sqlite3_stmt_busy(stmt) != 0;
  if (nbusy <= 1) return SQLITE_OK; /* the one that calls */
  return fed_err_set(err, SQLITE_BUSY,
                     "pushdown cannot be switched while another statement of "
                     "this connection runs");
}

bool fed_pushdown_is_state(const char *word)
{
  return sqlite3_stricmp(word, "on") == 0 || sqlite3_stricmp(word, "off") == 0;
}

int fed_pushdown(struct fed_db *fdb, const char *name, const char *state,
                 const char **out, struct fed_err *err)
{
  bool on = state && sqlite3_stricmp(state, "on") == 0;
  struct fed_table *table = NULL;
  int rc = SQLITE_OK;

  if (state && !fed_pushdown_is_state(state))
    return fed_err_set(err, SQLITE_ERROR, "pushdown is 'on' or 'off', not '%s'",
                       state);
  if (state) rc = pushdown_check_idle(fdb, err);
  if (rc == SQLITE_OK && name) rc = table_lookup(fdb, name, &table, err);
  if (rc == SQLITE_OK && table && state) rc = pushdown_set(table, on, err);
  if (rc != SQLITE_OK) return rc;
  if (state && !table) fdb->pushdown_off = !on;
  *out = (table ? pushdown_is_on(table) : !fdb->pushdown_off) ? "on" : "off";
  if (state) db_expire(fdb);
  return SQLITE_OK;
}
