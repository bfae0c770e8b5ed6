/*
 * A source from its items: which of them are migrations, which belong
 * together, and the list in order. Files for several dialects compete for one
 * place; the dialect's own wins.
 */
#include "migrate/source.h"

#include <fnmatch.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/str.h"
#include "migrate/source_item.h"

struct source_loader {
  struct source *source;
  struct source_items items;
  const struct source_row *row;
  enum source_layout layout;
  const char *dialect;
  bool skip_code;
  struct source_item **chosen; /* migrations of any dialect, in order */
  int n;
  struct fed_err *err;
};

/* ---- freeing ----------------------------------------------------------- */

static void source_clear_script(struct source_script *script)
{
  for (int i = 0; i < script->npart; i++)
    fed_free(script->part[i].call);
  fed_free(script->part);
  fed_free(script->path);
  fed_free(script->text);
  memset(script, 0, sizeof *script);
}

void source_free(struct source *source)
{
  if (!source) return;
  for (int i = 0; i < source->nfile; i++) {
    fed_free(source->file[i].name);
    source_clear_script(&source->file[i].up);
    source_clear_script(&source->file[i].down);
  }
  for (int i = 0; i < source->nnote; i++)
    fed_free(source->note[i].path);
  fed_free(source->file);
  fed_free(source->note);
  fed_free(source);
}

/* ---- which are migrations ---------------------------------------------- */

static int source_add_note(struct source_loader *load,
                           const struct source_item *item, const char *why)
{
  struct source *source = load->source;
  struct source_note *grown = source->note;
  int n = source->nnote;

  if ((n & (n - 1)) == 0)
    grown = fed_realloc(source->note, (size_t)(n ? n * 2 : 1) * sizeof *grown);
  if (!grown) return fed_err_nomem(load->err);
  source->note = grown;
  grown[n].why = why;
  grown[n].path = fed_strdup(SOURCE_SHOW(item->path));
  if (!grown[n].path) return fed_err_nomem(load->err);
  source->nnote++;
  return SQLITE_OK;
}

/* Code that its own tool would run here and now, and that nobody else can. */
static bool source_is_code(const struct source_loader *load,
                           const struct source_item *item, bool alone)
{
  if (item->shape == SHAPE_JAVA) return load->layout == SOURCE_FLYWAY;
  return item->shape == SHAPE_GO && (load->layout == SOURCE_GOOSE || alone ||
                                     fnmatch("*.up.go", item->path, 0) == 0 ||
                                     fnmatch("*.down.go", item->path, 0) == 0);
}

static int source_code(struct source_loader *load,
                       const struct source_item *item)
{
  bool go = item->shape == SHAPE_GO;

  if (load->skip_code)
    return source_add_note(load, item,
                           go ? "a migration written in Go"
                              : "a migration in Java, or a callback of Flyway");
  return fed_err_set(load->err, SQLITE_ERROR,
                     "'%s' is %s: only %s can run it; write it as SQL or as a "
                     "function of the program ('-- migrate:call'), or say "
                     "'skip_code' to leave such files out",
                     SOURCE_SHOW(item->path),
                     go ? "a code-based migration in Go"
                        : "a migration in Java or a callback",
                     !go                            ? "Flyway"
                     : load->layout == SOURCE_GOOSE ? "goose"
                                                    : "its own program");
}

/* Is the item a file in a folder like diesel's that has no migration? */
static bool source_stray(const struct source_items *items, int i)
{
  const char *path = items->item[i].path;
  size_t n = strcspn(path, "/") + 1;

  if (fnmatch("[0-9]*/*", path, 0) != 0 || path[n] == 0) return false;
  while (i > 0 && strncmp(items->item[i - 1].path, path, n) == 0)
    i--;
  for (; i < items->n && strncmp(items->item[i].path, path, n) == 0; i++)
    if (items->item[i].shape == SHAPE_FOLDER) return false;
  return true;
}

/* No migration: a slip, a note, or nothing. */
static int source_other(struct source_loader *load, int i)
{
  const struct source_item *item = &load->items.item[i];
  const char *slip =
    item->shape == SHAPE_OTHER ? source_name_near(item->path) : NULL;

  if (load->layout == SOURCE_DIESEL && source_stray(&load->items, i))
    slip = "it is in a folder without up.sql, or without digits only before "
           "'_': VERSION_name/up.sql";
  if (slip)
    return fed_err_set(load->err, SQLITE_ERROR,
                       "'%s' is nearly the name of a migration: %s; rename it, "
                       "or give it another extension",
                       SOURCE_SHOW(item->path), slip);
  if (item->shape == SHAPE_GO)
    return source_add_note(load, item, "Go code, which is not run here");
  if (fnmatch("*.sql", item->path, FNM_CASEFOLD) != 0) return SQLITE_OK;
  return source_add_note(load, item, "not named as a migration of this layout");
}

