import CLinux

// Output: bytes are copied into pooled segments or referenced, and leave as one gathered send; one send is in flight per connection.
extension Loop {
  /// Pieces that leave in one send.
  static let gatherMax = 16

  /// Queued bytes of a connection, those in flight included.
  public func outputBytes(_ connection: ConnectionID) -> Int { slot(of: connection).map { slots[$0].outputBytes } ?? 0 }

  /// Limits the queued output of a connection, in bytes.
  public func setOutputMax(_ connection: ConnectionID, _ bytes: Int) {
    guard let slot = slot(of: connection) else { return }
    slots[slot].outputMax = bytes
  }

  /// Limits what the kernel holds unsent for a connection, in bytes, so that urgent output waits behind little (TCP_NOTSENT_LOWAT). Sockets only;
  /// call again after `connected` for an outgoing connection.
  public func limitUnsent(_ connection: ConnectionID, _ bytes: Int) {
    guard usesDescriptors, let slot = slot(of: connection), slots[slot].handle >= 0 else { return }
    // A hint: a kernel that refuses it queues more.
    _ = socket_limit_unsent(slots[slot].handle, Int32(bytes))
  }

  /// Queues a copy of `bytes`. False when the connection is not open, or ends now because its output or the pool is exhausted.
  @discardableResult public func send(_ connection: ConnectionID, _ bytes: RawSpan) -> Bool {
    guard let slot = admitOutput(connection, bytes.byteCount) else { return false }
    var offset = 0
    while offset < bytes.byteCount {
      guard let room = tailRoom(slot) else {
        end(slot, .outputExhausted, reset: true)
        return false
      }
      let count = min(room.count, bytes.byteCount - offset)
      // `room` lies behind the bytes of the tail segment that are queued or in flight, so nobody reads it yet.
      unsafe bytes.extracting(offset..<offset + count).withUnsafeBytes { unsafe room.base.copyMemory(from: $0.baseAddress!, byteCount: count) }
      pieces[Int(slots[slot].outputTail)].count += count
      slots[slot].outputBytes += count
      offset += count
    }
    noteOutput(slot)
    return true
  }

  /// Queues shared bytes without a copy. False as above.
  @discardableResult public func send(_ connection: ConnectionID, shared: SharedBytes) -> Bool {
    guard let slot = admitOutput(connection, shared.count) else { return false }
    guard shared.count > 0 else { return true }
    guard let piece = appendPiece(slot) else {
      end(slot, .outputExhausted, reset: true)
      return false
    }
    // The piece keeps the object alive until `releasePiece`.
    unsafe pieces[piece].shared = .passRetained(shared)
    unsafe pieces[piece].base = shared.base
    pieces[piece].count = shared.count
    slots[slot].outputBytes += shared.count
    noteOutput(slot)
    return true
  }

  private func admitOutput(_ connection: ConnectionID, _ count: Int) -> Int? {
    guard let slot = slot(of: connection), slots[slot].phase != .ending, !slots[slot].flags.contains(.shutdownWanted) else { return nil }
    guard slots[slot].outputBytes + count <= slots[slot].outputMax else {
      end(slot, .slowReader, reset: true)
      return nil
    }
    return slot
  }

  private func noteOutput(_ slot: Int) {
    if slots[slot].outputBytes > limits.outputBytesLow { slots[slot].flags.insert(.aboveLow) }
    if !slots[slot].flags.contains(.sending) { markDirty(slot) }
  }

  private func appendPiece(_ slot: Int) -> Int? {
    guard freePiece >= 0 else { return nil }
    let piece = Int(freePiece)
    freePiece = pieces[piece].next
    pieces[piece] = OutputPiece()
    if slots[slot].outputTail >= 0 { pieces[Int(slots[slot].outputTail)].next = Int32(piece) } else { slots[slot].outputHead = Int32(piece) }
    slots[slot].outputTail = Int32(piece)
    return piece
  }

  /// Free bytes behind the queued output, in the tail segment or in a new one.
  private func tailRoom(_ slot: Int) -> Slice? {
    let tail = Int(slots[slot].outputTail)
    if tail >= 0, pieces[tail].segment >= 0 {
      // The segment's end; `base` moves forward as bytes are sent, the end does not.
      let end = unsafe segmentBase + (Int(pieces[tail].segment) + 1) * limits.outputSegmentBytes
      let free = unsafe pieces[tail].base! + pieces[tail].count
      let count = unsafe end - free
      if count > 0 { return unsafe Slice(base: free, count: count) }
    }
    guard freeSegmentCount > 0, let piece = appendPiece(slot) else { return nil }
    freeSegmentCount -= 1
    let segment = freeSegments[freeSegmentCount]
    pieces[piece].segment = segment
    // Inside the pool: segments are numbered by the free list.
    let base = unsafe segmentBase + Int(segment) * limits.outputSegmentBytes
    unsafe pieces[piece].base = base
    return unsafe Slice(base: base, count: limits.outputSegmentBytes)
  }

  /// Writes the head of the queue into `gathered`; returns the number of slices.
  @usableFromInline func gather(_ slot: Int) -> Int {
    var piece = Int(slots[slot].outputHead)
    var count = 0
    while piece >= 0 && count < Self.gatherMax {
      // Pieces in a queue have memory.
      unsafe gathered[count] = Slice(base: pieces[piece].base!, count: pieces[piece].count)
      count += 1
      piece = Int(pieces[piece].next)
    }
    return count
  }

  /// Takes over the result of a send.
  @usableFromInline func sendCompleted(_ slot: Int, _ result: Int32) {
    slots[slot].flags.remove(.sending)
    markDirty(slot)
    guard result >= 0 else {
      let transient = result == -ErrorNumber.cancelled || result == -ErrorNumber.interrupted || result == -ErrorNumber.again
      if !transient && slots[slot].phase == .open { end(slot, .failed(-result)) }
      return
    }
    var left = Int(result)
    slots[slot].outputBytes -= left
    while left > 0 {
      let piece = Int(slots[slot].outputHead)
      let taken = min(left, pieces[piece].count)
      left -= taken
      pieces[piece].count -= taken
      // Still inside the piece.
      unsafe pieces[piece].base = pieces[piece].base! + taken
      if pieces[piece].count == 0 { releaseHead(slot) }
    }
    if slots[slot].flags.contains(.aboveLow) && slots[slot].outputBytes <= limits.outputBytesLow {
      slots[slot].flags.remove(.aboveLow)
      slots[slot].flags.insert(.drainDue)
    }
  }

  private func releaseHead(_ slot: Int) {
    let piece = Int(slots[slot].outputHead)
    slots[slot].outputHead = pieces[piece].next
    if slots[slot].outputHead < 0 { slots[slot].outputTail = -1 }
    if pieces[piece].segment >= 0 {
      freeSegments[freeSegmentCount] = pieces[piece].segment
      freeSegmentCount += 1
    }
    // Balances the retain of `send(_:shared:)`.
    unsafe pieces[piece].shared?.release()
    unsafe pieces[piece].shared = nil
    pieces[piece].next = freePiece
    freePiece = Int32(piece)
  }

  func releaseOutput(_ slot: Int) {
    while slots[slot].outputHead >= 0 { releaseHead(slot) }
    slots[slot].outputBytes = 0
  }
}
