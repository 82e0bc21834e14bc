// Consensus: agreement among known validators, of the Simplex family (Chan and Pass, 2023), as a machine without clock, lock or I/O.
//
// Time runs in views. Each view has one leader, who proposes one block. A validator answers with at most one of two kinds of first vote:
// *notarise* the leader's block, or *nullify* the view when nothing acceptable came in time. A quorum of equal votes is a certificate:
// a notarisation lets everybody go on to the next view and build on the block; a nullification lets everybody go on without it. Who has
// seen the notarisation, holds the block on disk and has not nullified the view sends *finalise*; a quorum of those makes the block and all its
// ancestors final.
//
//      propose ──► notarise ×Q ──► notarisation ──► finalise ×Q ──► finalisation ──► commit
//              └─► nullify  ×Q ──► nullification ──► next view
//
// Powers and quorums. T is the total power, Q = floor(2T/3) + 1, F = floor((T-1)/3), all in 64-bit integers. Two quorums overlap in more than F.
//
// Why it is safe
// * L1. A view has at most one notarisation: two would need an honest validator that sent two notarise votes in one view.
// * L2. A view never has both a finalisation and a nullification: they would share an honest validator, and nobody honest sends both.
// * L3. If block c is finalised in view v, every acceptable proposal of a later view descends from c. Its parent must be certified, and every
//   view between parent and proposal nullified. A parent before v would need a nullification of v, which L2 excludes; a parent in v is c by L1; a
//   parent after v descends from c by induction.
//
// Why restarts keep it safe. Every own vote is a journal record, and the machine counts and releases it only when the driver reports that record
// as synced. `start` gives the records back; the votes in them bind this validator as if it had never stopped.
//
// What is here and what is not yet. The rules of one epoch for any number of validators: schedule, pacing, votes, certificates, commits, epoch
// changes with an unchanged set, restart. Asking peers for what is missing, resending after a reconnect, evidence, and changes of the set belong
// to the network of validators and come with it; a set of one needs none of them.
//
// Limits: `ConsensusLimit`. Memory is bounded by the window of views times the size of the set.
