/* source: migrations from directories and arrays. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "migrate/source.h"

static int passed, failed;
static char top[64]; /* the temporary folder; its "dir" is the source */
static char dir[80];

static bool check(bool ok, const char *fmt, ...) FED_PRINTF(2, 3);
static bool check(bool ok, const char *fmt, ...)
{
  va_list ap;

  if (ok) {
    passed++;
    return true;
  }
  failed++;
  printf("FAIL: ");
  va_start(ap, fmt);
  vprintf(fmt, ap);
  va_end(ap);
  printf("\n");
  return false;
}

/* ---- a directory ------------------------------------------------------- */

static void shell(const char *fmt, ...) FED_PRINTF(1, 2);
static void shell(const char *fmt, ...)
{
  char line[1024];
  va_list ap;

  va_start(ap, fmt);
  vsnprintf(line, sizeof line, fmt, ap);
  va_end(ap);
  if (system(line) != 0) printf("failed: %s\n", line);
}

static void put_bytes(const char *path, const void *p, size_t n)
{
  char full[4500];
  FILE *f;

  snprintf(full, sizeof full, "%s/%s", dir, path);
  for (char *s = full + strlen(dir) + 1; (s = strchr(s, '/')); s++) {
    *s = 0;
    mkdir(full, 0700);
    *s = '/';
  }
  if (full[strlen(full) - 1] == '/') return;
  f = fopen(full, "w");
  if (!f || fwrite(p, 1, n, f) != n) printf("cannot write %s\n", full);
  if (f) fclose(f);
}

static void put(const char *path, const char *text)
{
  put_bytes(path, text, strlen(text));
}

static void fresh(void)
{
  shell("chmod -R u+rwx %s; rm -rf %s && mkdir %s", top, dir, dir);
}

/* ---- what a source says ------------------------------------------------ */

/* One line per script: "1 name up [text](...)"; LF as '|'. */
static void show_script(struct fed_str *out, const struct source_file *file,
                        const struct source_script *script, const char *what)
{
  if (!script->present) return;
  fed_str_addf(out, "%s%s%s %s %s",
               file->kind == SOURCE_BASELINE     ? "base "
               : file->kind == SOURCE_REPEATABLE ? "repeat "
                                                 : "",
               file->version, *file->version ? "" : "-", file->name, what);
  if (script->no_transaction) fed_str_add(out, " notx");
  for (int i = 0; i < script->npart; i++) {
    const struct source_part *part = &script->part[i];
    size_t n = part->size;

    while (n > 0 && strchr(" \n\r", part->text[n - 1]))
      n--;
    fed_str_addf(out, " %d%s%s[", part->line, part->whole ? "whole" : "",
                 part->variables ? "var" : "");
    if (part->call) fed_str_addf(out, "call %s", part->call);
    for (size_t k = 0; k < n; k++)
      fed_str_addc(out, part->text[k] == '\n' ? '|' : part->text[k]);
    fed_str_addc(out, ']');
  }
  fed_str_addc(out, '\n');
}

static void show(struct fed_str *out, const struct source *source)
{
  fed_str_addf(out, "%s\n", source_layouts[source->layout]);
  for (int i = 0; i < source->nfile; i++) {
    show_script(out, &source->file[i], &source->file[i].up, "up");
    show_script(out, &source->file[i], &source->file[i].down, "down");
  }
  for (int i = 0; i < source->nnote; i++)
    fed_str_addf(out, "note %s\n", source->note[i].path);
}

#define CASE_FILES 12

struct test_case {
  const char *dialect;
  const char *option; /* a layout, or "skip", or NULL */
  struct source_embedded file[CASE_FILES];
  const char *expect; /* as shown, or "!" and a piece of the error */
};

static struct source_options test_options(const char *option)
{
  struct source_options opt = {SOURCE_AUTO, false};

  if (option && strcmp(option, "skip") == 0) opt.skip_code = true;
  for (int i = 0; option && source_layouts[i]; i++)
    if (strcmp(source_layouts[i], option) == 0)
      opt.layout = (enum source_layout)i;
  return opt;
}

static void test_result(const struct test_case *c, const char *how,
                        struct source *source, const struct fed_err *err)
{
  struct fed_str out;

  fed_str_init(&out, 1 << 20);
  if (source) show(&out, source);
  if (*c->expect == '!')
    check(!source && err->rc != SQLITE_OK && strstr(err->msg, c->expect + 1),
          "%s %s: wanted an error '%s'\n  got %s%s", how, c->file[0].name,
          c->expect + 1, err->msg, out.s);
  else
    check(source && strcmp(out.s, c->expect) == 0,
          "%s %s: got\n%s%s\n  wanted\n%s", how, c->file[0].name, out.s,
          err->msg, c->expect);
  fed_str_release(&out);
  source_free(source);
}

/* From a directory and from an array, it is the same. */
static void test_case(const struct test_case *c)
{
  struct source_options opt = test_options(c->option);
  struct fed_err err = FED_ERR_INIT;
  struct source *source;
  int n = 0;

  fresh();
  for (; n < CASE_FILES && c->file[n].name; n++)
    put(c->file[n].name, c->file[n].text);
  source_load(&source, dir, c->dialect, &opt, &err);
  test_result(c, "directory", source, &err);
  fed_err_clear(&err);
  source_load_embedded(&source, c->file, n, c->dialect, &opt, &err);
  test_result(c, "array", source, &err);
}

