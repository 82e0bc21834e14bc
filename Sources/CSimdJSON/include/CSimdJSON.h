// simdjson as Swift sees it: one check of an event body, behind a few C functions. No exception and no C++ type crosses this line.
#pragma once
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// Parser state with its buffers, reused from body to body; for one thread at a time.
struct event_profile;

// What is wrong with a body; 0 is nothing. The order of the four members is: event_type, actor.id, resource.id, outcome.
enum event_profile_fault {
  EVENT_PROFILE_SYNTAX = 1,
  EVENT_PROFILE_NESTING = 2,
  EVENT_PROFILE_DUPLICATE = 3,
  EVENT_PROFILE_NUMBER = 4,
  EVENT_PROFILE_NO_OBJECT = 5,
  EVENT_PROFILE_MISSING = 8,    // 8 to 11, by member
  EVENT_PROFILE_NO_STRING = 12, // 12 to 15
  EVENT_PROFILE_TOO_LONG = 16,  // 16 to 19
  EVENT_PROFILE_EVENT_TYPE_CHARACTERS = 20,
  EVENT_PROFILE_OUTCOME_UNKNOWN = 21,
  EVENT_PROFILE_ACTOR_KIND_UNKNOWN = 22,
  EVENT_PROFILE_OPTIONAL_TYPE = 23 // 23 to 30: time, reason, context, attachments, metadata, actor.name, resource.kind, resource.parent
};

// State for bodies of up to `capacity` bytes; null when there is no memory for it. Checks allocate nothing.
struct event_profile *event_profile_open(size_t capacity);
void event_profile_close(struct event_profile *profile);

// Checks `count` bytes, at most the capacity; keeps no pointer to them.
uint8_t event_profile_check(struct event_profile *profile, const void *bytes, size_t count);

#ifdef __cplusplus
}
#endif
