#include "migrate/target.h"

#include <unistd.h>

#include "base/mem.h"
#include "pool/pool.h"

#define TARGET_POLL 2 /* slices between two attempts to take the lock */

static const struct target_kind *const target_kinds[] = {
  &target_pg, &target_mysql, &target_sqlite, NULL};

/* ---- lists of targets ---------------------------------------------------- */

#define TARGET_NAME 128 /* bytes of a name, with its final zero */

/* The name at `*list`, without blanks around it. *list moves behind the comma,
 * and is NULL at the end. */
static int target_next(const char **list, char *out, struct fed_err *err)
{
  const char *p = *list, *comma = strchr(p, ',');
  size_t size;

  p += strspn(p, " ");
  size = comma ? (size_t)(comma - p) : strlen(p);
  while (size && p[size - 1] == ' ')
    size--;
  if (!size || size >= TARGET_NAME)
    return fed_err_set(err, SQLITE_MISUSE,
                       "bad list of targets: write 'shop,crm'");
  memcpy(out, p, size);
  out[size] = 0;
  *list = comma ? comma + 1 : NULL;
  return SQLITE_OK;
}

/* What is undone twice is more than was meant. */
static int target_once(const char *list, struct fed_err *err)
{
  char name[TARGET_NAME], other[TARGET_NAME];
  int rc = SQLITE_OK;

  while (list && rc == SQLITE_OK) {
    const char *rest;

    rc = target_next(&list, name, err);
    for (rest = list; rest && rc == SQLITE_OK;) {
      rc = target_next(&rest, other, err);
      if (rc == SQLITE_OK && !sqlite3_stricmp(name, other))
        rc = fed_err_set(err, SQLITE_MISUSE,
                         "target '%s' stands twice in the list", name);
    }
  }
  return rc;
}

int target_each(const char *list, target_name_fn *fn, void *arg,
                struct fed_err *err)
{
  const char *rest = list && *list ? list : "main";
  char name[TARGET_NAME];
  int rc = target_once(rest, err);

  while (rest && rc == SQLITE_OK) {
    rc = target_next(&rest, name, err);
    if (rc == SQLITE_OK) rc = fn(arg, name, err);
  }
  return rc;
}

/* ---- connecting ---------------------------------------------------------- */

static const struct target_kind *target_kind_of(const struct fed_driver *drv)
{
  for (int i = 0; target_kinds[i]; i++)
    if (!strcmp(target_kinds[i]->driver, drv->name)) return target_kinds[i];
  return NULL;
}

/* The file of an attached database, as a server would name it. */
static int target_attached(struct target *target, const char *path,
                           struct fed_err *err)
{
  struct fed_dsn dsn = {0};
  int rc;

  if (!*path)
    return fed_err_set(err, SQLITE_ERROR,
                       "database '%s' is in memory: migrations need its file, "
                       "or it as main",
                       target->name);
  rc = fed_dsn_parse(&dsn, "sqlite:x", err);
  dsn.plain = true;
  if (rc == SQLITE_OK) rc = fed_dsn_set(&dsn, "path", path, err);
  if (rc == SQLITE_OK)
    rc = fed_conn_open(&target->conn, &dsn, &target->wait, err);
  fed_dsn_release(&dsn);
  return rc;
}

static int target_server(struct target *target, struct fed_err *err)
{
  struct fed_server *server = NULL;
  int rc = fed_server_find(target->name, &server, err);

  if (rc != SQLITE_OK && access(target->name, F_OK) == 0)
    fed_err_suffix(err, "; if the migrations are there: 'dir=%s'",
                   target->name);
  if (rc == SQLITE_OK)
    rc = fed_server_connect(server, true, &target->conn, &target->wait, err);
  if (rc == SQLITE_OK) target->read_only = fed_server_is_read_only(server);
  fed_server_unref(server);
  return rc;
}

/* A name is a server's first: fed_attach makes databases of the same name. */
static int target_connect(struct target *target, sqlite3 *local,
                          struct fed_err *err)
{
  const char *path = sqlite3_db_filename(local, target->name);
  struct fed_err unknown = FED_ERR_INIT;
  struct fed_server *server = NULL;

