#include "CRelease.h"

#ifndef MOLOCH_COMMIT
#define MOLOCH_COMMIT unknown
#endif

#define TEXT(word) #word
#define TEXT_OF(macro) TEXT(macro)

const char *crelease_commit(void) { return TEXT_OF(MOLOCH_COMMIT); }
