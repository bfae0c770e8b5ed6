#include "migrate/script.h"

#include <stdio.h>

#include "base/mem.h"
#include "migrate/host.h"

/* ---- errors -------------------------------------------------------------- */

/* Where in the file the server found the error: it counts in characters. */
static void script_place(const struct split_stmt *stmt, int position, int *line,
                         int *column)
{
  const char *p = stmt->sql, *end = stmt->sql + stmt->size;

  *line = stmt->line;
  *column = stmt->column;
  for (int n = 1; p < end && n < position; n++) {
    if (*p == '\n') {
      ++*line;
      *column = 1;
    } else
      ++*column;
    do
      p++;
    while (p < end && ((unsigned char)*p & 0xC0) == 0x80);
  }
}

void script_blame(const struct script *script, int at, struct fed_err *err)
{
  const struct script_step *step = &script->step[at];
  int line, column;

  script_place(&step->stmt, err->position, &line, &column);
  fed_err_prefix(err, "%s:%d:%d: ", script->path, line, column);
}

/* ---- one statement ------------------------------------------------------- */

static int script_step(struct script *script, struct script_run *run, int at,
                       const struct history_row *row, struct fed_err *err)
{
  const struct script_step *step = &script->step[at];
  int rc = progress_tell(&run->progress, PROGRESS_STATEMENT, row, at + 1,
                         script->n, err);

  if (rc == SQLITE_OK)
    rc = step->call
           ? host_run(run, step->call, !run->single, row, err)
           : target_run(run->target, step->stmt.sql, step->stmt.size, err);
  if (rc != SQLITE_OK) script_blame(script, at, err);
  return rc;
}

/* ---- all in one transaction ---------------------------------------------- */

/* Where BEGIN is the lock, another process may have been quicker. Of a row that
 * is there already, `done` statements should be done; -1: there is none. */
static int script_fresh(struct script_run *run, int64_t id, int64_t done,
                        struct fed_err *err)
{
  int64_t last = 0, done_now = -1;
  int rc;

  if (!run->target->kind->quick_begin) return SQLITE_OK;
  rc = history_last(run->target, id, &last, &done_now, err);
  if (rc != SQLITE_OK) return rc;
  if (last == run->last && done == done_now) return SQLITE_OK;
  return fed_err_set(err, SCRIPT_STALE, "another process runs migrations");
}

static int script_check(struct script *script, struct target *target,
                        bool begin, struct fed_err *err)
{
  const struct target_kind *kind = target->kind;
  int (*check)(struct target *, struct fed_err *) =
    begin ? kind->begin_check : kind->end_check;
  int rc = script->rebuilds && check ? check(target, err) : SQLITE_OK;

  if (rc != SQLITE_OK) fed_err_prefix(err, "%s: ", script->path);
  return rc;
}

static int script_atomic(struct script *script, struct script_run *run,
                         struct history_row *row, struct fed_err *err)
{
  struct target *target = run->target;
  int64_t start = fed_clock_ms();
  int rc = target_begin(target, err);

  row->statements = row->done = script->n;
  row->state = HISTORY_DONE;
  row->id = run->last + 1;
  if (rc == SQLITE_OK) rc = script_fresh(run, row->id, -1, err);
  for (int i = 0; i < script->n && rc == SQLITE_OK; i++)
    rc = script_step(script, run, i, row, err);
  row->duration_ms = fed_clock_ms() - start;
  /* Not as the script's role, nor in its character set. */
  if (script->sets && !target->kind->quick_begin)
    rc = target_restore(target, rc, err);
  if (rc == SQLITE_OK) rc = history_add(target, row, err);
  if (rc == SQLITE_OK) rc = script_check(script, target, false, err);
  if (rc == SQLITE_OK) rc = target_commit(target, err);
  if (rc == SQLITE_OK) run->last = row->id;
  target_rollback(target);
  return rc;
}

/* ---- statement by statement ---------------------------------------------- */

