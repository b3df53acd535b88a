/* The whole of the C adapter: it starts an interpreter, finds recsys.bridge.call, and hands bytes to it and back. */

#define _GNU_SOURCE /* dladdr */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "recsys.h"

#if defined(__GNUC__)
#define PUBLIC __attribute__((visibility("default")))
#else
#define PUBLIC
#endif

#define SWITCH_INTERVAL_S 0.0005 /* how long a thread that learns may keep another one waiting */

static pthread_mutex_t booting = PTHREAD_MUTEX_INITIALIZER;
static atomic_int ready;
static atomic_int forked;
static PyObject *call; /* recsys.bridge.call; never given back */
static int ours;       /* whether we started the interpreter; a host that is Python has its own */
static char *tried;    /* the path at which we started it: there is no second start, so no second path */
static pthread_key_t kept;
static _Thread_local PyThreadState *known; /* this thread's state, kept from call to call: to make one takes 10 µs */

static _Thread_local struct {
    char kind[64];
    char field[128];
    char message[1024];
} last;

static void copy(char *to, size_t size, const char *from) {
    size_t length = strlen(from);
    if (length >= size) length = size - 1;
    memcpy(to, from, length);
    to[length] = 0;
}

static int fail(const char *kind, const char *field, const char *message) {
    copy(last.kind, sizeof last.kind, kind);
    copy(last.field, sizeof last.field, field);
    copy(last.message, sizeof last.message, message);
    return RECSYS_FAILED;
}

/* Copy the text that follows `name` in what the bridge wrote; its own escapes are of quotes and backslashes only. */
static void part(const char *answer, const char *name, char *to, size_t size) {
    const char *from = strstr(answer, name);
    size_t n = 0;
    if (from != NULL && *(from += strlen(name)) == '"')
        for (from++; *from && *from != '"' && n + 1 < size; from++) {
            if (*from == '\\' && from[1]) from++;
            to[n++] = *from;
        }
    to[n] = 0;
}

static int refused(const char *answer) {
    part(answer, "\"kind\":", last.kind, sizeof last.kind);
    part(answer, "\"field\":", last.field, sizeof last.field);
    part(answer, "\"message\":", last.message, sizeof last.message);
    return RECSYS_FAILED;
}

static void in_the_child(void) { atomic_store(&forked, 1); }

/* Extension modules find Python's symbols in the global scope; a host may have loaded us, and libpython, locally. */
static void promote_libpython(void) {
    Dl_info info;
    if (dladdr((void *)(size_t)&Py_IsInitialized, &info) && info.dli_fname)
        dlopen(info.dli_fname, RTLD_NOW | RTLD_GLOBAL | RTLD_NOLOAD);
}

static int start(const char *python) {
    static const char *const one_thread[] = {"OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS",
                                             "VECLIB_MAXIMUM_THREADS"};
    for (size_t i = 0; i < sizeof one_thread / sizeof *one_thread; i++) setenv(one_thread[i], "1", 0);
    PyPreConfig before;
    PyPreConfig_InitIsolatedConfig(&before);
    before.utf8_mode = 1; /* paths are UTF-8, whatever the host's locale */
    PyStatus status = Py_PreInitialize(&before);
    if (PyStatus_Exception(status)) return fail("BootError", "", status.err_msg ? status.err_msg : "no interpreter");
    PyConfig config;
    PyConfig_InitIsolatedConfig(&config);
    config.install_signal_handlers = 0; /* signals are the host's */
    status = PyConfig_SetBytesString(&config, &config.program_name, python);
    if (!PyStatus_Exception(status)) status = Py_InitializeFromConfig(&config);
    PyConfig_Clear(&config);
    if (PyStatus_Exception(status)) return fail("BootError", "", status.err_msg ? status.err_msg : "no interpreter");
    PyObject *sys = PyImport_ImportModule("sys"), *done = NULL;
    if (sys != NULL) done = PyObject_CallMethod(sys, "setswitchinterval", "d", SWITCH_INTERVAL_S);
    Py_XDECREF(done);
    Py_XDECREF(sys);
    PyErr_Clear();
    return RECSYS_OK;
}

static int not_imported(void) {
    PyObject *type, *value, *trace;
    PyErr_Fetch(&type, &value, &trace);
    char message[384] = "recsys cannot be imported by this interpreter";
    if (type != NULL && PyErr_GivenExceptionMatches(type, PyExc_ModuleNotFoundError) && value != NULL) {
        PyObject *words = PyObject_Str(value);
        const char *text = words ? PyUnicode_AsUTF8(words) : NULL;
        if (text != NULL)
            PyOS_snprintf(message, sizeof message,
                          "recsys cannot be imported: %.180s (needed: a Python %d.%d in whose environment it is)", text,
                          PY_MAJOR_VERSION, PY_MINOR_VERSION);
        Py_XDECREF(words);
    }
    PyErr_Clear();
    Py_XDECREF(type);
    Py_XDECREF(value);
    Py_XDECREF(trace);
    return fail("BootError", "python", message);
}

