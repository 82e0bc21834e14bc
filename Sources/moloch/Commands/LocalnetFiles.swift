import ArgumentParser
import Audit
import Configuration
import Ed25519
import JSON
import MolochNode

struct LocalnetFilesCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "files", abstract: "Make the homes of a network of validators on several hosts.",
    discussion: """
      One directory per host in DIR, each with keys of its own, the shared genesis, a node.toml that knows the others, and a unit. Copy each to /opt/moloch of its
      host; its keys belong nowhere else.
      """)

  @Option(help: ArgumentHelp("Names or addresses of the hosts, separated by commas.", valueName: "a,b")) var hosts: String
  @Option(help: ArgumentHelp("Where the homes are made.", valueName: "dir")) var dir = "moloch-network"
  @Option(help: ArgumentHelp("Name of the chain.", valueName: "id")) var chainID = LocalnetPlan.chainID
  @Option(help: ArgumentHelp("Milliseconds between blocks.", valueName: "ms")) var blockTime: UInt32 = 1000
  @Option(help: ArgumentHelp("Where each home will be on its host.", valueName: "dir")) var installed = "/opt/moloch"
  @OptionGroup var global: GlobalOptions

  private var names: [String] { hosts.split(separator: ",", omittingEmptySubsequences: false).map(String.init) }

  func validate() throws {
    guard (1...31).contains(names.count), Set(names).count == names.count else { throw ValidationError("--hosts takes 1 to 31 different names") }
    guard (10...60_000).contains(blockTime) else { throw ValidationError("--block-time is from 10 to 60000") }
    guard installed.hasPrefix("/") else { throw ValidationError("--installed is an absolute path") }
    for name in names {
      do throws(MultiaddrText.Fault) { _ = try MultiaddrText.host(name) } catch { throw ValidationError("--hosts: '\(name)' is no host name and no address") }
    }
  }

  func run() throws {
    try Files.makeDirectory(dir, mode: 0o750)
    let founders = names.map { NodeHome.Founder(path: "\(dir)/\($0)", name: $0) }
    do { try NodeHome.found(founders, chainID: chainID, blockTime: blockTime) } catch { throw CommandFailure(error) }
    var addresses: [String] = []
    for name in names {
      let path = "\(dir)/\(name)/keys/node.pub"
      guard let key = PublicKey(text: String(decoding: try Files.read(path), as: UTF8.self).filter { !$0.isNewline }) else {
        throw CommandFailure("\(path) holds no key", Exit.dataCorrupt)
      }
      addresses.append("\(try MultiaddrText.host(name))/tcp/9000/p2p/\(PeerID(key).text)")
    }
    for (index, name) in names.enumerated() {
      let others = addresses.indices.filter { $0 != index }.map { addresses[$0] }
      let text = Manual.nodeFile([
        ("node.chain_id", .text(chainID)), ("node.name", .text(name)), ("network.external_addr", .text(addresses[index])), ("network.boot_nodes", .list(others)),
        ("consensus.validator", .boolean(true)),
      ])
      try Files.create("\(dir)/\(name)/config/node.toml", Array(text.utf8), mode: 0o640)
      var layers = Layers()
      layers.file = ("node.toml", Array(text.utf8))
      try Files.create("\(dir)/\(name)/moloch.service", Array(SystemFiles(home: installed, settings: Settings(layers)).systemd.utf8), mode: 0o644)
    }
    if global.json { return printJSON() }
    Terminal.print("Made \(names.count) homes in \(dir). On each host, with its own one:")
    Terminal.print("  rsync -a \(dir)/HOST/ HOST:\(installed)/ && ssh HOST 'mv \(installed)/moloch.service /etc/systemd/system/ && systemctl enable --now moloch'")
  }

  private func printJSON() {
    var json = JSONWriter()
    json.beginObject()
    json.key("schema"); json.string("moloch.localnet.files/1" as StaticString)
    json.key("homes")
    json.beginArray()
    for name in names { json.string("\(dir)/\(name)") }
    json.endArray()
    json.endObject()
    Terminal.print(String(decoding: json.bytes, as: UTF8.self))
  }
}

/// The part of a multiaddress that names a host.
enum MultiaddrText {
  enum Fault: Error { case noHost }

  /// `/ip4/...`, `/ip6/...` or `/dns/...`.
  static func host(_ text: String) throws(Fault) -> String {
    let candidates = text.contains(":") ? ["/ip6/"] : text.allSatisfy { $0.isNumber || $0 == "." } ? ["/ip4/"] : ["/dns/"]
    let probe = "/tcp/9000/p2p/ed25519:" + String(repeating: "0", count: 64)
    for prefix in candidates where Key.isMultiaddress(prefix + text + probe) { return prefix + text }
    throw .noHost
  }
}
