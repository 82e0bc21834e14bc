import Bytes
import Ed25519
import Foundation
import Glibc
import TLS
import Testing

/// The `openssl` tool as the other side, over a loopback socket.
@Suite struct InteroperationTests {
  /// What became of a session with `openssl s_client`.
  struct Outcome {
    var state: TLSSession.State
    var plaintext: [UInt8]
    var peerKey: Bytes32?
    var output: String
  }

  static func run(_ tool: String, _ arguments: [String]) throws -> String {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: tool)
    process.arguments = arguments
    let pipe = Pipe()
    process.standardOutput = pipe
    process.standardError = pipe
    process.standardInput = FileHandle.nullDevice
    try process.run()
    let data = pipe.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return String(decoding: data, as: UTF8.self)
  }

  /// Accepts one connection, runs a server session over it until the client leaves, and sends `answer` when the session is open.
  static func serve(_ clientArguments: [String], input: String, answer: [UInt8]) throws -> Outcome {
    let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    defer { close(listener) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    var size = socklen_t(MemoryLayout<sockaddr_in>.size)
    // The structure outlives each call and its size is passed along.
    let isBound = unsafe withUnsafeMutablePointer(to: &address) { pointer in
      unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe bind(listener, $0, size) == 0 && getsockname(listener, $0, &size) == 0 }
    }
    try #require(isBound && listen(listener, 1) == 0)
    let client = Process()
    client.executableURL = URL(fileURLWithPath: "/usr/bin/openssl")
    client.arguments = ["s_client", "-connect", "127.0.0.1:\(UInt16(bigEndian: address.sin_port))", "-quiet", "-no_ign_eof"] + clientArguments
    let stdin = Pipe(), stdout = Pipe()
    client.standardInput = stdin
    client.standardOutput = stdout
    client.standardError = FileHandle.nullDevice
    try client.run()
    // A tool that ends before it connects must not keep the test.
    var waiting = pollfd(fd: listener, events: Int16(POLLIN), revents: 0)
    try #require(unsafe poll(&waiting, 1, 120_000) == 1, "the tool did not connect")
    let connection = accept(listener, nil, nil)
    try #require(connection >= 0)
    _ = fcntl(connection, F_SETFD, FD_CLOEXEC)
    let session = TLSSession(try Keys.context(.server, Keys.server))
    var plaintext: [UInt8] = [], wire: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 1000)
    var hasAnswered = false
    while session.state == .handshaking || session.state == .open {
      let count = unsafe buffer.withUnsafeMutableBytes { unsafe read(connection, $0.baseAddress, $0.count) }
      guard count > 0 else { break }
      session.receive(buffer.bytes.extracting(0..<count), plaintext: &plaintext, wire: &wire)
      if session.state == .open && !hasAnswered {
        hasAnswered = true
        session.send(answer.bytes, wire: &wire)
        stdin.fileHandleForWriting.write(Data(input.utf8))
      }
      if plaintext.count >= input.utf8.count && hasAnswered { session.close(wire: &wire) }
      _ = unsafe wire.withUnsafeBytes { unsafe send(connection, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
      wire.removeAll()
    }
    close(connection)
    try? stdin.fileHandleForWriting.close()
    let output = stdout.fileHandleForReading.readDataToEndOfFile()
    client.waitUntilExit()
    return Outcome(state: session.state, plaintext: plaintext, peerKey: session.peerKey, output: String(decoding: output, as: UTF8.self))
  }

  /// A directory with a key and certificate made by the tool.
  static func directory(algorithm: [String]) throws -> String {
    let path = NSTemporaryDirectory() + "moloch-tls-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    _ = try run(
      "/usr/bin/openssl",
      ["req", "-x509", "-nodes", "-subj", "/CN=test", "-days", "2", "-keyout", path + "/key.pem", "-out", path + "/cert.pem", "-newkey"] + algorithm)
    return path
  }

  @Test func theToolTalksToANode() throws {
    let path = try Self.directory(algorithm: ["ed25519"])
    defer { try? FileManager.default.removeItem(atPath: path) }
    let outcome = try Self.serve(
      ["-tls1_3", "-alpn", "moloch/1", "-cert", path + "/cert.pem", "-key", path + "/key.pem"], input: "ping over tls", answer: Array("hello from a node".utf8))
    let key = try SigningKey(pem: Array(try Data(contentsOf: URL(fileURLWithPath: path + "/key.pem"))))
    #expect(outcome.state == .ended)
    #expect(outcome.plaintext == Array("ping over tls".utf8))
    #expect(outcome.peerKey == key.publicKey.bytes)
    #expect(outcome.output == "hello from a node")
  }

  @Test func aClientOfTLS12IsRefused() throws {
    let path = try Self.directory(algorithm: ["ed25519"])
    defer { try? FileManager.default.removeItem(atPath: path) }
    let outcome = try Self.serve(["-tls1_2", "-alpn", "moloch/1", "-cert", path + "/cert.pem", "-key", path + "/key.pem"], input: "x", answer: [1])
    #expect(outcome.state == .failed(.protocol("unsupported protocol")))
    #expect(outcome.plaintext.isEmpty)
  }

  @Test(arguments: [["ec", "-pkeyopt", "ec_paramgen_curve:P-256"], ["rsa:2048"]]) func aKeyThatIsNoEd25519IsRefused(_ algorithm: [String]) throws {
    let path = try Self.directory(algorithm: algorithm)
    defer { try? FileManager.default.removeItem(atPath: path) }
    let outcome = try Self.serve(["-tls1_3", "-alpn", "moloch/1", "-cert", path + "/cert.pem", "-key", path + "/key.pem"], input: "x", answer: [1])
    guard case .failed = outcome.state else { return #expect(Bool(false), "\(outcome.state)") }
    #expect(outcome.peerKey == nil && outcome.plaintext.isEmpty)
  }

  @Test func aChainOfTwoCertificatesIsRefused() throws {
    let path = try Self.directory(algorithm: ["ed25519"])
    defer { try? FileManager.default.removeItem(atPath: path) }
    let outcome = try Self.serve(
      ["-tls1_3", "-alpn", "moloch/1", "-cert", path + "/cert.pem", "-key", path + "/key.pem", "-cert_chain", path + "/cert.pem"], input: "x", answer: [1])
    #expect(outcome.state == .failed(.badPeerCertificate))
  }
}
