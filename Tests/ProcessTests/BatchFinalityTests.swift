import Foundation
import Testing

/// The records of one batch are checked in parts: the first may be final before the last signature is looked at.
@Suite struct BatchFinalityTests {
  @Test func aBatchOfWhichAPartIsFinalAlreadyIsAnsweredWhenTheRestIs() throws {
    let scratch = try ScratchDirectory()
    let node = try NodeProcess(home: scratch.url, arguments: ["--set", "runtime.verify_threads=1"])
    let client = try node.client()
    let records = try RecordMaker(client, key: .forTest())
    let deadline = Date(timeIntervalSinceNow: 180)
    var (batches, height) = (0, 0)
    // It takes more than one block for a batch, or the case above has not come about yet. Empty blocks are too rare to matter.
    while height <= batches + 2 || batches < 3, Date() < deadline {
      let batch = (0..<1000).flatMap { _ in records.next().bytes }
      let answer = try client.post("/v1/events/batch?wait=finalized", type: SubmissionTests.events, body: batch)
      #expect(answer.status == 201, "\(answer.text.prefix(300))")
      batches += 1
      height = try client.get("/v1/status").json["head_height"] as? Int ?? 0
    }
    #expect(height > batches + 2, "\(batches) batches")
  }
}
