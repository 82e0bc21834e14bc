import ArgumentParser
import Bytes
import Ed25519
import JSON
import MolochNode
import Peering

struct PeersCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "peers", abstract: "The nodes that this one talks to.",
    subcommands: [PeersListCommand.self, PeersAddCommand.self, PeersRemoveCommand.self, PeersUnbanCommand.self])
}

/// The running node's admin socket, and the address book of a stopped one.
private struct PeersDesk {
  let client: NodeClient
  let dataPath: String
  var bookPath: String { dataPath + "/peers.json" }

  init(_ global: GlobalOptions) throws(CommandFailure) {
    let options = try LoadedConfiguration(global).options
    client = NodeClient(.unix(path: options.adminSocketPath), timeoutMilliseconds: global.timeout.milliseconds)
    dataPath = options.dataPath
  }

  /// The node's answer; nil when none listens.
  func online(_ request: (NodeClient) throws(CommandFailure) -> Answer) throws(CommandFailure) -> Answer? {
    do throws(CommandFailure) { return try request(client) } catch {
      guard error.code == Exit.unreachable else { throw error }
      return nil
    }
  }

  /// Turns an error of the node into a failure with its exit code.
  func check(_ answer: Answer) throws(CommandFailure) {
    guard answer.status != 200 else { return }
    let code = answer.status == 404 ? Exit.no : answer.status == 400 ? Exit.usage : Exit.temporary
    throw CommandFailure("\(NodeError(answer).message)", code)
  }

  /// Changes `peers.json` of a stopped node. Ends with 75 while a process has the data directory, such as a node that starts and has no socket yet: it would write
  /// the file anew.
  func edit(_ change: (inout PeerBook) throws(CommandFailure) -> Void) throws(CommandFailure) {
    try Files.makeDirectory(dataPath, mode: 0o750)
    let claim: DataClaim
    do throws(NodeFailure) { claim = try DataClaim(dataPath) } catch { throw CommandFailure(error) }
    defer { withExtendedLifetime(claim) {} }
    var book = PeerBook()
    if Files.exists(bookPath) {
      let text = try Files.read(bookPath)
      do throws(StrictJSONError) { book = try PeerBook(parsing: text) } catch { throw CommandFailure("\(bookPath): \(error)", Exit.dataCorrupt) }
    }
    try change(&book)
    try Files.replace(bookPath, book.encoded())
  }
}

/// A peer id on the command line.
struct PeerArgument: ExpressibleByArgument {
  let peer: PeerID

  init?(argument: String) {
    guard let peer = Multiaddr.peer(argument) else { return nil }
    self.peer = peer
  }
}

private func printPeer(_ schema: String, _ peer: PeerID) {
  var json = JSONWriter()
  json.beginObject()
  json.key("schema")
  json.string(schema)
  json.key("peer_id")
  json.string(peer.text)
  json.endObject()
  Terminal.print(String(decoding: json.bytes, as: UTF8.self))
}

struct PeersAddCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "add", abstract: "Add a node and dial it.",
    discussion: "The address is /dns, /dns4, /dns6, /ip4 or /ip6, then /tcp/PORT/p2p/PEER-ID. With the node down it is dialled at the next start.")

  @Argument(help: "For example /dns/peer.example.com/tcp/9000/p2p/12D3KooW...") var address: String
  @Flag(help: "Only until the node stops.") var temporary = false
  @OptionGroup var global: GlobalOptions

  func run() throws {
    let parsed: Multiaddr
    do throws(MultiaddrError) { parsed = try Multiaddr(parsing: address) } catch { throw CommandFailure("'\(address)': \(error)", Exit.usage) }
    guard let peer = parsed.peer else { throw CommandFailure("'\(address)': p2p and the peer id are missing", Exit.usage) }
    let desk = try PeersDesk(global)
    let target = "/v1/admin/peers?multiaddr=\(parsed)\(temporary ? "&temporary=true" : "")"
    if let answer = try desk.online({ client throws(CommandFailure) in try client.post(target, type: "application/json", []) }) {
      try desk.check(answer)
    } else {
      guard !temporary else { throw CommandFailure("the node is not running: a temporary peer needs one", Exit.unreachable) }
      try desk.edit { book throws(CommandFailure) in
        guard book.add(parsed) else { throw CommandFailure("\(desk.bookPath) is full", Exit.temporary) }
      }
      global.note("offline: \(desk.bookPath)")
    }
    guard !global.json else { return printPeer("moloch.peers.add/1", peer) }
    var place = parsed
    place.peer = nil
    Terminal.print("Added peer \(peer) (\(place))")
  }
}

struct PeersRemoveCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "remove", abstract: "Disconnect a node and forget its address.", discussion: "Ends with 2 when the peer is unknown.")

  @Argument(help: ArgumentHelp("12D3KooW... or ed25519:<64 hex>", valueName: "peer-id")) var id: PeerArgument
  @OptionGroup var global: GlobalOptions

  func run() throws {
    let desk = try PeersDesk(global)
    let target = "/v1/admin/peers?peer_id=\(id.peer)"
    if let answer = try desk.online({ client throws(CommandFailure) in try client.delete(target) }) {
      try desk.check(answer)
    } else {
      try desk.edit { book throws(CommandFailure) in
        guard book.remove(id.peer) else { throw CommandFailure("no peer \(id.peer)", Exit.no) }
      }
      global.note("offline: \(desk.bookPath)")
    }
    if global.json { printPeer("moloch.peers.remove/1", id.peer) } else { Terminal.print("Removed peer \(id.peer)") }
  }
}

