/*
 * pg_write: statements that write, and the guard before reads.
 *
 * A write inside a transaction is a pipeline, one round trip:
 *
 *     RELEASE SAVEPOINT fed_guard     if reads stand behind it
 *     SAVEPOINT fed_write             with conn->guard_writes
 *     the statement, or many
 *     RELEASE SAVEPOINT fed_write
 *
 * To release the guard also ends its READ ONLY: that belongs to the
 * subtransaction. (PostgreSQL, CommitSubTransaction)
 */
#include "base/mem.h"
#include "drv/pg.h"

/* ---- the guard --------------------------------------------------------- */

int fed_pg_verbs(const struct fed_pg_conn *pg, bool locking,
                 const char *verb[FED_PG_VERBS], enum fed_pg_guarded *then)
{
  enum fed_pg_guarded need =
    locking && !pg->read_only ? FED_PG_LOCKS : FED_PG_READS;
  int n = 0;

  *then = need;
  if (!pg->guard && !pg->base.guard_writes) return 0;
  if (pg->guarded == need) return 0;
  if (PQtransactionStatus(pg->link) != PQTRANS_INTRANS) return 0;
  /* What stands is for the other kind. Without READ ONLY it may have locked
   * rows, and those locks must outlive the next read. */
  if (pg->guarded != FED_PG_OPEN) verb[n++] = "RELEASE " FED_PG_GUARD;
  verb[n++] = FED_PG_GUARD;
  if (need == FED_PG_READS) verb[n++] = FED_PG_QUIET;
  return n;
}

bool fed_pg_send_verb(struct fed_pg_conn *pg, const char *verb)
{
  return PQsendQueryParams(pg->link, verb, 0, NULL, NULL, NULL, NULL, 0) != 0;
}

bool fed_pg_send_guard(struct fed_pg_conn *pg, bool locking)
{
  const char *verb[FED_PG_VERBS];
  int n = fed_pg_verbs(pg, locking, verb, &pg->coming);

  pg->verbs = n;
  if (!PQenterPipelineMode(pg->link)) return false;
  for (int i = 0; i < n; i++)
    if (!fed_pg_send_verb(pg, verb[i])) return false;
  return true;
}

void fed_pg_guard_done(struct fed_pg_conn *pg, int count)
{
  if (pg->verbs > 0 && count >= pg->verbs)
    pg->guarded = pg->coming;
  else if (pg->verbs > 0 && count > 0)
    pg->guarded = FED_PG_OPEN; /* half set up, in a transaction that failed */
  pg->verbs = 0;
}

/* ---- one statement ----------------------------------------------------- */

/* Open the pipeline of a write. *ahead: how many verbs stand before it. */
static bool write_open(struct fed_pg_conn *pg, int *ahead)
{
  *ahead = 0;
  if (!PQenterPipelineMode(pg->link)) return false;
  if (fed_pg_must_open(pg)) {
    if (!fed_pg_send_verb(pg, "RELEASE " FED_PG_GUARD)) return false;
    ++*ahead;
  }
  if (pg->base.guard_writes) {
    if (!fed_pg_send_verb(pg, "SAVEPOINT fed_write")) return false;
    ++*ahead;
  }
  return true;
}

static bool write_close(struct fed_pg_conn *pg, bool keep)
{
  if (keep && pg->base.guard_writes &&
      !fed_pg_send_verb(pg, "RELEASE SAVEPOINT fed_write"))
    return false;
  if (!PQpipelineSync(pg->link)) return false;
  pg->syncs++;
  return true;
}

/*
 * The write has failed, behind `ahead` verbs of which `count` went well: take
 * back what it has done. In the time that cleaning up may take, for the
 * caller's may be over. Without success the transaction stays aborted.
 */
