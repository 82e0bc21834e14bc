import Audit
import Bytes
import Digests
import CLinux
import Glibc

/// What ties a vote journal to its place, so that a copy of it does not vote beside the original: the file `binding` in `data/validator/`.
///
/// One line: `here MACHINE INODE` for a journal that votes, `reset MACHINE INODE` for one that the operator has freed since the node ran last, `listening` from
/// the moment when the journal is in doubt until the node has listened enough, `halted` once another instance was seen to vote with the key.
/// MACHINE is the first half of a digest of the machine's id, so that the id itself is not given away; INODE is that of the directory.
enum Binding: Hashable, Sendable {
  case here(machine: String, inode: UInt64)
  case reset(machine: String, inode: UInt64)
  case listening
  case halted

  private static func path(_ directory: String) -> String { directory + "/binding" }

  /// Of a journal directory as it lies now.
  static func place(_ directory: String, isReset: Bool = false) throws(NodeFailure) -> Binding {
    var status = stat()
    // The kernel fills the structure; the path is lent to the call.
    guard unsafe stat(directory, &status) == 0 else { throw NodeFailure(74, "cannot read \(directory): \(HomeFile.reason())") }
    let id = ["/etc/machine-id", "/var/lib/dbus/machine-id"].lazy.compactMap { try? HomeFile.read($0) }.first { !$0.isEmpty } ?? []
    let digest = SHA256.hash(Array("moloch-binding ".utf8) + id.prefix { $0 != UInt8(ascii: "\n") })
    let machine = Hex.encode(Array(digest.bytes.array.prefix(16)))
    return isReset ? .reset(machine: machine, inode: UInt64(status.st_ino)) : .here(machine: machine, inode: UInt64(status.st_ino))
  }

  /// What the file says; nil without one, and for one that says something else.
  static func read(_ directory: String) -> Binding? {
    guard let text = try? HomeFile.read(path(directory)) else { return nil }
    let words = String(decoding: text, as: UTF8.self).split(whereSeparator: \.isWhitespace)
    switch words.first {
    case "listening" where words.count == 1: return .listening
    case "halted" where words.count == 1: return .halted
    case "here", "reset":
      guard words.count == 3, let inode = UInt64(words[2]) else { break }
      return words[0] == "here" ? .here(machine: String(words[1]), inode: inode) : .reset(machine: String(words[1]), inode: inode)
    default: break
    }
    return nil
  }

  /// Writes the file, synced.
  func write(_ directory: String) throws(NodeFailure) { try HomeFile.replace(Self.path(directory), Array("\(line)\n".utf8), mode: 0o600) }

  private var line: String {
    switch self {
    case .here(let machine, let inode): "here \(machine) \(inode)"
    case .reset(let machine, let inode): "reset \(machine) \(inode)"
    case .listening: "listening"
    case .halted: "halted"
    }
  }
}

/// Why a validator does not vote when it starts.
enum StartDoubt: Sendable, Equatable {
  /// The journal is missing or damaged, with the reason.
  case lost(String)
  /// The journal was copied, restored or moved.
  case elsewhere
  /// The node was stopped while it listened.
  case interrupted
  case halted
  /// No doubt: the operator has freed the journal since the node ran last.
  case reset
}
