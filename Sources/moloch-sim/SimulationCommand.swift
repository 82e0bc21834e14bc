import ArgumentParser
import Digests
import Glibc
import Simulation

/// Runs, replays and shortens simulations.
@main struct SimulationCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "moloch-sim", abstract: "Runs clusters of replicas on simulated networks and disks.",
    discussion: """
      Exit codes: 0 all properties held; 10 agreement, 11 validity, 12 double vote, 13 vote before its record, 14 durability, 15 certificates, 16 liveness, \
      17 bounds, 18 determinism, 19 halt, 20 an honest node was penalised, 21 membership; 64 usage.
      """,
    subcommands: [Run.self, Replay.self, Shrink.self])
}

/// What the seed does not decide.
struct ScenarioOptions: ParsableArguments {
  @Option(help: "Validators of every run; without it the seed decides among 1, 4, 7, 10 and 31.") var nodes: Int?
  @Option(help: "Kind of trouble of every run: \(Self.families); without it the seed decides.") var family: String?
  @Flag(help: "Nobody lies.") var noByzantine = false
  @Flag(help: "Nothing breaks.") var noFaults = false
  @Option(help: "Leaves out all but the first faults of the plan.") var faults: Int?
  @Option(help: "Breaks one rule on purpose; only in builds with mutants.") var mutant: String?

  private static var families: String { Scenario.Family.allCases.map(\.rawValue).joined(separator: ", ") }

  /// These options, as a command line to replay one of the seeds with.
  var arguments: String {
    (nodes.map { " --nodes \($0)" } ?? "") + (family.map { " --family \($0)" } ?? "") + (noByzantine ? " --no-byzantine" : "")
      + (noFaults ? " --no-faults" : "") + (faults.map { " --faults \($0)" } ?? "") + (mutant.map { " --mutant \($0)" } ?? "")
  }

  func scenario(_ seed: UInt64) -> Scenario {
    var options = Scenario.Options()
    options.nodes = nodes
    options.family = family.flatMap { Scenario.Family(rawValue: $0) }
    options.hasByzantine = !noByzantine
    options.hasFaults = !noFaults
    options.faultsMax = faults
    return Scenario(seed: seed, options: options)
  }

  func world(_ scenario: Scenario, trace: Bool = false) throws -> World {
    var options = World.Options()
    if trace { options.trace = { line in Output.line(line) } }
    try Mutation.set(mutant, &options)
    return World(scenario, options: options)
  }

  func validate() throws {
    if let nodes, !(1...31).contains(nodes) { throw ValidationError("--nodes is from 1 to 31") }
    if let family, Scenario.Family(rawValue: family) == nil { throw ValidationError("no family '\(family)'") }
  }
}

struct Run: ParsableCommand {
  static let configuration = CommandConfiguration(abstract: "Runs many seeds; stops at the first failure.")
  @OptionGroup var options: ScenarioOptions
  @Option(help: "Number of seeds.") var seeds: UInt64 = 100
  @Option(help: "First seed; without it a fresh one is drawn and printed.") var first: UInt64?
  @Option(help: "Every so many seeds one is run twice and the runs are compared; 0: none.") var twice: UInt64 = 50
  @Flag(help: "Goes on after failures and lists them.") var keepGoing = false
  @Flag(help: "Prints a line for each run.") var each = false
  @Flag(help: "Prints the totals as JSON.") var json = false

  func run() throws {
    var random = SystemRandomNumberGenerator()
    let first = first ?? random.next() >> 24
    var totals = Totals()
    for seed in first..<first + seeds {
      let outcome = try execute(seed)
      totals.add(outcome)
      if each { Output.line(options.scenario(seed).text + ", " + outcome.statistics.text) }
      var failure = outcome.failure
      if failure == nil, twice > 0, seed % twice == 0, try execute(seed).digest != outcome.digest {
        failure = Failure(kind: .determinism, milliseconds: 0, detail: "a second run went another way")
      }
      if let failure {
        Output.line("seed \(seed): \(failure)")
        Output.line("  moloch-sim replay \(seed)\(options.arguments)")
        totals.failures += 1
        if totals.firstFailure == nil { totals.firstFailure = failure.kind }
        if !keepGoing { break }
      }
    }
    Output.line(json ? totals.json(first: first) : totals.text(first: first))
    if let failure = totals.firstFailure { throw ExitCode(failure.rawValue) }
  }

  private func execute(_ seed: UInt64) throws -> World.Outcome {
    var world = try options.world(options.scenario(seed))
    return world.run()
  }
}

struct Replay: ParsableCommand {
  static let configuration = CommandConfiguration(abstract: "Runs one seed and tells what happens.")
  @OptionGroup var options: ScenarioOptions
  @Argument var seed: UInt64
  @Flag(help: "Prints only how it ended.") var quiet = false

  func run() throws {
    let scenario = options.scenario(seed)
    Output.line("nodes \(scenario.nodes) powers \(scenario.powers) epoch length \(scenario.epochLength) block time \(scenario.blockTimeMilliseconds) ms")
    for role in scenario.roles { Output.line("node \(role.node): \(role.role.rawValue)") }
    for fault in scenario.faults { Output.line("fault: \(fault.kind)") }
    var world = try options.world(scenario, trace: !quiet)
    let outcome = world.run()
    Output.line("\(outcome.statistics)")
    Output.line("digest \(outcome.digest)")
    if let failure = outcome.failure {
      Output.line("\(failure)")
      throw ExitCode(failure.kind.rawValue)
    }
  }
}

struct Shrink: ParsableCommand {
  static let configuration = CommandConfiguration(abstract: "Looks for the shortest plan of faults that still fails.")
  @OptionGroup var options: ScenarioOptions
  @Argument var seed: UInt64

  func run() throws {
    var shortest: (faults: Int, failure: Failure)?
    let all = options.scenario(seed).faults.count
    for count in 0...all {
      var tried = options
      tried.faults = count
      var world = try tried.world(tried.scenario(seed))
      if let failure = world.run().failure {
        shortest = (count, failure)
        break
      }
    }
    guard let shortest else { return Output.line("seed \(seed) holds with every part of its plan") }
    Output.line("seed \(seed) fails with the first \(shortest.faults) of \(all) faults: \(shortest.failure)")
    var shown = options
    shown.faults = shortest.faults
    Output.line("  moloch-sim replay \(seed)\(shown.arguments)")
    throw ExitCode(shortest.failure.kind.rawValue)
  }
}