static void script_hex(struct sha256_ctx ctx, char *out)
{
  uint8_t digest[SHA256_DIGEST_SIZE];

  sha256_digest(&ctx, sizeof digest, digest);
  for (int i = 0; i < SHA256_DIGEST_SIZE; i++)
    snprintf(out + 2 * i, 3, "%02x", digest[i]);
}

#define SCRIPT_HALF 32 /* digits of a hash */

static void script_hash_text(struct sha256_ctx *ctx, const char *p, size_t size)
{
  const char *end = p + size;

  while (p < end) {
    const char *cr = memchr(p, '\r', (size_t)(end - p));
    const char *stop = cr ? cr : end;

    sha256_update(ctx, (size_t)(stop - p), (const uint8_t *)p);
    p = cr ? cr + 1 : end;
  }
}

static void script_hash_step(struct sha256_ctx *ctx,
                             const struct script_step *step)
{
  script_hash_text(ctx, step->stmt.sql, step->stmt.size);
  if (step->call)
    sha256_update(ctx, strlen(step->call), (const uint8_t *)step->call);
  sha256_update(ctx, 1, (const uint8_t *)"");
}

/* The hash of the first `n` statements, without their line ends' CR. What was
 * asked last is kept: `n` mostly grows. */
static void script_hash(struct script *script, int n, char *out)
{
  if (!script->nhashed || n < script->nhashed) {
    sha256_init(&script->hash);
    script->nhashed = 0;
  }
  while (script->nhashed < n)
    script_hash_step(&script->hash, &script->step[script->nhashed++]);
  script_hex(script->hash, out);
}

void script_effect_of(const struct split_stmt *stmt, const struct fed_str *form,
                      char out[SCRIPT_HASH])
{
  struct sha256_ctx ctx;
  char half[SCRIPT_HASH];

  sha256_init(&ctx);
  script_hash_text(&ctx, stmt->sql, stmt->size);
  script_hex(ctx, out);
  sha256_init(&ctx);
  sha256_update(&ctx, form->len, (const uint8_t *)form->s);
  script_hex(ctx, half);
  memcpy(out + SCRIPT_HALF, half, SCRIPT_HALF);
}

static int script_effect(struct script_run *run, const struct split_stmt *stmt,
                         char *out, struct fed_err *err)
{
  struct fed_str form;
  int rc = SQLITE_OK;

  fed_str_init(&form, FED_STR_SQL);
  if (run->target->kind->effect)
    rc = run->target->kind->effect(run->target, stmt, &form, err);
  if (rc == SQLITE_OK) rc = fed_str_err(&form, err);
  if (rc == SQLITE_OK) script_effect_of(stmt, &form, out);
  fed_str_release(&form);
  return rc;
}

void script_done(struct script *script, struct history_row *row, int n,
                 char prefix[SCRIPT_HASH])
{
  script_hash(script, n, prefix);
  row->prefix = prefix;
  row->done = n;
  if (n < script->n) return;
  row->state = HISTORY_DONE;
  row->duration_ms = fed_clock_ms() - script->began;
}

/* A statement that can be rolled back: with its progress, one transaction. */
static int script_plain(struct script *script, struct script_run *run, int at,
                        struct history_row *row, struct fed_err *err)
{
  struct target *target = run->target;
  char prefix[65];
  int rc = target_begin(target, err);

  script->effect[0] = 0;
  if (rc == SQLITE_OK) rc = script_fresh(run, row->id, at, err);
  run->single = true;
  if (rc == SQLITE_OK) rc = script_step(script, run, at, row, err);
  run->single = false;
  row->effect = NULL;
  script_done(script, row, at + 1, prefix);
  if (rc == SQLITE_OK) rc = history_update(target, row, err);
  if (rc == SQLITE_OK && (rc = target_commit(target, err)) != SQLITE_OK)
    script_blame(script, at, err); /* a deferred constraint */
  target_rollback(target);
  row->prefix = NULL;
  if (rc != SQLITE_OK) row->done = at;
  return rc;
}

