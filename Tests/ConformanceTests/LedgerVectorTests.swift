import Audit
import Bytes
import Digests
import Ed25519
import Foundation
import JSON
import Merkle
import Testing

/// The reference vectors of the ledger formats, byte for byte.
@Suite struct LedgerVectorTests {
  static func vectors(_ name: String) throws -> StrictJSON {
    let url = try #require(Bundle.module.url(forResource: name, withExtension: "json", subdirectory: "Vectors"))
    let bytes = [UInt8](try Data(contentsOf: url))
    return try StrictJSON(parsing: bytes, byteCountMax: bytes.count)
  }

  private static func bytes(_ value: StrictJSON?) throws -> [UInt8] {
    let text = try #require(value?.string)
    return try #require(Hex.decode(text))
  }

  private static func digest(_ value: StrictJSON?) throws -> Digest {
    let text = try #require(value?.string)
    return try #require(Digest(hex: text))
  }

  @Test func entriesParseAndEncodeUnchanged() throws {
    let entries = try #require(try Self.vectors("ledger-vectors")["entries"]?.array)
    #expect(entries.count == 1000)
    for (index, value) in entries.enumerated() {
      let encoded = try Self.bytes(value)
      let entry = try Entry(decoding: encoded.bytes)
      #expect(entry.encoded == encoded)
      #expect(entry.statement.sequence == UInt64(index + 1))
    }
    let first = try Self.bytes(entries[0])
    #expect(TreeHash.leaf(first.bytes).hex == "e290e9f1f07b14914ab49557dd133adefc97d1c5ea08ad6bd5b21277d6d30ba6")
    #expect(SHA256.hash(Array(first[0..<128])).hex == "cb3d47667b1a9c03e88ca782659c641bf6dc0d9d48aa23a9326c1ad1e69c7b10")
  }

