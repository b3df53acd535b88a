/* recsys for Node: the C face as a Node-API addon. Calls are made on threads of its own, in the order in which they came,
 * so that neither the event loop nor libuv's pool ever waits for Python. Texts are copied: no external memory, which
 * Electron does not allow. */

#define NAPI_VERSION 8
#include <node_api.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "recsys.h"

#define LANES 2 /* one for calls, one for those that read for seconds: evaluate, what_if, export, check */

struct job {
    struct job *next;
    napi_deferred deferred;
    char *method, *payload, *answer; /* without a method it is a boot, and the payload is the interpreter's path */
    size_t size, answer_size;
};

struct lane {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t more;
    struct job *first, **end;
    int started, ending;
    size_t n_pending; /* of the event loop's thread */
    napi_threadsafe_function done;
};

struct instance {
    struct lane lanes[LANES];
};

static void freed(struct job *job) {
    free(job->method);
    free(job->payload);
    free(job);
}

static char *copied(const char *text, size_t *size) {
    char *copy = malloc(*size = strlen(text));
    if (copy != NULL) memcpy(copy, text, *size);
    return copy;
}

/* A boot has no answer of its own: make one like the bridge's. Messages of the C face have no quotes but in a Python
 * module's name, which are single. */
static char *booted(const char *python, size_t *size) {
    char answer[1400] = "{\"result\":null}";
    if (!recsys_boot(python)) {
        const char *field = recsys_last_field(), *quote = *field ? "\"" : "";
        snprintf(answer, sizeof answer, "{\"error\":{\"kind\":\"%s\",\"field\":%s%s%s,\"message\":\"%s\"}}", recsys_last_kind(),
                 quote, *field ? field : "null", quote, recsys_last_message());
    }
    return copied(answer, size);
}

/* Make the call; an answer that the C face gave none of is written here. It is to be freed by free(). */
static char *answered(const char *method, const char *payload, size_t size, size_t *answer_size) {
    char *answer;
    if (method == NULL) return booted(payload, answer_size);
    if (!recsys_call(method, payload, size, &answer, answer_size) && answer == NULL) {
        char text[1400];
        snprintf(text, sizeof text, "{\"error\":{\"kind\":\"%s\",\"field\":null,\"message\":\"%s\"}}", recsys_last_kind(),
                 recsys_last_message());
        return copied(text, answer_size);
    }
    return answer;
}

static void *work(void *given) {
    struct lane *lane = given;
    for (;;) {
        pthread_mutex_lock(&lane->lock);
        while (lane->first == NULL && !lane->ending) pthread_cond_wait(&lane->more, &lane->lock);
        struct job *job = lane->ending ? NULL : lane->first;
        if (job != NULL && (lane->first = job->next) == NULL) lane->end = &lane->first;
        pthread_mutex_unlock(&lane->lock);
        if (job == NULL) return NULL;
        job->answer = answered(job->method, job->payload, job->size, &job->answer_size);
        if (napi_call_threadsafe_function(lane->done, job, napi_tsfn_blocking) != napi_ok) {
            free(job->answer);
            freed(job);
        }
    }
}

/* On the event loop's thread: a job is done. */
static void resolved(napi_env env, napi_value unused, void *given, void *data) {
    struct lane *lane = given;
    struct job *job = data;
    napi_value answer;
    (void)unused;
    if (env != NULL) {
        if (--lane->n_pending == 0) napi_unref_threadsafe_function(env, lane->done);
        if (job->answer && napi_create_string_utf8(env, job->answer, job->answer_size, &answer) == napi_ok) {
            napi_resolve_deferred(env, job->deferred, answer);
        } else {
            napi_value message;
            napi_create_string_utf8(env, "out of memory", NAPI_AUTO_LENGTH, &message);
            napi_create_error(env, NULL, message, &answer);
            napi_reject_deferred(env, job->deferred, answer);
        }
    }
    free(job->answer);
    freed(job);
}

static void ended(void *given) {
    struct instance *instance = given;
    for (int i = 0; i < LANES; i++) {
        struct lane *lane = &instance->lanes[i];
        if (!lane->started) continue;
        pthread_mutex_lock(&lane->lock);
        lane->ending = 1;
        pthread_cond_signal(&lane->more);
        pthread_mutex_unlock(&lane->lock);
        pthread_join(lane->thread, NULL);
        for (struct job *job = lane->first, *next; job != NULL; job = next) {
            next = job->next;
            freed(job);
        }
        napi_release_threadsafe_function(lane->done, napi_tsfn_abort);
    }
    free(instance);
}

