/* Replay the contract through the C face: contract PYTHON FOLDER SCRATCH. Fails unless all of it holds. */

#include <dirent.h>
#include <math.h>
#include <recsys.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "json.h"

/* How a call is made: another language's own face is linked in its place, see face.cpp and the example of Rust. */
int face(const char *method, const char *payload, size_t size, char **answer, size_t *answer_size);

#ifndef OTHER_FACE
int face(const char *method, const char *payload, size_t size, char **answer, size_t *answer_size) {
    return recsys_call(method, payload, size, answer, answer_size);
}
#endif

static int n_failed;

static struct json *read_file(const char *path) {
    FILE *file = fopen(path, "rb");
    if (file == NULL) return NULL;
    char *text = NULL;
    size_t n = 0, got;
    do {
        text = realloc(text, n + 65536);
        if (text == NULL) abort();
        n += got = fread(text + n, 1, 65536, file);
    } while (got > 0);
    fclose(file);
    return json_read(text, n);
}

static struct json *call(const char *method, const char *payload, size_t size) {
    char *answer;
    size_t length;
    int done = face(method, payload, size, &answer, &length);
    struct json *found = answer ? json_read(answer, length) : NULL;
    if (found == NULL || done != (json_get(found, "result") != NULL)) {
        fprintf(stderr, "%s: the answer is none\n", method);
        exit(1);
    }
    if (!done) { /* what the C face says is what the answer says */
        struct json *error = json_get(found, "error"), *field = json_get(error, "field");
        if (strcmp(recsys_last_kind(), json_get(error, "kind")->text) != 0 ||
            strcmp(recsys_last_message(), json_get(error, "message")->text) != 0 ||
            strcmp(recsys_last_field(), field->kind == JSON_TEXT ? field->text : "") != 0) {
            fprintf(stderr, "%s: the last error is another one\n", method);
            n_failed++;
        }
    }
    free(answer); /* which is recsys_free for C, and what the other faces allocate with */
    return found;
}

/* Put in what was kept, and the folder of this replay. */
static struct json *filled(struct json *value, struct json *kept, const char *folder) {
    if (value->kind == JSON_TEXT && value->text[0] == '$') {
        if (strncmp(value->text, "$DIR", 4) != 0) {
            struct json *found = json_get(kept, value->text + 1);
            if (found == NULL) abort();
            return found;
        }
        char path[4096];
        snprintf(path, sizeof path, "%s%s", folder, value->text + 4);
        return json_text(path);
    }
    if (value->kind < JSON_LIST) return value;
    struct json *copy = json_read(value->kind == JSON_LIST ? "[]" : "{}", 2);
    for (size_t i = 0; i < value->n; i++)
        json_put(copy, value->kind == JSON_OBJECT ? value->names[i] : NULL, filled(value->items[i], kept, folder));
    return copy;
}

static struct json *at(struct json *value, const char *path) {
    char copy[256];
    snprintf(copy, sizeof copy, "%s", path);
    for (char *part = strtok(copy, "."); part && value; part = strtok(NULL, "."))
        value = value->kind == JSON_LIST ? value->items[atoi(part)] : json_get(value, part);
    return value;
}

static int matches(const struct json *wanted, const struct json *found);

static int has(const struct json *wanted, const struct json *found) {
    if (found->kind != JSON_OBJECT) return 0;
    for (size_t i = 0; i < wanted->n; i++) {
        struct json *part = json_get(found, wanted->names[i]);
        if (part == NULL || !matches(wanted->items[i], part)) return 0;
    }
    return 1;
}

