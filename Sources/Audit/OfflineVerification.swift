import Bytes
public import Digests
import Ed25519

/// Checks a proof without a network (ledger formats, section 14): a proof bundle, a tlog-proof, a checkpoint or a record. Every check says PASS,
/// FAIL with what was expected and found, or SKIP with the reason; the exit code follows from them.
///
///     var options = OfflineVerification.Options()
///     options.trust = .genesis(genesisFile)
///     let result = OfflineVerification(file: bundleFile, options: options)   // result.exitCode, result.checks
public struct OfflineVerification: Sendable {
  /// Where trust begins.
  public enum Trust: Sendable {
    case genesis([UInt8])
    /// A block hash that the verifier knows from elsewhere.
    case block(Height, Digest)
    case none
  }

  public struct Options: Sendable {
    public var trust = Trust.none
    /// Logs and witnesses that the verifier trusts. With another trust root both must hold.
    public var policy: TlogPolicy?
    /// An older checkpoint or bundle, as read from its file.
    public var since: [UInt8]?
    /// The event of a tlog-proof: a record, or its first 192 bytes.
    public var record: [UInt8]?
    /// Salt and body from elsewhere, for a file without them.
    public var body: [UInt8]?
    public var requiresBody = false
    /// Distinct cosignatures asked for of witnesses of the policy that are no validators of the chain.
    public var witnessesMin = 0
    public init() {}
  }

  public enum Outcome: Hashable, Sendable {
    case pass(String)
    case fail(expected: String, found: String)
    case skip(String)
  }

  public struct Check: Hashable, Sendable {
    public let name: String
    public let outcome: Outcome
  }

  public private(set) var checks: [Check] = []
  let options: Options
  var isAnchored = false
  var isDemandUnmet = false
  private var isUnreadable = false
  var statement: Statement?
  /// Read from the options; nil for another trust root, or when the file is no genesis.
  private(set) var genesis: Genesis?

  /// 65 unreadable, 1 invalid, 3 consistent and not anchored, 4 a demand cannot be met, 0 valid and anchored. In this order: what is not
  /// anchored is not called valid because a demand is unmet too.
  public var exitCode: Int32 {
    if isUnreadable { return 65 }
    if checks.contains(where: { if case .fail = $0.outcome { true } else { false } }) { return 1 }
    if !isAnchored { return 3 }
    return isDemandUnmet ? 4 : 0
  }

  /// Verifies a file of any of the four kinds; what it is follows from its first bytes.
  public init(file: [UInt8], options: Options) {
    self.options = options
    if case .genesis(let json) = options.trust {
      do { genesis = try Genesis(json: json) } catch {
        unreadable("trust root", "a genesis file", error.faults.first?.description ?? "\(error)")
        return
      }
    }
    if file.first(where: { ![0x20, 0x09, 0x0A, 0x0D].contains($0) }) == UInt8(ascii: "{") {
      verifyBundle(file)
    } else if file.starts(with: TlogProof.header.utf8) {
      verifyTlogProof(file)
    } else if file.starts(with: Statement.tag.array) {
      verifyRecord(file)
    } else {
      verifyCheckpoint(file)
    }
  }

  mutating func add(_ name: String, _ outcome: Outcome) { checks.append(Check(name: name, outcome: outcome)) }
  mutating func pass(_ name: String, _ detail: String) { add(name, .pass(detail)) }
  mutating func fail(_ name: String, _ expected: String, _ found: String) { add(name, .fail(expected: expected, found: found)) }

  /// The input is no file of its kind: nothing is said about what it claims.
  mutating func unreadable(_ name: String, _ expected: String, _ found: String) {
    isUnreadable = true
    fail(name, expected, found)
  }

  /// A demand of the options cannot be met.
  mutating func unmet(_ name: String, _ reason: String) {
    isDemandUnmet = true
    add(name, .skip(reason))
  }

  // MARK: Steps 1 to 3: the event by itself

