package recsys;

import com.chaquo.python.PyObject;
import com.chaquo.python.Python;

/**
 * Python on Android, through Chaquopy. Not run on a device here: compiled against what of Chaquopy's classes it uses.
 *
 * <p>In the app's build file: {@code chaquopy { defaultConfig { pip { install("recsys-embedded") } } }}. Start Python as
 * Chaquopy says ({@code Python.start(new AndroidPlatform(context))}), and keep the file in the app's own folder:
 * {@code Recommender.open(new ChaquopyEngine(), new File(context.getFilesDir(), "me.db").getPath())}.
 */
public final class ChaquopyEngine implements Engine {
    private final PyObject call;
    private final PyObject bytes;

    public ChaquopyEngine() {
        Python python = Python.getInstance();
        call = python.getModule("recsys.bridge").get("call");
        bytes = python.getBuiltins().get("bytes");
    }

    @Override
    public byte[] call(String method, byte[] payload) {
        return call.call(method, bytes.call((Object) payload)).toJava(byte[].class);
    }
}
