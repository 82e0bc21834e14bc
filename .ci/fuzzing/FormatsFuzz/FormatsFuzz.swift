import Audit
import Bytes
import Digests
import Ed25519
import Glibc
import JSON
import Merkle

/// The first byte chooses a format, the rest are its bytes. Nothing may trap, and what is read is written again byte for byte: every format has one encoding.
@_cdecl("LLVMFuzzerTestOneInput") public func fuzzFormats(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  precondition(!isCanary, "the canary: a failed property ends the run")
  let input = Array(UnsafeBufferPointer(start: start, count: count))
  guard let choice = input.first else { return 0 }
  let data = Array(input.dropFirst())
  switch choice % 8 {
  case 0: record(data)
  case 1: certificate(data)
  case 2: fixedLayouts(data)
  case 3: sets(data)
  case 4: bundle(data)
  case 5: notes(data)
  case 6: bodies(data)
  default: texts(data)
  }
  return 0
}

private func record(_ data: [UInt8]) {
  var offset = 0
  while offset < data.count, let record = try? Record(parsing: data.bytes, at: offset) {
    precondition(record.byteCount >= Entry.byteCount && offset + record.byteCount <= data.count, "a record within its bytes")
    precondition(Record.length(peeking: data.bytes, at: offset) == record.byteCount, "both lengths agree")
    precondition(record.entry.encoded == Array(data[offset..<offset + Entry.byteCount]), "one encoding")
    offset += record.byteCount
  }
}

private func certificate(_ data: [UInt8]) {
  guard data.count >= 56, let certificate = try? Certificate(decoding: data.bytes, chainTag: ChainTag(Bytes16(repeating: 7))) else { return }
  precondition(certificate.encoded == data, "one encoding")
}

private func fixedLayouts(_ data: [UInt8]) {
  if let header = try? BlockHeader(decoding: data.bytes) { precondition(header.encoded == Array(data.prefix(BlockHeader.byteCount)), "one encoding") }
  if let vote = try? Vote(decoding: data.bytes) { precondition(vote.encoded == Array(data.prefix(Vote.byteCount)), "one encoding") }
  if let vote = try? SignedVote(decoding: data.bytes) { precondition(vote.encoded == Array(data.prefix(200)), "one encoding") }
  if let parameters = try? ChainParameters(decoding: data.bytes) { precondition(parameters.encoded == Array(data.prefix(96)), "one encoding") }
}

private func sets(_ data: [UInt8]) {
  if let set = try? ValidatorSet(decoding: data.bytes) { precondition(set.encoded == data, "one encoding") }
  _ = try? SignerRegistry(decoding: data.bytes)
}

private func bundle(_ data: [UInt8]) {
  if let genesis = try? Genesis(json: data) { precondition(genesis.chainID.utf8.count <= 64, "limits hold") }
  guard (try? ProofBundle(json: data)) != nil else { return }
  _ = OfflineVerification(file: data, options: OfflineVerification.Options())
}

private func notes(_ data: [UInt8]) {
  let text = String(decoding: data, as: UTF8.self)
  if let key = VerifierKey(text: text) { precondition(key.text == text, "one encoding") }
  if let checkpoint = try? Checkpoint(parsing: data) { precondition(Array(checkpoint.text.utf8) == data, "one encoding") }
  _ = try? SignedNote(parsing: data)
  if let proof = try? TlogProof(parsing: data) { precondition(Array(proof.text.utf8) == data, "one encoding") }
  _ = try? TlogPolicy(parsing: data)
  if let path = TilePath(text: text) { precondition(path.text == text, "one encoding") }
}

/// The fast check and the strict reader decide alike whether a body is JSON; positions and profile rules are the business of one of them.
private func bodies(_ data: [UInt8]) {
  guard data.count <= 1 << 16 else { return }
  var profile = EventProfile(bodyBytesMax: 1 << 16)
  let fault = profile.fault(in: data.bytes)
  let strict = try? StrictJSON(parsing: data, byteCountMax: 1 << 16)
  switch fault {
  case nil: precondition(strict?.members != nil, "accepted, but no object for the strict reader")
  case .syntax, .nesting, .duplicateMember: precondition(strict == nil, "refused as JSON, but the strict reader takes it")
  default: break
  }
}

private func texts(_ data: [UInt8]) {
  let text = String(decoding: data, as: UTF8.self)
  if let bytes = Base64.decode(text) { precondition(Base64.encode(bytes) == text, "one encoding") }
  if let bytes = Hex.decode(text) { precondition(Hex.encode(bytes) == text, "one encoding") }
  if let bytes = Base58.decode(text) { precondition(Base58.encode(bytes) == text, "one encoding") }
  if let key = PublicKey(text: text) { precondition(key.description == text, "one encoding") }
}

/// Set by `.ci/fuzz` once, to see that a failure is seen.
private let isCanary = getenv("MOLOCH_FUZZ_CANARY") != nil
