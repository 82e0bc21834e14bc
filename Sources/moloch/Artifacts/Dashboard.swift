import Bytes
import JSON

/// The dashboard for Grafana: rows of panels, each a few queries.
enum Dashboard {
  struct Panel {
    let title: String
    /// Grafana's name of the unit.
    let unit: String
    let queries: [(expression: String, legend: String)]
  }

  struct Row {
    let title: String
    let panels: [Panel]
  }

  private static func percentile(_ rank: String, of buckets: String) -> String {
    "histogram_quantile(\(rank), sum by (instance, le) (rate(\(buckets)[5m])))"
  }

  static let rows: [Row] = [
    Row(
      title: "Chain Health",
      panels: [
        Panel(title: "Block height over time", unit: "none", queries: [("moloch_chain_height", "{{instance}}")]),
        Panel(
          title: "Block production rate", unit: "none",
          queries: [("rate(moloch_blocks_committed_total[5m])", "{{instance}} blocks/s"), ("moloch_block_time_ms", "{{instance}} ms per block")]),
        Panel(
          title: "Finalization lag", unit: "s",
          queries: [("moloch_finality_lag_seconds", "{{instance}} oldest"), (percentile("0.99", of: "moloch_event_finality_seconds_bucket"), "{{instance}} p99")]),
      ]),
    Row(
      title: "Network",
      panels: [
        Panel(
          title: "Peer connections", unit: "none",
          queries: [("moloch_peer_count", "{{instance}} all"), ("moloch_peers", "{{instance}} {{direction}} {{role}}")]),
        Panel(title: "Bandwidth usage", unit: "Bps", queries: [("sum by (direction) (rate(moloch_network_bytes_total[1m]))", "{{direction}}")]),
        Panel(title: "Message rates", unit: "none", queries: [("sum by (type) (rate(moloch_network_messages_total[1m]))", "{{type}}")]),
      ]),
    Row(
      title: "Performance",
      panels: [
        Panel(
          title: "API latency percentiles", unit: "ms",
          queries: ["0.5", "0.9", "0.99"].map { (percentile($0, of: "moloch_api_latency_ms_bucket"), "{{instance}} p\($0.dropFirst(2) == "5" ? "50" : $0.dropFirst(2) == "9" ? "90" : "99")") }),
        Panel(
          title: "Mempool depth", unit: "none", queries: [("moloch_mempool_size", "{{instance}} pending"), ("moloch_mempool_capacity", "{{instance}} capacity")]),
        Panel(
          title: "Event throughput", unit: "none",
          queries: [("rate(moloch_events_accepted_total[1m])", "{{instance}} accepted/s"), ("rate(moloch_events_committed_total[1m])", "{{instance}} final/s")]),
      ]),
    Row(
      title: "Resources",
      panels: [
        Panel(title: "CPU usage", unit: "none", queries: [("rate(process_cpu_seconds_total[1m])", "{{instance}} cores")]),
        Panel(
          title: "Memory usage", unit: "bytes", queries: [("process_resident_memory_bytes", "{{instance}} resident"), ("moloch_cache_bytes", "{{instance}} {{cache}} cache")]),
        Panel(
          title: "Disk I/O", unit: "Bps",
          queries: [
            ("rate(moloch_process_disk_read_bytes_total[1m])", "{{instance}} read"), ("rate(moloch_process_disk_written_bytes_total[1m])", "{{instance}} written"),
          ]),
        Panel(title: "Disk usage", unit: "percentunit", queries: [("moloch_storage_bytes / moloch_storage_capacity", "{{instance}}")]),
      ]),
    Row(
      title: "Consensus",
      panels: [
        Panel(title: "Quorum margin", unit: "none", queries: [("moloch_consensus_quorum_margin", "{{instance}}")]),
        Panel(title: "Views", unit: "none", queries: [("rate(moloch_consensus_views_total[5m])", "{{instance}} {{outcome}}")]),
        Panel(
          title: "Step duration p99", unit: "s",
          queries: [("histogram_quantile(0.99, sum by (instance, step, le) (rate(moloch_consensus_step_duration_seconds_bucket[5m])))", "{{instance}} {{step}}")]),
        Panel(
          title: "Missed turns and votes", unit: "none", queries: [("increase(moloch_validator_missed_total[1h])", "{{instance}} {{kind}}")]),
        Panel(title: "Clock skew", unit: "s", queries: [("moloch_clock_skew_seconds", "{{instance}}")]),
        Panel(
          title: "Synced write p99", unit: "s",
          queries: [("histogram_quantile(0.99, sum by (instance, file, le) (rate(moloch_storage_fsync_seconds_bucket[5m])))", "{{instance}} {{file}}")]),
      ]),
  ]

