/// Rules for Prometheus beside those of the operations guide, from one table.
enum AlertRules {
  struct Rule {
    let name: String
    let expression: String
    /// How long the expression must hold.
    let hold: String
    let severity: String
    let summary: String
  }

  /// The page with a section per alert, where no other place is given.
  static let standardRunbooks = "docs/monitoring/runbooks.md"

  static let table: [Rule] = [
    Rule(
      name: "MolochChainStalled", expression: "changes(moloch_chain_height[5m]) == 0", hold: "2m", severity: "critical",
      summary: "No new blocks in 5 minutes, restarts of the node included"),
    Rule(
      name: "MolochSlowBlocks", expression: "moloch_block_time_ms > 2000", hold: "5m", severity: "warning",
      summary: "Blocks take {{ $value }} ms"),
    Rule(
      name: "MolochApiLatencyHigh",
      expression: "histogram_quantile(0.99, sum by (instance, le) (rate(moloch_api_latency_ms_bucket[5m]))) > 500", hold: "5m", severity: "warning",
      summary: "API p99 is {{ $value }} ms"),
    Rule(
      name: "MolochNoPeers", expression: "moloch_peer_count == 0", hold: "2m", severity: "critical", summary: "The node has no peers"),
    Rule(
      name: "MolochQuorumMarginLow", expression: "moloch_consensus_quorum_margin < 1", hold: "2m", severity: "warning",
      summary: "Voting power above the quorum: {{ $value }}"),
    Rule(
      name: "MolochClockSkew", expression: "abs(moloch_clock_skew_seconds) > 0.25", hold: "5m", severity: "warning",
      summary: "The clock is {{ $value }} s off the median of the peers"),
    Rule(
      name: "MolochDoubleSignRefused", expression: "increase(moloch_validator_double_sign_refused_total[10m]) > 0", hold: "0m", severity: "critical",
      summary: "The vote journal refused a signature"),
    Rule(
      name: "MolochEquivocation", expression: "sum by (instance, job) (increase(moloch_evidence_total[10m])) > 0", hold: "0m", severity: "critical",
      summary: "A validator signed votes that contradict each other"),
    Rule(
      name: "MolochIntegrityError", expression: "increase(moloch_integrity_errors_total[10m]) > 0", hold: "0m", severity: "critical",
      summary: "Stored data in {{ $labels.component }} is damaged"),
    Rule(
      name: "MolochReadOnly", expression: "moloch_storage_read_only == 1", hold: "1m", severity: "critical",
      summary: "The disk is too full: the node accepts no events"),
    Rule(
      name: "MolochBackupOld", expression: "time() - moloch_backup_last_success_timestamp_seconds > 93600", hold: "10m", severity: "warning",
      summary: "The last backup is older than 26 hours"),
    Rule(
      name: "MolochCertificateExpiring", expression: "moloch_tls_certificate_expiry_timestamp_seconds - time() < 1209600", hold: "1h", severity: "warning",
      summary: "The TLS certificate of the {{ $labels.listener }} listener expires within 14 days"),
    Rule(
      name: "MolochSlowFsync",
      expression: "histogram_quantile(0.99, sum by (instance, le) (rate(moloch_storage_fsync_seconds_bucket[5m]))) > 0.05", hold: "10m", severity: "warning",
      summary: "p99 of a synced write is {{ $value }} s"),
    Rule(
      name: "MolochReloadFailed", expression: "moloch_config_last_reload_success == 0", hold: "5m", severity: "warning",
      summary: "The last reload of the configuration was rejected"),
    Rule(
      name: "MolochRestartLoop", expression: "changes(process_start_time_seconds{job=\"moloch\"}[15m]) > 3", hold: "0m", severity: "critical",
      summary: "The node restarted {{ $value }} times in 15 minutes"),
  ]

  /// - Parameter runbooks: address of the page that the links lead to.
  static func text(runbooks: String) -> String {
    var text = """
      # Made by 'moloch gen alerts'. The rules of the operations guide stand apart, in alerts-guide.yml.
      groups:
        - name: moloch-extra
          rules:

      """
    text += table.map { rule in
      """
            - alert: \(rule.name)
              expr: \(rule.expression)
              for: \(rule.hold)
              labels:
                severity: \(rule.severity)
              annotations:
                summary: "\(rule.summary)"
                runbook_url: "\(runbooks)#\(rule.name.lowercased())"

      """
    }.joined(separator: "\n")
    return text
  }
}
