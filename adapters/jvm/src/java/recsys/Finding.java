package recsys;

/** One result of {@code check}: {@code severity} is "ok", "warning" or "error". */
public record Finding(String severity, String what, String message) {}