/* clang-format off */
static const struct test_case cases[] = {
  /* pairs, sorted as numbers; what is no migration is left alone */
  {"pg", NULL,
   {{"10_b.up.sql", "B"}, {"9_a.up.sql", "A;\n"}, {"9_a.down.sql", "a"},
    {"README.md", "x"}, {".hidden.up.sql", "x"}, {"9_a.up.sql~", "x"},
    {"9_a.up.sql.bak", "x"}, {"seed.sql", "x"}},
   "native\n9 a up 1[A;]\n9 a down 1[a]\n10 b up 1[B]\nnote seed.sql\n"},
  {"pg", NULL,
   {{"000001_a.up.sql", "A"}, {"20240131120000_z.up.sql", "Z"},
    {"99999999999999999999999999_y.up.sql", "Y"}, {"0_o.up.sql", ""},
    {"00000_a.down.sql", ""}, {"2_.up.SQL", "\n \n"}, {"3_a.b.up.sql", "C"}},
   "native\n0 o up\n0 o down\n1 a up 1[A]\n2  up\n3 a.b up 1[C]\n"
   "20240131120000 z up 1[Z]\n99999999999999999999999999 y up 1[Y]\n"},
  {"pg", NULL, {{"1_a.up..sql", "A"}, {"1_code.go", "x"}, {"V1__X.java", "x"}},
   "native\n1 a up 1[A]\nnote 1_code.go\n"},
  /* folders below are not read */
  {"pg", NULL, {{"1_a.up.sql", "A"}, {"old/1_a.up.sql", "x"}},
   "native\n1 a up 1[A]\n"},
  /* dialects */
  {"pg", NULL,
   {{"1_a.up.sql", "all"}, {"1_a.postgres.up.sql", "pg"},
    {"1_a.down.sql", "d"}, {"2_b.mysql.up.sql", "m"}, {"2_b.down.sql", "d"},
    {"3_c.up.sqlite3.sql", "s"}, {"3_c.up.pg.sql", "p"}},
   "native\n1 a up 1[pg]\n1 a down 1[d]\n3 c up 1[p]\n"},
  {"mysql", NULL,
   {{"1_a.up.sql", "all"}, {"1_a.pg.up.sql", "pg"}, {"1_a.down.sql", "d"},
    {"1_a.mariadb.down.sql", "md"}, {"2_b.mysql.up.sql", "m"}},
   "native\n1 a up 1[all]\n1 a down 1[md]\n2 b up 1[m]\n"},
  {"pg", NULL, {{"1_a.pg.up.sql", ""}, {"1_a.postgresql.up.sql", ""}},
   "!version 1 is given twice: '1_a.pg.up.sql' and '1_a.postgresql.up.sql'"},
  {"pg", NULL, {{"1_a.pg.up.sql", ""}, {"1_b.up.sql", ""}},
   "!version 1 is given twice: '1_a.pg.up.sql' and '1_b.up.sql'"},
  {"pg", NULL, {{"1_a.mysql.up.sql", ""}}, "native\n"},
  /* Ory's suffix, behind the dialect */
  {"pg", NULL,
   {{"1_a.autocommit.up.sql", "all"}, {"1_a.autocommit.down.sql", "d"},
    {"1_a.mysql.up.sql", "m"}, {"2_b.up.sql", "B"},
    {"2_b.postgres.autocommit.up.sql", "p"},
    {"2_b.cockroach.autocommit.up.sql", "c"}, {"2_b.down.sql", "d"}},
   "native\n1 a up notx 1[all]\n1 a down notx 1[d]\n"
   "2 b up notx 1[p]\n2 b down 1[d]\n"},
  {"mysql", NULL,
   {{"1_a.autocommit.up.sql", "all"}, {"1_a.mysql.up.sql", "m"},
    {"2_b.cockroach.autocommit.up.sql", "c"}},
   "native\n1 a up 1[m]\n"},
  {"pg", NULL,
   {{"1_a.autocommit.up.sql", ""}, {"1_a.up.sql", ""}},
   "!version 1 is given twice: '1_a.autocommit.up.sql' and '1_a.up.sql'"},
  /* repeatables */
  {"pg", NULL,
   {{"1_a.up.sql", "A"}, {"R__b_z.sql", "Z"}, {"R__bZ.sql", "z"},
    {"R__b_z.pg.sql", "P"}},
   "native\n1 a up 1[A]\nrepeat - b_z up 1[P]\nrepeat - bZ up 1[z]\n"},
  /* one file with both */
  {"pg", NULL,
   {{"1_a.sql", "-- made by me\n\n-- migrate:up\nA;\n-- migrate:down\nB;\n"}},
   "dbmate\n1 a up 4[A;]\n1 a down 6[B;]\n"},
  {"pg", NULL,
   {{"20240101x.sql", "-- migrate:up\r\nA;\r\n-- migrate:down\r\n\r\n"},
    {"1.sql", "--migrate:up transaction:false\nA\n--  migrate:up add more\nB\n"
              "-- migrate:down transaction:true\nC"}},
   "dbmate\n1  up notx 2[A] 4[B]\n1  down 6[C]\n"
   "20240101 x up 2[A;]\n20240101 x down\n"},
  {"pg", NULL, {{"1_a.sql", "-- migrate:up\nA"}, {"2_b.up.sql", "B"}},
   "native\n1 a up 2[A]\n2 b up 1[B]\n"},
  {"pg", NULL, {{"1_a.sql", "-- migrate:up\nA"}, {"1_a.down.sql", "B"}},
   "native\n1 a up 2[A]\n1 a down 1[B]\n"},
  {"pg", NULL,
   {{"1_a.sql", "-- migrate:up\nA\n-- migrate:down\n"}, {"1_a.down.sql", "B"}},
   "!version 1 is given twice: '1_a.sql' and '1_a.down.sql'"},
  {"pg", NULL, {{"1_a.sql", "x;\n-- migrate:up\n"}},
   "!1_a.sql:1: SQL before the first '-- migrate:up'"},
  {"pg", NULL, {{"1_a.sql", "-- migrate:up\n"}, {"2_b.sql", "A"}},
   "!2_b.sql:1: SQL before the first '-- migrate:up'"},
  {"pg", NULL, {{"1_a.sql", "-- migrate:up\n"}, {"2_b.sql", "-- A"}},
   "!2_b.sql: no '-- migrate:up' line"},
  {"pg", NULL, {{"1_a.sql", "-- migrate:down\nB\n-- migrate:up\nA"}},
   "!1_a.sql:1: '-- migrate:down' comes after '-- migrate:up'"},
  {"pg", NULL, {{"1_a.sql", "-- migrate:up transactions:false\nA"}},
   "!1_a.sql:1: unknown option 'transactions:false'"},
  {"pg", NULL, {{"1_a.up.sql", "A\n-- migrate:down\nB"}},
   "!1_a.up.sql:2: '-- migrate:down' in a file that is the up migration"},
  {"pg", NULL, {{"1_a.up.sql", "-- migrate:up\nA"}}, 
   "native\n1 a up 2[A]\n"},
  /* our other markers */
  {"pg", NULL,
   {{"1_a.sql", "-- migrate:no-transaction\n-- migrate:variables\n"
                "-- migrate:up\nA\n-- migrate:down\nB"},
    {"2_b.sql", "-- migrate:up\n-- migrate:no-transaction\nA\n"
                "-- migrate:down\n-- migrate:variables\nB"}},
   "dbmate\n1 a up notx 4var[A]\n1 a down notx 6var[B]\n"
   "2 b up notx 2[-- migrate:no-transaction|A]\n"
   "2 b down 5var[-- migrate:variables|B]\n"},
  {"mysql", NULL,
   {{"1_a.up.sql", "C (\n-- migrate:dialect pg, sqlite\n id serial\n"
                   "-- migrate:dialect mysql\n id int\n"
                   "-- migrate:dialect all\n)"}},
   "native\n1 a up 1[C (|-- migrate:dialect pg, sqlite|          |"
   "-- migrate:dialect mysql| id int|-- migrate:dialect all|)]\n"},
  {"pg", NULL,
   {{"1_a.sql", "-- migrate:up\n-- migrate:dialect mariadb\nA\n"
                "-- migrate:call no\n-- migrate:down\nB"}},
   "dbmate\n1 a up 2[-- migrate:dialect mariadb| |-- migrate:call no]\n"
   "1 a down 6[B]\n"},
  {"pg", NULL,
   {{"1_a.up.sql", "A;\n-- migrate:call fill_it\nB;\n-- migrate:call z9\n"}},
   "native\n1 a up 1[A;] 2[call fill_it] 3[B;] 4[call z9]\n"},
  {"pg", NULL, {{"1_a.up.sql", "-- migrate:call a.b"}},
   "!1_a.up.sql:1: '-- migrate:call' needs the name of one SQL function"},
  {"pg", NULL, {{"1_a.up.sql", "\n-- migrate:call"}}, "!1_a.up.sql:2: "},
  {"pg", NULL, {{"1_a.up.sql", "-- migrate:dialect oracle"}},
   "!1_a.up.sql:1: unknown dialect 'oracle': pg, mysql, sqlite or all"},
  {"pg", NULL, {{"1_a.up.sql", "-- migrate:dialect"}}, "!needs pg, mysql"},
  {"pg", NULL, {{"1_a.sql", "-- migrate:dialect pg\n-- migrate:up\n"}},
   "!1_a.sql:1: '-- migrate:dialect' comes after '-- migrate:up'"},
  {"pg", NULL, {{"1_a.up.sql", "A\n-- migrate:dwn\nB"}},
   "!1_a.up.sql:2: unknown marker '-- migrate:dwn'; did you mean "
   "'-- migrate:down'?; there are: up, down"},
  {"pg", NULL, {{"1_a.up.sql", "-- migrate:\x1b[2J"}, {"2_b.sql", "A"}},
   "!2_b.sql:1: SQL before the first"},
  {"pg", NULL, {{"1_a.sql", "-- migrate:up\nA\n  -- migrate:down\nB"}},
   "!1_a.sql:3: write '-- migrate:down' in small letters, at the start"},
  {"pg", NULL, {{"1_a.sql", "-- migrate:up\nA\n-- Migrate:down\nB"}},
   "!1_a.sql:3: write '-- migrate:down' in small letters"},
  {"pg", NULL, {{"1_a.sql", "-- migrate:up\nA\n-- migrate: down\nB"}},
   "!1_a.sql:3: write '-- migrate:down' in small letters"},
  {"pg", NULL,
   {{"1_a.up.sql", "-- migrate: users to accounts\n-- migrate: up the hill\n"}},
   "native\n1 a up 1[-- migrate: users to accounts|-- migrate: up the hill]\n"},
  /* sqlx */
  {"pg", NULL,
   {{"1_a.sql", "A"}, {"02_b_c.sql", "-- no-transaction\nB"}, {"x.sql", "x"}},
   "sqlx\n1 a up 1[A]\n2 b_c up notx 1[-- no-transaction|B]\nnote x.sql\n"},
  {"pg", "sqlx", {{"1_a.sql", "A"}, {"2_b.up.sql", "B"}, {"2_b.down.sql", "b"}},
   "sqlx\n1 a up 1[A]\n2 b up 1[B]\n2 b down 1[b]\n"},
  {"pg", NULL, {{"1_a.sql", "-- x"}, {"2_b.up.sql", "B"}},
   "!1_a.sql: no '-- migrate:up' line: write it above the SQL, or name the "
   "file VERSION_name.up.sql; 'layout=sqlx'"},
  {"pg", "golang-migrate", {{"1_a.sql", "A"}, {"2_b.up.sql", "B"}},
   "golang-migrate\n2 b up 1[B]\nnote 1_a.sql\n"},
  {"pg", NULL, {{"1.sql", "A"}}, "!'1.sql': neither '-- migrate:up' nor"},
  /* goose */
  {"pg", NULL,
   {{"00001_a.sql", "-- +goose Up\nA;\nB;\n\n-- +goose Down\nC;\n"},
    {"00002_b.sql",
     "-- about\n-- +goose NO TRANSACTION\n\n-- +goose up\n"
     "-- +goose StatementBegin\n\n-- say\nF\n  G;\n-- +goose StatementEnd\n"
     "H;\n-- +goose Down\n-- +goose statementbegin\n-- none\n"
     "-- +goose statementend\n"},
    {"helper_test.go", "x"}, {"helper.go", "x"}, {"3_x_test.go", "x"}},
   "goose\n1 a up 2[A;|B;]\n1 a down 6[C;]\n"
   "2 b up notx 8whole[F|  G;] 11[H;]\n2 b down notx\n"},
  {"pg", NULL,
   {{"1_a.sql", "--+goose Up\r\nA;\r\n-- +goose ENVSUB ON\r\nB;\r\n"
                "-- +goose StatementBegin\r\nC\r\n-- +goose StatementEnd\r\n"
                "-- +goose ENVSUB OFF\r\nD;\r\n"}},
   "goose\n1 a up 2[A;] 4var[B;] 6wholevar[C] 9[D;]\n"},
  {"pg", NULL, {{"1_a.sql", "-- +goose Up\n"}, {"2_b.sql", "A;"}},
   "!2_b.sql:1: SQL before '-- +goose Up'"},
  {"pg", NULL, {{"1_a.sql", "-- +goose Up\n"}, {"2_b.sql", "-- A;"}},
   "!2_b.sql: no '-- +goose Up' line"},
  {"pg", NULL, {{"1_a.sql", "-- +goose Up\nA\n-- +goose Up\n"}},
   "!1_a.sql:3: a second '-- +goose Up'"},
  {"pg", NULL, {{"1_a.sql", "-- +goose Down\nA\n-- +goose Up\n"}},
   "!1_a.sql:1: '-- +goose Down' comes after"},
  {"pg", NULL, {{"1_a.sql", "-- +goose Up\n-- +goose StatementBegin\nA\n"}},
   "!1_a.sql:3: the file ends before '-- +goose StatementEnd'"},
  {"pg", NULL, {{"1_a.sql", "-- +goose Up\n-- +goose StatementBegin\n"
                            "-- +goose Down\nA\n"}},
   "!1_a.sql:3: '-- +goose StatementEnd' is missing"},
  {"pg", NULL, {{"1_a.sql", "-- +goose Up\n-- +goose StatementEnd\n"}},
   "!1_a.sql:2: '-- +goose StatementEnd' without"},
  {"pg", NULL, {{"1_a.sql", "-- +goose Up\n -- +goose Down\n"}},
   "!1_a.sql:2: blanks before"},
  {"pg", NULL, {{"1_a.sql", "-- +goose Up\n-- +goose Dwon\n"}},
   "!1_a.sql:2: unknown annotation '-- +goose Dwon'; there are: Up, Down"},
  {"pg", NULL, {{"1_a.sql", "-- +goose Up\n-- +goose StatementBegin\nA\n"
                            "-- +goose ENVSUB OFF\n"}},
   "!1_a.sql:4: '-- +goose ENVSUB' within a statement"},
  {"pg", NULL, {{"1_a.sql", "-- +goose Up\n"}, {"2_b.go", "package x"}},
   "!'2_b.go' is a code-based migration in Go: only goose can run it"},
  {"pg", "skip", {{"1_a.sql", "-- +goose Up\n"}, {"2_b.go", "package x"}},
   "goose\n1 a up\nnote 2_b.go\n"},
  {"pg", NULL, {{"2_b.go", "package x"}}, "!code-based migration in Go"},
  /* pairs of code, that the program itself runs between the others */
  {"pg", NULL, {{"1_a.up.sql", "A"}, {"2_b.up.go", ""}, {"2_b.down.sql", "b"}},
   "!'2_b.up.go' is a code-based migration in Go: only its own program can"},
  {"pg", NULL, {{"1_a.up.sql", "A"}, {"1_a.down.go", ""}},
   "!'1_a.down.go' is a code-based migration in Go: only its own program can"},
  {"pg", "skip",
   {{"1_a.up.sql", "A"}, {"1_a.down.go", ""}, {"2_b.up.go", ""},
    {"2_b.down.sql", "b"}},
   "native\n1 a up 1[A]\nnote 1_a.down.go\nnote 2_b.up.go\n"
   "note 2_b.down.sql\n"},
  {"pg", "skip", {{"1_a.up.sql", "A"}, {"2_b.down.sql", "b"}},
   "!'2_b.down.sql' is a down migration without its up"},
  /* Flyway */
  {"pg", NULL,
   {{"V1__a_b.sql", "A ${x}"}, {"V1_10__c.sql", "C"}, {"sub/V1.2__d.sql", "D"},
    {"U1__a_b.sql", "u"}, {"B1.2__base.sql", "B"}, {"R__r.sql", "R"},
    {"V2.sql", "E"}, {"V1__a_b.sql.conf",
                      "# no\nexecuteInTransaction=false\n\nencoding=utf-8\n"},
    {"V2.sql.conf", "placeholderReplacement = false"}, {"x.sql", "X"},
    {"note.txt", "x"}, {"sub/.git/V9__x.sql", "x"}},
   "flyway\n1 a_b up notx 1var[A ${x}]\n1 a_b down 1var[u]\n"
   "base 1.2 base up 1var[B]\n1.2 d up 1var[D]\n1.10 c up 1var[C]\n"
   "2  up 1[E]\nrepeat - r up 1var[R]\nnote x.sql\n"},
  {"mysql", NULL,
   {{"postgresql/V1__a.sql", "P"}, {"mysql/V1__a.sql", "M"},
    {"common/V2.0__b.sql", "B"}, {"h2/V3__c.sql", "C"}},
   "flyway\n1 a up 1var[M]\n2 b up 1var[B]\n"},
  {"pg", NULL, {{"V1__a.sql", ""}, {"x/V1.0__b.sql", ""}},
   "!version 1 is given twice: 'V1__a.sql' and 'x/V1.0__b.sql'"},
  {"pg", NULL, {{"V1__a.sql", ""}, {"R__b.sql", ""}, {"x/R__b.sql", ""}},
   "!two repeatable migrations of one name: 'R__b.sql' and 'x/R__b.sql'"},
  {"pg", NULL, {{"V1__a.sql", ""}, {"U2__b.sql", ""}},
   "!'U2__b.sql' is a down migration without its up"},
  {"pg", NULL, {{"V1__a.sql", ""}, {"v2__b.sql", ""}},
   "!'v2__b.sql' is nearly the name of a migration: Flyway's names have a "
   "capital V"},
  {"pg", NULL, {{"V1__a.sql", ""}, {"V2_b.sql", ""}}, "!'V2_b.sql' is nearly"},
  {"pg", NULL, {{"V1__a.sql", ""}, {"V__b.sql", ""}}, "!version is missing"},
  {"pg", NULL, {{"V1__a.sql", ""}, {"R1__b.sql", ""}}, "!has no version"},
  {"pg", NULL, {{"V1__a.sql", ""}, {"R_b.sql", ""}}, "!two '_'"},
  {"pg", NULL, {{"V1__a.sql", ""}, {"V2__B.java", ""}},
   "!'V2__B.java' is a migration in Java or a callback: only Flyway"},
  {"pg", "skip", {{"V1__a.sql", ""}, {"afterMigrate.sql", ""}},
   "flyway\n1 a up\nnote afterMigrate.sql\n"},
  {"pg", NULL, {{"V1__a.sql", ""}, {"V1__a.sql.conf", "shouldExecute=false"}},
   "!V1__a.sql.conf:1: 'shouldExecute = false': of Flyway's settings"},
  {"pg", NULL,
   {{"V1__a.sql", ""}, {"V1__a.sql.conf", "\n\nexecuteInTransaction=no\n"}},
   "!V1__a.sql.conf:3: 'executeInTransaction = no': it is true or false"},
  {"pg", NULL, {{"V1__a.sql", ""}, {"V1__a.sql.conf", "encoding=latin1"}},
   "!only UTF-8 is read"},
  /* diesel */
  {"pg", NULL,
   {{"00000000000000_setup/up.sql", "A"},
    {"00000000000000_setup/down.sql", "a"},
    {"2024-01-31-120000_b_c/up.sql", "B"},
    {"2024-01-31-120000_b_c/down.sql", "b"},
    {"2024-01-31-120000_b_c/metadata.toml",
     "[x]\nrun_in_transaction = false # because\n"},
    {"20240201_only_up/up.sql", "C"}, {"20240201_only_up/up.pg.sql", "P"}},
   "diesel\n0 setup up 1[A]\n0 setup down 1[a]\n"
   "20240131120000 b_c up notx 1[B]\n20240131120000 b_c down notx 1[b]\n"
   "20240201000000 only_up up 1[P]\n"},
  {"pg", NULL,
   {{"2024-03-06-170000_a/up.sql", "A"}, {"2024-03-13_170000_b/up.sql", "B"},
    {"2024-03-13-170000-0000_c/up.sql", "C"},
    {"2024-03-13-170000-0001_d/up.sql", "D"},
    {"20240313170001_e/up.sql", "E"}, {"2024-03-13-170000_f/up.sql", "F"}},
   "diesel\n20240306170000 a up 1[A]\n20240313000000 170000_b up 1[B]\n"
   "20240313170000 f up 1[F]\n"
   "20240313170000.1 c up 1[C]\n20240313170000.2 d up 1[D]\n"
   "20240313170001 e up 1[E]\n"},
  {"pg", NULL, {{"1_a/up.sql", "A"}, {"2_b/down.sql", "B"}},
   "!'2_b/down.sql' is a down migration without its up: add the file of the "
   "same version, as in 1_name/up.sql"},
  {"pg", NULL, {{"1_a/up.sql", "A"}, {"1-_b/up.sql", "B"}},
   "!'1-_b/up.sql' is nearly the name of a migration: it is in a folder "},
  {"pg", NULL, {{"1_a/up.sql", "A"}, {"1_a/metadata.toml", "x = 1"}},
   "!1_a/metadata.toml:1: 'x = 1': the only setting is run_in_transaction"},
  /* layouts that do not go together */
  {"pg", NULL, {{"1_a.up.sql", ""}, {"V1__a.sql", ""}},
   "!files of different layouts in '"},
  {"pg", "flyway", {{"1_a.up.sql", ""}, {"V1__a.sql", ""}},
   "flyway\n1 a up\nnote 1_a.up.sql\n"},
  {"pg", NULL, {{"1_a.sql", "-- +goose Up\n"}, {"2_b.sql", "-- migrate:up\n"}},
   "!: '1_a.sql' and '2_b.sql': rename those of one kind, or say 'layout="},
  {"pg", NULL, {{"1_a.sql", "-- +goose Up\n"}, {"2_b.up.sql", ""}},
   "!: '1_a.sql' and '2_b.up.sql'"},
  {"pg", NULL, {{"pg/1_a.up.sql", ""}},
   "!, but 'pg/1_a.up.sql': a migration is named as"},
  {"pg", NULL, {{"schema.sql", ""}}, "!, but 'schema.sql': a migration is"},
  /* pairs that are none */
  {"pg", NULL, {{"1_a.up.sql", ""}, {"001_b.up.sql", ""}},
   "!version 1 is given twice: '001_b.up.sql' and '1_a.up.sql'"},
  {"pg", NULL, {{"1_a.down.sql", ""}},
   "!'1_a.down.sql' is a down migration without its up: add the file of the "
   "same version, as in 1_name.up.sql"},
  {"pg", NULL, {{"1_a.up.sql", ""}, {"1_b.down.sql", ""}, {"1_c.down.sql", ""}},
   "!version 1 is given twice: '1_b.down.sql' and '1_c.down.sql'"},
  {"pg", NULL, {{"1_a.up.sql", ""}, {"1_b.down.sql", "B"}},
   "native\n1 a up\n1 a down 1[B]\n"},
  {"pg", NULL, {{"1-a.up.sql", ""}}, "!'1-a.up.sql' is nearly the name of a "
                                     "migration: a version is digits only"},
  {"pg", NULL, {{"1_a.sql.up", ""}}, "!'.sql' comes last: VERSION_name.up.sql"},
  {"pg", NULL, {{"1_a.down", ""}}, "!'.sql' is missing behind '.down'"},
  {"pg", NULL, {{"1_a.up.txt", ""}}, "!it does not end in '.up.sql'"},
  {"pg", NULL, {{"1_a.sql.txt", ""}}, "!it does not end in '.sql'"},
  {"pg", NULL, {{"1a.up.sql", ""}}, "!'_' follows the version"},
  {"pg", NULL, {{"a.up.sql", ""}}, "!the version is missing"},
  {"pg", NULL, {{"1.5_a.up.sql", ""}}, "!a version is digits only"},
  {"pg", NULL,
   {{"123456789012345678901234567890123456789"
     "0123456789012345678901234_a.up.sql",
     ""}}, "!at most 63 digits"},
  /* hostile names */
  {"pg", NULL, {{"1_a\x1b[2J\n.up.sql", ""}},
   "!the name of '1_a\\x1B[2J\\x0A.up.sql' has backslashes or characters"},
  {"pg", NULL, {{"1_\xff.up.sql", ""}}, "!'1_\\xFF.up.sql'"},
  {"pg", NULL, {{"1_\xe2\x80\xae.up.sql", ""}}, "!'1_\\xE2\\x80\\xAE.up.sql'"},
  {"pg", NULL, {{"1_\xc3\xa9t\xc3\xa9's \xe2\x80\x93.up.sql", "A"}},
   "native\n1 \xc3\xa9t\xc3\xa9's \xe2\x80\x93 up 1[A]\n"},
  /* texts that are none */
  {"pg", NULL, {{"1_a.up.sql", "A\nB \xff"}},
   "!1_a.up.sql:2: the byte 0xFF is not UTF-8"},
  {"pg", NULL, {{"1_a.up.sql", "\xff\xfe A"}}, "!the file is UTF-16"},
  {"pg", NULL, {{"1_a.up.sql", "\xc0\x80"}}, "!not UTF-8"},
  {"pg", NULL, {{"1_a.up.sql", "\xed\xa0\x80"}}, "!not UTF-8"},
  {"pg", NULL, {{"1_a.up.sql", "\357\273\277A"}}, "native\n1 a up 1[A]\n"},
};
/* clang-format on */

