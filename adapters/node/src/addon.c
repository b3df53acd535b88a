/* recsys for Node: the C face as a Node-API addon. Calls are made on threads of its own, in the order in which they came,
 * so that neither the event loop nor libuv's pool ever waits for Python. Texts are copied: no external memory, which
 * Electron does not allow.
 *
 * Between the event loop and a lane's thread stand two lists that both may touch without a lock: what is to be done, and
 * what is done. To wake a thread takes longer than most calls, so the lane is woken only when it sleeps, and the event loop
 * once for all answers that are there. Neither spins nor yields: where cores are few, that was paid for by the event loop. */

#define NAPI_VERSION 8
#define _POSIX_C_SOURCE 200809L /* clock_gettime */
#include <node_api.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "recsys.h"

#define LANES 2 /* one for calls, one for those that read for seconds: evaluate, what_if, export, check */
#define SOON_NS 100000 /* an answer may wait for the next one, when that is expected sooner than this */
#define MOST_AT_ONCE ((size_t)64 << 20) /* bytes of answers that are given as one text; one answer may be longer */

struct job {
    struct job *next;
    char *method, *payload, *answer; /* without a method it is a boot, and the payload is the interpreter's path */
    size_t size, answer_size;
};

struct lane {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t more;
    _Atomic(struct job *) todo, done; /* the latest first */
    atomic_int asleep, ending;        /* of the thread */
    int started;                      /* of the event loop's thread, as is what follows */
    size_t n_pending;
    struct job *ready; /* taken from `done`, not given yet */
    napi_threadsafe_function woken;
};

struct instance {
    struct lane lanes[LANES];
};

static void freed(struct job *job) {
    free(job->method);
    free(job->payload);
    free(job->answer);
    free(job);
}

static void all_freed(struct job *job) {
    for (struct job *next; job != NULL; job = next) {
        next = job->next;
        freed(job);
    }
}

/* Put a job on a list; whether that was empty. */
static int put(_Atomic(struct job *) *list, struct job *job) {
    job->next = atomic_load_explicit(list, memory_order_relaxed);
    while (!atomic_compare_exchange_weak(list, &job->next, job)) continue;
    return job->next == NULL;
}

/* Take all jobs of a list, the earliest first. */
static struct job *taken(_Atomic(struct job *) *list) {
    struct job *found = NULL;
    for (struct job *job = atomic_exchange(list, NULL), *next; job != NULL; job = next) {
        next = job->next;
        job->next = found;
        found = job;
    }
    return found;
}

static char *copied(const char *text, size_t *size) {
    char *copy = malloc((*size = strlen(text)) + 1);
    if (copy != NULL) memcpy(copy, text, *size + 1);
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

static long now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000L + now.tv_nsec;
}

/* Whether the next answer is expected soon: a call like the last one, which took so long. */
static int is_soon(const struct job *last, const struct job *next, long ns) {
    return next != NULL && ns < SOON_NS && last->method && next->method && strcmp(last->method, next->method) == 0;
}

/* Make the calls of a list; the event loop is woken for the first answer, unless more will be there at once. */
static void work_off(struct lane *lane, struct job *job) {
    int is_told = 1;
    for (struct job *next; job != NULL; job = next) {
        if (atomic_load(&lane->ending)) {
            all_freed(job);
            return;
        }
        next = job->next;
        long started_ns = next ? now_ns() : 0;
        job->answer = answered(job->method, job->payload, job->size, &job->answer_size);
        int wait = is_soon(job, next, next ? now_ns() - started_ns : 0);
        if (put(&lane->done, job)) is_told = 0;
        if (is_told || wait) continue;
        napi_call_threadsafe_function(lane->woken, lane, napi_tsfn_nonblocking);
        is_told = 1;
    }
}

static void *work(void *given) {
    struct lane *lane = given;
    while (!atomic_load(&lane->ending)) {
        struct job *jobs = taken(&lane->todo);
        if (jobs != NULL) {
            work_off(lane, jobs);
            continue;
        }
        pthread_mutex_lock(&lane->lock);
        atomic_store(&lane->asleep, 1);
        while (atomic_load(&lane->todo) == NULL && !atomic_load(&lane->ending)) pthread_cond_wait(&lane->more, &lane->lock);
        atomic_store(&lane->asleep, 0);
        pthread_mutex_unlock(&lane->lock);
    }
    return NULL;
}

static void rouse(struct lane *lane) {
    pthread_mutex_lock(&lane->lock);
    pthread_cond_signal(&lane->more);
    pthread_mutex_unlock(&lane->lock);
}

static void ended(void *given) {
    struct instance *instance = given;
    for (int i = 0; i < LANES; i++) {
        struct lane *lane = &instance->lanes[i];
        if (!lane->started) continue;
        atomic_store(&lane->ending, 1);
        rouse(lane);
        pthread_join(lane->thread, NULL);
        all_freed(taken(&lane->todo));
        all_freed(taken(&lane->done));
        all_freed(lane->ready);
        napi_release_threadsafe_function(lane->woken, napi_tsfn_abort);
    }
    free(instance);
}

/* A text in UTF-8, or the bytes of a Buffer, copied. */
static char *text_of(napi_env env, napi_value value, size_t *size) {
    bool is_buffer = false;
    void *bytes;
    char small[1024], *text;
    if (napi_get_value_string_utf8(env, value, small, sizeof small, size) == napi_ok) {
        if (*size + 4 < sizeof small) {
            if ((text = malloc(*size + 1)) != NULL) memcpy(text, small, *size + 1);
            return text;
        }
        if (napi_get_value_string_utf8(env, value, NULL, 0, size) != napi_ok) return NULL;
        text = malloc(*size + 1);
        if (text != NULL) napi_get_value_string_utf8(env, value, text, *size + 1, size);
        return text;
    }
    if (napi_is_buffer(env, value, &is_buffer) != napi_ok || !is_buffer) return NULL;
    napi_get_buffer_info(env, value, &bytes, size);
    text = malloc(*size + 1);
    if (text != NULL && *size) memcpy(text, bytes, *size);
    return text;
}

