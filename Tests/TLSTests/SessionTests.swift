import Ambient
import Bytes
import Ed25519
import Foundation
import TLS
import Testing

/// Both ends of a session, with nothing but arrays between them.
struct Pair {
  let client: TLSSession
  let server: TLSSession
  var toServer: [UInt8] = []
  var toClient: [UInt8] = []
  var atServer: [UInt8] = []
  var atClient: [UInt8] = []

  init(_ client: TLSSession, _ server: TLSSession) {
    (self.client, self.server) = (client, server)
    client.start(wire: &toServer)
  }

  /// Moves bytes in pieces of at most `size` until nothing is under way.
  mutating func settle(_ size: Int = 1 << 20) {
    while !toServer.isEmpty || !toClient.isEmpty {
      let up = Array(toServer.prefix(size))
      toServer.removeFirst(up.count)
      if !up.isEmpty { server.receive(up.bytes, plaintext: &atServer, wire: &toClient) }
      let down = Array(toClient.prefix(size))
      toClient.removeFirst(down.count)
      if !down.isEmpty { client.receive(down.bytes, plaintext: &atClient, wire: &toServer) }
    }
  }
}

enum Keys {
  static let client = SigningKey(seed: Bytes32(repeating: 1))
  static let server = SigningKey(seed: Bytes32(repeating: 2))

  static func context(_ role: TLSContext.Role, _ key: SigningKey) throws -> TLSContext {
    try TLSContext(.node(role, .selfSigned(keyPEM: key.pem())))
  }

  static func pair(pinned: Bytes32? = server.publicKey.bytes) throws -> Pair {
    Pair(TLSSession(try context(.client, client), pinned: pinned), TLSSession(try context(.server, server)))
  }

  static func open(_ size: Int = 1 << 20) throws -> Pair {
    var pair = try pair()
    pair.settle(size)
    try #require(pair.client.state == .open && pair.server.state == .open)
    return pair
  }
}

@Suite struct SessionTests {
  @Test func bothSidesLearnTheOthersKeyAndOneSecret() throws {
    let pair = try Keys.open()
    #expect(pair.client.peerKey == Keys.server.publicKey.bytes)
    #expect(pair.server.peerKey == Keys.client.publicKey.bytes)
    let secret = try #require(pair.client.exportKeyingMaterial(label: "EXPORTER-test"))
    #expect(pair.server.exportKeyingMaterial(label: "EXPORTER-test") == secret)
    #expect(pair.server.exportKeyingMaterial(label: "EXPORTER-other") != secret)
    #expect(try Keys.open().client.exportKeyingMaterial(label: "EXPORTER-test") != secret)
  }

  @Test func handshakeAndDataSurviveEveryPieceSize() throws {
    for size in [1, 2, 3, 5, 7, 64, 517, 4096] {
      var pair = try Keys.open(size)
      pair.client.send([1, 2, 3].bytes, wire: &pair.toServer)
      pair.server.send([4, 5].bytes, wire: &pair.toClient)
      pair.settle(size)
      #expect(pair.atServer == [1, 2, 3] && pair.atClient == [4, 5], "pieces of \(size)")
    }
  }