/* Write the row, if it says that `seen` statements are done: where BEGIN is
 * the lock, another process may have gone on with it. */
static int script_mark(struct script_run *run, const struct history_row *row,
                       int64_t seen, struct fed_err *err)
{
  struct target *target = run->target;
  int rc;

  if (!target->kind->quick_begin) return history_update(target, row, err);
  rc = target_begin(target, err);
  if (rc == SQLITE_OK) rc = script_fresh(run, row->id, seen, err);
  if (rc == SQLITE_OK) rc = history_update(target, row, err);
  if (rc == SQLITE_OK) rc = target_commit(target, err);
  target_rollback(target);
  return rc;
}

static bool script_is_alone(const struct script *script, int at)
{
  unsigned traits = script->step[at].stmt.traits;

  return !(traits & SPLIT_BEGIN) &&
         traits &
           (SPLIT_NO_TRANSACTION | SPLIT_IMPLICIT_COMMIT | SPLIT_TRANSACTION);
}

/* One that commits by itself, or cannot be in a transaction. What its object
 * is before is in the row first; script_begin_row() has done so for the first.
 */
static int script_alone(struct script *script, struct script_run *run, int at,
                        struct history_row *row, struct fed_err *err)
{
  const struct split_stmt *stmt = &script->step[at].stmt;
  char prefix[65];
  int rc = SQLITE_OK;

  if (run->partial && run->target->kind->clear)
    rc = run->target->kind->clear(run->target, stmt, err);
  if (rc == SQLITE_OK && (at || run->partial)) {
    rc = script_effect(run, stmt, script->effect, err);
    script_done(script, row, at, prefix);
    row->effect = script->effect;
    if (rc == SQLITE_OK) rc = script_mark(run, row, at, err);
  }
  if (rc == SQLITE_OK) rc = script_step(script, run, at, row, err);
  row->effect = NULL;
  if (rc == SQLITE_OK) {
    script_done(script, row, at + 1, prefix);
    rc = script_mark(run, row, at, err);
  }
  row->prefix = NULL;
  return rc;
}

/* The script's own BEGIN. Where that is our lock it must be one. */
static int script_open(struct script *script, struct script_run *run, int at,
                       struct history_row *row, struct fed_err *err)
{
  int rc;

  if (!run->target->kind->quick_begin) {
    run->target->in_tx = true;
    return script_step(script, run, at, row, err);
  }
  rc = target_begin(run->target, err);
  return rc == SQLITE_OK ? script_fresh(run, row->id, at, err) : rc;
}

/* A transaction of the script's own, from its BEGIN to its COMMIT: its
 * progress is written before that COMMIT, so both are there, or neither. */
static int script_own(struct script *script, struct script_run *run, int *at,
                      struct history_row *row, struct fed_err *err)
{
  struct target *target = run->target;
  int first = *at, rc = script_open(script, run, first, row, err);
  char prefix[65];

  script->effect[0] = 0;
  for (++*at; *at < script->n && rc == SQLITE_OK; ++*at) {
    bool last = (script->step[*at].stmt.traits & SPLIT_COMMIT) != 0;

    if (last) {
      script_done(script, row, *at + 1, prefix);
      rc = history_update(target, row, err);
      row->prefix = NULL;
    }
    if (rc == SQLITE_OK) rc = script_step(script, run, *at, row, err);
    if (last) break;
  }
  if (rc == SQLITE_OK && *at < script->n) {
    target->in_tx = false;
    ++*at;
    return SQLITE_OK;
  }
  target_rollback(target);
  row->done = first;
  return rc;
}

/* What the statements before `at` set in the session is gone with it. */
static int script_set_again(struct script *script, struct script_run *run,
                            int at, const struct history_row *row,
                            struct fed_err *err)
{
  int rc = SQLITE_OK;

