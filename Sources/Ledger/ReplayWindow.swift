public import Audit
import Bytes
import Digests

/// Exact map from event id to leaf index for final events within the window.
///
/// An id fixes its statement and so its timestamp: events lie in one open-addressing table per span of time, and expiry drops whole tables.
/// A slot has 40 bytes; tables are at most three quarters full.
public struct ReplayWindow: Sendable {
  private struct Slot: BitwiseCopyable {
    var id: EventID
    /// `UInt64.max` when the slot is free; leaf indexes are below 2^53.
    var leaf: UInt64
  }
  private struct Table: Sendable {
    var count = 0
    var slots: [Slot] = []
  }

  /// Length of a span, milliseconds.
  private let span: UInt64
  /// Keyed placement: an author of events cannot choose ids that collide.
  private let seed: UInt64
  /// Span number of `tables[0]`.
  private var firstSpan: UInt64 = 0
  private var tables: [Table] = []
  /// Events held.
  public private(set) var count = 0

  /// - Parameters: windows in milliseconds; a secret random seed.
  public init(pastWindow: UInt64, futureWindow: UInt64, seed: UInt64) {
    span = max(1, (pastWindow + futureWindow) / LedgerLimit.windowSpans)
    self.seed = seed
  }

  /// The leaf of a final event, or nil when the id is not in the window.
  public func leaf(of id: EventID, timestamp: Timestamp) -> LeafIndex? {
    let number = timestamp.rawValue / span
    guard number >= firstSpan, number - firstSpan < UInt64(tables.count) else { return nil }
    let slots = tables[Int(number - firstSpan)].slots
    guard !slots.isEmpty else { return nil }
    let slot = slots[position(of: id, in: slots)]
    return slot.leaf == .max ? nil : LeafIndex(slot.leaf)
  }

  /// Adds a final event. An id that is there keeps its leaf; one older than the last expiry is not added.
  public mutating func insert(_ id: EventID, timestamp: Timestamp, leaf: LeafIndex) {
    let number = timestamp.rawValue / span
    if tables.isEmpty { firstSpan = max(firstSpan, number > 2 * LedgerLimit.windowSpans ? number - 2 * LedgerLimit.windowSpans : 0) }
    guard number >= firstSpan else { return }
    // Final events lie within one window of each other, expired or not: a few times `windowSpans` tables at most.
    precondition(number - firstSpan < 8 * LedgerLimit.windowSpans, "expire the window before inserting later events")
    let index = Int(number - firstSpan)
    while tables.count <= index { tables.append(Table()) }
    if 4 * (tables[index].count + 1) > 3 * tables[index].slots.count { grow(index) }
    let place = position(of: id, in: tables[index].slots)
    guard tables[index].slots[place].leaf == .max else { return }
    tables[index].slots[place] = Slot(id: id, leaf: leaf.rawValue)
    tables[index].count += 1
    count += 1
  }

  /// Forgets spans that end before `time`, the block time less the past window.
  public mutating func expire(before time: Timestamp) {
    let keep = time.rawValue / span
    guard keep > firstSpan else { return }
    let dropped = Int(min(keep - firstSpan, UInt64(tables.count)))
    for table in tables[..<dropped] { count -= table.count }
    tables.removeFirst(dropped)
    firstSpan = keep
  }

  private func position(of id: EventID, in slots: [Slot]) -> Int {
    let mask = slots.count - 1
    let mixed = (id.digest.bytes.w0 ^ seed).multipliedFullWidth(by: 0x9E37_79B9_7F4A_7C15)
    var place = Int(truncatingIfNeeded: mixed.high ^ mixed.low) & mask
    while slots[place].leaf != .max && slots[place].id != id { place = (place + 1) & mask }
    return place
  }

  private mutating func grow(_ index: Int) {
    let old = tables[index].slots
    var slots = [Slot](repeating: Slot(id: EventID(.zero), leaf: .max), count: max(64, 2 * old.count))
    for slot in old where slot.leaf != .max { slots[position(of: slot.id, in: slots)] = slot }
    tables[index].slots = slots
  }
}
