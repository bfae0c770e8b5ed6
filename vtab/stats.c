/*
 * stats: the servers' statistics grow old. They are read again, of one table
 * at a time, when a scan of it starts: no network is touched while SQLite
 * plans. Plans made from then on go by them.
 */
#include "vtab/scan.h"

/* Rows and look-ups since the last time, before another one is due: reading
 * statistics costs some of each. */
#define STATS_USES    1000
#define STATS_WAIT_MS 2000

void stats_set_rows(struct fed_relation *rel, double rows)
{
  for (int i = 0; i < rel->ncol; i++) {
    struct fed_column *col = &rel->col[i];

    if (rel->rows <= 0)
      col->distinct = -1;
    else if (col->distinct > rel->rows / 10)
      col->distinct *= rows / rel->rows;
  }
  rel->rows = rows;
}

void stats_take(struct fed_table *table, const struct fed_relation *now)
{
  const char *driver;
  struct fed_relation *kept =
    attach_find(table->fdb, table->server, table->schema, table->name, &driver);

  fed_relation_take_stats(&table->rel, now);
  if (table->rows >= 0) stats_set_rows(&table->rel, table->rows);
  if (kept && kept != now) fed_relation_take_stats(kept, now);
}

/* Whoever holds a connection must not wait for another: later, then. */
static int stats_ask(struct fed_table *table, struct fed_server *server,
                     struct fed_catalog *out)
{
  struct fed_scope scope = {.schema = table->rel.schema,
                            .table = table->rel.name};
  struct fed_wait forever = fed_db_wait(table->fdb);
  struct fed_wait wait = fed_wait_within(&forever, STATS_WAIT_MS);
  struct fed_err ignored = FED_ERR_INIT;
  struct fed_conn *conn = NULL;
  int rc = fed_pool_try_get(server, &wait, &conn, &ignored);

  if (rc != SQLITE_OK) return rc;
  rc = fed_conn_catalog(conn, &scope, out, &wait, &ignored);
  fed_pool_put(conn);
  return rc;
}

static bool stats_are_old(const struct fed_table *table,
                          const struct fed_server *server)
{
  int64_t age = fed_clock_wall_ms() - table->rel.asked;
  int64_t most = fed_server_stats_max_age(server);

  return most > 0 && (age >= most || age < 0);
}

static void stats_renew(struct fed_table *table)
{
  struct fed_err ignored = FED_ERR_INIT;
  struct fed_server *server = NULL;
  struct fed_catalog cat = {0};

  table->used = 0;
  if (table->rel.kind == FED_KIND_QUERY ||
      !sqlite3_get_autocommit(table->fdb->db) ||
      table_server(table, &server, &ignored) != SQLITE_OK)
    return;
  if (stats_are_old(table, server)) {
    /* Failed or not: the next attempt is as far away. */
    table->rel.asked = fed_clock_wall_ms();
    if (stats_ask(table, server, &cat) == SQLITE_OK && cat.nrel == 1)
      stats_take(table, &cat.rel[0]);
    fed_catalog_release(&cat);
  }
}

void stats_refresh(struct fed_table *table)
{
  if (table->used >= STATS_USES) stats_renew(table);
}
