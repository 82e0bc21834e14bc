import Foundation

/// A host as the operations guide sees it: a home with programs, configuration, keys and data, a supervisor that starts and stops its node, and a journal with what
/// the node wrote. Paths and ports of the guide are mapped to those of a scratch directory; everything else runs as it is printed.
final class GuideHost {
  let member: Cluster.Member
  private let shims: URL
  private var home: String { member.home.path }

  /// - Parameter member: its files are made and its process is not started.
  init(_ member: Cluster.Member) throws {
    self.member = member
    shims = member.home.appendingPathComponent("shims")
    for directory in ["bin", "src/target/release", "shims"] { try FileManager.default.createDirectory(at: member.file(directory), withIntermediateDirectories: true) }
    for name in ["moloch", "moloch.backup"] { try FileManager.default.copyItem(at: NodeProcess.moloch, to: member.file("bin/\(name)")) }
    try FileManager.default.createSymbolicLink(atPath: home + "/src/target/release/moloch", withDestinationPath: "../../../bin/moloch")
    try shim("sudo", #"exec "$@""#)
    try shim("systemctl", Self.supervisor)
    try shim("journalctl", Self.journal)
    try shim("moloch", #"MOLOCH_HOME=$GUIDE_HOME exec "$GUIDE_HOME/bin/moloch" "$@""#)
    // A terminal is not at hand: the command is run once.
    try shim("watch", #"exec sh -c "${@: -1}""#)
    for other in ["git", "cargo", "apt", "sysctl", "chronyc"] { try shim(other, "echo \(other) \"$@\"") }
  }

  deinit {
    guard let text = try? String(contentsOf: member.file("supervisor.pid"), encoding: .utf8), let pid = Int32(text.trimmingCharacters(in: .whitespacesAndNewlines)), pid > 1 else { return }
    kill(pid, SIGKILL)
  }

  /// What systemd does with the unit, as far as the guide asks for it.
  private static let supervisor = #"""
    home=$GUIDE_HOME; file=$home/supervisor.pid
    alive() { [ -s "$file" ] && state=$(awk '/^State:/ { print $2 }' "/proc/$(cat "$file")/status" 2>/dev/null) && [ -n "$state" ] && [ "$state" != Z ]; }
    stop() {
      alive || return 0
      kill -TERM "$(cat "$file")"
      for _ in $(seq 600); do alive || { rm -f "$file"; return 0; }; sleep 0.1; done
      echo "the node does not stop" >&2; exit 1
    }
    start() {
      alive && return 0
      # Whoever waits for this command must not wait for the node: it keeps none of its descriptors.
      (
        exec >>"$home/journal" 2>&1 </dev/null
        for descriptor in $(ls /proc/$BASHPID/fd); do [ "$descriptor" -le 2 ] || eval "exec $descriptor>&-"; done
        exec setsid "$home/bin/moloch" run --config "$home/config/node.toml"
      ) &
      echo $! >"$file"
      # A unit of type notify has started when the node has recovered; liveness is answered before.
      for _ in $(seq 600); do
        curl -fs "http://localhost:$GUIDE_API/v1/status" >/dev/null && return 0
        alive || { echo "the node has ended: $(tail -3 "$home/journal")" >&2; exit 1; }
        sleep 0.1
      done
      echo "the node does not serve" >&2; exit 1
    }
    [ "$2" = moloch ] || { echo "no unit $2" >&2; exit 5; }
    case $1 in
      start) start ;; stop) stop ;; restart) stop; start ;;
      enable | disable) echo "$1" >"$home/enabled" ;;
      *) echo "unknown verb $1" >&2; exit 1 ;;
    esac
    """#

  /// The node's own records with the options that the guide uses. Following ends by itself here.
  private static let journal = #"""
    lines=
    while [ $# -gt 0 ]; do
      case $1 in
        -u) [ "$2" = moloch ] || exit 1; shift ;; -n) lines=$2; shift ;; --since) date -d "$2" >/dev/null || exit 1; shift ;;
        -f) lines=10 ;; --no-pager) ;; *) echo "journalctl: $1" >&2; exit 1 ;;
      esac
      shift
    done
    if [ -n "$lines" ]; then exec tail -n "$lines" "$GUIDE_HOME/journal"; else exec cat "$GUIDE_HOME/journal"; fi
    """#

  private func shim(_ name: String, _ body: String) throws {
    let file = shims.appendingPathComponent(name)
    try "#!/bin/bash\n\(body)\n".write(to: file, atomically: true, encoding: .utf8)
    try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: file.path)
  }

  /// A line of the guide with the paths and ports of this host.
  func mapped(_ printed: String) -> String {
    printed.replacingOccurrences(of: "/opt/moloch", with: home).replacingOccurrences(of: "localhost:8080", with: "localhost:\(member.apiPort)")
      .replacingOccurrences(of: "localhost:9090", with: "localhost:\(member.metricsPort)")
  }

  /// Runs a line in the directory of the sources.
  func run(_ printed: String) throws -> Command {
    let path = shims.path + ":" + (ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin")
    return try Command.run(
      URL(fileURLWithPath: "/bin/bash"), ["-o", "pipefail", "-c", mapped(printed)], directory: member.file("src"),
      environment: ["PATH": path, "GUIDE_HOME": home, "GUIDE_API": "\(member.apiPort)"])
  }
}