/* ---- what only a directory can be -------------------------------------- */

static void test_fails(const char *path, const char *piece, const char *what)
{
  struct fed_err err = FED_ERR_INIT;
  struct source *source = NULL;

  check(source_load(&source, path, "pg", NULL, &err) != SQLITE_OK && !source &&
          strstr(err.msg, piece),
        "%s: %s", what, err.msg);
  source_free(source);
}

static void test_directory(void)
{
  char path[128];
  struct source *source;
  struct fed_err err = FED_ERR_INIT;

  fresh();
  check(source_load(&source, dir, "pg", NULL, &err) == SQLITE_OK &&
          source->nfile == 0 && source->layout == SOURCE_NATIVE,
        "empty: %s", err.msg);
  source_free(source);
  test_fails("no/such/dir", "(the working directory is '", "missing");
  put("1_a.up.sql", "A");
  snprintf(path, sizeof path, "%s/1_a.up.sql", dir);
  test_fails(path, "is no directory: name the folder", "a file");
  put_bytes("2_b.up.sql", "A\0B", 3);
  test_fails(dir, "2_b.up.sql:1: a NUL byte", "NUL");

  fresh();
  shell("cd %s && mkfifo 1_a.up.sql", dir);
  test_fails(dir, "'1_a.up.sql' is no regular file", "a FIFO");
  fresh();
  shell("cd %s && ln -s 1_a.up.sql 1_a.up.sql", dir);
  test_fails(dir, "'1_a.up.sql' is a symbolic link that leads back", "a loop");
  fresh();
  shell("cd %s && ln -s nothing 1_a.up.sql", dir);
  test_fails(dir, "'1_a.up.sql' is a symbolic link to nothing", "dangling");
  fresh();
  put("a/V1__x.sql", "");
  shell("cd %s/a && ln -s .. back", dir);
  test_fails(dir, "'a/back/' is a symbolic link to a folder that is read",
             "..");
  fresh();
  put("1_a.up.sql", "");
  shell("truncate -s 65M %s/1_a.up.sql", dir);
  test_fails(dir, "'1_a.up.sql' is larger than 64 MB", "large");
  fresh();
  put("1_a.up.sql", "");
  shell("chmod 0 %s/1_a.up.sql", dir);
  if (geteuid() != 0) test_fails(dir, "cannot read '1_a.up.sql'", "locked");
  source = NULL;
  check(source_load(&source, dir, "oracle", NULL, &err) == SQLITE_MISUSE &&
          !source,
        "dialect");
}

