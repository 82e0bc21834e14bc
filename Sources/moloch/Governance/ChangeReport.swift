import Audit
import Bytes
import JSON

/// What the commands print about proposals.
enum ChangeReport {
  /// One proposal after an act of this operator.
  static func print(_ verb: String, _ change: GovernanceChange, _ facts: GovernanceFacts, schema: String, isJSON: Bool) {
    guard isJSON else {
      Terminal.print("\(verb) \(change.id)")
      Terminal.print("Change:          \(change.summary)")
      Terminal.print("State:           \(change.state)")
      if let epoch = change.effectiveEpoch { Terminal.print("Effective Epoch: \(epoch) (height \(facts.firstHeight(of: epoch)))") }
      Terminal.print("Approvals:       \(change.power) of \(facts.set.quorumPower) power")
      return
    }
    var json = JSONWriter()
    json.beginObject()
    json.key("schema"); json.string(schema)
    json.key("id"); json.string(change.id)
    json.key("kind"); json.string(change.kind)
    json.key("state"); json.string(change.state)
    json.key("change"); json.string(change.summary)
    json.key("effective_epoch")
    if let epoch = change.effectiveEpoch { json.number(epoch) } else { json.null() }
    json.key("effective_height")
    if let epoch = change.effectiveEpoch { json.number(facts.firstHeight(of: epoch)) } else { json.null() }
    json.key("approving_power"); json.number(change.power)
    json.key("needed_power"); json.number(facts.set.quorumPower)
    json.endObject()
    Terminal.print(String(decoding: json.bytes, as: UTF8.self))
  }

  static func table(_ changes: [GovernanceChange], _ facts: GovernanceFacts) -> String {
    var rows = [["ID", "KIND", "EPOCH", "STATE", "POWER", "CHANGE"]]
    for change in changes {
      rows.append([
        "\(change.id.prefix(16))", change.kind, change.effectiveEpoch.map { "\($0)" } ?? "-", change.state,
        "\(change.power)/\(facts.set.quorumPower)", change.summary,
      ])
    }
    let widths = (0..<5).map { column in rows.map { $0[column].count }.max() ?? 0 }
    return rows.map { row in
      zip(row, widths).map { $0 + String(repeating: " ", count: $1 - $0.count) }.joined(separator: "  ") + "  " + row[5]
    }.joined(separator: "\n")
  }

  /// - Parameter body: the node's answer, printed as it is.
  static func json(_ schema: String, _ changes: [GovernanceChange], _ facts: GovernanceFacts) -> String {
    var json = JSONWriter()
    json.beginObject()
    json.key("schema"); json.string(schema)
    json.key("height"); json.number(facts.height)
    json.key("epoch"); json.number(facts.epoch)
    json.key("needed_power"); json.number(facts.set.quorumPower)
    json.key("changes")
    json.beginArray()
    for change in changes {
      json.beginObject()
      json.key("id"); json.string(change.id)
      json.key("kind"); json.string(change.kind)
      json.key("state"); json.string(change.state)
      json.key("effective_epoch")
      if let epoch = change.effectiveEpoch { json.number(epoch) } else { json.null() }
      json.key("approving_power"); json.number(change.power)
      json.key("approvals")
      json.beginArray()
      for key in change.approvals { json.string(key) }
      json.endArray()
      json.key("change"); json.string(change.summary)
      json.endObject()
    }
    json.endArray()
    json.endObject()
    return String(decoding: json.bytes, as: UTF8.self)
  }
}
