// The event profile over simdjson: the parser checks syntax, UTF-8 and numbers; the walk over its tape checks what JSON leaves open.
#include "CSimdJSON.h"

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <memory>
#include <new>
#include <simdjson.h>
#include <string_view>
#include <vector>

namespace dom = simdjson::dom;

namespace {

constexpr size_t depth_max = 32;
constexpr size_t name_bytes_max = 512;
// Members of one object that are compared pair by pair; more are sorted.
constexpr size_t pairwise_max = 24;

// A member name with its first eight bytes, which tell most names apart.
struct key {
  uint64_t head;
  std::string_view text;

  // Reads eight bytes at any name: the parser's buffer of strings goes on behind the last one.
  explicit key(std::string_view name) : text(name) {
    std::memcpy(&head, name.data(), 8);
    if (name.size() < 8) head &= (uint64_t(1) << 8 * name.size()) - 1;
  }

  bool operator==(const key &other) const {
    if (head != other.head || text.size() != other.text.size()) return false;
    return text.size() <= 8 || std::memcmp(text.data(), other.text.data(), text.size()) == 0;
  }

  bool operator<(const key &other) const { return head != other.head ? head < other.head : text < other.text; }
};

bool is_digit(char byte) { return byte >= '0' && byte <= '9'; }

bool is_type_character(char byte) { return (byte >= 'a' && byte <= 'z') || is_digit(byte) || byte == '_' || byte == '.'; }

constexpr std::string_view outcomes[] = {"success", "failure", "denied", "pending", "unknown"};
constexpr std::string_view actor_kinds[] = {"user", "system", "agent", "integration"};

} // namespace

struct event_profile {
  dom::parser parser;
  size_t capacity = 0;
  // A copy of the body with the bytes behind it that the parser may read.
  std::unique_ptr<char[]> text;
  // Members of the objects that are open in the walk.
  std::vector<key> keys;
  bool has_escapes = false;

  bool open(size_t bytes) {
    capacity = std::max<size_t>(bytes, 64);
    text.reset(new (std::nothrow) char[capacity + simdjson::SIMDJSON_PADDING]());
    if (!text) return false;
    // One more than the walk allows, which counts exactly; the parser's own count leaves out empty containers.
    if (parser.allocate(capacity, depth_max + 2) != simdjson::SUCCESS) return false;
    if (parser.doc.allocate(capacity) != simdjson::SUCCESS) return false;
    // A member takes at least five bytes: quotes, a colon, a value, a comma.
    keys.reserve(capacity / 5 + 2);
    return true;
  }

  uint8_t check(const void *bytes, size_t count) {
    if (count > capacity) return EVENT_PROFILE_SYNTAX;
    if (count > 0) std::memcpy(text.get(), bytes, count);
    std::memset(text.get() + count, 0, simdjson::SIMDJSON_PADDING);
    dom::element root;
    auto error = parser.parse(reinterpret_cast<uint8_t *>(text.get()), count, false).get(root);
    if (error == simdjson::NUMBER_ERROR) {
      // The parser refuses integers beyond 64 bits, which JSON allows.
      if (uint8_t fault = plain_numbers(count)) return fault;
      error = parser.parse(reinterpret_cast<uint8_t *>(text.get()), count, false).get(root);
    }
    if (error == simdjson::DEPTH_ERROR) return EVENT_PROFILE_NESTING;
    if (error) return EVENT_PROFILE_SYNTAX;
    dom::object object;
    if (root.get_object().get(object)) return EVENT_PROFILE_NO_OBJECT;
    has_escapes = std::memchr(text.get(), '\\', count) != nullptr;
    keys.clear();
    if (uint8_t fault = walk(object, 1)) return fault;
    return required(object);
  }

