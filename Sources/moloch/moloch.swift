// moloch: the node's executable and the command line of its operators and clients.
//
// At both ends of the journey of a byte: `run` and `dev` start the node (target MolochNode), the other commands are its clients or work on files.
//
//      Commands/    one file per command          Client/      HTTP to a node, over TCP or a local socket
//      Submission/  events signed and sent        Terminal/    output, files, exit codes
//      Governance/  acts of a validator           Localnet/    validators as child processes
//
// Invariants
// * Standard output carries results only; notes, progress and errors go to standard error.
// * Every exit code is one of `Exit`; the argument parser's own codes are mapped.
// * A key file is never overwritten and never printed. Nothing here verifies by a rule of its own: the codecs and checks are those of `Audit`.
//
// Limits: beside what they bound (`Files.readBytesMax`, `Submission.batchRecordsMax`). Source: operations guide, sections 1 and 2.
