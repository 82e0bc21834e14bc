/// Bounds of a replica.
public enum ReplicationLimit {
  /// Blocks that are final in memory and not yet on disk.
  public static let blocksInFlight = 4

  // MARK: Messages

  /// Bytes of a block on the wire: header and the largest body that parameters allow.
  public static let blockBytesMax = 320 + (32 << 20)
  /// Events of a block, as the largest parameters allow.
  public static let blockEventsMax = 65_536
  /// Bytes of a consensus part inside a proposal: a vote and 17 certificates of 128 signatures each.
  public static let proposalBytesMax = 512 + 17 * 9000
  /// Bytes of a certificate or of a witness with one: 128 signatures have 9 KB.
  public static let certificateBytesMax = 65_536
  /// Bytes of one message of gossiped records: the target size and one record of 1 MiB behind it.
  public static let gossipBytesMax = gossipBytesTarget + 192 + 16 + (1 << 20)
  /// A message of gossiped records is sent when it has grown to this.
  public static let gossipBytesTarget = 128 << 10
  /// Blocks and bytes of one range of a block sync; a range has at least one block, however large.
  public static let rangeBlocksMax = 256
  public static let rangeBytesMax = 4 << 20
  /// Least bytes of a range that a slow peer is asked for.
  public static let rangeBytesMin = 64 << 10
  /// Blocks of the largest size that the format allows, of which a range has room beyond `rangeBytesMax`, when several became final by one certificate.
  public static let stretchBlocksMax = 4
  /// Headers and bodies of the longest range: what a message carries. See `unfinalBlocksMax`.
  public static let rangeBytesCarried = rangeBytesMax + stretchBlocksMax * blockBytesMax
  /// Full blocks that a leader lets stand on the final head at most, its own included: then it proposes what is left of that, and in the end empty blocks,
  /// until a certificate has made the others final.
  public static let unfinalBlocksMax = 3
  /// A part of a snapshot ends with the first block with which it is so long, bytes, unless its epoch ends before or it has `rangeBlocksMax` blocks.
  public static let partBytesMin = 3 << 20
  /// Parts in one list.
  public static let partsListed = 8190
  /// Bytes that the search for the block of a checkpoint asks for at a time; an answer has at least one block, however large.
  public static let searchBytesMax = 64 << 10
  /// Boundaries in one message.
  public static let boundariesMax = 64

  // MARK: Tables

  /// Blocks that are not final: beyond it those that the machine has forgotten make room.
  public static let candidatesMax = 64
  /// Blocks that are being put together or waited for.
  public static let arrivalsMax = 32
  /// Bytes of gossiped records that a peer may be sent beyond what it has taken in; it says so at every quarter. Per peer, and one message more, wait for
  /// verification here.
  public static let gossipWindowBytes = 1 << 20
  /// Bytes of old events that are offered again at a time.
  public static let rebroadcastBytesMax = 1 << 20
  /// Times at which the places of the slowest validator in the relay log are remembered: one in each turn of the last `gossipLeadMilliseconds`, or fewer.
  public static let placesMax = 256
  /// Signatures checked in one turn.
  public static let signaturesPerTurn = 512
  /// Store look-ups for one peer at a time.
  public static let loadsPerPeer = 4
  /// Ranges asked for and not yet applied, when the options do not say otherwise, and their bytes at most, as far as they are known.
  public static let rangesInFlight = 4
  public static let rangeBacklogBytes = 64 << 20
  /// Bytes of records of one range that is fetched for its bodies, far below those of a sync: whoever serves it, and whoever writes it, has live blocks to write.
  public static let backfillBytes = 1 << 20
  /// Ranges whose signatures helper threads check while the next one is prepared, and that one.
  public static let rangesVerified = 2
  /// Ranges asked of one peer at a time.
  public static let rangesPerPeer = 2
  /// A peer that has failed so often is not waited for when another has a range without some bodies.
  public static let partialFailuresMax: UInt64 = 3
  /// Pieces of evidence kept in memory.
  public static let evidenceMax = 256
  /// Pieces of one validator that are passed on, and of one message; a message has at most 12,800 bytes.
  public static let evidenceRelayed = 4
  public static let evidencePerMessage = 32
  /// Pieces of one peer that are verified: so many at once, and one in every `evidenceMilliseconds`.
  public static let evidenceBurst = 64
  /// Tree heads whose cosignatures are collected at a time.
  public static let cosignedHeadsMax = 32
  /// Cosignatures of one peer that wait for this node to reach their heads.
  public static let cosignaturesPerPeer = 4

  // MARK: Times

  /// Least time between two messages of evidence to a peer. It takes one in a second.
  public static let evidenceMilliseconds: UInt64 = 2000
  /// A block may be this far ahead of the own clock before it is voted on, milliseconds.
  public static let clockAheadMilliseconds: UInt64 = 500
  /// Bodies up to this size travel with the proposal whole.
  public static let compactBytesMin = 4096
  /// Events that were sent to every validator at least this long ago are taken to be everywhere: a proposal names them by id. They travel on the connection
  /// that the proposal takes, so that time is wanted only for those of others.
  public static let gossipLeadMilliseconds: UInt64 = 20
  /// Messages of fewer events than `gossipEventsMin` go to a peer at most once in this time: half of what a peer takes by default.
  public static let gossipNanoseconds: UInt64 = 2_000_000
  public static let gossipEventsMin: UInt64 = 256
  /// First wait for an answer before another peer is asked; it doubles up to the last.
  public static let askMilliseconds: UInt64 = 300
  public static let askMillisecondsMax: UInt64 = 5000
  /// Wait for a list of parts; a peer that has given none by then is asked for ranges without one.
  public static let partListMilliseconds: UInt64 = 2000
  /// Wait for a range of blocks; and how much longer its peer may be sending it, and is not asked for the same again.
  public static let rangeMilliseconds: UInt64 = 8000
  public static let lateMilliseconds: UInt64 = 16_000
  /// A range that everything else waits for is asked of a second peer, when one has nothing to do, after this.
  public static let slowMilliseconds: UInt64 = 2000
  /// Of the time, fetching bodies of old blocks takes one part in so many at most; the rest it rests.
  public static let backfillShare: UInt64 = 4
  /// When nobody has the bodies that are wanted, and when nothing is wanted, this long passes before the next look; a new peer ends it, and so does the end of the
  /// pause of a peer that was too slow.
  public static let backfillMilliseconds: UInt64 = 60_000
  /// Blocks behind a claimed head at which ranges are asked for at once; fewer come by themselves, or after this wait without progress.
  public static let syncLagMin: UInt64 = 8
  public static let syncStallMilliseconds: UInt64 = 2000
  /// While a node knows that it is behind, or does not know where it stands, it says where it stands, and so hears of others, at this interval; what
  /// is said in answer to one peer has at least the second between.
  public static let probeMilliseconds: UInt64 = 2000
  public static let statusAnswerMilliseconds: UInt64 = 500
  /// A peer that cosigns so long after this node has probably missed this node's cosignature.
  public static let cosignatureRepeatMilliseconds: UInt64 = 2000
  /// The pause of a peer that failed, times two for each further failure.
  public static let syncPauseMilliseconds: UInt64 = 1000
  public static let syncPauseDoublingsMax: UInt64 = 6
  /// An approved change that begins with one of so many next epochs is hurried towards.
  static let urgentEpochs: UInt64 = 2
}
