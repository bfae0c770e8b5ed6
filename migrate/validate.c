#include "migrate/validate.h"

#include "base/mem.h"
#include "migrate/dump.h"

#define AT(member)     offsetof(struct validate_opts, member)
#define VALIDATE_NAMED 5 /* differences that an error names */

const struct fed_opt validate_options[] = {
  {"file",   FED_OPT_TEXT, AT(file),   0, 0, 0, NULL,
   "the file with the schema, to write or to compare with"},
  {"schema", FED_OPT_TEXT, AT(schema), 0, 0, 0, NULL,
   "which schema, on PostgreSQL"                          },
};
const int validate_noptions = FED_LEN(validate_options);

static int validate_parse(struct validate_opts *opts, const char *const *args,
                          int n, struct fed_err *err)
{
  int rc = SQLITE_OK;

  memset(opts, 0, sizeof *opts);
  for (int i = 0; i < n && rc == SQLITE_OK; i++)
    rc = fed_opt_parse(validate_options, validate_noptions, opts, args[i], NULL,
                       err);
  return rc;
}

static int validate_open(const struct migrate_host *host, const char *name,
                         struct target **out, struct fed_err *err)
{
  if (name && strchr(name, ','))
    return fed_err_set(err, SQLITE_MISUSE, "one target at a time, not '%s'",
                       name);
  return target_open(out, name, host->db, &host->wait, err);
}

static int validate_live(const struct migrate_host *host, const char *name,
                         const struct validate_opts *opts, struct schema *out,
                         struct fed_err *err)
{
  struct target *target = NULL;
  int rc = validate_open(host, name, &target, err);

  if (rc == SQLITE_OK) rc = schema_load(out, target, opts->schema, err);
  target_close(target);
  return rc;
}

/* ---- schema_snapshot ----------------------------------------------------- */

int validate_snapshot(const struct migrate_host *host, const char *target,
                      const char *const *args, int n, struct fed_str *out,
                      struct fed_err *err)
{
  struct validate_opts opts;
  struct schema schema = {0};
  struct fed_str text;
  int rc = validate_parse(&opts, args, n, err);

  fed_str_init(&text, FED_STR_SQL);
  if (rc == SQLITE_OK) rc = validate_live(host, target, &opts, &schema, err);
  if (rc == SQLITE_OK) rc = schema_write(&schema, opts.file ? &text : out, err);
  if (rc == SQLITE_OK && opts.file) {
    rc = validate_file_write(opts.file, &text, err);
    fed_str_addf(out, "%s: %d object%s written to %s", target ? target : "main",
                 schema.nobject, schema.nobject == 1 ? "" : "s", opts.file);
  }
  schema_release(&schema);
  fed_str_release(&text);
  fed_opt_release(validate_options, validate_noptions, &opts);
  return rc == SQLITE_OK ? fed_str_err(out, err) : rc;
}

/* ---- migrate_dump -------------------------------------------------------- */

int validate_dump(const struct migrate_host *host, const char *name,
                  const char *const *args, int n, struct fed_str *out,
                  struct fed_err *err)
{
  struct validate_opts opts;
  struct target *target = NULL;
  struct fed_str text;
  int rc = validate_parse(&opts, args, n, err);

  fed_str_init(&text, FED_STR_SQL);
  if (rc == SQLITE_OK) rc = validate_open(host, name, &target, err);
  if (rc == SQLITE_OK)
    rc = dump_write(target, opts.schema, opts.file ? &text : out, err);
  if (rc == SQLITE_OK && opts.file) {
    rc = validate_file_write(opts.file, &text, err);
    fed_str_addf(out, "%s: written to %s", name ? name : "main", opts.file);
  }
  target_close(target);
  fed_str_release(&text);
  fed_opt_release(validate_options, validate_noptions, &opts);
  return rc == SQLITE_OK ? fed_str_err(out, err) : rc;
}

/* ---- schema_verify ------------------------------------------------------- */

static int validate_expected(const char *path, struct schema *out,
                             struct fed_err *err)
{
  struct fed_str text;
  int rc;

