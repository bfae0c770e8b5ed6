/*
 * batch: several migrations in one round trip.
 *
 * A small migration costs a server less than the way there and back, and by
 * itself it takes five or six of those. So what is pending goes together, as
 * long as nothing but the time is different. Each is a transaction with its
 * row of the history, as in script.c,
 *
 *     BEGIN; its statements; the session as it was; its row; COMMIT
 *
 * or one statement that commits by itself, between the two states of its row,
 *
 *     its row, running; its statement; the session; BEGIN; its row, done;
 * COMMIT
 *
 * where the next row goes before that COMMIT. The server stops at the first
 * statement that fails, and says how many it has done. When this process dies,
 * the server may still do what it was sent; the lock is the session's, so the
 * next run waits for that.
 */
#include <limits.h>

#include "base/mem.h"
#include "migrate/migrate_int.h"
#include "migrate/token.h"

#define BATCH_MOST  64         /* migrations */
#define BATCH_BYTES (64 << 10) /* of all statements */
#define BATCH_FILE  (16 << 10) /* of one file: others are not trivial */
#define BATCH_SLOW  1000       /* ms: those that follow might be slow, too */

struct batch_item {
  struct script script;
  struct history_row row;
  char prefix[SCRIPT_HASH];
  bool alone; /* one statement that commits by itself, */
  int at;     /* behind so many statements */
  int end;    /* it is done when so many statements are */
};

/* Where a statement comes from. */
struct batch_origin {
  int item, step; /* step < 0: it is ours */
};

struct batch {
  struct migrate *m;
  const struct target_batch *kind;
  struct batch_item item[BATCH_MOST];
  int n;
  char **sql;
  struct batch_origin *origin;
  int nsql, room;
  size_t bytes;
  bool open;    /* in a transaction, */
  bool pending; /* which has the row of the last one, done */
};

/* ---- what is fit for it -------------------------------------------------- */

static bool batch_like(const struct batch *b, const struct split_stmt *stmt,
                       const char *const *patterns)
{
  for (; *patterns; patterns++)
    if (split_like(b->m->target->kind->split, stmt->sql, stmt->size, *patterns))
      return true;
  return false;
}

static bool batch_is_doubtful(const struct batch *b,
                              const struct split_stmt *stmt)
{
  for (const char *const *p = b->kind->doubtful; p && *p; p++)
    if (memmem(stmt->sql, stmt->size, *p, strlen(*p))) return true;
  return false;
}

static bool batch_is_plain(const struct batch *b, const struct script *script)
{
  if (!script->atomic || script->calls || script->sets) return false;
  for (int i = 0; i < script->n; i++) {
    const struct split_stmt *stmt = &script->step[i].stmt;

    if (stmt->data || !batch_like(b, stmt, b->kind->plain) ||
        batch_is_doubtful(b, stmt))
      return false;
  }
  return true;
}

/* The name before the first parenthesis. */
static struct token batch_name(const struct batch *b,
                               const struct split_stmt *stmt)
{
  struct token_reader r;
  struct token token, name = {.n = 0};

  token_init(&r, b->m->target->kind->split, stmt->sql, stmt->size);
  for (token_read(&r, &token);
       token.kind != TOKEN_END && !token_is(&token, "(", 1);
       token_read(&r, &token))
    if (token.kind == TOKEN_WORD || token.kind == TOKEN_VALUE) name = token;
  if (name.n > 2 && strchr("`\"", *name.s)) {
    name.s++;
    name.n -= 2;
  }
  return name;
}

/* What one before it makes, it would not find absent. */
static bool batch_is_new(const struct batch *b, const struct split_stmt *stmt)
{
  struct token name = batch_name(b, stmt);

  for (int i = 0; i < b->n; i++) {
    struct token other;

    if (!b->item[i].alone) continue;
    other = batch_name(b, &b->item[i].script.step[0].stmt);
    if (other.n == name.n && !sqlite3_strnicmp(other.s, name.s, (int)name.n))
      return false;
  }
  return true;
}

/* Sets script->effect. */
static bool batch_is_alone(const struct batch *b, struct script *script)
{
  const struct split_stmt *stmt = &script->step[0].stmt;
  struct fed_err ignored = FED_ERR_INIT;
  struct fed_str form;
  bool absent;

  if (script->n != 1 || script->calls || script->sets ||
      !batch_like(b, stmt, b->kind->alone) || batch_is_doubtful(b, stmt) ||
      !batch_is_new(b, stmt))
    return false;
  fed_str_init(&form, FED_STR_SQL);
  absent = b->m->target->kind->effect(b->m->target, stmt, &form, &ignored) ==
             SQLITE_OK &&
           !strcmp(form.s, "absent");
  if (absent) script_effect_of(stmt, &form, script->effect);
  fed_str_release(&form);
  return absent;
}

/* ---- its statements ------------------------------------------------------ */

