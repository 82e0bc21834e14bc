import ArgumentParser
import Audit
import Bytes
import Digests
import Ed25519
import MolochNode

/// A key on the command line.
struct KeyArgument: ExpressibleByArgument {
  let key: PublicKey

  init?(argument: String) {
    guard let key = PublicKey(text: argument) else { return nil }
    self.key = key
  }
}

/// `OLD=NEW`: a validator in the set by key or name, and the key that takes its place.
struct RotationArgument: ExpressibleByArgument {
  let old: String
  let new: PublicKey

  init?(argument: String) {
    guard let equals = argument.firstIndex(of: "="), equals != argument.startIndex,
      let new = PublicKey(text: String(argument[argument.index(after: equals)...]))
    else {
      return nil
    }
    (old, self.new) = (String(argument[..<equals]), new)
  }
}

struct ProposeChangeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "propose-change", abstract: "Propose another validator set.",
    discussion: """
      Signed with this node's validator key, whose proposal is its approval; the others use 'moloch validator approve'. More than two thirds of the power in \
      force must approve before the last block of the epoch before. A new key accepts first, with 'moloch validator accept' where it is; the key of \
      consensus.next_validator_key accepts by itself. --add with a key of the set changes its power or name. Ends with 2 when the validators that are \
      connected would be no quorum of the new set.
      """)

  @Option(help: ArgumentHelp("Key to add.", valueName: "key")) var add: KeyArgument?
  @Option(help: ArgumentHelp("Validator to remove, by key or name.", valueName: "key")) var remove: String?
  @Option(help: ArgumentHelp("Validator by key or name, and the key that takes its place.", valueName: "old=new")) var rotate: RotationArgument?
  @Option(help: "Voting power; 1 for a new validator.") var power: UInt64?
  @Option(help: "Name, [a-z0-9.-]; that of the old key when it is rotated.") var name: String?
  @Option(help: "Epoch that begins with the new set; default the next one that leaves time to approve.") var epoch: UInt64?
  @Option(help: ArgumentHelp("File of 'moloch validator accept'.", valueName: "file")) var acceptance: String?
  @Flag(help: "Propose a set even when the connected validators are no quorum of it.") var force = false
  @OptionGroup var global: GlobalOptions

  func validate() throws {
    guard [add != nil, remove != nil, rotate != nil].count(where: { $0 }) == 1 else { throw ValidationError("give one of --add, --remove and --rotate") }
    guard remove == nil || (power == nil && name == nil && acceptance == nil) else {
      throw ValidationError("--remove takes no --power, --name or --acceptance")
    }
  }

  private var kind: SetChange.Kind {
    if let add { return .add(add.key) }
    if let rotate { return .rotate(old: rotate.old, new: rotate.new) }
    return .remove(remove ?? "")
  }

  func run() throws {
    let desk = try GovernanceDesk(global)
    let key = try desk.validatorKey()
    let given = try acceptance.map { path throws(CommandFailure) in try Acceptance(file: path, chainTag: desk.genesis.chainTag) }
    if let given {
      let newcomer = add?.key ?? rotate?.new
      guard given.validator.publicKey == newcomer else {
        throw CommandFailure("the acceptance is of \(given.validator.publicKey), not of \(newcomer!)", Exit.usage)
      }
      guard epoch ?? given.effectiveEpoch.rawValue == given.effectiveEpoch.rawValue else {
        throw CommandFailure("the acceptance is for epoch \(given.effectiveEpoch.rawValue)", Exit.usage)
      }
    }
    let epoch = try desk.facts.checked(epoch: given?.effectiveEpoch.rawValue ?? self.epoch ?? desk.facts.defaultEpoch)
    let change = try SetChange(kind, power: power ?? given?.validator.power, name: name ?? given?.validator.name, on: desk.facts)
    guard !change.next.validators.contains(where: { $0.name == desk.genesis.chainID }) else {
      throw CommandFailure("a validator may not be named as the chain", Exit.usage)
    }
    var proposal = ValidatorsProposal(effectiveEpoch: epoch, base: desk.facts.set.hash, next: change.next, acceptances: [])
    let own = try desk.options.nextValidatorKeyPath.map { path throws(CommandFailure) in try GovernanceDesk.key(path) }
    for newcomer in proposal.newcomers(to: desk.facts.set) { proposal.acceptances.append(try accept(newcomer, epoch, desk, own, given)) }
    if !force { try change.checkQuorum(reachable: try desk.reachableKeys(), own: [key.publicKey] + (own.map { [$0.publicKey] } ?? [])) }
    let id = try desk.submit(.proposeValidators(proposal), by: key)
    try report(id, desk, global)
  }

  private func accept(
    _ newcomer: Validator, _ epoch: Epoch, _ desk: GovernanceDesk, _ own: SigningKey?, _ given: Acceptance?
  ) throws(CommandFailure) -> Signature {
    if let given {
      guard given.validator == newcomer else {
        throw CommandFailure(
          "the acceptance is for \(given.validator.name) with power \(given.validator.power), "
            + "the proposal for \(newcomer.name) with power \(newcomer.power)", Exit.usage)
      }
      return given.signature
    }
    if let own, let path = desk.options.nextValidatorKeyPath, own.publicKey == newcomer.publicKey {
      do throws(NodeFailure) { try Protection.mark(own.publicKey, keyPath: path, desk.genesis.chainTag) } catch { throw CommandFailure(error) }
      return Acceptance(newcomer, effectiveEpoch: epoch, chainTag: desk.genesis.chainTag, signing: own).signature
    }
    throw CommandFailure(
      "\(newcomer.publicKey) must accept its place: run 'moloch validator accept --name \(newcomer.name) --power \(newcomer.power) "
        + "--epoch \(epoch.rawValue)' where that key is, and give its file as --acceptance", Exit.usage)
  }
}

