import Bytes
import HTTP1
public import Reactor

/// What an operator asks of the running node itself, on the admin socket.
public enum NodeCommand: Equatable, Sendable {
  /// Read the configuration again: all of it or nothing.
  case reload
  /// Stop being ready, serve on for `api.drain_delay`, finish what is in work, take no more requests. The process stays.
  case drain
  case cancelDrain
  case drainProgress
  /// Change what is logged, of one subsystem or of all, for good or for so many milliseconds.
  case logLevel(String, subsystem: String?, milliseconds: UInt64?)
}

/// What the node answers to a command about itself.
public enum NodeOutcome: Sendable {
  /// A JSON document.
  case done([UInt8])
  /// It takes a while: the answer comes through `Gate.commanded`.
  case later
  case refused(Refusal)
}

/// The request behind a command that is answered later.
public struct CommandTicket: Sendable {
  let connection: ConnectionID
  let serial: UInt32
}

/// Verbs below `/v1/admin/` that are about the node itself.
public enum NodeVerb: String, Sendable, Equatable {
  case reload, drain
  case logLevel = "log-level"
  /// Answered by the gate itself.
  case load
}

extension Gate {
  /// Longest time for which a level is changed with a way back: a week.
  static let levelMillisecondsMax: UInt64 = 604_800_000

  /// What a request to `/v1/admin/reload`, `/v1/admin/drain` or `/v1/admin/log-level` asks.
  func nodeCommand(_ slot: Int, _ verb: NodeVerb) throws(Refusal) -> NodeCommand {
    switch (verb, sessions[slot].request.method) {
    case (.reload, .post): return .reload
    case (.drain, .post): return .drain
    case (.drain, .delete): return .cancelDrain
    case (.drain, .get), (.drain, .head): return .drainProgress
    case (.logLevel, .post):
      guard let level = parameter(slot, "level") else { throw .parameter("level", "is missing") }
      let milliseconds = parameter(slot, "for_ms").flatMap { Query.integer($0) }
      if let milliseconds, !(1...Self.levelMillisecondsMax).contains(milliseconds) { throw .parameter("for_ms", "is from 1 to \(Self.levelMillisecondsMax)") }
      return .logLevel(level, subsystem: parameter(slot, "subsystem"), milliseconds: milliseconds)
    default: throw Refusal(.methodNotAllowed, "this resource takes \(Route.node(verb).allowedMethods)")
    }
  }

  func command(_ slot: Int, _ verb: NodeVerb, _ loop: Loop) throws(Refusal) {
    if verb == .load, sessions[slot].request.method == .get || sessions[slot].request.method == .head {
      return respond(slot, Answer(.json, loadBody(loop.now)), loop)
    }
    let ticket = CommandTicket(connection: sessions[slot].connection, serial: sessions[slot].serial)
    switch node(try nodeCommand(slot, verb), ticket, loop) {
    case .done(let json): respond(slot, Answer(.json, json), loop)
    case .later: sessions[slot].phase = .waitingForNode
    case .refused(let refusal): throw refusal
    }
  }

  /// A command is done. Its request may be gone by now.
  public func commanded(_ ticket: CommandTicket, _ json: [UInt8], _ loop: Loop) {
    let slot = ticket.connection.slot
    guard isOpen(slot, ticket.connection), sessions[slot].serial == ticket.serial, sessions[slot].phase == .waitingForNode else { return }
    respond(slot, Answer(.json, json), loop)
  }
}