  // Writes 0 over every number outside of strings that is well-formed and finite.
  uint8_t plain_numbers(size_t count) {
    char *bytes = text.get();
    for (size_t at = 0; at < count;) {
      if (bytes[at] == '"') {
        for (at++; at < count && bytes[at] != '"'; at++) at += bytes[at] == '\\';
        at++;
      } else if (bytes[at] == '-' || is_digit(bytes[at])) {
        size_t end = at;
        if (uint8_t fault = number(bytes, count, end)) return fault;
        bytes[at] = '0';
        std::memset(bytes + at + 1, ' ', end - at - 1);
        at = end;
      } else {
        at++;
      }
    }
    return 0;
  }

  // Reads the number at `at` and moves there behind it. The byte behind the text is 0.
  static uint8_t number(const char *bytes, size_t count, size_t &at) {
    size_t start = at;
    if (bytes[at] == '-') at++;
    size_t whole = at;
    while (is_digit(bytes[at])) at++;
    if (at == whole || (bytes[whole] == '0' && at - whole > 1)) return EVENT_PROFILE_SYNTAX;
    // Decimal exponent of the first digit that is not zero.
    long magnitude = bytes[whole] == '0' ? 0 : static_cast<long>(at - whole) - 1;
    bool is_zero = bytes[whole] == '0';
    if (bytes[at] == '.') {
      size_t first = ++at;
      while (is_digit(bytes[at])) {
        if (is_zero && bytes[at] != '0') {
          is_zero = false;
          magnitude = -static_cast<long>(at - first) - 1;
        }
        at++;
      }
      if (at == first) return EVENT_PROFILE_SYNTAX;
    }
    if (bytes[at] == 'e' || bytes[at] == 'E') {
      at++;
      bool is_negative = bytes[at] == '-';
      if (bytes[at] == '+' || bytes[at] == '-') at++;
      size_t first = at;
      long exponent = 0;
      while (is_digit(bytes[at])) exponent = std::min(10000000L, exponent * 10 + (bytes[at++] - '0'));
      if (at == first) return EVENT_PROFILE_SYNTAX;
      magnitude += is_negative ? -exponent : exponent;
    }
    if (at < count && !std::strchr(",]} \t\r\n", bytes[at])) return EVENT_PROFILE_SYNTAX;
    if (is_zero || magnitude < 308) return 0;
    if (magnitude > 308) return EVENT_PROFILE_NUMBER;
    double value = std::strtod(bytes + start, nullptr);
    return value <= 1.7976931348623157e308 && value >= -1.7976931348623157e308 ? 0 : EVENT_PROFILE_NUMBER;
  }

  // A surrogate without its partner comes out of the parser as three bytes that no UTF-8 text holds.
  bool is_lone(std::string_view text) const {
    if (!has_escapes) return false;
    for (size_t at = 0; at + 1 < text.size(); at++) {
      if (static_cast<uint8_t>(text[at]) == 0xED && static_cast<uint8_t>(text[at + 1]) >= 0xA0) return true;
    }
    return false;
  }

  uint8_t walk(dom::object object, size_t depth) {
    if (depth > depth_max) return EVENT_PROFILE_NESTING;
    size_t first = keys.size();
    for (auto field : object) {
      if (is_lone(field.key)) return EVENT_PROFILE_SYNTAX;
      keys.emplace_back(field.key);
      if (uint8_t fault = walk(field.value, depth)) return fault;
    }
    bool is_repeated = repeats(first);
    keys.erase(keys.begin() + static_cast<std::ptrdiff_t>(first), keys.end());
    return is_repeated ? EVENT_PROFILE_DUPLICATE : 0;
  }

  uint8_t walk(dom::element element, size_t depth) {
    switch (element.type()) {
    case dom::element_type::OBJECT: return walk(dom::object(element), depth + 1);
    case dom::element_type::ARRAY:
      if (depth + 1 > depth_max) return EVENT_PROFILE_NESTING;
      for (auto item : dom::array(element)) {
        if (uint8_t fault = walk(item, depth + 1)) return fault;
      }
      return 0;
    case dom::element_type::STRING: return is_lone(std::string_view(element)) ? EVENT_PROFILE_SYNTAX : 0;
    default: return 0;
    }
  }

