/// The error codes of the API and the status that each one travels with.
public enum ErrorCode: String, Sendable, CaseIterable {
  case invalidRequest = "INVALID_REQUEST"
  case invalidCursor = "INVALID_CURSOR"
  case invalidEvent = "INVALID_EVENT"
  case unauthenticated = "UNAUTHENTICATED"
  case forbidden = "FORBIDDEN"
  case signerNotAllowed = "SIGNER_NOT_ALLOWED"
  case notFound = "NOT_FOUND"
  case methodNotAllowed = "METHOD_NOT_ALLOWED"
  case notAcceptable = "NOT_ACCEPTABLE"
  case requestTimeout = "REQUEST_TIMEOUT"
  case sequenceConflict = "SEQ_CONFLICT"
  case conflict = "CONFLICT"
  case pruned = "PRUNED"
  case eventTooLarge = "EVENT_TOO_LARGE"
  case batchTooLarge = "BATCH_TOO_LARGE"
  case uriTooLong = "URI_TOO_LONG"
  case unsupportedMediaType = "UNSUPPORTED_MEDIA_TYPE"
  case rateLimited = "RATE_LIMITED"
  case headersTooLarge = "HEADERS_TOO_LARGE"
  case internalError = "INTERNAL_ERROR"
  case integrityError = "INTEGRITY_ERROR"
  case notImplemented = "NOT_IMPLEMENTED"
  case versionNotSupported = "HTTP_VERSION_NOT_SUPPORTED"
  case syncing = "SYNCING"
  case mempoolFull = "MEMPOOL_FULL"
  case storageFull = "STORAGE_FULL"
  case notReady = "NOT_READY"
  case draining = "DRAINING"

  /// HTTP status code.
  public var status: Int {
    switch self {
    case .invalidRequest, .invalidCursor, .invalidEvent: 400
    case .unauthenticated: 401
    case .forbidden, .signerNotAllowed: 403
    case .notFound: 404
    case .methodNotAllowed: 405
    case .notAcceptable: 406
    case .requestTimeout: 408
    case .sequenceConflict, .conflict: 409
    case .pruned: 410
    case .eventTooLarge, .batchTooLarge: 413
    case .uriTooLong: 414
    case .unsupportedMediaType: 415
    case .rateLimited: 429
    case .headersTooLarge: 431
    case .internalError, .integrityError: 500
    case .notImplemented: 501
    case .versionNotSupported: 505
    case .syncing, .mempoolFull, .storageFull, .notReady, .draining: 503
    }
  }

  /// Index in `APIMetrics.reasons`.
  var reason: Int {
    switch status {
    case 401: 1
    case 403: 2
    case 404, 410: 3
    case 409: 4
    case 413: 5
    case 429: 6
    case 500...: self == .versionNotSupported ? 0 : 7
    default: 0
    }
  }

  /// The code for a status that the codec itself answers with (a malformed head, a limit).
  public init(codecStatus status: Int) {
    switch status {
    case 405: self = .methodNotAllowed
    case 408: self = .requestTimeout
    case 413: self = .batchTooLarge
    case 414: self = .uriTooLong
    case 415: self = .unsupportedMediaType
    case 431: self = .headersTooLarge
    case 501: self = .notImplemented
    case 505: self = .versionNotSupported
    default: self = .invalidRequest
    }
  }

  /// Seconds for `Retry-After`, for the codes that ask the client to come again.
  public var retryAfterSeconds: Int? {
    switch self {
    case .syncing, .storageFull: 5
    case .mempoolFull, .notReady, .draining: 1
    default: nil
    }
  }
}