  for (int i = 0; script->sets && i < at && rc == SQLITE_OK; i++)
    if (script->step[i].sets) rc = script_step(script, run, i, row, err);
  return rc;
}

/* Are the statements that are done still the first of the script? */
static bool script_begins(struct script *script,
                          const struct history_row *partial)
{
  char now[65];

  if (partial->done < 0 || partial->done > script->n) return false;
  script_hash(script, (int)partial->done, now);
  return !partial->done || !strcmp(now, partial->prefix);
}

/* Where to go on: after what is surely done. A statement that was running when
 * all ended is done if it is the same one, and its object has changed. */
static int script_resume(struct script *script, struct script_run *run, int *at,
                         const struct history_row *row, struct fed_err *err)
{
  const struct history_row *partial = run->partial;
  char now[65];
  int rc;

  if (!script_begins(script, partial))
    return fed_err_set(err, SQLITE_ERROR,
                       "%s: the beginning that is applied (%lld statement%s) "
                       "is not that of the file now; restore it, and change "
                       "only what comes after",
                       script->path, (long long)partial->done,
                       partial->done > 1 ? "s" : "");
  *at = (int)partial->done;
  rc = session_check(script, run->target->kind->split, *at, err);
  if (rc == SQLITE_OK) rc = script_set_again(script, run, *at, row, err);
  if (rc != SQLITE_OK || !*partial->effect || *at == script->n) return rc;
  rc = script_effect(run, &script->step[*at].stmt, now, err);
  if (rc == SQLITE_OK && !strncmp(now, partial->effect, SCRIPT_HALF) &&
      strcmp(now, partial->effect) != 0)
    ++*at;
  return rc;
}

/* The row that tells of the progress. */
static int script_begin_row(struct script *script, struct script_run *run,
                            struct history_row *row, int *at,
                            struct fed_err *err)
{
  struct target *target = run->target;
  char prefix[65];
  int rc;

  *at = 0;
  row->statements = script->n;
  row->state = HISTORY_RUNNING;
  if (run->partial) {
    row->id = run->partial->id;
    return script_resume(script, run, at, row, err);
  }
  row->id = run->last + 1;
  row->done = 0;
  script->effect[0] = 0;
  if (script->n && script_is_alone(script, 0)) {
    rc = script_effect(run, &script->step[0].stmt, script->effect, err);
    if (rc != SQLITE_OK) return rc;
    row->effect = script->effect;
  }
  script_hash(script, 0, prefix);
  row->prefix = prefix;
  /* A statement is a transaction; but BEGIN may be the lock. */
  rc = target->kind->quick_begin ? target_begin(target, err) : SQLITE_OK;
  if (rc == SQLITE_OK) rc = script_fresh(run, row->id, -1, err);
  if (rc == SQLITE_OK) rc = history_add(target, row, err);
  if (rc == SQLITE_OK && target->in_tx) rc = target_commit(target, err);
  target_rollback(target);
  row->prefix = row->effect = NULL;
  if (rc == SQLITE_OK) run->last = row->id;
  return rc;
}

static int script_next(struct script *script, struct script_run *run, int *at,
                       struct history_row *row, struct fed_err *err)
{
  int rc;

  if (script->step[*at].stmt.traits & SPLIT_BEGIN)
    return script_own(script, run, at, row, err);
  rc = script_is_alone(script, *at) ? script_alone(script, run, *at, row, err)
                                    : script_plain(script, run, *at, row, err);
  ++*at;
  return rc;
}

/*
 * Was the first statement refused, without a trace? One that commits by itself
 * may leave some: an index that is not valid, one of two tables dropped. On
 * MySQL there are tables without transactions, so there it must have been
 * refused before it began (SQLSTATE 42...).
 */
