import Foundation
import Testing

/// `moloch debug bundle`: what a report of a fault needs, and nothing that must not leave the host.
@Suite struct DebugBundleTests {
  private static func members(_ file: String) throws -> [String: String] {
    let listed = try Command.run(URL(fileURLWithPath: "/bin/tar"), ["-tf", file])
    #expect(listed.status == 0, "\(listed.errors)")
    var members: [String: String] = [:]
    for name in listed.output.split(separator: "\n").map(String.init) {
      members[name] = try Command.run(URL(fileURLWithPath: "/bin/tar"), ["-xOf", file, name]).output
    }
    return members
  }

  @Test func aBundleOfARunningNodeHoldsTheFactsAndNoKeys() throws {
    let scratch = try ScratchDirectory()
    let home = scratch.url.appendingPathComponent("home")
    let node = try NodeProcess(home: home, environment: ["MOLOCH_LOG_FILE": "logs/moloch.log"])
    let file = scratch.url.path + "/bundle.tar"
    let made = try Command.moloch("debug", "bundle", file, "--home", home.path)
    #expect(made.status == 0, "\(made.output)\(made.errors)")
    let members = try Self.members(file)
    for name in ["version.txt", "config.txt", "status.json", "peers.json", "consensus.json", "metrics.txt", "doctor.txt", "files.txt", "genesis.json", "logs/moloch.log"] {
      #expect(members["moloch-debug/" + name]?.isEmpty == false, "\(name) is missing: \(members.keys.sorted())")
    }
    #expect(members["moloch-debug/metrics.txt"]?.contains("moloch_chain_height") == true)
    #expect(members["moloch-debug/config.txt"]?.contains("api.listen_addr = ") == true)
    #expect(members["moloch-debug/files.txt"]?.contains("chain/CURRENT") == true && members["moloch-debug/files.txt"]?.contains("validator/") == false)
    let all = try Data(contentsOf: URL(fileURLWithPath: file))
    for key in ["node", "validator"] {
      let pem = try String(contentsOf: home.appendingPathComponent("keys/\(key).key"), encoding: .utf8)
      let secret = try #require(pem.split(separator: "\n").first { !$0.hasPrefix("-") })
      #expect(all.range(of: Data(secret.utf8)) == nil, "the \(key) key is in the bundle")
    }
    let mode = try FileManager.default.attributesOfItem(atPath: file)[.posixPermissions] as? Int
    #expect(mode == 0o600)
    #expect(try Command.moloch("debug", "bundle", file, "--home", home.path).status == 73, "a file that is there is kept")
    node.signal(SIGTERM)
    #expect(node.waitForExit() == 0)
    let stopped = try Command.moloch("debug", "bundle", scratch.url.path + "/stopped.tar", "--home", home.path)
    #expect(stopped.status == 0, "\(stopped.errors)")
    let rest = try Self.members(scratch.url.path + "/stopped.tar")
    #expect(rest["moloch-debug/node.txt"]?.contains("cannot reach the node") == true && rest["moloch-debug/status.json"] == nil, "\(rest.keys.sorted())")
  }
}
