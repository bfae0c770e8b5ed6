/*
 * mysql_error: what the numbers of the server and of the client library mean
 * to us: an SQLITE_ code, whether the connection is lost, and what to do.
 */
#include "drv/mysql.h"

#define MY_HINT_PACKET "; raise max_allowed_packet on the server"
#define MY_HINT_AGAIN  "; run the transaction again"
#define MY_HINT_REACH  "; is the server running, and is the address right?"

/* What is not listed: 2000-2999 and 5000-5999 are the client library's own
 * and break the connection, SQLSTATE class 23 is a constraint. */
static const struct my_error {
  unsigned native;
  int rc;
  bool broken;
  const char *hint;
} my_errors[] = {
  {1020, SQLITE_BUSY,      false, MY_HINT_AGAIN                               },
  {1040, SQLITE_BUSY,      false, "; raise max_connections, or lower pool_max"},
  {1044, SQLITE_AUTH,      false, NULL                                        },
  {1045, SQLITE_AUTH,      false, "; check the user and the password"         },
  {1049, SQLITE_CANTOPEN,  false, "; create it, or correct the URL"           },
  {1053, SQLITE_IOERR,     true,  NULL                                        },
  {1054, SQLITE_SCHEMA,    false, NULL                                        },
  {1130, SQLITE_AUTH,      false, NULL                                        },
  {1142, SQLITE_PERM,      false, NULL                                        },
  {1143, SQLITE_PERM,      false, NULL                                        },
  {1146, SQLITE_SCHEMA,    false, NULL                                        },
  {1153, SQLITE_TOOBIG,    true,  MY_HINT_PACKET                              },
 /* network errors that the server saw */
  {1158, SQLITE_IOERR,     true,  NULL                                        },
  {1159, SQLITE_IOERR,     true,  NULL                                        },
  {1160, SQLITE_IOERR,     true,  NULL                                        },
  {1161, SQLITE_IOERR,     true,  NULL                                        },
  {1203, SQLITE_BUSY,      false, NULL                                        },
 /* lock wait timeout, deadlock */
  {1205, SQLITE_BUSY,      false, NULL                                        },
  {1206, SQLITE_BUSY,      false, MY_HINT_AGAIN                               },
  {1213, SQLITE_BUSY,      false, MY_HINT_AGAIN                               },
  {1227, SQLITE_PERM,      false, NULL                                        },
  {1290, SQLITE_READONLY,  false, NULL                                        },
  {1317, SQLITE_INTERRUPT, false, NULL                                        },
  {1370, SQLITE_PERM,      false, NULL                                        },
  {1402, SQLITE_BUSY,      false, NULL                                        },
  {1613, SQLITE_BUSY,      false, NULL                                        },
  {1614, SQLITE_BUSY,      false, NULL                                        },
  {1698, SQLITE_AUTH,      false, NULL                                        },
  {1792, SQLITE_READONLY,  false, NULL                                        },
  {1836, SQLITE_READONLY,  false, NULL                                        },
 /* killed by an administrator */
  {1927, SQLITE_IOERR,     true,  NULL                                        },
  {1969, SQLITE_BUSY,      false, "; see max_statement_time"                  },
  {2002, SQLITE_CANTOPEN,  true,  MY_HINT_REACH                               },
  {2003, SQLITE_CANTOPEN,  true,  MY_HINT_REACH                               },
  {2005, SQLITE_CANTOPEN,  true,  "; check the host name in the URL"          },
  {2020, SQLITE_TOOBIG,    true,  MY_HINT_PACKET                              },
  {2026, SQLITE_CANTOPEN,  true,  "; see the ssl parameters of the URL"       },
 /* other columns than when it was prepared */
  {2057, SQLITE_SCHEMA,    false, NULL                                        },
  {3024, SQLITE_BUSY,      false, "; see max_execution_time"                  },
 /* idle for longer than wait_timeout (MySQL 8) */
  {4031, SQLITE_IOERR,     true,  NULL                                        },
};

