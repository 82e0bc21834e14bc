import Ambient

extension SeededGenerator {
  /// Uniform below `bound`, which is above 0. The bias is far below anything a run can show.
  mutating func below(_ bound: UInt64) -> UInt64 { next().multipliedFullWidth(by: bound).high }

  mutating func between(_ low: UInt64, _ high: UInt64) -> UInt64 { low + below(high - low + 1) }

  /// True in `parts` of 1,000,000 cases.
  mutating func happens(_ parts: UInt64) -> Bool { parts > 0 && below(1_000_000) < parts }

  mutating func pick<T>(_ items: [T]) -> T { items[Int(below(UInt64(items.count)))] }

  mutating func shuffle<T>(_ items: inout [T]) {
    for index in stride(from: items.count - 1, to: 0, by: -1) { items.swapAt(index, Int(below(UInt64(index + 1)))) }
  }
}
