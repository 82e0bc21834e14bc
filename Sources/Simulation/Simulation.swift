// Simulation: whole clusters of real replicas in one process, on a simulated network, disk and clock, from one seed.
//
// Beside the node, never in it. Every replica is the one that runs in production; its effects are performed by models instead of sockets and files,
// and everything that chance decides comes from the seed, so that a failing run can be run again, looked at and shortened.
//
//      Scenario(seed) ──► World: Agenda of timed events
//                           │  deliver, timer, disk done, link up or down, fault
//                           ▼
//                         SimulatedNode: Replica + DiskModel + clocks ──effects──► NetworkModel, DiskModel, Auditor, Checkers
//
// What is modelled
// * Network: delay, loss, duplication, reordering; partitions that are symmetric, one-way or flapping; links that break and come back.
// * Disk: one queue per node, slow at times. A crash loses what was not synced and tears the write that was under way, sector by sector.
// * Clocks: monotonic time is that of the world; wall clocks are wrong by an offset and jump.
// * Crashes at any effect, restarts from what the disk holds, wiped directories, a lost vote journal.
// * Governance: sets that are proposed, approved in a race, approved too late, refused because they would lose the quorum; validators that leave (the leader
//   too), join, get another key or other power; processes that end where one set hands over to the next.
// * Cosignatures of final heads, and stores that have given up old bodies.
// * Nodes that begin from a block or a signed checkpoint that they were told, with pruned peers, also above all that their peers have; and false ones.
// * Validators that lie: one file per role in `Adversaries`. They are real replicas whose messages are changed, or a second replica with the same key.
//
// What is checked, apart from the scenarios, in `Checkers`: agreement, gap-free commits, no conflicting votes by an honest key ever, no vote released
// before its record is on disk, soundness of certificates (lemmas L1 and L2), durability of what was reported final, equal roots, every acknowledged
// event exactly once, monotone timestamps, bounded memory, sets only by a quorum of the set before, votes only by members of the set of their epoch,
// cosignatures that never go back, checkpoints of a quorum, and progress after the faults have stopped.
//
// Invariants: pure, like the engines; two runs of one seed give the same hash of all effects (`Auditor`).
// Limits: `SimulationLimit`.
