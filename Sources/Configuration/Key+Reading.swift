extension Key {
  /// The value that a text of the environment or the command line means; lists are separated by commas. Nil when it is none that the key takes.
  func value(text: String) -> Value? {
    switch kind {
    case .boolean:
      switch text {
      case "true": .boolean(true)
      case "false": .boolean(false)
      default: nil
      }
    case .integer: Int(text).flatMap { integer($0) }
    case .list: list(text.isEmpty ? [] : text.split(separator: ",", omittingEmptySubsequences: false).map { Self.trimmed($0) })
    default: quantity(text)
    }
  }

  /// The value that a node of a document means. Nil when it is none that the key takes.
  func value(_ node: TOMLNode) -> Value? {
    switch (kind, node.value) {
    case (.boolean, .boolean(let value)): .boolean(value)
    case (.integer, .integer(let value)): integer(Int(value))
    case (.list, .array(let items)):
      {
        var texts: [String] = []
        for item in items {
          guard case .text(let text) = item.value else { return nil }
          texts.append(text)
        }
        return list(texts)
      }()
    case (.boolean, _), (.integer, _), (.list, _): nil
    case (_, .text(let text)): quantity(text)
    default: nil
    }
  }

  private func integer(_ value: Int) -> Value? {
    guard case .integer(let range, _) = kind, range.contains(value) else { return nil }
    return .integer(value)
  }

  private func list(_ items: [String]) -> Value? {
    guard case .list(let element, let count) = kind, items.count <= count else { return nil }
    for item in items where !Self.isElement(item, element) { return nil }
    return .list(items)
  }

  /// Kinds that a file writes as a string.
  private func quantity(_ text: String) -> Value? {
    switch kind {
    case .duration(let range): Value.milliseconds(text).flatMap { range.contains($0) ? .milliseconds($0) : nil }
    case .size(let range): Value.bytes(text).flatMap { range.contains($0) ? .bytes($0) : nil }
    case .word(let words): words.contains(text) ? .text(text) : nil
    case .text(let bytes), .path(let bytes): text.utf8.count <= bytes && !text.utf8.contains(0) ? .text(text) : nil
    case .address: Address.isAddress(text) ? .text(text) : nil
    case .multiaddress: text.isEmpty || Address.fault(ofMultiaddress: text) == nil ? .text(text) : nil
    default: nil
    }
  }

  private static func isElement(_ text: String, _ element: Element) -> Bool {
    switch element {
    case .multiaddress: Address.fault(ofMultiaddress: text) == nil
    case .network: Address.isNetwork(text)
    case .origin: text.hasPrefix("https://") || text.hasPrefix("http://")
    }
  }

  /// Whether a text has the form of `/dns/NAME/tcp/PORT/p2p/ID`.
  public static func isMultiaddress(_ text: String) -> Bool { Address.fault(ofMultiaddress: text) == nil }

  private static func trimmed(_ text: Substring) -> String {
    var text = text
    while text.first == " " { text.removeFirst() }
    while text.last == " " { text.removeLast() }
    return String(text)
  }

  /// Why an item of a list or a multiaddress is refused, when that can be said more exactly than by the kind.
  func detail(of texts: [String]) -> String? {
    switch kind {
    case .multiaddress, .list(.multiaddress, _):
      for text in texts {
        if let fault = Address.fault(ofMultiaddress: text) { return "\"\(text)\": \(fault)" }
      }
    case .list(let element, _):
      for text in texts where !Self.isElement(text, element) { return "\"\(text)\" is not one of the \(element.plural)" }
    default: break
    }
    return nil
  }
}

/// Forms of addresses. What they lead to is for those who open sockets.
enum Address {
  /// `HOST:PORT`, the host numeric or `localhost`, IPv6 in brackets.
  static func isAddress(_ text: String) -> Bool {
    guard let colon = text.lastIndex(of: ":"), isPort(text[text.index(after: colon)...]) else { return false }
    let host = text[..<colon]
    if host == "localhost" || isIPv4(host) { return true }
    return host.hasPrefix("[") && host.hasSuffix("]") && isIPv6(host.dropFirst().dropLast())
  }

