import Bytes

/// An answer that is the same for every client but for the id of its request, rendered when what it says changes.
struct PreparedAnswer {
  enum Kind: Int, CaseIterable { case health, ready, status }

  /// From the status line to `X-Request-Id: `.
  var head: [UInt8] = []
  var body: [UInt8] = []
  var isValid = false
}
