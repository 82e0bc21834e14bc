/// Times as text: `YYYY-MM-DDTHH:MM:SS[.f]Z` with at most three digits of fraction, years 1970 to 9999, no leap second.
enum RFC3339 {
  static func parse(_ text: String) -> Timestamp? {
    let bytes = Array(text.utf8)
    guard bytes.count >= 20, bytes.count <= 24, bytes[bytes.count - 1] == UInt8(ascii: "Z") else { return nil }
    func number(_ range: Range<Int>) -> Int? {
      var value = 0
      for byte in bytes[range] {
        guard byte >= 0x30, byte <= 0x39 else { return nil }
        value = value * 10 + Int(byte - 0x30)
      }
      return value
    }
    for (offset, mark) in [(4, "-"), (7, "-"), (10, "T"), (13, ":"), (16, ":")] where bytes[offset] != Array(mark.utf8)[0] { return nil }
    guard let year = number(0..<4), let month = number(5..<7), let day = number(8..<10), let hour = number(11..<13),
      let minute = number(14..<16), let second = number(17..<19)
    else { return nil }
    guard year >= 1970, (1...12).contains(month), (1...dayCount(year, month)).contains(day), hour < 24, minute < 60, second < 60 else { return nil }
    var milliseconds = 0
    if bytes.count > 20 {
      guard bytes[19] == UInt8(ascii: "."), bytes.count > 21, let fraction = number(20..<bytes.count - 1) else { return nil }
      milliseconds = fraction * [0, 100, 10, 1][bytes.count - 21]
    }
    let seconds = ((days(year, month, day) * 24 + hour) * 60 + minute) * 60 + second
    return Timestamp(milliseconds: UInt64(seconds * 1000 + milliseconds))
  }

  /// Milliseconds appear only when there are some.
  static func text(_ timestamp: Timestamp) -> String {
    func padded(_ value: Int, _ width: Int = 2) -> String { String(repeating: "0", count: max(0, width - String(value).utf8.count)) + String(value) }
    let total = Int(timestamp.rawValue / 1000)
    var (day, year, month) = (total / 86_400, 1970, 1)
    while day >= (isLeap(year) ? 366 : 365) {
      day -= isLeap(year) ? 366 : 365
      year += 1
    }
    while day >= dayCount(year, month) {
      day -= dayCount(year, month)
      month += 1
    }
    let (second, milliseconds) = (total % 86_400, Int(timestamp.rawValue % 1000))
    let time = "\(padded(second / 3600)):\(padded(second / 60 % 60)):\(padded(second % 60))"
    return "\(padded(year, 4))-\(padded(month))-\(padded(day + 1))T\(time)" + (milliseconds == 0 ? "Z" : ".\(padded(milliseconds, 3))Z")
  }

  private static func isLeap(_ year: Int) -> Bool { year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) }
  private static func dayCount(_ year: Int, _ month: Int) -> Int {
    month == 2 ? (isLeap(year) ? 29 : 28) : [4, 6, 9, 11].contains(month) ? 30 : 31
  }
  /// Days from 1970-01-01.
  private static func days(_ year: Int, _ month: Int, _ day: Int) -> Int {
    let before = year - 1
    let leaps = before / 4 - before / 100 + before / 400 - 477
    return (year - 1970) * 365 + leaps + (1..<month).reduce(0) { $0 + dayCount(year, $1) } + day - 1
  }
}
