#include "migrate/script.h"

#include <stdio.h>

#include "base/mem.h"

/* ---- loading ------------------------------------------------------------- */

void script_release(struct script *script)
{
  for (int i = 0; i < script->ntext; i++)
    fed_str_release(&script->text[i]);
  fed_free(script->text);
  fed_free(script->step);
  memset(script, 0, sizeof *script);
}

static struct script_step *script_add(struct script *script)
{
  if (script->n == script->room) {
    int room = script->room ? script->room * 2 : 8;
    struct script_step *step =
      fed_realloc(script->step, (size_t)room * sizeof *step);

    if (!step) return NULL;
    script->step = step;
    script->room = room;
  }
  memset(&script->step[script->n], 0, sizeof *script->step);
  return &script->step[script->n++];
}

static const char *script_value(const struct script_variable *var, int nvar,
                                const char *name, size_t size)
{
  for (int i = 0; i < nvar; i++)
    if (strlen(var[i].name) == size && !memcmp(var[i].name, name, size))
      return var[i].value;
  return NULL;
}

/* ${name} by its value. A lone '$' or "${" without "}" stays. */
static int script_expand(const struct source_part *part, const char *path,
                         const struct script_variable *var, int nvar,
                         struct fed_str *out, struct fed_err *err)
{
  const char *p = part->text, *end = part->text + part->size;
  int line = part->line;

  while (p < end) {
    const char *close = p + 1 < end && p[0] == '$' && p[1] == '{'
                          ? memchr(p + 2, '}', (size_t)(end - p - 2))
                          : NULL;
    const char *value;

    if (!close || memchr(p, '\n', (size_t)(close - p))) {
      line += *p == '\n';
      fed_str_addc(out, *p++);
      continue;
    }
    value = script_value(var, nvar, p + 2, (size_t)(close - p - 2));
    if (!value)
      return fed_err_set(err, SQLITE_ERROR,
                         "%s:%d: variable '%.*s' has no value: give it as "
                         "'var.%.*s=...'",
                         path, line, (int)(close - p - 2), p + 2,
                         (int)(close - p - 2), p + 2);
    fed_str_add(out, value);
    p = close + 1;
  }
  return fed_str_err(out, err);
}

/* What goose calls one statement, whatever is in it. */
static int script_whole(struct script *script, const struct source_part *part,
                        const char *text, size_t size,
                        const struct target_kind *kind, struct fed_err *err)
{
  struct script_step *step;
  int line = part->line;

  while (size && strchr(" \t\r\n", *text)) {
    line += *text == '\n';
    text++;
    size--;
  }
  while (size && strchr(" \t\r\n", text[size - 1]))
    size--;
  if (!size) return SQLITE_OK;
  step = script_add(script);
  if (!step) return fed_err_nomem(err);
  step->stmt =
    (struct split_stmt){.sql = text, .size = size, .line = line, .column = 1};
  step->stmt.traits = split_traits(kind->split, &step->stmt);
  return SQLITE_OK;
}

static int script_cut(struct script *script, const struct source_part *part,
                      const char *text, size_t size,
                      const struct target_kind *kind, struct fed_err *err)
{
  struct split split;
  int rc = SQLITE_ROW;

  if (part->whole) return script_whole(script, part, text, size, kind, err);
  split_init(&split, kind->split, text, size, part->line);
  while (rc == SQLITE_ROW) {
    struct split_stmt stmt;

    rc = split_next(&split, &stmt, err);
    if (rc == SQLITE_ROW) {
      struct script_step *step = script_add(script);

      if (!step) return fed_err_nomem(err);
      step->stmt = stmt;
    }
  }
  if (rc == SQLITE_DONE) return SQLITE_OK;
  fed_err_prefix(err, "%s: ", script->path);
  return rc;
}

static int script_part(struct script *script, const struct source_part *part,
                       const struct target_kind *kind,
                       const struct script_variable *var, int nvar,
                       struct fed_err *err)
{
  if (part->call) {
    struct script_step *step = script_add(script);

    if (!step) return fed_err_nomem(err);
    step->call = part->call;
    step->stmt.line = part->line;
    step->stmt.column = 1;
    return SQLITE_OK;
  }
  if (part->variables) {
    struct fed_str *text = &script->text[script->ntext++];
    int rc;

    fed_str_init(text, SOURCE_FILE_MAX);
    rc = script_expand(part, script->path, var, nvar, text, err);
    return rc == SQLITE_OK
             ? script_cut(script, part, text->s, text->len, kind, err)
             : rc;
  }
  return script_cut(script, part, part->text, part->size, kind, err);
}

