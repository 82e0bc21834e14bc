import Ambient
import Testing

@Suite struct HistoryTests {
  private func operation(_ begin: UInt64, _ end: UInt64, _ answer: Operation.Answer) -> Operation { Operation(key: 1, begin: begin, end: end, answer: answer) }

  @Test func aHistoryWithAnExplanationIsAccepted() {
    #expect(Linearizability.holds([operation(1, 10, .accepted), operation(2, 3, .absent), operation(4, 5, .present), operation(11, 12, .removed), operation(13, 14, .accepted)]))
    // The look-up that found nothing may stand before the admission that it overlaps, in either order of their ends.
    #expect(Linearizability.holds([operation(1, 4, .accepted), operation(2, 9, .absent)]))
    #expect(Linearizability.holds([operation(1, 9, .removed), operation(2, 8, .accepted), operation(3, 4, .absent)]))
  }

  @Test func aHistoryWithoutAnExplanationIsRefused() {
    #expect(!Linearizability.holds([operation(1, 10, .accepted), operation(2, 9, .accepted)]))
    #expect(!Linearizability.holds([operation(1, 2, .accepted), operation(3, 4, .absent)]))
    #expect(!Linearizability.holds([operation(1, 2, .present), operation(3, 4, .accepted)]))
    // Told "known", then not there, then accepted: nothing explains the first answer.
    #expect(!Linearizability.holds([operation(1, 9, .accepted), operation(2, 3, .present), operation(4, 5, .absent)]))
    #expect(!Linearizability.holds([operation(1, 2, .accepted), operation(3, 4, .removed), operation(5, 6, .present)]))
  }

  /// Against every order, on small random histories.
  @Test func theSearchAgreesWithExhaustion() {
    var generator = SeededGenerator(seed: 41)
    var counts = (yes: 0, no: 0)
    for _ in 0..<3000 {
      let answers: [Operation.Answer] = [.accepted, .present, .absent, .removed]
      let history = (0..<5).map { _ in
        let begin = UInt64.random(in: 0..<12, using: &generator)
        return operation(begin, begin + 1 + UInt64.random(in: 0..<8, using: &generator), answers.randomElement(using: &generator)!)
      }
      let expected = exhaustively(history, [], false)
      #expect(Linearizability.holds(history) == expected, "seed 41: \(history)")
      if expected { counts.yes += 1 } else { counts.no += 1 }
    }
    #expect(counts.yes > 100 && counts.no > 100, "seed 41: \(counts)")
  }

  private func exhaustively(_ rest: [Operation], _ placed: [Operation], _ isPresent: Bool) -> Bool {
    if rest.isEmpty { return true }
    for index in rest.indices where !rest.contains(where: { $0.end <= rest[index].begin }) {
      let next: Bool? = switch rest[index].answer {
      case .accepted: isPresent ? nil : true
      case .present: isPresent ? true : nil
      case .absent: isPresent ? nil : false
      case .removed: isPresent ? false : nil
      case .refused: isPresent
      }
      var left = rest
      let taken = left.remove(at: index)
      if let next, exhaustively(left, placed + [taken], next) { return true }
    }
    return false
  }
}