  fed_str_init(&text, FED_STR_SQL);
  rc = validate_file_read(path, &text, err);
  if (rc == SQLITE_CANTOPEN)
    fed_err_suffix(err, "; schema_snapshot() writes one");
  if (rc == SQLITE_OK) rc = schema_read(out, path, text.s, err);
  fed_str_release(&text);
  return rc;
}

static int validate_compare(const struct migrate_host *host, const char *target,
                            const struct validate_opts *opts, int *nobject,
                            schema_difference_fn *fn, void *arg,
                            struct fed_err *err)
{
  struct schema expected = {0}, found = {0};
  int rc = validate_expected(opts->file, &expected, err);

  if (rc == SQLITE_OK) rc = validate_live(host, target, opts, &found, err);
  if (rc == SQLITE_OK) rc = schema_diff(&expected, &found, fn, arg, err);
  *nobject = found.nobject;
  schema_release(&expected);
  schema_release(&found);
  return rc;
}

static int validate_differ(const struct migrate_host *host, const char *target,
                           const char *const *args, int n, int *nobject,
                           schema_difference_fn *fn, void *arg,
                           struct fed_err *err)
{
  struct validate_opts opts;
  int rc = validate_parse(&opts, args, n, err);

  if (rc == SQLITE_OK && !opts.file)
    rc = fed_err_set(err, SQLITE_MISUSE,
                     "compared with which file? say it as 'file=schema.json'; "
                     "schema_snapshot() writes one");
  if (rc == SQLITE_OK)
    rc = validate_compare(host, target, &opts, nobject, fn, arg, err);
  fed_opt_release(validate_options, validate_noptions, &opts);
  return rc;
}

int validate_differences(const struct migrate_host *host, const char *target,
                         const char *const *args, int n,
                         schema_difference_fn *fn, void *arg,
                         struct fed_err *err)
{
  int nobject = 0;

  return validate_differ(host, target, args, n, &nobject, fn, arg, err);
}

struct validate_list {
  struct fed_str text;
  int n;
};

/* "column 'orders.qty': type is text, expected integer" */
static int validate_note(void *arg, const struct schema_difference *d,
                         struct fed_err *err)
{
  struct validate_list *list = arg;

  (void)err;
  if (list->n++ >= VALIDATE_NAMED) return SQLITE_OK;
  fed_str_addf(&list->text, "%s%s", list->n > 1 ? "; " : "", d->kind);
  if (d->object)
    fed_str_addf(&list->text, " '%s%s%s'", d->object, d->part ? "." : "",
                 d->part ? d->part : "");
  if (!d->property)
    fed_str_addf(&list->text, " is %s", d->found);
  else
    fed_str_addf(&list->text, ": %s is %.60s, expected %.60s", d->property,
                 d->found ? d->found : "none",
                 d->expected ? d->expected : "none");
  return SQLITE_OK;
}

static int validate_refuse(const struct validate_list *list, const char *target,
                           struct fed_err *err)
{
  return fed_err_set(err, SQLITE_MISMATCH,
                     "target '%s': the schema is not as expected: %d "
                     "difference%s: %s%s",
                     target ? target : "main", list->n, list->n > 1 ? "s" : "",
                     list->text.s, list->n > VALIDATE_NAMED ? "; ..." : "");
}

int validate_verify(const struct migrate_host *host, const char *target,
                    const char *const *args, int n, struct fed_str *out,
                    struct fed_err *err)
{
  struct validate_list list = {.n = 0};
  int nobject = 0, rc;

  fed_str_init(&list.text, FED_STR_SQL);
  rc =
    validate_differ(host, target, args, n, &nobject, validate_note, &list, err);
  if (rc == SQLITE_OK && list.n) rc = validate_refuse(&list, target, err);
  if (rc == SQLITE_OK)
    fed_str_addf(out, "%s: as expected, %d object%s", target ? target : "main",
                 nobject, nobject == 1 ? "" : "s");
  fed_str_release(&list.text);
  return rc;
}

/* ---- migrate_require ----------------------------------------------------- */

enum { REQUIRE_FAIL, REQUIRE_WARN, REQUIRE_AUTO };
static const char *const require_modes[] = {"fail", "warn", "auto", NULL};

