// Consensus: agreement among known validators, of the Simplex family (Chan and Pass, 2023), as a machine without clock, lock or I/O.
//
// Between the peers' messages and the ledger: `Machine.step(input, now, &effects)` decides which block is proposed, voted for and final. This page is the
// protocol; the rules are named in the code by their numbers.
//
// Time runs in epochs of one validator set, and in views inside an epoch. Each view has one leader, who proposes one block. A validator *notarises* the
// block, or *nullifies* the view when nothing acceptable came in time. A quorum of equal votes is a certificate: a notarisation lets everybody go on and
// build on the block, a nullification lets everybody go on without it. Who holds a notarised block on disk and has not nullified the view sends
// *finalise*; a quorum of those makes the block and all its ancestors final. Good case: a block every two network delays, final after three.
//
//      propose ──► notarise ×Q ──► notarisation ──► finalise ×Q ──► finalisation ──► commit ──► applied
//              └─► nullify  ×Q ──► nullification ──► next view      (of the last block of an epoch: next epoch)
//
// Powers and quorums. T is the total power, Q = floor(2T/3) + 1 (the same as 3p > 2T), F = floor((T-1)/3), all in 64-bit integers. Two quorums share more
// than F, hence an honest signer; T - F is at least Q, hence the honest can go on without the faulty.
//
// Why it is safe
// * L1. A view has at most one notarisation: two would need an honest validator that sent two notarise votes in one view.
// * L2. A view never has both a finalisation and a nullification: they would share an honest validator, and nobody honest sends both votes.
// * L3. If block c is finalised in view v, every acceptable proposal of a later view descends from c. Its parent must be certified, and every
//   view between parent and proposal nullified. A parent before v would need a nullification of v, which L2 excludes; a parent in v is c by L1; a
//   parent after v descends from c by induction.
// A view may have both a notarisation and a nullification, and its block may be final as an ancestor. Only direct finalisation excludes nullification.
//
// Words. *Floor*: the newest final block. *Certified view*: it has a notarisation or finalisation whose block is here, valid and on disk; or it is the
// floor's. *Parent of view v*: the newest certified view below v with only nullified ones between. A certificate has no identity: several valid ones
// of one vote may exist, none is hashed into a block, and the leader schedule does not look at them.
//
// Rules. After every input they run until none changes anything; each can be applied any number of times.
// * R1 Enter view v when view v-1 or a later one is nullified, finalised or certified. A notarisation without its block does not let a validator
//   leave: others might be unable to build. Timers: the leader is waited for until what pacing allows + 2D, the view until + 3D. Both fire at once
//   when the leader has missed its last views and was silent for `skipTimeout` while a quorum was active.
// * R2 D = base * 1.5^g. g rises by 1 with an own nullify vote, and falls by 1/2 with the direct finalisation of a view that was not nullified here. (If it
//   fell with notarisations, timers could stay too short for finality for ever.)
// * R3 Propose as the leader of the current view, once, on its parent. If the parent is the last block of the epoch, propose that same block again.
// * R4 Notarise the first proposal of the current view's leader, when neither notarise nor nullify was sent there: the parent is certified here, every view
//   between is nullified, height, parent, epoch and proposer match or it is the repetition of R3, the time is right, the block valid. What is missing
//   is asked for while timers run; what can never be right counts as a fired timer.
// * R5 A quorum of equal votes becomes a certificate: journal, act, pass on (at once while small; else, and when received, a little later to those who have
//   not shown that they are past it). A received one is verified once. One that is far ahead is how those behind catch up.
// * R6 Finalise in every view above the floor, left or not, that is notarised and certified here, when neither nullify nor finalise was sent there.
// * R7 Nullify the current view when a timer fires, the proposal is refused, its leader nullified, or more than F power did; never after finalise.
// * R8 Say it again, at intervals that grow to 2 s, while in a view after an own nullify vote or with unfinalised certified views, and on every connection:
//   status, the floor's certificate, certificates and own votes of the last 16 unfinalised views, the own proposal of the current view.
// * R9 A finalisation raises the floor and commits the way down to the old one. Missing blocks are fetched one by one, or synchronised when they are many.
// * R10 When the last block of an epoch is itself finalised and applied, the next epoch starts at view 1 with its set. Nothing above that block exists in
//   the epoch. What peers say early about the next epoch is kept, a little of it; peers in the epoch before are given the certificate that ends it.
// * R11 A question about a view is answered with a finalisation at or above it, else with its notarisation (if the block can be had here) and nullification.
// * R12 Votes count from 8 views below the floor to 8 above the current view, the first per signer and kind; proposals in the current and next view.
// * R13 A restart goes on with floor and journal: own votes bind and count again, the view follows from certificates. A leader repeats its very block.
// * R14 A validator without its journal listens. Peers past their own bounds sign, over a fresh nonce, where they stand and by which certificate. With
//   such witnesses of a quorum, itself excluded, nothing that it forgot lies more than 2 views above the highest certified one: that is the bound, a
//   journal record, at or below which it never votes, nor in view 1 of the next epoch. The reason stands at `concludeRecovery`. The first record of the
//   new journal says that a bound is wanted, so that a crash before it ends nothing.
// * R15 Whoever doubts its journal (lost, copied to another place, without a promise on a chain that has gone on, or behind its own key's votes) listens: rule
//   R14, and a window of time with a peer connected, until it votes. A vote of its key above the bound of R14 cannot be a forgotten one: another instance
//   votes, and this one halts. Votes of its key that it has not made are seen in certificates, and on a connection that has proved the same key.
// * Evidence: two different notarise or finalise votes of one signer and view, or nullify with finalise. Nothing else is an offence of a vote.
// * Pacing: `block_time_ms` between parent and proposal, from when the parent was proposed or received; nothing pending: `empty_block_interval_ms`; a full
//   block or a pending set change, evidence or the last 16 blocks of an epoch do not wait for events. Timers count from there. Events may wait where the
//   leader does not see them: a validator that holds some, and no proposal half a base delay after one was due, says so in a status to the leader, who then
//   paces the view as if it held them. A claim: it brings one block of that view forward, which its author could have had by sending an event.
// * Time: a block whose time is ahead of the clock is waited for; one that is too old when it comes is refused, the less the more views were nullified.
//
// What is on disk before what. An own vote is a journal record, and it counts and leaves only when the driver reports that record as synced: `send`
// effects come out in that order, so the driver sends at once what it is given. Certificates are records in front of the votes that they enable, in the
// same barrier. A body is on disk before the finalise vote for it; block, height and floor certificate are one batch of the store.
//
// Who is believed. Nobody: votes and proposals count only over the connection of their signer, certificates by their signatures, status and
// block references not at all. Each new vote or certificate costs one verification, and a provable fault ends what is heard on a connection; so a flood
// costs its author, and relayed certificates make up for partial connectivity.
//
// Limits: `ConsensusLimit`. A view costs at most three votes of 200 bytes per validator and three certificates. Views kept are 8 below the floor, 8 above the
// current one, and those between; of those more than 64 back only certificates stay. Early messages are 40 KB per validator, blocks 112 bytes each.
//
// Sources: B. Chan, R. Pass, "Simplex Consensus: A Simple and Fast Consensus Protocol", TCC 2023.
