/// One operation on one key as a thread saw it: what it did, what it was told, and when it began and ended by one clock for all.
struct Operation: Sendable {
  enum Answer: Sendable {
    /// The key was absent and is present now.
    case accepted
    /// The key was present: an admission was refused, or a look-up found it.
    case present
    /// The key was absent: a look-up found nothing.
    case absent
    /// The key was present and is absent now.
    case removed
    /// No room: says nothing about the key.
    case refused
  }
  var key: UInt64
  var begin: UInt64
  var end: UInt64
  var answer: Answer
}

/// Decides whether a history of one key is linearizable: whether some order of the operations, in which none stands before one that ended before it began,
/// explains every answer (J. Wing and C. Gong, "Testing and Verifying Concurrent Objects", 1993, with visited states remembered).
struct Linearizability {
  private let operations: [Operation]
  private var visited: Set<State> = []

  private struct State: Hashable {
    var done: Set<Int>
    var isPresent: Bool
  }

  private init(_ operations: [Operation]) { self.operations = operations.sorted { $0.begin < $1.begin } }

  /// True when every key's operations are linearizable from "absent".
  static func holds(_ history: [Operation]) -> Bool { firstViolation(history) == nil }

  /// The operations of the first key that has no explanation, in order of their begin.
  static func firstViolation(_ history: [Operation]) -> [Operation]? {
    let byKey = Dictionary(grouping: history, by: \.key)
    for key in byKey.keys.sorted() {
      var search = Linearizability(byKey[key]!)
      if !search.explains() { return search.operations }
    }
    return nil
  }

  /// Depth-first over (first operation not yet placed, later ones placed early, state).
  private mutating func explains() -> Bool {
    var stack: [(first: Int, early: Set<Int>, isPresent: Bool)] = [(0, [], false)]
    while let (begin, placed, isPresent) = stack.popLast() {
      var (first, early) = (begin, placed)
      while early.remove(first) != nil { first += 1 }
      if first == operations.count { return true }
      guard visited.insert(State(done: early.union([-1 - first]), isPresent: isPresent)).inserted else { continue }
      // Only what began before the earliest end of the unplaced ones may come next.
      var horizon = UInt64.max
      var index = first
      while index < operations.count, operations[index].begin < horizon {
        if !early.contains(index) {
          horizon = min(horizon, operations[index].end)
          if let next = Self.apply(operations[index].answer, isPresent) { stack.append((first, early.union([index]), next)) }
        }
        index += 1
      }
    }
    return false
  }

  private static func apply(_ answer: Operation.Answer, _ isPresent: Bool) -> Bool? {
    switch answer {
    case .accepted: isPresent ? nil : true
    case .present: isPresent ? true : nil
    case .absent: isPresent ? nil : false
    case .removed: isPresent ? false : nil
    case .refused: isPresent
    }
  }
}
