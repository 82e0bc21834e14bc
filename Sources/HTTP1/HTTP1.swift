// HTTP1: HTTP/1.1 messages, both roles, without I/O.
//
// Between the reactor and the API. A parser is fed the contiguous unread bytes of a connection and says what they are: part of a head, a head, a
// piece of a body, the end of the message, or a violation with the status it deserves. It remembers how far it has looked, so that bytes are
// scanned once however they are cut; it copies and allocates nothing.
//
//      head ──► fixed body ──► end        head ──► chunk size ──► chunk data ──► ... ──► trailers ──► end
//
// Strict where leniency lets two readers disagree about where a message ends (RFC 9112 sections 2.2, 6.3, 11.2): a bare LF, folded lines, blanks
// before the colon, Content-Length beside Transfer-Encoding, repeated or unlike lengths, and codings other than a final "chunked" are refused.
//
// Limits: a head of 8 KiB and 64 fields, a target of 4 KiB, a chunk-size line of 128 bytes, trailers of 4 KiB (`HTTPLimit`).
//
// Sources: RFC 9110, RFC 9112.
