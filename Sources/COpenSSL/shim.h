// OpenSSL 3.0 as Swift sees it. The low-level SHA calls are marked deprecated there, but they are the only ones that hash without an
// allocation and a provider look-up per digest, so the attribute is switched off for this module.
#pragma once
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
