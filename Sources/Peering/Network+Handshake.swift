import Ambient
import Bytes
import Ed25519
import PeerWire
import Reactor
import TLS

// The handshake: TLS proves the node keys, Hello says the rest, and what it says is checked before the link is up.
extension Network {
  /// TLS is done: the other side's key is proven, on the accepting side to us and on the dialling side to it.
  func secured(_ link: Link, _ tls: TLSSession, _ loop: Loop) {
    guard let key = tls.peerKey else { return }
    let peer = PeerID(PublicKey(key))
    link.peer = peer
    link.phase = .greeting
    guard peer != id, Verifier.isRegistrable(peer.key) else { return refuse(link, .identity, peer == id ? "this is the node itself" : "a weak key", loop) }
    if let record = known[peer], record.isBanned(wall(loop.now)) { return refuse(link, .banned, "", loop) }
    sendHello(link, loop)
  }

  /// TLS failed before or after the handshake.
  func failed(_ link: Link, _ failure: TLSFailure, _ loop: Loop) {
    switch failure {
    case .wrongPeer: lose(link, .identity, "another key than the dialled one", loop)
    case .badPeerCertificate: lose(link, .identity, "no certificate of a node", loop)
    case .noCommonProtocol: lose(link, .version, "no common application protocol", loop)
    case .alert(let number): lose(link, number == 120 ? .version : .identity, "refused with TLS alert \(number)", loop)
    case .protocol(let reason): lose(link, link.phase == .up ? .misbehaviour : .other, "TLS: \(reason)", loop)
    }
  }

  func sendHello(_ link: Link, _ loop: Loop) {
    guard !link.hasSentHello, let peer = link.peer else { return }
    link.hasSentHello = true
    var hello = Hello(preamble: preamble, nodeKey: id.key.bytes)
    hello.listenPort = options.listenPort
    hello.headHeight = head.height
    hello.headHash = head.hash
    hello.epoch = head.epoch
    hello.view = head.view
    hello.earliestBodyHeight = head.earliestBodyHeight
    hello.wallMilliseconds = wall(loop.now)
    (hello.chainID, hello.version, hello.name) = (chain.id, options.version, options.name)
    if let address = options.externalAddress { hello.addresses = [address.description] }
    if let validatorKey {
      let message = Hello.bindingMessage(chainTag: chain.tag, exporter: exporter(link), signer: id.key.bytes, other: peer.key.bytes)
      hello.binding = Hello.Binding(key: validatorKey.publicKey.bytes, signature: validatorKey.sign(message.bytes).bytes)
    }
    queue(link, .hello, hello.encoded(), loop)
  }

  var preamble: Hello.Preamble { Hello.Preamble(chainTag: chain.tag, genesisHash: chain.genesisHash, protocols: options.protocols) }

  /// Keying material of the TLS session; zero without TLS.
  private func exporter(_ link: Link) -> Bytes32 { link.tls?.exportKeyingMaterial(label: "EXPORTER-moloch-bind-v1") ?? Bytes32() }

  /// A Hello without a common version.
  func incompatible(_ link: Link, _ preamble: Hello.Preamble, _ loop: Loop) {
    if link.tls == nil { link.hasSentHello = true }
    guard isOurChain(preamble) else { return refuseChain(link, preamble, loop) }
    refuse(
      link, .version, "protocol \(preamble.protocolMin) to \(preamble.protocolMax) there, \(options.protocols.lowerBound) to \(options.protocols.upperBound) here", loop)
  }

  private func isOurChain(_ preamble: Hello.Preamble) -> Bool { preamble.chainTag == chain.tag && preamble.genesisHash == chain.genesisHash }

  private func refuseChain(_ link: Link, _ preamble: Hello.Preamble, _ loop: Loop) {
    refuse(link, .chainMismatch, "genesis \(preamble.genesisHash.hex) there, \(chain.genesisHash.hex) here", loop)
  }

