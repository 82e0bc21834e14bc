/// Limits of this module.
public enum Limits {
  /// Longest PEM that is read, bytes; an Ed25519 PKCS#8 key has 119.
  public static let pemLengthMax = 4096
  /// Largest batch: 1024 signatures of 1.6 KiB of tables each are 1.7 MiB, which stays in the second-level cache of one core with the keys.
  public static let batchCountMax = 1024
  /// Signers whose tables a batch keeps; 32 entries of 160 bytes each, 1.3 MiB in all. A power of two.
  static let signersCached = 256
}