  @Test func headsProofsAndTilesAreThoseOfTheTree() throws {
    let vectors = try Self.vectors("ledger-vectors")
    var tree = MemoryTree()
    var leaves: [Digest] = []
    for value in try #require(vectors["entries"]?.array) {
      let entry = try Self.bytes(value)
      leaves.append(TreeHash.leaf(entry.bytes))
      tree.append(leafHash: leaves[leaves.count - 1])
    }
    for head in try #require(vectors["heads"]?.array) {
      let pair = try #require(head.array)
      let size = try #require(pair[0].unsigned)
      let root = try tree.root(ofSize: size)
      do {
      let expected = try Self.digest(pair[1])
      #expect(root == expected)
    }
    }
    for proof in try #require(vectors["incl"]?.array) {
      let parts = try #require(proof.array)
      let index = try #require(parts[0].unsigned), size = try #require(parts[1].unsigned)
      let made = try InclusionProof.make(index: index, size: size, from: tree)
      var expected: [Digest] = []
      for hash in try #require(parts[3].array) { expected.append(try Self.digest(hash)) }
      #expect(made.hashes == expected)
      let root = try Self.digest(parts[2])
      try made.verify(leafHash: leaves[Int(index)], root: root)
    }
    for proof in try #require(vectors["cons"]?.array) {
      let parts = try #require(proof.array)
      let from = try #require(parts[0].unsigned), to = try #require(parts[1].unsigned)
      let made = try ConsistencyProof.make(from: from, to: to, from: tree)
      var expected: [Digest] = []
      for hash in try #require(parts[4].array) { expected.append(try Self.digest(hash)) }
      #expect(made.hashes == expected)
      let fromRoot = try Self.digest(parts[2]), toRoot = try Self.digest(parts[3])
      try made.verify(fromRoot: fromRoot, toRoot: toRoot)
    }
    for tile in try #require(vectors["tiles"]?.members) {
      let path = try #require(TilePath(text: tile.name))
      let level = try #require(path.nodeLevel)
      var expected: [UInt8] = []
      for index in path.nodeRange { expected.append(try tree.node(level: level, index: index).bytes) }
      let stored = try Self.bytes(tile.value)
      #expect(stored == expected)
      #expect(path.text == tile.name)
    }
  }

  @Test func chainVectorsAreReproduced() throws {
    let vectors = try Self.vectors("chain-vectors")
    let text = try #require(vectors["genesis_json"]?.string)
    let json = Array(text.utf8)
    let genesis = try Genesis(json: json)
    do {
      let expected = try Self.digest(vectors["genesis_hash"])
      #expect(genesis.hash == expected)
    }
    #expect(genesis.chainTag.hex == vectors["chain_tag"]?.string)
    let set = try Self.bytes(vectors["validator_set"])
    #expect(genesis.validators.encoded == set)
    do {
      let expected = try Self.digest(vectors["validators_hash"])
      #expect(genesis.validators.hash == expected)
    }
    let registry = try Self.bytes(vectors["signer_registry"])
    #expect(genesis.signers.encoded == registry)
    let parameters = try Self.bytes(vectors["params"])
    #expect(genesis.parameters.encoded == parameters)
    do {
      let expected = try Self.digest(vectors["params_hash"])
      #expect(genesis.parameters.hash == expected)
    }
    for (height, block) in try #require(vectors["blocks"]?.array).enumerated() {
      let encoded = try Self.bytes(block["header"])
      let header = try BlockHeader(decoding: encoded.bytes)
      #expect(header.encoded == encoded)
      do {
      let expected = try Self.digest(block["hash"])
      #expect(header.hash == expected)
    }
      if height == 0 { #expect(genesis.header == header) }
      guard let text = block["certificate"]?.string else { continue }
      let bytes = try #require(Hex.decode(text))
      let certificate = try Certificate(decoding: bytes.bytes, chainTag: genesis.chainTag)
      #expect(certificate.encoded == bytes)
      try certificate.verifyFinality(of: header, in: genesis.validators, epochLength: genesis.parameters.epochLength)
    }
  }

  @Test func theCheckpointOfTheVectorsIsReproduced() throws {
    let vectors = try Self.vectors("ledger-vectors")
    let text = try #require(vectors["checkpoint"]?.string)
    let heads = try #require(vectors["heads"]?.array)
    let last = try #require(heads[heads.count - 1].array)
    let checkpoint = Checkpoint(origin: "moloch.example.com/moloch-mainnet", size: 1000, root: try Self.digest(last[1]))
    let lines = text.components(separatedBy: "\n")
    let publisher = SigningKeySeed.key(0xB0)
    #expect(checkpoint.logLine(publisher).text == lines[4] + "\n")
    for (index, line) in lines[5...].enumerated() where !line.isEmpty {
      let blob = try #require(Base64.decode(line.components(separatedBy: " ")[2]))
      let seconds = blob.bytes.uint64(at: 4)
      let cosignature = checkpoint.cosignature(SigningKeySeed.key(0xC0 + UInt8(index)), name: "moloch.example.com/v\(index + 1)", seconds: seconds)
      #expect(cosignature.text == line + "\n")
    }
    #expect(VerifierKey(name: "moloch.example.com/moloch-mainnet", type: .log, key: publisher.publicKey).text == vectors["vkeys"]?["log"]?.string)
  }

  @Test func theReferenceBundleVerifiesFromItsGenesisAlone() throws {
    let url = try #require(Bundle.module.url(forResource: "chain-vectors", withExtension: "json", subdirectory: "Vectors"))
    let parsed = try JSONSerialization.jsonObject(with: Data(contentsOf: url))
    let root = try #require(parsed as? [String: Any])
    let object = try #require(root["bundle"])
    let bundle = [UInt8](try JSONSerialization.data(withJSONObject: object, options: [.withoutEscapingSlashes]))
    let text = try #require(root["genesis_json"] as? String)
    let genesis = Array(text.utf8)
    var options = OfflineVerification.Options()
    let unanchored = OfflineVerification(file: bundle, options: options)
    #expect(unanchored.exitCode == 3, "\(unanchored.checks)")
    options.trust = .genesis(genesis)
    let anchored = OfflineVerification(file: bundle, options: options)
    #expect(anchored.exitCode == 0, "\(anchored.checks)")
  }
}
