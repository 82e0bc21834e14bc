import Glibc

/// A progress line on stderr with rate and time left: redrawn ten times a second on a terminal, one plain line per ten seconds elsewhere.
struct ProgressBar {
  private static let redrawMilliseconds: UInt64 = 100
  private static let plainMilliseconds: UInt64 = 10_000

  let label: String
  /// Things to do in all; 0 when unknown.
  let total: UInt64
  let unit: String
  private let terminal: Terminal
  private let isQuiet: Bool
  private let started: UInt64
  private var lastShown: UInt64
  private var isDrawn = false

  init(_ label: String, total: UInt64, unit: String, terminal: Terminal, isQuiet: Bool) {
    self.label = label
    self.total = total
    self.unit = unit
    self.terminal = terminal
    self.isQuiet = isQuiet
    started = SystemTime.monotonicMilliseconds()
    lastShown = started
  }

  mutating func update(_ done: UInt64) {
    guard !isQuiet else { return }
    let now = SystemTime.monotonicMilliseconds()
    guard now - lastShown >= (terminal.isInteractive ? Self.redrawMilliseconds : Self.plainMilliseconds) else { return }
    lastShown = now
    show(done, now: now)
  }

  /// Draws the last state and ends the line.
  mutating func finish(_ done: UInt64) {
    guard !isQuiet else { return }
    if terminal.isInteractive || isDrawn { show(done, now: SystemTime.monotonicMilliseconds()) }
    if terminal.isInteractive { Terminal.write("\n", to: STDERR_FILENO) }
  }

  private mutating func show(_ done: UInt64, now: UInt64) {
    isDrawn = true
    let line = Self.line(label, done: done, total: total, unit: unit, elapsedMilliseconds: now - started, columns: terminal.columns)
    Terminal.write(terminal.isInteractive ? "\r\(line)\u{1B}[K" : line + "\n", to: STDERR_FILENO)
  }

  /// One line of at most `columns` - 1 characters, at the rate of all that was done since `elapsedMilliseconds`.
  static func line(_ label: String, done: UInt64, total: UInt64, unit: String, elapsedMilliseconds: UInt64, columns: Int) -> String {
    line(label, done: done, total: total, unit: unit, rate: elapsedMilliseconds == 0 ? 0 : done * 1000 / elapsedMilliseconds, columns: columns)
  }

  /// - Parameters:
  ///   - rate: things per second.
  ///   - note: what follows the figures.
  static func line(_ label: String, done: UInt64, total: UInt64, unit: String, rate: UInt64, note: String = "", columns: Int) -> String {
    // Bytes are read as people read them, everything else is counted.
    func amount(_ value: UInt64) -> String { unit == "bytes" ? Figures.bytes(value) : Figures.grouped(value) }
    let pace = unit == "bytes" ? Figures.bytes(rate) + "/s" : "\(Figures.grouped(rate)) \(unit)/s"
    guard total > 0 else {
      // Before anything is known there is nothing to count.
      guard !unit.isEmpty, done > 0 else { return String("\(label) ...".prefix(columns - 1)) }
      return String("\(label)  \(amount(done))\(unit == "bytes" ? "" : " " + unit)  \(pace)".prefix(columns - 1))
    }
    let permille = min(1000, done * 1000 / total)
    var tail = " \(permille / 10).\(permille % 10) %  \(amount(done)) / \(amount(total))  \(pace)"
    if done < total && rate > 0 { tail += "  ETA " + Figures.duration(seconds: (total - done + rate - 1) / rate) }
    tail += note
    let room = columns - 1 - label.count - tail.count - 4
    guard room >= 8 else { return String((label + tail).prefix(columns - 1)) }
    let width = min(28, room)
    let filled = Int(permille) * width / 1000
    return "\(label)  [" + String(repeating: "█", count: filled) + String(repeating: " ", count: width - filled) + "]" + tail
  }
}
