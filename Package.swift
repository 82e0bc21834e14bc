// swift-tools-version: 6.2
// Read from top to bottom, this manifest is the architecture: bytes at the bottom, then codecs, formats, engines, and the node that composes them.
import PackageDescription

/// Settings of every Swift target: Swift 6 mode, warnings are errors, imports say what they export, unsafe code is marked.
let strict: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .treatAllWarnings(as: .error),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .enableExperimentalFeature("Lifetimes"),
  .strictMemorySafety(),
]

/// The commit that is built, which `.ci/commit` prints and `.ci/release` and `.ci/deb` hand on.
let commit: [CSetting] = Context.environment["MOLOCH_COMMIT"].map { [.define("MOLOCH_COMMIT", to: $0)] } ?? []

let package = Package(
  name: "moloch",
  products: [
    .executable(name: "moloch", targets: ["moloch"]),
    .executable(name: "moloch-load", targets: ["moloch-load"]),
    // For the nested packages `Benchmarks` and `.ci/fuzz-targets`; nobody else builds it.
    .library(name: "MolochEngines", targets: ["Bytes", "Lanes", "Ambient", "Digests", "Ed25519", "Merkle", "HTTP1", "JSON", "Audit", "Mempool", "Ledger", "RocksStore"]),
    .executable(name: "moloch-sim", targets: ["moloch-sim"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/HdrHistogram/hdrhistogram-swift", from: "0.2.0"),
  ],
  targets: [
    // C: the libraries of the system, each behind one target
    .systemLibrary(name: "CLinux", pkgConfig: "liburing", providers: [.apt(["liburing-dev"])]),
    .systemLibrary(name: "COpenSSL", pkgConfig: "openssl", providers: [.apt(["libssl-dev"])]),
    .systemLibrary(name: "CRocksDB", pkgConfig: "rocksdb", providers: [.apt(["librocksdb-dev"])]),
    .target(name: "CSimdJSON", linkerSettings: [.linkedLibrary("simdjson")]),
    .target(name: "CToml"),
    .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
    .target(name: "CEd25519"),
    .target(name: "CRelease", cSettings: commit),

    // 1 pure: bytes, queues between threads, time and chance as values
    .target(name: "Bytes", swiftSettings: strict),
    .target(name: "Lanes", swiftSettings: strict),
    .target(name: "Ambient", swiftSettings: strict),

    // 2 pure: counters, hashes, what an operator sets
    .target(name: "Metrics", dependencies: ["Lanes"], swiftSettings: strict),
    .target(name: "Digests", dependencies: ["Bytes", "COpenSSL"], swiftSettings: strict),
    .target(name: "Configuration", dependencies: ["CToml"], swiftSettings: strict),

    // 3 pure: signatures, the tree, the codecs
    .target(name: "Ed25519", dependencies: ["Bytes", "Digests", "CEd25519", "COpenSSL"], swiftSettings: strict),
    .target(name: "Merkle", dependencies: ["Bytes", "Digests"], swiftSettings: strict),
    .target(name: "HTTP1", dependencies: ["Bytes"], swiftSettings: strict),
    .target(name: "JSON", dependencies: ["Bytes", "CSimdJSON"], swiftSettings: strict),
    .target(name: "PeerWire", dependencies: ["Bytes"], swiftSettings: strict),

    // 4 pure: the formats of the ledger
    .target(name: "Audit", dependencies: ["Bytes", "Digests", "Ed25519", "Merkle", "JSON"], swiftSettings: strict),

    // 5 pure: the engines
    .target(name: "Verification", dependencies: ["Metrics", "Bytes", "Digests", "Audit", "Ed25519", "Lanes", "Ambient"], swiftSettings: strict),
    .target(name: "Mempool", dependencies: ["Metrics", "Bytes", "Digests", "Ed25519", "Audit", "Lanes", "Ambient"], swiftSettings: strict),
    .target(name: "Consensus", dependencies: ["Bytes", "Digests", "Ed25519", "Audit", "Ambient"], swiftSettings: strict),
    .target(name: "Ledger", dependencies: ["Bytes", "Digests", "Ed25519", "Audit", "Merkle"], swiftSettings: strict),

    // 6 pure: the replica composes the engines
    .target(name: "Replication", dependencies: ["Bytes", "Digests", "Ed25519", "Audit", "Merkle", "Ambient", "Lanes", "Verification", "Mempool", "Consensus", "Ledger"], swiftSettings: strict),

    // 7 pure: whole clusters from one seed
    .target(name: "Simulation", dependencies: ["Bytes", "Digests", "Ed25519", "Audit", "Merkle", "Ambient", "Lanes", "Verification", "Mempool", "Consensus", "Ledger", "Replication"], swiftSettings: strict),

    // E effectful: sockets and disk
    .target(name: "Reactor", dependencies: ["CLinux", "Bytes", "Lanes", "Ambient"], swiftSettings: strict),
    .target(name: "TLS", dependencies: ["COpenSSL", "Bytes"], swiftSettings: strict),
    .target(name: "RocksStore", dependencies: ["CRocksDB", "Bytes", "Digests", "Ed25519", "Audit", "Ledger", "Merkle", "Consensus"], swiftSettings: strict),

    // S: the service on the reactor
    .target(name: "Peering", dependencies: ["Bytes", "Ambient", "Digests", "Ed25519", "JSON", "PeerWire", "TLS", "Reactor"], swiftSettings: strict),
    .target(name: "API", dependencies: ["Metrics", "Bytes", "Digests", "Ed25519", "Merkle", "Audit", "Ambient", "Reactor", "HTTP1", "JSON", "Ledger", "Mempool", "Verification", "Consensus", "Replication"], swiftSettings: strict),

    // N: the composition; the only place that knows everything
    .target(name: "MolochNode", dependencies: ["Peering", "PeerWire", "TLS", "CZlib", "Metrics", "CLinux", "Configuration", "Bytes", "Lanes", "Ambient", "Digests", "Ed25519", "Merkle", "HTTP1", "JSON", "Audit", "Verification", "Mempool", "Consensus", "Ledger", "Replication", "Reactor", "RocksStore", "API"], swiftSettings: strict),

    // X: the executables
    .executableTarget(name: "moloch", dependencies: ["CRelease", "Ambient", "Peering", "MolochNode", "Configuration", "Bytes", "Digests", "Ed25519", "Merkle", "JSON", "HTTP1", "Audit", .product(name: "ArgumentParser", package: "swift-argument-parser")], swiftSettings: strict),
    .executableTarget(name: "moloch-load", dependencies: ["Bytes", "Digests", "Ed25519", "Merkle", "JSON", "HTTP1", "Audit", "Reactor", "Ambient", .product(name: "ArgumentParser", package: "swift-argument-parser"), .product(name: "Histogram", package: "hdrhistogram-swift")], swiftSettings: strict),

    .executableTarget(name: "moloch-sim", dependencies: ["Simulation", "Digests", .product(name: "ArgumentParser", package: "swift-argument-parser")], swiftSettings: strict),

    // Tests mirror the targets; ProcessTests run the real binaries
    .target(name: "CAllocations", path: "Tests/CAllocations"),
    .testTarget(name: "BytesTests", dependencies: ["Bytes"], swiftSettings: strict),
    .testTarget(name: "LanesTests", dependencies: ["Lanes"], swiftSettings: strict),
    .testTarget(name: "AmbientTests", dependencies: ["Ambient"], swiftSettings: strict),
    .testTarget(name: "DigestsTests", dependencies: ["Digests", "Bytes"], swiftSettings: strict),
    .testTarget(name: "MetricsTests", dependencies: ["Metrics"], swiftSettings: strict),
    .testTarget(name: "ConfigurationTests", dependencies: ["Configuration"], swiftSettings: strict),
    .testTarget(name: "Ed25519Tests", dependencies: ["Ed25519", "CEd25519", "Bytes", "Digests"], resources: [.copy("Golden")], swiftSettings: strict),
    .executableTarget(name: "signature-verdicts", dependencies: ["Ed25519", "Bytes"], path: "Tests/SignatureVerdicts", swiftSettings: strict),
    .testTarget(name: "MerkleTests", dependencies: ["Merkle", "Bytes", "Digests"], swiftSettings: strict),
    .testTarget(name: "HTTP1Tests", dependencies: ["HTTP1", "Bytes"], swiftSettings: strict),
    .testTarget(name: "JSONTests", dependencies: ["JSON", "Bytes", "Ambient"], swiftSettings: strict),
    .testTarget(name: "AuditTests", dependencies: ["Audit", "Bytes", "Digests", "Ed25519", "Merkle", "JSON"], exclude: ["Independent"], resources: [.copy("Golden")], swiftSettings: strict),
    .testTarget(name: "PeerWireTests", dependencies: ["PeerWire", "Bytes", "Ambient"], swiftSettings: strict),
    .testTarget(name: "TLSTests", dependencies: ["TLS", "Bytes", "Ed25519", "Ambient"], swiftSettings: strict),
    .testTarget(name: "PeeringTests", dependencies: ["Peering", "Bytes", "Ambient", "Digests", "Ed25519", "JSON", "PeerWire", "TLS", "Reactor"], swiftSettings: strict),
    .testTarget(name: "VerificationTests", dependencies: ["Verification", "Bytes", "Digests", "Audit", "Ed25519", "Lanes", "Ambient"], swiftSettings: strict),
    .testTarget(name: "MempoolTests", dependencies: ["Mempool", "Bytes", "Digests", "Ed25519", "Audit", "Lanes", "Ambient"], swiftSettings: strict),
    .testTarget(name: "ConsensusTests", dependencies: ["Consensus", "Bytes", "Digests", "Ed25519", "Audit", "Ambient"], swiftSettings: strict),
    .target(name: "LedgerFixtures", dependencies: ["Ledger", "Bytes", "Digests", "Ed25519", "Audit", "Merkle"], path: "Tests/LedgerFixtures", swiftSettings: strict),
    .testTarget(name: "LedgerTests", dependencies: ["LedgerFixtures", "Ambient", "Ledger", "Bytes", "Digests", "Ed25519", "Audit", "Merkle"], swiftSettings: strict),
    .testTarget(name: "ReplicationTests", dependencies: ["Replication", "Bytes", "Digests", "Ed25519", "Audit", "Merkle", "Ambient", "Lanes", "Verification", "Mempool", "Consensus", "Ledger"], swiftSettings: strict),
    .testTarget(name: "ReactorTests", dependencies: ["Reactor", "CLinux", "Bytes", "Lanes", "Ambient"], swiftSettings: strict),
    .testTarget(name: "RocksStoreTests", dependencies: ["LedgerFixtures", "RocksStore", "Bytes", "Digests", "Ed25519", "Audit", "Ledger", "Merkle", "Consensus"], swiftSettings: strict),
    .testTarget(name: "APITests", dependencies: ["API", "CAllocations", "Consensus", "Bytes", "Digests", "Ed25519", "Merkle", "Audit", "Ambient", "Reactor", "HTTP1", "JSON", "Ledger", "Mempool", "Verification", "Replication"], swiftSettings: strict),
    .testTarget(name: "MolochNodeTests", dependencies: ["LedgerFixtures", "PeerWire", "Peering", "Metrics", "MolochNode", "Configuration", "Bytes", "Lanes", "Ambient", "Digests", "Ed25519", "Merkle", "HTTP1", "JSON", "Audit", "Verification", "Mempool", "Consensus", "Ledger", "Replication", "Reactor", "RocksStore", "API"], swiftSettings: strict),
    .testTarget(name: "ConformanceTests", dependencies: ["Bytes", "Digests", "Ed25519", "Merkle", "JSON", "Audit"], resources: [.copy("Vectors")], swiftSettings: strict),
    .testTarget(name: "SimulationTests", dependencies: ["Simulation", "Bytes", "Digests", "Ed25519", "Audit", "Ambient", "Consensus", "Ledger", "Replication"], swiftSettings: strict),
    .testTarget(name: "TidyTests", swiftSettings: strict),
    .testTarget(name: "ProcessTests", dependencies: ["signature-verdicts", "Bytes", "Digests", "Ed25519", "Merkle", "JSON", "HTTP1", "PeerWire", "Audit", "TLS"], exclude: ["Independent", "Golden"], swiftSettings: strict),
  ]
)