struct require_opts {
  int mode;
  struct validate_opts schema;
};

static const struct fed_opt require_options[] = {
  {.name = "mode",
   .type = FED_OPT_WORD,
   .offset = offsetof(struct require_opts, mode),
   .words = require_modes,
   .help = "what to do if not all is as it should be"},
  {.name = "file",
   .type = FED_OPT_TEXT,
   .offset = offsetof(struct require_opts,                   schema.file),
   .help = "of schema_snapshot(), to compare the schema with"  },
  {.name = "schema",
   .type = FED_OPT_TEXT,
   .offset = offsetof(struct require_opts,                   schema.schema),
   .help = "which schema, on PostgreSQL"},
};

struct require {
  const struct migrate_host *host;
  struct require_opts opts;
  struct migrate_opts migrate; /* what it is allowed to be */
  char to[SOURCE_VERSION_MAX];
  const char **args; /* those for migrate_status and migrate_up */
  int nargs;
  struct fed_str *out;
  /* Of the present target. */
  int wrong[PLAN_STATES];
  struct fed_str names[PLAN_STATES];
  char newest[SOURCE_VERSION_MAX];
  struct fed_str problem; /* of all */
};

static bool require_is_wrong(const struct require *r,
                             const struct plan_item *item)
{
  const struct plan_allow *allow = &r->migrate.allow;
  const char *version = plan_version(item);

  switch (item->state) {
  case PLAN_PENDING:
    return !*r->to || !*version || source_version_cmp(version, r->to) <= 0;
  case PLAN_AGAIN:
  case PLAN_PARTIAL:
    return true;
  case PLAN_OUT_OF_ORDER:
    return !allow->out_of_order;
  case PLAN_CHANGED:
    return !allow->changed;
  case PLAN_MISSING:
    return !allow->missing;
  case PLAN_FUTURE:
    return !allow->future;
  case PLAN_APPLIED:
  case PLAN_BASELINED:
  case PLAN_STATES:
    break;
  }
  return false;
}

static int require_item(void *arg, const char *target,
                        const struct plan_item *item, struct fed_err *err)
{
  struct require *r = arg;
  const char *version = plan_version(item);
  struct fed_str *names = &r->names[item->state];

  (void)target;
  (void)err;
  if (item->row && *version)
    sqlite3_snprintf((int)sizeof r->newest, r->newest, "%s", version);
  if (!require_is_wrong(r, item)) return SQLITE_OK;
  if (++r->wrong[item->state] <= VALIDATE_NAMED)
    fed_str_addf(names, "%s%s", names->len ? ", " : "",
                 *version ? version : plan_name(item));
  return SQLITE_OK;
}

/* "2 pending (3, 4), 1 changed (2)" */
static void require_migrations(struct require *r)
{
  for (int i = 0; i < PLAN_STATES; i++)
    if (r->wrong[i])
      fed_str_addf(&r->problem, "%s%d %s (%s%s)", r->problem.len ? ", " : "",
                   r->wrong[i], plan_state_name((enum plan_state)i),
                   r->names[i].s, r->wrong[i] > VALIDATE_NAMED ? ", ..." : "");
}

static int require_schema(struct require *r, const char *target,
                          struct fed_err *err)
{
  struct validate_list list = {.n = 0};
  int nobject = 0, rc;

  if (!r->opts.schema.file) return SQLITE_OK;
  fed_str_init(&list.text, FED_STR_SQL);
  rc = validate_compare(r->host, target, &r->opts.schema, &nobject,
                        validate_note, &list, err);
  if (rc == SQLITE_OK && list.n)
    fed_str_addf(&r->problem, "%s%d difference%s in the schema: %s%s",
                 r->problem.len ? ", " : "", list.n, list.n > 1 ? "s" : "",
                 list.text.s, list.n > VALIDATE_NAMED ? "; ..." : "");
  fed_str_release(&list.text);
  return rc;
}

static int require_look(struct require *r, const char *target,
                        struct fed_err *err)
{
  int rc;

