import Foundation
import Testing

/// The files that `gen` prints: they are those under `docs/`, and the programs that they are for take them.
@Suite struct ArtifactTests {
  static let docs = CommandTests.root.appendingPathComponent("docs")
  static let files: [(arguments: [String], file: String)] = [
    (["prometheus"], "monitoring/prometheus.yml"), (["alerts", "--guide"], "monitoring/alerts-guide.yml"), (["alerts"], "monitoring/alerts.yml"),
    (["grafana"], "monitoring/grafana-dashboard.json"), (["logrotate"], "deployment/moloch.logrotate"), (["sysctl"], "deployment/90-moloch.conf"),
    (["systemd"], "deployment/moloch.service"), (["haproxy"], "deployment/haproxy.cfg"), (["nginx"], "deployment/nginx.conf"),
  ]

  /// Where a page that should be another is left to be taken; each user has files of their own there.
  static func fresh(_ name: String) -> URL { FileManager.default.temporaryDirectory.appendingPathComponent("moloch-\(getuid())-\(name)") }

  static func gen(_ arguments: String..., home: String = "/opt/moloch") throws -> Command {
    try Command.run(NodeProcess.moloch, ["gen"] + arguments + ["--home", home])
  }

  @Test(arguments: files.indices) func aPrintedFileIsTheOneInTheDocuments(_ index: Int) throws {
    let (arguments, name) = Self.files[index]
    let printed = try Command.run(NodeProcess.moloch, ["gen"] + arguments + ["--home", "/opt/moloch"])
    #expect(printed.status == 0, "\(printed.errors)")
    let stored = (try? String(contentsOf: Self.docs.appendingPathComponent(name), encoding: .utf8)) ?? ""
    if stored != printed.output {
      let fresh = Self.fresh(name.replacingOccurrences(of: "/", with: "-"))
      try printed.output.write(to: fresh, atomically: true, encoding: .utf8)
      Issue.record("docs/\(name) is not what 'moloch gen \(arguments.joined(separator: " "))' prints: \(fresh.path)")
    }
  }

  /// The guide's blocks are known by their digests.
  @Test func theGuidesBlocksAreByteForByte() throws {
    for (name, digest) in [
      ("prometheus.yml", "a523e8ca5f70e09e3d811b4827717b4a0b130fc3e98fca3bbe282f2286a36e5f"),
      ("alerts-guide.yml", "a9f0c46e60b8fbb4aa8a4ae8158fee55c78172a89e51d43dc5e92e9a85b7f63a"),
    ] {
      let sum = try Command.run(URL(fileURLWithPath: "/usr/bin/sha256sum"), [Self.docs.appendingPathComponent("monitoring/" + name).path])
      #expect(sum.output.hasPrefix(digest), "\(name): \(sum.output)")
    }
  }

  @Test func theFilesFollowTheConfiguration() throws {
    let scratch = try ConfigurationTests.home(
      "[metrics]\nprometheus_addr = \"127.0.0.1:9099\"\n[log]\nfile = \"/var/log/moloch/node.log\"\nrotate_keep = 5\n[api]\ndrain_delay = \"2s\"\n")
    let home = scratch.url.path
    #expect(try Self.gen("prometheus", home: home).output.contains("targets: ['localhost:9099']"))
    let logrotate = try Self.gen("logrotate", home: home).output
    #expect(logrotate.contains("/var/log/moloch/node.log {") && logrotate.contains("rotate 5"))
    let haproxy = try Command.moloch("gen", "haproxy", "--servers", "a:1,b:2", "--home", home)
    #expect(haproxy.output.contains("check inter 500ms fall 3") && haproxy.output.contains("server api2 b:2"), "\(haproxy.output)")
    #expect(try Command.moloch("gen", "haproxy", "--servers", "a", "--home", home).status == 64)
    #expect(try Command.moloch("gen", "cabbage").status == 64)
    #expect(try Self.gen("alerts", "--runbooks", "https://wiki.example.com/m").output.contains("\"https://wiki.example.com/m#molochnopeers\""))
  }

  @Test func haproxyAndNginxTakeTheirFiles() throws {
    let scratch = try ScratchDirectory()
    let haproxy = scratch.url.appendingPathComponent("haproxy.cfg"), nginx = scratch.url.appendingPathComponent("nginx.conf")
    try Self.gen("haproxy").output.write(to: haproxy, atomically: true, encoding: .utf8)
    let checked = try Command.run(URL(fileURLWithPath: "/usr/sbin/haproxy"), ["-c", "-f", haproxy.path])
    #expect(checked.status == 0, "\(checked.output)\(checked.errors)")
    let site = scratch.url.appendingPathComponent("site.conf")
    try Self.gen("nginx").output.write(to: site, atomically: true, encoding: .utf8)
    try "pid \(scratch.url.path)/pid;\nerror_log stderr;\nevents {}\nhttp {\n  access_log off;\n  include \(site.path);\n}\n".write(to: nginx, atomically: true, encoding: .utf8)
    let accepted = try Command.run(URL(fileURLWithPath: "/usr/sbin/nginx"), ["-t", "-c", nginx.path])
    #expect(accepted.status == 0, "\(accepted.output)\(accepted.errors)")
  }

