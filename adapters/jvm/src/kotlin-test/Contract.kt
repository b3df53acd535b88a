@file:JvmName("KotlinContract")

package recsys

import java.io.File
import kotlin.math.abs
import kotlin.math.max
import kotlin.system.exitProcess

private typealias Given = MutableMap<String, Any?>

/** Replays adapters/contract through Kotlin's face: PYTHON FOLDER SCRATCH. Fails unless all of it holds. */
private class Replay(private val engine: Engine) {
    private val bridge = Bridge(engine)

    /** How each method of the bridge is called here: by Kotlin's own functions where there are some, else by Java's. */
    private val face: Map<String, (Given, Recommender?) -> Any?> = mapOf(
        "version" to { _, _ -> bridge.version() },
        "schema" to { _, _ -> bridge.schema() },
        "batch" to { given, _ -> bridge.batch(objects(given.remove("calls")).map { Bridge.Call(it["method"] as String, asObject(it["arguments"])) }) },
        "close_all" to { _, _ -> bridge.closeAll() },
        "set_aside" to { given, _ -> bridge.setAside(given.text("path"), Opened().all(given)) },
        "open" to { given, _ ->
            engine.open(given.text("path"), settings = given.taken("settings"), prior = given.taken("prior")) { all(given) }
        },
        "close" to { _, rec -> none { rec!!.close() } },
        "add" to { given, rec -> rec!!.add(objects(given.remove("items")).map { item(it) }) },
        "remove" to { given, rec -> rec!!.remove(given.taken<List<String>>("ids")) },
        "record" to { given, rec ->
            rec!!.record(
                given.text("item_id"), kind = given.taken("kind") ?: "click", context = given.taken("context")
            ) { all(given) }
        },
        "record_many" to { given, rec ->
            rec!!.recordMany(objects(given.remove("events")).map { Happened.of(it.text("item_id")).all(it) })
        },
        "shown" to { given, rec -> rec!!.shown(Records.read(Slate::class.java, given.remove("slate")), Happened().all(given)) },
        "steer" to { given, rec -> rec!!.steer(given.text("tag_or_item"), given.number("weight")!!, Happened().all(given)) },
        "recommend" to { given, rec ->
            rec!!.recommend(given.int("k") ?: 10, context = given.taken("context"), reasons = given.int("reasons") ?: 0) { all(given) }
        },
        "rank" to { given, rec ->
            rec!!.rank(given.taken<List<String>>("item_ids")!!, context = given.taken("context"), reasons = given.int("reasons") ?: 0) { all(given) }
        },
        "similar" to { given, rec -> rec!!.similar(given.text("item_id"), given.int("k") ?: 10, Asked().all(given)) },
        "explain" to { given, rec -> rec!!.explain(given.text("item_id"), Asked().all(given)) },
        "profile" to { _, rec -> rec!!.profile() },
        "evaluate" to { _, rec -> rec!!.evaluate() },
        "what_if" to { given, rec -> rec!!.whatIf(Asked().all(given)) },
        "forget" to { given, rec ->
            rec!!.forget(events = given.taken("events"), items = given.taken("items"), kinds = given.taken("kinds")) { all(given) }
        },
        "consent" to { given, rec -> none { rec!!.consent(given.text("purpose"), Happened().all(given)) } },
        "consents" to { _, rec -> rec!!.consents() },
        "withdraw" to { given, rec -> rec!!.withdraw(given.taken<String>("purpose")) },
        "export" to { given, rec -> rec!!.export(given.text("path")) },
        "import" to { given, rec -> rec!!.importFrom(given.text("path")) },
        "pause" to { _, rec -> none { rec!!.pause() } },
        "resume" to { _, rec -> none { rec!!.resume() } },
        "maintain" to { given, rec -> rec!!.maintain(given.number("budget_ms") ?: 50.0, Asked().all(given)) },
        "rekey" to { given, rec -> none { rec!!.rekey(given.text("key")) } },
        "check" to { _, rec -> rec!!.check() },
        "stats" to { _, rec -> rec!!.stats() }
    )

    private fun item(given: Given): Item {
        val tags: List<String>? = given.taken("tags")
        return Item(given.text("id"), given.taken<String>("title"), tags, given)
    }

    private fun answered(method: String, given: Given): MutableMap<String, Any?> {
        val call = face[method] ?: throw IllegalStateException("this adapter lacks $method")
        return try {
            val found = call(given, given.remove("handle") as Recommender?)
            mutableMapOf("result" to if (found is Recommender) found else Records.json(found))
        } catch (refused: RecsysException) {
            mutableMapOf("error" to mapOf("kind" to refused.kind(), "field" to refused.field(), "message" to refused.message))
        }
    }

