import ArgumentParser
import Ambient
import Glibc

/// Runs the nodes of a local network as children, follows their logs, and ends them.
struct LocalnetSupervisor {
  private struct Member {
    var process: ChildProcess
    /// When a node that has ended starts again, monotonic milliseconds.
    var restartsAt: UInt64?
    /// Its end was reported, and nobody starts it again.
    var isGone = false
  }

  let plan: LocalnetPlan
  let program: String
  let followsLogs: Bool
  let logLevel: String
  /// Kills and restarts at random.
  var faults: SeededGenerator?
  private var members: [Member] = []
  private var nextFault: UInt64 = 0
  private let terminal: Terminal

  init(plan: LocalnetPlan, program: String, followsLogs: Bool, logLevel: String, faults: SeededGenerator?, terminal: Terminal) {
    self.plan = plan
    self.program = program
    self.followsLogs = followsLogs
    self.logLevel = logLevel
    self.faults = faults
    self.terminal = terminal
  }

  /// Starts all nodes, waits until they serve, and runs until a signal or until no node is left. A node that ends by itself before all have served ends the
  /// others; later its end is reported, the others stay, and with faults it starts again.
  /// - Parameter started: called once, when every node answers.
  mutating func run(started: () -> Void) throws(CommandFailure) {
    var signals = sigset_t()
    // The set is filled here and read by the calls.
    unsafe sigemptyset(&signals)
    for signal in [SIGINT, SIGTERM, SIGHUP] { unsafe sigaddset(&signals, signal) }
    unsafe sigprocmask(SIG_BLOCK, &signals, nil)
    for index in 0..<plan.count { members.append(Member(process: try start(index))) }
    try Files.replace(plan.pidPath, Array("\(getpid())\n".utf8))
    defer { _ = unsafe unlink(plan.pidPath) /* the path is lent to the call */ }
    var isStarted = false
    while true {
      if waitForSignal(&signals, milliseconds: 50) { break }
      follow()
      for index in members.indices where members[index].restartsAt == nil && !members[index].isGone && members[index].process.hasEnded {
        let end = "\(plan.name(index)) ended by itself: \(members[index].process.ending)"
        guard isStarted else {
          stop(&signals)
          throw CommandFailure(end, Exit.internalError)
        }
        report(end, of: index)
      }
      if members.allSatisfy({ $0.isGone }) { throw CommandFailure("no node of \(plan.directory) is left", Exit.internalError) }
      if !isStarted, areServing() {
        isStarted = true
        started()
      }
      if isStarted { try breakSomething() }
    }
    stop(&signals)
  }

  private mutating func report(_ end: String, of index: Int) {
    if faults == nil {
      members[index].isGone = true
      Terminal.note("localnet: \(end); the others run on. Start it again with: moloch run --home \(plan.home(index))")
    } else {
      members[index].restartsAt = SystemTime.monotonicMilliseconds() + 2000
      Terminal.note("localnet: \(end); it starts again in 2 s")
    }
  }

  private func start(_ index: Int) throws(CommandFailure) -> ChildProcess {
    try ChildProcess(program, ["run", "--home", plan.home(index), "--log-level", logLevel])
  }

  /// Waits for a signal of the set; true when one came.
  private func waitForSignal(_ signals: inout sigset_t, milliseconds: Int) -> Bool {
    var time = timespec(tv_sec: 0, tv_nsec: milliseconds * 1_000_000)
    // The kernel reads the set and the time.
    return unsafe sigtimedwait(&signals, nil, &time) > 0
  }

  private func areServing() -> Bool {
    (0..<plan.count).allSatisfy { index in
      guard let endpoint = try? Endpoint(url: "http://" + plan.api(index)) else { return false }
      return (try? NodeClient(endpoint, timeoutMilliseconds: 1000).get("/v1/status"))?.status == 200
    }
  }

  private func follow() {
    for index in members.indices {
      for line in members[index].process.lines() where followsLogs {
        Terminal.note(terminal.styled("\(plan.name(index)) |", .dim) + " " + line)
      }
    }
  }

  private mutating func breakSomething() throws(CommandFailure) {
    guard var random = faults else { return }
    let now = SystemTime.monotonicMilliseconds()
    for index in members.indices {
      guard let time = members[index].restartsAt, now >= time else { continue }
      guard members[index].process.hasEnded else { continue }
      Terminal.note("localnet: \(plan.name(index)) starts again")
      members[index] = Member(process: try start(index))
    }
    if nextFault == 0 { nextFault = now + 3000 }
    if now >= nextFault, !members.isEmpty {
      let index = Int.random(in: members.indices, using: &random)
      if members[index].restartsAt == nil {
        Terminal.note("localnet: \(plan.name(index)) is killed")
        members[index].process.signal(SIGKILL)
        members[index].restartsAt = now + UInt64.random(in: 500...5000, using: &random)
      }
      nextFault = now + UInt64.random(in: 2000...8000, using: &random)
    }
    faults = random
  }

  /// Ends all nodes cleanly; a second signal, or a minute, ends them at once.
  private mutating func stop(_ signals: inout sigset_t) {
    for member in members { member.process.signal(SIGTERM) }
    let deadline = SystemTime.monotonicMilliseconds() + 60_000
    while !members.allSatisfy({ $0.process.hasEnded }) {
      if waitForSignal(&signals, milliseconds: 20) || SystemTime.monotonicMilliseconds() > deadline {
        for member in members { member.process.signal(SIGKILL) }
      }
      follow()
    }
    follow()
  }
}