/* Links are as good as what they point to. */
static void test_links(void)
{
  struct fed_err err = FED_ERR_INIT;
  struct source *source;

  fresh();
  put("..data/1_a.up.sql", "A");
  shell("cd %s && ln -s ..data/1_a.up.sql 1_a.up.sql", dir);
  check(source_load(&source, dir, "pg", NULL, &err) == SQLITE_OK &&
          source->nfile == 1,
        "links: %s", err.msg);
  source_free(source);
}

/* ---- checksums, versions ----------------------------------------------- */

static void checksum(char out[65], const char *text)
{
  const struct source_embedded file = {"1_a.up.sql", text};
  struct fed_err err = FED_ERR_INIT;
  struct source *source;

  out[0] = 0;
  source_load_embedded(&source, &file, 1, "pg", NULL, &err);
  if (source) memcpy(out, source->file[0].checksum, 65);
  source_free(source);
}

static void test_checksum(void)
{
  static const char *const same[] = {"a\nb\n\nc\n", "a\r\nb\r\n\r\nc\r\n",
                                     "a\rb\r\rc\r",
                                     "\357\273\277a\nb\r\n\nc\r"};
  char first[65], other[65];

  checksum(first, same[0]);
  for (size_t i = 1; i < FED_LEN(same); i++) {
    checksum(other, same[i]);
    check(strcmp(first, other) == 0, "checksum %zu", i);
  }
  checksum(other, "a\nb\nc\n");
  check(strcmp(first, other) != 0, "another text");
  checksum(other, "abc");
  check(strcmp(other, "ba7816bf8f01cfea414140de5dae2223"
                      "b00361a396177a9cb410ff61f20015ad") == 0,
        "SHA-256 of abc: %s", other);
  checksum(other, "");
  check(strncmp(other, "e3b0c44298fc1c14", 16) == 0, "of nothing");
}

