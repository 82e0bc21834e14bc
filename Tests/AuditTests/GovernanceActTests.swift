import Audit
import Bytes
import Digests
import Ed25519
import Foundation
import JSON
import Testing

/// Bodies that an encoder in another language made from the layout tables (`Independent/governance.py`).
@Suite struct GovernanceActTests {
  static func golden(_ name: String) throws -> [UInt8] {
    let url = try #require(Bundle.module.url(forResource: "governance", withExtension: "json", subdirectory: "Golden"))
    let root = try JSONSerialization.jsonObject(with: Data(contentsOf: url)) as? [String: String]
    let text = try #require(root?[name])
    return try #require(Hex.decode(text))
  }

  static func act(_ code: UInt8) throws -> GovernanceAct {
    let bytes = try golden(String(code, radix: 16))
    return try GovernanceAct(decoding: bytes.bytes, type: ContentType(rawValue: code))
  }

  @Test(arguments: 0xF0...0xF5 as ClosedRange<UInt8>)
  func aGoldenBodyDecodesAndEncodesUnchanged(code: UInt8) throws {
    let bytes = try Self.golden(String(code, radix: 16))
    let act = try Self.act(code)
    #expect(act.encoded == bytes)
    #expect(act.contentType.rawValue == code)
  }

  @Test func everyFieldIsWhereTheTableSaysItIs() throws {
    guard case .proposeValidators(let validators) = try Self.act(0xF0), case .decide(let decision) = try Self.act(0xF1),
      case .proposeSigners(let signers) = try Self.act(0xF2), case .proposeRedaction(let redaction) = try Self.act(0xF3),
      case .recordPrune(let prune) = try Self.act(0xF4), case .proposeParameters(let parameters) = try Self.act(0xF5)
    else { throw CocoaError(.coderInvalidValue) }
    #expect(validators.effectiveEpoch == Epoch(17) && validators.next.count == 3 && validators.acceptances.count == 2)
    #expect(validators.next.totalPower == 1 + 5 + UInt64(UInt32.max))
    #expect(decision == GovernanceDecision(.withdraw, of: EventID(SHA256.hash(Array("a proposal".utf8)))))
    #expect(signers.map(\.record.name).sorted() == ["a.b-c", "app-5", "app-6"])
    #expect(signers.first { $0.record.name == "app-5" }?.record.validTo == Height(20))
    #expect(signers.first { $0.record.name == "app-6" }?.operation == .revoke)
    #expect(redaction.reason == .other && redaction.note == "Fall 7: Löschung" && redaction.events.count == 3)
    #expect(redaction.events[2] == EventID(SHA256.hash(Array("event 2".utf8))))
    #expect(prune == PruneNotice(isDeep: true, beforeHeight: Height(1000), firstLeafWithBody: LeafIndex(25_700), minimumIndex: LeafIndex(25_600)))
    #expect(parameters.effectiveEpoch == Epoch(18) && parameters.parameters.blockTime == 500 && parameters.parameters.protocolVersion == 2)
  }

  @Test func newKeysAcceptAndOnlyTheyMust() throws {
    guard case .proposeValidators(let proposal) = try Self.act(0xF0) else { throw CocoaError(.coderInvalidValue) }
    let encoded = try Self.golden("base_set"), tag = try Self.golden("chain_tag")
    let set = try ValidatorSet(decoding: encoded.bytes)
    let chainTag = ChainTag(Bytes16(tag.bytes, at: 0))
    #expect(proposal.base == set.hash)
    #expect(proposal.isAccepted(by: set, chainTag: chainTag))
    #expect(!proposal.isAccepted(by: set, chainTag: ChainTag(Bytes16())))
    #expect(!proposal.isAccepted(by: proposal.next, chainTag: chainTag), "nobody is new, and two accept")
    var other = proposal
    other.effectiveEpoch = Epoch(18)
    #expect(!other.isAccepted(by: set, chainTag: chainTag))
    other = proposal
    other.acceptances.swapAt(0, 1)
    #expect(!other.isAccepted(by: set, chainTag: chainTag))
    other = proposal
    other.acceptances.removeLast()
    #expect(!other.isAccepted(by: set, chainTag: chainTag))
  }

  /// Truncations, a spare byte and every single-bit change of a header byte either fail or mean something else; nothing traps.
  @Test(arguments: 0xF0...0xF5 as ClosedRange<UInt8>)
  func changedBytesNeverDecodeToTheSameAct(code: UInt8) throws {
    let type = ContentType(rawValue: code)
    let original = try Self.golden(String(code, radix: 16)), act = try Self.act(code)
    for count in original.indices {
      let short = Array(original[..<count])
      #expect(throws: FormatError.self) { _ = try GovernanceAct(decoding: short.bytes, type: type) }
    }
    let long = original + [0]
    #expect(throws: FormatError.self) { _ = try GovernanceAct(decoding: long.bytes, type: type) }
    for bit in 0..<original.count * 8 {
      var bytes = original
      bytes[bit / 8] ^= 1 << UInt8(bit % 8)
      if let other = try? GovernanceAct(decoding: bytes.bytes, type: type) { #expect(other != act && other.encoded == bytes) }
    }
  }

  @Test func malformedBodiesAreRefused() throws {
    let cases: [(code: UInt8, offset: Int, value: UInt8)] = [
      (0xF0, 1, 2), (0xF0, 4, 1), (0xF0, 2, 1), (0xF0, 8, 0xFF),  // version, reserved, p, epoch
      (0xF1, 3, 3), (0xF1, 3, 0), (0xF1, 7, 1),  // decisions, reserved
      (0xF2, 3, 2), (0xF2, 3, 4), (0xF2, 8, 3), (0xF2, 9, 1), (0xF2, 16, 0xFF),  // count, op, reserved, order
      (0xF3, 2, 1), (0xF3, 5, 2), (0xF3, 7, 3), (0xF3, 40 + 96, 0xFF),  // reason, c, t, UTF-8
      (0xF4, 3, 2), (0xF4, 4, 1), (0xF4, 8, 0x20),  // flags, reserved, range
      (0xF5, 7, 1), (0xF5, 16, 0), (0xF5, 111, 1), (0xF5, 16 + 16, 0xFF),  // reserved, tag, signers_hash, range
    ]
    for (code, offset, value) in cases {
      var bytes = try Self.golden(String(code, radix: 16))
      bytes[offset] = value
      #expect(throws: FormatError.self, "\(String(code, radix: 16)) byte \(offset)") { _ = try GovernanceAct(decoding: bytes.bytes, type: ContentType(rawValue: code)) }
    }
    let bytes = try Self.golden("f1")
    #expect(throws: FormatError.badContentType(1)) { _ = try GovernanceAct(decoding: bytes.bytes, type: .json) }
    #expect(throws: FormatError.badContentType(0xF6)) { _ = try GovernanceAct(decoding: bytes.bytes, type: ContentType(rawValue: 0xF6)) }
  }
}