  memset(r->wrong, 0, sizeof r->wrong);
  r->newest[0] = 0;
  fed_str_reset(&r->problem);
  for (int i = 0; i < PLAN_STATES; i++)
    fed_str_reset(&r->names[i]);
  rc = migrate_status(r->host, target, r->args, r->nargs, require_item, r, err);
  require_migrations(r);
  return rc;
}

static int require_target(void *arg, const char *target, struct fed_err *err)
{
  struct require *r = arg;
  struct fed_str *out = r->out;
  struct fed_str report;
  int rc = SQLITE_OK;

  fed_str_init(&report, FED_STR_SQL);
  if (r->opts.mode == REQUIRE_AUTO)
    rc =
      migrate_run(r->host, MIGRATE_UP, target, r->args, r->nargs, &report, err);
  fed_str_release(&report);
  if (rc == SQLITE_OK) rc = require_look(r, target, err);
  if (rc == SQLITE_OK) rc = require_schema(r, target, err);
  if (rc == SQLITE_OK) rc = fed_str_err(&r->problem, err);
  if (rc != SQLITE_OK) return rc;
  if (r->problem.len && r->opts.mode != REQUIRE_WARN)
    return fed_err_set(err, SQLITE_MISMATCH,
                       "target '%s' is not as the program needs it: %s; see "
                       "SELECT * FROM migrate_status(), and migrate_up()",
                       target, r->problem.s);
  fed_str_addf(out, "%s%s: ", out->len ? "\n" : "", target);
  if (r->problem.len)
    fed_str_addf(out, "not as needed: %s", r->problem.s);
  else
    fed_str_addf(out, "up to date%s%s", *r->newest ? ", at " : "", r->newest);
  return SQLITE_OK;
}

static int require_parse(struct require *r, const char *const *args, int n,
                         struct fed_err *err)
{
  int rc = SQLITE_OK;

  fed_opt_defaults(require_options, FED_LEN(require_options), &r->opts);
  fed_opt_defaults(migrate_options, migrate_noptions, &r->migrate);
  r->args = fed_calloc((size_t)n + 1, sizeof *r->args);
  if (!r->args) return fed_err_nomem(err);
  for (int i = 0; i < n && rc == SQLITE_OK; i++) {
    bool known = false;

    rc = fed_opt_parse(require_options, FED_LEN(require_options), &r->opts,
                       args[i], &known, err);
    if (known || rc != SQLITE_OK) continue;
    r->args[r->nargs++] = args[i];
    if (strncmp(args[i], "var.", 4) != 0)
      rc = fed_opt_parse(migrate_options, migrate_noptions, &r->migrate,
                         args[i], NULL, err);
  }
  if (rc == SQLITE_OK &&
      (r->migrate.dry_run || r->migrate.pending || r->migrate.steps))
    rc = fed_err_set(err, SQLITE_MISUSE,
                     "dry_run, pending and steps make no sense here");
  if (rc == SQLITE_OK && r->opts.schema.schema && !r->opts.schema.file)
    rc = fed_err_set(err, SQLITE_MISUSE,
                     "'schema=%s' is compared with which file? say it as "
                     "'file=schema.json'; schema_snapshot() writes one",
                     r->opts.schema.schema);
  if (rc == SQLITE_OK && r->migrate.to)
    rc = source_version_parse(r->migrate.to, r->to, err);
  return rc;
}

int validate_require(const struct migrate_host *host, const char *targets,
                     const char *const *args, int n, struct fed_str *out,
                     struct fed_err *err)
{
  struct require r = {.host = host, .out = out};
  int rc;

  fed_str_init(&r.problem, FED_STR_SQL);
  for (int i = 0; i < PLAN_STATES; i++)
    fed_str_init(&r.names[i], FED_STR_SQL);
  rc = require_parse(&r, args, n, err);
  if (rc == SQLITE_OK) rc = target_each(targets, require_target, &r, err);
  for (int i = 0; i < PLAN_STATES; i++)
    fed_str_release(&r.names[i]);
  fed_str_release(&r.problem);
  fed_free(r.args);
  fed_opt_release(require_options, FED_LEN(require_options), &r.opts);
  fed_opt_release(migrate_options, migrate_noptions, &r.migrate);
  return rc == SQLITE_OK ? fed_str_err(out, err) : rc;
}