static bool script_left_nothing(const struct script *script,
                                const struct script_run *run,
                                const struct history_row *row,
                                const struct fed_err *err)
{
  const struct script_step *first = &script->step[0];

  if (row->done || run->partial || script->calls || first->may_commit)
    return false;
  if (run->target->kind->split != SPLIT_MYSQL)
    return (err->native || err->sqlstate[0]) && !script->effect[0];
  return !strncmp(err->sqlstate, "42", 2) &&
         !(first->stmt.traits & (SPLIT_DESTRUCTIVE | SPLIT_TRANSACTION));
}

void script_failed(struct script *script, struct script_run *run,
                   struct history_row *row, struct fed_err *err)
{
  struct fed_err ignored = FED_ERR_INIT;
  char prefix[65];

  script_hash(script, (int)row->done, prefix);
  row->prefix = prefix;
  row->effect = err->native || err->sqlstate[0] ? NULL : script->effect;
  row->state = script_left_nothing(script, run, row, err) ? HISTORY_REFUSED
                                                          : HISTORY_FAILED;
  row->error = err->msg;
  if (!run->target->conn->broken && !run->target->conn->unsettled)
    script_mark(run, row, row->done, &ignored);
  row->prefix = row->error = row->effect = NULL;
  if (row->done == 1)
    fed_err_suffix(err,
                   "; the first of %d statements is applied, and the next run "
                   "goes on behind it",
                   script->n);
  else if (row->done)
    fed_err_suffix(err,
                   "; the first %lld of %d statements are applied, and the "
                   "next run goes on behind them",
                   (long long)row->done, script->n);
}

static int script_steps(struct script *script, struct script_run *run,
                        struct history_row *row, struct fed_err *err)
{
  char prefix[65];
  int at = 0;
  int rc;

  script->began = fed_clock_ms();
  rc = script_begin_row(script, run, row, &at, err);
  if (rc != SQLITE_OK) return rc;
  row->done = at;
  while (at < script->n && rc == SQLITE_OK)
    rc = script_next(script, run, &at, row, err);
  if (rc == SCRIPT_STALE || (rc == SQLITE_OK && row->state == HISTORY_DONE))
    return rc;
  row->duration_ms = fed_clock_ms() - script->began;
  if (rc != SQLITE_OK) {
    script_failed(script, run, row, err);
    return rc;
  }
  /* Nothing was left to do. */
  script_done(script, row, script->n, prefix);
  rc = history_update(run->target, row, err);
  row->prefix = NULL;
  return rc;
}

/* On the connection of the one who called, that call is a statement that
 * goes on; nothing of the script is to be done then. */
static int script_vacuums(const struct script *script,
                          const struct target *target, struct fed_err *err)
{
  for (int i = 0; i < script->n && target->local; i++)
    if (!script->step[i].call &&
        split_like(SPLIT_SQLITE, script->step[i].stmt.sql,
                   script->step[i].stmt.size, "vacuum"))
      return fed_err_set(err, SQLITE_ERROR,
                         "%s:%d:%d: VACUUM cannot run on the connection that "
                         "asks for it by a SELECT: give the file as a server, "
                         "SELECT fed_server('app', 'sqlite:FILE'), and "
                         "SELECT migrate_up('app')",
                         script->path, script->step[i].stmt.line,
                         script->step[i].stmt.column);
  return SQLITE_OK;
}

int script_execute(struct script *script, struct script_run *run,
                   struct history_row *row, struct fed_err *err)
{
  int rc = script_vacuums(script, run->target, err);

  /* A repeatable one may as well begin again. */
  if (run->partial && !*row->version && !script_begins(script, run->partial))
    run->partial = NULL;
  if (rc == SQLITE_OK) rc = script_check(script, run->target, true, err);
  if (rc == SQLITE_OK)
    rc = script->atomic && !run->partial ? script_atomic(script, run, row, err)
                                         : script_steps(script, run, row, err);
  if (rc != SQLITE_OK && strncmp(err->msg, script->path, strlen(script->path)))
    fed_err_prefix(err, "%s: ", script->path);
  return rc;
}