  /// The address is on this host alone.
  static func isLoopback(_ text: String) -> Bool { text.hasPrefix("127.") || text.hasPrefix("localhost:") || text.hasPrefix("[::1]:") }

  static func isPort(_ text: some StringProtocol) -> Bool {
    !text.isEmpty && text.utf8.count <= 5 && text.utf8.allSatisfy { (0x30...0x39).contains($0) } && UInt16(text) != nil
  }

  static func isIPv4(_ text: some StringProtocol) -> Bool {
    let parts = text.split(separator: ".", omittingEmptySubsequences: false)
    return parts.count == 4 && parts.allSatisfy { $0.utf8.count <= 3 && $0.utf8.allSatisfy { (0x30...0x39).contains($0) } && UInt8($0) != nil }
  }

  static func isIPv6(_ text: some StringProtocol) -> Bool {
    let halves = text.split(separator: ":", omittingEmptySubsequences: false)
    guard halves.count >= 3, halves.count <= 9 else { return false }
    var groups = 0, gaps = 0
    for (index, part) in halves.enumerated() {
      if part.isEmpty {
        let isEdge = index == 0 || index == halves.count - 1
        // An empty part at an edge belongs to a gap beside it: "::1" has two.
        if isEdge { guard halves[index == 0 ? 1 : index - 1].isEmpty else { return false } } else { gaps += 1 }
      } else if index == halves.count - 1 && isIPv4(part) {
        groups += 2
      } else {
        guard part.utf8.count <= 4, UInt16(part, radix: 16) != nil else { return false }
        groups += 1
      }
    }
    return gaps == 0 ? groups == 8 : gaps == 1 && groups <= 7
  }

  /// `10.0.0.0/8`, `fd00::/8`.
  static func isNetwork(_ text: String) -> Bool {
    let parts = text.split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count == 2, let bits = UInt8(parts[1]) else { return false }
    return isIPv4(parts[0]) && bits <= 32 || isIPv6(parts[0]) && bits <= 128
  }

  /// What is wrong with the form of a multiaddress, naming the component; nil when nothing is.
  static func fault(ofMultiaddress text: String) -> String? {
    let parts = text.split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count >= 3, parts[0].isEmpty else { return "a multiaddress begins with /dns/NAME or /ip4/ADDRESS" }
    let host = parts[2]
    switch parts[1] {
    case "dns", "dns4", "dns6":
      let isName = !host.isEmpty && host.utf8.count <= 253 && host.unicodeScalars.allSatisfy { $0.isASCII && ($0.properties.isAlphabetic || ("0"..."9").contains($0) || $0 == "-" || $0 == "." || $0 == "_") }
      guard isName else { return "/\(parts[1])/\(host) is no host name" }
    case "ip4": guard isIPv4(host) else { return "/ip4/\(host) is no IPv4 address" }
    case "ip6": guard isIPv6(host) else { return "/ip6/\(host) is no IPv6 address" }
    default: return "/\(parts[1]) is none of /dns /dns4 /dns6 /ip4 /ip6"
    }
    guard parts.count >= 5, parts[3] == "tcp" else { return "/tcp/PORT is missing after the host" }
    guard isPort(parts[4]), parts[4] != "0" else { return "/tcp/\(parts[4]) is no port" }
    guard parts.count == 7, parts[5] == "p2p" else { return "/p2p/ID is missing at the end" }
    let id = parts[6]
    if id.hasPrefix("ed25519:") {
      let key = id.dropFirst(8)
      return key.utf8.count == 64 && key.allSatisfy { $0.isHexDigit } ? nil : "/p2p/\(id): 64 hex digits follow ed25519:"
    }
    return id.hasPrefix("12D3KooW") && id.utf8.count == 52 ? nil : "/p2p/\(id) is neither 12D3KooW... (52 characters) nor ed25519:<64 hex>"
  }
}