  if (!sqlite3_stricmp(target->name, "main")) {
    target->local = local;
    return fed_sqlite_borrow(&target->conn, local, err);
  }
  if (path && fed_server_find(target->name, &server, &unknown) != SQLITE_OK)
    return target_attached(target, path, err);
  fed_server_unref(server);
  return target_server(target, err);
}

int target_open(struct target **out, const char *name, sqlite3 *local,
                const struct fed_wait *wait, struct fed_err *err)
{
  struct target *target = fed_alloc(sizeof *target);
  int rc = SQLITE_OK;

  if (!target) return fed_err_nomem(err);
  target->wait = *wait;
  target->lock_timeout = TARGET_LOCK_MS;
  target->name = fed_strdup(name ? name : "main");
  rc = target->name ? target_connect(target, local, err) : fed_err_nomem(err);
  if (rc == SQLITE_OK) {
    target->kind = target_kind_of(target->conn->drv);
    if (!target->kind)
      rc = fed_err_set(err, SQLITE_ERROR, "no migrations for driver '%s'",
                       target->conn->drv->name);
  }
  if (rc == SQLITE_OK) rc = target->kind->prepare(target, err);
  if (rc != SQLITE_OK) {
    /* A URL in the name's place may hold a password. */
    if (!name || !strpbrk(name, ":/"))
      fed_err_prefix(err, "target '%s': ", name ? name : "main");
    target_close(target);
    return rc;
  }
  *out = target;
  return SQLITE_OK;
}

void target_close(struct target *target)
{
  if (!target) return;
  target_rollback(target);
  if (target->locked && !target->conn->broken && target->kind->unlock)
    target->kind->unlock(target);
  fed_conn_close(target->conn);
  fed_free(target->table);
  fed_free(target->where);
  fed_free(target->name);
  fed_free(target);
}

/* ---- the lock ------------------------------------------------------------ */

/*
 * Asked again and again, never waited for: a session that waits inside the
 * server holds a snapshot, and CREATE INDEX CONCURRENTLY of the one that has
 * the lock would wait for that for ever.
 */
int target_lock(struct target *target, struct fed_err *err)
{
  struct fed_wait wait = fed_wait_within(&target->wait, target->lock_timeout);
  struct fed_err late = FED_ERR_INIT;
  bool got = false;
  int rc = SQLITE_OK;

  if (target->read_only)
    return fed_err_set(err, SQLITE_READONLY,
                       "server '%s' is read-only, it has that option",
                       target->name);
  if (!target->kind->try_lock || target->locked) return SQLITE_OK;
  while ((rc = target->kind->try_lock(target, &got, err)) == SQLITE_OK && !got)
    for (int i = 0; i < TARGET_POLL; i++) {
      rc = fed_wait_fd(&wait, -1, 0, "waiting", &late);
      if (rc == SQLITE_INTERRUPT) return fed_err_set(err, rc, "%s", late.msg);
      if (rc != SQLITE_OK)
        return fed_err_set(err, SQLITE_BUSY,
                           "another run of migrations holds the lock of '%s'; "
                           "wait for it, or give it longer: 'lock_timeout=10m'",
                           target->name);
    }
  target->locked = got;
  return rc;
}

/* ---- statements ---------------------------------------------------------- */

/* The wait of one statement. */
static struct fed_wait target_wait(const struct target *target)
{
  return target->statement_timeout
           ? fed_wait_within(&target->wait, target->statement_timeout)
           : target->wait;
}

int target_run(struct target *target, const char *sql, size_t size,
               struct fed_err *err)
{
  struct fed_wait wait = target_wait(target);

  return fed_conn_run(target->conn, sql, size, &wait, err);
}

/* With `args` in the places of the marks, if not NULL. '#' is the mark of how
 * long it took, which only the server knows where several are sent at once. */
static void target_text(const struct target *target, const char *sql,
                        const struct fed_value *args, struct fed_str *out)
{
  int n = 0;

  for (const char *p = sql; *p; p++)
    if (*p == '%')
      fed_str_add(out, target->table);
    else if (*p != '?' && *p != '#')
      fed_str_addc(out, *p);
    else if (args && *p == '#')
      fed_str_add(out, target->kind->batch->duration), n++;
    else if (args)
      target->kind->batch->literal(out, &args[n++]);
    else if (target->conn->drv->dialect->numbered)
      fed_str_addf(out, "$%d", ++n);
    else
      fed_str_addc(out, '?');
}

