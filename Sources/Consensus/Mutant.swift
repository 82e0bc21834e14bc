/// One rule of the protocol left out, so that the simulator can show that it would notice. Only builds with `MOLOCH_MUTANTS` can be told to leave one
/// out; in every other build the question is constantly answered with no.
///
/// The mutants of the layers around the machine are asked for there, by the same switch: `floorApartFromBlock` where the store writes a final block,
/// `cosignaturesForgotten` where a node starts, the last three where blocks come from peers.
public enum Mutant: String, CaseIterable, Sendable {
  /// Own votes leave, and count, before their journal record is synced.
  case voteBeforeSync
  /// Finalise is sent in a view that this validator has nullified.
  case finaliseAfterNullify
  /// A validator without its journal votes at once.
  case journalWipedWithoutRecovery
  /// The bound of a recovery is not in the journal, only that the recovery is over.
  case recoveryWithoutBound
  /// The finality certificate and the height are not in one batch (store).
  case floorApartFromBlock
  /// A proposal may skip views that are not nullified.
  case skipWithoutNullification
  /// The last block of an epoch gets a child instead of being proposed again.
  case noBoundaryReproposal
  /// A view is left by a notarisation whose block is not here.
  case leaveWithoutBlock
  /// Nothing is sent again when a peer connects.
  case noResendOnReconnect
  /// A retry repeats own votes without the certificates that led here, and a status brings none either.
  case retryWithoutEntryCertificates
  /// Own votes from the journal do not count again.
  case ownVotesNotRetallied
  /// Timers get shorter with every notarisation.
  case backOffFallsOnNotarisation
  /// Two thirds of the power are enough.
  case exactTwoThirdsQuorum
  /// Own notarise votes are forgotten at a restart.
  case notariseVotesForgotten
  /// A block whose body is not on disk is finalised.
  case finaliseBeforeDurable
  /// The set of the epoch before goes on: its members lead, vote and are counted.
  case oldSetAfterBoundary
  /// A validator does not look up in its journal what it has cosigned (driver).
  case cosignaturesForgotten
  /// Blocks without bodies are taken without the proof that the anchor commits to them (replica).
  case historyWithoutProof
  /// The hashes that link the blocks of a range are not compared (replica).
  case rangeWithoutLinks
  /// A signed checkpoint counts without cosignatures of a quorum (replica).
  case checkpointWithoutQuorum
}

extension Machine {
  /// Whether this build was told to leave the rule out.
  @inline(__always) func isLeftOut(_ mutant: Mutant) -> Bool {
    #if MOLOCH_MUTANTS
      return options.mutant == mutant
    #else
      return false
    #endif
  }
}
