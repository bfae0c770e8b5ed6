/*
 * config: the config file, written. The new text goes into a file beside it,
 * is read back as a program would read it, and takes its place only then.
 */
#include "cli/cli.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pool/pool.h"

#define CONFIG_MAX (256u << 10) /* what is read back, too */

/* Is this line the heading of section `name`, or (NULL) of any? */
static bool config_is_head(const char *line, const char *name)
{
  size_t n;

  line += strspn(line, " \t");
  if (*line++ != '[') return false;
  n = strcspn(line, "]\n");
  return !name || (n == strlen(name) && !sqlite3_strnicmp(line, name, (int)n));
}

/* The text without that section; comments above a heading stay. */
static void config_without(const char *text, const char *name,
                           struct fed_str *out)
{
  bool within = false;

  while (*text) {
    size_t n = strcspn(text, "\n") + 1;

    if (!text[n - 1]) n--;
    if (config_is_head(text, NULL)) within = config_is_head(text, name);
    if (!within) fed_str_addn(out, text, n);
    text += n;
  }
}

static int config_load(const char *path, const char *name, struct fed_str *out,
                       mode_t *mode)
{
  struct stat st;
  struct fed_str text;
  FILE *in = fopen(path, "re");
  char buffer[4096];
  size_t n;

  if (!in && errno == ENOENT) return CLI_DONE;
  if (!in || fstat(fileno(in), &st) != 0) {
    if (in) fclose(in);
    return cli_fail("'%s': %s", path, strerror(errno));
  }
  *mode = st.st_mode & 0777;
  fed_str_init(&text, CONFIG_MAX);
  while ((n = fread(buffer, 1, sizeof buffer, in)) > 0)
    fed_str_addn(&text, buffer, n);
  fclose(in);
  config_without(text.s, name, out);
  fed_str_release(&text);
  if (out->len && out->s[out->len - 1] != '\n') fed_str_addc(out, '\n');
  if (out->len) fed_str_addc(out, '\n');
  return CLI_DONE;
}

/* ~/.config is made if only that is missing. */
static void config_folder(const char *path)
{
  char *folder = fed_strdup(path), *slash;

  slash = folder ? strrchr(folder, '/') : NULL;
  if (slash && slash > folder) {
    *slash = 0;
    (void)mkdir(folder, 0700);
  }
  fed_free(folder);
}

/* `path` ends in XXXXXX, which is filled in. */
static int config_save(char *path, const struct fed_str *text, mode_t mode)
{
  int fd = mkostemp(path, 0);
  bool ok;

  if (fd < 0) return cli_fail("'%s': %s", path, strerror(errno));
  ok = fchmod(fd, mode) == 0 &&
       write(fd, text->s, text->len) == (ssize_t)text->len && fsync(fd) == 0;
  if (close(fd) != 0) ok = false;
  return ok ? CLI_DONE : cli_fail("'%s': %s", path, strerror(errno));
}

/* What a program would find in it. */
static int config_try(const char *path, const char *name)
{
  struct fed_err err = FED_ERR_INIT;
  struct fed_server *server = NULL;
  int rc;

  if (setenv("DBFED_CONFIG", path, 1) != 0) return cli_fail("out of memory");
  rc = fed_config_check(&err);
  if (rc == SQLITE_OK) rc = fed_server_find(name, &server, &err);
  fed_server_unref(server);
  return rc == SQLITE_OK ? CLI_DONE : cli_fail("not written: %s", err.msg);
}

int cli_config_write(const char *name, const char *section, bool secret)
{
  char path[PATH_MAX], real[PATH_MAX], fresh[PATH_MAX + 8];
  struct fed_str text;
  mode_t mode = 0600;
  int code;

  fed_config_path(path, sizeof path);
  if (!*path)
    return cli_fail("there is no place for a config file: set HOME or "
                    "DBFED_CONFIG");
  config_folder(path);
  /* A link stays one. */
  if (!realpath(path, real)) snprintf(real, sizeof real, "%s", path);
  snprintf(fresh, sizeof fresh, "%s.XXXXXX", real);
  fed_str_init(&text, CONFIG_MAX);
  code = config_load(real, name, &text, &mode);
  fed_str_add(&text, section);
  if (text.full || text.nomem) code = cli_fail("'%s' would be too long", real);
  if (code == CLI_DONE) code = config_save(fresh, &text, secret ? 0600 : mode);
  fed_str_release(&text);
  if (code == CLI_DONE) code = config_try(fresh, name);
  if (code == CLI_DONE && rename(fresh, real) != 0)
    code = cli_fail("'%s': %s", real, strerror(errno));
  if (code == CLI_DONE)
    printf("'%s' is written to %s; try: dbfed server test %s\n", name, path,
           name);
  else
    (void)unlink(fresh);
  return code;
}
