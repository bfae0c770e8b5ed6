/* pg_error: what the server or libpq complains of -> struct fed_err. */
#include <stdio.h>
#include <stdlib.h>

#include "drv/pg.h"

/* SQLSTATEs that mean something to our callers; a class is a prefix. */
static const struct pg_state {
  const char *state;
  int rc;
} pg_states[] = {
  {"08",    SQLITE_IOERR                }, /* connection exceptions */
  {"57P",   SQLITE_IOERR                }, /* shutdown, crash, dropped */
  {"42501", SQLITE_PERM                 }, /* insufficient_privilege */
  {"42P01", SQLITE_SCHEMA               }, /* undefined_table */
  {"42703", SQLITE_SCHEMA               }, /* undefined_column */
  {"3F000", SQLITE_SCHEMA               }, /* invalid_schema_name */
  {"26000", SQLITE_SCHEMA               }, /* the prepared statement is gone */
  {"25006", SQLITE_READONLY             }, /* read_only_sql_transaction */
  {"55P03", SQLITE_BUSY                 }, /* lock_not_available */
  {"23505", SQLITE_CONSTRAINT_UNIQUE    },
  {"23P01", SQLITE_CONSTRAINT_UNIQUE    }, /* exclusion_violation */
  {"23502", SQLITE_CONSTRAINT_NOTNULL   },
  {"23503", SQLITE_CONSTRAINT_FOREIGNKEY},
  {"23514", SQLITE_CONSTRAINT_CHECK     },
  {"23",    SQLITE_CONSTRAINT           },
};

static int pg_code(const struct fed_pg_conn *pg, const PGresult *res,
                   const char *state)
{
  const char *func = PQresultErrorField(res, PG_DIAG_SOURCE_FUNCTION);

  for (size_t i = 0; i < FED_LEN(pg_states); i++)
    if (strncmp(state, pg_states[i].state, strlen(pg_states[i].state)) == 0)
      return pg_states[i].rc;
  if (strcmp(state, "57014") == 0 && atomic_load(&pg->cancelled))
    return SQLITE_INTERRUPT;
  /* "cached plan must not change result type": 0A000 says only "feature not
   * supported" and the message may be translated; the function is not. */
  if (strcmp(state, "0A000") == 0 && func &&
      strcmp(func, "RevalidateCachedQuery") == 0)
    return SQLITE_SCHEMA;
  return SQLITE_ERROR;
}

/* Bytes of the UTF-8 character at `p`, 0 if there is none. */
static size_t pg_utf8(const char *p)
{
  unsigned char c = (unsigned char)*p;
  size_t n = c < 0x80 ? 1 : c < 0xC2 ? 0 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4;

  if (c > 0xF4) return 0;
  for (size_t i = 1; i < n; i++)
    if ((p[i] & 0xC0) != 0x80) return 0;
  return n;
}

/*
 * libpq breaks its messages into lines, and quotes bytes of what is not the
 * protocol: make one line of UTF-8 of it.
 */
void fed_pg_clean(char *msg)
{
  const char *from = msg;
  char *to = msg;

  while (*from) {
    size_t n = pg_utf8(from);

    if (n > 1 || (n == 1 && *from > ' ' && *from != 0x7F)) {
      memmove(to, from, n);
      to += n;
    } else if (to > msg && to[-1] != ' ') {
      *to++ = ' ';
    }
    from += n ? n : 1;
  }
  if (to > msg && to[-1] == ' ') to--;
  *to = 0;
}

int fed_pg_lost(struct fed_pg_conn *pg, struct fed_err *err)
{
  char msg[512];

  pg->base.broken = true;
  snprintf(msg, sizeof msg, "%s", PQerrorMessage(pg->link));
  fed_pg_clean(msg);
  return fed_err_set(err, SQLITE_IOERR, "connection to the server lost%s%s",
                     *msg ? ": " : "", msg);
}

int fed_pg_fail(struct fed_pg_conn *pg, const PGresult *res,
                struct fed_err *err)
{
  const char *state = PQresultErrorField(res, PG_DIAG_SQLSTATE);
  const char *text = PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);
  const char *detail = PQresultErrorField(res, PG_DIAG_MESSAGE_DETAIL);
  const char *hint = PQresultErrorField(res, PG_DIAG_MESSAGE_HINT);
  const char *level = PQresultErrorField(res, PG_DIAG_SEVERITY_NONLOCALIZED);
  const char *at = PQresultErrorField(res, PG_DIAG_STATEMENT_POSITION);
  int rc;

  /* Only the server gives a SQLSTATE; without one libpq itself complains,
   * of a closed socket or of bytes that are not the protocol. */
  if (!state || !text) return fed_pg_lost(pg, err);
  rc = pg_code(pg, res, state);
  if (PQstatus(pg->link) == CONNECTION_BAD || rc == SQLITE_IOERR ||
      (level && (strcmp(level, "FATAL") == 0 || strcmp(level, "PANIC") == 0)))
    pg->base.broken = true;
  if (pg->base.broken) rc = SQLITE_IOERR;
  /* Serialization failures and deadlocks: the transaction as a whole is to be
   * run again. */
  if (strncmp(state, "40", 2) == 0) pg->base.ended = true;
  if (err->rc != SQLITE_OK) return err->rc;
  fed_err_native(err, 0, state);
  if (at) err->position = (int)strtol(at, NULL, 10);
  fed_err_set(err, rc, "%s%s%.300s (SQLSTATE %s)%s%.200s", text,
              detail ? ": " : "", detail ? detail : "", state, hint ? "; " : "",
              hint ? hint : "");
  if (pg->load) fed_pg_load_blame(pg, res, err);
  return err->rc;
}
