/// A tar archive in memory, in the format of POSIX.1-1988 (ustar): regular files with short names.
struct TarArchive {
  private static let blockBytes = 512
  /// The name field of a header.
  private static let nameBytes = 100

  private(set) var bytes: [UInt8] = []
  /// Unix seconds that every member carries.
  private let time: UInt64

  init(time: UInt64) { self.time = time }

  /// Adds a file with mode 0600.
  /// - Precondition: the name has at most 100 bytes, the content less than 8 GiB: the fields of the format.
  mutating func add(_ name: String, _ content: [UInt8]) {
    precondition(name.utf8.count <= Self.nameBytes && content.count < 1 << 33)
    var header = [UInt8](repeating: 0, count: Self.blockBytes)
    func put(_ text: some Sequence<UInt8>, at offset: Int) { for (index, byte) in text.enumerated() { header[offset + index] = byte } }
    put(name.utf8, at: 0)
    put(Self.octal(0o600, 7), at: 100)
    put(Self.octal(0, 7), at: 108)
    put(Self.octal(0, 7), at: 116)
    put(Self.octal(UInt64(content.count), 11), at: 124)
    put(Self.octal(time, 11), at: 136)
    // The sum counts its own field as blanks.
    put([UInt8](repeating: 0x20, count: 8), at: 148)
    header[156] = UInt8(ascii: "0")
    put("ustar".utf8, at: 257)
    put("00".utf8, at: 263)
    put(Self.octal(header.reduce(0) { $0 + UInt64($1) }, 6), at: 148)
    header[154] = 0
    bytes += header
    bytes += content
    bytes += [UInt8](repeating: 0, count: (Self.blockBytes - content.count % Self.blockBytes) % Self.blockBytes)
  }

  /// The archive with the two empty blocks of its end.
  var finished: [UInt8] { bytes + [UInt8](repeating: 0, count: 2 * Self.blockBytes) }

  private static func octal(_ value: UInt64, _ digits: Int) -> [UInt8] {
    let text = String(value, radix: 8)
    return Array((String(repeating: "0", count: max(0, digits - text.utf8.count)) + text).utf8)
  }
}
