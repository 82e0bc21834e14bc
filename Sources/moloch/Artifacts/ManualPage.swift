import ArgumentParser
import Configuration
import JSON

/// Manual pages in roff, made from the command table and the table of keys: what a page says is what the program takes.
enum ManualPage {
  /// - Parameter name: a command's words (`peers`, `peers add`), `node.toml`, or nil for the program itself.
  static func text(_ name: String?) throws(CommandFailure) -> String {
    if name == "node.toml" { return configuration }
    let help: StrictJSON
    do { help = try StrictJSON(parsing: Array(Root._dumpHelp().utf8), byteCountMax: 4 << 20) } catch {
      throw CommandFailure("the command table does not describe itself: \(error)", Exit.internalError)
    }
    guard var command = help["command"] else { throw CommandFailure("the command table is empty", Exit.internalError) }
    var words = ["moloch"]
    for word in (name ?? "").split(separator: " ") {
      guard let next = command["subcommands"]?.array?.first(where: { $0["commandName"]?.string == String(word) }) else {
        throw CommandFailure("no manual page '\(name ?? "")'; 'moloch --help' lists the commands", Exit.usage)
      }
      command = next
      words.append(String(word))
    }
    return page(words, command)
  }

  private static func page(_ words: [String], _ command: StrictJSON) -> String {
    let title = words.joined(separator: "-")
    var text = head(title.uppercased(), 1)
    text += ".SH NAME\n\(escaped(title)) \\- \(escaped(lowered(command["abstract"]?.string ?? "")))\n"
    text += ".SH SYNOPSIS\n.B \(escaped(words.joined(separator: " ")))\n\(escaped(synopsis(command)))\n"
    if let discussion = command["discussion"]?.string, !discussion.isEmpty { text += ".SH DESCRIPTION\n\(escaped(discussion))\n" }
    let children = (command["subcommands"]?.array ?? []).filter { $0["commandName"]?.string != "help" }
    text += section("COMMANDS", children.map { ($0["commandName"]?.string ?? "", $0["abstract"]?.string ?? "") })
    // The pages of a group hold those of its members: nobody looks for moloch-peers-add.
    if words.count > 1 {
      for child in children {
        let name = child["commandName"]?.string ?? ""
        text += ".SH \(escaped((words.dropFirst() + [name]).joined(separator: " ").uppercased()))\n"
        text += "\(escaped(child["abstract"]?.string ?? ""))\n.PP\n.B \(escaped((words + [name]).joined(separator: " ")))\n\(escaped(synopsis(child)))\n"
        if let discussion = child["discussion"]?.string, !discussion.isEmpty { text += ".PP\n\(escaped(discussion))\n" }
        text += items(arguments(child))
      }
    }
    text += section("OPTIONS", arguments(command))
    text += section("EXIT STATUS", exitCodes)
    text += words.count == 1 ? section("FILES", files) : ""
    text += ".SH SEE ALSO\n" + (words.count == 1 ? ".BR moloch\\-node.toml (5)" : ".BR moloch (1),\n.BR moloch\\-node.toml (5)") + "\n"
    return text
  }

  /// Arguments, options and flags with what they mean.
  private static func arguments(_ command: StrictJSON) -> [(String, String)] {
    (command["arguments"]?.array ?? []).filter { $0["shouldDisplay"]?.value == .bool(true) }.map { argument in
      let value = argument["valueName"]?.string ?? "value"
      let names = (argument["names"]?.array ?? []).map { ($0["kind"]?.string == "short" ? "-" : "--") + ($0["name"]?.string ?? "") }.joined(separator: ", ")
      let label: String
      switch argument["kind"]?.string {
      case "positional": label = "<\(value)>"
      case "option": label = "\(names) <\(value)>"
      default: label = names
      }
      let standard = argument["defaultValue"]?.string.map { " Default: \($0)." } ?? ""
      return (label, (argument["abstract"]?.string ?? "") + standard)
    }
  }