struct PeersUnbanCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "unban", abstract: "Lift the ban of a node and dial it.", discussion: "Ends with 2 when the peer is not banned, with 69 when the node is down.")

  @Argument(help: ArgumentHelp("12D3KooW... or ed25519:<64 hex>", valueName: "peer-id")) var id: PeerArgument
  @OptionGroup var global: GlobalOptions

  func run() throws {
    let desk = try PeersDesk(global)
    try desk.check(try desk.client.post("/v1/admin/peers?unban=\(id.peer)", type: "application/json", []))
    if global.json { printPeer("moloch.peers.unban/1", id.peer) } else { Terminal.print("Unbanned peer \(id.peer)") }
  }
}

struct PeersListCommand: ParsableCommand {
  static let configuration = CommandConfiguration(commandName: "list", abstract: "Print the known nodes and how they are reached.")

  @Flag(help: "Print the table again every second.") var watch = false
  @OptionGroup var global: GlobalOptions

  func run() throws {
    let desk = try PeersDesk(global)
    var before: StrictJSON?
    while true {
      let answer = try desk.client.get("/v1/admin/peers")
      try desk.check(answer)
      if global.json {
        var json = JSONWriter()
        json.beginObject()
        json.key("schema")
        json.string("moloch.peers.list/1" as StaticString)
        json.key("list")
        json.raw(answer.body.bytes)
        json.endObject()
        Terminal.print(String(decoding: json.bytes, as: UTF8.self))
      } else {
        let list = try answer.json(from: desk.client.endpoint)
        let height = try desk.client.get("/v1/status").json(from: desk.client.endpoint)["head_height"]?.unsigned ?? 0
        Terminal.print(PeersTable(list, before: before, headHeight: height, now: SystemTime.unixMilliseconds())
          .text(columns: Terminal.isScreen ? global.output.columns : nil))
        before = list
      }
      guard watch else { return }
      SystemTime.sleep(milliseconds: 1000)
    }
  }
}

/// The table of `peers list`: connected peers first, then the others with what became of their dials.
struct PeersTable {
  private static let header = ["PEER", "ADDRESS", "DIR", "ROLE", "STATE", "HEIGHT", "LAG", "RTT", "IN", "OUT", "UP", "VERSION"]
  private var lines: [[String]] = [header]

  /// - Parameters:
  ///   - before: the list a second ago, for rates; without one they are means since the connection began.
  ///   - now: Unix milliseconds.
  init(_ list: StrictJSON, before: StrictJSON?, headHeight: UInt64, now: UInt64) {
    for peer in list["peers"]?.array ?? [] {
      let earlier = before?["peers"]?.array?.first { $0["peer_id"]?.string == peer["peer_id"]?.string }
      let height = peer["head_height"]?.unsigned ?? 0
      let uptime = now - min(now, peer["connected_since_ms"]?.unsigned ?? now)
      lines.append([
        Self.short(peer["peer_id"]?.string ?? ""), Self.place(peer["multiaddr"]?.string), peer["direction"]?.string ?? "", peer["role"]?.string ?? "", "connected",
        Figures.grouped(height), Figures.grouped(headHeight > height ? headHeight - height : 0), Self.latency(peer["latency_ms"]),
        Self.rate(peer, earlier, "bytes_in", uptime), Self.rate(peer, earlier, "bytes_out", uptime), Figures.duration(seconds: uptime / 1000),
        peer["version"]?.string ?? "",
      ])
    }
    for peer in list["known"]?.array ?? [] {
      let failure = peer["last_failure"]?.string.map { " (\($0))" } ?? ""
      lines.append([
        Self.short(peer["peer_id"]?.string ?? ""), Self.place(peer["multiaddr"]?.string), "-", peer["role"]?.string ?? "", (peer["state"]?.string ?? "") + failure,
        "-", "-", "-", "-", "-", "-", "-",
      ])
    }
  }

  /// What a narrow terminal does without, first to last.
  private static let dispensable = ["VERSION", "UP", "DIR", "OUT", "IN", "LAG", "RTT"]

  /// Columns padded to their widest value; no blanks at the ends of lines.
  /// - Parameter width: of the terminal; columns go until the rest fits. Nil: all stay.
  func text(columns width: Int?) -> String {
    let widths = Self.header.indices.map { column in lines.map { $0[column].count }.max() ?? 0 }
    var shown = Array(Self.header.indices)
    if let width {
      for name in Self.dispensable where shown.reduce(-2, { $0 + widths[$1] + 2 }) > width { shown.removeAll { Self.header[$0] == name } }
    }
    return lines.map { line in
      var text = ""
      for column in shown {
        text += line[column]
        if column != shown.last { text += String(repeating: " ", count: widths[column] - line[column].count + 2) }
      }
      return text
    }.joined(separator: "\n")
  }

  private static func short(_ id: String) -> String { id.count > 15 ? "\(id.prefix(10))…\(id.suffix(4))" : id }

  /// `/ip4/10.0.1.2/tcp/9000/p2p/...` as `10.0.1.2:9000`.
  private static func place(_ text: String?) -> String {
    let parts = (text ?? "").split(separator: "/")
    guard parts.count >= 4 else { return "-" }
    return parts[1].contains(":") ? "[\(parts[1])]:\(parts[3])" : "\(parts[1]):\(parts[3])"
  }

  private static func latency(_ value: StrictJSON?) -> String {
    switch value?.value {
    case .unsigned(let number): "\(number) ms"
    case .otherNumber(let text): "\(text) ms"
    default: "-"
    }
  }

  private static func rate(_ peer: StrictJSON, _ earlier: StrictJSON?, _ name: String, _ uptime: UInt64) -> String {
    let bytes = peer[name]?.unsigned ?? 0
    if let before = earlier?[name]?.unsigned { return Figures.bytes(bytes - min(bytes, before)) + "/s" }
    return Figures.bytes(uptime > 0 ? bytes * 1000 / uptime : 0) + "/s"
  }
}
