import Bytes
import CEd25519
import Digests

/// SHA-512 of many inputs of 192 bytes: R || A || statement, and the two hashes from which coefficients come. A vector path takes as many at a time as it has lanes.
struct Hash192: ~Copyable {
  static let byteCount = 192
  private let path: Path
  private var inputs: [UInt8] = []
  private var words: [UInt64] = []
  /// Inputs since `removeAll`.
  private(set) var count = 0

  init(path: Path) { self.path = path }

  mutating func removeAll() {
    inputs.removeAll(keepingCapacity: true)
    count = 0
  }

  /// Starts the next input; its 192 bytes are appended by the calls that follow.
  mutating func begin() { count += 1 }
  mutating func append(_ bytes: RawSpan) { inputs.append(bytes) }

  mutating func append(_ value: Bytes32) {
    // Four words, most significant byte first; every byte of them is initialised.
    let words: InlineArray<4, UInt64> = [value.w0.bigEndian, value.w1.bigEndian, value.w2.bigEndian, value.w3.bigEndian]
    let span = unsafe words.span.bytes
    inputs.append(span)
  }

  /// Hashes what was appended; `digest` answers then.
  mutating func finish() {
    // One at a time for the portable path.
    let narrow = unsafe path.narrowKernels.map { unsafe Int($0.pointee.lanes) } ?? 1
    let kernels = unsafe count <= narrow ? path.narrowKernels : path.kernels
    let lanes = unsafe Int(kernels?.pointee.lanes ?? 1)
    let full = (count + lanes - 1) / lanes * lanes
    words.removeAll(keepingCapacity: true)
    words.append(contentsOf: repeatElement(0, count: 8 * full))
    inputs.append(zeros: Self.byteCount * full - inputs.count)
    guard let kernels = unsafe kernels else { return finishPortably() }
    // `full` inputs of 192 bytes and as many digests of eight words.
    unsafe inputs.withUnsafeBufferPointer { inputs in
      unsafe words.withUnsafeMutableBufferPointer { words in
        for start in stride(from: 0, to: full, by: lanes) {
          unsafe kernels.pointee.sha512_192(inputs.baseAddress.unsafelyUnwrapped + start * Self.byteCount, words.baseAddress.unsafelyUnwrapped + 8 * start)
        }
      }
    }
  }

  private mutating func finishPortably() {
    for index in 0..<count {
      var hash = SHA512Stream()
      hash.update(inputs.bytes.extracting(Self.byteCount * index..<Self.byteCount * (index + 1)))
      let digest = hash.finish()
      let (a, b) = (digest.first, digest.second)
      for (place, word) in [a.w0, a.w1, a.w2, a.w3, b.w0, b.w1, b.w2, b.w3].enumerated() { words[8 * index + place] = word }
    }
  }

  func digest(_ index: Int) -> Bytes64 {
    let at = 8 * index
    return Bytes64(Bytes32(words[at], words[at + 1], words[at + 2], words[at + 3]), Bytes32(words[at + 4], words[at + 5], words[at + 6], words[at + 7]))
  }
}
