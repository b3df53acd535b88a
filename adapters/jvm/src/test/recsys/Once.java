package recsys;

import java.util.List;
import java.util.Map;

/** A short life, for tests that look at the files afterwards: PYTHON FILE [ITEM TO FORGET]. */
public final class Once {
    private Once() {}

    public static void main(String[] words) throws RecsysException {
        try (Recommender rec = Recommender.open(JniEngine.boot(words[0]), words[1])) {
            if (words.length > 2) {
                System.out.println(rec.forget(new Forgotten().items(List.of(words[2]))).status());
                return;
            }
            rec.add(List.of(new Item("qzxsecretitem", "qzxtitle")));
            rec.record("qzxsecretitem", new Happened().context(Map.of("place", "qzxplace")));
            rec.record("innocent");
            rec.shown(rec.recommend(2, new Asked().reasons(2)));
            rec.remove(List.of("qzxsecretitem"));
        }
    }
}
