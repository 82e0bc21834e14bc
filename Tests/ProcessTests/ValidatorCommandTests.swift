import Foundation
import Testing

@Suite struct ValidatorCommandTests {
  /// Digits of numbers and keys as `#`.
  static func masked(_ text: String) -> String {
    text.replacing(/ed25519:[0-9a-f]{64}/, with: "ed25519:<64 hex>").replacing(/[0-9]+(?=s\)|$)/.anchorsMatchLineEndings(), with: "#").replacing(
      /Slot: [0-9]+/, with: "Slot: #")
  }

  @Test func theStatusIsThatOfTheGuide() throws {
    let scratch = try ScratchDirectory()
    let node = try NodeProcess(home: scratch.url)
    _ = try node.status { $0["state"] as? String == "live" }
    let status = try Command.moloch("validator", "status", "--check", "--home", scratch.url.path)
    #expect(status.status == 0, "\(status.errors)")
    #expect(
      Self.masked(status.output) == """
        Validator: active
        Public Key: ed25519:<64 hex>
        Power: #
        Blocks Proposed (24h): #
        Next Slot: # (in #s)
        Missed Votes (24h): #

        """, "\(status.output)")
    let validators = try node.client().get("/v1/validators").json["validators"] as? [[String: Any]] ?? []
    let key = validators.first?["public_key"] as? String ?? ""
    #expect(status.output.contains("Public Key: \(key)\nPower: 1\n"), "\(status.output)")
    let json = try Command.moloch("validator", "status", "--json", "--home", scratch.url.path)
    let object = try JSONSerialization.jsonObject(with: Data(json.output.utf8)) as? [String: Any] ?? [:]
    #expect(object["schema"] as? String == "moloch.validator.status/1" && object["state"] as? String == "active" && object["public_key"] as? String == key)

    // The view of the only validator, and what it did wrong: nothing.
    let state = try node.client().get("/v1/consensus/state").json
    let leader = state["leader"] as? [String: Any] ?? [:]
    #expect(leader["public_key"] as? String == key && state["quorum_power"] as? Int == 1 && (state["view"] as? Int ?? 0) >= 1, "\(state)")
    let evidence = try node.client().get("/v1/evidence").json
    #expect(evidence["count"] as? Int == 0 && (evidence["evidence"] as? [Any])?.isEmpty == true)
    let unknown = try node.client().get("/v1/validators/ed25519:\(String(repeating: "7", count: 64))")
    #expect(unknown.status == 404)

    node.signal(SIGTERM)
    node.waitForExit()
    let stopped = try Command.moloch("validator", "status", "--home", scratch.url.path)
    #expect(stopped.status == 69, "\(stopped.errors)")
    #expect(stopped.output.hasPrefix("Validator: stopped\nPublic Key: \(key)\nLast Signed Height: "), "\(stopped.output)")
    #expect(!stopped.output.contains("Height: -"), "\(stopped.output)")
  }
}
