/*
 * mysql_type: what a result column is, by its metadata: its class, and its
 * type as a CREATE TABLE would write it.
 */
#include "drv/mysql.h"

#include <stdio.h>

#define MY_BINARY 63  /* number of the pseudo collation "binary" */
#define MY_VECTOR 242 /* a type that older headers do not know */

/* ---- classes ----------------------------------------------------------- */

static unsigned my_precision(const MYSQL_FIELD *field)
{
  unsigned long extra =
    (field->decimals ? 1 : 0) + ((field->flags & UNSIGNED_FLAG) ? 0 : 1);

  return field->length > extra ? (unsigned)(field->length - extra) : 1;
}

static enum fed_class my_decimal_class(unsigned precision, unsigned scale)
{
  if (scale == 0 && precision <= 18) return FED_CLASS_DECINT;
  if (scale > 0 && precision <= 15) return FED_CLASS_DECREAL;
  return FED_CLASS_DECIMAL;
}

/* MariaDB's own types (uuid, inet6) come as CHAR and tell their name. */
static bool my_is_plugin_type(const MYSQL_FIELD *field)
{
#if FED_MYSQL_ASYNC
  MARIADB_CONST_STRING name = {NULL, 0};

  return mariadb_field_attr(&name, field, MARIADB_FIELD_ATTR_DATA_TYPE_NAME) ==
           0 &&
         name.length > 0;
#else
  (void)field;
  return false;
#endif
}

static bool my_is_bytes(const MYSQL_FIELD *field)
{
  return field->charsetnr == MY_BINARY && !my_is_plugin_type(field);
}

static enum fed_class my_string_class(const MYSQL_FIELD *field)
{
  if (field->flags & (ENUM_FLAG | SET_FLAG)) return FED_CLASS_OTHER;
  if (my_is_plugin_type(field)) return FED_CLASS_OTHER;
  if (my_is_bytes(field)) return FED_CLASS_BLOB;
  return field->type == MYSQL_TYPE_STRING ? FED_CLASS_CHAR : FED_CLASS_TEXT;
}

/* FED_CLASS_COUNT: a type that this client library cannot fetch. */
enum fed_class fed_mysql_class(const MYSQL_FIELD *field)
{
  switch ((int)field->type) {
  case MYSQL_TYPE_TINY:
  case MYSQL_TYPE_SHORT:
  case MYSQL_TYPE_INT24:
  case MYSQL_TYPE_LONG:
  case MYSQL_TYPE_YEAR:
    return FED_CLASS_INT;
  case MYSQL_TYPE_LONGLONG:
    return field->flags & UNSIGNED_FLAG ? FED_CLASS_UINT : FED_CLASS_INT;
  case MYSQL_TYPE_BIT:
    return field->length < 64 ? FED_CLASS_INT : FED_CLASS_UINT;
  case MYSQL_TYPE_FLOAT:
    return FED_CLASS_FLOAT4;
  case MYSQL_TYPE_DOUBLE:
    return FED_CLASS_REAL;
  case MYSQL_TYPE_DECIMAL:
  case MYSQL_TYPE_NEWDECIMAL:
    return my_decimal_class(my_precision(field), field->decimals);
  case MYSQL_TYPE_DATE:
  case MYSQL_TYPE_NEWDATE:
    return FED_CLASS_DATE;
  case MYSQL_TYPE_TIME:
    return FED_CLASS_TIME;
  case MYSQL_TYPE_DATETIME:
    return FED_CLASS_TIMESTAMP;
  case MYSQL_TYPE_TIMESTAMP:
    return FED_CLASS_TIMESTAMPTZ;
  case MYSQL_TYPE_NULL:
    return FED_CLASS_TEXT;
  case MYSQL_TYPE_JSON: /* MySQL gives it the charset "binary" */
    return FED_CLASS_OTHER;
  case MYSQL_TYPE_GEOMETRY:
    return FED_CLASS_BLOB;
  case MYSQL_TYPE_VARCHAR:
  case MYSQL_TYPE_VAR_STRING:
  case MYSQL_TYPE_STRING:
  case MYSQL_TYPE_TINY_BLOB:
  case MYSQL_TYPE_MEDIUM_BLOB:
  case MYSQL_TYPE_LONG_BLOB:
  case MYSQL_TYPE_BLOB:
    return my_string_class(field);
#if !FED_MYSQL_ASYNC
  case MY_VECTOR:
    return FED_CLASS_BLOB;
#endif
  default:
    return FED_CLASS_COUNT;
  }
}

