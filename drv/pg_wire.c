/*
 * pg_wire: one command on the wire: send, wait, collect, report, cancel.
 *
 * Every loop here ends by the caller's wait or by the clean-up time. What
 * cannot be brought to an end breaks the connection: closing it makes the
 * server drop a half-sent command and roll back what was open.
 */
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/mem.h"
#include "drv/pg.h"

/* ---- waiting ----------------------------------------------------------- */

int fed_pg_flush(struct fed_pg_conn *pg, const struct fed_wait *wait,
                 struct fed_err *err)
{
  /* -1 is a failed write: the reason is read as the command's result. */
  while (PQflush(pg->link) > 0) {
    int rc = fed_wait_check(wait, "sending", err);

    if (rc == SQLITE_OK)
      rc =
        fed_wait_fd(wait, PQsocket(pg->link), POLLIN | POLLOUT, "sending", err);
    if (rc != SQLITE_OK) {
      pg->base.broken = true;
      return rc;
    }
    /* A server that cannot write its answer does not read our command. */
    if (!PQconsumeInput(pg->link)) break;
  }
  return SQLITE_OK;
}

int fed_pg_next(struct fed_pg_conn *pg, const struct fed_wait *wait,
                PGresult **out, struct fed_err *err)
{
  *out = NULL;
  while (PQisBusy(pg->link)) {
    /* A stream that never pauses must be interruptible too. */
    int rc = fed_wait_check(wait, "waiting for the server", err);

    if (rc == SQLITE_OK)
      rc = fed_wait_fd(wait, PQsocket(pg->link), POLLIN,
                       "waiting for the server", err);
    if (rc != SQLITE_OK) return rc;
    /* On a dead link PQgetResult() returns at once, with the reason. */
    if (!PQconsumeInput(pg->link) && PQstatus(pg->link) != CONNECTION_BAD)
      return fed_pg_lost(pg, err);
  }
  *out = PQgetResult(pg->link);
  return SQLITE_OK;
}

/* ---- COPY --------------------------------------------------------------- */

static int pg_refuse_copy_in(struct fed_pg_conn *pg,
                             const struct fed_wait *wait, struct fed_err *err)
{
  int n;

  while ((n = PQputCopyEnd(pg->link, "COPY FROM STDIN has no input here")) ==
         0) {
    int rc = fed_pg_flush(pg, wait, err);

    if (rc != SQLITE_OK) return rc;
  }
  if (n < 0) return fed_pg_lost(pg, err);
  return fed_pg_flush(pg, wait, err);
}

int fed_pg_skip_copy(struct fed_pg_conn *pg, const struct fed_wait *wait,
                     struct fed_err *err)
{
  for (;;) {
    char *line = NULL;
    int n = PQgetCopyData(pg->link, &line, 1);
    int rc;

    PQfreemem(line);
    if (n < 0) return SQLITE_OK; /* -2 shows as the next result */
    if (n > 0) continue;
    rc = fed_wait_check(wait, "skipping the output of COPY", err);
    if (rc == SQLITE_OK)
      rc = fed_wait_fd(wait, PQsocket(pg->link), POLLIN,
                       "skipping the output of COPY", err);
    if (rc != SQLITE_OK) return rc;
    if (!PQconsumeInput(pg->link)) return SQLITE_OK;
  }
}

int fed_pg_end_copy(struct fed_pg_conn *pg, const PGresult *res,
                    const struct fed_wait *wait, struct fed_err *err)
{
  struct fed_err later = FED_ERR_INIT;
  int rc = SQLITE_OK;

  fed_err_set(err, SQLITE_ERROR,
              "COPY %s cannot run here: it needs a client that moves the data",
              PQresultStatus(res) == PGRES_COPY_IN ? "FROM STDIN"
                                                   : "TO STDOUT");
  if (PQresultStatus(res) == PGRES_COPY_IN)
    rc = pg_refuse_copy_in(pg, wait, &later);
  else if (PQresultStatus(res) == PGRES_COPY_OUT)
    rc = fed_pg_skip_copy(pg, wait, &later);
  else
    pg->base.broken = true; /* COPY BOTH is of replication only */
  return rc;
}

/* ---- collecting results ------------------------------------------------ */

static int64_t pg_changes(PGresult *res)
{
  static const char *const verbs[] = {"INSERT ", "UPDATE ", "DELETE ",
                                      "MERGE "};
  const char *tag = PQcmdStatus(res);

  for (size_t i = 0; i < FED_LEN(verbs); i++)
    if (strncmp(tag, verbs[i], strlen(verbs[i])) == 0)
      return strtoll(PQcmdTuples(res), NULL, 10);
  return 0; /* "SELECT 5" counts rows that were not changed */
}

