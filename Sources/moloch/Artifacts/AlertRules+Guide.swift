extension AlertRules {
  /// The six rules of the operations guide, byte for byte: operators know them by these names and thresholds.
  static let guide = """
    # Alert rules (Prometheus)
    groups:
      - name: moloch
        rules:
          - alert: MolochNodeDown
            expr: up{job="moloch"} == 0
            for: 1m
            labels:
              severity: critical
            annotations:
              summary: "Moloch node is down"

          - alert: MolochNotProducingBlocks
            expr: increase(moloch_chain_height[5m]) == 0
            for: 5m
            labels:
              severity: critical
            annotations:
              summary: "No new blocks in 5 minutes"

          - alert: MolochLowPeerCount
            expr: moloch_peer_count < 3
            for: 5m
            labels:
              severity: warning
            annotations:
              summary: "Low peer count: {{ $value }}"

          - alert: MolochHighMempool
            expr: moloch_mempool_size > 10000
            for: 10m
            labels:
              severity: warning
            annotations:
              summary: "Mempool backlog: {{ $value }} events"

          - alert: MolochSyncLag
            expr: moloch_sync_lag > 10
            for: 5m
            labels:
              severity: warning
            annotations:
              summary: "Node is {{ $value }} blocks behind"

          - alert: MolochDiskSpaceLow
            expr: moloch_storage_bytes / moloch_storage_capacity > 0.8
            for: 30m
            labels:
              severity: warning
            annotations:
              summary: "Disk usage above 80%"

    """
}