static int batch_room(struct batch *b, struct fed_err *err)
{
  int room = b->room ? 2 * b->room : 64;
  char **sql = fed_realloc(b->sql, (size_t)room * sizeof *sql);
  struct batch_origin *origin;

  if (!sql) return fed_err_nomem(err);
  b->sql = sql;
  origin = fed_realloc(b->origin, (size_t)room * sizeof *origin);
  if (!origin) return fed_err_nomem(err);
  b->origin = origin;
  b->room = room;
  return SQLITE_OK;
}

/* Takes `text`, and leaves it empty. */
static int batch_add(struct batch *b, int step, struct fed_str *text,
                     struct fed_err *err)
{
  int rc = fed_str_err(text, err);

  if (rc == SQLITE_OK && b->nsql == b->room) rc = batch_room(b, err);
  if (rc != SQLITE_OK) {
    fed_str_release(text);
    return rc;
  }
  b->bytes += text->len;
  b->origin[b->nsql] = (struct batch_origin){.item = b->n, .step = step};
  b->sql[b->nsql] = fed_str_detach(text);
  return b->sql[b->nsql++] ? SQLITE_OK : fed_err_nomem(err);
}

static int batch_own(struct batch *b, const char *sql, struct fed_err *err)
{
  struct fed_str text;

  fed_str_init(&text, FED_STR_SQL);
  fed_str_add(&text, sql);
  return batch_add(b, -1, &text, err);
}

static int batch_step(struct batch *b, const struct script *script, int at,
                      struct fed_err *err)
{
  struct fed_str text;

  fed_str_init(&text, FED_STR_SQL);
  fed_str_addn(&text, script->step[at].stmt.sql, script->step[at].stmt.size);
  return batch_add(b, at, &text, err);
}

static int batch_row(struct batch *b, const struct history_row *row, bool add,
                     struct fed_err *err)
{
  struct fed_str text;

  fed_str_init(&text, FED_STR_SQL);
  history_spell(b->m->target, row, add, &text);
  return batch_add(b, -1, &text, err);
}

static int batch_restore(struct batch *b, struct fed_err *err)
{
  struct target *target = b->m->target;
  struct fed_str text;
  int rc = SQLITE_OK;

  fed_str_init(&text, FED_STR_SQL);
  for (int i = 0; rc == SQLITE_OK && b->kind->setting(target, i, &text); i++)
    rc = batch_add(b, -1, &text, err);
  fed_str_release(&text);
  return rc;
}

/* The one before is done now. */
static int batch_commit(struct batch *b, const char *sql, struct fed_err *err)
{
  int rc = batch_own(b, sql, err);

  b->open = b->kind->chains && sql == b->kind->commit;
  if (b->pending) b->item[b->n - 1].end = b->nsql;
  b->pending = false;
  return rc;
}

static int batch_begin(struct batch *b, struct fed_err *err)
{
  int rc = b->pending ? batch_commit(b, b->kind->commit, err) : SQLITE_OK;

  if (rc == SQLITE_OK && !b->open) rc = batch_own(b, b->kind->begin, err);
  b->open = true;
  return rc;
}

static int batch_close(struct batch *b, struct fed_err *err)
{
  return b->open ? batch_commit(b, "COMMIT", err) : SQLITE_OK;
}

static int batch_plain(struct batch *b, struct batch_item *item,
                       struct fed_err *err)
{
  const struct script *script = &item->script;
  int rc = batch_begin(b, err);

  item->row.statements = item->row.done = script->n;
  item->row.state = HISTORY_DONE;
  if (rc == SQLITE_OK && b->kind->sets_first) rc = batch_restore(b, err);
  for (int i = 0; i < script->n && rc == SQLITE_OK; i++)
    rc = batch_step(b, script, i, err);
  if (rc == SQLITE_OK && !b->kind->sets_first) rc = batch_restore(b, err);
  if (rc == SQLITE_OK) rc = batch_row(b, &item->row, true, err);
  if (rc == SQLITE_OK) rc = batch_commit(b, b->kind->commit, err);
  item->end = b->nsql;
  return rc;
}

static int batch_alone(struct batch *b, struct batch_item *item,
                       struct fed_err *err)
{
  struct script *script = &item->script;
  struct history_row *row = &item->row;
  int rc = batch_restore(b, err);

  script->began = fed_clock_ms();
  row->statements = script->n;
  row->state = HISTORY_RUNNING;
  row->effect = script->effect;
  script_done(script, row, 0, item->prefix);
  if (rc == SQLITE_OK) rc = batch_row(b, row, true, err);
  if (rc == SQLITE_OK) rc = batch_close(b, err);
  item->at = b->nsql;
  if (rc == SQLITE_OK) rc = batch_step(b, script, 0, err);
  if (rc == SQLITE_OK) rc = batch_begin(b, err);
  row->effect = NULL;
  script_done(script, row, script->n, item->prefix);
  if (rc == SQLITE_OK) rc = batch_row(b, row, false, err);
  b->pending = true;
  item->end = INT_MAX; /* until that is committed */
  return rc;
}

/* ---- which migrations ---------------------------------------------------- */

