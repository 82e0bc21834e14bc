import Bytes
import CEd25519
import Digests
import Testing

@testable import Ed25519

/// Kernels of a path: those for many points, or for few.
struct KernelSet: Sendable {
  let path: Path
  let isNarrow: Bool

  func pointer() throws -> UnsafePointer<ced25519_kernels> { try unsafe #require(isNarrow ? path.narrowKernels : path.kernels) }
  /// Two points lie beside each other in the registers of the wide ones.
  var isPaired: Bool { path == .ifma && !isNarrow }
}

/// The paths with kernels that this processor can run, and their kernels.
private let vectorPaths = Path.available.filter { $0 != .portable }
private let kernelSets = vectorPaths.map { KernelSet(path: $0, isNarrow: false) } + (Path.ifma.isAvailable ? [KernelSet(path: .ifma, isNarrow: true)] : [])

/// The vector kernels against big integers, libcrypto and portable Swift, lane by lane.
@Suite(.enabled(if: !vectorPaths.isEmpty, "this processor has neither AVX2 nor AVX-512 IFMA"))
struct KernelTests {
  typealias Binary = (UnsafeMutablePointer<UInt64>?, UnsafePointer<UInt64>?, UnsafePointer<UInt64>?) -> Void

  /// A field element in the limbs of a path, and how wide they are and may be.
  struct Limbs {
    let path: Path
    let lanes: Int
    /// The place of each limb in bits; one more for the end.
    let places: [Int]

    init(_ kernelSet: KernelSet) throws {
      let kernels = try unsafe kernelSet.pointer()
      path = kernelSet.path
      lanes = unsafe Int(kernels.pointee.lanes)
      places = path == .avx2 ? (0...10).map { 51 * ($0 / 2) + 26 * ($0 % 2) } : (0...5).map { 51 * $0 }
      try unsafe #require(Int(kernels.pointee.limbs) == places.count - 1)
    }

    var count: Int { places.count - 1 }
    func width(_ limb: Int) -> Int { places[limb + 1] - places[limb] }
    /// The bounds of `field.h`: what a product gives; what its first and second factor may be; what a square takes.
    func weak(_ limb: Int) -> UInt64 { path == .avx2 ? (limb % 2 == 0 ? 1 << 26 + 1 << 14 : 1 << 25 + 1 << 18) : 1 << 51 + 1 << 14 }
    func loose(_ limb: Int) -> UInt64 { path == .avx2 ? (limb % 2 == 0 ? 1 << 28 + 1 << 16 : 1 << 27 + 1 << 20) : 1 << 52 }
    func tight(_ limb: Int) -> UInt64 { path == .avx2 ? (limb % 2 == 0 ? 3 << 26 + 1 << 16 : 3 << 25 + 1 << 20) : 1 << 52 }

    func integer(_ limbs: [UInt64]) -> Integer { zip(limbs, places).reduce(Integer(0)) { $0 + Integer($1.0) << $1.1 } }
    /// Limbs of radix 2^51 of a value, split further where the path does.
    func split(_ limbs51: [UInt64]) -> [UInt64] { path == .avx2 ? limbs51.flatMap { [$0 & (1 << 26 - 1), $0 >> 26] } : limbs51 }

    /// Elements at the extremes of limbs below a bound, the numbers around p and 2 p where they fit, and random ones.
    func elements(below bound: (Int) -> UInt64, seed: UInt64) -> [[UInt64]] {
      var random = Generator(state: seed)
      func edges(_ limb: Int) -> [UInt64] {
        let one = UInt64(1) << UInt64(width(limb))
        return [0, 1, 19, one - 20, one - 1, one, weak(limb) - 1, 2 * one - 1, tight(limb) - 1, bound(limb) - 1].map { min($0, bound(limb) - 1) }
      }
      var elements = (0..<10).map { edge in (0..<count).map { edges($0)[edge] } }
      for limb in 0..<count { elements.append((0..<count).map { $0 == limb ? bound($0) - 1 : 0 }) }
      // p - 1, p, p + 1, 2 p - 1, 2 p
      for (low, high) in [(20, 1), (19, 1), (18, 1), (39, 2), (38, 2)] as [(UInt64, UInt64)] {
        let limbs = split([high << 51 - low] + [UInt64](repeating: high << 51 - high, count: 4))
        if zip(limbs, 0...).allSatisfy({ $0 < bound($1) }) { elements.append(limbs) }
      }
      while elements.count < 160 {
        elements.append((0..<count).map { limb in random.next() % 2 == 0 ? edges(limb)[random.below(10)] : random.next() % bound(limb) })
      }
      return elements
    }

