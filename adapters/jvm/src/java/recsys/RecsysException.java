package recsys;

/**
 * What recsys refused. Its kinds are those of docs/bridge.md, each a class in here; a message never names what a person
 * did.
 */
public class RecsysException extends Exception {
    private static final long serialVersionUID = 1L;
    private final String kind;
    private final String field;

    RecsysException(String kind, String field, String message) {
        super(message);
        this.kind = kind;
        this.field = field;
    }

    /** The kind, as the bridge calls it, such as {@code "InputError"}. */
    public String kind() {
        return kind;
    }

    /** The argument that is wrong, or the missing extra; null when there is none. */
    public String field() {
        return field;
    }

    static RecsysException of(String kind, String field, String message) {
        return switch (kind) {
            case "InputError" -> new Input(field, message);
            case "ClosedError" -> new Closed(message);
            case "PausedError" -> new Paused(message);
            case "ConsentError" -> new Consent(message);
            case "BudgetError" -> new Budget(message);
            case "ForkedError" -> new Forked(message);
            case "StateError" -> new State(kind, message);
            case "BusyError" -> new Busy(message);
            case "FullError" -> new Full(message);
            case "CorruptError" -> new Corrupt(message);
            case "VersionError" -> new Version(message);
            case "WrongKeyError" -> new WrongKey(message);
            case "StoreError" -> new Store(kind, message);
            case "CheckpointError" -> new Checkpoint(message);
            case "MissingExtraError" -> new MissingExtra(field, message);
            case "BootError" -> new Boot(field, message);
            case "InternalError" -> new Internal(message);
            default -> new RecsysException(kind, field, message);
        };
    }

    /** The caller's argument; nothing changed. */
    public static final class Input extends RecsysException {
        Input(String field, String message) {
            super("InputError", field, message);
        }
    }

    /** The recommender cannot do this now. */
    public static class State extends RecsysException {
        State(String kind, String message) {
            super(kind, null, message);
        }
    }

    /** It was closed. */
    public static final class Closed extends State {
        Closed(String message) {
            super("ClosedError", message);
        }
    }

    /** It is paused: nothing is written. */
    public static final class Paused extends State {
        Paused(String message) {
            super("PausedError", message);
        }
    }

    /** The person has not allowed it: nothing is written. */
    public static final class Consent extends State {
        Consent(String message) {
            super("ConsentError", message);
        }
    }

    /** A release would cost more privacy than is left. */
    public static final class Budget extends State {
        Budget(String message) {
            super("BudgetError", message);
        }
    }

    /** It was opened before a fork. */
    public static final class Forked extends State {
        Forked(String message) {
            super("ForkedError", message);
        }
    }

    /** The file cannot be read or written as it is. */
    public static class Store extends RecsysException {
        Store(String kind, String message) {
            super(kind, null, message);
        }
    }

    /** Something else uses the file: try again. */
    public static final class Busy extends Store {
        Busy(String message) {
            super("BusyError", message);
        }
    }

    /** No space is left. */
    public static final class Full extends Store {
        Full(String message) {
            super("FullError", message);
        }
    }

    /** The log is damaged, and left as it was found. */
    public static final class Corrupt extends Store {
        Corrupt(String message) {
            super("CorruptError", message);
        }
    }

    /** The file was written by a newer recsys. */
    public static final class Version extends Store {
        Version(String message) {
            super("VersionError", message);
        }
    }

    /** The key does not open the file. */
    public static final class WrongKey extends Store {
        WrongKey(String message) {
            super("WrongKeyError", message);
        }
    }

    /** A cache cannot be used; never seen by a host. */
    public static final class Checkpoint extends RecsysException {
        Checkpoint(String message) {
            super("CheckpointError", null, message);
        }
    }

    /** An optional dependency is missing; the field names the pip extra. */
    public static final class MissingExtra extends RecsysException {
        MissingExtra(String field, String message) {
            super("MissingExtraError", field, message);
        }
    }

    /** The interpreter, or recsys in it, cannot be loaded. */
    public static final class Boot extends RecsysException {
        Boot(String field, String message) {
            super("BootError", field, message);
        }
    }

    /** What nobody foresaw. */
    public static final class Internal extends RecsysException {
        Internal(String message) {
            super("InternalError", null, message);
        }
    }
}
