// TOML 1.0 for Swift: toml++ behind a flat list of nodes. No C++ type and no exception passes this header.
#pragma once
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum { ctoml_table, ctoml_array, ctoml_string, ctoml_integer, ctoml_float, ctoml_boolean, ctoml_time } ctoml_kind;

/// One key or array element with its value. Texts belong to the document and are UTF-8, not terminated.
typedef struct {
  ctoml_kind kind;
  /// Index of the table or array that holds this node, -1 for the root; always below the node's own index.
  int32_t parent;
  /// Empty for the root and for elements of arrays.
  const char *key;
  size_t key_length;
  /// Where the key begins (for an element: the value), counted from 1; the column in characters.
  uint32_t key_line, key_column;
  uint32_t line, column;
  /// Strings, and dates and times in TOML's own form.
  const char *text;
  size_t text_length;
  int64_t integer;
  double number;
} ctoml_node;

typedef struct ctoml_document ctoml_document;

/// Reads a document. Null only when memory is out. A document with an error has no nodes.
ctoml_document *ctoml_parse(const char *text, size_t length);
void ctoml_free(ctoml_document *document);
size_t ctoml_count(const ctoml_document *document);
/// `index` is below the count.
ctoml_node ctoml_at(const ctoml_document *document, size_t index);
/// The error's words, or null when there is none; its place in `line` and `column`.
const char *ctoml_error(const ctoml_document *document, uint32_t *line, uint32_t *column);

#ifdef __cplusplus
}
#endif
