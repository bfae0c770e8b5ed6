/*
 * load: what the entry point says to a SQLite it cannot live in. The real
 * ones are told by a table of functions; here the tables are made up.
 */
#include <dlfcn.h>
#include <sqlite3.h>
#include <sqlite3ext.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef int load_entry(sqlite3 *, char **, const sqlite3_api_routines *);

static int npass, nfail;

static void load_check(const char *name, int ok, const char *got)
{
  if (ok) {
    npass++;
    printf("ok %s\n", name);
  } else {
    nfail++;
    printf("not ok %s: %s\n", name, got ? got : "(no message)");
  }
}

static int load_old_number(void)
{
  return 3037002;
}

static const char *load_old_version(void)
{
  return "3.37.2";
}

static const char *load_other_version(void)
{
  return "3.99.0";
}

static int load_other_number(void)
{
  return 3099000;
}

/* Only what the entry point may touch before it has decided. */
static const sqlite3_api_routines load_old = {
  .libversion = load_old_version,
  .libversion_number = load_old_number,
  .mprintf = sqlite3_mprintf,
};
static const sqlite3_api_routines load_other = {
  .libversion = load_other_version,
  .libversion_number = load_other_number,
  .mprintf = sqlite3_mprintf,
};

static void load_run(const char *path)
{
  void *so = dlopen(path, RTLD_NOW);
  load_entry *entry = NULL;
  char *message = NULL;
  sqlite3 *db = NULL;
  void *symbol;
  int rc;

  load_check("the library opens", so != NULL, so ? "" : dlerror());
  if (!so) return;
  symbol = dlsym(so, "sqlite3_dbfed_init");
  memcpy(&entry, &symbol, sizeof entry);
  load_check("it has the entry point", entry != NULL, dlerror());

  rc = entry(NULL, &message, NULL);
  load_check("no table of functions is an error",
             rc == SQLITE_MISUSE && !message, message);
  rc = entry(NULL, &message, &load_old);
  load_check("an old SQLite is refused with a clear error",
             rc == SQLITE_ERROR && message &&
               !strcmp(message, "dbfed needs SQLite 3.38 or later; this is "
                                "3.37.2"),
             message);
  sqlite3_free(message);
  message = NULL;

  sqlite3_open(":memory:", &db);
  sqlite3_enable_load_extension(db, 1);
  rc = sqlite3_load_extension(db, path, NULL, &message);
  load_check("then the real one loads", rc == SQLITE_OK, message);
  rc = sqlite3_load_extension(db, path, NULL, &message);
  load_check("twice does no harm", rc == SQLITE_OK, message);

  rc = entry(NULL, &message, &load_other);
  load_check("a second copy of SQLite is refused",
             rc == SQLITE_ERROR && message && strstr(message, "another copy"),
             message);
  sqlite3_free(message);
  load_check("closing works", sqlite3_close(db) == SQLITE_OK, "busy");
}

int main(void)
{
  const char *path = getenv("FED_TEST_EXT");

  if (!path) {
    printf("0 passed, 0 failed, 1 skipped\n");
    return 0;
  }
  load_run(path);
  printf("%d passed, %d failed, 0 skipped\n", npass, nfail);
  return nfail != 0;
}
