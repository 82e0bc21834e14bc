import Ambient

/// What will happen, by time: a binary heap whose ties are resolved by the order of arrival.
struct Agenda<Item> {
  private struct Entry {
    var time: Instant
    var order: UInt64
    var item: Item

    func isBefore(_ other: Entry) -> Bool { (time.nanoseconds, order) < (other.time.nanoseconds, other.order) }
  }

  private var heap: [Entry] = []
  private var order: UInt64 = 0

  var count: Int { heap.count }
  var nextTime: Instant? { heap.first?.time }

  mutating func add(_ item: Item, at time: Instant) {
    order += 1
    heap.append(Entry(time: time, order: order, item: item))
    var child = heap.count - 1
    while child > 0, heap[child].isBefore(heap[(child - 1) / 2]) {
      heap.swapAt(child, (child - 1) / 2)
      child = (child - 1) / 2
    }
  }

  mutating func next() -> (time: Instant, item: Item)? {
    guard let first = heap.first else { return nil }
    let last = heap.removeLast()
    if !heap.isEmpty {
      heap[0] = last
      var parent = 0
      while true {
        var least = parent
        for child in [2 * parent + 1, 2 * parent + 2] where child < heap.count && heap[child].isBefore(heap[least]) { least = child }
        if least == parent { break }
        heap.swapAt(parent, least)
        parent = least
      }
    }
    return (first.time, first.item)
  }
}