static void test_versions(void)
{
  static const char *const good[][2] = {
    {"7",                              "7"                             },
    {"007",                            "7"                             },
    {"1_2",                            "1.2"                           },
    {"V3",                             "3"                             },
    {"v1.02.3",                        "1.2.3"                         },
    {"0",                              "0"                             },
    {"000",                            "0"                             },
    {"1.0",                            "1"                             },
    {"1.0.0",                          "1"                             },
    {"1.0.1",                          "1.0.1"                         },
    {"0.0",                            "0"                             },
    {"0.10",                           "0.10"                          },
    {"20240131120000",                 "20240131120000"                },
    {"123456789012345678901234567890", "123456789012345678901234567890"},
  };
  static const char *const bad[] = {"",     "V",  "x",   "1x",   "1.",  ".1",
                                    "1..2", "-1", "1 2", "1__2", "1_a", "+1"};
  static const char *const order[] = {"0",
                                      "0.1",
                                      "1",
                                      "1.0.1",
                                      "1.2",
                                      "1.10",
                                      "2",
                                      "9",
                                      "10",
                                      "20240131120000",
                                      "99999999999999999999999"};
  char out[SOURCE_VERSION_MAX];

  for (size_t i = 0; i < FED_LEN(good); i++) {
    struct fed_err err = FED_ERR_INIT;

    check(source_version_parse(good[i][0], out, &err) == SQLITE_OK &&
            strcmp(out, good[i][1]) == 0,
          "version %s: %s %s", good[i][0], out, err.msg);
  }
  for (size_t i = 0; i < FED_LEN(bad); i++) {
    struct fed_err err = FED_ERR_INIT;

    check(source_version_parse(bad[i], out, &err) == SQLITE_ERROR &&
            strstr(err.msg, "is no version: it is the number"),
          "version %s: %s", bad[i], err.msg);
  }
  for (size_t i = 0; i < FED_LEN(order); i++)
    for (size_t k = 0; k < FED_LEN(order); k++) {
      int diff = source_version_cmp(order[i], order[k]);

      check(i < k   ? diff < 0
            : i > k ? diff > 0
                    : diff == 0,
            "%s and %s: %d", order[i], order[k], diff);
    }
}

