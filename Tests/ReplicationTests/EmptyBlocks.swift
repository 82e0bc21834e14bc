import Audit
import Bytes
import Consensus
import Digests
import Ed25519
import Ledger
import Testing

/// Empty blocks that are linked by their hashes, from a height on, and a certificate of the last, whose signature is none: the planner verifies no signature.
func emptyBlocks(from: UInt64, count: UInt64) throws -> ([Block], Certificate) {
  let key = SigningKey(seed: Bytes32(repeating: 3))
  var parent = Digest.empty
  var blocks: [Block] = []
  for height in from..<from + count {
    let header = BlockHeader(
      eventCount: 0, chainTag: ChainTag(Bytes16(1, 2)), height: Height(height), timestamp: Timestamp(milliseconds: height), treeSize: 0, parentHash: parent,
      eventsRoot: .empty, treeRoot: .empty, historyRoot: .empty, validatorsHash: .empty, nextValidatorsHash: .empty, parametersHash: .empty,
      proposer: key.publicKey)
    blocks.append(try Block(header: header, body: []))
    parent = header.hash
  }
  let set = try ValidatorSet([Validator(publicKey: key.publicKey, cosignerKey: key.publicKey, power: 1, name: "v1")])
  let last = try #require(blocks.last)
  let vote = Vote(
    kind: .finalise, chainTag: ChainTag(Bytes16(1, 2)), epoch: Epoch(0), view: View(9), parentView: View(8), height: last.header.height,
    blockHash: last.hash)
  return (blocks, Certificate(vote: vote, signatures: [(0, Signature(Bytes64()))], in: set))
}
