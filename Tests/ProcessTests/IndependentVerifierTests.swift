import Audit
import Bytes
import Ed25519
import Foundation
import Testing

/// The log as others read it: Go's checksum-database packages (Debian's golang-golang-x-mod-dev) over the node's tiles and checkpoint.
@Suite struct IndependentVerifierTests {
  @Test func goTlogAndNoteAcceptTilesCheckpointAndProofs() throws {
    let scratch = try ScratchDirectory()
    let node = try NodeProcess(home: scratch.url)
    let client = try node.client()
    let records = try RecordMaker(client, key: .forTest())
    var ids: [String] = []
    func submit(_ count: Int) throws {
      let batch = (0..<count).map { _ in records.next() }
      let answer = try client.post("/v1/events/batch?wait=finalized", type: SubmissionTests.events, body: batch.flatMap { $0.bytes })
      #expect(answer.status == 201, "\(answer.text)")
      ids += batch.map { $0.id.description }
    }
    try submit(100)
    let old = try client.get("/v1/checkpoint?min_size=100").text.components(separatedBy: "\n")
    try #require(old.count > 3, "\(old)")
    // More than one full tile, and a partial one behind it.
    try submit(250)
    try submit(177)
    let checkpoint = try client.get("/v1/checkpoint?min_size=527", accept: "application/json").json
    let genesis = try client.get("/v1/genesis").json
    #expect(checkpoint["tree_size"] as? Int == 527)
    var lines = ""
    for id in ids.enumerated().filter({ $0.offset % 23 == 0 }).map(\.element) {
      let proof = try client.get("/v1/proofs/inclusion?event_id=\(id)").json
      let inclusion = try #require(proof["inclusion"] as? [String: Any]), head = try #require(proof["head"] as? [String: Any])
      let hashes = (inclusion["hashes"] as? [String] ?? []).joined(separator: ",")
      lines += "\(inclusion["leaf_index"]!) \(inclusion["tree_size"]!) \(head["tree_root"]!) \(proof["entry"]!) \(hashes.isEmpty ? "-" : hashes)\n"
    }
    let proofs = scratch.url.appendingPathComponent("proofs.txt")
    try lines.write(to: proofs, atomically: true, encoding: .utf8)
    let origin = try #require(checkpoint["origin"] as? String)
    #expect(origin == "\(genesis["domain"] as? String ?? "moloch.internal")/\(genesis["chain_id"]!)")
    let key = try String(contentsOfFile: scratch.url.path + "/keys/node.pub", encoding: .utf8).trimmingCharacters(in: .whitespacesAndNewlines)
    let run = try go(
      scratch, ["-url", "http://127.0.0.1:\(node.apiPort)", "-vkey", try verifierKey(origin, key), "-old", "\(old[1]):\(old[2])", "-proofs", proofs.path])
    #expect(run.status == 0, "\(run.errors)")
    #expect(run.output.contains("size=527") && run.output.contains("leaves=527") && run.output.contains("proofs=23"), "\(run.output)")
    // The canary: an older root that the log never had is refused by the same program.
    let forged = try go(
      scratch, ["-url", "http://127.0.0.1:\(node.apiPort)", "-vkey", try verifierKey(origin, key), "-old", "100:" + Base64.encode([UInt8](repeating: 7, count: 32))])
    #expect(forged.status != 0 && forged.errors.contains("consistency"), "\(forged.output)\(forged.errors)")
  }

  /// `<origin>+<key id>+<base64(type || key)>`, made by openssl and the shell's standard tools so that no code of the node takes part.
  private func verifierKey(_ origin: String, _ publicKey: String) throws -> String {
    let script = """
      import sys, hashlib, base64
      origin, key = sys.argv[1], bytes.fromhex(sys.argv[2].removeprefix("ed25519:"))
      material = b"\\x01" + key
      print(origin + "+" + hashlib.sha256(origin.encode() + b"\\n" + material).hexdigest()[:8] + "+" + base64.b64encode(material).decode())
      """
    let made = try Command.run(URL(fileURLWithPath: "/usr/bin/env"), ["python3", "-c", script, origin, publicKey])
    #expect(made.status == 0, "\(made.errors)")
    return made.output.trimmingCharacters(in: .whitespacesAndNewlines)
  }

  private func go(_ scratch: ScratchDirectory, _ arguments: [String]) throws -> Command {
    let program = CommandTests.root.appendingPathComponent("Tests/ProcessTests/Independent/verify.go").path
    let cache = FileManager.default.temporaryDirectory.appendingPathComponent("moloch-go-cache").path
    return try Command.run(
      URL(fileURLWithPath: "/usr/bin/env"), ["go", "run", program] + arguments,
      environment: ["GO111MODULE": "off", "GOPATH": "/usr/share/gocode", "GOFLAGS": "", "GOCACHE": cache, "GOTOOLCHAIN": "local"])
  }
}
