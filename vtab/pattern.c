/*
 * pattern: SQLite's LIKE and GLOB in the words of the servers' LIKE, and the
 * prefixes by which a server can use an index.
 */
#include <ctype.h>

#include "vtab/table.h"

#define PATTERN_LETTERS 3 /* whose case is spelled out: PATTERN_MAX ways */

static void pattern_literal(struct fed_str *out, char c)
{
  if (c == '%' || c == '_' || c == '\\') fed_str_addc(out, '\\');
  fed_str_addc(out, c);
}

/* GLOB's [...], from behind the bracket; returns its end, or NULL. */
static const char *pattern_set_end(const char *p, const char *end)
{
  if (p < end && *p == '^') p++;
  if (p < end && *p == ']') p++;
  while (p < end && *p != ']')
    p++;
  return p < end ? p + 1 : NULL;
}

static bool pattern_glob(const char *p, const char *end, struct fed_str *out)
{
  while (p < end) {
    char c = *p++;

    if (c == '[') {
      p = pattern_set_end(p, end);
      if (!p) return false;
      fed_str_addc(out, '_');
    } else if (c == '*' || c == '?') {
      fed_str_addc(out, c == '*' ? '%' : '_');
    } else {
      pattern_literal(out, c);
    }
  }
  return true;
}

bool pattern_like(enum term_op op, const struct fed_value *pattern,
                  struct fed_str *out)
{
  const char *p = pattern->p, *end = p + pattern->size;

  if (op == TERM_GLOB) return pattern_glob(p, end, out);
  for (; p < end; p++) {
    if (*p == '\\') fed_str_addc(out, '\\');
    fed_str_addc(out, *p);
  }
  return true;
}

void pattern_cut(enum term_op op, const struct fed_value *pattern,
                 struct fed_str *out)
{
  const char *wild = op == TERM_LIKE ? "%_" : "*?[";
  int64_t n = 0;

  while (n < pattern->size && !strchr(wild, pattern->p[n]))
    n++;
  fed_str_addn(out, pattern->p, (size_t)n);
  fed_str_addc(out, op == TERM_LIKE ? '%' : '*');
}

int pattern_prefix(const struct fed_value *pattern, int i, struct fed_str *out)
{
  int64_t n = 0;
  int letters = 0;

  for (; n < pattern->size; n++) {
    char c = pattern->p[n];
    bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');

    if (c == '%' || c == '_' || (letter && letters == PATTERN_LETTERS)) break;
    if (letter) {
      bool upper = i >> letters & 1;

      c = (char)(upper ? toupper((unsigned char)c) : tolower((unsigned char)c));
      letters++;
    }
    pattern_literal(out, c);
  }
  fed_str_addc(out, '%');
  return n == 0 ? 0 : 1 << letters;
}