static void write_undo(struct fed_pg_conn *pg, int count, int ahead)
{
  struct fed_wait wait = {fed_clock_deadline(FED_PG_CLEANUP_MS), NULL, NULL};
  struct fed_pg_done done = {.ended = false};
  struct fed_err ignored = FED_ERR_INIT;

  if (!pg->base.guard_writes || pg->base.broken || pg->base.ended) return;
  if (count < ahead) return;
  fed_conn_unlock(&pg->base);
  fed_pg_exec(pg,
              "ROLLBACK TO SAVEPOINT fed_write; RELEASE SAVEPOINT fed_write",
              &wait, &done, &ignored);
}

/* Its result is here, whole. */
static int write_result(struct fed_pg_stmt *st, PGresult *res,
                        struct fed_err *err)
{
  struct fed_pg_done done = {.ended = false};
  int rc;

  st->res = res;
  st->at = -1;
  fed_pg_note(&done, res);
  st->base.changes = done.changes;
  rc = fed_pg_check(st, res, err);
  if (rc == SQLITE_OK) {
    fed_pg_unbind(st);
    st->state = FED_PG_HELD;
    return SQLITE_OK;
  }
  /* It has been done, and the caller will not know: nothing of it may stay. */
  st->base.conn->broken = true;
  fed_pg_idle(st, FED_PG_IDLE);
  return rc;
}

int fed_pg_write(struct fed_pg_stmt *st, int n, const struct fed_wait *wait,
                 struct fed_err *err)
{
  struct fed_pg_conn *pg = fed_pg_of(st->base.conn);
  bool open = fed_pg_must_open(pg);
  struct fed_pg_done done = {.ended = false};
  int ahead, rc;

  if (!write_open(pg, &ahead) ||
      !PQsendQueryPrepared(pg->link, st->name, n, st->values, st->lengths,
                           st->formats, !st->text) ||
      !write_close(pg, true))
    return fed_pg_lost(pg, err);
  done.nth = ahead + 1;
  rc = fed_pg_flush(pg, wait, err);
  if (rc != SQLITE_OK) return rc; /* it has broken the connection */
  if (fed_awake_begin(&pg->awake, PQsocket(pg->link))) PQconsumeInput(pg->link);
  rc = fed_pg_finish(pg, wait, NULL, NULL, &done, err);
  fed_awake_end(&pg->awake);
  if (open && done.count > 0) pg->guarded = FED_PG_OPEN;
  if (rc == SQLITE_OK && done.last) return write_result(st, done.last, err);
  PQclear(done.last);
  fed_pg_idle(st, FED_PG_IDLE);
  if (rc == SQLITE_OK) return fed_pg_lost(pg, err);
  write_undo(pg, done.count, ahead);
  return rc;
}

/* ---- many -------------------------------------------------------------- */

/*
 * So many executions, and bytes of their arguments, are sent before the
 * answers to those before them are awaited: what is under way stays small on
 * both sides, and neither waits for the other with its buffers full.
 */
#define WRITE_CHUNK 128
#define WRITE_BYTES 262144

struct write_many {
  struct fed_pg_stmt *st;
  struct fed_pg_conn *pg;
  const struct fed_value *args;
  int narg, n;
  int ahead; /* verbs before the first */
  int sent;  /* executions */
  int seen;  /* results, the verbs' included, that were well */
  int all;   /* the same, with those that nobody waited for */
  bool odd;  /* one has changed another number of rows */
  const struct fed_wait *wait;
  struct fed_err *err;
};

/* Take results until `upto` of them were well. */
static int many_take(struct write_many *m, int upto)
{
  bool null = false;

  while (m->seen < upto) {
    struct fed_pg_done done = {.ended = false};
    PGresult *res;
    ExecStatusType status;
    int rc = fed_pg_next(m->pg, m->wait, &res, m->err);

    if (rc != SQLITE_OK) return rc;
    if (!res && null) return fed_pg_lost(m->pg, m->err);
    null = res == NULL;
    if (!res) continue;
    status = PQresultStatus(res);
    if (status != PGRES_COMMAND_OK) {
      rc = fed_pg_fail(m->pg, res, m->err);
      PQclear(res);
      return rc;
    }
    fed_pg_note(&done, res);
    PQclear(res);
    m->odd = m->seen >= m->ahead && done.changes != 1;
    if (m->odd)
      return fed_err_set(m->err, SQLITE_NOTFOUND,
                         "row %d of %d changed %lld rows, not one",
                         m->seen - m->ahead + 1, m->n, (long long)done.changes);
    m->seen++;
  }
  return SQLITE_OK;
}

