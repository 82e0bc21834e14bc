import Ambient
import Audit
import Consensus
import Digests
import Ed25519
import Ledger
import Mempool
import Replication
import Testing

/// Events on their way from the node that admitted them to those that propose them.
@Suite struct GossipTests {
  @Test(arguments: [101, 102] as [UInt64]) func whatDoesNotFitIntoAQueueIsSentWhenThereIsRoom(seed: UInt64) throws {
    let cluster = try Cluster(validators: 4, seed: seed, blockTime: 100, emptyBlockInterval: 60_000)
    try cluster.startAll()
    cluster.run(milliseconds: 200)
    // Four messages at a time, 30 ms each: the burst is many times what the queues carry, and more than a peer takes without an answer.
    cluster.gossipMilliseconds = 30
    var isCut = true
    cluster.tamper = { _, message in Self.isGossip(message) || !isCut ? message : nil }
    let node = try follower(cluster)
    for _ in 0..<600 { cluster.admit(at: node, byteCount: 6000) }
    cluster.run(milliseconds: 3000)
    #expect(cluster.nodes.map { $0.replica?.pool.load.events } == [600, 600, 600, 600], "seed \(seed)")
    #expect(cluster.gossipBytesMost <= ReplicationLimit.gossipWindowBytes + ReplicationLimit.gossipBytesMax, "seed \(seed)")
    isCut = false
    cluster.settle(withinMilliseconds: 30_000)
    cluster.expectAgreement(heightMin: 1)
    cluster.expectEveryEventOnce()
  }

  private static func isGossip(_ message: ReplicaMessage) -> Bool {
    switch message {
    case .events, .eventsTaken: true
    default: false
    }
  }

  /// A node that does not lead the view: what it has is in no block of its own.
  private func follower(_ cluster: Cluster) throws -> Int {
    try #require(cluster.nodes.first { $0.replica?.leader != $0.key?.publicKey }).index
  }

  @Test func aFullNodeLeavesEventsWhereTheyAreAndTakesThemWhenItHasRoom() throws {
    let cluster = try Cluster(validators: 4, seed: 103, blockTime: 100, emptyBlockInterval: 60_000)
    try cluster.startAll()
    // No block until the pools have settled: nobody hears a proposal or a vote.
    var isCut = true
    cluster.tamper = { _, message in Self.isGossip(message) || !isCut ? message : nil }
    for _ in 0..<2500 { cluster.admit(at: 0, byteCount: 600) }
    for _ in 0..<1900 { cluster.admit(at: 1) }
    cluster.run(milliseconds: 3000)
    // A pool of 4000 takes others' events up to half of it.
    let loads = cluster.nodes.map { $0.replica?.pool.load.events ?? 0 }
    #expect(loads[0] == 2500 && loads[1] >= 2000 && loads[1] <= 2600 && loads[2] >= 2000 && loads[2] <= 2600, "\(loads)")
    isCut = false
    cluster.settle(withinMilliseconds: 60_000)
    cluster.expectAgreement(heightMin: 1)
    cluster.expectEveryEventOnce()
    #expect(cluster.admitted.count == 4400)
  }

  @Test(arguments: [0, 1, 2, 3]) func eventsThatNobodyElseHoldsDoNotWaitForAnIdleChain(node: Int) throws {
    let cluster = try Cluster(validators: 4, seed: 104, blockTime: 100, emptyBlockInterval: 60_000)
    try cluster.startAll()
    cluster.tamper = { _, message in if case .events = message { nil } else { message } }
    cluster.run(milliseconds: 500)
    for _ in 0..<10 { cluster.admit(at: node) }
    let before = cluster.now
    cluster.settle(withinMilliseconds: 20_000)
    cluster.expectEveryEventOnce()
    // At most three views of leaders that see nothing, each as long as it takes to tell them.
    #expect(cluster.now.milliseconds(since: before) < 2000)
  }