  private static func synopsis(_ command: StrictJSON) -> String {
    if let children = command["subcommands"]?.array, !children.isEmpty { return "<command> [options]" }
    let positional = (command["arguments"]?.array ?? []).filter { $0["kind"]?.string == "positional" }.map { argument in
      let name = "<\(argument["valueName"]?.string ?? "value")>" + (argument["isRepeating"]?.value == .bool(true) ? " ..." : "")
      return argument["isOptional"]?.value == .bool(true) ? "[\(name)]" : name
    }
    return (positional + ["[options]"]).joined(separator: " ")
  }

  private static let exitCodes: [(String, String)] = [
    ("0", "Done."), ("1, 3, 4", "verify only: invalid, not anchored, a demand is not met."), ("2", "Checked, and the answer is no."), ("64", "Wrong usage."),
    ("65", "Data is damaged or malformed."), ("66", "An input file is missing."), ("69", "The node cannot be reached."), ("70", "Internal error."),
    ("73", "Something would be overwritten."), ("74", "Input or output failed."), ("75", "Temporary: a port or lock is taken, or time ran out."),
    ("77", "Permission."), ("78", "Configuration, or data of another format."),
  ]

  private static let files: [(String, String)] = [
    ("/opt/moloch/config/node.toml", "Configuration."), ("/opt/moloch/config/genesis.json", "Genesis of the chain."), ("/opt/moloch/keys/", "Keys of node and validator."),
    ("/opt/moloch/data/", "The chain's data."), ("/opt/moloch/logs/moloch.log", "Log."),
  ]

  /// The page of the configuration file, section 5.
  private static var configuration: String {
    var text = head("MOLOCH-NODE.TOML", 5)
    text += ".SH NAME\nmoloch\\-node.toml \\- configuration of a Moloch node\n.SH DESCRIPTION\n"
    text += escaped(
      """
      A value comes from the command line (--set SECTION.KEY=VALUE), else from the environment (MOLOCH_SECTION_KEY), else from config/node.toml, else it is the
      default. Keys marked (reload) are taken by a running node at SIGHUP.
      """) + "\n"
    var section = ""
    for key in Key.table {
      if key.section != section {
        section = key.section
        text += ".SH [\(escaped(section.uppercased()))]\n"
      }
      let standard = key.standard?.toml ?? "unset"
      let remarks = (key.isReloadable ? " (reload)" : "") + (Key.isInert(key.name) ? " (no effect in this release)" : "")
      text += item("\(key.name) = \(standard)", "\(key.text) Accepts: \(key.shape).\(remarks)")
    }
    return text + ".SH SEE ALSO\n.BR moloch (1)\n"
  }

  private static func head(_ title: String, _ section: Int) -> String {
    ".\\\" Made by 'moloch gen man'.\n.TH \"\(escaped(title))\" \"\(section)\" \"\" \"Moloch \(Release.version)\" \"Moloch\"\n.nh\n.ad l\n"
  }

  private static func section(_ title: String, _ members: [(String, String)]) -> String { members.isEmpty ? "" : ".SH \(title)\n" + items(members) }
  private static func items(_ members: [(String, String)]) -> String { members.map { item($0.0, $0.1) }.joined() }
  private static func item(_ label: String, _ text: String) -> String { ".TP\n.B \(escaped(label))\n\(escaped(text))\n" }

  private static func lowered(_ text: String) -> String {
    let text = text.hasSuffix(".") ? String(text.dropLast()) : text
    return text.prefix(1).lowercased() + text.dropFirst()
  }

  /// Backslashes, dashes and quotes mean something to roff, and so do a dot and an apostrophe that begin a line.
  private static func escaped(_ text: String) -> String {
    text.split(separator: "\n", omittingEmptySubsequences: false).map { line in
      var escaped = line.hasPrefix(".") || line.hasPrefix("'") ? "\\&" : ""
      for character in line {
        switch character {
        case "\\": escaped += "\\e"
        case "\"": escaped += "\\(dq"
        case "-": escaped += "\\-"
        default: escaped.append(character)
        }
      }
      return escaped
    }.joined(separator: "\n")
  }
}
