// moloch-sim: runs the simulation of clusters, replays one seed, and shortens the plan of a failing one.
//
// A command around `Simulation`, which is pure: entropy for fresh seeds and the printing are here. `Totals` sums what many runs have done. The class of the
// first failure is the exit code, so that scripts can tell a fork from a stall.
