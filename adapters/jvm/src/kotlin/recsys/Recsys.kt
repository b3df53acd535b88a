@file:JvmName("Recsys")

package recsys

import java.time.Instant

/** Open or make one person's file: `engine.open("me.db").use { rec -> ... }`. */
fun Engine.open(
    path: String,
    key: String? = null,
    settings: Map<String, Any>? = null,
    prior: String? = null,
    more: Opened.() -> Unit = {}
): Recommender {
    val how = Opened()
    key?.let { how.key(it) }
    settings?.let { how.settings(it) }
    prior?.let { how.prior(it) }
    how.more()
    return Recommender.open(this, path, how)
}

/** Close it after a block, however that ends; Kotlin's own `use` does so for Java's AutoCloseable since 1.8 only. */
inline fun <T> Recommender.use(block: (Recommender) -> T): T {
    var failed: Throwable? = null
    try {
        return block(this)
    } catch (thrown: Throwable) {
        failed = thrown
        throw thrown
    } finally {
        if (failed == null) close() else try { close() } catch (also: RecsysException) { failed.addSuppressed(also) }
    }
}

/**
 * Record that the person did something with an item; gives the event's id. What else there is to say goes into the
 * block, such as a time with its own offset.
 */
fun Recommender.record(
    itemId: String,
    kind: String = "click",
    value: Double? = null,
    at: Instant? = null,
    context: Map<String, Any>? = null,
    slate: Slate? = null,
    how: Happened.() -> Unit = {}
): String {
    val happened = Happened().kind(kind)
    value?.let { happened.value(it) }
    at?.let { happened.at(it) }
    context?.let { happened.context(it) }
    slate?.let { happened.slate(it) }
    happened.how()
    return record(itemId, happened)
}

/** The best items of the catalogue and the log. */
fun Recommender.recommend(
    k: Int = 10,
    at: Instant? = null,
    context: Map<String, Any>? = null,
    reasons: Int = 0,
    how: Asked.() -> Unit = {}
): Slate = recommend(k, asked(at, context, reasons, how))

/** The host's own candidates, in order. */
fun Recommender.rank(
    itemIds: List<String>,
    at: Instant? = null,
    context: Map<String, Any>? = null,
    reasons: Int = 0,
    how: Asked.() -> Unit = {}
): Slate = rank(itemIds, asked(at, context, reasons, how))

/** Forget what meets all of these. */
fun Recommender.forget(
    events: List<String>? = null,
    items: List<String>? = null,
    kinds: List<String>? = null,
    since: Instant? = null,
    until: Instant? = null,
    how: Forgotten.() -> Unit = {}
): Receipt {
    val what = Forgotten()
    events?.let { what.events(it) }
    items?.let { what.items(it) }
    kinds?.let { what.kinds(it) }
    since?.let { what.since(it) }
    until?.let { what.until(it) }
    what.how()
    return forget(what)
}

private fun asked(at: Instant?, context: Map<String, Any>?, reasons: Int, how: Asked.() -> Unit): Asked {
    val asked = Asked()
    at?.let { asked.at(it) }
    context?.let { asked.context(it) }
    if (reasons != 0) asked.reasons(reasons)
    asked.how()
    return asked
}
