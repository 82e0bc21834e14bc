public import Ambient

/// What runs on a loop: it is told what happened and queues what shall happen through the `Loop` it is handed.
///
/// No callback is entered while another is running: calls on the loop only queue. Every connection that was announced by `accepted` or made
/// by `Loop.connect` ends with exactly one `closed`.
public protocol Driver {
  mutating func accepted(_ connection: ConnectionID, on listener: ListenerID, _ loop: Loop)
  mutating func connected(_ connection: ConnectionID, _ loop: Loop)

  /// Contiguous unread bytes, valid during the call. Returns how many were consumed, 0 to all; the rest is presented again, with what follows
  /// it, when more has arrived or after `Loop.resumeInput`.
  mutating func received(_ connection: ConnectionID, _ bytes: RawSpan, _ loop: Loop) -> Int

  /// The peer sends no more. Everything it sent was presented; the connection can still send.
  mutating func inputEnded(_ connection: ConnectionID, _ loop: Loop)

  /// Queued output fell to `ReactorLimits.outputBytesLow` after it had been above.
  mutating func sendDrained(_ connection: ConnectionID, _ loop: Loop)

  /// The connection is gone and its name inert.
  mutating func closed(_ connection: ConnectionID, _ reason: CloseReason, _ loop: Loop)

  mutating func timer(_ token: UInt64, _ loop: Loop)

  /// A foreign thread called `Waker.wake` at least once since the last call.
  mutating func woken(_ loop: Loop)

  /// SIGTERM, SIGINT or SIGHUP arrived (after `EventLoop.watchSignals`).
  mutating func signalled(_ signal: Int32, _ loop: Loop)

  /// The end of a tick, before its output leaves.
  mutating func ticked(_ now: Instant, _ loop: Loop)
}

extension Driver {
  public mutating func connected(_ connection: ConnectionID, _ loop: Loop) {}
  public mutating func inputEnded(_ connection: ConnectionID, _ loop: Loop) { loop.close(connection) }
  public mutating func sendDrained(_ connection: ConnectionID, _ loop: Loop) {}
  public mutating func timer(_ token: UInt64, _ loop: Loop) {}
  public mutating func woken(_ loop: Loop) {}
  public mutating func signalled(_ signal: Int32, _ loop: Loop) {}
  public mutating func ticked(_ now: Instant, _ loop: Loop) {}
}
