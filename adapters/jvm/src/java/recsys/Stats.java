package recsys;

/** Sizes and counts, no content; {@code trees} is null unless the settings ask for trees. */
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
        boolean erasurePending,
        TreeStats trees) {}
