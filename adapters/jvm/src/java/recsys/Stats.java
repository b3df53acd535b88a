package recsys;

/** Sizes and counts, no content. */
public record Stats(
        long sizeBytes,
        long nEvents,
        long nItems,
        long nKnownItems,
        long nCheckpoints,
        long checkpointBytes,
        long stateBytes,
        long schemaVersion,
        long featureVersion,
        boolean paused,
        boolean erasurePending) {}
