// Metrics: counters, gauges and histograms as padded atomics, and their text for Prometheus.
//
// Every family is declared once, in the catalogue (`*Metrics.swift`, one struct per part of the node): its name, unit, help and labels in one line, and the
// property that holds its handle. A part of the node is given its struct and counts through the handles; a scrape reads all of them.
//
//      ChainMetrics.blocksCommitted.add() ──► word ◄── Exposition(format) ──► GET /metrics
//
// Invariants
// * A handle is a value: counting is one relaxed addition, without a lock, a look-up or an allocation. Series lie 128 bytes apart.
// * Every label value is in the declaration: no series appears while the node runs.
// * Counters and histograms stand at 0 from the start; a gauge without a value has no sample.
// * Values travel as whole numbers of a raw unit (nanoseconds, bytes); the declaration says how many make one unit of the name.
// * Pure: nothing here reads a clock or the system.
//
// Sources: Prometheus text format 0.0.4; OpenMetrics 1.0; specification of operations, section 4.