  func greeted(_ link: Link, _ hello: Hello, _ loop: Loop) {
    guard isOurChain(hello.preamble) else { return refuseChain(link, hello.preamble, loop) }
    let claimed = PeerID(PublicKey(hello.nodeKey))
    if link.tls == nil {
      // Only in tests: there is nothing to check the claim against.
      guard claimed != id, link.dialled == nil || link.dialled?.peer == claimed else { return refuse(link, .identity, "another key than the dialled one", loop) }
      link.peer = claimed
      if let record = known[claimed], record.isBanned(wall(loop.now)) { return refuse(link, .banned, "", loop) }
    }
    guard link.peer == claimed else { return refuse(link, .identity, "Hello names another key than the certificate", loop) }
    if let binding = hello.binding {
      let message = Hello.bindingMessage(chainTag: chain.tag, exporter: exporter(link), signer: claimed.key.bytes, other: id.key.bytes)
      let key = PublicKey(binding.key)
      guard Verifier.isValid(Signature(binding.signature), over: message.bytes, by: key) else {
        return refuse(link, .identity, "the validator key is not bound to this connection", loop)
      }
      link.validator = key
    }
    link.hello = hello
    link.headHeight = hello.headHeight
    sendHello(link, loop)
    guard link.phase == .greeting, isKept(link, claimed, loop), isAdmitted(link, claimed, loop) else { return }
    raise(link, claimed, hello, loop)
  }

  /// Decides between two connections to one peer. Both sides decide alike: of two that were opened at the same time the one opened by the smaller
  /// peer id stays. A later one stays when the same side opened both, or when the earlier had settled: who opens again has lost the earlier, even if
  /// this side has not noticed.
  private func isKept(_ link: Link, _ peer: PeerID, _ loop: Loop) -> Bool {
    guard let slot = peerSlots[peer], let other = links[slot], other.phase == .up else { return true }
    func opener(_ link: Link) -> PeerID { link.direction == .outbound ? id : peer }
    let hasSettled = loop.now.milliseconds(since: other.began) >= Limits.settledMilliseconds
    let isNewKept = hasSettled || opener(link) == opener(other) || opener(link) < opener(other)
    guard isNewKept else {
      refuse(link, .duplicate, "", loop)
      return false
    }
    part(other, .duplicate, "", loop)
    return true
  }

  private func isAdmitted(_ link: Link, _ peer: PeerID, _ loop: Loop) -> Bool {
    if power(of: link.validator) > 0 { return true }
    let isWanted = known[peer].map { !$0.origin.isDisjoint(with: [.manual, .boot]) } ?? false
    if count >= options.peersMax {
      guard isWanted, let victim = leastWanted() else {
        refuse(link, .full, "", loop)
        return false
      }
      part(victim, .full, "", loop)
      return true
    }
    guard link.direction == .inbound, !isWanted else { return true }
    let inbound = slots.compactMap { links[$0] }.filter { $0.phase == .up && $0.direction == .inbound && power(of: $0.validator) == 0 }
    let fromHere = AddressKey(link.address).map { key in inbound.filter { AddressKey($0.address) == key }.count } ?? 0
    guard inbound.count < options.peersMax - min(options.peersMin, options.peersMax / 2), fromHere < options.inboundPerAddressMax else {
      refuse(link, .full, fromHere >= options.inboundPerAddressMax ? "too many connections from this address" : "", loop)
      return false
    }
    return true
  }

  /// The link with the lowest score that nobody asked for.
  private func leastWanted() -> Link? {
    let candidates = slots.compactMap { links[$0] }.filter { link in
      guard link.phase == .up, power(of: link.validator) == 0, let record = link.peer.flatMap({ known[$0] }) else { return false }
      return record.origin.isDisjoint(with: [.manual, .boot])
    }
    return candidates.min { (known[$0.peer!]?.score ?? 0) < (known[$1.peer!]?.score ?? 0) }
  }

  /// The handshake is complete.
  private func raise(_ link: Link, _ peer: PeerID, _ hello: Hello, _ loop: Loop) {
    lastLink += 1
    let number = LinkID(rawValue: lastLink)
    link.number = number
    link.phase = .up
    link.began = loop.now
    link.connectedSinceWall = wall(loop.now)
    linkSlots[number] = link.connection.slot
    peerSlots[peer] = link.connection.slot
    if link.direction == .inbound { statistics.connectsInbound += 1 } else { statistics.connectsOutbound += 1 }
    if !removed.contains(peer) { known.insert(peer, .heard) }
    known.update(peer) { record in
      for address in heard(link, peer, hello) { record.hear(address) }
      if let dialled = link.dialled?.address { record.hear(dialled) }
      if let key = link.validator { record.validator = key }
      record.lastSeen = link.connectedSinceWall
      record.lastFailure = nil
      record.state = .connected(link.connection)
    }
    isBookChanged = true
    let facts = PeerFacts(
      peer: peer, validator: link.validator, direction: link.direction, protocolVersion: hello.preamble.common(options.protocols) ?? 0,
      headHeight: hello.headHeight, headHash: hello.headHash, earliestBodyHeight: hello.earliestBodyHeight)
    events.append(.up(number, facts))
    ping(link, loop)
    if options.isExchangingAddresses && link.direction == .outbound { askForAddresses(link, loop) }
  }

