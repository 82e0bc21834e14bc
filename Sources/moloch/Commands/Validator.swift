import ArgumentParser
import Bytes
import Ed25519
import JSON
import MolochNode

struct ValidatorCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "validator", abstract: "This node as a validator.", 
    subcommands: [
      ValidatorStatusCommand.self, ProposeChangeCommand.self, AcceptCommand.self, ApproveCommand.self, WithdrawCommand.self, ChangesCommand.self,
      PendingCommand.self, ProtectionCommand.self,
    ])
}

/// What `validator status` prints of a running node; nil members are shown as `-`.
struct ValidatorReport {
  var state = "none"
  var key: String?
  var power, proposed, nextSlot, nextSlotMilliseconds, missedVotes: UInt64?

  /// Of a node without a validator key.
  init() {}

  /// From the answer of `/v1/validators/{key}`.
  init(_ json: StrictJSON) {
    state = json["state"]?.string ?? "inactive"
    key = json["public_key"]?.string
    power = json["power"]?.unsigned
    proposed = json["blocks_proposed_24h"]?.unsigned
    nextSlot = json["next_slot"]?.unsigned
    nextSlotMilliseconds = json["next_slot_in_ms"]?.unsigned
    missedVotes = json["missed_votes_24h"]?.unsigned
  }

  var text: String {
    let slot = nextSlot.map { slot in "\(slot)" + (nextSlotMilliseconds.map { " (in \(Self.span(milliseconds: $0)))" } ?? "") }
    func shown(_ value: UInt64?) -> String { value.map { "\($0)" } ?? "-" }
    return """
      Validator: \(state)
      Public Key: \(key ?? "-")
      Power: \(shown(power))
      Blocks Proposed (24h): \(shown(proposed))
      Next Slot: \(slot ?? "-")
      Missed Votes (24h): \(shown(missedVotes))
      """
  }

  /// Seconds below two minutes, minutes below two hours, else hours; rounded up, so that what is to come is never "in 0s" for long.
  static func span(milliseconds: UInt64) -> String {
    let seconds = (milliseconds + 999) / 1000
    if seconds < 120 { return "\(seconds)s" }
    if seconds < 7200 { return "\(seconds / 60)m" }
    return "\(seconds / 3600)h"
  }

  var json: [UInt8] {
    var json = JSONWriter()
    func member(_ value: UInt64?) { if let value { json.number(value) } else { json.null() } }
    json.beginObject()
    json.key("schema")
    json.string("moloch.validator.status/1" as StaticString)
    json.key("state")
    json.string(state)
    json.key("public_key")
    if let key { json.string(key) } else { json.null() }
    json.key("power")
    member(power)
    json.key("blocks_proposed_24h")
    member(proposed)
    json.key("next_slot")
    member(nextSlot)
    json.key("next_slot_in_ms")
    member(nextSlotMilliseconds)
    json.key("missed_votes_24h")
    member(missedVotes)
    json.endObject()
    return json.bytes
  }
}

struct ValidatorStatusCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "status", abstract: "Whether this node votes, and when it leads.",
    discussion: "States: active, listening, halted, pending, leaving, inactive, none; 'stopped' and exit 69 when the node is down.")

  @Flag(help: "End with 2 unless the state is active.") var check = false
  @OptionGroup var global: GlobalOptions

  func run() throws {
    let options = try LoadedConfiguration(global).options
    let client = NodeClient(.unix(path: options.adminSocketPath), timeoutMilliseconds: global.timeout.milliseconds)
    let status: Answer
    do throws(CommandFailure) { status = try client.get("/v1/status") } catch {
      guard error.code == Exit.unreachable else { throw error }
      try printStopped(options)
      throw Exit.unreachable
    }
    var report = ValidatorReport()
    // The node names the key that signs: who asks may be a member of its group, who reads no key files.
    if let key = try body(of: status, client)["validator_key"]?.string {
      report = ValidatorReport(try body(of: try client.get("/v1/validators/\(key)"), client))
    }
    Terminal.print(global.json ? String(decoding: report.json, as: UTF8.self) : report.text)
    if check, report.state != "active" { throw Exit.no }
  }

  private func body(of answer: Answer, _ client: NodeClient) throws(CommandFailure) -> StrictJSON {
    guard answer.status == 200 else { throw CommandFailure("\(client.endpoint): \(NodeError(answer))", Exit.temporary) }
    return try answer.json(from: client.endpoint)
  }

  private func files(_ options: NodeOptions) throws(CommandFailure) -> StoppedValidator {
    do { return try StoppedValidator(options) } catch { throw CommandFailure(error) }
  }

  private func printStopped(_ options: NodeOptions) throws {
    let stopped = try files(options)
    if stopped.isHidden { global.note("keys and vote journal are readable by the user of the node alone: what they say is not shown") }
    guard global.json else {
      Terminal.print("Validator: stopped")
      Terminal.print("Public Key: \(stopped.key.map { "\($0)" } ?? "-")")
      return Terminal.print("Last Signed Height: \(stopped.lastSignedHeight.map { "\($0)" } ?? "-")")
    }
    var json = JSONWriter()
    json.beginObject()
    json.key("schema")
    json.string("moloch.validator.status/1" as StaticString)
    json.key("state")
    json.string("stopped" as StaticString)
    json.key("public_key")
    if let key = stopped.key { json.string("\(key)") } else { json.null() }
    json.key("last_signed_height")
    if let height = stopped.lastSignedHeight { json.number(height) } else { json.null() }
    json.endObject()
    Terminal.print(String(decoding: json.bytes, as: UTF8.self))
  }
}
