import API
import Ed25519
import JSON
import Peering
import Reactor

/// Commands about peers, from the API and the admin socket to the network.
extension Network {
  func answer(_ command: PeerCommand, _ loop: Loop) -> PeerOutcome {
    switch command {
    case .list(let includesKnown): return .done(peersJSON(includesKnown: includesKnown, loop))
    case .add(let text, let isTemporary): return add(text, isTemporary, loop)
    case .remove(let text):
      guard let peer = Multiaddr.peer(text) else { return .malformed("'\(text)' is no peer id") }
      return remove(peer, loop) ? named(peer) : .unknown("no peer \(peer)")
    case .unban(let text):
      guard let peer = Multiaddr.peer(text) else { return .malformed("'\(text)' is no peer id") }
      return unban(peer, loop) ? named(peer) : .unknown("\(peer) is not banned")
    }
  }

  private func add(_ text: String, _ isTemporary: Bool, _ loop: Loop) -> PeerOutcome {
    let address: Multiaddr
    do throws(MultiaddrError) { address = try Multiaddr(parsing: text) } catch { return .malformed("\(error)") }
    switch add(address, isTemporary: isTemporary, loop) {
    case .added: return address.peer.map { named($0) } ?? .malformed("p2p and the peer id are missing")
    case .itself: return .malformed("p2p '\(address)' is this node itself")
    case .full: return .refused("no room for more peers: remove one first")
    }
  }

  private func named(_ peer: PeerID) -> PeerOutcome {
    var json = JSONWriter()
    json.beginObject()
    json.key("peer_id")
    json.string(peer.text)
    json.endObject()
    return .done(json.bytes)
  }
}
