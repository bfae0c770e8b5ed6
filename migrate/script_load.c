/* script_load: a script as its steps, and how they are to be run. */
#include "base/mem.h"
#include "migrate/script.h"
#include "migrate/token.h"

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

/* ${name}, and what else is a variable to goose. */
struct script_use {
  const char *name, *other, *end; /* behind it; `other` NULL: no default */
  size_t size, other_size;
  bool empty; /* ":-": the default is for an empty value, too */
};

static bool script_letter(char c, bool first)
{
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
         (!first && c >= '0' && c <= '9');
}

/* NAME-default and NAME:-default. */
static void script_default(struct script_use *use)
{
  const char *dash = memchr(use->name, '-', use->size);

  if (!dash || dash == use->name) return;
  use->other = dash + 1;
  use->other_size = (size_t)(use->name + use->size - use->other);
  use->empty = dash[-1] == ':';
  use->size = (size_t)(dash - use->name) - use->empty;
}

/* A lone '$' or "${" without "}" on its line is none. */
static bool script_uses(const struct source_part *part, const char *p,
                        const char *end, struct script_use *use)
{
  const char *close;

  memset(use, 0, sizeof *use);
  if (*p != '$' || p + 1 == end) return false;
  use->name = p + 1;
  if (part->shell && script_letter(p[1], true)) {
    for (p++; p < end && script_letter(*p, false);)
      p++;
    use->end = p;
    use->size = (size_t)(p - use->name);
    return true;
  }
  if (p[1] != '{') return false;
  close = memchr(p, '}', (size_t)(end - p));
  if (!close || memchr(p, '\n', (size_t)(close - p))) return false;
  use->name = p + 2;
  use->size = (size_t)(close - use->name);
  use->end = close + 1;
  if (part->shell) script_default(use);
  return true;
}

/* Variables by their values. */
static int script_expand(const struct source_part *part, const char *path,
                         const struct script_variable *var, int nvar,
                         struct fed_str *out, struct fed_err *err)
{
  const char *p = part->text, *end = part->text + part->size;
  int line = part->line;

  while (p < end) {
    struct script_use use;
    const char *value;

    if (!script_uses(part, p, end, &use)) {
      /* $$ quotes are no variables. */
      bool quote = part->shell && token_prefix(p, end, "$$", 2);

      line += *p == '\n';
      fed_str_addn(out, p, quote ? 2 : 1);
      p += quote ? 2 : 1;
      continue;
    }
    value = script_value(var, nvar, use.name, use.size);
    if (!value && !use.other)
      return fed_err_set(err, SQLITE_ERROR,
                         "%s:%d: variable '%.*s' has no value: give it as "
                         "'var.%.*s=...'",
                         path, line, (int)use.size, use.name, (int)use.size,
                         use.name);
    if (!value || (use.empty && !*value))
      fed_str_addn(out, use.other, use.other_size);
    else
      fed_str_add(out, value);
    p = use.end;
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

  /* goose's drivers for the others take several at once, as text. */
  if (part->whole && kind->split == SPLIT_MYSQL)
    return script_whole(script, part, text, size, kind, err);
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
  fed_err_prefix(err, "%s:", script->path);
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
    script->calls = true;
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

static bool script_like(const struct target_kind *kind,
                        const struct script_step *step, const char *pattern)
{
  return !step->call &&
         split_like(kind->split, step->stmt.sql, step->stmt.size, pattern);
}

/* Any of the patterns, up to an empty one. */
static bool script_is(const struct target_kind *kind,
                      const struct script_step *step,
                      const char *const *patterns)
{
  for (; *patterns; patterns++)
    if (script_like(kind, step, *patterns)) return true;
  return false;
}

static int script_refused(const struct script *script,
                          const struct target_kind *kind, struct fed_err *err)
{
  for (int i = 0; i < script->n; i++)
    for (const struct target_refusal *r = kind->refused; r->pattern; r++)
      if (script_like(kind, &script->step[i], r->pattern))
        return fed_err_set(err, SQLITE_ERROR, "%s:%d:%d: %s", script->path,
                           script->step[i].stmt.line,
                           script->step[i].stmt.column, r->why);
  return SQLITE_OK;
}

/* ---- dumps of MySQL ------------------------------------------------------ */

/* Between a dump's LOCK TABLES and UNLOCK TABLES: each is whole by itself, so
 * the locks only make it faster. */
static const char *const script_dumped[] = {
  "insert|replace ?ignore into * values|value",
  "alter table _ disable|enable keys", "set ?session|local autocommit",
  "commit", NULL};

/* The locks would hide our history, and any BEGIN gives them up. Others than a
 * dump's are refused. */
static void script_dump_locks(struct script *script,
                              const struct target_kind *kind)
{
  for (int i = 0, end; i < script->n; i++) {
    if (!script_like(kind, &script->step[i], "lock table|tables")) continue;
    for (end = i + 1; end < script->n; end++)
      if (!script_is(kind, &script->step[end], script_dumped)) break;
    if (end == script->n ||
        !script_like(kind, &script->step[end], "unlock table|tables"))
      continue;
    script_drop(script, end);
    script_drop(script, i--);
  }
}

/* Is there a change behind `SET autocommit = 0` that nothing commits? The
 * client would not keep it. */
static bool script_dump_open(const struct script *script,
                             const struct target_kind *kind)
{
  bool off = false, open = false;

  for (int i = 0; i < script->n; i++) {
    const struct script_step *step = &script->step[i];

    if (script_like(kind, step, "set ?session|local autocommit"))
      off = step->stmt.sql[step->stmt.size - 1] == '0' ||
            script_like(kind, step, "set * =|:= off|false");
    else if (off &&
             script_like(kind, step, "insert|replace|update|delete|with"))
      open = true;
    if (!off || step->stmt.traits & SPLIT_IMPLICIT_COMMIT ||
        script_like(kind, step, "commit"))
      open = false;
  }
  return open;
}

/* Without a ROLLBACK it makes no difference to what is done in the end, and
 * each statement is kept with its progress. */
static void script_dump_autocommit(struct script *script,
                                   const struct target_kind *kind)
{
  for (int i = 0; i < script->n; i++)
    if (script_like(kind, &script->step[i], "rollback ~to")) return;
  if (script_dump_open(script, kind)) return;
  for (int i = script->n - 1; i >= 0; i--)
    if (script_like(kind, &script->step[i],
                    "set ?session|local autocommit =|:= ~,"))
      script_drop(script, i);
}

static void script_look(struct script *script, const struct target_kind *kind)
{
  for (int i = 0; i < script->n; i++) {
    struct script_step *step = &script->step[i];

    step->may_commit = script_is(kind, step, kind->may_commit);
    /* What follows depends on it. */
    step->sets = !(step->stmt.traits & SPLIT_TRANSACTION) &&
                 script_is(kind, step, kind->sets);
    script->sets |= step->sets;
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
  if (rc == SQLITE_OK && kind->split == SPLIT_MYSQL) {
    script_dump_autocommit(out, kind);
    script_dump_locks(out, kind);
  }
  if (rc == SQLITE_OK) rc = script_refused(out, kind, err);
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
