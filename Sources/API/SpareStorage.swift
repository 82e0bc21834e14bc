/// Storage of arrays that nobody uses at the moment, lent to whoever needs some: so idle connections hold none, and busy ones allocate none.
struct SpareStorage<Element> {
  private var pieces: [[Element]] = []
  private var bytes = 0
  private let bytesMax: Int

  /// - Parameter bytesMax: what is kept; storage beyond it is freed.
  init(bytesMax: Int) {
    self.bytesMax = bytesMax
    pieces.reserveCapacity(APILimit.spareStorage)
  }

  /// Gives an array without storage some that was used before, if there is any.
  mutating func lend(to array: inout [Element]) {
    guard array.capacity == 0, var piece = pieces.popLast() else { return }
    bytes -= piece.capacity * MemoryLayout<Element>.stride
    swap(&piece, &array)
  }

  /// Empties an array and takes its storage back.
  mutating func takeBack(_ array: inout [Element]) {
    guard array.capacity > 0 else { return }
    array.removeAll(keepingCapacity: true)
    let size = array.capacity * MemoryLayout<Element>.stride
    guard pieces.count < APILimit.spareStorage, bytes + size <= bytesMax else {
      array = []
      return
    }
    bytes += size
    pieces.append([])
    swap(&pieces[pieces.count - 1], &array)
  }
}
