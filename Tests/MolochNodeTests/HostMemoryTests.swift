import Testing

@testable import MolochNode

@Suite struct HostMemoryTests {
  private static let host = ["/proc/meminfo": "MemTotal:       16384 kB\nMemFree:  1 kB\n"]

  private static func memory(_ files: [String: String]) -> HostMemory {
    let files = host.merging(files) { $1 }
    return HostMemory { files[$0] }
  }

  @Test func withoutALimitItIsThatOfTheHost() {
    for cgroup in [[:], ["/proc/self/cgroup": "4:memory:/a\n0::/\n"], ["/proc/self/cgroup": "0::/a\n", "/sys/fs/cgroup/a/memory.max": "max\n"]] {
      let memory = Self.memory(cgroup)
      #expect(memory.bytes == 16 << 20 && memory.source == "the host", "\(cgroup)")
    }
  }

  @Test func theTightestGroupOnTheWayUpCounts() {
    let groups = [
      "/proc/self/cgroup": "1:name=systemd:/x\n0::/system.slice/moloch.service\n", "/sys/fs/cgroup/system.slice/memory.max": "4194304\n",
      "/sys/fs/cgroup/system.slice/moloch.service/memory.max": "8388608\n",
    ]
    let memory = Self.memory(groups)
    #expect(memory.bytes == 4 << 20 && memory.source == "/sys/fs/cgroup/system.slice/memory.max")
    #expect(Self.memory(["/proc/self/cgroup": "0::/\n", "/sys/fs/cgroup/memory.max": "1048576\n"]).bytes == 1 << 20)
    #expect(Self.memory(["/proc/self/cgroup": "0::/a\n", "/sys/fs/cgroup/a/memory.max": "99999999999\n"]).bytes == 16 << 20, "more than there is")
  }

  @Test func nothingIsKnownWithoutTheKernelsFiles() { #expect(HostMemory { _ in nil }.bytes == 0) }
}
