/// Header fields that a node or its tools act on; all others are read, counted and passed over.
@frozen public enum FieldName: UInt8, Sendable, BitwiseCopyable, CaseIterable {
  case other = 0
  case host, contentLength, transferEncoding, connection, expect, contentType, contentEncoding, accept, acceptEncoding, authorization
  case apiKey, requestID, prefer, ifNoneMatch, idempotencyKey, forwardedFor, origin, upgrade, lastEventID, retryAfter, location

  /// The name in lower case.
  @inlinable var literal: StaticString {
    switch self {
    case .other: ""
    case .host: "host"
    case .contentLength: "content-length"
    case .transferEncoding: "transfer-encoding"
    case .connection: "connection"
    case .expect: "expect"
    case .contentType: "content-type"
    case .contentEncoding: "content-encoding"
    case .accept: "accept"
    case .acceptEncoding: "accept-encoding"
    case .authorization: "authorization"
    case .apiKey: "x-api-key"
    case .requestID: "x-request-id"
    case .prefer: "prefer"
    case .ifNoneMatch: "if-none-match"
    case .idempotencyKey: "idempotency-key"
    case .forwardedFor: "x-forwarded-for"
    case .origin: "origin"
    case .upgrade: "upgrade"
    case .lastEventID: "last-event-id"
    case .retryAfter: "retry-after"
    case .location: "location"
    }
  }
}
