/// # Verification: forming batches of signatures
///
/// On the journey of a byte this engine stands between the codec and the pool: it groups the signatures that arrive in one turn of a reactor, checks them
/// together, and answers a verdict for each. A source that sent a bad signature is checked alone for a while, so that it spoils nobody else's batch.
///
/// What a reactor has too much of goes to helper threads through an `Overflow`, in lanes of plain values; each helper is an `OverflowHelper` with a queue of its
/// own. The gate of the clients has one, and the replica one for what peers send. The threads themselves are the node's.
///
/// ```
/// reactor: up to Limits.batchCountInline -> VerificationQueue -> verdicts
///          the rest -> Overflow.offer ->|  OverflowHelper.step: VerificationQueue of up to 1024  |-> Overflow.take -> verdicts
/// ```
///
/// Keys of known signers are kept decoded in a bounded cache that several queues may share.
///
/// Invariants: pure (time and seed come in as arguments); one verdict for each accepted item; verdicts are those of `Verifier`, whatever the grouping.
///
/// Limits: see `Limits`. Source: performance design, section 3.
