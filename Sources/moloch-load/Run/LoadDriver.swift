import Ambient
import Bytes
import Reactor

/// Drives connections against one or more targets in open loop: request k has its planned time, waits for a free connection when there is none,
/// and keeps that time, so that a stalled target cannot hide its latency.
struct LoadDriver: Driver {
  /// One connection: what it carries now.
  private struct Lane {
    var connection: ConnectionID
    var isConnected = false
    var isBusy = false
    var target: Int
    var request = 0
    var planned: UInt64 = 0
    var sent: UInt64 = 0
    var answer = AnswerScanner()
  }

  let corpus: Corpus
  let batch: Int
  let durationNanoseconds: UInt64
  let timeoutMilliseconds: UInt64
  private let targets: [Target]
  private var plan: LoadPlan
  private var lanes: [Lane] = []
  private var laneOfSlot: [Int]
  private var idle: [Int] = []
  private var start: UInt64 = 0
  private var nextRecord = 0
  private var message: [UInt8] = []
  private(set) var recorder = Recorder()
  /// Planned time of the request that carried a record, nanoseconds after the start; 0 = never sent.
  private(set) var plannedOfRecord: [UInt64]
  /// Target that accepted a record, -1 = not accepted.
  private(set) var acceptedBy: [Int8]
  private(set) var elapsedNanoseconds: UInt64 = 0
  private var inFlight = 0
  private(set) var isFinished = false

  private static let pulse: UInt64 = 1

  init(corpus: Corpus, targets: [Target], plan: LoadPlan, batch: Int, durationNanoseconds: UInt64, timeoutMilliseconds: UInt64, slots: Int) {
    self.corpus = corpus
    self.targets = targets
    self.plan = plan
    self.batch = batch
    self.durationNanoseconds = durationNanoseconds
    self.timeoutMilliseconds = timeoutMilliseconds
    laneOfSlot = Array(repeating: -1, count: slots)
    plannedOfRecord = Array(repeating: 0, count: corpus.count)
    acceptedBy = Array(repeating: -1, count: corpus.count)
  }

  /// Opens the connections, spread over the targets in turn, and starts the clock.
  mutating func begin(connections: Int, _ loop: Loop) {
    for index in 0..<connections {
      let target = index % targets.count
      lanes.append(Lane(connection: ConnectionID(rawValue: 0), target: target))
      open(index, loop)
    }
    start = loop.now.nanoseconds
    _ = loop.setTimer(loop.now.adding(milliseconds: 1), token: Self.pulse)
  }

  private mutating func open(_ lane: Int, _ loop: Loop) {
    guard let connection = loop.connect(targets[lanes[lane].target].address) else {
      recorder.failed(.connect)
      return
    }
    lanes[lane].connection = connection
    lanes[lane].answer = AnswerScanner()
    laneOfSlot[connection.slot] = lane
  }

  mutating func accepted(_ connection: ConnectionID, on listener: ListenerID, _ loop: Loop) {}

  mutating func connected(_ connection: ConnectionID, _ loop: Loop) {
    let lane = laneOfSlot[connection.slot]
    lanes[lane].isConnected = true
    idle.append(lane)
    dispatch(loop)
  }

  mutating func received(_ connection: ConnectionID, _ bytes: RawSpan, _ loop: Loop) -> Int {
    let lane = laneOfSlot[connection.slot]
    guard lanes[lane].isBusy else { loop.abort(connection); return bytes.byteCount }
    let consumed = lanes[lane].answer.feed(bytes)
    switch lanes[lane].answer.state {
    case .reading: break
    case .malformed: loop.abort(connection)
    case .complete(let status, let keepsAlive):
      complete(lane, status: status, loop)
      if keepsAlive {
        idle.append(lane)
      } else {
        loop.close(connection)
      }
      dispatch(loop)
    }
    return consumed
  }

