import Audit
import Bytes
import Consensus
import Digests
import Foundation
import Replication
import Testing

@testable import MolochNode

/// The mailboxes of the threads that own the disk, while the disk does nothing.
@Suite struct MailboxRoomTests {
  /// What the chain needs goes first, and reads leave room for it, however many there are.
  @Test func readsNeitherDelayNorCrowdOutBlocks() throws {
    let queue = StorageQueue()
    let query = StoreQuery.block(.empty, PeerLink(1))
    var reads = 0
    while queue.post(.load(query)) { reads += 1 }
    #expect(reads == StorageQueue.readsMax)
    #expect(queue.post(.evidence([1])) && queue.post(.peerBook([2])) && !queue.post(.load(query)))
    guard case .evidence = queue.take()?.kind, case .peerBook = queue.take()?.kind, case .load = queue.take()?.kind else {
      Issue.record("a read goes before a write")
      return
    }
    #expect(queue.post(.evidence([3])))
    guard case .evidence = queue.take()?.kind else {
      Issue.record("a read goes before a write that came later")
      return
    }
  }

  /// The answer that there is nothing is one to the question.
  @Test func everyQueryHasAnAnswerThatThereIsNothing() {
    let link = PeerLink(1), height = Height(7)
    let queries: [StoreQuery] = [
      .range(from: height, blocksMax: 1, bytesMax: 1, link), .history(from: height, blocksMax: 1, bytesMax: 1, anchor: height, link), .parts(from: height, link), .block(.empty, link),
      .boundaries(from: Epoch(1), countMax: 1, link),
    ]
    let isRight = queries.map { query in
      switch query.nothing {
      case .range(let from, let blocks, nil): from == height && blocks.isEmpty
      case .history(let from, nil): from == height
      case .parts(let from, let ends): from == height && ends.isEmpty
      case .block(nil): true
      case .boundaries(let list): list.isEmpty
      default: false
      }
    }
    #expect(isRight == [true, true, true, true, true])
  }

  /// A vote that finds no room must end the process: it must neither leave nor count as written.
  @Test func aFullVoteMailboxIsAFailure() throws {
    let directory = FileManager.default.temporaryDirectory.appendingPathComponent("journal-\(UUID().uuidString)").path
    defer { try? FileManager.default.removeItem(atPath: directory) }
    let journal = try VoteJournal(directory: directory, chainTag: ChainTag(Bytes16(1, 2)), segmentBytes: ConsensusLimit.journalSegmentBytesMin)
    // The thread is not started: as if its disk had stopped.
    let thread = JournalThread(journal: journal)
    for sequence in 0..<JournalThread.jobsMax { try thread.post(.votes([], through: UInt64(sequence))) }
    for job in [JournalJob.Kind.votes([], through: 0), .bind(nil), .stop] {
      do throws(NodeFailure) {
        try thread.post(job)
        Issue.record("there is room for more")
      } catch { #expect(error.code == 74 && error.message.contains("data/validator")) }
    }
  }
}
