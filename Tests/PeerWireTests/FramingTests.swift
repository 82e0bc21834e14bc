import Ambient
import Bytes
import PeerWire
import Testing

let caps = WireCaps(blockByteCount: 8 << 20)

/// Everything a reader says about a stream, fed in pieces.
func readings(_ pieces: [ArraySlice<UInt8>], greeted: Bool = true) -> [WireSession.Event] {
  var session = WireSession(caps: caps, protocols: 1...1)
  var events: [WireSession.Event] = []
  for piece in (greeted ? [frame(.hello, Samples.hello.encoded())[...]] : []) + pieces {
    let bytes = Array(piece)
    var offset = 0
    while true {
      let event = session.advance(bytes.bytes, &offset)
      if event == .needMore { break }
      events.append(event)
      if case .violation = event { return greeted ? Array(events.dropFirst()) : events }
    }
  }
  return greeted ? Array(events.dropFirst()) : events
}

/// A message in one fragment.
func frame(_ type: MessageType, _ payload: [UInt8], lane: UInt8? = nil, flags: UInt8 = 0) -> [UInt8] {
  var bytes: [UInt8] = []
  bytes.append(bigEndian: UInt32(payload.count))
  bytes += [lane ?? type.lane?.rawValue ?? 0, type.rawValue, flags, 0]
  return bytes + payload
}

enum Samples {
  static var hello: Hello {
    var hello = Hello(preamble: Hello.Preamble(chainTag: Bytes16(repeating: 1), genesisHash: Bytes32(repeating: 2), protocols: 1...3), nodeKey: Bytes32(repeating: 3))
    hello.listenPort = 9000
    hello.headHeight = 17
    hello.headHash = Bytes32(repeating: 4)
    hello.epoch = 1
    hello.view = 18
    hello.earliestBodyHeight = 5
    hello.wallMilliseconds = 1_768_478_400_123
    hello.chainID = "moloch-test"
    hello.version = "1.0.0"
    hello.name = "n1"
    hello.addresses = ["/ip4/10.0.0.1/tcp/9000", "/dns/n1.example/tcp/9000"]
    hello.binding = Hello.Binding(key: Bytes32(repeating: 6), signature: Bytes64(repeating: 7))
    return hello
  }

  /// A stream of all kinds of messages, of which the larger ones are cut into fragments that interleave.
  static func stream() -> (bytes: [UInt8], messages: [(MessageType, [UInt8])]) {
    var outbox = Outbox(caps: caps, eventMessagesMax: 100)
    var random = SeededGenerator(seed: 5)
    func noise(_ count: Int) -> [UInt8] { (0..<count).map { _ in UInt8(truncatingIfNeeded: random.next()) } }
    var messages: [(MessageType, [UInt8])] = [(.propose, noise(40_000)), (.events, noise(20_000)), (.syncResponse, noise(100)), (.events, [])]
    var bytes: [UInt8] = []
    for (type, payload) in messages { _ = outbox.queue(type, payload) }
    _ = outbox.fill(&bytes)
    messages.append((.vote, noise(160)))
    _ = outbox.queue(.vote, messages[4].1)
    while outbox.fill(&bytes, limit: bytes.count + 5000) {}
    return (bytes, messages)
  }
}

@Suite struct FramingTests {
  @Test func messagesComeOutInTheOrderOfPriority() {
    let (bytes, messages) = Samples.stream()
    let events = readings([bytes[...]])
    let expected = [4, 0, 2, 1, 3].map { WireSession.Event.message(messages[$0].0, messages[$0].1) }
    #expect(events == expected)
  }

  /// The stream has two cuts at every place of its first and last kilobytes and at every seventh place between.
  @Test func anyCutGivesTheSameMessages() {
    let (bytes, _) = Samples.stream()
    let whole = readings([bytes[...]])
    for cut in 0...bytes.count where cut < 600 || cut > bytes.count - 600 || cut % 97 == 0 {
      if readings([bytes[..<cut], bytes[cut...]]) != whole { Issue.record("cut at \(cut)") }
    }
    #expect(readings(bytes.indices.map { bytes[$0...$0] }) == whole)
  }

  @Test func everyPairOfCutsOfASmallStreamGivesTheSameMessages() {
    let bytes = frame(.vote, [1, 2, 3]) + frame(.events, [9, 9], flags: 1) + frame(.ping, Ping(nonce: 1, wallMilliseconds: 2, headHeight: 3).encoded()) + frame(.events, [])
    let whole = readings([bytes[...]])
    #expect(whole == [.message(.vote, [1, 2, 3]), .ping(Ping(nonce: 1, wallMilliseconds: 2, headHeight: 3)), .message(.events, [9, 9])])
    for first in 0...bytes.count {
      for second in first...bytes.count where readings([bytes[..<first], bytes[first..<second], bytes[second...]]) != whole {
        Issue.record("cuts at \(first) and \(second)")
      }
    }
  }

