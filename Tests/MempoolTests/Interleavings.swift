import Ambient
import Foundation

/// Threads of which exactly one runs at a time: each gives the turn away at its yields, and a seed decides who gets it. Same seed, same run.
final class Interleaving: @unchecked Sendable {
  // Sendable: only the thread that has the turn touches anything; semaphores hand everything over with it.
  private var generator: SeededGenerator
  private var live: [Int] = []
  private var turns: [DispatchSemaphore] = []
  private let finished = DispatchSemaphore(value: 0)
  private var current = 0
  /// Logical time: advances with every question.
  private(set) var clock: UInt64 = 0

  init(seed: UInt64) { generator = SeededGenerator(seed: seed) }

  /// Runs the bodies to their ends.
  func run(_ bodies: [@Sendable () -> Void]) {
    live = Array(bodies.indices)
    turns = bodies.map { _ in DispatchSemaphore(value: 0) }
    for (index, body) in bodies.enumerated() {
      let turn = turns[index]
      Thread {
        turn.wait()
        body()
        self.end()
      }.start()
    }
    current = live.randomElement(using: &generator)!
    turns[current].signal()
    finished.wait()
  }

  /// Gives the turn to whoever the seed names, perhaps the caller.
  func yield() {
    let me = current
    let next = live.randomElement(using: &generator)!
    guard next != me else { return }
    current = next
    turns[next].signal()
    turns[me].wait()
  }

  private func end() {
    live.removeAll { $0 == current }
    guard let next = live.randomElement(using: &generator) else {
      finished.signal()
      return
    }
    current = next
    turns[next].signal()
  }

  func stamp() -> UInt64 {
    clock += 1
    return clock
  }

  func choose(_ bound: Int) -> Int { Int.random(in: 0..<bound, using: &generator) }
}
