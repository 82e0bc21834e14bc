"""Opens a listening socket for each NAME=PORT and becomes the program behind '--', which finds them as systemd would hand them over."""
import os
import socket
import sys

end = sys.argv.index("--")
names = []
kept = []
for position, word in enumerate(sys.argv[1:end]):
    name, port = word.split("=")
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", int(port)))
    listener.listen(64)
    kept.append(os.dup(listener.fileno()))
    names.append(name)
    listener.close()
# First out of the way, then to the numbers that the protocol asks for.
moved = [os.dup2(number, 50 + position) for position, number in enumerate(kept)]
for position, number in enumerate(moved):
    os.dup2(number, 3 + position, inheritable=True)
os.environ["LISTEN_PID"] = str(os.getpid())
os.environ["LISTEN_FDS"] = str(len(names))
os.environ["LISTEN_FDNAMES"] = ":".join(names)
os.execv(sys.argv[end + 1], sys.argv[end + 1:])
