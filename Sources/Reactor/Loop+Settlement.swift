import Ambient

/// What a slot needs next from the back end or the driver.
@usableFromInline enum Step {
  case none
  /// Present input; it may have grown, or be presented again.
  case deliver
  case connect(Int32, SocketAddress)
  case receive(Int32)
  case send(Int32)
  case cancelReceive(Int32)
  case cancelAll(Int32)
  case shutdownOutput(Int32)
  case drained
  /// Everything ended: close the handle, then tell the driver.
  case close(Int32, reset: Bool, CloseReason)
}

// Settlement: from the state of a slot follows the next step; the loop performs it and asks again until there is none.
extension Loop {
  /// Opens a connection. Its end is reported by `connected` or by `closed` with `.connectFailed`. Nil when the table is full.
  public func connect(_ address: SocketAddress) -> ConnectionID? {
    guard let slot = acquire(-1, isOpen: false, listener: .max) else { return nil }
    destinations[slot] = address
    return id(slot)
  }

  @usableFromInline func nextStep(_ slot: Int) -> Step {
    switch slots[slot].phase {
    case .free: return .none
    case .connecting:
      guard !slots[slot].flags.contains(.connecting), let address = destinations[slot] else { return .none }
      slots[slot].flags.insert(.connecting)
      return .connect(slots[slot].handle, address)
    case .open: return nextOpenStep(slot)
    case .ending:
      let inFlight: Connection.Flags = [.receiving, .sending, .connecting]
      guard slots[slot].flags.isDisjoint(with: inFlight) else {
        if slots[slot].flags.contains(.allCancelled) { return .none }
        slots[slot].flags.insert(.allCancelled)
        return .cancelAll(slots[slot].handle)
      }
      return .close(slots[slot].handle, reset: slots[slot].flags.contains(.reset), slots[slot].reason)
    }
  }

  private func nextOpenStep(_ slot: Int) -> Step {
    let flags = slots[slot].flags
    if flags.contains(.drainDue) {
      slots[slot].flags.remove(.drainDue)
      if !flags.contains(.closeWanted) { return .drained }
    }
    // A closing connection has nothing to present; asking for it again would never end.
    if flags.contains(.presentAgain) && flags.isDisjoint(with: [.paused, .closeWanted]) { return .deliver }
    if !flags.contains(.sending) {
      if slots[slot].outputHead >= 0 {
        slots[slot].flags.insert(.sending)
        return .send(slots[slot].handle)
      }
      if flags.contains(.shutdownWanted) {
        // A peer that has ended its input needs no lingering.
        if flags.contains(.closeWanted) && flags.contains(.ended) {
          end(slot, .finished)
          return nextStep(slot)
        }
        if !flags.contains(.shutdownDone) {
          slots[slot].flags.insert(.shutdownDone)
          if flags.contains(.closeWanted) { setDeadline(slot, now.adding(milliseconds: limits.lingerMilliseconds)) }
          return .shutdownOutput(slots[slot].handle)
        }
        if flags.contains(.closeWanted) && slots[slot].deadline == .distantFuture {
          setDeadline(slot, now.adding(milliseconds: limits.lingerMilliseconds))
        }
      }
    }
    return nextInputStep(slot)
  }

  private func nextInputStep(_ slot: Int) -> Step {
    let flags = slots[slot].flags
    let isFull = Int(slots[slot].heldCount) >= limits.buffersPerConnection
    let isSuspended = (flags.contains(.paused) && !flags.contains(.closeWanted)) || isFull
    if flags.contains(.receiving) {
      guard isSuspended && !flags.contains(.receiveCancelled) else { return .none }
      slots[slot].flags.insert(.receiveCancelled)
      return .cancelReceive(slots[slot].handle)
    }
    guard !isSuspended && flags.isDisjoint(with: [.ended, .starved]) else { return .none }
    slots[slot].flags.insert(.receiving)
    return .receive(slots[slot].handle)
  }

  /// Takes over the end of a connect. True when the connection is open.
  @usableFromInline func connectCompleted(_ slot: Int, _ result: Int32) -> Bool {
    slots[slot].flags.remove(.connecting)
    markDirty(slot)
    guard slots[slot].phase == .connecting else { return false }
    guard result == 0 else {
      end(slot, .connectFailed(-result))
      return false
    }
    slots[slot].phase = .open
    return true
  }
}

extension ErrorNumber {
  static let interrupted: Int32 = 4
  static let again: Int32 = 11
  static let tooManyFilesInSystem: Int32 = 23
  static let tooManyFiles: Int32 = 24
  static let noMemory: Int32 = 12
  static let noBuffers: Int32 = 105
  static let cancelled: Int32 = 125
}
