import Bytes

/// `Date` and `Moloch-Height` as they stand in every head.
struct CommonFields {
  var bytes: [UInt8] = []
  var height: UInt64?
  var isValid = false
}

/// An answer that is the same for every client but for the id of its request, rendered when what it says changes.
struct PreparedAnswer {
  enum Kind: Int, CaseIterable { case health, ready, status }

  /// From the status line to `X-Request-Id: `.
  var head: [UInt8] = []
  var body: [UInt8] = []
  var status = 200
  var isValid = false
}