  @Test func mutatedStreamsNeverTrapAndNeverHoldMoreThanWasSent() {
    let seed: UInt64 = 1_234_567
    var random = SeededGenerator(seed: seed)
    let stream = frame(.hello, Samples.hello.encoded()) + frame(.vote, [UInt8](repeating: 1, count: 160)) + frame(.propose, [UInt8](repeating: 2, count: 3000), flags: 1)
      + frame(.addresses, Addresses.answer(["/ip4/10.0.0.1/tcp/9000"]).encoded()) + frame(.propose, [5])
    var violations = 0
    for round in 0..<4000 {
      var bytes = stream
      for _ in 0...Int.random(in: 0..<4, using: &random) {
        switch Int.random(in: 0..<3, using: &random) {
        case 0: bytes[Int.random(in: 0..<bytes.count, using: &random)] ^= 1 << UInt8.random(in: 0..<8, using: &random)
        case 1: bytes.remove(at: Int.random(in: 0..<bytes.count, using: &random))
        default: bytes.insert(UInt8.random(in: 0...255, using: &random), at: Int.random(in: 0...bytes.count, using: &random))
        }
      }
      var session = WireSession(caps: caps, protocols: 1...1)
      var offset = 0
      loop: while true {
        switch session.advance(bytes.bytes, &offset) {
        case .needMore: break loop
        case .violation: violations += 1
        default: continue
        }
      }
      if session.reader.heldByteCount > bytes.count { Issue.record("seed \(seed), round \(round): more is held than was sent") }
    }
    #expect(violations > 1000, "seed \(seed)")
  }

  @Test(arguments: [
    (frame(.vote, [1], lane: 3), WireViolation.wrongLane(type: 16, lane: 3)),
    (frame(.vote, [1], flags: 2), .reservedBits),
    ([0, 0, 0, 1, 0, 16, 0, 9, 1], .reservedBits),
    (frame(.vote, [], flags: 1), .emptyFragment),
    ([0, 0, 0x40, 1, 0, 16, 0, 0], .fragmentTooLong(16_385)),
    ([0xFF, 0xFF, 0xFF, 0xFF, 0, 16, 0, 0], .fragmentTooLong(0xFFFF_FFFF)),
    (frame(MessageType(rawValue: 99), [1]), .unknownType(99)),
    (frame(.vote, [UInt8](repeating: 0, count: 1025)), .messageTooLong(.vote, max: 1024)),
    (frame(.propose, [1], flags: 1) + frame(.block, [1]), .interleaved(.block)),
    (frame(.ping, [1]), .malformed(.ping)),
    (frame(.addresses, [7]), .malformed(.addresses)),
    (frame(.goodbye, []), .malformed(.goodbye)),
    (frame(.hello, Samples.hello.encoded()), .unexpected(.hello)),
  ]) func brokenFramesAreNamed(_ bytes: [UInt8], _ violation: WireViolation) {
    #expect(readings([bytes[...]]) == [.violation(violation)])
  }

  /// A message above its cap is refused at the fragment that would exceed it, and nothing of that fragment is kept.
  @Test func theCapIsCheckedBeforeBytesAreKept() {
    var session = WireSession(caps: WireCaps(blockByteCount: 1000), protocols: 1...1)
    var offset = 0
    let hello = frame(.hello, Samples.hello.encoded())
    #expect(session.advance(hello.bytes, &offset) == .hello(Samples.hello))
    let piece = frame(.propose, [UInt8](repeating: 1, count: 16_384), flags: 1)
    for _ in 0..<(WireCaps(blockByteCount: 1000).byteCount(.propose) / 16_384) {
      offset = 0
      #expect(session.advance(piece.bytes, &offset) == .needMore)
    }
    offset = 0
    #expect(session.advance(piece.bytes, &offset) == .violation(.messageTooLong(.propose, max: 320 + (33 << 20))))
    #expect(session.reader.heldByteCount <= 320 + (33 << 20))
    session.forget()
    #expect(session.reader.heldByteCount == 0)
  }

  @Test func strangersAreHeldToTheSizeOfAHello() {
    #expect(readings([frame(.vote, [1])[...]], greeted: false) == [.violation(.unexpected(.vote))])
    #expect(readings([frame(.hello, [UInt8](repeating: 0, count: 4097), flags: 1)[...]], greeted: false) == [.violation(.messageTooLong(.hello, max: 4096))])
  }

