//! The program on one page: build, start, serve, drain.
