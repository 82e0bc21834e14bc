import Metrics
import Testing

@Suite struct ExpositionTests {
  static func text(_ registry: Registry, _ format: Exposition.Format = .text) -> String { String(decoding: Exposition(registry, format).bytes, as: UTF8.self) }

  static func sample() -> Registry {
    var registry = Registry()
    let requests = registry.counters("a_requests_total", "Requests \\ \"all\"\nof them.", by: .init("code", ["2xx", "5xx"]), .init("how", ["get"]))
    requests["5xx", "get"].add(3)
    registry.gauge("a_height", "Height.").set(12)
    _ = registry.gauge("a_nothing", "No value.")
    let spans = registry.histogram("a_wait_seconds", "Wait.", .secondsOfNanoseconds, [1_000_000, 2_500_000_000])
    spans.observe(1_000_000)
    spans.observe(1_000_001)
    spans.observe(3_000_000_000)
    registry.counter("a_cpu_seconds_total", "Time.", .secondsOfNanoseconds).set(1_500_000_000)
    return registry
  }

  /// A family in detail is shown when asked for; its exemplars have a place in OpenMetrics only.
  @Test func detailsAndExemplars() {
    var registry = Registry()
    registry.gauge("a_height", "Height.").set(1)
    let spans = registry.detail("a_wait_seconds", "Wait.", .secondsOfNanoseconds, [1_000_000], by: ["route", "code"], series: [["/a", "2xx"], ["/b", "4xx"]])
    spans["/b", "4xx"].observe(500_000)
    let exemplars: [Exemplar?] = [nil, nil, Exemplar(name: "request_id", text: "r-\"1", value: 500_000, unixMilliseconds: 1_700_000_000_007), nil]
    func text(_ format: Exposition.Format, details: Bool) -> String {
      String(decoding: Exposition(registry, format, details: details, exemplars: ["a_wait_seconds": exemplars]).bytes, as: UTF8.self)
    }
    #expect(!text(.openMetrics, details: false).contains("a_wait"))
    let plain = text(.text, details: true), open = text(.openMetrics, details: true)
    #expect(plain.contains("a_wait_seconds_bucket{route=\"/b\",code=\"4xx\",le=\"0.001\"} 1\n") && !plain.contains(" # {"))
    #expect(open.contains("a_wait_seconds_bucket{route=\"/b\",code=\"4xx\",le=\"0.001\"} 1 # {request_id=\"r-\\\"1\"} 0.0005 1700000000.007\n"))
    #expect(open.contains("a_wait_seconds_bucket{route=\"/b\",code=\"4xx\",le=\"+Inf\"} 1\n") && open.contains("a_wait_seconds_count{route=\"/a\",code=\"2xx\"} 0\n"))
  }

  @Test func theTextFormatIsExact() {
    #expect(
      Self.text(Self.sample()) == """
        # HELP a_requests_total Requests \\\\ \\"all\\"\\nof them.
        # TYPE a_requests_total counter
        a_requests_total{code="2xx",how="get"} 0
        a_requests_total{code="5xx",how="get"} 3
        # HELP a_height Height.
        # TYPE a_height gauge
        a_height 12
        # HELP a_nothing No value.
        # TYPE a_nothing gauge
        # HELP a_wait_seconds Wait.
        # TYPE a_wait_seconds histogram
        a_wait_seconds_bucket{le="0.001"} 1
        a_wait_seconds_bucket{le="2.5"} 2
        a_wait_seconds_bucket{le="+Inf"} 3
        a_wait_seconds_sum 3.002000001
        a_wait_seconds_count 3
        # HELP a_cpu_seconds_total Time.
        # TYPE a_cpu_seconds_total counter
        a_cpu_seconds_total 1.5

        """)
  }

  @Test func openMetricsNamesFamiliesUnitsAndTheEnd() {
    let text = Self.text(Self.sample(), .openMetrics)
    #expect(text.contains("# TYPE a_requests counter\na_requests_total{code=\"2xx\",how=\"get\"} 0\n"))
    #expect(text.contains("# TYPE a_wait_seconds histogram\n# UNIT a_wait_seconds seconds\n"))
    #expect(text.contains("# TYPE a_cpu_seconds counter\n# UNIT a_cpu_seconds seconds\na_cpu_seconds_total 1.5\n"))
    #expect(text.hasSuffix("# EOF\n"))
  }

  @Test(arguments: [
    ("application/openmetrics-text;version=1.0.0;q=0.5,text/plain;q=0.3", true), ("text/plain", false), ("", false), ("*/*", false),
    ("application/openmetrics-text; q=0", false),
  ])
  func theFormatIsChosenByAccept(_ accept: String, _ isOpenMetrics: Bool) {
    #expect((Exposition.Format(accept: accept) == .openMetrics) == isOpenMetrics)
  }

  @Test func aGaugeLosesItsSample() {
    var registry = Registry()
    let gauge = registry.gauge("a", "A.")
    gauge.set(0.25)
    #expect(Self.text(registry).contains("\na 0.25\n"))
    gauge.clear()
    #expect(!Self.text(registry).contains("\na "))
    gauge.set(Double.nan)
    #expect(gauge.value == nil)
  }

  @Test func countsFromManyThreadsAddUp() async {
    var registry = Registry()
    let counter = registry.counter("a_total", "A."), histogram = registry.histogram("b", "B.", .none, [10])
    await withTaskGroup(of: Void.self) { group in
      for _ in 0..<4 {
        group.addTask {
          for index in 0..<10_000 {
            counter.add()
            histogram.observe(UInt64(index % 20))
          }
        }
      }
    }
    #expect(counter.value == 40_000 && histogram.count == 40_000)
    #expect(Self.text(registry).contains("b_bucket{le=\"10\"} 22000\n"))
  }

  @Test func theCatalogueHoldsTheGuidesMetricsWithoutLabels() {
    let metrics = NodeMetrics(version: "1.0.0", commit: "abc", protocolVersion: "1", rejections: ["INVALID_EVENT"], requestSeries: [["/v1/status", "GET", "2xx"]], messageTypes: [])
    let names = metrics.registry.names
    for name in [
      "moloch_chain_height", "moloch_peer_count", "moloch_mempool_size", "moloch_block_time_ms", "moloch_sync_lag", "moloch_api_latency_ms", "moloch_storage_bytes",
      "moloch_storage_capacity",
    ] {
      #expect(names.contains(name))
      #expect(!Self.text(metrics.registry).contains("\n\(name){"), "\(name) has a label")
    }
    #expect(Self.text(metrics.registry).contains("moloch_build_info{version=\"1.0.0\",commit=\"abc\",protocol=\"1\"} 1\n"))
    #expect(Set(names).count == names.count)
  }
}