  bool repeats(size_t first) {
    size_t count = keys.size() - first;
    key *all = keys.data() + first;
    if (count <= pairwise_max) {
      for (size_t a = 1; a < count; a++) {
        for (size_t b = 0; b < a; b++) {
          if (all[a] == all[b]) return true;
        }
      }
      return false;
    }
    std::sort(all, all + count);
    for (size_t a = 1; a < count; a++) {
      if (all[a] == all[a - 1]) return true;
    }
    return false;
  }

  // A required string of the profile, once it has been looked at.
  static uint8_t text_member(dom::object object, std::string_view name, uint8_t index, std::string_view &text) {
    dom::element value;
    if (object[name].get(value)) return static_cast<uint8_t>(EVENT_PROFILE_MISSING + index);
    if (value.get_string().get(text)) return static_cast<uint8_t>(EVENT_PROFILE_NO_STRING + index);
    return text.size() > name_bytes_max ? static_cast<uint8_t>(EVENT_PROFILE_TOO_LONG + index) : 0;
  }

  static uint8_t identity(dom::object object, std::string_view name, uint8_t index, dom::object &inner) {
    if (object[name].get_object().get(inner)) return static_cast<uint8_t>(EVENT_PROFILE_MISSING + index);
    std::string_view id;
    return text_member(inner, "id", index, id);
  }

  // Whether a member is absent, null or of this type.
  static bool is_optional(dom::object object, std::string_view name, dom::element_type type) {
    dom::element value;
    return object[name].get(value) || value.is_null() || value.type() == type;
  }

  static uint8_t required(dom::object object) {
    std::string_view event_type, outcome;
    dom::object actor, resource;
    if (uint8_t fault = text_member(object, "event_type", 0, event_type)) return fault;
    if (uint8_t fault = identity(object, "actor", 1, actor)) return fault;
    if (uint8_t fault = identity(object, "resource", 2, resource)) return fault;
    if (uint8_t fault = text_member(object, "outcome", 3, outcome)) return fault;
    if (event_type.empty() || !std::all_of(event_type.begin(), event_type.end(), is_type_character)) return EVENT_PROFILE_EVENT_TYPE_CHARACTERS;
    if (std::find(std::begin(outcomes), std::end(outcomes), outcome) == std::end(outcomes)) return EVENT_PROFILE_OUTCOME_UNKNOWN;
    dom::element kind;
    if (!actor["kind"].get(kind) && !kind.is_null()) {
      std::string_view text;
      if (kind.get_string().get(text)) return EVENT_PROFILE_ACTOR_KIND_UNKNOWN;
      if (std::find(std::begin(actor_kinds), std::end(actor_kinds), text) == std::end(actor_kinds)) return EVENT_PROFILE_ACTOR_KIND_UNKNOWN;
    }
    return optional(object, actor, resource);
  }

  static uint8_t optional(dom::object object, dom::object actor, dom::object resource) {
    using type = dom::element_type;
    const bool fits[] = {
      is_optional(object, "time", type::STRING),          is_optional(object, "reason", type::STRING),  is_optional(object, "context", type::OBJECT),
      is_optional(object, "attachments", type::ARRAY),    is_optional(object, "metadata", type::OBJECT), is_optional(actor, "name", type::STRING),
      is_optional(resource, "kind", type::STRING),        is_optional(resource, "parent", type::OBJECT),
    };
    for (uint8_t index = 0; index < std::size(fits); index++) {
      if (!fits[index]) return static_cast<uint8_t>(EVENT_PROFILE_OPTIONAL_TYPE + index);
    }
    return 0;
  }
};

extern "C" {

struct event_profile *event_profile_open(size_t capacity) {
  auto *profile = new (std::nothrow) event_profile;
  if (!profile) return nullptr;
  bool is_open = false;
  try {
    is_open = profile->open(capacity);
  } catch (const std::bad_alloc &) {
  }
  if (is_open) return profile;
  delete profile;
  return nullptr;
}

void event_profile_close(struct event_profile *profile) { delete profile; }

uint8_t event_profile_check(struct event_profile *profile, const void *bytes, size_t count) { return profile->check(bytes, count); }
}
