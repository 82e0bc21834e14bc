public import Ambient
public import Audit
public import Digests

/// To whom a message goes.
public enum Destination: Hashable, Sendable {
  /// Every connected peer.
  case all
  case peer(PeerLink)
  case peers([PeerLink])
}

/// What a peer did that it cannot have done in good faith.
public enum Fault: Hashable, Sendable {
  /// A vote over the connection of its signer, or a witness, whose signature is not accepted.
  case badSignature
  /// A certificate that its bytes do not prove.
  case invalidCertificate
  /// A message that contradicts itself, or a proposal by somebody who does not lead the view.
  case malformed
  case wrongChain
  /// More than a peer in good faith has to say.
  case flooding
}

/// Why a node must not go on: what it was told to trust contradicts itself.
public enum Contradiction: Hashable, Sendable {
  /// A block with a finality certificate fails a check of this node.
  case finalBlockInvalid(Digest)
  /// Two certificates that no tolerated number of faults can produce.
  case certificates(Certificate, Certificate)
}

/// What the driver shall do, in order.
public enum Effect: Sendable {
  /// Write the record to the journal; its sequence number is the count of records appended since `start`, from 1. The driver answers `journalSynced`.
  case append(JournalRecord, sequence: UInt64)
  /// Send now. The machine has held the message back until every record up to `after` was synced; 0 when it promises nothing.
  case send(Message, to: Destination, after: UInt64)
  /// Assemble a block on this parent and answer with `Input.built`. The timestamp is at least this.
  case build(View, parent: BlockReference, timestamp: Timestamp)
  /// Check the block on the state after its parent, which was found valid before, and answer with `Input.validated`.
  case validate(BlockReference)
  /// Write the body to the store, synced, and answer with `Input.bodyDurable`.
  case storeBody(BlockReference)
  /// Ask these peers for the block; when it comes, answer with `Input.available`. Asked again, of others, until it does.
  case fetch(Digest, height: Height?, from: [PeerLink])
  /// Far behind: fetch and apply final blocks up to this certificate, and answer with `Input.synced`.
  case requestSync(to: Height, Certificate)
  /// Call with `Input.timer` at this time; replaces an earlier request.
  case setTimer(Instant)
  /// These blocks are final, in ascending height; the certificate finalises the last. The driver answers `applied` when they are on disk.
  case commit([BlockReference], Certificate)
  case evidence(Evidence)
  case penalise(PeerLink, Fault)
  /// The last block of the epoch before is final and applied; the driver answers `epochOpened`.
  case enterEpoch(Epoch, boundary: Digest)
  case halt(Contradiction)
  /// Whether this validator signs has changed.
  case standing(StandingChange)
}