    /// Runs an operation on a pair of elements in each lane.
    func run(_ a: [[UInt64]], _ b: [[UInt64]], _ operation: Binary) -> [[UInt64]] {
      func interleaved(_ elements: [[UInt64]]) -> [UInt64] { (0..<count).flatMap { limb in elements.map { $0[limb] } } }
      var out = [UInt64](repeating: 0, count: count * lanes)
      // As many limbs and lanes as the kernels say that they have.
      unsafe out.withUnsafeMutableBufferPointer { out in
        unsafe interleaved(a).withUnsafeBufferPointer { a in
          unsafe interleaved(b).withUnsafeBufferPointer { b in unsafe operation(out.baseAddress, a.baseAddress, b.baseAddress) }
        }
      }
      return (0..<lanes).map { lane in (0..<count).map { out[$0 * lanes + lane] } }
    }
  }

  @Test(arguments: kernelSets) func fieldOperationsAtTheExtremesOfTheirLimbs(kernelSet: KernelSet) throws {
    let kernels = try unsafe kernelSet.pointer()
    let field = try Limbs(kernelSet)
    let loose = field.elements(below: field.loose, seed: 1), tight = field.elements(below: field.tight, seed: 2), weak = field.elements(below: field.weak, seed: 3)
    func check(_ name: String, _ left: [[UInt64]], _ right: [[UInt64]], _ operation: Binary, _ expected: (Integer, Integer) -> Integer) {
      for start in stride(from: 0, to: left.count - field.lanes + 1, by: field.lanes) {
        let a = Array(left[start..<start + field.lanes])
        // The same places first, so that extremes meet extremes; then others.
        for shift in [0, 3 * start + 5] {
          let b = (0..<field.lanes).map { right[(start + $0 + shift) % right.count] }
          for (lane, result) in unsafe field.run(a, b, operation).enumerated() {
            #expect(field.integer(result) % .p == expected(field.integer(a[lane]), field.integer(b[lane])) % .p, "\(name) \(a[lane]) \(b[lane])")
            #expect(zip(result, 0...).allSatisfy { $0 < field.weak($1) }, "\(name) \(a[lane]) \(b[lane])")
          }
        }
      }
    }
    unsafe check("product", loose, tight, { unsafe kernels.pointee.product($0, $1, $2) }, { $0 * $1 })
    unsafe check("square", tight, tight, { out, a, _ in unsafe kernels.pointee.square(out, a) }, { a, _ in a * a })
    unsafe check("sum", weak, weak, { unsafe kernels.pointee.sum($0, $1, $2) }, { $0 + $1 })
    unsafe check("difference", weak, weak, { unsafe kernels.pointee.difference($0, $1, $2) }, { $0 + .p << 2 - $1 })
    for start in stride(from: 0, to: weak.count - field.lanes + 1, by: field.lanes) {
      let a = Array(weak[start..<start + field.lanes])
      for (lane, result) in unsafe field.run(a, a, { out, a, _ in unsafe kernels.pointee.canonical(out, a) }).enumerated() {
        #expect(field.integer(result) == field.integer(a[lane]) % .p, "canonical \(a[lane])")
      }
    }
  }

