/* progress: one line on a terminal while migrations run. */
#include "cli/cli.h"

#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

#include "base/clock.h"

#define PROGRESS_MS    100 /* between two looks at the same line */
#define PROGRESS_WIDTH 80

static struct {
  bool on, drawn;
  int64_t start, next; /* fed_clock_ms() */
  char text[512];      /* without the time */
} progress;

/* At most `width` columns of `text`; what a terminal might obey is shown. */
static void progress_put(const char *text, int width)
{
  mbstate_t state;

  memset(&state, 0, sizeof state);
  while (*text) {
    wchar_t c = 0;
    size_t n = mbrtowc(&c, text, strlen(text), &state);
    bool good = n != 0 && n != (size_t)-1 && n != (size_t)-2;
    int w = good ? wcwidth(c) : -1;

    if ((width -= w < 0 ? 1 : w) < 0) return;
    if (w < 0)
      fputc('?', stderr);
    else
      fwrite(text, 1, n, stderr);
    if (!good) memset(&state, 0, sizeof state);
    text += good ? n : 1;
  }
}

static void progress_draw(void)
{
  char text[sizeof progress.text + 32];
  struct winsize size = {.ws_col = 0};
  int64_t now = fed_clock_ms();
  bool colour = cli_colour(stderr);
  int width;

  if (!progress.on || !*progress.text || now < progress.next) return;
  progress.next = now + PROGRESS_MS;
  if (ioctl(fileno(stderr), TIOCGWINSZ, &size) != 0 || !size.ws_col)
    size.ws_col = PROGRESS_WIDTH;
  width = size.ws_col - 1; /* the last column would begin a new line */
  snprintf(text, sizeof text, "%s  %.1f s", progress.text,
           (double)(now - progress.start) / 1000);
  fputs(colour ? "\r\033[2m" : "\r", stderr);
  progress_put(text, width);
  fputs(colour ? "\033[0m\033[K" : "\033[K", stderr);
  fflush(stderr);
  progress.drawn = true;
}

/* What migrate_on_progress() calls. */
static void progress_told(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
  const char *text[5];
  int n[4];

  (void)argc;
  for (int i = 0; i < 5; i++)
    text[i] = (const char *)sqlite3_value_text(argv[i]);
  for (int i = 0; i < 4; i++)
    n[i] = sqlite3_value_int(argv[5 + i]);
  if (text[4] && !strcmp(text[4], "done")) n[0]--;
  snprintf(progress.text, sizeof progress.text,
           "[%*d/%d] %s: %s%s%s %s  statement %d/%d",
           snprintf(NULL, 0, "%d", n[1]), n[0] + 1, n[1],
           text[0] ? text[0] : "", text[1] ? text[1] : "", text[1] ? "_" : "",
           text[2] ? text[2] : "", text[3] ? text[3] : "", n[2], n[3]);
  progress_draw();
  sqlite3_result_int(ctx, 0);
}

/* While a server is waited for, dbfed asks on this handle many times a second,
 * by a statement, whether it was interrupted: so the time goes on. */
static int progress_traced(unsigned kind, void *arg, void *stmt, void *sql)
{
  (void)kind;
  (void)arg;
  (void)stmt;
  (void)sql;
  progress_draw();
  return 0;
}

void cli_progress_tick(void)
{
  progress_draw();
}

int cli_progress_begin(struct cli *cli)
{
  const char *term = getenv("TERM");

  if (cli->value[CLI_JSON] || cli->value[CLI_CSV] || !isatty(fileno(stderr)) ||
      (term && !strcmp(term, "dumb")))
    return CLI_DONE;
  progress.start = fed_clock_ms();
  progress.on = true;
  if (sqlite3_create_function(cli->db, "dbfed_progress", 9,
                              SQLITE_UTF8 | SQLITE_DIRECTONLY, NULL,
                              progress_told, NULL, NULL) != SQLITE_OK)
    return cli_fail("%s", sqlite3_errmsg(cli->db));
  sqlite3_trace_v2(cli->db, SQLITE_TRACE_STMT, progress_traced, NULL);
  return cli_run(cli, "SELECT migrate_on_progress('dbfed_progress')", NULL, 0,
                 NULL);
}

void cli_progress_end(void)
{
  if (progress.drawn) fputs("\r\033[K", stderr);
  progress.on = progress.drawn = false;
}
