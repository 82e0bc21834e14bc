"""Asks the admin socket for /v1/health as another user and prints what came back: the status line, or `closed`."""
import os
import socket
import sys

path, user, group, groups = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), [int(text) for text in sys.argv[4:]]
os.setgroups(groups)
os.setgid(group)
os.setuid(user)
connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
connection.settimeout(20)
connection.connect(path)
try:
    connection.sendall(b"GET /v1/health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    answer = connection.recv(4096)
except (BrokenPipeError, ConnectionResetError):
    answer = b""
print(answer.split(b"\r\n")[0].decode() or "closed")
