// Links an entry point with the fuzzer's main; there is nothing to compile.