  @Test func largeTransfersArriveWhole() throws {
    let seed: UInt64 = 77
    var random = SeededGenerator(seed: seed)
    let text = (0..<3_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31 ^ $0 >> 7) }
    var pair = try Keys.open()
    var sent = 0
    while sent < text.count {
      let count = min(text.count - sent, Int.random(in: 1...100_000, using: &random))
      pair.client.send(text.bytes.extracting(sent..<sent + count), wire: &pair.toServer)
      sent += count
      pair.settle(Int.random(in: 100...40_000, using: &random))
    }
    #expect(pair.atServer == text, "seed \(seed)")
    #expect(pair.toServer.isEmpty && pair.atClient.isEmpty)
  }

  @Test func aPinnedKeyAdmitsNobodyElse() throws {
    var pair = try Keys.pair(pinned: Keys.client.publicKey.bytes)
    pair.settle()
    #expect(pair.client.state == .failed(.wrongPeer))
    // 42 is bad_certificate.
    #expect(pair.server.state == .failed(.alert(42)))
    #expect(pair.client.peerKey == nil)
  }

  @Test func aClientWithoutACertificateIsRefused() throws {
    var options = TLSContext.Options(role: .client, credential: nil, peer: .ed25519Key)
    options.applicationProtocol = "moloch/1"
    var pair = Pair(TLSSession(try TLSContext(options)), TLSSession(try Keys.context(.server, Keys.server)))
    pair.settle()
    #expect(pair.server.state == .failed(.badPeerCertificate))
    // 116 is certificate_required.
    #expect(pair.client.state == .failed(.alert(116)))
  }

  @Test func anotherApplicationProtocolIsRefused() throws {
    for name in ["", "http/1.1", "moloch/2"] {
      var options = TLSContext.Options.node(.client, try .selfSigned(keyPEM: Keys.client.pem()))
      options.applicationProtocol = name
      var pair = Pair(TLSSession(try TLSContext(options)), TLSSession(try Keys.context(.server, Keys.server)))
      pair.settle()
      #expect(pair.server.state == .failed(.noCommonProtocol), "\(name)")
    }
  }

  @Test func aPublicServerTakesClientsWithoutCertificates() throws {
    var options = TLSContext.Options(role: .server, credential: try .selfSigned(keyPEM: Keys.server.pem()), peer: .anyone)
    options.allowsTLS12 = true
    var pair = Pair(TLSSession(try TLSContext(TLSContext.Options(role: .client, credential: nil, peer: .anyone))), TLSSession(try TLSContext(options)))
    pair.settle()
    #expect(pair.client.state == .open && pair.server.state == .open && pair.server.peerKey == nil)
  }

  @Test func closeNotifyEndsTheOtherSide() throws {
    var pair = try Keys.open()
    pair.client.send([9].bytes, wire: &pair.toServer)
    pair.client.close(wire: &pair.toServer)
    #expect(pair.client.state == .ended)
    pair.settle()
    #expect(pair.atServer == [9] && pair.server.state == .ended)
    var none: [UInt8] = []
    #expect(!pair.server.send([1].bytes, wire: &none) && none.isEmpty)
    pair.server.close(wire: &none)
    #expect(none.isEmpty)
  }

  @Test func garbageFailsInEveryState() throws {
    let server = TLSSession(try Keys.context(.server, Keys.server))
    var plaintext: [UInt8] = [], wire: [UInt8] = []
    server.receive(Array("GET / HTTP/1.1\r\n\r\n".utf8).bytes, plaintext: &plaintext, wire: &wire)
    guard case .failed(.protocol) = server.state else { return #expect(Bool(false), "\(server.state)") }
    server.receive([1, 2, 3].bytes, plaintext: &plaintext, wire: &wire)
    #expect(plaintext.isEmpty)
    var pair = try Keys.open()
    pair.client.send([1, 2, 3, 4].bytes, wire: &pair.toServer)
    pair.toServer[pair.toServer.count - 1] ^= 1
    pair.settle()
    guard case .failed(.protocol) = pair.server.state else { return #expect(Bool(false), "\(pair.server.state)") }
    #expect(pair.atServer.isEmpty)
  }

  @Test func flippedBitsOfAHandshakeNeverTrap() throws {
    let seed: UInt64 = 99
    var random = SeededGenerator(seed: seed)
    var failures = 0
    for _ in 0..<200 {
      var pair = try Keys.pair()
      var left = Int.random(in: 0..<4, using: &random)
      while !pair.toServer.isEmpty || !pair.toClient.isEmpty {
        if left == 0 && !pair.toServer.isEmpty { pair.toServer[Int.random(in: 0..<pair.toServer.count, using: &random)] ^= 1 << UInt8.random(in: 0..<8, using: &random) }
        left -= 1
        let up = pair.toServer
        pair.toServer = []
        pair.server.receive(up.bytes, plaintext: &pair.atServer, wire: &pair.toClient)
        let down = pair.toClient
        pair.toClient = []
        pair.client.receive(down.bytes, plaintext: &pair.atClient, wire: &pair.toServer)
      }
      if case .failed = pair.server.state { failures += 1 } else if case .failed = pair.client.state { failures += 1 }
    }
    #expect(failures > 50, "seed \(seed)")
  }

  @Test func aCertificateIsSmallAndTheSameEveryTime() throws {
    let first = try TLSCredential.selfSigned(keyPEM: Keys.client.pem()).certificateBytes
    #expect(first == (try TLSCredential.selfSigned(keyPEM: Keys.client.pem()).certificateBytes))
    #expect(first.count < 240, "\(first.count) bytes")
    #expect(first.contains(Array(Keys.client.publicKey.bytes.array)))
  }

  @Test func unusableFilesAreRefused() throws {
    #expect(throws: TLSError.badKey) { try TLSCredential.selfSigned(keyPEM: [1, 2, 3]) }
    #expect(throws: TLSError.badCertificate) { try TLSCredential.files(keyPEM: Keys.client.pem(), certificatePEM: Keys.client.pem()) }
  }
}

extension Array where Element == UInt8 {
  func contains(_ other: [UInt8]) -> Bool { indices.contains { self[$0...].starts(with: other) } }
}