static size_t batch_size(const struct source_script *source)
{
  size_t size = 0;

  for (int i = 0; i < source->npart; i++)
    size += source->part[i].size;
  return size;
}

/* The next one; *fit false where the batch ends before it. Why that is, who
 * runs it by itself will say. */
static int batch_next(struct batch *b, const struct plan_item *due, bool *fit,
                      struct fed_err *err)
{
  struct migrate *m = b->m;
  struct batch_item *item = &b->item[b->n];
  struct script *script = &item->script;
  const struct source_script *up = &due->file->up;
  struct fed_err ignored = FED_ERR_INIT;
  int rc = SQLITE_OK;

  *fit = false;
  if (due->state == PLAN_PARTIAL || batch_size(up) > BATCH_FILE ||
      script_load(script, up, m->target->kind, m->var, m->nvar, &ignored) !=
        SQLITE_OK)
    return SQLITE_OK;
  item->row = migrate_row(due, true);
  item->row.id = m->history.last + 1 + b->n;
  if (migrate_guard(m, script, &ignored) == SQLITE_OK) {
    *fit = batch_is_plain(b, script);
    item->alone = !*fit && batch_is_alone(b, script);
    *fit = *fit || item->alone;
  }
  if (*fit)
    rc = item->alone ? batch_alone(b, item, err) : batch_plain(b, item, err);
  if (!*fit || rc != SQLITE_OK)
    script_release(script);
  else
    b->n++;
  return rc;
}

static int batch_fill(struct batch *b, struct plan_item *const *due, int n,
                      struct fed_err *err)
{
  bool fit = true;
  int rc = SQLITE_OK;

  while (rc == SQLITE_OK && fit && b->n < n && b->bytes < BATCH_BYTES)
    rc = batch_next(b, due[b->n], &fit, err);
  return rc == SQLITE_OK ? batch_close(b, err) : rc;
}

static void batch_release(struct batch *b)
{
  for (int i = 0; i < b->n; i++)
    script_release(&b->item[i].script);
  for (int i = 0; i < b->nsql; i++)
    fed_free(b->sql[i]);
  fed_free(b->sql);
  fed_free(b->origin);
  fed_free(b);
}

/* ---- running it ---------------------------------------------------------- */

/* The first that is not done has failed; `done` statements were done. */
static int batch_failed(struct batch *b, struct batch_item *item, int done,
                        int rc, struct fed_err *err)
{
  struct script *script = &item->script;
  struct script_run run = {.target = b->m->target};
  const struct batch_origin *origin = &b->origin[done];

  if (origin->step >= 0 && &b->item[origin->item] == item)
    script_blame(script, origin->step, err);
  if (item->alone) {
    item->row.duration_ms = fed_clock_ms() - script->began;
    item->row.done = done > item->at;
    script_failed(script, &run, &item->row, err);
  }
  migrate_blame(b->m, script->path, err);
  return rc;
}

static int batch_execute(struct batch *b, int *sent, struct fed_err *err)
{
  struct migrate *m = b->m;
  struct target *target = m->target;
  int64_t start = fed_clock_ms();
  int done = 0, rc;

  rc = fed_conn_batch(target->conn, (const char *const *)b->sql, b->nsql, &done,
                      &target->wait, err);
  if (rc == SQLITE_NOTFOUND) {
    fed_err_clear(err);
    m->batch = 1;
    return SQLITE_OK;
  }
  if (rc != SQLITE_OK) {
    target->in_tx = true;
    target_rollback(target);
  }
  while (*sent < b->n && b->item[*sent].end <= done) {
    const struct history_row *row = &b->item[(*sent)++].row;

    migrate_note(m, row->version, row->name);
    m->history.last = row->id;
  }
  rc = target_restore(target, rc, err);
  m->batch = fed_clock_ms() - start > BATCH_SLOW ? BATCH_FIRST
             : m->batch < BATCH_MOST             ? 2 * m->batch
                                                 : BATCH_MOST;
  if (*sent < b->n && rc != SQLITE_OK)
    rc = batch_failed(b, &b->item[*sent], done, rc, err);
  return rc;
}

/* What tells of each statement, or limits it, must be there between them. */
static bool batch_may(const struct migrate *m)
{
  return m->batch > 1 && !m->opts.dry_run && !m->host->state->progress &&
         !m->target->statement_timeout && m->target->kind->batch &&
         m->target->conn->drv->batch;
}

int batch_run(struct migrate *m, struct plan_item *const *due, int n, int *sent,
              struct fed_err *err)
{
  struct batch *b;
  int rc;

  *sent = 0;
  if (n < 2 || !batch_may(m)) return SQLITE_OK;
  b = fed_alloc(sizeof *b);
  if (!b) return fed_err_nomem(err);
  b->m = m;
  b->kind = m->target->kind->batch;
  rc = batch_fill(b, due, n < m->batch ? n : m->batch, err);
  if (rc == SQLITE_OK && b->n > 1) rc = batch_execute(b, sent, err);
  batch_release(b);
  return rc;
}
