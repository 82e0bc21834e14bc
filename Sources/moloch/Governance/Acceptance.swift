import Audit
import Bytes
import Ed25519
import JSON

/// A new key's consent to its place in a set: what `validator accept` writes and `propose-change --acceptance` reads.
struct Acceptance {
  static let schema = "moloch.validator.acceptance/1"
  /// Longest file, bytes.
  static let byteCountMax = 65_536

  let chainTag: ChainTag
  let effectiveEpoch: Epoch
  let validator: Validator
  let signature: Signature

  init(_ validator: Validator, effectiveEpoch: Epoch, chainTag: ChainTag, signing key: SigningKey) {
    self.chainTag = chainTag
    self.effectiveEpoch = effectiveEpoch
    self.validator = validator
    let message = ValidatorsProposal.acceptanceMessage(validator, effectiveEpoch: effectiveEpoch, chainTag: chainTag)
    signature = key.sign(message.bytes)
  }

  /// - Throws: 65 for a file that is none, is of another chain, or whose signature is not the key's.
  init(file path: String, chainTag: ChainTag) throws(CommandFailure) {
    let text = try Files.read(path)
    guard let json = try? StrictJSON(parsing: text, byteCountMax: Self.byteCountMax), json["schema"]?.string == Self.schema,
      let tag = json["chain_tag"]?.string.flatMap({ Bytes16(hex: $0) }), let epoch = json["effective_epoch"]?.unsigned, epoch < ordinalLimit,
      let validator = Validator(json: json), let bytes = json["signature"]?.string.flatMap({ Base64.decode($0) }), let signature = Bytes64(bytes)
    else { throw CommandFailure("\(path) is no acceptance of 'moloch validator accept'", Exit.dataCorrupt) }
    guard ChainTag(tag) == chainTag else {
      throw CommandFailure("\(path) is for another chain (tag \(tag.hex), this chain has \(chainTag.hex))", Exit.dataCorrupt)
    }
    self.chainTag = chainTag
    self.effectiveEpoch = Epoch(epoch)
    self.validator = validator
    self.signature = Signature(signature)
    // Name and power are checked before they are encoded.
    guard (try? ValidatorSet([validator])) != nil else { throw CommandFailure("\(path): name or power are out of range", Exit.dataCorrupt) }
    let message = ValidatorsProposal.acceptanceMessage(validator, effectiveEpoch: effectiveEpoch, chainTag: chainTag)
    guard Verifier.isValid(self.signature, over: message.bytes, by: validator.publicKey) else {
      throw CommandFailure("\(path): the signature is not that of \(validator.publicKey) over this content", Exit.dataCorrupt)
    }
  }

  var json: [UInt8] {
    var json = JSONWriter()
    json.beginObject()
    json.key("schema"); json.string(Self.schema)
    json.key("chain_tag"); json.string(chainTag.hex)
    json.key("effective_epoch"); json.number(effectiveEpoch.rawValue)
    json.key("public_key"); json.string("\(validator.publicKey)")
    json.key("cosigner_key"); json.string("\(validator.cosignerKey)")
    json.key("power"); json.number(validator.power)
    json.key("name"); json.string(validator.name)
    json.key("signature"); json.base64(signature.bytes.array.bytes)
    json.endObject()
    return json.bytes
  }
}
