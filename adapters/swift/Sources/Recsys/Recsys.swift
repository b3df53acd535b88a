// recsys for Swift: the C face with errors that are thrown and recommenders that close themselves.
// Not compiled here: this machine has no Swift.

import CRecsys
import Foundation

/// What recsys refused; kinds and fields are those of docs/bridge.md.
public struct RecsysError: Error, CustomStringConvertible {
    public let kind: String
    public let field: String?
    public let message: String

    static func last() -> RecsysError {
        let field = String(cString: recsys_last_field())
        return RecsysError(
            kind: String(cString: recsys_last_kind()),
            field: field.isEmpty ? nil : field,
            message: String(cString: recsys_last_message())
        )
    }

    public var description: String { "\(kind): \(message)" }
}

public enum Recsys {
    /// Start the interpreter at this path, once a process.
    public static func boot(python: String) throws {
        guard recsys_boot(python) != RECSYS_FAILED else { throw RecsysError.last() }
    }

    /// Call any method of the bridge with JSON arguments; gives the JSON of the whole answer.
    public static func call(_ method: String, _ payload: Data) throws -> Data {
        var answer: UnsafeMutablePointer<CChar>?
        var size = 0
        let done = payload.withUnsafeBytes { bytes in
            recsys_call(method, bytes.bindMemory(to: CChar.self).baseAddress, payload.count, &answer, &size)
        }
        defer { recsys_free(answer) }
        guard done != RECSYS_FAILED, let found = answer else { throw RecsysError.last() }
        return Data(bytes: found, count: size)
    }
}

/// One person's recommender. Records are the app's own `Decodable`s, with the bridge's fields.
public final class Recommender {
    private let handle: Int

    private struct Answer<Result: Decodable>: Decodable {
        let result: Result
    }

    /// `arguments` are those of `open`, such as `["path": "me.db"]`.
    public init(_ arguments: [String: Any]) throws {
        let payload = try JSONSerialization.data(withJSONObject: arguments)
        handle = try JSONDecoder().decode(Answer<Int>.self, from: Recsys.call("open", payload)).result
    }

    /// Call a method; the handle is put in.
    public func call<Result: Decodable>(
        _ method: String, _ arguments: [String: Any] = [:], as type: Result.Type
    ) throws -> Result {
        var given = arguments
        given["handle"] = handle
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        let payload = try JSONSerialization.data(withJSONObject: given)
        return try decoder.decode(Answer<Result>.self, from: Recsys.call(method, payload)).result
    }

    deinit {
        if let payload = try? JSONSerialization.data(withJSONObject: ["handle": handle]) {
            _ = try? Recsys.call("close", payload)
        }
    }
}

public struct Recommendation: Decodable {
    public let itemId: String
    public let score: Double
    public let position: Int
    public let propensity: Double
    public let known: Bool
    public let reasons: [Reason]?
}

public struct Reason: Decodable {
    public let text: String
    public let group: String
    public let contribution: Double
    public let nEvents: Int
    public let lastAt: Double?
}

public struct Slate: Decodable {
    public let id: String
    public let nCandidates: Int
    public let items: [Recommendation]
}
