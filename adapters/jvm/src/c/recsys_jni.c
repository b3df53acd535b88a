/* recsys for the JVM: the C face through JNI. Texts go as bytes, since JNI's own UTF-8 is another one. */

#include <jni.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "recsys.h"

JNIEXPORT jstring JNICALL Java_recsys_JniEngine_boot0(JNIEnv *env, jclass unused, jbyteArray given) {
    char python[4097];
    jsize size = (*env)->GetArrayLength(env, given);
    (void)unused;
    if (size > 4096) size = 4096;
    (*env)->GetByteArrayRegion(env, given, 0, size, (jbyte *)python);
    python[size] = 0;
    char wrong[1200]; /* its field, a line's end, its message */
    if (recsys_abi() != RECSYS_ABI) return (*env)->NewStringUTF(env, "\nthis is built for another recsys");
    if (recsys_boot(python)) return NULL;
    snprintf(wrong, sizeof wrong, "%s\n%s", recsys_last_field(), recsys_last_message());
    return (*env)->NewStringUTF(env, wrong);
}

/* The C face's own refusals, such as that there is no memory, have no answer: give one. */
static jbyteArray told(JNIEnv *env) {
    char text[1400];
    int size = snprintf(text, sizeof text, "{\"error\":{\"kind\":\"%s\",\"field\":null,\"message\":\"%s\"}}",
                        recsys_last_kind(), recsys_last_message());
    jbyteArray bytes = (*env)->NewByteArray(env, size);
    if (bytes != NULL) (*env)->SetByteArrayRegion(env, bytes, 0, size, (const jbyte *)text);
    return bytes;
}

JNIEXPORT jbyteArray JNICALL Java_recsys_JniEngine_call0(JNIEnv *env, jclass unused, jstring name, jbyteArray given) {
    char method[256] = "", small[1024], *payload = small, *answer;
    size_t answer_size;
    jsize size = (*env)->GetArrayLength(env, given);
    (void)unused;
    if ((*env)->GetStringUTFLength(env, name) < (jsize)sizeof method)
        (*env)->GetStringUTFRegion(env, name, 0, (*env)->GetStringLength(env, name), method);
    if ((size_t)size > sizeof small && (payload = malloc((size_t)size)) == NULL) return NULL;
    (*env)->GetByteArrayRegion(env, given, 0, size, (jbyte *)payload);
    recsys_call(method, payload, (size_t)size, &answer, &answer_size);
    if (payload != small) free(payload);
    if (answer == NULL) return told(env);
    jbyteArray bytes = answer_size <= 0x7fffffff ? (*env)->NewByteArray(env, (jsize)answer_size) : NULL;
    if (bytes != NULL) (*env)->SetByteArrayRegion(env, bytes, 0, (jsize)answer_size, (const jbyte *)answer);
    recsys_free(answer);
    return bytes; /* NULL: the JVM has thrown that there is no memory */
}
