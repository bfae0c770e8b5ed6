/* source: any bytes as files of migrations. What is read has its parts within
 * its texts, in order; what is not has a message. */
#include <stdlib.h>

#include "base/mem.h"
#include "migrate/source.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FILES_MAX 8

static void expect(bool ok)
{
  if (!ok) abort();
}

static void script_check(const struct source_script *script)
{
  const char *last = NULL;

  expect(script->present || script->npart == 0);
  expect(!script->present || script->path);
  for (int i = 0; i < script->npart; i++) {
    const struct source_part *part = &script->part[i];

    expect(part->line > 0 && part->text && (part->size > 0) == !part->call);
    expect(!last || part->text >= last);
    last = part->text + part->size;
    expect(!memchr(part->text, 0, part->size));
  }
}

static void source_check(const struct source *source)
{
  for (int i = 0; i < source->nfile; i++) {
    const struct source_file *file = &source->file[i];
    const struct source_file *before = i ? file - 1 : NULL;
    struct fed_err err = FED_ERR_INIT;
    char again[SOURCE_VERSION_MAX];

    script_check(&file->up);
    script_check(&file->down);
    expect(file->up.present && strlen(file->checksum) == 64);
    if (file->kind == SOURCE_REPEATABLE) continue;
    expect(source_version_parse(file->version, again, &err) == SQLITE_OK &&
           strcmp(again, file->version) == 0);
    expect(!before || source_version_cmp(before->version, file->version) <= 0);
  }
}

/* Names and texts take turns, each up to a NUL. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  static const char *const dialects[] = {"pg", "mysql", "sqlite"};
  struct source_embedded list[FILES_MAX];
  struct fed_err err = FED_ERR_INIT;
  struct source_options opt;
  struct source *source = NULL;
  char *input, *s, *end;
  int n = 0;

  if (size < 2) return 0;
  opt.layout = (enum source_layout)(data[0] % 8);
  opt.skip_code = data[0] & 8;
  input = fed_strndup((const char *)data + 2, size - 2);
  if (!input) return 0;
  end = input + size - 2;
  for (s = input; s < end && n < FILES_MAX; n++) {
    list[n].name = s;
    s += strlen(s) + (s + strlen(s) < end);
    list[n].text = s;
    s += strlen(s) + 1;
  }
  if (source_load_embedded(&source, list, n, dialects[data[1] % 3], &opt,
                           &err) == SQLITE_OK)
    source_check(source);
  else
    expect(!source && err.msg[0]);
  source_free(source);
  fed_free(input);
  return 0;
}