/* Send the next chunk; a flush request has the server answer it. */
static int many_send(struct write_many *m)
{
  struct fed_pg_stmt *st = m->st;
  int64_t bytes = 0;

  for (int i = 0; i < WRITE_CHUNK && bytes < WRITE_BYTES && m->sent < m->n;
       i++, m->sent++) {
    const struct fed_value *row = m->args + (size_t)m->sent * (size_t)m->narg;
    int rc = fed_pg_bind(st, row, m->narg, m->err);

    if (rc != SQLITE_OK) return rc;
    for (int k = 0; k < m->narg; k++)
      bytes += row[k].type >= FED_TEXT ? row[k].size : 8;
    if (!PQsendQueryPrepared(m->pg->link, st->name, m->narg, st->values,
                             st->lengths, st->formats, 1))
      return fed_pg_lost(m->pg, m->err);
  }
  if (!PQsendFlushRequest(m->pg->link)) return fed_pg_lost(m->pg, m->err);
  return fed_pg_flush(m->pg, m->wait, m->err);
}

/* One chunk is on its way while the answers to the one before come. */
static int many_run(struct write_many *m)
{
  int rc = SQLITE_OK;

  while (rc == SQLITE_OK && m->sent < m->n) {
    int before = m->ahead + m->sent;

    rc = many_send(m);
    if (rc == SQLITE_OK) rc = many_take(m, before);
  }
  return rc == SQLITE_OK ? many_take(m, m->ahead + m->n) : rc;
}

/* End the pipeline, whatever came of it. */
static int many_end(struct write_many *m, int rc)
{
  struct fed_pg_conn *pg = m->pg;
  struct fed_pg_done done = {.ended = false};
  struct fed_err later = FED_ERR_INIT;
  int end;

  fed_pg_unbind(m->st);
  m->all = m->seen + m->odd;
  if (pg->base.broken) return rc;
  if (!write_close(pg, rc == SQLITE_OK)) return fed_pg_lost(pg, m->err);
  end = fed_pg_finish(pg, m->wait, NULL, NULL, &done, &later);
  m->all += done.count;
  if (rc != SQLITE_OK || end == SQLITE_OK) return rc;
  *m->err = later;
  return end;
}

int fed_pg_execute_many(struct fed_stmt *stmt, const struct fed_value *args,
                        int narg, int n, int *done, const struct fed_wait *wait,
                        struct fed_err *err)
{
  struct fed_pg_stmt *st = (struct fed_pg_stmt *)stmt;
  struct fed_pg_conn *pg = fed_pg_of(stmt->conn);
  struct write_many m = {.st = st,
                         .pg = pg,
                         .args = args,
                         .narg = narg,
                         .n = n,
                         .wait = wait,
                         .err = err};
  bool open;
  int rc;

  *done = 0;
  stmt->changes = stmt->number = 0;
  rc = fed_pg_ready(pg, false, wait, err);
  if (rc != SQLITE_OK) return rc;
  if (st->state != FED_PG_IDLE || stmt->ncol > 0 || st->sql ||
      PQtransactionStatus(pg->link) == PQTRANS_IDLE)
    return fed_err_set(err, SQLITE_MISUSE,
                       "many executions need a transaction, and a statement "
                       "that was reset and gives no rows");
  open = fed_pg_must_open(pg);
  rc = write_open(pg, &m.ahead) ? many_run(&m) : fed_pg_lost(pg, err);
  *done = m.seen > m.ahead ? m.seen - m.ahead : 0;
  rc = many_end(&m, rc);
  if (open && m.all > 0) pg->guarded = FED_PG_OPEN;
  stmt->changes = *done;
  if (rc != SQLITE_OK) write_undo(pg, m.all, m.ahead);
  return rc;
}
