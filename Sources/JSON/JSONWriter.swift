public import Bytes

/// Appends compact JSON to a byte array; commas come by themselves. No allocation but the growth of the array.
///
///     var json = JSONWriter()
///     json.beginObject(); json.key("height"); json.number(17); json.endObject()
public struct JSONWriter: Sendable {
  /// The text so far.
  public var bytes: [UInt8]
  private var needsComma = false

  /// Begins a new document in the same storage.
  public mutating func restart() {
    bytes.removeAll(keepingCapacity: true)
    needsComma = false
  }

  public init(_ bytes: [UInt8] = []) { self.bytes = bytes }

  private mutating func value() {
    if needsComma { bytes.append(0x2C) }
    needsComma = true
  }

  public mutating func beginObject() { value(); bytes.append(0x7B); needsComma = false }
  public mutating func endObject() { bytes.append(0x7D); needsComma = true }
  public mutating func beginArray() { value(); bytes.append(0x5B); needsComma = false }
  public mutating func endArray() { bytes.append(0x5D); needsComma = true }

  /// The name of the next member; a literal of plain ASCII that needs no escape.
  public mutating func key(_ name: StaticString) {
    if needsComma { bytes.append(0x2C) }
    bytes.append(0x22)
    bytes.append(name)
    bytes.append("\":")
    needsComma = false
  }

  /// The name of the next member, escaped.
  public mutating func key(_ name: String) {
    string(name)
    bytes.append(0x3A)
    needsComma = false
  }

  public mutating func number(_ value: UInt64) { self.value(); bytes.append(decimal: value) }
  public mutating func number(_ value: Int) {
    self.value()
    if value < 0 { bytes.append(0x2D) }
    bytes.append(decimal: UInt64(value.magnitude))
  }
  /// A number with `decimals` digits behind the point.
  public mutating func number(_ value: Double, decimals: Int) {
    // Beyond 2^63 the scaled value has no exact integer; such numbers are written as null, as non-finite ones are.
    guard value.isFinite, decimals >= 0, decimals <= 9, value.magnitude < 9_000_000_000 else { return null() }
    self.value()
    var scale = 1.0
    for _ in 0..<decimals { scale *= 10 }
    let scaled = UInt64((value.magnitude * scale).rounded())
    if value < 0 && scaled > 0 { bytes.append(0x2D) }
    let divisor = UInt64(scale)
    bytes.append(decimal: scaled / divisor)
    guard decimals > 0 else { return }
    bytes.append(0x2E)
    let fraction = String(scaled % divisor)
    for _ in fraction.utf8.count..<decimals { bytes.append(0x30) }
    bytes += fraction.utf8
  }
  public mutating func bool(_ value: Bool) { self.value(); bytes.append(value ? "true" : "false" as StaticString) }
  public mutating func null() { value(); bytes.append("null") }

  /// A string, escaped as RFC 8259 asks.
  public mutating func string(_ text: String) {
    value()
    bytes.append(0x22)
    for byte in text.utf8 { escape(byte) }
    bytes.append(0x22)
  }

  /// A string literal of plain ASCII that needs no escape.
  public mutating func string(_ text: StaticString) {
    value()
    bytes.append(0x22)
    bytes.append(text)
    bytes.append(0x22)
  }

  /// Bytes as lowercase hexadecimal digits, behind an ASCII prefix such as `evt_`.
  public mutating func hex(_ value: Bytes32, prefix: StaticString = "") {
    self.value()
    bytes.append(0x22)
    bytes.append(prefix)
    digits(value.w0)
    digits(value.w1)
    digits(value.w2)
    digits(value.w3)
    bytes.append(0x22)
  }

  public mutating func base64(_ value: RawSpan) {
    self.value()
    bytes.append(0x22)
    Base64.append(value, to: &bytes)
    bytes.append(0x22)
  }

  /// JSON text that is already complete, spliced in as one value.
  public mutating func raw(_ json: RawSpan) { value(); bytes.append(json) }

  private mutating func digits(_ word: UInt64) {
    var shift: UInt64 = 60
    while true {
      bytes.append(Hex.digit(UInt8(truncatingIfNeeded: word >> shift & 15)))
      if shift == 0 { return }
      shift -= 4
    }
  }

  private mutating func escape(_ byte: UInt8) {
    switch byte {
    case 0x22: bytes.append("\\\"")
    case 0x5C: bytes.append("\\\\")
    case 0x0A: bytes.append("\\n")
    case 0x0D: bytes.append("\\r")
    case 0x09: bytes.append("\\t")
    case 0..<0x20:
      bytes.append("\\u00")
      bytes.append(Hex.digit(byte >> 4))
      bytes.append(Hex.digit(byte & 15))
    default: bytes.append(byte)
    }
  }
}
