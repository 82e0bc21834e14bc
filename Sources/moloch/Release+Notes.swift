import MolochNode
import Peering

/// What an operator has to know before this release is installed: the table of `docs/releases.md`, which a test compares.
extension Release {
  enum Kind: String {
    /// Nodes are restarted one by one, in any order.
    case rolling
    /// A node is stopped and its data migrated.
    case breaking
  }

  static let kind = Kind.breaking
  /// Versions of the protocol between nodes that this program speaks.
  static let protocols = PeeringOptions().protocols
  /// The newest version of the rules of a chain that this program knows.
  static let chainProtocolVersion = Node.chainProtocolVersion
  static let configurationChanges = "no key was removed; new are storage.snapshots, retention.backfill, network.protocol_min and network.protocol_max"

  /// Rows of the table by their names.
  static let notes: [(name: String, text: String)] = [
    ("Kind", kind == .breaking ? "breaking: the data format changes" : "rolling"),
    ("Data format", "\(dataFormat); format \(dataFormat - 1) is brought forward by moloch migrate with the node stopped"),
    ("Protocol between nodes", "\(protocols.lowerBound) to \(protocols.upperBound)"),
    ("Protocol of the chain", "\(chainProtocolVersion)"),
    ("Configuration", configurationChanges),
  ]
}
