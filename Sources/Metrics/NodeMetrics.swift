/// All metrics of a node, by part. The declarations are the catalogue; what is not declared here does not exist.
public struct NodeMetrics: Sendable {
  public let registry: Registry
  public let chain: ChainMetrics
  public let consensus: ConsensusMetrics
  public let network: NetworkMetrics
  public let sync: SyncMetrics
  public let mempool: MempoolMetrics
  public let api: APIMetrics
  public let storage: StorageMetrics
  public let process: ProcessMetrics

  /// - Parameters:
  ///   - version: of the program, with `commit` and the protocol it speaks.
  ///   - rejections: codes with which submissions are refused.
  ///   - requestSeries: route, method and class of status of each series of request times.
  ///   - messageTypes: names of the messages between peers; none where there is no network.
  public init(version: String, commit: String, protocolVersion: String, rejections: [String], requestSeries: [[String]], messageTypes: [String]) {
    var registry = Registry()
    chain = ChainMetrics(&registry, version: version, commit: commit, protocolVersion: protocolVersion)
    consensus = ConsensusMetrics(&registry)
    network = NetworkMetrics(&registry, messageTypes: messageTypes)
    sync = SyncMetrics(&registry)
    mempool = MempoolMetrics(&registry, rejections: rejections)
    api = APIMetrics(&registry, requestSeries: requestSeries)
    storage = StorageMetrics(&registry)
    process = ProcessMetrics(&registry)
    self.registry = registry
  }
}