  /// Where a peer can be dialled: what it says, else where it is seen with the port that it names.
  private func heard(_ link: Link, _ peer: PeerID, _ hello: Hello) -> [Multiaddr] {
    let own = hello.addresses.compactMap { text -> Multiaddr? in
      guard var address = try? Multiaddr(parsing: text, needsPeer: false), address.peer == nil || address.peer == peer else { return nil }
      address.peer = peer
      return address
    }
    guard own.isEmpty, link.direction == .inbound, hello.listenPort > 0, let seen = link.address.flatMap({ Multiaddr($0, port: hello.listenPort, peer: peer) })
    else { return own }
    return [seen]
  }

  // MARK: Ends

  /// Ends a handshake with a reason that the other side is told.
  func refuse(_ link: Link, _ reason: Goodbye.Reason, _ text: String, _ loop: Loop) {
    note(link, reason, text, loop)
    farewell(link, reason, text, loop)
  }

  /// Ends a handshake or a link about which there is nothing more to say.
  func lose(_ link: Link, _ reason: Goodbye.Reason, _ text: String, _ loop: Loop) {
    leave(link, reason, text, loop)
    if reason == .misbehaviour || reason == .timeout { loop.abort(link.connection) } else { close(link, loop) }
  }

  /// Ends a link that is up, or a handshake, with a Goodbye.
  func part(_ link: Link, _ reason: Goodbye.Reason, _ text: String, _ loop: Loop) {
    leave(link, reason, text, loop)
    farewell(link, reason, text, loop)
  }

  /// Books the end of a link, whatever its phase. The socket is somebody else's business.
  func leave(_ link: Link, _ reason: Goodbye.Reason, _ text: String, _ loop: Loop) {
    guard link.phase == .up else {
      guard link.phase != .closing else { return }
      return note(link, reason, text, loop)
    }
    statistics.disconnects[Int(reason.rawValue)] += 1
    link.phase = .closing
    if let number = link.number {
      linkSlots[number] = nil
      if let peer = link.peer {
        if peerSlots[peer] == link.connection.slot { peerSlots[peer] = nil }
        events.append(.down(number, peer, reason))
      }
    }
    guard let peer = link.peer, known[peer]?.state == .connected(link.connection) else { return }
    let lasted = loop.now.milliseconds(since: link.began) >= Limits.lastingMilliseconds
    known.update(peer) { record in
      record.state = .idle
      record.lastSeen = wall(loop.now)
      if lasted { record.failures = 0 }
    }
    backOff(peer, reason == .shutdown ? nil : DialFailure(reason), loop)
  }

  /// Books a handshake that failed.
  private func note(_ link: Link, _ reason: Goodbye.Reason, _ text: String, _ loop: Loop) {
    guard link.phase != .closing else { return }
    link.phase = .closing
    statistics.refusedHandshakes += 1
    let rejection = Rejection(peer: link.peer ?? link.dialled?.peer, address: link.address, direction: link.direction, reason: reason, text: text, time: wall(loop.now))
    // A duplicate is no failure, and a stranger who only knocked is not worth a line of the list.
    if reason != .duplicate {
      if rejections.count >= Limits.rejections { rejections.removeFirst() }
      rejections.append(rejection)
      events.append(.refused(rejection))
    }
    guard let peer = link.dialled?.peer, known[peer]?.state == .dialling(link.connection) else { return }
    known.update(peer) { record in
      record.state = .idle
      record.nextDial = loop.now.adding(milliseconds: Limits.dialDelayMilliseconds)
    }
    if reason != .duplicate { backOff(peer, DialFailure(reason), loop) }
  }

  /// Sends a Goodbye and closes.
  private func farewell(_ link: Link, _ reason: Goodbye.Reason, _ text: String, _ loop: Loop) {
    // The other side judges by our Hello, which may still wait here.
    if link.number == nil { drain(link, loop) }
    link.outbox.finish(with: .goodbye, Goodbye(reason, text).encoded())
    link.phase = .closing
    drain(link, loop)
    close(link, loop)
  }

  func close(_ link: Link, _ loop: Loop) {
    link.phase = .closing
    link.session.end()
    if let tls = link.tls {
      tls.close(wire: &wire)
      sendWire(link, loop)
    }
    loop.setDeadline(link.connection, loop.now.adding(milliseconds: Limits.goodbyeMilliseconds))
    loop.close(link.connection)
  }
}
