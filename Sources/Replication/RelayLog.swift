import Mempool

/// Pending events that peers are to be sent, in one order for all of them; each peer has its place in it. Events that have left the pool are let go from the
/// front, and from anywhere when the log has grown; what waits for a peer that takes nothing is therefore never more than the pool holds.
struct RelayLog: Sendable {
  /// Entries before `head` are gone.
  private var entries: [EventHandle] = []
  private var head = 0
  /// Number of the first entry that is left.
  private(set) var begin: UInt64 = 0
  /// By index of the event: the number behind its newest entry; 0 for an event without one. As long as the highest index that was noted.
  private var places: [UInt64] = []
  private let countMax: Int

  /// - Parameter eventsMax: events that the pool holds at most.
  init(eventsMax: Int) {
    countMax = max(1024, 2 * eventsMax)
  }

  /// Number of the entry that comes next.
  var end: UInt64 { begin + UInt64(entries.count - head) }
  var isEmpty: Bool { head == entries.count }

  subscript(number: UInt64) -> EventHandle { entries[head + Int(number - begin)] }

  mutating func append(_ event: EventHandle) {
    entries.append(event)
    note(end, event)
  }

  /// An event that others send on: it has no entry.
  mutating func pass(_ event: EventHandle) { note(0, event) }

  private mutating func note(_ place: UInt64, _ event: EventHandle) {
    while places.count <= event.index { places.append(0) }
    places[event.index] = place
  }

  /// A peer was not sent the event, because a candidate block holds it: until it has a new entry, nobody can be taken to have it.
  mutating func skip(_ event: EventHandle) { note(.max, event) }

  /// The number behind the newest entry of a pending event: a peer whose place is there or further on has been sent it. 0: its origin sends it.
  func place(of event: EventHandle) -> UInt64 { event.index < places.count ? places[event.index] : 0 }

  /// Lets go of what has left the pool.
  /// - Parameter moved: called with a function from old places to new ones when entries inside the log were let go.
  mutating func trim(isPending: (EventHandle) -> Bool, moved: ((UInt64) -> UInt64) -> Void) {
    while head < entries.count, !isPending(entries[head]) { advance() }
    if entries.count - head > countMax { compact(isPending, moved) }
    // An event may have several entries; the oldest make room, and come again with the next rebroadcast.
    while entries.count - head > countMax { advance() }
    if head == entries.count {
      entries.removeAll(keepingCapacity: true)
      head = 0
    } else if head >= 4096 && head * 2 >= entries.count {
      entries.removeFirst(head)
      head = 0
    }
  }

  private mutating func advance() {
    head += 1
    begin += 1
  }

  private mutating func compact(_ isPending: (EventHandle) -> Bool, _ moved: ((UInt64) -> UInt64) -> Void) {
    // Kept entries before each old one, so that every place stays before the same entries.
    var kept: [EventHandle] = []
    var before: [UInt64] = [0]
    for entry in entries[head...] {
      if isPending(entry) { kept.append(entry) }
      before.append(UInt64(kept.count))
    }
    let (oldBegin, oldEnd) = (begin, end)
    // Numbers only grow: the log keeps its end.
    let newBegin = oldEnd - UInt64(kept.count)
    func place(_ old: UInt64) -> UInt64 { newBegin + before[Int(min(max(old, oldBegin), oldEnd) - oldBegin)] }
    moved(place)
    for entry in kept where places[entry.index] != .max { places[entry.index] = place(places[entry.index]) }
    (entries, head, begin) = (kept, 0, newBegin)
  }
}
