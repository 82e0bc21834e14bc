import Ambient
import Audit
import Bytes
import Digests
import Ed25519
import Glibc

/// Draws audit events from a seed: the same seed, the same bytes.
struct EventGenerator {
  /// Distribution of body sizes.
  enum Size: Equatable {
    case fixed(Int)
    /// Log-normal with the given median, cut at `max` bytes; sigma is 0.6, about what access logs show.
    case lognormal(median: Int, max: Int)

    /// Parses `512`, `fixed:512` or `lognormal:512,4096`.
    init?(_ text: String) {
      if let size = Int(text), size >= 0 { self = .fixed(size); return }
      let parts = text.split(separator: ":", maxSplits: 1)
      guard parts.count == 2 else { return nil }
      let numbers = parts[1].split(separator: ",").map { Int($0) }
      switch (parts[0], numbers.count) {
      case ("fixed", 1):
        guard let size = numbers[0], size >= 0 else { return nil }
        self = .fixed(size)
      case ("lognormal", 2):
        guard let median = numbers[0], let max = numbers[1], median > 0, max >= median else { return nil }
        self = .lognormal(median: median, max: max)
      default: return nil
      }
    }
  }

  /// Shares of the kinds of events, by weight.
  struct Mix: Equatable {
    var kinds: [(name: String, weight: Int)]
    static func == (a: Mix, b: Mix) -> Bool { a.kinds.elementsEqual(b.kinds) { $0.name == $1.name && $0.weight == $1.weight } }

    /// Parses `push=60,access=40`; names are event types, `access` stands for `access_granted`.
    init?(_ text: String) {
      kinds = []
      for part in text.split(separator: ",") {
        let pair = part.split(separator: "=")
        guard pair.count == 2, let weight = Int(pair[1]), weight > 0 else { return nil }
        kinds.append((pair[0] == "access" ? "access_granted" : String(pair[0]), weight))
      }
      if kinds.isEmpty { return nil }
    }
  }

  private var random: SeededGenerator
  private let size: Size
  private let mix: Mix
  private let keys: [SigningKey]
  private var sequences: [UInt64]
  private let chainTag: ChainTag
  private let stream: UInt64

  /// - Parameter signers: number of distinct keys, derived from the seed.
  init(seed: UInt64, signers: Int, size: Size, mix: Mix, chainTag: ChainTag) {
    random = SeededGenerator(seed: seed)
    self.size = size
    self.mix = mix
    self.chainTag = chainTag
    // A corpus made anew for the same chain must not reuse (signer, stream, seq): the stream follows the seed.
    stream = seed & (1 << 53 - 1)
    keys = (0..<signers).map { index in
      var material = Array("moloch-load signer".utf8)
      material.append(bigEndian: seed)
      material.append(bigEndian: UInt64(index))
      return SigningKey(seed: SHA256.hash(material).bytes)
    }
    sequences = Array(repeating: 0, count: signers)
  }

  /// The next record, signed at `timestamp`.
  mutating func next(timestamp: Timestamp) -> (record: [UInt8], id: EventID) {
    let signer = Int(random.next() % UInt64(keys.count))
    sequences[signer] += 1
    var blob: [UInt8] = []
    blob.append(Bytes16(random.next(), random.next()))
    body(into: &blob)
    let statement = Statement(
      flags: [], contentType: .json, bodyLength: UInt32(blob.count - Record.saltByteCount), timestamp: timestamp, stream: stream,
      sequence: sequences[signer], chainTag: chainTag, signer: keys[signer].publicKey, bodyDigest: SHA256.hash(blob))
    let encoded = statement.encoded
    let entry = Entry(statement: statement, signature: keys[signer].sign(encoded.bytes))
    return (entry.encoded + blob, EventID(SHA256.hash(encoded)))
  }

  private mutating func body(into bytes: inout [UInt8]) {
    let start = bytes.count
    let kind = drawKind()
    let user = random.next() % 10_000
    let repository = random.next() % 500
    let text =
      "{\"event_type\":\"\(kind)\",\"actor\":{\"id\":\"user:u\(user)@example.com\",\"kind\":\"user\"},"
      + "\"resource\":{\"id\":\"repo:example/r\(repository)\",\"kind\":\"repository\"},\"outcome\":\"success\",\"metadata\":{\"note\":\""
    bytes += text.utf8
    let target = drawSize()
    while bytes.count - start < target - 3 { bytes.append(UInt8(ascii: "a") + UInt8(random.next() % 26)) }
    bytes += "\"}}".utf8
  }

  private mutating func drawKind() -> String {
    var ticket = Int(random.next() % UInt64(mix.kinds.reduce(0) { $0 + $1.weight }))
    for kind in mix.kinds {
      if ticket < kind.weight { return kind.name }
      ticket -= kind.weight
    }
    return mix.kinds[0].name
  }

  private mutating func drawSize() -> Int {
    switch size {
    case .fixed(let size): return size
    case .lognormal(let median, let max):
      // Box-Muller on two uniforms of 53 bits.
      let u1 = (Double(random.next() >> 11) + 1) / Double(1 << 53)
      let u2 = Double(random.next() >> 11) / Double(1 << 53)
      let normal = (-2 * log(u1)).squareRoot() * cos(2 * Double.pi * u2)
      return min(max, Int(Double(median) * exp(0.6 * normal)))
    }
  }
}
