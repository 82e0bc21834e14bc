import ArgumentParser
import Bytes
import Ed25519
import JSON

struct KeygenCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "keygen", abstract: "Make an Ed25519 key pair for a node, a validator or an event signer.",
    discussion: "Writes node.key (PKCS#8 PEM, mode 0600) and node.pub (one line, ed25519:<hex>) into DIR; nothing is ever overwritten.")

  @Option(help: ArgumentHelp("Directory for the two files; made when missing.", valueName: "dir")) var output: String
  @Flag(help: "Name the files validator.key and validator.pub.") var validator = false
  @OptionGroup var global: GlobalOptions

  func run() throws {
    let name = validator ? "validator" : "node"
    let base = output.hasSuffix("/") ? String(output.dropLast()) : output
    let keyPath = "\(base)/\(name).key", publicPath = "\(base)/\(name).pub"
    for path in [keyPath, publicPath] where Files.exists(path) {
      throw CommandFailure("\(path) exists; nothing was written", Exit.wouldOverwrite)
    }
    try Files.makeDirectory(base, mode: 0o700)
    let key = try SigningKey.generate()
    try Files.create(keyPath, key.pem(), mode: 0o600)
    try Files.create(publicPath, Array("\(key.publicKey)\n".utf8), mode: 0o644)
    let peer = PeerID(key.publicKey).text
    if global.json {
      var json = JSONWriter()
      json.beginObject()
      for (name, value) in [
        ("schema", "moloch.keygen/1"), ("public_key", "\(key.publicKey)"), ("peer_id", peer), ("key_file", keyPath), ("public_file", publicPath),
      ] {
        json.key(name)
        json.string(value)
      }
      json.endObject()
      Terminal.print(String(decoding: json.bytes, as: UTF8.self))
    } else {
      Terminal.print("Public Key: \(key.publicKey)\nPeer ID:    \(peer)\nKey File:   \(keyPath)")
    }
  }
}
