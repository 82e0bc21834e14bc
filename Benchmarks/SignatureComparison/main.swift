// Verification of Ed25519 signatures over statements: the paths of this node beside libcrypto and libsodium, in one run.
//
// Prints one row for each batch size, number of signers and whether the keys are known: microseconds for one signature, the least CPU time of many runs.
// libsodium is opened at run time; without it its column is empty. `perf/signatures` records the rows.
import Bytes
import CBaselines
import Ed25519
import Glibc

func microseconds() -> Double {
  var time = timespec()
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
  return Double(time.tv_sec) * 1e6 + Double(time.tv_nsec) / 1e3
}

/// The least time of `runs` calls, after two to warm up.
func least(_ runs: Int, _ body: () -> Void) -> Double {
  body()
  body()
  var best = Double.infinity
  for _ in 0..<runs {
    let begin = microseconds()
    body()
    best = min(best, microseconds() - begin)
  }
  return best
}

/// Signed statements of `signers` keys in turn.
struct Sample {
  var messages: [[UInt8]] = []
  var signatures: [Signature] = []
  var keys: [PublicKey] = []

  init(count: Int, signers: Int) {
    let keyed = (0..<signers).map { SigningKey(seed: Bytes32(UInt64($0), 1, 2, 3)) }
    for index in 0..<count {
      let message = (0..<128).map { UInt8(truncatingIfNeeded: $0 &* index) }
      messages.append(message)
      signatures.append(keyed[index % signers].sign(message.bytes))
      keys.append(keyed[index % signers].publicKey)
    }
  }

  func verify(_ batch: inout SignatureBatch, _ verdicts: inout [Bool]) {
    for index in messages.indices {
      let message = messages[index]
      batch.add(signatures[index], over: message.bytes, by: keys[index])
    }
    batch.verify(&verdicts)
    precondition(!verdicts.contains(false), "every sample is honest")
  }
}

func batched(_ sample: Sample, _ path: Path, isKnown: Bool) -> Double {
  let count = sample.messages.count
  let cache = SignerCache(capacity: 8192, seed: Bytes32(repeating: 7), path: path)
  var batch = SignatureBatch(capacity: count, seed: Bytes32(repeating: 9), cache: isKnown ? cache : nil, path: path)
  var verdicts: [Bool] = []
  if isKnown {
    // A few keys enter the cache with each batch.
    var misses: UInt64 = .max
    while true {
      let before = cache.misses
      for _ in 0..<3 { sample.verify(&batch, &verdicts) }
      if cache.misses == before || cache.misses - before == misses { break }
      misses = cache.misses - before
    }
  }
  return least(max(20, 4000 / count)) { sample.verify(&batch, &verdicts) } / Double(count)
}

func libcrypto(_ sample: Sample) -> Double {
  let keys = sample.keys.map { key in key.bytes.array.withUnsafeBufferPointer { EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nil, $0.baseAddress, 32) } }
  defer { for key in keys { EVP_PKEY_free(key) } }
  let encoded = sample.signatures.map(\.bytes.array)
  return least(200) {
    for index in sample.messages.indices {
      let context = EVP_MD_CTX_new()
      EVP_DigestVerifyInit(context, nil, nil, nil, keys[index])
      precondition(EVP_DigestVerify(context, encoded[index], 64, sample.messages[index], 128) == 1)
      EVP_MD_CTX_free(context)
    }
  } / Double(sample.messages.count)
}

func libsodium(_ sample: Sample) -> Double? {
  typealias Verify = @convention(c) (UnsafePointer<UInt8>, UnsafePointer<UInt8>, UInt64, UnsafePointer<UInt8>) -> Int32
  guard let library = dlopen("libsodium.so.23", RTLD_NOW), let start = dlsym(library, "sodium_init"), let symbol = dlsym(library, "crypto_sign_ed25519_verify_detached")
  else { return nil }
  _ = unsafeBitCast(start, to: (@convention(c) () -> Int32).self)()
  let verify = unsafeBitCast(symbol, to: Verify.self)
  let encoded = sample.signatures.map(\.bytes.array)
  let keys = sample.keys.map(\.bytes.array)
  return least(200) {
    for index in sample.messages.indices { precondition(verify(encoded[index], sample.messages[index], 128, keys[index]) == 0) }
  } / Double(sample.messages.count)
}

