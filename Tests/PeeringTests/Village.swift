import Ambient
import Bytes
import Ed25519
import PeerWire
import Peering
import Reactor
import TLS
import Testing

/// Several networks on one loop, and strangers that speak raw bytes.
struct Village: Driver {
  static let wallAtStart: UInt64 = 1_768_478_400_000

  var networks: [Network] = []
  /// Owner of each listener.
  var listeners: [Int] = []
  /// What each network told its driver, without the messages.
  var logs: [[PeeringEvent]] = []
  /// Messages received, by network, in order.
  var inboxes: [[(link: LinkID, type: MessageType, count: Int)]] = []
  /// Clock of each network, ahead of the village's, in milliseconds.
  var clockAhead: [Int] = []
  /// Networks that are not run any more, as if their process were stopped.
  var frozen: Set<Int> = []
  var names: [String: [SocketAddress]] = [:]
  var lookupCount = 0
  var strangers: [ConnectionID: [UInt8]] = [:]
  var strangersClosed: [ConnectionID: CloseReason] = [:]
  /// Answers of a network to a message, by network: echoes the type and bytes.
  var echoes = false

  func owner(_ connection: ConnectionID) -> Int? { networks.firstIndex { $0.owns(connection) } }

  mutating func accepted(_ connection: ConnectionID, on listener: ListenerID, _ loop: Loop) {
    networks[listeners[Int(listener.rawValue)]].accepted(connection, loop)
  }

  mutating func connected(_ connection: ConnectionID, _ loop: Loop) { if let owner = owner(connection) { networks[owner].connected(connection, loop) } }

  mutating func received(_ connection: ConnectionID, _ bytes: RawSpan, _ loop: Loop) -> Int {
    if let owner = owner(connection) { return frozen.contains(owner) ? bytes.byteCount : networks[owner].received(connection, bytes, loop) }
    strangers[connection, default: []].append(bytes)
    return bytes.byteCount
  }

  mutating func inputEnded(_ connection: ConnectionID, _ loop: Loop) {
    if let owner = owner(connection) { networks[owner].inputEnded(connection, loop) } else { loop.close(connection) }
  }

  mutating func sendDrained(_ connection: ConnectionID, _ loop: Loop) { if let owner = owner(connection) { networks[owner].sendDrained(connection, loop) } }

  mutating func closed(_ connection: ConnectionID, _ reason: CloseReason, _ loop: Loop) {
    if let owner = owner(connection) { networks[owner].closed(connection, reason, loop) } else { strangersClosed[connection] = reason }
  }

  mutating func timer(_ token: UInt64, _ loop: Loop) {
    _ = loop.setTimer(loop.now.adding(milliseconds: PeeringLimit.sweepMilliseconds), token: 0)
    for index in networks.indices where !frozen.contains(index) {
      networks[index].sweep(wall: UInt64(Int(Self.wallAtStart + loop.now.milliseconds) + clockAhead[index]), loop)
    }
  }

  mutating func ticked(_ now: Instant, _ loop: Loop) {
    for index in networks.indices where !frozen.contains(index) {
      let network = networks[index]
      for lookup in network.lookups {
        lookupCount += 1
        network.resolved(lookup.token, names[lookup.host] ?? [], loop)
      }
      network.lookups.removeAll()
      for event in network.events {
        if case .received(let link, let type, let payload) = event { inboxes[index].append((link, type, payload.count)) } else { logs[index].append(event) }
      }
      network.events.removeAll()
      network.ticked(loop)
    }
  }
}

enum Actors {
  static let chain = ChainIdentity(tag: Bytes16(repeating: 1), genesisHash: Bytes32(repeating: 2), id: "moloch-test", blockByteCount: 8 << 20)
  static func node(_ index: Int) -> SigningKey { SigningKey(seed: Bytes32(repeating: UInt8(index + 1))) }
  static func validator(_ index: Int) -> SigningKey { SigningKey(seed: Bytes32(repeating: UInt8(index + 101))) }
  static func id(_ index: Int) -> PeerID { PeerID(node(index).publicKey) }
}

/// A village on a loop, with the verbs that tests speak in.
final class Stage<B: Backend & ~Copyable> {
  let machine: EventLoop<B, Village>
  var addresses: [SocketAddress] = []
  let seed: UInt64

  init(_ backend: consuming B, seed: UInt64 = 1) throws {
    var limits = ReactorLimits.small
    limits.outputSegments = 4096
    machine = try EventLoop(backend, driver: Village(), limits: limits)
    self.seed = seed
    _ = loop.setTimer(loop.now, token: 0)
  }

