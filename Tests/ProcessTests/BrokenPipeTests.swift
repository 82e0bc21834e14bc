import Foundation
import Testing

/// `moloch run 2>&1 | tee log`, and the reader dies.
@Suite struct BrokenPipeTests {
  @Test func aNodeWhoseLogNobodyReadsGoesOnAndStopsCleanly() throws {
    let scratch = try ScratchDirectory()
    let node = try NodeProcess(home: scratch.url, launcher: ["/bin/bash", "-c", "exec \"$@\" 2> >(exec true)", "bash"])
    let pipe = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(node.identifier)/fd/2")
    #expect(pipe.hasPrefix("pipe:"))
    // Only the node has an end of it any more.
    let deadline = Date(timeIntervalSinceNow: 120)
    while try Self.holders(of: pipe) != [node.identifier] {
      let holders = try Self.holders(of: pipe)
      try #require(Date() < deadline, "\(holders)")
      usleep(20_000)
    }
    let client = try node.client()
    let record = try RecordMaker(client, key: .forTest()).next()
    #expect(try client.post("/v1/events?wait=finalized", type: SubmissionTests.event, body: record.bytes).status == 201)
    #expect(try Command.moloch("log", "level", "debug", "--home", scratch.url.path).status == 0, "it logs")
    node.signal(SIGTERM)
    #expect(node.waitForExit() == 0)
    let again = try NodeProcess(home: scratch.url)
    #expect(try again.client().get("/v1/events/\(record.id)").json["status"] as? String == "finalized")
  }

  /// Processes with a descriptor of a pipe.
  private static func holders(of pipe: String) throws -> [Int32] {
    try FileManager.default.contentsOfDirectory(atPath: "/proc").compactMap { Int32($0) }.filter { process in
      let descriptors = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(process)/fd")) ?? []
      return descriptors.contains { (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(process)/fd/\($0)")) == pipe }
    }
  }
}
