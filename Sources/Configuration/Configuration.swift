// Configuration: what an operator can set, where a value comes from, and what is wrong with it.
//
// One table of keys (`Key.table`, by section in `Keys+*.swift`) says for each key its name, kind, range, default, whether a running node takes a new value,
// and what it means. Everything else is read from it:
//
//      node.toml ──CToml──► document ─┐
//      MOLOCH_SECTION_KEY ────────────┼─► Settings (value and origin of every key) + findings (errors and warnings with file:line:col)
//      --set, named flags ────────────┘        │
//                                              ├─► options of the node        ├─► config show, config explain, validate-config
//                                              └─► the node.toml of 'init'    └─► docs/configuration.md (a test compares)
//
// Invariants
// * Command line > environment > file > the defaults of `--dev` > defaults of the table.
// * All faults are found in one pass; a value with a fault leaves the one below it in place.
// * A key that the table does not name is an error with the nearest name that it has; parameters of the chain are named as such.
// * Pure: texts and variables come in as arguments, findings go out as values. File names in findings are what the caller calls them.
//
// Source: specification of operations, section 3. TOML 1.0 is read by toml++ behind CToml, the only place with unsafe code here.
