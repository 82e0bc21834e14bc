// Lanes: bounded queues and free lists between threads, of plain values, without locks.
//
// On the journey of a byte every hand-over between threads goes through a lane: reactors to the chain thread, the chain thread to storage.
//
// Invariants
// * Capacity is fixed at creation and a power of two; a full lane says so, it never waits and never grows.
// * Elements are `BitwiseCopyable`: a lane copies bits, it retains nothing.
// * Every index that two threads write is padded to 128 bytes, since adjacent lines are fetched in pairs.
// * Every memory ordering has its reason beside it. Ordering is put on variables, never on fences, so that ThreadSanitizer sees it.
//
// SPSCLane: one producer, one consumer (Lamport's ring). MPMCLane: Vyukov's bounded queue, a sequence number per
// cell; it also serves many producers and one consumer. FreeList: Treiber's stack of indexes with a tag against ABA; Magazine: what one thread
// took from it in advance. AtomicArray and OwnedArray hold words and lanes without counting references.