static int started(napi_env env, struct lane *lane) {
    napi_value name;
    if (lane->started) return 1;
    napi_create_string_utf8(env, "recsys", NAPI_AUTO_LENGTH, &name);
    if (napi_create_threadsafe_function(env, NULL, NULL, name, 0, 1, NULL, NULL, lane, resolved, &lane->done) != napi_ok)
        return 0;
    napi_unref_threadsafe_function(env, lane->done);
    pthread_mutex_init(&lane->lock, NULL);
    pthread_cond_init(&lane->more, NULL);
    lane->end = &lane->first;
    return lane->started = pthread_create(&lane->thread, NULL, work, lane) == 0;
}

/* A text in UTF-8, or the bytes of a Buffer, copied. */
static char *text_of(napi_env env, napi_value value, size_t *size) {
    bool is_buffer = false;
    void *bytes;
    if (napi_is_buffer(env, value, &is_buffer) == napi_ok && is_buffer) {
        napi_get_buffer_info(env, value, &bytes, size);
        char *copy = malloc(*size + 1);
        if (copy != NULL && *size) memcpy(copy, bytes, *size);
        return copy;
    }
    if (napi_get_value_string_utf8(env, value, NULL, 0, size) != napi_ok) return NULL;
    char *text = malloc(*size + 1);
    if (text != NULL) napi_get_value_string_utf8(env, value, text, *size + 1, size);
    return text;
}

static napi_value refuse(napi_env env, const char *message) {
    napi_throw_type_error(env, NULL, message);
    return NULL;
}

/* call(lane, method or null, payload) -> promise of the answer */
static napi_value call(napi_env env, napi_callback_info info) {
    size_t n = 3, unused;
    napi_value given[3], promise = NULL;
    uint32_t number = LANES;
    struct instance *instance;
    napi_valuetype type = napi_undefined;
    napi_get_cb_info(env, info, &n, given, NULL, (void **)&instance);
    if (n == 3) napi_get_value_uint32(env, given[0], &number);
    if (number >= LANES || napi_typeof(env, given[1], &type) != napi_ok) return refuse(env, "a lane is needed");
    struct job *job = calloc(1, sizeof *job);
    if (job == NULL) return refuse(env, "out of memory");
    job->method = type == napi_null ? NULL : text_of(env, given[1], &unused);
    job->payload = text_of(env, given[2], &job->size);
    struct lane *lane = &instance->lanes[number];
    if ((job->method == NULL && type != napi_null) || job->payload == NULL || !started(env, lane) ||
        napi_create_promise(env, &job->deferred, &promise) != napi_ok) {
        freed(job);
        return refuse(env, "a method and a payload are needed");
    }
    if (lane->n_pending++ == 0) napi_ref_threadsafe_function(env, lane->done);
    pthread_mutex_lock(&lane->lock);
    *lane->end = job;
    lane->end = &job->next;
    pthread_cond_signal(&lane->more);
    pthread_mutex_unlock(&lane->lock);
    return promise;
}

/* callSync(method, payload) -> the answer; the event loop waits */
static napi_value call_sync(napi_env env, napi_callback_info info) {
    size_t n = 2, size, answer_size;
    napi_value given[2], found = NULL;
    char method[64], small[1024], *payload = small;
    napi_get_cb_info(env, info, &n, given, NULL, NULL);
    if (n != 2 || napi_get_value_string_utf8(env, given[0], method, sizeof method, &size) != napi_ok)
        return refuse(env, "a method and a payload are needed");
    if ((napi_get_value_string_utf8(env, given[1], small, sizeof small, &size) != napi_ok || size + 4 >= sizeof small) &&
        (payload = text_of(env, given[1], &size)) == NULL)
        return refuse(env, "a method and a payload are needed");
    char *answer = answered(method, payload, size, &answer_size);
    if (answer != NULL) napi_create_string_utf8(env, answer, answer_size, &found);
    free(answer);
    if (payload != small) free(payload);
    return found ? found : refuse(env, "out of memory");
}

NAPI_MODULE_INIT() {
    struct instance *instance = calloc(1, sizeof *instance);
    napi_value function;
    if (instance == NULL || recsys_abi() != RECSYS_ABI) return refuse(env, "another recsys");
    napi_add_env_cleanup_hook(env, ended, instance);
    napi_create_function(env, "call", NAPI_AUTO_LENGTH, call, instance, &function);
    napi_set_named_property(env, exports, "call", function);
    napi_create_function(env, "callSync", NAPI_AUTO_LENGTH, call_sync, instance, &function);
    napi_set_named_property(env, exports, "callSync", function);
    return exports;
}
