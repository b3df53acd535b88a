#include "json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct reader {
    const char *at, *end;
};

static void *taken(size_t size) {
    void *memory = calloc(1, size ? size : 1);
    if (memory == NULL) abort();
    return memory;
}

static struct json *made(enum json_kind kind) {
    struct json *value = taken(sizeof *value);
    value->kind = kind;
    return value;
}

struct json *json_text(const char *text) {
    struct json *value = made(JSON_TEXT);
    value->text = taken(strlen(text) + 1);
    strcpy(value->text, text);
    return value;
}

void json_put(struct json *object, const char *name, struct json *value) {
    object->names = realloc(object->names, (object->n + 1) * sizeof *object->names);
    object->items = realloc(object->items, (object->n + 1) * sizeof *object->items);
    if (object->names == NULL || object->items == NULL) abort();
    object->names[object->n] = name ? json_text(name)->text : NULL;
    object->items[object->n++] = value;
}

struct json *json_get(const struct json *object, const char *name) {
    for (size_t i = 0; object && object->kind == JSON_OBJECT && i < object->n; i++)
        if (strcmp(object->names[i], name) == 0) return object->items[i];
    return NULL;
}

static void skip(struct reader *r) {
    while (r->at < r->end && strchr(" \t\r\n", *r->at)) r->at++;
}

static int next(struct reader *r, char wanted) {
    skip(r);
    if (r->at >= r->end || *r->at != wanted) return 0;
    r->at++;
    return 1;
}

static char *utf8(char *to, unsigned code) {
    if (code < 0x80) {
        *to++ = (char)code;
    } else if (code < 0x800) {
        *to++ = (char)(0xC0 | code >> 6);
        *to++ = (char)(0x80 | (code & 63));
    } else if (code < 0x10000) {
        *to++ = (char)(0xE0 | code >> 12);
        *to++ = (char)(0x80 | (code >> 6 & 63));
        *to++ = (char)(0x80 | (code & 63));
    } else {
        *to++ = (char)(0xF0 | code >> 18);
        *to++ = (char)(0x80 | (code >> 12 & 63));
        *to++ = (char)(0x80 | (code >> 6 & 63));
        *to++ = (char)(0x80 | (code & 63));
    }
    return to;
}

/* A NUL inside of a text is kept as the bytes C0 80, which json_write turns back. */
static char *read_text(struct reader *r) {
    if (!next(r, '"')) return NULL;
    char *text = taken((size_t)(r->end - r->at) + 4), *to = text;
    while (r->at < r->end && *r->at != '"') {
        if (*r->at != '\\') {
            *to++ = *r->at++;
            continue;
        }
        char letter = *++r->at;
        r->at++;
        if (letter == 'u') {
            unsigned code = 0, low = 0;
            sscanf(r->at, "%4x", &code);
            r->at += 4;
            if (code >= 0xD800 && code < 0xDC00 && sscanf(r->at, "\\u%4x", &low) == 1) {
                code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
                r->at += 6;
            }
            if (code == 0) {
                *to++ = (char)0xC0;
                *to++ = (char)0x80;
            } else {
                to = utf8(to, code);
            }
        } else {
            const char *from = strchr("\"\"\\\\//b\bf\fn\nr\rt\t", letter);
            *to++ = from[1];
        }
    }
    return next(r, '"') ? text : NULL;
}

static struct json *read_value(struct reader *r);

static struct json *read_many(struct reader *r, enum json_kind kind, char end) {
    struct json *value = made(kind);
    if (next(r, end)) return value;
    do {
        char *name = NULL;
        if (kind == JSON_OBJECT && ((name = read_text(r)) == NULL || !next(r, ':'))) return NULL;
        struct json *item = read_value(r);
        if (item == NULL) return NULL;
        json_put(value, name, item);
    } while (next(r, ','));
    return next(r, end) ? value : NULL;
}

static struct json *read_value(struct reader *r) {
    static const struct {
        const char *word;
        enum json_kind kind;
    } words[] = {{"null", JSON_NULL}, {"false", JSON_FALSE}, {"true", JSON_TRUE}};
    skip(r);
    if (next(r, '{')) return read_many(r, JSON_OBJECT, '}');
    if (next(r, '[')) return read_many(r, JSON_LIST, ']');
    if (r->at < r->end && *r->at == '"') {
        struct json *value = made(JSON_TEXT);
        value->text = read_text(r);
        return value->text ? value : NULL;
    }
    for (size_t i = 0; i < 3; i++)
        if ((size_t)(r->end - r->at) >= strlen(words[i].word) && strncmp(r->at, words[i].word, strlen(words[i].word)) == 0) {
            r->at += strlen(words[i].word);
            return made(words[i].kind);
        }
    size_t n = 0;
    while (r->at + n < r->end && strchr("+-.0123456789eE", r->at[n])) n++;
    if (n == 0) return NULL;
    struct json *value = made(JSON_NUMBER);
    value->text = taken(n + 1);
    memcpy(value->text, r->at, n);
    value->number = strtod(value->text, NULL);
    r->at += n;
    return value;
}

struct json *json_read(const char *text, size_t size) {
    struct reader r = {text, text + size};
    struct json *value = read_value(&r);
    skip(&r);
    return r.at == r.end ? value : NULL;
}

struct writer {
    char *text;
    size_t n, room;
};

static void put(struct writer *w, const char *bytes, size_t n) {
    if (w->n + n + 1 > w->room) {
        w->room = 2 * (w->n + n + 1);
        if ((w->text = realloc(w->text, w->room)) == NULL) abort();
    }
    memcpy(w->text + w->n, bytes, n);
    w->n += n;
    w->text[w->n] = 0;
}

static void put_text(struct writer *w, const char *text) {
    put(w, "\"", 1);
    for (; *text; text++) {
        unsigned char byte = (unsigned char)*text;
        char escape[8];
        if (byte == 0xC0 && (unsigned char)text[1] == 0x80) {
            put(w, "\\u0000", 6);
            text++;
        } else if (byte < 0x20 || byte == '"' || byte == '\\') {
            put(w, escape, (size_t)snprintf(escape, sizeof escape, "\\u%04x", byte));
        } else {
            put(w, text, 1);
        }
    }
    put(w, "\"", 1);
}

static void put_value(struct writer *w, const struct json *value) {
    static const char *const words[] = {"null", "false", "true"};
    const int object = value->kind == JSON_OBJECT;
    if (value->kind == JSON_TEXT) put_text(w, value->text);
    if (value->kind == JSON_NUMBER) put(w, value->text, strlen(value->text));
    if (value->kind <= JSON_TRUE) put(w, words[value->kind], strlen(words[value->kind]));
    if (value->kind < JSON_LIST) return;
    put(w, object ? "{" : "[", 1);
    for (size_t i = 0; i < value->n; i++) {
        if (i) put(w, ",", 1);
        if (object) {
            put_text(w, value->names[i]);
            put(w, ":", 1);
        }
        put_value(w, value->items[i]);
    }
    put(w, object ? "}" : "]", 1);
}

char *json_write(const struct json *value) {
    struct writer w = {NULL, 0, 0};
    put_value(&w, value);
    return w.text;
}
