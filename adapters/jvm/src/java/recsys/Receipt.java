package recsys;

import java.util.List;

/** What a {@code forget} did. */
public record Receipt(
        String status,
        String reason,
        long nEvents,
        long nSlateRows,
        long nCheckpoints,
        long nItems,
        long nSetAside,
        long nStages,
        List<String> rebuilt,
        long nRefolded,
        long nFiles,
        long sizeBytes,
        double ms) {

    /** Whether no byte of it is left in any file; otherwise {@code maintain} finishes it. */
    public boolean erased() {
        return status.equals("erased");
    }
}