  @Test func systemdTakesTheUnitAndFindsItTight() throws {
    let scratch = try ScratchDirectory()
    let unit = scratch.url.appendingPathComponent("moloch.service")
    // systemd looks for the program that a unit starts.
    let text = try Self.gen("systemd").output.replacingOccurrences(of: "/opt/moloch/bin/moloch", with: NodeProcess.moloch.path)
    try text.write(to: unit, atomically: true, encoding: .utf8)
    let verified = try Command.run(URL(fileURLWithPath: "/usr/bin/systemd-analyze"), ["verify", unit.path])
    #expect(verified.status == 0 && verified.errors.isEmpty, "\(verified.output)\(verified.errors)")
    let rated = try Command.run(URL(fileURLWithPath: "/usr/bin/systemd-analyze"), ["security", "--offline=yes", "--threshold=20", "--no-pager", unit.path])
    #expect(rated.status == 0, "\(rated.output.suffix(600))\(rated.errors)")
    let loose = text.replacingOccurrences(of: "ProtectSystem=strict", with: "ProtectSystem=no")
    try loose.write(to: unit, atomically: true, encoding: .utf8)
    let worse = try Command.run(URL(fileURLWithPath: "/usr/bin/systemd-analyze"), ["security", "--offline=yes", "--threshold=5", "--no-pager", unit.path])
    #expect(worse.status != 0, "the check must be able to fail")
  }

  @Test func logrotateTakesItsFile() throws {
    let scratch = try ScratchDirectory()
    let file = scratch.url.appendingPathComponent("moloch")
    let text = try Self.gen("logrotate", home: scratch.url.path).output.replacingOccurrences(of: "moloch moloch", with: "root root")
    try text.write(to: file, atomically: true, encoding: .utf8)
    try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: file.path)
    let checked = try Command.run(URL(fileURLWithPath: "/usr/sbin/logrotate"), ["-d", "-s", scratch.url.path + "/state", file.path])
    #expect(checked.status == 0 && !checked.errors.contains("error:"), "\(checked.output)\(checked.errors)")
  }

  @Test(arguments: ["bash", "zsh", "fish"]) func completionsKnowTheCommands(_ shell: String) throws {
    let script = try Command.moloch("completion", shell)
    #expect(script.status == 0 && script.output.contains("maintenance") && script.output.contains("validate-config"), "\(script.errors)")
  }

  @Test func bashTakesItsCompletions() throws {
    let scratch = try ScratchDirectory()
    let file = scratch.url.appendingPathComponent("moloch.bash")
    try Command.moloch("completion", "bash").output.write(to: file, atomically: true, encoding: .utf8)
    let checked = try Command.run(URL(fileURLWithPath: "/bin/bash"), ["-n", file.path])
    #expect(checked.status == 0, "\(checked.errors)")
  }

  /// man renders every page without a complaint, and each says what the program knows.
  @Test func manualPagesRender() throws {
    let scratch = try ScratchDirectory()
    let names = ["", "run", "init", "peers", "maintenance", "validator", "storage", "genesis", "gen", "node.toml"]
    for name in names {
      let page = try name.isEmpty ? Command.moloch("gen", "man") : Command.moloch("gen", "man", name)
      #expect(page.status == 0, "\(name): \(page.errors)")
      let file = scratch.url.appendingPathComponent("page.1")
      try page.output.write(to: file, atomically: true, encoding: .utf8)
      let rendered = try Command.run(
        URL(fileURLWithPath: "/usr/bin/man"), ["--warnings=w", "-l", "-P", "cat", file.path], environment: ["MANWIDTH": "80", "LC_ALL": "C.UTF-8"])
      #expect(rendered.status == 0 && rendered.errors.isEmpty, "\(name): \(rendered.errors)")
      let words = ["": ["validate-config", "EXIT STATUS"], "peers": ["PEERS ADD", "--temporary", "peers remove"], "node.toml": ["api.drain_delay = \"10s\"", "[STORAGE]"]][name] ?? ["--home"]
      for word in words { #expect(rendered.output.contains(word), "\(name): \(word) is missing in \(rendered.output.prefix(2000))") }
    }
    #expect(try Command.moloch("gen", "man", "cabbage").status == 64)
  }
}