  var loop: Loop { machine.loop }
  func network(_ index: Int) -> Network { machine.driver.networks[index] }
  func log(_ index: Int) -> [PeeringEvent] { machine.driver.logs[index] }
  func inbox(_ index: Int) -> [(link: LinkID, type: MessageType, count: Int)] { machine.driver.inboxes[index] }

  /// Adds a node with a listener of its own.
  @discardableResult func add(
    _ change: (inout PeeringOptions) -> Void = { _ in }, validator: Bool = false, chain: ChainIdentity = Actors.chain, book: PeerBook = PeerBook(), clockAhead: Int = 0,
    identity: Int? = nil
  ) throws -> Int {
    let index = machine.driver.networks.count
    let address = try machine.listen(.ipv4(0x7F00_0001, port: 0)).address
    addresses.append(address)
    var options = PeeringOptions()
    options.listenPort = address.port
    options.externalAddress = Multiaddr(address, peer: nil)
    options.version = "1.0.0"
    options.name = "n\(index)"
    change(&options)
    let network = try Network(
      options: options, key: Actors.node(identity ?? index), validatorKey: validator ? Actors.validator(identity ?? index) : nil, chain: chain, book: book,
      connections: loop.limits.connections, seed: seed &+ UInt64(index), wall: Village.wallAtStart + loop.now.milliseconds, now: loop.now)
    machine.driver.networks.append(network)
    machine.driver.listeners.append(index)
    machine.driver.logs.append([])
    machine.driver.inboxes.append([])
    machine.driver.clockAhead.append(clockAhead)
    return index
  }

  func address(_ index: Int, as peer: Int? = nil) -> Multiaddr { Multiaddr(addresses[index], peer: Actors.id(peer ?? index))! }

  /// Makes one node know another as a manual peer.
  func introduce(_ index: Int, to other: Int) { _ = network(index).add(address(other), isTemporary: false, loop) }

  /// Runs until the condition holds; false when so many milliseconds passed first.
  @discardableResult func run(_ milliseconds: UInt64 = 60_000, until isDone: () -> Bool = { false }) -> Bool {
    let end = loop.now.adding(milliseconds: milliseconds)
    while loop.now < end {
      if isDone() { return true }
      machine.runOnce(timeout: 50_000_000)
    }
    return isDone()
  }

  /// A connection of nobody's; bytes that come back are collected.
  func stranger(to index: Int) -> ConnectionID {
    let id = loop.connect(addresses[index])!
    machine.driver.strangers[id] = []
    run(1000) { loop.outputBytes(id) == 0 && loop.isOpen(id) && machine.driver.networks[index].owns(id) == false }
    return id
  }

  func bytes(of stranger: ConnectionID) -> [UInt8] { machine.driver.strangers[stranger] ?? [] }
  func end(of stranger: ConnectionID) -> CloseReason? { machine.driver.strangersClosed[stranger] }

  func link(_ index: Int, to other: Int) -> LinkID? { network(index).rows(loop).first { $0.peer == Actors.id(other) }?.link }
  func row(_ index: Int, of other: Int) -> PeerRow? { network(index).rows(loop).first { $0.peer == Actors.id(other) } }
}

/// A stage in memory, whose clock runs by itself.
func village(seed: UInt64 = 1, faults: MemoryFaults = MemoryFaults()) throws -> Stage<MemoryBackend> {
  var faults = faults
  faults.seed = seed
  return try Stage(MemoryBackend(faults), seed: seed)
}

/// A frame as a stranger writes it.
func frame(_ type: MessageType, _ payload: [UInt8]) -> [UInt8] {
  var bytes: [UInt8] = []
  bytes.append(bigEndian: UInt32(payload.count))
  bytes += [type.lane?.rawValue ?? 0, type.rawValue, 0, 0]
  return bytes + payload
}

func hello(_ key: SigningKey, validator: SigningKey? = nil, other: PeerID) -> Hello {
  var hello = Hello(preamble: Hello.Preamble(chainTag: Actors.chain.tag, genesisHash: Actors.chain.genesisHash, protocols: 1...1), nodeKey: key.publicKey.bytes)
  hello.chainID = "moloch-test"
  if let validator {
    let message = Hello.bindingMessage(chainTag: Actors.chain.tag, exporter: Bytes32(), signer: key.publicKey.bytes, other: other.key.bytes)
    hello.binding = Hello.Binding(key: validator.publicKey.bytes, signature: validator.sign(message.bytes).bytes)
  }
  return hello
}
