import Audit
import Bytes
import Digests
import Ed25519
import Testing

enum NoteFixture {
  static let origin = "log.example.org/chain-1"
  static let publisher = SigningKey(seed: Bytes32(repeating: 0xB0))
  static let witnesses = (1...4).map { SigningKey(seed: Bytes32(repeating: UInt8($0))) }
  static let checkpoint = Checkpoint(origin: origin, size: 7, root: SHA256.hash([7]))
  static let logKey = VerifierKey(name: origin, type: .log, key: publisher.publicKey)

  static func witnessKey(_ index: Int) -> VerifierKey {
    VerifierKey(name: "w\(index).example.net", type: .cosignature, key: witnesses[index].publicKey)
  }

  static func line(_ index: Int, seconds: UInt64 = 1_700_000_000) -> SignatureLine {
    checkpoint.cosignature(witnesses[index], name: "w\(index).example.net", seconds: seconds)
  }

  static func note(_ indexes: [Int]) -> [UInt8] {
    Array(checkpoint.note([checkpoint.logLine(publisher)] + indexes.map { line($0) }).utf8)
  }
}

@Suite struct SignedNoteTests {
  @Test func aNoteGivesTheKeysThatSignedIt() throws {
    let note = try SignedNote(parsing: NoteFixture.note([0, 2]))
    #expect(try Checkpoint(parsing: note.text) == NoteFixture.checkpoint)
    let keys = (0..<4).map(NoteFixture.witnessKey) + [NoteFixture.logKey]
    #expect(try note.signers(among: keys) == [0, 2, 4])
  }

  @Test func aKeyCountsOnceAndUnknownKeysAreIgnored() throws {
    let note = try SignedNote(parsing: NoteFixture.note([0, 0, 1, 0]))
    #expect(try note.signers(among: [NoteFixture.witnessKey(0)]) == [0])
    let renamed = VerifierKey(name: "other.example.net", type: .cosignature, key: NoteFixture.witnesses[0].publicKey)
    #expect(try note.signers(among: [renamed]).isEmpty)
    let asLog = VerifierKey(name: "w0.example.net", type: .log, key: NoteFixture.witnesses[0].publicKey)
    #expect(try note.signers(among: [asLog]).isEmpty, "another type has another key id")
  }

  @Test func aBadSignatureOfAKnownKeyRefusesTheWholeNote() throws {
    let good = NoteFixture.line(0).text
    let written = String(good.split(separator: " ")[2].dropLast())
    let blob = try #require(Base64.decode(written))
    for position in [4, 11, 12, 75] {
      var changed = blob
      changed[position] ^= 1
      let text = NoteFixture.checkpoint.text + "\n" + NoteFixture.line(1).text + good + "\u{2014} w0.example.net \(Base64.encode(changed))\n"
      let note = try SignedNote(parsing: Array(text.utf8))
      #expect(throws: NoteError.badSignature(name: "w0.example.net"), "byte \(position)") { try note.signers(among: [NoteFixture.witnessKey(0), NoteFixture.witnessKey(1)]) }
      #expect(try note.signers(among: [NoteFixture.witnessKey(1)]) == [0])
    }
    // Too short for a cosignature.
    let short = NoteFixture.checkpoint.text + "\n\u{2014} w0.example.net \(Base64.encode(Array(blob[..<74])))\n"
    #expect(throws: NoteError.self) { try SignedNote(parsing: Array(short.utf8)).signers(among: [NoteFixture.witnessKey(0)]) }
  }

  @Test func oneHundredLinesAreReadAndNoMore() throws {
    #expect(try SignedNote(parsing: NoteFixture.note([Int](repeating: 0, count: 99))).signers(among: [NoteFixture.witnessKey(0)]) == [0])
    #expect(throws: FormatError.self) { _ = try SignedNote(parsing: NoteFixture.note([Int](repeating: 0, count: 100))) }
  }

