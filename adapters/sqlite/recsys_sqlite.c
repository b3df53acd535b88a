/* recsys as a loadable extension of SQLite, in fifty lines: recsys_boot(python), and recsys(method, json) -> json, which
 * is the result alone, or fails with "Kind field: message". The whole of an adapter that has no types of its own. */

#include <sqlite3ext.h>
#include <string.h>

#include "recsys.h"

SQLITE_EXTENSION_INIT1

static void failed(sqlite3_context *context) {
    char *words = sqlite3_mprintf("%s %s: %s", recsys_last_kind(), recsys_last_field(), recsys_last_message());
    sqlite3_result_error(context, words, -1);
    sqlite3_free(words);
}

static void boot(sqlite3_context *context, int n, sqlite3_value **given) {
    (void)n;
    if (recsys_boot((const char *)sqlite3_value_text(given[0])))
        sqlite3_result_int(context, RECSYS_OK);
    else
        failed(context);
}

static void call(sqlite3_context *context, int n, sqlite3_value **given) {
    static const char before[] = "{\"result\":";
    const char *method = (const char *)sqlite3_value_text(given[0]);
    const char *payload = n > 1 ? (const char *)sqlite3_value_text(given[1]) : NULL;
    size_t size, from = sizeof before - 1;
    char *answer;
    if (recsys_call(method, payload, payload ? (size_t)sqlite3_value_bytes(given[1]) : 0, &answer, &size))
        sqlite3_result_text64(context, answer + from, size - from - 1, SQLITE_TRANSIENT, SQLITE_UTF8);
    else
        failed(context);
    recsys_free(answer);
}

__attribute__((visibility("default"))) int sqlite3_recsyssqlite_init(sqlite3 *db, char **error,
                                                                     const sqlite3_api_routines *api) {
    const int flags = SQLITE_UTF8 | SQLITE_DIRECTONLY; /* never from a schema that somebody else wrote */
    (void)error;
    SQLITE_EXTENSION_INIT2(api);
    int done = sqlite3_create_function(db, "recsys_boot", 1, flags, NULL, boot, NULL, NULL);
    for (int n = 1; n <= 2 && done == SQLITE_OK; n++)
        done = sqlite3_create_function(db, "recsys", n, flags, NULL, call, NULL, NULL);
    return done;
}
