import CSimdJSON

/// Why a body is not an event of the profile (API specification, section 8).
public enum ProfileFault: UInt8, Error, Sendable, Hashable, CaseIterable {
  case syntax = 1
  case nesting = 2
  case duplicateMember = 3
  case number = 4
  case noObject = 5
  case eventTypeMissing = 8
  case actorMissing = 9
  case resourceMissing = 10
  case outcomeMissing = 11
  case eventTypeNoString = 12
  case actorNoString = 13
  case resourceNoString = 14
  case outcomeNoString = 15
  case eventTypeTooLong = 16
  case actorTooLong = 17
  case resourceTooLong = 18
  case outcomeTooLong = 19
  case eventTypeCharacters = 20
  case outcomeUnknown = 21
  case actorKindUnknown = 22
  case timeType = 23
  case reasonType = 24
  case contextType = 25
  case attachmentsType = 26
  case metadataType = 27
  case actorNameType = 28
  case resourceKindType = 29
  case resourceParentType = 30

  /// The sentence for people.
  public var message: StaticString {
    switch self {
    case .syntax: "the body is not valid JSON in UTF-8"
    case .nesting: "the body is nested deeper than 32"
    case .duplicateMember: "an object of the body repeats a member"
    case .number: "the body holds a number that is not finite"
    case .noObject: "the body is no JSON object"
    case .eventTypeMissing: "the body lacks the member event_type"
    case .actorMissing: "the body lacks the member actor.id"
    case .resourceMissing: "the body lacks the member resource.id"
    case .outcomeMissing: "the body lacks the member outcome"
    case .eventTypeNoString: "the member event_type is no string"
    case .actorNoString: "the member actor.id is no string"
    case .resourceNoString: "the member resource.id is no string"
    case .outcomeNoString: "the member outcome is no string"
    case .eventTypeTooLong: "the member event_type is longer than 512 bytes"
    case .actorTooLong: "the member actor.id is longer than 512 bytes"
    case .resourceTooLong: "the member resource.id is longer than 512 bytes"
    case .outcomeTooLong: "the member outcome is longer than 512 bytes"
    case .eventTypeCharacters: "the member event_type is empty or holds other characters than a-z, 0-9, _ and ."
    case .outcomeUnknown: "the member outcome is none of success, failure, denied, pending, unknown"
    case .actorKindUnknown: "the member actor.kind is none of user, system, agent, integration"
    case .timeType: "the member time is no string"
    case .reasonType: "the member reason is no string"
    case .contextType: "the member context is no object"
    case .attachmentsType: "the member attachments is no array"
    case .metadataType: "the member metadata is no object"
    case .actorNameType: "the member actor.name is no string"
    case .resourceKindType: "the member resource.kind is no string"
    case .resourceParentType: "the member resource.parent is no object"
    }
  }
}

/// Checks bodies of content type 1 at admission: JSON without duplicate members, lone surrogates or infinite numbers, at most 32 deep, with the
/// four required members, and the words, characters and types of the profile where its members are present (an optional one may be null). All memory is allocated at the start; a check allocates nothing and takes about half a nanosecond per byte.
///
/// The same rules as `StrictJSON`, which keeps the cold path and is the oracle of the tests.
@safe public struct EventProfile: ~Copyable {
  // Owned: opened in `init`, closed in `deinit`, used by one thread at a time because checking mutates.
  private let state: OpaquePointer

  /// - Parameter bodyBytesMax: the largest body that will be checked.
  public init(bodyBytesMax: Int) {
    // The parser's buffers for one body are memory that a node cannot work without.
    guard let opened = unsafe event_profile_open(bodyBytesMax) else { fatalError("no memory for a body of \(bodyBytesMax) bytes") }
    unsafe state = opened
  }

  // Nothing else closes it.
  deinit { unsafe event_profile_close(state) }

  /// What is wrong with a body, nil when nothing is. A body larger than announced is refused as no JSON.
  public mutating func fault(in body: RawSpan) -> ProfileFault? {
    // The parser copies the bytes during the call and keeps no pointer.
    let code = unsafe body.withUnsafeBytes { unsafe event_profile_check(state, $0.baseAddress, $0.count) }
    return code == 0 ? nil : ProfileFault(rawValue: code) ?? .syntax
  }
}