  @Test func layoutsThatAreNotExactAreRefused() throws {
    let text = NoteFixture.checkpoint.text, line = NoteFixture.line(0).text
    let body = text + "\n"
    let bare = String(line.dropLast())
    var refused: [String] = ["", "\n", text, text + line, body, body + bare, body + line + "\n", body + line + "x\n", body + bare + "\r\n"]
    refused.append(text.replacing("\n", with: "\r\n") + "\n" + line)
    for mark in ["\u{7}", "\u{85}", "\u{7F}"] { refused.append(mark + body + line) }
    for (old, new) in [("\u{2014}", "-"), ("\u{2014} ", "\u{2014}  "), ("w0", "w+0"), ("w0", "w\u{A0}0")] { refused.append(body + line.replacing(old, with: new)) }
    for blob in ["AAAA", "AAAAAB==", "AAAAAA", "AAAA AAAA"] { refused.append(body + "\u{2014} w0 \(blob)\n") }
    for note in refused { #expect(throws: FormatError.self, "\(note.debugDescription)") { _ = try SignedNote(parsing: Array(note.utf8)) } }
    #expect(throws: FormatError.self) { _ = try SignedNote(parsing: [0xFF] + Array((text + "\n" + line).utf8)) }
    #expect(throws: FormatError.self) { _ = try SignedNote(parsing: Array(String(repeating: "a", count: 1 << 17).utf8) + NoteFixture.note([0])) }
  }

  @Test func checkpointsHaveThreeExactLines() throws {
    let root = Base64.encode(NoteFixture.checkpoint.root.bytes.array)
    #expect(try Checkpoint(parsing: Array("o\n0\n\(root)\n".utf8)).size == 0)
    #expect(try Checkpoint(parsing: Array("o\n9007199254740991\n\(root)\n".utf8)).size == 9_007_199_254_740_991)
    for text in [
      "o\n07\n\(root)\n", "o\n9007199254740992\n\(root)\n", "o\n+7\n\(root)\n", "o\n7 \n\(root)\n", "o\n\n\(root)\n", "\n7\n\(root)\n", "o\n7\n\(root)",
      "o\n7\n\(root)\nextension\n", "o\n7\n\(root.dropLast())\n", "o\n7\n\(root.dropLast(2))h=\n", "o\n7\n\n", "o\n99999999999999999999\n\(root)\n",
    ] { #expect(throws: FormatError.self, "\(text.debugDescription)") { _ = try Checkpoint(parsing: Array(text.utf8)) } }
  }

  @Test func tlogProofsAreReadStrictly() throws {
    let checkpoint = String(decoding: NoteFixture.note([0]), as: UTF8.self)
    let proof = TlogProof(index: 5, hashes: [SHA256.hash([1]), SHA256.hash([2])], checkpoint: checkpoint)
    #expect(try TlogProof(parsing: Array(proof.text.utf8)) == proof)
    let extra = proof.text.replacing("index", with: "extra AAAA\nindex")
    #expect(try TlogProof(parsing: Array(extra.utf8)) == proof, "an extra line is read and ignored")
    for text in [
      proof.text.replacing("@v1", with: "@v2"), proof.text.replacing("index 5", with: "index 05"), proof.text.replacing("index 5", with: "index"),
      proof.text.replacing("index 5", with: "index 9007199254740992"), proof.text.replacing("index 5\n", with: "index 5\n\r\n"),
      proof.text.replacing("index", with: "extra !\nindex"), String(proof.text.prefix(60)), proof.text.replacing("\n\n", with: "\n"),
    ] { #expect(throws: FormatError.self, "\(text.debugDescription)") { _ = try TlogProof(parsing: Array(text.utf8)) } }
  }
}

@Suite struct TlogPolicyTests {
  static let log = "log \(NoteFixture.logKey.text) https://log.example.org/tlog\n"
  static let witnesses = (0..<4).map { "witness w\($0) \(NoteFixture.witnessKey($0).text)\n" }.joined()

  private func policy(_ text: String) throws -> TlogPolicy { try TlogPolicy(parsing: Array(text.utf8)) }

  @Test func groupsNestAndCount() throws {
    let nested = try policy("# comment\n\t\n" + Self.log + Self.witnesses + "group a 2 w0 w1 w2\ngroup b any w3\n  group c all  a\tb  \nquorum c\n")
    #expect(nested.logs == [NoteFixture.logKey] && nested.witnesses.count == 4)
    let table: [([Int], Bool)] = [([], false), ([0, 1], false), ([0, 1, 3], true), ([0, 3], false), ([1, 2, 3], true), ([0, 1, 2], false), ([0, 1, 2, 3], true)]
    for (signers, holds) in table { #expect(nested.isQuorum(signers) == holds, "\(signers)") }
    #expect(try policy(Self.log + Self.witnesses + "quorum w2").isQuorum([2]))
    #expect(try !policy(Self.log + Self.witnesses + "quorum w2\n").isQuorum([0, 1, 3]))
    #expect(try policy(Self.log + "quorum none\n").isQuorum([]))
  }

  @Test func policiesThatSayTwoThingsOrNothingAreRefused() throws {
    let key = NoteFixture.witnessKey(0).text
    let table: [(text: String, line: Int)] = [
      ("", 0), (Self.log, 0), ("quorum none\n", 0), (Self.log + "quorum none\nquorum none\n", 3), (Self.log + "quorum x\n", 2),
      (Self.log + Self.witnesses + "group g 0 w0\nquorum g\n", 6), (Self.log + Self.witnesses + "group g 3 w0 w1\nquorum g\n", 6),
      (Self.log + Self.witnesses + "group g 02 w0 w1\nquorum g\n", 6), (Self.log + Self.witnesses + "group g any\nquorum g\n", 6),
      (Self.log + Self.witnesses + "group g any w0 w0\nquorum g\n", 6), (Self.log + Self.witnesses + "group g any w0\ngroup h any w0\nquorum g\n", 7),
      (Self.log + "group g any w0\n" + Self.witnesses + "quorum g\n", 2), (Self.log + Self.witnesses + "group w0 any w1\nquorum w0\n", 6),
      (Self.log + Self.witnesses + "group none any w1\nquorum none\n", 6), (Self.log + Self.log + "quorum none\n", 2),
      (Self.log + "witness a \(key)\nwitness b \(key)\nquorum a\n", 3), (Self.log + "witness a \(NoteFixture.logKey.text)\nquorum a\n", 2),
      ("log \(key)\nquorum none\n", 1), (Self.log + "frobnicate\nquorum none\n", 2), (Self.log + "quorum none\r\n", 2), (Self.log + "quorum none extra\n", 2),
      ("log x+00000000+AAAA\nquorum none\n", 1), ("log\nquorum none\n", 1), (Self.log + "# \u{7F}\nquorum none\n", 2),
    ]
    for (text, line) in table {
      do {
        _ = try policy(text)
        Issue.record("accepted: \(text)")
      } catch let error as PolicyError { #expect(error.line == line, "\(error): \(text)") }
    }
  }
}