static void script_drop(struct script *script, int at)
{
  script->n--;
  memmove(script->step + at, script->step + at + 1,
          (size_t)(script->n - at) * sizeof *script->step);
}

/* A BEGIN that nothing ends was written for a tool that has a transaction
 * around the script, ends that, and for which this BEGIN does nothing. */
static void script_begin(struct script *script)
{
  int begin = -1;

  for (int i = 0; i < script->n; i++) {
    unsigned traits = script->step[i].stmt.traits;

    if (traits & SPLIT_TRANSACTION) begin = traits & SPLIT_BEGIN ? i : -1;
  }
  if (begin >= 0) script_drop(script, begin);
}

/* A script that is all in one BEGIN ... COMMIT of its own is one of ours. */
static void script_unwrap(struct script *script)
{
  unsigned inner = 0;

  if (script->n < 2 || !(script->step[0].stmt.traits & SPLIT_BEGIN) ||
      !(script->step[script->n - 1].stmt.traits & SPLIT_COMMIT))
    return;
  for (int i = 1; i < script->n - 1; i++) {
    inner |= script->step[i].stmt.traits;
    if (script->step[i].may_commit) return;
  }
  if (inner &
      (SPLIT_TRANSACTION | SPLIT_NO_TRANSACTION | SPLIT_IMPLICIT_COMMIT))
    return;
  script_drop(script, script->n - 1);
  script_drop(script, 0);
}

/* What MySQL commits inside is no transaction: its BEGIN goes, and what is in
 * it is done statement by statement, or some of it would be done again. Any
 * other must end in the file as it should. */
static int script_blocks(struct script *script, struct fed_err *err)
{
  for (int i = 0; i < script->n; i++) {
    struct script_step *step = &script->step[i];
    bool commits = false, may_commit = false, ends = false;
    int last = i;

    if (!(step->stmt.traits & SPLIT_BEGIN)) continue;
    while (++last < script->n && !commits && !ends) {
      commits = script->step[last].stmt.traits & SPLIT_IMPLICIT_COMMIT;
      ends = script->step[last].stmt.traits & SPLIT_TRANSACTION;
      may_commit |= script->step[last].may_commit;
    }
    last--;
    if (!commits && !(script->step[last].stmt.traits & SPLIT_COMMIT))
      return fed_err_set(err, SQLITE_ERROR,
                         "%s:%d: the transaction that begins here has no "
                         "COMMIT",
                         script->path, step->stmt.line);
    if (commits || may_commit) {
      script_drop(script, i--);
    } else
      i = last;
  }
  return SQLITE_OK;
}

/* Any of the patterns, up to an empty one. */
static bool script_is(const struct target_kind *kind,
                      const struct script_step *step,
                      const char *const *patterns)
{
  for (; *patterns; patterns++)
    if (!step->call &&
        split_like(kind->split, step->stmt.sql, step->stmt.size, *patterns))
      return true;
  return false;
}

/* Does it change the session, so that what follows depends on it? */
static bool script_sets(const struct target_kind *kind,
                        const struct script_step *step)
{
  return !(step->stmt.traits & SPLIT_TRANSACTION) &&
         script_is(kind, step, kind->sets);
}

static int script_keeps_lock(const struct script *script,
                             const struct target_kind *kind,
                             struct fed_err *err)
{
  for (int i = 0; i < script->n; i++)
    if (script_is(kind, &script->step[i], kind->unlocks))
      return fed_err_set(err, SQLITE_ERROR,
                         "%s:%d:%d: this would give up the lock that keeps "
                         "other runs of migrations away: leave it out",
                         script->path, script->step[i].stmt.line,
                         script->step[i].stmt.column);
  return SQLITE_OK;
}

static void script_look(struct script *script, const struct target_kind *kind)
{
  for (int i = 0; i < script->n; i++) {
    struct script_step *step = &script->step[i];

    step->may_commit = script_is(kind, step, kind->may_commit);
    script->sets |= script_sets(kind, step);
  }
}

