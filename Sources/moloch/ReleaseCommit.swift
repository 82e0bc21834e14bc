import CRelease

extension Release {
  /// See CRelease.h: a build straight from a checkout says "unknown".
  static let commit = unsafe String(cString: crelease_commit()) // a literal of the program
}
