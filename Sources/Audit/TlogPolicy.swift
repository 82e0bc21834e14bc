import Bytes

/// Which line of a policy breaks a rule.
public struct PolicyError: Error, Hashable, Sendable, CustomStringConvertible {
  /// From 1; 0 for the file as a whole.
  public var line: Int
  public var message: String
  public var description: String { line == 0 ? message : "line \(line): \(message)" }
}

/// Which logs and cosignatures make a checkpoint trustworthy (C2SP tlog-policy).
///
///     log <vkey> [<url>]
///     witness <name> <vkey> [<url>]
///     group <name> <k>|any|all <name>...
///     quorum <name>|none
///
/// Names are octets and live in one space; a name is defined before it is used and is a member of one group at most. URLs are not read.
public struct TlogPolicy: Sendable {
  enum Member: Sendable { case witness(Int), group(Int) }
  struct Group: Sendable {
    var threshold: Int
    var members: [Member]
  }

  public private(set) var logs: [VerifierKey] = []
  public private(set) var witnesses: [VerifierKey] = []
  private var groups: [Group] = []
  /// Nil: no cosignature is asked for.
  private var quorum: Member?
  /// Every name with what it stands for, in the order of the file.
  private var names: [(name: [UInt8], member: Member, isUsed: Bool)] = []

  /// Parses a policy file with at least one log and exactly one quorum.
  public init(parsing bytes: [UInt8]) throws(PolicyError) {
    guard bytes.count <= LedgerLimit.policyByteCount else { throw PolicyError(line: 0, message: "a policy of \(bytes.count) bytes") }
    var hasQuorum = false
    for (offset, line) in bytes.split(separator: 0x0A, omittingEmptySubsequences: false).enumerated() {
      do {
        guard line.allSatisfy({ $0 == 0x09 || ($0 >= 0x20 && $0 != 0x7F) }) else { throw FormatError.malformed("a control character") }
        let items = line.split(whereSeparator: { $0 == 0x20 || $0 == 0x09 }).map { Array($0) }
        guard let keyword = items.first, keyword[0] != UInt8(ascii: "#") else { continue }
        let arguments = Array(items.dropFirst())
        switch String(decoding: keyword, as: UTF8.self) {
        case "log": try readLog(arguments)
        case "witness": try readWitness(arguments)
        case "group": try readGroup(arguments)
        case "quorum":
          guard !hasQuorum, arguments.count == 1 else { throw FormatError.malformed("one quorum, one name") }
          hasQuorum = true
          quorum = arguments[0] == Array("none".utf8) ? nil : names[try position(of: arguments[0])].member
        default: throw FormatError.malformed("unknown keyword")
        }
      } catch {
        guard case .malformed(let message)? = error as? FormatError else { throw PolicyError(line: offset + 1, message: "\(error)") }
        throw PolicyError(line: offset + 1, message: message)
      }
    }
    guard hasQuorum else { throw PolicyError(line: 0, message: "no quorum line") }
    guard !logs.isEmpty else { throw PolicyError(line: 0, message: "no log line") }
  }

  private mutating func readLog(_ arguments: [[UInt8]]) throws(FormatError) {
    guard (1...2).contains(arguments.count), logs.count < LedgerLimit.policyNames else { throw .malformed("log <vkey> [<url>]") }
    logs.append(try Self.key(arguments[0], .log, others: logs))
  }

  private mutating func readWitness(_ arguments: [[UInt8]]) throws(FormatError) {
    guard (2...3).contains(arguments.count), witnesses.count < LedgerLimit.policyNames else { throw .malformed("witness <name> <vkey> [<url>]") }
    let key = try Self.key(arguments[1], .cosignature, others: witnesses)
    try define(arguments[0], .witness(witnesses.count))
    witnesses.append(key)
  }

  private mutating func readGroup(_ arguments: [[UInt8]]) throws(FormatError) {
    guard arguments.count >= 3, groups.count < LedgerLimit.policyNames else { throw .malformed("group <name> <k>|any|all <name>...") }
    var members: [Member] = []
    for name in arguments[2...] {
      let position = try position(of: name)
      guard !names[position].isUsed else { throw .malformed("a name is a member once") }
      names[position].isUsed = true
      members.append(names[position].member)
    }
    let threshold: Int
    switch String(decoding: arguments[1], as: UTF8.self) {
    case "any": threshold = 1
    case "all": threshold = members.count
    default:
      guard let number = Checkpoint.decimal(arguments[1][...]), number >= 1, number <= UInt64(members.count) else {
        throw .malformed("a threshold is from 1 to the number of members")
      }
      threshold = Int(number)
    }
    try define(arguments[0], .group(groups.count))
    groups.append(Group(threshold: threshold, members: members))
  }

  private static func key(_ text: [UInt8], _ type: NoteSignatureType, others: [VerifierKey]) throws(FormatError) -> VerifierKey {
    guard let text = String(validating: text, as: UTF8.self), let key = VerifierKey(text: text) else { throw .malformed("not a verifier key of a known type") }
    guard key.type == type else { throw .malformed("the key has another signature type") }
    guard !others.contains(where: { $0.key == key.key }) else { throw .malformed("a key twice") }
    return key
  }

  private mutating func define(_ name: [UInt8], _ member: Member) throws(FormatError) {
    guard name != Array("none".utf8), !names.contains(where: { $0.name == name }) else { throw .malformed("a name is defined once and is not 'none'") }
    names.append((name, member, false))
  }

  private func position(of name: [UInt8]) throws(FormatError) -> Int {
    guard let position = names.firstIndex(where: { $0.name == name }) else { throw .malformed("a name is defined before it is used") }
    return position
  }

  /// Whether the cosignatures of these witnesses, indexes into `witnesses`, meet the quorum.
  public func isQuorum(_ signers: [Int]) -> Bool {
    var satisfied: [Bool] = []
    func holds(_ member: Member) -> Bool {
      switch member {
      case .witness(let index): signers.contains(index)
      case .group(let index): satisfied[index]
      }
    }
    // A group names only groups before it.
    for group in groups { satisfied.append(group.members.count(where: holds) >= group.threshold) }
    return quorum.map(holds) ?? true
  }
}
