import API
import Ambient
import Audit
import Configuration
import Ed25519
import JSON
import Ledger
import Mempool
import Peering
import Reactor
import Replication

/// A level that was changed at run time.
struct LevelChange {
  let level: LogLevel
  /// Nil: all subsystems.
  let subsystem: Subsystem?
  /// Nil: until the next reload.
  let until: Instant?
}

// What an operator asks of the node itself, by signal or on the admin socket.
extension NodeDriver {
  func obey(_ command: NodeCommand, _ ticket: CommandTicket, _ loop: Loop) -> NodeOutcome {
    switch command {
    case .reload:
      announceReload()
      guard reloading.begin(waking: loop.waker, for: ticket) else { return .refused(Refusal(.notReady, "no thread to read the configuration with")) }
      return .later
    case .drain:
      if case .serving = stage {
        log.notice("node", "draining", [("by", "command")])
        beginDrain(loop)
      }
      return .done(drainProgress)
    case .cancelDrain: return cancelDrain(loop)
    case .drainProgress: return .done(drainProgress)
    case .logLevel(let name, let subsystem, let milliseconds): return changeLevel(name, subsystem, milliseconds, loop)
    }
  }

  // MARK: Drain

  private func cancelDrain(_ loop: Loop) -> NodeOutcome {
    guard !isLeaving else { return .refused(Refusal(.conflict, "the node is stopping")) }
    switch stage {
    case .draining, .finishing, .drained:
      stage = .serving
      gate.cancelDrain(loop)
      log.notice("node", "the drain is cancelled: the node takes requests")
    case .opening, .serving, .saving, .ended: break
    }
    return .done(drainProgress)
  }

  private var drainProgress: [UInt8] {
    let word: StaticString =
      switch stage {
      case .opening: "starting"
      case .serving: "serving"
      case .draining, .finishing: "draining"
      case .drained: "drained"
      case .saving, .ended: "stopping"
      }
    var json = JSONWriter()
    json.beginObject()
    json.key("state"); json.string(word)
    json.key("drain_delay_ms"); json.number(options.drainDelayMilliseconds)
    json.key("drain_timeout_ms"); json.number(options.drainTimeoutMilliseconds)
    json.endObject()
    return json.bytes
  }

  // MARK: Levels of the log

  private func changeLevel(_ name: String, _ subsystem: String?, _ milliseconds: UInt64?, _ loop: Loop) -> NodeOutcome {
    guard let level = LogLevel(name: name) else {
      return .refused(Refusal(.invalidRequest, "'\(name)' is no level: \(LogLevel.allCases.map { "\($0)" }.joined(separator: ", "))"))
    }
    var part: Subsystem?
    if let subsystem {
      guard let found = Subsystem(named: subsystem) else {
        return .refused(Refusal(.invalidRequest, "'\(subsystem)' is no subsystem: \(Key.subsystems.joined(separator: ", "))"))
      }
      part = found
    }
    // The newest change of a subsystem counts, and one of all ends those before it.
    levelChanges.removeAll { part == nil || $0.subsystem?.position == part?.position && $0.subsystem != nil }
    levelChanges.append(LevelChange(level: level, subsystem: part, until: milliseconds.map { loop.now.adding(milliseconds: $0) }))
    let fields = [("new_level", "\(level)"), ("of", subsystem ?? "all")] + (milliseconds.map { [("for_ms", "\($0)")] } ?? [])
    noteLevels("log level changed", fields) { applyLevels() }
    var json = JSONWriter()
    json.beginObject()
    json.key("level"); json.string("\(level)")
    json.key("subsystem"); json.string(subsystem ?? "all")
    json.key("for_ms")
    if let milliseconds { json.number(milliseconds) } else { json.null() }
    json.endObject()
    return .done(json.bytes)
  }

  /// Once a second: takes back what was changed for a time only.
  func expireLevels(_ loop: Loop) {
    guard levelChanges.contains(where: { $0.until.map { $0 <= loop.now } ?? false }) else { return }
    levelChanges.removeAll { $0.until.map { $0 <= loop.now } ?? false }
    noteLevels("log level reverted", []) { applyLevels() }
  }

  private func applyLevels() {
    log.applyRules(options.settings)
    for change in levelChanges { log.setLevel(change.level, change.subsystem) }
  }

  /// Logs a change of levels under whichever of the old and the new ones shows it.
  private func noteLevels(_ message: String, _ fields: Log.Fields, _ change: () -> Void) {
    let isShownBefore = log.takes(.notice, "node")
    if isShownBefore { log.notice("node", message, fields) }
    change()
    if !isShownBefore { log.notice("node", message, fields) }
  }

  // MARK: Prune

  /// After a start the node has this long to find the peers that hold what it would delete.
  private static let pruneDelayMilliseconds: UInt64 = 10_000

  /// Once a second: has old bodies pruned when it is time.
  func pruneByItself(_ loop: Loop) {
    guard isOpen, options.settings.boolean("retention.auto_prune") else { return nextPrune = nil }
    let interval = options.settings.milliseconds("retention.auto_prune_interval")
    let due = nextPrune ?? loop.now.adding(milliseconds: min(interval, Self.pruneDelayMilliseconds))
    // A shorter interval of a reload counts from now on.
    nextPrune = min(due, loop.now.adding(milliseconds: interval))
    guard loop.now >= due, !isReadOnly else { return }
    nextPrune = loop.now.adding(milliseconds: interval)
    post(.prune(archivePeers: gate.surroundings.archivePeerCount), loop)
  }

  /// Where the entries begin, for status and for who asks to prune them.
  func show(_ entries: EntryMark, _ loop: Loop) {
    (gate.surroundings.earliestEntryHeight, gate.surroundings.earliestEntryIndex) = (entries.height, entries.leaf)
    // What a peer holds of entries below its bodies is not known.
    gate.surroundings.entryArchivePeerCount = network.rows(loop).count { $0.link != nil && (1...entries.height).contains($0.earliestBodyHeight) }
  }

  // MARK: Reload

  /// Takes over a new configuration, all of it or nothing; logs are opened anew either way.
  func apply(_ reading: Reloading.Reading, _ loop: Loop) {
    let report = reloading.judge(reading)
    if report.isAccepted { options.settings = reading.settings }
    levelChanges.removeAll()
    log.apply(options.settings, home: options.home)
    figures.reloaded(accepted: report.isAccepted)
    if report.isAccepted {
      nextValidatorKey = reading.key
      replica?.setNextKey(reading.key)
      gate.reconfigure(options.gate)
      replica?.rangesInFlight = options.syncRequestsMax
      replica?.pool.timeToLiveMilliseconds = min(options.poolTimeToLiveMilliseconds, home.genesis.parameters.pastWindow)
      replica?.rebroadcastMilliseconds = options.poolRebroadcastMilliseconds
      replica?.pool.setSignerShare(percent: options.poolSignerPercent)
      // The addresses were checked with the settings.
      if let peering = try? options.peering(listenPort: network.options.listenPort) { network.reconfigure(peering) }
      post(.policies(options.storagePolicies), loop)
      replica?.looksForBodies = true
      log.notice("node", "configuration reloaded", [("name", options.name)] + report.fields)
    } else {
      for finding in report.findings.prefix(20) { log.error("node", "configuration rejected", [("finding", finding.message), ("place", finding.place)]) }
    }
    let json = report.json
    for ticket in reading.tickets { gate.commanded(ticket, json, loop) }
    reloading.resume(waking: loop.waker)
    supervision.supervisor.tell("READY=1")
  }
}