  @Test func idleMeansNothingIsLostByTheEnd() {
    var reader = FrameReader(caps: caps)
    var offset = 0
    #expect(reader.isIdle)
    let bytes = frame(.hello, [1, 2, 3])
    #expect(reader.advance(bytes.bytes.extracting(0..<9), &offset) == .needMore)
    #expect(!reader.isIdle)
    offset = 9
    #expect(reader.advance(bytes.bytes, &offset) == .message(.hello, [1, 2, 3]))
    #expect(reader.isIdle && reader.receivedBytes == [11, 0, 0, 0, 0])
  }
}

@Suite struct OutboxTests {
  @Test func aVoteOvertakesAProposal() {
    var outbox = Outbox(caps: caps, eventMessagesMax: 10)
    var bytes: [UInt8] = []
    #expect(outbox.queue(.propose, [UInt8](repeating: 0, count: 8 << 20)) == .queued)
    for _ in 0..<3 {
      bytes.removeAll()
      _ = outbox.fill(&bytes)
    }
    #expect(outbox.queue(.vote, [7]) == .queued)
    bytes.removeAll()
    let isFilled = outbox.fill(&bytes)
    #expect(isFilled)
    #expect(Array(bytes.prefix(9)) == frame(.vote, [7]))
    #expect(bytes.count == WireLimit.flightByteCount)
  }

  @Test func theOldestEventIsDroppedFirstButNeverOneThatBegan() {
    var outbox = Outbox(caps: caps, eventMessagesMax: 3)
    var bytes: [UInt8] = []
    for value in UInt8(1)...3 { #expect(outbox.queue(.events, [UInt8](repeating: value, count: 20_000)) == .queued) }
    _ = outbox.fill(&bytes)
    #expect(outbox.queue(.events, [4]) == .dropped(1))
    #expect(outbox.queue(.events, [5]) == .dropped(1))
    while outbox.fill(&bytes, limit: bytes.count + 16_384) {}
    #expect(readings([bytes[...]]) == [.message(.events, [UInt8](repeating: 1, count: 20_000)), .message(.events, [4]), .message(.events, [5])])
    #expect(outbox.isEmpty && outbox.queuedBytes(.events) == 0)
  }

  @Test func everyLaneIsBounded() {
    var outbox = Outbox(caps: WireCaps(blockByteCount: 1000), eventMessagesMax: 65_536)
    func flood(_ type: MessageType, _ count: Int) -> (Outbox.Admission, Int) {
      let payload = [UInt8](repeating: 0, count: count)
      for index in 0..<1_000_000 {
        let admission = outbox.queue(type, payload)
        if admission != .queued { return (admission, index) }
      }
      return (.queued, 0)
    }
    #expect(flood(.vote, 160).0 == .overflow)
    #expect(flood(.propose, 1 << 20).0 == .overflow)
    #expect(flood(.syncResponse, 5 << 20).0 == .refused)
    #expect(flood(.addresses, 16_000).0 == .refused)
    #expect(flood(.events, 1 << 20).0 == .dropped(1))
    #expect(outbox.queuedBytes(.votes) <= 4 << 20 && outbox.queuedBytes(.events) <= 4 << 20)
  }

  @Test func theLastMessageFollowsWhatHasBegunOnItsLane() {
    var outbox = Outbox(caps: caps, eventMessagesMax: 10)
    var bytes: [UInt8] = []
    _ = outbox.queue(.certificate, [UInt8](repeating: 1, count: 30_000))
    _ = outbox.queue(.vote, [1])
    _ = outbox.queue(.propose, [1])
    _ = outbox.fill(&bytes)
    outbox.finish(with: .goodbye, Goodbye(.shutdown).encoded())
    while outbox.fill(&bytes, limit: bytes.count + 16_384) {}
    #expect(readings([bytes[...]]) == [.message(.certificate, [UInt8](repeating: 1, count: 30_000)), .goodbye(Goodbye(.shutdown))])
    #expect(outbox.isEmpty && outbox.queuedBytes(.votes) == 0)
  }

  @Test func countsAreThoseOfTheWire() {
    var outbox = Outbox(caps: caps, eventMessagesMax: 10)
    var bytes: [UInt8] = []
    _ = outbox.queue(.vote, [1, 2, 3])
    _ = outbox.queue(.block, [UInt8](repeating: 0, count: 20_000))
    while outbox.fill(&bytes, limit: bytes.count + 16_384) {}
    #expect(outbox.sentBytes[0] == 11 && outbox.sentBytes[1] == 20_000 + 16)
    #expect(UInt64(bytes.count) == outbox.sentBytes.reduce(0, +))
    let hasMore = outbox.fill(&bytes)
    #expect(!hasMore)
  }
}
