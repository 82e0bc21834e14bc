public import Bytes

/// Writes the head of an answer into a buffer that is kept: status line first, then fields in the order of the calls, then `finish`.
public enum ResponseWriter {
  /// Appends `HTTP/1.1 <status> <reason> CR LF`.
  public static func begin(_ status: Int, into bytes: inout ByteWriter) {
    bytes.append("HTTP/1.1 ")
    bytes.append(decimal: UInt64(status))
    bytes.append(0x20)
    bytes.append(reason(status))
    bytes.append("\r\n")
  }

  public static func field(_ name: StaticString, _ value: StaticString, into bytes: inout ByteWriter) {
    bytes.append(name)
    bytes.append(": ")
    bytes.append(value)
    bytes.append("\r\n")
  }

  public static func field(_ name: StaticString, _ value: UInt64, into bytes: inout ByteWriter) {
    bytes.append(name)
    bytes.append(": ")
    bytes.append(decimal: value)
    bytes.append("\r\n")
  }

  /// The value is written as it is: it must hold no CR or LF.
  public static func field(_ name: StaticString, _ value: RawSpan, into bytes: inout ByteWriter) {
    bytes.append(name)
    bytes.append(": ")
    bytes.append(value)
    bytes.append("\r\n")
  }

  /// Ends the head. The body, if any, follows.
  public static func finish(into bytes: inout ByteWriter) { bytes.append("\r\n") }

  /// The reason phrase of a status.
  public static func reason(_ status: Int) -> StaticString {
    switch status {
    case 100: "Continue"
    case 200: "OK"
    case 201: "Created"
    case 202: "Accepted"
    case 204: "No Content"
    case 304: "Not Modified"
    case 400: "Bad Request"
    case 401: "Unauthorized"
    case 403: "Forbidden"
    case 404: "Not Found"
    case 405: "Method Not Allowed"
    case 406: "Not Acceptable"
    case 408: "Request Timeout"
    case 409: "Conflict"
    case 410: "Gone"
    case 413: "Content Too Large"
    case 414: "URI Too Long"
    case 415: "Unsupported Media Type"
    case 417: "Expectation Failed"
    case 429: "Too Many Requests"
    case 431: "Request Header Fields Too Large"
    case 500: "Internal Server Error"
    case 501: "Not Implemented"
    case 503: "Service Unavailable"
    case 505: "HTTP Version Not Supported"
    default: "Unknown"
    }
  }
}

/// Writes a request of a client.
public enum RequestWriter {
  /// Appends a complete head. `fields` are written as they are; a length is added when there is a body.
  public static func write(
    _ method: String, _ target: String, host: String, fields: [(String, String)], bodyByteCount: Int?, into bytes: inout [UInt8]
  ) {
    bytes += "\(method) \(target) HTTP/1.1\r\nHost: \(host)\r\n".utf8
    for (name, value) in fields { bytes += "\(name): \(value)\r\n".utf8 }
    if let bodyByteCount { bytes += "Content-Length: \(bodyByteCount)\r\n".utf8 }
    bytes.append("\r\n")
  }
}
