// swift-tools-version: 6.2
// Read from top to bottom, this manifest is the architecture: a byte enters at the bottom stratum, becomes an event, a block, a proof.
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

let package = Package(
  name: "moloch",
  products: [],
  dependencies: [],
  targets: [
    // C: the libraries of the system, each behind one target
    .systemLibrary(name: "COpenSSL", pkgConfig: "openssl", providers: [.apt(["libssl-dev"])]),

    // 1 pure: bytes
    .target(name: "Bytes", swiftSettings: strict),

    // 2 pure: digests
    .target(name: "Digests", dependencies: ["Bytes", "COpenSSL"], swiftSettings: strict),

    .testTarget(name: "BytesTests", dependencies: ["Bytes"], swiftSettings: strict),
    .testTarget(name: "DigestsTests", dependencies: ["Bytes", "Digests"], swiftSettings: strict),
  ]
)
