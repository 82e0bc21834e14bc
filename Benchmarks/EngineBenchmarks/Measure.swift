import Benchmark
import Glibc

/// What every benchmark reports: nanoseconds for one operation, from the CPU time of the thread unless the name says otherwise.
let perOperation = BenchmarkMetric.custom("ns per operation", polarity: .prefersSmaller, useScalingFactor: false)
/// The slow end of single operations, wall clock.
let slowest = BenchmarkMetric.custom("p99.9 ns", polarity: .prefersSmaller, useScalingFactor: false)

func nanoseconds(_ clock: clockid_t) -> Int {
  var time = timespec()
  clock_gettime(clock, &time)
  return time.tv_sec * 1_000_000_000 + time.tv_nsec
}

/// Registers a benchmark: `body` does `operations` operations on one thread, again and again.
func measure(_ name: String, operations: Int, clock: clockid_t = CLOCK_THREAD_CPUTIME_ID, _ body: @escaping () -> Void) {
  Benchmark(name, configuration: .init(metrics: [perOperation], warmupIterations: 2, maxDuration: .milliseconds(700), maxIterations: 300)) { benchmark in
    for _ in benchmark.scaledIterations {
      let begin = nanoseconds(clock)
      body()
      benchmark.measurement(perOperation, (nanoseconds(clock) - begin) / operations)
    }
  }
}
