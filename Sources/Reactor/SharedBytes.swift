import Bytes

/// Immutable bytes with a reference count, sent to many connections without a copy: a rendered answer, a broadcast frame.
@safe public final class SharedBytes: Sendable {
  // Written once in `init`, freed in `deinit`, never changed in between: safe to read from every thread.
  nonisolated(unsafe) let base: UnsafeMutableRawPointer
  /// Length in bytes.
  public let count: Int

  public init(copying bytes: RawSpan) {
    count = bytes.byteCount
    // Owned until deinit; written here once, read by everybody afterwards.
    unsafe base = UnsafeMutableRawPointer.allocate(byteCount: max(1, count), alignment: 16)
    // Both ranges hold `count` bytes.
    unsafe bytes.withUnsafeBytes { if let source = $0.baseAddress { unsafe base.copyMemory(from: source, byteCount: $0.count) } }
  }

  public convenience init(_ bytes: [UInt8]) { self.init(copying: bytes.bytes) }

  // The last reference is gone, and with it every send of these bytes.
  deinit { unsafe base.deallocate() }

  public var bytes: RawSpan {
    @_lifetime(borrow self)
    get {
      // The memory lives as long as this object, which the span borrows.
      let span = unsafe RawSpan(_unsafeStart: base, byteCount: count)
      return unsafe _overrideLifetime(span, borrowing: self)
    }
  }
}