/* ---- new migrations ---------------------------------------------------- */

/* The paths without the directory; digits of the time as '#'. */
static void made(struct fed_str *out, const char *paths)
{
  int64_t year = 1970 + fed_clock_wall_ms() / 31556952000;
  char now[16];

  snprintf(now, sizeof now, "%lld", (long long)year);
  for (const char *s = paths; *s;) {
    if (strncmp(s, dir, strlen(dir)) == 0) {
      s += strlen(dir) + 1;
      continue;
    }
    if (strncmp(s, now, 4) == 0 && (s == paths || s[-1] != '_')) {
      fed_str_addc(out, '#');
      s += strspn(s, "0123456789-");
      continue;
    }
    fed_str_addc(out, *s == '\n' ? '|' : *s);
    s++;
  }
}

static void test_new(const char *file, const char *text, const char *name,
                     const char *expect)
{
  struct fed_err err = FED_ERR_INIT;
  struct source *after = NULL;
  char *paths = NULL;
  struct fed_str out;

  fresh();
  if (file) put(file, text);
  fed_str_init(&out, 4096);
  if (source_new(dir, name, SOURCE_AUTO, &paths, &err) == SQLITE_OK)
    made(&out, paths);
  check(*expect == '!' ? strstr(err.msg, expect + 1) != NULL
                       : strcmp(out.s, expect) == 0,
        "new '%s' beside %s: %s%s", name, file ? file : "nothing", out.s,
        err.msg);
  if (paths) {
    check(source_load(&after, dir, "pg", NULL, &err) == SQLITE_OK &&
            after->nfile == (file ? 2 : 1) &&
            strcmp(after->file[file != NULL].name, "add_x") == 0,
          "what is new beside %s is last: %s", file ? file : "-", err.msg);
    check(!file || !after || after->layout != SOURCE_NATIVE ||
            strstr(file, ".up.sql") != NULL,
          "%s keeps its layout", file);
  }
  source_free(after);
  fed_str_release(&out);
  fed_free(paths);
}