/* A name becomes text of the host, so it has to be text. */
static int source_check_name(struct source_loader *load,
                             const struct source_item *item)
{
  if (strchr(SOURCE_SHOWN(item->name, item->name_size), '\\') == NULL)
    return SQLITE_OK;
  return fed_err_set(load->err, SQLITE_ERROR,
                     "the name of '%s' has backslashes or characters that are "
                     "not printable: rename it",
                     SOURCE_SHOW(item->path));
}

static int source_choose(struct source_loader *load)
{
  bool alone = true;
  int rc = SQLITE_OK;

  for (int i = 0; i < load->items.n; i++)
    if (load->items.item[i].shape & load->row->allows) alone = false;
  load->chosen = fed_calloc((size_t)load->items.n, sizeof *load->chosen);
  if (!load->chosen) return fed_err_nomem(load->err);
  for (int i = 0; i < load->items.n && rc == SQLITE_OK; i++) {
    struct source_item *item = &load->items.item[i];

    if (item->shape & load->row->allows) {
      rc = source_check_name(load, item);
      load->chosen[load->n++] = item;
    } else if (source_is_code(load, item, alone)) {
      rc = source_code(load, item);
    } else {
      rc = source_other(load, i);
    }
  }
  return rc;
}

/* ---- their order ------------------------------------------------------- */

/* Names as Flyway orders them: '_' is a blank there. */
static int source_name_cmp(const struct source_item *a,
                           const struct source_item *b)
{
  size_t n = a->name_size < b->name_size ? a->name_size : b->name_size;

  for (size_t i = 0; i < n; i++) {
    uint8_t x = (uint8_t)(a->name[i] == '_' ? ' ' : a->name[i]);
    uint8_t y = (uint8_t)(b->name[i] == '_' ? ' ' : b->name[i]);

    if (x != y) return x < y ? -1 : 1;
  }
  return (a->name_size > b->name_size) - (a->name_size < b->name_size);
}

/* 0: two files of one migration. */
static int source_same(const struct source_item *a, const struct source_item *b)
{
  static const int rank[] = {
    [SOURCE_BASELINE] = 0, [SOURCE_VERSIONED] = 1, [SOURCE_REPEATABLE] = 2};
  bool last_a = a->kind == SOURCE_REPEATABLE;
  bool last_b = b->kind == SOURCE_REPEATABLE;
  int diff;

  if (last_a != last_b) return last_a ? 1 : -1;
  diff =
    last_a ? source_name_cmp(a, b) : source_version_cmp(a->version, b->version);
  return diff ? diff : rank[a->kind] - rank[b->kind];
}

static int source_order(const void *a, const void *b)
{
  const struct source_item *x = *(struct source_item *const *)a;
  const struct source_item *y = *(struct source_item *const *)b;
  int diff = source_same(x, y);

  if (diff == 0) diff = (int)x->down - (int)y->down;
  return diff ? diff : strcmp(x->path, y->path);
}

/* ---- one migration ----------------------------------------------------- */

static int source_duplicate(struct source_loader *load,
                            const struct source_item *a,
                            const struct source_item *b)
{
  if (a->kind == SOURCE_REPEATABLE)
    return fed_err_set(load->err, SQLITE_ERROR,
                       "two repeatable migrations of one name: '%s' and '%s': "
                       "rename or remove one",
                       SOURCE_SHOW(a->path), SOURCE_SHOW(b->path));
  return fed_err_set(load->err, SQLITE_ERROR,
                     "version %s is given twice: '%s' and '%s': give the newer "
                     "one a version of its own, or remove one",
                     a->version, SOURCE_SHOW(a->path), SOURCE_SHOW(b->path));
}

/* Files for several dialects are one migration only if their names say so:
 * else one of them would be passed over, silently. */
static bool source_compete(const struct source_item *a,
                           const struct source_item *b)
{
  if (a->dialect == b->dialect) return true;
  if (a->dialect && b->dialect && strcmp(a->dialect, b->dialect) == 0)
    return true;
  return source_name_cmp(a, b) != 0;
}

/* Is the up of this down a file of code, which the user has left out? */
static bool source_up_is_code(struct source_loader *load,
                              const struct source_item *down)
{
  static const char end[] = ".down.sql";
  size_t n = strlen(down->path);
  char path[512];

  if (!load->skip_code || n < sizeof end || n >= sizeof path ||
      strcmp(down->path + n - (sizeof end - 1), end) != 0)
    return false;
  sqlite3_snprintf((int)sizeof path, path, "%.*s.up.go",
                   (int)(n - (sizeof end - 1)), down->path);
  return source_items_find(&load->items, path) != NULL;
}

