/// A property that did not hold.
public struct Failure: Error, Hashable, Sendable, CustomStringConvertible {
  /// The class decides the exit code of `moloch-sim`.
  public enum Class: Int32, Sendable, CaseIterable {
    /// Two honest nodes have different blocks, sets or roots at one height.
    case agreement = 10
    /// A final block breaks a rule, has a gap before it, or a timestamp went back.
    case validity = 11
    /// An honest key signed conflicting votes.
    case doubleVote = 12
    /// A vote left before its record was on disk.
    case earlyVote = 13
    /// What was reported final is gone, or an acknowledged event is missing or there twice.
    case durability = 14
    /// Certificates contradict the lemmas, or one is not sound.
    case certificate = 15
    /// No progress after the faults stopped.
    case liveness = 16
    /// A table grew past its bound, or messages never ended.
    case bounds = 17
    /// The same seed gave another run.
    case determinism = 18
    /// A node halted or trapped on input that it must survive.
    case halt = 19
    /// An honest node was found guilty by another.
    case injustice = 20
    /// A validator set came into force, or a key voted, against what governance has decided.
    case membership = 21
  }

  public var kind: Class
  /// Simulated milliseconds.
  public var milliseconds: UInt64
  public var detail: String

  public init(kind: Class, milliseconds: UInt64, detail: String) {
    self.kind = kind
    self.milliseconds = milliseconds
    self.detail = detail
  }

  public var description: String { "\(kind) at \(milliseconds) ms: \(detail)" }
}