  /// A leader's block that nobody has seen holds its events; the chain must not rest on that.
  @Test func eventsOfABlockThatIsLostAreProposedAgain() throws {
    let cluster = try Cluster(validators: 4, seed: 108, blockTime: 100, emptyBlockInterval: 60_000)
    try cluster.startAll()
    cluster.run(milliseconds: 200)
    let leader = try #require(cluster.nodes.first { $0.replica?.leader == $0.key?.publicKey }).index
    var isCut = true
    cluster.tamper = { _, message in isCut ? nil : message }
    for _ in 0..<50 { cluster.admit(at: leader) }
    cluster.run(milliseconds: 1500)
    #expect(cluster.nodes[leader].replica?.pool.statistics.proposable == 0)
    isCut = false
    let before = cluster.now
    cluster.settle(withinMilliseconds: 20_000)
    cluster.expectEveryEventOnce()
    #expect(cluster.now.milliseconds(since: before) < 10_000)
  }

  @Test func eventsOfABrokenConnectionAreSentOnTheNextOne() throws {
    let cluster = try Cluster(validators: 4, seed: 105, blockTime: 100, emptyBlockInterval: 60_000)
    try cluster.startAll()
    cluster.run(milliseconds: 200)
    let node = try follower(cluster), others = (0..<4).filter { $0 != node }
    for index in others { cluster.crash(index) }
    for _ in 0..<50 { cluster.admit(at: node) }
    cluster.run(milliseconds: 200)
    cluster.tamper = { _, message in Self.isGossip(message) ? message : nil }
    for index in others { try cluster.start(index) }
    cluster.run(milliseconds: 200)
    #expect(others.allSatisfy { cluster.nodes[$0].replica?.pool.load.events == 50 })
    cluster.tamper = nil
    cluster.settle(withinMilliseconds: 20_000)
    cluster.expectEveryEventOnce()
  }

  @Test func aLostMessageIsOfferedAgainAfterTheInterval() throws {
    let cluster = try Cluster(validators: 4, seed: 106, blockTime: 100, emptyBlockInterval: 60_000)
    try cluster.startAll()
    for node in cluster.nodes { node.replica?.rebroadcastMilliseconds = 4000 }
    // No blocks in this test: only the pools are looked at.
    var loses = true
    cluster.tamper = { _, message in
      switch message {
      case .events: loses ? nil : message
      default: nil
      }
    }
    cluster.run(milliseconds: 100)
    let node = try follower(cluster), others = (0..<4).filter { $0 != node }
    for _ in 0..<20 { cluster.admit(at: node) }
    cluster.run(milliseconds: 1000)
    loses = false
    cluster.run(milliseconds: 1000)
    #expect(others.allSatisfy { cluster.nodes[$0].replica?.pool.load.events == 0 })
    cluster.run(milliseconds: 8000)
    #expect(others.allSatisfy { cluster.nodes[$0].replica?.pool.load.events == 20 })
  }

  /// A leader whose disk is behind puts its block off; when the disk has caught up, its view may be over.
  @Test func aBlockThatWasPutOffIsNotBuiltForAViewThatIsOver() throws {
    let cluster = try Cluster(validators: 4, seed: 107, blockTime: 50, emptyBlockInterval: 50)
    try cluster.startAll()
    cluster.run(milliseconds: 200)
    var isCut = false
    cluster.tamper = { from, message in
      if case .events = message, from == 2 { return nil }
      return isCut ? nil : message
    }
    let slow = cluster.nodes[2], replica = try #require(slow.replica)
    cluster.heldPersists = (2, [])
    var hasLed = false
    for _ in 0..<4000 {
      cluster.run(milliseconds: 5)
      let leads = replica.leader == slow.key?.publicKey
      // From here on no block of its own can take them.
      if !leads, replica.blocksInFlight >= ReplicationLimit.blocksInFlight, replica.pool.load.events == 0 {
        for _ in 0..<30 { cluster.admit(at: 2) }
      }
      if leads, replica.blocksInFlight >= ReplicationLimit.blocksInFlight { hasLed = true }
      if hasLed, !leads { break }
    }
    // Its turn is over; from here on nothing new is heard, and the disk catches up.
    isCut = true
    cluster.run(milliseconds: 50)
    #expect(hasLed && replica.pool.load.events == 30 && replica.pool.statistics.proposable == 30)
    try cluster.releasePersists()
    #expect(replica.blocksInFlight == 0 && replica.leader != slow.key?.publicKey)
    #expect(replica.pool.statistics.proposable == 30, "they are in a block that nobody has asked for")
    isCut = false
    cluster.settle(withinMilliseconds: 30_000)
    cluster.expectEveryEventOnce()
  }
}