  /// Sums of two entries whose coordinates are any field elements in extreme limbs, by the addition that has coordinates in lanes: the formulas do not ask whether a
  /// point lies on the curve, so every coordinate is what the same formulas give over big integers.
  @Test(arguments: kernelSets) func additionsAtTheExtremesOfTheirLimbs(kernelSet: KernelSet) throws {
    let kernels = try unsafe kernelSet.pointer()
    let field = try Limbs(kernelSet)
    let weak = field.elements(below: field.weak, seed: 4)
    /// The word that two limbs, or one, make up.
    func words(_ entry: [[UInt64]]) -> [UInt64] {
      (0..<5).flatMap { word in entry.map { field.path == .avx2 ? $0[2 * word] | $0[2 * word + 1] << 32 : $0[word] } }
    }
    for start in 0..<60 {
      let entries = [0, 1].map { half in (0..<4).map { weak[(start + 31 * half + 7 * $0) % weak.count] } }
      for signs in 0..<4 as Range<Int32> {
        let tables = entries.flatMap(words)
        // Both digits at bit 0.
        let digits: [Int32] = [signs & 1, 2, 2 | signs >> 1, -1], heads: [Int32] = [0]
        var out = [UInt64](repeating: 0, count: 20)
        // Two entries, one bit, two digits.
        unsafe out.withUnsafeMutableBufferPointer { out in
          unsafe tables.withUnsafeBufferPointer { t in
            unsafe heads.withUnsafeBufferPointer { h in
              unsafe digits.withUnsafeBufferPointer { d in unsafe kernels.pointee.straus(out.baseAddress, t.baseAddress, h.baseAddress, d.baseAddress, 0) }
            }
          }
        }
        let values = entries.map { entry in entry.map { field.integer($0) % .p } }, areNegative = [signs & 1 == 1, signs >> 1 == 1]
        let start = Projective.identity.doubled
        // Two points beside each other take a digit each and are added then; a single one takes both.
        let expected =
          kernelSet.isPaired
          ? start.plus(values[0], isNegative: areNegative[0]).plus(start.plus(values[1], isNegative: areNegative[1]).cached, isNegative: false)
          : start.plus(values[0], isNegative: areNegative[0]).plus(values[1], isNegative: areNegative[1])
        for (value, coordinate) in [expected.x, expected.y, expected.z, expected.t].enumerated() {
          let limbs = (0..<5).map { out[4 * $0 + value] }
          let integer = zip(limbs, 0...).reduce(Integer(0)) { $0 + Integer($1.0) << (51 * $1.1) }
          #expect(integer % .p == coordinate, "coordinate \(value), signs \(signs): \(entries)")
        }
      }
    }
  }

  @Test(arguments: kernelSets) func hashesInEveryLaneAreThoseOfLibcrypto(kernelSet: KernelSet) throws {
    let kernels = try unsafe kernelSet.pointer()
    let lanes = unsafe Int(kernels.pointee.lanes)
    var random = Generator(state: 3)
    let inputs = (0..<lanes * 192).map { _ in UInt8(truncatingIfNeeded: random.next()) }
    var words = [UInt64](repeating: 0, count: 8 * lanes)
    // An input of 192 bytes and a digest of eight words for each lane.
    unsafe inputs.withUnsafeBufferPointer { inputs in
      unsafe words.withUnsafeMutableBufferPointer { words in unsafe kernels.pointee.sha512_192(inputs.baseAddress, words.baseAddress) }
    }
    for lane in 0..<lanes {
      var stream = SHA512Stream()
      let input = Array(inputs[192 * lane..<192 * (lane + 1)])
      stream.update(input.bytes)
      let digest = stream.finish()
      let (a, b) = (digest.first, digest.second)
      #expect(Array(words[8 * lane..<8 * lane + 8]) == [a.w0, a.w1, a.w2, a.w3, b.w0, b.w1, b.w2, b.w3], "lane \(lane)")
    }
  }

