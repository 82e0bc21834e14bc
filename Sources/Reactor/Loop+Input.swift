import CLinux

// Input: received buffers are presented in place; what the driver leaves moves to the input row of its slot, where the next bytes join it.
extension Loop {
  /// Stops presenting input. The peer is held back once its connection holds `ReactorLimits.buffersPerConnection` buffers.
  public func pauseInput(_ connection: ConnectionID) {
    guard let slot = slot(of: connection) else { return }
    slots[slot].flags.insert(.paused)
    markDirty(slot)
  }

  /// Presents input again, beginning with what was left, whether it was paused or not.
  public func resumeInput(_ connection: ConnectionID) {
    guard let slot = slot(of: connection) else { return }
    slots[slot].flags.remove(.paused)
    slots[slot].flags.insert(.presentAgain)
    markDirty(slot)
  }

  /// Limits the contiguous unconsumed input of a connection, in bytes: from `receiveBufferBytes` to `inputBytesMax`.
  public func setInputMax(_ connection: ConnectionID, _ bytes: Int) {
    guard let slot = slot(of: connection) else { return }
    slots[slot].inputMax = Int32(min(limits.inputBytesMax, max(limits.receiveBufferBytes, bytes)))
  }

  /// Takes over a completion of a receive.
  @usableFromInline func receiveCompleted(_ slot: Int, _ completion: Completion) {
    if !completion.more {
      slots[slot].flags.subtract([.receiving, .receiveCancelled])
      markDirty(slot)
    }
    if let buffer = completion.buffer { hold(slot, buffer, completion.result) }
    switch completion.result {
    case 1...: break
    case 0:
      slots[slot].flags.insert(.ended)
      markDirty(slot)
    case -ErrorNumber.noBuffers:
      slots[slot].flags.insert(.starved)
      starve(slot)
    case -ErrorNumber.cancelled, -ErrorNumber.interrupted, -ErrorNumber.again: break
    default:
      if slots[slot].phase == .open { end(slot, slots[slot].flags.contains(.closeWanted) ? .finished : .failed(-completion.result)) }
    }
  }

  private func hold(_ slot: Int, _ buffer: UInt16, _ count: Int32) {
    guard count > 0, slots[slot].phase == .open, !slots[slot].flags.contains(.closeWanted) else {
      recycle(buffer)
      return
    }
    bufferStart[Int(buffer)] = 0
    bufferEnd[Int(buffer)] = count
    bufferNext[Int(buffer)] = .max
    if slots[slot].heldCount == 0 { slots[slot].heldHead = buffer } else { bufferNext[Int(slots[slot].heldTail)] = buffer }
    slots[slot].heldTail = buffer
    slots[slot].heldCount += 1
    heldTotal += 1
    if Int(slots[slot].heldCount) >= limits.buffersPerConnection { markDirty(slot) }
  }

  /// A buffer that no connection holds goes back to the back end with the next flush.
  @usableFromInline func recycle(_ buffer: UInt16) {
    returned[returnedCount] = buffer
    returnedCount += 1
  }

  private func dropHead(_ slot: Int) {
    let buffer = slots[slot].heldHead
    slots[slot].heldHead = bufferNext[Int(buffer)]
    slots[slot].heldCount -= 1
    heldTotal -= 1
    recycle(buffer)
    if !slots[slot].flags.contains(.receiving) { markDirty(slot) }
  }

  func dropHeld(_ slot: Int) { while slots[slot].heldCount > 0 { dropHead(slot) } }

  func forgetStarved(_ slot: Int) {
    var kept = 0
    for index in 0..<starvedCount where starved[index] != Int32(slot) {
      starved[kept] = starved[index]
      kept += 1
    }
    starvedCount = kept
  }

  private func starve(_ slot: Int) {
    starved[starvedCount] = Int32(slot)
    starvedCount += 1
  }

  /// Lets the starved connections receive again when a buffer is free.
  @usableFromInline func feedStarved() {
    guard starvedCount > 0 && heldTotal < limits.receiveBuffers else { return }
    for index in 0..<starvedCount {
      let slot = Int(starved[index])
      slots[slot].flags.remove(.starved)
      markDirty(slot)
    }
    starvedCount = 0
  }

  private func row(_ slot: Int) -> UnsafeMutableRawPointer {
    // Slots are below `connections`, and the rows were allocated for as many.
    unsafe inputRows + slot * limits.inputBytesMax
  }

