import CEd25519

/// The implementations of the one acceptance rule, the fastest one last. Their verdicts are equal; they differ in speed.
public enum Path: String, Sendable, CaseIterable {
  /// Swift alone, on every machine.
  case portable
  /// AVX2, four lanes.
  case avx2
  /// AVX-512 IFMA, eight lanes.
  case ifma

  // Constants of the C target, which are never written; null where this processor cannot run them.
  private nonisolated(unsafe) static let avx2Kernels: UnsafePointer<ced25519_kernels>? = unsafe ced25519_avx2()
  private nonisolated(unsafe) static let ifmaKernels: UnsafePointer<ced25519_kernels>? = unsafe ced25519_ifma()
  private nonisolated(unsafe) static let ifmaNarrowKernels: UnsafePointer<ced25519_kernels>? = unsafe ced25519_ifma_narrow()

  /// The vector kernels of this path; nil for the portable one, and where the processor or its operating system lacks them: nobody can call what cannot run.
  @unsafe var kernels: UnsafePointer<ced25519_kernels>? {
    switch self {
    case .portable: nil
    case .avx2: unsafe Self.avx2Kernels
    case .ifma: unsafe Self.ifmaKernels
    }
  }

  /// Those that take less time for a few points or inputs, over the same entries; the same ones where there is one width.
  @unsafe var narrowKernels: UnsafePointer<ced25519_kernels>? {
    switch self {
    case .portable, .avx2: unsafe kernels
    case .ifma: unsafe Self.ifmaNarrowKernels
    }
  }

  /// True when this processor and its operating system can run it.
  public var isAvailable: Bool { unsafe self == .portable || kernels != nil }
  /// Those that can run here, the fastest one last.
  public static var available: [Path] { allCases.filter(\.isAvailable) }
  /// The fastest one that can run here.
  public static let best: Path = available.last ?? .portable
}
