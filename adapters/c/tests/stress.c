/* Many threads and many calls: stress PYTHON SCRATCH [CALLS]. Prints what it counted; fails when anything failed,
 * or when the process grew by more than 2 MiB over the second half of the calls, or of the threads that come and go. */

#define _DEFAULT_SOURCE /* usleep */
#include <pthread.h>
#include <recsys.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define THREADS 8
#define MOST_GROWTH_KIB 2048

static atomic_int n_failed;
static const char *python;
static int shared;

static int ask(int wanted, const char *method, const char *payload) {
    char *answer;
    int done = recsys_call(method, payload, strlen(payload), &answer, NULL), found = 0;
    if (answer != NULL) sscanf(answer, "{\"result\":%d", &found);
    recsys_free(answer);
    if (done != wanted) {
        fprintf(stderr, "%s: %s %s\n", method, recsys_last_kind(), recsys_last_message());
        atomic_fetch_add(&n_failed, 1);
    }
    return found;
}

static void *boots(void *nothing) {
    if (!recsys_boot(python)) atomic_fetch_add(&n_failed, 1);
    return nothing;
}

/* Record and rank, on a recommender of its own and on one that all share; and keep its own last error. */
static void *lives(void *number) {
    char payload[256];
    int own = ask(1, "open", "{\"path\":\":memory:\"}");
    for (int i = 0; i < 50; i++)
        for (int handle = own, turn = 0; turn < 2; turn++, handle = shared) {
            snprintf(payload, sizeof payload, "{\"handle\":%d,\"item_id\":\"i%d\",\"at\":%d}", handle, i % 7,
                     1700000000 + i * 60);
            ask(1, "record", payload);
            snprintf(payload, sizeof payload, "{\"handle\":%d,\"item_ids\":[\"i1\",\"i2\",\"i3\"],\"reasons\":1}", handle);
            ask(1, "rank", payload);
            snprintf(payload, sizeof payload, "{\"handle\":%d,\"item_id\":\"\"}", handle);
            if ((size_t)number % 2) {
                ask(0, "record", payload);
                if (strcmp(recsys_last_field(), "item_id") != 0) atomic_fetch_add(&n_failed, 1);
            } else {
                ask(0, "no_such_method", "");
                if (strcmp(recsys_last_field(), "method") != 0) atomic_fetch_add(&n_failed, 1);
            }
        }
    snprintf(payload, sizeof payload, "{\"handle\":%d}", own);
    ask(1, "close", payload);
    return NULL;
}

static void *once(void *nothing) {
    ask(1, "version", "");
    return nothing;
}

static void all(void *(*work)(void *)) {
    pthread_t threads[THREADS];
    for (size_t i = 0; i < THREADS; i++) pthread_create(&threads[i], NULL, work, (void *)i);
    for (size_t i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
}

static long resident_kib(void) {
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file == NULL || fscanf(file, "%*s %ld", &pages) != 1) pages = 0;
    if (file != NULL) fclose(file);
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

/* BLAS has started none of its own. */
static int threads(void) {
    char line[256];
    int found = 1;
    FILE *file = fopen("/proc/self/status", "r");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) sscanf(line, "Threads: %d", &found);
    if (file != NULL) fclose(file);
    return found;
}

static long ranked(int handle, long n_calls) {
    char payload[256];
    snprintf(payload, sizeof payload, "{\"handle\":%d,\"item_ids\":[\"i1\",\"i2\",\"i3\",\"new\"],\"at\":1800000000}", handle);
    for (long i = 0; i < n_calls; i++) {
        ask(1, "rank", payload);
        if (i % 16 == 0) ask(0, "rank", "{\"handle\":-1}");
    }
    return resident_kib();
}

int main(int argc, char **argv) {
    char payload[4200], *answer;
    long n_calls = argc > 3 ? atol(argv[3]) : 200000;
    if (argc < 3) return 2;
    python = argv[1];
    if (recsys_call("version", "", 0, &answer, NULL) || strcmp(recsys_last_kind(), "BootError") != 0) return 3;
    if (recsys_boot("bin/python") || recsys_boot("/no/such/python") || recsys_boot("/") || recsys_boot(NULL)) return 4;
    all(boots);
    if (recsys_call("version", NULL, 3, &answer, NULL) || recsys_call(NULL, "", 0, &answer, NULL)) return 5;
    snprintf(payload, sizeof payload, "{\"path\":\"%.4096s/me.db\",\"settings\":{\"synchronous\":\"normal\"}}", argv[2]);
    shared = ask(1, "open", payload);
    all(lives);
    for (int i = 0; i < 1000 && threads() != 1; i++) usleep(1000); /* a thread is counted a moment longer than it is joined */
    if (threads() != 1) {
        fprintf(stderr, "%d threads are left\n", threads());
        atomic_fetch_add(&n_failed, 1);
    }
    for (int i = 0; i < 125; i++) all(once);
    long churned = resident_kib();
    for (int i = 0; i < 125; i++) all(once);
    churned = resident_kib() - churned;
    pid_t child = fork();
    if (child == 0) _exit(recsys_call("version", "", 0, &answer, NULL) || strcmp(recsys_last_kind(), "ForkedError") != 0);
    int status = 1;
    waitpid(child, &status, 0);
    if (status != 0) atomic_fetch_add(&n_failed, 1);
    size_t large = 20u << 20;
    char *nonsense = malloc(large);
    if (nonsense == NULL) return 6;
    memset(nonsense, '[', large);
    if (recsys_call("version", nonsense, large, &answer, NULL)) atomic_fetch_add(&n_failed, 1);
    recsys_free(answer);
    free(nonsense);
    int handle = ask(1, "open", "{\"path\":\":memory:\"}");
    snprintf(payload, sizeof payload, "{\"handle\":%d,\"item_id\":\"i1\",\"at\":1700000000}", handle);
    ask(1, "record", payload);
    long half = ranked(handle, n_calls / 2), whole = ranked(handle, n_calls - n_calls / 2);
    ask(1, "close_all", "");
    printf("%ld calls, grown by %ld KiB over the second half; 1000 threads came and went, %ld KiB; %d threads; %d failed\n",
           n_calls, whole - half, churned, THREADS, atomic_load(&n_failed));
    return n_failed != 0 || whole - half > MOST_GROWTH_KIB || churned > MOST_GROWTH_KIB;
}
