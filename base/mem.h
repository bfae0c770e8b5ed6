/*
 * mem: the one allocator. Memory comes zeroed from sqlite3_malloc64, so it
 * counts in the host's sqlite3_memory_used() and may be handed to SQLite.
 * A test build can make the n-th next allocation fail.
 */
#ifndef FED_MEM_H
#define FED_MEM_H

#include "base/base.h"

/* Zeroed memory, or NULL. `size` 0 gives a valid pointer. */
void *fed_alloc(size_t size);

/* An array of `n` zeroed items; NULL on overflow too. */
void *fed_calloc(size_t n, size_t size);

/* Grow or shrink; new bytes are not zeroed. On NULL the old block is whole. */
void *fed_realloc(void *ptr, size_t size);

/* Copies, given to the caller. NULL in gives NULL out. */
char *fed_strdup(const char *s);
char *fed_strndup(const char *s, size_t n);

void fed_free(void *ptr);

/* Free a secret: its bytes are overwritten first. */
void fed_free_secret(char *s);

/*
 * Fault injection, compiled only with FED_TEST: every point that may fail
 * asks fed_fault_hit(kind). fed_fault_arm(kind, n) makes the n-th next one
 * say yes (once); n = 0 disarms. Returns how often it has hit since armed.
 */
enum fed_fault { FED_FAULT_ALLOC, FED_FAULT_CALL, FED_FAULT_COUNT };
#ifdef FED_TEST
int fed_fault_arm(enum fed_fault kind, int n);
bool fed_fault_hit(enum fed_fault kind);
#else
#  define fed_fault_hit(kind) false
#endif

#endif