  /// E1 to E3 and the id, which is compared with the one that the file names, and the chain tag with those of genesis and headers.
  mutating func checkEvent(_ bytes: [UInt8], named name: EventID?, tags: [(tag: ChainTag, origin: String)]) {
    let decoded: Statement
    do { decoded = try Statement(decoding: bytes.bytes) } catch { return fail("statement", "a valid statement", "\(error)") }
    statement = decoded
    let id = EventID(SHA256.hash(bytes))
    if let name, name != id { return fail("event id", "\(name)", "\(id)") }
    pass("event", "\(id), signed at timestamp_ms \(decoded.timestamp.rawValue)")
    guard let first = tags.first else { return add("chain tag", .skip("\(decoded.chainTag.hex); no genesis hash to compare it with")) }
    for other in [(decoded.chainTag, "the statement")] + tags.dropFirst() where other.0 != first.tag {
      return fail("chain tag", "\(first.tag.hex) of \(first.origin)", "\(other.0.hex) in \(other.1)")
    }
    pass("chain tag", decoded.chainTag.hex)
  }

  /// - Parameter absence: why the file has no body, when it has none.
  mutating func checkBody(_ inline: [UInt8]?, absence: String) {
    guard let statement else { return }
    guard let blob = inline ?? options.body else {
      let reason = statement.flags.contains(.detached) ? "detached: the body is not on the chain" : absence
      return options.requiresBody ? unmet("body", reason) : add("body", .skip(reason))
    }
    let digest = SHA256.hash(blob)
    guard digest == statement.bodyDigest else { return fail("body", "\(statement.bodyDigest)", "\(digest)") }
    guard blob.count == Record.saltByteCount + Int(statement.bodyLength) else {
      return fail("body", "\(statement.bodyLength) bytes", "\(blob.count - Record.saltByteCount) bytes")
    }
    pass("body", "\(statement.bodyLength) bytes have the digest of the statement")
  }

  mutating func checkSignature(_ signature: Signature, over bytes: [UInt8]) {
    guard let statement else { return }
    guard Verifier.isValid(signature, over: bytes.bytes, by: statement.signer) else {
      return fail("signature", "a signature by \(statement.signer)", "one that does not verify")
    }
    pass("signature", "by \(statement.signer) (cofactored rule; stricter libraries may refuse what the chain accepts)")
  }

  /// Steps 1 to 3 of a record, or of an entry without salt and body.
  /// - Returns: the 192 bytes that are the leaf.
  mutating func checkRecord(_ record: [UInt8]) -> [UInt8]? {
    guard record.count >= Entry.byteCount else {
      unreadable("format", "a record of at least \(Entry.byteCount) bytes", "\(record.count) bytes")
      return nil
    }
    let entry = Array(record[..<Entry.byteCount])
    let bytes = Array(entry[..<Statement.byteCount])
    checkEvent(bytes, named: nil, tags: genesis.map { [($0.chainTag, "genesis")] } ?? [])
    guard let statement else { return nil }
    guard record.count == statement.recordLength || record.count == Entry.byteCount else {
      fail("format", "\(statement.recordLength) bytes and nothing behind them", "\(record.count) bytes")
      return nil
    }
    checkBody(record.count > Entry.byteCount ? Array(record[Entry.byteCount...]) : nil, absence: "an entry without salt and body")
    checkSignature(Signature(entry.bytes, at: Statement.byteCount), over: bytes)
    return entry
  }

  private mutating func verifyRecord(_ file: [UInt8]) {
    guard checkRecord(file) != nil else { return }
    add("inclusion", .skip("a record holds no proof; a bundle or a tlog-proof does"))
    if options.since != nil { unmet("since", "a record holds no consistency proof") }
    if options.witnessesMin > 0 { unmet("witnesses", "a record holds no checkpoint") }
    add("trust root", .skip("a record by itself is not anchored"))
  }
}
