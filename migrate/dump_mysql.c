/*
 * dump_mysql: SHOW CREATE of everything, in an order in which it can be made:
 * tables (foreign keys unchecked meanwhile), functions, views after those that
 * they read, the rest.
 */
#include "base/mem.h"
#include "migrate/dump.h"

static const char mysql_sequences[] =
  "table_name FROM information_schema.tables WHERE table_schema = ? AND"
  " table_type = 'SEQUENCE'";
static const char mysql_tables[] =
  "table_name FROM information_schema.tables WHERE table_schema = ? AND"
  " table_type IN ('BASE TABLE', 'SYSTEM VERSIONED') AND table_name <>"
  " 'dbfed_migration'";
static const char mysql_functions[] =
  "routine_name FROM information_schema.routines WHERE routine_schema = ? AND"
  " routine_type = 'FUNCTION'";
static const char mysql_views[] =
  "table_name FROM information_schema.views WHERE table_schema = ?";
static const char mysql_procedures[] =
  "routine_name FROM information_schema.routines WHERE routine_schema = ? AND"
  " routine_type = 'PROCEDURE'";
static const char mysql_triggers[] =
  "trigger_name FROM information_schema.triggers WHERE trigger_schema = ?"
  " ORDER BY event_object_table, action_timing, event_manipulation,"
  " action_order";
static const char mysql_events[] =
  "event_name FROM information_schema.events WHERE event_schema = ?";

/* Kinds of objects in the order in which they are made. */
static const struct mysql_kind {
  const char *word; /* SHOW CREATE word */
  const char *list; /* their names; the argument is the database */
  int text;         /* the column of SHOW CREATE with the statement */
  int mode;         /* that with its sql_mode, or 0 */
  bool body;        /* holds statements of its own */
} mysql_kinds[] = {
  {"SEQUENCE",  mysql_sequences,  1, 0, false},
  {"TABLE",     mysql_tables,     1, 0, false},
  {"FUNCTION",  mysql_functions,  2, 1, true },
  {"VIEW",      mysql_views,      1, 0, false},
  {"PROCEDURE", mysql_procedures, 2, 1, true },
  {"TRIGGER",   mysql_triggers,   2, 1, true },
  {"EVENT",     mysql_events,     3, 1, true },
};

struct mysql_object {
  char *name, *text, *mode;
  bool written;
};

struct mysql_dump {
  struct target *target;
  const struct mysql_kind *kind;
  struct mysql_object *object; /* of this kind */
  int n;
  char *mode; /* sql_mode as last set, or NULL */
  struct fed_str *out;
};

static void mysql_forget(struct mysql_dump *d)
{
  for (int i = 0; i < d->n; i++) {
    fed_free(d->object[i].name);
    fed_free(d->object[i].text);
    fed_free(d->object[i].mode);
  }
  fed_free(d->object);
  d->object = NULL;
  d->n = 0;
}

static int mysql_named(void *arg, const struct fed_value *row,
                       struct fed_err *err)
{
  struct mysql_dump *d = arg;
  struct mysql_object *grown =
    fed_realloc(d->object, (size_t)(d->n + 1) * sizeof *grown);

  if (!grown) return fed_err_nomem(err);
  d->object = grown;
  memset(&grown[d->n], 0, sizeof *grown);
  if (row[0].type != FED_TEXT) return SQLITE_OK;
  grown[d->n].name = fed_strndup(row[0].p, (size_t)row[0].size);
  return grown[d->n++].name ? SQLITE_OK : fed_err_nomem(err);
}

/* Whoever makes it is its definer: that of this server may not be there. It
 * stands before the name, and a table has none. */
static void mysql_cut_definer(char *text)
{
  char *start = strstr(text, " DEFINER=`"), *p = start ? start + 10 : NULL;

  for (int part = 0; p && part < 2; part++) {
    while ((p = strchr(p, '`')) && p[1] == '`')
      p += 2;
    if (!p) return;
    p++;
    if (part == 0) {
      if (p[0] != '@' || p[1] != '`') return;
      p += 2;
    }
  }
  if (p) memmove(start, p, strlen(p) + 1);
}

/* The counter is no part of the schema. It stands among the options, which
 * begin with the last line that begins with ')'. */
static void mysql_cut_counter(char *text)
{
  static const char word[] = " AUTO_INCREMENT=";
  char *options = NULL, *p = text, *end;

  while ((p = strstr(p, "\n) ")))
    options = p++;
  if (!options || !(p = strstr(options, word))) return;
  end = p + sizeof word - 1;
  end += strspn(end, "0123456789");
  memmove(p, end, strlen(end) + 1);
}

struct mysql_reading {
  const struct mysql_kind *kind;
  struct mysql_object *object;
};

static int mysql_text(void *arg, const struct fed_value *row,
                      struct fed_err *err)
{
  struct mysql_reading *r = arg;
  const struct fed_value *text = &row[r->kind->text];

  if (text->type != FED_TEXT)
    return fed_err_set(err, SQLITE_ERROR,
                       "may not see the text of %s '%s': the user needs the "
                       "rights of its definer",
                       r->kind->word, r->object->name);
  fed_free(r->object->text);
  r->object->text = fed_strndup(text->p, (size_t)text->size);
  if (!r->object->text) return fed_err_nomem(err);
  if (!r->kind->mode || row[r->kind->mode].type != FED_TEXT) return SQLITE_OK;
  fed_free(r->object->mode);
  r->object->mode =
    fed_strndup(row[r->kind->mode].p, (size_t)row[r->kind->mode].size);
  return r->object->mode ? SQLITE_OK : fed_err_nomem(err);
}

