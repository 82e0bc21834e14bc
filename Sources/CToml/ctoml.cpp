#include "ctoml.h"

#define TOML_EXCEPTIONS 0
// The library asserts that a key of an inline table begins like a key, and a release build of it takes that for a promise, before the branch that reports the
// error. Neither may end or mislead the node, so both are nothing here and the branches decide.
#include <toml++/impl/preprocessor.h>
#undef TOML_ASSERT
#undef TOML_ASSERT_ASSUME
#undef TOML_ASSUME
#define TOML_ASSERT(expression) static_cast<void>(0)
#define TOML_ASSERT_ASSUME(expression) static_cast<void>(0)
#define TOML_ASSUME(expression) static_cast<void>(0)
#include <toml++/toml.h>

#include <deque>
#include <new>
#include <sstream>
#include <string>
#include <vector>

struct ctoml_document {
  std::deque<std::string> texts;  // a deque: addresses of its strings stay
  std::vector<ctoml_node> nodes;
  std::string error;
  bool failed = false;
  uint32_t error_line = 0, error_column = 0;

  const std::string &keep(std::string text) { return texts.emplace_back(std::move(text)); }

  int32_t add(const toml::node &value, int32_t parent, const toml::key *key) {
    ctoml_node node{};
    node.parent = parent;
    node.line = value.source().begin.line;
    node.column = value.source().begin.column;
    node.key_line = node.line;
    node.key_column = node.column;
    if (key) {
      const std::string &name = keep(std::string(key->str()));
      node.key = name.data();
      node.key_length = name.size();
      node.key_line = key->source().begin.line;
      node.key_column = key->source().begin.column;
    }
    auto set_text = [&](std::string text) {
      const std::string &kept = keep(std::move(text));
      node.text = kept.data();
      node.text_length = kept.size();
    };
    auto printed = [&](const auto &time) {
      std::ostringstream stream;
      stream << time;
      return stream.str();
    };
    if (value.is_table()) {
      node.kind = ctoml_table;
    } else if (value.is_array()) {
      node.kind = ctoml_array;
    } else if (const auto *text = value.as_string()) {
      node.kind = ctoml_string;
      set_text(text->get());
    } else if (const auto *integer = value.as_integer()) {
      node.kind = ctoml_integer;
      node.integer = integer->get();
    } else if (const auto *number = value.as_floating_point()) {
      node.kind = ctoml_float;
      node.number = number->get();
    } else if (const auto *boolean = value.as_boolean()) {
      node.kind = ctoml_boolean;
      node.integer = boolean->get() ? 1 : 0;
    } else {
      node.kind = ctoml_time;
      if (const auto *date = value.as_date()) set_text(printed(date->get()));
      if (const auto *time = value.as_time()) set_text(printed(time->get()));
      if (const auto *both = value.as_date_time()) set_text(printed(both->get()));
    }
    nodes.push_back(node);
    return static_cast<int32_t>(nodes.size() - 1);
  }

  void walk(const toml::node &value, int32_t index) {
    if (const auto *table = value.as_table()) {
      for (auto &&[key, child] : *table) walk(child, add(child, index, &key));
    } else if (const auto *array = value.as_array()) {
      for (auto &&child : *array) walk(child, add(child, index, nullptr));
    }
  }
};

ctoml_document *ctoml_parse(const char *text, size_t length) {
  auto *document = new (std::nothrow) ctoml_document;
  if (!document) return nullptr;
  try {
    toml::parse_result result = toml::parse(std::string_view(text, length));
    if (result.failed()) {
      document->failed = true;
      document->error = std::string(result.error().description());
      document->error_line = result.error().source().begin.line;
      document->error_column = result.error().source().begin.column;
    } else {
      document->walk(result.table(), document->add(result.table(), -1, nullptr));
    }
  } catch (...) {  // out of memory: the caller's frames are not C++
    delete document;
    return nullptr;
  }
  return document;
}

void ctoml_free(ctoml_document *document) { delete document; }
size_t ctoml_count(const ctoml_document *document) { return document->nodes.size(); }
ctoml_node ctoml_at(const ctoml_document *document, size_t index) { return document->nodes[index]; }

const char *ctoml_error(const ctoml_document *document, uint32_t *line, uint32_t *column) {
  if (!document->failed) return nullptr;
  *line = document->error_line;
  *column = document->error_column;
  return document->error.c_str();
}
