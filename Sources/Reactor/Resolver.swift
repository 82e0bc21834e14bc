import CLinux

/// Which addresses of a host name are wanted.
public enum HostFamily: Sendable { case any, ipv4, ipv6 }

/// Resolves host names on a thread of its own, because getaddrinfo blocks; answers wake the loop.
///
/// At most `Resolver.waitingMax` names wait. The thread ends with the object, after the look-up that it is in.
public final class Resolver: Sendable {
  public static let waitingMax = 64

  /// The answer to one look-up: addresses with port 0; none when the name is unknown or the resolver failed.
  public struct Answer: Sendable, Equatable {
    public var token: UInt64
    public var addresses: [SocketAddress]
  }

  private let desk = ResolverDesk()

  /// - Parameter waker: of the loop whose driver takes the answers in `woken`.
  /// - Throws: `.descriptor` with the error number when no thread can be started.
  public init(waker: Waker) throws(ReactorError) {
    desk.waker.withLock { $0 = waker }
    // The retain is released by the thread.
    let context = unsafe Unmanaged.passRetained(desk).toOpaque()
    var thread = pthread_t()
    let result = unsafe pthread_create(&thread, nil, resolverThread, context)
    guard result == 0 else {
      // There will be no thread to release it.
      unsafe Unmanaged<ResolverDesk>.fromOpaque(context).release()
      throw .descriptor(errno: result)
    }
    pthread_detach(thread)
  }

  deinit { desk.stop() }

  /// Asks for the addresses of a name. False when too many wait.
  public func resolve(_ token: UInt64, host: String, family: HostFamily) -> Bool { desk.post(ResolverDesk.Question(token: token, host: host, family: family)) }

  /// The next answer, or nil.
  public func take() -> Answer? { desk.answers.withLock { $0.isEmpty ? nil : $0.removeFirst() } }
}

/// What the thread and its owner share.
@safe final class ResolverDesk: Sendable {
  struct Question {
    var token: UInt64
    var host: String
    var family: HostFamily
  }

  private struct Questions {
    var waiting: [Question] = []
    var isStopped = false
  }

  private let questions = Guarded(Questions())
  let answers = Guarded<[Resolver.Answer]>([])
  let waker = Guarded<Waker?>(nil)
  // A POSIX semaphore needs a stable address; it lives as long as this object.
  private nonisolated(unsafe) let bell: UnsafeMutablePointer<sem_t>

  init() {
    // Freed in deinit, which runs when owner and thread have both let go.
    unsafe bell = .allocate(capacity: 1)
    unsafe sem_init(bell, 0, 0)
  }

  deinit {
    // Nobody waits any more: the thread holds a reference while it does.
    unsafe sem_destroy(bell)
    unsafe bell.deallocate()
  }

  func post(_ question: Question) -> Bool {
    let isTaken = questions.withLock { questions in
      guard questions.waiting.count < Resolver.waitingMax else { return false }
      questions.waiting.append(question)
      return true
    }
    // Posting to a semaphore that is alive as long as `self`.
    if isTaken { unsafe _ = sem_post(bell) }
    return isTaken
  }

  func stop() {
    questions.withLock { $0.isStopped = true }
    // As above.
    unsafe _ = sem_post(bell)
  }

  /// The thread: one look-up after the other until `stop`.
  func serve() {
    while true {
      // Interrupted waits look at the queue, find nothing and wait again.
      unsafe _ = sem_wait(bell)
      let (question, isStopped) = questions.withLock { questions in (questions.waiting.isEmpty ? nil : questions.waiting.removeFirst(), questions.isStopped) }
      if isStopped { return }
      guard let question else { continue }
      let addresses = lookUp(question.host, question.family)
      answers.withLock { $0.append(Resolver.Answer(token: question.token, addresses: addresses)) }
      waker.withLock { $0 }?.wake()
    }
  }

  private func lookUp(_ host: String, _ family: HostFamily) -> [SocketAddress] {
    let wanted =
      switch family {
      case .any: AF_UNSPEC
      case .ipv4: AF_INET
      case .ipv6: AF_INET6
      }
    // Plain numbers, and pointers that stay null.
    var hints = unsafe addrinfo()
    unsafe hints.ai_family = wanted
    unsafe hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    var list: UnsafeMutablePointer<addrinfo>?
    // The library allocates the list, which is freed below; hints and name outlive the call.
    guard unsafe getaddrinfo(host, nil, &hints, &list) == 0 else { return [] }
    defer { unsafe freeaddrinfo(list) }
    var addresses: [SocketAddress] = []
    var entry = unsafe list
    // Every entry has an address of the length that it names.
    while let current = unsafe entry, addresses.count < 16 {
      if let memory = unsafe current.pointee.ai_addr, let address = unsafe SocketAddress(UnsafeRawPointer(memory), length: Int(current.pointee.ai_addrlen)),
        !addresses.contains(address)
      {
        addresses.append(address)
      }
      unsafe entry = current.pointee.ai_next
    }
    return addresses
  }
}

private func resolverThread(_ context: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
  // The context is the retained desk of `Resolver.init`, handed over exactly once.
  unsafe Unmanaged<ResolverDesk>.fromOpaque(context!).takeRetainedValue().serve()
  return nil
}
