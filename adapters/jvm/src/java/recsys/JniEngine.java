package recsys;

import java.nio.charset.StandardCharsets;
import java.util.Objects;

/** Python in this process, through librecsys_jni. One interpreter a process, which stays until it ends. */
public final class JniEngine implements Engine {
    private JniEngine() {}

    /**
     * Start the interpreter, once; a second call changes nothing.
     *
     * @param python the absolute path of an interpreter in whose environment recsys-embedded is installed
     * @throws RecsysException.Boot when it cannot be started, or has no recsys
     */
    public static JniEngine boot(String python) throws RecsysException.Boot {
        String library = System.getProperty("recsys.library");
        if (library != null) {
            System.load(library);
        } else {
            System.loadLibrary("recsys_jni");
        }
        String wrong = boot0(python.getBytes(StandardCharsets.UTF_8));
        if (wrong != null) {
            throw new RecsysException.Boot(wrong);
        }
        return new JniEngine();
    }

    @Override
    public byte[] call(String method, byte[] payload) {
        return call0(Objects.requireNonNull(method), Objects.requireNonNull(payload));
    }

    private static native String boot0(byte[] python);

    private static native byte[] call0(String method, byte[] payload);
}
