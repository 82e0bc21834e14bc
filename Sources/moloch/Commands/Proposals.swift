import ArgumentParser
import Audit
import Bytes
import Digests
import Ed25519

struct SignerCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "signer", abstract: "Propose changes of the registry of signers.", subcommands: [SignerPutCommand.self, SignerRevokeCommand.self])
}

struct SignerPutCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "put", abstract: "Propose to register a signer, or to change its record.",
    discussion: "In force from the block after its approval; decided with 'moloch validator approve'. Without an end the key signs for ever.")

  @Argument(help: "ed25519:<64 hex>") var key: KeyArgument
  @Option(help: "Name of the signer, [a-z0-9.-].") var name: String
  @Option(help: "First height at which it may sign.") var validFrom: UInt64 = 0
  @Option(help: "First height at which it may not any more; 0 = no end.") var validTo: UInt64 = 0
  @OptionGroup var global: GlobalOptions

  func validate() throws {
    guard validFrom < ordinalLimit, validTo < ordinalLimit else { throw ValidationError("heights are below 2^53") }
    guard validTo == 0 || validTo > validFrom else { throw ValidationError("--valid-to lies above --valid-from") }
  }

  func run() throws {
    let record = SignerRecord(key: key.key, validFrom: Height(validFrom), validTo: Height(validTo), name: name)
    do throws(FormatError) { _ = try SignerRegistry([record]) } catch { throw CommandFailure("such a signer is not allowed: \(error)", Exit.usage) }
    guard Verifier.isRegistrable(key.key) else { throw CommandFailure("\(key.key) is not registrable", Exit.usage) }
    try propose(.proposeSigners([SignerChange(.put, record)]), "moloch.signer.put/1", global)
  }
}

struct SignerRevokeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "revoke", abstract: "Propose that signers may not sign any more.", discussion: "In force from the block after its approval.")

  @Argument(help: "ed25519:<64 hex>") var keys: [KeyArgument]
  @OptionGroup var global: GlobalOptions

  func validate() throws {
    guard (1...LedgerLimit.signerChanges).contains(keys.count) else { throw ValidationError("give 1 to \(LedgerLimit.signerChanges) keys") }
  }

  func run() throws {
    var changes: [SignerChange] = []
    for key in keys.map(\.key).sorted() where changes.last?.record.key != key {
      guard Verifier.isRegistrable(key) else { throw CommandFailure("\(key) is not registrable", Exit.usage) }
      // Of a revocation only the key counts.
      changes.append(SignerChange(.revoke, SignerRecord(key: key, validFrom: Height(0), validTo: Height(0), name: "revoked")))
    }
    try propose(.proposeSigners(changes), "moloch.signer.revoke/1", global)
  }
}

struct ParametersCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "parameters", abstract: "Propose changes of the chain's parameters.", subcommands: [ParametersProposeCommand.self])
}

struct ParametersProposeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "propose", abstract: "Propose other parameters from an epoch on.",
    discussion: "Epoch length, signing windows and signer mode never change. Decided with 'moloch validator approve'.")

  @Option(help: "Pace of proposals, 10 to 60000.") var blockTimeMs: UInt32?
  @Option(help: "Heartbeat of an idle chain, up to 240000.") var emptyBlockIntervalMs: UInt32?
  @Option(help: "1 to 65536.") var maxEventsPerBlock: UInt32?
  @Option(help: "2097152 to 33554432.") var maxBlockBytes: UInt32?
  @Option(help: "65536 to 1048576.") var maxBodyBytes: UInt32?
  @Option(help: "Version of the rules; programs that do not know it stop before the epoch.") var protocolVersion: UInt32?
  @Option(help: "Epoch that begins with them; default the next one that leaves time to approve.") var epoch: UInt64?
  @OptionGroup var global: GlobalOptions

  func run() throws {
    let desk = try GovernanceDesk(global)
    var parameters = desk.facts.parameters
    parameters.blockTime = blockTimeMs ?? parameters.blockTime
    parameters.emptyBlockInterval = emptyBlockIntervalMs ?? parameters.emptyBlockInterval
    parameters.eventsPerBlockMax = maxEventsPerBlock ?? parameters.eventsPerBlockMax
    parameters.blockBytesMax = maxBlockBytes ?? parameters.blockBytesMax
    parameters.bodyBytesMax = maxBodyBytes ?? parameters.bodyBytesMax
    parameters.protocolVersion = protocolVersion ?? parameters.protocolVersion
    if let field = parameters.fieldOutOfRange { throw CommandFailure("\(field) is out of range", Exit.usage) }
    guard parameters != desk.facts.parameters else { throw CommandFailure("the parameters are that already", Exit.no) }
    let epoch = try desk.facts.checked(epoch: epoch ?? desk.facts.defaultEpoch)
    let act = GovernanceAct.proposeParameters(ParametersProposal(effectiveEpoch: epoch, parameters: parameters))
    try report(try desk.submit(act, by: try desk.validatorKey()), desk, global, schema: "moloch.parameters.propose/1")
  }
}

struct RedactCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "redact", abstract: "Propose that all nodes delete the bodies of events.",
    discussion: """
      From the approval on every node deletes salts and bodies; statements, positions and proofs stay. Reasons: 1 erasure request, 2 legal order, \
      3 security incident, 4 submitted in error, 65535 other. The note is on the chain for ever: no personal data.
      """)

  @Argument(help: "evt_<64 hex>") var events: [String]
  @Option(help: "1, 2, 3, 4 or 65535.") var reason: UInt16
  @Option(help: "Up to 1024 bytes.") var note = ""
  @Option(help: "SHA-256 that names the requester, 64 hexadecimal digits.") var requesterHash: String?
  @OptionGroup var global: GlobalOptions

  func validate() throws {
    guard (1...LedgerLimit.redactedEvents).contains(events.count) else { throw ValidationError("give 1 to \(LedgerLimit.redactedEvents) events") }
    guard note.utf8.count <= LedgerLimit.redactionNoteByteCount else { throw ValidationError("--note has at most \(LedgerLimit.redactionNoteByteCount) bytes") }
    guard RedactionProposal.Reason(rawValue: reason) != nil else { throw ValidationError("--reason is 1, 2, 3, 4 or 65535") }
  }

  func run() throws {
    var ids: [EventID] = []
    for text in events {
      guard let id = EventID(text: text) else { throw CommandFailure("'\(text)' is no event id", Exit.usage) }
      ids.append(id)
    }
    let requester = requesterHash.map { Digest(hex: $0) } ?? Digest.zero
    guard let requester, let reason = RedactionProposal.Reason(rawValue: reason) else {
      throw CommandFailure("--requester-hash takes 64 lowercase hexadecimal digits", Exit.usage)
    }
    try propose(.proposeRedaction(RedactionProposal(reason: reason, requesterHash: requester, events: ids, note: note)), "moloch.redact/1", global)
  }
}

/// Sends a proposal that needs nothing of the facts.
private func propose(_ act: GovernanceAct, _ schema: String, _ global: GlobalOptions) throws(CommandFailure) {
  let desk = try GovernanceDesk(global)
  try report(try desk.submit(act, by: try desk.validatorKey()), desk, global, schema: schema)
}