void fed_pg_note(struct fed_pg_done *done, PGresult *res)
{
  const char *tag = PQcmdStatus(res);
  size_t n = strnlen(tag, sizeof done->tag - 1);

  memcpy(done->tag, tag, n);
  done->tag[n] = 0;
  done->changes = pg_changes(res);
  done->count++;
}

/* What collecting needs, in one place. */
struct pg_collect {
  struct fed_pg_conn *pg;
  const struct fed_wait *wait;
  fed_pg_row_fn *row;
  void *ctx;
  struct fed_pg_done *done;
  int rc; /* of the server and of `row`; the first one */
  struct fed_err *err;
};

static void pg_collect_error(struct pg_collect *c, PGresult *res)
{
  struct fed_err ignored = FED_ERR_INIT;
  /* More than one synchronisation point ahead: this is a DEALLOCATE that goes
   * along with a prepare; the statement may be gone already. */
  bool along = c->pg->syncs > 1;
  int rc = fed_pg_fail(c->pg, res, along ? &ignored : c->err);

  if (c->rc == SQLITE_OK && (!along || c->pg->base.broken)) c->rc = rc;
}

/* COPY: what we began is read to its end, any other is refused. */
static int pg_collect_copy(struct pg_collect *c, PGresult *res)
{
  int rc;

  if (c->pg->copying && PQresultStatus(res) == PGRES_COPY_OUT)
    return fed_pg_skip_copy(c->pg, c->wait, c->err);
  rc = fed_pg_end_copy(c->pg, res, c->wait, c->err);
  if (c->rc == SQLITE_OK) c->rc = SQLITE_ERROR;
  return rc;
}

/* SQLITE_OK to go on, else the wait has ended. Takes `res`. */
static int pg_collect_one(struct pg_collect *c, PGresult *res)
{
  int rc = SQLITE_OK;

  switch (PQresultStatus(res)) {
#ifdef LIBPQ_HAS_CHUNK_MODE
  case PGRES_TUPLES_CHUNK: /* of a statement that is given up */
    break;
#endif
  case PGRES_SINGLE_TUPLE:
    if (c->rc == SQLITE_OK && c->row) c->rc = c->row(c->ctx, res, c->err);
    break;
  case PGRES_TUPLES_OK:
  case PGRES_EMPTY_QUERY:
    fed_pg_note(c->done, res);
    if (c->done->count != c->done->nth) break;
    c->done->last = res;
    return SQLITE_OK;
  case PGRES_COMMAND_OK:
    fed_pg_note(c->done, res);
    if (!c->done->keep && c->done->count != c->done->nth) break;
    PQclear(c->done->last);
    c->done->last = res;
    return SQLITE_OK;
  case PGRES_PIPELINE_SYNC:
    c->pg->syncs--;
    break;
  case PGRES_PIPELINE_ABORTED:
    break;
  case PGRES_COPY_OUT:
  case PGRES_COPY_IN:
  case PGRES_COPY_BOTH:
    rc = pg_collect_copy(c, res);
    break;
  case PGRES_BAD_RESPONSE:
  case PGRES_NONFATAL_ERROR:
  case PGRES_FATAL_ERROR:
    pg_collect_error(c, res);
    break;
  }
  PQclear(res);
  return rc;
}

/*
 * Read to the end of the command. A pipeline gives a NULL between any two of
 * its commands; two in a row are its end.
 */
static int pg_collect(struct pg_collect *c)
{
  int nulls = 0;

  for (;;) {
    PGresult *res;
    int rc = fed_pg_next(c->pg, c->wait, &res, c->err);

    if (rc != SQLITE_OK) return rc;
    if (!res && (c->pg->syncs == 0 || ++nulls > 1)) break;
    if (!res) continue;
    nulls = 0;
    rc = pg_collect_one(c, res);
    if (rc != SQLITE_OK) return rc;
    if (c->pg->base.broken) return c->rc;
  }
  if (c->pg->syncs > 0 || (PQpipelineStatus(c->pg->link) != PQ_PIPELINE_OFF &&
                           !PQexitPipelineMode(c->pg->link)))
    return fed_pg_lost(c->pg, c->err);
  c->pg->leftover = false;
  c->done->ended = true;
  return c->rc;
}

