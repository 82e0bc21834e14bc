// swift-tools-version: 6.2
// Entry points for libFuzzer: static libraries that `.ci/fuzz` links with the fuzzer's own main. A package of its own, so that the node has no such product.
import PackageDescription

let settings: [SwiftSetting] = [
  .swiftLanguageMode(.v6), .treatAllWarnings(as: .error), .enableUpcomingFeature("ExistentialAny"), .enableUpcomingFeature("MemberImportVisibility"),
]

let package = Package(
  name: "moloch-fuzzing",
  products: [
    .library(name: "HTTP1Fuzz", type: .static, targets: ["HTTP1Fuzz"]),
    .library(name: "FormatsFuzz", type: .static, targets: ["FormatsFuzz"]),
    .library(name: "SignaturesFuzz", type: .static, targets: ["SignaturesFuzz"]),
  ],
  dependencies: [.package(name: "moloch", path: "../..")],
  targets: [
    .target(name: "HTTP1Fuzz", dependencies: [.product(name: "MolochEngines", package: "moloch")], path: "HTTP1Fuzz", swiftSettings: settings),
    .target(name: "FormatsFuzz", dependencies: [.product(name: "MolochEngines", package: "moloch")], path: "FormatsFuzz", swiftSettings: settings),
    .target(name: "SignaturesFuzz", dependencies: [.product(name: "MolochEngines", package: "moloch")], path: "SignaturesFuzz", swiftSettings: settings),
  ]
)
