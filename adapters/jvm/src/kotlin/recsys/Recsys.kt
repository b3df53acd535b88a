@file:JvmName("Recsys")

package recsys

import java.time.Instant

/** Open or make one person's file: `engine.open("me.db").use { rec -> ... }`. */
fun Engine.open(
    path: String,
    key: String? = null,
    settings: Map<String, Any>? = null,
    prior: String? = null
): Recommender {
    val how = Opened()
    key?.let { how.key(it) }
    settings?.let { how.settings(it) }
    prior?.let { how.prior(it) }
    return Recommender.open(this, path, how)
}

/** Record that the person did something with an item; gives the event's id. */
fun Recommender.record(
    itemId: String,
    kind: String = "click",
    value: Double? = null,
    at: Instant? = null,
    context: Map<String, Any>? = null,
    slate: Slate? = null
): String {
    val how = Happened().kind(kind)
    value?.let { how.value(it) }
    at?.let { how.at(it) }
    context?.let { how.context(it) }
    slate?.let { how.slate(it) }
    return record(itemId, how)
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
    until: Instant? = null
): Receipt {
    val what = Forgotten()
    events?.let { what.events(it) }
    items?.let { what.items(it) }
    kinds?.let { what.kinds(it) }
    since?.let { what.since(it) }
    until?.let { what.until(it) }
    return forget(what)
}

private fun asked(at: Instant?, context: Map<String, Any>?, reasons: Int, how: Asked.() -> Unit): Asked {
    val asked = Asked()
    at?.let { asked.at(it) }
    context?.let { asked.context(it) }
    if (reasons > 0) asked.reasons(reasons)
    asked.how()
    return asked
}
