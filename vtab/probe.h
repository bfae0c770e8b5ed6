/*
 * probe: joins without a round trip for each row.
 *
 * SQLite runs the inner side of a join once for each row of the outer one,
 * and tells nobody how often it will. So the scans of one plan are watched.
 * The first is a plain one. From the second on it is known which terms
 * change, and there are three ways:
 *
 *   single  ask the server for this one value, as the first time
 *   ahead   the outer side is a scan of ours: its next rows tell the values
 *           to come, and one statement asks for all of them
 *   whole   fetch all rows that the terms which do not change let through,
 *           once, and find them by a hash of those that do
 *
 * "Whole" is chosen when the others have cost as much as it would: so at most
 * twice the best is paid, whatever comes. Rows are only candidates: SQLite
 * checks every term again, and the answer is the same whichever way was taken.
 */
#ifndef FED_VTAB_PROBE_H
#define FED_VTAB_PROBE_H

#include "vtab/scan.h"

/*
 * One xFilter, its values bound in scan->bind. *served: the rows come from
 * memory, and the cursor stands on the first one or at its end; else the scan
 * is to run as it is.
 */
int probe_filter(struct scan *scan, sqlite3_value **argv, bool *served,
                 struct fed_err *err);

/* The next row of a scan that was served. */
int probe_next(struct scan *scan, struct fed_err *err);

/* The row that it stands on. */
const struct fed_value *probe_row(const struct scan *scan);

/* As fetch_peek() and fetch_peeked(), for a scan that was served: rows that
 * are likely to come. */
int probe_peek(struct scan *scan, store_pos *at, struct fed_value *row,
               struct fed_err *err);
int probe_peeked(struct scan *scan, struct fed_err *err);

/* A scan that was not served turned out to be only this number of rows. */
void probe_count(struct scan *scan, int64_t count);

/* A run is over, be it at its end or before. */
void probe_left(struct scan *scan);

/* The cursor closes. What it knows goes to its heir, if there is one: each run
 * of a correlated subquery opens a new cursor before it closes the old. Else it
 * is forgotten. */
void probe_close(struct scan *scan, struct scan *heir);
void probe_free(struct probe *probe); /* NULL is fine */

/* What was fetched may be old now: somebody writes in this statement. */
void probe_forget(struct fed_db *fdb);

#endif
