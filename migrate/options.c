/* options: of the functions of migrate/. An addition is one row. */
#include "migrate/migrate.h"

#define DAY_MS    86400000
#define STEPS_MAX 1000000

static const char *const option_guards[] = {"none", "destructive", NULL};

#define AT(member) offsetof(struct migrate_opts, member)

/* clang-format off */
const struct fed_opt migrate_options[] = {
  {"dir", FED_OPT_TEXT, AT(dir), 0, 0, 0, NULL, "where the files are"},
  {"source", FED_OPT_TEXT, AT(source), 0, 0, 0, NULL,
   "a table with a row for each file, in place of a directory"},
  {"embedded", FED_OPT_TEXT, AT(embedded), 0, 0, 0, NULL,
   "files that the program has registered by fed_migrate_files()"},
  {"to", FED_OPT_TEXT, AT(to), 0, 0, 0, NULL, "the version to stop at"},
  {"steps", FED_OPT_INT, AT(steps), 1, STEPS_MAX, 0, NULL, "how many at most"},
  {"dry_run", FED_OPT_FLAG, AT(dry_run), 0, 0, 0, NULL,
   "only say what would be done"},
  {"pending", FED_OPT_FLAG, AT(pending), 0, 0, 0, NULL,
   "migrate_force: it is not applied"},
  {"out_of_order", FED_OPT_FLAG, AT(allow.out_of_order), 0, 0, 0, NULL,
   "apply files below the newest applied one, too"},
  {"changed", FED_OPT_FLAG, AT(allow.changed), 0, 0, 0, NULL,
   "go on although files that were applied have changed"},
  {"missing", FED_OPT_FLAG, AT(allow.missing), 0, 0, 0, NULL,
   "go on although files that were applied are gone"},
  {"future", FED_OPT_FLAG, AT(allow.future), 0, 0, 0, NULL,
   "go on although later ones are applied than there are files"},
  {"skip_code", FED_OPT_FLAG, AT(skip_code), 0, 0, 0, NULL,
   "leave out what is no SQL: goose's .go files, Flyway's .java files"},
  {"lock_timeout", FED_OPT_MS, AT(lock_timeout), 1, DAY_MS, 0, NULL,
   "how long to wait for another run, and for locks of tables"},
  {"statement_timeout", FED_OPT_MS, AT(statement_timeout), 0, DAY_MS, 0, NULL,
   "how long one statement may take"},
  {"layout", FED_OPT_WORD, AT(layout), 0, 0, 0, source_layouts,
   "whose files they are"},
  {"guard", FED_OPT_WORD, AT(guard), 0, 0, 0, option_guards,
   "destructive: refuse DROP, TRUNCATE and the like"},
};
/* clang-format on */
const int migrate_noptions = FED_LEN(migrate_options);