void target_spell(const struct target *target, const char *sql,
                  const struct fed_value *args, struct fed_str *out)
{
  target_text(target, sql, args, out);
}

static int target_attempt(struct target *target, const char *sql,
                          const struct fed_value *args, int n,
                          target_row_fn *row, void *arg, struct fed_err *err)
{
  struct fed_wait cleanup = {.deadline = fed_clock_deadline(5000)};
  struct fed_stmt *stmt = NULL;
  int rc =
    fed_stmt_get(target->conn, sql, NULL, 0, false, &stmt, &target->wait, err);

  if (rc == SQLITE_OK) rc = fed_stmt_execute(stmt, args, n, &target->wait, err);
  if (rc == SQLITE_OK) target->ncol = stmt->ncol;
  while (rc == SQLITE_OK &&
         (rc = fed_stmt_step(stmt, &target->wait, err)) == SQLITE_ROW)
    rc = row ? row(arg, stmt->row, err) : SQLITE_OK;
  fed_stmt_put(stmt, rc == SQLITE_DONE, &cleanup);
  return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* A SQLite file is locked for the moment in which another run commits, and
 * then before the first row. Inside our transaction it is not. */
int target_query(struct target *target, const char *sql,
                 const struct fed_value *args, int n, target_row_fn *row,
                 void *arg, struct fed_err *err)
{
  struct fed_wait wait = fed_wait_within(&target->wait, target->lock_timeout);
  struct fed_err late = FED_ERR_INIT;
  struct fed_str text;
  int rc;

  fed_str_init(&text, FED_STR_SQL);
  target_text(target, sql, NULL, &text);
  rc = fed_str_err(&text, err);
  if (rc == SQLITE_OK)
    while ((rc = target_attempt(target, text.s, args, n, row, arg, err)) ==
             SQLITE_BUSY &&
           target->kind->quick_begin && !target->in_tx &&
           fed_wait_fd(&wait, -1, 0, "waiting", &late) == SQLITE_OK)
      fed_err_clear(err);
  fed_str_release(&text);
  return rc;
}

int target_rows(struct target *target, const char *sql, target_row_fn *row,
                void *arg, struct fed_err *err)
{
  return target_attempt(target, sql, NULL, 0, row, arg, err);
}

/* ---- transactions -------------------------------------------------------- */

/* Where BEGIN waits for other writers, and COMMIT for those who read. */
static struct fed_wait target_patience(const struct target *target)
{
  return fed_wait_within(&target->wait,
                         target->kind->quick_begin ? target->lock_timeout : -1);
}

int target_begin(struct target *target, struct fed_err *err)
{
  struct fed_begin begin = {.isolation = FED_ISOLATION_DEFAULT};
  struct fed_wait wait = target_patience(target);
  int rc = fed_conn_begin(target->conn, &begin, &wait, err);

  target->in_tx = rc == SQLITE_OK;
  if (rc == SQLITE_BUSY && target->kind->quick_begin)
    fed_err_suffix(err,
                   ": another run of migrations, or a program that writes, "
                   "has the database; wait for it, or give it longer: "
                   "'lock_timeout=10m'");
  return rc;
}

int target_commit(struct target *target, struct fed_err *err)
{
  struct fed_wait wait = target_patience(target);
  int rc = fed_conn_commit(target->conn, &wait, err);

  if (rc == SQLITE_OK) target->in_tx = false;
  return rc;
}

void target_rollback(struct target *target)
{
  struct fed_wait wait = {.deadline = fed_clock_deadline(5000)};
  struct fed_err ignored = FED_ERR_INIT;

  if (target->in_tx && !target->conn->broken)
    fed_conn_rollback(target->conn, &wait, &ignored);
  target->in_tx = false;
}

int target_restore(struct target *target, int rc, struct fed_err *err)
{
  struct fed_err ignored = FED_ERR_INIT;

  /* SQLite's is broken where it has ended a transaction by itself. */
  if (target->conn->broken && !target->kind->quick_begin) return rc;
  if (rc == SQLITE_OK) return target->kind->restore(target, err);
  target->kind->restore(target, &ignored);
  return rc;
}
