import CLinux
import Glibc

/// Starts a detached POSIX thread that runs `body` once. The name shows in `top -H`, cut to 15 bytes.
///
/// The entry point is a free function: a closure handed to `pthread_create` from main-actor code would inherit an isolation that the
/// new thread does not have, and trap.
/// - Returns: 0, or the errno of `pthread_create` (EAGAIN: the process has no thread left).
func startThread(name: String, _ body: @escaping @Sendable () -> Void) -> Int32 {
  var thread = pthread_t()
  let result = startThread(name: name, handle: &thread, body)
  if result == 0 { pthread_detach(thread) }
  return result
}

/// The same with a thread that somebody waits for: after `pthread_join` of the handle the body has ended, and what it held is released.
func startThread(name: String, handle: inout pthread_t, _ body: @escaping @Sendable () -> Void) -> Int32 {
  // The retain made here is released by the entry point, or below when there will be none.
  let context = unsafe Unmanaged.passRetained(ThreadBody(name: name, body)).toOpaque()
  let result = unsafe pthread_create(&handle, nil, threadEntry, context)
  if result != 0 { unsafe Unmanaged<ThreadBody>.fromOpaque(context).release() }
  return result
}

private final class ThreadBody: Sendable {
  let name: String
  let body: @Sendable () -> Void
  init(name: String, _ body: @escaping @Sendable () -> Void) {
    self.name = String(name.prefix(15))
    self.body = body
  }

  func run() {
    // The name is copied by the kernel during the call.
    _ = unsafe name.withCString { thread_prctl(PR_SET_NAME, UInt(bitPattern: $0), 0, 0, 0) }
    body()
  }
}

private func threadEntry(_ context: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
  // The context is the retained `ThreadBody` of `startThread`, handed over exactly once.
  unsafe Unmanaged<ThreadBody>.fromOpaque(context!).takeRetainedValue().run()
  return nil
}
