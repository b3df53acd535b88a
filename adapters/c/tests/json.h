/* A small reader and writer of JSON for the tests. Values live as long as the process; nothing is freed. */
#ifndef JSON_H
#define JSON_H

#include <stddef.h>

enum json_kind { JSON_NULL, JSON_FALSE, JSON_TRUE, JSON_NUMBER, JSON_TEXT, JSON_LIST, JSON_OBJECT };

struct json {
    enum json_kind kind;
    double number;
    char *text;          /* of a text; of a number as it was written */
    size_t n;            /* entries of a list or an object */
    char **names;        /* of an object's entries */
    struct json **items; /* of a list or an object */
};

struct json *json_read(const char *text, size_t size); /* NULL when it is none */
char *json_write(const struct json *value);
struct json *json_text(const char *text);
struct json *json_get(const struct json *object, const char *name); /* NULL when it is not there */
void json_put(struct json *object, const char *name, struct json *value);

#endif
