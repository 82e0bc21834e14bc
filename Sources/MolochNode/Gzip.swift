import CZlib

/// Whole bodies in the format of RFC 1952.
enum Gzip {
  /// Fast rather than small: a scrape comes every few seconds, on the thread of the reactor.
  private static let level: Int32 = 1
  /// 15 bits of window, and 16 for the wrapping of gzip.
  private static let windowBits: Int32 = 31

  /// Nil when the library has no memory.
  static func compress(_ bytes: [UInt8]) -> [UInt8]? {
    var stream = unsafe z_stream()
    // The structure lives until `deflateEnd`; version and size are those of the headers that this was compiled with.
    guard unsafe deflateInit2_(&stream, level, Z_DEFLATED, windowBits, 8, Z_DEFAULT_STRATEGY, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK else { return nil }
    // The stream was initialised above.
    defer { unsafe deflateEnd(&stream) }
    var input = bytes
    // The bound holds for one call with all of the input.
    var output = [UInt8](repeating: 0, count: Int(unsafe deflateBound(&stream, UInt(bytes.count))))
    // Both arrays outlive the call, which reads the one and writes the other within the counts that it is given.
    let result = unsafe input.withUnsafeMutableBufferPointer { source in
      unsafe output.withUnsafeMutableBufferPointer { target in
        unsafe stream.next_in = source.baseAddress
        unsafe stream.avail_in = UInt32(source.count)
        unsafe stream.next_out = target.baseAddress
        unsafe stream.avail_out = UInt32(target.count)
        return unsafe deflate(&stream, Z_FINISH)
      }
    }
    guard result == Z_STREAM_END else { return nil }
    // The count of what was written, a plain number of the structure.
    return unsafe Array(output.prefix(Int(stream.total_out)))
  }
}
