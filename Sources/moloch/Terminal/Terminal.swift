import Bytes
import Glibc

/// What one of the command's streams can show. Results go to stdout, everything else to stderr; no escape code reaches a pipe that nobody asked to colour.
struct Terminal {
  enum ColorChoice: String, CaseIterable, Sendable { case auto, always, never }

  var isInteractive: Bool
  var usesColor: Bool
  /// Columns of the terminal, 80 when unknown.
  var columns: Int

  /// - Parameter descriptor: the stream that is written to.
  init(_ descriptor: Int32, color: ColorChoice = .auto) {
    let isDumb = Self.environment("TERM") == "dumb"
    isInteractive = isatty(descriptor) == 1 && !isDumb
    switch color {
    case .always: usesColor = true
    case .never: usesColor = false
    case .auto: usesColor = !isDumb && Self.environment("NO_COLOR") == nil && (isInteractive || Self.environment("FORCE_COLOR") != nil)
    }
    var size = winsize()
    // The kernel fills the structure during the call.
    columns = unsafe ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 0 ? Int(size.ws_col) : 80
  }

  /// The value of an environment variable; nil when unset or empty.
  static func environment(_ name: String) -> String? {
    // getenv's string is copied before anything could change the environment; the command line sets no variable.
    guard let value = unsafe getenv(name) else { return nil }
    let text = unsafe String(cString: value)
    return text.isEmpty ? nil : text
  }

  /// All variables of the process; empty when the kernel does not tell.
  static func environment() -> [(name: String, value: String)] {
    guard let bytes = try? Files.read("/proc/self/environ") else { return [] }
    return bytes.split(separator: 0).compactMap { entry in
      guard let equals = entry.firstIndex(of: 0x3D) else { return nil }
      return (String(decoding: entry[..<equals], as: UTF8.self), String(decoding: entry[(equals + 1)...], as: UTF8.self))
    }
  }

  /// Standard output is a terminal that can be drawn on.
  static var isScreen: Bool { Terminal(STDOUT_FILENO).isInteractive }

  /// Writes a line to stdout.
  static func print(_ line: String) { write(line + "\n", to: STDOUT_FILENO) }
  /// Writes a line to stderr.
  static func note(_ line: String) { write(line + "\n", to: STDERR_FILENO) }

  static func write(_ text: String, to descriptor: Int32) { write(Array(text.utf8), to: descriptor) }

  /// Writes all bytes; a closed pipe ends the command quietly, as other tools do.
  static func write(_ bytes: [UInt8], to descriptor: Int32) {
    var offset = 0
    while offset < bytes.count {
      // The array outlives the call.
      let written = unsafe bytes.withUnsafeBytes { unsafe Glibc.write(descriptor, $0.baseAddress! + offset, bytes.count - offset) }
      if written < 0 && errno == EINTR { continue }
      guard written > 0 else { return }
      offset += written
    }
  }

  enum Style: String { case bold = "1", red = "31", green = "32", yellow = "33", dim = "2" }

  /// The text in a style when colour is on, else as it is.
  func styled(_ text: String, _ style: Style) -> String { usesColor ? "\u{1B}[\(style.rawValue)m\(text)\u{1B}[0m" : text }
}

/// Numbers as people read them.
enum Figures {
  /// `1234567` as `1,234,567`.
  static func grouped(_ value: UInt64) -> String {
    var text: [Character] = []
    for (position, digit) in String(value).reversed().enumerated() {
      if position > 0 && position % 3 == 0 { text.append(",") }
      text.append(digit)
    }
    return String(text.reversed())
  }

  /// Decimal units with one decimal: `45.2 GB`; bytes below 1000 without.
  static func bytes(_ value: UInt64) -> String {
    let units = ["B", "kB", "MB", "GB", "TB", "PB"]
    var unit = 0
    var scaled = value
    var remainder: UInt64 = 0
    while scaled >= 1000 && unit < units.count - 1 {
      remainder = scaled % 1000
      scaled /= 1000
      unit += 1
    }
    guard unit > 0 else { return "\(value) B" }
    var tenths = scaled * 10 + (remainder + 50) / 100
    if tenths >= 10_000 && unit < units.count - 1 {
      tenths = (tenths + 500) / 1000
      unit += 1
    }
    return "\(tenths / 10).\(tenths % 10) \(units[unit])"
  }

  /// `2 m 21 s`, `3 h 5 m`, `12 s`.
  static func duration(seconds: UInt64) -> String {
    switch seconds {
    case ..<60: "\(seconds) s"
    case ..<3600: "\(seconds / 60) m \(seconds % 60) s"
    case ..<86400: "\(seconds / 3600) h \(seconds % 3600 / 60) m"
    default: "\(seconds / 86400) d \(seconds % 86400 / 3600) h"
    }
  }
}
