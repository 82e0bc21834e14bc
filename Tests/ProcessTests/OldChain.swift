import Audit
import Foundation

/// A chain whose blocks are days old, made by a node that was shown a clock of the past.
enum OldChain {
  static let library = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"
  static let days = 3

  /// Variables that show a process the clock of so many seconds away; its monotonic clock is the real one.
  static func clock(_ seconds: Int) -> [String: String] { ["LD_PRELOAD": library, "FAKETIME": "\(seconds < 0 ? "" : "+")\(seconds)s", "DONT_FAKE_MONOTONIC": "1"] }

  /// A program between, which the library is loaded into first: it changes the environment of the process that loads it first, and arguments of Swift programs are
  /// found beside the environment.
  static let launcher = ["/usr/bin/env"]

  /// Makes a stopped home with `blocks` old blocks of events with bodies that no table compresses.
  /// - Returns: ids of the first event of each block, by height from 1 on.
  static func make(_ home: URL, blocks: Int, eventsPerBlock: Int = 8) throws -> [String] {
    let node = try NodeProcess(home: home, environment: clock(-days * 86_400), launcher: launcher)
    let client = try node.client()
    let records = try RecordMaker(client, key: .forTest())
    var ids: [String] = []
    while ids.count < blocks {
      let batch = (0..<eventsPerBlock).map { _ in
        records.next(note: letters(6000), timestamp: .init(milliseconds: UInt64((Date().timeIntervalSince1970 - Double(days * 86_400)) * 1000)))
      }
      let answer = try client.post("/v1/events/batch?wait=finalized", type: SubmissionTests.events, body: batch.flatMap { $0.bytes })
      guard answer.status == 201 else { throw NodeProcess.Failure(description: "\(answer.status) \(answer.text.prefix(600))") }
      ids.append("\(batch[0].id)")
    }
    node.signal(SIGTERM)
    guard node.waitForExit() == 0 else { throw NodeProcess.Failure(description: node.log) }
    return ids
  }

  static func letters(_ count: Int) -> String {
    let alphabet = Array("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_".utf8)
    return String(decoding: (0..<count).map { _ in alphabet[Int(UInt8.random(in: 0...63))] }, as: UTF8.self)
  }

  /// Allocated bytes of the tables below a directory, as `du` counts them. The log of a running database is allocated ahead and left out.
  static func tableBytes(_ path: String) throws -> Int {
    let du = try Command.run(URL(fileURLWithPath: "/bin/bash"), ["-c", "du -c --block-size=1 \(path)/*.sst | tail -1"])
    return Int(du.output.prefix { $0.isNumber }) ?? -1
  }
}
