import Bytes
import CEd25519
import Digests
import Testing

@testable import Ed25519

/// The vector kernels against big integers and libcrypto, lane by lane.
@Suite(.enabled(if: Path.ifma.isAvailable, "this processor has no AVX-512 IFMA"))
struct KernelTests {
  private typealias Binary = (UnsafeMutablePointer<UInt64>?, UnsafePointer<UInt64>?, UnsafePointer<UInt64>?) -> Void

  /// Runs an operation on eight pairs of elements at once, laid out limb by limb.
  private static func lanes(_ a: [FieldElement], _ b: [FieldElement], _ operation: Binary) -> [FieldElement] {
    func interleaved(_ elements: [FieldElement]) -> [UInt64] { (0..<5).flatMap { limb in elements.map { $0.limbs[limb] } } }
    var out = [UInt64](repeating: 0, count: 40)
    // Five limbs of eight lanes, as the header of the kernels says.
    unsafe out.withUnsafeMutableBufferPointer { out in
      unsafe interleaved(a).withUnsafeBufferPointer { a in
        unsafe interleaved(b).withUnsafeBufferPointer { b in unsafe operation(out.baseAddress, a.baseAddress, b.baseAddress) }
      }
    }
    return (0..<8).map { lane in FieldElement(out[lane], out[8 + lane], out[16 + lane], out[24 + lane], out[32 + lane]) }
  }

  private static func elements(below bound: UInt64, seed: UInt64) -> [FieldElement] {
    var random = Generator(state: seed)
    let edges = [0, 1, 19, (1 << 51) - 20, (1 << 51) - 1, 1 << 51, (1 << 51) + (1 << 14) - 1, (1 << 52) - 1].filter { $0 < bound }
    func limb() -> UInt64 { random.next() % 2 == 0 ? edges[random.below(edges.count)] : random.next() % bound }
    var elements = edges.map { FieldElement($0, $0, $0, $0, $0) }
    // p - 1, p, p + 1, 2 p - 1, 2 p
    for (low, high) in [(20, 1), (19, 1), (18, 1), (39, 2), (38, 2)] as [(UInt64, UInt64)] {
      elements.append(FieldElement(high << 51 - low, high << 51 - high, high << 51 - high, high << 51 - high, high << 51 - high))
    }
    let allowed = elements.filter { $0.limbs.allSatisfy { $0 < bound } }
    return allowed + (0..<(160 - allowed.count)).map { _ in FieldElement(limb(), limb(), limb(), limb(), limb()) }
  }

  @Test func fieldOperationsAtTheExtremesOfTheirLimbs() {
    for (bound, isWeakOnly) in [(UInt64(1) << 52, false), (1 << 51 + 1 << 14, true)] {
      let elements = Self.elements(below: bound, seed: bound)
      for start in stride(from: 0, to: elements.count - 8, by: 8) {
        let a = Array(elements[start..<start + 8])
        let b = (0..<8).map { elements[(start * 3 + 5 * $0) % elements.count] }
        func check(_ name: String, _ operation: Binary, _ expected: (Integer, Integer) -> Integer) {
          for (lane, result) in unsafe Self.lanes(a, b, operation).enumerated() {
            #expect(result.integer % .p == expected(a[lane].integer, b[lane].integer) % .p, "\(name) \(a[lane]) \(b[lane])")
            #expect(result.limbs.allSatisfy { $0 < 1 << 51 + 1 << 14 }, "\(name) \(a[lane]) \(b[lane])")
          }
        }
        unsafe check("product", { unsafe ced25519_product($0, $1, $2) }, { $0 * $1 })
        unsafe check("square", { out, a, _ in unsafe ced25519_square(out, a) }, { a, _ in a * a })
        guard isWeakOnly else { continue }
        unsafe check("sum", { unsafe ced25519_sum($0, $1, $2) }, { $0 + $1 })
        unsafe check("difference", { unsafe ced25519_difference($0, $1, $2) }, { $0 + .p << 2 - $1 })
        for (lane, result) in unsafe Self.lanes(a, b, { out, a, _ in unsafe ced25519_canonical(out, a) }).enumerated() {
          #expect(result.integer == a[lane].integer % .p, "canonical \(a[lane])")
        }
      }
    }
  }

  @Test func hashesOfEightInputsAreThoseOfLibcrypto() {
    var random = Generator(state: 3)
    let inputs = (0..<8 * 192).map { _ in UInt8(truncatingIfNeeded: random.next()) }
    var words = [UInt64](repeating: 0, count: 64)
    // Eight inputs of 192 bytes, eight digests of eight words.
    unsafe inputs.withUnsafeBufferPointer { inputs in
      unsafe words.withUnsafeMutableBufferPointer { words in unsafe ced25519_sha512_192(inputs.baseAddress, words.baseAddress) }
    }
    for lane in 0..<8 {
      var stream = SHA512Stream()
      let input = Array(inputs[192 * lane..<192 * (lane + 1)])
      stream.update(input.bytes)
      let digest = stream.finish()
      let (a, b) = (digest.first, digest.second)
      #expect(Array(words[8 * lane..<8 * lane + 8]) == [a.w0, a.w1, a.w2, a.w3, b.w0, b.w1, b.w2, b.w3], "lane \(lane)")
    }
  }

  /// Decoding in groups of every size, among encodings that are refused: the same points and the same refusals as in portable Swift.
  @Test func pointsDecodeAsInPortableSwift() throws {
    var pool = try CasePool(seed: 5)
    for count in Array(1...18) + [33] {
      let encodings = (0..<count).map { _ in pool.encoding() }
      var vector = Combination(slots: count, path: .ifma)
      var portable = Combination(slots: count, path: .portable)
      for (slot, encoding) in encodings.enumerated() {
        vector.decode(encoding, negatedInto: slot)
        portable.decode(encoding, negatedInto: slot)
      }
      vector.finishDecoding()
      for (slot, encoding) in encodings.enumerated() {
        let isValid = vector.isDecoded(slot)
        #expect(isValid == portable.isDecoded(slot), "\(encoding.hex)")
        guard isValid else { continue }
        vector.removeTerms()
        vector.add(Scalar(1), isNegative: true, slot: slot)
        let decoded = vector.strausSum().bytes
        #expect(decoded == encoding)
      }
    }
  }
}

/// A processor that lacks any of the features, or whose operating system does not save the registers, is not given the kernels.
@Test func dispatchAsksTheProcessorAndTheOperatingSystem() {
  let (osxsave, features, saved) = (UInt32(1) << 27, UInt32(1) << 16 | 1 << 17 | 1 << 21 | 1 << 30 | 1 << 31, UInt64(0xe6))
  #expect(ced25519_supports(osxsave, features, saved))
  #expect(!ced25519_supports(0, features, saved))
  for bit in [16, 17, 21, 30, 31] as [UInt32] { #expect(!ced25519_supports(osxsave, features & ~(1 << bit), saved)) }
  for bit in [1, 2, 5, 6, 7] as [UInt64] { #expect(!ced25519_supports(osxsave, features, saved & ~(1 << bit))) }
  #expect(ced25519_has_ifma() == Path.ifma.isAvailable)
  #expect(Path.best == (Path.ifma.isAvailable ? .ifma : .portable))
  #expect(Path.available.contains(.portable) && Path.available.last == Path.best)
}