  private func memory(_ buffer: UInt16) -> UnsafeMutableRawPointer {
    // Buffer numbers come back from the kernel; the tables check them before this is used.
    unsafe receiveBase + Int(buffer) * limits.receiveBufferBytes
  }

  /// What the driver shall see next, or nil when there is nothing new.
  @usableFromInline func presentInput(_ slot: Int) -> Slice? {
    guard slots[slot].phase == .open, slots[slot].flags.isDisjoint(with: [.paused, .closeWanted]) else { return nil }
    if slots[slot].inputCount == 0 {
      slots[slot].flags.remove(.presentAgain)
      guard slots[slot].heldCount > 0 else { return nil }
      let buffer = slots[slot].heldHead
      let start = Int(bufferStart[Int(buffer)])
      // Inside the buffer: both bounds were set by `hold` and `consume`.
      return unsafe Slice(base: memory(buffer) + start, count: Int(bufferEnd[Int(buffer)]) - start)
    }
    let grew = fillRow(slot)
    guard grew || slots[slot].flags.contains(.presentAgain) else { return nil }
    slots[slot].flags.remove(.presentAgain)
    // Inside the row: start and count never exceed `inputMax`.
    return unsafe Slice(base: row(slot) + Int(slots[slot].inputStart), count: Int(slots[slot].inputCount))
  }

  /// Appends held buffers to the row, as far as it has room. True when anything was appended.
  private func fillRow(_ slot: Int) -> Bool {
    var grew = false
    let inputMax = Int(slots[slot].inputMax)
    while slots[slot].heldCount > 0 {
      let count = Int(slots[slot].inputCount)
      let room = inputMax - count
      guard room > 0 else { return grew }
      let buffer = slots[slot].heldHead
      let start = Int(bufferStart[Int(buffer)])
      let taken = min(room, Int(bufferEnd[Int(buffer)]) - start)
      // The row stays while the table stands, and this thread alone uses it.
      let target = unsafe row(slot)
      // Ranges stay inside one row and one buffer: `taken` is bounded by the room of the first and the rest of the second.
      if Int(slots[slot].inputStart) + count + taken > inputMax {
        unsafe memmove(target, target + Int(slots[slot].inputStart), count)
        slots[slot].inputStart = 0
      }
      unsafe (target + Int(slots[slot].inputStart) + count).copyMemory(from: memory(buffer) + start, byteCount: taken)
      slots[slot].inputCount += Int32(taken)
      grew = true
      bufferStart[Int(buffer)] += Int32(taken)
      if bufferStart[Int(buffer)] == bufferEnd[Int(buffer)] { dropHead(slot) }
    }
    return grew
  }

  /// The driver consumed `taken` of the `count` bytes presented last.
  @usableFromInline func consume(_ slot: Int, _ taken: Int, of count: Int) {
    precondition(taken >= 0 && taken <= count, "a driver consumes what it was shown")
    // A driver that closed the connection in the call has nothing left to consume: `close` dropped it.
    guard slots[slot].phase == .open, !slots[slot].flags.contains(.closeWanted) else { return }
    if slots[slot].inputCount == 0 {
      let buffer = slots[slot].heldHead
      let left = count - taken
      if left > 0 {
        // The rest of one receive buffer fits: rows are at least as large as buffers.
        unsafe row(slot).copyMemory(from: memory(buffer) + Int(bufferStart[Int(buffer)]) + taken, byteCount: left)
        slots[slot].inputStart = 0
        slots[slot].inputCount = Int32(left)
      }
      dropHead(slot)
    } else {
      slots[slot].inputCount -= Int32(taken)
      slots[slot].inputStart = slots[slot].inputCount == 0 ? 0 : slots[slot].inputStart + Int32(taken)
    }
    if taken == 0 && slots[slot].inputCount >= slots[slot].inputMax && !slots[slot].flags.contains(.paused) { end(slot, .inputLimit) }
  }

  /// True once, when the peer's end of input is to be told.
  @usableFromInline func takeInputEnd(_ slot: Int) -> Bool {
    guard slots[slot].phase == .open, slots[slot].heldCount == 0, slots[slot].flags.contains(.ended),
      slots[slot].flags.isDisjoint(with: [.paused, .closeWanted, .endPresented])
    else { return false }
    slots[slot].flags.insert(.endPresented)
    return true
  }
}