/// Prints a proposal that is on the chain.
func report(_ id: EventID, _ desk: GovernanceDesk, _ global: GlobalOptions, schema: String = "moloch.validator.propose-change/1") throws(CommandFailure) {
  let facts = try desk.refreshed()
  guard let change = facts.changes.last(where: { $0.id == "\(id)" }) else {
    throw CommandFailure("\(id) is final, but the node does not list it", Exit.internalError)
  }
  ChangeReport.print("Proposed", change, facts, schema: schema, isJSON: global.json)
  if change.state == "open" { global.note("on other validators: moloch validator approve \(id)") }
}

struct AcceptCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "accept", abstract: "Accept a place in the validator set with a new key.",
    discussion: """
      Writes the acceptance that 'moloch validator propose-change --acceptance' needs: the key's signature over epoch, name and power. The key is \
      consensus.next_validator_key when there is one, else consensus.validator_key. With --replaces, name and power are those of a validator in the set. A key that is not in the set \
      gets its vote journal and the mark beside it; run it as the user of the node.
      """)

  @Option(help: ArgumentHelp("Validator whose name and power the key takes over, by key or name.", valueName: "key")) var replaces: String?
  @Option(help: "Name in the set, [a-z0-9.-].") var name: String?
  @Option(help: "Voting power; default 1.") var power: UInt64?
  @Option(help: "Epoch that begins with the new set; asked of the node when missing.") var epoch: UInt64?
  @Option(help: ArgumentHelp("Private key, PEM.", valueName: "file")) var key: String?
  @Option(help: ArgumentHelp("Write a new file; default standard output.", valueName: "file")) var out: String?
  @OptionGroup var global: GlobalOptions

  func validate() throws {
    guard replaces != nil || name != nil else { throw ValidationError("give --name or --replaces") }
    if let epoch, epoch >= ordinalLimit { throw ValidationError("--epoch is below 2^53") }
  }

  func run() throws {
    let options = try LoadedConfiguration(global).options
    let keyPath = self.key ?? options.nextValidatorKeyPath ?? options.validatorKeyPath
    let key = try GovernanceDesk.key(keyPath)
    var (name, power, epoch) = (name, power, epoch)
    let genesis: Genesis, set: ValidatorSet
    if epoch == nil || replaces != nil {
      let desk = try GovernanceDesk(global)
      (genesis, set) = (desk.genesis, desk.facts.set)
      epoch = epoch ?? desk.facts.defaultEpoch
      if let replaces {
        guard let old = desk.facts.validator(replaces) else { throw CommandFailure("no validator \(replaces) in the set in force", Exit.no) }
        (name, power) = (name ?? old.name, power ?? old.power)
      }
    } else {
      genesis = try GenesisCommand.read(options.genesisPath)
      set = genesis.validators
    }
    let tag = genesis.chainTag
    let validator = Validator(publicKey: key.publicKey, cosignerKey: key.publicKey, power: power ?? 1, name: name ?? "")
    do throws(FormatError) { _ = try ValidatorSet([validator]) } catch { throw CommandFailure("such a validator is not allowed: \(error)", Exit.usage) }
    if set.index(of: key.publicKey) == nil { try beginJournal(key.publicKey, keyPath, options, genesis) }
    let acceptance = Acceptance(validator, effectiveEpoch: Epoch(epoch ?? 0), chainTag: tag, signing: key).json
    guard let out else { return Terminal.print(String(decoding: acceptance, as: UTF8.self)) }
    try Files.create(out, acceptance + [0x0A], mode: 0o644)
    global.note("\(key.publicKey) accepts to be \(validator.name) with power \(validator.power) from epoch \(epoch ?? 0): \(out)")
  }

  /// A new key gets its journal where the data is, and its mark in any case. A running validator has its journal already.
  private func beginJournal(_ key: PublicKey, _ path: String, _ options: NodeOptions, _ genesis: Genesis) throws(CommandFailure) {
    do throws(NodeFailure) {
      guard Files.exists(options.dataPath) else { return try Protection.mark(key, keyPath: path, genesis.chainTag) }
      let beginning: Protection.Beginning
      do throws(NodeFailure) { beginning = try Protection.begin(key, keyPath: path, data: options.dataPath, genesis: genesis) } catch {
        guard error.code == 75 else { throw error }
        return try Protection.mark(key, keyPath: path, genesis.chainTag)
      }
      if beginning == .lost { global.note("WARN: \(path).used says that the key has voted, and its journal is gone: the node listens before it votes") }
    } catch { throw CommandFailure(error) }
  }
}

