/* What a call costs through C, in microseconds, on the thread that booted and on another: overhead PYTHON ROUNDS CALLS. */

#define _POSIX_C_SOURCE 200809L
#include <pthread.h>
#include <recsys.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static long n_rounds, n_calls;
static const char payload[] = "{\"calls\":[]}"; /* no calls at all: what is left is the way there and back */

static double now_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return 1e6 * (double)now.tv_sec + 1e-3 * (double)now.tv_nsec;
}

static void *timed(void *name) {
    double best = 1e9;
    for (long round = 0; round < n_rounds; round++) {
        double started = now_us();
        for (long i = 0; i < n_calls; i++) {
            char *answer;
            if (!recsys_call("batch", payload, sizeof payload - 1, &answer, NULL)) exit(3);
            recsys_free(answer);
        }
        double us = (now_us() - started) / (double)n_calls;
        if (us < best) best = us;
    }
    printf("{\"name\":\"%s\",\"us\":%.4f}\n", (const char *)name, best);
    return NULL;
}

int main(int argc, char **argv) {
    pthread_t other;
    if (argc != 4 || !recsys_boot(argv[1])) return 2;
    n_rounds = atol(argv[2]);
    n_calls = atol(argv[3]);
    timed("C");
    pthread_create(&other, NULL, timed, "C, another thread");
    pthread_join(other, NULL);
    return 0;
}