int fed_pg_finish(struct fed_pg_conn *pg, const struct fed_wait *wait,
                  fed_pg_row_fn *row, void *ctx, struct fed_pg_done *done,
                  struct fed_err *err)
{
  struct pg_collect c = {
    .pg = pg, .wait = wait, .row = row, .ctx = ctx, .done = done, .err = err};
  int rc = fed_pg_flush(pg, wait, err);

  if (rc == SQLITE_OK) rc = pg_collect(&c);
  if (done->ended || pg->base.broken) return rc;
  fed_pg_abort(pg, done);
  if (!done->ended || done->tag[0] == 0 || row || c.rc != SQLITE_OK)
    return err->rc;
  /* The cancel came too late: what was asked for has been done, and saying
   * "interrupted" of a COMMIT that succeeded would be a lie. */
  fed_err_clear(err);
  return SQLITE_OK;
}

/*
 * A cancel that arrives before the server has begun the command is lost, so
 * it is sent again and again while the command does not end.
 */
void fed_pg_abort(struct fed_pg_conn *pg, struct fed_pg_done *done)
{
  struct fed_wait all = {fed_clock_deadline(FED_PG_CLEANUP_MS), NULL, NULL};
  struct pg_collect c = {.pg = pg, .done = done};
  int64_t patience = 50;

  while (!pg->base.broken && !done->ended) {
    struct fed_err ignored = FED_ERR_INIT;
    struct fed_wait some = all;

    if (fed_pg_cancel(pg, &all, &ignored) != SQLITE_OK) break;
    some = fed_wait_within(&all, patience *= 2);
    c.wait = &some;
    c.err = &ignored;
    pg_collect(&c);
    if (fed_clock_ms() >= all.deadline) break;
  }
  if (!done->ended) pg->base.broken = true;
  /* The statement that was stopped has succeeded only if it says so last. */
  if (c.rc != SQLITE_OK) done->tag[0] = 0;
}

/* ---- commands ---------------------------------------------------------- */

/* A read failed or was stopped: back to where reading began. */
static int pg_go_back(struct fed_pg_conn *pg, const struct fed_wait *wait,
                      struct fed_err *err)
{
  struct fed_pg_done done = {.ended = false};

  if (pg->guarded == FED_PG_OPEN ||
      PQtransactionStatus(pg->link) != PQTRANS_INERROR)
    return SQLITE_OK;
  fed_conn_unlock(&pg->base);
  if (!PQsendQuery(pg->link, pg->guarded == FED_PG_READS
                               ? "ROLLBACK TO " FED_PG_GUARD "; " FED_PG_QUIET
                               : "ROLLBACK TO " FED_PG_GUARD))
    return fed_pg_lost(pg, err);
  return fed_pg_finish(pg, wait, NULL, NULL, &done, err);
}

int fed_pg_ready(struct fed_pg_conn *pg, bool undo, const struct fed_wait *wait,
                 struct fed_err *err)
{
  struct fed_pg_done done = {.ended = false};

  if (pg->base.broken)
    return fed_err_set(err, SQLITE_IOERR, "the connection is broken");
  if (pg->active && !undo)
    return fed_err_set(err, SQLITE_MISUSE,
                       "another statement of this connection still runs");
  if (pg->load && !undo)
    return fed_err_set(err, SQLITE_MISUSE,
                       "a load of this connection is still open");
  if (pg->load) {
    int rc = fed_pg_load_stop(pg, wait, err);

    if (rc != SQLITE_OK) return rc;
  }
  if (!pg->leftover && !pg->active) goto out;
  if (!undo) {
    int rc = fed_pg_finish(pg, wait, NULL, NULL, &done, err);

    /* An error late in rows that nobody wanted: without a guard it has killed
     * the transaction all the same, so it is told now. */
    if (rc != SQLITE_OK && (pg->guarded == FED_PG_OPEN || !done.ended ||
                            rc == SQLITE_INTERRUPT || rc == SQLITE_BUSY))
      return rc;
    fed_err_clear(err);
  } else {
    fed_pg_abort(pg, &done);
    if (!done.ended)
      return fed_err_set(err, SQLITE_IOERR,
                         "cannot stop the statement that runs");
    pg->active = NULL;
  }
out:
  pg->copying = false;
  atomic_store(&pg->cancelled, false);
  return undo ? SQLITE_OK : pg_go_back(pg, wait, err);
}

int fed_pg_exec(struct fed_pg_conn *pg, const char *sql,
                const struct fed_wait *wait, struct fed_pg_done *done,
                struct fed_err *err)
{
  int rc = fed_pg_ready(pg, false, wait, err);

