// Links an entry point with the fuzzer's main. The imports name what the linked archives need of the Swift run time.
import Glibc
import Synchronization
