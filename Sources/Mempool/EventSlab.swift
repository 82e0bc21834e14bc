import Glibc
import Lanes

/// Memory of pending records: blocks of two sizes per doubling from 256 bytes to above 1 MiB, from anonymous mappings that the kernel fills when they are
/// first touched. Each class has a lock-free free list. This file is the one place of the target that handles raw memory.
@safe final class EventSlab: @unchecked Sendable {
  // Sendable: a block belongs to whoever took it from the free list until it is given back.
  @safe private struct SizeClass {
    let blockBytes: Int
    let count: Int
    let base: UnsafeMutableRawPointer
    let free: FreeList
  }

  private let classes: [SizeClass]

  /// A block: class and index. 0 is no block.
  typealias BlockID = UInt32

  init(recordBytesMax: Int, bytesMax: Int, eventsMax: Int) {
    var made: [SizeClass] = []
    var size = 256
    while true {
      for blockBytes in [size, size + size / 2] {
        // Retired records keep their blocks for a tick, so twice the limit can be in use for a moment.
        let count = max(2, min(2 * eventsMax, 2 * bytesMax / max(192, blockBytes * 2 / 3)))
        // A block is named by 8 bits of class and 24 of index.
        precondition(count < 1 << 24 && made.count < 1 << 8, "a pool has at most 8 million events")
        let mapped = unsafe mmap(nil, blockBytes * count, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
        // Address space for lazily filled memory is refused only by a broken limit; there is no pool without it.
        guard let base = unsafe mapped, unsafe base != MAP_FAILED else { fatalError("no address space for the event slab: mmap failed with errno \(errno)") }
        unsafe made.append(SizeClass(blockBytes: blockBytes, count: count, base: base, free: FreeList(count: count)))
        if blockBytes >= recordBytesMax {
          classes = made
          return
        }
      }
      size *= 2
    }
  }

  deinit {
    // The last reference is gone, so nobody holds a block.
    for sizeClass in classes { unsafe munmap(sizeClass.base, sizeClass.blockBytes * sizeClass.count) }
  }

  /// Copies a record into a free block. Returns nil when its class has none left.
  func store(_ record: RawSpan) -> BlockID? {
    for index in classes.indices where classes[index].blockBytes >= record.byteCount {
      guard let block = classes[index].free.pop() else { return nil }
      // The block is ours and large enough.
      unsafe record.withUnsafeBytes { source in
        if let start = source.baseAddress { unsafe memcpy(classes[index].base + block * classes[index].blockBytes, start, source.count) }
      }
      return UInt32(index) << 24 | UInt32(block + 1)
    }
    return nil
  }

  func free(_ block: BlockID) { classes[Int(block >> 24)].free.push(Int(block & 0xFF_FFFF) - 1) }

  /// Lends the first `byteCount` bytes of a block that the caller knows to be in use.
  func withBytes<R>(_ block: BlockID, byteCount: Int, _ body: (RawSpan) -> R) -> R {
    let sizeClass = classes[Int(block >> 24)]
    precondition(byteCount <= sizeClass.blockBytes)
    let start = unsafe sizeClass.base + (Int(block & 0xFF_FFFF) - 1) * sizeClass.blockBytes
    // The block stays in use while the closure runs, and nobody writes to it.
    return unsafe body(UnsafeRawBufferPointer(start: start, count: byteCount).bytes)
  }
}

/// What is known of the event in a slot. Written by the admitting reactor before the slot is published, read by everybody afterwards.
@safe final class SlotArray<Element: BitwiseCopyable>: @unchecked Sendable {
  // Sendable: publication through the table or the lane orders the write before every read; reuse waits for quiescence.
  private let base: UnsafeMutablePointer<Element>
  let count: Int

  /// - Parameter zero: the element whose bits are all zero, which every place holds at first. Pages come from the kernel when they are first touched.
  init(count: Int, zero: Element) {
    self.count = count
    // The bits are looked at during the call.
    precondition(unsafe withUnsafeBytes(of: zero) { unsafe $0.allSatisfy { $0 == 0 } })
    // Owned until deinit; a pool without its slots is no pool.
    guard let zeroed = unsafe calloc(count, MemoryLayout<Element>.stride) else { fatalError("no memory for \(count) slots") }
    unsafe base = zeroed.bindMemory(to: Element.self, capacity: count)
  }

  deinit { unsafe Glibc.free(base) /* plain bits, last reference gone */ }

  subscript(index: Int) -> Element {
    get {
      precondition(index >= 0 && index < count)
      return unsafe base[index]  // checked above
    }
    set {
      precondition(index >= 0 && index < count)
      unsafe base[index] = newValue  // checked above
    }
  }
}
