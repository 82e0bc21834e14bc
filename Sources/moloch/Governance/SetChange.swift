import Audit
import Bytes
import Digests
import Ed25519

/// The set that an operator wants, made from the set in force.
struct SetChange {
  enum Kind: Equatable {
    /// A key that is in the set already gets a new power or name.
    case add(PublicKey)
    /// By key or name.
    case remove(String)
    case rotate(old: String, new: PublicKey)
  }

  let next: ValidatorSet
  /// Keys that take over from one in the set, on a node that is there already.
  private(set) var successors: [(new: PublicKey, old: PublicKey)] = []

  /// - Throws: 2 for a validator that is not there and a set that is the old one, 64 for what no set may be.
  init(_ kind: Kind, power: UInt64?, name: String?, on facts: GovernanceFacts) throws(CommandFailure) {
    var members = facts.set.validators
    func place(_ text: String) throws(CommandFailure) -> Int {
      guard let validator = facts.validator(text), let place = members.firstIndex(of: validator) else {
        throw CommandFailure("no validator \(text) in the set in force", Exit.no)
      }
      return place
    }
    switch kind {
    case .add(let key):
      if let place = members.firstIndex(where: { $0.publicKey == key }) {
        guard power != nil || name != nil else { throw CommandFailure("\(key) is in the set already; --power and --name change it", Exit.no) }
        members[place].power = power ?? members[place].power
        members[place].name = name ?? members[place].name
      } else {
        guard let name else { throw CommandFailure("a new validator needs --name, or an acceptance that says it", Exit.usage) }
        members.append(Validator(publicKey: key, cosignerKey: key, power: power ?? 1, name: name))
      }
    case .remove(let text):
      let old = try place(text)
      guard members.count > 1 else { throw CommandFailure("without \(members[old].name) there is no validator left: the chain would lose its quorum", Exit.no) }
      members.remove(at: old)
    case .rotate(let text, let new):
      let old = try place(text)
      guard facts.set.index(of: new) == nil else { throw CommandFailure("\(new) is in the set already", Exit.no) }
      successors.append((new, members[old].publicKey))
      if members[old].cosignerKey == members[old].publicKey { members[old].cosignerKey = new }
      members[old].publicKey = new
      members[old].power = power ?? members[old].power
      members[old].name = name ?? members[old].name
    }
    do throws(FormatError) { next = try ValidatorSet(members) } catch { throw CommandFailure("such a set is not allowed: \(error)", Exit.usage) }
    guard next.isRegistrable else { throw CommandFailure("such a set is not allowed: a key in it is not registrable", Exit.usage) }
    guard next != facts.set else { throw CommandFailure("the set is that already", Exit.no) }
  }

  /// Refuses a set that could not decide anything with the validators that are there now.
  /// - Throws: 2 with the power that is there, the power that is needed and the names that are missing.
  func checkQuorum(reachable: [PublicKey], own: [PublicKey]) throws(CommandFailure) {
    var present: UInt64 = 0
    var absent: [String] = []
    for validator in next.validators {
      let stands = successors.first { $0.new == validator.publicKey }?.old
      let isThere = [validator.publicKey, stands].contains { key in key.map { reachable.contains($0) || own.contains($0) } ?? false }
      if isThere { present += validator.power } else { absent.append(validator.name) }
    }
    guard next.isQuorum(present) else {
      throw CommandFailure(
        "the chain would lose its quorum: the new set has power \(next.totalPower) and needs \(next.quorumPower), and power \(present) is connected; "
          + "missing: \(absent.joined(separator: ", ")). Connect them first, or use --force", Exit.no)
    }
  }
}
