/* recsys for C and for whatever can call C: one function, JSON in and out, in this process.
 *
 * Methods, arguments and answers are those of docs/bridge.md. All texts are UTF-8. Every function may be called from
 * any thread, once recsys_boot has returned RECSYS_OK on some thread.
 */
#ifndef RECSYS_H
#define RECSYS_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#define RECSYS_ABI 1
#define RECSYS_FAILED 0
#define RECSYS_OK 1

/* The ABI that the library was built with: compare it to RECSYS_ABI. */
int recsys_abi(void);

/* Start the Python interpreter in this process, once; a second call changes nothing.
 *
 * `python` is the absolute path of the interpreter in whose environment recsys is installed, such as
 * <app>/venv/bin/python; it must be of the Python version that this library was built for. That program is not run:
 * its path tells where the environment is. Of the process's environment nothing named PYTHON* is read. The thread
 * counts of BLAS libraries (OPENBLAS_NUM_THREADS and others) are set to 1 unless they are set: call this before other
 * threads read the environment.
 *
 * The interpreter is never stopped: close what is open (the method "close_all"), and exit.
 */
int recsys_boot(const char *python);

/* Make one call. `payload` is a JSON object of `size` bytes; size 0 means no arguments.
 *
 * RECSYS_OK: *answer is {"result":...}. RECSYS_FAILED: the functions below say why, and *answer is {"error":...}, or
 * NULL when nothing was called. Unless it is NULL, *answer ends with a NUL that *answer_size (which may be NULL) does
 * not count, and is given back with recsys_free.
 */
int recsys_call(const char *method, const char *payload, size_t size, char **answer, size_t *answer_size);

void recsys_free(char *answer);

/* Of the last call that failed on this thread; valid until the next one does. Never NULL.
 *
 * A kind is one of docs/bridge.md or "BootError"; the field is empty when there is none. No message names what a
 * person did. */
const char *recsys_last_kind(void);
const char *recsys_last_field(void);
const char *recsys_last_message(void);

#ifdef __cplusplus
}
#endif

#endif
