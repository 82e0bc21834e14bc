import Benchmark

let benchmarks: @Sendable () -> Void = {
  registerCodecs()
  registerSignatures()
  registerPools()
  registerTrees()
  registerStores()
}