static void test_all_new(void)
{
  struct fed_err err = FED_ERR_INIT;
  char *paths, deeper[128];

  test_new(NULL, NULL, " Add  x!", "#_add_x.up.sql|#_add_x.down.sql");
  test_new("20240131120000_a.up.sql", "", "add_x",
           "#_add_x.up.sql|#_add_x.down.sql");
  test_new("000099_a.up.sql", "", "add_x",
           "000100_add_x.up.sql|000100_add_x.down.sql");
  test_new("9_a.up.sql", "", "add_x", "10_add_x.up.sql|10_add_x.down.sql");
  test_new("99991231235959_a.up.sql", "", "add_x",
           "99991231235960_add_x.up.sql|99991231235960_add_x.down.sql");
  test_new("20240131120000_a.sql", "-- migrate:up", "add_x", "#_add_x.sql");
  test_new("00001_a.sql", "-- +goose Up", "add_x", "00002_add_x.sql");
  test_new("V1.9__a.sql", "", "add_x", "V1.10__add_x.sql");
  test_new("20240131120000_a.sql", "A", "add_x", "#_add_x.sql");
  test_new("2024-01-31-120000_a/up.sql", "A", "add_x",
           "#_add_x/up.sql|#_add_x/down.sql");
  test_new(NULL, NULL, "!?", "!has no letter or digit to name a migration");
  snprintf(deeper, sizeof deeper, "%s/more", dir);
  fresh();
  check(source_new(deeper, "add_x", SOURCE_AUTO, &paths, &err) == SQLITE_OK &&
          strstr(paths, "/more/"),
        "makes the directory: %s", err.msg);
  fed_free(paths);
  snprintf(deeper, sizeof deeper, "%s/no/more", dir);
  check(source_new(deeper, "add_x", SOURCE_AUTO, &paths, &err) ==
            SQLITE_CANTOPEN &&
          !paths,
        "but not its parents: %s", err.msg);
}

