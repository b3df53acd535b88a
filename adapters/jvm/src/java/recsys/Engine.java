package recsys;

/**
 * What carries a call to {@code recsys.bridge.call}: through JNI on a desktop ({@link JniEngine}), through Chaquopy on
 * Android. A payload and an answer are JSON in UTF-8; any thread may call.
 */
@FunctionalInterface
public interface Engine {
    byte[] call(String method, byte[] payload);
}
