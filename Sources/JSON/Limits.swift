extension StrictJSON {
  /// Deepest nesting that is read: the parser recurses once per level.
  public static let depthMax = 32
}