  mutating func closed(_ connection: ConnectionID, _ reason: CloseReason, _ loop: Loop) {
    let lane = laneOfSlot[connection.slot]
    guard lane >= 0, lanes[lane].connection == connection else { return }
    laneOfSlot[connection.slot] = -1
    idle.removeAll { $0 == lane }
    if lanes[lane].isBusy {
      lanes[lane].isBusy = false
      inFlight -= 1
      // A timed-out request counts with at least the time-out, so that nothing is dropped from the latencies.
      let end = loop.now.nanoseconds - start
      recorder.answered(
        plannedToEnd: end - lanes[lane].planned, sentToEnd: end - lanes[lane].sent, lag: lanes[lane].sent - lanes[lane].planned)
      recorder.failed(reason == .timedOut ? .timeout : .reset)
    }
    lanes[lane].isConnected = false
    if case .connectFailed = reason { recorder.failed(.connect) }
    if !isFinished && !isOver(loop) { open(lane, loop) } else { finishIfIdle(loop) }
  }

  mutating func timer(_ token: UInt64, _ loop: Loop) {
    dispatch(loop)
    guard !isFinished else { return }
    if isOver(loop) { finishIfIdle(loop) }
    _ = loop.setTimer(loop.now.adding(milliseconds: 1), token: Self.pulse)
  }

  private func isOver(_ loop: Loop) -> Bool { loop.now.nanoseconds - start >= durationNanoseconds || nextRecord >= corpus.count }

  private mutating func finishIfIdle(_ loop: Loop) {
    guard !isFinished, inFlight == 0 else { return }
    elapsedNanoseconds = loop.now.nanoseconds - start
    isFinished = true
    loop.stop()
  }

  /// Sends what is due as long as connections are free.
  private mutating func dispatch(_ loop: Loop) {
    let now = loop.now.nanoseconds - start
    while !idle.isEmpty && nextRecord < corpus.count && now < durationNanoseconds {
      if !plan.isClosedLoop && plan.due > now { return }
      let lane = idle.removeLast()
      guard lanes[lane].isConnected, loop.isOpen(lanes[lane].connection) else { continue }
      lanes[lane].planned = plan.isClosedLoop ? now : plan.due
      if !plan.isClosedLoop { plan.advance() }
      send(lane, now: now, loop)
    }
  }

  private mutating func send(_ lane: Int, now: UInt64, _ loop: Loop) {
    let first = nextRecord
    let last = min(corpus.count, first + batch)
    nextRecord = last
    let content = corpus.range(first).lowerBound..<corpus.range(last - 1).upperBound
    message.removeAll(keepingCapacity: true)
    message += targets[lanes[lane].target].head(isBatch: batch > 1)
    message += String(content.count).utf8
    message += [13, 10, 13, 10]
    lanes[lane].isBusy = true
    lanes[lane].request = first
    lanes[lane].sent = now
    lanes[lane].answer = AnswerScanner()
    inFlight += 1
    for record in first..<last { plannedOfRecord[record] = max(1, lanes[lane].planned) }
    let connection = lanes[lane].connection
    loop.send(connection, message.bytes)
    loop.send(connection, corpus.contents.bytes.extracting(content))
    loop.setDeadline(connection, loop.now.adding(milliseconds: timeoutMilliseconds))
  }

  private mutating func complete(_ lane: Int, status: Int, _ loop: Loop) {
    let end = loop.now.nanoseconds - start
    lanes[lane].isBusy = false
    inFlight -= 1
    loop.setDeadline(lanes[lane].connection, nil)
    recorder.answered(plannedToEnd: end - lanes[lane].planned, sentToEnd: end - lanes[lane].sent, lag: lanes[lane].sent - lanes[lane].planned)
    let first = lanes[lane].request
    let last = min(corpus.count, first + batch)
    if let failure = Recorder.failure(status: status) {
      recorder.failed(failure)
      recorder.events(accepted: 0, rejected: last - first)
      return
    }
    let rejected = batch > 1 ? lanes[lane].answer.rejectedCount : 0
    recorder.events(accepted: last - first - rejected, rejected: rejected)
    for record in first..<last { acceptedBy[record] = Int8(lanes[lane].target) }
  }
}

/// A node under load.
struct Target {
  let host: String
  let port: UInt16
  let address: SocketAddress

  /// The head of a submission up to the number of `Content-Length`.
  func head(isBatch: Bool) -> [UInt8] {
    let path = isBatch ? "/v1/events/batch" : "/v1/events"
    let type = isBatch ? "application/vnd.moloch.events" : "application/vnd.moloch.event"
    return Array("POST \(path) HTTP/1.1\r\nHost: \(host)\r\nContent-Type: \(type)\r\nPrefer: return=minimal\r\nContent-Length: ".utf8)
  }
}
