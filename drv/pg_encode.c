/*
 * pg_encode: struct fed_value -> a field of COPY FROM STDIN. Binary where the
 * bytes are sure to be what the server would make of the value's text; whatever
 * else goes as text, and the server reads it.
 */
#include <math.h>

#include "drv/pg.h"

static const char encode_type[] = "the value is not of the column's type";
static const char encode_range[] = "the value is out of the column's range";

/* ---- binary ------------------------------------------------------------ */

static bool encode_u32(struct fed_str *to, uint32_t v)
{
  v = htobe32(v);
  fed_str_addn(to, &v, sizeof v);
  return true;
}

static bool encode_u64(struct fed_str *to, uint64_t v)
{
  v = htobe64(v);
  fed_str_addn(to, &v, sizeof v);
  return true;
}

static bool encode_in(const struct fed_value *v, int64_t min, int64_t max,
                      const char **why)
{
  if (v->type == FED_INT && v->i >= min && v->i <= max) return true;
  *why = v->type == FED_INT ? encode_range : encode_type;
  return false;
}

static bool encode_bool(struct fed_str *to, const struct fed_value *v,
                        const char **why)
{
  if (!encode_in(v, 0, 1, why)) return false;
  fed_str_addc(to, (char)v->i);
  return true;
}

static bool encode_int2(struct fed_str *to, const struct fed_value *v,
                        const char **why)
{
  uint16_t bytes;

  if (!encode_in(v, INT16_MIN, INT16_MAX, why)) return false;
  bytes = htobe16((uint16_t)v->i);
  fed_str_addn(to, &bytes, sizeof bytes);
  return true;
}

static bool encode_int4(struct fed_str *to, const struct fed_value *v,
                        const char **why)
{
  return encode_in(v, INT32_MIN, INT32_MAX, why) &&
         encode_u32(to, (uint32_t)v->i);
}

static bool encode_int8(struct fed_str *to, const struct fed_value *v,
                        const char **why)
{
  return encode_in(v, INT64_MIN, INT64_MAX, why) &&
         encode_u64(to, (uint64_t)v->i);
}

/* oid has no sign. */
static bool encode_oid(struct fed_str *to, const struct fed_value *v,
                       const char **why)
{
  return encode_in(v, 0, UINT32_MAX, why) && encode_u32(to, (uint32_t)v->i);
}

static bool encode_number(const struct fed_value *v, double *r,
                          const char **why)
{
  *why = encode_type;
  if (v->type != FED_REAL && v->type != FED_INT) return false;
  *r = v->type == FED_REAL ? v->r : (double)v->i;
  return true;
}

static bool encode_float8(struct fed_str *to, const struct fed_value *v,
                          const char **why)
{
  uint64_t bits;
  double r;

  if (!encode_number(v, &r, why)) return false;
  memcpy(&bits, &r, sizeof bits);
  return encode_u64(to, bits);
}

/* As the server does it: neither may a number become infinite, nor zero. */
static bool encode_float4(struct fed_str *to, const struct fed_value *v,
                          const char **why)
{
  uint32_t bits;
  double r;
  float f;

  if (!encode_number(v, &r, why)) return false;
  *why = encode_range;
  if (isfinite(r) && fabs(r) >= 0x1.ffffffp127) return false;
  f = (float)r;
  if (f == 0 && r != 0) return false;
  memcpy(&bits, &f, sizeof bits);
  return encode_u32(to, bits);
}

static bool encode_bytes(struct fed_str *to, const struct fed_value *v,
                         const char **why)
{
  *why = encode_type;
  if (v->type != FED_BLOB) return false;
  fed_str_addn(to, v->p, (size_t)v->size);
  return true;
}

static bool encode_is_text(const struct fed_value *v, const char **why)
{
  *why = encode_type;
  if (v->type != FED_TEXT) return false;
  *why = "text with a NUL inside, which PostgreSQL cannot store";
  return v->cstr || v->size == 0 || !memchr(v->p, 0, (size_t)v->size);
}

static bool encode_chars(struct fed_str *to, const struct fed_value *v,
                         const char **why)
{
  if (!encode_is_text(v, why)) return false;
  fed_str_addn(to, v->p, (size_t)v->size);
  return true;
}

/* ---- text -------------------------------------------------------------- */

/* (PostgreSQL manual, COPY, "Text Format") */
static void encode_escaped(struct fed_str *to, const char *p, size_t n)
{
  size_t from = 0;

  for (size_t i = 0; i < n; i++) {
    const char *as = p[i] == '\\'   ? "\\\\"
                     : p[i] == '\n' ? "\\n"
                     : p[i] == '\r' ? "\\r"
                     : p[i] == '\t' ? "\\t"
                                    : NULL;

    if (!as) continue;
    fed_str_addn(to, p + from, i - from);
    fed_str_add(to, as);
    from = i + 1;
  }
  fed_str_addn(to, p + from, n - from);
}

static void encode_hex(struct fed_str *to, const struct fed_value *v)
{
  static const char digits[] = "0123456789abcdef";

  fed_str_add(to, "\\\\x");
  for (int64_t i = 0; i < v->size; i++) {
    unsigned char byte = (unsigned char)v->p[i];

    fed_str_addc(to, digits[byte >> 4]);
    fed_str_addc(to, digits[byte & 15]);
  }
}

static bool encode_as_text(struct fed_str *to, const struct fed_value *v,
                           const char **why)
{
  char number[32];

  switch (v->type) {
  case FED_INT:
    fed_pg_put_int(number, v->i);
    fed_str_add(to, number);
    return true;
  case FED_REAL:
    fed_pg_put_real(number, v->r);
    fed_str_add(to, number);
    return true;
  case FED_TEXT:
    if (!encode_is_text(v, why)) return false;
    encode_escaped(to, v->p, (size_t)v->size);
    return true;
  case FED_BLOB:
    encode_hex(to, v);
    return true;
  case FED_NULL:
    break;
  }
  *why = encode_type;
  return false;
}

/* ---- types ------------------------------------------------------------- */

/* OIDs of built-in types, fixed for ever (pg_type.dat). */
static const struct encode_how {
  Oid oid;
  fed_pg_encode_fn *encode;
} encode_hows[] = {
  {16,   encode_bool            }, /* boolean */
  {17,   encode_bytes           }, /* bytea */
  {19,   encode_chars           }, /* name */
  {20,   encode_int8            },
  {21,   encode_int2            },
  {23,   encode_int4            },
  {25,   encode_chars           }, /* text */
  {26,   encode_oid             },
  {700,  encode_float4          },
  {701,  encode_float8          },
  {1042, encode_chars           }, /* char(n): the server pads it */
  {1043, encode_chars           }, /* varchar(n) */
  {1082, fed_pg_encode_date     }, /* date */
  {1083, fed_pg_encode_time     }, /* time */
  {1114, fed_pg_encode_timestamp},
  {1184, fed_pg_encode_timestamp}, /* timestamptz */
  {1700, fed_pg_encode_numeric  },
  {2950, fed_pg_encode_uuid     },
};

bool fed_pg_is_encodable(enum fed_class class)
{
  return class != FED_CLASS_ANY && class != FED_CLASS_UINT &&
         class != FED_CLASS_OTHER;
}

fed_pg_encode_fn *fed_pg_encoder(Oid oid, bool binary)
{
  if (!binary) return encode_as_text;
  for (size_t i = 0; i < FED_LEN(encode_hows); i++)
    if (encode_hows[i].oid == oid) return encode_hows[i].encode;
  return NULL;
}
