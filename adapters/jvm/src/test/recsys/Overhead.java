package recsys;

import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** What a call costs through the JVM, in microseconds: PYTHON ROUNDS CALLS. */
public final class Overhead {
    private Overhead() {}

    private interface Work {
        void run() throws RecsysException;
    }

    private static void timed(String name, int rounds, int calls, Work work) throws RecsysException {
        double best = Double.MAX_VALUE;
        for (int round = 0; round < rounds; round++) {
            long started = System.nanoTime();
            for (int i = 0; i < calls; i++) {
                work.run();
            }
            best = Math.min(best, (System.nanoTime() - started) / 1e3 / calls);
        }
        System.out.printf(Locale.ROOT, "{\"name\":\"%s\",\"us\":%.4f}%n", name, best);
    }

    public static void main(String[] words) throws RecsysException {
        Engine engine = JniEngine.boot(words[0]);
        Bridge bridge = new Bridge(engine);
        int rounds = Integer.parseInt(words[1]);
        int calls = Integer.parseInt(words[2]);
        // No calls at all: what is left is the way there and back.
        byte[] payload = "{\"calls\":[]}".getBytes(StandardCharsets.UTF_8);
        timed("JNI", rounds, calls, () -> engine.call("batch", payload));
        timed("JNI with JSON both ways", rounds, calls, () -> bridge.call("batch", Map.of("calls", List.of())));
    }
}
