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
     * @throws RecsysException.Boot when librecsys_jni cannot be loaded, or the interpreter not started, or has no recsys
     */
    public static JniEngine boot(String python) throws RecsysException.Boot {
        load(System.getProperty("recsys.library"));
        String wrong = boot0(String.valueOf(python).getBytes(StandardCharsets.UTF_8));
        if (wrong != null) {
            String[] parts = wrong.split("\n", 2);
            throw new RecsysException.Boot(parts[0].isEmpty() ? null : parts[0], parts[1]);
        }
        return new JniEngine();
    }

    private static void load(String library) throws RecsysException.Boot {
        try {
            if (library != null) {
                System.load(library);
            } else {
                System.loadLibrary("recsys_jni");
            }
        } catch (UnsatisfiedLinkError wrong) {
            String needed = "set recsys.library to the absolute path of librecsys_jni, or java.library.path to its folder";
            RecsysException.Boot refused = new RecsysException.Boot("library", "library: cannot be loaded: " + needed);
            refused.initCause(wrong);
            throw refused;
        }
    }

    @Override
    public byte[] call(String method, byte[] payload) {
        return call0(Objects.requireNonNull(method), Objects.requireNonNull(payload));
    }

    private static native String boot0(byte[] python);

    private static native byte[] call0(String method, byte[] payload);
}
