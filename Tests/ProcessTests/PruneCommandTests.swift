import Foundation
import Testing

/// `moloch maintenance prune`, refused with the code and the reason that the guide's reader needs, beside a running node and a stopped one.
@Suite struct PruneCommandTests {
  @Test func pruneNeedsAPolicyAndRefusesYoungBlocks() throws {
    let scratch = try ScratchDirectory()
    let node = try BackupTests.node(scratch, events: 3)
    let prune = ["maintenance", "prune", "--home", node.home.path, "--before-height", "2"]
    func run(_ more: String..., environment: [String: String] = [:]) throws -> Command {
      try Command.run(NodeProcess.moloch, prune + more, environment: environment)
    }
    let online = try run()
    #expect(online.status == 78 && online.errors.contains("retention.min_days"), "\(online.errors)")
    #expect(try node.client().get("/v1/status").json["earliest_body_height"] as? Int == 1)
    node.signal(SIGTERM)
    #expect(node.waitForExit() == 0)
    let offline = try run()
    #expect(offline.status == 78 && offline.errors.contains("retention.min_days"), "\(offline.errors)")
    let young = try run("--force", environment: ["MOLOCH_RETENTION_MIN_DAYS": "1"])
    #expect(young.status == 64 && young.errors.contains("the highest prunable height is 1"), "\(young.errors)")
    let held = try run("--force", environment: ["MOLOCH_RETENTION_MIN_DAYS": "1", "MOLOCH_RETENTION_LEGAL_HOLD": "true"])
    #expect(held.status == 77 && held.errors.contains("retention.legal_hold"), "\(held.errors)")
  }
}