func column(_ value: Double?) -> String {
  guard let value else { return "-" }
  return String(Double(Int(value * 100 + 0.5)) / 100)
}

/// Each path that can run here, the one chosen last, with a hash of its verdicts on honest and changed signatures in batches of several sizes: the same for all, and under
/// valgrind, which hides AVX-512.
func printVerdicts(_ path: Path) {
  let sample = Sample(count: 1024, signers: 40)
  var hash: UInt64 = 0xcbf2_9ce4_8422_2325
  for count in [1, 2, 33, 130, 500, 1024] {
    var batch = SignatureBatch(capacity: count, seed: Bytes32(repeating: 9), path: path)
    var verdicts: [Bool] = []
    for start in stride(from: 0, to: count == 1 ? 128 : 1024, by: count) {
      for index in start..<min(start + count, 1024) {
        var (signature, key, message) = (sample.signatures[index], sample.keys[index], sample.messages[index])
        switch index % 61 {
        case 7: signature.bytes.first.w2 ^= 1 << UInt64(index % 64)
        case 21: signature.bytes.second.w1 ^= 1 << UInt64(index % 64)
        case 40: key.bytes.w1 ^= 1 << UInt64(index % 64)
        case 55: message[index % 128] ^= 4
        default: break
        }
        batch.add(signature, over: message.bytes, by: key)
      }
      batch.verify(&verdicts)
      for isValid in verdicts { hash = (hash ^ (isValid ? 1 : 2)) &* 0x100_0000_01b3 }
    }
  }
  print("\(path) \(String(hash, radix: 16))")
}

if CommandLine.arguments.contains("--verdicts") {
  for path in Path.available { printVerdicts(path) }
  exit(0)
}

/// One workload again and again, for a profiler: COUNT SIGNERS known|new PATH SECONDS. Prints microseconds for one signature, the mean over all of it.
func printRepeated(_ words: ArraySlice<String>) {
  let words = Array(words)
  guard words.count == 5, let count = Int(words[0]), let signers = Int(words[1]), let path = Path(rawValue: words[3]), path.isAvailable, let seconds = Double(words[4]) else {
    print("usage: SignatureComparison --repeat COUNT SIGNERS known|new portable|avx2|ifma SECONDS")
    exit(64)
  }
  let sample = Sample(count: count, signers: signers)
  let cache = words[2] == "known" ? SignerCache(capacity: 8192, seed: Bytes32(repeating: 7), path: path) : nil
  var batch = SignatureBatch(capacity: count, seed: Bytes32(repeating: 9), cache: cache, path: path)
  var verdicts: [Bool] = []
  // Until all keys are known, a few of which enter the cache with each batch.
  for _ in 0..<(cache == nil ? 2 : 4 + signers / 4) { sample.verify(&batch, &verdicts) }
  let begin = microseconds()
  var batches = 0
  while microseconds() - begin < seconds * 1e6 {
    sample.verify(&batch, &verdicts)
    batches += 1
  }
  print(column((microseconds() - begin) / Double(batches * count)))
}

if CommandLine.arguments.count > 1, CommandLine.arguments[1] == "--repeat" {
  printRepeated(CommandLine.arguments.dropFirst(2))
  exit(0)
}

print("n signers keys \(Path.available.map(\.rawValue).joined(separator: " ")) libcrypto libsodium")
let single = Sample(count: 16, signers: 8)
let (crypto, sodium) = (libcrypto(single), libsodium(single))
for count in [1, 8, 64, 256, 1024] {
  for signers in Set([1, 8, count]).sorted() where signers <= count {
    let sample = Sample(count: count, signers: signers)
    for isKnown in [true, false] {
      let figures = Path.available.map { column(batched(sample, $0, isKnown: isKnown)) }
      print("\(count) \(signers) \(isKnown ? "known" : "new") \(figures.joined(separator: " ")) \(column(crypto)) \(column(sodium))")
    }
  }
}
let message = single.messages[0]
let key = single.keys[0], signature = single.signatures[0]
func verifyOne() { precondition(Verifier.isValid(signature, over: message.bytes, by: key)) }
print("single Verifier \(column(least(500, verifyOne)))")
