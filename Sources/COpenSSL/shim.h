// OpenSSL 3.0 as Swift sees it. The low-level SHA calls are marked deprecated there, but they are the only ones that hash without an
// allocation and a provider look-up per digest, so the attribute is switched off for this module.
#pragma once
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

// Swift imports no function-like macros: one inline function per macro, under the macro's name in lower case.

static inline int ssl_ctx_set_protocols(SSL_CTX *context, int min, int max) {
  return SSL_CTX_set_min_proto_version(context, min) && SSL_CTX_set_max_proto_version(context, max);
}
static inline void ssl_ctx_set_mode(SSL_CTX *context, long mode) { SSL_CTX_set_mode(context, mode); }
static inline void ssl_ctx_disable_session_cache(SSL_CTX *context) { SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF); }
// No session tickets, no renegotiation, no compression.
static inline void ssl_ctx_forbid_extras(SSL_CTX *context) {
  SSL_CTX_set_options(context, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
}
static inline int ssl_ctx_set_groups(SSL_CTX *context, const char *list) { return SSL_CTX_set1_groups_list(context, list) == 1; }
static inline int ssl_ctx_set_signature_algorithms(SSL_CTX *context, const char *list) { return SSL_CTX_set1_sigalgs_list(context, list) == 1; }
static inline int ssl_ctx_add_chain_certificate(SSL_CTX *context, X509 *certificate) { return SSL_CTX_add0_chain_cert(context, certificate) == 1; }
static inline void bio_set_retry_read(BIO *bio) { BIO_set_retry_read(bio); }
static inline void bio_clear_retry(BIO *bio) { BIO_clear_retry_flags(bio); }
static inline int x509_stack_count(const STACK_OF(X509) *stack) { return sk_X509_num(stack); }
// The number of the last error of this thread and its reason; 0 when there is none.
static inline unsigned long err_reason(unsigned long error) { return (unsigned long)ERR_GET_REASON(error); }
