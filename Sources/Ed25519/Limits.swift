/// Limits of this module.
public enum Limits {
  /// Longest PEM that is read, bytes; an Ed25519 PKCS#8 key has 119.
  public static let pemLengthMax = 4096
  /// Largest batch. Each signature takes 8 table entries of 160 bytes and its signer as many: 2.5 MiB of tables.
  public static let batchCountMax = 1024
}
