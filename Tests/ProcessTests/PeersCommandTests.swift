import Foundation
import Testing

@Suite struct PeersCommandTests {
  static let id = "12D3KooWQK1wnefoLrcVHbbnf5tLzbopUd3K3bFAoJpA7YJgL5pV"
  static let key = "ed25519:d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"

  @Test func theBookOfAStoppedNodeIsEdited() throws {
    let scratch = try ScratchDirectory()
    let home = scratch.url.path
    let added = try Command.moloch("peers", "add", "/dns/peer.example.com/tcp/9000/p2p/\(Self.id)", "--home", home)
    #expect(added.status == 0, "\(added.errors)")
    #expect(added.output == "Added peer \(Self.id) (/dns/peer.example.com/tcp/9000)\n" && added.errors.hasPrefix("offline: "))
    let book = try JSONSerialization.jsonObject(with: Data(contentsOf: scratch.url.appendingPathComponent("data/peers.json"))) as? [String: Any] ?? [:]
    #expect((book["peers"] as? [[String: Any]])?.first?["addresses"] as? [String] == ["/dns/peer.example.com/tcp/9000/p2p/\(Self.id)"])
    // The same peer, named by its key.
    let removed = try Command.moloch("peers", "remove", Self.key, "--home", home)
    #expect(removed.status == 0 && removed.output == "Removed peer \(Self.id)\n", "\(removed.errors)")
    let again = try Command.moloch("peers", "remove", Self.id, "--home", home)
    #expect(again.status == 2 && again.errors.contains("no peer"), "\(again.errors)")
    let list = try Command.moloch("peers", "list", "--home", home)
    #expect(list.status == 69, "\(list.errors)")
    let unban = try Command.moloch("peers", "unban", Self.id, "--home", home)
    #expect(unban.status == 69, "\(unban.errors)")
    let temporary = try Command.moloch("peers", "add", "/ip4/10.0.0.1/tcp/9000/p2p/\(Self.id)", "--temporary", "--home", home)
    #expect(temporary.status == 69, "\(temporary.errors)")
  }

  /// A node that starts has the data directory and no socket yet; it would write the book anew.
  @Test func theBookIsLeftAloneWhileAProcessHasTheData() throws {
    let scratch = try ScratchDirectory()
    let data = scratch.url.appendingPathComponent("data")
    try FileManager.default.createDirectory(at: data, withIntermediateDirectories: true)
    // The path is lent to the call as a C string.
    let lock = unsafe open(data.appendingPathComponent("LOCK").path, O_RDWR | O_CREAT, 0o640)
    defer { close(lock) }
    #expect(flock(lock, LOCK_EX | LOCK_NB) == 0)
    for words in [["add", "/dns/peer.example.com/tcp/9000/p2p/\(Self.id)"], ["remove", Self.id]] {
      let refused = try Command.run(NodeProcess.moloch, ["peers"] + words + ["--home", scratch.url.path])
      #expect(refused.status == 75 && refused.errors.contains("in use by process") && refused.output.isEmpty, "\(words): \(refused.status) \(refused.errors)")
    }
    #expect(!FileManager.default.fileExists(atPath: data.appendingPathComponent("peers.json").path))
    #expect(flock(lock, LOCK_UN) == 0)
    let added = try Command.moloch("peers", "add", "/dns/peer.example.com/tcp/9000/p2p/\(Self.id)", "--home", scratch.url.path)
    #expect(added.status == 0, "\(added.errors)")
  }

  @Test(arguments: [
    ("/onion/x/tcp/9000/p2p/\(id)", "onion"), ("/ip4/10.0.0/tcp/9000/p2p/\(id)", "ip4"), ("/ip4/10.0.0.1/tcp/0/p2p/\(id)", "tcp"), ("/ip4/10.0.0.1/tcp/9000", "p2p"),
    ("/ip4/10.0.0.1/tcp/9000/p2p/nonsense", "p2p"),
  ]) func aWrongAddressNamesItsComponent(_ address: String, _ component: String) throws {
    let scratch = try ScratchDirectory()
    let added = try Command.moloch("peers", "add", address, "--home", scratch.url.path)
    #expect(added.status == 64 && added.errors.contains(component), "\(added.errors)")
  }
}