static void let_go(void *state) {
    if (atomic_load(&forked)) return;
    PyEval_RestoreThread(state);
    PyThreadState_Clear(state);
    PyThreadState_DeleteCurrent(); /* not PyGILState_Release: the C library may have cleared what it looks at */
}

/* Hold the interpreter; to be given up with leave(). */
static PyGILState_STATE enter(void) {
    if (!ours) return PyGILState_Ensure();
    if (known != NULL) {
        PyEval_RestoreThread(known);
        return PyGILState_LOCKED;
    }
    PyGILState_Ensure();
    known = PyThreadState_Get();
    pthread_setspecific(kept, known); /* so that let_go is called when the thread ends */
    return PyGILState_LOCKED;
}

static void leave(PyGILState_STATE state) {
    if (ours)
        PyEval_SaveThread();
    else
        PyGILState_Release(state);
}

static int is_program(const char *path) {
    struct stat found;
    return path != NULL && path[0] == '/' && stat(path, &found) == 0 && S_ISREG(found.st_mode) && access(path, X_OK) == 0;
}

static int boot(const char *python) {
    PyGILState_STATE state = PyGILState_UNLOCKED;
    if (tried == NULL) ours = !Py_IsInitialized();
    if (ours && !is_program(python))
        return fail("BootError", "python", "the absolute path of a Python interpreter is needed");
    if (tried != NULL && strcmp(tried, python) != 0)
        return fail("BootError", "python", "the interpreter was started at another path before: start another process");
    promote_libpython();
    if (ours && tried == NULL) {
        if (!start(python)) return RECSYS_FAILED;
        tried = strdup(python);
        pthread_key_create(&kept, let_go);
        known = PyThreadState_Get(); /* of this thread: the interpreter's own, which stays */
    } else {
        state = enter();
    }
    PyObject *bridge = PyImport_ImportModule("recsys.bridge");
    call = bridge ? PyObject_GetAttrString(bridge, "call") : NULL;
    Py_XDECREF(bridge);
    int done = call ? RECSYS_OK : not_imported();
    if (done) pthread_atfork(NULL, NULL, in_the_child);
    leave(state);
    return done;
}

PUBLIC int recsys_abi(void) { return RECSYS_ABI; }

PUBLIC int recsys_boot(const char *python) {
    if (atomic_load(&ready)) return RECSYS_OK;
    pthread_mutex_lock(&booting);
    int done = atomic_load(&ready) ? RECSYS_OK : boot(python);
    if (done) atomic_store(&ready, 1);
    pthread_mutex_unlock(&booting);
    return done;
}

/* Hold the interpreter: make the call, and copy what came back. NULL: there is no memory, or no answer. */
static char *answered(const char *method, const char *payload, size_t size, Py_ssize_t *length) {
    char *answer = NULL;
    PyObject *arguments[2] = {PyUnicode_DecodeUTF8(method, (Py_ssize_t)strlen(method), "replace"),
                              PyBytes_FromStringAndSize(payload, (Py_ssize_t)size)};
    PyObject *found = arguments[0] && arguments[1] ? PyObject_Vectorcall(call, arguments, 2, NULL) : NULL;
    char *bytes;
    if (found != NULL && PyBytes_AsStringAndSize(found, &bytes, length) == 0) {
        answer = malloc((size_t)*length + 1);
        if (answer != NULL) memcpy(answer, bytes, (size_t)*length + 1);
    }
    Py_XDECREF(found);
    Py_XDECREF(arguments[1]);
    Py_XDECREF(arguments[0]);
    PyErr_Clear();
    return answer;
}

PUBLIC int recsys_call(const char *method, const char *payload, size_t size, char **answer, size_t *answer_size) {
    if (answer == NULL) return fail("InputError", "answer", "answer: a place for it is needed");
    *answer = NULL;
    if (answer_size != NULL) *answer_size = 0;
    if (method == NULL) return fail("InputError", "method", "method: a text is needed");
    if ((payload == NULL && size > 0) || size > PY_SSIZE_T_MAX / 2)
        return fail("InputError", "payload", "payload: so many bytes are needed");
    if (!atomic_load(&ready)) return fail("BootError", "", "call recsys_boot first");
    if (atomic_load(&forked)) return fail("ForkedError", "", "this was booted before a fork: start another process");
    Py_ssize_t length = 0;
    PyGILState_STATE state = enter();
    *answer = answered(method, payload, size, &length);
    leave(state);
    if (*answer == NULL) return fail("InternalError", "", "out of memory");
    if (answer_size != NULL) *answer_size = (size_t)length;
    return (*answer)[2] == 'r' ? RECSYS_OK : refused(*answer);
}

PUBLIC void recsys_free(char *answer) { free(answer); }

PUBLIC const char *recsys_last_kind(void) { return last.kind; }

PUBLIC const char *recsys_last_field(void) { return last.field; }

PUBLIC const char *recsys_last_message(void) { return last.message; }
