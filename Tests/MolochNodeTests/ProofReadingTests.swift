import Audit
import Foundation
import Reactor
import RocksStore
import Testing

@testable import API

/// Proofs that the node reads from its tree files.
@Suite struct ProofReadingTests {
  private let chain: StoredChain
  private let reader: Reader<RocksLedgerStore>

  init() throws {
    chain = try StoredChain(blocks: 45)
    reader = Reader(store: chain.store, genesis: chain.genesis)
  }

  private func answer(_ request: ReadRequest) -> Result<Answer, Refusal> {
    reader.answer(ReadJob(ConnectionID(rawValue: 0), 0, request, publication: nil, durableSize: chain.store.head.treeSize))
  }

  private func refusal(_ request: ReadRequest) -> Refusal? {
    if case .failure(let refusal) = answer(request) { return refusal }
    return nil
  }

  /// A reader holds what it has read of at most four sizes, and each answer is made for the size that was asked for.
  @Test func proofsOfManySizesHoldInAnyOrder() throws {
    for size in [45, 7, 32, 45, 1, 44, 43, 7, 41, 40, 39, 45] as [UInt64] {
      for leaf in 0..<size {
        let refused = refusal(.inclusion(.event(chain.ids[Int(leaf)]), size: size, format: .json, since: nil))
        #expect(refused == nil, "leaf \(leaf) of \(size)")
      }
      for from in 0...size {
        let refused = refusal(.consistency(from: from, to: size, byHeight: false))
        #expect(refused == nil, "\(from) to \(size)")
      }
    }
  }

  /// One bit of a tree file turns: whoever needs that node is told so, with 500, and others get their proofs. Turned back, everything holds again.
  @Test func aDamagedNodeSpoilsOnlyTheProofsThatNeedIt() throws {
    let path = chain.directory + "/mmr/level-02"
    let whole = try #require(FileManager.default.contents(atPath: path))
    // Node 2 of level 2 covers the leaves 8 to 11.
    var bent = whole
    bent[2 * 32 + 5] ^= 0x10
    // The store keeps the file open, so it is written in place.
    func write(_ bytes: Data) throws {
      let file = try #require(FileHandle(forWritingAtPath: path))
      try file.write(contentsOf: bytes)
      try file.close()
    }
    try write(bent)
    var spoiled: Set<UInt64> = []
    for leaf in 0..<45 as Range<UInt64> {
      guard let refused = refusal(.inclusion(.event(chain.ids[Int(leaf)]), size: 45, format: .json, since: nil)) else { continue }
      #expect(refused.code == .integrityError && refused.code.status == 500)
      #expect(refused.message.contains("mmr/"), "\(refused.message)")
      spoiled.insert(leaf)
    }
    // The sibling of the node is what its neighbours prove with.
    #expect(spoiled == Set(12...15))
    // The tree of 12 leaves has the node as a peak: no root, no proof.
    #expect(refusal(.consistency(from: 3, to: 12, byHeight: false))?.code == .integrityError)
    #expect(refusal(.inclusion(.event(chain.ids[0]), size: 12, format: .json, since: nil))?.code == .integrityError)
    try write(whole)
    #expect(refusal(.consistency(from: 3, to: 12, byHeight: false)) == nil)
    #expect(refusal(.inclusion(.event(chain.ids[0]), size: 12, format: .json, since: nil)) == nil)
    #expect(refusal(.inclusion(.event(chain.ids[13]), size: 45, format: .json, since: nil)) == nil)
  }

  /// A tree file that lost its end.
  @Test func aMissingNodeIsAnIntegrityError() throws {
    let file = try #require(FileHandle(forWritingAtPath: chain.directory + "/mmr/level-00"))
    try file.truncate(atOffset: 32 * 20)
    try file.close()
    let refused = refusal(.inclusion(.event(chain.ids[20]), size: 45, format: .json, since: nil))
    #expect(refused?.code == .integrityError && refused?.code.status == 500)
    #expect(refusal(.inclusion(.event(chain.ids[3]), size: 32, format: .json, since: nil)) == nil)
  }
}
