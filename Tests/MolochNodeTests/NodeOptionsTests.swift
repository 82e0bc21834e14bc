import API
import Configuration
import Peering
import Reactor
import RocksStore
import Testing

@testable import MolochNode

@Suite struct NodeOptionsTests {
  static func options(_ lines: String = "", isDevelopment: Bool = false) -> NodeOptions {
    var layers = Layers()
    layers.isDevelopment = isDevelopment
    layers.file = ("node.toml", Array(lines.utf8))
    let settings = Settings(layers)
    return NodeOptions(home: "/h", settings: settings) { settings }
  }

  /// Every property reads a key that is there and has its type: a slip traps.
  @Test func defaultsAreThoseOfTheManual() {
    let options = Self.options()
    #expect(options.apiAddress == "0.0.0.0:8080" && options.metricsAddress == "0.0.0.0:9090" && options.connections == 4096)
    #expect(options.drainDelayMilliseconds == 10_000 && options.drainTimeoutMilliseconds == 20_000)
    #expect(options.poolEventsMax == 100_000 && options.poolBytesMax == 256_000_000 && options.poolTimeToLiveMilliseconds == 86_400_000 && options.keepsPending)
    #expect(options.gate.maxBodyBytes == 10_000_000 && options.gate.requestTimeoutMilliseconds == 30_000 && options.gate.headerTimeoutMilliseconds == 10_000)
    #expect(options.gate.idleTimeoutMilliseconds == 60_000 && options.gate.drainStatus == 503)
    #expect(options.gate.rateLimit?.requestsPerMinute == 600 && options.gate.rateLimit?.burst == 100)
    #expect(options.store.cacheBytes == 128 << 20 && options.store.writeBufferBytes == 64 << 20 && options.store.openFilesMax == 10_000)
    #expect(options.store.compression == .lz4 && options.store.syncWrites && options.store.backgroundJobs == 2)
    #expect(options.dataPath == "/h/data" && options.genesisPath == "/h/config/genesis.json" && options.adminSocketPath == "/h/data/admin.sock")
    #expect(options.nodeKeyPath == "/h/keys/node.key" && options.validatorKeyPath == "/h/keys/validator.key")
  }

  /// The keys that hold a node back speak of the range of this program.
  @Test func theProtocolRangeIsThatOfTheProgramUnlessItIsHeldBack() throws {
    #expect(try Self.options().peering(listenPort: 0).protocols == PeeringOptions().protocols)
    #expect(Self.options("network.max_concurrent_requests = 9").syncRequestsMax == 9)
    #expect(try Self.options("network.protocol_max = 1").peering(listenPort: 0).protocols == 1...1)
    #expect(Self.options("network.protocol_max = 1\nnetwork.protocol_min = 2").settings.hasErrors)
    #expect(Self.options("network.protocol_max = 4").settings.hasErrors)
  }

  @Test func settingsReachTheParts() {
    let options = Self.options(
      """
      node.data_dir = "/var/moloch"
      node.admin_socket = "run/a.sock"
      storage.compression = "zstd"
      storage.cache_size_mb = 1024
      api.rate_limit.enabled = false
      api.drain_status = 404
      runtime.io_backend = "epoll"
      """)
    #expect(options.dataPath == "/var/moloch" && options.adminSocketPath == "/h/run/a.sock")
    #expect(options.store.compression == .zstd && options.store.cacheBytes == 1 << 30)
    #expect(options.gate.rateLimit == nil && options.gate.drainStatus == 404 && options.backend == .epoll)
    #expect(Self.options(isDevelopment: true).gate.rateLimit == nil)
  }

  /// The sections `[storage]` and `[network]` of the operations guide, and other values.
  @Test(arguments: [(1024, 128, 50_000, 100, 10, 1000), (96, 32, 512, 60, 7, 300)])
  func theGuidesKeysReachTheParts(_ cache: Int, _ buffer: Int, _ files: Int, _ peers: Int, _ requests: Int, _ messages: Int) throws {
    let options = Self.options(
      """
      [storage]
      cache_size_mb = \(cache)
      write_buffer_size_mb = \(buffer)
      max_open_files = \(files)
      compression = "zstd"
      [network]
      max_peers = \(peers)
      max_concurrent_requests = \(requests)
      message_buffer_size = \(messages)
      """)
    #expect(!options.settings.hasErrors, "\(options.settings.findings)")
    #expect(options.store.cacheBytes == cache << 20 && options.store.writeBufferBytes == buffer << 20 && options.store.openFilesMax == files && options.store.compression == .zstd)
    let peering = try options.peering(listenPort: 9000)
    #expect(peering.peersMax == peers && peering.messageBufferSize == messages && options.syncRequestsMax == requests)
  }

  @Test func theConfigurationIsTheHomesUnlessItIsNamed() {
    let settings = Self.options().settings
    #expect(Self.options().configurationPath == "/h/config/node.toml")
    #expect(NodeOptions(home: "/h", configuration: "/etc/n.toml", settings: settings) { settings }.configurationPath == "/etc/n.toml")
  }
}
