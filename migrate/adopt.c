/*
 * adopt: take over the history of another tool. Each keeps a table; what it
 * says is applied is written into ours, with the checksums of the files as
 * they are now.
 */
#include "migrate/migrate_int.h"

#include "base/mem.h"

/* One tool, and what gives the versions that its table says are applied. */
struct adopt_tool {
  const char *name;
  const char *sql;
  bool only_last; /* one row: all up to that version */
  bool dates;     /* source_version_diesel */
  bool baselines; /* a second column says which row stands for all below */
};

/* clang-format off */
static const struct adopt_tool adopt_tools[] = {
  {"golang-migrate",
   "SELECT version, dirty FROM schema_migrations", true, false, false},
  {"dbmate",
   "SELECT version FROM schema_migrations", false, false, false},
  {"goose",
   "SELECT version_id FROM goose_db_version g WHERE version_id > 0 AND "
   "is_applied AND id = (SELECT max(id) FROM goose_db_version h WHERE "
   "h.version_id = g.version_id)", false, false, false},
  {"flyway",
   "SELECT version, CASE WHEN type IN ('BASELINE', 'SQL_BASELINE') THEN 1 ELSE "
   "0 END FROM flyway_schema_history WHERE success AND version IS NOT NULL",
   false, false, true},
  {"sqlx",
   "SELECT version FROM _sqlx_migrations WHERE success", false, false, false},
  {"diesel",
   "SELECT version FROM __diesel_schema_migrations", false, true, false},
};
/* clang-format on */

struct adopt {
  struct migrate *m;
  const struct adopt_tool *tool;
  char (*version)[SOURCE_VERSION_MAX]; /* canonical */
  int n, room;
  char baseline[SOURCE_VERSION_MAX];
  bool dirty; /* golang-migrate does not know how far that version is */
};

static int adopt_row(void *arg, const struct fed_value *row,
                     struct fed_err *err)
{
  struct adopt *adopt = arg;
  char text[SOURCE_VERSION_MAX];
  int rc;

  if (adopt->n == adopt->room) {
    int room = adopt->room ? adopt->room * 2 : 64;
    void *more =
      fed_realloc(adopt->version, (size_t)room * sizeof *adopt->version);

    if (!more) return fed_err_nomem(err);
    adopt->version = more;
    adopt->room = room;
  }
  if (row[0].type == FED_INT)
    sqlite3_snprintf(sizeof text, text, "%lld", (long long)row[0].i);
  else
    sqlite3_snprintf(sizeof text, text, "%.*s",
                     row[0].type == FED_TEXT ? (int)row[0].size : 0, row[0].p);
  rc = source_version_parse(text, adopt->version[adopt->n], err);
  if (rc == SQLITE_OK && adopt->tool->dates)
    source_version_diesel(adopt->version[adopt->n]);
  if (adopt->tool->only_last && row[1].type == FED_INT && row[1].i)
    adopt->dirty = true;
  if (adopt->tool->baselines && row[1].type == FED_INT && row[1].i)
    memcpy(adopt->baseline, adopt->version[adopt->n], SOURCE_VERSION_MAX);
  adopt->n++;
  return rc;
}

/* Ask each tool's table; one that is not there is an error of its query. */
static int adopt_find(struct adopt *adopt, struct fed_err *err)
{
  for (size_t i = 0; i < FED_LEN(adopt_tools); i++) {
    struct fed_err absent = FED_ERR_INIT;
    int rc;

    adopt->tool = &adopt_tools[i];
    adopt->n = 0;
    rc = target_query(adopt->m->target, adopt->tool->sql, NULL, 0, adopt_row,
                      adopt, &absent);
    if (rc == SQLITE_OK && adopt->dirty)
      return fed_err_set(err, SQLITE_ERROR,
                         "target '%s': version %s is dirty in the history of "
                         "golang-migrate: set it right, tell it by 'migrate "
                         "force', and adopt then",
                         adopt->m->target->name, adopt->version[0]);
    if (rc == SQLITE_OK) return SQLITE_OK;
    if (adopt->m->target->conn->broken || rc == SQLITE_INTERRUPT ||
        rc == SQLITE_NOMEM) {
      *err = absent;
      return rc;
    }
  }
  return fed_err_set(err, SQLITE_ERROR,
                     "target '%s': no history to adopt: neither of "
                     "golang-migrate, dbmate, goose, flyway, sqlx nor diesel",
                     adopt->m->target->name);
}

static bool adopt_has(const struct adopt *adopt, const char *version)
{
  for (int i = 0; i < adopt->n; i++) {
    int order = source_version_cmp(version, adopt->version[i]);

    if (adopt->tool->only_last ? order <= 0 : order == 0) return true;
  }
  return false;
}

static int adopt_write(struct migrate *m, const struct adopt *adopt,
                       struct fed_err *err)
{
  const char *baseline = adopt->baseline;
  int rc = SQLITE_OK;

  if (*baseline && !history_find(&m->history, baseline, ""))
    rc = migrate_write(m, HISTORY_BASELINE, baseline, "baseline", "", err);
  for (int i = 0; i < m->plan.n && rc == SQLITE_OK; i++) {
    const struct plan_item *item = &m->plan.item[i];

    if (*baseline && source_version_cmp(plan_version(item), baseline) <= 0)
      continue;
    if (item->row || !*plan_version(item) ||
        !adopt_has(adopt, plan_version(item)))
      continue;
    rc = migrate_write(m, HISTORY_ADOPT, plan_version(item), plan_name(item),
                       item->file->checksum, err);
  }
  return rc;
}

/* A query that fails would end the transaction: so they come before it. */
int migrate_adopt(struct migrate *m, struct fed_err *err)
{
  struct adopt adopt = {.m = m};
  int rc = adopt_find(&adopt, err);

  if (rc == SQLITE_OK && !m->opts.dry_run) rc = target_begin(m->target, err);
  if (rc == SQLITE_OK) rc = adopt_write(m, &adopt, err);
  if (rc == SQLITE_OK && !m->opts.dry_run) rc = target_commit(m->target, err);
  target_rollback(m->target);
  fed_free(adopt.version);
  return rc;
}