  /// Decoding in groups of every size, among encodings that are refused: the same points and the same refusals as in portable Swift.
  @Test(arguments: vectorPaths) func pointsDecodeAsInPortableSwift(path: Path) throws {
    var pool = try CasePool(seed: 5)
    for count in Array(1...18) + [33] {
      let encodings = (0..<count).map { _ in pool.encoding() }
      var vector = Combination(slots: count, path: path)
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

/// A point of the formulas in `Point.swift`, over big integers modulo p.
private struct Projective {
  var x, y, z, t: Integer

  static let identity = Projective(x: Integer(0), y: Integer(1), z: Integer(1), t: Integer(0))

  private static func minus(_ a: Integer, _ b: Integer) -> Integer { (a + .p - b) % .p }

  /// Y - X, Y + X, 2 Z, 2 d T.
  var cached: [Integer] { [Self.minus(y, x), (y + x) % .p, (z + z) % .p, (AffinePoint.d + AffinePoint.d) * t % .p] }

  var doubled: Self {
    let (xx, yy, zz) = (x * x % .p, y * y % .p, z * z % .p)
    let h = (xx + yy) % .p, g = Self.minus(yy, xx), e = Self.minus((x + y) * (x + y) % .p, h), f = Self.minus((zz + zz + xx) % .p, yy)
    return Projective(x: e * f % .p, y: g * h % .p, z: f * g % .p, t: e * h % .p)
  }

  func plus(_ cached: [Integer], isNegative: Bool) -> Self {
    let a = Self.minus(y, x) * cached[isNegative ? 1 : 0] % .p, b = (y + x) * cached[isNegative ? 0 : 1] % .p
    let d = z * cached[2] % .p, product = t * cached[3] % .p, c = isNegative ? Self.minus(Integer(0), product) : product
    let e = Self.minus(b, a), h = (b + a) % .p, f = Self.minus(d, c), g = (d + c) % .p
    return Projective(x: e * f % .p, y: g * h % .p, z: f * g % .p, t: e * h % .p)
  }
}

/// A processor that lacks any of the features, or whose operating system does not save the registers, is not given the kernels.
@Test func dispatchAsksTheProcessorAndTheOperatingSystem() {
  let osxsave = UInt32(1) << 27, avx = UInt32(1) << 28
  let (features, saved) = (UInt32(1) << 16 | 1 << 17 | 1 << 21 | 1 << 30 | 1 << 31, UInt64(0xe6))
  #expect(ced25519_supports_ifma(osxsave, features, saved))
  #expect(!ced25519_supports_ifma(avx, features, saved))
  for bit in [16, 17, 21, 30, 31] as [UInt32] { #expect(!ced25519_supports_ifma(osxsave, features & ~(1 << bit), saved)) }
  for bit in [1, 2, 5, 6, 7] as [UInt64] { #expect(!ced25519_supports_ifma(osxsave, features, saved & ~(1 << bit))) }
  let avx2 = UInt32(1) << 5
  #expect(ced25519_supports_avx2(osxsave | avx, avx2, 0x6))
  #expect(!ced25519_supports_avx2(avx, avx2, 0x6) && !ced25519_supports_avx2(osxsave, avx2, 0x6))
  #expect(!ced25519_supports_avx2(osxsave | avx, ~avx2, 0x6))
  for bit in [1, 2] as [UInt64] { #expect(!ced25519_supports_avx2(osxsave | avx, avx2, ~(1 << bit))) }
  // A processor of AVX2 alone is not given the wider kernels.
  #expect(!ced25519_supports_ifma(osxsave | avx, avx2, 0x6))
  let (hasIFMA, hasNarrow, hasAVX2) = unsafe (ced25519_ifma() != nil, ced25519_ifma_narrow() != nil, ced25519_avx2() != nil)
  #expect(hasIFMA == Path.ifma.isAvailable && hasNarrow == hasIFMA && hasAVX2 == Path.avx2.isAvailable)
  #expect(Path.best == (Path.ifma.isAvailable ? .ifma : Path.avx2.isAvailable ? .avx2 : .portable))
  #expect(Path.available.contains(.portable) && Path.available.last == Path.best)
  for path in Path.allCases {
    let (hasKernels, hasNarrow) = unsafe (path.kernels != nil, path.narrowKernels != nil)
    #expect(hasKernels == (path != .portable && path.isAvailable) && hasNarrow == hasKernels)
  }
}