static int matches(const struct json *wanted, const struct json *found) {
    if (wanted->kind == JSON_OBJECT && wanted->n == 1 && wanted->names[0][0] == '$') {
        const char *matcher = wanted->names[0];
        const struct json *what = wanted->items[0];
        if (strcmp(matcher, "$any") == 0) return 1;
        if (strcmp(matcher, "$text") == 0) return found->kind == JSON_TEXT;
        if (strcmp(matcher, "$number") == 0) return found->kind == JSON_NUMBER;
        if (strcmp(matcher, "$length") == 0) return found->kind == JSON_LIST && (double)found->n == what->number;
        return strcmp(matcher, "$has") == 0 && has(what, found);
    }
    if (wanted->kind != found->kind) return 0;
    switch (wanted->kind) {
        case JSON_NUMBER:
            return fabs(wanted->number - found->number) <= 1e-6 * fmax(1, fmax(fabs(wanted->number), fabs(found->number)));
        case JSON_TEXT:
            return strcmp(wanted->text, found->text) == 0;
        case JSON_OBJECT:
            return wanted->n == found->n && has(wanted, found);
        case JSON_LIST:
            if (wanted->n != found->n) return 0;
            for (size_t i = 0; i < wanted->n; i++)
                if (!matches(wanted->items[i], found->items[i])) return 0;
            return 1;
        default:
            return 1;
    }
}

static void check(const struct json *wanted, const struct json *found, const char *name, size_t step) {
    if (matches(wanted, found)) return;
    fprintf(stderr, "%s, step %zu:\n  wanted %s\n  found  %s\n", name, step, json_write(wanted), json_write(found));
    n_failed++;
}

static size_t replay(struct json *one, const char *folder) {
    struct json *steps = json_get(one, "steps"), *kept = json_read("{}", 2), *none = json_read("{}", 2);
    for (size_t i = 0; i < steps->n; i++) {
        struct json *step = steps->items[i], *given = json_get(step, "arguments"), *keep = json_get(step, "keep");
        char *payload = json_write(filled(given ? given : none, kept, folder));
        struct json *found = call(json_get(step, "call")->text, payload, strlen(payload));
        free(payload);
        for (size_t k = 0; keep && k < keep->n; k++) {
            struct json *part = at(found, keep->items[k]->text), *now = json_read("{}", 2);
            if (part == NULL) part = json_read("null", 4);
            json_put(now, keep->names[k], part); /* the newest first, so that it is found first */
            for (size_t m = 0; m < kept->n; m++) json_put(now, kept->names[m], kept->items[m]);
            kept = now;
        }
        check(filled(json_get(step, "expect"), kept, folder), found, json_get(one, "name")->text, i);
    }
    return steps->n;
}

static size_t replay_raw(struct json *one) {
    struct json *hex = json_get(one, "payload_hex");
    const char *payload = hex ? hex->text : json_get(one, "payload")->text;
    size_t size = strlen(payload);
    char bytes[4096];
    if (hex) {
        size /= 2;
        for (size_t i = 0; i < size; i++) {
            unsigned byte = 0;
            sscanf(payload + 2 * i, "%2x", &byte);
            bytes[i] = (char)byte;
        }
        payload = bytes;
    }
    check(json_get(one, "expect"), call(json_get(one, "method")->text, payload, size), json_get(one, "name")->text, 0);
    return 1;
}

int main(int argc, char **argv) {
    char path[4096], folder[4096];
    size_t n_cases = 0, n_steps = 0;
    if (argc != 4 || !recsys_boot(argv[1])) {
        fprintf(stderr, "contract PYTHON FOLDER SCRATCH: %s\n", recsys_last_message());
        return 2;
    }
    snprintf(path, sizeof path, "%.2000s/cases", argv[2]);
    DIR *files = opendir(path);
    for (struct dirent *file; files && (file = readdir(files));) {
        if (strstr(file->d_name, ".json") == NULL) continue;
        snprintf(path, sizeof path, "%.2000s/cases/%.255s", argv[2], file->d_name);
        struct json *cases = read_file(path);
        for (size_t i = 0; cases && i < cases->n; i++) {
            snprintf(folder, sizeof folder, "%.2000s/%zu", argv[3], n_cases++);
            mkdir(folder, 0700);
            n_steps += replay(cases->items[i], folder);
        }
    }
    if (files) closedir(files);
    snprintf(path, sizeof path, "%.2000s/raw.json", argv[2]);
    struct json *raw = read_file(path);
    for (size_t i = 0; raw && i < raw->n; i++, n_cases++) n_steps += replay_raw(raw->items[i]);
    printf("%zu cases, %zu steps, %d failed\n", n_cases, n_steps, n_failed);
    return n_failed || !raw || !n_cases;
}