static const struct {
  unsigned native;
  int rc;
} my_constraints[] = {
  {1022, SQLITE_CONSTRAINT_UNIQUE    },
  {1062, SQLITE_CONSTRAINT_UNIQUE    },
  {1169, SQLITE_CONSTRAINT_UNIQUE    },
  {1586, SQLITE_CONSTRAINT_UNIQUE    },
  {1859, SQLITE_CONSTRAINT_UNIQUE    },
  {1048, SQLITE_CONSTRAINT_NOTNULL   },
  {1263, SQLITE_CONSTRAINT_NOTNULL   },
  {1364, SQLITE_CONSTRAINT_NOTNULL   },
  {1216, SQLITE_CONSTRAINT_FOREIGNKEY},
  {1217, SQLITE_CONSTRAINT_FOREIGNKEY},
  {1451, SQLITE_CONSTRAINT_FOREIGNKEY},
  {1452, SQLITE_CONSTRAINT_FOREIGNKEY},
  {1761, SQLITE_CONSTRAINT_FOREIGNKEY},
  {1762, SQLITE_CONSTRAINT_FOREIGNKEY},
  {3819, SQLITE_CONSTRAINT_CHECK     },
  {4025, SQLITE_CONSTRAINT_CHECK     },
};

static void my_classify(unsigned native, const char *state, int *rc,
                        bool *broken, const char **hint)
{
  *hint = NULL;
  for (size_t i = 0; i < FED_LEN(my_errors); i++) {
    if (my_errors[i].native != native) continue;
    *rc = my_errors[i].rc;
    *broken = my_errors[i].broken;
    *hint = my_errors[i].hint;
    return;
  }
  /* The client's own errors: lost connection, out of sync, bad packet. */
  *broken = (native >= 2000 && native < 3000) ||
            (native >= 5000 && native < 6000) || native == 0;
  *rc = *broken ? SQLITE_IOERR : SQLITE_ERROR;
  if (strncmp(state, "23", 2) == 0) *rc = SQLITE_CONSTRAINT;
  for (size_t i = 0; i < FED_LEN(my_constraints); i++)
    if (my_constraints[i].native == native) *rc = my_constraints[i].rc;
}

/*
 * After these the server has rolled back, which the client's flag does not
 * tell: what came next would commit by itself (traps 19). 1020 is
 * innodb_snapshot_isolation's, 1206 a table of locks that is full, those above
 * 1400 XA's, 3101 a group's refusal.
 */
static bool my_ends(const struct fed_mysql *c, unsigned native)
{
  static const unsigned ends[] = {1020, 1206, 1213, 1402, 1613, 1614, 3101};

  if (native == 1205) return c->undo_on_timeout;
  for (size_t i = 0; i < FED_LEN(ends); i++)
    if (ends[i] == native) return true;
  return false;
}

int fed_mysql_fail(struct fed_mysql *c, MYSQL_STMT *stmt, struct fed_err *err)
{
  bool of_stmt = stmt && mysql_stmt_errno(stmt) != 0;
  unsigned native = of_stmt ? mysql_stmt_errno(stmt) : mysql_errno(c->mysql);
  const char *state =
    of_stmt ? mysql_stmt_sqlstate(stmt) : mysql_sqlstate(c->mysql);
  const char *msg = of_stmt ? mysql_stmt_error(stmt) : mysql_error(c->mysql);
  const char *hint;
  bool broken;
  int rc;

  my_classify(native, state, &rc, &broken, &hint);
  if (my_ends(c, native) && (c->mysql->server_status & SERVER_STATUS_IN_TRANS))
    c->head.ended = true;
  if (broken) c->head.broken = true;
  if (native == 0) msg = "the client library failed without saying why";
  if (err->rc != SQLITE_OK) return err->rc;
  fed_err_set(err, rc, "%s (MySQL error %u, SQLSTATE %s)%s", msg, native, state,
              hint ? hint : "");
  fed_err_native(err, (int)native, state);
  return rc;
}
