/// Limits of this module.
public enum Limits {
  /// Longest PEM that is read, bytes; an Ed25519 PKCS#8 key has 119.
  public static let pemLengthMax = 4096
  /// Largest batch. Each signature takes 8 table entries of 160 bytes and its signer twice as many: 3.8 MiB of tables.
  public static let batchCountMax = 1024
  /// Keys of a `SignerCache`: 2.5 KiB each, 2.5 MiB in all, and at most.
  public static let cachedSigners = 1024
  public static let cachedSignersMax = 65536
  /// Entries that one batch makes for a cache; each costs about one verification.
  static let cacheInsertionsPerBatch = 8
  /// Terms from which buckets beat tables of multiples in portable Swift (measured; the two are equal between 350 and 500).
  static let bucketTermsMin = 450
  /// Terms from which a vector path needs no multiples of the keys that the cache knows; `Combination.Cost` decides about the sum itself.
  static let bucketTermsIFMAMin = 180, bucketTermsAVX2Min = 240
  /// Digits up to which the narrow kernels add them up sooner than the wide ones, whose doublings take longer.
  static let narrowDigitsMax = 800
}