/// What `approve` and `withdraw` have in common.
private func decide(_ verdict: GovernanceDecision.Verdict, _ text: String, _ global: GlobalOptions) throws(CommandFailure) {
  let desk = try GovernanceDesk(global)
  let change = try desk.change(text)
  guard change.state == "open", let id = EventID(text: change.id) else {
    throw CommandFailure("\(change.id) is \(change.state): nothing can be decided any more", Exit.no)
  }
  let key = try desk.validatorKey()
  let hasApproved = change.approvals.contains("\(key.publicKey)")
  switch verdict {
  case .approve: guard !hasApproved else { throw CommandFailure("this validator has approved \(change.id) already", Exit.no) }
  case .withdraw: guard hasApproved else { throw CommandFailure("this validator has not approved \(change.id)", Exit.no) }
  }
  _ = try desk.submit(.decide(GovernanceDecision(verdict, of: id)), by: key)
  let facts = try desk.refreshed()
  guard let now = facts.changes.last(where: { $0.id == change.id }) else {
    throw CommandFailure("the node does not list \(change.id) any more", Exit.internalError)
  }
  let (word, schema) = verdict == .approve ? ("Approved", "moloch.validator.approve/1") : ("Withdrawn from", "moloch.validator.withdraw/1")
  ChangeReport.print(word, now, facts, schema: schema, isJSON: global.json)
}

struct ApproveCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "approve", abstract: "Approve a proposal as this validator.", discussion: "Ends with 2 when the proposal is unknown or decided.")
  @Argument(help: "The id that the proposal printed, or the beginning of it.") var id: String
  @OptionGroup var global: GlobalOptions

  func run() throws { try decide(.approve, id, global) }
}

struct WithdrawCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "withdraw", abstract: "Take this validator's approval of a proposal back.",
    discussion: "Ends with 2 when it has not approved or the proposal is decided.")
  @Argument(help: "The id of the proposal, or the beginning of it.") var id: String
  @OptionGroup var global: GlobalOptions

  func run() throws { try decide(.withdraw, id, global) }
}

struct ChangesCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "changes", abstract: "List the proposals of this chain.", discussion: "States: open, approved, active, lapsed.")
  @OptionGroup var global: GlobalOptions

  func run() throws { try list("moloch.validator.changes/1", global) { _ in true } }
}

struct PendingCommand: ParsableCommand {
  static let configuration = CommandConfiguration(commandName: "pending", abstract: "List the proposals that are open, or approved and not yet in force.")
  @OptionGroup var global: GlobalOptions

  func run() throws { try list("moloch.validator.pending/1", global) { $0.state == "open" || $0.state == "approved" } }
}

private func list(_ schema: String, _ global: GlobalOptions, _ isShown: (GovernanceChange) -> Bool) throws(CommandFailure) {
  let facts = try GovernanceDesk(global).facts
  let changes = facts.changes.filter(isShown)
  Terminal.print(global.json ? ChangeReport.json(schema, changes, facts) : ChangeReport.table(changes, facts))
}
