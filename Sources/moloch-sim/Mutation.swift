import ArgumentParser
import Simulation

/// The switch for broken rules: in a build without mutants it only refuses.
enum Mutation {
  static func set(_ name: String?, _ options: inout World.Options) throws {
    guard let name else { return }
    #if MOLOCH_MUTANTS
      guard options.setMutant(name) else { throw ValidationError("no mutant '\(name)'; there are \(World.Options.mutants.joined(separator: ", "))") }
    #else
      throw ValidationError("'\(name)': this build has no mutants; perf/mutants makes one that has")
    #endif
  }
}
