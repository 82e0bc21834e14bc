import Foundation
import Testing

/// `moloch localnet up` and the ends of its nodes.
@Suite(.serialized) struct LocalnetTests {
  /// A supervisor in a directory of its own, with its notes in a file.
  private final class Network {
    let directory: URL
    let process = Process()
    let baseOffset: String
    private let errors: URL

    init(_ scratch: URL, _ arguments: [String] = []) throws {
      directory = scratch.appendingPathComponent("net")
      baseOffset = "\(try FreePort.localnetOffset())"
      errors = scratch.appendingPathComponent("stderr")
      _ = FileManager.default.createFile(atPath: errors.path, contents: nil)
      process.executableURL = NodeProcess.moloch
      process.arguments =
        ["localnet", "up", "-n", "4", "--dir", directory.path, "--json", "--log-level", "warn", "--base-offset", baseOffset] + arguments
      let output = Pipe()
      process.standardOutput = output
      process.standardError = try FileHandle(forWritingTo: errors)
      try process.run()
      var line = Data()
      while !line.contains(0x0A) {
        let piece = output.fileHandleForReading.availableData
        guard !piece.isEmpty else { throw NodeProcess.Failure(description: "the network did not start: \(notes)") }
        line += piece
      }
    }

    deinit {
      guard process.isRunning else { return }
      process.terminate()
      process.waitUntilExit()
    }

    var notes: String { (try? String(contentsOf: errors, encoding: .utf8)) ?? "" }

    /// The process that has a node's data. The file is empty for a moment when a node starts, and names one that has ended until then.
    func pid(_ node: Int) throws -> pid_t {
      let deadline = Date(timeIntervalSinceNow: 180)
      var text = ""
      repeat {
        text = try String(contentsOf: directory.appendingPathComponent("v\(node)/data/LOCK"), encoding: .utf8).trimmingCharacters(in: .whitespacesAndNewlines)
        if let pid = pid_t(text), kill(pid, 0) == 0 { return pid }
        usleep(10_000)
      } while Date() < deadline
      throw NodeProcess.Failure(description: "v\(node) does not run: '\(text)'\n\(notes)")
    }

    func wait(for text: String, seconds: Double = 180) -> Bool {
      let end = Date(timeIntervalSinceNow: seconds)
      while !notes.contains(text) {
        if Date() > end || !process.isRunning { return notes.contains(text) }
        usleep(10_000)
      }
      return true
    }
  }

  @Test func theOthersRunOnWhenANodeEnds() throws {
    let scratch = try ScratchDirectory()
    let network = try Network(scratch.url)
    kill(try network.pid(3), SIGKILL)
    #expect(network.wait(for: "v3 ended by itself: signal 9; the others run on"), "\(network.notes)")
    for node in [1, 2, 4] { #expect(kill(try network.pid(node), 0) == 0, "v\(node) runs") }
    // Three of four are a quorum; one that syncs for a moment is live again.
    let deadline = Date(timeIntervalSinceNow: 180)
    var status: Command, nodes: [[String: Any]]
    repeat {
      status = try Command.moloch("localnet", "status", "--dir", network.directory.path, "--base-offset", network.baseOffset, "--json")
      nodes = (try JSONSerialization.jsonObject(with: Data(status.output.utf8)) as? [String: Any])?["nodes"] as? [[String: Any]] ?? []
    } while nodes.count == 4 && nodes[0]["state"] as? String != "live" && Date() < deadline
    #expect(status.status == 2 && nodes.map { $0["name"] as? String } == ["v1", "v2", "v3", "v4"], "\(status.output)\(status.errors)")
    #expect(nodes[2]["state"] as? String == "down" && nodes[2]["head_height"] is NSNull && nodes[0]["state"] as? String == "live" && nodes[0]["head_height"] is Int, "\(nodes)")
    for node in [1, 2, 4] { kill(try network.pid(node), SIGKILL) }
    network.process.waitUntilExit()
    #expect(network.process.terminationStatus == 70 && network.notes.contains("no node of"), "\(network.notes)")
  }

  @Test func withFaultsANodeThatEndsStartsAgain() throws {
    let scratch = try ScratchDirectory()
    let network = try Network(scratch.url, ["--faults", "--seed", "5"])
    let old = try network.pid(2)
    kill(old, SIGKILL)
    // The drill may have killed it a moment before; both ways it comes back.
    #expect(network.wait(for: "v2 starts again"), "\(network.notes)")
    let down = try Command.moloch("localnet", "down", "--dir", network.directory.path, "--json")
    #expect(down.status == 0 && down.output.hasPrefix("{\"schema\":\"moloch.localnet.down/1\",\"directory\":\""), "\(down.output)\(down.errors)")
    #expect(down.output.hasSuffix(",\"pid\":\(network.process.processIdentifier)}\n"), "\(down.output)")
    network.process.waitUntilExit()
    #expect(network.process.terminationStatus == 0, "\(network.notes)")
  }

  /// Homes for several hosts, run on loopback addresses that stand for them.
  @Test func homesForSeveralHostsMakeOneNetwork() throws {
    let scratch = try ScratchDirectory()
    let net = Int.random(in: 10...250)
    let hosts = (1...4).map { "127.77.\(net).\($0)" }
    let directory = scratch.url.path + "/network"
    let made = try Command.moloch("localnet", "files", "--hosts", hosts.joined(separator: ","), "--dir", directory, "--chain-id", "far", "--block-time", "100")
    #expect(made.status == 0, "\(made.output)\(made.errors)")
    #expect(try Command.moloch("localnet", "files", "--hosts", "a,b", "--dir", directory).status == 0, "other hosts get homes beside them")
    #expect(try Command.moloch("localnet", "files", "--hosts", hosts[0], "--dir", directory).status == 73, "a home is never made anew")
    #expect(try Command.moloch("localnet", "files", "--hosts", "a b", "--dir", directory).status == 64)
    var processes: [Process] = []
    defer {
      for process in processes where process.isRunning {
        process.terminate()
        process.waitUntilExit()
      }
    }
    for host in hosts {
      let home = directory + "/" + host
      let checked = try Command.moloch("validate-config", "--home", home)
      #expect(checked.status == 0 && !checked.output.contains("MolochLowPeerCount"), "\(checked.output)\(checked.errors)")
      let unit = try String(contentsOfFile: home + "/moloch.service", encoding: .utf8)
      #expect(unit.contains("ExecStart=/opt/moloch/bin/moloch run --config /opt/moloch/config/node.toml"))
      let process = Process()
      process.executableURL = NodeProcess.moloch
      process.arguments =
        ["run", "--home", home] + ["network.listen_addr=\(host):9000", "api.listen_addr=\(host):8080", "metrics.prometheus_addr=\(host):9090", "api.drain_delay=0s"].flatMap { ["--set", $0] }
      process.standardError = FileHandle.nullDevice
      try process.run()
      processes.append(process)
    }
    // Four keys of one genesis that find each other by what the files say.
    let deadline = Date(timeIntervalSinceNow: 180)
    var peers = 0
    while peers < 3, Date() < deadline {
      let status = try Command.moloch("status", "--json", "--home", directory + "/" + hosts[3])
      peers = (try? JSONSerialization.jsonObject(with: Data(status.output.utf8)) as? [String: Any]).flatMap { ($0["status"] as? [String: Any])?["peer_count"] as? Int } ?? 0
    }
    #expect(peers == 3)
  }
}
