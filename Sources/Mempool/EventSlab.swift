import Glibc
import Lanes

/// Memory of pending records: blocks of two sizes per doubling from 256 bytes to above 1 MiB, from anonymous mappings that the kernel fills when they are
/// first touched. Each class has a lock-free free list. This file is the one place of the target that handles raw memory.
@safe struct EventSlab: ~Copyable, @unchecked Sendable {
  // Sendable: a block belongs to whoever took it from the free list until it is given back.
  @safe private struct SizeClass: ~Copyable {
    let blockBytes: Int
    let count: Int
    let base: UnsafeMutableRawPointer
    let free: FreeList
  }

  private let classes: OwnedArray<SizeClass>
  /// Blocks that reactors have taken in advance, of the small classes: for each reactor one magazine per class.
  private let magazines: OwnedArray<Magazine>
  private static let magazineClasses = 9

  /// A block: class and index. 0 is no block.
  typealias BlockID = UInt32

  /// - Parameter reactors: threads that store.
  init(recordBytesMax: Int, bytesMax: Int, eventsMax: Int, reactors: Int) {
    // 256, 384, 512, 768, ...
    func blockBytes(_ index: Int) -> Int { (256 << (index / 2)) + (index % 2) * (128 << (index / 2)) }
    var classCount = 1
    while blockBytes(classCount - 1) < recordBytesMax { classCount += 1 }
    // A block is named by 8 bits of class and 24 of index.
    precondition(classCount < 1 << 8)
    classes = OwnedArray(count: classCount) { index in
      let size = blockBytes(index)
      // Retired records keep their blocks for a tick, so twice the limit can be in use for a moment; and magazines hold some.
      let inAdvance = index < Self.magazineClasses ? reactors * Magazine.capacity : 0
      let count = max(2, min(2 * eventsMax, 2 * bytesMax / max(192, size * 2 / 3))) + inAdvance
      precondition(count < 1 << 24, "a pool has at most 8 million events")
      let mapped = unsafe mmap(nil, size * count, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
      // Address space for lazily filled memory is refused only by a broken limit; there is no pool without it.
      guard let base = unsafe mapped, unsafe base != MAP_FAILED else { fatalError("no address space for the event slab: mmap failed with errno \(errno)") }
      return unsafe SizeClass(blockBytes: size, count: count, base: base, free: FreeList(count: count))
    }
    magazines = OwnedArray(count: reactors * Self.magazineClasses) { _ in Magazine() }
  }

  deinit {
    // The last reference is gone, so nobody holds a block.
    for index in 0..<classes.count { unsafe munmap(classes[index].base, classes[index].blockBytes * classes[index].count) }
  }

  /// Copies a record into a free block. Returns nil when its class has none left.
  func store(_ record: RawSpan, reactor: Int) -> BlockID? {
    for index in 0..<classes.count where classes[index].blockBytes >= record.byteCount {
      let taken = index < Self.magazineClasses
        ? magazines[reactor * Self.magazineClasses + index].pop(from: classes[index].free) : classes[index].free.pop()
      guard let block = taken else { return nil }
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
    let index = Int(block >> 24)
    precondition(byteCount <= classes[index].blockBytes)
    let start = unsafe classes[index].base + (Int(block & 0xFF_FFFF) - 1) * classes[index].blockBytes
    // The block stays in use while the closure runs, and nobody writes to it.
    return unsafe body(UnsafeRawBufferPointer(start: start, count: byteCount).bytes)
  }
}

/// What is known of the event in a slot. Written by the admitting reactor before the slot is published, read by everybody afterwards.
@safe struct SlotArray<Element: BitwiseCopyable>: ~Copyable, @unchecked Sendable {
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

  deinit { unsafe Glibc.free(base) /* plain bits, the owner is gone */ }

  /// The places without their owner: closures that capture this count no reference to the pool, which threads that admit at once would fight for. It is used
  /// inside one method of the pool and goes no further.
  var view: View { unsafe View(base: base, count: count) }

  @safe struct View: BitwiseCopyable, @unchecked Sendable {
    // Sendable: as the array.
    fileprivate let base: UnsafeMutablePointer<Element>
    fileprivate let count: Int

    subscript(index: Int) -> Element {
      precondition(index >= 0 && index < count)
      return unsafe base[index]  // checked above, and the pool outlives its methods
    }
  }

  subscript(index: Int) -> Element {
    get {
      precondition(index >= 0 && index < count)
      return unsafe base[index]  // checked above
    }
    nonmutating set {
      precondition(index >= 0 && index < count)
      unsafe base[index] = newValue  // checked above
    }
  }
}
