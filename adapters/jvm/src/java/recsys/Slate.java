package recsys;

import java.util.Iterator;
import java.util.List;

/** An ordered list of recommendations, best first. */
public record Slate(String id, long atUs, long offsetMin, long nCandidates, List<Recommendation> items)
        implements Iterable<Recommendation> {
    public Slate {
        items = List.copyOf(items);
    }

    public List<String> itemIds() {
        return items.stream().map(Recommendation::itemId).toList();
    }

    @Override
    public Iterator<Recommendation> iterator() {
        return items.iterator();
    }

    /** Says nothing of what a person did. */
    @Override
    public String toString() {
        return "Slate[n=" + items.size() + ", nCandidates=" + nCandidates + "]";
    }
}
