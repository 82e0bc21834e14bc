import Ed25519
import JSON

/// Reads the members of a genesis file and collects every fault on the way.
struct GenesisReader {
  struct Draft {
    var chainID: String
    var domain: String
    var timestamp: Timestamp
    var validators: ValidatorSet
    var parameters: ChainParameters
    var signers: SignerRegistry
  }

  private(set) var faults: [GenesisFault] = []

  /// The chain, or nil when a required part is missing; valid only while `faults` is empty.
  mutating func read(_ root: StrictJSON) -> Draft? {
    let names = ["chain_id", "timestamp", "domain", "validators", "consensus", "signing", "limits", "signers"]
    guard checkObject(root, names, "genesis") else { return nil }
    let chainID = string(root, "chain_id", required: true, rule: "[a-z0-9][a-z0-9.-]{0,63}") { FixedName.isValid($0) && !$0.hasPrefix(".") && !$0.hasPrefix("-") }
    let domain = string(root, "domain", required: false, rule: "[a-z0-9.-]{1,180}") { (1...180).contains($0.utf8.count) && $0.utf8.allSatisfy(FixedName.isAllowed) }
    let timestamp = string(root, "timestamp", required: true, rule: "an RFC 3339 time in UTC with Z and at most milliseconds") { RFC3339.parse($0) != nil }
    var parameters = readParameters(root)
    let signers = readSigners(root, &parameters)
    parameters.signersHash = signers.hash
    let validators = readValidators(root, chainID: chainID)
    guard let chainID, let timestamp, let time = RFC3339.parse(timestamp), let validators else { return nil }
    return Draft(chainID: chainID, domain: domain ?? "moloch.internal", timestamp: time, validators: validators, parameters: parameters, signers: signers)
  }

  private mutating func readParameters(_ root: StrictJSON) -> ChainParameters {
    var result = ChainParameters()
    if let part = object(root, "consensus", ["block_time_ms", "empty_block_interval_ms", "max_events_per_block", "epoch_length"]) {
      result.blockTime = UInt32(integer(part, "block_time_ms", 10...60_000, 1000))
      let floor = UInt64(result.blockTime)
      result.emptyBlockInterval = UInt32(integer(part, "empty_block_interval_ms", floor...240_000, 60_000))
      result.eventsPerBlockMax = UInt32(integer(part, "max_events_per_block", 1...65_536, 10_000))
      result.epochLength = UInt32(integer(part, "epoch_length", 1...1_000_000, 100))
    }
    if let part = object(root, "signing", ["past_window_ms", "future_window_ms"]) {
      result.pastWindow = integer(part, "past_window_ms", 60_000...604_800_000, 86_400_000)
      result.futureWindow = integer(part, "future_window_ms", 1000...3_600_000, 300_000)
    }
    if let part = object(root, "limits", ["max_body_bytes", "max_block_bytes"]) {
      result.bodyBytesMax = UInt32(integer(part, "max_body_bytes", 65_536...1_048_576, 262_144))
      result.blockBytesMax = UInt32(integer(part, "max_block_bytes", 2_097_152...33_554_432, 8_388_608))
    }
    return result
  }

  private mutating func readSigners(_ root: StrictJSON, _ parameters: inout ChainParameters) -> SignerRegistry {
    guard let part = object(root, "signers", ["mode", "registered"]) else { return .empty }
    if string(part, "mode", required: false, rule: "any or registered", accepts: { $0 == "any" || $0 == "registered" }) == "registered" { parameters.signerMode = .registered }
    guard let list = part["registered"] else { return .empty }
    guard let values = list.array, values.count <= LedgerLimit.registeredSigners else {
      report(list, "signers.registered is a list of at most \(LedgerLimit.registeredSigners)")
      return .empty
    }
    var records: [SignerRecord] = []
    var keys: Set<PublicKey> = []
    for value in values where checkObject(value, ["public_key", "name", "valid_from_height", "valid_to_height"], "signers.registered[]") {
      let key = key(value, "public_key", required: true)
      let name = string(value, "name", required: true, rule: "[a-z0-9.-]{1,64}", accepts: { FixedName.isValid($0) })
      let from = integer(value, "valid_from_height", 0...ordinalLimit - 1, 0)
      let to = integer(value, "valid_to_height", 0...ordinalLimit - 1, 0)
      guard let key, let name else { continue }
      if !keys.insert(key).inserted { report(value, "key \(key) twice") }
      records.append(SignerRecord(key: key, validFrom: Height(from), validTo: Height(to), name: name))
    }
    return (try? SignerRegistry(records)) ?? .empty
  }

