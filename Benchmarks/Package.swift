// swift-tools-version: 6.2
// Benchmarks of the engines, with the losers kept beside them. A package of its own, so that the node depends on none of this. `perf/bench` runs it.
import PackageDescription

let package = Package(
  name: "moloch-benchmarks",
  dependencies: [
    .package(name: "moloch", path: ".."),
    // Without its allocation counters: they need packages that the node does not want, and prove nothing here.
    .package(url: "https://github.com/ordo-one/benchmark", exact: "1.38.1", traits: []),
  ],
  targets: [
    .systemLibrary(name: "CBaselines", path: "CBaselines", pkgConfig: "rocksdb", providers: [.apt(["librocksdb-dev", "libssl-dev"])]),
    .executableTarget(
      name: "SignatureComparison",
      dependencies: ["CBaselines", .product(name: "MolochEngines", package: "moloch")],
      path: "SignatureComparison",
      swiftSettings: [.swiftLanguageMode(.v6), .treatAllWarnings(as: .error), .enableUpcomingFeature("ExistentialAny"), .enableUpcomingFeature("MemberImportVisibility")]),
    .executableTarget(
      name: "EngineBenchmarks",
      dependencies: ["CBaselines", .product(name: "MolochEngines", package: "moloch"), .product(name: "Benchmark", package: "benchmark")],
      path: "EngineBenchmarks",
      swiftSettings: [.swiftLanguageMode(.v6), .treatAllWarnings(as: .error), .enableUpcomingFeature("ExistentialAny"), .enableUpcomingFeature("MemberImportVisibility")],
      plugins: [.plugin(name: "BenchmarkPlugin", package: "benchmark")])
  ]
)
