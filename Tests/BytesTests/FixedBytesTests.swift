import Bytes
import Testing

@Suite struct FixedBytesTests {
  @Test func orderIsThatOfTheBytes() throws {
    let low = try #require(Bytes32(hex: String(repeating: "00", count: 31) + "ff"))
    let high = try #require(Bytes32(hex: "01" + String(repeating: "00", count: 31)))
    #expect(low < high)
    #expect(!(high < low))
    #expect(low[31] == 0xFF && high[0] == 1)
  }

  @Test func readsAndWritesAreBigEndian() {
    var bytes: [UInt8] = []
    bytes.append(bigEndian: UInt16(0x0102))
    bytes.append(bigEndian: UInt32(0x0304_0506))
    bytes.append(bigEndian: UInt64(0x0708_090A_0B0C_0D0E))
    #expect(bytes == (1...14).map { UInt8($0) })
    let span = bytes.bytes
    #expect(span.uint16(at: 0) == 0x0102)
    #expect(span.uint32(at: 2) == 0x0304_0506)
    #expect(span.uint64(at: 6) == 0x0708_090A_0B0C_0D0E)
  }

  @Test func textRoundTrips() throws {
    let value = Bytes16(0x0011_2233_4455_6677, 0x8899_AABB_CCDD_EEFF)
    #expect(value.hex == "00112233445566778899aabbccddeeff")
    #expect(Bytes16(hex: value.hex) == value)
    #expect(value[0] == 0 && value[9] == 0x99)
    #expect(Bytes32([1, 2, 3]) == nil)
  }
}
