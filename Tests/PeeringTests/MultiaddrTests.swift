import Bytes
import Ed25519
import Peering
import Reactor
import Testing

@Suite struct MultiaddrTests {
  static let id = "12D3KooWQK1wnefoLrcVHbbnf5tLzbopUd3K3bFAoJpA7YJgL5pV"
  static let key = "ed25519:d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"

  @Test(arguments: [
    "/dns/peer.example.com/tcp/9000", "/dns4/a-b.c/tcp/1", "/dns6/x_y/tcp/65535", "/ip4/10.0.1.2/tcp/9000", "/ip6/::1/tcp/9000", "/ip6/2001:db8::1:0:0:1/tcp/9000",
    "/ip6/1:2:3:4:5:6:7:8/tcp/9", "/ip6/::/tcp/9", "/ip6/1::/tcp/9",
  ]) func canonicalTextSurvives(_ text: String) throws {
    #expect(try Multiaddr(parsing: "\(text)/p2p/\(Self.id)").description == "\(text)/p2p/\(Self.id)")
    #expect(try Multiaddr(parsing: text, needsPeer: false).description == text)
  }

  @Test func aKeyIsAPeerToo() throws {
    let address = try Multiaddr(parsing: "/ip4/10.0.1.2/tcp/9000/p2p/\(Self.key)")
    #expect(address.peer?.text == Self.id)
    #expect(address.socketAddress == .ipv4(0x0A00_0102, port: 9000))
    #expect(try Multiaddr(parsing: "/dns/Peer.Example/tcp/9/p2p/\(Self.id)").host == .dns("peer.example"))
  }

  @Test(arguments: [
    ("", "address"), ("ip4/1.2.3.4/tcp/1", "address"), ("/ip4", "host"), ("/ip4/1.2.3/tcp/1", "ip4"), ("/ip4/localhost/tcp/1", "ip4"), ("/ip6/zz/tcp/1", "ip6"),
    ("/ip6/[::1]/tcp/1", "ip6"), ("/dns//tcp/1", "dns"), ("/dns/a..b/tcp/1", "dns"), ("/dns4/-a/tcp/1", "dns4"), ("/dns/a b/tcp/1", "dns"), ("/onion/x/tcp/1", "onion"),
    ("/ip4/1.2.3.4", "tcp"), ("/ip4/1.2.3.4/udp/1", "udp"), ("/ip4/1.2.3.4/tcp", "tcp"), ("/ip4/1.2.3.4/tcp/0", "tcp"), ("/ip4/1.2.3.4/tcp/65536", "tcp"),
    ("/ip4/1.2.3.4/tcp/+1", "tcp"), ("/ip4/1.2.3.4/tcp/1", "p2p"), ("/ip4/1.2.3.4/tcp/1/p2p", "p2p"), ("/ip4/1.2.3.4/tcp/1/p2p/xyz", "p2p"),
    ("/ip4/1.2.3.4/tcp/1/quic/1", "quic"), ("/ip4/1.2.3.4/tcp/1/p2p/\(id)/x", "x"),
    ("/ip4/1.2.3.4/tcp/1/p2p/ed25519:0000000000000000000000000000000000000000000000000000000000000000", "p2p"),
  ]) func errorsNameTheComponent(_ text: String, _ component: String) {
    do throws(MultiaddrError) {
      _ = try Multiaddr(parsing: text)
      Issue.record("'\(text)' was read")
    } catch { #expect(error.component == component, "\(error)") }
  }
}
