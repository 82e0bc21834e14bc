/// Texts made from the table of keys.
public enum Manual {
  /// Sections in the order of the table.
  static var sections: [String] {
    var sections: [String] = []
    for key in Key.table where sections.last != key.section && !sections.contains(key.section) { sections.append(key.section) }
    return sections
  }

  /// A `node.toml` with every key: those of `values` are set, the others stand as comments with their defaults.
  public static func nodeFile(_ values: [(key: String, value: Value)]) -> String {
    var text = """
      # Configuration of a Moloch node. Lines that begin with '#' show the defaults.
      # 'moloch config explain KEY' says more; 'moloch validate-config' checks this file.

      """
    for section in sections {
      text += "\n[\(section)]\n"
      for key in Key.table where key.section == section {
        text += "# \(key.text) (\(key.shape)\(key.isReloadable ? "; reload" : ""))\n"
        if let set = values.last(where: { $0.key == key.name }) {
          text += "\(key.leaf) = \(set.value.toml)\n"
        } else if let standard = key.standard {
          text += "# \(key.leaf) = \(standard.toml)\n"
        } else {
          text += "# \(key.leaf) is unset\n"
        }
      }
    }
    return text
  }

  /// The manual page of all keys, in Markdown.
  public static var page: String {
    var text = """
      # Configuration

      Made from the table of keys in `Sources/Configuration`; a test compares.

      A value comes from the command line (`--set SECTION.KEY=VALUE` or a flag of its own), else from the environment (`MOLOCH_SECTION_KEY`, lists with
      commas), else from `config/node.toml` (TOML 1.0), else it is the default. Spans of time are written `"500ms" "30s" "5m" "24h" "7d"`, sizes `"10MB"` or
      `"16MiB"`. Relative paths start at the node's home. **R**: SIGHUP makes a running node take a new value.
      `moloch validate-config` checks a file, `moloch config show [KEY] --origin` prints what is in force, `moloch config explain KEY` one key.
      Keys without effect in this release are listed in [limits.md](limits.md).

      """
    for section in sections {
      text += "\n## \(section)\n\n| key | value | default | R | meaning |\n|---|---|---|---|---|\n"
      for key in Key.table where key.section == section {
        let standard = key.standard.map { "`\($0.toml)`" } ?? "unset"
        text += "| `\(key.leaf)` | \(key.shape) | \(standard) | \(key.isReloadable ? "R" : "") | \(key.text) |\n"
      }
    }
    return text
  }

  /// What `config explain` prints.
  public static func explanation(_ key: Key, _ entry: Settings.Entry) -> String {
    let value = shown(key, entry.value)
    return """
      \(key.name)
        \(key.text)
        Value:        \(value) (\(entry.origin))
        Default:      \(key.standard?.toml ?? "unset")
        Accepts:      \(key.shape)
        Environment:  \(key.variable)
        Reload:       \(key.isReloadable ? "yes, by SIGHUP" : "no, needs a restart")\(Key.isInert(key.name) ? "\n  Effect:       none in this release" : "")
      """
  }

  /// A value for people's eyes; secrets are not shown.
  public static func shown(_ key: Key, _ value: Value?) -> String { key.isSecret ? "<redacted>" : value?.toml ?? "unset" }
}
