import Audit
import Bytes
import Digests

/// A complete answer before it is framed as HTTP.
public struct Answer: Sendable {
  public var status: Int
  public var mediaType: MediaType
  public var body: [UInt8]
  public var caching: Caching
  /// Further header fields, rendered: each `Name: value\r\n`.
  public var fields: [UInt8]

  public enum MediaType: Sendable {
    case json, bundle, ndjson, event, events, text, octets, metrics, openMetrics

    var literal: StaticString {
      switch self {
      case .json: "application/json"
      case .bundle: "application/vnd.moloch.bundle+json;version=1"
      case .ndjson: "application/x-ndjson"
      case .event: "application/vnd.moloch.event"
      case .events: "application/vnd.moloch.events"
      case .text: "text/plain; charset=utf-8"
      case .octets: "application/octet-stream"
      case .metrics: "text/plain; version=0.0.4; charset=utf-8"
      case .openMetrics: "application/openmetrics-text; version=1.0.0; charset=utf-8"
      }
    }
  }

  public enum Caching: Sendable, Equatable {
    /// Changes with the chain.
    case never
    /// Fixed for ever; the strong entity tag names the content.
    case immutable(tag: String)
    /// Holds bodies, which a redaction deletes and a prune takes away: no cache keeps it. Who has a copy of its own asks with the strong entity tag.
    case erasable(tag: String)
    /// Valid for this many seconds.
    case seconds(Int)

    var tag: String? {
      switch self {
      case .immutable(let tag), .erasable(let tag): tag
      case .never, .seconds: nil
      }
    }
  }

  /// A resource of final blocks: its strong tag is the hash of its bytes, so that representations of one resource have tags of their own.
  static func final(_ mediaType: MediaType, _ body: [UInt8], fields: [UInt8] = []) -> Answer {
    Answer(mediaType, body, caching: .immutable(tag: tag(of: body)), fields: fields)
  }

  /// A resource of final blocks with bodies of events in it.
  static func erasable(_ mediaType: MediaType, _ body: [UInt8], fields: [UInt8] = []) -> Answer {
    Answer(mediaType, body, caching: .erasable(tag: tag(of: body)), fields: fields)
  }

  private static func tag(of body: [UInt8]) -> String { String(SHA256.hash(body).hex.prefix(32)) }

  public init(status: Int = 200, _ mediaType: MediaType = .json, _ body: [UInt8], caching: Caching = .never, fields: [UInt8] = []) {
    self.status = status
    self.mediaType = mediaType
    self.body = body
    self.caching = caching
    self.fields = fields
  }
}

/// A refusal with its code, message and details; rendered as the error object of the API.
public struct Refusal: Error, Sendable {
  public var code: ErrorCode
  public var message: String
  /// Members of `details`, in order.
  public var details: [(String, Detail)]

  public enum Detail: Sendable {
    case text(String)
    case number(UInt64)
  }

  public init(_ code: ErrorCode, _ message: String, _ details: [(String, Detail)] = []) {
    self.code = code
    self.message = message
    self.details = details
  }

  static func parameter(_ name: String, _ rule: String) -> Refusal {
    Refusal(.invalidRequest, "query parameter '\(name)' \(rule)", [("field", .text(name))])
  }
}