/* ---- memory, size ------------------------------------------------------ */

/* Every allocation fails once: an error, and nothing is lost. */
static void test_memory(void)
{
  static const struct source_embedded list[] = {
    {"1_a.sql", "-- migrate:up\nA\n-- migrate:call f\nB\n-- migrate:down\nC"},
    {"2_b.sql", "-- migrate:up\n-- migrate:up\nC\n"                         },
    {"x.sql",   "x"                                                         }
  };
  int64_t before = sqlite3_memory_used();

  for (int n = 1;; n++) {
    struct fed_err err = FED_ERR_INIT;
    struct source *source = NULL;
    int rc, hits;

    fed_fault_arm(FED_FAULT_ALLOC, n);
    rc = source_load_embedded(&source, list, 3, "pg", NULL, &err);
    hits = fed_fault_arm(FED_FAULT_ALLOC, 0);
    source_free(source);
    if (!check(sqlite3_memory_used() == before, "leak after failure %d", n) ||
        hits == 0) {
      check(n > 10 && rc == SQLITE_OK, "failures: %d %s", n, err.msg);
      return;
    }
    /* A message loses its subject for want of memory, nothing else does. */
    check(rc == SQLITE_OK || rc == SQLITE_NOMEM, "failure %d: %s", n, err.msg);
  }
}

static void test_many(void)
{
  struct fed_err err = FED_ERR_INIT;
  struct source *source;
  bool sorted = true;
  int64_t began;

  fresh();
  for (int i = 0; i < 2500; i++) {
    char name[64];

    snprintf(name, sizeof name, "%d_table.up.sql", (i * 7919) % 100003);
    put(name, "CREATE TABLE t (id INTEGER PRIMARY KEY);\n");
    snprintf(name, sizeof name, "%d_table.down.sql", (i * 7919) % 100003);
    put(name, "DROP TABLE t;\n");
  }
  began = fed_clock_us();
  check(source_load(&source, dir, "pg", NULL, &err) == SQLITE_OK, "%s",
        err.msg);
  printf("5000 files in %lld us\n", (long long)(fed_clock_us() - began));
  for (int i = 1; source && i < source->nfile; i++)
    sorted = sorted && source_version_cmp(source->file[i - 1].version,
                                          source->file[i].version) < 0;
  check(source && source->nfile == 2500 && sorted, "many files");
  source_free(source);
}

int main(void)
{
  snprintf(top, sizeof top, "/tmp/dbfed-source-XXXXXX");
  if (!mkdtemp(top)) return 1;
  snprintf(dir, sizeof dir, "%s/dir", top);
  for (size_t i = 0; i < FED_LEN(cases); i++)
    test_case(&cases[i]);
  test_directory();
  test_links();
  test_checksum();
  test_versions();
  test_all_new();
  test_memory();
  test_many();
  shell("rm -rf %s", top);
  printf("%d passed, %d failed, 0 skipped\n", passed, failed);
  return failed > 0;
}
