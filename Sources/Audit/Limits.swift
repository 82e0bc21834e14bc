/// Limits of the formats. A block of the largest parameters (32 MiB) is the largest thing that a peer can ask a node to hold at once.
public enum LedgerLimit {
  /// `genesis.json`, bytes.
  public static let genesisByteCount = 1 << 20
  /// Validators of a set.
  public static let validators = 128
  /// Records of a signer registry.
  public static let registeredSigners = 65_536
  /// Bytes of a name in a fixed field.
  public static let nameByteCount = 64
  /// Changes of one signer proposal.
  public static let signerChanges = 256
  /// Events of one redaction proposal.
  public static let redactedEvents = 1000
  /// Note of a redaction proposal, bytes.
  public static let redactionNoteByteCount = 1024
  /// Signature lines of a note that is read.
  public static let noteSignatures = 100
  /// Text and signatures of a note, bytes: far more than 100 lines of the longest names need.
  public static let noteByteCount = 1 << 17
  /// A policy file, bytes.
  public static let policyByteCount = 1 << 20
  /// Logs, witnesses and groups of a policy, each.
  public static let policyNames = 1024
  /// A proof bundle, bytes: a 1 MiB body twice in base 64, plus several hundred handoffs.
  public static let bundleByteCount = 64 << 20
  /// Handoffs that a bundle may hold.
  public static let handoffs = 65_536
}
