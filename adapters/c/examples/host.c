/* A C program with a recommender in it: host PYTHON [FILE]. */

#include <recsys.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Make a call and print the answer, or say what was refused. */
static char *ask(const char *method, const char *payload) {
    char *answer;
    if (!recsys_call(method, payload, strlen(payload), &answer, NULL)) {
        fprintf(stderr, "%s: %s (%s)\n", recsys_last_kind(), recsys_last_message(), recsys_last_field());
        recsys_free(answer);
        exit(1);
    }
    printf("%s %s\n", method, answer);
    return answer;
}

int main(int argc, char **argv) {
    char payload[512];
    if (argc < 2) {
        fprintf(stderr, "usage: host PYTHON [FILE]\n");
        return 2;
    }
    if (!recsys_boot(argv[1])) {
        fprintf(stderr, "%s: %s\n", recsys_last_kind(), recsys_last_message());
        return 1;
    }
    snprintf(payload, sizeof payload, "{\"path\":\"%s\"}", argc > 2 ? argv[2] : ":memory:");
    char *answer = ask("open", payload);
    int handle = atoi(answer + strlen("{\"result\":"));
    recsys_free(answer);

    snprintf(payload, sizeof payload,
             "{\"handle\":%d,\"items\":[{\"id\":\"tea\",\"title\":\"Tea\"},{\"id\":\"cola\",\"title\":\"Cola\"}]}", handle);
    recsys_free(ask("add", payload));
    snprintf(payload, sizeof payload, "{\"handle\":%d,\"item_id\":\"cola\",\"at\":\"2026-03-02T08:00:00+01:00\"}", handle);
    recsys_free(ask("record", payload));
    snprintf(payload, sizeof payload, "{\"handle\":%d,\"k\":2,\"reasons\":1,\"at\":\"2026-03-03T08:00:00+01:00\"}", handle);
    recsys_free(ask("recommend", payload));
    snprintf(payload, sizeof payload, "{\"handle\":%d,\"items\":[\"cola\"]}", handle);
    recsys_free(ask("forget", payload));
    recsys_free(ask("close_all", ""));
    return 0;
}
