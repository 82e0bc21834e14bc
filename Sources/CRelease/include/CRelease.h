// CRelease: what the build knows of the tree that it was made from. `.ci/release` and `.ci/deb` name the commit in MOLOCH_COMMIT, which Package.swift defines
// for this target alone: another commit compiles one file and links again.
#ifndef CRELEASE_H
#define CRELEASE_H

/// The first digits of the commit, with `-dirty` when the tree had changes that no commit has; `unknown` in a build that nobody told.
const char *crelease_commit(void);

#endif
