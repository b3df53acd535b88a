/* Boots at one path after another and says what came of each: boots PYTHON... */

#include <recsys.h>
#include <stdio.h>

int main(int argc, char **argv) {
    for (int i = 1; i < argc; i++)
        if (recsys_boot(argv[i]))
            puts("booted");
        else
            printf("%s %s: %s\n", recsys_last_kind(), recsys_last_field(), recsys_last_message());
    return 0;
}
