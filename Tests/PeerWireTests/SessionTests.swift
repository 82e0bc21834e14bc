import Bytes
import PeerWire
import Testing

@Suite struct MessageTests {
  @Test func helloSurvivesItsEncoding() {
    var hello = Samples.hello
    #expect(Hello(decoding: hello.encoded().bytes) == hello)
    hello.binding = nil
    hello.addresses = []
    hello.name = ""
    #expect(Hello(decoding: hello.encoded().bytes) == hello)
  }

  @Test func helloHasTheWrittenLayout() {
    let bytes = Samples.hello.encoded()
    #expect(bytes.bytes.uint16(at: 48) == 1 && bytes.bytes.uint16(at: 50) == 3)
    #expect(bytes[52..<84].allSatisfy { $0 == 3 } && bytes[84] == 1)
    #expect(bytes.bytes.uint16(at: 86) == 9000 && bytes.bytes.uint64(at: 152) == 1_768_478_400_123)
    #expect(bytes[160] == 11 && bytes[161..<172].elementsEqual("moloch-test".utf8))
    #expect(bytes.suffix(64).allSatisfy { $0 == 7 })
  }

  @Test func noPrefixAndNoExtensionIsAHello() {
    let bytes = Samples.hello.encoded()
    for count in 0..<bytes.count where Hello(decoding: bytes.bytes.extracting(0..<count)) != nil { Issue.record("\(count) bytes were read") }
    #expect(Hello(decoding: (bytes + [0]).bytes) == nil)
  }

  @Test func helloRefusesControlCharactersAndReversedRanges() {
    var bytes = Samples.hello.encoded()
    bytes[161] = 0x1B
    #expect(Hello(decoding: bytes.bytes) == nil)
    bytes = Samples.hello.encoded()
    bytes[49] = 9
    #expect(Hello.Preamble(decoding: bytes.bytes) == nil)
    bytes = Samples.hello.encoded()
    bytes[88] = 0xFF
    #expect(Hello(decoding: bytes.bytes) == nil)
  }

  @Test(arguments: [(1...1, 1...1, 1), (1...3, 2...5, 3), (4...6, 1...5, 5), (1...1, 2...2, nil), (5...9, 1...4, nil)] as [(ClosedRange<UInt16>, ClosedRange<UInt16>, UInt16?)])
  func theHighestCommonVersionIsSpoken(_ ours: ClosedRange<UInt16>, _ theirs: ClosedRange<UInt16>, _ common: UInt16?) {
    #expect(Hello.Preamble(chainTag: Bytes16(), genesisHash: Bytes32(), protocols: theirs).common(ours) == common)
  }

  @Test func theBindingNamesBothSidesInOrder() {
    let message = Hello.bindingMessage(chainTag: Bytes16(repeating: 1), exporter: Bytes32(repeating: 2), signer: Bytes32(repeating: 3), other: Bytes32(repeating: 4))
    #expect(message.count == 128 && message.starts(with: Array("moloch-bind-v1\0\0".utf8)))
    #expect(message[16] == 1 && message[32] == 2 && message[64] == 3 && message[96] == 4)
  }

  @Test func shortMessagesSurviveTheirEncoding() {
    for reason in Goodbye.Reason.allCases {
      let goodbye = Goodbye(reason, "why \(reason.name)")
      #expect(Goodbye(decoding: goodbye.encoded().bytes) == goodbye)
    }
    #expect(Goodbye(decoding: [200, 0].bytes)?.reason == .other)
    #expect(Goodbye(.other, String(repeating: "é", count: 200)).encoded().count <= 202)
    #expect(Goodbye(decoding: [1, 2, 65].bytes) == nil)
    let ping = Ping(nonce: 1, wallMilliseconds: 2, headHeight: 3)
    #expect(Ping(decoding: ping.encoded().bytes) == ping)
    #expect(Ping(decoding: [UInt8](repeating: 0xFF, count: 24).bytes) == nil)
    let addresses = Addresses.answer(["/ip4/1.2.3.4/tcp/9000", "/dns/x/tcp/1"])
    #expect(Addresses(decoding: addresses.encoded().bytes) == addresses)
    #expect(Addresses(decoding: Addresses.request.encoded().bytes) == .request)
    #expect(Addresses(decoding: [0, 1, 0, 1, 65].bytes) == nil)
    #expect(Addresses(decoding: [1, 65].bytes) == nil)
  }