/* The file of a direction among those of one migration. */
static int source_pick(struct source_loader *load, struct source_item **group,
                       int n, bool down, struct source_item **out)
{
  struct source_item *first = NULL;

  *out = NULL;
  for (int i = 0; i < n; i++) {
    struct source_item *item = group[i];

    if (item->down != down) continue;
    for (int k = 0; k < i; k++)
      if (group[k]->down == down && source_compete(group[k], item))
        return source_duplicate(load, group[k], item);
    first = first ? first : item;
    if (item->dialect ? strcmp(item->dialect, load->dialect) == 0 : !*out)
      *out = item;
  }
  if (!down && !first && source_up_is_code(load, group[0]))
    return source_add_note(load, group[0], "its up migration is code");
  if (!down && !first)
    return fed_err_set(load->err, SQLITE_ERROR,
                       "'%s' is a down migration without its up: add the file "
                       "of the same version, as in %s",
                       SOURCE_SHOW(group[0]->path), load->row->example);
  return SQLITE_OK;
}

static int source_setting_bad(struct source_loader *load, const char *path,
                              const struct source_setting *setting,
                              const char *remedy)
{
  return fed_err_set(load->err, SQLITE_ERROR, "%s:%d: '%s = %s': %s",
                     SOURCE_SHOW(path), setting->line,
                     SOURCE_SHOW(setting->key), SOURCE_SHOW(setting->value),
                     remedy);
}

/* What Flyway's NAME.sql.conf and diesel's metadata.toml may say. */
static int source_setting_apply(struct source_loader *load, const char *path,
                                const struct source_setting *setting,
                                bool *transaction, bool *variables)
{
  bool flyway = load->layout == SOURCE_FLYWAY;
  bool yes = sqlite3_stricmp(setting->value, "true") == 0;
  bool known = yes || sqlite3_stricmp(setting->value, "false") == 0;
  bool *at;

  if (flyway && strcmp(setting->key, "encoding") == 0)
    return sqlite3_stricmp(setting->value, "UTF-8") == 0
             ? SQLITE_OK
             : source_setting_bad(load, path, setting,
                                  "only UTF-8 is read: convert the file");
  at = strcmp(setting->key,
              flyway ? "executeInTransaction" : "run_in_transaction") == 0
         ? transaction
       : flyway && strcmp(setting->key, "placeholderReplacement") == 0
         ? variables
         : NULL;
  if (!at)
    return source_setting_bad(load, path, setting,
                              flyway
                                ? "of Flyway's settings there are here: "
                                  "executeInTransaction, "
                                  "placeholderReplacement, encoding"
                                : "the only setting is run_in_transaction");
  if (!known)
    return source_setting_bad(load, path, setting, "it is true or false");
  *at = yes;
  return SQLITE_OK;
}

/* The file of settings beside a migration: its name, if there can be one. */
static void source_setting_path(const struct source_loader *load,
                                const struct source_item *item,
                                struct fed_str *path)
{
  if (load->layout == SOURCE_FLYWAY) {
    fed_str_addf(path, "%s.conf", item->path);
  } else if (load->layout == SOURCE_DIESEL) {
    fed_str_addn(path, item->path, strcspn(item->path, "/"));
    fed_str_add(path, "/metadata.toml");
  }
}

static int source_settings(struct source_loader *load,
                           const struct source_item *item, bool *transaction,
                           bool *variables)
{
  struct source_setting setting = {"", "", 0};
  struct source_item *beside;
  const char *text;
  struct fed_str path;
  int rc;

  fed_str_init(&path, 2 * 4096);
  source_setting_path(load, item, &path);
  rc = fed_str_err(&path, load->err);
  beside = path.len ? source_items_find(&load->items, path.s) : NULL;
  fed_str_release(&path);
  if (rc != SQLITE_OK || !beside) return rc;
  rc = source_item_read(&load->items, beside, load->err);
  for (text = beside->text;
       rc == SQLITE_OK && source_setting_next(&text, &setting);)
    rc = source_setting_apply(load, beside->path, &setting, transaction,
                              variables);
  return rc;
}

/* Read one of a migration's files into its script, or with sections into
 * both. The script takes the text. */
static int source_script(struct source_loader *load, struct source_item *item,
                         struct source_script *script,
                         struct source_script *other)
{
  bool sections =
    item->shape & (SHAPE_SINGLE | SHAPE_LOOSE) && !load->row->single_up;
  bool transaction = true, variables = load->row->variables;
  struct source_text in = {
    .path = item->path,
    .dialect = load->dialect,
    .grammar = load->row->grammar,
    .holds = sections     ? HOLDS_BOTH
             : item->down ? HOLDS_DOWN
                          : HOLDS_UP,
  };

