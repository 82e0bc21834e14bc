import Testing

/// The records of one batch are checked in parts: the first may be final before the last signature is looked at.
@Suite struct BatchFinalityTests {
  @Test func aBatchOfWhichAPartIsFinalAlreadyIsAnsweredWhenTheRestIs() throws {
    let scratch = try ScratchDirectory()
    let node = try NodeProcess(home: scratch.url, arguments: ["--set", "runtime.verify_threads=1"])
    let client = try node.client()
    let records = try RecordMaker(client, key: .forTest())
    for _ in 0..<3 {
      let batch = (0..<1000).flatMap { _ in records.next().bytes }
      let answer = try client.post("/v1/events/batch?wait=finalized&timeout_ms=15000", type: SubmissionTests.events, body: batch)
      #expect(answer.status == 201, "\(answer.text.prefix(300))")
    }
    // It takes more than one block for each, or the case above did not come about.
    let height = try client.get("/v1/status").json["head_height"] as? Int ?? 0
    #expect(height > 3)
  }
}