static int script_client(const struct script *script, struct fed_err *err)
{
  for (int i = 0; i < script->n; i++) {
    const struct script_step *step = &script->step[i];

    if (step->stmt.traits & SPLIT_CLIENT)
      return fed_err_set(err, SQLITE_ERROR,
                         "%s:%d:%d: '%.*s' is for the server's own client, "
                         "which reads it itself: write it in SQL",
                         script->path, step->stmt.line, step->stmt.column,
                         step->stmt.size > 60 ? 60 : (int)step->stmt.size,
                         step->stmt.sql);
  }
  return SQLITE_OK;
}

int script_load(struct script *out, const struct source_script *source,
                const struct target_kind *kind,
                const struct script_variable *var, int nvar,
                struct fed_err *err)
{
  int rc = SQLITE_OK;

  memset(out, 0, sizeof *out);
  out->path = source->path;
  out->text = fed_calloc((size_t)source->npart + 1, sizeof *out->text);
  if (!out->text) return fed_err_nomem(err);
  for (int i = 0; i < source->npart && rc == SQLITE_OK; i++)
    rc = script_part(out, &source->part[i], kind, var, nvar, err);
  if (rc == SQLITE_OK) rc = script_client(out, err);
  if (rc == SQLITE_OK) rc = script_keeps_lock(out, kind, err);
  if (rc == SQLITE_OK) {
    script_look(out, kind);
    script_begin(out);
    script_unwrap(out);
    rc = script_blocks(out, err);
  }
  if (rc != SQLITE_OK) {
    script_release(out);
    return rc;
  }
  out->atomic = !source->no_transaction;
  for (int i = 0; i < out->n; i++) {
    out->traits |= out->step[i].stmt.traits;
    if (out->step[i].may_commit) out->atomic = false;
  }
  out->rebuilds = (out->traits & SPLIT_REBUILDS) != 0;
  if (out->traits &
      (SPLIT_TRANSACTION | SPLIT_NO_TRANSACTION | SPLIT_IMPLICIT_COMMIT))
    out->atomic = false;
  return SQLITE_OK;
}

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

static void script_blame(const struct script *script, int at,
                         struct fed_err *err)
{
  const struct script_step *step = &script->step[at];
  int line, column;

  script_place(&step->stmt, err->position, &line, &column);
  if (strstr(err->msg, "cannot VACUUM - SQL statements in progress"))
    fed_err_suffix(err, ": the one that called this is; give VACUUM by itself");
  fed_err_prefix(err, "%s:%d:%d: ", script->path, line, column);
}

/* ---- one statement ------------------------------------------------------- */

/* SELECT "fn"(target, direction): of the program that loaded us. */
static int script_call(struct script_run *run, const char *name,
                       const struct history_row *row, struct fed_err *err)
{
  char *sql =
    sqlite3_mprintf("SELECT \"%w\"(%Q, %Q, %Q)", name, run->target->name,
                    row->version, history_action_name(row->action));
  char *message = NULL;
  int rc;

  if (!sql) return fed_err_nomem(err);
  rc = sqlite3_exec(run->local, sql, NULL, NULL, &message);
  sqlite3_free(sql);
  if (rc != SQLITE_OK)
    fed_err_set(err, rc, "function '%s': %s", name,
                message ? message : sqlite3_errstr(rc));
  sqlite3_free(message);
  if (rc == SQLITE_OK && run->target->in_tx &&
      !sqlite3_stricmp(run->target->name, "main") &&
      sqlite3_get_autocommit(run->local))
    rc =
      fed_err_set(err, SQLITE_ERROR,
                  "function '%s' ended the transaction of the migration", name);
  return rc;
}

static int script_step(struct script *script, struct script_run *run, int at,
                       const struct history_row *row, struct fed_err *err)
{
  const struct script_step *step = &script->step[at];
  int rc = step->call
             ? script_call(run, step->call, row, err)
             : target_run(run->target, step->stmt.sql, step->stmt.size, err);

  if (rc != SQLITE_OK) script_blame(script, at, err);
  return rc;
}

/* ---- all in one transaction ---------------------------------------------- */

