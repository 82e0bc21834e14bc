import Audit
import Bytes
import Foundation
import Testing

/// Every bit of every binary member of the reference bundle matters, and the right check says so.
@Suite struct BundleBitTests {
  struct Member: Sendable, CustomTestStringConvertible {
    var section: String
    var name: String
    /// Checks of which at least one must fail.
    var checks: Set<String>
    /// The bytes that this case changes, in eighths of the member, so that cores share the long ones.
    var part: Int
    var testDescription: String { "\(section).\(name) part \(part)" }
  }

  static let partCount = 8
  static let members: [Member] = [
    ("event", "statement", ["statement", "event id", "chain tag"]), ("event", "signature", ["signature"]), ("event", "salt", ["body"]), ("event", "body", ["body"]),
    ("finality", "header", ["finality", "chain tag", "inclusion", "validator set"]), ("finality", "certificate", ["finality"]),
    ("finality", "validators", ["validator set"]), ("block", "header", ["block", "chain tag"]),
  ].flatMap { section, name, checks in (0..<partCount).map { Member(section: section, name: name, checks: Set(checks), part: $0) } }

  /// One bit of every byte by default; all eight with `MOLOCH_ALL_BITS=1`, which takes a minute or more in a debug build.
  private let allBits = ProcessInfo.processInfo.environment["MOLOCH_ALL_BITS"] != nil

  @Test(arguments: members)
  func aFlippedBitIsNamed(member: Member) throws {
    let url = try #require(Bundle.module.url(forResource: "chain-vectors", withExtension: "json", subdirectory: "Vectors"))
    let parsed = try JSONSerialization.jsonObject(with: Data(contentsOf: url))
    let root = try #require(parsed as? [String: Any])
    var bundle = try #require(root["bundle"] as? [String: Any])
    // The checkpoint is text with signatures of its own: without it a bit costs four signature checks.
    bundle["checkpoint"] = NSNull()
    let genesis = try #require(root["genesis_json"] as? String)
    var options = OfflineVerification.Options()
    options.trust = .genesis(Array(genesis.utf8))
    let encoded = try #require((bundle[member.section] as? [String: Any])?[member.name] as? String)
    let original = try #require(Base64.decode(encoded))
    let text = String(decoding: try JSONSerialization.data(withJSONObject: bundle, options: [.withoutEscapingSlashes, .sortedKeys]), as: UTF8.self)
    // The header of H is not that of the containing block, nor is any other member there twice.
    #expect(text.components(separatedBy: encoded).count == 2)
    let halves = text.components(separatedBy: encoded)
    let range = original.count * member.part / Self.partCount..<original.count * (member.part + 1) / Self.partCount
    for offset in range {
      for bit in allBits ? Array(0..<8 as Range<UInt8>) : [UInt8(truncatingIfNeeded: offset &* 5 &+ offset / 8) % 8] {
        var bytes = original
        bytes[offset] ^= 1 << bit
        let result = OfflineVerification(file: Array((halves[0] + Base64.encode(bytes) + halves[1]).utf8), options: options)
        let failed = result.checks.filter { if case .fail = $0.outcome { true } else { false } }.map(\.name)
        #expect(result.exitCode == 1 && !member.checks.isDisjoint(with: failed), "\(member.section).\(member.name) byte \(offset) bit \(bit): \(failed)")
      }
    }
  }
}
