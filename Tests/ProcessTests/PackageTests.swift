import Foundation
import Testing

/// The Debian package: built from the programs under test, installed below a scratch root, upgraded, removed, purged.
@Suite(.serialized) struct PackageTests {
  /// A root directory with an empty package database.
  private static func root(_ scratch: ScratchDirectory) throws -> String {
    let root = scratch.url.path + "/root"
    for directory in ["var/lib/dpkg/info", "var/lib/dpkg/updates", "etc"] {
      try FileManager.default.createDirectory(atPath: root + "/" + directory, withIntermediateDirectories: true)
    }
    for file in ["status", "available"] { try Data().write(to: URL(fileURLWithPath: root + "/var/lib/dpkg/" + file)) }
    return root
  }

  private static func dpkg(_ root: String, _ arguments: String...) throws -> Command {
    // The scripts run outside the root and find it in DPKG_ROOT; the libraries of this host stand for those that the package asks for.
    try Command.run(URL(fileURLWithPath: "/usr/bin/dpkg"), ["--root=" + root, "--force-script-chrootless", "--force-depends", "--log=" + root + "/dpkg.log"] + arguments)
  }

  private static func mode(_ path: String) throws -> Int { try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int ?? 0 }

  @Test(.enabled(if: getuid() == 0, "an installation makes a user and gives it directories")) func thePackageInstallsUpgradesAndLeaves() throws {
    let scratch = try ScratchDirectory()
    let package = scratch.url.path + "/moloch.deb"
    let built = try Command.run(CommandTests.root.appendingPathComponent(".ci/deb"), ["--from", NodeProcess.binaries.path, "--out", package])
    #expect(built.status == 0, "\(built.output)\(built.errors)")
    let contents = try Command.run(URL(fileURLWithPath: "/usr/bin/dpkg-deb"), ["-c", package]).output
    for path in [
      "./opt/moloch/bin/moloch", "./opt/moloch/bin/moloch-load", "./opt/moloch/config/node.toml", "./opt/moloch/data/", "./opt/moloch/keys/", "./opt/moloch/logs/", "./opt/moloch/src/",
      "./usr/bin/moloch -> /opt/moloch/bin/moloch", "./lib/systemd/system/moloch.service", "./lib/systemd/system/moloch-backup.timer", "./etc/logrotate.d/moloch",
      "./usr/lib/sysctl.d/90-moloch.conf", "./usr/share/bash-completion/completions/moloch", "./usr/share/zsh/vendor-completions/_moloch", "./usr/share/fish/vendor_completions.d/moloch.fish",
      "./usr/share/man/man1/moloch.1.gz", "./usr/share/man/man1/moloch-maintenance.1.gz", "./usr/share/man/man5/moloch-node.toml.5.gz", "./usr/share/moloch/grafana-dashboard.json",
      "./usr/share/moloch/alerts.yml", "./usr/share/moloch/alerts-guide.yml", "./usr/share/doc/moloch/copyright", "./usr/share/doc/moloch/changelog.gz",
    ] { #expect(contents.contains(" \(path)\n"), "\(path) is not in the package") }
    let depends = try Command.run(URL(fileURLWithPath: "/usr/bin/dpkg-deb"), ["-f", package, "Depends"]).output
    #expect(depends.contains("librocksdb7.8") && depends.contains("libssl3") && depends.contains("liburing2"), "\(depends)")

    // What the layout below /opt makes it say is named in the overrides of the package.
    let reviewed = try Command.run(URL(fileURLWithPath: "/usr/bin/lintian"), ["--allow-root", "--fail-on", "error,warning", package])
    #expect(reviewed.status == 0, "\(reviewed.output)\(reviewed.errors)")

    let root = try Self.root(scratch), home = root + "/opt/moloch"
    let installed = try Self.dpkg(root, "-i", package)
    #expect(installed.status == 0 && installed.output.contains("moloch init"), "\(installed.output)\(installed.errors)")
    let user = try String(contentsOfFile: root + "/etc/passwd", encoding: .utf8).split(separator: "\n").first { $0.hasPrefix("moloch:") }?.split(separator: ":")
    let owner = try #require(user.flatMap { Int($0[2]) })
    #expect(try FileManager.default.attributesOfItem(atPath: home + "/data")[.ownerAccountID] as? Int == owner)
    #expect(try Self.mode(home + "/keys") == 0o700 && Self.mode(home + "/data") == 0o750 && Self.mode(home + "/config/node.toml") == 0o640)
    // As the guide prints it, from the home and from its sources; the home is the one around the working directory.
    for directory in [home, home + "/src"] {
      let at = URL(fileURLWithPath: directory)
      let version = try Command.run(URL(fileURLWithPath: "/bin/sh"), ["-c", "./target/release/moloch --version"], directory: at)
      #expect(version.status == 0 && version.output.hasPrefix("moloch 1.0.0 (commit "), "\(version.output)\(version.errors)")
      let rotation = try Command.run(URL(fileURLWithPath: "/bin/sh"), ["-c", "./target/release/moloch config show log.rotate"], directory: at)
      #expect(rotation.output == "log.rotate = \"external\"\n", "\(rotation.output)\(rotation.errors)")
    }
    let checked = try Command.run(URL(fileURLWithPath: home + "/bin/moloch"), ["validate-config", "--home", home])
    #expect(checked.status == 0, "\(checked.output)\(checked.errors)")
    let intact = try Self.dpkg(root, "--verify", "moloch")
    #expect(intact.status == 0 && intact.output.isEmpty, "\(intact.output)\(intact.errors)")
    try Data([1]).write(to: URL(fileURLWithPath: root + "/usr/share/moloch/alerts.yml"))
    #expect(try Self.dpkg(root, "--verify", "moloch").output.contains("/usr/share/moloch/alerts.yml"), "the sums of the package are those of its files")
    let page = try Command.run(URL(fileURLWithPath: "/usr/bin/man"), ["-l", "-P", "cat", root + "/usr/share/man/man1/moloch-drain.1.gz"], environment: ["LC_ALL": "C.UTF-8"])
    #expect(page.output.contains("api.drain_delay"), "\(page.output)\(page.errors)")
    let units = ["moloch-backup.service", "moloch-backup.timer"].map { root + "/lib/systemd/system/" + $0 }
    let verified = try Command.run(URL(fileURLWithPath: "/usr/bin/systemd-analyze"), ["verify"] + units)
    #expect(verified.status == 0 && !verified.errors.contains("moloch-backup"), "\(verified.output)\(verified.errors)")
    try upgradeAndLeave(root, home, package)
  }

  private func upgradeAndLeave(_ root: String, _ home: String, _ package: String) throws {
    let configuration = home + "/config/node.toml"
    try "[node]\nname = \"mine\"\n".write(toFile: configuration, atomically: true, encoding: .utf8)
    for directory in ["data/chain", "data/validator"] {
      try FileManager.default.createDirectory(atPath: home + "/" + directory, withIntermediateDirectories: true)
      try Data([1]).write(to: URL(fileURLWithPath: home + "/\(directory)/file"))
    }
    try Data([1]).write(to: URL(fileURLWithPath: home + "/keys/node.key"))
    let upgraded = try Self.dpkg(root, "--force-confold", "-i", package)
    #expect(upgraded.status == 0, "\(upgraded.output)\(upgraded.errors)")
    #expect(try String(contentsOfFile: configuration, encoding: .utf8).contains("mine"), "an upgrade keeps the configuration")
    #expect(FileManager.default.fileExists(atPath: home + "/data/chain/file"), "an upgrade keeps the data")
    let backup = try Command.run(URL(fileURLWithPath: home + "/bin/moloch.backup"), ["--version"])
    #expect(backup.status == 0 && backup.output.hasPrefix("moloch "), "\(backup.errors)")
    #expect(try Self.dpkg(root, "--remove", "moloch").status == 0)
    #expect(!FileManager.default.fileExists(atPath: home + "/bin/moloch") && FileManager.default.fileExists(atPath: home + "/data/chain/file"))
    let purged = try Self.dpkg(root, "--purge", "moloch")
    #expect(purged.status == 0, "\(purged.output)\(purged.errors)")
    #expect(!FileManager.default.fileExists(atPath: home + "/data/chain") && !FileManager.default.fileExists(atPath: home + "/config"))
    for kept in ["keys/node.key", "data/validator/file"] { #expect(FileManager.default.fileExists(atPath: home + "/" + kept), "a purge keeps \(kept)") }
  }

  @Test func aPackageOfNothingIsRefused() throws {
    let scratch = try ScratchDirectory()
    let built = try Command.run(CommandTests.root.appendingPathComponent(".ci/deb"), ["--from", scratch.url.path, "--out", scratch.url.path + "/x.deb"])
    #expect(built.status == 66 && built.errors.contains("holds no moloch"), "\(built.errors)")
    #expect(try Command.run(CommandTests.root.appendingPathComponent(".ci/deb"), ["--nonsense"]).status == 64)
  }
}
