import ArgumentParser

/// The exit codes of every command; they follow sysexits where one fits. An unexpected error is always `internalError`, never 1.
enum Exit {
  /// `verify` only: the proof or the data is invalid.
  static let invalid = ExitCode(1)
  /// Checked, and the answer is no: findings, a rejected event, an unknown peer.
  static let no = ExitCode(2)
  /// `verify` only: consistent, but no trust root was given or reached.
  static let notAnchored = ExitCode(3)
  /// `verify` only: valid, but a demand of the command line cannot be met.
  static let demandUnmet = ExitCode(4)
  static let usage = ExitCode(64)
  static let dataCorrupt = ExitCode(65)
  static let inputMissing = ExitCode(66)
  static let unreachable = ExitCode(69)
  static let internalError = ExitCode(70)
  static let wouldOverwrite = ExitCode(73)
  static let inputOutput = ExitCode(74)
  static let temporary = ExitCode(75)
  static let permission = ExitCode(77)
  static let configuration = ExitCode(78)
}

/// A failure that a command reports in one message and ends with the code it names.
struct CommandFailure: Error, CustomStringConvertible {
  var message: String
  var code: ExitCode
  var description: String { message }

  init(_ message: String, _ code: ExitCode) {
    self.message = message
    self.code = code
  }
}