/* ---- type names -------------------------------------------------------- */

static const char *my_integer_name(const MYSQL_FIELD *field)
{
  switch ((int)field->type) {
  case MYSQL_TYPE_TINY:
    return "tinyint";
  case MYSQL_TYPE_SHORT:
    return "smallint";
  case MYSQL_TYPE_INT24:
    return "mediumint";
  case MYSQL_TYPE_LONG:
    return "int";
  case MYSQL_TYPE_LONGLONG:
    return "bigint";
  default:
    return NULL;
  }
}

static const char *my_plain_name(const MYSQL_FIELD *field)
{
  bool bytes = my_is_bytes(field);

  switch ((int)field->type) {
  case MYSQL_TYPE_YEAR:
    return "year";
  case MYSQL_TYPE_FLOAT:
    return "float";
  case MYSQL_TYPE_DOUBLE:
    return "double";
  case MYSQL_TYPE_DATE:
  case MYSQL_TYPE_NEWDATE:
    return "date";
  case MYSQL_TYPE_NULL:
    return "null";
  case MYSQL_TYPE_JSON:
    return "json";
  case MYSQL_TYPE_GEOMETRY:
    return "geometry";
  case MYSQL_TYPE_TINY_BLOB:
    return bytes ? "tinyblob" : "tinytext";
  case MYSQL_TYPE_MEDIUM_BLOB:
    return bytes ? "mediumblob" : "mediumtext";
  case MYSQL_TYPE_LONG_BLOB:
    return bytes ? "longblob" : "longtext";
  case MYSQL_TYPE_BLOB:
    return bytes ? "blob" : "text";
  case MY_VECTOR:
    return "vector";
  default:
    return NULL;
  }
}

static void my_string_type(const MYSQL_FIELD *field, char *out, size_t size)
{
  bool fixed = field->type == MYSQL_TYPE_STRING;
  unsigned long n = field->length;

  if (field->flags & ENUM_FLAG) {
    snprintf(out, size, "enum");
  } else if (field->flags & SET_FLAG) {
    snprintf(out, size, "set");
  } else if (my_is_bytes(field)) {
    snprintf(out, size, "%sbinary(%lu)", fixed ? "" : "var", n);
  } else {
#if FED_MYSQL_ASYNC
    MARIADB_CONST_STRING name = {NULL, 0};

    if (my_is_plugin_type(field) &&
        mariadb_field_attr(&name, field, MARIADB_FIELD_ATTR_DATA_TYPE_NAME) ==
          0) {
      snprintf(out, size, "%.*s", (int)name.length, name.str);
      return;
    }
#endif
    /* The length is in bytes of utf8mb4, four to a character. */
    snprintf(out, size, "%schar(%lu)", fixed ? "" : "var", n / 4);
  }
}

void fed_mysql_type(const MYSQL_FIELD *field, char *out, size_t size)
{
  const char *sign = field->flags & UNSIGNED_FLAG ? " unsigned" : "";
  const char *name = my_integer_name(field);
  bool has_fraction = field->decimals > 0 && field->decimals <= 6;

  if (name) {
    snprintf(out, size, "%s%s", name, sign);
    return;
  }
  if ((name = my_plain_name(field)) != NULL) {
    snprintf(out, size, "%s", name);
    return;
  }
  switch ((int)field->type) {
  case MYSQL_TYPE_BIT:
    snprintf(out, size, "bit(%lu)", field->length);
    return;
  case MYSQL_TYPE_DECIMAL:
  case MYSQL_TYPE_NEWDECIMAL:
    snprintf(out, size, "decimal(%u,%u)%s", my_precision(field),
             field->decimals, sign);
    return;
  case MYSQL_TYPE_TIME:
  case MYSQL_TYPE_DATETIME:
  case MYSQL_TYPE_TIMESTAMP:
    name = field->type == MYSQL_TYPE_TIME       ? "time"
           : field->type == MYSQL_TYPE_DATETIME ? "datetime"
                                                : "timestamp";
    if (has_fraction)
      snprintf(out, size, "%s(%u)", name, field->decimals);
    else
      snprintf(out, size, "%s", name);
    return;
  default:
    my_string_type(field, out, size);
  }
}
