//! Simulated BBB servers: the demo, the tests and the benchmarks share them.
