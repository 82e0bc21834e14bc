// The release script (.ci/release) replaces this file in its export of the tree before it builds, with the first seven digits of the commit that it exports.
// A build straight from a checkout says "unknown": it may hold changes that no commit has.
extension Release {
  static let commit = "unknown"
}
