import ArgumentParser
import Configuration
import MolochNode

/// Prints files for what stands around a node. With the defaults they are those under `docs/`.
struct GenCommand: ParsableCommand {
  enum Kind: String, CaseIterable, ExpressibleByArgument { case prometheus, alerts, grafana, systemd, logrotate, haproxy, nginx, sysctl, man }

  static let configuration = CommandConfiguration(
    commandName: "gen", abstract: "Print a file for what stands around a node, from its configuration.",
    discussion: """
      prometheus, alerts, grafana: scrape configuration, alert rules, dashboard. systemd, logrotate, sysctl: unit and system files.
      haproxy, nginx: a balancer in front of API nodes. man: manual pages, from the commands and the keys themselves.
      """)

  @Argument(help: ArgumentHelp("prometheus, alerts, grafana, systemd, logrotate, haproxy, nginx, sysctl or man.", valueName: "kind")) var kind: Kind
  @Argument(help: ArgumentHelp("For man: a command such as 'peers', or 'node.toml'; without it the page of moloch itself.", valueName: "page")) var page: String?
  @Flag(help: "For alerts: the rules of the operations guide instead of those beside them.") var guide = false
  @Option(help: ArgumentHelp("For alerts: the page that the runbook links lead to.", valueName: "url")) var runbooks = AlertRules.standardRunbooks
  @Option(help: ArgumentHelp("For haproxy and nginx: the API nodes, HOST:PORT separated by commas.", valueName: "a,b"))
  var servers = "10.0.0.1:8080,10.0.0.2:8080,10.0.0.3:8080"
  @OptionGroup var global: GlobalOptions

  func validate() throws {
    guard page == nil || kind == .man else { throw ValidationError("'\(page ?? "")' is too much: only 'gen man' takes a page") }
  }

  func run() throws {
    let loaded = try LoadedConfiguration(global)
    _ = try loaded.checked()
    Terminal.write(try text(loaded), to: 1)
  }

  private func text(_ loaded: LoadedConfiguration) throws(CommandFailure) -> String {
    let system = SystemFiles(home: Home.absolute(loaded.home), settings: loaded.settings)
    switch kind {
    case .prometheus: return system.prometheus
    case .alerts: return guide ? AlertRules.guide : AlertRules.text(runbooks: runbooks)
    case .grafana: return Dashboard.text
    case .systemd: return system.systemd
    case .logrotate: return system.logrotate
    case .sysctl: return SystemFiles.sysctl
    case .haproxy:
      let files = try balancer(loaded.settings)
      if let complaint = files.complaint { global.note("warning: \(complaint)") }
      return files.haproxy
    case .nginx: return try balancer(loaded.settings).nginx
    case .man: return try ManualPage.text(page)
    }
  }

  private func balancer(_ settings: Settings) throws(CommandFailure) -> BalancerFiles {
    let names = servers.split(separator: ",").map(String.init)
    for name in names {
      guard let colon = name.lastIndex(of: ":"), UInt16(name[name.index(after: colon)...]) != nil, colon != name.startIndex else {
        throw CommandFailure("--servers: '\(name)' is not HOST:PORT", Exit.usage)
      }
    }
    guard !names.isEmpty else { throw CommandFailure("--servers names no node", Exit.usage) }
    return BalancerFiles(settings: settings, servers: names)
  }
}

struct CompletionCommand: ParsableCommand {
  enum Shell: String, CaseIterable, ExpressibleByArgument { case bash, zsh, fish }

  static let configuration = CommandConfiguration(commandName: "completion", abstract: "Print the completions of a shell: bash, zsh or fish.")

  @Argument(help: ArgumentHelp("bash, zsh or fish.", valueName: "shell")) var shell: Shell

  func run() {
    let kind: CompletionShell =
      switch shell {
      case .bash: .bash
      case .zsh: .zsh
      case .fish: .fish
      }
    Terminal.print(Root.completionScript(for: kind))
  }
}
