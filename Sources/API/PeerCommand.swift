/// What an operator asks about peers.
public enum PeerCommand: Equatable, Sendable {
  /// The connected peers and, on the admin socket, the others.
  case list(includesKnown: Bool)
  /// A multiaddr with its peer id.
  case add(String, isTemporary: Bool)
  /// A peer id in base58 or as `ed25519:<64 hex>`.
  case remove(String)
  case unban(String)
}

/// What the node answers to a command about peers.
public enum PeerOutcome: Equatable, Sendable {
  /// A JSON document.
  case done([UInt8])
  /// The value is wrong; the sentence names the component.
  case malformed(String)
  /// No such peer, or no ban to lift.
  case unknown(String)
  /// The node has no room, or no network.
  case refused(String)
}

/// A node without a network: nobody is connected, nobody can be added.
public func answerWithoutNetwork(_ command: PeerCommand) -> PeerOutcome {
  switch command {
  case .list(let includesKnown): .done(Array("{\"peers\":[],\"rejected\":[],\"count\":0\(includesKnown ? ",\"known\":[]" : "")}".utf8))
  case .add, .remove, .unban: .refused("this node has no network")
  }
}
