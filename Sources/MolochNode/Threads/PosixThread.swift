import CLinux
import Glibc

/// Starts a detached POSIX thread that runs `body` once. The name shows in `top -H`, cut to 15 bytes.
///
/// The entry point is a free function: a closure handed to `pthread_create` from main-actor code would inherit an isolation that the
/// new thread does not have, and trap.
/// - Returns: 0, or the errno of `pthread_create` (EAGAIN: the process has no thread left).
func startThread(name: String, _ body: @escaping @Sendable () -> Void) -> Int32 {
  // The retain made here is released by the entry point, or below when there will be none.
  let context = unsafe Unmanaged.passRetained(ThreadBody(name: name, body)).toOpaque()
  var thread = pthread_t()
  let result = unsafe pthread_create(&thread, nil, threadEntry, context)
  if result != 0 {
    unsafe Unmanaged<ThreadBody>.fromOpaque(context).release()
    return result
  }
  pthread_detach(thread)
  return 0
}

private final class ThreadBody: Sendable {
  let name: String
  let body: @Sendable () -> Void
  init(name: String, _ body: @escaping @Sendable () -> Void) {
    self.name = String(name.prefix(15))
    self.body = body
  }
}

private func threadEntry(_ context: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
  // The context is the retained `ThreadBody` of `startThread`, handed over exactly once.
  let thread = unsafe Unmanaged<ThreadBody>.fromOpaque(context!).takeRetainedValue()
  // The name is copied by the kernel during the call.
  _ = unsafe thread.name.withCString { thread_prctl(PR_SET_NAME, UInt(bitPattern: $0), 0, 0, 0) }
  thread.body()
  return nil
}