static napi_value refuse(napi_env env, const char *message) {
    napi_throw_type_error(env, NULL, message);
    return NULL;
}

/* The arguments of a function, of which the first is the number of a lane. */
static struct lane *given_lane(napi_env env, napi_callback_info info, size_t n, napi_value *given) {
    size_t found = n;
    uint32_t number = LANES;
    struct instance *instance;
    napi_get_cb_info(env, info, &found, given, NULL, (void **)&instance);
    if (found == n) napi_get_value_uint32(env, given[0], &number);
    return number < LANES ? &instance->lanes[number] : NULL;
}

/* The answers that are ready, as one JSON list; NULL: there is no memory for them, and they are given up. */
static napi_value told(napi_env env, struct lane *lane) {
    static const char nothing[] = "{\"error\":{\"kind\":\"InternalError\",\"field\":null,\"message\":\"out of memory\"}}";
    char small[1024], *text = small;
    size_t size = 0, length;
    napi_value found = NULL;
    struct job *until = lane->ready;
    for (; until != NULL && (size == 0 || size < MOST_AT_ONCE); until = until->next)
        size += (until->answer ? until->answer_size : sizeof nothing - 1) + 2;
    if (size > sizeof small) text = malloc(size);
    char *to = text;
    for (struct job *job = lane->ready; text != NULL && job != until; job = job->next, to += length) {
        length = job->answer ? job->answer_size : sizeof nothing - 1;
        *to = to == text ? '[' : ',';
        memcpy(++to, job->answer ? job->answer : nothing, length);
    }
    if (text != NULL) {
        *to++ = ']';
        if (napi_create_string_utf8(env, text, (size_t)(to - text), &found) != napi_ok) found = NULL;
        if (text != small) free(text);
    }
    for (struct job *job = lane->ready; job != until;) {
        struct job *next = job->next;
        if (found != NULL) {
            freed(job);
            lane->n_pending--;
            lane->ready = next;
        } else {
            free(job->answer);
            job->answer = NULL;
        }
        job = next;
    }
    return found;
}

/* On the event loop's thread: answers are there. */
static void woken(napi_env env, napi_value tell, void *unused, void *given) {
    struct lane *lane = given;
    napi_value nothing, answers;
    (void)unused;
    if (env == NULL) return; /* the environment ends, and with it what waits */
    napi_get_undefined(env, &nothing);
    while (lane->ready != NULL || (lane->ready = taken(&lane->done)) != NULL) {
        if ((answers = told(env, lane)) == NULL && (answers = told(env, lane)) == NULL) return;
        if (lane->n_pending == 0) napi_unref_threadsafe_function(env, lane->woken);
        if (napi_call_function(env, nothing, tell, 1, &answers, NULL) != napi_ok) return;
    }
}

/* start(lane, tell): begin; tell(text) is given answers as a JSON list, in the order in which they were asked for */
static napi_value start(napi_env env, napi_callback_info info) {
    napi_value given[2], name;
    struct lane *lane = given_lane(env, info, 2, given);
    if (lane == NULL) return refuse(env, "a lane is needed");
    if (lane->started) return NULL;
    napi_create_string_utf8(env, "recsys", NAPI_AUTO_LENGTH, &name);
    if (napi_create_threadsafe_function(env, given[1], NULL, name, 0, 1, NULL, NULL, NULL, woken, &lane->woken) != napi_ok)
        return refuse(env, "a function is needed");
    napi_unref_threadsafe_function(env, lane->woken);
    pthread_mutex_init(&lane->lock, NULL);
    pthread_cond_init(&lane->more, NULL);
    lane->started = pthread_create(&lane->thread, NULL, work, lane) == 0;
    return lane->started ? NULL : refuse(env, "no thread can be started");
}

/* ask(lane, method or null, payload): put it behind what was asked before */
static napi_value ask(napi_env env, napi_callback_info info) {
    size_t unused;
    napi_value given[3];
    napi_valuetype type = napi_undefined;
    struct lane *lane = given_lane(env, info, 3, given);
    if (lane == NULL || !lane->started || napi_typeof(env, given[1], &type) != napi_ok) return refuse(env, "a lane is needed");
    struct job *job = calloc(1, sizeof *job);
    if (job == NULL) return refuse(env, "out of memory");
    job->method = type == napi_null ? NULL : text_of(env, given[1], &unused);
    job->payload = text_of(env, given[2], &job->size);
    if ((job->method == NULL && type != napi_null) || job->payload == NULL) {
        freed(job);
        return refuse(env, "a method and a payload are needed");
    }
    if (lane->n_pending++ == 0) napi_ref_threadsafe_function(env, lane->woken);
    put(&lane->todo, job);
    if (atomic_load(&lane->asleep)) rouse(lane);
    return NULL;
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
    const napi_property_descriptor functions[] = {
        {"start", NULL, start, NULL, NULL, NULL, napi_enumerable, instance},
        {"ask", NULL, ask, NULL, NULL, NULL, napi_enumerable, instance},
        {"callSync", NULL, call_sync, NULL, NULL, NULL, napi_enumerable, instance},
    };
    if (instance == NULL || recsys_abi() != RECSYS_ABI) return refuse(env, "another recsys");
    napi_add_env_cleanup_hook(env, ended, instance);
    napi_define_properties(env, exports, sizeof functions / sizeof *functions, functions);
    return exports;
}
