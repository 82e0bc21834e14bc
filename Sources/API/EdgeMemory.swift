import Merkle

/// The right edges of the sizes that proofs were asked for last: the published checkpoint, the head, and what some client compares with. What is below a size
/// never changes, so neither does its edge. Storage thread only.
final class EdgeMemory {
  private static let capacity = 4
  /// The one asked for last stands last.
  private var edges: [RightEdge] = []

  func edge(size: UInt64, from reader: some NodeReader) throws(TreeError) -> RightEdge {
    if let last = edges.last, last.size == size { return last }
    let edge: RightEdge
    if let known = edges.firstIndex(where: { $0.size == size }) {
      edge = edges.remove(at: known)
    } else {
      edge = try RightEdge(size: size, from: reader)
      if edges.count == Self.capacity { edges.removeFirst() }
    }
    edges.append(edge)
    return edge
  }

  /// After a damage was seen: what was read may be part of it.
  func forget() { edges.removeAll() }
}
