#pragma once
#include <openssl/evp.h>
#include <rocksdb/c.h>
