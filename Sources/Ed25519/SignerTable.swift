import Bytes

/// Finds the signers of a batch by key: indexes in an open table of at least twice as many places, by a hash that the seed hides from senders.
struct SignerTable: ~Copyable {
  /// Index plus 1, 0 when free.
  private var places: [Int32]
  private let seed: Bytes32
  private let mask: Int

  init(capacity: Int, seed: Bytes32) {
    var count = 4
    while count < 2 * capacity { count *= 2 }
    places = [Int32](repeating: 0, count: count)
    mask = count - 1
    self.seed = seed
  }

  mutating func removeAll() {
    for place in places.indices { places[place] = 0 }
  }

  /// The place that holds the key's index, or the free one where it belongs. There is always a free one.
  func place(of key: PublicKey, isKey: (Int) -> Bool) -> Int {
    let a = (key.bytes.w0 ^ seed.w0).multipliedFullWidth(by: key.bytes.w1 ^ seed.w1)
    let b = (key.bytes.w2 ^ seed.w2).multipliedFullWidth(by: key.bytes.w3 ^ seed.w3)
    var place = Int(truncatingIfNeeded: (a.high ^ a.low) &+ (b.high ^ b.low)) & mask
    while let index = self[place], !isKey(index) { place = (place &+ 1) & mask }
    return place
  }

  subscript(place: Int) -> Int? {
    get { places[place] == 0 ? nil : Int(places[place]) - 1 }
    set { places[place] = Int32(truncatingIfNeeded: (newValue ?? -1) &+ 1) }
  }
}