/* Where BEGIN is the lock, another process may have been quicker. */
static int script_fresh(struct script_run *run, int64_t id, int64_t done,
                        struct fed_err *err)
{
  int64_t id_now = 0, done_now = 0;
  int rc;

  if (!run->target->kind->quick_begin) return SQLITE_OK;
  rc = history_last(run->target, &id_now, &done_now, err);
  if (rc != SQLITE_OK) return rc;
  if (id_now == id && (done < 0 || done == done_now)) return SQLITE_OK;
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
  int rc = script_check(script, target, true, err);

  row->statements = row->done = script->n;
  row->state = HISTORY_DONE;
  if (rc == SQLITE_OK) rc = target_begin(target, err);
  if (rc == SQLITE_OK) rc = script_fresh(run, run->last, -1, err);
  for (int i = 0; i < script->n && rc == SQLITE_OK; i++)
    rc = script_step(script, run, i, row, err);
  row->duration_ms = fed_clock_ms() - start;
  row->id = run->last + 1;
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

static void script_hash_step(struct sha256_ctx *ctx,
                             const struct script_step *step)
{
  const char *p = step->stmt.sql, *end = p + step->stmt.size;

  while (p < end) {
    const char *cr = memchr(p, '\r', (size_t)(end - p));
    const char *stop = cr ? cr : end;

    sha256_update(ctx, (size_t)(stop - p), (const uint8_t *)p);
    p = cr ? cr + 1 : end;
  }
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

/* What the object of a statement looks like now, as a hash. */
static int script_effect(struct script_run *run, const struct split_stmt *stmt,
                         char *out, struct fed_err *err)
{
  struct sha256_ctx ctx;
  struct fed_str text;
  int rc = SQLITE_OK;

  fed_str_init(&text, FED_STR_SQL);
  if (run->target->kind->effect)
    rc = run->target->kind->effect(run->target, stmt, &text, err);
  if (rc == SQLITE_OK) rc = fed_str_err(&text, err);
  sha256_init(&ctx);
  sha256_update(&ctx, text.len, (const uint8_t *)text.s);
  script_hex(ctx, out);
  fed_str_release(&text);
  return rc;
}

/* A statement that can be rolled back: with its progress, one transaction. */
static int script_plain(struct script *script, struct script_run *run, int at,
                        struct history_row *row, struct fed_err *err)
{
  struct target *target = run->target;
  char prefix[65];
  int rc = target_begin(target, err);

  script->effect[0] = 0;
  script_hash(script, at + 1, prefix);
  if (rc == SQLITE_OK) rc = script_fresh(run, row->id, at, err);
  if (rc == SQLITE_OK) rc = script_step(script, run, at, row, err);
  row->prefix = prefix;
  row->effect = NULL;
  row->done = at + 1;
  if (rc == SQLITE_OK) rc = history_update(target, row, err);
  if (rc == SQLITE_OK) rc = target_commit(target, err);
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

/* One that commits by itself, or cannot be in a transaction. */
static int script_alone(struct script *script, struct script_run *run, int at,
                        struct history_row *row, struct fed_err *err)
{
  const struct split_stmt *stmt = &script->step[at].stmt;
  char prefix[65];
  int rc = SQLITE_OK;

  if (run->partial && run->target->kind->clear)
    rc = run->target->kind->clear(run->target, stmt, err);
  if (rc == SQLITE_OK) rc = script_effect(run, stmt, script->effect, err);
  script_hash(script, at, prefix);
  row->prefix = prefix;
  row->effect = script->effect;
  row->done = at;
  if (rc == SQLITE_OK) rc = script_mark(run, row, at, err);
  if (rc == SQLITE_OK) rc = script_step(script, run, at, row, err);
  row->effect = NULL;
  row->prefix = NULL;
  if (rc != SQLITE_OK) return rc;
  script_hash(script, at + 1, prefix);
  row->prefix = prefix;
  row->done = at + 1;
  rc = script_mark(run, row, at, err);
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
      script_hash(script, *at + 1, prefix);
      row->prefix = prefix;
      row->done = *at + 1;
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
    if (script_sets(run->target->kind, &script->step[i]))
      rc = script_step(script, run, i, row, err);
  return rc;
}

/* Where to go on: after what is surely done. */
static int script_resume(struct script *script, struct script_run *run, int *at,
                         const struct history_row *row, struct fed_err *err)
{
  const struct history_row *partial = run->partial;
  char now[65];
  int rc;

  *at = partial->done > script->n ? -1 : (int)partial->done;
  if (*at > 0) script_hash(script, *at, now);
  if (*at < 0 || (*at > 0 && strcmp(now, partial->prefix) != 0))
    return fed_err_set(err, SQLITE_ERROR,
                       "%s: its first %lld statements are applied, and are "
                       "not those of the file now; restore them, and change "
                       "only what comes after",
                       script->path, (long long)partial->done);
  rc = script_set_again(script, run, *at, row, err);
  if (rc != SQLITE_OK || !*partial->effect || *at == script->n) return rc;
  rc = script_effect(run, &script->step[*at].stmt, now, err);
  if (rc == SQLITE_OK && strcmp(now, partial->effect) != 0) ++*at;
  return rc;
}

/* The row that tells of the progress. */
static int script_open_row(struct script *script, struct script_run *run,
                           struct history_row *row, int *at,
                           struct fed_err *err)
{
  struct target *target = run->target;
  int rc;

  *at = 0;
  row->statements = script->n;
  row->state = HISTORY_RUNNING;
  if (run->partial) {
    row->id = run->partial->id;
    return script_resume(script, run, at, row, err);
  }
  rc = target_begin(target, err);
  if (rc == SQLITE_OK) rc = script_fresh(run, run->last, -1, err);
  row->id = run->last + 1;
  row->done = 0;
  if (rc == SQLITE_OK) rc = history_add(target, row, err);
  if (rc == SQLITE_OK) rc = target_commit(target, err);
  target_rollback(target);
  if (rc == SQLITE_OK) run->last = row->id;
  return rc;
}

static int script_next(struct script *script, struct script_run *run, int *at,
                       struct history_row *row, struct fed_err *err)
{
  unsigned traits = script->step[*at].stmt.traits;
  int rc;

  if (traits & SPLIT_BEGIN) return script_own(script, run, at, row, err);
  rc =
    traits & (SPLIT_NO_TRANSACTION | SPLIT_IMPLICIT_COMMIT | SPLIT_TRANSACTION)
      ? script_alone(script, run, *at, row, err)
      : script_plain(script, run, *at, row, err);
  ++*at;
  return rc;
}

/* The failure is kept beside what was done, if the server still answers. Where
 * it was not the server that refused, the statement may have taken effect. */
static void script_failed(struct script *script, struct script_run *run,
                          struct history_row *row, struct fed_err *err)
{
  struct fed_err ignored = FED_ERR_INIT;
  char prefix[65];

  script_hash(script, (int)row->done, prefix);
  row->prefix = prefix;
  row->effect = err->native || err->sqlstate[0] ? NULL : script->effect;
  row->state = HISTORY_FAILED;
  row->error = err->msg;
  if (!run->target->conn->broken && !run->target->conn->unsettled)
    script_mark(run, row, row->done, &ignored);
  row->prefix = row->error = row->effect = NULL;
  if (row->done)
    fed_err_suffix(err,
                   "; the first %lld of %d statements are applied, and the "
                   "next run goes on behind them",
                   (long long)row->done, script->n);
}

static int script_steps(struct script *script, struct script_run *run,
                        struct history_row *row, struct fed_err *err)
{
  int64_t start = fed_clock_ms();
  char prefix[65];
  int at = 0;
  int rc = script_open_row(script, run, row, &at, err);

  if (rc != SQLITE_OK) return rc;
  row->done = at;
  while (at < script->n && rc == SQLITE_OK)
    rc = script_next(script, run, &at, row, err);
  row->duration_ms = fed_clock_ms() - start;
  if (rc == SCRIPT_STALE) return rc;
  if (rc != SQLITE_OK) {
    script_failed(script, run, row, err);
    return rc;
  }
  script_hash(script, script->n, prefix);
  row->prefix = prefix;
  row->done = script->n;
  row->state = HISTORY_DONE;
  rc = history_update(run->target, row, err);
  row->prefix = NULL;
  return rc;
}

int script_execute(struct script *script, struct script_run *run,
                   struct history_row *row, struct fed_err *err)
{
  if (script->atomic && !run->partial)
    return script_atomic(script, run, row, err);
  return script_steps(script, run, row, err);
}
