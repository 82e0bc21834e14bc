import Foundation
import Synchronization
import Testing

@testable import Lanes

/// Runs `body(i)` on `count` threads and returns when all have ended.
func onThreads(_ count: Int, _ body: @escaping @Sendable (Int) -> Void) {
  let group = DispatchGroup()
  for index in 0..<count {
    group.enter()
    Thread { body(index); group.leave() }.start()
  }
  group.wait()
}

@Suite struct LanesTests {
  @Test func lanesAreFirstInFirstOutAndBounded() {
    let single = SPSCLane<UInt64>(capacity: 4), many = MPMCLane<UInt64>(capacity: 4)
    for round in 0..<5 as Range<UInt64> {
      for value in 0..<4 as Range<UInt64> {
        let isPushed = single.push(value + round)
        #expect(isPushed && many.push(value + round))
      }
      let isPushed = single.push(9)
      #expect(!isPushed && !many.push(9))
      for value in 0..<4 as Range<UInt64> { #expect(single.pop() == value + round); #expect(many.pop() == value + round) }
      #expect(single.pop() == nil); #expect(many.pop() == nil)
    }
  }

  @Test func singleProducerOrderHoldsAcrossThreads() {
    let lane = SPSCLane<UInt64>(capacity: 64), wrong = Atomic<Int>(0)
    let count: UInt64 = 50_000
    onThreads(2) { thread in
      var next: UInt64 = 0
      while next < count {
        if thread == 0 {
          if lane.push(next) { next += 1 } else { sched_yield() }
        } else if let value = lane.pop() {
          if value != next { wrong.add(1, ordering: .relaxed) }
          next += 1
        } else { sched_yield() }
      }
    }
    #expect(wrong.load(ordering: .relaxed) == 0)
    #expect(lane.pop() == nil)
  }

  @Test func manyProducersAndConsumersLoseAndRepeatNothing() {
    let lane = MPMCLane<UInt64>(capacity: 32), each = 10_000
    let seen = AtomicWords(count: 2 * each), taken = Atomic<Int>(0)
    onThreads(4) { thread in
      if thread < 2 {
        var next = 0
        while next < each { if lane.push(UInt64(thread * each + next)) { next += 1 } else { sched_yield() } }
      } else {
        while taken.load(ordering: .relaxed) < 2 * each {
          if let value = lane.pop() { _ = seen.add(1, Int(value)); taken.add(1, ordering: .relaxed) } else { sched_yield() }
        }
      }
    }
    #expect((0..<2 * each).allSatisfy { seen.loadRelaxed($0) == 1 })
  }

  @Test func aFreeIndexHasOneOwnerAtATime() {
    let list = FreeList(count: 3), owners = AtomicWords(count: 3), wrong = Atomic<Int>(0)
    onThreads(4) { _ in
      for _ in 0..<10_000 {
        guard let index = list.pop() else { continue }
        if !owners.exchange(index, expected: 0, desired: 1) { wrong.add(1, ordering: .relaxed) }
        owners.storeReleasing(0, index)
        list.push(index)
      }
    }
    #expect(wrong.load(ordering: .relaxed) == 0)
    #expect(Set((0..<3).compactMap { _ in list.pop() }).count == 3)
    #expect(list.pop() == nil)
  }

  /// Two threads find the stack empty; a third gives its index back before one of them takes the last fresh one. The other finds what was given back.
  @Test func whatIsGivenBackBetweenTheLooksIsFound() {
    let list = FreeList(count: 2)
    #expect(list.pop() == 0)
    var isBack = false, second: Int?
    let first = list.pop {
      guard !isBack else { return }
      second = list.pop {
        list.push(0)
        isBack = true
      }
    }
    #expect(second == 1 && first == 0)
    #expect(list.pop() == nil)
  }

  /// As many indexes as threads, each thread with one at a time: there is a free one whenever a thread asks, also while fresh ones run out.
  @Test func aListThatIsNeverEmptyNeverSaysSo() {
    let refused = Atomic<Int>(0), threads = 4
    for _ in 0..<500 {
      let list = FreeList(count: threads)
      onThreads(threads) { _ in
        for _ in 0..<20 {
          guard let index = list.pop() else {
            refused.add(1, ordering: .relaxed)
            continue
          }
          list.push(index)
        }
      }
    }
    #expect(refused.load(ordering: .relaxed) == 0)
  }

  @Test func threadsWithMagazinesNeverHoldTheSameIndex() {
    // Two threads, as many indexes as both magazines and one thread's hands hold.
    let count = 2 * Magazine.capacity + 40
    let list = FreeList(count: count), owners = AtomicArray(count: count), wrong = Atomic<Int>(0), taken = Atomic<Int>(0)
    onThreads(2) { thread in
      let magazine = Magazine()
      var held: [Int] = []
      for round in 0..<20_000 {
        if held.count < 20, let index = magazine.pop(from: list) {
          if !owners.exchange(index, expected: 0, desired: UInt64(thread + 1)) { wrong.add(1, ordering: .relaxed) }
          held.append(index)
          taken.add(1, ordering: .relaxed)
        }
        guard held.count == 20 || round % 3 == 0, let index = held.popLast() else { continue }
        owners.storeReleasing(0, index)
        if round % 2 == 0 { magazine.push(index, to: list) } else { list.push(index) }
      }
    }
    #expect(wrong.load(ordering: .relaxed) == 0)
    #expect(taken.load(ordering: .relaxed) > 20_000)
  }
}