  /// The file for Grafana's import: schema of Grafana 10, the data source is asked for.
  static var text: String {
    var json = JSONWriter()
    json.beginObject()
    json.key("uid"); json.string("moloch" as StaticString)
    json.key("title"); json.string("Moloch" as StaticString)
    json.key("tags"); json.beginArray(); json.string("moloch" as StaticString); json.endArray()
    json.key("schemaVersion"); json.number(39)
    json.key("editable"); json.bool(true)
    json.key("refresh"); json.string("15s" as StaticString)
    json.key("time"); json.beginObject()
    json.key("from"); json.string("now-1h" as StaticString)
    json.key("to"); json.string("now" as StaticString)
    json.endObject()
    json.key("templating"); json.beginObject()
    json.key("list"); json.beginArray()
    json.beginObject()
    for (name, value) in [("name", "datasource"), ("label", "Data source"), ("type", "datasource"), ("query", "prometheus")] {
      json.key(name); json.string(value)
    }
    json.endObject()
    json.endArray()
    json.endObject()
    json.key("panels"); json.beginArray()
    var (id, top) = (1, 0)
    for row in rows { write(row, &id, &top, &json) }
    json.endArray()
    json.endObject()
    return indented(json.bytes)
  }

  private static let height = 8
  /// Columns of Grafana's grid.
  private static let columns = 24

  private static func write(_ row: Row, _ id: inout Int, _ top: inout Int, _ json: inout JSONWriter) {
    begin(row.title, "row", id, x: 0, y: top, width: columns, height: 1, &json)
    json.key("collapsed"); json.bool(false)
    json.key("panels"); json.beginArray(); json.endArray()
    json.endObject()
    id += 1
    top += 1
    let perLine = row.panels.count == 4 ? 4 : 3, width = columns / perLine
    for (position, panel) in row.panels.enumerated() {
      begin(panel.title, "timeseries", id, x: position % perLine * width, y: top + position / perLine * height, width: width, height: height, &json)
      writeSource(&json)
      json.key("fieldConfig"); json.beginObject()
      json.key("defaults"); json.beginObject()
      json.key("unit"); json.string(panel.unit)
      json.endObject()
      json.key("overrides"); json.beginArray(); json.endArray()
      json.endObject()
      json.key("targets"); json.beginArray()
      for (index, query) in panel.queries.enumerated() {
        json.beginObject()
        json.key("refId"); json.string(["A", "B", "C"][index])
        writeSource(&json)
        json.key("expr"); json.string(query.expression)
        json.key("legendFormat"); json.string(query.legend)
        json.endObject()
      }
      json.endArray()
      json.endObject()
      id += 1
    }
    top += (row.panels.count + perLine - 1) / perLine * height
  }

  private static func begin(_ title: String, _ type: String, _ id: Int, x: Int, y: Int, width: Int, height: Int, _ json: inout JSONWriter) {
    json.beginObject()
    json.key("id"); json.number(id)
    json.key("type"); json.string(type)
    json.key("title"); json.string(title)
    json.key("gridPos"); json.beginObject()
    json.key("x"); json.number(x)
    json.key("y"); json.number(y)
    json.key("w"); json.number(width)
    json.key("h"); json.number(height)
    json.endObject()
  }

  private static func writeSource(_ json: inout JSONWriter) {
    json.key("datasource"); json.beginObject()
    json.key("type"); json.string("prometheus" as StaticString)
    json.key("uid"); json.string("${datasource}" as StaticString)
    json.endObject()
  }

  /// Compact JSON with line breaks and indents, so that a change of one panel is a change of a few lines.
  private static func indented(_ compact: [UInt8]) -> String {
    var (text, depth, isString, isEscaped) = ([UInt8](), 0, false, false)
    func lineBreak() -> [UInt8] { [0x0A] + [UInt8](repeating: 0x20, count: 2 * depth) }
    for (position, byte) in compact.enumerated() {
      if isString {
        text.append(byte)
        if byte == UInt8(ascii: "\""), !isEscaped { isString = false }
        isEscaped = byte == UInt8(ascii: "\\") && !isEscaped
        continue
      }
      let isEmpty = byte == UInt8(ascii: "]") && compact[position - 1] == UInt8(ascii: "[")
      switch byte {
      case UInt8(ascii: "\""):
        isString = true
        text.append(byte)
      case UInt8(ascii: "{"), UInt8(ascii: "["):
        depth += 1
        text.append(byte)
        if compact[position + 1] != UInt8(ascii: "]") { text += lineBreak() }
      case UInt8(ascii: "}"), UInt8(ascii: "]"):
        depth -= 1
        if !isEmpty { text += lineBreak() }
        text.append(byte)
      case UInt8(ascii: ","): text += [byte] + lineBreak()
      case UInt8(ascii: ":"): text += [byte, 0x20]
      default: text.append(byte)
      }
    }
    return String(decoding: text, as: UTF8.self) + "\n"
  }
}
