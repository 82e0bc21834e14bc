// Linux as Swift sees it: liburing, epoll, eventfd, signalfd.
#pragma once
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <liburing.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