  if (rc != SQLITE_OK) return rc;
  if (!PQsendQuery(pg->link, sql)) return fed_pg_lost(pg, err);
  return fed_pg_finish(pg, wait, NULL, NULL, done, err);
}

/*
 * A pipeline, not one text of several statements: there now() would be the
 * same for all of them, and an error in one would be found before the first.
 * What follows one that fails is skipped up to the synchronisation point.
 * (PostgreSQL manual, "Message Flow", Pipelining)
 */
int fed_pg_batch(struct fed_pg_conn *pg, const char *const *sql, int n,
                 const struct fed_wait *wait, struct fed_pg_done *done,
                 struct fed_err *err)
{
  int rc = fed_pg_ready(pg, false, wait, err);

  if (rc != SQLITE_OK) return rc;
  if (!PQenterPipelineMode(pg->link)) return fed_pg_lost(pg, err);
  for (int i = 0; i < n; i++)
    if (!PQsendQueryParams(pg->link, sql[i], 0, NULL, NULL, NULL, NULL, 0))
      return fed_pg_lost(pg, err);
  if (!PQpipelineSync(pg->link)) return fed_pg_lost(pg, err);
  pg->syncs++;
  return fed_pg_finish(pg, wait, NULL, NULL, done, err);
}

int fed_pg_rows(struct fed_pg_conn *pg, const char *sql, fed_pg_row_fn *row,
                void *ctx, const struct fed_wait *wait, struct fed_err *err)
{
  struct fed_pg_done done = {.ended = false};
  int rc = fed_pg_ready(pg, false, wait, err);

  if (rc != SQLITE_OK) return rc;
  if (!PQsendQuery(pg->link, sql)) return fed_pg_lost(pg, err);
  PQsetSingleRowMode(pg->link);
  return fed_pg_finish(pg, wait, row, ctx, &done, err);
}

/* For what is rare enough to cost a round trip more. */
static int pg_guard_now(struct fed_pg_conn *pg, const struct fed_wait *wait,
                        struct fed_err *err)
{
  struct fed_pg_done done = {.ended = false};
  const char *verb[FED_PG_VERBS];
  enum fed_pg_guarded then;
  int rc;

  if (fed_pg_verbs(pg, false, verb, &then) == 0) return SQLITE_OK;
  rc = pg->guarded == FED_PG_OPEN
         ? fed_pg_exec(pg, FED_PG_GUARD "; " FED_PG_QUIET, wait, &done, err)
         : SQLITE_OK;
  if (rc == SQLITE_OK && pg->guarded == FED_PG_OPEN) pg->guarded = then;
  return rc;
}

int fed_pg_query(struct fed_pg_conn *pg, const char *sql, int nparam,
                 const char *const *params, fed_pg_row_fn *row, void *ctx,
                 const struct fed_wait *wait, struct fed_err *err)
{
  struct fed_pg_done done = {.ended = false};
  int rc = fed_pg_ready(pg, false, wait, err);

  if (rc != SQLITE_OK) return rc;
  rc = pg_guard_now(pg, wait, err);
  if (rc != SQLITE_OK) return rc;
  if (!PQsendQueryParams(pg->link, sql, nparam, NULL, params, NULL, NULL, 0))
    return fed_pg_lost(pg, err);
  PQsetSingleRowMode(pg->link);
  return fed_pg_finish(pg, wait, row, ctx, &done, err);
}

void fed_pg_forget(struct fed_pg_conn *pg, unsigned id)
{
  if (pg->ngone == pg->gone_room) {
    int room = pg->gone_room ? 2 * pg->gone_room : 16;
    unsigned *gone = fed_realloc(pg->gone, sizeof *gone * (size_t)room);

    /* Without memory it stays on the server until the session ends. */
    if (!gone) return;
    pg->gone = gone;
    pg->gone_room = room;
  }
  pg->gone[pg->ngone++] = id;
}

/*
 * Statements to be dropped are sent ahead, up to a synchronisation point of
 * their own: an error there does not touch what follows. Inside a transaction
 * it would, so they wait there, unless they become many.
 */
static bool pg_send_gone(struct fed_pg_conn *pg)
{
  bool idle = PQtransactionStatus(pg->link) == PQTRANS_IDLE;

  if (pg->ngone == 0 || (!idle && pg->ngone < 2 * FED_STMTS_MAX)) return true;
  for (int i = 0; i < pg->ngone; i++) {
    char sql[40];

    snprintf(sql, sizeof sql, "DEALLOCATE fed%u", pg->gone[i]);
    if (!PQsendQueryParams(pg->link, sql, 0, NULL, NULL, NULL, NULL, 0))
      return false;
  }
  pg->ngone = 0;
  if (!PQpipelineSync(pg->link)) return false;
  pg->syncs++;
  return true;
}

