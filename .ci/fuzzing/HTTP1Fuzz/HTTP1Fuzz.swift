import Bytes
import Glibc
import HTTP1

/// The first byte seeds the cuts, the rest is what a client or server sends. Any cut must give the transcript of the whole, and nothing may trap.
@_cdecl("LLVMFuzzerTestOneInput") public func fuzzHTTP1(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  precondition(!isCanary, "the canary: a failed property ends the run")
  let input = Array(UnsafeBufferPointer(start: start, count: count))
  guard let seed = input.first else { return 0 }
  let data = input.dropFirst()
  let cut = pieces(of: data, seed: UInt64(seed) &+ 1)
  let single = data.indices.map { data[$0...$0] }
  let requests = Transcript.requests([data])
  precondition(Transcript.requests(cut) == requests, "requests: the cut changes what is read")
  let answers = Transcript.answers([data])
  precondition(Transcript.answers(cut) == answers, "answers: the cut changes what is read")
  if data.count <= 256 {
    precondition(Transcript.requests(single) == requests && Transcript.answers(single) == answers, "byte by byte reads differently")
  }
  _ = QueryParameters(data.span.bytes)
  return 0
}

private func pieces(of data: ArraySlice<UInt8>, seed: UInt64) -> [ArraySlice<UInt8>] {
  var pieces: [ArraySlice<UInt8>] = [], state = seed, index = data.startIndex
  while index < data.endIndex {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    let length = 1 + Int(state >> 33) % (seed % 2 == 0 ? 40 : 7)
    let end = min(index + length, data.endIndex)
    pieces.append(data[index..<end])
    index = end
  }
  return pieces
}

/// Set by `.ci/fuzz` once, to see that a failure is seen.
private let isCanary = getenv("MOLOCH_FUZZ_CANARY") != nil
