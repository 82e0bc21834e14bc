import Audit
import JSON

/// What the bytes of an event's body are, decided before anything is signed.
enum EventBody {
  /// Longest id or type of the event profile, bytes.
  static let nameBytesMax = 512

  struct Fault: Error { var reason: String }

  /// The content type of a body: `wanted` when given, else CloudTrail when it names an event and its source, else the event profile.
  /// - Throws: why the body is not of that type.
  static func contentType(of body: [UInt8], wanted: ContentType?, byteCountMax: Int) throws(Fault) -> ContentType {
    guard body.count <= byteCountMax else { throw Fault(reason: "\(body.count) bytes, more than the chain's \(byteCountMax)") }
    if let wanted, !wanted.isJSON { return wanted }
    let json: StrictJSON
    do { json = try StrictJSON(parsing: body, byteCountMax: byteCountMax) } catch { throw Fault(reason: "column \(error.position.column): \(error.message)") }
    guard json.members != nil else { throw Fault(reason: "not a JSON object") }
    let isCloudTrail = json["eventName"]?.string != nil && json["eventSource"]?.string != nil
    let type = wanted ?? (isCloudTrail ? .cloudTrail : .json)
    if type == .json { try checkProfile(json) }
    return type
  }

  private static func checkProfile(_ json: StrictJSON) throws(Fault) {
    let required = [
      ("event_type", json["event_type"]), ("actor.id", json["actor"]?["id"]), ("resource.id", json["resource"]?["id"]), ("outcome", json["outcome"]),
    ]
    for (name, value) in required {
      guard let value else { throw Fault(reason: "member \(name) is missing") }
      guard let text = value.string else { throw Fault(reason: "column \(value.position.column): member \(name) is not a string") }
      guard text.utf8.count <= nameBytesMax else { throw Fault(reason: "column \(value.position.column): member \(name) is longer than \(nameBytesMax) bytes") }
    }
  }
}