  private mutating func readValidators(_ root: StrictJSON, chainID: String?) -> ValidatorSet? {
    guard let list = root["validators"] else {
      report(root, "validators is required")
      return nil
    }
    guard let values = list.array, (1...LedgerLimit.validators).contains(values.count) else {
      report(list, "validators is a list of 1 to \(LedgerLimit.validators)")
      return nil
    }
    var validators: [Validator] = []
    for value in values where checkObject(value, ["public_key", "power", "name", "cosigner_key"], "validators[]") {
      let key = key(value, "public_key", required: true)
      let cosigner = self.key(value, "cosigner_key", required: false)
      let power = integer(value, "power", 1...UInt64(UInt32.max), nil)
      let name = string(value, "name", required: true, rule: "[a-z0-9.-]{1,64}", accepts: { FixedName.isValid($0) })
      guard let key, let name else { continue }
      if name == chainID { report(value, "name is the chain_id") }
      let validator = Validator(publicKey: key, cosignerKey: cosigner ?? key, power: power, name: name)
      // With each validator the set is checked anew, so that the fault is reported where the second use stands.
      do {
        _ = try ValidatorSet(validators + [validator])
        validators.append(validator)
      } catch { if power >= 1 { report(value, "validator \(name): \(error)") } }
    }
    return try? ValidatorSet(validators)
  }

  private mutating func report(_ value: StrictJSON, _ message: String) {
    faults.append(GenesisFault(line: value.position.line, column: value.position.column, message: message))
  }

  /// Reports everything but an object with the given members; a wrong name gets its nearest right one.
  private mutating func checkObject(_ value: StrictJSON, _ names: [String], _ path: String) -> Bool {
    guard let members = value.members else {
      report(value, "\(path) is an object")
      return false
    }
    for member in members where !names.contains(member.name) {
      let nearest = names.min { Self.distance($0, member.name) < Self.distance($1, member.name) }
      let hint = nearest.flatMap { Self.distance($0, member.name) <= 3 ? "; did you mean \"\($0)\"?" : nil } ?? ""
      let position = member.namePosition
      faults.append(GenesisFault(line: position.line, column: position.column, message: "unknown member \"\(member.name)\"\(hint)"))
    }
    return true
  }

  private mutating func object(_ root: StrictJSON, _ name: String, _ names: [String]) -> StrictJSON? {
    guard let value = root[name] else { return nil }
    return checkObject(value, names, name) ? value : nil
  }

  private mutating func integer(_ part: StrictJSON, _ name: String, _ range: ClosedRange<UInt64>, _ fallback: UInt64?) -> UInt64 {
    guard let value = part[name] else {
      if fallback == nil { report(part, "\(name) is required") }
      let standard = fallback ?? range.lowerBound
      if !range.contains(standard) { report(part, "\(name) defaults to \(standard), which is not in \(range.lowerBound) to \(range.upperBound)") }
      return standard
    }
    guard let number = value.unsigned, range.contains(number) else {
      report(value, "\(name) is an integer from \(range.lowerBound) to \(range.upperBound)")
      return range.lowerBound
    }
    return number
  }

  private mutating func string(_ part: StrictJSON, _ name: String, required: Bool, rule: String, accepts: (String) -> Bool) -> String? {
    guard let value = part[name] else {
      if required { report(part, "\(name) is required") }
      return nil
    }
    guard let text = value.string, accepts(text) else {
      report(value, "\(name) is \(rule)")
      return nil
    }
    return text
  }

  private mutating func key(_ part: StrictJSON, _ name: String, required: Bool) -> PublicKey? {
    guard let text = string(part, name, required: required, rule: "ed25519: and 64 lowercase hexadecimal digits", accepts: { PublicKey(text: $0) != nil }),
      let key = PublicKey(text: text)
    else { return nil }
    guard Verifier.isRegistrable(key) else {
      if let value = part[name] { report(value, "\(name) is not a registrable Ed25519 key") }
      return nil
    }
    return key
  }

  /// Levenshtein distance, for suggestions; names longer than 40 bytes are far from all.
  private static func distance(_ a: String, _ b: String) -> Int {
    let (a, b) = (Array(a.utf8), Array(b.utf8))
    guard a.count <= 40, b.count <= 40 else { return 40 }
    var row = Array(0...b.count)
    for (i, x) in a.enumerated() {
      var diagonal = row[0]
      row[0] = i + 1
      for (j, y) in b.enumerated() {
        let next = min(row[j] + 1, row[j + 1] + 1, diagonal + (x == y ? 0 : 1))
        (diagonal, row[j + 1]) = (row[j + 1], next)
      }
    }
    return row[b.count]
  }
}