    fun replay(steps: List<Given>, folder: String): String {
        val kept = mutableMapOf<String, Any?>()
        for ((number, step) in steps.withIndex()) {
            val method = step["call"] as String
            val answer = answered(method, asObject(filled(step["arguments"] ?: mapOf<String, Any?>(), kept, folder)))
            asObject(step["keep"] ?: mapOf<String, Any?>()).forEach { (name, path) -> kept[name] = at(answer, path as String) }
            if (answer["result"] is Recommender) answer["result"] = 1L // a handle is a number in the bridge, and an object here
            val wrong = mismatch(filled(step["expect"], kept, folder), answer, "answer")
            if (wrong.isNotEmpty()) return "step $number ($method): $wrong"
        }
        return ""
    }

    fun bytes(raw: Given): String {
        val text = raw["payload"] as String?
        val payload = text?.toByteArray() ?: (raw["payload_hex"] as String).chunked(2).map { it.toInt(16).toByte() }.toByteArray()
        return mismatch(raw["expect"], Json.read(engine.call(raw["method"] as String, payload)), "answer")
    }
}

@Suppress("UNCHECKED_CAST")
private fun <T> Given.taken(name: String): T? = remove(name) as T?

private fun Given.text(name: String): String = remove(name) as String

private fun Given.number(name: String): Double? = (remove(name) as Number?)?.toDouble()

private fun Given.int(name: String): Int? = (remove(name) as Number?)?.toInt()

private fun <S : Arguments<S>> S.all(given: Given): S {
    given.forEach { (name, value) -> set(name, value) }
    return this
}

private fun none(done: () -> Unit): Any? {
    done()
    return null
}

private fun asObject(json: Any?): Given = (json as Map<*, *>).entries.associateTo(linkedMapOf()) { it.key as String to it.value }

private fun objects(json: Any?): List<Given> = (json as List<*>).map { asObject(it) }

private fun filled(value: Any?, kept: Map<String, Any?>, folder: String): Any? = when {
    value is String && value.startsWith("\$DIR") -> folder + value.substring(4)
    value is String && value.startsWith("$") -> kept[value.substring(1)]
    value is List<*> -> value.map { filled(it, kept, folder) }
    value is Map<*, *> -> value.mapValues { filled(it.value, kept, folder) }
    else -> value
}

private fun at(value: Any?, path: String): Any? =
    path.split(".").fold(value) { found, part -> if (found is List<*>) found[part.toInt()] else (found as Map<*, *>)[part] }

private fun has(wanted: Map<*, *>, found: Any?, where: String): String {
    if (found !is Map<*, *> || !found.keys.containsAll(wanted.keys)) return "$where: keys are missing"
    return wanted.entries.map { mismatch(it.value, found[it.key], "$where.${it.key}") }.firstOrNull { it.isNotEmpty() } ?: ""
}

private fun mismatch(wanted: Any?, found: Any?, where: String): String = when (wanted) {
    is Map<*, *> -> when (wanted.keys.singleOrNull()) {
        "\$any" -> ""
        "\$text" -> if (found is String) "" else "$where: no text"
        "\$number" -> if (found is Number) "" else "$where: no number"
        "\$length" -> if (found is List<*> && found.size.toLong() == wanted["\$length"]) "" else "$where: another length"
        "\$has" -> has(wanted["\$has"] as Map<*, *>, found, where)
        else -> if (found is Map<*, *> && found.keys == wanted.keys) has(wanted, found, where) else "$where: other keys"
    }
    is List<*> ->
        if (found !is List<*> || found.size != wanted.size) "$where: another length"
        else wanted.indices.map { mismatch(wanted[it], found[it], "$where.$it") }.firstOrNull { it.isNotEmpty() } ?: ""
    is Number -> {
        val one = wanted.toDouble()
        if (found is Number && abs(one - found.toDouble()) <= 1e-6 * max(1.0, abs(one))) "" else "$where: $found is not $wanted"
    }
    else -> if (wanted == found) "" else "$where: $found is not $wanted"
}

fun main(words: Array<String>) {
    val contract = Replay(JniEngine.boot(words[0]))
    var (cases, steps, failed) = listOf(0, 0, 0)
    fun held(one: Given, n: Int, work: () -> String) {
        val wrong = try {
            work()
        } catch (failure: RuntimeException) {
            failure.toString()
        }
        if (wrong.isNotEmpty()) System.err.println("${one["name"]}: $wrong")
        cases++
        steps += n
        failed += if (wrong.isEmpty()) 0 else 1
    }
    for (file in File(words[1], "cases").listFiles()!!.sorted()) {
        for (one in objects(Json.read(file.readBytes()))) {
            val folder = File(words[2], cases.toString())
            folder.mkdir()
            held(one, (one["steps"] as List<*>).size) { contract.replay(objects(one["steps"]), folder.path) }
        }
    }
    for (raw in objects(Json.read(File(words[1], "raw.json").readBytes()))) held(raw, 1) { contract.bytes(raw) }
    println("$cases cases, $steps steps, $failed failed")
    exitProcess(if (failed == 0) 0 else 1)
}