  @Test func exchangedAddressesFitTheirCap() {
    let long = Addresses.answer((0..<64).map { _ in String(repeating: "a", count: 400) })
    let bytes = long.encoded()
    #expect(bytes.count <= WireLimit.addresses)
    #expect(Addresses(decoding: bytes.bytes)?.addresses.count == Int(bytes[1]))
  }

  @Test func everyTypeHasALaneACapAndAName() {
    #expect(MessageType.all.count == 29 && Set(MessageType.all).count == 29)
    for type in MessageType.all { #expect(type.lane != nil && caps.byteCount(type) > 0 && type.description != "unknown") }
    for code in UInt8.min...UInt8.max where !MessageType.all.contains(MessageType(rawValue: code)) {
      #expect(MessageType(rawValue: code).lane == nil && caps.byteCount(MessageType(rawValue: code)) == 0)
    }
  }
}

@Suite struct SessionTests {
  enum Reached: CaseIterable { case greeting, open, ended }

  static func session(_ state: Reached) -> WireSession {
    var session = WireSession(caps: caps, protocols: 1...1)
    if state != .greeting {
      var offset = 0
      let bytes = frame(.hello, Samples.hello.encoded())
      _ = session.advance(bytes.bytes, &offset)
    }
    if state == .ended { session.end() }
    return session
  }

  static func payload(_ type: MessageType) -> [UInt8] {
    switch type {
    case .hello: Samples.hello.encoded()
    case .goodbye: Goodbye(.full).encoded()
    case .ping, .pong: Ping(nonce: 9, wallMilliseconds: 1, headHeight: 1).encoded()
    case .addresses: Addresses.request.encoded()
    default: [1]
    }
  }

  @Test(arguments: Reached.allCases) func everyStateAnswersEveryMessage(_ state: Reached) {
    for type in MessageType.all {
      var session = Self.session(state)
      var offset = 0
      let bytes = frame(type, Self.payload(type))
      let event = session.advance(bytes.bytes, &offset)
      #expect(offset == bytes.count || state == .greeting)
      switch (state, type) {
      case (.ended, _): #expect(event == .needMore && session.phase == .ended)
      case (.greeting, .hello): #expect(event == .hello(Samples.hello) && session.phase == .open)
      case (_, .goodbye): #expect(event == .goodbye(Goodbye(.full)) && session.phase == .ended)
      case (.greeting, _), (.open, .hello): #expect(event == .violation(.unexpected(type)) && session.phase == .ended)
      case (.open, .ping): #expect(event == .ping(Ping(nonce: 9, wallMilliseconds: 1, headHeight: 1)))
      case (.open, .pong): #expect(event == .pong(Ping(nonce: 9, wallMilliseconds: 1, headHeight: 1)))
      case (.open, .addresses): #expect(event == .addresses(.request))
      case (.open, _): #expect(event == .message(type, [1]) && session.phase == .open)
      }
    }
  }

  @Test func aStrangerOfAnotherVersionIsReadAsFarAsItGoes() {
    var session = WireSession(caps: caps, protocols: 1...1)
    var old = Samples.hello
    old.preamble = Hello.Preamble(chainTag: Bytes16(repeating: 1), genesisHash: Bytes32(repeating: 2), protocols: 7...9)
    // What follows the beginning may have any layout in a later version.
    let bytes = frame(.hello, Array(old.encoded().prefix(60)))
    var offset = 0
    #expect(session.advance(bytes.bytes, &offset) == .incompatible(old.preamble))
    #expect(session.phase == .ended)
  }
}
