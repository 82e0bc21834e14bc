import Ambient
import Audit
import Bytes
import Consensus
import Digests
import Ed25519
import Testing

@Suite struct EvidenceTests {
  private func pieces() throws -> [Evidence] {
    let cluster = try Cluster(4, seed: 1)
    let a = cluster.block(on: Cluster.genesis, by: 0, timestamp: Timestamp(milliseconds: 99))
    let b = cluster.block(on: Cluster.genesis, by: 0, timestamp: Timestamp(milliseconds: 100))
    let first = cluster.vote(.finalise, by: 2, view: 8, parentView: 7, block: a), second = cluster.vote(.finalise, by: 2, view: 8, parentView: 7, block: b)
    let third = cluster.vote(.notarise, by: 1, view: 8, parentView: 7, block: a), fourth = cluster.vote(.notarise, by: 1, view: 8, parentView: 7, block: b)
    #expect(Evidence(first, third) == nil && Evidence(first, first) == nil)
    return [try #require(Evidence(first, second)), try #require(Evidence(third, fourth))]
  }

  @Test func theFileOfEvidenceIsReadBack() throws {
    let pieces = try pieces()
    #expect(pieces.map(\.offence) == [.doubleFinalise, .doubleNotarise])
    let bytes = pieces.flatMap(\.encoded)
    #expect(bytes.count == 2 * Evidence.byteCount && Evidence.byteCount == 400)
    #expect(try Evidence.decodeAll(bytes.bytes) == pieces)
    let nothing: [UInt8] = []
    #expect(try Evidence.decodeAll(nothing.bytes).isEmpty)
  }

  @Test func aTornOrInnocentFileIsRefused() throws {
    let bytes = try pieces().flatMap(\.encoded)
    let torn = Array(bytes.dropLast())
    #expect(throws: FormatError.self) { try Evidence.decodeAll(torn.bytes) }
    let innocent = Array(bytes.prefix(200)) + Array(bytes.prefix(200))
    #expect(throws: FormatError.self) { try Evidence.decodeAll(innocent.bytes) }
  }
}
