import Bytes
import HTTP1
import Metrics

extension Route {
  /// Value of the label `route` in the metrics: the path with its variable parts in braces.
  var label: Int {
    switch self {
    case .index: 0
    case .health: 1
    case .ready: 2
    case .status: 3
    case .peers: 4
    case .events: 5
    case .eventBatch: 6
    case .event: 7
    case .eventRaw: 8
    case .block: 9
    case .inclusionProof: 10
    case .consistencyProof: 11
    case .checkpoint: 12
    case .genesis: 13
    case .validators: 14
    case .validatorHistory: 15
    case .validator: 16
    case .signer: 17
    case .governance: 18
    case .policy: 19
    case .consensusState: 20
    case .evidence: 21
    case .tlogCheckpoint: 22
    case .tile: 23
    case .metrics, .maintenance, .adminPeers, .node: RequestDetails.other
    }
  }
}

/// Latency of every route of the API by class of status, with the id of the last request in each bucket; kept while `metrics.detailed_histograms` is set.
struct RequestDetails {
  /// Index of what belongs to no route of the API, and of methods that a route does not have.
  static let other = 24
  private static let routes = [
    "/", "/v1/health", "/v1/ready", "/v1/status", "/v1/peers", "/v1/events", "/v1/events/batch", "/v1/events/{id}", "/v1/events/{id}/raw", "/v1/blocks/{ref}",
    "/v1/proofs/inclusion", "/v1/proofs/consistency", "/v1/checkpoint", "/v1/genesis", "/v1/validators", "/v1/validators/history", "/v1/validators/{key}",
    "/v1/signers/{key}", "/v1/governance", "/v1/policy", "/v1/consensus/state", "/v1/evidence", "/tlog/checkpoint", "/tlog/tile", "other",
  ]
  private static let posts = [Route.events.label, Route.eventBatch.label]
  private static let classes = ["2xx", "3xx", "4xx", "5xx"]

  /// Values of the labels `route`, `method` and `code` of every series, in the order of the counts. HEAD counts as GET.
  static let series: [[String]] = routes.indices.flatMap { route in
    classes.map { [routes[route], route == other ? "other" : posts.contains(route) ? "POST" : "GET", $0] }
  }
  /// Upper bounds of the buckets, nanoseconds.
  static let bounds = Registry.spans
  private static let stride = bounds.count + 1

  private struct Sample {
    var id = RequestID()
    var nanoseconds: UInt64 = 0
    var unixMilliseconds: UInt64 = 0
  }

  private var counts: [UInt64] = []
  private var sums: [UInt64] = []
  private var samples: [Sample] = []

  /// Counts an answer; the first one allocates.
  mutating func observe(_ route: Route?, _ method: Method, status: Int, nanoseconds: UInt64, id: RequestID, unixMilliseconds: UInt64) {
    if counts.isEmpty {
      counts = Array(repeating: 0, count: Self.series.count * Self.stride)
      sums = Array(repeating: 0, count: Self.series.count)
      samples = Array(repeating: Sample(), count: Self.series.count * Self.stride)
    }
    let expected: Method = Self.posts.contains(route?.label ?? Self.other) ? .post : .get
    let isOwn = method == expected || method == .head && expected == .get
    let label = isOwn ? route?.label ?? Self.other : Self.other
    let position = label * Self.classes.count + max(2, min(5, status / 100)) - 2
    let bucket = Self.bounds.firstIndex { nanoseconds <= $0 } ?? Self.bounds.count
    counts[position * Self.stride + bucket] += 1
    sums[position] += nanoseconds
    samples[position * Self.stride + bucket] = Sample(id: id, nanoseconds: nanoseconds, unixMilliseconds: unixMilliseconds)
  }

  /// Copies the counts. Returns an exemplar for each bucket that has one, series by series.
  func copy(to histograms: Series<Histogram>) -> [Exemplar?] {
    guard !counts.isEmpty else { return [] }
    for position in sums.indices {
      histograms[position].set(buckets: Array(counts[position * Self.stride..<(position + 1) * Self.stride]), sum: sums[position])
    }
    return samples.map { $0.id.isEmpty ? nil : Exemplar(name: "request_id", text: $0.id.text, value: $0.nanoseconds, unixMilliseconds: $0.unixMilliseconds) }
  }
}
