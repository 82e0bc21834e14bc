import Audit
import Configuration
import Consensus
import Ed25519
import Metrics
import Reactor
import Replication

/// Whether this validator signs: what the log says of it, and what outlives the process.
extension NodeDriver {
  private var keyText: String { (replica?.key ?? home.validatorKey).map { "\($0.publicKey)" } ?? "-" }
  private static let listens = "the validator listens and signs nothing"
  private static let halts = "the validator is halted and signs nothing: another instance votes with its key. Stop that one, 'moloch validator protection export' there and 'import' here"

  /// What was found at the start.
  func report(_ doubt: StartDoubt) {
    let window = ("listen_window_ms", "\(options.settings.milliseconds("consensus.listen_window"))")
    switch doubt {
    case .lost(let reason): log.warn("validator", Self.listens, [("reason", reason), ("key", keyText), window])
    case .elsewhere:
      log.warn("validator", Self.listens, [("reason", "data/validator was copied, restored or moved"), ("key", keyText), window])
    case .interrupted: log.warn("validator", Self.listens, [("reason", "it was stopped while it listened"), ("key", keyText), window])
    case .halted: log.error("validator", Self.halts, [("key", keyText)])
    case .reset: log.warn("validator", "the protection of this validator was reset by the operator: it votes at once", [("key", keyText)])
    }
  }

  /// What was found since. The binding is written in front of the records that follow.
  func note(_ change: StandingChange, _ loop: Loop) {
    switch change {
    case .listens(let doubt):
      record(.bind(.listening), loop)
      let window = ("listen_window_ms", "\(options.settings.milliseconds("consensus.listen_window"))")
      switch doubt {
      case .untried: log.warn("validator", Self.listens, [("reason", "the chain has gone on, and this journal has no vote"), ("key", keyText), window])
      case .overtaken(let vote):
        figures.metrics.consensus.doubleSignRefused.add()
        log.error("validator", Self.listens, [("reason", "its key has made a vote that the journal does not know"), ("key", keyText)] + Self.place(vote) + [window])
      }
    case .votes:
      record(.bind(nil), loop)
      log.notice("validator", "the validator has listened and votes again", [("key", keyText)] + (replica?.machine.bound.map { [("epoch", "\($0.epoch.rawValue)"), ("above_view", "\($0.view.rawValue)")] } ?? []))
    case .halts(let vote):
      record(.bind(.halted), loop)
      figures.metrics.consensus.doubleSignRefused.add()
      log.error("validator", Self.halts, [("key", keyText)] + Self.place(vote))
    }
  }

  /// The journal does not take a vote or a tree head: nothing is signed any more in this process.
  func refused(_ reason: String, _ loop: Loop) {
    figures.metrics.consensus.doubleSignRefused.add()
    log.error("validator", "the vote journal refuses to sign: \(reason). Nothing more is signed; keep data/validator and report this", [("key", keyText)])
    replica?.halt(now: times(loop), &effects)
  }

  private static func place(_ vote: Vote) -> [(String, String)] {
    [("vote", "\(vote.kind)"), ("epoch", "\(vote.epoch.rawValue)"), ("view", "\(vote.view.rawValue)")]
  }
}