int fed_pg_parse(struct fed_pg_conn *pg, const char *name, const char *sql,
                 PGresult **described, const struct fed_wait *wait,
                 struct fed_err *err)
{
  struct fed_pg_done done = {.keep = described != NULL};
  int rc = fed_pg_ready(pg, false, wait, err);
  bool open;

  if (rc != SQLITE_OK) return rc;
  open = pg->guarded == FED_PG_OPEN; /* one that stands will do */
  pg->verbs = 0;
  if (!(open ? fed_pg_send_guard(pg, false) : PQenterPipelineMode(pg->link)) ||
      (pg->verbs == 0 && !pg_send_gone(pg)) ||
      !PQsendPrepare(pg->link, name, sql, 0, NULL) ||
      (described && !PQsendDescribePrepared(pg->link, name)) ||
      !PQpipelineSync(pg->link))
    return fed_pg_lost(pg, err);
  pg->syncs++;
  rc = fed_pg_finish(pg, wait, NULL, NULL, &done, err);
  fed_pg_guard_done(pg, done.count);
  if (rc == SQLITE_OK && described)
    *described = done.last;
  else
    PQclear(done.last);
  return rc;
}

/* ---- cancelling -------------------------------------------------------- */

/*
 * PQcancel() blocks without a deadline: it connects anew and waits until the
 * other side hangs up, which a stopped server or a silent proxy never does.
 * (Asynchronous cancelling came with libpq 17.) So it runs in a thread of its
 * own, and it is that thread which may hang, not our caller. This is the one
 * thread that the driver starts; it touches nothing but its job.
 */
struct pg_job {
  atomic_int refs; /* the thread's and the caller's */
  struct fed_pg_key *key;
  int done; /* eventfd: readable when PQcancel() has returned */
  atomic_bool ok;
  char msg[256]; /* why not, once done */
};

void fed_pg_key_put(struct fed_pg_key *key)
{
  if (!key || atomic_fetch_sub(&key->refs, 1) > 1) return;
  PQfreeCancel(key->cancel);
  fed_free(key);
}

static void pg_job_put(struct pg_job *job)
{
  if (atomic_fetch_sub(&job->refs, 1) > 1) return;
  if (job->done >= 0) close(job->done);
  fed_pg_key_put(job->key);
  fed_free(job);
}

static void *pg_job_run(void *arg)
{
  struct pg_job *job = arg;
  uint64_t one = 1;

  atomic_store(&job->ok,
               PQcancel(job->key->cancel, job->msg, sizeof job->msg) != 0);
  /* An eventfd takes this unless it is full. */
  if (write(job->done, &one, sizeof one) < 0) atomic_store(&job->ok, false);
  pg_job_put(job);
  return NULL;
}

static struct pg_job *pg_job_new(struct fed_pg_key *key)
{
  struct pg_job *job = fed_alloc(sizeof *job);

  if (!job) return NULL;
  atomic_store(&job->refs, 1);
  atomic_fetch_add(&key->refs, 1);
  job->key = key;
  job->done = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (job->done >= 0) return job;
  pg_job_put(job);
  return NULL;
}

/* Detached, and deaf to signals: those are for the host's own threads. */
static bool pg_job_start(struct pg_job *job)
{
  pthread_t thread;
  sigset_t all, old;
  bool ok;

  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &old);
  atomic_fetch_add(&job->refs, 1);
  ok = pthread_create(&thread, NULL, pg_job_run, job) == 0;
  pthread_sigmask(SIG_SETMASK, &old, NULL);
  if (ok)
    pthread_detach(thread);
  else
    pg_job_put(job);
  return ok;
}

int fed_pg_cancel(struct fed_pg_conn *pg, const struct fed_wait *wait,
                  struct fed_err *err)
{
  struct pg_job *job = pg_job_new(pg->key);
  int rc;

  if (!job) return fed_err_nomem(err);
  if (pg_job_start(job))
    rc = fed_wait_fd(wait, job->done, POLLIN, "cancelling", err);
  else
    rc = fed_err_set(err, SQLITE_NOMEM, "cannot cancel: no thread");
  if (rc == SQLITE_OK && !atomic_load(&job->ok))
    rc = fed_err_set(err, SQLITE_IOERR, "cannot cancel: %s", job->msg);
  pg_job_put(job);
  return rc;
}