static int mysql_show(struct mysql_dump *d, struct mysql_object *object,
                      struct fed_err *err)
{
  struct mysql_reading reading = {d->kind, object};
  struct fed_str sql;
  int rc;

  fed_str_init(&sql, 8192);
  fed_str_addf(&sql, "SHOW CREATE %s ", d->kind->word);
  fed_str_quote(&sql, object->name, '`');
  rc = fed_str_err(&sql, err);
  if (rc == SQLITE_OK)
    rc = target_rows(d->target, sql.s, mysql_text, &reading, err);
  fed_str_release(&sql);
  if (rc != SQLITE_OK || !object->text) return rc;
  if (!strcmp(d->kind->word, "TABLE"))
    mysql_cut_counter(object->text);
  else
    mysql_cut_definer(object->text);
  return SQLITE_OK;
}

static int mysql_mode(struct mysql_dump *d, const char *mode,
                      struct fed_err *err)
{
  if (!mode || (d->mode && !strcmp(d->mode, mode))) return SQLITE_OK;
  fed_free(d->mode);
  d->mode = fed_strdup(mode);
  if (!d->mode) return fed_err_nomem(err);
  fed_str_addf(d->out, "SET sql_mode = '%s';\n", mode);
  return SQLITE_OK;
}

static int mysql_write(struct mysql_dump *d, struct mysql_object *object,
                       struct fed_err *err)
{
  static const char *const ends[] = {";;", "//", "$$", "|dbfed|"};
  size_t i = 0;
  int rc;

  object->written = true;
  if (!object->text) return SQLITE_OK;
  rc = mysql_mode(d, object->mode, err);
  if (!d->kind->body) {
    fed_str_addf(d->out, "%s;\n", object->text);
    return rc;
  }
  while (i < FED_LEN(ends) - 1 && strstr(object->text, ends[i]))
    i++;
  fed_str_addf(d->out, "DELIMITER %s\n%s %s\nDELIMITER ;\n", ends[i],
               object->text, ends[i]);
  return rc;
}

/* Is this view read by that one? Its name is in the text, at least. */
static bool mysql_reads(const struct mysql_object *view,
                        const struct mysql_object *other)
{
  struct fed_str name;
  const char *body = view->text ? strstr(view->text, " AS ") : NULL;
  bool found;

  fed_str_init(&name, 1024);
  fed_str_quote(&name, other->name, '`');
  found = body && strstr(body, name.s);
  fed_str_release(&name);
  return found;
}

/* What it reads first. A circle, which only seems one, is cut. */
static int mysql_view(struct mysql_dump *d, int i, struct fed_err *err)
{
  struct mysql_object *view = &d->object[i];
  int rc = SQLITE_OK;

  if (view->written) return SQLITE_OK;
  view->written = true;
  for (int k = 0; k < d->n && rc == SQLITE_OK; k++)
    if (!d->object[k].written && mysql_reads(view, &d->object[k]))
      rc = mysql_view(d, k, err);
  return rc == SQLITE_OK ? mysql_write(d, view, err) : rc;
}

static int mysql_all(struct mysql_dump *d, struct fed_err *err)
{
  struct fed_value where = fed_value_cstr(d->target->where);
  struct fed_str sql;
  int rc;

  fed_str_init(&sql, 4096);
  fed_str_addf(&sql, "SELECT %s%s", d->kind->list,
               strstr(d->kind->list, " ORDER BY ") ? "" : " ORDER BY 1");
  rc = target_query(d->target, sql.s, &where, 1, mysql_named, d, err);
  fed_str_release(&sql);
  for (int i = 0; i < d->n && rc == SQLITE_OK; i++)
    rc = mysql_show(d, &d->object[i], err);
  for (int i = 0; i < d->n && rc == SQLITE_OK; i++)
    rc = !strcmp(d->kind->word, "VIEW") ? mysql_view(d, i, err)
                                        : mysql_write(d, &d->object[i], err);
  mysql_forget(d);
  return rc;
}

int dump_of_mysql(struct target *target, const char *where, struct fed_str *out,
                  struct fed_err *err)
{
  struct mysql_dump dump = {.target = target, .out = out};
  int rc = SQLITE_OK;

  if (where)
    return fed_err_set(err, SQLITE_MISUSE,
                       "'schema=' is PostgreSQL's: the URL names the database");
  fed_str_add(out, "SET NAMES utf8mb4;\n"
                   "SET @dbfed_checks = @@foreign_key_checks;\n"
                   "SET @dbfed_mode = @@sql_mode;\n"
                   "SET foreign_key_checks = 0;\n");
  for (size_t i = 0; i < FED_LEN(mysql_kinds) && rc == SQLITE_OK; i++) {
    dump.kind = &mysql_kinds[i];
    rc = mysql_all(&dump, err);
  }
  fed_str_add(out, "SET foreign_key_checks = @dbfed_checks;\n"
                   "SET sql_mode = @dbfed_mode;\n");
  fed_free(dump.mode);
  return rc;
}