  if (source_item_read(&load->items, item, load->err) != SQLITE_OK ||
      source_settings(load, item, &transaction, &variables) != SQLITE_OK)
    return load->err->rc;
  script->path = fed_strdup(SOURCE_SHOW(item->path));
  if (!script->path) return fed_err_nomem(load->err);
  script->text = in.text = item->text;
  in.size = item->size;
  in.variables = variables;
  item->text = NULL;
  if (source_text_parse(&in, item->down ? other : script,
                        item->down ? script : other, load->err) != SQLITE_OK)
    return load->err->rc;
  if (!transaction || item->autocommit) script->no_transaction = true;
  return SQLITE_OK;
}

static int source_down(struct source_loader *load, struct source_item *up,
                       struct source_item *down, struct source_file *file)
{
  struct source_script unused;
  int rc;

  if (!down) {
    if (!file->down.present) return SQLITE_OK;
    file->down.path = fed_strdup(file->up.path);
    return file->down.path ? SQLITE_OK : fed_err_nomem(load->err);
  }
  if (file->down.present) return source_duplicate(load, up, down);
  memset(&unused, 0, sizeof unused);
  /* What the up file said before its sections is no matter of this one. */
  source_clear_script(&file->down);
  rc = source_script(load, down, &file->down, &unused);
  source_clear_script(&unused);
  return rc;
}

/* `group`: all files of one migration. */
static int source_migration(struct source_loader *load,
                            struct source_item **group, int n)
{
  struct source *source = load->source;
  struct source_file *file = &source->file[source->nfile];
  struct source_item *up, *down;
  int rc;

  if (source_pick(load, group, n, false, &up) != SQLITE_OK ||
      source_pick(load, group, n, true, &down) != SQLITE_OK)
    return load->err->rc;
  if (!up) return SQLITE_OK; /* for other dialects only */
  source->nfile++;
  memcpy(file->version, up->version, sizeof file->version);
  file->kind = up->kind;
  file->name = fed_strndup(up->name, up->name_size);
  if (!file->name) return fed_err_nomem(load->err);
  if (source_item_read(&load->items, up, load->err) != SQLITE_OK)
    return load->err->rc;
  source_item_hash(up, file->checksum); /* before anything is blanked */
  rc = source_script(load, up, &file->up, &file->down);
  return rc == SQLITE_OK ? source_down(load, up, down, file) : rc;
}

static int source_migrations(struct source_loader *load)
{
  int rc = SQLITE_OK, n;

  load->source->file = fed_calloc((size_t)load->n, sizeof *load->source->file);
  if (!load->source->file) return fed_err_nomem(load->err);
  for (int i = 0; i < load->n && rc == SQLITE_OK; i += n) {
    for (n = 1; i + n < load->n; n++)
      if (source_same(load->chosen[i], load->chosen[i + n]) != 0) break;
    rc = source_migration(load, load->chosen + i, n);
  }
  return rc;
}

/* ---- all of it --------------------------------------------------------- */

/* The items are listed: `rc` says how that went. */
static int source_build(struct source_loader *load, int rc,
                        const struct source_options *opt, struct source **out)
{
  load->layout = opt ? opt->layout : SOURCE_AUTO;
  load->skip_code = opt && opt->skip_code;
  load->dialect = source_dialect(load->dialect, strlen(load->dialect));
  if (!load->dialect)
    rc = fed_err_set(load->err, SQLITE_MISUSE, "unknown dialect of a source");
  load->source = fed_alloc(sizeof *load->source);
  if (!load->source) rc = fed_err_nomem(load->err);
  if (rc == SQLITE_OK)
    rc = source_layout_find(&load->items, &load->layout, load->err);
  load->row = &source_rows[load->layout];
  if (rc == SQLITE_OK) {
    load->source->layout = load->layout;
    rc = source_choose(load);
  }
  if (rc == SQLITE_OK && load->n > 0)
    qsort(load->chosen, (size_t)load->n, sizeof *load->chosen, source_order);
  if (rc == SQLITE_OK) rc = source_migrations(load);
  fed_free(load->chosen);
  source_items_release(&load->items);
  if (rc == SQLITE_OK) {
    *out = load->source;
  } else {
    source_free(load->source);
    *out = NULL;
  }
  return rc;
}

int source_load(struct source **out, const char *dir, const char *dialect,
                const struct source_options *opt, struct fed_err *err)
{
  struct source_loader load = {.dialect = dialect, .err = err};
  int rc = source_items_open(&load.items, dir, err);

  return source_build(&load, rc, opt, out);
}

int source_load_embedded(struct source **out,
                         const struct source_embedded *list, int n,
                         const char *dialect, const struct source_options *opt,
                         struct fed_err *err)
{
  struct source_loader load = {.dialect = dialect, .err = err};
  int rc = source_items_embed(&load.items, list, n, err);

  return source_build(&load, rc, opt, out);
}
