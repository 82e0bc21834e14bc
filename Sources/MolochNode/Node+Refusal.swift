import CLinux
public import Configuration
import Glibc

extension Node {
  /// Writes the record of a start that ends before there is a log, on stderr: whoever searches for trouble finds it beside what a command prints for people.
  /// - Parameters:
  ///   - place: file, line and column; empty when there is none.
  ///   - settings: what could be read of them, for the format of the log; nil when that is nothing.
  public static func reportRefusal(_ message: String, place: String = "", code: Int32, settings: Settings?) {
    let named = settings.flatMap { LogFormat(rawValue: $0.text("log.format")) }
    let fields = (place.isEmpty ? [] : [("place", place)]) + [("code", "\(code)"), ("fatal", "true")]
    let line = Log.line(named ?? LogRules.unnamedFormat, WallClock.now(), .error, "node", message, fields)
    LogWriter.write(Array((line + "\n").utf8), to: STDERR_FILENO)
  }
}
